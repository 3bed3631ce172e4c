//! What is named first where sets differ by much (PROTOCOL.md section 9.6).
//!
//! To find a large difference takes time, and finds things in no order. A meeting may be shorter. So once it shows that
//! the difference is large, each end names what should go on first, some at a time, while the other has time for
//! it, beside the comparison. On slow links what the comparison found is named in the same order and at the same pace: a
//! list of thousands would stand before everything else that the two have to say.

use super::{Bag, State, may_go};
use crate::id::{LinkId, ShortId};
use crate::time::{Now, Time};
use crate::wire::frame::{Frame, Set};
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

/// Messages of a comparison with so many bytes ...
const LONG: usize = 2_048;
/// ... mean a large difference where there are so many of them: some hundred names.
const MANY_LONG: u8 = 3;
/// Names at a time.
pub(super) const AT_A_TIME: usize = 64;
/// More are named when the neighbour waits for no more than so many.
const LOW: usize = 16;
/// Not more often than this.
const EVERY: Duration = Duration::from_millis(250);
/// ... and not before this where nothing of the last was wanted yet: the answer may stand in line.
const UNANSWERED: Duration = Duration::from_secs(2);
/// After so many that the neighbour wanted nothing of, what is not known to be lacking is named no more.
const MAX_IDLE: u8 = 4;
/// Names that are not known to be lacking, in all.
const MAX_NAMED: usize = 4_096;
/// Names that the neighbour is known to lack and that wait to be named; the next comparison finds the rest.
const MAX_LACKED: usize = 4_096;
/// Names that wait until the neighbour has time for them; the next comparison finds what is beyond.
const MAX_LATER: usize = 4_096;
/// So many cells that are asked for at once mean a large difference, of some thousand names: fewer are soon told.
const MANY_CELLS: usize = 1_536;
/// Names that the neighbour wants and did not confirm.
const MAX_WAITING: usize = 4_096;
/// After so long without a word about any of them they are waited for no more: they fell out of a queue, or were refused.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was and will be named to one neighbour.
#[derive(Debug, Default)]
pub(super) struct Offers {
    /// Long messages of comparisons.
    long: u8,
    /// A comparison told everything that the neighbour lacks. A part of it is in no order of worth, and what is worth
    /// most may not be in it.
    known: bool,
    lacked: BTreeSet<ShortId>,
    named: BTreeSet<ShortId>,
    /// New here, and beyond the share of whoever brought it.
    later: Later,
    last: Option<Time>,
    /// What the neighbour wants and did not confirm.
    waiting: BTreeSet<ShortId>,
    /// When it last wanted or confirmed any of that.
    heard: Time,
    /// Whether it wanted anything since the last time.
    useful: bool,
    idle: u8,
}

/// Names in the order in which they came; some of them may be of no use any more.
#[derive(Debug, Default)]
struct Later {
    queue: VecDeque<ShortId>,
    names: BTreeSet<ShortId>,
}

impl Later {
    fn push(&mut self, id: ShortId) {
        if self.queue.len() < MAX_LATER && self.names.insert(id) {
            self.queue.push_back(id);
        }
    }

    fn remove(&mut self, id: ShortId) {
        self.names.remove(&id);
    }

    fn pop(&mut self) -> Option<ShortId> {
        core::iter::from_fn(|| self.queue.pop_front()).find(|id| self.names.remove(id))
    }
}

impl Offers {
    /// A long message of a comparison came.
    fn came_long(&mut self) {
        self.long = self.long.saturating_add(1);
    }

    /// So many cells are asked for.
    pub(super) fn asked_for(&mut self, cells: usize) {
        if cells >= MANY_CELLS {
            self.long = self.long.max(MANY_LONG);
        }
    }

    /// This is named when the neighbour has time for it.
    pub(super) fn later(&mut self, id: ShortId, now: Time) {
        self.later.push(id);
        self.last.get_or_insert(now);
    }

    /// This is named at once.
    pub(super) fn sooner(&mut self, id: ShortId) {
        self.later.remove(id);
    }

    /// The neighbour lacks these, and where `all` nothing else.
    pub(super) fn lacks(&mut self, names: impl IntoIterator<Item = ShortId>, all: bool) {
        let room = MAX_LACKED.saturating_sub(self.lacked.len());
        self.lacked.extend(names.into_iter().take(room));
        self.known |= all;
    }

    /// Whether names are guessed, and of use.
    pub(super) fn guesses(&self) -> bool {
        let is_large = self.long >= MANY_LONG;
        is_large && !self.known && self.idle < MAX_IDLE && self.named.len() < MAX_NAMED
    }

    /// The neighbour has it, from here or from elsewhere.
    pub(super) fn has(&mut self, id: ShortId, now: Time) {
        self.lacked.remove(&id);
        self.later.remove(id);
        if self.waiting.remove(&id) {
            self.heard = now;
        }
    }

