//! Which calls a neighbour is asked for (PROTOCOL.md section 9.5).
//!
//! Anybody can raise any number of alarms, each under a key of its own, and nobody can tell them from true ones. What
//! can be told is the links that bring one. A call that crosses a crowd comes to nearly everybody over several links
//! at about the same time; one that was just made up comes over the links of whoever made it up, whatever it claims. So what
//! one link alone names has a small budget, apart for what it says itself and for what it says it heard. What
//! two links name goes on by distance: there are few nodes next door and many a few hops away, so a link may bring the fewest of
//! what was said near by, and each distance counts for itself. Names tell the distance, so that nothing crosses a
//! link beyond its budget.

use super::bucket::{Bucket, Rate};
use super::neighbour::CHECK;
use crate::id::ShortId;
use crate::time::Time;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// The hops that are left of a call when it comes to its writer's own neighbours.
const NEXT_DOOR: u8 = crate::wire::beacon::CALL_HOPS - 1;
/// What one call takes from a budget.
pub(super) const CALL: u64 = 1_000;
/// What only this link names, and says to be its own.
const OWN: Line = Line { burst: 3, per_second: 8, spare: 0, most: MAX_NAMED };
/// What only this link names, and says to come from elsewhere. Here is what the comparison of sets found.
const ALONE: Line = Line { burst: 8, per_second: 30, spare: 0, most: MAX_COMPARED };
/// What others name too, by the hops that are left: next door, one hop further, and so on; the last is all that is farther.
const RINGS: [Line; 6] = [
    Line { burst: 4, per_second: 60, spare: 0, most: MAX_NAMED },
    Line { burst: 4, per_second: 60, spare: 0, most: MAX_NAMED },
    Line { burst: 6, per_second: 120, spare: 0, most: MAX_NAMED },
    Line { burst: 8, per_second: 250, spare: 2, most: MAX_NAMED },
    Line { burst: 8, per_second: 400, spare: 4, most: MAX_NAMED },
    Line { burst: 8, per_second: 400, spare: 8, most: MAX_COMPARED },
];
/// All lines, the first asked first.
const LINES: [Line; 8] = [OWN, RINGS[0], RINGS[1], RINGS[2], RINGS[3], RINGS[4], ALONE, RINGS[5]];
const OWN_LINE: usize = 0;
const ALONE_LINE: usize = 6;
/// Calls of all slow links of strangers together, in thousandths: what asks for more than is left waits, the farthest first.
pub(super) const ALL: Rate = Rate { burst: 24 * CALL, per_second: 3 * CALL };
/// Links that begin with a call of each of the lines that they alone fill, in thousandths: twice as many as a radio has, and one in 8 s.
pub(super) const NEW: Rate = Rate { burst: 12 * CALL, per_second: 125 };
/// Budgets of a link that is not slow are so many times as large: alarms are no burden there.
const FAST: u64 = 16;
/// Names that wait in a line, and of those where the comparison of sets puts what it found; older ones go.
const MAX_NAMED: usize = 64;
const MAX_COMPARED: usize = 4_096;
/// Names of one line that are looked at at a time.
const MAX_LOOKED: usize = 256;
/// With so many calls left in the budget of all links nothing waits for being named by others too.
const QUIET: u64 = 20;
/// Otherwise what one link alone names waits so long for that, in milliseconds.
const PATIENCE: u64 = 300;
/// Calls under way over one link.
const MAX_ASKED: usize = 256;

/// The budget of names of one kind.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Calls at once.
    burst: u64,
    /// Thousandths of a call per second.
    per_second: u64,
    /// Calls that must be left in the budget of all links.
    spare: u64,
    /// Names that wait.
    most: usize,
}

/// What came of a call that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It was asked for, within its budget.
    Asked,
    /// It came unasked or from nearer than was said, within its budget.
    InTime,
    /// It came so beyond its budget: its name waits.
    TooSoon,
}

