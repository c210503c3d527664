//! How large a datagram the path takes: searched upward by probes, and given up where it no longer passes (RFC 8899).

use crate::state_hash::StateHash;
use crate::time::Instant;

/// A size is too large once so many probes of it in a row were lost (RFC 8899 §5.1.2: MAX_PROBES).
const MAX_PROBES: u8 = 3;
/// Seconds after which sizes that did not pass are tried again (RFC 8899 §5.1.1: PMTU_RAISE_TIMER).
const RAISE_SECONDS: u16 = 600;
/// Bytes between what passes and what does not below which the search ends: a percent of the smallest datagram that UDP carries.
const GRANULARITY: u16 = 16;
/// A probe takes so much of the window at most, that its loss does not hold up what it searches for.
const WINDOW_SHARE: u64 = 2;
/// Lost in so many bursts in a row, datagrams above the base no longer pass.
const BLACK_HOLE_BURSTS: u8 = 3;
/// UDP payloads that links of the world end at, ascending: IP packets of 1280, 1420 (WireGuard), 1492 (PPPoE), 1500, 9000 and 65,535 bytes, and of
/// 65,536 on Linux's loopback, each over IPv6 and, but for the last, IPv4.
const PLATEAUS: [u16; 12] = [1232, 1252, 1372, 1392, 1444, 1452, 1464, 1472, 8952, 8972, 65_488, 65_507];

/// The size of datagrams on one path, and the search for a larger one.
///
/// Probes are sent behind full datagrams, one at a time: a session that fills none searches for nothing, and needs no timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathMtu {
    /// Datagrams may have so many bytes.
    size: u16,
    /// What the path is taken to carry without a probe.
    base: u16,
    /// What carrier and peer take.
    limit: u16,
    search: Search,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Search {
    Running {
        /// The largest size that is not known to be too large.
        highest: u16,
        /// Probes of the size in question that were lost in a row.
        lost: u8,
        probe: Probe,
    },
    /// Nothing more is to be found, as of this second, modulo 2^16. After 18 hours without a full datagram the next search may begin up to
    /// [`RAISE_SECONDS`] late.
    Done { at: u16 },
}

/// Where the next probe stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Probe {
    /// For a full datagram to leave.
    Waits,
    MayLeave,
    Outstanding,
}

impl PathMtu {
    /// Datagrams of `base` bytes, and a search up to `limit`; none where both are the same.
    pub(crate) fn new(base: u16, limit: u16, now: Instant) -> Self {
        let base = base.min(limit);
        let search = Search::Running { highest: limit, lost: 0, probe: Probe::Waits };
        let mut mtu = Self { size: base, base, limit, search };
        mtu.settle(now);
        mtu
    }

    /// The peer takes no datagrams longer than `largest`.
    pub(crate) fn bound(&mut self, largest: u16, now: Instant) {
        *self = Self::new(self.base, self.limit.min(largest), now);
    }

    /// A datagram of the full size left.
    pub(crate) fn on_full_sent(&mut self, now: Instant) {
        match &mut self.search {
            Search::Running { probe: probe @ Probe::Waits, .. } => *probe = Probe::MayLeave,
            Search::Done { at } if self.size < self.limit && seconds(now).wrapping_sub(*at) >= RAISE_SECONDS => {
                self.search = Search::Running { highest: self.limit, lost: 0, probe: Probe::MayLeave };
                self.settle(now);
            }
            Search::Running { .. } | Search::Done { .. } => {}
        }
    }

    /// The size of the probe that may leave now, given the congestion window.
    pub(crate) fn probe(&self, window: u64) -> Option<u16> {
        match self.search {
            Search::Running { highest, probe: Probe::MayLeave, .. } => {
                let share = u16::try_from(window / WINDOW_SHARE).unwrap_or(u16::MAX);
                self.candidate(highest, share)
            }
            Search::Running { .. } | Search::Done { .. } => None,
        }
    }

    pub(crate) fn on_probe_sent(&mut self) {
        if let Search::Running { probe, .. } = &mut self.search {
            *probe = Probe::Outstanding;
        }
    }

    /// A probe of `bytes` arrived.
    pub(crate) fn on_probe_acked(&mut self, bytes: u16, now: Instant) {
        let Search::Running { highest, lost, probe } = &mut self.search else { return };
        // One that the system refused was never on its way, and another may be.
        if bytes > *highest && bytes <= self.limit {
            return;
        }
        *probe = Probe::Waits;
        // One that was sent before the path changed may say anything.
        if bytes <= self.size || bytes > *highest {
            return;
        }
        *lost = 0;
        self.size = bytes;
        self.settle(now);
    }

