//! What people choose in a poll: the last of each person counts, of those before its author closed it.

use super::Stamp;
use crate::id::AccountId;
use std::collections::{BTreeMap, BTreeSet};

/// Votes of each person that are kept: the greatest stamps, which is a join whatever comes first.
const MAX_VOTES: usize = 16;

/// The latest of each person, and who closed: which of them count depends on who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Votes {
    cast: BTreeMap<AccountId, BTreeSet<(Stamp, u16)>>,
    /// The earliest of each person.
    closed: BTreeMap<AccountId, Stamp>,
}

impl Votes {
    pub(super) fn add(&mut self, by: AccountId, stamp: Stamp, choices: u16) {
        let kept = self.cast.entry(by).or_default();
        kept.insert((stamp, choices));
        if kept.len() > MAX_VOTES {
            kept.pop_first();
        }
    }

    pub(super) fn close(&mut self, by: AccountId, stamp: Stamp) {
        let closed = self.closed.entry(by).or_insert(stamp);
        *closed = stamp.min(*closed);
    }

    /// Who chose what in a poll of `author`, by person.
    pub(super) fn counted(&self, author: AccountId) -> Vec<(AccountId, u16)> {
        let end = self.closed.get(&author);
        let last = |cast: &BTreeSet<(Stamp, u16)>| {
            cast.iter().rfind(|(stamp, _)| end.is_none_or(|end| stamp < end)).map(|(_, choices)| *choices)
        };
        let counted = self.cast.iter().filter_map(|(by, cast)| Some((*by, last(cast)?)));
        counted.filter(|(_, choices)| *choices != 0).collect()
    }

    pub(super) fn is_closed(&self, author: AccountId) -> bool {
        self.closed.contains_key(&author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MessageId;

    const AUTHOR: AccountId = AccountId([1; 20]);
    const OTHER: AccountId = AccountId([2; 20]);

    fn stamp(n: u8) -> Stamp {
        (u64::from(n), MessageId([n; 16]))
    }

    #[test]
    fn the_last_of_each_person_counts_and_none_takes_it_back() {
        let mut votes = Votes::default();
        votes.add(AUTHOR, stamp(3), 1);
        votes.add(AUTHOR, stamp(2), 2);
        votes.add(OTHER, stamp(4), 1);
        votes.add(OTHER, stamp(5), 0);
        assert_eq!(votes.counted(AUTHOR), [(AUTHOR, 1)]);
    }

    #[test]
    fn of_each_person_the_latest_are_kept_up_to_the_most() {
        let mut votes = Votes::default();
        for n in (1..=40).rev() {
            votes.add(OTHER, stamp(n), u16::from(n));
        }
        assert_eq!((votes.cast[&OTHER].len(), votes.counted(AUTHOR)), (MAX_VOTES, vec![(OTHER, 40)]));
    }

    #[test]
    fn what_is_cast_after_its_author_closed_it_does_not_count_and_others_close_nothing() {
        let mut votes = Votes::default();
        votes.add(OTHER, stamp(3), 1);
        votes.add(OTHER, stamp(7), 2);
        votes.close(OTHER, stamp(4));
        assert_eq!(votes.counted(AUTHOR), [(OTHER, 2)]);
        votes.close(AUTHOR, stamp(6));
        assert_eq!((votes.counted(AUTHOR), votes.is_closed(AUTHOR)), (vec![(OTHER, 1)], true));
    }
}
