//! Links between transports of one machine.

use crate::lan_rig::{Station, alone, beacon, free_beacon_port, pair};
use mesh_core::link::MAX_FRAME;
use mesh_core::{CloseReason, Lane, Role};
use starling::transport::TransportEvent;
use starling::transport::lan::LanConfig;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_of_one_machine_find_each_other_by_the_beacon_alone() {
    let port = free_beacon_port();
    let start = Instant::now();
    let mut stations = [(); 3].map(|()| Station::start(beacon(port)));
    for station in &mut stations {
        let (first, second) = (station.up().await, station.up().await);
        assert_ne!(first.binding, second.binding);
    }
    println!("three nodes linked after {:?}", start.elapsed());
    for station in &mut stations {
        assert!(station.event_within(QUIET).await.is_none(), "no link ends and none is added");
        assert_eq!(station.handle.link_count(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_peer_is_linked_and_both_ends_share_the_binding() {
    let (_a, up_a, _b, up_b) = pair().await;
    assert_eq!(up_a.binding, up_b.binding);
    assert_eq!((up_a.role, up_b.role), (Role::Listener, Role::Dialer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_name_each_other_keep_one_link() {
    for _ in 0..5 {
        let (port_a, port_b) = (free_tcp_port(), free_tcp_port());
        let config = |own: u16, other: u16| LanConfig {
            listen: vec![([127, 0, 0, 1], own).into()],
            peers: vec![std::net::SocketAddr::from(([127, 0, 0, 1], other)).into()],
            ..alone()
        };
        let mut a = Station::start(config(port_a, port_b));
        let mut b = Station::start(config(port_b, port_a));
        let (up_a, up_b) = (a.up().await, b.up().await);
        assert_eq!(up_a.binding, up_b.binding);
        assert!(a.event_within(QUIET).await.is_none());
        assert_eq!((a.handle.link_count(), b.handle.link_count()), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_of_both_lanes_arrive_whole_and_in_order() {
    let (a, up_a, mut b, _) = pair().await;
    let sizes = [1, 2, 4095, 4096, 4097, 16_384, MAX_FRAME];
    for lane in [Lane::Control, Lane::Bulk] {
        for (mark, size) in (0u8..).zip(sizes) {
            a.send(up_a.link, lane, &vec![mark; size]);
        }
        for (mark, size) in (0u8..).zip(sizes) {
            assert_eq!(b.frame().await.1, vec![mark; size]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credit_is_granted_at_first_and_again_for_what_was_taken() {
    let (mut a, up_a, mut b, _) = pair().await;
    a.event_within(Duration::from_millis(300)).await;
    assert_eq!(a.credit, MAX_FRAME as u64);
    for _ in 0..4 {
        a.send(up_a.link, Lane::Bulk, &[7; 16 * 1024]);
    }
    for _ in 0..4 {
        b.frame().await;
    }
    a.event_within(Duration::from_millis(300)).await;
    assert!(a.credit >= 2 * MAX_FRAME as u64, "{}", a.credit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_returns_at_its_address_is_linked_again() {
    let port = free_tcp_port();
    let at = LanConfig { listen: vec![([127, 0, 0, 1], port).into()], ..alone() };
    let a = Station::start(at.clone());
    let mut b = Station::start(LanConfig { peers: vec![a.address().await.into()], ..alone() });
    let first = b.up().await;
    drop(a);
    assert_eq!(b.down().await, first.link);
    let mut again = Station::start(at);
    again.up().await;
    assert_ne!(b.up().await.binding, first.binding);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_sends_what_waits_and_both_ends_hear_of_it() {
    let (mut a, up_a, mut b, up_b) = pair().await;
    a.send(up_a.link, Lane::Control, b"version too old");
    a.close(up_a.link, CloseReason::Version { ours: 1, theirs: 2 });
    assert_eq!(b.frame().await, (up_b.link, b"version too old".to_vec()));
    assert_eq!(b.down().await, up_b.link);
    assert_eq!(a.down().await, up_a.link);
    assert!(a.event_within(QUIET).await.is_none(), "who was closed for its version is left alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_link_is_closed_at_once_and_dialled_again() {
    let (mut a, up_a, mut b, up_b) = pair().await;
    b.close(up_b.link, CloseReason::Silent);
    assert_eq!(b.down().await, up_b.link);
    assert_eq!(a.down().await, up_a.link);
    assert_ne!(b.up().await.link, up_b.link);
    a.up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_tells_the_neighbour_and_ends_in_time() {
    let (a, _, mut b, up_b) = pair().await;
    a.handle.shutdown().await;
    assert_eq!(b.down().await, up_b.link);
    assert_eq!(a.handle.link_count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_replaces_identity_port_and_binding_and_links_again() {
    let port = free_beacon_port();
    let (mut a, mut b) = (Station::start(beacon(port)), Station::start(beacon(port)));
    let (first, _) = (a.up().await, b.up().await);
    let (id, address) = (a.handle.ephemeral_id(), a.address().await);
    a.handle.rotate();
    assert_eq!(a.down().await, first.link);
    b.down().await;
    let (second, at_b) = (a.up().await, b.up().await);
    assert_ne!(second.binding, first.binding);
    assert_eq!(second.binding, at_b.binding);
    assert_ne!(a.handle.ephemeral_id(), id);
    assert_ne!(a.address().await, address);
    assert!(TcpStream::connect(address).is_err(), "nothing listens on the old port");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_links_stand_than_configured() {
    let mut a = Station::start(LanConfig { max_links: 2, ..alone() });
    let to_a = LanConfig { peers: vec![a.address().await.into()], ..alone() };
    let others = [(); 4].map(|()| Station::start(to_a.clone()));
    a.up().await;
    a.up().await;
    assert!(a.event_within(QUIET).await.is_none());
    assert_eq!(a.handle.link_count(), 2);
    drop(others);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_50_half_open_handshakes_leave_standing_links_alone() {
    let (a, up_a, mut b, _) = pair().await;
    let address = a.address().await;
    let mut storm = Vec::new();
    for number in 0..500u32 {
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        if number % 2 == 0 {
            // Refused already, perhaps: then there is nobody to annoy.
            let _ = stream.write_all(&[0xff; 512]);
        }
        storm.push(stream);
    }
    for number in 0..100u8 {
        a.send(up_a.link, Lane::Control, &[number]);
        assert_eq!(b.frame().await.1, [number]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_for_a_link_that_is_gone_are_dropped() {
    let (a, up_a, mut b, up_b) = pair().await;
    drop(a);
    assert_eq!(b.down().await, up_b.link);
    b.send(up_b.link, Lane::Control, b"late");
    b.close(up_b.link, CloseReason::Silent);
    b.send(up_a.link, Lane::Bulk, b"never seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_reads_nothing_loses_the_link() {
    let (mut a, up_a, b, _) = pair().await;
    let frame = vec![0; MAX_FRAME];
    for _ in 0..200 {
        a.send(up_a.link, Lane::Control, &frame);
    }
    loop {
        if let TransportEvent::Down { link } = a.event().await {
            assert_eq!(link, up_a.link);
            break;
        }
    }
    drop(b);
}

fn free_tcp_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_dialled_once_is_not_dialled_again() {
    let (mut a, mut b) = (Station::start(alone()), Station::start(alone()));
    b.handle.dial(a.address().await);
    let (up_a, up_b) = (a.up().await, b.up().await);
    assert_eq!(up_a.binding, up_b.binding);
    a.close(up_a.link, CloseReason::Silent);
    b.down().await;
    assert!(b.event_within(QUIET).await.is_none(), "nobody dials by themselves");
    b.handle.dial(a.address().await);
    b.up().await;
}
