//! Whoever listens to a network cannot tell from what is said there that two ephemeral identities are one device.
//!
//! A device rotates while its traffic is captured: mDNS and TCP from the cable, beacons from its loopback. Everything
//! above IP is cut into what was said under each identity, and no string of 4 or more bytes may stand under two of
//! them. Excepted are [`WORDS`], which every device says, and addresses. Random bytes agree now and then; the rules in
//! [`Report::assert_unlinked`] tell chance from a link. Port numbers in TCP and UDP headers are addresses too; no
//! rotation keeps them. The local API on the loopback is no part of a network and is left out.

use crate::cli_rig::Person;
use crate::proof_pcap::{Capture, Datagram, Stream, Traffic};
use crate::proof_rig::{self as rig, Places, soon};
use libp2p::PeerId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::{Duration, Instant};

/// The UDP port of mDNS.
const MDNS: u16 = 5353;
/// The UDP port of the loopback beacon.
const BEACON: u16 = 28_517;
/// Where a beacon holds its PeerId, after `starling`, version and port.
const BEACON_PEER: usize = 11;
/// Chance agreements of 4 bytes that are allowed are the expected number, so many deviations more, and a few.
const DEVIATIONS: f64 = 6.0;

/// What protocols put into every device's mouth. Nothing here differs between devices.
const WORDS: &[&[u8]] = &[
    // multistream-select: which protocol, which version.
    b"\x13/multistream/1.0.0\n",
    b"\x07/noise\n",
    // mDNS: the service of all libp2p programs, as a question and an answer (type PTR, class IN).
    b"\x04_p2p\x04_udp\x05local\x00\x00\x0c\x00\x01",
    b"\x09_services\x07_dns-sd\x04_udp\x05local\x00\x00\x0c",
    b"\x04_p2p\x04_udp\x05local\x00",
    // mDNS: the time to live that every node uses, 20 seconds; and type TXT, class IN, before it.
    b"\x00\x00\x10\x80\x01\x00\x00\x00\x14",
    b"\x00\x00\x00\x14",
    // mDNS: an address in libp2p's text form, and how the PeerId of every Ed25519 key begins.
    b"dnsaddr=",
    b"/ip4/",
    b"/ip6/",
    b"/tcp/",
    b"/p2p/12D3KooW",
    // The beacon's name and version, and how every Ed25519 PeerId begins in bytes.
    b"starling\x01",
    b"\x00\x24\x08\x01\x12\x20",
];

/// What was said under one identity, without the words.
#[derive(Clone, Debug, Default)]
struct Epoch {
    /// Pieces of datagrams, with where they stand.
    spoken: Vec<(usize, Vec<u8>)>,
    /// Pieces of TCP streams, with where they stand.
    streamed: Vec<(usize, Vec<u8>)>,
}

impl Epoch {
    fn add_datagram(&mut self, datagram: &Datagram, words: &[Vec<u8>]) {
        let mut payload = datagram.payload.clone();
        if datagram.to.port() == MDNS {
            // Flags and counts of a DNS header: its shape. The number before them, 2 bytes, is random or an echo.
            drop(payload.drain(2..12));
        }
        self.spoken.extend(pieces(&payload, words));
    }

    fn add_stream(&mut self, stream: &Stream, words: &[Vec<u8>]) {
        self.streamed.extend(pieces(&stream.bytes, words));
    }

    fn bytes(&self) -> usize {
        self.spoken.iter().chain(&self.streamed).map(|(_, piece)| piece.len()).sum()
    }
}

/// What lies between the words, of 4 bytes or more, and where.
fn pieces(bytes: &[u8], words: &[Vec<u8>]) -> Vec<(usize, Vec<u8>)> {
    let (mut found, mut from, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        match words.iter().find(|word| bytes[at..].starts_with(word)) {
            Some(word) => {
                found.push((from, bytes[from..at].to_vec()));
                at += word.len();
                from = at;
            }
            None => at += 1,
        }
    }
    found.push((from, bytes[from..].to_vec()));
    found.retain(|(_, piece)| piece.len() >= 4);
    found
}

