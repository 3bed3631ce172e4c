//! `starling info`: where a message is.

use super::App;
use starling::api::types::{Info, InfoDetail};
use starling::strings::clean_line;
use starling::t;

/// Show where a message of yours is.
///
/// waiting: only this device has it. handed_on: that many neighbours hold it. delivered: a device of the
/// person holds it. read: the person has seen it. expired: it did not arrive in its time.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its id, as `send` printed it, or the first digits of it.
    message: String,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let path = ["messages", &args.message];
    let detail: InfoDetail = app.client().with(async |session| session.get(&path, &[]).await).await?;
    app.out.value(&detail, || describe(&detail))
}

fn describe(detail: &InfoDetail) -> String {
    let info = &detail.info;
    let left = super::messages::span(info.expires_in_s);
    let mut lines = vec![t!("info", id = info.id.as_str(), state = state_words(info), left = left)];
    lines.extend(forecast_words(info));
    if let Some(hops) = info.hops {
        lines.push(t!("info-hops", hops = hops));
    }
    for recipient in &detail.recipients {
        let at = recipient.at.clone().unwrap_or_default();
        lines.push(format!("  {:<24}  {:<10}  {at}", clean_line(&recipient.name), recipient.state));
    }
    lines.join("\n")
}

/// How long it may take, as people say it; nothing of messages that have come to their end.
pub(super) fn forecast_words(info: &Info) -> Option<String> {
    match &info.forecast {
        Some(forecast) => {
            let within = super::messages::span(forecast.within_s);
            Some(t!("forecast", percent = forecast.percent, within = within))
        }
        None if matches!(info.state.as_str(), "waiting" | "handed_on") => Some(t!("forecast-unknown")),
        None => None,
    }
}

/// The state as people say it.
pub(super) fn state_words(info: &Info) -> String {
    match info.state.as_str() {
        "waiting" => t!("state-waiting"),
        "handed_on" => t!("state-handed-on", carriers = info.carriers),
        "delivered" => t!("state-delivered"),
        "read" => t!("state-read"),
        _ => t!("state-expired"),
    }
}
