//! The life of one ephemeral identity: discovery, dialling, and one link per neighbour.

use super::beacon::Beacon;
use super::driver::{Common, Order, random_up_to};
use super::link::{self, End, Link};
use super::near::Near;
use super::net::{self, Net, NetEvent, socket_address};
use super::pace::Pace;
use super::peers::{Peers, Source, pause};
use super::wires::Wires;
use super::{PeerAddress, StartError, Status, lanes};
use futures::StreamExt;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, Stream, SwarmEvent};
use libp2p::{PeerId, Swarm, mdns};
use mesh_core::{CloseReason, Lane, LinkId, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How long a connection may take to become a link.
const SETUP: Duration = Duration::from_secs(6);
/// A link that stood for so long makes earlier failures forgotten.
const PROVED: Duration = Duration::from_secs(10);
/// How long a neighbour is left alone that broke the protocol or speaks another.
const SHUN: Duration = Duration::from_secs(600);
/// How long a neighbour is left alone where there were too many links.
const SHUN_CROWD: Duration = Duration::from_secs(60);
/// The most random time added to a pause: both ends of a broken link shall not act in step.
const JITTER: Duration = Duration::from_millis(200);
/// After listening began, the beacon is said at these times; then every [`BEACON_PERIOD`].
const BEACON_START: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(4)];
/// The beacon when nothing happens; whoever is new says so and is answered at once.
const BEACON_PERIOD: Duration = Duration::from_secs(600);
/// A new beacon is answered within this time; several new ones together.
const BEACON_ANSWER: Duration = Duration::from_millis(50);
/// How often discovery is looked after; without any link it starts anew then.
const WATCHDOG: Duration = Duration::from_secs(600);
/// The same where discovery could not start.
const WATCHDOG_DEAF: Duration = Duration::from_secs(60);
/// A link that stood so long was no double dial: who comes by another connection has lost it.
const STOOD: Duration = Duration::from_secs(3);
/// A rotation waits so long for links to fall silent.
const GRACE: Duration = Duration::from_secs(10);
/// A link is silent after so long without a frame.
const SILENT: Duration = Duration::from_secs(1);
/// How long closing links may take.
const WIND_DOWN: Duration = Duration::from_secs(1);
/// For things that never become due.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Why an epoch ended.
#[derive(Debug)]
pub(super) enum Done {
    Rotate,
    /// With somebody to tell, unless the handle is gone.
    Shutdown(Option<oneshot::Sender<()>>),
}

/// A connection to a neighbour, from its handshake to its end.
#[derive(Debug)]
struct Connection {
    peer: PeerId,
    role: Role,
    /// Until when it must be a link; `None` once it is.
    deadline: Option<Instant>,
    control: Option<Stream>,
    bulk: Option<Stream>,
    link: Option<LinkId>,
    sender: Option<link::Sender>,
    up_since: Option<Instant>,
    /// How long to leave the neighbour alone afterwards.
    shun: Option<Duration>,
    /// No longer this neighbour's chosen connection.
    released: bool,
}

/// A neighbour that a person named.
#[derive(Debug)]
struct Named {
    address: PeerAddress,
    due: Option<Instant>,
    failures: u32,
    attempt: Option<ConnectionId>,
    /// Who answered there last.
    peer: Option<PeerId>,
}

/// One swarm and what is known under its identity.
pub(super) struct Epoch {
    ours: PeerId,
    swarm: Swarm<Net>,
    listeners: Vec<ListenerId>,
    peers: Peers,
    named: Vec<Named>,
    dialling: BTreeSet<ConnectionId>,
    connections: BTreeMap<ConnectionId, Connection>,
    /// The one connection to each neighbour that is or becomes its link.
    chosen: BTreeMap<PeerId, ConnectionId>,
    by_link: BTreeMap<LinkId, ConnectionId>,
    running: JoinSet<(ConnectionId, LinkId, End)>,
    risen: (mpsc::UnboundedSender<ConnectionId>, mpsc::UnboundedReceiver<ConnectionId>),
    lookups: JoinSet<(usize, Option<SocketAddr>)>,
    beacon: Option<Beacon>,
    beacon_due: Vec<Instant>,
    watchdog: Instant,
    pace: Pace,
    wires: Option<Wires>,
    rotate_at: Instant,
    /// Nobody is dialled or taken any more.
    retiring: bool,
}

