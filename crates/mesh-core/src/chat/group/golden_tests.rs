use super::tests::{group, id, key, person, promote};
use super::*;
use crate::wire::codec;
use data_encoding::HEXLOWER;

fn op(what: What) -> Op {
    let begins = matches!(what, What::Create { .. });
    Op {
        group: (!begins).then_some(GroupId([0xa1; 20])),
        author: AccountId([0xb2; 20]),
        device: DeviceId([0xc3; 16]),
        parents: if begins { vec![] } else { vec![OpHash([0xd4; 16]), OpHash([0xd5; 16])] },
        depth: if begins { 0 } else { 300 },
        what,
    }
}

fn hex(what: What) -> String {
    let bytes = codec::encode(&op(what));
    assert_eq!(codec::encode(&codec::decode::<Op>(&bytes).unwrap()), bytes);
    HEXLOWER.encode(&bytes)
}

/// The bytes before the change: group, author, device, parents, depth.
fn head() -> String {
    let parents = format!("02{}{}", "d4".repeat(16), "d5".repeat(16));
    format!("01{}{}{}{parents}fb2c01", "a1".repeat(20), "b2".repeat(20), "c3".repeat(16))
}

#[test]
fn golden_bytes_of_every_change() {
    let (one, two) = (AccountKey([0x11; 32]), AccountKey([0x22; 32]));
    let (ones, twos) = ("11".repeat(32), "22".repeat(32));
    let create = What::Create { name: "abc".into(), nonce: [0xee; 16], creator: one, members: vec![two] };
    let begins = format!("00{}{}0000", "b2".repeat(20), "c3".repeat(16));
    assert_eq!(hex(create), format!("{begins}0003616263{}{ones}01{twos}", "ee".repeat(16)));
    let after = |what, bytes: String| assert_eq!(hex(what), format!("{}{bytes}", head()));
    after(What::Add { members: vec![one, two] }, format!("0102{ones}{twos}"));
    after(What::Remove { member: one }, format!("02{ones}"));
    after(What::Leave, "03".into());
    after(What::Promote { member: one }, format!("04{ones}"));
    after(What::Demote { member: one }, format!("05{ones}"));
    after(What::Meta(Meta::Name("abc".into())), "060003616263".into());
    after(What::Meta(Meta::About("ab".into())), "0601026162".into());
    after(What::Meta(Meta::OnlyAdminsPost(true)), "060201".into());
    after(What::Meta(Meta::OnlyAdminsEdit(false)), "060300".into());
    after(What::Meta(Meta::Timer(None)), "060400".into());
    after(What::Meta(Meta::Timer(Some(604_800))), "060401fc803a0900".into());
}

#[test]
fn golden_hashes_and_signature_of_an_operation() {
    let signed = person(1).sign(op(What::Leave)).signed().clone();
    assert_eq!(HEXLOWER.encode(&signed.hash()), "95021954450571aaa5aa8c615bbcd6b9");
    assert_eq!(
        HEXLOWER.encode(&blake3::hash(&codec::encode(&signed)).as_bytes()[..16]),
        "2aed2e3248fe6262b4b98b37e909e266"
    );
}

#[test]
fn golden_name_and_state_hash_of_a_group() {
    let mut group = group(3);
    group.author(promote(1), person(0)).unwrap();
    group.author(What::Meta(Meta::Timer(Some(60))), person(1)).unwrap();
    assert_eq!(group.id().to_text(), "6oz732r72wdkmy62qx4b7d4x6frx3ddh");
    assert_eq!(
        HEXLOWER.encode(&group.state().hash()),
        "4d0fc25d9838d10dd5f1d51fa81e38390776316693d5ba726a57cedbcabb0d69"
    );
    assert!(group.state().is_admin(id(1)) && group.state().members()[&id(2)].key == key(2));
}
