//! The places where remote bytes enter, one plain function each: it must return for any bytes, and
//! where the bytes were taken in, what was promised about them must hold.
//!
//! The fuzzer calls these, and so does the test that replays the corpus.

use mesh_core::wire::{Envelope, Message, codec};

/// One entry: its name, which is also that of its target and of its folder in `corpus`.
pub type Entry = (&'static str, fn(&[u8]));

/// Every entry.
pub const ALL: &[Entry] = &[("codec", codec), ("envelope", envelope), ("message", message)];

/// The codec under the shapes that formats are made of: lengths, options, nesting, text.
pub fn codec(bytes: &[u8]) {
    type Shape = (u64, Option<Vec<[u8; 8]>>, Vec<String>, Vec<(u16, Vec<u8>)>);
    if let Ok(value) = codec::decode::<Shape>(bytes) {
        let again = codec::encode(&value);
        assert_eq!(codec::decode::<Shape>(&again), Ok(value), "a value survives its own encoding");
    }
}

/// An envelope from the air: of this version or a newer one.
pub fn envelope(bytes: &[u8]) {
    let Ok(envelope) = Envelope::from_bytes(bytes) else { return };
    let again = envelope.to_bytes();
    assert_eq!(again.len(), bytes.len(), "an envelope keeps its length");
    assert_eq!(envelope.immutable(), &bytes[..envelope.immutable().len()], "a relay changes nothing");
    let back = Envelope::from_bytes(&again).expect("what was written can be read");
    assert_eq!(back.id(), envelope.id(), "hops and age do not change the id");
}

/// What a seal held: one event of a conversation.
pub fn message(bytes: &[u8]) {
    let Ok(message) = Message::from_bytes(bytes) else { return };
    let again = Message::from_bytes(&message.to_bytes()).expect("what was written can be read");
    assert!(again == message, "a message survives its own encoding");
}
