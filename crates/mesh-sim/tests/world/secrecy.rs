//! What a thief, a relay and a watcher learn: attacks 16, 17, 20, 22 and 23 on whole nodes.

use crate::rig::*;
use mesh_core::rng::Rng;
use mesh_core::wire::{Envelope, Frame, SizeClass};
use mesh_core::{Memory, Table};
use mesh_sim::{NodeIx, World};

/// What a thief with this storage reads of what was recorded. Received texts and all traces of having
/// received them are removed first: only keys count.
fn read_by_thief(store: &Memory, recorded: &[Vec<u8>]) -> Vec<String> {
    let mut world = World::new(99);
    let thief = world.add("Thief");
    wipe(world.store(thief), &Table::ALL);
    let thiefs = world.store(thief).clone();
    for table in Table::ALL {
        if matches!(table, Table::Event | Table::Carried | Table::Body | Table::Tombstone) {
            continue;
        }
        let mut ops = Vec::new();
        let mut copy = |key: &[u8], value: &[u8]| ops.push(mesh_core::StoreOp::put(table, key, value));
        mesh_core::Read::scan(store, table, &mut copy).unwrap();
        thiefs.apply(ops);
    }
    world.restart(thief);
    let feeder = Feeder::new(&mut world, thief, 7);
    feeder.offer(&mut world, recorded.iter().cloned());
    feeder.offer(&mut world, recorded.iter().rev().cloned());
    world.run_for(MINUTE);
    texts(&world, thief)
}

fn recorded(world: &World, people: &[NodeIx]) -> Vec<Vec<u8>> {
    people.iter().flat_map(|ix| envelopes(world, *ix)).map(|envelope| envelope.to_bytes()).collect()
}

#[test]
fn attack_16_a_snapshot_after_opening_reads_nothing_of_what_was_recorded() {
    let mut world = World::new(1);
    world.record();
    let (a, b) = pair_in(&mut world);
    let before = world.store(b).snapshot();
    let from = envelopes(&world, a).len();
    for n in 0..30 {
        send(&mut world, a, b, &format!("a secret {n}"));
        send(&mut world, b, a, &format!("an answer {n}"));
        world.run_for(MINUTE);
    }
    let recorded = recorded(&world, &[a, b]);
    assert!(recorded.len() >= 60);
    // The harness itself reads: with the state of before it opens what came next.
    let next: Vec<_> = envelopes(&world, a)[from..from + 3].iter().map(Envelope::to_bytes).collect();
    assert_eq!(read_by_thief(&before, &next)[0], "a secret 0");
    for ix in [a, b] {
        assert!(read_by_thief(world.store(ix), &recorded).is_empty());
    }
}

#[test]
fn attack_17_a_snapshot_reads_nothing_after_a_round_trip_each_way() {
    let mut world = World::new(2);
    let (a, b) = pair_in(&mut world);
    let stolen = world.store(a).snapshot();
    world.record();
    for n in 0..3 {
        send(&mut world, a, b, &format!("there {n}"));
        world.run_for(MINUTE);
        send(&mut world, b, a, &format!("and back {n}"));
        world.run_for(11 * MINUTE);
    }
    for n in 0..10 {
        send(&mut world, b, a, &format!("healed {n}"));
        send(&mut world, a, b, &format!("healed too {n}"));
        world.run_for(SECOND);
    }
    world.run_for(MINUTE);
    let read = read_by_thief(&stolen, &recorded(&world, &[a, b]));
    assert!(!read.is_empty(), "the thief reads on until the round trip");
    assert!(!read.iter().any(|text| text.starts_with("healed")), "{read:?}");
}

#[test]
fn attack_22_what_is_on_the_air_has_the_length_of_a_class_and_nothing_finer() {
    let (mut world, a, b) = pair(3);
    world.record();
    let mut lengths = std::collections::BTreeMap::new();
    for len in (1..=100).chain([500, 501, 1_000, 1_001, 3_000, 16_000, 16_001, 65_536]) {
        let before = envelopes(&world, a).len();
        let text = if len % 2 == 0 {
            "a".repeat(len)
        } else {
            "0 1 2 3 4 5 6 7 8 9 ".repeat(len / 20 + 1)[..len].into()
        };
        send(&mut world, a, b, &text);
        world.run_for(SECOND / 2);
        let bodies: Vec<_> = envelopes(&world, a)[before..].iter().map(|e| e.body().len()).collect();
        lengths.insert(len, bodies);
    }
    let classes = SizeClass::ALL.map(SizeClass::body_len);
    assert!(lengths.values().flatten().all(|len| classes.contains(len)));
    assert_eq!(lengths[&500], lengths[&501]);
    assert_eq!(lengths[&16_000], lengths[&16_001]);
    // A key share lifts some of the short ones by a class, whatever their length.
    let short = (1..=100).filter(|len| lengths[len] == [256]).count();
    assert!(short >= 80, "{short}");
}

