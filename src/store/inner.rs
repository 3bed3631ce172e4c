//! The parts of an open store and how they work together.

use super::apply::{Backlog, Work};
use super::crypt::{Keys, Name};
use super::engine::Engine;
use super::error::{CommitError, DbError};
use super::fault::Faults;
use super::files;
use super::identity::IdentityFiles;
use super::index::{Found, Index};
use super::journal::{self, Journal, WriteError};
use super::keyfile::Keyring;
use super::overlay::{Group, Overlay, Refused};
use super::record::{self, Entry, is_resident};
use super::{Config, MAX_GROUP, MAX_KEY, MAX_VALUE, Stats};
use mesh_core::{Read, ReadError, StoreOp, Table};
use std::collections::HashSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A chore that could not be done is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Everything of an open store. Locks are taken in the order journal, backlog, overlay.
pub(super) struct Inner {
    pub(super) dir: PathBuf,
    pub(super) config: Config,
    pub(super) keys: Arc<Keys>,
    pub(super) keyring: Keyring,
    /// `None` once the store is closed. Held by the one commit at a time.
    pub(super) journal: Mutex<Option<Journal>>,
    pub(super) index: Index,
    pub(super) engine: Engine,
    pub(super) identity: IdentityFiles,
    pub(super) overlay: Mutex<Overlay>,
    pub(super) backlog: Backlog,
    /// The last group that is durable.
    pub(super) durable: AtomicU64,
    /// Why it is unknown what the disk holds.
    pub(super) broken: Mutex<Option<String>>,
    pub(super) closed: AtomicBool,
    /// When the live generation must end because it holds keys that were deleted.
    pub(super) forget_at: Mutex<Option<Instant>>,
    pub(super) lock: Mutex<Option<File>>,
    pub(super) faults: Faults,
}

impl Inner {
    pub(super) fn stage(&self, ops: Vec<StoreOp>) -> u64 {
        // Hashing is done before the lock is taken.
        let entries: Vec<_> = ops.into_iter().map(|op| self.entry(op)).collect();
        let mut overlay = self.overlay();
        for entry in entries {
            let (key, value) = (entry.key.len(), entry.value.as_ref().map_or(0, |v| v.len()));
            let bytes = overlay.staged_bytes() + entry.weight();
            if overlay.refused.is_some() {
                break;
            } else if key > MAX_KEY || value > MAX_VALUE {
                overlay.refused = Some(Refused::TooLong { table: entry.table, key, value });
            } else if bytes > MAX_GROUP {
                overlay.refused = Some(Refused::TooMuch { bytes });
            } else {
                overlay.stage(entry);
            }
        }
        overlay.group()
    }

    fn entry(&self, op: StoreOp) -> Entry {
        match op {
            StoreOp::Put { table, key, value } => {
                Entry { table, name: self.keys.name(table, &key), key, value: Some(Zeroizing::new(value)) }
            }
            StoreOp::Delete { table, key } => {
                Entry { table, name: self.keys.name(table, &key), key, value: None }
            }
        }
    }

    pub(super) fn commit(&self) -> Result<u64, CommitError> {
        let mut journal = self.journal();
        let journal = journal.as_mut().ok_or(CommitError::Closed)?;
        self.check_sound()?;
        let mut overlay = self.overlay();
        if let Some(refused) = overlay.refused {
            return Err(refused.into());
        }
        let group = overlay.take();
        drop(overlay);
        let number = group.number;
        if !group.entries.is_empty()
            && let Err(error) = self.write(journal, group)
        {
            self.overlay().refused = Some(Refused::Failed);
            return Err(error);
        }
        self.durable.store(number, Ordering::Release);
        Ok(number)
    }

    /// Makes a group durable and hands it on to be applied.
    fn write(&self, journal: &mut Journal, group: Group) -> Result<(), CommitError> {
        let broken = |reason| CommitError::Broken { reason };
        self.backlog.wait_below(self.config.backlog_bytes).map_err(broken)?;
        if group.entries.iter().any(|e| e.value.is_some()) {
            self.check_space()?;
        }
        let need = record::bound(group.entries.iter().map(|e| &**e));
        if !journal.has_room(need) {
            self.switch(journal, need)?;
        }
        let seq = journal.append(&group.entries, &self.index).map_err(|e| self.sort(e))?;
        self.durable.store(group.number, Ordering::Release);
        self.overlay().settle(group.number, group.entries.iter().filter(|e| is_resident(e.table)));
        self.set_forget_at(journal.forget_at(self.config.forget_after));
        let (number, bytes, entries) = (group.number, group.bytes, group.entries.into());
        self.backlog.push(Work::Group { number, seq, bytes, entries, since: Instant::now() });
        Ok(())
    }

