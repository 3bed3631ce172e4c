//! The encrypted channel of a link whose transport has no encryption of its own (PROTOCOL.md section 14.4): Noise XX,
//! then frames, each sealed whole.
//!
//! The pipe below delivers every message once and in the order of its stream, so nonces are counted at both ends and
//! none is sent: a message costs its tag of 16 bytes and nothing else. Whole messages are sealed, not the pieces in
//! which they cross: at the smallest Bluetooth payload a tag for each piece would be longer than the piece.

use super::dh::X25519Secret;
use super::noise::{self, Pattern};
use crate::border::Role;
use crate::rng::Rng;
use crate::wire::frame::MAX_FRAME;
use core::fmt;
use snow::{HandshakeState, StatelessTransportState};

/// What both ends mix in first, so that no other protocol's handshake is one of ours.
const PROLOGUE: &[u8] = b"starling/1 bluetooth link";
/// Bytes of an authentication tag.
const TAG: usize = 16;
/// The most plaintext of one Noise message (Noise, section 3).
const MAX_PART: usize = 65_535 - TAG;
/// The longest handshake message of XX: `e, ee, s, es` with an encrypted static key and an empty payload.
pub const MAX_HANDSHAKE: usize = 96;
/// The longest sealed message: the longest frame takes two Noise messages.
pub const MAX_SEALED: usize = MAX_FRAME + 2 * TAG;

/// Which of a direction's streams a message belongs to. Each is ordered in itself and has its own count of nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Stream {
    /// Frames of the control lane.
    Control = 0,
    /// Frames of the bulk lane.
    Bulk = 1,
    /// What the two transports tell one another.
    Notice = 2,
}

/// Why a channel cannot go on; the link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// A handshake message that no correct neighbour sends.
    #[error("a handshake message of {got} bytes is wrong")]
    Handshake {
        /// Its length.
        got: usize,
    },
    /// A message that was not sealed for this place of this stream, or is damaged.
    #[error("a message of {got} bytes does not open")]
    Sealed {
        /// Its length.
        got: usize,
    },
    /// A frame that is empty or too long to be sealed.
    #[error("a frame of {got} bytes, 1 to {MAX_FRAME} are allowed")]
    Length {
        /// Its length.
        got: usize,
    },
}

/// A handshake under way.
pub struct Handshake {
    state: HandshakeState,
    ours: [u8; 32],
}

/// What a handshake message led to.
#[derive(Debug)]
pub enum Step {
    /// A reply is to be sent, and one more message must come.
    Reply(Box<Handshake>, Vec<u8>),
    /// The channel stands; where there is a last message, it is sent before anything else.
    Done(Box<Channel>, Option<Vec<u8>>),
}

impl Handshake {
    /// Begins as the end that opened the link; gives the first message. `key` is this end's static key: made for one
    /// rotation, never a device's, since the neighbour learns it.
    ///
    /// # Panics
    /// Never: the pattern, its keys and the buffer fit together.
    #[must_use]
    pub fn dial(key: &X25519Secret, rng: Rng) -> (Self, Vec<u8>) {
        let mut dialer = Self::new(Role::Dialer, key, rng);
        let first = dialer.write().expect("the first message of XX needs no remote bytes");
        (dialer, first)
    }

    /// Waits for the first message at the other end.
    #[must_use]
    pub fn listen(key: &X25519Secret, rng: Rng) -> Self {
        Self::new(Role::Listener, key, rng)
    }

    fn new(role: Role, key: &X25519Secret, rng: Rng) -> Self {
        let builder = noise::builder(Pattern::Link, rng)
            .prologue(PROLOGUE)
            .and_then(|builder| builder.local_private_key(key.private()))
            .expect("each is set once");
        let state = match role {
            Role::Dialer => builder.build_initiator(),
            Role::Listener => builder.build_responder(),
        };
        Self { state: state.expect("XX needs a static key and nothing else"), ours: key.public() }
    }

    /// Takes the far end's next message.
    ///
    /// # Errors
    /// [`ChannelError::Handshake`] for anything that is not exactly the expected message: the link ends.
    pub fn read(mut self, message: &[u8]) -> Result<Step, ChannelError> {
        let wrong = ChannelError::Handshake { got: message.len() };
        if message.len() > MAX_HANDSHAKE {
            return Err(wrong);
        }
        let mut payload = [0; MAX_HANDSHAKE];
        let length = self.state.read_message(message, &mut payload).map_err(|_| wrong)?;
        if length != 0 {
            return Err(wrong);
        }
        if self.state.is_handshake_finished() {
            return Ok(Step::Done(Box::new(self.channel()?), None));
        }
        let reply = self.write().ok_or(wrong)?;
        if self.state.is_handshake_finished() {
            return Ok(Step::Done(Box::new(self.channel()?), Some(reply)));
        }
        Ok(Step::Reply(Box::new(self), reply))
    }

