//! A stranger with a bare radio that breaks the rules, against whole nodes over real BlueZ.

use crate::ble_nodes::{Walker, until};
use crate::ble_radio::send;
use crate::ble_rig::{Station, air, say};
use starling::transport::ble::radio::{Advert, RadioEvent, RadioOrder, Side, Wire};
use std::time::{Duration, Instant};

/// How often the stranger comes back.
const RETURNS: usize = 10;

/// Half a handshake, garbage, a message that is too long, and reconnects, in this order: the last two are met by a
/// closed door.
pub(crate) async fn stranger() {
    air("range 0-1,0-2");
    let (victim, friend) = (Walker::new(0), Walker::new(1));
    until(90, "a link", || victim.links("ble") == 1 && friend.links("ble") == 1);
    let mut stranger = Station::on(2, false).await;
    let mut reached = 0;
    for (what, said) in [
        ("half a handshake", opening(b"\x01\xfd\x01")),
        ("garbage", (0..200_usize).map(|length| vec![0xa5; length]).collect()),
        ("a message that is too long", opening(b"\x01\xfd\x01\xff\xff\x7f")),
    ] {
        let Some(wire) = connect(&mut stranger).await else {
            say(&format!("         {what}: not connected"));
            continue;
        };
        reached += 1;
        let started = Instant::now();
        for value in said.iter().filter(|value| !value.is_empty()) {
            send(&stranger, wire, value, true).await;
        }
        let lost = |event| matches!(event, RadioEvent::Lost { wire: lost } if lost == wire).then_some(());
        stranger.until(40, lost).await;
        say(&format!("         {what}: thrown out after {:.1} s", started.elapsed().as_secs_f64()));
        assert_eq!(victim.links("ble"), 1);
    }
    assert!(reached > 0, "the stranger never came through");
    let mut returned = 0;
    for _ in 0..RETURNS {
        let Some(wire) = connect(&mut stranger).await else { continue };
        returned += 1;
        stranger.order(RadioOrder::Disconnect(wire)).await;
    }
    say(&format!("         {returned} of {RETURNS} times it came back"));
    victim.knows(&friend, "Friend");
    let id = victim.send("Friend", "still here");
    victim.deliver(&id, 90);
    assert_eq!((victim.links("ble"), friend.links("ble")), (1, 1));
    stranger.off().await;
}

/// The first value of a pipe, with these bytes in it.
fn opening(bytes: &[u8]) -> Vec<Vec<u8>> {
    vec![[&[7, 0, 0, 0, 0, 0, 2], bytes].concat()]
}

/// A connection to the only one who is heard.
async fn connect(stranger: &mut Station) -> Option<Wire> {
    stranger.order(RadioOrder::Scan(true)).await;
    let heard = |event| match event {
        RadioEvent::Heard { remote, advert, .. } => Some((remote, advert)),
        _ => None,
    };
    let (remote, _): (_, Advert) = stranger.until(30, heard).await;
    stranger.order(RadioOrder::Scan(false)).await;
    stranger.order(RadioOrder::Connect(remote)).await;
    let end = |event| match event {
        RadioEvent::Connected { wire, .. } if wire.side == Side::Central => Some(Some(wire)),
        RadioEvent::Failed { .. } => Some(None),
        _ => None,
    };
    let wire = stranger.until(30, end).await;
    if wire.is_none() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    wire
}
