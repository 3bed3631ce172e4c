//! The groups of a scenario on their way: when what is done in them, who should have it, and what it cost.

use super::plan::Planned;
use super::record::{Shared, Shown, open};
use crate::circle::Script;
use crate::invariants::Checks;
use crate::scenario::Scenario;
use crate::{Circle, Delivery, Draft, NodeIx, Observer, Passage, World};
use mesh_core::id::ShortId;
use mesh_core::wire::Envelope;
use mesh_core::{MessageId, StoreOp, Table};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The first byte of a frame that carries a sealed envelope (PROTOCOL.md section 4).
const ENVELOPE: u8 = 7;

/// The groups of a run.
#[derive(Default)]
pub(super) struct Circles {
    all: Vec<Playing>,
    /// When what is due next, in order of time: a group, and which of its steps; its beginning before all.
    agenda: Vec<(u64, usize, Option<usize>)>,
    next: usize,
    /// The number of the next message.
    number: u32,
    traffic: Option<Shared<Traffic>>,
}

struct Playing {
    circle: Circle,
    script: Script,
    class: String,
    agree: bool,
}

/// What groups say on the air: words, and everything else (operations, keys, receipts).
#[derive(Debug, Default)]
pub(super) struct Traffic {
    /// What a node stored last, and when: a message is written in one step.
    latest: Option<(u64, NodeIx)>,
    fresh: Vec<ShortId>,
    words: BTreeSet<ShortId>,
    /// Envelopes and bytes transmitted, of words and of everything else; of that what crossed before the first words.
    said: (u64, u64),
    other: (u64, u64),
    founding: (u64, u64),
}

/// The scripts of a scenario's groups.
fn scripts(scenario: &Scenario, seed: u64) -> Vec<Script> {
    let script = |(place, group): (usize, &crate::GroupSpec)| {
        group.script(place, scenario.honest(), scenario.length, seed)
    };
    scenario.group.iter().enumerate().map(script).collect()
}

/// Who must know whom for the groups of a scenario.
pub(super) fn pairs(scenario: &Scenario, seed: u64) -> Vec<(NodeIx, NodeIx)> {
    scripts(scenario, seed).iter().flat_map(Circle::acquaintances).collect()
}

impl Circles {
    /// The groups of a scenario; their messages are numbered after so many others.
    pub(super) fn of(world: &mut World, scenario: &Scenario, seed: u64, written: usize) -> Self {
        let scripts = scripts(scenario, seed);
        if scripts.is_empty() {
            return Self::default();
        }
        let traffic = Shared::<Traffic>::default();
        world.observe(Box::new(Arc::clone(&traffic)));
        let mut agenda = Vec::new();
        for (n, script) in scripts.iter().enumerate() {
            agenda.push((script.begins, n, None));
            agenda.extend(script.steps.iter().enumerate().map(|(at, step)| (step.at, n, Some(at))));
        }
        agenda.sort_unstable();
        let playing = |(script, spec): (Script, &crate::GroupSpec)| {
            let circle = Circle::new(world, &script);
            Playing { circle, script, class: spec.class.clone(), agree: spec.agree }
        };
        let all = scripts.into_iter().zip(&scenario.group).map(playing).collect();
        let number = u32::try_from(written).unwrap_or(u32::MAX);
        Self { all, agenda, next: 0, number, traffic: Some(traffic) }
    }

    /// When something is done next, in milliseconds.
    pub(super) fn next(&self) -> u64 {
        self.agenda.get(self.next).map_or(u64::MAX, |(at, ..)| *at)
    }

    /// Does what is due.
    pub(super) fn step(&mut self, world: &mut World) {
        let Some((_, group, step)) = self.agenda.get(self.next).copied() else { return };
        self.next += 1;
        let Some(playing) = self.all.get_mut(group) else { return };
        match step.and_then(|step| playing.script.steps.get(step)) {
            None => drop(playing.circle.begin(world)),
            Some(step) => drop(playing.circle.step(world, self.number, step)),
        }
        self.number += 1;
    }

