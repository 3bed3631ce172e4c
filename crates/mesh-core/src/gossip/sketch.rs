//! The fast way to find how two sets differ (PROTOCOL.md section 9.2): what either end remembers of a sketch under way,
//! and how many cells the difference may need.

use crate::id::ShortId;
use crate::wire::frame::Set;
use crate::wire::powers::Sums;
use crate::wire::sketch::{Cell, Name, Part, Side, Sketch, peel};
use std::sync::Arc;

/// Cells in the first part beside power sums, which alone tell up to 12 differences: enough to guess how many more
/// there are.
const FIRST: usize = 13;
/// The same of receipts, which have no sums: 10 differences are told in 96 of 100 cases.
const FIRST_OF_RECEIPTS: usize = 26;
/// The most cells of one sketch: some 5,800 differences. More are found the slower way.
pub(super) const MOST: usize = 8_192;
/// The same on a slow link, where they would stand before everything else for seconds: some 1,400.
pub(super) const MOST_SLOW: usize = 2_048;
/// Cells that need not be asked for where sums tell what is left.
const SPARED: f64 = 8.0;
/// How often more cells are asked for.
pub(super) const MAX_MORE: u32 = 6;
/// After so many sketches in a row that came to nothing the neighbour's are not read any more.
pub(super) const STRIKES: u8 = 3;
/// What a listener without other neighbours takes unasked after it sent a sketch.
pub(super) const GIFTS: usize = 64;

/// Of the listener: a sketch that may go on.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) number: u8,
    pub(super) sketch: Arc<Sketch>,
    pub(super) more: u32,
}

/// Of the dialer: a neighbour's sketch as far as it came.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) number: u8,
    pub(super) alone: bool,
    own: Arc<Sketch>,
    /// Of the whole difference.
    sums: Option<Sums>,
    theirs: u32,
    cells: Vec<Cell>,
    end: usize,
    more: u32,
    /// More was asked for, and the answer may begin anew with the first cell.
    anew: bool,
}

/// How the two sets differ, as far as it is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Held here alone, sorted.
    pub(super) have: Vec<Name>,
    /// Held there alone, sorted.
    pub(super) need: Vec<Name>,
    /// Whether there is nothing else.
    pub(super) all: bool,
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The rest of what was asked for has to come.
    Wait,
    /// Ask for these cells.
    More {
        /// 0 to begin anew.
        first: usize,
        /// Not included.
        end: usize,
    },
    /// This is all.
    Done(Found),
    /// This is what could be read; it will not go on.
    Stuck(Found),
}

impl Reading {
    /// The beginning of a sketch, or of all of it anew. `own` is as long as the cells that were asked for.
    pub(super) fn begin(part: &Part, own: Arc<Sketch>, before: Option<&Self>) -> Self {
        Self {
            number: part.run,
            alone: part.alone,
            sums: part.sums.filter(|_| has_sums(part.set)).map(|theirs| theirs.minus(own.sums())),
            own,
            theirs: part.count,
            cells: Vec::new(),
            end: before.map_or(0, |before| before.end),
            more: before.map_or(0, |before| before.more),
            anew: false,
        }
    }

    /// Whether the first cells may come again.
    pub(super) fn begins_anew(&self) -> bool {
        self.anew
    }

    /// Up to which cell was asked for.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Takes the cells that follow; `most` is where a sketch is given up, `held` says what stands here.
    pub(super) fn take(
        &mut self,
        first: usize,
        cells: &[Cell],
        most: usize,
        held: &dyn Fn(Name) -> bool,
    ) -> Step {
        let next = if first == self.cells.len() { self.own.subtract_from(first, cells) } else { None };
        let (false, Some(next)) = (cells.is_empty(), next) else { return Step::Stuck(self.found(held).0) };
        self.cells.extend(next);
        if self.cells.len() < self.end {
            return Step::Wait;
        }
        let (found, all) = self.found(held);
        if all {
            return Step::Done(found);
        }
        let end = enough(self.differences(), self.cells.len(), self.sums.is_some());
        if end > most || self.more == MAX_MORE {
            return Step::Stuck(found);
        }
        // The listener may have to begin anew, too.
        (self.end, self.more, self.anew) = (end, self.more + 1, true);
        let first = if end <= self.own.cells().len() { self.cells.len() } else { 0 };
        Step::More { first, end }
    }

    /// What cells tell, and sums of the few that these leave over; and whether it is all.
    fn found(&self, held: &dyn Fn(Name) -> bool) -> (Found, bool) {
        let (names, all) = peel(self.cells.clone(), self.own.epoch());
        let of = |side: Side| names.iter().filter(move |name| name.1 == side).map(|name| name.0);
        let mut found = Found::default();
        found.have.extend(of(Side::Here));
        found.need.extend(of(Side::There));
        let rest = self.sums.filter(|_| !all && !names.is_empty()).and_then(|mut rest| {
            names.iter().for_each(|(name, _)| rest.toggle(name.id().0));
            found.with(&rest, held, (self.own.count(), self.theirs))
        });
        let all = all || rest.is_some();
        (Found { all, ..rest.unwrap_or(found) }.sorted(), all)
    }

    /// About how many differences there are: each stands in cell `i` with a known probability and counts there as one
    /// more or one less, so the square of what is too much or too little is, on average, their number in it.
    fn differences(&self) -> usize {
        let excess = f64::from(self.theirs) - f64::from(self.own.count());
        let mut guesses = 0.0;
        for (index, cell) in self.cells.iter().enumerate().skip(1) {
            let stands = 1.0 / (1.0 + index as f64 / 2.0);
            // The count is known modulo 256.
            let off = (f64::from(cell.count()) - excess * stands).rem_euclid(256.0);
            let off = if off > 128.0 { off - 256.0 } else { off };
            guesses += off * off / (stands * (1.0 - stands));
        }
        let guess = guesses / self.cells.len().saturating_sub(1).max(1) as f64;
        guess.max(excess.abs()).ceil() as usize
    }
}

