//! Many runs: seeds over threads, values over a range.

use super::{Options, RunError, run};
use crate::Outcome;
use crate::scenario::{Figure, Scenario};
use crate::stats::Interval;
use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Runs a scenario once for each seed on `threads` threads; the results stand in the order of the seeds, and
/// each is the same on any number of threads. `done` is told the number of finished runs after each.
///
/// # Errors
/// As [`run`]: that of the first seed that has one.
pub fn run_seeds(
    scenario: &Scenario,
    seeds: Range<u64>,
    threads: usize,
    options: &Options,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Outcome>, RunError> {
    let finished = AtomicUsize::new(0);
    let one = |seed: u64| {
        let outcome = run(scenario, seed, options, &mut |_| {}).map(|(outcome, _)| outcome);
        done(1 + finished.fetch_add(1, Ordering::Relaxed));
        outcome
    };
    each(seeds, threads, &one).into_iter().collect()
}

/// What `work` makes of each seed, in the order of the seeds, on `threads` threads.
pub fn each<T: Send>(seeds: Range<u64>, threads: usize, work: &(dyn Fn(u64) -> T + Sync)) -> Vec<T> {
    let next = AtomicU64::new(seeds.start);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let result = work(seed);
                    results.lock().unwrap_or_else(PoisonError::into_inner).insert(seed, result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// One value of a sweep and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The value, as it would stand in the scenario.
    pub value: String,
    /// The runs, in the order of the seeds.
    pub outcomes: Vec<Outcome>,
    /// Means over the seeds with their confidence intervals, by the figure's name.
    pub figures: BTreeMap<&'static str, Interval>,
}

/// What a sweep goes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sweep {
    /// The place of the value in the scenario (`radio.range_m`).
    pub path: String,
    /// The values, as they would stand in the file.
    pub values: Vec<String>,
    /// The seeds for each of them.
    pub seeds: Range<u64>,
}

/// Runs a scenario for each value and each seed of a sweep.
///
/// # Errors
/// As [`run_seeds`]; where there is no such place or a value is not allowed there.
pub fn sweep(
    scenario: &Scenario,
    sweep: &Sweep,
    threads: usize,
    options: &Options,
    done: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Point>, RunError> {
    let varied = |(n, value): (usize, &String)| {
        let scenario = scenario.vary(&sweep.path, value)?;
        let before = n * usize::try_from(sweep.seeds.end - sweep.seeds.start).unwrap_or(usize::MAX);
        let told = |finished: usize| done(before + finished);
        let outcomes = run_seeds(&scenario, sweep.seeds.clone(), threads, options, &told)?;
        Ok(Point { value: value.clone(), figures: figures(&outcomes), outcomes })
    };
    sweep.values.iter().enumerate().map(varied).collect()
}

/// Means of all figures over runs, with their confidence intervals.
#[must_use]
pub fn figures(outcomes: &[Outcome]) -> BTreeMap<&'static str, Interval> {
    let of = |figure: Figure| Interval::over(outcomes.iter().filter_map(|outcome| figure.of(outcome)));
    Figure::ALL.iter().filter_map(|(name, figure)| Some((*name, of(*figure)?))).collect()
}
