//! A seeded model of the ratchets: the same limits and the same lengths, and no secrecy at all.
//!
//! Messages stand readable in what it "encrypts", and their codes can be computed by whoever reads
//! them. It exists because vodozemac takes no generator, so that a world built on it gives another
//! trace at each run.

use super::{
    AccountKeys, AccountState, Decrypted, EXPORT_LEN, Export, MegolmReader, MegolmWriter, OlmId, OlmState,
    Ratchet, RatchetError, megolm_len, olm_len,
};
use crate::crypto::kdf;
use crate::rng::Rng;
use crate::wire::codec;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Keys of skipped messages that a chain keeps.
const SKIPPED: usize = 40;
/// The farthest that a message may lie ahead in its chain.
const GAP: u32 = 2000;
/// Receiving chains that a session keeps.
const CHAINS: usize = 5;

const MALFORMED: RatchetError = RatchetError::Malformed { what: "Olm message" };
const REFUSED: RatchetError = RatchetError::Refused { what: "Olm message" };

/// The seeded model; all chance comes from the generators it is handed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fake;

#[derive(Serialize, Deserialize)]
struct Account {
    identity: [u8; 32],
    fallback: [u8; 32],
}

#[derive(Serialize, Deserialize)]
struct Session {
    keys: Keys,
    started_here: bool,
    /// The number of our sending chain; 0 before the first.
    sending: u32,
    /// Whether the next message begins a new chain.
    turn: bool,
    next_index: u32,
    /// How many chains of the peer were seen; the numbers of the kept ones stand in `chains`.
    received: u32,
    chains: Vec<Chain>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct Keys {
    identity: [u8; 32],
    fallback: [u8; 32],
    base: [u8; 32],
}

#[derive(Clone, Serialize, Deserialize)]
struct Chain {
    number: u32,
    next: u32,
    skipped: Vec<u32>,
}

/// The parts of a message: whose session (in a pre-key message), chain, index, code, plaintext.
struct Parts {
    prekey: Option<Keys>,
    chain: u32,
    index: u32,
    code: [u8; 16],
    plaintext: Vec<u8>,
}

impl Ratchet for Fake {
    fn account_new(&self, rng: &mut Rng) -> AccountState {
        pack_account(&Account { identity: rng.bytes(), fallback: rng.bytes() })
    }

    fn account_next(&self, account: &AccountState, rng: &mut Rng) -> Result<AccountState, RatchetError> {
        let Account { identity, .. } = account_of(account)?;
        Ok(pack_account(&Account { identity, fallback: rng.bytes() }))
    }

    fn account_keys(&self, account: &AccountState) -> Result<AccountKeys, RatchetError> {
        let Account { identity, fallback } = account_of(account)?;
        Ok(AccountKeys { identity, fallback })
    }

    fn olm_start(
        &self,
        account: &AccountState,
        their: AccountKeys,
        rng: &mut Rng,
    ) -> Result<OlmState, RatchetError> {
        let keys =
            Keys { identity: account_of(account)?.identity, fallback: their.fallback, base: rng.bytes() };
        let (sending, next_index, received, chains) = (0, 0, 0, Vec::new());
        let turn = true;
        Ok(pack(&Session { keys, started_here: true, sending, turn, next_index, received, chains }))
    }

    fn olm_accept(
        &self,
        account: &AccountState,
        their_identity: [u8; 32],
        message: &[u8],
    ) -> Result<(OlmState, Vec<u8>), RatchetError> {
        let parts = parse(message)?;
        let keys = parts.prekey.ok_or(MALFORMED)?;
        if keys.identity != their_identity || keys.fallback != account_of(account)?.fallback {
            return Err(REFUSED);
        }
        let (sending, next_index, received, chains) = (0, 0, 0, Vec::new());
        let mut session =
            Session { keys, started_here: false, sending, turn: true, next_index, received, chains };
        let plaintext = session.decrypt(parts)?;
        Ok((pack(&session), plaintext))
    }

    fn olm_session_of(&self, message: &[u8]) -> Option<OlmId> {
        parse(message).ok()?.prekey.map(|keys| keys.id())
    }

    fn olm_id(&self, session: &OlmState) -> Result<OlmId, RatchetError> {
        Ok(session_of(session)?.keys.id())
    }

    fn olm_encrypt(
        &self,
        session: &mut OlmState,
        plaintext: &[u8],
        _rng: &mut Rng,
    ) -> Result<Vec<u8>, RatchetError> {
        let mut live = session_of(session)?;
        let message = live.encrypt(plaintext);
        *session = pack(&live);
        Ok(message)
    }

