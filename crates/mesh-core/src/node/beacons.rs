//! Beacons that are shown: one line per event, the highest number wins (PROTOCOL.md section 10).

use super::Node;
use crate::border::{BeaconKind, Event, Refusal, Reply};
use crate::carry::Origin;
use crate::crypto::beacon::{Beacon, BeaconKey, contact_hint};
use crate::crypto::name::clean_line;
use crate::id::{AccountId, EnvelopeId};
use crate::outbox::Outbox;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time, Wall};
use crate::view::BeaconView;
use crate::wire::beacon::{BeaconContent, BeaconError, CALL_HOPS, MAX_BEACON_TEXT, Position};
use crate::wire::{Lifetime, codec};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Events that are shown at a time; one more hides the one that ends first, strangers' before contacts' and
/// never an own one.
pub const MAX_SHOWN: usize = 1_000;
/// Own events that live at a time.
pub const MAX_OWN: usize = 8;
/// A call for help is said again this long before it would end, with the time of then.
const REPEAT_BEFORE_END: Duration = Duration::from_secs(6 * 3_600);
/// How often: for 14 days, if nobody takes it back.
const MAX_REPEATS: u16 = 56;
/// Where saying it again failed, it is tried again after this long.
const REPEAT_LATER: Duration = Duration::from_secs(600);
/// What is no call for help begins with 60 to 63 hops, at random so that they do not tell where it was first said.
const FIRST_HOPS: (u8, u8) = (60, 4);
/// An unknown battery, see [`BeaconContent::battery`].
const UNKNOWN_BATTERY: u8 = 255;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    bytes: Vec<u8>,
    ends: Time,
    own: bool,
    contact: Option<AccountId>,
}

#[derive(Clone, Debug)]
struct Shown {
    beacon: Beacon,
    ends: Time,
    own: bool,
    contact: Option<AccountId>,
    /// When saying it again last failed, and is tried next.
    retry: Option<Time>,
}

impl Shown {
    /// When it is said again; `None` for all but own calls for help that were not taken back.
    fn repeat_at(&self) -> Option<Time> {
        let content = self.beacon.content();
        let is_call = self.own && content.kind() == Some(BeaconKind::Sos) && content.seq <= MAX_REPEATS;
        let before_end = u64::try_from(REPEAT_BEFORE_END.as_millis()).unwrap_or(u64::MAX);
        let due = Time(self.ends.0.saturating_sub(before_end));
        is_call.then(|| self.retry.map_or(due, |retry| retry.max(due)))
    }
}

/// The events that live.
#[derive(Debug, Default)]
pub(super) struct Beacons {
    shown: BTreeMap<[u8; 8], Shown>,
}

impl Beacons {
    /// What storage holds.
    pub(super) fn restore(read: &dyn Read) -> Result<Self, ReadError> {
        let mut beacons = Self::default();
        read.scan(Table::Beacon, &mut |_, value| {
            let Ok(Stored { bytes, ends, own, contact }) = codec::decode(value) else { return };
            let Ok(beacon) = Beacon::from_bytes(&bytes) else { return };
            beacons.shown.insert(beacon.event(), Shown { beacon, ends, own, contact, retry: None });
        })?;
        Ok(beacons)
    }

    /// The id of the beacon that `beacon` replaces; `Err` where it replaces nothing and says nothing new.
    fn replaced(&self, beacon: &Beacon) -> Result<Option<EnvelopeId>, ()> {
        match self.shown.get(&beacon.event()) {
            None => Ok(None),
            Some(known) if beacon.replaces(&known.beacon) => Ok(Some(known.beacon.id())),
            Some(_) => Err(()),
        }
    }

    fn show(&mut self, shown: Shown, out: &mut Outbox) -> BeaconView {
        let event = shown.beacon.event();
        let bytes = shown.beacon.to_bytes();
        let stored = Stored { bytes, ends: shown.ends, own: shown.own, contact: shown.contact };
        out.put(Table::Beacon, event, codec::encode(&stored));
        let view = view(&shown);
        self.shown.insert(event, shown);
        self.make_room(event, out);
        view
    }

    fn make_room(&mut self, newest: [u8; 8], out: &mut Outbox) {
        if self.shown.len() <= MAX_SHOWN {
            return;
        }
        let others = self.shown.iter().filter(|(event, s)| !s.own && **event != newest);
        // Strangers can make any number of events that end late: they displace one another.
        let first = others.min_by_key(|(_, s)| (s.contact.is_some(), s.ends)).map(|(event, _)| *event);
        let Some(first) = first else { return };
        self.shown.remove(&first);
        out.delete(Table::Beacon, first);
    }

    /// Ends what has lived its time.
    pub(super) fn tick(&mut self, now: Now, out: &mut Outbox) {
        self.shown.retain(|event, shown| {
            let lives = shown.ends > now.mono;
            if !lives {
                out.delete(Table::Beacon, *event);
                if shown.own {
                    out.delete(Table::Session, key_record(*event));
                }
            }
            lives
        });
    }

    /// When the next event ends or is said again.
    pub(super) fn next_wakeup(&self) -> Option<Time> {
        let times = self.shown.values().flat_map(|s| [Some(s.ends), s.repeat_at()]);
        times.flatten().min()
    }

