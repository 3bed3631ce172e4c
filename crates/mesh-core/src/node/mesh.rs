//! The neighbourhood: `link`, `carry` and `gossip` joined, as one thing that the node drives.
//!
//! Everything sealed or public that comes from a neighbour leaves here as an [`Arrival`]: checked,
//! not yet kept. The node opens it or not and hands it back with [`Mesh::keep`],
//! [`Mesh::delivered`] or [`Mesh::discard`]; that is the one `ingest` of the node.

mod air;
#[cfg(test)]
mod tests;

use crate::border::{MAX_BROADCAST, Profile, Role};
use crate::carry::{self, Kept, Kind, Origin, Parcel, Refused};
use crate::gossip::{self, Action, Bag, Standing};
use crate::id::{AccountId, Ack, EnvelopeId, LinkId, ShortId, Tag};
use crate::link::{self, Place, Priority, Received, Secret};
use crate::outbox::Outbox;
use crate::radio;
use crate::rng::Rng;
use crate::store::{Read, ReadError};
use crate::time::{Now, Time};
use crate::view::PeerView;
use crate::wire::frame::{Root, Set};
use crate::wire::sketch::Sketch;
use crate::wire::{Envelope, Frame, Lifetime};
use air::Air;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// So many copies more put a thing behind others of its source. With one each, whatever was handed on once would stand
/// behind all junk that its source brought besides.
const COPIES_A_STEP: u8 = 8;

/// The limits of the three layers.
#[derive(Clone, Debug, Default)]
pub struct MeshConfig {
    /// Of each link.
    pub link: link::Config,
    /// Of the bag.
    pub carry: carry::Config,
    /// Of the exchange.
    pub gossip: gossip::Config,
    /// Of what radios advertise.
    pub radio: radio::Config,
}

impl MeshConfig {
    /// With the pace of `battery`: how often radios say something new, and idle links beat.
    #[must_use]
    pub fn with_battery(mut self, battery: radio::Battery) -> Self {
        self.radio = battery.into();
        self.link.beat_every = battery.pace().beat_every;
        self
    }
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
    /// A neighbour on a live link proved to be this contact after the hello, or none any more.
    Recognised {
        /// Over which link.
        link: LinkId,
        /// Who.
        contact: Option<AccountId>,
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
        /// Over which link it came.
        link: LinkId,
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
    /// An own envelope that the bag should hold cannot be read any more; it is no longer held.
    Lost {
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

/// What the bag knows, as gossip asks for it.
struct View<'a> {
    carry: &'a carry::State,
    now: Now,
}

impl Bag for View<'_> {
    fn root(&self, set: Set) -> Root {
        self.carry.root(set)
    }

    fn version(&self, set: Set) -> u64 {
        self.carry.version(set)
    }

    fn names(&self, set: Set) -> Vec<[u8; 32]> {
        self.carry.names(set)
    }

    fn sketch(&self, set: Set) -> Option<Arc<Sketch>> {
        self.carry.sketch(set)
    }

    fn standing(&self, id: ShortId) -> Standing {
        match self.carry.item(id) {
            Some(item) => {
                let few_hops = item.hops <= carry::FEW_HOPS && item.kind == Kind::Sealed;
                Standing::Held {
                    hops: item.hops,
                    own: item.own,
                    few_hops,
                    to: item.to,
                    surplus: item.surplus,
                }
            }
            None if self.carry.is_ended(self.now, id) => Standing::Ended,
            None if self.carry.is_passed(id) => Standing::Passed,
            None => Standing::Unknown,
        }
    }

    fn short_of_hops(&self, most: usize) -> Vec<ShortId> {
        self.carry.short_of_hops(most)
    }

    fn foremost(&self, most: usize, skip: &dyn Fn(ShortId) -> bool) -> Vec<ShortId> {
        self.carry.foremost(most, skip)
    }
}

/// `link`, `carry` and `gossip` joined.
#[derive(Debug)]
pub struct Mesh {
    link: link::State,
    carry: carry::State,
    gossip: gossip::State,
    events: VecDeque<MeshEvent>,
    /// What is to be said to everybody in reach.
    broadcasts: Vec<ShortId>,
    air: Air,
}

impl Mesh {
    /// A neighbourhood over what storage holds (an empty store gives an empty bag). The `now` of all calls is
    /// the node's life, which goes on over restarts: ages count in it.
    ///
    /// # Errors
    /// Where the records cannot be read.
    pub fn restore(config: MeshConfig, mut rng: Rng, read: &dyn Read) -> Result<Self, ReadError> {
        Ok(Self {
            link: link::State::new(config.link, rng.fork()),
            carry: carry::State::restore(config.carry, read)?,
            gossip: gossip::State::new(config.gossip, rng.fork()),
            events: VecDeque::new(),
            broadcasts: Vec::new(),
            air: Air::new(config.radio, rng.fork()),
        })
    }

