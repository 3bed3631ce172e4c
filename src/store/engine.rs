//! sled behind a guard: it may panic, lose or fill up, and nothing acknowledged is lost.
//!
//! sled holds what is large or can be fetched again. Everything in it came out of the journal and
//! stays there until sled is durable (PROTOCOL.md section 11), so sled is used without its own
//! atomicity and without its own timer.

use super::crypt::{Key, Keys, Name, random};
use super::error::DbError;
use super::fault::{Faults, Step};
use super::files;
use super::index::Found;
use super::mark::Mark;
use super::record::Entry;
use mesh_core::Table;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The record that a database has if it is the one that the mark means.
const MARKER: &[u8] = b"\0marker";
/// How many quarantined directories are kept.
const QUARANTINED: usize = 2;
/// How long sled may take to close, and to give a lock back.
const PATIENCE: Duration = Duration::from_secs(2);
/// How late the timers of sled's threads may be, in nanoseconds: 10 minutes. Work wakes them at once all the same.
#[cfg(target_os = "linux")]
const SLACK: Option<std::num::NonZeroU64> = std::num::NonZeroU64::new(600_000_000_000);
/// A smaller database is never rewritten for its size.
const BLOAT_FLOOR: u64 = 32 << 20;
/// Stands while what the system has in memory of the database may differ from the disk.
const SUSPECT: &str = "records.suspect";
/// Within a database that is to be kept aside: a crash must not let it be taken for a remnant.
const CONDEMNED: &str = "put-aside";
/// How often, and after which pause, a database that the disk does not read is tried again.
const READ_TRIES: u32 = 3;
const READ_PAUSE: Duration = Duration::from_millis(100);

/// One sled database in a numbered directory, opened when it is needed.
pub(super) struct Engine {
    dir: PathBuf,
    keys: Arc<Keys>,
    cache: u64,
    number: AtomicU32,
    open: RwLock<Option<Arc<Opened>>>,
    count: AtomicU64,
    bytes: AtomicU64,
    used: Mutex<Instant>,
    /// Whether anything was applied since the last mark.
    dirty: AtomicBool,
    nonces: Mutex<super::crypt::Nonces>,
    faults: Faults,
}

struct Opened {
    db: sled::Db,
    /// A second descriptor of the data file: sled's own flush does not sync (rule: flush, then
    /// `fdatasync`).
    sync: File,
    /// Where sled puts what is too long for its pages, and what of it is durable.
    blobs: PathBuf,
    synced: Mutex<BTreeSet<OsString>>,
}

/// What was found when the engine was first opened.
#[derive(Debug, Default)]
pub(super) struct Discovery {
    /// Journal records up to this one need no replay.
    pub(super) applied: u64,
    /// Where a database that could not be believed lies now.
    pub(super) quarantined: Option<PathBuf>,
    /// Records that were still readable in it.
    pub(super) salvaged: u64,
}

impl Engine {
    /// Opens the database that the mark in `dir` names; puts one that is damaged, or lacks what the
    /// mark promises, aside and begins anew. An error of the operating system is no damage.
    pub(super) fn open(
        dir: &Path,
        keys: Arc<Keys>,
        cache: u64,
        faults: Faults,
    ) -> Result<(Self, Discovery), DbError> {
        let mark = Mark::load(dir, &keys)?;
        let engine = Self {
            dir: dir.to_path_buf(),
            keys,
            cache,
            number: AtomicU32::new(mark.map_or(0, |m| m.number)),
            open: RwLock::new(None),
            count: AtomicU64::new(mark.map_or(0, |m| m.count)),
            bytes: AtomicU64::new(mark.map_or(0, |m| m.bytes)),
            used: Mutex::new(Instant::now()),
            dirty: AtomicBool::new(false),
            nonces: Mutex::new(super::crypt::Nonces::random()?),
            faults,
        };
        let Some(mark) = mark else {
            return engine.begin_without_mark();
        };
        engine.remove_strays(mark.number)?;
        match engine.first_look() {
            Ok(Some(seq)) if seq >= mark.seq => {
                Ok((engine, Discovery { applied: mark.seq, ..Discovery::default() }))
            }
            Ok(_) | Err(DbError::Damaged(_)) => engine.quarantine().map(|found| (engine, found)),
            Err(error) => Err(error),
        }
    }

