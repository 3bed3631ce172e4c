//! How fast a world runs and how much it holds: people who wander about, each with a real node.
//!
//! ```text
//! cargo run --release -p mesh-sim --example scale -- NODES SECONDS SEAL EVERY_S
//! cargo run --release -p mesh-sim --example scale -- plot docs/guide/scale.svg
//! ```
//!
//! `SEAL` is `real` or `cheap`; somebody writes to a friend every `EVERY_S` seconds. A thousand people to the
//! square kilometre, 10 m of reach, walking as in The ONE's default scenario. One line of figures at the end.
//! `plot` lets 100, 1,000 and 10,000 people walk for ten minutes and draws what a contact costs.

use mesh_sim::mobility::Waypoint;
use mesh_sim::{Audience, Draft, Movement, NodeIx, Radio, Seal, World};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Instant;

/// Metres.
const REACH: f32 = 10.0;
/// Square metres for each person.
const ROOM: f32 = 1_000.0;
const SEED: u64 = 42;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |at: usize, default: u64| arguments.get(at).and_then(|n| n.parse().ok()).unwrap_or(default);
    if arguments.get(1).is_some_and(|word| word == "plot") {
        let Some(path) = arguments.get(2) else {
            eprintln!("usage: scale plot FILE");
            return ExitCode::from(2);
        };
        return plot(path);
    }
    let nodes = u32::try_from(number(1, 100)).unwrap_or(100);
    let seal = if arguments.get(3).is_some_and(|seal| seal == "real") { Seal::Real } else { Seal::Cheap };
    measure(nodes, number(2, 600), number(4, 30), seal);
    ExitCode::SUCCESS
}

/// Lets people walk, prints the figures, and returns the microseconds of processor time for each contact.
fn measure(nodes: u32, seconds: u64, every: u64, seal: Seal) -> f64 {
    let start = Instant::now();
    let before = resident("VmRSS");
    let mut world = World::sealed(SEED, seal);
    world.forget();
    for n in 0..nodes {
        world.add(&format!("Person {n}"));
    }
    let idle = resident("VmRSS").saturating_sub(before) / u64::from(nodes);
    let made = start.elapsed();
    let drafts = drafts(nodes, seconds, every);
    let friends: BTreeSet<(NodeIx, NodeIx)> = drafts
        .iter()
        .filter_map(|draft| match draft.to {
            Audience::One(to) => Some((NodeIx::from(draft.from), NodeIx::from(to))),
            _ => None,
        })
        .collect();
    let strangers = world.introduce(&friends.into_iter().collect::<Vec<_>>());
    assert!(strangers.is_empty(), "{strangers:?}");
    let introduced = start.elapsed() - made;
    let settled = resident("VmRSS").saturating_sub(before) / u64::from(nodes);

    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let side = (nodes as f32 * ROOM).sqrt();
    let walks = Waypoint { width_m: side, height_m: side, ..Waypoint::default() };
    let walking = Movement::Waypoint(walks).walk(nodes, SEED, REACH, seconds);
    world.travel(walking.expect("the walk is possible"), Radio::ble());
    for draft in &drafts {
        world.run_to(draft.at);
        world.submit(draft);
    }
    world.run_to(seconds * 1_000);
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let counters = world.counters();
    let per_contact = cpu * 1e6 / counters.meetings.max(1) as f64;
    println!(
        "nodes {nodes} sim_s {seconds} seal {seal:?} wall_s {wall:.2} cpu_s {cpu:.2} sim_per_cpu_s {:.0} \
         events {} events_per_cpu_s {:.0} contacts {} cpu_us_per_contact {per_contact:.1} links {} frames {} \
         copies {} bytes {} idle_node_bytes {idle} introduced_node_bytes {settled} peak_rss_mib {} made_s {:.2} \
         introduced_s {:.2}",
        seconds as f64 / cpu,
        counters.events,
        counters.events as f64 / cpu,
        counters.meetings,
        counters.links,
        counters.frames,
        counters.copies,
        counters.bytes_on_air,
        resident("VmHWM") >> 20,
        made.as_secs_f64(),
        introduced.as_secs_f64(),
    );
    per_contact
}

