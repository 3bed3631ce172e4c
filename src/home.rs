//! A node's home: made once, then opened by one process at a time.

use crate::config::DataDir;
use crate::daemon::{Clock, Daemon, Parts, Storage, StorageError, Switch, random_seed};
use crate::handle::Handle;
use crate::store::{CommitError, OpenError, Passphrase, Store};
use crate::transport::TransportEvent;
use mesh_core::{Config, Node, Read, StartError, StoreOp};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

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
    #[error("another process is using {}", path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
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

/// Makes a home for a new person called `name`, protected by `passphrase` where one is given.
///
/// A home that was begun and holds no person yet is completed.
///
/// # Errors
/// [`HomeError::Exists`] where a person lives there already, and the other reasons.
pub fn create(data: &DataDir, name: &str, secret: &Secret) -> Result<Home, HomeError> {
    let passphrase = passphrase(secret);
    let opened = match Store::open(data.path(), &passphrase) {
        Err(OpenError::NotThere { .. }) => Store::create(data.path(), &passphrase),
        // Whoever is there, it is not the new person.
        Err(OpenError::NeedsPassphrase | OpenError::WrongPassphrase) => {
            return Err(HomeError::Exists { path: data.path().to_owned() });
        }
        opened => opened,
    };
    let (store, _) = opened.map_err(|error| refused(data, &error))?;
    let config = Config::default();
    let restored = Node::restore(config.clone(), seed(data)?, Clock.now(), store.reader());
    if !matches!(restored, Err(StartError::NoIdentity)) {
        return Err(HomeError::Exists { path: data.path().to_owned() });
    }
    let node = Node::create(config.clone(), seed(data)?, Clock.now(), name, store.reader());
    let node = node.map_err(|error| unusable(data, &error))?;
    Ok(Home { shelf: Shelf::new(data, passphrase, store), node, config })
}

/// Opens a home; asks for the passphrase where one is needed, none was given and a person is there.
///
/// # Errors
/// [`HomeError`].
pub fn open(data: &DataDir, secret: &Secret) -> Result<Opened, HomeError> {
    let mut passphrase = passphrase(secret);
    let mut opened = Store::open(data.path(), &passphrase);
    if let (Err(OpenError::NeedsPassphrase), Some(ask)) = (&opened, &secret.ask)
        && let Some(given) = ask().map_err(|error| unusable(data, &error))?
    {
        passphrase = Passphrase::Given(given);
        opened = Store::open(data.path(), &passphrase);
    }
    let (store, report) = opened.map_err(|error| refused(data, &error))?;
    forget_predecessor(data);
    let config = Config::default();
    match Node::restore(config.clone(), seed(data)?, Clock.now(), store.reader()) {
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
        self.store().stage(ops);
    }

    fn commit(&self) -> Result<(), StorageError> {
        self.store().commit().map(|_| ()).map_err(|error| failed(&error))
    }

    fn recover(&self) -> Result<(), StorageError> {
        match self.store().discard() {
            Err(CommitError::Broken { .. }) => {}
            result => return result.map_err(|error| failed(&error)),
        }
        self.store().close();
        let (store, _) = Store::open(self.data.path(), &self.passphrase).map_err(|error| failed(&error))?;
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
        OpenError::Locked { .. } => HomeError::Locked { path },
        OpenError::WrongPassphrase => HomeError::WrongPassphrase { path },
        OpenError::NeedsPassphrase => HomeError::NeedsPassphrase { path },
        OpenError::NotThere { .. } => HomeError::NotThere { path },
        OpenError::ReadOnly { .. } => HomeError::ReadOnly { path },
        other => unusable(data, other),
    }
}
