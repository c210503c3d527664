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
    /// Those of them that were acknowledged later: they were not lost but late. Counted up to 65,535, and not where very many were lost at a time.
    pub spurious_losses: u16,
    /// Ack-eliciting packets sent.
    pub ack_eliciting_sent: u64,
    /// Packets that carried data sent before.
    pub packets_retransmitted: u64,
    /// Bytes of such data, terminators of messages included.
    pub bytes_retransmitted: u64,
    /// Bytes that may be in flight.
    pub congestion_window: u64,
    /// Bytes in flight.
    pub bytes_in_flight: u64,
    /// Packets opened whose data was left unacknowledged for want of memory.
    pub no_memory: u64,
    /// Largest datagram the path takes.
    pub max_datagram: u16,
    /// The keepalive interval in use.
    pub keepalive: Duration,
    /// Authentic datagrams that came from another address than the session's: a NAT on the way has forgotten it (a shorter keepalive interval
    /// helps), or somebody has moved. Counted up to 65,535 (S0-31).
    pub packets_elsewhere: u16,
    /// How often the session has gone over to new keys, at our request or the peer's (S0-27).
    pub key_rotations: u32,
    /// How often the session went on over another path, up to 65,535.
    pub path_changes: u16,
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

/// How far a channel has come, in positions: a message of n bytes takes n + 1. Stays true after the session has ended.
///
/// A message that was sent is where one of these says, once its [`MessageId::end_offset`](crate::MessageId::end_offset) is not above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Given by our application to be sent.
    pub queued: u64,
    /// Sent at least once, without a gap.
    pub sent: u64,
    /// The peer's stack is known to hold them, without a gap; messages given up at their deadline count as held ([`expired_messages`](Self::expired_messages)).
    pub acked: u64,
    /// The peer's application is known to have taken them, without a gap; 0 unless it gives receipts
    /// ([`ChannelOptions::receipts`](crate::ChannelOptions::receipts)).
    pub delivered: u64,
    /// Received from the peer, without a gap.
    pub received: u64,
    /// Fetched by our application.
    pub read: u64,
    /// Messages sent on an unreliable channel that were lost on the way, for all this side knows.
    pub lost_messages: u64,
    /// Messages received on an unreliable or latest-value channel that were given up: for want of room, or incomplete when newer
    /// ones came.
    pub dropped_messages: u64,
    /// Messages sent with a deadline that were given up: not wholly acknowledged by then or, on an unreliable channel, not wholly sent.
    pub expired_messages: u64,
    /// Positions of messages sent on a reliable channel that the peer gave up: each message counts its bytes and one.
    pub skipped_positions: u64,
}

impl ChannelStats {
    /// Whether the peer's stack holds everything that was queued and not given up at its deadline.
    #[must_use]
    pub fn is_all_acked(&self) -> bool {
        self.acked == self.queued
    }
}

/// What became of a channel's data when its session ended, in positions. The first three add up to what was queued.
///
/// An acknowledgement says that the peer's stack held the data under the session's keys, not that its application has read it: that is for the
/// application to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// Held by the peer's stack, or given up at their deadline.
    pub acked: u64,
    /// Sent, and nobody knows: it may have arrived or not.
    pub unknown: u64,
    /// Never sent: the peer certainly does not have it.
    pub unsent: u64,
    /// Messages, not positions, that were given up at their deadline ([`ChannelStats::expired_messages`]).
    pub expired_messages: u64,
}

impl CloseReport {
    /// Whether the peer's stack held everything that was not given up at its deadline.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unknown == 0 && self.unsent == 0
    }
}

impl From<ChannelStats> for CloseReport {
    fn from(stats: ChannelStats) -> Self {
        let ChannelStats { queued, sent, acked, expired_messages, .. } = stats;
        Self { acked, unknown: sent.saturating_sub(acked), unsent: queued.saturating_sub(sent), expired_messages }
    }
}

/// What an attempt, or a session, has heard of its peer: where it got nothing back, an address, a firewall or a NAT is to be looked at (S0-30).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Heard {
    /// No packet that names it.
    Nothing,
    /// Packets that name it, but none that verified: somebody else answers there, or something changes packets on the way.
    Unverified,
    /// The peer has proved its key.
    Peer,
}

/// The counters behind [`Stats`] that are not measured elsewhere.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) packets_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// Up to 2³² − 1, as `no_memory`.
    pub(crate) packets_lost: u32,
    pub(crate) ack_eliciting_sent: u64,
    pub(crate) packets_retransmitted: u64,
    pub(crate) bytes_retransmitted: u64,
    pub(crate) no_memory: u32,
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
            packets_retransmitted,
            bytes_retransmitted,
            no_memory,
        } = self;
        let packets = [packets_sent, packets_received, ack_eliciting_sent, packets_retransmitted];
        for counter in [packets_lost, no_memory] {
            hash.u64(u64::from(*counter));
        }
        for counter in packets.into_iter().chain([bytes_sent, bytes_received, bytes_retransmitted]) {
            hash.u64(*counter);
        }
    }
}
