//! An evacuation: a road on which everybody leaves, and a few drive back.

use serde::Deserialize;

use super::movement::{Impossible, between, share, span};
use super::walker::{Stride, Walker};
use super::{Crowd, Dice, Motion, Place};
use crate::Span;

/// The camp at the end of the road, in metres each way.
const CAMP: f32 = 300.0;

/// The most people of one group.
const GROUP: u32 = 5;

/// A town empties along one road to a camp: groups of two to five on foot, a convoy, and responders who drive
/// against the stream. Without them nothing gets back to those who are still behind.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Evacuation {
    /// The length of the road, in metres. Default 8,000.
    pub length_m: f32,
    /// The width of the road, in metres. Default 12.
    pub width_m: f32,
    /// The extent of the town before the road, in metres. Default 1,500.
    pub town_m: f32,
    /// Until when everybody has left: at most 11 d. Default 1 h.
    pub departure: Span,
    /// The share of those who ride in the convoy, at 6 m/s. Default 0.05.
    pub convoy: f32,
    /// The share of responders, who drive to and fro at 3 to 8 m/s. Default 0.02.
    pub responders: f32,
}

impl Default for Evacuation {
    fn default() -> Self {
        Self {
            length_m: 8000.0,
            width_m: 12.0,
            town_m: 1500.0,
            departure: Span::minutes(60),
            convoy: 0.05,
            responders: 0.02,
        }
    }
}

impl Evacuation {
    pub(super) fn check(&self) -> Result<(), Impossible> {
        between("length_m", self.length_m, 10.0, 1e6)?;
        between("width_m", self.width_m, 1.0, 1000.0)?;
        between("town_m", self.town_m, 1.0, 100_000.0)?;
        span("departure", self.departure, Span::default(), Span::minutes(11 * 24 * 60))?;
        share("convoy", self.convoy)?;
        share("responders", self.responders)?;
        if self.convoy + self.responders > 1.0 {
            let allowed = "a share that is at most 1 with `convoy`";
            return Err(Impossible::new("responders", self.responders, allowed));
        }
        Ok(())
    }

    pub(super) fn motion(&self, nodes: u32, seed: u64) -> Box<dyn Motion> {
        let mut dice = Dice::new(seed, "evacuation");
        let mut people: Vec<Person> = Vec::with_capacity(nodes as usize);
        let (convoy, responders) = (nodes as f32 * self.convoy, nodes as f32 * self.responders);
        let departure = self.departure.whole_seconds();
        let convoy_leaves = dice.below(1 + departure / 2);
        while people.len() < nodes as usize {
            let at = (-dice.between(0.0, self.town_m), dice.between(0.0, self.town_m));
            let number = people.len() as f32;
            if number < responders {
                let place = (dice.between(0.0, self.length_m), dice.between(0.0, self.width_m));
                people.push(Person::new(place, 0, Part::Responder, dice.between(3.0, 8.0)));
            } else if number < responders + convoy {
                // Vehicles stand in a line and leave together.
                let place = (-8.0 * (number - responders), 0.0);
                people.push(Person::new(place, convoy_leaves, Part::Leaving, 6.0));
            } else {
                let leaves = dice.below(1 + departure);
                let speed = dice.between(1.0, 1.5);
                let size = 2 + dice.below(GROUP - 1);
                for _ in 0..size.min(nodes - people.len() as u32) {
                    people.push(Person::new(dice.place_near(at, 3.0), leaves, Part::Leaving, speed));
                }
            }
        }
        Box::new(Road { parameters: self.clone(), dice, people })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Leaving,
    OnTheRoad,
    InCamp,
    Responder,
}

struct Person {
    walker: Walker,
    part: Part,
    speed: f32,
}

impl Person {
    fn new(at: Place, leaves: u32, part: Part, speed: f32) -> Self {
        Self { walker: Walker::standing(at, leaves), part, speed }
    }
}

struct Road {
    parameters: Evacuation,
    dice: Dice,
    people: Vec<Person>,
}

impl Motion for Road {
    fn step(&mut self, _second: u64, crowd: &mut Crowd) {
        let Self { parameters, dice, people } = self;
        for (node, person) in people.iter_mut().enumerate() {
            if person.walker.stride() == Stride::Idle {
                turn(parameters, dice, person);
            }
            crowd.put(node as u32, person.walker.at);
        }
    }
}

fn turn(road: &Evacuation, dice: &mut Dice, person: &mut Person) {
    let lane = dice.between(0.0, road.width_m);
    match person.part {
        Part::Leaving => {
            person.walker.go((0.0, lane), person.speed, 0);
            person.part = Part::OnTheRoad;
        }
        Part::OnTheRoad => {
            let into = dice.place(CAMP, CAMP);
            person.walker.go((road.length_m, person.walker.at.1), person.speed, 0);
            if person.walker.at.0 >= road.length_m {
                person.walker.go((road.length_m + into.0, into.1), person.speed, 60);
                person.part = Part::InCamp;
            }
        }
        Part::InCamp => {
            let goal = dice.place_near(person.walker.at, 20.0);
            person.walker.go(goal, dice.between(0.5, 1.5), dice.seconds(300, 1800));
        }
        Part::Responder => {
            let end = if dice.chance(0.5) { 0.0 } else { road.length_m };
            let stop = if dice.chance(0.5) { end } else { dice.between(0.0, road.length_m) };
            person.walker.go((stop, lane), person.speed, dice.seconds(60, 300));
        }
    }
}
