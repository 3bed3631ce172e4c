//! What is written to a group, and who reads it.

use super::super::audience::MAX_ACQUAINTANCES;
use super::super::inbound::{MAX_OF_DEVICE, MAX_STRANGE};
use super::super::records::Sid;
use super::super::state::{Renewal, group_session_name};
use super::*;
use crate::id::GroupId;
use crate::wire::SizeClass;
use proptest::prelude::*;
use std::collections::BTreeSet;

const GROUP: GroupId = GroupId([7; 20]);
const OTHER: GroupId = GroupId([8; 20]);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

impl Device {
    fn learn_member(&mut self, other: &Self) {
        let mut out = Outbox::new(Seq(0));
        self.sessions.learn_member(self.now, other.own.intro(), &mut out).unwrap();
        self.apply(out);
    }

    fn audience_is(&mut self, group: GroupId, accounts: &[AccountId]) {
        let mut out = Outbox::new(Seq(0));
        self.sessions.set_audience(self.now, group, &accounts.iter().copied().collect(), &mut out);
        self.apply(out);
    }

    fn forgets(&mut self, account: AccountId) {
        let mut out = Outbox::new(Seq(0));
        self.sessions.forget(self.now, account, &mut out);
        self.apply(out);
    }

    /// Every key envelope that is owed to a group now.
    fn keys(&mut self, group: GroupId) -> Vec<SealedEnvelope> {
        let mut keys = Vec::new();
        while self.sessions.owes().contains(&group.into()) {
            match self.try_keys(group) {
                Ok(sealed) => keys.push(sealed),
                Err(error) => assert_eq!(error, SealError::NothingOwed { to: group.into() }),
            }
        }
        keys
    }

    fn try_keys(&mut self, group: GroupId) -> Result<SealedEnvelope, SealError> {
        self.pass(1);
        let (mut out, lifetime) = (Outbox::new(Seq(0)), Lifetime::Fortnight);
        let (own, memory) = (&self.own, &self.memory);
        let sealed = self.sessions.seal(self.now, own, memory, group.into(), lifetime, &[], &mut out);
        self.apply(out);
        sealed
    }

    fn session_of_group(&self, group: GroupId) -> Sid {
        self.sessions.groups[&group].current.unwrap()
    }

