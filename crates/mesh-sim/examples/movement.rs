//! Walks every invented movement and prints what the survey of contacts speaks of: how many others are within
//! reach, how long a contact lasts, and what it costs to find out.
//!
//! ```text
//! cargo run --release -p mesh-sim --example movement
//! ```

use mesh_sim::mobility::{City, Evacuation, Festival, Stadium, Train, Villages, Waypoint};
use mesh_sim::{Contact, Movement, contacts};

fn main() {
    println!("movement           nodes  radius  seconds  contacts  mean degree  mean contact s  CPU s");
    let waypoint = Movement::Waypoint(Waypoint { neighbours: Some(5.0), ..Waypoint::default() });
    for nodes in [1_000, 10_000, 50_000] {
        walk("random waypoint", &waypoint, nodes, 10.0, 600);
    }
    let stadium = Movement::Stadium(Stadium::default());
    walk("stadium", &stadium, 10_000, 5.0, 600);
    walk("stadium", &stadium, 10_000, 5.0, 9000);
    walk("festival", &Movement::Festival(Festival::default()), 2_000, 10.0, 3600);
    walk("city", &Movement::City(City::default()), 500, 10.0, 86_400);
    walk("evacuation", &Movement::Evacuation(Evacuation::default()), 1_000, 10.0, 10_800);
    walk("train", &Movement::Train(Train::default()), 120, 10.0, 3600);
    walk("villages", &Movement::Villages(Villages::default()), 41, 30.0, 86_400);
}

fn walk(name: &str, movement: &Movement, nodes: u32, radius: f32, seconds: u64) {
    let begin = cpu_seconds();
    let mut walking = movement.walk(nodes, 1, radius, seconds).expect("the defaults are possible");
    let contacts = contacts(&mut *walking, seconds * 1000);
    let took = cpu_seconds() - begin;
    let length = |contact: &Contact| (contact.end - contact.start) as f64 / 1000.0;
    let together: f64 = contacts.iter().map(length).sum();
    let degree = 2.0 * together / seconds as f64 / f64::from(nodes);
    let mean = together / contacts.len().max(1) as f64;
    println!(
        "{name:17} {nodes:6}  {radius:6}  {seconds:7}  {:8}  {degree:11.2}  {mean:14.1}  {took:5.2}",
        contacts.len()
    );
}

/// The CPU time of this process so far, as Linux tells it; 0 elsewhere.
fn cpu_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos: Option<f64> = told.split_whitespace().next().and_then(|word| word.parse().ok());
    nanos.unwrap_or(0.0) / 1e9
}
