use super::*;
use crate::crypto::account::AccountSecret;
use crate::crypto::device::DeviceSecret;
use std::collections::BTreeMap;
use std::sync::LazyLock;

#[test]
fn a_new_group_has_its_creator_as_admin_and_the_others_as_members() {
    let group = group(3);
    let state = group.state();
    assert_eq!((state.members().len(), state.name()), (3, "choir"));
    assert_eq!([0, 1, 9].map(|n| state.role(id(n))), [Some(Role::Admin), Some(Role::Member), None]);
    assert_eq!(state.members()[&id(1)].added_by, id(0));
}

#[test]
fn what_one_device_writes_another_takes_in() {
    let mut here = group(2);
    let mut there = Group::awaited(here.id());
    here.author(What::add([key(5)]), person(0)).unwrap();
    here.author(promote(5), person(0)).unwrap();
    here.author(What::Meta(Meta::Name("quire".into())), person(5)).unwrap();
    heal(&mut here, &mut there);
    assert_eq!(there.state(), here.state());
    assert_eq!((there.state().name(), there.state().is_admin(id(5))), ("quire", true));
}

#[test]
fn the_latest_word_about_a_property_counts_and_each_has_its_own() {
    let mut here = with_admins(3);
    let mut there = here.clone();
    here.author(What::Meta(Meta::Timer(Some(60))), person(0)).unwrap();
    here.author(What::Meta(Meta::About("ours".into())), person(0)).unwrap();
    there.author(What::Meta(Meta::About("theirs".into())), person(1)).unwrap();
    there.author(What::Meta(Meta::OnlyAdminsPost(true)), person(1)).unwrap();
    there.author(What::Meta(Meta::Timer(Some(70))), person(1)).unwrap();
    heal(&mut here, &mut there);
    let state = here.state();
    assert_eq!((state.about(), state.timer(), state.only_admins_post()), ("ours", Some(70), true));
    assert!(state.may_post(id(2)) && !state.may_post(id(9)));
}

#[test]
fn members_set_the_name_only_once_an_admin_allowed_it() {
    let mut group = group(3);
    let name = || What::Meta(Meta::Name("theirs".into()));
    let refused = OpRefusal::Right { who: "admins" };
    assert_eq!(group.author(name(), person(1)), Err(refused.clone()));
    group.author(What::Meta(Meta::OnlyAdminsEdit(false)), person(0)).unwrap();
    group.author(name(), person(1)).unwrap();
    assert_eq!(group.author(What::Meta(Meta::OnlyAdminsEdit(true)), person(1)), Err(refused));
    assert_eq!(group.state().name(), "theirs");
}

#[test]
fn attack_56_nobody_but_an_admin_adds_and_a_replayed_operation_changes_nothing() {
    let mut group = group(3);
    let add = signed(&group, What::add([key(9)]), 1);
    let before = group.state().hash();
    assert_eq!(group.insert(&add, &certs), Inserted::Refused(OpRefusal::Right { who: "admins" }));
    let add = signed(&group, What::add([key(9)]), 8);
    assert_eq!(group.insert(&add, &certs), Inserted::Refused(OpRefusal::Right { who: "members" }));
    assert_eq!(group.state().hash(), before);
    let old = group.author(What::add([key(4)]), person(0)).unwrap();
    group.author(remove(4), person(0)).unwrap();
    let before = group.state().hash();
    assert_eq!(group.insert(&old, &certs), Inserted::Known);
    assert_eq!(group.state().hash(), before);
}

#[test]
fn attack_57_what_a_relay_makes_up_changes_nothing() {
    let mut group = group(3);
    let before = group.state().hash();
    let add = signed(&group, What::add([key(9)]), 0);
    let stranger = Stranger { as_whom: 0 };
    let forged = stranger.sign((*Verified::trusted(add.clone()).unwrap()).clone()).signed().clone();
    assert_eq!(group.insert(&forged, &certs), Inserted::Refused(OpRefusal::Signature));
    let unknown = group.insert(&add, &|_, _| None);
    assert_eq!(unknown, Inserted::WantsCert { account: id(0), device: person(0).device() });
    let other = |_, _| Some(person(1).device.key());
    assert_eq!(group.insert(&add, &other), Inserted::Refused(OpRefusal::Signature));
    assert_eq!(group.state().hash(), before);
}

