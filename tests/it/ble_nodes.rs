//! Whole nodes with nothing but Bluetooth, in the lab: the built program, real BlueZ, one adapter for each.

use crate::ble_rig::{Lab, Scene, air, play, say};
use crate::cli_rig::{Node, Person};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SCENES: [(&str, Scene); 5] = [
    ("two nodes deliver a first message", || Box::pin(async { first_message() })),
    ("a message and its receipt cross three nodes in a row", || Box::pin(async { three_in_a_row() })),
    ("a line of four carries 64 KiB and calls for help in between", || Box::pin(async { line_of_four() })),
    ("a minute out of range only delays", || Box::pin(async { a_minute_apart() })),
    ("a conversation moves from the network to Bluetooth", || Box::pin(async { handover() })),
];

#[test]
fn nodes_with_nothing_but_bluetooth_deliver() {
    let lab = Lab {
        test: "ble_nodes::nodes_with_nothing_but_bluetooth_deliver".to_owned(),
        controllers: 4,
        range: "",
        settings: &[("BLE_LAB_AIR_OPTS", "advmax=100")],
        limit: 560,
    };
    play(&lab, &SCENES);
}

/// Bodies that make up 64 KiB.
const TEXTS: usize = 32;
const TEXT: usize = 2048;

/// A person whose node has only this adapter.
struct Walker {
    person: Person,
    _node: Node,
}

impl Walker {
    fn new(number: usize) -> Self {
        Self::with(number, &["--no-lan"])
    }

    fn with(number: usize, args: &[&str]) -> Self {
        let person = Person::new(&format!("Walker {number}"));
        let adapter = format!("hci{number}");
        let node = person.launch(&[&["--ble-adapter", &adapter], args].concat());
        Self { person, _node: node }
    }

    fn knows(&self, other: &Self, name: &str) {
        self.person.run(&["add", &other.person.link(), "--name", name, "--json"]).one();
    }

    fn send(&self, to: &str, text: &str) -> String {
        let sent = self.person.run(&["send", to, text, "--json"]).one();
        sent["id"].as_str().unwrap().to_owned()
    }

    fn state(&self, id: &str) -> String {
        self.person.run(&["info", id, "--json"]).one()["state"].as_str().unwrap().to_owned()
    }

    fn has(&self, text: &str) -> bool {
        self.person.run(&["messages", "--json"]).json().iter().any(|message| message["text"] == text)
    }

    fn links(&self, transport: &str) -> usize {
        let peers = self.person.run(&["peers", "--json"]).json();
        peers.iter().filter(|peer| peer["transport"] == transport).count()
    }

    fn deliver(&self, id: &str, seconds: u64) {
        until(seconds, "it is delivered", || matches!(self.state(id).as_str(), "delivered" | "read"));
    }
}

/// Looks until something holds.
#[track_caller]
fn until(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
    started.elapsed()
}

/// Walkers of whom only those next to each other are in range.
fn row(count: usize) -> Vec<Walker> {
    let pairs: Vec<_> = (1..count).map(|number| format!("{}-{number}", number - 1)).collect();
    air(&format!("range {}", pairs.join(",")));
    (0..count).map(Walker::new).collect()
}

fn linked(walkers: &[Walker]) {
    let took = until(90, "each is linked with its neighbours", || {
        let links = |number: usize| walkers[number].links("ble");
        let last = walkers.len() - 1;
        links(0) == 1 && links(last) == 1 && (1..last).all(|number| links(number) == 2)
    });
    say(&format!("         {} nodes linked after {:.1} s", walkers.len(), took.as_secs_f64()));
}

fn first_message() {
    air("range 0-1");
    let started = Instant::now();
    let (asha, bo) = (Walker::new(0), Walker::new(1));
    asha.knows(&bo, "Bo");
    let id = asha.send("Bo", "nothing but Bluetooth");
    asha.deliver(&id, 90);
    assert!(bo.has("nothing but Bluetooth"));
    say(&format!("         started, found, linked, delivered: {:.1} s", started.elapsed().as_secs_f64()));
}

fn three_in_a_row() {
    let walkers = row(3);
    let [first, _, last] = &walkers[..] else { unreachable!() };
    linked(&walkers);
    first.knows(last, "Last");
    let started = Instant::now();
    let id = first.send("Last", "over two hops");
    first.deliver(&id, 90);
    say(&format!("         there and the receipt back: {:.1} s", started.elapsed().as_secs_f64()));
    assert!(last.has("over two hops"));
}

