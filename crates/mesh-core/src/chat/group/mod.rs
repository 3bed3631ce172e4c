//! Who is in a group, on every device the same (PROTOCOL.md section 15).
//!
//! A group is a set of signed operations, each of which names the newest ones that its author knew. [`Group`] admits
//! an operation where its author had the right to it as far as those and their past say; what concurrent operations
//! come to follows from the set alone, in whatever order it was learnt. Nothing here seals, stores or sends.

mod graph;
mod membership;
mod op;
mod resolve;
mod waiting;

pub use membership::{Member, Membership, Role};
pub use op::{
    MAX_ADDED, MAX_GROUP_ABOUT, MAX_GROUP_NAME, MAX_MEMBERS, MAX_OPS, MAX_PARENTS, Meta, Op, OpRefusal,
    SignedOp, What,
};
pub use waiting::MAX_WAITING;

use crate::crypto::{AccountKey, DeviceKey, OwnIdentity, Verified};
use crate::id::{AccountId, DeviceId, GroupId, OpHash, OpName};
use crate::rng::Rng;
use graph::{Graph, stamp};
use membership::Stamp;
use resolve::{Outcome, resolve};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use waiting::Waiting;

/// How many heads a message names.
pub const MAX_NAMED_HEADS: usize = 4;
/// How many views of the past are kept ready: as many as branches are usually learnt at once.
const VIEWS: usize = 8;

/// Where certificates are looked up: the signing key of a person's device, if it was ever certified. One that was
/// revoked since still signs what it signed before: whether that counts is the group's to say.
pub type Certs<'a> = &'a dyn Fn(AccountId, DeviceId) -> Option<DeviceKey>;

/// Who writes operations on this device.
pub trait Author {
    /// The person.
    fn account(&self) -> AccountKey;
    /// The device.
    fn device(&self) -> DeviceId;
    /// Signs with the device's key.
    fn sign(&self, op: Op) -> Verified<Op>;
}

impl Author for OwnIdentity {
    fn account(&self) -> AccountKey {
        Self::account(self)
    }

    fn device(&self) -> DeviceId {
        self.device_id()
    }

    fn sign(&self, op: Op) -> Verified<Op> {
        Self::sign(self, op)
    }
}

/// What became of an operation that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is part of the group, and so are those that waited for it; in causal order, to be stored.
    New(Vec<OpHash>),
    /// It was part of the group.
    Known,
    /// It waits for these, which are neither here nor waiting.
    WantsParents(Vec<OpHash>),
    /// Nothing can be said before the certificate of this device is here; it was not kept.
    WantsCert {
        /// Whose device.
        account: AccountId,
        /// Which.
        device: DeviceId,
    },
    /// It is none of this group, now and for ever.
    Refused(OpRefusal),
}

/// A group's operations and what they come to.
#[derive(Clone, Debug)]
pub struct Group {
    id: GroupId,
    graph: Graph,
    waiting: Waiting,
    /// What all operations come to, once somebody asked.
    present: OnceLock<Present>,
    /// What the past of some heads came to, the most recently used last.
    views: Vec<(Vec<OpHash>, Arc<Membership>)>,
}

#[derive(Clone, Debug)]
struct Present {
    membership: Arc<Membership>,
    void: BTreeSet<OpHash>,
    forked: BTreeSet<(AccountId, DeviceId)>,
}

impl Group {
    /// A new group of the author and these people.
    ///
    /// # Errors
    /// Where the name or the number of people is outside [`MAX_GROUP_NAME`] and [`MAX_ADDED`].
    pub fn create(
        name: &str,
        members: impl IntoIterator<Item = AccountKey>,
        by: &dyn Author,
        rng: &mut Rng,
    ) -> Result<(Self, SignedOp), OpRefusal> {
        let creator = by.account();
        let members = op::sorted(members.into_iter().filter(|member| *member != creator));
        let what = What::Create { name: name.to_owned(), nonce: rng.bytes(), creator, members };
        let (author, device) = (creator.id(), by.device());
        let op = Op { group: None, author, device, parents: Vec::new(), depth: 0, what };
        op.check_what()?;
        let op = by.sign(op);
        let signed = op.signed().clone();
        let mut group = Self::awaited(op::group_id(&signed));
        group.admit(op)?;
        Ok((group, signed))
    }

    /// A group of which only the name is known: it has no members until its first operation comes, for which all
    /// others wait.
    #[must_use]
    pub fn awaited(id: GroupId) -> Self {
        let (graph, waiting) = (Graph::default(), Waiting::default());
        Self { id, graph, waiting, present: OnceLock::new(), views: Vec::new() }
    }

