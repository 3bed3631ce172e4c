//! `starling invite`: links that can be taken back.

use super::App;
use serde_json::json;
use starling::api::types::{Invite, InviteRequest};
use starling::config::parse_duration;
use starling::t;
use std::time::Duration;

/// Make, list and revoke invites: links of their own that can be taken back.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make an invite and print its link.
    New(NewArgs),
    /// List the invites that live, oldest first.
    List,
    /// End an invite; nobody can use its link from now on.
    Revoke {
        /// Its number, as listed.
        number: u32,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    /// For how many people it is good [default: no limit].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    uses: Option<u32>,
    /// For how long, counted while this node runs [default: until revoked].
    #[arg(long = "for", value_name = "DURATION", value_parser = lifetime)]
    lifetime: Option<Duration>,
    /// Show it as a QR code as well.
    #[arg(long)]
    qr: bool,
}

pub(super) async fn run(app: &App, command: Command) -> anyhow::Result<()> {
    match command {
        Command::New(args) => new(app, args).await,
        Command::List => list(app).await,
        Command::Revoke { number } => revoke(app, number).await,
    }
}

async fn new(app: &App, args: NewArgs) -> anyhow::Result<()> {
    let request =
        InviteRequest { uses: args.uses, lifetime_s: args.lifetime.map(|lifetime| lifetime.as_secs()) };
    let invite: Invite =
        app.client().with(async |session| session.post(&["invites"], &request).await).await?;
    app.out.value(&invite, || describe(&invite))?;
    if args.qr {
        app.out.note(&super::id::qr(&invite.link)?);
    }
    Ok(())
}

async fn list(app: &App) -> anyhow::Result<()> {
    let invites: Vec<Invite> =
        app.client().with(async |session| session.get(&["invites"], &[]).await).await?;
    if invites.is_empty() {
        app.out.line(&t!("invite-none"))?;
    }
    for invite in invites {
        app.out.value(&invite, || describe(&invite))?;
    }
    Ok(())
}

async fn revoke(app: &App, number: u32) -> anyhow::Result<()> {
    let text = number.to_string();
    app.client().with(async |session| session.delete(&["invites", &text], &[]).await).await?;
    app.out.value(&json!({ "number": number, "state": "revoked" }), || t!("invite-revoked", number = text))
}

fn describe(invite: &Invite) -> String {
    let uses = invite.uses_left.map_or_else(|| t!("invite-any"), |uses| t!("invite-uses", uses = uses));
    let ends = invite.expires_in_s.map_or_else(
        || t!("invite-until-revoked"),
        |left| t!("invite-for", span = super::messages::span(left)),
    );
    t!("invite", number = invite.number.to_string(), uses = uses, ends = ends, link = invite.link.as_str())
}

/// An invite that ends before anybody can use it is a slip.
fn lifetime(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    if span < Duration::from_secs(1) { Err(t!("invite-short")) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_lives_for_a_second_at_least() {
        assert!(lifetime("0s").is_err() && lifetime("999ms").is_err());
        assert_eq!(lifetime("1s"), Ok(Duration::from_secs(1)));
    }
}
