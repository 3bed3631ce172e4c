//! Whether forecasts come true: of what was called 80 % likely, did 80 % arrive?

use crate::{Delivery, NodeIx, Reliability, World};
use mesh_core::view::ForecastView;
use std::collections::BTreeMap;

/// Forecasts are sorted into so many classes by their likelihood.
const CLASSES: usize = 10;

/// What nodes said of their messages before they wrote them.
#[derive(Debug, Default)]
pub(super) struct Forecasts {
    /// By message and reader.
    said: BTreeMap<(u32, u32), Option<ForecastView>>,
}

impl Forecasts {
    /// Asks the writer's node; nothing happens where it does not run or is of another protocol.
    pub(super) fn ask(&mut self, world: &World, number: u32, from: u32, to: u32) {
        let ix = NodeIx::from(from);
        let Some(node) = world.protocol(ix).and_then(crate::Protocol::as_node) else { return };
        let forecast = node.forecast(world.clocks(ix), world.account(NodeIx::from(to)));
        self.said.insert((number, to), forecast);
    }

    /// Every likelihood that was told, with what came of it. What could not be seen to its end is left out.
    pub(super) fn judge(&self, deliveries: &[Delivery], end_s: f64, within_s: f64) -> Vec<(f64, bool)> {
        let mut judged = Vec::new();
        for delivery in deliveries {
            let Some(Some(said)) = self.said.get(&(delivery.number, delivery.to)) else { continue };
            for (seconds, per_mille) in &said.steps {
                let share = f64::from(*per_mille) / 1_000.0;
                let by = delivery.written_s + *seconds as f64;
                if by <= end_s && *seconds as f64 <= within_s {
                    judged.push((share, delivery.shown_s.is_some_and(|at| at <= by)));
                }
            }
        }
        judged
    }

    /// How many were asked for, and how many answers there were.
    pub(super) fn count(&self) -> (usize, usize) {
        (self.said.len(), self.said.values().flatten().count())
    }
}

/// Sorts forecasts into classes of likelihood.
pub(super) fn classes(judged: &[(f64, bool)]) -> Vec<Reliability> {
    let mut sums = [(0.0, 0_u64, 0_u64); CLASSES];
    for (share, came) in judged {
        let class = ((share * CLASSES as f64) as usize).min(CLASSES - 1);
        sums[class].0 += share;
        sums[class].1 += u64::from(*came);
        sums[class].2 += 1;
    }
    let used = sums.into_iter().filter(|(_, _, count)| *count > 0);
    used.map(|(shares, came, count)| Reliability {
        forecast: shares / count as f64,
        came_true: came as f64 / count as f64,
        count,
    })
    .collect()
}

/// What forecasts were worth, by name.
pub(super) fn notes(judged: &[(f64, bool)], (asked, answered): (usize, usize)) -> BTreeMap<String, f64> {
    let mut notes = BTreeMap::new();
    if asked == 0 {
        return notes;
    }
    let mut note = |name: &str, value: f64| _ = notes.insert(name.to_owned(), value);
    note("forecasts: share of messages with one", answered as f64 / asked as f64);
    if judged.is_empty() {
        return notes;
    }
    let count = judged.len() as f64;
    let classes = classes(judged);
    let off = classes.iter().map(|class| (class.forecast - class.came_true).abs() * class.count as f64);
    note("forecasts: expected calibration error", off.sum::<f64>() / count);
    let worth = |came: bool| f64::from(u8::from(came));
    let brier = judged.iter().map(|(share, came)| (share - worth(*came)).powi(2)).sum::<f64>() / count;
    let base = judged.iter().filter(|(_, came)| *came).count() as f64 / count;
    note("forecasts: Brier score", brier);
    note("forecasts: Brier score of the base rate", base * (1.0 - base));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forecasts_that_come_true_have_no_error() {
        let judged: Vec<_> = (0..100).map(|n| (0.8, n % 10 < 8)).collect();
        let notes = notes(&judged, (100, 100));
        assert!(notes["forecasts: expected calibration error"] < 1e-9);
        assert!((notes["forecasts: Brier score"] - 0.16).abs() < 1e-9);
        assert_eq!(classes(&judged).len(), 1);
    }

    #[test]
    fn forecasts_that_tell_messages_apart_are_better_than_the_base_rate() {
        let judged: Vec<_> = (0..100).map(|n| if n % 2 == 0 { (0.9, true) } else { (0.1, false) }).collect();
        let notes = notes(&judged, (100, 100));
        assert!(notes["forecasts: Brier score"] < 0.05);
        assert!((notes["forecasts: Brier score of the base rate"] - 0.25).abs() < 1e-9);
        assert!((notes["forecasts: expected calibration error"] - 0.1).abs() < 1e-9);
    }
}
