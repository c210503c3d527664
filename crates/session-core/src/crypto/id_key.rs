//! Receiver ids: 40 bits that nobody can foresee and 24 that show that the endpoint made them.

use super::drbg::Generator;
use super::hkdf::{Label, expand_label, hmac};
use super::secret::Secret;
use crate::wire::ReceiverId;

/// Bytes of the ids an endpoint chooses.
pub(crate) const ID_LENGTH: usize = 8;
const FREE: usize = 5;

/// The secret by which an endpoint knows its ids, and makes the further ones of a session from its first.
pub(crate) struct IdKey(Secret);

impl IdKey {
    pub(crate) fn new(key: Secret) -> Self {
        Self(key)
    }

    /// An id for a new session.
    pub(crate) fn draw(&self, generator: &mut Generator) -> ReceiverId {
        let mut free = [0; FREE];
        generator.fill(&mut free);
        self.complete(free)
    }

    /// Id number `sequence` of the session whose first is `first`, so that a session keeps counters and not ids.
    pub(crate) fn further(&self, first: &ReceiverId, sequence: u32) -> ReceiverId {
        if sequence == 0 {
            return *first;
        }
        let mut context = [0; ID_LENGTH + 4];
        let bytes = first.as_bytes().iter().copied().chain(sequence.to_be_bytes());
        context.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        self.complete(expand_label(&self.0, Label::Id, &context))
    }

    fn complete(&self, free: [u8; FREE]) -> ReceiverId {
        let check = hmac(self.0.expose(), &[&free]);
        let mut bytes = [0; ID_LENGTH];
        let parts = free.iter().chain(&check);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        ReceiverId::of(bytes)
    }
}

#[cfg(test)]
mod tests;
