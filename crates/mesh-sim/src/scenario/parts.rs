//! The sections of a scenario.

use super::groups::Groups;
use super::threshold::Threshold;
use super::units::{Bytes, Rate, Share, Span, maybe_positive, maybe_within, positive, within};
use serde::Deserialize;

/// How contents are sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seal {
    /// As on a phone.
    Real,
    /// The same bytes on the air, little work: for very large worlds.
    #[default]
    Cheap,
}

/// Who is simulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolName {
    /// The product: real nodes.
    #[default]
    Starling,
    /// Everything is handed to everybody who lacks it.
    Epidemic,
    /// A message may be handed on a fixed number of times; half of them go along at each meeting.
    SprayAndWait,
    /// PRoPHET (RFC 6693): along those who met the destination before.
    Prophet,
    /// Everything is sent to everybody at once, seven times at most, and forgotten.
    Flood,
}

impl ProtocolName {
    /// Every protocol, with its name in a scenario.
    pub const ALL: [(&str, Self); 5] = [
        ("starling", Self::Starling),
        ("epidemic", Self::Epidemic),
        ("spray_and_wait", Self::SprayAndWait),
        ("prophet", Self::Prophet),
        ("flood", Self::Flood),
    ];

    /// Its name in a scenario.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, protocol)| *protocol == self).map_or("", |(name, _)| name)
    }
}

/// How people move: exactly one section `[movement.KIND]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Contacts that were recorded among real people.
    Trace(TraceFile),
    /// Everybody walks from one random point to the next.
    Waypoint(Waypoint),
    /// A full stadium.
    Stadium(Stadium),
    /// Stages, a camp, and people between them.
    Festival(Festival),
    /// City blocks with shelters and couriers, after a disaster.
    City(City),
    /// Everybody leaves.
    Evacuation(Evacuation),
    /// Groups in which people meet, couriers between them, and splits that heal.
    Groups(Groups),
}

impl Movement {
    /// Moments that lie at a place in the whole keep it when the whole is `scale` times as long.
    pub(super) fn rescale(&mut self, scale: f64) {
        if let Self::Groups(groups) = self {
            groups.rescale(scale);
        }
    }
}

/// A recorded trace of contacts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceFile {
    /// Where it lies, from the scenario's folder.
    pub file: String,
    /// The part before this is left out.
    #[serde(default)]
    pub skip: Span,
}

/// Random waypoint.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waypoint {
    /// How many others are within range on average; the area follows from it.
    #[serde(deserialize_with = "positive::<_, 1000>")]
    pub neighbours: f64,
    /// Slowest walk in m/s. Default 0.5.
    #[serde(default = "slow", deserialize_with = "positive::<_, 100>")]
    pub slowest: f64,
    /// Fastest walk in m/s. Default 1.5.
    #[serde(default = "fast", deserialize_with = "positive::<_, 100>")]
    pub fastest: f64,
    /// The longest rest at a point. Default 2 min.
    #[serde(default = "two_minutes")]
    pub rest: Span,
}

/// A stadium: seats half a metre apart, a few people in the aisles, bursts at breaks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stadium {
    /// Which part of the people has the program; the rest only stands in the way.
    pub installed: Share,
    /// When everybody begins to leave. Without it: after the end.
    #[serde(default)]
    pub leaving: Option<Span>,
}

/// A festival.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Festival {
    /// Which part of the people has the program.
    pub installed: Share,
    /// How many stages: 1 to 20.
    #[serde(deserialize_with = "within::<_, 1, 20>")]
    pub stages: u32,
}

/// City blocks after a disaster.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct City {
    /// How many shelters: 1 to 200.
    #[serde(deserialize_with = "within::<_, 1, 200>")]
    pub shelters: u32,
    /// How many couriers ride between them: 0 to 100.
    #[serde(deserialize_with = "within::<_, 0, 100>")]
    pub couriers: u32,
}

/// An evacuation along a road.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evacuation {
    /// Length of the road in metres.
    #[serde(deserialize_with = "positive::<_, 100_000>")]
    pub road_m: f64,
}

/// What nodes reach one another with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RadioSpec {
    /// Which kind; its numbers are the defaults of everything below.
    pub kind: RadioKind,
    /// Range in metres.
    #[serde(default, deserialize_with = "maybe_positive::<_, 10_000>")]
    pub range_m: Option<f64>,
    /// What a link carries.
    #[serde(default)]
    pub goodput: Option<Rate>,
    /// Links that a node holds at a time: 1 to 64.
    #[serde(default, deserialize_with = "maybe_within::<_, 1, 64>")]
    pub links: Option<u32>,
    /// How long an envelope needs for a hop, whatever its size; for ideal radios only.
    #[serde(default)]
    pub hop_delay: Option<Span>,
}