    /// Texts in the group of everything in the bag that opens, in any number of rounds.
    fn reads(&mut self, bag: &[&SealedEnvelope]) -> BTreeSet<String> {
        let (mut opened, mut again) = (BTreeSet::new(), true);
        while std::mem::take(&mut again) {
            for sealed in bag {
                if let Opened::Delivery(delivery) = self.open(&sealed.envelope) {
                    again |= !delivery.new_tags.is_empty();
                    opened.extend(texts(&delivery));
                }
            }
        }
        opened
    }
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// As many devices, of whom each has learnt the others from the group, and each writes to all others.
fn members(kind: Kind, count: u8) -> Vec<Device> {
    let mut all: Vec<Device> = (0..count).map(|n| Device::new(kind, n + 1)).collect();
    let ids: Vec<AccountId> = all.iter().map(Device::id).collect();
    for n in 0..all.len() {
        let (before, rest) = all.split_at_mut(n);
        let (me, after) = rest.split_first_mut().unwrap();
        before.iter().chain(&*after).for_each(|other| me.learn_member(other));
        let others: Vec<AccountId> = ids.iter().copied().filter(|id| *id != me.id()).collect();
        me.audience_is(GROUP, &others);
    }
    all
}

fn three(kind: Kind) -> (Device, Device, Device) {
    let mut all = members(kind, 3).into_iter();
    (all.next().unwrap(), all.next().unwrap(), all.next().unwrap())
}

/// `from` writes; the others read it and receipt their keys.
fn say(from: &mut Device, text: &str, to: &mut [&mut Device]) -> SealedEnvelope {
    let sealed = from.seal(GROUP, text);
    let keys = from.keys(GROUP);
    for reader in to {
        for key in &keys {
            if let Opened::Delivery(delivery) = reader.open(&key.envelope) {
                assert_eq!(delivery.conversation, GROUP.into());
                assert_eq!(delivery.ack.map(commitment), Some(key.commit));
                from.receipted(key.commit);
            }
        }
        assert_eq!(reader.texts(&sealed), [text]);
    }
    sealed
}

#[test]
fn everybody_reads_everybody_in_any_order() {
    for kind in [Kind::Real, Kind::Fake] {
        let mut all = members(kind, 4);
        let mut bag = Vec::new();
        for (n, member) in all.iter_mut().enumerate() {
            bag.extend((0..5).map(|m| member.seal(GROUP, &format!("{n}/{m}"))));
            bag.extend(member.keys(GROUP));
        }
        shuffle(&mut bag);
        let bag: Vec<_> = bag.iter().collect();
        for (n, member) in all.iter_mut().enumerate() {
            let expected: BTreeSet<_> = (0..4)
                .filter(|other| *other != n)
                .flat_map(|other| (0..5).map(move |m| format!("{other}/{m}")))
                .collect();
            assert_eq!(member.reads(&bag), expected, "{kind:?} {n}");
        }
    }
}

#[test]
fn contents_are_one_envelope_for_all_that_nobody_can_receipt() {
    let (mut a, mut b, mut c) = three(Kind::Real);
    let sealed = a.seal(GROUP, "for all");
    assert!(!sealed.single_device && !sealed.first_contact && sealed.to.is_none());
    let keys = a.keys(GROUP);
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| key.single_device && key.place.is_none()));
    assert_eq!(
        keys.iter().filter_map(|key| key.to).collect::<BTreeSet<_>>(),
        [b.id(), c.id()].into_iter().collect()
    );
    for reader in [&mut b, &mut c] {
        reader.reads(&keys.iter().collect::<Vec<_>>());
        let delivery = reader.delivered(&sealed);
        assert_eq!((delivery.account, delivery.conversation), (a.id(), GROUP.into()));
        assert_eq!((texts(&delivery), delivery.ack), (vec!["for all".to_owned()], None));
    }
}

#[test]
fn a_group_of_one_other_device_can_be_receipted() {
    let mut all = members(Kind::Real, 2);
    let sealed = all[0].seal(GROUP, "for one");
    assert!(sealed.single_device && sealed.to == Some(all[1].id()));
    let keys = all[0].keys(GROUP);
    all[1].delivered(&keys[0]);
    assert_eq!(all[1].delivered(&sealed).ack.map(commitment), Some(sealed.commit));
}

#[test]
fn a_share_that_comes_after_the_message_names_its_tag() {
    let (mut a, mut b, _) = three(Kind::Real);
    let sealed = a.seal(GROUP, "early");
    assert!(matches!(b.open(&sealed.envelope), Opened::Foreign));
    let mut tags = Vec::new();
    for key in a.keys(GROUP) {
        if let Opened::Delivery(delivery) = b.open(&key.envelope) {
            tags.extend(delivery.new_tags);
        }
    }
    assert!(tags.contains(&sealed.envelope.tag()));
    assert_eq!(b.texts(&sealed), ["early"]);
}

#[test]
fn attack_59_the_removed_reads_nothing_that_is_written_by_who_knows() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b, mut c) = three(kind);
        say(&mut a, "before", &mut [&mut b, &mut c]);
        a.audience_is(GROUP, &[b.id()]);
        let after = a.seal(GROUP, "after");
        let keys = a.keys(GROUP);
        assert!(keys.iter().all(|key| key.to == Some(b.id())), "nobody encrypts to the removed");
        let bag: Vec<_> = keys.iter().chain([&after]).collect();
        assert_eq!(c.reads(&bag), set(&[]));
        assert_eq!(b.reads(&bag), set(&["after"]));
    }
}

