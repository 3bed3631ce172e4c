//! The groups that this node's person is or was in (PROTOCOL.md section 15).
//!
//! Who is in a group follows from its operations ([`group`](super::group)); here they are kept, exchanged and asked
//! for. A group is entered when a contact brings its operations and they name this node's person.

mod exchange;
mod store;

use exchange::Known;
pub(super) use exchange::ops_message;
pub use exchange::{Asked, Brought, Person};

use super::State;
use super::group::{Certs, Group, MAX_MEMBERS, Membership, OpRefusal, Role, SignedOp, What};
use crate::border::Refusal;
use crate::crypto::safety::tag;
use crate::crypto::{AccountKey, Intro, VerifiedIntro};
use crate::id::{AccountId, ConversationId, DeviceId, GroupId, MessageId, OpHash, OpName};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time, Wall};
use crate::view::{GroupView, MemberView};
use crate::wire::codec;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Groups that are kept; a further one is refused.
pub const MAX_GROUPS: usize = 256;
/// Groups that somebody brings and that are not whole yet.
const MAX_AWAITED: usize = 16;
/// People who are kept of a group that is not whole yet, by device.
const MAX_PEOPLE_AWAITED: usize = 2 * MAX_MEMBERS;
/// What somebody may bring whose request is undecided, and how many such people are remembered.
const MAX_REQUESTED: (usize, usize) = (4, 16);
/// Up to so many members tell where messages are: in a larger group their receipts would cost more than the messages.
pub const MAX_RECEIPTING: usize = 32;
/// The same person is asked for operations of a group no sooner than after this.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// The groups, and who is in them.
#[derive(Debug, Default)]
pub(super) struct Groups {
    held: BTreeMap<GroupId, Held>,
    /// What people in groups were called by whoever brought them in, before they said it themselves.
    names: BTreeMap<AccountId, String>,
    /// The groups that are not entered, in the order in which they were begun to be waited for.
    awaited: VecDeque<GroupId>,
    /// Operations that came within the input at work, for the node to take in.
    brought: Vec<Brought>,
    /// What people brought whose requests are undecided: it counts once they are accepted.
    requested: BTreeMap<AccountId, Vec<Brought>>,
    /// Who asked for operations within the input at work.
    asked: Vec<Asked>,
    /// Groups whose members are not what the sessions know.
    changed: BTreeSet<GroupId>,
}

/// One group.
#[derive(Debug)]
struct Held {
    group: Group,
    /// Everybody who ever was in it.
    ever: BTreeMap<AccountId, AccountKey>,
    /// Whether we are or were in it. What we are not is neither shown nor stored: the operations that name us may still
    /// be on their way.
    entered: bool,
    /// Of one that is not entered: who is in it, to be learnt once it is.
    people: Known,
    /// How the devices are certified that signed its operations, whether they are still around or not.
    signers: BTreeMap<(AccountId, DeviceId), Intro>,
    /// Whom we asked for operations, and when.
    asked: BTreeMap<AccountId, Time>,
    /// Whom we answered, and when.
    answered: BTreeMap<AccountId, Time>,
}

impl Held {
    fn new(group: Group) -> Self {
        let ops: Vec<SignedOp> = group.ops_not_under(&[]).into_iter().cloned().collect();
        let (ever, people, signers) = (BTreeMap::new(), Known::new(), BTreeMap::new());
        let (asked, answered) = (BTreeMap::new(), BTreeMap::new());
        let mut held = Self { group, ever, entered: false, people, signers, asked, answered };
        held.remember(&ops);
        held
    }

    /// Notes everybody whom these operations name as members.
    fn remember(&mut self, ops: &[SignedOp]) {
        let named = ops.iter().filter_map(|op| op.claim().ok()).flat_map(|op| match op.what {
            What::Create { creator, mut members, .. } => {
                members.push(creator);
                members
            }
            What::Add { members } => members,
            _ => Vec::new(),
        });
        self.ever.extend(named.map(|key| (key.id(), key)));
    }

    fn state(&self) -> &Membership {
        self.group.state()
    }

    fn member_ids(&self) -> BTreeSet<AccountId> {
        self.state().members().keys().copied().collect()
    }

    /// Whom the author of an operation told of it: the members before and after it, as its past has them.
    fn told(&mut self, op: &SignedOp) -> BTreeSet<AccountId> {
        let parents = op.claim().map(|op| op.parents).unwrap_or_default();
        let states = [self.group.state_at(&parents), self.group.state_at(&[OpHash(op.hash())])];
        states
            .into_iter()
            .flatten()
            .flat_map(|state| state.members().keys().copied().collect::<Vec<_>>())
            .collect()
    }
}

