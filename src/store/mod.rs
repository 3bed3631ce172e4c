//! Storage: one writer, one directory, everything at rest sealed (PROTOCOL.md section 11).
//!
//! A group of operations on any tables becomes durable by *one* append to the journal and one
//! `fdatasync`; that is the moment at which it may be acknowledged. Behind the journal a thread
//! carries the groups to where they stay: large and replaceable records into sled, long-lived
//! private keys into a file each. Sessions, contacts, invites, unfinished messages and counters
//! stay in the journal, which is begun anew under a new key from time to time; so they survive the
//! loss of sled, and a deleted session key is gone from the disk when the old key is.
//!
//! ```text
//!   stage ──► overlay ──► commit: journal, fdatasync ──► acknowledged
//!    reads ◄────┘                    │ in the background
//!                                    ├──► sled           Carried Body Tombstone Event Beacon
//!                                    └──► identity files Identity
//! ```
//!
//! One thread stages and reads, another may commit meanwhile: no lock is held across a write.
//! What is staged while a commit runs goes into the next one: under load, groups form by
//! themselves and nobody waits for a timer.

mod apply;
mod crypt;
mod engine;
mod error;
mod fault;
mod files;
mod identity;
mod index;
mod inner;
mod journal;
mod keyfile;
mod mark;
mod open;
mod overlay;
mod record;
#[cfg(test)]
mod tests;

pub(crate) use error::process;
pub use error::{CommitError, OpenError};
pub use keyfile::Passphrase;

use inner::{Inner, Reader};
use mesh_core::{Read, StoreOp};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The longest key of a record, in bytes.
pub const MAX_KEY: usize = 255;
/// The longest value of a record, in bytes.
pub const MAX_VALUE: usize = 128 * 1024;
/// The most that may be staged between two commits, in bytes of memory.
pub const MAX_GROUP: usize = 64 << 20;

/// Limits and times of a store.
#[derive(Clone, Debug)]
pub struct Config {
    /// Size of each of the two journal files at first, in bytes. Default 8 MiB.
    pub journal_bytes: u64,
    /// Size up to which they grow where they fill within seconds; more only where the resident
    /// records need it. Default 32 MiB.
    pub journal_most_bytes: u64,
    /// sled's cache, in bytes. Default 16 MiB: with it 100,000 records open in 0.1 s.
    pub cache_bytes: u64,
    /// With less than this free on the disk nothing but deletions is committed. Default 64 MiB:
    /// what the backlog may need in sled.
    pub reserve_bytes: u64,
    /// Committed but not yet applied operations, in bytes of memory; commits wait above it.
    /// Default 32 MiB.
    pub backlog_bytes: usize,
    /// sled is closed after it was unused for this long. Default one minute.
    pub idle_close: Duration,
    /// A journal generation that holds deleted session keys ends after this long. Default ten
    /// minutes.
    pub forget_after: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            journal_bytes: 8 << 20,
            journal_most_bytes: 32 << 20,
            cache_bytes: 16 << 20,
            reserve_bytes: 64 << 20,
            backlog_bytes: 32 << 20,
            idle_close: Duration::from_secs(60),
            forget_after: Duration::from_secs(600),
        }
    }
}

/// What opening found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OpenReport {
    /// No passphrase guards the store: who can read the directory can read everything. Worth a
    /// plain warning.
    pub unprotected: bool,
    /// sled could not be opened or had lost something, and lies here now. Identity, contacts and
    /// sessions are complete; carried envelopes and the history may have gaps.
    pub quarantined: Option<PathBuf>,
    /// Records that were still readable in what was quarantined, and were kept.
    pub salvaged: u64,
    /// Operations that the journal had and sled did not: not zero after a crash.
    pub replayed: u64,
    /// The last group was torn by a crash. It was never acknowledged.
    pub torn: bool,
    /// sled was rewritten because it took more than four times what lived in it.
    pub rewritten: bool,
}

/// How full everything is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Records alive; staged and not yet applied ones are missing.
    pub live_records: u64,
    /// Bytes of them, sealed: what a quota is measured against.
    pub live_bytes: u64,
    /// Bytes that the directory takes on the disk; sled needs up to four times what is alive.
    pub disk_bytes: u64,
    /// Bytes that are free on the disk.
    pub free_bytes: u64,
    /// The journal's generation: how many times its key was replaced, and one.
    pub generation: u64,
    /// Bytes used of the live journal file.
    pub journal_used: u64,
    /// Its size.
    pub journal_size: u64,
    /// Bytes of memory staged for the next commit.
    pub staged_bytes: u64,
    /// Bytes of memory committed and not yet applied.
    pub backlog_bytes: u64,
    /// Whether sled is open; it sleeps when it was unused for [`Config::idle_close`].
    pub records_open: bool,
}

