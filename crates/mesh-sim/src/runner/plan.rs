//! What a run is made of, drawn from scenario and seed before anything happens.

use super::{Options, RunError};
use crate::scenario::{Gatherings, Movement, Scenario, ScenarioError};
use crate::{
    Audience, Contact, Crossing, Draft, Mobility, Oracle, Radio, Trace, TraceReplay, contacts, workload,
};

/// A message with its class.
pub(super) struct Written {
    pub(super) draft: Draft,
    /// An index into the scenario's workload.
    pub(super) class: usize,
}

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
        let written = written(scenario, seed, &met)?;
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

    /// When the oracle has a message at each of its readers, in the order of [`readers`].
    pub(super) fn foresee(&self, written: &Written, honest: u32, within: Option<u64>) -> Vec<Option<u64>> {
        let draft = &written.draft;
        let deadline = within.map_or(self.end, |within| draft.at.saturating_add(within).min(self.end));
        let crossing = self.crossing(draft.bytes);
        let arrivals = self.oracle.reach(draft.from, draft.at, crossing);
        let arrival = |to: u32| arrivals.get(to as usize).copied().flatten().filter(|at| *at <= deadline);
        readers(draft, honest).into_iter().map(arrival).collect()
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

/// The messages of all workloads in order of time, numbered.
fn written(scenario: &Scenario, seed: u64, met: &[Contact]) -> Result<Vec<Written>, RunError> {
    let honest = scenario.honest();
    let mut all = Vec::new();
    for (class, load) in scenario.workload.iter().enumerate() {
        let seconds = (scenario.length.ms / 1000).max(1);
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(class as u64);
        let drafts = workload::plan(&[load.workload(honest, scenario.length)], honest, seconds, met, seed)
            .map_err(|impossible| of(scenario, impossible.to_string()))?;
        all.extend(drafts.into_iter().map(|draft| Written { draft, class }));
    }
    all.sort_by_key(|written| (written.draft.at, written.class, written.draft.number));
    for (number, written) in all.iter_mut().enumerate() {
        written.draft.number = u32::try_from(number).unwrap_or(u32::MAX);
    }
    Ok(all)
}

fn of(scenario: &Scenario, what: String) -> RunError {
    RunError::Scenario(ScenarioError { file: scenario.name.clone(), line: 1, what })
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
    if let Movement::Groups(groups) = &scenario.movement {
        return Ok(Box::new(Gatherings::new(groups.clone(), nodes, seed)));
    }
    let Some(invented) = scenario.movement.invented(nodes, radio.range_m) else {
        let contacts = trace.map(|trace| &trace.contacts[..]).unwrap_or_default();
        return Ok(Box::new(TraceReplay::over(nodes, contacts)));
    };
    let walking = invented.walk(seed, radio.range_m as f32, seconds);
    Ok(Box::new(walking.map_err(|impossible| of(scenario, impossible.to_string()))?))
}
