//! Seals for simulations of very many nodes: the sizes, bindings and refusals of the real ones, and no secrecy.

use super::cert::Cert;
use super::dh::X25519Secret;
use super::seal::{
    FIRST_CLASS, FIRST_OVERHEAD, FirstOpen, FirstOpened, FirstSeal, Header, SESSION_OVERHEAD, Sealer,
    TooLong, first_prologue, padded, session_prologue, unpadded,
};
use crate::rng::Rng;
use crate::wire::SizeClass;
use zeroize::Zeroizing;

const RANDOM: usize = 32;
const KEY: usize = 32;
const CODE: usize = 16;
/// Before the padded payload of a first contact: the addressee's code, the sender's key, two codes.
const FIRST_HEAD: usize = RANDOM + KEY + 2 * CODE;

/// Seals that hide nothing: one keyed hash instead of the curve. The simulator takes it for worlds that are too
/// large for the real ones; the program never makes one.
///
/// It keeps what the rest of the core can notice. Bodies have the same length and differ each time; an envelope
/// opens under its key only, and not where any bit of header or body changed; a first contact to somebody else is
/// [`FirstOpened::Foreign`], one under an unknown invite is [`FirstOpened::NoKey`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Cheap;

impl Sealer for Cheap {
    fn seal_first(&self, seal: &FirstSeal<'_>, payload: &[u8], _rng: &mut Rng) -> Result<Vec<u8>, TooLong> {
        let padded = padded(payload, FIRST_CLASS.body_len() - FIRST_OVERHEAD)?;
        let prologue = first_prologue(seal.header, seal.to);
        let sender = X25519Secret::from_private(*seal.from).public();
        let mut body = Vec::with_capacity(FIRST_CLASS.body_len());
        body.extend_from_slice(&addressee(seal.prekey, seal.to));
        body.extend_from_slice(&sender);
        let outer = code(seal.prekey, &[&prologue, &body]);
        body.extend_from_slice(&outer);
        let inner = code(seal.psk, &[&prologue, &body, &padded]);
        body.extend_from_slice(&inner);
        body.extend_from_slice(&padded);
        Ok(body)
    }

    fn open_first(&self, open: &FirstOpen<'_>, psks: &[Zeroizing<[u8; 32]>]) -> FirstOpened {
        let Some((head, padded)) = open.body.split_at_checked(FIRST_HEAD) else {
            return FirstOpened::Foreign;
        };
        let prologue = first_prologue(open.header, open.to);
        let prekey = X25519Secret::from_private(*open.prekey).public();
        let (keys, codes) = head.split_at(RANDOM + KEY);
        let (outer, inner) = codes.split_at(CODE);
        let to_us = keys[..RANDOM] == addressee(&prekey, open.to);
        if !to_us || *outer != code(&prekey, &[&prologue, keys]) {
            return FirstOpened::Foreign;
        }
        let said = [keys, outer].concat();
        let fits = |psk: &Zeroizing<[u8; 32]>| *inner == code(psk, &[&prologue, &said, padded]);
        let Some(psk) = psks.iter().position(fits) else { return FirstOpened::NoKey };
        let mut sender = [0; KEY];
        sender.copy_from_slice(&keys[RANDOM..]);
        match unpadded(padded) {
            Some(payload) => FirstOpened::Opened { sender, psk, payload },
            None => FirstOpened::NoKey,
        }
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
        let random: [u8; RANDOM] = rng.bytes();
        let code = code(psk, &[&session_prologue(header), &random, &padded]);
        Ok([&random[..], &code, &padded].concat())
    }

    fn open(&self, header: &[u8], psk: &[u8; 32], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (random, rest) = body.split_at_checked(RANDOM)?;
        let (said, padded) = rest.split_at_checked(CODE)?;
        if *said != code(psk, &[&session_prologue(header), random, padded]) {
            return None;
        }
        unpadded(padded)
    }
}

/// What tells a device that a first contact may be for it.
fn addressee(prekey: &[u8; 32], to: &Cert) -> [u8; RANDOM] {
    *blake3::keyed_hash(prekey, &to.device.0).as_bytes()
}

fn code(key: &[u8; 32], parts: &[&[u8]]) -> [u8; CODE] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in parts {
        hasher.update(part);
    }
    let mut code = [0; CODE];
    code.copy_from_slice(&hasher.finalize().as_bytes()[..CODE]);
    code
}