    /// The own calls for help that are to be said again now; each is tried again later unless it succeeds.
    fn take_repeats(&mut self, now: Now) -> Vec<Beacon> {
        let due = self
            .shown
            .values_mut()
            .filter(|s| s.ends > now.mono && s.repeat_at().is_some_and(|at| at <= now.mono));
        due.map(|shown| {
            shown.retry = Some(now.mono + REPEAT_LATER);
            shown.beacon.clone()
        })
        .collect()
    }

    /// The events that live, newest first.
    pub(super) fn views(&self, now: Now) -> Vec<BeaconView> {
        let live = self.shown.values().filter(|s| s.ends > now.mono && s.beacon.content().kind().is_some());
        let mut views: Vec<_> = live.map(view).collect();
        views.sort_by(|a, b| (b.sent_at, &b.id).cmp(&(a.sent_at, &a.id)));
        views
    }

    fn own_count(&self) -> usize {
        self.shown.values().filter(|s| s.own && !s.beacon.is_cancel()).count()
    }
}

fn view(shown: &Shown) -> BeaconView {
    let content = shown.beacon.content();
    BeaconView {
        id: shown.beacon.event_text(),
        kind: content.kind().unwrap_or(BeaconKind::Cancel),
        text: clean_line(&content.text, MAX_BEACON_TEXT),
        position: content.position.map(|p| (p.lat, p.lon)),
        sent_at: Wall(u64::from(content.minute) * 60),
        cancelled: shown.beacon.is_cancel(),
        own: shown.own,
        contact: shown.contact,
    }
}

/// Where the key of an own event is kept: in the table whose deleted records are destroyed.
fn key_record(event: [u8; 8]) -> Vec<u8> {
    [&b"beacon/"[..], &event].concat()
}

impl Node {
    /// Publishes a beacon under a key made for it.
    pub(super) fn beacon(
        &mut self,
        now: Now,
        kind: BeaconKind,
        text: &str,
        position: Option<(i32, i32)>,
    ) -> Result<Reply, Refusal> {
        if text.len() > MAX_BEACON_TEXT {
            return Err(Refusal::Length {
                what: "beacon text",
                min: 0,
                max: MAX_BEACON_TEXT,
                got: text.len(),
            });
        }
        if self.beacons.own_count() >= MAX_OWN {
            return Err(Refusal::Full { what: "beacons", limit: MAX_OWN });
        }
        let key = BeaconKey::generate(&mut self.rng);
        let content = BeaconContent {
            what: kind as u8,
            seq: 1,
            minute: minute(now),
            lifetime: Lifetime::HalfDay,
            position: position.map(|(lat, lon)| Position { lat, lon }),
            accuracy: 0,
            battery: UNKNOWN_BATTERY,
            people: 0,
            hint: contact_hint(&self.chat.profile().profile_key, &key.public()),
            text: text.to_owned(),
        };
        self.publish(now, &key, &content).map(Reply::Beacon)
    }

    /// Takes an own beacon back: everybody who shows it learns that it is over.
    pub(super) fn beacon_cancel(&mut self, now: Now, id: &str) -> Result<Reply, Refusal> {
        let unknown = || Refusal::Unknown { what: "beacon of yours", name: id.to_owned() };
        let mut own = self.beacons.shown.values().filter(|s| s.own);
        let shown = own.find(|s| s.beacon.event_text() == id).ok_or_else(unknown)?;
        if shown.beacon.is_cancel() {
            return Ok(Reply::Beacon(view(shown)));
        }
        let beacon = shown.beacon.clone();
        let key = self.beacon_key(&beacon)?.ok_or_else(unknown)?;
        let (what, text) = (BeaconKind::Cancel as u8, String::new());
        let content = BeaconContent { what, text, ..next_of(now, &beacon) };
        self.publish(now, &key, &content).map(Reply::Beacon)
    }

    /// Says own calls for help again, so that they do not end before they are taken back.
    pub(super) fn repeat_beacons(&mut self, now: Now) -> Result<(), ReadError> {
        for beacon in self.beacons.take_repeats(now) {
            let Some(key) = self.beacon_key(&beacon)? else { continue };
            // Without room for it now it is tried again later.
            let _refused = self.publish(now, &key, &next_of(now, &beacon));
        }
        Ok(())
    }

    /// The key of an own event, while the event lives.
    fn beacon_key(&self, beacon: &Beacon) -> Result<Option<BeaconKey>, ReadError> {
        let stored = self.read.load(Table::Session, &key_record(beacon.event()))?;
        let seed: Option<[u8; 32]> = stored.and_then(|seed| seed.try_into().ok());
        Ok(seed.map(|seed| BeaconKey::from_seed(&seed)))
    }

