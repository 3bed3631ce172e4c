//! What radios draw from batteries.

use serde::{Deserialize, Serialize};

/// What a radio draws. Orders of magnitude: whole phones differ more than these models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Power {
    /// One advertisement, in microjoules. BLE: 20 to 60.
    pub advert_uj: f64,
    /// While the scanner listens, in milliwatts. BLE: 15 to 40.
    pub scan_mw: f64,
    /// One byte sent or received, in microjoules. BLE: 0.1 to 0.3 per bit.
    pub byte_uj: f64,
    /// Everything else that runs as long as the node does, in milliwatts.
    pub base_mw: f64,
}

impl Power {
    /// Nothing.
    pub const NONE: Self = Self { advert_uj: 0.0, scan_mw: 0.0, byte_uj: 0.0, base_mw: 0.0 };

    /// Bluetooth Low Energy: 40 uJ an advertisement, 30 mW while scanning, 0.2 uJ a bit.
    #[must_use]
    pub const fn ble() -> Self {
        Self { advert_uj: 40.0, scan_mw: 30.0, byte_uj: 1.6, base_mw: 0.0 }
    }

    /// Wi-Fi that stays associated: 20 mW, 0.1 uJ a byte.
    #[must_use]
    pub const fn wifi() -> Self {
        Self { advert_uj: 0.0, scan_mw: 0.0, byte_uj: 0.1, base_mw: 20.0 }
    }
}

impl Default for Power {
    fn default() -> Self {
        Self::ble()
    }
}

/// A battery that runs down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Battery {
    /// What is left, in microjoules, at `since`.
    left_uj: f64,
    /// In milliseconds of the world.
    since: u64,
    /// What it loses by itself while the node runs: microjoules per millisecond are milliwatts.
    drain_mw: f64,
    /// The earliest time for which its end is planned.
    pub(crate) planned: u64,
}

impl Battery {
    /// `joules` at `now`, losing `drain_mw` by itself.
    pub(crate) fn new(joules: f64, now: u64, drain_mw: f64) -> Self {
        Self { left_uj: joules * 1e6, since: now, drain_mw, planned: u64::MAX }
    }

    /// Sets what it loses by itself from now on: 0 while the node is off.
    pub(crate) fn set_drain(&mut self, now: u64, drain_mw: f64) {
        self.settle(now);
        self.drain_mw = drain_mw;
    }

    /// Takes `uj` at once.
    pub(crate) fn take(&mut self, uj: f64) {
        self.left_uj -= uj;
    }

    /// Whether nothing is left at `now`.
    pub(crate) fn is_empty(&mut self, now: u64) -> bool {
        self.settle(now);
        self.left_uj <= 0.0
    }

    /// When nothing will be left if nothing more is taken at once; `None` where that is never.
    pub(crate) fn ends(&self) -> Option<u64> {
        if self.drain_mw <= 0.0 {
            return None;
        }
        // Saturates where the battery lasts longer than time.
        Some(self.since.saturating_add((self.left_uj.max(0.0) / self.drain_mw).ceil() as u64))
    }

    /// What is left, in joules.
    pub(crate) fn joules(&mut self, now: u64) -> f64 {
        self.settle(now);
        (self.left_uj / 1e6).max(0.0)
    }

    fn settle(&mut self, now: u64) {
        self.left_uj -= self.drain_mw * now.saturating_sub(self.since) as f64;
        self.since = self.since.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_battery_ends_when_it_said_and_sooner_when_something_is_taken() {
        let mut battery = Battery::new(1.0, 0, 10.0);
        assert_eq!(battery.ends(), Some(100_000));
        battery.take(0.5e6);
        assert_eq!(battery.ends(), Some(50_000));
        assert!(!battery.is_empty(49_999));
        assert!(battery.is_empty(50_000));
    }

    #[test]
    fn a_node_that_is_off_loses_nothing() {
        let mut battery = Battery::new(1.0, 0, 10.0);
        battery.set_drain(50_000, 0.0);
        assert_eq!(battery.ends(), None);
        assert!((battery.joules(1_000_000) - 0.5).abs() < 1e-9);
    }
}
