//! What the exchange says and when, over a bag that is only a set of names.

use super::reconcile::brief;
use super::*;
use crate::id::EnvelopeId;
use crate::time::Wall;
use std::collections::BTreeSet;

const SECOND: u64 = 1000;

#[derive(Clone, Default)]
pub(super) struct Names {
    pub(super) held: BTreeSet<[u8; 32]>,
    pub(super) receipts: BTreeSet<[u8; 32]>,
    pub(super) epoch: u16,
    pub(super) version: u64,
    pub(super) gathered: std::cell::Cell<u32>,
    pub(super) few_hops: bool,
    pub(super) to: Option<AccountId>,
    /// Held things may cross no further link.
    pub(super) no_hops: bool,
    /// Held things have the mark of what is beyond a share.
    pub(super) surplus: bool,
}

impl Names {
    pub(super) fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        Self { held: numbers.into_iter().map(name).collect(), ..Self::default() }
    }

    fn set(&self, set: Set) -> Vec<[u8; 32]> {
        match set {
            Set::Public => Vec::new(),
            Set::Receipts => self.receipts.iter().copied().collect(),
            Set::Sealed => self.held.iter().copied().collect(),
        }
    }
}

impl Bag for Names {
    fn root(&self, set: Set) -> Root {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.set(set).as_flattened());
        let mut root = [0; 8];
        root.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        root
    }

    fn version(&self, _: Set) -> u64 {
        self.version
    }

    fn names(&self, set: Set) -> Vec<[u8; 32]> {
        self.gathered.set(self.gathered.get() + 1);
        self.set(set)
    }

    fn sketch(&self, set: Set) -> Option<Arc<Sketch>> {
        let names = self.set(set);
        let cells = (2 * names.len()).clamp(64, 2_048);
        let names = names.iter().map(|name| super::sync::sketched(set, name));
        Some(Arc::new(Sketch::of(self.epoch, cells, names)))
    }

    fn standing(&self, id: ShortId) -> Standing {
        let mut low = [0; 32];
        low[..8].copy_from_slice(&id.0);
        match self.held.range(low..).next() {
            Some(name) if name[..8] == id.0 => {
                let hops = if self.no_hops { 0 } else { 9 };
                Standing::Held {
                    hops,
                    own: self.to.is_some(),
                    few_hops: self.few_hops,
                    to: self.to,
                    surplus: self.surplus,
                }
            }
            _ => Standing::Unknown,
        }
    }

    fn short_of_hops(&self, _: usize) -> Vec<ShortId> {
        Vec::new()
    }

    fn foremost(&self, most: usize, skip: &dyn Fn(ShortId) -> bool) -> Vec<ShortId> {
        let names = self.held.iter().map(|name| EnvelopeId(*name).short());
        names.filter(|id| !skip(*id)).take(most).collect()
    }
}

pub(super) fn name(n: u64) -> [u8; 32] {
    *blake3::hash(&n.to_le_bytes()).as_bytes()
}

pub(super) fn short_name(n: u64) -> ShortId {
    EnvelopeId(name(n)).short()
}

pub(super) fn at(mono: u64) -> Now {
    Now { mono: Time(mono), wall: Wall(0) }
}

/// Link 1 is dialed here, links 2 and above are listened on.
pub(super) fn state(links: u64, bag: &Names) -> State {
    let mut state = State::new(Config::default(), Rng::new([1; 32]));
    for link in 1..=links {
        let role = if link == 1 { Role::Dialer } else { Role::Listener };
        state.link_up(at(0), LinkId(link), role, None, Profile::LAN, bag);
    }
    drain(&mut state);
    state
}

pub(super) fn drain(state: &mut State) -> Vec<Action> {
    core::iter::from_fn(|| state.poll()).collect()
}

pub(super) fn sent(state: &mut State) -> Vec<(u64, Frame)> {
    let send = |action| match action {
        Action::Send(LinkId(link), frame) | Action::First(LinkId(link), frame) => Some((link, frame)),
        _ => None,
    };
    drain(state).into_iter().filter_map(send).collect()
}

fn want(ids: Vec<ShortId>) -> Frame {
    Frame::Want { least: 0, ids }
}

