//! One person on the way: from goal to goal in straight lines, with rests.

use super::Place;

/// Somebody who walks to a goal, and rests there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walker {
    pub(super) at: Place,
    goal: Place,
    speed: f32,
    rest: u32,
}

/// What a second brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stride {
    /// On the way, or resting.
    Going,
    /// The goal is reached and the rest is over: a new goal is needed.
    Idle,
}

impl Walker {
    /// Somebody who stands, and rests for so many seconds.
    pub(super) fn standing(at: Place, rest: u32) -> Self {
        Self { at, goal: at, speed: 0.0, rest }
    }

    /// Sets out to `goal` with `speed` metres per second, to rest there for `rest` seconds.
    pub(super) fn go(&mut self, goal: Place, speed: f32, rest: u32) {
        (self.goal, self.speed, self.rest) = (goal, speed, rest);
    }

    /// Walks or rests for one second.
    pub(super) fn stride(&mut self) -> Stride {
        if self.at != self.goal {
            self.walk();
            return Stride::Going;
        }
        if self.rest > 0 {
            self.rest -= 1;
            return Stride::Going;
        }
        Stride::Idle
    }

    fn walk(&mut self) {
        let (east, north) = (self.goal.0 - self.at.0, self.goal.1 - self.at.1);
        let left = (east * east + north * north).sqrt();
        if left <= self.speed {
            self.at = self.goal;
            return;
        }
        let share = self.speed / left;
        let next = (self.at.0 + east * share, self.at.1 + north * share);
        // Where a step is too small for a single to hold, the goal is as good as reached.
        self.at = if next == self.at { self.goal } else { next };
    }
}
