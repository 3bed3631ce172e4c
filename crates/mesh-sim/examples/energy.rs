//! What a delivered message costs in joules: Starling beside an epidemic and a flood that forgets, on the same
//! contacts and messages.
//!
//! ```text
//! cargo run --release -p mesh-sim --example energy [SCENARIO ...]
//! ```
//!
//! Prints a table. Without names: the conference sfhh2009, a park, two villages, a crowd of 3,000 and a stadium.
//! All traffic counts, control frames too, at the two ends of each link, with the figures of [`Power::ble`]. The
//! others seal nothing and know no receipts; so they run twice, with bare texts and with texts as long as
//! Starling's envelopes are.

use mesh_sim::runner::{Options, TraceOptions, run, trace_run};
use mesh_sim::scenario::{ProtocolName, Scenario, built_in, built_in_file};
use mesh_sim::{Creation, Outcome, Power, Radio, trace};
use std::process::ExitCode;

const SEED: u64 = 42;
/// The scenarios of the table; the first is the trace as docs/BENCHMARKS.md measures it.
const ALL: [&str; 5] = [CONFERENCE, "park", "two_villages_and_a_courier", "crowd_beacon", "stadium_10k"];
/// Its own way to run.
const CONFERENCE: &str = "sfhh2009";
/// What is too large to be run whole here.
const IN_SMALL: [&str; 1] = ["stadium_10k"];
/// The header of the others' frames (see `mesh_sim::baseline`), in bytes.
const THEIR_HEADER: u64 = 20;

type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let named: Vec<String> = std::env::args().skip(1).collect();
    let names = if named.is_empty() { ALL.map(str::to_owned).to_vec() } else { named };
    println!(
        "| scenario | protocol | delivered of possible | copies | kB on the air | J of traffic | J with listening |"
    );
    println!("|---|---|---|---|---|---|---|");
    for name in names {
        if let Err(error) = rows(&name) {
            eprintln!("{name}: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The rows of one scenario.
fn rows(name: &str) -> Result<(), Failed> {
    let ours = play(name, ProtocolName::Starling, None)?;
    row(name, "Starling", &ours);
    let copies = (ours.copies_per_delivery * ours.delivered as f64).max(1.0);
    let sealed = (ours.payload_bytes as f64 / copies) as u64;
    for (protocol, words) in [(ProtocolName::Epidemic, "epidemic"), (ProtocolName::Flood, "flood, TTL 7")] {
        row(name, words, &play(name, protocol, None)?);
        let long = play(name, protocol, Some(sealed.saturating_sub(THEIR_HEADER)))?;
        row(name, &format!("{words}, {sealed} B"), &long);
    }
    Ok(())
}

/// One run; with texts of this length, where one is given.
fn play(name: &str, protocol: ProtocolName, length: Option<u64>) -> Result<Outcome, Failed> {
    if name == CONFERENCE {
        return conference(protocol, length);
    }
    let text = built_in(name).ok_or("no such scenario comes with the program")?;
    let mut scenario = Scenario::from_toml(&format!("{name}.toml"), text)?;
    if IN_SMALL.contains(&name) {
        scenario = scenario.small();
    }
    if let Some(length) = length {
        for n in 0..scenario.workload.len() {
            scenario = scenario.vary(&format!("workload.{n}.size"), &format!("{length} B"))?;
        }
    }
    let options = Options { protocol: Some(protocol), samples: 1, check: false, ..Options::default() };
    Ok(run(&scenario, SEED, &options, &mut |_| {})?.0)
}

/// A thousand texts over a day, 20 kB/s, six links, ten seconds for each hop.
fn conference(protocol: ProtocolName, length: Option<u64>) -> Result<Outcome, Failed> {
    let text = built_in_file("traces/sfhh2009.txt").ok_or("the trace comes with the program")?;
    let trace = trace::parse("sfhh2009.txt", text)?.into_trace();
    let options = TraceOptions {
        seed: SEED,
        create: Creation::Active,
        hop_delay_ms: 10_000,
        goodput: Some(20_000),
        links: Some(6),
        size: u32::try_from(length.unwrap_or(500))?,
        protocol,
        samples: 1,
        check: false,
        ..TraceOptions::default()
    };
    Ok(trace_run(&trace, &options, &mut |_| {})?.0)
}

fn row(scenario: &str, protocol: &str, outcome: &Outcome) {
    let (power, radio) = (Power::ble(), Radio::ble());
    let each = outcome.delivered.max(1) as f64;
    let traffic = 2.0 * outcome.bytes_on_air as f64 * power.byte_uj / 1e6;
    let adverts = power.advert_uj / f64::from(radio.advert_every_ms);
    let listening_mw = adverts + power.scan_mw * radio.duty() + power.base_mw;
    let listening = f64::from(outcome.nodes) * outcome.sim_seconds * listening_mw / 1e3;
    println!(
        "| {scenario} | {protocol} | {} of {:.0} | {:.1} | {:.1} | {:.3} | {:.2} |",
        outcome.delivered,
        outcome.oracle_ratio * outcome.messages as f64,
        outcome.copies_per_delivery,
        outcome.bytes_on_air as f64 / each / 1e3,
        traffic / each,
        (traffic + listening) / each,
    );
}
