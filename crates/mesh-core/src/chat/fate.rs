//! What became of a text of ours. It stands beside the text, where the history is: what is over needs no place among
//! what is on its way.

use crate::id::{AccountId, MessageId};
use crate::time::{Now, Time, Wall};
use crate::view::{InfoView, MessageState, RecipientView};
use serde::{Deserialize, Serialize};

/// The end of a text of ours, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fate {
    pub(super) end: End,
    pub(super) at: Option<Wall>,
    /// When its custody was over, or would have been.
    pub(super) until: Time,
    /// The hops that the latest sealing began with.
    pub(super) start: Option<u8>,
    /// The hops that it took.
    pub(super) hops: Option<u8>,
    pub(super) carriers: u32,
}

/// How a message can end; what it cannot come back from stands later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum End {
    /// Nobody receipted it in time. A receipt that comes later still tells the truth.
    Expired,
    Delivered,
    Read,
}

impl From<End> for MessageState {
    fn from(end: End) -> Self {
        match end {
            End::Expired => Self::Expired,
            End::Delivered => Self::Delivered,
            End::Read => Self::Read,
        }
    }
}

impl Fate {
    /// Of a text that is not on its way any more, whose end was lost with a part of storage: nothing that was
    /// receipted is known, and nothing is claimed.
    pub(super) const LOST: Self =
        Self { end: End::Expired, at: None, until: Time(0), start: None, hops: None, carriers: 0 };

    /// Takes in a receipt of the recipient.
    pub(super) fn receipted(&mut self, now: Now, hops_left: u8, is_read: bool) {
        self.hops = self.start.and_then(|start| start.checked_sub(hops_left)).or(self.hops);
        let end = if is_read { End::Read } else { End::Delivered };
        if end > self.end {
            (self.end, self.at) = (end, Some(now.wall));
        }
    }

    pub(super) fn info(&self, now: Now, id: MessageId, to: AccountId) -> InfoView {
        let state = self.end.into();
        InfoView {
            id,
            state,
            carriers: self.carriers,
            hops: self.hops,
            expires_in: self.until.since(now.mono),
            recipients: vec![RecipientView { account: to, state, at: self.at }],
        }
    }
}
