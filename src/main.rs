//! The `starling` program.

mod cli;
mod demo;
mod swarm;

fn main() -> std::process::ExitCode {
    cli::main()
}
