//! A real node whose frames somebody changes on the way in and out.

use super::{Hours, Notebook};
use crate::{Act, Draft, Protocol, Starling};
use mesh_core::id::ShortId;
use mesh_core::rng::Rng;
use mesh_core::wire::envelope::MUTABLE_LEN;
use mesh_core::wire::{Envelope, Frame};
use mesh_core::{Ack, Input, Lane, LinkId, Node, Now, Output, Time};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::PoisonError;

/// Envelopes that a replayer remembers.
const MOST_REMEMBERED: usize = 8_192;
/// What is done again and again is done this often, in milliseconds.
const ROUND_MS: u64 = 10_000;
/// Names or receipts that are made up at a time.
const MADE_UP: usize = 16;
/// The most hops that an envelope may have left.
const HOPS: u8 = 16;

/// What a crooked node does.
#[derive(Clone, Debug)]
pub enum Trick {
    /// Takes everything and confirms it, passes nothing on, tells receipts that it made up.
    BlackHole,
    /// Offers names that it made up, and hands out other bytes than were asked for.
    Liar,
    /// Brings back whatever it saw, with all its hops and no age.
    Replayer,
    /// Sets the mark of what is beyond a share on everything that it passes on.
    Marker,
    /// Behaves, and writes down who said hello.
    Tracker(Notebook),
}

/// A real node between whose radio and itself somebody sits.
#[derive(Debug)]
pub struct Crooked {
    inner: Starling,
    trick: Trick,
    hours: Hours,
    rng: Rng,
    now: u64,
    links: BTreeSet<LinkId>,
    remembered: BTreeMap<ShortId, Vec<u8>>,
    next_round: u64,
    acts: VecDeque<Act>,
}

impl Crooked {
    /// Puts somebody before `inner`.
    #[must_use]
    pub fn new(inner: Starling, trick: Trick, hours: Hours, seed: [u8; 32]) -> Self {
        Self {
            inner,
            trick,
            hours,
            rng: Rng::new(seed),
            now: 0,
            links: BTreeSet::new(),
            remembered: BTreeMap::new(),
            next_round: ROUND_MS,
            acts: VecDeque::new(),
        }
    }

    fn attacks(&self) -> bool {
        self.hours.contains(&self.now)
    }

    fn say(&mut self, link: LinkId, lane: Lane, frame: &Frame) {
        self.acts.push_back(Act::Core(Output::Send { link, lane, frame: frame.to_bytes() }));
    }

    /// What is done again and again.
    fn round(&mut self) {
        for link in self.links.clone() {
            match &self.trick {
                Trick::BlackHole => {
                    let acks = (0..MADE_UP).map(|_| Ack(self.rng.bytes())).collect();
                    self.say(link, Lane::Control, &Frame::Receipts(acks));
                }
                Trick::Liar => {
                    let names = (0..MADE_UP).map(|_| ShortId(self.rng.bytes())).collect();
                    self.say(link, Lane::Control, &Frame::Have(names));
                }
                Trick::Replayer => self.offer_again(link),
                Trick::Marker | Trick::Tracker(_) => {}
            }
        }
    }

    fn offer_again(&mut self, link: LinkId) {
        let names: Vec<ShortId> = self.remembered.keys().copied().collect();
        for names in names.chunks(512) {
            self.say(link, Lane::Control, &Frame::Have(names.to_vec()));
        }
    }

