//! Whole nodes with nothing but Bluetooth, in the lab: the built program, real BlueZ, one adapter for each.

use crate::ble_hostile as hostile;
use crate::ble_rig::{Lab, Scene, air, play, say, trace};
use crate::ble_trace;
use crate::cli_mesh::{get, token};
use crate::cli_rig::{Node, Person};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SCENES: [(&str, Scene); 9] = [
    ("two nodes deliver a first message", || Box::pin(async { first_message() })),
    ("a message and its receipt cross three nodes in a row", || Box::pin(async { three_in_a_row() })),
    ("a line of four carries 64 KiB and calls for help in between", || Box::pin(async { line_of_four() })),
    ("a minute out of range only delays", || Box::pin(async { a_minute_apart() })),
    ("who starts a minute later is found", || Box::pin(async { a_minute_later() })),
    ("of two links over two media one is used", || Box::pin(async { two_media() })),
    ("a stranger that breaks the rules leaves the others alone", || Box::pin(hostile::stranger())),
    ("nothing that is said joins two rotations of a node", || Box::pin(async { rotations() })),
    ("a conversation moves from the network to Bluetooth", || Box::pin(async { handover() })),
];

#[test]
fn nodes_with_nothing_but_bluetooth_deliver() {
    let lab = Lab {
        test: "ble_nodes::nodes_with_nothing_but_bluetooth_deliver".to_owned(),
        controllers: 4,
        range: "",
        settings: &FAST,
        trace: true,
        limit: 560,
    };
    play(&lab, &SCENES);
}

/// Adverts every 100 ms: BlueZ's 1.28 s only cost waiting.
pub(crate) const FAST: [(&str, &str); 1] = [("BLE_LAB_AIR_OPTS", "advmax=100")];

/// Bodies that make up 64 KiB.
pub(crate) const TEXTS: usize = 32;
pub(crate) const TEXT: usize = 2048;

/// A person whose node has only this adapter.
pub(crate) struct Walker {
    person: Person,
    pub(crate) node: Node,
}

impl Walker {
    pub(crate) fn new(number: usize) -> Self {
        Self::with(number, &["--no-lan"])
    }

    pub(crate) fn with(number: usize, args: &[&str]) -> Self {
        let person = Person::new(&format!("Walker {number}"));
        let adapter = format!("hci{number}");
        let node = person.launch(&[&["--ble-adapter", &adapter], args].concat());
        Self { person, node }
    }

    /// Both have each other: a message of a stranger has no receipt before it is accepted.
    pub(crate) fn knows(&self, other: &Self, name: &str) {
        self.person.run(&["add", &other.person.link(), "--name", name, "--json"]).one();
        other.person.run(&["add", &self.person.link(), "--json"]).one();
    }

