//! One adapter while it works: from the registration of the service until it is switched off or gone.

use super::central::{self, Central, Dialled, Missed, Outgoing};
use super::channel::{self, End as Endpoint};
use super::notify::Notification;
use super::peripheral::Peripheral;
use super::watch::Watch;
use super::{Address, Info, MAX_VALUE, ears, max_value, state_of};
use crate::transport::ble::link::sleep_until;
use crate::transport::ble::radio::{
    Advert, MAX_EVENTS, MAX_VALUES, Pipe, RadioEvent, RadioOrder, RadioState, Remote, Side, Wire,
};
use bluer::l2cap::SeqPacket;
use btleplug::api::{Central as _, Manager as _, ScanFilter};
use btleplug::platform::{Adapter, Manager, PeripheralId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};

/// What tasks told and the session has not handled.
const MAX_TOLD: usize = 256;
/// Remotes that are remembered; further ones take the place of who was heard longest ago and is not connected.
const MAX_REMOTES: usize = 512;
/// Who was heard longer ago is not dialled: BlueZ would try for half a minute.
const FRESH: Duration = Duration::from_secs(30);

/// A scan that did not start is tried again so much later.
const RESCAN: Duration = Duration::from_secs(1);
/// And so often before the adapter counts as broken. After a bluetoothd that was killed the kernel goes on with the scan of
/// that one for up to 10 s, and refuses another meanwhile.
const RESCANS: u32 = 20;
/// What ending a connection may take; one that then still stands is ended anew.
const LEAVES: Duration = Duration::from_secs(10);
/// An advert that BlueZ did not take is tried again so much later, once.
const READVERTISE: Duration = Duration::from_secs(1);
/// So long after a connection ended the advert is given anew. Where an adapter has no extended advertising, Linux 6.1 goes on
/// under advertisement 0 once somebody who had connected is gone: nobody can connect to that, and the next connection
/// that is opened here ends it for good.
const REFRESH: Duration = Duration::from_millis(300);
/// Who has connected and said nothing yet is not dialled for so long: it is about to speak. Longer, and it may be connected for
/// something else.
const VISIT: Duration = Duration::from_secs(10);
/// Who is said to be connected within this time was connected before: with a program that ran here before this one, perhaps.
const BEFORE: Duration = Duration::from_secs(2);

