//! The thread behind the journal: carries committed groups into sled and the identity files, lets
//! old generations end, and puts sled to sleep.
//!
//! Nothing waits for it but a full backlog. It lingers a little: what comes and goes meanwhile
//! (most of what a relay sees in a busy net) never touches sled. With nothing to do it sleeps
//! without any timer.

use super::fault::Step;
use super::inner::Inner;
use super::keyfile::Epochs;
use super::record::{Entry, is_resident};
use mesh_core::Table;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a group may wait for others before it is applied.
const LINGER: Duration = Duration::from_millis(250);
/// With a group that waited for so long go those that waited for this long: one awakening for many groups.
const COMPANY: Duration = Duration::from_millis(125);
/// A backlog of this many bytes is applied without lingering.
const HURRY: usize = 4 << 20;
/// Operations applied between two looks at what has been superseded.
const CHUNK: usize = 64;
/// What was applied is made durable in sled after this long, or as soon as there is nothing to do.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// What the thread has to do, in order.
#[derive(Clone)]
pub(super) enum Work {
    /// Apply a committed group.
    Group {
        number: u64,
        seq: u64,
        bytes: usize,
        entries: Arc<[Arc<Entry>]>,
        /// When it was committed.
        since: Instant,
    },
    /// Everything before this is of generations up to this one: checkpoint, then forget its key.
    Retire { generation: u64, seq: u64 },
}

/// The bounded backlog between the journal and sled.
#[derive(Default)]
pub(super) struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    work: VecDeque<Work>,
    bytes: usize,
    /// Somebody waits: do not linger.
    urgent: bool,
    stop: bool,
    /// The generation whose file may not be overwritten yet.
    retiring: Option<u64>,
    /// Why the thread gave up.
    failed: Option<String>,
}

impl Backlog {
    /// Adds work.
    pub(super) fn push(&self, work: Work) {
        let mut state = self.state();
        match &work {
            Work::Group { bytes, .. } => state.bytes += bytes,
            Work::Retire { generation, .. } => state.retiring = Some(*generation),
        }
        let first = state.work.is_empty();
        state.work.push_back(work);
        // The thread is woken to begin its linger and to cut it short, not for every group.
        if first || state.bytes >= HURRY || state.retiring.is_some() {
            self.changed.notify_all();
        }
    }

    /// Waits until the backlog is below `limit` bytes.
    pub(super) fn wait_below(&self, limit: usize) -> Result<(), String> {
        self.wait_until(|state| state.bytes < limit)
    }

    /// Waits until no generation is about to be retired.
    pub(super) fn wait_retired(&self) -> Result<(), String> {
        self.wait_until(|state| state.retiring.is_none())
    }

    /// Waits until all work is done.
    pub(super) fn wait_done(&self) -> Result<(), String> {
        self.wait_until(|state| state.work.is_empty())
    }

