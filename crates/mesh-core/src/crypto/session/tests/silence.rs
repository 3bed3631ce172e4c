//! Many messages, any order, little of it arriving, restarts anywhere.

use super::*;

#[test]
fn a_hundred_messages_open_in_any_order() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        let mut bag: Vec<_> = (0..100).map(|n| a.seal(b.id(), &n.to_string())).collect();
        shuffle(&mut bag);
        assert_eq!(open_all(&mut b, &mut bag).len(), 100);
    }
}

#[test]
fn five_thousand_messages_into_silence_open_in_any_order() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let mut bag: Vec<_> = (0..5000).map(|n| a.seal(b.id(), &n.to_string())).collect();
    assert_eq!(a.sessions.outbound.len(), 1);
    shuffle(&mut bag);
    assert_eq!(open_all(&mut b, &mut bag).len(), 5000);
}

#[test]
fn one_in_twenty_of_five_thousand_arrives_and_opens() {
    for seed in 0..3u8 {
        let (mut a, mut b) = (Device::new(Kind::Fake, 10 + seed), Device::new(Kind::Fake, 20 + seed));
        a.add(&b);
        let sealed: Vec<_> = (0..5000).map(|n| a.seal(b.id(), &n.to_string())).collect();
        let mut rng = Rng::new([seed; 32]);
        let mut bag: Vec<_> = sealed.into_iter().filter(|_| rng.below(20) == 0).collect();
        shuffle(&mut bag);
        let arrived = bag.len();
        assert!(bag.iter().any(|sealed| sealed.first_contact), "seed {seed} brought no share");
        assert_eq!(open_all(&mut b, &mut bag).len(), arrived, "seed {seed}");
    }
}

#[test]
fn five_thousand_answers_into_silence_need_one_session() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    a.add(&b);
    let first = a.seal(b.id(), "hello");
    b.delivered(&first);
    let mut bag: Vec<_> = (0..5000).map(|n| b.seal(a.id(), &n.to_string())).collect();
    assert_eq!(b.sessions.outbound.len(), 1);
    // 32 items of the control chain carried shares, then first contacts did.
    assert_eq!(bag.iter().filter(|sealed| sealed.first_contact).count(), 200 - 32);
    shuffle(&mut bag);
    assert_eq!(open_all(&mut a, &mut bag).len(), 5000);
}

#[test]
fn a_renewed_session_goes_on_into_silence_on_the_chain_before() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    Device::introduce(&mut a, &mut b);
    a.tick_after(Duration::from_secs(8 * 86_400));
    let mut bag: Vec<_> = (0..2000).map(|n| a.seal(b.id(), &n.to_string())).collect();
    assert!(bag.iter().all(|sealed| !sealed.first_contact));
    shuffle(&mut bag);
    assert_eq!(open_all(&mut b, &mut bag).len(), 2000);
}

#[test]
fn the_end_of_a_very_long_silence_opens_without_its_beginning() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    Device::introduce(&mut a, &mut b);
    a.tick_after(Duration::from_secs(8 * 86_400));
    let mut bag: Vec<_> = (0..12_000).map(|n| a.seal(b.id(), &n.to_string())).collect();
    // Of what was carried for months, only the last part still lives.
    bag.drain(..11_000);
    shuffle(&mut bag);
    assert_eq!(open_all(&mut b, &mut bag).len(), 1_000);
}

#[test]
fn a_share_whose_envelope_ended_unreceipted_rides_again() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    a.add(&b);
    let _ended = a.seal(b.id(), "into silence");
    let without = a.seal(b.id(), "soon after");
    assert!(b.texts(&without).is_empty());
    a.tick_after(Duration::from_secs(15 * 86_400));
    let again = a.seal(b.id(), "into silence");
    assert!(again.first_contact);
    assert_eq!(b.texts(&again), ["into silence"]);
    assert!(!a.seal(b.id(), "next").first_contact, "once is enough");
}

#[test]
fn a_renewed_session_whose_share_ended_unreceipted_tells_it_again() {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    Device::introduce(&mut a, &mut b);
    a.tick_after(Duration::from_secs(8 * 86_400));
    let _ended = a.seal(b.id(), "renewed");
    let without = a.seal(b.id(), "soon after");
    assert!(b.texts(&without).is_empty());
    a.tick_after(Duration::from_secs(15 * 86_400));
    let again = a.seal(b.id(), "renewed");
    assert_eq!(b.texts(&again), ["renewed"]);
}

