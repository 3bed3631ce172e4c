//! The store as a whole: against a model, under faults at every step, at its limits.

use super::fault::{Faults, Step, Way};
use super::*;
use mesh_core::{Memory, Table};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;

/// Files so small that generations end often, and nothing that happens by time.
fn small() -> Config {
    Config {
        journal_bytes: 64 << 10,
        journal_most_bytes: 64 << 10,
        cache_bytes: 1 << 20,
        reserve_bytes: 0,
        ..Config::default()
    }
}

struct Rig {
    // Dropped, and so closed, before its directory goes.
    store: Store,
    dir: tempfile::TempDir,
    faults: Faults,
}

impl Rig {
    fn new(config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        open::create(dir.path(), &Passphrase::None, &config).unwrap();
        let faults = Faults::default();
        let opened = Store::open_faulty(dir.path(), &Passphrase::None, config, faults.clone());
        Self { dir, store: opened.unwrap().0, faults }
    }

    fn reopen(&mut self) -> OpenReport {
        self.faults = Faults::default();
        self.store.crash();
        let opened = Store::open_faulty(self.dir.path(), &Passphrase::None, small(), self.faults.clone());
        let (store, report) = opened.unwrap();
        self.store = store;
        report
    }

    fn put(&self, table: Table, key: &[u8], value: &[u8]) {
        self.store.stage(vec![StoreOp::put(table, key, value)]);
    }

    fn load(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.store.reader().load(table, key).unwrap()
    }
}

fn all(read: &dyn Read) -> BTreeMap<(Table, Vec<u8>), Vec<u8>> {
    let mut found = BTreeMap::new();
    for table in Table::ALL {
        read.scan(table, &mut |k, v| {
            assert!(
                found.insert((table, k.to_vec()), v.to_vec()).is_none(),
                "{table:?} {k:?} was seen twice"
            );
        })
        .unwrap();
    }
    found
}

#[test]
fn what_is_staged_is_read_at_once_and_gone_after_a_discard() {
    let rig = Rig::new(small());
    for table in Table::ALL {
        rig.put(table, b"kept", b"1");
    }
    rig.store.commit().unwrap();
    for table in Table::ALL {
        rig.put(table, b"kept", b"2");
        rig.put(table, b"new", b"3");
        assert_eq!(rig.load(table, b"kept").as_deref(), Some(&b"2"[..]));
        rig.store.stage(vec![StoreOp::delete(table, *b"kept")]);
        assert_eq!(rig.load(table, b"kept"), None);
    }
    rig.store.discard().unwrap();
    for table in Table::ALL {
        assert_eq!(rig.load(table, b"kept").as_deref(), Some(&b"1"[..]), "{table:?}");
        assert_eq!(rig.load(table, b"new"), None);
    }
}

#[test]
fn a_ticket_is_covered_by_the_commit_that_made_it_durable() {
    let rig = Rig::new(small());
    let first = rig.store.stage(vec![StoreOp::put(Table::Meta, *b"a", *b"1")]);
    assert!(rig.store.commit().unwrap() >= first);
    let second = rig.store.stage(vec![StoreOp::put(Table::Meta, *b"a", *b"2")]);
    assert!(second > first);
    let nothing = rig.store.stage(vec![]);
    assert!(rig.store.commit().unwrap() >= nothing);
}

#[test]
fn records_beyond_the_limits_are_refused_by_the_commit_and_a_discard_helps() {
    let rig = Rig::new(small());
    rig.put(Table::Body, &[1; MAX_KEY], &vec![2; MAX_VALUE]);
    rig.store.commit().unwrap();
    for (key, value) in [(vec![1; MAX_KEY + 1], vec![]), (vec![1], vec![2; MAX_VALUE + 1])] {
        rig.put(Table::Body, &key, &value);
        assert!(matches!(rig.store.commit(), Err(CommitError::TooLong { table: Table::Body, .. })));
        rig.store.discard().unwrap();
        rig.put(Table::Body, b"fine", b"");
        rig.store.commit().unwrap();
    }
}