/// A frame as a watcher sees it: when, on which link, which kind, how long.
type Seen = (u64, u64, u8, usize);

/// What a node says while it is fed `junk` and then something genuine, and the texts it has then.
fn outward(junk: impl Fn(&mut Rng, &[Vec<u8>]) -> Vec<u8>) -> (Vec<Seen>, Vec<String>) {
    let mut world = seeded(4);
    let (a, b) = pair_in(&mut world);
    let hand = world.add("Hand");
    world.disconnect(a, b);
    world.record();
    let genuine_first = envelopes(&world, a).len();
    for n in 0..5 {
        send(&mut world, a, b, &format!("genuine {n}"));
    }
    world.connect(a, hand);
    world.run_for(MINUTE);
    world.disconnect(a, hand);
    let genuine: Vec<_> = envelopes(&world, a)[genuine_first..].iter().map(Envelope::to_bytes).collect();
    let feeder = Feeder::new(&mut world, b, 7);
    let mut rng = Rng::new([5; 32]);
    let from = world.frames(b).len();
    for _ in 0..50 {
        let batch: Vec<_> = (0..200).map(|_| junk(&mut rng, &genuine)).collect();
        feeder.offer(&mut world, batch);
    }
    feeder.offer(&mut world, genuine);
    world.run_for(5 * MINUTE);
    let said = world.frames(b)[from..].iter();
    let said = said.map(|sent| (sent.at, sent.link.0, sent.frame[0], sent.frame.len())).collect();
    (said, texts(&world, b))
}

#[test]
fn attack_23_ten_thousand_mutated_envelopes_change_nothing_that_is_said() {
    let mutated = outward(|rng, genuine| {
        let mut bytes = genuine[usize::try_from(rng.below(genuine.len() as u64)).unwrap()].clone();
        // Anything but the version, the class and the mutable end; the low bits stay unlike each other.
        let at = 2 + usize::try_from(rng.below(bytes.len() as u64 - 7)).unwrap();
        bytes[at] ^= 1 << rng.below(8);
        let also = 36 + usize::try_from(rng.below(200)).unwrap();
        bytes[also] = bytes[also].wrapping_add(1 + u8::try_from(rng.below(200)).unwrap());
        bytes
    });
    let foreign = outward(|rng, genuine| {
        let mut bytes = genuine[usize::try_from(rng.below(genuine.len() as u64)).unwrap()].clone();
        let _same_draws = (rng.below(2), rng.below(2), rng.below(2), rng.below(2));
        let end = bytes.len() - 5;
        rng.fill(&mut bytes[2..end]);
        bytes
    });
    assert_eq!(mutated.1, foreign.1);
    assert_eq!(mutated.1.len(), 6);
    let kinds = |said: &[(u64, u64, u8, usize)]| {
        let mut kinds = std::collections::BTreeMap::<u8, (usize, usize)>::new();
        for (_, _, kind, len) in said {
            let entry = kinds.entry(*kind).or_default();
            (entry.0, entry.1) = (entry.0 + 1, entry.1 + len);
        }
        kinds
    };
    assert_eq!(kinds(&mutated.0), kinds(&foreign.0));
    assert_eq!(mutated.0, foreign.0);
}

#[test]
fn attack_20_a_rewritten_version_or_class_is_a_stranger_s_envelope_and_the_genuine_one_still_opens() {
    let (mut world, a, b) = pair(5);
    let hand = world.add("Hand");
    world.disconnect(a, b);
    world.record();
    send(&mut world, a, b, "intact");
    world.connect(a, hand);
    world.run_for(MINUTE);
    world.disconnect(a, hand);
    let genuine = envelopes(&world, a).pop().unwrap().to_bytes();
    let feeder = Feeder::new(&mut world, b, 7);
    let events = world.events(b).len();
    for (at, to) in [(0, 2), (0, 127), (1, 0x00), (1, 0x10), (1, 0x20)] {
        let mut changed = genuine.clone();
        changed[at] = to;
        feeder.offer(&mut world, [changed]);
    }
    // A class that does not fit the length is no envelope at all.
    let mut changed = genuine.clone();
    changed[1] ^= 1;
    feeder.say(&mut world, Frame::Envelope(changed).to_bytes());
    world.run_for(MINUTE);
    assert!(shown(&world, b, events).is_empty());
    let held = world.node(b).status(world.clocks(b)).carried_envelopes;
    assert_eq!(held, 5, "carried like anybody's");
    feeder.offer(&mut world, [genuine]);
    world.run_for(MINUTE);
    assert_eq!(texts(&world, b).last().unwrap(), "intact");
}
