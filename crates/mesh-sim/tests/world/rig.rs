//! What all tests here need: people, what they said, neighbours that do not keep to the protocol.

use mesh_core::crypto::ratchet::{Fake, Ratchet, Vodozemac};
use mesh_core::crypto::seal::{FIRST_CLASS, FirstSeal, Noise, Sealer};
use mesh_core::crypto::session::Sessions;
use mesh_core::crypto::{ContactLink, OwnIdentity, VerifiedIntro};
use mesh_core::id::ShortId;
use mesh_core::rng::Rng;
use mesh_core::view::{ContactState, ContactView, MessageState};
use mesh_core::wire::frame::{Hello, MAX_NAMES, TOKENS};
use mesh_core::wire::{Body, Envelope, Frame, Lifetime, Message, codec};
use mesh_core::{
    AccountId, Ack, AckCommit, Command, EnvelopeId, Event, Memory, MessageId, Node, Now, Outbox, Output,
    Read, Reply, Role, StoreOp, Table, Tag, Time, Wall,
};
use mesh_sim::{NodeIx, Raw, World};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// A world with the seeded ratchet: cheaper, and the same in every run.
pub(crate) fn seeded(seed: u64) -> World {
    World::with(seed, |config, seed, now, name, store| {
        let read = Box::new(store.clone());
        let node = match name {
            Some(name) => Node::create_with(config, Box::new(Fake), seed, now, name, read),
            None => Node::restore_with(config, Box::new(Fake), seed, now, read),
        };
        node.expect("a node is built from what it stored itself")
    })
}

pub(crate) fn account(world: &World, ix: NodeIx) -> AccountId {
    world.node(ix).identity().account
}

pub(crate) fn link(world: &World, ix: NodeIx) -> ContactLink {
    ContactLink::from_text(&world.node(ix).identity().link).unwrap()
}

pub(crate) fn befriend(world: &mut World, a: NodeIx, b: NodeIx) {
    let link = world.node(b).identity().link;
    world.command(a, Command::Add { link, petname: None }).unwrap();
}

/// Both add each other, without a link between them yet.
pub(crate) fn acquaint(world: &mut World, a: NodeIx, b: NodeIx) {
    befriend(world, a, b);
    befriend(world, b, a);
}

pub(crate) fn contact(world: &World, at: NodeIx, of: AccountId) -> Option<ContactView> {
    world.node(at).contacts().into_iter().find(|contact| contact.account == of)
}

fn is_introduced(world: &World, at: NodeIx, of: NodeIx) -> bool {
    contact(world, at, account(world, of)).is_some_and(|c| c.state >= ContactState::Introduced)
}

/// Two people who know each other and have settled their sessions; connected.
pub(crate) fn pair_in(world: &mut World) -> (NodeIx, NodeIx) {
    let (a, b) = (world.add("Ada"), world.add("Ben"));
    acquaint(world, a, b);
    world.connect(a, b);
    assert!(world.run_until(MINUTE, |world| is_introduced(world, a, b) && is_introduced(world, b, a)));
    for (from, to) in [(a, b), (b, a)] {
        send(world, from, to, "hello there");
        world.run_for(20 * SECOND);
    }
    (a, b)
}

pub(crate) fn pair(seed: u64) -> (World, NodeIx, NodeIx) {
    let mut world = World::new(seed);
    let (a, b) = pair_in(&mut world);
    (world, a, b)
}

pub(crate) fn seeded_pair(seed: u64) -> (World, NodeIx, NodeIx) {
    let mut world = seeded(seed);
    let (a, b) = pair_in(&mut world);
    (world, a, b)
}

