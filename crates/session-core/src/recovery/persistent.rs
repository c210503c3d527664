//! Persistent congestion: everything was lost for so long that the path is taken for a new one (RFC 9002 §7.6).

use core::time::Duration;

use crate::time::Instant;

/// kPersistentCongestionThreshold, in probe timeouts without backoff.
const THRESHOLD: u32 = 3;

/// Looks at the packets that one acknowledgement shows to be lost.
///
/// Two of them count together only if nothing between them was acknowledged: neither by this acknowledgement, whose gaps are known, nor
/// before, so what lies below the largest number acknowledged before counts for nothing.
pub(crate) struct PersistentCongestion<'a> {
    /// Ranges of the acknowledgement, (low, high), descending.
    acked: &'a [(u64, u64)],
    acked_before: Option<u64>,
    /// Packets sent earlier had no round-trip time to be judged by.
    sampled_at: Instant,
    longest: Duration,
    run: Option<Run>,
    established: bool,
}

/// Lost packets of one gap.
#[derive(Clone, Copy)]
struct Run {
    gap: usize,
    oldest: Instant,
    newest: Instant,
}

impl<'a> PersistentCongestion<'a> {
    /// `probe_timeout` is the one without backoff.
    pub(crate) fn new(
        acked: &'a [(u64, u64)],
        acked_before: Option<u64>,
        sampled_at: Instant,
        probe_timeout: Duration,
    ) -> Self {
        let longest = probe_timeout.saturating_mul(THRESHOLD);
        Self { acked, acked_before, sampled_at, longest, run: None, established: false }
    }

    /// Packet `number` is lost. Packets of a gap that come between those of another are taken for less than they show, never for more.
    pub(crate) fn on_lost(&mut self, number: u64, sent_at: Instant) {
        if self.acked_before.is_some_and(|before| number < before) || sent_at <= self.sampled_at {
            return;
        }
        let gap = self.acked.partition_point(|(low, _)| *low > number);
        let run = match self.run {
            Some(run) if run.gap == gap => {
                Run { gap, oldest: run.oldest.min(sent_at), newest: run.newest.max(sent_at) }
            }
            _ => Run { gap, oldest: sent_at, newest: sent_at },
        };
        self.established |= run.newest.saturating_since(run.oldest) > self.longest;
        self.run = Some(run);
    }

    pub(crate) fn is_established(&self) -> bool {
        self.established
    }
}

#[cfg(test)]
mod tests;
