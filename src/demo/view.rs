//! How the demonstration is told: lines above a live map for people, JSON lines for programs.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How long a person is given to read a line.
const PACE: Duration = Duration::from_millis(700);

/// Something that happened.
pub(super) struct Happening<'a> {
    /// The kind of event, one word.
    pub(super) event: &'static str,
    /// At which node.
    pub(super) node: &'a str,
    /// With whom.
    pub(super) with: Option<&'a str>,
    /// Which message.
    pub(super) message: Option<String>,
    /// What people read.
    pub(super) detail: String,
}

/// The screen, or a program's pipe.
pub(super) struct View {
    json: bool,
    start: Instant,
    map: ProgressBar,
}

impl View {
    pub(super) fn new(json: bool) -> Self {
        let live = !json && std::io::stdout().is_terminal();
        let target = if live { ProgressDrawTarget::stdout() } else { ProgressDrawTarget::hidden() };
        let map = ProgressBar::with_draw_target(None, target);
        // The template is fixed; the plain spinner would do as well.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            map.set_style(style);
        }
        map.enable_steady_tick(Duration::from_millis(120));
        Self { json, start: Instant::now(), map }
    }

    /// Seconds since the beginning.
    pub(super) fn seconds(&self) -> f64 {
        (self.start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0
    }

    /// Tells one happening; people get the time to read it.
    pub(super) async fn tell(&self, happening: Happening<'_>) -> anyhow::Result<()> {
        let Happening { event, node, with, message, detail } = happening;
        if self.json {
            let value = json!({
                "t": self.seconds(), "event": event, "node": node, "with": with, "message": message, "detail": detail,
            });
            return self.line(&value.to_string());
        }
        self.line(&format!("{:6.1}s  {detail}", self.seconds()))?;
        if std::io::stdout().is_terminal() {
            tokio::time::sleep(PACE).await;
        }
        Ok(())
    }

    /// Redraws the map.
    pub(super) fn map(&self, map: String) {
        self.map.set_message(map);
    }

    /// A line for people only.
    pub(super) fn prose(&self, text: &str) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { self.line(text) }
    }

    /// Asks the person for a line; `None` at the end of input.
    pub(super) async fn ask(&self, prompt: &str) -> anyhow::Result<Option<String>> {
        self.map.set_message("");
        self.line(prompt)?;
        self.map.suspend(|| std::io::stdout().flush())?;
        self.map.disable_steady_tick();
        let line = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map(|_| line)
        });
        let line = line.await??.trim().to_owned();
        self.map.enable_steady_tick(Duration::from_millis(120));
        Ok((!line.is_empty()).then_some(line))
    }

    /// The last line.
    pub(super) fn summary(&self, value: &serde_json::Value, words: &str) -> anyhow::Result<()> {
        self.map.finish_and_clear();
        if self.json { self.line(&value.to_string()) } else { self.line(words) }
    }

    fn line(&self, text: &str) -> anyhow::Result<()> {
        self.map.suspend(|| writeln!(std::io::stdout(), "{text}"))?;
        Ok(())
    }
}
