//! Operations between members: written here, brought by others, asked for (PROTOCOL.md section 15.5).

use super::super::group::{Author, Group, Inserted, Op};
use super::super::outgoing::Kind;
use super::*;
use crate::border::Event;
use crate::crypto::name::clean_name;
use crate::crypto::{DeviceKey, Intro, Verified, VerifiedIntro};
use crate::id::DeviceId;
use crate::rng::Rng;
use crate::view::ContactState;
use crate::wire::message::{Body, GroupMessage, MAX_OPS_AT_ONCE, MAX_PEOPLE, Message};

/// Operations that somebody brought.
#[derive(Clone, Debug)]
pub struct Brought {
    /// Who.
    pub from: AccountId,
    /// Of which group.
    pub group: GroupId,
    /// Encoded [`SignedOp`]s.
    pub ops: Vec<Vec<u8>>,
    /// Encoded [`Person`]s.
    pub people: Vec<Vec<u8>>,
}

/// Somebody who lacks operations.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who.
    pub from: AccountId,
    /// Of which group.
    pub group: GroupId,
    /// The operations that are there and nothing follows.
    pub heads: Vec<[u8; 16]>,
}

/// How to reach somebody in a group, and what they are called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Person {
    /// Of one of the person's devices.
    pub intro: Intro,
    /// As the person calls herself, as far as the one who brings it knows.
    pub name: String,
}

/// People by device, for whom signatures hold.
pub(super) type Known = BTreeMap<(AccountId, DeviceId), (VerifiedIntro, String)>;

impl State {
    /// Begins a group.
    ///
    /// # Errors
    /// Where a member is no contact, or the name or the number of people is outside the limits.
    pub fn create_group(
        &mut self,
        now: Now,
        name: &str,
        members: impl IntoIterator<Item = AccountKey>,
        by: &dyn Author,
        people: &[Person],
        out: &mut Outbox,
    ) -> Result<GroupId, Refusal> {
        if !self.groups.has_room() {
            return Err(Refusal::Full { what: "groups", limit: MAX_GROUPS });
        }
        let name = super::super::checked_name("name of a group", name)?;
        let mut rng: Rng = self.rng.fork();
        let (group, op) = Group::create(&name, members, by, &mut rng)
            .map_err(|refusal| refused(GroupId([0; 20]), &refusal))?;
        let id = group.id();
        let newcomers: Vec<AccountId> =
            group.state().members().keys().copied().filter(|member| *member != self.own).collect();
        self.groups.held.insert(id, Held { entered: true, ..Held::new(group) });
        self.groups.put_ops(id, &[op], now.wall, out);
        self.group_changed(id, out);
        self.welcome(now, id, &newcomers, people, out);
        Ok(id)
    }

    /// Changes a group, and tells its members.
    ///
    /// # Errors
    /// Where the group is unknown, or its members' rights or limits do not allow it.
    pub fn change_group(
        &mut self,
        now: Now,
        group: GroupId,
        what: What,
        by: &dyn Author,
        people: &[Person],
        out: &mut Outbox,
    ) -> Result<(), Refusal> {
        let before: BTreeSet<AccountId> =
            self.groups.find(group)?.state().members().keys().copied().collect();
        let held = self.groups.held.get_mut(&group).ok_or_else(|| unknown(group))?;
        let op = held.group.author(what, by).map_err(|refusal| refused(group, &refusal))?;
        held.remember(core::slice::from_ref(&op));
        let after: BTreeSet<AccountId> = held.state().members().keys().copied().collect();
        self.groups.put_ops(group, core::slice::from_ref(&op), now.wall, out);
        self.group_changed(group, out);
        let newcomers: Vec<AccountId> = after.difference(&before).copied().collect();
        let gone: Vec<AccountId> =
            before.difference(&after).copied().filter(|who| *who != self.own).collect();
        // Those who are in the group know each other: they lack the newcomers alone.
        let of = by_account(people);
        let known = newcomers.iter().chain([&self.own]).flat_map(|who| of(*who));
        let known: Vec<Vec<u8>> = known.map(|person| codec::encode(&person)).take(MAX_PEOPLE).collect();
        let body = Body::Ops { group, ops: vec![codec::encode(&op)], people: known };
        // Who was put out hears it alone: what the group is told is sealed for those who stay.
        for who in gone {
            self.bring(now, who.into(), &body, out);
        }
        if after.iter().any(|who| *who != self.own && before.contains(who)) {
            self.bring(now, group.into(), &body, out);
        }
        self.welcome(now, group, &newcomers, people, out);
        Ok(())
    }

