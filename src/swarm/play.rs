//! Lets a swarm live through a scenario: wires are laid and cut, people write.

use super::book::Book;
use super::cable::{Cable, Shape};
use super::member::{Heard, Member};
use mesh_sim::field::Letter;
use mesh_sim::runner::Course;
use mesh_sim::{Audience, Draft, Sample, Scene};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// News of members that wait to be written down.
const NEWS: usize = 8_192;
/// How often wires without a link are looked after.
const LOOK_MS: u64 = 1_000;
/// A dial that brought no link is repeated after this long.
const DIAL_AGAIN: Duration = Duration::from_secs(3);
/// Samples of a run.
const SAMPLES: u64 = 120;

/// Something that is to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Cut(usize),
    Lay(usize),
    Write(usize),
    Look,
    Sample,
}

/// A wire between two members.
struct Laid {
    cable: Cable,
    dialled: Instant,
}

/// What came of it.
pub(super) struct Played {
    pub(super) book: Book,
    pub(super) letters: Vec<Letter>,
    pub(super) samples: Vec<Sample>,
    pub(super) scenes: Vec<Scene>,
}

/// The daemons of a swarm.
pub(super) struct Swarm {
    members: Vec<Member>,
    book: Arc<Mutex<Book>>,
    scribe: tokio::task::JoinHandle<()>,
    wires: BTreeMap<(u32, u32), Laid>,
    shape: Shape,
}

impl Swarm {
    /// Starts everybody below `place`, and makes those acquainted who will write each other. `told` hears how
    /// many run.
    pub(super) async fn start(
        place: &Path,
        nodes: u32,
        letters: &[Letter],
        shape: Shape,
        told: impl Fn(u32),
    ) -> anyhow::Result<Self> {
        let (heard, news) = mpsc::channel(NEWS);
        let mut members = Vec::new();
        for node in 0..nodes {
            members.push(Member::start(place, node, heard.clone()).await?);
            told(node + 1);
        }
        let pairs: BTreeSet<(u32, u32)> =
            letters.iter().flat_map(|letter| [(letter.from, letter.to), (letter.to, letter.from)]).collect();
        for (a, b) in pairs {
            members[a as usize].add(&members[b as usize]).await?;
        }
        let book = Arc::new(Mutex::new(Book::new(Instant::now())));
        let scribe = tokio::spawn(write_down(Arc::clone(&book), news));
        Ok(Self { members, book, scribe, wires: BTreeMap::new(), shape })
    }

    /// Lets everything of `course` happen in real time. `told` hears how far it is, in milliseconds.
    pub(super) async fn play(
        mut self,
        course: &Course,
        letters: &[Letter],
        told: impl Fn(u64),
    ) -> anyhow::Result<Played> {
        let begun = Instant::now();
        *self.open() = Book::new(begun);
        let (mut written, mut samples, mut scenes) = (Vec::new(), Vec::new(), Vec::new());
        for (at, act) in agenda(course, letters) {
            tokio::time::sleep_until((begun + Duration::from_millis(at)).into()).await;
            match act {
                Act::Lay(contact) => self.lay(course.contacts[contact].a, course.contacts[contact].b).await?,
                Act::Cut(contact) => {
                    self.wires.remove(&(course.contacts[contact].a, course.contacts[contact].b));
                }
                Act::Write(letter) => written.push(self.write(letters[letter]).await?),
                Act::Look => {
                    self.dial_again();
                    told(at);
                }
                Act::Sample => {
                    let (sample, scene) = self.sample(at).await?;
                    samples.push(sample);
                    scenes.push(scene);
                }
            }
        }
        let length = course.length;
        tokio::time::sleep_until((begun + Duration::from_millis(length)).into()).await;
        let book = self.end().await;
        Ok(Played { book, letters: written, samples, scenes })
    }

    async fn lay(&mut self, a: u32, b: u32) -> anyhow::Result<()> {
        let cable = Cable::lay(self.members[b as usize].address(), self.shape).await?;
        self.members[a as usize].dial(cable.near());
        self.wires.insert((a, b), Laid { cable, dialled: Instant::now() });
        Ok(())
    }

    /// A dial may fail on a busy machine.
    fn dial_again(&mut self) {
        let linked = self.open().linked();
        for (pair, laid) in &mut self.wires {
            if !linked.contains(pair) && laid.dialled.elapsed() >= DIAL_AGAIN {
                laid.dialled = Instant::now();
                self.members[pair.0 as usize].dial(laid.cable.near());
            }
        }
    }

    /// The letter with the time at which it was really written.
    async fn write(&self, letter: Letter) -> anyhow::Result<Letter> {
        let at = self.open().at(Instant::now());
        let Letter { number, from, to, bytes, .. } = letter;
        let draft = Draft { number, at, from, to: Audience::One(to), bytes };
        self.members[from as usize].write(&self.members[to as usize], &draft).await?;
        Ok(Letter { at, ..letter })
    }

    async fn sample(&self, at: u64) -> anyhow::Result<(Sample, Scene)> {
        let mut carried = Vec::new();
        for member in &self.members {
            carried.push(u32::try_from(member.status().await?.carried_envelopes).unwrap_or(u32::MAX));
        }
        let book = self.open();
        let links: Vec<(u32, u32)> = book.linked().into_iter().collect();
        let sample = Sample {
            at_s: at as f64 / 1_000.0,
            delivered: book.shown.len() as u64,
            bytes_on_air: book.bytes,
            copies: book.copies,
            links: u32::try_from(links.len()).unwrap_or(u32::MAX),
            carried: carried.iter().copied().map(u64::from).sum(),
            running: u32::try_from(self.members.len()).unwrap_or(u32::MAX),
            ..Sample::default()
        };
        let scene = Scene { at_s: sample.at_s, carried, links, ..Scene::default() };
        Ok((sample, scene))
    }

    /// Stops everybody and closes the book.
    pub(super) async fn end(self) -> Book {
        drop(self.wires);
        futures::future::join_all(self.members.into_iter().map(Member::stop)).await;
        // The last member is gone, and with it everybody who could tell news.
        let _ = self.scribe.await;
        let empty = Book::new(Instant::now());
        std::mem::replace(&mut *self.book.lock().unwrap_or_else(PoisonError::into_inner), empty)
    }

    fn open(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that is to happen, in order of time; a wire is cut before another is laid.
fn agenda(course: &Course, letters: &[Letter]) -> Vec<(u64, Act)> {
    let mut agenda = Vec::new();
    for (i, contact) in course.contacts.iter().enumerate() {
        agenda.push((contact.start, Act::Lay(i)));
        agenda.push((contact.end, Act::Cut(i)));
    }
    agenda.extend(letters.iter().enumerate().map(|(i, letter)| (letter.at, Act::Write(i))));
    agenda.extend((0..course.length / LOOK_MS).map(|i| (i * LOOK_MS, Act::Look)));
    agenda.extend((0..=SAMPLES).map(|i| (course.length * i / SAMPLES, Act::Sample)));
    agenda.retain(|(at, _)| *at <= course.length);
    agenda.sort_unstable();
    agenda
}

async fn write_down(book: Arc<Mutex<Book>>, mut news: mpsc::Receiver<Heard>) {
    while let Some(heard) = news.recv().await {
        book.lock().unwrap_or_else(PoisonError::into_inner).note(&heard);
    }
}
