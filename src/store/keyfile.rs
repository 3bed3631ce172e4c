//! The keyfile: the only place where the store's keys stand, wrapped (PROTOCOL.md section 11).
//!
//! It also says which journal generation is alive, so replacing this one file is the moment at
//! which a new generation begins and the moment at which an old one is forgotten for ever.

use super::crypt::{Key, random};
use super::error::OpenError;
use super::files;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use zeroize::Zeroizing;

/// The newest format of the whole directory that is known here.
pub(super) const FORMAT: u16 = 1;

const NAME: &str = "keyfile";
const SECRET: &str = "secret";
const MAGIC: &[u8; 8] = b"STARKEYS";
const HEADER: usize = 56;
const EPOCH: usize = 49;
const PAYLOAD: usize = 32 + EPOCH + 1 + EPOCH;
const BODY: usize = PAYLOAD + super::crypt::NONCE + super::crypt::TAG;
const SUM: usize = 32;
const LEN: usize = 512;

/// What guards the store's keys.
#[derive(Clone, Default)]
pub enum Passphrase {
    /// A random secret in a file beside the keys: who can read the directory can read everything.
    #[default]
    None,
    /// A person's secret, stretched by Argon2id (64 MiB, 3 passes, 1 lane).
    Given(Zeroizing<String>),
}

impl std::fmt::Debug for Passphrase {
    /// Never shows the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "Passphrase::None",
            Self::Given(_) => "Passphrase::Given(..)",
        })
    }
}

/// One generation of the journal and the key that only this generation was sealed with.
#[derive(Clone)]
pub(super) struct Epoch {
    pub(super) generation: u64,
    /// Which of the two journal files, 0 or 1.
    pub(super) slot: u8,
    /// The sequence number of its first record.
    pub(super) first_seq: u64,
    pub(super) key: Key,
}

/// Which generations are alive.
#[derive(Clone)]
pub(super) struct Epochs {
    pub(super) current: Epoch,
    /// Not yet wholly in sled.
    pub(super) previous: Option<Epoch>,
}

/// The opened keyfile.
pub(super) struct Keyring {
    dir: PathBuf,
    header: [u8; HEADER],
    guard: Key,
    data: Key,
    epochs: Mutex<Epochs>,
}

impl Keyring {
    /// Whether `dir` has a keyfile: whether a store was ever completely created there.
    pub(super) fn exists(dir: &Path) -> bool {
        dir.join(NAME).exists()
    }

    /// Takes the keyfile away: what is there is no store any more.
    pub(super) fn remove(dir: &Path) -> io::Result<()> {
        files::remove(dir, NAME)?;
        files::remove(dir, SECRET)
    }

    /// Asks the system to read the keyfile from the disk.
    pub(super) fn forget_cached(dir: &Path) {
        files::forget_cached(&dir.join(NAME));
    }

    /// New keys, guarded by `passphrase`; nothing but a secret file is written yet.
    pub(super) fn create(dir: &Path, passphrase: &Passphrase) -> Result<Self, OpenError> {
        let io = |e| OpenError::io("make keys", dir, e);
        let (header, guard) = fresh_guard(dir, passphrase)?;
        let current = Epoch { generation: 1, slot: 0, first_seq: 1, key: Key::random().map_err(io)? };
        let epochs = Mutex::new(Epochs { current, previous: None });
        Ok(Self { dir: dir.to_path_buf(), header, guard, data: Key::random().map_err(io)?, epochs })
    }

