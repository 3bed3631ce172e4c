//! What people mean: contacts, conversations, receipts (PROTOCOL.md section 7).
//!
//! Everything is a fold of events that arrive in any order, twice, or years late; storage holds the
//! events, memory their order. This layer seals nothing: it hands out [`Job`]s, and is told what
//! became of them.

mod contacts;
mod conversation;
mod desk;
mod events;
mod fate;
mod fleeting;
mod forget;
pub mod group;
mod groups;
mod history;
mod incoming;
mod joins;
mod later;
mod marks;
mod outgoing;
mod segments;

pub use contacts::{MAX_CONTACTS, MAX_REQUESTS};
pub use desk::{MAX_DRAFTS, MAX_FOLDERS, MAX_STARS};
pub use events::Draft;
pub use groups::{Asked, Brought, MAX_GROUPS, MAX_RECEIPTING, Person};
pub use incoming::Incoming;
pub use joins::{
    Knock, MAX_ANSWERS, MAX_ASKS, MAX_GROUP_LINKS, MAX_JOIN_REQUESTS, TELLS_THAT_IT_ENDED, Verdict,
};
pub use later::MAX_SCHEDULED;
pub use outgoing::{CUSTODY, PartKey, Sealing};
pub use segments::MAX_UNFINISHED;

use crate::border::{Event, Refusal};
use crate::crypto::AccountKey;
use crate::crypto::name::{clean_line, clean_name};
use crate::crypto::safety::safety_half;
use crate::id::{AccountId, Ack, AckCommit, ConversationId, EnvelopeId, GroupId, LinkId, MessageId};
use crate::outbox::Outbox;
use crate::rng::Rng;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time};
use crate::view::{ContactState, ContactView};
use crate::wire::message::{Body, Gap, GroupMessage, MAX_ABOUT, MAX_NAME, MAX_SEEN, Message, Seen};
use crate::wire::{Lifetime, codec};
use contacts::{Contacts, Heard};
use conversation::Conversation;
use core::time::Duration;
use desk::Desk;
use events::StoredEvent;
use fate::Fate;
use fleeting::Ends;
use forget::Forgetting;
use groups::Groups;
use joins::Joins;
use later::Later;
use outgoing::{Kind, Outgoing, Pending};
use segments::Unfinished;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Messages of ours without a final state; further ones are refused.
pub const MAX_OPEN: usize = 20_000;
/// Marks of ours without a final state; further ones are refused, but for those that take a message back.
pub const MAX_OPEN_MARKS: usize = 20_000;
/// When a part that could not be sealed is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// How far behind and ahead of the arrival an author's clock is believed for display.
const PLAUSIBLE: (u64, u64) = (14 * 86_400, 5 * 60);

/// Markers of this module's records within the table of events.
const TEXT: u8 = 1;
const READ_MARK: u8 = 3;
const FATE: u8 = 4;
const EVENT: u8 = 5;
const HIDDEN: u8 = 6;
const GROUP_EVENT: u8 = 7;

/// Who we say that we are.
#[derive(Clone, Serialize, Deserialize)]
pub struct Profile {
    /// 1 to 64 bytes.
    pub name: String,
    /// At most 256 bytes.
    pub about: String,
    /// Opens what we publish for contacts.
    pub profile_key: [u8; 32],
}

impl core::fmt::Debug for Profile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Profile(..)")
    }
}

/// Bytes to be sealed for somebody.
#[derive(Clone, PartialEq, Eq)]
pub struct Job {
    /// Which part of a message in custody; `None` for a receipt, which nobody waits for.
    pub part: Option<PartKey>,
    /// For whom.
    pub to: ConversationId,
    /// An encoded [`Message`]; of a group, an encoded [`GroupMessage`].
    pub bytes: Vec<u8>,
    /// For how long it is carried at most; `None` is as long as usual.
    pub lifetime: Option<Lifetime>,
}

impl core::fmt::Debug for Job {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Job({:?} to {:?})", self.part, self.to)
    }
}

