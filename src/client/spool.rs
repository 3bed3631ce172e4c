//! Messages in files of their own, while another process holds the home (PROTOCOL.md section 12.4).
//!
//! These are the one thing that lies readable on the disk, so none lies there longer than it must: what is taken up
//! is written over and removed, and so is what was refused, once the person was told.

use super::{ClientError, Session};
use crate::api::types::SendRequest;
use crate::config::{DataDir, MAX_SPOOLED, remove_private, write_private};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// The endings of what waits, and of what the node would not take.
const WAITING: &str = "json";
const REFUSED: &str = "refused";

/// A queued message that the node would not take.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    /// The message; `None` where its file was damaged.
    pub request: Option<SendRequest>,
    /// What the node said.
    pub reason: String,
}

/// The spool of one data directory.
#[derive(Debug)]
pub(super) struct Spool<'a>(&'a DataDir);

impl<'a> Spool<'a> {
    pub(super) fn of(data: &'a DataDir) -> Self {
        Self(data)
    }

    /// Leaves a message; durable on return.
    pub(super) fn add(&self, request: &SendRequest) -> io::Result<PathBuf> {
        let directory = self.0.spool();
        std::fs::create_dir_all(&directory)?;
        // The name of the directory must outlive a power cut as the file in it does.
        std::fs::File::open(self.0.path())?.sync_all()?;
        if self.files(WAITING)?.len() + self.files(REFUSED)?.len() >= MAX_SPOOLED {
            return Err(io::Error::other(format!("{MAX_SPOOLED} messages wait in {}", directory.display())));
        }
        let name = format!("{}-{}.{WAITING}", jiff::Timestamp::now().as_millisecond(), std::process::id());
        let path = directory.join(name);
        write_private(&path, &serde_json::to_vec(request)?)?;
        Ok(path)
    }

    /// What cannot be handed over now waits for the next session; nobody's command fails for it.
    pub(super) async fn take_up(&self, session: &Session) {
        let result = async {
            for path in self.files(WAITING)? {
                take_up(session, &path).await?;
            }
            Ok::<(), ClientError>(())
        };
        if let Err(error) = result.await {
            tracing::warn!(%error, "queued messages go on waiting");
        }
    }

    /// Tells of each refused message, then removes it.
    pub(super) fn tell_refused(&self, mut tell: impl FnMut(&Refused) -> io::Result<()>) -> io::Result<()> {
        for path in self.files(REFUSED)? {
            let Some(bytes) = unless_gone(std::fs::read(&path))? else { continue };
            let damaged = |error: serde_json::Error| Refused { request: None, reason: error.to_string() };
            tell(&serde_json::from_slice(&bytes).unwrap_or_else(damaged))?;
            unless_gone(remove_private(&path))?;
        }
        Ok(())
    }

    /// The files with this ending, oldest first.
    fn files(&self, ending: &str) -> io::Result<Vec<PathBuf>> {
        let Some(entries) = unless_gone(std::fs::read_dir(self.0.spool()))? else { return Ok(Vec::new()) };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|found| found == ending));
        paths.sort_unstable();
        Ok(paths)
    }
}

async fn take_up(session: &Session, path: &Path) -> Result<(), ClientError> {
    let Some(bytes) = unless_gone(std::fs::read(path))? else { return Ok(()) };
    let request = match serde_json::from_slice::<SendRequest>(&bytes) {
        Ok(request) => request,
        Err(error) => return Ok(set_aside(path, None, &error.to_string())?),
    };
    match session.post::<Value>(&["messages"], &request).await {
        Ok(_) => {
            unless_gone(remove_private(path))?;
            Ok(())
        }
        // It will be refused again; kept until the person has seen it.
        Err(ClientError::Api { status, code, message })
            if matches!(status, 400 | 404 | 413) || code == "conflict" =>
        {
            tracing::warn!(code, "a queued message was refused; the next command shows it");
            // What follows the first line may list people.
            let reason = message.lines().next().unwrap_or(&code);
            Ok(set_aside(path, Some(request), reason)?)
        }
        Err(error) => Err(error),
    }
}

fn set_aside(path: &Path, request: Option<SendRequest>, reason: &str) -> io::Result<()> {
    let refused = Refused { request, reason: reason.to_owned() };
    write_private(&path.with_extension(REFUSED), &serde_json::to_vec(&refused)?)?;
    unless_gone(remove_private(path)).map(drop)
}

/// `None` where another session took the file up meanwhile.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> SendRequest {
        SendRequest::text("Bo".into(), "hi".into(), None)
    }

    #[test]
    fn a_full_spool_refuses_one_more_and_keeps_what_waits() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let spool = Spool::of(&data);
        spool.add(&request()).unwrap();
        for n in 1..MAX_SPOOLED {
            let ending = if n % 2 == 0 { WAITING } else { REFUSED };
            std::fs::write(dir.path().join(format!("spool/{n}-0.{ending}")), "{}").unwrap();
        }
        let refused = spool.add(&request()).unwrap_err();
        assert!(refused.to_string().contains("1024"), "{refused}");
        assert_eq!(spool.files(WAITING).unwrap().len(), MAX_SPOOLED / 2);
    }

    #[test]
    fn a_refused_message_is_told_once_and_then_gone_from_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::new(dir.path());
        let spool = Spool::of(&data);
        let path = spool.add(&request()).unwrap();
        let held = std::fs::File::open(&path).unwrap();
        set_aside(&path, Some(request()), "there is no contact `Bo`").unwrap();
        assert!(!path.exists());
        let mut left = String::new();
        io::Read::read_to_string(&mut { held }, &mut left).unwrap();
        assert!(!left.contains("hi"), "what was removed was written over");

        assert!(spool.tell_refused(|_| Err(io::Error::other("no terminal"))).is_err());
        let mut told = Vec::new();
        let mut tell = |refused: &Refused| {
            told.push((refused.request.as_ref().unwrap().text.clone(), refused.reason.clone()));
            Ok(())
        };
        spool.tell_refused(&mut tell).unwrap();
        spool.tell_refused(&mut tell).unwrap();
        assert_eq!(told, [("hi".to_owned(), "there is no contact `Bo`".to_owned())]);
        assert_eq!(std::fs::read_dir(data.spool()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_another_session_took_up_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(unless_gone(std::fs::read(dir.path().join("1.json"))), Ok(None)));
        assert!(matches!(unless_gone(remove_private(&dir.path().join("1.json"))), Ok(None)));
    }
}
