use super::*;

fn rng() -> Rng {
    Rng::new([1; 32])
}

/// Both implementations keep the same promises.
fn both(test: impl Fn(&dyn Ratchet)) {
    test(&Vodozemac);
    test(&Fake);
}

fn pair(ratchet: &dyn Ratchet) -> (AccountState, AccountState) {
    let mut rng = rng();
    (ratchet.account_new(&mut rng), ratchet.account_new(&mut rng))
}

fn started(ratchet: &dyn Ratchet) -> (OlmState, OlmState) {
    let (a, b) = pair(ratchet);
    let mut ours = ratchet.olm_start(&a, ratchet.account_keys(&b).unwrap(), &mut rng()).unwrap();
    let first = ratchet.olm_encrypt(&mut ours, b"hello", &mut rng()).unwrap();
    let identity = ratchet.account_keys(&a).unwrap().identity;
    let (theirs, plaintext) = ratchet.olm_accept(&b, identity, &first).unwrap();
    assert_eq!(plaintext, b"hello");
    (ours, theirs)
}

fn sent(ratchet: &dyn Ratchet, from: &mut OlmState, text: &[u8]) -> Vec<u8> {
    ratchet.olm_encrypt(from, text, &mut rng()).unwrap()
}

#[test]
fn a_session_turns_and_comes_back_from_its_bytes() {
    both(|r| {
        let (mut a, mut b) = started(r);
        for turn in 0..12u8 {
            let (from, to) = if turn % 2 == 0 { (&mut b, &mut a) } else { (&mut a, &mut b) };
            let message = sent(r, from, &[turn; 20]);
            assert_eq!(r.olm_decrypt(to, &message).unwrap(), [turn; 20]);
            assert!(r.olm_decrypt(to, &message).is_err());
        }
        assert_eq!(r.olm_id(&a), r.olm_id(&b));
    });
}

#[test]
fn a_pre_key_message_names_its_session_and_is_accepted_again() {
    both(|r| {
        let (a, b) = pair(r);
        let mut ours = r.olm_start(&a, r.account_keys(&b).unwrap(), &mut rng()).unwrap();
        let first = sent(r, &mut ours, b"x");
        assert_eq!(r.olm_session_of(&first), Some(r.olm_id(&ours).unwrap()));
        let identity = r.account_keys(&a).unwrap().identity;
        assert!(r.olm_accept(&b, identity, &first).is_ok());
        assert!(r.olm_accept(&b, identity, &first).is_ok());
        assert!(r.olm_accept(&b, [9; 32], &first).is_err());
    });
}

#[test]
fn only_the_generation_that_was_named_accepts() {
    both(|r| {
        let (a, b) = pair(r);
        let next = r.account_next(&b, &mut Rng::new([2; 32])).unwrap();
        let (old_keys, new_keys) = (r.account_keys(&b).unwrap(), r.account_keys(&next).unwrap());
        assert_eq!(old_keys.identity, new_keys.identity);
        assert_ne!(old_keys.fallback, new_keys.fallback);
        let mut ours = r.olm_start(&a, old_keys, &mut rng()).unwrap();
        let first = sent(r, &mut ours, b"x");
        let identity = r.account_keys(&a).unwrap().identity;
        assert!(r.olm_accept(&next, identity, &first).is_err());
        assert!(r.olm_accept(&b, identity, &first).is_ok());
    });
}

#[test]
fn forty_skipped_messages_of_a_chain_still_open() {
    both(|r| {
        let (mut a, mut b) = started(r);
        let messages: Vec<_> = (0..60u8).map(|n| sent(r, &mut a, &[n])).collect();
        assert!(r.olm_decrypt(&mut b, &messages[59]).is_ok());
        let opened = messages[..59].iter().filter(|m| r.olm_decrypt(&mut b, m).is_ok()).count();
        assert_eq!(opened, 40);
    });
}

#[test]
fn a_gap_of_more_than_two_thousand_is_refused() {
    both(|r| {
        let (mut a, mut b) = started(r);
        let messages: Vec<_> = (0..2100u32).map(|n| sent(r, &mut a, &n.to_le_bytes())).collect();
        assert!(r.olm_decrypt(&mut b, &messages[2099]).is_err());
        assert!(r.olm_decrypt(&mut b, &messages[1900]).is_ok());
        assert!(r.olm_decrypt(&mut b, &messages[2099]).is_ok());
    });
}

