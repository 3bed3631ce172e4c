//! Key shares: what lets a device read a sender session, and the hybrid wrap around them.

use super::chain::Link;
use crate::crypto::kdf;
use crate::crypto::ratchet::{EXPORT_LEN, Export};
use crate::id::GroupId;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use core::fmt;
use zeroize::Zeroizing;

const HAS_ENDED: u8 = 1;
const HAS_SEED: u8 = 2;
const HAS_NEXT: u8 = 4;
const HAS_GROUP: u8 = 8;

/// The name of a KEM secret; zeros where there is none.
pub(super) type KemId = [u8; 8];
/// A KEM secret; zeros where there is none.
pub(super) type KemSecret = [u8; 32];

/// The plaintext of the Olm message in a share (PROTOCOL.md section 6).
///
/// ```text
/// flags 1 | Megolm export 165 | chain value 32 | [ended: name 4, index 4] | [reply seed 32] | [next index 4] | [group 20]
/// ```
/// With `ended` alone it has 206 bytes: one more block of the cipher would not fit beside a text of
/// 100 bytes in class 576.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Share {
    /// The Megolm session at the first index that the reader may open.
    pub(super) export: Export,
    /// The chain at the same index.
    pub(super) link: Link,
    /// An earlier session of the same writer that nothing follows any more: the first bytes of its
    /// name, and the index that it ends before.
    pub(super) ended: Option<([u8; 4], u32)>,
    /// A seed for new control chains.
    pub(super) seed: Option<[u8; 32]>,
    /// The writer's next index, where no Megolm message beside the share tells it.
    pub(super) next: Option<u32>,
    /// The group that the session is written for; none where it is written for the reader's account alone.
    pub(super) group: Option<GroupId>,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(..)")
    }
}

impl Share {
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.ended.is_some(), HAS_ENDED)
            | flag(self.seed.is_some(), HAS_SEED)
            | flag(self.next.is_some(), HAS_NEXT)
            | flag(self.group.is_some(), HAS_GROUP);
        let mut bytes = Vec::with_capacity(280);
        bytes.push(flags);
        bytes.extend_from_slice(&self.export);
        bytes.extend_from_slice(&self.link.0[..]);
        if let Some((name, index)) = self.ended {
            bytes.extend_from_slice(&name);
            bytes.extend_from_slice(&index.to_le_bytes());
        }
        if let Some(seed) = &self.seed {
            bytes.extend_from_slice(seed);
        }
        if let Some(next) = self.next {
            bytes.extend_from_slice(&next.to_le_bytes());
        }
        if let Some(group) = self.group {
            bytes.extend_from_slice(&group.0);
        }
        Zeroizing::new(bytes)
    }

    /// Reads a share from the start of `bytes` and returns what follows it.
    pub(super) fn from_prefix(mut bytes: &[u8]) -> Option<(Self, &[u8])> {
        let [flags] = take::<1>(&mut bytes)?;
        if flags & !(HAS_ENDED | HAS_SEED | HAS_NEXT | HAS_GROUP) != 0 {
            return None;
        }
        let export = take::<EXPORT_LEN>(&mut bytes)?;
        let link = Link::new(take(&mut bytes)?);
        let mut share = Self { export, link, ended: None, seed: None, next: None, group: None };
        if flags & HAS_ENDED != 0 {
            share.ended = Some((take(&mut bytes)?, u32::from_le_bytes(take(&mut bytes)?)));
        }
        if flags & HAS_SEED != 0 {
            share.seed = Some(take(&mut bytes)?);
        }
        if flags & HAS_NEXT != 0 {
            share.next = Some(u32::from_le_bytes(take(&mut bytes)?));
        }
        if flags & HAS_GROUP != 0 {
            share.group = Some(GroupId(take(&mut bytes)?));
        }
        Some((share, bytes))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk::<N>()?;
    *bytes = tail;
    Some(*head)
}

/// Everything that the key around one share follows from.
pub(super) struct Wrap<'a> {
    /// The signing keys of the writing and of the reading device.
    pub(super) from: &'a [u8; 32],
    pub(super) to: &'a [u8; 32],
    /// The pre-shared key of the first contact that began the Olm session.
    pub(super) psk: &'a [u8; 32],
    /// The secret that the writer encapsulated to the reader, and the one of the other direction.
    pub(super) outward: (&'a KemId, &'a KemSecret),
    pub(super) inward: (&'a KemId, &'a KemSecret),
    /// Random, for this share alone: the key is used once, so the nonce may stand still.
    pub(super) share_id: &'a [u8; 8],
}