#[test]
fn more_than_a_group_may_hold_is_refused() {
    let rig = Rig::new(small());
    for n in 0..=MAX_GROUP / MAX_VALUE {
        rig.put(Table::Body, &n.to_le_bytes(), &vec![0; MAX_VALUE]);
    }
    assert!(matches!(rig.store.commit(), Err(CommitError::TooMuch { .. })));
    rig.store.discard().unwrap();
    assert!(all(&*rig.store.reader()).is_empty());
}

#[test]
fn a_group_larger_than_the_journal_enlarges_it() {
    let mut rig = Rig::new(small());
    for n in 0..40_u8 {
        rig.put(if n % 2 == 0 { Table::Body } else { Table::Session }, &[n], &vec![n; 20_000]);
    }
    rig.store.commit().unwrap();
    let before = all(&*rig.store.reader());
    rig.reopen();
    assert_eq!(all(&*rig.store.reader()), before);
}

#[test]
fn with_too_little_space_only_deleting_works() {
    let config = Config { reserve_bytes: u64::MAX, ..small() };
    let rig = Rig::new(config);
    rig.put(Table::Body, b"a", b"1");
    assert!(matches!(rig.store.commit(), Err(CommitError::Full { .. })));
    assert!(matches!(rig.store.commit(), Err(CommitError::Undiscarded)));
    rig.store.discard().unwrap();
    rig.store.stage(vec![StoreOp::delete(Table::Body, *b"a")]);
    rig.store.commit().unwrap();
}

#[test]
fn a_deleted_session_key_is_nowhere_once_its_generation_ended() {
    let mut rig = Rig::new(small());
    rig.put(Table::Session, b"chain", b"the secret of an item");
    rig.store.commit().unwrap();
    let key = rig.store.inner().keyring.epochs().current.key.bytes().to_owned();
    rig.store.stage(vec![StoreOp::delete(Table::Session, *b"chain")]);
    rig.store.commit().unwrap();
    rig.store.close();
    let (store, _) = Store::open(rig.dir.path(), &Passphrase::None).unwrap();
    let epochs = store.inner().keyring.epochs();
    assert_ne!(epochs.current.key.bytes(), &key);
    assert!(epochs.previous.is_none(), "the old key must not stand in the keyfile");
    rig.store = store;
}

#[test]
fn a_generation_with_deleted_keys_ends_by_itself_in_time() {
    let rig = Rig::new(Config { forget_after: Duration::from_millis(1), ..small() });
    rig.put(Table::Session, b"chain", b"secret");
    rig.store.commit().unwrap();
    let began = std::time::Instant::now();
    while rig.store.stats().generation < 2 || rig.store.inner().keyring.epochs().previous.is_some() {
        assert!(began.elapsed() < Duration::from_secs(20), "the generation did not end");
        std::thread::yield_now();
    }
    assert_eq!(rig.load(Table::Session, b"chain").as_deref(), Some(&b"secret"[..]));
}

#[test]
fn sled_sleeps_when_it_is_unused_and_wakes_when_it_is_needed() {
    let rig = Rig::new(Config { idle_close: Duration::from_millis(20), ..small() });
    rig.put(Table::Body, b"a", b"1");
    rig.store.commit().unwrap();
    let began = std::time::Instant::now();
    while rig.store.stats().records_open {
        assert!(began.elapsed() < Duration::from_secs(20), "sled did not sleep");
        std::thread::yield_now();
    }
    assert_eq!(rig.load(Table::Body, b"a").as_deref(), Some(&b"1"[..]));
    rig.put(Table::Body, b"b", b"2");
    rig.store.commit().unwrap();
    assert_eq!(all(&*rig.store.reader()).len(), 2);
}

#[test]
fn what_came_and_went_is_counted_out_again() {
    let rig = Rig::new(small());
    rig.put(Table::Session, b"kept", b"1");
    rig.put(Table::Body, b"kept", &[0; 100]);
    for n in 0..100_u8 {
        rig.put(Table::Body, &[n], &[n; 1000]);
        rig.put(Table::Session, &[n], &[n; 100]);
        rig.store.commit().unwrap();
        rig.store
            .stage(vec![StoreOp::delete(Table::Body, vec![n]), StoreOp::delete(Table::Session, vec![n])]);
        rig.put(Table::Body, b"kept", &[n; 100]);
        rig.store.commit().unwrap();
    }
    rig.store.inner().backlog.wait_done().unwrap();
    let stats = rig.store.stats();
    assert_eq!(stats.live_records, 2);
    assert!(stats.live_bytes < 400, "{stats:?}");
    assert!(stats.generation > 1, "the journal was never begun anew");
}

