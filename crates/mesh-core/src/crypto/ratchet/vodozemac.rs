//! The ratchets of the product: vodozemac's Olm and Megolm, version 1 of both.

use super::{
    AccountKeys, AccountState, Decrypted, EXPORT_LEN, Export, MegolmReader, MegolmWriter, OlmId, OlmState,
    Ratchet, RatchetError,
};
use crate::rng::Rng;
use crate::wire::codec;
use core::fmt;
use serde::{Serialize, de::DeserializeOwned};
use vodozemac::megolm::{ExportedSessionKey, GroupSession, InboundGroupSession, MegolmMessage};
use vodozemac::olm::{Account, OlmMessage, Session, SessionPickle};
use vodozemac::{Curve25519PublicKey, megolm, olm};
use zeroize::Zeroizing;

/// The library's pickles hold one internally tagged type, which only a self-describing format can
/// read back: Olm sessions are kept in the library's own form, under this fixed key. What guards them
/// at rest is the store.
const PICKLE_KEY: [u8; 32] = [0; 32];

/// vodozemac 0.11. It draws from the operating system: the generators it is handed stay untouched.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vodozemac;

impl Ratchet for Vodozemac {
    fn account_new(&self, _rng: &mut Rng) -> AccountState {
        let mut account = Account::new();
        account.generate_fallback_key();
        AccountState(pickled(&account.pickle()))
    }

    fn account_next(&self, account: &AccountState, _rng: &mut Rng) -> Result<AccountState, RatchetError> {
        let mut account = account_of(account)?;
        account.generate_fallback_key();
        // The library keeps the previous key too; that one lives and dies with its own generation.
        account.forget_fallback_key();
        Ok(AccountState(pickled(&account.pickle())))
    }

    fn account_keys(&self, account: &AccountState) -> Result<AccountKeys, RatchetError> {
        let account = account_of(account)?;
        let identity = account.curve25519_key().to_bytes();
        // The library hides a key that was marked as published; these never are.
        let fallback = account.fallback_key().into_values().next();
        let fallback = fallback.ok_or(RatchetError::State { what: "account" })?.to_bytes();
        Ok(AccountKeys { identity, fallback })
    }

    fn olm_start(
        &self,
        account: &AccountState,
        their: AccountKeys,
        _rng: &mut Rng,
    ) -> Result<OlmState, RatchetError> {
        let identity = Curve25519PublicKey::from_bytes(their.identity);
        let fallback = Curve25519PublicKey::from_bytes(their.fallback);
        account_of(account)?
            .create_outbound_session(olm_config(), identity, fallback)
            .map(|session| olm_state(&session))
            .map_err(|_| RatchetError::Refused { what: "prekey" })
    }

    fn olm_accept(
        &self,
        account: &AccountState,
        their_identity: [u8; 32],
        message: &[u8],
    ) -> Result<(OlmState, Vec<u8>), RatchetError> {
        let OlmMessage::PreKey(message) = olm_message(message)? else {
            return Err(RatchetError::Malformed { what: "pre-key message" });
        };
        let identity = Curve25519PublicKey::from_bytes(their_identity);
        account_of(account)?
            .create_inbound_session(olm_config(), identity, &message)
            .map(|made| (olm_state(&made.session), made.plaintext))
            .map_err(|_| RatchetError::Refused { what: "pre-key message" })
    }

    fn olm_session_of(&self, message: &[u8]) -> Option<OlmId> {
        match olm_message(message).ok()? {
            OlmMessage::PreKey(message) => olm_id(&message.session_id()),
            OlmMessage::Normal(_) => None,
        }
    }

    fn olm_id(&self, session: &OlmState) -> Result<OlmId, RatchetError> {
        olm_id(&olm_of(session)?.session_id()).ok_or(RatchetError::State { what: "Olm session" })
    }

    fn olm_encrypt(
        &self,
        session: &mut OlmState,
        plaintext: &[u8],
        _rng: &mut Rng,
    ) -> Result<Vec<u8>, RatchetError> {
        let mut live = olm_of(session)?;
        let message = live.encrypt(plaintext).map_err(|_| RatchetError::Refused { what: "ratchet key" })?;
        *session = olm_state(&live);
        let (kind, bytes) = message.to_parts();
        let kind = u8::try_from(kind).map_err(|_| RatchetError::Malformed { what: "Olm message" })?;
        Ok([&[kind], &bytes[..]].concat())
    }

