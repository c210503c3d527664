//! The memory that sessions of one endpoint draw on.

use crate::channel::{Channel, Dynamic, Expiry, Ledger, Mailbox, Skips};
use crate::channel_config::ChannelMode;
use crate::config::Config;
use crate::crypto::rekey::Rekey;
use crate::handshake::Attempt;
use crate::limits::Limits;
use crate::memory_need::MemoryNeed;
use crate::path::{Others, PeerIds};
use crate::pool::{Pool, Reservation};
use crate::reason::CloseReason;
use crate::recovery::LossEpisode;
use crate::slab::{Slab, SlabKey};
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
    /// What sessions that keep spare ids of their peers know of them.
    pub(crate) peer_ids: Slab<PeerIds>,
    /// What sessions keep of paths beside the one in use, while they look at one. A session without a record follows later.
    pub(crate) others: Slab<Others>,
    /// What sessions hold while they begin.
    pub(crate) attempts: Slab<Attempt>,
    /// Losses that were answered and may turn out to be none, one for each session.
    pub(crate) episodes: Slab<LossEpisode>,
    /// Why sessions that are closing or closed end: room for each, so that no text is ever lost for want of memory.
    pub(crate) reasons: Slab<CloseReason>,
    /// What sessions hold while their keys are replaced.
    pub(crate) rekeys: Slab<Rekey>,
}

/// So many sessions may begin, end or lose packets at a time without the allocator.
const READY: u32 = 256;

/// How many records of each kind there may be.
struct Capacities {
    sessions: u32,
    channels: u32,
    mailboxes: u32,
    dynamics: u32,
    ledgers: u32,
    expiries: u32,
    skips: u32,
    peer_ids: u32,
}

impl Capacities {
    /// For `limits.sessions` sessions with the channels that `config` and `limits` allow each, beside the control channel.
    fn of(limits: &Limits, config: &Config) -> Self {
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
            sessions,
            channels: records(agreed + dynamic),
            mailboxes: records(agreed_alone + dynamic_alone),
            dynamics: records(dynamic),
            ledgers: if dynamic == 0 { 0 } else { sessions },
            expiries: records(agreed - 1 + dynamic),
            skips: records(agreed - 1 - agreed_alone + dynamic),
            peer_ids: if limits.spare_ids == 0 { 0 } else { sessions },
        }
    }
}

impl Memory {
    /// What [`new`](Self::new) allocates, and what it comes to.
    pub(crate) fn need(limits: &Limits, config: &Config) -> MemoryNeed {
        let Capacities { sessions, channels, mailboxes, dynamics, ledgers, expiries, skips, peer_ids } =
            Capacities::of(limits, config);
        Pool::need(limits.pool_blocks, limits.block_size as usize)
            .and(Slab::<Channel>::need(channels, 1))
            .and(Slab::<Mailbox>::need(mailboxes, 1))
            .and(Slab::<Dynamic>::need(dynamics, 1))
            .and(Slab::<Ledger>::need(ledgers, 1))
            .and(Slab::<Expiry>::need(expiries, 1))
            .and(Slab::<Skips>::need(skips, 1))
            .and(Slab::<LossEpisode>::need(sessions, READY))
            .and(Slab::<PeerIds>::need(peer_ids, 1))
            .and(Slab::<Others>::need(limits.sessions, 1))
            .and(Slab::<Attempt>::need(sessions, READY))
            .and(Slab::<CloseReason>::need(sessions, READY))
            .and(Slab::<Rekey>::need(sessions, 1))
    }

    /// Memory for all sessions. At most `open_limit` blocks are ever held without reservation.
    pub(crate) fn new(limits: &Limits, config: &Config, open_limit: u32) -> Self {
        let Capacities { sessions, channels, mailboxes, dynamics, ledgers, expiries, skips, peer_ids } =
            Capacities::of(limits, config);
        Self {
            pool: Pool::new(limits.pool_blocks, limits.block_size as usize, open_limit).shared_with_records(),
            channels: Slab::new(channels),
            mailboxes: Slab::new(mailboxes),
            dynamics: Slab::new(dynamics),
            ledgers: Slab::new(ledgers),
            expiries: Slab::new(expiries),
            skips: Slab::new(skips),
            episodes: Slab::with_ready(sessions, READY),
            peer_ids: Slab::new(peer_ids),
            others: Slab::new(limits.sessions),
            attempts: Slab::with_ready(sessions, READY),
            reasons: Slab::with_ready(sessions, READY),
            rekeys: Slab::new(sessions),
        }
    }

    /// Removes a channel with all its records. What they held of the pool is free, or goes back into `reservation`, which backs what is received.
    pub(crate) fn remove_channel(&mut self, key: SlabKey, reservation: &mut Reservation) -> Option<Channel> {
        let mut channel = self.channels.remove(key)?;
        channel.outbox.release(&mut self.pool);
        if let Some(inbox) = channel.inbox_mut() {
            inbox.release(&mut self.pool, reservation);
        }
        if let Some(mut mailbox) = self.mailboxes.remove(channel.mailbox) {
            mailbox.release(&mut self.pool);
        }
        self.skips.remove(channel.skips);
        self.remove_expiry(channel.expiry);
        Some(channel)
    }

    /// Removes what was known of deadlines on a channel.
    pub(crate) fn remove_expiry(&mut self, key: SlabKey) {
        if let Some(mut expiry) = self.expiries.remove(key) {
            expiry.release(&mut self.pool);
        }
    }

    /// Feeds what belongs to nobody; the rest is fed by who holds it.
    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            pool,
            channels,
            mailboxes,
            expiries,
            skips,
            dynamics,
            ledgers,
            episodes,
            peer_ids,
            others,
            attempts,
            reasons,
            rekeys,
        } = self;
        pool.digest_into(hash);
        hash.u64(u64::from(channels.vacant()));
        hash.u64(u64::from(mailboxes.vacant()));
        hash.u64(u64::from(expiries.vacant()));
        hash.u64(u64::from(skips.vacant()));
        hash.u64(u64::from(dynamics.vacant()));
        hash.u64(u64::from(ledgers.vacant()));
        hash.u64(u64::from(episodes.vacant()));
        hash.u64(u64::from(peer_ids.vacant()));
        hash.u64(u64::from(others.vacant()));
        hash.u64(u64::from(attempts.vacant()));
        hash.u64(u64::from(reasons.vacant()));
        hash.u64(u64::from(rekeys.vacant()));
    }
}
