//! One conversation as a fold of events: the same events give the same state in any order
//! (PROTOCOL.md section 7).
//!
//! Texts are ordered by (Lamport time, id); since an event's Lamport time is above that of all its
//! parents, this order never contradicts cause and effect. Receipts only ever raise a state.

use super::fate::End;
use super::fleeting::TimerSet;
use super::marks::{Mark, Marks, Shown};
use crate::id::{AccountId, MessageId};
use crate::time::Wall;
use crate::view::Cursor;
use crate::wire::message::{Body, MAX_LAMPORT, MAX_PARENTS};
use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};

/// The most heads that a new message names as its parents.
const NAMED_PARENTS: usize = 4;
const _: () = assert!(NAMED_PARENTS <= MAX_PARENTS);
/// How far above everything here an event of somebody else may lie. No conversation has so many events; whoever leaps
/// farther wants to be last for ever.
pub(super) const MAX_LEAP: u64 = 1 << 32;

/// What a conversation keeps in memory of a text; the text itself stays in storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Brief {
    /// Who wrote it; `None` is this node's person.
    pub(super) author: Option<AccountId>,
    /// The author's clock.
    pub(super) when: u32,
    /// Our clock when it arrived, or when it was written here.
    pub(super) arrived: Wall,
    /// The order of arrival on this device, over all conversations.
    pub(super) order: u64,
    /// Theirs: whether the person has seen it.
    pub(super) read: bool,
    /// Theirs: what was left of the hops on arrival.
    pub(super) hops_left: u8,
    /// Ours: how it ended, once it is not on its way any more.
    pub(super) fate: Option<End>,
    /// What it names as its parents.
    pub(super) parents: Vec<[u8; 8]>,
    /// Whether the person wants to see it no more.
    pub(super) hidden: bool,
    /// How it disappears, where it does.
    pub(super) timer: Option<TimerOf>,
}

/// How a message disappears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimerOf {
    /// How long after it was seen; 0 where no time runs.
    pub(super) seconds: u32,
    /// Whether it can be opened once.
    pub(super) once: bool,
}

/// The events that two people, or a group, exchanged.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    texts: BTreeMap<(u64, MessageId), Brief>,
    /// What was said about texts, here or still to come.
    marks: BTreeMap<MessageId, Marks>,
    /// Every event: texts and marks.
    lamports: BTreeMap<MessageId, u64>,
    prefixes: BTreeSet<[u8; 8]>,
    /// Named as a parent by some text here.
    referred: BTreeSet<[u8; 8]>,
    /// The texts that no text here names as a parent.
    heads: BTreeSet<(u64, MessageId)>,
    /// Theirs that the person has not seen.
    unread: BTreeSet<MessageId>,
    lamport: u64,
    latest: Option<(u64, MessageId)>,
    timer: TimerSet,
}

impl Brief {
    /// Whether this node's person wrote it.
    pub(super) const fn is_own(&self) -> bool {
        self.author.is_none()
    }
}

/// What became of an event that was to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Folded {
    /// It is here already.
    Known,
    New,
    /// It is new, and the words of this one have no place any more; it may be the same.
    Displacing(MessageId),
}

/// Before every text.
const FIRST: (u64, MessageId) = (0, MessageId([0; 16]));

impl Conversation {
    /// Adds a text; whether it was new.
    pub(super) fn insert(&mut self, id: MessageId, lamport: u64, brief: Brief) -> bool {
        if !self.join(id, lamport, &brief.parents) {
            return false;
        }
        if brief.author.is_some_and(|author| !brief.read && !self.is_deleted(id, author)) {
            self.unread.insert(id);
        }
        self.latest = self.latest.max(Some((brief.order, id)));
        self.texts.insert((lamport, id), brief);
        true
    }

