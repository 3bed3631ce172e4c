//! Junk as fast as it goes, under one name or under ever new ones.

use super::{Hours, hello};
use crate::{Act, Draft, Protocol};
use mesh_core::id::ShortId;
use mesh_core::rng::Rng;
use mesh_core::wire::{Envelope, Frame, Lifetime, SizeClass};
use mesh_core::{AckCommit, CloseReason, Input, Lane, LinkId, Now, Output, Tag, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Envelopes that are offered at a time; older ones are forgotten.
const MOST_OFFERED: usize = 4_096;
/// New junk comes this often, in milliseconds.
const BURST_MS: u64 = 1_000;
/// A sybil stays this long under one name, in milliseconds.
const NAME_MS: u64 = 20_000;

/// Makes envelopes that look like any others and that nobody can open, and offers them to all neighbours.
#[derive(Debug)]
pub struct Flooder {
    rng: Rng,
    per_second: u32,
    hours: Hours,
    /// Whether it comes back under a new name again and again.
    many_names: bool,
    instance: [u8; 16],
    links: BTreeSet<LinkId>,
    offered: BTreeMap<ShortId, Vec<u8>>,
    order: VecDeque<ShortId>,
    next_burst: u64,
    next_name: u64,
    acts: VecDeque<Act>,
    made: u64,
}

impl Flooder {
    /// A flooder that makes so many envelopes in a second; a sybil where `many_names`.
    #[must_use]
    pub fn new(seed: [u8; 32], per_second: u32, hours: Hours, many_names: bool) -> Self {
        let mut rng = Rng::new(seed);
        let instance = rng.bytes();
        Self {
            rng,
            per_second,
            hours,
            many_names,
            instance,
            links: BTreeSet::new(),
            offered: BTreeMap::new(),
            order: VecDeque::new(),
            next_burst: 0,
            next_name: NAME_MS,
            acts: VecDeque::new(),
            made: 0,
        }
    }

    /// How many envelopes it made.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    fn send(&mut self, link: LinkId, lane: Lane, frame: Vec<u8>) {
        self.acts.push_back(Act::Core(Output::Send { link, lane, frame }));
    }

    fn junk(&mut self) -> Option<(ShortId, Vec<u8>)> {
        let size = [SizeClass::B256, SizeClass::B576, SizeClass::B1280][self.rng.below(3) as usize];
        let (tag, commit) = (Tag(self.rng.bytes()), AckCommit(self.rng.bytes()));
        let header = Envelope::header(size, Lifetime::Fortnight, tag, commit);
        let mut body = vec![0; size.body_len()];
        self.rng.fill(&mut body);
        let envelope = Envelope::new(header, &body, 15).ok()?;
        Some((envelope.id().short(), envelope.to_bytes()))
    }

    fn burst(&mut self) {
        let mut names = Vec::new();
        for _ in 0..self.per_second {
            let Some((name, bytes)) = self.junk() else { continue };
            self.offered.insert(name, bytes);
            self.order.push_back(name);
            names.push(name);
            self.made += 1;
        }
        while self.order.len() > MOST_OFFERED {
            if let Some(old) = self.order.pop_front() {
                self.offered.remove(&old);
            }
        }
        for link in self.links.clone() {
            for names in names.chunks(512) {
                self.send(link, Lane::Control, Frame::Have(names.to_vec()).to_bytes());
            }
        }
    }

    fn on_frame(&mut self, link: LinkId, bytes: &[u8]) {
        match Frame::from_bytes(bytes) {
            Ok(Frame::Beat { ask: true, root }) => {
                self.send(link, Lane::Control, Frame::Beat { ask: false, root }.to_bytes());
            }
            Ok(Frame::Want { ids, .. }) => {
                for id in ids {
                    if let Some(bytes) = self.offered.get(&id) {
                        let frame = Frame::Envelope(bytes.clone()).to_bytes();
                        self.send(link, Lane::Bulk, frame);
                    }
                }
            }
            _ => {}
        }
    }

    fn on_time(&mut self, now: u64) {
        if now >= self.next_burst {
            self.next_burst = now + BURST_MS;
            if self.hours.contains(&now) {
                self.burst();
            }
        }
        if self.many_names && now >= self.next_name {
            self.next_name = now + NAME_MS;
            self.instance = self.rng.bytes();
            for link in core::mem::take(&mut self.links) {
                self.acts.push_back(Act::Core(Output::Close { link, why: CloseReason::TooMany }));
            }
        }
    }
}

impl Protocol for Flooder {
    fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::LinkUp { link, .. } => {
                self.links.insert(link);
                let hello = hello(&mut self.rng, self.instance);
                self.send(link, Lane::Control, hello);
                let names: Vec<ShortId> = self.order.iter().copied().rev().take(512).collect();
                if self.hours.contains(&now.mono.0) && !names.is_empty() {
                    self.send(link, Lane::Control, Frame::Have(names).to_bytes());
                }
            }
            Input::LinkDown { link } => {
                self.links.remove(&link);
            }
            Input::Frame { link, bytes } => self.on_frame(link, bytes),
            _ => {}
        }
        self.on_time(now.mono.0);
    }

    fn poll(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    fn next_wakeup(&self) -> Option<Time> {
        let next = if self.many_names { self.next_burst.min(self.next_name) } else { self.next_burst };
        Some(Time(next))
    }

    fn submit(&mut self, _now: Now, _draft: &Draft) {}

    fn carried(&self) -> (u64, u64) {
        (0, 0)
    }

    fn restarted(&mut self, now: Now) {
        self.links.clear();
        (self.next_burst, self.next_name) = (now.mono.0, now.mono.0 + NAME_MS);
    }
}
