//! Other words for a message. Only its author's count, and only those of the first quarter of an hour by the author's
//! own clock, which the author wrote into both; the latest of them is shown, the others are kept.

use super::Stamp;
use crate::id::{AccountId, MessageId};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// How long after it was written a message may be changed, by its author's clock.
const EDITABLE: Duration = Duration::from_secs(15 * 60);

/// All that were written, of whoever: who wrote the message may not be known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edits(BTreeMap<AccountId, BTreeSet<(Stamp, u32)>>);

impl Edits {
    pub(super) fn add(&mut self, by: AccountId, stamp: Stamp, when: u32) {
        self.0.entry(by).or_default().insert((stamp, when));
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
