//! In which order things should go on, link by link that brought them (PROTOCOL.md section 9.6).

use super::shares::{Age, Slot};
use crate::id::{LinkId, ShortId};
use core::ops::RangeInclusive;
use std::collections::BTreeSet;

/// So many lines have a say at a time: one's own and those of the latest links.
const MAX_LINES: usize = 64;
/// Things that are looked at, at most: the rest goes on in no order.
const MAX_LOOKED: usize = 4_096;
/// One's own line: above all others.
const OWN: u64 = u64::MAX;

/// The number of a line: of what was written here, or of what `via` brought. What is older than this run is in the
/// lowest.
pub(super) fn number(own: bool, via: Option<LinkId>) -> u64 {
    if own { OWN } else { via.map_or(0, |link| link.0) }
}

/// The place of a thing in the line of whoever brought it: what came in the latest minute first, and of each minute in
/// the order in which it came. A neighbour hands on first what matters most to it.
#[must_use]
pub fn latest_first(came: Age) -> u64 {
    let (minute, within) = (came / 60_000, came % 60_000);
    ((u64::MAX >> 32) - minute.min(u64::MAX >> 32)) << 16 | within
}

/// Where a thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Whether it came beyond the share of whoever brought it: behind all that did not.
    pub(super) surplus: bool,
    /// In whose line.
    pub(super) line: u64,
    /// Where in that.
    pub(super) order: u64,
}

/// Everything sealed, by line and place.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeSet<(Place, Slot)>);

impl Lines {
    pub(super) fn add(&mut self, place: Place, slot: Slot) {
        self.0.insert((place, slot));
    }

    pub(super) fn remove(&mut self, place: Place, slot: Slot) {
        self.0.remove(&(place, slot));
    }

    /// Up to `most` names, by turns between the lines; what `name` does not name is passed over.
    pub(super) fn foremost(&self, most: usize, name: impl Fn(Slot) -> Option<ShortId>) -> Vec<ShortId> {
        let (mut names, mut looked) = (Vec::new(), 0);
        for surplus in [false, true] {
            self.by_turns(surplus, most, &mut looked, &name, &mut names);
        }
        names.truncate(most);
        names
    }

    fn by_turns(
        &self,
        surplus: bool,
        most: usize,
        looked: &mut usize,
        name: &impl Fn(Slot) -> Option<ShortId>,
        names: &mut Vec<ShortId>,
    ) {
        let latest = self.latest(surplus).into_iter();
        let mut lines: Vec<_> = latest.map(|line| self.0.range(all(surplus, line))).collect();
        while names.len() < most && *looked < MAX_LOOKED && !lines.is_empty() {
            lines.retain_mut(|things| {
                loop {
                    let Some((_, slot)) = things.next().filter(|_| *looked < MAX_LOOKED) else {
                        return false;
                    };
                    *looked += 1;
                    if let Some(name) = name(*slot) {
                        names.push(name);
                        return true;
                    }
                }
            });
        }
    }

    /// One's own line, and those of the latest links.
    fn latest(&self, surplus: bool) -> Vec<u64> {
        let mut lines = Vec::new();
        let mut end = *all(surplus, u64::MAX).end();
        while let Some((Place { line, .. }, _)) = self.0.range(*all(surplus, 0).start()..=end).next_back() {
            lines.push(*line);
            match line.checked_sub(1).filter(|_| lines.len() < MAX_LINES) {
                Some(next) => end = *all(surplus, next).end(),
                None => break,
            }
        }
        lines
    }
}

/// Everything in one line.
fn all(surplus: bool, line: u64) -> RangeInclusive<(Place, Slot)> {
    (Place { surplus, line, order: 0 }, 0)..=(Place { surplus, line, order: u64::MAX }, Slot::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(slot: Slot) -> Option<ShortId> {
        Some(ShortId([slot as u8; 8]))
    }

    fn slots(names: &[ShortId]) -> Vec<u8> {
        names.iter().map(|name| name.0[0]).collect()
    }

    fn place(line: u64, came: Age) -> Place {
        Place { surplus: false, line, order: latest_first(came) }
    }

    #[test]
    fn the_latest_minute_goes_first_and_within_it_what_came_first() {
        let mut came = [30_000, 200_000, 190_000, 61_000];
        came.sort_by_key(|came| latest_first(*came));
        assert_eq!(came, [190_000, 200_000, 61_000, 30_000]);
        assert!(latest_first(u64::MAX) < latest_first(0) && latest_first(0) < 1 << 56);
    }

    #[test]
    fn each_line_gives_one_at_a_turn_and_ones_own_gives_no_more() {
        let mut lines = Lines::default();
        for slot in 0..10 {
            lines.add(place(7, 100 + u64::from(slot)), slot);
        }
        lines.add(place(8, 500), 50);
        (60..66).for_each(|slot| lines.add(place(number(true, None), u64::from(slot)), slot));
        let first = lines.foremost(7, named);
        assert_eq!(slots(&first), [60, 50, 0, 61, 1, 62, 2]);
        let all = lines.foremost(99, named);
        assert_eq!(all.len(), 17);
        lines.remove(place(8, 500), 50);
        assert!(!slots(&lines.foremost(99, named)).contains(&50));
    }

    #[test]
    fn only_the_latest_lines_have_a_say() {
        let mut lines = Lines::default();
        (0..2 * MAX_LINES as u32).for_each(|slot| lines.add(place(u64::from(slot), 0), slot));
        let first = slots(&lines.foremost(999, named));
        assert_eq!((first.len(), first[0]), (MAX_LINES, 2 * MAX_LINES as u8 - 1));
    }

    #[test]
    fn what_is_beyond_a_share_stands_behind_all_that_is_not_of_whatever_line() {
        let mut lines = Lines::default();
        (0..10).for_each(|slot| lines.add(Place { surplus: true, ..place(9, 100) }, slot));
        (20..30).for_each(|slot| lines.add(place(3, 100), slot));
        assert!(slots(&lines.foremost(10, named)).iter().all(|slot| *slot >= 20));
        assert_eq!(lines.foremost(99, named).len(), 20);
    }
}
