use super::*;
use crate::{Contact, NodeIx, Observer, Radio, TraceReplay, World};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Seen(Vec<(u64, u32, u32)>);

impl Observer for Seen {
    fn shown(&mut self, at: u64, node: NodeIx, number: u32) {
        self.0.push((at, node.number(), number));
    }
}

/// Who was shown the message that node 0 writes to `to` at second 0, and how many copies it took.
fn run(rule: Rule, nodes: u32, contacts: &[(u64, u64, u32, u32)], to: Audience) -> (Vec<u32>, u64) {
    let mut world = World::new(1);
    for me in 0..nodes {
        world.add_protocol(Box::new(Baseline::new(me, rule)));
    }
    let seen = Arc::new(Mutex::new(Seen::default()));
    world.observe(Box::new(Arc::clone(&seen)));
    let contacts: Vec<Contact> = contacts
        .iter()
        .map(|(start, end, a, b)| Contact { start: start * 1000, end: end * 1000, a: *a, b: *b })
        .collect();
    let radio = Radio::ideal(core::time::Duration::ZERO, None, 0);
    world.travel(Box::new(TraceReplay::over(nodes, &contacts)), radio);
    world.submit(&Draft { number: 9, at: 0, from: 0, to, bytes: 100 });
    world.run_to(3_600_000);
    let shown = seen.lock().unwrap().0.iter().map(|(_, node, _)| *node).collect();
    (shown, world.counters().copies)
}

#[test]
fn an_epidemic_goes_along_a_chain_of_meetings() {
    let chain = [(10, 20, 0, 1), (30, 40, 1, 2), (50, 60, 2, 3)];
    assert_eq!(run(Rule::Epidemic, 4, &chain, Audience::One(3)), (vec![3], 3));
}

#[test]
fn an_epidemic_crosses_each_pair_once() {
    let again = [(10, 20, 0, 1), (30, 40, 0, 1), (50, 60, 0, 1), (70, 80, 1, 2)];
    assert_eq!(run(Rule::Epidemic, 3, &again, Audience::Everybody), (vec![1, 2], 2));
}

#[test]
fn the_last_copy_of_a_spray_waits_for_the_reader() {
    // Two copies: one goes to 1, who may give it to its reader only.
    let met = [(10, 20, 0, 1), (30, 40, 1, 2), (50, 60, 0, 2), (70, 80, 2, 3), (90, 95, 1, 3)];
    assert_eq!(run(Rule::Spray { copies: 2 }, 4, &met, Audience::One(3)), (vec![3], 2));
    // Three: one more for 2, who meets the reader first.
    assert_eq!(run(Rule::Spray { copies: 4 }, 4, &met, Audience::One(3)).0, vec![3]);
}

#[test]
fn a_flood_reaches_who_is_connected_now_and_nobody_later() {
    let met = [(0, 20, 0, 1), (0, 20, 1, 2), (30, 40, 2, 3)];
    let mut world_shown = run(Rule::FLOOD, 4, &met, Audience::Everybody).0;
    world_shown.sort_unstable();
    // Written before the links of that instant stand, so to nobody: nothing is kept for them.
    assert!(world_shown.is_empty());
}

#[test]
fn prophet_follows_who_met_the_reader() {
    // 1 met the reader, 2 did not; only 1 is given the message.
    let met = [(10, 20, 1, 3), (30, 40, 0, 2), (50, 60, 0, 1), (2_000, 2_010, 1, 3)];
    assert_eq!(run(Rule::Prophet, 4, &met, Audience::One(3)), (vec![3], 2));
}
