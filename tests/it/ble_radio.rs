//! The radio over real BlueZ, in the lab.

use crate::ble_pipe::Pair;
use crate::ble_rig::{Lab, Scene, Station, air, play, say};
use crate::proof_rig::extent;
use starling::transport::ble::radio::{
    Advert, MAX_VALUES, Pipe, RadioEvent, RadioOrder, RadioState, Remote, Side, Wire,
};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// All of them, with what BlueZ 5.66 does by itself: several bearers, so that values overtake each other.
const SCENES: [(&str, Scene); 12] = [
    ("an advert is heard with its payload, and the next one after a change", || {
        Box::pin(an_advert_is_heard())
    }),
    ("values of every length cross both ways over characteristics", || Box::pin(values_cross(false))),
    ("values of every length cross both ways over a channel", || Box::pin(values_cross(true))),
    ("who has no channels is served by characteristics", || Box::pin(one_end_has_no_channels())),
    ("one adapter plays both parts at once", || Box::pin(both_parts_at_once())),
    ("two centrals at one peripheral each get what is theirs", || Box::pin(two_centrals())),
    ("bursts that BlueZ promises to carry neither stall nor lose", || Box::pin(bursts(Order::Any))),
    ("what bursts lose the pipe brings, once and in order", || Box::pin(bursts_through_a_pipe())),
    ("who walks out of range is lost at both ends and found again", || Box::pin(out_of_range())),
    ("an adapter that is switched off comes back by itself", || Box::pin(off_and_on())),
    ("many reconnects", || Box::pin(reconnects(extent(15, 100)))),
    ("bluetoothd is killed and comes back", || Box::pin(bluetoothd_restarts())),
];

/// What depends on the number of bearers, with one.
const ONE_BEARER: [(&str, Scene); 3] = [
    ("values of every length cross both ways over characteristics", || Box::pin(values_cross(false))),
    ("two centrals at one peripheral each get what is theirs", || Box::pin(two_centrals())),
    ("bursts neither stall nor lose nor overtake", || Box::pin(bursts(Order::Kept))),
];

#[test]
fn radios_over_bluez_find_each_other_and_carry_values() {
    play(&lab("radios_over_bluez_find_each_other_and_carry_values", &FAST), &SCENES);
}

#[test]
fn a_small_mtu_carries_links_over_bluez() {
    let lab = lab("a_small_mtu_carries_links_over_bluez", &SMALLEST);
    play(&lab, &[("a link over an MTU of 48 carries long frames both ways", || Box::pin(small_mtu()))]);
}

#[test]
fn radios_over_bluez_with_one_bearer_keep_order() {
    play(&lab("radios_over_bluez_with_one_bearer_keep_order", &SINGLE), &ONE_BEARER);
}

const FAST: [(&str, &str); 1] = [("BLE_LAB_AIR_OPTS", "advmax=100")];
const SINGLE: [(&str, &str); 2] = [("BLE_LAB_AIR_OPTS", "advmax=100"), ("BLE_LAB_GATT_CHANNELS", "1")];

/// The smallest that BlueZ offers: with less it takes up no adapter. The lab puts it below `[GATT]` as it is.
const SMALLEST: [(&str, &str); 2] =
    [("BLE_LAB_AIR_OPTS", "advmax=100"), ("BLE_LAB_GATT_CHANNELS", "1\\nExchangeMTU = 23")];

fn lab(test: &str, settings: &'static [(&'static str, &'static str)]) -> Lab {
    Lab { test: format!("ble_radio::{test}"), controllers: 3, range: "", settings, trace: false, limit: 560 }
}

/// Who sends this payload.
pub(crate) async fn hear(station: &mut Station, wanted: Advert) -> Remote {
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

/// A connection from `central` to who sends this payload, or why there is none.
pub(crate) async fn try_dial(
    central: &mut Station,
    wanted: Advert,
) -> Result<(Wire, usize, Pipe), &'static str> {
    let remote = hear(central, wanted).await;
    central.order(RadioOrder::Connect(remote)).await;
    let connected = |event| match event {
        RadioEvent::Connected { wire, max_value, pipe } => Some(Ok((wire, max_value, pipe))),
        RadioEvent::Failed { why, .. } => Some(Err(why)),
        _ => None,
    };
    let (wire, max_value, pipe) = central.until(30, connected).await?;
    assert_eq!(wire, Wire { remote, side: Side::Central });
    Ok((wire, max_value, pipe))
}

/// The same; a first attempt may meet what is left of an earlier connection.
pub(crate) async fn dial(central: &mut Station, wanted: Advert) -> (Wire, usize, Pipe) {
    let mut failed = Vec::new();
    while failed.len() < 4 {
        match try_dial(central, wanted).await {
            Ok(connected) => return connected,
            Err(why) => failed.push(why),
        }
    }
    panic!("not connected: {failed:?}");
}