pub(crate) fn send(world: &mut World, from: NodeIx, to: NodeIx, text: &str) -> MessageId {
    let to = account(world, to);
    match world.command(from, Command::Send { to: to.into(), text: text.to_owned(), message: None }) {
        Ok(Reply::Sent(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// What others wrote to `at`, in the order of its conversations.
pub(crate) fn texts(world: &World, at: NodeIx) -> Vec<String> {
    let messages = world.node(at).messages(None).unwrap();
    messages.into_iter().filter(|m| m.from.is_some()).map(|m| m.text).collect()
}

/// What `from` wrote to `at`, in the conversation's order.
pub(crate) fn texts_from(world: &World, at: NodeIx, from: NodeIx) -> Vec<String> {
    let messages = world.node(at).messages(Some(account(world, from).into())).unwrap();
    messages.into_iter().filter(|m| m.from.is_some()).map(|m| m.text).collect()
}

pub(crate) fn state(world: &World, at: NodeIx, message: MessageId) -> MessageState {
    world.node(at).info(world.clocks(at), message).unwrap().unwrap().state
}

pub(crate) fn all_delivered(world: &World, at: NodeIx, ids: &[MessageId]) -> bool {
    ids.iter().all(|id| state(world, at, *id) >= MessageState::Delivered)
}

/// Events of a node since `from` that show something to a person.
pub(crate) fn shown(world: &World, ix: NodeIx, from: usize) -> Vec<Event> {
    let is_shown = |event: &&Event| {
        matches!(
            event,
            Event::Message(_) | Event::Contact { .. } | Event::Beacon(_) | Event::MessageState { .. }
        )
    };
    world.events(ix)[from..].iter().map(|(_, event)| event).filter(is_shown).cloned().collect()
}

/// The envelopes among what a node transmitted, in order.
pub(crate) fn envelopes(world: &World, ix: NodeIx) -> Vec<Envelope> {
    let frames = world.frames(ix).iter().filter_map(|sent| match Frame::from_bytes(&sent.frame) {
        Ok(Frame::Envelope(bytes)) => Envelope::from_bytes(&bytes).ok(),
        _ => None,
    });
    frames.collect()
}

/// Every key and value of these tables, one after the other.
pub(crate) fn bytes_of(memory: &Memory, tables: &[Table]) -> Vec<u8> {
    let mut all = Vec::new();
    for table in tables {
        let mut visit = |key: &[u8], value: &[u8]| {
            all.extend_from_slice(key);
            all.extend_from_slice(value);
        };
        memory.scan(*table, &mut visit).unwrap();
    }
    all
}

pub(crate) fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Removes everything of `tables`, as if it had never been stored.
pub(crate) fn wipe(memory: &Memory, tables: &[Table]) {
    for table in tables {
        let mut keys = Vec::new();
        memory.scan(*table, &mut |key, _| keys.push(key.to_vec())).unwrap();
        memory.apply(keys.into_iter().map(|key| StoreOp::delete(*table, key)));
    }
}

/// A hello of somebody whom nobody knows.
pub(crate) fn hello(instance: u8) -> Vec<u8> {
    let tokens = vec![[instance; 8]; TOKENS];
    let (instance, nonce) = ([instance; 16], [instance ^ 0xff; 16]);
    Frame::Hello(Hello { min: 1, max: 1, capabilities: 0, instance, nonce, tokens }).to_bytes()
}

/// A neighbour that offers what it is given, hands it out when asked, and answers signs of life.
pub(crate) struct Feeder {
    raw: Raw,
    offered: Arc<Mutex<BTreeMap<ShortId, Vec<u8>>>>,
}

impl Feeder {
    pub(crate) fn new(world: &mut World, to: NodeIx, instance: u8) -> Self {
        let raw = world.raw(to, Role::Listener);
        let offered = Arc::new(Mutex::new(BTreeMap::<ShortId, Vec<u8>>::new()));
        let held = Arc::clone(&offered);
        world.script(raw, move |frame| match Frame::from_bytes(frame) {
            Ok(Frame::Beat { ask: true, root }) => vec![Frame::Beat { ask: false, root }.to_bytes()],
            Ok(Frame::Want { ids, .. }) => {
                let held = held.lock().unwrap();
                let wanted = ids.iter().filter_map(|id| held.get(id));
                wanted.map(|bytes| Frame::Envelope(bytes.clone()).to_bytes()).collect()
            }
            _ => Vec::new(),
        });
        world.inject(raw, hello(instance));
        world.run_for(SECOND);
        Self { raw, offered }
    }

    /// Offers envelopes, as bytes on the air, and lets them cross.
    pub(crate) fn offer(&self, world: &mut World, envelopes: impl IntoIterator<Item = Vec<u8>>) {
        let mut names = Vec::new();
        for bytes in envelopes {
            let immutable = &bytes[..bytes.len() - 5];
            let name = EnvelopeId(*blake3::hash(immutable).as_bytes()).short();
            names.push(name);
            self.offered.lock().unwrap().insert(name, bytes);
        }
        for names in names.chunks(MAX_NAMES.min(200)) {
            world.inject(self.raw, Frame::Have(names.to_vec()).to_bytes());
            world.run_for(SECOND);
        }
    }

    /// Says anything.
    pub(crate) fn say(&self, world: &mut World, frame: Vec<u8>) {
        world.inject(self.raw, frame);
    }

    pub(crate) fn leave(self, world: &mut World) {
        world.hang(self.raw);
    }

    /// What came, oldest first, once.
    pub(crate) fn heard(&self, world: &mut World) -> Vec<Vec<u8>> {
        world.heard(self.raw)
    }
}

/// A device that seals whatever it likes.
pub(crate) struct Hostile {
    pub(crate) own: OwnIdentity,
    sessions: Sessions,
    memory: Memory,
    now: Now,
}

impl Hostile {
    pub(crate) fn new(seed: u8) -> Self {
        let (memory, now) = (Memory::default(), Now { mono: Time(1000), wall: Wall(1_767_225_600) });
        let mut out = Outbox::default();
        let own = OwnIdentity::create(&mut Rng::new([seed; 32]), &Vodozemac, now, &mut out).unwrap();
        let sessions = Sessions::new(Box::new(Vodozemac), Rng::new([seed ^ 0x55; 32]));
        apply(&memory, &mut out);
        Self { own, sessions, memory, now }
    }

    pub(crate) fn learn(&mut self, link: &ContactLink) {
        let mut out = Outbox::default();
        self.sessions.learn(self.now, link.intro(), Some(link.invite()), &mut out).unwrap();
        apply(&self.memory, &mut out);
    }

    /// An envelope of one content; the bytes for the air.
    pub(crate) fn seal(&mut self, to: AccountId, content: Vec<u8>) -> Vec<u8> {
        self.now.mono = self.now.mono + SECOND;
        let mut out = Outbox::default();
        let (read, life) = (&self.memory, Lifetime::Fortnight);
        let sealed = self.sessions.seal(self.now, &self.own, read, to.into(), life, &[content], &mut out);
        let mut envelope = sealed.unwrap().envelope;
        envelope.hops_left = 12;
        apply(&self.memory, &mut out);
        envelope.to_bytes()
    }
}

fn apply(memory: &Memory, out: &mut Outbox) {
    while let Some(output) = out.pop() {
        if let Output::Store(op) = output {
            memory.apply([op]);
        }
    }
}

/// A message as its author encodes it.
pub(crate) fn message(id: u8, body: Body) -> Vec<u8> {
    Message { id: MessageId([id; 16]), when: 1_767_225_600, lamport: 1, parents: Vec::new(), body }.to_bytes()
}

/// The private identity in a node's storage: what somebody who stole it has.
pub(crate) fn stolen(memory: &Memory, ratchet: &dyn Ratchet) -> OwnIdentity {
    OwnIdentity::restore(ratchet, Now::default(), memory).unwrap().unwrap()
}

/// A first contact to the owner of `to` that claims to come from `claimed`, sealed with the Noise key of
/// `seals`, around a share that nobody made; the bytes for the air.
pub(crate) fn forged_first(to: &ContactLink, claimed: &VerifiedIntro, seals: &OwnIdentity, n: u8) -> Vec<u8> {
    let parcel = ([n; 8], [0u8; 8], [0u8; 8], [n; 8], vec![n; 400]);
    let first = (
        claimed.to_intro(),
        claimed.bundle().seq,
        seals.kem_key().clone(),
        Ack([n; 16]),
        Vec::<EnvelopeId>::new(),
        parcel,
        false,
        Vec::<u8>::new(),
    );
    let header = Envelope::header(FIRST_CLASS, Lifetime::Fortnight, Tag([n; 16]), AckCommit([n; 16]));
    let prekey = to.intro().bundle().prekey;
    let psk = mesh_core::crypto::invite::invite_psk(&to.invite());
    let seal = FirstSeal {
        header: &header,
        from: seals.noise().private(),
        to: to.intro().cert(),
        prekey: &prekey,
        psk: &psk,
    };
    let body = Noise.seal_first(&seal, &codec::encode(&first), &mut Rng::new([n; 32])).unwrap();
    Envelope::new(header, &body, 12).unwrap().to_bytes()
}
