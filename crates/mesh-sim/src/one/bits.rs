//! Rows of bits: one row per host, one bit per message.

use core::ops::Range;

use crate::splitmix::SplitMix;

/// A table of bits, all false at first.
#[derive(Clone, Debug)]
pub(super) struct Bits {
    /// Words per row.
    width: usize,
    words: Vec<u64>,
}

impl Bits {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        let width = columns.div_ceil(64);
        Self { width, words: vec![0; rows * width] }
    }

    pub(super) fn row(&self, row: u32) -> &[u64] {
        let start = row as usize * self.width;
        &self.words[start..start + self.width]
    }

    pub(super) fn has(&self, row: u32, column: u32) -> bool {
        self.row(row)[column as usize / 64] & (1 << (column % 64)) != 0
    }

    pub(super) fn set(&mut self, row: u32, column: u32, value: bool) {
        let (word, bit) = (row as usize * self.width + column as usize / 64, 1 << (column % 64));
        if value {
            self.words[word] |= bit;
        } else {
            self.words[word] &= !bit;
        }
    }
}

/// The words that hold a range of columns.
pub(super) fn words(columns: Range<u32>) -> Range<usize> {
    if columns.is_empty() {
        return 0..0;
    }
    columns.start as usize / 64..columns.end.div_ceil(64) as usize
}

/// The columns of all bits of a row.
pub(super) fn columns(row: &[u64]) -> impl Iterator<Item = u32> + '_ {
    row.iter().enumerate().flat_map(|(index, word)| {
        let mut left = *word;
        core::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some(index as u32 * 64 + bit)
        })
    })
}

/// A random one of the columns whose bit is set in the words that `word` tells, over the columns of a range.
pub(super) fn any(range: Range<u32>, random: &mut SplitMix, word: impl Fn(usize) -> u64) -> Option<u32> {
    let words = words(range.clone());
    let masked = |index: usize| {
        let from = (index as u32 * 64).max(range.start) - index as u32 * 64;
        // Nothing is set beyond the end of the range.
        word(index) & (u64::MAX << from)
    };
    let count: u32 = words.clone().map(|index| masked(index).count_ones()).sum();
    if count == 0 {
        return None;
    }
    let mut skip = random.below(u64::from(count)) as u32;
    for index in words {
        let mut left = masked(index);
        if skip >= left.count_ones() {
            skip -= left.count_ones();
            continue;
        }
        for _ in 0..skip {
            left &= left - 1;
        }
        return Some(index as u32 * 64 + left.trailing_zeros());
    }
    None
}
