//! What storage holds of groups: operations, who signed them, and what is not whole yet (PROTOCOL.md section 15.5).

use super::*;
use crate::id::DeviceId;
use std::collections::btree_map::Entry;

/// Markers of the records in [`Table::Group`]; 3 is a content that several messages share.
const OP: u8 = 1;
const NAME: u8 = 2;
const AWAITED: u8 = 4;
const PERSON: u8 = 5;
const SIGNER: u8 = 6;

/// An operation as stored.
#[derive(Serialize, Deserialize)]
struct StoredOp {
    op: SignedOp,
    arrived: Wall,
}

/// What the scan of a table finds.
#[derive(Default)]
struct Found {
    ops: BTreeMap<GroupId, Vec<SignedOp>>,
    awaited: BTreeMap<GroupId, Vec<SignedOp>>,
    people: BTreeMap<GroupId, Vec<Person>>,
    signers: BTreeMap<GroupId, Vec<Intro>>,
    names: BTreeMap<AccountId, String>,
}

impl Found {
    fn record(&mut self, key: &[u8], value: &[u8]) {
        let Some((kind, name)) = key.split_first() else { return };
        let op = || codec::decode::<StoredOp>(value).ok().map(|stored| stored.op);
        let Some(group) = name.get(..GroupId::LEN).and_then(GroupId::from_slice) else { return };
        match *kind {
            OP => self.ops.entry(group).or_default().extend(op()),
            AWAITED => self.awaited.entry(group).or_default().extend(op()),
            PERSON => self.people.entry(group).or_default().extend(codec::decode(value).ok()),
            SIGNER => self.signers.entry(group).or_default().extend(codec::decode(value).ok()),
            // As long as a group's name is a person's.
            NAME => self.names.extend(codec::decode(value).ok().map(|name| (AccountId(group.0), name))),
            _ => {}
        }
    }

    fn held(&mut self, id: GroupId, ops: Vec<SignedOp>, entered: bool) -> Held {
        let mut held = Held { entered, ..Held::new(Group::restore(id, ops)) };
        for person in self.people.remove(&id).unwrap_or_default() {
            let intro = person.intro.verify().ok();
            held.people.extend(intro.map(|intro| (key_of(&intro), (intro, person.name))));
        }
        for intro in self.signers.remove(&id).unwrap_or_default() {
            held.signers.extend(intro.verify().ok().map(|verified| (key_of(&verified), intro)));
        }
        held
    }
}

impl Groups {
    /// What storage holds.
    pub(in super::super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut found = Found::default();
        read.scan(Table::Group, &mut |key, value| found.record(key, value))?;
        let mut groups = Self { names: core::mem::take(&mut found.names), ..Self::default() };
        for (id, ops) in core::mem::take(&mut found.ops) {
            groups.held.insert(id, found.held(id, ops, true));
            groups.changed.insert(id);
        }
        for (id, ops) in core::mem::take(&mut found.awaited) {
            if !groups.held.contains_key(&id) && groups.awaited.len() < MAX_AWAITED {
                groups.awaited.push_back(id);
                groups.held.insert(id, found.held(id, ops, false));
            }
        }
        Ok(groups)
    }

    /// Keeps operations of a group: for good, or until it is known whether it is ours.
    pub(super) fn put_ops(&self, group: GroupId, ops: &[SignedOp], arrived: Wall, out: &mut Outbox) {
        let kind = if self.entered(group).is_some() { OP } else { AWAITED };
        for op in ops {
            let stored = StoredOp { op: op.clone(), arrived };
            out.put(Table::Group, key(kind, group, &[&op.hash()]), codec::encode(&stored));
        }
    }

    /// Keeps people of a group that is not entered: once it is, they are learnt.
    pub(super) fn keep_people(&mut self, group: GroupId, people: Known, out: &mut Outbox) {
        let Some(held) = self.held.get_mut(&group) else { return };
        for ((account, device), (intro, name)) in people {
            if held.people.len() >= MAX_PEOPLE_AWAITED && !held.people.contains_key(&(account, device)) {
                continue;
            }
            let person = Person { intro: intro.to_intro(), name: name.clone() };
            let name_of = key(PERSON, group, &[&account.0, &device.0]);
            out.put(Table::Group, name_of, codec::encode(&person));
            held.people.insert((account, device), (intro, name));
        }
    }

