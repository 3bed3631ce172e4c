//! A wire between two nodes that has a rate and a delay, and can be cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

/// Bytes that are taken from a sender at once.
const PIECE: usize = 4_096;
/// Pieces that lie in the wire at a time; the sender waits beyond it.
const IN_FLIGHT: usize = 64;

/// What a wire does to what goes through it, in each direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// From one end to the other.
    pub(super) delay: Duration,
    /// Bytes per second; `None` is without limit.
    pub(super) rate: Option<u64>,
}

/// A wire to a node. Dropped, it is cut: both ends notice at once.
pub(super) struct Cable {
    near: SocketAddr,
    task: JoinHandle<()>,
}

impl Cable {
    /// Lays a wire to the node that listens at `far`.
    pub(super) async fn lay(far: SocketAddr, shape: Shape) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let near = listener.local_addr()?;
        Ok(Self { near, task: tokio::spawn(carry(listener, far, shape)) })
    }

    /// The end that the other node dials.
    pub(super) fn near(&self) -> SocketAddr {
        self.near
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes whoever dials through to `far`; everybody is cut off with this task.
async fn carry(listener: TcpListener, far: SocketAddr, shape: Shape) {
    let mut taken = JoinSet::new();
    loop {
        let Ok((near, _)) = listener.accept().await else { return };
        taken.spawn(async move {
            let Ok(far) = TcpStream::connect(far).await else { return };
            // Pieces wait in the wire, not for each other.
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            // Where one direction ends, the link is over.
            tokio::select! {
                () = pass(near_in, far_out, shape) => {}
                () = pass(far_in, near_out, shape) => {}
            }
        });
    }
}

/// One direction, until either end closes it.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shape: Shape) {
    let (entrance, mut exit) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let read = async move {
        let mut free = Instant::now();
        loop {
            let mut piece = vec![0; PIECE];
            let Ok(read) = from.read(&mut piece).await else { return };
            if read == 0 {
                return;
            }
            piece.truncate(read);
            free = free.max(Instant::now()) + transmission(read, shape.rate);
            if entrance.send((free + shape.delay, piece)).await.is_err() {
                return;
            }
        }
    };
    let write = async move {
        while let Some((due, piece)) = exit.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

fn transmission(bytes: usize, rate: Option<u64>) -> Duration {
    rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn far_end() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    #[tokio::test]
    async fn what_goes_through_a_wire_takes_its_delay_and_its_rate() {
        let (far, address) = far_end().await;
        let shape = Shape { delay: Duration::from_millis(50), rate: Some(100_000) };
        let cable = Cable::lay(address, shape).await.unwrap();
        let mut near = TcpStream::connect(cable.near()).await.unwrap();
        let (mut other, _) = far.accept().await.unwrap();
        let begun = Instant::now();
        near.write_all(&[7; 20_000]).await.unwrap();
        let mut taken = vec![0; 20_000];
        other.read_exact(&mut taken).await.unwrap();
        assert!(taken.iter().all(|byte| *byte == 7));
        // 200 ms for the bytes and 50 for the way.
        assert!(begun.elapsed() >= Duration::from_millis(249), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn both_ends_of_a_wire_notice_when_it_is_cut() {
        let (far, address) = far_end().await;
        let cable = Cable::lay(address, Shape { delay: Duration::ZERO, rate: None }).await.unwrap();
        let mut near = TcpStream::connect(cable.near()).await.unwrap();
        let (mut other, _) = far.accept().await.unwrap();
        drop(cable);
        let mut end = [0; 1];
        let over = |read: io::Result<usize>| read.map_or(true, |read| read == 0);
        assert!(over(near.read(&mut end).await) && over(other.read(&mut end).await));
    }
}
