use super::*;
use crate::{Contact, NodeIx, Radio, Seal, TraceReplay, World};
use mesh_core::view::MessageState;
use mesh_core::{Command, Config, MessageId, Reply};

const HOUR_MS: u64 = 3_600_000;

/// Ada (0) and Ben (1), who know each other, and an attacker (2); who is together when, in seconds.
fn world(attacker: impl FnOnce(&mut World), contacts: &[(u64, u64, u32, u32)]) -> World {
    let mut world = World::sealed(1, Seal::Cheap);
    let (a, b) = (world.add("Ada"), world.add("Ben"));
    attacker(&mut world);
    assert!(world.introduce(&[(a, b)]).is_empty());
    let contacts: Vec<Contact> = contacts
        .iter()
        .map(|(start, end, a, b)| Contact { start: start * 1000, end: end * 1000, a: *a, b: *b })
        .collect();
    let radio = Radio { goodput: 100_000, ..Radio::ideal(core::time::Duration::ZERO, None, 0) };
    world.travel(Box::new(TraceReplay::over(3, &contacts)), radio);
    world
}

fn crooked(trick: Trick) -> impl FnOnce(&mut World) {
    move |world| {
        world.add_wrapped("Eve", Config::default(), move |starling| {
            Box::new(Crooked::new(starling, trick.clone(), 0..u64::MAX, [9; 32]))
        });
    }
}

fn flooder(many_names: bool) -> impl FnOnce(&mut World) {
    move |world| {
        let flooder = Flooder::new([7; 32], 50, 0..u64::MAX, many_names);
        world.add_protocol(Box::new(flooder));
    }
}

fn send(world: &mut World) -> MessageId {
    let to = world.node(NodeIx::from(1)).identity().account;
    let text = "can you read me?".to_owned();
    match world.command(NodeIx::from(0), Command::Send { to: to.into(), text, message: None }) {
        Ok(Reply::Sent(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn state(world: &World, message: MessageId) -> MessageState {
    let ix = NodeIx::from(0);
    world.node(ix).info(world.clocks(ix), message).unwrap().unwrap().state
}

#[test]
fn a_black_hole_says_handed_on_and_hands_on_nothing() {
    let mut world = world(crooked(Trick::BlackHole), &[(10, 60, 0, 2), (100, 600, 1, 2)]);
    let message = send(&mut world);
    world.run_to(HOUR_MS);
    assert_eq!(state(&world, message), MessageState::HandedOn);
    assert!(world.node(NodeIx::from(1)).messages(None).unwrap().is_empty());
}

#[test]
fn a_liar_changes_nothing_that_is_read() {
    let mut world = world(crooked(Trick::Liar), &[(10, 60, 0, 2), (100, 160, 1, 2), (200, 260, 0, 1)]);
    let message = send(&mut world);
    world.run_to(190_000);
    assert!(world.node(NodeIx::from(1)).messages(None).unwrap().is_empty());
    world.run_to(HOUR_MS);
    assert_eq!(state(&world, message), MessageState::Delivered);
    assert_eq!(world.node(NodeIx::from(1)).messages(None).unwrap().len(), 1);
}

#[test]
fn a_replayer_shows_nothing_twice_and_does_not_fill_bags() {
    let met = [(10, 60, 0, 2), (100, 160, 1, 2), (200, 260, 0, 1), (300, 900, 1, 2), (300, 900, 0, 2)];
    let mut world = world(crooked(Trick::Replayer), &met);
    let message = send(&mut world);
    world.run_to(HOUR_MS);
    assert_eq!(state(&world, message), MessageState::Delivered);
    assert_eq!(world.node(NodeIx::from(1)).messages(None).unwrap().len(), 1);
    assert_eq!(world.carried(NodeIx::from(0)).0, 0);
}

#[test]
fn a_tracker_cannot_tell_that_a_later_hello_is_an_earlier_one_s() {
    let notebook = Notebook::default();
    let met = [(10, 60, 0, 2), (200, 260, 0, 2), (400, 460, 0, 2)];
    let mut world = world(crooked(Trick::Tracker(Arc::clone(&notebook))), &met);
    send(&mut world);
    world.run_to(HOUR_MS);
    let seen = notebook.lock().unwrap();
    assert!(seen.hellos >= 3, "{}", seen.hellos);
    assert_eq!(seen.relinked(), 0);
}

#[test]
fn junk_of_one_name_or_many_is_carried_within_limits_and_stops_nobody() {
    for many_names in [false, true] {
        let mut world = world(flooder(many_names), &[(1, 400, 0, 2), (1, 400, 1, 2), (100, 300, 0, 1)]);
        world.run_to(50_000);
        let message = send(&mut world);
        world.run_to(500_000);
        assert_eq!(state(&world, message), MessageState::Delivered, "{many_names}");
        assert!(world.carried(NodeIx::from(0)).0 > 50, "{many_names}: the junk came");
    }
}