#[test]
fn a_name_that_several_announce_is_asked_of_one() {
    let bag = Names::default();
    let mut state = state(3, &bag);
    for link in 1..=3 {
        state.frame(at(0), LinkId(link), Frame::Have(vec![short_name(1)]), &bag);
    }
    assert_eq!(sent(&mut state), [(1, want(vec![short_name(1)]))]);
}

#[test]
fn what_does_not_come_is_asked_of_the_next() {
    let bag = Names::default();
    let mut state = state(3, &bag);
    for link in 1..=3 {
        state.frame(at(0), LinkId(link), Frame::Have(vec![short_name(1)]), &bag);
    }
    drain(&mut state);
    let mut asked = Vec::new();
    while asked.is_empty() {
        let now = state.next_wakeup().unwrap();
        state.tick(at(now.0), &bag);
        asked = sent(&mut state).into_iter().map(|(link, _)| (now.0, link)).collect();
    }
    assert_eq!(asked, [(4 * SECOND, 2)]);
}

#[test]
fn what_a_lost_link_was_asked_for_is_asked_of_the_next() {
    let bag = Names::default();
    let mut state = state(3, &bag);
    for link in 1..=3 {
        state.frame(at(0), LinkId(link), Frame::Have(vec![short_name(1)]), &bag);
    }
    drain(&mut state);
    state.link_down(at(10), LinkId(1), &bag);
    assert_eq!(sent(&mut state), [(2, want(vec![short_name(1)]))]);
}

#[test]
fn at_most_a_window_is_under_way() {
    let bag = Names::default();
    let mut state = state(1, &bag);
    for chunk in 0..3 {
        let ids = (chunk * 1000..(chunk + 1) * 1000).map(short_name).collect();
        state.frame(at(0), LinkId(1), Frame::Have(ids), &bag);
    }
    let frames = sent(&mut state);
    assert!(matches!(&frames[..], [(1, Frame::Want { ids, .. })] if ids.len() == 256));
    for n in 0..128 {
        assert!(state.arrived(at(1), LinkId(1), short_name(n), 300));
        state.accepted(at(1), short_name(n), Some(LinkId(1)), &bag);
    }
    let next: usize = sent(&mut state)
        .iter()
        .map(|(_, frame)| if let Frame::Want { ids, .. } = frame { ids.len() } else { 0 })
        .sum();
    assert_eq!(next, 128, "one batch when half the window is free");
}

#[test]
fn a_strangers_intake_is_bounded_and_a_contacts_is_not() {
    let bag = Names::default();
    for (contact, frames) in [(None, 0), (Some(AccountId([1; 20])), 1)] {
        let mut state = State::new(Config::default(), Rng::new([1; 32]));
        state.link_up(at(0), LinkId(1), Role::Listener, contact, Profile::LAN, &bag);
        state.frame(at(0), LinkId(1), Frame::Have(vec![short_name(1)]), &bag);
        drain(&mut state);
        state.arrived(at(0), LinkId(1), short_name(1), 100_000_000);
        state.frame(at(0), LinkId(1), Frame::Have(vec![short_name(2)]), &bag);
        assert_eq!(sent(&mut state).len(), frames);
    }
}

#[test]
fn announcements_after_the_first_gather() {
    let bag = Names::of(0..30);
    let mut state = state(1, &bag);
    for n in 0..30 {
        state.accepted(at(1), short_name(n), None, &bag);
    }
    let first = sent(&mut state);
    assert_eq!(first, [(1, Frame::Have(vec![short_name(0)]))]);
    assert_eq!(state.next_wakeup(), Some(Time(21)));
    state.tick(at(21), &bag);
    let rest = sent(&mut state);
    assert!(matches!(&rest[..], [(1, Frame::Have(ids))] if ids.len() == 29));
}

#[test]
fn the_names_are_gathered_again_only_when_the_set_changed() {
    let mut bag = Names::of(0..100);
    let mut state = state(2, &bag);
    let message = vec![0x61, 0, 0, 2, 0];
    let run = |run| Frame::Reconcile { set: Set::Sealed, run, from_dialer: true, message: message.clone() };
    for round in 0..5 {
        state.frame(at(u64::from(round) * 1000 * SECOND), LinkId(2), run(round), &bag);
    }
    assert_eq!(bag.gathered.get(), 1);
    bag.version += 1;
    state.frame(at(9000 * SECOND), LinkId(2), run(9), &bag);
    assert_eq!(bag.gathered.get(), 2);
}

