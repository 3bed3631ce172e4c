//! Envelopes for a device that knows their writer, or is about to: first contacts (K1) and those of
//! sessions (K2), changed outside the seal, inside it, and inside the ratchets.

use super::rig::{Clear, Device, Liar, clear_payload, patched, with_payload};
use mesh_core::AccountId;
use mesh_core::Memory;
use mesh_core::crypto::ratchet::Fake;
use mesh_core::crypto::seal::{Noise, Sealer};
use mesh_core::crypto::session::Opened;
use mesh_core::wire::Envelope;
use std::sync::OnceLock;

/// The most records that one envelope may write, whatever stands in it.
const MAX_WRITTEN: usize = 4_096;

/// A device about to read an envelope, and the one about to write it.
struct Scene {
    writer: Memory,
    reader: Memory,
    to: AccountId,
    /// The writer's static key.
    sender: [u8; 32],
    envelope: Envelope,
}

impl Scene {
    fn before(writer: &Device, reader: &Device) -> impl FnOnce(Envelope) -> Self + use<> {
        let (sender, to) = (writer.own.cert().noise, reader.id());
        let (writer, reader) = (writer.memory.snapshot(), reader.memory.snapshot());
        move |envelope| Self { writer, reader, to, sender, envelope }
    }

    fn sealer(&self, is_clear: bool) -> Box<dyn Sealer> {
        if is_clear { Box::new(Clear { sender: self.sender }) } else { Box::new(Noise) }
    }

    fn reader(&self, is_clear: bool) -> Device {
        Device::restore(&self.reader, Box::new(Fake), self.sealer(is_clear))
    }
}

/// The first contact, the answer with its share, and a bare text, each before it is read.
fn scenes(is_clear: bool) -> &'static [Scene; 3] {
    static SCENES: [OnceLock<[Scene; 3]>; 2] = [OnceLock::new(), OnceLock::new()];
    SCENES[usize::from(is_clear)].get_or_init(|| play(is_clear))
}

fn play(is_clear: bool) -> [Scene; 3] {
    let sealer = || -> Box<dyn Sealer> {
        // Only Asha makes a first contact, and her seed gives her key.
        let sender = Device::create(1, Box::new(Noise)).own.cert().noise;
        if is_clear { Box::new(Clear { sender }) } else { Box::new(Noise) }
    };
    let (mut asha, mut bela) = (Device::create(1, sealer()), Device::create(2, sealer()));
    asha.add(&bela);
    let first = turn(&mut asha, &mut bela);
    let answer = turn(&mut bela, &mut asha);
    turn(&mut asha, &mut bela);
    turn(&mut bela, &mut asha);
    let text = turn(&mut asha, &mut bela);
    [first, answer, text]
}

fn turn(writer: &mut Device, reader: &mut Device) -> Scene {
    let scene = Scene::before(writer, reader);
    let (envelope, commit) = writer.seal(reader.id(), "hello").expect("the reader is known");
    let (opened, _) = reader.open(&envelope);
    assert!(matches!(opened, Opened::Delivery(_)), "the reader reads it");
    writer.receipted(commit);
    scene(envelope)
}

/// A first contact that was changed on its way: it opens only where no sealed bit differs.
pub(super) fn first_seal(program: &[u8]) {
    changed_outside(&scenes(false)[0], program);
}

/// The same for envelopes of sessions.
pub(super) fn session_seal(program: &[u8]) {
    let Some((which, program)) = program.split_first() else { return };
    changed_outside(&scenes(false)[1 + usize::from(which % 2)], program);
}

fn changed_outside(scene: &Scene, program: &[u8]) {
    let Ok(envelope) = Envelope::from_bytes(&patched(&scene.envelope.to_bytes(), program)) else { return };
    let mut reader = scene.reader(false);
    let (opened, written) = reader.open(&envelope);
    let is_same = envelope.immutable() == scene.envelope.immutable();
    assert_eq!(matches!(opened, Opened::Delivery(_)), is_same, "only what was sealed opens");
    if !is_same {
        assert_eq!(written, 0, "a forgery changes nothing");
        let (opened, _) = reader.open(&scene.envelope);
        assert!(matches!(opened, Opened::Delivery(_)), "a forgery does not use up the real one");
    }
}

/// What a first contact holds, from somebody who seals whatever they like.
pub(super) fn first_payload(bytes: &[u8]) {
    changed_inside(&scenes(true)[0], bytes, true);
}

/// What an envelope of a session holds, from a contact who seals whatever they like.
pub(super) fn session_payload(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    changed_inside(&scenes(true)[1 + usize::from(which % 2)], bytes, false);
}

/// The first byte says whether the rest is the payload or a program that changes the real one.
fn changed_inside(scene: &Scene, bytes: &[u8], same_class: bool) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let real = clear_payload(scene.envelope.body()).expect("the scene was sealed in clear");
    let payload = if how % 2 == 0 { bytes.to_vec() } else { patched(real, bytes) };
    let Some(envelope) = with_payload(&scene.envelope, &payload, same_class) else { return };
    take_in(scene, scene.reader(true), &envelope);
}

/// What a contact's own ratchets encrypted: shares and contents that arrive authenticated.
pub(super) fn share(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let scene = &scenes(true)[usize::from(which % 3)];
    let liar = if which & 0x80 == 0 {
        Liar { olm: bytes.to_vec(), megolm: Vec::new() }
    } else {
        Liar { olm: Vec::new(), megolm: bytes.to_vec() }
    };
    let mut writer = Device::restore(&scene.writer, Box::new(liar), scene.sealer(true));
    let Some((envelope, _)) = writer.seal(scene.to, "hello") else { return };
    let mut reader = scene.reader(true);
    let _opened = reader.open(&envelope);
    // A second envelope meets what the first one left behind.
    let Some((envelope, _)) = writer.seal(scene.to, "again") else { return };
    take_in(scene, reader, &envelope);
}

/// Opens, answers, and does both again after a restart.
fn take_in(scene: &Scene, mut reader: Device, envelope: &Envelope) {
    let (opened, written) = reader.open(envelope);
    assert!(written <= MAX_WRITTEN, "{written} records for one envelope");
    let mut restarted = Device::restore(&reader.memory, Box::new(Fake), scene.sealer(true));
    let Opened::Delivery(delivery) = opened else { return };
    let _answer = reader.seal(delivery.account, "an answer");
    let _answer = restarted.seal(delivery.account, "an answer");
    if let (Opened::Delivery(again), _) = restarted.open(envelope) {
        assert!(again.contents.is_empty(), "nothing is delivered twice");
    }
}
