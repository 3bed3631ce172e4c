//! The side that connects: btleplug dials, subscribes and writes.

use super::channel::{self, End};
use super::session::Told;
use super::{Address, Info, SERVICE, VALUES, max_value};
use crate::transport::ble::radio::{MAX_VALUES, MIN_VALUE, Remote, Side, Wire};
use bluer::l2cap::SeqPacket;
use btleplug::api::{Central as _, Characteristic, Peripheral as _, WriteType};
use btleplug::platform::{Adapter, Peripheral, PeripheralId};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// What a connection may take. With the end of an earlier one before it and the tidying after it, it is told within
/// 14 s.
const DIAL: Duration = Duration::from_secs(8);
/// What ending one may take.
const HANG_UP: Duration = Duration::from_secs(3);
/// How often is looked whether an earlier connection has ended.
const LOOK: Duration = Duration::from_millis(100);
/// Devices whose notifications have a listener; further ones take the place of who was dialled longest ago and is not
/// connected.
const MAX_LISTENERS: usize = 64;

/// A value on its way out.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) value: Vec<u8>,
    pub(super) confirmed: bool,
}

/// A connection that stands.
#[derive(Debug)]
pub(super) struct Dialled {
    peripheral: Peripheral,
    values: Characteristic,
    /// The most bytes of a value.
    pub(super) max_value: usize,
    /// What carries values in the place of the characteristics.
    pub(super) channel: Option<SeqPacket>,
}

/// What is left of a connection that did not come about.
#[derive(Debug)]
pub(super) struct Missed {
    peripheral: Peripheral,
    address: Address,
    /// It was connected.
    answered: bool,
}

impl Missed {
    /// BlueZ goes on trying, and refuses further attempts, until it is told not to.
    pub(super) async fn tidy(self, own: &bluer::Adapter) {
        hang_up(&self.peripheral).await;
        if self.answered {
            forget(own, self.address).await;
        }
    }
}

/// Peripherals that were dialled, with the tasks that listen to them.
///
/// A listener outlives its connections and is used by the next one: bluez-async panics in a task of its own where a
/// stream of notifications is dropped while signals come in, as they do when a connection ends.
pub(super) struct Central {
    adapter: Adapter,
    /// Where this node's channels begin, where it has any.
    local: Option<End>,
    tell: mpsc::Sender<Told>,
    known: HashMap<PeripheralId, Known>,
}

struct Known {
    peripheral: Peripheral,
    dialled: Instant,
    listener: tokio::task::JoinHandle<()>,
}

impl Drop for Known {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Central {
    pub(super) fn new(adapter: Adapter, local: Option<End>, tell: mpsc::Sender<Told>) -> Self {
        Self { adapter, local, tell, known: HashMap::new() }
    }

    /// Dials in a task of its own, which tells what came of it. `parting`: an earlier connection is just being ended.
    /// `standing`: who is connected and goes on being listened to.
    ///
    /// # Errors
    ///
    /// Why nothing was begun. It is not told as well: whoever dials is the one who hears what is told, and would wait
    /// for itself.
    pub(super) async fn dial(
        &mut self,
        remote: Remote,
        address: Address,
        id: PeripheralId,
        parting: bool,
        standing: &[PeripheralId],
    ) -> Result<(), &'static str> {
        let peripheral = self.peripheral(remote, address, id, standing).await?;
        let (tell, local) = (self.tell.clone(), self.local);
        tokio::spawn(async move {
            if parting {
                drop(tokio::time::timeout(HANG_UP, parted(&peripheral)).await);
            }
            let late = Late(Mutex::new(UNANSWERED));
            let dialled = tokio::time::timeout(DIAL, connect(&peripheral, local, &late)).await;
            let told = match dialled.unwrap_or_else(|_| Err(late.read())) {
                Ok(dialled) => Told::Dialled { remote, dialled },
                Err(why) => {
                    let answered = late.read() != UNANSWERED;
                    Told::Missed { remote, why, rest: Missed { peripheral, address, answered } }
                }
            };
            drop(tell.send(told).await);
        });
        Ok(())
    }

    /// Where its tasks tell what happens.
    pub(super) fn tell(&self) -> mpsc::Sender<Told> {
        self.tell.clone()
    }

    async fn peripheral(
        &mut self,
        remote: Remote,
        address: Address,
        id: PeripheralId,
        standing: &[PeripheralId],
    ) -> Result<Peripheral, &'static str> {
        let now = Instant::now();
        if let Some(known) = self.known.get_mut(&id) {
            known.dialled = now;
            return Ok(known.peripheral.clone());
        }
        let peripheral = self.adapter.peripheral(&id).await.map_err(|_| "it is not heard any more")?;
        let values = peripheral.notifications().await.map_err(|_| "its notifications cannot be heard")?;
        let wire = Wire { remote, side: Side::Central };
        let tell = self.tell.clone();
        let listener = tokio::spawn(async move {
            let mut values = values;
            while let Some(heard) = values.next().await {
                if heard.uuid == VALUES {
                    // Where the session does not keep up a value is lost, as in the air.
                    drop(tell.try_send(Told::Value { wire, address, value: heard.value }));
                }
            }
        });
        if self.known.len() >= MAX_LISTENERS {
            let dialled = self.known.iter().map(|(id, known)| (id.clone(), known.dialled));
            oldest(dialled, standing).and_then(|id| self.known.remove(&id));
        }
        self.known.insert(id, Known { peripheral: peripheral.clone(), dialled: now, listener });
        Ok(peripheral)
    }
}