/// What a contact costs in small worlds and in large ones, for both seals, as a picture.
fn plot(path: &str) -> ExitCode {
    // A small world is over before the machine has settled: the best of several counts.
    let best =
        |nodes, seal, times| (0..times).map(|_| measure(nodes, 600, 30, seal)).fold(f64::MAX, f64::min);
    let of = |seal| {
        [(100, 10), (1_000, 3), (10_000, 1)]
            .map(|(nodes, times)| (f64::from(nodes), best(nodes, seal, times)))
    };
    let lines = [
        ("real seal", RGBColor(0x0B, 0x6E, 0x99), of(Seal::Real)),
        ("cheap seal", RGBColor(0x8C, 0x6D, 0x1F), of(Seal::Cheap)),
    ];
    match draw(path, &lines) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}

type Line = (&'static str, RGBColor, [(f64, f64); 3]);

fn draw(path: &str, lines: &[Line; 2]) -> Result<(), Box<dyn std::error::Error>> {
    let most = lines.iter().flat_map(|line| line.2).map(|(_, cost)| cost).fold(1.0, f64::max);
    let root = SVGBackend::new(path, (720, 400)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .caption("What a contact costs the simulator", ("sans-serif", 18))
        .build_cartesian_2d((80.0..12_500.0).log_scale(), 0.0..most * 1.25)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xD5, 0xDA, 0xE1))
        .x_desc("nodes, a thousand to the square kilometre, ten minutes")
        .y_desc("microseconds of processor time")
        .x_labels(3)
        .x_label_formatter(&|nodes| format!("{nodes}"))
        .label_style(("sans-serif", 14))
        .draw()?;
    for (at, (name, colour, points)) in lines.iter().enumerate() {
        let line = chart.draw_series(LineSeries::new(*points, colour.stroke_width(2)))?;
        line.label(*name).legend(|(x, y)| PathElement::new([(x, y), (x + 24, y)], colour.stroke_width(2)));
        chart.draw_series(points.map(|point| Circle::new(point, 4, colour.filled())))?;
        let other = lines[1 - at].2;
        for (n, (x, y)) in points.iter().enumerate() {
            // The larger of the two figures stands above its point, the other below: they never meet.
            let above = (*y, at == 0) > (other[n].1, at == 1);
            let (vertical, away) = if above { (VPos::Bottom, -8) } else { (VPos::Top, 8) };
            let style = ("sans-serif", 15).into_font().color(colour).pos(Pos::new(HPos::Center, vertical));
            let figure = Text::new(format!("{y:.0}"), (0, away), style);
            chart.draw_series(std::iter::once(EmptyElement::at((*x, *y)) + figure))?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .border_style(RGBColor(0xD5, 0xDA, 0xE1))
        .background_style(WHITE)
        .label_font(("sans-serif", 15))
        .draw()?;
    root.present()?;
    Ok(())
}

/// A message every so often, each from somebody to somebody.
fn drafts(nodes: u32, seconds: u64, every: u64) -> Vec<Draft> {
    let mut dice = Dice(SEED ^ 1);
    let times = (1..).map(|n| n * every).take_while(|at| *at < seconds).enumerate();
    let draft = |(n, at): (usize, u64)| {
        let from = dice.below(u64::from(nodes)) as u32;
        let to = (from + 1 + dice.below(u64::from(nodes) - 1) as u32) % nodes;
        Draft { number: n as u32, at: at * 1_000, from, to: Audience::One(to), bytes: 140 }
    };
    times.map(draft).collect()
}

struct Dice(u64);

impl Dice {
    /// splitmix64.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// Bytes of memory by their name in `/proc/self/status`; 0 where there is no such file.
fn resident(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// The CPU time of this process so far, as Linux tells it; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos: Option<f64> = told.split_whitespace().next().and_then(|word| word.parse().ok());
    nanos.unwrap_or(0.0) / 1e9
}
