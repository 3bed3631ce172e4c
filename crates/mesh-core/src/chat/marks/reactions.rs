//! What people feel about a message: the last of each person counts, and none takes it back.

use super::Stamp;
use crate::id::{AccountId, MessageId};
use std::collections::BTreeMap;

/// One for each person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reactions(BTreeMap<AccountId, (Stamp, String)>);

impl Reactions {
    pub(super) fn add(&mut self, by: AccountId, stamp: Stamp, emoji: &str) {
        if self.0.get(&by).is_none_or(|(latest, _)| stamp > *latest) {
            self.0.insert(by, (stamp, emoji.to_owned()));
        }
    }

    /// The event that holds the last of this person.
    pub(super) fn last(&self, by: AccountId) -> Option<MessageId> {
        self.0.get(&by).map(|((_, id), _)| *id)
    }

    /// Who feels what, by person.
    pub(super) fn shown(&self) -> Vec<(AccountId, String)> {
        let felt = self.0.iter().filter(|(_, (_, emoji))| !emoji.is_empty());
        felt.map(|(by, (_, emoji))| (*by, emoji.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_each_person_counts_and_an_empty_one_takes_it_back() {
        let (one, two) = (AccountId([1; 20]), AccountId([2; 20]));
        let stamp = |n: u8| (u64::from(n), MessageId([n; 16]));
        let mut reactions = Reactions::default();
        reactions.add(one, stamp(4), "b");
        reactions.add(one, stamp(3), "a");
        reactions.add(two, stamp(5), "c");
        reactions.add(two, stamp(6), "");
        assert_eq!(reactions.shown(), [(one, "b".to_owned())]);
    }
}
