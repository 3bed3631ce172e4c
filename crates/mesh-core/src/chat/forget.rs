//! Forgetting a person: said at once, carried out in slices.
//!
//! A long history is more than one batch may hold. What is to go is noted in one small record, in the batch that takes
//! it out of every list; the records of the texts follow, slice by slice, and after a crash from where it was. A text
//! that comes anew meanwhile has a later place in the order of arrival, and stays.

use super::events::RECORDS;
use super::{State, event_key, named_key};
use crate::id::{AccountId, ConversationId, MessageId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time};
use crate::wire::codec;
use std::collections::{BTreeMap, BTreeSet};

/// Events of which everything is deleted in one input, 5 records each.
pub(super) const SLICE: usize = 600;
/// The beginning of a note's key in the table of counters; the name of the conversation follows.
const NOTE: &[u8] = b"forget";

/// The conversations that are being forgotten, by the bytes of their names: what is left of them has no other use.
#[derive(Debug, Default)]
pub(super) struct Forgetting(BTreeMap<[u8; 20], Dead>);

/// What is left of one conversation.
#[derive(Debug, Default)]
struct Dead {
    /// Texts whose place in the order of arrival is before this are dead.
    below: u64,
    texts: BTreeSet<MessageId>,
    /// Whether storage knows.
    noted: bool,
}

impl Forgetting {
    /// Who was being forgotten when the node ended.
    pub(super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut names = BTreeMap::new();
        read.scan(Table::Meta, &mut |key, value| {
            let name = key.strip_prefix(NOTE).and_then(|name| name.try_into().ok());
            if let (Some(name), Ok(below)) = (name, codec::decode(value)) {
                names.insert(name, Dead { below, noted: true, ..Dead::default() });
            }
        })?;
        Ok(Self(names))
    }

    /// Whether a stored text is one of the dead; then it is remembered as such.
    pub(super) fn claims(&mut self, with: ConversationId, id: MessageId, order: u64) -> bool {
        let Some(dead) = self.0.get_mut(&with.bytes()).filter(|dead| order < dead.below) else {
            return false;
        };
        dead.texts.insert(id);
        true
    }

    /// A place in the order of arrival that is after all the dead.
    pub(super) fn end(&self) -> u64 {
        self.0.values().map(|dead| dead.below).max().unwrap_or_default()
    }

    /// An event that may be one of the dead comes anew: its record, of this kind, is replaced, and what stood beside
    /// it goes.
    pub(super) fn revive(&mut self, with: ConversationId, id: MessageId, record: u8, out: &mut Outbox) {
        if self.0.get_mut(&with.bytes()).is_some_and(|dead| dead.texts.remove(&id)) {
            for kind in RECORDS.into_iter().filter(|kind| *kind != record) {
                out.delete(Table::Event, event_key(kind, with, id));
            }
        }
    }

    fn add(&mut self, with: ConversationId, below: u64, texts: impl Iterator<Item = MessageId>) {
        let dead = self.0.entry(with.bytes()).or_default();
        // A note that stands names an earlier end: it is written again.
        (dead.below, dead.noted) = (below, false);
        dead.texts.extend(texts);
    }

    /// Deletes a slice of what is left, and notes what is left then.
    fn advance(&mut self, out: &mut Outbox) {
        let mut room = SLICE;
        while let Some(mut entry) = self.0.first_entry() {
            let (name, dead) = (*entry.key(), entry.get_mut());
            while let Some(id) = dead.texts.pop_first() {
                for kind in RECORDS {
                    out.delete(Table::Event, named_key(kind, name, id));
                }
                room -= 1;
                if room == 0 {
                    break;
                }
            }
            if dead.texts.is_empty() {
                entry.remove();
                out.delete(Table::Meta, note_key(name));
            }
            if room == 0 {
                break;
            }
        }
        for (name, dead) in self.0.iter_mut().filter(|(_, dead)| !dead.noted) {
            dead.noted = true;
            out.put(Table::Meta, note_key(*name), codec::encode(&dead.below));
        }
    }

    /// Whether something is left to do.
    pub(super) fn next_due(&self) -> Option<Time> {
        (!self.0.is_empty()).then_some(Time(0))
    }
}

fn note_key(name: [u8; 20]) -> Vec<u8> {
    [NOTE, &name].concat()
}

impl State {
    /// Forgets a person: nobody sees anything of them any more. Records of a long history go with the next ticks.
    pub fn forget(&mut self, account: AccountId, out: &mut Outbox) {
        self.contacts.forget(account, out);
        self.groups.forget_request(account);
        self.unfinished.forget(account, out);
        self.forget_conversation(account.into(), out);
    }

    /// Forgets everything that was said in a conversation.
    pub(super) fn forget_conversation(&mut self, with: ConversationId, out: &mut Outbox) {
        self.outgoing.forget(with, out);
        self.desk.forget(with, out);
        self.ends.forget(with, out);
        self.later.forget(with, out);
        let Some(conversation) = self.conversations.remove(&with) else { return };
        for (_, brief, _) in conversation.texts() {
            self.arrivals.remove(&brief.order);
        }
        self.forgetting.add(with, self.next_order, conversation.events());
        self.forgetting.advance(out);
    }

    /// Goes on with what has begun, lets go of parts whose whole never came, and takes away what has come to its end.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub fn tick(&mut self, now: Now, read: &dyn Read, out: &mut Outbox) -> Result<(), ReadError> {
        self.forgetting.advance(out);
        self.unfinished.expire(now.mono, out);
        self.end_due(now, read, out)
    }
}
