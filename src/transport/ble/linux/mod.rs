//! A radio over BlueZ: btleplug listens, connects and writes; bluer advertises, serves and carries channels.
//!
//! Each radio has its own thread with a runtime for it alone: bluer makes a task of each call from BlueZ, and only
//! tasks of one thread begin in the order of their calls. What BlueZ does otherwise than one would think is said at
//! the place that copes with it, and gathered in docs/guide/bluetooth.md.

mod central;
mod channel;
mod ears;
mod notify;
mod peripheral;
mod session;
mod watch;

use super::radio::{MAX_EVENTS, MAX_ORDERS, Radio, RadioEvent, RadioOrder, RadioState};
use super::system::{SystemConfig, adapters};
use session::{End, Remotes, Session};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use uuid::{Uuid, uuid};

/// The service that every node offers.
const SERVICE: Uuid = uuid!("7d2a0000-6d65-7368-8000-00805f9b34fb");
/// Its only characteristic: the central writes values to it and is notified of them, and reads [`Info`] from it.
///
/// One for all, because several would be in another order after each start (bluer's objects come out of a hash map), and
/// BlueZ 5.66 keeps what it knew of a service that still has its place and length: whoever had met this node before would
/// read and write the wrong ones.
const VALUES: Uuid = uuid!("7d2a0001-6d65-7368-8000-00805f9b34fb");
/// Under which number manufacturer data stands: the one that belongs to nobody.
const COMPANY: u16 = 0xffff;

/// The most bytes of a value over GATT: the server of BlueZ before 5.69 counts two bytes of handle into the 512 that
/// an attribute may have, and drops longer writes without a word.
const MAX_VALUE: usize = 509;
/// What an MTU holds beside the value: BlueZ sends notifications in a form with handle and length, and cuts off what
/// does not fit.
const VALUE_OVERHEAD: usize = 5;

/// Until a radio that does not work is tried again though nothing was heard of a change; doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// What worked for so long and then broke is tried again as soon as at first; what breaks sooner is not.
const LASTED: Duration = Duration::from_secs(30);
/// The longest wait between two tries where nothing tells of the end of what is wrong.
const MAX_RETRY: Duration = Duration::from_secs(30);
/// The longest wait where the bus tells of it, or a machine has neither a bus nor Bluetooth: nearly all of those never will.
const MAX_CALM_RETRY: Duration = Duration::from_secs(600);

/// An address as it goes over the air. It stays in this module: what leaves it is a number.
type Address = [u8; 6];

/// What the radio tells a central about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Info {
    /// The most bytes of a value that it takes.
    max_value: usize,
    /// Where it listens for channels; 0: nowhere.
    psm: u16,
}

impl Info {
    const VERSION: u8 = 1;

    fn to_bytes(self) -> Vec<u8> {
        let max_value = u16::try_from(self.max_value).unwrap_or(u16::MAX);
        let mut bytes = vec![Self::VERSION];
        bytes.extend(max_value.to_le_bytes());
        bytes.extend(self.psm.to_le_bytes());
        bytes
    }

    /// Later versions may be longer. `None`: too short to be any.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [_, a, b, c, d, ..] = bytes else { return None };
        let max_value = usize::from(u16::from_le_bytes([*a, *b]));
        Some(Self { max_value, psm: u16::from_le_bytes([*c, *d]) })
    }
}

/// The most bytes of a value where the MTU is `mtu`.
fn max_value(mtu: usize) -> usize {
    mtu.saturating_sub(VALUE_OVERHEAD).clamp(super::radio::MIN_VALUE, MAX_VALUE)
}

/// Starts the radio of one adapter.
pub(super) fn radio(name: String, config: SystemConfig) -> Radio {
    let (orders, to_do) = mpsc::channel(MAX_ORDERS);
    let (tell, events) = mpsc::channel(MAX_EVENTS);
    let shown = name.clone();
    let failed = tell.clone();
    let started = std::thread::Builder::new().name(shown.clone()).spawn(move || {
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(run(name, config, to_do, tell)),
            Err(error) => complain(&tell, &error),
        }
    });
    if let Err(error) = started {
        complain(&failed, &error);
    }
    Radio { name: shown, orders, events }
}

