//! What is to be sent later, by this node's clock (PROTOCOL.md section 7.2).

use super::State;
use super::events::{Draft, check_length};
use crate::border::{Event, Refusal};
use crate::id::{ConversationId, MessageId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time, Wall};
use crate::view::ScheduledView;
use crate::wire::codec;
use crate::wire::message::Body;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Messages that may wait for their time.
pub const MAX_SCHEDULED: usize = 256;
/// How far ahead a message may be scheduled.
const HORIZON: Duration = Duration::from_secs(366 * 86_400);
/// The clock that says the time may be set: so often it is looked at again.
const LOOK: Duration = Duration::from_secs(600);
/// Marks the records in [`Table::Talk`].
const LATER: u8 = 4;

/// Messages that wait for their time.
#[derive(Debug, Default)]
pub(super) struct Later {
    waiting: BTreeMap<MessageId, Waiting>,
    /// When the earliest is due, or the clock is looked at again.
    due: Option<Time>,
}

/// One of them, as stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Waiting {
    to: ConversationId,
    at: Wall,
    /// Why it could not be sent in its time; then it waits for the person.
    refused: Option<String>,
    body: Body,
}

impl Later {
    pub(super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut later = Self::default();
        read.scan(Table::Talk, &mut |key, value| {
            let Some((&LATER, name)) = key.split_first() else { return };
            if let (Some(id), Ok(waiting)) = (MessageId::from_slice(name), codec::decode(value)) {
                later.waiting.insert(id, waiting);
            }
        })?;
        // Whatever came due while the node was away goes with the first tick.
        later.due = (!later.waiting.is_empty()).then_some(Time(0));
        Ok(later)
    }

    fn put(&mut self, id: MessageId, waiting: Waiting, out: &mut Outbox) {
        out.put(Table::Talk, key(id), codec::encode(&waiting));
        self.waiting.insert(id, waiting);
    }

    fn remove(&mut self, id: MessageId, out: &mut Outbox) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        out.delete(Table::Talk, key(id));
        Some(waiting)
    }

    /// Looks at the clock: the earliest that waits is due so much later.
    fn look(&mut self, now: Now) {
        let open = self.waiting.values().filter(|waiting| waiting.refused.is_none());
        let left = open.map(|waiting| Duration::from_secs(waiting.at.0.saturating_sub(now.wall.0))).min();
        self.due = left.map(|left| now.mono + left.min(LOOK));
    }

    pub(super) fn next_due(&self) -> Option<Time> {
        self.due
    }

    pub(super) fn forget(&mut self, with: ConversationId, out: &mut Outbox) {
        let of_it = self.waiting.iter().filter(|(_, waiting)| waiting.to == with).map(|(id, _)| *id);
        for id in of_it.collect::<Vec<_>>() {
            self.remove(id, out);
        }
    }
}

impl State {
    /// Takes something into custody that is sent at a later time. A known id is answered again.
    ///
    /// # Errors
    /// As [`State::submit`]; where the time is too far ahead, or too many wait.
    pub fn schedule(
        &mut self,
        now: Now,
        draft: Draft,
        at: Wall,
        out: &mut Outbox,
    ) -> Result<MessageId, Refusal> {
        let Draft { to, body, id } = draft;
        self.check_recipient(to)?;
        check_length(&body)?;
        if let Some(id) = id.filter(|id| self.later.waiting.contains_key(id)) {
            return Ok(id);
        }
        if let Some(id) = id
            && self.is_said(to, id)?
        {
            return Ok(id);
        }
        if self.later.waiting.len() >= MAX_SCHEDULED {
            return Err(Refusal::Full { what: "messages that wait for their time", limit: MAX_SCHEDULED });
        }
        let most = now.wall.0.saturating_add(HORIZON.as_secs());
        if at.0 > most {
            return Err(Refusal::Unknown { what: "time within a year", name: at.0.to_string() });
        }
        let id = id.unwrap_or_else(|| MessageId(self.rng.bytes()));
        self.later.put(id, Waiting { to, at, refused: None, body }, out);
        self.later.look(now);
        out.notify(Event::Scheduled { message: id });
        Ok(id)
    }

    /// Takes back what was to be sent later.
    ///
    /// # Errors
    /// Where nothing of this name waits.
    pub fn unschedule(&mut self, now: Now, message: MessageId, out: &mut Outbox) -> Result<(), Refusal> {
        let Some(_) = self.later.remove(message, out) else {
            return Err(Refusal::Unknown {
                what: "message that waits for its time",
                name: message.to_text(),
            });
        };
        self.later.look(now);
        out.notify(Event::Scheduled { message });
        Ok(())
    }

    /// What is due now, the earliest first; each is gone from here, with the batch at work, or is to come back with
    /// [`State::not_sent`].
    pub fn take_scheduled(&mut self, now: Now, out: &mut Outbox) -> Vec<(Draft, Wall)> {
        if self.later.due.is_none_or(|due| due > now.mono) {
            return Vec::new();
        }
        let is_due = |waiting: &Waiting| waiting.refused.is_none() && waiting.at <= now.wall;
        let due = self.later.waiting.iter().filter(|(_, waiting)| is_due(waiting));
        let mut due: Vec<(Wall, MessageId)> = due.map(|(id, waiting)| (waiting.at, *id)).collect();
        due.sort_unstable();
        let taken = due.into_iter().filter_map(|(at, id)| {
            let Waiting { to, body, .. } = self.later.remove(id, out)?;
            out.notify(Event::Scheduled { message: id });
            Some((Draft { to, body, id: Some(id) }, at))
        });
        let taken = taken.collect();
        self.later.look(now);
        taken
    }

