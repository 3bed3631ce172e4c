//! Changes that a plan of faults holds: data, so that a failing run can be written down and cut smaller.

use crate::world::NodeIx;
use serde::{Deserialize, Serialize};

/// Something done to the world from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A process dies; what was durable stays.
    Crash(NodeIx),
    /// It starts again from that.
    Restart(NodeIx),
    /// The batch of its next input is lost, with everything that would follow it; it starts again at once.
    LoseCommit(NodeIx),
    /// The batch of its next input is durable, nothing of it is sent or told; it starts again at once.
    LoseSends(NodeIx),
    /// Its wall clock is off by so many seconds from now on: a clock that jumps.
    Clock(NodeIx, i64),
    /// Switched on or off; off is a crash that lasts.
    Power(NodeIx, bool),
    /// Nodes of different groups cannot reach each other any more.
    Partition(Vec<Vec<NodeIx>>),
    /// Every partition ends.
    Repair,
    /// Two nodes are connected by a cable.
    Connect(NodeIx, NodeIx),
    /// The cable is taken away.
    Disconnect(NodeIx, NodeIx),
}
