//! An air in memory that makes radios, for tests in virtual time: who hears whom, loss, order, rate and switches are the
//! test's to change while it runs.

use super::radio::{
    Advert, MAX_EVENTS, MAX_ORDERS, Pipe, Radio, RadioEvent, RadioOrder, RadioState, Remote, Side, Wire,
};
use mesh_core::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// How often an advert is on the air.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long a connection takes.
const CONNECT: Duration = Duration::from_millis(150);
/// How long a radio tries to connect to somebody absent.
const ABSENT: Duration = Duration::from_secs(10);
/// How long a connection lives without hearing the other end.
const SUPERVISION: Duration = Duration::from_millis(500);
/// Connections that an adapter holds.
const HARDWARE: usize = 10;

/// What the air does to what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Of a hundred values so many are lost.
    pub(super) loss: u64,
    /// On the way.
    pub(super) latency: Duration,
    /// Up to so much more, at random for each value: they overtake one another.
    pub(super) jitter: Duration,
    /// Bytes per second of one radio.
    pub(super) rate: u64,
    /// A notification reaches every central that is connected, as with BlueZ 5.66.
    pub(super) fan_out: bool,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            loss: 0,
            latency: Duration::from_millis(15),
            jitter: Duration::ZERO,
            rate: 60_000,
            fan_out: true,
        }
    }
}

/// All radios and what lies between them.
#[derive(Clone)]
pub(super) struct Air(Arc<Shared>);

struct Shared {
    world: Mutex<World>,
    changed: Notify,
}

struct World {
    rng: Rng,
    weather: Weather,
    stations: Vec<Station>,
    /// Pairs that do not hear one another, the lower first.
    apart: BTreeSet<(usize, usize)>,
    agenda: BTreeMap<(Instant, u64), Due>,
    count: u64,
    /// Everything that anybody could record: the sender and the bytes.
    record: Vec<(usize, Vec<u8>)>,
    connects: u64,
}

struct Station {
    out: mpsc::UnboundedSender<RadioEvent>,
    is_on: bool,
    advert: Option<Advert>,
    scanning: bool,
    max_value: usize,
    pipe: Pipe,
    /// How strongly others hear it.
    rssi: i8,
    /// How others name it.
    name: u64,
    wires: BTreeSet<(usize, Side)>,
    free: Instant,
}

enum Due {
    Advert(usize),
    Connect { from: usize, to: Option<usize>, remote: Remote },
    Taken { at: usize, wire: Wire },
    Value { from: usize, to: usize, side: Side, value: Vec<u8> },
    Supervision(usize, usize),
}

/// What everything random in a test comes of: always the same, or `STARLING_SEED`. It is among what a failed test
/// printed.
fn seed() -> u64 {
    let asked = std::env::var("STARLING_SEED").ok();
    let seed = asked.map_or(42, |asked| asked.parse().unwrap());
    println!("STARLING_SEED={seed}");
    seed
}