#[test]
fn a_lost_or_unreadable_database_is_put_aside_and_the_rest_survives() {
    for damage in ["emptied", "garbled", "gone"] {
        let mut rig = Rig::new(small());
        for n in 0..200_u8 {
            for table in Table::ALL {
                rig.put(table, &[n], &[n; 300]);
            }
            rig.store.commit().unwrap();
        }
        let before = all(&*rig.store.reader());
        rig.store.close();
        let db = rig.dir.path().join("records-1");
        match damage {
            "emptied" => {
                fs::remove_dir_all(&db).unwrap();
                sled::open(&db).unwrap().flush().unwrap();
            }
            "garbled" => fs::write(db.join("db"), vec![0xa5; 1 << 20]).unwrap(),
            _ => fs::remove_dir_all(&db).unwrap(),
        }
        let report = rig.reopen();
        assert!(report.quarantined.is_some(), "{damage}: {report:?}");
        let after = all(&*rig.store.reader());
        for table in Table::ALL.into_iter().filter(|t| record::is_resident(*t) || *t == Table::Identity) {
            let of = |all: &BTreeMap<(Table, Vec<u8>), Vec<u8>>| {
                all.iter()
                    .filter(|((t, _), _)| *t == table)
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect::<Vec<_>>()
            };
            assert_eq!(of(&after), of(&before), "{damage}");
        }
        rig.put(Table::Body, b"again", b"1");
        rig.store.commit().unwrap();
        assert!(rig.reopen().quarantined.is_none());
        assert_eq!(rig.load(Table::Body, b"again").as_deref(), Some(&b"1"[..]));
    }
}

#[test]
fn records_missing_without_any_error_are_noticed_after_a_crash() {
    let mut rig = Rig::new(small());
    for n in 0..100_u8 {
        rig.put(Table::Body, &[n], &[n; 300]);
    }
    rig.store.commit().unwrap();
    rig.store.close();
    let db = sled::open(rig.dir.path().join("records-1")).unwrap();
    for name in db.iter().keys().flatten().filter(|n| n[0] != 0).take(50) {
        db.remove(name).unwrap();
    }
    drop(db);
    let (store, _) = Store::open_with(rig.dir.path(), &Passphrase::None, small()).unwrap();
    rig.store = store;
    rig.put(Table::Body, b"one more", b"1");
    rig.store.commit().unwrap();
    let report = rig.reopen();
    assert!(report.quarantined.is_some(), "{report:?}");
    assert!(report.salvaged >= 50);
    assert_eq!(rig.load(Table::Body, b"one more").as_deref(), Some(&b"1"[..]));
}

#[test]
fn at_most_two_quarantined_databases_are_kept() {
    let mut rig = Rig::new(small());
    for _ in 0..4 {
        rig.store.inner().engine.quarantine().unwrap();
    }
    rig.reopen();
    let names = fs::read_dir(rig.dir.path()).unwrap().flatten().map(|e| e.file_name());
    assert_eq!(names.filter(|n| n.to_string_lossy().starts_with("corrupt-")).count(), 2);
}

#[test]
fn a_rewritten_database_holds_the_same() {
    let mut rig = Rig::new(small());
    for n in 0..100_u8 {
        rig.put(Table::Event, &[n], &[n; 300]);
    }
    rig.store.commit().unwrap();
    rig.store.inner().backlog.wait_done().unwrap();
    let before = all(&*rig.store.reader());
    let seq = rig.store.inner().journal().as_ref().unwrap().last_seq();
    rig.store.inner().engine.rewrite(seq).unwrap();
    assert_eq!(all(&*rig.store.reader()), before);
    assert!(!rig.dir.path().join("records-1").exists());
    assert!(rig.reopen().quarantined.is_none());
    assert_eq!(all(&*rig.store.reader()), before);
}

