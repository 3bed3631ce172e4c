//! What goes wrong: crashes, batteries, clocks, partitions.

use super::World;
use super::agenda::Happening;
use super::slot::{Fate, Kind, NodeIx};
use crate::change::Change;
use crate::energy::Battery;
use crate::protocol::Starling;
use mesh_core::LinkId;

/// A battery's end is planned anew when it comes this much sooner, in milliseconds.
const SLACK: u64 = 1_000;

impl World {
    /// Does something to the world, now.
    pub fn change(&mut self, change: &Change) {
        match change {
            Change::Crash(ix) => self.crash(*ix),
            Change::Restart(ix) => self.restart(*ix),
            Change::LoseCommit(ix) => self.lose_next_commit(*ix),
            Change::LoseSends(ix) => self.lose_next_sends(*ix),
            Change::Clock(ix, seconds) => self.skew(*ix, *seconds),
            Change::Power(ix, on) => self.power(*ix, *on),
            Change::Partition(groups) => {
                let groups: Vec<&[NodeIx]> = groups.iter().map(Vec::as_slice).collect();
                self.partition(&groups);
            }
            Change::Repair => self.repair(),
            Change::Connect(a, b) => self.connect(*a, *b),
            Change::Disconnect(a, b) => self.disconnect(*a, *b),
        }
    }

    /// Does something to the world when its time has come, in milliseconds of the world.
    pub fn change_at(&mut self, at: u64, change: Change) {
        self.plan(at, Happening::Change(change));
    }

    /// The process dies now; what was committed stays.
    pub fn crash(&mut self, ix: NodeIx) {
        let slot = &mut self.nodes[ix.0];
        let Some(body) = slot.body.take() else { return };
        if let Kind::Other { asleep } = &mut slot.kind {
            *asleep = Some(body);
        }
        slot.wake = None;
        self.counters.losses.crashes += 1;
        let at = self.now;
        self.look(|observer| observer.crashed(at, ix));
        for link in self.nodes[ix.0].links.clone() {
            self.hang_up(link);
        }
        self.journeys_without(ix);
    }

    /// The batch of the next input that this node gets is lost with everything that would follow it: the
    /// node is built anew from what was committed before.
    pub fn lose_next_commit(&mut self, ix: NodeIx) {
        self.nodes[ix.0].fate = Some(Fate::LosesCommit);
    }

    /// The batch of the next input that this node gets is durable, and nothing of what would follow it is
    /// transmitted or told: the node is built anew.
    pub fn lose_next_sends(&mut self, ix: NodeIx) {
        self.nodes[ix.0].fate = Some(Fate::LosesSends);
    }

    /// Starts a node from what it had committed, crashing it first where it runs; its connections come back.
    pub fn restart(&mut self, ix: NodeIx) {
        self.crash(ix);
        (self.nodes[ix.0].born, self.nodes[ix.0].lived) = (self.now, 0);
        self.nodes[ix.0].fate = None;
        let now = self.time_of(ix.0);
        let slot = &mut self.nodes[ix.0];
        match &mut slot.kind {
            Kind::Node { config, store, wrap } => {
                store.part();
                let node = (self.build)((**config).clone(), self.rng.bytes(), now, None, store);
                let starling = Starling::new(node);
                slot.body = Some(match wrap {
                    Some(wrap) => wrap(starling),
                    None => Box::new(starling),
                });
            }
            Kind::Other { asleep } => {
                slot.body = asleep.take();
                if let Some(body) = &mut slot.body {
                    body.restarted(now);
                }
            }
        }
        let at = self.now;
        self.look(|observer| observer.restarted(at, ix));
        self.drain(ix.0);
        let connected = self.pairs.keys().filter(|(a, b)| *a == ix.0 || *b == ix.0).copied();
        for (a, b) in connected.collect::<Vec<_>>() {
            self.dial(a, b);
        }
        self.journeys_with(ix);
    }