impl Epoch {
    /// Listens under a fresh identity.
    pub(super) fn start(common: &Common) -> Result<Self, StartError> {
        let config = &common.config;
        let (swarm, listeners) = net::swarm(config)?;
        let (ours, now) = (*swarm.local_peer_id(), Instant::now());
        let life = config.rotate_every.min(NEVER);
        let named = config.peers.iter().map(|address| Named {
            address: address.clone(),
            due: Some(now),
            failures: 0,
            attempt: None,
            peer: None,
        });
        common.status.send_replace(Status { ephemeral_id: ours.to_string(), addresses: Vec::new() });
        tracing::debug!(id = %Short(&ours), "a new ephemeral identity");
        #[expect(
            clippy::disallowed_methods,
            reason = "one entry per connection, and connections are limited"
        )]
        let risen = mpsc::unbounded_channel();
        Ok(Self {
            ours,
            swarm,
            listeners,
            peers: Peers::new(ours),
            named: named.collect(),
            dialling: BTreeSet::new(),
            connections: BTreeMap::new(),
            chosen: BTreeMap::new(),
            by_link: BTreeMap::new(),
            running: JoinSet::new(),
            risen,
            lookups: JoinSet::new(),
            beacon: None,
            beacon_due: Vec::new(),
            watchdog: now + WATCHDOG_DEAF,
            pace: Pace::new(now),
            wires: Wires::listen().inspect_err(|error| tracing::debug!(%error, "no news of interfaces")).ok(),
            rotate_at: now + life + random_up_to(life),
            retiring: false,
        })
    }

    /// Lives until rotation or shutdown.
    pub(super) async fn run(&mut self, common: &Common, orders: &mut mpsc::UnboundedReceiver<Order>) -> Done {
        let done = loop {
            self.act(common);
            let wake = self.next_wakeup();
            if let Some(done) = self.step(common, orders, wake).await {
                break done;
            }
            if Instant::now() >= self.rotate_at {
                break self.retire(common, orders).await;
            }
        };
        self.wind_down(common).await;
        done
    }

    /// Waits for one thing to happen, at most until `wake`, and deals with it.
    async fn step(
        &mut self,
        common: &Common,
        orders: &mut mpsc::UnboundedReceiver<Order>,
        wake: Instant,
    ) -> Option<Done> {
        tokio::select! {
            event = self.swarm.select_next_some() => self.on_swarm(common, event),
            order = orders.recv() => return self.on_order(order),
            Some(connection) = self.risen.1.recv() => self.on_up(connection),
            Some(ended) = self.running.join_next() => self.on_link_end(common, ended),
            heard = hear(self.beacon.as_ref()) => self.on_beacon(heard),
            risen = rise(self.wires.as_mut()) => self.on_wire(risen),
            Some(found) = self.lookups.join_next() => {
                if let Ok((index, address)) = found {
                    self.dial_named(index, address);
                }
            }
            () = tokio::time::sleep_until(wake.into()) => {}
        }
        None
    }

    fn on_order(&mut self, order: Option<Order>) -> Option<Done> {
        match order {
            Some(Order::Close(link, why)) => self.on_close(link, why),
            Some(Order::Abandon(link)) => {
                if let Some(id) = self.by_link.get(&link).copied() {
                    self.give_up(id, None);
                }
            }
            Some(Order::Dial(address)) => self.dial_once(address),
            Some(Order::Rotate) => self.rotate_at = Instant::now(),
            Some(Order::Shutdown(told)) => return Some(Done::Shutdown(Some(told))),
            None => return Some(Done::Shutdown(None)),
        }
        None
    }

    /// Does whatever has become due.
    fn act(&mut self, common: &Common) {
        let now = Instant::now();
        let late: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, c)| is_due(c.deadline, now)).map(|(id, _)| *id).collect();
        for id in late {
            self.give_up(id, None);
        }
        if self.retiring {
            return;
        }
        self.dial_due(now);
        self.look_up_named(now);
        if self.beacon_due.iter().any(|due| *due <= now) {
            self.say_beacon(common, now);
        }
        self.watch_discovery(common, now);
    }

    fn next_wakeup(&self) -> Instant {
        let deadlines = self.connections.values().filter_map(|connection| connection.deadline);
        let mut wake = deadlines.min().unwrap_or_else(|| Instant::now() + NEVER);
        if self.retiring {
            return wake;
        }
        wake = wake.min(self.rotate_at).min(self.watchdog);
        let pace = self.pace.due(!self.chosen.is_empty());
        if let Some(due) = self.beacon_due.iter().copied().chain(pace).min() {
            wake = wake.min(due);
        }
        if self.may_dial() {
            let named = self.named.iter().filter_map(|named| named.due);
            if let Some(due) = named.chain(self.peers.next_due()).min() {
                wake = wake.min(due);
            }
        }
        wake
    }
}

