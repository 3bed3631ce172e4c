//! Keys that are owed: who gets them when, and how many at once.

use super::Node;
use crate::carry::Origin;
use crate::id::ConversationId;
use crate::time::Now;
use core::time::Duration;

/// The most envelopes with keys alone that are sealed in one go, so that a group of a thousand does not hold the
/// node up: a first contact costs about a millisecond. The others follow at once, after whatever else has come.
pub const MAX_KEYS_AT_ONCE: usize = 32;
/// What could not be paid for lack of room is tried again after this long.
const NO_ROOM: Duration = Duration::from_secs(60);

impl Node {
    /// Pays the keys that are owed to people who may know that we are here, and to members of groups.
    pub(super) fn pay_keys(&mut self, now: Now) {
        let is_time = self.keys_at.is_some_and(|at| at <= now.mono);
        if !std::mem::take(&mut self.keys_may_be_due) && !is_time {
            return;
        }
        let (mut left, mut refused) = (MAX_KEYS_AT_ONCE, false);
        for to in self.sessions.owes() {
            if to.person().is_some_and(|account| !self.chat.may_learn(account)) {
                continue;
            }
            refused |= !self.pay(now, to, &mut left);
        }
        self.keys_at = match (left, refused) {
            (0, _) => Some(now.mono),
            (_, true) => Some(now.mono + NO_ROOM),
            _ => self.sessions.group_keys_due(),
        };
    }

    /// Pays a person one envelope, and a group what is owed to its members, as far as `left` goes. Whether nothing of
    /// a group had to wait for want of room.
    fn pay(&mut self, now: Now, to: ConversationId, left: &mut usize) -> bool {
        while *left > 0 {
            let is_sealed = self.seal_keys(now, to);
            *left -= usize::from(is_sealed);
            if to.person().is_some() || !self.sessions.owes_to(to) {
                return true;
            }
            if !is_sealed {
                return false;
            }
        }
        true
    }

    /// Sends keys alone, where they are owed.
    pub(super) fn seal_keys(&mut self, now: Now, to: ConversationId) -> bool {
        if !self.mesh.has_own_room() {
            return false;
        }
        let Ok(sealed) = self.envelope_for(now, to, &[]) else { return false };
        // Without room for it the keys are still owed, and go with the next envelope.
        self.mesh.keep(now, sealed.envelope, Origin::Own { to: sealed.to }, &mut self.outbox).is_ok()
    }
}
