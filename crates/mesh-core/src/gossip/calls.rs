//! Which calls a neighbour is asked for (PROTOCOL.md section 9.5).
//!
//! Anybody can raise any number of alarms, each under a key of its own, and nobody can tell them from true ones. What
//! can be told is the link that brings one, and how far it claims to have come. There are few nodes next door and
//! many a few hops away: so in a crowd a link may bring the fewest of those that were just said, more of those that
//! came further, and has a budget apart for each distance. Whoever says that its alarms come from far away competes
//! with everything from far away; whoever says that they are its own has an own one's budget. Names tell the
//! distance, so that nothing crosses a link beyond its budget.

use super::bucket::{Bucket, Rate};
use super::neighbour::CHECK;
use crate::id::ShortId;
use crate::time::Time;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The hops that are left of a call when it comes to its writer's own neighbours.
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
/// Budgets of a link that is not slow are so many times as large: alarms are no burden there.
const FAST: u64 = 16;
/// The ring of all that is far.
const FAR: usize = RINGS.len() - 1;
/// Names of each ring that wait, and of the last, where the comparison of sets puts what it found; older ones go.
const MAX_NAMED: usize = 64;
const MAX_FAR: usize = 4_096;
/// Names of one ring that are looked at at a time.
const MAX_LOOKED: usize = 256;
/// Calls under way over one link.
const MAX_ASKED: usize = 256;

/// What came of a call that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It was within its budget.
    InTime,
    /// It came beyond its budget, unasked or from nearer than was said: its name waits.
    TooSoon,
}

/// The calls of one link.
#[derive(Debug)]
pub(super) struct Calls {
    budgets: [Bucket; RINGS.len()],
    /// Named and not asked for yet, with the hops that they are said to have left.
    named: [VecDeque<(ShortId, u8)>; RINGS.len()],
    known: BTreeSet<ShortId>,
    asked: BTreeMap<ShortId, u8>,
}

fn ring(hops: u8) -> usize {
    usize::from(NEXT_DOOR.saturating_sub(hops)).min(FAR)
}

impl Calls {
    pub(super) fn new(slow: bool, now: Time) -> Self {
        let times = if slow { 1 } else { FAST };
        let rate = |rate: Rate| Rate { burst: rate.burst * times, per_second: rate.per_second * times };
        Self {
            budgets: RINGS.map(|ring| Bucket::new(rate(ring), now)),
            named: Default::default(),
            known: BTreeSet::new(),
            asked: BTreeMap::new(),
        }
    }

