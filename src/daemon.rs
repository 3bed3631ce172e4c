//! The daemon: the only loop around a node. One input, its outputs as one batch; then store, send,
//! tell (ARCHITECTURE.md, law 3).
//!
//! Two threads. The *node* thread takes one input at a time and stages its writes; inputs that wait
//! already share a batch of effects, which never waits for one that has not come. The *commit* thread
//! makes durable whatever was staged while the previous commit ran, and only then transmits, answers and
//! tells, in order: a group commit without a gather delay. Effects that need no write and have nothing
//! before them are done by the node thread itself, which saves two changes of thread on every request.

mod commit;

use crate::alarm;
use crate::config::{GATHER, MAX_GATHERED, MAX_TASKS, MAX_UNCOMMITTED};
use crate::handle::{Answers, CommandError, Feed, Handle, Task};
use crate::transport::{Transport, TransportEvent};
use commit::{Batch, Committer, Failed};
use mesh_core::{
    CloseReason, Command, CommandId, Config, Event, Input, LinkId, Memory, Node, Now, Output, Read,
    StartError, StoreOp, Time, Wall,
};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;

/// What a command is told while the disk is given time.
const NOT_NOW: &str = "the disk does not take anything";

/// What the daemon needs of storage.
pub trait Storage: Send + Sync + 'static {
    /// Reads that see everything staged.
    fn reader(&self) -> Box<dyn Read>;

    /// Takes one atomic batch in; readers see it at once.
    fn stage(&self, ops: Vec<StoreOp>);

    /// Makes everything staged so far durable. Blocks.
    ///
    /// # Errors
    /// Where the disk did not take it; then only [`Storage::recover`] may follow.
    fn commit(&self) -> Result<(), StorageError>;

    /// Forgets everything that is not durable.
    ///
    /// # Errors
    /// Where the disk cannot be read.
    fn recover(&self) -> Result<(), StorageError>;

    /// Ends the use of the storage; what was committed is safe without it.
    fn close(&self) {}
}

/// The disk did not do its part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct StorageError {
    /// What went wrong, for people.
    pub reason: String,
}

impl Storage for Memory {
    fn reader(&self) -> Box<dyn Read> {
        Box::new(self.clone())
    }

    fn stage(&self, ops: Vec<StoreOp>) {
        self.apply(ops);
    }

    fn commit(&self) -> Result<(), StorageError> {
        Ok(())
    }

    fn recover(&self) -> Result<(), StorageError> {
        Ok(())
    }
}

/// Reads both clocks. The monotonic one counts the time that the machine sleeps, where the system can tell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Now, on both clocks.
    #[must_use]
    pub fn now(self) -> Now {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { mono: Time(mono_ms()), wall: Wall(wall.as_secs()) }
    }
}

#[cfg(target_os = "linux")]
fn mono_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000
        + u64::try_from(time.tv_nsec).unwrap_or_default() / 1_000_000
}

#[cfg(not(target_os = "linux"))]
fn mono_ms() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let start = START.get_or_init(std::time::Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The transport of a daemon, which may change while it runs.
#[derive(Clone, Default)]
pub struct Switch(Arc<RwLock<Option<Arc<dyn Transport>>>>);

impl core::fmt::Debug for Switch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Switch(..)")
    }
}

impl Switch {
    /// Uses `transport` from now on; `None` is no transport.
    pub fn set(&self, transport: Option<Arc<dyn Transport>>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = transport;
    }

    fn with(&self, act: impl FnOnce(&dyn Transport)) {
        if let Some(transport) = &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            act(&**transport);
        }
    }
}

/// What a daemon is made of.
pub struct Parts {
    /// The node, just created or restored from `storage`.
    pub node: Node,
    /// Its limits, for a rebuild after a failed commit.
    pub config: Config,
    /// Where it lives.
    pub storage: Arc<dyn Storage>,
    /// What its transports tell.
    pub transport_events: mpsc::Receiver<TransportEvent>,
    /// Its transport.
    pub transport: Switch,
    /// Its clocks.
    pub clock: Clock,
}

