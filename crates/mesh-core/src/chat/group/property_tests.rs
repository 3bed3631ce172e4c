use super::tests::{
    certs, demote, group, heal, id, key, person, promote, remove, restored, second, with_admins,
};
use super::*;
use proptest::prelude::*;
use proptest::sample::Index;

/// Who does what to whom: author, second device, kind, subject.
type Act = (u8, bool, u8, u8);

const ADMINS: u8 = 8;

fn acts() -> impl Strategy<Value = Act> {
    (0..ADMINS + 2, any::<bool>(), 0_u8..20, 0..ADMINS + 4)
}

fn what(kind: u8, subject: u8) -> What {
    match kind {
        0..3 => What::add([key(subject), key(subject / 2)]),
        3..9 => remove(subject),
        9 => What::Leave,
        10..14 => promote(subject),
        14..17 => demote(subject),
        17 => What::Meta(Meta::Name(format!("name {subject}"))),
        18 => What::Meta(Meta::Timer(Some(u32::from(subject) + 1))),
        _ => What::Meta(Meta::OnlyAdminsEdit(subject.is_multiple_of(2))),
    }
}

/// An operation upon any earlier ones: whoever writes so is no honest device.
fn crafted(group: &Group, known: &[OpHash], act: Act, parents: &[Index]) -> Verified<Op> {
    let (author, other, kind, subject) = act;
    let mut parents: Vec<OpHash> = parents.iter().map(|parent| *parent.get(known)).collect();
    parents.sort_unstable();
    parents.dedup();
    let depth = group.graph.depth_over(&parents).unwrap();
    let other = other.then(|| second(author));
    let by = other.as_ref().unwrap_or_else(|| person(author));
    let (group, device, what) = (Some(group.id()), by.device(), what(kind, subject));
    by.sign(Op { group, author: id(author), device, parents, depth, what })
}

/// As [`Group::insert`], without looking at the signature.
fn offered(group: &mut Group, op: Verified<Op>) -> Inserted {
    match op.check(group.id(), op::group_id(op.signed())) {
        Ok(()) => group.receive(op),
        Err(refusal) => Inserted::Refused(refusal),
    }
}

/// Eight admins, and whatever of the acts was admitted.
fn tangle(acts: &[(Act, Vec<Index>)]) -> Group {
    let mut group = with_admins(ADMINS);
    let mut known: Vec<OpHash> = group.heads();
    for (act, parents) in acts {
        let op = crafted(&group, &known, *act, parents);
        if let Inserted::New(new) = offered(&mut group, op) {
            known.extend(new);
        }
    }
    group
}

fn all(group: &Group) -> Vec<Verified<Op>> {
    group.ops_not_under(&[]).into_iter().filter_map(|op| Verified::trusted(op.clone())).collect()
}

fn knows(group: &Group, later: &OpHash, earlier: &OpHash) -> bool {
    later != earlier && group.graph.under(&[*later]).iter().any(|(stamp, _)| stamp.1 == *earlier)
}

