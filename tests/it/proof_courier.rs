//! Two people who never meet write to each other through a third who learns nothing.

use crate::cli_rig::{Node, Person};
use crate::proof_pcap::{Capture, Traffic};
use crate::proof_rig::{self as rig, Places, soon};
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// How many neighbouring bytes of a secret give it away.
const WINDOW: usize = 8;
/// A visit lasts so long at least: a pipe that stood still for seconds takes as long to begin again.
const CALL: Duration = Duration::from_secs(4);
/// The same once all texts have arrived: receipts leave on another session than the one that brought the message, and
/// a link that was cut ends after 6 seconds.
const VISIT: Duration = Duration::from_secs(7);
/// Nothing more is expected of a visit after so long without news; half of it in the short form, where a visit that ends
/// too early costs no more than another one.
const QUIET: Duration = Duration::from_secs(2);
const ASHA: usize = 0;
const COURIER: usize = 1;
const CHEN: usize = 2;
const TO_ASHA: u8 = 77;
const TO_CHEN: u8 = 78;

/// What the courier must not hold: every 8 neighbouring bytes of it.
struct Secrets {
    windows: BTreeSet<[u8; WINDOW]>,
    /// Which two bytes any of them begins with.
    begins: Vec<bool>,
}

impl Secrets {
    fn new() -> Self {
        Self { windows: BTreeSet::new(), begins: vec![false; 1 << 16] }
    }

    fn add(&mut self, secret: &[u8]) {
        for window in secret.windows(WINDOW) {
            let window: [u8; WINDOW] = window.try_into().unwrap();
            // Counters and lengths are no secrets; keys and random letters look otherwise.
            if BTreeSet::from(window).len() >= 5 {
                self.begins[usize::from(u16::from_be_bytes([window[0], window[1]]))] = true;
                self.windows.insert(window);
            }
        }
    }

    /// Account, keys, link and name of a person.
    fn add_person(&mut self, person: &Person) {
        let id = person.run(&["id", "--json"]).one();
        let [account, name, link] = ["account", "name", "link"].map(|key| id[key].as_str().unwrap());
        let (_, code) = link.split_once('/').unwrap();
        let base32 = data_encoding::BASE32_NOPAD;
        let raw = base32.decode(account.to_uppercase().as_bytes()).unwrap();
        // The link holds the account key, all public keys of the device, and the secret of its invite.
        let keys = base32.decode(code.as_bytes()).unwrap();
        self.add(name.as_bytes());
        for bytes in [&raw, &keys] {
            self.add(bytes);
            self.add(base32.encode(bytes).as_bytes());
            self.add(base32.encode(bytes).to_lowercase().as_bytes());
            self.add(data_encoding::HEXLOWER.encode(bytes).as_bytes());
            self.add(data_encoding::BASE64.encode(bytes).as_bytes());
        }
    }

    fn found_in(&self, bytes: &[u8]) -> Option<[u8; WINDOW]> {
        let windows = bytes.windows(WINDOW);
        let likely = windows.filter(|w| self.begins[usize::from(u16::from_be_bytes([w[0], w[1]]))]);
        likely.map(|w| <[u8; WINDOW]>::try_from(w).unwrap()).find(|w| self.windows.contains(w))
    }

    /// Looks through everything that a process holds in memory; gives what was found and how much was read.
    fn found_in_memory(&self, pid: u32) -> (Option<[u8; WINDOW]>, usize) {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
        let (mut found, mut read) = (None, 0);
        // What cannot be written is the program itself, or nothing.
        let own = maps.lines().filter(|line| line.contains(" rw"));
        for line in own {
            let (range, _) = line.split_once(' ').unwrap();
            let (start, end) = range.split_once('-').unwrap();
            let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
            let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
            // Guard pages and the kernel's own pages cannot be read.
            let length = memory.read_at(&mut bytes, start).unwrap_or_default();
            read += length;
            found = found.or_else(|| self.found_in(&bytes[..length]));
        }
        (found, read)
    }

