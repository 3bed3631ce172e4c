//! Where a node keeps its files, and the limits of what stands around the core.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The most tasks (commands, reads) that wait for the node at once; a further one waits outside.
pub const MAX_TASKS: usize = 1024;
/// The most transport events that wait for the node; the transports wait beyond it.
pub const MAX_TRANSPORT_EVENTS: usize = 1024;
/// The most batches, of one to [`MAX_GATHERED`] inputs, whose outputs wait for the disk; the node waits beyond it.
pub const MAX_UNCOMMITTED: usize = 256;
/// Inputs that share a commit because they waited already.
pub const MAX_GATHERED: usize = 256;
/// How long such inputs are handled before their effects are made durable: so much longer may the first of them
/// wait under load.
pub const GATHER: Duration = Duration::from_millis(2);
/// How many events a slow front end may lag behind before it is told that it missed some.
pub const MAX_EVENT_LAG: usize = 1024;
/// How many past events a front end that comes back can be given.
pub const MAX_PAST_EVENTS: usize = 256;
/// The most event streams of front ends at once.
pub const MAX_STREAMS: usize = 32;
/// The most connections to the local API at once; further ones wait in the system's queue.
pub const MAX_CONNECTIONS: usize = 128;
/// How long a connection to the local API may last before its first answer begins.
pub const FIRST_ANSWER: Duration = Duration::from_secs(90);
/// The longest body of a request in bytes: a text of 64 KiB in its longest JSON form.
pub const MAX_BODY: usize = 512 * 1024;
/// The most files that may wait in the spool.
pub const MAX_SPOOLED: usize = 1024;
/// How long a command waits for another process that holds the data directory.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// How long a command waits for a node that is starting.
pub const START_PATIENCE: Duration = Duration::from_secs(15);
/// How long `run` waits for a command that holds the data directory: it never loses to one, and on a machine with no time
/// to spare a command may take long.
pub const RUN_PATIENCE: Duration = Duration::from_secs(60);

/// The directory of one node. It can be moved: nothing inside names its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The directory at `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// `$XDG_DATA_HOME/starling`, else `~/.local/share/starling`; `None` where there is no home.
    #[must_use]
    pub fn usual() -> Option<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let base = set("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".local/share")))?;
        Some(Self(base.join("starling")))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file that tells clients of the same person where the node listens.
    #[must_use]
    pub fn api_file(&self) -> PathBuf {
        self.0.join("api.json")
    }

    /// The file that holds the API's token.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.0.join("api.token")
    }

    /// The file that is locked by the process that has the directory open.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The file that a node locks while it waits for its home.
    #[must_use]
    pub fn turn_file(&self) -> PathBuf {
        self.0.join("run.turn")
    }

    /// Where commands leave what they could not hand over.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }
}

/// Writes `bytes` to `path` for the owner's eyes only, whole or not at all, and durable on return.
///
/// # Errors
/// Where the directory does not take the file.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let partial = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| std::fs::rename(&partial, path)) {
        // The partial file is of no use to anybody; the first error is the one to tell.
        let _ = std::fs::remove_file(&partial);
        return Err(error);
    }
    std::fs::File::open(directory)?.sync_all()
}

/// Removes a file whose content is nobody's business any more, after writing zeros over it: on disks that write in
/// place, and where no copy was made, it is then gone.
///
/// # Errors
/// Where the file is not there or the directory does not let it go.
pub fn remove_private(path: &Path) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    let length = file.metadata()?.len();
    // A disk that takes no zeros must not keep the file either.
    let _ = io::copy(&mut io::repeat(0).take(length), &mut file).and_then(|_| file.sync_data());
    std::fs::remove_file(path)
}

/// Reads a span of time: numbers with units, such as `90s`, `1h30m`, `7d`.
///
/// The units are `ms`, `s`, `m`, `h`, `d` (24 hours) and `w` (7 days); spaces are ignored.
///
/// # Errors
/// [`DurationError`] for anything else, and where the sum passes 1,000 years.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    const LONGEST_MS: u64 = 1_000 * 365 * 86_400_000;
    let refused = || DurationError { text: text.chars().take(40).collect() };
    let mut rest: &str = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(refused());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(refused)?;
        let number: u64 = rest[..digits].parse().map_err(|_| refused())?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit_ms: u64 = match &rest[..letters] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            _ => return Err(refused()),
        };
        rest = rest[letters..].trim_start();
        let part = number.checked_mul(unit_ms).ok_or_else(refused)?;
        total = total.checked_add(part).filter(|sum| *sum <= LONGEST_MS).ok_or_else(refused)?;
    }
    Ok(Duration::from_millis(total))
}

/// A text is no span of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no span of time: write numbers with units, such as 90s, 1h30m or 7d")]
pub struct DurationError {
    /// What was given, shortened to 40 characters.
    pub text: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_sums_of_their_parts() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(parse_duration(" 2d 12h "), Ok(Duration::from_secs(216_000)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_has_no_unit_or_is_absurd_is_refused() {
        for text in ["", " ", "5", "s", "-5s", "1.5h", "5x", "99999999999999999999s", "2000000w", "5s6"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC{0,40}") {
            let _ = parse_duration(&text);
        }

        #[test]
        fn seconds_come_back(seconds in 0_u64..1_000_000_000) {
            prop_assert_eq!(parse_duration(&format!("{seconds}s")), Ok(Duration::from_secs(seconds)));
        }
    }

    #[test]
    fn private_files_are_the_owners_alone_and_leave_nothing_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("api.token");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
