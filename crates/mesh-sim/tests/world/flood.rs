//! Neighbours that lie about lengths, lives and receipts: attacks 36, 37, 38, 42, 43 and 44 on whole nodes.

use crate::rig::*;
use mesh_core::rng::Rng;
use mesh_core::view::MessageState;
use mesh_core::wire::{Body, Envelope, Frame};
use mesh_core::{Ack, Command, MessageId};
use mesh_sim::World;
use std::collections::BTreeMap;

#[test]
fn attack_36_frames_of_every_kind_and_length_hurt_nobody() {
    let (mut world, a, b) = pair(1);
    let before = world.events(a).len();
    let lengths = [0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 33, 38, 39, 40, 255, 1_025 * 16];
    for kind in 0..=12u8 {
        for (n, len) in lengths.into_iter().enumerate() {
            let feeder = Feeder::new(&mut world, a, u8::try_from(n).unwrap());
            for fill in [0x00, 0xff, 0xfd, 0x80] {
                let mut frame = vec![fill; len + 1];
                frame[0] = kind;
                feeder.say(&mut world, frame);
            }
            world.run_for(SECOND);
            feeder.leave(&mut world);
        }
    }
    assert!(shown(&world, a, before).is_empty());
    send(&mut world, b, a, "undisturbed");
    world.run_for(MINUTE);
    assert_eq!(texts(&world, a).last().unwrap(), "undisturbed");
}

#[test]
fn attack_38_frames_over_the_limit_are_faults_and_nothing_of_them_stays() {
    let (mut world, a, _) = pair(2);
    world.run_for(MINUTE);
    let bytes = world.store(a).bytes();
    for (instance, len) in [(1, 64 * 1024 + 1), (2, 70_000), (3, 4 << 20)] {
        let feeder = Feeder::new(&mut world, a, instance);
        let mut frame = vec![0x41; len];
        frame[0] = 7;
        for _ in 0..5 {
            feeder.say(&mut world, frame.clone());
        }
        world.run_for(10 * SECOND);
        feeder.leave(&mut world);
    }
    let faults = world.closed(a).iter().filter(|(_, _, why)| *why == mesh_core::CloseReason::Faults);
    assert_eq!(faults.count(), 3);
    assert!(world.store(a).bytes() <= bytes + 64);
}

#[test]
fn attack_37_half_open_and_contradicting_parts_are_bounded_and_a_friends_long_text_completes() {
    let (mut world, a, b) = pair(3);
    let mut mallory = Hostile::new(66);
    mallory.learn(&link(&world, a));
    let to = account(&world, a);
    let feeder = Feeder::new(&mut world, a, 7);
    let part = |whole: [u8; 16], index, count, fill: u8| {
        let body = Body::Segment { whole: MessageId(whole), index, count, bytes: vec![fill; 900] };
        mesh_core::wire::Message { id: MessageId([fill; 16]), when: 0, lamport: 1, parents: vec![], body }
            .to_bytes()
    };
    let first = mallory.seal(to, message(1, Body::Text { text: "good day".into() }));
    feeder.offer(&mut world, [first]);
    world.command(a, Command::Accept { account: mallory.own.account_id() }).unwrap();
    world.run_for(MINUTE);
    let text: String = "a friend's long text ".repeat(3_000);
    let mut rng = Rng::new([1; 32]);
    let mut most = 0;
    for round in 0..10 {
        if round == 5 {
            send(&mut world, b, a, &text);
        }
        let lies = (0..100).map(|n| match n % 5 {
            0 => part([7; 16], n % 3, 3, 1),
            1 => part([7; 16], n % 3, 5, 2),
            2 => part([7; 16], 60_000, 3, 3),
            3 => part([7; 16], 1, u16::MAX, 4),
            _ => part(rng.bytes(), 0, 64, 5),
        });
        let sealed: Vec<_> = lies.map(|lie| mallory.seal(to, lie)).collect();
        feeder.offer(&mut world, sealed);
        world.run_for(5 * SECOND);
        most = most.max(world.store(a).count(mesh_core::Table::Event));
    }
    world.run_for(MINUTE);
    assert!(most < 200, "{most} records");
    assert_eq!(texts_from(&world, a, b).last().unwrap(), &text);
}

/// How often each envelope left any node.
fn transmissions(world: &World, people: &[mesh_sim::NodeIx]) -> BTreeMap<[u8; 32], usize> {
    let mut counts = BTreeMap::new();
    for envelope in people.iter().flat_map(|ix| envelopes(world, *ix)) {
        *counts.entry(envelope.id().0).or_default() += 1;
    }
    counts
}

