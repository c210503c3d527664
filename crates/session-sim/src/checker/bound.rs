//! I5: nodes take no more memory than they said.

use session_core::Instant;

use crate::{Observer, is_inside};

/// Compares the bytes of heap that nodes hold with what they may.
///
/// The bytes are counted by the allocator of the program, which asks [`is_inside`] whose they are.
#[derive(Clone, Debug)]
pub struct Bound {
    live: fn() -> i64,
    most: i64,
}

impl Bound {
    /// `live` tells how many bytes nodes hold; `most` is the sum of what they may, [`MemoryNeed::at_most`](session_core::MemoryNeed::at_most).
    #[must_use]
    pub fn new(live: fn() -> i64, most: i64) -> Self {
        Self { live, most }
    }
}

impl<N> Observer<N> for Bound {
    fn rested(&mut self, number: usize, _: &N, _: Instant) {
        debug_assert!(!is_inside(), "observers are no part of a node");
        let live = (self.live)();
        assert!(live <= self.most, "I5: {live} bytes are held when node {number} rests, of {}", self.most);
    }
}
