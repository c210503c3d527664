//! Controlled delay: a queue that drops what stands in it for too long (RFC 8289).

use std::time::Duration;

/// How a queue is managed by the time datagrams spend in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoDel {
    /// A standing delay below this is good.
    pub target: Duration,
    /// How long it may stand above before the first drop: about the longest round trip of who uses the link.
    pub interval: Duration,
}

impl Default for CoDel {
    /// 5 ms and 100 ms (RFC 8289 §4.2, §4.3).
    fn default() -> Self {
        Self { target: Duration::from_millis(5), interval: Duration::from_millis(100) }
    }
}

/// The state of one managed queue. Times are in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Control {
    /// When the delay will have stood above the target for an interval; `None` while it is below.
    above_at: Option<u128>,
    is_dropping: bool,
    drop_next: u128,
    count: u64,
    count_before: u64,
    /// The largest datagram seen: with no more than that behind it, nothing is dropped.
    largest: usize,
    step: Step,
}

/// What the datagram after a dropped one is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    None,
    /// It goes out whatever it met: the drop before it began a dropping phase.
    Passes,
    /// It sets the next drop, within a dropping phase.
    Rearms,
}

impl Control {
    /// Of a queue that was never used.
    pub(super) const NEW: Self = Self {
        above_at: None,
        is_dropping: false,
        drop_next: 0,
        count: 0,
        count_before: 0,
        largest: 0,
        step: Step::None,
    };

    /// Whether the datagram at the head goes out at `now`, after so much time in the queue, with so many bytes behind it.
    pub(super) fn passes(&mut self, codel: CoDel, sojourn: u128, length: usize, behind: usize, now: u128) -> bool {
        self.largest = self.largest.max(length);
        let is_late = self.is_late(codel, sojourn, behind, now);
        match std::mem::replace(&mut self.step, Step::None) {
            Step::Passes => return true,
            Step::Rearms if is_late => self.drop_next = law(codel, self.drop_next, self.count),
            _ => {}
        }
        if self.is_dropping {
            self.is_dropping = is_late;
            if !is_late || now < self.drop_next {
                return true;
            }
            self.count += 1;
            self.step = Step::Rearms;
            return false;
        }
        if is_late {
            self.begin(codel, now);
        }
        !is_late
    }

    /// Whether the delay has stood above the target for an interval.
    fn is_late(&mut self, codel: CoDel, sojourn: u128, behind: usize, now: u128) -> bool {
        if sojourn < codel.target.as_nanos() || behind <= self.largest {
            self.above_at = None;
            return false;
        }
        match self.above_at {
            None => {
                self.above_at = Some(now + codel.interval.as_nanos());
                false
            }
            Some(at) => now >= at,
        }
    }

    /// Begins to drop; where it did so a short while ago, at the pace that was needed then.
    fn begin(&mut self, codel: CoDel, now: u128) {
        let drops = self.count - self.count_before;
        let is_recent = now.saturating_sub(self.drop_next) < 16 * codel.interval.as_nanos();
        self.count = if drops > 1 && is_recent { drops } else { 1 };
        self.count_before = self.count;
        self.drop_next = law(codel, now, self.count);
        self.is_dropping = true;
        self.step = Step::Passes;
    }
}

/// Drops come closer with the square root of their number, which makes the throughput of a sender fall linearly (RFC 8289 §3.3).
fn law(codel: CoDel, from: u128, count: u64) -> u128 {
    // In integers, so that every machine computes the same: the root of count scaled by 2^32.
    let root = (u128::from(count) << 64).isqrt();
    from + ((codel.interval.as_nanos() << 32) / root.max(1))
}
