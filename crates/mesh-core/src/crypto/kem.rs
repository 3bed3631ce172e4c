//! ML-KEM-768 (FIPS 203): the half of a secret that outlives quantum computers.
//!
//! Key and ciphertext travel only inside seals. The result never stands alone: it is mixed with what
//! X25519 and the invite give (PROTOCOL.md section 5).

use super::kdf::kdf8;
use crate::rng::Rng;
use core::fmt;
use ml_kem::array::Array;
use ml_kem::{Decapsulate, DecapsulationKey, Encapsulate, EncapsulationKey, KeyExport, MlKem768};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes of an encapsulation key.
pub const KEM_KEY_LEN: usize = 1184;
/// Bytes of a ciphertext.
pub const KEM_CIPHERTEXT_LEN: usize = 1088;

/// A key or ciphertext that ML-KEM-768 does not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KemError {
    /// Another length.
    #[error("a KEM {what} has {expected} bytes, not {got}")]
    Length {
        /// Key or ciphertext.
        what: &'static str,
        /// The right length.
        expected: usize,
        /// The length received.
        got: usize,
    },
    /// A coefficient beyond the modulus.
    #[error("the KEM key is not in its canonical encoding")]
    NotCanonical,
}

/// A shared secret; wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub struct KemShared(Zeroizing<[u8; 32]>);

impl KemShared {
    /// The secret from stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for KemShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemShared(..)")
    }
}

/// How both ends name a shared secret: `KDF("kem id", ciphertext)`, the first 8 bytes.
#[must_use]
pub fn kem_id(ciphertext: &[u8]) -> [u8; 8] {
    kdf8("kem id", &[ciphertext])
}

/// An encapsulation key; encoded as its length and 1,184 bytes, and valid.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct KemKey(Vec<u8>);

impl KemKey {
    /// The key in `bytes`.
    ///
    /// # Errors
    /// Where the length is wrong or a coefficient is not reduced.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, KemError> {
        parse(&bytes)?;
        Ok(Self(bytes))
    }

    /// The 1,184 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// BLAKE3 of the key, the first 16 bytes: what a bundle promises.
    #[must_use]
    pub fn hash(&self) -> [u8; 16] {
        super::signed::hash16(&self.0)
    }

    /// A fresh secret for the holder of the private half, and the ciphertext that carries it.
    ///
    /// # Panics
    /// Never: the key was parsed when it was made.
    #[must_use]
    pub fn encapsulate(&self, rng: &mut Rng) -> (Vec<u8>, KemShared) {
        let key = parse(&self.0).expect("a KemKey holds a valid key");
        let (ciphertext, shared) = key.encapsulate_with_rng(&mut ChaCha20Rng::from_seed(rng.bytes()));
        (ciphertext.to_vec(), KemShared::from_bytes(shared.into()))
    }
}

fn parse(bytes: &[u8]) -> Result<EncapsulationKey<MlKem768>, KemError> {
    let length = KemError::Length { what: "key", expected: KEM_KEY_LEN, got: bytes.len() };
    let array = Array::try_from(bytes).map_err(|_| length)?;
    EncapsulationKey::new(&array).map_err(|_| KemError::NotCanonical)
}

impl TryFrom<Vec<u8>> for KemKey {
    type Error = KemError;
    fn try_from(bytes: Vec<u8>) -> Result<Self, KemError> {
        Self::from_bytes(bytes)
    }
}

impl From<KemKey> for Vec<u8> {
    fn from(key: KemKey) -> Self {
        key.0
    }
}

impl fmt::Debug for KemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KemKey({} B)", self.0.len())
    }
}

/// A decapsulation key as its 64-byte seed: expanded where it is used (60 us), because six expanded
/// ones would take a third of an idle node's memory.
#[derive(Clone)]
pub struct KemSecret(Zeroizing<[u8; 64]>);

impl KemSecret {
    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut Rng) -> Self {
        Self::from_seed(rng.bytes())
    }

    /// The key with this seed (d, z of FIPS 203).
    #[must_use]
    pub fn from_seed(seed: [u8; 64]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> &[u8; 64] {
        &self.0
    }

    /// The public half.
    #[must_use]
    pub fn key(&self) -> KemKey {
        KemKey(self.expanded().encapsulation_key().to_bytes().to_vec())
    }

    /// The secret that `ciphertext` carries. A ciphertext for another key gives another secret, not
    /// an error: what is sealed with it then does not open.
    ///
    /// # Errors
    /// Where the length is wrong.
    pub fn decapsulate(&self, ciphertext: &[u8]) -> Result<KemShared, KemError> {
        let got = ciphertext.len();
        let length = KemError::Length { what: "ciphertext", expected: KEM_CIPHERTEXT_LEN, got };
        let array = Array::try_from(ciphertext).map_err(|_| length)?;
        Ok(KemShared::from_bytes(self.expanded().decapsulate(&array).into()))
    }

    fn expanded(&self) -> DecapsulationKey<MlKem768> {
        DecapsulationKey::from_seed(Array::from(*self.0))
    }
}

impl fmt::Debug for KemSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KemSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::codec;

    fn secret(seed: u8) -> KemSecret {
        KemSecret::generate(&mut Rng::new([seed; 32]))
    }

    #[test]
    fn both_ends_get_the_same_secret() {
        let (ciphertext, shared) = secret(1).key().encapsulate(&mut Rng::new([2; 32]));
        assert_eq!(ciphertext.len(), KEM_CIPHERTEXT_LEN);
        assert_eq!(secret(1).decapsulate(&ciphertext), Ok(shared));
    }

    #[test]
    fn the_same_chance_gives_the_same_ciphertext() {
        let key = secret(1).key();
        let (a, b) = (key.encapsulate(&mut Rng::new([2; 32])), key.encapsulate(&mut Rng::new([2; 32])));
        assert_eq!(a, b);
        assert_ne!(a.0, key.encapsulate(&mut Rng::new([3; 32])).0);
    }

    #[test]
    fn another_key_gets_another_secret() {
        let (ciphertext, shared) = secret(1).key().encapsulate(&mut Rng::new([2; 32]));
        assert_ne!(secret(9).decapsulate(&ciphertext), Ok(shared));
    }

    #[test]
    fn a_key_takes_1187_bytes_in_a_payload_and_comes_back() {
        let bytes = codec::encode(&secret(1).key());
        assert_eq!(bytes.len(), 1187);
        assert_eq!(codec::decode::<KemKey>(&bytes), Ok(secret(1).key()));
    }

    #[test]
    fn keys_and_ciphertexts_of_other_lengths_or_with_unreduced_coefficients_are_refused() {
        let short = KemKey::from_bytes(vec![0; 1183]);
        assert_eq!(short, Err(KemError::Length { what: "key", expected: 1184, got: 1183 }));
        assert_eq!(KemKey::from_bytes(vec![0xff; 1184]), Err(KemError::NotCanonical));
        assert!(secret(1).decapsulate(&[0; 1087]).is_err());
    }

    #[test]
    fn golden_key_and_secret() {
        let key = secret(1).key();
        let (ciphertext, shared) = key.encapsulate(&mut Rng::new([2; 32]));
        let seen = [&key.hash()[..], &kem_id(&ciphertext), &shared.bytes()[..8]].concat();
        assert_eq!(
            data_encoding::HEXLOWER.encode(&seen),
            "ded3129543f51c8aba9440ac2bbb632528fbacf4b78c2862f0442cbb1e1f7a5e"
        );
    }
}
