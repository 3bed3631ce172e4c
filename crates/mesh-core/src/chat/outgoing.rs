//! Messages of ours and how far each came: custody until a receipt or the end of their time
//! (PROTOCOL.md section 7).
//!
//! A message consists of one part, or of several where no envelope holds it. Each part is sealed,
//! and sealed again when its envelope ended without a receipt. States only rise.

use super::fate::{End, Fate};
use crate::crypto::kdf16;
use crate::id::{AccountId, AckCommit, ConversationId, EnvelopeId, LinkId, MessageId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Schedule, Time, Wall};
use crate::view::{InfoView, MessageState, RecipientView};
use crate::wire::codec;
use crate::wire::message::{Body, Gap, Place};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long a message is in its author's custody (PROTOCOL.md section 7).
pub const CUSTODY: Duration = Duration::from_secs(90 * 86_400);
/// How long an expired message is still looked at for a receipt: as long as its last envelope may be on its way.
pub(super) const GRACE: Duration = Duration::from_secs(14 * 86_400);
/// Carriers beyond this many are counted in memory but not written at every step.
const WRITTEN_CARRIERS: u32 = 8;

/// Parts that are sealed again at once, and each second, where many are to be: so that a long list holds
/// nothing else up.
const RESEALS_PER_S: usize = 100;

/// What a pending message says, which decides how its bytes are made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// Our profile, as it is when it is sealed.
    Profile,
    /// A text of the conversation.
    Text,
    /// What is said about a text: no line of its own, so nobody is told where it is.
    Mark,
    /// Operations of a group.
    Ops {
        /// Under which name they are held, for everybody alike to whom they go.
        content: Content,
    },
}

/// The name of what is held once for several messages: the first bytes of its hash.
pub(super) type Content = [u8; 16];

/// The most contents that are on their way to one person or group: who asks for more asks again later.
const MAX_CONTENTS: usize = 256;
/// Marks the records of what is held, in the table of groups.
const CONTENT: u8 = 3;

/// Names one part of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartKey {
    /// The message.
    pub message: MessageId,
    /// Its part, from 0.
    pub index: u16,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Part {
    /// The latest sealing.
    sealed: Option<Sealing>,
    delivered: bool,
}

/// One sealing of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealing {
    /// The envelope.
    pub envelope: EnvelopeId,
    /// What its receipt will open.
    pub commit: AckCommit,
    /// When the envelope ends.
    pub expires: Time,
    /// The hops that it began with.
    pub hops: u8,
    /// Neighbours that confirmed to hold it.
    pub carriers: u32,
    /// Where in a session it was sealed, so that its reader can name it without having it.
    pub place: Option<Place>,
}

/// A message of ours, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) to: ConversationId,
    pub(super) kind: Kind,
    state: StoredState,
    at: Option<Wall>,
    created: Time,
    hops: Option<u8>,
    /// The length that the message was cut at, where it has several parts.
    pub(super) part_len: u32,
    parts: Vec<Part>,
    /// Of a group: who is to tell where the message is. None of a person, and of a large group.
    recipients: Vec<Recipient>,
}

/// One of several people for whom a message is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recipient {
    account: AccountId,
    state: StoredState,
    at: Option<Wall>,
}

impl Recipient {
    pub(super) fn view(&self) -> RecipientView {
        RecipientView { account: self.account, state: self.state.into(), at: self.at }
    }

    /// Takes in a receipt of this person; whether it was news.
    pub(super) fn receipted(&mut self, now: Now, is_read: bool) -> bool {
        let state = if is_read { StoredState::Read } else { StoredState::Delivered };
        let is_news = self.state < state || self.state == StoredState::Expired;
        if is_news {
            (self.state, self.at) = (state, Some(now.wall));
        }
        is_news
    }
}