#[test]
fn attack_74_a_keyfile_copied_back_over_a_newer_journal_is_noticed() {
    let rig = Rig::new(small());
    let old = fs::read(rig.dir.path().join("keyfile")).unwrap();
    for n in 0..200_u8 {
        rig.put(Table::Session, &[n], &[n; 300]);
        rig.store.commit().unwrap();
    }
    assert!(rig.store.stats().generation > 2);
    rig.store.close();
    fs::write(rig.dir.path().join("keyfile"), old).unwrap();
    let error = Store::open(rig.dir.path(), &Passphrase::None).err();
    assert!(matches!(error, Some(OpenError::Damaged { .. })), "{error:?}");
}

#[test]
fn a_journal_damaged_before_its_end_is_refused_and_a_torn_end_is_not() {
    let mut rig = Rig::new(small());
    for n in 0..5_u8 {
        rig.put(Table::Session, &[n], &[n; 100]);
        rig.store.commit().unwrap();
    }
    let end = rig.store.stats().journal_used;
    rig.store.crash();
    let path = rig.dir.path().join("journal.0");
    let intact = fs::read(&path).unwrap();
    let bend = |at: u64| {
        let mut bytes = intact.clone();
        bytes[usize::try_from(at).unwrap() + 100] ^= 1;
        fs::write(&path, bytes).unwrap();
    };
    bend(end - 3 * record::PAGE as u64);
    assert!(matches!(Store::open(rig.dir.path(), &Passphrase::None), Err(OpenError::Damaged { .. })));
    bend(end - record::PAGE as u64);
    let report = rig.reopen();
    assert!(report.torn);
    assert_eq!(all(&*rig.store.reader()).len(), 4);
}

/// Writes pairs that must always be found together, until storage fails; returns the last pair
/// that was acknowledged and the last that was tried.
fn write_until_it_fails(rig: &Rig) -> (u32, u32) {
    let mut acknowledged = 0;
    for n in 1..4_000_u32 {
        let n_bytes = n.to_le_bytes();
        rig.store.stage(vec![
            StoreOp::put(Table::Session, *b"floor", n_bytes),
            StoreOp::put(Table::Body, *b"floor", n_bytes),
            StoreOp::put(Table::Identity, *b"floor", n_bytes),
            StoreOp::put(Table::Session, n_bytes, vec![7; 500]),
            StoreOp::delete(Table::Session, (n.saturating_sub(3)).to_le_bytes()),
        ]);
        if rig.store.commit().is_err() {
            return (acknowledged, n);
        }
        acknowledged = n;
    }
    panic!("the fault never struck");
}

#[test]
fn attack_75_after_a_fault_at_any_step_all_that_was_acknowledged_is_there_and_nothing_is_half() {
    for step in Step::ALL {
        for passes in [0, 1, 5] {
            let mut rig = Rig::new(small());
            rig.faults.arm(step, passes);
            let (acknowledged, tried) = write_until_it_fails(&rig);
            let report = rig.reopen();
            assert!(report.quarantined.is_none(), "{step:?} {passes}: {report:?}");
            let [session, body, identity] = [Table::Session, Table::Body, Table::Identity]
                .map(|t| rig.load(t, b"floor").map_or(0, |v| u32::from_le_bytes(v.try_into().unwrap())));
            assert!(
                (acknowledged..=tried).contains(&session),
                "{step:?} {passes}: {session} of {acknowledged}"
            );
            assert_eq!((session, session), (body, identity), "{step:?} {passes}");
            for n in session.saturating_sub(2).max(1)..=session {
                assert_eq!(
                    rig.load(Table::Session, &n.to_le_bytes()).map(|v| v.len()),
                    Some(500),
                    "{step:?}"
                );
            }
            // A fault at the very first commit leaves nothing, not even the three floors.
            let whole = if session == 0 { 0 } else { 3 + 3.min(session as usize) };
            assert_eq!(all(&*rig.store.reader()).len(), whole, "{step:?} {passes}");
            rig.put(Table::Session, b"floor", b"goes on");
            rig.store.commit().unwrap();
        }
    }
}

