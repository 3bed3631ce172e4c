//! `starling verify`: the safety number.

use super::App;
use serde_json::json;
use starling::api::types::{Added, ContactDetail};
use starling::strings::clean_line;
use starling::t;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// Compare the safety number with somebody, and mark them as verified.
///
/// Both of you see the same 60 digits, unless somebody stands between you. Compare them in person or on
/// a call, where you know the voice; a terminal then asks whether they match.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Petname, name, tag or account.
    who: String,
    /// The digits were compared and match: mark the contact as verified.
    #[arg(long)]
    matches: bool,
}

pub(super) async fn run(app: &App, args: Args) -> anyhow::Result<()> {
    let client = app.client();
    let path = ["contacts", &args.who];
    let found: ContactDetail = client.with(async |session| session.get(&path, &[]).await).await?;
    let name = found.contact.petname.as_deref().unwrap_or(&found.contact.name);
    let name = if name.is_empty() { found.contact.tag.clone() } else { clean_line(name) };
    app.out.line(&t!("safety-number", name = name.as_str(), digits = grouped(&found.safety_number)))?;
    if found.confusable {
        app.out.note(&t!("confusable", name = name.as_str()));
    }
    let mut state = found.contact.state.clone();
    let may_ask = app.out.is_terminal() && std::io::stdin().is_terminal() && state != "verified";
    if args.matches || (may_ask && confirmed()?) {
        let path = ["contacts", &found.contact.account, "verify"];
        let after: Added = client.with(async |session| session.post(&path, &json!({})).await).await?;
        state = after.state;
        app.out.line(&t!("verified", name = name.as_str()))?;
    }
    if state != "verified" {
        app.out.note(&t!("safety-how", name = name.as_str()));
    }
    let (account, name) = (&found.contact.account, &found.contact.name);
    let value =
        json!({ "account": account, "name": name, "safety_number": found.safety_number, "state": state });
    if app.out.is_json() { app.out.value(&value, String::new) } else { Ok(()) }
}

/// Twelve groups of five digits, four to a line.
fn grouped(digits: &str) -> String {
    let groups: Vec<String> =
        digits.as_bytes().chunks(5).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.chunks(4).map(|line| format!("  {}", line.join(" "))).collect::<Vec<_>>().join("\n")
}

fn confirmed() -> anyhow::Result<bool> {
    let mut stderr = std::io::stderr();
    write!(stderr, "{} ", t!("safety-ask"))?;
    stderr.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_digits_are_three_lines_of_four_groups() {
        let shown = grouped(&"12345".repeat(12));
        assert_eq!(shown.lines().count(), 3);
        assert!(shown.starts_with("  12345 12345 12345 12345\n"));
    }
}
