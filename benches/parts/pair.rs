//! Two devices that know each other, and two bags over one pipe.

use mesh_core::border::{Output, Profile, Role};
use mesh_core::crypto::ratchet::Vodozemac;
use mesh_core::crypto::session::{Opened, Sessions};
use mesh_core::crypto::{ContactLink, OwnIdentity};
use mesh_core::node::mesh::{Arrival, Mesh, MeshConfig, MeshEvent};
use mesh_core::rng::Rng;
use mesh_core::wire::{Envelope, Lifetime};
use mesh_core::{AccountId, LinkId, Memory, Now, Outbox, Time, Wall};
use std::collections::VecDeque;

/// A device whose records are kept in memory.
pub(crate) struct Device {
    own: OwnIdentity,
    sessions: Sessions,
    memory: Memory,
    now: Now,
}

impl Device {
    fn new(seed: u8) -> Self {
        let (mut rng, mut out) = (Rng::new([seed; 32]), Outbox::default());
        let now = Now { mono: Time(1_000), wall: Wall(1_800_000_000) };
        let own = OwnIdentity::create(&mut rng, &Vodozemac, now, &mut out).expect("a new identity");
        let sessions = Sessions::new(Box::new(Vodozemac), rng);
        let mut device = Self { own, sessions, memory: Memory::default(), now };
        device.store(out);
        device
    }

    /// Two devices, each with the other's link.
    pub(crate) fn strangers() -> (Self, Self) {
        let (mut a, mut b) = (Self::new(1), Self::new(2));
        let (of_a, of_b) = (a.own.link(), b.own.link());
        a.learn(&of_b);
        b.learn(&of_a);
        (a, b)
    }

    /// Two devices past first contact.
    pub(crate) fn friends() -> (Self, Self) {
        let (mut a, mut b) = Self::strangers();
        for _ in 0..3 {
            let envelope = a.seal(b.account(), 20);
            b.open(&envelope);
            let envelope = b.seal(a.account(), 20);
            a.open(&envelope);
        }
        (a, b)
    }

    fn learn(&mut self, link: &str) {
        let link = ContactLink::from_text(link).expect("a link of this program");
        let mut out = Outbox::default();
        let learnt = self.sessions.learn(self.now, link.intro(), Some(link.invite()), &mut out);
        learnt.expect("a new device");
        self.store(out);
    }

    /// Its account.
    pub(crate) fn account(&self) -> AccountId {
        self.own.account_id()
    }

    /// Seals a content of `len` bytes; its records are applied as well.
    pub(crate) fn seal(&mut self, to: AccountId, len: usize) -> Envelope {
        self.now.mono = Time(self.now.mono.0 + 1);
        let mut out = Outbox::default();
        let (own, contents) = (&self.own, [vec![b'x'; len]]);
        let sealed = self.sessions.seal(
            self.now,
            own,
            &self.memory,
            to.into(),
            Lifetime::Fortnight,
            &contents,
            &mut out,
        );
        self.store(out);
        let sealed = sealed.expect("a known peer and room");
        if sealed.single_device {
            let mut out = Outbox::default();
            self.sessions.receipted(self.now, sealed.commit, &mut out);
            self.store(out);
        }
        sealed.envelope
    }

    /// Opens what was sealed to this device.
    pub(crate) fn open(&mut self, envelope: &Envelope) {
        self.now.mono = Time(self.now.mono.0 + 1);
        let mut out = Outbox::default();
        let opened = self.sessions.open(self.now, &self.own, &self.memory, envelope, &mut out);
        assert!(matches!(opened, Opened::Delivery(_)), "{opened:?}");
        self.store(out);
    }

    fn store(&mut self, mut out: Outbox) {
        while let Some(output) = out.pop() {
            if let Output::Store(op) = output {
                self.memory.apply([op]);
            }
        }
    }
}

/// A bag with its storage.
pub(crate) struct Bag {
    pub(crate) mesh: Mesh,
    pub(crate) memory: Memory,
    pub(crate) now: Now,
}

impl Bag {
    pub(crate) fn new(seed: u8) -> Self {
        let memory = Memory::default();
        let mesh = Mesh::restore(MeshConfig::default(), Rng::new([seed; 32]), &memory).expect("an empty bag");
        Self { mesh, memory, now: Now { mono: Time(1_000), wall: Wall(0) } }
    }

    /// Stores what is to be stored; gives the frames that are to be sent.
    fn drain(&mut self, mut out: Outbox, frames: &mut VecDeque<(bool, Vec<u8>)>, to_dialer: bool) {
        while let Some(output) = out.pop() {
            match output {
                Output::Store(op) => self.memory.apply([op]),
                Output::Send { frame, .. } => frames.push_back((to_dialer, frame)),
                _ => {}
            }
        }
    }

    fn act(&mut self, act: impl FnOnce(&mut Mesh, Now, &mut Outbox)) -> Outbox {
        let mut out = Outbox::default();
        act(&mut self.mesh, self.now, &mut out);
        while let Some(event) = self.mesh.poll() {
            if let MeshEvent::Arrived { link, arrival: Arrival::Envelope(envelope), .. } = event {
                let origin = mesh_core::carry::Origin::Link { link, contact: false };
                self.mesh.keep(self.now, envelope, origin, &mut out).expect("room for it");
            }
        }
        self.mesh.flush(self.now, &self.memory, &mut out);
        out
    }
}

/// The bytes of a meeting.
#[derive(Default)]
pub(crate) struct Bytes {
    /// Of all frames but the two hellos.
    pub(crate) all: usize,
    /// Of the envelopes.
    pub(crate) envelopes: usize,
    /// Of what finds the difference and asks for it: digests, sketches, requests for more, have and want.
    pub(crate) finding: usize,
}

/// Lets two bags meet over a new link until both are silent. Unless they `deliver`, the envelopes are lost, so that
/// the next meeting finds the same difference.
pub(crate) fn meet(dialer: &mut Bag, listener: &mut Bag, link: u64, deliver: bool) -> Bytes {
    let (link, mut frames, mut bytes) = (LinkId(link), VecDeque::new(), Bytes::default());
    for (bag, role) in [(&mut *dialer, Role::Dialer), (&mut *listener, Role::Listener)] {
        let out = bag.act(|mesh, now, out| {
            mesh.link_up(now, link, role, [7; 32], Profile::LAN, out);
            mesh.link_ready(link, u32::MAX);
        });
        bag.drain(out, &mut frames, role == Role::Listener);
    }
    while let Some((to_dialer, frame)) = frames.pop_front() {
        match frame.first() {
            Some(1) => {}
            Some(7) => bytes.envelopes += frame.len(),
            Some(3..=6 | 12..=14) => bytes.finding += frame.len(),
            _ => {}
        }
        bytes.all += if frame.first() == Some(&1) { 0 } else { frame.len() };
        if frame.first() == Some(&7) && !deliver {
            continue;
        }
        let bag = if to_dialer { &mut *dialer } else { &mut *listener };
        let out = bag.act(|mesh, now, out| mesh.frame(now, link, &frame, out));
        bag.drain(out, &mut frames, !to_dialer);
    }
    for bag in [dialer, listener] {
        bag.act(|mesh, now, out| mesh.link_down(now, link, out));
    }
    bytes
}
