//! Nodes in the world, through their border only.

mod equal;
mod faults;
mod overlay;
mod people;
mod radio;
mod rig;

use crate::{NodeIx, Pipe, Seal, World};
use core::time::Duration;
use mesh_core::view::{ContactState, MessageState};
use mesh_core::{Command, Event, MessageId, Reply, Role};

const MINUTE: Duration = Duration::from_secs(60);

fn befriend(world: &mut World, a: NodeIx, b: NodeIx) {
    let link = world.node(b).identity().link;
    let added = world.command(a, Command::Add { link, petname: None });
    assert!(matches!(added, Ok(Reply::Contact(_))), "{added:?}");
}

fn send(world: &mut World, from: NodeIx, to: NodeIx, text: &str) -> MessageId {
    let to = world.node(to).identity().account;
    let command = Command::Send { to: to.into(), text: text.to_owned(), message: None };
    match world.command(from, command) {
        Ok(Reply::Sent(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn texts(world: &World, at: NodeIx) -> Vec<String> {
    let messages = world.node(at).messages(None).unwrap();
    messages.into_iter().filter(|m| m.from.is_some()).map(|m| m.text).collect()
}

fn state(world: &World, at: NodeIx, message: MessageId) -> MessageState {
    world.node(at).info(world.clocks(at), message).unwrap().unwrap().state
}

/// Two introduced people, connected.
fn pair(seed: u64) -> (World, NodeIx, NodeIx) {
    let mut world = World::new(seed);
    let (a, b) = (world.add("Ada"), world.add("Ben"));
    world.connect(a, b);
    befriend(&mut world, a, b);
    befriend(&mut world, b, a);
    let known =
        |world: &World, ix| world.node(ix).contacts().iter().any(|c| c.state == ContactState::Introduced);
    assert!(world.run_until(MINUTE, |world| known(world, a) && known(world, b)));
    (world, a, b)
}

#[test]
fn a_text_reaches_a_neighbour_and_is_proved() {
    let (mut world, a, b) = pair(1);
    let id = send(&mut world, a, b, "Hello");
    assert_eq!(state(&world, a, id), MessageState::Waiting);
    assert!(world.run_until(MINUTE, |world| state(world, a, id) == MessageState::Delivered));
    assert_eq!(texts(&world, b), ["Hello"]);
}

#[test]
fn a_courier_brings_a_text_to_somebody_who_never_meets_the_writer() {
    let (mut world, a, b) = pair(2);
    let courier = world.add("Cleo");
    world.disconnect(a, b);
    let id = send(&mut world, a, b, "By hand");
    world.connect(a, courier);
    assert!(world.run_until(MINUTE, |world| state(world, a, id) == MessageState::HandedOn));
    world.disconnect(a, courier);
    world.connect(courier, b);
    assert!(world.run_until(MINUTE, |world| texts(world, b) == ["By hand"]));
    world.run_for(MINUTE);
    world.connect(a, courier);
    assert!(world.run_until(MINUTE, |world| state(world, a, id) == MessageState::Delivered));
    assert!(texts(&world, courier).is_empty());
}

#[test]
fn a_partition_holds_a_text_back_and_its_repair_lets_it_through() {
    let (mut world, a, b) = pair(3);
    world.partition(&[&[a], &[b]]);
    let id = send(&mut world, a, b, "Later");
    world.run_for(MINUTE);
    assert_eq!(state(&world, a, id), MessageState::Waiting);
    world.repair();
    assert!(world.run_until(MINUTE, |world| state(world, a, id) == MessageState::Delivered));
}

#[test]
fn a_crash_loses_nothing_that_was_answered() {
    let (mut world, a, b) = pair(4);
    world.disconnect(a, b);
    let id = send(&mut world, a, b, "Kept");
    world.crash(a);
    world.run_for(MINUTE);
    world.restart(a);
    world.connect(a, b);
    assert!(world.run_until(MINUTE, |world| state(world, a, id) == MessageState::Delivered));
    assert_eq!(texts(&world, b), ["Kept"]);
}

#[test]
fn a_lost_commit_takes_everything_that_would_have_followed_it() {
    let (mut world, a, b) = pair(5);
    let id = send(&mut world, a, b, "Twice tried");
    world.lose_next_commit(b);
    assert!(world.run_until(5 * MINUTE, |world| state(world, a, id) == MessageState::Delivered));
    assert_eq!(texts(&world, b), ["Twice tried"]);
}

#[test]
fn attack_31_clocks_at_1970_and_ten_years_ahead_still_deliver() {
    let (mut world, a, b) = pair(6);
    world.skew(a, -1_767_225_600);
    world.skew(b, 315_360_000);
    let id = send(&mut world, a, b, "What year is it?");
    assert!(world.run_until(MINUTE, |world| state(world, a, id) == MessageState::Delivered));
    world.skew(a, 315_360_000);
    let answer = send(&mut world, b, a, "Ask a calendar");
    assert!(world.run_until(MINUTE, |world| state(world, b, answer) == MessageState::Delivered));
}

#[test]
fn a_thin_pipe_that_loses_frames_delivers_in_the_end() {
    let (mut world, a, b) = pair(7);
    world.disconnect(a, b);
    let thin = Pipe { rate: 10_000, loss_per_mille: 100, ..Pipe::LAN };
    world.connect_with(a, b, thin);
    let ids: Vec<MessageId> = (0..20).map(|n| send(&mut world, a, b, &format!("Number {n}"))).collect();
    let all = |world: &World| ids.iter().all(|id| state(world, a, *id) == MessageState::Delivered);
    assert!(world.run_until(60 * MINUTE, all));
    assert_eq!(texts(&world, b).len(), 20);
}

#[test]
fn attack_03_a_neighbour_that_only_claims_things_shows_nothing() {
    let (mut world, a, b) = pair(8);
    let before = world.events(a).len();
    let raw = world.raw(a, Role::Listener);
    for kind in 0..=255 {
        world.inject(raw, vec![kind; 40]);
    }
    world.run_for(MINUTE);
    let shown = |event: &Event| matches!(event, Event::Message(_) | Event::Contact { .. } | Event::Beacon(_));
    assert!(!world.events(a)[before..].iter().any(|(_, event)| shown(event)));
    assert!(texts(&world, b).is_empty());
}

#[test]
fn the_first_frame_at_a_raw_end_is_a_hello() {
    let mut world = World::new(9);
    let a = world.add("Ada");
    let raw = world.raw(a, Role::Dialer);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.heard(raw)[0][0], 1);
}

/// Two people who write while frames get lost, with the seeded ratchet.
fn eventful(seed: u64) -> [u8; 32] {
    let mut world = World::sealed(seed, Seal::Real);
    let (a, b, c) = (world.add("Ada"), world.add("Ben"), world.add("Cleo"));
    befriend(&mut world, a, b);
    befriend(&mut world, b, a);
    let lossy = Pipe { loss_per_mille: 50, ..Pipe::LAN };
    world.connect_with(a, c, lossy);
    world.connect_with(c, b, lossy);
    for n in 0..5 {
        send(&mut world, a, b, &format!("Number {n}"));
        world.run_for(MINUTE);
    }
    world.trace_hash()
}

#[test]
fn the_same_seed_gives_the_same_run() {
    assert_eq!(eventful(1), eventful(1));
    assert_ne!(eventful(1), eventful(2));
}
