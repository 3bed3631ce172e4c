//! Lays this crate beside The ONE: its recorded run under its rules, with both routers and five seeds, and a
//! random waypoint of 1,000 nodes.
//!
//! ```text
//! cargo run --release -p mesh-sim --example one -- TRACE
//! ```

use std::process::ExitCode;

use mesh_sim::mobility::Waypoint;
use mesh_sim::one::{OneOutcome, OneRouter, OneSettings, replay, walk};
use mesh_sim::workload::{Size, Workload, plan};
use mesh_sim::{AnyTrace, Bytes, Draft, Movement, Span};

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("usage: one TRACE   (The ONE's external events)");
        return ExitCode::from(2);
    };
    let parsed = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"));
    let parsed =
        parsed.and_then(|text| mesh_sim::trace::parse(&path, &text).map_err(|error| error.to_string()));
    let events = match parsed {
        Ok(AnyTrace::Events(events)) => events,
        Ok(AnyTrace::Contacts(_)) => {
            eprintln!("{path} holds contacts; The ONE's events are needed, which tell messages too");
            return ExitCode::FAILURE;
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "router    seed  delivery  overhead  median s  mean s  hops  aborted  dropped  simulated s per CPU s"
    );
    for (name, router) in [("epidemic", OneRouter::Epidemic), ("spray", OneRouter::Spray { copies: 6 })] {
        for seed in 1..=5 {
            let settings = OneSettings { router, seed, ..OneSettings::default() };
            let begin = cpu_seconds();
            let outcome = replay(&events, &settings);
            print(name, seed, &outcome, begin);
        }
    }
    for side in [1000.0, 3162.0] {
        thousand(side);
    }
    println!("peak memory: {} KiB", peak_memory_kib());
    ExitCode::SUCCESS
}

/// An hour of 1,000 nodes on a square, with a message every 30 s.
fn thousand(side: f32) {
    let (nodes, seconds) = (1000, 3600);
    let square = Waypoint { width_m: side, height_m: side, ..Waypoint::default() };
    let size = Size { least: Bytes(1_000), most: Bytes(10_000) };
    let workload = Workload { messages: 120, size, ..Workload::default() };
    let planned = plan(&[workload], nodes, Span::minutes(60), &[], 1).expect("the values above are possible");
    let drafts: Vec<Draft> = planned.into_iter().map(|written| written.draft).collect();
    let begin = cpu_seconds();
    let mut walking =
        Movement::Waypoint(square).walk(nodes, 1, 30.0, seconds).expect("the values above are possible");
    let outcome = walk(&mut *walking, &drafts, seconds, &OneSettings::default());
    print(&format!("{side} m"), 1, &outcome, begin);
}

fn print(name: &str, seed: u64, outcome: &OneOutcome, begin: f64) {
    let took = cpu_seconds() - begin;
    println!(
        "{name:9} {seed:4}  {:8.4}  {:8.2}  {:8.1}  {:6.1}  {:4.2}  {:7}  {:7}  {:8.0} ({took:.3} s)",
        outcome.delivery,
        outcome.overhead,
        outcome.latency_median_s,
        outcome.latency_mean_s,
        outcome.hops_mean,
        outcome.aborted,
        outcome.dropped,
        outcome.sim_seconds as f64 / took
    );
}

/// The CPU time of this process so far, as Linux tells it; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos: Option<f64> = told.split_whitespace().next().and_then(|word| word.parse().ok());
    nanos.unwrap_or(0.0) / 1e9
}

/// The most memory that this process had at any time, as Linux tells it; 0 elsewhere.
fn peak_memory_kib() -> u64 {
    let told = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}
