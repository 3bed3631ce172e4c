//! Three nodes of which two never meet.

use crate::rig::*;
use mesh_core::Table;
use mesh_core::view::MessageState;

#[test]
fn a_hundred_messages_each_way_cross_by_a_courier_who_learns_nothing() {
    let mut world = mesh_sim::World::new(1);
    let (a, b, c) = (world.add("Adelheid"), world.add("Courier"), world.add("Christabel"));
    acquaint(&mut world, a, c);
    world.record();
    let mut ids = Vec::new();
    // The courier alternates: never both at once.
    for round in 0..24 {
        if round < 20 {
            for n in 5 * round..5 * round + 5 {
                ids.push((a, send(&mut world, a, c, &format!("Adelheid wrote number {n:03}"))));
                ids.push((c, send(&mut world, c, a, &format!("Christabel wrote number {n:03}"))));
            }
        }
        let (here, there) = if round % 2 == 0 { (a, c) } else { (c, a) };
        world.connect(here, b);
        world.run_for(MINUTE);
        world.disconnect(here, b);
        world.connect(b, there);
        world.run_for(MINUTE);
        world.disconnect(b, there);
    }
    for (at, from, name) in [(c, a, "Adelheid"), (a, c, "Christabel")] {
        let expected: Vec<_> = (0..100).map(|n| format!("{name} wrote number {n:03}")).collect();
        assert_eq!(texts_from(&world, at, from), expected);
    }
    let home = |(at, id)| state(&world, at, id) == MessageState::Delivered;
    assert!(ids.into_iter().all(home), "every receipt came home");
    let memory = bytes_of(world.store(b), &Table::ALL);
    let traffic: Vec<u8> =
        [a, b, c].iter().flat_map(|ix| world.frames(*ix)).flat_map(|s| s.frame.clone()).collect();
    assert!(memory.len() > 1_000 && traffic.len() > 50_000, "{} {}", memory.len(), traffic.len());
    for ix in [a, c] {
        let (identity, link) = (world.node(ix).identity(), link(&world, ix));
        let cert = link.intro().cert();
        let (name, tag) = (identity.name.as_bytes().to_vec(), identity.tag.as_bytes().to_vec());
        let secrets = [
            identity.account.0.to_vec(),
            link.intro().account().0.to_vec(),
            link.intro().device_id().0.to_vec(),
            cert.device.0.to_vec(),
            cert.noise.to_vec(),
            cert.olm.to_vec(),
            link.intro().bundle().prekey.to_vec(),
            link.invite().0.to_vec(),
            name,
            tag,
            b"wrote number".to_vec(),
        ];
        for secret in secrets {
            // Eight bytes are enough to know somebody again.
            let part = &secret[..secret.len().min(8)];
            assert!(!holds(&memory, part), "the courier stores {secret:02x?}");
            assert!(!holds(&traffic, part), "a link carries {secret:02x?}");
        }
    }
    assert!(world.node(b).contacts().is_empty());
}
