//! One radio and its links: whom to dial, whom to take, when to listen, when to become somebody else.

mod lines;

use super::duty::Duty;
use super::link::{End, Gauge, Shaken, now, sleep_until};
use super::neighbours::Neighbours;
use super::pipe::Names;
use super::queue::{Farewell, Queue};
use super::radio::{Advert, MAX_VALUES, Pipe, Radio, RadioEvent, RadioOrder, RadioState, Remote, Side, Wire};
use super::status::{Adapter, Line as LineStatus};
use super::{BleConfig, Links};
use crate::transport::{LinkIds, TransportEvent};
use mesh_core::crypto::dh::X25519Secret;
use mesh_core::radio::Battery;
use mesh_core::radio::overlay::{self, Advice, Overlay};
use mesh_core::rng::Rng;
use mesh_core::{CloseReason, LinkId, Medium, Role, Time};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;

/// How long a neighbour is left alone that broke the protocol.
const SHUN: Duration = Duration::from_secs(600);
/// How long a neighbour is left alone where there were too many links, or that connected and said nothing.
const SHUN_CROWD: Duration = Duration::from_secs(60);
/// So many bytes since it was last looked at are more than signs of life: something flows on a link.
const FLOWS: u64 = 256;
/// A link that stood so long was no double dial: who comes by another connection has lost it.
const STOOD: Duration = Duration::from_secs(3);
/// The radio ends an attempt after 10 s; one that does not say so is not waited for any longer than this.
const CONNECT: Duration = Duration::from_secs(15);
/// How long closing links may take before a radio is silent or stopped.
const WIND_DOWN: Duration = Duration::from_secs(2);
/// The longest silence between two identities.
const SILENCE: Duration = Duration::from_secs(3);
/// Who was left alone because of a link over another medium is so until one of those ends, but at most this often ...
const LONELY_EVERY: Duration = Duration::from_secs(60);
/// ... and up to so much later: not all who lost the same neighbour dial it at once.
const LONELY_JITTER: Duration = Duration::from_secs(2);
/// For things that never become due.
const NEVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Handshakes that wait for the driver's word.
const MAX_SHAKEN: usize = 16;

/// What the handle orders.
#[derive(Debug)]
pub(super) enum Order {
    Close(LinkId, CloseReason),
    /// Its queue is full.
    Abandon(LinkId),
    Advertise(Advert, [u8; 8]),
    Keep(LinkId, bool),
    LinkEnded(LinkId),
    Battery(Battery),
    Rotate,
    Shutdown(oneshot::Sender<()>),
}

/// What all radios of a transport share.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) config: BleConfig,
    pub(super) ids: LinkIds,
    pub(super) events: mpsc::Sender<TransportEvent>,
    pub(super) links: Links,
    /// Radios that work.
    pub(super) working: Arc<AtomicUsize>,
}

/// A link, from its connection to the end of its task.
#[derive(Debug)]
struct Line {
    wire: Wire,
    pipe: Pipe,
    /// `None` once the connection is gone.
    inbox: Option<mpsc::Sender<Vec<u8>>>,
    slots: Arc<Semaphore>,
    queue: Arc<Queue>,
    gauge: Gauge,
    max_value: usize,
    theirs: Option<[u8; 32]>,
    up_since: Option<Instant>,
    /// Why it was closed here, and when.
    closed: Option<(CloseReason, Instant)>,
    /// Bytes that had crossed it when it was last looked at.
    crossed: u64,
    /// Another link to the same neighbour takes its place.
    superseded: bool,
}

/// What a radio is doing about who it is.
#[derive(Debug)]
enum Phase {
    /// Known by one advert and one static key until then.
    Open { rotate_at: Instant },
    /// Its links end, for a rotation.
    Retiring { until: Instant },
    /// Nothing is on the air.
    Silent { until: Instant },
    /// Its links end, for good.
    Stopping { until: Instant, told: Option<oneshot::Sender<()>> },
}

