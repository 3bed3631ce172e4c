//! People who were introduced, and what they write.

use super::MINUTE;
use super::rig::{SECOND, logged, script};
use crate::{Audience, Draft, NodeIx, Radio, Seal, World};
use mesh_core::carry::Load;

fn ix(number: u32) -> NodeIx {
    NodeIx::from(number)
}

/// Three people in a row: 0 knows 2, and 1 walks from one to the other.
fn row(seed: u64, seal: Seal) -> World {
    let mut world = World::sealed(seed, seal);
    for name in ["Ada", "Ravi", "Ben"] {
        world.add(name);
    }
    assert!(world.introduce(&[(ix(0), ix(2))]).is_empty());
    world
}

#[test]
fn introduced_people_know_each_other_and_everybodys_bag_is_empty() {
    let mut world = World::sealed(1, Seal::Cheap);
    for n in 0..8 {
        world.add(&format!("Person {n}"));
    }
    let pairs: Vec<_> = (0..8).flat_map(|a| (a + 1..8).map(move |b| (ix(a), ix(b)))).collect();
    assert!(world.introduce(&pairs).is_empty());
    assert_eq!((world.now(), world.counters()), (0, crate::Counters::default()));
    for n in 0..8 {
        assert_eq!(world.node(ix(n)).contacts().len(), 7);
        assert_eq!(world.node(ix(n)).load(), Load::default());
    }
}

#[test]
fn a_draft_is_shown_at_its_reader_and_nowhere_else() {
    for seal in [Seal::Product, Seal::Real, Seal::Cheap] {
        let mut world = row(2, seal);
        let log = logged(&mut world);
        world.travel(script(3, &[(5, 20, 0, 1), (40, 60, 1, 2)]), Radio::ideal(SECOND, None, 0));
        world.submit(&Draft { number: 7, at: 0, from: 0, to: Audience::One(2), bytes: 40 });
        world.run_for(2 * MINUTE);
        let log = log.lock().unwrap();
        assert_eq!(log.submitted, [(7, true)]);
        assert_eq!(log.shown, [(41_000, 2, 7)], "{seal:?}");
    }
}

#[test]
fn a_first_text_between_introduced_people_is_small() {
    let mut world = row(3, Seal::Real);
    world.travel(script(3, &[(5, 50, 0, 1)]), Radio::ideal(SECOND, None, 0));
    world.submit(&Draft { number: 7, at: 0, from: 0, to: Audience::One(2), bytes: 40 });
    world.run_for(MINUTE);
    let counters = world.counters();
    assert_eq!(counters.copies, 1);
    assert!(counters.payload_bytes < 1_400, "{}", counters.payload_bytes);
}

#[test]
fn a_draft_for_several_is_a_message_to_each() {
    let mut world = row(4, Seal::Cheap);
    let log = logged(&mut world);
    world.travel(script(3, &[(5, 50, 0, 1), (5, 50, 0, 2)]), Radio::ideal(SECOND, None, 0));
    world.submit(&Draft { number: 3, at: 0, from: 0, to: Audience::Each(vec![2, 1]), bytes: 12 });
    world.run_for(MINUTE);
    let log = log.lock().unwrap();
    // Nobody introduced 0 and 1.
    assert_eq!(log.submitted, [(3, true), (3, false)]);
    assert_eq!(log.shown.len(), 1);
}

#[test]
fn a_draft_for_everybody_is_a_beacon_and_shown_once_by_all_others() {
    let mut world = row(5, Seal::Cheap);
    let log = logged(&mut world);
    world.travel(script(3, &[(5, 50, 0, 1), (20, 50, 1, 2)]), Radio::ideal(SECOND, None, 0));
    world.submit(&Draft { number: 9, at: 0, from: 0, to: Audience::Everybody, bytes: 500 });
    world.run_for(2 * MINUTE);
    let mut shown = log.lock().unwrap().shown.clone();
    shown.sort_unstable();
    assert_eq!(shown, [(6_000, 1, 9), (21_000, 2, 9)]);
}

#[test]
fn who_does_not_run_writes_nothing() {
    let mut world = row(6, Seal::Cheap);
    let log = logged(&mut world);
    world.crash(ix(0));
    world.submit(&Draft { number: 1, at: 0, from: 0, to: Audience::One(2), bytes: 12 });
    assert_eq!(log.lock().unwrap().submitted, [(1, false)]);
}
