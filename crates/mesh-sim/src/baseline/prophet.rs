//! Whom a node is likely to meet: the delivery predictabilities of PRoPHET (RFC 6693, sections 2.1 and 3.3).

use mesh_core::Time;
use std::collections::BTreeMap;

/// P_encounter_max.
const ENCOUNTER_MAX: f64 = 0.7;
/// P_encounter_first.
const FIRST: f64 = 0.5;
/// P_first_threshold.
const FIRST_THRESHOLD: f64 = 0.1;
/// Beta: how much the acquaintances of acquaintances count.
const BETA: f64 = 0.9;
/// Gamma: what is left after each time unit.
const GAMMA: f64 = 0.999;
/// Delta: no predictability is greater than one less this.
const DELTA: f64 = 0.01;
/// One time unit, in milliseconds.
const UNIT_MS: u64 = 60_000;
/// I_typ: encounters closer together than this count less, in milliseconds.
const TYPICAL_MS: u64 = 1_800_000;

/// Delivery predictabilities of one node.
#[derive(Debug, Default)]
pub(super) struct Encounters {
    chances: BTreeMap<u32, f64>,
    /// The last encounter with each.
    last: BTreeMap<u32, Time>,
    /// What the present and former neighbours said of their own.
    theirs: BTreeMap<u32, BTreeMap<u32, u16>>,
    aged: Time,
}

impl Encounters {
    /// Takes note of a meeting with `node`, whose predictabilities are `table`; `fresh` where the meeting just
    /// began.
    pub(super) fn met(&mut self, now: Time, node: u32, table: &[(u32, u16)], me: u32, fresh: bool) {
        self.age(now);
        if fresh {
            let chance = self.chances.entry(node).or_insert(0.0);
            *chance = match self.last.insert(node, now) {
                _ if *chance < FIRST_THRESHOLD => FIRST,
                Some(before) => {
                    let since = now.0.saturating_sub(before.0);
                    let share = (since as f64 / TYPICAL_MS as f64).min(1.0);
                    *chance + (1.0 - DELTA - *chance) * ENCOUNTER_MAX * share
                }
                None => *chance + (1.0 - DELTA - *chance) * ENCOUNTER_MAX,
            };
        }
        let direct = self.chances.get(&node).copied().unwrap_or(0.0);
        for (other, theirs) in table.iter().filter(|(other, _)| *other != me) {
            let through = direct * f64::from(*theirs) / f64::from(u16::MAX) * BETA;
            let chance = self.chances.entry(*other).or_insert(0.0);
            *chance = chance.max(through);
        }
        self.theirs.insert(node, table.iter().copied().collect());
    }

    /// Whether `neighbour` is likelier to meet `reader` than this node is: GRTR.
    pub(super) fn is_likelier(&self, neighbour: u32, reader: u32) -> bool {
        let theirs = self.theirs.get(&neighbour).and_then(|table| table.get(&reader)).copied().unwrap_or(0);
        let ours = self.chances.get(&reader).copied().unwrap_or(0.0);
        f64::from(theirs) / f64::from(u16::MAX) > ours
    }

    /// All predictabilities as they are said to a neighbour.
    pub(super) fn table(&mut self, now: Time) -> Vec<(u32, u16)> {
        self.age(now);
        self.chances.iter().map(|(node, chance)| (*node, (chance * f64::from(u16::MAX)) as u16)).collect()
    }

    /// The monotonic clock begins anew.
    pub(super) fn restarted(&mut self, now: Time) {
        self.aged = now;
        self.last.clear();
    }

    fn age(&mut self, now: Time) {
        let units = now.0.saturating_sub(self.aged.0) / UNIT_MS;
        if units == 0 {
            return;
        }
        self.aged = Time(self.aged.0 + units * UNIT_MS);
        let left = GAMMA.powi(i32::try_from(units).unwrap_or(i32::MAX));
        for chance in self.chances.values_mut() {
            *chance *= left;
        }
        self.chances.retain(|_, chance| *chance > 1.0 / f64::from(u16::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_meeting_counts_half_and_later_ones_approach_the_greatest() {
        let mut encounters = Encounters::default();
        encounters.met(Time(0), 2, &[], 1, true);
        assert!((encounters.chances[&2] - 0.5).abs() < 1e-9);
        encounters.met(Time(TYPICAL_MS), 2, &[], 1, true);
        let expected = 0.5 * GAMMA.powi(30);
        let expected = expected + (0.99 - expected) * 0.7;
        assert!((encounters.chances[&2] - expected).abs() < 1e-9);
    }

    #[test]
    fn acquaintances_of_acquaintances_count_less_and_everything_fades() {
        let mut encounters = Encounters::default();
        encounters.met(Time(0), 2, &[(3, u16::MAX), (1, u16::MAX)], 1, true);
        assert!((encounters.chances[&3] - 0.45).abs() < 1e-9);
        assert!(!encounters.chances.contains_key(&1));
        assert!(encounters.is_likelier(2, 3));
        assert!(!encounters.is_likelier(2, 4));
        let table = encounters.table(Time(100 * UNIT_MS));
        assert!((f64::from(table[1].1) / f64::from(u16::MAX) - 0.45 * GAMMA.powi(100)).abs() < 1e-3);
    }
}