/// One radio's driver.
pub(super) struct Driver {
    common: Common,
    radio: Radio,
    state: RadioState,
    /// Orders that the radio has no room for yet; each at most once.
    pending: VecDeque<RadioOrder>,
    key: X25519Secret,
    rng: Rng,
    /// What the node wants advertised, and what its bag looks like.
    advert: Option<(Advert, [u8; 8])>,
    /// What the node wanted said before the last rotation: it is not said again.
    spent: Option<Advert>,
    neighbours: Neighbours,
    overlay: Overlay,
    /// The overlay's time 0.
    began: Instant,
    /// When the last link over another medium ended.
    ended_elsewhere: Option<Instant>,
    /// When that is taken for a reason to dial whom such links kept from it; and when it was before.
    lonely: (Option<Instant>, Option<Instant>),
    /// What the node is to be told and has no room for yet.
    untold: VecDeque<TransportEvent>,
    connecting: Option<(Remote, Instant)>,
    lines: BTreeMap<LinkId, Line>,
    wires: BTreeMap<Wire, LinkId>,
    /// Who waits for the end of the link in whose place it comes.
    successors: BTreeMap<LinkId, (LinkId, oneshot::Sender<bool>)>,
    names: Names,
    running: JoinSet<(LinkId, End)>,
    shaken: (mpsc::Sender<Shaken>, mpsc::Receiver<Shaken>),
    duty: Duty,
    scanning: bool,
    advertised: Option<Advert>,
    phase: Phase,
    /// Whether something may have become due, or looks otherwise, since that was last looked at.
    changed: bool,
    status: watch::Sender<Adapter>,
}

impl Driver {
    pub(super) fn new(common: Common, radio: Radio, mut rng: Rng, status: watch::Sender<Adapter>) -> Self {
        let now = now();
        let rotate_at = now + life(&common.config, &mut rng);
        let duty = Duty::new(now, common.config.battery);
        let (places, dialled) = (common.config.max_links, common.config.max_dialled);
        let policy = overlay::Config { places, dialled, ..overlay::Config::from(common.config.battery) };
        let overlay = Overlay::new(policy, rng.fork());
        Self {
            common,
            radio,
            state: RadioState::Starting,
            pending: VecDeque::new(),
            key: X25519Secret::generate(&mut rng),
            rng,
            advert: None,
            spent: None,
            neighbours: Neighbours::default(),
            overlay,
            began: now,
            ended_elsewhere: None,
            lonely: (None, None),
            untold: VecDeque::new(),
            connecting: None,
            lines: BTreeMap::new(),
            wires: BTreeMap::new(),
            successors: BTreeMap::new(),
            names: Names::default(),
            running: JoinSet::new(),
            shaken: mpsc::channel(MAX_SHAKEN),
            duty,
            scanning: false,
            advertised: None,
            phase: Phase::Open { rotate_at },
            changed: true,
            status,
        }
    }

