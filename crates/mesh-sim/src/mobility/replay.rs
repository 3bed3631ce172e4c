//! Recorded contacts, told again.

use std::collections::BTreeMap;

use crate::trace::{Trace, union};
use crate::{Contact, Meeting, Mobility};

/// Tells the contacts of a trace as meetings. Contacts of one pair that touch or overlap are told as one: a
/// link does not break because a sensor counted anew.
#[derive(Clone, Debug)]
pub struct TraceReplay {
    nodes: u32,
    /// Sorted; those who leave at an instant stand before those who come.
    meetings: Vec<(u64, bool, u32, u32)>,
    told: usize,
}

impl TraceReplay {
    /// The contacts of a trace; for The ONE's events take [`OneEvents::trace`](crate::OneEvents::trace).
    #[must_use]
    pub fn new(trace: &Trace) -> Self {
        Self::over(trace.nodes, &trace.contacts)
    }

    /// These contacts among `nodes` nodes.
    #[must_use]
    pub fn over(nodes: u32, contacts: &[Contact]) -> Self {
        let mut pairs: BTreeMap<(u32, u32), Vec<(u64, u64)>> = BTreeMap::new();
        for contact in contacts {
            pairs.entry((contact.a, contact.b)).or_default().push((contact.start, contact.end));
        }
        let mut meetings = Vec::with_capacity(2 * contacts.len());
        for ((a, b), spans) in pairs {
            for (start, end) in union(spans) {
                meetings.extend([(start, true, a, b), (end, false, a, b)]);
            }
        }
        meetings.sort_unstable();
        Self { nodes, meetings, told: 0 }
    }
}

impl Mobility for TraceReplay {
    fn nodes(&self) -> u32 {
        self.nodes
    }

    fn next_meeting(&mut self) -> Option<Meeting> {
        let (at, near, a, b) = *self.meetings.get(self.told)?;
        self.told += 1;
        Some(Meeting { at, a, b, near, metres: None })
    }
}
