//! Who is heard: btleplug's events, made into adverts and disconnections.

use super::session::Told;
use super::{Address, COMPANY};
use crate::transport::ble::radio::Advert;
use btleplug::api::{Central as _, CentralEvent, Peripheral as _, PeripheralProperties};
use btleplug::platform::{Adapter, PeripheralId};
use futures::StreamExt as _;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Devices of any kind that are remembered; further ones take the place of who was heard longest ago.
const MAX_DEVICES: usize = 256;
/// The same advert is not told again within this time: BlueZ says each of its properties by itself.
const SAME: Duration = Duration::from_millis(250);

/// What is known of one device.
#[derive(Debug)]
struct Device {
    address: Address,
    advert: Option<Advert>,
    /// The last signal strength: each property of an advert is an event of its own.
    rssi: Option<i8>,
    /// When it was told last, and with what.
    told: Option<(Instant, Advert)>,
    heard: Instant,
}

/// Listens until the stream of events ends, which is the end of the bus.
///
/// The stream lives as long as the radio: bluez-async panics in a task of its own where one is dropped while events
/// come in.
pub(super) async fn listen(
    adapter: Adapter,
    mut events: impl futures::Stream<Item = CentralEvent> + Unpin,
    tell: mpsc::Sender<Told>,
) {
    let mut ears = Ears { adapter, devices: HashMap::new(), tell };
    while let Some(event) = events.next().await {
        if ears.on_event(event).await.is_err() {
            return;
        }
    }
}

struct Ears {
    adapter: Adapter,
    // btleplug's id has an order that means nothing: nothing goes through these in turn except to make room.
    devices: HashMap<PeripheralId, Device>,
    tell: mpsc::Sender<Told>,
}

/// The session has ended.
struct Over;

impl Ears {
    async fn on_event(&mut self, event: CentralEvent) -> Result<(), Over> {
        match event {
            CentralEvent::DeviceDiscovered(id) => self.look_at(&id).await.unwrap_or(Ok(())),
            CentralEvent::ManufacturerDataAdvertisement { id, manufacturer_data } => {
                self.known(&id).await;
                let Some(device) = self.devices.get_mut(&id) else { return Ok(()) };
                device.advert = advert(&manufacturer_data.into_iter().collect());
                self.say(&id).await
            }
            CentralEvent::RssiUpdate { id, rssi } => {
                self.known(&id).await;
                let Some(device) = self.devices.get_mut(&id) else { return Ok(()) };
                device.rssi = dbm(rssi);
                self.say(&id).await
            }
            CentralEvent::DeviceConnected(id) => self.moved(&id, Told::Came).await,
            CentralEvent::DeviceDisconnected(id) => self.moved(&id, Told::Gone).await,
            _ => Ok(()),
        }
    }

    /// Asks BlueZ for all it knows of a device. `None`: it knows none any more.
    async fn look_at(&mut self, id: &PeripheralId) -> Option<Result<(), Over>> {
        let peripheral = self.adapter.peripheral(id).await.ok()?;
        let properties = peripheral.properties().await.ok()??;
        self.remember(id.clone(), &properties);
        // Without a signal strength it comes from BlueZ's memory and not from the air.
        properties.rssi?;
        Some(self.say(id).await)
    }

    async fn known(&mut self, id: &PeripheralId) {
        if self.devices.contains_key(id) {
            return;
        }
        let Ok(peripheral) = self.adapter.peripheral(id).await else { return };
        if let Ok(Some(properties)) = peripheral.properties().await {
            self.remember(id.clone(), &properties);
        }
    }

    fn remember(&mut self, id: PeripheralId, properties: &PeripheralProperties) {
        if self.devices.len() >= MAX_DEVICES && !self.devices.contains_key(&id) {
            let oldest = self.devices.iter().min_by_key(|(_, device)| device.heard).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.devices.remove(&id));
        }
        let found = Device {
            address: properties.address.into_inner(),
            advert: advert(&properties.manufacturer_data.clone().into_iter().collect()),
            rssi: properties.rssi.and_then(dbm),
            told: None,
            heard: Instant::now(),
        };
        self.devices.insert(id, found);
    }

    /// Tells of a device's advert, where it is one of ours and not just told.
    async fn say(&mut self, id: &PeripheralId) -> Result<(), Over> {
        let Some(device) = self.devices.get_mut(id) else { return Ok(()) };
        let now = Instant::now();
        device.heard = now;
        let Some(advert) = device.advert else { return Ok(()) };
        if device.told.is_some_and(|(when, what)| what == advert && now - when < SAME) {
            return Ok(());
        }
        device.told = Some((now, advert));
        let heard = Told::Heard { address: device.address, id: id.clone(), advert, rssi: device.rssi };
        self.tell.send(heard).await.map_err(|_| Over)
    }

    /// Tells of a connection's beginning or end.
    async fn moved(&mut self, id: &PeripheralId, what: fn(Address) -> Told) -> Result<(), Over> {
        self.known(id).await;
        let Some(device) = self.devices.get(id) else { return Ok(()) };
        self.tell.send(what(device.address)).await.map_err(|_| Over)
    }
}

fn dbm(rssi: i16) -> Option<i8> {
    i8::try_from(rssi).ok()
}

/// The payload among all manufacturer data. It alone says whose a device is: the services that BlueZ tells are those of
/// the last connection once there was one, and may lack what is advertised now.
fn advert(data: &BTreeMap<u16, Vec<u8>>) -> Option<Advert> {
    data.get(&COMPANY)?.as_slice().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_payload_of_the_right_company_and_length_is_an_advert() {
        let data = |company: u16, bytes: &[u8]| BTreeMap::from([(company, bytes.to_vec())]);
        assert_eq!(advert(&data(COMPANY, &[1, 2, 3, 4, 5, 6])), Some([1, 2, 3, 4, 5, 6]));
        assert_eq!(advert(&data(COMPANY, &[1, 2, 3, 4, 5])), None);
        assert_eq!(advert(&data(0x004c, &[1, 2, 3, 4, 5, 6])), None);
    }
}
