//! What the peripheral sends: notifications through the sockets that BlueZ gives.
//!
//! Not by signals of the bus: of many at once those stop half way. Before BlueZ 5.69 there is one socket for all
//! centrals, what goes in reaches each of them, and a new subscriber replaces it: what was being sent then is sent
//! again. Later versions have a socket for each, and who does not take what is sent to it holds back nobody else.

use super::Address;
use super::session::Told;
use crate::transport::ble::radio::{MAX_VALUES, Wire};
use bluer::gatt::CharacteristicWriter;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

/// Sockets that are kept; more subscribers than that have no place in any adapter.
const MAX_WRITERS: usize = 32;
/// Values of all centrals that wait.
pub(super) const MAX_WAITING: usize = 32 * MAX_VALUES;
/// How long one value may wait for room in the socket, or for a socket in the place of one that was replaced.
const PATIENCE: Duration = Duration::from_secs(5);

/// A value for one central, which others may receive too.
#[derive(Debug)]
pub(super) struct Notification {
    pub(super) wire: Wire,
    pub(super) address: Address,
    pub(super) value: Vec<u8>,
}

/// Sends what comes in, for each socket one after the other, until nothing more does.
pub(super) async fn notify_all(
    mut writers: mpsc::Receiver<CharacteristicWriter>,
    mut values: mpsc::Receiver<Notification>,
    tell: mpsc::Sender<Told>,
) {
    let mut notifier = Notifier::default();
    loop {
        tokio::select! {
            biased;
            Some(writer) = writers.recv() => notifier.add(writer.device_address().0, Socket::new(writer)),
            Some(sent) = notifier.sending.next(), if !notifier.sending.is_empty() => notifier.on_sent(sent),
            () = due(notifier.homeless.front()) => notifier.expire(),
            next = values.recv(), if notifier.waiting < MAX_WAITING => match next {
                Some(next) => notifier.put(next),
                None => return,
            },
        }
        for wire in std::mem::take(&mut notifier.taken) {
            drop(tell.send(Told::Taken(wire)).await);
        }
    }
}

async fn due(first: Option<&Waiting>) {
    match first {
        Some(waiting) => sleep_until(waiting.until).await,
        None => std::future::pending().await,
    }
}

/// Where notifications are written.
trait Outlet: Send + Sync + 'static {
    fn send(&self, value: &[u8]) -> impl Future<Output = io::Result<()>> + Send;
    fn is_closed(&self) -> bool;
}

/// A value that waits for its socket, or for any.
struct Waiting {
    next: Notification,
    /// Then it is lost.
    until: Instant,
}

/// The sockets, by who subscribed when they came.
struct Notifier<S> {
    lines: BTreeMap<Address, Line<S>>,
    /// The first value of each line.
    sending: FuturesUnordered<BoxFuture<'static, Sent>>,
    /// Values for which there is no socket.
    homeless: VecDeque<Waiting>,
    /// Values that came in and are neither sent nor lost.
    waiting: usize,
    /// Whose values were, since that was told last.
    taken: Vec<Wire>,
    /// The number of the next line.
    count: u64,
}

/// A socket and what waits for it.
struct Line<S> {
    socket: Arc<S>,
    number: u64,
    sends: bool,
    queue: VecDeque<Waiting>,
}

/// What became of a value.
struct Sent {
    address: Address,
    /// The line that it was sent by.
    number: u64,
    waiting: Waiting,
    /// Sent or lost; otherwise the socket is closed.
    is_settled: bool,
}

/// A socket of BlueZ's. What is written to it is one notification.
struct Socket {
    /// Keeps it, and knows whether it is closed.
    writer: CharacteristicWriter,
    /// The same without the limit that bluer sets to each value: that is the MTU of who subscribed last, and a
    /// stranger with the smallest one would silence this node for all others.
    whole: Option<UnixDatagram>,
}

