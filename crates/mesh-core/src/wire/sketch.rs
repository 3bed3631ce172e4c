//! Sketches of sets of names, from which two neighbours learn how their sets differ (PROTOCOL.md section 9.2).
//!
//! A sketch is the beginning of an endless sequence of *cells*. A name stands in cell 0 and in ever fewer of those
//! that follow; a cell adds up what stands in it. Cells of two sets under one salt, subtracted one from another,
//! are cells of the difference alone, and some 1.4 times as many cells as there are differences tell all of them,
//! however large the sets are. (Yang, Gilad, Alizadeh: Practical Rateless Set Reconciliation, SIGCOMM 2024.)
//!
//! ```text
//! part: set 1 | flags 1 | run 1 | epoch u16 | names in the set u32 | first cell u16 | power sums, 0 or 96
//!       | cells, or all names
//! cell: names, combined by XOR, 8 or 16 | checks, combined by XOR u16 | how many names, modulo 256, 1
//! ```
//!
//! A name has 8 bytes, but in the set of receipts 16: there it is the receipt itself.

use super::frame::Set;
use super::powers::Sums;
use crate::id::{Ack, ShortId};
use core::ops::Range;

/// Bytes of a part before its cells.
pub const PART_HEADER: usize = 11;
/// Bytes of a cell beside its names.
const CHECK_LEN: usize = 3;

/// The rest of the part are all names of the set.
const NAMES: u8 = 1;
/// The sender has no other neighbour to ask.
const ALONE: u8 = 2;
/// Power sums stand before the rest.
const SUMS: u8 = 4;

/// What stands in a sketch: the name of an envelope or of a public thing, filled up with zeros, or a receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name([u8; 16]);

/// One sum of a sketch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    names: Name,
    checks: u16,
    count: u8,
}

/// The first cells of a set, which follow every change of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    epoch: u16,
    count: u32,
    sums: Sums,
    cells: Vec<Cell>,
}

/// What the listener says of one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which set.
    pub set: Set,
    /// Chosen by the listener for all parts that belong together.
    pub run: u8,
    /// Whether the listener has no other neighbour that could bring what it lacks: then what the dialer finds it to
    /// lack may come unasked.
    pub alone: bool,
    /// The salt.
    pub epoch: u16,
    /// How many names the set has.
    pub count: u32,
    /// Which cell the first one here is.
    pub first: u16,
    /// Of the names of the whole set, under no salt; never of receipts, whose names are longer.
    pub sums: Option<Sums>,
    /// Cells, or all names.
    pub content: Content,
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Cells, one after another.
    Cells(Vec<Cell>),
    /// All names of a small set.
    Names(Vec<Name>),
}

/// On which side of a difference a name was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In the set that was subtracted.
    Here,
    /// In the other.
    There,
}

impl Name {
    /// Bytes of the names of a set on the link.
    #[must_use]
    pub fn len(set: Set) -> usize {
        if set == Set::Receipts { Ack::LEN } else { ShortId::LEN }
    }

    /// Of an envelope or a public thing.
    #[must_use]
    pub fn id(self) -> ShortId {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        ShortId([a, b, c, d, e, f, g, h])
    }

    /// Of a receipt.
    #[must_use]
    pub fn ack(self) -> Ack {
        Ack(self.0)
    }

    /// All its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn read(bytes: &[u8]) -> Self {
        let mut name = [0; 16];
        name[..bytes.len()].copy_from_slice(bytes);
        Self(name)
    }

    fn combine(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
    }
}

impl From<ShortId> for Name {
    fn from(id: ShortId) -> Self {
        Self::read(&id.0)
    }
}

impl From<Ack> for Name {
    fn from(ack: Ack) -> Self {
        Self(ack.0)
    }
}

impl Sketch {
    /// The first `len` cells of `names`, none of which may repeat.
    #[must_use]
    pub fn of(epoch: u16, len: usize, names: impl IntoIterator<Item = Name>) -> Self {
        let mut sketch = Self { epoch, count: 0, sums: Sums::default(), cells: vec![Cell::default(); len] };
        for name in names {
            sketch.add(name);
        }
        sketch
    }