#[test]
fn who_left_before_any_share_was_sealed_costs_no_new_session() {
    let (mut a, mut b, c) = three(Kind::Fake);
    let d = Device::new(Kind::Fake, 9);
    let first = a.seal(GROUP, "first");
    let before = a.session_of_group(GROUP);
    let bag = a.keys(GROUP);
    a.learn_member(&d);
    a.audience_is(GROUP, &[b.id(), c.id(), d.id()]);
    a.audience_is(GROUP, &[b.id(), c.id()]);
    let second = a.seal(GROUP, "second");
    assert_eq!(a.session_of_group(GROUP), before);
    let bag: Vec<_> = bag.iter().chain([&first, &second]).collect();
    assert_eq!(b.reads(&bag), set(&["first", "second"]));
}

#[test]
fn attack_60_a_newcomer_reads_nothing_old() {
    let (mut a, mut b, mut c) = three(Kind::Real);
    let mut d = Device::new(Kind::Real, 9);
    let mut bag = vec![a.seal(GROUP, "old")];
    bag.push(say(&mut a, "older than D", &mut [&mut b, &mut c]));
    let session = a.session_of_group(GROUP);
    a.learn_member(&d);
    a.audience_is(GROUP, &[b.id(), c.id(), d.id()]);
    assert!(a.sessions.owes().is_empty(), "nothing is written for the newcomer yet");
    bag.push(a.seal(GROUP, "new"));
    let keys = a.keys(GROUP);
    assert_eq!(keys.iter().map(|key| key.to).collect::<Vec<_>>(), [Some(d.id())]);
    assert_eq!(a.session_of_group(GROUP), session, "that it grew renews nothing");
    bag.extend(keys);
    let all: Vec<_> = bag.iter().collect();
    assert_eq!(d.reads(&all), set(&["new"]));
    assert_eq!(b.texts(&bag[2]), ["new"]);
    // Nor does what it was given open what was sealed before.
    let reader = d.sessions.inbound.iter().find(|(_, inbound)| !inbound.is_control()).unwrap().0;
    let export = d.sessions.records.load_bytes(&d.memory, &records::export(*reader)).unwrap().unwrap();
    let export: [u8; 165] = export.as_slice().try_into().unwrap();
    assert_eq!(Vodozemac.megolm_import(&export).unwrap().first_index(), 2);
}

#[test]
fn a_newcomer_who_is_told_late_still_reads_from_where_it_joined_and_no_further_back() {
    let (mut a, mut b, mut c) = three(Kind::Real);
    let mut d = Device::new(Kind::Real, 9);
    let old = say(&mut a, "old", &mut [&mut b, &mut c]);
    a.learn_member(&d);
    a.audience_is(GROUP, &[b.id(), c.id(), d.id()]);
    let new: Vec<_> = (0..50).map(|n| a.seal(GROUP, &n.to_string())).collect();
    a.restart();
    let keys = a.keys(GROUP);
    let bag: Vec<_> = [&old].into_iter().chain(&new).chain(&keys).collect();
    let read = d.reads(&bag);
    assert_eq!(read.len(), 50);
    assert!(!read.contains("old"));
}

#[test]
fn a_member_who_is_added_again_reads_only_what_is_written_from_then_on() {
    for speaks in [true, false] {
        let (mut a, mut b, mut c) = three(Kind::Real);
        let before = say(&mut a, "before", &mut [&mut b, &mut c]);
        a.audience_is(GROUP, &[b.id()]);
        let meanwhile = speaks.then(|| say(&mut a, "meanwhile", &mut [&mut b]));
        a.audience_is(GROUP, &[b.id(), c.id()]);
        let again = a.seal(GROUP, "again");
        let keys = a.keys(GROUP);
        let bag: Vec<_> = [&before, &again].into_iter().chain(&meanwhile).chain(&keys).collect();
        assert_eq!(c.reads(&bag), set(&["again"]));
    }
}

