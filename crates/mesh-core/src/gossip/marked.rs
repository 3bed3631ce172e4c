//! What came with the mark of what is beyond a share, and copies of it without (PROTOCOL.md section 9.6).

use super::asking::UNMARKED;
use super::{Bag, Standing, State};
use crate::id::{LinkId, ShortId};
use crate::time::Now;
use crate::wire::frame::Frame;
use std::collections::{BTreeSet, VecDeque};

/// Names that are remembered, the latest.
const MOST: usize = 4_096;

/// Names of what came with the mark. What got it here, because the share of its link was used up, is not among them: it
/// would come twice for nothing that anybody did.
#[derive(Debug, Default)]
pub(super) struct Marked {
    names: BTreeSet<ShortId>,
    order: VecDeque<ShortId>,
}

impl Marked {
    fn add(&mut self, id: ShortId) {
        if !self.names.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > MOST
            && let Some(first) = self.order.pop_front()
        {
            self.names.remove(&first);
        }
    }
}

impl State {
    /// What is about to be accepted came with the mark: copies without it are asked for, of whoever named it too or
    /// does so later.
    pub fn came_marked(&mut self, id: ShortId) {
        self.marked.add(id);
    }

    /// Whether a copy without the mark would be of use.
    pub(super) fn is_spoilt(&self, id: ShortId, bag: &dyn Bag) -> bool {
        self.marked.names.contains(&id)
            && matches!(bag.standing(id), Standing::Held { own: false, surplus: true, .. })
    }

    /// Asks for copies without the mark of what came with it: somebody may have set it on what is another's. Who has
    /// none does not answer: nothing waits for these.
    pub(super) fn ask_for_unmarked(&mut self, now: Now, link: LinkId, ids: &[ShortId]) {
        let Some(live) = self.links.get_mut(&link) else { return };
        let ids: Vec<ShortId> = ids.iter().copied().filter(|id| live.unmark(*id, now.mono)).collect();
        if !ids.is_empty() {
            self.send(link, Frame::Want { least: UNMARKED, ids });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::short_name;
    use super::*;

    #[test]
    fn the_latest_names_are_remembered_up_to_the_most() {
        let mut marked = Marked::default();
        (0..2 * MOST as u64).for_each(|n| marked.add(short_name(n)));
        marked.add(short_name(2 * MOST as u64 - 1));
        assert_eq!((marked.names.len(), marked.order.len()), (MOST, MOST));
        assert!(marked.names.contains(&short_name(MOST as u64)));
        assert!(!marked.names.contains(&short_name(MOST as u64 - 1)));
    }
}
