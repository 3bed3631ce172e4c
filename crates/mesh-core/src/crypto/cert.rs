//! Who a device is and how it is reached first: certificate, device list, bundle, and the pair that
//! travels, the intro (PROTOCOL.md section 2).

use super::account::AccountKey;
use super::device::DeviceKey;
use super::dh::is_low_order;
use super::kem::KemKey;
use super::ratchet::AccountKeys;
use super::signed::{Signable, SignatureError, Signed, Verified};
use crate::id::{AccountId, DeviceId};
use serde::{Deserialize, Serialize};

/// The most devices of an account.
pub const MAX_DEVICES: usize = 5;

/// The account's word that a device is its own. One certificate stands alone, so that a link of an
/// account with five devices is no longer than that of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cert {
    /// Whose device; the certificate is signed by this key.
    pub account: AccountKey,
    /// The sequence number of the device list that first held this device.
    pub list_seq: u32,
    /// The device's signing key.
    pub device: DeviceKey,
    /// X25519: the static key that proves the sender of a first contact.
    pub noise: [u8; 32],
    /// Curve25519: the identity key of the device's Olm account.
    pub olm: [u8; 32],
}

impl Signable for Cert {
    const LABEL: &'static str = "starling/1 cert";
}

/// Which devices an account has; the highest sequence number wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceList {
    /// Counts up with every change, from 1.
    pub seq: u32,
    /// [`Signed::hash`] of each certificate, 1 to [`MAX_DEVICES`].
    pub certs: Vec<[u8; 16]>,
}

impl Signable for DeviceList {
    const LABEL: &'static str = "starling/1 devices";
}

/// The public keys of one generation of a device, signed by the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// [`Signed::hash`] of the device's certificate.
    pub cert_hash: [u8; 16],
    /// Counts up with every generation, from 1.
    pub seq: u32,
    /// X25519: a first contact is sealed to it.
    pub prekey: [u8; 32],
    /// Curve25519: the Olm fallback key.
    pub fallback: [u8; 32],
    /// [`KemKey::hash`]; the key itself, 1,184 bytes, travels only inside seals.
    pub kem_hash: [u8; 16],
}

impl Signable for Bundle {
    const LABEL: &'static str = "starling/1 bundle";
}

/// Why an intro or a device list is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntroError {
    /// A signature or the form of what it covers.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The bundle was made for another certificate.
    #[error("the bundle belongs to another certificate")]
    OtherCert,
    /// A key with which no secret can be shared.
    #[error("the {key} key is of low order")]
    LowOrder {
        /// Which.
        key: &'static str,
    },
    /// The KEM key is not the one that the bundle promises.
    #[error("the KEM key is not the one that was signed")]
    KemKey,
    /// A device list without devices, with too many, or with one twice.
    #[error("a device list holds 1 to {MAX_DEVICES} different devices, not {got}")]
    Devices {
        /// How many it holds.
        got: usize,
    },
    /// Compared with the intro of another device.
    #[error("the intro is another device's")]
    OtherDevice,
    /// Older than what is known, or a second one under the same number.
    #[error("number {got} does not come after the known {known}")]
    Rollback {
        /// The highest number seen.
        known: u32,
        /// The number offered.
        got: u32,
    },
}

/// A certificate and a bundle, as they travel; nothing in it is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intro {
    /// Signed by the account.
    pub cert: Signed<Cert>,
    /// Signed by the device.
    pub bundle: Signed<Bundle>,
}

impl Intro {
    /// Verifies the certificate with the account key in it, the bundle with the device key in the
    /// certificate, that one names the other, and that secrets can be shared with every key.
    ///
    /// Whether the account is the expected one is the caller's question.
    ///
    /// # Errors
    /// On the first of these that fails.
    pub fn verify(&self) -> Result<VerifiedIntro, IntroError> {
        let claimed = self.cert.claim().map_err(SignatureError::from)?;
        let cert = self.cert.open(&claimed.account.0)?;
        let bundle = self.bundle.open(&cert.device.0)?;
        if bundle.cert_hash != cert.hash() {
            return Err(IntroError::OtherCert);
        }
        let intro = VerifiedIntro { cert, bundle };
        match intro.points().into_iter().find(|(_, point)| is_low_order(point)) {
            Some((key, _)) => Err(IntroError::LowOrder { key }),
            None => Ok(intro),
        }
    }
}

