//! How far a simulation is, on standard error, for people who wait.

use indicatif::{ProgressBar, ProgressStyle};
use mesh_sim::runner::Progress;
use starling::t;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The steps of a bar.
const STEPS: u64 = 1_000;

/// A bar over one run or many; hidden where standard error is no terminal.
pub(super) struct Meter {
    bar: ProgressBar,
    begun: Instant,
    runs: usize,
    /// Virtual seconds of each run so far, and what all will have.
    passed: Mutex<(Vec<f64>, f64)>,
}

impl Meter {
    /// For so many runs.
    pub(super) fn new(runs: usize) -> Self {
        let bar = ProgressBar::new(STEPS);
        // The template is fixed; the plain bar would do as well.
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        Self { bar, begun: Instant::now(), runs, passed: Mutex::new((vec![0.0; runs], 0.0)) }
    }

    /// How far run number `run` (from 0) is.
    pub(super) fn tell(&self, run: usize, progress: &Progress) {
        let (at_s, of_s) = {
            let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = passed.0.get_mut(run) {
                *at = progress.at_s;
            }
            passed.1 = passed.1.max(progress.of_s);
            (passed.0.iter().sum::<f64>(), passed.1 * f64::from(u32::try_from(self.runs).unwrap_or(u32::MAX)))
        };
        if of_s > 0.0 {
            self.bar.set_position((at_s / of_s * STEPS as f64) as u64);
        }
        let speed = at_s / self.begun.elapsed().as_secs_f64().max(0.001);
        let (at, of) = (span(at_s), span(of_s));
        self.bar.set_message(t!("sim-progress", at = at, of = of, speed = format!("{speed:.0}")));
    }

    /// Everything is done.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A span of time for a line that changes: two units at most.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.1} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3_600.0),
        s => format!("{:.1} d", s / 86_400.0),
    }
}
