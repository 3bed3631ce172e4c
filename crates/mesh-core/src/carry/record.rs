//! What is stored of the bag: one small record per item beside its body, and tombstones.

use super::shares::Age;
use crate::id::{AccountId, Ack, AckCommit, ShortId, Tag};
use crate::wire::codec;
use serde::{Deserialize, Serialize};

/// Of an item in [`Table::Carried`](crate::Table::Carried), under its id; at most 100 bytes. Written
/// when the item comes and when its hops rise or its mark goes, never because time passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Of this layout: 1.
    pub(super) version: u8,
    /// 0 sealed, 1 public.
    pub(super) kind: u8,
    /// 0 own, 1 a contact's, 2 another's, 3 beyond the share of whoever brought it, 4 the same of a contact.
    pub(super) rank: u8,
    /// As it arrived.
    pub(super) hops: u8,
    /// Length on the air.
    pub(super) len: u32,
    /// Lifetime in milliseconds.
    pub(super) span: Age,
    /// The node's life when the item came.
    pub(super) came: Age,
    /// The node's life when the item ends.
    pub(super) ends: Age,
    /// As in its header; zero for public things.
    pub(super) tag: Tag,
    /// As in its header; zero for public things.
    pub(super) commit: AckCommit,
    /// For whom, of an own item for one account.
    pub(super) to: Option<AccountId>,
}

/// Of a name that ended, in [`Table::Tombstone`](crate::Table::Tombstone) under `e` and the short id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// Until this point of the node's life a younger copy is taken again: its first life here is not over.
    pub(super) reopens: Age,
    /// When the tombstone goes.
    pub(super) until: Age,
}

/// Of a receipt, in [`Table::Tombstone`](crate::Table::Tombstone) under `r` and the commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proof {
    /// The receipt.
    pub(super) ack: Ack,
    /// When the tombstone goes.
    pub(super) until: Age,
    /// Whether it ended something that was held or arrived here.
    pub(super) known: bool,
}

/// A record of [`Table::Tombstone`](crate::Table::Tombstone).
pub(super) enum Tombstone {
    Ended(ShortId, Ended),
    Proof(AckCommit, Proof),
}

pub(super) fn ended_key(id: ShortId) -> Vec<u8> {
    [b"e", &id.0[..]].concat()
}

pub(super) fn proof_key(commit: AckCommit) -> Vec<u8> {
    [b"r", &commit.0[..]].concat()
}

impl Tombstone {
    /// Reads a stored one; `None` for what this code did not write.
    pub(super) fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let (&mark, name) = key.split_first()?;
        match mark {
            b'e' => Some(Self::Ended(ShortId::from_slice(name)?, codec::decode(value).ok()?)),
            b'r' => Some(Self::Proof(AckCommit::from_slice(name)?, codec::decode(value).ok()?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shares::Rank;
    use super::*;

    fn record() -> Record {
        Record {
            version: 1,
            kind: 0,
            rank: 1,
            hops: 12,
            len: 295,
            span: 14 * 86_400_000,
            came: 5,
            ends: u64::MAX,
            tag: Tag([7; 16]),
            commit: AckCommit([9; 16]),
            to: Some(AccountId([3; 20])),
        }
    }

    #[test]
    fn a_record_takes_at_most_100_bytes() {
        assert!(codec::encode(&record()).len() <= 100);
    }

    #[test]
    fn golden_record() {
        let bytes = codec::encode(&Record { ends: 300, to: None, ..record() });
        let fields = [1, 0, 1, 12, 251, 39, 1, 252, 0, 8, 25, 72, 5, 251, 44, 1];
        assert_eq!(bytes, [&fields[..], &[7; 16], &[9; 16], &[0]].concat());
    }

    #[test]
    fn golden_record_of_what_a_contact_brought_with_the_mark() {
        let bytes =
            codec::encode(&Record { rank: Rank::ContactSurplus as u8, ends: 300, to: None, ..record() });
        assert_eq!(bytes[..3], [1, 0, 4]);
        assert_eq!([0, 1, 2, 3, 4, 5].map(Rank::from_byte).map(|rank| rank as u8), [0, 1, 2, 3, 4, 2]);
    }

    #[test]
    fn golden_tombstones() {
        assert_eq!(codec::encode(&Ended { reopens: 1, until: 2 }), [1, 2]);
        let proof = Proof { ack: Ack([4; 16]), until: 3, known: true };
        assert_eq!(codec::encode(&proof), [&[4; 16][..], &[3, 1]].concat());
        assert_eq!(proof_key(AckCommit([1; 16])), [&[b'r'][..], &[1; 16]].concat());
    }
}