/// An intro whose every signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedIntro {
    cert: Verified<Cert>,
    bundle: Verified<Bundle>,
}

impl VerifiedIntro {
    /// An intro of our own making.
    pub(super) fn own(cert: Verified<Cert>, bundle: Verified<Bundle>) -> Self {
        Self { cert, bundle }
    }

    /// The certificate.
    #[must_use]
    pub fn cert(&self) -> &Verified<Cert> {
        &self.cert
    }

    /// The bundle.
    #[must_use]
    pub fn bundle(&self) -> &Verified<Bundle> {
        &self.bundle
    }

    /// Whose device.
    #[must_use]
    pub fn account(&self) -> AccountKey {
        self.cert.account
    }

    /// The account's name.
    #[must_use]
    pub fn account_id(&self) -> AccountId {
        self.cert.account.id()
    }

    /// The device's name.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        self.cert.device.id()
    }

    /// The keys with which Olm begins a session towards the device.
    #[must_use]
    pub fn olm_keys(&self) -> AccountKeys {
        AccountKeys { identity: self.cert.olm, fallback: self.bundle.fallback }
    }

    /// The pair as it travels.
    #[must_use]
    pub fn to_intro(&self) -> Intro {
        Intro { cert: self.cert.signed().clone(), bundle: self.bundle.signed().clone() }
    }

    /// Whether this intro takes the place of `known`, the newest one seen of the same device:
    /// `Ok(false)` where it is the same one.
    ///
    /// # Errors
    /// [`IntroError::Rollback`] where its numbers are lower, or a different bundle bears the same
    /// number; [`IntroError::OtherDevice`] where the two do not compare.
    pub fn replaces(&self, known: &Self) -> Result<bool, IntroError> {
        if self.cert.account != known.cert.account || self.cert.device != known.cert.device {
            return Err(IntroError::OtherDevice);
        }
        if self.cert.list_seq < known.cert.list_seq {
            return Err(IntroError::Rollback { known: known.cert.list_seq, got: self.cert.list_seq });
        }
        let rollback = IntroError::Rollback { known: known.bundle.seq, got: self.bundle.seq };
        if self.bundle.seq > known.bundle.seq {
            return Ok(true);
        }
        if *self == *known { Ok(false) } else { Err(rollback) }
    }

    fn points(&self) -> [(&'static str, [u8; 32]); 4] {
        let Self { cert, bundle } = self;
        [("Noise", cert.noise), ("Olm", cert.olm), ("pre", bundle.prekey), ("fallback", bundle.fallback)]
    }

    /// Accepts a KEM key that came beside the bundle.
    ///
    /// # Errors
    /// [`IntroError::KemKey`] where it is not the signed one: exchanged, or of another generation.
    pub fn check_kem(&self, key: &KemKey) -> Result<(), IntroError> {
        if key.hash() == self.bundle.kem_hash { Ok(()) } else { Err(IntroError::KemKey) }
    }
}

impl DeviceList {
    /// Verifies a list with the key of the account that it is said to be of.
    ///
    /// # Errors
    /// Where the signature does not fit or the list is empty, too long, or names a device twice.
    pub fn verify(signed: &Signed<Self>, account: AccountKey) -> Result<Verified<Self>, IntroError> {
        let list = signed.open(&account.0)?;
        let twice = list.certs.iter().enumerate().any(|(i, cert)| list.certs[..i].contains(cert));
        if list.certs.is_empty() || list.certs.len() > MAX_DEVICES || twice {
            return Err(IntroError::Devices { got: list.certs.len() });
        }
        Ok(list)
    }

    /// Whether the list holds the device with this certificate.
    #[must_use]
    pub fn holds(&self, cert: &Verified<Cert>) -> bool {
        self.certs.contains(&cert.hash())
    }
}

#[cfg(test)]
#[path = "cert_tests.rs"]
mod tests;
