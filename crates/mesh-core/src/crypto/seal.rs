//! The outer seals: K1, a first contact, and K2, everything after. To a relay they look alike
//! (PROTOCOL.md section 3).
//!
//! ```text
//! body of a class = Noise message; its plaintext = length u16 | payload | zeros
//! ```
//! Both seals are bound to every immutable byte of the header; K1 also to the account and device that
//! it is meant for.

use super::cert::Cert;
use super::noise::{Pattern, builder};
use crate::rng::Rng;
use crate::wire::SizeClass;
use crate::wire::envelope::HEADER_LEN;
use core::fmt;
use zeroize::Zeroizing;

/// Bytes of a K1 body that are not payload: `e`, the sender's static key, two codes, the length.
pub const FIRST_OVERHEAD: usize = 32 + 48 + 16 + LENGTH;
/// Bytes of a K2 body that are not payload: `e`, a code, the length.
pub const SESSION_OVERHEAD: usize = 32 + 16 + LENGTH;
/// The one class of a first contact.
pub const FIRST_CLASS: SizeClass = SizeClass::B4096;

const LENGTH: usize = 2;
const FIRST_LABEL: &[u8] = b"starling/1 K1\0";
const SESSION_LABEL: &[u8] = b"starling/1 K2\0";

/// An envelope's immutable bytes before the body.
pub type Header = [u8; HEADER_LEN];

/// The payload is longer than its class takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got} bytes do not fit a body with room for {limit}")]
pub struct TooLong {
    /// The payload's length.
    pub got: usize,
    /// What the class takes.
    pub limit: usize,
}

/// What came of a K1 trial with one prekey.
#[derive(Clone, PartialEq, Eq)]
pub enum FirstOpened {
    /// Sealed to another prekey: found after one X25519, and no pre-shared key was tried.
    Foreign,
    /// Sealed to this prekey, but none of the pre-shared keys fits.
    NoKey,
    /// Opened.
    Opened {
        /// The sender's static key, authenticated.
        sender: [u8; 32],
        /// Which of the pre-shared keys fitted.
        psk: usize,
        /// What it held.
        payload: Zeroizing<Vec<u8>>,
    },
}

impl fmt::Debug for FirstOpened {
    /// Shows what came of it, never the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("Foreign"),
            Self::NoKey => f.write_str("NoKey"),
            Self::Opened { psk, payload, .. } => write!(f, "Opened(psk {psk}, {} B)", payload.len()),
        }
    }
}

/// The outer seals, behind a trait so that a simulation of very many nodes can go without the curve.
pub trait Sealer: Send + Sync + fmt::Debug {
    /// Seals a first contact to `prekey` of the device that `to` certifies; the body has [`FIRST_CLASS`].
    ///
    /// # Errors
    /// [`TooLong`].
    fn seal_first(&self, seal: &FirstSeal<'_>, payload: &[u8], rng: &mut Rng) -> Result<Vec<u8>, TooLong>;

    /// Tries `prekey` and then each of `psks`, in order.
    fn open_first(&self, open: &FirstOpen<'_>, psks: &[Zeroizing<[u8; 32]>]) -> FirstOpened;

    /// Seals under a one-time key into a body of `size`.
    ///
    /// # Errors
    /// [`TooLong`].
    fn seal(
        &self,
        header: &Header,
        psk: &[u8; 32],
        size: SizeClass,
        payload: &[u8],
        rng: &mut Rng,
    ) -> Result<Vec<u8>, TooLong>;

    /// Opens what [`Sealer::seal`] made; `None` where header, key or body differ in any bit.
    fn open(&self, header: &[u8], psk: &[u8; 32], body: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

/// What a first contact is sealed with.
#[derive(Clone, Copy)]
pub struct FirstSeal<'a> {
    /// The envelope's header.
    pub header: &'a Header,
    /// Our private static key.
    pub from: &'a [u8; 32],
    /// The device that it is meant for.
    pub to: &'a Cert,
    /// That device's prekey.
    pub prekey: &'a [u8; 32],
    /// From an invite, or the public constant.
    pub psk: &'a [u8; 32],
}

/// What a first contact is tried with.
#[derive(Clone, Copy)]
pub struct FirstOpen<'a> {
    /// The envelope's immutable bytes before the body.
    pub header: &'a [u8],
    /// The envelope's body.
    pub body: &'a [u8],
    /// This device.
    pub to: &'a Cert,
    /// One of our private prekeys.
    pub prekey: &'a [u8; 32],
}

impl fmt::Debug for FirstSeal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FirstSeal(..)")
    }
}

impl fmt::Debug for FirstOpen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FirstOpen(..)")
    }
}

/// The real seals: `Noise_Xpsk1` and `Noise_NNpsk0` by snow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise;

const BUILT: &str = "the patterns take these keys at these places";

