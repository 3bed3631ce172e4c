//! Where everybody is, and who is within reach of whom.

use super::Place;
use crate::Meeting;

/// No more cells than this many per node, or [`FEWEST_CELLS`]: a grid over a wide country stays small.
const CELLS_PER_NODE: usize = 8;

/// A grid may have so many cells however few nodes there are.
const FEWEST_CELLS: usize = 1 << 10;

/// Where somebody is who is not there at all.
const AWAY: Place = (f32::NAN, f32::NAN);

/// Everybody's place, and everybody's neighbours within a radius. Only those who moved are looked at anew, in a
/// uniform grid.
#[derive(Clone, Debug)]
pub struct Crowd {
    radius: f32,
    places: Vec<Place>,
    moved: Vec<u32>,
    is_moved: Vec<bool>,
    /// For each node, who is within reach, in ascending order.
    neighbours: Vec<Vec<u32>>,
    grid: Grid,
}

/// Nodes sorted into square cells, row after row, so that three cells side by side are one slice.
#[derive(Clone, Debug, Default)]
struct Grid {
    corner: Place,
    cell: f32,
    columns: usize,
    rows: usize,
    /// Where each cell begins in `nodes`.
    first: Vec<u32>,
    nodes: Vec<(Place, u32)>,
    /// The cell of each node; `u32::MAX` for those who are away.
    cell_of: Vec<u32>,
}

impl Crowd {
    /// `nodes` nodes that are nowhere yet; two are within reach at `radius` metres and less.
    #[must_use]
    pub fn new(nodes: u32, radius: f32) -> Self {
        let count = nodes as usize;
        Self {
            radius: radius.max(0.001),
            places: vec![AWAY; count],
            moved: Vec::new(),
            is_moved: vec![false; count],
            neighbours: vec![Vec::new(); count],
            grid: Grid::default(),
        }
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> u32 {
        self.places.len() as u32
    }

    /// Where a node is; `None` while it is away.
    #[must_use]
    pub fn place(&self, node: u32) -> Option<Place> {
        self.places.get(node as usize).copied().filter(|place| !place.0.is_nan())
    }

    /// Who is within reach of a node, in ascending order, as of the last look around.
    #[must_use]
    pub fn neighbours(&self, node: u32) -> &[u32] {
        &self.neighbours[node as usize]
    }

    /// Puts a node somewhere.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn put(&mut self, node: u32, place: Place) {
        if self.places[node as usize] != place {
            self.places[node as usize] = place;
            self.note(node);
        }
    }

    /// Takes a node away, out of everybody's reach, until it is put somewhere again.
    ///
    /// # Panics
    /// When there is no such node.
    pub fn take_away(&mut self, node: u32) {
        if !self.places[node as usize].0.is_nan() {
            self.places[node as usize] = AWAY;
            self.note(node);
        }
    }

    /// Who has come and who has left since the last look around, ordered by pair; `at` is the time that the
    /// meetings tell.
    pub fn look_around(&mut self, at: u64) -> Vec<Meeting> {
        if self.moved.is_empty() {
            return Vec::new();
        }
        self.grid.fill(&self.places, self.radius);
        let moved = core::mem::take(&mut self.moved);
        let mut meetings = Vec::new();
        let mut found = Vec::new();
        for node in &moved {
            self.is_moved[*node as usize] = false;
            self.grid.near(*node, &self.places, self.radius, &mut found);
            found.sort_unstable();
            if found != self.neighbours[*node as usize] {
                self.meet(at, *node, &found, &mut meetings);
            }
        }
        self.moved = moved;
        self.moved.clear();
        meetings.sort_unstable_by_key(|meeting| (meeting.near, meeting.a, meeting.b));
        meetings
    }

    fn note(&mut self, node: u32) {
        if !self.is_moved[node as usize] {
            self.is_moved[node as usize] = true;
            self.moved.push(node);
        }
    }