    /// Runs until it is told to stop, or its radio ends.
    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut wake = now();
        loop {
            if std::mem::take(&mut self.changed) {
                self.act();
                self.show();
                wake = self.next_wakeup();
            }
            if self.is_stopped() || !self.step(&mut orders, wake).await {
                break;
            }
        }
        self.end().await;
    }

    /// Waits for one thing to happen and deals with it; `false` at the end of the radio.
    async fn step(&mut self, orders: &mut mpsc::UnboundedReceiver<Order>, wake: Instant) -> bool {
        let mut changed = true;
        tokio::select! {
            // What neighbours can cause without end comes last: it holds nothing else back.
            biased;
            order = orders.recv() => match order {
                Some(order) => self.on_order(order),
                None => return false,
            },
            Some(shaken) = self.shaken.1.recv() => self.on_shaken(shaken),
            Some(ended) = self.running.join_next() => self.on_ended(ended),
            lives = hand_over(&self.radio.orders, &mut self.pending), if !self.pending.is_empty() => {
                changed = false;
                if !lives {
                    return false;
                }
            }
            lives = tell_node(&self.common.events, &mut self.untold), if !self.untold.is_empty() => {
                changed = false;
                if !lives {
                    return false;
                }
            }
            () = sleep_until(Some(wake)) => {}
            event = self.radio.events.recv() => match event {
                Some(event) => {
                    // Nothing but its own link changes by a value, and there are hundreds a second.
                    changed = !matches!(event, RadioEvent::Value { .. } | RadioEvent::Taken { .. });
                    self.on_radio(event);
                }
                None => return false,
            },
        }
        self.changed |= changed;
        true
    }

    /// Every link task still tells the node that its link is down, however long the node takes to hear it.
    async fn end(mut self) {
        for line in self.lines.values_mut() {
            line.queue.abort();
            line.inbox = None;
        }
        while let Some(ended) = self.running.join_next().await {
            self.on_ended(ended);
        }
        let (advertising, scanning) = (false, false);
        let state = match self.phase {
            Phase::Stopping { .. } => RadioState::Off,
            _ => RadioState::Broken { reason: "the radio ended".to_owned() },
        };
        self.status.send_modify(|status| {
            *status =
                Adapter { name: status.name.clone(), state, advertising, scanning, ..Adapter::default() };
        });
        if let Phase::Stopping { told: Some(told), .. } = self.phase {
            // Whoever asked may have stopped waiting.
            let _ = told.send(());
        }
    }

    fn is_open(&self) -> bool {
        self.state == RadioState::On && matches!(self.phase, Phase::Open { .. })
    }

    /// The overlay's time.
    fn time(&self) -> Time {
        let since = now().saturating_duration_since(self.began);
        Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whether there are as many links as this radio looks for.
    fn is_sated(&self) -> bool {
        self.wires.len() >= self.common.config.max_links || self.dialled() >= self.common.config.max_dialled
    }

    fn dialled(&self) -> usize {
        self.wires.keys().filter(|wire| wire.side == Side::Central).count()
    }

    /// Whether another link to the same neighbour than this stands.
    fn is_linked_otherwise(&self, id: LinkId, remote: Remote) -> bool {
        let mut others = self.lines.iter().filter(|(other, _)| **other != id);
        others.any(|(_, line)| line.wire.remote == remote && line.up_since.is_some())
    }

    /// Queues an order for the radio. One that supersedes another takes its place.
    fn tell(&mut self, order: RadioOrder) {
        let kind = std::mem::discriminant(&order);
        let supersedes = matches!(order, RadioOrder::Advertise(_) | RadioOrder::Scan(_));
        self.pending.retain(
            |other| {
                if supersedes { std::mem::discriminant(other) != kind } else { *other != order }
            },
        );
        self.pending.push_back(order);
    }

    /// What a status shows.
    fn show(&self) {
        let now = now();
        self.status.send_modify(|status| {
            status.state = self.state.clone();
            status.advertising = self.advertised.is_some();
            status.scanning = self.scanning;
            status.seen = self.neighbours.in_reach(now);
            let up = self.lines.iter().filter(|(_, line)| line.up_since.is_some());
            let lines = up.map(|(id, line)| LineStatus {
                link: *id,
                role: role(line.wire),
                pipe: line.pipe,
                max_value: line.max_value,
                rssi: self.neighbours.rssi(line.wire.remote),
                gauge: line.gauge.clone(),
            });
            status.lines = lines.collect();
        });
    }
}

/// What becomes due.
impl Driver {
    /// Does whatever has become due.
    fn act(&mut self) {
        let now = now();
        self.advance(now);
        self.advertise();
        if self.lonely.0.take_if(|due| now >= *due).is_some() {
            self.lonely.1 = Some(now);
            self.overlay.lonely(self.time());
        }
        if let Some((remote, since)) = self.connecting
            && now >= since + CONNECT
        {
            self.on_failed(remote, "the radio does not answer");
        }
        self.dial(now);
        self.listen(now);
    }

