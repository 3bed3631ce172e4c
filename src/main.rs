//! The `starling` program.

mod cli;
mod demo;
mod swarm;

/// A message costs some hundred small allocations on three threads, which the system's allocator hands around
/// under locks and gives back to the kernel page by page. Chosen here: a library leaves that to its program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    keep_private();
    cli::main()
}

/// Files are for this person alone, also those that a library makes; and no image of the memory, which holds
/// keys, is left on a disk or handed to another program.
fn keep_private() {
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // Where an old system cannot do it, everything else works.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}
