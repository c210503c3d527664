//! Recovery calculators (RFC 9002): numbers and instants in, numbers out. They know no packet, no frame and no session.

pub(crate) mod congestion;
pub(crate) mod loss;
pub(crate) mod pacer;
pub(crate) mod rtt;
