//! What may keep neighbours from being found, for `starling doctor`.

use super::LanConfig;
use super::beacon::Beacon;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

/// A group of this machine's own: the probe never leaves it.
const PROBE_GROUP: Ipv4Addr = Ipv4Addr::new(239, 83, 84, 77);
/// How long a probe may take to come back.
const PROBE_WAIT: Duration = Duration::from_millis(200);

/// The findings. Every problem is a sentence of the system, without names or keys of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    /// Every address of every interface that is up.
    pub interfaces: Vec<InterfaceReport>,
    /// Every configured listen address.
    pub ports: Vec<PortReport>,
    /// Why other nodes of this machine are not found without a network; `None` when they are, or when it is off.
    pub beacon_problem: Option<String>,
}

/// One address of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceReport {
    /// The interface, as the system names it.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// Whether it leads nowhere but here.
    pub loopback: bool,
    /// Why mDNS does not work on it; `None` when it does, and for loopback and IPv6, where it is not used.
    pub multicast_problem: Option<String>,
}

/// One configured listen address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortReport {
    /// The address.
    pub address: SocketAddr,
    /// Why it cannot be bound; `None` when it can.
    pub problem: Option<String>,
}

impl Diagnostics {
    /// Whether a neighbour on some network can be found by mDNS.
    #[must_use]
    pub fn can_discover(&self) -> bool {
        self.interfaces.iter().any(|interface| {
            !interface.loopback && interface.address.is_ipv4() && interface.multicast_problem.is_none()
        })
    }
}

/// Looks at interfaces, multicast and ports. Blocks for up to 200 ms per interface.
#[must_use]
pub fn diagnose(config: &LanConfig) -> Diagnostics {
    diagnose_running(config, &[])
}

/// As [`diagnose`]; ports that this node itself holds are no problem.
pub(super) fn diagnose_running(config: &LanConfig, held: &[SocketAddr]) -> Diagnostics {
    let ports = config.listen.iter().map(|address| {
        let ours = address.port() != 0 && held.iter().any(|own| own.port() == address.port());
        let problem = if ours { None } else { check_port(*address).err().map(|error| error.to_string()) };
        PortReport { address: *address, problem }
    });
    let beacon = if config.loopback_beacon { check_beacon(config.beacon_port) } else { Ok(()) };
    Diagnostics {
        interfaces: interfaces(),
        ports: ports.collect(),
        beacon_problem: beacon.err().map(|error| error.to_string()),
    }
}

/// Whether a port can be had for oneself alone; libp2p would share it with another node and lose half the neighbours.
pub(super) fn check_port(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(drop)
}

fn check_beacon(port: u16) -> io::Result<()> {
    if tokio::runtime::Handle::try_current().is_ok() {
        return Beacon::bind(port).map(drop);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async { Beacon::bind(port).map(drop) })
}

fn interfaces() -> Vec<InterfaceReport> {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    found
        .into_iter()
        .map(|interface| {
            let (address, loopback) = (interface.ip(), interface.is_loopback());
            let multicast_problem = match address {
                IpAddr::V4(v4) if !loopback => probe_multicast(v4).err().map(|error| error.to_string()),
                _ => None,
            };
            InterfaceReport { name: interface.name, address, loopback, multicast_problem }
        })
        .collect()
}

/// Sends a datagram to a group on this interface, with a time to live that keeps it on this machine, and waits for it.
fn probe_multicast(address: Ipv4Addr) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    socket.join_multicast_v4(&PROBE_GROUP, &address)?;
    socket.set_multicast_if_v4(&address)?;
    socket.set_multicast_loop_v4(true)?;
    socket.set_multicast_ttl_v4(0)?;
    let socket = UdpSocket::from(socket);
    socket.set_read_timeout(Some(PROBE_WAIT))?;
    let port = socket.local_addr()?.port();
    socket.send_to(b"probe", (PROBE_GROUP, port))?;
    socket.recv_from(&mut [0; 8]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_seen_and_free_ports_are_free() {
        let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        let found = diagnose(&LanConfig { listen, ..LanConfig::default() });
        assert!(found.interfaces.iter().any(|interface| interface.loopback));
        assert_eq!(found.ports[0].problem, None);
        assert_eq!(found.beacon_problem, None);
    }

    #[test]
    fn a_port_in_use_is_a_problem_unless_this_node_uses_it() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let config = LanConfig { listen: vec![address], ..LanConfig::default() };
        assert!(diagnose(&config).ports[0].problem.is_some());
        assert_eq!(diagnose_running(&config, &[address]).ports[0].problem, None);
    }
}