    pub(crate) fn send(&self, to: &str, text: &str) -> String {
        let sent = self.post("/v1/messages", &serde_json::json!({ "to": to, "text": text }));
        sent["id"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned()
    }

    /// What the interface answers to this.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let (port, token) = (self.node.port(), token(&self.person));
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// By the interface and not by a command: starting a program is what costs most in the lab.
    pub(crate) fn ask(&self, path: &str) -> Value {
        let (code, value) = get(&self.person, &self.node, path);
        assert_eq!(code, 200, "{path}: {value}");
        value
    }

    pub(crate) fn messages(&self) -> Vec<Value> {
        let all = self.ask("/v1/messages");
        all.as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn state(&self, id: &str) -> String {
        self.ask(&format!("/v1/messages/{id}"))["state"].as_str().unwrap().to_owned()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.messages().iter().any(|message| message["text"] == text)
    }

    pub(crate) fn links(&self, transport: &str) -> usize {
        let peers = self.ask("/v1/peers");
        peers.as_array().unwrap().iter().filter(|peer| peer["transport"] == transport).count()
    }

    pub(crate) fn deliver(&self, id: &str, seconds: u64) {
        until(seconds, "it is delivered", || matches!(self.state(id).as_str(), "delivered" | "read"));
    }
}

/// Looks until something holds.
#[track_caller]
pub(crate) fn until(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(seconds), "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
    started.elapsed()
}

/// Walkers of whom only those next to each other are in range.
pub(crate) fn row(count: usize) -> Vec<Walker> {
    let pairs: Vec<_> = (1..count).map(|number| format!("{}-{number}", number - 1)).collect();
    air(&format!("range {}", pairs.join(",")));
    (0..count).map(Walker::new).collect()
}

pub(crate) fn linked(walkers: &[Walker]) {
    let took = until(90, "each is linked with its neighbours", || {
        let links = |number: usize| walkers[number].links("ble");
        let last = walkers.len() - 1;
        links(0) == 1 && links(last) == 1 && (1..last).all(|number| links(number) == 2)
    });
    say(&format!("         {} nodes linked after {:.1} s", walkers.len(), took.as_secs_f64()));
}

pub(crate) fn first_message() {
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
        let messages = to.messages();
        let long = |message: &&Value| {
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
    let cable = Cable::to(&asha.node.address());
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
    let texts = bo.messages();
    assert_eq!(texts.iter().filter(|message| message["from"] != "me").count(), 3, "{texts:?}");
}

fn a_minute_later() {
    air("range 0-1");
    let asha = Walker::new(0);
    std::thread::sleep(Duration::from_secs(60));
    let started = Instant::now();
    let bo = Walker::new(1);
    asha.knows(&bo, "Bo");
    let id = asha.send("Bo", "here at last");
    asha.deliver(&id, 90);
    assert!(bo.has("here at last"));
    let took = started.elapsed().as_secs_f64();
    say(&format!("         delivered {took:.1} s after the second one started"));
}

/// Two nodes that see one another on the network and over Bluetooth have one link, and each message comes once.
fn two_media() {
    air("range 0-1");
    let quiet = ["--no-mdns", "--listen", "127.0.0.1:0"];
    let asha = Walker::with(0, &[&quiet[..], &["--beacon-port", "28603"]].concat());
    let peer = asha.node.address();
    let bo = Walker::with(1, &[&quiet[..], &["--beacon-port", "28604", "--peer", &peer]].concat());
    asha.knows(&bo, "Bo");
    let one = |walker: &Walker| walker.links("lan") == 1 && walker.links("ble") == 0;
    until(90, "a link over the network alone", || one(&asha) && one(&bo));
    let (mut moments, mut both) = (0, 0);
    for number in 0..10 {
        let id = asha.send("Bo", &format!("number {number}"));
        asha.deliver(&id, 30);
        for _ in 0..15 {
            (moments, both) = (moments + 1, both + usize::from(!one(&asha)));
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    say(&format!(
        "         in {both} of {moments} looks there was another link than the one over the network"
    ));
    // A neighbour that is heard may be tried, once: it turns out to be the same and is left alone.
    assert!(both <= 15, "{both} of {moments}");
    let texts = bo.messages();
    assert_eq!(texts.iter().filter(|message| message["from"] != "me").count(), 10, "{texts:?}");
}

/// One node rotates every 10 to 20 s, the other one stays.
fn rotations() {
    air("range 0-1");
    let before = ble_trace::epochs(&trace()).remove(&0).map_or(0, |epochs| epochs.len());
    let asha = Walker::with(0, &["--no-lan", "--rotate-every", "10s"]);
    let bo = Walker::new(1);
    asha.knows(&bo, "Bo");
    let started = Instant::now();
    for number in 0.. {
        if started.elapsed() > Duration::from_secs(75) {
            break;
        }
        asha.send("Bo", &format!("number {number}"));
        std::thread::sleep(Duration::from_secs(5));
    }
    let mut all = ble_trace::epochs(&trace());
    let (mut own, others) = (all.remove(&0).unwrap(), all.remove(&1).unwrap());
    own.drain(..before);
    let adverts: BTreeSet<_> = own.iter().map(|epoch| epoch.advert.clone()).collect();
    assert!(own.iter().filter(|epoch| !epoch.sent.is_empty()).count() >= 3, "too few rotations: {adverts:?}");
    let bytes: usize = own.iter().flat_map(|epoch| &epoch.sent).map(Vec::len).sum();
    say(&format!("         {} adverts, {bytes} bytes above the link", adverts.len()));
    let found = ble_trace::repeated::<8>(&own, &others);
    assert!(found.is_empty(), "said in more than one epoch: {found:02x?}");
    // Capabilities and the density are few bits that most nodes share; what stays must be no more than that.
    let halves: BTreeSet<_> = adverts.iter().map(|advert| advert[1..5].to_vec()).collect();
    assert!(halves.len() >= 3, "{adverts:02x?}");
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
