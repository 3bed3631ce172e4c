//! Who somebody is: attacks 1, 2, 3, 6, 7, 14 and 15 on whole nodes.

use crate::rig::*;
use mesh_core::crypto::ratchet::{Fake, Vodozemac};
use mesh_core::view::ContactState;
use mesh_core::wire::{Body, Envelope, Frame};
use mesh_core::{
    AccountId, Command, Config, Event, Input, Lane, LinkId, Memory, Node, Now, Output, Profile, Role, Time,
    Wall,
};
use mesh_sim::World;

#[test]
fn attack_01_somebody_who_hands_out_own_links_stays_unverified_and_the_numbers_differ() {
    let mut world = World::new(1);
    let (a, b, m) = (world.add("Ada"), world.add("Ben"), world.add("Mallory"));
    // Ada and Ben believe to have each other's links; both got Mallory's.
    let link = world.node(m).identity().link;
    for (at, petname) in [(a, "Ben"), (b, "Ada")] {
        world.command(at, Command::Add { link: link.clone(), petname: Some(petname.into()) }).unwrap();
        befriend(&mut world, m, at);
        world.connect(at, m);
    }
    world.run_for(MINUTE);
    send(&mut world, a, m, "is it you?");
    send(&mut world, b, m, "it is me");
    world.run_for(MINUTE);
    let (of_a, of_b) = (world.node(a).contacts(), world.node(b).contacts());
    assert_eq!((of_a.len(), of_b.len()), (1, 1));
    assert_eq!((of_a[0].state, of_b[0].state), (ContactState::Introduced, ContactState::Introduced));
    assert_ne!(of_a[0].safety_number, of_b[0].safety_number);
    // The words that each would read out are Mallory's, not the other's.
    assert_ne!(of_a[0].tag, world.node(b).identity().tag);
}

#[test]
fn attack_01_a_relayed_hello_proves_nobody() {
    let (mut world, a, b) = pair(2);
    world.disconnect(a, b);
    let (at_a, at_b) = (world.raw(a, Role::Listener), world.raw(b, Role::Dialer));
    let before = (world.events(a).len(), world.events(b).len());
    for _ in 0..2_000 {
        world.run_for(std::time::Duration::from_millis(5));
        for frame in world.heard(at_a) {
            world.inject(at_b, frame);
        }
        for frame in world.heard(at_b) {
            world.inject(at_a, frame);
        }
    }
    for (ix, before) in [(a, before.0), (b, before.1)] {
        let ups = world.events(ix)[before..].iter().filter_map(|(_, event)| match event {
            Event::PeerUp { contact, .. } => Some(*contact),
            _ => None,
        });
        assert_eq!(ups.collect::<Vec<Option<AccountId>>>(), [None]);
    }
}

#[test]
fn attack_02_a_known_persons_keys_in_foreign_hands_give_a_warning_and_never_the_badge() {
    let (mut world, a, b) = pair(3);
    world.disconnect(a, b);
    let ben = account(&world, b);
    world.command(a, Command::Verify { account: ben }).unwrap();
    let before = world.events(a).len();
    let mallory = Hostile::new(66);
    let forged = forged_first(&link(&world, a), link(&world, b).intro(), &mallory.own, 1);
    let feeder = Feeder::new(&mut world, a, 7);
    feeder.offer(&mut world, [forged]);
    world.run_for(MINUTE);
    let warned = |(_, event): &(u64, Event)| *event == Event::AuthMismatch { account: ben };
    assert_eq!(world.events(a)[before..].iter().filter(|event| warned(event)).count(), 1);
    assert!(shown(&world, a, before).is_empty());
    assert_eq!(world.node(a).contacts().len(), 1);
    assert_eq!(contact(&world, a, ben).unwrap().state, ContactState::Verified);
}

#[test]
fn attack_02_a_person_of_the_same_name_is_another_contact_without_the_badge() {
    let (mut world, a, b) = pair(4);
    let ben = account(&world, b);
    world.command(a, Command::Verify { account: ben }).unwrap();
    let m = world.add("Ben");
    befriend(&mut world, m, a);
    send(&mut world, m, a, "it is me, Ben");
    world.connect(m, a);
    world.run_for(MINUTE);
    let mallory = contact(&world, a, account(&world, m)).unwrap();
    assert_eq!((mallory.name.as_str(), mallory.state), ("Ben", ContactState::Request));
    assert!(mallory.confusable);
    let genuine = contact(&world, a, ben).unwrap();
    assert_eq!(genuine.state, ContactState::Verified);
    assert_ne!((mallory.tag, mallory.safety_number), (genuine.tag, genuine.safety_number));
}

