//! Two sets of runs side by side: what got better, what got worse.
//!
//! Runs of equal scenarios and seeds are compared in pairs, which takes out what the seed alone does: a difference counts
//! where its 95 % confidence interval leaves out zero. A single pair counts from one per cent on, since a run
//! is deterministic; time and memory of the machine count from a tenth on.

use crate::Outcome;
use crate::stats::Interval;
use serde::Serialize;
use std::collections::BTreeMap;

/// The share from which on a single pair differs.
const NOTICEABLE: f64 = 0.01;
/// The same for what the machine's own load changes.
const NOTICEABLE_ON_A_MACHINE: f64 = 0.10;

/// What two sets of runs came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// How many runs the first set has.
    pub runs_a: usize,
    /// How many runs the second set has.
    pub runs_b: usize,
    /// How many of them share a seed.
    pub paired: usize,
    /// Whether every pair did the very same: equal trace hashes.
    pub identical: bool,
    /// One for each figure that both have.
    pub deltas: Vec<Delta>,
}

/// How one figure changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delta {
    /// Its key in the JSON of a result.
    pub figure: &'static str,
    /// The mean of the first set.
    pub a: f64,
    /// The mean of the second set.
    pub b: f64,
    /// `b - a`.
    pub change: f64,
    /// Half the width of the 95 % confidence interval of the change; 0 for single runs.
    pub half: f64,
    /// `change / a`; `None` where `a` is 0.
    pub relative: Option<f64>,
    /// What that means.
    pub verdict: Verdict,
}

/// Whether a change is one, and a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It got better.
    Better,
    /// It got worse.
    Worse,
    /// It changed, and neither direction is better.
    Changed,
    /// No change, or none that could not be chance.
    Same,
}

#[derive(Clone, Copy, PartialEq)]
enum Good {
    High,
    Low,
    Neither,
}

struct Figure {
    name: &'static str,
    good: Good,
    of: fn(&Outcome) -> Option<f64>,
}

const FIGURES: [Figure; 20] = [
    Figure { name: "messages", good: Good::Neither, of: |o| Some(count(o.messages)) },
    Figure { name: "delivered", good: Good::High, of: |o| Some(count(o.delivered)) },
    Figure { name: "delivery_ratio", good: Good::High, of: |o| Some(o.delivery_ratio) },
    Figure { name: "oracle_ratio", good: Good::Neither, of: |o| Some(o.oracle_ratio) },
    Figure { name: "delay_p50_s", good: Good::Low, of: |o| o.delay_p50_s },
    Figure { name: "delay_p90_s", good: Good::Low, of: |o| o.delay_p90_s },
    Figure { name: "oracle_delay_p50_s", good: Good::Neither, of: |o| o.oracle_delay_p50_s },
    Figure { name: "oracle_delay_p90_s", good: Good::Neither, of: |o| o.oracle_delay_p90_s },
    Figure { name: "stretch_p50", good: Good::Low, of: |o| o.stretch_p50 },
    Figure { name: "copies_per_delivery", good: Good::Low, of: |o| Some(o.copies_per_delivery) },
    Figure { name: "bytes_on_air", good: Good::Low, of: |o| Some(count(o.bytes_on_air)) },
    Figure { name: "payload_bytes", good: Good::Low, of: |o| Some(count(o.payload_bytes)) },
    Figure { name: "airtime_s", good: Good::Low, of: |o| Some(o.airtime_s) },
    Figure { name: "energy_j", good: Good::Low, of: |o| Some(o.energy_j) },
    Figure { name: "links", good: Good::Neither, of: |o| Some(count(o.links)) },
    Figure { name: "events", good: Good::Neither, of: |o| Some(count(o.events)) },
    Figure { name: "violations", good: Good::Low, of: |o| Some(count(o.violations.len() as u64)) },
    Figure { name: "missed", good: Good::Low, of: |o| Some(count(o.missed.len() as u64)) },
    Figure { name: "wall_seconds", good: Good::Low, of: |o| told(o.wall_seconds) },
    Figure { name: "peak_rss_bytes", good: Good::Low, of: |o| told(count(o.peak_rss_bytes)) },
];

