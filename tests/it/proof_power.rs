//! The power of a busy node's machine is cut right after an acknowledgement; the node goes on from what its disk
//! holds then.
//!
//! The disk is a file. The node is frozen, the file copied and the node thrown away: whatever stood only in the page
//! cache of the mounted file system is gone. The file system commits nothing by itself meanwhile. What the copy does
//! not model is a disk that loses or reorders what it was told to write but not yet to flush.

use crate::cli_rig::{Node, Person};
use crate::proof_rig::{self as rig, soon};
use crate::support::{Disk, run};
use rustix::process::Signal;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The file system writes nothing by itself for five minutes.
const MOUNT: &str = "loop,commit=300";

/// Sends a text over the node's local API; true as soon as the acknowledgement's first line is there.
fn send(person: &Person, node: &Node, text: &str) -> bool {
    let token = std::fs::read_to_string(person.path().join("api.token")).unwrap();
    let (port, body) = (node.port(), format!(r#"{{"to":"Bo","text":"{text}"}}"#));
    let length = body.len();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).unwrap();
    answer == *b"HTTP/1.1 200 OK"
}

/// Stops every thread of a node, as when the power goes.
fn freeze(node: &Node) {
    node.signal(Signal::STOP);
    let is_stopped = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
        stat.rsplit_once(')').is_none_or(|(_, state)| state.starts_with(" T"))
    };
    let tasks = format!("/proc/{}/task", node.pid());
    while !std::fs::read_dir(&tasks).unwrap().all(is_stopped) {}
}

/// A fresh disk that commits nothing by itself; `None` (with one line) where that cannot be.
fn disk(dir: &Path) -> Option<Disk> {
    let image = Disk::new(dir, 192)?.image.clone();
    Disk::mount(&image, &dir.join("disk"), MOUNT)
}

/// Writes to Asha without end until `stop`; gives what was acknowledged.
fn chatter(bo: &Person, stop: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let text = format!("to Asha {}", acknowledged.len());
        bo.run(&["send", "Asha", &text, "--json"]).one();
        acknowledged.push(text);
        std::thread::sleep(Duration::from_millis(100));
    }
    acknowledged
}

/// Asha's life: cut after cut, on copies of the disk. Gives what was acknowledged.
fn live(
    mut asha: Person,
    mut disk: Disk,
    dir: &Path,
    cuts: usize,
    peer: &str,
) -> (Person, Disk, Vec<String>) {
    let mut acknowledged: Vec<String> = Vec::new();
    for cut in 0..cuts {
        let node = asha.start(&["--listen", "127.0.0.1:0", "--peer", peer]);
        std::thread::sleep(Duration::from_millis(rig::random_below(700)));
        for _ in 0..=rig::random_below(12) {
            let text = format!("to Bo {}", acknowledged.len());
            assert!(send(&asha, &node, &text));
            acknowledged.push(text);
        }
        freeze(&node);
        let image = dir.join(format!("image{cut}"));
        let [from, to] = [&disk.image, &image].map(|path| path.to_str().unwrap());
        assert!(run("cp", &["--sparse=always", from, to]));
        drop(node);
        let old = std::mem::replace(
            &mut disk,
            Disk::mount(&image, &dir.join(format!("disk{cut}")), MOUNT).expect("a disk that was cut mounts"),
        );
        let old_image = old.image.clone();
        drop(old);
        std::fs::remove_file(old_image).unwrap();
        asha = asha.moved(disk.mount.join("data"));
        rig::assert_each_once(&rig::texts(&asha, "Bo", true), &acknowledged);
    }
    (asha, disk, acknowledged)
}

#[test]
fn a_node_whose_power_is_cut_goes_on_from_its_disk_and_loses_and_repeats_nothing() {
    let (start, cuts) = (Instant::now(), rig::extent(3, 30));
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = disk(dir.path()) else { return };
    let asha = Person::nobody().moved(disk.mount.join("data")).named("Asha");
    let bo = Person::new("Bo");
    asha.run(&["add", &bo.link(), "--name", "Bo", "--json"]).one();
    bo.run(&["add", &asha.link(), "--name", "Asha", "--json"]).one();
    let there = bo.start(&["--listen", "127.0.0.1:0"]);
    let (peer, stop) = (there.address(), AtomicBool::new(false));
    let (lived, to_asha) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| chatter(&bo, &stop));
        let life = scope.spawn(|| live(asha, disk, dir.path(), cuts, &peer));
        let lived = life.join();
        stop.store(true, Ordering::Relaxed);
        (lived.unwrap(), writer.join().unwrap())
    });
    let (asha, _disk, to_bo) = lived;
    let _here = asha.start(&["--listen", "127.0.0.1:0", "--peer", &peer]);
    for (from, to, petname, acknowledged) in [(&asha, &bo, "Asha", &to_bo), (&bo, &asha, "Bo", &to_asha)] {
        let home = || rig::receipted(from) == acknowledged.len();
        let all = soon(Duration::from_secs(120), home);
        // In the order in which one person wrote: later is never shown before earlier.
        assert_eq!(&rig::texts(to, petname, false), acknowledged);
        assert!(all, "{} of {} receipts came home", rig::receipted(from), acknowledged.len());
    }
    println!(
        "{cuts} power cuts, {:.0} s, load {}: {} + {} acknowledged and there once, receipts home",
        start.elapsed().as_secs_f64(),
        rig::load(),
        to_bo.len(),
        to_asha.len()
    );
}
