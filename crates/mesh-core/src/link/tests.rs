//! What one neighbour sees.

use super::*;
use crate::border::Output;
use crate::time::Wall;

const LINK: LinkId = LinkId(1);
const ROOT: Root = [7; 8];

fn at(mono: u64) -> Now {
    Now { mono: Time(mono), wall: Wall(0) }
}

fn state(config: Config) -> State {
    State::new(config, Rng::new([1; 32]))
}

/// A ready link, and the outbox that saw it come up.
fn ready(config: Config) -> (State, Outbox) {
    ready_over(config, Profile::LAN)
}

fn ready_over(config: Config, profile: Profile) -> (State, Outbox) {
    let (mut state, mut out) = (state(config), Outbox::default());
    state.up(at(0), LINK, Role::Dialer, [2; 32], profile, &mut out);
    let received = state.receive(at(0), LINK, &hello(1, 1, 9), || ROOT, &mut out);
    assert_eq!(received, Received::Ready);
    drain(&mut out);
    (state, out)
}

fn hello(min: u8, max: u8, instance: u8) -> Vec<u8> {
    let tokens = vec![[3; 8]; 64];
    Frame::Hello(Hello { min, max, capabilities: 0, instance: [instance; 16], nonce: [8; 16], tokens })
        .to_bytes()
}

fn drain(out: &mut Outbox) -> Vec<Output> {
    core::iter::from_fn(|| out.pop()).collect()
}

fn closes(out: &mut Outbox) -> Vec<CloseReason> {
    let close = |output| match output {
        Output::Close { why, .. } => Some(why),
        _ => None,
    };
    drain(out).into_iter().filter_map(close).collect()
}

fn frames(out: &mut Outbox) -> Vec<Frame> {
    let frame = |output| match output {
        Output::Send { frame, .. } => Frame::from_bytes(&frame).ok(),
        _ => None,
    };
    drain(out).into_iter().filter_map(frame).collect()
}

fn place(priority: Priority, order: u64) -> Place {
    Place { priority, order, len: 300, source: 1, weight: 1 }
}

#[test]
fn the_highest_common_version_makes_a_link() {
    let config = Config { versions: 1..=2, ..Config::default() };
    let (mut state, mut out) = (state(config), Outbox::default());
    state.up(at(0), LINK, Role::Dialer, [2; 32], Profile::LAN, &mut out);
    assert_eq!(state.receive(at(0), LINK, &hello(1, 1, 9), || ROOT, &mut out), Received::Ready);
}

#[test]
fn both_ends_learn_who_is_older_where_no_version_is_common() {
    for (versions, theirs, why) in [
        (2..=3, hello(1, 1, 9), CloseReason::Version { ours: 3, theirs: 1 }),
        (1..=1, vec![1, 2, 3], CloseReason::Version { ours: 1, theirs: 3 }),
    ] {
        let (mut state, mut out) = (state(Config { versions, ..Config::default() }), Outbox::default());
        state.up(at(0), LINK, Role::Dialer, [2; 32], Profile::LAN, &mut out);
        assert!(matches!(frames(&mut out)[..], [Frame::Hello(_)]), "the hello goes out first");
        state.receive(at(0), LINK, &theirs, || ROOT, &mut out);
        assert_eq!(closes(&mut out), [why]);
    }
}

#[test]
fn a_neighbour_that_says_nothing_is_closed_after_6_seconds() {
    let (mut state, mut out) = (state(Config::default()), Outbox::default());
    state.up(at(0), LINK, Role::Dialer, [2; 32], Profile::LAN, &mut out);
    drain(&mut out);
    assert_eq!(state.next_wakeup(), Some(Time(6_000)));
    state.tick(at(6_000), || ROOT, &mut out);
    assert_eq!(closes(&mut out), [CloseReason::Silent]);
}

