//! The attacks of the security design, by number.

use super::*;
use crate::border::Output;
use crate::crypto::dh::X25519Secret;
use crate::crypto::invite::no_invite_psk;
use crate::crypto::kem::KemSecret;
use crate::crypto::seal::{FIRST_CLASS, FirstSeal};
use crate::id::{AckCommit, Tag};
use crate::store::{Read, Table};
use crate::wire::{SizeClass, codec};
use payload::{First, Full, Parcel, Payload};

/// A first contact to `to` as somebody with this Noise key can make it, around any payload.
fn forged(to: &Device, noise: &X25519Secret, payload: &[u8]) -> Envelope {
    let header = Envelope::header(FIRST_CLASS, Lifetime::Fortnight, Tag([5; 16]), AckCommit([6; 16]));
    let prekey = to.own.intro().bundle().prekey;
    let seal = FirstSeal {
        header: &header,
        from: noise.private(),
        to: to.own.cert(),
        prekey: &prekey,
        psk: &no_invite_psk(),
    };
    let body = Noise.seal_first(&seal, payload, &mut Rng::new([8; 32])).unwrap();
    Envelope::new(header, &body, 0).unwrap()
}

/// A payload that claims to come from `from`, with a share that nobody made.
fn claimed(from: &Device) -> First {
    let (outward, inward) = ([0; 8], [0; 8]);
    let parcel = Parcel { share_id: [1; 8], outward, inward, session: [2; 8], wrapped: vec![3; 400] };
    First {
        intro: from.own.intro().to_intro(),
        seq: 1,
        kem: from.own.kem_key().clone(),
        ack: Ack([4; 16]),
        failed: Vec::new(),
        parcel,
        several: false,
        megolm: Vec::new(),
    }
}

fn rejected(opened: &Opened) -> &'static str {
    let Opened::Rejected(reason) = opened else { panic!("not rejected: {opened:?}") };
    reason
}

/// An introduced pair whose renewals have settled.
fn settled(kind: Kind) -> (Device, Device) {
    let (mut a, mut b) = Device::pair(kind);
    Device::introduce(&mut a, &mut b);
    for _ in 0..3 {
        say(&mut a, &mut b);
        say(&mut b, &mut a);
    }
    (a, b)
}

fn say(from: &mut Device, to: &mut Device) -> SealedEnvelope {
    let sealed = from.seal(to.id(), "said");
    assert_eq!(to.texts(&sealed), ["said"]);
    from.receipted(sealed.commit);
    sealed
}

#[test]
fn attack_13_a_first_contact_through_repackaged_keys_does_not_reach_their_owner() {
    let (mut a, mut b, m) =
        (Device::new(Kind::Real, 1), Device::new(Kind::Real, 2), Device::new(Kind::Real, 3));
    a.add(&m);
    // M publishes B's prekey and fallback key under its own name.
    let bundle = &mut a.sessions.peers.get_mut(&m.own.device_id()).unwrap().bundle;
    bundle.prekey = b.own.intro().bundle().prekey;
    bundle.fallback = b.own.intro().bundle().fallback;
    let for_m = a.seal(m.id(), "for M alone");
    assert!(matches!(b.open(&for_m.envelope), Opened::Foreign));
}

#[test]
fn attack_14_a_sender_that_presents_another_intro_is_rejected() {
    let (a, mut b, m) = (Device::new(Kind::Real, 1), Device::new(Kind::Real, 2), Device::new(Kind::Real, 3));
    let envelope = forged(&b, m.own.noise(), &codec::encode(&claimed(&a)));
    assert!(matches!(b.open(&envelope), Opened::Mismatch(account) if account == a.id()));
    assert!(b.sessions.peers.is_empty());
}

#[test]
fn attack_14_the_author_is_the_device_whose_key_sealed() {
    let (mut a, mut b) = settled(Kind::Real);
    // The contents may claim whatever they like.
    let sealed = a.seal(b.id(), "from: B");
    assert_eq!(b.delivered(&sealed).account, a.id());
}

