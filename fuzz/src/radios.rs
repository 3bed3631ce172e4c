//! What a radio carries: values, the streams that are made of them, and the channel inside.

use super::rig::Bytes;
use mesh_core::Lane;
use mesh_core::crypto::channel::{Handshake, MAX_HANDSHAKE, MAX_SEALED, Step, Stream};
use mesh_core::crypto::dh::X25519Secret;
use mesh_core::link::MAX_FRAME;
use mesh_core::rng::Rng;
use receive::{Inbound, MAX_MESSAGE};
use value::{Body, MAX_WINDOW, Value};

/// The values as the product has them: they need nothing of the transport around them.
#[path = "../../src/transport/ble/value.rs"]
#[allow(dead_code, unreachable_pub, reason = "the entries only read what the transport also writes")]
mod value;

/// What makes messages of them, likewise.
#[path = "../../src/transport/ble/receive.rs"]
#[allow(dead_code, unreachable_pub, reason = "the entries only read what the transport also writes")]
mod receive;

/// One value from the air.
pub(super) fn ble_value(bytes: &[u8]) {
    if let Ok(value) = Value::decode(bytes) {
        assert_eq!(value.encode(), bytes, "a value is read whole");
    }
}

/// Values one after the other, from the far end of a pipe: `length u8 | bytes`. A greeting came before.
pub(super) fn ble_pipe(bytes: &[u8]) {
    let mut inbound = Inbound::default();
    inbound.take(0, Lane::Control, b"\x01\xfd\x01").expect("a greeting is taken");
    let mut bytes = Bytes(bytes);
    let mut pieces = 0;
    while !bytes.0.is_empty() {
        let length = usize::from(bytes.u8());
        let Ok(value) = Value::decode(bytes.take(length)) else { continue };
        let Body::Piece { lane, bytes } = value.body else { continue };
        pieces += bytes.len();
        if inbound.take(value.seq, lane, bytes).is_err() {
            return;
        }
        assert!(inbound.held().count_ones() < MAX_WINDOW as u32, "what came early is bounded");
        while let Some(message) = inbound.pop() {
            assert!((1..=MAX_MESSAGE).contains(&message.bytes.len()));
            assert!(message.bytes.len() <= pieces, "a message is made of what came");
            assert!(!message.notice || message.lane == Lane::Control);
        }
    }
}

/// A handshake message and a sealed one: `length u8 | handshake | sealed`, at a listener, at a dialer, and at an end
/// whose handshake is done.
pub(super) fn channel(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let length = usize::from(bytes.u8());
    let message = bytes.take(length);
    let (ours, theirs) = (key(1), key(2));
    let listener = Handshake::listen(&ours, Rng::new([1; 32]));
    if let Ok(step) = listener.read(message) {
        assert!(message.len() <= MAX_HANDSHAKE);
        let Step::Reply(listener, _) = step else { panic!("one message makes no listener's channel") };
        assert!(listener.read(bytes.0).is_err(), "nobody guesses the third message");
    }
    let (dialer, first) = Handshake::dial(&theirs, Rng::new([2; 32]));
    let listener = Handshake::listen(&ours, Rng::new([1; 32]));
    let Ok(Step::Reply(listener, second)) = listener.read(&first) else { panic!("a listener replies") };
    let (other, _) = Handshake::dial(&theirs, Rng::new([2; 32]));
    assert!(message == second || other.read(message).is_err(), "nobody guesses the second message");
    let Ok(Step::Done(_, Some(third))) = dialer.read(&second) else { panic!("a dialer is done") };
    let Ok(Step::Done(mut channel, None)) = listener.read(&third) else { panic!("a listener is done") };
    for stream in [Stream::Control, Stream::Bulk, Stream::Notice] {
        if let Ok(frame) = channel.open(stream, bytes.0) {
            assert!(bytes.0.len() <= MAX_SEALED && frame.len() <= MAX_FRAME);
        }
    }
}

fn key(seed: u8) -> X25519Secret {
    X25519Secret::generate(&mut Rng::new([seed; 32]))
}