impl Found {
    /// A small difference, which sums alone tell under any salt: theirs, and the sketch of what is here.
    pub(super) fn small(
        theirs: &Sums,
        count: u32,
        own: &Sketch,
        held: &dyn Fn(Name) -> bool,
    ) -> Option<Self> {
        let all = Self::default().with(&theirs.minus(own.sums()), held, (own.count(), count))?;
        Some(all.sorted())
    }

    /// With those that `rest` are the sums of; `None` where it is more than they tell, or the numbers of names here and
    /// there do not agree with it.
    fn with(&self, rest: &Sums, held: &dyn Fn(Name) -> bool, (ours, theirs): (u32, u32)) -> Option<Self> {
        let names = rest.told()?.into_iter().map(|name| Name::from(ShortId(name)));
        let (have, need): (Vec<Name>, Vec<Name>) = names.partition(|name| held(*name));
        let [have, need] = [[&self.have[..], &have].concat(), [&self.need[..], &need].concat()];
        let all = Self { have, need, all: true };
        let more = all.need.len() as i64 - all.have.len() as i64;
        (more == i64::from(theirs) - i64::from(ours)).then_some(all)
    }

    fn sorted(mut self) -> Self {
        for names in [&mut self.have, &mut self.need] {
            names.sort_unstable();
            names.dedup();
        }
        self
    }
}

/// Cells in the first part.
pub(super) fn first(set: Set) -> usize {
    if set == Set::Receipts { FIRST_OF_RECEIPTS } else { FIRST }
}

/// Bytes of the frame of a first part.
pub(super) fn first_len(set: Set) -> usize {
    Part::len(set, first(set)) + if has_sums(set) { Sums::LEN } else { 0 }
}

/// Whether sums are of any use: names of receipts are longer.
pub(super) fn has_sums(set: Set) -> bool {
    set != Set::Receipts
}

/// How many cells in all tell so many differences in 19 of 20 cases, where `seen` did not; fewer where sums tell what
/// cells leave over. The first part is too short for a good guess of many: then rather less, and a better guess from these.
fn enough(differences: usize, seen: usize, sums: bool) -> usize {
    let differences = differences.max(1) as f64;
    let all = differences * (1.36 + 2.7 / differences.sqrt()) - if sums { SPARED } else { 0.0 };
    let careful = if seen < 64 && differences > 256.0 { 0.7 * all } else { all };
    (careful.ceil() as usize).max(seen + (seen / 8).max(8))
}

/// A set of so few names is sent as names: hardly longer than the first part would be, and nothing is left to chance.
pub(super) fn is_small(set: Set, names: u32) -> bool {
    let bytes = (names as usize).saturating_mul(Name::len(set));
    bytes <= Part::len(set, FIRST_OF_RECEIPTS) - Part::len(set, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(numbers: core::ops::Range<u64>) -> impl Iterator<Item = Name> {
        let short = |n: u64| ShortId(*blake3::hash(&n.to_le_bytes()).as_bytes().first_chunk().unwrap());
        numbers.map(move |n| short(n).into())
    }

    fn reading(ours: core::ops::Range<u64>, theirs: core::ops::Range<u64>) -> (Reading, Sketch) {
        let own = Arc::new(Sketch::of(1, MOST, names(ours)));
        let far = Sketch::of(1, MOST, names(theirs));
        (Reading::begin(&far.part(Set::Sealed, 1, false, 0..0), own, None), far)
    }

    #[test]
    fn the_first_part_tells_about_how_many_differences_there_are() {
        for (ours, theirs) in [(100, 100), (500, 500), (0, 3_000), (3_000, 0), (2_000, 500)] {
            let (mut reading, far) = reading(0..1_000 + ours, (100_000 - theirs)..100_000);
            assert!(matches!(reading.take(0, &far.cells()[..FIRST], MOST, &|_| false), Step::More { .. }));
            let (guess, truth) = (reading.differences() as u64, 1_000 + ours + theirs);
            assert!((truth / 2..truth * 2).contains(&guess), "{guess} instead of {truth}");
        }
    }

    #[test]
    fn what_was_asked_for_is_awaited_and_then_read() {
        let (mut reading, far) = reading(0..300, 100..400);
        let Step::More { first, end } = reading.take(0, &far.cells()[..FIRST], MOST, &|_| false) else {
            panic!("too few")
        };
        assert_eq!(first, FIRST);
        assert!((250..700).contains(&end), "{end} cells for 200 differences");
        assert_eq!(reading.take(first, &far.cells()[first..first + 10], MOST, &|_| false), Step::Wait);
        assert!(
            matches!(reading.take(first, &far.cells()[first..end], MOST, &|_| false), Step::Stuck(_)),
            "a gap"
        );
    }

    #[test]
    fn a_sketch_that_would_be_longer_than_the_most_is_given_up() {
        let (mut reading, far) = reading(0..3_000, 10_000..13_000);
        assert!(matches!(reading.take(0, &far.cells()[..FIRST], MOST_SLOW, &|_| false), Step::Stuck(_)));
    }

    #[test]
    fn few_names_are_hardly_longer_than_the_first_part() {
        assert!(is_small(Set::Sealed, 35) && !is_small(Set::Sealed, 36));
        assert!(is_small(Set::Receipts, 30) && !is_small(Set::Receipts, 31));
        assert!(!is_small(Set::Sealed, u32::MAX));
    }
}
