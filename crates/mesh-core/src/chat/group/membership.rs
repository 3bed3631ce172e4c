//! Who is in a group, and what they may do there (PROTOCOL.md section 15.2).

use super::op::{MAX_MEMBERS, Meta, Op, OpRefusal, What};
use crate::crypto::{AccountKey, kdf};
use crate::id::{AccountId, GroupId, OpHash};
use crate::wire::codec;
use std::collections::BTreeMap;

/// The order of operations: depth, then hash. It never contradicts cause and effect.
pub(super) type Stamp = (u32, OpHash);

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads, writes where everybody may, leaves.
    Member,
    /// Also adds, removes, promotes, demotes and sets properties.
    Admin,
}

/// Somebody who is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The person's account key.
    pub key: AccountKey,
    /// What the person may do.
    pub role: Role,
    /// Who brought the person in; the creator came alone.
    pub added_by: AccountId,
    /// The operation that brought the person in.
    pub(super) since: Stamp,
    /// The operation that made the person an admin; an heir who has done nothing yet has none.
    pub(super) admin_since: Option<Stamp>,
}

/// Who is in a group and what is set there, as a set of operations has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    group: GroupId,
    members: BTreeMap<AccountId, Member>,
    name: String,
    about: String,
    only_admins_post: bool,
    only_admins_edit: bool,
    timer: Option<u32>,
    /// More people were added than a group may have, each part of it within its rights: the latest are left out.
    over: bool,
}

impl Membership {
    /// Nobody, before the group begins.
    pub(super) const fn nobody(group: GroupId) -> Self {
        Self {
            group,
            members: BTreeMap::new(),
            name: String::new(),
            about: String::new(),
            only_admins_post: false,
            only_admins_edit: true,
            timer: None,
            over: false,
        }
    }

    /// The members, by name; at most [`MAX_MEMBERS`].
    #[must_use]
    pub const fn members(&self) -> &BTreeMap<AccountId, Member> {
        &self.members
    }

    /// What this person may do, `None` for one who is not in the group.
    #[must_use]
    pub fn role(&self, who: AccountId) -> Option<Role> {
        self.members.get(&who).map(|member| member.role)
    }

    /// Whether the person is an admin.
    #[must_use]
    pub fn is_admin(&self, who: AccountId) -> bool {
        self.role(who) == Some(Role::Admin)
    }

    /// Whether the person may write messages.
    #[must_use]
    pub fn may_post(&self, who: AccountId) -> bool {
        self.role(who).is_some_and(|role| role == Role::Admin || !self.only_admins_post)
    }

    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The group's description.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Whether only admins write.
    #[must_use]
    pub const fn only_admins_post(&self) -> bool {
        self.only_admins_post
    }

    /// Whether only admins set name, description and timer.
    #[must_use]
    pub const fn only_admins_edit(&self) -> bool {
        self.only_admins_edit
    }

    /// After how many seconds messages disappear.
    #[must_use]
    pub const fn timer(&self) -> Option<u32> {
        self.timer
    }

