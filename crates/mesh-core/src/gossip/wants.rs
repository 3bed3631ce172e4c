//! What is asked for, of whom, and what happens when it does not come.

use crate::id::{LinkId, ShortId};
use crate::time::Time;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Names that a link announced and that were not asked for yet.
const MAX_BACKLOG: usize = 65_536;
/// Links that are remembered to hold what another was asked for.
const MAX_OTHERS: usize = 4;
/// Names that one link brought in a copy of no use.
const MAX_DECLINED: usize = 4_096;
/// Without an answer for this long, and the link otherwise idle for [`IDLE`], another is asked. The link itself
/// stands: what is cut is noticed long before (PROTOCOL.md section 4).
const PATIENCE: Duration = Duration::from_secs(15);
const IDLE: Duration = Duration::from_secs(10);
/// However busy the link is.
const LIMIT: Duration = Duration::from_secs(60);
/// What is late may still be under way, on a slow link or a long one: it is not asked of the same link again
/// for this long after it was given up, and taken if it comes.
const LATE: Duration = Duration::from_secs(15);
/// Names that are late on one link.
const MAX_LATE: usize = 1_024;

/// Names that are asked of another link and that this one has too.
const MAX_PUT_BY: usize = 1_024;
/// What another link was asked for is taken over by one that has nothing to do, so many at a time, after twice the
/// shortest wait for anything that came lately, and at least after this long.
const TAKE_OVER: Duration = Duration::from_secs(2);
const MAX_TAKEN: usize = 8;
/// Before anything came a wait is thought to be this long.
const USUAL: Duration = Duration::from_secs(2);

/// How soon a name is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// New there: before what has long been there, and beyond the window of that.
    Fresh,
    /// Held there.
    Held,
}

/// What one link was and will be asked for.
#[derive(Debug)]
pub(super) struct LinkWants {
    /// Announced one by one as they came there: asked for before the backlog, and beyond the window.
    fresh: VecDeque<ShortId>,
    /// What the comparison of sets found.
    backlog: VecDeque<ShortId>,
    queued: BTreeSet<ShortId>,
    asked: BTreeMap<ShortId, Time>,
    /// Asked of another link.
    put_by: VecDeque<ShortId>,
    /// Given up, since when, and whether the link announced them again; they may still come.
    late: BTreeMap<ShortId, (Time, bool)>,
    declined: BTreeSet<ShortId>,
    window: usize,
    most: usize,
    progress: Time,
}

impl LinkWants {
    /// At most `most` names of the backlog are asked for at a time, and as many fresh ones.
    pub(super) fn new(most: usize, now: Time) -> Self {
        Self {
            fresh: VecDeque::new(),
            backlog: VecDeque::new(),
            queued: BTreeSet::new(),
            asked: BTreeMap::new(),
            put_by: VecDeque::new(),
            late: BTreeMap::new(),
            declined: BTreeSet::new(),
            window: most,
            most,
            progress: now,
        }
    }

    /// The link announced `id`, which is not known here.
    pub(super) fn announce(&mut self, id: ShortId, urgency: Urgency) {
        if let Some((_, again)) = self.late.get_mut(&id) {
            *again = true;
            return;
        }
        let useless = self.declined.contains(&id) || self.asked.contains_key(&id);
        let full = self.queued.len() >= MAX_BACKLOG;
        if useless || full || !self.queued.insert(id) {
            return;
        }
        match urgency {
            Urgency::Fresh => self.fresh.push_back(id),
            Urgency::Held => self.backlog.push_back(id),
        }
    }

    /// Asks for one name outside the window.
    pub(super) fn ask(&mut self, id: ShortId, now: Time) {
        self.asked.insert(id, now);
    }

    /// Whether the window has room for a batch.
    pub(super) fn has_room(&self) -> bool {
        let fresh = !self.fresh.is_empty() && self.asked.len() < 2 * self.window;
        fresh || (!self.backlog.is_empty() && self.asked.len() <= self.window / 2)
    }

