//! What was said before, said again: attacks 27, 28, 31, 32 and 33 on whole nodes.

use crate::rig::*;
use mesh_core::wire::Frame;
use mesh_core::{BeaconKind, Command, Event, Reply, Role, Table};
use mesh_sim::{NodeIx, World};

/// What storage holds that grows with what arrives; not the clock.
fn stored(world: &World, ix: NodeIx) -> Vec<usize> {
    let tables = [Table::Session, Table::Carried, Table::Body, Table::Contact, Table::Event, Table::Outbox];
    tables.iter().map(|table| world.store(ix).count(*table)).collect()
}

/// Everything that was ever on the air comes again; nothing may come of it.
fn replay_all(world: &mut World, to: NodeIx, instance: u8, recorded: &[Vec<u8>]) {
    let (messages, events) = (texts(world, to), world.events(to).len());
    let before = stored(world, to);
    let feeder = Feeder::new(world, to, instance);
    feeder.heard(world);
    feeder.offer(world, recorded.iter().cloned());
    world.run_for(2 * MINUTE);
    let heard = feeder.heard(world);
    feeder.leave(world);
    assert_eq!(texts(world, to), messages);
    assert!(shown(world, to, events).is_empty());
    assert_eq!(stored(world, to), before);
    let answers = heard.iter().filter(|frame| matches!(Frame::from_bytes(frame), Ok(Frame::Kept(_))));
    assert_eq!(answers.count(), 0, "something was kept");
}

#[test]
fn attack_27_everything_replayed_within_its_life_and_after_it_and_after_restarts_shows_nothing_new() {
    let mut world = World::new(1);
    world.record();
    let (a, b) = pair_in(&mut world);
    for n in 0..20 {
        send(&mut world, a, b, &format!("to Ben {n}"));
        send(&mut world, b, a, &format!("to Ada {n}"));
        world.run_for(MINUTE);
    }
    let recorded: Vec<_> =
        [a, b].iter().flat_map(|ix| envelopes(&world, *ix)).map(|e| e.to_bytes()).collect();
    assert!(recorded.len() >= 40);
    world.disconnect(a, b);
    for (instance, pause) in [(1, MINUTE), (2, MINUTE), (3, 15 * DAY)] {
        replay_all(&mut world, b, instance, &recorded);
        world.restart(b);
        world.run_for(pause);
    }
    replay_all(&mut world, b, 4, &recorded);
    // Beyond every tombstone they are strangers' mail again, and still open nothing.
    world.run_for(30 * DAY);
    world.restart(b);
    let messages = texts(&world, b);
    let feeder = Feeder::new(&mut world, b, 5);
    feeder.offer(&mut world, recorded);
    world.run_for(MINUTE);
    assert_eq!(texts(&world, b), messages);
}

#[test]
fn attack_28_a_first_contact_replayed_to_a_node_that_forgot_its_tombstones_is_one_message() {
    let mut world = World::new(2);
    let (a, b) = (world.add("Ada"), world.add("Ben"));
    befriend(&mut world, a, b);
    send(&mut world, a, b, "hello");
    world.record();
    world.connect(a, b);
    world.run_for(MINUTE);
    world.disconnect(a, b);
    let recorded: Vec<_> = envelopes(&world, a).iter().map(mesh_core::wire::Envelope::to_bytes).collect();
    for instance in 0..100 {
        wipe(world.store(b), &[Table::Tombstone, Table::Carried, Table::Body]);
        world.restart(b);
        let feeder = Feeder::new(&mut world, b, instance);
        feeder.offer(&mut world, recorded.clone());
        feeder.leave(&mut world);
    }
    assert_eq!((texts(&world, b), world.node(b).contacts().len()), (vec!["hello".to_owned()], 1));
}

#[test]
fn attack_31_clocks_that_jump_at_every_step_change_neither_order_nor_delivery() {
    let (mut world, a, b) = pair(3);
    let jumps = [-1_767_225_600, 315_360_000, 0, 86_400 * 400, -86_400 * 400];
    let mut ids = Vec::new();
    for (n, jump) in (0..).zip(jumps.iter().cycle().take(20)) {
        world.skew(a, *jump);
        world.skew(b, -jump / 2);
        ids.push(send(&mut world, a, b, &format!("number {n:02}")));
        world.run_for(MINUTE);
        if n % 4 == 3 {
            world.restart(if n % 8 == 3 { a } else { b });
            world.run_for(MINUTE);
        }
    }
    world.run_for(10 * MINUTE);
    assert!(all_delivered(&world, a, &ids));
    let expected: Vec<_> = (0..20).map(|n| format!("number {n:02}")).collect();
    assert_eq!(texts(&world, b)[1..], expected);
}

