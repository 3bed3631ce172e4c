//! `starling sim trace`: contacts that were recorded among real people.

use super::finish::{self, Folder};
use super::meter::Meter;
use super::run::{protocol, seal};
use super::{away, input};
use crate::cli::App;
use mesh_sim::report::Run;
use mesh_sim::runner::{self, TraceOptions};
use mesh_sim::scenario::ProtocolName;
use mesh_sim::trace::{self, Trace};
use mesh_sim::{Creation, Seal};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Scenes of the map in a report.
const SCENES: u32 = 240;

/// Replay recorded contacts with real nodes, and tell how much of what was possible arrived.
///
/// FILE holds lines `start_s end_s a b` (`#` begins a comment), The ONE's external events, or a contact log
/// that `starling run --contact-log` wrote; several such logs with a common key are merged. Messages are drawn
/// as the reference draws them, and everybody who writes is introduced beforehand.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The trace; several contact logs become one.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// How many messages are written.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    messages: u32,
    /// What everything random follows from.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// When messages are written: at any time (uniform), or at the start of a contact of their writer (active).
    #[arg(long, value_name = "WHEN", default_value = "uniform", value_parser = ["uniform", "active"])]
    create: String,
    /// What counts as delivered: shown this long after it was written.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = input::span)]
    ttl: Duration,
    /// What each hop costs, for the oracle and for the nodes alike.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = input::span)]
    hop_delay: Duration,
    /// What a link carries, such as 20kB/s [default: without limit].
    #[arg(long, value_name = "RATE", value_parser = input::rate)]
    goodput: Option<u64>,
    /// How many links a node holds at a time [default: without limit].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    links: Option<u32>,
    /// Length of the texts, such as 500B [default: 100B].
    #[arg(long, value_name = "SIZE", value_parser = input::size)]
    size: Option<u64>,
    /// Who is simulated: starling, epidemic, spray_and_wait, prophet or flood.
    #[arg(long, value_name = "NAME", default_value = "starling", value_parser = protocol)]
    protocol: ProtocolName,
    /// How contents are sealed: real or cheap.
    #[arg(long, value_name = "KIND", default_value = "cheap", value_parser = seal)]
    seal: Seal,
    /// Write a report here: report.html to look at, CSV tables for papers, outcome.json.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let trace = read(&args.files)?;
    for note in &trace.notes {
        app.out.note(note);
    }
    let folder = args.report.as_deref().map(Folder::new).transpose()?;
    let usual = TraceOptions::default();
    let options = TraceOptions {
        name: name(&args.files),
        messages: args.messages,
        seed: args.seed,
        create: if args.create == "active" { Creation::Active } else { Creation::Uniform },
        ttl_s: args.ttl.as_secs(),
        hop_delay_ms: u64::try_from(args.hop_delay.as_millis()).unwrap_or(u64::MAX),
        goodput: args.goodput,
        links: args.links,
        size: args.size.map_or(usual.size, |size| u32::try_from(size).unwrap_or(u32::MAX)),
        protocol: args.protocol,
        seal: args.seal,
        scenes: if folder.is_some() { SCENES } else { 0 },
        ..usual
    };
    let run = away(move || replay(&trace, &options)).await?;
    if let Some(folder) = &folder {
        folder.write(app, std::slice::from_ref(&run))?;
    }
    finish::tell(app, &[run.outcome])
}

fn replay(trace: &Trace, options: &TraceOptions) -> anyhow::Result<Run> {
    let begun = Instant::now();
    let meter = Meter::new(1);
    let told = runner::trace_run(trace, options, &mut |progress| meter.tell(0, progress));
    meter.finish();
    let (mut outcome, recording) = told.map_err(input::usage)?;
    outcome.wall_seconds = begun.elapsed().as_secs_f64();
    outcome.peak_rss_bytes = finish::peak_rss_bytes();
    Ok(Run { outcome, recording })
}

/// One trace of either format, or several contact logs as one.
fn read(files: &[String]) -> anyhow::Result<Trace> {
    if let [file] = files {
        return Ok(trace::parse(file, &input::read(file)?).map_err(input::usage)?.into_trace());
    }
    let texts = files.iter().map(|file| input::read(file)).collect::<anyhow::Result<Vec<_>>>()?;
    let logs: Vec<(&str, &str)> =
        files.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    trace::merge(&logs).map_err(input::usage)
}

/// The name of a trace: its file's, without folder and ending.
fn name(files: &[String]) -> String {
    let first = files.first().map(Path::new).and_then(Path::file_stem).unwrap_or_default();
    first.to_string_lossy().into_owned()
}