/// Names the commit that makes staged operations durable: they are when [`Store::commit`] returned
/// this ticket or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// An open store. Clones are the same store; it is closed with the last of them.
#[derive(Clone)]
pub struct Store {
    guard: Arc<Guard>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.inner().dir).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes an empty store in `dir`, which is made too where it is missing, and opens it. A store into which
    /// nothing was ever committed is made anew.
    ///
    /// # Errors
    /// [`OpenError::AlreadyThere`] where there is one already; where the disk refuses.
    pub fn create(dir: &Path, passphrase: &Passphrase) -> Result<(Self, OpenReport), OpenError> {
        Self::create_with(dir, passphrase, Config::default())
    }

    /// [`Store::create`] with other limits.
    ///
    /// # Errors
    /// As [`Store::create`].
    pub fn create_with(
        dir: &Path,
        passphrase: &Passphrase,
        config: Config,
    ) -> Result<(Self, OpenReport), OpenError> {
        open::create(dir, passphrase, &config)?;
        Self::open_with(dir, passphrase, config)
    }

    /// Opens the store in `dir` and brings back everything that was acknowledged.
    ///
    /// # Errors
    /// [`OpenError::Locked`] while another process has it open, [`OpenError::NeedsPassphrase`] and
    /// [`OpenError::WrongPassphrase`], [`OpenError::Damaged`] where going on could use a key
    /// twice; a damaged sled is no error, see [`OpenReport::quarantined`].
    pub fn open(dir: &Path, passphrase: &Passphrase) -> Result<(Self, OpenReport), OpenError> {
        Self::open_with(dir, passphrase, Config::default())
    }

    /// [`Store::open`] with other limits.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(
        dir: &Path,
        passphrase: &Passphrase,
        config: Config,
    ) -> Result<(Self, OpenReport), OpenError> {
        Self::open_faulty(dir, passphrase, config, fault::Faults::default())
    }

    /// Guards the store in `dir` by `new` from now on. Records and identity stay as they are; only the keyfile is
    /// replaced, and a crash leaves the old guard or the new one.
    ///
    /// # Errors
    /// As [`Store::open`]: nobody may have it open, and `old` must fit.
    pub fn change_passphrase(dir: &Path, old: &Passphrase, new: &Passphrase) -> Result<(), OpenError> {
        open::change_passphrase(dir, old, new)
    }

    /// Whether a store was ever completely created in `dir`.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        keyfile::Keyring::exists(dir)
    }

    /// Reads of what was stored or staged.
    #[must_use]
    pub fn reader(&self) -> Box<dyn Read> {
        Box::new(Reader(Arc::clone(self.inner())))
    }

    /// Adds one atomic batch to what the next commit makes durable. Readers see it at once.
    ///
    /// Never blocks on the disk. What can never be committed (see [`CommitError::TooLong`],
    /// [`CommitError::TooMuch`]) makes the next commit fail.
    pub fn stage(&self, ops: Vec<StoreOp>) -> Ticket {
        Ticket(self.inner().stage(ops))
    }

    /// Makes everything staged so far durable, as one group; blocks until it is. With nothing
    /// staged it returns at once.
    ///
    /// # Errors
    /// Nothing of the group is acknowledged then; see [`CommitError`] for what to do.
    pub fn commit(&self) -> Result<Ticket, CommitError> {
        self.inner().commit().map(Ticket)
    }

    /// Forgets everything staged that is not durable, so that what is rebuilt from
    /// [`Store::reader`] is what the disk holds. To be called after a failed commit.
    ///
    /// # Errors
    /// [`CommitError::Broken`] where it is unknown what the disk holds: close the store and open
    /// it anew.
    pub fn discard(&self) -> Result<(), CommitError> {
        self.inner().discard()
    }

    /// Bytes of memory staged for the next commit, which fails above [`MAX_GROUP`].
    #[must_use]
    pub fn staged_bytes(&self) -> usize {
        self.inner().overlay().staged_bytes()
    }

    /// How full everything is. Walks the directory: not for every message.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner().stats()
    }

    /// Brings everything committed to its place, makes deleted keys unreadable and lets go of the
    /// directory. What is staged and not committed is lost; reads and commits fail from now on.
    pub fn close(&self) {
        self.guard.close();
    }

    fn open_faulty(
        dir: &Path,
        passphrase: &Passphrase,
        config: Config,
        faults: fault::Faults,
    ) -> Result<(Self, OpenReport), OpenError> {
        let (inner, report, applied) = open::open(dir, passphrase, config, faults)?;
        let inner = Arc::new(inner);
        let own = Arc::clone(&inner);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || apply::run(&own, applied))
            .map_err(|source| OpenError::Io { step: "start a thread", source })?;
        Ok((Self { guard: Arc::new(Guard { inner, thread: Mutex::new(Some(thread)) }) }, report))
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.guard.inner
    }

    /// Lets go of everything as it is: what a killed process leaves.
    #[cfg(test)]
    fn crash(&self) {
        let inner = self.inner();
        inner.closed.store(true, std::sync::atomic::Ordering::Release);
        inner.backlog.stop();
        drop(inner.journal().take());
        self.guard.join();
    }
}

/// Closes the store with its last clone.
struct Guard {
    inner: Arc<Inner>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Guard {
    fn close(&self) {
        self.inner.close();
        self.join();
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|t| t.join().is_err()) {
            tracing::error!("the store's thread panicked");
        }
        self.inner.engine.abandon();
        open::unlock(&self.inner);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.close();
    }
}
