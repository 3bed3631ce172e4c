//! Groups, and the requests that change them.

use mesh_core::view::{GroupView, MemberView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A group as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name for programs: 32 characters of base32.
    pub group: String,
    /// Its name for people.
    pub name: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// What this node's person is in it: `admin`, `member`, or `left`.
    pub role: String,
    /// Everybody in it, admins first.
    pub members: Vec<Member>,
    /// Whether only admins write.
    pub only_admins_post: bool,
    /// Whether only admins set name and description.
    pub only_admins_edit: bool,
    /// Two nodes that show the same agree about members, roles and properties.
    pub state: String,
}

/// Somebody in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// The account; absent for this node's person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What to show; `me` for oneself.
    pub name: String,
    /// Whether the person is an admin.
    pub admin: bool,
}

impl From<&GroupView> for Group {
    fn from(view: &GroupView) -> Self {
        let role = match view.admin {
            Some(true) => "admin",
            Some(false) => "member",
            None => "left",
        };
        Self {
            group: view.id.to_text(),
            name: view.name.clone(),
            about: view.about.clone(),
            role: role.to_owned(),
            members: view.members.iter().map(Member::from).collect(),
            only_admins_post: view.only_admins_post,
            only_admins_edit: view.only_admins_edit,
            state: data_encoding::HEXLOWER.encode(&view.state[..8]),
        }
    }
}

impl From<&MemberView> for Member {
    fn from(view: &MemberView) -> Self {
        let account = view.account.map(|account| account.to_text());
        let name = if account.is_some() { view.name.clone() } else { "me".to_owned() };
        Self { account, name, admin: view.admin }
    }
}

/// To begin a group.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupRequest {
    /// 1 to 64 bytes.
    pub name: String,
    /// Contacts: petname, name, tag or account.
    #[serde(default)]
    pub members: Vec<String>,
}

/// To add people to a group.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MembersRequest {
    /// Contacts: petname, name, tag or account; at least one.
    pub members: Vec<String>,
}

/// To make somebody an admin, or an ordinary member again.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRequest {
    /// Whether to an admin.
    pub admin: bool,
}

/// To set properties of a group; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PropertiesRequest {
    /// 1 to 64 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// At most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whether only admins write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_admins_post: Option<bool>,
    /// Whether only admins set name and description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_admins_edit: Option<bool>,
}
