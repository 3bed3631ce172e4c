//! Calls on the air: a public thing that a radio sends to everybody in reach at once (PROTOCOL.md section 9.7).
//!
//! In a crowd everybody who says again what they heard says it to people who heard it already. So whoever
//! hears something new waits a random moment, counts how often it comes again, and stays silent where it came
//! often enough: the counter-based scheme of Ni, Tseng, Chen and Sheu, "The broadcast storm problem in a
//! mobile ad hoc network", MobiCom 1999. Where few are around nobody stays silent.

use super::bucket::{Bucket, Rate};
use crate::id::ShortId;
use crate::rng::Rng;
use crate::time::Time;
use core::time::Duration;
use std::collections::BTreeMap;

/// Who heard a thing so often, the first time included, does not say it again.
const ENOUGH: u8 = 3;
/// With fewer nodes around than this everybody says everything once.
const SPARSE: u16 = 10;
/// How long one waits, in milliseconds: from this to that.
const WAIT_MS: (u64, u64) = (5, 200);
/// Things that wait to be said; one more is said over links alone.
const MAX_WAITING: usize = 256;
/// What is heard by air and has to be verified: so many at once, so many per second.
const INTAKE: Rate = Rate { burst: 64, per_second: 4 };

#[derive(Debug)]
struct Waiting {
    due: Time,
    heard: u8,
}

/// What is said on the air.
#[derive(Debug)]
pub(super) struct Air {
    /// How many nodes are around; `None` where no radio can say anything to all.
    around: Option<u16>,
    waiting: BTreeMap<ShortId, Waiting>,
    intake: Bucket,
}

impl Default for Air {
    fn default() -> Self {
        Self { around: None, waiting: BTreeMap::new(), intake: Bucket::new(INTAKE, Time(0)) }
    }
}

impl Air {
    /// The radio says how many it hears.
    pub(super) fn around(&mut self, nodes: u16) {
        self.around = Some(nodes);
    }

    /// Something is new here: it is said after a moment, at once where it was written here.
    pub(super) fn plan(&mut self, now: Time, id: ShortId, own: bool, heard: bool, rng: &mut Rng) {
        if self.around.is_none() || self.waiting.len() >= MAX_WAITING {
            return;
        }
        let (from, to) = WAIT_MS;
        let wait = if own { 0 } else { from + rng.below(to - from + 1) };
        let due = now + Duration::from_millis(wait);
        self.waiting.entry(id).or_insert_with(|| Waiting { due, heard: u8::from(heard) });
    }

    /// It was heard again. Whether it is known to wait.
    pub(super) fn again(&mut self, id: ShortId) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.heard = waiting.heard.saturating_add(1);
        }
    }

    /// Whether something new may be taken in now.
    pub(super) fn may_take(&mut self, now: Time) -> bool {
        self.intake.take(1, now)
    }

    /// What is to be said now.
    pub(super) fn due(&mut self, now: Time) -> Vec<ShortId> {
        let sparse = self.around.is_some_and(|around| around < SPARSE);
        let mut said = Vec::new();
        self.waiting.retain(|id, waiting| {
            if waiting.due > now {
                return true;
            }
            if sparse || waiting.heard < ENOUGH {
                said.push(*id);
            }
            false
        });
        said
    }

    pub(super) fn next_wakeup(&self) -> Option<Time> {
        self.waiting.values().map(|waiting| waiting.due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ShortId = ShortId([1; 8]);

    fn heard_so_often(times: u8, around: u16) -> usize {
        let (mut air, mut rng) = (Air::default(), Rng::new([1; 32]));
        air.around(around);
        air.plan(Time(0), ID, false, true, &mut rng);
        (1..times).for_each(|_| air.again(ID));
        air.due(Time(WAIT_MS.1)).len()
    }

    #[test]
    fn what_came_often_enough_is_not_said_again_in_a_crowd() {
        assert_eq!((heard_so_often(2, 30), heard_so_often(3, 30)), (1, 0));
    }

    #[test]
    fn where_few_are_around_everybody_says_everything() {
        assert_eq!(heard_so_often(9, 9), 1);
    }

    #[test]
    fn own_calls_are_said_at_once_and_only_where_a_radio_can() {
        let (mut air, mut rng) = (Air::default(), Rng::new([1; 32]));
        air.plan(Time(0), ID, true, false, &mut rng);
        assert_eq!(air.next_wakeup(), None);
        air.around(50);
        air.plan(Time(0), ID, true, false, &mut rng);
        assert_eq!(air.due(Time(0)), [ID]);
        assert_eq!(air.due(Time(1_000)), []);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut air, mut rng) = (Air::default(), Rng::new([1; 32]));
        air.around(50);
        for n in 0..2 * MAX_WAITING as u64 {
            air.plan(Time(0), ShortId(n.to_le_bytes()), false, true, &mut rng);
        }
        assert_eq!(air.waiting.len(), MAX_WAITING);
    }
}
