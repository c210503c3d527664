//! Which rule decides how much may be in flight.

/// How a session finds out how many bytes its path takes at a time ([`Config::congestion_control`](crate::Config::congestion_control)).
///
/// Either begins with HyStart++ (RFC 9406), which ends slow start when round-trip times rise and not only when packets are lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CongestionControl {
    /// CUBIC (RFC 9438): falls to 70 % at a loss, and comes back in a time that does not depend on the round-trip time.
    #[default]
    Cubic,
    /// NewReno (RFC 9002 §7): falls to half at a loss, and grows by a datagram per round trip. Slow to fill long or fast paths.
    NewReno,
}
