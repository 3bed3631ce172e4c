//! One neighbour: hello, contact recognition, heartbeat, order of frames (PROTOCOL.md section 4).
//!
//! [`State`] knows every live link. Frames that matter at once leave through [`State::send`]; envelopes wait
//! in a bounded queue of names per link until the pipe grants credit, so that an urgent frame never stands
//! behind more than the pipe holds. What a neighbour does wrong lowers its score, and never more than that.

mod handover;
mod paced;
mod places;
mod queue;
mod recognition;
#[cfg(test)]
mod tests;

pub use crate::wire::frame::MAX_FRAME;
pub use queue::{Place, Priority};
pub use recognition::Secret;

use crate::border::{CloseReason, Lane, Medium, Profile, Role};
use crate::id::{AccountId, LinkId, ShortId};
use crate::outbox::Outbox;
use crate::rng::Rng;
use crate::time::{Now, Time};
use crate::view::PeerView;
use crate::wire::frame::{Frame, FrameError, Hello, Root, Token};
use core::ops::RangeInclusive;
use core::time::Duration;
use handover::Leaving;
use paced::Paced;
use queue::Queue;
use std::collections::{BTreeMap, VecDeque};

/// The link versions that this code speaks.
pub const VERSIONS: RangeInclusive<u8> = 1..=1;

/// The limits of the links.
#[derive(Clone, Debug)]
pub struct Config {
    /// The link versions that are spoken. Default [`VERSIONS`].
    pub versions: RangeInclusive<u8>,
    /// Links at the same time that have greeted; a contact takes the place of a stranger. Default 64.
    pub links: usize,
    /// How many of them strangers may have: the rest is kept for contacts. Default 48.
    pub strangers: usize,
    /// Links beside these that have not greeted yet; a further one takes the place of the slowest. Default 32.
    pub greeting: usize,
    /// A neighbour is asked for a sign of life when nothing answered what was sent for this long.
    /// Default 2 s; four times that on links below 200 kB/s.
    pub ask_after: Duration,
    /// A link is closed when nothing answered for this long; also when no hello came. Default 6 s; four times
    /// that on links below 200 kB/s.
    pub silent_after: Duration,
    /// An idle link beats this often. Default 60 s.
    pub beat_every: Duration,
    /// Names that wait for credit on one link. Default 4,096.
    pub queue: usize,
    /// The score at which a link is closed. Default 12; it falls by one every 10 s.
    pub faults: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            versions: VERSIONS,
            links: 64,
            strangers: 48,
            greeting: 32,
            ask_after: Duration::from_secs(2),
            silent_after: Duration::from_secs(6),
            beat_every: Duration::from_secs(60),
            queue: 4_096,
            faults: 12,
        }
    }
}

/// Links below so many bytes per second are slow ...
const SLOW: u32 = 200_000;
/// ... and are waited for so many times as long.
const SLOW_PATIENCE: u32 = 4;
/// How long a fault weighs.
const FAULT_DECAY: Duration = Duration::from_secs(10);
/// The listener beats this much later than the dialer, whose beat then serves both.
const LISTENER_LAG: Duration = Duration::from_secs(5);

/// What a frame was, for the layers above.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Nothing for them.
    Nothing,
    /// The hello: the link is ready.
    Ready,
    /// The neighbour proved to be another contact than was known before, or none any more.
    Recognised(Option<AccountId>),
    /// A frame of a ready link.
    Frame(Frame),
}

/// What happened on a link by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was closed here.
    Closed(LinkId),
    /// The neighbour did something wrong.
    Fault(LinkId, &'static str),
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames before a hello.
    pub unauth_frames: u64,
    /// Frames of types that a newer version defines.
    pub newer_frames: u64,
    /// Frames that were no frames, and all else that lowered a score.
    pub faults: u64,
    /// Names that left a full queue.
    pub dropped: u64,
}

