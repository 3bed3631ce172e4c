//! Starling's core: the protocol and the messenger's meaning, without any I/O.
//!
//! # What it is
//!
//! A [`Node`] is one person's device: keys, contacts, conversations, and a bag of sealed envelopes that it
//! carries for others. It opens no socket, reads no clock, owns no file and starts no thread. A *shell*
//! around it does all that: the `starling` program with real radios and disks, or `mesh-sim` with virtual
//! ones. Both run the same node.
//!
//! What happens to a text, from one end to the other:
//!
//! 1. `chat` takes it into custody: it stays with its author until it is receipted or 90 days old.
//! 2. `crypto` seals it: a Megolm message of the sender's session, inside a Noise envelope under a key that
//!    serves once. Nothing outside names writer or reader.
//! 3. `carry` puts the envelope into the bag; `gossip` tells the neighbours its name, and hands it to those
//!    who ask. Each crosses a pair of nodes once. `link` orders what leaves over one pipe.
//! 4. A carrier does the same. It sees a tag, a size and an age, and opens nothing.
//! 5. The reader finds the tag among those it expects, opens, and publishes the receipt: 16 bytes that only
//!    the envelope's inside tells. Every carrier that hears it lets the envelope go.
//!
//! # The border
//!
//! Everything enters as an [`Input`] through [`Node::handle`], which cannot fail; everything leaves as an
//! [`Output`] through [`Node::poll_output`]. What front ends read (messages, contacts, peers) are plain
//! methods that return the types of [`view`]. [`Node::next_wakeup`] says when an [`Input::Tick`] is due, and
//! which layer asked.
//!
//! The outputs of one input belong together, and their order is a promise: **store, send, tell**. All
//! [`Output::Store`] of an input are one atomic batch. Only when it is durable may the shell transmit, and
//! only then tell people. If it cannot be made durable, the shell drops the rest and rebuilds the node with
//! [`Node::restore`] from what is: no key was used on the air that the disk does not know as used.
//!
//! # The loop
//!
//! ```
//! use mesh_core::{Command, CommandId, Config, Event, Input, Memory, Node, Now, Output, Reply, Time, Wall};
//!
//! let disk = Memory::default();
//! let now = Now { mono: Time(0), wall: Wall(1_767_225_600) };
//! let mut node = Node::create(Config::default(), [7; 32], now, "Asha", Box::new(disk.clone()))?;
//!
//! // One input...
//! let invite = Command::InviteNew { uses: Some(1), lifetime: None };
//! node.handle(now, Input::Command(CommandId(1), invite));
//!
//! // ...and its outputs: first everything to be stored, as one batch; then the rest, in order.
//! let outputs: Vec<Output> = std::iter::from_fn(|| node.poll_output()).collect();
//! disk.apply(outputs.iter().filter_map(|output| match output {
//!     Output::Store(op) => Some(op.clone()),
//!     _ => None,
//! }));
//! for output in outputs {
//!     match output {
//!         Output::Send { link, lane, frame } => drop((link, lane, frame)), // to the transport
//!         Output::Notify(_, Event::Answered { result, .. }) => {
//!             let Ok(Reply::Invite(invite)) = result else { panic!("{result:?}") };
//!             assert!(invite.link.starts_with("STARLING:1/"));
//!         }
//!         _ => {}
//!     }
//! }
//!
//! // Until something comes, sleep until the node wants a tick.
//! let (when, who) = node.next_wakeup().expect("the clock is saved now and then");
//! println!("{who} is due at {when:?}");
//!
//! // Another process goes on where this one was.
//! let again = Node::restore(Config::default(), [8; 32], now, Box::new(disk))?;
//! assert_eq!(again.identity().account, node.identity().account);
//! # Ok::<(), mesh_core::StartError>(())
//! ```
//!
//! `examples/two_nodes.rs` joins two nodes by a cable and lets a text cross it.
//!
//! # Layers
//!
//! | module | what lives there |
//! |---|---|
//! | [`border`], [`id`], [`time`], [`rng`], [`store`], [`outbox`], [`view`] | the base: what crosses the border, and what every layer is given |
//! | [`wire`] | bytes to types and back, with a limit on every decode |
//! | [`crypto`] | identities, seals, sessions |
//! | [`link`] | one neighbour: hello, versions, recognition, sign of life, order of frames |
//! | [`carry`] | the bag: quota, age, tombstones, receipts that end things |
//! | [`gossip`] | who gets what: digests, reconciliation, have and want |
//! | [`chat`] | people and conversations, as folds of events in any order |
//! | [`radio`] | what a radio with few places advertises, whom it links to, what that may cost |
//! | [`node`] | joins them; its `ingest` is the one way in for whatever arrives |
//!
//! A layer has one shape: a `State`, methods that take `now`, what happened and an [`Outbox`], and answers as
//! data. Layers do not import one another, except `wire`, and `crypto` where they seal or open. Inside `node`,
//! `mesh` joins link, carry and gossip, so that the neighbourhood can be tested without people.
//!
//! # Time, randomness and storage are arguments
//!
//! * *Time.* [`Now`] holds a monotonic clock, which drives every timer and every age, and the wall clock,
//!   which is shown and decides nothing: it may say 1970 or 2036. The node adds its runs up to one life.
//! * *Randomness.* A node is given a seed of 32 bytes and forks its generators from it. The program takes it
//!   from the operating system at every start, the simulator from its own. vodozemac draws for itself, so it
//!   stands behind [`crypto::ratchet::Ratchet`], which has a seeded twin.
//! * *Storage.* Reads are synchronous calls of [`Read`], which see everything that left before; writes are
//!   outputs. [`Memory`] is the twin of the real thing.
//!
//! So the same seed and the same inputs give the same outputs, in any process.
//!
//! # Panics
//!
//! A panic is a bug. Remote bytes are data of which nothing is known: they are decoded with limits, a wrong
//! one is counted, lowers its link's score and is told as [`Event::Fault`]. A command that cannot be carried
//! out is answered with a [`Refusal`] and has changed nothing. Every `expect` names the invariant on which it
//! rests. `unsafe` is forbidden.

pub mod border;
pub mod carry;
pub mod chat;
pub mod crypto;
pub mod gossip;
pub mod id;
pub mod link;
pub mod node;
pub mod outbox;
pub mod radio;
pub mod rng;
pub mod store;
pub mod time;
pub mod view;
pub mod wire;

pub use border::{
    Arrangement, BeaconKind, CloseReason, Command, Event, Input, Lane, Medium, Output, Profile, Refusal,
    Remark, Reply, Role, TalkCommand,
};
pub use id::{
    AccountId, Ack, AckCommit, CommandId, ConversationId, DeviceId, EnvelopeId, GroupId, Invite, LinkId,
    MessageId, Seq, Tag,
};
pub use node::{Config, Node, Seals, StartError};
pub use outbox::Outbox;
pub use store::{Memory, Read, ReadError, StoreOp, Table};
pub use time::{Now, Time, Wall};
