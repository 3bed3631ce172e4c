//! When a session is renewed, how its share travels, and how the old one ends.

use super::*;

const TEN_MINUTES: Duration = Duration::from_secs(601);

fn current(device: &Device, to: &Device) -> Sid {
    device.sessions.conversations[&to.id()].current.unwrap()
}

/// A pair whose sessions have settled: nothing is due.
fn settled(kind: Kind) -> (Device, Device) {
    let (mut a, mut b) = Device::pair(kind);
    Device::introduce(&mut a, &mut b);
    for _ in 0..3 {
        say(&mut a, &mut b, "settling");
        say(&mut b, &mut a, "settling");
    }
    (a, b)
}

fn say(from: &mut Device, to: &mut Device, text: &str) -> SealedEnvelope {
    let sealed = from.seal(to.id(), text);
    assert_eq!(texts(&to.delivered(&sealed)), [text]);
    from.receipted(sealed.commit);
    sealed
}

#[test]
fn a_round_trip_older_than_ten_minutes_renews() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = settled(kind);
        say(&mut b, &mut a, "an answer");
        let before = current(&a, &b);
        say(&mut a, &mut b, "at once");
        assert_eq!(current(&a, &b), before);
        a.tick_after(TEN_MINUTES);
        say(&mut a, &mut b, "later");
        assert_ne!(current(&a, &b), before);
    }
}

#[test]
fn silence_alone_does_not_renew_before_a_week() {
    let (mut a, mut b) = settled(Kind::Fake);
    a.tick_after(TEN_MINUTES);
    say(&mut a, &mut b, "renewed by the round trip before");
    let before = current(&a, &b);
    a.tick_after(Duration::from_secs(6 * 86_400));
    say(&mut a, &mut b, "six days");
    assert_eq!(current(&a, &b), before);
    a.tick_after(Duration::from_secs(86_400));
    say(&mut a, &mut b, "seven days");
    assert_ne!(current(&a, &b), before);
}

#[test]
fn nothing_is_renewed_before_something_was_receipted() {
    let (mut a, b) = Device::pair(Kind::Fake);
    a.add(&b);
    a.seal(b.id(), "one");
    let before = current(&a, &b);
    a.tick_after(Duration::from_secs(30 * 86_400));
    a.seal(b.id(), "two");
    assert_eq!(current(&a, &b), before);
}

#[test]
fn many_renewals_leave_a_bounded_state() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = settled(kind);
        for round in 0..20 {
            a.tick_after(TEN_MINUTES);
            b.tick_after(TEN_MINUTES);
            say(&mut a, &mut b, &round.to_string());
            say(&mut b, &mut a, &round.to_string());
        }
        for device in [&a, &b] {
            let sessions = &device.sessions;
            let read = sessions.inbound.values().filter(|inbound| !inbound.control).count();
            assert!(sessions.outbound.len() <= 2 && read <= 3, "{kind:?} {read}");
            assert!(sessions.ended.len() >= 8, "{}", sessions.ended.len());
            assert!(sessions.tags.len() < 1100, "{}", sessions.tags.len());
        }
    }
}

#[test]
fn a_lost_share_comes_again_on_the_chain_before() {
    let (mut a, mut b) = settled(Kind::Real);
    say(&mut b, &mut a, "an answer");
    a.tick_after(TEN_MINUTES);
    let mut bag: Vec<_> = (0..60).map(|n| a.seal(b.id(), &n.to_string())).collect();
    bag.remove(0);
    shuffle(&mut bag);
    assert_eq!(open_all(&mut b, &mut bag).len(), 59);
}

#[test]
fn a_share_may_come_late() {
    let (mut a, mut b) = settled(Kind::Real);
    say(&mut b, &mut a, "an answer");
    a.tick_after(TEN_MINUTES);
    let sealed: Vec<_> = (0..80).map(|n| a.seal(b.id(), &n.to_string())).collect();
    // Newest first: what comes before the first share waits in the bag for it.
    let mut bag: Vec<_> = sealed.into_iter().rev().collect();
    assert_eq!(open_all(&mut b, &mut bag).len(), 80);
}

