//! What stands inside the outer seals (PROTOCOL.md sections 5 and 6).

use super::share::KemId;
use crate::crypto::Intro;
use crate::crypto::kem::KemKey;
use crate::crypto::ratchet::{megolm_len, olm_len};
use crate::crypto::seal::{FIRST_CLASS, FIRST_OVERHEAD, SESSION_OVERHEAD};
use crate::id::{Ack, EnvelopeId};
use crate::wire::SizeClass;
use crate::wire::codec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// The most parcels in one envelope: as many as an account has devices.
const MAX_PARCELS: usize = 5;
/// The most envelopes that one payload names as unopened.
pub(super) const MAX_FAILED: usize = 4;
/// First byte of a payload that holds more than one Megolm message; those begin with 3.
const FULL: u8 = 0x80;
const MEGOLM_VERSION: u8 = 3;

/// A key share on its way to one device.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parcel {
    /// Random; makes the wrap's key one of its own.
    pub(super) share_id: [u8; 8],
    /// The secrets in the wrap's key: the one that the writer encapsulated, and the reader's.
    pub(super) outward: KemId,
    pub(super) inward: KemId,
    /// The first bytes of the session's name: a reader that has it needs no share.
    pub(super) session: [u8; 8],
    /// The Olm message, wrapped.
    pub(super) wrapped: Vec<u8>,
}

/// The payload of a first contact.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct First {
    /// Who writes.
    pub(super) intro: Intro,
    /// The generation of the addressee that this is sealed to.
    pub(super) seq: u32,
    /// The KEM key that the bundle in `intro` names.
    pub(super) kem: KemKey,
    /// What receipts this envelope.
    pub(super) ack: Ack,
    /// Envelopes of the addressee that opened outside only.
    pub(super) failed: Vec<EnvelopeId>,
    /// The share, with the reply seed in it.
    pub(super) parcel: Parcel,
    /// Whether the Megolm plaintext is a list of contents instead of one.
    pub(super) several: bool,
    /// A message of the session that the parcel shares; may be empty. It does not stand inside Olm,
    /// which opens only 40 messages behind the newest.
    pub(super) megolm: Vec<u8>,
}

/// A secret that the writer encapsulated to the reader.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Encapsulated {
    /// The reader's generation.
    pub(super) seq: u32,
    pub(super) ciphertext: Vec<u8>,
}

/// The writer's newest generation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refresh {
    pub(super) intro: Intro,
    pub(super) kem: KemKey,
}

/// The payload of a K2 envelope that holds more than a Megolm message.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Full {
    pub(super) parcels: Vec<Parcel>,
    pub(super) secret: Option<Encapsulated>,
    pub(super) refresh: Option<Refresh>,
    pub(super) failed: Vec<EnvelopeId>,
    /// Whether the Megolm plaintext is a list of contents instead of one.
    pub(super) several: bool,
    /// A message of the session that the parcel shares, or of the tag's own; may be empty.
    pub(super) megolm: Vec<u8>,
}

/// A K2 payload.
pub(super) enum Payload {
    /// One content of the tag's own session.
    Bare(Vec<u8>),
    Full(Box<Full>),
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(megolm) => write!(f, "Bare({} B)", megolm.len()),
            Self::Full(full) => write!(f, "Full({} parcels)", full.parcels.len()),
        }
    }
}

impl First {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        codec::decode::<Self>(bytes).ok().filter(|first| first.failed.len() <= MAX_FAILED)
    }
}

impl Full {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FULL];
        bytes.extend_from_slice(&codec::encode(self));
        bytes
    }
}

impl Payload {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&MEGOLM_VERSION, _) => Some(Self::Bare(bytes.to_vec())),
            (&FULL, rest) => {
                let full: Full = codec::decode(rest).ok()?;
                let bounded = full.parcels.len() <= MAX_PARCELS && full.failed.len() <= MAX_FAILED;
                bounded.then(|| Self::Full(Box::new(full)))
            }
            _ => None,
        }
    }
}

/// What one content adds to the room that several share, in bytes: its length, as varint
/// (PROTOCOL.md section 6).
pub const PER_CONTENT: usize = 3;

/// The room that contents need: their bytes, and a length each.
pub(super) fn room_of(contents: &[Vec<u8>]) -> usize {
    contents.iter().map(|content| content.len() + PER_CONTENT).sum()
}

/// The room in a first contact, with the longest forms of everything beside the contents.
pub(super) fn first_room() -> usize {
    let intro = (1 + 133 + 64 + 1) + (1 + 101 + 64 + 1);
    let fixed = intro + 5 + (3 + 1184) + 16 + (1 + 32 * MAX_FAILED) + PARCEL + longest_share() + 1 + 3;
    let megolm = FIRST_CLASS.body_len() - FIRST_OVERHEAD - fixed;
    largest(|len| megolm_len(u32::MAX, len) <= megolm) - 1
}

/// The room in a K2 envelope, whatever else it has to carry.
pub(super) fn session_room() -> usize {
    let fixed = 1 + 1 + PARCEL + longest_share() + (1 + 5 + 3 + 1088) + 1 + (1 + 32 * MAX_FAILED) + 1 + 3;
    let megolm = SizeClass::B16384.body_len() - SESSION_OVERHEAD - fixed;
    largest(|len| megolm_len(u32::MAX, len) <= megolm) - 1
}

/// An Olm message that holds a share with everything that it can have.
fn longest_share() -> usize {
    olm_len(true, LONG_INDEX, 1 + 165 + 32 + 8 + 32 + 4)
}

/// Ids, name and length of a parcel, and the code of its wrap.
const PARCEL: usize = 4 * 8 + 3 + 16;
/// An index in an Olm chain whose varint is as long as any that occurs.
const LONG_INDEX: u32 = 1 << 20;

/// The largest length that `fits`.
fn largest(fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0usize, 1usize << 16);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parcel() -> Parcel {
        let (outward, inward) = ([2; 8], [3; 8]);
        Parcel { share_id: [1; 8], outward, inward, session: [4; 8], wrapped: vec![5; 273] }
    }

    #[test]
    fn a_short_text_and_its_share_fit_the_second_class() {
        let megolm = vec![3; megolm_len(0, 127)];
        let full = Full { parcels: vec![parcel()], megolm, ..Full::default() };
        assert!(full.to_bytes().len() + SESSION_OVERHEAD <= 576);
    }

    #[test]
    fn golden_layout_of_a_parcel_in_front() {
        let bytes = Full { parcels: vec![parcel()], ..Full::default() }.to_bytes();
        assert_eq!(bytes[..3], [0x80, 1, 1]);
        assert_eq!(bytes[34..37], [251, 17, 1]);
        assert_eq!(bytes[37..310], [5; 273]);
        assert_eq!(bytes[310..], [0, 0, 0, 0, 0]);
    }

    #[test]
    fn too_many_parcels_are_refused() {
        let full = Full { parcels: vec![parcel(); 6], ..Full::default() };
        assert!(Payload::from_bytes(&full.to_bytes()).is_none());
    }

    #[test]
    fn the_rooms_are_what_the_protocol_states() {
        assert_eq!((first_room(), session_room()), (1742, 14_542));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_payload_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _parsed = (Payload::from_bytes(&bytes), First::from_bytes(&bytes));
        }
    }
}
