//! What a node of a [`World`](crate::World) is made with.

use session_core::{
    ChannelConfig, ChannelId, ChannelLimits, CongestionControl, Limits, Peer, PskName, PublicKey, Timeouts,
};

/// What one node is made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Bounds.
    pub limits: Limits,
    /// Waiting times.
    pub timeouts: Timeouts,
    /// Channels agreed beforehand.
    pub channels: Vec<ChannelConfig>,
    /// Dynamic channels that a peer may have open.
    pub channel_limits: ChannelLimits,
    /// The rule by which its windows grow.
    pub congestion_control: CongestionControl,
    /// Bytes of its carrier's largest datagram.
    pub max_datagram: u16,
    /// What it takes every path to carry; below 1200 its Hellos are not padded, nor need be those it answers.
    pub min_datagram: u16,
    /// Whether it accepts whoever asks.
    pub accepts: bool,
    /// The node whose static key it has too; it has one of its own otherwise.
    pub key_of: Option<usize>,
    /// The secret of its pre-shared key, if it has one; [`PSK`] is its name.
    pub psk: Option<[u8; 32]>,
}

/// The name of the pre-shared key of [`Setup::psk`].
pub const PSK: &[u8] = b"tests";

/// How a session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The responder's key is known.
    Known,
    /// The same, and both hold the pre-shared key.
    KnownWithPsk,
    /// Neither end knows the other; the responder must pair.
    First,
    /// The same, and both hold the pre-shared key.
    FirstWithPsk,
}

impl Contact {
    /// Every kind: one for each Noise pattern.
    pub const ALL: [Self; 4] = [Self::Known, Self::KnownWithPsk, Self::First, Self::FirstWithPsk];

    /// Whether the responder must pair.
    #[must_use]
    pub fn is_first(self) -> bool {
        matches!(self, Self::First | Self::FirstWithPsk)
    }

    /// Whether both hold the pre-shared key.
    #[must_use]
    pub fn with_psk(self) -> bool {
        matches!(self, Self::KnownWithPsk | Self::FirstWithPsk)
    }

    /// Whom to connect to, for a session of this kind.
    #[must_use]
    pub fn peer(self, key: PublicKey, name: &PskName) -> Peer<'_> {
        let psk = self.with_psk().then_some(name);
        if self.is_first() { Peer::Unknown { psk } } else { Peer::Known { key, psk } }
    }
}

impl Default for Setup {
    /// Four sessions, a window of 66 KiB for each of the channels 16 to 18, a pool of 1 MiB.
    fn default() -> Self {
        let mut limits = Limits::default();
        limits.sessions = 4;
        limits.pending = 4;
        limits.pool_blocks = 1024;
        limits.session_window = 3 * 66 * 1024;
        limits.channel_window = 66 * 1024;
        limits.send_blocks = 128;
        limits.record_blocks = 64;
        Self {
            limits,
            timeouts: Timeouts::default(),
            channels: (16..19).map(|id| ChannelId(id).into()).collect(),
            channel_limits: ChannelLimits::NONE,
            congestion_control: CongestionControl::default(),
            max_datagram: 1200,
            min_datagram: 1200,
            accepts: true,
            key_of: None,
            psk: None,
        }
    }
}
