//! Explicit congestion notification of one path: what is marked, what came marked, and whether the peer's counts are to be
//! believed (RFC 9000 §13.4.2 and A.4).

use crate::action::Ecn;
use crate::state_hash::StateHash;
use crate::wire::EcnCounts;

/// Marked packets while nothing is known about the path (RFC 9000 A.4).
const TEST_PACKETS: u8 = 10;
/// Probe timeouts in a row after which packets leave unmarked, whatever is known: the path may have begun to drop what is marked.
/// The second is served three probe timeouts after the packet that had no answer.
const DOUBTFUL_PROBES: u8 = 2;

/// Whether the path carries marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Validation {
    /// The first packets are marked.
    Testing,
    /// They are out; nothing more is marked before an acknowledgement tells.
    Unknown,
    /// Counts came that fit.
    Capable,
    /// Counts came that do not fit, or none, or all that was marked is lost. For good.
    Failed,
}

/// Marks of both directions.
pub(crate) struct EcnPath {
    validation: Validation,
    /// Packets of the test that left with ECT(0), and those of them that were lost.
    tested: u8,
    tested_lost: u8,
    /// Packets that left with ECT(0), those on earlier paths included: so the peer counts.
    marked: u64,
    /// The peer's latest counts that fit; it never sees ECT(1) of us.
    reported: EcnCounts,
    received: EcnCounts,
}

impl EcnPath {
    pub(crate) fn new() -> Self {
        Self {
            validation: Validation::Testing,
            tested: 0,
            tested_lost: 0,
            marked: 0,
            reported: EcnCounts::default(),
            received: EcnCounts::default(),
        }
    }

    /// Another path is in use: it is tested anew. Counts go on, and so does what the peer is told.
    pub(crate) fn begin_anew(&mut self) {
        self.validation = Validation::Testing;
        self.tested = 0;
        self.tested_lost = 0;
    }

    /// How the next packet that asks for an acknowledgement is to be marked, `probe_count` probe timeouts after the last one.
    pub(crate) fn mark(&self, probe_count: u8) -> Option<Ecn> {
        let marks = match self.validation {
            Validation::Testing | Validation::Capable => probe_count < DOUBTFUL_PROBES,
            Validation::Unknown | Validation::Failed => false,
        };
        marks.then_some(Ecn::Ect0)
    }

    /// A marked packet left.
    pub(crate) fn on_marked_sent(&mut self) {
        self.marked = self.marked.saturating_add(1);
        if self.validation == Validation::Testing {
            self.tested = self.tested.saturating_add(1);
            if self.tested >= TEST_PACKETS {
                self.validation = Validation::Unknown;
            }
        }
    }

    /// A probe timeout passed, the `probe_count`th in a row.
    pub(crate) fn on_probe_timeout(&mut self, probe_count: u8) {
        if self.validation == Validation::Testing && probe_count >= DOUBTFUL_PROBES {
            self.validation = Validation::Unknown;
        }
    }

    /// A marked packet was lost. Where the test is over and all of it is lost, the path drops what is marked.
    pub(crate) fn on_marked_lost(&mut self) {
        self.tested_lost = self.tested_lost.saturating_add(1);
        if self.validation == Validation::Unknown && self.tested_lost >= self.tested {
            self.validation = Validation::Failed;
        }
    }

    /// An acknowledgement raised the largest number acknowledged and covered `acked` marked packets for the first time.
    ///
    /// `true` if it tells of congestion. Counts are believed only as far as packets were marked.
    pub(crate) fn on_ack(&mut self, acked: u64, counts: Option<EcnCounts>) -> bool {
        if self.validation == Validation::Failed {
            return false;
        }
        let Some(counts) = counts else {
            if acked > 0 {
                self.validation = Validation::Failed;
            }
            return false;
        };
        let Some(told) = self.newly_told(counts).filter(|told| *told >= acked) else {
            self.validation = Validation::Failed;
            return false;
        };
        if told > 0 {
            self.validation = Validation::Capable;
        }
        let congested = counts.ce > self.reported.ce;
        self.reported = counts;
        congested
    }

    /// Packets `counts` tell of beyond the last ones; `None` where they cannot be true.
    fn newly_told(&self, counts: EcnCounts) -> Option<u64> {
        let EcnCounts { ect0, ect1, ce } = counts;
        let total = ect0.checked_add(ce).filter(|total| ect1 == 0 && *total <= self.marked)?;
        let fewer = ect0 < self.reported.ect0 || ce < self.reported.ce;
        (!fewer).then(|| total.saturating_sub(self.reported.ect0.saturating_add(self.reported.ce)))
    }

    /// An authentic, new packet came with `mark`.
    pub(crate) fn on_received(&mut self, mark: Option<Ecn>) {
        let count = match mark {
            None => return,
            Some(Ecn::Ect0) => &mut self.received.ect0,
            Some(Ecn::Ect1) => &mut self.received.ect1,
            Some(Ecn::Ce) => &mut self.received.ce,
        };
        *count = count.saturating_add(1);
    }

    /// What an acknowledgement reports, if anything ever came marked.
    pub(crate) fn report(&self) -> Option<EcnCounts> {
        (self.received != EcnCounts::default()).then_some(self.received)
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { validation, tested, tested_lost, marked, reported, received } = self;
        hash.u64(*validation as u64);
        hash.u64(*marked);
        hash.bytes(&[*tested, *tested_lost]);
        for EcnCounts { ect0, ect1, ce } in [reported, received] {
            for count in [ect0, ect1, ce] {
                hash.u64(*count);
            }
        }
    }
}

#[cfg(test)]
mod tests;
