//! Who reads a group: its accounts, their devices, and those who are known for a group's sake alone.

use super::outbound::Letter;
use super::{LearnError, SealError, SealedEnvelope, Sessions};
use crate::crypto::VerifiedIntro;
use crate::id::{AccountId, DeviceId, GroupId};
use crate::outbox::Outbox;
use crate::time::Now;
use std::collections::BTreeSet;

impl Sessions {
    /// From now on this group is written for the devices of these accounts, those that are known and those that
    /// are learnt later. Who is new reads from here on; once somebody left, what is written next begins a session
    /// that they cannot read. Learn the newcomers' devices first ([`Sessions::learn_member`]). A group that is not
    /// written to needs no audience.
    pub fn set_audience(
        &mut self,
        now: Now,
        _group: GroupId,
        _accounts: &BTreeSet<AccountId>,
        _out: &mut Outbox,
    ) {
        self.begin(now);
    }

    /// Forgets a group: nothing is written to it or read from it any more.
    pub fn forget_group(&mut self, now: Now, _group: GroupId, _out: &mut Outbox) {
        self.begin(now);
    }

    /// What is written to this group next begins a new session.
    pub fn renew(&mut self, now: Now, _group: GroupId, _out: &mut Outbox) {
        self.begin(now);
    }

    /// Learns a device of somebody who is in a group with us, without their being known for themselves: they are
    /// forgotten some time after the last group of ours that has them.
    ///
    /// # Errors
    /// [`LearnError`], as [`Sessions::learn`].
    pub fn learn_member(
        &mut self,
        now: Now,
        intro: &VerifiedIntro,
        out: &mut Outbox,
    ) -> Result<DeviceId, LearnError> {
        self.begin(now);
        self.learn_with(intro, None, out)
    }

    pub(super) fn seal_to_group(
        &mut self,
        _group: GroupId,
        letter: &Letter<'_>,
        _out: &mut Outbox,
    ) -> Result<SealedEnvelope, SealError> {
        Err(SealError::UnknownPeer { to: letter.to })
    }
}
