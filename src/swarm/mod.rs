//! A swarm: many real daemons on this machine, on wires that are laid and cut as a scenario says, so that
//! reality and simulation can be laid side by side.

mod book;
mod cable;
mod member;
mod play;

use anyhow::Context as _;
use cable::Shape;
use indicatif::{ProgressBar, ProgressStyle};
use mesh_sim::field::{Field, letters};
use mesh_sim::report::Run;
use mesh_sim::runner::Course;
use mesh_sim::{Seal, Trace};
use play::{Played, Swarm};
use starling::t;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What one swarm came to.
pub(crate) struct Outturn {
    /// What really happened.
    pub(crate) real: Run,
    /// The same contacts and letters in the simulator.
    pub(crate) simulated: Run,
    /// The links that stood, as a trace that `sim trace` replays.
    pub(crate) contact_log: String,
}

/// Lets real daemons live through `course` in real time, then plays what happened again in the simulator.
pub(crate) async fn run(course: Course, seed: u64) -> anyhow::Result<Outturn> {
    let begun = Instant::now();
    let delay = Duration::from_millis(u64::from(course.radio.latency_ms) + course.radio.hop_delay_ms);
    let shape = Shape { delay, rate: (course.radio.goodput > 0).then_some(course.radio.goodput) };
    let letters = letters(&course.drafts);
    let place = Place::new()?;
    let bar = bar(course.length);
    let nodes = course.nodes;
    let swarm = Swarm::start(&place.0, nodes, &letters, shape, |running| {
        bar.set_message(t!("swarm-starting", running = running, nodes = nodes));
    });
    let swarm = swarm.await?;
    bar.set_message(t!("swarm-running", nodes = nodes));
    let played = swarm.play(&course, &letters, |at| bar.set_position(at / 1_000)).await?;
    bar.finish_and_clear();
    drop(place);
    let (field, real) = real(&course, seed, played, begun);
    let trace = Trace { nodes: course.nodes, contacts: field.contacts.clone(), notes: Vec::new() };
    let contact_log = trace.write(&[&format!("{}: links of a swarm of real daemons", course.name)]);
    let mirrored = tokio::task::spawn_blocking(move || simulated(&field, seed, shape)).await?;
    Ok(Outturn { real, simulated: mirrored, contact_log })
}

/// What happened, and its figures.
fn real(course: &Course, seed: u64, played: Played, begun: Instant) -> (Field, Run) {
    let Played { book, letters, samples, scenes } = played;
    let contacts = book.contacts(course.length);
    let name = t!("swarm-name", scenario = course.name.as_str());
    let field = Field { name, nodes: course.nodes, length: course.length, contacts, letters };
    let mut run = field.measure(&book.shown, 0);
    run.outcome.seed = seed;
    run.outcome.seal = "real".to_owned();
    run.outcome.bytes_on_air = book.bytes;
    run.outcome.payload_bytes = book.payload;
    run.outcome.copies_per_delivery = book.copies as f64 / (run.outcome.delivered.max(1)) as f64;
    run.outcome.wall_seconds = begun.elapsed().as_secs_f64();
    run.outcome.peak_rss_bytes = crate::cli::peak_rss_bytes();
    run.recording.samples = samples;
    run.recording.scenes = scenes;
    for sample in &mut run.recording.samples {
        let by_then = |at: Option<f64>| at.is_some_and(|at| at <= sample.at_s);
        let deliveries = run.recording.deliveries.iter();
        sample.oracle = deliveries.filter(|one| by_then(one.oracle_s)).count() as u64;
    }
    (field, run)
}

fn simulated(field: &Field, seed: u64, shape: Shape) -> Run {
    let begun = Instant::now();
    let mut run = field.mirror(seed, Seal::Real, mesh_sim::field::wire(shape.delay, shape.rate), 0);
    run.outcome.wall_seconds = begun.elapsed().as_secs_f64();
    run.outcome.peak_rss_bytes = crate::cli::peak_rss_bytes();
    run
}

fn bar(length_ms: u64) -> ProgressBar {
    let bar = ProgressBar::new(length_ms / 1_000);
    // The template is fixed; the plain bar would do as well.
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} s  {msg}") {
        bar.set_style(style);
    }
    bar
}

/// A directory that goes away with its value.
struct Place(PathBuf);

impl Place {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("starling-swarm-{}", std::process::id()));
        let shown = path.display().to_string();
        std::fs::create_dir(&path).with_context(|| t!("sim-not-written", path = shown))?;
        Ok(Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left is in the system's own folder for what may go away.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
