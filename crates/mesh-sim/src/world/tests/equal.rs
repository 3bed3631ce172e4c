//! Equal seeds give equal runs: on any thread, in any process.

use super::rig::script;
use crate::{Audience, Draft, NodeIx, Radio, Seal, World};
use core::time::Duration;
use std::process::Command;

/// A morning of eight people with phones.
fn morning(seed: u64) -> World {
    let mut world = World::sealed(seed, Seal::Cheap);
    for n in 0..8 {
        world.add(&format!("Person {n}"));
    }
    let pairs: Vec<_> = (0..7).map(|n| (NodeIx::from(n), NodeIx::from(n + 1))).collect();
    assert!(world.introduce(&pairs).is_empty());
    let contacts: Vec<(u64, u64, u32, u32)> = (0..40_u32)
        .map(|n| (u64::from(n * 7), u64::from(n * 7 + 90), n % 7, n % 7 + 1 + n % (7 - n % 7)))
        .collect();
    let contacts: Vec<_> = contacts.into_iter().filter(|(.., a, b)| a != b && *b < 8).collect();
    world.travel(script(8, &contacts), Radio::ble());
    for number in 0..7 {
        world.submit(&Draft { number, at: 0, from: number, to: Audience::One(number + 1), bytes: 100 });
        world.run_for(Duration::from_secs(60));
    }
    world
}

fn hash(seed: u64) -> String {
    morning(seed).trace_hash().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_world_runs_alike_on_two_threads() {
    let threads: Vec<_> = (0..2)
        .map(|_| std::thread::spawn(|| (hash(1), hash(2))))
        .map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(threads[0], threads[1]);
    assert_ne!(threads[0].0, threads[0].1);
}

#[test]
fn a_world_can_change_threads_in_mid_run() {
    let mut world = morning(1);
    let moved = std::thread::spawn(move || {
        world.run_for(Duration::from_secs(60));
        world.trace_hash()
    });
    let mut stayed = morning(1);
    stayed.run_for(Duration::from_secs(60));
    assert_eq!(moved.join().unwrap(), stayed.trace_hash());
}

#[test]
fn a_world_runs_alike_in_another_process() {
    const INSIDE: &str = "MESH_SIM_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return println!("hash:{}", hash(3));
    }
    let name = "world::tests::equal::a_world_runs_alike_in_another_process";
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let theirs = said.split("hash:").nth(1).and_then(|rest| rest.get(..64));
    assert_eq!(theirs, Some(&*hash(3)), "{said}");
}