    /// Other cells of the same `names`: under this salt, and so many.
    #[must_use]
    pub fn anew(&self, epoch: u16, len: usize, names: impl IntoIterator<Item = Name>) -> Self {
        let (count, sums) = (self.count, self.sums);
        let mut sketch = Self { epoch, count, sums, cells: vec![Cell::default(); len] };
        for name in names {
            toggle(&mut sketch.cells, &Salted::new(name, epoch), 1);
        }
        sketch
    }

    /// The salt.
    #[must_use]
    pub fn epoch(&self) -> u16 {
        self.epoch
    }

    /// How many names it is of.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Its cells.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The power sums of its names, which tell a small difference of two sets without fail and whatever their salts
    /// are. What they are of receipts says nothing.
    #[must_use]
    pub fn sums(&self) -> &Sums {
        &self.sums
    }

    /// A name came.
    pub fn add(&mut self, name: Name) {
        self.count = self.count.wrapping_add(1);
        self.sum(name);
        toggle(&mut self.cells, &Salted::new(name, self.epoch), 1);
    }

    /// A name left.
    pub fn remove(&mut self, name: Name) {
        self.count = self.count.wrapping_sub(1);
        self.sum(name);
        toggle(&mut self.cells, &Salted::new(name, self.epoch), u8::MAX);
    }

    fn sum(&mut self, name: Name) {
        // Receipts have no sums, and work is spared.
        if name.0[ShortId::LEN..] == [0; Ack::LEN - ShortId::LEN] {
            self.sums.toggle(name.id().0);
        }
    }

    /// `theirs`, the cells of another set from `first` on, without what stands in these; `None` where these end
    /// before them.
    #[must_use]
    pub fn subtract_from(&self, first: usize, theirs: &[Cell]) -> Option<Vec<Cell>> {
        let ours = self.cells.get(first..first.checked_add(theirs.len())?)?;
        Some(theirs.iter().zip(ours).map(|(theirs, ours)| theirs.minus(ours)).collect())
    }

    /// A part with these cells, as far as there are any, and without sums.
    #[must_use]
    pub fn part(&self, set: Set, run: u8, alone: bool, cells: Range<usize>) -> Part {
        let first = u16::try_from(cells.start).unwrap_or(u16::MAX);
        let content = Content::Cells(self.cells.get(cells).unwrap_or_default().to_vec());
        Part { set, run, alone, epoch: self.epoch, count: self.count, first, sums: None, content }
    }
}

impl Cell {
    /// Whether nothing is left in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many names stand in it, modulo 256; those that were subtracted count as less than nothing.
    #[must_use]
    pub fn count(&self) -> u8 {
        self.count
    }

    fn minus(&self, other: &Self) -> Self {
        let mut names = self.names;
        names.combine(&other.names);
        Self { names, checks: self.checks ^ other.checks, count: self.count.wrapping_sub(other.count) }
    }

    /// The only name in this cell, the one at `index`, where it looks as if there is one.
    fn only(&self, index: usize, epoch: u16) -> Option<(Salted, Side)> {
        let side = match self.count {
            1 => Side::There,
            u8::MAX => Side::Here,
            _ => return None,
        };
        let salted = Salted::new(self.names, epoch);
        let stands = |salted: &Salted| salted.places().find(|at| *at >= index) == Some(index);
        (salted.check == self.checks && stands(&salted)).then_some((salted, side))
    }

    /// `bytes` are the name, two of check and one of count.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (name, &[low, high, count]) = bytes.split_last_chunk()?;
        Some(Self { names: Name::read(name), checks: u16::from_le_bytes([low, high]), count })
    }
}

