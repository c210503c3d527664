//! The state digest: proof that a refused packet changed nothing.

use sha2::{Digest, Sha256};

/// Collects a SHA-256 over a state.
///
/// Every stateful type feeds itself by exhaustive destructuring, so a field added later breaks the build until somebody
/// decides whether it belongs to the digest.
pub(crate) struct StateHash(Sha256);

impl StateHash {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        self.0.update(bytes);
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.update(value.to_be_bytes());
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.u64(u64::from(value));
    }

    /// An optional number; `None` and `Some(0)` differ.
    pub(crate) fn option(&mut self, value: Option<u64>) {
        self.flag(value.is_some());
        self.u64(value.unwrap_or(0));
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