    /// A group is ours: what was kept until that was known. The people are handed out.
    pub(super) fn enter(&mut self, group: GroupId, out: &mut Outbox) -> Known {
        let Some(held) = self.held.get_mut(&group) else { return Known::new() };
        let people = core::mem::take(&mut held.people);
        self.delete_awaited(group, people.keys(), out);
        people
    }

    /// Lets go of a group that was waited for.
    pub(super) fn give_up(&mut self, group: GroupId, out: &mut Outbox) {
        let Some(held) = self.held.remove(&group) else { return };
        delete_awaited(group, &held, held.people.keys(), out);
    }

    fn delete_awaited<'a>(
        &self,
        group: GroupId,
        people: impl Iterator<Item = &'a (AccountId, DeviceId)>,
        out: &mut Outbox,
    ) {
        if let Some(held) = self.held.get(&group) {
            delete_awaited(group, held, people, out);
        }
    }

    /// Keeps how the device is certified that signed an operation: its owner may be gone when somebody asks.
    pub(super) fn keep_signer(&mut self, group: GroupId, intro: &VerifiedIntro, out: &mut Outbox) {
        let Some(held) = self.held.get_mut(&group) else { return };
        let (account, device) = key_of(intro);
        if let Entry::Vacant(new) = held.signers.entry((account, device)) {
            let signed = new.insert(intro.to_intro());
            out.put(Table::Group, key(SIGNER, group, &[&account.0, &device.0]), codec::encode(signed));
        }
    }

    /// Forgets a group wholly, and what people were called in it alone.
    pub(super) fn forget(&mut self, group: GroupId, out: &mut Outbox) {
        let Some(held) = self.held.remove(&group) else { return };
        for op in held.group.ops_not_under(&[]) {
            out.delete(Table::Group, key(OP, group, &[&op.hash()]));
        }
        for (account, device) in held.signers.keys() {
            out.delete(Table::Group, key(SIGNER, group, &[&account.0, &device.0]));
        }
        for account in held.ever.keys() {
            if self.of(*account).next().is_none() && self.names.remove(account).is_some() {
                out.delete(Table::Group, name_key(*account));
            }
        }
    }

    /// Notes what somebody calls themselves who is to be let in, unless it is known here.
    pub(in super::super) fn name_newcomer(&mut self, account: AccountId, name: &str, out: &mut Outbox) {
        if !name.is_empty() && !self.names.contains_key(&account) {
            self.put_name(account, name.to_owned(), out);
        }
    }

    /// Notes what a person is called.
    pub(super) fn put_name(&mut self, account: AccountId, name: String, out: &mut Outbox) {
        if self.names.get(&account) != Some(&name) {
            out.put(Table::Group, name_key(account), codec::encode(&name));
            self.names.insert(account, name);
        }
    }
}

/// The device that an intro is of.
pub(super) fn key_of(intro: &VerifiedIntro) -> (AccountId, DeviceId) {
    (intro.account_id(), intro.device_id())
}

fn delete_awaited<'a>(
    group: GroupId,
    held: &Held,
    people: impl Iterator<Item = &'a (AccountId, DeviceId)>,
    out: &mut Outbox,
) {
    for op in held.group.ops_not_under(&[]) {
        out.delete(Table::Group, key(AWAITED, group, &[&op.hash()]));
    }
    for (account, device) in people {
        out.delete(Table::Group, key(PERSON, group, &[&account.0, &device.0]));
    }
}

fn name_key(account: AccountId) -> Vec<u8> {
    key(NAME, GroupId(account.0), &[])
}

fn key(kind: u8, group: GroupId, rest: &[&[u8]]) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&group.0);
    rest.iter().for_each(|part| key.extend_from_slice(part));
    key
}
