//! The groups that this node's person is or was in (PROTOCOL.md section 15).

use super::State;
use crate::border::Refusal;
use crate::id::{AccountId, ConversationId, GroupId};

/// The groups, and who is in them.
#[derive(Debug, Default)]
pub(super) struct Groups {}

impl Groups {
    /// The groups that this person is in together with us.
    pub(super) fn of(&self, _account: AccountId) -> impl Iterator<Item = GroupId> {
        core::iter::empty()
    }

    /// Whether this person is or was in a group.
    pub(super) fn has(&self, _group: GroupId, _account: AccountId) -> bool {
        false
    }
}

impl State {
    /// The operations on a group's members that nothing here follows; none of a person.
    pub(super) fn heads(&self, _with: ConversationId) -> Vec<[u8; 8]> {
        Vec::new()
    }

    /// Who of a group is to tell where a message of ours is.
    pub(super) fn recipients(&self, _with: ConversationId) -> Vec<AccountId> {
        Vec::new()
    }

    /// Whether this person is told where messages of theirs are.
    pub(super) fn answers(&self, with: ConversationId, account: AccountId) -> bool {
        with.person().is_some() && self.contacts.may_learn(account)
    }

    /// Whether we may write there.
    pub(super) fn check_group(&self, group: GroupId) -> Result<(), Refusal> {
        Err(Refusal::Unknown { what: "group", name: group.to_text() })
    }
}