/// How far the least advanced of several came; `None` where one of them has said nothing.
pub(super) fn least_end(recipients: &[Recipient]) -> Option<End> {
    let end = |recipient: &Recipient| match recipient.state {
        StoredState::Read => Some(End::Read),
        StoredState::Delivered => Some(End::Delivered),
        StoredState::Waiting | StoredState::HandedOn | StoredState::Expired => None,
    };
    recipients.iter().map(end).min().flatten()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum StoredState {
    Waiting,
    HandedOn,
    Delivered,
    Read,
    Expired,
}

impl From<StoredState> for MessageState {
    fn from(state: StoredState) -> Self {
        match state {
            StoredState::Waiting => Self::Waiting,
            StoredState::HandedOn => Self::HandedOn,
            StoredState::Delivered => Self::Delivered,
            StoredState::Read => Self::Read,
            StoredState::Expired => Self::Expired,
        }
    }
}

impl Pending {
    /// To whom it goes, what it says, and at which length it is cut.
    pub(super) fn said(&self) -> (ConversationId, Kind, u32) {
        (self.to, self.kind, self.part_len)
    }

    fn is_open(&self) -> bool {
        self.state <= StoredState::HandedOn
    }

    /// When it has no business here any more, in a final state.
    fn rests_at(&self) -> Time {
        if self.state == StoredState::Expired { self.created + CUSTODY + GRACE } else { Time::default() }
    }

    /// What is kept of it, in a final state.
    fn fate(&self) -> Fate {
        let end = match self.state {
            StoredState::Read => End::Read,
            StoredState::Delivered => End::Delivered,
            StoredState::Waiting | StoredState::HandedOn | StoredState::Expired => End::Expired,
        };
        let start = self.parts.last().and_then(|part| part.sealed).map(|sealing| sealing.hops);
        let (at, until, hops, carriers) = (self.at, self.created + CUSTODY, self.hops, self.carriers());
        Fate { end, at, until, start, hops, carriers, recipients: self.recipients.clone() }
    }

    /// Whether nobody says where it is, so that it is sealed again for those alone who ask.
    fn is_unreceipted(&self) -> bool {
        self.to.group().is_some() && self.recipients.is_empty()
    }

    fn carriers(&self) -> u32 {
        self.parts.iter().map(|p| p.sealed.map_or(0, |s| s.carriers)).min().unwrap_or(0)
    }
}

/// A change of state that front ends are told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) message: MessageId,
    pub(super) to: ConversationId,
    pub(super) state: MessageState,
    pub(super) carriers: u32,
    /// What is kept of a text that is over: it is not here any more.
    pub(super) fate: Option<Fate>,
}

/// Every message of ours that is on its way.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    messages: BTreeMap<MessageId, Pending>,
    by_commit: BTreeMap<AckCommit, PartKey>,
    /// The same the other way round: all sealings of this run.
    commits: BTreeSet<(PartKey, AckCommit)>,
    /// The profile that is on its way to somebody: a later one replaces it.
    profiles: BTreeMap<ConversationId, MessageId>,
    /// What is held, and for whom; what was added within the input at work stands here whole.
    contents: BTreeMap<Content, BTreeSet<ConversationId>>,
    fresh: BTreeMap<Content, Vec<u8>>,
    by_envelope: BTreeMap<EnvelopeId, PartKey>,
    /// Of open messages alone.
    by_place: BTreeMap<Place, PartKey>,
    /// When a part is to be sealed again or a message ends.
    due: Schedule<Time, PartKey>,
    /// Which links confirmed which part of this run: a link counts once.
    confirmed: BTreeSet<(PartKey, LinkId)>,
    open: Open,
}

/// Messages without a final state, by their kind.
#[derive(Debug, Default)]
struct Open {
    texts: usize,
    marks: usize,
}

impl Open {
    fn count(&mut self, kind: Kind, by: isize) {
        let count = match kind {
            Kind::Text => &mut self.texts,
            Kind::Mark => &mut self.marks,
            Kind::Profile | Kind::Ops { .. } => return,
        };
        *count = count.saturating_add_signed(by);
    }
}

