//! Addresses that a person names with `--peer`.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// Where a neighbour listens: `host:port` or a multiaddr such as `/ip4/192.0.2.1/tcp/7000`. A `/p2p/...` at its end is
/// ignored, because identities rotate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    host: String,
    port: u16,
}

/// The text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no peer address; use host:port or /ip4/.../tcp/...")]
pub struct ParsePeerError {
    /// What was given, shortened to 80 characters.
    pub text: String,
}

impl PeerAddress {
    /// The address itself where the host is an IP address and no name.
    pub(super) fn literal(&self) -> Option<SocketAddr> {
        self.host.parse().ok().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// Host name and port, for a look-up.
    pub(super) fn parts(&self) -> (String, u16) {
        (self.host.clone(), self.port)
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for PeerAddress {
    type Err = ParsePeerError;

    fn from_str(text: &str) -> Result<Self, ParsePeerError> {
        let parsed = if text.starts_with('/') { from_multiaddr(text) } else { from_host_port(text) };
        parsed.ok_or_else(|| ParsePeerError { text: text.chars().take(80).collect() })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.literal() {
            Some(address) => address.fmt(f),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn from_host_port(text: &str) -> Option<PeerAddress> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return (address.port() != 0).then(|| address.into());
    }
    let (host, port) = text.rsplit_once(':')?;
    named(host, port)
}

fn from_multiaddr(text: &str) -> Option<PeerAddress> {
    let mut parts = text.split('/').skip(1);
    let (kind, host) = (parts.next()?, parts.next()?);
    if !["ip4", "ip6", "dns", "dns4", "dns6"].contains(&kind) || parts.next()? != "tcp" {
        return None;
    }
    let port = parts.next()?;
    match (parts.next(), parts.next(), parts.next()) {
        (None, ..) | (Some("p2p"), Some(_), None) => {}
        _ => return None,
    }
    if kind.starts_with("ip") {
        let address = SocketAddr::new(host.parse().ok()?, port.parse().ok()?);
        return (address.port() != 0 && address.is_ipv4() == (kind == "ip4")).then(|| address.into());
    }
    named(host, port)
}

fn named(host: &str, port: &str) -> Option<PeerAddress> {
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let sound = !host.is_empty() && host.len() <= 253 && host.chars().all(allowed);
    sound.then(|| PeerAddress { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_and_multiaddr_name_the_same_place() {
        for (text, shown) in [
            ("192.0.2.1:7000", "192.0.2.1:7000"),
            ("[2001:db8::1]:7000", "[2001:db8::1]:7000"),
            ("porch.example:7000", "porch.example:7000"),
            ("/ip4/192.0.2.1/tcp/7000", "192.0.2.1:7000"),
            ("/ip6/2001:db8::1/tcp/7000", "[2001:db8::1]:7000"),
            ("/dns4/porch.example/tcp/7000", "porch.example:7000"),
            (
                "/ip4/192.0.2.1/tcp/7000/p2p/12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
                "192.0.2.1:7000",
            ),
        ] {
            assert_eq!(text.parse::<PeerAddress>().map(|peer| peer.to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_text() {
        for text in [
            "",
            "host",
            "host:0",
            "host:70000",
            ":7000",
            "/ip4/192.0.2.1/udp/7000",
            "/ip4/::1/tcp/1",
            "a b:1",
            "2001:db8::1",
        ] {
            assert!(text.parse::<PeerAddress>().is_err(), "{text}");
        }
        let long = "x".repeat(10_000).parse::<PeerAddress>().unwrap_err();
        assert_eq!(long.text.len(), 80);
    }
}
