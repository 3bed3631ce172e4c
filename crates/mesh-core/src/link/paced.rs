//! What can wait on a slow link (PROTOCOL.md section 4): names, receipts and comparisons of sets. They go against
//! credit, by turns with envelopes, so that an urgent frame stands behind no more of them than the pipe holds.

use crate::wire::Frame;
use std::collections::VecDeque;

/// Bytes that wait on one link. What is beyond that is not said; the next comparison of sets finds it.
const MAX_WAITING: usize = 64 * 1024;
/// Names in a frame that others of its kind join while it waits: more would not be taken for new.
const MAX_JOINED: usize = 64;

/// Frames that wait for credit on one link, in order: names and receipts before comparisons of sets, which are long.
#[derive(Debug, Default)]
pub(super) struct Paced {
    frames: VecDeque<Frame>,
    comparisons: VecDeque<Frame>,
    bytes: usize,
    /// The last thing that had credit was a frame from here.
    had_turn: bool,
}

impl Paced {
    /// Whether a frame may wait. Questions for calls may not, which looks like any question: the caller knows.
    pub(super) fn takes(frame: &Frame) -> bool {
        match frame {
            Frame::Have(_)
            | Frame::Want { .. }
            | Frame::Kept(_)
            | Frame::Receipts(_)
            | Frame::Sketch(_)
            | Frame::More { .. }
            | Frame::Reconcile { .. } => true,
            Frame::Hello(_)
            | Frame::Beat { .. }
            | Frame::Digest(_)
            | Frame::Agreed
            | Frame::Calls { .. }
            | Frame::Envelope(_)
            | Frame::Public(_)
            | Frame::Tokens(_)
            | Frame::Moved { .. } => false,
        }
    }

    /// `false` where there is no room.
    pub(super) fn push(&mut self, frame: Frame) -> bool {
        let len = frame.to_bytes().len();
        if self.bytes + len > MAX_WAITING {
            return false;
        }
        match self.join(frame) {
            Some(frame) => {
                self.bytes += len;
                if compares(&frame) { &mut self.comparisons } else { &mut self.frames }.push_back(frame);
            }
            // Names alone: their frame stands there.
            None => self.bytes += len - 1,
        }
        true
    }

    /// The next frame, unless envelopes wait and it is their turn.
    pub(super) fn pop(&mut self, envelopes_wait: bool) -> Option<Frame> {
        if self.is_empty() || (self.had_turn && envelopes_wait) {
            self.had_turn = false;
            return None;
        }
        let frame = self.frames.pop_front().or_else(|| self.comparisons.pop_front())?;
        self.had_turn = true;
        self.bytes = if self.is_empty() { 0 } else { self.bytes.saturating_sub(frame.to_bytes().len()) };
        Some(frame)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.comparisons.is_empty()
    }

    /// Adds the names to the last frame where that is of the same kind and has room for them; else gives it back.
    fn join(&mut self, frame: Frame) -> Option<Frame> {
        let fits = |before: usize, more: usize| before + more <= MAX_JOINED;
        match (self.frames.back_mut(), frame) {
            (Some(Frame::Have(before)), Frame::Have(ids)) if fits(before.len(), ids.len()) => {
                before.extend(ids)
            }
            (Some(Frame::Kept(before)), Frame::Kept(ids)) if fits(before.len(), ids.len()) => {
                before.extend(ids)
            }
            (Some(Frame::Receipts(before)), Frame::Receipts(acks)) if fits(before.len(), acks.len()) => {
                before.extend(acks);
            }
            (_, frame) => return Some(frame),
        }
        None
    }
}

/// Whether a frame is part of a comparison of sets.
fn compares(frame: &Frame) -> bool {
    matches!(frame, Frame::Sketch(_) | Frame::More { .. } | Frame::Reconcile { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ShortId;

    fn have(names: core::ops::Range<u64>) -> Frame {
        Frame::Have(names.map(|n| ShortId(n.to_le_bytes())).collect())
    }

    #[test]
    fn frames_and_envelopes_take_turns_and_neither_waits_for_nothing() {
        let mut paced = Paced::default();
        for run in 0..4 {
            assert!(paced.push(Frame::More { set: crate::wire::frame::Set::Sealed, run, first: 0, end: 1 }));
        }
        assert!(paced.pop(true).is_some());
        assert!(paced.pop(true).is_none(), "it is an envelope's turn");
        assert!(paced.pop(true).is_some());
        assert!(paced.pop(false).is_some(), "no envelope waits");
        assert!(paced.pop(false).is_some() && paced.is_empty());
    }

    #[test]
    fn names_that_wait_leave_together() {
        let mut paced = Paced::default();
        for n in 0..70 {
            paced.push(have(n..n + 1));
        }
        let waiting: usize = paced.frames.iter().map(|frame| frame.to_bytes().len()).sum();
        assert_eq!(paced.bytes, waiting);
        assert_eq!(paced.pop(false), Some(have(0..64)));
        assert_eq!(paced.pop(false), Some(have(64..70)));
        assert_eq!(paced.bytes, 0);
    }

    #[test]
    fn names_go_before_comparisons() {
        let mut paced = Paced::default();
        let more = Frame::More { set: crate::wire::frame::Set::Sealed, run: 1, first: 0, end: 1 };
        paced.push(more.clone());
        paced.push(have(0..3));
        assert_eq!([paced.pop(false), paced.pop(false)], [Some(have(0..3)), Some(more)]);
    }

    #[test]
    fn what_is_beyond_the_most_does_not_wait() {
        let mut paced = Paced::default();
        let taken = (0..100).filter(|_| paced.push(have(0..512))).count();
        assert_eq!(taken, MAX_WAITING / have(0..512).to_bytes().len());
        while paced.pop(false).is_some() {}
        assert!(paced.push(have(0..512)), "there is room again");
    }
}
