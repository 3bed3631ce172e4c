//! Starling's core: the protocol and the messenger's meaning, without any I/O.

pub mod border;
pub mod carry;
pub mod chat;
pub mod crypto;
pub mod gossip;
pub mod id;
pub mod link;
pub mod node;
pub mod outbox;
pub mod rng;
pub mod store;
pub mod time;
pub mod view;
pub mod wire;

pub use border::{
    BeaconKind, CloseReason, Command, Event, Input, Lane, Medium, Output, Profile, Refusal, Reply, Role,
};
pub use id::{
    AccountId, Ack, AckCommit, CommandId, DeviceId, EnvelopeId, Invite, LinkId, MessageId, Seq, Tag,
};
pub use node::{Config, Node, StartError};
pub use outbox::Outbox;
pub use store::{Memory, Read, ReadError, StoreOp, Table};
pub use time::{Now, Time, Wall};
