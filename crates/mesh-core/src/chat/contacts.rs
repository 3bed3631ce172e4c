//! People: contacts, requests, blocks (PROTOCOL.md section 2).

use crate::crypto::AccountKey;
use crate::crypto::name::{clean_line, clean_name, looks};
use crate::crypto::safety::{safety_half, safety_number, tag};
use crate::id::{AccountId, Ack, EnvelopeId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::view::{ContactState, ContactView};
use crate::wire::codec;
use crate::wire::message::MAX_ABOUT;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Requests that wait for the person; an older one gives way to a newer.
pub const MAX_REQUESTS: usize = 50;
/// People altogether; where they are so many, a new request takes the place of the oldest one.
pub const MAX_CONTACTS: usize = 10_000;
/// Receipts that a request holds back until it is accepted.
pub(super) const MAX_HELD: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stored {
    Added,
    Request,
    Introduced,
    Verified,
    Blocked,
}

impl From<Stored> for ContactState {
    fn from(state: Stored) -> Self {
        match state {
            Stored::Added => Self::Added,
            Stored::Request => Self::Request,
            Stored::Introduced => Self::Introduced,
            Stored::Verified => Self::Verified,
            Stored::Blocked => Self::Blocked,
        }
    }
}

/// A person, as stored.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Contact {
    /// Their half of the safety number: dear to compute, so kept.
    half: String,
    state: Stored,
    name: String,
    about: String,
    profile_key: [u8; 32],
    petname: Option<String>,
    /// Receipts for a request's envelopes: a stranger learns nothing until accepted.
    held: Vec<(EnvelopeId, Ack)>,
    /// Grows with every contact, so that the oldest request is known.
    number: u64,
}

/// Everybody we know of.
#[derive(Default)]
pub(super) struct Contacts {
    known: BTreeMap<AccountId, Contact>,
    next_number: u64,
}

impl Contacts {
    /// Everything that storage holds.
    pub(super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut contacts = Self::default();
        read.scan(Table::Contact, &mut |key, value| {
            let (Some(id), Ok(contact)) = (AccountId::from_slice(key), codec::decode::<Contact>(value))
            else {
                return;
            };
            contacts.next_number = contacts.next_number.max(contact.number + 1);
            contacts.known.insert(id, contact);
        })?;
        Ok(contacts)
    }

    /// The state of a person, `None` for a stranger.
    pub(super) fn state(&self, account: AccountId) -> Option<ContactState> {
        self.known.get(&account).map(|c| c.state.into())
    }

    /// Whether receipts may tell this person that we are here.
    pub(super) fn may_learn(&self, account: AccountId) -> bool {
        let state = self.state(account);
        matches!(state, Some(ContactState::Added | ContactState::Introduced | ContactState::Verified))
    }

    /// How many people are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Introduces so many people.
    #[cfg(test)]
    pub(super) fn fill(&mut self, count: u16) {
        let first = self.entry(AccountId([0; 20]), AccountKey([0; 32]), Stored::Introduced).clone();
        for n in 0..count {
            let mut account = [200; 20];
            account[..2].copy_from_slice(&n.to_be_bytes());
            self.known.insert(AccountId(account), first.clone());
        }
        self.known.remove(&AccountId([0; 20]));
    }

    /// We added this person, or accepted a request. Receipts held back so far are returned.
    pub(super) fn add(
        &mut self,
        account: AccountId,
        key: AccountKey,
        petname: Option<String>,
        out: &mut Outbox,
    ) -> Vec<(EnvelopeId, Ack)> {
        let contact = self.entry(account, key, Stored::Added);
        contact.state = match contact.state {
            Stored::Request | Stored::Introduced => Stored::Introduced,
            Stored::Verified => Stored::Verified,
            Stored::Added | Stored::Blocked => Stored::Added,
        };
        if petname.is_some() {
            contact.petname = petname;
        }
        let held = std::mem::take(&mut contact.held);
        self.put(account, out);
        held
    }

    /// This person wrote to us. Whether that made a new request or an introduction, and who had
    /// to give way.
    pub(super) fn heard(&mut self, account: AccountId, key: AccountKey, out: &mut Outbox) -> Heard {
        match self.known.get(&account).map(|c| c.state) {
            None => {
                self.entry(account, key, Stored::Request);
                self.put(account, out);
                Heard::Request { evicted: self.overflow(account) }
            }
            Some(Stored::Added) => {
                self.set(account, Stored::Introduced, out);
                Heard::Introduced
            }
            Some(_) => Heard::Known,
        }
    }

