//! The sections of a scenario.

use super::groups::Groups;
use super::threshold::Threshold;
use super::units::{Bytes, Rate, Share, Span, maybe_positive, maybe_within, positive, within};
use crate::workload::{self, Who, Workload};
use crate::{Creation, Radio, mobility};
use core::time::Duration;
use serde::Deserialize;

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

/// How people move: exactly one section `[movement.KIND]`. The number of nodes is the scenario's.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Contacts that were recorded among real people.
    Trace(TraceFile),
    /// Everybody walks from one random point to the next.
    Waypoint(Waypoint),
    /// A full stadium.
    Stadium(mobility::Stadium),
    /// Stages, a camp, and people between them.
    Festival(mobility::Festival),
    /// City blocks with shelters and couriers, after a disaster.
    City(mobility::CityBlocks),
    /// Everybody leaves.
    Evacuation(mobility::Evacuation),
    /// Carriages that people board and leave.
    Train(mobility::Train),
    /// Two villages and whoever travels between them.
    Villages(mobility::TwoVillages),
    /// Groups in which people meet, couriers between them, and splits that heal.
    Groups(Groups),
}

impl Movement {
    /// Moments that lie at a place in the whole keep it when the whole is `scale` times as long.
    pub(super) fn rescale(&mut self, scale: f64) {
        match self {
            Self::Groups(groups) => groups.rescale(scale),
            Self::Stadium(stadium) => {
                for at in [&mut stadium.break_at_s, &mut stadium.egress_at_s] {
                    *at = (f64::from(*at) * scale) as u32;
                }
            }
            _ => {}
        }
    }

    /// The invented movement that this is, of so many nodes that reach `metres`; `None` for traces and groups.
    pub(crate) fn invented(&self, nodes: u32, metres: f64) -> Option<mobility::Movement> {
        let movement = match self.clone() {
            Self::Trace(_) | Self::Groups(_) => return None,
            Self::Waypoint(waypoint) => mobility::Movement::RandomWaypoint(waypoint.over(nodes, metres)),
            Self::Stadium(stadium) => mobility::Movement::Stadium(stadium),
            Self::Festival(festival) => mobility::Movement::Festival(festival),
            Self::City(city) => mobility::Movement::CityBlocks(city),
            Self::Evacuation(evacuation) => mobility::Movement::Evacuation(evacuation),
            Self::Train(train) => mobility::Movement::Train(train),
            Self::Villages(villages) => mobility::Movement::TwoVillages(villages),
        };
        Some(movement.with_nodes(nodes))
    }

    /// People per square metre where they stand closest, and people for each node: what bodies take from
    /// radio, where that is the same all the time.
    pub(crate) fn crowd(&self) -> Option<(f64, f64)> {
        match self {
            // Half a square metre to a seat, and more people than seats can be.
            Self::Stadium(stadium) => Some((4.0, 1.0 / f64::from(stadium.installed).max(0.01))),
            _ => None,
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

impl Waypoint {
    fn over(&self, nodes: u32, metres: f64) -> mobility::RandomWaypoint {
        mobility::RandomWaypoint {
            speed_min: self.slowest as f32,
            speed_max: self.fastest as f32,
            pause_max_s: u32::try_from(self.rest.ms / 1000).unwrap_or(u32::MAX),
            ..mobility::RandomWaypoint::with_degree(nodes, metres as f32, self.neighbours as f32)
        }
    }
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
    /// Whether advertisements carry public things to everybody in reach. Default no.
    #[serde(default)]
    pub broadcasts: bool,
    /// How long an envelope needs for a hop, whatever its size; for ideal radios only.
    #[serde(default)]
    pub hop_delay: Option<Span>,
}

impl RadioSpec {
    /// The radio with its numbers, among people who move like this.
    #[must_use]
    pub fn radio(&self, movement: &Movement) -> Radio {
        let hop_delay = Duration::from_millis(self.hop_delay.unwrap_or_default().ms);
        let mut radio = match self.kind {
            RadioKind::Ble => Radio::ble(),
            RadioKind::Wifi => Radio::wifi(),
            RadioKind::Stick => Radio::stick(),
            RadioKind::Ideal => Radio::ideal(hop_delay, None, 0),
        };
        radio.broadcasts = self.broadcasts;
        radio.range_m = self.range_m.unwrap_or(radio.range_m);
        radio.goodput = self.goodput.map_or(radio.goodput, |rate| rate.0);
        radio.max_links = self.links.unwrap_or(radio.max_links);
        if let Some((people_per_m2, people_per_node)) = movement.crowd() {
            radio.range_m = radio.reach(people_per_m2);
            (radio.body_loss_db, radio.people_per_node) = (0.0, people_per_node);
        }
        radio
    }
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
    /// Whether people write while others are about: at the beginning of a contact. Default: at any time.
    #[serde(default)]
    pub active: bool,
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

impl Load {
    /// As the planner of workloads takes it, among so many people; all moments are in whole seconds.
    pub(crate) fn workload(&self, people: u32, length: Span) -> Workload {
        let each = self.people.min(people.saturating_sub(1)).max(1);
        let members = self.people.min(people).max(2);
        let bytes = u32::try_from(self.size.0).unwrap_or(u32::MAX);
        Workload {
            who: match self.between {
                Between::Uniform => Who::Uniform,
                Between::Contacts => {
                    Who::Contacts(workload::Contacts { each, ..workload::Contacts::default() })
                }
                Between::Groups => {
                    Who::Groups(workload::Groups { groups: (people / members).max(1), members })
                }
                Between::Everybody => Who::Sos,
            },
            create: if self.active { Creation::Active } else { Creation::Uniform },
            messages: Some(self.messages),
            per_hour: None,
            bytes: workload::Size::Fixed(bytes),
            from_s: self.from.ms / 1000,
            until_s: Some((self.until.unwrap_or(length).ms / 1000).max(self.from.ms / 1000 + 1)),
        }
    }
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
