//! What CI plays of the Bluetooth lab where it is asked to (`STARLING_CI_BLE=1`): short scenes, in one boot. The others are for `just ble` and the
//! night: they take long, or wear out the kernel of the lab (`many reconnects`).

use crate::ble_nodes::{FAST, first_message};
use crate::ble_radio::{bluetoothd_restarts, both_parts_at_once, off_and_on, values_cross};
use crate::ble_rig::{Lab, Scene, play_up_to};

/// Boots, where the lab's kernel breaks down.
const BOOTS: usize = 3;

/// The one that kills BlueZ comes last.
const SCENES: [(&str, Scene); 6] = [
    ("values of every length cross both ways over characteristics", || Box::pin(values_cross(false))),
    ("values of every length cross both ways over a channel", || Box::pin(values_cross(true))),
    ("one adapter plays both parts at once", || Box::pin(both_parts_at_once())),
    ("two nodes deliver a first message", || Box::pin(async { first_message() })),
    ("an adapter that is switched off comes back by itself", || Box::pin(off_and_on())),
    ("bluetoothd is killed and comes back", || Box::pin(bluetoothd_restarts())),
];

#[test]
fn nodes_find_each_other_over_real_bluez_and_survive_its_end() {
    let lab = Lab {
        test: "ble_short::nodes_find_each_other_over_real_bluez_and_survive_its_end".to_owned(),
        controllers: 3,
        range: "",
        settings: &FAST,
        trace: false,
        limit: 400,
    };
    play_up_to(BOOTS, &lab, &SCENES);
}