    /// Forgets a group that we are not in any more, and everything that was said in it.
    ///
    /// # Errors
    /// Where the group is unknown, or we are still in it.
    pub fn forget_group(&mut self, group: GroupId, out: &mut Outbox) -> Result<(), Refusal> {
        let held = self.groups.find(group)?;
        if held.state().role(self.own).is_some() {
            return Err(Refusal::Group { group, why: "leave it first".to_owned() });
        }
        self.groups.forget(group, out);
        self.forget_conversation(group.into(), out);
        self.groups.changed.insert(group);
        out.notify(Event::Group { group });
        Ok(())
    }

    /// Everybody of a group whose devices others must know to write there.
    #[must_use]
    pub fn fellows(&self, group: GroupId) -> Vec<AccountId> {
        let held = self.groups.held.get(&group);
        held.map_or_else(Vec::new, |held| held.ever.keys().copied().collect())
    }

    /// Operations that came within the input at work, once.
    pub fn take_brought(&mut self) -> Vec<Brought> {
        core::mem::take(&mut self.groups.brought)
    }

    /// Notes operations that somebody brought: the node takes them in, who knows the devices' keys. What somebody
    /// brings whose request is undecided counts once it is accepted.
    pub(in super::super) fn note_brought(&mut self, brought: Brought) {
        if self.may_bring(brought.from) || self.joins.awaits(brought.group, brought.from) {
            self.groups.brought.push(brought);
        } else if self.contacts.state(brought.from) == Some(ContactState::Request) {
            let requested = &mut self.groups.requested;
            if requested.len() >= MAX_REQUESTED.1 && !requested.contains_key(&brought.from) {
                return;
            }
            let of_person = requested.entry(brought.from).or_default();
            if of_person.len() < MAX_REQUESTED.0 {
                of_person.push(brought);
            }
        }
    }

    /// A person's request is accepted: what they brought counts.
    pub(in super::super) fn accepted(&mut self, account: AccountId) {
        self.groups.brought.extend(self.groups.requested.remove(&account).unwrap_or_default());
    }

    /// Takes in what somebody brought. Returns the devices that are to be learnt: of people in the group alone.
    pub fn take_ops(
        &mut self,
        now: Now,
        brought: &Brought,
        certs: Certs<'_>,
        out: &mut Outbox,
    ) -> Vec<VerifiedIntro> {
        let Brought { from, group, ops, people } = brought;
        let mut known = verified(people);
        let is_entered = self.groups.entered(*group).is_some();
        let is_welcome = self.contacts.may_learn(*from) || self.joins.awaits(*group, *from);
        let may_enter = is_welcome && self.groups.has_room();
        if !is_entered && !may_enter {
            return Vec::new();
        }
        self.groups.await_group(*group, out);
        let certs = |account, device| {
            let brought: Option<DeviceKey> =
                known.get(&(account, device)).map(|(intro, _)| intro.cert().device);
            brought.or_else(|| certs(account, device))
        };
        let Some(held) = self.groups.held.get_mut(group) else { return Vec::new() };
        let signers = held.signers.clone();
        let certs = |account, device| {
            let signer = || signers.get(&(account, device)).and_then(|intro| intro.verify().ok());
            certs(account, device).or_else(|| signer().map(|intro| intro.cert().device))
        };
        let (before, members) = (held.group.heads(), held.member_ids());
        let (mut stored, mut wanted) = (Vec::new(), false);
        for op in ops.iter().filter_map(|bytes| codec::decode::<SignedOp>(bytes).ok()) {
            match held.group.insert(&op, &certs) {
                Inserted::New(hashes) => stored.extend(hashes),
                Inserted::WantsParents(_) | Inserted::WantsCert { .. } => wanted = true,
                Inserted::Known | Inserted::Refused(_) => {}
            }
        }
        let signed = |op: &Verified<Op>| op.signed().clone();
        let mut ops: Vec<SignedOp> =
            stored.iter().filter_map(|hash| held.group.op(hash)).map(signed).collect();
        held.remember(&ops);
        held.entered |= held.state().role(self.own).is_some();
        let (enters, is_ours) = (held.entered && !is_entered, held.entered);
        if enters {
            ops = held.group.ops_not_under(&[]).into_iter().cloned().collect();
            known.append(&mut self.groups.enter(*group, out));
        }
        self.groups.put_ops(*group, &ops, now.wall, out);
        if wanted {
            self.want_ops(now, *group, *from);
        }
        if !is_ours {
            // The rest of it may be on its way.
            self.groups.keep_people(*group, known, out);
            return Vec::new();
        }
        if self.group(*group).is_some_and(|view| view.admin.is_some()) {
            self.joined(*group, out);
        }
        if !ops.is_empty() {
            self.group_changed(*group, out);
            self.catch_up(*group, &ops, &before, &members);
        }
        self.keep_signers(*group, &ops, &known, out);
        self.introduce(*group, known, out)
    }

