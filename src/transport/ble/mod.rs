//! Links over Bluetooth Low Energy: the second way to neighbours, where there is no network at all.

mod pipe;
pub mod radio;
mod receive;
mod transmit;
mod value;
