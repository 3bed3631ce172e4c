//! What the core asks of storage: a synchronous read trait, and write operations as data.
//!
//! Writes leave the node as [`StoreOp`]s among its outputs; the shell makes the operations of one
//! input durable as one atomic batch *before* it transmits or tells (ARCHITECTURE.md, law 3). Reads
//! see every operation that was staged, durable or not. [`Memory`] is the twin for tests and
//! simulation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A family of records. The number is part of the stored format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Counters, versions, the saved clock.
    Meta = 1,
    /// Long-lived private keys: kept in files of their own, outside the database.
    Identity = 2,
    /// Ratchets, chain items, floors, generations: kept only in the journal, whose key rotates,
    /// so that a deleted key is gone.
    Session = 3,
    /// One small record per carried envelope: class, age, hops, origin.
    Carried = 4,
    /// The immutable bytes of carried envelopes, by the same key as [`Table::Carried`].
    Body = 5,
    /// Receipts and ids that must not come back.
    Tombstone = 6,
    /// Accounts, devices, petnames, verification.
    Contact = 7,
    /// Events of conversations.
    Event = 8,
    /// Messages that still owe the person a final state; with it they leave, and it stands with the events.
    Outbox = 9,
    /// Invites.
    Invite = 10,
    /// Beacons that are shown.
    Beacon = 11,
    /// Operations of groups, and what the people in them are called.
    Group = 12,
    /// Links into groups, who asks by them, and where we asked.
    Space = 14,
    /// What a person notes of conversations, when messages disappear, and what is to be sent later.
    Talk = 16,
}

impl Table {
    /// Every table, in the order of its number.
    pub const ALL: [Self; 14] = [
        Self::Meta,
        Self::Identity,
        Self::Session,
        Self::Carried,
        Self::Body,
        Self::Tombstone,
        Self::Contact,
        Self::Event,
        Self::Outbox,
        Self::Invite,
        Self::Beacon,
        Self::Group,
        Self::Space,
        Self::Talk,
    ];
}

/// One write. The operations of one input are one atomic batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreOp {
    /// Sets `key` to `value`, whatever was there.
    Put {
        /// The family.
        table: Table,
        /// Unique within the family; at most 255 bytes.
        key: Vec<u8>,
        /// At most 128 KiB.
        value: Vec<u8>,
    },
    /// Removes `key`; nothing happens where it is absent.
    Delete {
        /// The family.
        table: Table,
        /// The record's key.
        key: Vec<u8>,
    },
}

impl StoreOp {
    /// A [`StoreOp::Put`].
    pub fn put(table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put { table, key: key.into(), value: value.into() }
    }

    /// A [`StoreOp::Delete`].
    pub fn delete(table: Table, key: impl Into<Vec<u8>>) -> Self {
        Self::Delete { table, key: key.into() }
    }
}

/// Storage could not be read: the disk failed or a record's checksum does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read a record of {table:?}: {reason}")]
pub struct ReadError {
    /// The family that was read.
    pub table: Table,
    /// What the storage said; carries no content.
    pub reason: String,
}

/// Synchronous reads of what was stored or staged.
pub trait Read: Send + Sync {
    /// The value of `key`, or `None`.
    ///
    /// # Errors
    /// Where the record exists and cannot be read.
    fn load(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError>;

    /// Calls `visit(key, value)` for every record of `table`, in no promised order.
    ///
    /// # Errors
    /// Where the table cannot be read; records visited before stay visited.
    fn scan(&self, table: Table, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ReadError>;
}

type Records = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// The in-memory twin: what was applied is what is read. Clones share their records.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    records: Arc<Mutex<Records>>,
}

impl Memory {
    /// Applies `ops` in order, as one batch.
    pub fn apply(&self, ops: impl IntoIterator<Item = StoreOp>) {
        let mut records = self.records();
        for op in ops {
            match op {
                StoreOp::Put { table, key, value } => records.insert((table, key), value),
                StoreOp::Delete { table, key } => records.remove(&(table, key)),
            };
        }
    }

    /// A separate copy of everything: what a thief or a crash would find now.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self { records: Arc::new(Mutex::new(self.records().clone())) }
    }

    /// Parts from its clones, where there are any: from now on it alone sees what is applied to it.
    pub fn part(&mut self) {
        if Arc::get_mut(&mut self.records).is_none() {
            *self = self.snapshot();
        }
    }

    /// The number of records in `table`.
    #[must_use]
    pub fn count(&self, table: Table) -> usize {
        self.records().keys().filter(|(t, _)| *t == table).count()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.records().iter().map(|((_, k), v)| k.len() + v.len()).sum()
    }

    fn records(&self) -> std::sync::MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Memory {
    fn load(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        Ok(self.records().get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: Table, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ReadError> {
        let found: Vec<_> = self
            .records()
            .iter()
            .filter(|((t, _), _)| *t == table)
            .map(|((_, k), v)| (k.clone(), v.clone()))
            .collect();
        for (key, value) in found {
            visit(&key, &value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_that_parted_from_its_clones_shares_nothing_with_them() {
        let mut memory = Memory::default();
        memory.apply([StoreOp::put(Table::Meta, *b"a", *b"1")]);
        let clone = memory.clone();
        memory.part();
        memory.apply([StoreOp::put(Table::Meta, *b"b", *b"2")]);
        assert_eq!((memory.count(Table::Meta), clone.count(Table::Meta)), (2, 1));
        drop(clone);
        memory.part();
        assert_eq!(memory.count(Table::Meta), 2);
    }
}
