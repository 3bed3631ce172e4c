//! Olm and Megolm behind one trait, so that a simulation can be repeated from its seed.
//!
//! [`Vodozemac`] is what runs in the product; it draws its randomness from the operating system and
//! takes no generator. [`Fake`] is a seeded model with the same limits (40 skipped keys in a chain, a
//! gap of 2,000, 5 receiving chains, a replayed pre-key message accepted): it hides nothing and is for
//! worlds whose trace hash must follow from a seed. The rest of the crate cannot tell them apart.
//!
//! States of accounts and Olm sessions are bytes: they are used rarely and stored after each use.
//! Megolm states are objects, because a message in each direction must not pay for a parse.

mod fake;
mod vodozemac;

pub use self::vodozemac::Vodozemac;
pub use fake::Fake;

use crate::rng::Rng;
use core::fmt;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Bytes of a Megolm session exported at one index: version, index, ratchet, public key.
pub const EXPORT_LEN: usize = 165;
/// A Megolm session as it travels in a key share (PROTOCOL.md section 6).
pub type Export = [u8; EXPORT_LEN];
/// The name of an Olm session; both ends compute the same one.
pub type OlmId = [u8; 32];

/// The private state of one generation of an Olm account, serialized.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<u8>", into = "Vec<u8>")]
pub struct AccountState(pub Zeroizing<Vec<u8>>);

/// The private state of one Olm session, serialized.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<u8>", into = "Vec<u8>")]
pub struct OlmState(pub Zeroizing<Vec<u8>>);

macro_rules! from_bytes {
    ($($name:ident),*) => {$(
        impl From<Vec<u8>> for $name {
            fn from(bytes: Vec<u8>) -> Self {
                Self(Zeroizing::new(bytes))
            }
        }

        impl From<$name> for Vec<u8> {
            fn from(state: $name) -> Self {
                state.0.to_vec()
            }
        }
    )*};
}
from_bytes!(AccountState, OlmState);

impl fmt::Debug for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountState(..)")
    }
}

impl fmt::Debug for OlmState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OlmState(..)")
    }
}

/// The public keys of one generation of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountKeys {
    /// Curve25519, the same in every generation.
    pub identity: [u8; 32],
    /// Curve25519, this generation's.
    pub fallback: [u8; 32],
}

/// A Megolm message that was opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Decrypted {
    /// Its place in the session; authenticated.
    pub index: u32,
    /// What it held.
    pub plaintext: Vec<u8>,
}

impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Decrypted(#{}, {} B)", self.index, self.plaintext.len())
    }
}

/// Why a ratchet refused. No content, no remote bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RatchetError {
    /// The stored state is not one of this implementation's.
    #[error("a stored {what} does not parse")]
    State {
        /// Which kind of state.
        what: &'static str,
    },
    /// A remote key or message has not the right form.
    #[error("a {what} is malformed")]
    Malformed {
        /// Which kind of thing.
        what: &'static str,
    },
    /// The message does not open: forged, replayed, too old, or for another key.
    #[error("a {what} does not open")]
    Refused {
        /// Which kind of thing.
        what: &'static str,
    },
}

/// Olm and Megolm. Every method that needs chance takes the caller's generator; an implementation
/// over a library with its own generator ignores it.
pub trait Ratchet: Send + Sync + fmt::Debug {
    /// A new account with its first fallback key.
    fn account_new(&self, rng: &mut Rng) -> AccountState;

    /// The next generation: the same identity key and a fresh fallback key. The new state cannot
    /// accept messages for the old fallback key; the old state goes on doing so for as long as it is kept.
    ///
    /// # Errors
    /// Where `account` does not parse.
    fn account_next(&self, account: &AccountState, rng: &mut Rng) -> Result<AccountState, RatchetError>;

    /// The public keys of this generation.
    ///
    /// # Errors
    /// Where `account` does not parse.
    fn account_keys(&self, account: &AccountState) -> Result<AccountKeys, RatchetError>;

    /// Begins an Olm session towards a device: its messages are pre-key messages until something was received.
    ///
    /// # Errors
    /// Where `account` does not parse or a remote key is of low order.
    fn olm_start(
        &self,
        account: &AccountState,
        their: AccountKeys,
        rng: &mut Rng,
    ) -> Result<OlmState, RatchetError>;