    /// Something could not be sent in its time: it waits for the person, with the reason.
    pub fn not_sent(&mut self, draft: Draft, at: Wall, why: &Refusal, out: &mut Outbox) {
        let Draft { to, body, id: Some(id) } = draft else { return };
        self.later.put(id, Waiting { to, at, refused: Some(why.to_string()), body }, out);
    }

    /// What waits for its time, the earliest first.
    #[must_use]
    pub fn scheduled(&self) -> Vec<ScheduledView> {
        let view = |(id, waiting): (&MessageId, &Waiting)| {
            let words = match &waiting.body {
                Body::Text { text } => text.clone(),
                body => body
                    .post()
                    .map(|post| post.text.clone())
                    .or_else(|| body.poll().map(|poll| poll.question.clone()))
                    .unwrap_or_default(),
            };
            let Waiting { to, at, refused, .. } = waiting.clone();
            ScheduledView { id: *id, to, at, text: words, refused }
        };
        let mut views: Vec<ScheduledView> = self.later.waiting.iter().map(view).collect();
        views.sort_by_key(|view| (view.at, view.id));
        views
    }
}

fn key(id: MessageId) -> Vec<u8> {
    [&[LATER][..], &id.0].concat()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Rig, account};
    use super::*;

    fn rig() -> Rig {
        let mut asha = Rig::new(1);
        asha.befriend_well(2);
        asha
    }

    fn schedule(rig: &mut Rig, text: &str, after_s: u64) -> Result<MessageId, Refusal> {
        let draft = Draft { to: account(2).into(), body: Body::Text { text: text.into() }, id: None };
        rig.step(|s, now, _, out| s.schedule(now, draft, Wall(now.wall.0 + after_s), out))
    }

    fn pass(rig: &mut Rig, seconds: u64) {
        rig.now.mono = rig.now.mono + Duration::from_secs(seconds);
        rig.now.wall.0 += seconds;
    }

    fn due(rig: &mut Rig) -> Vec<Draft> {
        rig.step(|s, now, _, out| s.take_scheduled(now, out)).into_iter().map(|(draft, _)| draft).collect()
    }

    #[test]
    fn a_message_waits_for_its_time_over_a_restart_and_leaves_nothing_behind() {
        let mut asha = rig();
        let id = schedule(&mut asha, "later", 3_600).unwrap();
        pass(&mut asha, 3_599);
        asha.restart();
        assert!(due(&mut asha).is_empty());
        assert_eq!(asha.state.scheduled()[0].text, "later");
        pass(&mut asha, 1);
        let [draft] = <[Draft; 1]>::try_from(due(&mut asha)).unwrap();
        assert_eq!(draft.id, Some(id));
        assert!(asha.state.scheduled().is_empty() && asha.memory.count(Table::Talk) == 0);
        asha.restart();
        assert!(due(&mut asha).is_empty());
    }

    #[test]
    fn what_came_due_while_the_node_was_away_goes_with_the_first_look() {
        let mut asha = rig();
        schedule(&mut asha, "second", 200).unwrap();
        schedule(&mut asha, "first", 100).unwrap();
        pass(&mut asha, 86_400);
        asha.restart();
        let texts = due(&mut asha).into_iter().map(|draft| draft.body);
        let expected = ["first", "second"].map(|text| Body::Text { text: text.into() });
        assert!(texts.eq(expected), "in the order of their times");
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_within_ten_minutes() {
        let mut asha = rig();
        schedule(&mut asha, "later", 86_400).unwrap();
        asha.now.wall.0 += 86_400;
        assert!(due(&mut asha).is_empty());
        asha.now.mono = asha.now.mono + LOOK;
        assert_eq!(due(&mut asha).len(), 1);
    }

    #[test]
    fn what_is_taken_back_or_cannot_be_sent_is_not_lost_and_not_sent() {
        let mut asha = rig();
        let id = schedule(&mut asha, "never", 60).unwrap();
        asha.step(|s, now, _, out| s.unschedule(now, id, out)).unwrap();
        assert!(asha.step(|s, now, _, out| s.unschedule(now, id, out)).is_err());
        schedule(&mut asha, "blocked", 60).unwrap();
        pass(&mut asha, 60);
        let taken = asha.step(|s, now, _, out| s.take_scheduled(now, out));
        let why = Refusal::ContactState { state: "blocked" };
        for (draft, at) in taken {
            asha.step(|s, _, _, out| s.not_sent(draft, at, &why, out));
        }
        asha.restart();
        pass(&mut asha, 86_400);
        assert!(due(&mut asha).is_empty(), "it waits for the person");
        assert_eq!(asha.state.scheduled()[0].refused.as_deref(), Some("the contact is blocked"));
    }

    #[test]
    fn more_than_the_most_and_too_far_ahead_are_refused() {
        let mut asha = rig();
        assert!(schedule(&mut asha, "x", 367 * 86_400).is_err());
        for _ in 0..MAX_SCHEDULED {
            schedule(&mut asha, "x", 60).unwrap();
        }
        assert!(matches!(schedule(&mut asha, "x", 60), Err(Refusal::Full { .. })));
    }
}
