//! One live link: greeting, then four tasks, a reader and a writer for each lane, that end together.

use super::framing::{
    Assembly, Broken, FRAME_HEADER, MAX_PIECE, RECORD_HEADER, Record, frame_length, put_ack, put_frame,
    put_piece,
};
use crate::transport::TransportEvent;
use crate::transport::credit::Credit;
use crate::transport::window::{Bounds, Overrun, Window};
use futures::FutureExt as _;
use futures::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use libp2p::PeerId;
use mesh_core::link::MAX_FRAME;
use mesh_core::{Lane, LinkId, Profile, Role};
use std::collections::VecDeque;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

/// How long the far end may take to greet: a stream that nobody took is noticed by it.
const GREETING: Duration = Duration::from_secs(2);
/// Bytes that may wait in one lane's queue; a neighbour that reads so slowly loses the link.
pub(super) const MAX_QUEUED: usize = 4 * 1024 * 1024;
/// Bytes that may wait in one lane's queue whatever the other links hold.
pub(super) const FAIR_SHARE: usize = 128 * 1024;
/// Bytes written at once where more than one frame waits.
const BATCH: usize = 64 * 1024;
/// Bytes of pieces that are acknowledged although more came together with them, so that a wide window keeps moving.
const MAX_OWED: usize = 16 * 1024;
/// Bytes read at once.
const READ_BUFFER: usize = 32 * 1024;
/// The window of the bulk stream; it begins with the least.
const WINDOW: Bounds =
    Bounds { least: 2 * MAX_PIECE as u32, most: 4 * 1024 * 1024, target: Duration::from_millis(75) };
/// Random bytes of a greeting.
const NONCE: usize = 16;

/// What a writer's queue holds.
#[derive(Debug)]
enum Item {
    Frames(Vec<Vec<u8>>),
    Close,
}

/// The way into a link's queues; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    control: mpsc::UnboundedSender<Item>,
    bulk: mpsc::UnboundedSender<Item>,
    shared: Arc<Shared>,
}

/// What the tasks of a link and its senders share.
#[derive(Debug, Default)]
struct Shared {
    control_queued: AtomicUsize,
    bulk_queued: AtomicUsize,
    /// Bytes of bulk frames that the core ever handed over.
    bulk_handed: AtomicU64,
    /// Bytes of pieces taken here and not yet acknowledged.
    owed: AtomicU32,
    /// Bytes of pieces that the far end acknowledged and the writer has not looked at.
    acked: AtomicU64,
    /// Wakes the bulk writer when one of the two above changed.
    changed: Notify,
    /// Ends all tasks.
    quit: Notify,
    /// Frames in both directions, to see whether a link is idle.
    frames: AtomicU64,
}

/// Why a frame was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    #[error("a frame of {got} bytes, 1 to {MAX_FRAME} are allowed")]
    Length { got: usize },
    #[error("more than {MAX_QUEUED} bytes wait")]
    Full,
    #[error("all links together hold too much, and this one most")]
    Crowded,
    #[error("the link is gone")]
    Gone,
}

