//! What is named first where sets differ by much (PROTOCOL.md section 9.6).
//!
//! To find a large difference takes time, and finds things in no order. A meeting may be shorter. So once it shows that
//! the difference is large, each end names what should go on first, some at a time, while the other has time for
//! it, beside the comparison.

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
const EVERY: Duration = Duration::from_millis(500);
/// After so many that the neighbour wanted nothing of, the comparison alone goes on.
const MAX_IDLE: u8 = 4;
/// Names in all; what is beyond the comparison finds.
const MAX_NAMED: usize = 8_192;

/// What was named to one neighbour.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// The difference turned out to be large.
    large: bool,
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

    pub(super) fn wanted(&mut self, names: usize) {
        self.waits += names;
        self.useful = true;
    }

    pub(super) fn kept(&mut self, names: usize) {
        self.waits = self.waits.saturating_sub(names);
    }

    pub(super) fn was_named(&self, id: ShortId) -> bool {
        self.named.contains(&id)
    }

    /// Whether more shall be named now; asked when something was wanted or confirmed.
    pub(super) fn is_due(&self, now: Time) -> bool {
        let pause = self.last.is_some_and(|last| now.since(last) < EVERY);
        self.large && !pause && self.waits <= LOW && self.idle < MAX_IDLE && self.named.len() < MAX_NAMED
    }

    pub(super) fn name(&mut self, now: Time, names: &[ShortId]) {
        self.idle = if self.useful { 0 } else { self.idle + 1 };
        if names.is_empty() {
            self.idle = MAX_IDLE;
        }
        (self.last, self.useful) = (Some(now), false);
        self.named.extend(names);
    }

    /// When there may be more to name.
    pub(super) fn next(&self) -> Option<Time> {
        let goes_on = self.large && self.idle < MAX_IDLE && self.waits <= LOW && self.named.len() < MAX_NAMED;
        self.last.filter(|_| goes_on).map(|last| last + EVERY)
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
        let offers = &live.offers;
        let names = bag.foremost(AT_A_TIME, &|id| offers.was_named(id));
        live.offers.name(now.mono, &names);
        if !names.is_empty() {
            self.send(link, Frame::Have(names));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(from: u64) -> Vec<ShortId> {
        (from..from + AT_A_TIME as u64).map(|n| ShortId(n.to_le_bytes())).collect()
    }

    #[test]
    fn nothing_is_named_where_the_difference_is_small() {
        let mut offers = Offers::default();
        assert!(!offers.is_due(Time(0)));
        offers.is_large();
        assert!(offers.is_due(Time(0)));
    }

    #[test]
    fn more_is_named_when_the_neighbour_has_time_for_it() {
        let mut offers = Offers::default();
        offers.is_large();
        offers.name(Time(0), &names(0));
        offers.wanted(64);
        assert!(!offers.is_due(Time(1_000)) && offers.next().is_none());
        offers.kept(50);
        assert!(offers.is_due(Time(1_000)) && !offers.is_due(Time(100)));
        assert!(offers.was_named(names(0)[3]));
    }

    #[test]
    fn it_ends_where_nothing_is_wanted_or_too_much_was_named() {
        let mut offers = Offers::default();
        offers.is_large();
        for n in 0..5 {
            offers.name(Time(n * 1_000), &names(n * 100));
        }
        assert!(!offers.is_due(Time(9_000)));
        let mut offers = Offers::default();
        offers.is_large();
        for n in 0..=(MAX_NAMED / AT_A_TIME) as u64 {
            offers.name(Time(0), &names(n * 64));
            offers.wanted(1);
            offers.kept(1);
        }
        assert!(!offers.is_due(Time(9_000)));
    }
}
