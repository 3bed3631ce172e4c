//! Lets a plan happen.

use super::FaultReport;
use super::plan::{Fault, Message, Plan};
use super::plant::{Bug, Gossip, Planted};
use crate::circle::Circle;
use crate::invariants::{Checks, Promise};
use crate::runner::hex;
use crate::{
    Audience, Change, Draft, Faults, Meeting, Mobility, NodeIx, Protocol, Radio, Seal, Violation, World,
};
use core::time::Duration;
use mesh_core::{Command, Config, MessageId, Refusal, Reply};
use std::collections::VecDeque;

/// What could not be written is tried again after this, in milliseconds.
const AGAIN_MS: u64 = 5_000;
/// Whether everything arrived is asked this often once the world has healed, in milliseconds.
const ROUND_MS: u64 = 60_000;
/// A cut link comes back after this, in milliseconds.
const CUT_MS: u64 = 2_000;
/// Room for each node's bag: small, so that quotas are felt; far more than what is written.
const QUOTA: u64 = 16 << 20;
/// The number of the first message in a group.
const FIRST_IN_GROUP: u32 = 1_000_000;
/// Goodput of a link in bytes per second.
const GOODPUT: u64 = 100_000;

/// Meetings in order of time.
struct Schedule {
    nodes: u32,
    meetings: VecDeque<Meeting>,
}

impl Mobility for Schedule {
    fn nodes(&self) -> u32 {
        self.nodes
    }

    fn next_meeting(&mut self) -> Option<Meeting> {
        self.meetings.pop_front()
    }
}

impl Schedule {
    /// The pairs of a plan until it heals, with their cuts; or from then on.
    fn of(plan: &Plan, healed: bool) -> Self {
        let mut meetings = Vec::new();
        let mut meet = |at: u64, a: u32, b: u32, near: bool| {
            meetings.push(Meeting { at, a: a.min(b), b: a.max(b), near, metres: None });
        };
        for (n, pair) in plan.pairs.iter().enumerate() {
            if healed {
                meet(plan.heals_at + 1, pair.a, pair.b, true);
                continue;
            }
            let (mut since, mut is_near) = (0, true);
            meet(0, pair.a, pair.b, true);
            for fault in &plan.faults {
                let Fault::Cut { at, pair: cut } = fault else { continue };
                if *cut as usize != n || *at < since + 1 || at + CUT_MS >= plan.heals_at {
                    continue;
                }
                meet(*at, pair.a, pair.b, false);
                since = at + CUT_MS;
                meet(since, pair.a, pair.b, true);
                is_near = true;
            }
            if is_near {
                meet(plan.heals_at, pair.a, pair.b, false);
            }
        }
        meetings.sort_by_key(|meeting| (meeting.at, meeting.a, meeting.b));
        Self { nodes: plan.nodes, meetings: meetings.into() }
    }
}

/// A plan on its way.
struct Play<'a> {
    plan: &'a Plan,
    world: World,
    checks: Checks,
    /// Messages that are not answered yet, by the time when they are tried next.
    waiting: VecDeque<(u64, u32, Message)>,
    promises: Vec<Promise>,
    /// The group, and which of its steps is next.
    circle: Option<Circle>,
    next_step: usize,
    /// Whatever breaks this ends the play.
    invariant: Option<String>,
}

/// Lets `plan` happen in a world whose nodes have `bug`.
pub(super) fn play(plan: &Plan, bug: Option<Bug>) -> FaultReport {
    let mut play = Play::new(plan, bug);
    play.until_healed();
    play.heal();
    let counters = play.world.counters();
    let violations = play.checks.broken();
    let (said, arrived) =
        play.circle.as_ref().map_or((0, 0), |circle| (circle.said().len(), circle.arrived(&play.world)));
    let delivered = play.promises.iter().filter(|promise| play.has_arrived(promise)).count();
    FaultReport {
        trace_hash: hex(&play.world.trace_hash()),
        nodes: plan.nodes,
        messages: (play.promises.len() + said) as u64,
        delivered: (delivered + arrived) as u64,
        faults: plan.faults.len() as u64,
        events: counters.events,
        violations,
    }
}