pub(crate) async fn advertise(station: &Station, advert: Advert) {
    station.order(RadioOrder::Advertise(Some(advert))).await;
}

pub(crate) async fn send(station: &Station, wire: Wire, value: &[u8], confirmed: bool) {
    station.order(RadioOrder::Send { wire, value: value.to_vec(), confirmed }).await;
}

pub(crate) async fn receive(station: &mut Station) -> (Wire, Vec<u8>) {
    let value = |event| match event {
        RadioEvent::Value { wire, value } => Some((wire, value)),
        _ => None,
    };
    station.until(20, value).await
}

/// The wire on which somebody has connected to this one.
pub(crate) async fn connected(station: &mut Station) -> (Wire, usize, Pipe) {
    let connected = |event| match event {
        RadioEvent::Connected { wire, max_value, pipe } => Some((wire, max_value, pipe)),
        _ => None,
    };
    station.until(20, connected).await
}

pub(crate) async fn lost(station: &mut Station, wire: Wire) {
    let lost = |event| matches!(event, RadioEvent::Lost { wire: lost } if lost == wire).then_some(());
    station.until(20, lost).await;
}

/// Both ends of a new connection from `dialler` to `hub`, whose advert this is.
pub(crate) async fn pair(hub: &mut Station, dialler: &mut Station, advert: Advert) -> (Wire, Wire) {
    advertise(hub, advert).await;
    let (out, _, _) = dial(dialler, advert).await;
    send(dialler, out, b"hello", true).await;
    let (back, value) = receive(hub).await;
    assert_eq!(value, b"hello");
    (out, back)
}

async fn an_advert_is_heard() {
    let (sender, mut ear) = (Station::on(0, true).await, Station::on(1, true).await);
    advertise(&sender, [1, 2, 3, 4, 5, 6]).await;
    let first = hear(&mut ear, [1, 2, 3, 4, 5, 6]).await;
    advertise(&sender, [6, 5, 4, 3, 2, 1]).await;
    let second = hear(&mut ear, [6, 5, 4, 3, 2, 1]).await;
    // The lab has no private addresses.
    assert_eq!(first, second);
    sender.off().await;
    ear.off().await;
}

pub(crate) async fn values_cross(channels: bool) {
    let (mut hub, mut dialler) = (Station::on(0, channels).await, Station::on(1, channels).await);
    advertise(&hub, [1; 6]).await;
    let (wire, max_value, pipe) = dial(&mut dialler, [1; 6]).await;
    assert_eq!((max_value, pipe), (509, if channels { Pipe::Channel } else { Pipe::Gatt }));
    let mut back = None;
    for (length, confirmed) in [(1, true), (18, false), (509, true), (509, false)] {
        let value = vec![7; length];
        send(&dialler, wire, &value, confirmed).await;
        if back.is_none() {
            let (wire, max_value, other) = connected(&mut hub).await;
            assert_eq!((wire.side, max_value, other), (Side::Peripheral, 509, pipe));
            back = Some(wire);
        }
        let (from, got) = receive(&mut hub).await;
        assert_eq!((Some(from), got), (back, value.clone()));
        send(&hub, from, &value, false).await;
        assert_eq!(receive(&mut dialler).await, (wire, value));
    }
    dialler.order(RadioOrder::Disconnect(wire)).await;
    lost(&mut hub, back.unwrap()).await;
    hub.off().await;
    dialler.off().await;
}

async fn one_end_has_no_channels() {
    for (hub, dialler) in [(true, false), (false, true)] {
        let (mut hub, mut dialler) = (Station::on(0, hub).await, Station::on(1, dialler).await);
        advertise(&hub, [3; 6]).await;
        let (wire, _, pipe) = dial(&mut dialler, [3; 6]).await;
        assert_eq!(pipe, Pipe::Gatt);
        send(&dialler, wire, b"there", true).await;
        assert_eq!(receive(&mut hub).await.1, b"there");
        dialler.off().await;
        hub.off().await;
    }
}

pub(crate) async fn both_parts_at_once() {
    let mut all = Vec::new();
    for number in 0..3 {
        let station = Station::on(number, number != 1).await;
        advertise(&station, [u8::try_from(number).unwrap(); 6]).await;
        all.push(station);
    }
    let [first, middle, last] = &mut all[..] else { unreachable!() };
    let (to_middle, _, _) = dial(first, [1; 6]).await;
    let (to_last, _, _) = dial(middle, [2; 6]).await;
    send(first, to_middle, b"over two hops", true).await;
    let (from_first, value) = receive(middle).await;
    assert_eq!(from_first.side, Side::Peripheral);
    send(middle, to_last, &value, true).await;
    let (from_middle, value) = receive(last).await;
    assert_eq!(value, b"over two hops");
    send(last, from_middle, b"and back", false).await;
    assert_eq!(receive(middle).await, (to_last, b"and back".to_vec()));
    send(middle, from_first, b"and back", false).await;
    assert_eq!(receive(first).await, (to_middle, b"and back".to_vec()));
    for station in all {
        station.off().await;
    }
}

