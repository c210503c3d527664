//! Keys, nonces and everything that touches them.
//!
//! Level rule: this module imports the crate's vocabulary (`ids`, `seed`, `state_hash`, `time`) and cryptographic crates, nothing
//! else. Nonces are made in `keys` and in the Noise cipher, and nowhere else.
#![deny(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

pub(crate) mod drbg;
mod gcm;
pub(crate) mod hkdf;
mod id_key;
pub(crate) mod key_cache;
pub(crate) mod keys;
pub(crate) mod marks;
pub(crate) mod noise;
mod public_key;
pub(crate) mod rekey;
pub(crate) mod replay;
mod secret;
pub(crate) mod siphash;
mod static_key;
mod suite;
#[cfg(test)]
mod test_vectors;

pub(crate) use drbg::Generator;
pub(crate) use id_key::{ID_LENGTH, IdKey};
pub(crate) use key_cache::KeyCache;

pub use public_key::{InvalidPublicKey, PublicKey};
pub use secret::Secret;
pub use static_key::StaticKey;
pub use suite::{DhError, OpenError, Provider, RustCrypto, RustCryptoKey};