impl Air {
    pub(super) fn new(weather: Weather) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed().to_le_bytes());
        let world = World {
            rng: Rng::new(bytes),
            weather,
            stations: Vec::new(),
            apart: BTreeSet::new(),
            agenda: BTreeMap::new(),
            count: 0,
            record: Vec::new(),
            connects: 0,
        };
        let air = Self(Arc::new(Shared { world: Mutex::new(world), changed: Notify::new() }));
        tokio::spawn(air.clone().run());
        air
    }

    /// What a node on this air draws its keys and its dice from.
    pub(super) fn rng(&self) -> Rng {
        self.lock().rng.fork()
    }

    /// A new radio, switched on, that hears everybody; its number counts from 0.
    pub(super) fn radio(&self) -> Radio {
        #[expect(clippy::disallowed_methods, reason = "a test ends before it is full")]
        let (out, mut forward) = mpsc::unbounded_channel();
        let (orders, mut taken) = mpsc::channel(MAX_ORDERS);
        let (told, events) = mpsc::channel(MAX_EVENTS);
        tokio::spawn(async move {
            while let Some(event) = forward.recv().await {
                if told.send(event).await.is_err() {
                    break;
                }
            }
        });
        let number = self.change(|world| {
            let number = world.stations.len();
            let _ = out.send(RadioEvent::State(RadioState::On));
            world.stations.push(Station {
                out,
                is_on: true,
                advert: None,
                scanning: false,
                max_value: 509,
                pipe: Pipe::Gatt,
                rssi: -60,
                name: number as u64,
                wires: BTreeSet::new(),
                free: Instant::now(),
            });
            world.later(INTERVAL, Due::Advert(number));
            number
        });
        let air = self.clone();
        tokio::spawn(async move {
            while let Some(order) = taken.recv().await {
                air.change(|world| world.obey(number, order));
            }
            air.change(|world| world.power(number, false));
        });
        Radio { name: format!("fake{number}"), orders, events }
    }

    pub(super) fn weather(&self, change: impl FnOnce(&mut Weather)) {
        self.change(|world| change(&mut world.weather));
    }

    /// Whether two radios hear one another.
    pub(super) fn reach(&self, a: usize, b: usize, reach: bool) {
        self.change(|world| {
            let pair = (a.min(b), a.max(b));
            if reach {
                world.apart.remove(&pair);
            } else if world.apart.insert(pair) {
                world.later(SUPERVISION, Due::Supervision(a, b));
            }
        });
    }

    /// Switches an adapter on or off.
    pub(super) fn power(&self, number: usize, on: bool) {
        self.change(|world| world.power(number, on));
    }

    /// The longest value of a radio, and what carries it.
    pub(super) fn set_pipe(&self, number: usize, max_value: usize, pipe: Pipe) {
        self.change(|world| {
            let station = &mut world.stations[number];
            (station.max_value, station.pipe) = (max_value, pipe);
        });
    }

    pub(super) fn set_rssi(&self, number: usize, rssi: i8) {
        self.change(|world| world.stations[number].rssi = rssi);
    }

    /// Everything that was on the air since the last call, with the number of the radio that sent it.
    pub(super) fn take_record(&self) -> Vec<(usize, Vec<u8>)> {
        self.change(|world| std::mem::take(&mut world.record))
    }

    /// Connections that came about so far.
    pub(super) fn connects(&self) -> u64 {
        self.lock().connects
    }

    /// Connections of one radio.
    pub(super) fn connections(&self, number: usize) -> usize {
        self.lock().stations[number].wires.len()
    }

    /// What one radio advertises.
    pub(super) fn advert(&self, number: usize) -> Option<Advert> {
        self.lock().stations[number].advert
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.lock());
        self.0.changed.notify_one();
        result
    }

    /// Does what is due, for ever.
    async fn run(self) {
        loop {
            let next = {
                let mut world = self.lock();
                while let Some(entry) = world.agenda.first_entry()
                    && entry.key().0 <= Instant::now()
                {
                    let due = entry.remove();
                    world.happen(due);
                }
                world.agenda.keys().next().map(|(at, _)| *at)
            };
            let sleep = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = sleep => {}
                () = self.0.changed.notified() => {}
            }
        }
    }
}

impl World {
    fn later(&mut self, after: Duration, due: Due) {
        self.at(Instant::now() + after, due);
    }

    fn at(&mut self, at: Instant, due: Due) {
        self.count += 1;
        self.agenda.insert((at, self.count), due);
    }

    fn tell(&self, number: usize, event: RadioEvent) {
        // A radio that nobody listens to is on its way out.
        let _ = self.stations[number].out.send(event);
    }

    fn hear(&self, a: usize, b: usize) -> bool {
        let both_on = self.stations[a].is_on && self.stations[b].is_on;
        a != b && both_on && !self.apart.contains(&(a.min(b), a.max(b)))
    }

    fn named(&self, remote: Remote) -> Option<usize> {
        self.stations.iter().position(|station| station.name == remote.0)
    }

    fn wire(&self, to: usize, side: Side) -> Wire {
        Wire { remote: Remote(self.stations[to].name), side }
    }

    fn obey(&mut self, number: usize, order: RadioOrder) {
        if !self.stations[number].is_on {
            return;
        }
        match order {
            RadioOrder::Advertise(advert) => self.stations[number].advert = advert,
            RadioOrder::Scan(on) => self.stations[number].scanning = on,
            RadioOrder::Connect(remote) => {
                let to = self.named(remote).filter(|to| {
                    self.hear(number, *to)
                        && self.stations[*to].advert.is_some()
                        && self.stations[*to].wires.len() < HARDWARE
                });
                let after = if to.is_some() { CONNECT } else { ABSENT };
                self.later(after, Due::Connect { from: number, to, remote });
            }
            RadioOrder::Disconnect(wire) => {
                let Some(to) = self.named(wire.remote) else { return };
                self.part(number, to, wire.side);
            }
            RadioOrder::Send { wire, value, .. } => self.send(number, wire, value),
        }
    }

