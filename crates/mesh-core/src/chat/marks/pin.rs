//! Whether a message is held up for everybody to see first: the last word counts, whoever said it.

use super::Stamp;
use crate::id::MessageId;

/// The last word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pin(Option<(Stamp, bool)>);

impl Pin {
    pub(super) fn add(&mut self, stamp: Stamp, pinned: bool) {
        self.0 = self.0.max(Some((stamp, pinned)));
    }

    /// The event that holds the last word.
    pub(super) fn last(&self) -> Option<MessageId> {
        self.0.map(|((_, id), _)| id)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.is_some_and(|(_, pinned)| pinned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_whatever_came_last() {
        let stamp = |n: u8| (u64::from(n), MessageId([n; 16]));
        let mut pin = Pin::default();
        pin.add(stamp(4), false);
        pin.add(stamp(3), true);
        assert!(!pin.is_set());
        pin.add(stamp(5), true);
        assert!(pin.is_set());
    }
}