#[test]
fn runs_that_are_of_no_use_become_rare() {
    let bag = Names::of(0..100);
    let mut state = state(1, &bag);
    let mut begun = Vec::new();
    for second in 0..4000 {
        state.frame(at(second * SECOND), LinkId(1), Frame::Beat { ask: false, root: [0; 8] }, &bag);
        if sent(&mut state).contains(&(1, Frame::Digest(Set::ALL.map(|set| brief(&bag, set))))) {
            begun.push(second);
            // The neighbour shows the same set, so nothing comes of it.
            let part = bag.sketch(Set::Sealed).unwrap().part(Set::Sealed, second as u8, false, 0..26);
            state.frame(at(second * SECOND), LinkId(1), Frame::Sketch(part), &bag);
            drain(&mut state);
        }
    }
    assert_eq!(begun, [0, 6, 18, 42, 90, 186, 378, 762, 1530, 2430, 3330]);
}

#[test]
fn a_run_that_makes_no_sense_is_a_fault() {
    let bag = Names::of(0..100);
    let mut state = state(2, &bag);
    let frame = Frame::Reconcile { set: Set::Sealed, run: 1, from_dialer: true, message: vec![1, 2, 3] };
    state.frame(at(0), LinkId(2), frame.clone(), &bag);
    state.frame(at(0), LinkId(1), frame, &bag);
    let faults = drain(&mut state);
    assert!(matches!(faults[..], [Action::Fault(LinkId(2), _, 3), Action::Fault(LinkId(1), _, 3)]));
}

#[test]
fn attack_48_one_run_goes_on_for_a_bounded_number_of_rounds() {
    let bag = Names::of(0..2000);
    let mut state = state(2, &bag);
    let message = vec![0x61, 0, 0, 2, 0];
    let frame = Frame::Reconcile { set: Set::Sealed, run: 1, from_dialer: true, message };
    let mut answers = 0;
    for _ in 0..1000 {
        state.frame(at(0), LinkId(2), frame.clone(), &bag);
        answers += sent(&mut state).len();
    }
    assert!(answers <= 128);
}

#[test]
fn copies_with_more_hops_are_asked_for_up_to_the_most_and_new_names_beside_them() {
    let bag = Names { few_hops: true, ..Names::of(0..1_000) };
    let mut state = state(1, &bag);
    let mut raised = 0;
    for chunk in 0..10 {
        let ids = (chunk * 100..(chunk + 1) * 100).map(short_name).collect();
        state.frame(at(chunk), LinkId(1), Frame::Have(ids), &bag);
        let wants = sent(&mut state).into_iter();
        raised += wants
            .map(|(_, f)| if let Frame::Want { least: 4, ids } = f { ids.len() } else { 0 })
            .sum::<usize>();
    }
    assert_eq!(raised, MAX_RAISES);
    // None of them is answered, and what is new is asked for all the same.
    state.frame(at(12), LinkId(1), Frame::Have(vec![short_name(5_000)]), &bag);
    assert_eq!(sent(&mut state), [(1, want(vec![short_name(5_000)]))]);
    assert!(state.arrived(at(13), LinkId(1), short_name(0), 300), "a better copy");
    assert!(!state.arrived(at(14), LinkId(1), short_name(0), 300), "once");
}

/// What each link is asked for without the mark.
fn unmarked(state: &mut State) -> Vec<(u64, Vec<ShortId>)> {
    let wants = sent(state).into_iter().filter_map(|(link, frame)| match frame {
        Frame::Want { least: 0x80, ids } => Some((link, ids)),
        _ => None,
    });
    wants.collect()
}

