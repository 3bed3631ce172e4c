//! What the bag promises.

use super::*;
use crate::border::Output;
use crate::store::Memory;
use crate::time::Wall;
use crate::wire::SizeClass;
use crate::wire::frame::Set;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

fn at(mono: u64) -> Now {
    Now { mono: Time(mono), wall: Wall(1_000) }
}

/// One envelope of 295 B per number.
fn parcel(n: u32) -> Parcel {
    let mut tag = [0x55; 16];
    tag[12..].copy_from_slice(&n.to_le_bytes());
    let mut ack = [0x66; 16];
    ack[..4].copy_from_slice(&n.to_le_bytes());
    let header = Envelope::header(SizeClass::B256, Lifetime::Fortnight, Tag(tag), Ack(ack).commit());
    Parcel::from(&Envelope::new(header, &[0; 256], 12).unwrap())
}

fn ack(n: u32) -> Ack {
    let mut ack = [0x66; 16];
    ack[..4].copy_from_slice(&n.to_le_bytes());
    Ack(ack)
}

fn bag(config: Config) -> State {
    State::restore(config, &Memory::default()).unwrap()
}

fn small(envelopes: u64) -> Config {
    Config { quota: envelopes * 295, ..Config::default() }
}

const OWN: Origin = Origin::Own { to: None };

fn stranger(link: u64) -> Origin {
    Origin::Link { link: LinkId(link), contact: false }
}

fn friend(link: u64) -> Origin {
    Origin::Link { link: LinkId(link), contact: true }
}

fn keep(bag: &mut State, n: u32, origin: Origin) -> Result<Kept, Refused> {
    bag.keep(at(0), parcel(n), origin, &mut Outbox::default())
}

fn holds(bag: &State, numbers: impl IntoIterator<Item = u32>) -> usize {
    numbers.into_iter().filter(|n| bag.item(parcel(*n).id.short()).is_some()).count()
}

#[test]
fn a_clock_that_jumps_while_a_node_is_off_shuts_nothing_out() {
    let span = u64::try_from(Lifetime::Fortnight.span().as_millis()).unwrap();
    for (off, welcome) in [(false, Err(Refused::Ended)), (true, Ok(Kept::New))] {
        let (memory, mut out) = (Memory::default(), Outbox::default());
        let mut bag = State::restore(Config::default(), &memory).unwrap();
        bag.keep(at(0), parcel(1), stranger(1), &mut out).unwrap();
        store(&memory, &mut out);
        if off {
            bag = State::restore(Config::default(), &memory).unwrap();
        }
        assert_eq!(bag.tick(at(span), &mut out).len(), 1);
        assert_eq!(bag.keep(at(span), parcel(1), stranger(2), &mut out), welcome);
    }
}

#[test]
fn two_things_of_one_name_stand_in_digest_and_sketch_once() {
    let mut bag = bag(Config::default());
    let (first, mut second) = (parcel(1), parcel(2));
    second.id.0[..8].copy_from_slice(&first.id.0[..8]);
    let (ids, empty) = ([first.id, second.id], bag.root(Set::Sealed));
    bag.ready_sketches(1);
    let mut shown = Vec::new();
    for parcel in [first, second] {
        bag.keep(at(0), parcel, OWN, &mut Outbox::default()).unwrap();
        shown.push((bag.root(Set::Sealed), bag.sketch(Set::Sealed).unwrap().cells().to_vec()));
    }
    assert_eq!(shown[0], shown[1]);
    bag.withdraw(at(0), ids[0], &mut Outbox::default());
    assert_eq!(bag.root(Set::Sealed), shown[0].0);
    bag.withdraw(at(0), ids[1], &mut Outbox::default());
    assert_eq!(bag.root(Set::Sealed), empty);
    assert!(bag.sketch(Set::Sealed).unwrap().cells().iter().all(|cell| cell.is_empty()));
}

#[test]
fn own_mail_stays_when_strangers_fill_the_bag() {
    let mut bag = bag(small(100));
    (0..50).for_each(|n| assert!(keep(&mut bag, n, OWN).is_ok()));
    (100..400).for_each(|n| _ = keep(&mut bag, n, stranger(1)));
    assert_eq!(holds(&bag, 0..50), 50);
    assert_eq!(holds(&bag, 100..400), 50);
}

