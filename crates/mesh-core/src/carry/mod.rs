//! The bag: what is carried for oneself and for others (PROTOCOL.md section 8).

use crate::id::{AccountId, LinkId};

/// The limits of the bag.
#[derive(Clone, Debug, Default)]
pub struct Config {}

/// Where an envelope came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written here.
    Own {
        /// The one account that it is for, where there is one: served first to that neighbour.
        to: Option<AccountId>,
    },
    /// Brought by a neighbour.
    Link {
        /// Which.
        link: LinkId,
        /// Whether the neighbour proved to be a contact.
        contact: bool,
    },
}

/// Why an envelope is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is in the bag already, with no fewer hops.
    #[error("it is held already")]
    Known,
    /// Its age reached its lifetime.
    #[error("it is too old")]
    TooOld,
    /// A receipt or its own end was seen here.
    #[error("it ended here before")]
    Ended,
    /// The bag is full of what ranks no lower.
    #[error("the bag is full")]
    NoRoom,
}

/// What the bag holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Envelopes and public things.
    pub count: usize,
    /// Their bytes on the air.
    pub bytes: u64,
    /// Receipts and ended names.
    pub tombstones: usize,
}
