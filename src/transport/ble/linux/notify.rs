//! What the peripheral sends: notifications through the sockets that BlueZ gives.
//!
//! Not by signals of the bus: of many at once those stop half way. Before BlueZ 5.69 there is one socket for all
//! centrals, what goes in reaches each of them, and a new subscriber replaces it: what was being sent then is sent
//! again. Later versions have a socket for each.

use super::Address;
use super::session::Told;
use crate::transport::ble::radio::{MAX_VALUES, Wire};
use bluer::gatt::CharacteristicWriter;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Sockets that are kept; more subscribers than that have no place in any adapter.
const MAX_WRITERS: usize = 32;
/// Values of all centrals that wait.
pub(super) const MAX_WAITING: usize = 32 * MAX_VALUES;
/// How long one value may wait for room in the socket, or for a socket in the place of one that was replaced.
const PATIENCE: Duration = Duration::from_secs(5);

/// A value for one central, which others may receive too.
#[derive(Debug)]
pub(super) struct Notification {
    pub(super) wire: Wire,
    pub(super) address: Address,
    pub(super) value: Vec<u8>,
}

/// Sends what comes in, one after the other, until nothing more does.
pub(super) async fn notify_all(
    mut writers: mpsc::Receiver<CharacteristicWriter>,
    mut values: mpsc::Receiver<Notification>,
    tell: mpsc::Sender<Told>,
) {
    let mut notifier = Notifier::default();
    loop {
        let next = tokio::select! {
            biased;
            Some(writer) = writers.recv() => {
                notifier.add(writer);
                continue;
            }
            next = values.recv() => next,
        };
        let Some(next) = next else { return };
        if timeout(PATIENCE, notifier.send(&next, &mut writers)).await.is_err() {
            tracing::debug!(bytes = next.value.len(), "a value was not notified in time");
        }
        drop(tell.send(Told::Taken(next.wire)).await);
    }
}

/// The sockets, by who subscribed when they came.
#[derive(Default)]
struct Notifier {
    writers: BTreeMap<Address, Socket>,
}

/// A socket of BlueZ's. What is written to it is one notification.
struct Socket {
    /// Keeps it, and knows whether it is closed.
    writer: CharacteristicWriter,
    /// The same without the limit that bluer sets to each value: that is the MTU of who subscribed last, and a
    /// stranger with the smallest one would silence this node for all others.
    whole: Option<UnixDatagram>,
}

impl Socket {
    fn new(writer: CharacteristicWriter) -> Self {
        let whole = same(&writer);
        if let Err(error) = &whole {
            tracing::debug!(%error, "values keep to the smallest MTU of all who listen");
        }
        Self { writer, whole: whole.ok() }
    }

    async fn send(&self, value: &[u8]) -> io::Result<()> {
        match &self.whole {
            Some(whole) => whole.send(value).await.map(|_| ()),
            // Too long a value is lost, as values may be.
            None if value.len() > self.writer.mtu() => Ok(()),
            None => self.writer.send(value).await,
        }
    }
}

/// Another descriptor of the same socket, by the one way that asks for no unsafe code.
fn same(writer: &CharacteristicWriter) -> io::Result<UnixDatagram> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let socket = pidfd_getfd(own, writer.as_raw_fd(), PidfdGetfdFlags::empty())?;
    UnixDatagram::from_std(std::os::unix::net::UnixDatagram::from(socket))
}

impl Notifier {
    fn add(&mut self, writer: CharacteristicWriter) {
        // A closed one says so by being readable.
        self.writers.retain(|_, old| old.writer.is_closed().is_ok_and(|closed| !closed));
        if self.writers.len() >= MAX_WRITERS {
            self.writers.pop_first();
        }
        self.writers.insert(writer.device_address().0, Socket::new(writer));
    }

    async fn send(&mut self, next: &Notification, new: &mut mpsc::Receiver<CharacteristicWriter>) {
        loop {
            // The reader's own socket, or the one that all share.
            let own = self.writers.contains_key(&next.address).then_some(next.address);
            let Some(at) = own.or_else(|| self.writers.keys().next().copied()) else {
                let Some(writer) = new.recv().await else { return };
                self.add(writer);
                continue;
            };
            let Some(socket) = self.writers.get(&at) else { return };
            let sent = socket.send(&next.value).await;
            if sent.is_ok() {
                return;
            }
            self.writers.remove(&at);
        }
    }
}
