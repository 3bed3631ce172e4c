//! The transport over an air in memory, in virtual time.

use super::fake::{Air, Weather};
use super::*;
use mesh_core::Role;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// One node's transport and what it told.
struct Node {
    handle: BleHandle,
    events: mpsc::Receiver<TransportEvent>,
    up: BTreeMap<LinkId, (Role, [u8; 32])>,
    frames: Vec<(LinkId, Vec<u8>)>,
    credit: BTreeMap<LinkId, u64>,
    ended: usize,
}

impl Node {
    fn new(air: &Air, config: BleConfig) -> Self {
        let (events, told) = mpsc::channel(256);
        let handle = Ble::start(config, vec![air.radio()], LinkIds::of(1), events).unwrap();
        Self {
            handle,
            events: told,
            up: BTreeMap::new(),
            frames: Vec::new(),
            credit: BTreeMap::new(),
            ended: 0,
        }
    }

    fn take(&mut self, event: TransportEvent) {
        match event {
            TransportEvent::Up { link, role, binding, profile } => {
                assert_eq!(profile.medium, Medium::Ble);
                assert!(self.up.insert(link, (role, binding)).is_none());
            }
            TransportEvent::Down { link } => {
                assert!(self.up.remove(&link).is_some(), "only what was up goes down");
                self.ended += 1;
                self.handle.link_ended(link);
            }
            TransportEvent::Ready { link, credit } => {
                *self.credit.entry(link).or_default() += u64::from(credit)
            }
            TransportEvent::Frame { link, bytes } => {
                assert!(self.up.contains_key(&link));
                self.frames.push((link, bytes));
            }
            TransportEvent::Heard { .. } => {}
        }
    }

    /// The only link.
    fn link(&self) -> LinkId {
        assert_eq!(self.up.len(), 1);
        *self.up.keys().next().unwrap()
    }

    fn send(&self, lane: Lane, frame: &[u8]) {
        self.handle.send(self.link(), lane, vec![frame.to_vec()]);
    }

    fn got(&self) -> Vec<&[u8]> {
        self.frames.iter().map(|(_, bytes)| &bytes[..]).collect()
    }

    fn adapter(&self) -> AdapterStatus {
        self.handle.status().adapters[0].clone()
    }
}

/// Takes what the nodes tell until `done`, at most for `limit`; whether it came to that.
async fn until(nodes: &mut [Node], limit: Duration, mut done: impl FnMut(&[Node]) -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        for node in nodes.iter_mut() {
            while let Ok(event) = node.events.try_recv() {
                node.take(event);
            }
        }
        if done(nodes) {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Lets time pass.
async fn pass(nodes: &mut [Node], time: Duration) {
    until(nodes, time, |_| false).await;
}

fn linked(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| !node.up.is_empty())
}

fn pair(air: &Air) -> [Node; 2] {
    [Node::new(air, BleConfig::default()), Node::new(air, BleConfig::default())]
}

/// Two nodes and their link.
async fn linked_pair(air: &Air) -> [Node; 2] {
    let mut nodes = pair(air);
    assert!(until(&mut nodes, SECOND * 20, linked).await, "no link");
    nodes
}

#[tokio::test(start_paused = true)]
async fn two_nodes_that_hear_one_another_make_one_link_and_exchange_frames() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    pass(&mut nodes, SECOND * 30).await;
    let ends: Vec<_> = nodes.iter().map(|node| node.up[&node.link()]).collect();
    assert_eq!(ends[0].1, ends[1].1, "both ends have the same binding");
    assert_ne!(ends[0].0, ends[1].0, "one dialled");
    assert_eq!(air.connects(), 1);
    nodes[0].send(Lane::Control, b"there");
    nodes[1].send(Lane::Bulk, &[7; 20_000]);
    let both = |nodes: &[Node]| nodes.iter().all(|node| !node.frames.is_empty());
    assert!(until(&mut nodes, SECOND, both).await);
    assert_eq!(nodes[1].got(), [b"there"]);
    assert_eq!(nodes[0].got(), [[7; 20_000]]);
    assert!(nodes[0].credit[&nodes[0].link()] >= 64 * 1024, "any frame fits");
}
