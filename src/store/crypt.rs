//! Keys and seals of storage: every byte at rest passes through here.

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305};
use mesh_core::Table;
use std::io;
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub(super) const NONCE: usize = 24;
/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;

/// A 32-byte secret that leaves no trace when dropped.
#[derive(Clone)]
pub(super) struct Key(Zeroizing<[u8; 32]>);

/// What was opened is not what was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadSeal;

impl Key {
    pub(super) fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A fresh key from the system's generator.
    pub(super) fn random() -> io::Result<Self> {
        Ok(Self(random()?))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key for one purpose, told apart by a label (PROTOCOL.md section 11).
    pub(super) fn derive(&self, purpose: &str) -> Self {
        Self::new(blake3::derive_key(&format!("starling/1 {purpose}"), &self.0[..]))
    }

    /// Encrypts `text` where it stands; the tag goes beside it.
    pub(super) fn seal(&self, nonce: &[u8; NONCE], aad: &[u8], text: &mut [u8]) -> [u8; TAG] {
        let tag = self.cipher().encrypt_inout_detached(nonce.into(), aad, text.into());
        tag.expect("a record is shorter than the 256 GiB the cipher takes").into()
    }

    /// Decrypts `text` where it stands. After a failure its content is meaningless.
    pub(super) fn open(
        &self,
        nonce: &[u8; NONCE],
        aad: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), BadSeal> {
        self.cipher().decrypt_inout_detached(nonce.into(), aad, text.into(), tag.into()).map_err(|_| BadSeal)
    }

    /// `nonce || ciphertext || tag` of `text`.
    pub(super) fn wrap(&self, nonce: [u8; NONCE], aad: &[u8], text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(NONCE + text.len() + TAG);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(text);
        let tag = self.seal(&nonce, aad, &mut out[NONCE..]);
        out.extend_from_slice(&tag);
        out
    }

    /// The text of what [`Key::wrap`] made.
    pub(super) fn unwrap(&self, aad: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, BadSeal> {
        let (nonce, rest) = wrapped.split_first_chunk::<NONCE>().ok_or(BadSeal)?;
        let (text, tag) = rest.split_last_chunk::<TAG>().ok_or(BadSeal)?;
        let mut text = Zeroizing::new(text.to_vec());
        self.open(nonce, aad, &mut text, tag)?;
        Ok(text)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// Random bytes from the system's generator.
pub(super) fn random<const N: usize>() -> io::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes).map_err(|e| io::Error::other(e.to_string()))?;
    Ok(bytes)
}

/// Nonces that no other run of this store uses: a generator seeded by the system.
pub(super) struct Nonces(blake3::OutputReader);

impl Nonces {
    pub(super) fn random() -> io::Result<Self> {
        Ok(Self::seeded(&*random()?))
    }

    pub(super) fn seeded(seed: &[u8; 32]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("starling/1 store nonces");
        hasher.update(seed);
        Self(hasher.finalize_xof())
    }

    pub(super) fn next(&mut self) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        self.0.fill(&mut nonce);
        nonce
    }
}

/// The keys that never change while the store lives, all derived from the keyfile's data key.
pub(super) struct Keys {
    names: Key,
    /// Seals the values in sled.
    pub(super) records: Key,
    /// Seals the identity files.
    pub(super) identity: Key,
    /// Seals the mark.
    pub(super) mark: Key,
}

impl Keys {
    pub(super) fn new(data: &Key) -> Self {
        Self {
            names: data.derive("store names"),
            records: data.derive("store records"),
            identity: data.derive("store identity"),
            mark: data.derive("store mark"),
        }
    }

    /// What stands on disk instead of a natural key, so that the disk names nobody.
    pub(super) fn name(&self, table: Table, key: &[u8]) -> Name {
        let mut hasher = blake3::Hasher::new_keyed(self.names.bytes());
        hasher.update(&[table as u8]).update(key);
        let mut name = [table as u8; Name::LEN];
        name[1..].copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Name(name)
    }
}

/// A record's name on disk: its table's number and 16 bytes of a keyed hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name(pub(super) [u8; Self::LEN]);

impl Name {
    pub(super) const LEN: usize = 17;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrapped_opens_only_unchanged_and_under_its_own_label() {
        let key = Key::new([7; 32]);
        let wrapped = key.wrap([1; NONCE], b"table", b"text");
        assert_eq!(key.unwrap(b"table", &wrapped).as_deref().map(Vec::as_slice), Ok(&b"text"[..]));
        assert_eq!(key.unwrap(b"other", &wrapped), Err(BadSeal));
        for at in 0..wrapped.len() {
            let mut bent = wrapped.clone();
            bent[at] ^= 1;
            assert_eq!(key.unwrap(b"table", &bent), Err(BadSeal));
        }
        assert_eq!(key.unwrap(b"table", &wrapped[..30]), Err(BadSeal));
    }

    #[test]
    fn names_differ_by_table_by_key_and_by_store() {
        let keys = Keys::new(&Key::new([1; 32]));
        let name = keys.name(Table::Contact, b"a");
        assert_eq!(name.0[0], Table::Contact as u8);
        assert_ne!(name.0[1..], keys.name(Table::Event, b"a").0[1..]);
        assert_ne!(name, keys.name(Table::Contact, b"b"));
        assert_ne!(name, Keys::new(&Key::new([2; 32])).name(Table::Contact, b"a"));
    }
}