    fn publish(&mut self, now: Now, key: &BeaconKey, content: &BeaconContent) -> Result<BeaconView, Refusal> {
        let [random] = self.rng.bytes();
        let is_call = content.what == BeaconKind::Sos as u8;
        let hops = if is_call { CALL_HOPS } else { FIRST_HOPS.0 + random % FIRST_HOPS.1 };
        let refused = |error: BeaconError| Refusal::Beacon { reason: error.to_string() };
        let beacon = key.sign(content, hops).map_err(refused)?;
        let replaces = self.beacons.replaced(&beacon).unwrap_or(None);
        let (out, bytes) = (&mut self.outbox, beacon.to_bytes());
        let (span, origin) = (content.lifetime.span(), Origin::Own { to: None });
        let kept = self.mesh.keep_public(now, &bytes, span, origin, replaces, out);
        kept.map_err(|why| Refusal::Beacon { reason: why.to_string() })?;
        out.put(Table::Session, key_record(beacon.event()), *key.seed());
        let view = self
            .beacons
            .show(Shown { beacon, ends: now.mono + span, own: true, contact: None, retry: None }, out);
        out.notify(Event::Beacon(view.clone()));
        Ok(view)
    }

    /// Takes in a beacon that a neighbour brought: verified before it is shown or passed on.
    pub(super) fn take_beacon(&mut self, now: Now, beacon: Beacon, bytes: &[u8], origin: Origin) {
        let span = beacon.content().lifetime.span();
        let Ok(replaces) = self.beacons.replaced(&beacon) else {
            return self.take_nothing_new(now, &beacon, bytes, origin);
        };
        if self.mesh.keep_public(now, bytes, span, origin, replaces, &mut self.outbox).is_err() {
            return;
        }
        let ends = now.mono + span.saturating_sub(Duration::from_secs(beacon.age_s.into()));
        let event = beacon.event();
        let own = self.beacons.shown.get(&event).is_some_and(|s| s.own);
        let contact = self.chat.by_profile_key(|key| beacon.is_hinted(key));
        let view = self.beacons.show(Shown { beacon, ends, own, contact, retry: None }, &mut self.outbox);
        self.outbox.notify(Event::Beacon(view));
    }

    /// A beacon that is shown but had to leave the bag is carried again; one that was superseded is not.
    fn take_nothing_new(&mut self, now: Now, beacon: &Beacon, bytes: &[u8], origin: Origin) {
        let (span, out) = (beacon.content().lifetime.span(), &mut self.outbox);
        let shown = self.beacons.shown.get(&beacon.event());
        if shown.is_some_and(|shown| shown.beacon.id() == beacon.id()) {
            // Without room it is left to others.
            let _refused = self.mesh.keep_public(now, bytes, span, origin, None, out);
        } else if let Origin::Link { link, .. } = origin {
            self.mesh.superseded(now, link, beacon.id(), span, out);
        }
    }
}

/// The same event's next beacon, saying the same.
fn next_of(now: Now, beacon: &Beacon) -> BeaconContent {
    let known = beacon.content().clone();
    BeaconContent { seq: known.seq.saturating_add(1), minute: minute(now), ..known }
}

fn minute(now: Now) -> u32 {
    u32::try_from(now.wall.0 / 60).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn event(rng: &mut Rng, ends: u64, own: bool) -> Shown {
        event_of(rng, ends, own, None)
    }

    fn event_of(rng: &mut Rng, ends: u64, own: bool, contact: Option<AccountId>) -> Shown {
        let key = BeaconKey::generate(rng);
        let content = BeaconContent {
            what: BeaconKind::Sos as u8,
            seq: 1,
            minute: 0,
            lifetime: Lifetime::HalfDay,
            position: None,
            accuracy: 0,
            battery: UNKNOWN_BATTERY,
            people: 0,
            hint: [0; 8],
            text: String::new(),
        };
        Shown { beacon: key.sign(&content, 12).unwrap(), ends: Time(ends), own, contact, retry: None }
    }

    #[test]
    fn beyond_the_most_the_event_that_ends_first_is_hidden_but_never_an_own_one() {
        let (mut rng, mut beacons, mut out) = (Rng::new([1; 32]), Beacons::default(), Outbox::default());
        let own = beacons.show(event(&mut rng, 1, true), &mut out);
        let first = beacons.show(event(&mut rng, 2, false), &mut out);
        for n in 0..u64::try_from(MAX_SHOWN).unwrap() {
            beacons.show(event(&mut rng, 10 + n, false), &mut out);
        }
        assert_eq!(beacons.shown.len(), MAX_SHOWN);
        let ids: Vec<_> = beacons.shown.values().map(|s| s.beacon.event_text()).collect();
        assert!(ids.contains(&own.id) && !ids.contains(&first.id));
    }

    #[test]
    fn strangers_events_that_end_late_do_not_hide_a_contacts() {
        let (mut rng, mut beacons, mut out) = (Rng::new([1; 32]), Beacons::default(), Outbox::default());
        let friend = beacons.show(event_of(&mut rng, 5, false, Some(AccountId([7; 20]))), &mut out);
        for n in 0..=u64::try_from(MAX_SHOWN).unwrap() {
            beacons.show(event(&mut rng, 10 + n, false), &mut out);
        }
        assert_eq!(beacons.shown.len(), MAX_SHOWN);
        assert!(beacons.shown.values().any(|s| s.beacon.event_text() == friend.id));
    }
}