    /// Somebody whom we added wrote back; whether that is news.
    pub(super) fn answered(&mut self, account: AccountId, out: &mut Outbox) -> bool {
        let news = self.known.get(&account).is_some_and(|c| c.state == Stored::Added);
        if news {
            self.set(account, Stored::Introduced, out);
        }
        news
    }

    /// Who gives way to a new request: the oldest other one, or where all people are contacts and too many,
    /// the newcomer itself.
    fn overflow(&self, newest: AccountId) -> Option<AccountId> {
        let is_crowded = self.known.len() > MAX_CONTACTS;
        let requests = self.known.iter().filter(|(id, c)| c.state == Stored::Request && **id != newest);
        let (count, oldest) = requests.fold((0, None), |(count, oldest), (id, contact)| {
            let older = oldest.is_none_or(|(_, number)| contact.number < number);
            (count + 1, if older { Some((*id, contact.number)) } else { oldest })
        });
        let oldest = oldest.filter(|_| is_crowded || count >= MAX_REQUESTS).map(|(id, _)| id);
        oldest.or_else(|| is_crowded.then_some(newest))
    }

    fn entry(&mut self, account: AccountId, key: AccountKey, state: Stored) -> &mut Contact {
        let number = self.next_number;
        self.next_number += 1;
        self.known.entry(account).or_insert_with(|| Contact {
            half: safety_half(key),
            state,
            name: String::new(),
            about: String::new(),
            profile_key: [0; 32],
            petname: None,
            held: Vec::new(),
            number,
        })
    }

    /// Accepts a request; the receipts it held back. `None` where there is no request.
    pub(super) fn accept(&mut self, account: AccountId, out: &mut Outbox) -> Option<Vec<(EnvelopeId, Ack)>> {
        let contact = self.known.get_mut(&account).filter(|c| c.state == Stored::Request)?;
        contact.state = Stored::Introduced;
        let held = std::mem::take(&mut contact.held);
        self.put(account, out);
        Some(held)
    }

    /// The person compared the safety number; whether the contact's state allowed it.
    pub(super) fn mark_verified(&mut self, account: AccountId, out: &mut Outbox) -> bool {
        let known = matches!(
            self.known.get(&account).map(|c| c.state),
            Some(Stored::Added | Stored::Introduced | Stored::Verified)
        );
        if known {
            self.set(account, Stored::Verified, out);
        }
        known
    }

    /// Blocks a person, silently.
    pub(super) fn block(&mut self, account: AccountId, out: &mut Outbox) -> bool {
        let known = self.known.contains_key(&account);
        if known {
            self.set(account, Stored::Blocked, out);
        }
        known
    }

    /// Blocks somebody who is in a group with us and no contact.
    pub(super) fn shut_out(&mut self, account: AccountId, key: AccountKey, name: String, out: &mut Outbox) {
        let contact = self.entry(account, key, Stored::Blocked);
        contact.name = name;
        self.put(account, out);
    }

    /// Forgets a person.
    pub(super) fn forget(&mut self, account: AccountId, out: &mut Outbox) {
        if self.known.remove(&account).is_some() {
            out.delete(Table::Contact, account.0);
        }
    }

    /// Holds a receipt back until the request is accepted.
    pub(super) fn hold(&mut self, account: AccountId, envelope: EnvelopeId, ack: Ack, out: &mut Outbox) {
        let Some(contact) = self.known.get_mut(&account) else { return };
        if contact.state == Stored::Request && contact.held.len() < MAX_HELD {
            contact.held.push((envelope, ack));
            self.put(account, out);
        }
    }

    /// Sets what the person calls herself.
    pub(super) fn profile(
        &mut self,
        account: AccountId,
        name: &str,
        about: &str,
        profile_key: [u8; 32],
        out: &mut Outbox,
    ) {
        let Some(contact) = self.known.get_mut(&account) else { return };
        contact.name = clean_name(name);
        contact.about = clean_line(about, MAX_ABOUT);
        contact.profile_key = profile_key;
        self.put(account, out);
    }

