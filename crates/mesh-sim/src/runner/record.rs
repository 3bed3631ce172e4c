//! What a run looks like from outside: who was shown what and when, and samples over time.

use crate::{Counters, Delivery, Draft, NodeIx, Observer, Recording, Sample, Scene, World};
use mesh_core::MessageId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// When which message was shown to whom.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// By message and reader, in milliseconds.
    at: BTreeMap<(u32, u32), u64>,
    /// Messages that the writer's node did not take, with whom they were for.
    pub(super) refused: BTreeSet<u32>,
    /// Deliveries that count, for progress.
    pub(super) count: u64,
}

impl Shown {
    pub(super) fn at(&self, number: u32, to: u32) -> Option<u64> {
        self.at.get(&(number, to)).copied()
    }
}

impl Observer for Shown {
    fn submitted(&mut self, _: u64, node: NodeIx, draft: &Draft, answer: Option<MessageId>) {
        // Beacons and other protocols have no answer.
        let asks = !matches!(draft.to, crate::Audience::Everybody);
        if answer.is_none() && asks {
            self.refused.insert(draft.number);
        }
        let _ = node;
    }

    fn shown(&mut self, at: u64, node: NodeIx, number: u32) {
        if let std::collections::btree_map::Entry::Vacant(first) = self.at.entry((number, node.number())) {
            first.insert(at);
            self.count += 1;
        }
    }
}

/// An observer that is asked afterwards.
pub(super) type Shared<T> = Arc<Mutex<T>>;

pub(super) fn open<T>(shared: &Shared<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Samples and scenes at equal distances of time.
pub(super) struct Film {
    every: u64,
    next: u64,
    scene_every: Option<u64>,
    next_scene: u64,
    scenes_left: u32,
    pub(super) recording: Recording,
}

impl Film {
    pub(super) fn new(end: u64, samples: u32, scenes: u32) -> Self {
        let every = (end / u64::from(samples.max(1))).max(1);
        let scene_every = (scenes > 0).then(|| (end / u64::from(scenes)).max(1));
        Self {
            every,
            next: 0,
            scene_every,
            next_scene: 0,
            scenes_left: scenes,
            recording: Recording::default(),
        }
    }

    /// When the next picture is due, in milliseconds.
    pub(super) fn next(&self) -> u64 {
        self.scene_every.map_or(self.next, |_| self.next.min(self.next_scene))
    }

    /// Takes what is due.
    pub(super) fn take(&mut self, world: &World, nodes: u32, shown: &Shared<Shown>) {
        let at_s = world.now() as f64 / 1000.0;
        if world.now() >= self.next {
            self.next += self.every;
            let Counters { bytes_on_air, copies, airtime_us, energy_j, .. } = world.counters();
            let running = (0..nodes).filter(|node| world.is_running(NodeIx::from(*node))).count();
            let carried = (0..nodes).map(|node| world.carried(NodeIx::from(node)).0).sum();
            self.recording.samples.push(Sample {
                at_s,
                delivered: open(shown).count,
                oracle: 0,
                bytes_on_air,
                copies,
                airtime_s: airtime_us as f64 / 1e6,
                energy_j,
                links: u32::try_from(world.links().len()).unwrap_or(u32::MAX),
                carried,
                running: u32::try_from(running).unwrap_or(u32::MAX),
            });
        }
        let Some(every) = self.scene_every.filter(|_| world.now() >= self.next_scene) else { return };
        self.scenes_left -= 1;
        self.next_scene += every;
        if self.scenes_left == 0 {
            self.scene_every = None;
        }
        let ix = |node: u32| NodeIx::from(node);
        let carried = (0..nodes).map(|node| u32::try_from(world.carried(ix(node)).0).unwrap_or(u32::MAX));
        self.recording.scenes.push(Scene {
            at_s,
            places: world.places(),
            carried: carried.collect(),
            dead: (0..nodes).filter(|node| !world.is_running(ix(*node))).collect(),
            links: world.links().into_iter().map(|(a, b)| (a.number(), b.number())).collect(),
        });
    }

    /// Fills in what the oracle had, once all deliveries are known.
    pub(super) fn finish(mut self, deliveries: Vec<Delivery>) -> Recording {
        let mut foreseen: Vec<f64> = deliveries.iter().filter_map(|delivery| delivery.oracle_s).collect();
        foreseen.sort_by(f64::total_cmp);
        for sample in &mut self.recording.samples {
            sample.oracle = foreseen.partition_point(|at| *at <= sample.at_s) as u64;
        }
        self.recording.deliveries = deliveries;
        self.recording
    }
}