/// Finding neighbours.
impl Epoch {
    fn on_swarm(&mut self, common: &Common, event: SwarmEvent<NetEvent>) {
        match event {
            SwarmEvent::Behaviour(NetEvent::Lanes(event)) => self.on_lanes(common, event),
            SwarmEvent::Behaviour(NetEvent::Mdns(event)) => self.on_mdns(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(common, peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.release(connection_id);
                self.connections.remove(&connection_id);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id, error } => {
                // The error's own text would tell whole identities and addresses.
                tracing::debug!(peer = ?peer_id.as_ref().map(Short), why = failure(&error), "not reached");
                self.on_dial_failed(connection_id, peer_id);
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => {
                self.on_addresses(common)
            }
            SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                tracing::warn!(%error, "a listener stopped; a new identity is made");
                self.rotate_at = Instant::now();
            }
            _ => {}
        }
    }

    fn on_addresses(&mut self, common: &Common) {
        let addresses: Vec<SocketAddr> = self.swarm.listeners().filter_map(socket_address).collect();
        common.status.send_modify(|status| status.addresses = addresses);
        if common.config.loopback_beacon && self.beacon_port().is_some() && self.beacon_due.is_empty() {
            let now = Instant::now();
            self.beacon_due = BEACON_START.iter().map(|after| now + *after).collect();
        }
    }

    /// The port on 127.0.0.1.
    fn beacon_port(&self) -> Option<u16> {
        let mut own = self.swarm.listeners().filter_map(socket_address);
        own.find(|own| own.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST)).map(|own| own.port())
    }