    /// Switches a node off or on; off is a crash that lasts.
    pub fn power(&mut self, ix: NodeIx, on: bool) {
        match (on, self.is_running(ix)) {
            (true, false) => self.restart(ix),
            (false, true) => self.crash(ix),
            _ => {}
        }
    }

    /// Gives a node a battery with so many joules. When it is empty the node is off; another battery and
    /// [`World::power`] bring it back. Only journeys draw from it, see [`Power`](crate::Power).
    pub fn battery(&mut self, ix: NodeIx, joules: f64) {
        let drain = if self.is_running(ix) { self.idle_mw(ix.0) } else { 0.0 };
        let battery = Battery::new(joules, self.now, drain);
        self.nodes[ix.0].battery = Some(Box::new(battery));
        self.plan_battery(ix.0);
    }

    /// What is left in a node's battery, in joules; `None` where it has none.
    pub fn charge(&mut self, ix: NodeIx) -> Option<f64> {
        let now = self.now;
        self.nodes[ix.0].battery.as_mut().map(|battery| battery.joules(now))
    }

    /// Sets a node's wall clock off by `seconds` from now on.
    pub fn skew(&mut self, ix: NodeIx, seconds: i64) {
        self.nodes[ix.0].skew = seconds;
    }

    /// Ends all pipes and links between nodes of different groups until [`World::repair`]; nodes in no group
    /// keep theirs.
    pub fn partition(&mut self, groups: &[&[NodeIx]]) {
        for (n, group) in groups.iter().enumerate() {
            for a in *group {
                for b in groups[n + 1..].iter().copied().flatten() {
                    self.parted.extend([(a.0, b.0), (b.0, a.0)]);
                    self.cut(a.0, b.0);
                }
            }
        }
    }

    /// Ends every partition.
    pub fn repair(&mut self) {
        self.parted.clear();
        for (a, b) in self.pairs.keys().copied().collect::<Vec<_>>() {
            self.dial(a, b);
        }
    }

    /// Every frame passes `tamper` with its sender and the link it arrives on; `false` loses it.
    pub fn tamper(&mut self, tamper: impl FnMut(NodeIx, LinkId, &mut Vec<u8>) -> bool + Send + 'static) {
        self.tamper = Some(Box::new(tamper));
    }

    pub(super) fn on_battery(&mut self, index: usize) {
        let now = self.now;
        let Some(battery) = &mut self.nodes[index].battery else { return };
        if battery.planned > now {
            return;
        }
        if !battery.is_empty(now) {
            return self.plan_battery(index);
        }
        if self.nodes[index].body.is_some() {
            self.counters.losses.batteries += 1;
            self.crash(NodeIx(index));
        }
    }

    /// What a node draws now, from a running battery or from the wall.
    pub(super) fn draw(&mut self, index: usize, uj: f64) {
        self.counters.energy_j += uj / 1e6;
        let now = self.now;
        let Some(battery) = &mut self.nodes[index].battery else { return };
        battery.take(uj);
        let sooner = battery.ends().is_some_and(|at| at + SLACK < battery.planned);
        if sooner || (battery.planned > now && battery.is_empty(now)) {
            self.plan_battery(index);
        }
    }

    pub(super) fn set_drain(&mut self, index: usize, running: bool) {
        let drain = if running { self.idle_mw(index) } else { 0.0 };
        let now = self.now;
        if let Some(battery) = &mut self.nodes[index].battery {
            battery.set_drain(now, drain);
            self.plan_battery(index);
        }
    }

    /// Plans the end of a battery, as far as it is known now.
    fn plan_battery(&mut self, index: usize) {
        let now = self.now;
        let Some(battery) = &mut self.nodes[index].battery else { return };
        let at = if battery.is_empty(now) { Some(now) } else { battery.ends() };
        if let Some(at) = at {
            battery.planned = at;
            self.plan(at, Happening::Battery(index));
        }
    }
}
