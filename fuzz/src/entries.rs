//! The places where remote bytes enter, one plain function each: it must return for any bytes, and
//! where the bytes were taken in, what was promised about them must hold.
//!
//! The fuzzer calls these, and so does the test that replays the corpus.

use mesh_core::crypto::cert::Intro;
use mesh_core::crypto::{Beacon, ContactLink};
use mesh_core::wire::beacon::RawBeacon;
use mesh_core::wire::{Envelope, Message, codec};

/// One entry: its name, which is also that of its target and of its folder in `corpus`.
pub type Entry = (&'static str, fn(&[u8]));

/// Every entry.
pub const ALL: &[Entry] = &[
    ("beacon", beacon),
    ("codec", codec),
    ("envelope", envelope),
    ("intro", intro),
    ("link_text", link_text),
    ("message", message),
];

/// A beacon from the air, its layout and its signature.
pub fn beacon(bytes: &[u8]) {
    if let Ok(raw) = RawBeacon::from_bytes(bytes) {
        assert_eq!(raw.immutable(), &bytes[..raw.immutable().len()], "a relay changes nothing");
        assert_eq!(raw.to_bytes().len(), bytes.len(), "a beacon keeps its length");
    }
    if let Ok(beacon) = Beacon::from_bytes(bytes) {
        assert!(Beacon::from_bytes(&beacon.to_bytes()).is_ok(), "what was verified verifies again");
    }
}

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

/// A certificate and a bundle, as a first contact carries them.
pub fn intro(bytes: &[u8]) {
    let Ok(intro) = codec::decode::<Intro>(bytes) else { return };
    if let Ok(verified) = intro.verify() {
        assert!(verified.to_intro() == intro, "signed bytes are kept as they came");
    }
}

/// The text of a link, as somebody pasted it.
pub fn link_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(link) = ContactLink::from_text(&text) else { return };
    let again = ContactLink::from_text(&link.to_text()).expect("what was written can be read");
    assert!(again == link, "a link survives its own text");
}

/// What a seal held: one event of a conversation.
pub fn message(bytes: &[u8]) {
    let Ok(message) = Message::from_bytes(bytes) else { return };
    let again = Message::from_bytes(&message.to_bytes()).expect("what was written can be read");
    assert!(again == message, "a message survives its own encoding");
}