/// A name that waits.
#[derive(Clone, Copy, Debug)]
struct Named {
    id: ShortId,
    /// The hops that it is said to have left.
    hops: u8,
    since: Time,
}

/// The calls of one link.
#[derive(Debug)]
pub(super) struct Calls {
    budgets: [Bucket; LINES.len()],
    /// Named and not asked for yet, the latest last.
    named: [VecDeque<Named>; LINES.len()],
    /// Where each waits.
    known: BTreeMap<ShortId, usize>,
    asked: BTreeMap<ShortId, u8>,
}

/// The line of what has so many hops left and was named by others too, or not.
fn line(hops: u8, shared: bool) -> usize {
    let ring = usize::from(NEXT_DOOR.saturating_sub(hops)).min(RINGS.len() - 1);
    match (shared, ring) {
        (false, 0) => OWN_LINE,
        (false, _) => ALONE_LINE,
        (true, 5) => LINES.len() - 1,
        (true, ring) => ring + 1,
    }
}

impl Calls {
    pub(super) fn new(slow: bool, now: Time) -> Self {
        let times = if slow { 1 } else { FAST };
        let bucket = |line: Line| {
            Bucket::new(Rate { burst: line.burst * CALL * times, per_second: line.per_second * times }, now)
        };
        Self {
            budgets: LINES.map(bucket),
            named: Default::default(),
            known: BTreeMap::new(),
            asked: BTreeMap::new(),
        }
    }

    /// A new link begins with one call of its own and one that it alone heard, or with none where `pool` has nothing left for
    /// new links.
    pub(super) fn begin(&mut self, pool: &mut Bucket, now: Time) {
        let begins = pool.take(CALL, now);
        for (line, calls) in [(OWN_LINE, 1), (ALONE_LINE, 1)] {
            let left = if begins { calls * CALL } else { 0 };
            let full = self.budgets[line].level(now);
            self.budgets[line].charge(full.saturating_sub(left), now);
        }
    }

    /// The neighbour has a call with so many hops left; `shared` where others named it too.
    pub(super) fn announce(&mut self, id: ShortId, hops: u8, shared: bool, now: Time) {
        if self.asked.contains_key(&id) || self.known.contains_key(&id) {
            return;
        }
        let line = line(hops, shared);
        self.known.insert(id, line);
        self.named[line].push_back(Named { id, hops, since: now });
        if self.named[line].len() > LINES[line].most
            && let Some(oldest) = self.named[line].pop_front()
        {
            self.known.remove(&oldest.id);
        }
    }

    /// Whether the neighbour named it, and it waits or is under way.
    pub(super) fn has(&self, id: ShortId) -> bool {
        self.known.contains_key(&id) || self.asked.contains_key(&id)
    }

    /// Another link named it too.
    pub(super) fn share(&mut self, id: ShortId, now: Time) {
        let alone = self.known.get(&id).is_some_and(|line| matches!(*line, OWN_LINE | ALONE_LINE));
        if alone && let Some(hops) = self.forget(id) {
            self.announce(id, hops, true, now);
        }
    }

    /// What may be asked for now, the nearest first, of each line the latest, within its budget where it is `bound`; `left`
    /// is what all links together may still be asked for, in thousandths.
    pub(super) fn next(&mut self, bound: bool, left: u64, now: Time) -> Vec<ShortId> {
        let mut next = Vec::new();
        if self.asked.len() >= MAX_ASKED {
            return next;
        }
        let ripe = Self::ripe(left, now);
        for (n, named) in self.named.iter().enumerate() {
            let open = !bound || (self.budgets[n].level(now) >= CALL && left >= LINES[n].spare * CALL);
            if open {
                let ripe = named.iter().rev().filter(|name| name.since <= ripe || n != ALONE_LINE || !bound);
                next.extend(ripe.take(MAX_LOOKED).map(|name| name.id));
            }
        }
        next
    }

