//! Charts as SVG. Colours are names of the style sheet: it gives each a light and a dark form.

use super::text::escape;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::prelude::*;
use plotters::style::RGBColor;

const WIDTH: u32 = 560;
const HEIGHT: u32 = 300;
/// What a bar takes with the room around it.
const BAR: u32 = 30;

/// What the style sheet knows a colour by: `page.css` selects these very values.
pub(crate) const INK: RGBColor = RGBColor(0x1B, 0x24, 0x30);
const GRID: RGBColor = RGBColor(0xD5, 0xDA, 0xE1);

/// A line or a kind of bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What was simulated.
    Main,
    /// The oracle: drawn dashed.
    Bound,
    /// A second thing that was simulated.
    Second,
    /// What went wrong.
    Bad,
}

impl Tone {
    fn colour(self) -> RGBColor {
        match self {
            Self::Main => RGBColor(0x0B, 0x6E, 0x99),
            Self::Bound => RGBColor(0x8C, 0x6D, 0x1F),
            Self::Second => RGBColor(0x6A, 0x4C, 0x93),
            Self::Bad => RGBColor(0xB3, 0x26, 0x1E),
        }
    }

    fn width(self) -> u32 {
        if self == Self::Bound { 6 } else { 2 }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Bound => "bound",
            Self::Second => "second",
            Self::Bad => "bad",
        }
    }
}

/// One axis: its ends, and where which words stand.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) ticks: Vec<(f64, String)>,
    pub(crate) label: &'static str,
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        plotters::coord::types::RangedCoordf64::from(self.from..self.to).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format(at: &f64) -> String {
        at.to_string()
    }

    fn format_ext(&self, at: &f64) -> String {
        let near = |tick: &&(f64, String)| (tick.0 - at).abs() <= (self.to - self.from).abs() * 1e-6;
        self.ticks.iter().find(near).map_or_else(String::new, |tick| tick.1.clone())
    }
}

/// A line, with a band around it where there are several runs.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) tone: Tone,
    pub(crate) points: Vec<(f64, f64)>,
    /// `(x, lowest, highest)`; empty for a single run.
    pub(crate) band: Vec<(f64, f64, f64)>,
}

/// Lines over two axes.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) title: &'static str,
    pub(crate) note: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

/// Horizontal bars, one group for each name.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    pub(crate) title: &'static str,
    pub(crate) note: String,
    pub(crate) value: Axis,
    pub(crate) kinds: Vec<(&'static str, Tone)>,
    /// A name and one value for each kind.
    pub(crate) groups: Vec<(String, Vec<f64>)>,
}

impl Lines {
    /// The chart with caption and legend as an HTML figure.
    pub(crate) fn figure(&self) -> String {
        let legend: Vec<_> = self.lines.iter().map(|line| (line.name, line.tone)).collect();
        frame(self.title, &self.note, &legend, &self.svg())
    }

    fn svg(&self) -> String {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
            let mut chart = drawn(
                ChartBuilder::on(&root)
                    .margin(6)
                    .margin_right(22)
                    .x_label_area_size(44)
                    .y_label_area_size(70)
                    .build_cartesian_2d(self.x.clone(), self.y.clone()),
            );
            drawn(
                chart
                    .configure_mesh()
                    .light_line_style(TRANSPARENT)
                    .bold_line_style(GRID)
                    .axis_style(INK)
                    .label_style(("sans-serif", 14, &INK))
                    .axis_desc_style(("sans-serif", 14, &INK))
                    .x_desc(self.x.label)
                    .y_desc(self.y.label)
                    .draw(),
            );
            // The bound lies below, and shows at both sides of a line that reaches it.
            let (below, above): (Vec<&Line>, Vec<&Line>) =
                self.lines.iter().partition(|line| line.tone == Tone::Bound);
            for line in below.into_iter().chain(above) {
                if !line.band.is_empty() {
                    let upper = line.band.iter().map(|(x, _, high)| (*x, *high));
                    let lower = line.band.iter().rev().map(|(x, low, _)| (*x, *low));
                    let area: Vec<_> = upper.chain(lower).collect();
                    let tint = line.tone.colour().mix(0.18).filled();
                    drawn(chart.draw_series(std::iter::once(Polygon::new(area, tint))));
                }
                let stroke = line.tone.colour().stroke_width(line.tone.width());
                drawn(chart.draw_series(LineSeries::new(line.points.iter().copied(), stroke)));
            }
            drawn(root.present());
        }
        svg
    }
}