/// The names that cells of a difference tell, and whether these are all. The work is bounded by the number of
/// cells, whatever stands in them: an honest cell tells at most one name.
#[must_use]
pub fn peel(mut cells: Vec<Cell>, epoch: u16) -> (Vec<(Name, Side)>, bool) {
    let mut names = Vec::new();
    let mut look_at: Vec<usize> = (0..cells.len()).rev().collect();
    while let Some(index) = look_at.pop() {
        let Some((salted, side)) = cells[index].only(index, epoch) else { continue };
        if names.len() == cells.len() {
            return (names, false);
        }
        names.push((salted.name, side));
        let less = if side == Side::There { u8::MAX } else { 1 };
        toggle(&mut cells, &salted, less);
        look_at.extend(salted.places().take_while(|at| *at < cells.len()));
    }
    (names, cells.iter().all(Cell::is_empty))
}

impl Part {
    /// Bytes of the frame of a part of so many cells without sums.
    #[must_use]
    pub fn len(set: Set, cells: usize) -> usize {
        1 + PART_HEADER + cells * (Name::len(set) + CHECK_LEN)
    }

    /// Cells that fit into a frame of so many bytes.
    #[must_use]
    pub fn cells_in(set: Set, bytes: usize) -> usize {
        bytes.saturating_sub(1 + PART_HEADER) / (Name::len(set) + CHECK_LEN)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let names = if matches!(self.content, Content::Names(_)) { NAMES } else { 0 };
        let alone = if self.alone { ALONE } else { 0 };
        let sums = if self.sums.is_some() { SUMS } else { 0 };
        let mut bytes = vec![self.set as u8, names | alone | sums, self.run];
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend(self.sums.iter().flat_map(Sums::to_bytes));
        let len = Name::len(self.set);
        match &self.content {
            Content::Names(names) => names.iter().for_each(|name| bytes.extend_from_slice(&name.0[..len])),
            Content::Cells(cells) => {
                for cell in cells {
                    bytes.extend_from_slice(&cell.names.0[..len]);
                    bytes.extend_from_slice(&cell.checks.to_le_bytes());
                    bytes.push(cell.count);
                }
            }
        }
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&[set, flags, run], bytes) = bytes.split_first_chunk()?;
        let (&epoch, bytes) = bytes.split_first_chunk()?;
        let (&count, bytes) = bytes.split_first_chunk()?;
        let (&first, bytes) = bytes.split_first_chunk()?;
        let set = Set::from_byte(set)?;
        let (sums, rest) = match flags & SUMS {
            0 => (None, bytes),
            _ => bytes.split_first_chunk().map(|(sums, rest)| (Some(Sums::read(sums)), rest))?,
        };
        let len = Name::len(set);
        let content = if flags & NAMES == 0 {
            let cells = rest.chunks_exact(len + CHECK_LEN);
            cells
                .remainder()
                .is_empty()
                .then(|| cells.filter_map(Cell::read).collect())
                .map(Content::Cells)?
        } else {
            let names = rest.chunks_exact(len);
            names.remainder().is_empty().then(|| names.map(Name::read).collect()).map(Content::Names)?
        };
        Some(Self {
            set,
            run,
            alone: flags & ALONE != 0,
            epoch: u16::from_le_bytes(epoch),
            count: u32::from_le_bytes(count),
            first: u16::from_le_bytes(first),
            sums,
            content,
        })
    }
}

/// A name, and what its salt makes of it.
struct Salted {
    name: Name,
    check: u16,
    seed: u64,
}

impl Salted {
    fn new(name: Name, epoch: u16) -> Self {
        let key = mix(0x7374_6172_6c69_6e67 ^ u64::from(epoch));
        let [low, high] = halves(&name);
        let hash = mix(mix(low ^ key).wrapping_add(high));
        let [a, b, ..] = mix(hash.wrapping_add(key)).to_le_bytes();
        Self { name, check: u16::from_le_bytes([a, b]), seed: hash | 1 }
    }

    /// The cells that it stands in: cell `i` with probability `1 / (1 + i / 2)`.
    fn places(&self) -> Places {
        Places { state: self.seed, at: 0 }
    }
}

struct Places {
    state: u64,
    at: u64,
}

impl Iterator for Places {
    type Item = usize;