#[test]
fn attack_58_of_two_admins_who_remove_each_other_the_one_promoted_earlier_stays() {
    let (mut here, mut there) = split(with_admins(3));
    here.author(remove(2), person(1)).unwrap();
    there.author(remove(1), person(2)).unwrap();
    there.author(What::add([key(9)]), person(2)).unwrap();
    heal(&mut here, &mut there);
    assert_eq!(members(&here), [0, 1]);
    assert_eq!(here.void().len(), 2);
}

#[test]
fn attack_58_a_removed_admins_concurrent_operations_are_void_and_all_that_stands_on_them() {
    let (mut here, mut there) = split(with_admins(3));
    here.author(remove(1), person(2)).unwrap();
    there.author(What::add([key(9)]), person(1)).unwrap();
    there.author(promote(9), person(1)).unwrap();
    there.author(remove(0), person(9)).unwrap();
    heal(&mut here, &mut there);
    assert_eq!(members(&here), [0, 2]);
    assert_eq!(here.void().len(), 3);
}

#[test]
fn attack_58_whoever_is_added_and_removed_at_once_is_out() {
    let (mut here, mut there) = split(with_admins(4));
    here.author(remove(3), person(0)).unwrap();
    here.author(What::add([key(3)]), person(0)).unwrap();
    there.author(remove(3), person(1)).unwrap();
    heal(&mut here, &mut there);
    assert_eq!(members(&here), [0, 1, 2]);
}

#[test]
fn attack_58_whoever_is_promoted_and_removed_or_demoted_at_once_is_not_an_admin() {
    let (mut here, mut there) = split(group(4));
    here.author(promote(2), person(0)).unwrap();
    here.author(promote(3), person(0)).unwrap();
    let mut aside = here.clone();
    here.author(demote(3), person(0)).unwrap();
    here.author(promote(3), person(0)).unwrap();
    aside.author(demote(3), person(2)).unwrap();
    there.author(remove(2), &second(0)).unwrap();
    heal(&mut here, &mut there);
    heal(&mut here, &mut aside);
    heal(&mut here, &mut there);
    assert_eq!(members(&here), [0, 1, 3]);
    assert_eq!(here.void().len(), 1, "the demotion by whom nobody knew to be removed");
    assert!(here.state().is_admin(id(3)));
}

#[test]
fn attack_58_a_ring_of_removals_ends_with_the_word_of_the_most_senior() {
    let base = with_admins(5);
    let mut parts: Vec<Group> = vec![base; 3];
    parts[0].author(remove(2), person(1)).unwrap();
    parts[1].author(remove(3), person(2)).unwrap();
    parts[2].author(remove(1), person(3)).unwrap();
    let here = heal_all(&mut parts);
    assert_eq!(members(&here), [0, 1, 3, 4]);
}

#[test]
fn attack_58_a_ring_that_runs_through_promotions_ends_too() {
    let (mut here, mut there) = split(with_admins(3));
    here.author(What::add([key(6)]), person(1)).unwrap();
    here.author(promote(6), person(1)).unwrap();
    here.author(remove(2), person(6)).unwrap();
    there.author(What::add([key(7)]), person(2)).unwrap();
    there.author(promote(7), person(2)).unwrap();
    there.author(remove(1), person(7)).unwrap();
    heal(&mut here, &mut there);
    assert_eq!(members(&here), [0, 1, 6]);
}

#[test]
fn attack_58_who_is_out_of_a_ring_is_not_protected_by_seniority() {
    let base = with_admins(4);
    let mut parts: Vec<Group> = vec![base; 4];
    parts[0].author(What::add([key(9)]), person(0)).unwrap();
    parts[1].author(remove(0), person(1)).unwrap();
    parts[2].author(remove(1), person(2)).unwrap();
    parts[3].author(remove(2), person(1)).unwrap();
    // 1 wins over 2, so the removal of 0 counts, and what 0 did meanwhile is void.
    let here = heal_all(&mut parts);
    assert_eq!(members(&here), [1, 3]);
}

#[test]
fn attack_64_an_admin_who_tells_people_different_things_is_seen_by_all() {
    let (mut here, mut there) = split(group(3));
    assert!(here.forked().is_empty());
    here.author(What::add([key(5)]), person(0)).unwrap();
    there.author(What::add([key(6)]), person(0)).unwrap();
    assert_ne!(here.heads(), there.heads());
    heal(&mut here, &mut there);
    let fork = (id(0), person(0).device());
    assert!(here.forked().contains(&fork) && there.forked().contains(&fork));
    assert_eq!((members(&here), here.heads().len()), (vec![0, 1, 2, 5, 6], 2));
}

