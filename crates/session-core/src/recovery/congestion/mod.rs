//! Congestion control behind one trait (RFC 9002 §7).

use crate::state_hash::StateHash;
use crate::time::Instant;

mod new_reno;

pub(crate) use new_reno::NewReno;

/// Decides how many bytes may be in flight.
///
/// Bytes are those of ack-eliciting packets as sent. The owner reports every such packet once: acknowledged or lost.
pub(crate) trait CongestionController {
    /// `bytes` left. For controllers that model sending itself; most only look at acknowledgements.
    fn on_sent(&mut self, _bytes: u64, _now: Instant) {}

    /// A packet of `bytes`, sent at `sent_at`, was acknowledged. `app_limited`: the window was not what held the sender back.
    fn on_acked(&mut self, bytes: u64, sent_at: Instant, now: Instant, app_limited: bool);

    /// Packets were lost, the newest of them sent at `sent_at`; `persistent` as RFC 9002 §7.6 says.
    fn on_congestion(&mut self, sent_at: Instant, now: Instant, persistent: bool);

    /// Datagrams may now have `bytes`.
    fn set_max_datagram(&mut self, bytes: u16);

    /// Bytes that may be in flight.
    fn window(&self) -> u64;

    fn digest_into(&self, hash: &mut StateHash);
}

/// The controller of one path, held by value.
#[derive(Clone, Debug)]
pub(crate) enum Congestion {
    /// RFC 9002 §7 and appendix B.
    NewReno(NewReno),
}

impl Congestion {
    pub(crate) fn new_reno(max_datagram: u16) -> Self {
        Self::NewReno(NewReno::new(max_datagram))
    }
}

impl CongestionController for Congestion {
    fn on_sent(&mut self, bytes: u64, now: Instant) {
        match self {
            Self::NewReno(controller) => controller.on_sent(bytes, now),
        }
    }

    fn on_acked(&mut self, bytes: u64, sent_at: Instant, now: Instant, app_limited: bool) {
        match self {
            Self::NewReno(controller) => controller.on_acked(bytes, sent_at, now, app_limited),
        }
    }

    fn on_congestion(&mut self, sent_at: Instant, now: Instant, persistent: bool) {
        match self {
            Self::NewReno(controller) => controller.on_congestion(sent_at, now, persistent),
        }
    }

    fn set_max_datagram(&mut self, bytes: u16) {
        match self {
            Self::NewReno(controller) => controller.set_max_datagram(bytes),
        }
    }

    fn window(&self) -> u64 {
        match self {
            Self::NewReno(controller) => controller.window(),
        }
    }

    fn digest_into(&self, hash: &mut StateHash) {
        match self {
            Self::NewReno(controller) => {
                hash.u64(0);
                controller.digest_into(hash);
            }
        }
    }
}
