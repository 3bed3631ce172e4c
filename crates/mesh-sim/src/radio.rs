//! Radios: how nodes within reach of one another become neighbours, and what their links can do.

use crate::energy::Power;
use core::time::Duration;
use mesh_core::radio::Battery;
use mesh_core::{Medium, Profile};
use serde::{Deserialize, Serialize};

/// How the loss of signal in a crowd shortens the reach: with exponent 3.27, the 16.5 dB between an empty and
/// a packed room make 5 m of 16 m.
const PATH_EXPONENT: f64 = 3.27;

/// One kind of radio, the same for all who travel with it. Its defaults are those of [`Radio::ble`].
///
/// | stage | what it takes |
/// |---|---|
/// | within reach | the movement says so, at [`range_m`](Self::range_m); in a crowd, bodies shorten it further |
/// | discovery | the scanner must be listening, and an advertisement must survive the others |
/// | connecting | time, one connection at a time, and it may fail |
/// | a place | both ends have fewer than [`max_links`](Self::max_links); else the pair waits in line |
/// | a frame | airtime of both ends (half-duplex), of neighbours that transmit (contention), repetitions (loss) |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Radio {
    /// What the nodes are told that a link is: `Ble` or `Lan`.
    pub medium: Medium,
    /// Reach in metres with nobody in between. BLE indoors at a cut-off of -90 dBm: 16.
    pub range_m: f64,
    /// What a packed crowd takes from the signal, in dB. BLE: 16.5.
    pub body_loss_db: f64,
    /// People per square metre that make a crowd packed: fewer take their share of the loss. Default 4.
    pub packed_per_m2: f64,
    /// People in the crowd for each one who has a node, the node's own included. Default 1.
    pub people_per_node: f64,
    /// An advertisement is sent this often, in milliseconds; 0: neighbours know of each other at once.
    pub advert_every_ms: u32,
    /// Whether an advertisement can carry a public thing to everybody in reach. Who uses it listens all the time.
    pub broadcasts: bool,
    /// How long one advertisement is on the air, in microseconds. BLE: 300.
    pub advert_air_us: u32,
    /// The scanner listens for this long, in milliseconds. Android's low power mode: 500.
    pub scan_ms: u32,
    /// ... and begins to listen this often, in milliseconds. Android's low power mode: 5,000.
    pub scan_every_ms: u32,
    /// Share of advertisements that other radios spoil, 0 to 1. Measured: 0.13 to 0.4.
    pub interference: f64,
    /// Connecting takes from this to that long, in milliseconds. BLE with services: 500 to 3,000.
    pub connect_ms: (u32, u32),
    /// Share of connections that fail, 0 to 1. BLE: 0.1.
    pub connect_failure: f64,
    /// Links that one node has at a time; 0 is without limit. Phones: 6 to 8.
    pub max_links: u32,
    /// Where neighbours wait in line, a link older than this gives its place to the next, in milliseconds;
    /// 0: never.
    pub rotate_ms: u64,
    /// Who decides which of the neighbours are linked. Default [`Choosing::Line`].
    pub choosing: Choosing,
    /// The largest piece that crosses at once, in bytes.
    pub mtu: u32,
    /// What each piece costs on top, in bytes.
    pub overhead: u32,
    /// What one link carries when nobody disturbs it, in bytes per second; 0 is without limit. BLE: 5,000,
    /// 20,000 or 80,000.
    pub goodput: u64,
    /// Share of pieces that are lost and repeated, 0 to 1, on average. Each direction of each link draws its
    /// own between nothing and twice this.
    pub loss: f64,
    /// Whether a node sends or receives one frame at a time over all its links.
    pub half_duplex: bool,
    /// Share of the channel that each transmitting neighbour takes, 0 to 1. Wi-Fi shares one channel: 1. BLE
    /// hops over 37: 0.03.
    pub contention: f64,
    /// From the last byte out to the frame in, in milliseconds.
    pub latency_ms: u32,
    /// What an envelope takes on top, in milliseconds: the delay per hop of traces.
    pub hop_delay_ms: u64,
    /// Whether control frames cost no airtime: in the world of the oracle only payload does.
    pub control_free: bool,
    /// Whole frames that go wrong. None by default.
    pub faults: Faults,
    /// What it draws from a battery.
    pub power: Power,
}

