//! Groups in a world: who begins one, what its people do in it, and whether they agree at the end.
//!
//! A [`Script`] says all of it beforehand: [`GroupSpec::script`] draws one from a scenario's section `[[group]]`, fault
//! runs draw theirs. A [`Circle`] plays it with real nodes: each [`Step`] is done by the first person from the drawn one
//! on who is able to at that moment, by what that person's own node says of the group. So a script needs no foresight, and
//! every part of it can be left out.
//!
//! For whom a message is stands in the view of the group that its author has when it is written. Nobody else may ever be
//! shown it: neither whoever the author knows to be out, nor a newcomer of whom the author knows nothing.

mod agreement;
mod section;

pub use section::GroupSpec;

use crate::{Audience, Draft, NodeIx, Protocol, World};
use mesh_core::border::{GroupCommand, GroupProperty};
use mesh_core::view::GroupView;
use mesh_core::{AccountId, Command, ConversationId, GroupId, MessageId, Node, Remark, Reply};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Whom one operation names besides its author, at most (PROTOCOL.md section 15.1).
const MOST_AT_ONCE: usize = 63;
/// A group of fewer people loses nobody any more.
const FEWEST: usize = 4;

/// Everything that happens in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Everybody who ever has to do with it: who begins it, the other first admins, the other first members, those who
    /// may be added.
    pub people: Vec<u32>,
    /// How many of them are admins from the beginning.
    pub admins: u32,
    /// How many of them are members from the beginning.
    pub members: u32,
    /// When it begins, in milliseconds of the world.
    pub begins: u64,
    /// What is done in it, in order of time.
    pub steps: Vec<Step>,
}

impl Script {
    /// Whether it can happen among so many nodes.
    ///
    /// # Errors
    /// What is wrong, and what is allowed.
    pub fn check(&self, nodes: u32) -> Result<(), String> {
        let people: BTreeSet<u32> = self.people.iter().copied().filter(|person| *person < nodes).collect();
        if people.len() != self.people.len() {
            return Err(format!("the people of a group are different nodes below {nodes}"));
        }
        let count = u32::try_from(people.len()).unwrap_or(u32::MAX);
        if !(2..=count.min(1_024)).contains(&self.members) || !(1..=self.members).contains(&self.admins) {
            let (members, admins) = (self.members, self.admins);
            return Err(format!(
                "of {count} people 2 or more are members and 1 or more of them admins, not {members} and {admins}"
            ));
        }
        Ok(())
    }
}

/// Something that somebody does in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When, in milliseconds of the world.
    pub at: u64,
    /// Whose turn it is: a place among [`Script::people`]. Whoever cannot do it leaves it to the next.
    pub by: u32,
    /// What.
    pub deed: Deed,
}

/// What is done. Numbers of people and of messages are places from which on the first that fits is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Writes so many bytes.
    Write(u32),
    /// Feels something about a message.
    React(u32),
    /// Changes the words of an own message.
    Edit(u32),
    /// Takes an own message back.
    Delete(u32),
    /// Brings somebody in.
    Add(u32),
    /// Puts somebody out.
    Remove(u32),
    /// Makes somebody an admin.
    Promote(u32),
    /// Makes an admin an ordinary member.
    Demote(u32),
    /// Gives the group another name.
    Rename,
    /// Goes.
    Leave,
}

/// A message that was written in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who wrote what to whom, and when: to everybody whom the author's node had as a member.
    pub draft: Draft,
    /// Its name.
    pub message: MessageId,
}

/// What was said about a message.
#[derive(Clone, Debug)]
struct Mark {
    message: MessageId,
    /// Who was told, and who said it.
    told: BTreeSet<u32>,
}

/// A group on its way.
#[derive(Debug)]
pub struct Circle {
    people: Vec<NodeIx>,
    accounts: BTreeMap<AccountId, NodeIx>,
    admins: usize,
    members: usize,
    id: Option<GroupId>,
    said: Vec<Said>,
    marks: Vec<Mark>,
    done: u64,
    undone: u64,
}

