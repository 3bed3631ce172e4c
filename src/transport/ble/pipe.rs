//! A reliable pipe over values that may be lost, doubled, overtaken or meant for others (PROTOCOL.md section 14.3).
//!
//! No I/O: values go in by [`Pipe::on_value`] and come out of [`Pipe::poll_value`], messages the other way. Time is an
//! argument. A message of 100 bytes costs 8 more where it has a value of its own: the header and its length.

use super::receive::{Broken, GREETING, Inbound, Message, Taken, VERSION};
use super::transmit::{Counts, Outbound};
use super::value::{Body, Value};
use mesh_core::Lane;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an acknowledgement that nobody asked for waits to travel with something else.
const ACK_DELAY: Duration = Duration::from_millis(100);
/// After so many pieces it goes without being asked for.
const MAX_OWED: u32 = 32;
/// The smallest value that every radio carries, used until the far end told its own limit.
const LEAST_ROOM: usize = super::radio::MIN_VALUE;

/// What a value was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Of this pipe.
    Ours,
    /// Of another pipe, or none at all.
    Foreign,
    /// The far end knows no such pipe.
    Reset,
    /// The far end begins another pipe: this one is gone.
    Anew,
}

/// A value to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    /// Whether a piece is sent again: the radio may make sure of it.
    pub(super) again: bool,
}

/// Figures of a pipe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Bytes a value has at most.
    pub(super) room: usize,
    /// Pieces sent for the first time.
    pub(super) sent: u64,
    /// Pieces sent again.
    pub(super) again: u64,
    /// Pieces taken.
    pub(super) taken: u64,
    /// Pieces that came twice.
    pub(super) doubled: u64,
    /// Values of others, and what is no value.
    pub(super) foreign: u64,
    /// Bytes of bulk that may be in flight.
    pub(super) window: u32,
    /// The smoothed round trip.
    pub(super) round_trip: Option<Duration>,
}

/// The names of the pipes that the listening ends of one radio have: at most one each.
///
/// What one of them sends may reach the far ends of all others. So none takes, or resets, a name that another has.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(Arc<Mutex<BTreeSet<u16>>>);

impl Names {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<u16>> {
        // Nothing panics between two states of the set.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the name was free, and now is not.
    fn take(&self, name: u16) -> bool {
        self.lock().insert(name)
    }

    fn is_taken(&self, name: u16) -> bool {
        self.lock().contains(&name)
    }

    fn free(&self, name: u16) {
        self.lock().remove(&name);
    }
}

/// One end of a pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    /// `None` at the listening end before the first value.
    link: Option<u16>,
    /// What else listens on the same radio.
    names: Names,
    is_dialer: bool,
    /// Anything of this pipe was heard.
    met: bool,
    largest: usize,
    inbound: Inbound,
    outbound: Outbound,
    /// Pieces taken and not acknowledged.
    owed: u32,
    ack_at: Option<Instant>,
    /// An acknowledgement was asked for with this piece, which waits for those before it.
    asked: Option<u64>,
    /// Somebody whose pipe is not known here is to be told so.
    reset: Option<u16>,
    foreign: u64,
    doubled: u64,
}

impl Pipe {
    /// The end that opens a pipe and names it. `largest` is the longest value its radio carries.
    pub(super) fn dial(now: Instant, link: u16, largest: usize) -> Self {
        Self::new(now, Some(link), Names::default(), largest)
    }

    /// The end that waits for the first value. `names`: those of all that listen on the same radio.
    pub(super) fn listen(now: Instant, names: Names, largest: usize) -> Self {
        Self::new(now, None, names, largest)
    }

    fn new(now: Instant, link: Option<u16>, names: Names, largest: usize) -> Self {
        let mut outbound = Outbound::new(now, LEAST_ROOM);
        let [low, high] = u16::try_from(largest).unwrap_or(u16::MAX).to_le_bytes();
        let greeting: [u8; GREETING] = [VERSION, low, high];
        outbound.put(Lane::Control, &greeting);
        Self {
            link,
            names,
            is_dialer: link.is_some(),
            met: false,
            largest,
            inbound: Inbound::default(),
            outbound,
            owed: 0,
            ack_at: None,
            asked: None,
            reset: None,
            foreign: 0,
            doubled: 0,
        }
    }

    /// Whether the far end said anything that belongs to this pipe.
    pub(super) fn has_met(&self) -> bool {
        self.met
    }

    /// Queues a message. How much waits is the caller's to bound, by [`Pipe::waiting`].
    pub(super) fn send(&mut self, lane: Lane, notice: bool, bytes: &[u8]) {
        self.outbound.message(lane, notice, bytes);
    }

    /// Bytes of a lane that were never sent.
    pub(super) fn waiting(&self, lane: Lane) -> usize {
        self.outbound.waiting(lane)
    }

