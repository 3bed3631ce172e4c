//! False calls for help, as many as the neighbours take.

use super::{Hours, hello};
use crate::{Act, Draft, Protocol};
use mesh_core::crypto::beacon::BeaconKey;
use mesh_core::id::ShortId;
use mesh_core::rng::Rng;
use mesh_core::wire::beacon::BeaconContent;
use mesh_core::wire::{Frame, Lifetime};
use mesh_core::{BeaconKind, Input, Lane, LinkId, Now, Output, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Calls that are offered at a time; older ones are forgotten.
const MOST_OFFERED: usize = 4_096;
/// New calls come this often, in milliseconds.
const BURST_MS: u64 = 1_000;
/// What a call may claim about its way: that it was said next door, or came from any distance.
const HOPS: [u8; 6] = [63, 62, 61, 60, 55, 30];

/// Raises alarms under ever new keys, names them to all neighbours, sends some unasked, and claims that they came
/// from near and far.
#[derive(Debug)]
pub struct Alarmist {
    rng: Rng,
    per_second: u32,
    hours: Hours,
    instance: [u8; 16],
    links: BTreeSet<LinkId>,
    offered: BTreeMap<ShortId, Vec<u8>>,
    /// The latest last, with the hops that they claim to have left.
    order: VecDeque<(ShortId, u8)>,
    next_burst: u64,
    acts: VecDeque<Act>,
    made: u64,
}

impl Alarmist {
    /// An alarmist that makes so many calls in a second.
    #[must_use]
    pub fn new(seed: [u8; 32], per_second: u32, hours: Hours) -> Self {
        let mut rng = Rng::new(seed);
        let instance = rng.bytes();
        Self {
            rng,
            per_second,
            hours,
            instance,
            links: BTreeSet::new(),
            offered: BTreeMap::new(),
            order: VecDeque::new(),
            next_burst: 0,
            acts: VecDeque::new(),
            made: 0,
        }
    }

    /// How many calls it made.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    fn send(&mut self, link: LinkId, frame: &Frame) {
        self.acts.push_back(Act::Core(Output::Send { link, lane: Lane::Control, frame: frame.to_bytes() }));
    }

    fn call(&mut self) -> Option<(ShortId, u8, Vec<u8>)> {
        let content = BeaconContent {
            what: BeaconKind::Sos as u8,
            seq: 1,
            minute: 0,
            lifetime: Lifetime::Fortnight,
            position: None,
            accuracy: 0,
            battery: 1,
            people: 255,
            hint: self.rng.bytes(),
            text: "help, all of you".to_owned(),
        };
        let [draw] = self.rng.bytes();
        let hops = HOPS[usize::from(draw) % HOPS.len()];
        let beacon = BeaconKey::generate(&mut self.rng).sign(&content, hops).ok()?;
        Some((beacon.id().short(), hops, beacon.to_bytes()))
    }

    fn burst(&mut self) {
        let mut names = Vec::new();
        for _ in 0..self.per_second {
            let Some((name, hops, bytes)) = self.call() else { continue };
            self.offered.insert(name, bytes);
            self.order.push_back((name, hops));
            names.push((name, hops));
            self.made += 1;
        }
        while self.order.len() > MOST_OFFERED {
            if let Some((old, _)) = self.order.pop_front() {
                self.offered.remove(&old);
            }
        }
        let unasked = names.first().and_then(|(name, _)| self.offered.get(name)).cloned();
        for link in self.links.clone() {
            for (name, hops) in &names {
                self.send(link, &Frame::Calls { hops: *hops, ids: vec![*name] });
            }
            if let Some(bytes) = &unasked {
                self.send(link, &Frame::Public(bytes.clone()));
            }
        }
    }

    fn on_frame(&mut self, link: LinkId, bytes: &[u8]) {
        match Frame::from_bytes(bytes) {
            Ok(Frame::Beat { ask: true, root }) => self.send(link, &Frame::Beat { ask: false, root }),
            Ok(Frame::Want { ids, .. }) => {
                let calls: Vec<_> = ids.iter().filter_map(|id| self.offered.get(id)).cloned().collect();
                for bytes in calls {
                    self.send(link, &Frame::Public(bytes));
                }
            }
            _ => {}
        }
    }
}

impl Protocol for Alarmist {
    fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::LinkUp { link, .. } => {
                self.links.insert(link);
                let frame = hello(&mut self.rng, self.instance);
                self.acts.push_back(Act::Core(Output::Send { link, lane: Lane::Control, frame }));
                let names: Vec<(ShortId, u8)> = self.order.iter().copied().rev().take(64).collect();
                let names = if self.hours.contains(&now.mono.0) { names } else { Vec::new() };
                for (name, hops) in names {
                    self.send(link, &Frame::Calls { hops, ids: vec![name] });
                }
            }
            Input::LinkDown { link } => {
                self.links.remove(&link);
            }
            Input::Frame { link, bytes } => self.on_frame(link, bytes),
            _ => {}
        }
        if now.mono.0 >= self.next_burst {
            self.next_burst = now.mono.0 + BURST_MS;
            if self.hours.contains(&now.mono.0) {
                self.burst();
            }
        }
    }

    fn poll(&mut self) -> Option<Act> {
        self.acts.pop_front()
    }

    fn next_wakeup(&self) -> Option<Time> {
        Some(Time(self.next_burst))
    }

    fn submit(&mut self, _now: Now, _draft: &Draft) {}

    fn carried(&self) -> (u64, u64) {
        (0, 0)
    }

    fn restarted(&mut self, now: Now) {
        self.links.clear();
        self.next_burst = now.mono.0;
    }
}