    fn next_wakeup(&self) -> Instant {
        let now = now();
        let phase = match &self.phase {
            Phase::Open { rotate_at } => *rotate_at,
            Phase::Retiring { until } | Phase::Silent { until } | Phase::Stopping { until, .. } => *until,
        };
        let mut wake = self.lonely.0.map_or(phase, |due| due.min(phase));
        if let Some((_, since)) = self.connecting {
            wake = wake.min(since + CONNECT);
        } else if self.is_open() {
            let due = self.overlay.next_wakeup(self.time());
            let due = due.map(|due| self.began + Duration::from_millis(due.0));
            wake = due.map_or(wake, |due| wake.min(due));
        }
        if self.is_open() && self.connecting.is_none() {
            wake = self.duty.next_due(now, self.is_sated()).map_or(wake, |due| wake.min(due));
        }
        wake
    }

    /// The next phase, when the present one is over.
    fn advance(&mut self, now: Instant) {
        match &self.phase {
            Phase::Open { rotate_at } if now >= *rotate_at => {
                tracing::debug!(radio = self.radio.name, "a new identity begins");
                self.untold.push_back(TransportEvent::Rotated);
                // Also where the adapter is off just now.
                self.spent = self.advert.map(|(advert, _)| advert);
                self.close_all();
                self.phase = Phase::Retiring { until: now + WIND_DOWN };
            }
            Phase::Retiring { until } if now >= *until || self.lines.is_empty() => {
                self.lines.values().for_each(|line| line.queue.abort());
                let silence = random_up_to(&mut self.rng, SILENCE);
                self.phase = Phase::Silent { until: now + silence };
            }
            Phase::Silent { until } if now >= *until => {
                self.key = X25519Secret::generate(&mut self.rng);
                let rotate_at = now + life(&self.common.config, &mut self.rng);
                self.phase = Phase::Open { rotate_at };
                self.duty.look_around(now);
                self.want_advert();
            }
            _ => {}
        }
    }

    fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Stopping { until, .. } if self.lines.is_empty() || now() >= until)
    }

    /// Vanishes from the air and ends every link in order.
    fn close_all(&mut self) {
        for line in self.lines.values() {
            match line.up_since {
                Some(_) => line.queue.close(Farewell::Going),
                None => line.queue.abort(),
            }
        }
    }

    /// Keeps what is on the air as it shall be.
    fn advertise(&mut self) {
        let wanted = if self.is_open() { Some(self.current_advert()) } else { None };
        let advert = wanted.map(|(advert, _)| advert);
        if self.state == RadioState::On && advert != self.advertised {
            self.advertised = advert;
            self.tell(RadioOrder::Advertise(advert));
        }
        if let Some((advert, root)) = wanted {
            self.overlay.advertise(advert, root);
        }
    }

    /// The node's advert; after a rotation one about no bag until the node gives another, since the old one would join
    /// both identities.
    fn current_advert(&mut self) -> (Advert, [u8; 8]) {
        if let Some(advert) = self.advert.filter(|(advert, _)| Some(*advert) != self.spent) {
            return advert;
        }
        let root = self.rng.bytes();
        let nobody = mesh_core::radio::Advert::new(root, self.rng.bytes(), false, 0).to_bytes();
        *self.advert.insert((nobody, root))
    }

    /// Asks the node for another advert. Where the adapter is off that waits until it is on.
    fn want_advert(&mut self) {
        if self.state != RadioState::On {
            return;
        }
        let medium = Medium::Ble;
        self.untold.retain(|event| !matches!(event, TransportEvent::Radio { .. }));
        for up in [false, true] {
            self.untold.push_back(TransportEvent::Radio { medium, up });
        }
    }

    /// Follows the overlay's advice: whom to link to, and which link to give up for it.
    fn dial(&mut self, now: Instant) {
        if !self.is_open() {
            return;
        }
        self.note_flow();
        let time = self.time();
        while let Some(advice) = self.overlay.poll(time) {
            match advice {
                Advice::Dial(remote) => self.connect(now, Remote(remote)),
                Advice::Drop(remote) => self.give_up(Remote(remote)),
            }
        }
    }

    fn connect(&mut self, now: Instant, remote: Remote) {
        let busy = self.connecting.is_some() || self.lines.values().any(|line| line.wire.remote == remote);
        if busy || self.neighbours.is_shunned(now, remote) {
            return self.overlay.failed(self.time(), remote.0);
        }
        self.connecting = Some((remote, now));
        // Scanning and connecting get in each other's way on many controllers.
        self.scan(false);
        self.tell(RadioOrder::Connect(remote));
    }

    fn give_up(&mut self, remote: Remote) {
        let links = self.lines.iter().filter(|(_, line)| line.wire.remote == remote);
        let links: Vec<_> = links.map(|(id, _)| *id).collect();
        if links.is_empty() {
            // Nobody else would tell that its place is free.
            self.overlay.lost(self.time(), remote.0);
        }
        for link in links {
            self.close(link, Farewell::Crowd, CloseReason::TooMany);
        }
    }

    /// Tells the overlay on which links something flows.
    fn note_flow(&mut self) {
        let time = self.time();
        for line in self.lines.values_mut().filter(|line| line.up_since.is_some()) {
            let traffic = line.gauge.read();
            let crossed = traffic.bytes_in + traffic.bytes_out;
            if crossed >= line.crossed + FLOWS {
                self.overlay.flowed(time, line.wire.remote.0);
            }
            line.crossed = crossed;
        }
    }

    fn listen(&mut self, now: Instant) {
        let sated = self.is_sated();
        let listens = self.duty.listens(now, sated) && self.is_open() && self.connecting.is_none();
        self.scan(listens);
    }

    fn scan(&mut self, on: bool) {
        if self.state == RadioState::On && on != self.scanning {
            self.scanning = on;
            self.tell(RadioOrder::Scan(on));
        }
    }
}

