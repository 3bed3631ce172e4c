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
use std::collections::{BTreeMap, VecDeque};

/// Who heard a thing so often, the first time included, does not say it again.
const ENOUGH: u8 = 3;
/// With fewer nodes around than this everybody says everything once.
const SPARSE: u16 = 10;
/// So many of those around, on average, say a thing however often they heard it: what is heard names no speaker,
/// and one who repeats it for all to hear would silence everybody else.
const STUBBORN: u64 = 1;
/// At most so many are thought to be around for that: advertisements of nobody cost nothing.
const MOST_AROUND: u64 = 128;
/// How long one waits, in milliseconds: from this to that.
const WAIT_MS: (u64, u64) = (5, 200);
/// Things that wait to be said; one more is said over links alone.
const MAX_WAITING: usize = 256;
/// What is heard by air and has to be verified: so many at once, so many per second.
const INTAKE: Rate = Rate { burst: 64, per_second: 50 };
/// Forged things that are remembered, so that each is looked at once.
const MAX_FORGED: usize = 64;

/// What others wrote and is said on: so much at once, so much per second.
const OTHERS: Rate = Rate { burst: 64, per_second: 4 };

#[derive(Debug)]
struct Waiting {
    due: Time,
    heard: u8,
    /// It is said however often it was heard.
    stubborn: bool,
    own: bool,
}

/// What is said on the air.
#[derive(Debug)]
pub(super) struct Air {
    /// How many nodes are around; `None` where no radio can say anything to all.
    around: Option<u16>,
    waiting: BTreeMap<ShortId, Waiting>,
    forged: VecDeque<ShortId>,
    intake: Bucket,
    others: Bucket,
}

impl Default for Air {
    fn default() -> Self {
        let [intake, others] = [INTAKE, OTHERS].map(|rate| Bucket::new(rate, Time(0)));
        Self { around: None, waiting: BTreeMap::new(), forged: VecDeque::new(), intake, others }
    }
}

impl Air {
    /// The radio says how many it hears.
    pub(super) fn around(&mut self, nodes: u16) {
        self.around = Some(nodes);
    }

    /// Something is new here: it is said after a moment, at once where it was written here.
    pub(super) fn plan(&mut self, now: Time, id: ShortId, own: bool, heard: bool, rng: &mut Rng) {
        let Some(around) = self.around.filter(|_| self.waiting.len() < MAX_WAITING) else { return };
        let (from, to) = WAIT_MS;
        let wait = if own { 0 } else { from + rng.below(to - from + 1) };
        let (due, heard) = (now + Duration::from_millis(wait), u8::from(heard));
        let stubborn = own || rng.below(u64::from(around).clamp(1, MOST_AROUND)) < STUBBORN;
        self.waiting.entry(id).or_insert(Waiting { due, heard, stubborn, own });
    }

    /// It was heard again.
    pub(super) fn again(&mut self, id: ShortId) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.heard = waiting.heard.saturating_add(1);
        }
    }

    /// Whether something new may be verified now.
    pub(super) fn may_take(&mut self, now: Time, id: ShortId) -> bool {
        !self.forged.contains(&id) && self.intake.take(1, now)
    }

    /// It was verified, and is forged.
    pub(super) fn forged(&mut self, id: ShortId) {
        self.forged.push_back(id);
        if self.forged.len() > MAX_FORGED {
            self.forged.pop_front();
        }
    }

    /// What is to be said now. What others wrote beyond the most goes over links alone.
    pub(super) fn due(&mut self, now: Time) -> Vec<ShortId> {
        let sparse = self.around.is_some_and(|around| around < SPARSE);
        let (mut said, others) = (Vec::new(), &mut self.others);
        self.waiting.retain(|id, waiting| {
            if waiting.due > now {
                return true;
            }
            let needed = sparse || waiting.stubborn || waiting.heard < ENOUGH;
            if needed && (waiting.own || others.take(1, now)) {
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

    /// How many of 1,000 say what each of them heard so often.
    fn heard_so_often(times: u8, around: u16) -> usize {
        let mut rng = Rng::new([1; 32]);
        let mut says = || {
            let mut air = Air::default();
            air.around(around);
            air.plan(Time(0), ID, false, true, &mut rng);
            (1..times).for_each(|_| air.again(ID));
            air.due(Time(WAIT_MS.1)).len()
        };
        (0..1_000).map(|_| says()).sum()
    }

    #[test]
    fn what_came_often_enough_is_said_again_by_a_few_in_a_crowd() {
        assert_eq!(heard_so_often(2, 40), 1_000);
        let few = heard_so_often(3, 40);
        assert!((10..45).contains(&few), "{few} of 1,000: one in forty");
    }

    #[test]
    fn who_repeats_a_call_for_all_to_hear_and_makes_a_crowd_up_silences_nobody_else_for_good() {
        assert!(heard_so_often(200, u16::MAX) > 5);
    }

    #[test]
    fn one_forged_call_that_comes_without_end_keeps_no_honest_one_out() {
        let mut air = Air::default();
        for n in 0..1_000 {
            if air.may_take(Time(n), ID) {
                air.forged(ID);
            }
        }
        assert!(air.may_take(Time(1_000), ShortId([2; 8])));
        assert_eq!(air.forged.len(), 1);
        (0..200).for_each(|n| air.forged(ShortId([n; 8])));
        assert_eq!(air.forged.len(), MAX_FORGED);
    }

    #[test]
    fn where_few_are_around_everybody_says_everything() {
        assert_eq!(heard_so_often(9, 9), 1_000);
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
    fn what_others_wrote_is_said_at_a_bounded_rate_and_own_calls_always() {
        let (mut air, mut rng) = (Air::default(), Rng::new([1; 32]));
        air.around(50);
        let mut said = 0;
        for n in 0..2_000u64 {
            let now = Time(n * 10);
            air.plan(now, ShortId(n.to_le_bytes()), false, false, &mut rng);
            said += air.due(now).len() as u64;
        }
        assert!((OTHERS.burst..=OTHERS.burst + 20 * OTHERS.per_second).contains(&said), "{said}");
        air.plan(Time(20_000), ID, true, false, &mut rng);
        assert!(air.due(Time(20_000)).contains(&ID));
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
