//! The records of [`Table::Session`] that belong to sessions, and reads that see this input's writes.

use crate::id::{AccountId, AckCommit, DeviceId, GroupId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::Time;
use crate::wire::codec;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The name of a sender session or of a control chain's direction.
pub(super) type Sid = [u8; 16];

/// Every key of this module's records begins with it: the table is shared with the prekeys.
pub(super) const PREFIX: u8 = b's';

/// The kinds of records; the byte stands second in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A peer's device.
    Peer = b'p',
    /// ML-KEM keys and secrets shared with a device.
    Kem = b'k',
    /// An Olm session.
    Olm = b'o',
    /// Which sender sessions write to an account.
    Conversation = b'c',
    /// A sender session of ours: what rarely changes.
    Outbound = b'w',
    /// A sender session of ours: what changes with every message.
    Hot = b'h',
    /// An envelope of ours whose receipt would prove something.
    Pending = b'a',
    /// A chain that we read.
    Inbound = b'r',
    /// The Megolm session of such a chain.
    Export = b'm',
    /// One item of such a chain.
    Item = b'i',
    /// A chain that must not come back.
    Ended = b't',
    /// An Olm session that must not come back.
    EndedOlm = b'q',
    /// A group that we write to.
    Group = b'g',
    /// Somebody who reads it.
    Audience = b'n',
    /// A sender session of ours for a group: what rarely changes.
    GroupSession = b'y',
    /// A device that such a session is written for.
    Holder = b'j',
    /// Such a session at an index from which somebody reads it who may lack it.
    Origin = b'z',
    /// Somebody who is known for the sake of groups alone.
    Acquaintance = b'x',
    /// How long this device has run.
    Uptime = b'u',
}

impl Kind {
    const ALL: [Self; 19] = [
        Self::Peer,
        Self::Kem,
        Self::Olm,
        Self::Conversation,
        Self::Outbound,
        Self::Hot,
        Self::Pending,
        Self::Inbound,
        Self::Export,
        Self::Item,
        Self::Ended,
        Self::EndedOlm,
        Self::Group,
        Self::Audience,
        Self::GroupSession,
        Self::Holder,
        Self::Origin,
        Self::Acquaintance,
        Self::Uptime,
    ];

    /// The kind and the name in a record's key; `None` for another module's record.
    pub(super) fn of(key: &[u8]) -> Option<(Self, &[u8])> {
        let [PREFIX, kind, name @ ..] = key else { return None };
        Self::ALL.into_iter().find(|k| *k as u8 == *kind).map(|k| (k, name))
    }

    fn key(self, name: &[u8]) -> Vec<u8> {
        [&[PREFIX, self as u8], name].concat()
    }
}

pub(super) fn peer(device: DeviceId) -> Vec<u8> {
    Kind::Peer.key(&device.0)
}

pub(super) fn kem(device: DeviceId) -> Vec<u8> {
    Kind::Kem.key(&device.0)
}

pub(super) fn olm(id: &[u8; 32]) -> Vec<u8> {
    Kind::Olm.key(id)
}

pub(super) fn conversation(account: AccountId) -> Vec<u8> {
    Kind::Conversation.key(&account.0)
}

pub(super) fn outbound(sid: Sid) -> Vec<u8> {
    Kind::Outbound.key(&sid)
}

pub(super) fn hot(sid: Sid) -> Vec<u8> {
    Kind::Hot.key(&sid)
}

pub(super) fn pending(commit: AckCommit) -> Vec<u8> {
    Kind::Pending.key(&commit.0)
}

pub(super) fn inbound(sid: Sid) -> Vec<u8> {
    Kind::Inbound.key(&sid)
}

pub(super) fn export(sid: Sid) -> Vec<u8> {
    Kind::Export.key(&sid)
}

pub(super) fn item(sid: Sid, index: u32) -> Vec<u8> {
    Kind::Item.key(&[&sid[..], &index.to_be_bytes()].concat())
}

pub(super) fn ended(sid: Sid) -> Vec<u8> {
    Kind::Ended.key(&sid)
}

pub(super) fn ended_olm(id: &[u8; 32]) -> Vec<u8> {
    Kind::EndedOlm.key(id)
}

pub(super) fn group(group: GroupId) -> Vec<u8> {
    Kind::Group.key(&group.0)
}

