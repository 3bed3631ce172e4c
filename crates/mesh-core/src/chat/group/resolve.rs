//! What a set of operations comes to, however it arrived (PROTOCOL.md section 15.3).
//!
//! An operation *counts* or is *void*. It hangs on its author's right, as those operations of its past that count
//! give it, and on whether one that counts strikes it: a removal or demotion of its author that neither knew of the
//! other. Both questions ask only for operations that were decided before, so deciding goes on until nothing is open,
//! or until what is open waits in a ring for itself. Then the ring's most senior author is right: that operation
//! counts, and those that strike it are void. Each round decides something, so it ends; every step reads only the
//! operations in their own order, so it ends alike everywhere.

use super::membership::{Member, Membership, Role, Stamp};
use super::op::{Meta, Op, What};
use crate::crypto::AccountKey;
use crate::id::{AccountId, DeviceId, GroupId, OpHash};
use std::collections::{BTreeMap, BTreeSet};

/// What a set of operations comes to.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) membership: Membership,
    /// Operations without effect.
    pub(super) void: BTreeSet<OpHash>,
    /// Devices that wrote two operations of which neither knows the other: copied, or lying.
    pub(super) forked: BTreeSet<(AccountId, DeviceId)>,
}

/// Resolves operations in the order of their stamps, of which every parent is among them.
pub(super) fn resolve(group: GroupId, ops: &[(Stamp, &Op)]) -> Outcome {
    // One operation of each depth is a chain: nothing is concurrent, and all that was admitted counts.
    if ops.windows(2).all(|pair| pair[0].0.0 < pair[1].0.0) {
        let mut membership = Membership::nobody(group);
        ops.iter().for_each(|(stamp, op)| membership.apply(*stamp, op));
        return Outcome { membership, void: BTreeSet::new(), forked: BTreeSet::new() };
    }
    let mut case = Case::new(ops);
    case.decide();
    let void = (0..ops.len()).filter(|op| case.verdicts[*op] == Verdict::Void);
    let void = void.map(|op| ops[op].0.1).collect();
    Outcome { membership: case.membership(group), void, forked: case.forked() }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Counts,
    Void,
}

/// Which operations are asked about; operations are named by their place in the order.
#[derive(Clone, Copy)]
enum View {
    All,
    PastOf(usize),
}

/// What was done to one person, in order.
#[derive(Default)]
struct Deeds {
    key: Option<AccountKey>,
    /// By `Create` and `Add`.
    added: Vec<usize>,
    /// By `Remove` and `Leave`.
    ousted: Vec<usize>,
    demoted: Vec<usize>,
    /// By `Create` and `Promote`, and by acting as an admin: an heir who acts stays one.
    raised: Vec<usize>,
}

struct Case<'a> {
    ops: &'a [(Stamp, &'a Op)],
    parents: Vec<Vec<usize>>,
    past: Past,
    people: BTreeMap<AccountId, Deeds>,
    /// Who may edit, in order.
    edits: Vec<(usize, bool)>,
    /// The operations that may strike each.
    strikers: Vec<Vec<usize>>,
    verdicts: Vec<Verdict>,
    /// Decided, and all of its past too.
    settled: Vec<bool>,
}

