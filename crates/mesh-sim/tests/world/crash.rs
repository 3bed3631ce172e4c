//! Processes that die at every step: attack 75.

use crate::rig::*;
use mesh_core::crypto::ratchet::{Fake, Ratchet, Vodozemac};
use mesh_core::view::MessageState;
use mesh_core::wire::Envelope;
use mesh_core::{Command, MessageId, Node, Reply};
use mesh_sim::{NodeIx, World};
use std::cell::Cell;
use std::collections::BTreeMap;

/// Messages of the conversation, in turns.
const MESSAGES: u8 = 4;

#[derive(Clone, Copy, Debug)]
enum Death {
    BeforeCommit,
    AfterCommit,
    BetweenInputs,
}

fn world_with(seed: u64, ratchet: fn() -> Box<dyn Ratchet>) -> World {
    World::with(seed, move |config, seed, now, name, store| {
        let read = Box::new(store.clone());
        let node = match name {
            Some(name) => Node::create_with(config, ratchet(), seed, now, name, read),
            None => Node::restore_with(config, ratchet(), seed, now, read),
        };
        node.expect("a node always starts from what it stored")
    })
}

/// Sends as a front end does: again, under the same id, where no answer came.
fn persist(world: &mut World, from: NodeIx, to: NodeIx, n: u8) -> MessageId {
    let (to, id) = (account(world, to), MessageId([n; 16]));
    loop {
        let command = Command::Send { to: to.into(), text: format!("number {n:02}"), message: Some(id) };
        if let Some(answer) = world.try_command(from, command) {
            assert_eq!(answer, Ok(Reply::Sent(id)));
            return id;
        }
    }
}

/// One conversation, in which `victim` dies at the given step. Returns how many steps it has.
fn converse(ratchet: fn() -> Box<dyn Ratchet>, victim: usize, step: usize, death: Death) -> usize {
    let context = format!("victim {victim} dies at step {step}: {death:?}");
    let mut world = world_with(1, ratchet);
    world.record();
    let people = [world.add("Ada"), world.add("Ben")];
    acquaint(&mut world, people[0], people[1]);
    world.connect(people[0], people[1]);
    let mut ids = Vec::new();
    let (mut died, steps) = (false, Cell::new(0));
    for n in 0..MESSAGES {
        let from = usize::from(n % 2);
        ids.push((people[from], persist(&mut world, people[from], people[1 - from], n)));
        let until = |_: &World| {
            steps.set(steps.get() + 1);
            !died && steps.get() >= step
        };
        if world.run_until(12 * SECOND, until) && !died {
            died = true;
            match death {
                Death::BeforeCommit => world.lose_next_commit(people[victim]),
                Death::AfterCommit => world.lose_next_sends(people[victim]),
                Death::BetweenInputs => {
                    world.crash(people[victim]);
                    world.restart(people[victim]);
                }
            }
            world.run_for(12 * SECOND);
        }
    }
    world.run_for(2 * MINUTE);
    for (at, id) in ids {
        assert_eq!(state(&world, at, id), MessageState::Delivered, "{context}");
    }
    for (at, own) in [(0, 1), (1, 0)] {
        let expected: Vec<_> =
            (0..MESSAGES).filter(|n| n % 2 == own).map(|n| format!("number {n:02}")).collect();
        assert_eq!(texts(&world, people[at]), expected, "{context}");
    }
    assert_no_key_twice(&world, &people, &context);
    steps.get()
}

/// A tag stands for its key: two envelopes of one tag are one envelope.
fn assert_no_key_twice(world: &World, people: &[NodeIx], context: &str) {
    let mut seen = BTreeMap::<[u8; 16], Envelope>::new();
    for envelope in people.iter().flat_map(|ix| envelopes(world, *ix)) {
        let known = seen.entry(envelope.tag().0).or_insert_with(|| envelope.clone());
        assert_eq!(known.immutable(), envelope.immutable(), "a one-time key was used twice: {context}");
    }
}

fn at_every_step(ratchet: fn() -> Box<dyn Ratchet>, death: Death, stride: usize) {
    let steps = converse(ratchet, 0, usize::MAX, death);
    assert!(steps > 60, "{steps}");
    for step in (1..=steps).step_by(stride) {
        for victim in 0..2 {
            converse(ratchet, victim, step, death);
        }
    }
}

#[test]
fn attack_75_a_commit_lost_at_any_step_loses_nothing_acknowledged_and_reuses_no_key() {
    at_every_step(|| Box::new(Fake), Death::BeforeCommit, 1);
}

#[test]
fn attack_75_a_death_between_commit_and_send_at_any_step_reuses_no_key() {
    at_every_step(|| Box::new(Fake), Death::AfterCommit, 1);
}

#[test]
fn attack_75_a_death_between_any_two_inputs_reuses_no_key() {
    at_every_step(|| Box::new(Fake), Death::BetweenInputs, 1);
}

#[test]
fn attack_75_the_real_ratchets_survive_deaths_too() {
    for death in [Death::BeforeCommit, Death::AfterCommit, Death::BetweenInputs] {
        at_every_step(|| Box::new(Vodozemac), death, 17);
    }
}