    /// Looks through every file below `path`; gives what was found and how much was read.
    fn found_on_disk(&self, path: &Path) -> (Option<[u8; WINDOW]>, usize) {
        let (mut found, mut read) = (None, 0);
        for entry in std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()) {
            let (inside, length) = if entry.is_dir() {
                self.found_on_disk(&entry)
            } else {
                // A file may go away between listing and reading.
                let bytes = std::fs::read(&entry).unwrap_or_default();
                (self.found_in(&bytes), bytes.len())
            };
            found = found.or(inside);
            read += length;
        }
        (found, read)
    }
}

/// The three people, their nodes and their networks.
struct Street {
    nodes: [Node; 3],
    people: [Person; 3],
    /// After the nodes: a network goes when nobody lives in it.
    places: Places,
    secrets: Secrets,
    /// The beginning of every text.
    word: String,
    memory_read: usize,
    most_carried: u64,
}

impl Street {
    fn new(places: Places) -> Self {
        let people = [ASHA, COURIER, CHEN].map(|place| {
            let name = format!("{}{}", ["Asha", "Bo", "Chen"][place], rig::random_word());
            Person::nobody().within(places.name(place)).named(&name)
        });
        let mut secrets = Secrets::new();
        let word = rig::random_word();
        secrets.add(word.as_bytes());
        for (own, other, petname) in [(ASHA, CHEN, "Chen"), (CHEN, ASHA, "Asha")] {
            people[own].run(&["add", &people[other].link(), "--name", petname, "--json"]).one();
            secrets.add_person(&people[own]);
        }
        let nodes = [ASHA, COURIER, CHEN].map(|place| people[place].launch(&[]));
        Self { places, people, nodes, secrets, word, memory_read: 0, most_carried: 0 }
    }

    /// Both write the messages of these numbers.
    fn write(&self, numbers: std::ops::Range<usize>) {
        for n in numbers {
            for (from, to) in [(ASHA, "Chen"), (CHEN, "Asha")] {
                let text = self.text(from, n);
                self.people[from].run(&["send", to, &text, "--json"]).one();
            }
        }
    }

    fn text(&self, from: usize, n: usize) -> String {
        format!("{} {from} {n}", self.word)
    }

    /// Joins the courier to one person and takes them from the other.
    fn visit(&self, person: usize) {
        let (here, there) = if person == ASHA { (TO_ASHA, TO_CHEN) } else { (TO_CHEN, TO_ASHA) };
        self.places.set(there, COURIER, "down");
        self.places.set(here, COURIER, "up");
    }

