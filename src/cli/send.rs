//! `starling send`: sends a text.

use super::{App, Failure, info};
use mesh_core::MessageId;
use serde_json::json;
use starling::api::types::{ContactDetail, Info, InfoDetail, SendRequest};
use starling::client::{Client, ClientError, Submitted};
use starling::config::parse_duration;
use starling::home::HomeError;
use starling::strings::clean_line;
use starling::t;
use std::io::Read as _;
use std::time::{Duration, Instant};

/// The longest text, in bytes of UTF-8.
const MAX_TEXT: usize = mesh_core::wire::message::MAX_TEXT;
/// How often the state is looked at while waiting.
const LOOK: Duration = Duration::from_millis(100);

/// Send a text of at most 64 KiB.
///
/// The command returns once the message is safely stored here; it leaves with the next neighbour, and
/// `starling info` tells where it is. Without a running node it waits for `starling run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Petname, name, tag or account.
    who: String,
    /// The text, or - to read it from standard input (one final line break is left away).
    text: String,
    /// The message that this answers: its id or the first digits of it.
    #[arg(long, value_name = "MESSAGE")]
    reply_to: Option<String>,
    /// Name somebody in it (again for more, up to 32).
    #[arg(long, value_name = "WHO")]
    mention: Vec<String>,
    /// It shall make no sound.
    #[arg(long)]
    silent: bool,
    /// It can be opened once.
    #[arg(long, conflicts_with_all = ["reply_to", "mention", "silent"])]
    once: bool,
    /// Wait until the message has come this far.
    #[arg(long, value_name = "STATE", value_parser = ["waiting", "handed_on", "delivered", "read"])]
    wait: Option<String>,
    /// How long to wait, in seconds or as a DURATION; then the exit code is 4 [default: 60s].
    #[arg(long, value_name = "S", value_parser = seconds, requires = "wait")]
    timeout: Option<Duration>,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let text = text(args.text)?;
    let id = MessageId(random_id()?).to_text();
    let Args { who: to, reply_to, mention: mentions, silent, once, .. } = args;
    let request = SendRequest { to, text, id: Some(id.clone()), reply_to, mentions, silent, once };
    let client = app.client();
    let Submitted { running, detail: sent } = match client.submit(&request).await {
        Ok(submitted) => submitted,
        Err(
            ClientError::Home(HomeError::Locked { .. } | HomeError::Starting { .. })
            | ClientError::Broken { .. },
        ) => {
            return spool(app, &client, &request, &id);
        }
        Err(error) => return Err(error.into()),
    };
    if !running {
        app.out.note(&t!("send-queued"));
    }
    let Some(wanted) = args.wait else { return show(app, &sent.info) };
    let timeout = args.timeout.unwrap_or(Duration::from_secs(60));
    wait(app, &client, sent.info, &wanted, timeout).await
}

/// Looks at the message until it has come as far as `wanted`.
async fn wait(
    app: &App,
    client: &Client,
    mut info: Info,
    wanted: &str,
    timeout: Duration,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        if rank(&info.state) >= rank(wanted) {
            return show(app, &info);
        }
        if info.state == "expired" {
            show(app, &info)?;
            return Err(Failure { code: 1, message: t!("send-expired") }.into());
        }
        if Instant::now() >= deadline {
            show(app, &info)?;
            return Err(Failure::timed_out(why_late(client, &info).await));
        }
        tokio::time::sleep(LOOK.min(deadline.saturating_duration_since(Instant::now()))).await;
        // Only a running node can bring it farther; an opened home would keep one from starting.
        if let Some(session) = client.running().await
            && let Ok(now) = session.get::<InfoDetail>(&["messages", &info.id], &[]).await
        {
            info = now.info;
        }
    }
}

