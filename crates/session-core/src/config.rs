//! What an endpoint is told once.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use crate::action::{CarrierConfig, Timeouts};
use crate::channel_config::{ChannelConfig, ChannelLimits, ChannelMode, ChannelOptions};
use crate::congestion_control::CongestionControl;
use crate::crypto::{PublicKey, Secret, StaticKey};
use crate::ids::ChannelId;
use crate::limits::{CHANNELS, MAX_CARRIERS, MIN_UDP_DATAGRAM};
use crate::reason::ConfigError;
use crate::wire::varint::MAX as MAX_VARINT;

/// The name of a pre-shared key, 1–16 bytes; it travels in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PskName {
    bytes: [u8; 16],
    len: u8,
}

impl PskName {
    /// # Errors
    /// [`ConfigError::PskName`] if `name` is empty or longer than 16 bytes.
    pub fn new(name: &[u8]) -> Result<Self, ConfigError> {
        if name.is_empty() || name.len() > 16 {
            return Err(ConfigError::PskName);
        }
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name);
        Ok(Self { bytes, len: name.len() as u8 })
    }

    /// The name.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Who an endpoint is, what it speaks, and over what. Begin with [`new`](Self::new) and change what differs.
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    /// Our long-term key.
    pub static_key: StaticKey,
    /// The application protocol, at most 64 bytes; both ends must name the same.
    pub application: Box<str>,
    /// An opaque byte the peer may read (S0-14).
    pub node_type: u8,
    /// Opaque flags the peer may read (S0-14).
    pub capabilities: u64,
    /// Channels agreed beforehand, ids 16–255, at most fifteen.
    pub channels: Vec<ChannelConfig>,
    /// Dynamic channels of each mode that a peer may have open at once in one session; none by default. How many we may open is in
    /// [`Limits::opened_channels`](crate::Limits::opened_channels).
    pub channel_limits: ChannelLimits,
    /// What we decide about each of these channels: priority, weight, budget, and receipts where the mode has any.
    pub accepted_channels: ChannelOptions,
    /// Carriers, 1 to 8; `Carrier(n)` names the n-th.
    pub carriers: Vec<CarrierConfig>,
    /// Pre-shared keys by name.
    pub psks: Vec<(PskName, Secret)>,
    /// Waiting times.
    pub timeouts: Timeouts,
    /// What becomes of a second session with one peer.
    pub second_session: SecondSession,
    /// How much is in flight at a time.
    pub congestion_control: CongestionControl,
    /// A session stays with the address at which its peer was when it began: packets of it from elsewhere are taken, but answered there (S2-17). Off by
    /// default: sessions follow a peer that moves, once it has answered from where it is.
    pub strict_address: bool,
    /// Whether [`Event::Added`](crate::Event::Added), [`Event::StateChanged`](crate::Event::StateChanged) and
    /// [`Event::Removed`](crate::Event::Removed) are told.
    pub directory_events: bool,
}

/// What becomes of a second session with one peer. The side that accepts decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecondSession {
    /// When the new one is accepted, an established older one ends with [`CloseCode::SUPERSEDED`](crate::CloseCode::SUPERSEDED) at both ends: a peer that
    /// lost its state, or its address, is not kept out by what it left behind.
    #[default]
    NewestWins,
    /// Both live: for peers that share one key, or want several sessions.
    KeepBoth,
    /// The second is refused with [`CloseCode::BUSY`](crate::CloseCode::BUSY), and `connect` says
    /// [`ConnectError::SecondSession`](crate::ConnectError::SecondSession).
    Refuse,
}

