use super::super::value::{HEADER, MAX_WINDOW};
use super::*;
use mesh_core::rng::Rng;
use proptest::prelude::*;

/// What lies between the two ends.
#[derive(Clone, Copy, Debug)]
struct Air {
    /// Of a hundred values so many are lost.
    loss: u64,
    /// Of a hundred values so many come twice.
    doubled: u64,
    latency: Duration,
    /// Up to so much is added at random, which changes the order.
    jitter: Duration,
    /// Bytes per second; a value waits for those before it.
    rate: u64,
}

const CLEAN: Air =
    Air { loss: 0, doubled: 0, latency: Duration::from_millis(15), jitter: Duration::ZERO, rate: 60_000 };

struct World {
    now: Instant,
    start: Instant,
    ends: [Pipe; 2],
    air: Air,
    rng: Rng,
    /// When each direction's radio is free.
    free: [Instant; 2],
    flying: Vec<(Instant, u64, usize, Vec<u8>)>,
    count: u64,
    got: [Vec<Message>; 2],
    /// Values and bytes sent by each end.
    sent: [(u64, usize); 2],
    most_held: usize,
}

impl World {
    fn new(air: Air, largest: [usize; 2], seed: u8) -> Self {
        let now = Instant::now();
        Self {
            now,
            start: now,
            ends: [Pipe::dial(now, 0x1234, largest[0]), Pipe::listen(now, Names::default(), largest[1])],
            air,
            rng: Rng::new([seed; 32]),
            free: [now; 2],
            flying: Vec::new(),
            count: 0,
            got: [Vec::new(), Vec::new()],
            sent: [(0, 0); 2],
            most_held: 0,
        }
    }

    fn transmit(&mut self) {
        for end in 0..2 {
            // A radio takes few values ahead of what is on the air.
            while self.free[end] < self.now + Duration::from_millis(30)
                && let Some(value) = self.ends[end].poll_value(self.now)
            {
                self.sent[end].0 += 1;
                self.sent[end].1 += value.bytes.len();
                let airtime = Duration::from_micros(value.bytes.len() as u64 * 1_000_000 / self.air.rate);
                self.free[end] = self.free[end].max(self.now) + airtime;
                let copies = 1 + u64::from(self.rng.below(100) < self.air.doubled);
                for _ in 0..copies {
                    if self.rng.below(100) < self.air.loss {
                        continue;
                    }
                    let jitter =
                        Duration::from_micros(self.rng.below(self.air.jitter.as_micros() as u64 + 1));
                    self.count += 1;
                    let at = self.free[end] + self.air.latency + jitter;
                    self.flying.push((at, self.count, 1 - end, value.bytes.clone()));
                }
            }
        }
    }

    /// One event; whether there was any within `limit` of the start.
    fn step(&mut self, limit: Duration) -> bool {
        self.transmit();
        let arrival = self.flying.iter().map(|flying| flying.0).min();
        let timers: Vec<Instant> =
            self.ends.iter().filter_map(Pipe::next_due).filter(|due| *due > self.now).collect();
        let radios: Vec<Instant> = (0..2)
            .filter(|end| self.ends[*end].is_ready(self.now))
            .map(|end| self.free[end] - Duration::from_millis(29))
            .collect();
        let Some(next) = arrival.into_iter().chain(timers).chain(radios).min() else { return false };
        self.now = self.now.max(next);
        if self.now > self.start + limit {
            return false;
        }
        self.flying.sort_by_key(|flying| (flying.0, flying.1));
        while self.flying.first().is_some_and(|flying| flying.0 <= self.now) {
            let (_, _, to, bytes) = self.flying.remove(0);
            assert_eq!(self.ends[to].on_value(self.now, &bytes), Ok(Heard::Ours));
            self.most_held = self.most_held.max(self.ends[to].inbound.held().count_ones() as usize);
            while let Some(message) = self.ends[to].poll_message() {
                self.got[to].push(message);
            }
        }
        true
    }

    fn run(&mut self, limit: Duration) {
        while self.step(limit) {}
    }

