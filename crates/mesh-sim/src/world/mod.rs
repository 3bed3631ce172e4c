//! The world: time, nodes, pipes, faults.

mod agenda;
mod air;
mod broadcast;
mod drive;
mod faults;
mod journey;
mod overlay;
mod people;
mod slot;
#[cfg(test)]
mod tests;

pub use slot::{NodeIx, Seal, Sent};

use crate::counters::Counters;
use crate::draft::Draft;
use crate::observe::Observer;
use crate::pipe::{Line, Pipe};
use crate::protocol::{Act, Protocol, Starling};
use agenda::{Agenda, Happening};
use core::time::Duration;
use journey::Journey;
use mesh_core::rng::Rng;
use mesh_core::{
    CloseReason, CommandId, Config, Event, Input, LinkId, Memory, Node, Now, Refusal, Reply, Time, Wall,
};
use slot::{Kind, Slot};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The world's wall clock at its start: 2026-01-01T00:00:00Z.
const EPOCH: u64 = 1_767_225_600;

/// How nodes come to be: new with a name, or from what storage has.
type Build = Box<dyn FnMut(Config, [u8; 32], Now, Option<&str>, &Memory) -> Node + Send>;
/// What a neighbour without a node answers to a frame.
type Answer = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>> + Send>;
/// What happens to a frame on its way: changed, or lost with `false`.
type Tamper = Box<dyn FnMut(NodeIx, LinkId, &mut Vec<u8>) -> bool + Send>;

/// Nodes in virtual time. It can be handed to another thread; what happens in it follows from its seed and from
/// what is done to it, on whatever thread.
pub struct World {
    now: u64,
    /// Seconds that the wall clock is ahead of the world's time: what passed before it began.
    before_s: u64,
    rng: Rng,
    serial: u64,
    build: Build,
    nodes: Vec<Slot>,
    agenda: Agenda,
    /// Never walked through: its order is chance.
    lines: HashMap<LinkId, Line>,
    /// Who shall be connected by cable.
    pairs: BTreeMap<(usize, usize), Pipe>,
    parted: BTreeSet<(usize, usize)>,
    journeys: Vec<Journey>,
    heard: BTreeMap<LinkId, Vec<Vec<u8>>>,
    answers: BTreeMap<LinkId, Answer>,
    tamper: Option<Tamper>,
    observers: Vec<Box<dyn Observer>>,
    counters: Counters,
    /// The answer to the command at work.
    answered: Option<(CommandId, Result<Reply, Refusal>)>,
    trace: blake3::Hasher,
    recording: bool,
    keeping: bool,
    /// Outputs of the input at work; kept for its room.
    rest: Vec<Act>,
}

impl core::fmt::Debug for World {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "World({} nodes at {} ms)", self.nodes.len(), self.now)
    }
}

