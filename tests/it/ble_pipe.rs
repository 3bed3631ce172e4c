//! Links of this process over real BlueZ, in the lab: two transports, each on its adapter.

use starling::transport::ble::radio::Pipe;
use starling::transport::ble::system::{SystemConfig, radios_with};
use starling::transport::ble::{Ble, BleConfig, BleHandle, LinkStatus};
use starling::transport::{LinkIds, Transport as _, TransportEvent};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Which lane, and which link: the core's words.
pub(crate) use mesh_core::{Lane, LinkId};

/// One end of a link.
pub(crate) struct End {
    handle: BleHandle,
    events: mpsc::Receiver<TransportEvent>,
    link: Option<LinkId>,
    /// The frames that came.
    pub(crate) frames: Vec<Vec<u8>>,
}

impl End {
    fn on(number: u32, channels: bool) -> Self {
        let (events, told) = mpsc::channel(256);
        let radios = radios_with(&[format!("hci{number}")], SystemConfig { channels });
        let handle = Ble::start(BleConfig::default(), radios, LinkIds::of(1), events).unwrap();
        Self { handle, events: told, link: None, frames: Vec::new() }
    }

    pub(crate) fn send(&self, lane: Lane, frame: Vec<u8>) {
        self.handle.send(self.link.unwrap(), lane, vec![frame]);
    }

    pub(crate) fn status(&self) -> LinkStatus {
        self.handle.status().adapters[0].links[0]
    }

    fn take(&mut self, event: TransportEvent) {
        match event {
            TransportEvent::Up { link, .. } => self.link = Some(link),
            TransportEvent::Down { link } if self.link == Some(link) => self.link = None,
            TransportEvent::Frame { bytes, .. } => self.frames.push(bytes),
            _ => {}
        }
    }
}

/// Two linked ends.
pub(crate) struct Pair(pub(crate) [End; 2]);

impl Pair {
    /// Of `hci0` and `hci1`.
    pub(crate) async fn linked(channels: bool) -> Self {
        let mut pair = Self([End::on(0, channels), End::on(1, channels)]);
        pair.until(60, |ends| ends.iter().all(|end| end.link.is_some())).await;
        // What one end knows the other knows a moment later.
        pair.pass(Duration::from_secs(1)).await;
        let pipes: Vec<_> = pair.0.iter().map(|end| end.status().pipe).collect();
        assert_eq!(pipes, [if channels { Pipe::Channel } else { Pipe::Gatt }; 2]);
        pair
    }

    /// Takes what both tell until it is so.
    pub(crate) async fn until(&mut self, seconds: u64, mut holds: impl FnMut(&[End; 2]) -> bool) {
        let end = Instant::now() + Duration::from_secs(seconds);
        while !holds(&self.0) {
            assert!(Instant::now() < end, "not within {seconds} s: {:?}", self.figures());
            self.step(Duration::from_millis(100)).await;
        }
    }

    /// Lets time pass.
    pub(crate) async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.step(end.saturating_duration_since(Instant::now())).await;
        }
    }

    async fn step(&mut self, most: Duration) {
        let [one, other] = &mut self.0;
        tokio::select! {
            Some(event) = one.events.recv() => one.take(event),
            Some(event) = other.events.recv() => other.take(event),
            () = tokio::time::sleep(most) => {}
        }
    }

    /// Values of both ends: sent, sent again.
    pub(crate) fn figures(&self) -> Vec<(u64, u64)> {
        let adapters = self.0.iter().flat_map(|end| end.handle.status().adapters);
        let links = adapters.flat_map(|adapter| adapter.links);
        links.map(|link| (link.values_sent, link.values_repeated)).collect()
    }

    /// Sends so many bulk frames of `length` bytes from each end at once; seconds until all are there.
    pub(crate) async fn carry(&mut self, counts: [usize; 2], length: usize) -> f64 {
        let before = [self.0[0].frames.len(), self.0[1].frames.len()];
        let started = Instant::now();
        for (end, count) in self.0.iter().zip(counts) {
            for number in 0..u32::try_from(count).unwrap() {
                let mut frame = vec![7; length];
                frame[..4].copy_from_slice(&number.to_le_bytes());
                end.send(Lane::Bulk, frame);
            }
        }
        let wanted = [before[0] + counts[1], before[1] + counts[0]];
        self.until(120, |ends| ends.iter().zip(wanted).all(|(end, wanted)| end.frames.len() == wanted)).await;
        let took = started.elapsed().as_secs_f64();
        for (end, (before, after)) in self.0.iter().zip(before.into_iter().zip(wanted)) {
            let numbers = end.frames[before..].iter().map(|frame| frame[..4].to_vec());
            let mut numbers = numbers.map(|n| u32::from_le_bytes(n.try_into().unwrap()) as usize);
            assert!((0..after - before).all(|n| numbers.next() == Some(n)), "in order, each once");
        }
        took
    }

    pub(crate) async fn off(self) {
        for end in self.0 {
            end.handle.shutdown().await;
        }
        // BlueZ takes 2 s for each disconnection.
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
}
