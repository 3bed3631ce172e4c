//! A protocol of one's own, on contacts of one's own: a node that floods, in some fifty lines.
//!
//! ```text
//! cargo run -p mesh-sim --example own_protocol
//! ```
//!
//! Whoever has something gives it to everybody it meets. A message is its number and its reader's, and filler up
//! to its length. Ten people stand in a row, each pair meets for a minute, one after the other: what the first
//! writes to the last wanders down the row.

use mesh_core::{Input, Lane, LinkId, Now, Output, Time};
use mesh_sim::{Act, Audience, Draft, NodeIx, Observer, Protocol, Radio, World};
use mesh_sim::{Meeting, Mobility};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

/// Gives everything to everybody.
struct Flooder {
    own: u32,
    links: Vec<LinkId>,
    bag: BTreeMap<u32, Vec<u8>>,
    acts: VecDeque<Act>,
}

impl Flooder {
    fn new(own: u32) -> Box<Self> {
        Box::new(Self { own, links: Vec::new(), bag: BTreeMap::new(), acts: VecDeque::new() })
    }

    fn take(&mut self, frame: &[u8]) {
        let (Some(number), Some(reader)) = (word(frame, 0), word(frame, 4)) else { return };
        if self.bag.insert(number, frame.to_vec()).is_some() {
            return;
        }
        if reader == self.own {
            self.acts.push_back(Act::Shown { number });
        }
        for link in self.links.clone() {
            self.give(link, frame.to_vec());
        }
    }

    fn give(&mut self, link: LinkId, frame: Vec<u8>) {
        self.acts.push_back(Act::Core(Output::Send { link, lane: Lane::Bulk, frame }));
    }
}

impl Protocol for Flooder {
    fn handle(&mut self, _now: Now, input: Input<'_>) {
        match input {
            Input::LinkUp { link, .. } => {
                self.links.push(link);
                for frame in self.bag.values().cloned().collect::<Vec<_>>() {
                    self.give(link, frame);
                }
            }
            Input::LinkDown { link } => self.links.retain(|other| *other != link),
            Input::Frame { bytes, .. } => self.take(bytes),
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
        let Audience::One(reader) = draft.to else { return };
        let mut frame = [draft.number.to_le_bytes(), reader.to_le_bytes()].concat();
        frame.resize(draft.bytes as usize, 0);
        self.take(&frame);
    }

    fn carried(&self) -> (u64, u64) {
        (self.bag.len() as u64, self.bag.values().map(|frame| frame.len() as u64).sum())
    }

    fn restarted(&mut self, _now: Now) {
        self.links.clear();
    }
}

fn word(frame: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(frame.get(at..at + 4)?.try_into().ok()?))
}

/// People in a row: each pair meets for a minute, one after the other.
struct Row(VecDeque<Meeting>);

impl Row {
    fn new(people: u32) -> Box<Self> {
        let pair = |a: u32| {
            let meeting = move |minute: u32, near| Meeting {
                at: u64::from(minute) * 60_000,
                a,
                b: a + 1,
                near,
                metres: None,
            };
            [meeting(a, true), meeting(a + 1, false)]
        };
        let mut meetings: Vec<Meeting> = (0..people - 1).flat_map(pair).collect();
        meetings.sort_by_key(|meeting| meeting.at);
        Box::new(Self(meetings.into()))
    }
}

impl Mobility for Row {
    fn nodes(&self) -> u32 {
        10
    }

    fn next_meeting(&mut self) -> Option<Meeting> {
        self.0.pop_front()
    }
}

/// Remembers when something was shown.
#[derive(Default)]
struct Shown(Vec<(u64, u32, u32)>);

impl Observer for Shown {
    fn shown(&mut self, at: u64, node: NodeIx, number: u32) {
        self.0.push((at, node.number(), number));
    }
}

fn main() {
    let mut world = World::new(1);
    for n in 0..10 {
        world.add_protocol(Flooder::new(n));
    }
    let shown = Arc::new(Mutex::new(Shown::default()));
    world.observe(Box::new(Arc::clone(&shown)));
    world.travel(Row::new(10), Radio::ble());
    world.submit(&Draft { number: 1, at: 0, from: 0, to: Audience::One(9), bytes: 500 });
    world.run_to(900_000);
    for (at, node, number) in &shown.lock().expect("nobody panicked with it").0 {
        println!("message {number} is shown at node {node} after {} s", at / 1_000);
    }
    let counters = world.counters();
    println!(
        "{} copies, {} bytes on the air, {:.3} J",
        counters.copies, counters.bytes_on_air, counters.energy_j
    );
}
