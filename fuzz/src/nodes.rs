//! A whole node between neighbours who send it whatever they like.

use super::rig::{Bytes, patched};
use core::time::Duration;
use mesh_core::crypto::BeaconKey;
use mesh_core::crypto::ratchet::Fake;
use mesh_core::id::ShortId;
use mesh_core::link::MAX_FRAME;
use mesh_core::wire::beacon::{BeaconContent, MAX_BEACON_TEXT};
use mesh_core::wire::frame::{Hello, MAX_NAMES, TOKENS};
use mesh_core::wire::{Envelope, Frame, Lifetime, SizeClass};
use mesh_core::{
    AckCommit, BeaconKind, Command, CommandId, Config, Event, Input, LinkId, Memory, Node, Now, Output,
    Profile, Role, Tag, Time, Wall,
};
use std::collections::VecDeque;
use std::sync::OnceLock;

/// The most steps of one input.
const MAX_STEPS: usize = 64;
/// Bytes that a bag with these limits may come to with everything around it.
const MAX_STORED: usize = 4 * 1024 * 1024;
/// Bytes of the bag.
const QUOTA: u64 = 96 * 1024;

/// A node and the records that it made durable.
struct Home {
    node: Node,
    memory: Memory,
    now: Now,
    /// Frames that it sent.
    sent: VecDeque<(LinkId, Vec<u8>)>,
    /// Links that it closed.
    closed: Vec<LinkId>,
}

impl Home {
    fn create(seed: u8) -> Self {
        let (memory, now) = (Memory::default(), Now { mono: Time(5_000), wall: Wall(1_800_000_000) });
        let read = Box::new(memory.clone());
        let node = Node::create_with(config(), Box::new(Fake), [seed; 32], now, "somebody", read);
        let node = node.expect("a node can be made in empty memory");
        let mut home = Self { node, memory, now, sent: VecDeque::new(), closed: Vec::new() };
        home.drain();
        home
    }

    fn restore(memory: &Memory, now: Now) -> Self {
        let memory = memory.snapshot();
        let node = Node::restore_with(config(), Box::new(Fake), [99; 32], now, Box::new(memory.clone()));
        let node = node.expect("whatever was taken in can be restored");
        let mut home = Self { node, memory, now, sent: VecDeque::new(), closed: Vec::new() };
        home.drain();
        home
    }

    fn input(&mut self, input: Input<'_>) {
        self.node.handle(self.now, input);
        self.drain();
    }

    fn drain(&mut self) {
        let mut ops = Vec::new();
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Store(op) => ops.push(op),
                Output::Send { link, frame, .. } => {
                    assert!(frame.len() <= MAX_FRAME, "a frame of {} bytes", frame.len());
                    assert!(Frame::from_bytes(&frame).is_ok(), "what is sent can be read");
                    self.sent.push_back((link, frame));
                }
                Output::Close { link, .. } => self.closed.push(link),
                Output::Notify(_, Event::StorageFailed(error)) => panic!("{error}"),
                Output::Notify(..)
                | Output::Advertise { .. }
                | Output::Broadcast { .. }
                | Output::Keep { .. } => {}
            }
        }
        self.memory.apply(ops);
    }

    /// Time goes by, with a tick whenever one is due.
    fn pass(&mut self, span: Duration) {
        let end = self.now.mono + span;
        for _ in 0..100 {
            let Some((due, _)) = self.node.next_wakeup().filter(|(due, _)| *due <= end) else { break };
            self.now.mono = self.now.mono.max(due);
            self.input(Input::Tick);
        }
        self.now.mono = end;
    }

    fn link_up(&mut self, link: LinkId, role: Role) {
        let binding = [7; 32];
        self.input(Input::LinkUp { link, role, binding, profile: Profile::LAN });
        self.input(Input::LinkReady { link, credit: 256 * 1024 });
    }

    fn command(&mut self, command: Command) {
        self.input(Input::Command(CommandId(1), command));
    }
}

/// Limits so small that an input can reach them.
fn config() -> Config {
    let mut config = Config::default();
    let carry = &mut config.mesh.carry;
    (carry.quota, carry.items, carry.public) = (QUOTA, 48, 6);
    (carry.ended, carry.receipts, carry.unknown_receipts) = (32, 32, 16);
    config.mesh.link.queue = 32;
    config
}

/// Where every input begins: a node with a contact, an own message on its way, and the letters that
/// the contact sealed for it.
struct Town {
    memory: Memory,
    now: Now,
    letters: Vec<Vec<u8>>,
}

fn town() -> &'static Town {
    static TOWN: OnceLock<Town> = OnceLock::new();
    TOWN.get_or_init(settle_town)
}

