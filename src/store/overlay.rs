//! What was staged and is not yet where reads would find it.

use super::crypt::Name;
use super::record::Entry;
use mesh_core::Table;
use std::collections::HashMap;
use std::sync::Arc;

/// Staged, committed and not yet applied operations; the newest of each name.
#[derive(Default)]
pub(super) struct Overlay {
    by_name: HashMap<Name, Pending>,
    /// The group that is being gathered. Each name occurs once: a group is atomic, so only the
    /// last operation on a name matters, and what came and went within it never touches the disk.
    staged: Vec<Arc<Entry>>,
    staged_bytes: usize,
    /// The number of the group that is being gathered.
    group: u64,
    /// Why nothing is taken until a discard.
    pub(super) refused: Option<Refused>,
}

struct Pending {
    group: u64,
    /// Where it stands in `staged`, while `group` is the one being gathered.
    at: usize,
    entry: Arc<Entry>,
}

/// Why what was staged can never be committed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    /// An earlier commit failed.
    Failed,
    /// A key or a value was too long.
    TooLong { table: Table, key: usize, value: usize },
    /// More was staged than one group may hold.
    TooMuch { bytes: usize },
}

/// A group that was taken to be committed.
pub(super) struct Group {
    pub(super) number: u64,
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) bytes: usize,
}

impl Overlay {
    pub(super) fn new() -> Self {
        Self { group: 1, ..Self::default() }
    }

    /// Adds an entry to the group being gathered.
    pub(super) fn stage(&mut self, entry: Entry) {
        let entry = Arc::new(entry);
        self.staged_bytes += entry.weight();
        let mut at = self.staged.len();
        match self.by_name.get(&entry.name) {
            Some(old) if old.group == self.group => {
                at = old.at;
                self.staged_bytes -= old.entry.weight();
                self.staged[at] = Arc::clone(&entry);
            }
            _ => self.staged.push(Arc::clone(&entry)),
        }
        self.by_name.insert(entry.name, Pending { group: self.group, at, entry });
    }

    /// The number of the group being gathered.
    pub(super) fn group(&self) -> u64 {
        self.group
    }

    pub(super) fn staged_bytes(&self) -> usize {
        self.staged_bytes
    }

    /// Takes what was gathered; what is staged from here on belongs to the next group.
    pub(super) fn take(&mut self) -> Group {
        let group = Group {
            number: self.group,
            entries: std::mem::take(&mut self.staged),
            bytes: std::mem::take(&mut self.staged_bytes),
        };
        self.group += 1;
        group
    }

    /// The newest operation on `name`, if it is still pending.
    pub(super) fn find(&self, name: Name) -> Option<&Arc<Entry>> {
        self.by_name.get(&name).map(|p| &p.entry)
    }

    /// All pending operations on `table`.
    pub(super) fn of_table(&self, table: Table) -> Vec<Arc<Entry>> {
        self.by_name.values().filter(|p| p.entry.table == table).map(|p| Arc::clone(&p.entry)).collect()
    }

    /// Forgets these operations of `group`: reads find them elsewhere now.
    pub(super) fn settle<'a>(&mut self, group: u64, entries: impl IntoIterator<Item = &'a Arc<Entry>>) {
        for entry in entries {
            if self.by_name.get(&entry.name).is_some_and(|p| p.group == group) {
                self.by_name.remove(&entry.name);
            }
        }
        if self.by_name.is_empty() {
            // A burst must not hold its memory for ever.
            self.by_name.shrink_to(1024);
        }
    }

    /// Whether a later operation on the same name is durable (its group is at most `durable`), so
    /// that `entry` of `group` need not be applied at all.
    pub(super) fn is_superseded(&self, entry: &Entry, group: u64, durable: u64) -> bool {
        self.by_name.get(&entry.name).is_some_and(|p| p.group > group && p.group <= durable)
    }

    /// Forgets everything that is not durable: only `committed` groups, oldest first, stay pending.
    pub(super) fn discard<'a>(&mut self, committed: impl Iterator<Item = (u64, &'a [Arc<Entry>])>) {
        self.by_name.clear();
        self.staged.clear();
        self.staged_bytes = 0;
        self.refused = None;
        self.group += 1;
        for (group, entries) in committed {
            for entry in entries {
                let pending = Pending { group, at: 0, entry: Arc::clone(entry) };
                self.by_name.insert(entry.name, pending);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn entry(name: u8, value: Option<u8>) -> Entry {
        let value = value.map(|v| Zeroizing::new(vec![v]));
        Entry { table: Table::Body, name: Name([name; Name::LEN]), key: vec![name], value }
    }

    fn read(overlay: &Overlay, name: u8) -> Option<Option<u8>> {
        let found = overlay.find(Name([name; Name::LEN]))?;
        Some(found.value.as_ref().map(|v| v[0]))
    }

    #[test]
    fn what_came_and_went_within_a_group_is_written_once() {
        let mut overlay = Overlay::new();
        overlay.stage(entry(1, Some(1)));
        overlay.stage(entry(2, Some(2)));
        overlay.stage(entry(1, None));
        let group = overlay.take();
        assert_eq!(group.entries.len(), 2);
        assert!(group.entries[0].value.is_none());
        assert_eq!(overlay.staged_bytes(), 0);
        assert_eq!((read(&overlay, 1), read(&overlay, 2)), (Some(None), Some(Some(2))));
    }

    #[test]
    fn a_settled_group_hides_nothing_newer() {
        let mut overlay = Overlay::new();
        overlay.stage(entry(1, Some(1)));
        overlay.stage(entry(2, Some(1)));
        let first = overlay.take();
        overlay.stage(entry(1, Some(2)));
        overlay.settle(first.number, &first.entries);
        assert_eq!((read(&overlay, 1), read(&overlay, 2)), (Some(Some(2)), None));
    }

    #[test]
    fn an_operation_is_superseded_only_by_a_durable_one() {
        let mut overlay = Overlay::new();
        overlay.stage(entry(1, Some(1)));
        let first = overlay.take();
        overlay.stage(entry(1, None));
        let second = overlay.take();
        assert!(!overlay.is_superseded(&first.entries[0], first.number, first.number));
        assert!(overlay.is_superseded(&first.entries[0], first.number, second.number));
    }

    #[test]
    fn a_discard_brings_back_what_was_committed() {
        let mut overlay = Overlay::new();
        overlay.stage(entry(1, Some(1)));
        let first = overlay.take();
        overlay.stage(entry(1, Some(2)));
        overlay.stage(entry(3, Some(3)));
        overlay.refused = Some(Refused::Failed);
        overlay.discard([(first.number, first.entries.as_slice())].into_iter());
        assert_eq!((read(&overlay, 1), read(&overlay, 3)), (Some(Some(1)), None));
        assert!(overlay.refused.is_none());
        assert!(overlay.take().entries.is_empty());
    }
}
