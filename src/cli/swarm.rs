//! `starling swarm`: reality beside simulation.

use super::sim::{Folder, input};
use super::{App, Failure};
use crate::swarm::{self, Outturn};
use mesh_sim::runner::{self, Options};
use serde_json::json;
use starling::t;
use std::path::PathBuf;

/// The scenario where none is named.
const SCENARIO: &str = "park";

/// Run many real nodes on this machine, with links that come and go as a scenario says.
///
/// Each node has its own directory, keys and socket; links are shaped, cut and healed. Afterwards the contacts
/// that really took place are replayed in the simulator, and both results are shown. A run takes as long as
/// its scenario.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many nodes.
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(2..=200))]
    nodes: u32,
    /// A name from `sim list`, or a file [default: park].
    scenario: Option<String>,
    /// For so many minutes, other than the scenario's length.
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..=1_440))]
    minutes: Option<u32>,
    /// What movement and messages follow from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write a report here: report.html, CSV tables, outcome.json, simulated.json and contacts.txt.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let name = args.scenario.as_deref().unwrap_or(SCENARIO);
    let mut scenario = input::scenario(name)?;
    if let Some(minutes) = args.minutes {
        scenario = scenario.vary("length", &format!("\"{minutes} min\"")).map_err(input::usage)?;
    }
    let folder = args.report.as_deref().map(Folder::new).transpose()?;
    let files = input::files(&scenario, name)?;
    let options = Options { nodes: Some(args.nodes), files, ..Options::default() };
    let course = runner::course(&scenario, args.seed, &options).map_err(input::usage)?;
    let run = swarm::run(course, args.seed);
    let outturn = tokio::select! {
        outturn = run => outturn?,
        // Where no signals can be listened to, the system ends the program.
        Ok(()) = tokio::signal::ctrl_c() => {
            return Err(Failure { code: 130, message: t!("sim-stopped") }.into());
        }
    };
    if let Some(folder) = &folder {
        folder.write(app, std::slice::from_ref(&outturn.real))?;
        folder.file("simulated.json", &(serde_json::to_string(&outturn.simulated.outcome)? + "\n"))?;
        folder.file("contacts.txt", &outturn.contact_log)?;
    }
    tell(app, &outturn)
}

fn tell(app: &App, outturn: &Outturn) -> anyhow::Result<()> {
    let (real, simulated) = (&outturn.real.outcome, &outturn.simulated.outcome);
    let ratio = simulated.delivery_ratio - real.delivery_ratio;
    let p50 = real.delay_p50_s.zip(simulated.delay_p50_s).map(|(real, simulated)| simulated / real - 1.0);
    let mut value = serde_json::to_value(real)?;
    value["simulated"] = serde_json::to_value(simulated)?;
    value["difference"] = json!({ "delivery_ratio": ratio, "delay_p50": p50 });
    app.out.value(&value, || {
        let seconds = |p50: Option<f64>| p50.map_or_else(|| t!("sim-none"), |p50| format!("{p50:.1} s"));
        t!(
            "swarm-result",
            nodes = real.nodes,
            messages = real.messages,
            links = real.links,
            real = format!("{:.1}", real.delivery_ratio * 100.0),
            simulated = format!("{:.1}", simulated.delivery_ratio * 100.0),
            real_p50 = seconds(real.delay_p50_s),
            simulated_p50 = seconds(simulated.delay_p50_s),
        )
    })
}
