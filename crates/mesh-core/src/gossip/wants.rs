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
/// Without an answer for this long, and the link otherwise idle for [`IDLE`], another is asked.
const PATIENCE: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(2);
/// However busy the link is.
const LIMIT: Duration = Duration::from_secs(60);
/// What is late may still be under way, on a slow link or a long one: it is not asked of the same link again
/// for this long after it was given up, and taken if it comes.
const LATE: Duration = Duration::from_secs(15);
/// Names that are late on one link.
const MAX_LATE: usize = 1_024;

/// What one link was and will be asked for.
#[derive(Debug)]
pub(super) struct LinkWants {
    backlog: VecDeque<ShortId>,
    queued: BTreeSet<ShortId>,
    asked: BTreeMap<ShortId, Time>,
    /// Given up, since when, and whether the link announced them again; they may still come.
    late: BTreeMap<ShortId, (Time, bool)>,
    declined: BTreeSet<ShortId>,
    window: usize,
    most: usize,
    progress: Time,
}

impl LinkWants {
    /// At most `most` names are asked for at a time.
    pub(super) fn new(most: usize, now: Time) -> Self {
        Self {
            backlog: VecDeque::new(),
            queued: BTreeSet::new(),
            asked: BTreeMap::new(),
            late: BTreeMap::new(),
            declined: BTreeSet::new(),
            window: most,
            most,
            progress: now,
        }
    }

    /// The link announced `id`, which is not known here.
    pub(super) fn announce(&mut self, id: ShortId) {
        if let Some((_, again)) = self.late.get_mut(&id) {
            *again = true;
            return;
        }
        let useless = self.declined.contains(&id) || self.asked.contains_key(&id);
        if !useless && self.backlog.len() < MAX_BACKLOG && self.queued.insert(id) {
            self.backlog.push_back(id);
        }
    }

    /// Asks for one name outside the window.
    pub(super) fn ask(&mut self, id: ShortId, now: Time) {
        self.asked.insert(id, now);
    }

    /// Whether the window has room for a batch.
    pub(super) fn has_room(&self) -> bool {
        !self.backlog.is_empty() && self.asked.len() <= self.window / 2
    }

    /// The next name to ask for, as long as the window has room.
    pub(super) fn next(&mut self) -> Option<ShortId> {
        if self.asked.len() >= self.window {
            return None;
        }
        let id = self.backlog.pop_front()?;
        self.queued.remove(&id);
        Some(id)
    }

    /// Something came. Whether it had been asked for.
    pub(super) fn arrived(&mut self, id: ShortId, now: Time) -> bool {
        let late = self.late.remove(&id).is_some();
        let asked = self.asked.remove(&id).is_some() || late;
        if asked {
            self.progress = now;
            self.window = (self.window + 1).min(self.most);
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
            self.announce(id);
        }
    }

    /// Whether anything is or will be asked for.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.backlog.is_empty() && self.late.is_empty()
    }

    /// Everything that was asked for.
    pub(super) fn asked(&self) -> impl Iterator<Item = ShortId> {
        self.asked.keys().copied()
    }
}

/// Which link was asked for a name, so that no two are.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    names: BTreeMap<ShortId, (LinkId, Vec<LinkId>)>,
}

impl Wanted {
    /// `true` where `link` shall ask; else it is remembered as another holder.
    pub(super) fn claim(&mut self, id: ShortId, link: LinkId) -> bool {
        let Some((asked, others)) = self.names.get_mut(&id) else {
            self.names.insert(id, (link, Vec::new()));
            return true;
        };
        if *asked != link && others.len() < MAX_OTHERS && !others.contains(&link) {
            others.push(link);
        }
        false
    }

    /// The name came or is given up: who else was known to hold it.
    pub(super) fn release(&mut self, id: ShortId) -> Vec<LinkId> {
        self.names.remove(&id).map(|(_, others)| others).unwrap_or_default()
    }

    /// The name did not come from `link`: the others that hold it. `None` where `link` is not the one asked.
    pub(super) fn give_up(&mut self, id: ShortId, link: LinkId) -> Option<Vec<LinkId>> {
        if self.names.get(&id).is_none_or(|(asked, _)| *asked != link) {
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
            wants.announce(id(n));
        }
        assert_eq!((wants.backlog.len(), wants.queued.len()), (MAX_BACKLOG, MAX_BACKLOG));
        assert_eq!((wants.next(), wants.next()), (Some(id(0)), Some(id(1))));
        wants.announce(id(MAX_BACKLOG + 1));
        assert!(wants.queued.contains(&id(MAX_BACKLOG + 1)), "there is room again");
    }

    #[test]
    fn copies_of_no_use_are_remembered_up_to_the_most_and_new_names_are_still_asked_for() {
        let mut wants = LinkWants::new(256, Time(0));
        for n in 0..MAX_DECLINED + 100 {
            wants.decline(id(n));
        }
        assert_eq!(wants.declined.len(), MAX_DECLINED);
        wants.announce(id(0));
        assert_eq!(wants.next(), None);
        wants.announce(id(MAX_DECLINED + 1_000));
        assert_eq!(wants.next(), Some(id(MAX_DECLINED + 1_000)));
    }

    #[test]
    fn what_is_late_is_taken_when_it_comes_and_asked_for_again_when_it_does_not() {
        let mut wants = LinkWants::new(32, Time(0));
        for n in [1, 2] {
            wants.announce(id(n));
            assert_eq!(wants.next(), Some(id(n)));
            wants.ask(id(n), Time(0));
        }
        assert_eq!(wants.overdue(Time(5_000)), [id(1), id(2)]);
        assert!(wants.arrived(id(1), Time(10_000)), "it was under way");
        wants.announce(id(2));
        assert_eq!(wants.next(), None, "it may still come");
        assert_eq!(wants.overdue(Time(20_000)), []);
        assert_eq!(wants.next(), Some(id(2)), "it was announced again, and does not come any more");
        assert!(!wants.arrived(id(3), Time(20_000)), "nobody asked");
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
        assert!(wanted.claim(id(1), LinkId(0)));
        for link in 1..=9 {
            assert!(!wanted.claim(id(1), LinkId(link)));
        }
        let others = wanted.give_up(id(1), LinkId(0)).unwrap();
        assert_eq!(others, (1..=4).map(LinkId).collect::<Vec<_>>());
        assert_eq!(others.len(), MAX_OTHERS);
        assert!(wanted.claim(id(1), LinkId(5)), "it can be asked for again");
    }
}
