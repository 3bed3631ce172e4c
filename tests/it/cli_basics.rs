//! Commands without any neighbour.

use crate::cli_rig::Person;
use serde_json::Value;

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn init_makes_an_identity_that_id_shows() {
    let asha = Person::nobody();
    let made = asha.run(&["init", "--name", "Asha", "--json"]).one();
    assert_eq!(keys(&made), ["account", "link", "name"]);
    assert_eq!(made["name"], "Asha");
    assert_eq!(made["account"].as_str().map(str::len), Some(32));
    assert!(made["link"].as_str().is_some_and(|link| link.starts_with("STARLING:1/")));
    assert_eq!(asha.run(&["id", "--json"]).one(), made);
}

#[test]
fn id_draws_a_qr_code() {
    let asha = Person::new("Asha");
    let shown = asha.run(&["id", "--qr"]);
    assert_eq!(shown.code, 0);
    assert!(shown.stdout.lines().filter(|line| line.contains('█')).count() > 30, "{}", shown.stdout);
}

#[test]
fn a_second_init_keeps_the_first_identity() {
    let asha = Person::new("Asha");
    let before = asha.run(&["id", "--json"]).one();
    asha.run(&["init", "--name", "Eve"]).fails(1, &["already"]);
    assert_eq!(asha.run(&["id", "--json"]).one(), before);
}

#[test]
fn adding_a_person_by_link_makes_a_contact() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    let added = asha.run(&["add", &bo.link(), "--name", "Bobby", "--json"]).one();
    assert_eq!(keys(&added), ["account", "name", "state"]);
    assert_eq!((&added["name"], &added["state"]), (&"Bobby".into(), &"added".into()));
    let contact = asha.run(&["contacts", "--json"]).one();
    assert_eq!(keys(&contact), ["account", "name", "petname", "state", "tag"]);
    assert_eq!(contact["petname"], "Bobby");
    assert_eq!(contact["account"], bo.run(&["id", "--json"]).one()["account"]);
}

#[test]
fn both_see_one_safety_number_and_a_match_is_remembered() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    bo.run(&["add", &asha.link(), "--name", "Asha"]);
    let here = asha.run(&["verify", "Bo", "--json"]).one();
    assert_eq!(keys(&here), ["account", "name", "safety_number", "state"]);
    let digits = here["safety_number"].as_str().expect("digits");
    assert!(digits.len() == 60 && digits.bytes().all(|digit| digit.is_ascii_digit()), "{digits}");
    assert_eq!(bo.run(&["verify", "Asha", "--json"]).one()["safety_number"], digits);
    assert_eq!(asha.run(&["contacts", "--json"]).one()["state"], "added", "looking is no match");
    assert_eq!(asha.run(&["verify", "Bo", "--matches", "--json"]).one()["state"], "verified");
    assert_eq!(asha.run(&["contacts", "--json"]).one()["state"], "verified");
}

#[test]
fn a_link_can_come_from_standard_input() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    let link = format!("{}\n", bo.link());
    assert_eq!(asha.pipe(&["add", "-", "--json"], link.as_bytes()).one()["state"], "added");
}

#[test]
fn a_message_waits_durably_without_a_running_node() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    let sent = asha.run(&["send", "bo", "hello\nthere", "--json"]);
    assert!(sent.stderr.contains("No node is running"), "{sent:?}");
    let sent = sent.one();
    assert_eq!(keys(&sent), ["carriers", "expires_in_s", "hops", "id", "state"]);
    assert_eq!((&sent["state"], &sent["carriers"]), (&"waiting".into(), &0.into()));
    let message = asha.run(&["messages", "--json"]).one();
    let expected = ["conversation", "from", "id", "received_at", "sent_at", "state", "text"];
    assert_eq!(keys(&message), expected);
    assert_eq!((&message["from"], &message["text"]), (&"me".into(), &"hello\nthere".into()));
    assert_eq!(message["id"], sent["id"]);
    let id = sent["id"].as_str().expect("an id");
    assert_eq!(asha.run(&["info", id, "--json"]).one()["state"], "waiting");
    assert_eq!(asha.run(&["info", &id[..8], "--json"]).one()["id"], sent["id"]);
    assert_eq!(asha.run(&["status", "--json"]).one()["outbox"], 1);
}

#[test]
fn a_text_comes_from_standard_input_without_its_last_line_break() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    asha.pipe(&["send", "Bo", "-"], b"from a pipe\n");
    assert_eq!(asha.run(&["messages", "--json"]).one()["text"], "from a pipe");
}

#[test]
fn the_longest_text_is_taken() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    let longest = "x".repeat(65_536);
    assert_eq!(asha.pipe(&["send", "Bo", "-", "--json"], longest.as_bytes()).one()["state"], "waiting");
    assert_eq!(asha.run(&["messages", "--json"]).one()["text"].as_str().map(str::len), Some(65_536));
}

#[test]
fn invites_are_made_listed_and_revoked() {
    let asha = Person::new("Asha");
    let made = asha.run(&["invite", "new", "--uses", "2", "--for", "7d", "--json"]).one();
    assert_eq!(keys(&made), ["expires_in_s", "link", "number", "uses_left"]);
    assert_eq!(made["uses_left"], 2);
    let listed = asha.run(&["invite", "list", "--json"]).json();
    assert!(listed.iter().any(|invite| invite["number"] == made["number"]), "{listed:?}");
    let number = made["number"].to_string();
    asha.run(&["invite", "revoke", &number, "--json"]).json();
    let listed = asha.run(&["invite", "list", "--json"]).json();
    assert!(listed.iter().all(|invite| invite["number"] != made["number"]), "{listed:?}");
    asha.run(&["invite", "revoke", &number]).fails(3, &["no invite"]);
}