/// Who decides which neighbours are linked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choosing {
    /// Whoever is heard is linked while both have a place; beyond that pairs wait in line, first come first, for the
    /// oldest link of each. Costs hardly anything and knows nothing of what the nodes have.
    #[default]
    Line,
    /// The nodes, by what their adverts say: [`mesh_core::radio::Overlay`], with the places of this battery profile
    /// (but for [`Radio::max_links`], where that is not 0).
    Overlay(Battery),
}

/// What happens to whole frames although a link promises none of it: what lies between is broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Frames lost, in thousandths.
    pub lose_per_mille: u16,
    /// Frames that arrive twice, in thousandths.
    pub duplicate_per_mille: u16,
    /// Frames that arrive late and are overtaken, in thousandths.
    pub reorder_per_mille: u16,
    /// How late at most, in milliseconds.
    pub reorder_ms: u32,
}

impl Radio {
    /// Bluetooth Low Energy between phones in pockets: the figures of the fields' descriptions, 20 kB/s.
    #[must_use]
    pub fn ble() -> Self {
        Self {
            medium: Medium::Ble,
            range_m: 16.0,
            body_loss_db: 16.5,
            packed_per_m2: 4.0,
            people_per_node: 1.0,
            advert_every_ms: 250,
            broadcasts: false,
            advert_air_us: 300,
            scan_ms: 500,
            scan_every_ms: 5_000,
            interference: 0.2,
            connect_ms: (500, 3_000),
            connect_failure: 0.1,
            max_links: 6,
            rotate_ms: 90_000,
            choosing: Choosing::Line,
            mtu: 244,
            overhead: 11,
            goodput: 20_000,
            loss: 0.05,
            half_duplex: true,
            contention: 0.03,
            latency_ms: 30,
            hop_delay_ms: 0,
            control_free: false,
            faults: Faults::default(),
            power: Power::ble(),
        }
    }

    /// Wi-Fi of an access point or a local network: 50 m, 2 MB/s shared by all in reach.
    #[must_use]
    pub fn wifi() -> Self {
        Self {
            medium: Medium::Lan,
            range_m: 50.0,
            body_loss_db: 10.0,
            advert_every_ms: 1_000,
            advert_air_us: 100,
            scan_ms: 1_000,
            scan_every_ms: 1_000,
            interference: 0.05,
            connect_ms: (20, 200),
            connect_failure: 0.01,
            max_links: 0,
            rotate_ms: 0,
            mtu: 1_400,
            overhead: 90,
            goodput: 2_000_000,
            loss: 0.02,
            contention: 1.0,
            latency_ms: 3,
            power: Power::wifi(),
            ..Self::ble()
        }
    }

    /// A memory stick in a courier's pocket: whoever meets plugs it in. 20 s of hands, then 10 MB/s.
    #[must_use]
    pub fn stick() -> Self {
        Self {
            medium: Medium::Lan,
            range_m: 2.0,
            body_loss_db: 0.0,
            advert_every_ms: 0,
            interference: 0.0,
            connect_ms: (10_000, 30_000),
            connect_failure: 0.0,
            max_links: 1,
            rotate_ms: 0,
            mtu: 65_536,
            overhead: 0,
            goodput: 10_000_000,
            loss: 0.0,
            contention: 0.0,
            latency_ms: 0,
            power: Power::NONE,
            ..Self::ble()
        }
    }