#[test]
fn who_was_removed_writes_nothing_more_and_may_be_added_again() {
    let mut group = with_admins(3);
    let early = signed(&group, What::add([key(9)]), 2);
    group.author(remove(2), person(0)).unwrap();
    let before = group.state().hash();
    let late = signed(&group, What::add([key(9)]), 2);
    assert_eq!(group.insert(&late, &certs), Inserted::Refused(OpRefusal::Right { who: "members" }));
    assert!(matches!(group.insert(&early, &certs), Inserted::New(_)));
    assert_eq!(group.state().hash(), before, "what claims not to know the removal is void");
    group.author(What::add([key(2)]), person(0)).unwrap();
    assert_eq!(group.state().role(id(2)), Some(Role::Member));
}

#[test]
fn leaving_counts_whatever_others_did_meanwhile() {
    let (mut here, mut there) = split(with_admins(4));
    here.author(What::Leave, person(3)).unwrap();
    there.author(remove(3), person(0)).unwrap();
    there.author(What::add([key(3)]), person(0)).unwrap();
    heal(&mut here, &mut there);
    assert_eq!((members(&here), here.void().len()), (vec![0, 1, 2], 0));
}

#[test]
fn the_last_admin_promotes_somebody_before_going() {
    let mut group = group(3);
    assert_eq!(group.author(What::Leave, person(0)), Err(OpRefusal::LastAdmin));
    assert_eq!(group.author(demote(0), person(0)), Err(OpRefusal::LastAdmin));
    group.author(promote(2), person(0)).unwrap();
    group.author(What::Leave, person(0)).unwrap();
    group.author(What::Leave, person(1)).unwrap();
    group.author(What::Leave, person(2)).unwrap();
    assert!(group.state().members().is_empty());
}

#[test]
fn where_no_admin_is_left_the_eldest_member_is_one_and_stays_one_after_acting() {
    let mut base = group(1);
    for n in [4, 3, 5] {
        base.author(What::add([key(n)]), person(0)).unwrap();
    }
    base.author(promote(5), person(0)).unwrap();
    let (mut here, mut there) = split(base);
    here.author(What::Leave, person(0)).unwrap();
    there.author(What::Leave, person(5)).unwrap();
    heal(&mut here, &mut there);
    assert!(here.state().is_admin(id(4)) && !here.state().is_admin(id(3)));
    here.author(promote(3), person(4)).unwrap();
    assert!(here.state().is_admin(id(4)) && here.state().is_admin(id(3)));
    assert_eq!(restored(&here).state(), here.state());
}

#[test]
fn a_message_is_judged_by_the_members_that_its_author_knew() {
    let mut group = group(3);
    let named = group.named_heads();
    group.author(remove(2), person(0)).unwrap();
    let heads = group.named(&named).unwrap();
    assert_eq!(group.state_at(&heads).unwrap().role(id(2)), Some(Role::Member));
    assert_eq!(group.state().role(id(2)), None);
    assert_eq!(group.named(&[OpName([9; 8])]), None);
    assert!(group.state_at(&[OpHash([9; 16])]).is_none());
}

#[test]
fn heads_tell_two_devices_what_each_lacks() {
    let (mut here, mut there) = split(with_admins(3));
    let ours = OpHash(here.author(What::add([key(8)]), person(0)).unwrap().hash());
    let theirs = OpHash(there.author(What::add([key(9)]), person(1)).unwrap().hash());
    assert_eq!(here.missing(&there.heads()), [theirs]);
    let lacks: Vec<_> = here.ops_not_under(&there.heads()).iter().map(|op| OpHash(op.hash())).collect();
    // Of a head that is not here nothing is known, not even what stands under it.
    assert_eq!(lacks.last(), Some(&ours));
    heal(&mut here, &mut there);
    assert!(here.missing(&there.heads()).is_empty() && here.ops_not_under(&there.heads()).is_empty());
}

#[test]
fn an_operation_waits_for_its_parents_and_then_comes_with_those_that_waited() {
    let mut here = group(2);
    let one = here.author(What::add([key(5)]), person(0)).unwrap();
    let two = here.author(promote(5), person(0)).unwrap();
    let create = here.ops_not_under(&[])[0].clone();
    let hash = |op: &SignedOp| OpHash(op.hash());
    let mut there = Group::awaited(here.id());
    assert_eq!(there.insert(&two, &certs), Inserted::WantsParents(vec![hash(&one)]));
    assert_eq!(there.insert(&one, &certs), Inserted::WantsParents(vec![hash(&create)]));
    assert_eq!(there.insert(&two, &certs), Inserted::WantsParents(vec![]));
    assert_eq!(there.insert(&create, &certs), Inserted::New(vec![hash(&create), hash(&one), hash(&two)]));
    assert_eq!(there.state(), here.state());
}

