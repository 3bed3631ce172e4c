//! How people move: recorded and invented.
//!
//! [`TraceReplay`] tells recorded contacts again. A [`Movement`] is what a scenario file says under `[movement.KIND]`:
//! a plain struct for each kind, with the numbers of the project's survey as its defaults. [`Waypoint`], [`Stadium`],
//! [`Festival`], [`City`], [`Evacuation`], [`Train`] and [`Villages`] are walked in steps of one second by [`Walking`],
//! which finds out who is within reach of whom; [`Groups`] know no places, only who meets whom ([`Gatherings`]).
//! Who meets follows from the seed alone: places that count come from no function whose result differs between
//! machines (no sine, no logarithm), so that the same seed is the same walk everywhere.
//!
//! Movements of one's own implement [`Motion`] (places, second by second) or [`Mobility`] (meetings).

mod city;
mod crowd;
mod dice;
mod evacuation;
mod festival;
mod groups;
mod movement;
mod replay;
mod stadium;
#[cfg(test)]
mod tests;
mod train;
mod villages;
mod walker;
mod walking;
mod waypoint;

use std::collections::BTreeMap;

pub use city::City;
pub use crowd::Crowd;
pub use evacuation::Evacuation;
pub use festival::Festival;
pub use groups::{Gatherings, Groups, Split};
pub use movement::{Impossible, Movement, TraceFile};
pub use replay::TraceReplay;
pub use stadium::Stadium;
pub use train::Train;
pub use villages::Villages;
pub use walking::{Motion, Walking};
pub use waypoint::Waypoint;

pub(crate) use dice::Dice;
pub(crate) use movement::count;

use crate::{Contact, Mobility};

/// A place, in metres east and north.
pub type Place = (f32, f32);

/// The contacts of a movement up to `until` milliseconds, in the order of their beginning: what the oracle and
/// a written trace need. Those that last longer are cut at `until`.
pub fn contacts(mobility: &mut dyn Mobility, until: u64) -> Vec<Contact> {
    let mut open: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    let mut contacts = Vec::new();
    while let Some(meeting) = mobility.next_meeting().filter(|meeting| meeting.at < until) {
        let (a, b) = (meeting.a, meeting.b);
        if meeting.near {
            open.entry((a, b)).or_insert(meeting.at);
        } else if let Some(start) = open.remove(&(a, b)).filter(|start| *start < meeting.at) {
            contacts.push(Contact { start, end: meeting.at, a, b });
        }
    }
    contacts.extend(open.into_iter().map(|((a, b), start)| Contact { start, end: until, a, b }));
    contacts.sort_unstable();
    contacts
}
