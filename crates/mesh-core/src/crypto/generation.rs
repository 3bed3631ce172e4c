//! Generations: the keys that first contacts are sealed to, exchanged together.
//!
//! Noise prekey, Olm fallback key and KEM key of one generation are born, printed and destroyed
//! together, so that a first contact never opens outside and fails inside (PROTOCOL.md section 2).

use super::cert::{Bundle, Cert};
use super::device::DeviceSecret;
use super::dh::X25519Secret;
use super::kem::KemSecret;
use super::ratchet::{AccountState, Ratchet, RatchetError};
use super::signed::{SignatureError, Signed, Verified};
use crate::rng::Rng;
use crate::wire::codec;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

/// How long a generation is the newest, by this node's uptime: 7 days.
pub const ROTATE_AFTER: Duration = Duration::from_secs(7 * 86_400);
/// How many generations are kept: the newest and two before it, at least the longest lifetime of an
/// envelope (14 days).
pub const KEPT: usize = 3;
/// How many older ones live invites may hold on to; with [`KEPT`] the bound on prekeys that are tried.
pub const PINNED: usize = 3;

/// The private keys of one generation and its signed bundle.
#[derive(Debug)]
pub struct Generation {
    bundle: Verified<Bundle>,
    prekey: X25519Secret,
    olm: AccountState,
    kem: KemSecret,
}

impl Generation {
    /// Fresh keys around an Olm account state that was made for this generation.
    pub(super) fn new(
        rng: &mut Rng,
        ratchet: &dyn Ratchet,
        device: &DeviceSecret,
        cert: &Verified<Cert>,
        seq: u32,
        olm: AccountState,
    ) -> Result<Self, RatchetError> {
        let (prekey, kem) = (X25519Secret::generate(rng), KemSecret::generate(rng));
        let bundle = Bundle {
            cert_hash: cert.hash(),
            seq,
            prekey: prekey.public(),
            fallback: ratchet.account_keys(&olm)?.fallback,
            kem_hash: kem.key().hash(),
        };
        Ok(Self { bundle: device.bundle(bundle), prekey, olm, kem })
    }

    /// Its number, from 1.
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.bundle.seq
    }

    /// The public keys, signed.
    #[must_use]
    pub fn bundle(&self) -> &Verified<Bundle> {
        &self.bundle
    }

    /// The Noise prekey that first contacts are sealed to.
    #[must_use]
    pub fn prekey(&self) -> &X25519Secret {
        &self.prekey
    }

    /// The Olm account with this generation's fallback key; accepting does not change it.
    #[must_use]
    pub fn olm(&self) -> &AccountState {
        &self.olm
    }

    /// The decapsulation key.
    #[must_use]
    pub fn kem(&self) -> &KemSecret {
        &self.kem
    }

    /// Whether the private keys are those of the signed public ones.
    pub(super) fn is_whole(&self) -> bool {
        self.prekey.public() == self.bundle.prekey && self.kem.key().hash() == self.bundle.kem_hash
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let (d, z) = self.kem.seed().split_at(32);
        let stored = Stored {
            bundle: self.bundle.signed().clone(),
            prekey: *self.prekey.private(),
            kem: [copied(d), copied(z)],
            olm: self.olm.0.to_vec(),
        };
        Zeroizing::new(codec::encode(&stored))
    }

    pub(super) fn from_bytes(bytes: &[u8], device: &DeviceSecret) -> Result<Self, SignatureError> {
        let mut stored: Stored = codec::decode(bytes)?;
        let mut seed = [0; 64];
        seed[..32].copy_from_slice(&stored.kem[0]);
        seed[32..].copy_from_slice(&stored.kem[1]);
        let generation = Self {
            bundle: stored.bundle.open(&device.key().0)?,
            prekey: X25519Secret::from_private(stored.prekey),
            olm: AccountState(Zeroizing::new(core::mem::take(&mut stored.olm))),
            kem: KemSecret::from_seed(seed),
        };
        seed.zeroize();
        Ok(generation)
    }
}

fn copied(half: &[u8]) -> [u8; 32] {
    core::array::from_fn(|i| half[i])
}

/// How a generation lies in storage.
#[derive(Serialize, Deserialize)]
struct Stored {
    bundle: Signed<Bundle>,
    prekey: [u8; 32],
    kem: [[u8; 32]; 2],
    olm: Vec<u8>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.prekey.zeroize();
        self.kem.zeroize();
        self.olm.zeroize();
    }
}