fn settle_town() -> Town {
    let (mut asha, mut bela) = (Home::create(1), Home::create(2));
    let links = [asha.node.identity().link, bela.node.identity().link];
    let [of_asha, of_bela] = links;
    asha.command(Command::Add { link: of_bela, petname: None });
    bela.command(Command::Add { link: of_asha, petname: None });
    join(&mut asha, &mut bela, LinkId(1));
    for home in [&mut asha, &mut bela] {
        home.input(Input::LinkDown { link: LinkId(1) });
    }
    let (to_asha, to_bela) = (asha.node.identity().account, bela.node.identity().account);
    bela.command(Command::Send { to: to_asha.into(), text: "on its way".into(), message: None });
    let (memory, now) = (bela.memory.snapshot(), bela.now);
    for text in ["one", "two", "three"] {
        asha.command(Command::Send { to: to_bela.into(), text: text.into(), message: None });
    }
    let frames = join(&mut asha, &mut bela, LinkId(2));
    let envelopes = frames.into_iter().filter_map(|frame| match Frame::from_bytes(&frame) {
        Ok(Frame::Envelope(bytes)) => Some(bytes),
        _ => None,
    });
    let letters: Vec<_> = envelopes.collect();
    assert!(letters.len() >= 3, "the letters are on their way");
    Town { memory, now, letters }
}

/// Both sides talk for 20 s; what the first one said is returned.
fn join(a: &mut Home, b: &mut Home, link: LinkId) -> Vec<Vec<u8>> {
    a.link_up(link, Role::Dialer);
    b.link_up(link, Role::Listener);
    let mut said = Vec::new();
    for _ in 0..40 {
        while !(a.sent.is_empty() && b.sent.is_empty()) {
            for (_, frame) in std::mem::take(&mut a.sent) {
                b.input(Input::Frame { link, bytes: &frame });
                said.push(frame);
            }
            for (_, frame) in std::mem::take(&mut b.sent) {
                a.input(Input::Frame { link, bytes: &frame });
            }
        }
        a.pass(Duration::from_millis(500));
        b.pass(Duration::from_millis(500));
    }
    said
}

/// Two neighbours and what they have heard.
struct Neighbours {
    links: [LinkId; 2],
    next: u64,
    names: Vec<ShortId>,
}

impl Neighbours {
    /// A new link with a valid hello; each neighbour plays another role.
    fn join(&mut self, which: usize, home: &mut Home) {
        self.next += 1;
        let link = LinkId(self.next);
        self.links[which] = link;
        home.link_up(link, if which == 0 { Role::Dialer } else { Role::Listener });
        let byte = which as u8 + 1;
        let tokens = vec![[byte; 8]; TOKENS];
        let hello =
            Hello { min: 1, max: 1, capabilities: 0, instance: [byte; 16], nonce: [byte; 16], tokens };
        home.input(Input::Frame { link, bytes: &Frame::Hello(hello).to_bytes() });
    }

    /// Notes the names that the node mentioned.
    fn listen(&mut self, home: &mut Home) {
        for (_, frame) in std::mem::take(&mut home.sent) {
            if let Ok(
                Frame::Have(ids) | Frame::Calls { ids, .. } | Frame::Want { ids, .. } | Frame::Kept(ids),
            ) = Frame::from_bytes(&frame)
            {
                self.names.extend(ids);
            }
        }
        self.names.truncate(MAX_NAMES);
    }
}

/// A sequence of steps `kind 1 | length u16 | bytes`: the low bits of the kind say what happens, the
/// high bit on which of two links.
pub(super) fn node(bytes: &[u8]) {
    let town = town();
    let mut home = Home::restore(&town.memory, town.now);
    let mut neighbours = Neighbours { links: [LinkId(0); 2], next: 100, names: Vec::new() };
    neighbours.join(0, &mut home);
    neighbours.join(1, &mut home);
    let mut bytes = Bytes(bytes);
    for _ in 0..MAX_STEPS {
        if bytes.0.is_empty() {
            break;
        }
        let (kind, len) = (bytes.u8(), usize::from(bytes.u16()));
        step(&mut home, &mut neighbours, kind, Bytes(bytes.take(len)));
        neighbours.listen(&mut home);
    }
    home.pass(Duration::from_secs(30));
    assert!(home.node.status(home.now).carried_bytes <= QUOTA, "the bag keeps its limit");
    assert!(home.memory.bytes() <= MAX_STORED, "{} bytes are stored", home.memory.bytes());
    Home::restore(&home.memory, home.now).pass(Duration::from_secs(1));
}

