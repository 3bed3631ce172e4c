//! The `starling` program.

mod cli;
mod demo;

fn main() -> std::process::ExitCode {
    keep_to_the_owner();
    cli::main()
}

/// Files that libraries make are the owner's alone, and neither a crash nor another program of the same
/// person writes this process's memory, keys and all, to a disk that nothing encrypts.
fn keep_to_the_owner() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    #[cfg(target_os = "linux")]
    // A kernel without it leaves what people without Starling have too.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
