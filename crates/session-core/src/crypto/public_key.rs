//! Static public keys: one encoding per key, none of low order.

use core::fmt;

use sha2::{Digest, Sha256};

use crate::ids::{Hex, PeerId};

/// 2^255 - 19, little-endian.
const FIELD_PRIME: [u8; 32] = [
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
];

/// The canonical u coordinates of low order on Curve25519 and its twist, little-endian: 0, 1, the two of order 8, -1.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];

/// An X25519 public key in its only encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Accepts the canonical encoding of a key that can contribute to a secret.
    ///
    /// Plain X25519 takes several encodings for one key. A name made from a key ([`peer_id`](Self::peer_id)) must not
    /// depend on which of them somebody chose to send.
    ///
    /// # Errors
    /// [`InvalidPublicKey`] if the value is 2^255 - 19 or more, or the point is of low order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, InvalidPublicKey> {
        let canonical = bytes.iter().rev().lt(FIELD_PRIME.iter().rev());
        if !canonical || LOW_ORDER.contains(&bytes) {
            return Err(InvalidPublicKey);
        }
        Ok(Self(bytes))
    }

    /// A key this node computed itself: a clamped scalar times the base point is canonical and of prime order.
    pub(super) fn of_own(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name of the node that owns this key.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        PeerId::from_bytes(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", Hex(&self.0))
    }
}

/// 32 bytes are not the canonical encoding of a usable public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPublicKey;

impl fmt::Display for InvalidPublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not a canonical public key, or one of low order")
    }
}

impl core::error::Error for InvalidPublicKey {}

#[cfg(test)]
pub(super) mod tests;
