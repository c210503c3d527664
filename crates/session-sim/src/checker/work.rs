//! I6: what one datagram costs is bounded, whatever came before it.

use session_core::{DiscardReason, Received};

use crate::{Observer, Passage, Recording, Usage};

/// Operations of the provider that one datagram may cause, at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkBound {
    /// Diffie-Hellman computations.
    pub diffie_hellmans: u64,
    /// Keys expanded.
    pub expansions: u64,
    /// Attempts to open a text.
    pub openings: u64,
    /// Texts sealed.
    pub seals: u64,
}

impl WorkBound {
    /// What the core may take: a whole handshake message with its static keys, and two keys of data (protocol §4, §5).
    pub const CORE: Self = Self { diffie_hellmans: 5, expansions: 12, openings: 4, seals: 4 };

    fn holds(&self, usage: Usage) -> bool {
        usage.diffie_hellmans <= self.diffie_hellmans
            && usage.expanded <= self.expansions
            && usage.openings <= self.openings
            && usage.seals <= self.seals
    }
}

/// Counts the operations of a [`Recording`] provider while a node takes a datagram.
#[derive(Clone, Debug)]
pub struct Work {
    provider: Recording,
    bound: WorkBound,
    before: Usage,
}

impl Work {
    /// Watches `provider`, which the nodes share.
    #[must_use]
    pub fn new(provider: Recording, bound: WorkBound) -> Self {
        Self { provider, bound, before: Usage::default() }
    }
}

impl<N> Observer<N> for Work {
    fn arriving(&mut self, _: &N, _: &Passage, _: &[u8]) {
        self.before = self.provider.usage();
    }

    fn arrived(&mut self, _: &N, passage: &Passage, received: Received) {
        let usage = self.provider.usage().since(self.before);
        assert!(self.bound.holds(usage), "I6: {usage:?} for a datagram of {} bytes, {received:?}", passage.length);
        // A genuine Hello is answered before it is known whether there is memory for its slot.
        let may_seal = matches!(received, Received::Consumed | Received::Discarded(DiscardReason::NoMemory));
        assert!(may_seal || usage.seals == 0, "I6: a text is sealed for a datagram that is refused: {received:?}");
    }
}
