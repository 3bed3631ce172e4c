//! A run under The ONE's rules.

use core::ops::Range;

use super::bits::{Bits, any, columns, words};
use super::host::{Carried, Host, Peer, Transfer};
use super::outcome::Tally;
use super::{OneOutcome, OneRouter, OneSettings};
use crate::splitmix::SplitMix;
use crate::trace::{OneEvent, OneHappening};

/// From one update of all hosts to the next, in milliseconds.
const TICK: u64 = 1000;

/// How often hosts look for messages that have outlived their time, in milliseconds.
const LOOK: u64 = 60_000;

/// The ONE counts whole minutes to live: with less than one left, a message has none.
const LAST_MINUTE: u64 = 60_000;

/// A message as it is created.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) at: u64,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) bytes: u32,
}

impl Message {
    pub(super) fn event(&self, message: u32) -> OneEvent {
        let what = OneHappening::Create { message, from: self.from, to: self.to, bytes: self.bytes };
        OneEvent { at: self.at, what }
    }
}

/// All hosts, and the clock.
pub(super) struct Run {
    settings: OneSettings,
    messages: Vec<Message>,
    hosts: Vec<Host>,
    carried: Carried,
    /// Which messages are for each host.
    addressed: Bits,
    /// The hosts that have a connection or send: only they have anything to do.
    listed: Vec<u32>,
    links: u64,
    now: u64,
    /// The last tick at which all hosts were updated.
    ticked: u64,
    /// Messages below this number have less than a minute to live.
    outlived: u32,
    /// Messages below this number exist.
    existing: u32,
    random: SplitMix,
    tally: Tally,
}

impl Run {
    /// Hosts that carry nothing; `messages` are all that will be created, in order of time.
    pub(super) fn new(hosts: u32, messages: Vec<Message>, settings: &OneSettings) -> Self {
        let mut addressed = Bits::new(hosts as usize, messages.len());
        for (number, message) in (0..).zip(&messages) {
            addressed.set(message.to, number, true);
        }
        Self {
            settings: settings.clone(),
            hosts: vec![Host::default(); hosts as usize],
            carried: Carried::new(hosts as usize, messages.len()),
            messages,
            addressed,
            listed: Vec::new(),
            links: 0,
            now: 0,
            ticked: 0,
            outlived: 0,
            existing: 0,
            random: SplitMix(settings.seed),
            tally: Tally::default(),
        }
    }

    /// Takes an event of a recorded run: up to it the clock ticks, and after it all hosts are updated.
    pub(super) fn happen(&mut self, event: OneEvent) {
        self.tick_to(event.at.saturating_sub(1));
        self.set_clock(event.at);
        match event.what {
            OneHappening::Connection { a, b, up } => self.change(a, b, up),
            OneHappening::Create { message, .. } => self.create(message),
        }
        self.update_all();
    }

    /// A connection comes or goes at a tick, without an update of its own.
    pub(super) fn connect(&mut self, at: u64, a: u32, b: u32, up: bool) {
        self.set_clock(at);
        self.change(a, b, up);
    }

    /// Updates all hosts at every tick that is due, up to and with `at`.
    pub(super) fn tick_to(&mut self, at: u64) {
        while self.ticked + TICK <= at {
            self.ticked += TICK;
            self.set_clock(self.ticked);
            self.update_all();
        }
    }

    /// Lets the clock tick up to and with `end`, and counts.
    pub(super) fn finish(mut self, end: u64) -> OneOutcome {
        self.tick_to(end);
        self.tally.outcome(self.hosts.len() as u32, end)
    }

    fn set_clock(&mut self, now: u64) {
        self.now = now;
        self.outlived = self.outlived_at(now, self.outlived);
    }

    /// How many messages have less than a minute to live at `now`, knowing that at least `from` have.
    fn outlived_at(&self, now: u64, from: u32) -> u32 {
        let life = self.settings.ttl_s * 1000;
        let over = |message: &&Message| message.at + life < now + LAST_MINUTE && message.at <= now;
        from + self.messages[from as usize..].iter().take_while(over).count() as u32
    }