    /// Adds what somebody said about `target`.
    pub(super) fn mark(&mut self, target: MessageId, mark: Mark<'_>, parents: &[[u8; 8]]) -> Folded {
        let (lamport, id) = mark.stamp;
        if !self.join(id, lamport, parents) {
            return Folded::Known;
        }
        if matches!(mark.body, Body::Delete { .. }) {
            // What was taken back may never come: that is no gap.
            self.prefixes.insert(prefix(target));
            if self.brief(target).is_some_and(|(brief, _)| brief.author == Some(mark.by)) {
                self.unread.remove(&target);
            }
        }
        let displaced = self.marks.entry(target).or_default().add(mark);
        displaced.map_or(Folded::New, Folded::Displacing)
    }

    /// Takes in that somebody set after how long messages disappear.
    pub(super) fn set_timer(&mut self, stamp: (u64, MessageId), seconds: u32) {
        self.timer.add(stamp, seconds);
    }

    /// The last word on that: after so many seconds; 0 is not at all.
    pub(super) fn timer(&self) -> Option<u32> {
        self.timer.seconds()
    }

    /// Whether an event of somebody else may have this time.
    pub(super) fn is_plausible(&self, lamport: u64) -> bool {
        lamport <= self.lamport.saturating_add(MAX_LEAP)
    }

    /// Notes an event among all others; whether it was new.
    fn join(&mut self, id: MessageId, lamport: u64, parents: &[[u8; 8]]) -> bool {
        if self.lamports.contains_key(&id) {
            return false;
        }
        self.observe(lamport);
        self.lamports.insert(id, lamport);
        self.prefixes.insert(prefix(id));
        for parent in parents {
            self.refer(*parent);
        }
        if !self.referred.contains(&prefix(id)) {
            self.heads.insert((lamport, id));
        }
        true
    }

    /// What was said about a text that is here, all in all.
    pub(super) fn shown(&self, id: MessageId, author: AccountId) -> Shown {
        let brief = self.lamports.get(&id).and_then(|lamport| self.texts.get(&(*lamport, id)));
        let marks = brief.zip(self.marks.get(&id));
        marks.map_or_else(Shown::default, |(brief, marks)| marks.shown(author, brief.when))
    }

    /// Whether a text of `author` was taken back, also where it has not come yet.
    pub(super) fn is_deleted(&self, id: MessageId, author: AccountId) -> bool {
        self.marks.get(&id).is_some_and(|marks| marks.is_deleted(author))
    }

    /// The events that hold other words of `author` for a text.
    pub(super) fn other_words(&self, id: MessageId, author: AccountId) -> Vec<MessageId> {
        self.marks.get(&id).map_or_else(Vec::new, |marks| marks.words(author))
    }

    /// The event of `by` about a text that nobody needs any more once they say `body`, where no event names it as a
    /// parent yet: else its absence would be a gap.
    pub(super) fn outdated(&self, target: MessageId, by: AccountId, body: &Body) -> Option<MessageId> {
        let outdated = self.marks.get(&target)?.outdated(by, body)?;
        let lamport = self.lamports.get(&outdated)?;
        self.heads.contains(&(*lamport, outdated)).then_some(outdated)
    }

    /// Whether the person wants to see this text no more.
    pub(super) fn is_hidden(&self, id: MessageId) -> bool {
        self.brief(id).is_some_and(|(brief, _)| brief.hidden)
    }

    /// Whether this text is here to be seen.
    pub(super) fn shows(&self, id: MessageId) -> bool {
        self.brief(id).is_some_and(|(brief, _)| !brief.hidden)
    }

    /// The person wants to see a text no more.
    pub(super) fn hide(&mut self, id: MessageId) {
        let Some(lamport) = self.lamports.get(&id) else { return };
        self.unread.remove(&id);
        let Some(brief) = self.texts.get_mut(&(*lamport, id)) else { return };
        brief.hidden = true;
        if self.latest.is_some_and(|(_, latest)| latest == id) {
            let shown = self.texts.iter().filter(|(_, brief)| !brief.hidden);
            self.latest = shown.map(|((_, id), brief)| (brief.order, *id)).max();
        }
    }

