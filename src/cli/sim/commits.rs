//! What a commit comes to: it is checked out beside the working copy, built, and run.

use super::finish;
use crate::cli::Failure;
use anyhow::Context as _;
use mesh_sim::Outcome;
use starling::t;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where programs of commits are kept, below the top of the repository.
const FOLDER: &str = "target/compare";

/// What every commit shall run.
pub(super) struct Course {
    pub(super) scenario: String,
    pub(super) small: bool,
    pub(super) seeds: Range<u64>,
    /// Builds the program, in a checkout: it shall lie in `$CARGO_TARGET_DIR/release/starling` then.
    pub(super) build: String,
}

/// What `course` comes to with the program of `commit`, of the repository that this is called in.
pub(super) fn outcomes(commit: &str, course: &Course) -> anyhow::Result<Vec<Outcome>> {
    let top = PathBuf::from(git(Path::new("."), &["rev-parse", "--show-toplevel"])?);
    let wanted = format!("{commit}^{{commit}}");
    let id = git(&top, &["rev-parse", "--verify", "--end-of-options", &wanted])
        .map_err(|_| Failure::usage(t!("sim-no-commit", commit = commit)))?;
    let folder = top.join(FOLDER);
    let program = folder.join(format!("starling-{id}"));
    if !program.exists() {
        build(&top, &folder, &id, &program, &course.build)?;
    }
    run(&program, commit, course)
}

fn build(top: &Path, folder: &Path, id: &str, program: &Path, command: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let (tree, target) = (folder.join(format!("tree-{id}")), folder.join("build"));
    let tree_name = tree.display().to_string();
    // A checkout that a stopped build left behind.
    let _ = git(top, &["worktree", "remove", "--force", &tree_name]);
    git(top, &["worktree", "add", "--detach", "--force", "--quiet", &tree_name, id])?;
    let built = Command::new("sh")
        .args(["-c", command])
        .current_dir(&tree)
        .env("CARGO_TARGET_DIR", &target)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status();
    git(top, &["worktree", "remove", "--force", &tree_name])?;
    if !built.is_ok_and(|status| status.success()) {
        let message = t!("sim-not-built", commit = id, command = command);
        return Err(Failure { code: 1, message }.into());
    }
    let fresh = target.join("release/starling");
    std::fs::rename(&fresh, program).with_context(|| fresh.display().to_string())
}

fn run(program: &Path, commit: &str, course: &Course) -> anyhow::Result<Vec<Outcome>> {
    let seeds = format!("{}..{}", course.seeds.start, course.seeds.end);
    let mut command = Command::new(program);
    command.args(["sim", "run", &course.scenario, "--seeds", &seeds, "--json"]);
    if course.small {
        command.arg("--small");
    }
    let done = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let Output { status, stdout, .. } = done.with_context(|| program.display().to_string())?;
    // 1 says that a threshold was missed: the result is there all the same.
    if !matches!(status.code(), Some(0 | 1)) {
        return Err(Failure { code: 1, message: t!("sim-commit-failed", commit = commit) }.into());
    }
    finish::parsed(commit, &String::from_utf8_lossy(&stdout))
}

/// What git answers, without the end of its line.
fn git(folder: &Path, args: &[&str]) -> anyhow::Result<String> {
    let refused = |reason: String| Failure::usage(t!("sim-no-git", reason = reason.trim()));
    let done = Command::new("git").args(args).current_dir(folder).stdin(Stdio::null()).output();
    let done = done.map_err(|error| refused(error.to_string()))?;
    if !done.status.success() {
        return Err(refused(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
}
