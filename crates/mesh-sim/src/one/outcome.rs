//! What a run under The ONE's rules has come to, in the terms of its message statistics report.

use serde::Serialize;

/// The figures of a run. Ratios are those of The ONE's report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OneOutcome {
    /// Seconds of the world that were simulated.
    pub sim_seconds: u64,
    /// How many hosts there are.
    pub hosts: u32,
    /// Messages created.
    pub created: u32,
    /// Transfers begun.
    pub started: u64,
    /// Transfers finished, those to the recipient included.
    pub relayed: u64,
    /// Transfers that the end of a contact cut.
    pub aborted: u64,
    /// Copies dropped, for want of room or at the end of their life.
    pub dropped: u64,
    /// Messages that reached their recipient.
    pub delivered: u32,
    /// The share of the messages created that were delivered.
    pub delivery: f64,
    /// `(relayed - delivered) / delivered`.
    pub overhead: f64,
    /// The mean time from creation to delivery, in seconds.
    pub latency_mean_s: f64,
    /// The median of it, in seconds.
    pub latency_median_s: f64,
    /// The mean number of hops of those delivered.
    pub hops_mean: f64,
}

/// Counts while a run goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) created: u32,
    pub(super) started: u64,
    pub(super) relayed: u64,
    pub(super) aborted: u64,
    pub(super) dropped: u64,
    /// Latencies of those delivered, in milliseconds.
    pub(super) latencies: Vec<u64>,
    pub(super) hops: u64,
}

impl Tally {
    pub(super) fn outcome(mut self, hosts: u32, end: u64) -> OneOutcome {
        self.latencies.sort_unstable();
        let delivered = self.latencies.len();
        let share = |value: f64, of: usize| if of == 0 { 0.0 } else { value / of as f64 };
        let sum: u64 = self.latencies.iter().sum();
        OneOutcome {
            sim_seconds: end / 1000,
            hosts,
            created: self.created,
            started: self.started,
            relayed: self.relayed,
            aborted: self.aborted,
            dropped: self.dropped,
            delivered: delivered as u32,
            delivery: share(delivered as f64, self.created as usize),
            overhead: share(self.relayed as f64 - delivered as f64, delivered),
            latency_mean_s: share(sum as f64 / 1000.0, delivered),
            latency_median_s: self.latencies.get(delivered / 2).map_or(0.0, |median| *median as f64 / 1000.0),
            hops_mean: share(self.hops as f64, delivered),
        }
    }
}
