use super::*;
use crate::{ClassOutcome, Delivery, Sample, Scene, Violation};
use std::collections::BTreeMap;

/// A small run with something of everything.
fn run(seed: u64, scenario: &str) -> Run {
    let deliveries = (0..20_u32).map(|number| Delivery {
        number,
        class: if number % 5 == 0 { "sos".to_owned() } else { "text".to_owned() },
        from: number % 4,
        to: (number + 1) % 4,
        written_s: f64::from(number) * 10.0,
        shown_s: (number % 4 != 3)
            .then(|| f64::from(number) * 13.0 + 5.0 + f64::from(u8::try_from(seed % 7).unwrap())),
        oracle_s: Some(f64::from(number) * 12.0 + 2.0),
    });
    let samples = (0..=30_u32).map(|i| Sample {
        at_s: f64::from(i) * 10.0,
        delivered: u64::from(i / 2),
        oracle: u64::from(i * 2 / 3),
        bytes_on_air: u64::from(i) * 4_000,
        copies: u64::from(i) * 3,
        airtime_s: f64::from(i) * 0.7,
        energy_j: f64::from(i) * 2.5,
        links: i % 4,
        carried: u64::from(i % 9),
        running: 4,
    });
    let scenes = (0..=30_u32).map(|i| Scene {
        at_s: f64::from(i) * 10.0,
        places: vec![(0.0, 0.0), (100.0, 0.0), (f32::from(u8::try_from(i).unwrap()), 50.0), (90.0, 80.0)],
        carried: vec![i % 5, 0, i % 3, 1],
        dead: if i > 25 { vec![1] } else { Vec::new() },
        links: vec![(0, 2)],
    });
    let part = ClassOutcome { messages: 10, delivered: 7, oracle: 9, ..ClassOutcome::default() };
    let outcome = Outcome {
        scenario: scenario.to_owned(),
        protocol: "starling".into(),
        seal: "cheap".into(),
        trace_hash: "00ff".into(),
        seed,
        nodes: 4,
        messages: 20,
        delivered: 15,
        delivery_ratio: 0.75,
        oracle_ratio: 1.0,
        delay_p50_s: Some(12.0),
        energy_j: 75.0,
        sim_seconds: 300.0,
        losses: BTreeMap::from([("no contact".to_owned(), 4), ("<script>".to_owned(), 1)]),
        classes: BTreeMap::from([("text".to_owned(), part.clone()), ("sos".to_owned(), part)]),
        ..Outcome::default()
    };
    let recording = crate::Recording {
        deliveries: deliveries.collect(),
        samples: samples.collect(),
        scenes: scenes.collect(),
        contact_seconds: vec![1.0, 5.0, 20.0, 300.0],
        ..crate::Recording::default()
    };
    Run { outcome, recording }
}

#[test]
fn a_page_holds_every_chart_the_figures_and_the_map() {
    let html = page(&[run(1, "two villages")]);
    for title in [
        "Delivery against the oracle",
        "<h3>Delay</h3>",
        "Bytes on air per delivery",
        "Copies per delivery",
        "Airtime",
        "Losses by cause",
        "Energy",
        "By class",
        "Who carries what, when",
        "75 %",
    ] {
        assert!(html.contains(title), "{title}");
    }
    assert!(html.matches("<svg role=\"img\"").count() >= 9);
}

#[test]
fn a_page_asks_the_network_for_nothing() {
    let html = page(&[run(1, "quiet")]);
    let fetched = ["src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest"];
    for word in fetched {
        assert!(!html.contains(word), "{word}");
    }
    // The name of the SVG dialect is no address that anything opens.
    assert!(!html.replace("http://www.w3.org/2000/svg", "").contains("http://"));
    assert!(!html.contains("https://"));
}

#[test]
fn names_from_files_cannot_become_markup() {
    let mut evil = run(1, "</title><script>alert(1)</script>");
    evil.outcome.missed.push("<img onerror=x>".into());
    evil.outcome.violations.push(Violation {
        invariant: "<b>".into(),
        at: 1,
        node: 2,
        detail: "</li><script>".into(),
    });
    evil.recording.deliveries[0].class = "</script><script>alert(2)".into();
    let html = page(&[evil]);
    assert!(!html.contains("<script>alert") && !html.contains("<img") && !html.contains("<b>"));
    assert_eq!(html.matches("<script").count(), 2, "the data and the page's own");
}

#[test]
fn several_seeds_share_a_page_with_bands() {
    let one = page(&[run(1, "x")]);
    let many = page(&[run(1, "x"), run(2, "x"), run(3, "x")]);
    assert!(!one.contains("± 95 %") && many.contains("± 95 %"));
    assert!(many.contains("3 runs"));
}

#[test]
fn missed_thresholds_stand_at_the_top() {
    let mut bad = run(1, "x");
    bad.outcome.missed.push("delivery_ratio: at least 0.9, got 0.75".into());
    let html = page(&[bad]);
    let (complaint, tiles) = (html.find("Missed and broken"), html.find("class=\"tiles\""));
    assert!(complaint.is_some_and(|at| tiles.is_some_and(|tiles| at < tiles)));
}

#[test]
fn a_run_without_anything_still_gives_a_page() {
    let html = page(&[Run::default()]);
    assert!(html.contains("</html>") && !html.contains("id=\"map\""));
    assert!(page(&[]).contains("</html>"));
}

#[test]
fn tables_have_a_line_for_each_delivery_sample_and_run() {
    let runs = [run(1, "a,\"b\""), run(2, "=cmd")];
    assert_eq!(deliveries_csv(&runs).lines().count(), 1 + 40);
    assert_eq!(samples_csv(&runs).lines().count(), 1 + 62);
    let outcomes = outcome_csv(&runs);
    assert!(outcomes.contains("\n\"a,\"\"b\"\"\",starling") && outcomes.contains("\n'=cmd,"));
    let columns = |line: &str| line.split(',').count();
    let mut lines = samples_csv(&runs).lines().map(columns).collect::<Vec<_>>();
    lines.dedup();
    assert_eq!(lines.len(), 1);
}

#[test]
fn the_same_run_gives_the_same_page() {
    assert_eq!(page(&[run(1, "x")]), page(&[run(1, "x")]));
}
