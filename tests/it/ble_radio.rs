//! The radio over real BlueZ, in the lab.

use crate::ble_rig::{Lab, Scene, Station, play};
use starling::transport::ble::radio::{Advert, Pipe, RadioEvent, RadioOrder, Remote, Side, Wire};
use std::time::Duration;

const SCENES: [(&str, Scene); 2] = [
    ("an advert is heard with its payload, and the next one after a change", || {
        Box::pin(an_advert_is_heard())
    }),
    ("values of every length cross both ways", || Box::pin(values_cross_both_ways())),
];

#[test]
fn radios_of_bluez_carry_values() {
    let lab = Lab {
        test: "ble_radio::radios_of_bluez_carry_values",
        controllers: 3,
        range: "",
        settings: &[("BLE_LAB_AIR_OPTS", "advmax=100")],
        limit: 240,
    };
    play(&lab, &SCENES);
}

/// Who sends this payload.
async fn hear(station: &mut Station, wanted: Advert) -> Remote {
    station.order(RadioOrder::Scan(true)).await;
    let heard = |event| match event {
        RadioEvent::Heard { remote, advert, rssi } if advert == wanted => {
            assert!(rssi.is_some_and(|rssi| rssi < 0), "{rssi:?}");
            Some(remote)
        }
        _ => None,
    };
    station.until(30, heard).await
}

/// A connection from `central` to who sends this payload.
async fn dial(central: &mut Station, wanted: Advert) -> (Wire, usize) {
    let remote = hear(central, wanted).await;
    central.order(RadioOrder::Connect(remote)).await;
    let connected = |event| match event {
        RadioEvent::Connected { wire, max_value, pipe } => Some((wire, max_value, pipe)),
        RadioEvent::Failed { why, .. } => panic!("{why}"),
        _ => None,
    };
    let (wire, max_value, _) = central.until(30, connected).await;
    assert_eq!(wire, Wire { remote, side: Side::Central });
    (wire, max_value)
}

async fn send(station: &Station, wire: Wire, value: &[u8], confirmed: bool) {
    station.order(RadioOrder::Send { wire, value: value.to_vec(), confirmed }).await;
}

async fn receive(station: &mut Station) -> (Wire, Vec<u8>) {
    let value = |event| match event {
        RadioEvent::Value { wire, value } => Some((wire, value)),
        _ => None,
    };
    station.until(20, value).await
}

async fn an_advert_is_heard() {
    let (sender, mut ear) = (Station::on(0).await, Station::on(1).await);
    sender.order(RadioOrder::Advertise(Some([1, 2, 3, 4, 5, 6]))).await;
    let first = hear(&mut ear, [1, 2, 3, 4, 5, 6]).await;
    sender.order(RadioOrder::Advertise(Some([6, 5, 4, 3, 2, 1]))).await;
    let second = hear(&mut ear, [6, 5, 4, 3, 2, 1]).await;
    // The lab has no private addresses.
    assert_eq!(first, second);
    sender.off().await;
    ear.off().await;
}

async fn values_cross_both_ways() {
    let (mut hub, mut dialler) = (Station::on(0).await, Station::on(1).await);
    hub.order(RadioOrder::Advertise(Some([1; 6]))).await;
    let (wire, max_value) = dial(&mut dialler, [1; 6]).await;
    assert_eq!(max_value, 509);
    let mut back = None;
    for (length, confirmed) in [(1, true), (18, false), (509, true), (509, false)] {
        let value = vec![7; length];
        send(&dialler, wire, &value, confirmed).await;
        if back.is_none() {
            let connected = |event| match event {
                RadioEvent::Connected { wire, max_value, pipe } => Some((wire, max_value, pipe)),
                _ => None,
            };
            let (wire, max_value, pipe) = hub.until(20, connected).await;
            assert_eq!((wire.side, max_value, pipe), (Side::Peripheral, 509, Pipe::Gatt));
            back = Some(wire);
        }
        let (from, got) = receive(&mut hub).await;
        assert_eq!((Some(from), got), (back, value.clone()));
        send(&hub, from, &value, false).await;
        assert_eq!(receive(&mut dialler).await, (wire, value));
    }
    dialler.order(RadioOrder::Disconnect(wire)).await;
    hub.until(10, |event| matches!(event, RadioEvent::Lost { wire } if Some(wire) == back).then_some(()))
        .await;
    tokio::time::timeout(Duration::from_secs(5), hub.off()).await.unwrap();
    dialler.off().await;
}
