//! Chains of one-time items: what an envelope's tag, seal and receipt come from.
//!
//! `c(n)` gives item n and `c(n+1)`; nothing leads back (PROTOCOL.md section 6).

use crate::crypto::{kdf, kdf16};
use crate::id::{Ack, AckCommit, DeviceId, Tag};
use core::fmt;
use zeroize::Zeroizing;

/// Indexes are counted in hundreds: a reader's items end with a hundred.
pub(super) const HUNDRED: u32 = 100;
/// How many whole hundreds past the highest index seen a reader holds items for. 2: a session of which
/// 5 % arrive, in any order, opens whole (PROTOCOL.md section 6).
pub(super) const AHEAD: u32 = 2;
/// Items of a control chain. It carries shares only, of which one in 25 messages is due: 800 messages
/// into silence, then first contacts take over.
pub(super) const CONTROL_ITEMS: u32 = 32;
/// Length of an encoded [`Item`].
pub(super) const ITEM_LEN: usize = 64;

/// A chain's value at one index.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Link(pub(super) Zeroizing<[u8; 32]>);

/// What seals, finds and receipts one envelope.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) tag: Tag,
    pub(super) psk: Zeroizing<[u8; 32]>,
    pub(super) ack: Ack,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(..)")
    }
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Item({:?})", self.tag)
    }
}

impl Link {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The start of the control chain from one device to another under a reply seed.
    pub(super) fn control(seed: &[u8; 32], from: DeviceId, to: DeviceId) -> Self {
        Self::new(kdf("control chain", &[seed, &from.0, &to.0]))
    }

    /// This index's item; moves on to the next.
    pub(super) fn step(&mut self) -> Item {
        let here: &[u8] = &self.0[..];
        let item = Item {
            tag: Tag(kdf16("tag", &[here])),
            psk: Zeroizing::new(kdf("psk", &[here])),
            ack: Ack(kdf16("ack", &[here])),
        };
        *self = Self::new(kdf("next", &[here]));
        item
    }
}

impl Item {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        [&self.tag.0[..], &self.psk[..], &self.ack.0].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; ITEM_LEN] = bytes.try_into().ok()?;
        let (tag, rest) = bytes.split_first_chunk::<16>()?;
        let (psk, ack) = rest.split_first_chunk::<32>()?;
        Some(Self { tag: Tag(*tag), psk: Zeroizing::new(*psk), ack: Ack::from_slice(ack)? })
    }
}

/// The commitment in the header of an envelope that this ack receipts (PROTOCOL.md section 3).
#[must_use]
pub fn commitment(ack: Ack) -> AckCommit {
    AckCommit(kdf16("commit", &[&ack.0]))
}

/// The first index behind the look-ahead of a reader that saw `index`.
pub(super) fn ahead_of(index: u32) -> u32 {
    (index / HUNDRED).saturating_add(1 + AHEAD).saturating_mul(HUNDRED)
}

/// [`ahead_of`] in a group's session: as far ahead as the writer got already, at least [`GROUP_AHEAD`] and at
/// most what it is for a person. A group has a session per writer, and most of them write little.
pub(super) fn group_ahead_of(index: u32) -> u32 {
    let ahead = index.clamp(GROUP_AHEAD, AHEAD * HUNDRED);
    index.saturating_add(ahead) / GROUP_AHEAD * GROUP_AHEAD + GROUP_AHEAD
}

/// The least look-ahead in a group's session, and the step in which it grows.
const GROUP_AHEAD: u32 = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    #[test]
    fn golden_items_of_a_chain() {
        let mut link = Link::new([3; 32]);
        let item = link.step();
        assert_eq!(HEXLOWER.encode(&item.tag.0), GOLDEN_TAG);
        assert_eq!(HEXLOWER.encode(&item.psk[..]), GOLDEN_PSK);
        assert_eq!(HEXLOWER.encode(&item.ack.0), GOLDEN_ACK);
        assert_eq!(HEXLOWER.encode(&link.0[..]), GOLDEN_NEXT);
    }

    // Computed by an independent implementation.
    const GOLDEN_TAG: &str = "482404e902b2996038a127141fbc330a";
    const GOLDEN_PSK: &str = "f3746ff15944b231acf91ee01fcc87ef6908141cc82b5650d9ea81651be1850c";
    const GOLDEN_ACK: &str = "70e3a411aae398f7c89be6f85f50d64e";
    const GOLDEN_NEXT: &str = "03161ee87eddea185b6cb91cb0072bdfba920c4e7eda2660abd0759b6dc1ed29";

    #[test]
    fn an_item_comes_back_from_its_bytes() {
        let item = Link::new([1; 32]).step();
        assert_eq!(Item::from_bytes(&item.to_bytes()), Some(item));
        assert_eq!(Item::from_bytes(&[0; 63]), None);
    }

    #[test]
    fn the_look_ahead_in_a_group_grows_with_what_was_seen() {
        let ahead: Vec<u32> = [0, 31, 32, 100, 200, 1000].into_iter().map(group_ahead_of).collect();
        assert_eq!(ahead, [64, 64, 96, 224, 416, 1216]);
    }

    #[test]
    fn the_two_directions_of_a_control_chain_differ() {
        let (a, b) = (DeviceId([1; 16]), DeviceId([2; 16]));
        assert_ne!(Link::control(&[9; 32], a, b), Link::control(&[9; 32], b, a));
    }

    #[test]
    fn the_look_ahead_ends_with_the_second_hundred_past_the_index() {
        assert_eq!((ahead_of(0), ahead_of(99), ahead_of(100), ahead_of(4999)), (300, 300, 400, 5200));
        assert!(ahead_of(u32::MAX) > u32::MAX - HUNDRED);
    }
}