/// What the radio tells.
impl Driver {
    fn on_radio(&mut self, event: RadioEvent) {
        match event {
            RadioEvent::State(state) => self.on_state(state),
            RadioEvent::Heard { remote, advert, rssi } => self.on_heard(remote, advert, rssi),
            RadioEvent::Connected { wire, max_value, pipe } => self.on_connected(wire, max_value, pipe),
            RadioEvent::Failed { remote, why } => self.on_failed(remote, why),
            RadioEvent::Value { wire, value } => {
                // A link that takes no more loses it; the far end says it again.
                let line = self.wires.get(&wire).and_then(|link| self.lines.get(link));
                let _ = line.and_then(|line| line.inbox.as_ref()).map(|inbox| inbox.try_send(value));
            }
            RadioEvent::Taken { wire } => {
                let line = self.wires.get(&wire).and_then(|link| self.lines.get(link));
                if let Some(line) = line.filter(|line| line.slots.available_permits() < MAX_VALUES) {
                    line.slots.add_permits(1);
                }
            }
            RadioEvent::Lost { wire } => self.on_lost(wire),
        }
    }

    fn on_state(&mut self, state: RadioState) {
        if state == self.state {
            return;
        }
        tracing::info!(radio = self.radio.name, ?state, "the Bluetooth adapter");
        self.count(state == RadioState::On);
        self.state = state;
        (self.scanning, self.advertised, self.connecting) = (false, None, None);
        self.pending.clear();
        for wire in self.wires.keys().copied().collect::<Vec<_>>() {
            self.on_lost(wire);
        }
        if self.advert.is_some_and(|(advert, _)| Some(advert) == self.spent) {
            self.want_advert();
        }
        let now = now();
        self.neighbours.forget(now);
        self.duty.look_around(now);
    }

    /// Tells the node when the first of its radios begins to work, and when none works any more.
    fn count(&mut self, works: bool) {
        let worked = self.state == RadioState::On;
        let others = match (worked, works) {
            (false, true) => self.common.working.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.common.working.fetch_sub(1, Ordering::Relaxed) - 1,
            _ => return,
        };
        if others == 0 {
            self.untold.push_back(TransportEvent::Radio { medium: Medium::Ble, up: works });
        }
    }

