//! Links over Wi-Fi and LAN: libp2p for TCP, Noise, yamux and mDNS; everything above one pipe is Starling's own.
//!
//! The identity that neighbours see is ephemeral: it is made at start, replaced after [`LanConfig::rotate_every`]
//! together with the listen port, and never stored. Two streams stand on every link (PROTOCOL.md section 4): frames of
//! the control lane go out at once, frames of the bulk lane in pieces against a window that the far end acknowledges.

mod beacon;
mod crowd;
mod datagram;
mod doctor;
mod driver;
mod epoch;
mod framing;
#[cfg(test)]
mod hostile;
mod lanes;
mod link;
mod near;
mod net;
mod pace;
mod peers;
mod target;
mod wires;

pub use beacon::BEACON_PORT;
pub use doctor::{Diagnostics, InterfaceReport, PortReport, diagnose};
pub use target::{ParsePeerError, PeerAddress};

use super::{LinkIds, Transport, TransportEvent};
use driver::{Driver, Order};
use mesh_core::{CloseReason, Lane, LinkId};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Bytes that may wait in the queues of all links together; above it the link that holds most is given up.
const MAX_QUEUED_ALL: usize = 16 * 1024 * 1024;
/// How long a shutdown waits for frames on their way.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// How this node is reached and whom it looks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanConfig {
    /// Where to listen; port 0 lets the system choose, and only then does rotation change the port. Default: every
    /// IPv4 and IPv6 address. At least one of them must work.
    pub listen: Vec<SocketAddr>,
    /// Neighbours that are dialled for ever, discovered or not. Default: none.
    pub peers: Vec<PeerAddress>,
    /// Whether to announce and look for neighbours by mDNS on IPv4. Default: true.
    pub mdns: bool,
    /// Whether to find other nodes of this machine without any network. Default: true.
    pub loopback_beacon: bool,
    /// The UDP port of that beacon: nodes with different ports do not find each other by it. Default: [`BEACON_PORT`].
    pub beacon_port: u16,
    /// The shortest life of the ephemeral identity; the real one is random, up to twice as long. Default: 12 hours.
    pub rotate_every: Duration,
    /// Links at a time. Default: 96, for the node chooses which 64 of them it keeps once it knows who they are.
    pub max_links: usize,
}

impl Default for LanConfig {
    fn default() -> Self {
        Self {
            listen: vec![(Ipv4Addr::UNSPECIFIED, 0).into(), (Ipv6Addr::UNSPECIFIED, 0).into()],
            peers: Vec::new(),
            mdns: true,
            loopback_beacon: true,
            beacon_port: BEACON_PORT,
            rotate_every: Duration::from_secs(12 * 60 * 60),
            max_links: 96,
        }
    }
}

/// Why the transport could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// None of the addresses can be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The last one tried.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No address to listen on was configured.
    #[error("no address to listen on")]
    NoAddress,
    /// The encryption or the multiplexer could not be set up.
    #[error("the network stack does not start: {reason}")]
    Stack {
        /// What libp2p says.
        reason: String,
    },
    /// There is no tokio runtime to run on.
    #[error("started outside of a tokio runtime")]
    NoRuntime,
}

/// The LAN transport.
#[derive(Debug)]
pub struct Lan;

impl Lan {
    /// Starts listening and looking for neighbours on the current tokio runtime. What happens is told through
    /// `events`; a full channel holds the neighbours back.
    ///
    /// # Errors
    ///
    /// [`StartError`] when nothing can be listened on. Failing discovery is no error: it is retried.
    pub fn start(
        config: LanConfig,
        ids: LinkIds,
        events: mpsc::Sender<TransportEvent>,
    ) -> Result<LanHandle, StartError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| StartError::NoRuntime)?;
        let links = Links::default();
        let (status, status_seen) = watch::channel(Status::default());
        #[expect(clippy::disallowed_methods, reason = "only this process orders, at most once per link")]
        let (orders, orders_taken) = mpsc::unbounded_channel();
        let driver = Driver::start(config.clone(), ids, events, links.clone(), status)?;
        let task = runtime.spawn(driver.run(orders_taken));
        Ok(LanHandle { config, links, orders, status: status_seen, task: task.abort_handle() })
    }
}

/// A running transport. Dropping it ends all links at once.
#[derive(Debug)]
pub struct LanHandle {
    config: LanConfig,
    links: Links,
    orders: mpsc::UnboundedSender<Order>,
    status: watch::Receiver<Status>,
    task: tokio::task::AbortHandle,
}

impl LanHandle {
    /// Addresses on which neighbours reach this node now; empty until the first is bound and during a rotation.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.status.borrow().addresses.clone()
    }

    /// The ephemeral identity that neighbours see now, as libp2p writes it; for diagnosis only.
    #[must_use]
    pub fn ephemeral_id(&self) -> String {
        self.status.borrow().ephemeral_id.clone()
    }

    /// How many links stand.
    #[must_use]
    pub fn link_count(&self) -> usize {
        self.links.read().len()
    }

    /// Tries once to link to whoever listens at `address`; whether that worked shows in the events.
    pub fn dial(&self, address: SocketAddr) {
        self.order(Order::Dial(address));
    }

    /// Replaces the ephemeral identity and the port now, as after [`LanConfig::rotate_every`].
    pub fn rotate(&self) {
        self.order(Order::Rotate);
    }

    /// What may keep neighbours from being found. Takes up to a second; call it off the runtime's threads.
    #[must_use]
    pub fn diagnostics(&self) -> Diagnostics {
        doctor::diagnose_running(&self.config, &self.addresses())
    }

    /// Ends all links after the control frames that wait, and stops.
    pub async fn shutdown(&self) {
        let (done, finished) = tokio::sync::oneshot::channel();
        self.order(Order::Shutdown(done));
        // Whether it is done, was done before or takes too long: what is left is ended here.
        let _ = tokio::time::timeout(SHUTDOWN, finished).await;
        self.task.abort();
    }

    fn order(&self, order: Order) {
        // A transport that has stopped needs no orders.
        let _ = self.orders.send(order);
    }
}

