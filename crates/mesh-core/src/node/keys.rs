//! Keys that are owed: who gets them when, and how many at once.

use super::Node;
use crate::carry::Origin;
use crate::id::ConversationId;
use crate::time::Now;
use core::time::Duration;

/// The most envelopes with keys alone that are sealed in one go, so that a group of a thousand does not hold the
/// node up: a first contact costs about a millisecond. The others follow at once, after whatever else has come.
pub const MAX_KEYS_AT_ONCE: usize = 32;
/// What could not be paid for lack of room is tried again after this long.
const NO_ROOM: Duration = Duration::from_secs(60);

impl Node {
    /// Pays the keys that are owed to people who may know that we are here, and to members of groups.
    pub(super) fn pay_keys(&mut self, now: Now) {
        let is_time = self.keys_at.is_some_and(|at| at <= now.mono);
        if !std::mem::take(&mut self.keys_may_be_due) && !is_time {
            return;
        }
        let (mut left, mut refused) = (MAX_KEYS_AT_ONCE, false);
        for to in self.sessions.owes() {
            if to
                .person()
                .is_some_and(|account| !self.chat.may_learn(account) && !self.chat.is_joining(account))
            {
                continue;
            }
            refused |= !self.pay(now, to, &mut left);
        }
        self.keys_at = match (left, refused) {
            (0, _) => Some(now.mono),
            (_, true) => Some(now.mono + NO_ROOM),
            _ => self.sessions.group_keys_due(),
        };
    }

    /// Pays a person one envelope, and a group what is owed to its members, as far as `left` goes. Whether nothing of
    /// a group had to wait for want of room.
    fn pay(&mut self, now: Now, to: ConversationId, left: &mut usize) -> bool {
        while *left > 0 {
            let is_sealed = self.seal_keys(now, to);
            *left -= usize::from(is_sealed);
            if to.person().is_some() || !self.sessions.owes_to(to) {
                return true;
            }
            if !is_sealed {
                return false;
            }
        }
        true
    }

    /// Sends keys alone, where they are owed.
    pub(super) fn seal_keys(&mut self, now: Now, to: ConversationId) -> bool {
        if !self.mesh.has_own_room() {
            return false;
        }
        let Ok(sealed) = self.envelope_for(now, to, self.lifetime, &[]) else { return false };
        // Without room for it the keys are still owed, and go with the next envelope.
        self.mesh.keep(now, sealed.envelope, Origin::Own { to: sealed.to }, &mut self.outbox).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::ratchet::Fake;
    use crate::id::GroupId;
    use crate::node::{Config, Input};
    use crate::store::Memory;
    use crate::time::{Time, Wall};
    use core::mem;

    const MEMBERS: usize = 70;

    fn node(seed: u8) -> (Node, Memory) {
        let (memory, now) = (Memory::default(), Now { mono: Time(5_000), wall: Wall(1_800_000_000) });
        let read = Box::new(memory.clone());
        let node = Node::create_with(Config::default(), Box::new(Fake), [seed; 32], now, "somebody", read);
        (node.unwrap(), memory)
    }

    fn store(node: &mut Node, memory: &Memory) {
        let mut ops = Vec::new();
        while let Some(output) = node.poll_output() {
            if let crate::border::Output::Store(op) = output {
                ops.push(op);
            }
        }
        memory.apply(ops);
    }

    #[test]
    fn the_keys_of_a_large_group_are_paid_some_at_a_time_without_waiting_between() {
        let (mut writer, memory) = node(200);
        let (mut now, group) = (Now { mono: Time(6_000), wall: Wall(1_800_000_001) }, GroupId([7; 20]));
        let mut accounts = std::collections::BTreeSet::new();
        for seed in 0..u8::try_from(MEMBERS).unwrap() {
            let (member, _) = node(seed);
            let intro = member.identity.intro();
            writer.sessions.learn_member(now, intro, &mut writer.outbox).unwrap();
            accounts.insert(intro.account_id());
        }
        writer.sessions.set_audience(now, group, &accounts, &mut writer.outbox);
        store(&mut writer, &memory);
        let sealed = writer.envelope_for(now, group.into(), writer.lifetime, &[b"hello".to_vec()]).unwrap();
        assert!(sealed.to.is_none());
        store(&mut writer, &memory);
        writer.keys_may_be_due = true;
        let mut paid = Vec::new();
        while mem::take(&mut writer.keys_may_be_due) || writer.keys_at.is_some_and(|at| at <= now.mono) {
            writer.keys_may_be_due = true;
            let before = writer.mesh.load().count;
            writer.handle(now, Input::Tick);
            store(&mut writer, &memory);
            paid.push(writer.mesh.load().count - before);
            now.mono = now.mono + Duration::from_millis(1);
        }
        assert_eq!(paid, [MAX_KEYS_AT_ONCE, MAX_KEYS_AT_ONCE, MEMBERS - 2 * MAX_KEYS_AT_ONCE]);
        let again = writer.keys_at.map(|at| at.since(now.mono).as_secs() / 86_400);
        assert_eq!(again, Some(13), "whoever did not receipt it gets it again with what is written then");
    }
}
