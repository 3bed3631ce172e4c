//! The one way in: everything that arrives is opened, taken in, and answered here, however it came.

use super::Node;
use super::mesh::Arrival;
use crate::border::Event;
use crate::carry::Origin;
use crate::chat::{self, Incoming};
use crate::crypto::session::{Delivery, Opened};
use crate::crypto::{AccountKey, Beacon};
use crate::id::{AccountId, Ack, EnvelopeId, LinkId};
use crate::store::ReadError;
use crate::time::{Now, Time};
use crate::wire::Envelope;
use crate::wire::beacon::RawBeacon;
use core::time::Duration;

/// First contacts that wait for the budget of trials; what is beyond comes again with its next sealing.
pub const MAX_RETRIES: usize = 4_096;

/// What a reader asks for is sealed again once it has been on its way for so long.
const LONG_ON_ITS_WAY: Duration = Duration::from_secs(86_400);
/// What was let go for lack of room is asked for again because of new keys no more often.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(900);

impl Node {
    pub(super) fn ingest(
        &mut self,
        now: Now,
        link: LinkId,
        id: EnvelopeId,
        arrival: Arrival,
    ) -> Result<(), ReadError> {
        match arrival {
            Arrival::Public(bytes) => {
                self.ingest_beacon(now, link, id, &bytes);
                Ok(())
            }
            Arrival::Envelope(envelope) => self.ingest_sealed(now, Some(link), envelope),
        }
    }

    /// Opens an envelope that a neighbour brought (`link`), or that was in the bag when its key came.
    pub(super) fn ingest_sealed(
        &mut self,
        now: Now,
        link: Option<LinkId>,
        envelope: Envelope,
    ) -> Result<(), ReadError> {
        let opened = self.sessions.open(now, &self.identity, &*self.read, &envelope, &mut self.outbox);
        let receipt = match opened {
            Opened::Delivery(delivery) => self.deliver(now, &envelope, *delivery)?,
            Opened::Later(at) => {
                self.retry_later(at, envelope.id());
                None
            }
            Opened::Mismatch(account) => {
                self.mismatch(account);
                None
            }
            // What does not open looks from outside like what is not ours.
            Opened::Foreign | Opened::Duplicate | Opened::Rejected(_) => None,
        };
        if let Some((ack, account)) = receipt {
            self.mesh.delivered(now, &envelope, ack, link, account, &mut self.outbox);
        } else if let Some(link) = link {
            let contact = self.mesh.contact(link).is_some();
            let origin = Origin::Link { link, contact };
            let age = Duration::from_secs(envelope.age_s.into());
            // A refusal (no room) is the bag's decision; the neighbour learns it by not being told "kept".
            if let Ok(id) = self.mesh.keep(now, envelope, origin, &mut self.outbox) {
                let is_held = |id| self.mesh.held_since(id).is_some();
                self.forecast.seen(now.mono, id, age, Some(link), &is_held);
            }
        }
        Ok(())
    }

    /// The person is told where the keys of somebody they know were presented; nothing else changes.
    fn mismatch(&mut self, account: AccountId) {
        if self.chat.contact_state(account).is_some() {
            self.outbox.notify(Event::AuthMismatch { account });
        }
    }

    /// First contacts beyond the budget of trials stay in the bag and are tried again.
    pub(super) fn retry_later(&mut self, at: Time, id: EnvelopeId) {
        if self.retries.len() < MAX_RETRIES {
            self.retries.insert((at, id));
        }
    }

    /// Tries again what was put off.
    pub(super) fn retry(&mut self, now: Now) -> Result<(), ReadError> {
        self.try_again(now);
        while let Some((_, id)) = self.retries.first().copied().filter(|(at, _)| *at <= now.mono) {
            self.retries.pop_first();
            match self.mesh.envelope(now, id, &*self.read)? {
                Some(envelope) => self.ingest_sealed(now, None, envelope)?,
                // It had to go before its turn came: it may be for this device, and is asked for again.
                None => self.mesh.forgive(Some(id)),
            }
        }
        Ok(())
    }

    /// Takes in what an envelope held. Returns the receipt that may be published, and to whom it is due.
    fn deliver(
        &mut self,
        now: Now,
        envelope: &Envelope,
        delivery: Delivery,
    ) -> Result<Option<(Ack, AccountId)>, ReadError> {
        let account = delivery.account;
        if !self.meet(now, &delivery) {
            return Ok(None);
        }
        let incoming = Incoming {
            account,
            conversation: delivery.conversation,
            envelope: envelope.id(),
            contents: &delivery.contents,
            ack: delivery.ack,
            hops_left: envelope.hops_left,
        };
        let ack = self.chat.receive(now, incoming, &*self.read, &mut self.outbox)?;
        self.chat.resend(now, &delivery.resend);
        self.reseal_lacked(now);
        if delivery.first_contact.is_some() || !delivery.new_tags.is_empty() {
            self.share_secrets(now);
            self.keys_may_be_due = true;
        }
        self.search_bag(now, &delivery)?;
        Ok(ack.map(|ack| (ack, account)))
    }

