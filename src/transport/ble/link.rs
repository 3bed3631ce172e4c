//! One live link: a handshake over a pipe over a radio's values, then frames both ways.

use super::pipe::{Figures, Heard, Names, Outgoing, Pipe};
use super::queue::{Farewell, Queue};
use super::radio::{RadioOrder, Side, Wire};
use super::receive::{Broken, Message};
use super::{PROFILE, radio};
use crate::transport::TransportEvent;
use crate::transport::credit::Credit;
use futures::FutureExt as _;
use mesh_core::crypto::channel::{Channel, ChannelError, Handshake, Step, Stream};
use mesh_core::crypto::dh::X25519Secret;
use mesh_core::rng::Rng;
use mesh_core::{Lane, LinkId, Profile, Role};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// How long somebody connected may say nothing.
pub(super) const FIRST_WORD: Duration = Duration::from_secs(8);
/// How long a connection may take to become a link: three messages, and room for five repetitions of each, a second
/// apart.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(16);
/// Something in flight without any acknowledgement for so long means that nobody is there. The radio and the node
/// mostly notice before.
pub(super) const SILENT: Duration = Duration::from_secs(30);
/// How long closing in order may take.
const WIND_DOWN: Duration = Duration::from_secs(1);
/// Bytes that are sealed ahead of what the radio took: enough to fill a value, little enough to stay in order of
/// importance.
const LOOK_AHEAD: usize = 1024;
/// Values that wait for a link's task; more are lost, and repeated by the far end.
pub(super) const MAX_INBOX: usize = 2 * super::value::MAX_WINDOW;
/// How often a link is looked after while its radio takes nothing.
const LOOK: Duration = Duration::from_secs(5);

/// How a link ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("closed here")]
    Closed,
    #[error("closed by the far end: {0:?}")]
    Told(Farewell),
    #[error("the connection is gone")]
    Lost,
    #[error("the far end knows no such link")]
    Reset,
    #[error("the far end began anew")]
    Anew,
    #[error("nothing was acknowledged for {} s", SILENT.as_secs())]
    Silent,
    #[error("no word in time")]
    Mute,
    #[error("no handshake in time")]
    Handshake,
    #[error("another link to the same neighbour stands")]
    Refused,
    #[error("the far end broke the protocol: {0}")]
    Broken(#[from] Broken),
    #[error("the far end broke the encryption: {0}")]
    Channel(#[from] ChannelError),
    #[error("the radio takes no more orders")]
    RadioGone,
    #[error("the node takes no more events")]
    NodeGone,
    #[error("an error in this program")]
    Panicked,
}

/// A handshake is done: shall this be a link?
#[derive(Debug)]
pub(super) struct Shaken {
    pub(super) link: LinkId,
    /// The far end's static key.
    pub(super) theirs: [u8; 32],
    pub(super) verdict: oneshot::Sender<bool>,
}

/// What a link can be asked about from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauge(Arc<Mutex<Traffic>>);

/// Figures of a link.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    pub(super) pipe: Figures,
    pub(super) frames_in: u64,
    pub(super) frames_out: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

impl Gauge {
    pub(super) fn read(&self) -> Traffic {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Traffic)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Everything that a link needs besides its pipe.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) wire: Wire,
    /// The kind of pipe below.
    pub(super) pipe: radio::Pipe,
    /// The longest value.
    pub(super) max_value: usize,
    /// Of the pipes that listen on the same radio.
    pub(super) names: Names,
    pub(super) key: X25519Secret,
    pub(super) rng: Rng,
    pub(super) orders: mpsc::Sender<RadioOrder>,
    /// Values for which the radio has room.
    pub(super) slots: Arc<Semaphore>,
    pub(super) inbox: mpsc::Receiver<Vec<u8>>,
    pub(super) queue: Arc<Queue>,
    pub(super) gauge: Gauge,
    pub(super) shaken: mpsc::Sender<Shaken>,
    pub(super) events: mpsc::Sender<TransportEvent>,
}

impl Link {
    /// Runs the link to its end.
    pub(super) async fn run(self) -> End {
        let (link, events, up) = (self.id, self.events.clone(), Arc::new(AtomicBool::new(false)));
        guarded(link, events, Arc::clone(&up), self.live(up)).await
    }

    async fn live(mut self, up: Arc<AtomicBool>) -> End {
        let now = now();
        let pipe = match self.wire.side {
            Side::Central => Pipe::dial(now, u16::from_le_bytes(self.rng.bytes()), self.max_value),
            Side::Peripheral => Pipe::listen(now, self.names.clone(), self.max_value),
        };
        let mut running = Running { link: self, pipe, began: now };
        let channel = match tokio::time::timeout(HANDSHAKE, running.shake()).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(end)) => return end,
            Err(_) => return End::Handshake,
        };
        let (link, role) = (running.link.id, running.link.role());
        let mtu = u32::try_from(running.link.max_value).unwrap_or(u32::MAX);
        let profile = Profile { mtu, ..PROFILE };
        let binding = channel.binding();
        let event = TransportEvent::Up { link, role, binding, profile };
        up.store(true, Ordering::Relaxed);
        if running.link.events.send(event).await.is_err() {
            return End::NodeGone;
        }
        running.exchange(channel).await.err().unwrap_or(End::Closed)
    }

    fn role(&self) -> Role {
        match self.wire.side {
            Side::Central => Role::Dialer,
            Side::Peripheral => Role::Listener,
        }
    }
}