    /// IEEE 754 arithmetic in 64 bits, every step of which is exactly rounded: the same on every machine.
    fn next(&mut self) -> Option<usize> {
        let at = self.at;
        self.state = self.state.wrapping_mul(0xda94_2042_e4dd_58b5);
        let step = (at as f64 + 1.5) * (4_294_967_296.0 / (self.state as f64 + 1.0).sqrt() - 1.0);
        self.at = at.saturating_add((step.ceil() as u64).max(1));
        usize::try_from(at).ok()
    }
}

/// Puts a name into its cells, or takes it out.
fn toggle(cells: &mut [Cell], salted: &Salted, by: u8) {
    for at in salted.places() {
        let Some(cell) = cells.get_mut(at) else { return };
        cell.names.combine(&salted.name);
        cell.checks ^= salted.check;
        cell.count = cell.count.wrapping_add(by);
    }
}

fn halves(name: &Name) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = name.0;
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes(rest)]
}

/// The finalizer of splitmix64. It spreads; nothing rests on it that an attacker must not foresee, since the salt
/// is known to everyone.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn name(n: u64) -> Name {
        ShortId(*blake3::hash(&n.to_le_bytes()).as_bytes().first_chunk().unwrap()).into()
    }

    fn names(numbers: Range<u64>) -> impl Iterator<Item = Name> {
        numbers.map(name)
    }

    /// What the cells of two sets tell of their difference.
    fn told(here: &Sketch, there: &Sketch) -> Option<[BTreeSet<Name>; 2]> {
        let (found, all) = peel(here.subtract_from(0, there.cells()).unwrap(), here.epoch());
        let of = |side| found.iter().filter(|found| found.1 == side).map(|found| found.0).collect();
        all.then(|| [of(Side::Here), of(Side::There)])
    }

    #[test]
    fn golden_cells() {
        // Computed by a second implementation.
        let hex = |part: &Part| data_encoding::HEXLOWER.encode(&part.to_bytes());
        let names = [[1, 2, 3, 4, 5, 6, 7, 8], [9; 8]].map(|name| ShortId(name).into());
        let sketch = Sketch::of(20_000, 40, names);
        let stand = sketch.cells().iter().enumerate().filter(|(_, cell)| !cell.is_empty());
        let stand: Vec<(usize, u8)> = stand.map(|(at, cell)| (at, cell.count())).collect();
        assert_eq!(stand, [(0, 2), (1, 1), (5, 1), (6, 1), (9, 1), (23, 1), (25, 1), (26, 1)]);
        let cells =
            "080b0a0d0c0f0e01a63a020909090909090909fe5d0100000000000000000000000000000000000000000000";
        assert_eq!(hex(&sketch.part(Set::Sealed, 7, false, 0..4)), format!("020007204e020000000000{cells}"));
        let receipt = Sketch::of(20_000, 2, [Ack([7; 16]).into()]).part(Set::Receipts, 7, true, 0..1);
        assert_eq!(hex(&receipt), "010207204e010000000000070707070707070707070707070707072abc01");
        let with_sums = Part { sums: Some(*sketch.sums()), ..sketch.part(Set::Sealed, 7, false, 0..4) };
        let sums = data_encoding::HEXLOWER.encode(&sketch.sums().to_bytes());
        assert_eq!(hex(&with_sums), format!("020407204e020000000000{sums}{cells}"));
    }

    #[test]
    fn places_become_rare_as_one_half_of_the_inverse() {
        let mut stands = [0u32; 200];
        for name in names(0..20_000) {
            Salted::new(name, 1).places().take_while(|at| *at < 200).for_each(|at| stands[at] += 1);
        }
        assert_eq!(stands[0], 20_000);
        for at in [1, 2, 10, 50, 199] {
            let expected = 20_000.0 / (1.0 + at as f64 / 2.0);
            let off = (f64::from(stands[at]) - expected).abs();
            assert!(off < 5.0 * expected.sqrt(), "cell {at}: {} instead of {expected}", stands[at]);
        }
    }

    #[test]
    fn a_sketch_anew_is_the_sketch_under_another_salt() {
        assert_eq!(Sketch::of(1, 9, names(0..50)).anew(2, 70, names(0..50)), Sketch::of(2, 70, names(0..50)));
    }

    #[test]
    fn receipts_have_no_sums() {
        assert_eq!(*Sketch::of(1, 4, [Ack([7; 16]).into()]).sums(), Sums::default());
        assert_ne!(*Sketch::of(1, 4, names(0..1)).sums(), Sums::default());
    }

    #[test]
    fn twenty_six_cells_tell_ten_differences_nearly_always() {
        let all = |round: u64| {
            let at = round * 1_000;
            told(&Sketch::of(5, 26, names(at..at + 5)), &Sketch::of(5, 26, names(at + 5..at + 10))).is_some()
        };
        let told = (0..1_000).filter(|round| all(*round)).count();
        assert!(told >= 945, "{told} of 1,000");
    }

    #[test]
    fn fifteen_hundred_cells_tell_a_thousand_differences() {
        for round in 0..20 {
            let at = round * 10_000;
            let (here, there) = (names(at..at + 500), names(at + 500..at + 1_000));
            assert!(told(&Sketch::of(5, 1_500, here), &Sketch::of(5, 1_500, there)).is_some());
        }
    }

    #[test]
    fn a_name_stands_elsewhere_under_another_salt() {
        let [a, b] = [1, 2].map(|epoch| Sketch::of(epoch, 500, names(0..1)));
        assert_ne!(a.cells(), b.cells());
    }

    #[test]
    fn a_part_cut_short_is_none() {
        let bytes = Sketch::of(5, 3, names(0..9)).part(Set::Sealed, 1, true, 0..3).to_bytes();
        for cut in 0..bytes.len() {
            let whole = cut >= PART_HEADER && (cut - PART_HEADER).is_multiple_of(11);
            assert_eq!(Part::read(&bytes[..cut]).is_some(), whole);
        }
    }

    proptest! {
        #[test]
        fn enough_cells_tell_any_difference(
            common in proptest::collection::btree_set(any::<u64>(), 0..100),
            here in proptest::collection::btree_set(any::<u64>(), 0..30),
            there in proptest::collection::btree_set(any::<u64>(), 0..30),
            epoch in any::<u16>(),
        ) {
            let of = |own: &BTreeSet<u64>| common.union(own).map(|n| name(*n)).collect::<BTreeSet<Name>>();
            let (here, there) = (of(&here), of(&there));
            let sketches = [&here, &there].map(|set| Sketch::of(epoch, 400, set.iter().copied()));
            let only = |a: &BTreeSet<Name>, b: &BTreeSet<Name>| a.difference(b).copied().collect::<BTreeSet<Name>>();
            prop_assert_eq!(told(&sketches[0], &sketches[1]), Some([only(&here, &there), only(&there, &here)]));
        }

        #[test]
        fn any_cells_are_peeled_within_bounds(
            cells in proptest::collection::vec((any::<[u8; 16]>(), any::<u16>(), any::<u8>()), 0..200), epoch in any::<u16>()
        ) {
            let cells = cells.into_iter().map(|(name, checks, count)| Cell { names: Name(name), checks, count });
            let cells: Vec<Cell> = cells.collect();
            prop_assert!(peel(cells.clone(), epoch).0.len() <= cells.len());
        }

        #[test]
        fn attack_48_a_name_that_comes_back_again_and_again_ends_the_peeling(
            n in any::<u64>(), len in 1usize..300, times in 2u8..9
        ) {
            // The same name alone in cells where it does not stand beside those where it does.
            let mut cells = Sketch::of(3, len, names(n..n.saturating_add(1))).cells().to_vec();
            for cell in cells.iter_mut().step_by(usize::from(times)) {
                *cell = Cell { names: name(n), checks: Salted::new(name(n), 3).check, count: times };
            }
            prop_assert!(peel(cells, 3).0.len() <= len);
        }

        #[test]
        fn parts_come_back(
            bytes in proptest::collection::vec(any::<u8>(), 0..400)
        ) {
            if let Some(part) = Part::read(&bytes) {
                prop_assert_eq!(Part::read(&part.to_bytes()), Some(part));
            }
        }
    }
}
