//! The neighbourhood: `link`, `carry` and `gossip` joined, as one thing that the node drives.
//!
//! Everything sealed or public that comes from a neighbour leaves here as an [`Arrival`]: checked,
//! not yet kept. The node opens it or not and hands it back with [`Mesh::keep`],
//! [`Mesh::delivered`] or [`Mesh::discard`]; that is the one `ingest` of the node.

use crate::border::{Profile, Role};
use crate::carry::{self, Origin, Refused};
use crate::gossip;
use crate::id::{AccountId, Ack, EnvelopeId, LinkId, Tag};
use crate::link;
use crate::outbox::Outbox;
use crate::rng::Rng;
use crate::store::{Read, ReadError};
use crate::time::{Now, Time};
use crate::wire::Envelope;
use core::time::Duration;

/// The limits of the three layers.
#[derive(Clone, Debug, Default)]
pub struct MeshConfig {
    /// Of each link.
    pub link: link::Config,
    /// Of the bag.
    pub carry: carry::Config,
    /// Of the exchange.
    pub gossip: gossip::Config,
}

/// What came from a neighbour and waits for the node's decision, within the same `handle`.
#[derive(Debug)]
pub enum Arrival {
    /// A sealed envelope, not held, not ended.
    Envelope(Envelope),
    /// A public thing with its hops and age: the node verifies it before it is kept.
    Public(Vec<u8>),
}

/// What the node learns from its neighbourhood. Poll until `None` after every call.
#[derive(Debug)]
pub enum MeshEvent {
    /// Answer with [`Mesh::keep`], [`Mesh::keep_public`], [`Mesh::delivered`] or [`Mesh::discard`].
    Arrived {
        /// Who brought it.
        link: LinkId,
        /// Its name.
        id: EnvelopeId,
        /// What it is.
        arrival: Arrival,
    },
    /// A neighbour's hello was understood.
    Up {
        /// Over which link.
        link: LinkId,
        /// Who, where both ends proved to know each other.
        contact: Option<AccountId>,
    },
    /// A neighbour on a live link proved to be this contact after the hello.
    Recognised {
        /// Over which link.
        link: LinkId,
        /// Who.
        contact: AccountId,
    },
    /// A link ended.
    Down {
        /// Which.
        link: LinkId,
    },
    /// A neighbour holds an envelope of ours durably.
    Carried {
        /// Which neighbour.
        link: LinkId,
        /// Which envelope.
        id: EnvelopeId,
    },
    /// A valid receipt of something that is or was ours, or of anything else that was carried.
    Receipted {
        /// What was published.
        ack: Ack,
        /// The envelopes that it ended in the bag.
        ended: Vec<EnvelopeId>,
    },
    /// An own envelope reached its age without a receipt.
    Expired {
        /// Which.
        id: EnvelopeId,
    },
    /// A neighbour's frame was wrong.
    Fault {
        /// From which link.
        link: LinkId,
        /// What was wrong.
        what: &'static str,
    },
}

/// `link`, `carry` and `gossip` joined.
#[derive(Debug)]
pub struct Mesh {}

#[allow(unused_variables, clippy::todo, reason = "signatures first")]
impl Mesh {
    /// A neighbourhood over what storage holds (an empty store gives an empty bag).
    ///
    /// # Errors
    /// Where the records cannot be read.
    pub fn restore(config: MeshConfig, now: Now, rng: Rng, read: &dyn Read) -> Result<Self, ReadError> {
        todo!()
    }

    /// [`Input::LinkUp`](crate::Input::LinkUp).
    pub fn link_up(&mut self, now: Now, link: LinkId, role: Role, binding: [u8; 32], profile: Profile, out: &mut Outbox) {
        todo!()
    }
    /// [`Input::LinkDown`](crate::Input::LinkDown).
    pub fn link_down(&mut self, now: Now, link: LinkId, out: &mut Outbox) {
        todo!()
    }
    /// [`Input::LinkReady`](crate::Input::LinkReady).
    pub fn link_ready(&mut self, now: Now, link: LinkId, credit: u32, read: &dyn Read, out: &mut Outbox) {
        todo!()
    }
    /// [`Input::Frame`](crate::Input::Frame).
    pub fn frame(&mut self, now: Now, link: LinkId, bytes: &[u8], read: &dyn Read, out: &mut Outbox) {
        todo!()
    }
    /// [`Input::Tick`](crate::Input::Tick).
    pub fn tick(&mut self, now: Now, read: &dyn Read, out: &mut Outbox) {
        todo!()
    }
    /// Call once at the end of every `handle`: transmits what credit and batching allow.
    pub fn flush(&mut self, now: Now, read: &dyn Read, out: &mut Outbox) {
        todo!()
    }
    /// When the next tick is due, and for which layer.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<(Time, &'static str)> {
        todo!()
    }
    /// The next event, until `None`.
    pub fn poll(&mut self) -> Option<MeshEvent> {
        todo!()
    }

    /// The recognition secrets of all pairs, after each change (and at start); live links are recognised anew.
    pub fn set_secrets(&mut self, now: Now, secrets: Vec<(AccountId, [u8; 32])>, out: &mut Outbox) {
        todo!()
    }

    /// Keeps an arrived or an own envelope and announces it.
    ///
    /// # Errors
    /// Why it is not held; an arrived one is then simply not carried.
    pub fn keep(&mut self, now: Now, envelope: Envelope, origin: Origin, out: &mut Outbox) -> Result<EnvelopeId, Refused> {
        todo!()
    }
    /// Keeps a verified public thing for `span` counted from its age, and pushes it to the neighbours.
    /// `replaces` names what it supersedes.
    ///
    /// # Errors
    /// Why it is not held.
    pub fn keep_public(&mut self, now: Now, bytes: Vec<u8>, span: Duration, origin: Origin, replaces: Option<EnvelopeId>, out: &mut Outbox) -> Result<EnvelopeId, Refused> {
        todo!()
    }
    /// An arrived envelope was ours alone: it is not carried, its receipt is published in the time of
    /// PROTOCOL.md section 9 (at once only on links proved to be `sender`'s).
    pub fn delivered(&mut self, now: Now, id: EnvelopeId, ack: Ack, from: Option<LinkId>, sender: AccountId, out: &mut Outbox) {
        todo!()
    }
    /// An arrived thing was wrong (a bad signature): it is forgotten and the link's score falls.
    pub fn discard(&mut self, now: Now, link: LinkId, id: EnvelopeId, what: &'static str, out: &mut Outbox) {
        todo!()
    }
    /// Takes an own envelope out of the bag (its message ended otherwise); it does not come back.
    pub fn withdraw(&mut self, now: Now, id: EnvelopeId, out: &mut Outbox) {
        todo!()
    }
    /// The held envelopes that carry one of `tags`, read from storage, for a new key share.
    ///
    /// # Errors
    /// Where a body cannot be read.
    pub fn by_tags(&self, now: Now, tags: &[Tag], read: &dyn Read) -> Result<Vec<Envelope>, ReadError> {
        todo!()
    }
    /// One held envelope.
    ///
    /// # Errors
    /// Where its body cannot be read.
    pub fn envelope(&self, now: Now, id: EnvelopeId, read: &dyn Read) -> Result<Option<Envelope>, ReadError> {
        todo!()
    }
    /// The links that are ready, with what is shown of them.
    #[must_use]
    pub fn peers(&self, now: Now) -> Vec<crate::view::PeerView> {
        todo!()
    }
    /// Envelopes held and their bytes.
    #[must_use]
    pub fn load(&self) -> carry::Load {
        todo!()
    }
}
