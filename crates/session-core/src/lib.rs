//! One long-lived, secure session between two nodes, as a sans-IO protocol core.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod crypto;
mod ids;
mod channel;
pub mod time;
mod path;
mod pool;
mod seed;
mod recovery;
mod state_hash;
pub mod time;
#[cfg_attr(not(test), expect(dead_code, reason = "the session layer that parses with it comes next"))]
mod wire;

pub use crypto::{
    DhError, InvalidPublicKey, OpenError, Provider, PublicKey, RustCrypto, RustCryptoKey, Secret, StaticKey,
};
pub use ids::PeerId;
pub use seed::Seed;
pub use time::Instant;
