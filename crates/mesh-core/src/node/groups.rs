//! Groups: what the person does with them, and what other members' programs bring (PROTOCOL.md section 15).

use super::Node;
use crate::border::{GroupCommand, GroupProperty, Refusal, Reply};
use crate::chat::group::{MAX_ADDED, MAX_MEMBERS, Meta, What};
use crate::chat::{Asked, Brought, Person};
use crate::crypto::AccountKey;
use crate::id::{AccountId, DeviceId, GroupId};
use crate::store::ReadError;
use crate::time::Now;
use std::collections::BTreeSet;

impl Node {
    pub(super) fn on_group(&mut self, now: Now, command: GroupCommand) -> Result<Reply, Refusal> {
        match command {
            GroupCommand::Create { name, members } => self.create_group(now, &name, &members),
            GroupCommand::Add { group, members } => self.add_members(now, group, &members),
            GroupCommand::Remove { group, member } => {
                let member = self.chat.member_key(group, member)?;
                self.change_group(now, group, What::Remove { member }, &[])
            }
            GroupCommand::Promote { group, member, admin } => {
                let member = self.chat.member_key(group, member)?;
                let what = if admin { What::Promote { member } } else { What::Demote { member } };
                self.change_group(now, group, what, &[])
            }
            GroupCommand::Set { group, property } => {
                let meta = match property {
                    GroupProperty::Name(name) => Meta::Name(crate::crypto::name::clean_name(&name)),
                    GroupProperty::About(about) => Meta::About(about),
                    GroupProperty::OnlyAdminsPost(only) => Meta::OnlyAdminsPost(only),
                    GroupProperty::OnlyAdminsEdit(only) => Meta::OnlyAdminsEdit(only),
                    GroupProperty::Timer(after) => Meta::Timer(super::talk::timer(after)?),
                };
                self.change_group(now, group, What::Meta(meta), &[])
            }
            GroupCommand::Leave { group } => self.change_group(now, group, What::Leave, &[]),
            GroupCommand::Forget { group } => {
                self.chat.forget_group(group, &mut self.outbox)?;
                Ok(Reply::Done)
            }
        }
    }

    fn create_group(&mut self, now: Now, name: &str, members: &[AccountId]) -> Result<Reply, Refusal> {
        let members: Vec<AccountId> = members.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let (first, later) = members.split_at(members.len().min(MAX_ADDED));
        let keys = self.contact_keys(&members)?;
        let people = self.people(first.iter().copied());
        let begin = keys.into_iter().take(first.len());
        let group = self.chat.create_group(now, name, begin, &self.identity, &people, &mut self.outbox)?;
        if !later.is_empty() {
            self.add_members(now, group, later)?;
        }
        Ok(Reply::Group(group))
    }

    /// Adds any number of people, so many with each operation as it holds. Nobody is added where one cannot be.
    fn add_members(&mut self, now: Now, group: GroupId, members: &[AccountId]) -> Result<Reply, Refusal> {
        let keys = self.contact_keys(members)?;
        let room = self.chat.group(group).map_or(0, |view| MAX_MEMBERS.saturating_sub(view.members.len()));
        if keys.len() > MAX_ADDED && keys.len() > room {
            return Err(Refusal::Full { what: "members", limit: MAX_MEMBERS });
        }
        for (members, keys) in members.chunks(MAX_ADDED).zip(keys.chunks(MAX_ADDED)) {
            self.change_group(now, group, What::add(keys.iter().copied()), members)?;
        }
        Ok(Reply::Group(group))
    }

    fn contact_keys(&self, members: &[AccountId]) -> Result<Vec<AccountKey>, Refusal> {
        members.iter().map(|who| self.contact_key(*who)).collect()
    }

    pub(super) fn change_group(
        &mut self,
        now: Now,
        group: GroupId,
        what: What,
        newcomers: &[AccountId],
    ) -> Result<Reply, Refusal> {
        let people = match what {
            What::Add { .. } => {
                let mut people = self.people(newcomers.iter().copied().chain(self.chat.fellows(group)));
                people.extend(self.departed(group));
                people
            }
            _ => Vec::new(),
        };
        self.chat.change_group(now, group, what, &self.identity, &people, &mut self.outbox)?;
        Ok(Reply::Group(group))
    }