impl Outgoing {
    /// Everything that storage holds.
    pub(super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut outgoing = Self::default();
        read.scan(Table::Outbox, &mut |key, value| {
            let (Some(id), Ok(pending)) = (MessageId::from_slice(key), codec::decode(value)) else { return };
            outgoing.index(id, pending);
        })?;
        Ok(outgoing)
    }

    fn index(&mut self, id: MessageId, pending: Pending) {
        if pending.is_open() {
            self.open.count(pending.kind, 1);
        }
        if !pending.is_open() {
            self.due.set(PartKey { message: id, index: 0 }, Some(pending.rests_at()));
        }
        match pending.kind {
            Kind::Profile => drop(self.profiles.insert(pending.to, id)),
            Kind::Ops { content } => drop(self.contents.entry(content).or_default().insert(pending.to)),
            Kind::Text | Kind::Mark => {}
        }
        for (index, part) in (0..).zip(&pending.parts) {
            self.index_part(PartKey { message: id, index }, &pending, part.sealed.as_ref());
        }
        self.messages.insert(id, pending);
    }

    fn index_part(&mut self, key: PartKey, pending: &Pending, sealing: Option<&Sealing>) {
        if pending.is_open() {
            let end = pending.created + CUSTODY;
            let again = |s: &Sealing| if pending.is_unreceipted() { end } else { s.expires.min(end) };
            self.due.set(key, Some(sealing.map_or_else(Time::default, again)));
            self.by_place.extend(sealing.and_then(|s| s.place).map(|place| (place, key)));
        }
        if let Some(sealing) = sealing {
            self.by_commit.insert(sealing.commit, key);
            self.commits.insert((key, sealing.commit));
            self.by_envelope.insert(sealing.envelope, key);
        }
    }

    /// Takes a new message into custody; its parts are due at once. A new profile takes the place of one that is
    /// on its way to the same person.
    pub(super) fn add(
        &mut self,
        now: Now,
        id: MessageId,
        (to, recipients): (ConversationId, Vec<AccountId>),
        kind: Kind,
        cut: (u16, u32),
        out: &mut Outbox,
    ) {
        let (state, at) = (StoredState::Waiting, None);
        let recipients = recipients.into_iter().map(|account| Recipient { account, state, at }).collect();
        let parts = vec![Part { sealed: None, delivered: false }; usize::from(cut.0)];
        let pending = Pending {
            to,
            kind,
            state: StoredState::Waiting,
            at: None,
            created: now.mono,
            hops: None,
            part_len: cut.1,
            parts,
            recipients,
        };
        if kind == Kind::Profile
            && let Some(earlier) = self.profiles.get(&to).copied()
        {
            self.remove(earlier, out);
        }
        put(id, &pending, out);
        self.index(id, pending);
    }

