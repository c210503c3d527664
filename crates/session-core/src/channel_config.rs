//! What both ends agree beforehand about a channel.

use crate::ids::ChannelId;

/// What a channel promises about its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelMode {
    /// Every message once, in the order sent.
    #[default]
    ReliableOrdered,
    /// Every message once, each as soon as it is complete: none waits for an earlier one. Whole messages only, up to the
    /// channel's credit.
    ReliableUnordered,
    /// Every message once at most, and never again if it is lost. Whole messages only.
    Unreliable,
    /// Only the newest message counts: it arrives in the end, unless a newer one does. Whole messages only.
    LatestValue,
}

impl ChannelMode {
    /// Messages may be given and taken piece by piece.
    pub(crate) const fn is_streamed(self) -> bool {
        matches!(self, Self::ReliableOrdered)
    }

    /// Messages travel in MESSAGE frames, without credit and each for itself.
    pub(crate) const fn stands_alone(self) -> bool {
        matches!(self, Self::Unreliable | Self::LatestValue)
    }
}

/// The greatest number of a priority.
pub(crate) const LOWEST_PRIORITY: u8 = 7;

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
    /// Whether this end tells the peer how far its application has taken what arrived, at the price of a few more packets. Reliable modes only.
    pub receipts: bool,
    /// Blocks of the pool that what was sent and is not yet acknowledged may hold, at least 2; never more than [`Limits::send_blocks`](crate::Limits::send_blocks). At
    /// the bound sending says `Blocked` on this channel, and what it does not take is left to others.
    pub budget: u32,
}

impl ChannelConfig {
    /// The priority of channels that name none.
    pub const DEFAULT_PRIORITY: u8 = 3;
    /// The weight of channels that name none.
    pub const DEFAULT_WEIGHT: u8 = 16;

    /// A channel of `mode` with default priority and weight.
    #[must_use]
    pub const fn new(id: ChannelId, mode: ChannelMode) -> Self {
        Self {
            id,
            mode,
            priority: Self::DEFAULT_PRIORITY,
            weight: Self::DEFAULT_WEIGHT,
            receipts: false,
            budget: u32::MAX,
        }
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

    /// The same with receipts: the peer learns what our application has taken, as `Event::Delivered`.
    #[must_use]
    pub const fn with_receipts(self) -> Self {
        Self { receipts: true, ..self }
    }

    /// The same with a budget of send memory, in blocks of the pool, at least 2.
    #[must_use]
    pub const fn with_budget(self, budget: u32) -> Self {
        Self { budget, ..self }
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.budget >= 2
            && self.id.is_agreed()
            && self.priority <= LOWEST_PRIORITY
            && self.weight > 0
            && !(self.receipts && self.mode.stands_alone())
    }
}

impl From<ChannelId> for ChannelConfig {
    /// Reliable and ordered.
    fn from(id: ChannelId) -> Self {
        Self::new(id, ChannelMode::ReliableOrdered)
    }
}