    /// What one link alone names from afar is asked for if it was named by then: others may be about to name it too, and the last of the
    /// budget is for what they do not.
    fn ripe(left: u64, now: Time) -> Time {
        if left >= QUIET * CALL { now } else { Time(now.0.saturating_sub(PATIENCE)) }
    }

    /// Whether this one, which waits, may be asked for.
    pub(super) fn may_ask(&mut self, id: ShortId, bound: bool, left: u64, now: Time) -> bool {
        let Some(line) = self.known.get(&id).copied() else { return false };
        let within = left >= LINES[line].spare * CALL && self.budgets[line].level(now) >= CALL;
        self.asked.len() < MAX_ASKED && (!bound || within)
    }

    /// It is asked for, and counts.
    pub(super) fn ask(&mut self, id: ShortId, now: Time) {
        let Some(line) = self.known.get(&id).copied() else { return };
        self.budgets[line].charge(CALL, now);
        if let Some(hops) = self.forget(id) {
            self.asked.insert(id, hops);
        }
    }

    /// It is not to be asked for. The hops that it was said to have left.
    pub(super) fn forget(&mut self, id: ShortId) -> Option<u8> {
        let named = &mut self.named[self.known.remove(&id)?];
        let at = named.iter().position(|named| named.id == id)?;
        named.remove(at).map(|named| named.hops)
    }

    /// A call came, asked for or not; `shared` where others named it too.
    pub(super) fn arrived(&mut self, id: ShortId, hops: u8, shared: bool, bound: bool, now: Time) -> Arrived {
        match self.asked.remove(&id) {
            Some(said) if hops <= said => Arrived::Asked,
            _ if !bound || self.budgets[line(hops, shared)].take(CALL, now) => Arrived::InTime,
            _ => {
                self.announce(id, hops, shared, now);
                Arrived::TooSoon
            }
        }
    }

    /// It came some other way. Whether the neighbour had named it, and was not asked.
    pub(super) fn settled(&mut self, id: ShortId) -> bool {
        self.asked.remove(&id);
        self.forget(id).is_some()
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
        let soonest = soonest.min().map(|wait| now + wait.max(CHECK));
        let unripe = self.named[ALONE_LINE].iter().rev().take_while(|name| name.since.0 + PATIENCE > now.0);
        let ripens = unripe.last().map(|name| Time(name.since.0 + PATIENCE));
        let ripens = ripens.filter(|_| self.budgets[ALONE_LINE].level(now) >= CALL);
        [soonest, ripens].into_iter().flatten().min()
    }

