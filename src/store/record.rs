//! The bytes of one journal record (PROTOCOL.md section 11): pure, no files.
//!
//! A record is one atomic group of operations. It begins at a page boundary with a plain header,
//! then its sealed list of operations, then one separately sealed *cell* for every value that
//! lives in the journal only, so that one value can be read back without the rest.

use super::crypt::{BadSeal, Key, NONCE, Name, Nonces, TAG};
use mesh_core::Table;
use zeroize::Zeroizing;

/// Records begin at multiples of this, so no page with acknowledged bytes is ever written again.
pub(super) const PAGE: usize = 4096;
/// Bytes of the plain header.
pub(super) const HEADER: usize = 64;

const MAGIC: &[u8; 4] = b"SREC";
const VERSION: u8 = 1;
const DELETED: u8 = 0x80;

/// One write, named. Values are wiped when dropped: many are keys.
pub(super) struct Entry {
    pub(super) table: Table,
    pub(super) name: Name,
    pub(super) key: Vec<u8>,
    /// `None` deletes.
    pub(super) value: Option<Zeroizing<Vec<u8>>>,
}

impl Entry {
    /// Bytes of memory, about.
    pub(super) fn weight(&self) -> usize {
        128 + self.key.len() + self.value.as_ref().map_or(0, |v| v.len())
    }
}

impl std::fmt::Debug for Entry {
    /// Shows sizes only: keys and values name people and hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let len = self.value.as_ref().map(|v| v.len());
        write!(f, "Entry({:?}, key of {}, value of {len:?})", self.table, self.key.len())
    }
}

/// Whether values of `table` live in the journal only: what must survive the loss of everything
/// that can be fetched again, and what must be forgotten when it is deleted.
pub(super) const fn is_resident(table: Table) -> bool {
    matches!(
        table,
        Table::Session
            | Table::Meta
            | Table::Contact
            | Table::Outbox
            | Table::Invite
            | Table::Group
            | Table::Space
            | Table::Talk
    )
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A committed group.
    Group = 1,
    /// Resident records carried over from the generation before.
    Snapshot = 2,
    /// All of them were carried over.
    SnapshotEnd = 3,
}

/// The plain head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) generation: u64,
    pub(super) seq: u64,
    /// Bytes of the record without padding.
    pub(super) total: u32,
    meta: u32,
    nonce: [u8; NONCE],
}

/// Where a cell lies within its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// What a record does to one key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Delete,
    /// The value stood in the list itself.
    Put(Zeroizing<Vec<u8>>),
    /// The value stands in a cell.
    Cell(Span),
}

/// One operation read back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Op {
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
    pub(super) change: Change,
}

impl Header {
    /// Reads a header; `None` where there is none.
    pub(super) fn read(bytes: &[u8; HEADER]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        if &bytes[..4] != MAGIC || bytes[4] != VERSION {
            return None;
        }
        let kind = [Kind::Group, Kind::Snapshot, Kind::SnapshotEnd];
        let kind = kind.into_iter().find(|k| *k as u8 == bytes[5])?;
        let nonce = *bytes[32..].first_chunk()?;
        let head = Self { kind, generation: long(8), seq: long(16), total: word(24), meta: word(28), nonce };
        (head.total as usize >= HEADER + head.meta as usize + TAG).then_some(head)
    }

    fn write(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = VERSION;
        bytes[5] = self.kind as u8;
        bytes[8..16].copy_from_slice(&self.generation.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.seq.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.total.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.meta.to_le_bytes());
        bytes[32..32 + NONCE].copy_from_slice(&self.nonce);
        bytes
    }

    /// Bytes that the record takes in the file.
    pub(super) fn padded(&self) -> u64 {
        u64::from(self.total).next_multiple_of(PAGE as u64)
    }
}

/// Bytes that `entries` take as one record at most.
pub(super) fn bound<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> usize {
    let ops = entries.into_iter().map(|e| 64 + 2 * e.key.len() + e.value.as_ref().map_or(0, |v| v.len()));
    (HEADER + TAG + ops.sum::<usize>()).next_multiple_of(PAGE)
}

