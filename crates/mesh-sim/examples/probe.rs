//! Scratch.
use mesh_sim::runner::{Options, run};
use mesh_sim::scenario::{Scenario, built_in, built_in_file};
use mesh_sim::stats::quantile;

fn main() {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap();
    let text = if name.ends_with(".toml") { std::fs::read_to_string(&name).unwrap() } else { built_in(&name).unwrap().to_owned() };
    let mut s = Scenario::from_toml(&format!("{}.toml", name.trim_end_matches(".toml")), &text).unwrap();
    let mut seeds = vec![1u64];
    let mut peaceful = false;
    for arg in args {
        if arg == "small" { s = s.small(); continue; }
        if arg == "peaceful" { peaceful = true; continue; }
        let (k, v) = arg.split_once('=').unwrap();
        if k == "seeds" { seeds = v.split(',').map(|v| v.parse().unwrap()).collect(); continue; }
        s = s.vary(k, v).unwrap();
    }
    if peaceful { s.attack.iter_mut().for_each(|a| a.from = mesh_sim::Span { ms: u64::MAX / 4 }); }
    let file = s.trace_file().map(|n| (n.to_owned(), built_in_file(n).unwrap().to_owned()));
    let options = Options { files: file.into_iter().collect(), samples: 20, ..Options::default() };
    for seed in seeds {
        let t = std::time::Instant::now();
        let (o, r) = run(&s, seed, &options, &mut |p| if std::env::var_os("LOUD").is_some() { eprintln!("{:.0}/{:.0} {} {}", p.at_s, p.of_s, p.delivered, p.events) }).unwrap();
        println!("== {} seed {seed} {} nodes {}: {} of {} (oracle {:.4}, of oracle {:.4}) copies/d {:.2} air {:.0}s bytes {} payload {} energy {:.0} J links {} events {} wall {:.1}s missed {:?} viol {:?}",
            o.scenario, o.protocol, o.nodes, o.delivered, o.messages, o.oracle_ratio, o.delivery_ratio / o.oracle_ratio.max(1e-9), o.copies_per_delivery, o.airtime_s, o.bytes_on_air, o.payload_bytes, o.energy_j, o.links, o.events, t.elapsed().as_secs_f64(), o.missed, o.violations.iter().take(3).collect::<Vec<_>>());
        for (class, c) in &o.classes {
            let mut d: Vec<f64> = r.deliveries.iter().filter(|d| &d.class == class).filter_map(|d| Some(d.shown_s? - d.written_s)).collect();
            d.sort_by(f64::total_cmp);
            let q = |p| quantile(&d, p).unwrap_or(f64::NAN);
            let within = |t: f64| d.iter().filter(|x| **x <= t).count() as f64 / c.oracle.max(1) as f64;
            println!("   {class}: {} of {} oracle {}; p50 {:.1} p90 {:.1} p95 {:.1} p99 {:.1} max {:.1}; in 10 s {:.4} in 60 s {:.4}", c.delivered, c.messages, c.oracle, q(0.5), q(0.9), q(0.95), q(0.99), q(1.0), within(10.0), within(60.0));
        }
        for hops in [1.0, 2.0, 3.0, 5.0] {
            let near: Vec<f64> = r.deliveries.iter().filter(|d| d.class == "sos" && d.oracle_s.is_some_and(|o| o - d.written_s <= hops * 0.034)).map(|d| d.shown_s.map_or(1e9, |s| s - d.written_s)).collect();
            let mut near = near; near.sort_by(f64::total_cmp);
            let q = |p| quantile(&near, p).unwrap_or(f64::NAN);
            println!("   sos within {hops} hops: {} p50 {:.2} p95 {:.2} p99 {:.2}; in 10 s {:.4}, 60 s {:.4}", near.len(), q(0.5), q(0.95), q(0.99), near.iter().filter(|d| **d <= 10.0).count() as f64 / near.len() as f64, near.iter().filter(|d| **d <= 60.0).count() as f64 / near.len() as f64);
        }
        println!("   losses {:?}\n   notes {:?}", o.losses, o.notes);
    }
}