/// What changed from `a` to `b`.
#[must_use]
pub fn compare(a: &[Outcome], b: &[Outcome]) -> Comparison {
    let key = |outcome: &Outcome| (outcome.scenario.clone(), outcome.seed);
    let by_seed: BTreeMap<_, &Outcome> = b.iter().map(|outcome| (key(outcome), outcome)).collect();
    let pairs: Vec<(&Outcome, &Outcome)> =
        a.iter().filter_map(|one| Some((one, *by_seed.get(&key(one))?))).collect();
    let same_hash = |(a, b): &(&Outcome, &Outcome)| !a.trace_hash.is_empty() && a.trace_hash == b.trace_hash;
    let complete = pairs.len() == a.len() && pairs.len() == b.len();
    let identical = complete && !pairs.is_empty() && pairs.iter().all(same_hash);
    let deltas = FIGURES.iter().filter_map(|figure| delta(figure, a, b, complete.then_some(&pairs)));
    Comparison { runs_a: a.len(), runs_b: b.len(), paired: pairs.len(), identical, deltas: deltas.collect() }
}

/// The mean of every figure that `outcomes` have, with its confidence interval, by its key in the JSON of a
/// result.
#[must_use]
pub fn spreads(outcomes: &[Outcome]) -> BTreeMap<&'static str, Interval> {
    FIGURES.iter().filter_map(|figure| Some((figure.name, spread(figure, outcomes)?))).collect()
}

fn delta(
    figure: &Figure,
    a: &[Outcome],
    b: &[Outcome],
    pairs: Option<&Vec<(&Outcome, &Outcome)>>,
) -> Option<Delta> {
    let (of_a, of_b) = (spread(figure, a)?, spread(figure, b)?);
    let both = |pair: &(&Outcome, &Outcome)| Some((figure.of)(pair.1)? - (figure.of)(pair.0)?);
    let differences = Interval::over(pairs.into_iter().flatten().filter_map(both));
    let paired = differences.filter(|differences| differences.runs > 1);
    let half = paired.map_or_else(|| of_a.half.hypot(of_b.half), |differences| differences.half);
    let change = of_b.mean - of_a.mean;
    let relative = (of_a.mean != 0.0).then(|| change / of_a.mean);
    let noticeable = match figure.name {
        "wall_seconds" | "peak_rss_bytes" => NOTICEABLE_ON_A_MACHINE,
        _ => NOTICEABLE,
    };
    let is_large = relative.map_or(change != 0.0, |relative| relative.abs() >= noticeable);
    // A count of broken promises has no size below which it does not matter.
    let matters = is_large || matches!(figure.name, "violations" | "missed") && change != 0.0;
    let verdict = match figure.good {
        _ if !matters || change.abs() <= half => Verdict::Same,
        Good::Neither => Verdict::Changed,
        Good::High if change > 0.0 => Verdict::Better,
        Good::Low if change < 0.0 => Verdict::Better,
        Good::High | Good::Low => Verdict::Worse,
    };
    Some(Delta { figure: figure.name, a: of_a.mean, b: of_b.mean, change, half, relative, verdict })
}

fn spread(figure: &Figure, outcomes: &[Outcome]) -> Option<Interval> {
    Interval::over(outcomes.iter().filter_map(figure.of))
}

impl Comparison {
    /// Whether anything got worse, the machine's time and memory left out.
    #[must_use]
    pub fn is_worse(&self) -> bool {
        let counts = |delta: &&Delta| !matches!(delta.figure, "wall_seconds" | "peak_rss_bytes");
        self.deltas.iter().filter(counts).any(|delta| delta.verdict == Verdict::Worse)
    }

