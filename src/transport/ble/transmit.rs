//! From messages to values: two streams of which control goes first, a window on bulk, and repetition of what was not
//! acknowledged (PROTOCOL.md section 14.3). Time is an argument.

use super::receive::{Broken, MAX_MESSAGE};
use super::value::{HEADER, MAX_WINDOW};
use crate::transport::window::{Bounds, Window};
use mesh_core::Lane;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Values in flight beyond which bulk waits: the rest is for control.
const MAX_BULK: usize = MAX_WINDOW - 8;
/// Values in flight at which a pipe begins: what both ends may send before they know anything of the radio.
const FIRST_WINDOW: u32 = 16;
/// Values of the smallest window: one on the air while the other is acknowledged.
const LEAST_WINDOW: u32 = 2;
/// The queue that bulk may make in front of a control frame: values that overtake one another are acknowledged late, and
/// a shorter one leaves the air idle meanwhile.
const TARGET: Duration = Duration::from_millis(150);
/// The shortest wait for an acknowledgement: connection intervals alone may be half of it.
const LEAST_WAIT: Duration = Duration::from_millis(500);
/// The first wait, while nothing is known of the round trip.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait, on slow radios.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait that comes of doublings. What is lost here is lost to bad air, which longer waits do not mend, and hardly
/// to a queue: the window keeps that short.
const LONGEST_DOUBLED: Duration = Duration::from_secs(1);
/// After so many values one asks for an acknowledgement, whatever its lane.
const ASK_AFTER: u32 = 16;

/// A piece on its way.
#[derive(Debug)]
struct Flying {
    lane: Lane,
    bytes: Vec<u8>,
    /// Of the whole value, as the window counts.
    length: u32,
    sent: Instant,
    due: Instant,
    tries: u32,
    /// The far end has it already, though not those before it.
    held: bool,
}

/// A piece to be sent now.
#[derive(Debug)]
pub(super) struct Piece<'a> {
    pub(super) seq: u64,
    pub(super) lane: Lane,
    pub(super) bytes: &'a [u8],
    /// Whether an acknowledgement is wanted.
    pub(super) ask: bool,
    /// Whether it was sent before.
    pub(super) again: bool,
}

/// Figures of the sending half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Pieces sent for the first time.
    pub(super) sent: u64,
    /// Pieces sent again.
    pub(super) again: u64,
}

/// The sending half of a pipe.
#[derive(Debug)]
pub(super) struct Outbound {
    next: u64,
    acked: u64,
    /// Bytes of a value.
    room: usize,
    /// Whether the far end told what it takes: bulk waits for that.
    greeted: bool,
    streams: [VecDeque<u8>; 2],
    flying: BTreeMap<u64, Flying>,
    window: Window,
    round_trip: RoundTrip,
    /// Since a piece asked for an acknowledgement: pieces, and bytes of bulk.
    unasked: (u32, u32),
    progress: Instant,
    counts: Counts,
}

impl Outbound {
    /// Begins with values of `room` bytes.
    pub(super) fn new(now: Instant, room: usize) -> Self {
        Self {
            next: 0,
            acked: 0,
            room,
            greeted: false,
            streams: [VecDeque::new(), VecDeque::new()],
            flying: BTreeMap::new(),
            window: window(room),
            round_trip: RoundTrip::default(),
            unasked: (0, 0),
            progress: now,
            counts: Counts::default(),
        }
    }

    /// The far end greeted: values have so many bytes from now on, and bulk may go.
    pub(super) fn greeted(&mut self, room: usize) {
        if !self.greeted {
            (self.greeted, self.room, self.window) = (true, room, window(room));
        }
    }

    /// Appends bytes to a stream as they are.
    pub(super) fn put(&mut self, lane: Lane, bytes: &[u8]) {
        self.streams[lane as usize].extend(bytes);
    }

    /// Appends a message to a stream, marked where it is no frame.
    pub(super) fn message(&mut self, lane: Lane, notice: bool, bytes: &[u8]) {
        debug_assert!(
            !bytes.is_empty() && bytes.len() <= MAX_MESSAGE,
            "sealed messages are within the limit"
        );
        let stream = &mut self.streams[lane as usize];
        if notice {
            stream.push_back(0);
        }
        let mut length = bytes.len();
        while length >= 0x80 {
            stream.push_back(length as u8 | 0x80);
            length >>= 7;
        }
        stream.push_back(length as u8);
        stream.extend(bytes);
    }

    /// Bytes of a stream that were never sent.
    pub(super) fn waiting(&self, lane: Lane) -> usize {
        self.streams[lane as usize].len()
    }