    /// Whether names wait.
    pub(super) fn wait(&self) -> bool {
        !self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing was asked of any link yet.
    const FULL: u64 = ALL.burst;

    fn id(n: u64) -> ShortId {
        ShortId(n.to_le_bytes())
    }

    /// Asks for what may be asked for.
    fn ask_all(calls: &mut Calls, left: u64, now: Time) -> Vec<ShortId> {
        let mut asked = calls.next(true, left, now);
        asked.retain(|id| {
            let may = calls.may_ask(*id, true, left, now);
            if may {
                calls.ask(*id, now);
            }
            may
        });
        asked
    }

    /// Names many, and says how many are asked for.
    fn asked(calls: &mut Calls, first: u64, hops: u8, shared: bool) -> usize {
        (first..first + 50).for_each(|n| calls.announce(id(n), hops, shared, Time(0)));
        ask_all(calls, FULL, Time(0)).len()
    }

    #[test]
    fn the_further_shared_calls_came_the_more_a_link_may_bring_and_each_distance_counts_for_itself() {
        let mut calls = Calls::new(true, Time(0));
        let by_hops =
            [62, 61, 60, 59, 58, 57].map(|hops| asked(&mut calls, u64::from(hops) * 100, hops, true));
        assert_eq!(by_hops, [4, 4, 6, 8, 8, 8]);
        assert_eq!(asked(&mut calls, 0, 0, true), 0, "all that is far has one budget");
    }

    #[test]
    fn what_one_link_alone_names_has_one_budget_for_its_own_and_one_for_all_else_whatever_it_claims() {
        let mut calls = Calls::new(true, Time(0));
        assert_eq!([62, 61].map(|hops| asked(&mut calls, u64::from(hops) * 100, hops, false)), [3, 8]);
        assert_eq!([60, 30, 0].map(|hops| asked(&mut calls, u64::from(hops) * 100, hops, false)), [0, 0, 0]);
        assert_eq!(
            asked(&mut calls, 9_000, 64, false),
            0,
            "more hops than any call has are none from further"
        );
    }

    #[test]
    fn what_another_link_names_too_leaves_the_budget_of_what_one_alone_names() {
        let mut calls = Calls::new(true, Time(0));
        assert_eq!(asked(&mut calls, 0, 61, false), 8);
        assert!(calls.has(id(0)) && !calls.may_ask(id(0), true, FULL, Time(0)));
        calls.share(id(0), Time(0));
        assert_eq!(ask_all(&mut calls, FULL, Time(0)), [id(0)]);
        assert!(calls.has(id(0)), "it is under way");
        calls.settled(id(0));
        assert!(!calls.has(id(0)));
    }

    #[test]
    fn the_latest_is_asked_for_first_and_what_waits_when_its_budget_came_back() {
        let mut calls = Calls::new(true, Time(0));
        assert_eq!(asked(&mut calls, 0, 62, false), 3);
        assert!(calls.wait() && calls.next(true, FULL, Time(1_000)).is_empty());
        assert_eq!(calls.next(true, FULL, Time(130_000))[0], id(46));
        assert_eq!(calls.next(false, 0, Time(0)).len(), 47, "a contact has no budget");
    }

    #[test]
    fn what_one_link_alone_names_waits_a_moment_for_others_while_much_is_asked_for() {
        let mut calls = Calls::new(true, Time(0));
        calls.announce(id(1), 60, false, Time(1_000));
        assert_eq!(calls.next(true, FULL, Time(1_000)), [id(1)], "nothing else is going on");
        assert_eq!(ask_all(&mut calls, 0, Time(1_299)), []);
        assert_eq!(calls.due(true, Time(1_000)), Some(Time(1_300)));
        assert_eq!(ask_all(&mut calls, 0, Time(1_300)), [id(1)]);
    }

    #[test]
    fn what_came_from_far_waits_first_where_all_links_bring_much() {
        let by_hops = |hops, left| {
            let mut calls = Calls::new(true, Time(0));
            calls.announce(id(1), hops, true, Time(0));
            ask_all(&mut calls, left * CALL, Time(0)).len()
        };
        assert_eq!([by_hops(57, 7), by_hops(57, 8), by_hops(58, 3), by_hops(58, 4)], [0, 1, 0, 1]);
        assert_eq!([62, 61, 60].map(|hops| by_hops(hops, 0)), [1, 1, 1], "near by nothing else counts");
    }

    #[test]
    fn names_that_wait_are_the_latest_up_to_the_most() {
        let mut calls = Calls::new(true, Time(0));
        (0..200).for_each(|n| calls.announce(id(n), 62, false, Time(0)));
        (1_000..9_000).for_each(|n| calls.announce(id(n), 0, false, Time(0)));
        let waiting: usize = calls.named.iter().map(VecDeque::len).sum();
        assert_eq!((waiting, calls.known.len()), (MAX_NAMED + MAX_COMPARED, MAX_NAMED + MAX_COMPARED));
        assert_eq!(calls.next(true, FULL, Time(0))[0], id(199));
        assert!(!calls.has(id(0)) && !calls.has(id(1_000)));
    }

    #[test]
    fn what_came_some_other_way_neither_waits_nor_counts_as_asked_for() {
        let mut calls = Calls::new(true, Time(0));
        for n in 0..3 * MAX_ASKED as u64 {
            calls.announce(id(n), 0, false, Time(0));
            assert!(calls.may_ask(id(n), false, 0, Time(0)), "{n}");
            calls.ask(id(n), Time(0));
            calls.announce(id(n + 10_000), 62, false, Time(0));
            assert!(!calls.settled(id(n)), "it was asked for");
            assert!(calls.settled(id(n + 10_000)), "its neighbour has it");
        }
        assert!(calls.asked.is_empty() && !calls.wait() && calls.named.iter().all(VecDeque::is_empty));
    }

    #[test]
    fn names_whose_budget_is_used_up_wake_nobody_before_it_has_room() {
        let mut calls = Calls::new(true, Time(0));
        assert_eq!(asked(&mut calls, 100, 62, false), 3);
        assert_eq!(calls.due(true, Time(0)), Some(Time(125_000)));
        assert_eq!(calls.due(false, Time(0)), Some(Time(1_000)), "a contact's have no budget");
        assert_eq!(ask_all(&mut calls, FULL, Time(125_000)).len(), 1);
        (100..150).for_each(|n| _ = calls.settled(id(n)));
        assert_eq!(calls.due(true, Time(125_000)), None);
    }

    #[test]
    fn a_fast_link_may_bring_more() {
        let (mut slow, mut fast) = (Calls::new(true, Time(0)), Calls::new(false, Time(0)));
        assert_eq!((asked(&mut slow, 200, 62, false), asked(&mut fast, 200, 62, false)), (3, 48));
    }

    #[test]
    fn attack_46_new_links_begin_with_calls_only_as_long_as_the_pool_has_some() {
        let mut pool = Bucket::new(NEW, Time(0));
        let mut all = [0, 0];
        for _ in 0..100 {
            let mut calls = Calls::new(true, Time(0));
            calls.begin(&mut pool, Time(0));
            all[0] += asked(&mut calls, 0, 62, false);
            all[1] += asked(&mut calls, 100, 30, false);
        }
        assert_eq!(all, [12, 12]);
        let mut later = Calls::new(true, Time(8_000));
        later.begin(&mut pool, Time(8_000));
        later.announce(id(0), 62, false, Time(8_000));
        assert_eq!(ask_all(&mut later, FULL, Time(8_000)).len(), 1, "one more begins with some");
    }

    #[test]
    fn no_more_than_the_most_are_under_way() {
        let mut calls = Calls::new(true, Time(0));
        (0..1_000).for_each(|n| calls.announce(id(n), 0, false, Time(0)));
        for _ in 0..10 {
            for id in calls.next(false, 0, Time(0)) {
                if calls.may_ask(id, false, 0, Time(0)) {
                    calls.ask(id, Time(0));
                }
            }
        }
        assert_eq!(calls.asked.len(), MAX_ASKED);
    }

    #[test]
    fn a_call_that_comes_from_nearer_than_was_said_needs_the_budget_of_there() {
        let mut calls = Calls::new(true, Time(0));
        assert_eq!(asked(&mut calls, 100, 62, false), 3);
        for (n, hops, came) in [(1, 62, Arrived::TooSoon), (2, 30, Arrived::Asked)] {
            calls.announce(id(n), 30, false, Time(0));
            assert!(calls.may_ask(id(n), true, FULL, Time(0)));
            calls.ask(id(n), Time(0));
            assert_eq!(calls.arrived(id(n), hops, false, true, Time(0)), came);
        }
    }

    #[test]
    fn what_comes_unasked_beyond_its_budget_waits_for_it() {
        let mut calls = Calls::new(true, Time(0));
        let came = [1, 2, 3, 4].map(|n| calls.arrived(id(n), 62, false, true, Time(0)));
        assert_eq!(came, [Arrived::InTime, Arrived::InTime, Arrived::InTime, Arrived::TooSoon]);
        assert!(calls.wait());
    }
}
