//! Entropy as an argument.

use core::fmt;

use zeroize::ZeroizeOnDrop;

/// 32 fresh bytes of entropy from the embedder.
///
/// A seed must never be used twice: two generators made from one seed hand out the same keys. It is therefore neither
/// `Clone` nor `Copy`, and whoever takes one wipes it.
#[derive(ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Takes 32 bytes from a cryptographic source of randomness.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seed(..)")
    }
}