/// Whether and how `invariant` breaks in `plan`; what happens after that is not waited for.
pub(super) fn breaks(plan: &Plan, bug: Option<Bug>, invariant: &str) -> Option<Violation> {
    let mut play = Play::new(plan, bug);
    play.invariant = Some(invariant.to_owned());
    play.until_healed();
    play.heal();
    play.broken()
}

impl<'a> Play<'a> {
    fn new(plan: &'a Plan, bug: Option<Bug>) -> Self {
        let seal = if plan.seed.is_multiple_of(4) { Seal::Real } else { Seal::Cheap };
        let mut world = World::sealed(plan.seed, seal);
        let gossip = Gossip::default();
        let mut config = Config::default();
        config.mesh.carry.quota = QUOTA;
        for n in 0..plan.nodes {
            let (name, gossip) = (format!("Person {n}"), Gossip::clone(&gossip));
            world.add_wrapped(&name, config.clone(), move |starling| -> Box<dyn Protocol> {
                match bug {
                    None => Box::new(starling),
                    Some(bug) => Box::new(Planted::new(starling, bug, Gossip::clone(&gossip))),
                }
            });
        }
        let checks = Checks::of(&mut world, seal, plan.nodes, QUOTA);
        // A bug that keeps everything would keep introductions too, and one that shows to others needs strangers.
        let before = plan.introduced || bug.is_some();
        acquaint(&mut world, plan, before);
        world.forget();
        let latency = u64::from(plan.latency);
        let ideal = Radio {
            latency_ms: u32::from(plan.latency),
            control_free: false,
            ..Radio::ideal(Duration::from_millis(latency / 2), Some(GOODPUT), 0)
        };
        let faults = Faults {
            lose_per_mille: plan.loss,
            duplicate_per_mille: plan.twice,
            reorder_per_mille: plan.late,
            reorder_ms: u32::from(plan.late_ms),
        };
        world.travel(Box::new(Schedule::of(plan, false)), Radio { faults, ..ideal.clone() });
        world.travel(Box::new(Schedule::of(plan, true)), ideal);
        plan_changes(&mut world, plan);
        let numbered = plan.messages.iter().enumerate();
        let waiting = numbered.map(|(n, m)| (m.at, u32::try_from(n).unwrap_or(u32::MAX), *m)).collect();
        let circle = plan.group.as_ref().map(|script| Circle::new(&world, script));
        let promises = Vec::new();
        Self { plan, world, checks, waiting, promises, circle, next_step: 0, invariant: None }
    }

    fn until_healed(&mut self) {
        if let Some(circle) = &mut self.circle {
            circle.begin(&mut self.world);
        }
        loop {
            let steps = self.plan.group.as_ref().map_or(&[][..], |script| &script.steps);
            let step = steps.get(self.next_step).filter(|step| step.at < self.plan.heals_at);
            let message = self.waiting.front().copied().filter(|next| next.0 < self.plan.heals_at);
            let due = [step.map(|step| step.at), message.map(|message| message.0)];
            let Some(at) = due.into_iter().flatten().min() else { break };
            self.world.run_to(at);
            if self.broken().is_some() {
                return;
            }
            match (message, step, &mut self.circle) {
                (Some((due, number, message)), ..) if due == at => {
                    self.waiting.pop_front();
                    self.write(number, message);
                }
                (_, Some(step), Some(circle)) => {
                    // Far above the numbers of texts.
                    let number = FIRST_IN_GROUP + u32::try_from(self.next_step).unwrap_or(0);
                    circle.step(&mut self.world, number, step);
                    self.next_step += 1;
                }
                _ => break,
            }
        }
        self.world.run_to(self.plan.heals_at);
    }

    /// What ends the play.
    fn broken(&self) -> Option<Violation> {
        let invariant = self.invariant.as_ref()?;
        self.checks.broken().into_iter().find(|violation| violation.invariant == *invariant)
    }

