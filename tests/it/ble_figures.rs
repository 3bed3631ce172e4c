//! Figures of Bluetooth in the lab, as docs/BENCHMARKS.md tells them. They fail where something does not work, not where it
//! is slow: the lab's processor is emulated.

use crate::ble_nodes::{FAST, TEXT, TEXTS, Walker, linked, row, until};
use crate::ble_pipe::{Lane, Pair};
use crate::ble_radio::pair;
use crate::ble_rig::{Lab, Scene, Station, air, play, say, trace};
use crate::ble_trace::traffic;
use starling::transport::ble::radio::{MAX_VALUES, RadioEvent, RadioOrder, Wire};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const SCENES: [(&str, Scene); 4] = [
    ("first messages to who comes into range", || Box::pin(async { first_messages() })),
    ("goodput over characteristics", || Box::pin(goodput(false))),
    ("goodput over a channel", || Box::pin(goodput(true))),
    ("calls for help while 64 KiB cross a line of four", || Box::pin(async { calls_over_a_line() })),
];

const TRACED: [(&str, Scene); 3] = [
    ("what a message of 100 bytes costs over characteristics", || Box::pin(message(false))),
    ("what a message of 100 bytes costs over a channel", || Box::pin(message(true))),
    ("what a link costs at rest", || Box::pin(async { at_rest() })),
];

#[test]
fn figures_of_bluetooth() {
    play(&lab("figures_of_bluetooth", 4, "", &FAST, false), &SCENES);
}

#[test]
fn figures_from_a_trace() {
    play(&lab("figures_from_a_trace", 2, "", &[], true), &TRACED);
}

#[test]
fn a_node_with_six_links_over_bluetooth_rests() {
    // At BlueZ's own pace of 1.28 s: seven that advertise every 100 ms are sixty reports a second for an emulated processor.
    let lab = lab("a_node_with_six_links_over_bluetooth_rests", 7, "0-1,0-2,0-3,0-4,0-5,0-6", &[], true);
    play(&lab, &[("a node with six links costs little", || Box::pin(async { six_links() }))]);
}

fn lab(test: &str, controllers: u32, range: &'static str, settings: Settings, trace: bool) -> Lab {
    Lab { test: format!("ble_figures::{test}"), controllers, range, settings, trace, limit: 560 }
}

type Settings = &'static [(&'static str, &'static str)];

/// The median and the value that 95 of a hundred do not exceed, by rank.
fn ranks(mut all: Vec<f64>) -> (f64, f64) {
    all.sort_by(f64::total_cmp);
    let rank = |share: usize| all[(all.len() * share).div_ceil(100) - 1];
    (rank(50), rank(95))
}

fn first_messages() {
    let (mut linked, mut delivered) = (Vec::new(), Vec::new());
    for round in 0..12 {
        air("range 2-3");
        let (asha, bo) = (Walker::new(0), Walker::new(1));
        asha.knows(&bo, "Bo");
        let id = asha.send("Bo", &format!("number {round}"));
        std::thread::sleep(Duration::from_secs(2));
        air("up 0 1");
        let started = Instant::now();
        until(90, "a link", || asha.links("ble") == 1);
        linked.push(started.elapsed().as_secs_f64());
        asha.deliver(&id, 90);
        delivered.push(started.elapsed().as_secs_f64());
    }
    let count = delivered.len();
    let (link, delivered) = (ranks(linked), ranks(delivered));
    say(&format!(
        "         {count} times, p50 and p95: linked {:.1} and {:.1} s after coming into range, delivered with receipt {:.1} and {:.1} s",
        link.0, link.1, delivered.0, delivered.1
    ));
}

/// Values of the bare transfer, each way.
const BARE: u32 = 800;
/// Frames of the pipe, each way, and their bytes.
const FRAMES: usize = 100;
const FRAME: usize = 4_000;

