//! Groups: operations as members, former members and strangers make them up.

use super::rig::Bytes;
use ed25519_dalek::SigningKey;
use mesh_core::chat::group::{Author, Group, Inserted, Meta, Op, SignedOp, What};
use mesh_core::crypto::{AccountKey, DeviceKey, Signed, Verified};
use mesh_core::id::{AccountId, DeviceId, GroupId, OpHash};
use mesh_core::rng::Rng;
use mesh_core::wire::codec;

/// The most operations of one input.
const MAX_OPS: usize = 48;
/// The people of a group; a fifth one stands outside.
const PEOPLE: u8 = 4;

/// An operation as it comes, and then operations upon any earlier ones: `author 1 | kind 1 | subject 1 | parent 1 |
/// parent 1 | depth 1`. Whatever was taken in comes to the same in reverse order.
pub(super) fn group_op(bytes: &[u8]) {
    if let Ok(signed) = codec::decode::<SignedOp>(bytes) {
        let key = Person(0).device_key();
        let _refused = Group::awaited(GroupId([0xa1; 20])).insert(&signed, &|_, _| Some(key));
    }
    let members = (1..PEOPLE).map(|n| Person(n).account());
    let made = Group::create("fuzz", members, &Person(0), &mut Rng::new([1; 32]));
    let (mut group, create) = made.expect("four people make a group");
    let mut known: Vec<OpHash> = group.heads();
    let (mut taken, mut bytes) = (vec![create], Bytes(bytes));
    while !bytes.0.is_empty() && taken.len() < MAX_OPS {
        let by = Person(bytes.u8() % (PEOPLE + 1));
        let what = what(bytes.u8(), bytes.u8());
        let mut parents = [bytes.u8(), bytes.u8()].map(|at| known[usize::from(at) % known.len()]).to_vec();
        parents.sort_unstable();
        parents.dedup();
        let depths = parents.iter().filter_map(|parent| group.op(parent)).map(|op| op.depth);
        let lie = u32::from(bytes.u8() == 1);
        let depth = depths.max().unwrap_or_default() + 1 + lie;
        let (id, author, device) = (Some(group.id()), by.account().id(), by.device());
        let op = by.sign(Op { group: id, author, device, parents, depth, what }).signed().clone();
        if let Inserted::New(new) = group.insert(&op, &certs) {
            assert_eq!(lie, 0, "nobody lies about depth");
            known.extend(new);
            taken.push(op);
        }
    }
    let mut other = Group::awaited(group.id());
    for op in taken.iter().rev() {
        assert!(!matches!(other.insert(op, &certs), Inserted::Refused(_)), "what one admits another admits");
    }
    assert_eq!(other.heads(), group.heads(), "everything is taken in, in any order");
    assert_eq!(other.state(), group.state(), "the same operations come to the same");
}

fn what(kind: u8, subject: u8) -> What {
    let member = Person(subject % (PEOPLE + 2)).account();
    match kind % 8 {
        0 => What::add([member]),
        1 | 2 => What::Remove { member },
        3 => What::Leave,
        4 | 5 => What::Promote { member },
        6 => What::Demote { member },
        _ => What::Meta(Meta::OnlyAdminsEdit(subject.is_multiple_of(2))),
    }
}

fn certs(account: AccountId, device: DeviceId) -> Option<DeviceKey> {
    let mut people = (0..=PEOPLE).map(Person);
    let whose = |person: &Person| person.account().id() == account && person.device() == device;
    people.find(whose).map(|person| person.device_key())
}

/// Somebody by number.
struct Person(u8);

impl Person {
    fn signing(&self) -> SigningKey {
        SigningKey::from_bytes(&[self.0 + 1; 32])
    }

    fn device_key(&self) -> DeviceKey {
        DeviceKey(self.signing().verifying_key().to_bytes())
    }
}

impl Author for Person {
    fn account(&self) -> AccountKey {
        AccountKey([self.0; 32])
    }

    fn device(&self) -> DeviceId {
        self.device_key().id()
    }

    fn sign(&self, op: Op) -> Verified<Op> {
        Signed::by(&self.signing(), op)
    }
}
