//! One long-lived, secure session between two nodes, as a sans-IO protocol core.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod time;
mod pool;
mod state_hash;

pub use time::Instant;
