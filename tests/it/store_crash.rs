//! Processes that are killed and disks that lose power: what was acknowledged is there afterwards,
//! whole.

use crate::support::{Disk, Part, role};
use mesh_core::{StoreOp, Table};
use rustix::process::Signal;
use starling::store::{Config, Passphrase, Store};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Generations end every few commits, so that crashes fall into their ends too.
fn config() -> Config {
    Config { journal_bytes: 256 << 10, journal_most_bytes: 256 << 10, reserve_bytes: 0, ..Config::default() }
}

/// Commits numbered groups over all kinds of tables for ever, and says each number once it is
/// acknowledged.
fn write_for_ever(dir: &Path) {
    let (store, _) = Store::open_with(dir, &Passphrase::None, config()).unwrap();
    let mut out = std::io::stdout().lock();
    for n in floor(&store, Table::Session) + 1.. {
        store.stage(group(n));
        store.commit().unwrap();
        writeln!(out, "acknowledged {n}").unwrap();
        out.flush().unwrap();
    }
}

/// What group `n` does: moves the floor in every kind of table, adds a record and a body, and
/// deletes older ones.
fn group(n: u64) -> Vec<StoreOp> {
    let (key, old) = (n.to_le_bytes(), n.saturating_sub(20).to_le_bytes());
    let mut ops = vec![
        StoreOp::put(Table::Session, *b"floor", key),
        StoreOp::put(Table::Meta, *b"floor", key),
        StoreOp::put(Table::Event, *b"floor", key),
        StoreOp::put(Table::Session, key, vec![7; 100]),
        StoreOp::put(Table::Body, key, vec![8; 1300]),
        StoreOp::delete(Table::Session, old),
        StoreOp::delete(Table::Body, old),
    ];
    if n.is_multiple_of(50) {
        ops.push(StoreOp::put(Table::Identity, *b"floor", key));
    }
    ops
}

fn floor(store: &Store, table: Table) -> u64 {
    let found = store.reader().load(table, b"floor").unwrap();
    found.map_or(0, |v| u64::from_le_bytes(v.try_into().unwrap()))
}

/// Checks the store in `dir` against the last acknowledged number; returns where it stands.
fn verify(dir: &Path, acknowledged: u64) -> u64 {
    let (store, report) = Store::open_with(dir, &Passphrase::None, config()).unwrap();
    assert!(report.quarantined.is_none(), "{report:?}");
    let floors = [Table::Session, Table::Meta, Table::Event].map(|t| floor(&store, t));
    let stands = floors[0];
    assert_eq!(floors, [stands; 3], "a group is half there");
    assert!(stands >= acknowledged, "{acknowledged} was acknowledged, {stands} is there");
    assert_eq!(floor(&store, Table::Identity), stands / 50 * 50);
    for n in 1..=stands {
        let live = n + 20 > stands;
        for (table, len) in [(Table::Session, 100), (Table::Body, 1300)] {
            let found = store.reader().load(table, &n.to_le_bytes()).unwrap();
            assert_eq!(found.map(|v| v.len()), live.then_some(len), "{table:?} {n} of {stands}");
        }
    }
    stands
}

/// A number below `bound` that changes from round to round.
fn some(round: u64, bound: u64) -> u64 {
    (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) % bound
}

#[test]
fn attack_75_whatever_was_acknowledged_survives_kill_9() {
    if let Some(dir) = role() {
        return write_for_ever(&dir);
    }
    let dir = tempfile::tempdir().unwrap();
    drop(Store::create_with(dir.path(), &Passphrase::None, config()).unwrap());
    let mut stands = 0;
    for round in 0..30 {
        let mut child =
            Part::start("store_crash::attack_75_whatever_was_acknowledged_survives_kill_9", dir.path());
        let mut acknowledged = stands;
        for _ in 0..some(round, 120) {
            acknowledged = child.line("acknowledged ").unwrap().parse().unwrap();
        }
        // The child goes on while this reads: the moment is anywhere in a commit.
        std::thread::sleep(Duration::from_micros(some(round, 3_000)));
        child.kill();
        while let Some(line) = child.line("acknowledged ") {
            acknowledged = line.parse().unwrap();
        }
        stands = verify(dir.path(), acknowledged);
    }
    assert!(stands > 500, "the children did nothing");
}

/// The writer is frozen right after an acknowledgement and the disk's backing file is copied: what
/// only stood in the page cache of the mounted file system is missing from the copy.
#[test]
fn whatever_was_acknowledged_survives_a_power_cut() {
    if let Some(dir) = role() {
        return write_for_ever(&dir);
    }
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(dir.path(), 96) else { return };
    let data = disk.mount.join("data");
    drop(Store::create_with(&data, &Passphrase::None, config()).unwrap());
    let mut child = Part::start("store_crash::whatever_was_acknowledged_survives_a_power_cut", &data);
    for round in 0..12 {
        let mut acknowledged = 0;
        for _ in 0..=some(round, 150) {
            acknowledged = child.line("acknowledged ").unwrap().parse().unwrap();
        }
        child.signal(Signal::STOP);
        // A file of its own each time: a lazily unmounted loop device may still hold the last one.
        let copy = dir.path().join(format!("copy{round}"));
        std::fs::copy(&disk.image, &copy).unwrap();
        child.signal(Signal::CONT);
        let Some(cut) = Disk::mount(&copy, &dir.path().join(format!("cut{round}")), "loop") else { return };
        verify(&cut.mount.join("data"), acknowledged);
        drop(cut);
        std::fs::remove_file(&copy).unwrap();
    }
}