    /// What comes in, before the node hears it; `false` keeps it from the node.
    fn hear(&mut self, link: LinkId, bytes: &[u8]) -> bool {
        if let Trick::Tracker(notebook) = &self.trick {
            let mut seen = notebook.lock().unwrap_or_else(PoisonError::into_inner);
            seen.bytes += bytes.len() as u64;
            if let Ok(Frame::Hello(hello)) = Frame::from_bytes(bytes) {
                seen.hellos += 1;
                *seen.instances.entry(hello.instance).or_default() += 1;
                for token in hello.tokens {
                    *seen.tokens.entry(token).or_default() += 1;
                }
            }
            return true;
        }
        if !matches!(self.trick, Trick::Replayer) {
            return true;
        }
        match Frame::from_bytes(bytes) {
            Ok(Frame::Envelope(bytes)) => {
                if let Ok(envelope) = Envelope::from_bytes(&bytes)
                    && self.remembered.len() < MOST_REMEMBERED
                {
                    self.remembered.insert(envelope.id().short(), bytes);
                }
                true
            }
            Ok(Frame::Want { ids, .. }) if self.attacks() => {
                let known: Vec<_> =
                    ids.iter().filter_map(|id| self.remembered.get(id)).map(|b| as_new(b)).collect();
                let all = known.len() == ids.len();
                for bytes in known {
                    self.say(link, Lane::Bulk, &Frame::Envelope(bytes));
                }
                !all
            }
            _ => true,
        }
    }

    /// What goes out, after the node said it; `None` keeps it back.
    fn speak(&mut self, frame: Vec<u8>) -> Option<Vec<u8>> {
        if !self.attacks() {
            return Some(frame);
        }
        match (&self.trick, Frame::from_bytes(&frame)) {
            (
                Trick::BlackHole,
                Ok(Frame::Envelope(_) | Frame::Have(_) | Frame::Public(_) | Frame::Receipts(_)),
            ) => None,
            (Trick::Marker, Ok(Frame::Envelope(bytes))) => Some(Frame::Envelope(marked(&bytes)).to_bytes()),
            (Trick::Liar, Ok(Frame::Envelope(mut bytes))) => {
                // Somewhere in the body: the length and the header still fit.
                let body = bytes.len().saturating_sub(MUTABLE_LEN + 1);
                let at = body / 2 + usize::try_from(self.rng.below(body as u64 / 2 + 1)).unwrap_or(0);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 0x55;
                }
                Some(Frame::Envelope(bytes).to_bytes())
            }
            _ => Some(frame),
        }
    }
}

/// An envelope as if it came from its author.
fn as_new(bytes: &[u8]) -> Vec<u8> {
    let Ok(mut envelope) = Envelope::from_bytes(bytes) else { return bytes.to_vec() };
    (envelope.hops_left, envelope.age_s) = (HOPS, 0);
    envelope.to_bytes()
}

/// An envelope as if it came from beyond a share.
fn marked(bytes: &[u8]) -> Vec<u8> {
    let Ok(mut envelope) = Envelope::from_bytes(bytes) else { return bytes.to_vec() };
    envelope.surplus = true;
    envelope.to_bytes()
}

impl Protocol for Crooked {
    fn handle(&mut self, now: Now, input: Input<'_>) {
        self.now = now.mono.0;
        let passes = match &input {
            Input::LinkUp { link, .. } => {
                self.links.insert(*link);
                true
            }
            Input::LinkDown { link } => {
                self.links.remove(link);
                true
            }
            Input::Frame { link, bytes } => self.hear(*link, bytes),
            _ => true,
        };
        if passes {
            self.inner.handle(now, input);
        }
        if self.now >= self.next_round {
            self.next_round = self.now + ROUND_MS;
            if self.attacks() {
                self.round();
            }
        }
    }

    fn poll(&mut self) -> Option<Act> {
        while let Some(act) = self.inner.poll() {
            let Act::Core(Output::Send { link, lane, frame }) = act else { return Some(act) };
            if let Some(frame) = self.speak(frame) {
                return Some(Act::Core(Output::Send { link, lane, frame }));
            }
        }
        self.acts.pop_front()
    }

    fn next_wakeup(&self) -> Option<Time> {
        let inner = self.inner.next_wakeup();
        let round = Time(self.next_round);
        Some(inner.map_or(round, |inner| inner.min(round)))
    }

    fn submit(&mut self, now: Now, draft: &Draft) {
        self.inner.submit(now, draft);
    }

    fn as_node(&self) -> Option<&Node> {
        self.inner.as_node()
    }

    fn carried(&self) -> (u64, u64) {
        self.inner.carried()
    }
}
