//! From a scenario to figures: builds the world, lets it run, measures it against the oracle.
//!
//! [`run`] is one run; [`run_seeds`] spreads seeds over threads, and every seed comes to the same hash on
//! any number of them; [`sweep`] varies one value of a scenario. [`trace_run`] replays a trace of contacts
//! with the reference's draws, so that its oracle figures are exactly the reference's.

mod calibration;
mod carriers;
mod circles;
mod course;
mod many;
mod measure;
mod plan;
mod record;
mod replay;
mod stage;

pub use course::{Course, course};
pub use many::{Point, Sweep, each, figures, run_seeds, sweep};
pub(crate) use measure::hex;
pub use replay::trace_run;

use crate::attack::Notebook;
use crate::invariants::Checks;
use crate::scenario::{ProtocolName, Scenario, ScenarioError, Threshold};
use crate::{Creation, Delivery, Outcome, Recording, Seal, Violation};
use calibration::Forecasts;
use carriers::Carriers;
use circles::Circles;
use measure::measure;
use mesh_core::Config;
use plan::{Planned, readers};
use record::{Film, open};
use stage::{Batteries, Stage};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// What the caller may set besides the scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Other than the scenario's number of nodes.
    pub nodes: Option<u32>,
    /// Another protocol under test.
    pub protocol: Option<ProtocolName>,
    /// Another way to seal.
    pub seal: Option<Seal>,
    /// Samples over the run: 1 to 10,000. Default 240.
    pub samples: u32,
    /// Scenes for the map: 0 to 1,000. Default 0.
    pub scenes: u32,
    /// Whether the invariants are checked. Default true; it costs about a tenth of the time.
    pub check: bool,
    /// The texts of files that scenarios name, by that name.
    pub files: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: None,
            protocol: None,
            seal: None,
            samples: 240,
            scenes: 0,
            check: true,
            files: BTreeMap::new(),
        }
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Virtual seconds that passed.
    pub at_s: f64,
    /// Virtual seconds in all.
    pub of_s: f64,
    /// Deliveries so far.
    pub delivered: u64,
    /// Happenings so far.
    pub events: u64,
}

/// How a trace is replayed.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceOptions {
    /// Its name in the outcome.
    pub name: String,
    /// How many messages. Default 1,000.
    pub messages: u32,
    /// Of the draws, and of everything else. Default 42.
    pub seed: u64,
    /// When they are created.
    pub create: Creation,
    /// The measuring window in seconds. Default 24 h.
    pub ttl_s: u64,
    /// What each hop costs, for the oracle and the nodes alike, in milliseconds. Default 0.
    pub hop_delay_ms: u64,
    /// What each link carries, in bytes per second; `None` is without limit.
    pub goodput: Option<u64>,
    /// Links that a node holds at a time; `None` is without limit.
    pub links: Option<u32>,
    /// Length of a text in bytes: 12 to 64,000. Default 100.
    pub size: u32,
    /// Who is simulated.
    pub protocol: ProtocolName,
    /// How contents are sealed.
    pub seal: Seal,
    /// Samples over the run: 1 to 10,000. Default 240.
    pub samples: u32,
    /// Scenes for the map: 0 to 1,000. Default 0.
    pub scenes: u32,
    /// Whether the invariants are checked. Default true.
    pub check: bool,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self {
            name: "trace".to_owned(),
            messages: 1_000,
            seed: 42,
            create: Creation::Uniform,
            ttl_s: 86_400,
            hop_delay_ms: 0,
            goodput: None,
            links: None,
            size: 100,
            protocol: ProtocolName::Starling,
            seal: Seal::Cheap,
            samples: 240,
            scenes: 0,
            check: true,
        }
    }
}

/// A run that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The scenario does not fit what was asked of it.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The scenario names a file that the caller did not bring.
    #[error("the scenario needs the file {name}")]
    File {
        /// As the scenario names it.
        name: String,
    },
    /// A trace cannot be read.
    #[error("{0}")]
    Trace(String),
    /// An option is out of its range.
    #[error("{what} must be {allowed}, not {got}")]
    Option {
        /// Which.
        what: &'static str,
        /// What is allowed.
        allowed: String,
        /// What was given.
        got: String,
    },
}