async fn two_centrals() {
    let mut hub = Station::on(0, false).await;
    let mut others = [Station::on(1, false).await, Station::on(2, false).await];
    let mut wires = Vec::new();
    for other in &mut others {
        wires.push(pair(&mut hub, other, [9; 6]).await);
    }
    assert_ne!(wires[0].1, wires[1].1);
    for round in 0..20u8 {
        for (number, (_, back)) in wires.iter().enumerate() {
            send(&hub, *back, &[u8::try_from(number).unwrap(), round], false).await;
        }
    }
    for (number, other) in others.iter_mut().enumerate() {
        let number = u8::try_from(number).unwrap();
        let mut missing: std::collections::BTreeSet<u8> = (0..20).collect();
        while !missing.is_empty() {
            // What is for the other may come too.
            let (_, value) = receive(other).await;
            if value[0] == number {
                missing.remove(&value[1]);
            }
        }
    }
    for other in others {
        other.off().await;
    }
    hub.off().await;
}

/// Whether values may overtake each other.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    Any,
    Kept,
}

/// What came of a burst.
struct Burst {
    came: usize,
    overtaken: usize,
    took: Duration,
}

/// Values that a pipe has in flight at most (PROTOCOL.md section 14).
const WINDOW: usize = 64;

/// Sends `count` values of the greatest length as fast as the radio takes them and a window allows.
async fn burst(from: &mut Station, wire: Wire, to: &mut Station, count: u32) -> Burst {
    let started = Instant::now();
    let orders = from.radio.orders.clone();
    let (mut sent, mut free) = (0, MAX_VALUES);
    let mut burst = Burst { came: 0, overtaken: 0, took: Duration::ZERO };
    let mut highest = 0;
    loop {
        while free > 0 && sent < count && sent as usize - burst.came < WINDOW {
            let mut value = vec![0; 509];
            value[..4].copy_from_slice(&sent.to_le_bytes());
            orders.send(RadioOrder::Send { wire, value, confirmed: false }).await.unwrap();
            (sent, free) = (sent + 1, free - 1);
        }
        // Whatever else is told is passed over: a pattern in the branch itself would close the branch.
        let (taken, came) = tokio::select! {
            Some(event) = from.radio.events.recv() => (Some(event), None),
            Some(event) = to.radio.events.recv() => (None, Some(event)),
            () = tokio::time::sleep(Duration::from_secs(6)) => return burst,
        };
        free += usize::from(matches!(taken, Some(RadioEvent::Taken { .. })));
        if let Some(RadioEvent::Value { value, .. }) = came {
            let number = u32::from_le_bytes(value[..4].try_into().unwrap());
            burst.overtaken += usize::from(number < highest);
            highest = highest.max(number);
            burst.came += 1;
            burst.took = started.elapsed();
            if burst.came == count as usize {
                return burst;
            }
        }
    }
}

async fn bursts(order: Order) {
    for channels in [false, true] {
        let (mut hub, mut dialler) = (Station::on(0, channels).await, Station::on(1, channels).await);
        let (out, back) = pair(&mut hub, &mut dialler, [2; 6]).await;
        // Nobody listens for adverts while values cross: it would share the radio.
        dialler.order(RadioOrder::Scan(false)).await;
        for written in [true, false] {
            let burst = match written {
                true => burst(&mut dialler, out, &mut hub, 400).await,
                false => burst(&mut hub, back, &mut dialler, 400).await,
            };
            let what = match (channels, written) {
                (true, true) => "channel out",
                (true, false) => "channel back",
                (false, true) => "written",
                (false, false) => "notified",
            };
            #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
            let rate = (burst.came * 509) as f64 / 1000.0 / burst.took.as_secs_f64();
            say(&format!(
                "         {what}: {} of 400, {} overtaken, {rate:.0} kB/s",
                burst.came, burst.overtaken
            ));
            // Of write commands over several bearers BlueZ 5.66 drops some between its interface and the adapter: the
            // pipe says them again.
            if !(written && !channels && order == Order::Any) {
                assert_eq!(burst.came, 400, "{what}");
            }
            if channels || order == Order::Kept {
                assert_eq!(burst.overtaken, 0, "{what}");
            }
        }
        dialler.off().await;
        hub.off().await;
    }
}

