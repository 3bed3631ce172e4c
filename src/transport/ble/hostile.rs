//! Neighbours that break the rules, with the bare radio in their hands.

use super::fake::{Air, Weather};
use super::radio::{Radio, RadioEvent, RadioOrder, Remote, Side, Wire};
use super::value::{Body, HEADER, Value};
use super::*;
use mesh_core::crypto::channel::{Channel, Handshake, Step, Stream};
use mesh_core::crypto::dh::X25519Secret;
use std::time::Duration;
use tokio::time::{Instant, timeout};

const SECOND: Duration = Duration::from_secs(1);

/// A correct node that is attacked; its radio has the number 0.
struct Victim {
    handle: BleHandle,
    events: mpsc::Receiver<TransportEvent>,
}

impl Victim {
    fn new(air: &Air) -> Self {
        let (events, told) = mpsc::channel(1024);
        let config = BleConfig::default();
        let handle = Ble::start_seeded(config, vec![air.radio()], LinkIds::of(1), events, air.rng()).unwrap();
        Self { handle, events: told }
    }

    /// The next event that is about a link.
    async fn event(&mut self, limit: Duration) -> Option<TransportEvent> {
        let end = Instant::now() + limit;
        loop {
            match tokio::time::timeout_at(end, self.events.recv()).await.ok()?? {
                TransportEvent::Radio { .. } | TransportEvent::Rotated | TransportEvent::Heard { .. } => {}
                event => return Some(event),
            }
        }
    }
}

/// A bare radio that advertises higher than anybody, so that nobody is expected to be dialled by the victim at once.
struct Attacker {
    radio: Radio,
}

const VICTIM: Remote = Remote(0);
const WIRE: Wire = Wire { remote: VICTIM, side: Side::Central };

impl Attacker {
    async fn order(&self, order: RadioOrder) {
        self.radio.orders.send(order).await.unwrap();
    }

    async fn expect(&mut self, limit: Duration, wanted: impl Fn(&RadioEvent) -> bool) -> Option<RadioEvent> {
        let end = Instant::now() + limit;
        loop {
            let event = tokio::time::timeout_at(end, self.radio.events.recv()).await.ok()??;
            if wanted(&event) {
                return Some(event);
            }
        }
    }

    async fn connect(&mut self) -> bool {
        self.order(RadioOrder::Connect(VICTIM)).await;
        let end = |event: &RadioEvent| {
            matches!(event, RadioEvent::Connected { wire: WIRE, .. } | RadioEvent::Failed { .. })
        };
        matches!(self.expect(SECOND * 11, end).await, Some(RadioEvent::Connected { .. }))
    }

    async fn send(&self, value: Vec<u8>) {
        self.order(RadioOrder::Send { wire: WIRE, value, confirmed: false }).await;
    }

    /// Whether somebody connects to it.
    async fn is_dialled(&mut self, limit: Duration) -> bool {
        let dialled = |event: &RadioEvent| matches!(event, RadioEvent::Connected { wire, .. } if wire.side == Side::Peripheral);
        self.expect(limit, dialled).await.is_some()
    }

    async fn is_thrown_out(&mut self, limit: Duration) -> bool {
        self.expect(limit, |event| matches!(event, RadioEvent::Lost { .. })).await.is_some()
    }

    /// A handshake as a correct neighbour does it, by a pipe of its own.
    async fn link(&mut self) -> (super::pipe::Pipe, Channel) {
        assert!(self.connect().await);
        let mut pipe = super::pipe::Pipe::dial(link::now(), 0x1234, 509);
        let key = X25519Secret::generate(&mut Rng::new([8; 32]));
        let (handshake, first) = Handshake::dial(&key, Rng::new([9; 32]));
        pipe.send(Lane::Control, false, &first);
        let second = self.message(&mut pipe).await;
        let Ok(Step::Done(channel, Some(third))) = handshake.read(&second) else { panic!("no handshake") };
        pipe.send(Lane::Control, false, &third);
        self.flush(&mut pipe).await;
        (pipe, *channel)
    }

    async fn flush(&self, pipe: &mut super::pipe::Pipe) {
        while let Some(value) = pipe.poll_value(link::now()) {
            self.send(value.bytes).await;
        }
    }