    /// Reads the keyfile in `dir`.
    pub(super) fn open(dir: &Path, passphrase: &Passphrase) -> Result<Self, OpenError> {
        let bytes = match fs::read(dir.join(NAME)) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(OpenError::NotThere { dir: dir.to_path_buf() });
            }
            Err(e) => return Err(OpenError::io("read the keyfile", dir, e)),
        };
        let (header, body) = check(&bytes)?;
        if header[10] == 1 {
            // What a change of the passphrase that was interrupted left behind; it guards nothing any more.
            files::remove(dir, SECRET).map_err(|e| OpenError::io("remove the secret", dir, e))?;
        }
        let guard = guard(dir, &header, passphrase)?;
        let Ok(payload) = guard.unwrap(&header, body) else {
            return Err(match passphrase {
                Passphrase::Given(_) => OpenError::WrongPassphrase,
                Passphrase::None => damaged("the secret does not fit the keyfile"),
            });
        };
        let (data, epochs) = read_payload(&payload).ok_or_else(|| damaged("the keyfile's content"))?;
        Ok(Self { dir: dir.to_path_buf(), header, guard, data, epochs: Mutex::new(epochs) })
    }

    /// The same keys under another guard; durable on return. A crash leaves the old guard or the new one.
    pub(super) fn guard_by(mut self, passphrase: &Passphrase) -> Result<(), OpenError> {
        let io = |e| OpenError::io("write the keyfile", &self.dir, e);
        if self.is_unprotected() && matches!(passphrase, Passphrase::None) {
            // The secret file cannot be replaced together with the keyfile, and is as good as another.
            return Ok(());
        }
        (self.header, self.guard) = fresh_guard(&self.dir, passphrase)?;
        self.save().map_err(io)?;
        if self.is_unprotected() {
            return Ok(());
        }
        files::remove(&self.dir, SECRET).map_err(|e| OpenError::io("remove the secret", &self.dir, e))
    }

    /// The key from which all lasting keys derive.
    pub(super) fn data(&self) -> &Key {
        &self.data
    }

    /// Whether nothing but the directory's permissions guards the keys.
    pub(super) fn is_unprotected(&self) -> bool {
        self.header[10] == 0
    }

    pub(super) fn epochs(&self) -> Epochs {
        self.epochs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes the keyfile as it stands.
    pub(super) fn save(&self) -> io::Result<()> {
        self.update(|_| ())
    }

    /// Changes which generations are alive: durable when this returns. After an error either state
    /// may be on the disk.
    pub(super) fn update(&self, change: impl FnOnce(&mut Epochs)) -> io::Result<()> {
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = epochs.clone();
        change(&mut next);
        files::replace(&self.dir, NAME, &self.encode(&next)?)?;
        *epochs = next;
        Ok(())
    }

    fn encode(&self, epochs: &Epochs) -> io::Result<Vec<u8>> {
        let mut payload = Zeroizing::new(Vec::with_capacity(PAYLOAD));
        payload.extend_from_slice(self.data.bytes());
        write_epoch(&mut payload, &epochs.current);
        payload.push(u8::from(epochs.previous.is_some()));
        write_epoch(&mut payload, epochs.previous.as_ref().unwrap_or(&epochs.current));
        let mut bytes = self.header.to_vec();
        bytes.extend(self.guard.wrap(*random()?, &self.header, &payload));
        let sum = blake3::hash(&bytes);
        bytes.extend_from_slice(sum.as_bytes());
        bytes.resize(LEN, 0);
        Ok(bytes)
    }
}

fn damaged(what: &str) -> OpenError {
    OpenError::Damaged { what: what.to_owned() }
}

/// The header and the sealed body of intact keyfile bytes.
fn check(bytes: &[u8]) -> Result<([u8; HEADER], &[u8]), OpenError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(damaged("the keyfile is cut short"));
    };
    if &header[..8] != MAGIC {
        return Err(damaged("the keyfile is none"));
    }
    let format = u16::from_le_bytes([header[8], header[9]]);
    if format > FORMAT {
        return Err(OpenError::Version { found: format, known: FORMAT });
    }
    let sum = blake3::hash(&bytes[..(HEADER + BODY).min(bytes.len())]);
    match rest.get(BODY..BODY + SUM) {
        Some(stored) if stored == sum.as_bytes() => Ok((*header, &rest[..BODY])),
        _ => Err(damaged("the keyfile's checksum")),
    }
}

/// A header with a salt of its own, and the key that wraps the others. Where there is no passphrase, a secret file is
/// written first: it means nothing until a keyfile says so.
fn fresh_guard(dir: &Path, passphrase: &Passphrase) -> Result<([u8; HEADER], Key), OpenError> {
    let io = |e| OpenError::io("make keys", dir, e);
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..10].copy_from_slice(&FORMAT.to_le_bytes());
    header[10] = u8::from(matches!(passphrase, Passphrase::Given(_)));
    for (at, cost) in [(12, 64 * 1024_u32), (16, 3), (20, 1)] {
        header[at..at + 4].copy_from_slice(&cost.to_le_bytes());
    }
    header[24..].copy_from_slice(&*random::<32>().map_err(io)?);
    if matches!(passphrase, Passphrase::None) {
        files::replace(dir, SECRET, &*random::<32>().map_err(io)?).map_err(io)?;
    }
    let guard = guard(dir, &header, passphrase)?;
    Ok((header, guard))
}