#[test]
fn attack_72_nothing_that_was_stored_can_be_read_in_the_directory() {
    let rig = Rig::new(small());
    let (key, value) = (*b"a natural key of somebody", *b"a text that nobody may read");
    for table in Table::ALL {
        rig.put(table, &key, &value);
    }
    rig.store.commit().unwrap();
    rig.store.inner().backlog.wait_done().unwrap();
    let look = |dir: &Path| {
        let mut paths = vec![dir.to_path_buf()];
        while let Some(path) = paths.pop() {
            if path.is_dir() {
                paths.extend(fs::read_dir(&path).unwrap().flatten().map(|e| e.path()));
            } else {
                let bytes = fs::read(&path).unwrap();
                for secret in [&key[..], &value[..]] {
                    assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{}", path.display());
                }
            }
        }
    };
    look(rig.dir.path());
    rig.store.close();
    look(rig.dir.path());
}

#[test]
fn a_commit_runs_while_another_thread_stages_and_reads() {
    let rig = Rig::new(small());
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                rig.store.commit().unwrap();
            }
        });
        let reader = rig.store.reader();
        for n in 0..3_000_u32 {
            let (value, table) = (n.to_le_bytes(), if n % 2 == 0 { Table::Session } else { Table::Event });
            rig.put(table, b"last", &value);
            rig.put(table, &value, &value);
            assert_eq!(reader.load(table, b"last").unwrap().as_deref(), Some(&value[..]));
            assert_eq!(reader.load(table, &value).unwrap().as_deref(), Some(&value[..]));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(all(&*rig.store.reader()).len(), 3_002);
}

fn fails(rig: &Rig) -> bool {
    rig.put(Table::Session, b"last", b"1");
    let failed = rig.store.commit().is_err();
    failed || rig.store.inner().backlog.wait_done().is_err()
}

#[test]
fn after_a_sync_that_failed_nothing_goes_on_in_the_same_journal_file() {
    let mut rig = Rig::new(small());
    rig.put(Table::Session, b"first", b"1");
    rig.store.commit().unwrap();
    let before = rig.store.stats();
    rig.faults.arm(Step::JournalSync, 0);
    assert!(fails(&rig));
    rig.reopen();
    assert_eq!(rig.store.stats().generation, before.generation + 1);
    rig.put(Table::Session, b"second", b"2");
    rig.store.commit().unwrap();
    rig.store.crash();
    // The pages of the group whose sync failed never reached the disk.
    let path = rig.dir.path().join("journal.0");
    let mut bytes = fs::read(&path).unwrap();
    let at = usize::try_from(before.journal_used).unwrap();
    bytes[at..at + record::PAGE].fill(0xee);
    fs::write(&path, bytes).unwrap();
    rig.reopen();
    assert_eq!(rig.load(Table::Session, b"first").as_deref(), Some(&b"1"[..]));
    assert_eq!(rig.load(Table::Session, b"second").as_deref(), Some(&b"2"[..]));
    let generation = rig.store.stats().generation;
    rig.reopen();
    assert_eq!(rig.store.stats().generation, generation, "the suspicion has ended");
}

#[test]
fn a_database_whose_sync_failed_is_written_anew() {
    let mut rig = Rig::new(small());
    for n in 0..50_u8 {
        rig.put(Table::Event, &[n], &[n; 300]);
    }
    rig.store.commit().unwrap();
    rig.store.inner().backlog.wait_done().unwrap();
    let before = all(&*rig.store.reader());
    rig.faults.arm(Step::RecordsSync, 0);
    rig.put(Table::Event, b"one more", b"1");
    rig.store.commit().unwrap();
    let began = std::time::Instant::now();
    while rig.store.inner().check_sound().is_ok() {
        assert!(began.elapsed() < Duration::from_secs(20), "the sync did not fail");
        std::thread::yield_now();
    }
    assert!(rig.reopen().quarantined.is_none());
    assert!(!rig.dir.path().join("records-1").exists());
    assert_eq!(all(&*rig.store.reader()).len(), before.len() + 1);
    rig.reopen();
    assert!(rig.dir.path().join("records-2").exists(), "once is enough");
}