#[test]
fn five_receiving_chains_are_kept() {
    both(|r| {
        let (mut a, mut b) = started(r);
        let mut late = Vec::new();
        for turn in 0..8u8 {
            late.push(sent(r, &mut a, &[turn]));
            let message = sent(r, &mut a, b"now");
            assert!(r.olm_decrypt(&mut b, &message).is_ok());
            let answer = sent(r, &mut b, b"answer");
            assert!(r.olm_decrypt(&mut a, &answer).is_ok());
        }
        let opened: Vec<_> = late.iter().map(|m| r.olm_decrypt(&mut b, m).is_ok()).collect();
        assert_eq!(opened, [false, false, false, true, true, true, true, true]);
    });
}

#[test]
fn megolm_opens_in_any_order_from_its_export_on() {
    both(|r| {
        let mut writer = r.megolm_new(&mut rng());
        let early = writer.encrypt(b"early");
        let mut reader = r.megolm_import(&writer.export()).unwrap();
        let messages: Vec<_> = (1..50u8).map(|n| writer.encrypt(&[n])).collect();
        assert!(reader.decrypt(&early).is_err());
        for (n, message) in (1..50u8).zip(&messages).rev() {
            let opened = reader.decrypt(message).unwrap();
            assert_eq!((opened.index, opened.plaintext), (u32::from(n), vec![n]));
        }
        let mut later = r.megolm_import(&reader.export_at(30).unwrap()).unwrap();
        assert_eq!(later.first_index(), 30);
        assert!(later.decrypt(&messages[28]).is_err());
        assert!(later.decrypt(&messages[29]).is_ok());
        assert!(later.export_at(29).is_none());
    });
}

#[test]
fn a_megolm_writer_comes_back_from_its_bytes() {
    both(|r| {
        let mut writer = r.megolm_new(&mut rng());
        let mut reader = r.megolm_import(&writer.export()).unwrap();
        writer.encrypt(b"one");
        let mut again = r.megolm_writer(&writer.to_bytes()).unwrap();
        assert_eq!(again.index(), 1);
        assert_eq!(reader.decrypt(&again.encrypt(b"two")).unwrap().index, 1);
    });
}

#[test]
fn lengths_are_those_that_were_computed() {
    both(|r| {
        let (a, b) = pair(r);
        let mut ours = r.olm_start(&a, r.account_keys(&b).unwrap(), &mut rng()).unwrap();
        let mut writer = r.megolm_new(&mut rng());
        for (index, len) in
            (0..300u32).zip([0usize, 15, 16, 127, 128, 206, 207, 1000, 9000].into_iter().cycle())
        {
            assert_eq!(sent(r, &mut ours, &vec![7; len]).len(), olm_len(true, index, len));
            assert_eq!(writer.encrypt(&vec![7; len]).len(), megolm_len(index, len));
        }
        let (_, mut b) = started(r);
        assert_eq!(sent(r, &mut b, &[0; 206]).len(), olm_len(false, 0, 206));
    });
}

#[test]
fn attack_11_low_order_keys_begin_no_session() {
    let account = Vodozemac.account_new(&mut rng());
    let honest = Vodozemac.account_keys(&account).unwrap();
    for point in [[0; 32], one()] {
        let identity = AccountKeys { identity: point, ..honest };
        assert!(Vodozemac.olm_start(&account, identity, &mut rng()).is_err());
        let fallback = AccountKeys { fallback: point, ..honest };
        assert!(Vodozemac.olm_start(&account, fallback, &mut rng()).is_err());
    }
}

fn one() -> [u8; 32] {
    let mut point = [0; 32];
    point[0] = 1;
    point
}

#[test]
fn broken_states_are_errors() {
    both(|r| {
        let (mut olm, account) = (OlmState::from(vec![1, 2]), AccountState::from(vec![1, 2]));
        assert!(r.olm_encrypt(&mut olm, b"x", &mut rng()).is_err());
        assert!(r.account_keys(&account).is_err());
        assert!(r.megolm_writer(&[1]).is_err());
        assert!(r.olm_decrypt(&mut olm, &[]).is_err());
    });
}

#[test]
fn the_fake_follows_from_its_seed() {
    let states = || Fake.account_new(&mut rng());
    assert_eq!(states(), states());
}