#[test]
fn a_repeated_share_never_resurrects_a_tag() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let sealed: Vec<_> = (0..80).map(|n| a.seal(b.id(), &n.to_string())).collect();
    for one in &sealed[..25] {
        b.delivered(one);
    }
    let used: Vec<Tag> = sealed[1..25].iter().map(|one| one.envelope.tag()).collect();
    for share in [&sealed[25], &sealed[50], &sealed[75]] {
        let delivery = b.delivered(share);
        assert!(delivery.new_tags.iter().all(|tag| !used.contains(tag)));
        b.restart();
    }
    for one in &sealed[1..25] {
        assert!(matches!(b.open(&one.envelope), Opened::Foreign));
    }
}

#[test]
fn an_ended_session_does_not_come_back_with_its_share() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let first = a.seal(b.id(), "hello");
    b.delivered(&first);
    let sid = current(&a, &b);
    let share = share_of(&mut a, &b, sid);
    let mut out = Outbox::new(Seq(0));
    b.sessions.begin(b.now);
    b.sessions.end(0, sid, &mut out);
    let from = (a.id(), a.own.device_id());
    let mut tags = Vec::new();
    assert_eq!(b.sessions.import(0, from, &share, &mut tags, &mut out), Ok(None));
    assert!(tags.is_empty());
    b.apply(out);
    b.restart();
    let mut out = Outbox::new(Seq(0));
    assert_eq!(b.sessions.import(0, from, &share, &mut tags, &mut out), Ok(None));
    b.tick_after(Duration::ZERO);
    b.tick_after(Duration::from_secs(29 * 86_400));
    assert!(b.sessions.ended.len() == 0);
}

fn share_of(device: &mut Device, other: &Device, sid: Sid) -> share::Share {
    let peer = other.own.device_id();
    let olm = device.sessions.peers[&peer].olm[0].clone();
    device.sessions.share_of(sid, peer, other.id(), true, &olm)
}

#[test]
fn the_writer_forgets_the_past_of_a_session_once_its_share_arrived() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let sealed: Vec<_> = (0..10).map(|n| a.seal(b.id(), &n.to_string())).collect();
    assert_eq!(a.sessions.pending.len(), 10);
    b.delivered(&sealed[0]);
    a.receipted(sealed[3].commit);
    let (outbound, _) = &a.sessions.outbound[&current(&a, &b)];
    assert!(outbound.origin.is_none() && a.sessions.pending.is_empty());
    assert_eq!(a.memory.count(crate::Table::Session), count_after_restart(&mut a));
}

fn count_after_restart(device: &mut Device) -> usize {
    device.restart();
    device.memory.count(crate::Table::Session)
}

#[test]
fn a_smaller_audience_gets_a_new_session_that_the_removed_cannot_read() {
    let (mut a, b, mut c) =
        (Device::new(Kind::Real, 1), Device::new(Kind::Real, 2), Device::new(Kind::Real, 3));
    let mut b = b;
    Device::introduce(&mut a, &mut b);
    // C poses as a second device of B's account, as a device list would make it known.
    let (account, device) = (b.id(), c.own.device_id());
    a.add(&c);
    a.sessions.peers.get_mut(&device).unwrap().account = account;
    let moved = a.sessions.conversations.remove(&c.id()).unwrap();
    a.sessions.conversations.get_mut(&account).unwrap().devices.extend(moved.devices);
    let for_both = a.seal(account, "for both");
    assert!(!for_both.single_device && !for_both.first_contact);
    while a.sessions.owes().contains(&account.into()) {
        let keys = a.seal_all(account, &[]);
        b.open(&keys.envelope);
        c.open(&keys.envelope);
    }
    assert_eq!(
        (b.texts(&for_both), c.texts(&for_both)),
        (vec!["for both".to_owned()], vec!["for both".to_owned()])
    );
    let mut out = Outbox::new(Seq(0));
    a.sessions.retain_devices(a.now, account, &[b.own.device_id()], &mut out);
    a.apply(out);
    let for_one = a.seal(account, "for one");
    assert!(for_one.single_device);
    assert!(matches!(c.open(&for_one.envelope), Opened::Foreign));
    assert_eq!(b.texts(&for_one), ["for one"]);
}

#[test]
fn control_chains_are_seeded_again_once_half_used() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    a.add(&b);
    let first = a.seal(b.id(), "hello");
    b.delivered(&first);
    for n in 0..25 * 18 {
        let sealed = b.seal(a.id(), &n.to_string());
        a.delivered(&sealed);
    }
    assert_eq!(b.sessions.peers[&a.own.device_id()].seeds.len(), 2);
    assert_eq!(a.sessions.recognition(|_| true).len(), 2);
}
