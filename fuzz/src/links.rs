//! Links: the hello, and the framing of the two streams that a LAN link has.

use super::rig::{Bytes, patched};
use framing::{Assembly, FRAME_HEADER, MAX_PIECE, RECORD_HEADER, Record, frame_length};
use mesh_core::link::{self, MAX_FRAME, Received};
use mesh_core::rng::Rng;
use mesh_core::wire::Frame;
use mesh_core::{AccountId, LinkId, Now, Outbox, Output, Profile, Role, Time, Wall};

/// The framing as the product has it: it needs nothing of the transport around it.
#[path = "../../src/transport/lan/framing.rs"]
#[allow(dead_code, unreachable_pub, reason = "the entries only read what the transport also writes")]
mod framing;

/// The loopback beacon's bytes, likewise.
#[path = "../../src/transport/lan/datagram.rs"]
#[allow(dead_code, unreachable_pub, reason = "the entries only read what the transport also writes")]
mod datagram;

const LINK: LinkId = LinkId(1);
const CONTACT: AccountId = AccountId([4; 20]);

/// The first frames on a link: a real neighbour's hello after a program of changes, or any bytes;
/// then a second frame.
pub(super) fn hello(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let (is_patched, len) = (bytes.u8() % 2 == 1, usize::from(bytes.u16()));
    let first = bytes.take(len);
    let (mut ours, _) = greeting(1, Role::Listener);
    let (_, real) = greeting(2, Role::Dialer);
    let first = if is_patched { patched(&real, first) } else { first.to_vec() };
    for frame in [&first, bytes.0] {
        let mut out = Outbox::default();
        let received = ours.receive(now(), LINK, frame, || [0; 8], &mut out);
        if received == Received::Ready {
            let versions = Frame::hello_versions(frame).expect("a hello names its versions");
            assert!(versions.0 <= *link::VERSIONS.end() && versions.1 >= *link::VERSIONS.start());
        }
        assert!(matches!(ours.contact(LINK), None | Some(CONTACT)), "nobody else can be recognised");
        while let Some(output) = out.pop() {
            assert!(matches!(output, Output::Send { .. } | Output::Close { .. }));
        }
    }
}

/// A link that knows one contact, and the hello that it sent.
fn greeting(seed: u8, role: Role) -> (link::State, Vec<u8>) {
    let (mut state, mut out) =
        (link::State::new(link::Config::default(), Rng::new([seed; 32])), Outbox::default());
    state.set_secrets(now(), vec![(CONTACT, [5; 32])], &mut out);
    state.up(now(), LINK, role, [6; 32], Profile::LAN, &mut out);
    let Some(Output::Send { frame, .. }) = out.pop() else { panic!("a link begins with a hello") };
    (state, frame)
}

fn now() -> Now {
    Now { mono: Time(1_000), wall: Wall(1_800_000_000) }
}

/// A datagram from a program on this machine, under the length that the transport reads.
pub(super) fn lan_beacon(bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(datagram::MAX_DATAGRAM)];
    if let Some((peer, port)) = datagram::decode(bytes) {
        assert_ne!(port, 0, "nobody listens on port 0");
        assert_eq!(datagram::encode(peer, port), bytes, "a beacon is read whole");
    }
}

/// The bytes of a control stream, and the same bytes as a bulk stream.
pub(super) fn pieces(bytes: &[u8]) {
    control(bytes);
    bulk(bytes);
}

fn control(mut bytes: &[u8]) {
    while let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER>() {
        let Ok(length) = frame_length(*header) else { return };
        assert!((1..=MAX_FRAME).contains(&length), "a header never announces more than a frame");
        let Some((_, rest)) = rest.split_at_checked(length) else { return };
        bytes = rest;
    }
}

fn bulk(mut bytes: &[u8]) {
    let mut assembly = Assembly::default();
    while let Some((header, rest)) = bytes.split_first_chunk::<RECORD_HEADER>() {
        bytes = rest;
        let Ok(record) = Record::decode(*header) else { return };
        let Record::Piece { last, length } = record else { continue };
        assert!((1..=MAX_PIECE).contains(&length), "a header never announces more than a piece");
        let Ok(room) = assembly.room(length) else { return };
        assert_eq!(room.len(), length, "there is room for the piece and no more");
        let Some((piece, rest)) = bytes.split_at_checked(length) else { return };
        room.copy_from_slice(piece);
        bytes = rest;
        if last {
            assert!(assembly.take().len() <= MAX_FRAME, "pieces never make more than a frame");
        }
    }
}