/// Runs `live`, then tells the node that the link is down where it was up. A panic is a bug that its own message
/// reports; it ends this link alone.
async fn guarded(
    link: LinkId,
    events: mpsc::Sender<TransportEvent>,
    up: Arc<AtomicBool>,
    live: impl Future<Output = End>,
) -> End {
    let end = AssertUnwindSafe(live).catch_unwind().await.unwrap_or(End::Panicked);
    if up.load(Ordering::Relaxed) {
        // A node that takes no more events needs none about this link.
        let _ = events.send(TransportEvent::Down { link }).await;
    }
    end
}

/// A link that takes leave.
struct Closing {
    deadline: Instant,
    /// Whether the notice was handed to the pipe.
    said: bool,
}

/// A link and its pipe.
struct Running {
    link: Link,
    pipe: Pipe,
    began: Instant,
}

impl Running {
    /// The handshake, up to the driver's consent.
    async fn shake(&mut self) -> Result<Channel, End> {
        let rng = self.link.rng.fork();
        let mut handshake = match self.link.role() {
            Role::Dialer => {
                let (handshake, first) = Handshake::dial(&self.link.key, rng);
                self.pipe.send(Lane::Control, false, &first);
                handshake
            }
            Role::Listener => Handshake::listen(&self.link.key, rng),
        };
        let channel = loop {
            let message = self.message().await?;
            match handshake.read(&message.bytes)? {
                Step::Reply(further, reply) => {
                    self.pipe.send(Lane::Control, false, &reply);
                    handshake = *further;
                }
                Step::Done(channel, last) => {
                    last.iter().for_each(|last| self.pipe.send(Lane::Control, false, last));
                    break *channel;
                }
            }
        };
        self.transmit(None).await?;
        let (verdict, told) = oneshot::channel();
        let shaken = Shaken { link: self.link.id, theirs: channel.theirs(), verdict };
        self.link.shaken.send(shaken).await.map_err(|_| End::RadioGone)?;
        if told.await == Ok(true) { Ok(channel) } else { Err(End::Refused) }
    }

    /// The next message of the handshake.
    async fn message(&mut self) -> Result<Message, End> {
        loop {
            if let Some(message) = self.pipe.poll_message() {
                return Ok(message);
            }
            self.transmit(None).await?;
            let deadline = self.began + FIRST_WORD;
            if !self.pipe.has_met() && now() >= deadline {
                return Err(End::Mute);
            }
            self.wait((!self.pipe.has_met()).then_some(deadline)).await?;
        }
    }

    /// Frames both ways, until the end.
    async fn exchange(&mut self, mut channel: Channel) -> Result<(), End> {
        let mut credit = Credit::default();
        let mut closing = None;
        loop {
            while let Some(message) = self.pipe.poll_message() {
                self.deliver(&mut channel, message).await?;
            }
            self.transmit(Some(&mut channel)).await?;
            if self.closes(&mut channel, &mut closing).await? {
                return Ok(());
            }
            self.grant(&mut credit).await?;
            self.link.gauge.change(|traffic| traffic.pipe = self.pipe.figures());
            if self.pipe.stalled(now()) >= SILENT {
                return Err(End::Silent);
            }
            self.wait(closing.as_ref().map(|closing: &Closing| closing.deadline)).await?;
        }
    }

    /// Takes leave where that is ordered: after the control frames that wait, a notice. Whether all is said, or it took
    /// too long.
    async fn closes(&mut self, channel: &mut Channel, closing: &mut Option<Closing>) -> Result<bool, End> {
        let Some(farewell) = self.link.queue.farewell() else { return Ok(false) };
        let closing = closing.get_or_insert_with(|| Closing { deadline: now() + WIND_DOWN, said: false });
        if !closing.said && self.pipe.waiting(Lane::Control) == 0 {
            closing.said = true;
            let notice = channel.seal(Stream::Notice, &[farewell as u8])?;
            self.pipe.send(Lane::Control, true, &notice);
            self.transmit(None).await?;
        }
        Ok(now() >= closing.deadline || (closing.said && self.pipe.is_done()))
    }

