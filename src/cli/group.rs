//! `starling group`: people who talk to each other.

use super::{App, Failure};
use clap::Args;
use serde_json::json;
use starling::api::types::{Group, GroupRequest, MemberRequest, MembersRequest, PropertiesRequest};
use starling::strings::clean_line;
use starling::t;

/// Begin groups, add and remove people, and see who is in them.
///
/// GROUP is a group's name, or its id as --json prints it, or a beginning that only one group has. Write to a group
/// with `starling send GROUP TEXT`, read it with `starling messages GROUP`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Begin a group of contacts, with yourself as its admin.
    Create {
        /// What it is called.
        name: String,
        /// Who is in it from the start; repeatable.
        #[arg(long = "member", value_name = "WHO", num_args = 1..)]
        members: Vec<String>,
    },
    /// List your groups.
    List,
    /// Show who is in a group, admins first.
    Members {
        /// Which.
        group: String,
    },
    /// Add contacts. They read what is written from then on.
    Add(Several),
    /// Put somebody out: whoever knows of it writes nothing more that they could read.
    Remove(One),
    /// Make a member an admin.
    Promote(One),
    /// Make an admin an ordinary member again; an admin may mean themselves.
    Demote(One),
    /// Set the name, the description, and who may do what.
    Set(Set),
    /// Go. What was said stays here until you forget the group.
    Leave {
        /// Which.
        group: String,
    },
    /// Forget a group that you have left, and everything that was said in it.
    Forget {
        /// Which.
        group: String,
    },
    #[command(flatten)]
    Join(super::join::Command),
}

#[derive(Debug, Args)]
pub(super) struct Several {
    /// Which group.
    group: String,
    /// Whom.
    #[arg(required = true, value_name = "WHO")]
    members: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct One {
    /// Which group.
    group: String,
    /// Whom.
    who: String,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Which group.
    group: String,
    /// Call it so.
    #[arg(long)]
    name: Option<String>,
    /// Say what it is about.
    #[arg(long)]
    about: Option<String>,
    /// Let only admins write, or everybody.
    #[arg(long, value_name = "BOOL")]
    only_admins_post: Option<bool>,
    /// Let only admins set name and description, or everybody.
    #[arg(long, value_name = "BOOL")]
    only_admins_edit: Option<bool>,
}

pub(super) async fn run(app: &App, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Join(command) => super::join::run(app, command).await,
        Command::Create { name, members } => {
            let request = GroupRequest { name, members };
            let group: Group =
                app.client().with(async |session| session.post(&["groups"], &request).await).await?;
            app.out.value(&group, || describe(&group))
        }
        Command::List => list(app).await,
        Command::Members { group } => members(app, &group).await,
        Command::Add(Several { group, members }) => {
            let (path, request) = (["groups", &group, "members"], MembersRequest { members });
            let group: Group = app.client().with(async |session| session.post(&path, &request).await).await?;
            app.out.value(&group, || describe(&group))
        }
        Command::Remove(One { group, who }) => {
            let path = ["groups", &group, "members", &who];
            app.client().with(async |session| session.delete(&path, &[]).await).await?;
            let (who, group) = (clean_line(&who), clean_line(&group));
            let value = json!({ "group": group, "removed": who });
            app.out.value(&value, || t!("group-removed", who = who.as_str(), group = group.as_str()))
        }
        Command::Promote(one) => promote(app, one, true).await,
        Command::Demote(one) => promote(app, one, false).await,
        Command::Set(set) => self::set(app, set).await,
        Command::Leave { group } => {
            let path = ["groups", &group, "leave"];
            let group: Group =
                app.client().with(async |session| session.post(&path, &json!({})).await).await?;
            app.out.value(&group, || t!("group-left", group = clean_line(&group.name)))
        }
        Command::Forget { group } => {
            let path = ["groups", &group];
            app.client().with(async |session| session.delete(&path, &[]).await).await?;
            let group = clean_line(&group);
            app.out.value(&json!({ "group": group, "state": "forgotten" }), || {
                t!("group-forgotten", group = group.as_str())
            })
        }
    }
}

async fn list(app: &App) -> anyhow::Result<()> {
    let groups: Vec<Group> = app.client().with(async |session| session.get(&["groups"], &[]).await).await?;
    if groups.is_empty() {
        app.out.line(&t!("group-none"))?;
    }
    for group in groups {
        app.out.value(&group, || describe(&group))?;
    }
    Ok(())
}

async fn members(app: &App, which: &str) -> anyhow::Result<()> {
    let group: Group = app.client().with(async |session| session.get(&["groups", which], &[]).await).await?;
    for member in &group.members {
        app.out.value(member, || {
            let role = if member.admin { t!("group-role-admin") } else { t!("group-role-member") };
            format!(
                "{}  {}  {}",
                clean_line(&member.name),
                role,
                member.account.as_deref().unwrap_or_default()
            )
            .trim_end()
            .to_owned()
        })?;
    }
    Ok(())
}

async fn promote(app: &App, One { group, who }: One, admin: bool) -> anyhow::Result<()> {
    let (path, request) = (["groups", &group, "members", &who], MemberRequest { admin });
    let group: Group = app.client().with(async |session| session.put(&path, &[], &request).await).await?;
    app.out.value(&group, || describe(&group))
}

async fn set(app: &App, set: Set) -> anyhow::Result<()> {
    let Set { group, name, about, only_admins_post, only_admins_edit } = set;
    let request = PropertiesRequest { name, about, only_admins_post, only_admins_edit };
    if request == PropertiesRequest::default() {
        return Err(Failure::usage(t!("group-set-nothing")));
    }
    let path = ["groups", &group];
    let group: Group = app.client().with(async |session| session.put(&path, &[], &request).await).await?;
    app.out.value(&group, || describe(&group))
}

fn describe(group: &Group) -> String {
    let role = match group.role.as_str() {
        "admin" => t!("group-role-admin"),
        "member" => t!("group-role-member"),
        _ => t!("group-role-left"),
    };
    let count = group.members.len();
    t!("group", name = clean_line(&group.name), role = role, count = count, id = group.group.as_str())
}
