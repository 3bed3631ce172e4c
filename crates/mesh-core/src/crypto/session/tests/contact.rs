//! First contacts, in all the ways in which they can go.

use super::*;
use crate::wire::SizeClass;

#[test]
fn a_link_alone_is_enough_for_a_text() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        assert!(a.sessions.is_first_contact(b.id().into()));
        let sealed = a.seal_all(b.id(), &[b"profile".to_vec(), b"hello".to_vec()]);
        assert!(sealed.first_contact && sealed.single_device);
        assert_eq!(sealed.envelope.size(), Some(SizeClass::B4096));
        let delivery = b.delivered(&sealed);
        assert_eq!(texts(&delivery), ["profile", "hello"]);
        assert_eq!((delivery.account, delivery.device), (a.id(), a.own.device_id()));
        assert_eq!(delivery.ack.map(commitment), Some(sealed.commit));
        let contact = delivery.first_contact.unwrap();
        assert_eq!((contact.invite, contact.inner_failed, contact.is_new), (Some(1), false, true));
        assert_eq!(contact.intro, *a.own.intro());
    }
}

#[test]
fn both_recognise_each_other_after_one_first_contact() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    a.add(&b);
    let sealed = a.seal(b.id(), "hello");
    b.delivered(&sealed);
    let (ours, theirs) = (a.sessions.recognition(|_| true), b.sessions.recognition(|_| true));
    assert_eq!(ours.len(), 1);
    assert_eq!((ours[0].1, theirs[0].1, theirs[0].0), (theirs[0].1, ours[0].1, a.id()));
}

#[test]
fn the_answer_rides_on_the_control_chain_and_is_hybrid() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        let first = a.seal(b.id(), "hello");
        b.delivered(&first);
        assert!(!b.sessions.is_first_contact(a.id().into()));
        let answer = b.seal(a.id(), "hello yourself");
        assert!(!answer.first_contact);
        assert_eq!(answer.envelope.size(), Some(SizeClass::B4096));
        assert_eq!(texts(&a.delivered(&answer)), ["hello yourself"]);
        // The first KEM secret renews A's session: share and text together, at once.
        let next = a.seal(b.id(), "now hybrid");
        assert_eq!(texts(&b.delivered(&next)), ["now hybrid"]);
        let (wraps_a, wraps_b) = (kem_of(&a, &b), kem_of(&b, &a));
        assert_eq!(wraps_a, (wraps_b.1, wraps_b.0));
        assert_ne!(wraps_a.1, [0; 8]);
    }
}

fn kem_of(device: &Device, other: &Device) -> ([u8; 8], [u8; 8]) {
    device.sessions.peers[&other.own.device_id()].kem
}

#[test]
fn an_introduced_pair_writes_short_envelopes() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        Device::introduce(&mut a, &mut b);
        // Renewals for KEM secrets settle first.
        Device::round_trips(&mut a, &mut b, 3);
        let sealed = a.seal(b.id(), &"x".repeat(127));
        assert_eq!(sealed.envelope.size(), Some(SizeClass::B256));
        assert_eq!(b.delivered(&sealed).contents[0].len(), 127);
    }
}

#[test]
fn both_start_at_once() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        b.add(&a);
        let (from_a, from_b) = (a.seal(b.id(), "from A"), b.seal(a.id(), "from B"));
        assert_eq!(texts(&b.delivered(&from_a)), ["from A"]);
        assert_eq!(texts(&a.delivered(&from_b)), ["from B"]);
        for turn in 0..60 {
            let (to_b, to_a) = (a.seal(b.id(), "ping"), b.seal(a.id(), "pong"));
            assert_eq!(b.texts(&to_b), ["ping"], "turn {turn}");
            assert_eq!(a.texts(&to_a), ["pong"], "turn {turn}");
            if turn % 7 == 3 {
                a.receipted(to_b.commit);
                b.receipted(to_a.commit);
            }
        }
    }
}

#[test]
fn one_of_two_crossing_first_contacts_is_lost() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        b.add(&a);
        let _lost = a.seal(b.id(), "lost");
        let first = b.seal(a.id(), "from B");
        assert_eq!(texts(&a.delivered(&first)), ["from B"]);
        let mut bag: Vec<_> = (0..30).map(|n| a.seal(b.id(), &n.to_string())).collect();
        shuffle(&mut bag);
        assert_eq!(open_all(&mut b, &mut bag).len(), 30);
    }
}

#[test]
fn a_lost_first_contact_comes_again_and_opens_what_came_before() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        let sealed: Vec<_> = (0..30).map(|n| a.seal(b.id(), &n.to_string())).collect();
        let firsts: Vec<_> = (0..30).filter(|n| sealed[*n].first_contact).collect();
        assert_eq!(firsts, [0, 25]);
        let mut bag: Vec<_> = sealed.into_iter().skip(1).collect();
        assert_eq!(open_all(&mut b, &mut bag).len(), 29);
    }
}