    /// Bytes of bulk in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.outbound.window().in_flight()
    }

    /// Bytes of bulk that may be in flight.
    pub(super) fn window(&self) -> u32 {
        self.outbound.window().size()
    }

    /// Whether everything was sent and acknowledged.
    pub(super) fn is_done(&self) -> bool {
        self.outbound.is_done()
    }

    /// How long something has been in flight without any acknowledgement.
    pub(super) fn stalled(&self, now: Instant) -> Duration {
        self.outbound.stalled(now)
    }

    pub(super) fn figures(&self) -> Figures {
        let Counts { sent, again } = self.outbound.counts();
        Figures {
            room: self.room(),
            sent,
            again,
            taken: self.inbound.next(),
            doubled: self.doubled,
            foreign: self.foreign,
            window: self.window(),
            round_trip: self.outbound.round_trip(),
        }
    }

    /// A value came. Whole messages are then had from [`Pipe::poll_message`].
    pub(super) fn on_value(&mut self, now: Instant, bytes: &[u8]) -> Result<Heard, Broken> {
        let Ok(value) = Value::decode(bytes) else {
            self.foreign += 1;
            return Ok(Heard::Foreign);
        };
        if self.link != Some(value.link) {
            let heard = self.on_stranger(&value);
            if heard != Heard::Ours {
                self.foreign += 1;
                return Ok(heard);
            }
        }
        if value.body == Body::Reset {
            return Ok(Heard::Reset);
        }
        self.met = true;
        let held = if let Body::Bare { held } = value.body { held } else { 0 };
        self.outbound.on_ack(now, value.ack, held)?;
        if let Body::Piece { lane, bytes } = value.body {
            self.on_piece(now, value.seq, lane, bytes, value.ask)?;
        }
        Ok(Heard::Ours)
    }

    /// A value that does not bear this pipe's name.
    fn on_stranger(&mut self, value: &Value<'_>) -> Heard {
        if self.is_dialer || value.body == Body::Reset {
            return Heard::Foreign;
        }
        match self.link {
            None if value.open && self.names.take(value.link) => {
                self.link = Some(value.link);
                Heard::Ours
            }
            // Another's: whatever were said about it here would reach the far end of that one.
            _ if self.names.is_taken(value.link) => Heard::Foreign,
            Some(_) if value.open => Heard::Anew,
            _ => {
                self.reset = Some(value.link);
                Heard::Foreign
            }
        }
    }

    fn on_piece(
        &mut self,
        now: Instant,
        seq: u16,
        lane: Lane,
        bytes: &[u8],
        ask: bool,
    ) -> Result<(), Broken> {
        let place = self.inbound.next() + u64::from(seq.wrapping_sub(self.inbound.next() as u16));
        let taken = self.inbound.take(seq, lane, bytes)?;
        if let Some(theirs) = self.inbound.largest() {
            self.outbound.greeted(theirs.min(self.largest));
        }
        self.doubled += u64::from(taken == Taken::Again);
        if taken == Taken::Far {
            self.foreign += 1;
            return Ok(());
        }
        self.owed += 1;
        if ask && taken == Taken::Early {
            // The answer now says little; without one when the gap is filled the sender stands still until the timer.
            self.asked = self.asked.max(Some(place));
        }
        let filled = self.asked.take_if(|asked| *asked < self.inbound.next()).is_some();
        let at_once = ask || filled || taken == Taken::Again || self.owed >= MAX_OWED;
        let at = if at_once { now } else { now + ACK_DELAY };
        self.ack_at = Some(self.ack_at.map_or(at, |before| before.min(at)));
        Ok(())
    }

    /// The next whole message.
    pub(super) fn poll_message(&mut self) -> Option<Message> {
        self.inbound.pop()
    }

    /// Whether [`Pipe::poll_value`] has a value now.
    pub(super) fn is_ready(&mut self, now: Instant) -> bool {
        if self.link.is_none() {
            return self.reset.is_some();
        }
        self.reset.is_some() || self.is_ack_due(now) || self.outbound.is_ready(now)
    }

    /// The next value to send now. What was received counts as taken from here on, since it is acknowledged.
    pub(super) fn poll_value(&mut self, now: Instant) -> Option<Outgoing> {
        if let Some(link) = self.reset.take() {
            let reset = Value { link, seq: 0, ack: 0, open: false, ask: false, body: Body::Reset };
            return Some(Outgoing { bytes: reset.encode(), again: false });
        }
        let link = self.link?;
        let (ack, held) = (self.inbound.next() as u16, self.inbound.held());
        let open = self.is_dialer && !self.met;
        if let Some(piece) = self.outbound.poll(now) {
            let body = Body::Piece { lane: piece.lane, bytes: piece.bytes };
            let value = Value { link, seq: piece.seq as u16, ack, open, ask: piece.ask, body };
            let outgoing = Outgoing { bytes: value.encode(), again: piece.again };
            // What is held beyond a gap only a bare value can tell.
            if held == 0 {
                self.acknowledged();
            }
            return Some(outgoing);
        }
        if !self.is_ack_due(now) {
            return None;
        }
        self.acknowledged();
        let seq = self.outbound.next() as u16;
        let bare = Value { link, seq, ack, open, ask: false, body: Body::Bare { held } };
        Some(Outgoing { bytes: bare.encode(), again: false })
    }

    /// When something becomes due that is not yet.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.outbound.next_due().into_iter().chain(self.ack_at).min()
    }

    fn is_ack_due(&self, now: Instant) -> bool {
        self.ack_at.is_some_and(|at| at <= now)
    }

    fn acknowledged(&mut self) {
        (self.owed, self.ack_at) = (0, None);
    }

    fn room(&self) -> usize {
        self.inbound.largest().map_or(LEAST_ROOM, |theirs| theirs.min(self.largest))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        if let Some(link) = self.link.filter(|_| !self.is_dialer) {
            self.names.free(link);
        }
    }
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;