    fn write(&mut self) -> Option<Vec<u8>> {
        let mut message = vec![0; MAX_HANDSHAKE];
        let length = self.state.write_message(&[], &mut message).ok()?;
        message.truncate(length);
        Some(message)
    }

    fn channel(self) -> Result<Channel, ChannelError> {
        let unfinished = ChannelError::Handshake { got: 0 };
        let binding = self.state.get_handshake_hash().try_into().map_err(|_| unfinished)?;
        let theirs = self.state.get_remote_static().and_then(|key| key.try_into().ok()).ok_or(unfinished)?;
        let state = self.state.into_stateless_transport_mode().map_err(|_| unfinished)?;
        Ok(Channel { state, binding, ours: self.ours, theirs, sealed: [0; 3], opened: [0; 3] })
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state: _, ours: _ } = self;
        f.write_str("Handshake(..)")
    }
}

/// A channel that stands: it seals what is sent and opens what comes.
///
/// A nonce is `count << 3 | stream << 1 | more`, where `count` counts the Noise messages of a stream in one direction
/// and `more` says that another part of the frame follows. Neither can be changed on the way unnoticed.
pub struct Channel {
    state: StatelessTransportState,
    binding: [u8; 32],
    ours: [u8; 32],
    theirs: [u8; 32],
    sealed: [u64; 3],
    opened: [u64; 3],
}

impl Channel {
    /// What both ends share and no other link has: the hash of the handshake.
    #[must_use]
    pub fn binding(&self) -> [u8; 32] {
        self.binding
    }

    /// This end's static public key.
    #[must_use]
    pub fn ours(&self) -> [u8; 32] {
        self.ours
    }

    /// The far end's static public key: proved, and good for one rotation.
    #[must_use]
    pub fn theirs(&self) -> [u8; 32] {
        self.theirs
    }

    /// Seals one frame. What is sealed must be sent, in this order within its stream.
    ///
    /// # Errors
    /// [`ChannelError::Length`] for a frame that is empty or longer than [`MAX_FRAME`].
    pub fn seal(&mut self, stream: Stream, frame: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let wrong = ChannelError::Length { got: frame.len() };
        if frame.is_empty() || frame.len() > MAX_FRAME {
            return Err(wrong);
        }
        let parts = frame.len().div_ceil(MAX_PART);
        let mut sealed = vec![0; frame.len() + parts * TAG];
        let mut end = 0;
        for (index, part) in frame.chunks(MAX_PART).enumerate() {
            let nonce = take_nonce(&mut self.sealed, stream, index + 1 < parts);
            end += self.state.write_message(nonce, part, &mut sealed[end..]).map_err(|_| wrong)?;
        }
        Ok(sealed)
    }

    /// Opens the next message of a stream.
    ///
    /// # Errors
    /// [`ChannelError::Sealed`] for a message that is not the next one of this stream, whole and unchanged.
    pub fn open(&mut self, stream: Stream, sealed: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let wrong = ChannelError::Sealed { got: sealed.len() };
        if sealed.len() <= TAG || sealed.len() > MAX_SEALED {
            return Err(wrong);
        }
        let parts = sealed.len().div_ceil(MAX_PART + TAG);
        let length = sealed.len().checked_sub(parts * TAG).ok_or(wrong)?;
        let mut frame = vec![0; length];
        let mut end = 0;
        for (index, part) in sealed.chunks(MAX_PART + TAG).enumerate() {
            let nonce = take_nonce(&mut self.opened, stream, index + 1 < parts);
            end += self.state.read_message(nonce, part, &mut frame[end..]).map_err(|_| wrong)?;
        }
        Ok(frame)
    }
}

fn take_nonce(counts: &mut [u64; 3], stream: Stream, more: bool) -> u64 {
    let count = &mut counts[stream as usize];
    let nonce = *count << 3 | (stream as u64) << 1 | u64::from(more);
    *count += 1;
    nonce
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state: _, binding: _, ours: _, theirs: _, sealed, opened } = self;
        f.debug_struct("Channel").field("sealed", sealed).field("opened", opened).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