#[test]
fn a_device_that_is_learnt_later_reads_from_then_on_and_one_that_is_revoked_no_more() {
    let (mut a, mut b, mut c) = three(Kind::Real);
    say(&mut a, "before", &mut [&mut b, &mut c]);
    let mut d = Device::new(Kind::Real, 9);
    a.audience_is(GROUP, &[b.id(), c.id(), d.id()]);
    let unknown = a.seal(GROUP, "nothing known of D");
    a.learn_member(&d);
    let known = a.seal(GROUP, "D is known");
    let keys = a.keys(GROUP);
    let bag: Vec<_> = [&unknown, &known].into_iter().chain(&keys).collect();
    assert_eq!(d.reads(&bag), set(&["D is known"]));
    let mut out = Outbox::new(Seq(0));
    a.sessions.retain_devices(a.now, d.id(), &[], &mut out);
    a.apply(out);
    let revoked = a.seal(GROUP, "revoked");
    let keys = a.keys(GROUP);
    let bag: Vec<_> = keys.iter().chain([&revoked]).collect();
    assert_eq!((d.reads(&bag), b.reads(&bag)), (set(&[]), set(&["revoked"])));
}

#[test]
fn a_session_is_renewed_after_a_week_or_on_demand_and_not_by_answers() {
    let (mut a, mut b, mut c) = three(Kind::Fake);
    say(&mut a, "one", &mut [&mut b, &mut c]);
    say(&mut b, "answer", &mut [&mut a, &mut c]);
    let first = a.session_of_group(GROUP);
    a.tick_after(Duration::from_secs(6 * 86_400));
    say(&mut a, "two", &mut [&mut b, &mut c]);
    assert_eq!(a.session_of_group(GROUP), first);
    a.tick_after(Duration::from_secs(86_400));
    say(&mut a, "three", &mut [&mut b, &mut c]);
    let second = a.session_of_group(GROUP);
    assert_ne!(second, first);
    let mut out = Outbox::new(Seq(0));
    a.sessions.renew(a.now, GROUP, &mut out);
    a.apply(out);
    a.restart();
    say(&mut a, "four", &mut [&mut b, &mut c]);
    assert_ne!(a.session_of_group(GROUP), second);
    assert_eq!(a.sessions.groups[&GROUP].next, Renewal::No);
}

#[test]
fn a_share_comes_again_when_its_envelope_has_ended_and_something_is_written() {
    let (mut a, mut b, mut c) = three(Kind::Real);
    a.seal(GROUP, "one");
    let lost = a.keys(GROUP);
    let due = a.sessions.group_keys_due().unwrap();
    assert_eq!(due.since(a.now.mono).as_secs() / 86_400, 13);
    (0..30).for_each(|n| drop(a.seal(GROUP, &n.to_string())));
    assert!(a.sessions.owes().is_empty(), "not with every 25th message");
    b.delivered(lost.iter().find(|key| key.to == Some(b.id())).unwrap());
    a.receipted(lost.iter().find(|key| key.to == Some(b.id())).unwrap().commit);
    a.tick_after(due.since(a.now.mono));
    let again = a.keys(GROUP);
    assert_eq!(again.iter().map(|key| key.to).collect::<Vec<_>>(), [Some(c.id())]);
    c.delivered(&again[0]);
    // Nothing was written since: nothing is said again either.
    a.tick_after(Duration::from_secs(15 * 86_400));
    assert!(a.keys(GROUP).is_empty());
    let (last, keys) = (a.seal(GROUP, "renewed by age"), a.keys(GROUP));
    assert_eq!(keys.len(), 2);
    assert_eq!(c.reads(&keys.iter().chain([&last]).collect::<Vec<_>>()), set(&["renewed by age"]));
}

#[test]
fn two_groups_of_the_same_people_do_not_mix() {
    let (mut a, mut b, c) = three(Kind::Real);
    for member in [&mut a, &mut b] {
        let others: Vec<_> =
            [c.id()].into_iter().chain(member.sessions.groups[&GROUP].accounts.clone()).collect();
        member.audience_is(OTHER, &others);
    }
    let (one, other, alone) = (a.seal(GROUP, "one"), a.seal(OTHER, "other"), a.seal(b.id(), "alone"));
    let keys: Vec<_> = a.keys(GROUP).into_iter().chain(a.keys(OTHER)).collect();
    keys.iter().for_each(|key| drop(b.open(&key.envelope)));
    assert_eq!(b.delivered(&one).conversation, GROUP.into());
    assert_eq!(b.delivered(&other).conversation, OTHER.into());
    assert_eq!(b.delivered(&alone).conversation, a.id().into());
    a.audience_is(GROUP, &[b.id()]);
    let sessions = [a.session_of_group(GROUP), a.session_of_group(OTHER)];
    a.seal(GROUP, "renewed");
    a.seal(OTHER, "not renewed");
    assert!(a.session_of_group(GROUP) != sessions[0] && a.session_of_group(OTHER) == sessions[1]);
}

