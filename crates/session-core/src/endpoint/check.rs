//! What holds between any two calls. For tests and fuzzing only.

use super::Endpoint;
use crate::crypto::Provider;
use crate::ids::SessionId;
use crate::memory::Memory;
use crate::session::Phase;

impl<P: Provider> Endpoint<P> {
    /// The session's phase, which applications see as one of six states.
    pub(crate) fn phase_of(&self, id: SessionId) -> Option<Phase> {
        self.slots.get(id).map(crate::session::SessionCore::phase)
    }

    /// # Panics
    /// If promises exceed the pool, or a cap is exceeded.
    pub(crate) fn assert_invariants(&self) {
        let pool = &self.shared.memory.pool;
        assert!(pool.promised() <= pool.free(), "more blocks are promised than are free");
        assert!(pool.free() <= pool.capacity(), "more blocks are free than there are");
        assert!(self.slots.used() <= self.settings.limits.sessions, "more sessions than slots");
        let tentative = self.slots.iter().filter(|(_, core)| core.phase() == Phase::Tentative).count();
        assert_eq!(tentative, self.pending as usize, "tentative slots are counted wrong");
        assert!(self.pending <= self.settings.limits.pending, "more tentative slots than allowed");
        if self.session_count() == 0 {
            assert_eq!((pool.free(), pool.promised()), (pool.capacity(), 0), "blocks are held by nobody");
            let Memory { pool: _, channels, mailboxes, attempts, reasons } = &self.shared.memory;
            let used = [channels.used(), mailboxes.used(), attempts.used(), reasons.used()];
            assert_eq!(used, [0; 4], "records are held by nobody");
        }
    }
}
