use super::*;
use crate::crypto::account::AccountSecret;
use crate::crypto::device::DeviceSecret;
use crate::crypto::dh::X25519Secret;
use crate::id::{AckCommit, Tag};
use crate::wire::{Envelope, Lifetime};

fn rng() -> Rng {
    Rng::new([7; 32])
}

fn header(size: SizeClass) -> Header {
    Envelope::header(size, Lifetime::Fortnight, Tag([1; 16]), AckCommit([2; 16]))
}

fn cert(seed: u8) -> Cert {
    let mut rng = Rng::new([seed; 32]);
    let device = DeviceSecret::generate(&mut rng);
    let account = AccountSecret::generate(&mut rng).key();
    Cert { account, list_seq: 1, device: device.key(), noise: device.noise().public(), olm: [0; 32] }
}

struct Pair {
    from: X25519Secret,
    prekey: X25519Secret,
    to: Cert,
}

fn sealed(psk: &[u8; 32], payload: &[u8]) -> (Pair, Header, Vec<u8>) {
    let pair = Pair {
        from: X25519Secret::generate(&mut Rng::new([3; 32])),
        prekey: X25519Secret::generate(&mut Rng::new([4; 32])),
        to: cert(5),
    };
    let header = header(FIRST_CLASS);
    let prekey = pair.prekey.public();
    let seal = FirstSeal { header: &header, from: pair.from.private(), to: &pair.to, prekey: &prekey, psk };
    let body = Noise.seal_first(&seal, payload, &mut rng()).unwrap();
    (pair, header, body)
}

fn psks(keys: &[[u8; 32]]) -> Vec<Zeroizing<[u8; 32]>> {
    keys.iter().map(|key| Zeroizing::new(*key)).collect()
}

#[test]
fn a_first_contact_opens_and_names_sender_and_key() {
    let (pair, header, body) = sealed(&[9; 32], b"hello");
    let open = FirstOpen { header: &header, body: &body, to: &pair.to, prekey: pair.prekey.private() };
    let opened = Noise.open_first(&open, &psks(&[[1; 32], [9; 32]]));
    let payload = Zeroizing::new(b"hello".to_vec());
    assert_eq!(opened, FirstOpened::Opened { sender: pair.from.public(), psk: 1, payload });
    assert_eq!(Noise.open_first(&open, &psks(&[[1; 32]])), FirstOpened::NoKey);
}

#[test]
fn a_first_contact_for_another_prekey_is_foreign() {
    let (pair, header, body) = sealed(&[9; 32], b"hello");
    let other = X25519Secret::generate(&mut Rng::new([8; 32]));
    let open = FirstOpen { header: &header, body: &body, to: &pair.to, prekey: other.private() };
    assert_eq!(Noise.open_first(&open, &psks(&[[9; 32]])), FirstOpened::Foreign);
}

#[test]
fn a_first_contact_is_bound_to_its_addressee() {
    let (pair, header, body) = sealed(&[9; 32], b"hello");
    let (prekey, psks) = (pair.prekey.private(), psks(&[[9; 32]]));
    let other_device = Cert { device: cert(6).device, ..pair.to.clone() };
    let other_account = Cert { account: cert(6).account, ..pair.to.clone() };
    for to in [&other_device, &other_account] {
        let open = FirstOpen { header: &header, body: &body, to, prekey };
        assert_eq!(Noise.open_first(&open, &psks), FirstOpened::Foreign);
    }
}

#[test]
fn attack_20_every_header_bit_is_bound() {
    let (pair, first_header, first_body) = sealed(&[9; 32], b"hello");
    let session_header = header(SizeClass::B256);
    let body = Noise.seal(&session_header, &[4; 32], SizeClass::B256, b"text", &mut rng()).unwrap();
    assert_eq!(Noise.open(&session_header, &[4; 32], &body).unwrap().as_slice(), b"text");
    for bit in 0..HEADER_LEN * 8 {
        let mut changed = session_header;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Noise.open(&changed, &[4; 32], &body).is_none());
    }
    for bit in (0..HEADER_LEN * 8).step_by(17) {
        let mut changed = first_header;
        changed[bit / 8] ^= 1 << (bit % 8);
        let open =
            FirstOpen { header: &changed, body: &first_body, to: &pair.to, prekey: pair.prekey.private() };
        assert_eq!(Noise.open_first(&open, &psks(&[[9; 32]])), FirstOpened::Foreign);
    }
}

#[test]
fn every_byte_of_a_body_is_bound() {
    let header = header(SizeClass::B256);
    let body = Noise.seal(&header, &[4; 32], SizeClass::B256, b"text", &mut rng()).unwrap();
    for at in 0..body.len() {
        let mut changed = body.clone();
        changed[at] ^= 1;
        assert!(Noise.open(&header, &[4; 32], &changed).is_none());
    }
}

#[test]
fn a_seal_follows_from_its_seed() {
    let header = header(SizeClass::B576);
    let seal = || Noise.seal(&header, &[4; 32], SizeClass::B576, b"text", &mut rng()).unwrap();
    assert_eq!(seal(), seal());
}

#[test]
fn attack_36_lengths_at_every_edge() {
    let limit = SizeClass::B256.body_len() - SESSION_OVERHEAD;
    let header = header(SizeClass::B256);
    for len in [0, 1, limit - 1, limit] {
        let body = Noise.seal(&header, &[4; 32], SizeClass::B256, &vec![7; len], &mut rng()).unwrap();
        assert_eq!(Noise.open(&header, &[4; 32], &body).unwrap().len(), len);
    }
    let over = Noise.seal(&header, &[4; 32], SizeClass::B256, &vec![7; limit + 1], &mut rng());
    assert_eq!(over, Err(TooLong { got: limit + 1, limit }));
    assert!(unpadded(&[255, 255, 0]).is_none());
    assert!(unpadded(&[1]).is_none());
    assert!(unpadded(&[1, 0, 7, 1]).is_none());
    assert_eq!(unpadded(&[1, 0, 7, 0]).unwrap().as_slice(), [7]);
}