    /// The next name to ask for, as long as the window has room.
    pub(super) fn next(&mut self) -> Option<ShortId> {
        let asked = self.asked.len();
        let lines = [(&mut self.fresh, 2 * self.window), (&mut self.backlog, self.window)];
        let id =
            lines.into_iter().filter(|(_, most)| asked < *most).find_map(|(line, _)| line.pop_front())?;
        self.queued.remove(&id);
        Some(id)
    }

    /// The link has `id`, of which another was asked.
    pub(super) fn put_by(&mut self, id: ShortId) {
        if self.put_by.len() < MAX_PUT_BY {
            self.put_by.push_back(id);
        }
    }

    /// Whether the link has nothing to do but perhaps what others were asked for.
    pub(super) fn is_free(&self) -> bool {
        self.asked.is_empty() && self.queued.is_empty() && !self.put_by.is_empty()
    }

    /// What other links were asked for, did not bring yet, and this one shall bring instead.
    pub(super) fn take_over(&mut self, wanted: &mut Wanted, link: LinkId, now: Time) -> Vec<ShortId> {
        let mut taken = Vec::new();
        for _ in 0..self.put_by.len() {
            let Some(id) = self.put_by.pop_front().filter(|_| taken.len() < MAX_TAKEN) else { break };
            match wanted.take_over(id, link, now) {
                Some(true) => taken.push(id),
                Some(false) => self.put_by.push_back(id),
                None => {}
            }
        }
        self.asked.extend(taken.iter().map(|id| (*id, now)));
        taken
    }

    /// Something came. How long it had been asked for; `None` where it had not.
    pub(super) fn arrived(&mut self, id: ShortId, now: Time) -> Option<Duration> {
        let late = self.late.remove(&id).map(|(since, _)| since);
        let since = self.asked.remove(&id).or(late)?;
        self.progress = now;
        self.window = (self.window + 1).min(self.most);
        Some(now.since(since))
    }

    /// Another link brought it: it is not needed any more, and taken if it comes. Whether it had been asked for.
    pub(super) fn cancel(&mut self, id: ShortId, now: Time) -> bool {
        let asked = self.asked.remove(&id).is_some();
        if asked && self.late.len() < MAX_LATE {
            self.late.insert(id, (now, false));
        }
        asked
    }

    /// The copy that this link has is of no use: it is not asked of it again.
    pub(super) fn decline(&mut self, id: ShortId) {
        if self.declined.len() < MAX_DECLINED {
            self.declined.insert(id);
        }
    }

    /// What did not come in time; the link is asked for less at a time then.
    pub(super) fn overdue(&mut self, now: Time) -> Vec<ShortId> {
        let idle = now.since(self.progress) >= IDLE;
        let late = |since: Time| {
            let waited = now.since(since);
            waited >= LIMIT || (idle && waited >= PATIENCE)
        };
        let overdue: Vec<ShortId> =
            self.asked.iter().filter(|(_, since)| late(**since)).map(|(id, _)| *id).collect();
        self.ask_again(now);
        for id in &overdue {
            self.asked.remove(id);
            if self.late.len() < MAX_LATE {
                self.late.insert(*id, (now, false));
            }
        }
        if !overdue.is_empty() {
            self.window = (self.window / 2).max(1);
        }
        overdue
    }

    /// What is late for too long does not come any more: it is asked for again where it was announced again.
    fn ask_again(&mut self, now: Time) {
        let over = |since: Time| now.since(since) >= LATE;
        let again: Vec<ShortId> = self
            .late
            .iter()
            .filter(|(_, (since, again))| *again && over(*since))
            .map(|(id, _)| *id)
            .collect();
        self.late.retain(|_, (since, _)| !over(*since));
        for id in again {
            self.announce(id, Urgency::Held);
        }
    }

    /// Whether anything is or will be asked for.
    pub(super) fn is_idle(&self) -> bool {
        let nothing_waits = self.queued.is_empty() && self.put_by.is_empty();
        nothing_waits && self.asked.is_empty() && self.late.is_empty()
    }

    /// Everything that was asked for.
    pub(super) fn asked(&self) -> impl Iterator<Item = ShortId> {
        self.asked.keys().copied()
    }
}

