//! What a run is made of, drawn from scenario and seed before anything happens.

use super::{Options, RunError};
use crate::mobility::Impossible;
use crate::scenario::{Scenario, ScenarioError};
use crate::workload::{Written, plan};
use crate::{
    Audience, Contact, Crossing, Draft, Draw, Mobility, Movement, Oracle, Radio, Trace, TraceReplay, contacts,
};

/// Everything that is known before a run begins.
pub(super) struct Planned {
    pub(super) radio: Radio,
    /// When it ends, in milliseconds.
    pub(super) end: u64,
    pub(super) written: Vec<Written>,
    pub(super) oracle: Oracle,
    /// How long contacts last, in seconds, sorted.
    pub(super) contact_seconds: Vec<f32>,
    trace: Option<Trace>,
}

impl Planned {
    /// Plans a run.
    pub(super) fn new(scenario: &Scenario, seed: u64, options: &Options) -> Result<Self, RunError> {
        let radio = scenario.radio.radio(&scenario.movement);
        let trace = trace_of(scenario, options)?;
        let mut mobility = mobility(scenario, seed, &radio, trace.as_ref())?;
        let end = scenario.length.ms;
        let honest = scenario.honest();
        let met: Vec<Contact> = contacts(&mut *mobility, end);
        let mut contact_seconds: Vec<f32> =
            met.iter().map(|contact| (contact.end - contact.start) as f32 / 1000.0).collect();
        contact_seconds.sort_by(f32::total_cmp);
        // Attackers carry nothing for anybody.
        let met: Vec<Contact> = met.into_iter().filter(|contact| contact.b < honest).collect();
        let written = plan(&scenario.workload, honest, scenario.length, &met, seed);
        let written = written.map_err(|impossible| of(scenario, &impossible))?;
        let oracle = Oracle::over(scenario.nodes, &met);
        Ok(Self { radio, end, written, oracle, contact_seconds, trace })
    }

    /// The movement, from its beginning.
    pub(super) fn mobility(&self, scenario: &Scenario, seed: u64) -> Result<Box<dyn Mobility>, RunError> {
        mobility(scenario, seed, &self.radio, self.trace.as_ref())
    }

    /// What a link takes for so many bytes.
    pub(super) fn crossing(&self, bytes: u32) -> Crossing {
        let hop = u64::from(self.radio.latency_ms) + self.radio.hop_delay_ms;
        match self.radio.goodput {
            0 => Crossing::delayed(hop),
            goodput => Crossing::carrying(hop, u64::from(bytes), goodput),
        }
    }

    /// When the oracle has a message at these readers, in their order.
    pub(super) fn reach(&self, draft: &Draft, readers: &[u32], within: Option<u64>) -> Vec<Option<u64>> {
        let deadline = within.map_or(self.end, |within| draft.at.saturating_add(within).min(self.end));
        let arrivals = self.oracle.reach(draft.from, draft.at, self.crossing(draft.bytes));
        let arrival = |to: &u32| arrivals.get(*to as usize).copied().flatten().filter(|at| *at <= deadline);
        readers.iter().map(arrival).collect()
    }

    /// When the oracle has a message at each of its readers, in the order of [`readers`].
    pub(super) fn foresee(&self, written: &Written, honest: u32, within: Option<u64>) -> Vec<Option<u64>> {
        let draft = &written.draft;
        let deadline = within.map_or(self.end, |within| draft.at.saturating_add(within).min(self.end));
        let crossing = self.crossing(draft.bytes);
        if let Audience::One(to) = draft.to {
            // One reader's arrival ends the search: most are far from the last of all nodes.
            let draw = Draw { from: draft.from, to, at: draft.at };
            return vec![self.oracle.arrival(&draw, crossing, deadline)];
        }
        self.reach(draft, &readers(draft, honest), within)
    }
}

/// Who should get a message.
pub(super) fn readers(draft: &Draft, honest: u32) -> Vec<u32> {
    match &draft.to {
        Audience::One(to) => vec![*to],
        Audience::Each(several) => several.clone(),
        Audience::Everybody => (0..honest).filter(|node| *node != draft.from).collect(),
    }
}

fn of(scenario: &Scenario, impossible: &Impossible) -> RunError {
    let (file, what) = (scenario.name.clone(), impossible.to_string());
    RunError::Scenario(ScenarioError { file, line: 1, what })
}

fn trace_of(scenario: &Scenario, options: &Options) -> Result<Option<Trace>, RunError> {
    let Movement::Trace(wanted) = &scenario.movement else { return Ok(None) };
    let Some(text) = options.files.get(&wanted.file) else {
        return Err(RunError::File { name: wanted.file.clone() });
    };
    let read = crate::trace::parse(&wanted.file, text).map_err(|error| RunError::Trace(error.to_string()))?;
    let mut trace = read.into_trace();
    let skip = wanted.skip.ms;
    trace.contacts.retain(|contact| contact.end > skip && contact.a.max(contact.b) < scenario.nodes);
    for contact in &mut trace.contacts {
        contact.start = contact.start.saturating_sub(skip);
        contact.end -= skip;
    }
    trace.nodes = scenario.nodes;
    Ok(Some(trace))
}

fn mobility(
    scenario: &Scenario,
    seed: u64,
    radio: &Radio,
    trace: Option<&Trace>,
) -> Result<Box<dyn Mobility>, RunError> {
    let (nodes, seconds) = (scenario.nodes, scenario.length.ms.div_ceil(1000));
    if let Movement::Trace(_) = scenario.movement {
        let contacts = trace.map(|trace| &trace.contacts[..]).unwrap_or_default();
        return Ok(Box::new(TraceReplay::over(nodes, contacts)));
    }
    let walking = scenario.movement.walk(nodes, seed, radio.range_m as f32, seconds);
    walking.map_err(|impossible| of(scenario, &impossible))
}
