//! The envelope: the sealed unit that is gossiped (PROTOCOL.md section 3).
//!
//! ```text
//! ver 1 | size and lifetime 1 | tag 16 | ack_commit 16 | body (its class) | hops 1 | age_s 4
//! `------------------- immutable, hashed to the id ------------------'  `-- mutable --'
//! ```
//!
//! The frame of the format outlives its versions: the second byte names the lifetime, the last five
//! bytes are hops and age, and the id is the hash of all that stands before them. So a node carries,
//! counts and ends an envelope of a version that it cannot open.

use crate::id::{AckCommit, EnvelopeId, Tag};
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The envelope version that this code writes and opens.
pub const VERSION: u8 = 1;
/// Set in the first byte of public, signed things (kind P).
pub const PUBLIC_BIT: u8 = 0x80;
/// Bytes before the body.
pub const HEADER_LEN: usize = 34;
/// Bytes of hops and age, at the end.
pub const MUTABLE_LEN: usize = 5;
/// The largest envelope on the air, of any version, in bytes.
pub const MAX_LEN: usize = HEADER_LEN + 16_384 + MUTABLE_LEN;
/// Set in the byte of hops of an envelope that its bringer has beyond the share of whoever brought it there.
const SURPLUS_BIT: u8 = 0x80;
/// The largest hop count that a relay keeps; higher ones are lowered to it.
pub const MAX_HOPS: u8 = 16;
/// The same of public things: a call for help crosses a crowd of thousands, which is some forty hops wide.
pub const MAX_PUBLIC_HOPS: u8 = 64;

/// The size of a body: all bodies of a class are equally long (PROTOCOL.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum SizeClass {
    /// 256 B: a text of up to 100 bytes.
    B256 = 0,
    /// 576 B: such a text with its key share.
    B576 = 1,
    /// 1,280 B: a text of 1 KiB.
    B1280 = 2,
    /// 4,096 B: every first contact, and long texts that look like one.
    B4096 = 3,
    /// 16,384 B: the longest.
    B16384 = 4,
}

impl SizeClass {
    /// Every class, smallest first.
    pub const ALL: [Self; 5] = [Self::B256, Self::B576, Self::B1280, Self::B4096, Self::B16384];

    /// The length of a body of this class in bytes.
    #[must_use]
    pub const fn body_len(self) -> usize {
        match self {
            Self::B256 => 256,
            Self::B576 => 576,
            Self::B1280 => 1280,
            Self::B4096 => 4096,
            Self::B16384 => 16_384,
        }
    }

    /// The smallest class whose body holds `len` bytes.
    #[must_use]
    pub fn fitting(len: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|class| len <= class.body_len())
    }
}

/// How long an envelope lives, counted by those who hold it (PROTOCOL.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Lifetime {
    /// 1 hour.
    Hour = 0,
    /// 12 hours.
    HalfDay = 1,
    /// 3 days.
    ThreeDays = 2,
    /// 14 days, the default of messages.
    Fortnight = 3,
}

impl Lifetime {
    /// Every lifetime, shortest first.
    pub const ALL: [Self; 4] = [Self::Hour, Self::HalfDay, Self::ThreeDays, Self::Fortnight];

    /// The span.
    #[must_use]
    pub const fn span(self) -> Duration {
        Duration::from_secs(match self {
            Self::Hour => 3_600,
            Self::HalfDay => 12 * 3_600,
            Self::ThreeDays => 3 * 86_400,
            Self::Fortnight => 14 * 86_400,
        })
    }

    /// The shortest class that covers `span`; the longest where none does.
    #[must_use]
    pub fn covering(span: Duration) -> Self {
        Self::ALL.into_iter().find(|l| span <= l.span()).unwrap_or(Self::Fortnight)
    }
}

/// Why bytes are no envelope that can be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Shorter than header and mutable part, or longer than [`MAX_LEN`].
    #[error("an envelope has {min} to {max} bytes, not {got}", min = HEADER_LEN + MUTABLE_LEN, max = MAX_LEN)]
    Length {
        /// The bytes received.
        got: usize,
    },
    /// The size or lifetime is not defined in this version.
    #[error("class byte {got:#04x} is not defined")]
    Class {
        /// The byte received.
        got: u8,
    },
    /// The body is not as long as its class.
    #[error("a body of its class has {expected} bytes, not {got}")]
    Body {
        /// What the class demands.
        expected: usize,
        /// What was received.
        got: usize,
    },
    /// A public thing: read by its own codec.
    #[error("the first byte names a public thing, not an envelope")]
    Public,
    /// Version 0 was never defined.
    #[error("version 0 is not defined")]
    Version,
}

/// An envelope, sealed, as it lies on the air. Bodies are opaque here.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The immutable bytes, as sent; never re-serialized.
    immutable: Vec<u8>,
    /// Of the immutable bytes; asked for many times on the way through a node.
    id: EnvelopeId,
    /// How many more links it may cross; 0 to [`MAX_HOPS`].
    pub hops_left: u8,
    /// Accumulated time in bags and on the way, in seconds.
    pub age_s: u32,
    /// Whether somebody on its way brought it beyond their share (PROTOCOL.md section 9.6).
    pub surplus: bool,
}

