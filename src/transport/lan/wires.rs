//! Notices when an interface of this machine comes to life: a cable is plugged in, a Wi-Fi is joined.
//!
//! Its address may have stayed, so nothing else tells. Linux only; elsewhere discovery's own rhythm must do.

#[cfg(target_os = "linux")]
pub(super) use linux::Wires;

#[cfg(target_os = "linux")]
mod linux {
    use rustix::net::netlink::SocketAddrNetlink;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};
    use std::collections::BTreeSet;
    use std::io;
    use tokio::net::UdpSocket;

    /// The kernel's group for news about interfaces, as a mask.
    const LINKS: u32 = 1;
    /// The longest datagram that is read; the kernel's have less than 8 KiB.
    const MAX_DATAGRAM: usize = 32 * 1024;
    /// Interfaces remembered as dead; more are forgotten, which costs a late discovery.
    const MAX_DEAD: usize = 1024;
    const NEW: u16 = 16;
    const GONE: u16 = 17;
    /// Header of a message: length u32, type u16, flags u16, sequence u32, port u32.
    const HEADER: usize = 16;
    /// Then: family u8, pad u8, type u16, index i32, flags u32, change mask u32.
    const INTERFACE: usize = HEADER + 16;
    /// The flag of an interface that can carry packets.
    const RUNNING: u32 = 0x40;

    /// A subscription to the kernel's news.
    #[derive(Debug)]
    pub(in super::super) struct Wires {
        /// Not UDP: only `recv` is called on it, which every kind of datagram socket has.
        socket: UdpSocket,
        dead: Dead,
        buffer: Vec<u8>,
    }

    impl Wires {
        /// Subscribes; needs no privilege.
        pub(in super::super) fn listen() -> io::Result<Self> {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
            bind(&socket, &SocketAddrNetlink::new(0, LINKS))?;
            let socket = UdpSocket::from_std(std::net::UdpSocket::from(socket))?;
            Ok(Self { socket, dead: Dead::default(), buffer: vec![0; MAX_DATAGRAM] })
        }

        /// Returns when an interface came to life.
        pub(in super::super) async fn risen(&mut self) -> io::Result<()> {
            loop {
                match self.socket.recv(&mut self.buffer).await {
                    Ok(length) if self.dead.rises(&self.buffer[..length]) => return Ok(()),
                    Ok(_) => {}
                    // The kernel had more news than the socket holds: anything may have happened.
                    Err(error) if error.raw_os_error() == Some(NO_BUFFERS) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// `ENOBUFS`.
    const NO_BUFFERS: i32 = 105;

    /// The interfaces that carry nothing now.
    #[derive(Debug, Default)]
    struct Dead(BTreeSet<u32>);

    impl Dead {
        /// Reads one datagram of the kernel; whether it says that an interface came to life.
        fn rises(&mut self, mut datagram: &[u8]) -> bool {
            let mut risen = false;
            while let Some((kind, index, flags, rest)) = message(datagram) {
                datagram = rest;
                // News of an interface that was alive before is everyday on Wi-Fi.
                match kind {
                    NEW if flags & RUNNING != 0 => risen |= self.0.remove(&index),
                    NEW if self.0.len() < MAX_DEAD => {
                        self.0.insert(index);
                    }
                    GONE => {
                        self.0.remove(&index);
                    }
                    _ => {}
                }
            }
            risen
        }
    }

    /// Type, interface, its flags, and what follows the first message.
    fn message(bytes: &[u8]) -> Option<(u16, u32, u32, &[u8])> {
        let word = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        let length = usize::try_from(word(0)?).ok()?;
        if length < HEADER || length > bytes.len() {
            return None;
        }
        let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        if length < INTERFACE {
            return Some((0, 0, 0, rest));
        }
        Some((kind, word(HEADER + 4)?, word(HEADER + 8)?, rest))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use proptest::prelude::*;

        fn news(kind: u16, index: u32, flags: u32) -> Vec<u8> {
            let mut bytes = 40_u32.to_ne_bytes().to_vec();
            bytes.extend(kind.to_ne_bytes());
            bytes.extend([0; 10]);
            bytes.extend([0; 4]);
            bytes.extend(index.to_ne_bytes());
            bytes.extend(flags.to_ne_bytes());
            bytes.resize(40, 0);
            bytes
        }

        #[test]
        fn an_interface_rises_once_after_it_was_dead() {
            let mut dead = Dead::default();
            assert!(!dead.rises(&news(NEW, 2, RUNNING)), "it was alive all the time");
            assert!(!dead.rises(&news(NEW, 2, 1)));
            assert!(!dead.rises(&news(NEW, 3, RUNNING)));
            assert!(dead.rises(&news(NEW, 2, RUNNING | 1)));
            assert!(!dead.rises(&news(NEW, 2, RUNNING | 1)));
        }

        #[test]
        fn several_pieces_of_news_stand_in_one_datagram() {
            let mut dead = Dead::default();
            let both = [news(NEW, 2, 0), news(NEW, 2, RUNNING)].concat();
            assert!(dead.rises(&both));
            let gone = [news(NEW, 4, 0), news(GONE, 4, 0), news(NEW, 4, RUNNING)].concat();
            assert!(!dead.rises(&gone), "a new interface may have an old number; its address tells");
        }

        #[test]
        fn interfaces_without_end_fill_a_bounded_set() {
            let mut dead = Dead::default();
            for index in 0..5_000 {
                dead.rises(&news(NEW, index, 0));
            }
            assert_eq!(dead.0.len(), MAX_DEAD);
        }

        proptest! {
            #[test]
            fn any_datagram_is_read_or_ignored(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
                Dead::default().rises(&bytes);
            }
        }

        #[tokio::test]
        async fn the_kernel_takes_the_subscription() {
            assert!(Wires::listen().is_ok());
        }
    }
}

#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(super) struct Wires;

#[cfg(not(target_os = "linux"))]
impl Wires {
    /// Nothing to subscribe to.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    /// Never.
    pub(super) async fn risen(&mut self) -> std::io::Result<()> {
        std::future::pending().await
    }
}
