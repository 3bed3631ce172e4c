//! Whether the adapter and BlueZ are there: signals of the bus, on a connection of their own.

use dbus::Message;
use dbus::arg::PropMap;
use dbus::channel::MatchingReceiver as _;
use dbus::message::MatchRule;
use dbus::nonblock::{MsgMatch, SyncConnection};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const BLUEZ: &str = "org.bluez";
const BUS: &str = "org.freedesktop.DBus";

/// Wakes when an adapter or BlueZ itself came, went, or was switched.
pub(super) struct Watch {
    changed: mpsc::Receiver<()>,
    // All end with this; a rule that is dropped is forgotten without a word.
    _connection: Arc<SyncConnection>,
    rules: Vec<MsgMatch>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Watches the adapter of this name, whether or not it is there.
    ///
    /// # Errors
    ///
    /// The name of what the bus says.
    pub(super) async fn new(adapter: &str) -> Result<Self, dbus::Error> {
        let (resource, connection) = dbus_tokio::connection::new_system_sync()?;
        // One that waits is enough: who wakes looks at everything.
        let (tell, changed) = mpsc::channel(1);
        let over = tell.clone();
        let task = tokio::spawn(async move {
            drop(resource.await);
            let _ = over.try_send(());
        });
        let mut watch = Self { changed, _connection: Arc::clone(&connection), rules: Vec::new(), task };
        // Of all the names on the bus only this one: a rule that the crate's own type cannot say.
        connection
            .add_match_no_cb(&format!(
                "type='signal',sender='{BUS}',member='NameOwnerChanged',arg0='{BLUEZ}'"
            ))
            .await?;
        let owner = tell.clone();
        let told = Box::new(move |message: Message, _: &SyncConnection| {
            if matters(&message) {
                let _ = owner.try_send(());
            }
            true
        });
        connection.start_receive(MatchRule::new_signal(BUS, "NameOwnerChanged"), told);
        let switched = MatchRule::new_signal("org.freedesktop.DBus.Properties", "PropertiesChanged");
        let wanted = [
            MatchRule::new_signal("org.freedesktop.DBus.ObjectManager", "InterfacesAdded").with_sender(BLUEZ),
            MatchRule::new_signal("org.freedesktop.DBus.ObjectManager", "InterfacesRemoved")
                .with_sender(BLUEZ),
            switched.with_sender(BLUEZ).with_path(format!("/org/bluez/{adapter}")),
        ];
        for rule in wanted {
            let tell = tell.clone();
            let told = move |message: Message| {
                if matters(&message) {
                    let _ = tell.try_send(());
                }
                true
            };
            watch.rules.push(connection.add_match(rule).await?.msg_cb(told));
        }
        Ok(watch)
    }

    /// Waits for the next change.
    pub(super) async fn changed(&mut self) {
        if self.changed.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn matters(message: &Message) -> bool {
    match message.member().as_deref() {
        Some("NameOwnerChanged") => message.read1::<&str>().is_ok_and(|name| name == BLUEZ),
        Some("InterfacesAdded" | "InterfacesRemoved") => {
            message.read1::<dbus::Path<'_>>().is_ok_and(|path| is_adapter(&path))
        }
        Some("PropertiesChanged") => {
            let changed = message.read2::<&str, PropMap>();
            changed.is_ok_and(|(_, properties)| properties.contains_key("Powered"))
        }
        _ => false,
    }
}

/// Whether the object is an adapter, and none of the devices below one.
fn is_adapter(path: &str) -> bool {
    path.strip_prefix("/org/bluez/").is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dbus::arg::Variant;

    fn signal(interface: &str, member: &str) -> Message {
        Message::signal(&"/org/bluez/hci0".into(), &interface.into(), &member.into())
    }

    #[test]
    fn adapters_are_told_from_their_devices() {
        assert!(is_adapter("/org/bluez/hci0"));
        assert!(!is_adapter("/org/bluez/hci0/dev_00_11_22_33_44_55"));
        assert!(!is_adapter("/org/bluez"));
        assert!(!is_adapter("/org/bluez/"));
    }

    #[test]
    fn only_what_may_change_the_state_wakes() {
        let properties = |name: &str| {
            let mut map = PropMap::new();
            map.insert(name.to_owned(), Variant(Box::new(true)));
            signal("org.freedesktop.DBus.Properties", "PropertiesChanged").append2("org.bluez.Adapter1", map)
        };
        assert!(matters(&properties("Powered")));
        assert!(!matters(&properties("Discovering")));
        let owner = |name: &str| signal(BUS, "NameOwnerChanged").append3(name, "", ":1.5");
        assert!(matters(&owner(BLUEZ)));
        assert!(!matters(&owner("org.example")));
    }
}
