//! Long silences and what was written into them.

use crate::rig::*;
use mesh_core::view::MessageState;
use mesh_core::wire::{Envelope, Frame};
use mesh_core::{EnvelopeId, MessageId, Table};
use mesh_sim::{NodeIx, World};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

fn expected(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("number {n:04}")).collect()
}

fn write(world: &mut World, from: NodeIx, to: NodeIx, range: core::ops::Range<usize>) -> Vec<MessageId> {
    range.map(|n| send(world, from, to, &format!("number {n:04}"))).collect()
}

/// Until everything is delivered, at most `hours`.
fn settle(world: &mut World, at: NodeIx, ids: &[MessageId], hours: u32) {
    for _ in 0..hours {
        if all_delivered(world, at, ids) {
            return;
        }
        world.run_for(HOUR);
    }
    let open = ids.iter().filter(|id| state(world, at, **id) < MessageState::Delivered).count();
    assert_eq!(open, 0, "messages without a receipt after {hours} hours");
}

fn silence(mut world: World, count: usize) {
    let (a, b) = pair_in(&mut world);
    world.disconnect(a, b);
    let pause = 60 * DAY / u32::try_from(count).unwrap();
    let mut ids = Vec::new();
    for n in 0..count {
        ids.extend(write(&mut world, a, b, n..n + 1));
        world.run_for(pause);
    }
    world.connect(a, b);
    settle(&mut world, a, &ids, 48);
    assert_eq!(texts_from(&world, b, a)[1..], expected(count));
}

#[test]
fn two_months_of_silence_with_5000_messages_written_into_it_lose_nothing() {
    silence(World::new(1), 5_000);
}

#[test]
fn two_months_of_silence_lose_nothing_with_the_seeded_ratchet() {
    silence(seeded(1), 1_000);
}

#[test]
fn attack_30_five_hundred_messages_handed_over_in_reverse_all_arrive_in_order() {
    let (mut world, a, b) = pair(2);
    world.disconnect(a, b);
    let hand = world.add("Hand");
    let ids = write(&mut world, a, b, 0..500);
    world.record();
    world.connect(a, hand);
    world.run_for(MINUTE);
    let mut written = envelopes(&world, a);
    assert!(written.len() >= 500);
    // By the time of writing: the stranger was handed the newest first.
    written.reverse();
    let feeder = Feeder::new(&mut world, b, 7);
    for envelope in written {
        feeder.offer(&mut world, [envelope.to_bytes()]);
    }
    world.disconnect(a, hand);
    world.connect(a, b);
    settle(&mut world, a, &ids, 1);
    assert_eq!(texts_from(&world, b, a)[1..], expected(500));
}

#[test]
fn attack_30_two_thousand_five_hundred_lost_envelopes_are_repaired() {
    let (mut world, a, b) = seeded_pair(3);
    world.disconnect(a, b);
    let mut ids = write(&mut world, a, b, 0..2_500);
    world.crash(a);
    wipe(world.store(a), &[Table::Carried, Table::Body]);
    world.restart(a);
    world.connect(a, b);
    ids.extend(write(&mut world, a, b, 2_500..2_550));
    settle(&mut world, a, &ids, 1);
    assert_eq!(texts_from(&world, b, a)[1..], expected(2_550));
}

#[test]
fn attack_30_envelopes_whose_bodies_storage_lost_hold_nothing_up_and_come_again() {
    let (mut world, a, b) = seeded_pair(4);
    world.disconnect(a, b);
    let mut ids = write(&mut world, a, b, 0..600);
    world.crash(a);
    wipe(world.store(a), &[Table::Body]);
    world.restart(a);
    world.connect(a, b);
    ids.extend(write(&mut world, a, b, 600..620));
    settle(&mut world, a, &ids, 1);
    assert_eq!(texts_from(&world, b, a)[1..], expected(620));
}

/// From now on the envelopes that cross are swallowed; all of them, or those that were before.
struct Swallow {
    all: Arc<AtomicBool>,
}

impl Swallow {
    fn on(world: &mut World) -> Self {
        let all = Arc::new(AtomicBool::new(true));
        let (on_all, names) = (Arc::clone(&all), Mutex::new(BTreeSet::<EnvelopeId>::new()));
        world.tamper(move |_, _, frame| {
            let Ok(Frame::Envelope(bytes)) = Frame::from_bytes(frame) else { return true };
            let Ok(envelope) = Envelope::from_bytes(&bytes) else { return true };
            let mut names = names.lock().unwrap();
            if on_all.load(Ordering::Relaxed) {
                names.insert(envelope.id());
                return false;
            }
            !names.contains(&envelope.id())
        });
        Self { all }
    }
}

#[test]
fn what_never_gets_through_is_asked_for_and_comes_under_another_name() {
    let (mut world, a, b) = seeded_pair(5);
    let swallow = Swallow::on(&mut world);
    let mut ids = write(&mut world, a, b, 0..40);
    world.run_for(DAY);
    assert_eq!(texts_from(&world, b, a).len(), 1, "everything written was lost");
    swallow.all.store(false, Ordering::Relaxed);
    // What was swallowed gave the pipe no credit back.
    world.disconnect(a, b);
    world.connect(a, b);
    ids.extend(write(&mut world, a, b, 40..60));
    settle(&mut world, a, &ids, 3);
    assert_eq!(texts_from(&world, b, a)[1..], expected(60));
}

#[test]
fn a_single_message_opens_after_two_lives_of_its_envelope_in_silence() {
    let (mut world, a, b) = seeded_pair(6);
    world.disconnect(a, b);
    let ids = write(&mut world, a, b, 0..1);
    world.run_for(30 * DAY);
    world.connect(a, b);
    settle(&mut world, a, &ids, 2);
    assert_eq!(texts_from(&world, b, a)[1..], expected(1));
}
