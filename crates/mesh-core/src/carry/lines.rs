//! In which order things should go on, link by link that brought them (PROTOCOL.md section 9.6).

use super::shares::{Age, Slot};
use crate::id::{LinkId, ShortId};
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

/// Everything sealed, by line and place.
#[derive(Debug, Default)]
pub(super) struct Lines(BTreeSet<(u64, u64, Slot)>);

impl Lines {
    pub(super) fn add(&mut self, line: u64, came: Age, slot: Slot) {
        self.0.insert((line, latest_first(came), slot));
    }

    pub(super) fn remove(&mut self, line: u64, came: Age, slot: Slot) {
        self.0.remove(&(line, latest_first(came), slot));
    }

    /// Up to `most` names, by turns between the lines; what `name` does not name is passed over.
    pub(super) fn foremost(&self, most: usize, name: impl Fn(Slot) -> Option<ShortId>) -> Vec<ShortId> {
        let mut lines: Vec<_> = self
            .latest()
            .into_iter()
            .map(|line| self.0.range((line, 0, 0)..=(line, u64::MAX, Slot::MAX)))
            .collect();
        let (mut names, mut looked) = (Vec::new(), 0);
        while names.len() < most && looked < MAX_LOOKED && !lines.is_empty() {
            lines.retain_mut(|things| {
                loop {
                    let Some((_, _, slot)) = things.next().filter(|_| looked < MAX_LOOKED) else {
                        return false;
                    };
                    looked += 1;
                    if let Some(name) = name(*slot) {
                        names.push(name);
                        return true;
                    }
                }
            });
        }
        names.truncate(most);
        names
    }

    /// One's own line, and those of the latest links.
    fn latest(&self) -> Vec<u64> {
        let mut lines = Vec::new();
        let mut last = self.0.last();
        while let Some((line, _, _)) = last.filter(|_| lines.len() < MAX_LINES) {
            lines.push(*line);
            last = self.0.range(..(*line, 0, 0)).next_back();
        }
        lines
    }
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
            lines.add(7, 100 + u64::from(slot), slot);
        }
        lines.add(8, 500, 50);
        (60..66).for_each(|slot| lines.add(number(true, None), u64::from(slot), slot));
        let first = lines.foremost(7, named);
        assert_eq!(slots(&first), [60, 50, 0, 61, 1, 62, 2]);
        let all = lines.foremost(99, named);
        assert_eq!(all.len(), 17);
        lines.remove(8, 500, 50);
        assert!(!slots(&lines.foremost(99, named)).contains(&50));
    }

    #[test]
    fn only_the_latest_lines_have_a_say() {
        let mut lines = Lines::default();
        (0..2 * MAX_LINES as u32).for_each(|slot| lines.add(u64::from(slot), 0, slot));
        let first = slots(&lines.foremost(999, named));
        assert_eq!((first.len(), first[0]), (MAX_LINES, 2 * MAX_LINES as u8 - 1));
    }
}
