//! Where the resident values lie in the journal: names and places in memory, values on the disk.

use super::crypt::{Key, Name};
use super::record::open_cell;
use mesh_core::Table;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use zeroize::Zeroizing;

/// Where a cell lies in the live journal file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// All places, and what is needed to read them. 32 bytes of memory for a record.
pub(super) struct Index(RwLock<Places>);

struct Places {
    by_name: HashMap<Name, Place>,
    /// Bytes of all cells.
    bytes: u64,
    file: Arc<File>,
    key: Key,
}

/// A record read back: its natural key and its value.
pub(super) type Found = (Vec<u8>, Zeroizing<Vec<u8>>);

impl Index {
    pub(super) fn new(file: Arc<File>, key: Key) -> Self {
        Self(RwLock::new(Places { by_name: HashMap::new(), bytes: 0, file, key }))
    }

    /// The record called `name`.
    pub(super) fn read(&self, name: Name) -> Result<Option<Found>, String> {
        let places = self.places();
        let Some(place) = places.by_name.get(&name) else { return Ok(None) };
        places.cell(name, *place).map(Some)
    }

    /// The names in `table` as they are now.
    pub(super) fn names(&self, table: Table) -> Vec<Name> {
        self.places().by_name.keys().filter(|n| n.0[0] == table as u8).copied().collect()
    }

    /// Every record's name and place, in the order of the file.
    pub(super) fn snapshot(&self) -> Vec<(Name, Place)> {
        let mut all: Vec<_> = self.places().by_name.iter().map(|(n, p)| (*n, *p)).collect();
        all.sort_unstable_by_key(|(_, place)| place.offset);
        all
    }

    /// The record at a place of [`Index::snapshot`].
    pub(super) fn read_at(&self, name: Name, place: Place) -> Result<Found, String> {
        self.places().cell(name, place)
    }

    /// Records and bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        let places = self.places();
        (places.by_name.len() as u64, places.bytes)
    }

    /// Sets (`Some`) and removes (`None`) places, all at once.
    pub(super) fn update(&self, changes: impl IntoIterator<Item = (Name, Option<Place>)>) {
        let mut places = self.places_mut();
        for (name, place) in changes {
            let old = match place {
                Some(place) => {
                    places.bytes += u64::from(place.len);
                    places.by_name.insert(name, place)
                }
                None => places.by_name.remove(&name),
            };
            places.bytes -= old.map_or(0, |p| u64::from(p.len));
        }
    }

    /// The records stand in another file now, under another key.
    pub(super) fn replace(&self, by_name: HashMap<Name, Place>, file: Arc<File>, key: Key) {
        let bytes = by_name.values().map(|p| u64::from(p.len)).sum();
        *self.places_mut() = Places { by_name, bytes, file, key };
    }

    fn places(&self) -> RwLockReadGuard<'_, Places> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn places_mut(&self) -> RwLockWriteGuard<'_, Places> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn cell(&self, name: Name, place: Place) -> Result<Found, String> {
        let table = Table::ALL.into_iter().find(|t| *t as u8 == name.0[0]);
        let table = table.ok_or("a name of no table")?;
        let mut cell = vec![0; place.len as usize];
        self.file.read_exact_at(&mut cell, u64::from(place.offset)).map_err(|e| e.to_string())?;
        open_cell(&cell, table, &self.key).map_err(|_| "the journal's seal does not fit".to_owned())
    }
}