    fn change(&mut self, a: u32, b: u32, up: bool) {
        let known = self.hosts[a as usize].links.iter().position(|peer| peer.host == b);
        match (known, up) {
            (None, true) => {
                self.links += 1;
                for (host, peer) in [(a, b), (b, a)] {
                    self.list(host);
                    self.hosts[host as usize].idle = false;
                    self.hosts[host as usize].links.push(Peer { host: peer, link: self.links });
                }
            }
            (Some(place), false) => {
                let link = self.hosts[a as usize].links.remove(place).link;
                self.hosts[b as usize].links.retain(|peer| peer.link != link);
                let on =
                    |host: u32| self.hosts[host as usize].sending.is_some_and(|sending| sending.link == link);
                if on(a) || on(b) {
                    self.hosts[a as usize].busy -= 1;
                    self.hosts[b as usize].busy -= 1;
                }
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// Puts a host among those who are updated. Up to now it has looked every minute for messages that have
    /// outlived their time.
    fn list(&mut self, host: u32) {
        if self.hosts[host as usize].listed {
            return;
        }
        let looked = self.hosts[host as usize].looked;
        let rounds = self.now.saturating_sub(looked) / LOOK;
        if rounds > 0 {
            self.look(host, looked + rounds * LOOK);
        }
        self.hosts[host as usize].listed = true;
        self.listed.push(host);
    }

    fn create(&mut self, number: u32) {
        let message = self.messages[number as usize];
        self.existing = number + 1;
        self.tally.created += 1;
        // A new message that finds no room is carried all the same, as in The ONE.
        self.make_room(message.from, message.bytes);
        let copies = match self.settings.router {
            OneRouter::Epidemic => 1,
            OneRouter::Spray { copies } => copies,
        };
        self.take(message.from, number, copies, 0);
    }

    /// Updates all hosts that have anything to do, in random order.
    fn update_all(&mut self) {
        let mut listed = core::mem::take(&mut self.listed);
        self.random.shuffle(&mut listed);
        for host in &listed {
            self.update(*host);
        }
        let hosts = &mut self.hosts;
        listed.retain(|host| {
            let host = &mut hosts[*host as usize];
            host.listed = !host.links.is_empty() || host.sending.is_some();
            host.listed
        });
        self.listed = listed;
    }

    fn update(&mut self, host: u32) {
        self.finalise(host);
        let state = &self.hosts[host as usize];
        if self.now - state.looked >= LOOK && state.sending.is_none() {
            self.look(host, self.now);
        }
        let state = &self.hosts[host as usize];
        if state.idle
            || state.busy > 0
            || state.sending.is_some()
            || state.carried == 0
            || state.links.is_empty()
        {
            return;
        }
        let started = self.deliver(host) || self.ask(host) || self.offer(host);
        let state = &self.hosts[host as usize];
        let all_free = !state.links.iter().any(|peer| self.is_busy(peer.host));
        self.hosts[host as usize].idle = !started && all_free;
    }

    /// Ends a transfer whose time has passed, or whose connection is down.
    fn finalise(&mut self, host: u32) {
        let Some(transfer) = self.hosts[host as usize].sending else { return };
        let up = self.hosts[host as usize].links.iter().any(|peer| peer.link == transfer.link);
        let done = transfer.done <= self.now;
        if !done && up {
            return;
        }
        self.hosts[host as usize].sending = None;
        if up {
            self.hosts[host as usize].busy -= 1;
            self.hosts[transfer.to as usize].busy -= 1;
        }
        if done {
            self.arrive(host, transfer);
        } else {
            self.tally.aborted += 1;
        }
    }

    fn arrive(&mut self, from: u32, transfer: Transfer) {
        let Transfer { to, message, copies, hops, .. } = transfer;
        self.tally.relayed += 1;
        let spraying = matches!(self.settings.router, OneRouter::Spray { .. });
        if spraying && self.carried.has.has(from, message) {
            let left = self.carried.copies(from, message).div_ceil(2);
            self.carried.share(from, message, left);
        }
        let letter = self.messages[message as usize];
        if letter.to != to {
            self.take(to, message, copies / 2, hops.saturating_add(1));
            return;
        }
        if !self.carried.seen.has(to, message) {
            self.carried.seen.set(to, message, true);
            self.tally.latencies.push(self.now - letter.at);
            self.tally.hops += u64::from(hops) + 1;
        }
    }

    /// Drops what has less than a minute to live at `at`.
    fn look(&mut self, host: u32, at: u64) {
        let from = self.hosts[host as usize].dropped_below;
        let below = if at == self.now { self.outlived } else { self.outlived_at(at, from) };
        for index in words(from..below) {
            let word = self.carried.has.row(host)[index];
            for message in
                columns(&[word]).map(|bit| index as u32 * 64 + bit).filter(|message| *message < below)
            {
                self.drop_copy(host, message);
            }
        }
        let state = &mut self.hosts[host as usize];
        (state.looked, state.dropped_below) = (at, from.max(below));
    }

    /// Hands over a random message to a neighbour for whom it is.
    fn deliver(&mut self, host: u32) -> bool {
        let mut choices = 0;
        let mut chosen = None;
        for at in 0..self.hosts[host as usize].links.len() {
            let peer = self.hosts[host as usize].links[at];
            if self.is_busy(peer.host) {
                continue;
            }
            let count = self.count_for(host, peer.host);
            choices += count;
            // Neighbour after neighbour, each is chosen with the weight of its messages.
            if count > 0 && self.random.below(u64::from(choices)) < u64::from(count) {
                chosen = Some(peer);
            }
        }
        let Some(peer) = chosen else { return false };
        self.hand_over(host, peer)
    }

    /// Asks the neighbours, in the order in which they came, for a message to this host.
    fn ask(&mut self, host: u32) -> bool {
        for at in 0..self.hosts[host as usize].links.len() {
            let peer = self.hosts[host as usize].links[at];
            let back = Peer { host, link: peer.link };
            if !self.is_busy(peer.host) && self.hand_over(peer.host, back) {
                return true;
            }
        }
        false
    }

    /// Offers what the router allows to the first neighbour who takes anything.
    fn offer(&mut self, host: u32) -> bool {
        let range = self.outlived..self.existing;
        for at in 0..self.hosts[host as usize].links.len() {
            let peer = self.hosts[host as usize].links[at];
            if self.is_busy(peer.host) {
                continue;
            }
            let table = match self.settings.router {
                OneRouter::Epidemic => &self.carried.has,
                OneRouter::Spray { .. } => &self.carried.spare,
            };
            let (mine, theirs) = (table.row(host), self.carried.seen.row(peer.host));
            let fitting = any(range.clone(), &mut self.random, |index| mine[index] & !theirs[index]);
            if fitting.is_some_and(|message| self.start(host, peer, message)) {
                return true;
            }
        }
        false
    }

    /// Starts to send a random message to the neighbour for whom it is.
    fn hand_over(&mut self, host: u32, peer: Peer) -> bool {
        let (mine, theirs) = (self.carried.has.row(host), self.carried.seen.row(peer.host));
        let wanted = self.addressed.row(peer.host);
        // The recipient takes what has outlived its time, as long as it is not dropped.
        let message = any(self.carried_range(host), &mut self.random, |index| {
            mine[index] & wanted[index] & !theirs[index]
        });
        message.is_some_and(|message| self.start(host, peer, message))
    }

    fn count_for(&self, host: u32, peer: u32) -> u32 {
        let (mine, theirs) = (self.carried.has.row(host), self.carried.seen.row(peer));
        let wanted = self.addressed.row(peer);
        let words = words(self.carried_range(host));
        words.map(|index| (mine[index] & wanted[index] & !theirs[index]).count_ones()).sum()
    }

    /// The numbers that a host may carry.
    fn carried_range(&self, host: u32) -> Range<u32> {
        self.hosts[host as usize].dropped_below..self.existing
    }

    fn is_busy(&self, host: u32) -> bool {
        let host = &self.hosts[host as usize];
        host.busy > 0 || host.sending.is_some()
    }

    fn start(&mut self, from: u32, peer: Peer, message: u32) -> bool {
        let bytes = self.messages[message as usize].bytes;
        if !self.make_room(peer.host, bytes) {
            return false;
        }
        let lasts = (u64::from(bytes) * 1000).div_ceil(self.settings.rate.max(1));
        let (copies, hops) = (self.carried.copies(from, message), self.carried.hops(from, message));
        let done = self.now + lasts;
        self.hosts[from as usize].sending =
            Some(Transfer { to: peer.host, link: peer.link, message, copies, hops, done });
        self.hosts[from as usize].busy += 1;
        self.hosts[peer.host as usize].busy += 1;
        self.tally.started += 1;
        true
    }

    /// Drops what was received longest ago until there is room, if there can be.
    fn make_room(&mut self, host: u32, bytes: u32) -> bool {
        if u64::from(bytes) > self.settings.buffer {
            return false;
        }
        while self.hosts[host as usize].bytes + u64::from(bytes) > self.settings.buffer {
            let sending = self.hosts[host as usize].sending.map(|sending| sending.message);
            let Some(oldest) = self.carried.oldest(host, sending) else { return false };
            self.drop_copy(host, oldest);
        }
        true
    }

    fn take(&mut self, host: u32, message: u32, copies: u8, hops: u8) {
        self.carried.add(host, message, self.now, copies, hops);
        self.wake(host);
        let state = &mut self.hosts[host as usize];
        state.carried += 1;
        state.bytes += u64::from(self.messages[message as usize].bytes);
    }

    /// What a host carries has changed: it and its neighbours may have something to send.
    fn wake(&mut self, host: u32) {
        self.hosts[host as usize].idle = false;
        for at in 0..self.hosts[host as usize].links.len() {
            let peer = self.hosts[host as usize].links[at].host;
            self.hosts[peer as usize].idle = false;
        }
    }

    fn drop_copy(&mut self, host: u32, message: u32) {
        self.carried.remove(host, message);
        self.wake(host);
        let state = &mut self.hosts[host as usize];
        state.carried -= 1;
        state.bytes -= u64::from(self.messages[message as usize].bytes);
        self.tally.dropped += 1;
    }
}
