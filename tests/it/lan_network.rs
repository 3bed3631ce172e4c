//! Links across a network of its own: two namespaces and a cable with a bandwidth. Needs root and Linux; elsewhere
//! each test says so and ends.

use crate::lan_rig::{Station, Up};
use mesh_core::{CloseReason, Lane};
use starling::transport::TransportEvent;
use starling::transport::lan::LanConfig;
use std::fs::File;
use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Two network namespaces, each with one end of a cable and nothing else.
struct Cable {
    names: [String; 2],
}

impl Cable {
    /// `None`, after saying why, where namespaces cannot be made.
    fn lay() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let word = &crate::proof_rig::random_word()[..6];
        let names = ["a", "b"].map(|end| format!("sl{}-{number}{end}-{word}", std::process::id()));
        let cable = Self { names };
        let [a, b] = &cable.names;
        let laid = run("ip", &["netns", "add", a])
            && run("ip", &["netns", "add", b])
            && run(
                "ip",
                &["-n", a, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", b],
            )
            && run("ip", &["-n", a, "addr", "add", "10.77.0.1/24", "dev", "wire"])
            && run("ip", &["-n", b, "addr", "add", "10.77.0.2/24", "dev", "wire"])
            && cable.plug("up");
        if !laid {
            println!("skipped: network namespaces need root and iproute2");
            return None;
        }
        Some(cable)
    }

    fn plug(&self, state: &str) -> bool {
        self.names.iter().all(|name| run("ip", &["-n", name, "link", "set", "wire", state]))
    }

    /// Loses everything without telling either end, as walking out of range does: no packet fits the queue.
    fn cut(&self) -> bool {
        self.names.iter().all(|name| {
            run("tc", &["-n", name, "qdisc", "add", "dev", "wire", "root", "bfifo", "limit", "1"])
        })
    }

    fn mend(&self) -> bool {
        self.names.iter().all(|name| run("tc", &["-n", name, "qdisc", "del", "dev", "wire", "root"]))
    }

    /// So many kilobits per second each way, behind a deep buffer.
    fn narrow(&self, rate: &str) -> bool {
        self.names.iter().all(|name| {
            let shape = ["root", "tbf", "rate", rate, "burst", "8kb", "limit", "1mb"];
            run("tc", &[&["-n", name, "qdisc", "add", "dev", "wire"], &shape[..]].concat())
        })
    }

    /// Runs `work` on a thread of its own inside one end's namespace.
    fn at<T, F>(&self, end: usize, work: impl FnOnce() -> F + Send + 'static) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let namespace = File::open(format!("/run/netns/{}", self.names[end])).expect("the namespace stands");
        std::thread::spawn(move || {
            let kind = rustix::thread::LinkNameSpaceType::Network;
            rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(kind)).expect("root may enter");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work())
        })
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for name in &self.names {
            run("ip", &["netns", "del", name]);
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program).args(arguments).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn on_network() -> LanConfig {
    LanConfig { loopback_beacon: false, ..LanConfig::default() }
}

#[test]
fn two_machines_find_each_other_by_mdns_without_a_router() {
    let Some(cable) = Cable::lay() else { return };
    let ends = [0, 1].map(|end| {
        cable.at(end, || async {
            let start = Instant::now();
            let mut station = Station::start(on_network());
            let up = station.up().await;
            (up.binding, start.elapsed())
        })
    });
    let [(first, took), (second, _)] = ends.map(|end| end.join().unwrap());
    println!("found by mDNS and linked after {took:?}");
    assert_eq!(first, second);
}

