//! Who reads a group: its accounts, their devices, and those who are known for a group's sake alone
//! (PROTOCOL.md section 15.4).

use super::records;
use super::state::{Reads, Renewal};
use super::{LearnError, Sessions, TOMBSTONE_S};
use crate::crypto::VerifiedIntro;
use crate::id::{AccountId, DeviceId, GroupId};
use crate::outbox::Outbox;
use crate::time::Now;
use std::collections::BTreeSet;

/// The most people who are known for the sake of groups alone: eight groups of 1,024.
pub const MAX_ACQUAINTANCES: usize = 8_192;

impl Sessions {
    /// From now on this group is written for the devices of these accounts, those that are known and those that
    /// are learnt later. Who is new reads from here on; once somebody left, what is written next begins a session
    /// that they cannot read. Learn the newcomers' devices first ([`Sessions::learn_member`]), or they miss what is
    /// written until then. Whoever may read the group belongs to it, also where nothing is ever written.
    pub fn set_audience(
        &mut self,
        now: Now,
        group: GroupId,
        accounts: &BTreeSet<AccountId>,
        out: &mut Outbox,
    ) {
        self.begin(now);
        if !self.groups.contains_key(&group) {
            self.records.put(out, records::group(group), self.groups.entry(group).or_default());
        }
        let before = self.groups.get(&group).map(|held| held.accounts.clone()).unwrap_or_default();
        for account in before.difference(accounts) {
            self.leaves(group, *account, out);
        }
        for account in accounts.difference(&before) {
            self.joins(group, *account, out);
        }
    }

    /// Forgets a group: nothing is written to it any more, and what is read of it ends.
    pub fn forget_group(&mut self, now: Now, group: GroupId, out: &mut Outbox) {
        self.begin(now);
        let Some(held) = self.groups.get(&group) else { return };
        let (accounts, current) = (held.accounts.clone(), held.current);
        for account in accounts {
            self.leaves(group, account, out);
        }
        if let Some(sid) = current {
            self.end_group_session(sid, out);
        }
        self.groups.remove(&group);
        self.records.delete(out, records::group(group));
        let of_group = self.inbound.iter().filter(|(_, inbound)| inbound.reads == Reads::Group(group));
        let read: Vec<_> = of_group.map(|(sid, _)| *sid).collect();
        for sid in read {
            self.end(self.now_s, sid, out);
        }
    }

    /// What is written to this group next begins a new session: who stole keys reads no further once the shares of
    /// it arrived.
    pub fn renew(&mut self, now: Now, group: GroupId, out: &mut Outbox) {
        self.begin(now);
        self.renew_because(group, Renewal::Asked, out);
    }

    /// Learns a device of somebody who is in a group with us, without their being known for themselves: they are
    /// forgotten 28 days of uptime after the last group of ours that has them, or sooner where they are too many.
    ///
    /// # Errors
    /// [`LearnError`], as [`Sessions::learn`]; and where [`MAX_ACQUAINTANCES`] are known who are all in groups.
    pub fn learn_member(
        &mut self,
        now: Now,
        intro: &VerifiedIntro,
        out: &mut Outbox,
    ) -> Result<DeviceId, LearnError> {
        self.begin(now);
        let account = intro.account_id();
        let is_new = !self.conversations.contains_key(&account);
        if is_new {
            self.check_acquaintances(out)?;
        }
        let device = self.learn_with(intro, None, out)?;
        if is_new {
            self.keep_acquaintance(account, out)?;
        }
        Ok(device)
    }

    /// This account, whose devices are known already, is known for no other sake than a group's: it is forgotten some
    /// time after nothing needs it. Where too many are known so, it is forgotten at once.
    pub fn acquaint(&mut self, now: Now, account: AccountId, out: &mut Outbox) {
        self.begin(now);
        if self.knows(account)
            && !self.acquaintances.contains(&account)
            && self.keep_acquaintance(account, out).is_err()
        {
            self.forget_wholly(account, out);
        }
    }

    /// Whether anything is known of this account's devices.
    #[must_use]
    pub fn knows(&self, account: AccountId) -> bool {
        self.conversations.get(&account).is_some_and(|conversation| !conversation.devices.is_empty())
    }

    /// This account is known for itself.
    pub(super) fn know(&mut self, account: AccountId, out: &mut Outbox) {
        if self.acquaintances.remove(&account) {
            self.strays.set(account, None);
            self.records.delete(out, records::acquaintance(account));
        }
    }