    /// Stays for a visit, and until nothing new has happened for a while; each has written `written` texts. When all
    /// `count` are receipted there is nothing to stay for.
    fn settle(&mut self, written: usize, count: usize) {
        let (start, mut before, mut since) = (Instant::now(), None, Instant::now());
        let (mut least, most) = (CALL, Duration::from_secs(20));
        let quiet = if rig::is_full() { QUIET } else { QUIET / 2 };
        while start.elapsed() < least || (start.elapsed() < most && since.elapsed() < quiet) {
            let status = self.people[COURIER].run(&["status", "--json"]).one();
            let carried = status["carried"]["envelopes"].as_u64().unwrap();
            self.most_carried = self.most_carried.max(carried);
            let shown = [ASHA, CHEN].map(|p| self.people[p].run(&["messages", "--json"]).json());
            if shown.iter().all(|messages| rig::receipted_in(messages) == count) {
                break;
            }
            let listed = [&shown[0], &shown[1]].map(Vec::len);
            least = if listed == [2 * written; 2] { VISIT } else { CALL };
            let now = Some((carried, status["links"].as_u64(), shown));
            if now != before {
                (before, since) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The courier's memory holds nothing of the others.
    fn look_into_memory(&mut self) {
        let (found, read) = self.secrets.found_in_memory(self.nodes[COURIER].pid());
        assert_eq!(found.map(|w| String::from_utf8_lossy(&w).into_owned()), None, "in the courier's memory");
        assert!(read > 1 << 20, "only {read} bytes of memory were read");
        self.memory_read += read;
    }

    fn is_all_home(&self, count: usize) -> bool {
        [ASHA, CHEN].iter().all(|person| rig::receipted(&self.people[*person]) == count)
    }

    fn check_arrivals(&self, count: usize) {
        for (from, to, petname) in [(ASHA, CHEN, "Asha"), (CHEN, ASHA, "Chen")] {
            let expected: Vec<String> = (0..count).map(|n| self.text(from, n)).collect();
            assert_eq!(rig::texts(&self.people[to], petname, false), expected, "from {from} to {to}");
        }
    }
}

#[test]
fn a_courier_who_knows_nothing_brings_everything_between_people_who_never_meet() {
    let Some(places) = Places::new::<3>() else { return };
    let (start, count) = (Instant::now(), rig::extent(10, 100));
    let most = Duration::from_secs(if rig::is_full() { 900 } else { 240 });
    places.join(TO_ASHA, ASHA, COURIER);
    places.join(TO_CHEN, COURIER, CHEN);
    let files = tempfile::tempdir().unwrap();
    let captures = [TO_ASHA, TO_CHEN].map(|net| {
        let wire = format!("wire{net}");
        Capture::start(places.name(COURIER), &wire, &files.path().join(&wire))
    });
    let mut street = Street::new(places);
    street.write(0..count / 2);
    street.settle(count / 2, count);
    street.look_into_memory();
    let (mut written, mut visits) = (count / 2, 0);
    while written < count || !street.is_all_home(count) {
        assert!(start.elapsed() < most, "after {visits} visits something is still out");
        street.visit(if visits % 2 == 0 { ASHA } else { CHEN });
        visits += 1;
        // Each further visit at which something is written costs some more until its receipts are home.
        let next = (written + count.div_ceil(if rig::is_full() { 4 } else { 2 })).min(count);
        street.write(written..next);
        written = next;
        street.settle(written, count);
        street.look_into_memory();
    }
    street.check_arrivals(count);
    assert!(street.most_carried > 0, "the courier carried nothing");
    let (found, disk) = street.secrets.found_on_disk(street.people[COURIER].home());
    assert_eq!(found, None, "on the courier's disk");
    let traffic = captures.map(Capture::stop);
    check_traffic(&street.secrets, &traffic);
    check_that_the_look_is_sharp(&street);
    println!(
        "{count} messages each way, {visits} visits, {:.0} s, load {}: disk {disk} B, memory {} B, traffic {} B; \
         the courier carried up to {} envelopes",
        start.elapsed().as_secs_f64(),
        rig::load(),
        street.memory_read,
        traffic.iter().map(Vec::len).sum::<usize>(),
        street.most_carried
    );
}

fn check_traffic(secrets: &Secrets, captures: &[Vec<u8>; 2]) {
    for capture in captures {
        assert_eq!(secrets.found_in(capture), None, "in the courier's traffic");
        let streams = Traffic::read(capture).streams;
        assert!(streams.iter().map(|stream| stream.bytes.len()).sum::<usize>() > 10_000);
        for stream in streams {
            assert_eq!(secrets.found_in(&stream.bytes), None, "in the courier's traffic");
        }
    }
}

/// What is searched for is found where it may be.
fn check_that_the_look_is_sharp(street: &Street) {
    assert!(street.secrets.found_in_memory(street.nodes[ASHA].pid()).0.is_some());
    let mut own = Secrets::new();
    own.add_person(&street.people[COURIER]);
    assert!(soon(Duration::from_secs(1), || own.found_in_memory(street.nodes[COURIER].pid()).0.is_some()));
}