impl Sealer for Noise {
    fn seal_first(&self, seal: &FirstSeal<'_>, payload: &[u8], rng: &mut Rng) -> Result<Vec<u8>, TooLong> {
        let padded = padded(payload, FIRST_CLASS.body_len() - FIRST_OVERHEAD)?;
        let prologue = first_prologue(seal.header, seal.to);
        let mut noise = builder(Pattern::FirstContact, rng.fork())
            .local_private_key(seal.from)
            .and_then(|b| b.remote_public_key(seal.prekey))
            .and_then(|b| b.psk(1, seal.psk))
            .and_then(|b| b.prologue(&prologue))
            .and_then(snow::Builder::build_initiator)
            .expect(BUILT);
        let mut body = vec![0; FIRST_CLASS.body_len()];
        let sealed = noise.write_message(&padded, &mut body);
        // Low-order prekeys are refused when an intro is verified, so the exchange cannot fail here.
        sealed.expect("a verified prekey contributes, and the padded payload fills the class exactly");
        Ok(body)
    }

    fn open_first(&self, open: &FirstOpen<'_>, psks: &[Zeroizing<[u8; 32]>]) -> FirstOpened {
        let prologue = first_prologue(open.header, open.to);
        let mut plain = Zeroizing::new(vec![0; open.body.len()]);
        for (i, psk) in psks.iter().enumerate() {
            // A reader draws no randomness.
            let mut noise = builder(Pattern::FirstContact, Rng::new([0; 32]))
                .local_private_key(open.prekey)
                .and_then(|b| b.psk(1, psk))
                .and_then(|b| b.prologue(&prologue))
                .and_then(snow::Builder::build_responder)
                .expect(BUILT);
            let read = noise.read_message(open.body, &mut plain);
            // `s` decrypts or fails before the pre-shared key is used.
            let sender: Option<[u8; 32]> = noise.get_remote_static().and_then(|s| s.try_into().ok());
            match (read, sender) {
                (_, None) => return FirstOpened::Foreign,
                (Ok(len), Some(sender)) => {
                    let Some(payload) = unpadded(&plain[..len]) else { return FirstOpened::NoKey };
                    return FirstOpened::Opened { sender, psk: i, payload };
                }
                (Err(_), Some(_)) => {}
            }
        }
        FirstOpened::NoKey
    }

    fn seal(
        &self,
        header: &Header,
        psk: &[u8; 32],
        size: SizeClass,
        payload: &[u8],
        rng: &mut Rng,
    ) -> Result<Vec<u8>, TooLong> {
        let padded = padded(payload, size.body_len() - SESSION_OVERHEAD)?;
        let prologue = session_prologue(header);
        let mut noise = builder(Pattern::Session, rng.fork())
            .psk(0, psk)
            .and_then(|b| b.prologue(&prologue))
            .and_then(snow::Builder::build_initiator)
            .expect(BUILT);
        let mut body = vec![0; size.body_len()];
        noise.write_message(&padded, &mut body).expect("the padded payload fills the class exactly");
        Ok(body)
    }

    fn open(&self, header: &[u8], psk: &[u8; 32], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let prologue = session_prologue(header);
        let mut noise = builder(Pattern::Session, Rng::new([0; 32]))
            .psk(0, psk)
            .and_then(|b| b.prologue(&prologue))
            .and_then(snow::Builder::build_responder)
            .expect(BUILT);
        let mut plain = Zeroizing::new(vec![0; body.len()]);
        let len = noise.read_message(body, &mut plain).ok()?;
        unpadded(&plain[..len])
    }
}

pub(super) fn first_prologue(header: &[u8], to: &Cert) -> Vec<u8> {
    [FIRST_LABEL, header, &to.account.0, &to.device.0].concat()
}

pub(super) fn session_prologue(header: &[u8]) -> Vec<u8> {
    [SESSION_LABEL, header].concat()
}

/// Length, payload and zeros: `limit` and [`LENGTH`] bytes.
pub(super) fn padded(payload: &[u8], limit: usize) -> Result<Zeroizing<Vec<u8>>, TooLong> {
    let too_long = TooLong { got: payload.len(), limit };
    let len = u16::try_from(payload.len()).map_err(|_| too_long)?;
    if payload.len() > limit {
        return Err(too_long);
    }
    let mut plain = Zeroizing::new(vec![0; LENGTH + limit]);
    plain[..LENGTH].copy_from_slice(&len.to_le_bytes());
    plain[LENGTH..LENGTH + payload.len()].copy_from_slice(payload);
    Ok(plain)
}

/// The payload; `None` where the length points outside or the padding is not zero.
pub(super) fn unpadded(plain: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (len, rest) = plain.split_first_chunk::<LENGTH>()?;
    let (payload, padding) = rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
    padding.iter().all(|byte| *byte == 0).then(|| Zeroizing::new(payload.to_vec()))
}

#[cfg(test)]
#[path = "seal_tests.rs"]
mod tests;
