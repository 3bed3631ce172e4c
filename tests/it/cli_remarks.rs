//! What is said about messages, from one terminal to another.

use crate::cli_rig::{Node, Person, eventually};
use serde_json::Value;
use starling::api::types::SendRequest;
use starling::client::Client;
use starling::config::DataDir;
use starling::home::Secret;

/// Asha and Bo know each other, their nodes run, and Asha has said "hello", whose id is returned.
fn friends() -> ((Person, Node), (Person, Node), String) {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    let here = asha.start(&["--listen", "127.0.0.1:0"]);
    let there = bo.start(&["--listen", "127.0.0.1:0", "--peer", &here.address()]);
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    let sent = asha.run(&["send", "Bo", "hello", "--json"]).one();
    let id = sent["id"].as_str().unwrap().to_owned();
    shown(&bo, &id, |message| message["text"] == "hello");
    bo.run(&["accept", "Asha", "--json"]).one();
    ((asha, here), (bo, there), id)
}

/// Waits until a person's program shows the message so.
fn shown(person: &Person, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
    eventually("the message is as it should be", || {
        let messages = person.run(&["messages", "--peek", "--json"]).json();
        messages.into_iter().find(|message| message["id"] == id && fits(message))
    })
}

#[test]
fn words_are_changed_answered_felt_about_and_taken_back() {
    let ((asha, _here), (bo, _there), hello) = friends();
    asha.run(&["edit", &hello[..8], "hello there", "--json"]).one();
    let edited = shown(&bo, &hello, |message| message["text"] == "hello there");
    assert_eq!(edited["edited"], true);
    bo.run(&["react", &hello[..8], "👋", "--json"]).one();
    let felt = shown(&asha, &hello, |message| message["reactions"].is_array());
    assert_eq!(felt["reactions"][0]["emoji"], "👋");
    let answer = bo
        .run(&["send", "Asha", "hi!", "--reply-to", &hello[..8], "--mention", "Asha", "--silent", "--json"])
        .one();
    let answer = shown(&asha, answer["id"].as_str().unwrap(), |message| message["text"] == "hi!");
    assert_eq!((&answer["reply_to"], &answer["mentions"][0]), (&hello.clone().into(), &"me".into()));
    assert_eq!(answer["silent"], true);
    let line = asha.run(&["messages", "Bo", "--ids", "--peek"]).stdout;
    assert!(line.contains(&format!("(answers {}) hi!", &hello[..8])), "{line}");
    asha.run(&["delete", &hello, "--for-everyone", "--json"]).one();
    let gone = shown(&bo, &hello, |message| message["deleted"] == true);
    assert_eq!(gone["text"], "");
    bo.run(&["edit", &hello, "mine"]).fails(1, &["taken back"]);
}

#[test]
fn a_poll_is_asked_answered_closed_and_passed_on() {
    let ((asha, _here), (bo, _there), hello) = friends();
    let poll = asha.run(&["poll", "Bo", "Where?", "school", "church", "--json"]).one();
    let poll = poll["id"].as_str().unwrap();
    shown(&bo, poll, |message| message["poll"]["options"][1]["text"] == "church");
    bo.run(&["vote", &poll[..8], "3"]).fails(1, &["no such option"]);
    bo.run(&["vote", &poll[..8], "0"]).fails(2, &["1 to 12"]);
    bo.run(&["vote", &poll[..8], "2", "--json"]).one();
    shown(&asha, poll, |message| message["poll"]["options"][1]["votes"][0] == "Bo");
    asha.run(&["vote", poll, "--close", "--json"]).one();
    shown(&bo, poll, |message| message["poll"]["closed"] == true);
    let passed = bo.run(&["forward", &hello[..8], "Asha", "--json"]).one();
    assert_eq!((&passed["forwarded"], &passed["text"]), (&1.into(), &"hello".into()));
    asha.run(&["pin", poll, "--json"]).one();
    shown(&bo, poll, |message| message["pinned"] == true);
}

#[test]
fn what_is_deleted_here_stays_with_the_other_and_marks_wait_where_no_node_runs() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    let sent = asha.run(&["send", "Bo", "wait", "--json"]).one();
    let id = sent["id"].as_str().unwrap();
    asha.run(&["delete", id]).fails(1, &["on its way"]);
    assert_eq!(asha.run(&["edit", id, "wait for me", "--json"]).one()["text"], "wait for me");
    asha.run(&["delete", "ffffffff"]).fails(3, &["ffffffff"]);
    asha.run(&["react", "nothing", "x"]).fails(2, &["hexadecimal"]);
}

#[test]
fn a_message_whose_id_several_people_chose_is_named_with_its_conversation() {
    let (asha, bo, chen) = (Person::new("Asha"), Person::new("Bo"), Person::new("Chen"));
    let here = asha.start(&["--listen", "127.0.0.1:0"]);
    let id = "c0ffee00c0ffee00c0ffee00c0ffee00";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut nodes = Vec::new();
    for (person, name) in [(&bo, "Bo"), (&chen, "Chen")] {
        nodes.push(person.start(&["--listen", "127.0.0.1:0", "--peer", &here.address()]));
        asha.run(&["add", &person.link(), "--name", name, "--json"]).one();
        person.run(&["add", &asha.link(), "--name", "Asha", "--json"]).one();
        let client = Client::new(DataDir::new(person.path()), Secret::default());
        let request = SendRequest::text("Asha".to_owned(), format!("of {name}"), Some(id.to_owned()));
        runtime.block_on(client.submit(&request)).unwrap();
        shown(&asha, id, |message| message["text"] == format!("of {name}"));
    }
    asha.run(&["react", id, "x"]).fails(1, &["--in WHO"]);
    asha.run(&["delete", &id[..8]]).fails(1, &["--in WHO"]);
    asha.run(&["react", &id[..8], "x", "--in", "Bo", "--json"]).one();
    let felt = |message: &Value| message["reactions"].is_array();
    assert_eq!(shown(&asha, id, felt)["text"], "of Bo");
    let passed = asha.run(&["forward", id, "Bo", "--in", "Chen", "--json"]).one();
    assert_eq!(passed["text"], "of Chen");
    let gone = asha.run(&["delete", &id[..8], "--in", "Chen", "--json"]).one();
    assert_eq!(gone["id"], id, "the whole id, whatever was typed");
    let left = asha.run(&["messages", "--peek", "--json"]).json();
    assert_eq!(left.iter().filter(|message| message["id"] == id).count(), 1);
    asha.run(&["pin", id, "--json"]).one();
}
