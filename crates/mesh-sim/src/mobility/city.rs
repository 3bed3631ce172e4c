//! A city after a disaster: streets, shelters, responders and couriers.

use serde::Deserialize;

use super::movement::{Impossible, between, count, share};
use super::walker::{Stride, Walker};
use super::{Crowd, Dice, Motion, Place};

/// How far from its middle people stand at a shelter, in metres.
const SHELTER: f32 = 30.0;

/// How far people on foot go from where they live, in metres.
const ON_FOOT: f32 = 1000.0;

/// How far the injured go.
const INJURED: f32 = 300.0;

/// Blocks of houses; people move along the streets between their homes, shelters and other places, and couriers
/// tour the shelters. Every shelter has a relay of its own.
///
/// Extent, roles and speeds are those of a published scenario of Tacloban after a typhoon: 500 nodes on 5 x 7 km,
/// of whom 52 % are responders of all kinds, 40 % healthy people, and 8 % injured. Between parts of the city that
/// nobody else walks, a message takes about half a courier's round. The shelters' relays have the first numbers,
/// then come couriers by bike, couriers by car, and everybody else.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct City {
    /// Extent from west to east, in metres. Default 5,000.
    pub width_m: f32,
    /// Extent from south to north, in metres. Default 7,000.
    pub height_m: f32,
    /// From one street to the next, in metres. Default 100.
    pub block_m: f32,
    /// How many shelters there are; each has a relay that never moves. Default 12.
    pub shelters: u32,
    /// Couriers by bike, at 4 m/s. Default 4.
    pub bikes: u32,
    /// Couriers by car, at 8 m/s. Default 4.
    pub cars: u32,
    /// The share of the others who are injured. Default 0.08.
    pub injured: f32,
    /// The share of the others who are responders. Default 0.52.
    pub responders: f32,
}

impl Default for City {
    fn default() -> Self {
        Self {
            width_m: 5000.0,
            height_m: 7000.0,
            block_m: 100.0,
            shelters: 12,
            bikes: 4,
            cars: 4,
            injured: 0.08,
            responders: 0.52,
        }
    }
}

impl City {
    pub(super) fn check(&self, nodes: u32) -> Result<(), Impossible> {
        between("block_m", self.block_m, 10.0, 10_000.0)?;
        between("width_m", self.width_m, self.block_m, 200_000.0)?;
        between("height_m", self.height_m, self.block_m, 200_000.0)?;
        count("shelters", self.shelters, 1, 10_000)?;
        share("injured", self.injured)?;
        share("responders", self.responders)?;
        if self.injured + self.responders > 1.0 {
            let allowed = "a share that is at most 1 with `injured`";
            return Err(Impossible::new("responders", self.responders, allowed));
        }
        let special = u64::from(self.shelters) + u64::from(self.bikes) + u64::from(self.cars);
        if special > u64::from(nodes) {
            let allowed = format!("at least {special}: `shelters + bikes + cars`");
            return Err(Impossible::new("nodes", nodes, allowed));
        }
        Ok(())
    }

    pub(super) fn motion(&self, nodes: u32, seed: u64) -> Box<dyn Motion> {
        let mut dice = Dice::new(seed, "city");
        let streets = Streets { block: self.block_m, width: self.width_m, height: self.height_m };
        let shelters: Vec<Place> = (0..self.shelters).map(|_| streets.corner(&mut dice)).collect();
        let round = tour(&shelters);
        let mut people = Vec::with_capacity(nodes as usize);
        for node in 0..nodes {
            let role = self.role(node, &mut dice);
            let home = match role {
                Role::Shelter => shelters[node as usize],
                Role::Courier(_) => shelters[dice.below(self.shelters) as usize],
                _ => streets.corner(&mut dice),
            };
            let at = if role == Role::Injured { nearest(&shelters, home) } else { home };
            let stop = dice.below(self.shelters);
            people.push(Person {
                walker: Walker::standing(at, dice.below(600)),
                role,
                home: at,
                via: None,
                stop,
            });
        }
        Box::new(Town { dice, streets, shelters, round, people })
    }

