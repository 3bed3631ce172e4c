//! How fast a world runs and how much it holds: people who wander about, each with a real node.
//!
//! ```text
//! cargo run --release -p mesh-sim --example scale -- NODES SECONDS SEAL EVERY_S
//! ```
//!
//! `SEAL` is `real` or `cheap`; somebody writes to a friend every `EVERY_S` seconds. A thousand people to the
//! square kilometre, 10 m of reach, walking as in The ONE's default scenario. One line of figures at the end.

use core::time::Duration;
use mesh_sim::mobility::{Movement, RandomWaypoint};
use mesh_sim::{Audience, Draft, NodeIx, Radio, Seal, World};
use std::collections::BTreeSet;
use std::time::Instant;

/// Metres.
const REACH: f32 = 10.0;
/// Square metres for each person.
const ROOM: f32 = 1_000.0;
const SEED: u64 = 42;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: u64| arguments.get(at).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (nodes, seconds, every) =
        (u32::try_from(number(1, 100)).unwrap_or(100), number(2, 600), number(4, 30));
    let seal = if arguments.get(3).is_some_and(|seal| seal == "real") { Seal::Real } else { Seal::Cheap };

    let start = Instant::now();
    let before = resident("VmRSS");
    let mut world = World::sealed(SEED, seal);
    world.forget();
    for n in 0..nodes {
        world.add(&format!("Person {n}"));
    }
    let idle = (resident("VmRSS") - before) / u64::from(nodes);
    let made = start.elapsed();
    let drafts = drafts(nodes, seconds, every);
    let friends: BTreeSet<(NodeIx, NodeIx)> = drafts
        .iter()
        .filter_map(|draft| match draft.to {
            Audience::One(to) => Some((NodeIx::from(draft.from), NodeIx::from(to))),
            _ => None,
        })
        .collect();
    let strangers = world.introduce(&friends.into_iter().collect::<Vec<_>>());
    assert!(strangers.is_empty(), "{strangers:?}");
    let introduced = start.elapsed() - made;
    let settled = (resident("VmRSS") - before) / u64::from(nodes);

    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let side = (nodes as f32 * ROOM).sqrt();
    let walks = RandomWaypoint { nodes, width_m: side, height_m: side, ..RandomWaypoint::default() };
    let walking = Movement::RandomWaypoint(walks).walk(SEED, REACH, seconds);
    world.travel(Box::new(walking.expect("the walk is possible")), Radio::ble());
    for draft in &drafts {
        world.run_to(draft.at);
        world.submit(draft);
    }
    world.run_to(seconds * 1_000);
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let counters = world.counters();
    println!(
        "nodes {nodes} sim_s {seconds} seal {seal:?} wall_s {wall:.2} cpu_s {cpu:.2} sim_per_cpu_s {:.0} \
         events {} events_per_cpu_s {:.0} meetings {} links {} frames {} copies {} bytes {} \
         idle_node_bytes {idle} introduced_node_bytes {settled} peak_rss_mib {} made_s {:.2} introduced_s {:.2}",
        seconds as f64 / cpu,
        counters.events,
        counters.events as f64 / cpu,
        counters.meetings,
        counters.links,
        counters.frames,
        counters.copies,
        counters.bytes_on_air,
        resident("VmHWM") >> 20,
        made.as_secs_f64(),
        introduced.as_secs_f64(),
    );
}

/// A message every so often, each from somebody to somebody.
fn drafts(nodes: u32, seconds: u64, every: u64) -> Vec<Draft> {
    let mut dice = Dice(SEED ^ 1);
    let times = (1..).map(|n| n * every).take_while(|at| *at < seconds).enumerate();
    let draft = |(n, at): (usize, u64)| {
        let from = dice.below(u64::from(nodes)) as u32;
        let to = (from + 1 + dice.below(u64::from(nodes) - 1) as u32) % nodes;
        Draft { number: n as u32, at: at * 1_000, from, to: Audience::One(to), bytes: 140 }
    };
    times.map(draft).collect()
}

struct Dice(u64);

impl Dice {
    /// splitmix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// Bytes of memory by their name in `/proc/self/status`; 0 where there is no such file.
fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Processor time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10).as_secs_f64()
}
