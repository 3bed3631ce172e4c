//! The libp2p swarm of one ephemeral identity.

use super::pace::Zeal;
use super::{LanConfig, StartError, crowd, doctor, lanes};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{FromSwarm, NetworkBehaviour, NewListenAddr};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, identity, mdns, noise, tcp, yamux};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Handshakes of strangers at a time (security test 50).
const MAX_PENDING_INCOMING: u32 = 32;
/// Own attempts at a time.
pub(super) const MAX_PENDING_OUTGOING: u32 = 16;
/// Connections beyond the links: those that are being set up or are closing.
const SPARE_CONNECTIONS: u32 = 32;
/// Connections to one identity, of which one becomes a link.
const MAX_PER_PEER: u32 = 8;
/// Streams on one connection, where two are used.
const MAX_STREAMS: usize = 8;
/// How long a connection may stand without a stream.
const IDLE: Duration = Duration::from_secs(5);

/// Everything that libp2p does here. There is no identify: it would tell every neighbour all addresses of this machine.
#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
pub(super) struct Net {
    pub(super) limits: connection_limits::Behaviour,
    pub(super) crowd: crowd::Behaviour,
    pub(super) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(super) lanes: lanes::Behaviour,
}

/// A swarm under a fresh identity that listens, and its listeners.
pub(super) fn swarm(config: &LanConfig) -> Result<(Swarm<Net>, Vec<ListenerId>), StartError> {
    let stack = |reason: String| StartError::Stack { reason };
    let links = u32::try_from(config.max_links).unwrap_or(u32::MAX);
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(MAX_PENDING_INCOMING))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUTGOING))
        .with_max_established(Some(links.saturating_add(SPARE_CONNECTIONS)))
        .with_max_established_per_peer(Some(MAX_PER_PEER));
    let mut swarm = SwarmBuilder::with_existing_identity(identity::Keypair::generate_ed25519())
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, multiplexer)
        .map_err(|error| stack(error.to_string()))?
        .with_behaviour(|key| Net {
            limits: connection_limits::Behaviour::new(limits),
            crowd: crowd::Behaviour::default(),
            mdns: config.mdns.then(|| discovery(key.public().to_peer_id(), Zeal::Brisk)).flatten().into(),
            lanes: lanes::Behaviour::default(),
        })
        .map_err(|error| stack(error.to_string()))?
        .with_swarm_config(|swarm| {
            swarm.with_idle_connection_timeout(IDLE).with_max_negotiating_inbound_streams(MAX_STREAMS)
        })
        .build();
    let listeners = listen(&mut swarm, &config.listen)?;
    Ok((swarm, listeners))
}

fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(MAX_STREAMS);
    config
}

/// mDNS, or nothing where the system does not allow it; it is tried again later.
fn discovery(ours: PeerId, zeal: Zeal) -> Option<mdns::tokio::Behaviour> {
    let config = mdns::Config { ttl: zeal.ttl(), query_interval: zeal.query(), enable_ipv6: false };
    mdns::tokio::Behaviour::new(config, ours)
        .inspect_err(
            |error| tracing::warn!(%error, "mDNS does not start; neighbours on the network are not found"),
        )
        .ok()
}

/// Starts discovery anew, with a question at once: an interface on which receiving failed would stay deaf for ever,
/// and only a new behaviour asks at another rhythm.
pub(super) fn renew_discovery(swarm: &mut Swarm<Net>, zeal: Zeal) {
    let mut fresh = discovery(*swarm.local_peer_id(), zeal);
    if let Some(behaviour) = &mut fresh {
        // A behaviour learns addresses when they appear; these have appeared before it.
        for addr in swarm.listeners() {
            let listener_id = ListenerId::next();
            behaviour.on_swarm_event(FromSwarm::NewListenAddr(NewListenAddr { listener_id, addr }));
        }
    }
    swarm.behaviour_mut().mdns = fresh.into();
}

fn listen(swarm: &mut Swarm<Net>, addresses: &[SocketAddr]) -> Result<Vec<ListenerId>, StartError> {
    let mut listeners = Vec::new();
    let mut failed = None;
    for address in addresses {
        match listen_on(swarm, *address) {
            Ok(listener) => listeners.push(listener),
            Err(source) => {
                tracing::debug!(%address, error = %source, "cannot listen here");
                failed = Some(StartError::Listen { address: *address, source });
            }
        }
    }
    if listeners.is_empty() { Err(failed.unwrap_or(StartError::NoAddress)) } else { Ok(listeners) }
}

fn listen_on(swarm: &mut Swarm<Net>, address: SocketAddr) -> io::Result<ListenerId> {
    if address.port() != 0 {
        doctor::check_port(address)?;
    }
    swarm.listen_on(multiaddr(address)).map_err(io::Error::other)
}

/// An address as libp2p writes it.
pub(super) fn multiaddr(address: SocketAddr) -> Multiaddr {
    Multiaddr::from(address.ip()).with(Protocol::Tcp(address.port()))
}

/// An address as the system writes it; `None` for what is not IP and TCP.
pub(super) fn socket_address(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else { return None };
    Some(SocketAddr::new(ip, port))
}