#[derive(Debug)]
struct Link {
    role: Role,
    binding: [u8; 32],
    profile: Profile,
    since: Time,
    nonce: [u8; 16],
    /// The instance that this node showed on it.
    shown: [u8; 16],
    their: Option<Their>,
    contact: Option<AccountId>,
    queue: Queue,
    /// What waits for credit before envelopes, where the link is slow.
    paced: Paced,
    credit: i64,
    /// The most credit that there ever was: with so much nothing is on its way.
    window: i64,
    heard: Time,
    owed: Option<Time>,
    asked: Option<Time>,
    next_beat: Time,
    rtt: Option<Duration>,
    faults: u32,
    faults_since: Time,
    /// The first of the links that showed the same instance one after another; it may be gone.
    first: LinkId,
    /// A younger link that shows the same instance: it goes once this one answers.
    rival: Option<LinkId>,
    /// It ends, since a faster link to the same neighbour stands.
    leaving: Option<Leaving>,
}

#[derive(Debug)]
struct Their {
    instance: [u8; 16],
    nonce: [u8; 16],
    tokens: Vec<Token>,
}

/// All live links.
#[derive(Debug)]
pub struct State {
    config: Config,
    rng: Rng,
    instance: [u8; 16],
    secrets: Vec<(AccountId, Secret)>,
    links: BTreeMap<LinkId, Link>,
    events: VecDeque<Event>,
    counters: Counters,
}