    fn on_mdns(&mut self, event: mdns::Event) {
        match event {
            mdns::Event::Discovered(found) => {
                self.pace.announced(found.len());
                let (now, near) = (Instant::now(), Near::now());
                for (peer, address) in found.into_iter().filter(|(_, address)| near.holds(address)) {
                    if self.peers.discovered(now, peer, address, Source::Mdns) {
                        tracing::debug!(peer = %Short(&peer), "announced on the network");
                    }
                    self.settle(&peer);
                }
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    self.peers.expired(&peer, &address);
                }
            }
        }
    }

    fn on_beacon(&mut self, heard: std::io::Result<(PeerId, u16)>) {
        let (peer, port) = match heard {
            Ok(heard) => heard,
            Err(error) => {
                tracing::debug!(%error, "the beacon fell silent");
                self.beacon = None;
                return;
            }
        };
        let now = Instant::now();
        let address = net::multiaddr((Ipv4Addr::LOCALHOST, port).into());
        if self.peers.discovered(now, peer, address, Source::Uncertain) {
            tracing::debug!(peer = %Short(&peer), "announced on this machine");
            if !self.beacon_due.iter().any(|due| *due <= now + BEACON_ANSWER) {
                self.beacon_due.push(now + random_up_to(BEACON_ANSWER));
            }
        }
        self.settle(&peer);
    }

    /// Nobody dials a neighbour that is linked already, however it was discovered.
    fn settle(&mut self, peer: &PeerId) {
        if self.chosen.contains_key(peer) {
            self.peers.connected(peer);
        }
    }

    fn say_beacon(&mut self, common: &Common, now: Instant) {
        self.beacon_due.retain(|due| *due > now);
        if self.beacon_due.is_empty() {
            self.beacon_due.push(now + BEACON_PERIOD);
        }
        let Some(port) = self.beacon_port() else { return };
        if self.beacon.is_none() {
            self.beacon = Beacon::bind(common.config.beacon_port)
                .inspect_err(|error| tracing::debug!(%error, "no beacon on this machine"))
                .ok();
        }
        let Some(beacon) = &self.beacon else { return };
        if let Err(error) = beacon.say(&self.ours, port) {
            tracing::debug!(%error, "the beacon was not said");
        }
    }

    fn on_wire(&mut self, risen: std::io::Result<()>) {
        match risen {
            Ok(()) => self.pace.moved(Instant::now()),
            Err(error) => {
                tracing::debug!(%error, "no more news of interfaces");
                self.wires = None;
            }
        }
    }

    /// Starts discovery anew when the network changed, when it is time to look less often, and when it may be deaf.
    fn watch_discovery(&mut self, common: &Common, now: Instant) {
        let linked = !self.chosen.is_empty();
        let mut renew = self.pace.take_due(now, linked);
        if renew.is_some() {
            self.peers.renewed(now);
            self.named.iter_mut().filter_map(|named| named.due.as_mut()).for_each(|due| *due = now);
        }
        if self.watchdog <= now {
            self.watchdog = now + if self.is_deaf(common) { WATCHDOG_DEAF } else { WATCHDOG };
            let doubtful = self.is_deaf(common) || !linked;
            renew = renew.or_else(|| doubtful.then(|| self.pace.zeal()));
        }
        if let Some(zeal) = renew.filter(|_| common.config.mdns) {
            tracing::debug!(?zeal, "discovery starts anew");
            net::renew_discovery(&mut self.swarm, zeal);
        }
    }

    fn is_deaf(&self, common: &Common) -> bool {
        common.config.mdns && !self.swarm.behaviour().mdns.is_enabled()
    }
}

/// Dialling.
impl Epoch {
    fn may_dial(&self) -> bool {
        self.dialling.len() + self.lookups.len() < net::MAX_PENDING_OUTGOING as usize
    }

    fn dial_due(&mut self, now: Instant) {
        let most = (net::MAX_PENDING_OUTGOING as usize).saturating_sub(self.dialling.len());
        for (peer, addresses) in self.peers.take_due(now, most) {
            // The port of the listener is not reused: it would show which neighbours are one machine.
            let dial = DialOpts::peer_id(peer).addresses(addresses).condition(PeerCondition::NotDialing);
            let dial = dial.allocate_new_port().build();
            let id = dial.connection_id();
            self.dialling.insert(id);
            if self.swarm.dial(dial).is_err() {
                self.on_dial_failed(id, Some(peer));
            }
        }
    }

    /// Finds the addresses of named neighbours that are to be dialled, and dials those that need no look-up.
    fn look_up_named(&mut self, now: Instant) {
        for index in 0..self.named.len() {
            let named = &mut self.named[index];
            if !is_due(named.due, now) {
                continue;
            }
            named.due = None;
            if let Some(address) = named.address.literal() {
                self.dial_named(index, Some(address));
                continue;
            }
            let (parts, turn) = (named.address.parts(), named.failures as usize);
            self.lookups.spawn(async move {
                let found: Vec<SocketAddr> =
                    tokio::net::lookup_host(parts).await.map(Iterator::collect).unwrap_or_default();
                let address = if found.is_empty() { None } else { Some(found[turn % found.len()]) };
                (index, address)
            });
        }
    }

