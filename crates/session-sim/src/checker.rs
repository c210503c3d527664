//! Invariants that hold for every datagram, each an [`Observer`](crate::Observer) of a network. One that is broken is a panic that begins with its
//! number in `docs/simulator.md`: `I1`, `I5`, `I6`, `I7`, `I11`.
//!
//! Forged texts (I2) and nonces used twice (I3) are found by [`Recording`](crate::Recording), what becomes of messages (I4) by
//! [`Ledger`](crate::ledger::Ledger), loops without end (I8) by [`Network`](crate::Network), and agreement at the end (I10) by a run of the
//! [`swarm`](crate::swarm).

mod amplification;
mod bound;
pub(crate) mod fingerprint;
mod key_phases;
mod noop;
mod work;

pub use amplification::Amplification;
pub use bound::Bound;
pub use key_phases::{KeyHolder, KeyPhases, KeyState};
pub use noop::Noop;
pub use work::{Work, WorkBound};

use session_core::{Endpoint, Provider};

/// Of a run that is to be the same again; drawn once.
pub(crate) const CHECKSUM_KEY: u64 = 0x2f61_c09e_5d48_b7a3;

/// What the checkers ask of a node.
pub trait Subject {
    /// A hash of all state but counters of what was discarded, under a key that no state depends on.
    fn checksum(&self) -> u128;

    /// Whether it has something to do at the time of the last call that it was given.
    fn is_due(&self) -> bool;
}

impl<P: Provider> Subject for Endpoint<P> {
    fn checksum(&self) -> u128 {
        Self::checksum(self, CHECKSUM_KEY)
    }

    /// An endpoint does not say what time it is: always true.
    fn is_due(&self) -> bool {
        true
    }
}

/// Whether a datagram is a packet of a session, and none of a handshake (protocol §5).
fn is_data(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| first & 0x80 == 0)
}

#[cfg(test)]
mod tests;
