//! The radios of this system.

use super::radio::{Radio, RadioEvent, RadioState};
use tokio::sync::mpsc;

/// The adapter that is used where nobody names one.
const USUAL: &str = "hci0";

/// One radio for each name; without names the first adapter. Each tells its own state: also that there is none.
///
/// No system's Bluetooth is spoken to yet: every radio says [`RadioState::Missing`].
#[must_use]
pub fn radios(names: &[String]) -> Vec<Radio> {
    let usual = [USUAL.to_owned()];
    let names = if names.is_empty() { &usual[..] } else { names };
    names.iter().map(|name| missing(name.clone())).collect()
}

/// A radio that is not there, and lives as long as somebody orders it to do something.
fn missing(name: String) -> Radio {
    let (orders, mut ordered) = mpsc::channel(super::radio::MAX_ORDERS);
    let (told, events) = mpsc::channel(super::radio::MAX_EVENTS);
    tokio::spawn(async move {
        // A driver that is gone needs no word.
        let _ = told.send(RadioEvent::State(RadioState::Missing)).await;
        while ordered.recv().await.is_some() {}
    });
    Radio { name, orders, events }
}