#[test]
fn attack_42_hops_and_age_set_back_on_every_pass_cost_one_crossing_per_pair_and_one_lifetime() {
    let mut world = World::new(4);
    let (a, absent) = (world.add("Ada"), world.add("Absent"));
    let ring: Vec<_> = ["Xaver", "Yolanda", "Zora"].map(|name| world.add(name)).into();
    befriend(&mut world, a, absent);
    send(&mut world, a, absent, "are you there?");
    world.tamper(|_, _, frame| {
        if frame[0] == 7 {
            let end = frame.len() - 5;
            frame[end..].copy_from_slice(&[255, 0, 0, 0, 0]);
        }
        true
    });
    world.record();
    world.connect(a, ring[0]);
    world.run_for(MINUTE);
    world.disconnect(a, ring[0]);
    let first: Vec<_> = envelopes(&world, a).iter().map(|envelope| envelope.id().0).collect();
    assert!(!first.is_empty());
    for _ in 0..15 {
        for (x, y) in [(0, 1), (1, 2), (2, 0)] {
            world.connect(ring[x], ring[y]);
            world.run_for(MINUTE);
            world.disconnect(ring[x], ring[y]);
        }
        world.run_for(DAY);
    }
    // Each carried it for a fortnight from when it came, and nobody handed it to somebody who had had it.
    let counts = transmissions(&world, &[a, ring[0], ring[1], ring[2]]);
    assert!(first.iter().all(|id| counts[id] <= 4), "{counts:?}");
    world.run_for(15 * DAY);
    for ix in &ring {
        assert_eq!(world.node(*ix).status(world.clocks(*ix)).carried_envelopes, 0);
    }
}

#[test]
fn attack_43_a_relay_that_kills_hops_or_age_does_not_stop_the_honest_way() {
    for killed in [[0, 0, 0, 0, 0], [12, 255, 255, 255, 255], [1, 0, 0, 0, 0]] {
        let (mut world, a, b) = pair(5);
        let (m, c) = (world.add("Mallory"), world.add("Cleo"));
        world.disconnect(a, b);
        world.tamper(move |from, _, frame| {
            if from == m && frame[0] == 7 {
                let end = frame.len() - 5;
                frame[end..].copy_from_slice(&killed);
            }
            true
        });
        let id = send(&mut world, a, b, "by another way");
        for (x, y) in [(a, m), (m, c), (a, c), (c, b), (b, c), (c, a)] {
            world.connect(x, y);
            world.run_for(2 * MINUTE);
            world.disconnect(x, y);
        }
        assert_eq!(texts(&world, b).last().unwrap(), "by another way", "{killed:?}");
        assert_eq!(state(&world, a, id), MessageState::Delivered, "{killed:?}");
    }
}

#[test]
fn attack_44_a_squatted_name_and_invented_receipts_neither_hide_nor_end_a_message() {
    let (mut world, a, b) = pair(6);
    let courier = world.add("Courier");
    world.disconnect(a, b);
    world.record();
    let id = send(&mut world, a, b, "still mine");
    world.connect(a, courier);
    world.run_for(MINUTE);
    world.disconnect(a, courier);
    let genuine = envelopes(&world, a);
    let held = world.node(courier).status(world.clocks(courier)).carried_envelopes;
    for (instance, ix) in [(1, a), (2, courier), (3, b)] {
        let feeder = Feeder::new(&mut world, ix, instance);
        // The genuine name with another body, then receipts from all that a relay can see.
        let names: Vec<_> = genuine.iter().map(|envelope| envelope.id().short()).collect();
        feeder.say(&mut world, Frame::Have(names).to_bytes());
        world.run_for(SECOND);
        let mut squat = genuine[0].to_bytes();
        squat[100] ^= 1;
        feeder.say(&mut world, Frame::Envelope(squat).to_bytes());
        let seen = |e: &Envelope| {
            [Ack(e.ack_commit().0), Ack(e.tag().0), Ack(*e.id().0.first_chunk().unwrap()), Ack([0; 16])]
        };
        let acks = genuine.iter().flat_map(seen).collect();
        feeder.say(&mut world, Frame::Receipts(acks).to_bytes());
        world.run_for(30 * SECOND);
        feeder.leave(&mut world);
    }
    assert_eq!(state(&world, a, id), MessageState::HandedOn);
    assert_eq!(world.node(courier).status(world.clocks(courier)).carried_envelopes, held);
    world.connect(courier, b);
    world.run_for(2 * MINUTE);
    assert_eq!(texts(&world, b).last().unwrap(), "still mine");
}