#[test]
fn what_goes_unanswered_is_asked_about_after_2_seconds_and_closed_at_6() {
    let (mut state, mut out) = ready(Config::default());
    state.tick(at(0), || ROOT, &mut out);
    let answer = Frame::Beat { ask: false, root: ROOT }.to_bytes();
    state.receive(at(40), LINK, &answer, || ROOT, &mut out);
    assert_eq!(state.peers(at(40))[0].rtt, Some(Duration::from_millis(40)));
    drain(&mut out);
    state.send(at(10_000), LINK, &Frame::Have(vec![ShortId([1; 8])]), &mut out);
    drain(&mut out);
    for asked in [12_000, 14_000] {
        assert_eq!(state.next_wakeup(), Some(Time(asked)));
        state.tick(at(asked), || ROOT, &mut out);
        assert_eq!(frames(&mut out), [Frame::Beat { ask: true, root: ROOT }]);
    }
    state.tick(at(16_000), || ROOT, &mut out);
    assert_eq!(closes(&mut out), [CloseReason::Silent]);
    assert_eq!(state.poll(), Some(Event::Closed(LINK)));
}

#[test]
fn a_beat_is_answered_and_the_answer_is_not() {
    let (mut state, mut out) = ready(Config::default());
    state.receive(at(1), LINK, &Frame::Beat { ask: true, root: [1; 8] }.to_bytes(), || ROOT, &mut out);
    assert_eq!(frames(&mut out), [Frame::Beat { ask: false, root: ROOT }]);
    state.receive(at(2), LINK, &Frame::Beat { ask: false, root: [1; 8] }.to_bytes(), || ROOT, &mut out);
    assert_eq!(frames(&mut out), []);
}

#[test]
fn frames_of_a_newer_version_are_counted_and_no_fault() {
    let (mut state, mut out) = ready(Config::default());
    for _ in 0..100 {
        assert_eq!(state.receive(at(1), LINK, &[99, 1, 2], || ROOT, &mut out), Received::Nothing);
    }
    assert_eq!(state.counters(), Counters { newer_frames: 100, ..Counters::default() });
    assert!(closes(&mut out).is_empty());
}

#[test]
fn attack_37_frames_cut_short_close_the_link_and_leave_nothing_behind() {
    let (mut state, mut out) = ready(Config::default());
    for n in 0..10_000u32 {
        state.receive(at(1), LINK, &[5, n as u8], || ROOT, &mut out);
    }
    assert_eq!(closes(&mut out), [CloseReason::Faults]);
    assert!(state.links.is_empty());
}

#[test]
fn faults_are_forgiven_with_time() {
    let (mut state, mut out) = ready(Config::default());
    for n in 0..100 {
        state.fault(at(n * 30_000), LINK, "a test", 3, &mut out);
    }
    assert!(closes(&mut out).is_empty());
}

/// Five places, of which strangers may have three; and two for those who have not greeted.
fn small() -> Config {
    Config { links: 5, strangers: 3, greeting: 2, ..Config::default() }
}

const SECRET: Secret = [20; 32];

fn friend(n: u8) -> (AccountId, Secret) {
    (AccountId([n; 20]), [n; 32])
}

/// A neighbour of its own comes up and greets: contact `n` of these, or a stranger.
fn greet(state: &mut State, n: u8, role: Role, secret: Secret, out: &mut Outbox) -> Received {
    let link = LinkId(n.into());
    let theirs = if role == Role::Dialer { Role::Listener } else { Role::Dialer };
    state.up(at(n.into()), link, role, [n; 32], Profile::LAN, out);
    let own = [(AccountId([99; 20]), secret)];
    let tokens = recognition::tokens(&own, theirs, &[n; 32], &[8; 16], &mut Rng::new([n; 32]));
    let hello = Hello { min: 1, max: 1, capabilities: 0, instance: [n; 16], nonce: [8; 16], tokens };
    state.receive(at(n.into()), link, &Frame::Hello(hello).to_bytes(), || ROOT, out)
}

fn closed(state: &mut State) -> Vec<u64> {
    let events = core::iter::from_fn(|| state.poll());
    events.filter_map(|event| if let Event::Closed(link) = event { Some(link.0) } else { None }).collect()
}

#[test]
fn strangers_without_end_leave_places_for_contacts() {
    let (mut state, mut out) = (state(small()), Outbox::default());
    state.set_secrets(at(0), vec![friend(201), friend(202)], &mut out);
    for n in 1..=100 {
        let received = greet(&mut state, n, Role::Listener, SECRET, &mut out);
        assert_eq!(received == Received::Ready, n <= 3, "{n}");
    }
    assert_eq!(state.ready_count(), 3);
    for (n, secret) in [(201, [201; 32]), (202, [202; 32])] {
        assert_eq!(greet(&mut state, n, Role::Listener, secret, &mut out), Received::Ready);
    }
    assert_eq!(state.contacts().count(), 2);
    assert_eq!((state.ready_count(), closed(&mut state).len()), (5, 97));
}