#[test]
fn what_had_to_go_is_passed_until_it_is_forgiven() {
    let mut bag = bag(small(100));
    (0..200).for_each(|n| _ = keep(&mut bag, n, stranger(1)));
    let passed = |bag: &State| (0..200).filter(|n| bag.is_passed(parcel(*n).id.short())).collect::<Vec<_>>();
    let gone = passed(&bag);
    assert_eq!(gone.len(), 100);
    bag.forgive(Some(parcel(gone[0]).id.short()));
    assert_eq!(passed(&bag), gone[1..]);
    bag.forgive(None);
    assert!(passed(&bag).is_empty());
}

#[test]
fn what_is_beyond_a_share_goes_first_and_keeps_its_mark_over_a_restart() {
    let (memory, mut out) = (Memory::default(), Outbox::default());
    let mut bag = bag(small(100));
    let surplus = |n| Parcel { surplus: true, ..parcel(n) };
    (0..50).for_each(|n| _ = bag.keep(at(0), surplus(n), stranger(1), &mut out));
    (100..180).for_each(|n| _ = bag.keep(at(0), parcel(n), stranger(2), &mut out));
    assert_eq!((holds(&bag, 0..50), holds(&bag, 100..180)), (20, 80));
    store(&memory, &mut out);
    let bag = State::restore(small(100), &memory).unwrap();
    let marked = |numbers: core::ops::Range<u32>| {
        numbers.filter(|n| bag.item(parcel(*n).id.short()).is_some_and(|item| item.surplus)).count()
    };
    assert_eq!((marked(0..50), marked(100..180)), (20, 0));
    let held = (0..50).map(parcel).find(|parcel| bag.item(parcel.id.short()).is_some()).unwrap();
    let loaded = bag.load(at(0), held.id, &memory).unwrap().unwrap();
    assert_eq!(loaded.handed_on().unwrap().iter().rev().nth(4), Some(&(0x80 | 11)));
}

#[test]
fn what_contacts_bring_with_the_mark_goes_before_their_other_mail_and_after_strangers() {
    let (memory, mut out) = (Memory::default(), Outbox::default());
    let mut bag = bag(small(100));
    let surplus = |n| Parcel { surplus: true, ..parcel(n) };
    (0..40).for_each(|n| _ = bag.keep(at(0), surplus(n), friend(1), &mut out));
    (100..200).for_each(|n| _ = bag.keep(at(0), parcel(n), stranger(2), &mut out));
    assert_eq!((holds(&bag, 0..40), holds(&bag, 100..200)), (40, 60));
    (200..260).for_each(|n| _ = bag.keep(at(0), parcel(n), friend(1), &mut out));
    assert_eq!((holds(&bag, 0..40), holds(&bag, 200..260)), (25, 60));
    store(&memory, &mut out);
    let bag = State::restore(small(100), &memory).unwrap();
    let marked = (0..260).filter(|n| bag.item(parcel(*n).id.short()).is_some_and(|item| item.surplus));
    assert_eq!(marked.count(), 25, "it goes on with the mark, over a restart too");
}

#[test]
fn attack_45_a_copy_without_the_mark_takes_it_off_and_it_is_as_if_that_had_come_first() {
    let (memory, mut out) = (Memory::default(), Outbox::default());
    let mut bag = bag(small(100));
    let (id, marked) = (parcel(1).id, Parcel { surplus: true, hops: 14, ..parcel(1) });
    bag.keep(at(0), marked.clone(), stranger(1), &mut out).unwrap();
    assert_eq!(bag.check(at(0), &marked), Err(Refused::Known));
    assert_eq!(bag.keep(at(5), parcel(1), stranger(2), &mut out), Ok(Kept::Raised));
    let item = bag.item(id.short()).unwrap();
    assert_eq!((item.surplus, item.hops, item.via, item.came), (false, 14, Some(LinkId(2)), 0));
    assert_eq!(bag.check(at(5), &marked), Err(Refused::Known), "the mark does not come back");
    (100..400).for_each(|n| _ = bag.keep(at(5), parcel(n), stranger(1), &mut out));
    assert_eq!(holds(&bag, [1]), 1, "it stands in the share of who brought it without");
    store(&memory, &mut out);
    let bag = State::restore(small(100), &memory).unwrap();
    assert!(!bag.item(id.short()).unwrap().surplus);
}