    /// [`Input::LinkUp`](crate::Input::LinkUp).
    pub fn link_up(
        &mut self,
        now: Now,
        link: LinkId,
        role: Role,
        binding: [u8; 32],
        profile: Profile,
        out: &mut Outbox,
    ) {
        self.link.up(now, link, role, binding, profile, out);
    }

    /// [`Input::Rotated`](crate::Input::Rotated).
    pub fn rotated(&mut self) {
        self.link.rotated();
    }

    /// [`Input::LinkDown`](crate::Input::LinkDown).
    pub fn link_down(&mut self, now: Now, link: LinkId, out: &mut Outbox) {
        if self.link.down(link) {
            self.forget(now, link);
            self.settle(now, out);
        }
    }

    /// [`Input::LinkReady`](crate::Input::LinkReady).
    pub fn link_ready(&mut self, link: LinkId, credit: u32) {
        self.link.credit(link, credit);
    }

    /// [`Input::Frame`](crate::Input::Frame).
    pub fn frame(&mut self, now: Now, link: LinkId, bytes: &[u8], out: &mut Outbox) {
        let view = View { carry: &self.carry, now };
        let received = self.link.receive(now, link, bytes, || gossip::root(&view), out);
        if matches!(received, Received::Frame(Frame::Digest(_) | Frame::Sketch(_))) {
            self.carry.ready_sketches(gossip::epoch(now));
        }
        let view = View { carry: &self.carry, now };
        match received {
            Received::Nothing => {}
            Received::Ready => self.on_ready(now, link, out),
            Received::Recognised(contact) => self.on_recognised(now, link, contact, out),
            Received::Frame(Frame::Envelope(bytes)) => self.on_envelope(now, link, &bytes, out),
            Received::Frame(Frame::Public(bytes)) => self.on_public(now, link, bytes, out),
            Received::Frame(frame) => self.gossip.frame(now, link, frame, &view),
        }
        self.settle(now, out);
    }

    /// [`Input::Around`](crate::Input::Around).
    pub fn around(&mut self, nodes: u16) {
        self.gossip.around(nodes);
    }

    /// [`Input::Overheard`](crate::Input::Overheard): its name where it is new and may be verified now. Answer with
    /// [`Mesh::keep_public`] or [`Mesh::forged`].
    pub fn overheard(&mut self, now: Now, bytes: &[u8], out: &mut Outbox) -> Option<EnvelopeId> {
        let parcel = Parcel::public(bytes, Lifetime::Fortnight.span());
        let parcel = parcel.filter(|_| bytes.len() <= MAX_BROADCAST)?;
        let id = parcel.id;
        match self.carry.check(now, &parcel) {
            Ok(Kept::New) => return self.gossip.may_take_from_air(now, id.short()).then_some(id),
            // What is held was verified, and a copy under its name says the same.
            Ok(Kept::Raised) => {
                self.gossip.overheard(id.short());
                self.raise_public(now, parcel, Origin::Air, out);
            }
            Err(Refused::Known) => self.gossip.overheard(id.short()),
            Err(_) => {}
        }
        None
    }

    /// What was overheard under this name is forged.
    pub fn forged(&mut self, id: EnvelopeId) {
        self.gossip.forged(id.short());
    }