/// Which strings of `N` bytes stand under more than one identity, and under which.
fn repeated<const N: usize>(epochs: &[Epoch]) -> BTreeMap<[u8; N], BTreeSet<usize>> {
    let mut holders: BTreeMap<[u8; N], BTreeSet<usize>> = BTreeMap::new();
    for (n, epoch) in epochs.iter().enumerate() {
        for (_, piece) in epoch.spoken.iter().chain(&epoch.streamed) {
            for window in piece.windows(N) {
                holders.entry(window.try_into().unwrap()).or_default().insert(n);
            }
        }
    }
    holders.retain(|_, epochs| epochs.len() > 1);
    holders
}

/// What speaks for a link between identities.
#[derive(Debug)]
struct Report {
    /// 6 bytes and more under two identities: chance makes one in some thousand runs.
    long: Vec<String>,
    /// 4 bytes under three identities: as rare.
    thrice: Vec<String>,
    /// 4 bytes at the same place of a stream or a datagram: one in some thousand runs.
    same_place: Vec<String>,
    /// 4 bytes under two identities, anywhere.
    pairs: usize,
    /// How many of these chance makes.
    expected: f64,
}

impl Report {
    fn new(epochs: &[Epoch]) -> Self {
        let four = repeated::<4>(epochs);
        let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
        Self {
            long: repeated::<6>(epochs).keys().map(|bytes| show(bytes)).collect(),
            thrice: four.iter().filter(|(_, n)| n.len() > 2).map(|(bytes, _)| show(bytes)).collect(),
            same_place: same_places(epochs).iter().map(|bytes| show(bytes)).collect(),
            pairs: four.len(),
            expected: expected(epochs),
        }
    }

    /// Fails where something stands under two identities that chance does not explain.
    #[track_caller]
    fn assert_unlinked(&self) {
        assert!(self.long.is_empty() && self.thrice.is_empty() && self.same_place.is_empty(), "{self:#?}");
        let most = self.expected + DEVIATIONS * self.expected.sqrt() + 4.0;
        assert!((self.pairs as f64) < most, "more than chance: {self:#?}");
    }
}

/// Strings of 4 bytes of streams that stand at the same place under two identities.
fn same_places(epochs: &[Epoch]) -> BTreeSet<[u8; 4]> {
    let mut holders: BTreeMap<(usize, [u8; 4]), usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (n, epoch) in epochs.iter().enumerate() {
        for (at, piece) in &epoch.streamed {
            for (offset, window) in piece.windows(4).enumerate() {
                let window: [u8; 4] = window.try_into().unwrap();
                if *holders.entry((at + offset, window)).or_insert(n) != n {
                    found.insert(window);
                }
            }
        }
    }
    found
}

/// How many strings of 4 bytes agree by chance: streams are random bytes, datagrams random letters and digits.
fn expected(epochs: &[Epoch]) -> f64 {
    let windows = |pieces: &[(usize, Vec<u8>)]| {
        let all = pieces.iter().flat_map(|(_, piece)| piece.windows(4));
        all.collect::<BTreeSet<_>>().len() as f64
    };
    let counts: Vec<[f64; 2]> =
        epochs.iter().map(|epoch| [windows(&epoch.spoken), windows(&epoch.streamed)]).collect();
    let mut sum = 0.0;
    for (n, one) in counts.iter().enumerate() {
        for other in &counts[n + 1..] {
            sum += one[0] * other[0] / 62_f64.powi(4);
            sum += (one[1] * other[1] + one[0] * other[1] + one[1] * other[0]) / 256_f64.powi(4);
        }
    }
    sum
}

/// What a device calls itself for a while.
struct Identity {
    /// When it was first said on the loopback, in microseconds.
    at: u64,
    peer: PeerId,
}

impl Identity {
    /// Whether `payload` names it, in bytes or as text.
    fn stands_in(&self, payload: &[u8]) -> bool {
        let holds = |name: &[u8]| payload.windows(name.len()).any(|window| window == name);
        holds(&self.peer.to_bytes()) || holds(self.peer.to_base58().as_bytes())
    }
}

