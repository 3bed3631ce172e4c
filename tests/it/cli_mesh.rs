//! Running nodes: messages arrive, commands find the node, the local API has walls.

use crate::cli_rig::{Node, Person, eventually};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// Two people with running nodes that are linked and know each other.
fn pair() -> (Person, Node, Person, Node) {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    let here = asha.start(&["--listen", "127.0.0.1:0"]);
    let there = bo.start(&["--listen", "127.0.0.1:0", "--peer", &here.address()]);
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    (asha, here, bo, there)
}

fn received(person: &Person, text: &str) -> Option<Value> {
    person.run(&["messages", "--json"]).json().into_iter().find(|message| message["text"] == text)
}

#[test]
fn a_message_is_delivered_and_read_and_the_sender_learns_both() {
    let (asha, _here, bo, _there) = pair();
    let sent = asha.run(&["send", "Bo", "hello", "--json"]).one();
    let message = eventually("the message", || received(&bo, "hello"));
    assert_eq!(message["id"], sent["id"]);
    assert!(message["received_at"].is_string());
    eventually("a request from Asha", || {
        let contacts = bo.run(&["contacts", "--json"]).json();
        contacts.into_iter().find(|c| c["name"] == "Asha" && c["state"] == "request")
    });
    assert_eq!(bo.run(&["accept", "Asha", "--json"]).one()["state"], "introduced");
    let id = sent["id"].as_str().expect("an id");
    eventually("it is delivered", || {
        (asha.run(&["info", id, "--json"]).one()["state"] == "delivered").then_some(())
    });
    assert!(!bo.run(&["messages", "Asha", "--json"]).json().is_empty());
    eventually("it is read", || (asha.run(&["info", id, "--json"]).one()["state"] == "read").then_some(()));
    let answer =
        bo.run(&["send", "Asha", "hello to you", "--json", "--wait", "delivered", "--timeout", "90"]);
    assert!(matches!(answer.one()["state"].as_str(), Some("delivered" | "read")));
    assert_eq!(received(&asha, "hello to you").expect("it was delivered")["from"], "Bo");
}

#[test]
fn peers_and_status_show_the_link() {
    let (asha, _here, _bo, _there) = pair();
    let peer = eventually("a link", || asha.run(&["peers", "--json"]).json().into_iter().next());
    assert_eq!(peer["transport"], "lan");
    assert!(peer["since"].is_string());
    assert_eq!(asha.run(&["status", "--json"]).one()["links"], 1);
}

#[test]
fn a_machine_without_bluetooth_says_so_in_one_line_and_the_node_goes_on() {
    let asha = Person::new("Asha");
    let node = asha.start(&["--listen", "127.0.0.1:0", "--ble-adapter", "hci97", "--ble-adapter", "hci98"]);
    let adapters = eventually("the adapters' states", || {
        let adapters = asha.run(&["status", "--json"]).one()["bluetooth"].as_array().cloned()?;
        (!adapters.iter().any(|adapter| adapter["state"] == "starting")).then_some(adapters)
    });
    let names: Vec<_> = adapters.iter().map(|adapter| adapter["name"].as_str()).collect();
    assert_eq!(names, [Some("hci97"), Some("hci98")]);
    assert!(adapters.iter().all(|adapter| adapter["state"] != "on"), "{adapters:?}");
    let status = asha.run(&["status"]).stdout;
    assert_eq!(status.lines().filter(|line| line.starts_with("Bluetooth hci97: ")).count(), 1, "{status}");
    let doctor = asha.run(&["doctor", "--json"]).json();
    assert_eq!(doctor.iter().filter(|check| check["check"] == "bluetooth").count(), 1);
    assert_eq!(get(&asha, &node, "/v1/status").1["bluetooth"][0]["name"], "hci97");
    assert_eq!(node.interrupt(), 0);
}

#[test]
fn a_node_that_declines_bluetooth_shows_no_adapter() {
    let asha = Person::new("Asha");
    let _node = asha.start(&["--listen", "127.0.0.1:0"]);
    assert_eq!(asha.run(&["status", "--json"]).one()["bluetooth"], serde_json::json!([]));
    assert!(!asha.run(&["status"]).stdout.contains("Bluetooth"));
}