    fn elapsed(&self) -> Duration {
        self.now - self.start
    }
}

fn message(lane: Lane, number: usize, length: usize) -> Message {
    let bytes = (0..length).map(|at| (number * 31 + at) as u8).collect();
    Message { lane, notice: false, bytes }
}

#[test]
fn messages_cross_in_order_and_control_overtakes_bulk() {
    let mut world = World::new(CLEAN, [509, 509], 1);
    world.run(Duration::from_secs(1));
    let bulk: Vec<_> = (0..3).map(|n| message(Lane::Bulk, n, 40_000)).collect();
    bulk.iter().for_each(|m| world.ends[0].send(Lane::Bulk, false, &m.bytes));
    for _ in 0..200 {
        world.step(Duration::from_secs(60));
    }
    let (urgent, at) = (message(Lane::Control, 9, 200), world.now);
    world.ends[0].send(Lane::Control, false, &urgent.bytes);
    while world.got[1].last() != Some(&urgent) {
        assert!(world.step(Duration::from_secs(60)));
    }
    let waited = world.now - at;
    assert!(waited < Duration::from_millis(250), "{waited:?}");
    world.run(Duration::from_secs(60));
    let got: Vec<_> = world.got[1].iter().filter(|m| m.lane == Lane::Bulk).cloned().collect();
    assert_eq!(got, bulk);
    let rate = 120_000.0 / world.elapsed().as_secs_f64();
    assert!(world.ends.iter().all(Pipe::is_done), "{rate}");
}

#[test]
fn bulk_fills_a_clean_pipe_and_repeats_nothing() {
    let mut world = World::new(CLEAN, [509, 509], 2);
    for n in 0..50 {
        world.ends[0].send(Lane::Bulk, false, &message(Lane::Bulk, n, 16_000).bytes);
    }
    while world.got[1].len() < 50 {
        assert!(world.step(Duration::from_secs(60)));
    }
    let goodput = 800_000.0 / world.elapsed().as_secs_f64();
    let share = goodput / (CLEAN.rate as f64 * 502.0 / 509.0);
    println!("goodput {goodput:.0} B/s of {}, {:?}", CLEAN.rate, world.ends[0].figures());
    assert!(share > 0.95, "{share}");
    assert_eq!(world.ends[0].figures().again, 0);
    let acks = world.sent[1].0 as f64 / world.sent[0].0 as f64;
    assert!(acks < 0.3, "{acks} acknowledgements for a piece");
}

#[test]
fn a_piece_that_asked_and_came_early_is_acknowledged_when_the_gap_is_filled() {
    let mut world = World::new(CLEAN, [509, 509], 10);
    world.run(Duration::from_secs(1));
    let (seq, ack) = (world.ends[0].outbound.next() as u16, world.ends[0].inbound.next() as u16);
    let piece = |seq, ask| {
        let body = Body::Piece { lane: Lane::Control, bytes: b"\x01x" };
        Value { link: 0x1234, seq, ack, open: false, ask, body }.encode()
    };
    let mut acknowledges = |bytes: &[u8]| {
        world.ends[1].on_value(world.now, bytes).unwrap();
        world.ends[1].poll_value(world.now).map(|value| Value::decode(&value.bytes).unwrap().ack)
    };
    assert_eq!(acknowledges(&piece(seq + 2, true)), Some(seq), "the gap is told");
    assert_eq!(acknowledges(&piece(seq, false)), None, "nobody asked for this one");
    assert_eq!(acknowledges(&piece(seq + 1, false)), Some(seq + 3), "now the question is answered");
    assert_eq!(acknowledges(&piece(seq + 3, false)), None, "once");
}

#[test]
fn a_message_of_100_bytes_costs_8_more() {
    let mut world = World::new(CLEAN, [509, 509], 3);
    world.run(Duration::from_secs(2));
    let before = world.sent;
    world.ends[0].send(Lane::Control, false, &[7; 100]);
    world.run(Duration::from_secs(4));
    assert_eq!(world.sent[0].1 - before[0].1, 100 + HEADER + 1);
    assert_eq!(world.sent[1].1 - before[1].1, HEADER, "an acknowledgement where nothing is answered");
}

