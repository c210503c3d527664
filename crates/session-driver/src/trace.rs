//! What is told of sessions to whoever listens by `tracing`: a span for each, with its local number, and how it goes. Never keys, addresses
//! or what the peer says.
//!
//! Notes are taken under the lock and told outside of it: a subscriber may write to a disk.

use std::collections::HashMap;

use session_core::{CloseReason, SessionId};
use tracing::{Span, info, info_span};

/// Something to tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    pub(crate) session: SessionId,
    pub(crate) what: What,
}

/// What happened to a session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Connecting,
    Incoming,
    Established,
    Ended(CloseReason),
}

/// The spans of the sessions that live, as far as anybody listens.
#[derive(Default)]
pub(crate) struct Spans {
    spans: HashMap<SessionId, Span>,
}

impl Spans {
    /// Tells what was noted, oldest first.
    pub(crate) fn tell(&mut self, notes: &mut Vec<Note>) {
        for Note { session, what } in notes.drain(..) {
            let former = self.spans.remove(&session);
            let span = former.unwrap_or_else(|| info_span!(parent: None, "session", id = session.as_u64()));
            match what {
                What::Connecting => info!(parent: &span, "connecting"),
                What::Incoming => info!(parent: &span, "incoming"),
                What::Established => info!(parent: &span, "established"),
                What::Ended(CloseReason { by, space, code, .. }) => {
                    info!(parent: &span, by = ?by, space = ?space, code = code.0, "ended");
                    continue;
                }
            }
            if !span.is_disabled() {
                self.spans.insert(session, span);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }
}

#[cfg(test)]
mod tests;