    fn role(&self, node: u32, dice: &mut Dice) -> Role {
        if node < self.shelters {
            return Role::Shelter;
        }
        if node < self.shelters + self.bikes {
            return Role::Courier(4.0);
        }
        if node < self.shelters + self.bikes + self.cars {
            return Role::Courier(8.0);
        }
        let chance = dice.unit();
        if chance < self.injured {
            Role::Injured
        } else if chance < self.injured + self.responders {
            Role::Responder
        } else {
            Role::Healthy
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    Shelter,
    /// With the speed in metres per second.
    Courier(f32),
    Responder,
    Healthy,
    Injured,
}

struct Person {
    walker: Walker,
    role: Role,
    home: Place,
    /// The second leg of the way: around the corner, then there, and how long to stay.
    via: Option<(Place, f32, u32)>,
    /// A courier's next stop on the round.
    stop: u32,
}

struct Town {
    dice: Dice,
    streets: Streets,
    shelters: Vec<Place>,
    /// The order in which couriers visit the shelters.
    round: Vec<u32>,
    people: Vec<Person>,
}

impl Motion for Town {
    fn step(&mut self, _second: u64, crowd: &mut Crowd) {
        let mut people = core::mem::take(&mut self.people);
        for (node, person) in people.iter_mut().enumerate() {
            if person.role != Role::Shelter && person.walker.stride() == Stride::Idle {
                match person.via.take() {
                    Some((goal, speed, rest)) => person.walker.go(goal, speed, rest),
                    None => self.set_out(person),
                }
            }
            crowd.put(node as u32, person.walker.at);
        }
        self.people = people;
    }
}

impl Town {
    /// Chooses where to go next, and goes there along the streets: first one way, then around a corner.
    fn set_out(&mut self, person: &mut Person) {
        let dice = &mut self.dice;
        let (goal, speed, rest) = match person.role {
            Role::Shelter => return,
            Role::Courier(speed) => {
                person.stop = (person.stop + 1) % self.round.len() as u32;
                let shelter = self.shelters[self.round[person.stop as usize] as usize];
                (dice.place_near(shelter, 10.0), speed, dice.seconds(300, 900))
            }
            Role::Responder => {
                let speed = if dice.chance(0.5) { dice.between(2.7, 8.0) } else { dice.between(0.5, 1.5) };
                let goal =
                    if dice.chance(0.5) { any(&self.shelters, dice) } else { self.streets.corner(dice) };
                (goal, speed, dice.seconds(120, 1200))
            }
            Role::Healthy => {
                let goal = if dice.chance(0.4) {
                    dice.place_near(nearest(&self.shelters, person.home), SHELTER)
                } else {
                    self.streets.corner_near(person.home, ON_FOOT, dice)
                };
                (goal, dice.between(0.5, 1.5), dice.seconds(600, 7200))
            }
            Role::Injured => {
                let goal = self.streets.corner_near(person.home, INJURED, dice);
                let goal = if dice.chance(0.5) { dice.place_near(person.home, SHELTER) } else { goal };
                (goal, dice.between(0.3, 0.9), dice.seconds(3600, 21_600))
            }
        };
        let at = person.walker.at;
        let corner = if dice.chance(0.5) { (goal.0, at.1) } else { (at.0, goal.1) };
        person.walker.go(corner, speed, 0);
        person.via = Some((goal, speed, rest));
    }
}

/// Streets in both directions, one every block.
struct Streets {
    block: f32,
    width: f32,
    height: f32,
}

impl Streets {
    /// Any crossing.
    fn corner(&self, dice: &mut Dice) -> Place {
        let place = dice.place(self.width, self.height);
        self.crossing(place)
    }

    /// A crossing within walking distance.
    fn corner_near(&self, home: Place, reach: f32, dice: &mut Dice) -> Place {
        let place = dice.place_near(home, reach);
        self.crossing(place)
    }

    fn crossing(&self, (x, y): Place) -> Place {
        let on = |along: f32, end: f32| {
            let last = (end / self.block).floor();
            (along / self.block).round().clamp(0.0, last) * self.block
        };
        (on(x, self.width), on(y, self.height))
    }
}

/// A round through all places: always on to the nearest that was not visited yet.
fn tour(places: &[Place]) -> Vec<u32> {
    let mut left: Vec<u32> = (1..places.len() as u32).collect();
    let mut round = vec![0];
    while !left.is_empty() {
        let here = places[round[round.len() - 1] as usize];
        let away = |index: &u32| squared(here, places[*index as usize]);
        let next = (0..left.len()).min_by(|one, other| away(&left[*one]).total_cmp(&away(&left[*other])));
        round.push(left.remove(next.unwrap_or(0)));
    }
    round
}

fn any(places: &[Place], dice: &mut Dice) -> Place {
    let place = places[dice.below(places.len() as u32) as usize];
    dice.place_near(place, SHELTER)
}

fn nearest(places: &[Place], from: Place) -> Place {
    let closer = |one: &Place, other: &Place| squared(from, *one).total_cmp(&squared(from, *other));
    places.iter().copied().min_by(closer).unwrap_or(from)
}

fn squared(one: Place, other: Place) -> f32 {
    let (east, north) = (one.0 - other.0, one.1 - other.1);
    east * east + north * north
}
