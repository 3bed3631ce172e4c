//! What is named first where sets differ by much (PROTOCOL.md section 9.6).
//!
//! To find a large difference takes time, and finds things in no order. A meeting may be shorter. So once it shows that
//! the difference is large, each end names what should go on first, some at a time, while the other has time for
//! it, beside the comparison. On slow links what the comparison found is named in the same order and at the same pace: a
//! list of thousands would stand before everything else that the two have to say.

use super::{Bag, State};
use crate::id::{LinkId, ShortId};
use crate::time::{Now, Time};
use crate::wire::frame::{Frame, Set};
use core::time::Duration;
use std::collections::BTreeSet;

/// A message of a comparison of so many bytes means a large difference: some hundred names.
const LARGE_DIFFERENCE: usize = 2_048;
/// Names at a time.
pub(super) const AT_A_TIME: usize = 64;
/// More are named when the neighbour waits for no more than so many.
const LOW: usize = 16;
/// Not more often than this.
const EVERY: Duration = Duration::from_millis(250);
/// After so many that the neighbour wanted nothing of, what is not known to be lacking is named no more.
const MAX_IDLE: u8 = 4;
/// Names that are not known to be lacking, in all.
const MAX_NAMED: usize = 8_192;
/// Names that the neighbour is known to lack and that wait to be named; the next comparison finds the rest.
const MAX_LACKED: usize = 65_536;

/// What was and will be named to one neighbour.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// The difference turned out to be large.
    large: bool,
    /// The comparison begins to tell what the neighbour lacks.
    known: bool,
    lacked: BTreeSet<ShortId>,
    named: BTreeSet<ShortId>,
    last: Option<Time>,
    /// What the neighbour wants and did not confirm.
    waits: usize,
    /// Whether it wanted anything since the last time.
    useful: bool,
    idle: u8,
}

impl Offers {
    pub(super) fn is_large(&mut self) {
        self.large = true;
    }

    /// The neighbour lacks these.
    pub(super) fn lacks(&mut self, names: impl IntoIterator<Item = ShortId>) {
        self.known = true;
        let room = MAX_LACKED.saturating_sub(self.lacked.len());
        self.lacked.extend(names.into_iter().take(room));
    }

    /// The neighbour has it.
    pub(super) fn has(&mut self, id: ShortId) {
        self.lacked.remove(&id);
    }

    pub(super) fn wanted(&mut self, names: usize) {
        self.waits += names;
        self.useful = true;
    }

    pub(super) fn kept(&mut self, names: usize) {
        self.waits = self.waits.saturating_sub(names);
    }

    /// Whether more shall be named now; asked when something was wanted, confirmed or found.
    fn is_due(&self, now: Time) -> bool {
        self.goes_on() && self.last.is_none_or(|last| now.since(last) >= EVERY)
    }

    fn goes_on(&self) -> bool {
        let by_guess = self.large && !self.known && self.idle < MAX_IDLE && self.named.len() < MAX_NAMED;
        self.waits <= LOW && (by_guess || !self.lacked.is_empty())
    }

    /// What is to be named now.
    fn take(&mut self, now: Time, bag: &dyn Bag) -> Vec<ShortId> {
        let (known, lacked, named) = (self.known, &self.lacked, &self.named);
        let skip = |id: ShortId| if known { !lacked.contains(&id) } else { named.contains(&id) };
        let mut names = bag.foremost(AT_A_TIME, &skip);
        if known {
            names.iter().for_each(|id| _ = self.lacked.remove(id));
            while names.len() < AT_A_TIME
                && let Some(id) = self.lacked.pop_first()
            {
                names.push(id);
            }
        } else {
            self.named.extend(&names);
        }
        self.idle = if self.useful { 0 } else { self.idle.saturating_add(1) };
        if names.is_empty() {
            self.idle = MAX_IDLE;
        }
        (self.last, self.useful) = (Some(now), false);
        names
    }

    /// When there may be more to name.
    pub(super) fn next(&self) -> Option<Time> {
        self.last.filter(|_| self.goes_on()).map(|last| last + EVERY)
    }
}

impl State {
    /// A long message of the comparison means a large difference.
    pub(super) fn look_at_size(&mut self, link: LinkId, set: Set, len: usize) {
        if set == Set::Sealed
            && len >= LARGE_DIFFERENCE
            && let Some(live) = self.links.get_mut(&link)
        {
            live.offers.is_large();
        }
    }

    /// Names what should go on first, where it is time to.
    pub(super) fn offer(&mut self, now: Now, link: LinkId, bag: &dyn Bag) {
        let Some(live) = self.links.get_mut(&link).filter(|live| live.offers.is_due(now.mono)) else {
            return;
        };
        let names = live.offers.take(now.mono, bag);
        if !names.is_empty() {
            self.send(link, Frame::Have(names));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Names;
    use super::*;

    fn large() -> Offers {
        let mut offers = Offers::default();
        offers.is_large();
        offers
    }

    #[test]
    fn nothing_is_named_where_the_difference_is_small() {
        assert!(!Offers::default().is_due(Time(0)));
        assert!(large().is_due(Time(0)));
    }

    #[test]
    fn more_is_named_when_the_neighbour_has_time_for_it() {
        let (bag, mut offers) = (Names::of(0..1_000), large());
        let first = offers.take(Time(0), &bag);
        offers.wanted(64);
        assert!(!offers.is_due(Time(1_000)) && offers.next().is_none());
        offers.kept(50);
        assert!(offers.is_due(Time(1_000)) && !offers.is_due(Time(100)));
        assert!(offers.take(Time(1_000), &bag).iter().all(|id| !first.contains(id)));
    }

    #[test]
    fn guesses_end_where_nothing_is_wanted_or_too_much_was_named() {
        let (bag, mut offers) = (Names::of(0..20_000), large());
        (0..4).for_each(|n| _ = offers.take(Time(n * 1_000), &bag));
        assert!(!offers.is_due(Time(9_000)));
        let mut offers = large();
        for n in 0..=(MAX_NAMED / AT_A_TIME) as u64 {
            offers.take(Time(n * 1_000), &bag);
            offers.wanted(1);
            offers.kept(1);
        }
        assert!(!offers.is_due(Time(9_000_000)));
    }

    #[test]
    fn what_the_comparison_found_is_named_at_the_same_pace_until_nothing_is_left() {
        let (bag, mut offers) = (Names::of(0..1_000), large());
        let lacked = bag.foremost(100, &|_| false);
        offers.lacks(lacked.clone());
        offers.has(lacked[0]);
        let mut named = Vec::new();
        for n in 0..5 {
            if offers.is_due(Time(n * 1_000)) {
                named.extend(offers.take(Time(n * 1_000), &bag));
            }
        }
        named.sort_unstable();
        let mut left = lacked[1..].to_vec();
        left.sort_unstable();
        assert_eq!(named, left);
        assert_eq!(offers.next(), None);
    }

    #[test]
    fn what_is_lacked_is_remembered_up_to_the_most() {
        let mut offers = Offers::default();
        offers.lacks((0..2 * MAX_LACKED as u64).map(|n| ShortId(n.to_le_bytes())));
        assert_eq!(offers.lacked.len(), MAX_LACKED);
    }
}
