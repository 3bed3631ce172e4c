//! A passphrase that is set, changed and removed after the identity was made.

use crate::cli_rig::Person;
use crate::proof_rig::{extent, random_below};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

/// A file beside the data directory with a passphrase in its first line.
fn file(person: &Person, passphrase: &str) -> PathBuf {
    let path = person.home().join(passphrase);
    std::fs::write(&path, format!("{passphrase}\n")).unwrap();
    path
}

#[test]
fn a_passphrase_is_set_changed_and_removed() {
    let asha = Person::new("Asha");
    let before = asha.run(&["id", "--json"]).one();
    let [first, second] = ["first", "second"].map(|p| file(&asha, p).to_str().unwrap().to_owned());
    assert_eq!(asha.run(&["passphrase", "--new-file", &first, "--json"]).one()["protected"], true);
    asha.run(&["id"]).fails(1, &["--passphrase-file"]);
    asha.run(&["passphrase", "--new-file", &second]).fails(1, &["--passphrase-file"]);
    asha.run(&["passphrase", "--new-file", &second, "--passphrase-file", &second])
        .fails(1, &["does not open"]);
    asha.run(&["passphrase", "--new-file", &second, "--passphrase-file", &first, "--json"]).one();
    asha.run(&["id", "--passphrase-file", &first]).fails(1, &["does not open"]);
    assert_eq!(asha.run(&["id", "--passphrase-file", &second, "--json"]).one(), before);
    let removed = asha.run(&["passphrase", "--remove", "--passphrase-file", &second, "--json"]);
    assert!(removed.stderr.contains("whoever takes this disk"), "{removed:?}");
    assert_eq!(removed.one()["protected"], false);
    assert_eq!(asha.run(&["id", "--json"]).one(), before);
}

#[test]
fn a_passphrase_is_not_changed_under_a_running_node_nor_without_one_to_set() {
    let asha = Person::new("Asha");
    asha.run(&["passphrase"]).fails(2, &["--new-file"]);
    let new = file(&asha, "new").to_str().unwrap().to_owned();
    asha.run(&["passphrase", "--new-file", &new, "--remove"]).fails(2, &[]);
    Person::nobody().run(&["passphrase", "--new-file", &new]).fails(3, &["no identity"]);
    let _node = asha.start(&["--no-lan"]);
    asha.run(&["passphrase", "--new-file", &new]).fails(1, &["Stop it first"]);
    assert_eq!(asha.run(&["id", "--json"]).one()["name"], "Asha");
}

#[test]
fn a_change_of_the_passphrase_that_is_killed_leaves_one_that_opens() {
    let asha = Person::new("Asha");
    let before = asha.run(&["id", "--json"]).one();
    let files = ["one", "two"].map(|p| file(&asha, p).to_str().unwrap().to_owned());
    // Which file opens now; `None` is no passphrase.
    let mut now: Option<usize> = None;
    for _ in 0..extent(6, 60) {
        let next = [None, Some(0), Some(1)].into_iter().filter(|next| *next != now);
        let next = next.collect::<Vec<_>>()[random_below(2) as usize];
        let mut command = asha.command();
        command.arg("passphrase").stdout(Stdio::null()).stderr(Stdio::null());
        match next {
            None => command.arg("--remove"),
            Some(file) => command.args(["--new-file", &files[file]]),
        };
        if let Some(file) = now {
            command.args(["--passphrase-file", &files[file]]);
        }
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random_below(800)));
        let _ = child.kill();
        child.wait().unwrap();
        let opens = |which: &Option<usize>| {
            let mut arguments = vec!["id", "--json"];
            if let Some(file) = *which {
                arguments.extend(["--passphrase-file", &files[file]]);
            }
            let id = asha.run(&arguments);
            id.code == 0 && id.one() == before
        };
        // What needs none opens with any.
        let found = [None, Some(0), Some(1)].into_iter().find(opens);
        assert!(found == Some(now) || found == Some(next), "{found:?}, from {now:?} to {next:?}");
        now = found.unwrap_or_default();
    }
}