#[test]
fn the_safety_number_is_the_same_on_both_sides() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    bo.run(&["add", &asha.link(), "--name", "Asha"]);
    let here = asha.run(&["verify", "Bo", "--json"]).one();
    let there = bo.run(&["verify", "Asha", "--json"]).one();
    assert_eq!(here["safety_number"].as_str().map(str::len), Some(60));
    assert_eq!(here["safety_number"], there["safety_number"]);
}

#[test]
fn a_passphrase_guards_the_directory() {
    let asha = Person::nobody().with_passphrase("correct horse");
    asha.run(&["init", "--name", "Asha", "--json"]).one();
    asha.run(&["id", "--json"]).one();
    let with_wrong = asha.with_passphrase("battery staple");
    with_wrong.run(&["id"]).fails(1, &["passphrase does not open"]);
    let file = with_wrong.path().with_file_name("secret");
    std::fs::write(&file, "correct horse\n").expect("the file can be written");
    let path = file.to_str().expect("a plain path");
    with_wrong.run(&["id", "--json", "--passphrase-file", path]).one();
}

#[test]
fn the_directory_can_be_moved() {
    let asha = Person::new("Asha");
    let before = asha.run(&["id", "--json"]).one();
    let moved = asha.path().with_file_name("moved");
    std::fs::rename(asha.path(), &moved).expect("it can be moved");
    let path = moved.to_str().expect("a plain path");
    assert_eq!(asha.run(&["id", "--json", "--data-dir", path]).one(), before);
}

#[test]
fn stale_port_files_are_ignored() {
    let asha = Person::new("Asha");
    std::fs::write(asha.path().join("api.json"), r#"{"port":9,"pid":1}"#).expect("a file");
    std::fs::write(asha.path().join("api.token"), "0".repeat(64)).expect("a file");
    assert_eq!(asha.run(&["id", "--json"]).one()["name"], "Asha");
}

#[test]
fn two_commands_at_once_both_succeed() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    std::thread::scope(|scope| {
        for text in ["one", "two", "three", "four"] {
            let asha = &asha;
            scope.spawn(move || assert_eq!(asha.run(&["send", "Bo", text]).code, 0));
        }
    });
    assert_eq!(asha.run(&["messages", "--json"]).json().len(), 4);
}

#[test]
fn what_was_spooled_is_sent_by_the_next_command() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    let spool = asha.path().join("spool");
    std::fs::create_dir(&spool).expect("a directory");
    let id = "00112233445566778899aabbccddeeff";
    let request = format!(r#"{{"to":"Bo","text":"spooled","id":"{id}"}}"#);
    std::fs::write(spool.join("1-1.json"), &request).expect("a file");
    std::fs::write(spool.join("2-1.json"), "no JSON").expect("a file");
    let done = asha.run(&["messages", "--json"]);
    assert_eq!(done.one()["id"], id);
    assert!(done.stderr.contains("was damaged"), "{done:?}");
    std::fs::write(spool.join("3-1.json"), &request).expect("a file");
    assert_eq!(asha.run(&["messages", "--json"]).json().len(), 1, "a known id is not sent again");
    assert_eq!(std::fs::read_dir(&spool).expect("it is there").count(), 0, "nothing readable stays");
}

#[test]
fn a_spooled_message_that_is_refused_is_shown_by_the_next_command_and_removed() {
    let asha = Person::new("Asha");
    let spool = asha.path().join("spool");
    std::fs::create_dir(&spool).expect("a directory");
    std::fs::write(spool.join("1-1.json"), r#"{"to":"Nobody","text":"see you at six"}"#).expect("a file");
    let node = asha.start(&["--no-lan"]);
    assert!(spool.join("1-1.refused").exists(), "the node has nobody to tell");
    asha.run(&["status"]).fails(0, &["Nobody", "see you at six"]);
    assert_eq!(std::fs::read_dir(&spool).expect("it is there").count(), 0);
    assert!(!asha.run(&["status"]).stderr.contains("see you"));
    assert_eq!(node.interrupt(), 0);
}

#[test]
fn doctor_checks_and_advises() {
    let asha = Person::new("Asha");
    let done = asha.run(&["doctor", "--json"]);
    assert!(done.code <= 1, "{done:?}");
    for line in done.stdout.lines() {
        let check: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(keys(&check), ["advice", "check", "detail", "ok"]);
        // That an adapter's address stays the same is no failure, and can be mended.
        let consistent = (check["ok"] == true) == (check["advice"] == "");
        assert!(consistent || check["check"] == "address", "{check}");
    }
    for name in
        ["clock", "disk", "permissions", "identity", "interfaces", "multicast", "loopback", "bluetooth"]
    {
        assert!(done.stdout.contains(name), "{name} in {done:?}");
    }
}

#[test]
fn completions_and_features_are_printed() {
    let nobody = Person::nobody();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(nobody.run(&["completions", shell]).stdout.contains("starling"), "{shell}");
    }
    assert!(nobody.run(&["features"]).stdout.contains("[[feature]]"));
}

#[test]
fn help_tells_exit_codes_and_every_command() {
    let help = Person::nobody().run(&["--help"]);
    assert_eq!(help.code, 0);
    for word in ["Exit codes", "invite", "messages", "doctor", "demo", "WHO", "DURATION"] {
        assert!(help.stdout.contains(word), "{word}");
    }
}
