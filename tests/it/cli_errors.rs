//! Bad input: a clear error, the right exit code, nothing lost.

use crate::cli_rig::Person;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn without_an_identity_commands_say_how_to_make_one() {
    let nobody = Person::nobody();
    for command in [&["id"][..], &["contacts"], &["messages"], &["status"], &["run"], &["send", "bo", "x"]] {
        nobody.run(command).fails(3, &["no identity", "starling init"]);
    }
    assert!(!nobody.path().exists(), "looking makes nothing");
}

#[test]
fn starling_alone_needs_a_terminal_to_ask_for_a_name() {
    Person::nobody().run(&[]).fails(2, &["starling init --name"]);
    Person::nobody().run(&["init"]).fails(2, &["--name"]);
}

#[test]
fn wrong_commands_are_usage_errors() {
    let asha = Person::new("Asha");
    for wrong in [
        &["nonsense"][..],
        &["send"],
        &["send", "bo"],
        &["--no-such-flag"],
        &["send", "bo", "x", "--wait", "teleported"],
        &["send", "bo", "x", "--timeout", "5"],
        &["messages", "--since", "yesterday"],
        &["invite", "new", "--for", "soon"],
        &["invite", "new", "--uses", "0"],
        &["run", "--listen", "nowhere"],
        &["run", "--peer", "nowhere"],
        &["run", "--rotate-every", "0s"],
    ] {
        asha.run(wrong).fails(2, &[]);
    }
}

#[test]
fn broken_links_are_refused_one_by_one() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    let link = bo.link();
    let mut damaged = link.clone();
    let middle = damaged.len() / 2;
    let other = if &link[middle..=middle] == "A" { "B" } else { "A" };
    damaged.replace_range(middle..=middle, other);
    let cut = &link[..link.len() - 8];
    let long = "A".repeat(100_000);
    for broken in
        ["", "hello", "STARLING:1/", "STARLING:2/AAAA", "https://example.org", cut, &damaged, "\u{1b}[2J"]
    {
        asha.run(&["add", broken]).fails(2, &["link"]);
    }
    asha.run(&["add", &long]).fails(2, &["608 characters"]);
    assert!(asha.run(&["contacts", "--json"]).json().is_empty(), "nothing was added");
    asha.run(&["add", &asha.link()]).fails(2, &["your own link"]);
}

#[test]
fn unknown_people_are_not_found_and_those_known_are_listed() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["send", "zed", "x"]).fails(3, &["zed", "starling add"]);
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    asha.run(&["send", "zed", "x"]).fails(3, &["zed", "Bo"]);
    for command in ["accept", "decline", "block", "verify", "messages", "chat"] {
        asha.run(&[command, "zed"]).fails(3, &["zed"]);
    }
    asha.run(&["info", "00112233445566778899aabbccddeeff"]).fails(3, &["no message"]);
    asha.run(&["info", "xyz"]).fails(2, &["hexadecimal"]);
    asha.run(&["sos", "--cancel", "0011223344556677"]).fails(3, &["0011223344556677"]);
}

#[test]
fn a_name_that_fits_several_lists_them() {
    let (asha, bo, ben) = (Person::new("Asha"), Person::new("Bo"), Person::new("Ben"));
    asha.run(&["add", &bo.link(), "--name", "Bob East"]);
    asha.run(&["add", &ben.link(), "--name", "Bob West"]);
    asha.run(&["send", "bob", "x"]).fails(3, &["Bob East", "Bob West"]);
    assert_eq!(asha.run(&["send", "bob e", "x"]).code, 0);
}

#[test]
fn empty_huge_and_damaged_texts_are_refused() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    asha.run(&["send", "Bo", ""]).fails(2, &["65536", "0"]);
    asha.pipe(&["send", "Bo", "-"], b"").fails(2, &["65536"]);
    asha.pipe(&["send", "Bo", "-"], &vec![b'x'; 65_537]).fails(2, &["65536"]);
    asha.pipe(&["send", "Bo", "-"], &vec![b'x'; 5_000_000]).fails(2, &["65536"]);
    asha.pipe(&["send", "Bo", "-"], b"ab\xff\xfe").fails(2, &["UTF-8", "byte 2"]);
    let done = asha.command().args(["send", "Bo"]).arg(std::ffi::OsStr::from_bytes(b"\xff")).output();
    assert_eq!(done.expect("it ends").status.code(), Some(2));
    assert!(asha.run(&["messages", "--json"]).json().is_empty(), "nothing was sent");
}

