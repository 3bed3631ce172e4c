//! Figures: latencies, and what the kernel says a process used.

use anyhow::{Context as _, Result};
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
        write!(f, "p50 {:.2?}, p99 {:.2?}", at(0.5).unwrap_or_default(), at(0.99).unwrap_or_default())
    }
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    cpu: Duration,
    wakeups: u64,
    /// Of the threads that sled keeps, open or closed.
    sled_wakeups: u64,
    rss_kib: u64,
}

impl Usage {
    /// Of this process.
    pub(crate) fn own() -> Result<Self> {
        Self::of(std::process::id())
    }

    /// Of a process, all its threads added up.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok());
        // Linux counts 100 ticks to the second on every platform that it shows them on.
        let cpu = ticks(11).zip(ticks(12)).context("no CPU time in /proc")?;
        let (mut wakeups, mut sled_wakeups) = (0, 0);
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let status = std::fs::read_to_string(task?.path().join("status"))?;
            let is_sled = status.starts_with("Name:\tsled");
            let counted = if is_sled { &mut sled_wakeups } else { &mut wakeups };
            *counted += field(&status, "voluntary_ctxt_switches:");
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let cpu = Duration::from_millis((cpu.0 + cpu.1) * 10);
        Ok(Self { cpu, wakeups, sled_wakeups, rss_kib: field(&status, "VmRSS:") })
    }

    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu - earlier.cpu,
            wakeups: self.wakeups.saturating_sub(earlier.wakeups),
            sled_wakeups: self.sled_wakeups.saturating_sub(earlier.sled_wakeups),
            ..self
        }
    }

    pub(crate) fn per(&self, count: usize) -> String {
        format!("{:.0} us", self.cpu.as_micros() as f64 / count as f64)
    }

    pub(crate) fn rss(&self) -> String {
        format!("{:.1} MiB", self.rss_kib as f64 / 1_024.0)
    }

    pub(crate) fn wakeups_per_minute(&self, span: Duration) -> String {
        let per_minute = |count: u64| count as f64 * 60.0 / span.as_secs_f64();
        format!("{:.0}, sled's own threads {:.0}", per_minute(self.wakeups), per_minute(self.sled_wakeups))
    }
}

fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|n| n.parse().ok()).unwrap_or(0)
}
