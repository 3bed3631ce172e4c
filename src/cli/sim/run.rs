//! `starling sim run`: a scenario.

use super::finish::{self, Folder};
use super::meter::Meter;
use super::{away, input, many};
use crate::cli::{App, Failure};
use mesh_sim::Outcome;
use mesh_sim::Seal;
use mesh_sim::report::Run;
use mesh_sim::runner::Options;
use mesh_sim::scenario::{ProtocolName, Scenario};
use serde_json::json;
use starling::t;
use std::ops::Range;
use std::path::PathBuf;

/// Scenes of the map in a report.
const SCENES: u32 = 240;
/// The most variations of one sweep.
const MAX_VARIATIONS: usize = 1_000;

/// Run a scenario: real nodes in virtual time, held against what was physically possible.
///
/// SCENARIO is one of `starling sim list`, or the path of a TOML file. The same seed gives the same run, to
/// the byte. Exits with 1 where a threshold of the scenario was missed or an invariant broke.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A name from `sim list`, or a file.
    scenario: String,
    /// What everything random follows from [default: 1].
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run once for each of these seeds: A..B (without B) or A..=B.
    #[arg(long, value_name = "A..B", value_parser = input::seeds)]
    seeds: Option<Range<u64>>,
    /// Other than the scenario's number of nodes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=100_000))]
    nodes: Option<u32>,
    /// Change a value of the scenario (again for more); several values make a sweep: radio.links=3,7.
    #[arg(long, value_name = "KEY=VALUE", value_parser = input::setting)]
    set: Vec<(String, Vec<String>)>,
    /// The scenario in small, as its [ci] section says.
    #[arg(long)]
    small: bool,
    /// Who is simulated: starling, epidemic, spray_and_wait, prophet or flood.
    #[arg(long, value_name = "NAME", value_parser = protocol)]
    protocol: Option<ProtocolName>,
    /// How contents are sealed: real, or cheap for very large worlds.
    #[arg(long, value_name = "KIND", value_parser = seal)]
    seal: Option<Seal>,
    /// Threads, for several seeds [default: as many as the machine has].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// Write a report here: report.html to look at, CSV tables for papers, outcome.json.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// One variation of a scenario: which values were set, and what came of it.
#[derive(Clone)]
struct Variation {
    set: Vec<(String, String)>,
    scenario: Scenario,
    runs: Vec<Run>,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let scenario = input::scenario(&args.scenario)?;
    let scenario = if args.small { scenario.small() } else { scenario };
    let folder = args.report.as_deref().map(Folder::new).transpose()?;
    let options = Options {
        nodes: args.nodes,
        protocol: args.protocol,
        seal: args.seal,
        scenes: if folder.is_some() { SCENES } else { 0 },
        files: input::files(&scenario, &args.scenario)?,
        ..Options::default()
    };
    let variations = variations(&scenario, &args.set)?;
    let one = args.seed.unwrap_or(1);
    let seeds = args.seeds.unwrap_or_else(|| one..one.saturating_add(1));
    let threads = args.threads.map_or_else(cores, usize::from);
    let done = away(move || simulate(variations, &seeds, threads, &options)).await?;
    match (&folder, &done[..]) {
        (Some(folder), [one]) => folder.write(app, &one.runs)?,
        (Some(folder), several) => {
            for variation in several {
                folder.below(&label(variation))?.write(app, &named(variation))?;
            }
        }
        (None, _) => {}
    }
    tell(app, &done)
}

fn simulate(
    mut variations: Vec<Variation>,
    seeds: &Range<u64>,
    threads: usize,
    options: &Options,
) -> anyhow::Result<Vec<Variation>> {
    let each = usize::try_from(seeds.end - seeds.start).unwrap_or(usize::MAX);
    let meter = Meter::new(each.saturating_mul(variations.len()));
    for (at, variation) in variations.iter_mut().enumerate() {
        let threads = threads.min(each);
        let runs = many::seeds(&variation.scenario, seeds.clone(), threads, options, &meter, at * each);
        variation.runs = runs.inspect_err(|_| meter.finish())?;
    }
    meter.finish();
    Ok(variations)
}

/// Every combination of the values that were given, each as a scenario of its own.
fn variations(scenario: &Scenario, settings: &[(String, Vec<String>)]) -> anyhow::Result<Vec<Variation>> {
    let mut variations = vec![Variation { set: Vec::new(), scenario: scenario.clone(), runs: Vec::new() }];
    for (key, values) in settings {
        if variations.len().saturating_mul(values.len()) > MAX_VARIATIONS {
            return Err(Failure::usage(t!("sim-too-many", max = MAX_VARIATIONS)));
        }
        let mut further = Vec::new();
        for (variation, value) in variations.iter().flat_map(|v| values.iter().map(move |value| (v, value))) {
            let mut varied = variation.clone();
            varied.scenario = variation.scenario.vary(key, value).map_err(input::usage)?;
            varied.set.push((key.clone(), value.clone()));
            further.push(varied);
        }
        variations = further;
    }
    Ok(variations)
}

fn tell(app: &App, done: &[Variation]) -> anyhow::Result<()> {
    if let [one] = done {
        return finish::tell(app, &outcomes(one));
    }
    let all: Vec<Outcome> = done.iter().flat_map(outcomes).collect();
    let mut points = Vec::new();
    for variation in done {
        let figures = mesh_sim::compare::spreads(&outcomes(variation));
        let set: serde_json::Map<_, _> =
            variation.set.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        if !app.out.is_json() {
            let of = |name: &str| figures.get(name).map_or(0.0, |interval| interval.mean);
            let (ratio, p50) = (of("delivery_ratio") * 100.0, of("delay_p50_s"));
            let (set, copies) = (label(variation), of("copies_per_delivery"));
            let (ratio, copies) = (format!("{ratio:.1}"), format!("{copies:.1}"));
            let p50 = super::meter::span(p50);
            app.out.line(&t!("sim-point", set = set, ratio = ratio, p50 = p50, copies = copies))?;
        }
        points.push(json!({ "set": set, "figures": figures }));
    }
    let mut value = finish::combined(&all)?;
    value["points"] = points.into();
    finish::tell_as(app, &value, &all)
}

fn outcomes(variation: &Variation) -> Vec<Outcome> {
    variation.runs.iter().map(|run| run.outcome.clone()).collect()
}

/// The runs of one variation, with its values in their name.
fn named(variation: &Variation) -> Vec<Run> {
    let mut runs = variation.runs.clone();
    for run in &mut runs {
        run.outcome.scenario = format!("{} ({})", run.outcome.scenario, label(variation));
    }
    runs
}

fn label(variation: &Variation) -> String {
    let parts: Vec<String> = variation.set.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    parts.join(", ")
}

/// As many threads as the machine has.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The protocol of this name.
pub(super) fn protocol(text: &str) -> Result<ProtocolName, String> {
    let known = ProtocolName::ALL.iter().find(|(name, _)| *name == text);
    let names = || ProtocolName::ALL.map(|(name, _)| name).join(", ");
    known.map(|(_, protocol)| *protocol).ok_or_else(|| t!("sim-bad-value", text = text, allowed = names()))
}

/// The way to seal of this name.
pub(super) fn seal(text: &str) -> Result<Seal, String> {
    match text {
        "real" => Ok(Seal::Real),
        "cheap" => Ok(Seal::Cheap),
        _ => Err(t!("sim-bad-value", text = text, allowed = "real, cheap")),
    }
}
