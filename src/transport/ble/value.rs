//! One value as bytes: the piece of a pipe that a radio carries at once (PROTOCOL.md section 14.2).
//!
//! `u16 link || u16 seq || u16 ack || u8 flags || payload`, little-endian. Values may be lost, doubled, come in any
//! order, and those of strangers may arrive among them; what makes a pipe of them is in [`super::pipe`].

use mesh_core::Lane;

/// Bytes before the payload.
pub(crate) const HEADER: usize = 7;
/// The longest value that an attribute can have (Bluetooth Core, volume 3, part F, 3.2.9).
pub(crate) const MAX_VALUE: usize = 512;
/// Values that a pipe may have in flight, and so the most that a receiver holds out of order.
pub(crate) const MAX_WINDOW: usize = 64;
/// The most bytes that tell which values beyond the next are held.
const MAX_HELD: usize = MAX_WINDOW / 8;

const BULK: u8 = 1;
const OPEN: u8 = 2;
const RESET: u8 = 4;
const ASK: u8 = 8;
const BARE: u8 = 16;
const KNOWN: u8 = BULK | OPEN | RESET | ASK | BARE;

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    /// Which pipe, chosen at random by the end that opened it: where a notification reaches every central, it tells
    /// whom it is for.
    pub(crate) link: u16,
    /// The place of a piece among all pieces of this direction; what a bare value or a reset has here means nothing.
    pub(crate) seq: u16,
    /// The next piece that is waited for: all before it were taken.
    pub(crate) ack: u16,
    /// The sender has not heard anything of the far end: who does not know this link begins it.
    pub(crate) open: bool,
    /// The sender waits for an acknowledgement.
    pub(crate) ask: bool,
    /// What it carries.
    pub(crate) body: Body<'a>,
}

/// What a value carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    /// The next bytes of a lane's stream, at least one.
    Piece {
        /// Whose.
        lane: Lane,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// An acknowledgement alone. Bit `n` of `held`: the piece `ack + 1 + n` is there.
    Bare {
        /// Which pieces beyond the next are there.
        held: u64,
    },
    /// The sender knows no such link.
    Reset,
}

/// Why bytes are no value; they are passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueError {
    /// Shorter than a header, or longer than any value.
    #[error("a value of {got} bytes, {HEADER} to {MAX_VALUE} are allowed")]
    Length {
        /// Its length.
        got: usize,
    },
    /// Flags that exclude one another or are unknown.
    #[error("a value with flags {flags:#04x}")]
    Flags {
        /// All of them.
        flags: u8,
    },
    /// A piece without bytes, or a reset or an acknowledgement with too many.
    #[error("a value with flags {flags:#04x} and a payload of {got} bytes")]
    Payload {
        /// All flags.
        flags: u8,
        /// The payload's length.
        got: usize,
    },
}

impl<'a> Value<'a> {
    /// Reads one value.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, ValueError> {
        let length = ValueError::Length { got: bytes.len() };
        let (header, payload) = bytes.split_first_chunk::<HEADER>().ok_or(length)?;
        if bytes.len() > MAX_VALUE {
            return Err(length);
        }
        let [l0, l1, s0, s1, a0, a1, flags] = *header;
        let wrong = ValueError::Payload { flags, got: payload.len() };
        let lane = if flags & BULK == 0 { Lane::Control } else { Lane::Bulk };
        let body = match flags & (RESET | BARE) {
            _ if flags & !KNOWN != 0 => return Err(ValueError::Flags { flags }),
            0 if payload.is_empty() => return Err(wrong),
            0 => Body::Piece { lane, bytes: payload },
            _ if flags & BULK != 0 => return Err(ValueError::Flags { flags }),
            BARE if payload.len() <= MAX_HELD && payload.last() != Some(&0) => {
                let mut held = [0; MAX_HELD];
                held[..payload.len()].copy_from_slice(payload);
                Body::Bare { held: u64::from_le_bytes(held) }
            }
            RESET if payload.is_empty() && flags == RESET => Body::Reset,
            BARE => return Err(wrong),
            _ => return Err(ValueError::Flags { flags }),
        };
        let [link, seq, ack] = [[l0, l1], [s0, s1], [a0, a1]].map(u16::from_le_bytes);
        Ok(Self { link, seq, ack, open: flags & OPEN != 0, ask: flags & ASK != 0, body })
    }

    /// The bytes of this value.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let held;
        let (kind, payload): (u8, &[u8]) = match &self.body {
            Body::Piece { lane: Lane::Control, bytes } => (0, bytes),
            Body::Piece { lane: Lane::Bulk, bytes } => (BULK, bytes),
            Body::Bare { held: bits } => {
                held = bits.to_le_bytes();
                (BARE, &held[..MAX_HELD - bits.leading_zeros() as usize / 8])
            }
            Body::Reset => (RESET, &[]),
        };
        let marks = if self.open { OPEN } else { 0 } | if self.ask { ASK } else { 0 };
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        for field in [self.link, self.seq, self.ack] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.push(kind | marks);
        bytes.extend_from_slice(payload);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(body: Body<'_>) -> Value<'_> {
        Value { link: 0x0201, seq: 0x0403, ack: 0x0605, open: false, ask: false, body }
    }

    #[test]
    fn the_bytes_of_values_are_fixed() {
        let piece = |lane| Body::Piece { lane, bytes: b"abc" };
        let golden: [(Value<'_>, &[u8]); 6] = [
            (value(piece(Lane::Control)), b"\x01\x02\x03\x04\x05\x06\x00abc"),
            (value(piece(Lane::Bulk)), b"\x01\x02\x03\x04\x05\x06\x01abc"),
            (
                Value { open: true, ask: true, ..value(piece(Lane::Control)) },
                b"\x01\x02\x03\x04\x05\x06\x0aabc",
            ),
            (value(Body::Bare { held: 0 }), b"\x01\x02\x03\x04\x05\x06\x10"),
            (value(Body::Bare { held: 0x0102 }), b"\x01\x02\x03\x04\x05\x06\x10\x02\x01"),
            (value(Body::Reset), b"\x01\x02\x03\x04\x05\x06\x04"),
        ];
        for (value, bytes) in golden {
            assert_eq!(value.encode(), bytes);
            assert_eq!(Value::decode(bytes), Ok(value));
        }
    }

    #[test]
    fn what_no_correct_sender_writes_is_refused() {
        let with = |flags: u8, payload: &[u8]| [&[0, 0, 0, 0, 0, 0, flags], payload].concat();
        let refused = [
            with(0, b""),
            with(BULK, b""),
            with(32, b"x"),
            with(128, b"x"),
            with(BARE | BULK, b""),
            with(BARE | RESET, b""),
            with(RESET | OPEN, b""),
            with(RESET, b"x"),
            with(BARE, b"\x01\0"),
            with(BARE, &[1; 9]),
            with(0, &[1; MAX_VALUE]),
            vec![0; HEADER - 1],
            Vec::new(),
        ];
        for bytes in refused {
            assert!(Value::decode(&bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_whole_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(value) = Value::decode(&bytes) {
                prop_assert_eq!(value.encode(), bytes);
            }
        }

        #[test]
        fn what_is_written_is_read(link: u16, seq: u16, ack: u16, open: bool, ask: bool, held: u64) {
            let bare = Value { link, seq, ack, open, ask, body: Body::Bare { held } };
            let bytes = bare.encode();
            prop_assert_eq!(Value::decode(&bytes), Ok(bare));
        }
    }
}
