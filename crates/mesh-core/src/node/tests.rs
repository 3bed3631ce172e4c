use super::*;
use crate::border::{Command, Profile, Remark, Reply, Role};
use crate::crypto::Beacon;
use crate::crypto::beacon::BeaconKey;
use crate::id::{CommandId, LinkId, ShortId};
use crate::store::Memory;
use crate::time::Wall;
use crate::view::{ContactState, MessageState};
use crate::wire::Frame;
use crate::wire::beacon::BeaconContent;
use crate::wire::frame::Hello;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

mod groups;
mod joins;

/// A few nodes whose frames arrive at once and in order, over time that stands still unless moved.
struct Village {
    now: Now,
    nodes: Vec<(Node, Memory, Vec<Event>)>,
    /// Both ends of each link.
    links: Vec<(LinkId, usize, usize)>,
    frames: VecDeque<(LinkId, usize, Vec<u8>)>,
    next: u64,
}

impl Village {
    fn new(names: &[&str]) -> Self {
        Self::with(names, &Config::default())
    }

    fn with(names: &[&str], config: &Config) -> Self {
        let now = Now { mono: Time(5_000), wall: Wall(1_800_000_000) };
        let mut village = Self { now, nodes: vec![], links: vec![], frames: VecDeque::new(), next: 1 };
        for (n, name) in (1u8..).zip(names) {
            let memory = Memory::default();
            let node = Node::create(config.clone(), [n; 32], now, name, Box::new(memory.clone())).unwrap();
            village.nodes.push((node, memory, vec![]));
            village.drain(usize::from(n) - 1);
        }
        village
    }

    fn input(&mut self, at: usize, input: Input<'_>) {
        self.nodes[at].0.handle(self.now, input);
        self.drain(at);
    }

    fn drain(&mut self, at: usize) {
        let mut ops = vec![];
        while let Some(output) = self.nodes[at].0.poll_output() {
            match output {
                Output::Store(op) => ops.push(op),
                Output::Send { link, frame, .. } => {
                    let ends = self.links.iter().find(|(l, ..)| *l == link);
                    if let Some(&(_, a, b)) = ends {
                        self.frames.push_back((link, if at == a { b } else { a }, frame));
                    }
                }
                Output::Notify(_, event) => self.nodes[at].2.push(event),
                Output::Close { link, .. } => self.links.retain(|(l, ..)| *l != link),
                Output::Advertise { .. } | Output::Broadcast { .. } | Output::Keep { .. } => {}
            }
        }
        self.nodes[at].1.apply(ops);
    }

    fn settle(&mut self) {
        let mut budget = 100_000;
        while self.step() {
            budget -= 1;
            assert!(budget > 0, "frames without end");
        }
    }

    /// One frame arrives; whether there was one.
    fn step(&mut self) -> bool {
        let Some((link, to, frame)) = self.frames.pop_front() else { return false };
        if self.links.iter().any(|(l, ..)| *l == link) {
            self.input(to, Input::Frame { link, bytes: &frame });
            let credit = u32::try_from(frame.len()).unwrap();
            let (_, a, b) = self.links.iter().find(|(l, ..)| *l == link).copied().unwrap_or((link, to, to));
            self.input(if to == a { b } else { a }, Input::LinkReady { link, credit });
        }
        true
    }

    fn join(&mut self, a: usize, b: usize) -> LinkId {
        let link = self.link(a, b);
        self.settle();
        link
    }

    /// Two are linked; no frame has arrived yet.
    fn link(&mut self, a: usize, b: usize) -> LinkId {
        let link = LinkId(self.next);
        self.next += 1;
        self.links.push((link, a, b));
        let binding = [u8::try_from(link.0).unwrap(); 32];
        for (at, role) in [(a, Role::Dialer), (b, Role::Listener)] {
            self.input(at, Input::LinkUp { link, role, binding, profile: Profile::LAN });
            self.input(at, Input::LinkReady { link, credit: 256 * 1024 });
        }
        link
    }