    /// Writes as a front end does: again under the same name where the node was off or died over it.
    fn write(&mut self, number: u32, message: Message) {
        let (from, to) = (NodeIx::from(message.from), NodeIx::from(message.to));
        let audience = Audience::One(message.to);
        let draft = Draft { number, at: message.at, from: message.from, to: audience, bytes: message.bytes };
        let mut name = [0x5a; 16];
        name[..4].copy_from_slice(&number.to_le_bytes());
        let name = MessageId(name);
        let Some(account) = self.world.account(to) else { return };
        self.checks.attempt(&draft);
        let send = Command::Send { to: account.into(), text: draft.text(), message: Some(name) };
        match self.world.try_command(from, send) {
            Some(Ok(Reply::Sent(_))) => {
                self.promises.push(Promise { number, message: name, from, to });
            }
            // They have not met yet, or the node is off.
            None | Some(Err(Refusal::ContactState { .. } | Refusal::UnknownContact { .. })) => {
                let at = self.world.now() + AGAIN_MS;
                let place = self.waiting.partition_point(|waiting| waiting.0 <= at);
                self.waiting.insert(place, (at, number, message));
            }
            Some(other) => debug_assert!(other.is_ok(), "a plan's messages can be written: {other:?}"),
        }
    }

    fn heal(&mut self) {
        self.world.repair();
        for ix in (0..self.plan.nodes).map(NodeIx::from) {
            self.world.power(ix, true);
        }
        let end = self.plan.heals_at + self.plan.patience;
        while self.world.now() < end && self.broken().is_none() {
            let due = self.world.now();
            while self.waiting.front().is_some_and(|next| next.0 <= due) {
                let Some((_, number, message)) = self.waiting.pop_front() else { break };
                self.write(number, message);
            }
            let next = (due + ROUND_MS).min(end);
            self.world.run_to(next);
            let agree =
                self.circle.as_ref().is_none_or(|circle| circle.disagreements(&self.world).is_empty());
            let arrived = || self.promises.iter().all(|promise| self.has_arrived(promise));
            if agree && self.waiting.is_empty() && arrived() {
                break;
            }
        }
        self.checks.arrived(&self.world, &self.promises);
        if let Some(circle) = &self.circle {
            self.checks.agreed(&self.world, circle);
        }
    }

    fn has_arrived(&self, promise: &Promise) -> bool {
        let node = self.world.protocol(promise.from).and_then(Protocol::as_node);
        let info = node.and_then(|node| node.info(self.world.clocks(promise.from), promise.message).ok()?);
        info.is_some_and(|info| {
            use mesh_core::view::MessageState::{Delivered, Read};
            matches!(info.state, Delivered | Read)
        })
    }
}

/// Lets people who write each other know each other: before everything, or by what they say on the way.
fn acquaint(world: &mut World, plan: &Plan, before: bool) {
    let mut pairs: Vec<(u32, u32)> =
        plan.messages.iter().map(|m| (m.from.min(m.to), m.from.max(m.to))).collect();
    let groups = plan.group.iter().flat_map(Circle::acquaintances);
    pairs.extend(groups.map(|(a, b)| (a.number(), b.number())));
    pairs.sort_unstable();
    pairs.dedup();
    let pairs: Vec<_> = pairs.into_iter().map(|(a, b)| (NodeIx::from(a), NodeIx::from(b))).collect();
    if before {
        world.introduce(&pairs);
        return;
    }
    for (a, b) in pairs {
        for (from, to) in [(a, b), (b, a)] {
            let link = world.node(to).identity().link;
            // Whoever has been added already refuses nothing.
            let _ = world.command(from, Command::Add { link, petname: None });
        }
    }
}

fn plan_changes(world: &mut World, plan: &Plan) {
    for fault in &plan.faults {
        let at = fault.at();
        match *fault {
            Fault::Crash { node, down, .. } => {
                world.change_at(at, Change::Crash(NodeIx::from(node)));
                world.change_at((at + down).min(plan.heals_at), Change::Restart(NodeIx::from(node)));
            }
            Fault::LoseCommit { node, .. } => world.change_at(at, Change::LoseCommit(NodeIx::from(node))),
            Fault::LoseSends { node, .. } => world.change_at(at, Change::LoseSends(NodeIx::from(node))),
            Fault::Partition { below, lasts, .. } => {
                let side = |nodes: core::ops::Range<u32>| nodes.map(NodeIx::from).collect();
                let sides = vec![side(0..below), side(below..plan.nodes)];
                world.change_at(at, Change::Partition(sides));
                world.change_at((at + lasts).min(plan.heals_at), Change::Repair);
            }
            Fault::Clock { node, off, .. } => world.change_at(at, Change::Clock(NodeIx::from(node), off)),
            // In the schedule of meetings.
            Fault::Cut { .. } => {}
        }
    }
}
