//! A stadium: seats around a pitch, a break, and the way out.

use serde::Deserialize;

use super::movement::{Impossible, between, count, share};
use super::walker::{Stride, Walker};
use super::{Crowd, Dice, Motion, Place};
use crate::Span;

/// Half the length of the pitch with what lies around it, in metres.
const HALF_LENGTH: f32 = 57.5;

/// Half its width.
const HALF_WIDTH: f32 = 39.0;

/// From one seat to the next.
const SEAT: f32 = 0.5;

/// From one row to the next.
const ROW: f32 = 0.8;

/// How far outside a gate people are out of sight, in metres.
const OUTSIDE: f32 = 250.0;

/// Seats of 0.5 x 0.8 m in a ring around a pitch. Most people sit; some walk between their seat and the
/// concourse all the time, many do so at the break, and in the end everybody leaves through gates.
///
/// Bodies shorten the reach of radios here: with 5 m there are about 200 people within reach, and 20 to 50
/// neighbours where 10 to 25 % of them take part.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stadium {
    /// The share of all people who take part: there are `nodes / installed` of them. Default 0.25.
    pub installed: f32,
    /// The share of those who walk all the time. Default 0.05.
    pub walking: f32,
    /// When the break begins. Default 45 min.
    pub break_at: Span,
    /// How long the break is. Default 15 min.
    pub break_for: Span,
    /// The share of people who get up at the break. Default 0.3.
    pub break_share: f32,
    /// When people begin to leave. Default 105 min.
    pub egress_at: Span,
    /// How long it takes until the last one gets up. Default 30 min.
    pub egress_for: Span,
    /// How many gates there are. Default 12.
    pub gates: u32,
}

impl Default for Stadium {
    fn default() -> Self {
        Self {
            installed: 0.25,
            walking: 0.05,
            break_at: Span::minutes(45),
            break_for: Span::minutes(15),
            break_share: 0.3,
            egress_at: Span::minutes(105),
            egress_for: Span::minutes(30),
            gates: 12,
        }
    }
}

impl Stadium {
    pub(super) fn check(&self, nodes: u32) -> Result<(), Impossible> {
        between("installed", self.installed, 0.001, 1.0)?;
        share("walking", self.walking)?;
        share("break_share", self.break_share)?;
        count("gates", self.gates, 1, 1000)?;
        let people = nodes as f32 / self.installed;
        if people > 2e6 {
            let allowed = "a share with which `nodes / installed` is at most 2000000 people";
            return Err(Impossible::new("installed", self.installed, allowed));
        }
        Ok(())
    }

    pub(super) fn motion(&self, nodes: u32, seed: u64) -> Box<dyn Motion> {
        let mut dice = Dice::new(seed, "stadium");
        let mut seats = seats((nodes as f32 / self.installed) as usize);
        let (egress_at, egress_for) = (self.egress_at.whole_seconds(), self.egress_for.whole_seconds());
        let (break_at, break_for) = (self.break_at.whole_seconds(), self.break_for.whole_seconds());
        let depth = seats.last().map_or(0.0, |seat| ring_of(*seat)) + 3.0;
        dice.shuffle(&mut seats);
        let people = seats.into_iter().take(nodes as usize).map(|seat| Person {
            walker: Walker::standing(seat, 0),
            seat,
            restless: dice.chance(self.walking),
            leaves: u64::from(egress_at) + u64::from(dice.below(egress_for + 1)),
            gets_up: dice.chance(self.break_share).then(|| break_at + dice.below(1 + break_for / 3)),
            state: State::Seated,
        });
        let people = people.collect();
        let gates =
            (0..self.gates).map(|gate| around(depth, (gate as f32 + 0.5) / self.gates as f32)).collect();
        Box::new(House { dice, people, gates, depth, rest: break_for / 2 })
    }
}

/// `wanted` seats, the inner rows first; a seat is a place around the middle of the pitch.
fn seats(wanted: usize) -> Vec<Place> {
    let mut seats = Vec::with_capacity(wanted);
    let mut row = 0;
    while seats.len() < wanted {
        let depth = row as f32 * ROW;
        let round = 4.0 * (HALF_LENGTH + HALF_WIDTH + 2.0 * depth);
        let in_row = ((round / SEAT) as usize).min(wanted - seats.len());
        seats.extend((0..in_row).map(|seat| around(depth, seat as f32 * SEAT / round)));
        row += 1;
    }
    seats
}