    /// Whether everything was sent and acknowledged.
    pub(super) fn is_done(&self) -> bool {
        self.flying.is_empty() && self.streams.iter().all(VecDeque::is_empty)
    }

    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.smooth
    }

    /// How long something has been in flight without any acknowledgement.
    pub(super) fn stalled(&self, now: Instant) -> Duration {
        if self.flying.is_empty() { Duration::ZERO } else { now.saturating_duration_since(self.progress) }
    }

    /// The sequence number of the next new piece.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The far end waits for the piece `ack`, and tells of some beyond it.
    pub(super) fn on_ack(&mut self, now: Instant, ack: u16, held: u64) -> Result<(), Broken> {
        let ahead = ack.wrapping_sub(self.acked as u16);
        if usize::from(ahead) > MAX_WINDOW {
            // An acknowledgement that was overtaken by a later one; a false one does no more than waste its bytes.
            return Ok(());
        }
        let acked = self.acked + u64::from(ahead);
        if acked > self.next {
            return Err(Broken::Acked { got: acked, sent: self.next });
        }
        if ahead > 0 {
            self.progress = now;
        }
        let mut bulk = 0;
        while self.acked < acked {
            let Some(flying) = self.flying.remove(&self.acked) else { break };
            self.acked += 1;
            bulk += if flying.lane == Lane::Bulk { flying.length } else { 0 };
            if flying.tries == 1 && !flying.held {
                self.round_trip.measured(now.saturating_duration_since(flying.sent));
            }
        }
        if bulk > 0 {
            self.window.on_ack(now, bulk).expect("only what was counted into the window is counted out");
        }
        for (_, flying) in self.flying.range_mut(acked + 1..).filter(|(seq, _)| is_held(held, **seq, acked)) {
            flying.held = true;
        }
        Ok(())
    }

    /// Whether [`Outbound::poll`] has a piece now.
    pub(super) fn is_ready(&mut self, now: Instant) -> bool {
        self.overdue(now).is_some() || self.fresh().is_some()
    }

    /// The next piece to send now: what was lost, then control, then bulk.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Piece<'_>> {
        if let Some(seq) = self.overdue(now) {
            return self.repeat(now, seq);
        }
        let lane = self.fresh()?;
        let stream = &mut self.streams[lane as usize];
        let bytes: Vec<u8> = stream.drain(..stream.len().min(self.room - HEADER)).collect();
        let length = (HEADER + bytes.len()) as u32;
        if lane == Lane::Bulk {
            self.window.on_sent(now, length);
        }
        if self.flying.is_empty() {
            self.progress = now;
        }
        let ask = self.asks(lane, length);
        let seq = self.next;
        self.next += 1;
        self.counts.sent += 1;
        let due = now + self.round_trip.wait();
        let flying = Flying { lane, bytes, length, sent: now, due, tries: 1, held: false };
        let flying = self.flying.entry(seq).or_insert(flying);
        Some(Piece { seq, lane, bytes: &flying.bytes, ask, again: false })
    }

    /// When a piece is to be sent again, where no acknowledgement comes.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.flying.values().filter(|flying| !flying.held).map(|flying| flying.due).min()
    }

    fn overdue(&self, now: Instant) -> Option<u64> {
        let mut lost = self.flying.iter().filter(|(_, flying)| !flying.held && flying.due <= now);
        lost.next().map(|(seq, _)| *seq)
    }

    fn repeat(&mut self, now: Instant, seq: u64) -> Option<Piece<'_>> {
        let wait = self.round_trip.wait();
        let flying = self.flying.get_mut(&seq)?;
        flying.due = now + wait.saturating_mul(1 << flying.tries.min(4)).min(LONGEST_DOUBLED).max(wait);
        flying.tries += 1;
        self.counts.again += 1;
        Some(Piece { seq, lane: flying.lane, bytes: &flying.bytes, ask: true, again: true })
    }

    /// Whose new piece may go.
    fn fresh(&mut self) -> Option<Lane> {
        let room = match self.flying.first_key_value() {
            Some((first, _)) => MAX_WINDOW as u64 - (self.next - first),
            None => MAX_WINDOW as u64,
        };
        if self.waiting(Lane::Control) > 0 && room > 0 {
            return Some(Lane::Control);
        }
        let length = HEADER + self.waiting(Lane::Bulk).min(self.room - HEADER);
        let has_room = self.greeted && room > (MAX_WINDOW - MAX_BULK) as u64;
        (length > HEADER && has_room && self.window.admits(length as u32)).then_some(Lane::Bulk)
    }

    /// Whether the piece that is being sent asks for an acknowledgement: bulk at half a window and at its end, so that
    /// the window keeps moving; anything now and then.
    fn asks(&mut self, lane: Lane, length: u32) -> bool {
        self.unasked.0 += 1;
        let mut ask = self.unasked.0 >= ASK_AFTER;
        if lane == Lane::Bulk {
            self.unasked.1 += length;
            let half = self.unasked.1 >= self.window.size() / 2;
            let full = self.window.in_flight() + self.room as u32 > self.window.size();
            ask |= half || full || self.waiting(Lane::Bulk) == 0;
        }
        if ask {
            self.unasked = (0, 0);
        }
        ask
    }
}

fn window(room: usize) -> Window {
    let room = room as u32;
    let bounds = Bounds { least: LEAST_WINDOW * room, most: MAX_BULK as u32 * room, target: TARGET };
    Window::new(bounds, FIRST_WINDOW * room)
}

fn is_held(held: u64, seq: u64, acked: u64) -> bool {
    let bit = seq - acked - 1;
    bit < 64 && held >> bit & 1 == 1
}

/// The round trip and how much it varies (RFC 6298).
#[derive(Debug, Default)]
struct RoundTrip {
    smooth: Option<Duration>,
    varies: Duration,
}

impl RoundTrip {
    fn measured(&mut self, sample: Duration) {
        let Some(smooth) = self.smooth else {
            (self.smooth, self.varies) = (Some(sample), sample / 2);
            return;
        };
        self.varies = (self.varies * 3 + smooth.abs_diff(sample)) / 4;
        self.smooth = Some((smooth * 7 + sample) / 8);
    }

    fn wait(&self) -> Duration {
        let wait = self.smooth.map_or(FIRST_WAIT, |smooth| smooth + self.varies * 4);
        wait.clamp(LEAST_WAIT, LONGEST_WAIT)
    }
}
