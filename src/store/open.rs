//! Making a store, and finding everything again that was acknowledged.

use super::crypt::Keys;
use super::engine::{Discovery, Engine};
use super::error::{CommitError, DbError, OpenError};
use super::fault::Faults;
use super::files;
use super::identity::IdentityFiles;
use super::index::Index;
use super::inner::Inner;
use super::journal::{self, Journal, Replay, Sizes};
use super::keyfile::{Epoch, Epochs, Keyring, Passphrase};
use super::overlay::Overlay;
use super::record::{Change, Entry, Op, is_resident};
use super::{Config, OpenReport};
use mesh_core::Table;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, PoisonError};

/// Makes an empty store in `dir`. The keyfile is written last: without it there is no store, and
/// what a crash left half made is made again. So is a store into which nothing was ever committed: whoever
/// began it did not come to anything, and its passphrase may be another.
pub(super) fn create(dir: &Path, passphrase: &Passphrase, config: &Config) -> Result<(), OpenError> {
    let io = |e| OpenError::io("make the store", dir, e);
    files::make_private_dir(dir).map_err(io)?;
    let _lock = lock(dir)?;
    if Keyring::exists(dir) {
        if !journal::is_untouched(dir).map_err(io)? {
            return Err(OpenError::AlreadyThere { dir: dir.to_path_buf() });
        }
        Keyring::remove(dir).map_err(io)?;
    }
    let keyring = Keyring::create(dir, passphrase)?;
    journal::create(dir, &keyring.epochs().current, sizes(config)).map_err(io)?;
    Engine::create(dir, &Keys::new(keyring.data())).map_err(io)?;
    files::sync_dir(dir).map_err(io)?;
    keyring.save().map_err(io)
}

/// Guards the keys in `dir` by `new` from now on.
pub(super) fn change_passphrase(dir: &Path, old: &Passphrase, new: &Passphrase) -> Result<(), OpenError> {
    if !Keyring::exists(dir) {
        return Err(OpenError::NotThere { dir: dir.to_path_buf() });
    }
    let _lock = lock(dir)?;
    Keyring::open(dir, old)?.guard_by(new)
}

/// Opens the store in `dir`; returns its parts and the last journal record that was applied.
pub(super) fn open(
    dir: &Path,
    passphrase: &Passphrase,
    config: Config,
    faults: Faults,
) -> Result<(Inner, OpenReport, u64), OpenError> {
    let io = |step| move |e| OpenError::io(step, dir, e);
    if !Keyring::exists(dir) {
        return Err(OpenError::NotThere { dir: dir.to_path_buf() });
    }
    let lock = lock(dir)?;
    let is_suspect = files::is_flagged(dir, journal::SUSPECT);
    if is_suspect {
        Keyring::forget_cached(dir);
        journal::forget_cached(dir);
    }
    let keyring = Keyring::open(dir, passphrase)?;
    let keys = Arc::new(Keys::new(keyring.data()));
    let identity = IdentityFiles::open(dir, Arc::clone(&keys)).map_err(io("open the identity"))?;
    let journals = journal::open_files(dir).map_err(io("open the journal"))?;
    let epochs = keyring.epochs();
    let (engine, discovery) = Engine::open(dir, Arc::clone(&keys), config.cache_bytes, faults.clone())
        .map_err(|e| e.opening("open the records", dir))?;
    let file = Arc::clone(&journals[usize::from(epochs.current.slot)]);
    let index = Index::new(Arc::clone(&file), epochs.current.key.clone());
    let mut report = OpenReport { unprotected: keyring.is_unprotected(), ..OpenReport::default() };
    let restore = Restore {
        dir,
        journals: &journals,
        epochs: &epochs,
        index: &index,
        keys: &keys,
        engine: &engine,
        identity: &identity,
    };
    let replay = restore.run(discovery, &mut report)?;
    let journal = Journal::new(journals, epochs.current, &replay, sizes(&config), faults.clone())
        .map_err(io("open the journal"))?;
    let seq = journal.last_seq();
    if epochs.previous.is_some() {
        engine.checkpoint(seq).map_err(|e| e.opening("write the records", dir))?;
        keyring.update(|e| e.previous = None).map_err(io("write the keyfile"))?;
    }
    if engine.is_bloated() {
        report.rewritten = engine.rewrite(seq).is_ok();
    }
    let forget_at = Mutex::new(journal.forget_at(config.forget_after));
    let inner = Inner {
        dir: dir.to_path_buf(),
        config,
        keys,
        keyring,
        journal: Mutex::new(Some(journal)),
        index,
        engine,
        identity,
        overlay: Mutex::new(Overlay::new()),
        backlog: super::apply::Backlog::default(),
        durable: AtomicU64::new(0),
        broken: Mutex::new(None),
        closed: AtomicBool::new(false),
        forget_at,
        lock: Mutex::new(Some(lock)),
        faults,
    };
    if is_suspect {
        inner.begin_anew().map_err(begin_error(&inner))?;
    }
    Ok((inner, report, seq))
}

