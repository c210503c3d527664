//! What is told to whoever listens by `tracing`: of sessions a span for each, with its local number, and how it goes; of sockets that a new one
//! is refused. Never keys, addresses or what the peer says.
//!
//! Notes are taken under the lock and told outside of it: a subscriber may write to a disk.

use std::collections::HashMap;
use std::io;

use session_core::{CloseReason, SessionId};
use tracing::{Span, info, info_span, warn};

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

/// Tells that an endpoint keeps its socket although a new one was bound.
pub(crate) fn socket_refused(error: &io::Error) {
    warn!(parent: None, kind = ?error.kind(), code = error.raw_os_error(), "the new socket is refused, the old one stays");
}

#[cfg(test)]
mod tests;