impl Groups {
    /// The groups that this person is or was in together with us.
    pub(super) fn of(&self, account: AccountId) -> impl Iterator<Item = GroupId> {
        let together = move |(_, held): &(&GroupId, &Held)| held.entered && held.ever.contains_key(&account);
        self.held.iter().filter(together).map(|(id, _)| *id)
    }

    /// Whether this person is or was in a group.
    pub(super) fn has(&self, group: GroupId, account: AccountId) -> bool {
        self.entered(group).is_some_and(|held| held.ever.contains_key(&account))
    }

    /// The key of somebody who is or was in a group of ours.
    pub(super) fn key(&self, account: AccountId) -> Option<AccountKey> {
        self.held.values().filter(|held| held.entered).find_map(|held| held.ever.get(&account).copied())
    }

    /// A group that we are or were in.
    fn entered(&self, group: GroupId) -> Option<&Held> {
        self.held.get(&group).filter(|held| held.entered)
    }

    fn find(&self, group: GroupId) -> Result<&Held, Refusal> {
        self.entered(group).ok_or_else(|| unknown(group))
    }

    /// Forgets what somebody brought whose request is over.
    pub(super) fn forget_request(&mut self, account: AccountId) {
        self.requested.remove(&account);
    }

    /// Whether a further group may be entered.
    fn has_room(&self) -> bool {
        self.held.values().filter(|held| held.entered).count() < MAX_GROUPS
    }

    /// Waits for the operations of a group; the one that was waited for longest gives way.
    fn await_group(&mut self, group: GroupId, out: &mut Outbox) {
        if self.held.contains_key(&group) {
            return;
        }
        self.awaited.push_back(group);
        self.held.insert(group, Held::new(Group::awaited(group)));
        let held = &self.held;
        self.awaited.retain(|group| held.get(group).is_some_and(|held| !held.entered));
        if self.awaited.len() > MAX_AWAITED
            && let Some(oldest) = self.awaited.pop_front()
        {
            self.give_up(oldest, out);
        }
    }
}

impl State {
    /// The operations on a group's members that nothing here follows; none of a person.
    pub(super) fn heads(&self, with: ConversationId) -> Vec<[u8; 8]> {
        let held = with.group().and_then(|group| self.groups.held.get(&group));
        held.map_or_else(Vec::new, |held| held.group.named_heads().into_iter().map(|name| name.0).collect())
    }

    /// Who of a group is to tell where a message of ours is.
    pub(super) fn recipients(&self, with: ConversationId) -> Vec<AccountId> {
        let Some(held) = with.group().and_then(|group| self.groups.held.get(&group)) else {
            return Vec::new();
        };
        let members = held.state().members();
        if members.len() > MAX_RECEIPTING {
            return Vec::new();
        }
        members.keys().copied().filter(|member| *member != self.own).collect()
    }

    /// Whether this person is told where messages of theirs are.
    pub(super) fn answers(&self, with: ConversationId, account: AccountId) -> bool {
        if self.contacts.state(account) == Some(crate::view::ContactState::Blocked) {
            return false;
        }
        match with {
            ConversationId::Person(_) => self.contacts.may_learn(account),
            ConversationId::Group(group) => self.groups.held.get(&group).is_some_and(|held| {
                let members = held.state().members();
                members.len() <= MAX_RECEIPTING
                    && members.contains_key(&account)
                    && members.contains_key(&self.own)
            }),
        }
    }

    /// Whether we may write there.
    pub(super) fn check_group(&self, group: GroupId) -> Result<(), Refusal> {
        let state = self.groups.find(group)?.state();
        let why = match state.role(self.own) {
            None => "you are not in this group any more",
            Some(_) if !state.may_post(self.own) => "only admins write in this group",
            Some(_) if state.members().len() == 1 => "nobody else is in this group",
            Some(_) => return Ok(()),
        };
        Err(Refusal::Group { group, why: why.to_owned() })
    }

    /// Whether a person might write as far as these operations say: `None` where one of them is not here.
    pub(super) fn might_post(&mut self, group: GroupId, who: AccountId, heads: &[[u8; 8]]) -> Option<bool> {
        self.state_at(group, heads).map(|state| state.may_post(who))
    }

