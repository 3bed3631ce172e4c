//! The places where remote bytes enter, one plain function each: it must return for any bytes, and
//! where the bytes were taken in, what was promised about them must hold.
//!
//! The fuzzer calls these, and so does the test that replays the corpus.

#[path = "chats.rs"]
mod chats;
#[path = "groups.rs"]
mod groups;
#[path = "links.rs"]
mod links;
#[path = "nodes.rs"]
mod nodes;
#[path = "radios.rs"]
mod radios;
#[path = "rig.rs"]
mod rig;
#[path = "seals.rs"]
mod seals;

use ed25519_dalek::SigningKey;
use mesh_core::crypto::cert::{Bundle, Cert, DeviceList, Intro, MAX_DEVICES};
use mesh_core::crypto::ratchet::{AccountKeys, EXPORT_LEN, Ratchet, Vodozemac};
use mesh_core::crypto::{AccountKey, Beacon, ContactLink, DeviceKey, GroupLink, Signed};
use mesh_core::id::ShortId;
use mesh_core::rng::Rng;
use mesh_core::wire::beacon::RawBeacon;
use mesh_core::wire::powers;
use mesh_core::wire::sketch::{Content, Name, Sketch, peel};
use mesh_core::wire::{Envelope, Frame, Message, codec};

/// One entry: its name, which is also that of its target and of its folder in `corpus`.
pub type Entry = (&'static str, fn(&[u8]));

/// Every entry.
pub const ALL: &[Entry] = &[
    ("beacon", beacon),
    ("ble_pipe", radios::ble_pipe),
    ("ble_value", radios::ble_value),
    ("channel", radios::channel),
    ("codec", codec),
    ("contents", chats::contents),
    ("devices", devices),
    ("envelope", envelope),
    ("first_payload", seals::first_payload),
    ("first_seal", seals::first_seal),
    ("frame", frame),
    ("group_op", groups::group_op),
    ("hello", links::hello),
    ("intro", intro),
    ("lan_beacon", links::lan_beacon),
    ("link_text", link_text),
    ("message", message),
    ("node", nodes::node),
    ("pieces", links::pieces),
    ("ratchet", ratchet),
    ("session_payload", seals::session_payload),
    ("session_seal", seals::session_seal),
    ("share", seals::share),
    ("sketch", sketch),
];

/// Calls the entry with this name.
///
/// # Panics
/// Where there is none, or the bytes break a promise.
#[allow(dead_code, reason = "the targets call it; the replay walks through all")]
pub fn call(name: &str, bytes: &[u8]) {
    let entry = ALL.iter().find(|(entry, _)| *entry == name).expect("a target is named like its entry");
    entry.1(bytes);
}

/// A beacon from the air, its layout and its signature.
fn beacon(bytes: &[u8]) {
    if let Ok(raw) = RawBeacon::from_bytes(bytes) {
        assert_eq!(raw.immutable(), &bytes[..raw.immutable().len()], "a relay changes nothing");
        assert_eq!(raw.to_bytes().len(), bytes.len(), "a beacon keeps its length");
    }
    if let Ok(beacon) = Beacon::from_bytes(bytes) {
        assert!(Beacon::from_bytes(&beacon.to_bytes()).is_ok(), "what was verified verifies again");
    }
}

/// The codec under the shapes that formats are made of: lengths, options, nesting, text.
fn codec(bytes: &[u8]) {
    type Shape = (u64, Option<Vec<[u8; 8]>>, Vec<String>, Vec<(u16, Vec<u8>)>);
    if let Ok(value) = codec::decode::<Shape>(bytes) {
        let again = codec::encode(&value);
        assert_eq!(codec::decode::<Shape>(&again), Ok(value), "a value survives its own encoding");
    }
}

/// Device lists and intros of somebody who may sign whatever they like with keys of their own.
fn devices(bytes: &[u8]) {
    let key = SigningKey::from_bytes(&[3; 32]);
    let account = AccountKey(key.verifying_key().to_bytes());
    if let Ok(signed) = codec::decode::<Signed<DeviceList>>(bytes) {
        let _refused = DeviceList::verify(&signed, account);
    }
    let mut bytes = rig::Bytes(bytes);
    let (seq, list_seq) = (u32::from(bytes.u16()), u32::from(bytes.u16()));
    let certs: Vec<[u8; 16]> = (0..bytes.u8() % 9).map(|_| bytes.array()).collect();
    let list = Signed::by(&key, DeviceList { seq, certs });
    if let Ok(list) = DeviceList::verify(list.signed(), account) {
        assert!((1..=MAX_DEVICES).contains(&list.certs.len()), "a list is never empty or too long");
    }
    let device = DeviceKey(key.verifying_key().to_bytes());
    let (noise, olm) = (bytes.array(), bytes.array());
    let cert = Signed::by(&key, Cert { account, list_seq, device, noise, olm });
    let (prekey, fallback, kem_hash) = (bytes.array(), bytes.array(), bytes.array());
    let bundle = Bundle { cert_hash: cert.hash(), seq, prekey, fallback, kem_hash };
    let bundle = Signed::by(&key, bundle).signed().clone();
    if let Ok(verified) = (Intro { cert: cert.signed().clone(), bundle }).verify() {
        assert_ne!(verified.cert().noise, [0; 32], "a key of low order is refused");
        let keys = verified.olm_keys();
        let account = Vodozemac.account_new(&mut Rng::new([1; 32]));
        Vodozemac.olm_start(&account, keys, &mut Rng::new([2; 32])).expect("a verified key contributes");
    }
}

/// An envelope from the air: of this version or a newer one.
fn envelope(bytes: &[u8]) {
    let Ok(envelope) = Envelope::from_bytes(bytes) else { return };
    let again = envelope.to_bytes();
    assert_eq!(again.len(), bytes.len(), "an envelope keeps its length");
    assert_eq!(envelope.immutable(), &bytes[..envelope.immutable().len()], "a relay changes nothing");
    let back = Envelope::from_bytes(&again).expect("what was written can be read");
    assert_eq!(back.id(), envelope.id(), "hops and age do not change the id");
}

/// One frame of a link.
fn frame(bytes: &[u8]) {
    let Ok(frame) = Frame::from_bytes(bytes) else { return };
    let again = frame.to_bytes();
    assert!(again.len() <= bytes.len(), "nothing is added to a frame");
    assert_eq!(Frame::from_bytes(&again), Ok(frame), "a frame survives its own encoding");
}

/// A part of a sketch, after the type of its frame: what is read from it is bounded, whatever stands in it.
fn sketch(bytes: &[u8]) {
    let Ok(Frame::Sketch(part)) = Frame::from_bytes(&[&[13], bytes].concat()) else { return };
    let Content::Cells(cells) = part.content else { return };
    let own = (0..60u8).map(|n| Name::from(ShortId([n; 8])));
    let own = Sketch::of(part.epoch, cells.len(), own);
    if let Some(sums) = part.sums {
        let told = sums.minus(own.sums()).told().unwrap_or_default();
        assert!(told.len() <= powers::CAPACITY, "sums tell no more names than they are");
    }
    let difference = own.subtract_from(0, &cells).expect("it has as many cells");
    for cells in [cells, difference] {
        let most = cells.len();
        assert!(peel(cells, part.epoch).0.len() <= most, "a cell tells at most one name");
    }
}

/// A certificate and a bundle, as a first contact carries them.
fn intro(bytes: &[u8]) {
    let Ok(intro) = codec::decode::<Intro>(bytes) else { return };
    if let Ok(verified) = intro.verify() {
        assert!(verified.to_intro() == intro, "signed bytes are kept as they came");
    }
}

/// The text of a link, as somebody pasted it or gave it to the local API.
fn link_text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(link) = GroupLink::from_text(&text) {
        let again = GroupLink::from_text(&link.to_text()).expect("what was written can be read");
        assert!(again == link, "a link into a group survives its own text");
    }
    let Ok(link) = ContactLink::from_text(&text) else { return };
    let again = ContactLink::from_text(&link.to_text()).expect("what was written can be read");
    assert!(again == link, "a link survives its own text");
}