    /// The radio of contact traces: a link stands as soon as the contact does and ends with it, control frames
    /// cost nothing, and an envelope arrives exactly `hop_delay` after it was sent. With `goodput`, in bytes
    /// per second, envelopes also stand in line for it, each direction for itself. `links` at a time, 0 for
    /// any number.
    #[must_use]
    pub fn ideal(hop_delay: Duration, goodput: Option<u64>, links: u32) -> Self {
        Self {
            medium: Medium::Lan,
            range_m: 10.0,
            body_loss_db: 0.0,
            advert_every_ms: 0,
            interference: 0.0,
            connect_ms: (0, 0),
            connect_failure: 0.0,
            max_links: links,
            rotate_ms: 0,
            mtu: 65_536,
            overhead: 0,
            goodput: goodput.unwrap_or(0),
            loss: 0.0,
            half_duplex: false,
            contention: 0.0,
            latency_ms: 0,
            hop_delay_ms: u64::try_from(hop_delay.as_millis()).unwrap_or(u64::MAX),
            control_free: true,
            power: Power::NONE,
            ..Self::ble()
        }
    }

    /// With the rhythm of a battery profile: what is sent and heard, and how many links.
    #[must_use]
    pub fn paced(self, battery: Battery) -> Self {
        let pace = battery.pace();
        let millis = |span: Duration| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
        Self {
            advert_every_ms: millis(pace.advert_every),
            scan_ms: millis(pace.scan_for),
            scan_every_ms: millis(pace.scan_every),
            max_links: u32::try_from(pace.links).unwrap_or(u32::MAX),
            choosing: match self.choosing {
                Choosing::Line => Choosing::Line,
                Choosing::Overlay(_) => Choosing::Overlay(battery),
            },
            ..self
        }
    }

    /// The reach in metres among so many people per square metre: what a movement should call near.
    #[must_use]
    pub fn reach(&self, people_per_m2: f64) -> f64 {
        let packed = (people_per_m2 / self.packed_per_m2.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
        self.range_m * 10f64.powf(-self.body_loss_db * packed / (10.0 * PATH_EXPONENT))
    }

    /// The share of advertisements that are heard among so many neighbours that advertise too.
    #[must_use]
    pub fn heard(&self, neighbours: usize) -> f64 {
        if self.advert_every_ms == 0 {
            return 1.0;
        }
        let air = f64::from(self.advert_air_us) / (f64::from(self.advert_every_ms) * 1_000.0);
        let clear = (1.0 - 2.0 * air / 3.0).clamp(0.0, 1.0);
        (1.0 - self.interference) * clear.powi(i32::try_from(neighbours).unwrap_or(i32::MAX))
    }

    /// What the nodes are told about a link.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let rate = if self.goodput == 0 { u64::from(Profile::LAN.typical_rate) } else { self.goodput };
        let typical_rate = u32::try_from(rate).unwrap_or(u32::MAX);
        Profile { medium: self.medium, mtu: self.mtu, metered: false, typical_rate }
    }

    /// The share of time that the scanner listens.
    #[must_use]
    pub fn duty(&self) -> f64 {
        if self.advert_every_ms == 0 {
            return 0.0;
        }
        f64::from(self.scan_ms) / f64::from(self.scan_every_ms.max(self.scan_ms).max(1))
    }
}

impl Default for Radio {
    fn default() -> Self {
        Self::ble()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_crowd_leaves_five_of_sixteen_metres() {
        let ble = Radio::ble();
        assert!((ble.reach(0.0) - 16.0).abs() < 1e-9);
        assert!((ble.reach(4.0) - 5.0).abs() < 0.1, "{}", ble.reach(4.0));
        assert!((ble.reach(9.0) - ble.reach(4.0)).abs() < 1e-9);
        assert!(ble.reach(1.0) > ble.reach(2.0));
    }

    #[test]
    fn five_hundred_advertisers_are_heard_at_long_intervals_and_not_at_short_ones() {
        let free = Radio { interference: 0.0, ..Radio::ble() };
        let short = Radio { advert_every_ms: 40, ..free.clone() };
        let long = Radio { advert_every_ms: 1_000, ..free };
        assert!((short.heard(499) - 0.08).abs() < 0.01);
        assert!((long.heard(499) - 0.90).abs() < 0.01);
    }
}