#[test]
fn marks_that_go_raise_nothing_above_the_part_of_its_rank() {
    let (mut bag, mut out) = (bag(small(100)), Outbox::default());
    (0..100).for_each(|n| _ = bag.keep(at(0), Parcel { surplus: true, ..parcel(n) }, stranger(1), &mut out));
    (0..100).for_each(|n| _ = bag.keep(at(0), parcel(n), friend(2), &mut out));
    assert_eq!(holds(&bag, 0..100), 85);
}

#[test]
fn attack_47_junk_evicts_neither_own_nor_contacts_mail() {
    let mut bag = bag(small(100));
    (0..30).for_each(|n| assert!(keep(&mut bag, n, OWN).is_ok()));
    (100..140).for_each(|n| assert!(keep(&mut bag, n, friend(2)).is_ok()));
    (1000..2000).for_each(|n| _ = keep(&mut bag, n, stranger(u64::from(n) % 7)));
    assert_eq!((holds(&bag, 0..30), holds(&bag, 100..140)), (30, 40));
    assert!(bag.totals().bytes <= 100 * 295);
}

#[test]
fn strangers_keep_a_part_whatever_own_and_contacts_write() {
    let mut bag = bag(small(100));
    (0..15).for_each(|n| assert!(keep(&mut bag, n, stranger(1)).is_ok()));
    (100..300).for_each(|n| _ = keep(&mut bag, n, OWN));
    (300..500).for_each(|n| _ = keep(&mut bag, n, friend(2)));
    assert_eq!(holds(&bag, 0..15), 15);
    assert_eq!(holds(&bag, 100..300), 60);
    assert_eq!(holds(&bag, 300..500), 25);
}

#[test]
fn own_mail_over_its_part_is_refused_not_swallowed() {
    let mut bag = bag(small(100));
    (0..60).for_each(|n| assert!(keep(&mut bag, n, OWN).is_ok()));
    assert_eq!(keep(&mut bag, 60, OWN), Err(Refused::NoRoom));
    assert_eq!(holds(&bag, 0..60), 60);
}

#[test]
fn attack_46_two_hundred_identities_on_one_link_get_one_links_share() {
    let mut bag = bag(small(100));
    (0..50).for_each(|n| assert!(keep(&mut bag, n, stranger(1)).is_ok()));
    (1000..3000).for_each(|n| _ = keep(&mut bag, n, stranger(2)));
    assert_eq!(holds(&bag, 0..50), 50);
}

#[test]
fn attack_46_coming_back_under_new_links_gains_no_share() {
    let mut bag = bag(small(100));
    (0..50).for_each(|n| assert!(keep(&mut bag, n, stranger(1)).is_ok()));
    for n in 1000..2000 {
        _ = keep(&mut bag, n, stranger(u64::from(n)));
        bag.link_down(LinkId(u64::from(n)));
    }
    assert_eq!(holds(&bag, 0..50), 50);
}

#[test]
fn what_is_nearest_to_its_end_goes_first() {
    let mut bag = bag(small(10));
    for n in 0..12 {
        let mut parcel = parcel(n);
        parcel.age_s = (n * 7 % 12) * 100;
        _ = bag.keep(at(0), parcel, stranger(1), &mut Outbox::default());
    }
    let gone: Vec<u32> = (0..12).filter(|n| holds(&bag, [*n]) == 0).map(|n| n * 7 % 12).collect();
    assert_eq!(gone.iter().max(), Some(&11));
    assert_eq!(gone.iter().min(), Some(&10));
}

#[test]
fn every_bound_holds_when_it_is_filled() {
    let config =
        Config { items: 20, public: 5, ended: 6, receipts: 7, unknown_receipts: 8, ..Config::default() };
    let mut bag = bag(config);
    let mut out = Outbox::default();
    for n in 0..100u32 {
        _ = bag.keep(at(0), parcel(n), stranger(1), &mut out);
        let public =
            Parcel::public(&[&[0x81][..], &n.to_le_bytes(), &[9; 5]].concat(), Duration::from_secs(99));
        _ = bag.keep(at(0), public.unwrap(), stranger(1), &mut out);
    }
    assert!(bag.totals().count <= 20);
    assert!(bag.names(Set::Public).len() <= 5);
    for n in 0..100 {
        bag.receipt(at(0), ack(n + 500), None, true, &mut out);
        bag.receipt(at(0), ack(n + 900), Some(Duration::from_secs(9)), true, &mut out);
        _ = bag.keep(at(0), parcel(n + 2000), friend(1), &mut out);
        bag.withdraw(at(0), parcel(n + 2000).id, &mut out);
    }
    assert_eq!(bag.totals().tombstones, 6 + 7 + 8);
}

