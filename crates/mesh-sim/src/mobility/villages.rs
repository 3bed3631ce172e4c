//! Two villages that nothing joins but whoever travels between them.

use serde::Deserialize;

use super::movement::{Impossible, between, count};
use super::walker::{Stride, Walker};
use super::{Crowd, Dice, Motion, Place};
use crate::Span;

/// People of two villages walk about at home; couriers ride to and fro. With a courier who comes by every P
/// seconds, a message from one village to the other takes about P / 2 and the stop. Couriers have the first numbers,
/// then come those of the first village, then those of the second.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Villages {
    /// How many couriers there are. Default 1.
    pub couriers: u32,
    /// From one village to the other, in metres. Default 5,000.
    pub distance_m: f32,
    /// How far people live from the middle of their village, in metres. Default 100.
    pub radius_m: f32,
    /// A courier's speed in metres per second. Default 4: a bike.
    pub courier_speed: f32,
    /// How long a courier stays in a village. Default 10 min.
    pub stop: Span,
}

impl Default for Villages {
    fn default() -> Self {
        Self { couriers: 1, distance_m: 5000.0, radius_m: 100.0, courier_speed: 4.0, stop: Span::minutes(10) }
    }
}

impl Villages {
    pub(super) fn check(&self, nodes: u32) -> Result<(), Impossible> {
        count("couriers", self.couriers, 0, nodes)?;
        between("radius_m", self.radius_m, 1.0, 10_000.0)?;
        between("distance_m", self.distance_m, 2.0 * self.radius_m, 1e6)?;
        between("courier_speed", self.courier_speed, 0.1, 100.0)
    }

    pub(super) fn motion(&self, nodes: u32, seed: u64) -> Box<dyn Motion> {
        let mut dice = Dice::new(seed, "two villages");
        let middles: [Place; 2] = [(0.0, 0.0), (self.distance_m, 0.0)];
        let first = (nodes - self.couriers).div_ceil(2);
        let mut people = Vec::with_capacity(nodes as usize);
        for node in 0..nodes {
            let courier = node < self.couriers;
            let village = usize::from(if courier { node % 2 == 1 } else { node - self.couriers >= first });
            let at = dice.place_near(middles[village], self.radius_m);
            let rest = if courier { dice.below(self.stop.whole_seconds() + 1) } else { dice.below(600) };
            people.push(Person { walker: Walker::standing(at, rest), courier, village });
        }
        Box::new(Country { parameters: self.clone(), dice, middles, people })
    }
}

struct Person {
    walker: Walker,
    courier: bool,
    village: usize,
}

struct Country {
    parameters: Villages,
    dice: Dice,
    middles: [Place; 2],
    people: Vec<Person>,
}

impl Motion for Country {
    fn step(&mut self, _second: u64, crowd: &mut Crowd) {
        let Self { parameters, dice, middles, people } = self;
        for (node, person) in people.iter_mut().enumerate() {
            if person.walker.stride() == Stride::Idle {
                let (speed, rest) = if person.courier {
                    person.village = 1 - person.village;
                    (parameters.courier_speed, parameters.stop.whole_seconds())
                } else {
                    (dice.walking_speed(), dice.seconds(60, 900))
                };
                // A courier goes to the middle, where people pass by.
                let reach = if person.courier { parameters.radius_m / 4.0 } else { parameters.radius_m };
                person.walker.go(dice.place_near(middles[person.village], reach), speed, rest);
            }
            crowd.put(node as u32, person.walker.at);
        }
    }
}
