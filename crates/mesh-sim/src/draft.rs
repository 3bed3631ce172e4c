//! What shall be written during a run.

/// A message that somebody will write, as the workload plans it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its number, from 0; unique in a run.
    pub number: u32,
    /// When it is written, in milliseconds of the world.
    pub at: u64,
    /// Who writes it.
    pub from: u32,
    /// For whom it is.
    pub to: Audience,
    /// Length of its text in bytes, at least 12: the number stands in it.
    pub bytes: u32,
}

/// For whom a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// One person.
    One(u32),
    /// Several people, each with a message of their own.
    Each(Vec<u32>),
    /// Everybody who can be reached: a public beacon.
    Everybody,
}
