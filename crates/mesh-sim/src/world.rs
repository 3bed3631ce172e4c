//! The world: time, nodes, pipes, faults.

use crate::pipe::{End, Line, Pipe, Raw};
use core::time::Duration;
use mesh_core::rng::Rng;
use mesh_core::{
    CloseReason, Command, CommandId, Config, Event, Input, Lane, LinkId, Memory, Node, Now, Output, Refusal,
    Reply, Role, Time, Wall,
};
use std::collections::{BTreeMap, BTreeSet};

/// The world's wall clock at its start: 2026-01-01T00:00:00Z.
const EPOCH: u64 = 1_767_225_600;
/// A pair that stays connected is dialled again this long after its pipe ended by itself, in milliseconds.
const REDIAL: u64 = 1_000;

/// A node of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeIx(usize);

/// A frame that left a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When, in milliseconds of the world.
    pub at: u64,
    /// Over which link of the node.
    pub link: LinkId,
    /// In which lane.
    pub lane: Lane,
    /// The frame.
    pub frame: Vec<u8>,
}

/// How nodes come to be: new with a name, or from what storage has.
type Build = Box<dyn FnMut(Config, [u8; 32], Now, Option<&str>, &Memory) -> Node>;
/// What a neighbour without a node answers to a frame.
type Answer = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>>>;
/// What happens to a frame on its way: changed, or lost with `false`.
type Tamper = Box<dyn FnMut(NodeIx, LinkId, &mut Vec<u8>) -> bool>;

struct Slot {
    config: Config,
    store: Memory,
    /// `None` while crashed.
    node: Option<Node>,
    /// The world's time at which this process began.
    born: u64,
    /// Seconds that its wall clock is off.
    skew: i64,
    wake: Option<u64>,
    events: Vec<(u64, Event)>,
    sent: Vec<Sent>,
    closed: Vec<(u64, LinkId, CloseReason)>,
    fate: Option<Fate>,
}

/// What becomes of a process at its next input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It dies before its batch is durable.
    LosesCommit,
    /// It dies after its batch is durable, before anything is transmitted or told.
    LosesSends,
}

enum Happening {
    Frame {
        to: LinkId,
        lane: Lane,
        bytes: Vec<u8>,
    },
    Tick(usize),
    /// A node closed its end; the other end learns it after what was on its way.
    HangUp(LinkId),
    Redial(usize, usize),
}

/// Nodes in virtual time.
pub struct World {
    now: u64,
    rng: Rng,
    serial: u64,
    build: Build,
    nodes: Vec<Slot>,
    agenda: BTreeMap<(u64, u64), Happening>,
    lines: BTreeMap<LinkId, Line>,
    pairs: BTreeMap<(usize, usize), Pipe>,
    parted: BTreeSet<(usize, usize)>,
    /// Ends that their node closed.
    closing: BTreeSet<LinkId>,
    heard: BTreeMap<LinkId, Vec<Vec<u8>>>,
    answers: BTreeMap<LinkId, Answer>,
    tamper: Option<Tamper>,
    trace: blake3::Hasher,
    recording: bool,
}

impl core::fmt::Debug for World {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "World({} nodes at {} ms)", self.nodes.len(), self.now)
    }
}

