//! The socket of the API: few connections, and none that says nothing for ever. Any local user may connect,
//! whatever they can say, and must not use up this process's files.

use axum::serve::Listener;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;

/// A [`TcpListener`] that holds at most so many connections; further ones wait in the system's queue.
pub(super) struct Few {
    listener: TcpListener,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Few {
    /// `patience` is for the first request and its answer.
    pub(super) fn new(listener: TcpListener, connections: usize, patience: Duration) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(connections)), patience }
    }
}

impl Listener for Few {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.expect("nobody closes the semaphore");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let silence = Some(Box::pin(tokio::time::sleep(self.patience)));
        (Held { stream, silence, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that has one of the places. It ends where nothing was answered in time.
pub(super) struct Held {
    stream: TcpStream,
    silence: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(result) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            return Poll::Ready(result);
        }
        let Some(silence) = &mut self.silence else { return Poll::Pending };
        ready!(silence.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.silence = None;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.silence = None;
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt as _;

    async fn few(connections: usize, patience: Duration) -> (SocketAddr, Few) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        (listener.local_addr().unwrap(), Few::new(listener, connections, patience))
    }

    #[tokio::test]
    async fn no_more_connections_are_held_than_there_are_places() {
        let (address, mut few) = few(1, Duration::from_secs(60)).await;
        let (_one, _two) = (TcpStream::connect(address).await, TcpStream::connect(address).await);
        let held = few.accept().await;
        assert!(futures::poll!(std::pin::pin!(few.accept())).is_pending());
        drop(held);
        few.accept().await;
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_ends() {
        let (address, mut few) = few(1, Duration::from_millis(1)).await;
        let _silent = TcpStream::connect(address).await;
        let (mut held, _) = few.accept().await;
        let error = held.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