#[test]
fn attack_15_a_stolen_prekey_makes_a_request_at_most_and_replaces_no_session() {
    let (mut a, mut b) = settled(Kind::Real);
    // Whoever holds B's prekey can make the outer seal speak for A, but no share inside.
    let envelope = forged(&b, a.own.noise(), &codec::encode(&claimed(&a)));
    let Opened::Delivery(delivery) = b.open(&envelope) else { panic!("a request") };
    assert!(delivery.contents.is_empty() && delivery.ack.is_none());
    assert!(delivery.first_contact.unwrap().inner_failed);
    let sealed = a.seal(b.id(), "undisturbed");
    assert_eq!(b.texts(&sealed), ["undisturbed"]);
}

#[test]
fn attack_15_a_forged_request_does_not_break_the_conversation_when_it_is_answered() {
    let (mut a, mut b) = settled(Kind::Real);
    let envelope = forged(&b, a.own.noise(), &codec::encode(&claimed(&a)));
    b.open(&envelope);
    let answer = b.seal(a.id(), "what did you mean?");
    assert_eq!(a.texts(&answer), ["what did you mean?"]);
    let sealed = a.seal(b.id(), "nothing");
    assert_eq!(b.texts(&sealed), ["nothing"]);
    // Repeated, it is not answered again.
    assert!(matches!(b.open(&envelope), Opened::Duplicate));
    assert!(b.sessions.owes().is_empty());
}

/// Every key and value in a table of sessions.
fn everything(memory: &Memory) -> Vec<u8> {
    let mut all = Vec::new();
    memory
        .scan(Table::Session, &mut |key, value| {
            all.extend_from_slice(key);
            all.extend_from_slice(value);
        })
        .unwrap();
    all
}

fn holds(all: &[u8], secret: &[u8]) -> bool {
    all.windows(secret.len()).any(|window| window == secret)
}

#[test]
fn attack_16_a_snapshot_after_opening_recovers_no_opened_text() {
    let (mut a, mut b) = settled(Kind::Real);
    say(&mut b, &mut a);
    a.tick_after(Duration::from_secs(601));
    // A new session: its chain is known to this test, and to nobody else afterwards.
    let first = a.seal(b.id(), "the first");
    let sid = a.sessions.conversations[&b.id()].current.unwrap();
    let mut link = chain::Link::new(a.sessions.outbound[&sid].0.origin.as_ref().unwrap().link);
    let mut recorded = vec![first];
    recorded.extend((0..40).map(|n| a.seal(b.id(), &n.to_string())));
    for sealed in &recorded {
        assert_eq!(b.delivered(sealed).contents.len(), 1);
        a.receipted(sealed.commit);
    }
    let mut thief = Device { memory: b.memory.snapshot(), ..Device::new(Kind::Real, 9) };
    thief.restart();
    assert!(recorded.iter().all(|sealed| thief.texts(sealed).is_empty()));
    let (of_a, of_b) = (everything(&a.memory), everything(&b.memory));
    for index in 0..=40u32 {
        let here = *link.0;
        let item = link.step();
        assert!(!holds(&of_b, &here) && !holds(&of_a, &here), "the chain at {index}");
        assert!(!holds(&of_b, &item.psk[..]) && !holds(&of_a, &item.psk[..]), "the key of {index}");
    }
}

#[test]
fn attack_16_a_missing_message_keeps_no_other_open() {
    let (mut a, mut b) = settled(Kind::Real);
    let recorded: Vec<_> = (0..30).map(|n| a.seal(b.id(), &n.to_string())).collect();
    for sealed in &recorded[1..] {
        b.delivered(sealed);
    }
    let mut thief = Device { memory: b.memory.snapshot(), ..Device::new(Kind::Real, 9) };
    thief.restart();
    assert!(recorded[1..].iter().all(|sealed| thief.texts(sealed).is_empty()));
    assert_eq!(thief.texts(&recorded[0]), ["0"]);
}

