//! Many nodes in one virtual world.
//!
//! A [`World`] is a shell around many real [`Node`](mesh_core::Node)s. It drives them through their public
//! border only and plays everything around them: time, radios and cables, storage that survives a crash,
//! clocks that are wrong, batteries, people who walk about and write, and neighbours that do not keep to the
//! protocol. An hour takes as long as what happens in it.
//!
//! # By hand
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
//! world.command(asha, Command::Send { to: minas.account.into(), text, message: None })?;
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
//! # With movement
//!
//! Who meets whom is a [`Mobility`]; what a meeting is good for is a [`Radio`]. People are introduced before
//! the world begins, [`Draft`]s say who writes what, and an [`Observer`] sees it arrive.
//!
//! ```
//! use mesh_sim::mobility::Waypoint;
//! use mesh_sim::{Audience, Draft, Movement, NodeIx, Observer, Radio, Seal, World};
//! use std::sync::{Arc, Mutex};
//!
//! #[derive(Default)]
//! struct Arrivals(Vec<u64>);
//!
//! impl Observer for Arrivals {
//!     fn shown(&mut self, at: u64, _node: NodeIx, _number: u32) {
//!         self.0.push(at);
//!     }
//! }
//!
//! let mut world = World::sealed(7, Seal::Cheap);
//! for n in 0..20 {
//!     world.add(&format!("Person {n}"));
//! }
//! world.introduce(&[(NodeIx::from(3), NodeIx::from(12))]);
//! let arrivals = Arc::new(Mutex::new(Arrivals::default()));
//! world.observe(Box::new(Arc::clone(&arrivals)));
//!
//! let walks = Waypoint { width_m: 100.0, height_m: 100.0, ..Waypoint::default() };
//! let walking = Movement::Waypoint(walks).walk(20, 7, 16.0, 1_800).expect("possible values");
//! world.travel(walking, Radio::ble());
//! world.submit(&Draft { number: 0, at: 0, from: 3, to: Audience::One(12), bytes: 140 });
//! world.run_to(1_800_000);
//! assert_eq!(arrivals.lock().expect("nobody panicked with it").0.len(), 1);
//! println!("{:?}", world.counters());
//! ```
//!
//! # What happens when
//!
//! All happenings stand in one agenda, ordered by time and then by the order in which they were planned.
//! Taking one moves the clock and gives one input to one node; its outputs are stored, then sent, then told,
//! as every shell must do it. [`World::crash`] keeps what was stored and nothing else;
//! [`World::lose_next_commit`] drops a batch with all that would have followed it, [`World::lose_next_sends`]
//! only what would have followed. A [`Change`] is the same as data, for plans of faults that can be written
//! down and cut smaller. At one time, what is under way arrives before contacts end or begin.
//!
//! # What a link costs
//!
//! [`Radio`] documents it stage by stage: reach and bodies, discovery, connecting, places, airtime. The figures
//! are in [`Counters`], with what was lost and why in [`Losses`]. [`Radio::ideal`] is the radio of contact
//! traces, on which the [`Oracle`] knows the earliest arrival.
//!
//! # Protocols under test
//!
//! Whatever implements [`Protocol`] lives in the same world on the same contacts: `examples/own_protocol.rs`
//! floods in some fifty lines, `examples/own_mobility.rs` brings a movement of its own. [`World::add_wrapped`]
//! puts something between a real node and the world: an attacker, or a bug that was planted.
//!
//! # What is promised
//!
//! Everything in a world follows from its seed and from what is done to it: the same seed gives the same run, on
//! any thread and in any process, and [`World::trace_hash`] says so. The one exception is [`Seal::Product`]:
//! vodozemac draws its own randomness. [`Seal::Real`] keeps the outer seals and models what is inside;
//! [`Seal::Cheap`] is for very large worlds, and hides nothing.

pub mod attack;
pub mod baseline;
mod change;
pub mod circle;
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
mod units;
pub mod workload;
mod world;

pub use change::Change;
pub use circle::{Circle, GroupSpec};
pub use contact::{Contact, Meeting, Mobility};
pub use counters::{Counters, Losses};
pub use draft::{Audience, Draft};
pub use energy::Power;
pub use mobility::{Movement, TraceReplay, contacts};
pub use observe::{Loss, Observer, Passage};
pub use oracle::{Creation, Crossing, Draw, Foresight, Oracle};
pub use outcome::{ClassOutcome, Delivery, Outcome, Recording, Reliability, Sample, Scene, Violation};
pub use pipe::{Pipe, Raw};
pub use protocol::{Act, Protocol, Starling};
pub use radio::{Choosing, Faults, Radio};
pub use trace::{AnyTrace, OneEvents, Trace, TraceError};
pub use units::{Bytes, Rate, Share, Span};
pub use workload::Workload;
pub use world::{NodeIx, Seal, Sent, World};
