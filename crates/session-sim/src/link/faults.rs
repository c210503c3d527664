//! What a link has done to datagrams, counted by kind.

use core::fmt;
use core::ops::AddAssign;

/// Counters of a link, one per kind of fault.
///
/// At any time `sent + duplicated` is `delivered + lost + queue_dropped + codel_dropped + policed + too_big` plus what is in flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Faults {
    /// Datagrams handed to the link.
    pub sent: u64,
    /// Datagrams that came out, copies included.
    pub delivered: u64,
    /// Datagrams that vanished behind the bottleneck.
    pub lost: u64,
    /// Those of them that vanished in a burst.
    pub lost_in_bursts: u64,
    /// Copies made.
    pub duplicated: u64,
    /// Datagrams that at least one later datagram has overtaken.
    pub reordered: u64,
    /// Datagrams and copies that had a bit changed on the way in.
    pub corrupted: u64,
    /// Datagrams above the MTU.
    pub too_big: u64,
    /// Datagrams that found the queue full.
    pub queue_dropped: u64,
    /// Datagrams that a managed queue dropped.
    pub codel_dropped: u64,
    /// Datagrams above the rate of the policer.
    pub policed: u64,
}

impl Faults {
    /// Nothing has happened.
    pub const NONE: Self = Self {
        sent: 0,
        delivered: 0,
        lost: 0,
        lost_in_bursts: 0,
        duplicated: 0,
        reordered: 0,
        corrupted: 0,
        too_big: 0,
        queue_dropped: 0,
        codel_dropped: 0,
        policed: 0,
    };
}

/// Sums the two directions of a link, or many runs.
impl AddAssign for Faults {
    fn add_assign(&mut self, other: Self) {
        let Self {
            sent,
            delivered,
            lost,
            lost_in_bursts,
            duplicated,
            reordered,
            corrupted,
            too_big,
            queue_dropped,
            codel_dropped,
            policed,
        } = other;
        self.sent += sent;
        self.delivered += delivered;
        self.lost += lost;
        self.lost_in_bursts += lost_in_bursts;
        self.duplicated += duplicated;
        self.reordered += reordered;
        self.corrupted += corrupted;
        self.too_big += too_big;
        self.queue_dropped += queue_dropped;
        self.codel_dropped += codel_dropped;
        self.policed += policed;
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, delivered, lost, duplicated, reordered, corrupted, too_big, queue_dropped, .. } = self;
        write!(
            formatter,
            "sent {sent}, delivered {delivered}, lost {lost}, duplicated {duplicated}, reordered {reordered}, \
             corrupted {corrupted}, too big {too_big}, dropped by the queue {queue_dropped}"
        )?;
        for (count, what) in [(self.codel_dropped, "dropped by CoDel"), (self.policed, "policed")] {
            if count > 0 {
                write!(formatter, ", {what} {count}")?;
            }
        }
        Ok(())
    }
}
