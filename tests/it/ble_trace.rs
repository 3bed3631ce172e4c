//! What the adapters of the lab sent, from the trace of their host interface (btsnoop, as Wireshark reads it).

use std::collections::{BTreeMap, BTreeSet};

/// Opcodes of the monitor format.
const COMMAND: u32 = 2;
const DATA_SENT: u32 = 4;
/// HCI: LE Set Advertising Data.
const ADVERTISING_DATA: [u8; 2] = [0x08, 0x20];
/// Channels of L2CAP that the system itself uses: signalling of both kinds, the security manager.
const SYSTEM: [u16; 3] = [1, 5, 6];
const ATT: u16 = 4;
/// Attribute operations that carry values: both writes, both notifications.
const VALUES: [u8; 4] = [0x12, 0x52, 0x1b, 0x23];

/// What one adapter said under one advert.
#[derive(Debug, Default)]
pub(crate) struct Epoch {
    /// The payload of the advert.
    pub(crate) advert: Vec<u8>,
    /// What it sent to others: values and packets of channels, each on its own.
    pub(crate) sent: Vec<Vec<u8>>,
}

/// The epochs of each adapter, in order.
pub(crate) fn epochs(trace: &[u8]) -> BTreeMap<u32, Vec<Epoch>> {
    let mut all: BTreeMap<u32, Vec<Epoch>> = BTreeMap::new();
    let mut partial: BTreeMap<(u32, u16), Vec<u8>> = BTreeMap::new();
    let mut rest = &trace[16..];
    while let Some((header, after)) = rest.split_at_checked(24) {
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        let Some((packet, next)) = after.split_at_checked(number(4) as usize) else { break };
        rest = next;
        let (adapter, opcode) = (number(8) >> 16, number(8) & 0xffff);
        let epochs = all.entry(adapter).or_default();
        if opcode == COMMAND && packet[..2] == ADVERTISING_DATA {
            let advert = payload(&packet[3..]);
            if advert.as_ref().is_some_and(|advert| epochs.last().is_none_or(|last| last.advert != *advert)) {
                epochs.push(Epoch { advert: advert.unwrap(), sent: Vec::new() });
            }
        } else if opcode == DATA_SENT
            && let Some(whole) = join(&mut partial, adapter, packet)
            && let Some(said) = above_the_link(&whole)
            && let Some(epoch) = epochs.last_mut()
        {
            epoch.sent.push(said);
        }
    }
    all
}

/// What each adapter sent over its connections so far: packets, and their bytes with the headers of L2CAP and above.
pub(crate) fn traffic(trace: &[u8]) -> BTreeMap<u32, (u64, u64)> {
    let mut all: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut rest = &trace[16..];
    while let Some((header, after)) = rest.split_at_checked(24) {
        let number = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().unwrap());
        let Some((packet, next)) = after.split_at_checked(number(4) as usize) else { break };
        rest = next;
        if number(8) & 0xffff == DATA_SENT {
            let (packets, bytes) = all.entry(number(8) >> 16).or_default();
            (*packets, *bytes) = (*packets + 1, *bytes + packet.len() as u64 - 4);
        }
    }
    all
}

/// The manufacturer data of an advertisement: a length, then fields of length, type and bytes.
fn payload(data: &[u8]) -> Option<Vec<u8>> {
    let mut rest = data.get(1..1 + usize::from(*data.first()?))?;
    while let [length, kind, ..] = *rest
        && length > 0
    {
        let field = rest.get(2..1 + usize::from(length))?;
        if kind == 0xff {
            return Some(field.get(2..)?.to_vec());
        }
        rest = &rest[1 + usize::from(length)..];
    }
    None
}