/// The place at the share `at` of the way around the pitch, `depth` metres behind its edge.
fn around(depth: f32, at: f32) -> Place {
    let (half_x, half_y) = (HALF_LENGTH + depth, HALF_WIDTH + depth);
    let along = at * 4.0 * (half_x + half_y);
    if along < 2.0 * half_x {
        return (along - half_x, -half_y);
    }
    let along = along - 2.0 * half_x;
    if along < 2.0 * half_y {
        return (half_x, along - half_y);
    }
    let along = along - 2.0 * half_y;
    if along < 2.0 * half_x {
        return (half_x - along, half_y);
    }
    (-half_x, half_y - (along - 2.0 * half_x))
}

/// How far behind the edge of the pitch a place is.
fn ring_of(place: Place) -> f32 {
    (place.0.abs() - HALF_LENGTH).max(place.1.abs() - HALF_WIDTH)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Seated,
    Out,
    ToGate,
    Away,
    Gone,
}

struct Person {
    walker: Walker,
    seat: Place,
    restless: bool,
    leaves: u64,
    gets_up: Option<u32>,
    state: State,
}

struct House {
    dice: Dice,
    people: Vec<Person>,
    gates: Vec<Place>,
    depth: f32,
    rest: u32,
}

impl Motion for House {
    fn step(&mut self, second: u64, crowd: &mut Crowd) {
        let Self { dice, people, gates, depth, rest } = self;
        for (node, person) in people.iter_mut().enumerate() {
            if second >= person.leaves && matches!(person.state, State::Seated | State::Out) {
                person.walker.go(nearest(gates, person.walker.at), dice.between(0.5, 1.0), 0);
                person.state = State::ToGate;
            }
            if person.walker.stride() == Stride::Idle {
                person.turn(second, dice, *depth, *rest);
            }
            if person.state == State::Gone {
                crowd.take_away(node as u32);
            } else {
                crowd.put(node as u32, person.walker.at);
            }
        }
    }
}

impl Person {
    /// What somebody does who stands or sits and has nothing to wait for.
    fn turn(&mut self, second: u64, dice: &mut Dice, depth: f32, rest: u32) {
        match self.state {
            State::Seated => {
                let up = self.gets_up.is_some_and(|at| second >= u64::from(at));
                if up || self.restless {
                    self.gets_up = self.gets_up.filter(|_| !up);
                    let stay = if up { rest } else { dice.seconds(60, 600) };
                    let outside = dice.place_near(outwards(self.seat, depth), 15.0);
                    self.walker.go(outside, dice.walking_speed(), stay);
                    self.state = State::Out;
                }
            }
            State::Out => {
                let stay = if self.restless { dice.seconds(120, 1200) } else { 0 };
                self.walker.go(self.seat, dice.walking_speed(), stay);
                self.state = State::Seated;
            }
            State::ToGate => {
                let at = self.walker.at;
                let away = 1.0 + OUTSIDE / (at.0 * at.0 + at.1 * at.1).sqrt().max(1.0);
                self.walker.go((at.0 * away, at.1 * away), dice.walking_speed(), 0);
                self.state = State::Away;
            }
            State::Away => self.state = State::Gone,
            State::Gone => {}
        }
    }
}

/// The place behind the last row, straight out from a seat.
fn outwards(seat: Place, depth: f32) -> Place {
    let far = (seat.0.abs() / (HALF_LENGTH + depth)).max(seat.1.abs() / (HALF_WIDTH + depth)).max(0.01);
    (seat.0 / far, seat.1 / far)
}

fn nearest(places: &[Place], from: Place) -> Place {
    let away = |place: &Place| {
        let (east, north) = (place.0 - from.0, place.1 - from.1);
        east * east + north * north
    };
    places.iter().copied().min_by(|one, other| away(one).total_cmp(&away(other))).unwrap_or(from)
}
