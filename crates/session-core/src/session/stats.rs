//! What a session counts (S0-9).

use core::time::Duration;

/// Figures of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The last round-trip time measured; 333 ms is assumed before the first (RFC 9002 §6.2.2).
    pub latest_rtt: Duration,
    /// Smoothed round-trip time (RFC 9002 §5.3).
    pub smoothed_rtt: Duration,
    /// Its variance.
    pub rtt_variance: Duration,
    /// The smallest measured.
    pub minimum_rtt: Duration,
    /// Datagrams sent.
    pub packets_sent: u64,
    /// Authentic datagrams received.
    pub packets_received: u64,
    /// Bytes of datagrams sent.
    pub bytes_sent: u64,
    /// Bytes of authentic datagrams received.
    pub bytes_received: u64,
    /// Packets that would have been acknowledged and counted as lost.
    pub packets_lost: u64,
    /// Ack-eliciting packets sent.
    pub ack_eliciting_sent: u64,
    /// Bytes that may be in flight.
    pub congestion_window: u64,
    /// Bytes in flight.
    pub bytes_in_flight: u64,
    /// Packets opened whose data was left unacknowledged for want of memory.
    pub no_memory: u64,
    /// Largest datagram the path takes.
    pub max_datagram: u16,
}

impl Stats {
    /// Lost packets of those that would have been acknowledged, in percent.
    #[must_use]
    pub fn loss_percent(&self) -> f32 {
        if self.ack_eliciting_sent == 0 {
            0.0
        } else {
            self.packets_lost as f32 * 100.0 / self.ack_eliciting_sent as f32
        }
    }
}

/// The counters behind [`Stats`] that are not measured elsewhere.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) packets_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) packets_lost: u64,
    pub(crate) ack_eliciting_sent: u64,
    pub(crate) no_memory: u64,
}

impl Counters {
    pub(crate) fn digest_into(&self, hash: &mut crate::state_hash::StateHash) {
        let Self {
            packets_sent,
            packets_received,
            bytes_sent,
            bytes_received,
            packets_lost,
            ack_eliciting_sent,
            no_memory,
        } = self;
        for counter in
            [packets_sent, packets_received, bytes_sent, bytes_received, packets_lost, ack_eliciting_sent, no_memory]
        {
            hash.u64(*counter);
        }
    }
}
