//! I1: what is refused changes nothing, and costs one answer at most.

use session_core::{Instant, Received};

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
}

impl Noop {
    /// Checksums cost time: `sample` 1 looks at everything, 0 at attacks alone.
    #[must_use]
    pub fn new(sample: u64) -> Self {
        Self { sample, seen: 0, before: None, refused: None, answers: 0 }
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
        if let Some(before) = self.before.take() {
            assert!(node.checksum() == before, "I1: a datagram discarded as {reason:?} has changed the state");
        }
        self.refused = (passage.is_first && !node.is_due()).then_some((passage.node, passage.length));
    }

    fn rested(&mut self, number: usize, _: &N, _: Instant) {
        self.refused = self.refused.filter(|(node, _)| *node != number);
    }
}
