//! The memory that sessions of one endpoint draw on.

use crate::channel::{Channel, Dynamic, Expiry, Ledger, Mailbox, Skips};
use crate::channel_config::ChannelMode;
use crate::config::Config;
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
    /// What dynamic channels have beside that.
    pub(crate) dynamics: Slab<Dynamic>,
    /// What sessions that may have dynamic channels keep about them.
    pub(crate) ledgers: Slab<Ledger>,
    /// What sessions hold while they begin.
    pub(crate) attempts: Slab<Attempt>,
    /// Why sessions that are closing or closed end: room for each, so that no text is ever lost for want of memory.
    pub(crate) reasons: Slab<CloseReason>,
}

/// So many sessions may begin or end at a time without the allocator.
const READY: u32 = 256;

impl Memory {
    /// Memory for `limits.sessions` sessions with the channels that `config` and `limits` allow each, beside the control channel.
    pub(crate) fn new(limits: &Limits, config: &Config, open_limit: u32) -> Self {
        // A new session is made before the closed one goes whose slot it takes.
        let sessions = limits.sessions.saturating_add(1);
        let records = |of_each: u32| sessions.saturating_mul(of_each);
        let agreed = config.channels.len() as u32 + 1;
        let agreed_alone = config.channels.iter().filter(|channel| channel.mode.stands_alone()).count() as u32;
        let accepted_of = |modes: &[ChannelMode]| -> u32 {
            modes.iter().map(|mode| u32::from(config.channel_limits.of(*mode))).sum()
        };
        let opened = limits.opened_channels;
        let dynamic = opened + accepted_of(&ChannelMode::ALL);
        let dynamic_alone = opened + accepted_of(&[ChannelMode::Unreliable, ChannelMode::LatestValue]);
        Self {
            pool: Pool::new(limits.pool_blocks, limits.block_size as usize, open_limit),
            channels: Slab::new(records(agreed + dynamic)),
            mailboxes: Slab::new(records(agreed_alone + dynamic_alone)),
            dynamics: Slab::new(records(dynamic)),
            ledgers: Slab::new(if dynamic == 0 { 0 } else { sessions }),
            expiries: Slab::new(records(agreed - 1 + dynamic)),
            skips: Slab::new(records(agreed - 1 - agreed_alone + dynamic)),
            attempts: Slab::with_ready(sessions, READY),
            reasons: Slab::with_ready(sessions, READY),
        }
    }

    /// Feeds what belongs to nobody; the rest is fed by who holds it.
    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { pool, channels, mailboxes, expiries, skips, dynamics, ledgers, attempts, reasons } = self;
        pool.digest_into(hash);
        hash.u64(u64::from(channels.vacant()));
        hash.u64(u64::from(mailboxes.vacant()));
        hash.u64(u64::from(expiries.vacant()));
        hash.u64(u64::from(skips.vacant()));
        hash.u64(u64::from(dynamics.vacant()));
        hash.u64(u64::from(ledgers.vacant()));
        hash.u64(u64::from(attempts.vacant()));
        hash.u64(u64::from(reasons.vacant()));
    }
}
