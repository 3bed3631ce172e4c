//! All invented movements under one name, as scenario files describe them.

use serde::{Deserialize, Serialize};

use super::{CityBlocks, Evacuation, Festival, Motion, RandomWaypoint, Stadium, Train, TwoVillages, Walking};

/// The most nodes that a movement may have.
const MOST_NODES: u32 = 1_000_000;

/// How people move, as a scenario file says it: the name of a movement, and what shall differ from its defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// From one random place to the next.
    RandomWaypoint(RandomWaypoint),
    /// Seats around a pitch, a break, and the way out.
    Stadium(Stadium),
    /// Stages, wandering, and tents at night.
    Festival(Festival),
    /// A city after a disaster, with shelters and couriers.
    CityBlocks(CityBlocks),
    /// A road on which everybody leaves.
    Evacuation(Evacuation),
    /// Carriages that people board and leave.
    Train(Train),
    /// Two villages and whoever travels between them.
    TwoVillages(TwoVillages),
}

/// A value with which a movement or a workload makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{key} = {value}` is impossible; allowed is {allowed}")]
pub struct Impossible {
    /// The name of the value.
    pub key: &'static str,
    /// The value.
    pub value: String,
    /// What is allowed, in words.
    pub allowed: String,
}

impl Movement {
    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        match self {
            Self::RandomWaypoint(movement) => movement.nodes,
            Self::Stadium(movement) => movement.nodes,
            Self::Festival(movement) => movement.nodes,
            Self::CityBlocks(movement) => movement.nodes,
            Self::Evacuation(movement) => movement.nodes,
            Self::Train(movement) => movement.nodes,
            Self::TwoVillages(movement) => movement.nodes,
        }
    }

    /// The same movement of another number of people; the place stays as large as it is.
    #[must_use]
    pub fn with_nodes(mut self, nodes: u32) -> Self {
        let own = match &mut self {
            Self::RandomWaypoint(movement) => &mut movement.nodes,
            Self::Stadium(movement) => &mut movement.nodes,
            Self::Festival(movement) => &mut movement.nodes,
            Self::CityBlocks(movement) => &mut movement.nodes,
            Self::Evacuation(movement) => &mut movement.nodes,
            Self::Train(movement) => &mut movement.nodes,
            Self::TwoVillages(movement) => &mut movement.nodes,
        };
        *own = nodes;
        self
    }

    /// Whether all values make sense.
    ///
    /// # Errors
    /// The first value that does not, and what is allowed.
    pub fn check(&self) -> Result<(), Impossible> {
        match self {
            Self::RandomWaypoint(movement) => movement.check(),
            Self::Stadium(movement) => movement.check(),
            Self::Festival(movement) => movement.check(),
            Self::CityBlocks(movement) => movement.check(),
            Self::Evacuation(movement) => movement.check(),
            Self::Train(movement) => movement.check(),
            Self::TwoVillages(movement) => movement.check(),
        }
    }

    /// Walks it for so many seconds; two nodes meet at `radius` metres and less.
    ///
    /// # Errors
    /// A value that makes no sense.
    pub fn walk(&self, seed: u64, radius: f32, seconds: u64) -> Result<Walking, Impossible> {
        self.check()?;
        between("radius", radius, 0.1, 100_000.0)?;
        Ok(Walking::new(self.motion(seed), self.nodes(), radius, seconds))
    }

    fn motion(&self, seed: u64) -> Box<dyn Motion> {
        match self {
            Self::RandomWaypoint(movement) => movement.motion(seed),
            Self::Stadium(movement) => movement.motion(seed),
            Self::Festival(movement) => movement.motion(seed),
            Self::CityBlocks(movement) => movement.motion(seed),
            Self::Evacuation(movement) => movement.motion(seed),
            Self::Train(movement) => movement.motion(seed),
            Self::TwoVillages(movement) => movement.motion(seed),
        }
    }
}

impl Impossible {
    /// `key = value` where only `allowed` makes sense.
    pub(crate) fn new(key: &'static str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self { key, value: value.to_string(), allowed: allowed.into() }
    }
}

/// From 1 node to [`MOST_NODES`].
pub(super) fn nodes(nodes: u32) -> Result<(), Impossible> {
    count("nodes", nodes, 1, MOST_NODES)
}

pub(crate) fn count(key: &'static str, value: u32, from: u32, to: u32) -> Result<(), Impossible> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(Impossible::new(key, value, format!("a whole number from {from} to {to}")))
}

pub(crate) fn between(key: &'static str, value: f32, from: f32, to: f32) -> Result<(), Impossible> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(Impossible::new(key, value, format!("a number from {from} to {to}")))
}

/// A share, from 0 to 1.
pub(crate) fn share(key: &'static str, value: f32) -> Result<(), Impossible> {
    between(key, value, 0.0, 1.0)
}

pub(super) fn least(key: &'static str, value: f32, name: &str, limit: f32) -> Result<(), Impossible> {
    if value >= limit {
        return Ok(());
    }
    Err(Impossible::new(key, value, format!("a number not below {name} ({limit})")))
}