pub(super) fn audience(group: GroupId, account: AccountId) -> Vec<u8> {
    Kind::Audience.key(&[group.0, account.0].concat())
}

pub(super) fn group_session(sid: Sid) -> Vec<u8> {
    Kind::GroupSession.key(&sid)
}

pub(super) fn holder(sid: Sid, device: DeviceId) -> Vec<u8> {
    Kind::Holder.key(&[sid, device.0].concat())
}

pub(super) fn origin(sid: Sid, index: u32) -> Vec<u8> {
    Kind::Origin.key(&[&sid[..], &index.to_be_bytes()].concat())
}

pub(super) fn acquaintance(account: AccountId) -> Vec<u8> {
    Kind::Acquaintance.key(&account.0)
}

pub(super) fn uptime() -> Vec<u8> {
    Kind::Uptime.key(&[])
}

/// Writes go to the outbox; reads see them at once.
///
/// Storage shows the writes of earlier inputs only. All inputs of one moment count as one here, so the
/// layer above needs to say nothing, and what is remembered goes when time moves on.
#[derive(Debug, Default)]
pub(super) struct Records {
    at: Time,
    fresh: BTreeMap<Vec<u8>, Option<Zeroizing<Vec<u8>>>>,
}

impl Records {
    /// Begins an input at `now`.
    pub(super) fn settle(&mut self, now: Time) {
        if now != self.at {
            self.fresh.clear();
            self.at = now;
        }
    }

    pub(super) fn put<T: Serialize>(&mut self, out: &mut Outbox, key: Vec<u8>, value: &T) {
        self.put_bytes(out, key, codec::encode(value));
    }

    pub(super) fn put_bytes(&mut self, out: &mut Outbox, key: Vec<u8>, value: Vec<u8>) {
        self.fresh.insert(key.clone(), Some(Zeroizing::new(value.clone())));
        out.put(Table::Session, key, value);
    }

    pub(super) fn delete(&mut self, out: &mut Outbox, key: Vec<u8>) {
        self.fresh.insert(key.clone(), None);
        out.delete(Table::Session, key);
    }

    pub(super) fn load_bytes(
        &self,
        read: &dyn Read,
        key: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, ReadError> {
        if let Some(fresh) = self.fresh.get(key) {
            return Ok(fresh.clone());
        }
        Ok(read.load(Table::Session, key)?.map(Zeroizing::new))
    }

    pub(super) fn load<T: DeserializeOwned>(
        &self,
        read: &dyn Read,
        key: &[u8],
    ) -> Result<Option<T>, ReadError> {
        self.load_bytes(read, key)?.map(|bytes| decoded(&bytes)).transpose()
    }
}

/// A record of ours from its bytes.
pub(super) fn decoded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ReadError> {
    codec::decode(bytes).map_err(|e| broken(&e.to_string()))
}

/// A record that storage holds and this code cannot use.
pub(super) fn broken(reason: &str) -> ReadError {
    ReadError { table: Table::Session, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Seq;
    use crate::store::Memory;

    #[test]
    fn a_read_sees_what_the_same_input_wrote_and_removed() {
        let (memory, mut out, mut records) = (Memory::default(), Outbox::new(Seq(0)), Records::default());
        records.settle(Time(1));
        records.put(&mut out, uptime(), &7u64);
        assert_eq!(records.load::<u64>(&memory, &uptime()), Ok(Some(7)));
        records.delete(&mut out, uptime());
        assert_eq!(records.load::<u64>(&memory, &uptime()), Ok(None));
    }

    #[test]
    fn a_later_moment_reads_storage_again() {
        let (memory, mut out, mut records) = (Memory::default(), Outbox::new(Seq(0)), Records::default());
        records.put(&mut out, uptime(), &7u64);
        records.settle(Time(2));
        assert_eq!(records.load::<u64>(&memory, &uptime()), Ok(None));
    }

    #[test]
    fn a_key_names_its_kind() {
        let key = item([4; 16], 258);
        assert_eq!(key[18..], [0, 0, 1, 2]);
        assert_eq!(Kind::of(&key).map(|(k, n)| (k, n.len())), Some((Kind::Item, 20)));
        assert_eq!(Kind::of(b"other"), None);
    }
}