/// The bare radio and the whole pipe in turn, each way and both ways at once.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
async fn goodput(channels: bool) {
    air("range 0-1");
    let mut shares: [Vec<f64>; 3] = Default::default();
    for _ in 0..3 {
        let mut rates = [0.0; 3];
        let (mut hub, mut dialler) = (Station::on(0, channels).await, Station::on(1, channels).await);
        let (out, back) = pair(&mut hub, &mut dialler, [2; 6]).await;
        dialler.order(RadioOrder::Scan(false)).await;
        let mut ends = [dialler, hub];
        for (rate, counts) in rates.iter_mut().zip([[BARE, 0], [0, BARE], [BARE, BARE]]) {
            let (values, took) = bare(&mut ends, [out, back], counts).await;
            *rate = values as f64 * 509.0 / took / 1000.0;
            say(&format!("         bare {counts:?}: {values} came, {rate:.0} kB/s"));
        }
        for station in ends {
            station.off().await;
        }
        let mut linked = Pair::linked(channels).await;
        let dials = linked.0[0].status().role == mesh_core::Role::Dialer;
        for (number, mut counts) in [[FRAMES, 0], [0, FRAMES], [FRAMES, FRAMES]].into_iter().enumerate() {
            // The central first, as above.
            if !dials {
                counts.reverse();
            }
            let took = linked.carry(counts, FRAME).await;
            let rate = (counts[0] + counts[1]) as f64 * FRAME as f64 / took / 1000.0;
            let share = rate / rates[number];
            shares[number].push(share);
            say(&format!(
                "         pipe {number}: {rate:.0} kB/s, {share:.2} of the bare one; values sent, again: {:?}",
                linked.figures()
            ));
        }
        linked.off().await;
    }
    let [out, back, both] = shares.map(|share| ranks(share).0);
    say(&format!(
        "         shares of the bare transfer: central {out:.2}, peripheral {back:.2}, both at once {both:.2}"
    ));
}

/// Values as fast as the radios take them: how many came, and seconds until the last did.
async fn bare(ends: &mut [Station; 2], wires: [Wire; 2], counts: [u32; 2]) -> (u32, f64) {
    let (mut sent, mut free, mut came) = ([0; 2], [MAX_VALUES; 2], 0);
    let (started, mut last) = (Instant::now(), Duration::ZERO);
    while came < counts[0] + counts[1] {
        for side in 0..2 {
            while free[side] > 0 && sent[side] < counts[side] {
                let order = RadioOrder::Send { wire: wires[side], value: vec![7; 509], confirmed: false };
                ends[side].order(order).await;
                (sent[side], free[side]) = (sent[side] + 1, free[side] - 1);
            }
        }
        let [one, other] = &mut *ends;
        let (side, event) = tokio::select! {
            Some(event) = one.radio.events.recv() => (0, event),
            Some(event) = other.radio.events.recv() => (1, event),
            () = tokio::time::sleep(Duration::from_secs(3)) => break,
        };
        match event {
            RadioEvent::Taken { .. } => free[side] += 1,
            RadioEvent::Value { .. } => (came, last) = (came + 1, started.elapsed()),
            _ => {}
        }
    }
    (came, last.as_secs_f64())
}

/// Eight calls each way, one after the other, beside 64 KiB in texts.
fn calls_over_a_line() {
    let walkers = row(4);
    let [first, _, _, last] = &walkers[..] else { unreachable!() };
    linked(&walkers);
    first.knows(last, "Last");
    let id = first.send("Last", "the texts begin");
    first.deliver(&id, 90);
    let mut all = Vec::new();
    for (way, [from, to]) in [("with the texts", [first, last]), ("against them", [last, first])] {
        for number in 0..TEXTS {
            first.send("Last", &format!("{way} {number:02} {}", "x".repeat(TEXT)));
        }
        let took: Vec<_> = (0..8).map(|number| call(from, to, &format!("help {number} {way}"))).collect();
        let came = last.messages().iter().filter(|m| m["text"].as_str().unwrap().starts_with(way)).count();
        say(&format!("         {way}: {took:.2?} s; then {came} of {TEXTS} texts were there"));
        all.extend(took);
        let all_came = || {
            last.messages().iter().filter(|m| m["text"].as_str().unwrap().starts_with(way)).count() == TEXTS
        };
        until(240, "all texts", all_came);
    }
    let (p50, p95) = ranks(all);
    say(&format!(
        "         16 calls over 3 hops: p50 {p50:.2} s, p95 {p95:.2} s; for each hop {:.2} and {:.2} s",
        p50 / 3.0,
        p95 / 3.0
    ));
}

/// Seconds from a call for help until the other end shows it.
fn call(from: &Walker, to: &Walker, text: &str) -> f64 {
    let started = Instant::now();
    from.post("/v1/beacons", &serde_json::json!({ "kind": "sos", "text": text }));
    loop {
        let beacons = to.ask("/v1/beacons");
        if beacons.as_array().unwrap().iter().any(|beacon| beacon["text"] == text) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = started.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_millis(500));
    took
}

/// Messages for [`message`].
const MESSAGES: u64 = 50;