    /// Makes `found` the neighbours of `node`, on both sides, and tells the difference.
    fn meet(&mut self, at: u64, node: u32, found: &[u32], meetings: &mut Vec<Meeting>) {
        let before = core::mem::replace(&mut self.neighbours[node as usize], found.to_vec());
        for other in before.iter().filter(|other| found.binary_search(other).is_err()) {
            let back = &mut self.neighbours[*other as usize];
            if let Ok(place) = back.binary_search(&node) {
                back.remove(place);
            }
            meetings.push(self.meeting(at, node, *other, false));
        }
        for other in found.iter().filter(|other| before.binary_search(other).is_err()) {
            let back = &mut self.neighbours[*other as usize];
            if let Err(place) = back.binary_search(&node) {
                back.insert(place, node);
            }
            meetings.push(self.meeting(at, node, *other, true));
        }
    }

    fn meeting(&self, at: u64, one: u32, other: u32, near: bool) -> Meeting {
        let metres = self.place(one).zip(self.place(other)).map(|(one, other)| squared(one, other).sqrt());
        Meeting { at, a: one.min(other), b: one.max(other), near, metres }
    }
}

impl Grid {
    fn fill(&mut self, places: &[Place], radius: f32) {
        self.measure(places, radius);
        self.first.clear();
        self.first.resize(self.columns * self.rows + 1, 0);
        self.cell_of.clear();
        for place in places {
            let cell = if place.0.is_nan() { u32::MAX } else { self.cell_at(*place) as u32 };
            self.cell_of.push(cell);
            if cell < u32::MAX {
                self.first[cell as usize + 1] += 1;
            }
        }
        for cell in 1..self.first.len() {
            self.first[cell] += self.first[cell - 1];
        }
        let here = self.first.last().copied().unwrap_or(0) as usize;
        self.nodes.clear();
        self.nodes.resize(here, ((0.0, 0.0), 0));
        // Each cell is filled from its end, which leaves the ends where the beginnings belong.
        for (node, place) in places.iter().enumerate().rev() {
            let cell = self.cell_of[node];
            if cell < u32::MAX {
                let end = &mut self.first[cell as usize + 1];
                *end -= 1;
                self.nodes[*end as usize] = (*place, node as u32);
            }
        }
        self.first.remove(0);
        self.first.push(here as u32);
    }

    /// Lays the grid over all who are there.
    fn measure(&mut self, places: &[Place], radius: f32) {
        let (mut low, mut high) = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
        for (x, y) in places.iter().copied().filter(|place| !place.0.is_nan()) {
            (low.0, low.1) = (low.0.min(x), low.1.min(y));
            (high.0, high.1) = (high.0.max(x), high.1.max(y));
        }
        if low.0 > high.0 {
            (low, high) = ((0.0, 0.0), (0.0, 0.0));
        }
        let most = (places.len() * CELLS_PER_NODE).max(FEWEST_CELLS) as f32;
        let (width, height) = (high.0 - low.0, high.1 - low.1);
        let long = width.max(height) / most;
        self.cell = radius.max((width * height / most).sqrt()).max(long);
        self.corner = low;
        self.columns = (width / self.cell) as usize + 1;
        self.rows = (height / self.cell) as usize + 1;
    }

    fn cell_at(&self, place: Place) -> usize {
        let column = ((place.0 - self.corner.0) / self.cell) as usize;
        let row = ((place.1 - self.corner.1) / self.cell) as usize;
        row.min(self.rows - 1) * self.columns + column.min(self.columns - 1)
    }

    /// Everybody within `radius` of a node.
    fn near(&self, node: u32, places: &[Place], radius: f32, found: &mut Vec<u32>) {
        found.clear();
        let cell = self.cell_of[node as usize];
        if cell == u32::MAX {
            return;
        }
        let place = places[node as usize];
        let (row, column) = (cell as usize / self.columns, cell as usize % self.columns);
        let (left, right) = (column.saturating_sub(1), (column + 1).min(self.columns - 1));
        for row in row.saturating_sub(1)..=(row + 1).min(self.rows - 1) {
            let from = self.first[row * self.columns + left] as usize;
            let to = self.first[row * self.columns + right + 1] as usize;
            for (other_place, other) in &self.nodes[from..to] {
                if squared(place, *other_place) <= radius * radius && *other != node {
                    found.push(*other);
                }
            }
        }
    }
}

fn squared(one: Place, other: Place) -> f32 {
    let (east, north) = (one.0 - other.0, one.1 - other.1);
    east * east + north * north
}