#[test]
fn attack_16_first_contacts_close_with_their_generation() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let recorded: Vec<_> = (0..5).map(|n| a.seal(b.id(), &n.to_string())).collect();
    for sealed in &recorded {
        b.delivered(sealed);
    }
    // The poster's generation lives until both its time has come and its invite is revoked.
    (0..3).for_each(|_| b.rotate());
    let mut out = Outbox::new(Seq(0));
    assert!(b.own.invite_revoke(1, &mut Rng::new([7; 32]), &mut out));
    b.apply(out);
    let mut out = Outbox::new(Seq(0));
    b.sessions.forget(b.now, a.id(), &mut out);
    b.apply(out);
    let mut thief = Device { memory: b.memory.snapshot(), ..Device::new(Kind::Real, 9) };
    thief.restart();
    thief.sessions.ended_olm = Schedule::default();
    thief.sessions.ended = Schedule::default();
    assert!(recorded.iter().all(|sealed| matches!(thief.open(&sealed.envelope), Opened::Foreign)));
}

#[test]
fn attack_17_a_round_trip_each_way_heals() {
    let (mut a, mut b) = settled(Kind::Real);
    say(&mut b, &mut a);
    let mut thief = Device { memory: a.memory.snapshot(), ..Device::new(Kind::Real, 9) };
    thief.restart();
    let mut recorded = Vec::new();
    for _ in 0..4 {
        a.tick_after(Duration::from_secs(601));
        b.tick_after(Duration::from_secs(601));
        recorded.push(say(&mut a, &mut b));
        recorded.push(say(&mut b, &mut a));
    }
    // The thief follows as far as it can, in order and then again.
    for sealed in recorded.iter().chain(&recorded) {
        thief.open(&sealed.envelope);
    }
    let (to_b, to_a) = (a.seal(b.id(), "healed"), b.seal(a.id(), "healed"));
    let tags = thief.sessions.tags.clone();
    for sealed in [&to_b, &to_a] {
        assert!(thief.texts(sealed).is_empty());
        assert!(!tags.iter().any(|(tag, _, _)| *tag == state::prefix(&sealed.envelope.tag().0)));
    }
    assert_eq!((b.texts(&to_b), a.texts(&to_a)), (vec!["healed".to_owned()], vec!["healed".to_owned()]));
}

#[test]
fn attack_19_a_first_contact_without_its_kem_key_is_rejected() {
    let (a, mut b) = Device::pair(Kind::Real);
    let kem = KemSecret::generate(&mut Rng::new([9; 32])).key();
    let exchanged = First { kem, ..claimed(&a) };
    let envelope = forged(&b, a.own.noise(), &codec::encode(&exchanged));
    assert_eq!(rejected(&b.open(&envelope)), "the KEM key is not the signed one");
}

#[test]
fn attack_19_an_older_kem_key_does_not_replace_a_newer_one() {
    let (mut a, mut b) = settled(Kind::Fake);
    let device = a.own.device_id();
    let old = payload::Refresh { intro: a.own.intro().to_intro(), kem: a.own.kem_key().clone() };
    a.rotate();
    let new = payload::Refresh { intro: a.own.intro().to_intro(), kem: a.own.kem_key().clone() };
    let mut out = Outbox::new(Seq(0));
    assert!(b.sessions.take_refresh(device, Some(&new), &mut out).is_some());
    assert!(b.sessions.take_refresh(device, Some(&old), &mut out).is_none());
    let stripped = payload::Refresh { kem: old.kem, ..new };
    assert!(b.sessions.take_refresh(device, Some(&stripped), &mut out).is_none());
}

#[test]
fn attack_20_a_header_that_was_rewritten_opens_nothing_and_costs_nothing() {
    let (mut a, mut b) = settled(Kind::Real);
    let sealed = a.seal(b.id(), "intact");
    let immutable = sealed.envelope.immutable().to_vec();
    for (at, bit) in [(1, 0x10), (1, 0x20), (18, 1), (33, 0x80), (40, 1)] {
        let mut changed = immutable.clone();
        changed[at] ^= bit;
        let envelope = Envelope::from_parts(changed, 3, 0).unwrap();
        assert_eq!(rejected(&b.open(&envelope)), "the seal does not fit its tag");
    }
    let mut newer = immutable;
    newer[0] = 2;
    assert!(matches!(b.open(&Envelope::from_parts(newer, 3, 0).unwrap()), Opened::Foreign));
    assert_eq!(b.texts(&sealed), ["intact"]);
}

