//! What is said to everybody in reach at once.

use super::agenda::Happening;
use super::{NodeIx, World};
use mesh_core::Input;
use std::sync::Arc;

/// Radios tell their nodes this often how many are around, in milliseconds.
const LOOK_EVERY: u64 = 10_000;
/// What a radio can send at once, in bits per second: the 1 Mbit/s of Bluetooth.
const BITS_PER_S: u64 = 1_000_000;

impl World {
    /// A node says `bytes` to all in reach of its radios that can. Each of them misses it as it would miss an
    /// advertisement.
    pub(super) fn broadcast(&mut self, index: usize, bytes: &[u8]) {
        let bytes: Arc<[u8]> = bytes.into();
        for n in 0..self.journeys.len() {
            let journey = &self.journeys[n];
            let Some(station) = journey.stations.get(index).filter(|_| journey.radio.broadcasts) else {
                continue;
            };
            let (near, medium) = (station.near().to_vec(), journey.radio.medium);
            let heard = (journey.radio.heard(near.len()) * 1e6) as u64;
            let air_us = bytes.len() as u64 * 8 * 1_000_000 / BITS_PER_S;
            let uj = bytes.len() as f64 * journey.radio.power.byte_uj;
            self.counters.broadcasts += 1;
            self.counters.bytes_on_air += bytes.len() as u64;
            self.counters.airtime_us += air_us;
            self.draw(index, uj);
            for other in near {
                let node = other as usize;
                let hears = self.journeys[n].chance(heard) && !self.parted.contains(&(index, node));
                if hears {
                    let at = self.now + air_us.div_ceil(1_000);
                    self.plan(at, Happening::Overheard { node, medium, bytes: Arc::clone(&bytes) });
                }
            }
        }
    }

    /// Tells the nodes of a journey how many are around, now and from time to time.
    pub(super) fn look_around(&mut self, n: usize) {
        let medium = self.journeys[n].radio.medium;
        for index in 0..self.journeys[n].stations.len() {
            let nodes = self.within_reach(NodeIx(index));
            let nodes = u16::try_from(nodes).unwrap_or(u16::MAX);
            self.input(index, Input::Around { medium, nodes });
        }
        self.plan(self.now + LOOK_EVERY, Happening::Around(n));
    }
}
