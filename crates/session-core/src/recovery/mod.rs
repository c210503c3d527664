//! Recovery calculators (RFC 9002): numbers and instants in, numbers out. They know no packet, no frame and no session.

pub(crate) mod congestion;
pub(crate) mod late;
pub(crate) mod loss;
pub(crate) mod mtu;
pub(crate) mod pacer;
pub(crate) mod persistent;
pub(crate) mod rtt;

pub(crate) use congestion::{Acked, Congestion};
pub(crate) use late::{LossEpisode, LostPackets, Patience};
pub(crate) use loss::LossThresholds;
pub(crate) use mtu::{BlackHole, PathMtu};
pub(crate) use pacer::Pacer;
pub(crate) use persistent::PersistentCongestion;
pub(crate) use rtt::RttEstimator;