impl Socket {
    fn new(writer: CharacteristicWriter) -> Self {
        let whole = same(&writer);
        if let Err(error) = &whole {
            tracing::debug!(%error, "values keep to the smallest MTU of all who listen");
        }
        Self { writer, whole: whole.ok() }
    }
}

impl Outlet for Socket {
    async fn send(&self, value: &[u8]) -> io::Result<()> {
        match &self.whole {
            Some(whole) => whole.send(value).await.map(|_| ()),
            // Too long a value is lost, as values may be.
            None if value.len() > self.writer.mtu() => Ok(()),
            None => self.writer.send(value).await,
        }
    }

    fn is_closed(&self) -> bool {
        self.writer.is_closed().unwrap_or(true)
    }
}

/// Another descriptor of the same socket, by the one way that asks for no unsafe code.
fn same(writer: &CharacteristicWriter) -> io::Result<UnixDatagram> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let socket = pidfd_getfd(own, writer.as_raw_fd(), PidfdGetfdFlags::empty())?;
    UnixDatagram::from_std(std::os::unix::net::UnixDatagram::from(socket))
}

impl<S> Default for Notifier<S> {
    fn default() -> Self {
        Self {
            lines: BTreeMap::new(),
            sending: FuturesUnordered::new(),
            homeless: VecDeque::new(),
            waiting: 0,
            taken: Vec::new(),
            count: 0,
        }
    }
}

impl<S: Outlet> Notifier<S> {
    fn add(&mut self, address: Address, socket: S) {
        // A closed one says so by being readable. What waited for it goes another way.
        let closed = self.lines.iter().filter(|(_, line)| line.socket.is_closed());
        let mut gone: Vec<_> = closed.map(|(address, _)| *address).collect();
        if self.lines.len() - gone.len() >= MAX_WRITERS {
            gone.extend(self.lines.keys().find(|one| !gone.contains(one)).copied());
        }
        let mut left: Vec<_> = gone.iter().filter_map(|one| self.lines.remove(one)).collect();
        left.extend(self.lines.remove(&address));
        self.count += 1;
        let line =
            Line { socket: Arc::new(socket), number: self.count, sends: false, queue: VecDeque::new() };
        self.lines.insert(address, line);
        let homeless = std::mem::take(&mut self.homeless);
        left.into_iter().flat_map(|line| line.queue).chain(homeless).for_each(|waiting| self.route(waiting));
    }

    fn put(&mut self, next: Notification) {
        self.waiting += 1;
        self.route(Waiting { next, until: Instant::now() + PATIENCE });
    }

    /// Puts a value in the line of the reader's own socket, or of the one that all share.
    fn route(&mut self, waiting: Waiting) {
        let own = Some(waiting.next.address).filter(|own| self.lines.contains_key(own));
        let at = own.or_else(|| self.lines.keys().next().copied());
        match at.and_then(|at| Some((at, self.lines.get_mut(&at)?))) {
            Some((at, line)) => {
                line.queue.push_back(waiting);
                self.begin(at);
            }
            None => self.homeless.push_back(waiting),
        }
    }

    /// Begins to send the first value of a line, where none is being sent.
    fn begin(&mut self, address: Address) {
        let Some(line) = self.lines.get_mut(&address).filter(|line| !line.sends) else { return };
        let Some(waiting) = line.queue.pop_front() else { return };
        line.sends = true;
        let (socket, number) = (Arc::clone(&line.socket), line.number);
        self.sending.push(Box::pin(async move {
            let sent = timeout_at(waiting.until, socket.send(&waiting.next.value)).await;
            if sent.is_err() {
                tracing::debug!(bytes = waiting.next.value.len(), "a value was not notified in time");
            }
            let is_settled = sent.is_ok_and(|sent| sent.is_ok()) || Instant::now() >= waiting.until;
            Sent { address, number, waiting, is_settled }
        }));
    }

