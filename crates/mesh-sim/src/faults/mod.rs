//! Fault runs: small worlds to which everything happens at once, and which must hold every invariant.
//!
//! [`group_run`] is about a group instead of texts.
//!
//! [`fault_run`] draws a world of 5 to 30 nodes and a list of faults from its seed, lets it happen, heals the
//! world and asks whether everything arrived. A run that breaks an invariant comes back as a [`Failure`]: a
//! plan that was cut down to what is needed for it, which [`Failure::to_toml`] writes to a file and
//! [`replay`] lets happen again.

mod plan;
mod plant;
mod play;
mod shrink;

pub use plan::{Fault, Message, Pairing, Plan};
pub use plant::Bug;

use crate::Violation;
use serde::{Deserialize, Serialize};

/// What a fault run came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultReport {
    /// Hex of the hash over everything that happened.
    pub trace_hash: String,
    /// How many nodes.
    pub nodes: u32,
    /// Messages that were written.
    pub messages: u64,
    /// Messages that arrived.
    pub delivered: u64,
    /// Faults that happened.
    pub faults: u64,
    /// Happenings in all.
    pub events: u64,
    /// Broken invariants; empty in every good run.
    pub violations: Vec<Violation>,
}

/// A run that broke an invariant: enough to let it happen again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// From which the run was drawn.
    pub seed: u64,
    /// The commit of the program, where its caller knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The first broken invariant.
    pub violation: Violation,
    /// What happens: the faults and messages without which it would not break.
    pub plan: Plan,
}

/// A failure file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {what}")]
pub struct FailureError {
    /// The file, as it was named by the caller.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl Failure {
    /// The text of a failure file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let body = toml::to_string(self).unwrap_or_default();
        format!("# {}\n{body}", self.repro("FILE"))
    }

    /// Reads a failure file; `file` names it in errors.
    ///
    /// # Errors
    /// Where the text is no failure file.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, FailureError> {
        let read = toml::from_str::<Self>(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = 1 + text[..at].matches('\n').count();
            FailureError { file: file.to_owned(), line, what: error.message().to_owned() }
        })?;
        let wrong = |what| FailureError { file: file.to_owned(), line: 1, what };
        read.plan.check().map_err(wrong)?;
        Ok(read)
    }

    /// The line that lets it happen again from its file.
    #[must_use]
    pub fn repro(&self, file: &str) -> String {
        format!("starling sim replay {file}")
    }
}

/// Draws a run from `seed` and lets it happen.
///
/// # Errors
/// The failure, cut down, where an invariant broke.
pub fn fault_run(seed: u64) -> Result<FaultReport, Box<Failure>> {
    attempt(Plan::draw(seed), None)
}

/// Draws a run of a group that is split and heals from `seed`, and lets it happen.
///
/// # Errors
/// The failure, cut down, where an invariant broke.
pub fn group_run(seed: u64) -> Result<FaultReport, Box<Failure>> {
    attempt(Plan::draw_group(seed), None)
}

/// Draws a run from `seed` in which every node has a bug, and lets it happen.
///
/// # Errors
/// The failure, cut down, where an invariant broke: it is there for that.
pub fn planted_run(seed: u64, bug: Bug) -> Result<FaultReport, Box<Failure>> {
    attempt(Plan::draw(seed), Some(bug))
}

/// Lets a plan happen.
#[must_use]
pub fn replay(plan: &Plan) -> FaultReport {
    play::play(plan, None)
}

fn attempt(plan: Plan, bug: Option<Bug>) -> Result<FaultReport, Box<Failure>> {
    let report = play::play(&plan, bug);
    let Some(first) = report.violations.first().cloned() else { return Ok(report) };
    let breaks = |plan: &Plan| play::breaks(plan, bug, &first.invariant);
    let seed = plan.seed;
    let small = shrink::shrink(plan, &mut |plan| breaks(plan).is_some());
    let violation = breaks(&small).unwrap_or_else(|| first.clone());
    Err(Box::new(Failure { seed, commit: None, violation, plan: small }))
}

#[cfg(test)]
mod tests;