/// What to say when the time ran out: a first message is acknowledged only by somebody who accepted its writer.
async fn why_late(client: &Client, info: &Info) -> String {
    let state = info::state_words(info);
    let looked = client.with(async |session| {
        let detail: InfoDetail = session.get(&["messages", &info.id], &[]).await?;
        let Some(recipient) = detail.recipients.into_iter().next() else { return Ok(None) };
        let contact: ContactDetail = session.get(&["contacts", &recipient.account], &[]).await?;
        Ok((contact.contact.state == "added").then_some(recipient.name))
    });
    match looked.await {
        Ok(Some(name)) => t!("send-timeout-added", state = state, name = clean_line(&name)),
        // Without a reason the state alone must do.
        Ok(None) | Err(_) => t!("send-timeout", state = state),
    }
}

/// How far along a state is; an expired message goes no farther.
fn rank(state: &str) -> usize {
    let order = ["expired", "waiting", "handed_on", "delivered", "read"];
    order.iter().position(|known| *known == state).unwrap_or_default()
}

fn show(app: &App, info: &Info) -> anyhow::Result<()> {
    if info.forecast.is_some()
        && let Some(words) = info::forecast_words(info)
    {
        app.out.note(&words);
    }
    app.out.value(info, || t!("sent", id = info.id.as_str(), state = info::state_words(info)))
}

/// Another process holds the home and does not answer: the message waits in a file.
fn spool(app: &App, client: &Client, request: &SendRequest, id: &str) -> anyhow::Result<()> {
    let path = client.spool(request)?;
    app.out.note(&t!("send-spooled", path = path.display().to_string()));
    let lifetime = 90 * 86_400_u64;
    let value =
        json!({ "id": id, "state": "waiting", "carriers": 0, "hops": null, "expires_in_s": lifetime });
    app.out.value(&value, || t!("sent", id = id, state = t!("state-waiting")))
}

pub(super) fn text(given: String) -> anyhow::Result<String> {
    let text = if given == "-" { from_stdin()? } else { given };
    if text.is_empty() || text.len() > MAX_TEXT {
        let got = if text.len() > MAX_TEXT { t!("text-more") } else { text.len().to_string() };
        return Err(Failure::usage(t!("text-length", max = MAX_TEXT, got = got)));
    }
    Ok(text)
}

fn from_stdin() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    // Two more than allowed: a line break that is left away, and one that shows that it is too long.
    std::io::stdin().lock().take(MAX_TEXT as u64 + 2).read_to_end(&mut bytes)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.len() > MAX_TEXT {
        // A character may have been cut; the length is what is wrong, not the encoding.
        return Err(Failure::usage(t!("text-length", max = MAX_TEXT, got = t!("text-more"))));
    }
    let wrong = |error: std::string::FromUtf8Error| {
        Failure::usage(t!("text-not-utf8", at = error.utf8_error().valid_up_to()))
    };
    String::from_utf8(bytes).map_err(wrong)
}

pub(super) fn random_id() -> std::io::Result<[u8; 16]> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(std::io::Error::other)?;
    Ok(id)
}

/// Seconds, or a duration with units.
fn seconds(text: &str) -> Result<Duration, starling::config::DurationError> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..1e9).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => parse_duration(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_an_order_and_expiry_reaches_none() {
        assert!(rank("read") > rank("delivered") && rank("delivered") > rank("handed_on"));
        assert!(rank("expired") < rank("waiting"));
    }

    #[test]
    fn a_timeout_is_seconds_or_a_span() {
        assert_eq!(seconds("5"), Ok(Duration::from_secs(5)));
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("2m"), Ok(Duration::from_secs(120)));
        assert!(seconds("-1").is_err() && seconds("soon").is_err() && seconds("NaN").is_err());
    }

    #[test]
    fn texts_have_at_least_one_byte_and_at_most_64_kib() {
        assert!(text(String::new()).is_err());
        assert!(text("x".repeat(MAX_TEXT)).is_ok());
        assert!(text("x".repeat(MAX_TEXT + 1)).is_err());
    }
}
