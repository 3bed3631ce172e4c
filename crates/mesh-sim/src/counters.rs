//! What a world counts.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything counted since the world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// Happenings taken from the agenda, meetings included.
    pub events: u64,
    /// Frames transmitted.
    pub frames: u64,
    /// Bytes transmitted: overhead, repetitions and lost frames included.
    pub bytes_on_air: u64,
    /// The part of it that carries envelopes and public things, without overhead and repetitions.
    pub payload_bytes: u64,
    /// Envelopes and public things transmitted.
    pub copies: u64,
    /// Things that were said to everybody in reach.
    pub broadcasts: u64,
    /// The bytes of frames, without overhead and repetitions, by their type (PROTOCOL.md section 4.1); the last
    /// takes what has no number here.
    pub by_type: [u64; 18],
    /// How long links were busy, in microseconds, summed over all.
    pub airtime_us: u64,
    /// Drawn from batteries by nodes that travel with a radio, in joules.
    pub energy_j: f64,
    /// Times that two nodes came within reach of one another.
    pub meetings: u64,
    /// Contacts that became links, and pipes that were laid.
    pub links: u64,
    /// What was lost, by cause.
    pub losses: Losses,
}

/// What was lost, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Losses {
    /// Contacts that ended before either side heard the other.
    pub undiscovered: u64,
    /// Contacts that ended while a connection was being made, or after all attempts had failed.
    pub unconnected: u64,
    /// Contacts that ended while both waited for a free place.
    pub no_place: u64,
    /// Contacts that never came through the bodies in between.
    pub too_far: u64,
    /// Contacts of nodes that did not run.
    pub off: u64,
    /// Links that a node closed because nothing was heard.
    pub silent: u64,
    /// Links that a node closed because of faults.
    pub faulty: u64,
    /// Frames on their way when their link ended.
    pub cut: u64,
    /// The envelopes and public things among them.
    pub cut_payloads: u64,
    /// The bytes of these, though some had only begun to leave, or had not yet.
    pub cut_payload_bytes: u64,
    /// Frames lost by a fault that the scenario asked for.
    pub faults: u64,
    /// Nodes whose battery died.
    pub batteries: u64,
    /// Processes that crashed.
    pub crashes: u64,
}

impl Counters {
    /// The bytes of frames by the name of their type, those that there were.
    #[must_use]
    pub fn bytes_by_type(&self) -> BTreeMap<String, f64> {
        const NAMES: [&str; 18] = [
            "other",
            "hello",
            "beat",
            "digest",
            "reconcile",
            "have",
            "want",
            "envelope",
            "kept",
            "receipts",
            "public",
            "tokens",
            "agreed",
            "sketch",
            "more",
            "calls",
            "moved",
            "later types",
        ];
        let used = NAMES.iter().zip(self.by_type).filter(|(_, bytes)| *bytes > 0);
        used.map(|(name, bytes)| (format!("bytes of {name}"), bytes as f64)).collect()
    }
}
