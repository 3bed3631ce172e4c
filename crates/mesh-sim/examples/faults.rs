//! Fault runs from the command line: `cargo run --release -p mesh-sim --example faults -- 0..500`.
//!
//! Prints what broke and writes a failure file for each; without arguments the seeds are 0 to 499. With `groups`
//! after the seeds each world is a group that is split and must heal.

use mesh_sim::faults::{fault_run, group_run};
use mesh_sim::runner::each;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "0..500".to_owned());
    let range = argument.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
    let Some(seeds) = range else {
        eprintln!("the seeds are two numbers, as in 0..500, not {argument}");
        return ExitCode::from(2);
    };
    let run = if std::env::args().nth(2).as_deref() == Some("groups") { group_run } else { fault_run };
    let (begun, count) = (Instant::now(), seeds.end - seeds.start);
    let failures = each(seeds, threads(), &|seed| {
        let begun = Instant::now();
        let failure = run(seed).err()?;
        let file = format!("failure-{seed}.toml");
        eprintln!("seed {seed}: {:?} ({:.1} s)", failure.violation, begun.elapsed().as_secs_f64());
        match std::fs::write(&file, failure.to_toml()) {
            Ok(()) => eprintln!("again: {}", failure.repro(&file)),
            Err(error) => eprintln!("{file}: {error}"),
        }
        Some(seed)
    });
    let failed = failures.into_iter().flatten().count();
    println!("{count} runs, {failed} broke an invariant, {:.1} s", begun.elapsed().as_secs_f64());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
