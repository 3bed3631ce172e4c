//! The journal: one durable append commits a group of operations on every table at once.
//!
//! Two files are used in turn. A *generation* fills one of them: first every resident record as it
//! stood, then the groups. All of it is sealed under a key of its own, and when sled holds what
//! the generation told, the key is forgotten: what was deleted is then gone from this disk.

use super::crypt::{Key, Name, Nonces};
use super::error::OpenError;
use super::fault::{Faults, Step};
use super::files;
use super::index::{Index, Place};
use super::keyfile::{Epoch, Keyring};
use super::record::{self, Change, Entry, HEADER, Header, Kind, Op, PAGE, Span, is_resident};
use mesh_core::Table;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A generation that filled its file faster than this gets a bigger one next time.
const TOO_FAST: Duration = Duration::from_secs(10);
/// How far behind the last good record another one is looked for.
const LOOK_BEHIND: u64 = 4 << 20;
/// Snapshot records are about this long.
const SNAPSHOT_RECORD: usize = 256 * 1024;

/// Stands while what the system has in memory of the journal may differ from the disk.
pub(super) const SUSPECT: &str = "journal.suspect";

/// Whether deleted records of `table` must soon be unreadable too: keys, and who the person knows. Counters and
/// states tell nothing that matters later.
const fn is_secret(table: Table) -> bool {
    matches!(table, Table::Session | Table::Invite | Table::Contact)
}

/// The two files and the place where the next record goes.
pub(super) struct Journal {
    files: [Arc<File>; 2],
    epoch: Epoch,
    at: u64,
    next_seq: u64,
    began: Instant,
    /// Whether this generation holds keys that were deleted or replaced since it began.
    stale_secrets: bool,
    sizes: Sizes,
    nonces: Nonces,
    buffer: Vec<u8>,
    faults: Faults,
}

/// How large the files are made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) first: u64,
    pub(super) most: u64,
}

/// Why something was not written.
#[derive(Debug)]
pub(super) struct WriteError {
    pub(super) step: &'static str,
    pub(super) source: io::Error,
    /// Whether the disk is certainly as it was before.
    pub(super) clean: bool,
}

/// What a generation's file said when it was read.
#[derive(Debug, Default)]
pub(super) struct Replay {
    end: u64,
    next_seq: u64,
    /// A group was begun and never finished, so it was never acknowledged.
    pub(super) torn: bool,
    whole: bool,
    /// Secrets may have been deleted or replaced since the generation began.
    stale_secrets: bool,
}

impl Replay {
    /// The sequence number of the last record.
    pub(super) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }
}

/// Whether nothing was ever committed here since the store was made, as far as the records' plain headers
/// tell: it can be made anew without the key.
pub(super) fn is_untouched(dir: &Path) -> io::Result<bool> {
    let [first, second] = open_files(dir)?;
    let is_empty_at = |file: &File, at: u64| -> io::Result<bool> {
        Ok(file.metadata()?.len() < at + HEADER as u64 || read_header(file, at)?.is_none())
    };
    Ok(is_empty_at(&first, PAGE as u64)? && is_empty_at(&second, 0)?)
}

/// Asks the system to read both files from the disk.
pub(super) fn forget_cached(dir: &Path) {
    ["journal.0", "journal.1"].iter().for_each(|name| files::forget_cached(&dir.join(name)));
}

/// Opens both files in `dir`.
pub(super) fn open_files(dir: &Path) -> io::Result<[Arc<File>; 2]> {
    let open = |name| files::open_private(&dir.join(name)).map(Arc::new);
    Ok([open("journal.0")?, open("journal.1")?])
}

/// Makes both files of a new store, and an empty first generation.
pub(super) fn create(dir: &Path, epoch: &Epoch, sizes: Sizes) -> io::Result<()> {
    let files = open_files(dir)?;
    for file in &files {
        file.set_len(0)?;
        extend(file, sizes.first)?;
    }
    let mut bytes = Vec::new();
    let head = (Kind::SnapshotEnd, epoch.generation, epoch.first_seq);
    record::encode(&mut bytes, head, [].iter(), &epoch.key, &mut Nonces::random()?);
    files[usize::from(epoch.slot)].write_all_at(&bytes, 0)?;
    files[usize::from(epoch.slot)].sync_all()
}

