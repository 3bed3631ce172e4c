//! A movement of one's own, for real nodes: a ferry that goes to and fro between two piers.
//!
//! ```text
//! cargo run -p mesh-sim --example own_mobility
//! ```
//!
//! A movement is a stream of meetings in order of time. Where it also tells places, reports can draw a map.

use mesh_sim::{Audience, Draft, Meeting, Mobility, NodeIx, Observer, Radio, Seal, World};
use std::sync::{Arc, Mutex};

/// Who is who: two people on piers a kilometre apart, and the ferryman's phone.
const WEST: u32 = 0;
const EAST: u32 = 1;
const FERRY: u32 = 2;
/// At a pier for two minutes, under way for eight.
const STAY_MS: u64 = 120_000;
const CROSSING_MS: u64 = 480_000;

/// The ferry: it lies at the western pier first.
struct Ferry {
    /// How often it came to a pier or left one.
    moves: u64,
}

impl Mobility for Ferry {
    fn nodes(&self) -> u32 {
        3
    }

    fn next_meeting(&mut self) -> Option<Meeting> {
        let (visit, leaves) = (self.moves / 2, self.moves % 2 == 1);
        self.moves += 1;
        let at = visit * (STAY_MS + CROSSING_MS) + if leaves { STAY_MS } else { 0 };
        let pier = if visit % 2 == 0 { WEST } else { EAST };
        Some(Meeting { at, a: pier, b: FERRY, near: !leaves, metres: Some(2.0) })
    }

    fn place(&self, node: u32) -> Option<(f32, f32)> {
        let ferry = if (self.moves / 2).is_multiple_of(2) { 0.0 } else { 1_000.0 };
        Some(([0.0, 1_000.0, ferry][node as usize], 0.0))
    }
}

/// Tells what it sees.
struct Watcher;

impl Observer for Watcher {
    fn linked(&mut self, at: u64, a: NodeIx, b: NodeIx, up: bool) {
        let what = if up { "linked" } else { "parted" };
        println!("{:>5} s: {} and {} are {what}", at / 1_000, a.number(), b.number());
    }

    fn shown(&mut self, at: u64, node: NodeIx, number: u32) {
        println!("{:>5} s: message {number} is shown at {}", at / 1_000, node.number());
    }
}

fn main() {
    let mut world = World::sealed(7, Seal::Real);
    let (west, east) = (world.add("Western pier"), world.add("Eastern pier"));
    world.add("Ferry");
    assert!(world.introduce(&[(west, east)]).is_empty(), "both run, so they can meet");
    world.observe(Box::new(Arc::new(Mutex::new(Watcher))));
    world.travel(Box::new(Ferry { moves: 0 }), Radio::ble());
    world.submit(&Draft { number: 1, at: 0, from: WEST, to: Audience::One(EAST), bytes: 60 });
    world.submit(&Draft { number: 2, at: 0, from: EAST, to: Audience::One(WEST), bytes: 60 });
    world.run_to(45 * 60_000);
    println!("trace {}", blake3::Hash::from(world.trace_hash()));
}