    fn on_sent(&mut self, sent: Sent) {
        let Sent { address, number, waiting, is_settled } = sent;
        let same = self.lines.get_mut(&address).filter(|line| line.number == number);
        if is_settled {
            if let Some(line) = same {
                line.sends = false;
                self.begin(address);
            }
            return self.settle(waiting.next.wire);
        }
        let closed = if same.is_some() { self.lines.remove(&address) } else { None };
        self.route(waiting);
        closed.into_iter().flat_map(|line| line.queue).for_each(|waiting| self.route(waiting));
    }

    /// Gives up what waited too long for any socket.
    fn expire(&mut self) {
        let now = Instant::now();
        while self.homeless.front().is_some_and(|waiting| waiting.until <= now) {
            let lost = self.homeless.pop_front();
            lost.iter().for_each(|waiting| self.settle(waiting.next.wire));
        }
    }

    fn settle(&mut self, wire: Wire) {
        self.waiting = self.waiting.saturating_sub(1);
        self.taken.push(wire);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::ble::radio::{Remote, Side};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// What a socket does, and what it got.
    #[derive(Clone, Default)]
    struct Fake {
        stuck: Arc<AtomicBool>,
        closed: Arc<AtomicBool>,
        got: Arc<Mutex<Vec<u8>>>,
    }

    impl Outlet for Fake {
        async fn send(&self, value: &[u8]) -> io::Result<()> {
            if self.closed.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if self.stuck.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            self.got.lock().unwrap().extend(value);
            Ok(())
        }

        fn is_closed(&self) -> bool {
            self.closed.load(Ordering::Relaxed)
        }
    }

    fn wire(address: u8) -> Wire {
        Wire { remote: Remote(address.into()), side: Side::Peripheral }
    }

    fn put(notifier: &mut Notifier<Fake>, address: u8, value: u8) {
        notifier.put(Notification { wire: wire(address), address: [address; 6], value: vec![value] });
    }

    /// Sends until nothing is left to send; what was taken, in order.
    async fn send_all(notifier: &mut Notifier<Fake>) -> Vec<Wire> {
        while let Some(sent) = notifier.sending.next().await {
            notifier.on_sent(sent);
        }
        std::mem::take(&mut notifier.taken)
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_holds_back_nobody_else_and_loses_its_values_in_time() {
        let (mut notifier, began) = (Notifier::default(), Instant::now());
        let (stuck, well) = (Fake::default(), Fake::default());
        stuck.stuck.store(true, Ordering::Relaxed);
        notifier.add([1; 6], stuck.clone());
        notifier.add([2; 6], well.clone());
        for value in 0..4 {
            put(&mut notifier, 1, value);
            put(&mut notifier, 2, value);
        }
        for _ in 0..4 {
            let sent = notifier.sending.next().await.unwrap();
            notifier.on_sent(sent);
        }
        assert_eq!((began.elapsed(), well.got.lock().unwrap().clone()), (Duration::ZERO, vec![0, 1, 2, 3]));
        assert_eq!(std::mem::take(&mut notifier.taken), [wire(2); 4]);
        assert_eq!(send_all(&mut notifier).await, [wire(1); 4]);
        assert_eq!((began.elapsed(), notifier.waiting), (PATIENCE, 0));
        assert!(stuck.got.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_a_socket_that_was_replaced_is_sent_by_the_one_in_its_place_and_in_order() {
        let mut notifier = Notifier::default();
        let (old, new) = (Fake::default(), Fake::default());
        notifier.add([1; 6], old.clone());
        old.closed.store(true, Ordering::Relaxed);
        for value in 0..4 {
            put(&mut notifier, 2, value);
        }
        assert!(send_all(&mut notifier).await.is_empty(), "there is no other socket yet");
        notifier.add([3; 6], new.clone());
        assert_eq!(send_all(&mut notifier).await, [wire(2); 4]);
        assert_eq!(*new.got.lock().unwrap(), [0, 1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_socket_is_lost_after_a_while() {
        let mut notifier = Notifier::<Fake>::default();
        put(&mut notifier, 1, 0);
        due(notifier.homeless.front()).await;
        notifier.expire();
        assert_eq!((notifier.taken.len(), notifier.waiting), (1, 0));
    }
}
