//! SipHash-1-3 (Aumasson and Bernstein, 2012) of one 64-bit word: places in tables whose names others can choose.

use super::secret::Secret;

/// The secret of one table.
pub(crate) struct SipKey([u64; 2]);

impl SipKey {
    pub(crate) fn new(secret: &Secret) -> Self {
        let (words, _) = secret.expose().as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        Self([(); 2].map(|()| words.next().unwrap_or(0)))
    }

    /// All bits of the result depend on all bits of `word`, and nobody who lacks the key can tell how.
    pub(crate) fn hash(&self, word: u64) -> u64 {
        const LENGTH: u64 = 8 << 56;
        let [low, high] = self.0;
        let mut state = [
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ];
        for block in [word, LENGTH] {
            state[3] ^= block;
            round(&mut state);
            state[0] ^= block;
        }
        state[2] ^= 0xff;
        (0..3).for_each(|_| round(&mut state));
        state.into_iter().fold(0, |hash, word| hash ^ word)
    }
}

fn round([a, b, c, d]: &mut [u64; 4]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(13) ^ *a;
    *d = d.rotate_left(16) ^ *c;
    *a = a.rotate_left(32);
    *c = c.wrapping_add(*b);
    *a = a.wrapping_add(*d);
    *b = b.rotate_left(17) ^ *c;
    *d = d.rotate_left(21) ^ *a;
    *c = c.rotate_left(32);
}

#[cfg(test)]
mod tests;