#[test]
fn a_bounded_number_of_operations_waits_and_the_deepest_go() {
    let mut here = group(1);
    let mut later = Vec::new();
    for n in 0..MAX_WAITING + 20 {
        let timer = u32::try_from(n + 1).ok();
        later.push(here.author(What::Meta(Meta::Timer(timer)), person(0)).unwrap());
    }
    let mut there = Group::awaited(here.id());
    for op in later.iter().rev() {
        assert!(matches!(there.insert(op, &certs), Inserted::WantsParents(_)));
    }
    let create = here.ops_not_under(&[])[0].clone();
    let Inserted::New(new) = there.insert(&create, &certs) else { panic!("the first operation is taken in") };
    assert_eq!(new.len(), 1 + MAX_WAITING);
}

#[test]
fn what_has_not_the_form_of_an_operation_is_refused() {
    let mut group = group(2);
    let base = |what| Op {
        group: Some(group.id()),
        author: id(0),
        device: person(0).device(),
        parents: group.heads(),
        depth: 1,
        what,
    };
    let unsorted = vec![key(5).max(key(6)), key(5).min(key(6))];
    let many = (0..=MAX_ADDED as u8).map(|n| AccountKey([n; 32]));
    let parents = (0..9).map(|n| OpHash([n; 16])).collect();
    let again = || What::Create { name: "b".into(), nonce: [1; 16], creator: key(0), members: vec![] };
    let timer = || What::Meta(Meta::Timer(Some(1)));
    let cases = [
        (Op { group: Some(GroupId([1; 20])), ..base(What::Leave) }, OpRefusal::OtherGroup),
        (Op { group: None, parents: vec![], depth: 0, ..base(again()) }, OpRefusal::OtherGroup),
        (base(again()), OpRefusal::OtherGroup),
        (Op { parents, ..base(timer()) }, OpRefusal::Parents { got: 9 }),
        (Op { parents: vec![], ..base(timer()) }, OpRefusal::Parents { got: 0 }),
        (
            Op { parents: [group.heads(), group.heads()].concat(), ..base(timer()) },
            OpRefusal::Parents { got: 2 },
        ),
        (Op { depth: 0, ..base(timer()) }, OpRefusal::Depth { expected: 1, got: 0 }),
        (Op { depth: 7, ..base(timer()) }, OpRefusal::Depth { expected: 1, got: 7 }),
        (Op { depth: u32::MAX, ..base(What::Leave) }, OpRefusal::Full { limit: MAX_OPS - 1 }),
        (base(What::Add { members: unsorted }), OpRefusal::List { got: 2 }),
        (base(What::Add { members: vec![] }), OpRefusal::List { got: 0 }),
        (base(What::add(many)), OpRefusal::List { got: MAX_ADDED + 1 }),
        (base(remove(0)), OpRefusal::Oneself),
        (base(remove(9)), OpRefusal::Idle { why: "that is no member" }),
        (base(What::add([key(1)])), OpRefusal::Idle { why: "everybody is a member" }),
        (base(promote(0)), OpRefusal::Idle { why: "that is an admin" }),
        (base(demote(1)), OpRefusal::Idle { why: "that is no admin" }),
    ];
    let texts = [
        Meta::Name(String::new()),
        Meta::Name("x".repeat(65)),
        Meta::About("x".repeat(257)),
        Meta::Timer(Some(0)),
    ];
    let texts: Vec<Op> = texts.into_iter().map(|meta| base(What::Meta(meta))).collect();
    let before = group.state().hash();
    for (op, refusal) in cases {
        let signed = person(0).sign(op).signed().clone();
        assert_eq!(group.insert(&signed, &certs), Inserted::Refused(refusal));
    }
    for op in texts {
        let signed = person(0).sign(op).signed().clone();
        assert!(matches!(group.insert(&signed, &certs), Inserted::Refused(OpRefusal::Range { .. })));
    }
    assert_eq!(group.state().hash(), before);
}