impl World {
    /// An empty world; everything in it follows from `seed` (but for the ratchets' own randomness).
    ///
    /// # Panics
    /// Later, where a node cannot be built from its own memory: a fault of the node.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with(seed, |config, seed, now, name, store| {
            let read = Box::new(store.clone());
            let node = match name {
                Some(name) => Node::create(config, seed, now, name, read),
                None => Node::restore(config, seed, now, read),
            };
            node.expect("a node is built from what it stored itself")
        })
    }

    /// A world whose nodes are built by `build` from a name, or without one from storage: with a seeded
    /// ratchet for instance.
    #[must_use]
    pub fn with(
        seed: u64,
        build: impl FnMut(Config, [u8; 32], Now, Option<&str>, &Memory) -> Node + 'static,
    ) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            now: 0,
            rng: Rng::new(bytes),
            serial: 0,
            build: Box::new(build),
            nodes: Vec::new(),
            agenda: BTreeMap::new(),
            lines: BTreeMap::new(),
            pairs: BTreeMap::new(),
            parted: BTreeSet::new(),
            closing: BTreeSet::new(),
            heard: BTreeMap::new(),
            answers: BTreeMap::new(),
            tamper: None,
            trace: blake3::Hasher::new(),
            recording: false,
        }
    }

    /// A new person with default limits.
    pub fn add(&mut self, name: &str) -> NodeIx {
        self.add_with(name, Config::default())
    }

    /// A new person.
    pub fn add_with(&mut self, name: &str, config: Config) -> NodeIx {
        let (index, store) = (self.nodes.len(), Memory::default());
        self.nodes.push(Slot::new(config.clone(), store.clone(), self.now));
        let now = self.time_of(index);
        let node = (self.build)(config, self.rng.bytes(), now, Some(name), &store);
        self.nodes[index].node = Some(node);
        self.drain(index);
        NodeIx(index)
    }

    /// The node, to ask it.
    ///
    /// # Panics
    /// Where it is crashed.
    #[must_use]
    pub fn node(&self, ix: NodeIx) -> &Node {
        self.nodes[ix.0].node.as_ref().expect("the test asks a node that runs")
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

    /// Connects two nodes by a local network; `a` dials. They are dialled again whenever the pipe ends by
    /// itself, until [`World::disconnect`].
    pub fn connect(&mut self, a: NodeIx, b: NodeIx) {
        self.connect_with(a, b, Pipe::LAN);
    }

    /// Connects two nodes by `pipe`.
    pub fn connect_with(&mut self, a: NodeIx, b: NodeIx, pipe: Pipe) {
        self.pairs.insert((a.0, b.0), pipe);
        self.dial(a.0, b.0);
    }

    /// Ends all pipes between two nodes, for good.
    pub fn disconnect(&mut self, a: NodeIx, b: NodeIx) {
        self.pairs.remove(&(a.0, b.0));
        self.pairs.remove(&(b.0, a.0));
        self.cut(a.0, b.0);
    }

    /// Ends all pipes between nodes of different groups until [`World::repair`]; nodes in no group keep
    /// theirs.
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

    /// Sets a node's wall clock off by `seconds` from now on.
    pub fn skew(&mut self, ix: NodeIx, seconds: i64) {
        self.nodes[ix.0].skew = seconds;
    }

    /// Asks a node for something and returns its answer; what follows takes its time.
    ///
    /// # Errors
    /// The node's refusal.
    ///
    /// # Panics
    /// Where the node is crashed or does not answer at once: every command is answered by the input that
    /// brought it.
    pub fn command(&mut self, ix: NodeIx, command: Command) -> Result<Reply, Refusal> {
        assert!(self.nodes[ix.0].node.is_some(), "the test commands a node that runs");
        self.try_command(ix, command).expect("a command is answered by the input that brought it")
    }

    /// [`World::command`] of a node that may die before it answers: then `None`.
    pub fn try_command(&mut self, ix: NodeIx, command: Command) -> Option<Result<Reply, Refusal>> {
        self.serial += 1;
        let id = CommandId(self.serial);
        let before = self.nodes[ix.0].events.len();
        self.input(ix.0, Input::Command(id, command));
        self.nodes[ix.0].events[before..].iter().find_map(|(_, event)| match event {
            Event::Answered { command, result } if *command == id => Some(result.clone()),
            _ => None,
        })
    }

    /// The links that a node closed, when and why.
    #[must_use]
    pub fn closed(&self, ix: NodeIx) -> &[(u64, LinkId, CloseReason)] {
        &self.nodes[ix.0].closed
    }

    /// Everything that a node told its front ends, with the time in milliseconds.
    #[must_use]
    pub fn events(&self, ix: NodeIx) -> &[(u64, Event)] {
        &self.nodes[ix.0].events
    }

    /// What is durable at a node: what a thief would find.
    #[must_use]
    pub fn store(&self, ix: NodeIx) -> &Memory {
        &self.nodes[ix.0].store
    }

    /// From now on the frames that leave are kept for [`World::frames`].
    pub fn record(&mut self) {
        self.recording = true;
    }

    /// The frames that left a node since [`World::record`].
    #[must_use]
    pub fn frames(&self, ix: NodeIx) -> &[Sent] {
        &self.nodes[ix.0].sent
    }

    /// Every frame passes `tamper` with its sender and the link it arrives on; `false` loses it.
    pub fn tamper(&mut self, tamper: impl FnMut(NodeIx, LinkId, &mut Vec<u8>) -> bool + 'static) {
        self.tamper = Some(Box::new(tamper));
    }

    /// The process dies now; what was committed stays.
    pub fn crash(&mut self, ix: NodeIx) {
        self.nodes[ix.0].node = None;
        let links: Vec<LinkId> = self.links_of(End::Node(ix.0));
        for link in links {
            self.hang_up(link);
        }
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

    /// Starts a crashed node from what it had committed; its connections come back.
    pub fn restart(&mut self, ix: NodeIx) {
        let slot = &mut self.nodes[ix.0];
        (slot.node, slot.born) = (None, self.now);
        slot.store = slot.store.snapshot();
        let (config, store) = (slot.config.clone(), slot.store.clone());
        let now = self.time_of(ix.0);
        let node = (self.build)(config, self.rng.bytes(), now, None, &store);
        self.nodes[ix.0].node = Some(node);
        self.drain(ix.0);
        for (a, b) in self.pairs.keys().copied().collect::<Vec<_>>() {
            if a == ix.0 || b == ix.0 {
                self.dial(a, b);
            }
        }
    }

    /// A pipe to a node whose other end is the test's; the node's role is `role`.
    pub fn raw(&mut self, ix: NodeIx, role: Role) -> Raw {
        let (near, far) = self.lay(End::Node(ix.0), End::Raw, Pipe::LAN);
        let binding = self.rng.bytes();
        self.raise(ix.0, near, role, binding, Pipe::LAN);
        Raw(far)
    }

    /// Says something at a raw end.
    pub fn inject(&mut self, raw: Raw, frame: Vec<u8>) {
        self.transmit(raw.0, Lane::Control, frame);
    }

    /// Ends the pipe of a raw end.
    pub fn hang(&mut self, raw: Raw) {
        self.answers.remove(&raw.0);
        self.hang_up(raw.0);
    }

    /// What came to a raw end, oldest first, once.
    pub fn heard(&mut self, raw: Raw) -> Vec<Vec<u8>> {
        self.heard.remove(&raw.0).unwrap_or_default()
    }

    /// From now on every frame that comes to a raw end is answered with what `answer` makes of it.
    pub fn script(&mut self, raw: Raw, answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + 'static) {
        self.answers.insert(raw.0, Box::new(answer));
    }

    /// Lets `span` pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now.saturating_add(millis(span));
        while self.step(end) {}
        self.now = end;
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

    fn time_of(&self, index: usize) -> Now {
        let slot = &self.nodes[index];
        let wall = (EPOCH + self.now / 1000).saturating_add_signed(slot.skew);
        Now { mono: Time(self.now - slot.born), wall: Wall(wall) }
    }

    /// The next happening before `end`; `false` where there is none.
    fn step(&mut self, end: u64) -> bool {
        let Some(next) = self.agenda.first_entry().filter(|next| next.key().0 <= end) else { return false };
        let ((at, _), happening) = next.remove_entry();
        self.now = self.now.max(at);
        match happening {
            Happening::Frame { to, lane, bytes } => self.arrive(to, lane, bytes),
            Happening::Tick(index) => self.tick(index, at),
            Happening::HangUp(link) => self.hang_up(link),
            Happening::Redial(a, b) => self.dial(a, b),
        }
        true
    }

    fn plan(&mut self, at: u64, happening: Happening) {
        self.serial += 1;
        self.agenda.insert((at.max(self.now), self.serial), happening);
    }

    fn tick(&mut self, index: usize, at: u64) {
        if self.nodes[index].wake == Some(at) {
            self.nodes[index].wake = None;
            self.input(index, Input::Tick);
        }
    }

    fn input(&mut self, index: usize, input: Input<'_>) {
        let now = self.time_of(index);
        let Some(node) = &mut self.nodes[index].node else { return };
        node.handle(now, input);
        self.drain(index);
    }

    /// Store, send, tell.
    fn drain(&mut self, index: usize) {
        let Some(node) = &mut self.nodes[index].node else { return };
        let outputs: Vec<Output> = core::iter::from_fn(|| node.poll_output()).collect();
        let fate = self.nodes[index].fate.take();
        let mut rest = Vec::new();
        for output in outputs {
            match output {
                Output::Store(_) if fate == Some(Fate::LosesCommit) => {}
                Output::Store(op) => self.nodes[index].store.apply([op]),
                other => rest.push(other),
            }
        }
        if fate.is_some() {
            self.crash(NodeIx(index));
            return self.restart(NodeIx(index));
        }
        for output in rest {
            self.carry_out(index, output);
        }
        self.plan_tick(index);
    }

    fn carry_out(&mut self, index: usize, output: Output) {
        match output {
            Output::Send { link, lane, frame } => self.transmit(link, lane, frame),
            Output::Close { link, why } => {
                self.nodes[index].closed.push((self.now, link, why));
                self.redial_later(link);
                self.close(link);
            }
            Output::Notify(_, event) => {
                self.trace.update(format!("{} {index} {event:?}\n", self.now).as_bytes());
                self.nodes[index].events.push((self.now, event));
            }
            Output::Store(_) | Output::Advertise { .. } => {}
        }
    }

    fn plan_tick(&mut self, index: usize) {
        let slot = &mut self.nodes[index];
        let Some(node) = &slot.node else { return };
        let Some((Time(mono), _)) = node.next_wakeup() else { return };
        // A node that wants to be woken in the past is woken a moment later, so that time goes on.
        let at = slot.born.saturating_add(mono).max(self.now + 1);
        if slot.wake.is_none_or(|wake| at < wake || wake < self.now) {
            slot.wake = Some(at);
            self.plan(at, Happening::Tick(index));
        }
    }

    fn transmit(&mut self, link: LinkId, lane: Lane, mut bytes: Vec<u8>) {
        let Some(line) = self.lines.get_mut(&link) else { return };
        let (near, far, pipe) = (line.near, line.far, line.pipe);
        let busy = (bytes.len() as u64 * 1000).div_ceil(pipe.rate.max(1));
        line.free = line.free.max(self.now) + busy;
        let at = line.free + millis(pipe.latency);
        if let End::Node(index) = near {
            self.note(index, link, lane, &bytes);
            if self.tamper.as_mut().is_some_and(|tamper| !tamper(NodeIx(index), far, &mut bytes)) {
                return;
            }
        }
        let lost = self.rng.below(1000) < u64::from(pipe.loss_per_mille);
        if !lost {
            self.plan(at, Happening::Frame { to: far, lane, bytes });
        }
    }

    fn note(&mut self, index: usize, link: LinkId, lane: Lane, bytes: &[u8]) {
        self.trace.update(&self.now.to_le_bytes());
        self.trace.update(&(index as u64).to_le_bytes());
        self.trace.update(&[u8::from(lane == Lane::Bulk)]);
        self.trace.update(bytes);
        if self.recording {
            let sent = Sent { at: self.now, link, lane, frame: bytes.to_vec() };
            self.nodes[index].sent.push(sent);
        }
    }

    fn arrive(&mut self, to: LinkId, lane: Lane, bytes: Vec<u8>) {
        let Some(line) = self.lines.get(&to).filter(|_| !self.closing.contains(&to)) else { return };
        let (end, back) = (line.near, line.far);
        if lane == Lane::Bulk
            && let Some(End::Node(sender)) = self.lines.get(&back).map(|line| line.near)
        {
            let credit = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            self.input(sender, Input::LinkReady { link: back, credit });
        }
        match end {
            End::Node(index) => self.input(index, Input::Frame { link: to, bytes: &bytes }),
            End::Raw => self.overhear(to, bytes),
        }
    }

    fn overhear(&mut self, raw: LinkId, bytes: Vec<u8>) {
        let answers = self.answers.get_mut(&raw).map(|answer| answer(&bytes)).unwrap_or_default();
        self.heard.entry(raw).or_default().push(bytes);
        for answer in answers {
            self.transmit(raw, Lane::Control, answer);
        }
    }

    /// Lays a pipe where both run, are not parted and are not connected already.
    fn dial(&mut self, a: usize, b: usize) {
        let Some(pipe) = self.pairs.get(&(a, b)).copied() else { return };
        let runs = |index: usize| self.nodes[index].node.is_some();
        if self.parted.contains(&(a, b)) || !runs(a) || !runs(b) || !self.between(a, b).is_empty() {
            return;
        }
        let (of_a, of_b) = self.lay(End::Node(a), End::Node(b), pipe);
        let binding = self.rng.bytes();
        self.raise(a, of_a, Role::Dialer, binding, pipe);
        self.raise(b, of_b, Role::Listener, binding, pipe);
    }

    fn lay(&mut self, a: End, b: End, pipe: Pipe) -> (LinkId, LinkId) {
        let (of_a, of_b) = (LinkId(self.serial + 1), LinkId(self.serial + 2));
        self.serial += 2;
        self.lines.insert(of_a, Line { pipe, near: a, far: of_b, free: 0 });
        self.lines.insert(of_b, Line { pipe, near: b, far: of_a, free: 0 });
        (of_a, of_b)
    }

    fn raise(&mut self, index: usize, link: LinkId, role: Role, binding: [u8; 32], pipe: Pipe) {
        self.input(index, Input::LinkUp { link, role, binding, profile: pipe.profile });
        self.input(index, Input::LinkReady { link, credit: pipe.window });
    }

    fn cut(&mut self, a: usize, b: usize) {
        for link in self.between(a, b) {
            self.hang_up(link);
        }
    }

    /// The links of `a` that lead to `b`.
    fn between(&self, a: usize, b: usize) -> Vec<LinkId> {
        let to_b = |line: &Line| self.lines.get(&line.far).is_some_and(|far| far.near == End::Node(b));
        let links = self.lines.iter().filter(|(_, line)| line.near == End::Node(a) && to_b(line));
        links.map(|(link, _)| *link).collect()
    }

    fn links_of(&self, end: End) -> Vec<LinkId> {
        self.lines.iter().filter(|(_, line)| line.near == end).map(|(link, _)| *link).collect()
    }

    /// A node's end is gone at once, the pipe once everything on its way has arrived.
    fn close(&mut self, link: LinkId) {
        let Some(line) = self.lines.get(&link) else { return };
        let at = line.free.max(self.now) + millis(line.pipe.latency);
        self.closing.insert(link);
        self.plan(at, Happening::HangUp(link));
    }

    fn hang_up(&mut self, link: LinkId) {
        self.closing.remove(&link);
        let Some(line) = self.lines.remove(&link) else { return };
        let far = self.lines.remove(&line.far);
        for (end, link) in [(Some(line.near), link), (far.map(|far| far.near), line.far)] {
            if let Some(End::Node(index)) = end {
                self.input(index, Input::LinkDown { link });
            }
        }
    }

    fn redial_later(&mut self, link: LinkId) {
        let Some(line) = self.lines.get(&link) else { return };
        let far = self.lines.get(&line.far).map(|far| far.near);
        let (End::Node(a), Some(End::Node(b))) = (line.near, far) else { return };
        self.plan(self.now + REDIAL, Happening::Redial(a, b));
        self.plan(self.now + REDIAL, Happening::Redial(b, a));
    }
}

impl Slot {
    fn new(config: Config, store: Memory, born: u64) -> Self {
        Self {
            config,
            store,
            node: None,
            born,
            skew: 0,
            wake: None,
            events: Vec::new(),
            sent: Vec::new(),
            closed: Vec::new(),
            fate: None,
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
