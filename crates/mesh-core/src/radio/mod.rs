//! The radio side of a node, without any radio: what it advertises, whom it links to, what that may cost
//! (PROTOCOL.md section 4.8).
//!
//! On a network everybody may be everybody's neighbour. A radio as in telephones holds some six links, and hears a
//! hundred others. So a node says in six bytes whether a link to it would be of use ([`Advert`]), says it anew at a pace
//! that follows what changes ([`Herald`]), and keeps a handful of links to neighbours drawn by chance, which change every
//! minute or two, so that what one part of a crowd knows reaches all others ([`Overlay`]). [`Battery`] says how much of
//! a telephone's day all this may take.
//!
//! All of it is data in and data out, like the rest of the core. [`Herald`] is driven by the node; [`Overlay`] by the
//! transport, which alone knows whom its radio hears under which address.

mod advert;
mod battery;
mod herald;
pub mod overlay;
mod trickle;

pub use advert::{ADVERT_LEN, Advert};
pub use battery::{Battery, Pace};
pub use herald::{Config, Herald, MAX_HEARD};
pub use overlay::Overlay;