/// Appends a record of `entries` to `out`, padded to whole pages. Returns its cells, one for each
/// resident value in order of the entries.
pub(super) fn encode<'a>(
    out: &mut Vec<u8>,
    (kind, generation, seq): (Kind, u64, u64),
    entries: impl Iterator<Item = &'a Entry> + Clone,
    key: &Key,
    nonces: &mut Nonces,
) -> Vec<Span> {
    let start = out.len();
    out.resize(start + HEADER, 0);
    for entry in entries.clone() {
        write_op(out, entry);
    }
    let text_end = out.len();
    out.resize(text_end + TAG, 0);
    let mut spans = Vec::new();
    for entry in entries {
        if let (true, Some(value)) = (is_resident(entry.table), &entry.value) {
            let offset = narrow(out.len() - start);
            write_cell(out, entry.table, &entry.key, value, key, nonces);
            spans.push(Span { offset, len: narrow(out.len() - start) - offset });
        }
    }
    let meta = narrow(text_end - start - HEADER);
    let total = narrow(out.len() - start);
    let header = Header { kind, generation, seq, total, meta, nonce: nonces.next() };
    let head = header.write();
    out[start..start + HEADER].copy_from_slice(&head);
    let tag = key.seal(&header.nonce, &head, &mut out[start + HEADER..text_end]);
    out[text_end..text_end + TAG].copy_from_slice(&tag);
    out.resize(start + (out.len() - start).next_multiple_of(PAGE), 0);
    spans
}

/// The operations of a whole record, all seals of which fit; `bytes` are [`Header::total`] long.
pub(super) fn decode(bytes: &mut [u8], key: &Key) -> Result<Vec<Op>, BadSeal> {
    let head: [u8; HEADER] = *bytes.first_chunk().ok_or(BadSeal)?;
    let header = Header::read(&head).ok_or(BadSeal)?;
    if bytes.len() != header.total as usize {
        return Err(BadSeal);
    }
    let (meta, cells) = bytes[HEADER..].split_at_mut(header.meta as usize);
    let tag: [u8; TAG] = *cells.first_chunk().ok_or(BadSeal)?;
    key.open(&header.nonce, &head, meta, &tag)?;
    let ops = read_ops(meta, header.meta + narrow(HEADER + TAG)).ok_or(BadSeal)?;
    for op in &ops {
        if let Change::Cell(span) = op.change {
            let cell = bytes.get(span.offset as usize..(span.offset + span.len) as usize).ok_or(BadSeal)?;
            let (found, _) = open_cell(cell, op.table, key)?;
            if *found != op.key {
                return Err(BadSeal);
            }
        }
    }
    Ok(ops)
}

/// The key and the value of a cell.
pub(super) fn open_cell(
    cell: &[u8],
    table: Table,
    key: &Key,
) -> Result<(Vec<u8>, Zeroizing<Vec<u8>>), BadSeal> {
    let mut text = key.unwrap(&[table as u8], cell)?;
    let len = usize::from(*text.first().ok_or(BadSeal)?);
    let natural = text.get(1..=len).ok_or(BadSeal)?.to_vec();
    text.drain(..=len);
    Ok((natural, text))
}

fn write_op(out: &mut Vec<u8>, entry: &Entry) {
    let Ok(len) = u8::try_from(entry.key.len()) else {
        unreachable!("keys are checked when they are staged")
    };
    let deleted = if entry.value.is_none() { DELETED } else { 0 };
    out.extend_from_slice(&[entry.table as u8 | deleted, len]);
    out.extend_from_slice(&entry.key);
    if let Some(value) = &entry.value {
        out.extend_from_slice(&narrow(value.len()).to_le_bytes());
        if !is_resident(entry.table) {
            out.extend_from_slice(value);
        }
    }
}

fn write_cell(out: &mut Vec<u8>, table: Table, natural: &[u8], value: &[u8], key: &Key, nonces: &mut Nonces) {
    let nonce = nonces.next();
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.push(natural.len().to_le_bytes()[0]);
    out.extend_from_slice(natural);
    out.extend_from_slice(value);
    let tag = key.seal(&nonce, &[table as u8], &mut out[start..]);
    out.extend_from_slice(&tag);
}

/// Reads a list of operations; the first cell lies at `cell` within the record.
fn read_ops(mut bytes: &[u8], mut cell: u32) -> Option<Vec<Op>> {
    let mut ops = Vec::new();
    while let Some((&[tag, len], rest)) = bytes.split_first_chunk() {
        let table = Table::ALL.into_iter().find(|t| *t as u8 == tag & !DELETED)?;
        let (key, rest) = rest.split_at_checked(usize::from(len))?;
        bytes = rest;
        let change = if tag & DELETED != 0 {
            Change::Delete
        } else {
            let (size, rest) = rest.split_first_chunk()?;
            let size = u32::from_le_bytes(*size);
            bytes = rest;
            if is_resident(table) {
                let len = size.checked_add(narrow(NONCE + 1 + key.len() + TAG))?;
                let span = Span { offset: cell, len };
                cell = cell.checked_add(len)?;
                Change::Cell(span)
            } else {
                let (value, rest) = rest.split_at_checked(size as usize)?;
                bytes = rest;
                Change::Put(Zeroizing::new(value.to_vec()))
            }
        };
        ops.push(Op { table, key: key.to_vec(), change });
    }
    bytes.is_empty().then_some(ops)
}

