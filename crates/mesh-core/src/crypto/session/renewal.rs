//! What is written to a person: in which session, which way it goes, and when a session is renewed.

use super::Sessions;
use super::chain::Link;
use super::outbound::NONE;
use super::records::{self, Sid};
use super::state::{Conversation, Live, Member, Origin, Outbound, session_name};
use crate::id::{AccountId, DeviceId};
use crate::outbox::Outbox;
use crate::time::Time;

/// A session that was answered is renewed after this long, in seconds: 10 minutes.
const ROUND_TRIP_S: u64 = 600;
/// Any session is renewed after this long, in seconds: 7 days.
pub(super) const RENEW_S: u64 = 7 * 86_400;

/// How the next envelope reaches an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// On the session's own chain, without keys.
    Own,
    /// With a share to a device, on the chain of the session before.
    Carrier(DeviceId, Sid),
    /// With a share to a device, on a control chain.
    Control(DeviceId, usize),
    /// As a first contact.
    First(DeviceId),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) renew: bool,
    pub(super) shrunk: bool,
    pub(super) way: Way,
}

impl Sessions {
    /// The device that should get a keys-only envelope now; only where an account has several devices,
    /// otherwise the next content brings them.
    pub(super) fn lacking(&self, conversation: &Conversation) -> Option<DeviceId> {
        let current = self.outbound.get(&conversation.current?)?;
        if conversation.devices.len() < 2 {
            return None;
        }
        conversation.devices.iter().find(|device| is_share_due(current, **device, self.now)).copied()
    }

    pub(super) fn plan(&self, to: AccountId, keys_only: bool) -> Option<Plan> {
        let conversation = self.conversations.get(&to)?;
        let current = conversation.current.and_then(|sid| self.outbound.get(&sid));
        let counts = |member: &Member| conversation.devices.contains(&member.device);
        let shrunk = current.is_some_and(|(outbound, _)| !outbound.members.iter().all(counts));
        let renew = shrunk || current.is_none_or(|current| self.is_renewal_due(conversation, current));
        let kept = current.filter(|_| !renew);
        let owed = conversation.devices.iter().find(|d| self.peers.get(d).is_some_and(|peer| peer.owed));
        let way = match (&conversation.devices[..], owed) {
            ([], _) => return None,
            ([device], Some(_)) => Way::First(*device),
            (_, Some(device)) if keys_only => Way::First(*device),
            ([device], None) => {
                let due = kept.is_none_or(|current| is_share_due(current, *device, self.now));
                if due || keys_only { self.way_to(conversation, *device, renew, shrunk) } else { Way::Own }
            }
            (devices, _) if keys_only => {
                let device = self.lacking(conversation).or_else(|| devices.first().copied())?;
                self.way_to(conversation, device, true, true)
            }
            _ => Way::Own,
        };
        Some(Plan { renew, shrunk, way })
    }

    fn way_to(&self, conversation: &Conversation, device: DeviceId, renew: bool, shrunk: bool) -> Way {
        let carrier = if renew { conversation.current.filter(|_| !shrunk) } else { conversation.carrier };
        // Shares that nobody receipts must not run past the reader's look-ahead.
        let reaches = |(outbound, live): &(Outbound, Live)| outbound.is_known() && !live.is_lagging();
        if let Some(sid) = carrier.filter(|sid| self.outbound.get(sid).is_some_and(reaches)) {
            return Way::Carrier(device, sid);
        }
        match self.peers.get(&device).and_then(|peer| peer.control()) {
            Some(at) => Way::Control(device, at),
            None => Way::First(device),
        }
    }

    fn is_renewal_due(&self, conversation: &Conversation, (outbound, live): &(Outbound, Live)) -> bool {
        let grown = |device: &DeviceId| outbound.member(*device).is_none();
        if !outbound.is_known() || live.is_lagging() {
            return false;
        }
        let since = |then: u64| self.now_s.saturating_sub(then);
        let first_secret = |member: &Member| {
            let newest = self.peers.get(&member.device).map_or((NONE, NONE), |peer| peer.kem);
            (member.kem.0 == NONE && newest.0 != NONE) || (member.kem.1 == NONE && newest.1 != NONE)
        };
        since(outbound.created_s) >= RENEW_S
            || outbound.round_trip_s.is_some_and(|then| since(then) >= ROUND_TRIP_S)
            || conversation.devices.iter().any(grown)
            || outbound.members.iter().any(first_secret)
    }