impl Dialled {
    /// What was dialled.
    pub(super) fn peripheral(&self) -> &Peripheral {
        &self.peripheral
    }

    /// Whether BlueZ still has the connection.
    pub(super) async fn is_connected(&self) -> bool {
        self.peripheral.is_connected().await.unwrap_or(false)
    }

    /// Writes what comes in until nothing more does. What has no answer is written side by side, since each write is
    /// a call to BlueZ and back; what has one is written alone, as BlueZ refuses everything beside it.
    pub(super) async fn write_all(
        self,
        wire: Wire,
        mut values: mpsc::Receiver<Outgoing>,
        tell: mpsc::Sender<Told>,
    ) {
        let mut writing = FuturesUnordered::new();
        loop {
            let next = tokio::select! {
                biased;
                Some(()) = writing.next(), if !writing.is_empty() => {
                    drop(tell.send(Told::Taken(wire)).await);
                    continue;
                }
                next = values.recv(), if writing.len() < MAX_VALUES => next,
            };
            let Some(Outgoing { value, confirmed }) = next else { return };
            if !confirmed {
                writing.push(self.write(value, WriteType::WithoutResponse));
                continue;
            }
            while let Some(()) = writing.next().await {
                drop(tell.send(Told::Taken(wire)).await);
            }
            self.write(value, WriteType::WithResponse).await;
            drop(tell.send(Told::Taken(wire)).await);
        }
    }

    /// A value that BlueZ refuses is lost, which values may be; if the connection is, that is told by itself.
    async fn write(&self, value: Vec<u8>, how: WriteType) {
        if let Err(error) = self.peripheral.write(&self.values, &value, how).await {
            tracing::debug!(bytes = value.len(), %error, "a value was not written");
        }
    }
}

/// Who was dialled longest ago, of those who are not connected.
fn oldest<T: PartialEq>(dialled: impl Iterator<Item = (T, Instant)>, standing: &[T]) -> Option<T> {
    let idle = dialled.filter(|(id, _)| !standing.contains(id));
    idle.min_by_key(|(_, dialled)| *dialled).map(|(id, _)| id)
}

/// Why a connection is late, as far as it has come.
struct Late(Mutex<&'static str>);

const UNANSWERED: &str = "it did not answer in time";

impl Late {
    fn set(&self, why: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn read(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `late` says what the time was used for, where it runs out.
async fn connect(peripheral: &Peripheral, local: Option<End>, late: &Late) -> Result<Dialled, &'static str> {
    peripheral.connect().await.map_err(|_| "it did not answer")?;
    late.set("its services were not found in time");
    peripheral.discover_services().await.map_err(|_| "its services were not found")?;
    let all = peripheral.characteristics();
    let values = all.iter().find(|one| one.service_uuid == SERVICE && one.uuid == VALUES).cloned();
    let values = values.ok_or("it does not have the service")?;
    late.set("what it says of itself was not read in time");
    let info = peripheral.read(&values).await.map_err(|_| "what it says of itself could not be read")?;
    let info = Info::from_bytes(&info).ok_or("what it says of itself is too short")?;
    let channel = open_channel(peripheral, local, info.psm).await;
    if channel.is_none() {
        late.set("it did not notify in time");
        peripheral.subscribe(&values).await.map_err(|_| "it does not notify")?;
    }
    let max_value = max_value(usize::from(peripheral.mtu())).min(info.max_value.max(MIN_VALUE));
    Ok(Dialled { peripheral: peripheral.clone(), values, max_value, channel })
}

async fn open_channel(peripheral: &Peripheral, local: Option<End>, psm: u16) -> Option<SeqPacket> {
    let (local, properties) = (local?, peripheral.properties().await.ok()??);
    let kind = match properties.address_type? {
        btleplug::api::AddressType::Public => bluer::AddressType::LePublic,
        btleplug::api::AddressType::Random => bluer::AddressType::LeRandom,
    };
    let remote = End { address: properties.address.into_inner(), kind };
    channel::connect(local, remote, psm).await
}

/// Waits until an earlier connection has ended.
async fn parted(peripheral: &Peripheral) {
    while peripheral.is_connected().await.unwrap_or(false) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Lets BlueZ forget a stranger: what it keeps of services may be of a node that was started anew since, and then
/// nothing but an error comes of using it.
async fn forget(own: &bluer::Adapter, address: Address) {
    let address = bluer::Address(address);
    let Ok(device) = own.device(address) else { return };
    // Who is paired was made known by a person.
    if device.is_paired().await.is_ok_and(|paired| !paired) {
        drop(own.remove_device(address).await);
    }
}

/// Ends a connection; its end is heard like any other.
pub(super) async fn hang_up(peripheral: &Peripheral) {
    drop(tokio::time::timeout(HANG_UP, peripheral.disconnect()).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_connected_goes_on_being_listened_to_however_long_ago_it_was_dialled() {
        let began = Instant::now();
        let dialled = || (0..64_u64).map(|id| (id, began + Duration::from_secs(id)));
        assert_eq!(oldest(dialled(), &[]), Some(0));
        assert_eq!(oldest(dialled(), &[0, 1, 3]), Some(2));
    }
}
