//! A conversation of 100,000 messages: opened, scrolled and searched through the API of the built program.

use crate::figures::{Latencies, Usage, report};
use anyhow::{Context as _, Result};
use mesh_core::wire::codec;
use mesh_core::{AccountId, Command, MessageId, Reply, StoreOp, Table, Wall};
use starling::api::types::{Conversation, Found, Message};
use starling::client::{Client, Session};
use starling::config::DataDir;
use starling::daemon::Switch;
use starling::home::{self, Secret};
use starling::store::{Passphrase, Store};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

/// Messages of the conversation.
const LONG: usize = 100_000;
/// Messages of a page, as a screen shows them.
const PAGE: &str = "50";
/// Words that the texts are made of, 12 in each.
const VOCABULARY: u64 = 20_000;
/// The record of a text of two people (PROTOCOL.md section 11), and of one that was read.
const RECORDS: (u8, u8) = (1, 3);

/// Opens, scrolls and searches a long conversation beside an empty one.
pub(crate) async fn long_conversation(scale: usize) -> Result<()> {
    let (place, count) = (tempfile::tempdir()?, LONG / scale);
    let (empty, full) = (place.path().join("empty"), place.path().join("full"));
    fill(&empty, 0).await?;
    let began = Instant::now();
    fill(&full, count).await?;
    report(&format!("a conversation of {count}: written"), &format!("{:.2?}", began.elapsed()));
    for (name, dir) in [("  started when empty", &empty), ("  started when full", &full)] {
        let began = Instant::now();
        let program = Program::start(dir)?;
        let took = began.elapsed();
        tokio::time::sleep(Duration::from_secs(2)).await;
        report(name, &format!("{took:.2?}, {}", program.usage()?.rss()));
    }
    let program = Program::start(&full)?;
    let session = Client::new(DataDir::new(full), Secret::default()).running().await;
    measure(&program, &session.context("the node answers")?, count).await
}

async fn measure(program: &Program, session: &Session, count: usize) -> Result<()> {
    let began = Instant::now();
    let mut page: Vec<Message> = session.get(&["messages"], &[("with", "Bo"), ("last", PAGE)]).await?;
    report("  opened: the first page", &format!("{:.2?}", began.elapsed()));
    let mut latencies = Latencies::default();
    for _ in 0..100 {
        let began = Instant::now();
        session.get::<Vec<Conversation>>(&["conversations"], &[]).await?;
        latencies.add(began.elapsed());
    }
    report("  list of conversations", &latencies.to_string());
    for (name, side, limit) in [("back", "before", "last"), ("forth", "after", "first")] {
        let mut latencies = Latencies::default();
        for _ in 0..500 {
            let edge = if side == "before" { page.first() } else { page.last() };
            let Some(edge) = edge.map(|message| message.id.clone()) else { break };
            let began = Instant::now();
            page = session.get(&["messages"], &[("with", "Bo"), (side, &edge), (limit, PAGE)]).await?;
            latencies.add(began.elapsed());
        }
        report(&format!("  scrolled {name}, 50 at a time"), &latencies.to_string());
    }
    let before = program.usage()?;
    let began = Instant::now();
    session.get::<Found>(&["search"], &[("q", "first")]).await?;
    let used = program.usage()?.since(before);
    report(
        "  the first search, which makes the index",
        &format!("{:.2?}, {}", began.elapsed(), used.per(count)),
    );
    report("  RSS then", &program.usage()?.rss());
    for kind in ["a word", "two words and a beginning", "what is not there"] {
        let mut latencies = Latencies::default();
        for n in 0..500 {
            let query = match kind {
                "a word" => word(n * 37),
                "two words and a beginning" => format!("{} {} w1", word(n), word(n + 1)),
                _ => format!("nothing{n}"),
            };
            let began = Instant::now();
            session.get::<Found>(&["search"], &[("q", &query)]).await?;
            latencies.add(began.elapsed());
        }
        report(&format!("  searched: {kind}"), &latencies.to_string());
    }
    Ok(())
}

fn word(n: u64) -> String {
    format!("w{}", n % VOCABULARY)
}

/// Makes a home with a contact and this many texts of theirs, the last fifty unread, as storage holds them.
async fn fill(dir: &Path, count: usize) -> Result<()> {
    let bo = mesh_core::Node::create(
        mesh_core::Config::default(),
        [9; 32],
        starling::daemon::Clock.now(),
        "Bo",
        Box::new(mesh_core::Memory::default()),
    )?;
    let link = bo.identity().link;
    let data = DataDir::new(dir.to_owned());
    let home = tokio::task::spawn_blocking(move || home::create(&data, "Asha", &Secret::default())).await??;
    let (_events, transport_events) = tokio::sync::mpsc::channel(1);
    let running = home.start(transport_events, Switch::default())?;
    let added = running.handle().command(Command::Add { link, petname: Some("Bo".into()) }).await?;
    running.stop().await;
    let Reply::Contact(account) = added else { anyhow::bail!("{added:?}") };
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || write(&dir, account, count)).await?
}

fn write(dir: &Path, account: AccountId, count: usize) -> Result<()> {
    let (store, _) = Store::open(dir, &Passphrase::None)?;
    let (mut dice, mut parent) = (7_u64, Vec::new());
    for n in 0..count as u64 {
        let mut words = Vec::with_capacity(12);
        for _ in 0..12 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            words.push(word(dice >> 33));
        }
        let id = MessageId((u128::from(dice) << 64 | u128::from(n)).to_be_bytes());
        let when = 1_700_000_000 + u32::try_from(n)? * 60;
        let record = (false, when, Wall(when.into()), n, n + 1, 9_u8, &parent, words.join(" "));
        let key = |kind: u8| [&[kind][..], &account.0, &id.0].concat();
        let mut ops = vec![StoreOp::put(Table::Event, key(RECORDS.0), codec::encode(&record))];
        if n + 50 < count as u64 {
            ops.push(StoreOp::put(Table::Event, key(RECORDS.1), Vec::new()));
        }
        store.stage(ops);
        if n % 1_000 == 999 {
            store.commit()?;
        }
        parent = vec![<[u8; 8]>::try_from(&id.0[..8])?];
    }
    store.commit()?;
    store.close();
    Ok(())
}

/// `starling run`, without neighbours.
struct Program(Child);

impl Program {
    /// Starts it; returns once it is ready.
    fn start(dir: &Path) -> Result<Self> {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr())?;
        let mut child = Process::new(env!("CARGO_BIN_EXE_starling"))
            .env("STARLING_DATA_DIR", dir)
            .args(["run", "--json", "--no-ble", "--no-mdns", "--listen", "127.0.0.1:0"])
            .args(["--beacon-port", &free.port().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("it has a standard output")?).read_line(&mut line)?;
        anyhow::ensure!(line.contains("port"), "it did not start: {line:?}");
        Ok(Self(child))
    }

    fn usage(&self) -> Result<Usage> {
        Usage::of(self.0.id())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