/// Runs a scenario once. `progress` is told now and then; the wall's seconds and the memory are the caller's
/// to fill in.
///
/// # Errors
/// Where the options do not fit the scenario, or a trace that it names is missing or damaged.
pub fn run(
    scenario: &Scenario,
    seed: u64,
    options: &Options,
    progress: &mut dyn FnMut(&Progress),
) -> Result<(Outcome, Recording), RunError> {
    let scenario = adapted(scenario, options)?;
    let planned = Planned::new(&scenario, seed, options)?;
    let notebook = Notebook::default();
    let (mut stage, checks) = stage_of(&scenario, seed, options, &planned, &notebook)?;
    stage.play(progress);
    let deliveries = deliveries(&scenario, &planned, &stage);
    let mut outcome = measure(&stage.world, &deliveries);
    outcome.scenario.clone_from(&scenario.name);
    scenario.protocol.name().clone_into(&mut outcome.protocol);
    outcome.seal = seal_name(scenario.protocol, scenario.seal);
    outcome.seed = seed;
    stage.circles.judge(&stage.world, checks.as_ref());
    outcome.violations = violations(checks.as_ref());
    outcome.losses = replay::losses(&stage, &deliveries);
    outcome.notes = notes(&stage, &deliveries, &notebook);
    outcome.notes.extend(stage.circles.notes(&deliveries));
    outcome.notes.extend(stage.carried_notes(&planned.oracle, planned.crossing(0)));
    let hop_s = |class: &str| hop_s(&scenario, &planned, class);
    let missed = |asked: &Threshold| asked.missed(&outcome, &deliveries, &hop_s);
    outcome.missed = scenario.expect.iter().filter_map(missed).collect();
    let (end_s, asked) = (planned.end as f64 / 1000.0, stage.forecasts.count());
    let within_s = scenario.deliver_within.map_or(f64::MAX, |within| within.ms as f64 / 1000.0);
    let judged = stage.forecasts.judge(&deliveries, end_s, within_s);
    outcome.notes.extend(calibration::notes(&judged, asked));
    let mut recording = stage.film.finish(deliveries);
    recording.reliability = calibration::classes(&judged);
    recording.contact_seconds = planned.contact_seconds;
    Ok((outcome, recording))
}

/// The scenario as the options want it.
fn adapted(scenario: &Scenario, options: &Options) -> Result<Scenario, RunError> {
    let mut scenario = scenario.clone();
    scenario.nodes = options.nodes.unwrap_or(scenario.nodes);
    scenario.protocol = options.protocol.unwrap_or(scenario.protocol);
    scenario.seal = options.seal.unwrap_or(scenario.seal);
    scenario.check()?;
    Ok(scenario)
}

/// Everybody in place, before anything happens.
fn stage_of<'a>(
    scenario: &Scenario,
    seed: u64,
    options: &Options,
    planned: &'a Planned,
    notebook: &Notebook,
) -> Result<(Stage<'a>, Option<Checks>), RunError> {
    let honest = scenario.honest();
    let quota = scenario.carry.map_or_else(|| Config::default().mesh.carry.quota, |carry| carry.0);
    let newer = (f64::from(honest) * scenario.faults.newer_version.0) as u32;
    let config = |node: u32| {
        let mut config = Config::default();
        config.mesh.carry.quota = quota;
        if let Some(battery) = scenario.radio.battery {
            config.mesh = config.mesh.with_battery(battery);
        }
        if node < newer {
            let versions = config.mesh.link.versions;
            config.mesh.link.versions = *versions.start()..=versions.end() + 1;
        }
        config
    };
    let mut world = stage::world(seed, scenario.seal, scenario.protocol, honest, config);
    stage::add_attackers(&mut world, scenario, seed, notebook);
    let real = scenario.protocol == ProtocolName::Starling;
    if real {
        let mut pairs = stage::pairs(&planned.written);
        pairs.extend(circles::pairs(scenario, seed));
        world.introduce(&pairs);
    }
    world.forget();
    let shown = stage::watch(&mut world);
    let checks = (options.check && real).then(|| Checks::of(&mut world, scenario.seal, honest, quota));
    world.travel(planned.mobility(scenario, seed)?, planned.radio.clone());
    stage::plan_faults(&mut world, scenario, seed);
    let batteries = Batteries::of(&mut world, scenario, seed);
    let carriers = if real { Carriers::watch(&mut world, honest, planned.written.len()) } else { None };
    let circles = Circles::of(&mut world, scenario, seed, planned.written.len());
    let film = Film::new(planned.end, options.samples, options.scenes);
    let (written, end) = (&planned.written[..], planned.end);
    let (unwritten, nodes, forecasts) = (BTreeSet::new(), scenario.nodes, Forecasts::default());
    let stage =
        Stage { world, written, film, shown, batteries, carriers, circles, forecasts, end, unwritten, nodes };
    Ok((stage, checks))
}