impl core::fmt::Debug for Envelope {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Envelope({} B, hops {}, age {} s)", self.immutable.len(), self.hops_left, self.age_s)
    }
}

impl Envelope {
    /// The 34 immutable bytes before a body: what a seal binds itself to.
    #[must_use]
    pub fn header(size: SizeClass, lifetime: Lifetime, tag: Tag, commit: AckCommit) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[0] = VERSION;
        header[1] = size as u8 | (lifetime as u8) << 4;
        header[2..18].copy_from_slice(&tag.0);
        header[18..].copy_from_slice(&commit.0);
        header
    }

    /// An envelope of this version from its header and sealed body.
    ///
    /// # Errors
    /// [`EnvelopeError::Body`] where the body has not the length of the header's class.
    pub fn new(header: [u8; HEADER_LEN], body: &[u8], hops_left: u8) -> Result<Self, EnvelopeError> {
        let mut immutable = Vec::with_capacity(HEADER_LEN + body.len());
        immutable.extend_from_slice(&header);
        immutable.extend_from_slice(body);
        Self::from_parts(immutable, hops_left, 0)
    }

    /// An envelope from the immutable bytes that [`Envelope::immutable`] returned.
    ///
    /// # Errors
    /// As [`Envelope::from_bytes`].
    pub fn from_parts(immutable: Vec<u8>, hops_left: u8, age_s: u32) -> Result<Self, EnvelopeError> {
        check(&immutable)?;
        let id = EnvelopeId(*blake3::hash(&immutable).as_bytes());
        Ok(Self { immutable, id, hops_left, age_s, surplus: false })
    }

    /// Reads an envelope of any version from the air. Hops above [`MAX_HOPS`] are lowered to it.
    ///
    /// # Errors
    /// Where the bytes are too short or long, name a public thing, or do not keep the rules of
    /// version 1 though they claim it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let length = EnvelopeError::Length { got: bytes.len() };
        if bytes.len() > MAX_LEN {
            return Err(length);
        }
        let Mutable { immutable, hops, age_s, surplus } = split_mutable(bytes).ok_or(length)?;
        Ok(Self { surplus, ..Self::from_parts(immutable.to_vec(), hops, age_s)? })
    }

    /// The bytes for the air.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        with_mutable(&self.immutable, self.hops_left, self.age_s, self.surplus)
    }

    /// Length on the air in bytes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.immutable.len() + MUTABLE_LEN
    }

    /// The name of this envelope.
    #[must_use]
    pub fn id(&self) -> EnvelopeId {
        self.id
    }

    /// The bytes that the id covers.
    #[must_use]
    pub fn immutable(&self) -> &[u8] {
        &self.immutable
    }

    /// The version that sealed it.
    #[must_use]
    pub fn version(&self) -> u8 {
        self.immutable[0]
    }

    /// Whether this code can try to open it.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.version() == VERSION
    }

    /// The size class, `None` for a newer version's.
    #[must_use]
    pub fn size(&self) -> Option<SizeClass> {
        SizeClass::ALL.get(usize::from(self.immutable[1] & 0x0f)).copied()
    }

    /// The lifetime; a newer version's unknown one counts as the longest.
    #[must_use]
    pub fn lifetime(&self) -> Lifetime {
        let named = Lifetime::ALL.get(usize::from(self.immutable[1] >> 4));
        named.copied().unwrap_or(Lifetime::Fortnight)
    }

    /// The one-time tag (of a newer version: the bytes where it would stand).
    #[must_use]
    pub fn tag(&self) -> Tag {
        let mut tag = [0; 16];
        tag.copy_from_slice(&self.immutable[2..18]);
        Tag(tag)
    }

    /// The commitment to the receipt.
    #[must_use]
    pub fn ack_commit(&self) -> AckCommit {
        let mut commit = [0; 16];
        commit.copy_from_slice(&self.immutable[18..34]);
        AckCommit(commit)
    }

    /// The immutable header bytes, which every seal is bound to.
    #[must_use]
    pub fn header_bytes(&self) -> &[u8] {
        &self.immutable[..HEADER_LEN]
    }

    /// The sealed body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.immutable[HEADER_LEN..]
    }
}

/// What came from the air, taken apart.
pub(crate) struct Mutable<'a> {
    /// What stands before the bytes that change on the way.
    pub(crate) immutable: &'a [u8],
    /// Lowered to [`MAX_HOPS`] or [`MAX_PUBLIC_HOPS`].
    pub(crate) hops: u8,
    /// In seconds.
    pub(crate) age_s: u32,
    /// Of envelopes only.
    pub(crate) surplus: bool,
}

/// Takes apart what came from the air; `None` where it is too short.
pub(crate) fn split_mutable(bytes: &[u8]) -> Option<Mutable<'_>> {
    let (immutable, &[hops, age @ ..]) = bytes.split_last_chunk::<MUTABLE_LEN>()?;
    let is_public = immutable.first().is_some_and(|version| version & PUBLIC_BIT != 0);
    let most = if is_public { MAX_PUBLIC_HOPS } else { MAX_HOPS };
    let surplus = !is_public && hops & SURPLUS_BIT != 0;
    let hops = if surplus { hops & !SURPLUS_BIT } else { hops };
    Some(Mutable { immutable, hops: hops.min(most), age_s: u32::from_le_bytes(age), surplus })
}