    fn on_heard(&mut self, remote: Remote, advert: Advert, rssi: Option<i8>) {
        if !self.is_open() {
            return;
        }
        if !self.neighbours.is_shunned(now(), remote) {
            self.overlay.heard(self.time(), remote.0, &advert, rssi);
        }
        if self.neighbours.heard(now(), remote, advert, rssi) {
            let heard = TransportEvent::Heard { medium: Medium::Ble, advert: advert.to_vec(), rssi };
            // A node that is busy hears it the next time.
            let _ = self.common.events.try_send(heard);
        }
    }

    fn on_failed(&mut self, remote: Remote, why: &'static str) {
        if self.connecting.is_some_and(|(waited_for, _)| waited_for == remote) {
            tracing::debug!(radio = self.radio.name, why, "not reached");
            self.connecting = None;
            self.overlay.failed(self.time(), remote.0);
        }
    }
}

/// What the handle orders.
impl Driver {
    fn on_order(&mut self, order: Order) {
        let now = now();
        match order {
            Order::Close(link, why) => {
                let farewell = match why {
                    CloseReason::Duplicate => Farewell::Duplicate,
                    CloseReason::TooMany => Farewell::Crowd,
                    CloseReason::Silent => Farewell::Going,
                    _ => Farewell::Fault,
                };
                self.close(link, farewell, why);
            }
            Order::Abandon(link) => {
                if let Some(line) = self.lines.get(&link) {
                    line.queue.abort();
                }
            }
            Order::Advertise(advert, root) => self.advert = Some((advert, root)),
            Order::Keep(link, keep) => {
                if let Some(line) = self.lines.get(&link) {
                    self.overlay.keep(line.wire.remote.0, keep);
                }
            }
            // Only a link over another medium can have been the reason for leaving somebody alone.
            Order::LinkEnded(link) if !self.common.ids.made(link) => self.ended_elsewhere(now),
            Order::LinkEnded(_) => {}
            Order::Battery(battery) => self.duty.set(now, battery),
            Order::Rotate => {
                if let Phase::Open { rotate_at } = &mut self.phase {
                    *rotate_at = now;
                }
            }
            Order::Shutdown(told) => {
                self.close_all();
                self.phase = Phase::Stopping { until: now + WIND_DOWN, told: Some(told) };
            }
        }
    }
}

impl Driver {
    /// A link over another medium ended. Neighbours there may make that happen as often as they like.
    fn ended_elsewhere(&mut self, now: Instant) {
        self.ended_elsewhere = Some(now);
        let jitter = random_up_to(&mut self.rng, LONELY_JITTER);
        let earliest = self.lonely.1.map_or(now, |before| now.max(before + LONELY_EVERY));
        self.lonely.0.get_or_insert(earliest + jitter);
    }
}

/// Gives the radio its next order once it has room; whether it still takes any.
async fn hand_over(orders: &mpsc::Sender<RadioOrder>, pending: &mut VecDeque<RadioOrder>) -> bool {
    let Ok(room) = orders.reserve().await else { return false };
    if let Some(order) = pending.pop_front() {
        room.send(order);
    }
    true
}

/// Tells the node the next thing once it has room; whether there is a node.
async fn tell_node(events: &mpsc::Sender<TransportEvent>, untold: &mut VecDeque<TransportEvent>) -> bool {
    let Ok(room) = events.reserve().await else { return false };
    if let Some(event) = untold.pop_front() {
        room.send(event);
    }
    true
}

fn role(wire: Wire) -> Role {
    match wire.side {
        Side::Central => Role::Dialer,
        Side::Peripheral => Role::Listener,
    }
}

/// How long an identity lives: at least as configured, at most twice as long.
fn life(config: &BleConfig, rng: &mut Rng) -> Duration {
    let least = config.rotate_every.min(NEVER);
    least + random_up_to(rng, least)
}

fn random_up_to(rng: &mut Rng, longest: Duration) -> Duration {
    let most = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(rng.below(most.saturating_add(1)))
}
