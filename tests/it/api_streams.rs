//! The stream of events and the limits of requests, byte by byte: nothing between the test and the node.

use crate::cli_rig::{Node, Person};
use serde_json::Value;
use starling::config::{MAX_BODY, MAX_STREAMS};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A WebSocket of which only the server's text frames are read.
struct Stream(TcpStream);

impl Stream {
    /// The stream, or the status with which it was refused.
    fn open(person: &Person, node: &Node, query: &str) -> Result<Self, u16> {
        let mut socket = connect(node);
        let (token, port) = (token(person), node.port());
        let head = format!(
            "GET /v1/events{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: starling.v1, token.{token}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        let answer = read_head(&mut socket);
        match status(&answer) {
            101 => {
                let answer = answer.to_lowercase();
                assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
                assert!(answer.contains("sec-websocket-protocol: starling.v1\r\n"), "{answer}");
                Ok(Self(socket))
            }
            refused => Err(refused),
        }
    }

    fn next(&mut self) -> Value {
        let mut byte = [0; 2];
        self.0.read_exact(&mut byte).expect("a frame");
        assert_eq!(byte[0], 0x81, "one whole frame of text");
        assert!(byte[1] < 127, "a server masks nothing, and events are short");
        let mut length = usize::from(byte[1]);
        if length == 126 {
            self.0.read_exact(&mut byte).expect("a length");
            length = usize::from(u16::from_be_bytes(byte));
        }
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).expect("a text");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// The next event about a contact.
    fn contact(&mut self) -> Value {
        self.of("contact")
    }

    /// The next event of this type.
    fn of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next();
            if event["type"] == kind {
                return event;
            }
        }
    }
}

fn connect(node: &Node) -> TcpStream {
    let socket = TcpStream::connect(("127.0.0.1", node.port())).expect("the node listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn token(person: &Person) -> String {
    std::fs::read_to_string(person.path().join("api.token")).expect("a running node has a token")
}

fn read_head(socket: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn status(head: &str) -> u16 {
    head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status")
}

#[test]
fn a_stream_that_comes_back_gets_what_it_missed_and_learns_of_gaps() {
    let (asha, bo, chen) = (Person::new("Asha"), Person::new("Bo"), Person::new("Chen"));
    let node = asha.start(&["--no-lan"]);
    let mut stream = Stream::open(&asha, &node, "").expect("a stream");
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    let first = stream.contact();
    let seen = first["seq"].as_u64().expect("a number");
    drop(stream);
    let added = asha.run(&["add", &chen.link(), "--name", "Chen", "--json"]).one();
    let mut back = Stream::open(&asha, &node, &format!("?since={seen}")).expect("a stream");
    let missed = back.contact();
    assert_eq!(missed["account"], added["account"]);
    assert!(missed["seq"].as_u64() > Some(seen));
    let mut old = Stream::open(&asha, &node, "?since=18446744073709551615").expect("a stream");
    let gap = old.next();
    assert_eq!((&gap["type"], &gap["since"]), (&"gap".into(), &u64::MAX.into()));
    assert_eq!(Stream::open(&asha, &node, "?since=soon").err(), Some(400));
}

#[test]
fn who_comes_back_sees_messages_as_they_are_now_and_no_words_that_were_taken_back() {
    let (asha, bo) = (Person::new("Asha"), Person::new("Bo"));
    let node = asha.start(&["--no-lan"]);
    let mut stream = Stream::open(&asha, &node, "").expect("a stream");
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    let seen = format!("?since={}", stream.contact()["seq"]);
    let sent = asha.run(&["send", "Bo", "first words", "--mention", "Bo", "--json"]).one();
    assert_eq!(stream.of("message")["message"]["mentions"][0], "Bo");
    let id = sent["id"].as_str().unwrap();
    asha.run(&["edit", id, "second words", "--json"]).one();
    let mut back = Stream::open(&asha, &node, &seen).expect("a stream");
    assert_eq!(back.of("message")["message"]["text"], "second words");
    asha.run(&["delete", id, "--for-everyone", "--json"]).one();
    let mut back = Stream::open(&asha, &node, &seen).expect("a stream");
    let gone = back.of("message")["message"].take();
    assert_eq!((&gone["text"], &gone["deleted"], &gone["state"]), (&"".into(), &true.into(), &Value::Null));
    asha.run(&["delete", id, "--json"]).one();
    let mut back = Stream::open(&asha, &node, &seen).expect("a stream");
    let changed = back.of("message_changed");
    assert_eq!((&changed["id"], &changed["conversation"]), (&sent["id"], &gone["conversation"]));
}

#[test]
fn one_stream_too_many_is_refused_until_another_closes() {
    let asha = Person::new("Asha");
    let node = asha.start(&["--no-lan"]);
    let mut open: Vec<Stream> =
        (0..MAX_STREAMS).map(|_| Stream::open(&asha, &node, "").expect("a stream")).collect();
    assert_eq!(Stream::open(&asha, &node, "").err(), Some(429));
    drop(open.pop());
    let again = crate::proof_rig::soon(Duration::from_secs(10), || Stream::open(&asha, &node, "").is_ok());
    assert!(again, "the place of a closed stream is free");
}

#[test]
fn a_body_that_is_too_long_is_refused_and_not_read_to_its_end() {
    let asha = Person::new("Asha");
    let node = asha.start(&["--no-lan"]);
    let post = |length: usize| {
        let mut socket = connect(&node);
        let (token, port) = (token(&asha), node.port());
        let head = format!(
            "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).unwrap();
        // The node may answer and close before it has all.
        let _ = socket.write_all(&vec![b' '; length]);
        status(&read_head(&mut socket))
    };
    assert_eq!(post(MAX_BODY + 1), 413);
    assert_eq!(post(MAX_BODY), 400, "of a right length, and still no message");
}
