//! One host, and what it carries.

use super::bits::{Bits, columns};

/// A host's links and clocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    /// Its connections, in the order in which they came up.
    pub(super) links: Vec<Peer>,
    /// What it sends; the connection may be down already.
    pub(super) sending: Option<Transfer>,
    /// How many of its connections carry a message, in either direction.
    pub(super) busy: u32,
    /// How many messages it carries.
    pub(super) carried: u32,
    /// How many bytes those have.
    pub(super) bytes: u64,
    /// When it last looked for messages that have outlived their time, in milliseconds.
    pub(super) looked: u64,
    /// All messages below this number were dropped when it looked.
    pub(super) dropped_below: u32,
    /// It found nothing to send, and nothing has changed since with it or its neighbours.
    pub(super) idle: bool,
    /// Whether it stands among those who are updated.
    pub(super) listed: bool,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) host: u32,
    /// The connection's number, which both ends share; a pair that meets again has another.
    pub(super) link: u64,
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    pub(super) to: u32,
    pub(super) link: u64,
    pub(super) message: u32,
    /// The sender's copies when it began.
    pub(super) copies: u8,
    /// The hops that the sender's copy had come.
    pub(super) hops: u8,
    /// When it is done, in milliseconds.
    pub(super) done: u64,
}

/// Who carries what: tables of hosts and messages.
#[derive(Clone, Debug)]
pub(super) struct Carried {
    messages: usize,
    /// Carried now.
    pub(super) has: Bits,
    /// Carried now, or delivered here: what would be refused.
    pub(super) seen: Bits,
    /// Carried with more than one copy left.
    pub(super) spare: Bits,
    /// When it was received, in milliseconds.
    received: Vec<u64>,
    copies: Vec<u8>,
    hops: Vec<u8>,
}

impl Carried {
    pub(super) fn new(hosts: usize, messages: usize) -> Self {
        let bits = Bits::new(hosts, messages);
        Self {
            messages,
            has: bits.clone(),
            seen: bits.clone(),
            spare: bits,
            received: vec![0; hosts * messages],
            copies: vec![0; hosts * messages],
            hops: vec![0; hosts * messages],
        }
    }

    pub(super) fn add(&mut self, host: u32, message: u32, now: u64, copies: u8, hops: u8) {
        let cell = self.cell(host, message);
        (self.received[cell], self.hops[cell]) = (now, hops);
        self.has.set(host, message, true);
        self.seen.set(host, message, true);
        self.share(host, message, copies);
    }

    pub(super) fn remove(&mut self, host: u32, message: u32) {
        self.has.set(host, message, false);
        self.seen.set(host, message, false);
        self.spare.set(host, message, false);
    }

    pub(super) fn share(&mut self, host: u32, message: u32, copies: u8) {
        let cell = self.cell(host, message);
        self.copies[cell] = copies;
        self.spare.set(host, message, copies > 1);
    }

    pub(super) fn copies(&self, host: u32, message: u32) -> u8 {
        self.copies[self.cell(host, message)]
    }

    pub(super) fn hops(&self, host: u32, message: u32) -> u8 {
        self.hops[self.cell(host, message)]
    }

    /// What the host has carried longest, apart from one message.
    pub(super) fn oldest(&self, host: u32, but: Option<u32>) -> Option<u32> {
        let others = columns(self.has.row(host)).filter(|message| Some(*message) != but);
        others.min_by_key(|message| self.received[self.cell(host, *message)])
    }

    fn cell(&self, host: u32, message: u32) -> usize {
        host as usize * self.messages + message as usize
    }
}
