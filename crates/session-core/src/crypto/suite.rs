//! The primitives, as a value the embedder may replace.

use core::fmt;

use aes::Aes256Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey as DalekPublicKey, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use super::gcm::Gcm;
use super::secret::Secret;

/// AES-256-GCM, AES-256 on one block, and X25519: everything the protocol computes with keys apart from hashing.
///
/// An implementation holds no randomness and no state that a call could observe: equal arguments give equal results.
pub trait Provider {
    /// An expanded AES-256 key, good for [`seal`](Self::seal), [`open`](Self::open) and [`mask`](Self::mask).
    ///
    /// It wipes itself when dropped.
    type Key;

    /// Expands an AES-256 key.
    fn expand(&self, secret: &Secret) -> Self::Key;

    /// Encrypts `in_out` in place with AES-256-GCM and returns the tag.
    fn seal(&self, key: &Self::Key, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16];

    /// Decrypts `in_out` in place.
    ///
    /// # Errors
    /// [`OpenError`] if the tag does not fit; `in_out` is then all zero.
    fn open(
        &self,
        key: &Self::Key,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError>;

    /// Encrypts one block with AES-256: the mask of header protection (RFC 9001 section 5.4.3).
    fn mask(&self, key: &Self::Key, sample: &[u8; 16]) -> [u8; 16];

    /// X25519 of `secret`, clamped, and `public`.
    ///
    /// # Errors
    /// [`DhError`] if the result is all zero, which is so for `public` of low order.
    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError>;

    /// X25519 of `secret`, clamped, and the base point.
    fn public_key(&self, secret: &Secret) -> [u8; 32];
}

/// A sealed text does not fit its key, nonce, associated data or tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenError;

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the authentication tag does not fit")
    }
}

impl core::error::Error for OpenError {}

/// A Diffie-Hellman result is all zero: the other public key is of low order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DhError;

impl fmt::Display for DhError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the public key is of low order")
    }
}

impl core::error::Error for DhError {}

/// The default provider, pure Rust: it takes the processor's AES instructions where there are some.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

/// An expanded key of [`RustCrypto`]. GCM and header protection only ever encrypt blocks, so it can do no more.
pub struct RustCryptoKey(Gcm<Aes256Enc>);

impl fmt::Debug for RustCryptoKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("RustCryptoKey(..)")
    }
}

impl Provider for RustCrypto {
    type Key = RustCryptoKey;

    fn expand(&self, secret: &Secret) -> RustCryptoKey {
        RustCryptoKey(Gcm::new(Aes256Enc::new(secret.expose().into())))
    }

    fn seal(&self, key: &RustCryptoKey, nonce: &[u8; 12], associated_data: &[u8], in_out: &mut [u8]) -> [u8; 16] {
        match key.0.seal(nonce, associated_data, in_out) {
            Some(tag) => tag,
            // More than 64 GiB at once. No plaintext leaves, and the zero tag opens nowhere.
            None => {
                in_out.zeroize();
                [0; 16]
            }
        }
    }

    fn open(
        &self,
        key: &RustCryptoKey,
        nonce: &[u8; 12],
        associated_data: &[u8],
        in_out: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), OpenError> {
        if key.0.open(nonce, associated_data, in_out, tag) {
            return Ok(());
        }
        in_out.zeroize();
        Err(OpenError)
    }

    fn mask(&self, key: &RustCryptoKey, sample: &[u8; 16]) -> [u8; 16] {
        let mut block = (*sample).into();
        key.0.cipher.encrypt_block(&mut block);
        block.into()
    }

    fn dh(&self, secret: &Secret, public: &[u8; 32]) -> Result<Secret, DhError> {
        let shared = StaticSecret::from(*secret.expose()).diffie_hellman(&DalekPublicKey::from(*public));
        let shared = Zeroizing::new(shared.to_bytes());
        if bool::from(shared.ct_eq(&[0; 32])) { Err(DhError) } else { Ok(Secret::new(*shared)) }
    }

    fn public_key(&self, secret: &Secret) -> [u8; 32] {
        DalekPublicKey::from(&StaticSecret::from(*secret.expose())).to_bytes()
    }
}

#[cfg(test)]
mod tests;
