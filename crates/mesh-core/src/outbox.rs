//! Where the outputs of one input gather before the shell drains them.

use crate::border::{CloseReason, Event, Lane, Medium, Output};
use crate::id::{LinkId, Seq};
use crate::store::{StoreOp, Table};
use std::collections::VecDeque;

/// The outputs of the input at work, in the order they arose.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Output>,
    next_seq: Seq,
    writes: usize,
}

impl Outbox {
    /// An empty outbox whose next event is numbered `next_seq`.
    #[must_use]
    pub fn new(next_seq: Seq) -> Self {
        Self { queue: VecDeque::new(), next_seq, writes: 0 }
    }

    /// Adds a record to this input's batch.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.writes += 1;
        self.queue.push_back(Output::Store(StoreOp::put(table, key, value)));
    }

    /// Adds a removal to this input's batch.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.writes += 1;
        self.queue.push_back(Output::Store(StoreOp::delete(table, key)));
    }

    /// Transmits `frame` once the batch is durable.
    pub fn send(&mut self, link: LinkId, lane: Lane, frame: Vec<u8>) {
        self.queue.push_back(Output::Send { link, lane, frame });
    }

    /// Says a public thing to everybody in reach.
    pub fn broadcast(&mut self, bytes: Vec<u8>) {
        self.queue.push_back(Output::Broadcast { bytes });
    }

    /// Sets what a radio advertises, and by which look of the bag.
    pub fn advertise(&mut self, medium: Medium, payload: [u8; 6], root: [u8; 8]) {
        self.queue.push_back(Output::Advertise { medium, payload: payload.to_vec(), root });
    }

    /// Asks that a link is not given up for others, or may be again.
    pub fn keep(&mut self, link: LinkId, keep: bool) {
        self.queue.push_back(Output::Keep { link, keep });
    }

    /// Closes `link`.
    pub fn close(&mut self, link: LinkId, why: CloseReason) {
        self.queue.push_back(Output::Close { link, why });
    }

    /// Tells the front ends once the batch is durable.
    pub fn notify(&mut self, event: Event) {
        let seq = self.next_seq;
        self.next_seq = Seq(seq.0 + 1);
        self.queue.push_back(Output::Notify(seq, event));
    }

    /// The number of the next event.
    #[must_use]
    pub fn next_seq(&self) -> Seq {
        self.next_seq
    }

    /// Whether records wait to be written.
    #[must_use]
    pub fn has_writes(&self) -> bool {
        self.writes > 0
    }

    /// Takes the oldest output.
    pub fn pop(&mut self) -> Option<Output> {
        let output = self.queue.pop_front()?;
        self.writes -= usize::from(matches!(output, Output::Store(_)));
        Some(output)
    }
}