    /// Keeps how the authors of operations are certified, as far as that came with them.
    fn keep_signers(&mut self, group: GroupId, ops: &[SignedOp], known: &Known, out: &mut Outbox) {
        for op in ops.iter().filter_map(|op| op.claim().ok()) {
            if let Some((intro, _)) = known.get(&(op.author, op.device)) {
                self.groups.keep_signer(group, intro, out);
            }
        }
    }

    /// The devices that signed operations of a group and of which it is not kept how they are certified.
    #[must_use]
    pub fn unkept_signers(&self, group: GroupId) -> BTreeSet<(AccountId, DeviceId)> {
        let Some(held) = self.groups.entered(group) else { return BTreeSet::new() };
        let ops = held.group.ops_not_under(&[]).into_iter().filter_map(|op| op.claim().ok());
        let signers = ops.map(|op| (op.author, op.device));
        signers.filter(|signer| signer.0 != self.own && !held.signers.contains_key(signer)).collect()
    }

    /// Keeps how a device is certified that signed an operation of a group.
    pub fn keep_signer(&mut self, group: GroupId, intro: &VerifiedIntro, out: &mut Outbox) {
        self.groups.keep_signer(group, intro, out);
    }

    /// How the devices are certified that signed a group's operations.
    #[must_use]
    pub fn signers(&self, group: GroupId) -> Vec<Intro> {
        self.groups.entered(group).map_or_else(Vec::new, |held| held.signers.values().cloned().collect())
    }

    /// Of two operations that were written at once, each was told to those whom its author had as members. Where these are not
    /// the same people, the authors bring each the other, as if they had been asked: nobody else knows who lacks what.
    fn catch_up(
        &mut self,
        group: GroupId,
        new: &[SignedOp],
        before: &[OpHash],
        members: &BTreeSet<AccountId>,
    ) {
        let own = self.own;
        let Some(held) = self.groups.held.get_mut(&group) else { return };
        let by_us = |op: &SignedOp| op.claim().is_ok_and(|op| op.author == own);
        let mut lacking: BTreeMap<AccountId, Vec<OpHash>> = BTreeMap::new();
        for op in new.iter().filter(|op| !by_us(op)) {
            let unseen = held.group.ops_not_under(&[OpHash(op.hash())]);
            let ours: Vec<SignedOp> = unseen.into_iter().filter(|op| by_us(op)).cloned().collect();
            if ours.is_empty() {
                continue;
            }
            let told = held.told(op);
            for ours in ours {
                let told_ours = held.told(&ours);
                let lack_ours = told.difference(&told_ours).map(|who| (*who, vec![OpHash(op.hash())]));
                lacking.extend(lack_ours);
                for who in told_ours.difference(&told).filter(|who| members.contains(who)) {
                    lacking.entry(*who).or_insert_with(|| before.to_vec());
                }
            }
        }
        lacking.remove(&own);
        let heads = |heads: Vec<OpHash>| heads.into_iter().map(|hash| hash.0).collect();
        let asked = lacking.into_iter().map(|(from, known)| Asked { from, group, heads: heads(known) });
        self.groups.asked.extend(asked);
    }

    /// Who asked for operations within the input at work, once.
    pub fn take_asked(&mut self) -> Vec<Asked> {
        core::mem::take(&mut self.groups.asked)
    }

