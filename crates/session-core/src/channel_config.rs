//! What both ends agree beforehand about a channel.

use crate::ids::ChannelId;

/// What a channel promises about its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelMode {
    /// Every message once, in the order sent.
    #[default]
    ReliableOrdered,
}

/// A channel both applications agreed upon. Id and mode must be the same at both ends; priority and weight rule what this end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelConfig {
    /// 16–255.
    pub id: ChannelId,
    /// What it promises.
    pub mode: ChannelMode,
    /// 0–7, the lowest first (RFC 9218 §4.1). Strict: while a channel has data to send, none of a larger number is served.
    /// Priority 0 is *urgent*: two datagrams in a round trip may leave although window or pacer say no.
    pub priority: u8,
    /// 1–255: the share among channels of the same priority, in bytes.
    pub weight: u8,
}

impl ChannelConfig {
    /// The priority of channels that name none.
    pub const DEFAULT_PRIORITY: u8 = 3;
    /// The weight of channels that name none.
    pub const DEFAULT_WEIGHT: u8 = 16;

    /// A channel of `mode` with default priority and weight.
    #[must_use]
    pub const fn new(id: ChannelId, mode: ChannelMode) -> Self {
        Self { id, mode, priority: Self::DEFAULT_PRIORITY, weight: Self::DEFAULT_WEIGHT }
    }

    /// The same with another priority, 0–7.
    #[must_use]
    pub const fn with_priority(self, priority: u8) -> Self {
        Self { priority, ..self }
    }

    /// The same with another weight, 1–255.
    #[must_use]
    pub const fn with_weight(self, weight: u8) -> Self {
        Self { weight, ..self }
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.id.is_agreed() && self.priority <= 7 && self.weight > 0
    }
}

impl From<ChannelId> for ChannelConfig {
    /// Reliable and ordered.
    fn from(id: ChannelId) -> Self {
        Self::new(id, ChannelMode::ReliableOrdered)
    }
}