    async fn deliver(&mut self, channel: &mut Channel, message: Message) -> Result<(), End> {
        let stream = match message.lane {
            _ if message.notice => Stream::Notice,
            Lane::Control => Stream::Control,
            Lane::Bulk => Stream::Bulk,
        };
        let bytes = channel.open(stream, &message.bytes)?;
        if message.notice {
            return Err(End::Told(Farewell::read(&bytes)));
        }
        self.link.gauge.change(|traffic| {
            traffic.frames_in += 1;
            traffic.bytes_in += bytes.len() as u64;
        });
        let event = TransportEvent::Frame { link: self.link.id, bytes };
        self.link.events.send(event).await.map_err(|_| End::NodeGone)
    }

    /// Seals as much as the next values need. After a farewell no bulk follows.
    fn fill(&mut self, channel: &mut Channel) -> Result<(), End> {
        let closing = self.link.queue.farewell().is_some();
        for (lane, stream) in [(Lane::Control, Stream::Control), (Lane::Bulk, Stream::Bulk)] {
            while self.pipe.waiting(lane) < LOOK_AHEAD && !(closing && lane == Lane::Bulk) {
                let Some(frame) = self.link.queue.pop(lane) else { break };
                let sealed = channel.seal(stream, &frame)?;
                self.pipe.send(lane, false, &sealed);
                self.link.gauge.change(|traffic| {
                    traffic.frames_out += 1;
                    traffic.bytes_out += frame.len() as u64;
                });
            }
        }
        Ok(())
    }

    /// Hands over values while the radio has room, frames sealed as they are needed.
    async fn transmit(&mut self, mut channel: Option<&mut Channel>) -> Result<(), End> {
        loop {
            if let Some(channel) = &mut channel {
                self.fill(channel)?;
            }
            if !self.pipe.is_ready(now()) {
                return Ok(());
            }
            let Ok(slot) = self.link.slots.try_acquire() else { return Ok(()) };
            let Some(Outgoing { bytes, again }) = self.pipe.poll_value(now()) else { return Ok(()) };
            slot.forget();
            // What had to be repeated is confirmed: some stacks drop what they have no room for without a word.
            let confirmed =
                again && self.link.wire.side == Side::Central && self.link.pipe == radio::Pipe::Gatt;
            let order = RadioOrder::Send { wire: self.link.wire, value: bytes, confirmed };
            self.link.orders.send(order).await.map_err(|_| End::RadioGone)?;
        }
    }

    async fn grant(&mut self, credit: &mut Credit) -> Result<(), End> {
        let (handed, queued) = self.link.queue.bulk();
        let waiting = u32::try_from(queued + self.pipe.waiting(Lane::Bulk)).unwrap_or(u32::MAX);
        let ahead = self.pipe.in_flight().saturating_add(waiting);
        let Some(credit) = credit.grant(handed, self.pipe.window(), ahead) else { return Ok(()) };
        let ready = TransportEvent::Ready { link: self.link.id, credit };
        self.link.events.send(ready).await.map_err(|_| End::NodeGone)
    }

    /// Waits for a value, for room, for something to send or for time.
    async fn wait(&mut self, deadline: Option<Instant>) -> Result<(), End> {
        if self.link.queue.is_aborted() {
            return Err(End::Closed);
        }
        let (now, crowded) = (now(), self.pipe.is_ready(now()));
        let due = if crowded { None } else { self.pipe.next_due() };
        let wake = due
            .into_iter()
            .chain(deadline)
            .chain((crowded || !self.pipe.is_done()).then_some(now + LOOK))
            .min();
        // Whatever wakes it, all that is due is done: what comes first here holds nothing else back.
        tokio::select! {
            biased;
            value = self.link.inbox.recv() => {
                let Some(value) = value else { return Err(End::Lost) };
                self.on_value(&value)?;
                // Those that came meanwhile are acknowledged together with it.
                while let Ok(value) = self.link.inbox.try_recv() {
                    self.on_value(&value)?;
                }
            }
            () = self.link.queue.changed() => {}
            is_open = has_slot(&self.link.slots), if crowded => {
                if !is_open {
                    return Err(End::Lost);
                }
            }
            () = sleep_until(wake) => {}
        }
        Ok(())
    }

    fn on_value(&mut self, value: &[u8]) -> Result<(), End> {
        match self.pipe.on_value(now(), value)? {
            Heard::Ours | Heard::Foreign => Ok(()),
            Heard::Reset => Err(End::Reset),
            Heard::Anew => Err(End::Anew),
        }
    }
}

/// Waits until the radio has room; `false` once the connection is gone, which closes its slots.
async fn has_slot(slots: &Semaphore) -> bool {
    slots.acquire().await.is_ok()
}

/// The clock of this transport, which tests may hold.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Sleeps until a moment; for ever where there is none.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_that_panics_ends_and_the_node_hears_of_it() {
        let (events, mut told) = mpsc::channel(4);
        let up = Arc::new(AtomicBool::new(true));
        let end = guarded(LinkId(7), events, up, async { panic!("a link panics by order") }).await;
        assert!(matches!(end, End::Panicked), "{end}");
        assert!(matches!(told.recv().await, Some(TransportEvent::Down { link: LinkId(7) })));
    }
}