#[test]
fn an_envelope_may_come_before_its_key() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let (share, early) = (a.seal(b.id(), "share"), a.seal(b.id(), "early"));
    assert!(matches!(b.open(&early.envelope), Opened::Foreign));
    let delivery = b.delivered(&share);
    assert!(delivery.new_tags.contains(&early.envelope.tag()));
    assert_eq!(b.texts(&early), ["early"]);
}

#[test]
fn an_envelope_opens_in_the_same_moment_as_its_key() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    a.add(&b);
    let sealed: Vec<_> = (0..5).map(|n| a.seal(b.id(), &n.to_string())).collect();
    // One input of the layer above: nothing of it is in storage yet.
    let (mut out, now) = (Outbox::new(Seq(0)), b.now);
    for sealed in &sealed {
        let opened = b.sessions.open(now, &b.own, &b.memory, &sealed.envelope, &mut out);
        assert!(matches!(opened, Opened::Delivery(d) if d.contents.len() == 1));
    }
    let answer =
        b.sessions.seal(now, &b.own, &b.memory, a.id().into(), Lifetime::Hour, &[b"same".to_vec()], &mut out);
    b.apply(out);
    assert_eq!(a.texts(&answer.unwrap()), ["same"]);
}

#[test]
fn a_restart_between_any_two_steps_changes_nothing() {
    for kind in [Kind::Real, Kind::Fake] {
        let (mut a, mut b) = Device::pair(kind);
        a.add(&b);
        let mut tags = std::collections::BTreeSet::new();
        for turn in 0..40u64 {
            let (from, to) = if turn % 3 == 0 { (&mut b, &mut a) } else { (&mut a, &mut b) };
            if turn == 0 {
                continue;
            }
            from.restart();
            let sealed = from.seal(to.id(), &turn.to_string());
            assert!(tags.insert(sealed.envelope.tag()), "a tag was used twice");
            from.restart();
            to.restart();
            assert_eq!(to.texts(&sealed), [turn.to_string()], "turn {turn} {kind:?}");
            to.restart();
            if turn % 4 == 0 {
                from.receipted(sealed.commit);
                from.restart();
            }
            if turn % 10 == 0 {
                from.tick_after(Duration::from_secs(700));
            }
        }
    }
}

#[test]
fn memory_and_storage_agree_after_a_restart() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    Device::introduce(&mut a, &mut b);
    let mut bag: Vec<_> = (0..250).map(|n| a.seal(b.id(), &n.to_string())).collect();
    shuffle(&mut bag);
    bag.truncate(100);
    open_all(&mut b, &mut bag);
    let left = |s: &Sessions| s.inbound.iter().map(|(sid, i)| (*sid, i.left.clone())).collect::<Vec<_>>();
    let (before, tags) = (left(&b.sessions), b.sessions.tags.len());
    b.restart();
    assert_eq!(left(&b.sessions), before);
    assert_eq!(b.sessions.tags.len(), tags);
}

#[test]
fn a_message_costs_few_small_records() {
    let (mut a, mut b) = Device::pair(Kind::Real);
    Device::introduce(&mut a, &mut b);
    Device::round_trips(&mut a, &mut b, 3);
    let (mut out, contents) = (Outbox::new(Seq(0)), [b"twenty bytes of text".to_vec()]);
    a.pass(1);
    let sealed = a
        .sessions
        .seal(a.now, &a.own, &a.memory, b.id().into(), Lifetime::Hour, &contents, &mut out)
        .unwrap();
    let bytes: usize = stored(&mut out).iter().sum();
    assert!(bytes < 400, "{bytes} bytes to seal");
    b.pass(1);
    let mut out = Outbox::new(Seq(0));
    assert!(matches!(
        b.sessions.open(b.now, &b.own, &b.memory, &sealed.envelope, &mut out),
        Opened::Delivery(_)
    ));
    let written = stored(&mut out);
    assert!(written.len() <= 2 && written.iter().sum::<usize>() < 400, "{written:?} to open");
}

fn stored(out: &mut Outbox) -> Vec<usize> {
    let mut sizes = Vec::new();
    while let Some(output) = out.pop() {
        let Output::Store(op) = output else { continue };
        sizes.push(match op {
            crate::StoreOp::Put { key, value, .. } => key.len() + value.len(),
            crate::StoreOp::Delete { key, .. } => key.len(),
        });
    }
    sizes
}
