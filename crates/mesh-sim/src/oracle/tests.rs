use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;

use super::*;

const HOUR: u64 = 3_600_000;

/// A world in seconds, as small as a flood by hand can bear.
fn small_worlds() -> impl Strategy<Value = (u32, Vec<Contact>)> {
    let contact = (0_u64..60, 1_u64..15, 0_u32..8, 0_u32..7);
    prop::collection::vec(contact, 1..30).prop_map(|spans| {
        let mut contacts: Vec<Contact> = Vec::new();
        for (start, long, a, b) in spans {
            let b = if b >= a { b + 1 } else { b };
            let new = Contact { start: start * 1000, end: (start + long) * 1000, a: a.min(b), b: a.max(b) };
            let overlaps = |old: &Contact| {
                (old.a, old.b) == (new.a, new.b) && old.start < new.end && new.start < old.end
            };
            if !contacts.iter().any(overlaps) {
                contacts.push(new);
            }
        }
        (8, contacts)
    })
}

/// A flood second by second: all who have the message start to hand it over in every second of every contact.
/// One entry per number of hops allowed.
fn flood(nodes: u32, contacts: &[Contact], from: u32, at: u64, delay: u64, hops: usize) -> Vec<Vec<u64>> {
    let mut have = vec![vec![u64::MAX; nodes as usize]; hops + 1];
    have.iter_mut().for_each(|have| have[from as usize] = at);
    for second in (at..=80_000).step_by(1000) {
        let mut changed = true;
        while changed {
            changed = false;
            for contact in contacts.iter().filter(|contact| contact.start <= second && second < contact.end) {
                let there = second + delay;
                if there > contact.end || (delay == 0 && there == contact.end) {
                    continue;
                }
                for (giver, taker) in [(contact.a, contact.b), (contact.b, contact.a)] {
                    for hop in 0..hops {
                        if have[hop][giver as usize] <= second && there < have[hop + 1][taker as usize] {
                            have[hop + 1..].iter_mut().for_each(|have| {
                                have[taker as usize] = have[taker as usize].min(there);
                            });
                            changed = true;
                        }
                    }
                }
            }
        }
    }
    have
}