async fn bursts_through_a_pipe() {
    let mut pair = Pair::linked(false).await;
    for counts in [[400, 0], [0, 400], [200, 200]] {
        let took = pair.carry(counts, 480).await;
        say(&format!("         {counts:?} frames in {took:.1} s; values sent, again: {:?}", pair.figures()));
    }
    pair.off().await;
}

async fn small_mtu() {
    let mut pair = Pair::linked(false).await;
    assert_eq!(pair.0.each_ref().map(|end| end.status().max_value), [43, 43]);
    let took = pair.carry([2, 2], 4_000).await;
    say(&format!("         8,000 bytes each way in {took:.1} s; values sent, again: {:?}", pair.figures()));
    pair.off().await;
}

async fn out_of_range() {
    for channels in [true, false] {
        let (mut hub, mut dialler) = (Station::on(0, channels).await, Station::on(1, channels).await);
        let (out, back) = pair(&mut hub, &mut dialler, [4; 6]).await;
        air("down 0 1");
        let cut = Instant::now();
        lost(&mut dialler, out).await;
        lost(&mut hub, back).await;
        say(&format!("         both ends lost it after {:.1} s", cut.elapsed().as_secs_f64()));
        dialler.order(RadioOrder::Connect(out.remote)).await;
        let started = Instant::now();
        let failed = |event| matches!(event, RadioEvent::Failed { .. }).then_some(());
        dialler.until(20, failed).await;
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
        air("up 0 1");
        let started = Instant::now();
        pair(&mut hub, &mut dialler, [5; 6]).await;
        say(&format!("         found and connected again after {:.1} s", started.elapsed().as_secs_f64()));
        dialler.off().await;
        hub.off().await;
    }
}

pub(crate) async fn off_and_on() {
    let (mut hub, mut dialler) = (Station::on(0, false).await, Station::on(1, false).await);
    let (out, _) = pair(&mut hub, &mut dialler, [6; 6]).await;
    power("hci0", false);
    hub.state(&RadioState::Off).await;
    lost(&mut dialler, out).await;
    power("hci0", true);
    hub.state(&RadioState::On).await;
    // What it said before it says only where it is told again.
    advertise(&hub, [6; 6]).await;
    let (out, _, _) = dial(&mut dialler, [6; 6]).await;
    send(&dialler, out, b"again", true).await;
    assert_eq!(receive(&mut hub).await.1, b"again");
    dialler.off().await;
    hub.off().await;
}

fn power(adapter: &str, on: bool) {
    let done = Command::new("dbus-send")
        .args(["--system", "--print-reply", "--dest=org.bluez", &format!("/org/bluez/{adapter}")])
        .args(["org.freedesktop.DBus.Properties.Set", "string:org.bluez.Adapter1", "string:Powered"])
        .arg(format!("variant:boolean:{on}"))
        .stdout(Stdio::null())
        .status();
    assert!(done.unwrap().success());
}

async fn reconnects(count: usize) {
    let (mut hub, mut dialler) = (Station::on(0, false).await, Station::on(1, false).await);
    let started = Instant::now();
    for _ in 0..count {
        let (out, back) = pair(&mut hub, &mut dialler, [8; 6]).await;
        dialler.order(RadioOrder::Disconnect(out)).await;
        lost(&mut hub, back).await;
    }
    let each = started.elapsed() / u32::try_from(count).unwrap();
    say(&format!("         {:.2} s for each, from a lost link to the next value", each.as_secs_f64()));
    dialler.off().await;
    hub.off().await;
}

pub(crate) async fn bluetoothd_restarts() {
    let (mut hub, mut dialler) = (Station::on(0, false).await, Station::on(1, false).await);
    pair(&mut hub, &mut dialler, [7; 6]).await;
    assert!(Command::new("killall").args(["-9", "bluetoothd"]).status().unwrap().success());
    hub.state(&RadioState::NoService).await;
    dialler.state(&RadioState::NoService).await;
    // Among the logs of the lab, where those are kept.
    let log = std::fs::File::create("/ctl/bluetoothd-again.log").unwrap();
    let daemon = Command::new("/usr/libexec/bluetooth/bluetoothd")
        .args(["--nodetach", "-d"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    assert!(daemon.is_ok());
    hub.state(&RadioState::On).await;
    dialler.state(&RadioState::On).await;
    advertise(&hub, [7; 6]).await;
    let (out, _, _) = dial(&mut dialler, [7; 6]).await;
    send(&dialler, out, b"back again", true).await;
    assert_eq!(receive(&mut hub).await.1, b"back again");
    dialler.off().await;
    hub.off().await;
}
