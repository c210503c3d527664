//! Maps by session, which nearly every call looks into.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use session_core::SessionId;

/// The numbers of sessions are given by our own core, and are small: nobody can choose them so that they meet, and a keyed hash has nothing to guard against.
pub(crate) type SessionMap<T> = HashMap<SessionId, T, BuildHasherDefault<Spread>>;

/// Spreads small numbers over all bits: Fibonacci hashing, by 2^64 divided by the golden ratio.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write_u32(&mut self, number: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}
