//! A device of an account: its own signing key and its own static key for first contacts.

use super::cert::Bundle;
use super::dh::X25519Secret;
use super::signed::{Signable, Signed, Verified};
use crate::id::DeviceId;
use crate::rng::Rng;
use core::fmt;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

/// The public signing key of a device (Ed25519).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceKey(pub [u8; 32]);

impl DeviceKey {
    /// The device's name: BLAKE3 of the key, the first 16 bytes (PROTOCOL.md section 2).
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId(super::signed::hash16(&self.0))
    }
}

impl fmt::Debug for DeviceKey {
    /// Shows the id, shortened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey of {:?}", self.id())
    }
}

/// The long-lived private keys of a device; both are wiped on drop.
pub struct DeviceSecret {
    signing: SigningKey,
    noise: X25519Secret,
}

impl DeviceSecret {
    /// Fresh keys.
    #[must_use]
    pub fn generate(rng: &mut Rng) -> Self {
        Self::from_parts(&rng.bytes(), rng.bytes())
    }

    /// The keys with these private bytes.
    #[must_use]
    pub fn from_parts(signing_seed: &[u8; 32], noise: [u8; 32]) -> Self {
        Self { signing: SigningKey::from_bytes(signing_seed), noise: X25519Secret::from_private(noise) }
    }

    /// The private bytes of the signing key.
    #[must_use]
    pub fn signing_seed(&self) -> &[u8; 32] {
        self.signing.as_bytes()
    }

    /// The public signing key.
    #[must_use]
    pub fn key(&self) -> DeviceKey {
        DeviceKey(self.signing.verifying_key().to_bytes())
    }

    /// The static key that proves the sender of a first contact.
    #[must_use]
    pub fn noise(&self) -> &X25519Secret {
        &self.noise
    }

    /// Signs the public keys of a generation.
    #[must_use]
    pub fn bundle(&self, bundle: Bundle) -> Verified<Bundle> {
        self.sign(bundle)
    }

    /// Signs what a device says of its own; the type's label keeps it from serving for anything else.
    #[must_use]
    pub fn sign<T: Signable>(&self, value: T) -> Verified<T> {
        Signed::by(&self.signing, value)
    }
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signing: _, noise: _ } = self;
        f.write_str("DeviceSecret(..)")
    }
}