impl Config {
    /// One UDP carrier of the smallest datagram every path carries, channel 16 reliable and ordered, default waiting times.
    #[must_use]
    pub fn new(static_key: StaticKey, application: &str) -> Self {
        Self {
            static_key,
            application: application.into(),
            node_type: 0,
            capabilities: 0,
            channels: vec![ChannelId(16).into()],
            channel_limits: ChannelLimits::NONE,
            accepted_channels: ChannelOptions::new(),
            carriers: vec![CarrierConfig::udp(MIN_UDP_DATAGRAM)],
            psks: Vec::new(),
            timeouts: Timeouts::default(),
            second_session: SecondSession::default(),
            congestion_control: CongestionControl::default(),
            strict_address: false,
            directory_events: false,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.application.len() > 64 {
            return Err(ConfigError::Application);
        }
        let twice = |index: usize, id: ChannelId| self.channels[..index].iter().any(|other| other.id == id);
        if self.channels.len() >= CHANNELS
            || self.channels.iter().enumerate().any(|(index, channel)| !channel.is_valid() || twice(index, channel.id))
            || !self.accepted_channels.is_valid(ChannelMode::ReliableOrdered)
        {
            return Err(ConfigError::Channels);
        }
        if self.carriers.is_empty()
            || self.carriers.len() > MAX_CARRIERS
            || self
                .carriers
                .iter()
                .any(|carrier| carrier.min_datagram < 256 || carrier.max_datagram < carrier.min_datagram)
        {
            return Err(ConfigError::Carriers);
        }
        if self.carriers.iter().any(|carrier| carrier.padding && carrier.min_datagram < MIN_UDP_DATAGRAM) {
            return Err(ConfigError::Carriers);
        }
        let Timeouts { keepalive, least_keepalive, longest_keepalive, .. } = self.timeouts;
        let least = least_keepalive.unwrap_or(keepalive);
        if ![least, keepalive, longest_keepalive].into_iter().all(is_keepalive)
            || least > keepalive
            || keepalive > longest_keepalive
        {
            return Err(ConfigError::Keepalive);
        }
        if self.capabilities > MAX_VARINT {
            return Err(ConfigError::Capabilities);
        }
        let known = |index: usize, name: &PskName| self.psks[..index].iter().any(|(other, _)| other == name);
        if self.psks.iter().enumerate().any(|(index, (name, _))| known(index, name)) {
            return Err(ConfigError::PskName);
        }
        Ok(())
    }

    /// The place of a pre-shared key, counted from 1; 0 is none.
    pub(crate) fn psk_place(&self, name: Option<&PskName>) -> u16 {
        let place = name.and_then(|name| self.psks.iter().position(|(other, _)| other == name));
        place.map_or(0, |place| u16::try_from(place).unwrap_or(u16::MAX).saturating_add(1))
    }

    pub(crate) fn psk(&self, name: &[u8]) -> Option<&Secret> {
        self.psks.iter().find(|(other, _)| other.as_bytes() == name).map(|(_, secret)| secret)
    }
}

/// Whether this can be a keepalive interval (protocol §4.3).
pub(crate) fn is_keepalive(interval: Duration) -> bool {
    let whole = interval.subsec_nanos().is_multiple_of(1_000_000);
    whole && (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&interval)
}

/// Whom to connect to.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Peer<'a> {
    /// A peer whose static key is known.
    Known {
        /// Its key.
        key: PublicKey,
        /// The pre-shared key to mix in, by its name in [`Config::psks`].
        psk: Option<&'a PskName>,
    },
    /// First contact: whoever answers at the address. It learns our key and shows its own, which nobody has verified: compare it by
    /// another way before it is trusted. It answers only while its pairing is on ([`Endpoint::set_pairing`](crate::Endpoint::set_pairing)).
    Unknown {
        /// The pre-shared key to mix in, by its name in [`Config::psks`]: only who holds it can answer.
        psk: Option<&'a PskName>,
    },
}

/// What an attempt may carry. Begin with the default and add what there is.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct ConnectOptions<'a> {
    /// Up to 512 bytes for the peer's application, read there before it accepts. Encrypted and authenticated.
    pub user_data: &'a [u8],
}

impl<'a> ConnectOptions<'a> {
    /// The same with other user data.
    #[must_use]
    pub const fn with_user_data(self, user_data: &'a [u8]) -> Self {
        Self { user_data }
    }
}
