//! A train: people close together, and others at every stop.

use serde::Deserialize;

use super::movement::{Impossible, between, count, share, span};
use super::{Crowd, Dice, Motion, Place};
use crate::Span;

/// A carriage's length, in metres.
const LENGTH: f32 = 26.0;

/// A carriage's width, in metres.
const WIDTH: f32 = 2.8;

/// Carriages full of people who sit or stand. At every stop some get out, never to be met again, and others take
/// their places; in between, some walk to another carriage.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// How many carriages there are. Default 1.
    pub carriages: u32,
    /// The share of all people who are aboard at a time. Default 0.5.
    pub aboard: f32,
    /// From one stop to the next: 10 s to 1 d. Default 6 min.
    pub stop_every: Span,
    /// The share of those aboard who get out at a stop. Default 0.15.
    pub get_out: f32,
    /// The share of those aboard who change their place between two stops. Default 0.05.
    pub change: f32,
}

impl Default for Train {
    fn default() -> Self {
        Self { carriages: 1, aboard: 0.5, stop_every: Span::minutes(6), get_out: 0.15, change: 0.05 }
    }
}

impl Train {
    pub(super) fn check(&self) -> Result<(), Impossible> {
        count("carriages", self.carriages, 1, 100)?;
        between("aboard", self.aboard, 0.001, 1.0)?;
        span("stop_every", self.stop_every, Span::seconds(10), Span::minutes(24 * 60))?;
        share("get_out", self.get_out)?;
        share("change", self.change)
    }

    pub(super) fn motion(&self, nodes: u32, seed: u64) -> Box<dyn Motion> {
        let mut dice = Dice::new(seed, "train");
        let mut order: Vec<u32> = (0..nodes).collect();
        dice.shuffle(&mut order);
        let waiting = order.split_off(((nodes as f32 * self.aboard) as usize).max(1).min(order.len()));
        Box::new(Line { parameters: self.clone(), dice, aboard: order, waiting })
    }
}

struct Line {
    parameters: Train,
    dice: Dice,
    aboard: Vec<u32>,
    /// Those who are not aboard, the next to board last.
    waiting: Vec<u32>,
}

impl Motion for Line {
    fn step(&mut self, second: u64, crowd: &mut Crowd) {
        let every = u64::from(self.parameters.stop_every.whole_seconds());
        if second == 0 {
            for node in &self.aboard {
                crowd.put(*node, seat(&self.parameters, &mut self.dice));
            }
        } else if second.is_multiple_of(every) {
            self.stop(crowd);
        } else if second % every == every / 2 {
            self.change_places(crowd);
        }
    }
}

impl Line {
    fn stop(&mut self, crowd: &mut Crowd) {
        let Self { parameters, dice, aboard, waiting } = self;
        let mut left = Vec::new();
        aboard.retain(|node| {
            let stays = !dice.chance(parameters.get_out);
            if !stays {
                left.push(*node);
            }
            stays
        });
        for node in &left {
            crowd.take_away(*node);
            // Those who get out leave a place to somebody who has waited.
            if let Some(next) = waiting.pop() {
                crowd.put(next, seat(parameters, dice));
                aboard.push(next);
            }
        }
        // They come back another day, if at all.
        waiting.splice(0..0, left);
    }

    fn change_places(&mut self, crowd: &mut Crowd) {
        let Self { parameters, dice, aboard, .. } = self;
        for node in aboard.iter() {
            if !dice.chance(parameters.change) {
                continue;
            }
            let x = dice.between(0.0, LENGTH * parameters.carriages as f32);
            crowd.put(*node, (x, WIDTH / 2.0));
        }
    }
}

fn seat(train: &Train, dice: &mut Dice) -> Place {
    dice.place(LENGTH * train.carriages as f32, WIDTH)
}