/// The identities that were said on the loopback, in order.
fn identities(loopback: &Traffic) -> Vec<Identity> {
    let mut seen: Vec<Identity> = Vec::new();
    for datagram in loopback.datagrams.iter().filter(|datagram| datagram.to.port() == BEACON) {
        let peer = PeerId::from_bytes(&datagram.payload[BEACON_PEER..]).unwrap();
        if seen.iter().all(|known| known.peer != peer) {
            seen.push(Identity { at: datagram.at, peer });
        }
    }
    seen
}

/// Cuts what was captured of the device at `own` into its identities.
fn cut(wire: &Traffic, loopback: &Traffic, own: IpAddr, words: &[Vec<u8>]) -> Vec<Epoch> {
    let identities = identities(loopback);
    let mut epochs = vec![Epoch::default(); identities.len()];
    // An identity's first connection may be a moment ahead of its first beacon; the one before is silent by then.
    let begun = |identity: &&Identity, at: u64| identity.at <= at + 200_000;
    let epoch_at = |at: u64| identities.iter().filter(|one| begun(one, at)).count().saturating_sub(1);
    let beacons = loopback.datagrams.iter().filter(|datagram| datagram.to.port() == BEACON);
    for datagram in wire.datagrams.iter().filter(|datagram| is_from(datagram, own)).chain(beacons) {
        // What names an identity is said under it, whatever the clock tells; what names two of them is a link.
        let named = identities.iter().enumerate().filter(|(_, one)| one.stands_in(&datagram.payload));
        let mut under: Vec<usize> = named.map(|(n, _)| n).collect();
        if under.is_empty() {
            under.push(epoch_at(datagram.at));
        }
        for n in under {
            epochs[n].add_datagram(datagram, words);
        }
    }
    for stream in &wire.streams {
        // Both directions: what the neighbour says to one identity must not come again to the next.
        epochs[epoch_at(stream.at)].add_stream(stream, words);
    }
    epochs
}

fn is_from(datagram: &Datagram, own: IpAddr) -> bool {
    datagram.from.ip() == own || (datagram.from.ip().is_ipv6() && own.is_ipv6())
}

/// The words, and the addresses of both ends as texts.
fn words(places: &Places) -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    for address in places.addresses(0).into_iter().chain(places.addresses(1)) {
        words.push(format!("/ip4/{address}").into_bytes());
        words.push(format!("/ip6/{address}").into_bytes());
    }
    words.extend(WORDS.iter().map(|word| word.to_vec()));
    // The longest first: none hides behind its own beginning.
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words
}

fn read(file: &Path) -> Traffic {
    std::fs::read(file).map(|bytes| Traffic::read(&bytes)).unwrap_or_default()
}