/// The key that wraps the others.
fn guard(dir: &Path, header: &[u8; HEADER], passphrase: &Passphrase) -> Result<Key, OpenError> {
    let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let salt = &header[24..];
    let mut secret = Zeroizing::new(Vec::new());
    match (header[10], passphrase) {
        (0, _) => {
            let stored = fs::read(dir.join(SECRET)).map_err(|e| OpenError::io("read the secret", dir, e))?;
            secret.extend_from_slice(&Zeroizing::new(stored));
        }
        (1, Passphrase::None) => return Err(OpenError::NeedsPassphrase),
        (1, Passphrase::Given(given)) => {
            secret.resize(32, 0);
            stretch(given, salt, (number(12), number(16), number(20)), &mut secret)?;
        }
        _ => return Err(damaged("the keyfile's kind")),
    }
    let mut input = Zeroizing::new(salt.to_vec());
    input.extend_from_slice(&secret);
    Ok(Key::new(blake3::derive_key("starling/1 store guard", &input)))
}

/// Argon2id with the costs of the file, which are bounded: a planted file must not eat the memory.
fn stretch(
    given: &Zeroizing<String>,
    salt: &[u8],
    (memory, passes, lanes): (u32, u32, u32),
    out: &mut [u8],
) -> Result<(), OpenError> {
    if memory > 1 << 20 || passes > 16 || lanes > 16 {
        return Err(damaged("the keyfile's costs"));
    }
    let params =
        argon2::Params::new(memory, passes, lanes, Some(32)).map_err(|_| damaged("the keyfile's costs"))?;
    argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params)
        .hash_password_into(given.as_bytes(), salt, out)
        .map_err(|e| OpenError::Io {
            step: "stretch the passphrase",
            source: io::Error::other(e.to_string()),
        })
}

fn write_epoch(out: &mut Vec<u8>, epoch: &Epoch) {
    out.extend_from_slice(&epoch.generation.to_le_bytes());
    out.push(epoch.slot);
    out.extend_from_slice(&epoch.first_seq.to_le_bytes());
    out.extend_from_slice(epoch.key.bytes());
}

fn read_payload(bytes: &[u8]) -> Option<(Key, Epochs)> {
    let (data, rest) = bytes.split_first_chunk::<32>()?;
    let (current, rest) = rest.split_first_chunk::<EPOCH>()?;
    let (has_previous, rest) = rest.split_first()?;
    let previous = read_epoch(rest.first_chunk()?)?;
    let epochs = Epochs { current: read_epoch(current)?, previous: (*has_previous == 1).then_some(previous) };
    Some((Key::new(*data), epochs))
}

