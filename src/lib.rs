//! Starling around its core: storage, radios, programs' and people's doors.

pub mod store;
pub mod transport;
