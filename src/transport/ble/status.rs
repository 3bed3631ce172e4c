//! What people and programs can see of the radios.

use super::link::Gauge;
use super::neighbours::Seen;
use super::radio::{Pipe, RadioState};
use mesh_core::{LinkId, Role};
use std::time::{Duration, Instant};

/// All radios of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BleStatus {
    /// One for each adapter that was asked for.
    pub adapters: Vec<AdapterStatus>,
}

/// One radio.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdapterStatus {
    /// What the person calls it: `hci0`.
    pub name: String,
    /// How it is.
    pub state: RadioState,
    /// Whether it can be found now.
    pub advertising: bool,
    /// Whether it listens now.
    pub scanning: bool,
    /// Other nodes in reach, the strongest first.
    pub heard: Vec<HeardStatus>,
    /// Its links, the oldest first.
    pub links: Vec<LinkStatus>,
}

/// A node whose adverts are heard. Nothing tells which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeardStatus {
    /// Signal strength in dBm, where the radio tells.
    pub rssi: Option<i8>,
    /// How long ago the last advert came.
    pub ago: Duration,
}

/// One link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkStatus {
    /// Its id in this run.
    pub link: LinkId,
    /// Who opened it.
    pub role: Role,
    /// What carries it.
    pub pipe: Pipe,
    /// Bytes of a value: what the MTU leaves.
    pub max_value: usize,
    /// Strength of the neighbour's adverts in dBm, where they are heard.
    pub rssi: Option<i8>,
    /// The smoothed round trip, once it is known.
    pub round_trip: Option<Duration>,
    /// Bytes of bulk that may be in flight.
    pub window: u32,
    /// Frames and their bytes that were sent.
    pub sent: (u64, u64),
    /// Frames and their bytes that were received.
    pub received: (u64, u64),
    /// Values sent for the first time.
    pub values_sent: u64,
    /// Values sent again, since nobody acknowledged them.
    pub values_repeated: u64,
    /// Values received that were there already.
    pub values_doubled: u64,
    /// Values received that were for others, or no values.
    pub values_foreign: u64,
}

/// A radio as its driver shows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Adapter {
    pub(super) name: String,
    pub(super) state: RadioState,
    pub(super) advertising: bool,
    pub(super) scanning: bool,
    pub(super) seen: Vec<Seen>,
    pub(super) lines: Vec<Line>,
}

/// A link as its driver shows it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) link: LinkId,
    pub(super) role: Role,
    pub(super) pipe: Pipe,
    pub(super) max_value: usize,
    pub(super) rssi: Option<i8>,
    pub(super) gauge: Gauge,
}

impl Adapter {
    /// What it looks like now.
    pub(super) fn read(&self, now: Instant) -> AdapterStatus {
        let seen =
            |seen: &Seen| HeardStatus { rssi: seen.rssi, ago: now.saturating_duration_since(seen.heard) };
        let mut heard: Vec<_> = self.seen.iter().map(seen).collect();
        heard.sort_by_key(|heard| std::cmp::Reverse(heard.rssi));
        AdapterStatus {
            name: self.name.clone(),
            state: self.state.clone(),
            advertising: self.advertising,
            scanning: self.scanning,
            heard,
            links: self.lines.iter().map(Line::read).collect(),
        }
    }
}

impl Line {
    fn read(&self) -> LinkStatus {
        let traffic = self.gauge.read();
        let pipe = traffic.pipe;
        LinkStatus {
            link: self.link,
            role: self.role,
            pipe: self.pipe,
            max_value: pipe.room.max(super::radio::MIN_VALUE).min(self.max_value),
            rssi: self.rssi,
            round_trip: pipe.round_trip,
            window: pipe.window,
            sent: (traffic.frames_out, traffic.bytes_out),
            received: (traffic.frames_in, traffic.bytes_in),
            values_sent: pipe.sent,
            values_repeated: pipe.again,
            values_doubled: pipe.doubled,
            values_foreign: pipe.foreign,
        }
    }
}