#[test]
fn a_contact_takes_the_place_of_the_youngest_stranger_and_never_of_a_contact() {
    let (mut state, mut out) = (state(small()), Outbox::default());
    let friends: Vec<_> = (10..20).map(friend).collect();
    state.set_secrets(at(0), friends, &mut out);
    for n in 1..=3 {
        greet(&mut state, n, Role::Listener, SECRET, &mut out);
    }
    for n in 10..=14 {
        assert_eq!(greet(&mut state, n, Role::Listener, [n; 32], &mut out), Received::Ready);
    }
    assert_eq!(closed(&mut state), [3, 2, 1]);
    assert_eq!(greet(&mut state, 15, Role::Listener, [15; 32], &mut out), Received::Nothing);
    assert_eq!(state.contacts().count(), 5);
}

#[test]
fn whom_we_sought_stays_before_a_stranger_who_came() {
    let (mut state, mut out) = (state(small()), Outbox::default());
    for n in 1..=3 {
        greet(&mut state, n, Role::Listener, SECRET, &mut out);
    }
    assert_eq!(greet(&mut state, 4, Role::Dialer, SECRET, &mut out), Received::Ready);
    assert_eq!(closed(&mut state), [3]);
    assert_eq!(greet(&mut state, 5, Role::Listener, SECRET, &mut out), Received::Nothing);
}

#[test]
fn links_that_do_not_greet_wait_in_a_bounded_room_and_the_slowest_goes() {
    let (mut state, mut out) = (state(small()), Outbox::default());
    for n in 0..100 {
        state.up(at(n), LinkId(n), Role::Listener, [2; 32], Profile::LAN, &mut out);
    }
    assert_eq!(closed(&mut state), (0..98).collect::<Vec<_>>());
    assert_eq!(state.links.len(), 2);
    assert_eq!(
        greet(&mut state, 200, Role::Listener, SECRET, &mut out),
        Received::Ready,
        "there is still room"
    );
}

#[test]
fn a_second_link_to_the_same_neighbour_is_closed() {
    let (mut state, mut out) = ready(Config::default());
    state.up(at(0), LinkId(2), Role::Dialer, [2; 32], Profile::LAN, &mut out);
    state.receive(at(0), LinkId(2), &hello(1, 1, 9), || ROOT, &mut out);
    assert_eq!(closes(&mut out), [CloseReason::Duplicate]);
    assert_eq!(state.links.len(), 1);
}

/// A second link that shows the instance of [`ready`]'s neighbour comes up after half a minute of silence.
fn second(state: &mut State, out: &mut Outbox) -> Received {
    state.up(at(30_000), LinkId(2), Role::Listener, [2; 32], Profile::LAN, out);
    state.receive(at(30_000), LinkId(2), &hello(1, 1, 9), || ROOT, out)
}

#[test]
fn a_new_link_replaces_one_that_does_not_answer_any_more() {
    let (mut state, mut out) = ready(Config::default());
    assert_eq!(second(&mut state, &mut out), Received::Ready);
    assert_eq!(state.ready_count(), 2);
    state.tick(at(36_000), || ROOT, &mut out);
    assert!(closed(&mut state).contains(&LINK.0));
}

#[test]
fn a_stranger_that_shows_the_instance_of_a_quiet_neighbour_closes_no_link() {
    let (mut state, mut out) = ready(Config::default());
    second(&mut state, &mut out);
    let asked = Frame::Beat { ask: true, root: ROOT };
    assert!(frames(&mut out).contains(&asked), "the neighbour that stands is asked");
    // A further one does not wait beside it.
    state.up(at(30_000), LinkId(3), Role::Listener, [2; 32], Profile::LAN, &mut out);
    assert_eq!(state.receive(at(30_000), LinkId(3), &hello(1, 1, 9), || ROOT, &mut out), Received::Nothing);
    let answer = Frame::Beat { ask: false, root: ROOT }.to_bytes();
    state.receive(at(30_040), LINK, &answer, || ROOT, &mut out);
    assert_eq!(closed(&mut state), [3, 2]);
    assert_eq!((state.ready_count(), state.role(LINK)), (1, Some(Role::Dialer)));
}