/// The share of A's session as B has it, sent by B to C as if it were of B's own, for this group or for C alone.
fn passed_on(
    a: &Device,
    b: &mut Device,
    c: &mut Device,
    group: Option<GroupId>,
) -> Result<Option<Sid>, &'static str> {
    let (session, _) = &a.sessions.group_sessions[&a.session_of_group(GROUP)];
    let (origin, _) = session.origins.values().next().unwrap();
    let (export, link) = (origin.export().unwrap(), chain::Link::new(origin.link));
    let share = share::Share { export, link, ended: None, seed: None, next: Some(9), group };
    let (from, mut out) = ((b.id(), b.own.device_id()), Outbox::new(Seq(0)));
    let imported = c.sessions.import(0, from, &share, &mut Vec::new(), &mut out);
    c.apply(out);
    imported
}

#[test]
fn a_stolen_share_makes_nobody_the_writer_whatever_it_is_presented_for_and_when() {
    for (group, comes_first) in
        [(Some(GROUP), true), (Some(GROUP), false), (Some(OTHER), true), (Some(OTHER), false), (None, false)]
    {
        let (mut a, mut b, mut c) = three(Kind::Real);
        let sealed: Vec<_> = (0..3).map(|n| a.seal(GROUP, &n.to_string())).collect();
        let keys = a.keys(GROUP);
        let key = keys.iter().find(|key| key.to == Some(c.id())).unwrap();
        if !comes_first {
            c.delivered(key);
        }
        let claim = passed_on(&a, &mut b, &mut c, group).unwrap().unwrap();
        assert_ne!(claim, a.session_of_group(GROUP));
        if comes_first {
            assert!(matches!(c.open(&sealed[0].envelope), Opened::Foreign), "nothing is attributed to B");
            assert!(!c.sessions.inbound.contains_key(&claim), "the claim is over");
            c.delivered(key);
        }
        for one in &sealed {
            let delivery = c.delivered(one);
            assert_eq!((delivery.account, delivery.conversation), (a.id(), GROUP.into()));
        }
    }
}

#[test]
fn a_restart_in_the_middle_loses_nothing() {
    let (mut a, mut b, mut c) = three(Kind::Real);
    let mut bag = vec![a.seal(GROUP, "one")];
    a.restart();
    bag.push(a.try_keys(GROUP).unwrap());
    a.restart();
    bag.extend(a.keys(GROUP));
    bag.push(a.seal(GROUP, "two"));
    a.restart();
    assert!(a.keys(GROUP).is_empty());
    let bag: Vec<_> = bag.iter().collect();
    for reader in [&mut b, &mut c] {
        assert_eq!(reader.reads(&bag[..2]).len(), usize::from(reader.id() == bag[1].to.unwrap()));
        reader.restart();
        let mut read = reader.reads(&bag);
        read.insert("one".to_owned());
        assert_eq!(read, set(&["one", "two"]));
    }
    let session = a.session_of_group(GROUP);
    bag[1..3].iter().for_each(|key| a.receipted(key.commit));
    a.restart();
    let (held, _) = &a.sessions.group_sessions[&session];
    assert!(held.holders.values().all(|holder| holder.known) && held.origins.is_empty());
    assert!(a.sessions.pending.is_empty() && a.sessions.group_keys_due().is_none());
}