    /// Notes that a member lacks operations, once in a while: the node answers, who knows how people are reached.
    pub(in super::super) fn note_asked(&mut self, now: Now, asked: Asked) {
        let Some(held) = self.groups.held.get_mut(&asked.group) else { return };
        let is_member = held.state().role(asked.from).is_some();
        let is_soon = held.answered.get(&asked.from).is_some_and(|at| now.mono < *at + ASK_EVERY);
        if is_member && !is_soon {
            held.answered.retain(|_, at| now.mono < *at + ASK_EVERY);
            held.answered.insert(asked.from, now.mono);
            self.groups.asked.push(asked);
        }
    }

    /// Answers who lacks operations of a group.
    pub fn answer_ops(&mut self, now: Now, asked: &Asked, people: &[Person], out: &mut Outbox) {
        let Some(held) = self.groups.held.get(&asked.group) else { return };
        let heads: Vec<_> = asked.heads.iter().copied().map(OpHash).collect();
        let ops: Vec<SignedOp> = held.group.ops_not_under(&heads).into_iter().cloned().collect();
        for body in in_slices(asked.group, &ops, &by_account(people)) {
            self.bring(now, asked.from.into(), &body, out);
        }
    }

    /// Asks for operations of a group that are not here, once in a while.
    pub(in super::super) fn want_ops(&mut self, now: Now, group: GroupId, from: AccountId) {
        let Some(held) = self.groups.held.get_mut(&group) else { return };
        if held.asked.get(&from).is_some_and(|at| now.mono < *at + ASK_EVERY) {
            return;
        }
        held.asked.retain(|_, at| now.mono < *at + ASK_EVERY);
        held.asked.insert(from, now.mono);
        let heads = held.group.heads().into_iter().map(|hash| hash.0).take(MAX_OPS_AT_ONCE).collect();
        self.note(now, from, Body::OpsWanted { group, heads });
    }

    /// Brings a text of ours to those alone who were in the group when it was written and have not said that they have
    /// it: who came in since reads nothing of what was said before.
    pub(in super::super) fn bring_alone(
        &mut self,
        now: Now,
        group: GroupId,
        message: GroupMessage,
        to: Vec<AccountId>,
        out: &mut Outbox,
    ) {
        // What disappears has its time in the envelopes that it was written in, and in no later ones.
        if message.message.body.fleeting().is_some() {
            return;
        }
        let body = Body::Enclosed { group, message: message.to_bytes() };
        for who in to {
            if self.was_member(group, who, &message.heads) {
                self.bring(now, who.into(), &body, out);
            }
        }
    }

    /// Brings a whole group to people who come in, with everybody's devices.
    fn welcome(
        &mut self,
        now: Now,
        group: GroupId,
        newcomers: &[AccountId],
        people: &[Person],
        out: &mut Outbox,
    ) {
        if newcomers.is_empty() {
            return;
        }
        let Some(held) = self.groups.held.get(&group) else { return };
        let ops: Vec<SignedOp> = held.group.ops_not_under(&[]).into_iter().cloned().collect();
        let bodies = in_slices(group, &ops, &by_account(people));
        for newcomer in newcomers {
            for body in &bodies {
                self.bring(now, (*newcomer).into(), body, out);
            }
        }
    }

    /// Takes operations into custody for a person or for a group.
    pub(in super::super) fn bring(&mut self, now: Now, to: ConversationId, body: &Body, out: &mut Outbox) {
        let id = MessageId(self.rng.bytes());
        let room = if to.group().is_some() { GROUP_ROOM } else { PERSON_ROOM };
        let len = ops_message(id, body.clone()).to_bytes().len();
        let Some(cut) = super::super::segments::cut(len, room) else { return };
        // What is on its way to them already comes without being said twice.
        let Some(content) = self.outgoing.hold(to, body, out) else { return };
        let recipients = self.recipients(to);
        self.outgoing.add(now, id, (to, recipients), Kind::Ops { content }, cut, out);
    }

    /// Notes that a group is another than before.
    fn group_changed(&mut self, group: GroupId, out: &mut Outbox) {
        self.groups.changed.insert(group);
        out.notify(Event::Group { group });
    }

