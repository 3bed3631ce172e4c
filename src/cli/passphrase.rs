//! `starling passphrase`: sets, changes or removes what guards the data directory.

use super::{App, init, secret};
use serde_json::json;
use starling::config::LOCK_PATIENCE;
use starling::home::{self, HomeError};
use starling::t;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often a held data directory is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Set, change or remove the passphrase of the data directory.
///
/// The present passphrase is given as for every command; the new one is asked for, or read from --new-file.
/// The node must not be running. Copies of the directory made before still open with the old passphrase.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Read the new passphrase from the first line of this file instead of the terminal.
    #[arg(long, value_name = "FILE")]
    new_file: Option<PathBuf>,
    /// Remove the passphrase: whoever takes the disk can then read everything in it.
    #[arg(long, conflicts_with = "new_file")]
    remove: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    if !home::exists(&app.data) {
        return Err(HomeError::NotThere { path: app.data.path().to_owned() }.into());
    }
    if app.client().running().await.is_some() {
        anyhow::bail!(t!("passphrase-running"));
    }
    let new = match (args.remove, &args.new_file) {
        (true, _) => None,
        (false, Some(path)) => Some(secret::read(path)?),
        (false, None) => init::new_passphrase(t!("passphrase-new-terminal"))?.given,
    };
    let began = Instant::now();
    loop {
        let (data, secret, new) = (app.data.clone(), app.secret.clone(), new.clone());
        let change = move || home::change_passphrase(&data, &secret, new.as_ref());
        match tokio::task::spawn_blocking(change).await? {
            Err(HomeError::Locked { .. }) if began.elapsed() < LOCK_PATIENCE => {
                tokio::time::sleep(RETRY).await;
            }
            result => break result?,
        }
    }
    let protected = new.is_some();
    if !protected {
        app.out.note(&t!("passphrase-none"));
    }
    app.out.value(&json!({ "protected": protected }), || {
        if protected { t!("passphrase-set") } else { t!("passphrase-removed") }
    })
}
