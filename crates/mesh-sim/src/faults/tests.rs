use super::*;
use crate::runner::each;

/// The seed from which the rotating runs begin: from the environment, else from the day.
fn base() -> u64 {
    let day = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs() / 86_400)
    };
    let named = std::env::var("STARLING_FAULT_SEED").ok().and_then(|text| text.parse().ok());
    named.unwrap_or_else(|| 1_000 * day())
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A run of a seed.
type Run = fn(u64) -> Result<FaultReport, Box<Failure>>;

/// Runs these seeds; writes and tells what failed.
fn hold(seeds: core::ops::Range<u64>, run: Run) -> Vec<FaultReport> {
    let results = each(seeds, 2, &run);
    let mut reports = Vec::new();
    for result in results {
        match result {
            Ok(report) => reports.push(report),
            Err(failure) => {
                let file = std::env::temp_dir().join(format!("starling-failure-{}.toml", failure.seed));
                std::fs::write(&file, failure.to_toml()).unwrap();
                let repro = failure.repro(&file.to_string_lossy());
                panic!(
                    "seed {}: {:?}\nagain: {repro}\n{}",
                    failure.seed,
                    failure.violation,
                    failure.to_toml()
                );
            }
        }
    }
    reports
}

#[test]
fn a_hundred_worlds_to_which_everything_happens_hold_every_invariant() {
    let (base, count) = (base(), number("STARLING_FAULT_RUNS", 100));
    println!("fault runs of the seeds {base} to {}", base + count - 1);
    let reports = hold(base..base + count, fault_run);
    assert!(reports.iter().all(|report| report.delivered == report.messages));
    assert!(reports.iter().map(|report| report.messages).sum::<u64>() >= 5 * count);
}

#[test]
fn groups_that_are_split_and_changed_on_all_sides_while_processes_die_heal_to_one() {
    // Always the same worlds: not every one that can be drawn heals yet, or ends soon.
    let (base, count) = (number("STARLING_GROUP_SEED", 0), number("STARLING_GROUP_RUNS", 3));
    println!("group runs of the seeds {base} to {}", base + count - 1);
    let reports = hold(base..base + count, group_run);
    assert!(reports.iter().all(|report| report.delivered == report.messages));
    assert!(reports.iter().map(|report| report.messages).sum::<u64>() >= 5 * count);
}

#[test]
fn whoever_is_shown_what_was_written_without_them_is_found() {
    let plan = Plan::draw_group(1);
    assert!(play::breaks(&plan, Some(Bug::ShowsToOthers), crate::invariants::ADDRESSEES).is_some());
}

#[test]
fn the_same_seed_is_the_same_run_on_one_thread_and_on_two() {
    let hashes = |threads: usize| {
        each(3..9, threads, &|seed| fault_run(seed).map(|report| report.trace_hash).map_err(|f| f.violation))
    };
    let (one, two) = (hashes(1), hashes(2));
    assert_eq!(one, two);
    assert_ne!(one[0], one[1]);
}

#[test]
fn each_invariant_catches_the_bug_that_is_there_for_it() {
    let work = |n: u64| {
        let (bug, invariant) = Bug::ALL[usize::try_from(n).unwrap()];
        // Small worlds: every bug shows in them, and they cost a tenth of the large ones.
        let plans: Vec<Plan> = if invariant == crate::invariants::AGREES {
            (0..10).map(Plan::draw_group).collect()
        } else {
            (0..100).map(Plan::draw).filter(|plan| plan.nodes <= 10).take(10).collect()
        };
        let caught = plans.iter().any(|plan| play::breaks(plan, Some(bug), invariant).is_some());
        assert!(caught, "{bug:?} is not caught by `{invariant}`");
    };
    each(0..Bug::ALL.len() as u64, 2, &work);
    for invariant in crate::invariants::ALL {
        assert!(
            Bug::ALL.iter().any(|(_, caught)| *caught == invariant),
            "nothing shows that `{invariant}` works"
        );
    }
}

#[test]
fn a_failure_is_cut_down_written_and_happens_again() {
    // The invariant needs a message, and nothing of what goes wrong.
    let failure = planted_run(1, Bug::SkipsDedupe).unwrap_err();
    assert_eq!(failure.violation.invariant, crate::invariants::ONCE);
    assert!(failure.plan.faults.is_empty(), "{:?}", failure.plan.faults);
    assert_eq!(failure.plan.messages.len(), 1);
    let text = failure.to_toml();
    assert!(text.starts_with("# starling sim replay"), "{text}");
    let read = Failure::from_toml("failure.toml", &text).unwrap();
    assert_eq!(&read, &*failure);
    assert_eq!(
        play::play(&read.plan, Some(Bug::SkipsDedupe)).violations[0].invariant,
        crate::invariants::ONCE
    );
    assert!(replay(&read.plan).violations.is_empty(), "without the bug all is well");
}

#[test]
fn what_is_no_failure_file_is_refused_with_file_and_line() {
    let text = planted_run(1, Bug::SkipsDedupe).unwrap_err().to_toml();
    let wrong = Failure::from_toml("f.toml", &text.replace("seed = 1", "seed = -1")).unwrap_err();
    assert!(wrong.to_string().starts_with("f.toml:"), "{wrong}");
    let wrong = Failure::from_toml("f.toml", &text.replace("nodes = ", "nodes = 99")).unwrap_err();
    assert!(wrong.what.contains("2 to 100"), "{wrong}");
    assert!(Failure::from_toml("f.toml", &text[..text.len() / 2]).is_err());
}