    fn olm_decrypt(&self, session: &mut OlmState, message: &[u8]) -> Result<Vec<u8>, RatchetError> {
        let mut live = session_of(session)?;
        let plaintext = live.decrypt(parse(message)?)?;
        *session = pack(&live);
        Ok(plaintext)
    }

    fn megolm_new(&self, rng: &mut Rng) -> Box<dyn MegolmWriter> {
        Box::new(Megolm { secret: rng.bytes(), index: 0 })
    }

    fn megolm_writer(&self, bytes: &[u8]) -> Result<Box<dyn MegolmWriter>, RatchetError> {
        let megolm: Megolm =
            codec::decode(bytes).map_err(|_| RatchetError::State { what: "Megolm writer" })?;
        Ok(Box::new(megolm))
    }

    fn megolm_import(&self, export: &Export) -> Result<Box<dyn MegolmReader>, RatchetError> {
        let malformed = RatchetError::Malformed { what: "Megolm export" };
        let (version, rest) = export.split_first().ok_or(malformed)?;
        let (index, rest) = rest.split_first_chunk::<4>().ok_or(malformed)?;
        let (secret, _) = rest.split_first_chunk::<32>().ok_or(malformed)?;
        let megolm = Megolm { secret: *secret, index: u32::from_be_bytes(*index) };
        if *version != 1 || megolm.export() != *export {
            return Err(malformed);
        }
        Ok(Box::new(megolm))
    }
}

impl Keys {
    fn id(&self) -> OlmId {
        kdf("fake olm", &[&self.identity, &self.base, &self.fallback])
    }
}

impl Session {
    fn encrypt(&mut self, plaintext: &[u8]) -> Vec<u8> {
        if self.turn {
            (self.sending, self.next_index, self.turn) = (self.sending + 1, 0, false);
        }
        let index = self.next_index;
        self.next_index += 1;
        let code = self.code(self.started_here, self.sending, index, plaintext);
        let prekey = (self.started_here && self.received == 0).then_some(self.keys);
        build(&Parts { prekey, chain: self.sending, index, code, plaintext: plaintext.to_vec() })
    }

    fn decrypt(&mut self, parts: Parts) -> Result<Vec<u8>, RatchetError> {
        let Parts { prekey, chain: number, index, code, plaintext } = parts;
        let foreign = prekey.is_some_and(|keys| keys.id() != self.keys.id());
        if foreign || code != self.code(!self.started_here, number, index, &plaintext) {
            return Err(REFUSED);
        }
        let mut chain = self.chain(number)?;
        if index < chain.next {
            let at = chain.skipped.iter().position(|i| *i == index).ok_or(REFUSED)?;
            chain.skipped.remove(at);
        } else {
            if index - chain.next > GAP {
                return Err(REFUSED);
            }
            chain.skipped.extend(chain.next..index);
            let surplus = chain.skipped.len().saturating_sub(SKIPPED);
            chain.skipped.drain(..surplus);
            chain.next = index + 1;
        }
        self.keep(chain);
        Ok(plaintext)
    }

    /// The receiving chain of this number, new where it is the peer's next one.
    fn chain(&self, number: u32) -> Result<Chain, RatchetError> {
        if let Some(chain) = self.chains.iter().find(|c| c.number == number) {
            return Ok(chain.clone());
        }
        let is_next = number == self.received + 1;
        is_next.then(|| Chain { number, next: 0, skipped: Vec::new() }).ok_or(REFUSED)
    }

    fn keep(&mut self, chain: Chain) {
        if let Some(kept) = self.chains.iter_mut().find(|c| c.number == chain.number) {
            *kept = chain;
            return;
        }
        (self.received, self.turn) = (chain.number, true);
        self.chains.push(chain);
        if self.chains.len() > CHAINS {
            self.chains.remove(0);
        }
    }