impl Bars {
    /// High enough for its bars, and no higher: one bar does not fill a chart.
    fn height(&self) -> u32 {
        let bars = u32::try_from(self.groups.len() * self.kinds.len().max(1)).unwrap_or(u32::MAX);
        bars.saturating_mul(BAR).saturating_add(70).clamp(130, 2 * HEIGHT)
    }

    /// The chart with caption and legend as an HTML figure.
    pub(crate) fn figure(&self) -> String {
        let legend = if self.kinds.len() > 1 { self.kinds.as_slice() } else { &[] };
        frame(self.title, &self.note, legend, &self.svg())
    }

    fn svg(&self) -> String {
        let mut svg = String::new();
        {
            let groups = self.groups.len() as f64;
            let root = SVGBackend::with_string(&mut svg, (WIDTH, self.height())).into_drawing_area();
            let names =
                self.groups.iter().enumerate().map(|(i, (name, _))| (middle(groups, i), name.clone()));
            let names = Axis { from: 0.0, to: groups, ticks: names.collect(), label: "" };
            let mut chart = drawn(
                ChartBuilder::on(&root)
                    .margin(6)
                    .margin_right(22)
                    .x_label_area_size(44)
                    .y_label_area_size(150)
                    .build_cartesian_2d(self.value.clone(), names),
            );
            drawn(
                chart
                    .configure_mesh()
                    .light_line_style(TRANSPARENT)
                    .bold_line_style(GRID)
                    .disable_y_mesh()
                    .axis_style(INK)
                    .label_style(("sans-serif", 14, &INK))
                    .axis_desc_style(("sans-serif", 14, &INK))
                    .x_desc(self.value.label)
                    .draw(),
            );
            let thick = 0.8 / self.kinds.len().max(1) as f64;
            for (i, (_, values)) in self.groups.iter().enumerate() {
                let mut top = middle(groups, i) + 0.4;
                for (value, (_, tone)) in values.iter().zip(&self.kinds) {
                    let corners = [(self.value.from, top - thick * 0.92), (*value, top)];
                    let bar = Rectangle::new(corners, tone.colour().filled());
                    drawn(chart.draw_series(std::iter::once(bar)));
                    top -= thick;
                }
            }
            drawn(root.present());
        }
        svg
    }
}

/// The first group stands on top.
fn middle(groups: f64, i: usize) -> f64 {
    groups - i as f64 - 0.5
}

/// What was drawn; a chart in memory has no way to fail.
fn drawn<T, E: std::error::Error>(result: Result<T, E>) -> T {
    result.expect("a string takes every stroke")
}

fn frame(title: &str, note: &str, legend: &[(&'static str, Tone)], svg: &str) -> String {
    let described = format!("<svg role=\"img\" aria-label=\"{}: {}\" ", escape(title), escape(note));
    let svg = svg.replacen("<svg ", &described, 1);
    let mut html = format!("<figure>\n<figcaption><h3>{}</h3>", escape(title));
    if !legend.is_empty() {
        html.push_str("<ul class=\"legend\">");
        for (name, tone) in legend {
            html.push_str(&format!("<li class=\"{}\">{}</li>", tone.class(), escape(name)));
        }
        html.push_str("</ul>");
    }
    html.push_str(&format!("<p>{}</p></figcaption>\n{svg}</figure>\n", escape(note)));
    html
}
