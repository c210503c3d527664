//! I1: what is refused changes nothing, but that many forged packets bring new keys, and costs one answer at most.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use session_core::{DiscardReason, Instant, Received};

use super::Subject;
use crate::{Observer, Origin, Passage};

/// Compares the checksum of a node before and after each datagram that it refuses, of those that an attacker sent and one in `sample` of the others.
#[derive(Clone, Debug)]
pub struct Noop {
    sample: u64,
    seen: u64,
    before: Option<u128>,
    /// The node that has just refused a datagram of so many bytes while it had nothing else to do.
    refused: Option<(usize, usize)>,
    answers: usize,
    /// So many forged packets may bring one change (protocol P-8-4); sessions count for themselves, their node for all, which is no less.
    forged_packets: Option<NonZeroU32>,
    forgeries: BTreeMap<usize, Forgeries>,
}

/// What a node met that did not open under its keys.
#[derive(Clone, Copy, Debug, Default)]
struct Forgeries {
    discarded: u32,
    changes: u32,
}

impl Noop {
    /// Checksums cost time: `sample` 1 looks at everything, 0 at attacks alone.
    #[must_use]
    pub fn new(sample: u64) -> Self {
        Self {
            sample,
            seen: 0,
            before: None,
            refused: None,
            answers: 0,
            forged_packets: None,
            forgeries: BTreeMap::new(),
        }
    }

    /// Nodes ask for new keys whenever so many forged packets have named a session (`Limits::forged_packets`): that is the one change they may bring.
    #[must_use]
    pub fn with_forged_packets(self, limit: NonZeroU32) -> Self {
        Self { forged_packets: Some(limit), ..self }
    }

    /// Whether the forged packets that `node` has met are enough for one change more.
    fn may_change(&mut self, node: usize) -> bool {
        let Some(limit) = self.forged_packets else { return false };
        let forgeries = self.forgeries.entry(node).or_default();
        forgeries.changes += 1;
        forgeries.changes <= forgeries.discarded / limit
    }
}

impl<N: Subject> Observer<N> for Noop {
    fn departed(&mut self, passage: &Passage, _: &[u8]) {
        let Some((_, length)) = self.refused.filter(|(node, _)| *node == passage.node) else { return };
        self.answers += 1;
        let is_bounded = self.answers == 1 && passage.length <= length;
        assert!(
            is_bounded,
            "I1: a refused datagram of {length} bytes is answered by {} bytes or twice",
            passage.length
        );
    }

    fn arriving(&mut self, node: &N, passage: &Passage, _: &[u8]) {
        self.seen += 1;
        let is_sampled = self.sample > 0 && self.seen.is_multiple_of(self.sample);
        self.before = (is_sampled || passage.origin == Origin::Injected).then(|| node.checksum());
        (self.refused, self.answers) = (None, 0);
    }

    fn arrived(&mut self, node: &N, passage: &Passage, received: Received) {
        let Received::Discarded(reason) = received else { return };
        let is_forged = reason == DiscardReason::Authentication;
        if is_forged {
            self.forgeries.entry(passage.node).or_default().discarded += 1;
        }
        if let Some(before) = self.before.take() {
            let is_unchanged = node.checksum() == before || is_forged && self.may_change(passage.node);
            assert!(is_unchanged, "I1: a datagram discarded as {reason:?} has changed the state");
        }
        self.refused = (passage.is_first && !node.is_due()).then_some((passage.node, passage.length));
    }

    fn rested(&mut self, number: usize, _: &N, _: Instant) {
        self.refused = self.refused.filter(|(node, _)| *node != number);
    }
}