fn read_epoch(bytes: &[u8; EPOCH]) -> Option<Epoch> {
    let slot = bytes[8];
    Some(Epoch {
        generation: u64::from_le_bytes(*bytes.first_chunk()?),
        slot: (slot < 2).then_some(slot)?,
        first_seq: u64::from_le_bytes(*bytes[9..].first_chunk()?),
        key: Key::new(*bytes[17..].first_chunk()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Passphrase {
        Passphrase::Given(Zeroizing::new(text.to_owned()))
    }

    #[test]
    fn keys_and_generations_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let made = Keyring::create(dir.path(), &Passphrase::None).unwrap();
        assert!(!Keyring::exists(dir.path()), "nothing counts before it is saved");
        let next = Epoch { generation: 9, slot: 1, first_seq: 77, key: Key::new([3; 32]) };
        made.update(|e| e.previous = Some(std::mem::replace(&mut e.current, next))).unwrap();
        let opened = Keyring::open(dir.path(), &Passphrase::None).unwrap();
        assert_eq!(opened.data().bytes(), made.data().bytes());
        let epochs = opened.epochs();
        assert_eq!((epochs.current.generation, epochs.current.slot, epochs.current.first_seq), (9, 1, 77));
        assert_eq!(epochs.current.key.bytes(), &[3; 32]);
        assert_eq!(epochs.previous.map(|e| e.generation), Some(1));
        assert!(opened.is_unprotected());
    }

    #[test]
    fn attack_74_wrong_passphrases_open_nothing_and_the_right_one_still_does() {
        let dir = tempfile::tempdir().unwrap();
        Keyring::create(dir.path(), &given("right")).unwrap().save().unwrap();
        for wrong in ["", "Right", "right ", "wrong"] {
            let Err(error) = Keyring::open(dir.path(), &given(wrong)) else { panic!("{wrong:?} opened it") };
            assert!(matches!(error, OpenError::WrongPassphrase));
        }
        assert!(matches!(
            Keyring::open(dir.path(), &Passphrase::None).err(),
            Some(OpenError::NeedsPassphrase)
        ));
        let opened = Keyring::open(dir.path(), &given("right")).unwrap();
        assert!(!opened.is_unprotected());
        assert!(!dir.path().join(SECRET).exists(), "a passphrase needs no secret file");
    }

    #[test]
    fn attack_74_every_damaged_byte_is_noticed_before_any_stretching() {
        let dir = tempfile::tempdir().unwrap();
        Keyring::create(dir.path(), &Passphrase::None).unwrap().save().unwrap();
        let path = dir.path().join(NAME);
        let intact = fs::read(&path).unwrap();
        for at in 0..HEADER + BODY + SUM {
            let mut bent = intact.clone();
            bent[at] ^= 1;
            fs::write(&path, &bent).unwrap();
            let error = Keyring::open(dir.path(), &Passphrase::None).err();
            assert!(
                matches!(error, Some(OpenError::Damaged { .. } | OpenError::Version { .. })),
                "byte {at}"
            );
        }
        for len in 0..HEADER + BODY + SUM {
            fs::write(&path, &intact[..len]).unwrap();
            assert!(matches!(
                Keyring::open(dir.path(), &Passphrase::None).err(),
                Some(OpenError::Damaged { .. })
            ));
        }
    }

    #[test]
    fn a_file_of_a_newer_format_is_named_as_such() {
        let dir = tempfile::tempdir().unwrap();
        Keyring::create(dir.path(), &Passphrase::None).unwrap().save().unwrap();
        let path = dir.path().join(NAME);
        let mut bytes = fs::read(&path).unwrap();
        bytes[8] = 2;
        fs::write(&path, &bytes).unwrap();
        let error = Keyring::open(dir.path(), &Passphrase::None).err();
        assert!(matches!(error, Some(OpenError::Version { found: 2, known: 1 })));
    }

    #[test]
    fn a_passphrase_is_set_changed_and_removed_and_only_the_latest_opens() {
        let dir = tempfile::tempdir().unwrap();
        let made = Keyring::create(dir.path(), &Passphrase::None).unwrap();
        made.save().unwrap();
        let steps = [Passphrase::None, given("first"), given("second"), Passphrase::None, Passphrase::None];
        for (before, after) in steps.iter().zip(&steps[1..]) {
            Keyring::open(dir.path(), before).unwrap().guard_by(after).unwrap();
            let opened = Keyring::open(dir.path(), after).unwrap();
            assert_eq!(opened.data().bytes(), made.data().bytes());
            let is_open = matches!(after, Passphrase::None);
            assert_eq!((opened.is_unprotected(), dir.path().join(SECRET).exists()), (is_open, is_open));
            if let Passphrase::Given(_) = after {
                assert!(Keyring::open(dir.path(), before).is_err());
            }
        }
    }

    #[test]
    fn a_change_of_the_passphrase_that_is_cut_short_leaves_the_old_one_or_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join(SECRET);
        // Cut before the keyfile: a secret file that no keyfile speaks of.
        Keyring::create(dir.path(), &given("old")).unwrap().save().unwrap();
        fresh_guard(dir.path(), &Passphrase::None).unwrap();
        assert!(secret.exists());
        assert!(Keyring::open(dir.path(), &given("old")).is_ok());
        assert!(!secret.exists(), "it is tidied up");
        // Cut after the keyfile: the secret file that it no longer speaks of.
        Keyring::open(dir.path(), &given("old")).unwrap().guard_by(&Passphrase::None).unwrap();
        let stale = fs::read(&secret).unwrap();
        Keyring::open(dir.path(), &Passphrase::None).unwrap().guard_by(&given("new")).unwrap();
        fs::write(&secret, stale).unwrap();
        let error = Keyring::open(dir.path(), &Passphrase::None).err();
        assert!(matches!(error, Some(OpenError::NeedsPassphrase)), "{error:?}");
        assert!(!secret.exists(), "it is tidied up");
        assert!(Keyring::open(dir.path(), &given("new")).is_ok());
    }

    #[test]
    fn a_passphrase_never_shows_in_logs() {
        assert_eq!(format!("{:?}", given("hunter2")), "Passphrase::Given(..)");
    }
}
