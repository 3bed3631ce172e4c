//! The map that can be scrubbed: its frame in HTML and its data for the script of the page.

use super::Run;
use super::text::json_string;
use crate::Scene;

/// The most places in the data of a page (scenes times nodes): about 3 MB of text.
const MAX_PLACES: usize = 300_000;
/// The most links in the data of a page.
const MAX_LINKS: usize = 300_000;
/// The most messages that can be followed on a page.
const MAX_FOLLOWED: usize = 2_000;

/// The section with map, timeline and controls; nothing where there are no scenes.
pub(crate) fn section(run: &Run) -> String {
    if run.recording.scenes.is_empty() || run.outcome.nodes == 0 {
        return String::new();
    }
    let data = data(run);
    format!(
        r#"<section aria-labelledby="map-title" id="map-section">
<h2 id="map-title">Who carries what, when</h2>
<noscript><p>The map is drawn by a small script of this page, which your browser does not run.</p></noscript>
<div class="map">
<div class="stage"><canvas id="map" tabindex="0" role="img" aria-label="Map of nodes and links" aria-describedby="now"></canvas></div>
<div class="side">
<p id="now" aria-live="off"></p>
<p id="chosen"></p>
<label for="message">Follow a message</label>
<select id="message"><option value="">none</option></select>
<ul class="legend keys"><li class="k0">carries nothing</li><li class="k1">carries most</li><li class="k2">does not run</li><li class="k3">writer</li><li class="k4">reader</li></ul>
</div>
</div>
<div class="controls">
<button type="button" id="play" aria-pressed="false">Play</button>
<button type="button" id="back">Previous delivery</button>
<button type="button" id="next">Next delivery</button>
<label for="at">Time</label>
<input type="range" id="at" min="0" value="0" step="1">
</div>
<canvas id="strip" role="img" aria-label="Envelopes carried by each node over time: time runs to the right, nodes downwards"></canvas>
<p class="hint">Arrow keys move through time, Space plays, N and P go to the next and previous delivery; a click on the map or on the strip chooses a node.</p>
<script type="application/json" id="scenes">{data}</script>
</section>
"#
    )
}

/// Scenes in a compact form: times, places as [`Frame::place`] gives them, numbers carried, links.
fn data(run: &Run) -> String {
    let nodes = run.outcome.nodes as usize;
    let scenes = thinned(&run.recording.scenes, nodes);
    let frame = Frame::around(&scenes);
    let mut json = format!(
        "{{\"nodes\":{nodes},\"messages\":{},\"width\":{:.1},\"height\":{:.1},\"scenes\":[",
        run.outcome.messages, frame.width, frame.height
    );
    for (i, scene) in scenes.iter().enumerate() {
        if i > 0 {
            json.push(',');
        }
        json.push_str(&format!("{{\"t\":{},\"p\":[", scene.at_s));
        push_all(&mut json, scene.places.iter().flat_map(|place| frame.place(*place)));
        json.push_str("],\"c\":[");
        push_all(&mut json, scene.carried.iter().copied());
        json.push_str("],\"d\":[");
        push_all(&mut json, scene.dead.iter().copied());
        json.push_str("],\"l\":[");
        push_all(&mut json, scene.links.iter().flat_map(|(a, b)| [*a, *b]));
        json.push_str("]}");
    }
    json.push_str("],\"deliveries\":[");
    for (i, one) in run.recording.deliveries.iter().take(MAX_FOLLOWED).enumerate() {
        if i > 0 {
            json.push(',');
        }
        let number = |value: Option<f64>| value.map_or_else(|| "null".to_owned(), |value| value.to_string());
        let (shown, oracle) = (number(one.shown_s), number(one.oracle_s));
        let (class, written) = (json_string(&one.class), one.written_s);
        json.push_str(&format!(
            "[{},{},{},{written},{shown},{oracle},{class}]",
            one.number, one.from, one.to
        ));
    }
    json.push_str("]}");
    json
}

fn push_all(json: &mut String, numbers: impl Iterator<Item = u32>) {
    for (i, number) in numbers.enumerate() {
        if i > 0 {
            json.push(',');
        }
        json.push_str(&number.to_string());
    }
}

/// As many scenes, at equal distances, as a page can hold.
fn thinned(scenes: &[Scene], nodes: usize) -> Vec<&Scene> {
    let links: usize = scenes.iter().map(|scene| scene.links.len()).sum();
    let by_places = (scenes.len() * nodes).div_ceil(MAX_PLACES);
    let stride = by_places.max(links.div_ceil(MAX_LINKS)).max(1);
    scenes.iter().step_by(stride).collect()
}

/// The rectangle that all places lie in.
struct Frame {
    west: f64,
    south: f64,
    width: f64,
    height: f64,
}

impl Frame {
    fn around(scenes: &[&Scene]) -> Self {
        let places =
            || scenes.iter().flat_map(|scene| &scene.places).filter(|(x, y)| x.is_finite() && y.is_finite());
        let low = |pick: fn(&(f32, f32)) -> f32| places().map(pick).fold(f32::INFINITY, f32::min);
        let high = |pick: fn(&(f32, f32)) -> f32| places().map(pick).fold(f32::NEG_INFINITY, f32::max);
        if places().next().is_none() {
            return Self { west: 0.0, south: 0.0, width: 0.0, height: 0.0 };
        }
        let (west, south) = (f64::from(low(|p| p.0)), f64::from(low(|p| p.1)));
        let width = (f64::from(high(|p| p.0)) - west).max(1.0);
        let height = (f64::from(high(|p| p.1)) - south).max(1.0);
        Self { west, south, width, height }
    }

    /// East and north in ten-thousandths of the longer side.
    fn place(&self, (x, y): (f32, f32)) -> [u32; 2] {
        let unit = self.width.max(self.height) / 10_000.0;
        let scaled =
            |value: f32, from: f64| whole(((f64::from(value) - from) / unit).round().clamp(0.0, 10_000.0));
        [scaled(x, self.west), scaled(y, self.south)]
    }
}

/// The whole part of what was clamped to 0 to 10,000.
fn whole(value: f64) -> u32 {
    value as u32
}