    /// A reader lacks messages of ours. What our bag holds reaches it as it reaches everybody; what is not
    /// there any more, or did not get through for a day, is sealed again.
    fn reseal_lacked(&mut self, now: Now) {
        let mut lost = Vec::new();
        for id in self.chat.take_lacked() {
            match self.mesh.held_since(id) {
                Some(since) if now.mono.since(since) < LONG_ON_ITS_WAY => continue,
                Some(_) => self.mesh.withdraw(now, id, &mut self.outbox),
                None => {}
            }
            lost.push(id);
        }
        self.chat.resend(now, &lost);
    }

    /// Notes who wrote; whether they may write at all.
    fn meet(&mut self, now: Now, delivery: &Delivery) -> bool {
        let account = delivery.account;
        if delivery.conversation.group().is_some() {
            return true;
        }
        let known = self.chat.contact_state(account);
        let is_fellow = known.is_none() && (self.chat.is_fellow(account) || self.chat.is_joining(account));
        if known.is_none() && self.chat.is_knock(&delivery.contents) {
            self.sessions.acquaint(now, account, &mut self.outbox);
            return true;
        }
        if is_fellow && chat::State::is_between_programs(&delivery.contents) {
            return true;
        }
        let Some(first) = &delivery.first_contact else {
            if is_fellow && let Some(key) = self.sessions.account_key(account) {
                // Somebody in a group of ours knows how to reach us, and asks like any stranger.
                return self.note_request(now, account, key);
            }
            self.chat.answered(account, &mut self.outbox);
            return known.is_some();
        };
        let counts = known.is_none().then_some(first.invite).flatten();
        if counts.is_some_and(|number| !self.identity.invite_spend(number, &mut self.outbox)) {
            self.sessions.forget(now, account, &mut self.outbox);
            return false;
        }
        let key = first.intro.account();
        self.note_request(now, account, key)
    }

    /// Notes that somebody wrote who may be a stranger; whether they may be heard.
    fn note_request(&mut self, now: Now, account: AccountId, key: AccountKey) -> bool {
        let evicted = self.chat.met(account, key, &mut self.outbox);
        if let Some(evicted) = evicted {
            self.chat.forget(evicted, &mut self.outbox);
            self.sessions.forget(now, evicted, &mut self.outbox);
        }
        evicted != Some(account)
    }

    /// Envelopes may come before the key that opens them: a new key is tried on what is held.
    fn search_bag(&mut self, now: Now, delivery: &Delivery) -> Result<(), ReadError> {
        if delivery.new_tags.is_empty() {
            return Ok(());
        }
        self.owes_another_try = true;
        self.try_again(now);
        for envelope in self.mesh.by_tags(now, &delivery.new_tags, &*self.read)? {
            self.ingest_sealed(now, None, envelope)?;
        }
        Ok(())
    }

    /// What had to go for lack of room may be what a new key opens: it is asked for again, but not with every key, or a
    /// full bag would fetch for ever what it lets go.
    pub(super) fn try_again(&mut self, now: Now) {
        let rested = self.tried_again.is_none_or(|at| now.mono >= at + TRY_AGAIN_AFTER);
        if self.owes_another_try && rested {
            self.mesh.forgive(None);
            (self.owes_another_try, self.tried_again) = (false, Some(now.mono));
        }
    }

    /// Somebody said a public thing to everybody in reach. Who it was nobody knows, so nobody is blamed.
    pub(super) fn on_overheard(&mut self, now: Now, bytes: &[u8]) {
        let Ok(raw) = RawBeacon::from_bytes(bytes) else { return };
        let Some(id) = self.mesh.overheard(now, bytes, &mut self.outbox) else { return };
        match Beacon::verify(raw) {
            Ok(beacon) => self.take_beacon(now, beacon, bytes, Origin::Air),
            Err(_) => self.mesh.forged(id),
        }
    }

    fn ingest_beacon(&mut self, now: Now, link: LinkId, id: EnvelopeId, bytes: &[u8]) {
        let contact = self.mesh.contact(link).is_some();
        match Beacon::from_bytes(bytes) {
            Ok(beacon) => self.take_beacon(now, beacon, bytes, Origin::Link { link, contact }),
            Err(_) => self.mesh.discard(now, link, id, "a forged or damaged beacon", &mut self.outbox),
        }
    }
}
