//! What false alarms cost a true call: the scenario `false_alarms` with and without its alarmists.
//!
//! ```text
//! cargo run --release -p mesh-sim --example alarms [NODES [SEED...]]
//! ```
//!
//! For each seed: how many of those within three hops a true call reaches in 10 and in 60 seconds, how long half, 95
//! and 99 of 100 of them wait, what share of the honest nodes' time was on the air while there were alarms, and which frames took it.

use mesh_sim::runner::{Options, run};
use mesh_sim::scenario::{Scenario, built_in};
use mesh_sim::stats::quantile;
use mesh_sim::{Delivery, Outcome, Recording, Span};
use std::process::ExitCode;

/// One alarmist for so many nodes.
const NODES_EACH: u32 = 20;
/// What a hop takes the oracle, in seconds: calls that have a path of three are those within three hops.
const HOP_S: f64 = 0.034;

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    let (nodes, seeds) = numbers.split_first().unwrap_or((&120, &[]));
    let seeds = if seeds.is_empty() { &[1, 2, 3][..] } else { seeds };
    match measure(u32::try_from(*nodes).unwrap_or(120), seeds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(nodes: u32, seeds: &[u64]) -> Result<(), Failed> {
    let text = built_in("false_alarms").ok_or("the scenario comes with the program")?;
    let scenario = Scenario::from_toml("false_alarms.toml", text)?.vary("nodes", &nodes.to_string())?;
    let alarmed = scenario.vary("attack.0.nodes", &(nodes / NODES_EACH).to_string())?;
    let mut quiet = alarmed.clone();
    quiet.attack.iter_mut().for_each(|attack| attack.from = Span { ms: u64::MAX / 4 });
    println!("| seed | alarmists | in 10 s | in 60 s | p50 s | p95 s | p99 s | of the time on the air |");
    println!("|---|---|---|---|---|---|---|---|");
    let options = Options { samples: 1, ..Options::default() };
    for seed in seeds {
        for (what, scenario) in [("none", &quiet), ("one in 20", &alarmed)] {
            let (outcome, recording) = run(scenario, *seed, &options, &mut |_| {})?;
            print(*seed, what, &outcome, &recording);
        }
    }
    Ok(())
}

fn print(seed: u64, what: &str, outcome: &Outcome, recording: &Recording) {
    let near = |one: &&Delivery| {
        one.class == "sos" && one.oracle_s.is_some_and(|at| at - one.written_s <= 3.0 * HOP_S)
    };
    let delay = |one: &Delivery| one.shown_s.map_or(f64::MAX, |at| at - one.written_s);
    let mut delays: Vec<f64> = recording.deliveries.iter().filter(near).map(delay).collect();
    delays.sort_by(f64::total_cmp);
    let within = |seconds: f64| {
        delays.iter().filter(|delay| **delay <= seconds).count() as f64 / delays.len().max(1) as f64
    };
    let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| quantile(&delays, share).unwrap_or(f64::MAX));
    // Half-duplex: what a frame takes, it takes of two nodes.
    let air = 2.0 * outcome.airtime_s / (f64::from(outcome.nodes) * outcome.sim_seconds);
    println!(
        "| {seed} | {what} | {:.4} | {:.4} | {p50:.2} | {p95:.2} | {p99:.2} | {air:.3} |",
        within(10.0),
        within(60.0)
    );
    let mut types: Vec<_> = outcome.notes.iter().filter(|(name, _)| name.contains("bytes")).collect();
    types.sort_by(|a, b| b.1.total_cmp(a.1));
    let types: Vec<String> =
        types.iter().take(8).map(|(name, bytes)| format!("{name} {:.0} kB", **bytes / 1e3)).collect();
    eprintln!(
        "{} of {} near; {} links; {}",
        delays.len(),
        recording.deliveries.len(),
        outcome.links,
        types.join(", ")
    );
}
