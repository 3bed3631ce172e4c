//! Captures of a network, and what travelled above IP in them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running tcpdump.
pub(crate) struct Capture {
    child: Child,
    file: PathBuf,
}

impl Capture {
    /// Writes what passes `interface` of `namespace` to `file`.
    pub(crate) fn start(namespace: &str, interface: &str, file: &Path) -> Self {
        let path = file.to_str().unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", namespace, "tcpdump", "-i", interface, "-U", "-Z", "root", "-B", "8192"])
            .args(["-w", path])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // The header of the file stands once packets are taken.
        while std::fs::metadata(file).map_or(0, |file| file.len()) < 24 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Self { child, file: file.to_path_buf() }
    }

    /// Ends it and gives the file's bytes.
    pub(crate) fn stop(mut self) -> Vec<u8> {
        // What passed shortly before is still on its way to the file.
        std::thread::sleep(std::time::Duration::from_millis(1_500));
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap();
        std::fs::read(&self.file).unwrap()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A UDP datagram.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    /// Microseconds of the clock.
    pub(crate) at: u64,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

/// One direction of a TCP connection.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// When its first packet passed, in microseconds.
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
    /// What the first byte of `bytes` is numbered.
    first: u32,
}

/// What a capture holds.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) datagrams: Vec<Datagram>,
    pub(crate) streams: Vec<Stream>,
    /// Packets that are neither, all of them below or beside TCP and UDP.
    pub(crate) others: usize,
}

impl Traffic {
    /// Reads a capture of an Ethernet.
    pub(crate) fn read(capture: &[u8]) -> Self {
        assert_eq!(capture[..4], 0xa1b2_c3d4_u32.to_le_bytes(), "a capture in microseconds");
        assert_eq!(capture[20], 1, "an Ethernet");
        let (mut traffic, mut open) = (Self::default(), BTreeMap::new());
        let mut rest = &capture[24..];
        while let Some((header, after)) = rest.split_at_checked(16) {
            let number = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
            let Some((frame, next)) = after.split_at_checked(number(8) as usize) else { break };
            assert_eq!(number(8), number(12), "a packet is cut short");
            rest = next;
            let at = u64::from(number(0)) * 1_000_000 + u64::from(number(4));
            if traffic.frame(at, frame, &mut open).is_none() {
                traffic.others += 1;
            }
        }
        traffic
    }

    fn frame(
        &mut self,
        at: u64,
        frame: &[u8],
        open: &mut BTreeMap<(SocketAddr, SocketAddr), usize>,
    ) -> Option<()> {
        let (kind, from, to, body) = packet(frame)?;
        let port = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
        let (from, to) = (SocketAddr::new(from, port(0)), SocketAddr::new(to, port(2)));
        match kind {
            17 => self.datagrams.push(Datagram { at, from, to, payload: body[8..].to_vec() }),
            6 => {
                let seq = u32::from_be_bytes(body[4..8].try_into().ok()?);
                let payload = &body[usize::from(body[12] >> 4) * 4..];
                if body[13] & 2 != 0 {
                    open.insert((from, to), self.streams.len());
                    let first = seq.wrapping_add(1);
                    self.streams.push(Stream { at, bytes: Vec::new(), first });
                } else if let Some(index) = open.get(&(from, to)) {
                    self.streams[*index].put(seq, payload);
                }
            }
            _ => return None,
        }
        Some(())
    }
}

impl Stream {
    fn put(&mut self, seq: u32, payload: &[u8]) {
        let at = seq.wrapping_sub(self.first) as usize;
        // A keep-alive stands one before the first byte.
        if payload.is_empty() || at > 1 << 30 {
            return;
        }
        let end = at + payload.len();
        self.bytes.resize(self.bytes.len().max(end), 0);
        self.bytes[at..end].copy_from_slice(payload);
    }
}

/// Protocol, source, target and body of an IP packet that is not a fragment.
fn packet(frame: &[u8]) -> Option<(u8, IpAddr, IpAddr, &[u8])> {
    let ip = frame.get(14..)?;
    match u16::from_be_bytes([frame[12], frame[13]]) {
        0x0800 => {
            let address = |at: usize| <[u8; 4]>::try_from(&ip[at..at + 4]).unwrap().into();
            let (head, total) =
                (usize::from(ip[0] & 15) * 4, usize::from(u16::from_be_bytes([ip[2], ip[3]])));
            assert_eq!(u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff, 0, "a fragment");
            Some((ip[9], address(12), address(16), ip.get(head..total)?))
        }
        0x86dd => {
            let address = |at: usize| <[u8; 16]>::try_from(&ip[at..at + 16]).unwrap().into();
            let total = usize::from(u16::from_be_bytes([ip[4], ip[5]]));
            Some((ip[6], address(8), address(24), ip.get(40..40 + total)?))
        }
        _ => None,
    }
}