#[test]
fn whoever_is_known_for_a_group_alone_goes_some_time_after_it_and_a_declined_one_stays_as_long() {
    let (mut a, mut b, c) = three(Kind::Fake);
    say(&mut a, "kept", &mut [&mut b]);
    a.seal(b.id(), "between two");
    a.forgets(b.id());
    assert!(a.sessions.knows(b.id()) && a.sessions.outbound.is_empty());
    a.restart();
    say(&mut a, "still read", &mut [&mut b]);
    a.add(&c);
    let mut out = Outbox::new(Seq(0));
    a.sessions.forget_group(a.now, GROUP, &mut out);
    a.apply(out);
    a.tick_after(Duration::from_secs(27 * 86_400));
    assert!(a.sessions.knows(b.id()));
    a.tick_after(Duration::from_secs(2 * 86_400));
    assert!(!a.sessions.knows(b.id()) && a.sessions.knows(c.id()), "C is known for itself");
    assert!(a.sessions.groups.is_empty() && a.sessions.group_sessions.is_empty());
}

#[test]
fn acquaintances_are_bounded_and_those_of_no_group_give_way() {
    let mut a = Device::new(Kind::Fake, 1);
    let (b, c) = (Device::new(Kind::Fake, 2), Device::new(Kind::Fake, 3));
    let account = |n: u32| AccountId(core::array::from_fn(|i| n.to_le_bytes()[i % 4]));
    a.sessions.acquaintances.extend((0..u32::try_from(MAX_ACQUAINTANCES).unwrap()).map(account));
    let mut out = Outbox::new(Seq(0));
    let refused = a.sessions.learn_member(a.now, b.own.intro(), &mut out);
    assert_eq!(refused, Err(LearnError::TooManyMembers { limit: MAX_ACQUAINTANCES }));
    assert!(!a.sessions.knows(b.id()));
    a.sessions.acquaintances.remove(&account(0));
    a.learn_member(&b);
    a.learn_member(&c);
    assert!(!a.sessions.knows(b.id()) && a.sessions.knows(c.id()));
    assert_eq!(a.sessions.acquaintances.len(), MAX_ACQUAINTANCES);
}

#[test]
fn what_one_device_makes_others_read_is_bounded() {
    let mut all = members(Kind::Fake, 2);
    let (from, mut out) = ((all[0].id(), all[0].own.device_id()), Outbox::new(Seq(0)));
    let mut rng = crate::rng::Rng::new([3; 32]);
    let mut import = |group: u16, known: bool| {
        let group = GroupId(core::array::from_fn(|i| group.to_le_bytes()[i % 2]));
        let writer = Fake.megolm_new(&mut rng);
        let (export, link) = (writer.export(), chain::Link::new([1; 32]));
        let share = share::Share { export, link, ended: None, seed: None, next: None, group: Some(group) };
        if known {
            all[1].audience_is(group, &[]);
        }
        let sid = all[1].sessions.import(0, from, &share, &mut Vec::new(), &mut out).unwrap();
        assert_eq!(sid, Some(group_session_name(&export, group, from.1)));
        all[1].sessions.inbound.values().filter(|inbound| !inbound.is_control()).count()
    };
    for group in 0..40 {
        assert!(import(group, false) <= MAX_STRANGE);
    }
    for group in 100..100 + 2 * u16::try_from(MAX_OF_DEVICE).unwrap() {
        assert!(import(group, true) <= MAX_OF_DEVICE);
    }
}

#[test]
fn keys_fit_class_576_once_two_have_met_and_a_first_contact_before() {
    let (mut a, mut b, mut c) = three(Kind::Real);
    a.seal(GROUP, "first");
    let first = a.keys(GROUP);
    assert!(first.iter().all(|key| key.first_contact && key.envelope.size() == Some(SizeClass::B4096)));
    for reader in [&mut b, &mut c] {
        first.iter().for_each(|key| drop(reader.open(&key.envelope)));
    }
    first.iter().for_each(|key| a.receipted(key.commit));
    for round in 0..40 {
        // Somebody who never reads a word comes and goes: each time everybody gets a new share.
        let mut d = Device::new(Kind::Real, 100 + round);
        a.learn_member(&d);
        a.audience_is(GROUP, &[b.id(), c.id(), d.id()]);
        a.seal(GROUP, "with D");
        a.keys(GROUP).iter().for_each(|key| drop(d.open(&key.envelope)));
        a.audience_is(GROUP, &[b.id(), c.id()]);
        let sealed = a.seal(GROUP, "without D");
        let keys = a.keys(GROUP);
        assert_eq!(keys.len(), 2);
        for key in &keys {
            assert!(!key.first_contact && key.envelope.size() == Some(SizeClass::B576), "{round}");
            assert!(39 + SizeClass::B576.body_len() <= 635);
            for reader in [&mut b, &mut c] {
                drop(reader.open(&key.envelope));
            }
            a.receipted(key.commit);
        }
        assert_eq!((b.texts(&sealed).len(), c.texts(&sealed).len()), (1, 1));
    }
}

