//! Peers that are found to be silent by what they do not acknowledge (protocol §13).

use super::SessionCore;
use super::events::SessionEvent;
use crate::shared::Settings;
use crate::time::Instant;

/// Probe timeouts without an answer after which a peer is called silent.
const UNANSWERED_PROBES: u8 = 3;
/// Of doubling probe timeouts that begin with 1 the third is this much after the first; the fourth twice as much after the second.
const SPAN_OF_THREE: u32 = 6;

impl SessionCore {
    /// What was sent is not answered, and nothing else has come.
    pub(crate) fn is_silent(&self) -> bool {
        self.clocks.silent
    }

    /// A probe timeout passed. Something authentic since the first of the last three is an answer too: a peer without memory acknowledges nothing.
    pub(super) fn note_unanswered(&mut self, now: Instant) {
        let Some(more) = self.path.probe_count.checked_sub(UNANSWERED_PROBES) else { return };
        let span = self.path.base_pto().saturating_mul(SPAN_OF_THREE.saturating_mul(1 << u32::from(more.min(16))));
        let unheard = self.clocks.received_at.saturating_add(span) <= now;
        if unheard && !self.clocks.silent {
            self.clocks.silent = true;
            // That it was awake to see it: no more patience is owed where the time set for a silent peer has passed meanwhile.
            self.clocks.grace_until = self.clocks.grace_until.max(now);
            self.events.raise(SessionEvent::Silence);
        }
    }

    /// An authentic packet came.
    pub(super) fn note_heard(&mut self, now: Instant) {
        self.clocks.received_at = now;
        if core::mem::take(&mut self.clocks.silent) {
            self.events.raise(SessionEvent::Silence);
        }
    }

    /// When a silent peer counts as lost, if the application set a time for it.
    pub(super) fn silence_ends_at(&self, settings: &Settings) -> Option<Instant> {
        let limit = settings.config.timeouts.silence.filter(|_| self.clocks.silent)?;
        Some(self.clocks.received_at.saturating_add(limit))
    }
}