    /// Whether this message is on its way.
    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.messages.contains_key(&id)
    }

    /// A message of ours.
    pub(super) fn pending(&self, id: MessageId) -> Option<&Pending> {
        self.messages.get(&id)
    }

    /// Texts without a final state.
    pub(super) fn open(&self) -> usize {
        self.open.texts
    }

    /// Marks without a final state.
    pub(super) fn open_marks(&self) -> usize {
        self.open.marks
    }

    /// Whether a message to this conversation is on its way and not at its end.
    pub(super) fn is_open(&self, to: ConversationId, id: MessageId) -> bool {
        self.messages.get(&id).is_some_and(|pending| pending.to == to && pending.is_open())
    }

    /// Whether a message to this conversation is on its way and no part of it has left here.
    pub(super) fn is_unsealed(&self, to: ConversationId, id: MessageId) -> bool {
        let pending = self.messages.get(&id).filter(|pending| pending.to == to);
        pending.is_some_and(|pending| pending.parts.iter().all(|part| part.sealed.is_none()))
    }

    /// When the next part is due.
    pub(super) fn next_due(&self) -> Option<Time> {
        self.due.first().map(|(time, _)| time)
    }

    /// Takes the next part that is due; it comes back at `retry` unless it is sealed before.
    pub(super) fn take_due(&mut self, now: Now, retry: Time) -> Option<PartKey> {
        let key = self.due.due(now.mono)?;
        self.due.set(key, Some(retry));
        Some(key)
    }

    /// Ends a message whose custody is over; the change where it was open.
    pub(super) fn expire(&mut self, now: Now, id: MessageId, out: &mut Outbox) -> Option<Change> {
        let pending = self.messages.get(&id)?;
        if now.mono < pending.created + CUSTODY {
            return None;
        }
        self.raise(now, id, StoredState::Expired, out)
    }

    /// Lets go of a message in a final state that no receipt can change any more; what is kept of a text.
    pub(super) fn rest(
        &mut self,
        now: Now,
        id: MessageId,
        out: &mut Outbox,
    ) -> Option<(ConversationId, Fate)> {
        let pending = self.messages.get(&id).filter(|p| !p.is_open() && p.rests_at() <= now.mono)?;
        let to = pending.to;
        self.remove(id, out).map(|fate| (to, fate))
    }

    /// Notes a sealing of a part.
    pub(super) fn sealed(&mut self, key: PartKey, sealing: Sealing, out: &mut Outbox) {
        let Some(pending) = self.messages.get_mut(&key.message) else { return };
        let Some(part) = pending.parts.get_mut(usize::from(key.index)) else { return };
        let earlier = part.sealed.replace(sealing);
        let pending = pending.clone();
        if let Some(earlier) = earlier {
            self.by_envelope.remove(&earlier.envelope);
            self.forget_place(earlier.place);
            self.unconfirm(key);
        }
        self.index_part(key, &pending, Some(&sealing));
        put(key.message, &pending, out);
    }

    /// Asks for new sealings of what these envelopes held: [`RESEALS_PER_S`] at once, and so many each second.
    pub(super) fn resend(&mut self, now: Now, envelopes: &[EnvelopeId]) {
        let mut at = now.mono;
        for (n, envelope) in (1..).zip(envelopes) {
            let Some(key) = self.by_envelope.get(envelope).copied() else { continue };
            let pending = self.messages.get_mut(&key.message).filter(|p| p.is_open());
            let Some(part) = pending.and_then(|p| p.parts.get_mut(usize::from(key.index))) else { continue };
            if let Some(sealing) = part.sealed.as_mut() {
                sealing.expires = at;
            }
            self.due.set(key, Some(at));
            if n % RESEALS_PER_S == 0 {
                at = at + Duration::from_secs(1);
            }
        }
    }

    /// The envelopes of what `from` lacks of a session of ours and nobody has receipted.
    pub(super) fn missing(&self, from: AccountId, session: [u8; 8], gaps: &[Gap]) -> Vec<EnvelopeId> {
        let mut envelopes = Vec::new();
        for Gap { first, count } in gaps {
            let place = |index| Place { session, index };
            let range = place(*first)..place(first.saturating_add(*count));
            for key in self.by_place.range(range).map(|(_, key)| key) {
                // Of a group whoever can name a place in its session was given it.
                let may_ask = |p: &&Pending| p.to == from.into() || p.to.group().is_some();
                let pending = self.messages.get(&key.message).filter(|p| p.is_open()).filter(may_ask);
                let part = pending.and_then(|p| p.parts.get(usize::from(key.index)));
                let sealing = part.filter(|part| !part.delivered).and_then(|part| part.sealed);
                envelopes.extend(sealing.map(|sealing| sealing.envelope));
            }
        }
        envelopes
    }

    /// The envelopes under which undelivered parts are on their way.
    pub(super) fn under_way(&self, now: Now) -> impl Iterator<Item = EnvelopeId> {
        let open = self.messages.values().filter(|pending| pending.is_open());
        let parts = open.flat_map(|pending| &pending.parts).filter(|part| !part.delivered);
        let sealings = parts.filter_map(|part| part.sealed);
        sealings.filter(move |sealing| sealing.expires > now.mono).map(|sealing| sealing.envelope)
    }

    /// A neighbour confirmed that it holds an envelope durably.
    pub(super) fn kept(
        &mut self,
        now: Now,
        envelope: EnvelopeId,
        link: LinkId,
        out: &mut Outbox,
    ) -> Option<Change> {
        let key = *self.by_envelope.get(&envelope)?;
        if !self.confirmed.insert((key, link)) {
            return None;
        }
        let pending = self.messages.get_mut(&key.message)?;
        let sealing = pending.parts.get_mut(usize::from(key.index))?.sealed.as_mut()?;
        sealing.carriers += 1;
        let write = sealing.carriers <= WRITTEN_CARRIERS || sealing.carriers.is_power_of_two();
        let carriers = pending.carriers();
        if pending.state == StoredState::Waiting && carriers > 0 {
            return self.raise(now, key.message, StoredState::HandedOn, out);
        }
        if write {
            put(key.message, pending, out);
        }
        let (to, state) = (pending.to, pending.state.into());
        let change = Change { message: key.message, to, state, carriers, fate: None };
        pending.is_open().then_some(change)
    }

    /// A valid receipt for one part.
    pub(super) fn acked(&mut self, now: Now, commit: AckCommit, out: &mut Outbox) -> Option<Change> {
        let key = *self.by_commit.get(&commit)?;
        let pending = self.messages.get_mut(&key.message)?;
        // In a group one device may be all that is known of several people.
        if pending.recipients.len() > 1 || pending.is_unreceipted() {
            return None;
        }
        let part = pending.parts.get_mut(usize::from(key.index))?;
        if part.delivered {
            return None;
        }
        part.delivered = true;
        if pending.parts.iter().all(|p| p.delivered) {
            for recipient in &mut pending.recipients {
                recipient.receipted(now, false);
            }
        }
        if pending.parts.iter().all(|p| p.delivered) {
            return self.raise(now, key.message, StoredState::Delivered, out);
        }
        put(key.message, pending, out);
        None
    }

    /// A sealed receipt from the recipient.
    pub(super) fn receipted(
        &mut self,
        now: Now,
        from: AccountId,
        seen: (MessageId, u8),
        read: bool,
        out: &mut Outbox,
    ) -> Option<Change> {
        let (id, hops_left) = seen;
        let pending = self.messages.get_mut(&id)?;
        let mut end = Some(if read { End::Read } else { End::Delivered });
        if pending.to.group().is_some() {
            let recipient = pending.recipients.iter_mut().find(|recipient| recipient.account == from);
            if !recipient?.receipted(now, read) {
                return None;
            }
            end = least_end(&pending.recipients);
        } else if pending.to != from.into() {
            return None;
        }
        let start = pending.parts.last().and_then(|p| p.sealed).map(|s| s.hops);
        pending.hops = start.and_then(|s| s.checked_sub(hops_left)).or(pending.hops);
        match end {
            Some(End::Read) => self.raise(now, id, StoredState::Read, out),
            Some(_) => self.raise(now, id, StoredState::Delivered, out),
            None => {
                put(id, pending, out);
                None
            }
        }
    }

    /// Raises a state; the change where it rose. What is delivered cannot expire.
    fn raise(&mut self, now: Now, id: MessageId, state: StoredState, out: &mut Outbox) -> Option<Change> {
        let pending = self.messages.get_mut(&id)?;
        let late = state == StoredState::Expired && !pending.is_open();
        // A receipt that comes after the end of custody still tells the truth.
        let revived = pending.state == StoredState::Expired && state < StoredState::Expired;
        if late || (!revived && state <= pending.state) {
            return None;
        }
        let (was_open, kind) = (pending.is_open(), pending.kind);
        pending.state = state;
        pending.at = Some(now.wall);
        let (to, carriers, is_open) = (pending.to, pending.carriers(), pending.is_open());
        let mut change = Change { message: id, to, state: state.into(), carriers, fate: None };
        if was_open && !is_open {
            self.open.count(kind, -1);
        }
        if is_open {
            put(id, pending, out);
        } else if state == StoredState::Expired {
            put(id, pending, out);
            let rests_at = pending.rests_at();
            self.settle(id);
            self.due.set(PartKey { message: id, index: 0 }, Some(rests_at));
        } else {
            change.fate = self.remove(id, out);
        }
        Some(change)
    }

    /// Gives a message to this conversation up that its author took back: it is not sealed again. What is kept of it.
    pub(super) fn withdraw(&mut self, to: ConversationId, id: MessageId, out: &mut Outbox) -> Option<Fate> {
        self.messages.get(&id).filter(|pending| pending.to == to)?;
        self.remove(id, out)
    }

    /// Takes a message out; what is kept of a text.
    fn remove(&mut self, id: MessageId, out: &mut Outbox) -> Option<Fate> {
        self.settle(id);
        let pending = self.messages.remove(&id)?;
        if pending.is_open() {
            self.open.count(pending.kind, -1);
        }
        out.delete(Table::Outbox, id.0);
        for sealing in pending.parts.iter().filter_map(|part| part.sealed) {
            self.by_envelope.remove(&sealing.envelope);
        }
        let key = |index| PartKey { message: id, index };
        let range = (key(0), AckCommit([0; 16]))..=(key(u16::MAX), AckCommit([0xff; 16]));
        while let Some(entry) = self.commits.range(range.clone()).next().copied() {
            self.commits.remove(&entry);
            self.by_commit.remove(&entry.1);
        }
        match pending.kind {
            Kind::Profile => {
                self.profiles.remove(&pending.to);
                None
            }
            Kind::Ops { content } => {
                self.let_go(content, pending.to, out);
                None
            }
            Kind::Text | Kind::Mark => Some(pending.fate()),
        }
    }

    /// Holds what messages to several say alike; each of them is [`Kind::Ops`] with the name that is returned. `None`
    /// where this is on its way to them already, or as much as is held for one.
    pub(super) fn hold(&mut self, to: ConversationId, body: &Body, out: &mut Outbox) -> Option<Content> {
        let bytes = codec::encode(body);
        let content = kdf16("held content", &[&bytes]);
        let here = self.contents.get(&content);
        let others = self.contents.values().filter(|readers| readers.contains(&to)).count();
        if here.is_some_and(|readers| readers.contains(&to)) || others >= MAX_CONTENTS {
            return None;
        }
        if here.is_none() {
            out.put(Table::Group, content_key(content), bytes.clone());
            self.contents.insert(content, BTreeSet::new());
            self.fresh.insert(content, bytes);
        }
        Some(content)
    }

    /// What is held under a name; `None` where it is gone.
    pub(super) fn held(&self, content: Content, read: &dyn Read) -> Result<Option<Body>, ReadError> {
        let bytes = match self.fresh.get(&content) {
            Some(bytes) => Some(bytes.clone()),
            None => read.load(Table::Group, &content_key(content))?,
        };
        Ok(bytes.and_then(|bytes| codec::decode(&bytes).ok()))
    }

    /// The input at work is done: its batch will be visible to reads.
    pub(super) fn settle_contents(&mut self) {
        self.fresh.clear();
    }

    fn let_go(&mut self, content: Content, to: ConversationId, out: &mut Outbox) {
        let Some(readers) = self.contents.get_mut(&content) else { return };
        readers.remove(&to);
        if readers.is_empty() {
            self.contents.remove(&content);
            self.fresh.remove(&content);
            out.delete(Table::Group, content_key(content));
        }
    }

    /// Nothing is due any more for a message in a final state.
    fn settle(&mut self, id: MessageId) {
        let parts = self.messages.get(&id).map_or(0, |p| p.parts.len());
        for index in 0..u16::try_from(parts).unwrap_or(u16::MAX) {
            let key = PartKey { message: id, index };
            self.due.set(key, None);
            self.unconfirm(key);
            self.forget_place(self.sealing(key).and_then(|sealing| sealing.place));
        }
    }

    fn sealing(&self, key: PartKey) -> Option<Sealing> {
        self.messages.get(&key.message)?.parts.get(usize::from(key.index))?.sealed
    }

    fn forget_place(&mut self, place: Option<Place>) {
        place.and_then(|place| self.by_place.remove(&place));
    }

    fn unconfirm(&mut self, key: PartKey) {
        let range = (key, LinkId(0))..=(key, LinkId(u64::MAX));
        while let Some(entry) = self.confirmed.range(range.clone()).next().copied() {
            self.confirmed.remove(&entry);
        }
    }

    /// The state of a message of ours.
    pub(super) fn state(&self, id: MessageId) -> Option<MessageState> {
        self.messages.get(&id).map(|p| p.state.into())
    }

    /// Whether a part was sealed before.
    pub(super) fn is_sealed(&self, key: PartKey) -> bool {
        self.sealing(key).is_some()
    }

    /// Lets a message be as it was sealed until it ends; those who have not said that they have it.
    pub(super) fn leave(&mut self, id: MessageId) -> Vec<AccountId> {
        let Some(pending) = self.messages.get(&id) else { return Vec::new() };
        let end = pending.created + CUSTODY;
        for index in 0..u16::try_from(pending.parts.len()).unwrap_or(u16::MAX) {
            self.due.set(PartKey { message: id, index }, Some(end));
        }
        let lacks = |recipient: &&Recipient| recipient.state < StoredState::Delivered;
        pending.recipients.iter().filter(lacks).map(|recipient| recipient.account).collect()
    }

    /// Whether a part still wants an envelope.
    pub(super) fn wants_seal(&self, now: Now, key: PartKey) -> bool {
        let Some(pending) = self.messages.get(&key.message) else { return false };
        let Some(part) = pending.parts.get(usize::from(key.index)) else { return false };
        pending.is_open() && !part.delivered && part.sealed.is_none_or(|s| s.expires <= now.mono)
    }

    /// Everything that is known about where a message is.
    pub(super) fn info(&self, now: Now, id: MessageId) -> Option<InfoView> {
        let pending = self.messages.get(&id)?;
        let state = pending.state.into();
        let person = pending.to.person().map(|account| RecipientView { account, state, at: pending.at });
        let recipients = pending.recipients.iter().map(Recipient::view).chain(person).collect();
        Some(InfoView {
            id,
            state,
            carriers: pending.carriers(),
            hops: pending.hops,
            expires_in: (pending.created + CUSTODY).since(now.mono),
            recipients,
            forecast: None,
        })
    }

    /// Forgets every message of one conversation.
    pub(super) fn forget(&mut self, to: ConversationId, out: &mut Outbox) {
        let ids: Vec<_> = self.messages.iter().filter(|(_, p)| p.to == to).map(|(id, _)| *id).collect();
        for id in ids {
            self.remove(id, out);
        }
    }

    /// Everything that is held of messages, counted: nothing where none is on its way.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        let maps = [self.messages.len(), self.by_commit.len(), self.by_envelope.len(), self.by_place.len()];
        let sets = [self.commits.len(), self.confirmed.len(), self.profiles.len()];
        maps.iter().chain(&sets).sum::<usize>() + usize::from(self.due.first().is_some())
    }
}

fn content_key(content: Content) -> Vec<u8> {
    [&[CONTENT][..], &content].concat()
}

fn put(id: MessageId, pending: &Pending, out: &mut Outbox) {
    out.put(Table::Outbox, id.0, codec::encode(pending));
}