/// One frame of 100 bytes after the other, so far apart that nothing shares a value with anything.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
async fn message(channels: bool) {
    let mut linked = Pair::linked(channels).await;
    linked.pass(Duration::from_secs(2)).await;
    let (before, values) = (sum(&traffic(&trace())), linked.figures());
    for number in 0..u8::try_from(MESSAGES).unwrap() {
        linked.0[0].send(Lane::Control, vec![number; 100]);
        linked.pass(Duration::from_millis(400)).await;
    }
    linked.pass(Duration::from_secs(1)).await;
    assert_eq!(linked.0[1].frames.len(), 50);
    let after = sum(&traffic(&trace()));
    let (packets, bytes) = ((after.0 - before.0) as f64 / 50.0, (after.1 - before.1) as f64 / 50.0);
    say(&format!(
        "         a frame of 100 bytes: {packets:.2} packets and {bytes:.1} bytes of L2CAP both ways, acknowledgements among them; values {values:?} then {:?}",
        linked.figures()
    ));
    linked.off().await;
}

/// Packets and bytes of all adapters.
fn sum(traffic: &BTreeMap<u32, (u64, u64)>) -> (u64, u64) {
    traffic.values().fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
}

/// Seconds of rest that are looked at.
const REST: u64 = 120;

fn at_rest() {
    let walkers = row(2);
    linked(&walkers);
    rest(&walkers[0], 0);
}

fn six_links() {
    let started = Instant::now();
    let walkers: Vec<_> = (0..7).map(Walker::new).collect();
    until(240, "six links", || walkers[0].links("ble") == 6);
    say(&format!("         six links after {:.0} s", started.elapsed().as_secs_f64()));
    rest(&walkers[0], 0);
}

/// What a node costs once the comparisons with its neighbours have come to an end, and what its adapter sends.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn rest(walker: &Walker, adapter: u32) {
    std::thread::sleep(Duration::from_secs(20));
    let pid = walker.node.pid();
    let sent = || traffic(&trace()).get(&adapter).copied().unwrap_or_default();
    let (before, air_before, started) = (Cost::of(pid), sent(), Instant::now());
    std::thread::sleep(Duration::from_secs(REST));
    let (after, took) = (Cost::of(pid), started.elapsed().as_secs_f64());
    let air_after = sent();
    for (thread, (cpu, wakes)) in &after.threads {
        let (cpu_before, wakes_before) = before.threads.get(thread).copied().unwrap_or_default();
        let (cpu, wakes) = (cpu - cpu_before, wakes - wakes_before);
        if cpu + wakes > 0.0 {
            say(&format!("         {thread}: {cpu:.2} s, {:.2} wakeups a second", wakes / took));
        }
    }
    let total =
        |cost: &Cost| cost.threads.values().fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    let ((cpu, wakes), (cpu_before, wakes_before)) = (total(&after), total(&before));
    let packets = air_after.0 - air_before.0;
    let bytes = air_after.1 - air_before.1;
    say(&format!(
        "         at rest with {} links for {took:.0} s: {:.2} % of a core (emulated), {:.2} wakeups a second, {} kB resident, of which {} kB are no file; {packets} packets of {bytes} bytes sent, {:.3} % of the time on the air at 1 Mbit/s",
        walker.links("ble"),
        (cpu - cpu_before) * 100.0 / took,
        (wakes - wakes_before) / took,
        after.resident,
        after.own,
        // 14 bytes around each packet.
        (bytes + 14 * packets) as f64 * 8.0 / 1e6 * 100.0 / took
    ));
    assert!(after.resident < 200_000, "{} kB", after.resident);
}

/// What a process has used up.
struct Cost {
    /// Seconds and voluntary switches by thread.
    threads: BTreeMap<String, (f64, f64)>,
    /// Kilobytes.
    resident: u64,
    /// The same without what is mapped from files: the program itself.
    own: u64,
}

impl Cost {
    fn of(pid: u32) -> Self {
        let mut threads: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let Some((name, fields)) = stat.rsplit_once(')') else { continue };
            let fields: Vec<_> = fields.split_whitespace().collect();
            let ticks = |at: usize| fields[at].parse::<f64>().unwrap();
            let name = name.split_once('(').map_or("", |(_, name)| name);
            let wakes = number(&task.path().join("status"), "voluntary_ctxt_switches:");
            let thread = threads.entry(name.to_owned()).or_default();
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            let wakes = wakes as f64;
            *thread = (thread.0 + (ticks(11) + ticks(12)) / 100.0, thread.1 + wakes);
        }
        let status = std::path::PathBuf::from(format!("/proc/{pid}/status"));
        Self { threads, resident: number(&status, "VmRSS:"), own: number(&status, "RssAnon:") }
    }
}

/// The number behind a word at the beginning of a line.
fn number(file: &std::path::Path, word: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(word));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