#[test]
fn a_panic_behind_the_journal_is_an_error_and_no_endless_wait() {
    let mut rig = Rig::new(small());
    rig.faults.arm_with(Step::Apply, 0, Way::Panic);
    rig.put(Table::Event, b"a", b"1");
    rig.store.commit().unwrap();
    assert!(rig.store.inner().backlog.wait_done().is_err());
    assert!(matches!(rig.store.discard(), Err(CommitError::Broken { .. })));
    rig.store.close();
    rig.reopen();
    assert_eq!(rig.load(Table::Event, b"a").as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_chore_does_not_wait_for_what_only_its_own_thread_can_do() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { forget_after: Duration::ZERO, ..small() };
    open::create(dir.path(), &Passphrase::None, &config).unwrap();
    // No thread behind the journal: what is left to do stays so.
    let (inner, ..) = open::open(dir.path(), &Passphrase::None, config, Faults::default()).unwrap();
    let write = || {
        inner.stage(vec![StoreOp::put(Table::Session, *b"a", *b"1")]);
        inner.commit().unwrap();
    };
    write();
    inner.switch(inner.journal().as_mut().unwrap(), 0).unwrap();
    write();
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        inner.do_chores(0).unwrap();
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(20)).expect("the chore waits for itself");
}

#[test]
fn an_error_of_the_system_says_nothing_about_the_database() {
    for way in [Way::Error, Way::Full] {
        let mut rig = Rig::new(small());
        for n in 0..50_u8 {
            rig.put(Table::Event, &[n], &[n; 300]);
        }
        rig.store.commit().unwrap();
        let before = all(&*rig.store.reader());
        rig.store.crash();
        rig.faults = Faults::default();
        rig.faults.arm_with(Step::Apply, 3, way);
        let opened = Store::open_faulty(rig.dir.path(), &Passphrase::None, small(), rig.faults.clone());
        assert!(matches!(opened, Err(OpenError::Io { .. } | OpenError::Full { .. })), "{way:?}");
        let report = rig.reopen();
        assert!(report.quarantined.is_none(), "{way:?}: {report:?}");
        assert_eq!(all(&*rig.store.reader()), before);
    }
}

#[test]
fn a_database_is_renamed_only_once_another_counts() {
    for (step, passes) in [(Step::Copy, 0), (Step::RecordsSync, 0), (Step::Adopt, 0)] {
        let mut rig = Rig::new(small());
        for n in 0..50_u8 {
            rig.put(Table::Event, &[n], &[n; 300]);
        }
        rig.store.commit().unwrap();
        rig.store.inner().backlog.wait_done().unwrap();
        let before = all(&*rig.store.reader());
        rig.faults.arm_with(step, passes, Way::Full);
        // Whatever ends it, what was there is there at the next start, whole.
        if step != Step::RecordsSync {
            assert!(rig.store.inner().engine.quarantine().is_err(), "{step:?}");
        }
        let report = rig.reopen();
        assert!(report.quarantined.is_none(), "{step:?}: {report:?}");
        assert_eq!(all(&*rig.store.reader()), before, "{step:?}");
    }
}

#[test]
fn what_was_on_its_way_aside_when_the_power_went_is_put_there_and_not_removed() {
    let mut rig = Rig::new(small());
    rig.put(Table::Event, b"a", b"1");
    rig.store.commit().unwrap();
    rig.store.close();
    let dir = rig.dir.path();
    fs::create_dir(dir.join("records-0")).unwrap();
    fs::write(dir.join("records-0/put-aside"), b"").unwrap();
    fs::create_dir(dir.join("records-9")).unwrap();
    rig.reopen();
    let names: Vec<_> = fs::read_dir(rig.dir.path()).unwrap().flatten().map(|e| e.file_name()).collect();
    let with = |start: &str| names.iter().filter(|n| n.to_string_lossy().starts_with(start)).count();
    assert_eq!((with("corrupt-"), with("records-")), (1, 1), "{names:?}");
}