#[test]
fn attack_31_an_envelope_ends_by_its_age_whatever_the_clocks_claim() {
    let (mut world, a, b) = pair(4);
    let courier = world.add("Courier");
    world.disconnect(a, b);
    world.skew(courier, -1_767_225_600);
    send(&mut world, a, b, "too late");
    world.record();
    world.connect(a, courier);
    world.run_for(MINUTE);
    world.disconnect(a, courier);
    let held = world.node(courier).status(world.clocks(courier)).carried_envelopes;
    world.run_for(13 * DAY);
    assert_eq!(world.node(courier).status(world.clocks(courier)).carried_envelopes, held);
    world.run_for(2 * DAY);
    assert_eq!(world.node(courier).status(world.clocks(courier)).carried_envelopes, 0);
}

#[test]
fn attack_32_a_replayed_hello_is_nobody() {
    let mut world = World::new(5);
    world.record();
    let (a, b) = pair_in(&mut world);
    world.disconnect(a, b);
    world.connect(a, b);
    world.run_for(SECOND);
    world.disconnect(a, b);
    let is_hello = |frame: &&Vec<u8>| matches!(frame[0], 1 | 11);
    let hellos: Vec<_> = world.frames(b).iter().map(|sent| sent.frame.clone()).collect();
    let before = world.events(a).len();
    for hello in hellos.iter().filter(is_hello).filter(|frame| frame[0] == 1) {
        for role in [Role::Dialer, Role::Listener] {
            let raw = world.raw(a, role);
            world.inject(raw, hello.clone());
            for tokens in hellos.iter().filter(is_hello).filter(|frame| frame[0] == 11) {
                world.inject(raw, tokens.clone());
            }
            world.run_for(SECOND);
            let peers = world.node(a).peers(world.clocks(a));
            assert!(peers.iter().all(|peer| peer.contact.is_none()));
            world.hang(raw);
        }
    }
    let somebody = |(_, event): &(u64, Event)| matches!(event, Event::PeerUp { contact: Some(_), .. });
    assert!(!world.events(a)[before..].iter().any(somebody));
}

#[test]
fn attack_32_a_beacon_that_was_taken_back_does_not_come_back() {
    let (mut world, a, b) = pair(6);
    world.record();
    let sos = Command::Beacon { kind: BeaconKind::Sos, text: "on the roof".into(), position: None };
    let Ok(Reply::Beacon(view)) = world.command(a, sos) else { panic!("published") };
    world.run_for(MINUTE);
    world.command(a, Command::BeaconCancel { id: view.id }).unwrap();
    world.run_for(MINUTE);
    let public =
        |sent: &mesh_sim::Sent| Frame::from_bytes(&sent.frame).is_ok_and(|f| matches!(f, Frame::Public(_)));
    let recorded: Vec<_> = world.frames(a).iter().filter(|s| public(s)).map(|s| s.frame.clone()).collect();
    assert_eq!(recorded.len(), 2);
    world.disconnect(a, b);
    for instance in 1..4 {
        let feeder = Feeder::new(&mut world, b, instance);
        feeder.say(&mut world, recorded[0].clone());
        world.run_for(MINUTE);
        assert!(world.node(b).beacons(world.clocks(b)).iter().all(|beacon| beacon.cancelled));
        feeder.leave(&mut world);
        world.restart(b);
    }
}

#[test]
fn attack_33_a_mirror_shows_a_person_nothing() {
    let (mut world, a, b) = pair(7);
    world.disconnect(a, b);
    let before = (texts(&world, a), world.events(a).len());
    let mirror = world.raw(a, Role::Listener);
    world.script(mirror, |frame| {
        let mut frame = frame.to_vec();
        if frame[0] == 1 {
            // A node closes a link to itself: another instance, all else its own.
            frame[7] ^= 1;
        }
        vec![frame]
    });
    world.run_for(SECOND);
    let id = send(&mut world, a, b, "mirror, mirror");
    world.run_for(MINUTE);
    assert_eq!(texts(&world, a), before.0);
    let others = shown(&world, a, before.1);
    let own = |event: &Event| match event {
        Event::Message(message) => message.from.is_none(),
        Event::MessageState { message, .. } => *message == id,
        _ => false,
    };
    assert!(others.iter().all(own), "{others:?}");
    assert!(state(&world, a, id) < mesh_core::view::MessageState::Delivered);
}
