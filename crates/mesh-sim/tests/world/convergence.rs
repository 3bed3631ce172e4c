//! Random worlds: whatever happens, after it has healed everything is where it belongs.

use crate::rig::*;
use mesh_core::rng::Rng;
use mesh_core::view::MessageState;
use mesh_core::{Command, MessageId, Reply};
use mesh_sim::{NodeIx, Pipe, World};

struct Run {
    world: World,
    people: Vec<NodeIx>,
    down: Vec<bool>,
    /// Writer, reader, message, text.
    sent: Vec<(usize, usize, MessageId, String)>,
    rng: Rng,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut world = seeded(seed);
        let people: Vec<_> = (0..6).map(|n| world.add(&format!("Person {n}"))).collect();
        let mut rng = Rng::new([u8::try_from(seed).unwrap(); 32]);
        for a in 0..6 {
            for b in a + 1..6 {
                acquaint(&mut world, people[a], people[b]);
                let loss_per_mille = u16::try_from(rng.below(100)).unwrap();
                // A line of six, and some of the other pairs.
                if b == a + 1 || rng.below(4) == 0 {
                    world.connect_with(people[a], people[b], Pipe { loss_per_mille, ..Pipe::LAN });
                }
            }
        }
        Self { world, people, down: vec![false; 6], sent: Vec::new(), rng }
    }

    fn one(&mut self) -> usize {
        usize::try_from(self.rng.below(6)).unwrap()
    }

    fn step(&mut self) {
        let (a, b) = (self.one(), self.one());
        match self.rng.below(10) {
            0..=4 if a != b && !self.down[a] && !self.down[b] => {
                let text = format!("{a} to {b}, number {}", self.sent.len());
                let id = self.send(a, b, &text);
                self.sent.push((a, b, id, text));
            }
            5 => {
                let at = 1 + usize::try_from(self.rng.below(4)).unwrap();
                let (left, right) = self.people.split_at(at);
                self.world.partition(&[left, right]);
            }
            6 => self.world.repair(),
            7 if !self.down[a] => {
                self.world.crash(self.people[a]);
                self.down[a] = true;
            }
            8 => self.wake(),
            9 if !self.down[a] => self.world.lose_next_commit(self.people[a]),
            _ => {}
        }
        let pause = u32::try_from(self.rng.below(30)).unwrap();
        self.world.run_for(pause * SECOND);
    }

    /// As a front end does: again, under the same id, where the node died before it answered.
    fn send(&mut self, a: usize, b: usize, text: &str) -> MessageId {
        let (to, id) = (account(&self.world, self.people[b]), MessageId(self.rng.bytes()));
        loop {
            let command = Command::Send { to: to.into(), text: text.to_owned(), message: Some(id) };
            if let Some(answer) = self.world.try_command(self.people[a], command) {
                assert_eq!(answer, Ok(Reply::Sent(id)));
                return id;
            }
        }
    }

    fn wake(&mut self) {
        for (n, down) in self.down.iter_mut().enumerate() {
            if core::mem::take(down) {
                self.world.restart(self.people[n]);
            }
        }
    }

    fn heal(&mut self) {
        self.wake();
        self.world.repair();
        for _ in 0..30 {
            self.world.run_for(MINUTE);
            self.honest();
            let all = |(a, _, id, _): &(usize, usize, MessageId, String)| {
                state(&self.world, self.people[*a], *id) == MessageState::Delivered
            };
            if self.sent.iter().all(all) {
                return;
            }
        }
    }

    /// Nobody is told that something was delivered which is not there.
    fn honest(&self) {
        for (a, b, id, text) in &self.sent {
            if self.down[*a] || self.down[*b] {
                continue;
            }
            let there = texts_from(&self.world, self.people[*b], self.people[*a]).contains(text);
            let said = state(&self.world, self.people[*a], *id);
            assert!(there || said < MessageState::Delivered, "{text} is {said:?} and not there");
        }
    }

    fn converged(&self) {
        for (a, b, id, text) in &self.sent {
            let said = state(&self.world, self.people[*a], *id);
            assert_eq!(said, MessageState::Delivered, "{text}");
            let got = texts_from(&self.world, self.people[*b], self.people[*a]);
            assert_eq!(got.iter().filter(|t| *t == text).count(), 1, "{text}");
        }
        for a in 0..6 {
            for b in 0..6 {
                let sent = self.sent.iter().filter(|(from, to, ..)| (*from, *to) == (a, b));
                let expected: Vec<_> = sent.map(|(.., text)| text.clone()).collect();
                assert_eq!(texts_from(&self.world, self.people[b], self.people[a]), expected);
            }
        }
    }
}

#[test]
fn twenty_random_worlds_converge_once_they_heal() {
    for seed in 0..20 {
        let told = std::panic::catch_unwind(|| {
            let mut run = Run::new(seed);
            for _ in 0..80 {
                run.step();
                run.honest();
            }
            run.heal();
            assert!(run.sent.len() > 10, "{} messages", run.sent.len());
            run.converged();
        });
        assert!(told.is_ok(), "the world of seed {seed} did not converge");
    }
}
