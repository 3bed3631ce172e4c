//! Opens the two streams of a link on one particular connection.
//!
//! libp2p-stream would choose among several connections to a peer at random and drops inbound streams when their taker
//! lags; this behaviour names the connection with every stream and loses none.

use futures::future::{Ready, ready};
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{Endpoint, transport::PortUse};
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, StreamUpgradeError, SubstreamProtocol, THandlerInEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use mesh_core::Lane;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

const CONTROL: StreamProtocol = StreamProtocol::new("/starling/ctl/1");
const BULK: StreamProtocol = StreamProtocol::new("/starling/bulk/1");
/// How long a neighbour may take to agree on a stream.
const NEGOTIATION: Duration = Duration::from_secs(2);
/// Events of one handler that wait for the behaviour, and streams of one connection: more are dropped.
const MAX_STREAMS: usize = 4;

/// Asks handlers for streams and passes on what they give.
#[derive(Debug, Default)]
pub(super) struct Behaviour {
    orders: VecDeque<(PeerId, ConnectionId)>,
    events: VecDeque<Event>,
}

/// What became of a connection's streams.
#[derive(Debug)]
pub(super) enum Event {
    /// A stream stands.
    Stream { connection: ConnectionId, lane: Lane, stream: Stream },
    /// A stream could not be opened; `foreign` when the neighbour does not know the protocol.
    Refused { connection: ConnectionId, foreign: bool },
}

impl Behaviour {
    /// Opens both streams on a connection that this node dialled.
    pub(super) fn open(&mut self, peer: PeerId, connection: ConnectionId) {
        self.orders.push_back((peer, connection));
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, connection: ConnectionId, event: Opened) {
        self.events.push_back(match event {
            Opened::Stream(lane, stream) => Event::Stream { connection, lane, stream },
            Opened::Refused { foreign } => Event::Refused { connection, foreign },
        });
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(event));
        }
        let Some((peer_id, connection)) = self.orders.pop_front() else { return Poll::Pending };
        let handler = NotifyHandler::One(connection);
        Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler, event: Open })
    }
}

/// The order to open both streams.
#[derive(Debug)]
pub(super) struct Open;

/// What a handler tells the behaviour.
#[derive(Debug)]
pub(super) enum Opened {
    Stream(Lane, Stream),
    Refused { foreign: bool },
}

/// One connection's part of the behaviour.
#[derive(Debug, Default)]
pub(super) struct Handler {
    requests: VecDeque<Lane>,
    events: VecDeque<Opened>,
    streams: usize,
}

impl Handler {
    fn opened(&mut self, (lane, stream): (Lane, Stream)) {
        if self.streams < MAX_STREAMS {
            self.streams += 1;
            self.events.push_back(Opened::Stream(lane, stream));
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Opened;
    type InboundProtocol = Upgrade;
    type OutboundProtocol = Upgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Upgrade> {
        SubstreamProtocol::new(Upgrade::Either, ()).with_timeout(NEGOTIATION)
    }

    fn on_behaviour_event(&mut self, _: Open) {
        self.requests.extend([Lane::Control, Lane::Bulk]);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Upgrade, Upgrade>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. })
            | ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) => {
                self.opened(protocol);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, .. }) => {
                let foreign = matches!(error, StreamUpgradeError::NegotiationFailed);
                self.events.push_back(Opened::Refused { foreign });
            }
            _ => {}
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Upgrade, (), Opened>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event));
        }
        let Some(lane) = self.requests.pop_front() else { return Poll::Pending };
        let protocol = SubstreamProtocol::new(Upgrade::One(lane), ()).with_timeout(NEGOTIATION);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }
}

/// Names the protocols; the streams themselves are taken as they are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Upgrade {
    One(Lane),
    Either,
}

impl UpgradeInfo for Upgrade {
    type Info = StreamProtocol;
    type InfoIter = Vec<StreamProtocol>;

    fn protocol_info(&self) -> Vec<StreamProtocol> {
        match self {
            Self::One(Lane::Control) => vec![CONTROL],
            Self::One(Lane::Bulk) => vec![BULK],
            Self::Either => vec![CONTROL, BULK],
        }
    }
}

impl InboundUpgrade<Stream> for Upgrade {
    type Output = (Lane, Stream);
    type Error = Infallible;
    type Future = Ready<Result<(Lane, Stream), Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((lane(&protocol), stream)))
    }
}

impl OutboundUpgrade<Stream> for Upgrade {
    type Output = (Lane, Stream);
    type Error = Infallible;
    type Future = Ready<Result<(Lane, Stream), Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((lane(&protocol), stream)))
    }
}

fn lane(protocol: &StreamProtocol) -> Lane {
    if *protocol == BULK { Lane::Bulk } else { Lane::Control }
}
