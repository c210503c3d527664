//! What the sessions of one endpoint share.

use crate::config::Config;
use crate::crypto::{Generator, IdKey, KeyCache, Provider, PublicKey, marks};
use crate::limits::Limits;
use crate::memory::Memory;
use crate::state_hash::StateHash;
use crate::time::Instant;

/// State that all sessions of an endpoint draw on.
pub(crate) struct Shared<P: Provider> {
    pub(crate) provider: P,
    pub(crate) memory: Memory,
    pub(crate) keys: KeyCache<P>,
    pub(crate) generator: Generator,
    pub(crate) ids: IdKey,
    /// Owners of cached keys so far; a number names one session's keys for ever.
    pub(crate) key_owners: u64,
}

/// See [`Shared::checkpoint`].
pub(crate) struct Checkpoint {
    generator: Generator,
    key_owners: u64,
}

/// What an endpoint was told, and what follows from it.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) limits: Limits,
    /// Checks mac1 of what is sent to us.
    pub(crate) mac1_key: [u8; 32],
    /// A session that has ended, and told so, makes room for the next at once: nothing else could be in its way.
    pub(crate) ended_make_room: bool,
}

impl Settings {
    /// Nobody is his own peer (P-4.2-13).
    pub(crate) fn is_own(&self, key: &PublicKey) -> bool {
        self.config.static_key.public() == key
    }
}

/// What a session's methods need besides the session.
pub(crate) struct Context<'a, P: Provider> {
    pub(crate) shared: &'a mut Shared<P>,
    pub(crate) settings: &'a Settings,
    pub(crate) now: Instant,
}

impl<P: Provider> Shared<P> {
    pub(crate) fn next_key_owner(&mut self) -> u64 {
        self.key_owners = self.key_owners.wrapping_add(1);
        self.key_owners
    }

    /// What an attempt that comes to nothing must leave as it was.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { generator: self.generator.checkpoint(), key_owners: self.key_owners }
    }

    /// The attempt came to nothing, and nothing it drew has left the endpoint.
    pub(crate) fn restore(&mut self, checkpoint: Checkpoint) {
        let Checkpoint { generator, key_owners } = checkpoint;
        self.generator = generator;
        self.key_owners = key_owners;
    }

    /// Expanded keys follow from what the sessions feed, so the cache is left out. The key of ids never changes.
    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { provider: _, memory, keys: _, generator, ids: _, key_owners } = self;
        memory.digest_into(hash);
        generator.digest_into(hash);
        hash.u64(*key_owners);
    }
}

impl Settings {
    pub(crate) fn new(config: Config, limits: Limits) -> Self {
        let mac1_key = marks::mac1_key(Some(config.static_key.public()));
        Self { config, limits, mac1_key, ended_make_room: false }
    }
}
