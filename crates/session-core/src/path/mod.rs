//! What one network path knows: packets on their way out and packets received.

mod ack_tracker;
mod ack_wish;
mod active;
mod ecn;
mod ids;
mod other;
mod sent_log;

pub(crate) use ack_tracker::AckTracker;
pub(crate) use ack_wish::AckWish;
pub(crate) use active::Path;
pub(crate) use ecn::EcnPath;
pub(crate) use ids::{IdFault, OwnIds, PeerIds, mark_of};
pub(crate) use other::{Challenge, OtherPath, Others};
pub(crate) use sent_log::{Cursor, DataRecord, PacketFlags, PacketRecord, SentLog};