impl Circle {
    /// The people of a script, before their group begins.
    ///
    /// # Panics
    /// Where one of them is no node of the world.
    #[must_use]
    pub fn new(world: &World, script: &Script) -> Self {
        let people: Vec<NodeIx> = script.people.iter().copied().map(NodeIx::from).collect();
        let accounts = people.iter().filter_map(|ix| Some((world.account(*ix)?, *ix))).collect();
        let (admins, members) = (script.admins as usize, script.members as usize);
        let (said, marks) = (Vec::new(), Vec::new());
        Self { people, accounts, admins, members, id: None, said, marks, done: 0, undone: 0 }
    }

    /// Who must know whom: the first admins everybody.
    #[must_use]
    pub fn acquaintances(script: &Script) -> Vec<(NodeIx, NodeIx)> {
        let admins = script.people.iter().take(script.admins as usize);
        let pairs = admins.flat_map(|admin| script.people.iter().map(move |other| (*admin, *other)));
        let pairs: BTreeSet<(u32, u32)> =
            pairs.filter(|(a, b)| a != b).map(|(a, b)| (a.min(b), a.max(b))).collect();
        pairs.into_iter().map(|(a, b)| (NodeIx::from(a), NodeIx::from(b))).collect()
    }

    /// What was written so far.
    #[must_use]
    pub fn said(&self) -> &[Said] {
        &self.said
    }

