//! Who chooses links, and how much of a battery radios take: the same scenarios under both ways to fill places, and
//! under each battery profile.
//!
//! ```text
//! cargo run --release -p mesh-sim --example radio [line|overlay|full|balanced|saver SCENARIO [NODES]] ...
//! ```
//!
//! Prints a row of a table for each: who chooses, which scenario (one that comes with the program, or a file), and how
//! many nodes instead of those that it has. Without arguments everything that docs/BENCHMARKS.md shows.

use mesh_sim::Outcome;
use mesh_sim::runner::{Options, run};
use mesh_sim::scenario::{Scenario, built_in, built_in_file};
use std::process::ExitCode;
use std::time::Instant;

const SEED: u64 = 42;
/// What is shown without arguments.
const ALL: [(&str, &str, u32); 12] = [
    ("line", "crowd_beacon", 3_000),
    ("overlay", "crowd_beacon", 3_000),
    ("line", "conference_trace", 0),
    ("overlay", "conference_trace", 0),
    ("line", "festival_day", 200),
    ("overlay", "festival_day", 200),
    ("full", "festival_day", 200),
    ("balanced", "festival_day", 200),
    ("saver", "festival_day", 200),
    ("full", "park", 0),
    ("balanced", "park", 0),
    ("saver", "park", 0),
];

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    println!(
        "| places | scenario | nodes | delivered of possible | p50 s | p90 s | copies each | links | kB each | J per node and hour | took s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut rest = &words[..];
    let mut rows: Vec<(&str, &str, u32)> = Vec::new();
    while let [how, scenario, after @ ..] = rest {
        let nodes = after.first().and_then(|word| word.parse().ok());
        rows.push((how, scenario, nodes.unwrap_or(0)));
        rest = if nodes.is_some() { &after[1..] } else { after };
    }
    if rows.is_empty() {
        rows = ALL.to_vec();
    }
    for (how, scenario, nodes) in rows {
        if let Err(error) = row(how, scenario, nodes) {
            eprintln!("{how} {scenario}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn row(how: &str, name: &str, nodes: u32) -> Result<(), Failed> {
    let began = Instant::now();
    let outcome = play(how, name, nodes)?;
    let hours = outcome.sim_seconds / 3_600.0 * f64::from(outcome.nodes);
    println!(
        "| {how} | {name} | {} | {} of {:.0} | {:.1} | {:.1} | {:.2} | {} | {:.1} | {:.1} | {:.0} |",
        outcome.nodes,
        outcome.delivered,
        outcome.oracle_ratio * outcome.messages as f64,
        outcome.delay_p50_s.unwrap_or_default(),
        outcome.delay_p90_s.unwrap_or_default(),
        outcome.copies_per_delivery,
        outcome.links,
        outcome.bytes_on_air as f64 / outcome.delivered.max(1) as f64 / 1e3,
        outcome.energy_j / hours,
        began.elapsed().as_secs_f64(),
    );
    Ok(())
}

fn play(how: &str, name: &str, nodes: u32) -> Result<Outcome, Failed> {
    let text = match built_in(name) {
        Some(text) => text.to_owned(),
        None => std::fs::read_to_string(name)?,
    };
    // Where contacts count and not radios, a radio comes in between.
    let ideal =
        ["kind = \"ideal\"", "hop_delay = \"10 s\"", "hop_delay = \"20 ms\"", "goodput = \"100 kB/s\""];
    let text = text.replace(ideal[0], "kind = \"ble\"");
    let text = ideal[1..].iter().fold(text, |text, line| text.replace(line, ""));
    let mut scenario = Scenario::from_toml(&format!("{name}.toml"), &text)?;
    if nodes > 0 {
        scenario = scenario.vary("nodes", &nodes.to_string())?;
    }
    if how != "line" {
        scenario = scenario.vary("radio.overlay", "\"policy\"")?;
    }
    if !matches!(how, "line" | "overlay") {
        scenario = scenario.vary("radio.battery", &format!("\"{how}\""))?;
    }
    let mut options = Options { samples: 1, check: false, ..Options::default() };
    if let Some(file) = scenario.trace_file() {
        let trace = built_in_file(file).ok_or("the trace comes with the program")?;
        options.files.insert(file.to_owned(), trace.to_owned());
    }
    Ok(run(&scenario, SEED, &options, &mut |_| {})?.0)
}