#[test]
fn a_pipe_at_rest_is_silent() {
    let mut world = World::new(CLEAN, [509, 509], 4);
    world.run(Duration::from_secs(60));
    assert!(world.ends.iter().all(|end| end.next_due().is_none()), "nothing wakes anybody");
    let values = world.sent[0].0 + world.sent[1].0;
    assert!(values <= 4, "{values}: two greetings and their acknowledgements");
}

#[test]
fn the_smallest_values_carry_the_greatest_message() {
    let mut world = World::new(Air { rate: 1_000_000, ..CLEAN }, [18, 509], 5);
    let (one, other) = (message(Lane::Bulk, 1, 65_568), message(Lane::Control, 2, 65_568));
    world.ends[0].send(Lane::Bulk, false, &one.bytes);
    world.ends[0].send(Lane::Control, false, &other.bytes);
    world.run(Duration::from_secs(600));
    assert_eq!(world.got[1], [other, one]);
    assert_eq!(world.ends.each_ref().map(Pipe::room), [18, 18], "both keep to what the smaller takes");
}

#[test]
fn attack_24_strangers_values_change_nothing() {
    let mut world = World::new(CLEAN, [509, 509], 6);
    world.run(Duration::from_secs(1));
    let before = world.ends[0].figures();
    let body = Body::Piece { lane: Lane::Control, bytes: b"\x01x" };
    let foreign = Value { link: 0x4321, seq: 1, ack: 9, open: true, ask: true, body };
    assert_eq!(world.ends[0].on_value(world.now, &foreign.encode()), Ok(Heard::Foreign));
    let reset = Value { open: false, ask: false, body: Body::Reset, ..foreign.clone() };
    assert_eq!(world.ends[0].on_value(world.now, &reset.encode()), Ok(Heard::Foreign));
    assert_eq!(world.ends[0].on_value(world.now, b"garbage"), Ok(Heard::Foreign));
    assert!(!world.ends[0].is_ready(world.now), "and nothing is answered");
    assert_eq!(world.ends[0].figures(), Figures { foreign: 3, ..before });
}

