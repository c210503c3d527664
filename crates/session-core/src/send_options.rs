//! How a message is to be sent.

use crate::time::Instant;

/// What holds for one message. Begin with the default and change what differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendOptions {
    /// From then on the message is worth nothing: what is not acknowledged of it (reliable and latest-value channels), or was not sent of it
    /// (unreliable channels), is given up and reported ([`Event::Expired`](crate::Event::Expired)). `None`: it never is.
    pub deadline: Option<Instant>,
}

impl SendOptions {
    /// The message is given up at `deadline`.
    #[must_use]
    pub const fn by(deadline: Instant) -> Self {
        Self { deadline: Some(deadline) }
    }
}
