//! What a scenario plans, without letting it happen: for real daemons.

use super::plan::Planned;
use super::{Options, RunError};
use crate::scenario::Scenario;
use crate::{Contact, Draft, Radio, contacts};

/// Who meets whom, and who writes what. Times are milliseconds since the run begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// The scenario's name.
    pub name: String,
    /// How many nodes.
    pub nodes: u32,
    /// How long it lasts.
    pub length: u64,
    /// Who is within reach of whom.
    pub contacts: Vec<Contact>,
    /// What is written.
    pub drafts: Vec<Draft>,
    /// What they reach one another with.
    pub radio: Radio,
}

/// What `scenario` plans for `seed`: the same contacts and messages as in [`run`](super::run).
///
/// # Errors
/// Where the options do not fit the scenario, or a trace that it names is missing or damaged.
pub fn course(scenario: &Scenario, seed: u64, options: &Options) -> Result<Course, RunError> {
    let mut scenario = scenario.clone();
    scenario.nodes = options.nodes.unwrap_or(scenario.nodes);
    let planned = Planned::new(&scenario, seed, options)?;
    let mut mobility = planned.mobility(&scenario, seed)?;
    Ok(Course {
        name: scenario.name.clone(),
        nodes: scenario.nodes,
        length: planned.end,
        contacts: contacts(&mut *mobility, planned.end),
        drafts: planned.written.iter().map(|written| written.draft.clone()).collect(),
        radio: planned.radio,
    })
}