/// Reads a generation: calls `visit` with each record's sequence number, place and operations.
pub(super) fn replay<E: From<OpenError>>(
    file: &File,
    epoch: &Epoch,
    visit: &mut dyn FnMut(u64, u64, Vec<Op>) -> Result<(), E>,
) -> Result<Replay, E> {
    let io = |source| OpenError::Io { step: "read the journal", source };
    let size = file.metadata().map_err(io)?.len();
    let mut replay = Replay { next_seq: epoch.first_seq, ..Replay::default() };
    while let Some((header, ops)) = read_record(file, replay.end, size, epoch).map_err(io)? {
        if header.seq != replay.next_seq {
            break;
        }
        replay.stale_secrets |= header.kind == Kind::Group && ops.iter().any(|op| is_secret(op.table));
        visit(header.seq, replay.end, ops)?;
        replay.whole |= header.kind == Kind::SnapshotEnd;
        replay.end += header.padded();
        replay.next_seq += 1;
    }
    replay.torn = check_end(file, &replay, size, epoch)?;
    if replay.whole {
        return Ok(replay);
    }
    let what = format!("journal generation {} has no whole head", epoch.generation);
    Err(OpenError::Damaged { what }.into())
}

/// Looks behind the last good record. A torn last group is normal after a crash; a good record
/// behind a bad one is a damaged disk, and going on would forget what was acknowledged.
fn check_end(file: &File, replay: &Replay, size: u64, epoch: &Epoch) -> Result<bool, OpenError> {
    let io = |source| OpenError::Io { step: "read the journal", source };
    let mut torn = false;
    let mut at = replay.end;
    while at + PAGE as u64 <= size.min(replay.end + LOOK_BEHIND) {
        let header = read_header(file, at).map_err(io)?;
        if let Some(header) = header.filter(|h| h.generation >= epoch.generation) {
            if header.generation > epoch.generation {
                return Err(OpenError::Damaged { what: "the keyfile is older than the journal".to_owned() });
            }
            torn |= header.seq == replay.next_seq;
            if header.seq > replay.next_seq && read_record(file, at, size, epoch).map_err(io)?.is_some() {
                return Err(OpenError::Damaged {
                    what: format!("journal generation {} at byte {}", epoch.generation, replay.end),
                });
            }
        }
        at += PAGE as u64;
    }
    Ok(torn)
}

fn read_header(file: &File, at: u64) -> io::Result<Option<Header>> {
    let mut head = [0; HEADER];
    file.read_exact_at(&mut head, at)?;
    Ok(Header::read(&head))
}

fn read_record(file: &File, at: u64, size: u64, epoch: &Epoch) -> io::Result<Option<(Header, Vec<Op>)>> {
    if at + PAGE as u64 > size {
        return Ok(None);
    }
    let Some(header) = read_header(file, at)?.filter(|h| h.generation == epoch.generation) else {
        return Ok(None);
    };
    if at + u64::from(header.total) > size {
        return Ok(None);
    }
    let mut bytes = vec![0; header.total as usize];
    file.read_exact_at(&mut bytes, at)?;
    Ok(record::decode(&mut bytes, &epoch.key).ok().map(|ops| (header, ops)))
}

/// The place of a cell in a record at `at`.
pub(super) fn place(at: u64, span: Span) -> Place {
    let at = u32::try_from(at).expect("journal files are shorter than 4 GiB: Sizes bounds them");
    Place { offset: at + span.offset, len: span.len }
}

/// The place of the resident value that `op` put, `None` where it deleted.
pub(super) fn op_place(at: u64, op: &Op) -> Option<Place> {
    match op.change {
        Change::Cell(span) => Some(place(at, span)),
        Change::Put(_) | Change::Delete => None,
    }
}

