//! A node's home: made once, then opened by one process at a time.

use crate::config::DataDir;
use crate::daemon::{Clock, Daemon, Parts, Storage, StorageError, Switch, random_seed};
use crate::handle::Handle;
use crate::store::{CommitError, MAX_GROUP, OpenError, Passphrase, Store, process};
use crate::t;
use crate::transport::TransportEvent;
use mesh_core::{Config, Node, Output, Read, StartError, StoreOp};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

/// What may be staged before the one who stages waits for a commit, in bytes: a quarter of what a group holds.
const STAGED_MOST: usize = MAX_GROUP / 4;

/// Asks a person for the passphrase; `None` where there is nobody to ask.
pub type Ask = dyn Fn() -> io::Result<Option<Zeroizing<String>>> + Send + Sync;

/// Where a passphrase comes from.
#[derive(Clone, Default)]
pub struct Secret {
    /// The one that was given.
    pub given: Option<Zeroizing<String>>,
    /// Used where none was given and one is needed.
    pub ask: Option<Arc<Ask>>,
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { given, ask } = self;
        write!(f, "Secret {{ given: {}, ask: {} }}", given.is_some(), ask.is_some())
    }
}

/// A home cannot be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// There is none.
    #[error("{} holds no identity yet", path.display())]
    NotThere {
        /// The data directory.
        path: PathBuf,
    },
    /// There is one already.
    #[error("{} holds an identity already", path.display())]
    Exists {
        /// The data directory.
        path: PathBuf,
    },
    /// Another process has it.
    #[error("{} is using {}", process(*holder), path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// Its number, where it is known.
        holder: Option<u32>,
    },
    /// A node is starting there and does not answer yet.
    #[error("a node is starting in {}", path.display())]
    Starting {
        /// The data directory.
        path: PathBuf,
    },
    /// It is protected and no passphrase was given.
    #[error("{} is protected by a passphrase", path.display())]
    NeedsPassphrase {
        /// The data directory.
        path: PathBuf,
    },
    /// The passphrase does not open it.
    #[error("the passphrase does not open {}", path.display())]
    WrongPassphrase {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory cannot be written.
    #[error("{} cannot be written", path.display())]
    ReadOnly {
        /// The data directory.
        path: PathBuf,
    },
    /// It cannot be used.
    #[error("{} cannot be opened: {reason}", path.display())]
    Unusable {
        /// The data directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A home that this process holds, with its node not yet running.
#[allow(missing_debug_implementations, reason = "holds secrets")]
pub struct Home {
    shelf: Shelf,
    node: Node,
    config: Config,
}

/// What opening gave.
#[allow(missing_debug_implementations, reason = "holds secrets")]
pub struct Opened {
    /// The home.
    pub home: Home,
    /// Where damaged records were put, if any were found.
    pub quarantined: Option<PathBuf>,
}

/// Makes a home for a new person called `name`, protected by a passphrase where one is given. The person is
/// durable when this returns.
///
/// A home that was begun and holds no person yet is made anew.
///
/// # Errors
/// [`HomeError::Exists`] where a person lives there already, and the other reasons.
pub fn create(data: &DataDir, name: &str, secret: &Secret) -> Result<Home, HomeError> {
    let passphrase = passphrase(secret);
    let exists = || HomeError::Exists { path: data.path().to_owned() };
    let opened = match Store::create(data.path(), &passphrase) {
        Err(OpenError::AlreadyThere { .. }) => Store::open(data.path(), &passphrase),
        made => made,
    };
    let (store, report) = match opened {
        Ok(opened) => opened,
        // Whoever is there, it is not the new person.
        Err(OpenError::NeedsPassphrase | OpenError::WrongPassphrase) => return Err(exists()),
        Err(error) => return Err(refused(data, &error)),
    };
    let config = Config::default();
    match Node::restore(config.clone(), seed(data)?, Clock.now(), store.reader()) {
        Err(StartError::NoIdentity) if !report.unprotected || secret.given.is_none() => {}
        Err(StartError::NoIdentity) => {
            let reason = t!("home-begun-unprotected");
            return Err(HomeError::Unusable { path: data.path().to_owned(), reason });
        }
        Ok(_) => return Err(exists()),
        Err(error) => return Err(unusable(data, &error)),
    }
    let node = Node::create(config.clone(), seed(data)?, Clock.now(), name, store.reader());
    let mut node = node.map_err(|error| unusable(data, &error))?;
    make_durable(&mut node, &store).map_err(|error| unusable(data, &error))?;
    Ok(Home { shelf: Shelf::new(data, passphrase, store), node, config })
}

/// Stores what a node that was just born is. It has nobody yet whom it could tell or send anything.
fn make_durable(node: &mut Node, store: &Store) -> Result<(), CommitError> {
    let outputs = std::iter::from_fn(|| node.poll_output());
    let writes = outputs.filter_map(|output| if let Output::Store(op) = output { Some(op) } else { None });
    store.stage(writes.collect());
    store.commit().map(|_| ())
}

/// Opens a home; asks for the passphrase where one is needed, none was given and a person is there.
///
/// # Errors
/// [`HomeError`].
pub fn open(data: &DataDir, secret: &Secret) -> Result<Opened, HomeError> {
    open_with(data, secret, Config::default())
}

/// The same with other limits than the usual ones.
///
/// # Errors
/// [`HomeError`].
pub fn open_with(data: &DataDir, secret: &Secret, config: Config) -> Result<Opened, HomeError> {
    let mut passphrase = passphrase(secret);
    let mut opened = Store::open(data.path(), &passphrase);
    if let (Err(OpenError::NeedsPassphrase), Some(ask)) = (&opened, &secret.ask)
        && let Some(given) = ask().map_err(|error| unusable(data, &error))?
    {
        passphrase = Passphrase::Given(given);
        opened = Store::open(data.path(), &passphrase);
    }
    let (mut store, mut report) = opened.map_err(|error| refused(data, &error))?;
    forget_predecessor(data);
    if report.unprotected && secret.given.is_some() {
        tracing::warn!("{}", t!("passphrase-unused", path = data.path().display().to_string()));
    }
    let mut restored = Node::restore(config.clone(), seed(data)?, Clock.now(), store.reader());
    if matches!(restored, Err(StartError::Read(_))) {
        // What could not be read is looked through, and put aside where it is damaged, by opening once more.
        store.close();
        let again = Store::open(data.path(), &passphrase);
        (store, report) = again.map_err(|error| refused(data, &error))?;
        restored = Node::restore(config.clone(), seed(data)?, Clock.now(), store.reader());
    }
    match restored {
        Ok(node) => {
            let home = Home { shelf: Shelf::new(data, passphrase, store), node, config };
            Ok(Opened { home, quarantined: report.quarantined })
        }
        Err(StartError::NoIdentity) => Err(HomeError::NotThere { path: data.path().to_owned() }),
        Err(error) => Err(unusable(data, &error)),
    }
}

/// Changes what guards the home: `new`, or nothing but the directory's permissions. No process may have it open.
///
/// # Errors
/// [`HomeError`]; then what guarded it before still does.
pub fn change_passphrase(
    data: &DataDir,
    secret: &Secret,
    new: Option<&Zeroizing<String>>,
) -> Result<(), HomeError> {
    let guard = |given: Option<&Zeroizing<String>>| {
        given.map_or(Passphrase::None, |given| Passphrase::Given(given.clone()))
    };
    let new = guard(new);
    let mut changed = Store::change_passphrase(data.path(), &guard(secret.given.as_ref()), &new);
    if let (Err(OpenError::NeedsPassphrase), Some(ask)) = (&changed, &secret.ask)
        && let Some(given) = ask().map_err(|error| unusable(data, &error))?
    {
        changed = Store::change_passphrase(data.path(), &Passphrase::Given(given), &new);
    }
    changed.map_err(|error| refused(data, &error))
}

/// Whoever wrote these held the home before us and is gone.
fn forget_predecessor(data: &DataDir) {
    for path in [data.api_file(), data.token_file()] {
        // Where they cannot be removed, nothing listens at what they name, or it knows no token.
        let _ = std::fs::remove_file(path);
    }
}

/// A node's right to its home before any command: commands follow each other without a pause, and a node
/// that starts would never find the lock free. It is kept until the node answers, and ends with its process.
#[derive(Debug)]
pub struct Turn {
    _lock: std::fs::File,
}

impl Turn {
    /// Keeps commands from opening the home of `data`; those that have it end first.
    ///
    /// `None` for the moment in which a command looks, while another node starts, and where the directory
    /// takes no file.
    #[must_use]
    pub fn take(data: &DataDir) -> Option<Self> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(data.turn_file()).ok()?;
        lock.try_lock().is_ok().then_some(Self { _lock: lock })
    }

    /// Whether a node that starts has it.
    #[must_use]
    pub fn is_taken(data: &DataDir) -> bool {
        let Ok(file) = std::fs::File::open(data.turn_file()) else { return false };
        matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
    }
}

/// Whether a process holds `data` open now.
#[must_use]
pub fn is_held(data: &DataDir) -> bool {
    let Ok(file) = std::fs::File::open(data.lock_file()) else { return false };
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

/// The process that wrote its number into the lock of `data` last: the one that holds it, where
/// [`is_held`] says that one does.
#[must_use]
pub fn holder(data: &DataDir) -> Option<u32> {
    std::fs::read_to_string(data.lock_file()).ok()?.trim().parse().ok()
}

/// Whether a person lives in `data`, as far as can be seen from outside.
#[must_use]
pub fn exists(data: &DataDir) -> bool {
    Store::exists(data.path())
}

impl Home {
    /// Starts the node.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(
        self,
        transport_events: mpsc::Receiver<TransportEvent>,
        transport: Switch,
    ) -> io::Result<Running> {
        let storage: Arc<dyn Storage> = Arc::new(self.shelf);
        let daemon = Daemon::start(Parts {
            node: self.node,
            config: self.config,
            storage: Arc::clone(&storage),
            transport_events,
            transport,
            clock: Clock,
        })?;
        Ok(Running { daemon, storage })
    }
}

/// A home whose node runs.
pub struct Running {
    daemon: Daemon,
    storage: Arc<dyn Storage>,
}

impl core::fmt::Debug for Running {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Running").field("daemon", &self.daemon).finish_non_exhaustive()
    }
}

