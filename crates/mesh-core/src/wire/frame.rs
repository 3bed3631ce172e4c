//! The frames of a link: what two neighbours say to each other (PROTOCOL.md section 4).
//!
//! ```text
//! type 1 | fields of fixed width | the rest: names of 8 B, receipts of 16 B, or bytes of another format
//! ```
//!
//! A newer version may append to a frame whose length is fixed here, and may add types: what is
//! longer is read as far as it is known, an unknown type is skipped. The first three bytes of a
//! hello (type, oldest and newest version) keep their meaning for ever.

use super::sketch::Part;
use crate::id::{Ack, ShortId};

/// The largest frame in bytes.
pub const MAX_FRAME: usize = 64 * 1024;
/// The most names or receipts in one frame.
pub const MAX_NAMES: usize = 1024;
/// Recognition tokens in a hello, always.
pub const TOKENS: usize = 64;
/// Bytes of a recognition token.
pub const TOKEN_LEN: usize = 8;
/// Bytes of a hello of this version.
pub const HELLO_LEN: usize = 3 + 4 + 16 + 16 + TOKENS * TOKEN_LEN;

/// A recognition token (PROTOCOL.md section 4).
pub type Token = [u8; TOKEN_LEN];
/// A digest of one set, or of all.
pub type Root = [u8; 8];
/// The first bytes of a [`Root`], where three stand side by side. That two sets differ and these do not comes once in
/// 4 billion comparisons, and beats carry the whole root over all sets.
pub type Brief = [u8; 4];

/// The sets that neighbours bring to agreement, most urgent first. The number is part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Set {
    /// Public things: beacons.
    Public = 0,
    /// Receipts, named by commitment and secret.
    Receipts = 1,
    /// Sealed envelopes.
    Sealed = 2,
}

impl Set {
    /// Every set, most urgent first.
    pub const ALL: [Self; 3] = [Self::Public, Self::Receipts, Self::Sealed];

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// The first frame on a link, from both ends at once.
#[derive(Clone, PartialEq, Eq)]
pub struct Hello {
    /// The oldest link version that is spoken.
    pub min: u8,
    /// The newest.
    pub max: u8,
    /// Bits of later abilities; none is defined.
    pub capabilities: u32,
    /// Random, one for all links that stand at the same time: two links to one neighbour are seen by it.
    pub instance: [u8; 16],
    /// Random, mixed into the tokens.
    pub nonce: [u8; 16],
    /// [`TOKENS`] recognition tokens, random ones among them, sorted.
    pub tokens: Vec<Token>,
}

impl core::fmt::Debug for Hello {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Hello(versions {} to {})", self.min, self.max)
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Who can talk how.
    Hello(Hello),
    /// A sign of life.
    Beat {
        /// Whether the same is wanted back.
        ask: bool,
        /// Over the digests of all sets.
        root: Root,
    },
    /// The digest of each set, in the order of [`Set::ALL`].
    Digest([Brief; 3]),
    /// The sender's digests are the same.
    Agreed,
    /// What the listener's set looks like (PROTOCOL.md section 9.2).
    Sketch(Part),
    /// The dialer needs more cells of a sketch.
    More {
        /// Of which set.
        set: Set,
        /// The number that the listener gave.
        run: u8,
        /// From which cell on; from 0 of the set as it is now.
        first: u16,
        /// Up to which cell, not included.
        end: u16,
    },
    /// A message of the reconciliation of one set by the slower way.
    Reconcile {
        /// Which set.
        set: Set,
        /// Chosen by the dialer per run, repeated in every message of it.
        run: u8,
        /// Whether the dialer wrote it.
        from_dialer: bool,
        /// The message: negentropy 1 (PROTOCOL.md section 9.2).
        message: Vec<u8>,
    },
    /// The sender holds these.
    Have(Vec<ShortId>),
    /// The same of public things: these are asked for before all else.
    Calls {
        /// How many more links a copy may cross when it arrives.
        hops: u8,
        /// Which.
        ids: Vec<ShortId>,
    },
    /// The sender asks for these.
    Want {
        /// The fewest hops that a copy must have left when it arrives. With the highest bit only a copy without the
        /// mark of what is beyond a share is wanted (PROTOCOL.md section 9.3).
        least: u8,
        /// What is asked for.
        ids: Vec<ShortId>,
    },
    /// A sealed envelope, as it lies on the air (PROTOCOL.md section 3).
    Envelope(Vec<u8>),
    /// The sender holds these durably, which this link brought.
    Kept(Vec<ShortId>),
    /// Proofs of delivery.
    Receipts(Vec<Ack>),
    /// A public thing, as it lies on the air (PROTOCOL.md section 10).
    Public(Vec<u8>),
    /// New recognition tokens of a link that stands, sorted.
    Tokens(Vec<Token>),
    /// The sender is also at the other end of another link, which is faster: this one ends (PROTOCOL.md section 4.9).
    Moved {
        /// That link, told by what only its two ends know.
        proof: [u8; 16],
        /// How far the sender is; more than 2 is read as 2.
        step: u8,
    },
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`MAX_FRAME`].
    #[error("a frame has at most {MAX_FRAME} bytes, not {got}")]
    Long {
        /// The bytes received.
        got: usize,
    },
    /// A frame of a newer version: skipped.
    #[error("frame type {got} is not known")]
    Unknown {
        /// Its type.
        got: u8,
    },
    /// Too short, or its fields are out of range.
    #[error("a frame of type {kind} with {got} bytes is malformed")]
    Malformed {
        /// Its type; 0 for an empty frame.
        kind: u8,
        /// The bytes received.
        got: usize,
    },
}

mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const BEAT: u8 = 2;
    pub(super) const DIGEST: u8 = 3;
    pub(super) const RECONCILE: u8 = 4;
    pub(super) const HAVE: u8 = 5;
    pub(super) const WANT: u8 = 6;
    pub(super) const ENVELOPE: u8 = 7;
    pub(super) const KEPT: u8 = 8;
    pub(super) const RECEIPTS: u8 = 9;
    pub(super) const PUBLIC: u8 = 10;
    pub(super) const TOKENS: u8 = 11;
    pub(super) const AGREED: u8 = 12;
    pub(super) const SKETCH: u8 = 13;
    pub(super) const MORE: u8 = 14;
    pub(super) const CALLS: u8 = 15;
    pub(super) const MOVED: u8 = 16;
}

impl Frame {
    /// The bytes for the link.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => hello.to_bytes(),
            Self::Beat { ask, root } => join(kind::BEAT, &[&[u8::from(*ask)], root]),
            Self::Digest(roots) => join(kind::DIGEST, &[roots.as_flattened()]),
            Self::Agreed => join(kind::AGREED, &[]),
            Self::Sketch(part) => join(kind::SKETCH, &[&part.to_bytes()]),
            Self::More { set, run, first, end } => {
                join(kind::MORE, &[&[*set as u8, *run], &first.to_le_bytes()[..], &end.to_le_bytes()[..]])
            }
            Self::Reconcile { set, run, from_dialer, message } => {
                join(kind::RECONCILE, &[&[*set as u8, *run, u8::from(*from_dialer)], message])
            }
            Self::Have(ids) => join_names(kind::HAVE, &[], ids.iter().map(|id| &id.0[..])),
            Self::Calls { hops, ids } => join_names(kind::CALLS, &[*hops], ids.iter().map(|id| &id.0[..])),
            Self::Want { least, ids } => join_names(kind::WANT, &[*least], ids.iter().map(|id| &id.0[..])),
            Self::Envelope(bytes) => join(kind::ENVELOPE, &[bytes]),
            Self::Kept(ids) => join_names(kind::KEPT, &[], ids.iter().map(|id| &id.0[..])),
            Self::Receipts(acks) => join_names(kind::RECEIPTS, &[], acks.iter().map(|ack| &ack.0[..])),
            Self::Public(bytes) => join(kind::PUBLIC, &[bytes]),
            Self::Tokens(tokens) => join(kind::TOKENS, &[tokens.as_flattened()]),
            Self::Moved { proof, step } => join(kind::MOVED, &[&[*step], proof]),
        }
    }

    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError::Unknown`] for a type of a newer version, which is no fault; else where the
    /// bytes break the layout. Nothing is allocated beyond what arrived.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        if bytes.len() > MAX_FRAME {
            return Err(FrameError::Long { got: bytes.len() });
        }
        let Some((&kind, rest)) = bytes.split_first() else {
            return Err(FrameError::Malformed { kind: 0, got: 0 });
        };
        let frame = match kind {
            kind::HELLO => Hello::read(rest).map(Self::Hello),
            kind::BEAT => read_beat(rest),
            kind::DIGEST => read_digest(rest),
            kind::AGREED => Some(Self::Agreed),
            kind::SKETCH => Part::read(rest).map(Self::Sketch),
            kind::MORE => read_more(rest),
            kind::RECONCILE => read_reconcile(rest),
            kind::HAVE => ids(rest).map(Self::Have),
            kind::CALLS => read_calls(rest),
            kind::WANT => read_want(rest),
            kind::ENVELOPE => Some(Self::Envelope(rest.to_vec())),
            kind::KEPT => ids(rest).map(Self::Kept),
            kind::RECEIPTS => names(rest).map(|acks| Self::Receipts(acks.into_iter().map(Ack).collect())),
            kind::PUBLIC => Some(Self::Public(rest.to_vec())),
            kind::TOKENS => read_tokens(rest).map(Self::Tokens),
            kind::MOVED => read_moved(rest),
            got => return Err(FrameError::Unknown { got }),
        };
        frame.ok_or(FrameError::Malformed { kind, got: bytes.len() })
    }

    /// The versions that a hello names, of whatever version it is.
    #[must_use]
    pub fn hello_versions(bytes: &[u8]) -> Option<(u8, u8)> {
        match bytes {
            [kind::HELLO, min, max, ..] => Some((*min, *max)),
            _ => None,
        }
    }
}

impl Hello {
    fn to_bytes(&self) -> Vec<u8> {
        let capabilities = self.capabilities.to_le_bytes();
        let fields: [&[u8]; 5] =
            [&[self.min, self.max], &capabilities, &self.instance, &self.nonce, self.tokens.as_flattened()];
        join(kind::HELLO, &fields)
    }

    fn read(rest: &[u8]) -> Option<Self> {
        let (&[min, max], rest) = rest.split_first_chunk()?;
        let (capabilities, rest) = rest.split_first_chunk()?;
        let (instance, rest) = rest.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let tokens = read_tokens(rest)?;
        let capabilities = u32::from_le_bytes(*capabilities);
        Some(Self { min, max, capabilities, instance: *instance, nonce: *nonce, tokens })
    }
}

fn read_beat(rest: &[u8]) -> Option<Frame> {
    let (&[ask], rest) = rest.split_first_chunk()?;
    let root = *rest.first_chunk()?;
    Some(Frame::Beat { ask: ask & 1 == 1, root })
}

fn read_moved(rest: &[u8]) -> Option<Frame> {
    let (&[step], rest) = rest.split_first_chunk()?;
    Some(Frame::Moved { proof: *rest.first_chunk()?, step: step.min(2) })
}

fn read_digest(rest: &[u8]) -> Option<Frame> {
    let (roots, _) = rest.as_chunks::<4>();
    Some(Frame::Digest(*roots.first_chunk()?))
}

fn read_more(rest: &[u8]) -> Option<Frame> {
    let (&[set, run], rest) = rest.split_first_chunk()?;
    let (first, rest) = rest.split_first_chunk()?;
    let (first, end) = (u16::from_le_bytes(*first), u16::from_le_bytes(*rest.first_chunk()?));
    Some(Frame::More { set: Set::from_byte(set)?, run, first, end })
}

fn read_reconcile(rest: &[u8]) -> Option<Frame> {
    let (&[set, run, from], message) = rest.split_first_chunk()?;
    let set = Set::from_byte(set)?;
    Some(Frame::Reconcile { set, run, from_dialer: from & 1 == 1, message: message.to_vec() })
}

fn read_want(rest: &[u8]) -> Option<Frame> {
    let (&least, rest) = rest.split_first()?;
    Some(Frame::Want { least, ids: ids(rest)? })
}

fn read_calls(rest: &[u8]) -> Option<Frame> {
    let (&hops, rest) = rest.split_first()?;
    Some(Frame::Calls { hops, ids: ids(rest)? })
}

fn read_tokens(rest: &[u8]) -> Option<Vec<Token>> {
    let (tokens, _) = rest.as_chunks::<TOKEN_LEN>();
    Some(tokens.first_chunk::<TOKENS>()?.to_vec())
}

fn ids(rest: &[u8]) -> Option<Vec<ShortId>> {
    names(rest).map(|ids| ids.into_iter().map(ShortId).collect())
}

/// 1 to [`MAX_NAMES`] names of `N` bytes and nothing else.
fn names<const N: usize>(rest: &[u8]) -> Option<Vec<[u8; N]>> {
    let (names, rest) = rest.as_chunks::<N>();
    let fits = rest.is_empty() && !names.is_empty() && names.len() <= MAX_NAMES;
    fits.then(|| names.to_vec())
}

fn join(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    bytes.push(kind);
    for part in parts {
        bytes.extend_from_slice(part);
    }
    bytes
}

fn join_names<'a>(kind: u8, fields: &[u8], names: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + fields.len() + names.len() * Ack::LEN);
    bytes.push(kind);
    bytes.extend_from_slice(fields);
    for name in names {
        bytes.extend_from_slice(name);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sketch::{PART_HEADER, Part, Sketch};
    use proptest::prelude::*;

    fn hello() -> Hello {
        let tokens = (0..TOKENS as u8).map(|i| [i; TOKEN_LEN]).collect();
        Hello { min: 1, max: 3, capabilities: 0x0102_0304, instance: [5; 16], nonce: [6; 16], tokens }
    }

    fn samples() -> Vec<Frame> {
        vec![
            Frame::Hello(hello()),
            Frame::Beat { ask: true, root: [1, 2, 3, 4, 5, 6, 7, 8] },
            Frame::Digest([[1; 4], [2; 4], [3; 4]]),
            Frame::Reconcile { set: Set::Sealed, run: 9, from_dialer: true, message: vec![0x61, 0] },
            Frame::Have(vec![ShortId([1; 8]), ShortId([2; 8])]),
            Frame::Want { least: 4, ids: vec![ShortId([3; 8])] },
            Frame::Envelope(vec![1, 0x30, 7]),
            Frame::Kept(vec![ShortId([4; 8])]),
            Frame::Receipts(vec![Ack([5; 16])]),
            Frame::Public(vec![0x81, 1]),
            Frame::Tokens(hello().tokens),
            Frame::Agreed,
            Frame::Sketch(Sketch::of(7, 2, [ShortId([8; 8]).into()]).part(Set::Sealed, 6, true, 0..2)),
            Frame::Sketch(Sketch::of(7, 2, [Ack([9; 16]).into()]).part(Set::Receipts, 6, false, 0..1)),
            Frame::More { set: Set::Sealed, run: 6, first: 26, end: 0x0102 },
            Frame::Calls { hops: 62, ids: vec![ShortId([6; 8])] },
            Frame::Moved { proof: [7; 16], step: 2 },
        ]
    }

    #[test]
    fn golden_small_frames() {
        let bytes: Vec<Vec<u8>> = samples().iter().map(Frame::to_bytes).collect();
        assert_eq!(bytes[1], [2, 1, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(bytes[2], [[3].as_slice(), &[1; 4], &[2; 4], &[3; 4]].concat());
        assert_eq!(bytes[3], [4, 2, 9, 1, 0x61, 0]);
        assert_eq!(bytes[4], [[5].as_slice(), &[1; 8], &[2; 8]].concat());
        assert_eq!(bytes[5], [[6, 4].as_slice(), &[3; 8]].concat());
        assert_eq!(bytes[6], [7, 1, 0x30, 7]);
        assert_eq!(bytes[7], [[8].as_slice(), &[4; 8]].concat());
        assert_eq!(bytes[8], [[9].as_slice(), &[5; 16]].concat());
        assert_eq!(bytes[9], [10, 0x81, 1]);
        assert_eq!(bytes[10].len(), 1 + 512);
        assert_eq!(bytes[11], [12]);
        assert_eq!(bytes[12][..12], [13, 2, 2, 6, 7, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[12][12..20], [8; 8]);
        assert_eq!(bytes[12].len(), Part::len(Set::Sealed, 2));
        assert_eq!(bytes[13][12..28], [9; 16]);
        assert_eq!(bytes[13].len(), Part::len(Set::Receipts, 1));
        assert_eq!(bytes[14], [14, 2, 6, 26, 0, 2, 1]);
        assert_eq!(bytes[15], [[15, 62].as_slice(), &[6; 8]].concat());
        assert_eq!(bytes[16], [[16, 2].as_slice(), &[7; 16]].concat());
    }

    #[test]
    fn golden_hello() {
        let bytes = Frame::Hello(hello()).to_bytes();
        assert_eq!(bytes.len(), HELLO_LEN);
        assert_eq!(bytes[..7], [1, 1, 3, 4, 3, 2, 1]);
        assert_eq!(bytes[7..23], [5; 16]);
        assert_eq!(bytes[23..39], [6; 16]);
        assert_eq!(bytes[39..47], [0; 8]);
        assert_eq!(bytes[543..551], [63; 8]);
    }

    #[test]
    fn every_frame_comes_back() {
        for frame in samples() {
            assert_eq!(Frame::from_bytes(&frame.to_bytes()), Ok(frame));
        }
    }

    #[test]
    fn a_hello_of_a_later_version_is_read_as_far_as_it_is_known() {
        let mut bytes = Frame::Hello(hello()).to_bytes();
        bytes.extend_from_slice(b"of a later version");
        assert_eq!(Frame::from_bytes(&bytes), Ok(Frame::Hello(hello())));
    }

    #[test]
    fn the_versions_of_a_hello_are_read_whatever_follows() {
        assert_eq!(Frame::hello_versions(&[1, 2, 9]), Some((2, 9)));
        assert_eq!(Frame::hello_versions(&[2, 2, 9]), None);
    }

    #[test]
    fn a_frame_type_of_a_later_version_is_named_as_such() {
        assert_eq!(Frame::from_bytes(&[200, 1]), Err(FrameError::Unknown { got: 200 }));
    }

    #[test]
    fn attack_38_a_frame_over_the_limit_is_refused() {
        let bytes = vec![7; 70_000];
        assert_eq!(Frame::from_bytes(&bytes), Err(FrameError::Long { got: 70_000 }));
    }

    #[test]
    fn attack_36_every_length_of_every_frame_is_read_or_refused() {
        for frame in samples() {
            let bytes = frame.to_bytes();
            for cut in 0..bytes.len() {
                let _ = Frame::from_bytes(&bytes[..cut]);
            }
        }
        let over = [[5].as_slice(), &vec![0; (MAX_NAMES + 1) * 8]].concat();
        assert_eq!(Frame::from_bytes(&over), Err(FrameError::Malformed { kind: 5, got: over.len() }));
        assert!(Frame::from_bytes(&[]).is_err());
        assert!(Frame::from_bytes(&[5]).is_err(), "no names");
        assert!(Frame::from_bytes(&[5, 1]).is_err(), "a name cut short");
        assert!(Frame::from_bytes(&[4, 3, 0, 0]).is_err(), "no such set");
        assert!(Frame::from_bytes(&[14, 3, 0, 0, 0, 0, 0]).is_err(), "no such set");
        assert!(
            Frame::from_bytes(&[[13].as_slice(), &[0; PART_HEADER + 1]].concat()).is_err(),
            "half a cell"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_that_comes_back_or_an_error(
            kind in 0u8..18, bytes in proptest::collection::vec(any::<u8>(), 0..700)
        ) {
            let bytes = [&[kind], &bytes[..]].concat();
            if let Ok(frame) = Frame::from_bytes(&bytes) {
                prop_assert_eq!(Frame::from_bytes(&frame.to_bytes()), Ok(frame));
            }
        }
    }
}