    fn dial_named(&mut self, index: usize, address: Option<SocketAddr>) {
        let Some(address) = address else { return self.named_failed(index) };
        let dial = to_whoever_listens_at(address);
        self.named[index].attempt = Some(dial.connection_id());
        self.dial(dial);
    }

    /// One attempt; whoever lost the link later may come back by themselves.
    fn dial_once(&mut self, address: SocketAddr) {
        if !self.retiring {
            self.dial(to_whoever_listens_at(address));
        }
    }

    fn dial(&mut self, dial: DialOpts) {
        let id = dial.connection_id();
        self.dialling.insert(id);
        if self.swarm.dial(dial).is_err() {
            self.on_dial_failed(id, None);
        }
    }

    fn on_dial_failed(&mut self, id: ConnectionId, peer: Option<PeerId>) {
        if !self.dialling.remove(&id) {
            return;
        }
        if let Some(index) = self.named.iter().position(|named| named.attempt == Some(id)) {
            self.named_failed(index);
        } else if let Some(peer) = peer
            && !self.chosen.contains_key(&peer)
        {
            self.peers.lost(Instant::now(), &peer, random_up_to(JITTER));
        }
    }

    fn named_failed(&mut self, index: usize) {
        let named = &mut self.named[index];
        named.attempt = None;
        named.due = Some(Instant::now() + pause(named.failures) + random_up_to(JITTER));
        named.failures = named.failures.saturating_add(1);
    }
}

/// From a connection to a link.
impl Epoch {
    fn on_connected(&mut self, common: &Common, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let now = Instant::now();
        self.dialling.remove(&id);
        let role = if endpoint.is_dialer() { Role::Dialer } else { Role::Listener };
        let connection = Connection {
            peer,
            role,
            deadline: Some(now + SETUP),
            control: None,
            bulk: None,
            link: None,
            sender: None,
            up_since: None,
            shun: None,
            released: false,
        };
        self.connections.insert(id, connection);
        if let Some(named) = self.named.iter_mut().find(|named| named.attempt == Some(id)) {
            named.attempt = None;
            named.peer = Some(peer);
        }
        self.peers.connected(&peer);
        let welcome = !self.retiring && !self.peers.shunned(now, &peer);
        match role {
            Role::Dialer if welcome && self.choose(common, id) => {
                self.swarm.behaviour_mut().lanes.open(peer, id)
            }
            Role::Listener if welcome => {}
            _ => self.give_up(id, None),
        }
    }

    /// Makes this the neighbour's connection where both ends will agree: of two, the end with the lower id picks.
    fn choose(&mut self, common: &Common, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(&id) else { return false };
        let (peer, role) = (connection.peer, connection.role);
        match self.chosen.get(&peer).copied() {
            Some(other) if other == id => true,
            Some(other) if role == Role::Dialer || (self.ours < peer && !self.stood(other)) => false,
            Some(other) => {
                // The neighbour picks, and it picked this one, or lost the other.
                self.chosen.insert(peer, id);
                self.give_up(other, None);
                true
            }
            None if self.chosen.len() >= common.config.max_links => false,
            None => {
                self.chosen.insert(peer, id);
                true
            }
        }
    }

    fn stood(&self, id: ConnectionId) -> bool {
        let up_since = self.connections.get(&id).and_then(|connection| connection.up_since);
        up_since.is_some_and(|since| since.elapsed() >= STOOD)
    }