impl Running {
    /// The door to the node.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        self.daemon.handle()
    }

    /// Returns when the node has ended, which without [`Running::stop`] only an error in it makes it do.
    pub async fn ended(&self) {
        self.daemon.handle().ended().await;
    }

    /// Ends the node and frees the home; returns once both is done.
    pub async fn stop(self) {
        self.daemon.stop().await;
        let storage = self.storage;
        // A panic while closing loses nothing: what was told is durable.
        let _ = tokio::task::spawn_blocking(move || storage.close()).await;
    }
}

/// The store of a home, opened anew where a failure leaves it unknown what the disk holds.
struct Shelf {
    data: DataDir,
    passphrase: Passphrase,
    store: RwLock<Store>,
}

impl Shelf {
    fn new(data: &DataDir, passphrase: Passphrase, store: Store) -> Self {
        Self { data: data.clone(), passphrase, store: RwLock::new(store) }
    }

    fn store(&self) -> Store {
        self.store.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Storage for Shelf {
    fn reader(&self) -> Box<dyn Read> {
        self.store().reader()
    }

    fn stage(&self, ops: Vec<StoreOp>) {
        let store = self.store();
        store.stage(ops);
        // Long texts may be staged faster than the disk takes them: what one commit can hold is bounded, and
        // who stages waits before that. The commit thread meets an error at its next commit.
        if store.staged_bytes() > STAGED_MOST
            && let Err(error) = store.commit()
        {
            tracing::warn!(%error, "what was staged could not be stored");
        }
    }

    fn commit(&self) -> Result<(), StorageError> {
        self.store().commit().map(|_| ()).map_err(|error| failed(&error))
    }

    fn recover(&self) -> Result<(), StorageError> {
        match self.store().discard() {
            // Closed where an earlier reopening failed.
            Err(CommitError::Broken { .. } | CommitError::Closed) => {}
            result => return result.map_err(|error| failed(&error)),
        }
        self.store().close();
        let opened = Store::open(self.data.path(), &self.passphrase);
        let (store, report) = opened.map_err(|error| failed(&error))?;
        if let Some(path) = &report.quarantined {
            tracing::warn!("{}", t!("quarantined", path = path.display().to_string()));
        }
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = store;
        Ok(())
    }

    fn close(&self) {
        self.store().close();
    }
}

fn failed(error: &dyn std::error::Error) -> StorageError {
    StorageError { reason: error.to_string() }
}

fn passphrase(secret: &Secret) -> Passphrase {
    secret.given.as_ref().map_or(Passphrase::None, |given| Passphrase::Given(given.clone()))
}

fn seed(data: &DataDir) -> Result<[u8; 32], HomeError> {
    random_seed().map_err(|error| unusable(data, &error))
}

fn unusable(data: &DataDir, error: &dyn std::error::Error) -> HomeError {
    HomeError::Unusable { path: data.path().to_owned(), reason: error.to_string() }
}

fn refused(data: &DataDir, error: &OpenError) -> HomeError {
    let path = data.path().to_owned();
    match error {
        OpenError::Locked { holder, .. } => HomeError::Locked { path, holder: *holder },
        OpenError::WrongPassphrase => HomeError::WrongPassphrase { path },
        OpenError::NeedsPassphrase => HomeError::NeedsPassphrase { path },
        OpenError::NotThere { .. } => HomeError::NotThere { path },
        OpenError::ReadOnly { .. } => HomeError::ReadOnly { path },
        other => unusable(data, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, DataDir) {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path().join("data"));
        (dir, data)
    }

    fn given(text: &str) -> Secret {
        Secret { given: Some(Zeroizing::new(text.to_owned())), ask: None }
    }

    fn name(data: &DataDir, secret: &Secret) -> Result<String, HomeError> {
        open(data, secret).map(|opened| opened.home.node.identity().name)
    }

    #[test]
    fn a_person_is_durable_as_soon_as_the_home_is_made() {
        let (_dir, data) = home();
        let made = create(&data, "Asha", &Secret::default()).unwrap();
        drop(made);
        assert_eq!(name(&data, &Secret::default()).unwrap(), "Asha");
        assert!(matches!(create(&data, "Bo", &Secret::default()), Err(HomeError::Exists { .. })));
        assert!(matches!(create(&data, "Bo", &given("x")), Err(HomeError::Exists { .. })));
    }

    #[test]
    fn a_home_that_was_begun_with_another_passphrase_or_none_is_made_anew() {
        for (begun, completed) in [(None, Some("a")), (Some("a"), None), (Some("a"), Some("b"))] {
            let (_dir, data) = home();
            let secret = |text: Option<&str>| text.map_or_else(Secret::default, given);
            drop(Store::create(data.path(), &passphrase(&secret(begun))).unwrap());
            drop(create(&data, "Asha", &secret(completed)).unwrap());
            assert_eq!(name(&data, &secret(completed)).unwrap(), "Asha");
            let other = name(&data, &given("c"));
            // Where nothing protects the home, any passphrase does; the person is told.
            assert_eq!(other.is_err(), completed.is_some());
        }
    }

    #[test]
    fn after_a_reopening_that_failed_the_next_one_is_tried() {
        let (_dir, data) = home();
        let shelf = create(&data, "Asha", &Secret::default()).unwrap().shelf;
        shelf.store().close();
        let lock = std::fs::File::open(data.path().join("lock")).unwrap();
        lock.try_lock().unwrap();
        assert!(shelf.recover().is_err());
        assert!(shelf.recover().is_err());
        lock.unlock().unwrap();
        shelf.recover().unwrap();
        shelf.stage(vec![StoreOp::put(mesh_core::Table::Meta, *b"a", *b"1")]);
        shelf.commit().unwrap();
        shelf.close();
    }

    #[test]
    fn who_stages_faster_than_commits_come_waits_before_one_commit_cannot_hold_it() {
        let (_dir, data) = home();
        let shelf = create(&data, "Asha", &Secret::default()).unwrap().shelf;
        for n in 0..u64::try_from(STAGED_MOST / 100_000).unwrap() + 10 {
            shelf.stage(vec![StoreOp::put(mesh_core::Table::Body, n.to_le_bytes(), vec![7; 100_000])]);
            assert!(shelf.store().staged_bytes() <= STAGED_MOST);
        }
        shelf.commit().unwrap();
        shelf.close();
    }

    #[test]
    fn records_that_cannot_be_believed_do_not_keep_a_person_out() {
        let (_dir, data) = home();
        let home = create(&data, "Asha", &Secret::default()).unwrap();
        let text = StoreOp::put(mesh_core::Table::Event, *b"text", vec![7; 100]);
        home.shelf.stage(vec![text]);
        home.shelf.commit().unwrap();
        drop(home);
        let db = sled::open(data.path().join("records-1")).unwrap();
        for (name, value) in db.iter().flatten().filter(|(name, _)| name[0] != 0) {
            db.insert(name, &value[1..]).unwrap();
        }
        drop(db);
        let opened = open(&data, &Secret::default()).unwrap();
        assert_eq!(opened.home.node.identity().name, "Asha");
        assert!(opened.quarantined.is_some());
    }
}
