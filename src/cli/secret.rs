//! Where the passphrase comes from: a file, the environment, or a terminal.

use super::Failure;
use anyhow::Context as _;
use starling::home::Secret;
use starling::t;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The longest passphrase, in bytes.
const MAX_PASSPHRASE: usize = 4096;

pub(super) fn from(file: Option<&Path>) -> anyhow::Result<Secret> {
    let given = match file {
        Some(path) => Some(read(path)?),
        None => match std::env::var("STARLING_PASSPHRASE") {
            Ok(value) if value.is_empty() => None,
            Ok(value) => Some(Zeroizing::new(value)),
            Err(std::env::VarError::NotPresent) => None,
            Err(std::env::VarError::NotUnicode(_)) => return Err(Failure::usage(t!("passphrase-not-utf8"))),
        },
    };
    Ok(Secret { given, ask: Some(Arc::new(|| ask(&t!("passphrase-prompt")))) })
}

/// Asks the terminal without an echo; `None` where there is no terminal.
pub(super) fn ask(prompt: &str) -> std::io::Result<Option<Zeroizing<String>>> {
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    Ok(Some(Zeroizing::new(rpassword::prompt_password(prompt)?)))
}

/// The first line of a file.
pub(super) fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let shown = path.display().to_string();
    let file = std::fs::File::open(path);
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE + 1));
    file.and_then(|file| file.take(MAX_PASSPHRASE as u64 + 1).read_to_end(&mut bytes))
        .with_context(|| t!("passphrase-file", path = shown.as_str()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::usage(t!("passphrase-not-utf8")))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || line.len() > MAX_PASSPHRASE {
        return Err(Failure::usage(t!("passphrase-length", path = shown, max = MAX_PASSPHRASE)));
    }
    Ok(Zeroizing::new(line.to_owned()))
}
