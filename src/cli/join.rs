//! `starling group link`, `join` and what belongs to them: getting into a group by a link.

use super::App;
use clap::Args;
use serde_json::json;
use starling::api::types::{Ask, AskRequest, GroupLink, GroupLinkRequest, JoinRequest};
use starling::config::parse_duration;
use starling::strings::clean_line;
use starling::t;
use std::time::Duration;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a link into a group. Your own node lets in who comes by it, whenever it hears of them.
    Link(New),
    /// List the links into a group that you made.
    Links {
        /// Which group.
        group: String,
    },
    /// Take a link back; who comes by it from now on is told so.
    Unlink {
        /// Which group.
        group: String,
        /// The link's number, as listed.
        number: u32,
    },
    /// Show who wants to be let in by a link of yours.
    Requests {
        /// Which group.
        group: String,
    },
    /// Let somebody in who asks for it.
    Approve(Who),
    /// Let somebody who asks for it know that they are not let in.
    Refuse(Who),
    /// Ask to be let into a group.
    Join {
        /// `STARLING-GROUP:1/...`
        link: String,
    },
    /// List the groups that you asked to be let into, and what came of it.
    Joins,
}

#[derive(Debug, Args)]
pub(super) struct New {
    /// Which group; you are an admin of it.
    group: String,
    /// How many people it lets in [default: no limit].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    uses: Option<u32>,
    /// For how long [default: until you take it back].
    #[arg(long = "for", value_name = "DURATION", value_parser = lifetime)]
    lifetime: Option<Duration>,
    /// Decide yourself about everybody who comes by it.
    #[arg(long)]
    approve: bool,
    /// Do not show it as a QR code as well.
    #[arg(long)]
    no_qr: bool,
}

#[derive(Debug, Args)]
pub(super) struct Who {
    /// Which group.
    group: String,
    /// Who, as listed: name, tag or account.
    who: String,
}

pub(super) async fn run(app: &App, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Link(new) => link(app, new).await,
        Command::Links { group } => {
            let path = ["groups", &group, "links"];
            let links: Vec<GroupLink> =
                app.client().with(async |session| session.get(&path, &[]).await).await?;
            if links.is_empty() {
                app.out.line(&t!("join-no-links"))?;
            }
            links.iter().try_for_each(|link| app.out.value(link, || describe(link)))
        }
        Command::Unlink { group, number } => {
            let text = number.to_string();
            let path = ["groups", &group, "links", &text];
            app.client().with(async |session| session.delete(&path, &[]).await).await?;
            app.out.value(&json!({ "number": number, "state": "revoked" }), || {
                t!("join-link-ended", number = text.as_str())
            })
        }
        Command::Requests { group } => requests(app, &group).await,
        Command::Approve(who) => decide(app, who, true).await,
        Command::Refuse(who) => decide(app, who, false).await,
        Command::Join { link } => {
            let request = AskRequest { link };
            let ask: Ask =
                app.client().with(async |session| session.post(&["joins"], &request).await).await?;
            app.out.value(&ask, || describe_ask(&ask))
        }
        Command::Joins => {
            let asks: Vec<Ask> =
                app.client().with(async |session| session.get(&["joins"], &[]).await).await?;
            if asks.is_empty() {
                app.out.line(&t!("join-none"))?;
            }
            asks.iter().try_for_each(|ask| app.out.value(ask, || describe_ask(ask)))
        }
    }
}

async fn link(app: &App, new: New) -> anyhow::Result<()> {
    let New { group, uses, lifetime, approve, no_qr } = new;
    let lifetime_s = lifetime.map(|lifetime| lifetime.as_secs());
    let (path, request) = (["groups", &group, "links"], GroupLinkRequest { uses, lifetime_s, approve });
    let link: GroupLink = app.client().with(async |session| session.post(&path, &request).await).await?;
    app.out.value(&link, || describe(&link))?;
    if !no_qr {
        app.out.note(&super::id::qr(&link.link)?);
    }
    Ok(())
}

async fn requests(app: &App, group: &str) -> anyhow::Result<()> {
    let path = ["groups", group, "requests"];
    let waiting: Vec<JoinRequest> = app.client().with(async |session| session.get(&path, &[]).await).await?;
    if waiting.is_empty() {
        app.out.line(&t!("join-no-requests"))?;
    }
    for request in &waiting {
        app.out.value(request, || {
            let name = clean_line(&request.name);
            let words = (name, request.tag.as_str(), request.account.as_str());
            if request.was_member {
                t!("join-request-again", name = words.0, tag = words.1, account = words.2)
            } else {
                t!("join-request", name = words.0, tag = words.1, account = words.2)
            }
        })?;
    }
    Ok(())
}

async fn decide(app: &App, Who { group, who }: Who, accept: bool) -> anyhow::Result<()> {
    let path = ["groups", &group, "requests", &who, if accept { "approve" } else { "refuse" }];
    let request: JoinRequest =
        app.client().with(async |session| session.post(&path, &json!({})).await).await?;
    let state = if accept { "approved" } else { "refused" };
    let value = json!({ "account": request.account, "name": request.name, "state": state });
    app.out.value(&value, || {
        let who = clean_line(&request.name);
        if accept { t!("join-approved", who = who) } else { t!("join-refused", who = who) }
    })
}

fn describe(link: &GroupLink) -> String {
    let uses = link.uses_left.map_or_else(|| t!("invite-any"), |uses| t!("invite-uses", uses = uses));
    let ends = link.expires_in_s.map_or_else(
        || t!("invite-until-revoked"),
        |left| t!("invite-for", span = super::messages::span(left)),
    );
    let approve = if link.approve { t!("join-link-approve") } else { t!("join-link-open") };
    let number = link.number.to_string();
    t!("join-link", number = number, uses = uses, ends = ends, approve = approve, link = link.link.as_str())
}

fn describe_ask(ask: &Ask) -> String {
    let name = clean_line(&ask.name);
    match ask.state.as_str() {
        "asked" => t!("join-asked", group = name),
        "waits" => t!("join-waits", group = name),
        "joined" => t!("join-joined", group = name),
        "refused" => t!("join-is-refused", group = name),
        "over" => t!("join-over", group = name),
        "used_up" => t!("join-used-up", group = name),
        _ => t!("join-closed", group = name),
    }
}

/// A link that ends before anybody can use it is a slip.
fn lifetime(text: &str) -> Result<Duration, String> {
    let span = parse_duration(text).map_err(|error| error.to_string())?;
    if span < Duration::from_secs(1) { Err(t!("invite-short")) } else { Ok(span) }
}
