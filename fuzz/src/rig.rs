//! What the entries with a state share: programs of changes, devices, seals that hide nothing, and
//! a writer that lies.

use mesh_core::crypto::ratchet::{
    AccountKeys, AccountState, Export, Fake, MegolmReader, MegolmWriter, OlmId, OlmState, Ratchet,
    RatchetError,
};
use mesh_core::crypto::seal::{
    FIRST_CLASS, FIRST_OVERHEAD, FirstOpen, FirstOpened, FirstSeal, Header, SESSION_OVERHEAD, Sealer, TooLong,
};
use mesh_core::crypto::session::{Opened, Sessions};
use mesh_core::crypto::{ContactLink, OwnIdentity};
use mesh_core::rng::Rng;
use mesh_core::wire::{Envelope, Lifetime, SizeClass};
use mesh_core::{AccountId, AckCommit, Memory, Now, Outbox, Output, Time, Wall};
use zeroize::Zeroizing;

/// Input that is read field by field; zeros behind its end.
#[derive(Clone, Copy)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(super) fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// Up to `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(len.min(self.0.len()));
        self.0 = tail;
        head
    }

    pub(super) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let bytes = self.take(N);
        array[..bytes.len()].copy_from_slice(bytes);
        array
    }
}

/// `base` after a program of changes: `kind 1 | at u16 | length 1 | bytes`, as often as there is input.
/// Kind 0 overwrites, 1 inserts, 2 removes, 3 adds to each byte.
pub(super) fn patched(base: &[u8], program: &[u8]) -> Vec<u8> {
    let (mut out, mut program) = (base.to_vec(), Bytes(program));
    while !program.0.is_empty() {
        let (kind, at, len) = (program.u8(), usize::from(program.u16()), usize::from(program.u8()));
        let at = at % (out.len() + 1);
        let end = (at + len).min(out.len());
        match kind % 4 {
            0 => {
                let bytes = program.take(len);
                let end = (at + bytes.len()).min(out.len());
                out[at..end].copy_from_slice(&bytes[..end - at]);
            }
            1 => drop(out.splice(at..at, program.take(len).iter().copied())),
            2 => drop(out.drain(at..end)),
            _ => {
                let by = program.u8();
                out[at..end].iter_mut().for_each(|byte| *byte = byte.wrapping_add(by));
            }
        }
    }
    out
}

/// A device with its storage.
pub(super) struct Device {
    pub(super) own: OwnIdentity,
    pub(super) sessions: Sessions,
    pub(super) memory: Memory,
    now: Now,
}

impl Device {
    pub(super) fn create(seed: u8, sealer: Box<dyn Sealer>) -> Self {
        let (memory, now, mut out) = (Memory::default(), start(), Outbox::default());
        let own = OwnIdentity::create(&mut Rng::new([seed; 32]), &Fake, now, &mut out);
        let own = own.expect("the fake ratchet reads what it made");
        let sessions = Sessions::new(Box::new(Fake), Rng::new([seed ^ 0x55; 32])).with_sealer(sealer);
        apply(&memory, &mut out);
        Self { own, sessions, memory, now }
    }

    /// The device that `memory` holds, on a copy of it.
    pub(super) fn restore(memory: &Memory, ratchet: Box<dyn Ratchet>, sealer: Box<dyn Sealer>) -> Self {
        let memory = memory.snapshot();
        let own = OwnIdentity::restore(&*ratchet, start(), &memory);
        let own = own.expect("memory can be read").expect("the device was created");
        let sessions = Sessions::restore(ratchet, Rng::new([77; 32]), &memory);
        let sessions = sessions.expect("whatever was taken in can be restored").with_sealer(sealer);
        Self { own, sessions, memory, now: start() }
    }

    pub(super) fn id(&self) -> AccountId {
        self.own.account_id()
    }

    /// Learns another device by its link.
    pub(super) fn add(&mut self, other: &Self) {
        let link = ContactLink::from_text(&other.own.link()).expect("a link reads its own text");
        let mut out = Outbox::default();
        let learnt = self.sessions.learn(self.now, link.intro(), Some(link.invite()), &mut out);
        learnt.expect("a new device is learnt");
        apply(&self.memory, &mut out);
    }