#[test]
fn a_group_has_at_most_1024_members_and_two_halves_that_were_full_agree_on_them() {
    let mut base = group(1);
    let keys: Vec<AccountKey> = (0..MAX_MEMBERS as u32 + 40).map(numbered).collect();
    for some in keys[..MAX_MEMBERS - 10].chunks(MAX_ADDED) {
        base.author(What::add(some.iter().copied()), person(0)).unwrap();
    }
    assert_eq!(base.state().members().len(), MAX_MEMBERS - 9);
    let (mut here, mut there) = split(base);
    here.author(What::add(keys[MAX_MEMBERS - 10..][..9].iter().copied()), person(0)).unwrap();
    there.author(What::add(keys[MAX_MEMBERS..][..9].iter().copied()), &second(0)).unwrap();
    let more = here.author(What::add([keys[MAX_MEMBERS + 30]]), person(0));
    assert_eq!(more, Err(OpRefusal::Members { got: MAX_MEMBERS + 1 }));
    heal(&mut here, &mut there);
    assert_eq!(here.state().members().len(), MAX_MEMBERS);
    // One goes, and one of those who were too many comes in.
    here.author(What::Remove { member: keys[3] }, person(0)).unwrap();
    assert_eq!(here.state().members().len(), MAX_MEMBERS);
    assert_eq!(restored(&here).state(), here.state());
}

#[test]
fn a_full_log_keeps_room_for_removals_and_is_restored_as_it_was() {
    let mut group = group(1);
    let add = |n: u32| What::add([numbered(n)]);
    for n in 0..1_000 {
        group.author(add(n), person(0)).unwrap();
    }
    for n in 1_000..2_048_u32 {
        group.author(What::Meta(Meta::Timer(Some(n))), person(0)).unwrap();
    }
    let timer = group.author(What::Meta(Meta::Timer(None)), person(0));
    assert_eq!(timer, Err(OpRefusal::Full { limit: 2_048 }));
    for n in 0..768 {
        group.author(What::Remove { member: numbered(n) }, person(0)).unwrap();
        group.author(add(n), person(0)).unwrap();
    }
    assert_eq!(group.author(add(5_000), person(0)), Err(OpRefusal::Full { limit: 3_584 }));
    for n in 0..511 {
        group.author(What::Remove { member: numbered(n) }, person(0)).unwrap();
    }
    assert_eq!(group.ops(), MAX_OPS);
    let last = group.author(What::Remove { member: numbered(900) }, person(0));
    assert_eq!(last, Err(OpRefusal::Full { limit: MAX_OPS - 1 }));
    assert_eq!(restored(&group).state(), group.state());
}

#[test]
fn a_full_log_takes_nothing_in_however_shallow_it_is() {
    let mut group = group(1);
    let parents = group.heads();
    let before = group.state().members().len();
    for n in 0..MAX_OPS as u32 + 5 {
        let what = What::Meta(Meta::Timer(Some(n + 1)));
        let op = Op {
            group: Some(group.id()),
            author: id(0),
            device: person(0).device(),
            parents: parents.clone(),
            depth: 1,
            what,
        };
        let inserted = group.receive(person(0).sign(op));
        let full = Inserted::Refused(OpRefusal::Full { limit: MAX_OPS });
        assert_eq!(inserted == full, n + 1 >= MAX_OPS as u32, "{n}");
    }
    assert_eq!((group.ops(), group.state().members().len()), (MAX_OPS, before));
    assert_eq!(group.named_heads().len(), MAX_NAMED_HEADS);
}

#[test]
fn sixty_admins_who_remove_one_another_at_once_come_to_an_end() {
    let mut base = group(1);
    for some in (1..61_u8).collect::<Vec<_>>().chunks(30) {
        base.author(What::add(some.iter().map(|n| key(*n))), person(0)).unwrap();
    }
    for n in 1..61 {
        base.author(promote(n), person(0)).unwrap();
    }
    let (parents, depth) = (base.heads(), 63);
    for author in 1..61_u8 {
        for other in (1..61).filter(|other| *other != author) {
            let (group, device) = (Some(base.id()), person(author).device());
            let parents = parents.clone();
            let op = Op { group, author: id(author), device, parents, depth, what: remove(other) };
            assert!(matches!(base.receive(person(author).sign(op)), Inserted::New(_)));
        }
    }
    // The eldest of them removed all others.
    assert_eq!(members(&base), [0, 1]);
}

/// Somebody with one device.
pub(super) struct Person {
    account: AccountKey,
    pub(super) device: DeviceSecret,
}

impl Author for Person {
    fn account(&self) -> AccountKey {
        self.account
    }

    fn device(&self) -> DeviceId {
        self.device.key().id()
    }