/// Everything that the person's conversations are.
pub struct State {
    own: AccountId,
    own_half: String,
    profile: Profile,
    contacts: Contacts,
    conversations: BTreeMap<ConversationId, Conversation>,
    outgoing: Outgoing,
    unfinished: Unfinished,
    groups: Groups,
    joins: Joins,
    forgetting: Forgetting,
    desk: Desk,
    ends: Ends,
    later: Later,
    /// Receipts that wait to be sealed within the input at work.
    notes: VecDeque<Job>,
    /// Envelopes of ours that their readers lack, within the input at work.
    lacked: Vec<EnvelopeId>,
    /// Events of the input at work, which storage does not show yet.
    fresh: BTreeMap<(ConversationId, MessageId), StoredEvent>,
    /// Texts that ended within the input at work.
    fresh_fates: BTreeMap<(ConversationId, MessageId), Fate>,
    /// Every text in the order in which it came to be here.
    arrivals: BTreeMap<u64, (ConversationId, MessageId)>,
    next_order: u64,
    rng: Rng,
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("chat::State").field("outbox", &self.outgoing.open()).finish_non_exhaustive()
    }
}

impl State {
    /// A new person's.
    pub fn create(own_key: AccountKey, name: &str, mut rng: Rng, out: &mut Outbox) -> Self {
        let profile = Profile { name: clean_name(name), about: String::new(), profile_key: rng.bytes() };
        put_profile(&profile, out);
        Self {
            own: own_key.id(),
            own_half: safety_half(own_key),
            profile,
            contacts: Contacts::default(),
            conversations: BTreeMap::new(),
            outgoing: Outgoing::default(),
            unfinished: Unfinished::default(),
            groups: Groups::default(),
            joins: Joins::default(),
            forgetting: Forgetting::default(),
            desk: Desk::default(),
            ends: Ends::default(),
            later: Later::default(),
            notes: VecDeque::new(),
            lacked: Vec::new(),
            fresh: BTreeMap::new(),
            fresh_fates: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            next_order: 0,
            rng,
        }
    }

