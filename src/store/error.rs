//! What can go wrong with storage, per operation.

use mesh_core::Table;
use std::io;
use std::path::{Path, PathBuf};

/// Why a store could not be created or opened. Nothing on the disk was lost.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("already running: {} uses {}", process(*holder), dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
        /// Its number, where it said so in the lock file.
        holder: Option<u32>,
    },
    /// The directory holds no store.
    #[error("there is nothing in {}", dir.display())]
    NotThere {
        /// The data directory.
        dir: PathBuf,
    },
    /// The directory already holds a store.
    #[error("{} is already in use", dir.display())]
    AlreadyThere {
        /// The data directory.
        dir: PathBuf,
    },
    /// The store is guarded by a passphrase and none was given.
    #[error("a passphrase is needed")]
    NeedsPassphrase,
    /// The passphrase is not the one that guards the store.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// The directory cannot be written to.
    #[error("{} cannot be written to", dir.display())]
    ReadOnly {
        /// The data directory.
        dir: PathBuf,
    },
    /// The disk is full.
    #[error("the disk of {} is full", dir.display())]
    Full {
        /// The data directory.
        dir: PathBuf,
    },
    /// A newer Starling wrote the store.
    #[error("the store has format {found}, this program knows up to {known}")]
    Version {
        /// The format's number.
        found: u16,
        /// The newest that is known here.
        known: u16,
    },
    /// Keys or sessions are damaged: going on could use a key twice.
    #[error("the store is damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// The operating system refused.
    #[error("cannot {step}: {source}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    /// Sorts an error of the operating system while `step` was tried in `dir`.
    pub(super) fn io(step: &'static str, dir: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match source.kind() {
            PermissionDenied | ReadOnlyFilesystem => Self::ReadOnly { dir: dir.to_path_buf() },
            StorageFull | QuotaExceeded => Self::Full { dir: dir.to_path_buf() },
            _ => Self::Io { step, source },
        }
    }
}

/// A process in words.
pub(crate) fn process(number: Option<u32>) -> String {
    number.map_or_else(|| "another process".to_owned(), |number| format!("process {number}"))
}

/// Why staged operations did not become durable: none of what was staged since the last success is.
///
/// After any of these the store takes nothing until [`Store::discard`](super::Store::discard) was
/// called, because what is staged meanwhile was decided upon operations that never happened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// Too little space is left on the disk; deleting still works.
    #[error("the disk is full: {free} bytes are free, {reserve} are kept back")]
    Full {
        /// Bytes free.
        free: u64,
        /// Bytes that the store keeps back for its own order.
        reserve: u64,
    },
    /// An operation is beyond what a record may hold.
    #[error("a record of {table:?} is too long: key {key} bytes, value {value} bytes")]
    TooLong {
        /// Its family.
        table: Table,
        /// Bytes of its key, at most [`MAX_KEY`](super::MAX_KEY).
        key: usize,
        /// Bytes of its value, at most [`MAX_VALUE`](super::MAX_VALUE).
        value: usize,
    },
    /// More was staged for one commit than a group may hold.
    #[error("{bytes} bytes were staged for one commit")]
    TooMuch {
        /// Bytes staged, at most [`MAX_GROUP`](super::MAX_GROUP).
        bytes: usize,
    },
    /// An earlier commit failed and was not followed by a discard.
    #[error("an earlier commit failed")]
    Undiscarded,
    /// The operating system refused before anything could be half written.
    #[error("cannot {step}: {source}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is unknown what the disk holds: the store must be opened anew.
    #[error("the store must be opened anew: {reason}")]
    Broken {
        /// What happened.
        reason: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// What sled, or the disk below it, did not do.
#[derive(Debug, thiserror::Error)]
pub(super) enum DbError {
    /// Held by another process, or by what an earlier failure left in this one.
    #[error("the database is in use")]
    InUse,
    /// The operating system refused, which says nothing about what the database holds.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What the database holds cannot be believed.
    #[error("{0}")]
    Damaged(String),
}

impl DbError {
    /// The error for a store that cannot be opened because of it, while `step` was tried in `dir`.
    pub(super) fn opening(self, step: &'static str, dir: &Path) -> OpenError {
        match self {
            Self::Io(source) => OpenError::io(step, dir, source),
            other => OpenError::Io { step, source: io::Error::other(other.to_string()) },
        }
    }

    /// Whether the disk could not be read at this place.
    pub(super) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Io(e) if e.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()))
    }

    /// Whether the disk had no room, which leaves everything written before as it was.
    pub(super) fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io(e) if matches!(e.kind(), StorageFull | QuotaExceeded))
    }
}

impl From<sled::Error> for DbError {
    fn from(error: sled::Error) -> Self {
        use io::ErrorKind::{InvalidData, NotFound, UnexpectedEof};
        match error {
            // sled has no error of its own for this.
            sled::Error::Io(e) if e.to_string().contains("could not acquire lock") => Self::InUse,
            // A file that is missing or too short: that is about the content.
            sled::Error::Io(e) if matches!(e.kind(), InvalidData | NotFound | UnexpectedEof) => {
                Self::Damaged(e.to_string())
            }
            sled::Error::Io(e) => Self::Io(e),
            other => Self::Damaged(other.to_string()),
        }
    }
}

impl From<DbError> for String {
    fn from(error: DbError) -> Self {
        error.to_string()
    }
}
