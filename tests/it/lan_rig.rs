//! A node that is only a LAN transport.

use mesh_core::{CloseReason, Lane, LinkId, Role};
use starling::transport::lan::{Lan, LanConfig, LanHandle};
use starling::transport::{LinkIds, Transport, TransportEvent};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::sync::mpsc;

/// Long enough for a loaded machine; nothing waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Station {
    pub(crate) handle: LanHandle,
    pub(crate) events: mpsc::Receiver<TransportEvent>,
    pub(crate) credit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Up {
    pub(crate) link: LinkId,
    pub(crate) role: Role,
    pub(crate) binding: [u8; 32],
}

/// Listens on loopback only, and finds nobody.
pub(crate) fn alone() -> LanConfig {
    LanConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        loopback_beacon: false,
        ..LanConfig::default()
    }
}

/// As [`alone`], and finds who has the same beacon port.
pub(crate) fn beacon(port: u16) -> LanConfig {
    LanConfig { loopback_beacon: true, beacon_port: port, ..alone() }
}

/// A beacon port that no other test has.
pub(crate) fn free_beacon_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Station {
    pub(crate) fn start(config: LanConfig) -> Self {
        let (sender, events) = mpsc::channel(256);
        let handle = Lan::start(config, LinkIds::default(), sender).expect("the transport starts");
        Self { handle, events, credit: 0 }
    }

    pub(crate) async fn address(&self) -> SocketAddr {
        for _ in 0..1000 {
            if let Some(address) = self.handle.addresses().first() {
                return *address;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("no address was bound");
    }

    /// The next event but credit, which is added up.
    pub(crate) async fn event(&mut self) -> TransportEvent {
        self.event_within(PATIENCE).await.expect("an event in time")
    }

    pub(crate) async fn event_within(&mut self, limit: Duration) -> Option<TransportEvent> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            match tokio::time::timeout_at(deadline, self.events.recv()).await {
                Ok(Some(TransportEvent::Ready { credit, .. })) => self.credit += u64::from(credit),
                Ok(Some(event)) => return Some(event),
                Ok(None) => panic!("the transport stopped"),
                Err(_) => return None,
            }
        }
    }

    pub(crate) async fn up(&mut self) -> Up {
        loop {
            if let TransportEvent::Up { link, role, binding, .. } = self.event().await {
                return Up { link, role, binding };
            }
        }
    }

    pub(crate) async fn down(&mut self) -> LinkId {
        loop {
            if let TransportEvent::Down { link } = self.event().await {
                return link;
            }
        }
    }

    pub(crate) async fn frame(&mut self) -> (LinkId, Vec<u8>) {
        loop {
            if let TransportEvent::Frame { link, bytes } = self.event().await {
                return (link, bytes);
            }
        }
    }

    pub(crate) fn send(&self, link: LinkId, lane: Lane, frame: &[u8]) {
        self.handle.send(link, lane, vec![frame.to_vec()]);
    }

    pub(crate) fn close(&self, link: LinkId, why: CloseReason) {
        self.handle.close(link, why);
    }
}

/// Two stations that are linked, the first of which was dialled.
pub(crate) async fn pair() -> (Station, Up, Station, Up) {
    let mut a = Station::start(alone());
    let mut b = Station::start(LanConfig { peers: vec![a.address().await.into()], ..alone() });
    let (up_a, up_b) = (a.up().await, b.up().await);
    (a, up_a, b, up_b)
}
