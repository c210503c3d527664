//! What the checkers ask of an actor.

use session_core::Instant;

use super::actor::Actor;
use crate::checker::Subject;
use crate::{Node, Observer, Passage};

impl Subject for Actor {
    fn digest(&self) -> [u8; 32] {
        self.endpoint.digest()
    }

    fn is_due(&self) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline <= self.seen_at)
    }
}

/// A number that tells runs apart: of everything that left a node, when, and where to.
#[derive(Debug, Default)]
pub(super) struct Fingerprint {
    value: std::rc::Rc<std::cell::Cell<u64>>,
}

impl Fingerprint {
    pub(super) fn share(&self) -> std::rc::Rc<std::cell::Cell<u64>> {
        std::rc::Rc::clone(&self.value)
    }
}

impl<N> Observer<N> for Fingerprint {
    fn departed(&mut self, passage: &Passage, datagram: &[u8]) {
        let mut value = self.value.get();
        let mut mix = |word: u64| value = (value ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
        mix(passage.at.as_micros());
        mix(passage.node as u64);
        let (words, rest) = datagram.as_chunks::<8>();
        words.iter().for_each(|word| mix(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| mix(u64::from(*byte)));
        mix(passage.length as u64);
        self.value.set(value);
    }

    fn rested(&mut self, _: usize, _: &N, _: Instant) {}
}