    /// [`Input::Tick`](crate::Input::Tick).
    pub fn tick(&mut self, now: Now, out: &mut Outbox) {
        for expired in self.carry.tick(now, out) {
            if expired.own && expired.kind == Kind::Sealed {
                self.events.push_back(MeshEvent::Expired { id: expired.id });
            }
        }
        let view = View { carry: &self.carry, now };
        self.link.tick(now, || gossip::root(&view), out);
        self.gossip.tick(now, &view);
        self.advertise(now, out);
        self.settle(now, out);
    }

    /// Call once at the end of every `handle`: transmits what credit and batching allow. What cannot be read
    /// is passed over; a neighbour that misses it asks another.
    pub fn flush(&mut self, now: Now, read: &dyn Read, out: &mut Outbox) {
        self.settle(now, out);
        self.broadcast(now, read, out);
        while let Some((link, id)) = self.link.next_due(out) {
            let Some(item) = self.carry.item(id) else { continue };
            let Ok(loaded) = self.carry.load(now, item.id, read) else { continue };
            let Some(parcel) = loaded else {
                self.lose(now, &item, out);
                continue;
            };
            let Some(bytes) = parcel.handed_on() else { continue };
            match item.kind {
                Kind::Sealed => {
                    self.link.send_bulk(now, link, Frame::Envelope(bytes).to_bytes(), out);
                }
                Kind::Public => self.link.send(now, link, &Frame::Public(bytes), out),
            }
        }
        self.show(now);
    }

    /// Says what is small enough to everybody in reach.
    fn broadcast(&mut self, now: Now, read: &dyn Read, out: &mut Outbox) {
        for id in core::mem::take(&mut self.broadcasts) {
            let Some(item) = self.carry.item(id).filter(|item| item.kind == Kind::Public) else { continue };
            let loaded = self.carry.load(now, item.id, read).ok().flatten();
            let bytes = loaded.and_then(|parcel| parcel.handed_on());
            if let Some(bytes) = bytes.filter(|bytes| bytes.len() <= MAX_BROADCAST) {
                out.broadcast(bytes);
            }
        }
    }

    /// What was announced and cannot be handed on is not held: else neighbours would ask for it for ever.
    /// What came this very moment may not be in storage yet.
    fn lose(&mut self, now: Now, item: &carry::Item, out: &mut Outbox) {
        if item.came < now.mono.0 && self.carry.forget_bodiless(now, item.id, out) && item.own {
            self.events.push_back(MeshEvent::Lost { id: item.id });
        }
    }

    /// When the next tick is due, and for which layer.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<(Time, &'static str)> {
        let due = [
            (self.link.next_wakeup(), "link"),
            (self.gossip.next_wakeup(), "gossip"),
            (self.carry.next_wakeup(), "carry"),
            (self.air.next_wakeup(), "radio"),
        ];
        due.into_iter().filter_map(|(at, who)| Some((at?, who))).min()
    }

    /// The next event, until `None`.
    pub fn poll(&mut self) -> Option<MeshEvent> {
        self.events.pop_front()
    }

