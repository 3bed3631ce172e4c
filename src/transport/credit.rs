//! How much the core may hand to the bulk lane: enough to keep the pipe full, little enough that the order of what
//! waits stays the core's to choose.

use mesh_core::link::MAX_FRAME;

/// Granted while the pipe is busy, in bytes, however small the window: the largest sealed envelope fits.
const BUSY: u32 = 20 * 1024;
/// Granted while the pipe is idle, in bytes: any frame fits, so nothing waits for ever.
const IDLE: u32 = MAX_FRAME as u32;

/// What was granted on one link.
#[derive(Debug, Default)]
pub(super) struct Credit {
    granted: u64,
}

impl Credit {
    /// What to grant now: the core handed over `handed` bytes since the link came up, `ahead` bytes of them wait or are
    /// in flight, and the window is `window` bytes. Small amounts are kept back until they are worth an event.
    pub(super) fn grant(&mut self, handed: u64, window: u32, ahead: u32) -> Option<u32> {
        // Who sent more than was granted starts from zero again.
        self.granted = self.granted.max(handed);
        let unspent = self.granted - handed;
        let least = if ahead == 0 { IDLE } else { BUSY };
        let target = u64::from(window.max(least));
        let missing = target.saturating_sub(unspent + u64::from(ahead));
        let worth_it = if ahead == 0 { 1 } else { target / 8 };
        if missing < worth_it {
            return None;
        }
        self.granted += missing;
        u32::try_from(missing).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_pipe_is_granted_the_largest_frame_once() {
        let mut credit = Credit::default();
        assert_eq!(credit.grant(0, 8192, 0), Some(IDLE));
        assert_eq!(credit.grant(0, 8192, 0), None);
        assert_eq!(credit.grant(100, 8192, 0), Some(100));
    }

    #[test]
    fn a_busy_pipe_is_granted_no_more_than_its_window_ahead() {
        let mut credit = Credit::default();
        credit.grant(0, 8192, 0);
        let handed = u64::from(IDLE);
        assert_eq!(credit.grant(handed, 8192, IDLE), None);
        assert_eq!(credit.grant(handed, 8192, 16 * 1024), Some(4 * 1024));
        assert_eq!(credit.grant(handed, 1 << 20, 16 * 1024), Some((1 << 20) - 20 * 1024));
    }

    #[test]
    fn overdrawing_delays_the_next_grant_and_loses_nothing() {
        let mut credit = Credit::default();
        credit.grant(0, 8192, 0);
        let handed = u64::from(IDLE) * 2;
        assert_eq!(credit.grant(handed, 8192, IDLE), None);
        assert_eq!(credit.grant(handed, 8192, 0), Some(IDLE));
    }
}