#[test]
fn attack_03_what_a_linked_stranger_says_in_the_clear_shows_nothing() {
    let (mut world, a, b) = pair(5);
    let before = world.events(a).len();
    let plain = message(9, Body::Text { text: "this is Ben".into() });
    for kind in 0..=255u8 {
        let feeder = Feeder::new(&mut world, a, kind);
        let mut frame = vec![kind];
        frame.extend_from_slice(&plain);
        feeder.say(&mut world, frame);
        feeder.say(&mut world, Frame::Envelope(plain.clone()).to_bytes());
        feeder.say(&mut world, Frame::Public(plain.clone()).to_bytes());
        world.run_for(10 * SECOND);
        feeder.leave(&mut world);
    }
    assert!(shown(&world, a, before).is_empty());
    let faults = world.events(a)[before..].iter().filter(|(_, e)| matches!(e, Event::Fault { .. })).count();
    assert!(faults >= 256, "{faults} faults were counted");
    send(&mut world, b, a, "this is really Ben");
    world.run_for(MINUTE);
    assert_eq!(texts(&world, a).last().unwrap(), "this is really Ben");
}

/// A node outside a world, fed by hand.
struct Bench {
    node: Node,
    memory: Memory,
    now: Now,
    sent: Vec<Vec<u8>>,
}

impl Bench {
    fn of(store: &Memory, seed: u8) -> Self {
        let memory = store.snapshot();
        let now = Now { mono: Time(0), wall: Wall(1_767_300_000) };
        let read = Box::new(memory.clone());
        let node = Node::restore_with(Config::default(), Box::new(Fake), [seed; 32], now, read).unwrap();
        let mut bench = Self { node, memory, now, sent: Vec::new() };
        bench.drain();
        bench
    }

    fn input(&mut self, input: Input<'_>) {
        self.now.mono = self.now.mono + std::time::Duration::from_millis(1);
        self.node.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Store(op) => self.memory.apply([op]),
                Output::Send { frame, lane: Lane::Control | Lane::Bulk, .. } => self.sent.push(frame),
                _ => {}
            }
        }
    }

    fn up(&mut self, link: u64, role: Role) {
        let (link, binding) = (LinkId(link), [u8::try_from(link).unwrap(); 32]);
        self.input(Input::LinkUp { link, role, binding, profile: Profile::LAN });
        self.input(Input::LinkReady { link, credit: 1 << 20 });
    }

    fn frame(&mut self, link: u64, bytes: &[u8]) {
        self.input(Input::Frame { link: LinkId(link), bytes });
    }
}

/// Every order of `left` steps of one link among `right` steps of another.
fn interleavings(left: usize, right: usize) -> Vec<Vec<bool>> {
    if left == 0 || right == 0 {
        return vec![[vec![true; left], vec![false; right]].concat()];
    }
    let mut all = Vec::new();
    for (first, rest) in [(true, interleavings(left - 1, right)), (false, interleavings(left, right - 1))] {
        all.extend(rest.into_iter().map(|rest| [vec![first], rest].concat()));
    }
    all
}

#[test]
fn attack_06_the_author_shown_is_the_key_that_sealed_in_every_order_of_two_racing_links() {
    let mut world = seeded(6);
    let (a, b) = pair_in(&mut world);
    let m = world.add("Mallory");
    acquaint(&mut world, a, m);
    world.connect(m, a);
    world.run_for(MINUTE);
    world.disconnect(a, b);
    world.disconnect(m, a);
    let store = world.store(a).snapshot();
    let (bens, mallorys) = (account(&world, b), account(&world, m));
    world.record();
    send(&mut world, b, a, "by Ben");
    send(&mut world, m, a, "by Mallory");
    let mut sealed = Vec::new();
    for ix in [b, m] {
        world.connect(ix, a);
        world.run_for(SECOND);
        world.disconnect(ix, a);
        sealed.push(envelopes(&world, ix));
    }
    // Ben's own link brings Mallory's envelope, Mallory's link brings Ben's and claims to be Ben's.
    let hello_of = |ix, link: u64| {
        let mut bench = Bench::of(world.store(ix), 100 + u8::try_from(link).unwrap());
        bench.up(link, Role::Dialer);
        bench.sent.remove(0)
    };
    let (hello_b, hello_m) = (hello_of(b, 1), hello_of(m, 2));
    let Ok(Frame::Hello(claims)) = Frame::from_bytes(&hello_b) else { panic!("a hello") };
    let have = |of: &[Envelope]| vec![Frame::Have(of.iter().map(|e| e.id().short()).collect()).to_bytes()];
    let hand = |of: &[Envelope]| of.iter().map(|e| Frame::Envelope(e.to_bytes()).to_bytes()).collect();
    let left: [Vec<Vec<u8>>; 3] = [vec![hello_b], have(&sealed[1]), hand(&sealed[1])];
    let lie = vec![Frame::Tokens(claims.tokens).to_bytes()];
    let right = [vec![hello_m], lie, have(&sealed[0]), hand(&sealed[0])];
    let orders = interleavings(left.len(), right.len());
    assert_eq!(orders.len(), 35);
    for order in orders {
        let mut bench = Bench::of(&store, 8);
        bench.up(1, Role::Listener);
        bench.up(2, Role::Listener);
        let (mut left, mut right) = (left.iter(), right.iter());
        for is_left in &order {
            let (link, steps) = if *is_left { (1, &mut left) } else { (2, &mut right) };
            for frame in steps.next().unwrap() {
                bench.frame(link, frame);
            }
        }
        let messages = bench.node.messages(None).unwrap();
        let author = |text: &str| messages.iter().find(|m| m.text == text).map(|m| m.from);
        assert_eq!(author("by Ben"), Some(Some(bens)), "{order:?}");
        assert_eq!(author("by Mallory"), Some(Some(mallorys)), "{order:?}");
    }
}