impl Journal {
    /// Goes on behind what `replay` found.
    pub(super) fn new(
        files: [Arc<File>; 2],
        epoch: Epoch,
        replay: &Replay,
        sizes: Sizes,
        faults: Faults,
    ) -> io::Result<Self> {
        let nonces = Nonces::random()?;
        let (at, next_seq) = (replay.end, replay.next_seq);
        // What an earlier run deleted may stand in here.
        let stale_secrets = replay.stale_secrets;
        let began = Instant::now();
        Ok(Self {
            files,
            epoch,
            at,
            next_seq,
            began,
            stale_secrets,
            sizes,
            nonces,
            buffer: Vec::new(),
            faults,
        })
    }

    /// The sequence number of the last record.
    pub(super) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// The file that the next generation will fill.
    pub(super) fn next_slot(&self) -> u8 {
        1 - self.epoch.slot
    }

    /// Bytes used of the live file and its size.
    pub(super) fn fill(&self) -> (u64, u64) {
        (self.at, self.file().metadata().map_or(0, |m| m.len()))
    }

    /// Whether a record of `bytes` fits into the live file.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let (used, size) = self.fill();
        used + bytes as u64 <= size
    }

    /// When the deleted keys of this generation have stood on the disk for `age`.
    pub(super) fn forget_at(&self, age: Duration) -> Option<Instant> {
        self.stale_secrets.then(|| self.began + age)
    }

    /// Makes `entries` durable as one record, and their resident values readable.
    pub(super) fn append(&mut self, entries: &[Arc<Entry>], index: &Index) -> Result<u64, WriteError> {
        let at = self.at;
        let head = (Kind::Group, self.epoch.generation, self.next_seq);
        self.buffer.clear();
        let refs = entries.iter().map(|e| &**e);
        let spans = record::encode(&mut self.buffer, head, refs, &self.epoch.key, &mut self.nonces);
        self.write(at)?;
        let mut spans = spans.into_iter();
        let resident = entries.iter().filter(|e| is_resident(e.table));
        index.update(resident.map(|e| {
            let put = e.value.is_some();
            (e.name, if put { spans.next().map(|span| place(at, span)) } else { None })
        }));
        self.stale_secrets |= entries.iter().any(|e| is_secret(e.table));
        self.at += self.buffer.len() as u64;
        self.next_seq += 1;
        Ok(self.next_seq - 1)
    }

    /// Writes the buffer at `at` of the live file. The pages from there on hold nothing that was
    /// ever acknowledged, so an error leaves all of that intact; but whether this record will be
    /// found by the next start is then unknown.
    fn write(&self, at: u64) -> Result<(), WriteError> {
        let fail = |step| move |source| WriteError { step, source, clean: false };
        if let Err(source) = self.faults.check(Step::JournalWrite) {
            drop(self.file().write_all_at(&self.buffer[..self.buffer.len() / 2], at));
            return Err(fail("write the journal")(source));
        }
        self.file().write_all_at(&self.buffer, at).map_err(fail("write the journal"))?;
        self.faults.check(Step::JournalSync).map_err(fail("sync the journal"))?;
        self.file().sync_data().map_err(fail("sync the journal"))
    }

    /// Begins the next generation in the other file, which nothing may need any more, with room
    /// for at least `need` bytes. Returns the ended generation; its key still stands in the
    /// keyfile until sled holds everything up to its last record.
    pub(super) fn switch(
        &mut self,
        index: &Index,
        keyring: &Keyring,
        need: usize,
    ) -> Result<u64, WriteError> {
        let clean = |step| move |source| WriteError { step, source, clean: true };
        let key = Key::random().map_err(clean("make a key"))?;
        let (generation, slot) = (self.epoch.generation + 1, self.next_slot());
        let epoch = Epoch { generation, slot, first_seq: self.next_seq, key };
        let file = Arc::clone(&self.files[usize::from(slot)]);
        self.make_room(&file, index.size().1, need).map_err(clean("enlarge the journal"))?;
        self.faults.check(Step::SnapshotWrite).map_err(clean("write the journal's head"))?;
        let (end, next_seq, places) =
            self.write_snapshot(&file, &epoch, index).map_err(clean("write the journal's head"))?;
        self.faults.check(Step::SnapshotSync).map_err(clean("sync the journal's head"))?;
        file.sync_data().map_err(clean("sync the journal's head"))?;
        let fail = |source| WriteError { step: "write the keyfile", source, clean: false };
        self.faults.check(Step::KeyfileSwitch).map_err(fail)?;
        let next = epoch.clone();
        keyring.update(|e| e.previous = Some(std::mem::replace(&mut e.current, next))).map_err(fail)?;
        index.replace(places, file, epoch.key.clone());
        let ended = std::mem::replace(&mut self.epoch, epoch).generation;
        (self.at, self.next_seq, self.began, self.stale_secrets) = (end, next_seq, Instant::now(), false);
        Ok(ended)
    }

    /// Enlarges `file` where the snapshot and `need` bytes ask for it, or where the generation that
    /// ends was too short a time.
    fn make_room(&self, file: &File, bytes: u64, need: usize) -> io::Result<()> {
        let size = file.metadata()?.len();
        let live = self.fill().1;
        // The list of operations repeats no more than the keys of the cells.
        let records = 2 + bytes / SNAPSHOT_RECORD as u64;
        let least = 2 * bytes + records * 2 * PAGE as u64 + need as u64;
        let hurried = self.began.elapsed() < TOO_FAST && self.at > live / 2;
        let wish = if hurried { live * 2 } else { live }.clamp(self.sizes.first, self.sizes.most);
        let wish = wish.max(2 * least).next_multiple_of(PAGE as u64);
        if wish > u64::from(u32::MAX) {
            return Err(io::Error::other("the journal would exceed 4 GiB"));
        }
        match extend(file, wish) {
            Err(e) if size < least => Err(e),
            _ => Ok(()),
        }
    }

    fn write_snapshot(
        &mut self,
        file: &File,
        epoch: &Epoch,
        index: &Index,
    ) -> io::Result<(u64, u64, HashMap<Name, Place>)> {
        let (mut at, mut seq) = (0, epoch.first_seq);
        let all = index.snapshot();
        let mut places = HashMap::with_capacity(all.len());
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let (entries, taken) = read_some(rest, index)?;
            rest = &rest[taken..];
            self.buffer.clear();
            let head = (Kind::Snapshot, epoch.generation, seq);
            let spans = record::encode(&mut self.buffer, head, entries.iter(), &epoch.key, &mut self.nonces);
            places.extend(entries.iter().zip(spans).map(|(e, span)| (e.name, place(at, span))));
            file.write_all_at(&self.buffer, at)?;
            (at, seq) = (at + self.buffer.len() as u64, seq + 1);
        }
        self.buffer.clear();
        let head = (Kind::SnapshotEnd, epoch.generation, seq);
        record::encode(&mut self.buffer, head, [].iter(), &epoch.key, &mut self.nonces);
        file.write_all_at(&self.buffer, at)?;
        Ok((at + self.buffer.len() as u64, seq + 1, places))
    }

    fn file(&self) -> &File {
        &self.files[usize::from(self.epoch.slot)]
    }
}