    /// Accepts a pre-key message that names one of this generation's keys. The library accepts a
    /// replay as well: the caller looks up [`Ratchet::olm_session_of`] first.
    ///
    /// # Errors
    /// Where the message names another key, another sender's identity, or does not open.
    fn olm_accept(
        &self,
        account: &AccountState,
        their_identity: [u8; 32],
        message: &[u8],
    ) -> Result<(OlmState, Vec<u8>), RatchetError>;

    /// The session that a pre-key message belongs to; `None` for other messages.
    fn olm_session_of(&self, message: &[u8]) -> Option<OlmId>;

    /// The name of a session.
    ///
    /// # Errors
    /// Where `session` does not parse.
    fn olm_id(&self, session: &OlmState) -> Result<OlmId, RatchetError>;

    /// Encrypts and moves `session` on.
    ///
    /// # Errors
    /// Where `session` does not parse or the DH would not contribute.
    fn olm_encrypt(
        &self,
        session: &mut OlmState,
        plaintext: &[u8],
        rng: &mut Rng,
    ) -> Result<Vec<u8>, RatchetError>;

    /// Decrypts and moves `session` on; a failure leaves it as it was.
    ///
    /// # Errors
    /// Where the message is forged, replayed, or out of the window (40 skipped keys of a chain, a gap
    /// of 2,000, 5 chains).
    fn olm_decrypt(&self, session: &mut OlmState, message: &[u8]) -> Result<Vec<u8>, RatchetError>;

    /// A new Megolm session for writing, at index 0.
    fn megolm_new(&self, rng: &mut Rng) -> Box<dyn MegolmWriter>;

    /// The writer from [`MegolmWriter::to_bytes`].
    ///
    /// # Errors
    /// Where `bytes` do not parse.
    fn megolm_writer(&self, bytes: &[u8]) -> Result<Box<dyn MegolmWriter>, RatchetError>;

    /// A reader that begins at the export's index.
    ///
    /// # Errors
    /// Where the export is malformed.
    fn megolm_import(&self, export: &Export) -> Result<Box<dyn MegolmReader>, RatchetError>;
}

/// A Megolm session that writes.
pub trait MegolmWriter: Send + Sync + fmt::Debug {
    /// Encrypts at [`MegolmWriter::index`] and steps.
    fn encrypt(&mut self, plaintext: &[u8]) -> Vec<u8>;

    /// The index of the next message.
    fn index(&self) -> u32;

    /// What opens every message from [`MegolmWriter::index`] on.
    fn export(&self) -> Export;

    /// The private state.
    fn to_bytes(&self) -> Zeroizing<Vec<u8>>;
}

/// A Megolm session that reads. Messages open in any order, and again: one-time use is the caller's.
pub trait MegolmReader: Send + Sync + fmt::Debug {
    /// Opens a message at or after the first index.
    ///
    /// # Errors
    /// Where it is forged, of another session, or before the first index.
    fn decrypt(&mut self, message: &[u8]) -> Result<Decrypted, RatchetError>;

    /// The lowest index that still opens.
    fn first_index(&self) -> u32;

    /// What opens every message from `index` on, `None` where that is before the first.
    fn export_at(&mut self, index: u32) -> Option<Export>;
}

/// Bytes that a Megolm message adds to a plaintext of `len` bytes: version and index, key and length
/// bytes, padding to the cipher's block, authentication code and signature.
#[must_use]
pub fn megolm_len(index: u32, len: usize) -> usize {
    let ciphertext = (len / 16 + 1) * 16;
    1 + 1 + varint_len(u64::from(index)) + 1 + varint_len(ciphertext as u64) + ciphertext + 8 + 64
}

/// The length of an Olm message of `len` bytes of plaintext, with the byte that names its kind; a
/// pre-key message carries three more keys.
#[must_use]
pub fn olm_len(prekey: bool, index: u32, len: usize) -> usize {
    let ciphertext = (len / 16 + 1) * 16;
    let inner =
        1 + 34 + 1 + varint_len(u64::from(index)) + 1 + varint_len(ciphertext as u64) + ciphertext + 8;
    if prekey { 1 + 1 + 3 * 34 + 1 + varint_len(inner as u64) + inner } else { 1 + inner }
}

fn varint_len(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
