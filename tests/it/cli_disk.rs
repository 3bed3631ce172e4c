//! A full disk, seen from the command line: plain words, the right exit code, and nothing that was accepted is
//! lost.

use crate::cli_rig::{Person, eventually};
use crate::support::{Disk, run};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What is left free by a filled disk: less than the store keeps back, more than its files need at first.
const LEFT: u64 = 40 << 20;

/// Fills the disk up to [`LEFT`] bytes.
fn fill(disk: &Disk) -> PathBuf {
    let path = disk.mount.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    while free(&disk.mount) > LEFT {
        file.write_all(&vec![1; 1 << 20]).unwrap();
        file.sync_data().unwrap();
    }
    path
}

fn empty(filler: &Path) {
    let parent = filler.parent().unwrap().to_owned();
    std::fs::remove_file(filler).unwrap();
    run("sync", &["-f", parent.to_str().unwrap()]);
}

fn free(path: &Path) -> u64 {
    let stat = rustix::fs::statvfs(path).unwrap();
    stat.f_bavail * stat.f_frsize
}

fn texts(person: &Person) -> Vec<String> {
    let messages = person.run(&["messages", "--json"]).json();
    messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_full_disk_takes_no_identity_and_none_is_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(dir.path(), 192) else { return };
    let filler = fill(&disk);
    let asha = Person::nobody().moved(disk.mount.join("data"));
    asha.run(&["init", "--name", "Asha", "--json"]).fails(1, &["the disk is full"]);
    asha.run(&["id"]).fails(3, &["no identity"]);
    empty(&filler);
    assert_eq!(asha.run(&["init", "--name", "Asha", "--json"]).one()["name"], "Asha");
    assert_eq!(asha.run(&["id", "--json"]).one()["name"], "Asha");
}

#[test]
fn a_disk_that_fills_up_refuses_texts_and_keeps_what_it_has_and_goes_on_once_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(dir.path(), 192) else { return };
    let asha = Person::nobody().moved(disk.mount.join("data")).named("Asha");
    let bo = Person::new("Bo");
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    asha.run(&["send", "Bo", "first", "--json"]).one();
    let filler = fill(&disk);
    let refused = || asha.run(&["send", "Bo", "lost"]).fails(1, &["could not be stored", "free some space"]);
    refused();
    assert_eq!(texts(&asha), ["first"]);
    let node = asha.start(&["--no-lan"]);
    refused();
    assert_eq!(texts(&asha), ["first"]);
    assert_eq!(asha.run(&["status"]).code, 0);
    empty(&filler);
    eventually("a text is taken again", || {
        (asha.run(&["send", "Bo", "second", "--json"]).code == 0).then_some(())
    });
    assert_eq!(texts(&asha), ["first", "second"]);
    assert_eq!(node.interrupt(), 0);
    assert_eq!(texts(&asha), ["first", "second"]);
}

#[test]
fn a_passphrase_that_protects_nothing_is_not_taken_silently() {
    let asha = Person::new("Asha").with_passphrase("given in vain");
    let done = asha.run(&["id", "--json"]);
    done.one();
    assert!(done.stderr.contains("not protected by a passphrase"), "{done:?}");
    let bo = Person::nobody().with_passphrase("used").named("Bo");
    let done = bo.run(&["id", "--json"]);
    done.one();
    assert!(done.stderr.is_empty(), "{done:?}");
}

#[test]
fn what_only_looks_writes_little() {
    let asha = Person::new("Asha");
    asha.run(&["id", "--json"]).one();
    let keyfile = || std::fs::read(asha.path().join("keyfile")).unwrap();
    let before = keyfile();
    for command in [&["id"][..], &["contacts"], &["messages"], &["status"]] {
        assert_eq!(asha.run(command).code, 0);
    }
    assert!(keyfile() == before, "a look began a new journal generation");
}
