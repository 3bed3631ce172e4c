//! From values to messages: what came out of order is held, what came twice is passed over, and the bytes of each
//! lane's stream are cut into messages (PROTOCOL.md section 14.3).

use super::value::MAX_WINDOW;
use mesh_core::Lane;
use mesh_core::link::MAX_FRAME;
use std::collections::{BTreeMap, VecDeque};

/// The longest message: a sealed frame of the greatest length (PROTOCOL.md section 14.4).
pub(crate) const MAX_MESSAGE: usize = MAX_FRAME + 32;
/// The version that begins a stream.
pub(crate) const VERSION: u8 = 1;
/// Bytes of the greeting that begins the control stream.
pub(crate) const GREETING: usize = 3;
/// The fewest bytes that a value of any neighbour carries.
const LEAST_VALUE: u16 = 18;
/// The most bytes of a length: 7 bits each.
const MAX_LENGTH_BYTES: u32 = 3;

/// What a neighbour did that no correct neighbour does; the link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// A message that is too long.
    #[error("a message of {got} bytes, at most {MAX_MESSAGE} are allowed")]
    Length {
        /// What its length says.
        got: usize,
    },
    /// A length that is not written in its shortest form, or a mark where none may stand.
    #[error("a length that is none")]
    Framing,
    /// A greeting of another version, or with values that are too small.
    #[error("a greeting of version {version} with values of {largest} bytes")]
    Greeting {
        /// Its version.
        version: u8,
        /// The longest value it takes.
        largest: u16,
    },
    /// An acknowledgement of what was never sent.
    #[error("{got} values acknowledged, {sent} were sent")]
    Acked {
        /// Values up to this one were acknowledged.
        got: u64,
        /// Values that were ever sent.
        sent: u64,
    },
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Whose stream it came in.
    pub(crate) lane: Lane,
    /// Whether the two transports mean each other by it: no frame.
    pub(crate) notice: bool,
    /// At most [`MAX_MESSAGE`] bytes.
    pub(crate) bytes: Vec<u8>,
}

/// What became of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was the next one.
    Next,
    /// It waits for those before it.
    Early,
    /// It was there already.
    Again,
    /// It is so far from the next one that no sender would send it now.
    Far,
}

/// The receiving half of a pipe.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    next: u64,
    held: BTreeMap<u64, (Lane, Vec<u8>)>,
    greeting: Vec<u8>,
    largest: Option<u16>,
    lanes: [Assembly; 2],
    messages: VecDeque<Message>,
}

impl Inbound {
    /// The next piece that is waited for.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Which pieces beyond the next are held, as a bare value tells it.
    pub(crate) fn held(&self) -> u64 {
        let ahead = self.held.keys().map(|seq| seq - self.next - 1);
        ahead.filter(|ahead| *ahead < 64).fold(0, |bits, ahead| bits | 1 << ahead)
    }

    /// The longest value that the far end takes, once it has greeted.
    pub(crate) fn largest(&self) -> Option<usize> {
        self.largest.map(usize::from)
    }

    /// The next whole message.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        self.messages.pop_front()
    }

    /// Takes one piece, and with it those that waited for it.
    pub(crate) fn take(&mut self, seq: u16, lane: Lane, bytes: &[u8]) -> Result<Taken, Broken> {
        let ahead = seq.wrapping_sub(self.next as u16);
        if usize::from(ahead) >= MAX_WINDOW {
            let behind = usize::from(ahead.wrapping_neg()) <= MAX_WINDOW;
            return Ok(if behind { Taken::Again } else { Taken::Far });
        }
        if ahead > 0 {
            let seq = self.next + u64::from(ahead);
            let before = self.held.len();
            self.held.entry(seq).or_insert_with(|| (lane, bytes.to_vec()));
            return Ok(if self.held.len() == before { Taken::Again } else { Taken::Early });
        }
        self.next += 1;
        self.append(lane, bytes)?;
        while let Some((lane, bytes)) = self.held.remove(&self.next) {
            self.next += 1;
            self.append(lane, &bytes)?;
        }
        Ok(Taken::Next)
    }

    fn append(&mut self, lane: Lane, mut bytes: &[u8]) -> Result<(), Broken> {
        if lane == Lane::Control && self.largest.is_none() {
            let missing = (GREETING - self.greeting.len()).min(bytes.len());
            self.greeting.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            self.read_greeting()?;
        }
        let assembly = &mut self.lanes[lane as usize];
        while !bytes.is_empty() {
            if let Some((notice, whole)) = assembly.take(&mut bytes)? {
                if notice && lane == Lane::Bulk {
                    return Err(Broken::Framing);
                }
                self.messages.push_back(Message { lane, notice, bytes: whole });
            }
        }
        Ok(())
    }

    fn read_greeting(&mut self) -> Result<(), Broken> {
        let [version, low, high] = self.greeting[..] else { return Ok(()) };
        let largest = u16::from_le_bytes([low, high]);
        if version != VERSION || largest < LEAST_VALUE {
            return Err(Broken::Greeting { version, largest });
        }
        self.largest = Some(largest);
        Ok(())
    }
}

/// The message of one lane that is being put together.
#[derive(Debug, Default)]
struct Assembly {
    length: usize,
    length_bytes: u32,
    length_known: bool,
    notice: bool,
    bytes: Vec<u8>,
}