    /// The deltas as a table of plain text, one line each.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table =
            format!("{:<20} {:>14} {:>14} {:>14} {:>9}  {}\n", "figure", "a", "b", "change", "%", "verdict");
        for delta in &self.deltas {
            let percent = delta.relative.map_or_else(|| "-".to_owned(), |r| format!("{:+.1}", r * 100.0));
            let verdict = match delta.verdict {
                Verdict::Better => "better",
                Verdict::Worse => "WORSE",
                Verdict::Changed => "changed",
                Verdict::Same => "",
            };
            let line = format!(
                "{:<20} {:>14} {:>14} {:>14} {percent:>9}  {verdict}",
                delta.figure,
                number(delta.a),
                number(delta.b),
                signed(delta.change)
            );
            table.push_str(line.trim_end());
            table.push('\n');
        }
        table
    }
}

fn number(value: f64) -> String {
    crate::report::trimmed(value, if value.abs() < 100.0 { 4 } else { 1 })
}

fn signed(value: f64) -> String {
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}", number(value))
}

/// What a machine told of itself; 0 is nothing: a baseline holds for every machine.
fn told(value: f64) -> Option<f64> {
    (value > 0.0).then_some(value)
}

fn count(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(seed: u64, ratio: f64, bytes: u64) -> Outcome {
        Outcome {
            seed,
            delivery_ratio: ratio,
            bytes_on_air: bytes,
            trace_hash: seed.to_string(),
            ..Outcome::default()
        }
    }

    fn verdict(comparison: &Comparison, figure: &str) -> Verdict {
        comparison.deltas.iter().find(|delta| delta.figure == figure).expect("a known figure").verdict
    }

    #[test]
    fn a_run_against_itself_is_identical() {
        let one = [outcome(1, 0.5, 100)];
        let comparison = compare(&one, &one);
        assert!(comparison.identical && !comparison.is_worse());
        assert!(comparison.deltas.iter().all(|delta| delta.verdict == Verdict::Same));
    }

    #[test]
    fn more_delivered_is_better_and_more_bytes_are_worse() {
        let comparison = compare(&[outcome(1, 0.5, 100)], &[outcome(1, 0.6, 120)]);
        assert_eq!(verdict(&comparison, "delivery_ratio"), Verdict::Better);
        assert_eq!(verdict(&comparison, "bytes_on_air"), Verdict::Worse);
        assert!(comparison.is_worse());
        let table = comparison.table();
        assert!(table.contains("+20.0  better") && table.contains("+20.0  WORSE"), "{table}");
    }

    #[test]
    fn a_difference_that_seeds_explain_is_none() {
        let a: Vec<_> =
            [0.4, 0.5, 0.6].iter().zip(1..).map(|(ratio, seed)| outcome(seed, *ratio, 1)).collect();
        let b: Vec<_> =
            [0.5, 0.4, 0.66].iter().zip(1..).map(|(ratio, seed)| outcome(seed, *ratio, 1)).collect();
        assert_eq!(verdict(&compare(&a, &b), "delivery_ratio"), Verdict::Same);
    }

    #[test]
    fn pairs_of_equal_seeds_show_what_their_spread_would_hide() {
        let a: Vec<_> =
            [0.2, 0.5, 0.8].iter().zip(1..).map(|(ratio, seed)| outcome(seed, *ratio, 1)).collect();
        let b: Vec<_> =
            [0.25, 0.551, 0.849].iter().zip(1..).map(|(ratio, seed)| outcome(seed, *ratio, 1)).collect();
        assert_eq!(verdict(&compare(&a, &b), "delivery_ratio"), Verdict::Better);
    }

    #[test]
    fn a_result_without_figures_of_its_machine_is_compared_in_all_others() {
        let slow = Outcome { wall_seconds: 9.0, ..outcome(1, 0.5, 100) };
        let comparison = compare(&[outcome(1, 0.5, 100)], &[slow]);
        assert!(comparison.deltas.iter().all(|delta| delta.figure != "wall_seconds"));
        assert_eq!(verdict(&comparison, "delivery_ratio"), Verdict::Same);
    }

    #[test]
    fn a_single_new_violation_is_worse() {
        let mut bad = outcome(1, 0.5, 100);
        bad.violations.push(crate::Violation {
            invariant: "shown once".into(),
            at: 0,
            node: 0,
            detail: String::new(),
        });
        assert_eq!(verdict(&compare(&[outcome(1, 0.5, 100)], &[bad]), "violations"), Verdict::Worse);
    }
}