    /// Whether there is an event to poll.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.events.is_empty()
    }

    /// The recognition secrets of all pairs, most recent first, at start and after each change; live links
    /// are looked at anew.
    pub fn set_secrets(&mut self, now: Now, secrets: Vec<(AccountId, Secret)>, out: &mut Outbox) {
        for (link, contact) in self.link.set_secrets(now, secrets, out) {
            self.on_recognised(now, link, contact, out);
        }
    }

    /// Keeps an arrived or an own envelope and announces it.
    ///
    /// # Errors
    /// Why it is not held; an arrived one is then simply not carried.
    pub fn keep(
        &mut self,
        now: Now,
        envelope: Envelope,
        origin: Origin,
        out: &mut Outbox,
    ) -> Result<EnvelopeId, Refused> {
        self.keep_parcel(now, Parcel::from(&envelope), origin, out)
    }

    /// Keeps a verified public thing for `span` counted from its age, and pushes it to the neighbours.
    /// `replaces` names what it supersedes, which does not come back.
    ///
    /// # Errors
    /// Why it is not held.
    pub fn keep_public(
        &mut self,
        now: Now,
        bytes: &[u8],
        span: Duration,
        origin: Origin,
        replaces: Option<EnvelopeId>,
        out: &mut Outbox,
    ) -> Result<EnvelopeId, Refused> {
        let parcel = Parcel::public(bytes, span).ok_or(Refused::TooOld)?;
        if let Some(before) = replaces {
            self.carry.withdraw(now, before, out);
        }
        self.keep_parcel(now, parcel, origin, out)
    }

    /// An arrived envelope was ours alone: it is not carried, and its receipt is published in the time of
    /// PROTOCOL.md section 9 (at once only on links proved to be `sender`'s). Its bringer hears that it is
    /// kept, so store what it held in the same batch.
    pub fn delivered(
        &mut self,
        now: Now,
        envelope: &Envelope,
        ack: Ack,
        from: Option<LinkId>,
        sender: AccountId,
        out: &mut Outbox,
    ) {
        let span = envelope.lifetime().span();
        if !self.is_alone_with(from, sender) {
            // Held like anybody's until the receipt is out. Without room for it the receipt still counts.
            let origin = from.map(|link| Origin::Link { link, contact: self.is_contact(link) });
            let _held = origin.map(|origin| self.keep_parcel(now, Parcel::from(envelope), origin, out));
        }
        if self.carry.receipt(now, ack, Some(span), false, out) != carry::Receipt::Known {
            self.gossip.publish_receipt(now, ack, from, sender);
        }
        let view = View { carry: &self.carry, now };
        self.gossip.accepted(now, envelope.id().short(), from, &view);
        self.settle(now, out);
    }

    /// Whether the only neighbour is the sender, who learns of the delivery at once anyway.
    fn is_alone_with(&self, from: Option<LinkId>, sender: AccountId) -> bool {
        self.link.ready_count() == 1 && from.is_some_and(|link| self.link.contact(link) == Some(sender))
    }

    /// An arrived thing was wrong (a bad signature): it is forgotten and the link's score falls.
    pub fn discard(&mut self, now: Now, link: LinkId, id: EnvelopeId, what: &'static str, out: &mut Outbox) {
        self.gossip.declined(now, id.short(), link, &View { carry: &self.carry, now });
        self.link.fault(now, link, what, 3, out);
        self.settle(now, out);
    }

    /// An arrived public thing was superseded before it came: it is nobody's fault, and nobody is asked for it again
    /// for as long as it could live.
    pub fn superseded(&mut self, now: Now, link: LinkId, id: EnvelopeId, span: Duration, out: &mut Outbox) {
        self.carry.supersede(now, id, span, out);
        self.gossip.declined(now, id.short(), link, &View { carry: &self.carry, now });
        self.settle(now, out);
    }

    /// Takes a thing out of the bag (its message ended otherwise, it was superseded); it does not come back.
    pub fn withdraw(&mut self, now: Now, id: EnvelopeId, out: &mut Outbox) {
        self.carry.withdraw(now, id, out);
    }

    /// The held envelopes that carry one of `tags`, for a new key share.
    ///
    /// # Errors
    /// Where a body cannot be read.
    pub fn by_tags(&self, now: Now, tags: &[Tag], read: &dyn Read) -> Result<Vec<Envelope>, ReadError> {
        let ids = tags.iter().flat_map(|tag| self.carry.by_tag(*tag));
        ids.filter_map(|id| self.carry.envelope(now, id, read).transpose()).collect()
    }

    /// Held envelopes whose tags begin with one of these.
    ///
    /// # Errors
    /// Where a body cannot be read.
    pub fn by_tag_prefixes(
        &self,
        now: Now,
        beginnings: &[[u8; 8]],
        read: &dyn Read,
    ) -> Result<Vec<Envelope>, ReadError> {
        let ids = beginnings.iter().flat_map(|beginning| self.carry.by_tag_prefix(*beginning));
        ids.filter_map(|id| self.carry.envelope(now, id, read).transpose()).collect()
    }

    /// What the bag let go for lack of room is asked for again, one envelope or all: it may be for this device.
    pub fn forgive(&mut self, id: Option<EnvelopeId>) {
        self.carry.forgive(id.map(|id| id.short()));
    }

    /// One held envelope.
    ///
    /// # Errors
    /// Where its body cannot be read.
    pub fn envelope(&self, now: Now, id: EnvelopeId, read: &dyn Read) -> Result<Option<Envelope>, ReadError> {
        self.carry.envelope(now, id, read)
    }

    /// The bytes of a held public thing with hops and age of now.
    ///
    /// # Errors
    /// Where its body cannot be read.
    pub fn public(&self, now: Now, id: EnvelopeId, read: &dyn Read) -> Result<Option<Vec<u8>>, ReadError> {
        let parcel = self.carry.load(now, id, read)?;
        Ok(parcel.filter(|parcel| parcel.kind == Kind::Public).map(|parcel| parcel.bytes()))
    }

    /// The names of all held public things, to show them after a start.
    #[must_use]
    pub fn public_ids(&self) -> Vec<EnvelopeId> {
        self.carry.names(Set::Public).into_iter().map(EnvelopeId).collect()
    }

    /// The links that are ready, with what is shown of them.
    #[must_use]
    pub fn peers(&self, now: Now) -> Vec<PeerView> {
        self.link.peers(now)
    }

    /// Who is at the other end of a link, where both ends proved to know each other.
    #[must_use]
    pub fn contact(&self, link: LinkId) -> Option<AccountId> {
        self.link.contact(link)
    }

    /// Whether a link's other end proved to be a contact.
    #[must_use]
    pub fn is_contact(&self, link: LinkId) -> bool {
        self.link.contact(link).is_some()
    }

    /// The accounts that ready links proved to be.
    #[must_use]
    pub fn neighbours(&self) -> BTreeSet<AccountId> {
        self.link.contacts().collect()
    }

    /// Whether the bag has room for one more envelope of our own, of any size.
    #[must_use]
    pub fn has_own_room(&self) -> bool {
        self.carry.has_own_room()
    }

    /// Since when the bag holds an envelope.
    #[must_use]
    pub fn held_since(&self, id: EnvelopeId) -> Option<Time> {
        self.carry.item(id.short()).filter(|item| item.id == id).map(|item| Time(item.came))
    }

    /// The sealed envelopes of the bag, since when each is held, and of what age it was then.
    pub fn sealed(&self) -> impl Iterator<Item = (EnvelopeId, Time, Duration)> {
        self.carry.sealed()
    }

    /// What the bag holds.
    #[must_use]
    pub fn load(&self) -> carry::Load {
        self.carry.totals()
    }

    /// What the links counted.
    #[must_use]
    pub fn counters(&self) -> link::Counters {
        self.link.counters()
    }

    fn on_ready(&mut self, now: Now, link: LinkId, out: &mut Outbox) {
        let (Some(role), Some(profile)) = (self.link.role(link), self.link.profile(link)) else { return };
        let contact = self.link.contact(link);
        let view = View { carry: &self.carry, now };
        self.gossip.link_up(now, link, role, contact, profile, &view);
        self.events.push_back(MeshEvent::Up { link, contact });
        if contact.is_some() {
            self.keep_place(link, true, out);
        }
    }

    fn on_recognised(&mut self, now: Now, link: LinkId, contact: Option<AccountId>, out: &mut Outbox) {
        self.gossip.recognised(now, link, contact);
        self.events.push_back(MeshEvent::Recognised { link, contact });
        self.keep_place(link, contact.is_some(), out);
    }

    fn on_envelope(&mut self, now: Now, link: LinkId, bytes: &[u8], out: &mut Outbox) {
        let Ok(envelope) = Envelope::from_bytes(bytes) else {
            self.link.fault(now, link, "a malformed envelope", 3, out);
            return;
        };
        let parcel = Parcel::from(&envelope);
        let id = parcel.id.short();
        if !self.gossip.arrived(now, link, id, bytes.len()) {
            // On a slow link it may have been asked for so long ago that this is forgotten.
            if !self.link.is_slow(link) {
                self.link.fault(now, link, "an envelope that was not asked for", 1, out);
            }
            return;
        }
        match self.carry.check(now, &parcel) {
            Ok(Kept::New) => {
                let (id, arrival) = (parcel.id, Arrival::Envelope(envelope));
                self.events.push_back(MeshEvent::Arrived { link, id, arrival });
            }
            Ok(Kept::Raised) => {
                let contact = self.is_contact(link);
                // More hops of what is held, or no mark: there is nothing to open.
                let _ = self.keep_parcel(now, parcel, Origin::Link { link, contact }, out);
            }
            Err(Refused::Known) => self.gossip.known(now, id, link),
            Err(_) => self.gossip.declined(now, id, link, &View { carry: &self.carry, now }),
        }
    }

    fn on_public(&mut self, now: Now, link: LinkId, bytes: Vec<u8>, out: &mut Outbox) {
        let Some(parcel) = Parcel::public(&bytes, Lifetime::Fortnight.span()) else {
            self.link.fault(now, link, "a malformed public thing", 3, out);
            return;
        };
        if !self.gossip.arrived_public(now, link, parcel.id.short(), parcel.hops) {
            return;
        }
        match self.carry.check(now, &parcel) {
            Ok(Kept::New) => {
                let (id, arrival) = (parcel.id, Arrival::Public(bytes));
                self.events.push_back(MeshEvent::Arrived { link, id, arrival });
            }
            Ok(Kept::Raised) => {
                let origin = Origin::Link { link, contact: self.is_contact(link) };
                self.gossip.known(now, parcel.id.short(), link);
                self.raise_public(now, parcel, origin, out);
            }
            Err(Refused::Known) => self.gossip.known(now, parcel.id.short(), link),
            Err(_) => {
                self.gossip.declined(now, parcel.id.short(), link, &View { carry: &self.carry, now });
            }
        }
    }

    /// More hops of a public thing that is held. It goes on once more where it hardly could before.
    fn raise_public(&mut self, now: Now, parcel: Parcel, origin: Origin, out: &mut Outbox) {
        let few = |item: carry::Item| item.hops <= carry::FEW_HOPS;
        // What is raised is held already, and nothing refuses it.
        if self.carry.item(parcel.id.short()).is_some_and(few) {
            let _ = self.keep_parcel(now, parcel, origin, out);
        } else {
            let _ = self.carry.keep(now, parcel, origin, out);
        }
    }

    fn keep_parcel(
        &mut self,
        now: Now,
        mut parcel: Parcel,
        origin: Origin,
        out: &mut Outbox,
    ) -> Result<EnvelopeId, Refused> {
        let (id, kind, came_marked) = (parcel.id, parcel.kind, parcel.surplus);
        let from = match origin {
            Origin::Own { .. } | Origin::Air => None,
            Origin::Link { link, .. } => Some(link),
        };
        if let Some(link) = from.filter(|_| kind == Kind::Sealed && !parcel.surplus)
            && self.gains(now, &parcel)
        {
            parcel.surplus = !self.gossip.in_share(now, link, parcel.wire_len());
        }
        let kept = self.carry.keep(now, parcel, origin, out);
        if came_marked && kept == Ok(Kept::New) {
            self.gossip.came_marked(id.short());
        }
        let view = View { carry: &self.carry, now };
        match (kept, from) {
            (Ok(_), _) if kind == Kind::Public => {
                let own = matches!(origin, Origin::Own { .. });
                let loaded = |link| self.link.is_loaded(link);
                self.gossip.accepted_public(now, id.short(), from, &loaded, &view);
                self.gossip.say_to_all(now, id.short(), own, origin == Origin::Air);
            }
            (Ok(_), _) => self.gossip.accepted(now, id.short(), from, &view),
            (Err(Refused::Known), Some(link)) => self.gossip.known(now, id.short(), link),
            (Err(_), Some(link)) => self.gossip.declined(now, id.short(), link, &view),
            (Err(_), None) => {}
        }
        self.settle(now, out);
        kept.map(|_| id)
    }

    /// Whether a copy without the mark is worth its share: it is new, or takes the mark off.
    fn gains(&self, now: Now, parcel: &Parcel) -> bool {
        let is_marked = || self.carry.item(parcel.id.short()).is_some_and(|item| item.surplus);
        match self.carry.check(now, parcel) {
            Ok(Kept::New) => true,
            Ok(Kept::Raised) => is_marked(),
            Err(_) => false,
        }
    }

    /// Does what the layers ask for, until they ask for nothing more.
    fn settle(&mut self, now: Now, out: &mut Outbox) {
        loop {
            if let Some(action) = self.gossip.poll() {
                self.act(now, action, out);
            } else if let Some(event) = self.link.poll() {
                match event {
                    link::Event::Closed(link) => self.forget(now, link),
                    link::Event::Fault(link, what) => self.events.push_back(MeshEvent::Fault { link, what }),
                }
            } else {
                return;
            }
        }
    }

    fn act(&mut self, now: Now, action: Action, out: &mut Outbox) {
        match action {
            Action::Send(link, frame) => self.link.say(now, link, frame, out),
            Action::First(link, frame) => self.link.send(now, link, &frame, out),
            Action::Serve(link, id) => self.serve(now, link, id),
            Action::Receipts(link, acks) => {
                for ack in acks {
                    self.on_receipt(now, link, ack, out);
                }
            }
            Action::Broadcast(id) => self.broadcasts.push(id),
            Action::Settle(commit) => self.carry.settle(commit, out),
            Action::Copy(link, id, new) => self.on_copy(link, id, new),
            Action::Fault(link, what, weight) => {
                self.link.fault(now, link, what, weight, out);
            }
        }
    }

    /// Mail for the neighbour first, oldest first; then by turns between the links that things came by, of each
    /// what the fewest are known to have, the latest first. Public things wait for no credit beyond the first.
    fn serve(&mut self, now: Now, link: LinkId, id: ShortId) {
        let Some(item) = self.carry.item(id) else { return };
        let for_neighbour = item.to.is_some() && item.to == self.link.contact(link);
        let newest_first = (u64::MAX >> 8).saturating_sub(item.came);
        let (priority, order) = match item.kind {
            Kind::Public => (Priority::Public, newest_first),
            Kind::Sealed if for_neighbour => (Priority::Neighbour, item.came),
            Kind::Sealed => {
                let copies = u64::from(item.copies / COPIES_A_STEP);
                let priority = if item.surplus { Priority::Surplus } else { Priority::Carried };
                (priority, copies << 56 | carry::latest_first(item.came))
            }
        };
        let gossip::Turn { source, weight } = self.gossip.turn(now, item.via, item.own);
        self.link.queue(now, link, Place { priority, order, len: item.len, source, weight }, id);
    }

    fn on_receipt(&mut self, now: Now, link: LinkId, ack: Ack, out: &mut Outbox) {
        if let carry::Receipt::New { ended } = self.carry.receipt(now, ack, None, true, out) {
            self.gossip.proved(now, ack, link);
            self.events.push_back(MeshEvent::Receipted { link, ack, ended });
        }
    }

    fn on_copy(&mut self, link: LinkId, id: ShortId, new: bool) {
        let Some(item) = self.carry.item(id) else { return };
        if new {
            self.carry.note_copy(item.id);
        }
        self.link.unqueue(link, id);
        if item.own {
            let link = self.link.neighbour(link);
            self.events.push_back(MeshEvent::Carried { link, id: item.id });
        }
    }

    fn forget(&mut self, now: Now, link: LinkId) {
        self.carry.link_down(link);
        self.gossip.link_down(now, link, &View { carry: &self.carry, now });
        self.events.push_back(MeshEvent::Down { link });
    }
}
