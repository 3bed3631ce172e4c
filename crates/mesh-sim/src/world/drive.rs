//! One input, and what follows from it: store, send, tell.

use super::agenda::Happening;
use super::slot::{Fate, NodeIx};
use super::{World, shown_number};
use crate::protocol::Act;
use core::fmt::Write;
use mesh_core::{CloseReason, Command, CommandId, Event, Input, Output, Refusal, Reply, StoreOp, Time};

impl World {
    /// Asks a real node for something and returns its answer; what follows takes its time.
    ///
    /// # Errors
    /// The node's refusal.
    ///
    /// # Panics
    /// Where the node is crashed or does not answer at once: every command is answered by the input that
    /// brought it.
    pub fn command(&mut self, ix: NodeIx, command: Command) -> Result<Reply, Refusal> {
        assert!(self.is_running(ix), "only a node that runs takes commands");
        self.try_command(ix, command).expect("a command is answered by the input that brought it")
    }

    /// [`World::command`] of a node that may be crashed, or die before it answers: then `None`.
    pub fn try_command(&mut self, ix: NodeIx, command: Command) -> Option<Result<Reply, Refusal>> {
        self.serial += 1;
        let id = CommandId(self.serial);
        self.answered = None;
        self.input(ix.0, Input::Command(id, command));
        self.answered.take().filter(|(command, _)| *command == id).map(|(_, result)| result)
    }

    pub(super) fn tick(&mut self, index: usize, at: u64) {
        if self.nodes[index].wake == Some(at) {
            self.nodes[index].wake = None;
            self.input(index, Input::Tick);
        }
    }

    pub(super) fn input(&mut self, index: usize, input: Input<'_>) {
        let now = self.time_of(index);
        let Some(body) = &mut self.nodes[index].body else { return };
        body.handle(now, input);
        self.drain(index);
    }

    /// Store, send, tell.
    pub(super) fn drain(&mut self, index: usize) {
        let fate = self.nodes[index].fate.take();
        let mut rest = core::mem::take(&mut self.rest);
        while let Some(act) = self.nodes[index].body.as_mut().and_then(|body| body.poll()) {
            match act {
                Act::Core(Output::Store(_)) if fate == Some(Fate::LosesCommit) => {}
                Act::Core(Output::Store(op)) => self.make_durable(index, op),
                other => rest.push(other),
            }
        }
        if fate.is_some() {
            rest.clear();
            self.rest = rest;
            self.crash(NodeIx(index));
            return self.restart(NodeIx(index));
        }
        for act in rest.drain(..) {
            self.carry_out(index, act);
        }
        self.rest = rest;
        self.plan_tick(index);
        if let Some(body) = self.nodes[index].body.as_deref() {
            for observer in &mut self.observers {
                observer.stepped(self.now, NodeIx(index), body);
            }
        }
    }

    fn make_durable(&mut self, index: usize, op: StoreOp) {
        let at = self.now;
        self.look(|observer| observer.stored(at, NodeIx(index), &op));
        if let Some(store) = self.nodes[index].store() {
            store.apply([op]);
        }
    }

    fn carry_out(&mut self, index: usize, act: Act) {
        match act {
            Act::Core(Output::Send { link, lane, frame }) => self.transmit(link, lane, frame),
            Act::Core(Output::Close { link, why }) => {
                match why {
                    CloseReason::Silent => self.counters.losses.silent += 1,
                    CloseReason::Faults => self.counters.losses.faulty += 1,
                    _ => {}
                }
                if self.keeping {
                    let closed = (self.now, link, why);
                    self.nodes[index].notes().closed.push(closed);
                }
                self.redial_later(link);
                self.close(link);
            }
            Act::Core(Output::Notify(_, event)) => self.tell(index, event),
            Act::Core(Output::Broadcast { bytes }) => self.broadcast(index, &bytes),
            Act::Core(Output::Advertise { medium, payload, root }) => {
                self.advertise(index, medium, &payload, root);
            }
            Act::Core(Output::Keep { link, keep }) => self.keep(link, keep),
            Act::Core(Output::Store(_)) => {}
            Act::Shown { number } => self.show(index, number),
        }
    }

    fn tell(&mut self, index: usize, event: Event) {
        // Writing to a hasher cannot fail.
        let _ = writeln!(Hashing(&mut self.trace), "{} {index} {event:?}", self.now);
        let at = self.now;
        self.look(|observer| observer.told(at, NodeIx(index), &event));
        if let Some(number) = shown_number(&event) {
            let again = matches!(event, Event::Beacon(_)) && !self.nodes[index].beacons.insert(number);
            if !again {
                self.show(index, number);
            }
        }
        if let Event::Answered { command, result } = &event {
            self.answered = Some((*command, result.clone()));
        }
        if self.keeping {
            self.nodes[index].notes().events.push((at, event));
        }
    }

    fn show(&mut self, index: usize, number: u32) {
        let at = self.now;
        let _ = writeln!(Hashing(&mut self.trace), "{at} {index} shows {number}");
        self.look(|observer| observer.shown(at, NodeIx(index), number));
    }

    pub(super) fn plan_tick(&mut self, index: usize) {
        let slot = &mut self.nodes[index];
        let Some(Time(mono)) = slot.body.as_ref().and_then(|body| body.next_wakeup()) else { return };
        // A node that wants to be woken in the past is woken a moment later, so that time goes on.
        let at = slot.born.saturating_add(mono.saturating_sub(slot.lived)).max(self.now + 1);
        if slot.wake.is_none_or(|wake| at < wake || wake < self.now) {
            slot.wake = Some(at);
            self.plan(at, Happening::Tick(index));
        }
    }
}

/// Text straight into the trace, without a string in between.
struct Hashing<'a>(&'a mut blake3::Hasher);

impl Write for Hashing<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
