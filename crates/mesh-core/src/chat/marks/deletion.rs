//! A message is taken back. Who wrote it may do that, at any time; it beats every other mark, and nothing undoes it.

use crate::id::AccountId;
use std::collections::BTreeSet;

/// Who took it back: only its author counts, who may not be known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deletions(BTreeSet<AccountId>);

impl Deletions {
    pub(super) fn add(&mut self, by: AccountId) {
        self.0.insert(by);
    }

    /// Whether they take back a message of `author`.
    pub(super) fn count(&self, author: AccountId) -> bool {
        self.0.contains(&author)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_author_takes_a_message_back() {
        let (author, other) = (AccountId([1; 20]), AccountId([2; 20]));
        let mut deletions = Deletions::default();
        deletions.add(other);
        assert!(!deletions.count(author));
        deletions.add(author);
        assert!(deletions.count(author));
    }
}
