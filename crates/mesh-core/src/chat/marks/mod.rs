//! What people say about a message: other words for it, that it is taken back, what they feel, that it is held up,
//! what they choose (PROTOCOL.md section 7.1).
//!
//! Marks arrive in any order, and before what they are about. Each kind has a file with its merge rule; all rules are
//! joins: the same marks give the same [`Marks`] in any order and however often. What a mark may do depends on who
//! wrote the message, which is asked only when the message is shown.

mod deletion;
mod edits;
mod pin;
mod reactions;
mod votes;

use crate::id::{AccountId, MessageId};
use crate::wire::message::Body;
use deletion::Deletions;
use edits::Edits;
use pin::Pin;
use reactions::Reactions;
use votes::Votes;

pub(super) use edits::{MAX_EDITS, is_in_time};

/// The order of events: Lamport time, then name. All replicas agree on it, and it never contradicts cause and effect.
pub(super) type Stamp = (u64, MessageId);

/// A mark as its author wrote it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark<'a> {
    pub(super) by: AccountId,
    pub(super) stamp: Stamp,
    /// The author's clock.
    pub(super) when: u32,
    pub(super) body: &'a Body,
}

/// Everything that was said about one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    edits: Edits,
    deletions: Deletions,
    reactions: Reactions,
    pin: Pin,
    votes: Votes,
}

/// What the marks of a message come to, given who wrote it and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    /// The event whose text stands for the message's own.
    pub(super) edit: Option<MessageId>,
    /// How often its words were changed.
    pub(super) edits: usize,
    pub(super) deleted: bool,
    pub(super) reactions: Vec<(AccountId, String)>,
    pub(super) pinned: bool,
    /// Of a poll: who chose what, and whether it is over.
    pub(super) votes: Vec<(AccountId, u16)>,
    pub(super) closed: bool,
}

impl Marks {
    /// Takes a mark in; other kinds of events change nothing. Returns the event whose words have no place any more.
    pub(super) fn add(&mut self, mark: Mark<'_>) -> Option<MessageId> {
        let Mark { by, stamp, when, body } = mark;
        match body {
            Body::Edit { .. } => return self.edits.add(by, stamp, when),
            Body::Delete { .. } => self.deletions.add(by),
            Body::React { emoji, .. } => self.reactions.add(by, stamp, emoji),
            Body::Pin { pinned, .. } => self.pin.add(stamp, *pinned),
            Body::Vote { choices, .. } => self.votes.add(by, stamp, *choices),
            Body::Close { .. } => self.votes.close(by, stamp),
            _ => {}
        }
        None
    }

    /// What they come to. Of a message that was taken back nothing else is shown.
    pub(super) fn shown(&self, author: AccountId, when: u32) -> Shown {
        if self.deletions.count(author) {
            return Shown { deleted: true, ..Shown::default() };
        }
        let edits = self.edits.of(author, when);
        Shown {
            edit: edits.last().map(|(_, id)| *id),
            edits: edits.len(),
            deleted: false,
            reactions: self.reactions.shown(),
            pinned: self.pin.is_set(),
            votes: self.votes.counted(author),
            closed: self.votes.is_closed(author),
        }
    }

    /// Whether the author took the message back.
    pub(super) fn is_deleted(&self, author: AccountId) -> bool {
        self.deletions.count(author)
    }

    /// The event of `by` that nobody needs any more once they say `body`: what is said last is all that counts,
    /// wherever it is known. A vote is none: an end of the poll may come to stand between the two.
    pub(super) fn outdated(&self, by: AccountId, body: &Body) -> Option<MessageId> {
        match body {
            Body::React { .. } => self.reactions.last(by),
            Body::Pin { .. } => self.pin.last(),
            _ => None,
        }
    }

    /// Everything that holds other words of this person for the message.
    pub(super) fn words(&self, author: AccountId) -> Vec<MessageId> {
        self.edits.words(author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(n: u8) -> MessageId {
        MessageId([n; 16])
    }

    fn bodies() -> impl Strategy<Value = Body> {
        let of = id(1);
        prop_oneof![
            Just(Body::Edit { of, text: "x".into() }),
            Just(Body::Delete { of }),
            "[ab]{0,1}".prop_map(move |emoji| Body::React { to: of, emoji }),
            any::<bool>().prop_map(move |pinned| Body::Pin { of, pinned }),
            (0_u16..8).prop_map(move |choices| Body::Vote { poll: of, choices }),
            Just(Body::Close { poll: of }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn any_order_and_any_repetition_of_the_same_marks_comes_to_the_same(
            events in proptest::collection::vec((0_u8..4, 0_u64..6, 0_u32..2_000, bodies()), 1..30),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            // An event has one name: its place here.
            let mark = |at: usize| {
                let (by, lamport, when, body) = &events[at];
                let stamp = (*lamport, id(u8::try_from(at).unwrap()));
                Mark { by: AccountId([*by; 20]), stamp, when: *when, body }
            };
            let (mut straight, mut shuffled) = (Marks::default(), Marks::default());
            (0..events.len()).for_each(|at| { straight.add(mark(at)); });
            // Repetitions in any order, then what is missing backwards.
            order.iter().for_each(|index| { shuffled.add(mark(index.index(events.len()))); });
            (0..events.len()).rev().for_each(|at| { shuffled.add(mark(at)); });
            prop_assert_eq!(&straight, &shuffled);
            for author in 0..4 {
                let author = AccountId([author; 20]);
                prop_assert_eq!(straight.shown(author, 500), shuffled.shown(author, 500));
            }
        }

        /// As above, with more edits and votes of one person than are kept.
        #[test]
        fn what_is_kept_of_many_is_the_same_whatever_came_first(
            events in proptest::collection::vec((0_u64..30, any::<bool>()), 30..90),
            order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
        ) {
            let (edit, vote) = (Body::Edit { of: id(1), text: "x".into() }, Body::Vote { poll: id(1), choices: 1 });
            let mark = |at: usize| {
                let (lamport, is_edit) = events[at];
                let stamp = (lamport, id(u8::try_from(at).unwrap()));
                Mark { by: AccountId([1; 20]), stamp, when: 0, body: if is_edit { &edit } else { &vote } }
            };
            let (mut straight, mut shuffled) = (Marks::default(), Marks::default());
            (0..events.len()).for_each(|at| { straight.add(mark(at)); });
            order.iter().for_each(|index| { shuffled.add(mark(index.index(events.len()))); });
            (0..events.len()).rev().for_each(|at| { shuffled.add(mark(at)); });
            prop_assert_eq!(straight, shuffled);
        }

        #[test]
        fn replicas_that_saw_different_halves_agree_once_they_have_exchanged_them(
            events in proptest::collection::vec((0_u8..4, 0_u64..6, 0_u32..2_000, bodies(), any::<bool>()), 1..30),
        ) {
            let mark = |at: usize| {
                let (by, lamport, when, body, _) = &events[at];
                let stamp = (*lamport, id(u8::try_from(at).unwrap()));
                Mark { by: AccountId([*by; 20]), stamp, when: *when, body }
            };
            let half = |first: bool| {
                let (here, there): (Vec<usize>, Vec<usize>) = (0..events.len()).partition(|at| events[*at].4 == first);
                let mut marks = Marks::default();
                here.into_iter().chain(there).for_each(|at| { marks.add(mark(at)); });
                marks
            };
            prop_assert_eq!(half(true), half(false));
        }
    }
}