impl Sender {
    /// Queues frames that belong together: the writer is woken once. Returns how many bytes wait in the lane.
    pub(super) fn send(&self, lane: Lane, frames: Vec<Vec<u8>>) -> Result<usize, SendError> {
        let mut bytes = 0;
        for got in frames.iter().map(Vec::len) {
            if got == 0 || got > MAX_FRAME {
                return Err(SendError::Length { got });
            }
            bytes += got;
        }
        let (queue, queued) = match lane {
            Lane::Control => (&self.control, &self.shared.control_queued),
            Lane::Bulk => (&self.bulk, &self.shared.bulk_queued),
        };
        let waiting = queued.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if waiting > MAX_QUEUED {
            return Err(SendError::Full);
        }
        if lane == Lane::Bulk {
            self.shared.bulk_handed.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        self.shared.frames.fetch_add(frames.len() as u64, Ordering::Relaxed);
        queue.send(Item::Frames(frames)).map(|()| waiting).map_err(|_| SendError::Gone)
    }

    /// Bytes that wait in both lanes.
    pub(super) fn queued(&self) -> usize {
        let Shared { control_queued, bulk_queued, .. } = &*self.shared;
        control_queued.load(Ordering::Relaxed) + bulk_queued.load(Ordering::Relaxed)
    }

    /// Ends the link after the control frames that wait.
    pub(super) fn close(&self) {
        // A link whose writer is gone is closed already.
        let _ = self.control.send(Item::Close);
    }

    /// Ends the link now.
    pub(super) fn abort(&self) {
        self.shared.quit.notify_one();
    }

    /// A number that grows with every frame in either direction.
    pub(super) fn frames(&self) -> u64 {
        self.shared.frames.load(Ordering::Relaxed)
    }
}

/// The queues' other ends, for [`Link::run`].
#[derive(Debug)]
pub(super) struct Queues {
    control: mpsc::UnboundedReceiver<Item>,
    bulk: mpsc::UnboundedReceiver<Item>,
    shared: Arc<Shared>,
}

/// The queues of a new link.
#[expect(
    clippy::disallowed_methods,
    reason = "bounded in bytes by `Shared`, which no count of frames expresses"
)]
pub(super) fn queues() -> (Sender, Queues) {
    let (control, control_queue) = mpsc::unbounded_channel();
    let (bulk, bulk_queue) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared::default());
    let sender = Sender { control, bulk, shared: Arc::clone(&shared) };
    (sender, Queues { control: control_queue, bulk: bulk_queue, shared })
}