/// A store that cannot begin a new journal generation cannot be opened.
fn begin_error(inner: &Inner) -> impl Fn(CommitError) -> OpenError {
    move |error| match error {
        CommitError::Full { .. } => OpenError::Full { dir: inner.dir.clone() },
        CommitError::Io { step, source } => OpenError::io(step, &inner.dir, source),
        other => {
            OpenError::Io { step: "begin a new journal", source: std::io::Error::other(other.to_string()) }
        }
    }
}

/// One process at a time.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let io = |e| OpenError::io("lock the directory", dir, e);
    let file = files::open_private(&dir.join("lock")).map_err(io)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => {
                // For people who meet the lock; where the disk is full they are told less.
                let _ = file
                    .set_len(0)
                    .and_then(|()| (&file).write_all(format!("{}\n", std::process::id()).as_bytes()));
                return Ok(file);
            }
            // A child that is just being started holds its parent's files until it runs its program.
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(e)) => return Err(io(e)),
        }
    }
    let mut said = String::new();
    // A holder that has not written yet, or never could, stays unnamed.
    let holder = (&file).take(16).read_to_string(&mut said).ok().and_then(|_| said.trim().parse().ok());
    Err(OpenError::Locked { dir: dir.to_path_buf(), holder })
}

/// Looks at a lock that is taken, and the pause between them: 400 ms in all.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

fn sizes(config: &Config) -> Sizes {
    Sizes { first: config.journal_bytes, most: config.journal_most_bytes }
}

/// Brings back what the journal tells.
struct Restore<'a> {
    dir: &'a Path,
    journals: &'a [Arc<File>; 2],
    epochs: &'a Epochs,
    index: &'a Index,
    keys: &'a Keys,
    engine: &'a Engine,
    identity: &'a IdentityFiles,
}

/// Why the journal could not be replayed.
enum Trouble {
    /// Opening ends with this.
    Open(OpenError),
    /// The records, and not the journal.
    Records(DbError),
}

impl From<OpenError> for Trouble {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Self {
        Self::Records(error)
    }
}

/// What a pass over the journal did to sled.
#[derive(Default)]
struct Replayed {
    puts: u64,
    deletes: u64,
}

