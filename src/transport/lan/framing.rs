//! Frames and pieces as bytes on the two streams of a link (PROTOCOL.md section 4).
//!
//! Control stream: `u32 LE length || frame`. Bulk stream: records `u8 kind || u32 LE value`, where a piece
//! (kind 0: more follow, kind 1: last of its frame) is followed by `value` bytes, and an acknowledgement
//! (kind 2) says how many bytes of pieces were taken since the one before.

use mesh_core::link::MAX_FRAME;

/// Bytes before a frame on the control stream.
pub(super) const FRAME_HEADER: usize = 4;
/// Bytes before a piece, and all of an acknowledgement, on the bulk stream.
pub(super) const RECORD_HEADER: usize = 5;
/// The longest piece, in bytes: at 100 kB/s it occupies the pipe for 40 ms.
pub(super) const MAX_PIECE: usize = 4 * 1024;

const PIECE: u8 = 0;
const LAST_PIECE: u8 = 1;
const ACK: u8 = 2;

/// What a neighbour did that no correct neighbour does; the link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("a {what} of {got} bytes, at most {limit} are allowed")]
    Length { what: &'static str, got: usize, limit: usize },
    #[error("a record of unknown kind {kind}")]
    UnknownRecord { kind: u8 },
}

/// Appends a frame with its header.
pub(super) fn put_frame(buffer: &mut Vec<u8>, frame: &[u8]) {
    let length =
        u32::try_from(frame.len()).expect("a frame was measured against MAX_FRAME when it was queued");
    buffer.extend_from_slice(&length.to_le_bytes());
    buffer.extend_from_slice(frame);
}

/// The length a frame header announces, checked before anything is allocated.
pub(super) fn frame_length(header: [u8; FRAME_HEADER]) -> Result<usize, Broken> {
    checked_length("frame", u32::from_le_bytes(header), MAX_FRAME)
}

/// What a record header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// `length` bytes of a frame follow.
    Piece { last: bool, length: usize },
    /// The far end took so many more bytes of pieces.
    Ack(u32),
}

impl Record {
    pub(super) fn decode(header: [u8; RECORD_HEADER]) -> Result<Self, Broken> {
        let [kind, value @ ..] = header;
        let value = u32::from_le_bytes(value);
        match kind {
            PIECE | LAST_PIECE => {
                let length = checked_length("piece", value, MAX_PIECE)?;
                Ok(Self::Piece { last: kind == LAST_PIECE, length })
            }
            ACK => Ok(Self::Ack(value)),
            kind => Err(Broken::UnknownRecord { kind }),
        }
    }
}

/// Appends a piece with its header.
pub(super) fn put_piece(buffer: &mut Vec<u8>, piece: &[u8], last: bool) {
    let length = u32::try_from(piece.len()).expect("a piece is at most MAX_PIECE bytes");
    put_record(buffer, if last { LAST_PIECE } else { PIECE }, length);
    buffer.extend_from_slice(piece);
}

/// Appends an acknowledgement.
pub(super) fn put_ack(buffer: &mut Vec<u8>, bytes: u32) {
    put_record(buffer, ACK, bytes);
}

/// A frame that arrives in pieces.
#[derive(Debug, Default)]
pub(super) struct Assembly(Vec<u8>);

impl Assembly {
    /// Makes room for a piece and gives the slice to read it into; refuses what would pass [`MAX_FRAME`].
    pub(super) fn room(&mut self, length: usize) -> Result<&mut [u8], Broken> {
        let start = self.0.len();
        let total = start + length;
        if total > MAX_FRAME {
            return Err(Broken::Length { what: "frame in pieces", got: total, limit: MAX_FRAME });
        }
        self.0.resize(total, 0);
        Ok(&mut self.0[start..])
    }

    /// The whole frame, after its last piece.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

fn put_record(buffer: &mut Vec<u8>, kind: u8, value: u32) {
    buffer.push(kind);
    buffer.extend_from_slice(&value.to_le_bytes());
}

fn checked_length(what: &'static str, got: u32, limit: usize) -> Result<usize, Broken> {
    let got = got as usize;
    if got == 0 || got > limit {
        return Err(Broken::Length { what, got, limit });
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bytes_of_frames_and_records_are_fixed() {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, b"hello");
        put_piece(&mut bytes, b"abc", false);
        put_piece(&mut bytes, b"d", true);
        put_ack(&mut bytes, 4096);
        let golden = b"\x05\0\0\0hello\x00\x03\0\0\0abc\x01\x01\0\0\0d\x02\x00\x10\0\0";
        assert_eq!(bytes, golden);
    }

    #[test]
    fn attack_38_an_oversize_frame_is_refused_by_its_header_alone() {
        let header = (MAX_FRAME as u32 + 1).to_le_bytes();
        assert!(matches!(frame_length(header), Err(Broken::Length { .. })));
        assert!(frame_length(u32::MAX.to_le_bytes()).is_err());
        assert!(frame_length([0; 4]).is_err(), "an empty frame says nothing");
        assert_eq!(frame_length((MAX_FRAME as u32).to_le_bytes()), Ok(MAX_FRAME));
    }

    #[test]
    fn attack_38_pieces_without_an_end_stop_at_the_frame_limit() {
        let mut assembly = Assembly::default();
        for _ in 0..MAX_FRAME / MAX_PIECE {
            assembly.room(MAX_PIECE).expect("below the limit");
        }
        assert!(assembly.room(1).is_err());
    }

    proptest! {
        #[test]
        fn any_header_is_read_or_refused(header: [u8; RECORD_HEADER]) {
            if let Ok(Record::Piece { length, .. }) = Record::decode(header) {
                prop_assert!((1..=MAX_PIECE).contains(&length));
            }
        }

        #[test]
        fn pieces_put_and_read_give_the_frame_back(frame in proptest::collection::vec(any::<u8>(), 1..20_000)) {
            let mut wire = Vec::new();
            let pieces = frame.chunks(MAX_PIECE);
            let count = pieces.len();
            for (index, piece) in pieces.enumerate() {
                put_piece(&mut wire, piece, index + 1 == count);
            }
            let mut assembly = Assembly::default();
            let mut rest = &wire[..];
            let back = loop {
                let (header, after) = rest.split_at(RECORD_HEADER);
                let Ok(Record::Piece { last, length }) = Record::decode(header.try_into().unwrap()) else {
                    panic!("only pieces were put");
                };
                assembly.room(length).unwrap().copy_from_slice(&after[..length]);
                rest = &after[length..];
                if last { break assembly.take(); }
            };
            prop_assert_eq!(back, frame);
            prop_assert!(rest.is_empty());
        }
    }
}