    /// Ends the thread once it looks up from its work.
    pub(super) fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }

    /// Whether there is nothing to do and no generation about to end.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.state();
        state.work.is_empty() && state.retiring.is_none()
    }

    pub(super) fn bytes(&self) -> usize {
        self.state().bytes
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.state().failed.clone()
    }

    /// Runs `f` with all groups that are committed and not wholly applied, oldest first, while
    /// none of them can end.
    pub(super) fn with_groups<T>(
        &self,
        f: impl FnOnce(&mut dyn Iterator<Item = (u64, &[Arc<Entry>])>) -> T,
    ) -> T {
        let state = self.state();
        let mut groups = state.work.iter().filter_map(|work| match work {
            Work::Group { number, entries, .. } => Some((*number, &**entries)),
            Work::Retire { .. } => None,
        });
        f(&mut groups)
    }

    fn wait_until(&self, done: impl Fn(&State) -> bool) -> Result<(), String> {
        let mut state = self.state();
        while !done(&state) {
            if let Some(reason) = &state.failed {
                return Err(reason.clone());
            }
            if state.stop {
                return Err("the store is closed".to_owned());
            }
            state.urgent = true;
            self.changed.notify_all();
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn fail(&self, reason: String) {
        tracing::error!(%reason, "the records could not be written; the journal keeps them");
        self.state().failed = Some(reason);
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread does next.
enum Next {
    Do(Work),
    /// sled holds something that is not durable.
    Sync,
    /// Everything is applied and something that has time is due.
    Chores,
    Stop,
}

/// What the thread knows of sled.
struct Applied {
    /// Every journal record up to this one is applied.
    seq: u64,
    /// When the first of what is not durable in sled was applied.
    dirty: Option<Instant>,
    /// When a group had lingered for its time last: those that have [`COMPANY`] then go along.
    awoke: Instant,
}

impl Applied {
    /// Whether a group that was committed at `since` still waits for others.
    fn lingers(&mut self, since: Instant, now: Instant) -> bool {
        if now >= since + LINGER {
            self.awoke = now;
        }
        self.awoke < since + COMPANY
    }
}

/// The thread's life. Every journal record up to `seq` is applied, maybe not durably. Whatever ends it
/// too early, those who wait for it are told.
pub(super) fn run(inner: &Inner, seq: u64) {
    if catch_unwind(AssertUnwindSafe(|| live(inner, seq))).is_err() {
        inner.backlog.fail("the store's thread panicked".to_owned());
    }
}

fn live(inner: &Inner, seq: u64) {
    let now = Instant::now();
    let mut applied = Applied { seq, dirty: inner.engine.is_dirty().then_some(now), awoke: now };
    loop {
        let result = match next(inner, &mut applied) {
            Next::Stop => return,
            Next::Do(work) => carry_out(inner, &work, &mut applied),
            Next::Chores => inner.do_chores(applied.seq),
            // Soon after the writes, although the journal has them: sled reuses its space, and
            // what a power cut finds half written there cannot be opened again.
            Next::Sync => inner.engine.sync().map(|()| applied.dirty = None).map_err(String::from),
        };
        if let Err(reason) = result {
            return inner.backlog.fail(reason);
        }
    }
}

/// Waits for work that lingered long enough, or for a chore.
fn next(inner: &Inner, applied: &mut Applied) -> Next {
    let backlog = &inner.backlog;
    let mut state = backlog.state();
    loop {
        let now = Instant::now();
        if state.stop {
            return Next::Stop;
        }
        if applied.dirty.is_some_and(|since| state.work.is_empty() || now >= since + SYNC_EVERY) {
            return Next::Sync;
        }
        let hurry = state.urgent || state.bytes >= HURRY || state.retiring.is_some();
        let due = match state.work.front() {
            Some(Work::Group { since, .. }) if !hurry && applied.lingers(*since, now) => {
                Some(*since + LINGER)
            }
            Some(work) => return Next::Do(work.clone()),
            None => inner.chore_due(),
        };
        state = match due {
            Some(due) if now >= due => return Next::Chores,
            Some(due) => {
                let waited = backlog.changed.wait_timeout(state, due - now);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => backlog.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

fn carry_out(inner: &Inner, work: &Work, applied: &mut Applied) -> Result<(), String> {
    match work {
        Work::Group { number, seq, entries, .. } => {
            if apply(inner, *number, entries)? {
                applied.dirty.get_or_insert_with(Instant::now);
            }
            applied.seq = *seq;
        }
        Work::Retire { generation, seq } => {
            // Every group up to `seq` stood before this in the backlog.
            inner.engine.checkpoint(*seq)?;
            (applied.seq, applied.dirty) = (*seq, None);
            inner.faults.check(Step::KeyfileRetire).map_err(|e| e.to_string())?;
            let forget = |epochs: &mut Epochs| {
                epochs.previous = epochs.previous.take().filter(|e| e.generation != *generation);
            };
            inner.keyring.update(forget).map_err(|e| e.to_string())?;
        }
    }
    finish(inner, work);
    Ok(())
}

/// Takes finished work off the backlog and its entries out of the overlay, under one lock: a
/// discard sees either both or neither.
fn finish(inner: &Inner, work: &Work) {
    let mut state = inner.backlog.state();
    state.work.pop_front();
    match work {
        Work::Group { number, bytes, entries, .. } => {
            state.bytes -= bytes;
            inner.overlay().settle(*number, entries.iter());
        }
        Work::Retire { .. } => state.retiring = None,
    }
    if state.work.is_empty() {
        state.urgent = false;
        state.work.shrink_to(64);
    }
    inner.backlog.changed.notify_all();
}

/// Applies a group; `false` where nothing of it goes to sled.
fn apply(inner: &Inner, number: u64, entries: &[Arc<Entry>]) -> Result<bool, String> {
    let mut any = false;
    for chunk in entries.chunks(CHUNK) {
        let durable = inner.durable();
        let overlay = inner.overlay();
        let alive = chunk.iter().filter(|e| !is_resident(e.table));
        let alive: Vec<&Entry> =
            alive.filter(|e| !overlay.is_superseded(e, number, durable)).map(|e| &**e).collect();
        drop(overlay);
        let (identity, records): (Vec<_>, Vec<_>) =
            alive.into_iter().partition(|e| e.table == Table::Identity);
        for entry in identity {
            inner.faults.check(Step::Apply).map_err(|e| e.to_string())?;
            inner.identity.apply(entry).map_err(|e| e.to_string())?;
        }
        if !records.is_empty() {
            any = true;
            inner.engine.apply(records.into_iter())?;
        }
    }
    Ok(any)
}
