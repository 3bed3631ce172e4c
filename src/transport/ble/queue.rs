//! What the node hands over and one link has not sent yet.

use mesh_core::Lane;
use mesh_core::link::MAX_FRAME;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Bytes that may wait in one lane; a neighbour that takes them so slowly loses the link. A minute of a usual radio.
pub(super) const MAX_QUEUED: usize = 1024 * 1024;

/// Why frames were not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    #[error("a frame of {got} bytes, 1 to {MAX_FRAME} are allowed")]
    Length { got: usize },
    #[error("more than {MAX_QUEUED} bytes wait")]
    Full,
}

/// Why a link is closed in order; the far end is told inside the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Farewell {
    /// This end goes, or changes what it is known by: another link may be made at once.
    Going = 0,
    /// Both ends have another link: none is needed while that stands.
    Duplicate = 1,
    /// Too many links here.
    Crowd = 2,
    /// The far end broke the rules.
    Fault = 3,
}

impl Farewell {
    /// What a notice says; one of a later version ends the link as well.
    pub(super) fn read(notice: &[u8]) -> Self {
        match notice.first() {
            Some(1) => Self::Duplicate,
            Some(2) => Self::Crowd,
            Some(3) => Self::Fault,
            _ => Self::Going,
        }
    }
}

/// Frames of both lanes, and the wish to end.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    lanes: [VecDeque<Vec<u8>>; 2],
    queued: [usize; 2],
    handed: u64,
    farewell: Option<Farewell>,
    aborted: bool,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two states.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues frames that belong together.
    pub(super) fn send(&self, lane: Lane, frames: Vec<Vec<u8>>) -> Result<(), SendError> {
        let wrong = frames.iter().map(Vec::len).find(|got| *got == 0 || *got > MAX_FRAME);
        if let Some(got) = wrong {
            return Err(SendError::Length { got });
        }
        let bytes: usize = frames.iter().map(Vec::len).sum();
        let mut state = self.state();
        if state.queued[lane as usize] + bytes > MAX_QUEUED {
            return Err(SendError::Full);
        }
        state.queued[lane as usize] += bytes;
        state.lanes[lane as usize].extend(frames);
        if lane == Lane::Bulk {
            state.handed += bytes as u64;
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next frame of a lane.
    pub(super) fn pop(&self, lane: Lane) -> Option<Vec<u8>> {
        let mut state = self.state();
        let frame = state.lanes[lane as usize].pop_front()?;
        state.queued[lane as usize] -= frame.len();
        Some(frame)
    }

    /// Bytes of bulk that were ever handed over, and those that wait here.
    pub(super) fn bulk(&self) -> (u64, usize) {
        let state = self.state();
        (state.handed, state.queued[Lane::Bulk as usize])
    }

    /// Ends the link after the control frames that wait.
    pub(super) fn close(&self, farewell: Farewell) {
        self.state().farewell.get_or_insert(farewell);
        self.changed.notify_one();
    }

    /// Ends the link now.
    pub(super) fn abort(&self) {
        self.state().aborted = true;
        self.changed.notify_one();
    }

    /// How the link is to be closed, if it is.
    pub(super) fn farewell(&self) -> Option<Farewell> {
        self.state().farewell
    }

    /// Whether the link is to end now.
    pub(super) fn is_aborted(&self) -> bool {
        self.state().aborted
    }

    /// Waits for one of the above.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_takes_so_many_bytes_and_no_more() {
        let queue = Queue::default();
        let frame = vec![0; MAX_FRAME];
        for _ in 0..MAX_QUEUED / MAX_FRAME {
            queue.send(Lane::Bulk, vec![frame.clone()]).unwrap();
        }
        assert_eq!(queue.send(Lane::Bulk, vec![vec![0]]), Err(SendError::Full));
        assert_eq!(queue.send(Lane::Control, vec![vec![0]]), Ok(()), "lanes are counted apart");
        assert_eq!(queue.bulk(), (MAX_QUEUED as u64, MAX_QUEUED));
        queue.pop(Lane::Bulk).unwrap();
        assert_eq!(queue.bulk(), (MAX_QUEUED as u64, MAX_QUEUED - MAX_FRAME));
    }

    #[test]
    fn empty_and_oversize_frames_are_not_queued() {
        let queue = Queue::default();
        assert_eq!(queue.send(Lane::Control, vec![Vec::new()]), Err(SendError::Length { got: 0 }));
        let got = MAX_FRAME + 1;
        assert_eq!(queue.send(Lane::Bulk, vec![vec![0], vec![0; got]]), Err(SendError::Length { got }));
        assert_eq!(queue.pop(Lane::Bulk), None, "what belongs together is refused together");
    }

    #[test]
    fn the_first_farewell_counts_and_every_one_is_read_as_written() {
        let queue = Queue::default();
        queue.close(Farewell::Crowd);
        queue.close(Farewell::Going);
        assert_eq!(queue.farewell(), Some(Farewell::Crowd));
        for farewell in [Farewell::Going, Farewell::Duplicate, Farewell::Crowd, Farewell::Fault] {
            assert_eq!(Farewell::read(&[farewell as u8]), farewell);
        }
    }
}
