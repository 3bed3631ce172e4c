//! Neighbours who do not keep to the protocol.
//!
//! Some speak for themselves ([`Flooder`], also under ever new names; [`Alarmist`]); others are real nodes whose frames
//! somebody changes on the way in and out ([`Crooked`]): a black hole, a liar, a replayer, a marker, a tracker. All of
//! them know the protocol and its limits; none has anybody's keys.

mod alarmist;
mod crooked;
mod flooder;

pub use alarmist::Alarmist;
pub use crooked::{Crooked, Trick};
pub use flooder::Flooder;

use core::ops::Range;
use mesh_core::rng::Rng;
use mesh_core::wire::Frame;
use mesh_core::wire::frame::{Hello, TOKENS};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// When an attacker attacks, in milliseconds of its own run; before and after it behaves.
pub type Hours = Range<u64>;

/// What a tracker wrote down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sightings {
    /// Links on which somebody said hello.
    pub hellos: u64,
    /// How often each name for links that stand at the same time was seen.
    pub instances: BTreeMap<[u8; 16], u64>,
    /// How often each recognition token was seen.
    pub tokens: BTreeMap<[u8; 8], u64>,
    /// Bytes that were overheard.
    pub bytes: u64,
}

impl Sightings {
    /// Hellos whose sender could be told to be one of an earlier hello: by its name or one of its tokens.
    #[must_use]
    pub fn relinked(&self) -> u64 {
        let again = |counts: &mut dyn Iterator<Item = u64>| counts.map(|count| count.saturating_sub(1)).sum();
        let by_instance: u64 = again(&mut self.instances.values().copied());
        let by_token: u64 = again(&mut self.tokens.values().copied());
        by_instance.max(by_token)
    }
}

/// A notebook that is read afterwards.
pub type Notebook = Arc<Mutex<Sightings>>;

/// A hello of somebody whom nobody knows.
fn hello(rng: &mut Rng, instance: [u8; 16]) -> Vec<u8> {
    let mut tokens: Vec<_> = (0..TOKENS).map(|_| rng.bytes()).collect();
    tokens.sort_unstable();
    Frame::Hello(Hello { min: 1, max: 1, capabilities: 0, instance, nonce: rng.bytes(), tokens }).to_bytes()
}

#[cfg(test)]
mod tests;
