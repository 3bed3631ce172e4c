//! Links over Bluetooth Low Energy: the second way to neighbours, where there is no network at all.
//!
//! A [`radio`] hears adverts, connects and carries values: small pieces of bytes that may be lost or overtake one
//! another, and that strangers may hear. Above it everything is Starling's own (PROTOCOL.md section 14), from the
//! bottom up: `value` is the layout of a piece; `receive` and `transmit`, joined by `pipe`, make reliable messages of
//! pieces, control before bulk; the handshake of `mesh_core::crypto::channel` makes them secret; `link` is the task
//! that moves frames; `neighbours` and `duty`, with the core's overlay, decide whom to dial and when to listen; `driver` does it, one
//! for each radio.

mod driver;
mod duty;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod hostile;
mod link;
#[cfg(all(feature = "ble", target_os = "linux"))]
mod linux;
mod neighbours;
mod pipe;
mod queue;
pub mod radio;
mod receive;
mod status;
pub mod system;
#[cfg(test)]
mod tests;
mod transmit;
mod value;

pub use mesh_core::radio::Battery;
pub use status::{AdapterStatus, BleStatus, HeardStatus, LinkStatus};
pub use system::radios;

use super::{LinkIds, Transport, TransportEvent};
use driver::{Common, Driver, Order};
use mesh_core::rng::Rng;
use mesh_core::{CloseReason, Lane, LinkId, Medium, Profile};
use queue::Queue;
use radio::{Advert, Radio};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// What kind of pipe a link over Bluetooth is; its `mtu` is that of the connection.
const PROFILE: Profile = Profile { mtu: 509, ..Profile::BLE };
/// How long a shutdown waits for frames on their way.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// How this node uses its radios.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BleConfig {
    /// Links of one radio at a time. Default: 6; adapters hold 7 to 10 connections, and other devices want some.
    pub max_links: usize,
    /// Of these, links that this node opened. Default: 4.
    pub max_dialled: usize,
    /// Of these, links that others opened. Default: 3.
    pub max_accepted: usize,
    /// The shortest life of what neighbours can recognise this node by; the real one is random, up to twice as long.
    /// Default: 12 hours.
    pub rotate_every: Duration,
    /// What finding neighbours may cost. Default: [`Battery::Full`].
    pub battery: Battery,
}

impl Default for BleConfig {
    fn default() -> Self {
        Self {
            max_links: 6,
            max_dialled: 4,
            max_accepted: 3,
            rotate_every: Duration::from_secs(12 * 60 * 60),
            battery: Battery::Full,
        }
    }
}

/// Why the transport could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no tokio runtime to run on.
    #[error("started outside of a tokio runtime")]
    NoRuntime,
    /// The system gives no randomness for keys.
    #[error("no randomness: {reason}")]
    NoRandomness {
        /// What the system says.
        reason: String,
    },
}

/// The Bluetooth transport.
#[derive(Debug)]
pub struct Ble;

impl Ble {
    /// Takes up these radios on the current tokio runtime. What happens is told through `events`; a full channel holds
    /// the neighbours back. A radio that does not work is no error: its state says so, and it is used once it does.
    ///
    /// # Errors
    ///
    /// [`StartError`] without a runtime or randomness.
    pub fn start(
        config: BleConfig,
        radios: Vec<Radio>,
        ids: LinkIds,
        events: mpsc::Sender<TransportEvent>,
    ) -> Result<BleHandle, StartError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| StartError::NoRandomness { reason: error.to_string() })?;
        Self::start_seeded(config, radios, ids, events, Rng::new(seed))
    }

    /// The same where everything random comes of `rng`, keys too: a test that gives the same runs the same.
    fn start_seeded(
        config: BleConfig,
        radios: Vec<Radio>,
        ids: LinkIds,
        events: mpsc::Sender<TransportEvent>,
        mut rng: Rng,
    ) -> Result<BleHandle, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let links = Links::default();
        let common = Common { config, ids, events, links: links.clone(), working: Arc::default() };
        let mut drivers = Vec::new();
        for radio in radios {
            let adapter = status::Adapter { name: radio.name.clone(), ..status::Adapter::default() };
            let (status, status_seen) = watch::channel(adapter);
            #[expect(clippy::disallowed_methods, reason = "only this process orders, and seldom")]
            let (orders, orders_taken) = mpsc::unbounded_channel();
            let driver = Driver::new(common.clone(), radio, rng.fork(), status);
            let task = runtime.spawn(driver.run(orders_taken)).abort_handle();
            drivers.push(Running { orders, status: status_seen, task });
        }
        Ok(BleHandle { links, drivers })
    }
}

