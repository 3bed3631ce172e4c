//! Random waypoint: from one random place to the next.

use serde::{Deserialize, Serialize};

use super::movement::{Impossible, between, least, nodes};
use super::walker::{Stride, Walker};
use super::{Crowd, Dice, Motion};

/// Everybody walks to a random place, rests, and walks on. The usual yardstick, and nobody's life; the defaults
/// are those of the recorded run of The ONE (100 hosts on 1 km2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomWaypoint {
    /// How many nodes. Default 100.
    pub nodes: u32,
    /// Extent from west to east, in metres. Default 1,000.
    pub width_m: f32,
    /// Extent from south to north, in metres. Default 1,000.
    pub height_m: f32,
    /// Least speed in metres per second. Default 0.5, as The ONE's pedestrians.
    pub speed_min: f32,
    /// Greatest speed in metres per second. Default 1.5.
    pub speed_max: f32,
    /// Longest rest in seconds; each is drawn from 0 on. Default 120.
    pub pause_max_s: u32,
}

impl Default for RandomWaypoint {
    fn default() -> Self {
        Self {
            nodes: 100,
            width_m: 1000.0,
            height_m: 1000.0,
            speed_min: 0.5,
            speed_max: 1.5,
            pause_max_s: 120,
        }
    }
}

impl RandomWaypoint {
    /// `nodes` nodes on a square on which each has `degree` others within `radius_m` metres on average.
    #[must_use]
    pub fn with_degree(nodes: u32, radius_m: f32, degree: f32) -> Self {
        let area = core::f32::consts::PI * radius_m * radius_m * nodes as f32 / degree.max(0.001);
        Self { nodes, width_m: area.sqrt(), height_m: area.sqrt(), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), Impossible> {
        nodes(self.nodes)?;
        between("width_m", self.width_m, 1.0, 1e6)?;
        between("height_m", self.height_m, 1.0, 1e6)?;
        between("speed_min", self.speed_min, 0.01, 100.0)?;
        least("speed_max", self.speed_max, "speed_min", self.speed_min)?;
        between("speed_max", self.speed_max, 0.01, 100.0)
    }

    pub(super) fn motion(&self, seed: u64) -> Box<dyn Motion> {
        let mut dice = Dice::new(seed, "random waypoint");
        let place = |_| Walker::standing(dice.place(self.width_m, self.height_m), 0);
        let walkers = (0..self.nodes).map(place).collect();
        Box::new(Waypoints { parameters: self.clone(), dice, walkers })
    }
}

struct Waypoints {
    parameters: RandomWaypoint,
    dice: Dice,
    walkers: Vec<Walker>,
}

impl Motion for Waypoints {
    fn step(&mut self, second: u64, crowd: &mut Crowd) {
        let Self { parameters, dice, walkers } = self;
        for (node, walker) in walkers.iter_mut().enumerate() {
            if second > 0 && walker.stride() == Stride::Idle {
                let goal = dice.place(parameters.width_m, parameters.height_m);
                let speed = dice.between(parameters.speed_min, parameters.speed_max);
                walker.go(goal, speed, dice.seconds(0, parameters.pause_max_s));
                walker.stride();
            }
            crowd.put(node as u32, walker.at);
        }
    }
}