/// Kinds of radio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RadioKind {
    /// Bluetooth Low Energy between phones.
    Ble,
    /// A Wi-Fi network.
    Wifi,
    /// A stick that somebody carries.
    Stick,
    /// Whoever is in contact is linked at once.
    Ideal,
}

/// A part of what is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Its name in the report. Default `text`.
    #[serde(default = "text")]
    pub class: String,
    /// How many messages: 1 to 1,000,000.
    #[serde(deserialize_with = "within::<_, 1, 1_000_000>")]
    pub messages: u32,
    /// Who writes to whom. Default `uniform`.
    #[serde(default)]
    pub between: Between,
    /// Contacts of each person, or members of each group: 1 to 1,000. Default 8.
    #[serde(default = "eight", deserialize_with = "within::<_, 1, 1000>")]
    pub people: u32,
    /// Length of the text: 12 B to 64 kB. Default 100 B.
    #[serde(default = "hundred_bytes")]
    pub size: Bytes,
    /// The first is not written before this.
    #[serde(default)]
    pub from: Span,
    /// All are written before this. Without it: the end.
    #[serde(default)]
    pub until: Option<Span>,
}

/// Who writes to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Between {
    /// Anybody to anybody.
    #[default]
    Uniform,
    /// Everybody to a few people of their own.
    Contacts,
    /// To all members of a group, a message each.
    Groups,
    /// A public beacon to everybody.
    Everybody,
}

/// What goes wrong.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Each node's process dies about this often.
    pub crash_every: Option<Span>,
    /// And is back after this. Default at once.
    pub down_for: Span,
    /// The part of the nodes whose clock is wrong.
    pub clocks_off: Share,
    /// By up to this, ahead or behind.
    pub clocks_off_by: Span,
    /// The part of the nodes that speak the next version of the link protocol too.
    pub newer_version: Share,
}

/// Batteries.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// What a full one gives to the program, in joules.
    #[serde(deserialize_with = "positive::<_, 1_000_000>")]
    pub joules: f64,
    /// How full the emptiest is at the start; the others lie between that and full.
    #[serde(default)]
    pub emptiest: Share,
    /// An empty one is full again after this. Without it: never.
    #[serde(default)]
    pub charged_after: Option<Span>,
}

/// A kind of attackers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// What they do.
    pub kind: AttackKind,
    /// How many: 1 to 10,000.
    #[serde(deserialize_with = "within::<_, 1, 10_000>")]
    pub nodes: u32,
    /// They behave until this.
    #[serde(default)]
    pub from: Span,
    /// And from this on again. Without it: never.
    #[serde(default)]
    pub until: Option<Span>,
    /// Envelopes that a flooder or sybil makes in a second: 1 to 10,000. Default 10.
    #[serde(default = "ten", deserialize_with = "within::<_, 1, 10_000>")]
    pub per_second: u32,
}

/// What attackers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackKind {
    /// Makes envelopes that nobody can open, as fast as it can.
    Flooder,
    /// The same under ever new names.
    Sybil,
    /// Takes everything, confirms it, passes nothing on, and tells false receipts.
    BlackHole,
    /// Offers what it does not have, and other bytes under known names.
    Liar,
    /// Brings back everything that it ever saw, as if it were new.
    Replayer,
    /// Behaves, and writes down everything.
    Tracker,
}

impl AttackKind {
    /// Every kind, with its name in a scenario.
    pub const ALL: [(&str, Self); 6] = [
        ("flooder", Self::Flooder),
        ("sybil", Self::Sybil),
        ("black_hole", Self::BlackHole),
        ("liar", Self::Liar),
        ("replayer", Self::Replayer),
        ("tracker", Self::Tracker),
    ];
}

/// The same in small.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ci {
    /// Nodes.
    #[serde(default, deserialize_with = "maybe_within::<_, 2, 100_000>")]
    pub nodes: Option<u32>,
    /// Length; moments of the workload, of attacks and of splits move along.
    #[serde(default)]
    pub length: Option<Span>,
    /// Which part of the messages. Default all.
    #[serde(default = "all")]
    pub messages: Share,
    /// What counts as delivered.
    #[serde(default)]
    pub deliver_within: Option<Span>,
    /// What the run must come to, instead.
    #[serde(default)]
    pub expect: Option<Vec<Threshold>>,
}

fn all() -> Share {
    Share(1.0)
}

fn slow() -> f64 {
    0.5
}

fn fast() -> f64 {
    1.5
}

fn two_minutes() -> Span {
    Span::minutes(2)
}

fn text() -> String {
    "text".to_owned()
}

fn eight() -> u32 {
    8
}

fn ten() -> u32 {
    10
}

fn hundred_bytes() -> Bytes {
    Bytes(100)
}