    /// Begins the next journal generation, once nothing needs the file that it will fill.
    pub(super) fn switch(&self, journal: &mut Journal, need: usize) -> Result<(), CommitError> {
        self.backlog.wait_retired().map_err(|reason| CommitError::Broken { reason })?;
        let seq = journal.last_seq();
        let generation = journal.switch(&self.index, &self.keyring, need).map_err(|e| self.sort(e))?;
        self.set_forget_at(None);
        self.backlog.push(Work::Retire { generation, seq });
        Ok(())
    }

    /// Refuses to write where the disk is so full that sled could not follow the journal.
    fn check_space(&self) -> Result<(), CommitError> {
        let free = files::free_bytes(&self.dir)
            .map_err(|source| CommitError::Io { step: "ask for the free space", source })?;
        let reserve = self.config.reserve_bytes;
        if free < reserve { Err(CommitError::Full { free, reserve }) } else { Ok(()) }
    }

    pub(super) fn check_sound(&self) -> Result<(), CommitError> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match broken.or_else(|| self.backlog.failure()) {
            Some(reason) => Err(CommitError::Broken { reason }),
            None => Ok(()),
        }
    }

    fn sort(&self, error: WriteError) -> CommitError {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let WriteError { step, source, clean } = error;
        if !clean {
            files::raise_flag(&self.dir, journal::SUSPECT);
            return CommitError::Broken { reason: self.breaks(format!("cannot {step}: {source}")) };
        }
        match source.kind() {
            StorageFull | QuotaExceeded => CommitError::Full { free: 0, reserve: self.config.reserve_bytes },
            _ => CommitError::Io { step, source },
        }
    }

    /// From here on it is unknown what the disk holds, for `reason`.
    fn breaks(&self, reason: String) -> String {
        *self.broken.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
        reason
    }

    /// Records that cannot be believed are looked through at the next opening, which must come soon.
    fn doubt(&self, error: DbError) -> String {
        if matches!(error, DbError::Damaged(_)) {
            self.engine.distrust();
            return self.breaks(error.to_string());
        }
        error.to_string()
    }

    pub(super) fn discard(&self) -> Result<(), CommitError> {
        let journal = self.journal();
        if journal.is_none() {
            return Err(CommitError::Closed);
        }
        self.check_sound()?;
        self.backlog.with_groups(|groups| self.overlay().discard(groups));
        Ok(())
    }

    /// Brings everything committed to where it belongs and lets go of the directory.
    pub(super) fn close(&self) {
        let mut slot = self.journal();
        let Some(mut journal) = slot.take() else { return };
        if let Err(error) = self.settle(&mut journal) {
            // The journal has everything; the next start applies it.
            tracing::warn!(%error, "the store was closed before everything was in its place");
        }
        self.closed.store(true, Ordering::Release);
        self.backlog.stop();
    }

    fn settle(&self, journal: &mut Journal) -> Result<(), CommitError> {
        self.check_sound()?;
        let broken = |reason| CommitError::Broken { reason };
        self.backlog.wait_done().map_err(broken)?;
        if journal.forget_at(Duration::ZERO).is_some() {
            self.switch(journal, 0)?;
            self.backlog.wait_done().map_err(broken)?;
        }
        // A read that is still under way only keeps sled open a little longer.
        self.engine.sleep(journal.last_seq()).map_err(|error| broken(error.to_string()))?;
        Ok(())
    }

    /// Goes on in the other journal file after a failure: what the system has in memory of this one may never
    /// reach the disk.
    pub(super) fn begin_anew(&self) -> Result<(), CommitError> {
        let mut journal = self.journal();
        self.switch(journal.as_mut().ok_or(CommitError::Closed)?, 0)?;
        files::lower_flag(&self.dir, journal::SUSPECT)
            .map_err(|source| CommitError::Io { step: "end a suspicion", source })
    }

    /// When there is something to do that is nobody's command.
    pub(super) fn chore_due(&self) -> Option<Instant> {
        let forget = *self.forget_at.lock().unwrap_or_else(PoisonError::into_inner);
        let sleep = self.engine.is_open().then(|| self.engine.last_used() + self.config.idle_close);
        forget.into_iter().chain(sleep).min()
    }

    /// Ends a generation that holds deleted keys too long; puts sled to sleep. Runs on the thread
    /// of the backlog, `applied` is the last journal record that is in sled.
    pub(super) fn do_chores(&self, applied: u64) -> Result<(), String> {
        let now = Instant::now();
        let forget = *self.forget_at.lock().unwrap_or_else(PoisonError::into_inner);
        if forget.is_some_and(|at| now >= at) {
            return self.forget();
        }
        if now < self.engine.last_used() + self.config.idle_close {
            return Ok(());
        }
        if self.engine.is_bloated()
            && let Err(reason) = self.engine.rewrite(applied)
        {
            tracing::warn!(%reason, "the database could not be made smaller");
        }
        self.engine.sleep(applied)?;
        Ok(())
    }

    /// Only tries: a commit that holds the journal may be waiting for this very thread. And a commit may
    /// have begun and ended a moment ago: what it left to do here goes first, or this would wait for itself.
    fn forget(&self) -> Result<(), String> {
        let Ok(mut journal) = self.journal.try_lock() else {
            self.set_forget_at(Some(Instant::now() + Duration::from_millis(100)));
            return Ok(());
        };
        let due = *self.forget_at.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.backlog.is_idle() || due.is_none_or(|at| Instant::now() < at) {
            return Ok(());
        }
        let Some(journal) = journal.as_mut() else {
            self.set_forget_at(None);
            return Ok(());
        };
        match self.switch(journal, 0) {
            Ok(()) => Ok(()),
            Err(CommitError::Broken { reason }) => Err(reason),
            Err(error) => {
                tracing::warn!(%error, "deleted keys stay on the disk for now");
                self.set_forget_at(Some(Instant::now() + TRY_AGAIN));
                Ok(())
            }
        }
    }

    pub(super) fn stats(&self) -> Stats {
        let (journal_used, journal_size) = self.journal().as_ref().map_or((0, 0), Journal::fill);
        let (resident_records, resident_bytes) = self.index.size();
        let (records, bytes) = self.engine.live();
        Stats {
            live_records: records + resident_records,
            live_bytes: bytes + resident_bytes,
            disk_bytes: files::disk_bytes(&self.dir),
            free_bytes: files::free_bytes(&self.dir).unwrap_or(0),
            generation: self.keyring.epochs().current.generation,
            journal_used,
            journal_size,
            staged_bytes: self.overlay().staged_bytes() as u64,
            backlog_bytes: self.backlog.bytes() as u64,
            records_open: self.engine.is_open(),
        }
    }

    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(super) fn overlay(&self) -> MutexGuard<'_, Overlay> {
        self.overlay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_forget_at(&self, at: Option<Instant>) {
        *self.forget_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// The record called `name` where nothing about it is pending.
    fn settled(&self, table: Table, name: Name) -> Result<Option<Found>, String> {
        match table {
            _ if self.closed.load(Ordering::Acquire) => Err("the store is closed".to_owned()),
            Table::Identity => self.identity.read(name),
            _ if is_resident(table) => self.index.read(name),
            _ => self.engine.read(name).map_err(|error| self.doubt(error)),
        }
    }

    /// Calls `visit` with every settled record of `table` but those in `hidden`.
    fn scan_settled(
        &self,
        table: Table,
        hidden: &HashSet<Name>,
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), String> {
        if self.closed.load(Ordering::Acquire) {
            return Err("the store is closed".to_owned());
        }
        let names = match table {
            Table::Identity => self.identity.names().map_err(|e| e.to_string())?,
            _ if is_resident(table) => self.index.names(table),
            _ => {
                let scanned = self.engine.scan(table, &mut |name, (key, value)| {
                    if !hidden.contains(&name) {
                        visit(&key, &value);
                    }
                });
                return scanned.map_err(|error| self.doubt(error));
            }
        };
        for name in names.into_iter().filter(|n| !hidden.contains(n)) {
            if let Some((key, value)) = self.settled(table, name)? {
                visit(&key, &value);
            }
        }
        Ok(())
    }
}

