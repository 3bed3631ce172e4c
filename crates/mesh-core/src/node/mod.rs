//! The node: joins the layers, routes inputs, drains the outbox.

pub mod mesh;

use crate::border::{Input, Output};
use crate::id::{AccountId, MessageId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError};
use crate::time::{Now, Time};
use crate::view::{
    BeaconView, ContactView, IdentityView, InfoView, InviteView, MessageView, PeerView, StatusView,
};

/// The limits and defaults of every layer.
#[derive(Clone, Debug, Default)]
pub struct Config {}

/// The node cannot be built from what storage holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Storage holds no identity: the node must be created first.
    #[error("there is no identity here yet")]
    NoIdentity,
    /// Storage could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// One messenger: everything that it knows, does and decides.
#[allow(missing_debug_implementations, reason = "holds secrets")]
pub struct Node {
    outbox: Outbox,
    #[expect(dead_code, reason = "the layers read through it")]
    read: Box<dyn Read>,
}

impl Node {
    /// A new person on a new device; its records are among the first outputs.
    ///
    /// # Errors
    /// Where `read` fails.
    pub fn create(
        _config: Config,
        _seed: [u8; 32],
        _now: Now,
        _name: &str,
        read: Box<dyn Read>,
    ) -> Result<Self, StartError> {
        Ok(Self { outbox: Outbox::default(), read })
    }

    /// The node as storage has it.
    ///
    /// # Errors
    /// [`StartError::NoIdentity`] in an empty store; where a record cannot be read.
    pub fn restore(
        _config: Config,
        _seed: [u8; 32],
        _now: Now,
        _read: Box<dyn Read>,
    ) -> Result<Self, StartError> {
        Err(StartError::NoIdentity)
    }

    /// Takes in what happened. Cannot fail: remote faults are counted, refused commands are answered.
    pub fn handle(&mut self, _now: Now, _input: Input<'_>) {}

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    /// When a [`Input::Tick`] is due, and which layer asked.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<(Time, &'static str)> {
        None
    }

    /// Who we are.
    #[must_use]
    pub fn identity(&self) -> IdentityView {
        todo!()
    }

    /// Everybody we know, by shown name.
    #[must_use]
    pub fn contacts(&self) -> Vec<ContactView> {
        todo!()
    }

    /// The live invites, oldest first.
    #[must_use]
    pub fn invites(&self) -> Vec<InviteView> {
        todo!()
    }

    /// The messages of one conversation, or of all, oldest first.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn messages(&self, _with: Option<AccountId>) -> Result<Vec<MessageView>, ReadError> {
        todo!()
    }

    /// Where a message is; `None` for an unknown one.
    #[must_use]
    pub fn info(&self, _now: Now, _message: MessageId) -> Option<InfoView> {
        todo!()
    }

    /// The live links.
    #[must_use]
    pub fn peers(&self, _now: Now) -> Vec<PeerView> {
        todo!()
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> StatusView {
        todo!()
    }

    /// The beacons that live, newest first.
    #[must_use]
    pub fn beacons(&self, _now: Now) -> Vec<BeaconView> {
        todo!()
    }
}
