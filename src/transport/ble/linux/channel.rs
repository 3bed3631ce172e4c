//! L2CAP channels: a pipe beside the characteristics, in order and complete, several times as fast.
//!
//! The peripheral says in [`Info`](super::Info) where it listens. Each packet of a channel is one value, so that
//! nothing else changes; where a channel does not come about the characteristics do the same.

use super::session::Told;
use super::{Address, MAX_VALUE};
use crate::transport::ble::radio::Wire;
use bluer::AddressType;
use bluer::l2cap::{PSM_LE_DYN_START, PSM_LE_MAX, SeqPacket, SeqPacketListener, Socket, SocketAddr};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What a channel may take to come about before the characteristics are used: a round trip on a connection that
/// stands.
const CONNECT: Duration = Duration::from_secs(3);
/// Channels that wait to be taken over.
const BACKLOG: u32 = 8;
/// The smallest packets that a channel of Starling takes: below, the characteristics carry as much.
const MIN_PACKET: usize = 64;

/// One end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) address: Address,
    pub(super) kind: AddressType,
}

impl End {
    fn at(self, psm: u16) -> SocketAddr {
        SocketAddr::new(bluer::Address(self.address), self.kind, psm)
    }
}

/// Listens on an adapter, at a place that the kernel chooses.
///
/// # Errors
///
/// What the kernel says; then there are no channels to this node.
pub(super) fn listen(local: End) -> io::Result<(SeqPacketListener, u16)> {
    let socket = Socket::new_seq_packet()?;
    socket.bind(local.at(0))?;
    socket.set_recv_mtu(packet())?;
    let psm = socket.local_addr()?.psm;
    Ok((socket.listen(BACKLOG)?, psm))
}

/// Takes over what others open, until the session ends.
pub(super) async fn accept(listener: SeqPacketListener, tell: mpsc::Sender<Told>) {
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => {
                let accepted = Told::Accepted { address: peer.addr.0, socket };
                if tell.send(accepted).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "no channel was taken over");
                tokio::time::sleep(CONNECT).await;
            }
        }
    }
}

/// Opens a channel on a connection that stands. `None`: the characteristics have to do.
pub(super) async fn connect(local: End, remote: End, psm: u16) -> Option<SeqPacket> {
    if !(PSM_LE_DYN_START..=PSM_LE_MAX).contains(&psm) {
        return None;
    }
    let opened = timeout(CONNECT, async {
        let socket = Socket::new_seq_packet()?;
        socket.bind(local.at(0))?;
        socket.set_recv_mtu(packet())?;
        socket.connect(remote.at(psm)).await
    });
    match opened.await {
        Ok(Ok(socket)) => Some(socket),
        Ok(Err(error)) => {
            tracing::debug!(%error, "no channel");
            None
        }
        Err(_) => {
            tracing::debug!("no channel in time");
            None
        }
    }
}

/// The most bytes of a value that the far end takes, and at most as many as a value may have.
pub(super) fn room(socket: &SeqPacket) -> usize {
    // It is not known before the first packet on some kernels: whoever listens takes whole values.
    socket.send_mtu().unwrap_or(MAX_VALUE).clamp(MIN_PACKET, MAX_VALUE)
}

/// Carries values both ways until either end closes.
pub(super) async fn carry(
    socket: SeqPacket,
    (wire, serial): (Wire, u64),
    values: mpsc::Receiver<Vec<u8>>,
    tell: mpsc::Sender<Told>,
) {
    tokio::select! {
        () = send_all(&socket, wire, values, &tell) => {}
        () = receive_all(&socket, wire, serial, &tell) => {}
    }
    drop(tell.send(Told::Closed { wire, serial }).await);
}

async fn send_all(
    socket: &SeqPacket,
    wire: Wire,
    mut values: mpsc::Receiver<Vec<u8>>,
    tell: &mpsc::Sender<Told>,
) {
    while let Some(value) = values.recv().await {
        if let Err(error) = socket.send(&value).await {
            return tracing::debug!(bytes = value.len(), %error, "a channel ended");
        }
        if tell.send(Told::Taken(wire)).await.is_err() {
            return;
        }
    }
}

async fn receive_all(socket: &SeqPacket, wire: Wire, serial: u64, tell: &mpsc::Sender<Told>) {
    let mut packet = [0; MAX_VALUE];
    while let Ok(length @ 1..) = socket.recv(&mut packet).await {
        // The far end waits where this node does not keep up.
        let value = packet[..length].to_vec();
        if tell.send(Told::Packet { wire, serial, value }).await.is_err() {
            return;
        }
    }
}

fn packet() -> u16 {
    u16::try_from(MAX_VALUE).unwrap_or(u16::MAX)
}
