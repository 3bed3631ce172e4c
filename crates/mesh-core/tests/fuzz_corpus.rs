//! Replays what the fuzzer found worth keeping, and bytes near it, through every entry of remote
//! bytes. The corpus grows in `fuzz/corpus/<entry>`; a crash that was found stays there as a file.

#[path = "../../../fuzz/src/entries.rs"]
#[allow(unreachable_pub, reason = "the fuzzing crate publishes the same file")]
mod entries;

use std::fs;
use std::path::Path;

/// How many damaged copies of each file are tried.
const DAMAGED_COPIES: u64 = 16;

#[test]
fn the_corpus_of_every_entry_replays_without_a_crash() {
    for (name, entry) in entries::ALL {
        let files = corpus(name);
        assert!(!files.is_empty(), "fuzz/corpus/{name} is empty");
        for bytes in files {
            entry(&bytes);
        }
    }
}

#[test]
fn damaged_copies_of_the_corpus_do_not_crash() {
    for (name, entry) in entries::ALL {
        for bytes in corpus(name) {
            for seed in 0..DAMAGED_COPIES {
                entry(&damaged(&bytes, seed));
            }
        }
    }
}

#[test]
fn every_entry_has_a_target() {
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/fuzz_targets");
    for (name, _) in entries::ALL {
        assert!(targets.join(format!("{name}.rs")).is_file(), "fuzz/fuzz_targets/{name}.rs is missing");
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| fs::read(path).ok()).collect()
}

/// `bytes` cut short, lengthened or with some bytes changed, following from `seed`.
fn damaged(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ bytes.len() as u64;
    let mut draw = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap_or(0) % bound.max(1)
    };
    let mut copy = bytes.to_vec();
    match draw(4) {
        0 => copy.truncate(draw(bytes.len() + 1)),
        1 => copy.extend((0..draw(40)).map(|_| 0xff)),
        _ => {}
    }
    for _ in 0..draw(6) {
        let at = draw(copy.len());
        let value = [0, 1, 0x7f, 0x80, 0xfb, 0xfc, 0xfd, 0xff][draw(8)];
        if let Some(byte) = copy.get_mut(at) {
            *byte = value;
        }
    }
    copy
}
