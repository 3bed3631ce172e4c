//! What a run came to.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The figures of one run. Ratios are shares of all messages; a message to several people or to everybody
/// counts once for each of them. Delays are those of delivered messages, in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which scenario or trace.
    pub scenario: String,
    /// Who was simulated: `starling`, or a protocol under test.
    pub protocol: String,
    /// How contents were sealed: `real`, `cheap`, or `none` for a protocol that seals nothing.
    pub seal: String,
    /// Hex of the hash over everything that happened, in order.
    pub trace_hash: String,
    /// Everything follows from it.
    pub seed: u64,
    /// How many nodes.
    pub nodes: u32,
    /// How many deliveries were asked for.
    pub messages: u64,
    /// How many took place within the measuring window.
    pub delivered: u64,
    /// `delivered / messages`; 0 without messages.
    pub delivery_ratio: f64,
    /// The share that any protocol could have delivered on the same contacts.
    pub oracle_ratio: f64,
    /// Median delay; `None` where nothing was delivered.
    pub delay_p50_s: Option<f64>,
    /// Nine tenths are no slower.
    pub delay_p90_s: Option<f64>,
    /// The oracle's median delay, over its own deliveries.
    pub oracle_delay_p50_s: Option<f64>,
    /// The oracle's ninth decile.
    pub oracle_delay_p90_s: Option<f64>,
    /// Median of delay divided by the oracle's delay, over the messages that both delivered.
    pub stretch_p50: Option<f64>,
    /// Median delay divided by the oracle's median delay, over the messages that both delivered.
    #[serde(default)]
    pub stretch_of_p50s: Option<f64>,
    /// The same of the ninth deciles.
    #[serde(default)]
    pub stretch_of_p90s: Option<f64>,
    /// Everything transmitted, lost frames included, in bytes.
    pub bytes_on_air: u64,
    /// The part of it that carries envelopes.
    pub payload_bytes: u64,
    /// Envelope transfers per delivery.
    pub copies_per_delivery: f64,
    /// Seconds that links were busy, summed over all.
    pub airtime_s: f64,
    /// Joules drawn from batteries, where the scenario has some.
    pub energy_j: f64,
    /// Happenings that the world took from its agenda.
    pub events: u64,
    /// Contacts that became links.
    pub links: u64,
    /// Length of the run in virtual time.
    pub sim_seconds: f64,
    /// Length of the run on the clock of this machine. Differs between equal runs.
    pub wall_seconds: f64,
    /// The most memory that this process held, in bytes. Differs between equal runs.
    pub peak_rss_bytes: u64,
    /// Broken invariants; empty in every good run.
    pub violations: Vec<Violation>,
    /// Undelivered messages by cause, as far as it can be told.
    pub losses: BTreeMap<String, u64>,
    /// What else was counted, by name: contacts and frames that were lost, what trackers could tell.
    #[serde(default)]
    pub notes: BTreeMap<String, f64>,
    /// The same figures for parts of the workload (`text`, `sos`, ...).
    pub classes: BTreeMap<String, ClassOutcome>,
    /// Thresholds of the scenario that were missed: what was asked and what came.
    pub missed: Vec<String>,
}

/// Figures of a part of the workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassOutcome {
    /// Deliveries asked for.
    pub messages: u64,
    /// Deliveries within the window.
    pub delivered: u64,
    /// Deliveries that were possible.
    pub oracle: u64,
    /// Median delay in seconds.
    pub delay_p50_s: Option<f64>,
    /// Ninth decile of the delay in seconds.
    pub delay_p90_s: Option<f64>,
}

/// An invariant that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Which invariant, in one word or two: `shown once`.
    pub invariant: String,
    /// When, in milliseconds of the world.
    pub at: u64,
    /// At which node.
    pub node: u32,
    /// What happened.
    pub detail: String,
}

/// What a run looked like over time: the material of a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// One for each delivery that was asked for.
    pub deliveries: Vec<Delivery>,
    /// Samples at equal distances of virtual time.
    pub samples: Vec<Sample>,
    /// Where everybody was and what they carried: at most some hundred frames for a map that can be scrubbed.
    pub scenes: Vec<Scene>,
    /// How long contacts lasted, in seconds, sorted.
    pub contact_seconds: Vec<f32>,
    /// Whether forecasts came true, by classes of likelihood.
    #[serde(default)]
    pub reliability: Vec<Reliability>,
}

/// Forecasts of about the same likelihood.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reliability {
    /// The likelihood that was told, on average.
    pub forecast: f64,
    /// The share that came true.
    pub came_true: f64,
    /// How many there were.
    pub count: u64,
}

/// One message to one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The message's number.
    pub number: u32,
    /// Its class: `text`, `sos`, ...
    pub class: String,
    /// Who wrote it.
    pub from: u32,
    /// Who should get it.
    pub to: u32,
    /// When it was written, in seconds.
    pub written_s: f64,
    /// When it was shown, in seconds; `None` where it was not within the window.
    pub shown_s: Option<f64>,
    /// When the oracle had it there, in seconds.
    pub oracle_s: Option<f64>,
}

/// Counters at one moment, summed since the start unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in seconds.
    pub at_s: f64,
    /// Deliveries so far.
    pub delivered: u64,
    /// Deliveries that the oracle has so far.
    pub oracle: u64,
    /// Bytes transmitted so far.
    pub bytes_on_air: u64,
    /// Envelope transfers so far.
    pub copies: u64,
    /// Busy seconds so far.
    pub airtime_s: f64,
    /// Joules drawn so far.
    pub energy_j: f64,
    /// Links that stand now.
    pub links: u32,
    /// Envelopes carried now, over all nodes.
    pub carried: u64,
    /// Nodes that run now.
    pub running: u32,
}

/// The map at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// When, in seconds.
    pub at_s: f64,
    /// Places in metres, one for each node; empty where the movement knows none.
    pub places: Vec<(f32, f32)>,
    /// Envelopes carried, one number for each node.
    pub carried: Vec<u32>,
    /// Nodes that do not run.
    pub dead: Vec<u32>,
    /// Links that stand.
    pub links: Vec<(u32, u32)>,
}
