//! The `starling` program.

fn main() {}