    fn send(&mut self, number: usize, wire: Wire, value: Vec<u8>) {
        let station = &self.stations[number];
        let Some(to) = self.named(wire.remote).filter(|to| station.wires.contains(&(*to, wire.side))) else {
            return;
        };
        assert!(value.len() <= station.max_value, "a value of {} bytes", value.len());
        self.record.push((number, value.clone()));
        let airtime = Duration::from_micros(value.len() as u64 * 1_000_000 / self.weather.rate);
        let sent = station.free.max(Instant::now()) + airtime;
        self.stations[number].free = sent;
        self.at(sent, Due::Taken { at: number, wire });
        let others = self.stations[number].wires.iter().filter(|(other, side)| {
            *other == to || wire.side == Side::Peripheral && *side == wire.side && self.weather.fan_out
        });
        let receivers: BTreeSet<usize> = others.map(|(other, _)| *other).collect();
        for to in receivers {
            let jitter = self.weather.jitter.as_micros() as u64;
            let jitter = Duration::from_micros(self.rng.below(jitter + 1));
            if self.rng.below(100) >= self.weather.loss {
                let side = opposite(wire.side);
                let at = sent + self.weather.latency + jitter;
                self.at(at, Due::Value { from: number, to, side, value: value.clone() });
            }
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Advert(number) => {
                let jitter = Duration::from_micros(self.rng.below(10_000));
                self.later(INTERVAL + jitter, Due::Advert(number));
                self.advertise(number);
            }
            Due::Connect { from, to, remote } => self.connect(from, to, remote),
            Due::Taken { at, wire } => {
                let linked = self.named(wire.remote).map(|to| (to, wire.side));
                if linked.is_some_and(|linked| self.stations[at].wires.contains(&linked)) {
                    self.tell(at, RadioEvent::Taken { wire });
                }
            }
            Due::Value { from, to, side, value } => {
                if self.hear(from, to) && self.stations[to].wires.contains(&(from, side)) {
                    self.tell(to, RadioEvent::Value { wire: self.wire(from, side), value });
                }
            }
            Due::Supervision(a, b) => {
                if !self.hear(a, b) {
                    self.part(a, b, Side::Central);
                    self.part(a, b, Side::Peripheral);
                }
            }
        }
    }

    fn advertise(&mut self, number: usize) {
        let Some(advert) = self.stations[number].advert.filter(|_| self.stations[number].is_on) else {
            return;
        };
        self.record.push((number, advert.to_vec()));
        let (remote, rssi) = (Remote(self.stations[number].name), Some(self.stations[number].rssi));
        for other in 0..self.stations.len() {
            if self.stations[other].scanning && self.hear(number, other) {
                self.tell(other, RadioEvent::Heard { remote, advert, rssi });
            }
        }
    }

    fn connect(&mut self, from: usize, to: Option<usize>, remote: Remote) {
        if !self.stations[from].is_on {
            return;
        }
        let Some(to) = to.filter(|to| self.hear(from, *to)) else {
            return self.tell(from, RadioEvent::Failed { remote, why: "nobody there" });
        };
        if !self.stations[from].wires.insert((to, Side::Central)) {
            return self.tell(from, RadioEvent::Failed { remote, why: "connected already" });
        }
        self.stations[to].wires.insert((from, Side::Peripheral));
        self.connects += 1;
        let max_value = self.stations[from].max_value.min(self.stations[to].max_value);
        let pipe = match (self.stations[from].pipe, self.stations[to].pipe) {
            (Pipe::Channel, Pipe::Channel) => Pipe::Channel,
            _ => Pipe::Gatt,
        };
        for (number, other, side) in [(from, to, Side::Central), (to, from, Side::Peripheral)] {
            let wire = self.wire(other, side);
            self.tell(number, RadioEvent::Connected { wire, max_value, pipe });
        }
    }

    /// Ends one connection, in which `a` is on this side.
    fn part(&mut self, a: usize, b: usize, side: Side) {
        for (number, other, side) in [(a, b, side), (b, a, opposite(side))] {
            if self.stations[number].wires.remove(&(other, side)) {
                self.tell(number, RadioEvent::Lost { wire: self.wire(other, side) });
            }
        }
    }

    fn power(&mut self, number: usize, on: bool) {
        if self.stations[number].is_on == on {
            return;
        }
        for (other, side) in self.stations[number].wires.clone() {
            self.part(number, other, side);
        }
        let station = &mut self.stations[number];
        (station.is_on, station.advert, station.scanning) = (on, None, false);
        let state = if on { RadioState::On } else { RadioState::Off };
        self.tell(number, RadioEvent::State(state));
    }
}

fn opposite(side: Side) -> Side {
    match side {
        Side::Central => Side::Peripheral,
        Side::Peripheral => Side::Central,
    }
}
