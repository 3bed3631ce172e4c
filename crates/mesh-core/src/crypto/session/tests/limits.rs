//! What happens where a limit is reached.

use super::super::chain::Link;
use super::super::inbound::{MAX_ITEMS, MAX_SESSIONS};
use super::super::state::{OLM_SESSIONS, Origin, READERS, SEEDS, SEEN};
use super::*;

/// `a` and `b` complete a round trip and enough time passes for a new session of `a`.
fn renew(a: &mut Device, b: &mut Device) {
    Device::round_trips(a, b, 2);
    a.tick_after(Duration::from_secs(700));
    b.tick_after(Duration::from_secs(700));
}

#[test]
fn at_most_16_sessions_of_a_device_are_read_and_the_oldest_goes_first() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    Device::introduce(&mut a, &mut b);
    let mut late = Vec::new();
    while late.len() < MAX_SESSIONS + 4 {
        renew(&mut a, &mut b);
        // The first carries the share; what comes late leaves its session unfinished.
        let first = a.seal(b.id(), "first");
        b.delivered(&first);
        a.receipted(first.commit);
        late.push(a.seal(b.id(), "late"));
        let read = b.sessions.inbound.values().filter(|i| i.device == a.own.device_id() && !i.is_control());
        assert!(read.count() <= MAX_SESSIONS);
    }
    let sessions: std::collections::BTreeSet<_> = late.iter().map(|s| s.place.unwrap().session).collect();
    assert_eq!(sessions.len(), late.len(), "each stands in a session of its own");
    let opened: Vec<bool> = late.iter().map(|sealed| !b.texts(sealed).is_empty()).collect();
    assert!(!opened[0], "the oldest was let go");
    assert!(opened[opened.len() - 8..].iter().all(|opened| *opened), "the newest are read");
}

#[test]
fn a_session_of_more_unused_items_than_the_most_loses_the_oldest_and_opens_the_newest() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    a.add(&b);
    let sealed: Vec<_> = (0..MAX_ITEMS + 300).map(|n| a.seal(b.id(), &n.to_string())).collect();
    b.delivered(&sealed[0]);
    // Envelopes with shares, step by step: nobody believes in a jump over everything.
    for n in [8_000, 16_000, sealed.len() / 25 * 25] {
        b.delivered(&sealed[n]);
    }
    assert!(b.sessions.inbound.values().all(|inbound| inbound.left.len() <= MAX_ITEMS as usize));
    assert!(b.sessions.tags.len() <= MAX_ITEMS as usize + 64);
    assert!(b.texts(&sealed[1]).is_empty());
    assert_eq!(b.texts(&sealed[sealed.len() - 2]), [(MAX_ITEMS + 298).to_string()]);
}

#[test]
fn more_readers_than_are_kept_parsed_are_read_again_from_storage() {
    let mut reader = Device::new(Kind::Fake, 250);
    let mut writers: Vec<_> =
        (0..READERS + 6).map(|n| Device::new(Kind::Fake, u8::try_from(n).unwrap())).collect();
    for round in 0..2 {
        for writer in &mut writers {
            if round == 0 {
                writer.add(&reader);
            }
            let sealed = writer.seal(reader.id(), "hello");
            assert_eq!(reader.texts(&sealed), ["hello"]);
            assert!(reader.sessions.readers.len() <= READERS);
        }
    }
}

/// A first contact whose share is no session.
fn malformed(stranger: &mut Device, to: &Device) -> SealedEnvelope {
    stranger.add(to);
    stranger.seal(to.id(), "hello");
    for (outbound, _) in stranger.sessions.outbound.values_mut() {
        outbound.origin = Some(Origin::new(&[0xff; 165], &Link::new([1; 32])));
        outbound.members.iter_mut().for_each(|member| member.due = 0);
    }
    let sealed = stranger.seal(to.id(), "hello");
    assert!(sealed.first_contact);
    sealed
}

#[test]
fn first_contacts_that_hold_nothing_of_use_leave_nobody_behind() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    for n in 0..20 {
        let mut stranger = Device::new(Kind::Real, 100 + n);
        let sealed = malformed(&mut stranger, &b);
        assert!(matches!(b.open(&sealed.envelope), Opened::Rejected(_)));
    }
    assert_eq!((b.sessions.peers.len(), b.sessions.conversations.len(), b.sessions.inbound.len()), (0, 0, 0));
    a.add(&b);
    let honest = a.seal(b.id(), "honest");
    assert_eq!(b.texts(&honest), ["honest"]);
}

#[test]
fn tombstones_of_ended_sessions_are_bounded_and_the_newest_stay() {
    let mut b = Device::new(Kind::Fake, 2);
    let (mut out, ends) = (Outbox::new(Seq(0)), u32::try_from(MAX_ENDED).unwrap() + 100);
    let name = |n: u32| core::array::from_fn(|i| n.to_le_bytes()[i % 4]);
    for n in 0..ends {
        b.sessions.now_s = u64::from(n);
        b.sessions.end_olm(name(n), &mut out);
    }
    b.apply(out);
    let kept: Vec<bool> =
        [0, 99, 100, ends - 1].into_iter().map(|n| b.sessions.ended_olm.contains(&name(n))).collect();
    assert_eq!((b.sessions.ended_olm.len(), &kept[..]), (MAX_ENDED, &[false, false, true, true][..]));
    b.restart();
    assert_eq!(b.sessions.ended_olm.len(), MAX_ENDED);
}

#[test]
fn whatever_one_device_sends_leaves_bounded_state() {
    let mut b = Device::new(Kind::Fake, 2);
    for n in 0..SEEN + 8 {
        // Begun again and again, as if it had lost everything.
        let mut a = Device::new(Kind::Fake, 1);
        a.sessions = Sessions::new(a.kind.ratchet(), Rng::new([u8::try_from(n).unwrap(); 32]));
        a.add(&b);
        let sealed = a.seal(b.id(), "hello");
        assert_eq!(b.texts(&sealed), ["hello"], "honest each time");
    }
    let peer = b.sessions.peers.values().next().unwrap();
    assert_eq!((b.sessions.peers.len(), peer.seen.len()), (1, SEEN));
    assert!(peer.seeds.len() <= SEEDS && peer.olm.len() <= OLM_SESSIONS);
    assert!(b.sessions.inbound.len() <= MAX_SESSIONS + SEEDS);
}
