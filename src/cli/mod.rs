//! The command line: one file per command, all of them clients of the local API.

mod add;
mod ble;
mod chat;
mod completions;
mod contacts;
mod conversation;
mod decide;
mod delete;
mod demo;
mod doctor;
mod edit;
mod export;
mod features;
mod forward;
mod group;
mod holder;
mod id;
mod info;
mod init;
mod invite;
mod join;
mod messages;
mod open;
mod out;
mod passphrase;
mod peers;
mod pin;
mod poll;
mod react;
mod run;
mod safe;
mod schedule;
mod search;
mod secret;
mod send;
mod sim;
mod sos;
mod star;
mod status;
mod swarm;
mod verify;
mod vote;

pub(crate) use sim::peak_rss_bytes;

use clap::{CommandFactory as _, Parser, Subcommand};
use out::Out;
use starling::api::types::SendRequest;
use starling::client::{Client, ClientError};
use starling::config::DataDir;
use starling::home::{HomeError, Secret};
use starling::strings::{clean, clean_line};
use starling::t;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

const ABOUT: &str = "A messenger that works when nothing else does: no server, no account, no internet.";
const LONG_ABOUT: &str = "\
A messenger that works when nothing else does: no server, no account, no internet.

Every device is a node. Nodes find each other over Wi-Fi and LAN and pass sealed envelopes on: a message \
reaches people who are never online together with you, through others who cannot read it.

Without a command, `starling` runs your node; the first time it asks for your name. \
`starling demo` shows everything in a minute, without any network.";
const AFTER: &str = "\
WHO is a petname, a name, a three-word tag, an account, or a beginning that only one contact has; where a message \
goes or stands it may be a group as well.
DURATION is numbers with units: 30s, 10m, 2h, 7d, 1h30m.
Commands find the running node by themselves. Without one they use the data directory for a moment, and messages wait \
until `starling run`; only `passphrase` needs the node stopped.
With --json there is one JSON object per line on standard output; words for people go to standard error.

Exit codes:
  0  done
  1  failed
  2  the command or what was given to it is wrong
  3  who or what was named does not exist
  4  the time given with --timeout ran out";

/// Everything that is said on the command line.
#[derive(Debug, Parser)]
#[command(name = "starling", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER)]
#[command(propagate_version = true, disable_help_subcommand = true, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of every command")]
struct Common {
    /// Where this node keeps its files [default: ~/.local/share/starling].
    ///
    /// The directory can be moved; only one process uses it at a time.
    #[arg(long, global = true, env = "STARLING_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print JSON on standard output, one object per line, and nothing else there.
    #[arg(long, global = true)]
    json: bool,
    /// Read the passphrase from the first line of this file.
    ///
    /// Else from STARLING_PASSPHRASE, else a terminal is asked where the data directory needs one.
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Say more on standard error: once for what happens, twice for details.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Passphrase(passphrase::Args),
    Run(run::Args),
    Id(id::Args),
    #[command(subcommand)]
    Invite(invite::Command),
    Add(add::Args),
    Contacts(contacts::Args),
    /// Accept a contact request: the writer learns that the messages arrived, and you can answer.
    Accept(decide::Args),
    /// Decline a contact request: it is forgotten, and nothing is sent.
    Decline(decide::Args),
    /// Block somebody, also one who is only in a group with you: everything from them is dropped silently from now on.
    Block(decide::Args),
    Verify(verify::Args),
    Send(send::Args),
    Chat(chat::Args),
    Messages(messages::Args),
    Search(search::Args),
    Export(export::Args),
    Star(star::Args),
    Open(open::Args),
    #[command(subcommand)]
    Conversation(conversation::Command),
    #[command(subcommand)]
    Schedule(schedule::Command),
    Info(info::Args),
    Edit(edit::Args),
    Delete(delete::Args),
    React(react::Args),
    Forward(forward::Args),
    Pin(pin::Args),
    Poll(poll::Args),
    Vote(vote::Args),
    #[command(subcommand)]
    Group(group::Command),
    Sos(sos::Args),
    Safe(safe::Args),
    Peers(peers::Args),
    Status(status::Args),
    Doctor(doctor::Args),
    Ble(ble::Args),
    Demo(demo::Args),
    /// Simulate thousands of nodes in virtual time, and look at what came of it.
    #[command(subcommand)]
    Sim(sim::Command),
    Swarm(swarm::Args),
    Completions(completions::Args),
    Features(features::Args),
}

