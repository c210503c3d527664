//! `PEER@ADDR`: whom to talk to, and where.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::known_peers::is_name;
use super::public::{BASE64_LENGTH, PublicKeyError};
use super::{KnownPeers, PublicKey};
use crate::exit::Failure;

/// Characters of the longest host name in the DNS.
const MAX_HOST: usize = 253;

/// Whom to talk to: a key, or a name that `known_peers` turns into one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The peer's public key.
    Key(PublicKey),
    /// A name of the list of known peers.
    Name(String),
}

/// Where to talk to it. The port is never zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address.
    Socket(SocketAddr),
    /// A host name, to be looked up.
    Host {
        /// The name.
        name: String,
        /// The port.
        port: u16,
    },
}

/// Whom to talk to, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerAddress {
    /// Whom.
    pub peer: Peer,
    /// Where.
    pub address: Address,
}

/// Why an argument is no `PEER@ADDR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerAddressError {
    /// There is no `@`.
    NoAt,
    /// What stands before the `@` is neither a key nor a name.
    Peer,
    /// A secret key stands before the `@`.
    SecretKey,
    /// What stands after the `@` is no address.
    Address,
    /// The port is missing, zero or too large.
    Port,
    /// An IPv6 address stands without its brackets.
    Brackets,
}

impl Peer {
    /// The peer's key, looked up where only a name is given.
    ///
    /// # Errors
    /// What `known_peers` fails with, or that the name is not in it.
    pub fn resolve(&self, known_peers: impl FnOnce() -> Result<KnownPeers, Failure>) -> Result<PublicKey, Failure> {
        match self {
            Self::Key(key) => Ok(*key),
            Self::Name(name) => Ok(known_peers()?.named(name)?.key),
        }
    }
}

impl FromStr for PeerAddress {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        let (peer, address) = text.split_once('@').ok_or(PeerAddressError::NoAt)?;
        Ok(Self { peer: peer.parse()?, address: address.parse()? })
    }
}

impl FromStr for Peer {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        match PublicKey::from_base64(text) {
            Ok(key) => Ok(Self::Key(key)),
            Err(PublicKeyError::IsSecret) => Err(PeerAddressError::SecretKey),
            Err(_) if is_name(text) => Ok(Self::Name(text.to_owned())),
            Err(_) => Err(PeerAddressError::Peer),
        }
    }
}

impl FromStr for Address {
    type Err = PeerAddressError;

    fn from_str(text: &str) -> Result<Self, PeerAddressError> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 { Err(PeerAddressError::Port) } else { Ok(Self::Socket(address)) };
        }
        if text.starts_with('[') {
            let has_port = text.rsplit_once("]:").is_some_and(|(_, port)| parse_port(port).is_some());
            return Err(if has_port { PeerAddressError::Address } else { PeerAddressError::Port });
        }
        match text.split_once(':') {
            None if is_host(text) => Err(PeerAddressError::Port),
            None => Err(PeerAddressError::Address),
            Some((_, rest)) if rest.contains(':') => Err(PeerAddressError::Brackets),
            Some((name, _)) if !is_host(name) => Err(PeerAddressError::Address),
            Some((name, port)) => match parse_port(port) {
                Some(port) => Ok(Self::Host { name: name.to_owned(), port }),
                None => Err(PeerAddressError::Port),
            },
        }
    }
}

fn parse_port(text: &str) -> Option<u16> {
    // `u16::from_str` takes a sign; a port has none.
    let digits = text.chars().all(|character| character.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

fn is_host(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_'))
    };
    // A last label of digits only is a mistyped IPv4 address: no top-level domain is a number.
    let is_number = |label: &str| label.chars().all(|character| character.is_ascii_digit());
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= MAX_HOST && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(is_number)
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(formatter),
            Self::Host { name, port } => write!(formatter, "{name}:{port}"),
        }
    }
}

impl fmt::Display for PeerAddressError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAt => formatter.write_str("no '@'; write PEER@ADDRESS:PORT"),
            Self::Peer => write!(
                formatter,
                "no peer before the '@'; give its public key ({BASE64_LENGTH} characters of base64) or a name from known_peers"
            ),
            Self::SecretKey => {
                formatter.write_str("a secret key before the '@'; replace that key, and give the peer's public key")
            }
            Self::Address => {
                formatter.write_str("no address after the '@'; write 192.0.2.1:7000, [2001:db8::1]:7000 or host:7000")
            }
            Self::Port => formatter.write_str("no port after the address; end with a colon and 1 to 65535"),
            Self::Brackets => formatter.write_str("an IPv6 address without brackets; write [2001:db8::1]:7000"),
        }
    }
}

impl std::error::Error for PeerAddressError {}

#[cfg(test)]
mod tests;