/// Joins the fragments of a connection; a whole packet of L2CAP once its last one is there.
fn join(partial: &mut BTreeMap<(u32, u16), Vec<u8>>, adapter: u32, packet: &[u8]) -> Option<Vec<u8>> {
    let head = u16::from_le_bytes([packet[0], packet[1]]);
    let whole = partial.entry((adapter, head & 0x0fff)).or_default();
    if head >> 12 & 3 != 1 {
        whole.clear();
    }
    whole.extend(&packet[4..]);
    let length = usize::from(u16::from_le_bytes([*whole.first()?, *whole.get(1)?]));
    (whole.len() >= length + 4).then(|| std::mem::take(whole))
}

/// What Starling gave the system to send; `None` where the system speaks for itself.
fn above_the_link(packet: &[u8]) -> Option<Vec<u8>> {
    let channel = u16::from_le_bytes([packet[2], packet[3]]);
    let body = &packet[4..];
    match channel {
        ATT => VALUES.contains(body.first()?).then(|| body[3..].to_vec()),
        channel if SYSTEM.contains(&channel) => None,
        // A channel's packet: its length, then its bytes.
        _ => body.get(2..).map(<[u8]>::to_vec),
    }
}

/// Strings of `N` bytes that an adapter said in more than one of its epochs, and that `others` never said: what every
/// node says tells nothing. Numbers that are mostly zero are no names either.
pub(crate) fn repeated<const N: usize>(epochs: &[Epoch], others: &[Epoch]) -> BTreeSet<[u8; N]> {
    let common = others.iter().flat_map(strings::<N>).collect::<BTreeSet<_>>();
    let (mut before, mut found) = (BTreeSet::new(), BTreeSet::new());
    for epoch in epochs {
        let now: BTreeSet<_> = strings::<N>(epoch).collect();
        found.extend(now.iter().filter(|string| before.contains(*string) && !common.contains(*string)));
        before.extend(now);
    }
    found
}

fn strings<const N: usize>(epoch: &Epoch) -> impl Iterator<Item = [u8; N]> {
    let all = epoch.sent.iter().flat_map(|said| said.windows(N));
    let all = all.filter_map(|window| <[u8; N]>::try_from(window).ok());
    all.filter(|string| string.iter().filter(|byte| **byte == 0).count() * 2 < N)
}

#[test]
fn a_name_that_is_said_in_two_epochs_is_found_and_what_all_say_is_not() {
    let epoch = |said: &[u8]| Epoch { advert: Vec::new(), sent: vec![said.to_vec()] };
    let named = [epoch(b"abcdefghNAME-1234xyz"), epoch(b"123NAME-1234"), epoch(b"hello, all of you")];
    assert!(repeated::<8>(&named, &[]).contains(b"NAME-123"));
    assert!(repeated::<8>(&named, &[epoch(b"..NAME-1234..")]).is_empty());
    assert!(repeated::<8>(&[epoch(&[0; 32]), epoch(&[0; 32])], &[]).is_empty());
}

#[test]
fn adverts_and_values_are_read_from_a_trace() {
    let mut trace = vec![0; 16];
    let mut record = |opcode: u32, packet: &[u8]| {
        let length = u32::try_from(packet.len()).unwrap().to_be_bytes();
        trace.extend([length, length, (1 << 16 | opcode).to_be_bytes(), [0; 4], [0; 4], [0; 4]].concat());
        trace.extend(packet);
    };
    record(
        COMMAND,
        &[&[0x08, 0x20, 32, 13, 9, 0xff, 0xff, 0xff][..], &[7; 6], &[2, 1, 6], &[0; 18]].concat(),
    );
    // A write of four bytes in two fragments.
    record(DATA_SENT, &[0x01, 0x00, 6, 0, 7, 0, 4, 0, 0x52, 9]);
    record(DATA_SENT, &[0x01, 0x10, 5, 0, 0, 1, 2, 3, 4]);
    assert_eq!(traffic(&trace)[&1], (2, 11));
    let epochs = &epochs(&trace)[&1];
    assert_eq!(
        (epochs[0].advert.as_slice(), epochs[0].sent.as_slice()),
        (&[7; 6][..], &[vec![1, 2, 3, 4]][..])
    );
}