fn line_of_four() {
    let walkers = row(4);
    let [first, second, _, last] = &walkers[..] else { unreachable!() };
    linked(&walkers);
    first.knows(second, "Second");
    first.knows(last, "Last");
    let one_hop = carry(first, "Second", second, "a");
    let three_hops = carry(first, "Last", last, "b");
    say(&format!("         64 KiB: one hop {one_hop:.1} s, three hops {three_hops:.1} s"));
}

/// Seconds in which 64 KiB of texts arrive.
fn carry(from: &Walker, name: &str, to: &Walker, mark: &str) -> f64 {
    // The first message introduces; what is measured comes after it.
    let id = from.send(name, &format!("{mark} begins"));
    from.deliver(&id, 90);
    let started = Instant::now();
    for number in 0..TEXTS {
        from.send(name, &format!("{mark}{number:02} {}", "x".repeat(TEXT)));
    }
    let written = started.elapsed();
    until(240, "all texts", || {
        let messages = to.person.run(&["messages", "--json"]).json();
        let long = |message: &&serde_json::Value| {
            message["text"].as_str().is_some_and(|text| text.starts_with(mark) && text.len() > TEXT)
        };
        messages.iter().filter(long).count() == TEXTS
    });
    say(&format!("         {name}: the texts were written after {:.1} s", written.as_secs_f64()));
    started.elapsed().as_secs_f64()
}

fn a_minute_apart() {
    let walkers = row(2);
    let [asha, bo] = &walkers[..] else { unreachable!() };
    linked(&walkers);
    asha.knows(bo, "Bo");
    let id = asha.send("Bo", "while together");
    asha.deliver(&id, 90);
    air("down 0 1");
    let noticed = until(60, "the link is gone", || asha.links("ble") == 0 && bo.links("ble") == 0);
    let id = asha.send("Bo", "while apart");
    std::thread::sleep(Duration::from_secs(60).saturating_sub(noticed));
    assert_eq!(asha.state(&id), "waiting");
    air("up 0 1");
    let started = Instant::now();
    asha.deliver(&id, 120);
    let back = started.elapsed().as_secs_f64();
    say(&format!(
        "         noticed after {:.1} s; delivered {back:.1} s after the return",
        noticed.as_secs_f64()
    ));
}

fn handover() {
    air("range 0-1");
    let quiet = ["--no-mdns", "--listen", "127.0.0.1:0"];
    let asha = Walker::with(0, &[&quiet[..], &["--beacon-port", "28601"]].concat());
    let cable = Cable::to(&asha._node.address());
    let peer = cable.address.clone();
    let bo = Walker::with(1, &[&quiet[..], &["--beacon-port", "28602", "--peer", &peer]].concat());
    until(60, "a link over the network", || asha.links("lan") == 1);
    asha.knows(&bo, "Bo");
    let id = asha.send("Bo", "over the network");
    asha.deliver(&id, 90);
    cable.cut();
    let started = Instant::now();
    let id = asha.send("Bo", "and over Bluetooth");
    asha.deliver(&id, 120);
    say(&format!("         delivered {:.1} s after the cable was cut", started.elapsed().as_secs_f64()));
    until(60, "a link over Bluetooth", || asha.links("ble") == 1 && asha.links("lan") == 0);
    cable.mend();
    let back = until(120, "the network is used again", || asha.links("lan") == 1);
    say(&format!("         back on the network after {:.1} s", back.as_secs_f64()));
    let id = asha.send("Bo", "and over the network again");
    asha.deliver(&id, 90);
    let texts = bo.person.run(&["messages", "--json"]).json();
    assert_eq!(texts.iter().filter(|message| message["from"] != "me").count(), 3, "{texts:?}");
}

/// A TCP relay that can be cut.
struct Cable {
    address: String,
    whole: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (whole, open) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
        let (target, is_whole, opened) = (target.to_owned(), Arc::clone(&whole), Arc::clone(&open));
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if !is_whole.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(&target) else { continue };
                for (mut from, mut to) in [
                    (near.try_clone().unwrap(), far.try_clone().unwrap()),
                    (far.try_clone().unwrap(), near.try_clone().unwrap()),
                ] {
                    std::thread::spawn(move || pump(&mut from, &mut to));
                }
                opened.lock().unwrap().extend([near, far]);
            }
        });
        Self { address, whole, open }
    }

    fn cut(&self) {
        self.whole.store(false, Ordering::SeqCst);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.whole.store(true, Ordering::SeqCst);
    }
}

fn pump(from: &mut TcpStream, to: &mut TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if to.write_all(&bytes[..length]).is_err() {
            return;
        }
    }
}
