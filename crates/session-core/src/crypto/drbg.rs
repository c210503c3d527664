//! The internal generator: all randomness of an endpoint, from the seeds it was given.

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::hkdf::{Label, expand_label, expand_secret, extract, hmac};
use super::secret::Secret;
use super::static_key::StaticKey;
use crate::seed::Seed;
use crate::state_hash::StateHash;

/// A deterministic generator that forgets: each draw replaces the state by a one-way function of it, so that a state
/// seen later tells nothing about what was drawn before.
pub(crate) struct Generator {
    state: Secret,
    /// Hedged draws so far. They are part of the derivation: even a state that did not move would not repeat itself.
    hedged: u64,
}

impl Generator {
    pub(crate) fn new(seed: Seed) -> Self {
        let mut generator = Self { state: Secret::new([0; 32]), hedged: 0 };
        generator.add_entropy(seed);
        generator
    }

    /// Mixes `seed` in. The result is unknown to whoever lacks either the old state or the seed.
    pub(crate) fn add_entropy(&mut self, seed: Seed) {
        self.state = expand_secret(&extract(&self.state, seed.expose()), Label::Drbg, b"seed");
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = self.draw();
            for (to, from) in chunk.iter_mut().zip(block.iter()) {
                *to = *from;
            }
        }
    }

    pub(crate) fn draw_secret(&mut self) -> Secret {
        Secret::new(*self.draw())
    }

    /// An ephemeral key in the shape of RFC 8937.
    ///
    /// It stays unpredictable if either the generator or the static key is unknown, and differs between two copies of
    /// one generator as soon as their `transcript`s differ.
    pub(crate) fn hedged_ephemeral(&mut self, static_key: &StaticKey, transcript: &[u8]) -> Secret {
        let fresh = self.draw_secret();
        self.hedged = self.hedged.wrapping_add(1);
        let salt = Secret::new(hmac(static_key.secret().expose(), &[b"sc1 hedge"]));
        let context: [u8; 32] =
            Sha256::new().chain_update(self.hedged.to_be_bytes()).chain_update(transcript).finalize().into();
        expand_secret(&extract(&salt, fresh.expose()), Label::Drbg, &context)
    }

    pub(crate) fn u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    /// A number below `bound`, all equally likely; 0 if `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The multiples of `bound` do not fill the range of u64: the first `excess` products would come up once more.
        let excess = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
        loop {
            let product = u128::from(self.u64()).wrapping_mul(u128::from(bound));
            if product as u64 >= excess {
                return (product >> 64) as u64;
            }
        }
    }

    /// The state to return to if nothing of what is drawn from here on leaves the endpoint.
    pub(crate) fn checkpoint(&self) -> Self {
        Self { state: self.state.duplicate(), hedged: self.hedged }
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { state, hedged } = self;
        state.digest_into(hash);
        hash.u64(*hedged);
    }

    fn draw(&mut self) -> Zeroizing<[u8; 32]> {
        let drawn = Zeroizing::new(expand_label(&self.state, Label::Drbg, b"draw"));
        self.state = expand_secret(&self.state, Label::Drbg, b"next");
        drawn
    }
}

#[cfg(test)]
mod tests;