    fn olm_decrypt(&self, session: &mut OlmState, message: &[u8]) -> Result<Vec<u8>, RatchetError> {
        let message = olm_message(message)?;
        let mut live = olm_of(session)?;
        let plaintext = live.decrypt(&message).map_err(|_| RatchetError::Refused { what: "Olm message" })?;
        *session = olm_state(&live);
        Ok(plaintext)
    }

    fn megolm_new(&self, _rng: &mut Rng) -> Box<dyn MegolmWriter> {
        Box::new(Writer(GroupSession::new(megolm_config())))
    }

    fn megolm_writer(&self, bytes: &[u8]) -> Result<Box<dyn MegolmWriter>, RatchetError> {
        Ok(Box::new(Writer(GroupSession::from_pickle(unpickled(bytes, "Megolm writer")?))))
    }

    fn megolm_import(&self, export: &Export) -> Result<Box<dyn MegolmReader>, RatchetError> {
        let key = ExportedSessionKey::from_bytes(export)
            .map_err(|_| RatchetError::Malformed { what: "Megolm export" })?;
        Ok(Box::new(Reader(InboundGroupSession::import(&key, megolm_config()))))
    }
}

struct Writer(GroupSession);

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer(#{})", self.0.message_index())
    }
}

impl MegolmWriter for Writer {
    fn encrypt(&mut self, plaintext: &[u8]) -> Vec<u8> {
        self.0.encrypt(plaintext).to_bytes()
    }

    fn index(&self) -> u32 {
        self.0.message_index()
    }

    fn export(&self) -> Export {
        export_bytes(&InboundGroupSession::from(&self.0).export_at_first_known_index())
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        pickled(&self.0.pickle())
    }
}

struct Reader(InboundGroupSession);

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader(from #{})", self.0.first_known_index())
    }
}

impl MegolmReader for Reader {
    fn decrypt(&mut self, message: &[u8]) -> Result<Decrypted, RatchetError> {
        let message = MegolmMessage::from_bytes(message)
            .map_err(|_| RatchetError::Malformed { what: "Megolm message" })?;
        let opened =
            self.0.decrypt(&message).map_err(|_| RatchetError::Refused { what: "Megolm message" })?;
        Ok(Decrypted { index: opened.message_index, plaintext: opened.plaintext })
    }

    fn first_index(&self) -> u32 {
        self.0.first_known_index()
    }

    fn export_at(&mut self, index: u32) -> Option<Export> {
        self.0.export_at(index).map(|key| export_bytes(&key))
    }
}

fn export_bytes(key: &ExportedSessionKey) -> Export {
    let bytes = Zeroizing::new(key.to_bytes());
    let mut export = [0; EXPORT_LEN];
    export.copy_from_slice(&bytes);
    export
}

fn olm_config() -> olm::SessionConfig {
    olm::SessionConfig::version_1()
}

fn megolm_config() -> megolm::SessionConfig {
    megolm::SessionConfig::version_1()
}

fn pickled<T: Serialize>(pickle: &T) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(codec::encode(pickle))
}

fn unpickled<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, RatchetError> {
    codec::decode(bytes).map_err(|_| RatchetError::State { what })
}

fn account_of(state: &AccountState) -> Result<Account, RatchetError> {
    Ok(Account::from_pickle(unpickled(&state.0, "account")?))
}

fn olm_state(session: &Session) -> OlmState {
    OlmState(Zeroizing::new(session.pickle().encrypt(&PICKLE_KEY).into_bytes()))
}

fn olm_of(state: &OlmState) -> Result<Session, RatchetError> {
    let broken = RatchetError::State { what: "Olm session" };
    let text = core::str::from_utf8(&state.0).map_err(|_| broken)?;
    SessionPickle::from_encrypted(text, &PICKLE_KEY).map(Session::from_pickle).map_err(|_| broken)
}

fn olm_message(bytes: &[u8]) -> Result<OlmMessage, RatchetError> {
    let malformed = RatchetError::Malformed { what: "Olm message" };
    let (kind, rest) = bytes.split_first().ok_or(malformed)?;
    OlmMessage::from_parts(usize::from(*kind), rest).map_err(|_| malformed)
}

fn olm_id(text: &str) -> Option<OlmId> {
    data_encoding::BASE64_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
}