/// Says that there is no thread or runtime for a radio.
fn complain(tell: &mpsc::Sender<RadioEvent>, error: &std::io::Error) {
    drop(tell.try_send(RadioEvent::State(RadioState::Broken { reason: error.to_string() })));
}

/// One session after another, until nobody gives orders any more.
async fn run(
    name: String,
    config: SystemConfig,
    mut orders: mpsc::Receiver<RadioOrder>,
    tell: mpsc::Sender<RadioEvent>,
) {
    let mut told = RadioState::Starting;
    let remotes = Remotes::default();
    let mut retry = FIRST_RETRY;
    loop {
        let (state, watch) = match Session::open(&name, config.channels, &remotes).await {
            Ok((session, watch)) => {
                let began = Instant::now();
                if tell.send(RadioEvent::State(RadioState::On)).await.is_err() {
                    return;
                }
                match session.run(&mut orders, &tell, watch).await {
                    End::Ordered => return,
                    End::Changed { state, watch } => {
                        told = RadioState::On;
                        retry = retry_after(retry, began.elapsed());
                        (state, Some(watch))
                    }
                }
            }
            Err((state, watch)) => (state, watch),
        };
        let state = match state {
            // A machine without Bluetooth has no service for it either, and lacks nothing.
            RadioState::NoService if !adapters().contains(&name) => RadioState::Missing,
            state => state,
        };
        if state != told {
            tracing::info!(?state, adapter = name, "Bluetooth");
            if tell.send(RadioEvent::State(state.clone())).await.is_err() {
                return;
            }
            told = state;
        }
        retry = match rest(retry, &mut orders, &tell, watch).await {
            Rested::Over => return,
            Rested::Changed => FIRST_RETRY,
            Rested::Long => (retry * 2).min(longest_retry(&told)),
        };
    }
}

/// When to try again what has worked for so long.
fn retry_after(before: Duration, worked: Duration) -> Duration {
    if worked >= LASTED { FIRST_RETRY } else { before }
}

/// How seldom a radio in this state is tried again.
fn longest_retry(state: &RadioState) -> Duration {
    match state {
        RadioState::Broken { .. } => MAX_RETRY,
        _ => MAX_CALM_RETRY,
    }
}

/// How a rest ended.
enum Rested {
    /// The bus told of a change.
    Changed,
    /// Time has passed.
    Long,
    /// Nobody gives orders any more.
    Over,
}

/// Waits until a try is worth it: something changed, or time has passed. What is ordered meanwhile was ordered before
/// it was known that nothing works, and is ordered anew once something does.
async fn rest(
    wait: Duration,
    orders: &mut mpsc::Receiver<RadioOrder>,
    tell: &mpsc::Sender<RadioEvent>,
    mut watch: Option<watch::Watch>,
) -> Rested {
    let over = tokio::time::sleep(wait);
    tokio::pin!(over);
    loop {
        let order = tokio::select! {
            () = &mut over => return Rested::Long,
            () = changed(&mut watch) => return Rested::Changed,
            order = orders.recv() => order,
        };
        match order {
            None => return Rested::Over,
            Some(RadioOrder::Connect(remote)) => {
                let failed = RadioEvent::Failed { remote, why: "the radio does not work" };
                if tell.send(failed).await.is_err() {
                    return Rested::Over;
                }
            }
            // Whatever stood was told as lost, and an old advert would say who a new identity is.
            Some(_) => {}
        }
    }
}