/// What so many removals from a group of 1,024 cost in bytes on air, each. Members receipt every share; one of them
/// reads. For measuring CPU, the difference of two counts.
fn removals_from_1024(count: u32) -> usize {
    let (mut a, mut b) = (Device::new(Kind::Real, 1), Device::new(Kind::Real, 2));
    let (mut out, now) = (Outbox::new(Seq(0)), a.now);
    let mut accounts = vec![b.id()];
    a.learn_member(&b);
    for n in 0..1022 + count {
        let mut rng = crate::rng::Rng::new(core::array::from_fn(|i| n.to_le_bytes()[i % 4] ^ 0x3c));
        let own = OwnIdentity::create(&mut rng, &Vodozemac, now, &mut Outbox::new(Seq(0))).unwrap();
        accounts.push(own.account_id());
        a.sessions.learn_member(now, own.intro(), &mut out).unwrap();
    }
    a.apply(out);
    a.audience_is(GROUP, &accounts);
    a.seal(GROUP, "first");
    let mut bytes = 0;
    for round in 0..=count {
        let keys = a.keys(GROUP);
        assert_eq!(keys.len(), accounts.len());
        if round > 0 {
            bytes += keys.iter().map(|key| key.envelope.to_bytes().len()).sum::<usize>();
        }
        for key in keys {
            if key.to == Some(b.id()) {
                b.delivered(&key);
            }
            a.receipted(key.commit);
        }
        if round < count {
            accounts.pop();
            a.audience_is(GROUP, &accounts);
            let sealed = a.seal(GROUP, &"x".repeat(1024));
            assert_eq!(sealed.envelope.size(), Some(SizeClass::B1280));
        }
    }
    bytes / usize::try_from(count).unwrap()
}

#[test]
fn one_removal_from_1024_costs_at_most_650_kb_on_air() {
    let bytes = removals_from_1024(1);
    assert!(bytes <= 650_000, "{bytes}");
}

#[test]
fn a_member_that_lost_its_keys_gets_them_again() {
    let (mut a, mut b, mut c) = three(Kind::Real);
    say(&mut a, "before", &mut [&mut b, &mut c]);
    say(&mut b, "answer", &mut [&mut a, &mut c]);
    // A loses what it shares with B; what B writes next does not open inside.
    let device = b.own.device_id();
    let lost: Vec<_> = a.sessions.peers[&device].olm.iter().map(|olm| olm.id).collect();
    let mut out = Outbox::new(Seq(0));
    a.sessions.peers.get_mut(&device).unwrap().olm.clear();
    lost.iter().for_each(|id| a.sessions.records.delete(&mut out, records::olm(id)));
    a.apply(out);
    let mut out = Outbox::new(Seq(0));
    b.sessions.renew(b.now, GROUP, &mut out);
    b.apply(out);
    let unread = b.seal(GROUP, "unread");
    for key in b.keys(GROUP) {
        a.open(&key.envelope);
    }
    assert!(a.texts(&unread).is_empty());
    let answers = a.keys(GROUP);
    assert_eq!(
        answers.iter().map(|key| (key.to, key.first_contact)).collect::<Vec<_>>(),
        [(Some(b.id()), true)]
    );
    b.delivered(&answers[0]);
    let again = b.keys(GROUP);
    assert_eq!(again.iter().map(|key| key.to).collect::<Vec<_>>(), [Some(a.id())]);
    a.delivered(&again[0]);
    assert_eq!(a.texts(&unread), ["unread"]);
}

