//! `starling sim list`: the scenarios that come with the program.

use super::input;
use super::meter::span;
use crate::cli::App;
use mesh_sim::scenario::BUILT_IN;
use serde_json::json;
use starling::t;

/// List the scenarios that come with the program.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Print the text of this scenario instead: a beginning for one of your own.
    #[arg(long, value_name = "SCENARIO")]
    show: Option<String>,
}

pub(super) fn run(app: &App, args: &Args) -> anyhow::Result<()> {
    if let Some(name) = &args.show {
        let text = mesh_sim::scenario::built_in(name);
        let text = text.map_or_else(|| input::read(name), |text| Ok(text.to_owned()))?;
        return app.out.value(&json!({ "name": name, "text": text }), || text.trim_end().to_owned());
    }
    let (mut values, mut lines) = (Vec::new(), Vec::new());
    for (name, _) in BUILT_IN {
        let scenario = input::scenario(name)?;
        let (title, about) = (scenario.title.as_str(), scenario.about.as_str());
        let length_s = scenario.length.as_secs_f64();
        values.push(json!({
            "name": name, "title": title, "about": about, "nodes": scenario.nodes, "length_s": length_s,
        }));
        let length = span(length_s);
        lines.push(t!("sim-listed", name = name, title = title, nodes = scenario.nodes, length = length));
    }
    app.out.value(&json!({ "scenarios": values }), || lines.join("\n"))
}