impl core::fmt::Debug for Parts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A running node.
#[derive(Debug)]
pub struct Daemon {
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
}

impl Daemon {
    /// Starts both threads. What the node wants done at birth is done first.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn start(parts: Parts) -> std::io::Result<Self> {
        let (task_tx, tasks) = mpsc::channel(MAX_TASKS);
        let events = Feed::new();
        let (batch_tx, batches) = sync_channel(MAX_UNCOMMITTED);
        let answers = Answers::default();
        let failed = Arc::new(Failed::default());
        let streak = Arc::new(AtomicU32::new(0));
        let committer = Committer {
            storage: Arc::clone(&parts.storage),
            transport: parts.transport.clone(),
            events: events.clone(),
            answers: answers.clone(),
            failed: Arc::clone(&failed),
            streak: Arc::clone(&streak),
            epoch: 0,
        };
        let (committer, on_the_way) = (Arc::new(Mutex::new(committer)), Arc::new(AtomicUsize::new(0)));
        let handle = Handle::new(task_tx, events, answers.clone());
        let keeper = Keeper {
            node: parts.node,
            config: parts.config,
            storage: parts.storage,
            transport: parts.transport,
            clock: parts.clock,
            batches: batch_tx,
            answers: answers.clone(),
            failed,
            streak,
            links: BTreeSet::new(),
            alone: false,
            gathered: Batch::default(),
            committer: Arc::clone(&committer),
            on_the_way: Arc::clone(&on_the_way),
        };
        let transport_events = parts.transport_events;
        let node_thread = std::thread::Builder::new()
            .name("node".into())
            .spawn(move || alarm::run(keeper.run(tasks, transport_events)))?;
        let commit_thread = std::thread::Builder::new().name("commit".into()).spawn(move || {
            // Whatever ends this thread, nobody goes on waiting for it.
            let _end = EndOfAnswers(answers);
            // The queue goes first: who is told that the thread has ended can hand nothing over any more.
            let batches = batches;
            Committer::run(&committer, &on_the_way, &batches);
        })?;
        Ok(Self { handle, threads: vec![node_thread, commit_thread] })
    }

    /// The door to the node.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Carries out what was asked before, makes it durable, and ends. The storage stays open.
    pub async fn stop(self) {
        self.handle.stop().await;
        let joined = tokio::task::spawn_blocking(move || {
            for thread in self.threads {
                // A panic there has been printed already; the others are still waited for.
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

/// Ends every wait for an answer when it goes.
struct EndOfAnswers(Answers);

impl Drop for EndOfAnswers {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The node thread: the only code that touches the node.
struct Keeper {
    node: Node,
    config: Config,
    storage: Arc<dyn Storage>,
    transport: Switch,
    clock: Clock,
    batches: SyncSender<Batch>,
    answers: Answers,
    /// Set by the commit thread, cleared after a rebuild.
    failed: Arc<Failed>,
    /// Failures since the last success.
    streak: Arc<AtomicU32>,
    links: BTreeSet<LinkId>,
    /// Whether the commit thread is gone: nothing can be stored, sent or told any more.
    alone: bool,
    /// What the inputs since the last hand-over want done.
    gathered: Batch,
    committer: Arc<Mutex<Committer>>,
    /// Batches that were handed over and are not done.
    on_the_way: Arc<AtomicUsize>,
}

impl Keeper {
    async fn run(mut self, mut tasks: mpsc::Receiver<Task>, mut events: mpsc::Receiver<TransportEvent>) {
        self.drain(None);
        let mut transports_live = true;
        let mut live = true;
        while live {
            self.hand_over();
            if self.alone {
                tracing::error!("the node ends: its commit thread is gone");
                break;
            }
            let due = self.node.next_wakeup();
            tokio::select! {
                task = tasks.recv() => live = self.on_task(task),
                event = events.recv(), if transports_live => match event {
                    Some(event) => self.on_transport(event),
                    None => transports_live = false,
                },
                () = self.failed.wake.notified() => {}
                () = sleep_until(self.clock, due) => {
                    tracing::trace!(layer = due.map(|(_, layer)| layer), "tick");
                    self.input(None, Input::Tick);
                }
            }
            live = live && self.on_waiting(&mut tasks, &mut events);
            if self.failed.is_set() && !self.rebuild(&mut tasks).await {
                break;
            }
        }
        self.hand_over();
        // First nothing more is accepted; then the committer sees its last batch and answers the rest.
        drop(tasks);
        drop(self.batches);
    }

    /// Handles what waits already: it shares a commit and the frames that follow from it. Returns
    /// whether to go on.
    fn on_waiting(
        &mut self,
        tasks: &mut mpsc::Receiver<Task>,
        events: &mut mpsc::Receiver<TransportEvent>,
    ) -> bool {
        let end = Instant::now() + GATHER;
        for _ in 0..MAX_GATHERED {
            if self.failed.is_set() || Instant::now() >= end {
                break;
            }
            let (event, task) = (events.try_recv().ok(), tasks.try_recv().ok());
            if event.is_none() && task.is_none() {
                break;
            }
            event.into_iter().for_each(|event| self.on_transport(event));
            if task.is_some() && !self.on_task(task) {
                return false;
            }
        }
        true
    }

    /// Returns whether to go on.
    fn on_task(&mut self, task: Option<Task>) -> bool {
        match task {
            None | Some(Task::Stop) => return false,
            Some(Task::Command(id, command)) => self.on_command(id, command),
            Some(Task::Read(read)) => read(&self.node, self.clock.now()),
        }
        true
    }

    fn on_command(&mut self, id: CommandId, command: Command) {
        self.input(Some(id), Input::Command(id, command));
    }

    fn on_transport(&mut self, event: TransportEvent) {
        match event {
            TransportEvent::Up { link, role, binding, profile } => {
                self.links.insert(link);
                self.input(None, Input::LinkUp { link, role, binding, profile });
            }
            TransportEvent::Down { link } => {
                if self.links.remove(&link) {
                    self.input(None, Input::LinkDown { link });
                    self.transport.with(|transport| transport.link_ended(link));
                }
            }
            TransportEvent::Ready { link, credit } => self.input(None, Input::LinkReady { link, credit }),
            TransportEvent::Frame { link, bytes } => self.input(None, Input::Frame { link, bytes: &bytes }),
            TransportEvent::Radio { medium, up } => self.input(None, Input::Radio { medium, up }),
            TransportEvent::Rotated => self.input(None, Input::Rotated),
            TransportEvent::Heard { medium, advert, rssi } => {
                self.input(None, Input::Heard { medium, advert: &advert, rssi });
            }
        }
    }

    fn input(&mut self, command: Option<CommandId>, input: Input<'_>) {
        self.node.handle(self.clock.now(), input);
        self.drain(command);
    }

    /// Stages the writes of the input at work and gathers the rest.
    fn drain(&mut self, command: Option<CommandId>) {
        let mut ops = Vec::new();
        let mut broken = None;
        let before = self.gathered.effects.len();
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Store(op) => ops.push(op),
                Output::Notify(_, Event::StorageFailed(error)) => broken = Some(error.to_string()),
                effect => self.gathered.effects.push(effect),
            }
        }
        if let Some(reason) = broken {
            self.gathered.effects.truncate(before);
            return self.give_up(command, reason);
        }
        self.gathered.commands.extend(command);
        if !ops.is_empty() {
            self.gathered.writes = true;
            self.storage.stage(ops);
        }
    }

    /// Hands over what was gathered. What needs no write and has nothing before it is done here and now.
    fn hand_over(&mut self) {
        let next = Batch { epoch: self.gathered.epoch, ..Batch::default() };
        let batch = std::mem::replace(&mut self.gathered, next);
        if !batch.writes && batch.effects.is_empty() {
            return;
        }
        if !batch.writes && self.on_the_way.load(Ordering::Acquire) == 0 {
            return self.committer.lock().unwrap_or_else(PoisonError::into_inner).commit(vec![batch]);
        }
        self.alone |= !self.pass(batch);
    }

    /// `false` where the committer is gone, and with it every effect.
    fn pass(&self, batch: Batch) -> bool {
        self.on_the_way.fetch_add(1, Ordering::AcqRel);
        self.batches.send(batch).is_ok()
    }

    /// The node could not read its storage: nothing of this input counts, everything before it does.
    fn give_up(&mut self, command: Option<CommandId>, reason: String) {
        tracing::error!(%reason, "the storage cannot be read; the node is rebuilt");
        if let Some(command) = command {
            self.answers.give(command, Err(CommandError::Storage { reason }));
        }
        self.hand_over();
        let (passed, wait) = sync_channel(1);
        let barrier = Batch { epoch: self.gathered.epoch, passed: Some(passed), ..Batch::default() };
        if self.pass(barrier) {
            // An error means that the committer is gone, and with it what waited.
            let _ = wait.recv();
        }
        self.failed.set();
    }

    /// After a commit failed: forgets what is not durable and begins again from the disk.
    ///
    /// Nothing that was dropped had been sent or told, so nobody can miss it. That is done at once, where the
    /// disk can be read: what could not be stored is not shown either. While the disk keeps failing, the pause
    /// after it grows from 0.1 s to 25 s. Returns whether to go on.
    async fn rebuild(&mut self, tasks: &mut mpsc::Receiver<Task>) -> bool {
        self.hand_over();
        for link in std::mem::take(&mut self.links) {
            // Sessions over it are lost; both ends meet again with a fresh hello.
            self.transport.with(|transport| transport.close(link, CloseReason::Silent));
        }
        let mut is_rebuilt = false;
        while !is_rebuilt {
            match self.restore() {
                Ok(node) => (self.node, is_rebuilt) = (node, true),
                Err(reason) => tracing::error!(%reason, "the node cannot be rebuilt yet"),
            }
            let failures = self.streak.fetch_add(1, Ordering::Relaxed);
            if !self.pause(Duration::from_millis(100 << failures.min(8)), tasks).await {
                return false;
            }
        }
        let epoch = self.gathered.epoch + 1;
        self.gathered = Batch { epoch, ..Batch::default() };
        self.failed.clear();
        self.drain(None);
        true
    }

    /// Lets `span` pass; meanwhile reads see what the node knows and commands are refused at once.
    async fn pause(&self, span: Duration, tasks: &mut mpsc::Receiver<Task>) -> bool {
        let end = Instant::now() + span;
        loop {
            tokio::select! {
                () = alarm::until(end) => return true,
                task = tasks.recv() => match task {
                    None | Some(Task::Stop) => return false,
                    Some(Task::Read(read)) => read(&self.node, self.clock.now()),
                    Some(Task::Command(id, _)) => {
                        let reason = NOT_NOW.to_owned();
                        self.answers.give(id, Err(CommandError::Storage { reason }));
                    }
                },
            }
        }
    }

    fn restore(&self) -> Result<Node, String> {
        self.storage.recover().map_err(|error| error.to_string())?;
        let seed = random_seed().map_err(|error| error.to_string())?;
        Node::restore(self.config.clone(), seed, self.clock.now(), self.storage.reader())
            .map_err(|error: StartError| error.to_string())
    }
}

/// 32 bytes of the system's randomness, for a node's generator.
///
/// # Errors
/// Where the system has none.
pub fn random_seed() -> std::io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(std::io::Error::other)?;
    Ok(seed)
}

async fn sleep_until(clock: Clock, due: Option<(Time, &'static str)>) {
    match due {
        Some((time, _)) => alarm::until(Instant::now() + time.since(clock.now().mono)).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::{Refusal, Reply};
    use std::sync::atomic::AtomicBool;

    /// A disk that can be told to fail; what was not committed is lost by a recovery.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<Platter>>, Arc<AtomicBool>);

    #[derive(Default)]
    struct Platter {
        now: Memory,
        durable: Memory,
        fails: bool,
        panics: bool,
        refuses: bool,
        commits: usize,
    }

    impl Disk {
        fn set(&self, change: impl FnOnce(&mut Platter)) {
            change(&mut self.0.lock().unwrap());
        }

        fn commits(&self) -> usize {
            self.0.lock().unwrap().commits
        }
    }

    impl Storage for Disk {
        fn reader(&self) -> Box<dyn Read> {
            Box::new(self.0.lock().unwrap().now.clone())
        }

        fn stage(&self, ops: Vec<StoreOp>) {
            let platter = self.0.lock().unwrap();
            if !platter.refuses {
                platter.now.apply(ops);
            }
        }

        fn commit(&self) -> Result<(), StorageError> {
            while self.1.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            let mut platter = self.0.lock().unwrap();
            let panics = platter.panics;
            if panics {
                drop(platter);
                panic!("a commit panics by order");
            }
            if platter.fails {
                platter.refuses = true;
                return Err(StorageError { reason: "the disk is full".into() });
            }
            platter.commits += 1;
            platter.durable = platter.now.snapshot();
            Ok(())
        }

        fn recover(&self) -> Result<(), StorageError> {
            let mut platter = self.0.lock().unwrap();
            platter.now = platter.durable.snapshot();
            platter.refuses = false;
            Ok(())
        }
    }

    fn start(disk: &Disk, node: Node) -> Daemon {
        let (_, transport_events) = mpsc::channel(1);
        let config = Config::default();
        let (storage, transport, clock) = (Arc::new(disk.clone()), Switch::default(), Clock);
        Daemon::start(Parts { node, config, storage, transport_events, transport, clock }).unwrap()
    }

    fn asha(disk: &Disk) -> Daemon {
        let node = Node::create(Config::default(), [7; 32], Clock.now(), "Asha", disk.reader()).unwrap();
        start(disk, node)
    }

    async fn rename(daemon: &Daemon, name: &str) -> Result<Reply, CommandError> {
        daemon.handle().command(Command::SetProfile { name: name.into(), about: String::new() }).await
    }

    async fn name(daemon: &Daemon) -> String {
        daemon.handle().read(|node, _| node.identity().name).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_answered_is_durable() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        assert_eq!(rename(&daemon, "Asha K.").await, Ok(Reply::Done));
        let durable = disk.0.lock().unwrap().durable.snapshot();
        let thief = Node::restore(Config::default(), [8; 32], Clock.now(), Box::new(durable)).unwrap();
        assert_eq!(thief.identity().name, "Asha K.");
        daemon.stop().await;
    }

    #[tokio::test]
    async fn stopping_makes_everything_durable_and_ends_what_comes_later() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        let handle = daemon.handle().clone();
        daemon.stop().await;
        assert!(disk.commits() > 0);
        let late = handle.command(Command::InviteRevoke { number: 9 }).await;
        assert_eq!(late, Err(CommandError::Stopped));
        assert!(handle.read(|_, _| ()).await.is_err());
    }

    #[tokio::test]
    async fn a_refusal_is_answered_with_its_reason() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        let answer = daemon.handle().command(Command::InviteRevoke { number: 99 }).await;
        assert!(matches!(answer, Err(CommandError::Refused(Refusal::Unknown { .. }))), "{answer:?}");
        daemon.stop().await;
    }

    #[tokio::test]
    async fn a_failing_disk_refuses_commands_and_the_node_goes_on_from_what_is_durable() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        assert_eq!(rename(&daemon, "Durable").await, Ok(Reply::Done));
        disk.set(|platter| platter.fails = true);
        let lost = rename(&daemon, "Lost").await;
        assert_eq!(lost, Err(CommandError::Storage { reason: "the disk is full".into() }));
        assert!(matches!(rename(&daemon, "Lost too").await, Err(CommandError::Storage { .. })));
        disk.set(|platter| platter.fails = false);
        while matches!(rename(&daemon, "Back").await, Err(CommandError::Storage { .. })) {
            tokio::task::yield_now().await;
        }
        assert_eq!(name(&daemon).await, "Back");
        daemon.stop().await;
    }

    #[tokio::test]
    async fn a_rebuilt_node_has_forgotten_what_was_not_durable() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        assert_eq!(rename(&daemon, "Durable").await, Ok(Reply::Done));
        disk.set(|platter| platter.fails = true);
        assert!(rename(&daemon, "Lost").await.is_err());
        disk.set(|platter| platter.fails = false);
        while name(&daemon).await != "Durable" {
            tokio::task::yield_now().await;
        }
        daemon.stop().await;
    }

    #[tokio::test]
    async fn a_disk_that_stands_still_holds_every_answer_back() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        assert_eq!(rename(&daemon, "Asha K.").await, Ok(Reply::Done));
        let before = disk.commits();
        disk.1.store(true, Ordering::Release);
        let count = 3 * MAX_UNCOMMITTED;
        let names: Vec<String> = (0..count).map(|i| format!("Asha {i}")).collect();
        let mut commands = futures::future::join_all(names.iter().map(|name| rename(&daemon, name)));
        let early = tokio::time::timeout(Duration::from_millis(100), &mut commands).await;
        assert!(early.is_err(), "nothing is answered before it is durable");
        assert_eq!(disk.commits(), before);
        disk.1.store(false, Ordering::Release);
        assert!(commands.await.iter().all(|answer| *answer == Ok(Reply::Done)));
        daemon.stop().await;
    }

    #[tokio::test]
    async fn while_the_disk_takes_nothing_what_could_not_be_stored_is_not_shown() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        assert_eq!(rename(&daemon, "Durable").await, Ok(Reply::Done));
        disk.set(|platter| platter.fails = true);
        while rename(&daemon, "Lost").await != Err(CommandError::Storage { reason: NOT_NOW.into() }) {}
        assert_eq!(name(&daemon).await, "Durable");
        daemon.stop().await;
    }

    #[tokio::test]
    async fn without_its_commit_thread_a_node_ends_and_nobody_goes_on_waiting() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        assert_eq!(rename(&daemon, "Durable").await, Ok(Reply::Done));
        disk.set(|platter| platter.panics = true);
        assert_eq!(rename(&daemon, "Lost").await, Err(CommandError::Stopped));
        while rename(&daemon, "Lost too").await != Err(CommandError::Stopped) {}
        daemon.handle().ended().await;
        daemon.stop().await;
    }

    #[tokio::test]
    async fn a_node_whose_own_thread_panics_has_ended_and_says_so() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        let panicked = daemon.handle().read(|_, _| panic!("a read panics by order")).await;
        assert!(panicked.is_err());
        daemon.handle().ended().await;
        assert_eq!(rename(&daemon, "Late").await, Err(CommandError::Stopped));
    }

    #[tokio::test]
    async fn what_arrives_while_a_commit_runs_shares_the_next() {
        let disk = Disk::default();
        let daemon = asha(&disk);
        assert_eq!(rename(&daemon, "Asha K.").await, Ok(Reply::Done));
        let before = disk.commits();
        disk.1.store(true, Ordering::Release);
        let names: Vec<String> = (0..200).map(|i| format!("Asha {i}")).collect();
        let commands = futures::future::join_all(names.iter().map(|name| rename(&daemon, name)));
        let release = async {
            // Queued behind the commands: when it has run, all of them are staged.
            name(&daemon).await;
            disk.1.store(false, Ordering::Release);
        };
        let (answers, ()) = futures::join!(commands, release);
        assert!(answers.iter().all(|answer| *answer == Ok(Reply::Done)));
        let commits = disk.commits() - before;
        assert!(commits <= 3, "{commits} commits for 200 commands");
        daemon.stop().await;
    }
}
