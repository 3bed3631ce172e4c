//! Whole runs: scenarios in small against their thresholds, traces against the oracle, the same seed twice.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod spreading;

use mesh_sim::runner::{Options, Sweep, TraceOptions, each, run, run_seeds, sweep, trace_run};
use mesh_sim::scenario::{BUILT_IN, ProtocolName, Scenario, built_in, built_in_file};
use mesh_sim::{Contact, Creation, Crossing, Oracle, Outcome, Trace};
use std::process::Command;

/// A scenario that comes with the program, in small.
fn small(name: &str) -> Scenario {
    Scenario::from_toml(&format!("{name}.toml"), built_in(name).unwrap()).unwrap().small()
}

fn options(scenario: &Scenario) -> Options {
    let file = scenario.trace_file().map(|name| (name.to_owned(), built_in_file(name).unwrap().to_owned()));
    Options { files: file.into_iter().collect(), samples: 20, ..Options::default() }
}

fn run_small(name: &str, seed: u64) -> Outcome {
    let scenario = small(name);
    run(&scenario, seed, &options(&scenario), &mut |_| {}).unwrap().0
}

#[test]
fn every_scenario_in_small_comes_to_what_it_must() {
    let work = |n: u64| {
        let (name, _) = BUILT_IN[usize::try_from(n).unwrap()];
        let begun = std::time::Instant::now();
        let outcome = run_small(name, 1);
        let (wall, of) = (begun.elapsed().as_secs_f64(), outcome.messages);
        let (ratio, oracle) = (outcome.delivery_ratio, outcome.oracle_ratio);
        println!("{name}: {ratio:.3} of {of} messages, oracle {oracle:.3}, {wall:.1} s");
        assert!(of > 0, "{name} has messages");
        let mut wrong = outcome.missed;
        wrong.extend(outcome.violations.iter().map(|violation| format!("{violation:?}")));
        (name, wrong)
    };
    let results = each(0..BUILT_IN.len() as u64, 2, &work);
    let wrong: Vec<_> = results.into_iter().filter(|(_, wrong)| !wrong.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

const CHILD: &str = "STARLING_RUN_CHILD";
const SELF: &str = "the_same_seed_is_the_same_run_in_another_process";

#[test]
fn the_same_seed_is_the_same_run_in_another_process() {
    let hash = run_small("flood_attack", 5).trace_hash;
    if std::env::var_os(CHILD).is_some() {
        println!("hash {hash}.");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let child = Command::new(this).args(["--exact", SELF, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let there = said.split("hash ").nth(1).and_then(|rest| rest.split('.').next());
    assert_eq!(there, Some(hash.as_str()));
}

#[test]
fn seeds_come_to_the_same_on_one_thread_and_on_two() {
    let scenario = small("bad_clocks");
    let with = |threads: usize| run_seeds(&scenario, 1..4, threads, &options(&scenario), &|_| {}).unwrap();
    let (one, two) = (with(1), with(2));
    assert_eq!(one, two);
    assert_ne!(one[0].trace_hash, one[1].trace_hash);
}

#[test]
fn what_is_looked_at_does_not_change_a_run() {
    let scenario = small("old_version_in_the_middle");
    let looked = run(&scenario, 1, &Options { scenes: 10, ..options(&scenario) }, &mut |_| {}).unwrap();
    let blind = Options { samples: 1, check: false, ..options(&scenario) };
    let blind = run(&scenario, 1, &blind, &mut |_| {}).unwrap();
    assert_eq!(looked.0.trace_hash, blind.0.trace_hash);
    assert_eq!(looked.1.scenes.len(), 10);
    assert_eq!(looked.1.deliveries, blind.1.deliveries);
    assert!(
        looked.1.samples.is_sorted_by(|a, b| a.delivered <= b.delivered && a.bytes_on_air <= b.bytes_on_air)
    );
}

#[test]
fn a_sweep_has_a_point_for_each_value_with_its_confidence() {
    let scenario = small("train_carriage");
    let over =
        Sweep { path: "nodes".to_owned(), values: vec!["20".to_owned(), "30".to_owned()], seeds: 1..3 };
    let points = sweep(&scenario, &over, 2, &options(&scenario), &|_| {}).unwrap();
    assert_eq!(points.iter().map(|point| point.outcomes[0].nodes).collect::<Vec<_>>(), [20, 30]);
    assert!(points.iter().all(|point| point.figures["delivery_ratio"].runs == 2));
}

/// Sixty people who meet at random for half a minute at a time, over six hours.
fn meetings() -> Trace {
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let mut contacts = Vec::new();
    for _ in 0..3_000 {
        let (start, a, b) = (below(6 * 3_600), below(60) as u32, below(60) as u32);
        if a != b {
            let (start, end) = (start * 1_000, (start + 30 + below(60)) * 1_000);
            contacts.push(Contact { start, end, a: a.min(b), b: a.max(b) });
        }
    }
    contacts.sort_unstable();
    Trace { nodes: 60, contacts, notes: Vec::new() }
}

fn replayed(protocol: ProtocolName, hop_delay_ms: u64, create: Creation) -> Outcome {
    let options = TraceOptions {
        messages: 150,
        ttl_s: 3_600,
        hop_delay_ms,
        create,
        protocol,
        samples: 5,
        ..TraceOptions::default()
    };
    trace_run(&meetings(), &options, &mut |_| {}).unwrap().0
}

#[test]
fn a_trace_has_the_figures_of_the_oracle_with_the_reference_s_draws() {
    let oracle = Oracle::new(&meetings());
    for (hop_delay, create) in [(0, Creation::Uniform), (10_000, Creation::Active)] {
        let outcome = replayed(ProtocolName::Flood, hop_delay, create);
        let draws = oracle.draws(42, 150, oracle.end() - 3_600_000, create);
        let foreseen = oracle.foresee(&draws, Crossing::delayed(hop_delay), 3_600_000);
        assert_eq!(outcome.oracle_ratio, foreseen.ratio());
        assert_eq!(outcome.oracle_delay_p50_s, foreseen.delay_s(0.5));
    }
}

#[test]
fn nobody_beats_the_oracle_and_the_product_comes_near() {
    for hop_delay in [0, 10_000] {
        let outcome = replayed(ProtocolName::Starling, hop_delay, Creation::Active);
        println!("{:.3} of {:.3} at {hop_delay} ms", outcome.delivery_ratio, outcome.oracle_ratio);
        assert!(outcome.delivery_ratio <= outcome.oracle_ratio);
        assert!(outcome.delivery_ratio >= 0.95 * outcome.oracle_ratio, "{outcome:?}");
        assert_eq!(outcome.violations, []);
    }
}

#[test]
fn an_epidemic_is_the_oracle_and_the_others_fall_behind_it() {
    let epidemic = replayed(ProtocolName::Epidemic, 0, Creation::Active);
    assert!(epidemic.delivery_ratio >= 0.99 * epidemic.oracle_ratio, "{epidemic:?}");
    for protocol in [ProtocolName::SprayAndWait, ProtocolName::Prophet, ProtocolName::Flood] {
        let other = replayed(protocol, 0, Creation::Active);
        assert!(other.delivery_ratio <= epidemic.delivery_ratio, "{protocol:?}");
        let thrifty = other.copies_per_delivery <= epidemic.copies_per_delivery;
        assert!(thrifty || protocol == ProtocolName::Flood, "{protocol:?}");
        assert!(other.delivered > 0, "{protocol:?}");
    }
}

#[test]
fn what_cannot_be_run_says_what_is_allowed() {
    let scenario = small("conference_trace");
    let missing = run(&scenario, 1, &Options::default(), &mut |_| {}).unwrap_err();
    assert_eq!(missing.to_string(), "the scenario needs the file traces/sfhh2009.txt");
    let crowd = Options { nodes: Some(1), ..options(&scenario) };
    assert!(run(&scenario, 1, &crowd, &mut |_| {}).unwrap_err().to_string().contains("at least 2"));
    let long = TraceOptions { ttl_s: 86_400, ..TraceOptions::default() };
    let long = trace_run(&meetings(), &long, &mut |_| {}).unwrap_err();
    assert!(long.to_string().starts_with("ttl must be below the trace's length"), "{long}");
    let short = TraceOptions { size: 3, ..TraceOptions::default() };
    assert!(trace_run(&meetings(), &short, &mut |_| {}).unwrap_err().to_string().contains("12 to 64000"));
}
