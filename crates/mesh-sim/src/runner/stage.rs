//! The world of a run: who is in it, and what is done to them.

use super::Progress;
use super::calibration::Forecasts;
use super::carriers::Carriers;
use super::circles::Circles;
use super::record::{Film, Shared, Shown};
use crate::attack::{Alarmist, Crooked, Flooder, Hours, Notebook, Trick};
use crate::baseline::{Baseline, Rule};
use crate::mobility::Dice;
use crate::scenario::{Attack, AttackKind, ProtocolName, Scenario};
use crate::workload::Written;
use crate::{Audience, Change, Crossing, NodeIx, Oracle, Protocol, Seal, World};
use mesh_core::Config;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Batteries are looked at this often, in milliseconds.
const ROUND_MS: u64 = 60_000;
/// Callers hear of progress about this often in a run.
const PROGRESS_STEPS: u64 = 400;

/// A new world of so many nodes of a protocol; the honest ones first.
pub(super) fn world(
    seed: u64,
    seal: Seal,
    protocol: ProtocolName,
    honest: u32,
    config: impl Fn(u32) -> Config,
) -> World {
    let mut world = World::sealed(seed, seal);
    for node in 0..honest {
        match rule(protocol) {
            None => world.add_with(&format!("Person {node}"), config(node)),
            Some(rule) => world.add_protocol(Box::new(Baseline::new(node, rule))),
        };
    }
    world
}

fn rule(protocol: ProtocolName) -> Option<Rule> {
    match protocol {
        ProtocolName::Starling => None,
        ProtocolName::Epidemic => Some(Rule::Epidemic),
        ProtocolName::SprayAndWait => Some(Rule::SPRAY),
        ProtocolName::Prophet => Some(Rule::Prophet),
        ProtocolName::Flood => Some(Rule::FLOOD),
    }
}

/// Adds a scenario's attackers; the trackers among them write into the notebook.
pub(super) fn add_attackers(world: &mut World, scenario: &Scenario, seed: u64, notebook: &Notebook) {
    for (kind, attack) in scenario.attack.iter().enumerate() {
        for n in 0..attack.nodes {
            let mut bytes = [0xa7; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            bytes[8..12].copy_from_slice(&n.to_le_bytes());
            bytes[12..16].copy_from_slice(&(kind as u32).to_le_bytes());
            add_attacker(world, attack, bytes, notebook);
        }
    }
}

fn add_attacker(world: &mut World, attack: &Attack, seed: [u8; 32], notebook: &Notebook) {
    let hours: Hours = attack.from.ms..attack.until.map_or(u64::MAX, |until| until.ms);
    let trick = match attack.kind {
        AttackKind::Flooder | AttackKind::Sybil => {
            let many_names = attack.kind == AttackKind::Sybil;
            let flooder = Flooder::new(seed, attack.per_second, hours, many_names);
            world.add_protocol(Box::new(flooder));
            return;
        }
        AttackKind::Alarmist => {
            world.add_protocol(Box::new(Alarmist::new(seed, attack.per_second, hours)));
            return;
        }
        AttackKind::BlackHole => Trick::BlackHole,
        AttackKind::Liar => Trick::Liar,
        AttackKind::Replayer => Trick::Replayer,
        AttackKind::Marker => Trick::Marker,
        AttackKind::Tracker => Trick::Tracker(Arc::clone(notebook)),
    };
    world.add_wrapped("Eve", Config::default(), move |starling| -> Box<dyn Protocol> {
        Box::new(Crooked::new(starling, trick.clone(), hours.clone(), seed))
    });
}

/// Everybody who will write to somebody, once.
pub(super) fn pairs(written: &[Written]) -> Vec<(NodeIx, NodeIx)> {
    let mut pairs = BTreeSet::new();
    for Written { draft, .. } in written {
        let readers: &[u32] = match &draft.to {
            Audience::One(to) => core::slice::from_ref(to),
            Audience::Each(several) => several,
            Audience::Everybody => &[],
        };
        pairs.extend(readers.iter().map(|to| (draft.from.min(*to), draft.from.max(*to))));
    }
    pairs.into_iter().map(|(a, b)| (NodeIx::from(a), NodeIx::from(b))).collect()
}

/// Plans what goes wrong in a scenario.
pub(super) fn plan_faults(world: &mut World, scenario: &Scenario, seed: u64) {
    let mut dice = Dice::new(seed, "faults of a run");
    let faults = &scenario.faults;
    for node in 0..scenario.honest() {
        let ix = NodeIx::from(node);
        if f64::from(dice.unit()) < faults.clocks_off.0 {
            let most = (2 * faults.clocks_off_by.ms / 1000).max(1);
            let off = i64::try_from(dice.below_long(most)).unwrap_or(0);
            let middle = i64::try_from(faults.clocks_off_by.ms / 1000).unwrap_or(0);
            world.skew(ix, off - middle);
        }
        let Some(every) = faults.crash_every else { continue };
        let mut at = dice.below_long(2 * every.ms.max(1));
        while at < scenario.length.ms {
            world.change_at(at, Change::Crash(ix));
            world.change_at(at + faults.down_for.ms, Change::Restart(ix));
            at += every.ms / 2 + dice.below_long(every.ms.max(1)) + faults.down_for.ms + 1;
        }
    }
}

/// Batteries that are empty, and when they will be full again.
pub(super) struct Batteries {
    joules: f64,
    charged_after: Option<u64>,
    empty: BTreeMap<NodeIx, u64>,
    nodes: u32,
}

impl Batteries {
    /// Gives every honest node one, as the scenario says; `None` where it says nothing.
    pub(super) fn of(world: &mut World, scenario: &Scenario, seed: u64) -> Option<Self> {
        let battery = scenario.battery.as_ref()?;
        let mut dice = Dice::new(seed, "batteries of a run");
        for node in 0..scenario.honest() {
            let full = battery.emptiest.0 + (1.0 - battery.emptiest.0) * f64::from(dice.unit());
            world.battery(NodeIx::from(node), battery.joules * full);
        }
        Some(Self {
            joules: battery.joules,
            charged_after: battery.charged_after.map(|after| after.ms),
            empty: BTreeMap::new(),
            nodes: scenario.honest(),
        })
    }

    fn round(&mut self, world: &mut World) {
        let Some(charged_after) = self.charged_after else { return };
        for ix in (0..self.nodes).map(NodeIx::from) {
            let is_empty = !world.is_running(ix) && world.charge(ix).is_some_and(|joules| joules <= 0.0);
            if is_empty {
                self.empty.entry(ix).or_insert_with(|| world.now() + charged_after);
            }
        }
        let charged: Vec<NodeIx> =
            self.empty.iter().filter(|(_, at)| **at <= world.now()).map(|(ix, _)| *ix).collect();
        for ix in charged {
            self.empty.remove(&ix);
            world.battery(ix, self.joules);
            world.power(ix, true);
        }
    }
}

/// A run on its way.
pub(super) struct Stage<'a> {
    pub(super) world: World,
    pub(super) written: &'a [Written],
    pub(super) film: Film,
    pub(super) shown: Shared<Shown>,
    pub(super) batteries: Option<Batteries>,
    pub(super) carriers: Option<Shared<Carriers>>,
    pub(super) circles: Circles,
    pub(super) forecasts: Forecasts,
    pub(super) end: u64,
    /// Messages that nobody could write: the writer's node was off.
    pub(super) unwritten: BTreeSet<u32>,
    /// Nodes whose bags are looked at.
    pub(super) nodes: u32,
}

