//! How many calls a neighbour may bring in a crowd (PROTOCOL.md section 9.5).
//!
//! Anybody can raise any number of alarms, each under a key of its own, and nobody can tell them from true ones. What
//! can be told is the link that brings one, and how far it claims to have come. There are few nodes next door and
//! many a few hops away: so a link may bring the fewest of those that were just said, more of those that came further,
//! and has a budget apart for each distance. Whoever says that its alarms come from far away competes with everything
//! from far away; whoever says that they are its own has an own one's budget.

use super::bucket::{Bucket, Rate};
use crate::id::ShortId;
use crate::time::Time;
use std::collections::VecDeque;

/// The hops with which a call for help is sent to the writer's own neighbours.
const NEXT_DOOR: u8 = crate::wire::beacon::CALL_HOPS - 1;
/// What one call takes from a budget.
const CALL: u64 = 1_000;
/// Budgets of the distances: said next door, one hop further, and so on; the last is for all that is farther. In
/// thousandths of a call: at once, and per second.
const RINGS: [Rate; 6] = [
    Rate { burst: 2 * CALL, per_second: 8 },
    Rate { burst: 3 * CALL, per_second: 20 },
    Rate { burst: 4 * CALL, per_second: 40 },
    Rate { burst: 6 * CALL, per_second: 70 },
    Rate { burst: 8 * CALL, per_second: 100 },
    Rate { burst: 8 * CALL, per_second: 200 },
];
/// Calls beyond their budget that are asked for again later.
const MAX_LATER: usize = 64;

/// The budgets of one link.
#[derive(Debug)]
pub(super) struct Calls {
    rings: [Bucket; RINGS.len()],
    /// What came too soon, and in which ring.
    later: VecDeque<(ShortId, usize)>,
}

impl Calls {
    pub(super) fn new(now: Time) -> Self {
        Self { rings: RINGS.map(|rate| Bucket::new(rate, now)), later: VecDeque::new() }
    }

    /// Whether a call that came with so many hops left is within the budget of its distance. One that is not is
    /// remembered up to a limit, and told by [`Calls::due`] when it may come.
    pub(super) fn take(&mut self, id: ShortId, hops: u8, now: Time) -> bool {
        let ring = usize::from(NEXT_DOOR.saturating_sub(hops)).min(RINGS.len() - 1);
        let within = self.rings[ring].take(CALL, now);
        if !within && self.later.len() < MAX_LATER {
            self.later.push_back((id, ring));
        }
        within
    }

    /// What may come now that came too soon.
    pub(super) fn due(&mut self, now: Time) -> Vec<ShortId> {
        let mut left: [u64; RINGS.len()] = core::array::from_fn(|ring| self.rings[ring].level(now) / CALL);
        let mut due = Vec::new();
        self.later.retain(|(id, ring)| {
            let Some(rest) = left[*ring].checked_sub(1) else { return true };
            left[*ring] = rest;
            due.push(*id);
            false
        });
        due
    }

    /// Whether something waits for its budget.
    pub(super) fn wait(&self) -> bool {
        !self.later.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> ShortId {
        ShortId(n.to_le_bytes())
    }

    fn taken(calls: &mut Calls, hops: u8, now: Time) -> usize {
        (0..1_000).filter(|n| calls.take(id(*n), hops, now)).count()
    }

    #[test]
    fn the_further_calls_came_the_more_a_link_may_bring_and_each_distance_counts_for_itself() {
        let mut calls = Calls::new(Time(0));
        let by_hops = [62, 61, 60, 59, 58, 57].map(|hops| taken(&mut calls, hops, Time(0)));
        assert_eq!(by_hops, [2, 3, 4, 6, 8, 8]);
        assert_eq!(taken(&mut calls, 0, Time(0)), 0, "all that is far has one budget");
        let mut calls = Calls::new(Time(0));
        assert_eq!(taken(&mut calls, 64, Time(0)), 2, "more hops than any call has are none from further");
    }

    #[test]
    fn a_link_may_bring_one_in_two_minutes_from_next_door_and_many_from_far_away() {
        let mut calls = Calls::new(Time(0));
        let (mut near, mut far) = (0, 0);
        for minute in 0..10 {
            near += taken(&mut calls, 62, Time(minute * 60_000));
            far += taken(&mut calls, 30, Time(minute * 60_000));
        }
        assert!((5..=7).contains(&near) && (70..=120).contains(&far), "{near} and {far}");
    }

    #[test]
    fn what_came_too_soon_is_asked_for_again_when_its_budget_allows() {
        let mut calls = Calls::new(Time(0));
        for n in 0..5 {
            assert_eq!(calls.take(id(n), 62, Time(0)), n < 2);
        }
        assert!(calls.wait() && calls.due(Time(1_000)).is_empty());
        assert_eq!(calls.due(Time(130_000)), [id(2)]);
        assert!(calls.take(id(2), 62, Time(130_000)));
    }

    #[test]
    fn what_came_too_soon_is_remembered_up_to_the_most() {
        let mut calls = Calls::new(Time(0));
        taken(&mut calls, 62, Time(0));
        assert_eq!(calls.later.len(), MAX_LATER);
    }
}
