//! What happened that no single link has done.

use std::ops::AddAssign;

use crate::attacker::Attacks;

/// Counters of a network, beside the [`Faults`](crate::Faults) of its links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incidents {
    /// Datagrams that a cut kept from their link.
    pub cut: u64,
    /// Datagrams to where nobody is, or nobody is any more.
    pub unreachable: u64,
    /// Datagrams to a node that slept or was dead.
    pub not_heard: u64,
    /// Notices of datagrams above the MTU.
    pub notices: u64,
    /// Datagrams that a translator did not let in.
    pub nat_filtered: u64,
    /// Nodes that got another outer address.
    pub nat_rebound: u64,
    /// Nodes that moved to another address.
    pub moved: u64,
    /// Nodes killed.
    pub killed: u64,
    /// Nodes started again.
    pub restarted: u64,
    /// Nodes put to sleep.
    pub slept: u64,
    /// Clocks that jumped.
    pub clocks_jumped: u64,
    /// Clocks stopped.
    pub clocks_stopped: u64,
    /// Clocks made to drift.
    pub clocks_drifted: u64,
    /// What an attacker has done.
    pub attacks: Attacks,
}

impl Incidents {
    /// Every kind with its number.
    #[must_use]
    pub fn kinds(&self) -> [(&'static str, u64); 18] {
        let Self { cut, unreachable, not_heard, notices, nat_filtered, nat_rebound, moved, .. } = *self;
        let Self { killed, restarted, slept, clocks_jumped, clocks_stopped, clocks_drifted, attacks, .. } = *self;
        let Attacks { injected, replayed, mutated, spoofed, truncated } = attacks;
        [
            ("cut", cut),
            ("unreachable", unreachable),
            ("not heard", not_heard),
            ("notices", notices),
            ("NAT filtered", nat_filtered),
            ("NAT rebound", nat_rebound),
            ("moved", moved),
            ("killed", killed),
            ("restarted", restarted),
            ("slept", slept),
            ("clocks jumped", clocks_jumped),
            ("clocks stopped", clocks_stopped),
            ("clocks drifted", clocks_drifted),
            ("injected", injected),
            ("replayed", replayed),
            ("mutated", mutated),
            ("spoofed", spoofed),
            ("truncated", truncated),
        ]
    }
}

impl AddAssign for Incidents {
    fn add_assign(&mut self, other: Self) {
        self.cut += other.cut;
        self.unreachable += other.unreachable;
        self.not_heard += other.not_heard;
        self.notices += other.notices;
        self.nat_filtered += other.nat_filtered;
        self.nat_rebound += other.nat_rebound;
        self.moved += other.moved;
        self.killed += other.killed;
        self.restarted += other.restarted;
        self.slept += other.slept;
        self.clocks_jumped += other.clocks_jumped;
        self.clocks_stopped += other.clocks_stopped;
        self.clocks_drifted += other.clocks_drifted;
        self.attacks += other.attacks;
    }
}