    /// Everything that is here: texts and marks.
    pub(super) fn events(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.lamports.keys().copied()
    }

    /// Notes that a text names a parent, which therefore is no head.
    fn refer(&mut self, parent: [u8; 8]) {
        if !self.referred.insert(parent) {
            return;
        }
        let (mut first, mut last) = ([0; 16], [0xff; 16]);
        first[..8].copy_from_slice(&parent);
        last[..8].copy_from_slice(&parent);
        for (id, lamport) in self.lamports.range(MessageId(first)..=MessageId(last)) {
            self.heads.remove(&(*lamport, *id));
        }
    }

    /// Whether this event is here.
    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.lamports.contains_key(&id)
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.lamports.len()
    }

    /// Raises the Lamport clock to what was seen.
    pub(super) fn observe(&mut self, lamport: u64) {
        self.lamport = self.lamport.max(lamport);
    }

    /// The Lamport time and the parents of the next text.
    pub(super) fn next(&self) -> (u64, Vec<[u8; 8]>) {
        let heads = self.heads.iter().rev().map(|(_, id)| prefix(*id)).take(NAMED_PARENTS).collect();
        ((self.lamport + 1).min(MAX_LAMPORT), heads)
    }

    /// The texts in order, each with whether something before it is missing.
    pub(super) fn texts(&self) -> impl Iterator<Item = (MessageId, &Brief, bool)> {
        self.texts.iter().map(|((_, id), brief)| {
            let gap = brief.parents.iter().any(|p| !self.prefixes.contains(p));
            (*id, brief, gap)
        })
    }

    /// The names of the texts on the side of a cursor of this conversation, in order; none where it names no text.
    pub(super) fn names(&self, from: Cursor) -> impl DoubleEndedIterator<Item = MessageId> + '_ {
        let key = |id: MessageId| self.lamports.get(&id).map(|lamport| (*lamport, id));
        let nothing = (Bound::Excluded(FIRST), Bound::Included(FIRST));
        let range = match from {
            Cursor::Oldest | Cursor::Newest => (Bound::Unbounded, Bound::Unbounded),
            Cursor::After(_, id) => key(id).map_or(nothing, |key| (Bound::Excluded(key), Bound::Unbounded)),
            Cursor::Before(_, id) => key(id).map_or(nothing, |key| (Bound::Unbounded, Bound::Excluded(key))),
        };
        self.texts.range(range).filter(|(_, brief)| !brief.hidden).map(|((_, id), _)| *id)
    }

    /// The text that came last, and when in the order of arrival here.
    pub(super) fn latest(&self) -> Option<(u64, MessageId)> {
        self.latest
    }

    /// What is kept of one text.
    pub(super) fn brief(&self, id: MessageId) -> Option<(&Brief, bool)> {
        let lamport = self.lamports.get(&id)?;
        let brief = self.texts.get(&(*lamport, id))?;
        Some((brief, brief.parents.iter().any(|p| !self.prefixes.contains(p))))
    }

    /// Whether this text is here and ours.
    pub(super) fn is_own(&self, id: MessageId) -> bool {
        self.brief(id).is_some_and(|(brief, _)| brief.is_own())
    }

    /// Notes how a text of ours ended.
    pub(super) fn end(&mut self, id: MessageId, end: End) {
        let Some(lamport) = self.lamports.get(&id) else { return };
        if let Some(brief) = self.texts.get_mut(&(*lamport, id)) {
            brief.fate = Some(end);
        }
    }

    /// How a text of ours ended; `None` while it is on its way.
    pub(super) fn end_of(&self, id: MessageId) -> Option<End> {
        self.brief(id).and_then(|(brief, _)| brief.fate)
    }

    /// Texts of ours whose end is unknown.
    pub(super) fn endless(&self) -> Vec<MessageId> {
        let own = self.texts.iter().filter(|(_, brief)| brief.is_own() && brief.fate.is_none());
        own.map(|((_, id), _)| *id).collect()
    }

    /// The texts to be seen whose names begin with these hexadecimal digits.
    pub(super) fn named(&self, beginning: &str) -> impl Iterator<Item = MessageId> {
        let digits = beginning.to_lowercase();
        let first = MessageId::from_text(&format!("{digits:0<32.32}"));
        let from = first.map(|first| self.lamports.range(first..)).into_iter().flatten();
        from.map(|(id, _)| *id)
            .take_while(move |id| id.to_text().starts_with(&digits))
            .filter(|id| self.shows(*id))
    }

    /// Marks one text of theirs as seen.
    pub(super) fn mark_read(&mut self, id: MessageId) {
        let Some(lamport) = self.lamports.get(&id) else { return };
        self.unread.remove(&id);
        if let Some(brief) = self.texts.get_mut(&(*lamport, id)) {
            brief.read = true;
        }
    }

    /// Theirs that the person has not seen.
    pub(super) fn unread(&self) -> impl Iterator<Item = MessageId> + '_ {
        self.unread.iter().copied()
    }
}

