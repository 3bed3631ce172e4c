//! The semantics of The ONE simulator, as a protocol world of its own.
//!
//! The ONE (Keranen, Ott, Karkkainen: *The ONE simulator for DTN protocol evaluation*, SIMUTools 2009) is what
//! researchers of delay-tolerant networks trust. Replaying its own recorded runs under its own rules, with its
//! routers, must give its own figures; this proves the contacts, the clock and the bookkeeping of this crate
//! against it. The rules:
//!
//! - Time goes in ticks of one second; after every event, and at every tick, all hosts are updated in random order.
//! - A host takes part in at most one transfer at a time. A transfer lasts `size / rate`; it starts and
//!   finishes when its sender is updated. One whose time has not passed when the contact ends is aborted.
//! - A host that is updated first hands over messages to those of its neighbours for whom they are, in random
//!   order; then asks its neighbours for messages to itself; then offers whatever its router allows, neighbour
//!   after neighbour, in random order.
//! - The receiver refuses what it has, what was delivered to it, what has less than a minute to live (unless it
//!   is for itself), and what is larger than its buffer. Room is made by dropping the message received longest
//!   ago that is not being sent.
//! - Every 60 s a host that sends nothing drops the messages that have less than a minute to live.
//! - Relays and senders keep their copies after delivery.
//!
//! [`replay`] takes a recorded run, [`walk`] takes people who move.

mod bits;
mod host;
mod outcome;
mod run;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use outcome::OneOutcome;

use crate::trace::{OneEvent, OneEvents, OneHappening};
use crate::{Audience, Draft, Mobility};

/// Which messages a host offers to a neighbour for whom they are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OneRouter {
    /// All that the neighbour does not have.
    Epidemic,
    /// Those of which the host has more than one copy left; a hand-over gives away half of them, rounded down
    /// (binary Spray-and-Wait).
    Spray {
        /// Copies that a new message has.
        copies: u8,
    },
}

/// What a run under The ONE's rules is made with; the defaults are those of the recorded run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OneSettings {
    /// The router. Default epidemic.
    pub router: OneRouter,
    /// Decides the random order of hosts and messages. Default 1.
    pub seed: u64,
    /// Bytes per second of a transfer. Default 250,000.
    pub rate: u64,
    /// What a host can carry, in bytes. Default 5,000,000.
    pub buffer: u64,
    /// How long messages live, in seconds. Default 18,000.
    pub ttl_s: u64,
}

impl Default for OneSettings {
    fn default() -> Self {
        Self { router: OneRouter::Epidemic, seed: 1, rate: 250_000, buffer: 5_000_000, ttl_s: 18_000 }
    }
}

/// Replays a recorded run up to its last event: its contacts and its messages.
#[must_use]
pub fn replay(events: &OneEvents, settings: &OneSettings) -> OneOutcome {
    let creations = events.events.iter().filter_map(|event| match event.what {
        OneHappening::Create { from, to, bytes, .. } => Some(run::Message { at: event.at, from, to, bytes }),
        OneHappening::Connection { .. } => None,
    });
    let mut run = run::Run::new(events.nodes, creations.collect(), settings);
    for event in &events.events {
        run.happen(*event);
    }
    run.finish(events.end())
}

/// Lets people move for so many seconds and write to one another; drafts to more than one person are left out.
///
/// Contacts change at ticks, so that all of one tick are told before the hosts are updated, as The ONE does it
/// where it moves the hosts itself.
///
/// # Panics
/// When a draft names a node that does not exist.
#[must_use]
pub fn walk(
    mobility: &mut dyn Mobility,
    drafts: &[Draft],
    seconds: u64,
    settings: &OneSettings,
) -> OneOutcome {
    let mut messages: Vec<run::Message> = drafts.iter().filter_map(message).collect();
    messages.sort_by_key(|message| message.at);
    let creations: Vec<OneEvent> =
        (0..).zip(&messages).map(|(number, message)| message.event(number)).collect();
    let mut run = run::Run::new(mobility.nodes(), messages, settings);
    let mut creations = creations.into_iter().peekable();
    let mut next = mobility.next_meeting();
    for second in 1..=seconds {
        let now = second * 1000;
        while let Some(event) = creations.next_if(|event| event.at <= now) {
            run.happen(event);
        }
        run.tick_to(now - 1);
        while let Some(meeting) = next.filter(|meeting| meeting.at <= now) {
            run.connect(now, meeting.a, meeting.b, meeting.near);
            next = mobility.next_meeting();
        }
        run.tick_to(now);
    }
    run.finish(seconds * 1000)
}

fn message(draft: &Draft) -> Option<run::Message> {
    let Audience::One(to) = draft.to else { return None };
    Some(run::Message { at: draft.at, from: draft.from, to, bytes: draft.bytes })
}
