//! Long-lived private keys: one small file each, so that they outlive every database.

use super::crypt::{Keys, Name, random};
use super::files;
use super::index::Found;
use super::record::Entry;
use mesh_core::Table;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

const MAGIC: &[u8] = b"STARIDN1";

/// The files of [`Table::Identity`].
pub(super) struct IdentityFiles {
    dir: PathBuf,
    keys: Arc<Keys>,
}

impl IdentityFiles {
    pub(super) fn open(dir: &Path, keys: Arc<Keys>) -> io::Result<Self> {
        let dir = dir.join("identity");
        files::make_private_dir(&dir)?;
        Ok(Self { dir, keys })
    }

    /// Writes or removes one file, durably.
    pub(super) fn apply(&self, entry: &Entry) -> io::Result<()> {
        let file = file_name(entry.name);
        let Some(value) = &entry.value else { return files::remove(&self.dir, &file) };
        let mut text = Zeroizing::new(vec![entry.key.len().to_le_bytes()[0]]);
        text.extend_from_slice(&entry.key);
        text.extend_from_slice(value);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.keys.identity.wrap(*random()?, &entry.name.0, &text));
        files::replace(&self.dir, &file, &bytes)
    }

    /// The record called `name`.
    pub(super) fn read(&self, name: Name) -> Result<Option<Found>, String> {
        let bytes = match fs::read(self.dir.join(file_name(name))) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.to_string()),
        };
        let wrapped = bytes.strip_prefix(MAGIC).ok_or("an identity file of another kind")?;
        let mut text =
            self.keys.identity.unwrap(&name.0, wrapped).map_err(|_| "the seal of an identity file")?;
        let len = usize::from(*text.first().ok_or("an empty identity file")?);
        let key = text.get(1..=len).ok_or("an identity file cut short")?.to_vec();
        text.drain(..=len);
        Ok(Some((key, text)))
    }

    /// The names of all files.
    pub(super) fn names(&self) -> io::Result<Vec<Name>> {
        let entries = fs::read_dir(&self.dir)?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries.iter().filter_map(|e| name_of(e.file_name().to_str()?)).collect())
    }
}

fn file_name(name: Name) -> String {
    data_encoding::HEXLOWER.encode(&name.0[1..])
}

fn name_of(file: &str) -> Option<Name> {
    let bytes = data_encoding::HEXLOWER.decode(file.as_bytes()).ok()?;
    let mut name = [Table::Identity as u8; Name::LEN];
    name[1..].copy_from_slice(bytes.first_chunk::<16>().filter(|_| bytes.len() == 16)?);
    Some(Name(name))
}