    /// Steps that were done, and those that nobody could do.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.done, self.undone)
    }

    /// Its name; `None` before it began.
    #[must_use]
    pub fn id(&self) -> Option<GroupId> {
        self.id
    }

    /// Begins the group, where it has not begun: the first of its people invites the members and appoints the admins.
    /// Does nothing while that node is off.
    pub fn begin(&mut self, world: &mut World) -> Option<GroupId> {
        if self.id.is_some() {
            return self.id;
        }
        let first = *self.people.first()?;
        let accounts = |people: &[NodeIx]| people.iter().filter_map(|ix| world.account(*ix)).collect();
        let members: Vec<AccountId> = accounts(self.people.get(1..self.members)?);
        let admins: Vec<AccountId> = accounts(self.people.get(1..self.admins)?);
        // An operation names no more.
        let mut parts = members.chunks(MOST_AT_ONCE).map(<[AccountId]>::to_vec);
        let members = parts.next().unwrap_or_default();
        let create = GroupCommand::Create { name: "The street".to_owned(), members };
        let answer = world.try_command(first, Command::Group(create));
        self.id = match answer {
            Some(Ok(Reply::Group(group))) => Some(group),
            // Who died over the answer may have begun it.
            _ => node(world, first).and_then(|node| Some(node.groups().first()?.id)),
        };
        let group = self.id?;
        let adds = parts.map(|members| GroupCommand::Add { group, members });
        let promotions =
            admins.into_iter().map(|member| GroupCommand::Promote { group, member, admin: true });
        for command in adds.chain(promotions) {
            // Where that is lost with a crash there is somebody less.
            let _ = world.try_command(first, Command::Group(command));
        }
        self.id
    }

    /// Does a step, now. Words that are written get this number. Says whether it was done.
    pub fn step(&mut self, world: &mut World, number: u32, step: &Step) -> bool {
        let done = self.try_step(world, number, step).is_some();
        *(if done { &mut self.done } else { &mut self.undone }) += 1;
        done
    }

    fn try_step(&mut self, world: &mut World, number: u32, step: &Step) -> Option<()> {
        let group = self.begin(world)?;
        let (ix, view) = self.whose_turn(world, group, step)?;
        let others = self.others(&view);
        if let Deed::Write(bytes) = step.deed {
            let (at, from) = (world.now(), ix.number());
            let draft = Draft { number, at, from, to: Audience::Each(others), bytes };
            return self.write(world, group, draft);
        }
        let command = self.command(world, group, ix, &view, step.deed)?;
        if let Command::Remark { message, .. } = &command {
            let told = others.into_iter().chain([ix.number()]).collect();
            self.marks.push(Mark { message: *message, told });
        }
        match world.try_command(ix, command)? {
            Ok(_) => Some(()),
            Err(_) => None,
        }
    }

    fn write(&mut self, world: &mut World, group: GroupId, draft: Draft) -> Option<()> {
        let mut name = [0x6b; 16];
        name[..4].copy_from_slice(&draft.number.to_le_bytes());
        let (message, from) = (MessageId(name), NodeIx::from(draft.from));
        let send = Command::Send { to: group.into(), text: draft.text(), message: Some(message) };
        match world.try_command(from, send) {
            Some(Ok(_)) => {}
            Some(Err(_)) => return None,
            // Died over the answer: what was durable counts.
            None => drop(node(world, from)?.message(group.into(), message).ok()??),
        }
        world.tell_submitted(from, &draft, Some(message));
        self.said.push(Said { draft, message });
        Some(())
    }

    /// The first from the drawn one on who runs and may do it, and what they see of the group.
    fn whose_turn(&self, world: &World, group: GroupId, step: &Step) -> Option<(NodeIx, GroupView)> {
        let by_admins = matches!(
            step.deed,
            Deed::Add(_) | Deed::Remove(_) | Deed::Promote(_) | Deed::Demote(_) | Deed::Rename
        );
        let able = |ix: NodeIx| {
            let view = node(world, ix)?.group(group)?;
            view.admin.filter(|admin| *admin || !by_admins).map(|_| (ix, view))
        };
        self.from(step.by).find_map(able)
    }

    /// Everybody once, from a place on.
    fn from(&self, place: u32) -> impl Iterator<Item = NodeIx> {
        let (count, place) = (self.people.len(), place as usize);
        (0..count).map(move |n| self.people[(place + n) % count])
    }

    /// The other members, as somebody sees the group.
    fn others(&self, view: &GroupView) -> Vec<u32> {
        let others = view.members.iter().filter_map(|member| member.account);
        let mut others: Vec<u32> =
            others.filter_map(|account| self.accounts.get(&account)).map(|ix| ix.number()).collect();
        others.sort_unstable();
        others
    }

    fn command(
        &self,
        world: &World,
        group: GroupId,
        ix: NodeIx,
        view: &GroupView,
        deed: Deed,
    ) -> Option<Command> {
        let role = |ix: NodeIx| {
            let account = world.account(ix)?;
            view.members.iter().find(|member| member.account == Some(account)).map(|member| member.admin)
        };
        let person = |place: u32, wanted: fn(Option<bool>) -> bool| {
            let found = self.from(place).find(|other| *other != ix && wanted(role(*other)))?;
            world.account(found)
        };
        let may_lose = view.members.len() > FEWEST;
        let command = match deed {
            Deed::Add(place) => {
                let member = person(place, |role| role.is_none())?;
                GroupCommand::Add { group, members: vec![member] }
            }
            Deed::Remove(place) if may_lose => {
                let member = person(place, |role| role.is_some())?;
                GroupCommand::Remove { group, member }
            }
            Deed::Promote(place) => {
                let member = person(place, |role| role == Some(false))?;
                GroupCommand::Promote { group, member, admin: true }
            }
            Deed::Demote(place) => {
                let member = person(place, |role| role == Some(true))?;
                GroupCommand::Promote { group, member, admin: false }
            }
            Deed::Rename => {
                let name = format!("The street at {}", world.now());
                GroupCommand::Set { group, property: GroupProperty::Name(name) }
            }
            Deed::Leave if may_lose => GroupCommand::Leave { group },
            Deed::Remove(_) | Deed::Leave | Deed::Write(_) => return None,
            Deed::React(_) | Deed::Edit(_) | Deed::Delete(_) => return remark(node(world, ix)?, group, deed),
        };
        Some(Command::Group(command))
    }
}

/// What a node says about a message that it has.
fn remark(node: &Node, group: GroupId, deed: Deed) -> Option<Command> {
    let views = node.messages(Some(ConversationId::Group(group))).ok()?;
    let (place, own) = match deed {
        Deed::React(place) => (place, false),
        Deed::Edit(place) | Deed::Delete(place) => (place, true),
        _ => return None,
    };
    let fitting: Vec<_> =
        views.into_iter().filter(|view| !view.deleted && (!own || view.from.is_none())).collect();
    let view = fitting.get(place as usize % fitting.len().max(1))?;
    let remark = match deed {
        Deed::React(place) => Remark::React(["+", "-", "!", "?"][place as usize % 4].to_owned()),
        // The number that it begins with stays.
        Deed::Edit(place) => Remark::Edit(format!("{} ({place})", view.text)),
        _ => Remark::Delete,
    };
    Some(Command::Remark { within: Some(group.into()), message: view.id, remark })
}

/// The real node of somebody who runs.
fn node(world: &World, ix: NodeIx) -> Option<&Node> {
    world.protocol(ix).and_then(Protocol::as_node)
}

#[cfg(test)]
mod tests;
