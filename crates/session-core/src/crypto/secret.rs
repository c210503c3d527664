//! The one home of 32-byte secrets.

use core::fmt;

use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use crate::state_hash::StateHash;

/// 32 secret bytes: a private key, a pre-shared key or the root of other keys.
///
/// Wiped when dropped, compared in constant time, never shown, and neither `Clone` nor `Copy`.
#[derive(ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// Takes 32 secret bytes. The caller wipes its own copy.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for an implementation of [`Provider`](crate::Provider). Nobody else has a reason to look.
    #[must_use]
    pub fn dangerous_expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A second holder of the same bytes, where one secret has two uses at the same time.
    pub(super) fn duplicate(&self) -> Self {
        Self(self.0)
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self(bytes) = self;
        hash.bytes(bytes);
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests;
