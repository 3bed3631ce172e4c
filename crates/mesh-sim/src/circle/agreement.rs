//! Whether the members of a group agree: on who is in it, on what was written, on what it looks like.

use super::{Circle, Said, node};
use crate::{NodeIx, World};
use mesh_core::view::MessageView;
use mesh_core::{AccountId, ConversationId, GroupId, MessageId};
use std::collections::{BTreeMap, BTreeSet};

/// What is told of one group at most.
const MOST_TOLD: usize = 8;

/// What a member holds.
struct Shelf {
    /// In the order in which it is shown.
    order: Vec<MessageId>,
    looks: BTreeMap<MessageId, Looks>,
}

/// What a message looks like, whoever holds it.
#[derive(Debug, PartialEq, Eq)]
struct Looks {
    from: Option<AccountId>,
    text: String,
    edits: usize,
    deleted: bool,
    reactions: BTreeSet<(AccountId, String)>,
}

impl Circle {
    /// Who is in the group by now, as the first of its people sees it who is in it; empty before it began.
    #[must_use]
    pub fn members(&self, world: &World) -> BTreeSet<u32> {
        let Some(group) = self.id else { return BTreeSet::new() };
        let inside = |ix: &NodeIx| {
            let view = node(world, *ix)?.group(group)?;
            view.admin.map(|_| self.others(&view).into_iter().chain([ix.number()]).collect())
        };
        self.people.iter().find_map(inside).unwrap_or_default()
    }

    /// What its members do not agree about, with where that is seen: nothing where all has healed. All who are in it have
    /// one state hash, hold every message that was for them, in one order, and whoever was told all that was said about a
    /// message sees the same.
    #[must_use]
    pub fn disagreements(&self, world: &World) -> Vec<(NodeIx, String)> {
        let Some(group) = self.id else { return Vec::new() };
        let members = self.members(world);
        let mut found = self.split(world, group, &members);
        let shelves: BTreeMap<u32, Shelf> = members
            .iter()
            .filter_map(|member| Some((*member, self.shelf(world, group, NodeIx::from(*member))?)))
            .collect();
        for said in &self.said {
            self.compare(said, &shelves, &mut found);
        }
        found.extend(disorder(&shelves));
        found.truncate(MOST_TOLD);
        found
    }

    /// How many of the messages are with everybody in the group whom they were for.
    #[must_use]
    pub fn arrived(&self, world: &World) -> usize {
        let Some(group) = self.id else { return 0 };
        let members = self.members(world);
        let has = |to: &u32, message| {
            let node = node(world, NodeIx::from(*to));
            node.is_some_and(|node| node.message(group.into(), message).is_ok_and(|view| view.is_some()))
        };
        let all = |said: &&Said| {
            said.readers().iter().filter(|to| members.contains(to)).all(|to| has(to, said.message))
        };
        self.said.iter().filter(all).count()
    }

    /// Members who are no members in their own eyes or see another group, and others who think that they are in it.
    fn split(&self, world: &World, group: GroupId, members: &BTreeSet<u32>) -> Vec<(NodeIx, String)> {
        let state = |ix: NodeIx| {
            let view = node(world, ix)?.group(group)?;
            view.admin.map(|_| view.state)
        };
        let first = members.iter().find_map(|member| state(NodeIx::from(*member)));
        let mut found = Vec::new();
        for ix in &self.people {
            let (is_in, seen) = (members.contains(&ix.number()), state(*ix));
            let what = match seen {
                None if is_in => "is in the group and does not know it",
                Some(_) if !is_in => "is out of the group and does not know it",
                Some(_) if seen != first => "sees another group",
                _ => continue,
            };
            found.push((*ix, format!("node {} {what}", ix.number())));
        }
        found
    }

    fn shelf(&self, world: &World, group: GroupId, ix: NodeIx) -> Option<Shelf> {
        let views = node(world, ix)?.messages(Some(ConversationId::Group(group))).ok()?;
        let own = world.account(ix)?;
        let order = views.iter().map(|view| view.id).collect();
        Some(Shelf { order, looks: views.into_iter().map(|view| (view.id, looks(own, view))).collect() })
    }

    /// Whether a message is wherever it must be, and looks alike to all who were told everything about it.
    fn compare(&self, said: &Said, shelves: &BTreeMap<u32, Shelf>, found: &mut Vec<(NodeIx, String)>) {
        let marks: Vec<_> = self.marks.iter().filter(|mark| mark.message == said.message).collect();
        let mut first = None;
        for reader in said.readers() {
            let Some(shelf) = shelves.get(&reader) else { continue };
            let (number, ix) = (said.draft.number, NodeIx::from(reader));
            let Some(looks) = shelf.looks.get(&said.message) else {
                found.push((ix, format!("message {number} of {} is not at {reader}", said.draft.from)));
                continue;
            };
            if !marks.iter().all(|mark| mark.told.contains(&reader)) {
                continue;
            }
            let (other, seen) = *first.get_or_insert((reader, looks));
            if seen != looks {
                found.push((
                    ix,
                    format!("message {number} is {looks:?} at {reader}, and {seen:?} at {other}"),
                ));
            }
        }
    }
}

impl Said {
    /// Its author and everybody it was written for.
    #[must_use]
    pub fn readers(&self) -> Vec<u32> {
        let crate::Audience::Each(to) = &self.draft.to else { return vec![self.draft.from] };
        [self.draft.from].into_iter().chain(to.iter().copied()).collect()
    }
}

fn looks(own: AccountId, view: MessageView) -> Looks {
    let reactions = view.reactions.into_iter().map(|(who, what)| (who.unwrap_or(own), what)).collect();
    let MessageView { from, text, edits, deleted, .. } = view;
    Looks { from: Some(from.unwrap_or(own)), text, edits, deleted, reactions }
}

/// Members who show what they have in common in another order than the first.
fn disorder(shelves: &BTreeMap<u32, Shelf>) -> Vec<(NodeIx, String)> {
    let Some((other, first)) = shelves.first_key_value() else { return Vec::new() };
    let common = |one: &Shelf, two: &Shelf| -> Vec<MessageId> {
        one.order.iter().filter(|id| two.looks.contains_key(id)).copied().collect()
    };
    let turned = shelves.iter().filter(|(_, shelf)| common(first, shelf) != common(shelf, first));
    turned
        .map(|(reader, _)| (NodeIx::from(*reader), format!("node {reader} has another order than {other}")))
        .collect()
}
