//! One ephemeral identity after another.

use super::epoch::{Done, Epoch};
use super::{LanConfig, Links, StartError, Status};
use crate::transport::{LinkIds, TransportEvent};
use mesh_core::{CloseReason, LinkId};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Silence between two identities, at most: somebody who watches must guess which of those that appear is which.
const SILENCE: Duration = Duration::from_secs(3);
/// Before another attempt when the next identity cannot listen.
const RETRY: Duration = Duration::from_secs(5);

/// What a handle orders.
#[derive(Debug)]
pub(super) enum Order {
    /// The core closes a link.
    Close(LinkId, CloseReason),
    /// The link's queues overflowed.
    Abandon(LinkId),
    /// One attempt to link to whoever listens there.
    Dial(SocketAddr),
    /// A new identity, now.
    Rotate,
    /// Everything ends; the sender is told when it has.
    Shutdown(oneshot::Sender<()>),
}

/// What all identities of a run share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) config: LanConfig,
    pub(super) ids: LinkIds,
    pub(super) events: mpsc::Sender<TransportEvent>,
    pub(super) links: Links,
    pub(super) status: watch::Sender<Status>,
}

/// Runs epochs until it is told to stop.
pub(super) struct Driver {
    common: Common,
    epoch: Epoch,
}

impl Driver {
    /// Listens under a first identity.
    pub(super) fn start(
        config: LanConfig,
        ids: LinkIds,
        events: mpsc::Sender<TransportEvent>,
        links: Links,
        status: watch::Sender<Status>,
    ) -> Result<Self, StartError> {
        let common = Common { config, ids, events, links, status };
        let epoch = Epoch::start(&common)?;
        Ok(Self { common, epoch })
    }

    /// Returns after a shutdown, or when the handle is gone.
    pub(super) async fn run(self, mut orders: mpsc::UnboundedReceiver<Order>) {
        let Self { common, mut epoch } = self;
        loop {
            let done = epoch.run(&common, &mut orders).await;
            drop(epoch);
            common.status.send_replace(Status::default());
            if matches!(done, Done::Rotate) && common.events.send(TransportEvent::Rotated).await.is_err() {
                return;
            }
            let shutdown = match done {
                Done::Shutdown(told) => told,
                Done::Rotate => match next(&common, &mut orders).await {
                    Ok(started) => {
                        epoch = started;
                        continue;
                    }
                    Err(shutdown) => shutdown,
                },
            };
            if let Some(told) = shutdown {
                // Whoever asked may have stopped waiting.
                let _ = told.send(());
            }
            return;
        }
    }
}

/// Starts the next epoch after a random silence, however often that takes; a shutdown comes first.
async fn next(
    common: &Common,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> Result<Epoch, Option<oneshot::Sender<()>>> {
    let mut pause = random_up_to(SILENCE);
    loop {
        let deadline = tokio::time::Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => break,
                order = orders.recv() => match order {
                    Some(Order::Shutdown(told)) => return Err(Some(told)),
                    Some(_) => {} // About links that are gone.
                    None => return Err(None),
                },
            }
        }
        match Epoch::start(common) {
            Ok(epoch) => return Ok(epoch),
            Err(error) => tracing::warn!(%error, "no new ephemeral identity yet"),
        }
        pause = RETRY;
    }
}

/// A random time below `most`.
pub(super) fn random_up_to(most: Duration) -> Duration {
    let mut bytes = [0; 4];
    // Without randomness everybody waits equally long, which is a cost and no fault.
    if getrandom::fill(&mut bytes).is_err() {
        return most / 2;
    }
    most.mul_f64(f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0))
}