    async fn message(&mut self, pipe: &mut super::pipe::Pipe) -> Vec<u8> {
        loop {
            self.flush(pipe).await;
            if let Some(message) = pipe.poll_message() {
                return message.bytes;
            }
            let event = self.expect(SECOND * 5, |event| matches!(event, RadioEvent::Value { .. })).await;
            let Some(RadioEvent::Value { value, .. }) = event else { panic!("no answer") };
            pipe.on_value(link::now(), &value).unwrap();
        }
    }
}

async fn attacked() -> (Air, Victim, Attacker) {
    let air = Air::new(Weather::default());
    let (victim, attacker) = (Victim::new(&air), Attacker { radio: air.radio() });
    tokio::time::sleep(SECOND).await;
    (air, victim, attacker)
}

fn value(link: u16, seq: u16, open: bool, bytes: &[u8]) -> Vec<u8> {
    let body = Body::Piece { lane: Lane::Control, bytes };
    Value { link, seq, ack: 0, open, ask: false, body }.encode()
}

#[tokio::test(start_paused = true)]
async fn attack_50_who_connects_and_says_nothing_is_thrown_out_and_kept_out_for_a_minute() {
    let (_air, _victim, mut attacker) = attacked().await;
    assert!(attacker.connect().await);
    assert!(attacker.is_thrown_out(link::FIRST_WORD + SECOND).await);
    assert!(attacker.connect().await, "the radio connects");
    assert!(attacker.is_thrown_out(SECOND).await, "and the node refuses");
    tokio::time::sleep(SECOND * 60).await;
    assert!(attacker.connect().await);
    assert!(!attacker.is_thrown_out(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn who_begins_a_handshake_that_is_not_done_in_time_is_let_in_again_after_two_seconds_then_four() {
    let (_air, _victim, mut attacker) = attacked().await;
    for wait in [2, 4, 8] {
        assert!(attacker.connect().await);
        attacker.send(value(7, 0, true, b"\x01\x12\0")).await;
        assert!(attacker.is_thrown_out(link::HANDSHAKE + SECOND).await);
        let ended = Instant::now();
        assert!(attacker.connect().await, "the radio connects");
        assert!(attacker.is_thrown_out(SECOND).await, "and the node refuses");
        tokio::time::sleep_until(ended + SECOND * wait).await;
    }
    assert!(attacker.connect().await);
    assert!(!attacker.is_thrown_out(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn attack_50_a_thousand_reconnects_leave_the_other_links_alone() {
    let (air, mut victim, mut attacker) = attacked().await;
    let mut friend = Victim::new(&air);
    let Some(TransportEvent::Up { link: to_friend, .. }) = victim.event(SECOND * 20).await else {
        panic!("no link")
    };
    let Some(TransportEvent::Up { .. }) = friend.event(SECOND).await else { panic!("no link") };
    for _ in 0..1_000 {
        assert!(attacker.connect().await);
        attacker.send(value(7, 0, true, b"\x01\x12\0")).await;
        attacker.order(RadioOrder::Disconnect(WIRE)).await;
        assert!(attacker.is_thrown_out(SECOND).await);
    }
    victim.handle.send(to_friend, Lane::Control, vec![b"still here".to_vec()]);
    let frame = loop {
        match friend.event(SECOND).await {
            Some(TransportEvent::Frame { bytes, .. }) => break bytes,
            Some(_) => {}
            None => panic!("the link suffered"),
        }
    };
    assert_eq!(frame, b"still here");
    assert_eq!(victim.handle.link_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn attack_36_garbage_is_counted_and_costs_the_place_when_the_handshake_is_due() {
    let (_air, mut victim, mut attacker) = attacked().await;
    assert!(attacker.connect().await);
    let mut rng = Rng::new([3; 32]);
    for length in 0..200 {
        let mut bytes = vec![0; length];
        rng.fill(&mut bytes);
        attacker.send(bytes).await;
    }
    assert!(attacker.is_thrown_out(link::FIRST_WORD + SECOND).await);
    assert!(victim.event(SECOND).await.is_none(), "the node heard nothing of it");
}

#[tokio::test(start_paused = true)]
async fn attack_38_an_oversize_message_ends_the_link_at_once_and_for_ten_minutes() {
    let (_air, mut victim, mut attacker) = attacked().await;
    assert!(attacker.connect().await);
    attacker.send(value(7, 0, true, b"\x01\x12\0\xff\xff\x7f")).await;
    assert!(attacker.is_thrown_out(SECOND).await);
    tokio::time::sleep(SECOND * 590).await;
    assert!(attacker.connect().await);
    assert!(attacker.is_thrown_out(SECOND).await);
    assert!(victim.event(SECOND).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn attack_36_a_message_that_does_not_open_ends_the_link() {
    let (_air, mut victim, mut attacker) = attacked().await;
    let (mut pipe, mut channel) = attacker.link().await;
    assert!(matches!(victim.event(SECOND).await, Some(TransportEvent::Up { .. })));
    let good = channel.seal(Stream::Control, b"good").unwrap();
    pipe.send(Lane::Control, false, &good);
    pipe.send(Lane::Control, false, &good);
    attacker.flush(&mut pipe).await;
    let frame = loop {
        match victim.event(SECOND).await {
            Some(TransportEvent::Frame { bytes, .. }) => break bytes,
            Some(TransportEvent::Ready { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(frame, b"good");
    let down = loop {
        match victim.event(SECOND).await {
            Some(TransportEvent::Down { .. }) => break true,
            Some(TransportEvent::Frame { .. }) | None => break false,
            Some(_) => {}
        }
    };
    assert!(down, "a repetition is none of ours");
    assert!(attacker.is_thrown_out(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn attack_37_half_a_message_and_pieces_out_of_order_without_end_hold_a_bounded_amount() {
    let (_air, mut victim, mut attacker) = attacked().await;
    let (mut pipe, mut channel) = attacker.link().await;
    assert!(matches!(victim.event(SECOND).await, Some(TransportEvent::Up { .. })));
    let sealed = channel.seal(Stream::Bulk, &[7; 60_000]).unwrap();
    pipe.send(Lane::Bulk, false, &sealed);
    // Only every second piece is sent, for ever.
    for turn in 0..2_000_u32 {
        let Some(value) = pipe.poll_value(link::now()) else {
            tokio::time::sleep(SECOND / 100).await;
            continue;
        };
        if turn % 2 == 1 {
            attacker.send(value.bytes).await;
        }
    }
    tokio::time::sleep(SECOND).await;
    while let Ok(event) = victim.events.try_recv() {
        assert!(!matches!(event, TransportEvent::Frame { .. }), "nothing was whole");
    }
    let status = victim.handle.status();
    assert_eq!(status.adapters[0].links.len(), 1, "it is slow, not wrong");
}

#[tokio::test(start_paused = true)]
async fn attack_24_a_value_for_nobody_is_answered_by_a_reset_at_most_once_at_a_time() {
    let (air, _victim, mut attacker) = attacked().await;
    assert!(attacker.connect().await);
    let _before = air.take_record();
    for link in 0..100 {
        attacker.send(value(link, 9, false, b"x")).await;
    }
    tokio::time::sleep(SECOND).await;
    let answers = air.take_record().into_iter().filter(|(from, bytes)| *from == 0 && bytes.len() == HEADER);
    let answers = answers.count();
    assert!((1..=100).contains(&answers), "{answers}: never more than what was asked");
}

#[tokio::test(start_paused = true)]
async fn attack_50_who_begins_anew_behind_each_handshake_and_leaves_takes_no_places_for_good() {
    let (air, mut victim, first) = attacked().await;
    let others = (0..7).map(|_| Attacker { radio: air.radio() });
    for mut attacker in std::iter::once(first).chain(others) {
        drop(attacker.link().await);
        while !matches!(victim.event(SECOND).await.unwrap(), TransportEvent::Up { .. }) {}
        attacker.send(value(0x4321, 0, true, b"\x01\x12\0")).await;
        tokio::time::sleep(SECOND).await;
        attacker.order(RadioOrder::Disconnect(WIRE)).await;
        assert!(attacker.is_thrown_out(SECOND).await);
    }
    let mut neighbour = Attacker { radio: air.radio() };
    neighbour.order(RadioOrder::Advertise(Some([0xe1; 6]))).await;
    assert!(neighbour.is_dialled(SECOND * 60).await, "its places are free");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_finds_no_place_any_more_is_tried_again_after_a_second_then_two() {
    let air = Air::new(Weather::default());
    let (events, told) = mpsc::channel(1024);
    let config = BleConfig { max_links: 1, max_dialled: 1, max_accepted: 1, ..BleConfig::default() };
    let handle = Ble::start_seeded(config, vec![air.radio()], LinkIds::of(1), events, air.rng()).unwrap();
    let victim = Victim { handle, events: told };
    victim.handle.advertise(Medium::Ble, vec![1; 6], [0; 8]);
    let (mut silent, mut neighbour) = (Attacker { radio: air.radio() }, Attacker { radio: air.radio() });
    tokio::time::sleep(SECOND).await;
    assert!(silent.connect().await, "the only place is taken for a while");
    neighbour.order(RadioOrder::Advertise(Some([0xe1; 6]))).await;
    assert!(neighbour.is_dialled(SECOND * 4).await);
    assert!(neighbour.is_thrown_out(SECOND).await, "there is no place any more");
    let first = Instant::now();
    let mut pauses = Vec::new();
    while first.elapsed() < SECOND * 12 && neighbour.is_dialled(SECOND * 12).await {
        pauses.push(first.elapsed().as_secs_f32());
        if !neighbour.is_thrown_out(SECOND).await {
            break;
        }
    }
    println!("dialled again after {pauses:?} s");
    assert!((2..=5).contains(&pauses.len()), "neither without end nor once in twenty seconds");
}

/// A correct neighbour that dialled the victim, with the name of its pipe.
async fn friend(air: &Air, victim: &mut Victim) -> (Victim, u16) {
    victim.handle.advertise(Medium::Ble, vec![0xe1; 6], [0; 8]);
    let mut friend = Victim::new(air);
    friend.handle.advertise(Medium::Ble, vec![1; 6], [1; 8]);
    let Some(TransportEvent::Up { role, .. }) = friend.event(SECOND * 20).await else { panic!("no link") };
    assert_eq!(role, mesh_core::Role::Dialer);
    let Some(TransportEvent::Up { .. }) = victim.event(SECOND).await else { panic!("no link") };
    let record = air.take_record();
    let first = record.iter().find(|(from, bytes)| *from == 2 && bytes.len() >= HEADER);
    let name = first.map(|(_, bytes)| u16::from_le_bytes([bytes[0], bytes[1]])).unwrap();
    (friend, name)
}

/// Whether a frame still crosses, and nothing went down before.
async fn still_linked(victim: &mut Victim, friend: &mut Victim) -> bool {
    let link = *victim.handle.links.read().keys().next().unwrap();
    victim.handle.send(link, Lane::Control, vec![b"still here".to_vec()]);
    loop {
        match friend.event(SECOND * 5).await {
            Some(TransportEvent::Frame { bytes, .. }) => return bytes == b"still here",
            Some(TransportEvent::Ready { .. }) => {}
            _ => return false,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn attack_24_a_value_that_names_anothers_pipe_draws_no_reset_that_reaches_the_other() {
    let (air, mut victim, mut attacker) = attacked().await;
    let (mut friend, name) = friend(&air, &mut victim).await;
    assert!(attacker.connect().await);
    for _ in 0..20 {
        attacker.send(value(name, 9, false, b"x")).await;
    }
    tokio::time::sleep(SECOND * 3).await;
    assert!(still_linked(&mut victim, &mut friend).await);
}

#[tokio::test(start_paused = true)]
async fn attack_24_who_opens_a_pipe_of_anothers_name_gets_none_and_breaks_none() {
    let (air, mut victim, mut attacker) = attacked().await;
    let (mut friend, name) = friend(&air, &mut victim).await;
    assert!(attacker.connect().await);
    for _ in 0..20 {
        attacker.send(value(name, 0, true, b"\x01\x12\0")).await;
        attacker.send(value(name, 300, true, b"x")).await;
    }
    assert!(attacker.is_thrown_out(link::FIRST_WORD + SECOND).await, "it said nothing of its own");
    assert!(still_linked(&mut victim, &mut friend).await);
}

#[tokio::test(start_paused = true)]
async fn a_radio_that_takes_nothing_does_not_stop_the_node() {
    let (events, mut told) = mpsc::channel(16);
    let (orders, mut taken) = mpsc::channel(1);
    let (tell, radio_events) = mpsc::channel(16);
    let radio = Radio { name: "stuck".to_owned(), orders, events: radio_events };
    let handle = Ble::start(BleConfig::default(), vec![radio], LinkIds::of(1), events).unwrap();
    tell.send(RadioEvent::State(radio::RadioState::On)).await.unwrap();
    tokio::time::sleep(SECOND * 100).await;
    assert_eq!(handle.status().adapters[0].state, radio::RadioState::On);
    assert!(taken.recv().await.is_some());
    assert!(timeout(SECOND * 5, handle.shutdown()).await.is_ok());
    assert!(matches!(told.try_recv(), Ok(TransportEvent::Radio { up: true, .. })));
    assert!(told.try_recv().is_err());
}
