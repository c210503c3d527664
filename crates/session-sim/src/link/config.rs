//! What a link does to datagrams.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use super::{Bursts, CoDel, Policer};

/// The largest number of datagrams that may overtake one.
pub const MAX_DISPLACEMENT: u8 = 64;

/// A probability in parts per million.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probability(u32);

impl Probability {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1_000_000);

    /// `ppm` parts per million; a million and more is [`Probability::ALWAYS`].
    #[must_use]
    pub const fn from_ppm(ppm: u32) -> Self {
        if ppm > Self::ALWAYS.0 { Self::ALWAYS } else { Self(ppm) }
    }

    /// `percent` parts per hundred; a hundred and more is [`Probability::ALWAYS`].
    #[must_use]
    pub const fn from_percent(percent: u32) -> Self {
        Self::from_ppm(percent.saturating_mul(10_000))
    }

    /// Parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }
}

/// In percent: what a seed expands to is read by people.
impl fmt::Debug for Probability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} %", f64::from(self.0) / 10_000.0)
    }
}

/// How datagrams change places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reordering {
    probability: Probability,
    max_displacement: u8,
    max_hold: Duration,
}

impl Reordering {
    /// Datagrams keep their places.
    pub const NONE: Self = Self { probability: Probability::NEVER, max_displacement: 0, max_hold: Duration::ZERO };

    /// Each datagram is held back with `probability` until 1 to `max_displacement` later ones (capped at
    /// [`MAX_DISPLACEMENT`]) have overtaken it, or, where too few follow, for `max_hold`.
    ///
    /// At most `max_displacement` are held back at once, so a high probability gives fewer than it says.
    #[must_use]
    pub const fn new(probability: Probability, max_displacement: u8, max_hold: Duration) -> Self {
        let max_displacement = if max_displacement > MAX_DISPLACEMENT { MAX_DISPLACEMENT } else { max_displacement };
        Self { probability, max_displacement, max_hold }
    }

    /// What a good path does now and then: one datagram in a hundred comes up to three places late. Three is also the
    /// packet threshold of RFC 9002, so this provokes late acknowledgements and the occasional spurious loss.
    #[must_use]
    pub const fn mild() -> Self {
        Self::new(Probability::from_percent(1), 3, Duration::from_millis(10))
    }

    /// How many datagrams are held back.
    #[must_use]
    pub const fn probability(self) -> Probability {
        self.probability
    }

    /// How many others overtake one that is held back, at most.
    #[must_use]
    pub const fn max_displacement(self) -> u8 {
        self.max_displacement
    }

    /// How long one waits to be overtaken, at most.
    #[must_use]
    pub const fn max_hold(self) -> Duration {
        self.max_hold
    }
}

/// What one direction of a link does to datagrams. The default is a perfect one: no fault, no delay, no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkConfig {
    /// Datagrams that vanish behind the bottleneck.
    pub loss: Probability,
    /// Further ones that vanish there in bursts.
    pub bursts: Option<Bursts>,
    /// Datagrams that come out twice.
    pub duplication: Probability,
    /// Datagrams that come out late.
    pub reordering: Reordering,
    /// Datagrams that come out with one bit changed, wherever in them it is. Each copy has a fate of its own.
    pub corruption: Probability,
    /// Time from the bottleneck to the far end.
    pub delay: Duration,
    /// Added to the delay, uniformly from zero to this.
    pub jitter: Duration,
    /// Bytes per second through the bottleneck; `None` sends at once.
    pub bandwidth: Option<NonZeroU64>,
    /// Bytes that may wait for the bottleneck, the one being sent included; `None` is bounded by the model's memory
    /// only. Without a bandwidth nothing waits.
    pub queue: Option<usize>,
    /// Manages that queue by the time datagrams spend in it. Without, what does not fit is dropped and nothing else.
    pub codel: Option<CoDel>,
    /// Drops what exceeds a rate, before the queue.
    pub policer: Option<Policer>,
    /// Bytes of the largest datagram that passes; `None` passes all.
    pub mtu: Option<usize>,
}