#[test]
fn control_frames_overtake_bulk_on_a_slow_network() {
    const PORT: u16 = 7000;
    let Some(cable) = Cable::lay() else { return };
    assert!(cable.narrow("800kbit"));
    let listen = vec![SocketAddr::from(([10, 77, 0, 2], PORT))];
    let receiver = cable.at(1, move || async move {
        let mut station = Station::start(LanConfig { listen, mdns: false, ..on_network() });
        let up = station.up().await;
        let mut bulk = 0;
        loop {
            match station.event().await {
                TransportEvent::Frame { bytes, .. } if bytes.len() == 64 => {
                    station.send(up.link, Lane::Control, &bytes);
                }
                TransportEvent::Frame { bytes, .. } => bulk += bytes.len(),
                TransportEvent::Down { .. } => return bulk,
                _ => {}
            }
        }
    });
    let sender = cable.at(0, || async {
        let peers = vec![SocketAddr::from(([10, 77, 0, 2], PORT)).into()];
        let mut station = Station::start(LanConfig { peers, mdns: false, ..on_network() });
        let up = station.up().await;
        let trips = ping_under_bulk(&mut station, up, Duration::from_secs(12)).await;
        station.handle.shutdown().await;
        trips
    });
    let mut trips = sender.join().unwrap();
    let bulk = receiver.join().unwrap();
    trips.sort_unstable();
    let at = |share: f64| trips[(trips.len() as f64 * share) as usize];
    let rate = bulk as f64 / 12e3;
    println!("{} pings under {rate:.0} kB/s of bulk: median {:?}, 95 % {:?}", trips.len(), at(0.5), at(0.95));
    assert!(at(0.5) < Duration::from_millis(100), "{:?}", at(0.5));
    assert!(rate > 75.0, "{rate}");
}

/// Keeps the bulk lane busy and sends a small control frame every 200 ms; gives the times until they came back.
async fn ping_under_bulk(station: &mut Station, up: Up, long: Duration) -> Vec<Duration> {
    let (start, frame) = (Instant::now(), vec![7; 16 * 1024]);
    let (mut trips, mut sent, mut next) = (Vec::new(), None, start + Duration::from_secs(2));
    while start.elapsed() < long {
        while station.credit >= frame.len() as u64 {
            station.credit -= frame.len() as u64;
            station.send(up.link, Lane::Bulk, &frame);
        }
        if sent.is_none() && Instant::now() >= next {
            sent = Some(Instant::now());
            station.send(up.link, Lane::Control, &[1; 64]);
        }
        let event = tokio::time::timeout(Duration::from_millis(20), station.events.recv()).await;
        match event {
            Ok(Some(TransportEvent::Ready { credit, .. })) => station.credit += u64::from(credit),
            Ok(Some(TransportEvent::Frame { .. })) => {
                trips.extend(sent.take().map(|at: Instant| at.elapsed()));
                next = Instant::now() + Duration::from_millis(200);
            }
            _ => {}
        }
    }
    trips
}

#[test]
fn one_machine_gets_its_share_of_links_however_many_names_it_takes() {
    const PORT: u16 = 7001;
    const SHARE: usize = 8;
    let Some(cable) = Cable::lay() else { return };
    let address = SocketAddr::from(([10, 77, 0, 2], PORT));
    let crowd = cable.at(0, move || async move {
        let config = LanConfig { peers: vec![address.into()], mdns: false, ..on_network() };
        let crowd: Vec<Station> = (0..2 * SHARE).map(|_| Station::start(config.clone())).collect();
        tokio::time::sleep(Duration::from_secs(6)).await;
        drop(crowd);
    });
    let counted = cable.at(1, move || async move {
        let config = LanConfig { listen: vec![address], mdns: false, ..on_network() };
        let mut station = Station::start(config);
        let (start, mut most) = (Instant::now(), 0);
        while start.elapsed() < Duration::from_secs(5) {
            station.event_within(Duration::from_millis(100)).await;
            most = most.max(station.handle.link_count());
        }
        most
    });
    crowd.join().unwrap();
    assert_eq!(counted.join().unwrap(), SHARE);
}