/// One radio's driver.
#[derive(Debug)]
struct Running {
    orders: mpsc::UnboundedSender<Order>,
    status: watch::Receiver<status::Adapter>,
    task: tokio::task::AbortHandle,
}

/// A running transport. Dropping it ends all links at once.
#[derive(Debug)]
pub struct BleHandle {
    links: Links,
    drivers: Vec<Running>,
}

impl BleHandle {
    /// What the radios do now.
    #[must_use]
    pub fn status(&self) -> BleStatus {
        let now = link::now();
        BleStatus { adapters: self.drivers.iter().map(|driver| driver.status.borrow().read(now)).collect() }
    }

    /// How many links stand.
    #[must_use]
    pub fn link_count(&self) -> usize {
        self.links.read().len()
    }

    /// Replaces the static keys and what is advertised now, as after [`BleConfig::rotate_every`].
    pub fn rotate(&self) {
        self.order(|| Order::Rotate);
    }

    /// Changes what finding neighbours may cost.
    pub fn set_battery(&self, battery: Battery) {
        self.order(|| Order::Battery(battery));
    }

    /// Ends all links after the control frames that wait, and stops the radios.
    pub async fn shutdown(&self) {
        let mut ends = Vec::new();
        self.order(|| {
            let (done, finished) = oneshot::channel();
            ends.push(finished);
            Order::Shutdown(done)
        });
        // Whether they are done, were done before or take too long: what is left is ended here.
        let _ = tokio::time::timeout(SHUTDOWN, futures::future::join_all(ends)).await;
        self.drivers.iter().for_each(|driver| driver.task.abort());
    }

    fn order(&self, mut order: impl FnMut() -> Order) {
        for driver in &self.drivers {
            // A driver that has stopped needs no orders.
            let _ = driver.orders.send(order());
        }
    }
}

impl Transport for BleHandle {
    fn send(&self, link: LinkId, lane: Lane, frames: Vec<Vec<u8>>) {
        let queue = self.links.read().get(&link).map(Arc::clone);
        if let Some(Err(error)) = queue.map(|queue| queue.send(lane, frames)) {
            tracing::warn!(link = link.0, %error, "the link is given up");
            self.order(|| Order::Abandon(link));
        }
    }

    fn close(&self, link: LinkId, why: CloseReason) {
        self.order(|| Order::Close(link, why));
    }

    fn advertise(&self, medium: Medium, payload: Vec<u8>, root: [u8; 8]) {
        if let (Medium::Ble, Ok(advert)) = (medium, Advert::try_from(payload)) {
            self.order(|| Order::Advertise(advert, root));
        }
    }

    fn keep(&self, link: LinkId, keep: bool) {
        self.order(|| Order::Keep(link, keep));
    }

    fn link_ended(&self, link: LinkId) {
        self.order(|| Order::LinkEnded(link));
    }
}

impl Drop for BleHandle {
    fn drop(&mut self) {
        self.drivers.iter().for_each(|driver| driver.task.abort());
    }
}

/// The ways into all live links.
#[derive(Clone, Debug, Default)]
struct Links(Arc<RwLock<BTreeMap<LinkId, Arc<Queue>>>>);

impl Links {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<LinkId, Arc<Queue>>> {
        // Nothing panics between two states of the map.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, link: LinkId, queue: Arc<Queue>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(link, queue);
    }

    fn remove(&self, link: LinkId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&link);
    }
}