#[test]
fn a_stranger_that_shows_a_contacts_instance_closes_no_link_and_keeps_none_away() {
    for contact_first in [true, false] {
        let (mut state, mut out) = (state(Config::default()), Outbox::default());
        state.set_secrets(at(0), vec![friend(201)], &mut out);
        for link in [1, 2] {
            let is_contact = contact_first == (link == 1);
            let secret = if is_contact { [201; 32] } else { SECRET };
            // The nonce of the stranger is the lowest there is.
            let nonce = if is_contact { [8; 16] } else { [0; 16] };
            let (id, binding) = (LinkId(link), [9; 32]);
            let time = at(link * 100_000);
            state.up(time, id, Role::Listener, binding, Profile::LAN, &mut out);
            let own = [(AccountId([99; 20]), secret)];
            let tokens = recognition::tokens(&own, Role::Dialer, &binding, &nonce, &mut Rng::new([1; 32]));
            let hello = Hello { min: 1, max: 1, capabilities: 0, instance: [9; 16], nonce, tokens };
            state.receive(time, id, &Frame::Hello(hello).to_bytes(), || ROOT, &mut out);
        }
        assert_eq!(state.contacts().count(), 1, "contact first: {contact_first}");
        assert_eq!(closed(&mut state), [if contact_first { 2 } else { 1 }]);
    }
}

#[test]
fn a_stranger_that_shows_a_neighbours_instance_over_a_faster_medium_closes_no_link() {
    let (mut state, mut out) = ready_over(Config::default(), Profile::BLE);
    state.up(at(0), LinkId(2), Role::Listener, [66; 32], Profile::LAN, &mut out);
    state.receive(at(0), LinkId(2), &hello(1, 1, 9), || ROOT, &mut out);
    let answer = Frame::Beat { ask: false, root: ROOT }.to_bytes();
    state.receive(at(10), LinkId(2), &answer, || ROOT, &mut out);
    assert!(frames(&mut out).iter().any(|frame| matches!(frame, Frame::Moved { step: 0, .. })));
    // It cannot prove what it does not know, on neither link.
    for (link, step) in [(LINK, 0), (LINK, 1), (LINK, 2), (LinkId(2), 1), (LinkId(2), 2)] {
        let moved = Frame::Moved { proof: [1; 16], step }.to_bytes();
        state.receive(at(20), link, &moved, || ROOT, &mut out);
    }
    assert!(closes(&mut out).is_empty());
    state.credit(LINK, 1_000);
    state.queue(at(30), LINK, place(Priority::Carried, 0), ShortId([1; 8]));
    assert_eq!(state.next_due(&mut out), Some((LINK, ShortId([1; 8]))), "and envelopes go on");
}

#[test]
fn a_neighbour_counts_once_over_two_media_whatever_their_numbers_and_after_the_first_link_is_gone() {
    let (mut state, mut out) = (state(Config::default()), Outbox::default());
    // A transport numbers its links on its own: the younger one may have the lower number.
    let (first, second) = (LinkId(1 << 32), LinkId(2));
    for (link, profile, mono) in [(first, Profile::BLE, 0), (second, Profile::LAN, 1_000)] {
        state.up(at(mono), link, Role::Dialer, [2; 32], profile, &mut out);
        assert_eq!(state.receive(at(mono), link, &hello(1, 1, 9), || ROOT, &mut out), Received::Ready);
        assert_eq!(state.neighbour(link), first);
    }
    assert_eq!(state.neighbour(first), first);
    assert!(state.down(first));
    assert_eq!(state.neighbour(second), first, "what it confirmed over the first counts");
    assert_eq!(greet(&mut state, 7, Role::Dialer, SECRET, &mut out), Received::Ready);
    assert_eq!(state.neighbour(LinkId(7)), LinkId(7));
}

#[test]
fn a_link_to_oneself_is_closed() {
    let (mut state, mut out) = (state(Config::default()), Outbox::default());
    state.up(at(0), LINK, Role::Dialer, [2; 32], Profile::LAN, &mut out);
    let Some(Output::Send { frame, .. }) = out.pop() else { panic!("no hello") };
    state.receive(at(0), LINK, &frame, || ROOT, &mut out);
    assert_eq!(closes(&mut out), [CloseReason::Duplicate]);
}

