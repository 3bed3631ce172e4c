//! Links into groups.

use mesh_core::view::{AskView, GroupLinkView, RequestView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A link into a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupLink {
    /// Its number on this node.
    pub number: u32,
    /// Into which group, by id.
    pub group: String,
    /// `STARLING-GROUP:1/...`
    pub link: String,
    /// How many more it lets in; `null` is without limit.
    pub uses_left: Option<u32>,
    /// How many came in by it.
    pub used: u32,
    /// Seconds that it still lives; `null` is until it is taken back.
    pub expires_in_s: Option<u64>,
    /// Whether you decide about everybody who comes by it.
    pub approve: bool,
}

impl From<GroupLinkView> for GroupLink {
    fn from(view: GroupLinkView) -> Self {
        Self {
            number: view.number,
            group: view.group.to_text(),
            link: view.link,
            uses_left: view.uses_left,
            used: view.used,
            expires_in_s: view.expires_in.map(|left| left.as_secs()),
            approve: view.approve,
        }
    }
}

/// To make a link into a group.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupLinkRequest {
    /// How many people it lets in; absent is without limit.
    #[serde(default)]
    pub uses: Option<u32>,
    /// For how many seconds; absent is until it is taken back.
    #[serde(default)]
    pub lifetime_s: Option<u64>,
    /// Whether you decide about everybody who comes by it.
    #[serde(default)]
    pub approve: bool,
}

/// Somebody who wants to be let into a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JoinRequest {
    /// Base32 of the account.
    pub account: String,
    /// What to show.
    pub name: String,
    /// Three words made from the account key.
    pub tag: String,
    /// Whether they were in the group before.
    pub was_member: bool,
}

impl From<RequestView> for JoinRequest {
    fn from(view: RequestView) -> Self {
        let RequestView { account, name, tag, was_member } = view;
        Self { account: account.to_text(), name, tag, was_member }
    }
}

/// To ask to be let into a group.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    /// `STARLING-GROUP:1/...`
    pub link: String,
}

/// A group into which you asked to be let.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ask {
    /// Its id.
    pub group: String,
    /// What the link called it; once you are in, what it is called.
    pub name: String,
    /// `asked`, `waits` (for a person's decision), `joined`, `refused`, `over`, `used_up` or `closed`.
    pub state: String,
    /// Whose device was asked, base32 of the account.
    pub asked: String,
}

impl From<AskView> for Ask {
    fn from(view: AskView) -> Self {
        let state = view.state.as_str().to_owned();
        Self { group: view.group.to_text(), name: view.name, state, asked: view.asked.to_text() }
    }
}