    fn code(&self, by_starter: bool, chain: u32, index: u32, plaintext: &[u8]) -> [u8; 16] {
        let (chain, index) = (chain.to_le_bytes(), index.to_le_bytes());
        let parts: [&[u8]; 5] = [&self.keys.id(), &[u8::from(by_starter)], &chain, &index, plaintext];
        first_16(&kdf("fake olm code", &parts))
    }
}

fn build(parts: &Parts) -> Vec<u8> {
    let len = parts.plaintext.len();
    let mut bytes = vec![u8::from(parts.prekey.is_none())];
    if let Some(keys) = &parts.prekey {
        bytes.extend_from_slice(&[keys.identity, keys.fallback, keys.base].concat());
    }
    bytes.extend_from_slice(&parts.chain.to_le_bytes());
    bytes.extend_from_slice(&parts.index.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(&parts.code);
    bytes.extend_from_slice(&parts.plaintext);
    bytes.resize(olm_len(parts.prekey.is_some(), parts.index, len), 0);
    bytes
}

fn parse(message: &[u8]) -> Result<Parts, RatchetError> {
    let (kind, mut rest) = message.split_first().ok_or(MALFORMED)?;
    let prekey = match kind {
        0 => Some(Keys { identity: take(&mut rest)?, fallback: take(&mut rest)?, base: take(&mut rest)? }),
        1 => None,
        _ => return Err(MALFORMED),
    };
    let (chain, index) = (u32::from_le_bytes(take(&mut rest)?), u32::from_le_bytes(take(&mut rest)?));
    let len = u32::from_le_bytes(take(&mut rest)?) as usize;
    let code = take(&mut rest)?;
    let plaintext = rest.get(..len).ok_or(MALFORMED)?.to_vec();
    if message.len() != olm_len(prekey.is_some(), index, len) {
        return Err(MALFORMED);
    }
    Ok(Parts { prekey, chain, index, code, plaintext })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], RatchetError> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(MALFORMED)?;
    *rest = tail;
    Ok(*head)
}

fn pack_account(account: &Account) -> AccountState {
    codec::encode(account).into()
}

fn account_of(state: &AccountState) -> Result<Account, RatchetError> {
    codec::decode(&state.0).map_err(|_| RatchetError::State { what: "account" })
}

fn pack(session: &Session) -> OlmState {
    codec::encode(session).into()
}

fn session_of(state: &OlmState) -> Result<Session, RatchetError> {
    codec::decode(&state.0).map_err(|_| RatchetError::State { what: "Olm session" })
}

fn first_16(hash: &[u8; 32]) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    first
}

/// Both directions of a Megolm session: one secret and the first index that it may use.
#[derive(Debug, Serialize, Deserialize)]
struct Megolm {
    secret: [u8; 32],
    index: u32,
}

impl Megolm {
    fn code(&self, index: u32, plaintext: &[u8]) -> [u8; 16] {
        first_16(&kdf("fake megolm code", &[&self.secret, &index.to_le_bytes(), plaintext]))
    }
}

impl MegolmWriter for Megolm {
    fn encrypt(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let len = u32::try_from(plaintext.len()).unwrap_or(u32::MAX);
        let mut bytes = vec![3];
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&len.to_le_bytes());
        bytes.extend_from_slice(&self.code(self.index, plaintext));
        bytes.extend_from_slice(plaintext);
        bytes.resize(megolm_len(self.index, plaintext.len()), 0);
        self.index += 1;
        bytes
    }

    fn index(&self) -> u32 {
        self.index
    }

    fn export(&self) -> Export {
        let mut export = [0; EXPORT_LEN];
        export[0] = 1;
        export[1..5].copy_from_slice(&self.index.to_be_bytes());
        export[5..37].copy_from_slice(&self.secret);
        export[133..].copy_from_slice(&kdf("fake megolm name", &[&self.secret]));
        export
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(self))
    }
}

impl MegolmReader for Megolm {
    fn decrypt(&mut self, message: &[u8]) -> Result<Decrypted, RatchetError> {
        let what = "Megolm message";
        let malformed = |_| RatchetError::Malformed { what };
        let (_, mut rest) = message.split_first().ok_or(RatchetError::Malformed { what })?;
        let index = u32::from_le_bytes(take(&mut rest).map_err(malformed)?);
        let len = u32::from_le_bytes(take(&mut rest).map_err(malformed)?) as usize;
        let code: [u8; 16] = take(&mut rest).map_err(malformed)?;
        let plaintext = rest.get(..len).ok_or(RatchetError::Malformed { what })?;
        if index < self.index || code != self.code(index, plaintext) {
            return Err(RatchetError::Refused { what });
        }
        Ok(Decrypted { index, plaintext: plaintext.to_vec() })
    }

    fn first_index(&self) -> u32 {
        self.index
    }

    fn export_at(&mut self, index: u32) -> Option<Export> {
        (index >= self.index).then(|| Self { secret: self.secret, index }.export())
    }
}