    /// Who was in a group as far as these operations say; `None` where one of them is not here.
    fn state_at(&mut self, group: GroupId, heads: &[[u8; 8]]) -> Option<Arc<Membership>> {
        let held = self.groups.held.get_mut(&group)?;
        let names: Vec<OpName> = heads.iter().copied().map(OpName).collect();
        let heads = held.group.named(&names)?;
        held.group.state_at(&heads)
    }

    /// Whether a person was in a group as far as these operations say.
    fn was_member(&mut self, group: GroupId, who: AccountId, heads: &[[u8; 8]]) -> bool {
        self.state_at(group, heads).is_some_and(|state| state.role(who).is_some())
    }

    /// Whether a text that named these operations may be sealed for the group once more: nobody came in since.
    pub(super) fn may_reseal(&mut self, with: ConversationId, heads: &[[u8; 8]]) -> bool {
        let Some(group) = with.group() else { return true };
        let Some(then) = self.state_at(group, heads) else { return true };
        let now = self.groups.entered(group).map(Held::state);
        now.is_none_or(|now| now.members().keys().all(|who| then.role(*who).is_some()))
    }

    /// For whom a group is written, and whom it hears: its members, and all who ever were in it, both without us. Who
    /// has left still tells the others so. `None` for an unknown group.
    #[must_use]
    pub fn audience(&self, group: GroupId) -> Option<(BTreeSet<AccountId>, BTreeSet<AccountId>)> {
        let held = self.groups.entered(group)?;
        let others = |who: &AccountId| *who != self.own;
        let now = held.state().members().keys().copied().filter(others).collect();
        Some((now, held.ever.keys().copied().filter(others).collect()))
    }

    /// The groups whose members the sessions do not know yet, once.
    pub fn take_changed_groups(&mut self) -> BTreeSet<GroupId> {
        core::mem::take(&mut self.groups.changed)
    }

    /// Whether this person is or was in a group of ours.
    #[must_use]
    pub fn is_fellow(&self, account: AccountId) -> bool {
        self.groups.of(account).next().is_some()
    }

    /// Every group, by name.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupView> {
        let mut views: Vec<_> = self.groups.held.keys().filter_map(|group| self.group(*group)).collect();
        views.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        views
    }

    /// One group.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<GroupView> {
        let state = self.groups.entered(id)?.state();
        let member = |(who, member): (&AccountId, &super::group::Member)| MemberView {
            account: (*who != self.own).then_some(*who),
            name: self.fellow_name(*who),
            admin: member.role == Role::Admin,
        };
        let mut members: Vec<_> = state.members().iter().map(member).collect();
        members.sort_by(|a, b| (!a.admin, &a.name).cmp(&(!b.admin, &b.name)));
        Some(GroupView {
            id,
            name: state.name().to_owned(),
            about: state.about().to_owned(),
            admin: state.role(self.own).map(|role| role == Role::Admin),
            members,
            only_admins_post: state.only_admins_post(),
            only_admins_edit: state.only_admins_edit(),
            timer: state.timer().map(|seconds| Duration::from_secs(seconds.into())),
            state: state.hash(),
        })
    }

    /// What to show for somebody in a group: as a contact, else as whoever brought the person in called them.
    #[must_use]
    pub fn fellow_name(&self, account: AccountId) -> String {
        if account == self.own {
            return self.profile.name.clone();
        }
        let said = || self.groups.names.get(&account).cloned().filter(|name| !name.is_empty());
        self.contacts.shown(account).or_else(said).unwrap_or_else(|| tag(account))
    }

    /// What a person calls herself, as far as it is known here.
    #[must_use]
    pub fn said_name(&self, account: AccountId) -> String {
        let said = || self.groups.names.get(&account).cloned();
        self.contacts.said_name(account).or_else(said).unwrap_or_default()
    }

    /// The key of a member of a group.
    ///
    /// # Errors
    /// Where the group or the member is unknown.
    pub fn member_key(&self, group: GroupId, member: AccountId) -> Result<AccountKey, Refusal> {
        let key = self.groups.find(group)?.ever.get(&member).copied();
        key.ok_or_else(|| Refusal::Group { group, why: "that person is not in this group".to_owned() })
    }
}

fn unknown(group: GroupId) -> Refusal {
    Refusal::Unknown { what: "group", name: group.to_text() }
}

fn refused(group: GroupId, refusal: &OpRefusal) -> Refusal {
    Refusal::Group { group, why: refusal.to_string() }
}