    fn part(&mut self, link: LinkId) {
        let Some(at) = self.links.iter().position(|(l, ..)| *l == link) else { return };
        let (_, a, b) = self.links.remove(at);
        self.input(a, Input::LinkDown { link });
        self.input(b, Input::LinkDown { link });
    }

    fn pass(&mut self, span: Duration) {
        let end = self.now.mono + span;
        for _ in 0..100_000 {
            let next =
                (0..self.nodes.len()).filter_map(|n| Some((self.nodes[n].0.next_wakeup()?.0, n))).min();
            let Some((due, at)) = next.filter(|(due, _)| *due <= end) else { break };
            let step = due.since(self.now.mono);
            self.now.mono = self.now.mono.max(due);
            self.now.wall.0 += step.as_secs();
            self.input(at, Input::Tick);
            self.settle();
        }
        self.now.mono = end;
    }

    fn command(&mut self, at: usize, command: Command) -> Result<Reply, crate::Refusal> {
        self.next += 1;
        let id = CommandId(self.next);
        self.input(at, Input::Command(id, command));
        self.settle();
        let answer = self.nodes[at].2.iter().rev().find_map(|event| match event {
            Event::Answered { command, result } if *command == id => Some(result.clone()),
            _ => None,
        });
        answer.expect("every command is answered")
    }

    fn account(&self, at: usize) -> AccountId {
        self.nodes[at].0.identity().account
    }

    /// `b` adds `a`'s link and the other way round.
    fn introduce(&mut self, a: usize, b: usize) {
        for (at, of) in [(a, b), (b, a)] {
            let link = self.nodes[of].0.identity().link;
            self.command(at, Command::Add { link, petname: None }).unwrap();
        }
    }

