//! What arrives when far more is written than bags can hold: goodput over load.
//!
//! ```text
//! cargo run --release -p mesh-sim --example overload [FILE.svg]
//! ```
//!
//! Runs the scenario `overload` at half to ten times what fits into a bag, three seeds each, prints a table, and
//! draws it into a file where one is named.

use mesh_sim::runner::{Options, run};
use mesh_sim::scenario::{Scenario, built_in};
use plotters::prelude::*;
use std::process::ExitCode;

/// Texts that fit into a bag of the scenario.
const FITS: f64 = 200.0;
const LOADS: [f64; 7] = [0.5, 1.0, 2.0, 3.5, 5.0, 7.5, 10.0];
const SEEDS: core::ops::Range<u64> = 1..4;

type Failed = Box<dyn std::error::Error>;

/// What one load came to, over all seeds.
struct Point {
    load: f64,
    texts: u64,
    delivered: u64,
    possible: u64,
    calls: (u64, u64),
    /// Texts that their writers let go of before they arrived.
    let_go: f64,
    p50_s: f64,
}

fn main() -> ExitCode {
    match measure_and_draw(std::env::args().nth(1).as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure_and_draw(path: Option<&str>) -> Result<(), Failed> {
    println!("| load | texts | delivered | possible | median delay | calls | own texts let go |");
    println!("|---|---|---|---|---|---|---|");
    let mut points = Vec::new();
    for load in LOADS {
        let point = measure(load)?;
        println!(
            "| {load}x | {} | {} ({:.2}) | {} | {:.1} min | {} of {} | {} |",
            point.texts,
            point.delivered,
            point.delivered as f64 / point.possible.max(1) as f64,
            point.possible,
            point.p50_s / 60.0,
            point.calls.0,
            point.calls.1,
            point.let_go,
        );
        points.push(point);
    }
    match path {
        Some(path) => draw(path, &points),
        None => Ok(()),
    }
}

fn measure(load: f64) -> Result<Point, Failed> {
    let text = built_in("overload").ok_or("the scenario comes with the program")?;
    let scenario = Scenario::from_toml("overload.toml", text)?;
    let scenario = scenario.vary("workload.0.messages", &format!("{:.0}", load * FITS))?;
    let options = Options { samples: 1, ..Options::default() };
    let mut point =
        Point { load, texts: 0, delivered: 0, possible: 0, calls: (0, 0), let_go: 0.0, p50_s: 0.0 };
    for seed in SEEDS {
        let (outcome, _) = run(&scenario, seed, &options, &mut |_| {})?;
        if let Some(broken) = outcome.violations.first() {
            return Err(format!("{load}x, seed {seed}: {broken:?}").into());
        }
        let (texts, calls) = (&outcome.classes["text"], &outcome.classes["sos"]);
        point.texts += texts.messages;
        point.delivered += texts.delivered;
        point.possible += texts.oracle;
        point.calls = (point.calls.0 + calls.delivered, point.calls.1 + calls.oracle);
        point.let_go += outcome.notes.get("own texts let go before they arrived").copied().unwrap_or(0.0);
        point.p50_s += texts.delay_p50_s.unwrap_or(0.0) / (SEEDS.end - SEEDS.start) as f64;
    }
    Ok(point)
}

fn draw(path: &str, points: &[Point]) -> Result<(), Failed> {
    let seeds = (SEEDS.end - SEEDS.start) as f64;
    let of = |count: fn(&Point) -> u64| -> Vec<(f64, f64)> {
        points.iter().map(|point| (point.load, count(point) as f64 / seeds)).collect()
    };
    let lines = [
        ("delivered", RGBColor(0x0B, 0x6E, 0x99), of(|point| point.delivered)),
        ("possible, with bags that hold everything", RGBColor(0x8C, 0x6D, 0x1F), of(|point| point.possible)),
    ];
    let most = lines[1].2.iter().map(|point| point.1).fold(1.0, f64::max);
    let root = SVGBackend::new(path, (720, 400)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .caption("Goodput over load", ("sans-serif", 18))
        .build_cartesian_2d(0.0..10.5, 0.0..most * 1.1)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xD5, 0xDA, 0xE1))
        .x_desc("texts written, in multiples of what fits into a bag (200)")
        .y_desc("texts within 20 minutes")
        .x_labels(11)
        .x_label_formatter(&|load| format!("{load}x"))
        .y_label_formatter(&|texts| format!("{texts}"))
        .label_style(("sans-serif", 14))
        .draw()?;
    for ((name, colour, points), up) in lines.iter().zip([-0.05, 0.07]) {
        chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
        // Beside the line's middle, where the two are apart.
        let (x, y) = points[points.len() / 2];
        let at = if up > 0.0 { (0.3, most * 0.9) } else { (x + 0.3, y + most * up) };
        let name = Text::new(*name, at, ("sans-serif", 14).into_font().color(colour));
        chart.draw_series(std::iter::once(name))?;
    }
    root.present()?;
    Ok(())
}
