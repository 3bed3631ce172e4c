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
    /// The most links that stood at a time.
    most: usize,
    frames: Vec<(LinkId, Vec<u8>)>,
    credit: BTreeMap<LinkId, u64>,
    ended: usize,
    /// Whether the radios worked, each time that was told.
    worked: Vec<bool>,
    /// How often another identity was told of.
    rotated: usize,
}

impl Node {
    fn new(air: &Air, config: BleConfig) -> Self {
        let (events, told) = mpsc::channel(256);
        let handle = Ble::start_seeded(config, vec![air.radio()], LinkIds::of(1), events, air.rng()).unwrap();
        Self {
            handle,
            events: told,
            up: BTreeMap::new(),
            most: 0,
            frames: Vec::new(),
            credit: BTreeMap::new(),
            ended: 0,
            worked: Vec::new(),
            rotated: 0,
        }
    }

    fn take(&mut self, event: TransportEvent) {
        match event {
            TransportEvent::Up { link, role, binding, profile } => {
                assert_eq!(profile.medium, Medium::Ble);
                assert!(self.up.insert(link, (role, binding)).is_none());
                self.most = self.most.max(self.up.len());
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
            TransportEvent::Radio { up, .. } => self.worked.push(up),
            TransportEvent::Rotated => self.rotated += 1,
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
    let (mut nodes, started) = (pair(air), Instant::now());
    assert!(until(&mut nodes, SECOND * 20, linked).await, "no link");
    println!("linked after {:?}", started.elapsed());
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

#[tokio::test(start_paused = true)]
async fn nodes_that_leave_and_come_back_mid_message_link_again_and_the_rest_of_the_air_is_unharmed() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    let old = nodes[0].link();
    nodes[0].send(Lane::Bulk, &[7; 60_000]);
    pass(&mut nodes, SECOND / 2).await;
    air.reach(0, 1, false);
    assert!(until(&mut nodes, SECOND * 3, |nodes| nodes.iter().all(|node| node.up.is_empty())).await);
    pass(&mut nodes, SECOND * 20).await;
    air.reach(0, 1, true);
    assert!(until(&mut nodes, SECOND * 30, linked).await, "no link again");
    assert_ne!(nodes[0].link(), old);
    nodes[0].send(Lane::Bulk, b"whole");
    assert!(until(&mut nodes, SECOND, |nodes| !nodes[1].frames.is_empty()).await);
    assert_eq!(nodes[1].got(), [b"whole"], "half a frame is no frame");
}

#[tokio::test(start_paused = true)]
async fn a_short_gap_is_repaired_below_the_link() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    let link = nodes[0].link();
    nodes[0].send(Lane::Bulk, &[7; 40_000]);
    pass(&mut nodes, SECOND / 5).await;
    air.weather(|weather| weather.loss = 100);
    pass(&mut nodes, SECOND * 5).await;
    air.weather(|weather| weather.loss = 0);
    assert!(until(&mut nodes, SECOND * 10, |nodes| !nodes[1].frames.is_empty()).await);
    assert_eq!(nodes[0].link(), link);
    assert!(nodes[0].adapter().links[0].values_repeated > 0, "the status tells of it");
}

#[tokio::test(start_paused = true)]
async fn a_minute_without_any_value_ends_the_link_and_a_new_one_comes_after_it() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    nodes[0].send(Lane::Control, b"lost");
    air.weather(|weather| weather.loss = 100);
    pass(&mut nodes, SECOND * 60).await;
    assert!(nodes[0].up.is_empty(), "nothing was acknowledged for so long");
    air.weather(|weather| weather.loss = 0);
    assert!(until(&mut nodes, SECOND * 90, linked).await, "no link again");
    nodes[0].send(Lane::Control, b"there");
    assert!(until(&mut nodes, SECOND, |nodes| nodes[1].got() == [b"there"]).await);
}

#[tokio::test(start_paused = true)]
async fn with_a_third_of_all_values_lost_and_all_in_disorder_frames_come_once_and_in_order() {
    let weather = Weather { loss: 33, jitter: Duration::from_millis(60), ..Weather::default() };
    let air = Air::new(weather);
    let mut nodes = linked_pair(&air).await;
    for number in 0..20_u8 {
        nodes[0].send(Lane::Bulk, &[number; 1_000]);
        nodes[1].send(Lane::Control, &[number; 100]);
    }
    let all = |nodes: &[Node]| nodes.iter().all(|node| node.frames.len() == 20);
    assert!(until(&mut nodes, SECOND * 120, all).await);
    for (node, length) in nodes.iter().zip([100, 1_000]) {
        let expected: Vec<_> = (0..20_u8).map(|number| vec![number; length]).collect();
        assert_eq!(node.got(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_switched_off_says_so_and_recovers_alone() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    assert_eq!(nodes[0].adapter().state, radio::RadioState::On);
    air.power(0, false);
    let down = |nodes: &[Node]| nodes.iter().all(|node| node.up.is_empty());
    assert!(until(&mut nodes, SECOND * 3, down).await);
    let adapter = nodes[0].adapter();
    assert_eq!(adapter.state, radio::RadioState::Off);
    assert!(!adapter.advertising && !adapter.scanning && adapter.links.is_empty());
    pass(&mut nodes, SECOND * 60).await;
    air.power(0, true);
    assert!(until(&mut nodes, SECOND * 30, linked).await, "no link again");
    assert!(nodes[0].adapter().advertising);
}

#[tokio::test(start_paused = true)]
async fn an_urgent_frame_passes_bulk_within_half_a_second() {
    for rate in [8_000, 20_000, 60_000, 400_000] {
        let air = Air::new(Weather { rate, ..Weather::default() });
        let mut nodes = linked_pair(&air).await;
        let bulk = usize::try_from(rate).unwrap();
        for _ in 0..4 {
            nodes[0].send(Lane::Bulk, &vec![7; bulk.min(60_000)]);
        }
        pass(&mut nodes, SECOND).await;
        let asked = Instant::now();
        nodes[0].send(Lane::Control, &[9; 200]);
        let came = |nodes: &[Node]| nodes[1].frames.iter().any(|(_, frame)| frame[0] == 9);
        assert!(until(&mut nodes, SECOND * 5, came).await);
        let waited = asked.elapsed();
        assert!(waited <= SECOND / 2, "{waited:?} at {rate} B/s");
    }
}

/// The share of the air's rate at which frames of 1,000 bytes cross, and how many of a hundred values were repeated.
async fn goodput(weather: Weather) -> (f64, f64) {
    let air = Air::new(weather);
    let mut nodes = linked_pair(&air).await;
    let frames = usize::try_from(weather.rate / 1_000).unwrap() * 5;
    for _ in 0..frames {
        nodes[0].send(Lane::Bulk, &[7; 1_000]);
    }
    let start = Instant::now();
    assert!(until(&mut nodes, SECOND * 120, |nodes| nodes[1].frames.len() == frames).await);
    let share = frames as f64 * 1_000.0 / start.elapsed().as_secs_f64() / weather.rate as f64;
    let link = nodes[0].adapter().links[0];
    let repeated = link.values_repeated as f64 * 100.0 / link.values_sent as f64;
    println!("{weather:?}: {share:.3} of the rate, {repeated:.1} % repeated, window {}", link.window);
    (share, repeated)
}

#[tokio::test(start_paused = true)]
async fn bulk_gets_most_of_what_the_air_carries() {
    let millis = Duration::from_millis;
    for rate in [8_000, 20_000, 60_000, 200_000] {
        let (share, repeated) = goodput(Weather { rate, ..Weather::default() }).await;
        assert!(share > 0.93 && repeated == 0.0, "{share} of {rate}, {repeated} % repeated");
        let slow = Weather { rate, latency: millis(50), ..Weather::default() };
        let (share, repeated) = goodput(slow).await;
        assert!(share > 0.85 && repeated == 0.0, "{share} of {rate} far away, {repeated} % repeated");
        let disorder = Weather { rate, jitter: millis(40), ..Weather::default() };
        let (share, repeated) = goodput(disorder).await;
        // At 200 kB/s 56 values are less than what is on its way.
        let least = if rate < 200_000 { 0.85 } else { 0.75 };
        assert!(share > least && repeated < 1.0, "{share} of {rate} in disorder, {repeated} % repeated");
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_twenty_links_up_and_nobody_has_more_links_than_allowed() {
    let air = Air::new(Weather { rate: 200_000, ..Weather::default() });
    let mut nodes: Vec<_> = (0..20).map(|_| Node::new(&air, BleConfig::default())).collect();
    let most = BleConfig::default().max_links;
    let bounded = |nodes: &[Node]| nodes.iter().all(|node| node.up.len() <= most);
    assert!(until(&mut nodes, SECOND * 60, |nodes| linked(nodes) && bounded(nodes)).await);
    for _ in 0..60 {
        pass(&mut nodes, SECOND).await;
        assert!(bounded(&nodes));
        assert!(
            (0..20).all(|number| air.connections(number) <= most + 1),
            "nor connections, but for a moment"
        );
    }
    let links: usize = nodes.iter().map(|node| node.up.len()).sum();
    let pairs: BTreeMap<_, usize> =
        nodes.iter().flat_map(|node| node.up.values()).fold(BTreeMap::new(), |mut pairs, (_, binding)| {
            *pairs.entry(*binding).or_default() += 1;
            pairs
        });
    assert!(pairs.values().all(|ends| *ends == 2), "every link has two ends");
    assert!(links >= 20 * 3, "{links} ends of links");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_left_alone_until_another_link_ends() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    let link = nodes[0].link();
    nodes[0].handle.close(link, CloseReason::Duplicate);
    assert!(until(&mut nodes, SECOND, |nodes| nodes.iter().all(|node| node.up.is_empty())).await);
    let connects = air.connects();
    pass(&mut nodes, SECOND * 120).await;
    assert_eq!(air.connects(), connects, "both ends know that none is needed");
    let elsewhere = LinkIds::of(0).next();
    nodes.iter().for_each(|node| node.handle.link_ended(elsewhere));
    assert!(until(&mut nodes, SECOND * 15, linked).await);
}

#[tokio::test(start_paused = true)]
async fn links_elsewhere_that_come_and_go_make_one_dial_a_minute() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    let (elsewhere, before) = (LinkIds::of(0), air.connects());
    for _ in 0..180 {
        for node in &nodes {
            node.up.keys().for_each(|link| node.handle.close(*link, CloseReason::Duplicate));
            node.handle.link_ended(elsewhere.next());
        }
        pass(&mut nodes, SECOND).await;
    }
    let dials = air.connects() - before;
    assert!((2..=8).contains(&dials), "{dials} in three minutes, by two nodes");
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_whose_better_link_ends_before_it_is_dialled_again_soon() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    let elsewhere = LinkIds::of(0);
    // Whoever was lonely lately has to wait for the next time.
    nodes.iter().for_each(|node| node.handle.link_ended(elsewhere.next()));
    pass(&mut nodes, SECOND * 5).await;
    for node in &nodes {
        node.handle.close(node.link(), CloseReason::Duplicate);
    }
    pass(&mut nodes, SECOND / 100).await;
    nodes.iter().for_each(|node| node.handle.link_ended(elsewhere.next()));
    assert!(until(&mut nodes, SECOND * 3, |nodes| nodes.iter().all(|node| node.up.is_empty())).await);
    assert!(until(&mut nodes, SECOND * 25, linked).await, "nothing else stands");
}

#[tokio::test(start_paused = true)]
async fn two_that_connect_to_one_another_at_once_keep_the_same_one_of_two_links() {
    for round in 0..10_u8 {
        let air = Air::new(Weather::default());
        let mut nodes = pair(&air);
        // The same payload: both leave it to the other first, and then dial at about the same time.
        let payload = vec![2 * round + 1; 6];
        nodes.iter().for_each(|node| node.handle.advertise(Medium::Ble, payload.clone(), [0; 8]));
        air.reach(0, 1, false);
        pass(&mut nodes, SECOND).await;
        air.reach(0, 1, true);
        assert!(until(&mut nodes, SECOND * 60, linked).await);
        pass(&mut nodes, SECOND * 5).await;
        let ends: Vec<_> = nodes.iter().map(|node| node.up[&node.link()].1).collect();
        assert_eq!(ends[0], ends[1]);
        assert_eq!((air.connections(0), air.connections(1)), (1, 1));
        // Else it would choose among them by a rule of its own, and might close the other one.
        assert_eq!((nodes[0].most, nodes[1].most), (1, 1));
        // Nobody is left alone for a link that is gone.
        air.reach(0, 1, false);
        assert!(until(&mut nodes, SECOND * 30, |nodes| nodes.iter().all(|node| node.up.is_empty())).await);
        air.reach(0, 1, true);
        assert!(until(&mut nodes, SECOND * 60, linked).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_tells_who_is_in_reach_how_strongly_and_how_the_links_are() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    air.set_rssi(1, -72);
    pass(&mut nodes, SECOND * 20).await;
    let adapter = nodes[0].adapter();
    assert_eq!((adapter.name.as_str(), adapter.heard.len(), adapter.links.len()), ("fake0", 1, 1));
    let (heard, link) = (adapter.heard[0], adapter.links[0]);
    assert!(heard.rssi.is_some_and(|rssi| rssi < -65) && heard.ago < SECOND, "{heard:?}");
    assert_eq!((link.link, link.max_value, link.pipe), (nodes[0].link(), 509, radio::Pipe::Gatt));
    assert!(link.round_trip.is_some_and(|trip| trip < SECOND / 2) && link.values_sent > 0, "{link:?}");
}

#[tokio::test(start_paused = true)]
async fn a_link_over_a_channel_works_like_any_other() {
    let air = Air::new(Weather { rate: 400_000, ..Weather::default() });
    let mut nodes = pair(&air);
    (0..2).for_each(|number| air.set_pipe(number, 509, radio::Pipe::Channel));
    assert!(until(&mut nodes, SECOND * 20, linked).await);
    nodes[0].send(Lane::Bulk, b"there");
    assert!(until(&mut nodes, SECOND, |nodes| nodes[1].got() == [b"there"]).await);
    assert_eq!(nodes[0].adapter().links[0].pipe, radio::Pipe::Channel);
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_that_broke_the_rules_is_shunned_for_ten_minutes() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    nodes[0].handle.close(nodes[0].link(), CloseReason::Faults);
    pass(&mut nodes, SECOND * 590).await;
    assert!(!linked(&nodes));
    assert!(until(&mut nodes, SECOND * 60, linked).await);
}

#[tokio::test(start_paused = true)]
async fn the_smallest_mtu_carries_links_and_the_longest_frames() {
    let air = Air::new(Weather { rate: 400_000, ..Weather::default() });
    let mut nodes = pair(&air);
    air.set_pipe(1, 18, radio::Pipe::Gatt);
    assert!(until(&mut nodes, SECOND * 20, linked).await);
    let longest = vec![7; mesh_core::link::MAX_FRAME];
    nodes[0].send(Lane::Bulk, &longest);
    assert!(until(&mut nodes, SECOND * 60, |nodes| !nodes[1].frames.is_empty()).await);
    assert_eq!(nodes[1].got(), [&longest[..]]);
}

#[tokio::test(start_paused = true)]
async fn nothing_on_the_air_is_the_same_before_and_after_a_rotation() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    let payload = [3, 1, 4, 1, 5, 9];
    nodes[0].handle.advertise(Medium::Ble, payload.to_vec(), [0; 8]);
    nodes[0].send(Lane::Control, b"before");
    pass(&mut nodes, SECOND * 5).await;
    assert_eq!(air.advert(0), Some(payload));
    let before = air.take_record();
    let old = nodes[0].up[&nodes[0].link()].1;
    nodes[0].handle.rotate();
    assert!(until(&mut nodes, SECOND * 5, |nodes| nodes[0].up.is_empty()).await);
    assert_eq!(air.advert(0), None, "silence lies between");
    assert_eq!((nodes[0].rotated, nodes[1].rotated), (1, 0), "the node is told, for what it shows itself");
    let _moment = air.take_record();
    assert!(until(&mut nodes, SECOND * 30, linked).await, "no link again");
    nodes[0].send(Lane::Control, b"after");
    pass(&mut nodes, SECOND * 5).await;
    assert_ne!(nodes[0].up[&nodes[0].link()].1, old);
    let after = air.take_record();
    let adverts = |record: &[(usize, Vec<u8>)]| {
        let own = record.iter().filter(|(from, bytes)| *from == 0 && bytes.len() == payload.len());
        own.map(|(_, bytes)| bytes.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(adverts(&before).is_disjoint(&adverts(&after)), "also where the node gave nothing new");
    let names = |record: &[(usize, Vec<u8>)]| {
        let values = record.iter().filter(|(_, bytes)| bytes.len() > payload.len());
        values.map(|(_, bytes)| [bytes[0], bytes[1]]).collect::<std::collections::BTreeSet<_>>()
    };
    assert!(names(&before).is_disjoint(&names(&after)), "a link has another name");
    assert_eq!(shared_runs(&before, &after), 0);
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_began_while_the_adapter_was_off_says_nothing_of_the_old_one_and_claims_no_radio() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    let payload = [3, 1, 4, 1, 5, 9];
    nodes[0].handle.advertise(Medium::Ble, payload.to_vec(), [0; 8]);
    pass(&mut nodes, SECOND * 5).await;
    assert_eq!(air.advert(0), Some(payload));
    air.power(0, false);
    pass(&mut nodes, SECOND).await;
    nodes[0].handle.rotate();
    pass(&mut nodes, SECOND * 10).await;
    assert_eq!(nodes[0].worked, [true, false], "the adapter is off");
    let _before = air.take_record();
    air.power(0, true);
    pass(&mut nodes, SECOND * 10).await;
    let adverts = air.take_record().into_iter().filter(|(from, bytes)| *from == 0 && bytes.len() == 6);
    let adverts: Vec<_> = adverts.map(|(_, bytes)| bytes).collect();
    assert!(!adverts.is_empty() && !adverts.contains(&payload.to_vec()));
    assert_eq!(nodes[0].worked.last(), Some(&true), "and the node is asked for another");
}

/// How many stretches of 8 bytes of payloads, in both records, are the same.
fn shared_runs(before: &[(usize, Vec<u8>)], after: &[(usize, Vec<u8>)]) -> usize {
    let runs = |record: &[(usize, Vec<u8>)]| {
        let payloads = record.iter().filter_map(|(_, bytes)| bytes.get(value::HEADER..));
        let runs = payloads.flat_map(|payload| payload.windows(8).map(<[u8]>::to_vec).collect::<Vec<_>>());
        runs.collect::<std::collections::BTreeSet<_>>()
    };
    runs(before).intersection(&runs(after)).count()
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_sends_what_waits_and_leaves_the_air() {
    let air = Air::new(Weather::default());
    let mut nodes = linked_pair(&air).await;
    nodes[0].send(Lane::Control, b"last");
    nodes[0].handle.shutdown().await;
    let down = |nodes: &[Node]| nodes[1].up.is_empty();
    assert!(until(&mut nodes, SECOND * 2, down).await);
    assert_eq!(nodes[1].got(), [b"last"]);
    assert_eq!((air.advert(0), air.connections(0)), (None, 0));
    assert_eq!(nodes[0].handle.link_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_too_busy_to_listen_is_waited_for_and_loses_nothing() {
    let air = Air::new(Weather { rate: 400_000, ..Weather::default() });
    let mut nodes = linked_pair(&air).await;
    for number in 0..1_000_u32 {
        nodes[0].send(Lane::Bulk, &number.to_le_bytes());
    }
    // Nobody takes the events of the second node.
    pass(&mut nodes[..1], SECOND * 20).await;
    assert!(nodes[0].up.len() == 1, "the link stands");
    assert!(until(&mut nodes, SECOND * 20, |nodes| nodes[1].frames.len() == 1_000).await);
    let got: Vec<_> =
        nodes[1].got().iter().map(|bytes| u32::from_le_bytes((*bytes).try_into().unwrap())).collect();
    assert!(got.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn two_radios_of_one_node_work_side_by_side() {
    let air = Air::new(Weather::default());
    let (events, told) = mpsc::channel(256);
    let config = BleConfig::default();
    let radios = vec![air.radio(), air.radio()];
    let handle = Ble::start_seeded(config, radios, LinkIds::of(1), events, air.rng()).unwrap();
    let both = Node {
        handle,
        events: told,
        up: BTreeMap::new(),
        most: 0,
        frames: Vec::new(),
        credit: BTreeMap::new(),
        ended: 0,
        worked: Vec::new(),
        rotated: 0,
    };
    // The two adapters do not hear one another; each hears one neighbour.
    let mut nodes = [both, Node::new(&air, BleConfig::default()), Node::new(&air, BleConfig::default())];
    for (a, b) in [(0, 1), (0, 3), (1, 2), (2, 3)] {
        air.reach(a, b, false);
    }
    assert!(until(&mut nodes, SECOND * 20, |nodes| nodes[0].up.len() == 2 && linked(nodes)).await);
    assert!(timeout(SECOND, nodes[0].handle.shutdown()).await.is_ok() || nodes[0].handle.link_count() == 0);
}
