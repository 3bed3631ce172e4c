//! No address has more than its share of connections (PROTOCOL.md section 4): identities are free, addresses less so.

use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent,
    ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::task::{Context, Poll};

/// Connections with one address at a time, handshakes of its own among them. Neighbours of one household rarely share
/// an address, and nodes of this machine, on the loopback, are not counted.
pub(super) const MAX_PER_ADDRESS: usize = 8;

/// Counts connections by the far end's address and refuses what is too much.
#[derive(Debug, Default)]
pub(super) struct Behaviour {
    connections: BTreeMap<ConnectionId, IpAddr>,
}

/// An address has its share.
#[derive(Debug, thiserror::Error)]
#[error("{MAX_PER_ADDRESS} connections with one address")]
struct Crowded;

impl Behaviour {
    fn admit(&mut self, id: ConnectionId, remote: &Multiaddr) -> Result<(), ConnectionDenied> {
        let Some(address) = super::net::socket_address(remote).map(|address| address.ip().to_canonical())
        else {
            return Ok(());
        };
        if address.is_loopback() {
            return Ok(());
        }
        if self.connections.values().filter(|held| **held == address).count() >= MAX_PER_ADDRESS {
            return Err(ConnectionDenied::new(Crowded));
        }
        self.connections.insert(id, address);
        Ok(())
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.admit(id, remote)
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        // Whoever announces many names would have them all dialled.
        self.admit(id, remote).map(|()| dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        let ended = match event {
            FromSwarm::ConnectionClosed(closed) => Some(closed.connection_id),
            FromSwarm::ListenFailure(failed) => Some(failed.connection_id),
            FromSwarm::DialFailure(failed) => Some(failed.connection_id),
            _ => None,
        };
        if let Some(id) = ended {
            self.connections.remove(&id);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::super::net::multiaddr;
    use super::*;
    use std::net::SocketAddr;

    fn admit(crowd: &mut Behaviour, id: usize, from: &str) -> bool {
        let from: SocketAddr = from.parse().unwrap();
        let (id, here) = (ConnectionId::new_unchecked(id), multiaddr(([10, 0, 0, 1], 1).into()));
        crowd.handle_pending_inbound_connection(id, &here, &multiaddr(from)).is_ok()
    }

    #[test]
    fn one_address_has_its_share_and_others_have_theirs() {
        let mut crowd = Behaviour::default();
        for id in 0..MAX_PER_ADDRESS {
            assert!(admit(&mut crowd, id, &format!("10.0.0.7:{}", 1000 + id)));
        }
        assert!(!admit(&mut crowd, 90, "10.0.0.7:9"));
        assert!(!admit(&mut crowd, 91, "[::ffff:10.0.0.7]:9"), "another way to write the same address");
        assert!(admit(&mut crowd, 92, "10.0.0.8:9"));
    }

    #[test]
    fn a_connection_that_ended_makes_room() {
        let mut crowd = Behaviour::default();
        for id in 0..MAX_PER_ADDRESS {
            assert!(admit(&mut crowd, id, "[fe80::7]:9"));
        }
        crowd.on_swarm_event(FromSwarm::DialFailure(libp2p::swarm::DialFailure {
            peer_id: None,
            error: &libp2p::swarm::DialError::Aborted,
            connection_id: ConnectionId::new_unchecked(3),
        }));
        assert!(admit(&mut crowd, 90, "[fe80::7]:9"));
        assert!(!admit(&mut crowd, 91, "[fe80::7]:9"));
    }

    #[test]
    fn nodes_of_this_machine_are_not_counted() {
        let mut crowd = Behaviour::default();
        assert!((0..100).all(|id| admit(&mut crowd, id, "127.0.0.1:9") && admit(&mut crowd, id, "[::1]:9")));
        assert!(crowd.connections.is_empty());
    }
}
