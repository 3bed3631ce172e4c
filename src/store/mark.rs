//! The mark: a small file that says which sled directory counts and what it must hold at least.
//!
//! sled can open without any error and be empty (after a power cut); the mark notices.

use super::crypt::{Keys, random};
use super::files;
use std::fs;
use std::io;
use std::path::Path;

const NAME: &str = "records.mark";
const LEN: usize = 37;

/// What was durable in sled when it was last made so on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The directory is `records-<number>`.
    pub(super) number: u32,
    /// Every journal record up to this one is in sled.
    pub(super) seq: u64,
    /// Records in sled.
    pub(super) count: u64,
    /// Bytes of their names and values.
    pub(super) bytes: u64,
}

impl Mark {
    /// The mark in `dir`; `None` where there is none that can be believed.
    pub(super) fn load(dir: &Path, keys: &Keys) -> io::Result<Option<Self>> {
        let bytes = match fs::read(dir.join(NAME)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        Ok(keys.mark.unwrap(b"mark", &bytes).ok().and_then(|text| Self::decode(&text)))
    }

    /// Replaces the mark in `dir`, durably.
    pub(super) fn save(&self, dir: &Path, keys: &Keys) -> io::Result<()> {
        files::replace(dir, NAME, &keys.mark.wrap(*random()?, b"mark", &self.encode()))
    }

    fn encode(self) -> [u8; LEN] {
        let mut bytes = [1; LEN];
        bytes[1..5].copy_from_slice(&self.number.to_le_bytes());
        for (at, field) in [(5, self.seq), (13, self.count), (21, self.bytes), (29, 0)] {
            bytes[at..at + 8].copy_from_slice(&field.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LEN] = bytes.try_into().ok().filter(|b: &&[u8; LEN]| b[0] == 1)?;
        let long = |at: usize| bytes[at..].first_chunk().map(|b| u64::from_le_bytes(*b));
        let number = u32::from_le_bytes(*bytes[1..].first_chunk()?);
        Some(Self { number, seq: long(5)?, count: long(13)?, bytes: long(21)? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::crypt::Key;
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_a_bent_one_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::new(&Key::new([1; 32]));
        assert_eq!(Mark::load(dir.path(), &keys).unwrap(), None);
        let mark = Mark { number: 3, seq: 1 << 40, count: 12, bytes: 999 };
        mark.save(dir.path(), &keys).unwrap();
        assert_eq!(Mark::load(dir.path(), &keys).unwrap(), Some(mark));
        let path = dir.path().join(NAME);
        let mut bytes = fs::read(&path).unwrap();
        bytes[30] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(Mark::load(dir.path(), &keys).unwrap(), None);
    }
}
