//! The sections of a scenario.

use super::threshold::Threshold;
use crate::units::{Rate, Share, maybe_positive, maybe_within, positive, within};
use crate::{Choosing, Movement, Radio, Span};
use core::time::Duration;
use mesh_core::radio::Battery as BatteryProfile;
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
    /// Whether the nodes choose their links themselves, by their adverts, or wait in line for them. Default in line.
    #[serde(default)]
    pub overlay: OverlayName,
    /// The battery profile of everybody: how often they advertise and scan, and how many links they hold. Without it
    /// the numbers of the kind.
    #[serde(default)]
    pub battery: Option<BatteryProfile>,
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
        if self.overlay == OverlayName::Policy {
            radio.choosing = Choosing::Overlay(self.battery.unwrap_or_default());
        }
        if let Some(battery) = self.battery {
            radio = radio.paced(battery);
        }
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

/// Who decides which neighbours are linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlayName {
    /// Whoever waits in line.
    #[default]
    Line,
    /// The nodes, as the product does.
    Policy,
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
    /// Envelopes or calls that a flooder, sybil or alarmist makes in a second: 1 to 10,000. Default 10.
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
    /// Raises false calls for help, each under a key of its own.
    Alarmist,
    /// Takes everything, confirms it, passes nothing on, and tells false receipts.
    BlackHole,
    /// Offers what it does not have, and other bytes under known names.
    Liar,
    /// Brings back everything that it ever saw, as if it were new.
    Replayer,
    /// Behaves, and writes down everything.
    Tracker,
    /// Sets the mark of what is beyond a share on everything that it passes on.
    Marker,
}

impl AttackKind {
    /// Every kind, with its name in a scenario.
    pub const ALL: [(&str, Self); 8] = [
        ("alarmist", Self::Alarmist),
        ("flooder", Self::Flooder),
        ("sybil", Self::Sybil),
        ("black_hole", Self::BlackHole),
        ("liar", Self::Liar),
        ("replayer", Self::Replayer),
        ("marker", Self::Marker),
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

fn ten() -> u32 {
    10
}