#[test]
fn absurd_names_are_refused_before_anything_is_made() {
    let nobody = Person::nobody();
    nobody.run(&["init", "--name", ""]).fails(2, &["64"]);
    nobody.run(&["init", "--name", "\u{200b}\u{202e}"]).fails(2, &["64"]);
    nobody.run(&["init", "--name", &"x".repeat(65)]).fails(2, &["64", "65"]);
    nobody.run(&["id"]).fails(3, &[]);
}

#[test]
fn a_beacon_holds_72_bytes() {
    let asha = Person::new("Asha");
    asha.run(&["sos", ""]).fails(2, &["72"]);
    asha.run(&["sos", &"x".repeat(73)]).fails(2, &["72", "73"]);
    asha.run(&["sos"]).fails(2, &[]);
}

#[test]
fn a_passphrase_is_asked_for_and_never_guessed() {
    let asha = Person::nobody().with_passphrase("correct horse");
    asha.run(&["init", "--name", "Asha"]);
    let mut command = asha.command();
    let output =
        command.env_remove("STARLING_PASSPHRASE").arg("id").stdin(std::process::Stdio::null()).output();
    let output = output.expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--passphrase-file"));
    asha.run(&["id", "--passphrase-file", "/no/such/file"]).fails(1, &["/no/such/file"]);
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    if rustix::process::geteuid().is_root() {
        // Root writes everywhere except where nothing can be written.
        Person::nobody()
            .run(&["init", "--name", "A", "--data-dir", "/proc/starling"])
            .fails(1, &["/proc/starling"]);
        return;
    }
    let asha = Person::nobody();
    let parent = asha.path().parent().expect("a parent").to_owned();
    std::fs::set_permissions(&parent, std::fs::Permissions::from_mode(0o500)).expect("it is ours");
    asha.run(&["init", "--name", "Asha"]).fails(1, &["cannot be written"]);
    std::fs::set_permissions(&parent, std::fs::Permissions::from_mode(0o700)).expect("it is ours");
}

#[test]
fn a_data_directory_that_is_a_file_is_an_error() {
    let asha = Person::nobody();
    std::fs::write(asha.path(), "a file").expect("a file");
    for command in [&["init", "--name", "Asha"][..], &["id"]] {
        let done = asha.run(command);
        assert!(matches!(done.code, 1 | 3), "{done:?}");
        assert!(done.stderr.contains("data"), "{done:?}");
    }
    assert_eq!(std::fs::read(asha.path()).expect("it is still there"), b"a file");
}

#[test]
fn a_second_node_on_the_same_directory_is_refused() {
    let asha = Person::new("Asha");
    let node = asha.start(&["--no-lan"]);
    asha.run(&["run", "--no-lan"]).fails(1, &["already"]);
    assert_eq!(node.interrupt(), 0);
}

#[test]
fn who_holds_the_directory_is_said() {
    let asha = Person::new("Asha");
    let lock = std::fs::OpenOptions::new().write(true).open(asha.path().join("lock")).expect("it is there");
    lock.try_lock().expect("nobody has it");
    let pid = std::process::id();
    std::fs::write(asha.path().join("lock"), format!("{pid}\n")).expect("it is ours");
    asha.run(&["status"]).fails(1, &[&format!("process {pid}"), "Only one process", "try again"]);
}

#[test]
fn a_command_that_holds_the_directory_is_named_with_its_state() {
    let asha = Person::new("Asha");
    let node = asha.start(&["--no-lan"]);
    node.signal(rustix::process::Signal::STOP);
    let done = ["contacts", "doctor"].map(|command| asha.run(&[command]));
    node.signal(rustix::process::Signal::CONT);
    let holder = format!("process {}", node.pid());
    done[0].fails(1, &[&holder, "starling run", "stopped"]);
    assert!(done[1].stdout.contains(&holder), "{done:?}");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let asha = Person::new("Asha");
    let mut child = asha.command();
    let child =
        child.args(["id", "--qr"]).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = child.spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"));
}

#[test]
fn a_node_starts_while_commands_follow_each_other_without_a_pause() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    let ended = std::sync::atomic::AtomicBool::new(false);
    let node = std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !ended.load(std::sync::atomic::Ordering::Relaxed) {
                    asha.run(&["send", "Bo", "again", "--json"]).one();
                }
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        let node = std::panic::catch_unwind(|| asha.start(&["--no-lan"]));
        ended.store(true, std::sync::atomic::Ordering::Relaxed);
        // It lives until the last command has its answer.
        node
    });
    assert!(node.is_ok(), "the node never had the directory to itself");
}