    /// What storage holds.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub fn restore(own_key: AccountKey, rng: Rng, read: &dyn Read) -> Result<Self, ReadError> {
        let mut state = Self::create(own_key, "", rng, &mut Outbox::default());
        if let Some(profile) = read.load(Table::Meta, b"profile")?.and_then(|b| codec::decode(&b).ok()) {
            state.profile = profile;
        }
        state.contacts = Contacts::restore(read)?;
        state.outgoing = Outgoing::restore(read)?;
        state.groups = Groups::restore(read)?;
        state.joins = Joins::restore(read)?;
        state.unfinished = Unfinished::restore(read)?;
        state.forgetting = Forgetting::restore(read)?;
        (state.desk, state.ends) = (Desk::restore(read)?, Ends::restore(read)?);
        state.later = Later::restore(read)?;
        state.next_order = state.forgetting.end();
        let (mut seen, mut ended, mut hidden) = (Vec::new(), Vec::new(), Vec::new());
        read.scan(Table::Event, &mut |key, value| match key.first() {
            Some(&TEXT | &EVENT | &GROUP_EVENT) => state.restore_event(key, value),
            Some(&HIDDEN) => hidden.extend(parse_key(key)),
            Some(&segments::PREFIX) => state.unfinished.restored(key),
            Some(&READ_MARK) => seen.extend(parse_key(key)),
            Some(&FATE) => ended.extend(parse_key(key).zip(codec::decode::<Fate>(value).ok())),
            _ => {}
        })?;
        for (name, id) in seen {
            state.named_mut(name).into_iter().for_each(|conversation| conversation.mark_read(id));
        }
        for (name, id) in hidden {
            state.named_mut(name).into_iter().for_each(|conversation| conversation.hide(id));
        }
        for ((name, id), fate) in ended {
            state.named_mut(name).into_iter().for_each(|conversation| conversation.end(id, fate.end));
        }
        state.end_lost();
        Ok(state)
    }

    /// Sets the own profile and tells everybody who knows us.
    ///
    /// # Errors
    /// [`Refusal::Length`] for an empty or long name.
    pub fn set_profile(
        &mut self,
        now: Now,
        name: &str,
        about: &str,
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        self.profile.name = checked_name("name", name)?;
        self.profile.about = clean_line(about, MAX_ABOUT);
        put_profile(&self.profile, out);
        for account in self.contacts.correspondents() {
            self.submit_profile(now, account, out);
        }
        Ok(())
    }

    /// Sends the own profile to somebody: what a first contact says.
    pub fn submit_profile(&mut self, now: Now, to: AccountId, out: &mut Outbox) {
        let id = MessageId(self.rng.bytes());
        self.outgoing.add(now, id, (to.into(), Vec::new()), Kind::Profile, (1, 0), out);
    }

    /// The conversation whose name has these bytes, where anything was said in it.
    fn named_mut(&mut self, name: [u8; 20]) -> Option<&mut Conversation> {
        let (person, group) = (AccountId(name).into(), GroupId(name).into());
        let with = if self.conversations.contains_key(&person) { person } else { group };
        self.conversations.get_mut(&with)
    }

    /// The next bytes to seal, until `None`.
    ///
    /// # Errors
    /// Where storage cannot be read; the message is due again later.
    pub fn next_job(
        &mut self,
        now: Now,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<Option<Job>, ReadError> {
        if let Some(note) = self.notes.pop_front() {
            return Ok(Some(note));
        }
        while let Some(key) = self.outgoing.take_due(now, now.mono + RETRY) {
            let change = self.outgoing.expire(now, key.message, out);
            self.changed(change, out);
            if let Some((to, fate)) = self.outgoing.rest(now, key.message, out) {
                self.end(to, key.message, fate, out);
            }
            if !self.outgoing.wants_seal(now, key) {
                continue;
            }
            if let Some(job) = self.job(now, key, read, out)? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    fn job(
        &mut self,
        now: Now,
        key: PartKey,
        read: &dyn Read,
        out: &mut Outbox,
    ) -> Result<Option<Job>, ReadError> {
        let Some((to, kind, part_len)) = self.outgoing.pending(key.message).map(Pending::said) else {
            return Ok(None);
        };
        let (mut heads, mut lifetime) = (self.heads(to), None);
        let message = match kind {
            Kind::Profile => Some(self.profile_message(now, key.message)),
            Kind::Ops { content } => {
                self.outgoing.held(content, read)?.map(|body| groups::ops_message(key.message, body))
            }
            Kind::Text | Kind::Mark => {
                let Some(event) = self.event(to, key.message, read)? else { return Ok(None) };
                heads.clone_from(&event.heads);
                lifetime = self.lifetime(to, &event.body);
                let message = event.message(key.message);
                if let ConversationId::Group(group) = to
                    && self.outgoing.is_sealed(key)
                    && !self.may_reseal(to, &heads)
                {
                    let lacking = self.outgoing.leave(key.message);
                    self.bring_alone(now, group, GroupMessage { heads, message }, lacking, out);
                    return Ok(None);
                }
                Some(message)
            }
        };
        let Some(message) = message else { return Ok(None) };
        let part = match kind {
            Kind::Profile => Some(message),
            Kind::Text | Kind::Mark | Kind::Ops { .. } => segments::part(message, key.index, part_len),
        };
        let enclosed = |message: Message| match to {
            ConversationId::Person(_) => message.to_bytes(),
            ConversationId::Group(_) => GroupMessage { heads, message }.to_bytes(),
        };
        Ok(part.map(|message| Job { part: Some(key), to, bytes: enclosed(message), lifetime }))
    }

    fn profile_message(&self, now: Now, id: MessageId) -> Message {
        let Profile { name, about, profile_key } = self.profile.clone();
        let when = u32::try_from(now.wall.0).unwrap_or(u32::MAX);
        Message {
            id,
            when,
            lamport: 0,
            parents: Vec::new(),
            body: Body::Profile { name, about, profile_key },
        }
    }

    /// The input at work is done: its batch will be visible to reads.
    pub fn settle(&mut self) {
        self.fresh.clear();
        self.fresh_fates.clear();
        self.unfinished.settle();
        self.outgoing.settle_contents();
    }

    /// When the next part is due, the next slice of what is to be forgotten, or the end of parts without a whole.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        let chores = [
            self.forgetting.next_due(),
            self.unfinished.next_due(),
            self.ends.next_due(),
            self.later.next_due(),
        ];
        self.outgoing.next_due().into_iter().chain(chores.into_iter().flatten()).min()
    }

    /// A job's part was sealed.
    pub fn sealed(&mut self, key: PartKey, sealing: Sealing, out: &mut Outbox) {
        self.outgoing.sealed(key, sealing, out);
    }

    /// A neighbour confirmed that it holds an envelope durably.
    pub fn kept(&mut self, now: Now, envelope: EnvelopeId, link: LinkId, out: &mut Outbox) {
        let change = self.outgoing.kept(now, envelope, link, out);
        self.changed(change, out);
    }

    /// A receipt opened this commitment. Whether it was of a message of ours.
    pub fn acked(&mut self, now: Now, commit: AckCommit, out: &mut Outbox) {
        let change = self.outgoing.acked(now, commit, out);
        self.changed(change, out);
    }

    /// The recipient cannot open these envelopes: their messages are sealed again.
    pub fn resend(&mut self, now: Now, envelopes: &[EnvelopeId]) {
        self.outgoing.resend(now, envelopes);
    }

    /// The envelopes of ours whose messages their readers said that they lack, once.
    pub fn take_lacked(&mut self) -> Vec<EnvelopeId> {
        core::mem::take(&mut self.lacked)
    }

    /// The envelopes under which messages of ours are on their way.
    pub fn under_way(&self, now: Now) -> impl Iterator<Item = EnvelopeId> {
        self.outgoing.under_way(now)
    }

    /// Asks a writer for what did not come, unless that person must not know that we are here.
    pub fn ask(&mut self, now: Now, to: AccountId, session: [u8; 8], gaps: Vec<Gap>) {
        if self.may_bring(to) {
            self.note(now, to, Body::Missing { session, gaps });
        }
    }

    /// Somebody proved to be this account, with this key. Returns who is to be forgotten because
    /// there are too many requests.
    pub fn met(&mut self, account: AccountId, key: AccountKey, out: &mut Outbox) -> Option<AccountId> {
        match self.contacts.heard(account, key, out) {
            Heard::Known => None,
            Heard::Introduced => {
                out.notify(Event::Contact { account });
                None
            }
            Heard::Request { evicted } => {
                out.notify(Event::Contact { account });
                evicted
            }
        }
    }

    /// Somebody whom we added wrote back on a session: now both know each other.
    pub fn answered(&mut self, account: AccountId, out: &mut Outbox) {
        if self.contacts.answered(account, out) {
            out.notify(Event::Contact { account });
        }
    }

    /// Says something to a person's program that nobody waits for.
    fn note(&mut self, now: Now, to: AccountId, body: Body) {
        let id = MessageId(self.rng.bytes());
        let when = u32::try_from(now.wall.0).unwrap_or(u32::MAX);
        let bytes = Message { id, when, lamport: 0, parents: Vec::new(), body }.to_bytes();
        self.notes.push_back(Job { part: None, to: to.into(), bytes, lifetime: None });
    }

    /// The person has seen these messages of this conversation, or all that are there.
    pub fn mark_read(
        &mut self,
        now: Now,
        within: ConversationId,
        which: Option<&[MessageId]>,
        out: &mut Outbox,
    ) {
        self.was_seen(within, out);
        let Some(conversation) = self.conversations.get_mut(&within) else { return };
        let which: Option<BTreeSet<&MessageId>> = which.map(|ids| ids.iter().collect());
        let wanted = |id: &MessageId| which.as_ref().is_none_or(|which| which.contains(id));
        let unread: Vec<_> = conversation.unread().filter(wanted).collect();
        let mut authors: BTreeMap<AccountId, Vec<Seen>> = BTreeMap::new();
        for id in unread {
            conversation.mark_read(id);
            out.put(Table::Event, event_key(READ_MARK, within, id), []);
            let Some((brief, _)) = conversation.brief(id) else { continue };
            let Some(author) = brief.author else { continue };
            authors.entry(author).or_default().push(Seen { id, hops_left: brief.hops_left });
        }
        for (author, seen) in authors {
            for seen in &seen {
                self.seen_fleeting(now, within, seen.id, out);
            }
            if self.answers(within, author) {
                for seen in seen.chunks(MAX_SEEN) {
                    self.note(now, author, Body::Read { seen: seen.to_vec() });
                }
            }
        }
    }

    /// Whether [`State::add`] would take this person.
    ///
    /// # Errors
    /// As [`State::add`].
    pub fn check_add(&self, account: AccountId, petname: Option<&str>) -> Result<(), Refusal> {
        petname.map(|petname| checked_name("petname", petname)).transpose()?;
        if self.contacts.state(account).is_none() && self.contacts.len() >= MAX_CONTACTS {
            return Err(Refusal::Full { what: "contacts", limit: MAX_CONTACTS });
        }
        Ok(())
    }

    /// We add a person, or accept one who asked: the receipts that were held back.
    ///
    /// # Errors
    /// [`Refusal::Full`], [`Refusal::Length`] for the petname.
    pub fn add(
        &mut self,
        now: Now,
        account: AccountId,
        key: AccountKey,
        petname: Option<&str>,
        out: &mut Outbox,
    ) -> Result<Vec<(EnvelopeId, Ack)>, Refusal> {
        self.check_add(account, petname)?;
        let petname = petname.map(|petname| checked_name("petname", petname)).transpose()?;
        let known = self.contacts.may_learn(account);
        let held = self.contacts.add(account, key, petname, out);
        self.accepted(account);
        if !known {
            self.submit_profile(now, account, out);
        }
        out.notify(Event::Contact { account });
        Ok(held)
    }

    /// Accepts a request and introduces us.
    ///
    /// # Errors
    /// Where there is no such request.
    pub fn accept(
        &mut self,
        now: Now,
        account: AccountId,
        out: &mut Outbox,
    ) -> Result<Vec<(EnvelopeId, Ack)>, Refusal> {
        let state = self.contacts.state(account).ok_or(Refusal::UnknownContact { account })?;
        let Some(held) = self.contacts.accept(account, out) else {
            return match state {
                ContactState::Blocked => Err(Refusal::ContactState { state: "blocked" }),
                _ => Ok(Vec::new()),
            };
        };
        self.accepted(account);
        self.submit_profile(now, account, out);
        out.notify(Event::Contact { account });
        Ok(held)
    }

    /// Forgets a person and everything that was said.
    ///
    /// # Errors
    /// Where the person is unknown or not (any longer) a request.
    pub fn decline(&mut self, account: AccountId, out: &mut Outbox) -> Result<(), Refusal> {
        match self.contacts.state(account) {
            None => Err(Refusal::UnknownContact { account }),
            Some(ContactState::Request) => {
                self.forget(account, out);
                out.notify(Event::Contact { account });
                Ok(())
            }
            Some(state) => Err(Refusal::ContactState { state: state.as_str() }),
        }
    }

    /// Blocks a person, silently: a contact, or somebody in a group of ours.
    ///
    /// # Errors
    /// Where the person is neither; [`Refusal::Full`] where as many people are known as may be.
    pub fn block(&mut self, account: AccountId, out: &mut Outbox) -> Result<(), Refusal> {
        if !self.contacts.block(account, out) {
            let key = self.groups.key(account).ok_or(Refusal::UnknownContact { account })?;
            if self.contacts.len() >= MAX_CONTACTS {
                return Err(Refusal::Full { what: "contacts", limit: MAX_CONTACTS });
            }
            self.contacts.shut_out(account, key, self.said_name(account), out);
        }
        out.notify(Event::Contact { account });
        Ok(())
    }

    /// The person compared the safety number.
    ///
    /// # Errors
    /// Where the contact is unknown, blocked or an undecided request.
    pub fn verify(&mut self, account: AccountId, out: &mut Outbox) -> Result<(), Refusal> {
        let state = self.contacts.state(account).ok_or(Refusal::UnknownContact { account })?;
        if !self.contacts.mark_verified(account, out) {
            return Err(Refusal::ContactState { state: state.as_str() });
        }
        out.notify(Event::Contact { account });
        Ok(())
    }

    /// Sets what we call a person.
    ///
    /// # Errors
    /// Where the person is unknown or the name has no letters.
    pub fn rename(&mut self, account: AccountId, petname: &str, out: &mut Outbox) -> Result<(), Refusal> {
        let petname = checked_name("petname", petname)?;
        known(self.contacts.rename(account, petname, out), account)?;
        out.notify(Event::Contact { account });
        Ok(())
    }

    /// The own profile.
    #[must_use]
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// How far a person has come, `None` for a stranger.
    #[must_use]
    pub fn contact_state(&self, account: AccountId) -> Option<ContactState> {
        self.contacts.state(account)
    }

    /// Whether this person may learn that this device is there.
    #[must_use]
    pub fn may_learn(&self, account: AccountId) -> bool {
        self.contacts.may_learn(account)
    }

    /// Whose profile key fits, if anybody's.
    pub fn by_profile_key(&self, matches: impl Fn(&[u8; 32]) -> bool) -> Option<AccountId> {
        self.contacts.by_profile_key(matches)
    }

    /// What to show for a person whom we know.
    #[must_use]
    pub fn shown(&self, account: AccountId) -> Option<String> {
        self.contacts.shown(account)
    }

    /// Everybody we know, by shown name.
    #[must_use]
    pub fn contacts(&self) -> Vec<ContactView> {
        self.contacts.views(&self.own_half)
    }

    /// Messages of ours without a final state.
    #[must_use]
    pub fn open(&self) -> usize {
        self.outgoing.open()
    }
}