    /// A new session for everybody who counts; the one before carries its shares, unless somebody who
    /// must not read on knows its chain.
    pub(super) fn begin_session(&mut self, to: AccountId, shrunk: bool, out: &mut Outbox) {
        let writer = self.ratchet.megolm_new(&mut self.rng);
        let (export, link) = (writer.export(), Link::new(self.rng.bytes()));
        let sid = session_name(&export);
        let Some(conversation) = self.conversations.get_mut(&to) else { return };
        let member = |device: &DeviceId| Member {
            device: *device,
            known: false,
            due: 0,
            lapses: Time(0),
            kem: (NONE, NONE),
        };
        let outbound = Outbound {
            account: to,
            members: conversation.devices.iter().map(member).collect(),
            origin: Some(Origin::new(&export, &link)),
            created_s: self.now_s,
            round_trip_s: None,
        };
        let before = conversation.current.replace(sid);
        let superfluous = if shrunk { before } else { conversation.carrier };
        let carrier = before.filter(|_| !shrunk);
        let also = conversation.carrier.filter(|_| shrunk);
        conversation.carrier = carrier;
        let live = Live { writer: Some(writer), link, index: 0, sent: 0, acked: 0 };
        self.records.put(out, records::outbound(sid), &outbound);
        self.records.put(out, records::hot(sid), &live.to_record());
        self.outbound.insert(sid, (outbound, live));
        for sid in [also, superfluous].into_iter().flatten() {
            self.finish(to, sid, out);
        }
        if let Some(carrier) = carrier {
            self.retire(carrier, out);
        }
        self.put_conversation(to, out);
    }

    /// A session that only carries shares from now on: its Megolm state goes.
    fn retire(&mut self, sid: Sid, out: &mut Outbox) {
        let Some((_, live)) = self.outbound.get_mut(&sid) else { return };
        live.writer = None;
        self.records.put(out, records::hot(sid), &live.to_record());
    }

    pub(super) fn end_carrier(&mut self, account: AccountId, current: Sid, out: &mut Outbox) {
        let Some(conversation) = self.conversations.get_mut(&account) else { return };
        if conversation.current != Some(current) {
            return;
        }
        let Some(carrier) = conversation.carrier.take() else { return };
        self.finish(account, carrier, out);
        self.put_conversation(account, out);
    }

    /// Removes a session, to tell with the next share that nothing follows.
    fn finish(&mut self, account: AccountId, sid: Sid, out: &mut Outbox) {
        let Some(live) = self.remove_outbound(sid, out) else { return };
        if let Some(conversation) = self.conversations.get_mut(&account) {
            let name = core::array::from_fn(|i| sid[i]);
            conversation.ended = Some((name, live.index));
        }
    }

    pub(super) fn remove_outbound(&mut self, sid: Sid, out: &mut Outbox) -> Option<Live> {
        let (_, live) = self.outbound.remove(&sid)?;
        self.records.delete(out, records::outbound(sid));
        self.records.delete(out, records::hot(sid));
        self.drop_pending(sid, None, |_| true, out);
        Some(live)
    }

    fn put_conversation(&mut self, account: AccountId, out: &mut Outbox) {
        if let Some(conversation) = self.conversations.get(&account) {
            self.records.put(out, records::conversation(account), conversation);
        }
    }
}

/// Whether a device must get the share of this session with the next envelope.
fn is_share_due((outbound, live): &(Outbound, Live), device: DeviceId, now: Time) -> bool {
    let Some(member) = outbound.member(device) else { return true };
    // Only an envelope for one device is receipted: with more of them nothing can be seen to lag.
    let is_lagging = outbound.members.len() == 1 && live.is_lagging();
    (!member.known || is_lagging) && (live.sent >= member.due || now >= member.lapses)
}
