//! Random numbers as walks and workloads need them, the same on every machine.

use mesh_core::rng::Rng;

use super::Place;

/// A seeded generator with the distributions used here.
pub(crate) struct Dice(Rng);

impl Dice {
    /// What follows from `seed` for one `purpose`, so that a walk and a workload of one seed are independent.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("starling/1 simulated chance");
        hasher.update(&seed.to_le_bytes()).update(purpose.as_bytes());
        Self(Rng::new(*hasher.finalize().as_bytes()))
    }

    /// A whole number from 0 to `bound - 1`; 0 where `bound` is 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0.below(u64::from(bound)) as u32
    }

    /// A whole number from 0 to `bound - 1`; 0 where `bound` is 0.
    pub(crate) fn below_long(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// From 0 to just below 1, in steps of 2^-24, which a single holds exactly.
    pub(crate) fn unit(&mut self) -> f32 {
        (u32::from_le_bytes(self.0.bytes()) >> 8) as f32 / 16_777_216.0
    }

    pub(crate) fn chance(&mut self, share: f32) -> bool {
        self.unit() < share
    }

    pub(crate) fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.unit()
    }

    /// Whole seconds from `from` to `to`, both included.
    pub(crate) fn seconds(&mut self, from: u32, to: u32) -> u32 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// About normal: the sum of twelve uniform numbers, never more than six deviations away.
    pub(crate) fn normal(&mut self, mean: f32, deviation: f32) -> f32 {
        let sum: f32 = (0..12).map(|_| self.unit()).sum();
        mean + deviation * (sum - 6.0)
    }

    /// A direction, as a vector of length 1.
    pub(crate) fn direction(&mut self) -> Place {
        loop {
            let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
            let length = (x * x + y * y).sqrt();
            if (0.01..1.0).contains(&length) {
                return (x / length, y / length);
            }
        }
    }

    /// A place in a rectangle with its corner at 0.
    pub(crate) fn place(&mut self, width: f32, height: f32) -> Place {
        (self.between(0.0, width), self.between(0.0, height))
    }

    /// A place within `radius` of another.
    pub(crate) fn place_near(&mut self, middle: Place, radius: f32) -> Place {
        let (x, y) = self.direction();
        // The root spreads the places evenly over the disc.
        let away = radius * self.unit().sqrt();
        (middle.0 + x * away, middle.1 + y * away)
    }

    /// How fast a person walks: 1.34 m/s on average, with a deviation of 0.26, from 0.5 to 2 m/s.
    pub(crate) fn walking_speed(&mut self) -> f32 {
        self.normal(1.34, 0.26).clamp(0.5, 2.0)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}