#[test]
fn a_message_that_was_queued_leaves_when_the_node_runs() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    asha.run(&["send", "Bo", "queued"]);
    let here = asha.start(&["--listen", "127.0.0.1:0"]);
    let _there = bo.start(&["--listen", "127.0.0.1:0", "--peer", &here.address()]);
    eventually("the queued message", || received(&bo, "queued"));
}

#[test]
fn a_wait_that_runs_out_exits_with_4_and_keeps_the_message() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    asha.run(&["add", &bo.link(), "--name", "Bo"]);
    let done = asha.run(&["send", "Bo", "slow", "--json", "--wait", "delivered", "--timeout", "0.3"]);
    done.fails(4, &["ran out"]);
    assert!(done.stdout.contains("\"waiting\""), "{done:?}");
    assert!(received(&asha, "slow").is_some());
}

#[test]
fn an_sos_is_heard_by_a_stranger_and_can_be_taken_back() {
    let (asha, _here, bo, there) = pair();
    eventually("a link", || asha.run(&["peers", "--json"]).json().into_iter().next());
    let sos = asha.run(&["sos", "water at the school", "--json"]).one();
    let heard = eventually("the SOS", || {
        let beacons = get(&bo, &there, "/v1/beacons").1;
        beacons.as_array().and_then(|all| all.iter().find(|b| b["id"] == sos["id"]).cloned())
    });
    assert_eq!(heard["text"], "water at the school");
    let id = sos["id"].as_str().expect("an id");
    asha.run(&["sos", "--cancel", id, "--json"]).one();
    eventually("the cancel", || {
        let beacons = get(&bo, &there, "/v1/beacons").1;
        let live = beacons
            .as_array()
            .is_some_and(|all| all.iter().any(|b| b["id"] == id && b["cancelled"] == false));
        (!live).then_some(())
    });
}

#[test]
fn a_sign_of_life_is_heard_by_those_nearby() {
    let (asha, _here, bo, there) = pair();
    eventually("a link", || asha.run(&["peers", "--json"]).json().into_iter().next());
    let safe = asha.run(&["safe", "at my sister's", "--json"]).one();
    let heard = eventually("the sign of life", || {
        let beacons = get(&bo, &there, "/v1/beacons").1;
        beacons.as_array().and_then(|all| all.iter().find(|b| b["id"] == safe["id"]).cloned())
    });
    assert_eq!((&heard["kind"], &heard["text"]), (&"safe".into(), &"at my sister's".into()));
}

/// Bo has a request from Asha.
fn request(asha: &Person, bo: &Person) {
    asha.run(&["send", "Bo", "hello", "--json"]).one();
    eventually("a request", || {
        bo.run(&["contacts", "--json"]).json().into_iter().find(|c| c["state"] == "request")
    });
}

#[test]
fn a_declined_request_is_forgotten_and_the_sender_learns_nothing() {
    let (asha, _here, bo, _there) = pair();
    request(&asha, &bo);
    assert_eq!(bo.run(&["decline", "Asha", "--json"]).one()["state"], "declined");
    assert!(bo.run(&["contacts", "--json"]).json().is_empty());
    assert_eq!(asha.run(&["contacts", "--json"]).one()["state"], "added");
}

#[test]
fn nothing_more_is_shown_of_somebody_who_was_blocked() {
    let (asha, _here, bo, _there) = pair();
    request(&asha, &bo);
    assert_eq!(bo.run(&["block", "Asha", "--json"]).one()["state"], "blocked");
    let id = asha.run(&["send", "Bo", "are you there?", "--json"]).one()["id"].clone();
    let id = id.as_str().expect("an id");
    eventually("it was handed on", || {
        (asha.run(&["info", id, "--json"]).one()["state"] != "waiting").then_some(())
    });
    assert!(received(&bo, "are you there?").is_none());
    assert_eq!(bo.run(&["contacts", "--json"]).one()["state"], "blocked");
}

#[test]
fn a_wait_for_somebody_who_has_not_accepted_says_so() {
    let (asha, _here, bo, _there) = pair();
    request(&asha, &bo);
    let done = asha.run(&["send", "Bo", "well?", "--json", "--wait", "delivered", "--timeout", "1"]);
    done.fails(4, &["ran out", "Bo has not accepted you yet"]);
}

