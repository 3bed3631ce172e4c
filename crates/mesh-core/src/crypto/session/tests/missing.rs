//! What a reader asks for, and when.

use super::super::missing::{MAX_ASKS, Missing};
use super::*;
use crate::wire::message::{Gap, MAX_GAPS};
use std::collections::BTreeSet;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

impl Device {
    fn asks_after(&mut self, seconds: u64) -> Vec<Missing> {
        self.now.mono = self.now.mono + Duration::from_secs(seconds);
        let mut out = Outbox::new(Seq(0));
        let missing = self.sessions.take_missing(self.now, &mut out);
        self.apply(out);
        missing
    }

    fn stands_beside(&mut self, others: &[AccountId]) {
        self.sessions.set_neighbours(self.now, others.iter().copied().collect());
    }
}

/// Two who know each other; of `count` messages of the first, the second opened those that `comes` names.
fn with_gaps(count: u32, comes: impl Fn(u32) -> bool) -> (Device, Device, Vec<SealedEnvelope>) {
    let (mut a, mut b) = Device::pair(Kind::Fake);
    Device::introduce(&mut a, &mut b);
    let sealed: Vec<_> = (0..count).map(|n| a.seal(b.id(), &n.to_string())).collect();
    for (n, sealed) in (0..).zip(&sealed).filter(|(n, _)| comes(*n)) {
        assert_eq!(b.texts(sealed), [n.to_string()]);
    }
    (a, b, sealed)
}

/// Where these envelopes stand, as gaps.
fn gaps_of(sealed: &[SealedEnvelope]) -> BTreeSet<u32> {
    sealed.iter().map(|sealed| sealed.place.unwrap().index).collect()
}

fn indexes(missing: &Missing) -> BTreeSet<u32> {
    missing.gaps.iter().flat_map(|Gap { first, count }| *first..first + count).collect()
}

#[test]
fn a_gap_that_stays_is_asked_about_after_an_hour_and_only_a_few_times() {
    let (a, mut b, sealed) = with_gaps(10, |n| n > 6);
    assert!(b.asks_after(HOUR - MINUTE).is_empty());
    let asked = b.asks_after(MINUTE);
    let [missing] = &asked[..] else { panic!("asked {} times", asked.len()) };
    assert_eq!((missing.account, missing.session), (a.id(), sealed[0].place.unwrap().session));
    assert_eq!(indexes(missing), gaps_of(&sealed[..7]));
    b.restart();
    let mut times = 1;
    for _ in 0..100 {
        times += b.asks_after(6 * HOUR).len();
    }
    assert_eq!(times, usize::from(MAX_ASKS));
}

#[test]
fn a_neighbour_that_fell_silent_is_asked_after_a_minute() {
    let (mut a, mut b, sealed) = with_gaps(10, |n| n > 6);
    b.stands_beside(&[a.id()]);
    assert!(b.asks_after(MINUTE - 10).is_empty());
    let last = a.seal(b.id(), "something comes");
    b.delivered(&last);
    assert!(b.asks_after(MINUTE - 10).is_empty(), "it is still talking");
    assert_eq!(indexes(&b.asks_after(10)[0]), gaps_of(&sealed[..7]));
    assert!(b.asks_after(9 * MINUTE).is_empty());
    assert_eq!(b.asks_after(MINUTE).len(), 1);
}

#[test]
fn what_came_in_the_meantime_is_not_asked_for() {
    let (_, mut b, sealed) = with_gaps(10, |n| n > 6);
    for late in &sealed[..7] {
        b.delivered(late);
    }
    assert!(b.asks_after(HOUR).is_empty());
    assert_eq!(b.sessions.next_wakeup(), b.sessions.uptime.next_save(), "nothing is watched any more");
}

#[test]
fn messages_in_order_leave_nothing_to_ask_and_write_nothing_for_it() {
    let (_, mut b, _) = with_gaps(10, |_| true);
    assert!(b.sessions.asks.first().is_none());
    assert!(b.asks_after(48 * HOUR).is_empty());
}

#[test]
fn a_new_gap_is_asked_about_although_an_old_one_was_given_up() {
    let (mut a, mut b, _) = with_gaps(10, |n| n > 6);
    for _ in 0..MAX_ASKS {
        assert_eq!(b.asks_after(24 * HOUR).len(), 1);
    }
    let lost = a.seal(b.id(), "lost too");
    let came = a.seal(b.id(), "came");
    b.delivered(&came);
    let asked = b.asks_after(HOUR);
    assert_eq!(asked.iter().map(indexes).collect::<Vec<_>>(), [gaps_of(&[lost])]);
}

#[test]
fn more_gaps_than_one_message_names_are_asked_about_in_turn() {
    let (_, mut b, sealed) = with_gaps(600, |n| n % 2 == 1);
    let lost: Vec<_> = sealed.into_iter().step_by(2).collect();
    let mut asked = BTreeSet::new();
    for _ in 0..12 {
        for missing in b.asks_after(24 * HOUR) {
            assert!(missing.gaps.len() <= MAX_GAPS);
            asked.extend(indexes(&missing));
        }
    }
    assert_eq!(asked, gaps_of(&lost));
}

#[test]
fn more_sessions_with_gaps_than_are_asked_about_at_once_follow_at_once() {
    let mut reader = Device::new(Kind::Fake, 200);
    for seed in 0..20 {
        let mut writer = Device::new(Kind::Fake, seed);
        writer.add(&reader);
        let (first, _lost) = (writer.seal(reader.id(), "first"), writer.seal(reader.id(), "lost"));
        reader.delivered(&first);
        let last = writer.seal(reader.id(), "last");
        reader.delivered(&last);
    }
    assert_eq!((reader.asks_after(HOUR).len(), reader.asks_after(0).len()), (16, 4));
}
