//! The integration tests, in one binary: linking is what costs.

mod cli_basics;
mod cli_errors;
mod cli_mesh;
mod cli_rig;
