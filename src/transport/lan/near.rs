//! Which announced addresses are worth a dial: those of the networks that this machine is in.

use libp2p::Multiaddr;
use std::net::IpAddr;

/// The networks of this machine's interfaces, as they are now; loopback is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Near(Vec<(IpAddr, IpAddr)>);

impl Near {
    /// Asks the system.
    pub(super) fn now() -> Self {
        let found = if_addrs::get_if_addrs().unwrap_or_default();
        let networks = found.iter().filter(|interface| !interface.is_loopback()).map(|interface| {
            let mask = match &interface.addr {
                if_addrs::IfAddr::V4(v4) => v4.netmask.into(),
                if_addrs::IfAddr::V6(v6) => v6.netmask.into(),
            };
            (interface.ip(), mask)
        });
        Self(networks.collect())
    }

    /// Whether an address lies in one of them. An announcement carries its sender's word alone: without this, anybody
    /// could have this node dial a third party or services of its own machine.
    pub(super) fn holds(&self, address: &Multiaddr) -> bool {
        let Some(address) = super::net::socket_address(address).map(|address| address.ip()) else {
            return false;
        };
        // Where the system names no mask it names no network.
        self.0.iter().filter(|(_, mask)| !mask.is_unspecified()).any(|(own, mask)| {
            match (own, mask, address) {
                (IpAddr::V4(own), IpAddr::V4(mask), IpAddr::V4(address)) => own & mask == address & mask,
                (IpAddr::V6(own), IpAddr::V6(mask), IpAddr::V6(address)) => own & mask == address & mask,
                _ => false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::net::multiaddr;
    use super::*;

    fn holds(near: &Near, address: &str) -> bool {
        near.holds(&multiaddr(std::net::SocketAddr::new(address.parse().unwrap(), 9)))
    }

    #[test]
    fn only_addresses_of_own_networks_are_dialled() {
        let pair = |own: &str, mask: &str| (own.parse().unwrap(), mask.parse().unwrap());
        let near = Near(vec![
            pair("192.168.1.20", "255.255.255.0"),
            pair("169.254.3.4", "255.255.0.0"),
            pair("fe80::20", "ffff:ffff:ffff:ffff::"),
        ]);
        for address in ["192.168.1.77", "169.254.200.1", "fe80::1"] {
            assert!(holds(&near, address), "{address}");
        }
        for address in ["127.0.0.1", "192.168.2.77", "8.8.8.8", "10.0.0.1", "::1", "2001:db8::1"] {
            assert!(!holds(&near, address), "{address}");
        }
    }

    #[test]
    fn what_is_no_ip_address_is_not_near() {
        let wide = Near(vec![([10, 0, 0, 1].into(), [128, 0, 0, 0].into())]);
        assert!(holds(&wide, "93.184.216.34"));
        assert!(!wide.holds(&"/dns4/example.org/tcp/9".parse().unwrap()));
    }

    #[test]
    fn an_interface_without_a_mask_does_not_make_everything_near() {
        let tunnel = Near(vec![([10, 8, 0, 1].into(), [0, 0, 0, 0].into())]);
        assert!(!holds(&tunnel, "8.8.8.8"));
    }

    #[test]
    fn loopback_is_no_network_of_this_machine() {
        assert!(!holds(&Near::now(), "127.0.0.1"));
    }
}