    fn on_lanes(&mut self, common: &Common, event: lanes::Event) {
        match event {
            lanes::Event::Refused { connection, foreign } => {
                self.give_up(connection, foreign.then_some(SHUN));
            }
            lanes::Event::Stream { connection: id, lane, stream } => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                let place = match lane {
                    Lane::Control => &mut connection.control,
                    Lane::Bulk => &mut connection.bulk,
                };
                *place = Some(stream);
                if connection.link.is_some() || connection.control.is_none() || connection.bulk.is_none() {
                    return;
                }
                if self.retiring || !self.choose(common, id) {
                    return self.give_up(id, None);
                }
                self.start_link(common, id);
            }
        }
    }

    fn start_link(&mut self, common: &Common, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (Some(control), Some(bulk)) = (connection.control.take(), connection.bulk.take()) else { return };
        let mut nonce = [0; 16];
        if getrandom::fill(&mut nonce).is_err() {
            return self.give_up(id, None);
        }
        let link_id = common.ids.next();
        let (sender, queues) = link::queues();
        connection.link = Some(link_id);
        connection.sender = Some(sender.clone());
        self.by_link.insert(link_id, id);
        let link = Link {
            id: link_id,
            role: connection.role,
            ours: self.ours,
            theirs: connection.peer,
            control,
            bulk,
            nonce,
            queues,
            events: common.events.clone(),
        };
        let (links, risen) = (common.links.clone(), self.risen.0.clone());
        self.running.spawn(async move {
            let up = || {
                links.insert(link_id, sender);
                // An epoch that is gone needs no news.
                let _ = risen.send(id);
            };
            (id, link_id, link.run_guarded(up).await)
        });
    }

    fn on_up(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.deadline = None;
        connection.up_since = Some(Instant::now());
        tracing::debug!(peer = %Short(&connection.peer), link = ?connection.link.map(|link| link.0), "link up");
    }

    fn on_link_end(
        &mut self,
        common: &Common,
        ended: Result<(ConnectionId, LinkId, End), tokio::task::JoinError>,
    ) {
        // A task that was stopped belongs to a transport that ends.
        let Ok((id, link, end)) = ended else { return };
        common.links.remove(link);
        self.by_link.remove(&link);
        tracing::debug!(link = link.0, %end, "link down");
        let shun = matches!(end, End::Broken(_) | End::Overrun(_)).then_some(SHUN);
        self.give_up(id, shun);
    }

    fn on_close(&mut self, link: LinkId, why: CloseReason) {
        let Some(connection) = self.by_link.get(&link).and_then(|id| self.connections.get_mut(id)) else {
            return;
        };
        tracing::debug!(link = link.0, ?why, "closing");
        connection.shun = match why {
            CloseReason::TooMany => Some(SHUN_CROWD),
            CloseReason::Silent => None,
            // Version, faults, duplicate, and whatever is added: not again soon.
            _ => Some(SHUN),
        };
        if why == CloseReason::Silent {
            // What waits would not arrive, and closing in order would wait for it.
            let id = self.by_link[&link];
            return self.give_up(id, None);
        }
        if let Some(sender) = &connection.sender {
            sender.close();
            connection.deadline = Some(Instant::now() + WIND_DOWN);
        }
    }

    /// Ends a connection now.
    fn give_up(&mut self, id: ConnectionId, shun: Option<Duration>) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.deadline = None;
            connection.shun = connection.shun.or(shun);
        }
        self.release(id);
        self.swarm.close_connection(id);
    }

    /// The neighbour has no link by this connection any more; when to try again is decided here. The connection
    /// itself may linger: closing it waits for a network that may be cut.
    fn release(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.released) else {
            return;
        };
        connection.released = true;
        (connection.control, connection.bulk) = (None, None);
        let (peer, shun, now) = (connection.peer, connection.shun, Instant::now());
        let proved = connection.up_since.is_some_and(|since| now.duration_since(since) >= PROVED);
        if let Some(sender) = connection.sender.take() {
            sender.abort();
        }
        if self.chosen.get(&peer) == Some(&id) {
            self.chosen.remove(&peer);
            if self.chosen.is_empty() {
                self.pace.moved(now);
            }
        } else if self.chosen.contains_key(&peer) {
            return;
        }
        if proved {
            self.peers.proved(&peer);
        }
        match shun {
            Some(long) => self.peers.shun(now, &peer, long),
            None => self.peers.lost(now, &peer, random_up_to(JITTER)),
        }
        for named in self.named.iter_mut().filter(|named| named.peer == Some(peer) && named.due.is_none()) {
            named.failures = if proved { 0 } else { named.failures.saturating_add(1) };
            named.due = Some(now + shun.unwrap_or_else(|| pause(named.failures)) + random_up_to(JITTER));
        }
    }
}

