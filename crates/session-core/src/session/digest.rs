//! The state of a session as a hash: equal before and after a refused datagram.

use super::{Clocks, Keys, Packets, Remote, SessionCore};
use crate::memory::Memory;
use crate::pool::Pool;
use crate::state_hash::StateHash;
use crate::wire::ReceiverId;

impl SessionCore {
    /// Discard counters are left out, and what is counted from them: they are all that unauthenticated input may change. The hint is where a cache entry was.
    pub(crate) fn digest_into(&self, memory: &Memory, hash: &mut StateHash) {
        let pool = &memory.pool;
        let Self {
            id,
            role,
            phase,
            peer,
            local_id,
            own_ids,
            remote_id,
            peer_ids: _,
            others: _,
            path_changes,
            attempt: _,
            keys,
            packets,
            path,
            channels,
            control,
            clocks,
            closing,
            events,
            counters,
            discards: _,
        } = self;
        hash.u64(id.as_u64());
        hash.u64(*role as u64);
        hash.u64(*phase as u64);
        peer.digest_into(hash);
        hash.bytes(local_id.as_bytes());
        hash.bytes(remote_id.as_ref().map_or(&[], ReceiverId::as_bytes));
        own_ids.digest_into(hash);
        hash.u64(u64::from(*path_changes));
        let peer_ids = memory.peer_ids.get(self.peer_ids);
        hash.flag(peer_ids.is_some());
        if let Some(peer_ids) = peer_ids {
            peer_ids.digest_into(hash);
        }
        if let Some(others) = memory.others.get(self.others) {
            others.digest_into(hash);
        }
        let attempt = self.attempt(memory);
        hash.flag(attempt.is_some());
        if let Some(attempt) = attempt {
            attempt.digest_into(pool, hash);
        }
        keys.digest_into(memory, hash);
        packets.digest_into(pool, hash);
        path.digest_into(hash);
        let episode = memory.episodes.get(path.episode);
        hash.flag(episode.is_some());
        if let Some(episode) = episode {
            episode.digest_into(hash);
        }
        channels.digest_into(memory, hash);
        control.digest_into(pool, hash);
        clocks.digest_into(hash);
        closing.digest_into(memory, hash);
        events.digest_into(hash);
        counters.digest_into(hash);
    }
}

impl Remote {
    fn digest_into(&self, hash: &mut StateHash) {
        let Self { key, first_contact, psk, node_type, largest_datagram, capabilities } = self;
        hash.bytes(key.as_ref().map_or(&[], |key| key.as_bytes()));
        hash.u64(u64::from(*psk));
        hash.flag(*first_contact);
        hash.u64(u64::from(*node_type));
        hash.u64(u64::from(*largest_datagram));
        hash.u64(*capabilities);
    }
}

impl Keys {
    fn digest_into(&self, memory: &Memory, hash: &mut StateHash) {
        let Self { secrets, uid, owner, hint: _, generation, rekey, forged: _ } = self;
        hash.flag(secrets.is_some());
        if let Some(secrets) = secrets {
            secrets.digest_into(hash);
        }
        hash.bytes(uid.as_ref().map_or(&[], |uid| &uid.0));
        hash.u64(*owner);
        hash.u64(u64::from(*generation));
        let rekey = memory.rekeys.get(*rekey);
        hash.flag(rekey.is_some());
        if let Some(rekey) = rekey {
            rekey.digest_into(hash);
        }
    }
}

impl Packets {
    fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self {
            next_number,
            skip,
            skipped,
            sealed,
            opened,
            largest_acked,
            replay,
            acks,
            log,
            plain: _,
            ack_forced,
            ping_due,
            wish,
        } = self;
        hash.u64(*next_number);
        hash.u64(*skip);
        for distance in skipped {
            hash.u64(u64::from(*distance));
        }
        hash.u64(u64::from(*sealed));
        hash.u64(u64::from(*opened));
        hash.option(largest_acked.get());
        replay.digest_into(hash);
        acks.digest_into(hash);
        log.digest_into(pool, hash);
        hash.flag(*ack_forced);
        hash.flag(*ping_due);
        wish.digest_into(hash);
    }
}

impl Clocks {
    fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            attempt_at,
            attempt_limit,
            received_at,
            keepalive_at,
            keepalive,
            grace_until,
            silent,
            user_data_at,
            lifetime,
        } = self;
        for at in [attempt_at, received_at, keepalive_at, grace_until, user_data_at] {
            hash.u64(at.as_micros());
        }
        hash.flag(*silent);
        hash.u64(*attempt_limit as u64);
        keepalive.digest_into(hash);
        lifetime.digest_into(hash);
    }
}