    /// The group that [`Inserted::New`] named, from storage, in any order: nothing is verified again.
    ///
    /// What does not belong to it, or lacks a parent, is left out.
    #[must_use]
    pub fn restore(id: GroupId, ops: impl IntoIterator<Item = SignedOp>) -> Self {
        let mut group = Self::awaited(id);
        let mut ops: Vec<_> = ops.into_iter().filter_map(Verified::trusted).collect();
        ops.sort_by_key(stamp);
        for op in ops {
            let fits = op.check(id, op::group_id(op.signed())).is_ok();
            if fits && group.has_room() && group.graph.depth_over(&op.parents) == Some(op.depth) {
                group.graph.insert(op);
            }
        }
        group
    }

    /// Which group.
    #[must_use]
    pub const fn id(&self) -> GroupId {
        self.id
    }

    /// Takes in an operation that came from anywhere.
    pub fn insert(&mut self, signed: &SignedOp, certs: Certs<'_>) -> Inserted {
        let Ok(claim) = signed.claim() else { return Inserted::Refused(OpRefusal::Signature) };
        if let Err(refusal) = claim.check(self.id, op::group_id(signed)) {
            return Inserted::Refused(refusal);
        }
        if self.graph.holds(&OpHash(signed.hash())) {
            return Inserted::Known;
        }
        let (account, device) = (claim.author, claim.device);
        let Some(key) = certs(account, device) else { return Inserted::WantsCert { account, device } };
        match signed.open(&key.0) {
            Ok(op) if key.id() == device => self.receive(op),
            _ => Inserted::Refused(OpRefusal::Signature),
        }
    }

    /// Writes an operation of our own on top of all that is known, and takes it in.
    ///
    /// # Errors
    /// Where the author has no right to it as the group stands, it would change nothing, or it leaves members without
    /// an admin.
    pub fn author(&mut self, what: What, by: &dyn Author) -> Result<SignedOp, OpRefusal> {
        let author = by.account().id();
        if self.state().orphans(author, &what) {
            return Err(OpRefusal::LastAdmin);
        }
        let mut parents = self.graph.latest_heads();
        parents.truncate(MAX_PARENTS);
        parents.sort_unstable();
        let depth = self.graph.depth_over(&parents).unwrap_or_default();
        let op = Op { group: Some(self.id), author, device: by.device(), parents, depth, what };
        if op.parents.is_empty() || matches!(op.what, What::Create { .. }) {
            return Err(OpRefusal::OtherGroup);
        }
        op.check_what()?;
        let op = by.sign(op);
        let signed = op.signed().clone();
        self.admit(op)?;
        Ok(signed)
    }

    /// Who is in the group, and what is set.
    #[must_use]
    pub fn state(&self) -> &Membership {
        &self.present().membership
    }

    /// Who was in the group as far as these operations and their past say: what the author of a message knew who named
    /// them. `None` where one is not here.
    #[must_use]
    pub fn state_at(&mut self, heads: &[OpHash]) -> Option<Arc<Membership>> {
        let here = heads.iter().all(|head| self.graph.holds(head));
        here.then(|| self.view(heads))
    }

    /// Operations that no other one knows: what one has, in short.
    #[must_use]
    pub fn heads(&self) -> Vec<OpHash> {
        self.graph.heads().iter().copied().collect()
    }

    /// The names of the heads for a message, the latest first, at most [`MAX_NAMED_HEADS`].
    #[must_use]
    pub fn named_heads(&self) -> Vec<OpName> {
        let heads = self.graph.latest_heads();
        heads.iter().take(MAX_NAMED_HEADS).map(OpHash::name).collect()
    }

    /// The operations that a message named; `None` where one is not here.
    #[must_use]
    pub fn named(&self, names: &[OpName]) -> Option<Vec<OpHash>> {
        let mut hashes = Vec::new();
        for name in names.iter().take(MAX_NAMED_HEADS) {
            let before = hashes.len();
            hashes.extend(self.graph.named(*name));
            if hashes.len() == before {
                return None;
            }
        }
        Some(hashes)
    }

    /// Which of another's heads are not here.
    #[must_use]
    pub fn missing(&self, heads: &[OpHash]) -> Vec<OpHash> {
        heads.iter().filter(|head| !self.graph.holds(head)).copied().collect()
    }

    /// What another with these heads lacks, in causal order. Heads that are not here tell nothing.
    #[must_use]
    pub fn ops_not_under(&self, heads: &[OpHash]) -> Vec<&SignedOp> {
        self.graph.not_under(heads)
    }