/// The first of `all` records, enough for one snapshot record, and how many they are.
fn read_some(all: &[(Name, Place)], index: &Index) -> io::Result<(Vec<Entry>, usize)> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    for (name, place) in all {
        if bytes >= SNAPSHOT_RECORD {
            break;
        }
        let (key, value) = index.read_at(*name, *place).map_err(io::Error::other)?;
        let table = Table::ALL.into_iter().find(|t| *t as u8 == name.0[0]);
        let table = table.ok_or_else(|| io::Error::other("a name of no table"))?;
        bytes += value.len();
        entries.push(Entry { table, name: *name, key, value: Some(value) });
    }
    let taken = entries.len();
    Ok((entries, taken))
}

/// Fills `file` with zeros up to `size`, durably: later writes change no file size and no extent,
/// so `fdatasync` has nothing but the written pages to wait for. Never shortens.
fn extend(file: &File, size: u64) -> io::Result<()> {
    let old = file.metadata()?.len();
    if old >= size {
        return Ok(());
    }
    let zeros = vec![0; 1 << 20];
    let mut at = old;
    while at < size {
        let len = usize::try_from(size - at).unwrap_or(usize::MAX).min(zeros.len());
        if let Err(e) = file.write_all_at(&zeros[..len], at) {
            file.set_len(old)?;
            return Err(e);
        }
        at += len as u64;
    }
    file.sync_all()
}
