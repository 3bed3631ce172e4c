use super::*;
use crate::crypto::dh::low_order_points;
use crate::rng::Rng;
use proptest::prelude::*;

fn key(seed: u8) -> X25519Secret {
    X25519Secret::generate(&mut Rng::new([seed; 32]))
}

/// The three messages, and both ends.
fn shake() -> ([Vec<u8>; 3], Channel, Channel) {
    let (dialer, first) = Handshake::dial(&key(1), Rng::new([11; 32]));
    let listener = Handshake::listen(&key(2), Rng::new([12; 32]));
    let Ok(Step::Reply(listener, second)) = listener.read(&first) else { panic!("a reply") };
    let Ok(Step::Done(dialer, Some(third))) = dialer.read(&second) else { panic!("the dialer is done") };
    let Ok(Step::Done(listener, None)) = listener.read(&third) else { panic!("the listener is done") };
    ([first, second, third], *dialer, *listener)
}

#[test]
fn three_messages_make_a_channel_that_both_ends_know_by_the_same_binding() {
    let (messages, dialer, listener) = shake();
    assert_eq!(messages.map(|message| message.len()), [32, 96, 64]);
    assert_eq!(dialer.binding(), listener.binding());
    assert_eq!((dialer.ours(), dialer.theirs()), (key(1).public(), key(2).public()));
    assert_eq!((listener.ours(), listener.theirs()), (key(2).public(), key(1).public()));
}

#[test]
fn the_bytes_of_a_handshake_and_of_a_message_are_fixed() {
    let (messages, mut dialer, _) = shake();
    let mut hasher = blake3::Hasher::new();
    messages.iter().for_each(|message| {
        hasher.update(message);
    });
    hasher.update(&dialer.seal(Stream::Control, b"hello").unwrap());
    hasher.update(&dialer.seal(Stream::Bulk, &[7; MAX_FRAME]).unwrap());
    hasher.update(&dialer.seal(Stream::Notice, &[1]).unwrap());
    assert_eq!(
        hasher.finalize().to_hex().as_str(),
        "d2703389a34a88e31e36ec961fa58387bfcf3663170950790401c7f582542b16"
    );
}

#[test]
fn every_stream_opens_in_its_own_order_whatever_the_others_do() {
    let (_, mut dialer, mut listener) = shake();
    let control: Vec<_> = (0..3_u8).map(|n| dialer.seal(Stream::Control, &[n]).unwrap()).collect();
    let bulk: Vec<_> = (0..3_u8).map(|n| dialer.seal(Stream::Bulk, &[n]).unwrap()).collect();
    for n in 0..3_u8 {
        assert_eq!(listener.open(Stream::Bulk, &bulk[usize::from(n)]), Ok(vec![n]));
    }
    for n in 0..3_u8 {
        assert_eq!(listener.open(Stream::Control, &control[usize::from(n)]), Ok(vec![n]));
    }
}

#[test]
fn a_message_is_worth_nothing_in_another_place_stream_or_direction() {
    let (_, mut dialer, mut listener) = shake();
    let (first, second) =
        (dialer.seal(Stream::Control, b"1").unwrap(), dialer.seal(Stream::Control, b"2").unwrap());
    assert!(listener.open(Stream::Bulk, &first).is_err(), "another stream");
    assert!(dialer.open(Stream::Control, &first).is_err(), "reflected");
    assert!(listener.open(Stream::Control, &second).is_err(), "the first is missing");
    let (_, mut dialer, mut listener) = shake();
    let first = dialer.seal(Stream::Control, b"1").unwrap();
    assert!(listener.open(Stream::Control, &first).is_ok());
    assert!(listener.open(Stream::Control, &first).is_err(), "a repetition");
}

#[test]
fn the_longest_frame_takes_two_tags_and_cannot_be_cut() {
    let (_, mut dialer, mut listener) = shake();
    let frame: Vec<u8> = (0..MAX_FRAME).map(|n| n as u8).collect();
    let sealed = dialer.seal(Stream::Bulk, &frame).unwrap();
    assert_eq!(sealed.len(), MAX_SEALED);
    assert_eq!(listener.open(Stream::Bulk, &sealed).unwrap(), frame);
    let sealed = dialer.seal(Stream::Bulk, &frame).unwrap();
    assert!(listener.open(Stream::Bulk, &sealed[..65_535]).is_err(), "the second part is missing");
}

#[test]
fn empty_and_oversize_frames_are_not_sealed() {
    let (_, mut dialer, mut listener) = shake();
    assert_eq!(dialer.seal(Stream::Control, &[]), Err(ChannelError::Length { got: 0 }));
    let got = MAX_FRAME + 1;
    assert_eq!(dialer.seal(Stream::Bulk, &vec![0; got]), Err(ChannelError::Length { got }));
    assert!(listener.open(Stream::Bulk, &vec![0; MAX_SEALED + 1]).is_err());
    assert!(listener.open(Stream::Bulk, &[0; TAG]).is_err(), "a tag alone says nothing");
}

#[test]
fn low_order_points_make_no_channel() {
    for point in low_order_points() {
        let listener = Handshake::listen(&key(2), Rng::new([12; 32]));
        let Ok(Step::Reply(listener, _)) = listener.read(&point) else { continue };
        assert!(listener.read(&[0; 64]).is_err());
    }
}

#[test]
fn a_handshake_message_with_a_payload_is_refused() {
    let mut state = noise::builder(Pattern::Link, Rng::new([1; 32]))
        .prologue(PROLOGUE)
        .unwrap()
        .local_private_key(key(1).private())
        .unwrap()
        .build_initiator()
        .unwrap();
    let mut message = [0; 64];
    let length = state.write_message(b"x", &mut message).unwrap();
    let listener = Handshake::listen(&key(2), Rng::new([12; 32]));
    assert!(matches!(listener.read(&message[..length]), Err(ChannelError::Handshake { got: 33 })));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_in_a_handshake(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let listener = Handshake::listen(&key(2), Rng::new([12; 32]));
        if let Ok(Step::Reply(listener, _)) = listener.read(&bytes) {
            prop_assert_eq!(bytes.len(), 32);
            prop_assert!(listener.read(&bytes).is_err());
        }
        let (dialer, _) = Handshake::dial(&key(1), Rng::new([11; 32]));
        prop_assert!(dialer.read(&bytes).is_err());
    }

    #[test]
    fn one_changed_bit_anywhere_is_noticed(frame in proptest::collection::vec(any::<u8>(), 1..300), at: prop::sample::Index, bit in 0..8_u8) {
        let (_, mut dialer, mut listener) = shake();
        let mut sealed = dialer.seal(Stream::Control, &frame).unwrap();
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(listener.open(Stream::Control, &sealed).is_err());
    }
}
