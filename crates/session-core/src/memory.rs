//! The memory that sessions of one endpoint draw on.

use crate::channel::{Channel, Expiry, Mailbox, Skips};
use crate::channel_config::ChannelConfig;
use crate::handshake::Attempt;
use crate::limits::Limits;
use crate::pool::Pool;
use crate::reason::CloseReason;
use crate::slab::Slab;
use crate::state_hash::StateHash;

/// Everything a session holds beside its slot.
pub(crate) struct Memory {
    /// Payload, records of sent packets, handshake messages.
    pub(crate) pool: Pool,
    pub(crate) channels: Slab<Channel>,
    /// The receiving halves of channels whose messages stand alone.
    pub(crate) mailboxes: Slab<Mailbox>,
    /// What channels know of messages with a deadline, sent and received; those that never had one have none.
    pub(crate) expiries: Slab<Expiry>,
    pub(crate) skips: Slab<Skips>,
    /// What sessions hold while they begin.
    pub(crate) attempts: Slab<Attempt>,
    /// Why sessions that are closing or closed end: room for each, so that no text is ever lost for want of memory.
    pub(crate) reasons: Slab<CloseReason>,
}

/// So many sessions may begin or end at a time without the allocator.
const READY: u32 = 256;

impl Memory {
    /// Memory for `limits.sessions` sessions with the channels `agreed` each beside the control channel.
    pub(crate) fn new(limits: &Limits, agreed: &[ChannelConfig], open_limit: u32) -> Self {
        // A new session is made before the closed one goes whose slot it takes.
        let sessions = limits.sessions.saturating_add(1);
        let channels = u32::try_from(agreed.len() + 1).unwrap_or(u32::MAX);
        let alone = agreed.iter().filter(|channel| channel.mode.stands_alone()).count() as u32;
        Self {
            pool: Pool::new(limits.pool_blocks, limits.block_size as usize, open_limit),
            channels: Slab::new(sessions.saturating_mul(channels)),
            mailboxes: Slab::new(sessions.saturating_mul(alone)),
            expiries: Slab::new(sessions.saturating_mul(channels - 1)),
            skips: Slab::new(sessions.saturating_mul((channels - 1).saturating_sub(alone))),
            attempts: Slab::with_ready(sessions, READY),
            reasons: Slab::with_ready(sessions, READY),
        }
    }

    /// Feeds what belongs to nobody; the rest is fed by who holds it.
    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { pool, channels, mailboxes, expiries, skips, attempts, reasons } = self;
        pool.digest_into(hash);
        hash.u64(u64::from(channels.vacant()));
        hash.u64(u64::from(mailboxes.vacant()));
        hash.u64(u64::from(expiries.vacant()));
        hash.u64(u64::from(skips.vacant()));
        hash.u64(u64::from(attempts.vacant()));
        hash.u64(u64::from(reasons.vacant()));
    }
}