#[derive(Debug)]
struct Claim {
    /// Who was asked last.
    asked: LinkId,
    since: Time,
    others: Vec<LinkId>,
}

/// Which link was asked for a name, so that no two are.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    names: BTreeMap<ShortId, Claim>,
    /// The shortest wait for anything that came lately.
    shortest: Option<Duration>,
}

impl Wanted {
    /// Something came after so long.
    pub(super) fn came(&mut self, waited: Duration) {
        let shortest = self.shortest.unwrap_or(waited);
        // It grows slowly, so that it follows links that became slower.
        let grown = shortest + (shortest / 64).max(Duration::from_millis(1));
        self.shortest = Some(waited.min(grown));
    }

    /// `true` where `link` shall ask; else it is remembered as another holder.
    pub(super) fn claim(&mut self, id: ShortId, link: LinkId, now: Time) -> bool {
        let Some(Claim { asked, others, .. }) = self.names.get_mut(&id) else {
            self.names.insert(id, Claim { asked: link, since: now, others: Vec::new() });
            return true;
        };
        if *asked != link && others.len() < MAX_OTHERS && !others.contains(&link) {
            others.push(link);
        }
        false
    }

    /// `link` has time and asks too, where another was asked for long enough: `Some(true)`. `Some(false)` where
    /// it is too early, `None` where nobody is asked for it any more.
    pub(super) fn take_over(&mut self, id: ShortId, link: LinkId, now: Time) -> Option<bool> {
        let patience = TAKE_OVER.max(2 * self.shortest.unwrap_or(USUAL));
        let claim = self.names.get_mut(&id).filter(|claim| claim.asked != link)?;
        if now.since(claim.since) < patience {
            return Some(false);
        }
        claim.others.retain(|other| *other != link);
        if claim.others.len() < MAX_OTHERS {
            claim.others.push(claim.asked);
        }
        (claim.asked, claim.since) = (link, now);
        Some(true)
    }

    /// The name came or is given up: who else was known to hold it.
    pub(super) fn release(&mut self, id: ShortId) -> Vec<LinkId> {
        self.names.remove(&id).map(|claim| claim.others).unwrap_or_default()
    }

