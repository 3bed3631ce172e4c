//! The account: one Ed25519 key that stands for a person and signs only certificates and device lists.

use super::cert::{Cert, DeviceList};
use super::signed::{Signed, Verified};
use crate::id::AccountId;
use crate::rng::Rng;
use core::fmt;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};

/// The public key of an account (Ed25519).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AccountKey(pub [u8; 32]);

impl AccountKey {
    /// The account's name: BLAKE3 of the key, the first 20 bytes (PROTOCOL.md section 2).
    #[must_use]
    pub fn id(&self) -> AccountId {
        let hash = blake3::hash(&self.0);
        AccountId(core::array::from_fn(|i| hash.as_bytes()[i]))
    }
}

impl fmt::Debug for AccountKey {
    /// Shows the id, shortened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccountKey of {:?}", self.id())
    }
}

/// The private key of an account; the library wipes it on drop.
pub struct AccountSecret(SigningKey);

impl AccountSecret {
    /// A fresh key.
    #[must_use]
    pub fn generate(rng: &mut Rng) -> Self {
        Self::from_seed(&rng.bytes())
    }

    /// The key with these private bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The private bytes.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The public key.
    #[must_use]
    pub fn key(&self) -> AccountKey {
        AccountKey(self.0.verifying_key().to_bytes())
    }

    /// Certifies a device of this account.
    #[must_use]
    pub fn certify(&self, cert: Cert) -> Verified<Cert> {
        Signed::by(&self.0, cert)
    }

    /// Signs the list of the account's devices.
    #[must_use]
    pub fn list(&self, list: DeviceList) -> Verified<DeviceList> {
        Signed::by(&self.0, list)
    }
}

impl fmt::Debug for AccountSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountSecret(..)")
    }
}