impl World {
    /// An empty world; everything in it follows from `seed`, but for the ratchets' own randomness:
    /// [`Seal::Product`].
    ///
    /// # Panics
    /// Later, where a node cannot be built from its own memory: a fault of the node.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::sealed(seed, Seal::Product)
    }

    /// An empty world whose nodes seal like this.
    ///
    /// # Panics
    /// Later, where a node cannot be built from its own memory: a fault of the node.
    #[must_use]
    pub fn sealed(seed: u64, seal: Seal) -> Self {
        Self::with(seed, move |config, seed, now, name, store| {
            let read = Box::new(store.clone());
            let node = match name {
                Some(name) => Node::create_with(config, seal, seed, now, name, read),
                None => Node::restore_with(config, seal, seed, now, read),
            };
            node.expect("a node is built from what it stored itself")
        })
    }

    /// A world whose nodes are built by `build` from a name, or without one from storage.
    #[must_use]
    pub fn with(
        seed: u64,
        build: impl FnMut(Config, [u8; 32], Now, Option<&str>, &Memory) -> Node + Send + 'static,
    ) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            now: 0,
            before_s: 0,
            rng: Rng::new(bytes),
            serial: 0,
            build: Box::new(build),
            nodes: Vec::new(),
            agenda: Agenda::default(),
            lines: HashMap::new(),
            pairs: BTreeMap::new(),
            parted: BTreeSet::new(),
            journeys: Vec::new(),
            heard: BTreeMap::new(),
            answers: BTreeMap::new(),
            tamper: None,
            observers: Vec::new(),
            counters: Counters::default(),
            answered: None,
            trace: blake3::Hasher::new(),
            recording: false,
            keeping: true,
            rest: Vec::new(),
        }
    }

    /// A new person with default limits.
    pub fn add(&mut self, name: &str) -> NodeIx {
        self.add_with(name, Config::default())
    }

    /// A new person.
    pub fn add_with(&mut self, name: &str, config: Config) -> NodeIx {
        self.add_wrapped(name, config, |starling| Box::new(starling))
    }

    /// A new person whose node is wrapped: in what an attacker or a planted bug makes of it. Called again
    /// whenever the node is built from storage.
    pub fn add_wrapped(
        &mut self,
        name: &str,
        mut config: Config,
        mut wrap: impl FnMut(Starling) -> Box<dyn Protocol> + Send + 'static,
    ) -> NodeIx {
        // Bodies are in memory already: a node needs only the least of its cache for them.
        config.mesh.carry.cache = 0;
        let (index, store) = (self.nodes.len(), Memory::default());
        let boxed = Box::new(config.clone());
        let kind = Kind::Node { config: boxed.clone(), store: store.clone(), wrap: None };
        self.nodes.push(Slot::new(kind, self.now));
        let now = self.time_of(index);
        let node = (self.build)(config, self.rng.bytes(), now, Some(name), &store);
        let account = node.identity().account;
        let slot = &mut self.nodes[index];
        slot.account = Some(account);
        slot.body = Some(wrap(Starling::new(node)));
        slot.kind = Kind::Node { config: boxed, store, wrap: Some(Box::new(wrap)) };
        self.drain(index);
        NodeIx(index)
    }

    /// A node of another protocol.
    pub fn add_protocol(&mut self, protocol: Box<dyn Protocol>) -> NodeIx {
        let index = self.nodes.len();
        let mut slot = Slot::new(Kind::Other { asleep: None }, self.now);
        slot.body = Some(protocol);
        self.nodes.push(slot);
        self.drain(index);
        NodeIx(index)
    }

    /// From now on `observer` sees everything that happens.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observers.push(observer);
    }

    /// How many nodes there are; they are numbered from 0.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The real node, to ask it.
    ///
    /// # Panics
    /// Where it is crashed, or of another protocol.
    #[must_use]
    pub fn node(&self, ix: NodeIx) -> &Node {
        let node = self.protocol(ix).and_then(Protocol::as_node);
        node.expect("only a real node that runs is asked")
    }

    /// What runs at a node; `None` while it is crashed.
    #[must_use]
    pub fn protocol(&self, ix: NodeIx) -> Option<&dyn Protocol> {
        self.nodes[ix.0].body.as_deref()
    }

    /// Whether a node runs.
    #[must_use]
    pub fn is_running(&self, ix: NodeIx) -> bool {
        self.nodes[ix.0].body.is_some()
    }

    /// Both clocks as this node reads them.
    #[must_use]
    pub fn clocks(&self, ix: NodeIx) -> Now {
        self.time_of(ix.0)
    }

    /// Milliseconds since the world began.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let radio: f64 = self.journeys.iter().map(|journey| journey.idle_j(self.now)).sum();
        Counters { energy_j: self.counters.energy_j + radio, ..self.counters }
    }

    /// The links between nodes that stand now, the smaller number first.
    #[must_use]
    pub fn links(&self) -> Vec<(NodeIx, NodeIx)> {
        let links = self.nodes.iter().flat_map(|slot| &slot.links);
        let lines = links.filter_map(|link| self.lines.get(link));
        let ends = lines.filter_map(|line| Some((line.near.node()?, line.far.node()?)));
        ends.filter(|(near, far)| near < far).map(|(near, far)| (NodeIx(near), NodeIx(far))).collect()
    }

    /// What a node carries: envelopes and their bytes; nothing while it is crashed.
    #[must_use]
    pub fn carried(&self, ix: NodeIx) -> (u64, u64) {
        self.protocol(ix).map(Protocol::carried).unwrap_or_default()
    }

    /// From now on what nodes tell and which links they close is not kept for [`World::events`] and
    /// [`World::closed`]: observers see it. For worlds that run long.
    pub fn forget(&mut self) {
        self.keeping = false;
        for slot in &mut self.nodes {
            slot.notes = None;
        }
    }

    /// The links that a node closed, when and why.
    #[must_use]
    pub fn closed(&self, ix: NodeIx) -> &[(u64, LinkId, CloseReason)] {
        self.nodes[ix.0].notes.as_ref().map_or(&[], |notes| &notes.closed)
    }

    /// Everything that a node told its front ends, with the time in milliseconds.
    #[must_use]
    pub fn events(&self, ix: NodeIx) -> &[(u64, Event)] {
        self.nodes[ix.0].notes.as_ref().map_or(&[], |notes| &notes.events)
    }

    /// What is durable at a real node: what a thief would find.
    ///
    /// # Panics
    /// Where it is of another protocol.
    #[must_use]
    pub fn store(&self, ix: NodeIx) -> &Memory {
        self.nodes[ix.0].store().expect("only real nodes have a store")
    }

    /// From now on the frames that leave are kept for [`World::frames`].
    pub fn record(&mut self) {
        self.recording = true;
    }

    /// The frames that left a node since [`World::record`].
    #[must_use]
    pub fn frames(&self, ix: NodeIx) -> &[Sent] {
        self.nodes[ix.0].notes.as_ref().map_or(&[], |notes| &notes.sent)
    }

    /// Lets `span` pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_to(self.now.saturating_add(millis(span)));
    }

    /// Lets time pass until `at`, in milliseconds of the world; what is planned for `at` happens.
    pub fn run_to(&mut self, at: u64) {
        while self.step(at) {}
        self.now = self.now.max(at);
    }

    /// Lets time pass until `done`, at most `limit`; whether it was done. Asked after every happening.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.saturating_add(millis(limit));
        loop {
            if done(self) {
                return true;
            }
            if !self.step(end) {
                self.now = end;
                return done(self);
            }
        }
    }

    /// Over everything that left any node so far: equal for equal runs.
    #[must_use]
    pub fn trace_hash(&self) -> [u8; 32] {
        *self.trace.finalize().as_bytes()
    }

    /// The next happening until `end`; `false` where there is none. At the same time what is under way arrives
    /// before contacts end or begin.
    fn step(&mut self, end: u64) -> bool {
        let planned = self.agenda.next_at().filter(|at| *at <= end);
        let meeting = self.next_meeting().filter(|(at, _)| *at <= end);
        self.counters.events += u64::from(planned.is_some() || meeting.is_some());
        match (planned, meeting) {
            (None, None) => return false,
            (planned, Some((at, journey))) if planned.is_none_or(|planned| at < planned) => {
                self.now = self.now.max(at);
                self.meet(journey);
            }
            _ => {
                if let Some((at, happening)) = self.agenda.pop() {
                    self.now = self.now.max(at);
                    self.happen(at, happening);
                }
            }
        }
        true
    }

    fn happen(&mut self, at: u64, happening: Happening) {
        match happening {
            Happening::Frame { to, from, ends, lane, payload, bytes } => {
                self.arrive(to, from, ends, lane, payload, bytes);
            }
            Happening::Overheard { node, medium, bytes } => {
                self.input(node, Input::Overheard { medium, bytes: &bytes });
            }
            Happening::Around(journey) => self.look_around(journey),
            Happening::Credit { link, bytes } => self.credit(link, bytes),
            Happening::Tick(index) => self.tick(index, at),
            Happening::HangUp(link) => self.hang_up(link),
            Happening::Redial(a, b) => self.dial(a, b),
            Happening::Found(pair) => self.on_found(pair),
            Happening::Connected(pair) => self.on_connected(pair),
            Happening::Rotate { journey, node } => self.on_rotate(journey, node),
            Happening::Scan { journey, node } => self.on_scan(journey, node),
            Happening::Advise { journey, node } => self.on_advise(journey, node),
            Happening::Battery(index) => self.on_battery(index),
            Happening::Change(change) => self.change(&change),
        }
    }

    fn plan(&mut self, at: u64, happening: Happening) {
        self.agenda.plan(at.max(self.now), happening);
    }

    fn time_of(&self, index: usize) -> Now {
        let slot = &self.nodes[index];
        let wall = (EPOCH + self.before_s + self.now / 1_000).saturating_add_signed(slot.skew);
        Now { mono: Time(self.now - slot.born + slot.lived), wall: Wall(wall) }
    }

    fn look(&mut self, mut each: impl FnMut(&mut dyn Observer)) {
        for observer in &mut self.observers {
            each(&mut **observer);
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn node_ix(number: u32) -> NodeIx {
    NodeIx(number as usize)
}

fn number_of(index: usize) -> u32 {
    u32::try_from(index).expect("a world has fewer nodes than u32 has numbers")
}

/// What a real node says in `event` that its person reads: the number of a draft.
fn shown_number(event: &Event) -> Option<u32> {
    match event {
        Event::Message(view) if view.from.is_some() => Draft::number_in(&view.text),
        Event::Beacon(view) if !view.own && !view.cancelled => Draft::number_in(&view.text),
        _ => None,
    }
}