    /// The key of a contact whom a group may have.
    fn contact_key(&self, account: AccountId) -> Result<AccountKey, Refusal> {
        if !self.chat.may_learn(account) {
            return Err(Refusal::UnknownContact { account });
        }
        self.sessions.account_key(account).ok_or(Refusal::UnknownContact { account })
    }

    /// How these people and this node's own are reached, as far as is known here.
    fn people(&self, accounts: impl IntoIterator<Item = AccountId>) -> Vec<Person> {
        let own = Person { intro: self.identity.intro().to_intro(), name: self.chat.profile().name.clone() };
        let accounts: BTreeSet<AccountId> = accounts.into_iter().collect();
        let others = accounts.into_iter().flat_map(|account| {
            let name = self.chat.said_name(account);
            self.sessions.intros(account).into_iter().map(move |intro| Person { intro, name: name.clone() })
        });
        [own].into_iter().chain(others).collect()
    }

    /// Takes in what other members' programs brought, answers what they asked for, and lets the sessions follow.
    /// Whether there was anything.
    pub(super) fn regroup(&mut self, now: Now) -> Result<bool, ReadError> {
        let brought = self.chat.take_brought();
        for brought in &brought {
            self.take_ops(now, brought);
        }
        // What was brought may show who lacks something.
        let asked = self.chat.take_asked();
        for asked in &asked {
            self.answer_ops(now, asked);
        }
        let changed = self.chat.take_changed_groups();
        for group in &changed {
            self.follow(now, *group)?;
        }
        Ok(!brought.is_empty() || !asked.is_empty() || !changed.is_empty())
    }

    fn take_ops(&mut self, now: Now, brought: &Brought) {
        let (sessions, identity) = (&self.sessions, &self.identity);
        let own = |device: DeviceId| (device == identity.device_id()).then(|| identity.cert().device);
        let certs = |account, device| sessions.device_key(account, device).or_else(|| own(device));
        for intro in self.chat.take_ops(now, brought, &certs, &mut self.outbox) {
            // An older bundle than the known one tells nothing, and too many people are not all learnt.
            let _known = self.sessions.learn_member(now, &intro, &mut self.outbox);
        }
        for (account, device) in self.chat.unkept_signers(brought.group) {
            let intros = self.sessions.intros(account).into_iter().filter_map(|intro| intro.verify().ok());
            if let Some(intro) = intros.into_iter().find(|intro| intro.device_id() == device) {
                self.chat.keep_signer(brought.group, &intro, &mut self.outbox);
            }
        }
    }

    /// Who signed operations of a group and is known for nothing else any more: without them nobody new could read it.
    fn departed(&self, group: GroupId) -> Vec<Person> {
        let signers =
            self.chat.signers(group).into_iter().filter_map(|intro| Some((intro.verify().ok()?, intro)));
        let gone = signers.filter(|(signer, _)| {
            self.sessions.device_key(signer.account_id(), signer.device_id()).is_none()
        });
        gone.map(|(signer, intro)| Person { intro, name: self.chat.said_name(signer.account_id()) }).collect()
    }

    fn answer_ops(&mut self, now: Now, asked: &Asked) {
        let mut people = self.people(self.chat.fellows(asked.group));
        people.extend(self.departed(asked.group));
        self.chat.answer_ops(now, asked, &people, &mut self.outbox);
    }

    /// Lets the sessions write to those who are in the group now, and read whoever ever was.
    fn follow(&mut self, now: Now, group: GroupId) -> Result<(), ReadError> {
        let out = &mut self.outbox;
        let Some((writers, readers)) = self.chat.audience(group) else {
            self.sessions.forget_group(now, group, out);
            self.sessions.forget_authors(group);
            return Ok(());
        };
        self.sessions.set_audience(now, group, &writers, out);
        let tags = self.sessions.set_authors(group, &readers);
        self.keys_may_be_due = true;
        for envelope in self.mesh.by_tag_prefixes(now, &tags, &*self.read)? {
            self.ingest_sealed(now, None, envelope)?;
        }
        Ok(())
    }
}
