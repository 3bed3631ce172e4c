//! Disks that are full or read-only, directories that are in use.

use crate::support::{Disk, Part, role, run};
use mesh_core::{StoreOp, Table};
use starling::store::{CommitError, Config, OpenError, Passphrase, Store};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use zeroize::Zeroizing;

fn small() -> Config {
    Config {
        journal_bytes: 1 << 20,
        journal_most_bytes: 1 << 20,
        cache_bytes: 1 << 20,
        reserve_bytes: 12 << 20,
        backlog_bytes: 1 << 20,
        ..Config::default()
    }
}

#[test]
fn a_second_process_is_told_that_one_is_running_already() {
    if let Some(dir) = role() {
        let error = Store::open(&dir, &Passphrase::None).err();
        println!("second {}", matches!(error, Some(OpenError::Locked { .. })));
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = Store::create(dir.path(), &Passphrase::None).unwrap();
    let mut child =
        Part::start("store_disk::a_second_process_is_told_that_one_is_running_already", dir.path());
    assert_eq!(child.line("second ").as_deref(), Some("true"));
    let again = Store::open(dir.path(), &Passphrase::None).err();
    let holder = Some(std::process::id());
    assert!(matches!(again, Some(OpenError::Locked { holder: told, .. }) if told == holder));
    store.close();
    Store::open(dir.path(), &Passphrase::None).unwrap();
}

#[test]
fn attack_74_a_wrong_passphrase_opens_nothing_and_harms_nothing() {
    let given = |text: &str| Passphrase::Given(Zeroizing::new(text.to_owned()));
    let dir = tempfile::tempdir().unwrap();
    let (store, report) = Store::create(dir.path(), &given("right")).unwrap();
    assert!(!report.unprotected);
    store.stage(vec![StoreOp::put(Table::Contact, *b"a", *b"1")]);
    store.commit().unwrap();
    drop(store);
    for n in 0..10 {
        let error = Store::open(dir.path(), &given(&format!("wrong {n}"))).err();
        assert!(matches!(error, Some(OpenError::WrongPassphrase)), "{error:?}");
    }
    let error = Store::open(dir.path(), &Passphrase::None).err();
    assert!(matches!(error, Some(OpenError::NeedsPassphrase)), "{error:?}");
    let (store, _) = Store::open(dir.path(), &given("right")).unwrap();
    assert_eq!(store.reader().load(Table::Contact, b"a").unwrap().as_deref(), Some(&b"1"[..]));
}

#[test]
fn a_directory_without_a_store_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open(dir.path(), &Passphrase::None).err();
    assert!(matches!(error, Some(OpenError::NotThere { .. })));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    let (store, _) = Store::create(dir.path(), &Passphrase::None).unwrap();
    store.stage(vec![StoreOp::put(Table::Contact, *b"a", *b"1")]);
    store.commit().unwrap();
    drop(store);
    let error = Store::create(dir.path(), &Passphrase::None).err();
    assert!(matches!(error, Some(OpenError::AlreadyThere { .. })));
}

#[test]
fn nobody_else_may_look_into_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (store, report) = Store::create(&data, &Passphrase::None).unwrap();
    assert!(report.unprotected, "a plain warning is due");
    store.stage(vec![StoreOp::put(Table::Identity, *b"a", *b"1")]);
    store.commit().unwrap();
    store.close();
    check_modes(&data);
}

/// sled makes its own files as the process's mask says (the program sets one); the directory above them keeps
/// others out in any case.
fn check_modes(dir: &Path) {
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir), 0o700);
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let expected = if entry.path().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&entry.path()), expected, "{}", entry.path().display());
    }
}

#[test]
fn a_full_disk_stops_commits_and_loses_nothing_and_deleting_helps() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(dir.path(), 48) else { return };
    let data = disk.mount.join("data");
    let (store, _) = Store::create_with(&data, &Passphrase::None, small()).unwrap();
    let mut kept = 0_u32;
    let error = loop {
        store.stage(vec![
            StoreOp::put(Table::Body, kept.to_le_bytes(), vec![1; 16_000]),
            StoreOp::put(Table::Session, *b"kept", kept.to_le_bytes()),
        ]);
        match store.commit() {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, CommitError::Full { .. }), "{error:?}");
    store.discard().unwrap();
    let check = |store: &Store| {
        let last = store.reader().load(Table::Session, b"kept").unwrap().unwrap();
        assert_eq!(last, (kept - 1).to_le_bytes());
        for n in 0..kept {
            let body = store.reader().load(Table::Body, &n.to_le_bytes()).unwrap();
            assert_eq!(body.map(|b| b.len()), Some(16_000), "{n} of {kept}");
        }
    };
    check(&store);
    drop(store);
    let (store, report) = Store::open_with(&data, &Passphrase::None, small()).unwrap();
    assert!(report.quarantined.is_none());
    check(&store);
    store.stage((0..kept).map(|n| StoreOp::delete(Table::Body, n.to_le_bytes())).collect());
    store.commit().unwrap();
    assert!(kept > 100, "the disk was full at once");
}

#[test]
fn a_read_only_disk_is_named_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(dir.path(), 48) else { return };
    let data = disk.mount.join("data");
    drop(Store::create_with(&data, &Passphrase::None, small()).unwrap());
    assert!(run("mount", &["-o", "remount,ro", disk.mount.to_str().unwrap()]));
    for result in [
        Store::open_with(&data, &Passphrase::None, small()).err(),
        Store::create_with(&disk.mount.join("other"), &Passphrase::None, small()).err(),
    ] {
        assert!(matches!(result, Some(OpenError::ReadOnly { .. })), "{result:?}");
    }
}