    /// One operation.
    #[must_use]
    pub fn op(&self, hash: &OpHash) -> Option<&Verified<Op>> {
        self.graph.op(hash)
    }

    /// How many operations the group has, at most [`MAX_OPS`].
    #[must_use]
    pub fn ops(&self) -> usize {
        self.graph.len()
    }

    /// Operations that were admitted and have no effect, because concurrent ones beat them.
    #[must_use]
    pub fn void(&self) -> &BTreeSet<OpHash> {
        &self.present().void
    }

    /// Devices that wrote operations which do not know one another, as no honest device does.
    #[must_use]
    pub fn forked(&self) -> &BTreeSet<(AccountId, DeviceId)> {
        &self.present().forked
    }

    /// Takes in an operation whose signature and form hold.
    fn receive(&mut self, op: Verified<Op>) -> Inserted {
        let hash = OpHash(op.hash());
        if self.graph.holds(&hash) {
            return Inserted::Known;
        }
        if self.graph.depth_over(&op.parents).is_none() {
            self.waiting.put(op.clone());
            let here = |parent: &OpHash| self.graph.holds(parent) || self.waiting.holds(parent);
            return Inserted::WantsParents(
                op.parents.iter().filter(|parent| !here(parent)).copied().collect(),
            );
        }
        if let Err(refusal) = self.admit(op) {
            return Inserted::Refused(refusal);
        }
        let mut new = vec![hash];
        // In order of depth: whoever becomes ready comes after what it waited for.
        for (stamp, parents) in self.waiting.order() {
            if parents.iter().all(|parent| self.graph.holds(parent)) {
                let admitted = self.waiting.take(stamp).is_some_and(|op| self.admit(op).is_ok());
                new.extend(admitted.then_some(stamp.1));
            }
        }
        Inserted::New(new)
    }

    /// Takes in an operation whose parents are here, where its author had the right to it.
    fn admit(&mut self, op: Verified<Op>) -> Result<(), OpRefusal> {
        let expected = self.graph.depth_over(&op.parents).unwrap_or_default();
        if op.depth != expected {
            return Err(OpRefusal::Depth { expected, got: op.depth });
        }
        if !self.has_room() {
            return Err(OpRefusal::Full { limit: MAX_OPS });
        }
        let on_top = op.parents.iter().eq(self.graph.heads());
        if on_top {
            self.state().admits(op.author, &op.what)?;
        } else {
            self.view(&op.parents).admits(op.author, &op.what)?;
        }
        let at = stamp(&op);
        if on_top {
            self.add_on_top(at, &op)
        } else {
            self.add_aside(at, &op)
        }
        self.graph.insert(op);
        Ok(())
    }

    /// What is known to all that is here changes nothing of it: the present goes on.
    fn add_on_top(&mut self, at: Stamp, op: &Op) {
        match self.present.get_mut() {
            Some(present) if present.membership.is_foldable() => {
                Arc::make_mut(&mut present.membership).apply(at, op);
            }
            _ => self.present = OnceLock::new(),
        }
    }

    /// The branch that it stands on goes on, and what all comes to must be asked anew.
    fn add_aside(&mut self, at: Stamp, op: &Op) {
        self.present = OnceLock::new();
        let mut view = self.view(&op.parents);
        if view.is_foldable() {
            Arc::make_mut(&mut view).apply(at, op);
            self.keep(vec![at.1], view);
        }
    }

    fn has_room(&self) -> bool {
        self.graph.len() < MAX_OPS
    }

    fn present(&self) -> &Present {
        self.present.get_or_init(|| {
            let Outcome { membership, void, forked } = resolve(self.id, &self.graph.all());
            Present { membership: Arc::new(membership), void, forked }
        })
    }

    /// What these operations and their past come to.
    fn view(&mut self, heads: &[OpHash]) -> Arc<Membership> {
        let mut key = heads.to_vec();
        key.sort_unstable();
        key.dedup();
        if key.iter().eq(self.graph.heads()) {
            return Arc::clone(&self.present().membership);
        }
        let kept = self.views.iter().position(|(heads, _)| *heads == key);
        let view = kept.map(|at| self.views.remove(at).1);
        let view = view.unwrap_or_else(|| Arc::new(resolve(self.id, &self.graph.under(&key)).membership));
        self.keep(key, Arc::clone(&view));
        view
    }

    fn keep(&mut self, heads: Vec<OpHash>, view: Arc<Membership>) {
        if self.views.len() == VIEWS {
            self.views.remove(0);
        }
        self.views.push((heads, view));
    }
}

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
