//! A small seeded generator, so that a run is repeatable without a dependency whose stream may change.

use crate::Probability;

/// SplitMix64: one word of state, every seed good, the stream fixed for ever. Not for secrets.
#[derive(Clone, Debug)]
pub struct Generator {
    state: u64,
}

impl Generator {
    /// The generator whose stream `seed` determines.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits of the stream.
    pub const fn next_u64(&mut self) -> u64 {
        // Increment and multipliers are the published ones of SplitMix64 (Steele, Lea, Flood 2014).
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`, or zero where `bound` is zero. The bias is below `bound / 2^64`.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// True with probability `probability`.
    pub const fn chance(&mut self, probability: Probability) -> bool {
        self.below(1_000_000) < probability.ppm() as u64
    }
}

#[cfg(test)]
mod tests;