/// How a link ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("closed here")]
    Closed,
    #[error("the far end did not greet")]
    Greeting,
    #[error("the far end broke the protocol: {0}")]
    Broken(#[from] Broken),
    #[error("the far end broke the protocol: {0}")]
    Overrun(#[from] Overrun),
    #[error("the pipe broke: {}", .0.kind())]
    Pipe(#[from] io::Error),
    #[error("the node takes no more events")]
    NodeGone,
    #[error("an error in this program")]
    Panicked,
}

/// A link before its greeting.
#[derive(Debug)]
pub(super) struct Link<S> {
    pub(super) id: LinkId,
    pub(super) role: Role,
    pub(super) ours: PeerId,
    pub(super) theirs: PeerId,
    pub(super) control: S,
    pub(super) bulk: S,
    pub(super) nonce: [u8; NONCE],
    pub(super) queues: Queues,
    pub(super) events: mpsc::Sender<TransportEvent>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Link<S> {
    /// As [`Link::run`]. A panic is a bug that its own message reports; it ends this link alone, and is told.
    pub(super) async fn run_guarded(self, up: impl FnOnce()) -> End {
        let (link, events) = (self.id, self.events.clone());
        if let Ok(end) = AssertUnwindSafe(self.run(up)).catch_unwind().await {
            return end;
        }
        // A node that takes no more events needs none about this link.
        let _ = events.send(TransportEvent::Down { link }).await;
        End::Panicked
    }

    /// Runs the link to its end. `up` is called between the greeting and the first event.
    async fn run(mut self, up: impl FnOnce()) -> End {
        let (ours, nonce) = (self.nonce, &mut [0; NONCE]);
        let greetings = async {
            let (control, bulk) = futures::join!(greet(&mut self.control, ours), greet(&mut self.bulk, ours));
            *nonce = control?;
            bulk
        };
        match tokio::time::timeout(GREETING, greetings).await {
            Ok(Ok(again)) if again == *nonce => {}
            _ => return End::Greeting,
        }
        let nonces = match self.role {
            Role::Dialer => [ours, *nonce],
            Role::Listener => [*nonce, ours],
        };
        let binding = binding(&self.ours, &self.theirs, nonces);
        let up_event = TransportEvent::Up { link: self.id, role: self.role, binding, profile: Profile::LAN };
        let (link, events) = (self.id, self.events.clone());
        up();
        if events.send(up_event).await.is_err() {
            return End::NodeGone;
        }
        let end = self.exchange().await;
        // A node that takes no more events needs none about this link.
        let _ = events.send(TransportEvent::Down { link }).await;
        end
    }

    async fn exchange(self) -> End {
        let Self { id, control, bulk, queues, events, .. } = self;
        let (control_in, control_out) = control.split();
        let (bulk_in, bulk_out) = bulk.split();
        let shared = queues.shared;
        let mut tasks = JoinSet::new();
        tasks.spawn(read_control(id, control_in, events.clone(), Arc::clone(&shared)));
        tasks.spawn(write_control(control_out, queues.control, Arc::clone(&shared)));
        tasks.spawn(read_bulk(id, bulk_in, events.clone(), Arc::clone(&shared)));
        let bulk = BulkWriter {
            link: id,
            out: bulk_out,
            queue: queues.bulk,
            events,
            shared: Arc::clone(&shared),
            window: Window::new(WINDOW, WINDOW.least),
            credit: Credit::default(),
            waiting: VecDeque::new(),
            current: Current::default(),
            buffer: Vec::new(),
        };
        tasks.spawn(bulk.run());
        let first = tokio::select! {
            first = tasks.join_next() => first,
            () = shared.quit.notified() => Some(Ok(End::Closed)),
        };
        tasks.shutdown().await;
        match first {
            Some(Ok(end)) => end,
            // A panicking task is a bug that its own message reports; the link ends as if it broke.
            _ => End::Pipe(io::ErrorKind::Other.into()),
        }
    }
}

/// What both ends of a link share and no other link has: both ephemeral ids in order, and both greetings.
fn binding(ours: &PeerId, theirs: &PeerId, [dialer, listener]: [[u8; NONCE]; 2]) -> [u8; 32] {
    let (low, high) = if ours < theirs { (ours, theirs) } else { (theirs, ours) };
    let mut hasher = blake3::Hasher::new_derive_key("starling/1 link binding");
    for part in [&low.to_bytes()[..], &high.to_bytes(), &dialer, &listener] {
        hasher.update(&(part.len() as u32).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// Says 16 random bytes and hears those of the far end: only then has somebody taken the stream.
async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    ours: [u8; NONCE],
) -> io::Result<[u8; NONCE]> {
    stream.write_all(&ours).await?;
    stream.flush().await?;
    let mut theirs = [0; NONCE];
    stream.read_exact(&mut theirs).await?;
    Ok(theirs)
}

async fn read_control<R: AsyncRead + Unpin>(
    link: LinkId,
    input: R,
    events: mpsc::Sender<TransportEvent>,
    shared: Arc<Shared>,
) -> End {
    let mut input = BufReader::with_capacity(READ_BUFFER, input);
    loop {
        let bytes = match read_frame(&mut input).await {
            Ok(bytes) => bytes,
            Err(end) => return end,
        };
        shared.frames.fetch_add(1, Ordering::Relaxed);
        if events.send(TransportEvent::Frame { link, bytes }).await.is_err() {
            return End::NodeGone;
        }
    }
}

async fn read_frame<R: AsyncRead + Unpin>(input: &mut R) -> Result<Vec<u8>, End> {
    let mut header = [0; FRAME_HEADER];
    input.read_exact(&mut header).await?;
    let mut frame = vec![0; frame_length(header)?];
    input.read_exact(&mut frame).await?;
    Ok(frame)
}

/// Writes what waits as one batch and flushes it: a lone frame goes out at once.
async fn write_control<W: AsyncWrite + Unpin>(
    mut out: W,
    mut queue: mpsc::UnboundedReceiver<Item>,
    shared: Arc<Shared>,
) -> End {
    let mut buffer = Vec::new();
    loop {
        let Some(mut item) = queue.recv().await else { return End::Closed };
        buffer.clear();
        let closing = loop {
            let Item::Frames(frames) = item else { break true };
            for frame in frames {
                shared.control_queued.fetch_sub(frame.len(), Ordering::Relaxed);
                put_frame(&mut buffer, &frame);
            }
            if buffer.len() >= BATCH {
                break false;
            }
            match queue.try_recv() {
                Ok(next) => item = next,
                Err(_) => break false,
            }
        };
        if let Err(error) = write_all(&mut out, &buffer).await {
            return error.into();
        }
        if closing {
            // Tearing the connection down now would lose what was just written: the far end reads to the end, closes,
            // and the readers notice. Whoever ordered the close bounds the wait.
            let _ = out.close().await;
            return std::future::pending().await;
        }
    }
}

async fn write_all<W: AsyncWrite + Unpin>(out: &mut W, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes).await?;
    out.flush().await
}

async fn read_bulk<R: AsyncRead + Unpin>(
    link: LinkId,
    input: R,
    events: mpsc::Sender<TransportEvent>,
    shared: Arc<Shared>,
) -> End {
    let mut input = BufReader::with_capacity(READ_BUFFER, input);
    let mut assembly = Assembly::default();
    loop {
        match read_record(&mut input, &mut assembly, &shared).await {
            Ok(None) => {}
            Ok(Some((bytes, length))) => {
                shared.frames.fetch_add(1, Ordering::Relaxed);
                if events.send(TransportEvent::Frame { link, bytes }).await.is_err() {
                    return End::NodeGone;
                }
                shared.owe(length, input.buffer().is_empty());
            }
            Err(end) => return end,
        }
    }
}

/// Reads one record; gives a frame that became whole, with the length of the piece that is not yet acknowledged.
async fn read_record<R: AsyncRead + Unpin>(
    input: &mut BufReader<R>,
    assembly: &mut Assembly,
    shared: &Shared,
) -> Result<Option<(Vec<u8>, usize)>, End> {
    let mut header = [0; RECORD_HEADER];
    input.read_exact(&mut header).await?;
    match Record::decode(header)? {
        Record::Ack(bytes) => {
            shared.acked.fetch_add(u64::from(bytes), Ordering::Relaxed);
            shared.changed.notify_one();
            Ok(None)
        }
        Record::Piece { last, length } => {
            input.read_exact(assembly.room(length)?).await?;
            if last {
                return Ok(Some((assembly.take(), length)));
            }
            shared.owe(length, input.buffer().is_empty());
            Ok(None)
        }
    }
}

impl Shared {
    /// `length` bytes were taken: the writer acknowledges them, once for `all` that came together.
    fn owe(&self, length: usize, all: bool) {
        let owed = self.owed.fetch_add(length as u32, Ordering::Relaxed);
        if all || owed as usize >= MAX_OWED {
            self.changed.notify_one();
        }
    }
}

/// The frame that is being sent in pieces.
#[derive(Debug, Default)]
struct Current {
    frame: Vec<u8>,
    sent: usize,
}

impl Current {
    fn left(&self) -> usize {
        self.frame.len() - self.sent
    }
}

/// Sends pieces as the window admits, acknowledgements before them, and grants credit.
struct BulkWriter<W> {
    link: LinkId,
    out: W,
    queue: mpsc::UnboundedReceiver<Item>,
    events: mpsc::Sender<TransportEvent>,
    shared: Arc<Shared>,
    window: Window,
    credit: Credit,
    /// Frames that were taken out of the queue.
    waiting: VecDeque<Vec<u8>>,
    current: Current,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> BulkWriter<W> {
    async fn run(mut self) -> End {
        loop {
            if let Err(end) = self.turn().await {
                return end;
            }
        }
    }

    /// Writes everything that may go now, then waits for a change.
    async fn turn(&mut self) -> Result<(), End> {
        self.buffer.clear();
        let acked = self.shared.acked.swap(0, Ordering::Relaxed);
        if acked > 0 {
            self.window.on_ack(Instant::now(), u32::try_from(acked).unwrap_or(u32::MAX))?;
        }
        let owed = self.shared.owed.swap(0, Ordering::Relaxed);
        if owed > 0 {
            put_ack(&mut self.buffer, owed);
        }
        let starved = self.fill();
        let handed = self.shared.bulk_handed.load(Ordering::Relaxed);
        let waiting = self.shared.bulk_queued.load(Ordering::Relaxed) as u32;
        let ahead = self.window.in_flight() + waiting;
        if let Some(credit) = self.credit.grant(handed, self.window.size(), ahead) {
            let ready = TransportEvent::Ready { link: self.link, credit };
            self.events.send(ready).await.map_err(|_| End::NodeGone)?;
        }
        if !self.buffer.is_empty() {
            write_all(&mut self.out, &self.buffer).await?;
            return Ok(());
        }
        tokio::select! {
            () = self.shared.changed.notified() => {}
            item = self.queue.recv(), if starved => {
                let Some(Item::Frames(frames)) = item else { return Err(End::Closed) };
                self.waiting.extend(frames);
            }
        }
        Ok(())
    }

    /// Fills the buffer with pieces; whether it stopped for want of frames.
    fn fill(&mut self) -> bool {
        while self.buffer.len() < BATCH {
            if self.current.left() == 0 {
                let Some(frame) = self.next_frame() else { return true };
                self.current = Current { frame, sent: 0 };
            }
            let length = self.current.left().min(MAX_PIECE);
            if !self.window.admits(length as u32) {
                return false;
            }
            let end = self.current.sent + length;
            let last = end == self.current.frame.len();
            put_piece(&mut self.buffer, &self.current.frame[self.current.sent..end], last);
            self.current.sent = end;
            self.shared.bulk_queued.fetch_sub(length, Ordering::Relaxed);
            self.window.on_sent(Instant::now(), length as u32);
        }
        false
    }
}

impl<W> BulkWriter<W> {
    fn next_frame(&mut self) -> Option<Vec<u8>> {
        if self.waiting.is_empty()
            && let Ok(Item::Frames(frames)) = self.queue.try_recv()
        {
            self.waiting.extend(frames);
        }
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_compute_the_same_binding_and_every_greeting_another() {
        let (a, b) = (PeerId::random(), PeerId::random());
        let nonces = [[1; NONCE], [2; NONCE]];
        assert_eq!(binding(&a, &b, nonces), binding(&b, &a, nonces));
        assert_ne!(binding(&a, &b, nonces), binding(&a, &b, [[1; NONCE], [3; NONCE]]));
        assert_ne!(binding(&a, &b, nonces), binding(&a, &PeerId::random(), nonces));
    }

    #[test]
    fn a_queue_takes_so_many_bytes_and_no_more() {
        let (sender, _queues) = queues();
        let frame = vec![0; MAX_FRAME];
        for _ in 0..MAX_QUEUED / MAX_FRAME {
            sender.send(Lane::Control, vec![frame.clone()]).unwrap();
        }
        assert_eq!(sender.send(Lane::Control, vec![frame.clone()]), Err(SendError::Full));
        assert_eq!(sender.send(Lane::Bulk, vec![frame]), Ok(MAX_FRAME), "lanes are counted apart");
        assert!(sender.queued() > MAX_QUEUED);
    }

    #[tokio::test]
    async fn a_link_that_panics_ends_and_the_node_hears_of_it() {
        let (events, mut told) = mpsc::channel(4);
        // What is written stands before what is read: the far end greets with zeros on both lanes.
        let stream = || futures::io::Cursor::new(vec![0; 2 * NONCE]);
        let link = Link {
            id: LinkId(7),
            role: Role::Dialer,
            ours: PeerId::random(),
            theirs: PeerId::random(),
            control: stream(),
            bulk: stream(),
            nonce: [1; NONCE],
            queues: queues().1,
            events,
        };
        let end = link.run_guarded(|| panic!("a link panics by order")).await;
        assert!(matches!(end, End::Panicked), "{end}");
        assert!(matches!(told.recv().await, Some(TransportEvent::Down { link: LinkId(7) })));
    }

    #[test]
    fn empty_and_oversize_frames_are_not_queued() {
        let (sender, _queues) = queues();
        assert_eq!(sender.send(Lane::Control, vec![Vec::new()]), Err(SendError::Length { got: 0 }));
        let got = MAX_FRAME + 1;
        assert_eq!(sender.send(Lane::Bulk, vec![vec![0; got]]), Err(SendError::Length { got }));
    }
}