/// Which message a command is about.
#[derive(Debug, clap::Args)]
struct Which {
    /// Its id, as `messages --ids` and --json print it, or the first digits of it.
    message: String,
    /// The conversation where it stands: needed where several have a message of this id.
    #[arg(long = "in", value_name = "WHO")]
    within: Option<String>,
}

impl Which {
    /// What is said of it to the API beside its id.
    fn query(&self) -> Vec<(&str, &str)> {
        self.within.iter().map(|who| ("in", who.as_str())).collect()
    }
}

/// What every command has at hand.
struct App {
    data: DataDir,
    secret: Secret,
    out: Out,
}

impl App {
    fn client(&self) -> Client {
        Client::new(self.data.clone(), self.secret.clone())
    }
}

/// A failure with an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    const USAGE: u8 = 2;
    const NOT_FOUND: u8 = 3;
    const TIMED_OUT: u8 = 4;

    fn usage(message: String) -> anyhow::Error {
        Self { code: Self::USAGE, message }.into()
    }

    fn timed_out(message: String) -> anyhow::Error {
        Self { code: Self::TIMED_OUT, message }.into()
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help for a closed pipe is nobody's loss.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Failure::USAGE));
        }
    };
    log_to_stderr(args.common.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let result = runtime.block_on(dispatch(args));
    // A blocking read of the terminal may never end; nothing of value waits on it.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

async fn dispatch(args: Args) -> anyhow::Result<()> {
    let data = match args.common.data_dir {
        Some(path) if path.as_os_str().is_empty() => return Err(Failure::usage(t!("no-data-dir"))),
        Some(path) => DataDir::new(path),
        None => DataDir::usual().ok_or_else(|| Failure::usage(t!("no-data-dir")))?,
    };
    let secret = secret::from(args.common.passphrase_file.as_deref())?;
    let app = App { data, secret, out: Out::new(args.common.json) };
    let Some(command) = args.command else { return first(&app).await };
    // The output of a node may be kept in a log, and the others have nothing to do with this person.
    let alone = matches!(
        command,
        Command::Run(_)
            | Command::Demo(_)
            | Command::Sim(_)
            | Command::Swarm(_)
            | Command::Completions(_)
            | Command::Features(_)
    );
    let result = carry_out(&app, command).await;
    if !alone {
        tell_refused(&app);
    }
    result
}

async fn carry_out(app: &App, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Init(args) => init::run(app, args).await,
        Command::Passphrase(args) => passphrase::run(app, args).await,
        Command::Run(args) => run::run(app, args).await,
        Command::Id(args) => id::run(app, args).await,
        Command::Invite(command) => invite::run(app, command).await,
        Command::Add(args) => add::run(app, args).await,
        Command::Contacts(args) => contacts::run(app, args).await,
        Command::Accept(args) => decide::run(app, args, "accept").await,
        Command::Decline(args) => decide::run(app, args, "decline").await,
        Command::Block(args) => decide::run(app, args, "block").await,
        Command::Verify(args) => verify::run(app, args).await,
        Command::Send(args) => send::run(app, args).await,
        Command::Chat(args) => chat::run(app, args).await,
        Command::Messages(args) => messages::run(app, args).await,
        Command::Search(args) => search::run(app, args).await,
        Command::Export(args) => export::run(app, args).await,
        Command::Star(args) => star::run(app, args).await,
        Command::Open(args) => open::run(app, args).await,
        Command::Conversation(command) => conversation::run(app, command).await,
        Command::Schedule(command) => schedule::run(app, command).await,
        Command::Info(args) => info::run(app, args).await,
        Command::Edit(args) => edit::run(app, args).await,
        Command::Delete(args) => delete::run(app, args).await,
        Command::React(args) => react::run(app, args).await,
        Command::Forward(args) => forward::run(app, args).await,
        Command::Pin(args) => pin::run(app, args).await,
        Command::Poll(args) => poll::run(app, args).await,
        Command::Vote(args) => vote::run(app, args).await,
        Command::Group(command) => group::run(app, command).await,
        Command::Sos(args) => sos::run(app, args).await,
        Command::Safe(args) => safe::run(app, args).await,
        Command::Peers(args) => peers::run(app, args).await,
        Command::Status(args) => status::run(app, args).await,
        Command::Doctor(args) => doctor::run(app, args).await,
        Command::Ble(args) => ble::run(app, args).await,
        Command::Demo(args) => demo::run(app, args).await,
        Command::Sim(command) => sim::run(app, command).await,
        Command::Swarm(args) => swarm::run(app, args).await,
        Command::Completions(args) => completions::run(app, &args, Args::command()),
        Command::Features(args) => features::run(app, &args),
    }
}