/// The end of an identity.
impl Epoch {
    /// Vanishes from the air, then waits until the links fall silent.
    async fn retire(&mut self, common: &Common, orders: &mut mpsc::UnboundedReceiver<Order>) -> Done {
        self.retiring = true;
        self.beacon = None;
        for listener in std::mem::take(&mut self.listeners) {
            self.swarm.remove_listener(listener);
        }
        let end = Instant::now() + GRACE;
        let (mut frames, mut check) = (self.frames(), Instant::now() + SILENT);
        while Instant::now() < end && !self.chosen.is_empty() {
            if let Some(done) = self.step(common, orders, check).await {
                return done;
            }
            if Instant::now() < check {
                continue;
            }
            let before = std::mem::replace(&mut frames, self.frames());
            if frames == before {
                break;
            }
            check = Instant::now() + SILENT;
        }
        Done::Rotate
    }

    fn frames(&self) -> u64 {
        self.connections
            .values()
            .filter_map(|connection| connection.sender.as_ref())
            .map(link::Sender::frames)
            .sum()
    }

    /// Closes every link after what waits on it, and gives the sockets a moment to say so.
    async fn wind_down(&mut self, common: &Common) {
        self.retiring = true;
        for sender in self.connections.values().filter_map(|connection| connection.sender.as_ref()) {
            sender.close();
        }
        let end = tokio::time::Instant::now() + WIND_DOWN;
        while !self.connections.is_empty() {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(common, event),
                Some(ended) = self.running.join_next() => self.on_link_end(common, ended),
                () = tokio::time::sleep_until(end) => break,
            }
        }
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.give_up(id, None);
        }
        // Each task still tells the node that its link is down, however long the node takes to hear it.
        while let Some(ended) = self.running.join_next().await {
            self.on_link_end(common, ended);
        }
    }
}

async fn hear(beacon: Option<&Beacon>) -> std::io::Result<(PeerId, u16)> {
    match beacon {
        Some(beacon) => beacon.hear().await,
        None => std::future::pending().await,
    }
}

async fn rise(wires: Option<&mut Wires>) -> std::io::Result<()> {
    match wires {
        Some(wires) => wires.risen().await,
        None => std::future::pending().await,
    }
}

fn to_whoever_listens_at(address: SocketAddr) -> DialOpts {
    DialOpts::unknown_peer_id().address(net::multiaddr(address)).allocate_new_port().build()
}

fn is_due(due: Option<Instant>, now: Instant) -> bool {
    due.is_some_and(|at| at <= now)
}

fn failure(error: &DialError) -> &'static str {
    match error {
        DialError::LocalPeerId { .. } => "this node itself",
        DialError::WrongPeerId { .. } => "another identity answered",
        DialError::NoAddresses => "no address",
        DialError::Denied { .. } => "too many connections",
        DialError::DialPeerConditionFalse(_) => "dialled already",
        DialError::Aborted => "given up",
        DialError::Transport(_) => "no answer or no handshake",
    }
}

/// Enough of an ephemeral id to follow a neighbour through a log.
struct Short<'a>(&'a PeerId);

impl fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.0.to_base58();
        f.write_str(id.get(id.len().saturating_sub(6)..).unwrap_or_default())
    }
}
