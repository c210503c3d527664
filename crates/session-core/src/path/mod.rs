//! What one network path knows: packets on their way out and packets received.

pub(crate) mod ack_tracker;
pub(crate) mod sent_log;