    /// Seals a text; `None` where what is known of the other side does not allow it.
    pub(super) fn seal(&mut self, to: AccountId, text: &str) -> Option<(Envelope, AckCommit)> {
        self.now.mono.0 += 1;
        let (mut out, contents) = (Outbox::default(), [text.as_bytes().to_vec()]);
        let lifetime = Lifetime::Fortnight;
        let sealed =
            self.sessions.seal(self.now, &self.own, &self.memory, to.into(), lifetime, &contents, &mut out);
        apply(&self.memory, &mut out);
        sealed.ok().map(|sealed| (sealed.envelope, sealed.commit))
    }

    /// Opens an envelope once its turn has come. Returns also how many records that wrote.
    pub(super) fn open(&mut self, envelope: &Envelope) -> (Opened, usize) {
        for _ in 0..3 {
            self.now.mono.0 += 1;
            let mut out = Outbox::default();
            let opened = self.sessions.open(self.now, &self.own, &self.memory, envelope, &mut out);
            let written = apply(&self.memory, &mut out);
            let Opened::Later(at) = opened else { return (opened, written) };
            self.now.mono = at;
        }
        panic!("an envelope's turn comes");
    }

    pub(super) fn receipted(&mut self, commit: AckCommit) {
        let mut out = Outbox::default();
        self.sessions.receipted(self.now, commit, &mut out);
        apply(&self.memory, &mut out);
    }
}

fn start() -> Now {
    Now { mono: Time(1_000), wall: Wall(1_800_000_000) }
}

/// Stores what was put out; returns how many records.
fn apply(memory: &Memory, out: &mut Outbox) -> usize {
    let mut ops = Vec::new();
    while let Some(output) = out.pop() {
        let Output::Store(op) = output else { panic!("sessions only store") };
        ops.push(op);
    }
    let count = ops.len();
    memory.apply(ops);
    count
}

/// Bytes before the payload in a body of [`Clear`]: the pre-shared key and the length.
const CLEAR_OVERHEAD: usize = 32 + 2;

/// Seals that hide nothing and bind nothing, so that a stranger's payload is read as if an
/// authenticated device had sealed it: `psk 32 | length u16 | payload | zeros`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clear {
    /// The static key that every first contact seems to come from.
    pub(super) sender: [u8; 32],
}

impl Sealer for Clear {
    fn seal_first(&self, seal: &FirstSeal<'_>, payload: &[u8], _: &mut Rng) -> Result<Vec<u8>, TooLong> {
        clear_body(seal.psk, FIRST_CLASS, payload, FIRST_OVERHEAD)
    }

    fn open_first(&self, open: &FirstOpen<'_>, psks: &[Zeroizing<[u8; 32]>]) -> FirstOpened {
        let psk = psks.iter().position(|psk| open.body.starts_with(&**psk));
        match (psk, clear_payload(open.body)) {
            (Some(psk), Some(payload)) => {
                let payload = Zeroizing::new(payload.to_vec());
                FirstOpened::Opened { sender: self.sender, psk, payload }
            }
            _ => FirstOpened::Foreign,
        }
    }

    fn seal(
        &self,
        _: &Header,
        psk: &[u8; 32],
        size: SizeClass,
        payload: &[u8],
        _: &mut Rng,
    ) -> Result<Vec<u8>, TooLong> {
        clear_body(psk, size, payload, SESSION_OVERHEAD)
    }

    fn open(&self, _: &[u8], psk: &[u8; 32], body: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let payload = clear_payload(body).filter(|_| body.starts_with(psk))?;
        Some(Zeroizing::new(payload.to_vec()))
    }
}

fn clear_body(psk: &[u8; 32], size: SizeClass, payload: &[u8], overhead: usize) -> Result<Vec<u8>, TooLong> {
    let limit = size.body_len() - overhead;
    let too_long = TooLong { got: payload.len(), limit };
    let len = u16::try_from(payload.len()).map_err(|_| too_long)?;
    if payload.len() > limit {
        return Err(too_long);
    }
    let mut body = [&psk[..], &len.to_le_bytes(), payload].concat();
    body.resize(size.body_len(), 0);
    Ok(body)
}

