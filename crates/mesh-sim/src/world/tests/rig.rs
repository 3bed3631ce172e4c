//! A talker instead of a node, a script instead of a movement, a log instead of eyes.

use crate::{Act, Draft, Loss, Meeting, Mobility, NodeIx, Observer, Passage, Protocol, Radio, World};
use core::time::Duration;
use mesh_core::{Input, Lane, LinkId, Now, Output, Time};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Says what it is given to every neighbour, and shows what it hears. Nothing is ever repeated.
#[derive(Default)]
pub(super) struct Talker {
    links: Vec<LinkId>,
    acts: VecDeque<Act>,
    /// In which lane it talks.
    urgent: bool,
}

impl Protocol for Talker {
    fn handle(&mut self, _now: Now, input: Input<'_>) {
        match input {
            Input::LinkUp { link, .. } => self.links.push(link),
            Input::LinkDown { link } => self.links.retain(|other| *other != link),
            Input::Frame { bytes, .. } => {
                let number = u32::from_le_bytes(bytes[..4].try_into().unwrap());
                self.acts.push_back(Act::Shown { number });
            }
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    fn next_wakeup(&self) -> Option<Time> {
        None
    }

    fn submit(&mut self, _now: Now, draft: &Draft) {
        let lane = if self.urgent { Lane::Control } else { Lane::Bulk };
        for link in &self.links {
            let mut frame = draft.number.to_le_bytes().to_vec();
            frame.resize(draft.bytes as usize, 0);
            self.acts.push_back(Act::Core(Output::Send { link: *link, lane, frame }));
        }
    }

    fn carried(&self) -> (u64, u64) {
        (0, 0)
    }

    fn restarted(&mut self, _now: Now) {
        self.links.clear();
    }
}

/// Meetings as they are written down, on places as they are given.
pub(super) struct Script {
    nodes: u32,
    meetings: VecDeque<Meeting>,
    places: Vec<(f32, f32)>,
}

impl Mobility for Script {
    fn nodes(&self) -> u32 {
        self.nodes
    }

    fn next_meeting(&mut self) -> Option<Meeting> {
        self.meetings.pop_front()
    }

    fn place(&self, node: u32) -> Option<(f32, f32)> {
        self.places.get(node as usize).copied()
    }
}

/// `(from_s, until_s, a, b)`, in any order.
pub(super) fn script(nodes: u32, contacts: &[(u64, u64, u32, u32)]) -> Box<Script> {
    let mut meetings = Vec::new();
    for (start, end, a, b) in contacts {
        let meeting =
            |at: &u64, near| Meeting { at: at * 1_000, a: *a.min(b), b: *a.max(b), near, metres: None };
        meetings.extend([meeting(start, true), meeting(end, false)]);
    }
    meetings.sort_by_key(|meeting| (meeting.at, meeting.near));
    Box::new(Script { nodes, meetings: meetings.into(), places: Vec::new() })
}

/// Everybody at their place, near one another for an hour: all from the first second, `last` from the second.
pub(super) fn crowd(places: &[(f32, f32)], last: (u32, u32)) -> Box<Script> {
    let nodes = u32::try_from(places.len()).unwrap();
    let pairs =
        (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (1 + u64::from((a, b) == last), 3_600, a, b)));
    let mut crowd = script(nodes, &pairs.collect::<Vec<_>>());
    crowd.places = places.to_vec();
    crowd
}

/// What was seen.
#[derive(Default)]
pub(super) struct Log {
    /// When, where, which number.
    pub(super) shown: Vec<(u64, u32, u32)>,
    /// When, between whom, up or down.
    pub(super) linked: Vec<(u64, u32, u32, bool)>,
    pub(super) lost: BTreeMap<Loss, u32>,
    pub(super) submitted: Vec<(u32, bool)>,
    pub(super) crashed: Vec<(u64, u32)>,
    /// Every record that became durable, and every frame that left, in order: `s` and `f`.
    pub(super) order: String,
    pub(super) received: u32,
}

impl Observer for Log {
    fn stored(&mut self, _at: u64, _node: NodeIx, _op: &mesh_core::StoreOp) {
        self.order.push('s');
    }

    fn sent(&mut self, _at: u64, _passage: &Passage<'_>) {
        self.order.push('f');
    }

    fn received(&mut self, _at: u64, _passage: &Passage<'_>) {
        self.received += 1;
    }

    fn lost(&mut self, _at: u64, _passage: &Passage<'_>, why: Loss) {
        *self.lost.entry(why).or_default() += 1;
    }

    fn linked(&mut self, at: u64, a: NodeIx, b: NodeIx, up: bool) {
        self.linked.push((at, a.number().min(b.number()), a.number().max(b.number()), up));
    }

    fn submitted(&mut self, _at: u64, _node: NodeIx, draft: &Draft, answer: Option<mesh_core::MessageId>) {
        self.submitted.push((draft.number, answer.is_some()));
    }

    fn shown(&mut self, at: u64, node: NodeIx, number: u32) {
        self.shown.push((at, node.number(), number));
    }

    fn crashed(&mut self, at: u64, node: NodeIx) {
        self.crashed.push((at, node.number()));
    }
}

pub(super) fn logged(world: &mut World) -> Arc<Mutex<Log>> {
    let log = Arc::new(Mutex::new(Log::default()));
    world.observe(Box::new(Arc::clone(&log)));
    log
}

/// Talkers that travel.
pub(super) fn talkers(seed: u64, movement: Box<Script>, radio: Radio) -> (World, Arc<Mutex<Log>>) {
    let mut world = World::new(seed);
    let log = logged(&mut world);
    for _ in 0..movement.nodes {
        world.add_protocol(Box::new(Talker::default()));
    }
    world.travel(movement, radio);
    (world, log)
}

/// Talkers that talk in the control lane.
pub(super) fn urgent(seed: u64, movement: Box<Script>, radio: Radio) -> (World, Arc<Mutex<Log>>) {
    let mut world = World::new(seed);
    let log = logged(&mut world);
    for _ in 0..movement.nodes {
        world.add_protocol(Box::new(Talker { urgent: true, ..Talker::default() }));
    }
    world.travel(movement, radio);
    (world, log)
}

pub(super) fn draft(number: u32, from: u32, bytes: u32) -> Draft {
    Draft { number, at: 0, from, to: crate::Audience::Everybody, bytes }
}

/// No discovery, no connecting, nothing lost: what is left is what a test is about.
pub(super) fn plain(goodput: u64) -> Radio {
    Radio { control_free: false, ..Radio::ideal(Duration::ZERO, Some(goodput), 0) }
}