fn checked_name(what: &'static str, text: &str) -> Result<String, Refusal> {
    let cleaned = clean_name(text);
    if cleaned.is_empty() || text.len() > MAX_NAME {
        return Err(Refusal::Length { what, min: 1, max: MAX_NAME, got: text.len() });
    }
    Ok(cleaned)
}

fn known(known: bool, account: AccountId) -> Result<(), Refusal> {
    if known { Ok(()) } else { Err(Refusal::UnknownContact { account }) }
}

fn put_profile(profile: &Profile, out: &mut Outbox) {
    out.put(Table::Meta, *b"profile", codec::encode(profile));
}

fn event_key(kind: u8, with: ConversationId, id: MessageId) -> Vec<u8> {
    named_key(kind, with.bytes(), id)
}

/// [`event_key`] by the bytes of the conversation's name.
fn named_key(kind: u8, name: [u8; 20], id: MessageId) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len() + MessageId::LEN);
    key.push(kind);
    key.extend_from_slice(&name);
    key.extend_from_slice(&id.0);
    key
}

/// The name of the conversation and that of the event in a record's key.
fn parse_key(key: &[u8]) -> Option<([u8; 20], MessageId)> {
    let (name, id) = key.get(1..)?.split_at_checked(AccountId::LEN)?;
    Some((name.try_into().ok()?, MessageId::from_slice(id)?))
}

#[cfg(test)]
mod forget_tests;
#[cfg(test)]
mod tests;