#[test]
fn attack_45_of_what_came_with_the_mark_the_others_that_named_it_are_asked_for_a_copy_without() {
    let mut state = state(3, &Names::default());
    for link in [1, 2] {
        state.frame(at(0), LinkId(link), Frame::Have(vec![short_name(1)]), &Names::default());
    }
    drain(&mut state);
    let bag = Names { surplus: true, ..Names::of([1]) };
    assert!(state.arrived(at(10), LinkId(1), short_name(1), 300));
    state.came_marked(short_name(1));
    state.accepted(at(10), short_name(1), Some(LinkId(1)), &bag);
    assert_eq!(unmarked(&mut state), [(2, vec![short_name(1)])]);
    state.frame(at(20), LinkId(3), Frame::Have(vec![short_name(1)]), &bag);
    assert_eq!(unmarked(&mut state), [(3, vec![short_name(1)])]);
    assert!(state.arrived(at(30), LinkId(3), short_name(1), 300), "it was asked for");
}

#[test]
fn attack_46_new_names_on_slow_links_take_nothing_from_links_that_are_not() {
    let mut state = state(0, &Names::default());
    for link in 0..100 {
        state.link_up(at(0), LinkId(link), Role::Listener, None, Profile::BLE, &Names::default());
        state.in_share(at(0), LinkId(link), 8 * 1024);
        state.link_down(at(0), LinkId(link), &Names::default());
    }
    for (link, profile, enough) in [(100, Profile::BLE, false), (101, Profile::LAN, true)] {
        state.link_up(at(0), LinkId(link), Role::Listener, None, profile, &Names::default());
        assert_eq!(state.in_share(at(0), LinkId(link), 4_135), enough);
    }
}

#[test]
fn copies_without_the_mark_are_asked_for_up_to_the_most_and_while_there_is_a_share_for_them() {
    let bag = Names { surplus: true, ..Names::of(0..200) };
    let mut state = state(1, &bag);
    (0..200).for_each(|n| state.came_marked(short_name(n)));
    let asked = |state: &mut State, now: u64| {
        state.frame(at(now), LinkId(1), Frame::Have((0..200).map(short_name).collect()), &bag);
        unmarked(state).iter().map(|(_, ids)| ids.len()).sum::<usize>()
    };
    assert_eq!((asked(&mut state, 0), asked(&mut state, 5 * SECOND)), (16, 5));
    // 32 KiB of the pool, and 4 KiB per second.
    assert!(state.in_share(at(5 * SECOND), LinkId(1), 52 * 1024 - 512));
    assert_eq!((asked(&mut state, 5 * SECOND), asked(&mut state, 10 * SECOND)), (0, 5), "no share is left");
}

#[test]
fn a_want_for_a_copy_without_the_mark_is_answered_with_none_that_has_it() {
    for (surplus, served) in [(true, 0), (false, 1)] {
        let bag = Names { surplus, ..Names::of([1]) };
        let mut state = state(1, &bag);
        state.frame(at(0), LinkId(1), Frame::Want { least: 0x80, ids: vec![short_name(1)] }, &bag);
        assert_eq!(served_and_announced(&mut state).0.len(), served);
        state.frame(at(0), LinkId(1), want(vec![short_name(1)]), &bag);
        assert_eq!(served_and_announced(&mut state).0.len(), 1, "else it is handed on as ever");
    }
}

/// What was served to link 1 and what was announced to it.
fn served_and_announced(state: &mut State) -> (Vec<ShortId>, Vec<ShortId>) {
    let (mut served, mut announced) = (Vec::new(), Vec::new());
    while let Some(action) = state.poll() {
        match action {
            Action::Serve(LinkId(1), id) => served.push(id),
            Action::Send(LinkId(1), Frame::Have(ids)) => announced.extend(ids),
            _ => {}
        }
    }
    (served, announced)
}

/// Three names of mail for the contact at link 1, and for nobody else.
fn mail() -> (State, Names) {
    let contact = AccountId([7; 20]);
    let bag = Names { to: Some(contact), ..Names::of(0..3) };
    let mut state = state(2, &bag);
    state.recognised(at(0), LinkId(1), Some(contact));
    (state, bag)
}

#[test]
fn mail_for_the_neighbour_is_sent_unasked_while_the_link_is_at_rest_and_announced_behind_it() {
    let (mut state, bag) = mail();
    state.accepted(at(0), short_name(0), None, &bag);
    assert_eq!(served_and_announced(&mut state), (vec![short_name(0)], vec![]));
    state.accepted(at(1), short_name(1), None, &bag);
    assert_eq!(served_and_announced(&mut state), (vec![], vec![short_name(1)]));
    state.frame(at(2), LinkId(1), Frame::Kept(vec![short_name(0)]), &bag);
    state.accepted(at(3), short_name(2), None, &bag);
    assert_eq!(served_and_announced(&mut state), (vec![short_name(2)], vec![]));
}