fn step(home: &mut Home, neighbours: &mut Neighbours, kind: u8, mut bytes: Bytes<'_>) {
    let which = usize::from(kind >> 7);
    let link = neighbours.links[which];
    let frame = match kind & 7 {
        0 => bytes.0.to_vec(),
        1 => return offer(home, link, strangers_mail(&mut bytes)),
        2 => {
            let letters = &town().letters;
            let letter = &letters[usize::from(bytes.u8()) % letters.len()];
            return offer(home, link, patched(letter, bytes.0));
        }
        3 => named(&neighbours.names, &mut bytes),
        4 => return home.pass(Duration::from_millis(u64::from(bytes.u16()) * 8)),
        5 => {
            home.input(Input::LinkDown { link });
            return neighbours.join(which, home);
        }
        6 => return home.input(Input::LinkReady { link, credit: u32::from(bytes.u16()) }),
        _ if kind & 8 > 0 => return call(home, &mut bytes),
        _ if kind & 16 > 0 => return advert(home, &mut bytes),
        _ => beacon(&mut bytes),
    };
    if frame.len() <= MAX_FRAME + 1 {
        home.input(Input::Frame { link, bytes: &frame });
    }
}

/// A radio that works, stops or becomes somebody else, and what it hears.
fn advert(home: &mut Home, bytes: &mut Bytes<'_>) {
    let medium = mesh_core::Medium::Ble;
    match bytes.u8() % 8 {
        0 => home.input(Input::Radio { medium, up: true }),
        1 => home.input(Input::Radio { medium, up: false }),
        2 => home.input(Input::Rotated),
        _ => home.input(Input::Heard { medium, advert: bytes.0, rssi: Some(-60) }),
    }
}

/// Something said to everybody in reach, among so many: a call that verifies, or anything.
fn call(home: &mut Home, bytes: &mut Bytes<'_>) {
    let (nodes, verifies) = (u16::from(bytes.u8()), bytes.u8().is_multiple_of(2));
    home.input(Input::Around { medium: mesh_core::Medium::Ble, nodes });
    let said = if verifies { beacon(bytes).split_off(1) } else { bytes.0.to_vec() };
    home.input(Input::Overheard { medium: mesh_core::Medium::Ble, bytes: &said });
}

/// Announces an envelope and brings it: what was not asked for is not read.
fn offer(home: &mut Home, link: LinkId, envelope: Vec<u8>) {
    if let Ok(read) = Envelope::from_bytes(&envelope) {
        home.input(Input::Frame { link, bytes: &Frame::Have(vec![read.id().short()]).to_bytes() });
        home.pass(Duration::from_millis(20));
    }
    home.input(Input::Frame { link, bytes: &Frame::Envelope(envelope).to_bytes() });
}

/// A well-formed envelope for somebody else.
fn strangers_mail(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let (size, lifetime) =
        (SizeClass::ALL[usize::from(bytes.u8() % 5)], Lifetime::ALL[usize::from(bytes.u8() % 4)]);
    let (hops, tag, commit) = (bytes.u8(), Tag(bytes.array()), AckCommit(bytes.array()));
    let mut body = bytes.0.to_vec();
    body.resize(size.body_len(), 0);
    let envelope = Envelope::new(Envelope::header(size, lifetime, tag, commit), &body, hops);
    envelope.expect("the body has its class").to_bytes()
}

/// A frame about names that the node mentioned itself.
fn named(names: &[ShortId], bytes: &mut Bytes<'_>) -> Vec<u8> {
    let (what, least, from) = (bytes.u8(), bytes.u8(), usize::from(bytes.u8()));
    let ids = names.get(from % (names.len() + 1)..).unwrap_or_default().to_vec();
    let frame = match what % 4 {
        0 => Frame::Want { least, ids },
        1 => Frame::Have(ids),
        2 => Frame::Calls { hops: least, ids },
        _ => Frame::Kept(ids),
    };
    frame.to_bytes()
}

/// A beacon that verifies.
fn beacon(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let (key, hops) = (BeaconKey::from_seed(&[bytes.u8() % 16; 32]), bytes.u8());
    let (what, seq, lifetime) = (bytes.u8(), bytes.u16(), Lifetime::ALL[usize::from(bytes.u8() % 4)]);
    let (battery, people, hint) = (bytes.u8() % 101, bytes.u8(), bytes.array());
    let mut text = String::from_utf8_lossy(bytes.0).into_owned();
    while text.len() > MAX_BEACON_TEXT {
        text.pop();
    }
    let what = if what == 0 { BeaconKind::Sos as u8 } else { what };
    let minute = 29_400_000;
    let content = BeaconContent {
        what,
        seq,
        minute,
        lifetime,
        position: None,
        accuracy: 0,
        battery,
        people,
        hint,
        text,
    };
    match key.sign(&content, hops) {
        Ok(beacon) => Frame::Public(beacon.to_bytes()).to_bytes(),
        Err(_) => Vec::new(),
    }
}
