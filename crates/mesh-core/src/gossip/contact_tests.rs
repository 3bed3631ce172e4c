//! How two neighbours find what each of them lacks: what it costs, and what a hostile one can make of it.

use super::reconcile::brief;
use super::sketch::{GIFTS, MAX_MORE, MOST, STRIKES, first};
use super::tests::{Names, at, drain, name, sent, short_name, state};
use super::*;
use crate::rng::Rng;
use crate::wire::powers::Sums;
use crate::wire::sketch::{Cell, Content, Part};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeSet;

/// What a meeting came to.
#[derive(Default)]
struct Meeting {
    /// Of the frames that find the difference and ask for it.
    bytes: usize,
    /// Messages to and fro before the dialer knew all.
    trips: usize,
    dialer_lacks: BTreeSet<ShortId>,
    listener_lacks: BTreeSet<ShortId>,
    /// What the listener and the dialer heard of.
    receipts: [BTreeSet<Ack>; 2],
    slow_way: bool,
}

/// The dialer has link 1. Whoever is `alone` has no other.
struct Ends<'a> {
    dialer: (State, &'a Names),
    listener: (State, &'a Names),
}

impl<'a> Ends<'a> {
    fn new(dialer: &'a Names, listener: &'a Names, alone: bool) -> Self {
        let mut far = state(if alone { 2 } else { 3 }, listener);
        far.link_down(at(0), LinkId(1), listener);
        drain(&mut far);
        Self { dialer: (state(1, dialer), dialer), listener: (far, listener) }
    }

    /// Frames go to and fro until none is left. Envelopes are not carried over: what is handed on counts as lacking
    /// at the other end.
    fn meet(&mut self, now: u64) -> Meeting {
        let mut meeting = Meeting::default();
        let (dialer, bag) = &mut self.dialer;
        dialer.send_digest(LinkId(1), *bag);
        loop {
            let out = drain(&mut self.dialer.0);
            let back = drain(&mut self.listener.0);
            if out.is_empty() && back.is_empty() {
                return meeting;
            }
            let searches =
                |action: &Action| matches!(action, Action::Send(_, Frame::Digest(_) | Frame::More { .. }));
            meeting.trips += usize::from(out.iter().any(searches));
            for action in out {
                self.pass(now, action, true, &mut meeting);
            }
            for action in back {
                self.pass(now, action, false, &mut meeting);
            }
        }
    }

    fn pass(&mut self, now: u64, action: Action, dialer: bool, meeting: &mut Meeting) {
        let ((state, bag), link) = if dialer { (&mut self.listener, 2) } else { (&mut self.dialer, 1) };
        match action {
            Action::Send(_, frame) | Action::First(_, frame) => {
                meeting.bytes += frame.to_bytes().len();
                meeting.slow_way |= matches!(frame, Frame::Reconcile { .. });
                state.frame(at(now), LinkId(link), frame, *bag);
            }
            Action::Serve(_, id) if dialer => _ = meeting.listener_lacks.insert(id),
            Action::Serve(_, id) => _ = meeting.dialer_lacks.insert(id),
            Action::Receipts(_, acks) => meeting.receipts[usize::from(dialer)].extend(acks),
            Action::Fault(_, what, _) => panic!("{what}"),
            Action::Settle(_) | Action::Copy(..) | Action::Broadcast(_) => {}
        }
    }
}

fn meet(dialer: &Names, listener: &Names, alone: bool) -> Meeting {
    Ends::new(dialer, listener, alone).meet(0)
}

fn ids(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<ShortId> {
    numbers.into_iter().map(short_name).collect()
}

#[test]
fn equal_sets_cost_fourteen_bytes() {
    for count in [0, 10, 10_000] {
        let bag = Names::of(0..count);
        assert_eq!(meet(&bag, &bag, false).bytes, 14);
    }
}

#[test]
fn ten_differences_among_ten_thousand_cost_at_most_400_bytes_and_one_round_trip_every_time() {
    for round in 1..=20 {
        let new = round * 100_000;
        for ours in [0, 5, 10] {
            let dialer = Names::of((0..10_000).chain(new..new + ours));
            let listener = Names::of((0..10_000).chain(new + ours..new + 10));
            let meeting = meet(&dialer, &listener, true);
            assert_eq!(meeting.listener_lacks, ids(new..new + ours));
            assert_eq!(meeting.dialer_lacks, ids(new + ours..new + 10));
            assert!(meeting.trips == 1 && meeting.bytes <= 350, "{} bytes", meeting.bytes);
        }
    }
    // Who has other neighbours is told names before anything is handed on.
    let dialer = Names::of(0..10_005);
    let listener = Names::of((0..10_000).chain(10_005..10_010));
    let meeting = meet(&dialer, &listener, false);
    assert!(meeting.trips == 1 && meeting.bytes <= 400, "{} bytes", meeting.bytes);
}

#[test]
fn twelve_differences_are_told_whatever_day_the_clocks_show_without_work_on_demand() {
    let dialer = Names { epoch: 0, ..Names::of(0..1_000) };
    let listener = Names { epoch: 20_000, ..Names::of(6..1_006) };
    let mut ends = Ends::new(&dialer, &listener, true);
    ends.dialer.0.work.charge(u64::MAX, Time(0));
    let meeting = ends.meet(0);
    assert!(!meeting.slow_way && meeting.trips == 1);
    assert_eq!((meeting.listener_lacks, meeting.dialer_lacks), (ids(0..6), ids(1_000..1_006)));
}

#[test]
fn a_thousand_differences_cost_at_most_30_bytes_each_whatever_the_size_of_the_sets() {
    for common in [1_000, 10_000, 50_000] {
        let dialer = Names::of((0..common).chain(100_000..100_500));
        let listener = Names::of((0..common).chain(200_000..200_500));
        let meeting = meet(&dialer, &listener, false);
        // At most 256 names are asked for before the first of them comes: the requests for the others are added.
        let asked = meeting.dialer_lacks.len() + meeting.listener_lacks.len();
        let all = meeting.bytes + (1_000 - asked) * ShortId::LEN;
        assert!(!meeting.slow_way && all <= 30_000, "{all} bytes");
        assert!(meeting.trips <= 5, "{} round trips", meeting.trips);
    }
}

#[test]
fn a_small_set_is_sent_as_names_and_leaves_nothing_to_chance() {
    let (dialer, listener) = (Names::of(0..20), Names::of(10..40));
    let meeting = meet(&dialer, &listener, true);
    assert_eq!(meeting.listener_lacks, ids(0..10));
    assert_eq!(meeting.dialer_lacks, ids(20..40));
    assert_eq!(meeting.trips, 1);
    assert_eq!(meeting.bytes, 13 + 12 + 30 * 8 + 2 + 20 * 8);
}

#[test]
fn a_difference_of_everything_is_found() {
    for (ours, theirs) in [(0, 3_000), (3_000, 0), (2_000, 2_000)] {
        let (dialer, listener) = (Names::of(0..ours), Names::of(10_000..10_000 + theirs));
        let meeting = meet(&dialer, &listener, false);
        assert!(!meeting.slow_way);
        assert!(meeting.dialer_lacks.len() == theirs.min(256) as usize);
        assert!(meeting.listener_lacks.len() == ours.min(256) as usize);
    }
}

#[test]
fn receipts_are_in_the_sketch_itself() {
    let receipt = |n: u64| {
        let ack = Ack(*name(n).first_chunk().unwrap());
        let commit = ack.commit();
        let mut whole = [0; 32];
        whole[..16].copy_from_slice(&commit.0);
        whole[16..].copy_from_slice(&ack.0);
        (whole, ack)
    };
    let with = |numbers: core::ops::Range<u64>| Names {
        receipts: numbers.map(|n| receipt(n).0).collect(),
        ..Names::of(0..10)
    };
    for common in [10, 1_000] {
        let (dialer, listener) = (with(0..common + 5), with(5..common + 10));
        let meeting = meet(&dialer, &listener, true);
        let acks = |numbers: core::ops::Range<u64>| numbers.map(|n| receipt(n).1).collect::<BTreeSet<Ack>>();
        assert_eq!(meeting.receipts, [acks(0..5), acks(common + 5..common + 10)]);
        assert_eq!(meeting.trips, 1);
    }
}

#[test]
fn neighbours_whose_clocks_show_different_days_agree_on_the_listeners() {
    let dialer = Names { epoch: 0, ..Names::of(0..1_000) };
    let listener = Names { epoch: 20_000, ..Names::of(5..1_005) };
    let meeting = meet(&dialer, &listener, true);
    assert_eq!((meeting.listener_lacks, meeting.dialer_lacks), (ids(0..5), ids(1_000..1_005)));
    assert!(!meeting.slow_way);
}

#[test]
fn a_bag_without_a_sketch_for_lack_of_work_goes_the_slower_way() {
    let dialer = Names { epoch: 0, ..Names::of(0..1_000) };
    let listener = Names { epoch: 20_000, ..Names::of(50..1_050) };
    let mut ends = Ends::new(&dialer, &listener, true);
    ends.dialer.0.work.charge(u64::MAX, Time(0));
    let meeting = ends.meet(0);
    assert!(meeting.slow_way);
    assert_eq!((meeting.listener_lacks, meeting.dialer_lacks), (ids(0..50), ids(1_000..1_050)));
}

#[test]
fn only_a_listener_without_other_links_is_given_anything_unasked_and_not_for_ever() {
    let (dialer, listener) = (Names::of(0..110), Names::of(10..108));
    for (alone, handed_on_at_once) in [(true, 12), (false, 0)] {
        let mut ends = Ends::new(&dialer, &listener, alone);
        ends.dialer.0.send_digest(LinkId(1), &dialer);
        let [(_, digest)] = &sent(&mut ends.dialer.0)[..] else { panic!("one digest") };
        ends.listener.0.frame(at(0), LinkId(2), digest.clone(), &listener);
        let [(_, part)] = &sent(&mut ends.listener.0)[..] else { panic!("one sketch") };
        ends.dialer.0.frame(at(0), LinkId(1), part.clone(), &dialer);
        let actions = drain(&mut ends.dialer.0);
        let given = actions.iter().filter(|action| matches!(action, Action::Serve(..))).count();
        assert_eq!(given, handed_on_at_once);
        let listener = &mut ends.listener.0;
        let taken = (0..1_000).filter(|n| listener.arrived(at(1), LinkId(2), short_name(*n), 300)).count();
        assert_eq!(taken, if alone { GIFTS } else { 0 });
    }
}

#[test]
fn what_was_given_is_not_given_again_while_it_is_under_way() {
    let (dialer, listener) = (Names::of(0..110), Names::of(10..110));
    let mut ends = Ends::new(&dialer, &listener, true);
    let mut given = |now| {
        let (far, near) = (&mut ends.listener.0, &mut ends.dialer.0);
        near.send_digest(LinkId(1), &dialer);
        for (_, digest) in sent(near) {
            far.frame(at(now), LinkId(2), digest, &listener);
        }
        for (_, part) in sent(far) {
            near.frame(at(now), LinkId(1), part, &dialer);
        }
        drain(near).iter().filter(|action| matches!(action, Action::Serve(..))).count()
    };
    assert_eq!(given(0), 10);
    assert_eq!(given(6_000), 0, "it may be under way");
    assert_eq!(given(61_000), 10, "it was lost");
}

#[test]
fn a_listener_waits_for_no_more_gifts_than_four_times_as_many_as_one_sketch_brings() {
    let (dialer, listener) = (Names::of(0..110), Names::of(10..110));
    let mut ends = Ends::new(&dialer, &listener, true);
    for round in 0..10 {
        ends.dialer.0.send_digest(LinkId(1), &dialer);
        for (_, digest) in sent(&mut ends.dialer.0) {
            ends.listener.0.frame(at(round * 6_000), LinkId(2), digest, &listener);
        }
        drain(&mut ends.listener.0);
    }
    let listener = &mut ends.listener.0;
    let taken = (0..1_000).filter(|n| listener.arrived(at(60_000), LinkId(2), short_name(*n), 300)).count();
    assert_eq!(taken, 4 * GIFTS);
}

/// A listener that answers whatever the dialer asks with cells that tell nothing.
fn nonsense(round: u8, run: u8, first: u16, cells: usize) -> Frame {
    let names = (0..5_000u64).map(|n| short_name(n * 257 + u64::from(round)).into());
    let sketch = Sketch::of(0, usize::from(first) + cells, names);
    let mut part = sketch.part(Set::Sealed, run, false, usize::from(first)..usize::from(first) + cells);
    part.count = 100;
    Frame::Sketch(part)
}

#[test]
fn attack_48_a_sketch_that_never_decodes_costs_little_and_then_the_slower_way_is_gone() {
    let bag = Names::of(0..100);
    let mut dialer = state(1, &bag);
    let mut asked = Vec::new();
    for contact in 0..10u8 {
        dialer.send_digest(LinkId(1), &bag);
        drain(&mut dialer);
        dialer.frame(at(0), LinkId(1), nonsense(contact, contact, 0, first(Set::Sealed)), &bag);
        let mut cells = 0;
        // The bag is small, so cells beyond its own sketch are asked for from the first one on.
        while let Some(Frame::More { first, end, .. }) = sent(&mut dialer).pop().map(|(_, frame)| frame) {
            cells += usize::from(end - first);
            for at_cell in (first..end).step_by(1_000) {
                let count = usize::from(end - at_cell).min(1_000);
                dialer.frame(at(0), LinkId(1), nonsense(contact + 1, contact, at_cell, count), &bag);
            }
        }
        asked.push(cells);
    }
    assert!(asked.iter().all(|cells| *cells <= MAX_MORE as usize * MOST), "{asked:?}");
    assert!(asked.iter().skip(usize::from(STRIKES)).all(|cells| *cells == 0), "read no more: {asked:?}");
}

#[test]
fn attack_48_every_stuck_sketch_is_followed_by_the_slower_way() {
    let bag = Names::of(0..100);
    let mut dialer = state(1, &bag);
    dialer.send_digest(LinkId(1), &bag);
    drain(&mut dialer);
    let part = |cells| Part {
        set: Set::Sealed,
        run: 1,
        alone: true,
        epoch: 0,
        count: u32::MAX,
        first: 0,
        sums: None,
        content: Content::Cells(cells),
    };
    dialer.frame(at(0), LinkId(1), Frame::Sketch(part(Vec::new())), &bag);
    assert!(matches!(sent(&mut dialer)[..], [(1, Frame::Reconcile { .. })]));
}

#[test]
fn attack_48_sketches_are_read_only_in_answer_to_a_digest_and_once_per_set() {
    let bag = Names::of(0..100);
    let mut dialer = state(1, &bag);
    let part = |run| Names::of(50..150).sketch(Set::Sealed).unwrap().part(Set::Sealed, run, false, 0..64);
    dialer.send_digest(LinkId(1), &bag);
    drain(&mut dialer);
    let mut read = 0;
    for run in 0..100 {
        dialer.frame(at(0), LinkId(1), Frame::Sketch(part(run)), &bag);
        read += usize::from(!drain(&mut dialer).is_empty());
    }
    assert_eq!(read, 1);
}

#[test]
fn attack_48_what_belongs_to_a_sketch_under_way_is_read_once_however_often_it_comes() {
    let bag = Names::of(0..100);
    for content in [Content::Names(Vec::new()), Content::Cells(vec![Cell::default()])] {
        let mut dialer = state(1, &bag);
        dialer.send_digest(LinkId(1), &bag);
        drain(&mut dialer);
        let far = Names::of(50..150).sketch(Set::Sealed).unwrap();
        let part = far.part(Set::Sealed, 1, false, 0..first(Set::Sealed));
        dialer.frame(at(0), LinkId(1), Frame::Sketch(part), &bag);
        assert!(sent(&mut dialer).iter().any(|(_, frame)| matches!(frame, Frame::More { .. })));
        let mut answered = 0;
        for _ in 0..100 {
            let part = Part {
                set: Set::Sealed,
                run: 1,
                alone: false,
                epoch: 0,
                count: 1,
                first: 0,
                sums: Some(Sums::default()),
                content: content.clone(),
            };
            dialer.frame(at(0), LinkId(1), Frame::Sketch(part), &bag);
            answered += usize::from(!drain(&mut dialer).is_empty());
        }
        assert!(answered <= 1, "{answered} times");
    }
}

#[test]
fn attack_48_a_dialer_that_asks_all_the_time_gets_one_sketch_per_5_seconds_and_bounded_cells() {
    let bag = Names::of(0..2_000);
    let mut listener = state(2, &bag);
    let (mut sketches, mut cells, mut run) = (0, 0, 0);
    for step in 0..2_000u64 {
        let now = at(step * 10);
        listener.frame(now, LinkId(2), Frame::Digest([[1; 4]; 3]), &bag);
        for end in [64, 4_000, u16::MAX, 8_192, 8_192, 8_192, 8_192, 8_192, 8_192] {
            listener.frame(now, LinkId(2), Frame::More { set: Set::Sealed, run, first: 0, end }, &bag);
        }
        for (_, frame) in sent(&mut listener) {
            let Frame::Sketch(part) = frame else { continue };
            let Content::Cells(sent) = &part.content else { continue };
            sketches += usize::from(part.run != run);
            (run, cells) = (part.run, cells + sent.len());
        }
    }
    assert!((4..=6).contains(&sketches), "{sketches} in 20 s");
    assert!(cells <= sketches * (first(Set::Sealed) + MAX_MORE as usize * MOST), "{cells} cells");
}

#[test]
fn attack_48_salts_that_are_not_of_today_cost_bounded_work() {
    let bag = Names::of(0..10_000);
    let config = Config { sketch_work: Rate { burst: 25_000, per_second: 0 }, ..Config::default() };
    let mut dialer = State::new(config, Rng::new([1; 32]));
    dialer.link_up(at(0), LinkId(1), Role::Dialer, None, Profile::LAN, &bag);
    let mut slow = 0;
    for epoch in 1..=10u8 {
        dialer.send_digest(LinkId(1), &bag);
        drain(&mut dialer);
        let other = Names { epoch: u16::from(epoch), ..Names::of(5..10_000) };
        let part = other.sketch(Set::Sealed).unwrap().part(Set::Sealed, epoch, false, 0..first(Set::Sealed));
        dialer.frame(at(0), LinkId(1), Frame::Sketch(part), &bag);
        slow +=
            usize::from(sent(&mut dialer).iter().any(|(_, frame)| matches!(frame, Frame::Reconcile { .. })));
    }
    assert_eq!(slow, 7, "three times 10,000 names, and then the slower way");
}

#[test]
fn attack_48_a_name_said_a_thousand_times_is_one_name() {
    let bag = Names::of(0..10);
    let mut dialer = state(1, &bag);
    dialer.send_digest(LinkId(1), &bag);
    drain(&mut dialer);
    let mut part = Names::of(0..1).sketch(Set::Sealed).unwrap().part(Set::Sealed, 1, true, 0..0);
    part.content = Content::Names(vec![short_name(77).into(); 8_000]);
    part.count = u32::MAX;
    dialer.frame(at(0), LinkId(1), Frame::Sketch(part), &bag);
    let asked = sent(&mut dialer).into_iter().filter(|(_, frame)| matches!(frame, Frame::Want { .. }));
    assert_eq!(asked.collect::<Vec<_>>(), [(1, Frame::Want { least: 0, ids: vec![short_name(77)] })]);
}

#[test]
fn attack_48_what_is_computed_on_demand_is_bounded() {
    let bag = Names::of(0..10_000);
    let config = Config { sketch_work: Rate { burst: 25_000, per_second: 0 }, ..Config::default() };
    let mut listener = State::new(config, Rng::new([1; 32]));
    let mut computed = 0;
    for link in 1..=64 {
        listener.link_up(at(0), LinkId(link), Role::Listener, None, Profile::LAN, &bag);
        listener.frame(at(0), LinkId(link), Frame::Digest([[1; 4]; 3]), &bag);
        drain(&mut listener);
        // The ready sketch ends at 2,048 cells.
        let more = Frame::More { set: Set::Sealed, run: 1, first: 0, end: 4_000 };
        for run in 0..4 {
            let mut more = more.clone();
            if let Frame::More { run: number, .. } = &mut more {
                *number = run;
            }
            listener.frame(at(0), LinkId(link), more, &bag);
        }
        let parts = sent(&mut listener);
        computed += parts
            .iter()
            .filter(|(_, frame)| matches!(frame, Frame::Sketch(part) if part.first == 0 && part.content != Content::Cells(Vec::new())))
            .count();
    }
    assert_eq!(computed, 3, "three times 10,000 names");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_two_sets_are_told_apart(
        common in 0u64..400, ours in 0u64..120, theirs in 0u64..120, seed in any::<u32>(), alone in any::<bool>(),
        epochs in any::<[bool; 2]>(),
    ) {
        let base = u64::from(seed) << 32;
        let dialer = Names { epoch: u16::from(epochs[0]), ..Names::of(base..base + common + ours) };
        let listener = Names {
            epoch: u16::from(epochs[1]),
            ..Names::of((base..base + common).chain(base + 1_000..base + 1_000 + theirs))
        };
        let meeting = meet(&dialer, &listener, alone);
        prop_assert_eq!(meeting.listener_lacks, ids(base + common..base + common + ours));
        prop_assert_eq!(meeting.dialer_lacks, ids(base + 1_000..base + 1_000 + theirs));
    }

    #[test]
    fn whatever_a_neighbour_says_of_its_set_is_answered_or_dropped(
        parts in proptest::collection::vec(
            (0u8..4, any::<[u8; 2]>(), 0u16..80, any::<u32>(), proptest::collection::vec(any::<u8>(), 0..800)), 1..20
        )
    ) {
        let bag = Names::of(0..200);
        let mut dialer = state(1, &bag);
        dialer.send_digest(LinkId(1), &bag);
        for (set, [flags, run], first, count, rest) in parts {
            let head = [13, set, flags & 3, run & 1, 0, 0];
            let bytes = [&head[..], &count.to_le_bytes(), &first.to_le_bytes(), &rest].concat();
            if let Ok(frame) = Frame::from_bytes(&bytes) {
                dialer.frame(at(0), LinkId(1), frame, &bag);
            }
            let said: usize = sent(&mut dialer).iter().map(|(_, frame)| frame.to_bytes().len()).sum();
            prop_assert!(said <= 4_000, "{} bytes", said);
        }
    }
}

#[test]
fn a_digest_shows_four_bytes_of_each_root() {
    let bag = Names::of(0..3);
    assert_eq!(brief(&bag, Set::Sealed), bag.root(Set::Sealed)[..4]);
}