#[test]
fn attack_21_a_relay_reaches_no_inner_code() {
    let (mut a, mut b) = settled(Kind::Real);
    let sealed = a.seal(b.id(), "intact");
    let body = sealed.envelope.body();
    let header: [u8; 34] = sealed.envelope.header_bytes().try_into().unwrap();
    // The inner codes have 8 bytes; the outer one, 16 bytes under a secret key, stands before them.
    for at in (0..body.len()).step_by(5) {
        let mut changed = body.to_vec();
        changed[at] ^= 0x40;
        let envelope = Envelope::new(header, &changed, 3).unwrap();
        assert_eq!(rejected(&b.open(&envelope)), "the seal does not fit its tag");
    }
    assert_eq!(b.texts(&sealed), ["intact"]);
}

#[test]
fn attack_22_nothing_is_compressed() {
    let (mut a, b) = settled(Kind::Real);
    let mut noise = vec![0; 1000];
    Rng::new([3; 32]).fill(&mut noise);
    let (same, mixed) = (a.seal_all(b.id(), &[vec![b'a'; 1000]]), a.seal_all(b.id(), &[noise]));
    assert_eq!(same.envelope.size(), mixed.envelope.size());
    assert_eq!(same.envelope.size(), Some(SizeClass::B1280));
}

#[test]
fn attack_23_ten_thousand_mutations_write_and_answer_nothing() {
    let (mut a, mut b) = settled(Kind::Real);
    let sealed = a.seal(b.id(), "intact");
    let immutable = sealed.envelope.immutable().to_vec();
    let mut rng = Rng::new([4; 32]);
    for _ in 0..10_000 {
        let mut changed = immutable.clone();
        let at = 2 + rng.below(immutable.len() as u64 - 2) as usize;
        changed[at] ^= 1 << rng.below(8);
        let envelope = Envelope::from_parts(changed, 3, 0).unwrap();
        let mut out = Outbox::new(Seq(0));
        let opened = b.sessions.open(b.now, &b.own, &b.memory, &envelope, &mut out);
        assert!(matches!(opened, Opened::Rejected(_) | Opened::Foreign));
        assert_eq!(out.pop(), None::<Output>);
    }
    assert_eq!(b.texts(&sealed), ["intact"]);
}

#[test]
fn attack_27_nothing_is_delivered_twice_not_even_after_a_restart() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let recorded: Vec<_> = (0..60).map(|n| a.seal(b.id(), &n.to_string())).collect();
    for sealed in &recorded {
        assert_eq!(b.texts(sealed).len(), 1);
    }
    let stored = b.memory.bytes();
    for round in 0..3 {
        for sealed in &recorded {
            assert!(!matches!(b.open(&sealed.envelope), Opened::Delivery(_)), "round {round}");
        }
        b.restart();
    }
    assert_eq!(b.memory.bytes(), stored);
}

#[test]
fn attack_28_a_first_contact_that_comes_a_hundred_times_is_one_session_and_one_message() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        let sealed = a.seal(b.id(), "once");
        assert_eq!(b.texts(&sealed), ["once"]);
        for round in 0..100 {
            assert!(matches!(b.open(&sealed.envelope), Opened::Duplicate));
            if round % 30 == 0 {
                b.restart();
            }
        }
        let peer = &b.sessions.peers[&a.own.device_id()];
        assert_eq!((peer.olm.len(), b.sessions.inbound.len()), (1, 2));
    }
}

#[test]
fn attack_28_a_first_contact_of_an_olm_session_that_ended_stays_closed() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let sealed = a.seal(b.id(), "once");
    assert_eq!(b.texts(&sealed), ["once"]);
    let device = a.own.device_id();
    let mut out = Outbox::new(Seq(0));
    let id = b.sessions.peers[&device].olm[0].id;
    b.sessions.end_olm(id, &mut out);
    let peer = b.sessions.peers.get_mut(&device).unwrap();
    (peer.olm, peer.seen) = (Vec::new(), Vec::new());
    b.sessions.put_peer(device, &mut out);
    b.apply(out);
    b.restart();
    assert!(!matches!(b.open(&sealed.envelope), Opened::Delivery(_)));
    assert!(b.sessions.peers[&device].olm.is_empty());
}

