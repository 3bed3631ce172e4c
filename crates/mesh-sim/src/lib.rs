//! Many nodes in one virtual world.
//!
//! A [`World`] holds real [`Node`](mesh_core::Node)s, drives them through their public border only, and plays
//! everything around them: time, pipes with latency, rate and loss, storage that survives a crash, clocks that
//! are wrong, and neighbours that do not keep to the protocol. The same seed gives the same run.
//!
//! ```text
//! let mut world = World::new(7);
//! let (a, b) = (world.add("Ada"), world.add("Ben"));
//! world.connect(a, b);
//! world.run_for(Duration::from_secs(5));
//! ```

mod pipe;
#[cfg(test)]
mod tests;
mod world;

pub use pipe::{Pipe, Raw};
pub use world::{NodeIx, Sent, World};