#[test]
fn attack_42_hops_above_the_cap_are_lowered() {
    let mut bytes = Envelope::from_parts(parcel(1).immutable, 0, 0).unwrap().to_bytes();
    let hops = bytes.len() - 5;
    bytes[hops] = 255;
    assert_eq!(Parcel::from(&Envelope::from_bytes(&bytes).unwrap()).hops, 16);
    let public = [&[0x81; 20][..], &[255, 0, 0, 0, 0]].concat();
    assert_eq!(Parcel::public(&public, Duration::from_secs(1)).unwrap().hops, 64);
}

#[test]
fn attack_43_an_item_with_few_hops_takes_a_copy_with_more_and_keeps_its_age() {
    let mut bag = bag(Config::default());
    let mut out = Outbox::default();
    let mut low = parcel(1);
    low.hops = 0;
    bag.keep(at(0), low.clone(), stranger(1), &mut out).unwrap();
    assert_eq!(bag.short_of_hops(9), [low.id.short()]);
    let mut old = parcel(1);
    old.age_s = 1_000_000;
    assert_eq!(bag.keep(at(60_000), old, stranger(2), &mut out), Ok(Kept::Raised));
    assert!(bag.short_of_hops(9).is_empty());
    let held = bag.load(at(60_000), low.id, &Memory::default()).unwrap().unwrap();
    assert_eq!((held.hops, held.age_s), (12, 60));
    assert_eq!(bag.keep(at(0), parcel(1), stranger(2), &mut out), Err(Refused::Known));
}

#[test]
fn an_ended_name_comes_back_only_within_its_first_life() {
    let mut bag = bag(Config::default());
    let mut out = Outbox::default();
    let mut old = parcel(1);
    old.age_s = 14 * 86_400 - 10;
    bag.keep(at(0), old, stranger(1), &mut out).unwrap();
    assert_eq!(bag.tick(at(10_000), &mut out).len(), 1);
    assert_eq!(bag.keep(at(10_000), parcel(1), stranger(2), &mut out), Ok(Kept::New));
    let fortnight = 14 * 86_400_000;
    assert_eq!(bag.tick(at(fortnight), &mut out).len(), 1, "no second life");
    assert_eq!(bag.keep(at(fortnight), parcel(1), stranger(2), &mut out), Err(Refused::Ended));
}

#[test]
fn what_a_receipt_ended_does_not_come_back_before_twice_its_lifetime() {
    let mut bag = bag(Config::default());
    let mut out = Outbox::default();
    keep(&mut bag, 1, stranger(1)).unwrap();
    let ended = vec![parcel(1).id];
    assert_eq!(bag.receipt(at(0), ack(1), None, true, &mut out), Receipt::New { ended });
    assert_eq!(bag.receipt(at(0), ack(1), None, true, &mut out), Receipt::Known);
    assert_eq!(keep(&mut bag, 1, stranger(1)), Err(Refused::Ended));
    let twice = 28 * 86_400_000;
    bag.tick(at(twice - 1), &mut out);
    assert_eq!(bag.totals().tombstones, 1);
    bag.tick(at(twice), &mut out);
    assert_eq!(bag.totals().tombstones, 0);
}

#[test]
fn an_unsettled_receipt_is_not_in_the_set() {
    let mut bag = bag(Config::default());
    let before = bag.root(Set::Receipts);
    bag.receipt(at(0), ack(1), None, false, &mut Outbox::default());
    assert_eq!((bag.root(Set::Receipts), bag.names(Set::Receipts).len()), (before, 0));
    bag.settle(ack(1).commit(), &mut Outbox::default());
    assert_ne!(bag.root(Set::Receipts), before);
    assert_eq!(bag.names(Set::Receipts).len(), 1);
}

#[test]
fn what_a_receipt_ends_leaves_the_set_only_when_the_receipt_enters_its_own() {
    let mut bag = bag(Config::default());
    let mut out = Outbox::default();
    keep(&mut bag, 1, stranger(1)).unwrap();
    let before = bag.root(Set::Sealed);
    assert_eq!(bag.receipt(at(0), ack(1), None, false, &mut out), Receipt::New { ended: vec![] });
    assert_eq!(bag.root(Set::Sealed), before);
    bag.settle(ack(1).commit(), &mut out);
    assert_eq!(bag.totals().count, 0);
    assert_eq!(keep(&mut bag, 1, stranger(1)), Err(Refused::Ended));
}

