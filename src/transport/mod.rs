//! Link providers: what opens pipes to neighbours and carries frames over them.

pub mod lan;

use mesh_core::{CloseReason, Lane, LinkId, Profile, Role};

/// What a transport tells the daemon; each becomes one [`mesh_core::Input`].
#[derive(Debug)]
pub enum TransportEvent {
    /// A pipe stands, both of its lanes are open.
    Up {
        /// From [`LinkIds::next`].
        link: LinkId,
        /// Who opened it.
        role: Role,
        /// Shared by both ends and no other link (PROTOCOL.md section 4).
        binding: [u8; 32],
        /// What kind of pipe.
        profile: Profile,
    },
    /// The pipe is gone.
    Down {
        /// Which.
        link: LinkId,
    },
    /// The bulk lane takes `credit` more bytes.
    Ready {
        /// Which.
        link: LinkId,
        /// Bytes, added to earlier grants.
        credit: u32,
    },
    /// A whole frame arrived.
    Frame {
        /// From which link.
        link: LinkId,
        /// At most [`mesh_core::link::MAX_FRAME`] bytes.
        bytes: Vec<u8>,
    },
}

/// Orders to a transport. Never blocks; what a dead link is told is dropped.
pub trait Transport: Send + Sync {
    /// Transmits frames; frames of one lane stay in order. What is handed over together leaves together.
    fn send(&self, link: LinkId, lane: Lane, frames: Vec<Vec<u8>>);
    /// Closes a link.
    fn close(&self, link: LinkId, why: CloseReason);
}

/// Hands out link ids that no other transport of this process has.
#[derive(Clone, Debug, Default)]
pub struct LinkIds(std::sync::Arc<std::sync::atomic::AtomicU64>);

impl LinkIds {
    /// A fresh id.
    #[must_use]
    pub fn next(&self) -> LinkId {
        LinkId(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
    }
}