impl<'a> Case<'a> {
    fn new(ops: &'a [(Stamp, &'a Op)]) -> Self {
        let places: BTreeMap<OpHash, usize> =
            ops.iter().enumerate().map(|(at, (stamp, _))| (stamp.1, at)).collect();
        let place = |hash: &OpHash| places.get(hash).copied();
        let parents: Vec<Vec<usize>> =
            ops.iter().map(|(_, op)| op.parents.iter().filter_map(place).collect()).collect();
        let past = Past::new(&parents);
        let mut case = Self {
            ops,
            parents,
            past,
            people: BTreeMap::new(),
            edits: Vec::new(),
            strikers: Vec::new(),
            verdicts: vec![Verdict::Open; ops.len()],
            settled: vec![false; ops.len()],
        };
        (0..ops.len()).for_each(|at| case.note(at));
        case.strikers = (0..ops.len()).map(|at| case.strikers_of(at)).collect();
        case
    }

    /// Notes whom an operation concerns.
    fn note(&mut self, at: usize) {
        let op = self.ops[at].1;
        if op.what.is_admins() {
            self.deeds(op.author).raised.push(at);
        }
        match &op.what {
            What::Create { creator, members, .. } => {
                members.iter().chain([creator]).for_each(|key| self.note_added(*key, at));
            }
            What::Add { members } => members.iter().for_each(|key| self.note_added(*key, at)),
            What::Remove { member } => self.deeds(member.id()).ousted.push(at),
            What::Leave => self.deeds(op.author).ousted.push(at),
            What::Promote { member } => self.deeds(member.id()).raised.push(at),
            What::Demote { member } => self.deeds(member.id()).demoted.push(at),
            What::Meta(Meta::OnlyAdminsEdit(only)) => self.edits.push((at, *only)),
            What::Meta(_) => {}
        }
    }

    fn note_added(&mut self, key: AccountKey, at: usize) {
        let deeds = self.deeds(key.id());
        deeds.key = Some(key);
        deeds.added.push(at);
    }

    fn deeds(&mut self, who: AccountId) -> &mut Deeds {
        self.people.entry(who).or_default()
    }

    /// Removals and demotions of an operation's author, by others, neither of which knew of the other. Nothing
    /// strikes who leaves.
    fn strikers_of(&self, at: usize) -> Vec<usize> {
        let op = self.ops[at].1;
        let deeds = self.people.get(&op.author).filter(|_| op.what != What::Leave);
        let hits = deeds.into_iter().flat_map(|deeds| deeds.ousted.iter().chain(&deeds.demoted)).copied();
        let apart = |hit: &usize| !self.past.holds(at, *hit) && !self.past.holds(*hit, at);
        hits.filter(|hit| self.ops[*hit].1.author != op.author).filter(apart).collect()
    }

    /// Decides all.
    fn decide(&mut self) {
        let mut open: Vec<usize> = (0..self.ops.len()).collect();
        loop {
            let before = open.len();
            let mut changed = false;
            open.retain(|at| {
                changed |= self.judge(*at);
                !self.settled[*at]
            });
            let Some(first) = open.first() else { return };
            if !changed && open.len() == before {
                let ring = Rings::new(self).first(*first);
                self.award(&ring);
            }
        }
    }

    /// Decides an operation if it can be; whether that is new.
    fn judge(&mut self, at: usize) -> bool {
        let ready = self.parents[at].iter().all(|parent| self.settled[*parent]);
        if self.verdicts[at] == Verdict::Open {
            let strikers = &self.strikers[at];
            let struck = strikers.iter().any(|striker| self.verdicts[*striker] == Verdict::Counts);
            let safe = strikers.iter().all(|striker| self.verdicts[*striker] == Verdict::Void);
            if struck || (ready && !self.is_right(at)) {
                self.verdicts[at] = Verdict::Void;
            } else if ready && safe {
                self.verdicts[at] = Verdict::Counts;
            } else {
                return false;
            }
            self.settled[at] = ready;
            return true;
        }
        self.settled[at] = ready;
        false
    }

    /// A ring ends: of those in it whose right is certain, the one whose author is admin for longest counts.
    fn award(&mut self, ring: &[usize]) {
        let ready = |at: &&usize| {
            self.verdicts[**at] == Verdict::Open
                && self.parents[**at].iter().all(|parent| self.settled[*parent])
        };
        let senior = ring.iter().filter(ready).min_by_key(|at| (self.seniority(**at), **at)).copied();
        let senior = senior.expect("the earliest operation of a ring waits for nothing in its past");
        self.verdicts[senior] = Verdict::Counts;
        for striker in self.strikers[senior].clone() {
            self.verdicts[striker] = Verdict::Void;
        }
    }

    /// What made an operation's author an admin, or else a member.
    fn seniority(&self, at: usize) -> Option<usize> {
        let (author, view) = (self.ops[at].1.author, View::PastOf(at));
        self.raised(author, view).or_else(|| self.added(author, view))
    }

    /// Whether the author had the right to it, as far as its past counts. All of that is decided.
    fn is_right(&self, at: usize) -> bool {
        let (op, view) = (self.ops[at].1, View::PastOf(at));
        match &op.what {
            What::Create { .. } | What::Leave => true,
            What::Meta(_) if !op.what.is_admins() && !self.is_restricted(view) => {
                self.added(op.author, view).is_some()
            }
            What::Promote { member } => {
                self.is_admin(op.author, view) && self.added(member.id(), view).is_some()
            }
            _ => self.is_admin(op.author, view),
        }
    }

    fn sees(&self, view: View, at: usize) -> bool {
        let within = match view {
            View::All => true,
            View::PastOf(op) => self.past.holds(op, at),
        };
        within && self.verdicts[at] == Verdict::Counts
    }

    /// By which operation a person is a member: the first after all that put the person out, in so far as they count
    /// and are in view.
    fn added(&self, who: AccountId, view: View) -> Option<usize> {
        let deeds = self.people.get(&who)?;
        self.first_after(&deeds.added, deeds.ousted.iter(), view)
    }

    /// By which operation a person is an admin.
    fn raised(&self, who: AccountId, view: View) -> Option<usize> {
        let deeds = self.people.get(&who)?;
        self.first_after(&deeds.raised, deeds.ousted.iter().chain(&deeds.demoted), view)
    }

    fn first_after<'b>(
        &self,
        grants: &[usize],
        ends: impl Iterator<Item = &'b usize>,
        view: View,
    ) -> Option<usize> {
        let ends: Vec<usize> = ends.copied().filter(|end| self.sees(view, *end)).collect();
        let stands = |grant: &usize| ends.iter().all(|end| self.past.holds(*grant, *end));
        grants.iter().copied().find(|grant| self.sees(view, *grant) && stands(grant))
    }

    fn is_admin(&self, who: AccountId, view: View) -> bool {
        self.raised(who, view).is_some() || (self.added(who, view).is_some() && self.heir(view) == Some(who))
    }

    /// Who is an admin because nobody else is: the one who is a member for longest.
    fn heir(&self, view: View) -> Option<AccountId> {
        if self.people.keys().any(|who| self.raised(*who, view).is_some()) {
            return None;
        }
        let members = self.people.keys().filter_map(|who| Some((self.added(*who, view)?, *who)));
        members.min().map(|(_, who)| who)
    }

    fn is_restricted(&self, view: View) -> bool {
        let last = self.edits.iter().rfind(|(at, _)| self.sees(view, *at));
        last.is_none_or(|(_, only)| *only)
    }

    fn membership(&self, group: GroupId) -> Membership {
        let mut membership = Membership::nobody(group);
        for (who, deeds) in &self.people {
            let (Some(key), Some(added)) = (deeds.key, self.added(*who, View::All)) else { continue };
            let (since, op) = self.ops[added];
            let admin_since = self.raised(*who, View::All).map(|at| self.ops[at].0);
            membership.enter(Member { key, role: Role::Member, added_by: op.author, since, admin_since });
        }
        let counts = (0..self.ops.len()).filter(|at| self.verdicts[*at] == Verdict::Counts);
        counts.for_each(|at| membership.set(&self.ops[at].1.what));
        membership.settle();
        membership
    }

    fn forked(&self) -> BTreeSet<(AccountId, DeviceId)> {
        let mut last = BTreeMap::new();
        let mut forked = BTreeSet::new();
        for (at, (_, op)) in self.ops.iter().enumerate() {
            let device = (op.author, op.device);
            if last.insert(device, at).is_some_and(|last| !self.past.holds(at, last)) {
                forked.insert(device);
            }
        }
        forked
    }
}

