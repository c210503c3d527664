//! What ends say of channels: of one they agree upon beforehand, of one they open while the session lives, and of how many the peer may open.

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
    /// Every mode, by its number on the wire.
    pub const ALL: [Self; 4] = [Self::ReliableOrdered, Self::ReliableUnordered, Self::Unreliable, Self::LatestValue];

    /// Its number on the wire.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::ReliableOrdered => 0,
            Self::ReliableUnordered => 1,
            Self::Unreliable => 2,
            Self::LatestValue => 3,
        }
    }

    /// Its place in tables by mode.
    pub(crate) const fn place(self) -> usize {
        self.number() as usize
    }

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

/// A channel both applications agreed upon. Id and mode must be the same at both ends; the options are this end's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelConfig {
    /// 16–255.
    pub id: ChannelId,
    /// What it promises.
    pub mode: ChannelMode,
    /// What this end decides about it.
    pub options: ChannelOptions,
}

impl ChannelConfig {
    /// A channel of `mode` with default options.
    #[must_use]
    pub const fn new(id: ChannelId, mode: ChannelMode) -> Self {
        Self { id, mode, options: ChannelOptions::new() }
    }

    /// The same with other options.
    #[must_use]
    pub const fn with_options(self, options: ChannelOptions) -> Self {
        Self { options, ..self }
    }

    /// The same with another priority, 0–7.
    #[must_use]
    pub const fn with_priority(self, priority: u8) -> Self {
        self.with_options(self.options.with_priority(priority))
    }

    /// The same with another weight, 1–255.
    #[must_use]
    pub const fn with_weight(self, weight: u8) -> Self {
        self.with_options(self.options.with_weight(weight))
    }

    /// The same with receipts: the peer learns what our application has taken, as `Event::Delivered`.
    #[must_use]
    pub const fn with_receipts(self) -> Self {
        self.with_options(self.options.with_receipts())
    }

    /// The same with a budget of send memory, in blocks of the pool, at least 2.
    #[must_use]
    pub const fn with_budget(self, budget: u32) -> Self {
        self.with_options(self.options.with_budget(budget))
    }

    pub(crate) const fn is_valid(&self) -> bool {
        self.id.is_agreed() && self.options.is_valid(self.mode)
    }
}

impl From<ChannelId> for ChannelConfig {
    /// Reliable and ordered.
    fn from(id: ChannelId) -> Self {
        Self::new(id, ChannelMode::ReliableOrdered)
    }
}

/// What an end decides about a channel for itself: how it sends there, and whether it gives receipts. Begin with the default and change what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelOptions {
    /// 0–7, the lowest first (RFC 9218 §4.1). Strict: while a channel has data to send, none of a larger number is served.
    /// Priority 0 is *urgent*: two datagrams in a round trip may leave although window or pacer say no.
    pub priority: u8,
    /// 1–255: the share among channels of the same priority, in bytes.
    pub weight: u8,
    /// Whether this end tells the peer how far its application has taken what arrived, at the price of a few more packets. Reliable modes only.
    pub receipts: bool,
    /// Blocks of the pool that what was sent and is not yet acknowledged may hold, at least 2; never more than [`Limits::send_blocks`](crate::Limits::send_blocks). At
    /// the bound sending says `Blocked` on this channel, and what it does not take is left to others. The memory that all that is sent in a session holds is bounded by
    /// nothing else: who has many channels, or lets the peer open many, gives them budgets.
    pub budget: u32,
}

impl Default for ChannelOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl ChannelOptions {
    /// The priority of channels that name none.
    pub const DEFAULT_PRIORITY: u8 = 3;
    /// The weight of channels that name none.
    pub const DEFAULT_WEIGHT: u8 = 16;

    /// Default priority and weight, no receipts, and no budget below that of all channels.
    #[must_use]
    pub const fn new() -> Self {
        Self { priority: Self::DEFAULT_PRIORITY, weight: Self::DEFAULT_WEIGHT, receipts: false, budget: u32::MAX }
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

    pub(crate) const fn is_valid(&self, mode: ChannelMode) -> bool {
        let receipts_fit = !(self.receipts && mode.stands_alone());
        self.priority <= LOWEST_PRIORITY && self.weight > 0 && self.budget >= 2 && receipts_fit
    }

    /// The same where one value serves channels of every mode: no receipts where there are none.
    pub(crate) const fn suited_to(self, mode: ChannelMode) -> Self {
        Self { receipts: self.receipts && !mode.stands_alone(), ..self }
    }
}

/// How many dynamic channels of each mode the peer may have open at once. Begin with none and allow some.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelLimits {
    /// Of [`ChannelMode::ReliableOrdered`].
    pub reliable_ordered: u16,
    /// Of [`ChannelMode::ReliableUnordered`].
    pub reliable_unordered: u16,
    /// Of [`ChannelMode::Unreliable`].
    pub unreliable: u16,
    /// Of [`ChannelMode::LatestValue`].
    pub latest_value: u16,
}

impl ChannelLimits {
    /// No channels at all: the peer opens none, and nothing is kept for them.
    pub const NONE: Self = Self { reliable_ordered: 0, reliable_unordered: 0, unreliable: 0, latest_value: 0 };

    /// The same with `count` channels of `mode`.
    #[must_use]
    pub const fn with(self, mode: ChannelMode, count: u16) -> Self {
        match mode {
            ChannelMode::ReliableOrdered => Self { reliable_ordered: count, ..self },
            ChannelMode::ReliableUnordered => Self { reliable_unordered: count, ..self },
            ChannelMode::Unreliable => Self { unreliable: count, ..self },
            ChannelMode::LatestValue => Self { latest_value: count, ..self },
        }
    }

    /// Channels of `mode`.
    #[must_use]
    pub const fn of(&self, mode: ChannelMode) -> u16 {
        match mode {
            ChannelMode::ReliableOrdered => self.reliable_ordered,
            ChannelMode::ReliableUnordered => self.reliable_unordered,
            ChannelMode::Unreliable => self.unreliable,
            ChannelMode::LatestValue => self.latest_value,
        }
    }

    /// By mode, as the peer is told.
    pub(crate) fn counts(&self) -> [u64; 4] {
        ChannelMode::ALL.map(|mode| u64::from(self.of(mode)))
    }
}
