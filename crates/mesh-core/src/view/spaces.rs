//! What front ends see of links into groups.

use crate::id::{AccountId, GroupId};
use core::time::Duration;

/// A link into a group that was made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupLinkView {
    /// Names it on this device.
    pub number: u32,
    /// Into which group.
    pub group: GroupId,
    /// `STARLING-GROUP:1/...`
    pub link: String,
    /// How many more it lets in; `None` is without limit.
    pub uses_left: Option<u32>,
    /// How many came in by it.
    pub used: u32,
    /// For how much longer; `None` is until it is taken back.
    pub expires_in: Option<Duration>,
    /// Whether a person decides about everybody.
    pub approve: bool,
}

/// Somebody who wants to be let into a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestView {
    /// Who.
    pub account: AccountId,
    /// As a contact is shown, else as they call themselves, else the tag.
    pub name: String,
    /// Three words made from the account key.
    pub tag: String,
    /// Whether they were in the group before.
    pub was_member: bool,
}

/// How a wish to be let in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub enum AskState {
    /// Nobody answered yet.
    Asked,
    /// A person is to decide.
    Waits,
    /// We are in.
    Joined,
    /// A person decided against it.
    Refused,
    /// The link was taken back, or its time is over.
    Over,
    /// As many as may came by this link.
    UsedUp,
    /// Whoever made the link cannot let anybody in any more, or the group is full.
    Closed,
}

impl AskState {
    /// The word that is shown and written to JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Waits => "waits",
            Self::Joined => "joined",
            Self::Refused => "refused",
            Self::Over => "over",
            Self::UsedUp => "used_up",
            Self::Closed => "closed",
        }
    }
}

/// A group into which we asked to be let.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskView {
    /// Which.
    pub group: GroupId,
    /// What the link called it; once we are in, what it is called.
    pub name: String,
    /// Who was asked.
    pub asked: AccountId,
    /// How it stands.
    pub state: AskState,
}