#[test]
fn the_node_ends_cleanly_and_takes_its_port_file_away() {
    let asha = Person::new("Asha");
    let node = asha.start(&["--no-lan"]);
    assert!(asha.path().join("api.json").exists());
    assert_eq!(node.interrupt(), 0);
    assert!(!asha.path().join("api.json").exists());
    assert_eq!(asha.run(&["id", "--json"]).one()["name"], "Asha");
}

#[test]
fn the_local_api_lets_nobody_in_without_token_or_from_a_page() {
    let asha = Person::new("Asha");
    let node = asha.start(&["--no-lan"]);
    let own = format!("127.0.0.1:{}", node.port());
    let token = token(&asha);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let status = |host: &str, headers: &str| ask(node.port(), "/v1/status", host, headers).0;
    assert_eq!(status(&own, &bearer), 200);
    assert_eq!(status(&own, ""), 401);
    assert_eq!(status(&own, "Authorization: Bearer 0000\r\n"), 401);
    assert_eq!(status("evil.example", &bearer), 403);
    assert_eq!(status(&own, &format!("{bearer}Origin: http://evil.example\r\n")), 403);
    assert_eq!(status(&own, &format!("{bearer}Origin: http://{own}\r\n")), 200);
    assert_eq!(status(&own, &format!("{bearer}Origin: null\r\n")), 403);
}

#[test]
fn the_local_api_describes_itself_and_its_errors() {
    let asha = Person::new("Asha");
    let node = asha.start(&["--no-lan"]);
    let (status, description) = get(&asha, &node, "/v1/openapi.json");
    assert_eq!(status, 200);
    assert!(description["paths"]["/v1/messages"]["post"].is_object(), "{description}");
    let (status, error) = get(&asha, &node, "/v1/contacts/zed");
    assert_eq!((status, &error["error"]["code"]), (404, &"not_found".into()));
    assert_eq!(get(&asha, &node, "/v1/nothing").0, 404);
    assert_eq!(get(&asha, &node, "/v1/messages?colour=red").0, 400);
}

#[test]
fn port_and_token_files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let asha = Person::new("Asha");
    let _node = asha.start(&["--no-lan"]);
    for file in ["api.json", "api.token"] {
        let mode = std::fs::metadata(asha.path().join(file)).expect(file).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn follow_prints_what_comes() {
    let (asha, _here, bo, _there) = pair();
    let mut follow = bo.command();
    let follow = follow.args(["messages", "--follow", "--json"]).stdout(std::process::Stdio::piped());
    let mut follow = follow.spawn().expect("it starts");
    let stdout = follow.stdout.take().expect("it is piped");
    asha.run(&["send", "Bo", "followed"]);
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    let line = lines.next().expect("a line comes").expect("it is UTF-8");
    let message: Value = serde_json::from_str(&line).expect("it is JSON");
    assert_eq!(message["text"], "followed");
    follow.kill().expect("it is our child");
    follow.wait().expect("it ends");
}

#[test]
fn demo_ends_with_everything_delivered() {
    let done = Person::nobody().run(&["demo", "--json"]);
    let lines = done.json();
    let summary = &lines.last().expect("a last line")["summary"];
    assert_eq!(summary["messages"], summary["delivered"], "{done:?}");
    assert!(summary["nodes"].as_u64() >= Some(3) && summary["seconds"].is_number());
    for line in &lines[..lines.len() - 1] {
        for key in ["t", "event", "node", "with", "message", "detail"] {
            assert!(line.get(key).is_some(), "{key} in {line}");
        }
    }
}

pub(crate) fn token(person: &Person) -> String {
    std::fs::read_to_string(person.path().join("api.token")).expect("a running node has a token")
}

/// An answer of the local API.
pub(crate) fn get(person: &Person, node: &Node, path: &str) -> (u16, Value) {
    let host = format!("127.0.0.1:{}", node.port());
    ask(node.port(), path, &host, &format!("Authorization: Bearer {}\r\n", token(person)))
}

/// One plain HTTP request: nothing between the test and the bytes.
fn ask(port: u16, path: &str, host: &str, headers: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the node listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n")
        .expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}