impl Assembly {
    /// Takes what belongs to the present message off the front of `bytes`; gives the message when it is whole. Room is
    /// made for what has come, not for what a length announces.
    fn take(&mut self, bytes: &mut &[u8]) -> Result<Option<(bool, Vec<u8>)>, Broken> {
        while !self.length_known {
            let Some((byte, rest)) = bytes.split_first() else { return Ok(None) };
            *bytes = rest;
            self.take_length(*byte)?;
        }
        let missing = (self.length - self.bytes.len()).min(bytes.len());
        self.bytes.extend_from_slice(&bytes[..missing]);
        *bytes = &bytes[missing..];
        if self.bytes.len() < self.length {
            return Ok(None);
        }
        let Self { notice, bytes, .. } = std::mem::take(self);
        Ok(Some((notice, bytes)))
    }

    fn take_length(&mut self, byte: u8) -> Result<(), Broken> {
        if byte == 0 {
            // Alone it marks the next message; at the end of a length it would be a longer form of a shorter one.
            if self.length_bytes > 0 || self.notice {
                return Err(Broken::Framing);
            }
            self.notice = true;
            return Ok(());
        }
        self.length |= usize::from(byte & 0x7f) << (7 * self.length_bytes);
        self.length_bytes += 1;
        if self.length > MAX_MESSAGE {
            return Err(Broken::Length { got: self.length });
        }
        self.length_known = byte & 0x80 == 0;
        if !self.length_known && self.length_bytes == MAX_LENGTH_BYTES {
            return Err(Broken::Framing);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREET: &[u8] = b"\x01\xfd\x01";

    fn greeted() -> Inbound {
        let mut inbound = Inbound::default();
        assert_eq!(inbound.take(0, Lane::Control, GREET), Ok(Taken::Next));
        inbound
    }

    #[test]
    fn pieces_in_any_order_make_the_messages_in_their_order() {
        let mut inbound = greeted();
        assert_eq!(inbound.take(3, Lane::Control, b"lo"), Ok(Taken::Early));
        assert_eq!(inbound.take(2, Lane::Bulk, b"\x01x"), Ok(Taken::Early));
        assert_eq!(inbound.held(), 0b11);
        assert_eq!(inbound.take(1, Lane::Control, b"\x05hel"), Ok(Taken::Next));
        assert_eq!(inbound.take(1, Lane::Control, b"\x05hel"), Ok(Taken::Again));
        let message = |lane, bytes: &[u8]| Message { lane, notice: false, bytes: bytes.to_vec() };
        assert_eq!(inbound.pop(), Some(message(Lane::Bulk, b"x")));
        assert_eq!(inbound.pop(), Some(message(Lane::Control, b"hello")));
        assert_eq!((inbound.pop(), inbound.held(), inbound.next()), (None, 0, 4));
    }

    #[test]
    fn a_zero_marks_what_the_transports_tell_one_another() {
        let mut inbound = greeted();
        inbound.take(1, Lane::Control, b"\0\x02no\x01x").unwrap();
        let first = inbound.pop().unwrap();
        assert!(first.notice && first.bytes == b"no");
        assert!(!inbound.pop().unwrap().notice);
        assert_eq!(inbound.take(2, Lane::Bulk, b"\0\x01x"), Err(Broken::Framing));
    }

    #[test]
    fn a_greeting_may_come_in_pieces_and_must_be_ours() {
        let mut inbound = Inbound::default();
        for (seq, byte) in GREET.iter().enumerate() {
            assert_eq!(inbound.largest(), None);
            inbound.take(seq as u16, Lane::Control, &[*byte]).unwrap();
        }
        assert_eq!(inbound.largest(), Some(509));
        let refused = |bytes: &[u8]| Inbound::default().take(0, Lane::Control, bytes).is_err();
        assert!(refused(b"\x02\xfd\x01"), "another version");
        assert!(refused(b"\x01\x11\0"), "values smaller than any");
    }

    #[test]
    fn attack_38_an_oversize_message_is_refused_by_its_length_alone() {
        let refused = |bytes: &[u8]| greeted().take(1, Lane::Control, bytes);
        assert!(matches!(refused(b"\xff\xff\x7f"), Err(Broken::Length { .. })));
        assert_eq!(refused(b"\x81\x80\x80"), Err(Broken::Framing), "a length without an end");
        assert_eq!(refused(b"\x81\0"), Err(Broken::Framing), "a longer form of 1");
        assert_eq!(refused(b"\0\0"), Err(Broken::Framing));
    }

    #[test]
    fn attack_37_pieces_without_their_predecessor_fill_a_bounded_buffer() {
        let mut inbound = greeted();
        let mut early = 0;
        for seq in 2..=u16::MAX {
            early += usize::from(inbound.take(seq, Lane::Bulk, &[7; 500]) == Ok(Taken::Early));
        }
        assert_eq!((early, inbound.held.len()), (MAX_WINDOW - 1, MAX_WINDOW - 1));
        assert_eq!(inbound.next(), 1, "and nothing of it was taken in");
    }

    #[test]
    fn attack_37_a_message_that_never_ends_takes_no_more_than_came() {
        let mut inbound = greeted();
        inbound.take(1, Lane::Bulk, b"\xa0\x80\x04x").unwrap();
        assert!(inbound.lanes[Lane::Bulk as usize].bytes.capacity() < 64, "65,568 were announced");
    }
}
