//! `starling init`: makes the identity.

use super::{App, Failure, secret};
use starling::api::types::Identity;
use starling::daemon::Switch;
use starling::home::{self, Secret};
use starling::strings::clean_line;
use starling::t;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use zeroize::Zeroizing;

/// The longest name, in bytes of UTF-8.
const MAX_NAME: usize = 64;

/// Make your identity in the data directory.
///
/// It needs no network and no account anywhere: the identity is a key on this device, and the name is
/// yours to choose. With a passphrase (--passphrase, --passphrase-file or STARLING_PASSPHRASE) nobody
/// reads this node's files without it; without one, whoever takes the disk can.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How others see you, at most 64 bytes; a terminal is asked where it is left out.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Ask for a new passphrase.
    #[arg(long)]
    passphrase: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let name = match args.name {
        Some(name) => name,
        None if std::io::stdin().is_terminal() => ask_name()?,
        None => return Err(Failure::usage(t!("init-needs-name"))),
    };
    let secret =
        if args.passphrase { new_passphrase(t!("init-passphrase-terminal"))? } else { app.secret.clone() };
    let identity = create(app, &name, &secret).await?;
    if secret.given.is_none() {
        app.out.note(&t!("init-no-passphrase"));
    }
    app.out.value(&identity, || {
        t!("init-done", name = clean_line(&identity.name), path = app.data.path().display().to_string())
    })
}

/// The first run: asks for a name, and makes the identity.
pub(super) async fn welcome(app: &App) -> anyhow::Result<()> {
    app.out.note(&t!("welcome"));
    let name = ask_name()?;
    let identity = create(app, &name, &app.secret).await?;
    app.out.note(&t!("welcome-done", name = clean_line(&identity.name)));
    if app.secret.given.is_none() {
        app.out.note(&t!("init-no-passphrase"));
    }
    Ok(())
}

async fn create(app: &App, name: &str, secret: &Secret) -> anyhow::Result<Identity> {
    let name = checked(name)?;
    let (data, secret) = (app.data.clone(), secret.clone());
    let home = tokio::task::spawn_blocking(move || home::create(&data, &name, &secret)).await??;
    let (_, transport_events) = tokio::sync::mpsc::channel(1);
    let running = home.start(transport_events, Switch::default())?;
    let identity = running.handle().read(|node, _| node.identity()).await;
    running.stop().await;
    Ok(identity?.into())
}

fn checked(name: &str) -> anyhow::Result<String> {
    let name = clean_line(name).trim().to_owned();
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Failure::usage(t!("init-name-length", max = MAX_NAME, got = name.len())));
    }
    Ok(name)
}

fn ask_name() -> anyhow::Result<String> {
    let mut stderr = std::io::stderr();
    write!(stderr, "{} ", t!("init-ask-name"))?;
    stderr.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line)
}

/// Asks twice for a new passphrase.
pub(super) fn new_passphrase(without_terminal: String) -> anyhow::Result<Secret> {
    let asked = |prompt: String| -> anyhow::Result<Zeroizing<String>> {
        secret::ask(&prompt)?.ok_or_else(|| Failure::usage(without_terminal.clone()))
    };
    let first = asked(t!("passphrase-new"))?;
    if first.is_empty() || *first != *asked(t!("passphrase-again"))? {
        return Err(Failure::usage(t!("passphrase-differs")));
    }
    Ok(Secret { given: Some(first), ask: None })
}
