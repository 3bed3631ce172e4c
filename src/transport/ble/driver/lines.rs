//! The links of one radio, from a connection to the end of their tasks, and what is learnt from how they end.

use super::super::link::{self, End, Gauge, Link, Shaken, now};
use super::super::queue::Farewell;
use super::super::radio::{MAX_VALUES, Pipe, RadioOrder, Side, Wire};
use super::{Driver, Line, SHUN, SHUN_CROWD, STOOD, role};
use mesh_core::{CloseReason, LinkId, Role};
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinError;

impl Driver {
    pub(super) fn on_connected(&mut self, wire: Wire, max_value: usize, pipe: Pipe) {
        if wire.side == Side::Central && self.connecting.is_some_and(|(remote, _)| remote == wire.remote) {
            self.connecting = None;
        }
        let config = &self.common.config;
        let accepted = self.wires.keys().filter(|other| other.side == wire.side).count();
        let most = match wire.side {
            Side::Central => config.max_dialled,
            Side::Peripheral => config.max_accepted,
        };
        let full = accepted >= most || self.wires.len() >= config.max_links;
        if !self.is_open() || full || self.neighbours.is_shunned(now(), wire.remote) {
            if wire.side == Side::Central {
                self.overlay.failed(self.time(), wire.remote.0);
            }
            return self.tell(RadioOrder::Disconnect(wire));
        }
        self.start_link(wire, max_value, pipe);
    }

    fn start_link(&mut self, wire: Wire, max_value: usize, pipe: Pipe) {
        let id = self.common.ids.next();
        let (inbox, values) = mpsc::channel(link::MAX_INBOX);
        let (slots, queue, gauge) = (Arc::new(Semaphore::new(MAX_VALUES)), Arc::default(), Gauge::default());
        let line = Line {
            wire,
            pipe,
            inbox: Some(inbox),
            slots: Arc::clone(&slots),
            queue: Arc::clone(&queue),
            gauge: gauge.clone(),
            max_value,
            theirs: None,
            up_since: None,
            closed: None,
            crossed: 0,
            superseded: false,
        };
        // Whoever was on this connection before has lost it.
        self.on_lost(wire);
        self.lines.insert(id, line);
        self.wires.insert(wire, id);
        let link = Link {
            id,
            wire,
            pipe,
            max_value,
            names: self.names.clone(),
            key: self.key.clone(),
            rng: self.rng.fork(),
            orders: self.radio.orders.clone(),
            slots,
            inbox: values,
            queue,
            gauge,
            shaken: self.shaken.0.clone(),
            events: self.common.events.clone(),
        };
        self.running.spawn(async move { (id, link.run().await) });
    }

    pub(super) fn on_lost(&mut self, wire: Wire) {
        let Some(id) = self.wires.remove(&wire) else { return };
        if let Some(line) = self.lines.get_mut(&id) {
            line.inbox = None;
            line.slots.close();
        }
    }

    /// A neighbour proved its key: of two links to the same one stays, and both ends choose the same.
    pub(super) fn on_shaken(&mut self, shaken: Shaken) {
        let Shaken { link, theirs, verdict } = shaken;
        let now = now();
        let Some(line) = self.lines.get(&link).filter(|line| line.inbox.is_some()) else { return };
        let role = role(line.wire);
        self.neighbours.shook_hands(line.wire.remote);
        let same =
            |(id, line): &(&LinkId, &Line)| **id != link && line.theirs == Some(theirs) && !line.superseded;
        let other = self.lines.iter().rfind(same);
        let stays = self.is_open()
            && match other {
                _ if theirs == self.key.public() => false,
                None => true,
                Some((_, other)) if other.inbox.is_none() => true,
                Some((_, other)) if other.up_since.is_some_and(|since| now >= since + STOOD) => true,
                // The one that the lower key dialled.
                Some(_) => (role == Role::Dialer) == (self.key.public() < theirs),
            };
        let other = other.map(|(id, _)| *id);
        let Some(line) = self.lines.get_mut(&link).filter(|_| stays) else {
            // A link that ended meanwhile needs no word.
            let _ = verdict.send(false);
            return;
        };
        (line.theirs, line.up_since) = (Some(theirs), Some(now));
        let Some(other) = other else { return self.admit(link, verdict) };
        // The node never has both: it would choose for itself, perhaps the other one, and then none would be left.
        self.successors.insert(other, (link, verdict));
        if let Some(line) = self.lines.get_mut(&other) {
            tracing::debug!(link = other.0, "another link takes its place");
            line.superseded = true;
            line.queue.abort();
        }
    }