#[test]
fn attack_07_a_forged_beginning_does_not_end_a_session() {
    let (mut world, a, b) = pair(7);
    let mallory = Hostile::new(66);
    let feeder = Feeder::new(&mut world, a, 7);
    let claimed = link(&world, b).intro().clone();
    let to = link(&world, a);
    let sessions = world.store(a).count(mesh_core::Table::Session);
    for n in 1..=50 {
        let forged = forged_first(&to, &claimed, &mallory.own, n);
        feeder.offer(&mut world, [forged]);
        if n % 10 == 0 {
            send(&mut world, b, a, &format!("still here {n}"));
            send(&mut world, a, b, &format!("so am I {n}"));
        }
    }
    assert_eq!(world.store(a).count(mesh_core::Table::Session).abs_diff(sessions) / 100, 0);
    world.run_for(MINUTE);
    for (at, from, text) in [(a, b, "still here"), (b, a, "so am I")] {
        let expected: Vec<_> = (1..=5).map(|n| format!("{text} {}", 10 * n)).collect();
        assert_eq!(texts_from(&world, at, from)[1..], expected);
    }
}

#[test]
fn attack_14_contents_name_no_author_and_a_borrowed_name_changes_nothing() {
    let (mut world, a, _) = pair(8);
    let mut mallory = Hostile::new(66);
    mallory.learn(&link(&world, a));
    let to = account(&world, a);
    let profile = Body::Profile { name: "Ben".into(), about: String::new(), profile_key: [1; 32] };
    let sealed = [message(1, profile), message(2, Body::Text { text: "from: Ben".into() })]
        .map(|m| mallory.seal(to, m));
    let feeder = Feeder::new(&mut world, a, 7);
    feeder.offer(&mut world, sealed);
    world.run_for(MINUTE);
    let messages = world.node(a).messages(None).unwrap();
    let lie = messages.iter().find(|m| m.text == "from: Ben").unwrap();
    assert_eq!(lie.from, Some(mallory.own.account_id()));
    assert_eq!(lie.conversation, mallory.own.account_id().into());
}

#[test]
fn attack_15_a_stolen_prekey_makes_a_request_of_a_stranger_and_nothing_of_a_friend() {
    let (mut world, a, b) = pair(9);
    let stranger = world.add("Stella");
    let feeder = Feeder::new(&mut world, b, 7);
    for (n, victim) in [(1, a), (2, stranger)] {
        // Whoever holds Ben's prekey can make the outer seal speak for anybody.
        let own = stolen(world.store(victim), &Vodozemac);
        let forged = forged_first(&link(&world, b), own.intro(), &own, n);
        feeder.offer(&mut world, [forged]);
    }
    world.run_for(MINUTE);
    assert_eq!(contact(&world, b, account(&world, a)).unwrap().state, ContactState::Introduced);
    assert_eq!(contact(&world, b, account(&world, stranger)).unwrap().state, ContactState::Request);
    assert_eq!(texts(&world, b), ["hello there"]);
    send(&mut world, a, b, "undisturbed");
    send(&mut world, b, a, "so it is");
    world.run_for(MINUTE);
    assert_eq!(texts(&world, b), ["hello there", "undisturbed"]);
    assert_eq!(texts(&world, a), ["hello there", "so it is"]);
}