    /// The neighbour has a call with so many hops left.
    pub(super) fn announce(&mut self, id: ShortId, hops: u8) {
        if self.asked.contains_key(&id) || !self.known.insert(id) {
            return;
        }
        let ring = ring(hops);
        self.named[ring].push_back((id, hops));
        let most = if ring == FAR { MAX_FAR } else { MAX_NAMED };
        if self.named[ring].len() > most
            && let Some((oldest, _)) = self.named[ring].pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// What may be asked for now, the nearest first, each distance within its budget where it is `bound`.
    pub(super) fn next(&mut self, bound: bool, now: Time) -> Vec<(ShortId, u8)> {
        let mut next = Vec::new();
        if self.asked.len() >= MAX_ASKED {
            return next;
        }
        for (budget, named) in self.budgets.iter_mut().zip(&self.named) {
            if !named.is_empty() && (!bound || budget.level(now) >= CALL) {
                next.extend(named.iter().take(MAX_LOOKED));
            }
        }
        next
    }

    /// Whether one with so many hops left may be asked for.
    pub(super) fn may_ask(&mut self, hops: u8, bound: bool, now: Time) -> bool {
        self.asked.len() < MAX_ASKED && (!bound || self.budgets[ring(hops)].level(now) >= CALL)
    }

    /// It is asked for. `false` where its budget or the most that are under way do not allow it.
    pub(super) fn ask(&mut self, id: ShortId, hops: u8, bound: bool, now: Time) -> bool {
        let allowed = self.may_ask(hops, bound, now);
        if allowed {
            self.budgets[ring(hops)].charge(CALL, now);
            self.forget(id, hops);
            self.asked.insert(id, hops);
        }
        allowed
    }

    /// It is not to be asked for.
    pub(super) fn forget(&mut self, id: ShortId, hops: u8) {
        if self.known.remove(&id) {
            self.named[ring(hops)].retain(|(named, _)| *named != id);
        }
    }

    /// A call came, asked for or not.
    pub(super) fn arrived(&mut self, id: ShortId, hops: u8, bound: bool, now: Time) -> Arrived {
        match self.asked.remove(&id) {
            Some(said) if hops <= said => Arrived::InTime,
            _ if !bound || self.budgets[ring(hops)].take(CALL, now) => Arrived::InTime,
            _ => {
                self.announce(id, hops);
                Arrived::TooSoon
            }
        }
    }

    /// It came some other way.
    pub(super) fn settled(&mut self, id: ShortId) {
        self.asked.remove(&id);
        if self.known.remove(&id) {
            self.named.iter_mut().for_each(|named| named.retain(|(named, _)| *named != id));
        }
    }

    /// It does not come. The hops that it was said to have left, where it is a call.
    pub(super) fn gave_up(&mut self, id: ShortId) -> Option<u8> {
        self.asked.remove(&id)
    }

    /// When the names that wait are looked at next, where any do: as soon as a budget has room for one.
    pub(super) fn due(&mut self, bound: bool, now: Time) -> Option<Time> {
        let waiting = self.budgets.iter_mut().zip(&self.named).filter(|(_, named)| !named.is_empty());
        let soonest =
            waiting.map(|(budget, _)| if bound { budget.wait_for(CALL, now) } else { Duration::ZERO });
        soonest.min().map(|wait| now + wait.max(CHECK))
    }

    /// Whether names wait.
    pub(super) fn wait(&self) -> bool {
        !self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> ShortId {
        ShortId(n.to_le_bytes())
    }

    /// Names many, and says how many are asked for.
    fn asked(calls: &mut Calls, first: u64, hops: u8, now: Time) -> usize {
        (first..first + 50).for_each(|n| calls.announce(id(n), hops));
        let next = calls.next(true, now);
        next.into_iter().filter(|(id, hops)| calls.ask(*id, *hops, true, now)).count()
    }

    #[test]
    fn the_further_calls_came_the_more_a_link_may_bring_and_each_distance_counts_for_itself() {
        let mut calls = Calls::new(true, Time(0));
        let by_hops =
            [62, 61, 60, 59, 58, 57].map(|hops| asked(&mut calls, u64::from(hops) * 100, hops, Time(0)));
        assert_eq!(by_hops, [2, 3, 4, 6, 8, 8]);
        assert_eq!(asked(&mut calls, 0, 0, Time(0)), 0, "all that is far has one budget");
        let mut calls = Calls::new(true, Time(0));
        assert_eq!(asked(&mut calls, 0, 64, Time(0)), 2, "more hops than any call has are none from further");
    }

    #[test]
    fn what_waits_for_its_budget_is_asked_for_when_it_came_back() {
        let mut calls = Calls::new(true, Time(0));
        assert_eq!(asked(&mut calls, 0, 62, Time(0)), 2);
        assert!(calls.wait() && calls.next(true, Time(1_000)).is_empty());
        assert_eq!(calls.next(true, Time(130_000))[0], (id(2), 62));
        assert_eq!(calls.next(false, Time(0)).len(), 48, "a contact has no budget");
    }

    #[test]
    fn names_that_wait_are_the_latest_up_to_the_most() {
        let mut calls = Calls::new(true, Time(0));
        (0..200).for_each(|n| calls.announce(id(n), 62));
        (1_000..9_000).for_each(|n| calls.announce(id(n), 0));
        let waiting: usize = calls.named.iter().map(VecDeque::len).sum();
        assert_eq!((waiting, calls.known.len()), (MAX_NAMED + MAX_FAR, MAX_NAMED + MAX_FAR));
        assert_eq!(calls.next(true, Time(0))[0], (id(136), 62));
    }

    #[test]
    fn what_came_some_other_way_neither_waits_nor_counts_as_asked_for() {
        let mut calls = Calls::new(true, Time(0));
        for n in 0..3 * MAX_ASKED as u64 {
            calls.announce(id(n), 0);
            assert!(calls.ask(id(n), 0, false, Time(0)), "{n}");
            calls.announce(id(n + 10_000), 62);
            calls.settled(id(n));
            calls.settled(id(n + 10_000));
        }
        assert!(calls.asked.is_empty() && !calls.wait() && calls.named.iter().all(VecDeque::is_empty));
    }

    #[test]
    fn names_whose_budget_is_used_up_wake_nobody_before_it_has_room() {
        let mut calls = Calls::new(true, Time(0));
        assert_eq!(asked(&mut calls, 100, 62, Time(0)), 2);
        assert_eq!(calls.due(true, Time(0)), Some(Time(125_000)));
        assert_eq!(calls.due(false, Time(0)), Some(Time(1_000)), "a contact's have no budget");
        assert_eq!(asked(&mut calls, 100, 62, Time(125_000)), 1);
        (100..150).for_each(|n| calls.settled(id(n)));
        assert_eq!(calls.due(true, Time(125_000)), None);
    }

    #[test]
    fn a_fast_link_may_bring_more() {
        let (mut slow, mut fast) = (Calls::new(true, Time(0)), Calls::new(false, Time(0)));
        assert_eq!((asked(&mut slow, 200, 62, Time(0)), asked(&mut fast, 200, 62, Time(0))), (2, 32));
    }

    #[test]
    fn no_more_than_the_most_are_under_way() {
        let mut calls = Calls::new(true, Time(0));
        (0..1_000).for_each(|n| calls.announce(id(n), 0));
        let mut under_way = 0;
        for _ in 0..10 {
            for (id, hops) in calls.next(false, Time(0)) {
                under_way += usize::from(calls.ask(id, hops, false, Time(0)));
            }
        }
        assert_eq!(under_way, MAX_ASKED);
    }

    #[test]
    fn a_call_that_comes_from_nearer_than_was_said_needs_the_budget_of_there() {
        let mut calls = Calls::new(true, Time(0));
        assert_eq!(asked(&mut calls, 100, 62, Time(0)), 2);
        for (n, hops, came) in [(1, 62, Arrived::TooSoon), (2, 30, Arrived::InTime)] {
            calls.announce(id(n), 30);
            assert!(calls.ask(id(n), 30, true, Time(0)));
            assert_eq!(calls.arrived(id(n), hops, true, Time(0)), came);
        }
    }

    #[test]
    fn what_comes_unasked_beyond_its_budget_waits_for_it() {
        let mut calls = Calls::new(true, Time(0));
        let came = [1, 2, 3].map(|n| calls.arrived(id(n), 62, true, Time(0)));
        assert_eq!(came, [Arrived::InTime, Arrived::InTime, Arrived::TooSoon]);
        assert!(calls.wait());
    }
}
