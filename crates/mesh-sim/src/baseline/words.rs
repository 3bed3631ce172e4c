//! What nodes of these protocols say.

/// The reader of a message for everybody.
pub(super) const EVERYBODY: u32 = u32::MAX;
/// Bytes of a message's header.
const HEADER: usize = 1 + 4 + 4 + 4 + 2 + 1 + 4;
/// The longest text that is read.
const MOST_BYTES: u32 = 65_536;

mod kind {
    // Away from the product's own frames, so that nobody takes one for the other.
    pub(super) const HELLO: u8 = 0xe0;
    pub(super) const HAVE: u8 = 0xe1;
    pub(super) const WANT: u8 = 0xe2;
    pub(super) const DATA: u8 = 0xe3;
}

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Word {
    /// Who speaks, and whom it is likely to meet (in 65,535ths).
    Hello { node: u32, table: Vec<(u32, u16)> },
    /// Messages on offer.
    Have(Vec<u32>),
    /// Messages asked for.
    Want(Vec<u32>),
    /// A message.
    Data(Data),
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) number: u32,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) copies: u16,
    pub(super) hops: u8,
    pub(super) bytes: u32,
}

impl Data {
    pub(super) fn wire_len(&self) -> u64 {
        HEADER as u64 + u64::from(self.bytes)
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut frame = vec![kind::DATA];
        for field in [self.number, self.from, self.to] {
            frame.extend_from_slice(&field.to_le_bytes());
        }
        frame.extend_from_slice(&self.copies.to_le_bytes());
        frame.push(self.hops);
        frame.extend_from_slice(&self.bytes.to_le_bytes());
        frame.resize(HEADER + self.bytes as usize, 0);
        frame
    }

    fn read(rest: &[u8]) -> Option<Self> {
        let (number, rest) = take(rest)?;
        let (from, rest) = take(rest)?;
        let (to, rest) = take(rest)?;
        let (copies, rest) = rest.split_first_chunk()?;
        let (&hops, rest) = rest.split_first()?;
        let (bytes, rest) = take(rest)?;
        let whole = bytes <= MOST_BYTES && rest.len() == bytes as usize;
        whole.then_some(Self { number, from, to, copies: u16::from_le_bytes(*copies), hops, bytes })
    }
}

fn take(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (first, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*first), rest))
}

fn numbers(kind: u8, numbers: &[u32]) -> Vec<u8> {
    let mut frame = vec![kind];
    frame.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    frame
}

fn read_numbers(rest: &[u8]) -> Option<Vec<u32>> {
    let (chunks, left) = rest.as_chunks::<4>();
    left.is_empty().then(|| chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect())
}

impl Word {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Hello { node, table } => {
                let mut frame = numbers(kind::HELLO, &[*node]);
                for (node, chance) in table {
                    frame.extend_from_slice(&node.to_le_bytes());
                    frame.extend_from_slice(&chance.to_le_bytes());
                }
                frame
            }
            Self::Have(list) => numbers(kind::HAVE, list),
            Self::Want(list) => numbers(kind::WANT, list),
            Self::Data(data) => data.to_bytes(),
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        match kind {
            kind::HELLO => {
                let (node, rest) = take(rest)?;
                let (entries, left) = rest.as_chunks::<6>();
                let entry = |[a, b, c, d, e, f]: &[u8; 6]| {
                    (u32::from_le_bytes([*a, *b, *c, *d]), u16::from_le_bytes([*e, *f]))
                };
                left.is_empty().then(|| Self::Hello { node, table: entries.iter().map(entry).collect() })
            }
            kind::HAVE => read_numbers(rest).map(Self::Have),
            kind::WANT => read_numbers(rest).map(Self::Want),
            kind::DATA => Data::read(rest).map(Self::Data),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_heard() {
        let data = Data { number: 7, from: 1, to: EVERYBODY, copies: 6, hops: 7, bytes: 100 };
        for word in [
            Word::Hello { node: 3, table: vec![(1, 9), (2, u16::MAX)] },
            Word::Have(vec![1, 2]),
            Word::Want(Vec::new()),
            Word::Data(data),
        ] {
            assert_eq!(Word::read(&word.to_bytes()), Some(word));
        }
        assert_eq!(Word::Data(data).to_bytes().len() as u64, data.wire_len());
    }

    #[test]
    fn what_is_cut_short_is_not_heard() {
        let whole = Word::Data(Data { number: 7, from: 1, to: 2, copies: 6, hops: 7, bytes: 20 }).to_bytes();
        for len in 0..whole.len() {
            assert_eq!(Word::read(&whole[..len]), None, "{len}");
        }
        assert_eq!(Word::read(&[kind::HAVE, 1]), None);
    }
}
