//! Says in words which process holds a data directory.

use super::Args;
use clap::CommandFactory as _;
use starling::t;

/// The process of this number, and what it does where the system tells that.
pub(super) fn words(process: Option<u32>) -> String {
    let Some(number) = process else { return t!("holder-unknown") };
    let shown = number.to_string();
    match doing(number) {
        Some(what) => t!("holder-doing", number = shown, what = what),
        None => t!("holder", number = shown),
    }
}

/// The command that it runs, never what was given to that, and whether it stands still.
fn doing(number: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{number}/cmdline")).ok()?;
    let given: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let known = Args::command();
    let names = || known.get_subcommands().map(clap::Command::get_name);
    let command = given.iter().skip(1).find_map(|word| names().find(|name| name == word))?;
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The state follows the program's name, which stands in brackets.
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    Some(match state {
        Some('T') => t!("holder-stopped", command = command),
        Some('Z' | 'X') => return None,
        _ => t!("holder-command", command = command),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_unknown_or_gone_is_still_a_process() {
        assert_eq!(words(None), "another process");
        assert_eq!(words(Some(u32::MAX)), "process 4294967295");
    }
}
