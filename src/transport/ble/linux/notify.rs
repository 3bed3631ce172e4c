//! What the peripheral sends: notifications through the sockets that BlueZ gives.
//!
//! Not by signals of the bus: of many at once those stop half way. Before BlueZ 5.69 there is one socket for all
//! centrals, what goes in reaches each of them, and a new subscriber replaces it: what was being sent then is sent
//! again. Later versions have a socket for each.

use super::Address;
use super::session::Told;
use crate::transport::ble::radio::{MAX_VALUES, Wire};
use bluer::gatt::CharacteristicWriter;
use std::collections::BTreeMap;
use std::time::Duration;
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
    writers: BTreeMap<Address, CharacteristicWriter>,
}

impl Notifier {
    fn add(&mut self, writer: CharacteristicWriter) {
        // A closed one says so by being readable.
        self.writers.retain(|_, old| old.is_closed().is_ok_and(|closed| !closed));
        if self.writers.len() >= MAX_WRITERS {
            self.writers.pop_first();
        }
        self.writers.insert(writer.device_address().0, writer);
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
            let sent = match self.writers.get(&at) {
                Some(writer) if next.value.len() > writer.mtu() => {
                    tracing::debug!(bytes = next.value.len(), room = writer.mtu(), "a value is too long");
                    return;
                }
                Some(writer) => writer.send(&next.value).await,
                None => return,
            };
            if sent.is_ok() {
                return;
            }
            self.writers.remove(&at);
        }
    }
}