impl Wrap<'_> {
    fn key(&self) -> Zeroizing<[u8; 32]> {
        let (out_id, out_secret) = self.outward;
        let (in_id, in_secret) = self.inward;
        let parts: [&[u8]; 8] =
            [self.from, self.to, self.psk, out_id, out_secret, in_id, in_secret, self.share_id];
        Zeroizing::new(kdf("share wrap", &parts))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key()).into())
    }

    /// Seals an Olm message under the envelope's header; 16 bytes longer.
    pub(super) fn seal(&self, header: &[u8], olm: &[u8]) -> Vec<u8> {
        self.cipher()
            .encrypt(&XNonce::default(), Payload { msg: olm, aad: header })
            .expect("an Olm message of a few kB is far below the cipher's limit")
    }

    /// Opens what [`Wrap::seal`] made; `None` where any part differs.
    pub(super) fn open(&self, header: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
        self.cipher().decrypt(&XNonce::default(), Payload { msg: wrapped, aad: header }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    fn share(ended: bool, seed: bool, next: bool, group: bool) -> Share {
        Share {
            export: [4; EXPORT_LEN],
            link: Link::new([5; 32]),
            ended: ended.then_some(([6; 4], 7)),
            seed: seed.then_some([8; 32]),
            next: next.then_some(9),
            group: group.then_some(GroupId([10; 20])),
        }
    }

    fn wrap<'a>(share_id: &'a [u8; 8], psk: &'a [u8; 32]) -> Wrap<'a> {
        let outward = (&[4; 8], &[5; 32]);
        Wrap { from: &[1; 32], to: &[2; 32], psk, outward, inward: (&[6; 8], &[7; 32]), share_id }
    }

    #[test]
    fn every_form_of_a_share_comes_back() {
        for bits in 0..16u8 {
            let share = share(bits & 1 != 0, bits & 2 != 0, bits & 4 != 0, bits & 8 != 0);
            let mut bytes = share.to_bytes().to_vec();
            bytes.push(77);
            assert_eq!(Share::from_prefix(&bytes), Some((share, &[77u8][..])));
        }
    }

    #[test]
    fn golden_share_layout() {
        let bytes = share(true, false, false, false).to_bytes();
        assert_eq!((bytes.len(), bytes[0]), (206, 1));
        assert_eq!(bytes[166..198], [5; 32]);
        assert_eq!(bytes[198..], [6, 6, 6, 6, 7, 0, 0, 0]);
        let bytes = share(false, false, true, true).to_bytes();
        assert_eq!((bytes.len(), bytes[0]), (222, 12));
        assert_eq!(bytes[198..202], [9, 0, 0, 0]);
        assert_eq!(bytes[202..], [10; 20]);
    }

    #[test]
    fn golden_wrap_key() {
        let key = wrap(&[3; 8], &[9; 32]).key();
        assert_eq!(HEXLOWER.encode(&key[..]), GOLDEN_WRAP);
    }

    // Computed by an independent implementation.
    const GOLDEN_WRAP: &str = "9f4c3cf5b5659fc3fa7046f6b4f270af3701dc0bfe0ebb8ee0f65dbf117e6f44";

    #[test]
    fn a_wrap_opens_only_under_the_same_header_and_secrets() {
        let sealed = wrap(&[3; 8], &[9; 32]).seal(b"header", b"olm");
        assert_eq!(wrap(&[3; 8], &[9; 32]).open(b"header", &sealed), Some(b"olm".to_vec()));
        assert_eq!(wrap(&[3; 8], &[9; 32]).open(b"Header", &sealed), None);
        assert_eq!(wrap(&[4; 8], &[9; 32]).open(b"header", &sealed), None);
        assert_eq!(wrap(&[3; 8], &[8; 32]).open(b"header", &sealed), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_share_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some((share, rest)) = Share::from_prefix(&bytes) {
                let mut again = share.to_bytes().to_vec();
                again.extend_from_slice(rest);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