    /// One for each message and each member who was in the author's eyes and still is in the end.
    pub(super) fn deliveries(
        &self,
        world: &World,
        planned: &Planned,
        shown: &Shown,
        within: Option<u64>,
    ) -> Vec<Delivery> {
        let seconds = |ms: u64| ms as f64 / 1000.0;
        let mut deliveries = Vec::new();
        for Playing { circle, class, .. } in &self.all {
            let members = circle.members(world);
            for said in circle.said() {
                let (draft, readers) = (&said.draft, said.readers());
                let readers: Vec<u32> =
                    readers.into_iter().filter(|to| *to != draft.from && members.contains(to)).collect();
                let deadline = within.map_or(planned.end, |within| draft.at.saturating_add(within));
                for (to, oracle) in readers.iter().zip(planned.reach(draft, &readers, within)) {
                    deliveries.push(Delivery {
                        number: draft.number,
                        class: class.clone(),
                        from: draft.from,
                        to: *to,
                        written_s: seconds(draft.at),
                        shown_s: shown.at(draft.number, *to).filter(|at| *at <= deadline).map(seconds),
                        oracle_s: oracle.map(seconds),
                    });
                }
            }
        }
        deliveries
    }

    /// Asks those who must agree whether they do.
    pub(super) fn judge(&self, world: &World, checks: Option<&Checks>) {
        let Some(checks) = checks else { return };
        for playing in self.all.iter().filter(|playing| playing.agree) {
            checks.agreed(world, &playing.circle);
        }
    }

    /// What the groups came to, by name.
    pub(super) fn notes(&self, deliveries: &[Delivery]) -> BTreeMap<String, f64> {
        let Some(traffic) = &self.traffic else { return BTreeMap::new() };
        let traffic = open(traffic);
        let (done, undone) = self
            .all
            .iter()
            .map(|playing| playing.circle.counts())
            .fold((0, 0), |(done, undone), (more, less)| (done + more, undone + less));
        let classes: BTreeSet<&str> = self.all.iter().map(|playing| playing.class.as_str()).collect();
        let is_ours = |one: &&Delivery| one.shown_s.is_some() && classes.contains(one.class.as_str());
        let arrived = deliveries.iter().filter(is_ours).count();
        let [said, other, founding] = [traffic.said, traffic.other, traffic.founding];
        let notes = [
            ("groups: steps done", done as f64),
            ("groups: steps that nobody could do", undone as f64),
            ("groups: envelopes with words", said.0 as f64),
            ("groups: bytes of envelopes with words", said.1 as f64),
            ("groups: envelopes with words per delivery", said.0 as f64 / arrived.max(1) as f64),
            ("groups: envelopes with operations, keys and receipts", other.0 as f64),
            ("groups: bytes of operations, keys and receipts", other.1 as f64),
            ("groups: envelopes before the first words", founding.0 as f64),
            ("groups: bytes before the first words", founding.1 as f64),
        ];
        notes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Observer for Traffic {
    fn stored(&mut self, at: u64, node: NodeIx, op: &StoreOp) {
        let StoreOp::Put { table: Table::Body, key, .. } = op else { return };
        if self.latest.replace((at, node)) != Some((at, node)) {
            self.fresh.clear();
        }
        self.fresh.extend(key.first_chunk().copied().map(ShortId));
    }

    fn submitted(&mut self, at: u64, node: NodeIx, _: &Draft, answer: Option<MessageId>) {
        if answer.is_none() || self.latest != Some((at, node)) {
            return;
        }
        // Words are sealed before the keys to them.
        if let Some(first) = self.fresh.first().copied() {
            if self.words.is_empty() {
                self.founding = self.other;
            }
            self.words.insert(first);
        }
    }

    fn sent(&mut self, _: u64, passage: &Passage<'_>) {
        let Some((&ENVELOPE, bytes)) = passage.frame.split_first() else { return };
        let Ok(envelope) = Envelope::from_bytes(bytes) else { return };
        let is_words = self.words.contains(&envelope.id().short());
        let (count, sum) = if is_words { &mut self.said } else { &mut self.other };
        *count += 1;
        *sum += bytes.len() as u64;
    }
}