    /// A probe of `bytes` was lost, for whatever reason.
    pub(crate) fn on_probe_lost(&mut self, bytes: u16, now: Instant) {
        let Search::Running { highest, lost, probe } = &mut self.search else { return };
        if bytes > *highest && bytes <= self.limit {
            return;
        }
        *probe = Probe::Waits;
        if bytes <= self.size || bytes > *highest {
            return;
        }
        *lost = lost.saturating_add(1);
        if *lost >= MAX_PROBES {
            *lost = 0;
            *highest = bytes.saturating_sub(1);
            self.settle(now);
        }
    }

    /// Whether a datagram of `bytes` may leave, now or as a probe.
    pub(crate) fn may_use(&self, bytes: u16) -> bool {
        let highest = match self.search {
            Search::Running { highest, .. } => highest,
            Search::Done { .. } => self.size,
        };
        bytes > self.base && bytes <= highest
    }

    /// The system takes no datagram of `bytes` for what leads to this path.
    pub(crate) fn on_refused(&mut self, bytes: u16, now: Instant) {
        if !self.may_use(bytes) {
            return;
        }
        if bytes <= self.size {
            self.size = self.base;
        }
        self.search = Search::Running { highest: bytes.saturating_sub(1), lost: 0, probe: Probe::Waits };
        self.settle(now);
    }

    /// Datagrams above the base no longer pass: goes back to it, and searches again up to where it was.
    pub(crate) fn fall_back(&mut self, now: Instant) {
        self.search = Search::Running { highest: self.size, lost: 0, probe: Probe::Waits };
        self.size = self.base;
        self.settle(now);
    }

    /// Bytes that datagrams may have.
    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// Bytes that the path is taken to carry whatever happens.
    pub(crate) fn base(&self) -> u16 {
        self.base
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { size, base, limit, search } = self;
        for bytes in [size, base, limit] {
            hash.u64(u64::from(*bytes));
        }
        match search {
            Search::Running { highest, lost, probe } => {
                hash.u64(u64::from(*highest));
                hash.u64(u64::from(*lost));
                hash.u64(*probe as u64);
            }
            Search::Done { at } => hash.u64(u64::from(*at)),
        }
    }

    /// Ends the search if there is nothing more to try.
    fn settle(&mut self, now: Instant) {
        if let Search::Running { highest, .. } = self.search
            && self.candidate(highest, u16::MAX).is_none()
        {
            self.search = Search::Done { at: seconds(now) };
        }
    }

    /// The size to try next, `most` at most: all that there may be, else a size that is common, else one between.
    fn candidate(&self, highest: u16, most: u16) -> Option<u16> {
        if highest == self.limit && highest > self.size && highest <= most {
            return Some(highest);
        }
        let reach = highest.min(most);
        let first = PLATEAUS.partition_point(|plateau| *plateau <= self.size);
        let end = PLATEAUS.partition_point(|plateau| *plateau <= reach);
        let common = PLATEAUS.get(first..end).unwrap_or_default();
        if let Some(middle) = common.get(common.len() / 2) {
            return Some(*middle);
        }
        let unknown = reach.saturating_sub(self.size);
        if unknown < GRANULARITY {
            return None;
        }
        // A path that ends at a common size is told from others by one more.
        let step = if PLATEAUS.contains(&self.size) { GRANULARITY } else { unknown.div_ceil(2) };
        Some(self.size.saturating_add(step))
    }
}

/// Notices that datagrams above the base no longer pass (RFC 8899 §4.3), by what is acknowledged and lost: nobody outside can tell it so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlackHole {
    bursts: u8,
}

impl BlackHole {
    /// A datagram above the base arrived.
    pub(crate) fn on_passed(&mut self) {
        self.bursts = 0;
    }

    /// Datagrams above the base were lost, and of those sent later only smaller ones arrived. `true` if that is so for good.
    pub(crate) fn on_burst_lost(&mut self) -> bool {
        self.bursts = self.bursts.saturating_add(1);
        let is_certain = self.bursts >= BLACK_HOLE_BURSTS;
        if is_certain {
            self.bursts = 0;
        }
        is_certain
    }

    pub(crate) fn digest_into(self, hash: &mut StateHash) {
        let Self { bursts } = self;
        hash.u64(u64::from(bursts));
    }
}

/// The second of `now`, modulo 2^16.
fn seconds(now: Instant) -> u16 {
    (now.as_micros() / 1_000_000) as u16
}

#[cfg(test)]
mod tests;