    fn send(&mut self, from: usize, to: usize, text: &str) -> MessageId {
        let to = self.account(to);
        match self.command(from, Command::Send { to: to.into(), text: text.into(), message: None }) {
            Ok(Reply::Sent(id)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn texts(&self, at: usize, with: usize) -> Vec<String> {
        let views = self.nodes[at].0.messages(Some(self.account(with).into())).unwrap();
        views.into_iter().filter(|v| v.from.is_some()).map(|v| v.text).collect()
    }

    fn state(&self, at: usize, id: MessageId) -> MessageState {
        self.nodes[at].0.info(self.now, id).unwrap().unwrap().state
    }

    fn restart(&mut self, at: usize) {
        let links: Vec<_> = self.links.iter().filter(|(_, a, b)| *a == at || *b == at).map(|l| l.0).collect();
        for link in links {
            self.part(link);
        }
        let memory = self.nodes[at].1.snapshot();
        self.next += 1;
        let seed = [u8::try_from(100 + self.next).unwrap(); 32];
        let node = Node::restore(Config::default(), seed, self.now, Box::new(memory.clone())).unwrap();
        self.nodes[at] = (node, memory, vec![]);
        self.drain(at);
    }
}

#[test]
fn two_neighbours_exchange_a_text_and_its_receipt() {
    let mut village = Village::new(&["Asha", "Bela"]);
    village.introduce(0, 1);
    village.join(0, 1);
    village.pass(Duration::from_secs(30));
    assert_eq!(village.nodes[1].0.contacts()[0].state, ContactState::Introduced);
    assert_eq!(village.nodes[1].0.contacts()[0].name, "Asha");
    let id = village.send(0, 1, "hello");
    village.pass(Duration::from_secs(30));
    assert_eq!(village.texts(1, 0), ["hello"]);
    assert_eq!(village.state(0, id), MessageState::Delivered);
}

#[test]
fn a_text_crosses_a_partition_through_somebody_who_knows_neither() {
    let mut village = Village::new(&["Asha", "Courier", "Chandra"]);
    village.introduce(0, 2);
    let mut ids = vec![];
    for n in 0..20 {
        ids.push(village.send(0, 2, &format!("to Chandra {n}")));
    }
    assert_eq!(village.state(0, ids[0]), MessageState::Waiting);
    for _ in 0..3 {
        let link = village.join(0, 1);
        village.pass(Duration::from_secs(70));
        village.part(link);
        assert!(village.state(0, ids[0]) >= MessageState::HandedOn);
        let link = village.join(1, 2);
        village.pass(Duration::from_secs(70));
        village.part(link);
    }
    assert_eq!(village.texts(2, 0), (0..20).map(|n| format!("to Chandra {n}")).collect::<Vec<_>>());
    for id in ids {
        assert_eq!(village.state(0, id), MessageState::Delivered);
    }
    assert!(village.nodes[1].0.contacts().is_empty());
}

#[test]
fn a_neighbour_sees_no_difference_between_what_is_ours_and_what_we_carry() {
    let mut village = Village::new(&["Asha", "Courier", "Chandra"]);
    village.introduce(0, 2);
    village.send(0, 2, "for Chandra");
    let link = village.join(0, 1);
    village.pass(Duration::from_secs(1));
    village.part(link);
    village.join(1, 2);
    village.pass(Duration::from_millis(500));
    assert_eq!(village.texts(2, 0), ["for Chandra"]);
    let carried = |village: &Village, at: usize| village.nodes[at].0.status(village.now).carried_envelopes;
    assert!(carried(&village, 1) > 0);
    assert_eq!(carried(&village, 2), carried(&village, 1));
    village.pass(Duration::from_secs(120));
    assert_eq!(carried(&village, 1), carried(&village, 2));
}

#[test]
fn a_stranger_who_has_a_link_becomes_a_request_and_is_accepted() {
    let mut village = Village::new(&["Asha", "Bela"]);
    let link = village.nodes[1].0.identity().link;
    village.command(0, Command::Add { link, petname: Some("B".into()) }).unwrap();
    let id = village.send(0, 1, "do you remember me?");
    village.join(0, 1);
    village.pass(Duration::from_secs(30));
    let contact = village.nodes[1].0.contacts().remove(0);
    assert_eq!((contact.state, contact.name.as_str()), (ContactState::Request, "Asha"));
    assert_eq!(village.state(0, id), MessageState::HandedOn);
    village.command(1, Command::Accept { account: contact.account }).unwrap();
    village.pass(Duration::from_secs(30));
    assert_eq!(village.state(0, id), MessageState::Delivered);
    village.send(1, 0, "yes!");
    village.pass(Duration::from_secs(30));
    assert_eq!(village.texts(0, 1), ["yes!"]);
}

/// Whom the links of `at` proved to be there.
fn recognised(village: &Village, at: usize) -> Vec<Option<AccountId>> {
    village.nodes[at].0.peers(village.now).into_iter().map(|peer| peer.contact).collect()
}

#[test]
fn a_request_is_a_stranger_on_links_until_it_is_accepted_and_again_once_it_is_blocked() {
    let mut village = Village::new(&["Asha", "Bela"]);
    let link = village.nodes[1].0.identity().link;
    village.command(0, Command::Add { link, petname: None }).unwrap();
    village.send(0, 1, "do you remember me?");
    village.join(0, 1);
    village.pass(Duration::from_secs(30));
    let asha = village.account(0);
    assert_eq!(village.nodes[1].0.contacts()[0].state, ContactState::Request);
    assert_eq!((recognised(&village, 0), recognised(&village, 1)), (vec![None], vec![None]));
    village.command(1, Command::Accept { account: asha }).unwrap();
    village.send(1, 0, "yes!");
    village.pass(Duration::from_secs(30));
    assert_eq!(recognised(&village, 0), [Some(village.account(1))]);
    assert_eq!(recognised(&village, 1), [Some(asha)]);
    village.command(1, Command::Block { account: asha }).unwrap();
    village.pass(Duration::from_secs(1));
    assert_eq!((recognised(&village, 0), recognised(&village, 1)), (vec![None], vec![None]));
    village.send(0, 1, "why?");
    village.pass(Duration::from_secs(30));
    assert_eq!(village.links.len(), 1, "who is no contact any more does no wrong by writing");
}

#[test]
fn everything_survives_a_restart_at_any_step() {
    let mut village = Village::new(&["Asha", "Bela"]);
    village.introduce(0, 1);
    for round in 0..6 {
        village.restart(round % 2);
        let id = village.send(round % 2, (round + 1) % 2, &format!("round {round}"));
        village.restart(round % 2);
        village.join(0, 1);
        village.pass(Duration::from_secs(30));
        village.restart((round + 1) % 2);
        assert_eq!(village.state(round % 2, id), MessageState::Delivered, "round {round}");
    }
    assert_eq!(village.texts(1, 0), ["round 0", "round 2", "round 4"]);
    assert_eq!(village.texts(0, 1), ["round 1", "round 3", "round 5"]);
}

#[test]
fn a_text_of_64_kib_arrives_whole_and_is_read() {
    let mut village = Village::new(&["Asha", "Bela"]);
    village.introduce(0, 1);
    village.join(0, 1);
    village.pass(Duration::from_secs(30));
    let text: String = (0..65_536).map(|i| char::from(b'a' + u8::try_from(i % 26).unwrap())).collect();
    let id = village.send(0, 1, &text);
    village.pass(Duration::from_secs(30));
    assert_eq!(village.texts(1, 0), [text]);
    let from = village.account(0);
    village.command(1, Command::MarkRead { within: from.into(), messages: None }).unwrap();
    village.pass(Duration::from_secs(30));
    assert_eq!(village.state(0, id), MessageState::Read);
    assert_eq!(village.nodes[0].0.info(village.now, id).unwrap().unwrap().hops, Some(1));
}

#[test]
fn only_what_was_seen_counts_as_read() {
    let mut village = Village::new(&["Asha", "Bela"]);
    village.introduce(0, 1);
    village.join(0, 1);
    let (seen, unseen) = (village.send(0, 1, "one"), village.send(0, 1, "two"));
    village.pass(Duration::from_secs(30));
    let from = village.account(0);
    village.command(1, Command::MarkRead { within: from.into(), messages: Some(vec![seen]) }).unwrap();
    village.pass(Duration::from_secs(30));
    assert_eq!(village.state(0, seen), MessageState::Read);
    assert_eq!(village.state(0, unseen), MessageState::Delivered);
}

#[test]
fn a_refused_add_changes_nothing() {
    let mut village = Village::new(&["Asha", "Bela"]);
    let link = village.nodes[1].0.identity().link;
    let known = |village: &Village| village.nodes[0].1.count(Table::Session);
    let before = known(&village);
    let refused = village.command(0, Command::Add { link, petname: Some("x".repeat(65)) });
    assert!(matches!(refused, Err(crate::Refusal::Length { .. })), "{refused:?}");
    assert_eq!(known(&village), before);
}

#[test]
fn a_beacon_reaches_everybody_and_is_taken_back() {
    let mut village = Village::new(&["Asha", "Bela", "Chandra"]);
    village.join(0, 1);
    village.join(1, 2);
    let beacon = Command::Beacon { kind: crate::BeaconKind::Sos, text: "roof".into(), position: None };
    let Ok(Reply::Beacon(view)) = village.command(0, beacon) else { panic!("published") };
    village.pass(Duration::from_secs(1));
    let shown = village.nodes[2].0.beacons(village.now);
    assert_eq!((shown[0].text.as_str(), shown[0].cancelled), ("roof", false));
    village.command(0, Command::BeaconCancel { id: view.id }).unwrap();
    village.pass(Duration::from_secs(1));
    assert!(village.nodes[2].0.beacons(village.now)[0].cancelled);
}

/// A stranger's link to `at` that this test speaks for, greeted.
fn stranger(village: &mut Village, at: usize, link: LinkId) {
    let number = u8::try_from(link.0).unwrap();
    let (binding, profile) = ([number; 32], Profile::LAN);
    village.input(at, Input::LinkUp { link, role: Role::Listener, binding, profile });
    let tokens = vec![[number; 8]; crate::wire::frame::TOKENS];
    let (instance, nonce) = ([number; 16], [number; 16]);
    says(
        village,
        at,
        link,
        &Frame::Hello(Hello { min: 1, max: 1, capabilities: 0, instance, nonce, tokens }),
    );
}

/// Takes in a frame; the names that are asked for then.
fn says(village: &mut Village, at: usize, link: LinkId, frame: &Frame) -> Vec<ShortId> {
    village.nodes[at].0.handle(village.now, Input::Frame { link, bytes: &frame.to_bytes() });
    asked(village, at)
}

/// The names that `at` asks its neighbours for.
fn asked(village: &mut Village, at: usize) -> Vec<ShortId> {
    let mut asked = vec![];
    while let Some(output) = village.nodes[at].0.poll_output() {
        if let Output::Send { frame, .. } = output
            && let Ok(Frame::Want { ids, .. }) = Frame::from_bytes(&frame)
        {
            asked.extend(ids);
        }
    }
    asked
}

/// A call of one event with this number.
fn call(key: &BeaconKey, seq: u16) -> Beacon {
    let content = BeaconContent {
        what: crate::BeaconKind::Sos as u8,
        seq,
        minute: 0,
        lifetime: Lifetime::HalfDay,
        position: None,
        accuracy: 0,
        battery: 255,
        people: 0,
        hint: [0; 8],
        text: String::new(),
    };
    key.sign(&content, 12).unwrap()
}

#[test]
fn what_was_superseded_before_it_came_is_asked_of_nobody_again() {
    let mut village = Village::new(&["Asha"]);
    let key = BeaconKey::generate(&mut Rng::new([1; 32]));
    stranger(&mut village, 0, LinkId(1));
    says(&mut village, 0, LinkId(1), &Frame::Public(call(&key, u16::MAX).to_bytes()));
    let old: Vec<Beacon> = (1..40).map(|seq| call(&key, seq)).collect();
    let names: Vec<ShortId> = old.iter().map(|beacon| beacon.id().short()).collect();
    assert_eq!(says(&mut village, 0, LinkId(1), &Frame::Have(names.clone())), names);
    for beacon in &old {
        says(&mut village, 0, LinkId(1), &Frame::Public(beacon.to_bytes()));
    }
    stranger(&mut village, 0, LinkId(2));
    assert_eq!(says(&mut village, 0, LinkId(2), &Frame::Have(names)), []);
    for _ in 0..30 {
        // Nobody is asked later either, as somebody would be who has what another was asked for.
        village.now.mono = village.now.mono + Duration::from_secs(1);
        village.nodes[0].0.handle(village.now, Input::Tick);
        assert_eq!(asked(&mut village, 0), []);
    }
}

#[test]
fn attack_43_a_call_that_came_without_hops_goes_on_when_a_better_copy_comes_by_air_or_link() {
    for by_air in [true, false] {
        let mut village = Village::new(&["Asha", "Bela"]);
        village.join(0, 1);
        stranger(&mut village, 0, LinkId(9));
        let beacon = call(&BeaconKey::generate(&mut Rng::new([1; 32])), 1);
        let mut spent = beacon.clone();
        spent.set_mutable(0, 0);
        for bytes in [spent.to_bytes(), beacon.to_bytes()] {
            assert!(village.nodes[1].0.beacons(village.now).is_empty());
            if by_air {
                village.input(0, Input::Overheard { medium: crate::Medium::Ble, bytes: &bytes });
            } else {
                village.input(0, Input::Frame { link: LinkId(9), bytes: &Frame::Public(bytes).to_bytes() });
            }
            village.settle();
        }
        assert_eq!(village.nodes[1].0.beacons(village.now).len(), 1, "by air: {by_air}");
    }
}

#[test]
fn own_beacons_beyond_the_most_are_refused_until_one_is_taken_back() {
    let mut village = Village::new(&["Asha"]);
    let beacon = || Command::Beacon { kind: crate::BeaconKind::Sos, text: "roof".into(), position: None };
    let views: Vec<_> = (0..beacons::MAX_OWN).map(|_| village.command(0, beacon()).unwrap()).collect();
    assert!(matches!(village.command(0, beacon()), Err(crate::Refusal::Full { .. })));
    let Reply::Beacon(first) = &views[0] else { panic!("published") };
    village.command(0, Command::BeaconCancel { id: first.id.clone() }).unwrap();
    village.command(0, beacon()).unwrap();
}

fn sos(village: &mut Village, at: usize) -> String {
    let command = Command::Beacon { kind: crate::BeaconKind::Sos, text: "cut off".into(), position: None };
    match village.command(at, command) {
        Ok(Reply::Beacon(view)) => view.id,
        other => panic!("{other:?}"),
    }
}

fn shows(village: &Village, at: usize, id: &str) -> Option<bool> {
    let beacons = village.nodes[at].0.beacons(village.now);
    beacons.into_iter().find(|beacon| beacon.id == id).map(|beacon| beacon.cancelled)
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_call_for_help_is_said_again_until_it_is_taken_back() {
    let mut village = Village::new(&["Asha", "Bela"]);
    village.join(0, 1);
    let id = sos(&mut village, 0);
    village.pass(40 * HOUR);
    assert_eq!((shows(&village, 0, &id), shows(&village, 1, &id)), (Some(false), Some(false)));
    village.restart(0);
    village.join(0, 1);
    village.pass(20 * HOUR);
    assert_eq!(shows(&village, 1, &id), Some(false));
    village.command(0, Command::BeaconCancel { id: id.clone() }).unwrap();
    assert_eq!(shows(&village, 1, &id), Some(true));
    village.pass(14 * HOUR);
    assert_eq!((shows(&village, 0, &id), shows(&village, 1, &id)), (None, None));
}

#[test]
fn a_call_for_help_that_nobody_takes_back_ends_after_14_days() {
    let mut village = Village::new(&["Asha"]);
    let id = sos(&mut village, 0);
    village.pass(24 * 14 * HOUR);
    assert_eq!(shows(&village, 0, &id), Some(false));
    village.pass(24 * HOUR);
    assert_eq!(shows(&village, 0, &id), None);
}

#[test]
fn that_somebody_is_safe_is_said_once() {
    let mut village = Village::new(&["Asha"]);
    let command = Command::Beacon { kind: crate::BeaconKind::Safe, text: String::new(), position: None };
    village.command(0, command).unwrap();
    village.pass(13 * HOUR);
    assert!(village.nodes[0].0.beacons(village.now).is_empty());
}

#[test]
fn own_events_beyond_the_most_are_refused_and_taking_one_back_makes_room() {
    let mut village = Village::new(&["Asha"]);
    let ids: Vec<_> = (0..MAX_OWN).map(|_| sos(&mut village, 0)).collect();
    let one_more = Command::Beacon { kind: crate::BeaconKind::Sos, text: String::new(), position: None };
    let refused = village.command(0, one_more);
    assert_eq!(refused, Err(crate::Refusal::Full { what: "beacons", limit: MAX_OWN }));
    village.command(0, Command::BeaconCancel { id: ids[0].clone() }).unwrap();
    sos(&mut village, 0);
}

#[test]
fn first_contacts_that_wait_for_trials_are_bounded_and_mail_passes_them() {
    let mut village = Village::new(&["Asha", "Bela"]);
    village.introduce(0, 1);
    village.join(0, 1);
    village.pass(Duration::from_secs(30));
    let node = &mut village.nodes[1].0;
    for n in 0..MAX_RETRIES + 100 {
        let id = core::array::from_fn(|i| n.to_le_bytes()[i % 8]);
        node.retry_later(Time(5_000 + u64::try_from(n).unwrap()), EnvelopeId(id));
    }
    assert_eq!(node.retries.len(), MAX_RETRIES);
    let id = village.send(0, 1, "hello");
    assert_eq!(village.texts(1, 0), ["hello"]);
    assert!(village.state(0, id) >= MessageState::Delivered);
    village.pass(Duration::from_secs(60));
    assert!(village.nodes[1].0.retries.is_empty());
}

#[test]
fn what_a_full_bag_let_go_is_asked_for_again_with_new_keys_but_only_every_15_minutes() {
    let mut village = Village::new(&["Asha"]);
    let now = village.now;
    let node = &mut village.nodes[0].0;
    let tries = [0, 60, 899, 900, 901].map(|seconds| {
        node.owes_another_try = true;
        node.try_again(Now { mono: now.mono + Duration::from_secs(seconds), ..now });
        !node.owes_another_try
    });
    assert_eq!(tries, [true, false, false, true, false]);
}

fn session_records(village: &Village, at: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut records = vec![];
    let mut visit = |key: &[u8], value: &[u8]| records.push((key.to_vec(), value.to_vec()));
    village.nodes[at].1.scan(Table::Session, &mut visit).unwrap();
    records
}

#[test]
fn messages_without_room_in_the_bag_use_no_keys_up_and_follow_as_room_comes() {
    let mut config = Config::default();
    config.mesh.carry.quota = 60_000;
    let mut village = Village::with(&["Asha", "Bela"], &config);
    village.introduce(0, 1);
    let link = village.join(0, 1);
    village.pass(Duration::from_secs(90));
    village.part(link);
    let ids: Vec<_> = (0..100).map(|n| village.send(0, 1, &n.to_string())).collect();
    let before = session_records(&village, 0);
    village.pass(Duration::from_secs(600));
    assert!(session_records(&village, 0) == before, "waiting seals nothing");
    village.join(0, 1);
    village.pass(Duration::from_secs(600));
    assert!(ids.iter().all(|id| village.state(0, *id) >= MessageState::Delivered));
    assert_eq!(village.texts(1, 0).len(), 100);
}

#[test]
fn what_a_part_of_storage_lost_is_sealed_again_after_the_restart() {
    let mut village = Village::new(&["Asha", "Bela"]);
    village.introduce(0, 1);
    let link = village.join(0, 1);
    village.pass(Duration::from_secs(30));
    village.part(link);
    let id = village.send(0, 1, "hello");
    let mut keys = vec![];
    village.nodes[0].1.scan(Table::Carried, &mut |key, _| keys.push(key.to_vec())).unwrap();
    assert!(!keys.is_empty());
    village.nodes[0].1.apply(keys.into_iter().map(|key| crate::StoreOp::delete(Table::Carried, key)));
    village.restart(0);
    village.join(0, 1);
    village.pass(Duration::from_secs(30));
    assert_eq!(village.texts(1, 0), ["hello"]);
    assert!(village.state(0, id) >= MessageState::Delivered);
}

/// Storage that fails from a moment on.
#[derive(Clone, Default)]
struct Failing(Memory, Arc<AtomicBool>);

impl Read for Failing {
    fn load(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        if self.1.load(Ordering::Relaxed) {
            return Err(ReadError { table, reason: "torn".to_owned() });
        }
        self.0.load(table, key)
    }

    fn scan(&self, table: Table, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), ReadError> {
        self.0.scan(table, visit)
    }
}

#[test]
fn a_command_that_storage_fails_in_the_middle_of_ends_the_run() {
    let mut village = Village::new(&["Asha", "Bo"]);
    village.introduce(0, 1);
    let message = village.send(0, 1, "hello");
    let storage = Failing(village.nodes[0].1.clone(), Arc::default());
    let config = Config::default();
    village.nodes[0].0 = Node::restore(config, [9; 32], village.now, Box::new(storage.clone())).unwrap();
    village.drain(0);
    storage.1.store(true, Ordering::Relaxed);
    let refused = village.command(0, Command::Hide { message, within: None });
    assert!(
        matches!(refused, Err(Refusal::Message { .. })),
        "what needs no storage is a refusal: {refused:?}"
    );
    assert!(!village.nodes[0].2.iter().any(|event| matches!(event, Event::StorageFailed(_))));
    let refused = village.command(0, Command::Remark { message, within: None, remark: Remark::Delete });
    assert!(matches!(refused, Err(Refusal::Storage(_))), "{refused:?}");
    assert!(village.nodes[0].2.iter().any(|event| matches!(event, Event::StorageFailed(_))));
}