/// What a seal held: one event of a conversation.
fn message(bytes: &[u8]) {
    let Ok(message) = Message::from_bytes(bytes) else { return };
    let again = Message::from_bytes(&message.to_bytes()).expect("what was written can be read");
    assert!(again == message, "a message survives its own encoding");
}

/// What the ratchet library reads of a stranger: exports, messages, keys.
fn ratchet(bytes: &[u8]) {
    let account = Vodozemac.account_new(&mut Rng::new([1; 32]));
    let _no_session = Vodozemac.olm_session_of(bytes);
    let _refused = Vodozemac.olm_accept(&account, [9; 32], bytes);
    let mut rest = rig::Bytes(bytes);
    let keys = AccountKeys { identity: rest.array(), fallback: rest.array() };
    if let Ok(mut session) = Vodozemac.olm_start(&account, keys, &mut Rng::new([2; 32])) {
        let _refused = Vodozemac.olm_decrypt(&mut session, rest.0);
    }
    let mut rest = rig::Bytes(bytes);
    let export = rest.array::<EXPORT_LEN>();
    let Ok(mut reader) = Vodozemac.megolm_import(&export) else { return };
    if let Ok(opened) = reader.decrypt(rest.0) {
        assert!(opened.index >= reader.first_index(), "nothing opens from before the export");
    }
}
