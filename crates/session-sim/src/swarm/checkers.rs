//! What the checkers ask of an actor.

use std::time::Duration;

use session_core::{DiscardReason, Instant, State};

use super::actor::Actor;
use crate::checker::fingerprint::{fingerprint, mix};
use crate::checker::{CHECKSUM_KEY, KeyHolder, KeyState, Subject};
use crate::{Node, Observer, Passage};

impl Subject for Actor {
    fn checksum(&self) -> u128 {
        self.endpoint.checksum(CHECKSUM_KEY)
    }

    fn is_due(&self) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline <= self.seen_at)
    }
}

impl KeyHolder for Actor {
    fn clock(&self) -> Instant {
        self.seen_at
    }

    fn tell_keys(&self, tell: &mut dyn FnMut(KeyState)) {
        for id in self.endpoint.sessions() {
            let session = self.endpoint.session(id).filter(|session| session.state() == State::Established);
            let Some(session) = session else { continue };
            let stats = session.stats();
            tell(KeyState {
                session: id.as_u64(),
                rotations: stats.key_rotations,
                discarded: session.discards().of(DiscardReason::KeyPhase),
                // RFC 9002 section 6.2.1, without the delay of acknowledgements, which only the peer knows.
                probe_timeout: stats.smoothed_rtt + (4 * stats.rtt_variance).max(Duration::from_millis(1)),
            });
        }
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
        let words = [passage.at.as_micros(), passage.node as u64, fingerprint(datagram)];
        self.value.set(words.into_iter().fold(self.value.get(), mix));
    }
}
