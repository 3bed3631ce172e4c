//! The commit thread: makes durable, then sends and tells.

use super::{Storage, StorageError, Switch};
use crate::config::MAX_UNCOMMITTED;
use crate::handle::{Answers, CommandError, Feed, Notice};
use mesh_core::{CommandId, Event, Lane, LinkId, Output, Seq};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

/// The outputs of inputs that wait for their writes to be durable.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) epoch: u64,
    pub(super) writes: bool,
    pub(super) commands: Vec<CommandId>,
    pub(super) effects: Vec<Output>,
    /// Told once everything before is durable, or refused.
    pub(super) passed: Option<SyncSender<()>>,
}

/// How the commit thread tells the node thread that a commit failed.
#[derive(Debug, Default)]
pub(super) struct Failed {
    set: AtomicBool,
    pub(super) wake: tokio::sync::Notify,
}

impl Failed {
    pub(super) fn set(&self) {
        self.set.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    pub(super) fn clear(&self) {
        self.set.store(false, Ordering::Release);
    }
}

/// What goes out on one lane of each link.
type Frames = BTreeMap<LinkId, Vec<Vec<u8>>>;

/// The commit thread: makes durable, then sends and tells.
pub(super) struct Committer {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) transport: Switch,
    pub(super) events: Feed,
    pub(super) answers: Answers,
    pub(super) failed: Arc<Failed>,
    pub(super) streak: Arc<AtomicU32>,
    /// The oldest epoch whose batches still count.
    pub(super) epoch: u64,
}

impl Committer {
    pub(super) fn run(this: &Mutex<Self>, on_the_way: &AtomicUsize, batches: &Receiver<Batch>) {
        let lock = || this.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(first) = batches.recv() {
            let mut group = vec![first];
            group.extend(batches.try_iter().take(MAX_UNCOMMITTED));
            let count = group.len();
            lock().commit(group);
            on_the_way.fetch_sub(count, Ordering::AcqRel);
        }
    }

    /// Makes a group durable and does what it wants done, or refuses it.
    pub(super) fn commit(&mut self, group: Vec<Batch>) {
        let waiting: Vec<_> = group.iter().filter_map(|batch| batch.passed.clone()).collect();
        self.commit_group(group);
        for waiting in waiting {
            // The asker waits for this alone.
            let _ = waiting.send(());
        }
    }

    fn commit_group(&mut self, group: Vec<Batch>) {
        let (live, dead): (Vec<_>, Vec<_>) = group.into_iter().partition(|batch| batch.epoch >= self.epoch);
        self.refuse(dead, "an earlier write failed");
        if live.iter().any(|batch| batch.writes) {
            if let Err(error) = self.storage.commit() {
                return self.fail(live, &error);
            }
            self.streak.store(0, Ordering::Relaxed);
        }
        self.release(live.into_iter().flat_map(|batch| batch.effects));
    }

    /// Drops what `batches` wanted done, and everything more until the node was rebuilt.
    fn fail(&mut self, batches: Vec<Batch>, error: &StorageError) {
        tracing::error!(%error, "nothing is stored, sent or told until the disk works again");
        self.epoch = batches.iter().map(|batch| batch.epoch).max().unwrap_or(self.epoch) + 1;
        self.failed.set();
        self.refuse(batches, &error.reason);
    }

    /// Sends before it tells: who is told may want a processor at once. Frames of one lane leave together.
    fn release(&self, effects: impl Iterator<Item = Output>) {
        let (mut control, mut bulk) = (Frames::new(), Frames::new());
        let mut told = Vec::new();
        for effect in effects {
            match effect {
                Output::Send { link, lane, frame } => {
                    let frames = if lane == Lane::Control { &mut control } else { &mut bulk };
                    frames.entry(link).or_default().push(frame);
                }
                Output::Close { link, why } => {
                    tracing::debug!(?link, ?why, "closing");
                    self.send(Lane::Control, control.remove_entry(&link));
                    self.send(Lane::Bulk, bulk.remove_entry(&link));
                    self.transport.with(|transport| transport.close(link, why));
                }
                Output::Notify(seq, event) => told.push((seq, event)),
                Output::Advertise { medium, payload, root } => {
                    self.transport.with(|transport| transport.advertise(medium, payload, root));
                }
                Output::Keep { link, keep } => self.transport.with(|transport| transport.keep(link, keep)),
                // No radio here reaches everybody at once; writes were staged before.
                Output::Broadcast { .. } | Output::Store(_) => {}
            }
        }
        self.send(Lane::Control, control);
        self.send(Lane::Bulk, bulk);
        told.into_iter().for_each(|(seq, event)| self.tell(seq, event));
    }

    fn send(&self, lane: Lane, frames: impl IntoIterator<Item = (LinkId, Vec<Vec<u8>>)>) {
        for (link, frames) in frames {
            self.transport.with(|transport| transport.send(link, lane, frames));
        }
    }

    fn tell(&self, seq: Seq, event: Event) {
        match event {
            Event::Answered { command, result } => {
                self.answers.give(command, result.map_err(CommandError::Refused));
            }
            event => self.events.tell(Notice { seq, event: Arc::new(event) }),
        }
    }

    fn refuse(&self, batches: Vec<Batch>, reason: &str) {
        for command in batches.into_iter().flat_map(|batch| batch.commands) {
            self.answers.give(command, Err(CommandError::Storage { reason: reason.to_owned() }));
        }
    }
}