/// The instance that a new link shows.
fn shows(state: &mut State, link: LinkId, profile: Profile) -> [u8; 16] {
    let mut out = Outbox::default();
    state.up(at(0), link, Role::Dialer, [2; 32], profile, &mut out);
    let [Frame::Hello(hello)] = &frames(&mut out)[..] else { panic!("no hello") };
    hello.instance
}

#[test]
fn after_a_rotation_links_show_another_instance_though_links_over_another_medium_stand() {
    let mut state = state(Config::default());
    let before = shows(&mut state, LINK, Profile::LAN);
    assert_eq!(shows(&mut state, LinkId(2), Profile::BLE), before, "one neighbour over two media is known");
    assert!(state.down(LinkId(2)));
    state.rotated();
    assert_ne!(shows(&mut state, LinkId(3), Profile::BLE), before);
}

#[test]
fn a_link_to_oneself_that_shows_what_was_shown_before_a_rotation_is_closed() {
    let mut state = state(Config::default());
    let before = shows(&mut state, LINK, Profile::LAN);
    state.rotated();
    let (mut out, second) = (Outbox::default(), LinkId(2));
    state.up(at(0), second, Role::Listener, [2; 32], Profile::LAN, &mut out);
    let hello =
        Hello { min: 1, max: 1, capabilities: 0, instance: before, nonce: [8; 16], tokens: vec![[3; 8]; 64] };
    state.receive(at(0), second, &Frame::Hello(hello).to_bytes(), || ROOT, &mut out);
    assert_eq!(closes(&mut out), [CloseReason::Duplicate]);
}

#[test]
fn bulk_waits_for_credit_and_public_things_do_not() {
    let (mut state, mut out) = ready(Config::default());
    let id = |n: u8| ShortId([n; 8]);
    state.queue(at(0), LINK, place(Priority::Carried, 0), id(1));
    state.queue(at(0), LINK, place(Priority::Carried, 1), id(2));
    state.queue(at(0), LINK, place(Priority::Public, 0), id(3));
    assert_eq!(state.next_due(&mut out), Some((LINK, id(3))));
    assert_eq!(state.next_due(&mut out), None);
    state.credit(LINK, 100);
    assert_eq!(state.next_due(&mut out), Some((LINK, id(1))));
    state.send_bulk(at(0), LINK, vec![0; 300], &mut out);
    assert_eq!(state.next_due(&mut out), None, "200 in debt");
    state.credit(LINK, 201);
    assert_eq!(state.next_due(&mut out), Some((LINK, id(2))));
}

#[test]
fn on_a_slow_link_names_wait_for_credit_by_turns_with_envelopes_and_calls_pass_them() {
    let (mut state, mut out) =
        ready_over(Config::default(), Profile { typical_rate: 20_000, ..Profile::LAN });
    let id = |n: u8| ShortId([n; 8]);
    let types = |out: &mut Outbox| -> Vec<(Lane, u8)> {
        let sends = core::iter::from_fn(|| out.pop());
        let of = |output| {
            if let Output::Send { lane, frame, .. } = output { Some((lane, frame[0])) } else { None }
        };
        sends.filter_map(of).collect()
    };
    types(&mut out);
    state.say(at(0), LINK, Frame::Have(vec![id(1)]), &mut out);
    state.say(at(0), LINK, Frame::Kept(vec![id(2)]), &mut out);
    state.queue(at(0), LINK, place(Priority::Carried, 0), id(3));
    state.say(at(0), LINK, Frame::Calls { hops: 62, ids: vec![id(4)] }, &mut out);
    assert!(state.is_loaded(LINK));
    assert_eq!((state.next_due(&mut out), types(&mut out)), (None, vec![(Lane::Control, 15)]));
    state.credit(LINK, 400);
    assert_eq!(state.next_due(&mut out), Some((LINK, id(3))));
    state.send_bulk(at(0), LINK, vec![7; 300], &mut out);
    assert_eq!(state.next_due(&mut out), None);
    assert_eq!(types(&mut out), [(Lane::Bulk, 5), (Lane::Bulk, 7), (Lane::Bulk, 8)]);
    assert!(!state.is_loaded(LINK));
}

#[test]
fn a_full_queue_drops_and_counts() {
    let (mut state, _) = ready(Config { queue: 3, ..Config::default() });
    for n in 0..10 {
        state.queue(at(0), LINK, place(Priority::Carried, 0), ShortId([n; 8]));
    }
    assert_eq!((state.queued(LINK), state.counters().dropped), (3, 7));
}