impl Transport for LanHandle {
    fn send(&self, link: LinkId, lane: Lane, frames: Vec<Vec<u8>>) {
        if let Some((link, error)) = self.links.send(link, lane, frames) {
            tracing::warn!(link = link.0, %error, "the link is given up");
            self.order(Order::Abandon(link));
        }
    }

    fn close(&self, link: LinkId, why: CloseReason) {
        self.order(Order::Close(link, why));
    }
}

impl Drop for LanHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a handle can tell about the running transport.
#[derive(Clone, Debug, Default)]
struct Status {
    ephemeral_id: String,
    addresses: Vec<SocketAddr>,
}

/// The ways into all live links.
#[derive(Clone, Debug, Default)]
struct Links(Arc<RwLock<BTreeMap<LinkId, link::Sender>>>);

impl Links {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<LinkId, link::Sender>> {
        // Nothing panics between two states of the map.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues frames of a link. Who holds too much is taken out, and returned once, to be given up.
    fn send(&self, link: LinkId, lane: Lane, frames: Vec<Vec<u8>>) -> Option<(LinkId, link::SendError)> {
        let (link, error) = {
            let live = self.read();
            match live.get(&link)?.send(lane, frames) {
                Ok(waiting) if waiting > link::FAIR_SHARE => (fullest(&live)?, link::SendError::Crowded),
                Ok(_) | Err(link::SendError::Gone) => return None,
                Err(error) => (link, error),
            }
        };
        self.remove(link).then_some((link, error))
    }

    fn insert(&self, link: LinkId, sender: link::Sender) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(link, sender);
    }

    /// Whether it was there.
    fn remove(&self, link: LinkId) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&link).is_some()
    }
}

/// The link that holds most, where all together hold too much.
fn fullest(live: &BTreeMap<LinkId, link::Sender>) -> Option<LinkId> {
    let queued = || live.iter().map(|(link, sender)| (sender.queued(), *link));
    let all: usize = queued().map(|(bytes, _)| bytes).sum();
    queued().max().filter(|_| all > MAX_QUEUED_ALL).map(|(_, link)| link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::link::MAX_FRAME;

    /// So many links that nobody reads from.
    fn unread(count: u64) -> (Links, Vec<link::Queues>) {
        let links = Links::default();
        let queues = (0..count).map(|id| {
            let (sender, queues) = link::queues();
            links.insert(LinkId(id), sender);
            queues
        });
        let queues = queues.collect();
        (links, queues)
    }

    #[test]
    fn a_link_that_takes_no_more_is_given_up_once() {
        let (links, _queues) = unread(1);
        let frames = || vec![vec![0; MAX_FRAME]; link::MAX_QUEUED / MAX_FRAME];
        assert_eq!(links.send(LinkId(0), Lane::Control, frames()), None);
        let full = Some((LinkId(0), link::SendError::Full));
        assert_eq!(links.send(LinkId(0), Lane::Control, frames()), full);
        assert_eq!(links.send(LinkId(0), Lane::Control, frames()), None, "it is no link any more");
    }

    #[test]
    fn all_links_together_hold_a_bounded_amount_and_who_holds_most_loses_the_link() {
        let (links, _queues) = unread(64);
        let frame = || vec![vec![0; MAX_FRAME]];
        let mut lost = Vec::new();
        for _ in 0..60 {
            for id in 0..8 {
                lost.extend(links.send(LinkId(id), Lane::Control, frame()));
                let all: usize = links.read().values().map(link::Sender::queued).sum();
                assert!(all <= MAX_QUEUED_ALL);
            }
            // Who takes what comes is left alone.
            assert_eq!(links.send(LinkId(63), Lane::Control, vec![vec![0; 100]]), None);
        }
        assert!(lost.iter().all(|(link, error)| link.0 < 8 && *error == link::SendError::Crowded));
        assert!(!lost.is_empty() && lost.len() < 8, "{lost:?}");
    }

    #[test]
    fn outside_of_a_runtime_there_is_an_error_and_no_panic() {
        let (events, _taken) = mpsc::channel(1);
        let started = Lan::start(LanConfig::default(), LinkIds::default(), events);
        assert!(matches!(started, Err(StartError::NoRuntime)));
    }

    #[tokio::test]
    async fn a_port_in_use_is_told() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let config = LanConfig { listen: vec![address], mdns: false, ..LanConfig::default() };
        let (events, _taken) = mpsc::channel(1);
        let started = Lan::start(config, LinkIds::default(), events);
        assert!(matches!(started, Err(StartError::Listen { address: told, .. }) if told == address));
    }
}
