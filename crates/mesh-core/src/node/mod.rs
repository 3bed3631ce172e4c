//! The node: joins the layers, routes inputs, drains the outbox.
//!
//! Whatever enters goes one way: `mesh` (link, gossip, carry) hands an arrival up, `sessions` open
//! it or not, `chat` takes in what it says, and the answer goes back down as kept, delivered or
//! discarded. Whatever leaves goes the other: `chat` hands out jobs, `sessions` seal them, `mesh`
//! keeps and announces the envelopes.

mod beacons;
mod clock;
mod commands;
mod forecast;
mod groups;
mod ingest;
mod joins;
mod keys;
pub mod mesh;
mod talk;

pub use beacons::{MAX_OWN, MAX_SHOWN};
pub use forecast::FORECAST_KEY;
pub use ingest::MAX_RETRIES;
pub use keys::MAX_KEYS_AT_ONCE;
pub use mesh::MeshConfig;

use crate::border::{Event, Input, Output, Refusal};
use crate::carry::Origin;
use crate::chat::{self, Sealing};
use crate::crypto::ratchet::{Ratchet, RatchetError, Vodozemac};
use crate::crypto::seal::{Noise, Sealer};
use crate::crypto::session::{SealError, SealedEnvelope, Sessions, commitment};
use crate::crypto::{OwnIdentity, RestoreError, safety};
use crate::id::{AccountId, ConversationId, EnvelopeId, GroupId, MessageId, Seq};
use crate::outbox::Outbox;
use crate::rng::Rng;
use crate::store::{Read, ReadError, Table};
use crate::time::{Now, Time};
use crate::view::{
    BeaconView, ContactView, ConversationView, Cursor, ForecastView, GroupView, IdentityView, InfoView,
    InviteView, MAX_PAGE, MessageState, MessageView, Page, PeerView, StatusView,
};
use crate::wire::{Lifetime, codec};
use beacons::Beacons;
use clock::Clock;
use core::time::Duration;
use forecast::Forecast;
use mesh::{Mesh, MeshEvent};
use std::collections::BTreeSet;

/// Events are numbered in blocks of this many, so that a block and not each event is written.
const SEQ_BLOCK: u64 = 1024;
/// An envelope begins with 12 to 15 hops, chosen at random so that they do not tell its origin.
const FIRST_HOPS: (u8, u8) = (12, 4);

/// The limits and defaults of every layer.
#[derive(Clone, Debug)]
pub struct Config {
    /// Links, bag and exchange.
    pub mesh: MeshConfig,
    /// How long a message's envelope lives; its author seals it again while it is in custody. Default a
    /// fortnight.
    pub lifetime: Lifetime,
}

impl Default for Config {
    fn default() -> Self {
        Self { mesh: MeshConfig::default(), lifetime: Lifetime::Fortnight }
    }
}

