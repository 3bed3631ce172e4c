//! How conversations stand on one device, what disappears, and what is sent later.

use crate::cli_rig::{Node, Person, eventually};
use serde_json::Value;

/// Asha and Bo know each other, and their nodes run.
fn friends() -> ((Person, Node), (Person, Node)) {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    let here = asha.start(&["--listen", "127.0.0.1:0"]);
    let there = bo.start(&["--listen", "127.0.0.1:0", "--peer", &here.address()]);
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    bo.run(&["add", &asha.link(), "--name", "Asha", "--json"]).one();
    ((asha, here), (bo, there))
}

fn texts(person: &Person) -> Vec<Value> {
    person.run(&["messages", "--peek", "--json"]).json()
}

fn arrived(person: &Person, fits: impl Fn(&Value) -> bool) -> Value {
    eventually("the message comes", || texts(person).into_iter().find(&fits))
}

#[test]
fn conversations_are_put_in_order_and_stay_so_over_a_restart() {
    let (asha, bo, cy) = (Person::new("Asha"), Person::new("Bo"), Person::new("Cy"));
    for (person, name) in [(&bo, "Bo"), (&cy, "Cy")] {
        asha.run(&["add", &person.link(), "--name", name, "--json"]).one();
        asha.run(&["send", name, "hello", "--json"]).one();
    }
    let names = |args: &[&str]| -> Vec<String> {
        let listed = asha.run(&[&["conversation", "list", "--json"], args].concat()).json();
        listed.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&[]), ["Cy", "Bo"]);
    assert_eq!(asha.run(&["conversation", "pin", "Bo", "--json"]).one()["pinned"], true);
    assert_eq!(names(&[]), ["Bo", "Cy"]);
    asha.run(&["conversation", "archive", "Cy", "--json"]).one();
    asha.run(&["conversation", "folder", "Cy", "Family", "--json"]).one();
    asha.run(&["conversation", "mute", "Cy", "--for", "2h", "--json"]).one();
    asha.run(&["conversation", "draft", "Bo", "I meant to say", "--json"]).one();
    asha.run(&["conversation", "unread", "Bo", "--json"]).one();
    // Each command opened the directory anew.
    assert_eq!(
        (names(&[]), names(&["--all"])),
        (vec!["Bo".to_owned()], vec!["Bo".to_owned(), "Cy".to_owned()])
    );
    assert_eq!(
        (names(&["--folder", "Family"]), names(&["--unread"])),
        (vec!["Cy".to_owned()], vec!["Bo".to_owned()])
    );
    let shown = asha.run(&["conversation", "list", "--all"]).stdout;
    for words in ["unread, pinned", "Draft: I meant to say", "archived, mute until", "#Family"] {
        assert!(shown.contains(words), "no {words:?} in {shown}");
    }
    let back = asha.run(&["conversation", "mute", "Cy", "--off", "--json"]).one();
    assert_eq!(back["muted_until"], Value::Null);
    asha.run(&["conversation", "pin", "Nobody"]).fails(3, &["Nobody"]);
}

#[test]
fn a_star_is_found_again_and_nobody_else_learns_of_it() {
    let ((asha, _here), (bo, _there)) = friends();
    asha.run(&["send", "Bo", "the key is under the stone", "--json"]).one();
    let there = arrived(&bo, |m| m["text"] == "the key is under the stone");
    let id = there["id"].as_str().unwrap();
    assert_eq!(bo.run(&["star", &id[..8], "--json"]).one()["starred"], true);
    assert_eq!(bo.run(&["star", "--json"]).one()["id"], there["id"]);
    assert_eq!(bo.run(&["search", "--kind", "starred", "--json"]).one()["id"], there["id"]);
    assert_eq!(texts(&asha)[0]["starred"], Value::Null);
    bo.run(&["star", &id[..8], "--off", "--json"]).one();
    assert!(bo.run(&["star"]).stdout.contains("No message"));
}