    /// Opens the database and reads its marker. What the disk does not read even after some tries is
    /// lost like what is damaged; whether the disk still takes anything shows when another is begun.
    fn first_look(&self) -> Result<Option<u64>, DbError> {
        let mut tries = 0;
        loop {
            match self.database().and_then(|open| self.marker(&open)) {
                Err(error) if error.is_unreadable() && tries < READ_TRIES => {
                    tries += 1;
                    std::thread::sleep(READ_PAUSE);
                }
                Err(error) if error.is_unreadable() => return Err(DbError::Damaged(error.to_string())),
                result => return result,
            }
        }
    }

    /// Makes the first database of a new store.
    pub(super) fn create(dir: &Path, keys: &Keys) -> io::Result<()> {
        for entry in fs::read_dir(dir)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("records-") {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let open = Opened::make(&dir.join("records-1"), 1 << 20).map_err(io::Error::other)?;
        open.put_marker(&keys.records, 0).map_err(io::Error::other)?;
        open.sync().map_err(io::Error::other)?;
        files::sync_dir(dir)?;
        Mark { number: 1, seq: 0, count: 0, bytes: 0 }.save(dir, keys)
    }

    /// The record called `name`.
    pub(super) fn read(&self, name: Name) -> Result<Option<Found>, DbError> {
        let open = self.database()?;
        let stored = guarded(|| open.db.get(name.0))?;
        stored.map(|value| unseal(&self.keys.records, &name.0, &value)).transpose()
    }

    /// Notes that the database must be looked through before it is used again.
    pub(super) fn distrust(&self) {
        files::raise_flag(&self.dir, SUSPECT);
    }

    pub(super) fn is_distrusted(&self) -> bool {
        files::is_flagged(&self.dir, SUSPECT)
    }

    /// Calls `visit` with every record of `table`.
    pub(super) fn scan(&self, table: Table, visit: &mut dyn FnMut(Name, Found)) -> Result<(), DbError> {
        let open = self.database()?;
        let mut records = guarded(|| Ok(open.db.scan_prefix([table as u8])))?;
        while let Some((name, value)) = guarded(|| records.next().transpose())? {
            let length = |_| DbError::Damaged("a name of a wrong length".to_owned());
            let name = name.as_ref().try_into().map_err(length)?;
            visit(Name(name), unseal(&self.keys.records, &name, &value)?);
        }
        Ok(())
    }

    /// Applies `entries` in order. May leave some of them undone on an error; applying all of them
    /// again is right then.
    pub(super) fn apply<'a>(&self, entries: impl Iterator<Item = &'a Entry>) -> Result<(), DbError> {
        let open = self.database()?;
        for entry in entries {
            self.faults.check(Step::Apply)?;
            self.dirty.store(true, Ordering::Release);
            let name = entry.name.0;
            let old = match &entry.value {
                Some(value) => {
                    let sealed = self.seal(entry.name, &entry.key, value);
                    self.grow(1, (Name::LEN + sealed.len()) as u64);
                    guarded(|| open.db.insert(name, sealed))?
                }
                None => guarded(|| open.db.remove(name))?,
            };
            if let Some(old) = old {
                self.count.fetch_sub(1, Ordering::Relaxed);
                self.bytes.fetch_sub((Name::LEN + old.len()) as u64, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Makes everything applied durable.
    pub(super) fn sync(&self) -> Result<(), DbError> {
        let synced = self.faults.check(Step::RecordsSync).map_err(DbError::from);
        let synced = synced.and_then(|()| self.database()?.sync());
        if synced.as_ref().is_err_and(|error| !error.is_full()) {
            self.distrust();
        }
        synced
    }

    /// Whether anything was applied that no mark tells of.
    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Makes everything applied durable and says so in the mark: journal records up to `seq` are
    /// not needed for sled any more. Where nothing was applied since, the last mark says so already.
    pub(super) fn checkpoint(&self, seq: u64) -> Result<(), DbError> {
        if !self.is_dirty() {
            return Ok(());
        }
        let open = self.database()?;
        open.put_marker(&self.keys.records, seq)?;
        self.sync()?;
        self.faults.check(Step::Mark)?;
        self.mark(seq).save(&self.dir, &self.keys)?;
        self.dirty.store(false, Ordering::Release);
        Ok(())
    }

    /// Checkpoints and closes the database until it is needed again; `false` where a read is under
    /// way.
    pub(super) fn sleep(&self, seq: u64) -> Result<bool, DbError> {
        if !self.is_open() {
            return Ok(true);
        }
        self.checkpoint(seq)?;
        let mut open = self.slot();
        match open.take().map(Arc::try_unwrap) {
            Some(Err(shared)) => {
                *open = Some(shared);
                Ok(false)
            }
            Some(Ok(last)) => guarded(|| {
                drop(last);
                Ok(true)
            }),
            None => Ok(true),
        }
    }

    /// Closes the database as it is.
    pub(super) fn abandon(&self) {
        let open = self.slot().take();
        open.into_iter().for_each(let_go);
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// When the database was last read or written.
    pub(super) fn last_used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records and bytes that are alive in sled.
    pub(super) fn live(&self) -> (u64, u64) {
        (self.count.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Bytes that sled takes on the disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        files::disk_bytes(&self.path())
    }

    /// Counts anew after an unclean end. Fewer than `at_least` records mean that sled lost some
    /// without saying so: `false`.
    pub(super) fn recount(&self, at_least: u64) -> Result<bool, DbError> {
        let open = self.database()?;
        let (mut count, mut bytes) = (0, 0);
        guarded(|| {
            for pair in open.db.iter() {
                let (name, value) = pair?;
                if name.as_ref() != MARKER {
                    count += 1;
                    bytes += (name.len() + value.len()) as u64;
                }
            }
            Ok(())
        })?;
        self.count.store(count, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        Ok(count >= at_least)
    }

    /// Puts the database aside as `corrupt-<time>` and begins a new one with what can still be
    /// read of it.
    ///
    /// The new one counts before the old one is renamed: without it nothing changes.
    pub(super) fn quarantine(&self) -> Result<Discovery, DbError> {
        let (old, path) = (self.slot().take(), self.path());
        let copy = |fresh: &Opened| old.as_ref().map_or(Ok((0, 0)), |old| self.copy(old, fresh));
        let (fresh, (salvaged, bytes)) = self.fill_next(copy)?;
        self.count.store(salvaged, Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
        if path.exists() {
            files::open_private(&path.join(CONDEMNED))?;
        }
        self.adopt(fresh, 0)?;
        files::lower_flag(&self.dir, SUSPECT)?;
        old.into_iter().for_each(let_go);
        let aside = self.put_aside(&path)?;
        Ok(Discovery { applied: 0, quarantined: Some(aside), salvaged })
    }

    fn put_aside(&self, path: &Path) -> io::Result<PathBuf> {
        let aside = self.aside();
        if path.exists() {
            fs::rename(path, &aside)?;
            files::sync_dir(&self.dir)?;
        }
        self.forget_quarantined()?;
        Ok(aside)
    }

    /// Whether sled takes far more of the disk than lives in it: it never shrinks by itself.
    pub(super) fn is_bloated(&self) -> bool {
        let disk = self.disk_bytes();
        disk > BLOAT_FLOOR && disk / 4 > self.live().1
    }

    /// Copies what lives into a new database and removes the old one. Everything applied up to
    /// `seq` must be in it.
    pub(super) fn rewrite(&self, seq: u64) -> Result<(), DbError> {
        let (old, path, live) = (self.database()?, self.path(), self.live().0);
        let (fresh, ()) = self.fill_next(|fresh| match self.copy(&old, fresh)? {
            (copied, _) if copied == live => Ok(()),
            (copied, _) => Err(DbError::Damaged(format!("{copied} of {live} records could be copied"))),
        })?;
        self.adopt(fresh, seq)?;
        let_go(old);
        Ok(fs::remove_dir_all(path)?)
    }

    /// Where the database is under suspicion: what the system has of it in memory is written anew.
    /// Everything up to `seq` must be applied.
    pub(super) fn clear(&self, seq: u64) -> Result<(), DbError> {
        if !self.is_distrusted() {
            return Ok(());
        }
        match self.rewrite(seq) {
            Ok(()) => tracing::info!("the database was written anew after a failure of the disk"),
            Err(DbError::Damaged(reason)) => return Err(DbError::Damaged(reason)),
            // The suspicion stands, and the next start tries again.
            Err(error) => {
                tracing::warn!(%error, "the database could not be written anew");
                return Ok(());
            }
        }
        Ok(files::lower_flag(&self.dir, SUSPECT)?)
    }

    fn begin_without_mark(self) -> Result<(Self, Discovery), DbError> {
        let dirs: Vec<u32> = self.numbers()?;
        self.number.store(dirs.into_iter().max().unwrap_or(0), Ordering::Relaxed);
        // Whatever is there may still be salvaged.
        match self.first_look() {
            Ok(_) | Err(DbError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        let found = self.quarantine()?;
        Ok((self, found))
    }

    fn numbers(&self) -> io::Result<Vec<u32>> {
        let names = fs::read_dir(&self.dir)?.flatten().map(|e| e.file_name());
        Ok(names.filter_map(|n| n.to_str()?.strip_prefix("records-")?.parse().ok()).collect())
    }

    /// Removes databases that a crash left half made or half removed, and puts aside what was on its
    /// way there.
    fn remove_strays(&self, number: u32) -> io::Result<()> {
        for stray in self.numbers()?.into_iter().filter(|n| *n != number) {
            let path = self.dir.join(format!("records-{stray}"));
            if path.join(CONDEMNED).exists() {
                self.put_aside(&path)?;
            } else {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }

    /// Makes the next database and fills it; where that fails nothing of it stays.
    fn fill_next<T>(&self, fill: impl FnOnce(&Opened) -> Result<T, DbError>) -> Result<(Opened, T), DbError> {
        let next = self.number.load(Ordering::Relaxed) + 1;
        let path = self.dir.join(format!("records-{next}"));
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        let fresh = Opened::make(&path, self.cache)?;
        let filled = self.faults.check(Step::Copy).map_err(DbError::from).and_then(|()| fill(&fresh));
        match filled {
            Ok(filled) => Ok((fresh, filled)),
            Err(error) => {
                let_go(Arc::new(fresh));
                // The next start removes what cannot be removed now.
                drop(fs::remove_dir_all(&path));
                Err(error)
            }
        }
    }

    /// From here on `fresh` is the database.
    fn adopt(&self, fresh: Opened, seq: u64) -> Result<(), DbError> {
        fresh.put_marker(&self.keys.records, seq)?;
        fresh.sync()?;
        files::sync_dir(&self.dir)?;
        let mut open = self.slot();
        let number = self.number.load(Ordering::Relaxed) + 1;
        self.faults.check(Step::Adopt)?;
        Mark { number, ..self.mark(seq) }.save(&self.dir, &self.keys)?;
        self.number.store(number, Ordering::Relaxed);
        *open = Some(Arc::new(fresh));
        self.dirty.store(false, Ordering::Release);
        Ok(())
    }

    /// Copies every record whose seal fits, up to the first that sled cannot read. Returns how many,
    /// and their bytes.
    ///
    /// # Errors
    /// Where the new database does not take them: that says nothing about the old one.
    fn copy(&self, from: &Opened, to: &Opened) -> Result<(u64, u64), DbError> {
        let (mut copied, mut bytes) = (0, 0);
        let mut records = guarded(|| Ok(from.db.iter()))?;
        loop {
            let (name, value) = match guarded(|| records.next().transpose()) {
                Ok(Some(pair)) => pair,
                Ok(None) => return Ok((copied, bytes)),
                Err(error) if error.is_unreadable() || matches!(error, DbError::Damaged(_)) => {
                    tracing::warn!(%error, copied, "a database could be read only in part");
                    return Ok((copied, bytes));
                }
                Err(error) => return Err(error),
            };
            if name.as_ref() != MARKER && unseal(&self.keys.records, &name, &value).is_ok() {
                copied += 1;
                bytes += (name.len() + value.len()) as u64;
                guarded(|| to.db.insert(name, value))?;
            }
        }
    }

    fn marker(&self, open: &Opened) -> Result<Option<u64>, DbError> {
        let Some(value) = guarded(|| open.db.get(MARKER))? else { return Ok(None) };
        let unsealed = self.keys.records.unwrap(MARKER, &value);
        let text = unsealed.map_err(|_| DbError::Damaged("the marker's seal".to_owned()))?;
        Ok(text.first_chunk().map(|b| u64::from_le_bytes(*b)))
    }

    fn mark(&self, seq: u64) -> Mark {
        let (count, bytes) = self.live();
        Mark { number: self.number.load(Ordering::Relaxed), seq, count, bytes }
    }

    fn grow(&self, count: u64, bytes: u64) {
        self.count.fetch_add(count, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn path(&self) -> PathBuf {
        self.dir.join(format!("records-{}", self.number.load(Ordering::Relaxed)))
    }

    /// A name for a quarantined database that no other has.
    fn aside(&self) -> PathBuf {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let second = now.map_or(0, |d| d.as_secs());
        let paths = (0..).map(|n| self.dir.join(format!("corrupt-{:012}-{n}", second)));
        paths.into_iter().find(|p| !p.exists()).unwrap_or_else(|| self.dir.join("corrupt"))
    }

    fn forget_quarantined(&self) -> io::Result<()> {
        let names = fs::read_dir(&self.dir)?.flatten().map(|e| e.path());
        let mut old: Vec<_> = names
            .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("corrupt-")))
            .collect();
        old.sort();
        old.iter().rev().skip(QUARANTINED).try_for_each(fs::remove_dir_all)
    }

    fn seal(&self, name: Name, key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut text = Zeroizing::new(Vec::with_capacity(1 + key.len() + value.len()));
        text.push(key.len().to_le_bytes()[0]);
        text.extend_from_slice(key);
        text.extend_from_slice(value);
        let nonce = self.nonces.lock().unwrap_or_else(PoisonError::into_inner).next();
        self.keys.records.wrap(nonce, &name.0, &text)
    }

    /// The database, opened where it sleeps.
    fn database(&self) -> Result<Arc<Opened>, DbError> {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        if let Some(open) = &*self.open.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Arc::clone(open));
        }
        let mut slot = self.slot();
        if let Some(open) = &*slot {
            return Ok(Arc::clone(open));
        }
        let open = Arc::new(Opened::open(&self.path(), self.cache)?);
        *slot = Some(Arc::clone(&open));
        Ok(open)
    }

    fn slot(&self) -> RwLockWriteGuard<'_, Option<Arc<Opened>>> {
        self.open.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Opened {
    /// A new database in `path`.
    fn make(path: &Path, cache: u64) -> Result<Self, DbError> {
        files::make_private_dir(path)?;
        Self::open(path, cache)
    }

    /// The database in `path`, which is there: an empty one instead of a missing one would look like loss.
    fn open(path: &Path, cache: u64) -> Result<Self, DbError> {
        if !path.try_exists()? {
            return Err(DbError::Damaged("the database is missing".to_owned()));
        }
        // No timer of its own: the journal is what makes writes durable.
        let config = sled::Config::new().path(path).cache_capacity(cache).flush_every_ms(None);
        let began = Instant::now();
        let db = loop {
            match unhurried(|| guarded(|| config.open())) {
                Ok(db) => break db,
                // A database that was just closed gives its lock back a moment later.
                Err(DbError::InUse) if began.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(e) => return Err(e),
            }
        };
        let sync = File::open(path.join("db"))?;
        files::sync_dir(path)?;
        let blobs = path.join("blobs");
        let synced = fs::read_dir(&blobs)?.flatten().map(|e| e.file_name());
        let synced = Mutex::new(synced.collect());
        Ok(Self { db, sync, blobs, synced })
    }

    fn put_marker(&self, key: &Key, seq: u64) -> Result<(), DbError> {
        let value = key.wrap(*random()?, MARKER, &seq.to_le_bytes());
        guarded(|| self.db.insert(MARKER, value))?;
        Ok(())
    }

    fn sync(&self) -> Result<(), DbError> {
        guarded(|| self.db.flush())?;
        self.sync_blobs()?;
        Ok(self.sync.sync_data()?)
    }

    /// sled syncs neither these files nor their directory.
    fn sync_blobs(&self) -> io::Result<()> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        let there: BTreeSet<_> = fs::read_dir(&self.blobs)?.flatten().map(|e| e.file_name()).collect();
        let fresh: Vec<_> = there.difference(&synced).collect();
        for name in &fresh {
            match File::open(self.blobs.join(name)) {
                Ok(file) => file.sync_all()?,
                // Removed meanwhile: what it held was replaced.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(e),
            }
        }
        if !fresh.is_empty() {
            files::sync_dir(&self.blobs)?;
        }
        *synced = there;
        Ok(())
    }
}

/// Runs `open` on a thread whose timers may be late, as sled's own threads then inherit it: seven of them look
/// around every second for as long as the process lives, with nothing to do and even with no database open.
fn unhurried<T: Send>(open: impl FnOnce() -> Result<T, DbError> + Send) -> Result<T, DbError> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            #[cfg(target_os = "linux")]
            if let Err(error) = rustix::thread::set_current_timer_slack(SLACK) {
                tracing::debug!(%error, "sled's threads will wake this machine every second");
            }
            open()
        });
        thread.join().unwrap_or_else(|_| Err(DbError::Damaged("the database panicked".to_owned())))
    })
}

/// Closes a database. sled waits for ever for writes that failed, so this does not wait for sled
/// longer than a moment.
fn let_go(open: Arc<Opened>) {
    let (done, wait) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("store-close".to_owned()).spawn(move || {
        let closed = guarded(|| {
            drop(open);
            Ok(())
        });
        // Nobody waits any more where it took too long.
        drop(done.send(closed));
    });
    if thread.is_err() || wait.recv_timeout(PATIENCE).is_err() {
        tracing::error!("a database could not be closed; its files stay locked until this process ends");
    }
}

/// Runs something of sled's, which panics where it finds what it did not expect.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, DbError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(DbError::Damaged("the database panicked".to_owned())),
    }
}

fn unseal(key: &Key, name: &[u8], value: &[u8]) -> Result<Found, DbError> {
    let damaged = |what: &str| DbError::Damaged(what.to_owned());
    let mut text = key.unwrap(name, value).map_err(|_| damaged("a record's seal does not fit"))?;
    let len = usize::from(*text.first().ok_or_else(|| damaged("an empty record"))?);
    let natural = text.get(1..=len).ok_or_else(|| damaged("a record cut short"))?.to_vec();
    text.drain(..=len);
    Ok((natural, text))
}