impl From<Refused> for CommitError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Failed => Self::Undiscarded,
            Refused::TooLong { table, key, value } => Self::TooLong { table, key, value },
            Refused::TooMuch { bytes } => Self::TooMuch { bytes },
        }
    }
}

/// Reads of one store, staged operations included.
pub(super) struct Reader(pub(super) Arc<Inner>);

impl Read for Reader {
    fn load(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let name = self.0.keys.name(table, key);
        let pending = self.0.overlay().find(name).cloned();
        if let Some(entry) = pending {
            return Ok(entry.value.as_ref().map(|v| v.to_vec()));
        }
        let found = self.0.settled(table, name).map_err(|reason| ReadError { table, reason })?;
        Ok(found.map(|(_, mut value)| std::mem::take(&mut *value)))
    }

    /// What is pending is looked up first: what settles meanwhile is then seen once, not never.
    fn scan(&self, table: Table, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ReadError> {
        let pending = self.0.overlay().of_table(table);
        let hidden: HashSet<Name> = pending.iter().map(|e| e.name).collect();
        self.0.scan_settled(table, &hidden, visit).map_err(|reason| ReadError { table, reason })?;
        for entry in pending {
            if let Some(value) = &entry.value {
                visit(&entry.key, value);
            }
        }
        Ok(())
    }
}
