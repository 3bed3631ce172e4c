//! Other words for a message. Only its author's count, and only those of the first quarter of an hour by the author's
//! own clock, which the author wrote into both; the latest of them is shown, the others are kept up to a limit.

use super::Stamp;
use crate::id::{AccountId, MessageId};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// How long after it was written a message may be changed, by its author's clock.
const EDITABLE: Duration = Duration::from_secs(15 * 60);
/// Edits that each person keeps of one message: the greatest stamps, which is a join whatever comes first.
pub(in crate::chat) const MAX_EDITS: usize = 16;

/// The latest of each, of whoever: who wrote the message may not be known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edits(BTreeMap<AccountId, BTreeSet<(Stamp, u32)>>);

impl Edits {
    /// Takes one in; the one that has no place any more, which may be the same.
    pub(super) fn add(&mut self, by: AccountId, stamp: Stamp, when: u32) -> Option<MessageId> {
        let kept = self.0.entry(by).or_default();
        kept.insert((stamp, when));
        let displaced = if kept.len() > MAX_EDITS { kept.pop_first() } else { None };
        displaced.map(|((_, id), _)| id)
    }

    /// Those that count for a message of `author` written at `when`, the latest last.
    pub(super) fn of(&self, author: AccountId, when: u32) -> Vec<Stamp> {
        let own = self.0.get(&author).into_iter().flatten();
        own.filter(|(_, at)| is_in_time(when, *at)).map(|(stamp, _)| *stamp).collect()
    }

    /// All of one person.
    pub(super) fn words(&self, by: AccountId) -> Vec<MessageId> {
        self.0.get(&by).into_iter().flatten().map(|((_, id), _)| *id).collect()
    }
}

/// Whether a message written at `written` may be changed at `at`. A clock that was set back does no harm.
pub(in crate::chat) fn is_in_time(written: u32, at: u32) -> bool {
    u64::from(at.saturating_sub(written)) <= EDITABLE.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: AccountId = AccountId([1; 20]);

    fn stamp(n: u8) -> Stamp {
        (u64::from(n), MessageId([n; 16]))
    }

    #[test]
    fn the_authors_latest_counts_whatever_came_last() {
        let mut edits = Edits::default();
        for n in [3, 5, 4] {
            edits.add(AUTHOR, stamp(n), 100);
        }
        assert_eq!(edits.of(AUTHOR, 100), [stamp(3), stamp(4), stamp(5)]);
    }

    #[test]
    fn of_each_person_the_latest_are_kept_up_to_the_most() {
        let mut edits = Edits::default();
        let most = u8::try_from(MAX_EDITS).unwrap();
        (1..=most).for_each(|n| assert_eq!(edits.add(AUTHOR, stamp(n + 1), 100), None));
        assert_eq!(edits.add(AUTHOR, stamp(1), 100), Some(MessageId([1; 16])), "an earlier one has no place");
        assert_eq!(edits.add(AUTHOR, stamp(most + 2), 100), Some(MessageId([2; 16])));
        assert_eq!(edits.words(AUTHOR).len(), MAX_EDITS);
        assert_eq!(edits.add(AccountId([2; 20]), stamp(1), 100), None, "others have places of their own");
    }

    #[test]
    fn nobody_changes_the_words_of_another() {
        let mut edits = Edits::default();
        edits.add(AccountId([2; 20]), stamp(3), 100);
        assert_eq!(edits.of(AUTHOR, 100), []);
    }

    #[test]
    fn after_a_quarter_of_an_hour_words_stand() {
        let mut edits = Edits::default();
        edits.add(AUTHOR, stamp(3), 1_000);
        edits.add(AUTHOR, stamp(4), 1_001);
        assert_eq!(edits.of(AUTHOR, 100), [stamp(3)]);
    }
}