#[test]
fn an_end_that_lost_its_pipe_says_so_and_one_that_begins_anew_is_understood() {
    let mut world = World::new(CLEAN, [509, 509], 7);
    world.run(Duration::from_secs(1));
    world.ends[1] = Pipe::listen(world.now, Names::default(), 509);
    world.ends[0].send(Lane::Control, false, b"x");
    let lost = world.ends[0].poll_value(world.now).unwrap();
    assert_eq!(world.ends[1].on_value(world.now, &lost.bytes), Ok(Heard::Foreign));
    let reset = world.ends[1].poll_value(world.now).unwrap();
    assert_eq!(world.ends[0].on_value(world.now, &reset.bytes), Ok(Heard::Reset));
    let mut world = World::new(CLEAN, [509, 509], 7);
    world.run(Duration::from_secs(1));
    let mut again = Pipe::dial(world.now, 0x7777, 509);
    let first = again.poll_value(world.now).unwrap();
    assert_eq!(world.ends[1].on_value(world.now, &first.bytes), Ok(Heard::Anew));
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_breaks_the_pipe() {
    let mut world = World::new(CLEAN, [509, 509], 8);
    world.run(Duration::from_secs(1));
    let body = Body::Bare { held: 0 };
    let lie = Value { link: 0x1234, seq: 0, ack: 40, open: false, ask: false, body };
    assert!(matches!(world.ends[0].on_value(world.now, &lie.encode()), Err(Broken::Acked { .. })));
}

#[test]
fn attack_24_sixty_seconds_without_any_value_are_repaired() {
    let mut world = World::new(CLEAN, [509, 509], 9);
    world.run(Duration::from_secs(1));
    let all: Vec<_> = (0..20).map(|n| message(Lane::Bulk, n, 3_000)).collect();
    all.iter().for_each(|m| world.ends[0].send(Lane::Bulk, false, &m.bytes));
    world.air.loss = 100;
    world.run(Duration::from_secs(61));
    assert!(world.ends[0].stalled(world.now) > Duration::from_secs(55));
    let tried = world.ends[0].figures().again;
    assert!(tried < 1_000, "{tried} repetitions in a minute of silence");
    world.air.loss = 0;
    world.run(Duration::from_secs(120));
    assert_eq!(world.got[1], all);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_lost_doubled_and_overtaken_the_messages_come_once_and_in_order(
        seed: u8,
        loss in 0..60_u64,
        doubled in 0..50_u64,
        jitter in 0..400_u64,
        largest in prop::sample::select(vec![[18, 18], [509, 509], [182, 509]]),
        lengths in proptest::collection::vec((any::<bool>(), any::<bool>(), 1..2_000_usize), 1..24),
    ) {
        let air = Air { loss, doubled, jitter: Duration::from_millis(jitter), ..CLEAN };
        let mut world = World::new(air, largest, seed);
        let mut sent = [Vec::new(), Vec::new()];
        for (number, (from, bulk, length)) in lengths.into_iter().enumerate() {
            let lane = if bulk { Lane::Bulk } else { Lane::Control };
            let message = message(lane, number, length);
            let from = usize::from(from);
            world.ends[from].send(lane, false, &message.bytes);
            sent[from].push(message);
        }
        world.run(Duration::from_secs(3_600));
        for (from, sent) in sent.iter().enumerate() {
            for lane in [Lane::Control, Lane::Bulk] {
                let of = |all: &[Message]| all.iter().filter(|m| m.lane == lane).cloned().collect::<Vec<_>>();
                prop_assert_eq!(of(&world.got[1 - from]), of(sent));
            }
        }
        prop_assert!(world.ends.iter().all(Pipe::is_done));
        prop_assert!(world.most_held < MAX_WINDOW);
    }

    #[test]
    fn any_values_leave_a_pipe_bounded(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..300),
    ) {
        let now = Instant::now();
        let mut pipe = Pipe::listen(now, Names::default(), 509);
        let mut link = None;
        for mut value in values {
            // All that bears the name of the link is heard as its own.
            if let (Some(link), Some(name)) = (link, value.first_chunk_mut::<2>()) {
                *name = link;
            }
            if pipe.on_value(now, &value).is_err() {
                break;
            }
            link = link.or_else(|| pipe.link.map(u16::to_le_bytes));
            prop_assert!(pipe.inbound.held().count_ones() < MAX_WINDOW as u32);
            while let Some(message) = pipe.poll_message() {
                prop_assert!(message.bytes.len() <= super::super::receive::MAX_MESSAGE);
            }
        }
        prop_assert!(pipe.outbound.waiting(Lane::Control) <= GREETING);
    }
}

#[test]
fn of_two_that_listen_on_one_radio_none_takes_or_resets_the_name_of_the_other() {
    let (now, names) = (Instant::now(), Names::default());
    let value = |link: u16, open: bool| {
        let body = Body::Piece { lane: Lane::Control, bytes: b"\x01\x12\0" };
        Value { link, seq: 0, ack: 0, open, ask: false, body }.encode()
    };
    let mut first = Pipe::listen(now, names.clone(), 509);
    let mut second = Pipe::listen(now, names, 509);
    assert_eq!(first.on_value(now, &value(7, true)), Ok(Heard::Ours));
    for open in [true, false] {
        assert_eq!(second.on_value(now, &value(7, open)), Ok(Heard::Foreign));
    }
    assert_eq!((second.has_met(), second.poll_value(now)), (false, None));
    assert_eq!(second.on_value(now, &value(8, true)), Ok(Heard::Ours));
    assert_eq!(second.on_value(now, &value(7, true)), Ok(Heard::Foreign), "nor does it end for that");
    drop(first);
    assert_eq!(second.on_value(now, &value(7, true)), Ok(Heard::Anew), "a name is free after its pipe");
}
