//! What a node whose owner consents writes down about its contacts: when they were, and nothing about whom.
//!
//! The log is the material of simulations: `starling sim trace` replays it (PROTOCOL.md section 13).

use crate::transport::TransportEvent;
use mesh_core::rng::Rng;
use mesh_core::{AccountId, LinkId};
use mesh_sim::trace::FieldLog;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Contacts that a log keeps open at a time; further ones are not written down.
const MAX_OPEN: usize = 1_024;

/// The log of one run of one node.
#[derive(Debug)]
pub struct ContactLog {
    file: File,
    numbers: FieldLog,
    me: u32,
    begun: Instant,
    open: BTreeMap<LinkId, (u64, u32)>,
}

impl ContactLog {
    /// Begins a log at `path`, where nothing may be yet, for the owner's eyes only.
    ///
    /// With `key`, a text that a group agreed on, the logs of the group can be merged; without one nothing
    /// joins this log to any other.
    ///
    /// # Errors
    /// Where the file exists already or cannot be written, and where the system gives no randomness.
    pub fn create(path: &Path, account: AccountId, key: Option<&str>) -> io::Result<Self> {
        let mut numbers = match key {
            Some(key) => FieldLog::keyed(blake3::derive_key("starling/1 contact log", key.as_bytes())),
            None => {
                let mut seed = [0; 32];
                getrandom::fill(&mut seed).map_err(io::Error::other)?;
                FieldLog::alone(Rng::new(seed))
            }
        };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        file.write_all(numbers.header(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)).as_bytes())?;
        let me = numbers.number(&account.0);
        Ok(Self { file, numbers, me, begun: Instant::now(), open: BTreeMap::new() })
    }

    /// Takes down what a transport tells. A line is written when a contact is over.
    ///
    /// # Errors
    /// Where the file does not take the line.
    pub fn note(&mut self, event: &TransportEvent) -> io::Result<()> {
        match event {
            TransportEvent::Up { link, binding, .. } if self.open.len() < MAX_OPEN => {
                let other = self.numbers.number(binding);
                self.open.insert(*link, (self.now(), other));
                Ok(())
            }
            TransportEvent::Down { link } => {
                let Some((start, other)) = self.open.remove(link) else { return Ok(()) };
                self.line(start, other)
            }
            _ => Ok(()),
        }
    }

    /// Writes down the contacts that still stand, as if they ended now.
    ///
    /// # Errors
    /// Where the file does not take them.
    pub fn close(mut self) -> io::Result<()> {
        for (start, other) in std::mem::take(&mut self.open).into_values() {
            self.line(start, other)?;
        }
        self.file.sync_all()
    }

    fn line(&mut self, start: u64, other: u32) -> io::Result<()> {
        let line = FieldLog::line(start, self.now(), self.me, other);
        line.map_or(Ok(()), |line| self.file.write_all(line.as_bytes()))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Stands between a transport and its daemon: everything goes through, and `log` takes it down. Ends, and
/// closes the log, when the transport is gone.
pub async fn follow(
    mut log: ContactLog,
    mut from: mpsc::Receiver<TransportEvent>,
    to: mpsc::Sender<TransportEvent>,
) {
    while let Some(event) = from.recv().await {
        if let Err(error) = log.note(&event) {
            // A full disk ends the log, not the messenger.
            tracing::warn!(%error, "the contact log was not written");
        }
        if to.send(event).await.is_err() {
            break;
        }
    }
    if let Err(error) = log.close() {
        tracing::warn!(%error, "the contact log was not completed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::{Profile, Role};

    fn up(link: u64, binding: u8) -> TransportEvent {
        let (role, profile) = (Role::Dialer, Profile::LAN);
        TransportEvent::Up { link: LinkId(link), role, binding: [binding; 32], profile }
    }

    #[test]
    fn a_log_tells_when_and_not_whom() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("contacts.txt");
        let account = AccountId([7; 20]);
        let mut log = ContactLog::create(&path, account, None).unwrap();
        log.note(&up(1, 1)).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        log.note(&TransportEvent::Down { link: LinkId(1) }).unwrap();
        log.close().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 1, "{text}");
        assert!(!text.contains(&account.to_text()), "{text}");
        assert!(ContactLog::create(&path, account, None).is_err(), "no log is written over");
    }

    #[test]
    fn the_logs_of_both_ends_meet_in_the_binding_of_their_link() {
        let dir = tempfile::tempdir().unwrap();
        let mut texts = Vec::new();
        for person in 0..2_u8 {
            let path = dir.path().join(person.to_string());
            let mut log = ContactLog::create(&path, AccountId([person; 20]), Some("park, June")).unwrap();
            log.note(&up(9, 42)).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(30));
            log.close().unwrap();
            texts.push(std::fs::read_to_string(&path).unwrap());
        }
        let numbers = |text: &str| {
            let line = text.lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
            line.split(' ').skip(2).map(str::to_owned).collect::<Vec<_>>()
        };
        let (one, other) = (numbers(&texts[0]), numbers(&texts[1]));
        assert!(one[0] != other[0] && one[1] == other[1]);
    }
}
