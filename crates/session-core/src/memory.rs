//! The memory that sessions of one endpoint draw on.

use crate::channel::Channel;
use crate::limits::Limits;
use crate::pool::Pool;
use crate::slab::Slab;
use crate::state_hash::StateHash;

/// Everything a session holds beside its slot.
pub(crate) struct Memory {
    /// Payload, records of sent packets, handshake messages.
    pub(crate) pool: Pool,
    pub(crate) channels: Slab<Channel>,
}

impl Memory {
    /// Memory for `limits.sessions` sessions with `agreed` channels each beside the control channel.
    pub(crate) fn new(limits: &Limits, agreed: usize, open_limit: u32) -> Self {
        // A new session is made before the closed one goes whose slot it takes.
        let sessions = limits.sessions.saturating_add(1);
        let channels = u32::try_from(agreed + 1).unwrap_or(u32::MAX);
        Self {
            pool: Pool::new(limits.pool_blocks, limits.block_size as usize, open_limit),
            channels: Slab::new(sessions.saturating_mul(channels)),
        }
    }

    /// Feeds what belongs to nobody; the rest is fed by who holds it.
    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { pool, channels } = self;
        pool.digest_into(hash);
        hash.u64(u64::from(channels.vacant()));
    }
}