/// Shows what was queued and then refused, whoever took it up. Where nobody can be told, it is kept.
fn tell_refused(app: &App) {
    let told = app.client().tell_refused(|refused| match &refused.request {
        Some(SendRequest { to, text, .. }) => out::tell(&t!(
            "spool-refused",
            to = clean_line(to),
            reason = clean_line(&refused.reason),
            text = clean(text)
        )),
        None => out::tell(&t!("spool-damaged", reason = clean_line(&refused.reason))),
    });
    if let Err(error) = told {
        tracing::debug!(%error, "queued messages that were refused stay where they are");
    }
}

/// `starling` alone: the first time it asks for a name; then it runs the node.
async fn first(app: &App) -> anyhow::Result<()> {
    if !starling::home::exists(&app.data) {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(t!("first-needs-terminal")));
        }
        init::welcome(app).await?;
    }
    run::run(app, run::Args::default()).await
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        // A neighbour who goes away in the middle is everyday here, and a warning there.
        0 => "warn,yamux=error",
        1 => "starling=info,mesh_core=info,warn",
        _ => "starling=debug,mesh_core=debug,info",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("STARLING_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colour).init();
}

fn fail(error: &anyhow::Error) -> ExitCode {
    if out::is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let (code, message) = explain(error);
    out::complain(&t!("error", message = message));
    ExitCode::from(code)
}

/// The exit code of `error`, and what went wrong where and what to do about it.
fn explain(error: &anyhow::Error) -> (u8, String) {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return (failure.code, failure.message.clone());
    }
    if let Some(error) = error.downcast_ref::<HomeError>() {
        return explain_home(error);
    }
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Home(error)) => explain_home(error),
        Some(ClientError::Api { status: 400 | 413, message, .. }) => (Failure::USAGE, message.clone()),
        Some(ClientError::Api { status: 404, message, .. }) => (Failure::NOT_FOUND, message.clone()),
        Some(ClientError::Api { message, .. }) => (1, message.clone()),
        Some(ClientError::Broken { reason }) => (1, t!("client-broken", reason = reason.as_str())),
        _ => (1, format!("{error:#}")),
    }
}

fn explain_home(error: &HomeError) -> (u8, String) {
    let shown = |path: &PathBuf| path.display().to_string();
    match error {
        HomeError::NotThere { path } => (Failure::NOT_FOUND, t!("home-not-there", path = shown(path))),
        HomeError::Exists { path } => (1, t!("home-exists", path = shown(path))),
        HomeError::Locked { path, holder } => {
            (1, t!("home-locked", path = shown(path), holder = holder::words(*holder)))
        }
        HomeError::Starting { path } => (1, t!("home-starting", path = shown(path))),
        HomeError::NeedsPassphrase { path } => (1, t!("home-needs-passphrase", path = shown(path))),
        HomeError::WrongPassphrase { path } => (1, t!("home-wrong-passphrase", path = shown(path))),
        HomeError::ReadOnly { path } => (1, t!("home-read-only", path = shown(path))),
        HomeError::Unusable { path, reason } => {
            (1, t!("home-unusable", path = shown(path), reason = reason.as_str()))
        }
        other => (1, other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself() {
        for command in Args::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