#[test]
fn attack_29_a_message_sealed_again_under_another_tag_is_rejected() {
    let (mut a, mut b) = settled(Kind::Real);
    let sid = a.sessions.conversations[&b.id()].current.unwrap();
    let mut out = Outbox::new(Seq(0));
    let contents = [b"twice".to_vec()];
    let (megolm, item) = a.sessions.encrypt_next(sid, &[], &contents, &mut out).unwrap();
    let (_, next) = a.sessions.encrypt_next(sid, &[], &contents, &mut out).unwrap();
    let seal = |item: &chain::Item| {
        let size = SizeClass::B256;
        let header = Envelope::header(size, Lifetime::Fortnight, item.tag, commitment(item.ack));
        let body = Noise.seal(&header, &item.psk, size, &megolm, &mut Rng::new([1; 32])).unwrap();
        Envelope::new(header, &body, 3).unwrap()
    };
    assert!(matches!(b.open(&seal(&item)), Opened::Delivery(_)));
    assert_eq!(rejected(&b.open(&seal(&next))), "a message under another index");
}

#[test]
fn attack_30_five_hundred_in_reverse_all_open() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = settled(kind);
        let mut bag: Vec<_> = (0..500).rev().map(|n| a.seal(b.id(), &n.to_string())).collect();
        bag.reverse();
        assert_eq!(open_all(&mut b, &mut bag).len(), 500);
    }
}

#[test]
fn attack_30_two_thousand_five_hundred_lost_messages_leave_no_silence() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = settled(kind);
        for n in 0..2500 {
            a.seal(b.id(), &n.to_string());
        }
        let mut bag: Vec<_> = (0..50).map(|n| a.seal(b.id(), &n.to_string())).collect();
        assert_eq!(open_all(&mut b, &mut bag).len(), 50);
    }
}

#[test]
fn attack_33_a_device_does_not_open_its_own_envelopes() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    for _ in 0..3 {
        let sealed = a.seal(b.id(), "to B");
        assert!(matches!(a.open(&sealed.envelope), Opened::Foreign));
        b.open(&sealed.envelope);
        let sealed = b.seal(a.id(), "to A");
        assert!(matches!(b.open(&sealed.envelope), Opened::Foreign));
        a.open(&sealed.envelope);
    }
}

#[test]
fn attack_36_length_bombs_in_payloads_are_none() {
    let bomb = [253, 0, 0, 0, 0, 0, 0, 0, 0x10];
    for lead in 0..6 {
        let bytes = [&[0x80][..], &vec![0; lead], &bomb].concat();
        assert!(Payload::from_bytes(&bytes).is_none());
    }
    assert!(First::from_bytes(&bomb).is_none());
    let many = Full { failed: vec![EnvelopeId([1; 32]); 5], ..Full::default() };
    assert!(Payload::from_bytes(&many.to_bytes()).is_none());
    assert!(Payload::from_bytes(&[]).is_none());
    let mut long = Full::default().to_bytes();
    long.push(0);
    assert!(Payload::from_bytes(&long).is_none());
}

#[test]
fn attack_51_trials_of_invites_have_a_budget_and_lose_nothing() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let good = a.seal(b.id(), "in the flood");
    let mut later = 0;
    for n in 0..40u8 {
        let noise = X25519Secret::generate(&mut Rng::new([n; 32]));
        let mut out = Outbox::new(Seq(0));
        let opened = b.sessions.open(b.now, &b.own, &b.memory, &forged(&b, &noise, &[n]), &mut out);
        later += usize::from(matches!(opened, Opened::Later(_)));
    }
    assert!(later >= 15, "{later}");
    let mut out = Outbox::new(Seq(0));
    let opened = b.sessions.open(b.now, &b.own, &b.memory, &good.envelope, &mut out);
    let Opened::Later(at) = opened else { panic!("the budget is used up: {opened:?}") };
    b.now.mono = at;
    assert_eq!(b.texts(&good), ["in the flood"]);
}