    fn sign(&self, op: Op) -> Verified<Op> {
        self.device.sign(op)
    }
}

/// Signs what names the device of somebody else.
struct Stranger {
    as_whom: u8,
}

impl Author for Stranger {
    fn account(&self) -> AccountKey {
        key(self.as_whom)
    }

    fn device(&self) -> DeviceId {
        person(self.as_whom).device()
    }

    fn sign(&self, op: Op) -> Verified<Op> {
        DeviceSecret::from_parts(&[222; 32], [222; 32]).sign(op)
    }
}

static PEOPLE: LazyLock<Vec<Person>> = LazyLock::new(|| (0..64).map(|n| with_device(n, n)).collect());

static DEVICES: LazyLock<BTreeMap<(AccountId, DeviceId), DeviceKey>> = LazyLock::new(|| {
    let seconds: Vec<Person> = (0..64).map(second).collect();
    let all = PEOPLE.iter().chain(&seconds);
    all.map(|person| ((person.account.id(), person.device()), person.device.key())).collect()
});

fn with_device(n: u8, device: u8) -> Person {
    let account = AccountSecret::from_seed(&[n; 32]).key();
    Person { account, device: DeviceSecret::from_parts(&[device ^ 0x80; 32], [1; 32]) }
}

pub(super) fn person(n: u8) -> &'static Person {
    &PEOPLE[usize::from(n)]
}

/// A person on a second device.
pub(super) fn second(n: u8) -> Person {
    with_device(n, n + 64)
}

pub(super) fn key(n: u8) -> AccountKey {
    person(n).account
}

pub(super) fn id(n: u8) -> AccountId {
    key(n).id()
}

/// People who only are members.
fn numbered(n: u32) -> AccountKey {
    let mut key = [200; 32];
    key[..4].copy_from_slice(&n.to_le_bytes());
    AccountKey(key)
}

pub(super) fn certs(account: AccountId, device: DeviceId) -> Option<DeviceKey> {
    DEVICES.get(&(account, device)).copied()
}

pub(super) fn remove(n: u8) -> What {
    What::Remove { member: key(n) }
}

pub(super) fn promote(n: u8) -> What {
    What::Promote { member: key(n) }
}

pub(super) fn demote(n: u8) -> What {
    What::Demote { member: key(n) }
}

/// Of the first `n` people, the first of whom made it.
pub(super) fn group(n: u8) -> Group {
    Group::create("choir", (0..n).map(key), person(0), &mut Rng::new([n; 32])).unwrap().0
}

/// As [`group`]; all are admins, in their order.
pub(super) fn with_admins(n: u8) -> Group {
    let mut group = group(n);
    (1..n).for_each(|n| drop(group.author(promote(n), person(0)).unwrap()));
    group
}

/// An operation on top of all that the group holds, whether its author has the right or not.
fn signed(group: &Group, what: What, by: u8) -> SignedOp {
    let parents = group.heads();
    let depth = group.graph.depth_over(&parents).unwrap();
    let op =
        Op { group: Some(group.id()), author: id(by), device: person(by).device(), parents, depth, what };
    person(by).sign(op).signed().clone()
}

fn split(group: Group) -> (Group, Group) {
    (group.clone(), group)
}

/// Both learn what the other has; they agree then.
pub(super) fn heal(here: &mut Group, there: &mut Group) {
    let lacks = |from: &Group, to: &Group| -> Vec<SignedOp> {
        from.ops_not_under(&to.heads()).into_iter().cloned().collect()
    };
    for op in lacks(here, there) {
        assert!(!matches!(there.insert(&op, &certs), Inserted::Refused(_)));
    }
    for op in lacks(there, here) {
        assert!(!matches!(here.insert(&op, &certs), Inserted::Refused(_)));
    }
    assert_eq!(here.heads(), there.heads());
    assert_eq!(here.state().hash(), there.state().hash());
    assert_eq!(here.void(), there.void());
}

fn heal_all(parts: &mut [Group]) -> Group {
    let (first, rest) = parts.split_first_mut().unwrap();
    rest.iter_mut().for_each(|part| heal(first, part));
    rest.iter_mut().for_each(|part| heal(first, part));
    first.clone()
}

pub(super) fn restored(group: &Group) -> Group {
    Group::restore(group.id(), group.ops_not_under(&[]).into_iter().rev().cloned())
}

fn members(group: &Group) -> Vec<u8> {
    let known = (0..64).filter(|n| group.state().role(id(*n)).is_some());
    known.collect()
}
