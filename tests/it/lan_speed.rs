//! Small frames must be fast: they carry everything that people wait for.

use crate::lan_rig::pair;
use mesh_core::Lane;
use starling::transport::{Transport, TransportEvent};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_frame_comes_back_within_milliseconds() {
    let (mut a, up_a, mut b, up_b) = pair().await;
    let echo = tokio::spawn(async move {
        loop {
            let (_, frame) = b.frame().await;
            b.send(up_b.link, Lane::Control, &frame);
        }
    });
    let mut trips = Vec::new();
    for _ in 0..2000 {
        let start = Instant::now();
        a.send(up_a.link, Lane::Control, &[1; 64]);
        a.frame().await;
        trips.push(start.elapsed());
    }
    echo.abort();
    trips.sort_unstable();
    let (median, late) = (trips[1000], trips[1980]);
    println!("round trip of 64 bytes: median {median:?}, 99 % {late:?}");
    assert!(median < Duration::from_millis(5), "{median:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_frames_are_batched() {
    const FRAMES: usize = 200_000;
    /// On their way at a time: the queue is bounded, and a core bounds itself far below.
    const AHEAD: usize = 20_000;
    let (a, up_a, mut b, _) = pair().await;
    let start = Instant::now();
    let mut seen = 0;
    for number in 0..FRAMES {
        a.handle.send(up_a.link, Lane::Control, vec![vec![7; 100]]);
        while number - seen > AHEAD {
            b.frame().await;
            seen += 1;
        }
    }
    for _ in seen..FRAMES {
        b.frame().await;
    }
    let rate = FRAMES as f64 / start.elapsed().as_secs_f64();
    println!("small frames: {rate:.0} a second");
    assert!(rate > 10_000.0, "{rate}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_is_fast_where_the_network_is() {
    const FRAMES: u64 = 2000;
    let (mut a, up_a, mut b, _) = pair().await;
    let start = Instant::now();
    let sender = tokio::spawn(async move {
        let (mut sent, frame) = (0, vec![7; 16 * 1024]);
        while sent < FRAMES {
            while a.credit >= frame.len() as u64 && sent < FRAMES {
                a.credit -= frame.len() as u64;
                a.send(up_a.link, Lane::Bulk, &frame);
                sent += 1;
            }
            if let Some(TransportEvent::Ready { credit, .. }) = a.events.recv().await {
                a.credit += u64::from(credit);
            }
        }
        a
    });
    for _ in 0..FRAMES {
        b.frame().await;
    }
    let rate = (FRAMES * 16 * 1024) as f64 / start.elapsed().as_secs_f64();
    println!("bulk against credit: {:.0} MB/s", rate / 1e6);
    sender.abort();
    assert!(rate > 1e6, "{rate}");
}