/// The node cannot be built from what storage holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Storage holds no identity: the node must be created first.
    #[error("there is no identity here yet")]
    NoIdentity,
    /// The stored identity does not parse.
    #[error(transparent)]
    Identity(#[from] RestoreError),
    /// The ratchet library refused its own account.
    #[error(transparent)]
    Ratchet(#[from] RatchetError),
    /// Storage could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// How contents are sealed: the ratchet inside, the seal outside. The product uses [`Seals::default`];
/// simulations put others here.
#[derive(Debug)]
pub struct Seals {
    /// Olm and Megolm.
    pub ratchet: Box<dyn Ratchet>,
    /// Noise.
    pub sealer: Box<dyn Sealer>,
}

impl Default for Seals {
    /// vodozemac and Noise.
    fn default() -> Self {
        Self { ratchet: Box::new(Vodozemac), sealer: Box::new(Noise) }
    }
}

impl From<Box<dyn Ratchet>> for Seals {
    /// This ratchet inside Noise.
    fn from(ratchet: Box<dyn Ratchet>) -> Self {
        Self { ratchet, sealer: Box::new(Noise) }
    }
}

impl<R: Ratchet + 'static> From<Box<R>> for Seals {
    /// This ratchet inside Noise.
    fn from(ratchet: Box<R>) -> Self {
        Self { ratchet, sealer: Box::new(Noise) }
    }
}

/// One messenger: everything that it knows, does and decides.
pub struct Node {
    outbox: Outbox,
    read: Box<dyn Read>,
    rng: Rng,
    clock: Clock,
    identity: OwnIdentity,
    sessions: Sessions,
    chat: chat::State,
    beacons: Beacons,
    forecast: Forecast,
    mesh: Mesh,
    lifetime: Lifetime,
    /// First contacts that wait for the budget of trials.
    retries: BTreeSet<(Time, EnvelopeId)>,
    /// New keys came since what had to go was last asked for again.
    owes_another_try: bool,
    /// When that was.
    tried_again: Option<Time>,
    /// Something happened that may have left keys owed to somebody.
    keys_may_be_due: bool,
    /// When the keys of groups are looked at again.
    keys_at: Option<Time>,
    reserved: Seq,
    /// Storage failed: nothing more is done until the shell rebuilds the node.
    broken: bool,
}

/// What a node is made of, new or from storage.
struct Layers {
    clock: Clock,
    identity: OwnIdentity,
    sessions: Sessions,
    chat: chat::State,
    beacons: Beacons,
    mesh: Mesh,
    lifetime: Lifetime,
}

impl core::fmt::Debug for Node {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Node").field("chat", &self.chat).finish_non_exhaustive()
    }
}

impl Node {
    /// A new person on a new device; its records are the first outputs.
    ///
    /// # Errors
    /// Where `read` fails.
    pub fn create(
        config: Config,
        seed: [u8; 32],
        now: Now,
        name: &str,
        read: Box<dyn Read>,
    ) -> Result<Self, StartError> {
        Self::create_with(config, Seals::default(), seed, now, name, read)
    }

    /// [`Node::create`] with other seals: the simulator's are seeded.
    ///
    /// # Errors
    /// Where `read` fails.
    pub fn create_with(
        config: Config,
        seals: impl Into<Seals>,
        seed: [u8; 32],
        now: Now,
        name: &str,
        read: Box<dyn Read>,
    ) -> Result<Self, StartError> {
        let Seals { ratchet, sealer } = seals.into();
        let (mut rng, mut outbox) = (Rng::new(seed), Outbox::default());
        let mut clock = Clock::new(now);
        let life = clock.life(now);
        let identity = OwnIdentity::create(&mut rng, &*ratchet, life, &mut outbox)?;
        let chat = chat::State::create(identity.account(), name, rng.fork(), &mut outbox);
        let sessions = Sessions::new(ratchet, rng.fork()).with_sealer(sealer);
        let mesh = Mesh::restore(config.mesh, rng.fork(), &*read)?;
        let beacons = Beacons::default();
        clock.save(life, &mut outbox);
        let lifetime = config.lifetime;
        let layers = Layers { clock, identity, sessions, chat, beacons, mesh, lifetime };
        Ok(Self::of(layers, outbox, read, rng))
    }

    /// The node as storage has it.
    ///
    /// # Errors
    /// [`StartError::NoIdentity`] in an empty store; where a record cannot be read.
    pub fn restore(
        config: Config,
        seed: [u8; 32],
        now: Now,
        read: Box<dyn Read>,
    ) -> Result<Self, StartError> {
        Self::restore_with(config, Seals::default(), seed, now, read)
    }

