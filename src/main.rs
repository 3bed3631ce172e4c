//! The `starling` program.

mod cli;
mod demo;

fn main() -> std::process::ExitCode {
    cli::main()
}
