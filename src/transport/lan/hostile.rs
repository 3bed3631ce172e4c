//! Neighbours that do not keep to the protocol, on real sockets.

use super::framing::{put_ack, put_frame};
use super::{Lan, LanConfig, LanHandle, lanes, net};
use crate::transport::{LinkIds, TransportEvent};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{Stream, SwarmEvent};
use mesh_core::Lane;
use mesh_core::link::MAX_FRAME;
use std::time::Duration;
use tokio::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(20);

fn config() -> LanConfig {
    LanConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        mdns: false,
        loopback_beacon: false,
        ..LanConfig::default()
    }
}

async fn victim() -> (LanHandle, mpsc::Receiver<TransportEvent>) {
    let (sender, events) = mpsc::channel(256);
    let handle = Lan::start(config(), LinkIds::default(), sender).unwrap();
    while handle.addresses().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (handle, events)
}

/// Connects and opens both streams, `times` over, without greeting; gives the streams as they stand.
async fn attacker(victim: &LanHandle, times: usize) -> mpsc::UnboundedReceiver<(Lane, Stream)> {
    let (mut swarm, _) = net::swarm(&config()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test counts what it gets")]
    let (sender, streams) = mpsc::unbounded_channel();
    let to = net::multiaddr(victim.addresses()[0]);
    swarm.dial(DialOpts::unknown_peer_id().address(to).build()).unwrap();
    tokio::spawn(async move {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } => {
                    for _ in 0..times {
                        swarm.behaviour_mut().lanes.open(peer_id, connection_id);
                    }
                }
                SwarmEvent::Behaviour(net::NetEvent::Lanes(lanes::Event::Stream {
                    lane, stream, ..
                })) => {
                    // A test that has ended takes no more streams.
                    let _ = sender.send((lane, stream));
                }
                _ => {}
            }
        }
    });
    streams
}

/// Opens and greets as a neighbour should.
async fn greeted(victim: &LanHandle) -> (Stream, Stream, mpsc::UnboundedReceiver<(Lane, Stream)>) {
    let mut streams = attacker(victim, 1).await;
    let (mut control, mut bulk) = (None, None);
    for _ in 0..2 {
        let (lane, mut stream) = streams.recv().await.unwrap();
        stream.write_all(&[9; 16]).await.unwrap();
        stream.flush().await.unwrap();
        match lane {
            Lane::Control => control = Some(stream),
            Lane::Bulk => bulk = Some(stream),
        }
    }
    let (mut control, mut bulk) = (control.unwrap(), bulk.unwrap());
    control.read_exact(&mut [0; 16]).await.unwrap();
    bulk.read_exact(&mut [0; 16]).await.unwrap();
    (control, bulk, streams)
}

async fn say(stream: &mut Stream, bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

async fn event(events: &mut mpsc::Receiver<TransportEvent>) -> TransportEvent {
    loop {
        match tokio::time::timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
            TransportEvent::Ready { .. }
            | TransportEvent::Radio { .. }
            | TransportEvent::Rotated
            | TransportEvent::Heard { .. } => {}
            event => return event,
        }
    }
}

/// A good frame is taken; after `wrong` the link is down.
async fn assert_ends_link(lane: Lane, wrong: &[u8]) {
    let (victim, mut events) = victim().await;
    let (mut control, mut bulk, _open) = greeted(&victim).await;
    assert!(matches!(event(&mut events).await, TransportEvent::Up { .. }));
    let mut good = Vec::new();
    put_frame(&mut good, b"good");
    say(&mut control, &good).await;
    assert!(matches!(event(&mut events).await, TransportEvent::Frame { bytes, .. } if bytes == b"good"));
    say(if lane == Lane::Control { &mut control } else { &mut bulk }, wrong).await;
    assert!(matches!(event(&mut events).await, TransportEvent::Down { .. }));
}

#[tokio::test]
async fn attack_38_an_oversize_frame_ends_the_link_before_its_body_comes() {
    assert_ends_link(Lane::Control, &(MAX_FRAME as u32 + 1).to_le_bytes()).await;
}

#[tokio::test]
async fn attack_38_an_oversize_piece_ends_the_link_before_its_body_comes() {
    assert_ends_link(Lane::Bulk, &[0, 0xff, 0xff, 0xff, 0xff]).await;
}

#[tokio::test]
async fn a_record_of_unknown_kind_ends_the_link() {
    assert_ends_link(Lane::Bulk, &[3, 1, 0, 0, 0]).await;
}

#[tokio::test]
async fn acknowledging_what_was_never_sent_ends_the_link() {
    let mut ack = Vec::new();
    put_ack(&mut ack, u32::MAX);
    assert_ends_link(Lane::Bulk, &ack).await;
}

#[tokio::test]
async fn who_does_not_greet_is_no_link_and_loses_the_connection() {
    let (victim, mut events) = victim().await;
    let mut streams = attacker(&victim, 1).await;
    let (_, mut stream) = streams.recv().await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the stream ends");
    assert!(events.try_recv().is_err(), "the node hears nothing of it");
}

#[tokio::test]
async fn attack_41_a_hundred_streams_do_not_harm_another_link() {
    let (victim, mut events) = victim().await;
    let (mut control, _bulk, _open) = greeted(&victim).await;
    assert!(matches!(event(&mut events).await, TransportEvent::Up { .. }));
    let _streams = attacker(&victim, 50).await;
    for number in 1..50u8 {
        let mut frame = Vec::new();
        put_frame(&mut frame, &[number]);
        say(&mut control, &frame).await;
        assert!(matches!(event(&mut events).await, TransportEvent::Frame { bytes, .. } if bytes == [number]));
    }
}