/// How parents name a message.
fn prefix(id: MessageId) -> [u8; 8] {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&id.0[..8]);
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brief(parents: Vec<[u8; 8]>) -> Brief {
        let arrived = Wall(0);
        Brief {
            author: Some(AccountId([7; 20])),
            when: 0,
            arrived,
            order: 0,
            read: false,
            hops_left: 9,
            fate: None,
            parents,
            hidden: false,
            timer: None,
        }
    }

    fn id(n: u8) -> MessageId {
        MessageId([n; 16])
    }

    #[test]
    fn a_text_that_names_an_absent_parent_shows_a_gap_until_it_comes() {
        let mut conversation = Conversation::default();
        conversation.insert(id(2), 2, brief(vec![[1; 8]]));
        assert!(conversation.brief(id(2)).unwrap().1);
        conversation.insert(id(1), 1, brief(vec![]));
        assert!(!conversation.brief(id(2)).unwrap().1);
    }

    #[test]
    fn the_next_text_names_the_heads_only() {
        let mut conversation = Conversation::default();
        conversation.insert(id(1), 1, brief(vec![]));
        conversation.insert(id(2), 2, brief(vec![[1; 8]]));
        assert_eq!(conversation.next(), (3, vec![[2; 8]]));
    }

    #[test]
    fn the_same_text_twice_counts_once() {
        let mut conversation = Conversation::default();
        assert!(conversation.insert(id(1), 1, brief(vec![])));
        assert!(!conversation.insert(id(1), 7, brief(vec![])));
        assert_eq!(conversation.texts().count(), 1);
    }

    proptest! {
        #[test]
        fn any_order_of_arrival_gives_the_same_conversation(
            events in proptest::collection::vec((any::<u8>(), 0u64..20, any::<u8>()), 1..40),
            seed in any::<u64>(),
        ) {
            let fold = |order: &[usize]| {
                let mut conversation = Conversation::default();
                for &at in order {
                    let (n, lamport, parent) = events[at];
                    // An author writes an id once, so equal ids carry equal events.
                    let (n, lamport, parent) = events.iter().find(|e| e.0 == n)
                        .copied().unwrap_or((n, lamport, parent));
                    conversation.insert(id(n), lamport, brief(vec![[parent; 8]]));
                }
                let texts: Vec<_> = conversation.texts().map(|(i, b, g)| (i, b.clone(), g)).collect();
                (texts, conversation.next())
            };
            let forward: Vec<usize> = (0..events.len()).collect();
            let mut shuffled = forward.clone();
            shuffled.sort_by_key(|i| (*i as u64 + 1).wrapping_mul(seed | 1));
            prop_assert_eq!(fold(&forward), fold(&shuffled));
        }
    }
}
