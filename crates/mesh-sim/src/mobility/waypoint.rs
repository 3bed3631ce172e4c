//! Random waypoint: from one random place to the next.

use serde::Deserialize;

use super::movement::{Impossible, between, least};
use super::walker::{Stride, Walker};
use super::{Crowd, Dice, Motion};
use crate::Span;

/// Everybody walks to a random place, rests, and walks on. The usual yardstick, and nobody's life; the defaults
/// are those of the recorded run of The ONE (100 hosts on 1 km2).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Waypoint {
    /// How many others are within range on average: 0.001 to 1,000. The ground is a square as large as that takes;
    /// without it, it is as large as `width_m` and `height_m` say.
    pub neighbours: Option<f32>,
    /// Extent from west to east, in metres. Default 1,000.
    pub width_m: f32,
    /// Extent from south to north, in metres. Default 1,000.
    pub height_m: f32,
    /// Slowest walk in metres per second. Default 0.5, as The ONE's pedestrians.
    pub slowest: f32,
    /// Fastest walk in metres per second. Default 1.5.
    pub fastest: f32,
    /// Longest rest at a place; each is drawn from 0 on. Default 2 min.
    pub rest: Span,
}

impl Default for Waypoint {
    fn default() -> Self {
        Self {
            neighbours: None,
            width_m: 1000.0,
            height_m: 1000.0,
            slowest: 0.5,
            fastest: 1.5,
            rest: Span::minutes(2),
        }
    }
}

impl Waypoint {
    pub(super) fn check(&self) -> Result<(), Impossible> {
        if let Some(neighbours) = self.neighbours {
            between("neighbours", neighbours, 0.001, 1000.0)?;
        }
        between("width_m", self.width_m, 1.0, 1e6)?;
        between("height_m", self.height_m, 1.0, 1e6)?;
        between("slowest", self.slowest, 0.01, 100.0)?;
        least("fastest", self.fastest, "slowest", self.slowest)?;
        between("fastest", self.fastest, 0.01, 100.0)
    }

    pub(super) fn motion(&self, nodes: u32, seed: u64, radius_m: f32) -> Box<dyn Motion> {
        let mut dice = Dice::new(seed, "random waypoint");
        let ground = self.ground(nodes, radius_m);
        let place = |_| Walker::standing(dice.place(ground.0, ground.1), 0);
        let walkers = (0..nodes).map(place).collect();
        Box::new(Waypoints { parameters: self.clone(), ground, dice, walkers })
    }

    /// Its width and its height.
    fn ground(&self, nodes: u32, radius_m: f32) -> (f32, f32) {
        let Some(neighbours) = self.neighbours else { return (self.width_m, self.height_m) };
        let area = core::f32::consts::PI * radius_m * radius_m * nodes as f32 / neighbours.max(0.001);
        (area.sqrt(), area.sqrt())
    }
}

struct Waypoints {
    parameters: Waypoint,
    ground: (f32, f32),
    dice: Dice,
    walkers: Vec<Walker>,
}

impl Motion for Waypoints {
    fn step(&mut self, second: u64, crowd: &mut Crowd) {
        let Self { parameters, ground, dice, walkers } = self;
        for (node, walker) in walkers.iter_mut().enumerate() {
            if second > 0 && walker.stride() == Stride::Idle {
                let goal = dice.place(ground.0, ground.1);
                let speed = dice.between(parameters.slowest, parameters.fastest);
                walker.go(goal, speed, dice.seconds(0, parameters.rest.whole_seconds()));
                walker.stride();
            }
            crowd.put(node as u32, walker.at);
        }
    }
}