    fn admit(&mut self, link: LinkId, verdict: oneshot::Sender<bool>) {
        if let Some(line) = self.lines.get(&link) {
            self.common.links.insert(link, Arc::clone(&line.queue));
            let (remote, time) = (line.wire.remote.0, self.time());
            self.overlay.linked(time, remote, role(line.wire));
        }
        let _ = verdict.send(true);
    }

    pub(super) fn close(&mut self, link: LinkId, farewell: Farewell, why: CloseReason) {
        let Some(line) = self.lines.get_mut(&link) else { return };
        tracing::debug!(link = link.0, ?why, "closing");
        line.closed.get_or_insert_with(|| (why, now()));
        if why == CloseReason::Silent {
            // What waits would not arrive, and closing in order would wait for it.
            line.queue.abort();
        } else {
            line.queue.close(farewell);
        }
    }

    pub(super) fn on_ended(&mut self, ended: Result<(LinkId, End), JoinError>) {
        // A task that was stopped belongs to a transport that ends.
        let Ok((id, end)) = ended else { return };
        self.settle(id, &end);
        if let Some((successor, verdict)) = self.successors.remove(&id) {
            self.admit(successor, verdict);
        }
    }

    fn settle(&mut self, id: LinkId, end: &End) {
        self.common.links.remove(id);
        let Some(line) = self.lines.remove(&id) else { return };
        tracing::debug!(link = id.0, %end, "link down");
        if self.wires.get(&line.wire) == Some(&id) {
            self.wires.remove(&line.wire);
            if matches!(end, End::Anew) && line.up_since.is_some() && self.is_open() {
                // It has a place again once it shook hands again.
                if !self.is_linked_otherwise(id, line.wire.remote) {
                    self.overlay.lost(self.time(), line.wire.remote.0);
                }
                return self.start_link(line.wire, line.max_value, line.pipe);
            }
            self.tell(RadioOrder::Disconnect(line.wire));
        }
        self.judge(id, &line, end);
        if self.lines.is_empty() {
            self.duty.look_around(now());
        }
    }

    /// When to have to do with a neighbour again whose link ended.
    fn judge(&mut self, id: LinkId, line: &Line, end: &End) {
        let (now, time, remote) = (now(), self.time(), line.wire.remote);
        let mut elsewhere = false;
        let closed = line.closed.map(|(why, _)| why);
        match (closed, end) {
            // What it was closed for may be gone itself.
            (Some(CloseReason::Duplicate), _) if self.ended_elsewhere > line.closed.map(|(_, at)| at) => {}
            (Some(CloseReason::Duplicate), _) | (_, End::Told(Farewell::Duplicate)) => elsewhere = true,
            (Some(CloseReason::TooMany), _) | (_, End::Told(Farewell::Crowd)) => {
                self.neighbours.shun(now, remote, SHUN_CROWD);
            }
            (Some(CloseReason::Silent), _) => {}
            // Version, faults, and whatever is added: not again soon.
            (Some(_), _) | (_, End::Broken(_) | End::Channel(_) | End::Told(Farewell::Fault)) => {
                self.neighbours.shun(now, remote, SHUN);
            }
            (None, End::Mute) if line.wire.side == Side::Peripheral => {
                self.neighbours.shun(now, remote, SHUN_CROWD);
            }
            // It speaks the protocol, and may have lost its values to bad air.
            (None, End::Handshake | End::Anew) if line.wire.side == Side::Peripheral => {
                self.neighbours.stumbled(now, remote);
            }
            _ => {}
        }
        if self.is_linked_otherwise(id, remote) {
            return;
        }
        match line.up_since {
            _ if elsewhere => self.overlay.elsewhere(time, remote.0),
            Some(_) => self.overlay.lost(time, remote.0),
            None => self.overlay.failed(time, remote.0),
        }
    }
}