/// The payload in a body of [`Clear`].
pub(super) fn clear_payload(body: &[u8]) -> Option<&[u8]> {
    let (head, rest) = body.split_first_chunk::<CLEAR_OVERHEAD>()?;
    rest.get(..usize::from(u16::from_le_bytes([head[32], head[33]])))
}

/// The same envelope with another payload; `None` where it is too long, or `same_class` does not take it.
pub(super) fn with_payload(envelope: &Envelope, payload: &[u8], same_class: bool) -> Option<Envelope> {
    let needs = payload.len() + SESSION_OVERHEAD;
    let size = if same_class { envelope.size()? } else { SizeClass::fitting(needs)? };
    let psk = envelope.body().first_chunk()?;
    let body = clear_body(psk, size, payload, SESSION_OVERHEAD).ok()?;
    let header = Envelope::header(size, envelope.lifetime(), envelope.tag(), envelope.ack_commit());
    Envelope::new(header, &body, envelope.hops_left).ok()
}

/// The ratchet of a device that is known and lies: what its ratchets encrypt went through a program
/// of changes first, so it arrives authenticated.
#[derive(Clone, Debug, Default)]
pub(super) struct Liar {
    /// Changes what Olm encrypts: key shares.
    pub(super) olm: Vec<u8>,
    /// Changes what Megolm encrypts: contents.
    pub(super) megolm: Vec<u8>,
}

impl Liar {
    fn writer(&self, inner: Box<dyn MegolmWriter>) -> Box<dyn MegolmWriter> {
        Box::new(LyingWriter { inner, program: self.megolm.clone() })
    }
}

impl Ratchet for Liar {
    fn account_new(&self, rng: &mut Rng) -> AccountState {
        Fake.account_new(rng)
    }

    fn account_next(&self, account: &AccountState, rng: &mut Rng) -> Result<AccountState, RatchetError> {
        Fake.account_next(account, rng)
    }

    fn account_keys(&self, account: &AccountState) -> Result<AccountKeys, RatchetError> {
        Fake.account_keys(account)
    }

    fn olm_start(
        &self,
        account: &AccountState,
        their: AccountKeys,
        rng: &mut Rng,
    ) -> Result<OlmState, RatchetError> {
        Fake.olm_start(account, their, rng)
    }

    fn olm_accept(
        &self,
        account: &AccountState,
        their_identity: [u8; 32],
        message: &[u8],
    ) -> Result<(OlmState, Vec<u8>), RatchetError> {
        Fake.olm_accept(account, their_identity, message)
    }

    fn olm_session_of(&self, message: &[u8]) -> Option<OlmId> {
        Fake.olm_session_of(message)
    }

    fn olm_id(&self, session: &OlmState) -> Result<OlmId, RatchetError> {
        Fake.olm_id(session)
    }

    fn olm_encrypt(
        &self,
        session: &mut OlmState,
        plaintext: &[u8],
        rng: &mut Rng,
    ) -> Result<Vec<u8>, RatchetError> {
        Fake.olm_encrypt(session, &patched(plaintext, &self.olm), rng)
    }

    fn olm_decrypt(&self, session: &mut OlmState, message: &[u8]) -> Result<Vec<u8>, RatchetError> {
        Fake.olm_decrypt(session, message)
    }

    fn megolm_new(&self, rng: &mut Rng) -> Box<dyn MegolmWriter> {
        self.writer(Fake.megolm_new(rng))
    }

    fn megolm_writer(&self, bytes: &[u8]) -> Result<Box<dyn MegolmWriter>, RatchetError> {
        Ok(self.writer(Fake.megolm_writer(bytes)?))
    }

    fn megolm_import(&self, export: &Export) -> Result<Box<dyn MegolmReader>, RatchetError> {
        Fake.megolm_import(export)
    }
}

#[derive(Debug)]
struct LyingWriter {
    inner: Box<dyn MegolmWriter>,
    program: Vec<u8>,
}

impl MegolmWriter for LyingWriter {
    fn encrypt(&mut self, plaintext: &[u8]) -> Vec<u8> {
        self.inner.encrypt(&patched(plaintext, &self.program))
    }

    fn index(&self) -> u32 {
        self.inner.index()
    }

    fn export(&self) -> Export {
        self.inner.export()
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.inner.to_bytes()
    }
}
