//! Links over Bluetooth Low Energy: the second way to neighbours, where there is no network at all.

pub mod radio;