#[test]
fn what_was_sent_unasked_and_is_not_kept_is_announced_after_5_seconds() {
    let (mut state, bag) = mail();
    state.accepted(at(0), short_name(0), None, &bag);
    let mut announced = None;
    while announced.is_none() {
        let due = state.next_wakeup().expect("it waits for an answer");
        state.tick(at(due.0), &bag);
        announced = served_and_announced(&mut state).1.first().map(|id| (*id, due.0));
    }
    assert_eq!(announced, Some((short_name(0), 5_000)));
    assert_eq!(state.next_wakeup(), None);
}

#[test]
fn what_nobody_asked_for_is_taken_from_a_contact_alone() {
    let (mut state, _) = mail();
    assert!(state.arrived(at(0), LinkId(1), short_name(9), 300));
    assert!(!state.arrived(at(0), LinkId(2), short_name(9), 300));
}

#[test]
fn a_public_thing_without_hops_is_announced_to_nobody_and_one_with_hops_to_a_crowd() {
    for (no_hops, hear) in [(true, 0), (false, 4)] {
        let bag = Names { no_hops, ..Names::of([1]) };
        let mut state = state(5, &bag);
        state.accepted_public(at(0), short_name(1), Some(LinkId(1)), &|_| false, &bag);
        let announced = core::iter::from_fn(|| state.poll()).filter(
            |action| matches!(action, Action::Send(_, Frame::Calls { ids, .. }) if *ids == [short_name(1)]),
        );
        assert_eq!(announced.count(), hear);
    }
}

#[test]
fn a_stranger_is_asked_for_no_more_public_things_than_its_budget_has() {
    let bag = Names::default();
    let mut state = state(3, &bag);
    let mut taken = 0;
    for step in 0..100 {
        let now = at(step * SECOND / 10);
        let names = (step * 300..(step + 1) * 300).map(short_name).collect();
        state.frame(now, LinkId(1), Frame::Calls { hops: 30, ids: names }, &bag);
        let mut asked: VecDeque<ShortId> = VecDeque::new();
        loop {
            for (_, frame) in sent(&mut state) {
                if let Frame::Want { ids, .. } = frame {
                    asked.extend(ids);
                }
            }
            let Some(id) = asked.pop_front() else { break };
            if state.arrived_public(now, LinkId(1), id, 30) {
                state.accepted_public(now, id, Some(LinkId(1)), &|_| false, &bag);
            }
            taken += 1;
        }
    }
    // 4 MiB at once and 1 MiB per second, 4 KiB each, and what was under way when the budget ended.
    assert!((3_000..1_024 + 10 * 256 + 512).contains(&taken), "{taken}");
}

#[test]
fn in_a_crowd_a_call_goes_unasked_over_links_on_which_something_waits() {
    let bag = Names::of([1]);
    let mut state = state(5, &bag);
    state.accepted_public(at(0), short_name(1), Some(LinkId(1)), &|link| link == LinkId(3), &bag);
    let actions = drain(&mut state);
    assert!(actions.contains(&Action::Serve(LinkId(3), short_name(1))));
    let named = |action: &&Action| matches!(action, Action::Send(_, Frame::Calls { ids, .. }) if *ids == [short_name(1)]);
    assert_eq!(actions.iter().filter(named).count(), 3);
}

/// What a link is asked for when it names so many calls with so many hops left.
fn asked_for(state: &mut State, now: Now, link: u64, hops: u8, calls: &[ShortId]) -> Vec<ShortId> {
    state.frame(now, LinkId(link), Frame::Calls { hops, ids: calls.to_vec() }, &Names::default());
    let wants = sent(state).into_iter().filter_map(|(to, frame)| match frame {
        Frame::Want { ids, .. } if to == link => Some(ids),
        _ => None,
    });
    wants.flatten().collect()
}

