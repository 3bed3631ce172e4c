//! The Bluetooth of this machine as radios: BlueZ on Linux. Other systems have none in this version, and say so.

use super::radio::Radio;

/// How the system's Bluetooth is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemConfig {
    /// Whether L2CAP channels carry values where both ends have them: in order, and several times as fast as
    /// characteristics. Default: true.
    pub channels: bool,
}

impl Default for SystemConfig {
    fn default() -> Self {
        Self { channels: true }
    }
}

/// Whether this program can use Bluetooth on this system at all.
pub const SUPPORTED: bool = cfg!(all(feature = "ble", target_os = "linux"));

/// [`radios_with`] the default configuration.
#[must_use]
pub fn radios(names: &[String]) -> Vec<Radio> {
    radios_with(names, SystemConfig::default())
}

/// The radios of these adapters (`hci0`), each on a thread of its own. Without names: the first that is there now.
///
/// Always one radio for each name: what is missing or switched off is told by its state, and comes back by itself.
#[must_use]
pub fn radios_with(names: &[String], config: SystemConfig) -> Vec<Radio> {
    let usual = || adapters().into_iter().next().unwrap_or_else(|| USUAL.to_owned());
    if names.is_empty() {
        return vec![radio(usual(), config)];
    }
    names.iter().map(|name| radio(name.clone(), config)).collect()
}

/// The adapters of this machine that the kernel knows, switched on or not, in order.
#[must_use]
pub fn adapters() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/class/bluetooth").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    // Connections stand there too, as hci0:16.
    let mut names: Vec<_> = names.filter(|name| name.starts_with("hci") && !name.contains(':')).collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

/// Whether the system lets adapters go by addresses that change, as BlueZ's configuration says. `None`: nothing is known,
/// as on other systems or where the configuration cannot be read (in a container it may be another's).
///
/// Without it whoever listens nearby can follow the adapter, whatever Starling itself changes.
#[must_use]
pub fn privacy() -> Option<bool> {
    if !SUPPORTED {
        return None;
    }
    let configuration = std::fs::read_to_string("/etc/bluetooth/main.conf").ok()?;
    Some(asks_for_privacy(&configuration))
}

/// `Privacy` under `[General]`: off is what BlueZ does where nothing else is said.
fn asks_for_privacy(configuration: &str) -> bool {
    let mut section = "";
    let mut privacy = "off";
    for line in configuration.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, value)) = line.split_once('=')
            && section == "General"
            && key.trim() == "Privacy"
        {
            privacy = value.trim();
        }
    }
    matches!(privacy, "network/on" | "network" | "on" | "device" | "limited-network" | "limited-device")
}

/// How the first adapter of a machine is called, where none is there yet.
const USUAL: &str = "hci0";

#[cfg(all(feature = "ble", target_os = "linux"))]
use super::linux::radio;

/// A radio that says why there is none, as long as somebody orders it to do something.
#[cfg(not(all(feature = "ble", target_os = "linux")))]
fn radio(name: String, _: SystemConfig) -> Radio {
    use super::radio::{MAX_EVENTS, MAX_ORDERS, RadioEvent, RadioState};
    use tokio::sync::mpsc;
    let (orders, mut ordered) = mpsc::channel(MAX_ORDERS);
    let (tell, events) = mpsc::channel(MAX_EVENTS);
    let reason = match cfg!(feature = "ble") {
        true => "this version has no Bluetooth for this system",
        false => "this program was built without Bluetooth",
    };
    tokio::spawn(async move {
        // Who does not listen any more needs no word.
        let _ = tell.send(RadioEvent::State(RadioState::Broken { reason: reason.to_owned() })).await;
        while ordered.recv().await.is_some() {}
    });
    Radio { name, orders, events }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privacy_is_what_stands_last_in_its_section_and_off_where_nothing_does() {
        for (configuration, asked) in [
            ("", false),
            ("[General]\nName = x\n# Privacy = device\n", false),
            ("[General]\nPrivacy = device\n", true),
            ("[General]\n  Privacy=network/on\n[GATT]\nCache = no\n", true),
            ("[General]\nPrivacy = device\nPrivacy = off\n", false),
            ("[Policy]\nPrivacy = device\n", false),
            ("[General]\nPrivacy = nonsense\n", false),
        ] {
            assert_eq!(asks_for_privacy(configuration), asked, "{configuration}");
        }
    }
}