    /// The neighbour wants these, and they are on their way.
    pub(super) fn wanted(&mut self, ids: &[ShortId], now: Time) {
        let room = MAX_WAITING.saturating_sub(self.waiting.len());
        self.waiting.extend(ids.iter().take(room));
        self.heard = now;
        self.useful = true;
    }

    /// Whether more shall be named now; asked when something was wanted, confirmed or found.
    fn is_due(&self, now: Time) -> bool {
        self.next_at().is_some_and(|at| at <= now)
    }

    /// When more shall be named: at once the first time.
    fn next_at(&self) -> Option<Time> {
        let answered = self.useful || !self.guesses();
        let paced = self.last.map_or(Time(0), |last| last + if answered { EVERY } else { UNANSWERED });
        let busy = self.waiting.len() > LOW;
        let any = self.has_more() || !self.later.names.is_empty();
        any.then(|| if busy { paced.max(self.heard + PATIENCE) } else { paced })
    }

    /// Whether there is more to name than what is beyond shares.
    fn has_more(&self) -> bool {
        self.guesses() || !self.lacked.is_empty()
    }

    /// What is to be named now.
    fn take(&mut self, now: Time, bag: &dyn Bag) -> Vec<ShortId> {
        if self.waiting.len() > LOW {
            self.waiting.clear();
        }
        let mut names = if self.has_more() { self.found(bag) } else { Vec::new() };
        names.iter().for_each(|id| self.later.remove(*id));
        // What is beyond shares stands behind what is not. Some of it may be gone.
        while names.len() < AT_A_TIME
            && let Some(id) = self.later.pop()
        {
            names.extend(Some(id).filter(|id| may_go(bag.standing(*id))));
        }
        self.last = Some(now);
        // Which of them came first tells who wrote them.
        names.sort_unstable();
        names
    }

    /// Of what the neighbour lacks, or may lack, the foremost.
    fn found(&mut self, bag: &dyn Bag) -> Vec<ShortId> {
        let (guesses, lacked, named) = (self.guesses(), &self.lacked, &self.named);
        let skip = |id: ShortId| if guesses { named.contains(&id) } else { !lacked.contains(&id) };
        let mut names = bag.foremost(AT_A_TIME, &skip);
        if !guesses {
            names.iter().for_each(|id| _ = self.lacked.remove(id));
            while names.len() < AT_A_TIME
                && let Some(id) = self.lacked.pop_first()
            {
                names.extend(Some(id).filter(|id| may_go(bag.standing(*id))));
            }
        } else {
            self.named.extend(&names);
            names.iter().for_each(|id| _ = self.lacked.remove(id));
        }
        self.idle = if self.useful { 0 } else { self.idle.saturating_add(1) };
        if names.is_empty() {
            self.idle = MAX_IDLE;
        }
        self.useful = false;
        names
    }

    /// When there may be more to name.
    pub(super) fn next(&self) -> Option<Time> {
        self.last.and_then(|_| self.next_at())
    }
}