proptest! {
    #[test]
    fn the_oracle_agrees_with_a_flood_by_hand((nodes, contacts) in small_worlds(), at in 0_u64..50, delay in 0_u64..4, from in 0_u32..8) {
        let oracle = Oracle::over(nodes, &contacts);
        let by_hand = flood(nodes, &contacts, from, at * 1000, delay * 1000, 8);
        let reach = oracle.reach(from, at * 1000, Crossing::delayed(delay * 1000));
        for (node, found) in reach.iter().enumerate() {
            prop_assert_eq!(found.unwrap_or(u64::MAX), by_hand[8][node]);
        }
        for to in (0..nodes).filter(|to| *to != from) {
            let draw = Draw { from, to, at: at * 1000 };
            let limits: Vec<u32> = (1..=8).collect();
            let found = oracle.arrival_within_hops(&draw, Crossing::delayed(delay * 1000), &limits);
            let expected: Vec<u64> = (1..=8).map(|hops| by_hand[hops][to as usize]).collect();
            let found: Vec<u64> = found.into_iter().map(|at| at.unwrap_or(u64::MAX)).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_deadline_changes_nothing_but_what_comes_after_it((nodes, contacts) in small_worlds(), at in 0_u64..50, ttl in 0_u64..40, delay in 0_u64..3) {
        let oracle = Oracle::over(nodes, &contacts);
        let (at, ttl, crossing) = (at * 1000, ttl * 1000, Crossing::delayed(delay * 1000));
        let reach = oracle.reach(0, at, crossing);
        for to in 1..nodes {
            let expected = reach[to as usize].filter(|there| *there <= at + ttl);
            prop_assert_eq!(oracle.arrival(&Draw { from: 0, to, at }, crossing, at + ttl), expected);
        }
    }
}

#[test]
fn a_transfer_takes_its_time_within_one_contact() {
    let contacts =
        [Contact { start: 0, end: 10_000, a: 0, b: 1 }, Contact { start: 20_000, end: 30_000, a: 1, b: 2 }];
    let oracle = Oracle::over(3, &contacts);
    let reach = |crossing| oracle.reach(0, 1_000, crossing);
    // 50 kB at 10 kB/s take five seconds, and the hop one more.
    assert_eq!(reach(Crossing::carrying(1_000, 50_000, 10_000)), [Some(1_000), Some(7_000), Some(26_000)]);
    assert_eq!(reach(Crossing::carrying(0, 90_000, 10_000)), [Some(1_000), Some(10_000), Some(29_000)]);
    assert_eq!(reach(Crossing::carrying(0, 90_010, 10_000)), [Some(1_000), None, None]);
}

#[test]
fn the_instant_of_an_end_belongs_to_a_delayed_crossing_alone() {
    let oracle = Oracle::over(2, &[Contact { start: 0, end: 10_000, a: 0, b: 1 }]);
    assert_eq!(oracle.reach(0, 10_000, Crossing::INSTANT)[1], None);
    assert_eq!(oracle.reach(0, 9_000, Crossing::delayed(1_000))[1], Some(10_000));
}

#[test]
fn overlapping_sightings_of_one_pair_are_one_contact() {
    let contacts =
        [Contact { start: 0, end: 50_000, a: 0, b: 1 }, Contact { start: 10_000, end: 20_000, a: 0, b: 1 }];
    assert_eq!(Oracle::over(2, &contacts).reach(0, 30_000, Crossing::INSTANT)[1], Some(30_000));
}

#[test]
fn nothing_is_drawn_where_nobody_can_write() {
    let oracle = Oracle::over(3, &[Contact { start: 50_000, end: 60_000, a: 0, b: 1 }]);
    assert!(
        oracle.draws(1, 5, 40_000, Creation::Active).is_empty(),
        "the first contact begins after the window"
    );
    assert!(oracle.draws(1, 5, 0, Creation::Uniform).is_empty());
    assert_eq!(oracle.draws(1, 5, 40_000, Creation::Uniform).len(), 5);
}

#[test]
fn percentiles_are_the_nearest_values() {
    assert_eq!(percentile(&[], 0.5), None);
    assert_eq!(percentile(&[1, 2, 3, 4], 0.5), Some(3));
    assert_eq!(percentile(&[1, 2, 3, 4, 5], 0.9), Some(5));
}

/// The measured traces, where the checkout stands beside them.
fn shared(name: &str) -> Option<PathBuf> {
    let beside = |folder: &Path| folder.join("shared/traces").join(name);
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(beside).find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: {name} is not beside this checkout (looked for shared/traces above it)");
    }
    found
}

/// Hop delay in seconds, then uniform 1, 6, 24 h and active 1, 6, 24 h, as the reference program printed them
/// for seed 7 and 100 messages.
const SFHH: [(u64, [f64; 6]); 2] =
    [(0, [0.070, 0.490, 0.970, 0.440, 0.800, 0.990]), (10, [0.070, 0.490, 0.970, 0.440, 0.800, 0.990])];

/// The same for seed 42 and 1,000 messages.
const SFHH_1000: [(u64, [f64; 6]); 2] =
    [(0, [0.111, 0.405, 0.962, 0.479, 0.810, 0.986]), (10, [0.110, 0.404, 0.962, 0.477, 0.810, 0.986])];

fn conference(path: &Path, seed: u64, count: usize, expected: &[(u64, [f64; 6])]) {
    let trace = Trace::parse("sfhh2009.txt", &std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(trace.notes.is_empty(), "{:?}", trace.notes);
    let oracle = Oracle::new(&trace);
    for (delay, ratios) in expected {
        for (at, ratio) in ratios.iter().enumerate() {
            let creation = if at < 3 { Creation::Uniform } else { Creation::Active };
            let ttl = [1, 6, 24][at % 3] * HOUR;
            let draws = oracle.draws(seed, count, oracle.end() - ttl, creation);
            let found = oracle.foresee(&draws, Crossing::delayed(delay * 1000), ttl).ratio();
            assert!(
                (found - ratio).abs() < 1e-9,
                "{creation:?} {ttl} ms, {delay} s a hop: {found}, not {ratio}"
            );
        }
    }
}

#[test]
fn the_figures_of_the_conference_are_those_of_the_reference_program() {
    let Some(path) = shared("sfhh2009.txt") else { return };
    conference(&path, 7, 100, &SFHH);
    // Twelve thousand searches take their time unless they are compiled for it.
    let thousand = if cfg!(debug_assertions) { &SFHH_1000[1..] } else { &SFHH_1000[..] };
    conference(&path, 42, 1000, thousand);
}

#[test]
fn the_reference_program_prints_the_same_figures_for_any_trace() {
    let Some(source) = shared("oracle.rs") else { return };
    let folder = std::env::temp_dir().join(format!("starling-oracle-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (program, file) = (folder.join("oracle"), folder.join("trace.txt"));
    let built = Command::new("rustc").args(["--edition=2021", "-o"]).arg(&program).arg(&source).output();
    if !built.is_ok_and(|built| built.status.success()) {
        eprintln!("skipped: the reference program was not compiled");
        return;
    }
    let trace = pseudo_random_trace();
    std::fs::write(&file, trace.write(&[])).unwrap();
    let oracle = Oracle::new(&trace);
    for (delay, seed) in [("0", 42), ("10", 42), ("30", 5)] {
        let output =
            Command::new(&program).arg(&file).args([delay, &seed.to_string(), "200"]).output().unwrap();
        let expected = String::from_utf8(output.stdout).unwrap();
        assert_eq!(figures(&oracle, delay.parse().unwrap(), seed, 200), expected.trim(), "hop delay {delay}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// 12 nodes over 30 hours, some of them seldom.
fn pseudo_random_trace() -> Trace {
    let mut state = 1_u64;
    let mut next = |bound: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut contacts = Vec::new();
    for slot in 0..360_u64 {
        let (a, b) = (next(12) as u32, next(12) as u32);
        let start = slot * 300 + next(100);
        if a != b {
            contacts.push(Contact {
                start: start * 1000,
                end: (start + 1 + next(200)) * 1000,
                a: a.min(b),
                b: a.max(b),
            });
        }
    }
    Trace { nodes: 12, contacts, notes: Vec::new() }
}

/// The line that the reference program prints.
fn figures(oracle: &Oracle, delay: u64, seed: u64, count: usize) -> String {
    let crossing = Crossing::delayed(delay * 1000);
    let end = oracle.end();
    let mut line = format!("trace\t{}\t{:.1}\t{delay}", oracle.nodes(), end as f64 / HOUR as f64);
    for creation in [Creation::Uniform, Creation::Active] {
        for ttl in [HOUR, 6 * HOUR, 24 * HOUR] {
            let draws = oracle.draws(seed, count, end.saturating_sub(ttl), creation);
            let ratio = oracle.foresee(&draws, crossing, ttl).ratio();
            line += &if draws.len() < count { "\tn/a".to_owned() } else { format!("\t{ratio:.3}") };
        }
    }
    for creation in [Creation::Uniform, Creation::Active] {
        let foresight = oracle.foresee(&oracle.draws(seed, count, end, creation), crossing, u64::MAX);
        line += &format!("\t{:.3}", foresight.ratio());
        for at in [0.5, 0.9, 0.99] {
            line += &format!("\t{:.1}", foresight.delay_s(at).unwrap() / 60.0);
        }
    }
    let ttl = (6 * HOUR).min(end / 2000 * 1000);
    let limits = [1, 2, 3, 4, 6, 8, 64];
    let mut within = [0; 7];
    for draw in oracle.draws(seed, count, end - ttl, Creation::Active) {
        let arrivals = oracle.arrival_within_hops(&draw, crossing, &limits);
        for (count, at) in within.iter_mut().zip(arrivals) {
            *count += usize::from(at.is_some_and(|at| at <= draw.at + ttl));
        }
    }
    line += &format!("\t{}", ttl / 1000);
    within.iter().for_each(|within| line += &format!("\t{:.3}", *within as f64 / count as f64));
    line
}