#[test]
fn a_first_contact_survives_two_rotations() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        let sealed = a.seal(b.id(), "late");
        b.rotate();
        b.rotate();
        assert_eq!(texts(&b.delivered(&sealed)), ["late"]);
        let answer = b.seal(a.id(), "never too late");
        assert_eq!(texts(&a.delivered(&answer)), ["never too late"]);
    }
}

#[test]
fn a_first_contact_survives_three_rotations_while_its_invite_lives() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let sealed = a.seal(b.id(), "later still");
    for _ in 0..3 {
        b.rotate();
    }
    assert_eq!(texts(&b.delivered(&sealed)), ["later still"]);
}

#[test]
fn a_first_contact_that_fails_inside_is_answered_and_comes_again() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        let spoilt = spoil_inside(&mut a, &b, "lost inside");
        let delivery = b.delivered(&spoilt);
        assert!(delivery.contents.is_empty() && delivery.ack.is_none());
        assert!(delivery.first_contact.unwrap().inner_failed);
        assert_eq!(b.sessions.owes(), [a.id().into()]);
        // Nobody answers a request by itself; the person does.
        let answer = b.seal_all(a.id(), &[]);
        assert!(answer.first_contact && b.sessions.owes().is_empty());
        let delivery = a.delivered(&answer);
        assert_eq!(delivery.resend, [spoilt.envelope.id()]);
        let again = a.seal(b.id(), "lost inside");
        assert_eq!(b.texts(&again), ["lost inside"]);
    }
}

/// A first contact of `a` whose share is sealed for a fallback key that `b` never had.
fn spoil_inside(a: &mut Device, b: &Device, text: &str) -> SealedEnvelope {
    let device = b.own.device_id();
    let fallback = a.sessions.peers[&device].bundle.fallback;
    a.sessions.peers.get_mut(&device).unwrap().bundle.fallback = b.own.cert().olm;
    let sealed = a.seal(b.id(), text);
    a.sessions.peers.get_mut(&device).unwrap().bundle.fallback = fallback;
    sealed
}

#[test]
fn an_older_bundle_is_refused_and_a_newer_one_taken() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    let old = b.own.intro().clone();
    b.rotate();
    let new = b.own.intro().clone();
    let mut out = Outbox::new(Seq(0));
    a.sessions.learn(a.now, &new, None, &mut out).unwrap();
    a.apply(out);
    let mut out = Outbox::new(Seq(0));
    assert!(matches!(a.sessions.learn(a.now, &old, None, &mut out), Err(LearnError::Intro(_))));
    a.restart();
    assert!(matches!(a.sessions.learn(a.now, &old, None, &mut out), Err(LearnError::Intro(_))));
    assert!(a.sessions.learn(a.now, &new, None, &mut out).is_ok());
}

#[test]
fn contents_up_to_the_room_fit_and_longer_ones_are_refused() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    for round in 0..4 {
        let room = a.sessions.room(b.id().into());
        let mut out = Outbox::new(Seq(0));
        let long = vec![vec![7; room - 2]];
        let refused =
            a.sessions.seal(a.now, &a.own, &a.memory, b.id().into(), Lifetime::Hour, &long, &mut out);
        assert_eq!(refused, Err(SealError::TooLong { got: room + 1, limit: room }));
        let sealed = a.seal_all(b.id(), &[vec![7; room - 3]]);
        assert_eq!(b.delivered(&sealed).contents, [vec![7; room - 3]], "round {round}");
        a.receipted(sealed.commit);
        if round % 2 == 0 {
            let room = b.sessions.room(a.id().into());
            let sealed = b.seal_all(a.id(), &[vec![8; room - 3]]);
            assert_eq!(a.delivered(&sealed).contents, [vec![8; room - 3]], "round {round}");
            b.receipted(sealed.commit);
        }
    }
}

#[test]
fn nobody_is_written_to_unknown() {
    let mut a = Device::new(Kind::Fake, 1);
    let (mut out, account) = (Outbox::new(Seq(0)), AccountId([9; 20]));
    let refused = a.sessions.seal(a.now, &a.own, &a.memory, account.into(), Lifetime::Hour, &[], &mut out);
    assert_eq!(refused, Err(SealError::UnknownPeer { to: account.into() }));
}

#[test]
fn a_forgotten_account_leaves_no_key_behind_and_its_first_contact_stays_closed() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let first = a.seal(b.id(), "hello");
    b.delivered(&first);
    let answer = b.seal(a.id(), "answer");
    a.delivered(&answer);
    let mut out = Outbox::new(Seq(0));
    b.sessions.forget(b.now, a.id(), &mut out);
    b.apply(out);
    for _ in 0..2 {
        assert!(b.sessions.peers.is_empty() && b.sessions.outbound.is_empty() && b.sessions.tags.is_empty());
        assert!(b.texts(&first).is_empty());
        let mut out = Outbox::new(Seq(0));
        b.sessions.forget(b.now, a.id(), &mut out);
        b.apply(out);
        b.restart();
    }
}
