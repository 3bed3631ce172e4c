//! Devices in one process, and a bag of envelopes between them.

mod attacks;
mod contact;
mod limits;
mod missing;
mod renewal;
mod silence;

use super::*;
use crate::border::Output;
use crate::crypto::ratchet::{Fake, Vodozemac};
use crate::crypto::{ContactLink, OwnIdentity};
use crate::id::Seq;
use crate::store::Memory;
use crate::time::Wall;
use crate::wire::Lifetime;
use core::time::Duration;

/// Which ratchet a device runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Real,
    Fake,
}

impl Kind {
    fn ratchet(self) -> Box<dyn Ratchet> {
        match self {
            Self::Real => Box::new(Vodozemac),
            Self::Fake => Box::new(Fake),
        }
    }
}

/// A device with its storage.
struct Device {
    kind: Kind,
    own: OwnIdentity,
    sessions: Sessions,
    memory: Memory,
    now: Now,
    seed: u8,
}

impl Device {
    fn new(kind: Kind, seed: u8) -> Self {
        let (memory, now) = (Memory::default(), Now { mono: Time(1000), wall: Wall(0) });
        let mut out = Outbox::new(Seq(0));
        let ratchet = kind.ratchet();
        let own = OwnIdentity::create(&mut Rng::new([seed; 32]), &*ratchet, now, &mut out).unwrap();
        let sessions = Sessions::new(ratchet, Rng::new([seed ^ 0x55; 32]));
        let mut device = Self { kind, own, sessions, memory, now, seed };
        device.apply(out);
        device
    }

    fn pair(kind: Kind) -> (Self, Self) {
        (Self::new(kind, 1), Self::new(kind, 2))
    }

    fn id(&self) -> AccountId {
        self.own.account_id()
    }

    fn apply(&mut self, mut out: Outbox) -> usize {
        let (mut ops, mut count) = (Vec::new(), 0);
        while let Some(output) = out.pop() {
            let Output::Store(op) = output else { panic!("sessions only store") };
            count += 1;
            ops.push(op);
        }
        self.memory.apply(ops);
        count
    }

    /// Learns another device by its link.
    fn add(&mut self, other: &Self) {
        let link = ContactLink::from_text(&other.own.link()).unwrap();
        let mut out = Outbox::new(Seq(0));
        self.sessions.learn(self.now, link.intro(), Some(link.invite()), &mut out).unwrap();
        self.apply(out);
    }

    fn seal(&mut self, to: impl Into<ConversationId>, text: &str) -> SealedEnvelope {
        self.seal_all(to, &[text.as_bytes().to_vec()])
    }

    fn seal_all(&mut self, to: impl Into<ConversationId>, contents: &[Vec<u8>]) -> SealedEnvelope {
        let to = to.into();
        self.pass(1);
        let mut out = Outbox::new(Seq(0));
        let lifetime = Lifetime::Fortnight;
        let sealed =
            self.sessions.seal(self.now, &self.own, &self.memory, to, lifetime, contents, &mut out).unwrap();
        self.apply(out);
        sealed
    }

    fn open(&mut self, envelope: &Envelope) -> Opened {
        self.pass(1);
        let mut out = Outbox::new(Seq(0));
        let opened = self.sessions.open(self.now, &self.own, &self.memory, envelope, &mut out);
        self.apply(out);
        if let Opened::Later(at) = opened {
            self.now.mono = at;
            return self.open(envelope);
        }
        opened
    }

    fn delivered(&mut self, sealed: &SealedEnvelope) -> Delivery {
        match self.open(&sealed.envelope) {
            Opened::Delivery(delivery) => *delivery,
            other => panic!("not delivered: {other:?}"),
        }
    }

    /// The texts of an envelope; none where it does not open.
    fn texts(&mut self, sealed: &SealedEnvelope) -> Vec<String> {
        match self.open(&sealed.envelope) {
            Opened::Delivery(delivery) => texts(&delivery),
            _ => Vec::new(),
        }
    }

    fn receipted(&mut self, commit: AckCommit) {
        self.pass(1);
        let mut out = Outbox::new(Seq(0));
        self.sessions.receipted(self.now, commit, &mut out);
        self.apply(out);
    }

    /// Milliseconds go by.
    fn pass(&mut self, ms: u64) {
        self.now.mono = self.now.mono + Duration::from_millis(ms);
    }

    fn tick_after(&mut self, span: Duration) {
        self.now.mono = self.now.mono + span;
        let mut out = Outbox::new(Seq(0));
        self.sessions.tick(self.now, &mut out);
        let rng = &mut Rng::new([self.seed ^ 0xaa; 32]);
        self.own.tick(self.now, rng, &*self.kind.ratchet(), &mut out);
        self.apply(out);
    }

    fn rotate(&mut self) {
        let mut out = Outbox::new(Seq(0));
        self.seed = self.seed.wrapping_add(7);
        self.own.rotate(&mut Rng::new([self.seed; 32]), &*self.kind.ratchet(), &mut out);
        self.apply(out);
    }

    /// Stops and starts again from what was stored; the clock begins anew.
    fn restart(&mut self) {
        let (read, ratchet) = (self.memory.snapshot(), self.kind.ratchet());
        self.seed = self.seed.wrapping_add(1);
        self.now = Now { mono: Time(u64::from(self.seed)), wall: Wall(0) };
        self.own = OwnIdentity::restore(&*ratchet, self.now, &read).unwrap().unwrap();
        self.sessions = Sessions::restore(ratchet, Rng::new([self.seed; 32]), &read).unwrap();
    }

    /// Everything that stands between the devices until both are silent: what opens is receipted.
    fn introduce(a: &mut Self, b: &mut Self) {
        a.add(b);
        for turn in 0..4 {
            let (from, to) = if turn % 2 == 0 { (&mut *a, &mut *b) } else { (&mut *b, &mut *a) };
            let sealed = from.seal(to.id(), "hello");
            let delivery = to.delivered(&sealed);
            assert_eq!(texts(&delivery), ["hello"]);
            assert_eq!(delivery.ack.map(commitment), Some(sealed.commit));
            from.receipted(sealed.commit);
        }
    }

    /// Each writes to the other and hears that it arrived, so many times.
    fn round_trips(a: &mut Self, b: &mut Self, count: usize) {
        for _ in 0..count {
            let sealed = a.seal(b.id(), "settling");
            b.delivered(&sealed);
            a.receipted(sealed.commit);
            let sealed = b.seal(a.id(), "settling");
            a.delivered(&sealed);
            b.receipted(sealed.commit);
        }
    }
}

fn texts(delivery: &Delivery) -> Vec<String> {
    delivery.contents.iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
}

/// Opens what opens, again whenever tags were added, until nothing more does.
fn open_all(device: &mut Device, bag: &mut Vec<SealedEnvelope>) -> Vec<String> {
    let mut opened = Vec::new();
    loop {
        let before = bag.len();
        bag.retain(|sealed| {
            let texts = device.texts(sealed);
            opened.extend(texts.iter().cloned());
            texts.is_empty()
        });
        if bag.len() == before {
            return opened;
        }
    }
}

/// Envelopes in the order of their ids: as good as random.
fn shuffle(bag: &mut [SealedEnvelope]) {
    bag.sort_by_key(|sealed| sealed.envelope.id());
}