impl Restore<'_> {
    /// Replays; where sled turns out to be damaged or to have lost something, once more into a new one.
    fn run(&self, discovery: Discovery, report: &mut OpenReport) -> Result<Replay, OpenError> {
        report.quarantined = discovery.quarantined;
        report.salvaged = discovery.salvaged;
        let promised = self.engine.live().0;
        let first = self.pass(discovery.applied).and_then(|(replay, done)| {
            self.check(&replay, &done, promised)?;
            Ok((replay, done))
        });
        let again = match first {
            Err(Trouble::Records(DbError::Damaged(reason)))
                if report.quarantined.is_none() && !self.is_disk_full() =>
            {
                tracing::warn!(%reason, "the database is put aside");
                self.anew(report)
            }
            result => result,
        };
        let (replay, done) = again.map_err(|trouble| self.open_error(trouble))?;
        report.replayed = done.puts + done.deletes;
        report.torn = replay.torn;
        Ok(replay)
    }

    /// Whether sled has everything that it must have.
    fn check(&self, replay: &Replay, done: &Replayed, promised: u64) -> Result<(), DbError> {
        let is_unclean = done.puts + done.deletes > 0;
        if is_unclean && !self.engine.recount(promised.saturating_sub(done.deletes))? {
            return Err(DbError::Damaged("records are missing".to_owned()));
        }
        self.engine.clear(replay.last_seq())
    }

    /// Begins a new database with what can be read of the old one and all that the journal has.
    fn anew(&self, report: &mut OpenReport) -> Result<(Replay, Replayed), Trouble> {
        let found = self.engine.quarantine()?;
        report.quarantined = found.quarantined;
        report.salvaged = found.salvaged;
        self.index.replace(Default::default(), self.live_file(), self.epochs.current.key.clone());
        self.pass(0)
    }

    /// sled may panic for want of space.
    fn is_disk_full(&self) -> bool {
        files::free_bytes(self.dir).is_ok_and(|free| free < 1 << 20)
    }

    fn open_error(&self, trouble: Trouble) -> OpenError {
        match trouble {
            Trouble::Open(error) => error,
            Trouble::Records(_) if self.is_disk_full() => OpenError::Full { dir: self.dir.to_path_buf() },
            Trouble::Records(error) => error.opening("write the records", self.dir),
        }
    }

    /// Replays the generations that are alive, oldest first.
    fn pass(&self, applied: u64) -> Result<(Replay, Replayed), Trouble> {
        let mut done = Replayed::default();
        if let Some(previous) = &self.epochs.previous {
            self.generation(previous, applied, false, &mut done)?;
        }
        let replay = self.generation(&self.epochs.current, applied, true, &mut done)?;
        Ok((replay, done))
    }

    fn generation(
        &self,
        epoch: &Epoch,
        applied: u64,
        current: bool,
        done: &mut Replayed,
    ) -> Result<Replay, Trouble> {
        let file = &self.journals[usize::from(epoch.slot)];
        journal::replay(file, epoch, &mut |seq, at, ops| {
            let (resident, rest): (Vec<Op>, Vec<Op>) = ops.into_iter().partition(|op| is_resident(op.table));
            if current {
                let places =
                    resident.iter().map(|op| (self.keys.name(op.table, &op.key), journal::op_place(at, op)));
                self.index.update(places);
            }
            if seq > applied { self.apply(rest, done) } else { Ok(()) }
        })
    }

    fn apply(&self, ops: Vec<Op>, done: &mut Replayed) -> Result<(), Trouble> {
        let entries: Vec<Entry> = ops.into_iter().map(|op| self.entry(op)).collect();
        let (identity, records): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|e| e.table == Table::Identity);
        for entry in &identity {
            self.identity.apply(entry).map_err(|e| OpenError::io("write the identity", self.dir, e))?;
        }
        let deletes = records.iter().filter(|e| e.value.is_none()).count() as u64;
        done.deletes += deletes;
        done.puts += records.len() as u64 - deletes;
        Ok(self.engine.apply(records.iter())?)
    }

    fn entry(&self, op: Op) -> Entry {
        let value = match op.change {
            Change::Put(value) => Some(value),
            Change::Delete | Change::Cell(_) => None,
        };
        Entry { table: op.table, name: self.keys.name(op.table, &op.key), key: op.key, value }
    }

    fn live_file(&self) -> Arc<File> {
        Arc::clone(&self.journals[usize::from(self.epochs.current.slot)])
    }
}

/// Lets the next process in.
pub(super) fn unlock(inner: &Inner) {
    *inner.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
}