impl State {
    /// Long messages of the comparison mean a large difference; on fast links it is over soon all the same.
    pub(super) fn look_at_size(&mut self, link: LinkId, set: Set, len: usize) {
        if set == Set::Sealed
            && len >= LONG
            && let Some(live) = self.links.get_mut(&link).filter(|live| live.slow)
        {
            live.offers.came_long();
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
    use super::super::tests::{Names, short_name};
    use super::*;

    fn large() -> Offers {
        let mut offers = Offers::default();
        (0..MANY_LONG).for_each(|_| offers.came_long());
        offers
    }

    #[test]
    fn nothing_is_named_where_the_difference_is_small() {
        let mut offers = Offers::default();
        (1..MANY_LONG).for_each(|_| offers.came_long());
        assert!(!offers.is_due(Time(0)) && large().is_due(Time(0)));
    }

    #[test]
    fn more_is_named_when_the_neighbour_has_time_for_it() {
        let (bag, mut offers) = (Names::of(0..1_000), large());
        let first = offers.take(Time(0), &bag);
        offers.wanted(&first, Time(10));
        assert!(!offers.is_due(Time(1_000)));
        first[..50].iter().for_each(|id| offers.has(*id, Time(20)));
        assert!(offers.is_due(Time(1_000)) && !offers.is_due(Time(100)));
        assert!(offers.take(Time(1_000), &bag).iter().all(|id| !first.contains(id)));
    }

    #[test]
    fn what_is_never_confirmed_is_waited_for_15_seconds() {
        let (bag, mut offers) = (Names::of(0..1_000), large());
        let first = offers.take(Time(0), &bag);
        offers.wanted(&first, Time(10));
        assert_eq!(offers.next(), Some(Time(15_010)));
        assert!(!offers.take(Time(15_010), &bag).is_empty());
        assert_eq!(offers.next(), Some(Time(17_010)), "nothing of the old is waited for");
    }

    #[test]
    fn what_the_neighbour_wants_is_remembered_up_to_the_most() {
        let mut offers = large();
        let ids: Vec<ShortId> = (0..2 * MAX_WAITING as u64).map(|n| ShortId(n.to_le_bytes())).collect();
        offers.wanted(&ids, Time(0));
        assert_eq!(offers.waiting.len(), MAX_WAITING);
    }

    #[test]
    fn the_order_in_which_things_are_named_tells_nothing() {
        let (bag, mut offers) = (Names::of(0..1_000), large());
        let guessed = offers.take(Time(0), &bag);
        assert!(guessed.is_sorted());
        offers.lacks(bag.foremost(100, &|_| false), true);
        assert!(offers.take(Time(1_000), &bag).is_sorted());
    }

    #[test]
    fn a_part_of_the_differences_ends_no_guesses() {
        let (bag, mut offers) = (Names::of(0..1_000), large());
        offers.lacks([ShortId([9; 8])], false);
        assert_eq!(offers.take(Time(0), &bag).len(), AT_A_TIME);
    }

    #[test]
    fn guesses_end_where_nothing_is_wanted_or_too_much_was_named() {
        let (bag, mut offers) = (Names::of(0..20_000), large());
        (0..4).for_each(|n| _ = offers.take(Time(n * 1_000), &bag));
        assert!(!offers.is_due(Time(9_000)));
        let mut offers = large();
        for n in 0..=(MAX_NAMED / AT_A_TIME) as u64 {
            offers.take(Time(n * 1_000), &bag);
            offers.wanted(&[], Time(n * 1_000));
        }
        assert!(!offers.is_due(Time(9_000_000)));
    }

    #[test]
    fn what_the_comparison_found_is_named_at_the_same_pace_until_nothing_is_left() {
        let (bag, mut offers) = (Names::of(0..1_000), large());
        let lacked = bag.foremost(100, &|_| false);
        offers.lacks(lacked.clone(), true);
        offers.has(lacked[0], Time(0));
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
    fn a_question_for_very_many_cells_tells_of_a_large_difference_at_once() {
        let mut offers = Offers::default();
        offers.asked_for(MANY_CELLS - 1);
        assert!(!offers.guesses());
        offers.asked_for(MANY_CELLS);
        assert!(offers.guesses());
    }

    #[test]
    fn what_is_beyond_a_share_is_named_some_at_a_time_and_up_to_the_most() {
        let (bag, mut offers) = (Names::of(0..100), Offers::default());
        for n in 0..2 * MAX_LATER as u64 {
            offers.later(short_name(n), Time(0));
        }
        assert_eq!((offers.later.queue.len(), offers.later.names.len()), (MAX_LATER, MAX_LATER));
        offers.has(short_name(1), Time(0));
        assert_eq!(offers.later.names.len(), MAX_LATER - 1, "the neighbour has it from elsewhere");
        assert_eq!(offers.next(), Some(Time(250)));
        let mut first: Vec<ShortId> = (0..=AT_A_TIME as u64).filter(|n| *n != 1).map(short_name).collect();
        first.sort_unstable();
        assert_eq!(offers.take(Time(250), &bag), first, "in the order in which it came");
        assert_eq!(offers.next(), Some(Time(500)));
    }

    #[test]
    fn what_is_beyond_a_share_waits_for_what_the_neighbour_lacks_and_while_much_is_under_way() {
        let (bag, mut offers) = (Names::of(0..200), Offers::default());
        (0..100).for_each(|n| offers.later(short_name(n), Time(0)));
        offers.lacks((100..200).map(short_name), true);
        let beyond = |names: &[ShortId]| (0..100).map(short_name).filter(|id| names.contains(id)).count();
        let first = offers.take(Time(250), &bag);
        assert_eq!((first.len(), beyond(&first)), (AT_A_TIME, 0));
        offers.wanted(&first, Time(300));
        assert!(!offers.is_due(Time(15_299)), "it has more than it can take");
        first.iter().for_each(|id| offers.has(*id, Time(400)));
        let second = offers.take(Time(650), &bag);
        assert_eq!((second.len(), beyond(&second)), (AT_A_TIME, 2 * AT_A_TIME - 100));
        offers.wanted(&second, Time(700));
        assert!(!offers.is_due(Time(15_699)) && offers.is_due(Time(15_700)));
    }

    #[test]
    fn what_is_gone_is_not_named() {
        let (bag, mut offers) = (Names::of(0..10), Offers::default());
        (0..20).for_each(|n| offers.later(short_name(n), Time(0)));
        offers.lacks((5..30).map(short_name), true);
        let mut held: Vec<ShortId> = (0..10).map(short_name).collect();
        held.sort_unstable();
        assert_eq!(offers.take(Time(250), &bag), held);
    }

    #[test]
    fn what_is_lacked_is_remembered_up_to_the_most() {
        let mut offers = Offers::default();
        offers.lacks((0..2 * MAX_LACKED as u64).map(|n| ShortId(n.to_le_bytes())), true);
        assert_eq!(offers.lacked.len(), MAX_LACKED);
    }
}
