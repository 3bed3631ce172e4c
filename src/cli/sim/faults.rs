//! `starling sim faults` and `starling sim replay`: everything goes wrong at once, and nothing may break.

use super::finish::Folder;
use super::{away, input};
use crate::cli::{App, Failure};
use indicatif::{ProgressBar, ProgressStyle};
use mesh_sim::faults::{self, Failure as Broken, FaultReport};
use mesh_sim::runner::each;
use serde_json::json;
use starling::t;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

/// Let everything go wrong in small worlds: crashes, partitions, loss, duplicates, disorder, clocks that jump.
///
/// Each seed is a world of 5 to 30 nodes. Exits with 1 where an invariant breaks; the failure is then cut down
/// to what is needed for it and written to a file for `starling sim replay`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Which worlds: A..B (without B), A..=B, or one.
    #[arg(long, value_name = "A..B", default_value = "0..20", value_parser = input::seeds)]
    seeds: Range<u64>,
    /// Worlds of a group of twelve that is split and changed on all sides, instead of texts between two.
    #[arg(long)]
    groups: bool,
    /// Threads [default: as many as the machine has].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Where failures are written.
    #[arg(long, value_name = "DIR", default_value = ".")]
    failures: PathBuf,
}

/// Let a failure happen again, from the file that `sim faults` wrote.
///
/// Exits with 1 while it still happens.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ReplayArgs {
    /// The failure file.
    failure: String,
}

/// How a world is drawn from a seed and played.
type Run = fn(u64) -> Result<FaultReport, Box<Broken>>;

/// What many worlds came to.
#[derive(Default)]
struct Tally {
    reports: Vec<(u64, FaultReport)>,
    failures: Vec<(u64, Box<Broken>)>,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let folder = Folder::new(&args.failures)?;
    let (seeds, begun) = (args.seeds.clone(), Instant::now());
    let threads = args.threads.map_or_else(super::run::cores, usize::from);
    let run = if args.groups { faults::group_run } else { faults::fault_run };
    let tally = away(move || Ok(tally(&seeds, threads, run))).await?;
    let mut lines = Vec::new();
    let mut files = Vec::new();
    let commit = commit();
    for (seed, failure) in &tally.failures {
        let failure = &Broken { commit: commit.clone(), ..(**failure).clone() };
        let name = format!("failure-{seed}.toml");
        folder.file(&name, &failure.to_toml())?;
        let path = args.failures.join(&name).display().to_string();
        lines.push(explained(*seed, failure, &path));
        files.push(path);
    }
    let runs = tally.reports.len() + tally.failures.len();
    let sum = |of: fn(&FaultReport) -> u64| tally.reports.iter().map(|(_, report)| of(report)).sum::<u64>();
    let value = json!({
        "runs": runs, "failures": files, "messages": sum(|r| r.messages), "delivered": sum(|r| r.delivered),
        "faults": sum(|r| r.faults), "events": sum(|r| r.events), "trace_hash": hash(&tally.reports),
        "violations": tally.failures.iter().map(|(_, failure)| &failure.violation).collect::<Vec<_>>(),
        "wall_seconds": begun.elapsed().as_secs_f64(), "peak_rss_bytes": super::finish::peak_rss_bytes(),
    });
    app.out.value(&value, || {
        let (faults, delivered) = (sum(|r| r.faults), sum(|r| r.delivered));
        t!("sim-faults", runs = runs, faults = faults, delivered = delivered, broken = files.len())
    })?;
    if lines.is_empty() { Ok(()) } else { Err(Failure { code: 1, message: lines.join("\n") }.into()) }
}

/// The commit of the sources that this is run from, where it is run from them.
fn commit() -> Option<String> {
    let told = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let name = String::from_utf8(told.stdout).ok()?.trim().to_owned();
    (told.status.success() && !name.is_empty()).then_some(name)
}

/// One hash over all runs, in the order of their seeds.
fn hash(reports: &[(u64, FaultReport)]) -> String {
    let all: String = reports.iter().map(|(_, report)| report.trace_hash.as_str()).collect();
    blake3::hash(all.as_bytes()).to_hex().to_string()
}

/// Every seed's world, on several threads, in the order of the seeds.
fn tally(seeds: &Range<u64>, threads: usize, run: Run) -> Tally {
    let bar = ProgressBar::new(seeds.end - seeds.start);
    // The template is fixed; the plain bar would do as well.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len}  {per_sec}") {
        bar.set_style(style);
    }
    let one = |seed: u64| {
        let result = run(seed);
        bar.inc(1);
        (seed, result)
    };
    let done = each(seeds.clone(), threads, &one);
    bar.finish_and_clear();
    let mut tally = Tally::default();
    for (seed, result) in done {
        match result {
            Ok(report) => tally.reports.push((seed, report)),
            Err(failure) => tally.failures.push((seed, failure)),
        }
    }
    tally
}

fn explained(seed: u64, failure: &Broken, path: &str) -> String {
    let violation = &failure.violation;
    let (invariant, detail) = (violation.invariant.as_str(), violation.detail.as_str());
    let broken = t!(
        "sim-broken",
        seed = seed,
        invariant = invariant,
        at = violation.at,
        node = violation.node,
        detail = detail
    );
    let commit = failure.commit.as_deref().unwrap_or("-");
    format!("{broken}\n  {}   (commit {commit})", failure.repro(path))
}

pub(super) async fn replay(app: &App, args: ReplayArgs) -> anyhow::Result<()> {
    let failure = Broken::from_toml(&args.failure, &input::read(&args.failure)?).map_err(input::usage)?;
    let (seed, plan) = (failure.seed, failure.plan);
    let report = away(move || Ok(faults::replay(&plan))).await?;
    app.out.value(&report, || {
        let (nodes, faults, messages) = (report.nodes, report.faults, report.messages);
        let (delivered, hash) = (report.delivered, report.trace_hash.get(..16).unwrap_or_default());
        t!(
            "sim-replayed",
            nodes = nodes,
            faults = faults,
            messages = messages,
            delivered = delivered,
            hash = hash
        )
    })?;
    let Some(violation) = report.violations.first() else { return Ok(()) };
    let (invariant, detail) = (violation.invariant.as_str(), violation.detail.as_str());
    let (at, node) = (violation.at, violation.node);
    let message = t!("sim-broken", seed = seed, invariant = invariant, at = at, node = node, detail = detail);
    Err(Failure { code: 1, message }.into())
}
