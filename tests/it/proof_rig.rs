//! What the proofs share: how much of each is done, namespaces, and what was sent and acknowledged.

use crate::cli_rig::Person;
use crate::support::run;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// `usual`, or `full` where `STARLING_PROOF=full` asks for the whole proof.
pub(crate) fn extent(usual: usize, full: usize) -> usize {
    if is_full() { full } else { usual }
}

pub(crate) fn is_full() -> bool {
    std::env::var_os("STARLING_PROOF").is_some_and(|value| value == "full")
}

/// A random number below `bound`.
pub(crate) fn random_below(bound: u64) -> u64 {
    getrandom::u64().unwrap() % bound
}

/// Letters that nothing else in the world holds.
pub(crate) fn random_word() -> String {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes).unwrap();
    data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase()
}

/// Looks every 200 ms until `look` is true; `false` when `patience` is over.
pub(crate) fn soon(patience: Duration, mut look: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    while !look() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    true
}

/// What `person` wrote to `who` (`me`) or received from there (`!me`), in the order of the conversation.
pub(crate) fn texts(person: &Person, who: &str, me: bool) -> Vec<String> {
    let messages = person.run(&["messages", who, "--peek", "--json"]).json();
    let wanted = messages.iter().filter(|message| (message["from"] == "me") == me);
    wanted.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

/// How many messages of `person` a receipt came home for.
pub(crate) fn receipted(person: &Person) -> usize {
    receipted_in(&person.run(&["messages", "--json"]).json())
}

/// The same of messages that were listed already.
pub(crate) fn receipted_in(messages: &[Value]) -> usize {
    let home = |m: &&Value| m["from"] == "me" && (m["state"] == "delivered" || m["state"] == "read");
    messages.iter().filter(home).count()
}

/// Each of `expected` is among `found`, and nothing is there twice.
#[track_caller]
pub(crate) fn assert_each_once(found: &[String], expected: &[String]) {
    let distinct: BTreeSet<&String> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "a message is there twice");
    let missing: Vec<_> = expected.iter().filter(|text| !distinct.contains(text)).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), expected.len());
}

/// The 1-minute load of this machine.
pub(crate) fn load() -> String {
    let all = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    all.split(' ').next().unwrap_or_default().to_owned()
}

/// Network namespaces of this test alone.
pub(crate) struct Places {
    names: Vec<String>,
}

impl Places {
    /// So many separate networks, or `None` (with one line that says so).
    pub(crate) fn new<const N: usize>() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        // A number of a process may come again, in another container that shares these names or later.
        let word = &random_word()[..6];
        let name = |n| format!("sp{}-{number}-{n}-{word}", std::process::id());
        let places = Self { names: (0..N).map(name).collect() };
        let root = rustix::process::getuid().is_root();
        let made = |name: &String| {
            run("ip", &["netns", "add", name]) && run("ip", &["-n", name, "link", "set", "lo", "up"])
        };
        if !root || !places.names.iter().all(made) || !run("tcpdump", &["--version"]) {
            eprintln!("skipped: this needs root, iproute2 and tcpdump");
            return None;
        }
        Some(places)
    }

    pub(crate) fn name(&self, place: usize) -> &str {
        &self.names[place]
    }

    /// Lays a cable named after the network 10.`net`.0.0/24 between two places.
    pub(crate) fn join(&self, net: u8, a: usize, b: usize) {
        let wire = format!("wire{net}");
        let [a, b] = [self.name(a), self.name(b)];
        let veth = ["-n", a, "link", "add", &wire, "type", "veth", "peer", "name", &wire, "netns", b];
        assert!(run("ip", &veth));
        for (place, host) in [(a, 1), (b, 2)] {
            let address = format!("10.{net}.0.{host}/24");
            assert!(run("ip", &["-n", place, "addr", "add", &address, "dev", &wire]));
            assert!(run("ip", &["-n", place, "link", "set", &wire, "up"]));
        }
    }

    /// Every address in a place, as text.
    pub(crate) fn addresses(&self, place: usize) -> Vec<String> {
        let shown = std::process::Command::new("ip").args(["-n", self.name(place), "-o", "addr"]).output();
        let shown = String::from_utf8(shown.unwrap().stdout).unwrap();
        let network = |line: &str| line.split_whitespace().nth(3)?.split('/').next().map(str::to_owned);
        shown.lines().filter_map(network).collect()
    }

    /// Cuts (`down`) or mends (`up`) a cable at one place's end.
    pub(crate) fn set(&self, net: u8, place: usize, state: &str) {
        assert!(run("ip", &["-n", self.name(place), "link", "set", &format!("wire{net}"), state]));
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        for name in &self.names {
            run("ip", &["netns", "del", name]);
        }
    }
}