    /// Notes what people are called, and returns the devices of those who are in the group.
    fn introduce(&mut self, group: GroupId, known: Known, out: &mut Outbox) -> Vec<VerifiedIntro> {
        let Some(held) = self.groups.held.get(&group) else { return Vec::new() };
        let own = self.own;
        let here: Vec<_> = known
            .into_iter()
            .filter(|((account, _), _)| held.ever.contains_key(account) && *account != own)
            .collect();
        here.into_iter()
            .map(|((account, _), (intro, name))| {
                let is_known = self.groups.names.get(&account).is_some_and(|name| !name.is_empty());
                if !is_known {
                    self.groups.put_name(account, clean_name(&name), out);
                }
                intro
            })
            .collect()
    }

    /// What a person in a group calls themselves.
    pub(in super::super) fn fellow_profile(&mut self, account: AccountId, name: &str, out: &mut Outbox) {
        if self.is_fellow(account) {
            self.groups.put_name(account, clean_name(name), out);
        }
    }

    /// Whether operations may come from this person: a contact, or somebody in a group of ours.
    pub(in super::super) fn may_bring(&self, account: AccountId) -> bool {
        let is_blocked = self.contacts.state(account) == Some(ContactState::Blocked);
        !is_blocked && (self.contacts.may_learn(account) || self.is_fellow(account))
    }
}

/// What goes into one envelope to a person, a first contact included, and into one to a group.
const PERSON_ROOM: usize = 1_600;
const GROUP_ROOM: usize = 8_000;

/// About how much one message of operations holds with its people, in bytes: far below what a message may have in
/// parts, also where everybody has several devices.
const SLICE_LEN: usize = 32_000;
/// About what one person takes in it.
const PERSON_LEN: usize = 450;

/// Operations as a message: always alike, so that its parts fit together whenever they are sealed.
pub(in super::super) fn ops_message(id: MessageId, body: Body) -> Message {
    Message { id, when: 0, lamport: 0, parents: Vec::new(), body }
}

/// Finds the devices of an account among people.
fn by_account(people: &[Person]) -> impl Fn(AccountId) -> Vec<Person> {
    let mut all: BTreeMap<AccountId, Vec<Person>> = BTreeMap::new();
    for person in people {
        if let Ok(intro) = person.intro.verify() {
            all.entry(intro.account_id()).or_default().push(person.clone());
        }
    }
    move |account| all.get(&account).cloned().unwrap_or_default()
}

/// The people whose signatures hold, by device.
fn verified(people: &[Vec<u8>]) -> Known {
    let persons = people.iter().filter_map(|bytes| codec::decode::<Person>(bytes).ok());
    let known = persons.filter_map(|person| Some((person.intro.verify().ok()?, person.name)));
    known.map(|(intro, name)| ((intro.account_id(), intro.device_id()), (intro, name))).collect()
}

/// Operations in messages of a bounded size, each with the devices of the people whom its operations name.
fn in_slices(group: GroupId, ops: &[SignedOp], people: &dyn Fn(AccountId) -> Vec<Person>) -> Vec<Body> {
    let (mut bodies, mut slice, mut named, mut bytes) = (Vec::new(), Vec::new(), BTreeSet::new(), 0);
    for op in ops {
        let Ok(claim) = op.claim() else { continue };
        let encoded = codec::encode(op);
        let mut new: BTreeSet<AccountId> = match claim.what {
            What::Create { creator, members, .. } => {
                members.iter().chain([&creator]).map(AccountKey::id).collect()
            }
            What::Add { members } => members.iter().map(AccountKey::id).collect(),
            _ => BTreeSet::new(),
        };
        new.insert(claim.author);
        let len = encoded.len() + new.difference(&named).count() * PERSON_LEN;
        if !slice.is_empty() && (slice.len() >= MAX_OPS_AT_ONCE || bytes + len > SLICE_LEN) {
            bodies.push((core::mem::take(&mut slice), core::mem::take(&mut named)));
            bytes = 0;
        }
        bytes += len;
        named.append(&mut new);
        slice.push(encoded);
    }
    bodies.push((slice, named));
    let body = |(ops, named): (Vec<Vec<u8>>, BTreeSet<AccountId>)| {
        let people = named.into_iter().flat_map(people).map(|person| codec::encode(&person)).take(MAX_PEOPLE);
        Body::Ops { group, ops, people: people.collect() }
    };
    bodies.into_iter().filter(|(ops, _)| !ops.is_empty()).map(body).collect()
}
