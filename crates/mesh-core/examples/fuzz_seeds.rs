//! Writes the seeds of the fuzzing corpus that only keys can make: links, beacons, certificates.
//!
//! `cargo run -p mesh-core --example fuzz_seeds` from the root; the same bytes at every run.

use mesh_core::crypto::ratchet::Fake;
use mesh_core::crypto::{BeaconKey, ContactLink, OwnIdentity};
use mesh_core::rng::Rng;
use mesh_core::wire::beacon::{BeaconContent, Position};
use mesh_core::wire::{Lifetime, codec};
use mesh_core::{BeaconKind, Invite, Now, Outbox};
use std::path::Path;

fn main() -> std::io::Result<()> {
    let mut rng = Rng::new([1; 32]);
    let own = OwnIdentity::create(&mut rng, &Fake, Now::default(), &mut Outbox::default())
        .expect("the fake ratchet reads what it made");

    let link = ContactLink::new(own.intro().clone(), Invite([7; 16])).to_text();
    write("link_text", "whole", link.as_bytes())?;
    write("link_text", "small_letters", link.to_lowercase().as_bytes())?;
    write("link_text", "cut", &link.as_bytes()[..300])?;
    write("link_text", "control", format!("STARLING:1/\u{202e}{}", &link[11..]).as_bytes())?;
    write("link_text", "foreign", b"file:///etc/passwd")?;
    write("intro", "whole", &codec::encode(&own.intro().to_intro()))?;

    let key = BeaconKey::generate(&mut rng);
    for (name, text) in [("silent", ""), ("text", "Two people under the stairs, north side")] {
        let beacon = key.sign(&content(text), 12).expect("the text is short");
        write("beacon", name, &beacon.to_bytes())?;
    }
    Ok(())
}

fn content(text: &str) -> BeaconContent {
    BeaconContent {
        what: BeaconKind::Sos as u8,
        seq: 1,
        minute: 29_400_000,
        lifetime: Lifetime::HalfDay,
        position: Some(Position { lat: 12_971_600, lon: 77_594_600 }),
        accuracy: 5,
        battery: 40,
        people: 2,
        hint: [3; 8],
        text: text.to_owned(),
    }
}

fn write(entry: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(entry);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), bytes)
}
