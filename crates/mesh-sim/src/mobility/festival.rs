//! A festival: stages, wandering, and tents at night.

use serde::Deserialize;

use super::movement::{Impossible, between, count};
use super::walker::{Stride, Walker};
use super::{Crowd, Dice, Motion, Place};

/// The share of the ground, from the west, that is camp.
const CAMP: f32 = 0.25;

/// The shortest step of a wanderer, in metres; longer ones are as many times rarer as they are longer.
const STEP: f32 = 3.0;

/// People gather before stages, wander about in steps of very different length, change stages, and sleep in
/// tents.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Festival {
    /// Extent from west to east, in metres; its first quarter is the camp. Default 400.
    pub width_m: f32,
    /// Extent from south to north, in metres. Default 300.
    pub height_m: f32,
    /// How many stages there are. Default 4.
    pub stages: u32,
    /// The standard deviation of a crowd around its stage, in metres. Default 20.
    pub crowd_m: f32,
    /// The time of day at which the run begins, in hours. Default 14.
    pub begins_h: f32,
    /// When the night begins, in hours. Default 2.
    pub night_from_h: f32,
    /// When the night ends, in hours. Default 9.
    pub night_to_h: f32,
}

impl Default for Festival {
    fn default() -> Self {
        Self {
            width_m: 400.0,
            height_m: 300.0,
            stages: 4,
            crowd_m: 20.0,
            begins_h: 14.0,
            night_from_h: 2.0,
            night_to_h: 9.0,
        }
    }
}

impl Festival {
    pub(super) fn check(&self) -> Result<(), Impossible> {
        between("width_m", self.width_m, 10.0, 100_000.0)?;
        between("height_m", self.height_m, 10.0, 100_000.0)?;
        count("stages", self.stages, 1, 1000)?;
        between("crowd_m", self.crowd_m, 0.1, 10_000.0)?;
        between("begins_h", self.begins_h, 0.0, 24.0)?;
        between("night_from_h", self.night_from_h, 0.0, 24.0)?;
        between("night_to_h", self.night_to_h, 0.0, 24.0)
    }

    pub(super) fn motion(&self, nodes: u32, seed: u64) -> Box<dyn Motion> {
        let mut dice = Dice::new(seed, "festival");
        let camp = self.width_m * CAMP;
        let place = |_| (dice.between(camp, self.width_m), dice.between(0.0, self.height_m));
        let stages: Vec<Place> = (0..self.stages).map(place).collect();
        let mut ground = Ground { parameters: self.clone(), dice, stages, people: Vec::new() };
        let night = ground.night_left(0);
        for _ in 0..nodes {
            let tent = ground.dice.place(camp, self.height_m);
            let stage = ground.dice.below(self.stages);
            let at = if night.is_some() { tent } else { ground.before(stage) };
            let rest = ground.dice.below(300);
            ground.people.push(Guest { walker: Walker::standing(at, rest), tent, stage });
        }
        Box::new(ground)
    }
}

struct Guest {
    walker: Walker,
    tent: Place,
    stage: u32,
}

struct Ground {
    parameters: Festival,
    dice: Dice,
    stages: Vec<Place>,
    people: Vec<Guest>,
}

impl Motion for Ground {
    fn step(&mut self, second: u64, crowd: &mut Crowd) {
        let night = self.night_left(second);
        let mut people = core::mem::take(&mut self.people);
        for (node, guest) in people.iter_mut().enumerate() {
            if guest.walker.stride() == Stride::Idle {
                self.turn(guest, night);
            }
            crowd.put(node as u32, guest.walker.at);
        }
        self.people = people;
    }
}

impl Ground {
    fn turn(&mut self, guest: &mut Guest, night: Option<u32>) {
        let speed = self.dice.walking_speed();
        if let Some(left) = night {
            let rest = left + self.dice.below(3600);
            guest.walker.go(guest.tent, speed, rest);
            return;
        }
        let chance = self.dice.unit();
        let (goal, rest) = if chance < 0.7 {
            (self.wander(guest.walker.at), self.dice.seconds(30, 600))
        } else if chance < 0.9 {
            (self.before(guest.stage), self.dice.seconds(300, 1800))
        } else {
            guest.stage = self.dice.below(self.parameters.stages);
            (self.before(guest.stage), self.dice.seconds(300, 3600))
        };
        guest.walker.go(goal, speed, rest);
    }

    /// How many seconds of the night are left, if it is night.
    fn night_left(&self, second: u64) -> Option<u32> {
        let hour = |hours: f32| (hours * 3600.0) as u64;
        let now = (hour(self.parameters.begins_h) + second) % 86_400;
        let (from, to) = (hour(self.parameters.night_from_h), hour(self.parameters.night_to_h));
        let long = (to + 86_400 - from) % 86_400;
        let gone = (now + 86_400 - from) % 86_400;
        (gone < long).then(|| (long - gone) as u32)
    }

    /// A place in the crowd before a stage.
    fn before(&mut self, stage: u32) -> Place {
        let (x, y) = self.stages[stage as usize];
        let around = self.parameters.crowd_m;
        let place = (self.dice.normal(x, around), self.dice.normal(y, around));
        self.on_the_ground(place)
    }

    /// A step of a Levy walk with exponent 1, up to the width of the ground.
    fn wander(&mut self, from: Place) -> Place {
        let length = (STEP / self.dice.unit().max(1e-3)).min(self.parameters.width_m);
        let (x, y) = self.dice.direction();
        self.on_the_ground((from.0 + x * length, from.1 + y * length))
    }

    fn on_the_ground(&self, place: Place) -> Place {
        (place.0.clamp(0.0, self.parameters.width_m), place.1.clamp(0.0, self.parameters.height_m))
    }
}
