//! Frames on their way: cables, radios, and ends that a test holds.

use super::agenda::Happening;
use super::slot::{Kind, NodeIx, Sent};
use super::{World, millis, number_of};
use crate::observe::{Loss, Passage};
use crate::pipe::{End, Line, Pipe, Raw, Via};
use crate::radio::Radio;
use mesh_core::{Input, Lane, LinkId, Profile, Role};

/// A pair that stays connected is dialled again this long after its pipe ended by itself, in milliseconds.
const REDIAL: u64 = 1_000;
/// The first byte of a frame that carries a sealed envelope (PROTOCOL.md section 4).
const SEALED: u8 = 7;
/// ... and of one that carries a public thing.
const PUBLIC: u8 = 10;
/// Bytes in the bulk lane of a radio that stand before an urgent frame, as the share of a second.
const WINDOW_SHARE: u64 = 20;

impl World {
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

    /// A pipe to a node whose other end is the test's; the node's role is `role`.
    pub fn raw(&mut self, ix: NodeIx, role: Role) -> Raw {
        let (near, far) = self.lay(End::Node(ix.0), End::Raw, Via::Pipe(Pipe::LAN), Via::Pipe(Pipe::LAN));
        let binding = self.rng.bytes();
        self.raise(ix.0, near, role, binding, Pipe::LAN.profile, Pipe::LAN.window);
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
    pub fn script(&mut self, raw: Raw, answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) {
        self.answers.insert(raw.0, Box::new(answer));
    }

    /// Whether a frame hands a copy on. A protocol under test has frames of its own: it carries what it puts into the
    /// bulk lane. A raw end speaks as it likes: what it says is no copy.
    fn is_payload(&self, near: End, lane: Lane, bytes: &[u8]) -> bool {
        let End::Node(index) = near else { return false };
        let kind = bytes.first().copied().unwrap_or_default();
        match self.nodes[index].kind {
            Kind::Node { .. } => kind == SEALED || kind == PUBLIC,
            Kind::Other { .. } => lane == Lane::Bulk || kind == PUBLIC,
        }
    }

    pub(super) fn transmit(&mut self, link: LinkId, lane: Lane, mut bytes: Vec<u8>) {
        let Some(line) = self.lines.get(&link) else { return };
        let (near, far, to, via) = (line.near, line.far, line.back, line.via);
        let payload = self.is_payload(near, lane, &bytes);
        if let End::Node(index) = near {
            self.note(index, far, link, lane, payload, &bytes);
            if self.tamper.as_mut().is_some_and(|tamper| !tamper(NodeIx(index), to, &mut bytes)) {
                return;
            }
        }
        let at = match via {
            Via::Pipe(pipe) => self.through_pipe(link, &pipe, bytes.len()),
            Via::Radio { journey, stretch } => {
                self.through_radio(journey, stretch, link, lane, payload, bytes.len())
            }
        };
        self.counters.frames += 1;
        let kind = bytes.first().map_or(0, |kind| usize::from(*kind).min(self.counters.by_type.len() - 1));
        self.counters.by_type[kind] += bytes.len() as u64;
        if payload {
            self.counters.copies += 1;
            self.counters.payload_bytes += bytes.len() as u64;
        }
        let from = Leaving { link, near, far, lane, payload };
        self.maybe_arrives(at, &from, to, via, bytes);
    }

    /// When a frame that leaves now is at the other end of a cable.
    fn through_pipe(&mut self, link: LinkId, pipe: &Pipe, len: usize) -> u64 {
        let now_us = self.now * 1_000;
        let busy_us = (len as u64 * 1_000_000).div_ceil(pipe.rate.max(1));
        self.counters.bytes_on_air += len as u64;
        self.counters.airtime_us += busy_us;
        let Some(line) = self.lines.get_mut(&link) else { return self.now };
        line.free_us = line.free_us.max(now_us) + busy_us;
        line.free_us.div_ceil(1_000) + millis(pipe.latency)
    }

    /// When a frame that leaves now is at the other end of a radio link: after what its line, and on a
    /// half-duplex radio both nodes, have to do before.
    fn through_radio(
        &mut self,
        journey: usize,
        stretch: f64,
        link: LinkId,
        lane: Lane,
        payload: bool,
        len: usize,
    ) -> u64 {
        let now_us = self.now * 1_000;
        let Some(line) = self.lines.get_mut(&link) else { return self.now };
        let (Some(a), Some(b)) = (line.near.node(), line.far.node()) else { return self.now };
        let travels = &mut self.journeys[journey];
        let radio = &travels.radio;
        let pieces = (len as u64).div_ceil(u64::from(radio.mtu.max(1)));
        let on_air = (len as u64 + pieces * u64::from(radio.overhead)) as f64 * stretch;
        let free = radio.goodput == 0 || (radio.control_free && !payload);
        let busy_us = if free {
            0
        } else {
            let crowd = 1.0 + radio.contention * travels.busy_near(number_of(a), now_us) as f64;
            (on_air * 1e6 / radio.goodput as f64 * crowd).ceil() as u64
        };
        let mut start = line.free_us.max(now_us);
        if radio.half_duplex && !free {
            start = travels.both_free(a, b, start, busy_us);
        }
        let end = if free { now_us } else { start + busy_us };
        if !free {
            line.free_us = end;
            travels.stations[a].occupy(now_us, start, end);
            travels.stations[b].occupy(now_us, start, end);
        }
        let hop = if payload { radio.hop_delay_ms } else { 0 };
        let at = end.div_ceil(1_000).saturating_add(u64::from(radio.latency_ms)).saturating_add(hop);
        let (uj, limited) = (on_air * radio.power.byte_uj, radio.goodput > 0);
        self.counters.bytes_on_air += on_air as u64;
        self.counters.airtime_us += busy_us;
        if payload {
            self.flowed(journey, a, b);
        }
        if uj > 0.0 {
            self.draw(a, uj);
            self.draw(b, uj);
        }
        if lane == Lane::Bulk && limited {
            let bytes = u32::try_from(len).unwrap_or(u32::MAX);
            self.plan(end.div_ceil(1_000), Happening::Credit { link, bytes });
        }
        at
    }

    /// Plans the arrival, unless a fault has it otherwise.
    fn maybe_arrives(&mut self, at: u64, from: &Leaving, to: LinkId, via: Via, bytes: Vec<u8>) {
        let faults = match via {
            Via::Pipe(pipe) => crate::Faults { lose_per_mille: pipe.loss_per_mille, ..Default::default() },
            Via::Radio { journey, .. } => self.journeys[journey].radio.faults,
        };
        let hits =
            |world: &mut Self, per_mille: u16| per_mille > 0 && world.rng.below(1_000) < u64::from(per_mille);
        if hits(self, faults.lose_per_mille) {
            self.counters.losses.faults += 1;
            self.lose(from, &bytes, Loss::Fault);
            if from.lane == Lane::Bulk && matches!(via, Via::Pipe(_)) {
                let bytes = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                self.plan(at, Happening::Credit { link: from.link, bytes });
            }
            return;
        }
        if hits(self, faults.duplicate_per_mille) {
            let again = at + self.rng.below(u64::from(faults.reorder_ms) + 1);
            self.plan_arrival(again, from, to, bytes.clone());
        }
        let late = if hits(self, faults.reorder_per_mille) {
            self.rng.below(u64::from(faults.reorder_ms) + 1)
        } else {
            0
        };
        self.plan_arrival(at + late, from, to, bytes);
    }

    fn plan_arrival(&mut self, at: u64, from: &Leaving, to: LinkId, bytes: Vec<u8>) {
        let number = |end: End| end.node().map(number_of);
        let Leaving { link, near, far, lane, payload } = *from;
        let ends = (number(near), number(far));
        self.plan(at, Happening::Frame { to, from: link, ends, lane, payload, bytes });
    }

    fn note(&mut self, index: usize, far: End, link: LinkId, lane: Lane, payload: bool, bytes: &[u8]) {
        self.trace.update(&self.now.to_le_bytes());
        self.trace.update(&(index as u64).to_le_bytes());
        self.trace.update(&[u8::from(lane == Lane::Bulk)]);
        self.trace.update(bytes);
        if self.recording {
            let sent = Sent { at: self.now, link, lane, frame: bytes.to_vec() };
            self.nodes[index].notes().sent.push(sent);
        }
        let (from, to) = (Some(NodeIx(index)), far.node().map(NodeIx));
        let (at, passage) = (self.now, Passage { from, to, link, lane, payload, frame: bytes });
        self.look(|observer| observer.sent(at, &passage));
    }

    fn lose(&mut self, from: &Leaving, bytes: &[u8], why: Loss) {
        let Leaving { link, near, far, lane, payload } = *from;
        let (from, to) = (near.node().map(NodeIx), far.node().map(NodeIx));
        let (at, passage) = (self.now, Passage { from, to, link, lane, payload, frame: bytes });
        self.look(|observer| observer.lost(at, &passage, why));
    }

    pub(super) fn arrive(
        &mut self,
        to: LinkId,
        from: LinkId,
        ends: (Option<u32>, Option<u32>),
        lane: Lane,
        payload: bool,
        bytes: Vec<u8>,
    ) {
        let Some(line) = self.lines.get(&to).filter(|line| !line.closing) else {
            let end = |number: Option<u32>| number.map_or(End::Raw, |number| End::Node(number as usize));
            self.counters.losses.cut += 1;
            self.counters.losses.cut_payloads += u64::from(payload);
            self.counters.losses.cut_payload_bytes += if payload { bytes.len() as u64 } else { 0 };
            let from = Leaving { link: from, near: end(ends.0), far: end(ends.1), lane, payload };
            return self.lose(&from, &bytes, Loss::Cut);
        };
        let (near, far, via) = (line.near, line.far, line.via);
        if lane == Lane::Bulk && matches!(via, Via::Pipe(_)) {
            self.credit(from, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        }
        let End::Node(index) = near else { return self.overhear(to, bytes) };
        let (from, to_node) = (far.node().map(NodeIx), Some(NodeIx(index)));
        let passage = Passage { from, to: to_node, link: to, lane, payload, frame: &bytes };
        let at = self.now;
        self.look(|observer| observer.received(at, &passage));
        self.input(index, Input::Frame { link: to, bytes: &bytes });
    }

    pub(super) fn credit(&mut self, link: LinkId, credit: u32) {
        if let Some(End::Node(index)) = self.lines.get(&link).map(|line| line.near) {
            self.input(index, Input::LinkReady { link, credit });
        }
    }

    fn overhear(&mut self, raw: LinkId, bytes: Vec<u8>) {
        let answers = self.answers.get_mut(&raw).map(|answer| answer(&bytes)).unwrap_or_default();
        self.heard.entry(raw).or_default().push(bytes);
        for answer in answers {
            self.transmit(raw, Lane::Control, answer);
        }
    }

    /// Lays a cable where both run, are not parted and have none already.
    pub(super) fn dial(&mut self, a: usize, b: usize) {
        let Some(pipe) = self.pairs.get(&(a, b)).copied() else { return };
        let cable = |link: &LinkId| self.lines.get(link).is_some_and(|line| matches!(line.via, Via::Pipe(_)));
        if !self.may_link(a, b) || self.between(a, b).iter().any(cable) {
            return;
        }
        let via = Via::Pipe(pipe);
        self.join(a, b, via, via, pipe.profile, pipe.window);
    }

    pub(super) fn may_link(&self, a: usize, b: usize) -> bool {
        let runs = |index: usize| self.nodes.get(index).is_some_and(|slot| slot.body.is_some());
        runs(a) && runs(b) && !self.parted.contains(&(a, b))
    }

    /// A link between two nodes by radio; `a` dials.
    pub(super) fn join_by_radio(&mut self, journey: usize, a: usize, b: usize) -> LinkId {
        let radio = &self.journeys[journey].radio;
        let (profile, window) = (radio.profile(), window(radio));
        let via = |rng: &mut mesh_core::rng::Rng| {
            let share = rng.below(1_000_000) as f64 / 1e6;
            Via::Radio { journey, stretch: 1.0 / (1.0 - (2.0 * radio.loss * share).min(0.95)) }
        };
        let (there, back) = (via(&mut self.rng), via(&mut self.rng));
        self.join(a, b, there, back, profile, window)
    }

    fn join(&mut self, a: usize, b: usize, there: Via, back: Via, profile: Profile, window: u32) -> LinkId {
        let (of_a, of_b) = self.lay(End::Node(a), End::Node(b), there, back);
        self.counters.links += 1;
        let at = self.now;
        self.look(|observer| observer.linked(at, NodeIx(a), NodeIx(b), true));
        let binding = self.rng.bytes();
        self.raise(a, of_a, Role::Dialer, binding, profile, window);
        self.raise(b, of_b, Role::Listener, binding, profile, window);
        of_a
    }

    fn lay(&mut self, a: End, b: End, there: Via, back: Via) -> (LinkId, LinkId) {
        let (of_a, of_b) = (LinkId(self.serial + 1), LinkId(self.serial + 2));
        self.serial += 2;
        let line =
            |via, near, far, back| Line { via, near, far, back, free_us: 0, closing: false, since: self.now };
        let lines = [(of_a, line(there, a, b, of_b)), (of_b, line(back, b, a, of_a))];
        self.lines.extend(lines);
        for (end, link) in [(a, of_a), (b, of_b)] {
            if let End::Node(index) = end {
                self.nodes[index].links.push(link);
            }
        }
        (of_a, of_b)
    }

    fn raise(
        &mut self,
        index: usize,
        link: LinkId,
        role: Role,
        binding: [u8; 32],
        profile: Profile,
        window: u32,
    ) {
        self.input(index, Input::LinkUp { link, role, binding, profile });
        self.input(index, Input::LinkReady { link, credit: window });
    }

    pub(super) fn cut(&mut self, a: usize, b: usize) {
        for link in self.between(a, b) {
            self.hang_up(link);
        }
    }

    /// The links of `a` that lead to `b`.
    pub(super) fn between(&self, a: usize, b: usize) -> Vec<LinkId> {
        let to_b = |link: &&LinkId| self.lines.get(link).is_some_and(|line| line.far == End::Node(b));
        self.nodes[a].links.iter().filter(to_b).copied().collect()
    }

    /// A node's end is gone at once, the pipe once everything on its way has arrived.
    pub(super) fn close(&mut self, link: LinkId) {
        let Some(line) = self.lines.get_mut(&link) else { return };
        line.closing = true;
        let latency = match line.via {
            Via::Pipe(pipe) => millis(pipe.latency),
            Via::Radio { journey, .. } => u64::from(self.journeys[journey].radio.latency_ms),
        };
        let at = line.free_us.div_ceil(1_000).max(self.now) + latency;
        self.plan(at, Happening::HangUp(link));
    }

    pub(super) fn hang_up(&mut self, link: LinkId) {
        let Some(line) = self.lines.remove(&link) else { return };
        self.lines.remove(&line.back);
        let ends = [(line.near, link), (line.far, line.back)];
        for (end, link) in ends {
            if let End::Node(index) = end {
                self.nodes[index].links.retain(|other| *other != link);
            }
        }
        if let (End::Node(a), End::Node(b)) = (line.near, line.far) {
            let at = self.now;
            self.look(|observer| observer.linked(at, NodeIx(a.min(b)), NodeIx(a.max(b)), false));
        }
        for (end, link) in ends {
            if let End::Node(index) = end {
                self.input(index, Input::LinkDown { link });
            }
        }
        match (line.via, line.near.node(), line.far.node()) {
            (Via::Radio { journey, .. }, Some(a), Some(b)) => self.unlinked(journey, a, b),
            (Via::Pipe(_), Some(a), Some(b)) => self.lonely(a, b),
            _ => {}
        }
    }

    pub(super) fn redial_later(&mut self, link: LinkId) {
        let Some(line) = self.lines.get(&link) else { return };
        let (Via::Pipe(_), Some(a), Some(b)) = (line.via, line.near.node(), line.far.node()) else { return };
        self.plan(self.now + REDIAL, Happening::Redial(a, b));
        self.plan(self.now + REDIAL, Happening::Redial(b, a));
    }
}

/// A frame that leaves, by its sender's names.
#[derive(Clone, Copy)]
struct Leaving {
    link: LinkId,
    near: End,
    far: End,
    lane: Lane,
    payload: bool,
}

/// What a radio takes at once, so that what is urgent waits for little.
fn window(radio: &Radio) -> u32 {
    match radio.goodput {
        0 => u32::MAX,
        rate => u32::try_from((rate / WINDOW_SHARE).max(1)).unwrap_or(u32::MAX),
    }
}