impl Stage<'_> {
    /// From the beginning to the end.
    pub(super) fn play(&mut self, progress: &mut dyn FnMut(&Progress)) {
        let (mut next_draft, mut next_round) = (0, ROUND_MS);
        let step = (self.end / PROGRESS_STEPS).max(1);
        let mut next_progress = 0;
        loop {
            let draft_at = self.written.get(next_draft).map_or(u64::MAX, |written| written.draft.at);
            let round = if self.batteries.is_some() { next_round } else { u64::MAX };
            let step_at = self.circles.next();
            let at = draft_at.min(step_at).min(self.film.next()).min(round).min(next_progress).min(self.end);
            self.world.run_to(at);
            if at >= next_progress || at >= self.end {
                next_progress = at + step;
                progress(&self.progress());
            }
            if at >= round
                && let Some(batteries) = &mut self.batteries
            {
                next_round += ROUND_MS;
                batteries.round(&mut self.world);
            }
            if at >= self.film.next() {
                self.film.take(&self.world, self.nodes, &self.shown);
            }
            if at >= self.end {
                return;
            }
            if at >= step_at {
                self.circles.step(&mut self.world);
            }
            if at >= draft_at {
                let draft = &self.written[next_draft].draft;
                if let Audience::One(to) = draft.to {
                    self.forecasts.ask(&self.world, draft.number, draft.from, to);
                }
                if !self.world.is_running(draft.from.into()) {
                    self.unwritten.insert(draft.number);
                }
                self.world.submit(draft);
                next_draft += 1;
            }
        }
    }

    /// What receipts saved, and whom they reached.
    pub(super) fn carried_notes(&self, oracle: &Oracle, crossing: Crossing) -> BTreeMap<String, f64> {
        let reader = |number: u32| {
            let written = self.written.iter().find(|written| written.draft.number == number)?;
            if let Audience::One(to) = written.draft.to { Some(to) } else { None }
        };
        let carriers = self.carriers.as_ref();
        let notes = carriers.map(|seen| Carriers::notes(seen, oracle, crossing, &reader, self.end));
        notes.unwrap_or_default()
    }

    fn progress(&self) -> Progress {
        Progress {
            at_s: self.world.now() as f64 / 1000.0,
            of_s: self.end as f64 / 1000.0,
            delivered: super::record::open(&self.shown).count,
            events: self.world.counters().events,
        }
    }
}

/// Looks on in `world` for who is shown what.
pub(super) fn watch(world: &mut World) -> Shared<Shown> {
    let shown = Shared::<Shown>::default();
    world.observe(Box::new(Arc::clone(&shown)));
    shown
}