    /// The name did not come from `link`: the others that hold it. `None` where `link` is not the one asked.
    pub(super) fn give_up(&mut self, id: ShortId, link: LinkId) -> Option<Vec<LinkId>> {
        if self.names.get(&id).is_none_or(|claim| claim.asked != link) {
            return None;
        }
        Some(self.release(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ShortId {
        ShortId(core::array::from_fn(|i| n.to_le_bytes()[i % 8]))
    }

    #[test]
    fn names_beyond_the_most_wait_nowhere_and_those_before_are_asked_for() {
        let mut wants = LinkWants::new(256, Time(0));
        for n in 0..MAX_BACKLOG + 100 {
            wants.announce(id(n), Urgency::Held);
        }
        assert_eq!((wants.backlog.len(), wants.queued.len()), (MAX_BACKLOG, MAX_BACKLOG));
        assert_eq!((wants.next(), wants.next()), (Some(id(0)), Some(id(1))));
        wants.announce(id(MAX_BACKLOG + 1), Urgency::Held);
        assert!(wants.queued.contains(&id(MAX_BACKLOG + 1)), "there is room again");
    }

    #[test]
    fn copies_of_no_use_are_remembered_up_to_the_most_and_new_names_are_still_asked_for() {
        let mut wants = LinkWants::new(256, Time(0));
        for n in 0..MAX_DECLINED + 100 {
            wants.decline(id(n));
        }
        assert_eq!(wants.declined.len(), MAX_DECLINED);
        wants.announce(id(0), Urgency::Held);
        assert_eq!(wants.next(), None);
        wants.announce(id(MAX_DECLINED + 1_000), Urgency::Held);
        assert_eq!(wants.next(), Some(id(MAX_DECLINED + 1_000)));
    }

    #[test]
    fn what_is_late_is_taken_when_it_comes_and_asked_for_again_when_it_does_not() {
        let mut wants = LinkWants::new(32, Time(0));
        for n in [1, 2] {
            wants.announce(id(n), Urgency::Held);
            assert_eq!(wants.next(), Some(id(n)));
            wants.ask(id(n), Time(0));
        }
        assert_eq!(wants.overdue(Time(15_000)), [id(1), id(2)]);
        assert!(wants.arrived(id(1), Time(20_000)).is_some(), "it was under way");
        wants.announce(id(2), Urgency::Held);
        assert_eq!(wants.next(), None, "it may still come");
        assert_eq!(wants.overdue(Time(30_000)), []);
        assert_eq!(wants.next(), Some(id(2)), "it was announced again, and does not come any more");
        assert!(wants.arrived(id(3), Time(30_000)).is_none(), "nobody asked");
    }

    #[test]
    fn names_that_are_late_are_remembered_up_to_the_most() {
        let mut wants = LinkWants::new(MAX_LATE + 100, Time(0));
        for n in 0..MAX_LATE + 100 {
            wants.ask(id(n), Time(0));
        }
        assert_eq!(wants.overdue(Time(60_000)).len(), MAX_LATE + 100);
        assert_eq!(wants.late.len(), MAX_LATE);
    }

    #[test]
    fn as_many_other_holders_as_may_be_are_remembered_the_first_ones() {
        let mut wanted = Wanted::default();
        assert!(wanted.claim(id(1), LinkId(0), Time(0)));
        for link in 1..=9 {
            assert!(!wanted.claim(id(1), LinkId(link), Time(0)));
        }
        let others = wanted.give_up(id(1), LinkId(0)).unwrap();
        assert_eq!(others, (1..=4).map(LinkId).collect::<Vec<_>>());
        assert_eq!(others.len(), MAX_OTHERS);
        assert!(wanted.claim(id(1), LinkId(5), Time(0)), "it can be asked for again");
    }

    #[test]
    fn a_link_without_work_takes_over_what_another_did_not_bring() {
        let (mut wanted, mut wants) = (Wanted::default(), LinkWants::new(32, Time(0)));
        for n in 0..20 {
            assert!(wanted.claim(id(n), LinkId(1), Time(0)));
            assert!(!wanted.claim(id(n), LinkId(2), Time(0)));
            wants.put_by(id(n));
        }
        assert_eq!(wants.take_over(&mut wanted, LinkId(2), Time(3_999)), []);
        wanted.release(id(0));
        let taken = wants.take_over(&mut wanted, LinkId(2), Time(4_000));
        assert_eq!(taken.len(), MAX_TAKEN, "some at a time, and what came is not asked for");
        assert!(!taken.contains(&id(0)) && taken.iter().all(|id| wants.asked.contains_key(id)));
        assert_eq!(wanted.give_up(taken[0], LinkId(1)), None, "it is another's now");
        assert_eq!(wanted.give_up(taken[0], LinkId(2)), Some(vec![LinkId(1)]));
    }

    #[test]
    fn what_another_brought_is_not_a_fault_when_it_comes_again() {
        let mut wants = LinkWants::new(32, Time(0));
        wants.ask(id(1), Time(0));
        assert!(wants.cancel(id(1), Time(5)));
        assert!(!wants.cancel(id(1), Time(6)));
        assert!(wants.arrived(id(1), Time(7)).is_some());
        assert!(wants.arrived(id(1), Time(8)).is_none());
    }

    #[test]
    fn fresh_names_pass_a_full_window_of_old_ones() {
        let mut wants = LinkWants::new(4, Time(0));
        for n in 0..20 {
            wants.announce(id(n), Urgency::Held);
        }
        while let Some(id) = wants.next() {
            wants.ask(id, Time(0));
        }
        assert_eq!(wants.asked.len(), 4);
        for n in 100..110 {
            wants.announce(id(n), Urgency::Fresh);
        }
        while let Some(id) = wants.next() {
            wants.ask(id, Time(0));
        }
        assert_eq!(wants.asked.len(), 8);
    }
}
