//! One daemon of a swarm, and what is heard of it.

use anyhow::Context as _;
use mesh_core::view::StatusView;
use mesh_core::wire::Frame;
use mesh_core::{AccountId, Command, Event, LinkId};
use mesh_sim::Draft;
use starling::config::{DataDir, MAX_TRANSPORT_EVENTS};
use starling::daemon::Switch;
use starling::home::{self, Running, Secret};
use starling::t;
use starling::transport::lan::{Lan, LanConfig, LanHandle};
use starling::transport::{LinkIds, TransportEvent};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

/// How long a node may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(10);

/// What happened at a member.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) at: Instant,
    pub(super) node: u32,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// A link stands; both of its ends tell the same binding.
    Up([u8; 32]),
    /// It is gone.
    Down([u8; 32]),
    /// A frame arrived: so many bytes, and whether it is an envelope.
    Frame(usize, bool),
    /// The letter with this number is shown here.
    Shown(u32),
}

/// A running daemon with a directory, keys and a socket of its own.
pub(super) struct Member {
    running: Running,
    switch: Switch,
    lan: Arc<LanHandle>,
    address: SocketAddr,
    account: AccountId,
    link: String,
}

impl Member {
    /// Makes and starts number `node` below `place`; what happens there is told to `heard`.
    pub(super) async fn start(place: &Path, node: u32, heard: mpsc::Sender<Heard>) -> anyhow::Result<Self> {
        let data = DataDir::new(place.join(node.to_string()));
        let name = format!("Node {node}");
        let home =
            tokio::task::spawn_blocking(move || home::create(&data, &name, &Secret::default())).await??;
        let (onward, transport_events) = mpsc::channel(MAX_TRANSPORT_EVENTS);
        let (events, tapped) = mpsc::channel(MAX_TRANSPORT_EVENTS);
        let switch = Switch::default();
        let running = home.start(transport_events, switch.clone())?;
        tokio::spawn(listen_to_links(node, tapped, onward, heard.clone()));
        tokio::spawn(listen_to_messages(node, running.handle().clone(), heard));
        let config = LanConfig {
            listen: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            mdns: false,
            loopback_beacon: false,
            ..LanConfig::default()
        };
        let lan = Arc::new(Lan::start(config, LinkIds::default(), events)?);
        switch.set(Some(Arc::clone(&lan) as _));
        let deadline = Instant::now() + PATIENCE;
        let address = loop {
            if let Some(address) = lan.addresses().first() {
                break *address;
            }
            if Instant::now() >= deadline {
                anyhow::bail!(t!("swarm-stuck", node = node));
            }
            tokio::time::sleep(LOOK).await;
        };
        let identity = running.handle().read(|node, _| node.identity()).await?;
        Ok(Self { running, switch, lan, address, account: identity.account, link: identity.link })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tries once to link to whoever is at the other end.
    pub(super) fn dial(&self, address: SocketAddr) {
        self.lan.dial(address);
    }

    /// Adds somebody by their link.
    pub(super) async fn add(&self, other: &Self) -> anyhow::Result<()> {
        let command = Command::Add { link: other.link.clone(), petname: None };
        self.running.handle().command(command).await.context("a member's own link is whole")?;
        Ok(())
    }

    /// Writes; durable on return.
    pub(super) async fn write(&self, to: &Self, draft: &Draft) -> anyhow::Result<()> {
        let command = Command::Send { to: to.account.into(), text: draft.text(), message: None };
        self.running.handle().command(command).await?;
        Ok(())
    }

    pub(super) async fn status(&self) -> anyhow::Result<StatusView> {
        Ok(self.running.handle().read(|node, now| node.status(now)).await?)
    }

    pub(super) async fn stop(self) {
        self.lan.shutdown().await;
        self.switch.set(None);
        self.running.stop().await;
    }
}

/// Stands between the transport and the daemon.
async fn listen_to_links(
    node: u32,
    mut tapped: mpsc::Receiver<TransportEvent>,
    onward: mpsc::Sender<TransportEvent>,
    heard: mpsc::Sender<Heard>,
) {
    let mut bindings: BTreeMap<LinkId, [u8; 32]> = BTreeMap::new();
    while let Some(event) = tapped.recv().await {
        let what = match &event {
            TransportEvent::Up { link, binding, .. } => {
                bindings.insert(*link, *binding);
                Some(What::Up(*binding))
            }
            TransportEvent::Down { link } => bindings.remove(link).map(What::Down),
            TransportEvent::Frame { bytes, .. } => {
                let envelope = matches!(Frame::from_bytes(bytes), Ok(Frame::Envelope(_) | Frame::Public(_)));
                Some(What::Frame(bytes.len(), envelope))
            }
            TransportEvent::Ready { .. }
            | TransportEvent::Radio { .. }
            | TransportEvent::Rotated
            | TransportEvent::Heard { .. } => None,
        };
        if let Some(what) = what {
            // Nobody listens any more once the run is over.
            let _ = heard.send(Heard { at: Instant::now(), node, what }).await;
        }
        if onward.send(event).await.is_err() {
            return;
        }
    }
}

async fn listen_to_messages(node: u32, handle: starling::handle::Handle, heard: mpsc::Sender<Heard>) {
    let mut notices = handle.events();
    drop(handle);
    loop {
        let notice = match notices.recv().await {
            Ok(notice) => notice,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        let Event::Message(message) = &*notice.event else { continue };
        let Some(number) = message.from.and_then(|_| Draft::number_in(&message.text)) else { continue };
        // Nobody listens any more once the run is over.
        let _ = heard.send(Heard { at: Instant::now(), node, what: What::Shown(number) }).await;
    }
}
