//! Writes the contacts of an invented movement as a trace, in whole seconds as badges tell them.
//!
//! ```text
//! cargo run --release -p mesh-sim --example export -- city 150 5 10 172800 > city.txt
//! starling sim trace city.txt --create active
//! ```
//!
//! The arguments: a movement (waypoint, festival, city, stadium, train or villages), how many nodes, the seed, the
//! radius in metres and the length in seconds; of waypoint also how many neighbours.

use mesh_sim::mobility::{City, Festival, Stadium, Train, Villages, Waypoint};
use mesh_sim::trace::Trace;
use mesh_sim::{Movement, contacts};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| args.get(at).and_then(|arg| arg.parse::<f64>().ok());
    let movement = match args.first().map(String::as_str) {
        Some("waypoint") => {
            Movement::Waypoint(Waypoint { neighbours: number(5).map(|n| n as f32), ..Waypoint::default() })
        }
        Some("festival") => Movement::Festival(Festival::default()),
        Some("city") => Movement::City(City::default()),
        Some("stadium") => Movement::Stadium(Stadium::default()),
        Some("train") => Movement::Train(Train::default()),
        Some("villages") => Movement::Villages(Villages::default()),
        _ => return eprintln!("a movement, nodes, a seed, a radius in metres and seconds are needed"),
    };
    let [Some(nodes), Some(seed), Some(radius), Some(seconds)] = [1, 2, 3, 4].map(number) else {
        return eprintln!("after the movement: nodes, a seed, a radius in metres and seconds");
    };
    let (nodes, seconds) = (nodes as u32, seconds as u64);
    let mut walking = match movement.walk(nodes, seed as u64, radius as f32, seconds) {
        Ok(walking) => walking,
        Err(impossible) => return eprintln!("{impossible}"),
    };
    let mut contacts = contacts(&mut *walking, seconds * 1_000);
    for contact in &mut contacts {
        contact.start -= contact.start % 1_000;
        contact.end = contact.end.div_ceil(1_000) * 1_000;
    }
    let trace = Trace { nodes, contacts, notes: Vec::new() };
    print!("{}", trace.write(&[&format!("an invented movement: {}", args.join(" "))]));
}