    /// [`Node::restore`] with other seals.
    ///
    /// # Errors
    /// As [`Node::restore`].
    pub fn restore_with(
        config: Config,
        seals: impl Into<Seals>,
        seed: [u8; 32],
        now: Now,
        read: Box<dyn Read>,
    ) -> Result<Self, StartError> {
        let Seals { ratchet, sealer } = seals.into();
        let mut rng = Rng::new(seed);
        let clock = Clock::restore(now, &*read)?;
        let life = clock.life(now);
        let identity = OwnIdentity::restore(&*ratchet, life, &*read)?.ok_or(StartError::NoIdentity)?;
        let chat = chat::State::restore(identity.account(), rng.fork(), &*read)?;
        let sessions = Sessions::restore(ratchet, rng.fork(), &*read)?.with_sealer(sealer);
        let mesh = Mesh::restore(config.mesh, rng.fork(), &*read)?;
        let beacons = Beacons::restore(&*read)?;
        let mut forecast = Forecast::restore(life.mono, &*read)?;
        forecast.resume(mesh.sealed());
        let reserved = read.load(Table::Meta, b"seq")?.and_then(|b| codec::decode(&b).ok());
        let reserved = reserved.unwrap_or_default();
        let outbox = Outbox::new(reserved);
        let lifetime = config.lifetime;
        let layers = Layers { clock, identity, sessions, chat, beacons, mesh, lifetime };
        let mut node = Self::of(layers, outbox, read, rng);
        (node.reserved, node.forecast, node.keys_may_be_due) = (reserved, forecast, true);
        node.share_secrets(life);
        node.reseal_lost(life);
        Ok(node)
    }

    fn of(layers: Layers, outbox: Outbox, read: Box<dyn Read>, rng: Rng) -> Self {
        let Layers { clock, identity, mut sessions, chat, beacons, mesh, lifetime } = layers;
        sessions.hear_members_only();
        Self {
            outbox,
            read,
            rng,
            clock,
            identity,
            sessions,
            chat,
            beacons,
            forecast: Forecast::default(),
            mesh,
            lifetime,
            retries: BTreeSet::new(),
            owes_another_try: false,
            tried_again: None,
            keys_may_be_due: false,
            keys_at: None,
            reserved: Seq::default(),
            broken: false,
        }
    }