#[test]
fn in_a_crowd_calls_beyond_what_a_link_may_bring_are_asked_for_later() {
    let bag = Names::default();
    let mut state = state(5, &bag);
    let calls: Vec<ShortId> = (0..49).map(short_name).collect();
    let asked = asked_for(&mut state, at(0), 1, 62, &calls);
    assert_eq!(asked, calls[1..].iter().rev().copied().collect::<Vec<_>>(), "the latest first");
    state.tick(at(SECOND), &bag);
    assert_eq!(sent(&mut state), []);
    state.tick(at(10 * SECOND), &bag);
    assert!(sent(&mut state).contains(&(1, want(vec![calls[0]]))), "its budget came back");
}

#[test]
fn in_a_crowd_a_call_that_two_links_name_does_not_count_with_what_one_alone_names() {
    let bag = Names::default();
    let mut state = state(5, &bag);
    let calls: Vec<ShortId> = (0..200).map(short_name).collect();
    assert_eq!(asked_for(&mut state, at(0), 1, 50, &calls).len(), 128);
    assert_eq!(asked_for(&mut state, at(0), 2, 50, &calls[..1]), calls[..1]);
}

#[test]
fn who_had_many_links_a_moment_ago_is_still_in_a_crowd() {
    let bag = Names::default();
    let calls: Vec<ShortId> = (0..100).map(short_name).collect();
    for (later, most) in [(119, 48), (121, 64)] {
        let mut state = state(5, &bag);
        (3..=5).for_each(|link| state.link_down(at(0), LinkId(link), &bag));
        drain(&mut state);
        assert_eq!(asked_for(&mut state, at(later * SECOND), 1, 62, &calls).len(), most, "{later} s");
    }
}

#[test]
fn whoever_named_a_call_does_not_hear_of_it() {
    let mut state = state(5, &Names::default());
    for link in [1, 2, 4] {
        asked_for(&mut state, at(0), link, 60, &[short_name(1)]);
    }
    state.accepted_public(at(0), short_name(1), Some(LinkId(1)), &|_| false, &Names::of([1]));
    let told = sent(&mut state).into_iter().filter(|(_, frame)| matches!(frame, Frame::Calls { .. }));
    assert_eq!(told.map(|(link, _)| link).collect::<Vec<_>>(), [3, 5]);
}

#[test]
fn a_call_that_one_does_not_bring_is_soon_asked_of_another() {
    let bag = Names::default();
    let mut state = state(5, &bag);
    for link in [1, 2] {
        state.frame(at(0), LinkId(link), Frame::Calls { hops: 62, ids: vec![short_name(1)] }, &bag);
    }
    let want = |link| (link, Frame::Want { least: 0, ids: vec![short_name(1)] });
    assert_eq!(sent(&mut state), [want(1)]);
    (1..6).for_each(|second| state.tick(at(second * SECOND), &bag));
    assert_eq!(sent(&mut state), [want(2)]);
}

#[test]
fn a_call_is_asked_for_whatever_else_was_asked_for_before() {
    let bag = Names::default();
    let mut state = state(2, &bag);
    for n in 0..100 {
        let names = (1_000 + n * 64..1_064 + n * 64).map(short_name).collect();
        state.frame(at(0), LinkId(1), Frame::Have(names), &bag);
    }
    drain(&mut state);
    state.frame(at(0), LinkId(1), Frame::Calls { hops: 62, ids: vec![short_name(1)] }, &bag);
    let want = Frame::Want { least: 0, ids: vec![short_name(1)] };
    assert_eq!(drain(&mut state), [Action::First(LinkId(1), want)]);
}

#[test]
fn a_neighbour_that_repeats_itself_counts_as_one_copy() {
    let bag = Names::of(0..10);
    let mut state = state(2, &bag);
    let mut counted = 0;
    for _ in 0..255 {
        state.frame(at(0), LinkId(1), Frame::Have(vec![short_name(1)]), &bag);
        state.frame(at(0), LinkId(1), Frame::Kept(vec![short_name(1)]), &bag);
        let new = |action: &Action| matches!(action, Action::Copy(_, _, true));
        counted += drain(&mut state).iter().filter(|action| new(action)).count();
    }
    assert_eq!(counted, 1);
}