fn narrow(len: usize) -> u32 {
    u32::try_from(len).expect("a record is shorter than 4 GiB: groups are bounded when they are staged")
}

#[cfg(test)]
mod tests {
    use super::super::crypt::Keys;
    use super::*;
    use proptest::prelude::*;

    fn entry(table: Table, key: &[u8], value: Option<&[u8]>) -> Entry {
        let name = Keys::new(&Key::new([5; 32])).name(table, key);
        Entry { table, name, key: key.to_vec(), value: value.map(|v| Zeroizing::new(v.to_vec())) }
    }

    fn record(entries: &[Entry]) -> (Vec<u8>, Vec<Span>) {
        let mut out = Vec::new();
        let mut nonces = Nonces::seeded(&[1; 32]);
        let spans = encode(&mut out, (Kind::Group, 3, 8), entries.iter(), &Key::new([2; 32]), &mut nonces);
        (out, spans)
    }

    fn head(bytes: &[u8]) -> Option<Header> {
        Header::read(bytes.first_chunk()?)
    }

    #[test]
    fn a_record_has_its_golden_bytes() {
        let entries = [
            entry(Table::Session, b"k", Some(b"secret")),
            entry(Table::Body, b"id", Some(b"bytes")),
            entry(Table::Carried, b"gone", None),
        ];
        let (bytes, _) = record(&entries);
        assert_eq!(bytes.len(), PAGE);
        let total = head(&bytes).unwrap().total as usize;
        let text = data_encoding::HEXLOWER.encode(&bytes[..total]);
        assert_eq!(text, include_str!("record.golden").trim());
        assert!(bytes[total..].iter().all(|b| *b == 0), "padding is zero");
    }

    #[test]
    fn a_resident_value_can_be_read_back_alone() {
        let entries =
            [entry(Table::Body, b"b", Some(&[9; 5000])), entry(Table::Session, b"k", Some(b"secret"))];
        let (bytes, spans) = record(&entries);
        let cell = &bytes[spans[0].offset as usize..][..spans[0].len as usize];
        let (key, value) = open_cell(cell, Table::Session, &Key::new([2; 32])).unwrap();
        assert_eq!((key.as_slice(), value.as_slice()), (&b"k"[..], &b"secret"[..]));
        assert_eq!(open_cell(cell, Table::Contact, &Key::new([2; 32])), Err(BadSeal));
    }

    #[test]
    fn a_record_opens_only_whole_and_unchanged() {
        let (bytes, _) =
            record(&[entry(Table::Session, b"k", Some(b"v")), entry(Table::Body, b"b", Some(b"w"))]);
        let total = head(&bytes).unwrap().total as usize;
        for at in 0..total {
            let mut bent = bytes[..total].to_vec();
            bent[at] ^= 1;
            assert!(decode(&mut bent, &Key::new([2; 32])).is_err(), "byte {at}");
        }
        for len in 0..total {
            assert!(decode(&mut bytes[..len].to_vec(), &Key::new([2; 32])).is_err(), "length {len}");
        }
        assert!(decode(&mut bytes[..total].to_vec(), &Key::new([3; 32])).is_err());
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300));
        let key = proptest::collection::vec(any::<u8>(), 0..=255);
        (0..Table::ALL.len(), key, value).prop_map(|(t, k, v)| entry(Table::ALL[t], &k, v.as_deref()))
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(entries in proptest::collection::vec(any_entry(), 0..40)) {
            let (bytes, spans) = record(&entries);
            prop_assert!(bytes.len() <= bound(&entries));
            let header = head(&bytes).unwrap();
            prop_assert_eq!((header.generation, header.seq, header.padded()), (3, 8, bytes.len() as u64));
            let ops = decode(&mut bytes[..header.total as usize].to_vec(), &Key::new([2; 32])).unwrap();
            prop_assert_eq!(ops.len(), entries.len());
            let mut spans = spans.into_iter();
            for (op, entry) in ops.iter().zip(&entries) {
                prop_assert_eq!((op.table, &op.key), (entry.table, &entry.key));
                match (&op.change, &entry.value) {
                    (Change::Delete, None) => {}
                    (Change::Put(read), Some(value)) => prop_assert_eq!(read, value),
                    (Change::Cell(span), Some(_)) => prop_assert_eq!(Some(*span), spans.next()),
                    (change, value) => prop_assert!(false, "{change:?} for {value:?}"),
                }
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = head(&bytes);
            let _ = read_ops(&bytes, 0);
            let _ = decode(&mut bytes, &Key::new([2; 32]));
        }
    }
}