#[test]
fn after_a_cut_the_neighbours_link_again_as_soon_as_the_network_is_back() {
    let Some(cable) = Cable::lay() else { return };
    let (tell, told) = std::sync::mpsc::channel();
    let ends = [0, 1].map(|end| {
        let tell = tell.clone();
        cable.at(end, move || async move {
            let mut station = Station::start(on_network());
            let up = station.up().await;
            tell.send(()).unwrap();
            // What the core does when a beat stays unanswered.
            tokio::time::sleep(Duration::from_secs(2)).await;
            station.close(up.link, CloseReason::Silent);
            assert_eq!(station.down().await, up.link, "closing does not wait for a network that is cut");
            tell.send(()).unwrap();
            station.up().await;
            station.handle.shutdown().await;
        })
    });
    told.recv().unwrap();
    told.recv().unwrap();
    assert!(cable.cut());
    told.recv().unwrap();
    told.recv().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert!(cable.mend());
    let back = Instant::now();
    let _ = ends.map(|end| end.join().unwrap());
    println!("linked again {:?} after the network came back", back.elapsed());
}

#[test]
fn a_network_that_appears_later_is_used() {
    let Some(cable) = Cable::lay() else { return };
    assert!(cable.plug("down"));
    let ends = [0, 1].map(|end| {
        cable.at(end, || async {
            let mut station = Station::start(on_network());
            station.up().await.binding
        })
    });
    std::thread::sleep(Duration::from_secs(1));
    assert!(cable.plug("up"));
    let [first, second] = ends.map(|end| end.join().unwrap());
    assert_eq!(first, second);
}

#[test]
fn attack_66_nothing_announced_after_a_rotation_was_announced_before() {
    let Some(cable) = Cable::lay() else { return };
    let ends_at = Instant::now() + Duration::from_secs(14);
    let watcher = cable.at(1, move || async move { watch_mdns(ends_at) });
    let neighbour = cable.at(1, move || async move {
        let mut station = Station::start(on_network());
        while Instant::now() < ends_at {
            station.event_within(Duration::from_millis(100)).await;
        }
    });
    let rotating = cable.at(0, move || async move {
        let mut station = Station::start(on_network());
        station.up().await;
        let (old, at) = (station.handle.ephemeral_id(), station.address().await);
        station.handle.rotate();
        station.down().await;
        let told = Instant::now();
        station.up().await;
        println!("rotation: linked again {:?} after the old link ended", told.elapsed());
        assert_ne!(station.address().await.port(), at.port());
        let new = station.handle.ephemeral_id();
        while Instant::now() < ends_at {
            station.event_within(Duration::from_millis(100)).await;
        }
        (old, new)
    });
    let (old, new) = rotating.join().unwrap();
    neighbour.join().unwrap();
    let packets = watcher.join().unwrap();
    let seen = |id: &str| {
        packets
            .iter()
            .enumerate()
            .filter(|(_, packet)| contains(packet, id))
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    let (before, after) = (seen(&old), seen(&new));
    assert!(!before.is_empty() && !after.is_empty(), "{} packets", packets.len());
    assert!(before.last() < after.first(), "{before:?} {after:?}");
}

/// Every mDNS packet that reaches this namespace, in order.
fn watch_mdns(until: Instant) -> Vec<Vec<u8>> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&SocketAddr::from(([0, 0, 0, 0], 5353)).into()).unwrap();
    socket.join_multicast_v4(&[224, 0, 0, 251].into(), &[10, 77, 0, 2].into()).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let socket = std::net::UdpSocket::from(socket);
    let (mut packets, mut buffer) = (Vec::new(), [0; 4096]);
    while Instant::now() < until {
        if let Ok((length, _)) = socket.recv_from(&mut buffer) {
            packets.push(buffer[..length].to_vec());
        }
    }
    packets
}

fn contains(packet: &[u8], text: &str) -> bool {
    packet.windows(text.len()).any(|window| window == text.as_bytes())
}