#[test]
fn what_disappears_is_gone_at_both_ends_from_the_list_the_search_and_the_disk() {
    let ((asha, here), (bo, there)) = friends();
    assert_eq!(asha.run(&["conversation", "timer", "Bo", "30s", "--json"]).one()["timer_s"], 30);
    asha.run(&["send", "Bo", "meet me at xanadu", "--json"]).one();
    let came = arrived(&bo, |m| m["text"] == "meet me at xanadu");
    assert_eq!(came["timer_s"], 30);
    assert_eq!(bo.run(&["search", "xanadu", "--json"]).json().len(), 1);
    bo.run(&["messages", "Asha", "--json"]).json();
    for person in [&asha, &bo] {
        eventually("it disappears", || {
            texts(person).iter().all(|m| m["text"] != "meet me at xanadu").then_some(())
        });
        assert_eq!(person.run(&["search", "xanadu", "--json"]).json().len(), 0);
    }
    assert_eq!(bo.run(&["conversation", "list", "--json"]).one()["timer_s"], 30, "it is set for both");
    bo.run(&["conversation", "timer", "Asha", "10s"]).fails(2, &["30 seconds"]);
    bo.run(&["conversation", "timer", "Asha", "off", "--json"]).one();
    assert!(bo.run(&["messages", "--peek"]).stdout.contains("messages stay from now on"));
    assert_eq!((here.interrupt(), there.interrupt()), (0, 0));
}

#[test]
fn what_can_be_opened_once_is_read_once() {
    let ((asha, _here), (bo, _there)) = friends();
    asha.run(&["send", "Bo", "the code is 7", "--once", "--json"]).one();
    let there = arrived(&bo, |m| m["once"] == true);
    assert_eq!(there["text"], "");
    let id = there["id"].as_str().unwrap();
    assert_eq!(bo.run(&["open", &id[..8], "--json"]).one()["text"], "the code is 7");
    bo.run(&["open", id]).fails(3, &[]);
    assert!(texts(&bo).iter().all(|m| m["id"] != there["id"]));
    let own = texts(&asha).into_iter().find(|m| m["once"] == true).unwrap();
    assert_eq!(own["text"], "");
}

#[test]
fn what_is_sent_later_waits_without_a_node_is_listed_taken_back_and_goes_in_its_time() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    let never = asha.run(&["schedule", "send", "Bo", "never", "--at", "1h", "--json"]).one();
    asha.run(&["schedule", "send", "Bo", "later", "--at", "1s", "--json"]).one();
    assert_eq!(asha.run(&["schedule", "list", "--json"]).json().last().unwrap()["text"], "never");
    asha.run(&["schedule", "cancel", &never["id"].as_str().unwrap()[..8], "--json"]).one();
    let _here = asha.start(&["--listen", "127.0.0.1:0"]);
    arrived(&asha, |m| m["text"] == "later");
    assert!(asha.run(&["schedule", "list", "--json"]).json().is_empty());
    asha.run(&["schedule", "cancel", "ffffffff"]).fails(3, &["ffffffff"]);
}

#[test]
fn a_conversation_is_exported_whole_without_what_disappears_and_nothing_in_it_is_markup() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo <b>"));
    asha.run(&["add", &bo.link(), "--name", "Bo <b>", "--json"]).one();
    asha.run(&["send", "Bo", "<script>alert(1)</script>", "--json"]).one();
    asha.run(&["send", "Bo", "once", "--once", "--json"]).one();
    asha.run(&["conversation", "timer", "Bo", "1h", "--json"]).one();
    asha.run(&["send", "Bo", "fleeting", "--json"]).one();
    let all: Value = serde_json::from_str(&asha.run(&["export", "Bo"]).stdout).unwrap();
    let texts: Vec<&str> = all.as_array().unwrap().iter().filter_map(|m| m["text"].as_str()).collect();
    assert_eq!(texts, ["<script>alert(1)</script>", ""], "the second is that the timer was set");
    let file = asha.home().join("bo.html");
    let path = file.to_str().unwrap();
    asha.run(&["export", "Bo", "--format", "html", "--out", path, "--json"]).one();
    let page = std::fs::read_to_string(&file).unwrap();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script") && !page.contains("<b>"), "{page}");
    asha.run(&["export", "Bo", "--out", path]).fails(2, &["already"]);
    asha.run(&["export", "Nobody"]).fails(3, &["Nobody"]);
}