#[test]
fn nothing_on_the_air_links_the_identities_of_a_device_that_rotates() {
    let Some(places) = Places::new::<2>() else { return };
    places.join(79, 0, 1);
    let (start, rotations) = (Instant::now(), rig::extent(3, 6));
    let files = tempfile::tempdir().unwrap();
    let [cable, air] = ["cable", "air"].map(|name| files.path().join(name));
    let captures =
        [Capture::start(places.name(1), "wire79", &cable), Capture::start(places.name(0), "lo", &air)];
    let asha = Person::nobody().within(places.name(0)).named("Asha");
    let bo = Person::nobody().within(places.name(1)).named("Bo");
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    bo.run(&["add", &asha.link(), "--name", "Asha", "--json"]).one();
    let _there = bo.launch(&[]);
    let _here = asha.launch(&["--rotate-every", "3s"]);
    let mut sent = 0;
    for seen in 0..=rotations {
        let rotated = || identities(&read(&air)).len() > seen;
        assert!(soon(Duration::from_secs(60), rotated), "no rotation {seen}");
        for (from, to) in [(&asha, "Bo"), (&bo, "Asha")] {
            from.run(&["send", to, &format!("under identity {seen}"), "--json"]).one();
            sent += 1;
        }
        let linked = || !bo.run(&["peers", "--json"]).json().is_empty();
        assert!(soon(Duration::from_secs(60), linked), "no link under identity {seen}");
    }
    let arrived = || rig::texts(&asha, "Bo", false).len() + rig::texts(&bo, "Asha", false).len() == sent;
    assert!(soon(Duration::from_secs(60), arrived), "messages cross as identities change");
    let [wire, loopback] = captures.map(|capture| Traffic::read(&capture.stop()));
    let own = IpAddr::V4(Ipv4Addr::new(10, 79, 0, 1));
    let epochs = cut(&wire, &loopback, own, &words(&places));
    let bytes: Vec<usize> = epochs.iter().map(Epoch::bytes).collect();
    let report = Report::new(&epochs);
    println!(
        "{} identities, {:.0} s, load {}: {} datagrams, {} streams, bytes under each {bytes:?}; {} strings of 4 \
         under two, {:.2} expected by chance",
        epochs.len(),
        start.elapsed().as_secs_f64(),
        rig::load(),
        wire.datagrams.len() + loopback.datagrams.len(),
        wire.streams.len(),
        report.pairs,
        report.expected
    );
    assert!(epochs.len() > rotations);
    assert!(epochs[..rotations].iter().all(|e| !e.spoken.is_empty() && !e.streamed.is_empty()), "{bytes:?}");
    report.assert_unlinked();
    // Without the words the same look finds what every device says: it is not blind.
    let plain = Report::new(&cut(&wire, &loopback, own, &[]));
    assert!(plain.long.iter().any(|text| text.contains("noise")) && !plain.same_place.is_empty());
}

#[test]
fn four_bytes_at_the_same_place_of_two_identities_are_a_link() {
    let epoch = |bytes: &[u8]| Epoch { spoken: Vec::new(), streamed: vec![(40, bytes.to_vec())] };
    let report = Report::new(&[epoch(b"abcd1234efgh"), epoch(b"ijkl1234mnop")]);
    assert_eq!(report.same_place, ["1234"]);
    let apart = Report::new(&[epoch(b"abcd1234efgh"), epoch(b"1234mnop")]);
    assert_eq!((apart.same_place.len(), apart.pairs), (0, 1));
    Report::new(&[epoch(b"abcdefgh"), epoch(b"ijklmnop")]).assert_unlinked();
}

/// A beacon of `peer` on the loopback.
fn beacon(at: u64, peer: PeerId) -> Datagram {
    let [from, to] = [0, BEACON].map(|port| (Ipv4Addr::LOCALHOST, port).into());
    Datagram { at, from, to, payload: [&b"starling\x01\x10\x20"[..], &peer.to_bytes()].concat() }
}

#[test]
fn a_last_word_right_before_the_next_identity_is_no_link_and_one_that_names_both_is() {
    let [old, new] = [PeerId::random(), PeerId::random()];
    let own = IpAddr::V4(Ipv4Addr::new(10, 79, 0, 1));
    let words: Vec<Vec<u8>> = WORDS.iter().map(|word| word.to_vec()).collect();
    let second = 1_000_000;
    let datagrams = vec![beacon(second, old), beacon(3 * second - 50_000, old), beacon(3 * second, new)];
    let mut loopback = Traffic { datagrams, ..Traffic::default() };
    Report::new(&cut(&Traffic::default(), &loopback, own, &words)).assert_unlinked();
    let mut both = beacon(3 * second + 10, new);
    both.payload.extend(old.to_bytes());
    loopback.datagrams.push(Datagram {
        to: (Ipv4Addr::LOCALHOST, MDNS).into(),
        from: (own, MDNS).into(),
        ..both
    });
    let wire = Traffic { datagrams: loopback.datagrams.split_off(3), ..Traffic::default() };
    assert!(!Report::new(&cut(&wire, &loopback, own, &words)).long.is_empty());
}
