//! What a Bluetooth adapter is to the rest of this transport: a pair of channels, orders in and events out.
//!
//! Two things stand behind it: the system's Bluetooth, and an air in memory for tests. Neither knows the protocol: a
//! radio hears adverts, opens and loses connections, and carries *values*, small pieces of bytes that may arrive in
//! another order than they were sent.

use tokio::sync::mpsc;

/// Orders that wait for a radio; who orders waits beyond it.
pub const MAX_ORDERS: usize = 64;
/// Events that wait for the driver; the radio waits beyond it.
pub const MAX_EVENTS: usize = 256;
/// Values of one side of one remote that may be on their way into the radio: further ones wait for
/// [`RadioEvent::Taken`].
pub const MAX_VALUES: usize = 4;
/// The smallest value every connection carries: what an MTU of 23 leaves.
pub const MIN_VALUE: usize = 18;

/// Bytes of an advert's payload: what stands beside the flags and the service in a legacy advertisement.
pub type Advert = [u8; 6];

/// Somebody in reach, as one run of one radio names them. It says nothing outside of it, and may name the same device
/// anew after it changed its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Remote(pub u64);

/// Which part this node plays in a connection. A pair may have one of each at a time, until one is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// It connected: it writes, and is notified.
    Central,
    /// It was connected to: it is written to, and notifies.
    Peripheral,
}

/// One connection: whom with, and who opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wire {
    /// Who is at the other end.
    pub remote: Remote,
    /// What this node is in it.
    pub side: Side,
}

/// What a radio is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RadioOrder {
    /// Advertise this payload from now on, connectable; `None`: stop.
    Advertise(Option<Advert>),
    /// Listen for adverts, or stop. The driver keeps the duty cycle.
    Scan(bool),
    /// Connect to somebody heard in the last seconds. Answered by [`RadioEvent::Connected`] or
    /// [`RadioEvent::Failed`] within 10 s: the radio ends what takes longer, and cleans up after it.
    Connect(Remote),
    /// End a connection. Answered by [`RadioEvent::Lost`] where it stood.
    Disconnect(Wire),
    /// Carry one value, at most as long as the connection said. Answered by [`RadioEvent::Taken`] or
    /// [`RadioEvent::Lost`].
    Send {
        /// Over which connection.
        wire: Wire,
        /// The bytes. Over [`Side::Peripheral`] other centrals of this node may receive them too: BlueZ 5.66
        /// notifies everybody who subscribed.
        value: Vec<u8>,
        /// Whether the far end's stack confirms it, which costs a round trip. Only centrals can ask for it.
        confirmed: bool,
    },
}

/// What a radio tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RadioEvent {
    /// The adapter is in another state than before; told at the start too. Everything that stood is lost, and
    /// was told as lost, before a state other than [`RadioState::On`]. Then nothing is advertised and nobody listened
    /// for, also once it is on again, until that is ordered anew.
    State(RadioState),
    /// An advert of this service was heard.
    Heard {
        /// Whose.
        remote: Remote,
        /// Its payload: remote bytes.
        advert: Advert,
        /// Signal strength in dBm, where the radio tells.
        rssi: Option<i8>,
    },
    /// A connection stands, in both directions.
    Connected {
        /// Which. With [`Side::Peripheral`] it may be told late, just before the first value.
        wire: Wire,
        /// The most bytes a value of this node may have: `min(MTU - 5, 509)` over GATT, at least [`MIN_VALUE`].
        max_value: usize,
        /// The kind of pipe underneath.
        pipe: Pipe,
    },
    /// A connection that was ordered did not come about.
    Failed {
        /// To whom.
        remote: Remote,
        /// Why, for the log: no addresses, no remote bytes.
        why: &'static str,
    },
    /// A value arrived.
    Value {
        /// Over which connection.
        wire: Wire,
        /// Remote bytes, perhaps meant for another link: nothing about them is known.
        value: Vec<u8>,
    },
    /// The radio took one value over; one more may follow.
    Taken {
        /// Over which connection.
        wire: Wire,
    },
    /// A connection is gone; values on their way may be lost.
    Lost {
        /// Which.
        wire: Wire,
    },
}

/// What carries the values of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipe {
    /// Characteristics: unordered, and values may be missing.
    Gatt,
    /// A connection-oriented channel of L2CAP: in order, complete, with its own flow control.
    Channel,
}

/// How an adapter is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RadioState {
    /// Not known yet.
    #[default]
    Starting,
    /// Working.
    On,
    /// There, but switched off or blocked (rfkill).
    Off,
    /// No such adapter on this machine.
    Missing,
    /// The system's Bluetooth service does not run.
    NoService,
    /// The system does not let this program use Bluetooth.
    Denied,
    /// Something else does not work; it is tried again.
    Broken {
        /// What the system says, for people.
        reason: String,
    },
}

/// A running radio. Dropping the orders ends it: it stops advertising and closes what stands.
#[derive(Debug)]
pub struct Radio {
    /// What the person calls it: `hci0`.
    pub name: String,
    /// Orders go in here.
    pub orders: mpsc::Sender<RadioOrder>,
    /// What happens comes out here; the end of it is the end of the radio.
    pub events: mpsc::Receiver<RadioEvent>,
}