/// The bytes for the air.
pub(crate) fn with_mutable(immutable: &[u8], hops: u8, age_s: u32, surplus: bool) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(immutable.len() + MUTABLE_LEN);
    bytes.extend_from_slice(immutable);
    bytes.push(if surplus { hops | SURPLUS_BIT } else { hops });
    bytes.extend_from_slice(&age_s.to_le_bytes());
    bytes
}

fn check(immutable: &[u8]) -> Result<(), EnvelopeError> {
    if immutable.len() < HEADER_LEN || immutable.len() > HEADER_LEN + 16_384 {
        return Err(EnvelopeError::Length { got: immutable.len() + MUTABLE_LEN });
    }
    let (version, class) = (immutable[0], immutable[1]);
    if version & PUBLIC_BIT != 0 {
        return Err(EnvelopeError::Public);
    }
    if version == 0 {
        return Err(EnvelopeError::Version);
    }
    if version > VERSION {
        return Ok(());
    }
    let size = SizeClass::ALL.get(usize::from(class & 0x0f));
    let (Some(size), true) = (size, usize::from(class >> 4) < Lifetime::ALL.len()) else {
        return Err(EnvelopeError::Class { got: class });
    };
    let got = immutable.len() - HEADER_LEN;
    if got != size.body_len() {
        return Err(EnvelopeError::Body { expected: size.body_len(), got });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(size: SizeClass) -> Envelope {
        let header = Envelope::header(size, Lifetime::Fortnight, Tag([7; 16]), AckCommit([9; 16]));
        Envelope::new(header, &vec![5; size.body_len()], 12).unwrap()
    }

    #[test]
    fn a_short_text_takes_295_bytes_on_the_air() {
        assert_eq!(sample(SizeClass::B256).wire_len(), 295);
    }

    #[test]
    fn golden_layout() {
        let mut envelope = sample(SizeClass::B256);
        envelope.age_s = 0x0102_0304;
        let bytes = envelope.to_bytes();
        assert_eq!(bytes[..2], [1, 0x30]);
        assert_eq!(bytes[2..18], [7; 16]);
        assert_eq!(bytes[18..34], [9; 16]);
        assert_eq!(bytes[34..290], [5; 256]);
        assert_eq!(bytes[290..], [12, 4, 3, 2, 1]);
    }

    #[test]
    fn the_mark_of_what_is_beyond_a_share_stands_in_the_byte_of_hops_and_of_envelopes_only() {
        let header = Envelope::header(SizeClass::B256, Lifetime::Hour, Tag([1; 16]), AckCommit([2; 16]));
        let mut envelope = Envelope::new(header, &[3; 256], 12).unwrap();
        let plain = envelope.to_bytes();
        envelope.surplus = true;
        let marked = envelope.to_bytes();
        assert_eq!((plain[290], marked[290]), (12, 0x8c));
        let read = Envelope::from_bytes(&marked).unwrap();
        assert_eq!((read.hops_left, read.surplus, read.id()), (12, true, envelope.id()));
        let public = with_mutable(&[PUBLIC_BIT | 1; 100], 0xff, 0, false);
        assert!(split_mutable(&public).is_some_and(|read| read.hops == MAX_PUBLIC_HOPS && !read.surplus));
    }

    #[test]
    fn hops_and_age_do_not_change_the_id() {
        let mut envelope = sample(SizeClass::B576);
        let id = envelope.id();
        (envelope.hops_left, envelope.age_s) = (0, 99);
        assert_eq!(envelope.id(), id);
    }

    #[test]
    fn hops_beyond_the_cap_are_lowered() {
        let mut bytes = sample(SizeClass::B256).to_bytes();
        bytes[290] = 255;
        assert_eq!(Envelope::from_bytes(&bytes).unwrap().hops_left, MAX_HOPS);
    }

    #[test]
    fn a_newer_version_survives_byte_for_byte() {
        let mut bytes = vec![0x5a; 777];
        (bytes[0], bytes[1]) = (2, 0x2f);
        bytes[772] = 3;
        let envelope = Envelope::from_bytes(&bytes).unwrap();
        assert!(!envelope.is_current());
        assert_eq!(envelope.lifetime(), Lifetime::ThreeDays);
        assert_eq!(envelope.to_bytes(), bytes);
    }

    #[test]
    fn a_body_of_another_length_is_refused() {
        let mut bytes = sample(SizeClass::B256).to_bytes();
        bytes.push(0);
        assert_eq!(Envelope::from_bytes(&bytes), Err(EnvelopeError::Body { expected: 256, got: 257 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_envelope_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
            if let Ok(envelope) = Envelope::from_bytes(&bytes) {
                prop_assert_eq!(envelope.to_bytes().len(), bytes.len());
                prop_assert_eq!(envelope.immutable(), &bytes[..bytes.len() - MUTABLE_LEN]);
            }
        }
    }
}
