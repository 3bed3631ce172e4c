//! Neighbours of another version, and runs that repeat.

use crate::rig::*;
use mesh_core::wire::Envelope;
use mesh_core::{CloseReason, Config};
use mesh_sim::{Pipe, World};
use std::process::Command;

/// An envelope as a later version may seal it: unknown class, a length of its own.
fn newer(version: u8, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..34 + len).map(|n| u8::try_from(n % 251).unwrap()).collect();
    (bytes[0], bytes[1]) = (version, 0xf9);
    bytes.extend_from_slice(&[14, 0, 0, 0, 0]);
    bytes
}

#[test]
fn an_envelope_of_a_newer_version_is_carried_byte_for_byte() {
    let mut world = World::new(1);
    let (a, b) = (world.add("Ada"), world.add("Ben"));
    let sent: Vec<_> = [(2, 300), (3, 77), (127, 16_000)].map(|(version, len)| newer(version, len)).into();
    let feeder = Feeder::new(&mut world, a, 7);
    feeder.offer(&mut world, sent.clone());
    world.run_for(MINUTE);
    feeder.leave(&mut world);
    // By hand, over a restart, to somebody else.
    world.restart(a);
    world.record();
    world.connect(a, b);
    world.run_for(MINUTE);
    world.disconnect(a, b);
    let mut got = envelopes(&world, a);
    got.sort_by_key(Envelope::version);
    let immutable: Vec<_> = got.iter().map(|envelope| envelope.immutable().to_vec()).collect();
    assert_eq!(immutable, sent.iter().map(|bytes| bytes[..bytes.len() - 5].to_vec()).collect::<Vec<_>>());
    assert!(got.iter().all(|envelope| envelope.hops_left == 13));
    assert_eq!(world.node(b).status(world.clocks(b)).carried_envelopes, 3);
    assert!(world.node(b).messages(None).unwrap().is_empty());
}

#[test]
fn frames_of_a_newer_version_are_skipped_on_a_link_that_goes_on() {
    let (mut world, a, b) = pair(2);
    world.run_for(5 * MINUTE);
    let feeder = Feeder::new(&mut world, a, 7);
    let before = world.events(a).len();
    for kind in 16..=255 {
        feeder.say(&mut world, vec![kind; 100]);
    }
    world.run_for(MINUTE);
    assert_eq!(world.events(a)[before..], []);
    send(&mut world, b, a, "undisturbed");
    world.run_for(MINUTE);
    assert_eq!(texts(&world, a).last().unwrap(), "undisturbed");
}

fn speaking(versions: core::ops::RangeInclusive<u8>) -> Config {
    let mut config = Config::default();
    config.mesh.link.versions = versions;
    config
}

#[test]
fn a_link_is_refused_only_without_a_common_version_and_both_ends_say_who_is_older() {
    for (ours, theirs, common) in [(1..=1, 1..=2, true), (1..=2, 2..=3, true), (1..=1, 2..=2, false)] {
        let mut world = World::new(3);
        let (max_a, max_b) = (*ours.end(), *theirs.end());
        let (a, b) = (world.add_with("Old", speaking(ours)), world.add_with("New", speaking(theirs)));
        world.connect(a, b);
        world.run_for(SECOND / 2);
        let links = |ix| world.node(ix).peers(world.clocks(ix)).len();
        assert_eq!((links(a), links(b)), if common { (1, 1) } else { (0, 0) });
        let why = |ix| world.closed(ix).iter().map(|(_, _, why)| *why).collect::<Vec<_>>();
        if common {
            assert_eq!((why(a), why(b)), (vec![], vec![]));
        } else {
            assert_eq!(why(a), [CloseReason::Version { ours: max_a, theirs: max_b }]);
            assert_eq!(why(b), [CloseReason::Version { ours: max_b, theirs: max_a }]);
        }
    }
}

#[test]
fn an_older_node_in_the_middle_serves_two_newer_ones() {
    let mut world = World::new(4);
    let a = world.add_with("Ada", speaking(1..=2));
    let old = world.add_with("Old", speaking(1..=1));
    let b = world.add_with("Ben", speaking(1..=2));
    acquaint(&mut world, a, b);
    world.connect(a, old);
    world.connect(old, b);
    let id = send(&mut world, a, b, "over an old bridge");
    world.run_for(2 * MINUTE);
    assert!(all_delivered(&world, a, &[id]));
}

/// A run with partitions, losses, a crash and wrong clocks.
fn eventful() -> String {
    let mut world = seeded(77);
    let people: Vec<_> = ["Ada", "Ben", "Cleo", "Dora"].map(|name| world.add(name)).into();
    let lossy = Pipe { loss_per_mille: 80, ..Pipe::LAN };
    for n in 0..4 {
        acquaint(&mut world, people[n], people[(n + 1) % 4]);
        world.connect_with(people[n], people[(n + 1) % 4], lossy);
    }
    for n in 0..12 {
        send(&mut world, people[n % 4], people[(n + 1) % 4], &format!("number {n}"));
        world.run_for(20 * SECOND);
        match n {
            3 => world.partition(&[&people[..2], &people[2..]]),
            5 => world.crash(people[3]),
            6 => world.restart(people[3]),
            8 => world.repair(),
            9 => world.skew(people[1], 86_400 * 3_650),
            _ => {}
        }
        if n == 5 {
            world.run_for(MINUTE);
            world.restart(people[3]);
        }
    }
    world.run_for(10 * MINUTE);
    world.trace_hash().iter().map(|byte| format!("{byte:02x}")).collect()
}

const CHILD: &str = "STARLING_TRACE_CHILD";
const SELF: &str = "versions::the_same_seed_gives_the_same_trace_in_another_process";

#[test]
fn the_same_seed_gives_the_same_trace_in_another_process() {
    let trace = eventful();
    if std::env::var_os(CHILD).is_some() {
        println!("trace {trace}.");
        return;
    }
    let this = std::env::current_exe().unwrap();
    let child = Command::new(this).args(["--exact", SELF, "--nocapture"]).env(CHILD, "1").output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let there = said.split("trace ").nth(1).and_then(|rest| rest.split('.').next());
    assert_eq!(there, Some(trace.as_str()));
}
