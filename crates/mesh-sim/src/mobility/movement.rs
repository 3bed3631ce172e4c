//! All movements under one name, as scenario files describe them.

use serde::Deserialize;

use super::{
    City, Evacuation, Festival, Gatherings, Groups, Motion, Stadium, Train, Villages, Walking, Waypoint,
};
use crate::{Mobility, Span};

/// The most nodes that a movement may have.
const MOST_NODES: u32 = 1_000_000;

/// How people move: in a scenario file exactly one section `[movement.KIND]` with what shall differ from its
/// defaults. How many nodes there are is no part of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Contacts that were recorded among real people.
    Trace(TraceFile),
    /// From one random place to the next.
    Waypoint(Waypoint),
    /// Seats around a pitch, a break, and the way out.
    Stadium(Stadium),
    /// Stages, wandering, and tents at night.
    Festival(Festival),
    /// City blocks after a disaster, with shelters and couriers.
    City(City),
    /// A road on which everybody leaves.
    Evacuation(Evacuation),
    /// Carriages that people board and leave.
    Train(Train),
    /// Two villages and whoever travels between them.
    Villages(Villages),
    /// Groups in which people meet, couriers between them, and splits that heal.
    Groups(Groups),
}

/// A recorded trace of contacts.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceFile {
    /// Where it lies, from the scenario's folder.
    pub file: String,
    /// The part before this is left out. Default none.
    #[serde(default)]
    pub skip: Span,
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
    /// Whether all values make sense for so many nodes.
    ///
    /// # Errors
    /// The first value that does not, and what is allowed.
    pub fn check(&self, nodes: u32) -> Result<(), Impossible> {
        count("nodes", nodes, 1, MOST_NODES)?;
        match self {
            Self::Trace(_) => Ok(()),
            Self::Waypoint(movement) => movement.check(),
            Self::Stadium(movement) => movement.check(nodes),
            Self::Festival(movement) => movement.check(),
            Self::City(movement) => movement.check(nodes),
            Self::Evacuation(movement) => movement.check(),
            Self::Train(movement) => movement.check(),
            Self::Villages(movement) => movement.check(nodes),
            Self::Groups(movement) => movement.check(nodes),
        }
    }

    /// Walks it with so many nodes for so many seconds; two of them meet at `radius_m` metres and less. The
    /// contacts of a trace are not in it: those are told by a [`TraceReplay`](super::TraceReplay).
    ///
    /// # Errors
    /// A value that makes no sense; [`Movement::Trace`].
    pub fn walk(
        &self,
        nodes: u32,
        seed: u64,
        radius_m: f32,
        seconds: u64,
    ) -> Result<Box<dyn Mobility>, Impossible> {
        self.check(nodes)?;
        between("radius", radius_m, 0.1, 100_000.0)?;
        let motion: Box<dyn Motion> = match self {
            Self::Trace(trace) => {
                return Err(Impossible::new("trace", &trace.file, "a movement that needs no file"));
            }
            Self::Groups(movement) => return Ok(Box::new(Gatherings::new(movement.clone(), nodes, seed))),
            Self::Waypoint(movement) => movement.motion(nodes, seed, radius_m),
            Self::Stadium(movement) => movement.motion(nodes, seed),
            Self::Festival(movement) => movement.motion(nodes, seed),
            Self::City(movement) => movement.motion(nodes, seed),
            Self::Evacuation(movement) => movement.motion(nodes, seed),
            Self::Train(movement) => movement.motion(nodes, seed),
            Self::Villages(movement) => movement.motion(nodes, seed),
        };
        Ok(Box::new(Walking::new(motion, nodes, radius_m, seconds)))
    }

    /// Moments that lie at a place in the whole keep it when the whole is `scale` times as long.
    pub(crate) fn rescale(&mut self, scale: f64) {
        match self {
            Self::Groups(groups) => groups.rescale(scale),
            Self::Stadium(stadium) => {
                for at in [&mut stadium.break_at, &mut stadium.egress_at] {
                    *at = at.times(scale);
                }
            }
            _ => {}
        }
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

impl Impossible {
    /// `key = value` where only `allowed` makes sense.
    pub(crate) fn new(key: &'static str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self { key, value: value.to_string(), allowed: allowed.into() }
    }
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
pub(super) fn share(key: &'static str, value: f32) -> Result<(), Impossible> {
    between(key, value, 0.0, 1.0)
}

pub(super) fn span(key: &'static str, value: Span, from: Span, to: Span) -> Result<(), Impossible> {
    if (from..=to).contains(&value) {
        return Ok(());
    }
    Err(Impossible::new(key, value, format!("from {from} to {to}")))
}

pub(super) fn least(key: &'static str, value: f32, name: &str, limit: f32) -> Result<(), Impossible> {
    if value >= limit {
        return Ok(());
    }
    Err(Impossible::new(key, value, format!("a number not below {name} ({limit})")))
}