/// What the tasks of a session tell it.
#[derive(Debug)]
pub(super) enum Told {
    /// An advert was heard.
    Heard { address: Address, id: PeripheralId, advert: Advert, rssi: Option<i8> },
    /// A device is connected, whoever connected.
    Came(Address),
    /// A device is disconnected, whoever connected.
    Gone(Address),
    /// A connection stands.
    Dialled { remote: Remote, dialled: Dialled },
    /// A connection did not come about, and what is left of it is to be tidied away.
    Missed { remote: Remote, why: &'static str, rest: Missed },
    /// A connection did not come about.
    Failed { remote: Remote, why: &'static str },
    /// Somebody opened a channel.
    Accepted { address: Address, socket: SeqPacket },
    /// A value came over a channel.
    Packet { wire: Wire, serial: u64, value: Vec<u8> },
    /// A channel ended.
    Closed { wire: Wire, serial: u64 },
    /// A value was taken over.
    Taken(Wire),
    /// A value was notified to this node.
    Value { wire: Wire, address: Address, value: Vec<u8> },
    /// A value was written to this node.
    Written { address: Address, mtu: usize, value: Vec<u8> },
}

/// Hands out the numbers of remotes: over all sessions of a radio, each only once.
#[derive(Clone, Debug, Default)]
pub(super) struct Remotes(Arc<AtomicU64>);

impl Remotes {
    fn next(&self) -> Remote {
        Remote(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Why a session ended.
pub(super) enum End {
    /// Nobody gives orders any more.
    Ordered,
    /// The adapter is in another state; how to learn of the next.
    Changed { state: RadioState, watch: Watch },
}

/// Somebody who was heard or connected.
#[derive(Debug)]
struct Known {
    remote: Remote,
    id: Option<PeripheralId>,
    heard: Option<Instant>,
    seen: Instant,
    /// Since when it is connected, where it was not when this session began.
    visits: Option<Instant>,
}

/// What carries the values of a wire.
enum Carrier {
    /// Writes: to the task that does them.
    Writes { values: mpsc::Sender<Outgoing>, peripheral: btleplug::platform::Peripheral },
    /// Notifications: through the one task of all.
    Notifications,
    /// A channel, which no earlier or later one of the same wire is taken for.
    Channel { values: mpsc::Sender<Vec<u8>>, serial: u64, dialled: Option<btleplug::platform::Peripheral> },
}

/// A working adapter.
pub(super) struct Session {
    began: Instant,
    adapter: bluer::Adapter,
    scanner: Adapter,
    central: Central,
    /// From the first advert on: who only listens offers nothing.
    peripheral: Option<Peripheral>,
    local: Option<Endpoint>,
    told: mpsc::Receiver<Told>,
    ears: JoinHandle<()>,
    listener: Option<JoinHandle<()>>,
    next_channel: u64,
    known: BTreeMap<Address, Known>,
    remotes: Remotes,
    wires: BTreeMap<Wire, (Address, Carrier)>,
    /// Whose connection is being ended, and since when: BlueZ takes 2 s for it, and would end a new one too.
    leaving: BTreeMap<Address, Instant>,
    /// The tasks that do it.
    partings: JoinSet<()>,
    /// What was ordered last.
    scanning: bool,
    /// When a scan that did not start is tried again, and how often it was.
    rescan: Option<(Instant, u32)>,
    /// When an advert that was not taken is tried again.
    readvertise: Option<(Instant, Option<Advert>)>,
    /// What was ordered last, and when it is given anew.
    advert: Option<Advert>,
    refresh: Option<Instant>,
    /// Events that wait for room.
    outbox: VecDeque<RadioEvent>,
}

impl Session {
    /// Finds the adapter and offers the service on it.
    ///
    /// # Errors
    ///
    /// The state that prevents it, and how to learn that it changed, where that is possible.
    pub(super) async fn open(
        name: &str,
        channels: bool,
        remotes: &Remotes,
    ) -> Result<(Self, Watch), (RadioState, Option<Watch>)> {
        // What is no name of an adapter is no part of a path on the bus either.
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err((RadioState::Missing, None));
        }
        // Before anything is looked at, so that no change after it is missed.
        let watch = Watch::new(name).await.map_err(|error| (state_of(&error.into()), None))?;
        let bus = match bluer::Session::new().await {
            Ok(bus) => bus,
            Err(error) => return Err((state_of(&error), Some(watch))),
        };
        let adapter = match adapter(&bus, name).await {
            Ok(adapter) => adapter,
            Err(state) => return Err((state, Some(watch))),
        };
        match Self::open_on(adapter, channels, remotes.clone()).await {
            Ok(session) => Ok((session, watch)),
            Err(state) => Err((state, Some(watch))),
        }
    }

    async fn open_on(adapter: bluer::Adapter, channels: bool, remotes: Remotes) -> Result<Self, RadioState> {
        if !adapter.is_powered().await.map_err(|error| state_of(&error))? {
            return Err(RadioState::Off);
        }
        let (tell, told) = mpsc::channel(MAX_TOLD);
        let scanner = scanner(adapter.name()).await?;
        let events = scanner.events().await.map_err(|_| broken("its events cannot be heard"))?;
        let ears = tokio::spawn(ears::listen(scanner.clone(), events, tell.clone()));
        let local = if channels { endpoint(&adapter).await } else { None };
        Ok(Self {
            began: Instant::now(),
            central: Central::new(scanner.clone(), local, tell),
            adapter,
            scanner,
            peripheral: None,
            local,
            told,
            ears,
            listener: None,
            next_channel: 0,
            known: BTreeMap::new(),
            remotes,
            wires: BTreeMap::new(),
            leaving: BTreeMap::new(),
            partings: JoinSet::new(),
            scanning: false,
            rescan: None,
            readvertise: None,
            advert: None,
            refresh: None,
            outbox: VecDeque::new(),
        })
    }

    /// Carries out orders and tells events until the adapter changes or nobody orders any more.
    pub(super) async fn run(
        mut self,
        orders: &mut mpsc::Receiver<RadioOrder>,
        tell: &mpsc::Sender<RadioEvent>,
        mut watch: Watch,
    ) -> End {
        let mut end = None;
        while end.is_none() {
            // Neither side waits for the other: both go on as long as there is room for what comes of it.
            let room = self.outbox.len() < MAX_EVENTS;
            let (rescan, readvertise, refresh) = (self.rescan, self.readvertise, self.refresh);
            tokio::select! {
                permit = tell.reserve(), if !self.outbox.is_empty() => match permit {
                    Ok(permit) => permit.send(self.outbox.pop_front().expect("the guard saw one")),
                    Err(_) => break,
                },
                order = orders.recv(), if room => match order {
                    Some(order) => end = self.on_order(order).await,
                    None => break,
                },
                Some(told) = self.told.recv(), if room => self.on_told(told).await,
                () = watch.changed() => end = self.changed().await,
                () = sleep_until(rescan.map(|(at, _)| at)) => {
                    end = self.try_scan(true, rescan.map_or(0, |(_, tries)| tries)).await;
                }
                () = sleep_until(readvertise.map(|(at, _)| at)) => {
                    end = self.try_advertise(readvertise.and_then(|(_, advert)| advert), true).await;
                }
                () = sleep_until(refresh) => end = self.renew_advert().await,
                _ = &mut self.ears => end = Some(RadioState::NoService),
            }
        }
        self.close(end.is_none()).await;
        let Some(state) = end else { return End::Ordered };
        for event in self.outbox.drain(..) {
            if tell.send(event).await.is_err() {
                return End::Ordered;
            }
        }
        End::Changed { state, watch }
    }

    /// What the adapter is now, where it no longer works.
    async fn changed(&self) -> Option<RadioState> {
        match self.adapter.is_powered().await {
            Ok(true) => None,
            Ok(false) => Some(RadioState::Off),
            Err(error) => Some(state_of(&error)),
        }
    }

    /// `again`: it has failed before. Once is no reason to end every link.
    async fn try_advertise(&mut self, advert: Option<Advert>, again: bool) -> Option<RadioState> {
        (self.advert, self.readvertise, self.refresh) = (advert, None, None);
        let error = self.advertise(advert).await.err()?;
        let state = self.changed().await.unwrap_or_else(|| state_of(&error));
        tracing::debug!(?state, again, "an advert was not taken");
        if again || !matches!(state, RadioState::Broken { .. }) {
            return Some(state);
        }
        self.readvertise = Some((Instant::now() + READVERTISE, advert));
        None
    }

    /// Says the same anew. Whoever comes and goes causes it: that it fails ends nobody's link.
    async fn renew_advert(&mut self) -> Option<RadioState> {
        self.refresh = None;
        let error = self.advertise(self.advert).await.err()?;
        tracing::debug!(state = ?state_of(&error), "the advert was not renewed");
        self.refresh = Some(Instant::now() + READVERTISE);
        self.changed().await
    }

    async fn advertise(&mut self, advert: Option<Advert>) -> Result<(), bluer::Error> {
        if let Some(peripheral) = &mut self.peripheral {
            return peripheral.advertise(advert).await;
        }
        if advert.is_none() {
            return Ok(());
        }
        let tell = self.central.tell();
        let (psm, listener) = self.local.map_or((0, None), |local| open_channels(local, &tell));
        self.listener = listener;
        let info = Info { max_value: MAX_VALUE, psm };
        let peripheral = self.peripheral.insert(Peripheral::serve(self.adapter.clone(), info, tell).await?);
        peripheral.advertise(advert).await
    }

    async fn on_order(&mut self, order: RadioOrder) -> Option<RadioState> {
        match order {
            RadioOrder::Advertise(advert) => return self.try_advertise(advert, false).await,
            RadioOrder::Scan(scan) => {
                let before = std::mem::replace(&mut self.scanning, scan);
                return if before == scan { None } else { self.scan(scan).await };
            }
            RadioOrder::Connect(remote) => self.connect(remote).await,
            RadioOrder::Disconnect(wire) => self.disconnect(wire),
            RadioOrder::Send { wire, value, confirmed } => self.send(wire, value, confirmed),
        }
        None
    }

    async fn scan(&mut self, scan: bool) -> Option<RadioState> {
        self.try_scan(scan, 0).await
    }

    /// `tries`: how often it has failed.
    async fn try_scan(&mut self, scan: bool, tries: u32) -> Option<RadioState> {
        self.rescan = None;
        let done = match scan {
            true => self.scanner.start_scan(ScanFilter { services: vec![super::SERVICE] }).await,
            false => self.scanner.stop_scan().await,
        };
        let error = done.err().filter(|_| scan)?;
        tracing::debug!(%error, tries, "a scan did not start");
        // It may be that the adapter is just being switched off: then the state says so.
        let state = self.changed().await;
        if state.is_none() && tries < RESCANS {
            self.rescan = Some((Instant::now() + RESCAN, tries + 1));
            return None;
        }
        Some(state.unwrap_or_else(|| broken("it does not scan")))
    }

    async fn connect(&mut self, remote: Remote) {
        if self.wires.contains_key(&Wire { remote, side: Side::Central }) {
            return self.outbox.push_back(RadioEvent::Failed { remote, why: "it is connected" });
        }
        let found = self.known.iter().find(|(_, known)| known.remote == remote);
        let fresh = found.filter(|(_, known)| known.heard.is_some_and(|heard| heard.elapsed() < FRESH));
        let Some((address, Some(id))) = fresh.map(|(address, known)| (*address, known.id.clone())) else {
            return self.outbox.push_back(RadioEvent::Failed { remote, why: "it was not heard lately" });
        };
        let parting = is_leaving(&self.leaving, &address);
        if !parting && self.visits(address) {
            return self.outbox.push_back(RadioEvent::Failed { remote, why: "it has just connected itself" });
        }
        let connected = self.wires.values().filter_map(|(address, _)| self.known.get(address)?.id.clone());
        let connected: Vec<_> = connected.collect();
        if let Err(why) = self.central.dial(remote, address, id, parting, &connected).await {
            self.outbox.push_back(RadioEvent::Failed { remote, why });
        }
    }

    /// Whether somebody has just connected and will speak: two who dial each other at once share one connection, and would
    /// be in each other's way.
    fn visits(&self, address: Address) -> bool {
        self.known.get(&address).and_then(|known| known.visits).is_some_and(|since| since.elapsed() < VISIT)
    }

    /// What is left of a connection that did not come about is ended, unless the neighbour has come by it.
    fn on_missed(&mut self, remote: Remote, why: &'static str, rest: Missed) {
        if self.wires.contains_key(&Wire { remote, side: Side::Peripheral }) {
            return self.outbox.push_back(RadioEvent::Failed { remote, why });
        }
        let (own, tell) = (self.adapter.clone(), self.central.tell());
        self.partings.spawn(async move {
            rest.tidy(&own).await;
            drop(tell.send(Told::Failed { remote, why }).await);
        });
    }

    fn disconnect(&mut self, wire: Wire) {
        let Some((address, carrier)) = self.wires.remove(&wire) else { return };
        self.outbox.push_back(RadioEvent::Lost { wire });
        let side = match wire.side {
            Side::Central => Side::Peripheral,
            Side::Peripheral => Side::Central,
        };
        // Two devices have one connection at most, which carries both sides: it ends with the second of them.
        if self.wires.contains_key(&Wire { side, ..wire }) {
            return;
        }
        if is_leaving(&self.leaving, &address) {
            return;
        }
        self.leaving.retain(|_, since| since.elapsed() < LEAVES);
        self.leaving.insert(address, Instant::now());
        while self.partings.try_join_next().is_some() {}
        match carrier {
            Carrier::Writes { peripheral, .. } | Carrier::Channel { dialled: Some(peripheral), .. } => {
                self.partings.spawn(async move { central::hang_up(&peripheral).await });
            }
            Carrier::Notifications | Carrier::Channel { dialled: None, .. } => {
                let adapter = self.adapter.clone();
                self.partings.spawn(async move {
                    if let Ok(device) = adapter.device(bluer::Address(address)) {
                        drop(device.disconnect().await);
                    }
                });
            }
        }
    }

    fn send(&mut self, wire: Wire, value: Vec<u8>, confirmed: bool) {
        let Some((address, carrier)) = self.wires.get(&wire) else { return };
        let taken = match carrier {
            Carrier::Writes { values, .. } => values.try_send(Outgoing { value, confirmed }).is_ok(),
            Carrier::Notifications => {
                let next = Notification { wire, address: *address, value };
                self.peripheral.as_ref().is_some_and(|serving| serving.values.try_send(next).is_ok())
            }
            Carrier::Channel { values, .. } => values.try_send(value).is_ok(),
        };
        if !taken {
            // More than may be on their way at once: this one is lost, as values may be.
            self.outbox.push_back(RadioEvent::Taken { wire });
        }
    }

    async fn on_told(&mut self, told: Told) {
        match told {
            Told::Heard { address, id, advert, rssi } => {
                let remote = self.remote(address, Some(id));
                self.outbox.push_back(RadioEvent::Heard { remote, advert, rssi });
            }
            Told::Came(address) => self.came(address),
            Told::Gone(address) => self.gone(address),
            Told::Dialled { remote, dialled } => self.on_dialled(remote, dialled).await,
            Told::Missed { remote, why, rest } => self.on_missed(remote, why, rest),
            Told::Failed { remote, why } => self.outbox.push_back(RadioEvent::Failed { remote, why }),
            Told::Taken(wire) => {
                if self.wires.contains_key(&wire) {
                    self.outbox.push_back(RadioEvent::Taken { wire });
                }
            }
            Told::Accepted { address, socket } => {
                let wire = Wire { remote: self.remote(address, None), side: Side::Peripheral };
                self.take_up(wire, address, socket, None);
            }
            Told::Packet { wire, serial, value } => {
                if self.has_channel(wire, serial) {
                    self.outbox.push_back(RadioEvent::Value { wire, value });
                }
            }
            Told::Closed { wire, serial } => {
                if self.has_channel(wire, serial) {
                    self.disconnect(wire);
                }
            }
            Told::Value { wire, address, value } => {
                if self.wires.get(&wire).is_some_and(|(known, _)| *known == address) {
                    self.outbox.push_back(RadioEvent::Value { wire, value });
                }
            }
            Told::Written { address, mtu, value } => self.on_written(address, mtu, value).await,
        }
    }

    async fn on_dialled(&mut self, remote: Remote, dialled: Dialled) {
        let wire = Wire { remote, side: Side::Central };
        let address =
            self.known.iter().find(|(_, known)| known.remote == remote).map(|(address, _)| *address);
        // Its end may have been told before it.
        let (Some(address), true) = (address, dialled.is_connected().await) else {
            return self.outbox.push_back(RadioEvent::Failed { remote, why: "it was lost at once" });
        };
        let mut dialled = dialled;
        self.leaving.remove(&address);
        if let Some(socket) = dialled.channel.take() {
            return self.take_up(wire, address, socket, Some(dialled.peripheral().clone()));
        }
        let (values, to_write) = mpsc::channel(MAX_VALUES);
        let max_value = dialled.max_value;
        let carrier = Carrier::Writes { values, peripheral: dialled.peripheral().clone() };
        tokio::spawn(dialled.write_all(wire, to_write, self.central.tell()));
        self.wires.insert(wire, (address, carrier));
        self.outbox.push_back(RadioEvent::Connected { wire, max_value, pipe: Pipe::Gatt });
    }

    /// Takes a channel for what carries a wire from now on.
    fn take_up(
        &mut self,
        wire: Wire,
        address: Address,
        socket: SeqPacket,
        dialled: Option<btleplug::platform::Peripheral>,
    ) {
        self.leaving.remove(&address);
        // The end of an earlier one may be told later.
        if self.wires.remove(&wire).is_some() {
            self.outbox.push_back(RadioEvent::Lost { wire });
        }
        self.next_channel += 1;
        let serial = self.next_channel;
        let (values, to_send) = mpsc::channel(MAX_VALUES);
        let max_value = channel::room(&socket);
        tokio::spawn(channel::carry(socket, (wire, serial), to_send, self.central.tell()));
        self.wires.insert(wire, (address, Carrier::Channel { values, serial, dialled }));
        self.outbox.push_back(RadioEvent::Connected { wire, max_value, pipe: Pipe::Channel });
    }

    fn has_channel(&self, wire: Wire, of: u64) -> bool {
        matches!(self.wires.get(&wire), Some((_, Carrier::Channel { serial, .. })) if *serial == of)
    }

    async fn on_written(&mut self, address: Address, mtu: usize, value: Vec<u8>) {
        let wire = Wire { remote: self.remote(address, None), side: Side::Peripheral };
        if !self.wires.contains_key(&wire) {
            // What is written while the connection ends is lost, as values may be: not every one is worth a question
            // and another end. And a write and a disconnection come over different connections of the bus, in any order.
            if is_leaving(&self.leaving, &address) || !self.is_connected(address).await {
                return;
            }
            self.wires.insert(wire, (address, Carrier::Notifications));
            let max_value = max_value(mtu);
            self.outbox.push_back(RadioEvent::Connected { wire, max_value, pipe: Pipe::Gatt });
        }
        self.outbox.push_back(RadioEvent::Value { wire, value });
    }

    async fn is_connected(&self, address: Address) -> bool {
        let Ok(device) = self.adapter.device(bluer::Address(address)) else { return false };
        device.is_connected().await.unwrap_or(false)
    }

    fn came(&mut self, address: Address) {
        self.remote(address, None);
        let visits = Some(Instant::now()).filter(|_| self.began.elapsed() >= BEFORE);
        if let Some(known) = self.known.get_mut(&address) {
            known.visits = visits;
        }
    }

    fn gone(&mut self, address: Address) {
        self.leaving.remove(&address);
        self.known.get_mut(&address).and_then(|known| known.visits.take());
        if self.advert.is_some() {
            self.refresh.get_or_insert_with(|| Instant::now() + REFRESH);
        }
        // A channel tells of its own end, and in time.
        let ended = |(of, carrier): &(Address, Carrier)| {
            *of == address && !matches!(carrier, Carrier::Channel { .. })
        };
        let wires = self.wires.iter().filter(|(_, standing)| ended(standing));
        let wires: Vec<_> = wires.map(|(wire, _)| *wire).collect();
        for wire in wires {
            self.wires.remove(&wire);
            self.outbox.push_back(RadioEvent::Lost { wire });
        }
    }

    /// The number of an address, which it keeps while it is remembered.
    fn remote(&mut self, address: Address, heard: Option<PeripheralId>) -> Remote {
        let now = Instant::now();
        if !self.known.contains_key(&address) {
            self.forget();
            let remote = self.remotes.next();
            self.known.insert(address, Known { remote, id: None, heard: None, seen: now, visits: None });
        }
        let known = self.known.get_mut(&address).expect("it was there or has just been put there");
        known.seen = now;
        if heard.is_some() {
            known.heard = Some(now);
            known.id = heard;
        }
        known.remote
    }

    /// Makes room for one more.
    fn forget(&mut self) {
        if self.known.len() < MAX_REMOTES {
            return;
        }
        let is_connected = |address: &Address| self.wires.values().any(|(of, _)| of == address);
        let idle = self.known.iter().filter(|(address, _)| !is_connected(address));
        let oldest = idle.min_by_key(|(_, known)| known.seen).map(|(address, _)| *address);
        oldest.and_then(|address| self.known.remove(&address));
    }

    /// Tells that everything is lost; closes what stands where this node ends it.
    async fn close(&mut self, hang_up: bool) {
        let wires: Vec<_> = self.wires.keys().copied().collect();
        for wire in wires {
            match hang_up {
                true => self.disconnect(wire),
                false => {
                    self.wires.remove(&wire);
                    self.outbox.push_back(RadioEvent::Lost { wire });
                }
            }
        }
        if hang_up {
            drop(self.scanner.stop_scan().await);
            drop(self.advertise(None).await);
            let parted = async { while self.partings.join_next().await.is_some() {} };
            drop(tokio::time::timeout(GOODBYE, parted).await);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.ears.abort();
        self.listener.iter().for_each(JoinHandle::abort);
    }
}

/// How long the tasks that end connections have at the end of a radio.
const GOODBYE: Duration = Duration::from_secs(3);

fn is_leaving(leaving: &BTreeMap<Address, Instant>, address: &Address) -> bool {
    leaving.get(address).is_some_and(|since| since.elapsed() < LEAVES)
}

/// Where channels of this adapter begin and end.
async fn endpoint(adapter: &bluer::Adapter) -> Option<Endpoint> {
    let address = adapter.address().await.ok()?.0;
    let kind = adapter.address_type().await.ok()?;
    Some(Endpoint { address, kind })
}

/// Listens for channels and says where; 0: nowhere.
fn open_channels(local: Endpoint, tell: &mpsc::Sender<Told>) -> (u16, Option<JoinHandle<()>>) {
    match channel::listen(local) {
        Ok((listener, psm)) => (psm, Some(tokio::spawn(channel::accept(listener, tell.clone())))),
        Err(error) => {
            tracing::debug!(%error, "no channels");
            (0, None)
        }
    }
}

/// The adapter of this name.
async fn adapter(bus: &bluer::Session, name: &str) -> Result<bluer::Adapter, RadioState> {
    let names = bus.adapter_names().await.map_err(|error| state_of(&error))?;
    if !names.iter().any(|one| one == name) {
        return Err(RadioState::Missing);
    }
    bus.adapter(name).map_err(|error| state_of(&error))
}

/// The same adapter as btleplug has it.
async fn scanner(name: &str) -> Result<Adapter, RadioState> {
    let manager = Manager::new().await.map_err(|_| RadioState::NoService)?;
    for adapter in manager.adapters().await.map_err(|_| broken("adapters cannot be listed"))? {
        // "hci0 (usb:v1D6Bp0246d0540)"
        let info = adapter.adapter_info().await.unwrap_or_default();
        if info.split(' ').next() == Some(name) {
            return Ok(adapter);
        }
    }
    Err(RadioState::Missing)
}

fn broken(reason: &str) -> RadioState {
    RadioState::Broken { reason: reason.to_owned() }
}
