//! From a scenario to figures: builds the world, lets it run, measures it against the oracle.
//!
//! [`run`] is one run; [`run_seeds`] spreads seeds over threads, and every seed comes to the same hash on
//! any number of them; [`sweep`] varies one value of a scenario. [`trace_run`] replays a trace of contacts
//! with the reference's draws, so that its oracle figures are exactly the reference's.

use crate::scenario::{ProtocolName, Scenario, ScenarioError, Seal};
use crate::stats::Interval;
use crate::{Contact, Outcome, Recording};
use std::collections::BTreeMap;

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

/// When a trace's messages are created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// At any time.
    #[default]
    Uniform,
    /// At the start of a contact of the writer.
    Active,
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
    pub create: Create,
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
            create: Create::Uniform,
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
    let _ = (scenario, seed, options, progress);
    Err(RunError::Trace("not yet".to_owned()))
}

/// Runs a scenario once for each seed on `threads` threads; the results stand in the order of the seeds.
/// `done` is told the number of finished runs after each.
///
/// # Errors
/// As [`run`]: that of the first seed that has one.
pub fn run_seeds(
    scenario: &Scenario,
    seeds: core::ops::Range<u64>,
    threads: usize,
    options: &Options,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Outcome>, RunError> {
    let _ = (threads, done);
    seeds.map(|seed| run(scenario, seed, options, &mut |_| {}).map(|(outcome, _)| outcome)).collect()
}

/// One value of a sweep and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The value, as it would stand in the scenario.
    pub value: String,
    /// The runs, in the order of the seeds.
    pub outcomes: Vec<Outcome>,
    /// Means over the seeds with their confidence intervals, by the figure's name.
    pub figures: BTreeMap<&'static str, Interval>,
}

/// Runs a scenario for each of `values` at `path` (`radio.range_m`) and each seed.
///
/// # Errors
/// As [`run_seeds`]; where there is no such place or a value is not allowed there.
pub fn sweep(
    scenario: &Scenario,
    path: &str,
    values: &[String],
    seeds: core::ops::Range<u64>,
    threads: usize,
    options: &Options,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Point>, RunError> {
    let varied = |value: &String| {
        let scenario = scenario.vary(path, value)?;
        let outcomes = run_seeds(&scenario, seeds.clone(), threads, options, done)?;
        Ok(Point { value: value.clone(), figures: figures(&outcomes), outcomes })
    };
    values.iter().map(varied).collect()
}

/// Means of all figures over runs, with their confidence intervals.
#[must_use]
pub fn figures(outcomes: &[Outcome]) -> BTreeMap<&'static str, Interval> {
    let of = |figure: crate::scenario::Figure| Interval::over(outcomes.iter().filter_map(|o| figure.of(o)));
    crate::scenario::Figure::ALL.iter().filter_map(|(name, figure)| Some((*name, of(*figure)?))).collect()
}

/// Replays a trace: messages and window are drawn as the reference draws them, all pairs that write are
/// introduced beforehand, and the hop delay holds for the oracle and the nodes alike.
///
/// # Errors
/// Where an option is out of its range or the trace is shorter than the window.
pub fn trace_run(
    contacts: &[Contact],
    options: &TraceOptions,
    progress: &mut dyn FnMut(&Progress),
) -> Result<(Outcome, Recording), RunError> {
    let _ = (contacts, options, progress);
    Err(RunError::Trace("not yet".to_owned()))
}
