//! What programs say to each other about getting into a group (PROTOCOL.md section 15.6).

use super::message::MAX_NAME;
use crate::id::GroupId;
use serde::{Deserialize, Serialize};

/// The kinds; the order is part of the format: new kinds go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Space {
    /// The author has a link and wants to be let in.
    Join {
        /// Into which group.
        group: GroupId,
        /// Proves that the author has the link.
        token: [u8; 16],
        /// What the author is called, at most [`MAX_NAME`] bytes.
        name: String,
    },
    /// What came of it; who is let in gets the group's operations instead.
    Answer {
        /// Of which group.
        group: GroupId,
        /// What.
        answer: Answer,
    },
}

/// What is answered to who wants to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Answer {
    /// A person is to decide.
    Waits,
    /// A person decided against it.
    Refused,
    /// The link was taken back, or its time is over.
    Over,
    /// As many as may came by this link.
    UsedUp,
    /// The one who made the link cannot let anybody in any more, or the group is full.
    Closed,
}

impl Space {
    pub(super) fn is_within_limits(&self) -> bool {
        match self {
            Self::Join { name, .. } => name.len() <= MAX_NAME,
            Self::Answer { .. } => true,
        }
    }
}
