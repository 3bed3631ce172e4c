//! Fuzzing targets of Starling's core; the functions themselves are in [`entries`].

pub mod entries;