    /// This account is known for the sake of groups alone, from now on.
    pub(super) fn keep_acquaintance(
        &mut self,
        account: AccountId,
        out: &mut Outbox,
    ) -> Result<(), LearnError> {
        self.check_acquaintances(out)?;
        self.acquaintances.insert(account);
        self.records.put_bytes(out, records::acquaintance(account), Vec::new());
        self.watch_stray(account);
        Ok(())
    }

    /// Makes room for one more acquaintance.
    fn check_acquaintances(&mut self, out: &mut Outbox) -> Result<(), LearnError> {
        let limit = MAX_ACQUAINTANCES;
        if self.acquaintances.len() < limit {
            return Ok(());
        }
        let (_, stray) = self.strays.first().ok_or(LearnError::TooManyMembers { limit })?;
        self.forget_wholly(stray, out);
        Ok(())
    }

    /// An acquaintance in no group of ours is forgotten some time later.
    pub(super) fn watch_stray(&mut self, account: AccountId) {
        let is_stray = self.acquaintances.contains(&account) && !self.groups_of.contains_key(&account);
        if is_stray != self.strays.contains(&account) {
            self.strays.set(account, is_stray.then_some(self.now_s));
        }
    }

    /// Forgets acquaintances that no group had for long.
    pub(super) fn forget_strays(&mut self, out: &mut Outbox) {
        let since = self.now_s.saturating_sub(TOMBSTONE_S);
        while self.now_s >= TOMBSTONE_S
            && let Some(account) = self.strays.due(since)
        {
            self.forget_wholly(account, out);
        }
    }

    /// What is left of an account that is declined while a group has it: what is between two ends.
    pub(super) fn forget_between_two(&mut self, account: AccountId, out: &mut Outbox) {
        let Some(conversation) = self.conversations.get_mut(&account) else { return };
        let written = [conversation.current.take(), conversation.carrier.take()];
        conversation.ended = None;
        self.records.put(out, records::conversation(account), conversation);
        let devices = conversation.devices.clone();
        for sid in written.into_iter().flatten() {
            self.remove_outbound(sid, out);
        }
        for device in devices {
            let read = self.read_of.get(&device).cloned().unwrap_or_default();
            for sid in read {
                if self.inbound.get(&sid).is_some_and(|inbound| inbound.reads == Reads::Person) {
                    self.end(self.now_s, sid, out);
                }
            }
        }
        self.acquaintances.insert(account);
        self.records.put_bytes(out, records::acquaintance(account), Vec::new());
        self.watch_stray(account);
    }

    /// A device became known: it reads the groups of its account from here on.
    pub(super) fn device_learnt(&mut self, account: AccountId, device: DeviceId, out: &mut Outbox) {
        for group in self.groups_of.get(&account).cloned().unwrap_or_default() {
            self.add_holder(group, device, out);
        }
    }

    /// A device is known no more: it reads nothing that is written from here on.
    pub(super) fn device_gone(&mut self, account: AccountId, device: DeviceId, out: &mut Outbox) {
        for group in self.groups_of.get(&account).cloned().unwrap_or_default() {
            self.drop_holder(group, device, out);
        }
    }

    fn joins(&mut self, group: GroupId, account: AccountId, out: &mut Outbox) {
        if let Some(held) = self.groups.get_mut(&group) {
            held.accounts.insert(account);
        }
        self.records.put_bytes(out, records::audience(group, account), Vec::new());
        self.groups_of.entry(account).or_default().insert(group);
        self.watch_stray(account);
        for device in self.devices_of(account) {
            self.add_holder(group, device, out);
        }
    }

    fn leaves(&mut self, group: GroupId, account: AccountId, out: &mut Outbox) {
        for device in self.devices_of(account) {
            self.drop_holder(group, device, out);
        }
        if let Some(held) = self.groups.get_mut(&group) {
            held.accounts.remove(&account);
        }
        self.records.delete(out, records::audience(group, account));
        if let Some(groups) = self.groups_of.get_mut(&account) {
            groups.remove(&group);
            if groups.is_empty() {
                self.groups_of.remove(&account);
            }
        }
        self.watch_stray(account);
    }

    pub(super) fn devices_of(&self, account: AccountId) -> Vec<DeviceId> {
        self.conversations.get(&account).map(|held| held.devices.clone()).unwrap_or_default()
    }

    pub(super) fn renew_because(&mut self, group: GroupId, why: Renewal, out: &mut Outbox) {
        let Some(held) = self.groups.get_mut(&group) else { return };
        if held.next < why {
            held.next = why;
            self.records.put(out, records::group(group), held);
        }
    }
}