#[test]
fn gaps_in_a_group_are_asked_of_their_writer() {
    let (mut a, mut b, mut c) = three(Kind::Fake);
    say(&mut a, "one", &mut [&mut b, &mut c]);
    let lost = a.seal(GROUP, "lost");
    let came = a.seal(GROUP, "came");
    assert_eq!(b.texts(&came), ["came"]);
    b.tick_after(Duration::from_secs(3_601));
    let mut out = Outbox::new(Seq(0));
    let missing = b.sessions.take_missing(b.now, &mut out);
    b.apply(out);
    let [missing] = &missing[..] else { panic!("asked {} times", missing.len()) };
    let place = lost.place.unwrap();
    assert_eq!((missing.account, missing.session), (a.id(), place.session));
    assert_eq!((missing.gaps[0].first, missing.gaps[0].count), (place.index, 1));
}

#[test]
fn a_thousand_messages_of_which_some_come_in_any_order_open_whole() {
    let (mut a, mut b, _) = three(Kind::Fake);
    let mut bag: Vec<_> = (0..1000).map(|n| a.seal(GROUP, &n.to_string())).collect();
    shuffle(&mut bag);
    bag.truncate(250);
    bag.extend(a.keys(GROUP));
    assert_eq!(b.reads(&bag.iter().collect::<Vec<_>>()).len(), 250);
}

#[test]
fn a_group_without_known_devices_is_not_written_to() {
    let mut a = Device::new(Kind::Fake, 1);
    let seal = |a: &mut Device| {
        let (mut out, text) = (Outbox::new(Seq(0)), [b"nobody".to_vec()]);
        a.sessions.seal(a.now, &a.own, &a.memory, GROUP.into(), Lifetime::Hour, &text, &mut out)
    };
    let refused = Err(SealError::UnknownPeer { to: GROUP.into() });
    assert_eq!(seal(&mut a).map(|_| ()), refused);
    a.audience_is(GROUP, &[AccountId([9; 20])]);
    assert_eq!(seal(&mut a).map(|_| ()), refused);
    assert_eq!(a.sessions.room(GROUP.into()), 14_542 - 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever joins, leaves, speaks and gets lost in between: a member reads what was written while it was one, if
    /// the envelopes come at last, and nothing else.
    #[test]
    fn a_member_reads_exactly_what_was_written_while_it_was_one(
        steps in proptest::collection::vec((0..6u8, 0..4usize), 1..40),
    ) {
        let mut a = Device::new(Kind::Fake, 1);
        let mut others: Vec<_> = (0..4).map(|n| Device::new(Kind::Fake, n + 2)).collect();
        others.iter().for_each(|other| a.learn_member(other));
        let ids: Vec<_> = others.iter().map(Device::id).collect();
        let (mut audience, mut bag) = (BTreeSet::new(), Vec::new());
        let mut expected = vec![BTreeSet::new(); 4];
        for (n, (step, who)) in steps.into_iter().enumerate() {
            match step {
                0 | 1 => {
                    if !audience.insert(who) {
                        audience.remove(&who);
                    }
                    a.learn_member(&others[who]);
                    let accounts: Vec<_> = audience.iter().map(|who| ids[*who]).collect();
                    a.audience_is(GROUP, &accounts);
                }
                2 => a.restart(),
                3 => a.tick_after(WEEK),
                _ if audience.is_empty() => {}
                _ => {
                    bag.push(a.seal(GROUP, &n.to_string()));
                    for who in &audience {
                        expected[*who].insert(n.to_string());
                    }
                    bag.extend(a.keys(GROUP));
                }
            }
            prop_assert!(a.sessions.group_sessions.len() <= 1);
        }
        shuffle(&mut bag);
        let bag: Vec<_> = bag.iter().collect();
        for (other, expected) in others.iter_mut().zip(expected) {
            prop_assert_eq!(other.reads(&bag), expected);
        }
    }
}
