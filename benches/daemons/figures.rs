//! Figures: latencies, and what the kernel says a process used.

use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Prints one line of the table.
pub(crate) fn report(what: &str, figure: &str) {
    println!("{what:<45} {figure}");
}

/// Waits of people.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn add(&mut self, latency: Duration) {
        self.0.push(latency);
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = |share: f64| sorted.get(((sorted.len() as f64 - 1.0) * share) as usize).copied();
        let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|share| at(share).unwrap_or_default());
        write!(f, "p50 {p50:.2?}, p95 {p95:.2?}, p99 {p99:.2?}")
    }
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    cpu: Duration,
    rss_kib: u64,
}

/// How often the threads of a process woke up so far, by the name of the thread without its number.
#[derive(Clone, Debug)]
pub(crate) struct Wakeups(BTreeMap<String, u64>);

impl Wakeups {
    /// The threads that are sled's own; everything else is ours.
    const SLED: &str = "sled-io";

    pub(crate) fn of(pid: u32) -> Result<Self> {
        let mut all = BTreeMap::new();
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let status = std::fs::read_to_string(task?.path().join("status"))?;
            let name = status.lines().find_map(|line| line.strip_prefix("Name:")).unwrap_or_default().trim();
            let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-').to_owned();
            *all.entry(name).or_default() += field(&status, "voluntary_ctxt_switches:");
        }
        Ok(Self(all))
    }

    /// Ours in a minute and by thread, and the share of sled.
    pub(crate) fn per_minute_since(&self, earlier: &Self, span: Duration) -> String {
        let rate = |(name, count): (&String, &u64)| {
            let before = earlier.0.get(name).copied().unwrap_or_default();
            (name.clone(), count.saturating_sub(before) as f64 * 60.0 / span.as_secs_f64())
        };
        let (sled, ours): (Vec<_>, Vec<_>) =
            self.0.iter().map(rate).partition(|(name, _)| name == Self::SLED);
        let sum = |rates: &[(String, f64)]| rates.iter().map(|(_, rate)| rate).sum::<f64>();
        let awake = ours.iter().filter(|(_, rate)| *rate > 0.0);
        let named: Vec<String> = awake.map(|(name, rate)| format!("{name} {rate:.1}")).collect();
        format!("ours {:.1} ({}), sled's {:.1}", sum(&ours), named.join(", "), sum(&sled))
    }
}

impl Usage {
    /// Of this process.
    pub(crate) fn own() -> Result<Self> {
        Self::of(std::process::id())
    }

    /// Of a process.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok());
        // Linux counts 100 ticks to the second on every platform that it shows them on.
        let cpu = ticks(11).zip(ticks(12)).context("no CPU time in /proc")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let cpu = Duration::from_millis((cpu.0 + cpu.1) * 10);
        Ok(Self { cpu, rss_kib: field(&status, "VmRSS:") })
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu - earlier.cpu, ..self }
    }

    pub(crate) fn per(&self, count: usize) -> String {
        format!("{:.0} us", self.cpu.as_micros() as f64 / count as f64)
    }

    pub(crate) fn rss(&self) -> String {
        format!("{:.1} MiB", self.rss_kib as f64 / 1_024.0)
    }
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}