    /// The state hash: two replicas with the same one agree about everything here (PROTOCOL.md section 15.3).
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let members: Vec<_> = self.members.values().map(|m| (m.key, m.role as u8, m.added_by)).collect();
        let flags = (self.only_admins_post, self.only_admins_edit);
        let state = (self.group, members, &self.name, &self.about, flags, self.timer);
        kdf("group state", &[&codec::encode(&state)])
    }

    /// Whether `author` may do this in a group that stands so, and whether it would change anything.
    pub(super) fn admits(&self, author: AccountId, what: &What) -> Result<(), OpRefusal> {
        if matches!(what, What::Create { .. }) {
            return if self.members.is_empty() { Ok(()) } else { Err(OpRefusal::OtherGroup) };
        }
        let role = self.role(author).ok_or(OpRefusal::Right { who: "members" })?;
        let edits = matches!(what, What::Meta(_)) && self.only_admins_edit;
        if role != Role::Admin && (edits || what.is_admins()) {
            return Err(OpRefusal::Right { who: "admins" });
        }
        let idle = |why| Err(OpRefusal::Idle { why });
        match what {
            What::Add { members } => {
                let new = members.iter().filter(|key| !self.members.contains_key(&key.id())).count();
                let got = self.members.len() + new;
                match new {
                    0 => idle("everybody is a member"),
                    _ if got > MAX_MEMBERS => Err(OpRefusal::Members { got }),
                    _ => Ok(()),
                }
            }
            What::Remove { member } if self.role(member.id()).is_none() => idle("that is no member"),
            What::Promote { member } => match self.members.get(&member.id()) {
                None => idle("that is no member"),
                Some(member) if member.admin_since.is_some() => idle("that is an admin"),
                Some(_) => Ok(()),
            },
            What::Demote { member } => match self.members.get(&member.id()) {
                Some(member) if member.admin_since.is_some() => Ok(()),
                _ => idle("that is no admin"),
            },
            _ => Ok(()),
        }
    }

    /// Whether the group would be without an admin, though not without members, after this.
    pub(super) fn orphans(&self, author: AccountId, what: &What) -> bool {
        let goes = match what {
            What::Leave => true,
            What::Demote { member } => member.id() == author,
            _ => false,
        };
        let others = || self.members.iter().filter(|(who, _)| **who != author);
        goes && others().count() > 0 && !others().any(|(_, member)| member.role == Role::Admin)
    }

    /// Whether one further operation, after all others, can be applied to what is here. Where people were left
    /// out, one who goes makes room for another, whom only all operations together tell.
    pub(super) const fn is_foldable(&self) -> bool {
        !self.over
    }

    /// Applies an operation that counts and comes after all that were applied.
    pub(super) fn apply(&mut self, stamp: Stamp, op: &Op) {
        let newcomer = |key: AccountKey| Member {
            key,
            role: Role::Member,
            added_by: op.author,
            since: stamp,
            admin_since: None,
        };
        if op.what.is_admins() {
            self.raise(op.author, stamp);
        }
        match &op.what {
            What::Create { creator, members, .. } => {
                members.iter().chain([creator]).for_each(|key| self.enter(newcomer(*key)));
                self.raise(op.author, stamp);
                self.set(&op.what);
            }
            What::Add { members } => members.iter().for_each(|key| self.enter(newcomer(*key))),
            What::Remove { member } => self.put_out(member.id()),
            What::Leave => self.put_out(op.author),
            What::Promote { member } => self.raise(member.id(), stamp),
            What::Demote { member } => {
                if let Some(member) = self.members.get_mut(&member.id()) {
                    member.admin_since = None;
                }
            }
            What::Meta(_) => return self.set(&op.what),
        }
        self.settle();
    }

    /// Takes in a person who is not there yet.
    pub(super) fn enter(&mut self, member: Member) {
        self.members.entry(member.key.id()).or_insert(member);
    }

    fn put_out(&mut self, who: AccountId) {
        self.members.remove(&who);
    }

    fn raise(&mut self, who: AccountId, at: Stamp) {
        if let Some(member) = self.members.get_mut(&who) {
            member.admin_since.get_or_insert(at);
        }
    }

    /// Sets what an operation sets; the last one applied counts.
    pub(super) fn set(&mut self, what: &What) {
        match what {
            What::Create { name, .. } | What::Meta(Meta::Name(name)) => self.name.clone_from(name),
            What::Meta(Meta::About(about)) => self.about.clone_from(about),
            What::Meta(Meta::OnlyAdminsPost(only)) => self.only_admins_post = *only,
            What::Meta(Meta::OnlyAdminsEdit(only)) => self.only_admins_edit = *only,
            What::Meta(Meta::Timer(seconds)) => self.timer = *seconds,
            _ => {}
        }
    }

    /// Leaves out who is too many, and says who is an admin: where nobody was made one, the one who is there longest.
    pub(super) fn settle(&mut self) {
        if self.members.len() > MAX_MEMBERS {
            self.over = true;
            let mut order: Vec<_> = self.members.iter().map(|(who, m)| (m.since, *who)).collect();
            order.sort_unstable();
            for (_, who) in order.split_off(MAX_MEMBERS) {
                self.members.remove(&who);
            }
        }
        let orphaned = !self.members.values().any(|member| member.admin_since.is_some());
        let eldest = self.members.iter().map(|(who, member)| (member.since, *who)).min();
        let heir = eldest.filter(|_| orphaned).map(|(_, who)| who);
        for (who, member) in &mut self.members {
            let is_admin = member.admin_since.is_some() || heir == Some(*who);
            member.role = if is_admin { Role::Admin } else { Role::Member };
        }
    }
}