/// Finds, among operations that wait for one another, some that wait for nobody else: the first strongly connected
/// component that Tarjan's algorithm closes (R. Tarjan, Depth-First Search and Linear Graph Algorithms, 1972).
struct Rings<'a, 'b> {
    case: &'a Case<'b>,
    /// In which order they were met, and the earliest met that each leads back to.
    met: BTreeMap<usize, (usize, usize)>,
    stack: Vec<usize>,
}

impl<'a, 'b> Rings<'a, 'b> {
    fn new(case: &'a Case<'b>) -> Self {
        Self { case, met: BTreeMap::new(), stack: Vec::new() }
    }

    /// The ring that everything from `start` on leads to.
    fn first(mut self, start: usize) -> Vec<usize> {
        let mut way = vec![self.meet(start)];
        while let Some((at, waits)) = way.last_mut() {
            let at = *at;
            if let Some(next) = waits.pop() {
                match self.met.get(&next) {
                    None => way.push(self.meet(next)),
                    // Nothing is closed before the first ring, so whatever was met is on the stack.
                    Some((met, _)) => {
                        let met = *met;
                        self.lower(at, met);
                    }
                }
                continue;
            }
            let (met, low) = self.met[&at];
            if met == low {
                let from = self.stack.iter().position(|other| *other == at).unwrap_or_default();
                return self.stack.split_off(from);
            }
            way.pop();
            if let Some((before, _)) = way.last() {
                self.lower(*before, low);
            }
        }
        self.stack
    }

    fn meet(&mut self, at: usize) -> (usize, Vec<usize>) {
        let number = self.met.len();
        self.met.insert(at, (number, number));
        self.stack.push(at);
        (at, self.waits_for(at))
    }

    fn lower(&mut self, at: usize, to: usize) {
        if let Some((_, low)) = self.met.get_mut(&at) {
            *low = (*low).min(to);
        }
    }

    /// What an operation waits for: its past, and while it is open whatever may strike it.
    fn waits_for(&self, at: usize) -> Vec<usize> {
        let Case { parents, strikers, verdicts, settled, .. } = self.case;
        let past = parents[at].iter().filter(|parent| !settled[**parent]);
        let open = verdicts[at] == Verdict::Open;
        let strikers = strikers[at].iter().filter(|striker| open && verdicts[**striker] == Verdict::Open);
        past.chain(strikers).copied().collect()
    }
}

/// Which operations each one knew: a row of bits for each.
struct Past {
    words: usize,
    bits: Vec<u64>,
}

impl Past {
    fn new(parents: &[Vec<usize>]) -> Self {
        let words = parents.len().div_ceil(64);
        let mut bits = vec![0_u64; words * parents.len()];
        for (at, parents) in parents.iter().enumerate() {
            let (before, row) = bits.split_at_mut(at * words);
            for parent in parents {
                let known = &before[parent * words..][..words];
                row.iter_mut().zip(known).for_each(|(bits, known)| *bits |= known);
                row[parent / 64] |= 1 << (parent % 64);
            }
        }
        Self { words, bits }
    }

    fn holds(&self, of: usize, at: usize) -> bool {
        self.bits[of * self.words + at / 64] >> (at % 64) & 1 == 1
    }
}
