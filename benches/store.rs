//! Storage at speed: commit latency and messages per second for groups of 1 and of 64.
//!
//! One message is what a relay or a receiver writes for it: a 1,300-byte body, a carried record, an
//! event, a tombstone, two session records put and one deleted, a counter.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mesh_core::{StoreOp, Table};
use starling::store::{Passphrase, Store};
use std::hint::black_box;
use std::io::Write;

fn message(n: u64) -> Vec<StoreOp> {
    let key = blake3::hash(&n.to_le_bytes()).as_bytes().to_vec();
    let old = blake3::hash(&n.saturating_sub(200).to_le_bytes()).as_bytes().to_vec();
    vec![
        StoreOp::put(Table::Body, key.clone(), vec![n.to_le_bytes()[0]; 1300]),
        StoreOp::put(Table::Carried, key.clone(), vec![1; 64]),
        StoreOp::put(Table::Event, key.clone(), vec![2; 120]),
        StoreOp::put(Table::Session, key, vec![3; 56]),
        StoreOp::put(Table::Session, *b"floor", vec![4; 400]),
        StoreOp::delete(Table::Session, old.clone()),
        StoreOp::delete(Table::Body, old.clone()),
        StoreOp::delete(Table::Carried, old),
        StoreOp::put(Table::Meta, *b"seq", n.to_le_bytes()),
    ]
}

fn commits(c: &mut Criterion) {
    let mut group = c.benchmark_group("store");
    for window in [1, 64] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (store, _) = Store::create(dir.path(), &Passphrase::None).expect("a new store");
        let mut n = 0;
        group.throughput(Throughput::Elements(window));
        group.bench_function(format!("commit of {window} messages"), |b| {
            b.iter(|| {
                for _ in 0..window {
                    n += 1;
                    store.stage(message(n));
                }
                store.commit().expect("room on the disk")
            });
        });
    }
    group.finish();
}

fn reads(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (store, _) = Store::create(dir.path(), &Passphrase::None).expect("a new store");
    for n in 0..2_000 {
        store.stage(vec![
            StoreOp::put(Table::Session, u64::to_le_bytes(n), vec![3; 56]),
            StoreOp::put(Table::Body, u64::to_le_bytes(n), vec![3; 1300]),
        ]);
    }
    store.commit().expect("room on the disk");
    store.close();
    let (store, _) = Store::open(dir.path(), &Passphrase::None).expect("the store");
    let reader = store.reader();
    let mut n = 0_u64;
    for table in [Table::Session, Table::Body] {
        c.bench_function(&format!("store/read of {table:?}"), |b| {
            b.iter(|| {
                n = (n + 7) % 2_000;
                black_box(reader.load(table, &n.to_le_bytes()).expect("a readable record"))
            });
        });
    }
}

/// The other order: sled is the commit record, flushed and synced for every group, and session
/// state goes to a preallocated file of its own.
fn plain(c: &mut Criterion) {
    let mut group = c.benchmark_group("store-plain");
    for window in [1, 64] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let db = sled::Config::new()
            .path(dir.path().join("db"))
            .cache_capacity(16 << 20)
            .open()
            .expect("a new database");
        let sync = std::fs::File::open(dir.path().join("db/db")).expect("its file");
        let mut side = std::fs::File::create(dir.path().join("side")).expect("a file");
        side.write_all(&vec![0; 64 << 20]).and_then(|()| side.sync_all()).expect("room on the disk");
        let (mut n, mut at) = (0, 0);
        group.throughput(Throughput::Elements(window));
        group.bench_function(format!("commit of {window} messages"), |b| {
            b.iter(|| {
                let (mut batch, mut own) = (sled::Batch::default(), Vec::new());
                for _ in 0..window {
                    n += 1;
                    split(message(n), &mut batch, &mut own);
                }
                at = (at + own.len() as u64) % (60 << 20);
                std::os::unix::fs::FileExt::write_all_at(&side, &own, at)
                    .and_then(|()| side.sync_data())
                    .expect("room on the disk");
                db.apply_batch(batch).and_then(|()| db.flush()).expect("room on the disk");
                sync.sync_data().expect("room on the disk");
            });
        });
    }
    group.finish();
}

fn split(ops: Vec<StoreOp>, batch: &mut sled::Batch, own: &mut Vec<u8>) {
    for op in ops {
        match op {
            StoreOp::Put { table: Table::Session | Table::Meta, key, value } => {
                own.extend(key);
                own.extend(value);
            }
            StoreOp::Put { table, mut key, value } => {
                key.push(table as u8);
                batch.insert(key, value);
            }
            StoreOp::Delete { table, mut key } => {
                key.push(table as u8);
                batch.remove(key);
            }
        }
    }
}

criterion_group!(benches, commits, reads, plain);
criterion_main!(benches);