/// How many seconds a hop takes a message of a class, of the workload that takes longest.
fn hop_s(scenario: &Scenario, planned: &Planned, class: &str) -> f64 {
    let of_class = planned.written.iter().filter(|one| scenario.workload[one.workload].class == class);
    let longest = of_class.map(|one| planned.crossing(one.draft.bytes).millis()).max();
    longest.unwrap_or_default() as f64 / 1_000.0
}

fn deliveries(scenario: &Scenario, planned: &Planned, stage: &Stage<'_>) -> Vec<Delivery> {
    let shown = open(&stage.shown);
    let within = scenario.deliver_within.map(|within| within.ms);
    let honest = scenario.honest();
    let seconds = |ms: u64| ms as f64 / 1000.0;
    let mut deliveries = Vec::new();
    for written in &planned.written {
        let draft = &written.draft;
        let deadline = within.map_or(planned.end, |within| draft.at.saturating_add(within));
        // What nobody could write nobody could deliver.
        let possible = !stage.unwritten.contains(&draft.number);
        let foreseen = planned.foresee(written, honest, within);
        for (to, oracle) in readers(draft, honest).into_iter().zip(foreseen) {
            deliveries.push(Delivery {
                number: draft.number,
                class: scenario.workload[written.workload].class.clone(),
                from: draft.from,
                to,
                written_s: seconds(draft.at),
                shown_s: shown.at(draft.number, to).filter(|at| *at <= deadline).map(seconds),
                oracle_s: oracle.filter(|_| possible).map(seconds),
            });
        }
    }
    deliveries.extend(stage.circles.deliveries(&stage.world, planned, &shown, within));
    deliveries
}

/// What the world lost on the way, as far as anything was.
fn lost(stage: &Stage<'_>) -> BTreeMap<String, f64> {
    let losses = stage.world.counters().losses;
    let counts = [
        ("contacts never heard", losses.undiscovered),
        ("contacts never connected", losses.unconnected),
        ("contacts without a free place", losses.no_place),
        ("contacts behind bodies", losses.too_far),
        ("contacts of nodes that are off", losses.off),
        ("links closed as silent", losses.silent),
        ("links closed for faults", losses.faulty),
        ("frames cut", losses.cut),
        ("envelopes cut", losses.cut_payloads),
        ("bytes of envelopes cut", losses.cut_payload_bytes),
        ("frames lost by faults", losses.faults),
        ("batteries dead", losses.batteries),
        ("processes crashed", losses.crashes),
    ];
    counts.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n as f64)).collect()
}

/// What the world lost on the way, and what trackers could tell.
fn notes(stage: &Stage<'_>, deliveries: &[Delivery], notebook: &Notebook) -> BTreeMap<String, f64> {
    let mut notes = lost(stage);
    notes.extend(replay::reach(stage, deliveries));
    notes.extend(stage.world.counters().bytes_by_type());
    let broadcasts = stage.world.counters().broadcasts;
    if broadcasts > 0 {
        notes.insert("broadcasts".to_owned(), broadcasts as f64);
    }
    let seen = notebook.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.hellos > 0 {
        notes.insert("hellos tracked".to_owned(), seen.hellos as f64);
        notes.insert("hellos linked to an earlier one".to_owned(), seen.relinked() as f64);
    }
    notes
}

fn violations(checks: Option<&Checks>) -> Vec<Violation> {
    checks.map(Checks::broken).unwrap_or_default()
}

fn seal_name(protocol: ProtocolName, seal: Seal) -> String {
    let name = match (protocol, seal) {
        (ProtocolName::Starling, Seal::Product) => "product",
        (ProtocolName::Starling, Seal::Real) => "real",
        (ProtocolName::Starling, Seal::Cheap) => "cheap",
        _ => "none",
    };
    name.to_owned()
}