    /// Takes in what happened. Cannot fail: remote faults are counted, refused commands are answered.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        if self.broken {
            return;
        }
        let now = self.clock.life(now);
        let out = &mut self.outbox;
        match input {
            Input::Tick => self.tick(now),
            Input::Radio { medium, up } => self.mesh.radio(now, medium, up, out),
            Input::Rotated => self.mesh.rotated(),
            Input::Heard { medium, advert, .. } => self.mesh.heard(now, medium, advert),
            Input::Around { nodes, .. } => self.mesh.around(nodes),
            Input::Overheard { bytes, .. } => self.on_overheard(now, bytes),
            Input::LinkUp { link, role, binding, profile } => {
                self.mesh.link_up(now, link, role, binding, profile, out);
            }
            Input::LinkDown { link } => self.mesh.link_down(now, link, out),
            Input::LinkReady { link, credit } => self.mesh.link_ready(link, credit),
            Input::Frame { link, bytes } => self.mesh.frame(now, link, bytes, out),
            Input::Command(id, command) => self.on_command(now, id, command),
        }
        self.settle(now);
    }

    fn tick(&mut self, now: Now) {
        self.identity.tick(now, &mut self.rng, self.sessions.ratchet(), &mut self.outbox);
        if let Err(error) = self.retry(now) {
            self.fail(error);
        }
        self.sessions.tick(now, &mut self.outbox);
        for missing in self.sessions.take_missing(now, &mut self.outbox) {
            self.chat.ask(now, missing.account, missing.session, missing.gaps);
        }
        if let Err(error) = self.repeat_beacons(now) {
            self.fail(error);
        }
        self.beacons.tick(now, &mut self.outbox);
        if let Err(error) = self.chat.tick(now, &*self.read, &mut self.outbox) {
            self.fail(error);
        }
        self.send_scheduled(now);
        self.mesh.tick(now, &mut self.outbox);
    }

    /// What is on its way and not in the own bag was lost with a part of storage: it is sealed again.
    fn reseal_lost(&mut self, now: Now) {
        let lost: Vec<_> =
            self.chat.under_way(now).filter(|id| self.mesh.held_since(*id).is_none()).collect();
        self.chat.resend(now, &lost);
    }

    /// Runs the layers until none has anything left to say, then closes the batch.
    fn settle(&mut self, now: Now) {
        loop {
            let mut busy = false;
            while let Some(event) = self.mesh.poll() {
                self.on_mesh(now, event);
                busy = true;
            }
            match self.regroup(now) {
                Ok(changed) => busy |= changed,
                Err(error) => self.fail(error),
            }
            while let Some(job) = self.next_job(now) {
                self.seal(now, job);
                busy = true;
            }
            busy |= self.answer_knocks(now);
            self.pay_keys(now);
            if busy {
                continue;
            }
            self.mesh.flush(now, &*self.read, &mut self.outbox);
            if !self.mesh.has_news() {
                break;
            }
        }
        self.chat.settle();
        self.close_batch(now);
    }

    fn next_job(&mut self, now: Now) -> Option<chat::Job> {
        match self.chat.next_job(now, &*self.read, &mut self.outbox) {
            Ok(job) => job,
            Err(error) => {
                self.fail(error);
                None
            }
        }
    }

    fn close_batch(&mut self, now: Now) {
        if self.outbox.next_seq() > self.reserved {
            self.reserved = Seq(self.outbox.next_seq().0 + SEQ_BLOCK);
            self.outbox.put(Table::Meta, *b"seq", codec::encode(&self.reserved));
        }
        if self.outbox.has_writes() || self.clock.next_save() <= now.mono {
            self.clock.save(now, &mut self.outbox);
            self.forecast.save(now.mono, &mut self.outbox);
        }
    }

    /// Seals a job, keeps the envelope and announces it. What cannot be sealed now is due again later.
    fn seal(&mut self, now: Now, job: chat::Job) {
        if !self.mesh.has_own_room() {
            return;
        }
        let contents = [job.bytes];
        let lifetime = job.lifetime.map_or(self.lifetime, |lifetime| lifetime.min(self.lifetime));
        let sealed = match self.envelope_for(now, job.to, lifetime, &contents) {
            // The keys go ahead in an envelope of their own where both do not fit.
            Err(SealError::TooLong { .. }) if self.sessions.is_first_contact(job.to) => {
                self.seal_keys(now, job.to);
                self.envelope_for(now, job.to, lifetime, &contents)
            }
            sealed => sealed,
        };
        let Ok(mut sealed) = sealed else { return };
        self.keys_may_be_due |= job.to.group().is_some();
        if let Some(part) = job.part {
            // All parts begin alike, so that any of them tells how far the message went.
            sealed.envelope.hops_left = FIRST_HOPS.0 + part.message.0[0] % FIRST_HOPS.1;
        }
        let (hops, commit) = (sealed.envelope.hops_left, sealed.commit);
        let (envelope, lifetime) = (sealed.envelope.id(), sealed.envelope.lifetime());
        let out = &mut self.outbox;
        let kept = self.mesh.keep(now, sealed.envelope, Origin::Own { to: sealed.to }, out);
        let (Ok(_), Some(part)) = (kept, job.part) else { return };
        // How soon somebody has it who is here says nothing of others.
        if !job.to.person().is_some_and(|to| self.mesh.neighbours().contains(&to)) {
            let is_held = |id| self.mesh.held_since(id).is_some();
            self.forecast.seen(now.mono, envelope, Duration::ZERO, None, &is_held);
        }
        let expires = now.mono + lifetime.span();
        let place = sealed.place;
        self.chat.sealed(part, Sealing { envelope, commit, expires, hops, carriers: 0, place }, out);
    }

    fn envelope_for(
        &mut self,
        now: Now,
        to: ConversationId,
        lifetime: Lifetime,
        contents: &[Vec<u8>],
    ) -> Result<SealedEnvelope, SealError> {
        let (read, out) = (&*self.read, &mut self.outbox);
        let sealed = self.sessions.seal(now, &self.identity, read, to, lifetime, contents, out);
        sealed.map(|mut sealed| {
            sealed.envelope.hops_left = first_hops(&mut self.rng);
            sealed
        })
    }

    /// The next thing to do, until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outbox.pop()
    }

    /// When an [`Input::Tick`] is due, and which layer asked.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<(Time, &'static str)> {
        let wakeups = [
            self.mesh.next_wakeup(),
            self.chat.next_wakeup().map(|t| (t, "chat")),
            self.sessions.next_wakeup().map(|t| (t, "sessions")),
            Some((self.identity.next_wakeup(), "identity")),
            self.beacons.next_wakeup().map(|t| (t, "beacons")),
            self.retries.first().map(|(at, _)| (*at, "trials")),
            self.keys_at.map(|at| (at, "keys")),
            Some((self.clock.next_save(), "clock")),
        ];
        let (life, who) = wakeups.into_iter().flatten().min()?;
        Some((self.clock.shell(life), who))
    }

    /// Tells the links whom to recognise: whoever may learn that we are here. Who wrote once proves nothing by it
    /// before the person accepts, and nobody does any more who is blocked.
    fn share_secrets(&mut self, now: Now) {
        let secrets = self.sessions.recognition(|account| self.chat.may_learn(account));
        self.mesh.set_secrets(now, secrets, &mut self.outbox);
    }

    /// Stops: what storage holds may be newer than what this node knows.
    fn fail(&mut self, error: ReadError) {
        self.broken = true;
        self.outbox.notify(Event::StorageFailed(error));
    }

    /// Who we are.
    #[must_use]
    pub fn identity(&self) -> IdentityView {
        let profile = self.chat.profile();
        IdentityView {
            account: self.identity.account_id(),
            name: profile.name.clone(),
            tag: safety::tag(self.identity.account_id()),
            link: self.identity.link(),
        }
    }

    /// Everybody we know, by shown name.
    #[must_use]
    pub fn contacts(&self) -> Vec<ContactView> {
        self.chat.contacts()
    }

    /// Petname, name or tag of somebody known, without looking at everybody else as [`Node::contacts`] does.
    #[must_use]
    pub fn shown(&self, account: AccountId) -> Option<String> {
        let fellow = || self.chat.is_fellow(account).then(|| self.chat.fellow_name(account));
        self.chat.shown(account).or_else(fellow)
    }

    /// The live invites, oldest first.
    #[must_use]
    pub fn invites(&self) -> Vec<InviteView> {
        let of_people = |invite: &InviteView| !self.chat.is_group_link(invite.number);
        self.identity.invites().into_iter().filter(of_people).collect()
    }

    /// A page of one conversation in its order, or of all in the order of arrival here; oldest first. A page
    /// with fewer messages than were asked for is the last one in its direction.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn page(&self, with: Option<ConversationId>, page: &Page) -> Result<Vec<MessageView>, ReadError> {
        self.chat.page(with, page, &*self.read)
    }

    /// All pages from the first to the last. For small histories: a front end reads page by page, so that
    /// other work gets its turn between.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn messages(&self, with: Option<ConversationId>) -> Result<Vec<MessageView>, ReadError> {
        let (mut all, mut page) = (Vec::new(), Page::default());
        loop {
            let views = self.page(with, &page)?;
            let is_last = views.len() < MAX_PAGE;
            all.extend(views);
            match all.last() {
                Some(last) if !is_last => page.from = Cursor::After(last.conversation, last.id),
                _ => return Ok(all),
            }
        }
    }

    /// Every group, by name; those that the person has left too, until they are forgotten.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupView> {
        self.chat.groups()
    }

    /// One group; `None` for an unknown one.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<GroupView> {
        self.chat.group(id)
    }

    /// Every conversation that has messages, the latest first.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn conversations(&self) -> Result<Vec<ConversationView>, ReadError> {
        self.chat.conversations(&*self.read)
    }

    /// The names of messages of anybody, in one conversation or in all, that begin with these hexadecimal digits, at
    /// most two.
    #[must_use]
    pub fn messages_named(
        &self,
        beginning: &str,
        within: Option<ConversationId>,
    ) -> Vec<(ConversationId, MessageId)> {
        self.chat.named(beginning, within, 2)
    }

    /// The conversation that a message of anybody stands in: the one that was named, or the only one.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] where it is not there, [`Refusal::Message`] where none was named and several have it.
    pub fn locate(
        &self,
        message: MessageId,
        within: Option<ConversationId>,
    ) -> Result<ConversationId, Refusal> {
        self.chat.locate(message, within)
    }

    /// One message as it is shown; `None` where it is not there, or was taken away from this device.
    ///
    /// # Errors
    /// Where storage cannot be read.
    pub fn message(&self, with: ConversationId, id: MessageId) -> Result<Option<MessageView>, ReadError> {
        self.chat.message(with, id, &*self.read)
    }

    /// The names of own texts that begin with these hexadecimal digits, at most two: one is an answer, two
    /// are none.
    #[must_use]
    pub fn own_messages_named(&self, beginning: &str) -> Vec<MessageId> {
        self.chat.own_named(beginning, 2)
    }

    /// Where a message is; `None` for an unknown one.
    ///
    /// # Errors
    /// Where storage fails.
    pub fn info(&self, now: Now, message: MessageId) -> Result<Option<InfoView>, ReadError> {
        let info = self.chat.info(self.clock.life(now), message, &*self.read)?;
        Ok(info.map(|info| {
            let is_open = matches!(info.state, MessageState::Waiting | MessageState::HandedOn);
            let to = info.recipients.first().map(|recipient| recipient.account);
            let forecast = if is_open { self.forecast(now, to) } else { None };
            InfoView { forecast, ..info }
        }))
    }

    /// How long a text to `to` that is written now may take; `None` while this node knows too little: before
    /// 20 meetings, or where no receipt came by yet.
    #[must_use]
    pub fn forecast(&self, now: Now, to: Option<AccountId>) -> Option<ForecastView> {
        let life = self.clock.life(now);
        if to.is_some_and(|to| self.mesh.neighbours().contains(&to)) {
            return Some(Forecast::of_a_neighbour());
        }
        self.forecast.view(life.mono, &|id| self.mesh.held_since(id).is_some())
    }

    /// The live links.
    #[must_use]
    pub fn peers(&self, now: Now) -> Vec<PeerView> {
        self.mesh.peers(self.clock.life(now))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self, now: Now) -> StatusView {
        let load = self.mesh.load();
        StatusView {
            name: self.chat.profile().name.clone(),
            links: self.mesh.peers(self.clock.life(now)).len(),
            carried_envelopes: load.count,
            carried_bytes: load.bytes,
            outbox: self.chat.open(),
        }
    }

    /// What the bag holds.
    #[must_use]
    pub fn load(&self) -> crate::carry::Load {
        self.mesh.load()
    }

    /// The beacons that live, newest first.
    #[must_use]
    pub fn beacons(&self, now: Now) -> Vec<BeaconView> {
        self.beacons.views(self.clock.life(now))
    }

    fn on_mesh(&mut self, now: Now, event: MeshEvent) {
        let out = &mut self.outbox;
        match event {
            MeshEvent::Arrived { link, id, arrival } => {
                if let Err(error) = self.ingest(now, link, id, arrival) {
                    self.fail(error);
                }
            }
            MeshEvent::Up { link, contact } => {
                self.forecast.met();
                out.notify(Event::PeerUp { link, contact });
                self.sessions.set_neighbours(now, self.mesh.neighbours());
            }
            MeshEvent::Recognised { link, contact } => {
                out.notify(Event::PeerUp { link, contact });
                self.sessions.set_neighbours(now, self.mesh.neighbours());
            }
            MeshEvent::Down { link } => {
                out.notify(Event::PeerDown { link });
                self.sessions.set_neighbours(now, self.mesh.neighbours());
            }
            MeshEvent::Lost { id } => self.chat.resend(now, &[id]),
            MeshEvent::Carried { link, id } => self.chat.kept(now, id, link, out),
            MeshEvent::Receipted { link, ack, ended } => {
                ended.iter().for_each(|id| self.forecast.receipted(now.mono, *id, link));
                let commit = commitment(ack);
                self.sessions.receipted(now, commit, out);
                self.chat.acked(now, commit, out);
            }
            MeshEvent::Expired { .. } => {}
            MeshEvent::Fault { link, what } => out.notify(Event::Fault { link, what }),
        }
    }
}

fn first_hops(rng: &mut Rng) -> u8 {
    let [random] = rng.bytes();
    FIRST_HOPS.0 + random % FIRST_HOPS.1
}

#[cfg(test)]
mod tests;