#[test]
fn a_body_is_written_once_and_nothing_is_rewritten_as_time_passes() {
    let mut bag = bag(Config::default());
    let mut out = Outbox::default();
    bag.keep(at(0), parcel(1), stranger(1), &mut out).unwrap();
    while out.pop().is_some() {}
    for minute in 0..60 {
        bag.tick(at(minute * 60_000), &mut out);
    }
    let tables: Vec<Table> = core::iter::from_fn(|| out.pop())
        .filter_map(|output| match output {
            Output::Store(crate::store::StoreOp::Put { table, .. }) => Some(table),
            _ => None,
        })
        .collect();
    assert_eq!(tables, []);
}

#[test]
fn an_envelope_of_a_newer_version_is_carried_byte_for_byte() {
    let mut bytes = vec![0x5a; 777];
    (bytes[0], bytes[1]) = (2, 0x3f);
    bytes[772..].copy_from_slice(&[5, 0, 0, 0, 0]);
    let mut bag = bag(Config::default());
    let parcel = Parcel::from(&Envelope::from_bytes(&bytes).unwrap());
    let id = parcel.id;
    bag.keep(at(0), parcel, stranger(1), &mut Outbox::default()).unwrap();
    let sent = bag.load(at(0), id, &Memory::default()).unwrap().unwrap().handed_on().unwrap();
    bytes[772] = 4;
    assert_eq!(sent, bytes);
}

/// Applies what was put out.
fn store(memory: &Memory, out: &mut Outbox) {
    while let Some(output) = out.pop() {
        if let Output::Store(op) = output {
            memory.apply([op]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_arrival_does_not_matter(mut numbers in proptest::collection::vec(0u32..60, 1..80), turn in 0usize..80) {
        let fill = |numbers: &[u32]| {
            let mut bag = bag(small(20));
            for n in numbers {
                let mut parcel = parcel(*n);
                parcel.age_s = n * 10;
                _ = bag.keep(at(0), parcel, stranger(1), &mut Outbox::default());
            }
            bag
        };
        let first = fill(&numbers);
        let turn = turn % numbers.len();
        numbers.rotate_left(turn);
        numbers.reverse();
        let second = fill(&numbers);
        prop_assert_eq!(first.names(Set::Sealed), second.names(Set::Sealed));
        prop_assert_eq!(first.root(Set::Sealed), second.root(Set::Sealed));
    }

    #[test]
    fn whatever_happens_the_quota_holds_and_a_restart_finds_the_same(
        steps in proptest::collection::vec((0u8..6, 0u32..40, 0u64..4), 1..120)
    ) {
        let config = small(12);
        let memory = Memory::default();
        let mut bag = State::restore(config.clone(), &memory).unwrap();
        let mut out = Outbox::default();
        let mut now = 0;
        for (what, n, link) in steps {
            now += 1_000;
            match what {
                0 => _ = bag.keep(at(now), parcel(n), OWN, &mut out),
                1 => _ = bag.keep(at(now), parcel(n), friend(link), &mut out),
                2 | 3 => _ = bag.keep(at(now), parcel(n), stranger(link), &mut out),
                4 => _ = bag.receipt(at(now), ack(n), None, true, &mut out),
                _ => bag.link_down(LinkId(link)),
            }
            store(&memory, &mut out);
            prop_assert!(bag.totals().bytes <= config.quota);
        }
        let again = State::restore(config, &memory).unwrap();
        prop_assert_eq!(again.totals(), bag.totals());
        for set in Set::ALL {
            prop_assert_eq!(again.names(set), bag.names(set));
            prop_assert_eq!(again.root(set), bag.root(set));
        }
    }

    #[test]
    fn own_mail_that_was_kept_stays(junk in proptest::collection::vec((any::<bool>(), 100u32..400, 0u64..9), 1..200)) {
        let mut bag = bag(small(20));
        let kept: Vec<u32> = (0..20).filter(|n| keep(&mut bag, *n, OWN).is_ok()).collect();
        for (contact, n, link) in junk {
            _ = keep(&mut bag, n, if contact { friend(link) } else { stranger(link) });
        }
        prop_assert_eq!(holds(&bag, kept.clone()), kept.len());
    }
}