impl State {
    /// No links yet.
    #[must_use]
    pub fn new(config: Config, mut rng: Rng) -> Self {
        Self {
            config,
            instance: rng.bytes(),
            rng,
            secrets: Vec::new(),
            links: BTreeMap::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// A pipe stands: the hello goes out.
    pub fn up(
        &mut self,
        now: Now,
        link: LinkId,
        role: Role,
        binding: [u8; 32],
        profile: Profile,
        out: &mut Outbox,
    ) {
        if let Some(slowest) = self.slowest() {
            self.close(slowest, CloseReason::TooMany, out);
        }
        if self.links.is_empty() {
            self.rotated();
        }
        let nonce = self.rng.bytes();
        let tokens = recognition::tokens(&self.secrets, role, &binding, &nonce, &mut self.rng);
        let (min, max) = self.config.versions.clone().into_inner();
        let hello = Hello { min, max, capabilities: 0, instance: self.instance, nonce, tokens };
        out.send(link, Lane::Control, Frame::Hello(hello).to_bytes());
        let live = Link::new(now.mono, role, binding, profile, nonce, self.instance);
        self.links.insert(link, Link { first: link, ..live });
    }

    /// A transport begins under another identity: links that stand keep the instance that they showed, those to come
    /// show another, which does not say that both identities are of one node.
    pub fn rotated(&mut self) {
        self.instance = self.rng.bytes();
    }

    /// The pipe is gone. `false` where it was not known.
    pub fn down(&mut self, link: LinkId) -> bool {
        self.forget_faster(link);
        self.links.remove(&link).is_some()
    }

    /// The pipe takes `credit` more bytes.
    pub fn credit(&mut self, link: LinkId, credit: u32) {
        if let Some(link) = self.links.get_mut(&link) {
            link.credit = link.credit.saturating_add(i64::from(credit));
            link.window = link.window.max(link.credit);
        }
    }

    /// The recognition secrets changed: every ready link is told, and looked at again. Returns who is recognised
    /// now, or not any more, by what they had sent before.
    pub fn set_secrets(
        &mut self,
        now: Now,
        secrets: Vec<(AccountId, Secret)>,
        out: &mut Outbox,
    ) -> Vec<(LinkId, Option<AccountId>)> {
        if self.secrets == secrets {
            return Vec::new();
        }
        self.secrets = secrets;
        let mut recognised = Vec::new();
        for (id, link) in &mut self.links {
            if link.their.is_none() {
                continue;
            }
            let tokens =
                recognition::tokens(&self.secrets, link.role, &link.binding, &link.nonce, &mut self.rng);
            link.transmit(now.mono, *id, &Frame::Tokens(tokens), out);
            recognised.extend(link.recognise(&self.secrets).map(|contact| (*id, contact)));
        }
        recognised
    }

    /// Takes in a frame. `root` is asked for when a sign of life is wanted back.
    pub fn receive(
        &mut self,
        now: Now,
        link: LinkId,
        bytes: &[u8],
        root: impl FnOnce() -> Root,
        out: &mut Outbox,
    ) -> Received {
        let Some(live) = self.links.get_mut(&link) else { return Received::Nothing };
        live.heard = now.mono;
        live.owed = None;
        if live.their.is_none() {
            return self.greet(now, link, bytes, root, out);
        }
        match Frame::from_bytes(bytes) {
            Ok(frame) => self.dispatch(now, link, frame, root, out),
            Err(FrameError::Unknown { .. }) => {
                self.counters.newer_frames += 1;
                Received::Nothing
            }
            Err(_) => self.fault(now, link, "a malformed frame", 3, out),
        }
    }

    /// Transmits a frame at once. Nothing happens on a link that is not ready.
    pub fn send(&mut self, now: Now, link: LinkId, frame: &Frame, out: &mut Outbox) {
        if let Some(live) = self.links.get_mut(&link).filter(|live| live.their.is_some()) {
            live.transmit(now.mono, link, frame, out);
        }
    }

    /// Transmits a frame, at once where that is urgent or the link is fast; on a slow link names, receipts and
    /// comparisons of sets wait for credit.
    pub fn say(&mut self, now: Now, link: LinkId, frame: Frame, out: &mut Outbox) {
        let Some(live) = self.links.get_mut(&link).filter(|live| live.their.is_some()) else { return };
        if !live.is_slow() || !Paced::takes(&frame) {
            return live.transmit(now.mono, link, &frame, out);
        }
        live.owed.get_or_insert(now.mono);
        if !live.paced.push(frame) {
            self.counters.dropped += 1;
        }
    }

    /// Whether a link carries less than 200 kB/s.
    #[must_use]
    pub fn is_slow(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(Link::is_slow)
    }

    /// Whether something waits for credit on a link.
    #[must_use]
    pub fn is_loaded(&self, link: LinkId) -> bool {
        self.links.get(&link).is_some_and(|live| live.queue.len() > 0 || !live.paced.is_empty())
    }

    /// Puts an envelope's name in line; its bytes are asked for by [`State::next_due`] when the pipe has
    /// room.
    pub fn queue(&mut self, now: Now, link: LinkId, place: Place, id: ShortId) {
        let Some(live) = self.links.get_mut(&link).filter(|live| live.their.is_some()) else { return };
        live.owed.get_or_insert(now.mono);
        if !live.queue.push(place, id, self.config.queue) {
            self.counters.dropped += 1;
        }
    }

    /// The neighbour has it from elsewhere: it does not wait any more.
    pub fn unqueue(&mut self, link: LinkId, id: ShortId) {
        if let Some(live) = self.links.get_mut(&link) {
            live.queue.remove(id);
        }
    }

    /// The next name that a link has credit for, or that needs none: answer with [`State::send_bulk`], with
    /// [`State::send`] for a public thing, or not at all where it is no longer held. What else waited for credit is
    /// transmitted on the way.
    pub fn next_due(&mut self, out: &mut Outbox) -> Option<(LinkId, ShortId)> {
        // Slow links share one radio: what stands before an urgent frame on one of them stands before it on all.
        let slow = self.links.values().filter(|live| live.is_slow()).count();
        let sharing = i64::try_from(slow.max(1)).unwrap_or(i64::MAX);
        self.links.iter_mut().find_map(|(id, live)| Some((*id, live.next_due(*id, sharing, out)?)))
    }

    /// Transmits an envelope on the bulk lane, against credit.
    pub fn send_bulk(&mut self, now: Now, link: LinkId, frame: Vec<u8>, out: &mut Outbox) {
        let Some(live) = self.links.get_mut(&link) else { return };
        live.credit -= i64::try_from(frame.len()).unwrap_or(i64::MAX);
        live.owed.get_or_insert(now.mono);
        out.send(link, Lane::Bulk, frame);
    }

    /// The neighbour did something wrong, worth `weight`; too much of it closes the link.
    pub fn fault(
        &mut self,
        now: Now,
        link: LinkId,
        what: &'static str,
        weight: u32,
        out: &mut Outbox,
    ) -> Received {
        let Some(live) = self.links.get_mut(&link) else { return Received::Nothing };
        self.counters.faults += 1;
        self.events.push_back(Event::Fault(link, what));
        let decayed = now.mono.since(live.faults_since).as_millis() / FAULT_DECAY.as_millis();
        live.faults = live.faults.saturating_sub(u32::try_from(decayed).unwrap_or(u32::MAX)) + weight;
        live.faults_since = now.mono;
        if live.faults >= self.config.faults {
            self.close(link, CloseReason::Faults, out);
        }
        Received::Nothing
    }

    /// Beats, asks and closes what is due.
    pub fn tick(&mut self, now: Now, root: impl Fn() -> Root, out: &mut Outbox) {
        let due: Vec<LinkId> = self
            .links
            .iter()
            .filter(|(_, live)| live.wakeup(&self.config) <= now.mono)
            .map(|(link, _)| *link)
            .collect();
        for link in due {
            self.tick_link(now, link, &root, out);
        }
    }

    /// When [`State::tick`] has something to do.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<Time> {
        self.links.values().map(|live| live.wakeup(&self.config)).min()
    }

    /// What happened, until `None`.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Who is at the other end, where both ends proved to know each other.
    #[must_use]
    pub fn contact(&self, link: LinkId) -> Option<AccountId> {
        self.links.get(&link)?.contact
    }

    /// Everybody whom a ready link proved to be at its other end.
    pub fn contacts(&self) -> impl Iterator<Item = AccountId> {
        self.links.values().filter_map(|live| live.contact)
    }

    /// Who opened the link, once it is ready.
    #[must_use]
    pub fn role(&self, link: LinkId) -> Option<Role> {
        self.links.get(&link).filter(|live| live.their.is_some()).map(|live| live.role)
    }

    /// What kind of pipe it is.
    #[must_use]
    pub fn profile(&self, link: LinkId) -> Option<Profile> {
        Some(self.links.get(&link)?.profile)
    }

    /// How many links are ready.
    #[must_use]
    pub fn ready_count(&self) -> usize {
        self.links.values().filter(|live| live.their.is_some()).count()
    }

    /// How many links there are over a medium, ready or not.
    #[must_use]
    pub fn count_over(&self, medium: Medium) -> usize {
        self.links.values().filter(|live| live.profile.medium == medium).count()
    }

    /// The ready links as they are shown.
    #[must_use]
    pub fn peers(&self, now: Now) -> Vec<PeerView> {
        let ready = self.links.iter().filter(|(_, live)| live.their.is_some());
        ready
            .map(|(link, live)| PeerView {
                link: *link,
                uptime: now.mono.since(live.since),
                rtt: live.rtt,
                contact: live.contact,
                medium: live.profile.medium,
            })
            .collect()
    }

    /// Names that wait for credit on a link.
    #[must_use]
    pub fn queued(&self, link: LinkId) -> usize {
        self.links.get(&link).map_or(0, |live| live.queue.len())
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The first frame: a hello of a common version, or nothing.
    fn greet(
        &mut self,
        now: Now,
        link: LinkId,
        bytes: &[u8],
        root: impl FnOnce() -> Root,
        out: &mut Outbox,
    ) -> Received {
        let Some((min, max)) = Frame::hello_versions(bytes) else {
            self.counters.unauth_frames += 1;
            return self.fault(now, link, "a frame before the hello", 3, out);
        };
        let ours = self.config.versions.clone();
        if max < *ours.start() || min > *ours.end() {
            self.close(link, CloseReason::Version { ours: *ours.end(), theirs: max }, out);
            return Received::Nothing;
        }
        let Ok(Frame::Hello(hello)) = Frame::from_bytes(bytes) else {
            return self.fault(now, link, "a malformed hello", 6, out);
        };
        let shown = |own: &Link| own.shown == hello.instance;
        if hello.instance == self.instance || self.links.values().any(shown) {
            self.close(link, CloseReason::Duplicate, out);
            return Received::Nothing;
        }
        let secrets = &self.secrets;
        if let Some(live) = self.links.get_mut(&link) {
            live.their = Some(Their { instance: hello.instance, nonce: hello.nonce, tokens: hello.tokens });
            live.recognise(secrets);
        }
        self.meet(link);
        let root = root();
        if let Some(loser) = self.twin(link).and_then(|twin| self.loser(now, link, twin, root, out)) {
            self.close(loser, CloseReason::Duplicate, out);
            if loser == link {
                return Received::Nothing;
            }
        }
        if let Some(loser) = self.surplus(link) {
            self.close(loser, CloseReason::TooMany, out);
            if loser == link {
                return Received::Nothing;
            }
        }
        self.ask_faster(now, link, root, out);
        Received::Ready
    }

    fn dispatch(
        &mut self,
        now: Now,
        link: LinkId,
        frame: Frame,
        root: impl FnOnce() -> Root,
        out: &mut Outbox,
    ) -> Received {
        let Some(live) = self.links.get_mut(&link) else { return Received::Nothing };
        match frame {
            Frame::Hello(_) => return self.fault(now, link, "a second hello", 3, out),
            Frame::Tokens(tokens) => {
                if let Some(their) = &mut live.their {
                    their.tokens = tokens;
                }
                return live.recognise(&self.secrets).map_or(Received::Nothing, Received::Recognised);
            }
            Frame::Beat { ask: true, .. } => {
                live.next_beat = live.beat_after(now.mono, &self.config);
                out.send(link, Lane::Control, Frame::Beat { ask: false, root: root() }.to_bytes());
            }
            Frame::Beat { ask: false, .. } => {
                live.rtt = live.asked.take().map(|asked| now.mono.since(asked)).or(live.rtt);
                if let Some(rival) = live.rival.take().filter(|rival| self.links.contains_key(rival)) {
                    self.close(rival, CloseReason::Duplicate, out);
                }
                self.hand_over(now, link, out);
            }
            Frame::Moved { proof, step } => {
                self.on_moved(now, link, proof, step, out);
                return Received::Nothing;
            }
            _ => {}
        }
        Received::Frame(frame)
    }

    /// Another ready link over the same medium that shows the same instance.
    fn twin(&self, link: LinkId) -> Option<LinkId> {
        let new = self.links.get(&link)?;
        let instance = new.their.as_ref()?.instance;
        let same = |live: &Link| {
            live.their.as_ref().is_some_and(|their| their.instance == instance)
                && live.profile.medium == new.profile.medium
        };
        self.links.iter().find(|(id, live)| **id != link && same(live)).map(|(id, _)| *id)
    }

    /// Which of two links that show one instance goes. An instance is no proof, as it is told to every neighbour: a
    /// link that proved to be a contact's yields to no other, and one that stands already only where it does not
    /// answer any more, which is asked here. Of two that began together that one goes on which both ends agree.
    fn loser(&mut self, now: Now, new: LinkId, old: LinkId, root: Root, out: &mut Outbox) -> Option<LinkId> {
        let new_link = self.links.get(&new)?;
        let (contact, nonces) = (new_link.contact, new_link.nonces());
        let old_link = self.links.get_mut(&old)?;
        match (old_link.contact, contact) {
            (Some(before), Some(contact)) if before != contact => return None,
            (Some(_), None) => return Some(new),
            (None, Some(_)) => return Some(old),
            _ => {}
        }
        let together = now.mono.since(old_link.since) < self.config.silent_after;
        if together && now.mono.since(old_link.heard) <= self.config.ask_after {
            return Some(if nonces < old_link.nonces() { old } else { new });
        }
        if old_link.rival.is_some() {
            return Some(new);
        }
        old_link.rival = Some(new);
        old_link.asked = Some(now.mono);
        old_link.transmit(now.mono, old, &Frame::Beat { ask: true, root }, out);
        None
    }

    fn tick_link(&mut self, now: Now, link: LinkId, root: &impl Fn() -> Root, out: &mut Outbox) {
        self.tick_leaving(now, link, out);
        let Some(live) = self.links.get_mut(&link) else { return };
        let waited = live.owed.map(|owed| now.mono.since(owed));
        if waited.is_some_and(|waited| waited >= self.config.silent_after * live.patience()) {
            return self.close(link, CloseReason::Silent, out);
        }
        let ask = live.ask_at(&self.config).is_some_and(|at| at <= now.mono);
        if live.their.is_some() && (ask || live.next_beat <= now.mono) {
            live.asked = Some(now.mono);
            live.next_beat = live.beat_after(now.mono, &self.config);
            live.transmit(now.mono, link, &Frame::Beat { ask: true, root: root() }, out);
        }
    }
}

impl Link {
    fn new(
        now: Time,
        role: Role,
        binding: [u8; 32],
        profile: Profile,
        nonce: [u8; 16],
        shown: [u8; 16],
    ) -> Self {
        Self {
            role,
            binding,
            profile,
            since: now,
            nonce,
            shown,
            their: None,
            contact: None,
            queue: Queue::default(),
            paced: Paced::default(),
            credit: 0,
            window: 0,
            heard: now,
            // The hello wants an answer.
            owed: Some(now),
            asked: None,
            // The first beat, at once after the hello, measures the round trip.
            next_beat: now,
            rtt: None,
            faults: 0,
            faults_since: now,
            first: LinkId(0),
            rival: None,
            leaving: None,
        }
    }

    fn transmit(&mut self, now: Time, link: LinkId, frame: &Frame, out: &mut Outbox) {
        self.owed.get_or_insert(now);
        out.send(link, Lane::Control, frame.to_bytes());
    }

    /// `sharing` is how many slow links there are: each fills its part of what its pipe takes.
    fn next_due(&mut self, link: LinkId, sharing: i64, out: &mut Outbox) -> Option<ShortId> {
        if self.is_leaving() {
            return None;
        }
        let reserve =
            if self.is_slow() { self.window - (self.window / sharing).max(1).min(self.window) } else { 0 };
        loop {
            let urgent = self.queue.pop_public();
            if urgent.is_some() || self.credit <= reserve {
                return urgent;
            }
            let Some(frame) = self.paced.pop(self.queue.len() > 0) else { return self.queue.pop() };
            let bytes = frame.to_bytes();
            self.credit -= i64::try_from(bytes.len()).unwrap_or(i64::MAX);
            out.send(link, Lane::Bulk, bytes);
        }
    }

    /// Looks at their tokens; `Some` where that names another than before, or nobody any more.
    fn recognise(&mut self, secrets: &[(AccountId, Secret)]) -> Option<Option<AccountId>> {
        let their = self.their.as_ref()?;
        let sender = match self.role {
            Role::Dialer => Role::Listener,
            Role::Listener => Role::Dialer,
        };
        let contact = recognition::recognise(secrets, &their.tokens, sender, &self.binding, &their.nonce);
        (core::mem::replace(&mut self.contact, contact) != contact).then_some(contact)
    }

    /// Both ends' nonces, the dialer's first: the same at both ends.
    fn nonces(&self) -> ([u8; 16], [u8; 16]) {
        let theirs = self.their.as_ref().map_or([0; 16], |their| their.nonce);
        match self.role {
            Role::Dialer => (self.nonce, theirs),
            Role::Listener => (theirs, self.nonce),
        }
    }

    fn beat_after(&self, now: Time, config: &Config) -> Time {
        match self.role {
            Role::Dialer => now + config.beat_every,
            Role::Listener => now + config.beat_every + LISTENER_LAG,
        }
    }

    /// How many times as long is waited for a sign of life: on a slow link what is said stands in line behind much
    /// else, at both ends, and its radio tells by itself when the neighbour is gone.
    fn patience(&self) -> u32 {
        if self.is_slow() { SLOW_PATIENCE } else { 1 }
    }

    fn is_slow(&self) -> bool {
        self.profile.typical_rate < SLOW
    }

    /// When to ask for a sign of life: after what was sent, and again after having asked.
    fn ask_at(&self, config: &Config) -> Option<Time> {
        let owed = self.owed?;
        Some(self.asked.map_or(owed, |asked| asked.max(owed)) + config.ask_after * self.patience())
    }

    fn wakeup(&self, config: &Config) -> Time {
        let silent = self.owed.map_or(Time::MAX, |owed| owed + config.silent_after * self.patience());
        if self.their.is_none() {
            return silent;
        }
        let asks = self.ask_at(config).into_iter().chain(self.leaving_wakeup());
        asks.fold(silent.min(self.next_beat), Time::min)
    }
}
