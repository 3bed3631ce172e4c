//! What a person does with links into groups (PROTOCOL.md section 15.6).

use crate::id::{AccountId, GroupId};
use crate::view::{AskView, GroupLinkView};
use core::time::Duration;

/// What a person does with links into groups.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpaceCommand {
    /// Makes a link into a group.
    LinkNew {
        /// Into which; the person is an admin of it.
        group: GroupId,
        /// How many people it lets in; `None` is without limit.
        uses: Option<u32>,
        /// For how long; `None` is until it is taken back.
        lifetime: Option<Duration>,
        /// Whether the person decides about everybody who comes by it.
        approve: bool,
    },
    /// Takes a link back.
    LinkEnd {
        /// Into which group.
        group: GroupId,
        /// As listed.
        number: u32,
    },
    /// Asks to be let into a group.
    Join {
        /// `STARLING-GROUP:1/...`
        link: String,
    },
    /// Decides about somebody who wants to be let in.
    Decide {
        /// Into which group.
        group: GroupId,
        /// Who.
        account: AccountId,
        /// Whether they are let in.
        accept: bool,
    },
}

/// What a [`SpaceCommand`] gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpaceReply {
    /// The link that was made.
    Link(GroupLinkView),
    /// Where it was asked, and how that stands.
    Ask(AskView),
}
