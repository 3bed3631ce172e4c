//! Radios whose nodes choose their links.

use super::rig::{logged, script};
use crate::radio::Choosing;
use crate::{NodeIx, Pipe, Radio, Seal, World};
use core::time::Duration;
use mesh_core::radio::Battery;
use mesh_core::{CloseReason, Command};

fn ble() -> Radio {
    Radio { choosing: Choosing::Overlay(Battery::Balanced), ..Radio::ble() }
}

/// Real nodes that are all within reach of one another until `end`, in seconds.
fn together(seed: u64, nodes: u32, end: u64) -> World {
    let pairs = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (1, end, a, b)));
    let movement = script(nodes, &pairs.collect::<Vec<_>>());
    let mut world = World::sealed(seed, Seal::Cheap);
    for n in 0..nodes {
        world.add(&format!("Person {n}"));
    }
    world.travel(movement, ble());
    world
}

fn links_of(world: &World, n: usize) -> usize {
    world.links().iter().filter(|(a, b)| *a == NodeIx(n) || *b == NodeIx(n)).count()
}

#[test]
fn nodes_that_choose_have_few_links_each_and_all_hear_a_call() {
    let mut world = together(1, 24, 400);
    world.run_to(60_000);
    for n in 0..24 {
        assert!((1..=7).contains(&links_of(&world, n)), "{} links of {n}", links_of(&world, n));
    }
    let call = Command::Beacon { kind: mesh_core::BeaconKind::Sos, text: "Here".into(), position: None };
    world.command(NodeIx(0), call).unwrap();
    world.run_to(70_000);
    let heard = (0..24).filter(|n| !world.node(NodeIx(*n)).beacons(world.clocks(NodeIx(*n))).is_empty());
    assert_eq!(heard.count(), 24);
}

#[test]
fn equal_seeds_give_equal_runs_of_nodes_that_choose() {
    let hash = |seed| {
        let mut world = together(seed, 12, 400);
        world.run_to(200_000);
        world.trace_hash()
    };
    assert_eq!(hash(3), hash(3));
    assert_ne!(hash(3), hash(4));
}

#[test]
fn a_network_takes_a_pair_over_from_bluetooth_and_gives_it_back_when_it_goes() {
    let mut world = together(5, 2, 3_000);
    let log = logged(&mut world);
    world.run_to(60_000);
    assert_eq!(world.links().len(), 1);
    world.connect_with(NodeIx(0), NodeIx(1), Pipe::LAN);
    world.run_to(62_000);
    assert_eq!(world.links().len(), 1, "one link is enough");
    let why = |n| world.closed(NodeIx(n)).iter().map(|(_, _, why)| *why).collect::<Vec<_>>();
    assert!([why(0), why(1)].concat().contains(&CloseReason::Duplicate));
    world.run_to(300_000);
    let ups = log.lock().unwrap().linked.iter().filter(|(.., up)| *up).count();
    assert_eq!(ups, 2, "who is linked over the network is left alone");
    world.disconnect(NodeIx(0), NodeIx(1));
    assert!(world.run_until(Duration::from_secs(40), |world| world.links().len() == 1));
}
