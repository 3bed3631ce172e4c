//! What a scenario with groups comes to: `cargo run --release -p mesh-sim --example groups -- FILE [SEED] [PATH=VALUE ...]`.

use mesh_sim::runner::{Options, run};
use mesh_sim::scenario::{Scenario, built_in_file};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("which scenario?")?;
    let mut scenario = Scenario::from_toml(&file, &std::fs::read_to_string(&file)?)?;
    let seed = args.next().map_or(Ok(1), |seed| seed.parse())?;
    for change in args {
        if change == "small" {
            scenario = scenario.small();
            continue;
        }
        let (path, value) = change.split_once('=').ok_or("PATH=VALUE")?;
        scenario = scenario.vary(path, value)?;
    }
    let files =
        scenario.trace_file().and_then(|name| Some((name.to_owned(), built_in_file(name)?.to_owned())));
    let options = Options { files: files.into_iter().collect(), ..Options::default() };
    let begun = Instant::now();
    let (outcome, _) = run(&scenario, seed, &options, &mut |_| {})?;
    println!("{outcome:#?}");
    println!("{:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}
