//! Link providers: what opens pipes to neighbours and carries frames over them.

pub mod ble;
mod credit;
pub mod lan;
mod window;

use mesh_core::{CloseReason, Lane, LinkId, Medium, Profile, Role};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a transport tells the daemon; each becomes one [`mesh_core::Input`].
#[derive(Debug)]
pub enum TransportEvent {
    /// A pipe stands, both of its lanes are open.
    Up {
        /// From [`LinkIds::next`].
        link: LinkId,
        /// Who opened it.
        role: Role,
        /// Shared by both ends and no other link (PROTOCOL.md section 4).
        binding: [u8; 32],
        /// What kind of pipe.
        profile: Profile,
    },
    /// The pipe is gone.
    Down {
        /// Which.
        link: LinkId,
    },
    /// The bulk lane takes `credit` more bytes.
    Ready {
        /// Which.
        link: LinkId,
        /// Bytes, added to earlier grants.
        credit: u32,
    },
    /// A whole frame arrived.
    Frame {
        /// From which link.
        link: LinkId,
        /// At most [`mesh_core::link::MAX_FRAME`] bytes.
        bytes: Vec<u8>,
    },
    /// A radio that advertises works, or does not any more; or it begins anew under another identity, and wants another
    /// advert.
    Radio {
        /// Which radio.
        medium: Medium,
        /// Whether it works.
        up: bool,
    },
    /// It begins under another identity: told before any link of that.
    Rotated,
    /// A radio heard an advert.
    Heard {
        /// Which radio.
        medium: Medium,
        /// Its payload: remote bytes.
        advert: Vec<u8>,
        /// Signal strength in dBm, where the radio tells.
        rssi: Option<i8>,
    },
}

/// Orders to a transport. Never blocks; what a dead link is told is dropped.
pub trait Transport: Send + Sync {
    /// Transmits frames; frames of one lane stay in order. What is handed over together leaves together.
    fn send(&self, link: LinkId, lane: Lane, frames: Vec<Vec<u8>>);
    /// Closes a link.
    fn close(&self, link: LinkId, why: CloseReason);
    /// Sets what the radio advertises; `root` is what the own bag looks like, which nobody is told. A transport without a
    /// radio does nothing.
    fn advertise(&self, _medium: Medium, _payload: Vec<u8>, _root: [u8; 8]) {}
    /// A link is not given up for neighbours that wait, or may be again. A transport with places for all does nothing.
    fn keep(&self, _link: LinkId, _keep: bool) {}
    /// A link of some transport ended: neighbours that were left alone because they were linked elsewhere may be
    /// needed now.
    fn link_ended(&self, _link: LinkId) {}
}

/// Hands out link ids that no other transport of this process has: each transport has a number, which its ids carry.
#[derive(Clone, Debug, Default)]
pub struct LinkIds {
    next: Arc<AtomicU64>,
    transport: u8,
}

impl LinkIds {
    /// Where the number of the transport stands in an id: programs that know numbers up to 2^53 can read it.
    const SHIFT: u32 = 48;

    /// The ids of the transport with this number.
    #[must_use]
    pub fn of(transport: u8) -> Self {
        Self { next: Arc::default(), transport }
    }

    /// A fresh id.
    #[must_use]
    pub fn next(&self) -> LinkId {
        LinkId(u64::from(self.transport) << Self::SHIFT | self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether an id is of this transport.
    #[must_use]
    pub fn made(&self, link: LinkId) -> bool {
        Self::transport(link) == self.transport
    }

    /// The number of the transport that made an id.
    #[must_use]
    pub fn transport(link: LinkId) -> u8 {
        (link.0 >> Self::SHIFT) as u8
    }
}

/// Several transports as one. Each is the one whose number is its place here.
#[derive(Default)]
pub struct Transports(Vec<Arc<dyn Transport>>);

impl Transports {
    /// The first has the number 0.
    #[must_use]
    pub fn new(transports: Vec<Arc<dyn Transport>>) -> Self {
        Self(transports)
    }

    fn of(&self, link: LinkId) -> Option<&Arc<dyn Transport>> {
        self.0.get(usize::from(LinkIds::transport(link)))
    }
}

impl core::fmt::Debug for Transports {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Transports({})", self.0.len())
    }
}

impl Transport for Transports {
    fn send(&self, link: LinkId, lane: Lane, frames: Vec<Vec<u8>>) {
        if let Some(transport) = self.of(link) {
            transport.send(link, lane, frames);
        }
    }

    fn close(&self, link: LinkId, why: CloseReason) {
        if let Some(transport) = self.of(link) {
            transport.close(link, why);
        }
    }

    fn advertise(&self, medium: Medium, payload: Vec<u8>, root: [u8; 8]) {
        for transport in &self.0 {
            transport.advertise(medium, payload.clone(), root);
        }
    }

    fn keep(&self, link: LinkId, keep: bool) {
        if let Some(transport) = self.of(link) {
            transport.keep(link, keep);
        }
    }

    fn link_ended(&self, link: LinkId) {
        for transport in &self.0 {
            transport.link_ended(link);
        }
    }
}

/// A transport that has no links: the place of one that was declined.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nowhere;

impl Transport for Nowhere {
    fn send(&self, _: LinkId, _: Lane, _: Vec<Vec<u8>>) {}

    fn close(&self, _: LinkId, _: CloseReason) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Noted(Mutex<Vec<LinkId>>);

    impl Transport for Noted {
        fn send(&self, link: LinkId, _: Lane, _: Vec<Vec<u8>>) {
            self.0.lock().unwrap().push(link);
        }

        fn close(&self, link: LinkId, _: CloseReason) {
            self.0.lock().unwrap().push(link);
        }
    }

    #[test]
    fn an_order_reaches_the_transport_whose_link_it_is() {
        let noted: Vec<Arc<Noted>> = (0..2).map(|_| Arc::default()).collect();
        let all = Transports::new(noted.iter().map(|one| Arc::clone(one) as _).collect());
        let (first, second) = (LinkIds::of(0), LinkIds::of(1));
        let (of_first, of_second) = (first.next(), second.next());
        all.send(of_second, Lane::Control, Vec::new());
        all.close(of_first, CloseReason::Silent);
        all.close(LinkIds::of(9).next(), CloseReason::Silent);
        assert_eq!(*noted[0].0.lock().unwrap(), [of_first]);
        assert_eq!(*noted[1].0.lock().unwrap(), [of_second]);
    }
}
