//! The loopback beacon: nodes on one machine find each other with no network at all (PROTOCOL.md section 4).
//!
//! It never leaves the machine: it goes to the broadcast address of the loopback network, or where there is none, to a
//! multicast group through 127.0.0.1.

use super::datagram::{self, MAX_DATAGRAM};
use libp2p::PeerId;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::UdpSocket;

/// The UDP port of the beacon, unless configured otherwise.
pub const BEACON_PORT: u16 = 28_517;

const BROADCAST: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 83, 84, 76);

/// A socket that says and hears beacons.
#[derive(Debug)]
pub(super) struct Beacon {
    ears: UdpSocket,
    /// The same socket: sending a datagram on loopback does not wait.
    mouth: std::net::UdpSocket,
    to: SocketAddr,
}

impl Beacon {
    /// Joins the beacon of this machine. Several nodes share the port.
    pub(super) fn bind(port: u16) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        let to = if cfg!(target_os = "linux") {
            socket.set_broadcast(true)?;
            // Bound to the broadcast address itself, the socket hears nothing but loopback.
            socket.bind(&SocketAddr::from((BROADCAST, port)).into())?;
            BROADCAST
        } else {
            #[cfg(all(unix, not(target_os = "linux")))]
            socket.set_reuse_port(true)?;
            socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
            socket.set_multicast_if_v4(&Ipv4Addr::LOCALHOST)?;
            socket.set_multicast_loop_v4(true)?;
            socket.set_multicast_ttl_v4(0)?;
            socket.join_multicast_v4(&GROUP, &Ipv4Addr::LOCALHOST)?;
            GROUP
        };
        socket.set_nonblocking(true)?;
        let mouth = std::net::UdpSocket::from(socket);
        let ears = UdpSocket::from_std(mouth.try_clone()?)?;
        Ok(Self { ears, mouth, to: SocketAddr::from((to, port)) })
    }

    /// Says that `peer` listens on `port` of 127.0.0.1.
    pub(super) fn say(&self, peer: &PeerId, port: u16) -> io::Result<()> {
        self.mouth.send_to(&encode(peer, port), self.to).map(drop)
    }

    /// The next beacon from this machine.
    pub(super) async fn hear(&self) -> io::Result<(PeerId, u16)> {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            let (length, from) = self.ears.recv_from(&mut buffer).await?;
            if !from.ip().is_loopback() {
                continue;
            }
            if let Some(heard) = decode(&buffer[..length]) {
                return Ok(heard);
            }
        }
    }
}

fn encode(peer: &PeerId, port: u16) -> Vec<u8> {
    datagram::encode(&peer.to_bytes(), port)
}

fn decode(bytes: &[u8]) -> Option<(PeerId, u16)> {
    let (peer, port) = datagram::decode(bytes)?;
    Some((PeerId::from_bytes(peer).ok()?, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PEER: &str = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";

    #[test]
    fn the_bytes_of_a_beacon_are_fixed() {
        let peer: PeerId = PEER.parse().unwrap();
        let datagram = encode(&peer, 0x1234);
        assert_eq!(&datagram[..11], b"starling\x01\x34\x12");
        assert_eq!(&datagram[11..], peer.to_bytes());
        assert_eq!(datagram.len(), 49);
        assert_eq!(decode(&datagram), Some((peer, 0x1234)));
    }

    #[test]
    fn a_beacon_of_another_version_or_without_a_port_is_ignored() {
        let peer: PeerId = PEER.parse().unwrap();
        let mut datagram = encode(&peer, 7);
        datagram[8] = 2;
        assert_eq!(decode(&datagram), None);
        assert_eq!(decode(&encode(&peer, 0)), None);
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_or_ignored(datagram in proptest::collection::vec(any::<u8>(), 0..MAX_DATAGRAM)) {
            let _ = decode(&datagram);
            let mut marked = b"starling\x01".to_vec();
            marked.extend(datagram);
            let _ = decode(&marked);
        }
    }
}