/// Everything that the rules promise about one pair of operations.
fn check_promises(group: &Group) -> Result<(), TestCaseError> {
    let ops = all(group);
    let counts = |op: &&Verified<Op>| !group.void().contains(&OpHash(op.hash()));
    for leave in ops.iter().filter(|op| op.what == What::Leave) {
        prop_assert!(counts(&leave), "leaving counts");
    }
    for hit in ops.iter().filter(counts) {
        let (whom, puts_out) = match &hit.what {
            What::Remove { member } => (member.id(), true),
            What::Demote { member } => (member.id(), false),
            What::Leave => (hit.author, true),
            _ => continue,
        };
        let hash = OpHash(hit.hash());
        for other in ops.iter().filter(counts) {
            let name = OpHash(other.hash());
            let apart = !knows(group, &hash, &name) && !knows(group, &name, &hash);
            let struck = other.author == whom && hit.author != whom && other.what != What::Leave;
            prop_assert!(!(apart && struck), "{other:?} counts against {hit:?}");
        }
        let back = |op: &Verified<Op>| match &op.what {
            What::Add { members } => puts_out && members.iter().any(|key| key.id() == whom),
            What::Promote { member } => !puts_out && member.id() == whom,
            _ => false,
        };
        let again = ops.iter().filter(counts).any(|op| back(op) && knows(group, &OpHash(op.hash()), &hash));
        if !again && puts_out {
            prop_assert_eq!(group.state().role(whom), None);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn attack_58_any_order_repetition_and_partition_of_the_same_operations_comes_to_the_same(
        acts in proptest::collection::vec((acts(), proptest::collection::vec(any::<Index>(), 1..4)), 1..24),
        order in proptest::collection::vec(any::<Index>(), 0..40),
        half in any::<u64>(),
    ) {
        let reference = tangle(&acts);
        let ops = all(&reference);
        let (mut shuffled, mut healed) = (Group::awaited(reference.id()), Group::awaited(reference.id()));
        let mut other = healed.clone();
        for op in order.iter().map(|index| index.get(&ops)).chain(ops.iter().rev()) {
            shuffled.receive(op.clone());
        }
        for (at, op) in ops.iter().enumerate() {
            // Each has a half of them; what the halves lack of their past waits.
            let part = if half >> (at % 64) & 1 == 0 { &mut healed } else { &mut other };
            part.receive(op.clone());
        }
        for op in ops.iter().rev() {
            healed.receive(op.clone());
            other.receive(op.clone());
        }
        for replica in [&shuffled, &healed, &other, &restored(&reference)] {
            prop_assert_eq!(replica.heads(), reference.heads());
            prop_assert_eq!(replica.state(), reference.state());
            prop_assert_eq!(replica.state().hash(), reference.state().hash());
            prop_assert_eq!(replica.void(), reference.void());
            prop_assert_eq!(replica.forked(), reference.forked());
        }
        check_promises(&reference)?;
    }

    #[test]
    fn attack_58_eight_admins_in_four_partitions_converge_when_they_meet(
        acts in proptest::collection::vec((0_usize..4, acts(), 0_u8..10), 1..30),
    ) {
        let base = with_admins(ADMINS);
        let mut parts = vec![base; 4];
        for (at, (author, other, kind, subject), meets) in acts {
            let other = other.then(|| second(author));
            let by = other.as_ref().unwrap_or_else(|| person(author));
            let _refused = parts[at].author(what(kind, subject), by);
            if meets == 0 {
                let (one, rest) = parts.split_first_mut().unwrap();
                heal(one, &mut rest[at % 3]);
            }
        }
        for _ in 0..2 {
            for at in 1..4 {
                let (one, rest) = parts.split_first_mut().unwrap();
                heal(one, &mut rest[at - 1]);
            }
        }
        for part in &parts {
            prop_assert_eq!(part.heads(), parts[0].heads());
            prop_assert_eq!(part.state().hash(), parts[0].state().hash());
            let again = restored(part);
            prop_assert_eq!(part.state(), again.state());
        }
        check_promises(&parts[0])?;
    }

    #[test]
    fn attack_59_whatever_a_removed_admin_writes_afterwards_changes_nothing(
        acts in proptest::collection::vec((acts(), proptest::collection::vec(any::<Index>(), 1..3)), 1..12),
    ) {
        let mut group = with_admins(ADMINS);
        let mut known: Vec<OpHash> = all(&group).iter().map(|op| OpHash(op.hash())).collect();
        group.author(remove(5), person(0)).unwrap();
        let before = group.state().hash();
        known.extend(group.heads());
        for ((_, other, kind, subject), parents) in acts {
            let op = crafted(&group, &known, (5, other, kind, subject), &parents);
            if let Inserted::New(new) = offered(&mut group, op) {
                known.extend(new);
            }
            prop_assert_eq!(group.state().hash(), before);
        }
    }

    #[test]
    fn the_state_in_the_past_is_the_state_of_a_group_that_ended_there(
        acts in proptest::collection::vec((acts(), proptest::collection::vec(any::<Index>(), 1..4)), 1..16),
        heads in proptest::collection::vec(any::<Index>(), 1..3),
    ) {
        let mut whole = tangle(&acts);
        let ops = all(&whole);
        let heads: Vec<OpHash> = heads.iter().map(|index| OpHash(index.get(&ops).hash())).collect();
        let under: BTreeSet<OpHash> = whole.graph.under(&heads).iter().map(|(stamp, _)| stamp.1).collect();
        let past = ops.iter().filter(|op| under.contains(&OpHash(op.hash()))).map(|op| op.signed().clone());
        let past = Group::restore(whole.id(), past);
        let state = whole.state_at(&heads).unwrap();
        prop_assert_eq!(&*state, past.state());
    }
}

#[test]
fn what_was_verified_once_verifies_again_on_every_replica() {
    let mut here = group(4);
    here.author(promote(1), person(0)).unwrap();
    let mut there = Group::awaited(here.id());
    for op in here.ops_not_under(&[]) {
        assert!(matches!(there.insert(op, &certs), Inserted::New(_)));
    }
    assert_eq!(there.state(), here.state());
}