#[test]
fn what_only_counts_and_reads_ends_no_generation_and_writes_no_mark() {
    let mut rig = Rig::new(small());
    rig.put(Table::Session, b"chain", b"secret");
    rig.put(Table::Event, b"a", b"1");
    rig.store.commit().unwrap();
    rig.store.close();
    rig.reopen();
    let (generation, mark) =
        (rig.store.stats().generation, fs::read(rig.dir.path().join("records.mark")).unwrap());
    for _ in 0..3 {
        rig.put(Table::Meta, b"clock", b"later");
        rig.put(Table::Outbox, b"message", b"on its way");
        rig.store.commit().unwrap();
        assert_eq!(rig.load(Table::Event, b"a").as_deref(), Some(&b"1"[..]));
        rig.store.close();
        rig.reopen();
    }
    assert_eq!(rig.store.stats().generation, generation);
    assert_eq!(fs::read(rig.dir.path().join("records.mark")).unwrap(), mark);
    rig.put(Table::Session, b"chain", b"another");
    rig.store.commit().unwrap();
    // A crash does not make it forget that there is something to forget.
    rig.reopen();
    rig.store.close();
    rig.reopen();
    assert_eq!(rig.store.stats().generation, generation + 1);
}

#[test]
fn a_store_into_which_nothing_was_committed_is_made_anew_and_no_other() {
    let given = |text: &str| Passphrase::Given(zeroize::Zeroizing::new(text.to_owned()));
    let dir = tempfile::tempdir().unwrap();
    drop(Store::create_with(dir.path(), &given("a"), small()).unwrap());
    let (store, report) = Store::create_with(dir.path(), &Passphrase::None, small()).unwrap();
    assert!(report.unprotected);
    store.stage(vec![StoreOp::put(Table::Meta, *b"a", *b"1")]);
    store.commit().unwrap();
    drop(store);
    for _ in 0..2 {
        let error = Store::create_with(dir.path(), &Passphrase::None, small()).err();
        assert!(matches!(error, Some(OpenError::AlreadyThere { .. })), "{error:?}");
        // Nor after a generation ended.
        let (store, _) = Store::open(dir.path(), &Passphrase::None).unwrap();
        store.stage(vec![StoreOp::put(Table::Session, *b"a", *b"1")]);
        store.commit().unwrap();
        store.close();
    }
}

#[derive(Clone, Debug)]
enum Act {
    Stage(Vec<(usize, u8, Option<u16>)>),
    Commit,
    Discard,
    Reopen,
    Crash,
}

fn any_act() -> impl Strategy<Value = Act> {
    let op = (0..Table::ALL.len(), 0..12_u8, proptest::option::of(0..3_000_u16));
    prop_oneof![
        6 => proptest::collection::vec(op, 0..12).prop_map(Act::Stage),
        4 => Just(Act::Commit),
        1 => Just(Act::Discard),
        1 => Just(Act::Reopen),
        1 => Just(Act::Crash),
    ]
}

fn op((table, key, value): &(usize, u8, Option<u16>)) -> StoreOp {
    let table = Table::ALL[*table];
    match value {
        Some(len) => StoreOp::put(table, [*key], vec![*key; usize::from(*len)]),
        None => StoreOp::delete(table, [*key]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_store_is_what_its_model_in_memory_is(acts in proptest::collection::vec(any_act(), 1..60)) {
        let mut rig = Rig::new(small());
        let (mut durable, mut staged) = (Memory::default(), Memory::default());
        for act in acts {
            match act {
                Act::Stage(ops) => {
                    let ops: Vec<_> = ops.iter().map(op).collect();
                    staged.apply(ops.clone());
                    rig.store.stage(ops);
                }
                Act::Commit => {
                    rig.store.commit().unwrap();
                    durable = staged.snapshot();
                }
                Act::Discard => {
                    rig.store.discard().unwrap();
                    staged = durable.snapshot();
                }
                Act::Reopen | Act::Crash => {
                    if matches!(act, Act::Reopen) {
                        rig.store.close();
                    }
                    prop_assert!(rig.reopen().quarantined.is_none());
                    staged = durable.snapshot();
                }
            }
            prop_assert_eq!(all(&*rig.store.reader()), all(&staged));
        }
    }
}