async fn changed(watch: &mut Option<watch::Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

/// What an error of BlueZ or of the bus says about the adapter. Its text may hold addresses: only names are kept.
fn state_of(error: &bluer::Error) -> RadioState {
    use bluer::{ErrorKind, InternalErrorKind};
    match &error.kind {
        ErrorKind::Internal(InternalErrorKind::DBus(name)) => state_of_bus(name),
        ErrorKind::Internal(InternalErrorKind::DBusConnectionLost | InternalErrorKind::Io(_)) => {
            RadioState::NoService
        }
        ErrorKind::NotFound => RadioState::Missing,
        ErrorKind::NotReady => RadioState::Off,
        ErrorKind::NotAuthorized | ErrorKind::NotPermitted => RadioState::Denied,
        kind => RadioState::Broken { reason: kind.to_string() },
    }
}

/// The same for an error that the bus names.
fn state_of_bus(name: &str) -> RadioState {
    // The bus starts the service itself where it can, and says in many ways that it could not.
    if name.starts_with("org.freedesktop.DBus.Error.Spawn.") || name.starts_with("org.freedesktop.systemd1.")
    {
        return RadioState::NoService;
    }
    match name.rsplit('.').next().unwrap_or_default() {
        "ServiceUnknown" | "NameHasNoOwner" | "FileNotFound" | "NoServer" | "Disconnected" | "NoReply" => {
            RadioState::NoService
        }
        "AccessDenied" | "AuthFailed" | "InteractiveAuthorizationRequired" => RadioState::Denied,
        last => RadioState::Broken { reason: last.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_read_as_it_was_written_and_may_grow() {
        let info = Info { max_value: 509, psm: 0x81 };
        let mut bytes = info.to_bytes();
        assert_eq!(bytes, [1, 0xfd, 0x01, 0x81, 0]);
        assert_eq!(Info::from_bytes(&bytes), Some(info));
        bytes.push(7);
        assert_eq!(Info::from_bytes(&bytes), Some(info));
        assert_eq!(Info::from_bytes(&bytes[..4]), None);
    }

    #[test]
    fn a_value_fits_into_every_form_that_bluez_sends_it_in() {
        assert_eq!(max_value(517), 509);
        assert_eq!(max_value(185), 180);
        assert_eq!(max_value(23), 18);
        assert_eq!(max_value(0), 18);
    }

    #[test]
    fn a_machine_without_bluetooth_is_looked_at_ever_more_seldom_and_one_that_is_broken_every_half_minute() {
        let waits = |state: RadioState| {
            let longest = longest_retry(&state);
            std::iter::successors(Some(FIRST_RETRY), move |wait| Some((*wait * 2).min(longest)))
        };
        let tries = |state| {
            let ends = waits(state).scan(Duration::ZERO, |at, wait| {
                *at += wait;
                (*at < Duration::from_secs(3_600)).then_some(*at)
            });
            ends.count()
        };
        assert_eq!(
            tries(RadioState::Missing),
            14,
            "in the first hour, nine of them in the first ten minutes"
        );
        assert_eq!(tries(RadioState::Broken { reason: String::new() }), 123);
    }

    #[test]
    fn a_radio_that_begins_and_breaks_is_tried_ever_more_seldom_until_it_lasts_half_a_minute() {
        let eight = FIRST_RETRY * 8;
        assert_eq!(retry_after(eight, LASTED / 2), eight);
        assert_eq!(retry_after(eight, LASTED), FIRST_RETRY);
    }

    #[test]
    fn errors_of_the_bus_are_states() {
        assert_eq!(state_of_bus("org.freedesktop.DBus.Error.ServiceUnknown"), RadioState::NoService);
        assert_eq!(state_of_bus("org.freedesktop.DBus.Error.AccessDenied"), RadioState::Denied);
        for could_not in
            ["DBus.Error.Spawn.ExecFailed", "DBus.Error.Spawn.ChildExited", "systemd1.NoSuchUnit"]
        {
            assert_eq!(state_of_bus(&format!("org.freedesktop.{could_not}")), RadioState::NoService);
        }
        let other = RadioState::Broken { reason: "LimitsExceeded".to_owned() };
        assert_eq!(state_of_bus("org.freedesktop.DBus.Error.LimitsExceeded"), other);
    }
}
