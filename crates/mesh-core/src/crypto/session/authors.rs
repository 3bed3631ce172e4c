//! Who may be heard in a group, and how people are reached: what the layer above asks of the sessions
//! (PROTOCOL.md section 15.4).

use super::Sessions;
use super::state::Inbound;
use crate::crypto::{DeviceKey, Intro};
use crate::id::{AccountId, DeviceId, GroupId};
use std::collections::BTreeSet;

impl Sessions {
    /// Whom this group hears: everybody who ever was in it. What others wrote to it, and what came before the group is
    /// known here, stays sealed. Returns the beginnings of the tags that can be opened from now on: their envelopes may be
    /// in the bag.
    pub fn set_authors(&mut self, group: GroupId, authors: &BTreeSet<AccountId>) -> Vec<[u8; 8]> {
        let all = self.authors.get_or_insert_default();
        let before = all.insert(group, authors.clone()).unwrap_or_default();
        let new: BTreeSet<AccountId> = authors.difference(&before).copied().collect();
        if new.is_empty() {
            return Vec::new();
        }
        let of_group =
            |inbound: &Inbound| inbound.conversation() == group.into() && new.contains(&inbound.account);
        let slots: BTreeSet<u32> = self.inbound.values().filter(|i| of_group(i)).map(|i| i.slot).collect();
        self.tags.iter().filter(|(_, slot, _)| slots.contains(slot)).map(|(tag, ..)| *tag).collect()
    }

    /// From now on groups hear those alone whom [`Sessions::set_authors`] names. Before this is said whoever hands out
    /// keys is heard.
    pub fn hear_members_only(&mut self) {
        self.authors.get_or_insert_default();
    }

    /// Nobody is heard in this group any more.
    pub fn forget_authors(&mut self, group: GroupId) {
        self.authors.get_or_insert_default().remove(&group);
    }

    /// Whether what this person wrote to a group may be opened.
    pub(super) fn hears(&self, group: GroupId, author: AccountId) -> bool {
        self.authors
            .as_ref()
            .is_none_or(|all| all.get(&group).is_some_and(|authors| authors.contains(&author)))
    }

    /// How the devices of an account are reached, as their owner signed it.
    #[must_use]
    pub fn intros(&self, account: AccountId) -> Vec<Intro> {
        let devices = self.conversations.get(&account).map(|conversation| &conversation.devices);
        let peers = devices.into_iter().flatten().filter_map(|device| self.peers.get(device));
        peers.map(|peer| peer.signed.clone()).collect()
    }

    /// The signing key of a device of this account.
    #[must_use]
    pub fn device_key(&self, account: AccountId, device: DeviceId) -> Option<DeviceKey> {
        let peer = self.peers.get(&device).filter(|peer| peer.account == account)?;
        Some(peer.cert.device)
    }
}
