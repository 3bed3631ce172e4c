//! Many nodes in one virtual world.
//!
//! A [`World`] is a shell around many real [`Node`](mesh_core::Node)s. It drives them through their public
//! border only and plays everything around them: time, pipes with latency, rate and loss, storage that
//! survives a crash, clocks that are wrong, and neighbours that do not keep to the protocol. An hour takes
//! as long as what happens in it.
//!
//! ```
//! use core::time::Duration;
//! use mesh_core::Command;
//! use mesh_sim::World;
//!
//! let mut world = World::new(7);
//! let (asha, courier, mina) = (world.add("Asha"), world.add("Ravi"), world.add("Mina"));
//! let (ashas, minas) = (world.node(asha).identity(), world.node(mina).identity());
//! world.command(asha, Command::Add { link: minas.link, petname: None })?;
//! world.command(mina, Command::Add { link: ashas.link, petname: None })?;
//! let text = "Are you safe?".to_owned();
//! world.command(asha, Command::Send { to: minas.account, text, message: None })?;
//!
//! // Asha and Mina never meet.
//! world.connect(asha, courier);
//! world.run_for(Duration::from_secs(60));
//! world.disconnect(asha, courier);
//! world.connect(courier, mina);
//! let arrived = world.run_until(Duration::from_secs(60), |world| {
//!     world.node(mina).messages(None).is_ok_and(|messages| messages.len() == 1)
//! });
//! assert!(arrived);
//! # Ok::<(), mesh_core::Refusal>(())
//! ```
//!
//! # What happens when
//!
//! All happenings stand in one agenda, ordered by time and then by the order in which they were planned.
//! Taking one moves the clock and gives one input to one node; its outputs are stored, then sent, then told,
//! as every shell must do it. [`World::crash`] keeps what was stored and nothing else;
//! [`World::lose_next_commit`] drops a batch with all that would have followed it.
//!
//! # What is promised
//!
//! Everything in a world follows from its seed: the same seed gives the same run, and
//! [`World::trace_hash`] says so across processes. vodozemac draws its own randomness; [`World::with`] builds
//! nodes with a seeded ratchet where that matters.

pub mod attack;
pub mod baseline;
mod change;
pub mod compare;
mod contact;
mod counters;
mod draft;
mod energy;
pub mod faults;
pub mod field;
pub mod invariants;
pub mod mobility;
mod observe;
pub mod one;
pub mod oracle;
mod outcome;
mod pipe;
mod protocol;
mod radio;
pub mod report;
pub mod runner;
pub mod scenario;
mod splitmix;
pub mod stats;
pub mod trace;
pub mod workload;
mod world;

pub use change::Change;
pub use contact::{Contact, Meeting, Mobility};
pub use counters::{Counters, Losses};
pub use draft::{Audience, Draft};
pub use energy::Power;
pub use mobility::{Movement, TraceReplay, contacts};
pub use observe::{Loss, Observer, Passage};
pub use oracle::{Creation, Crossing, Draw, Foresight, Oracle};
pub use outcome::{ClassOutcome, Delivery, Outcome, Recording, Sample, Scene, Violation};
pub use pipe::{Pipe, Raw};
pub use protocol::{Act, Protocol, Starling};
pub use radio::{Faults, Radio};
pub use trace::{AnyTrace, OneEvents, Trace, TraceError};
pub use workload::Workload;
pub use world::{NodeIx, Seal, Sent, World};