    /// Sets what we call the person; whether she is known.
    pub(super) fn rename(&mut self, account: AccountId, petname: String, out: &mut Outbox) -> bool {
        let Some(contact) = self.known.get_mut(&account) else { return false };
        contact.petname = Some(petname);
        self.put(account, out);
        true
    }

    /// Those who are told of a new profile.
    pub(super) fn correspondents(&self) -> Vec<AccountId> {
        let told = |c: &Contact| matches!(c.state, Stored::Introduced | Stored::Verified);
        self.known.iter().filter(|(_, c)| told(c)).map(|(id, _)| *id).collect()
    }

    /// Whose profile key gives this beacon hint, if anybody's.
    pub(super) fn by_profile_key(&self, matches: impl Fn(&[u8; 32]) -> bool) -> Option<AccountId> {
        let blocked = |c: &Contact| c.state == Stored::Blocked || c.profile_key == [0; 32];
        self.known.iter().find(|(_, c)| !blocked(c) && matches(&c.profile_key)).map(|(id, _)| *id)
    }

    /// What a person calls herself; `None` for a stranger.
    pub(super) fn said_name(&self, account: AccountId) -> Option<String> {
        self.known.get(&account).map(|contact| contact.name.clone()).filter(|name| !name.is_empty())
    }

    /// What to show for a person: as [`ContactView::shown`], without looking at everybody else.
    pub(super) fn shown(&self, account: AccountId) -> Option<String> {
        let contact = self.known.get(&account)?;
        Some(match &contact.petname {
            Some(petname) => petname.clone(),
            None if contact.name.is_empty() => tag(account),
            None => contact.name.clone(),
        })
    }

    /// Everybody, by shown name.
    pub(super) fn views(&self, own_half: &str) -> Vec<ContactView> {
        let looks = Looks::of(&self.known);
        let view = |(id, contact): (&AccountId, &Contact)| view(*id, contact, own_half, &looks);
        let mut views: Vec<_> = self.known.iter().map(view).collect();
        views.sort_by(|a, b| (a.shown(), a.account).cmp(&(b.shown(), b.account)));
        views
    }

    fn set(&mut self, account: AccountId, state: Stored, out: &mut Outbox) {
        if let Some(contact) = self.known.get_mut(&account).filter(|c| c.state != state) {
            contact.state = state;
            self.put(account, out);
        }
    }

    fn put(&self, account: AccountId, out: &mut Outbox) {
        if let Some(contact) = self.known.get(&account) {
            out.put(Table::Contact, account.0, codec::encode(contact));
        }
    }
}

/// How everybody's names look, so that finding confusable ones takes one pass over all.
struct Looks(BTreeMap<String, Owner>);

/// Whose names have a look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    One(AccountId),
    Several,
}

impl Looks {
    fn of(known: &BTreeMap<AccountId, Contact>) -> Self {
        let mut all = BTreeMap::new();
        for (account, contact) in known {
            let names = [Some(&contact.name), contact.petname.as_ref()];
            for look in names.into_iter().flatten().flat_map(|name| looks(name)) {
                let owner = all.entry(look).or_insert(Owner::One(*account));
                if *owner != Owner::One(*account) {
                    *owner = Owner::Several;
                }
            }
        }
        Self(all)
    }

    /// Whether `name`, one of `account`'s, can be taken for a name of somebody else.
    fn is_confusable(&self, account: AccountId, name: &str) -> bool {
        looks(name).iter().any(|look| self.0.get(look).is_some_and(|owner| *owner != Owner::One(account)))
    }
}

fn view(account: AccountId, contact: &Contact, own_half: &str, looks: &Looks) -> ContactView {
    let shown = contact.petname.as_deref().unwrap_or(&contact.name);
    ContactView {
        account,
        name: contact.name.clone(),
        petname: contact.petname.clone(),
        tag: tag(account),
        state: contact.state.into(),
        safety_number: safety_number(own_half, &contact.half),
        confusable: looks.is_confusable(account, shown),
    }
}

/// What it meant that somebody wrote to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// A stranger: a new request, and the oldest one where there were too many.
    Request {
        /// To be forgotten.
        evicted: Option<AccountId>,
    },
    /// We had added them: now both know each other.
    Introduced,
    /// Nothing new.
    Known,
}
