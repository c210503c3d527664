//! The states of a session and every way between them, as one table.

/// The state of a session, with the source's six names (S0-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// None: not yet begun, or ended.
    Closed,
    /// The attempt is queued.
    Connecting,
    /// The Hello is out.
    SynSent,
    /// Keys are agreed; the peers' applications have not both agreed yet.
    Handshaking,
    /// Active and encrypted.
    Established,
    /// Ending: flushing, or waiting for the peer to hear of it.
    Closing,
}

/// The state as the protocol sees it (protocol §11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// Initiator: the Hello has not left yet.
    Connecting,
    /// Initiator: waiting for the Reply.
    SynSent,
    /// Responder: the Reply is made; the initiator has proved nothing yet.
    Tentative,
    /// Keys are confirmed; CONNECT is not answered.
    Handshaking,
    /// Accepted.
    Established,
    /// Closing, waiting for acknowledgements of what was sent before.
    Flushing,
    /// CLOSE is out; waiting for the peer's.
    Closing,
    /// The peer's CLOSE came; answering stragglers.
    Draining,
    /// Over.
    Closed,
}

/// What moves a session from one phase to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Trigger {
    /// The Hello was handed out for sending.
    HelloSent,
    /// A Reply verified.
    ReplyVerified,
    /// The first data packet verified under new keys.
    KeyConfirmed,
    /// ACCEPT was sent or received.
    Accepted,
    /// The application closes.
    CloseCommand,
    /// All that was sent is acknowledged, or the release deadline passed.
    Flushed,
    /// An end at once: `abort`, a broken rule, an idle deadline.
    EndAtOnce,
    /// CLOSE came.
    CloseReceived,
    /// The attempt, the peer or the quiet time is over.
    Expired,
}

impl Phase {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::Connecting,
        Self::SynSent,
        Self::Tentative,
        Self::Handshaking,
        Self::Established,
        Self::Flushing,
        Self::Closing,
        Self::Draining,
        Self::Closed,
    ];

    /// The phase after `trigger`; `None` where the trigger means nothing.
    #[inline]
    pub(crate) fn after(self, trigger: Trigger) -> Option<Self> {
        TRANSITIONS.iter().find(|(from, on, _)| (*from, *on) == (self, trigger)).map(|(_, _, to)| *to)
    }

    /// What applications see.
    pub(crate) fn public(self) -> State {
        match self {
            Self::Connecting => State::Connecting,
            Self::SynSent => State::SynSent,
            Self::Tentative | Self::Handshaking => State::Handshaking,
            Self::Established => State::Established,
            Self::Flushing | Self::Closing => State::Closing,
            Self::Draining | Self::Closed => State::Closed,
        }
    }

    /// Whether commands that queue data mean anything.
    pub(crate) fn takes_data(self) -> bool {
        matches!(self, Self::Connecting | Self::SynSent | Self::Handshaking | Self::Established)
    }

    /// Whether data packets are exchanged: keys are confirmed or about to be, and no CLOSE has passed.
    #[inline]
    pub(crate) fn exchanges_data(self) -> bool {
        matches!(self, Self::Handshaking | Self::Established | Self::Flushing)
    }
}

impl Trigger {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 9] = [
        Self::HelloSent,
        Self::ReplyVerified,
        Self::KeyConfirmed,
        Self::Accepted,
        Self::CloseCommand,
        Self::Flushed,
        Self::EndAtOnce,
        Self::CloseReceived,
        Self::Expired,
    ];
}

/// Every transition there is. `docs/states.dot` draws it.
pub(crate) const TRANSITIONS: &[(Phase, Trigger, Phase)] = &[
    (Phase::Connecting, Trigger::HelloSent, Phase::SynSent),
    (Phase::Connecting, Trigger::CloseCommand, Phase::Closed),
    (Phase::Connecting, Trigger::EndAtOnce, Phase::Closed),
    (Phase::Connecting, Trigger::Expired, Phase::Closed),
    (Phase::SynSent, Trigger::ReplyVerified, Phase::Handshaking),
    (Phase::SynSent, Trigger::CloseCommand, Phase::Closed),
    (Phase::SynSent, Trigger::EndAtOnce, Phase::Closed),
    (Phase::SynSent, Trigger::Expired, Phase::Closed),
    (Phase::Tentative, Trigger::KeyConfirmed, Phase::Handshaking),
    (Phase::Tentative, Trigger::EndAtOnce, Phase::Closed),
    (Phase::Tentative, Trigger::Expired, Phase::Closed),
    (Phase::Handshaking, Trigger::Accepted, Phase::Established),
    (Phase::Handshaking, Trigger::CloseCommand, Phase::Flushing),
    (Phase::Handshaking, Trigger::EndAtOnce, Phase::Closing),
    (Phase::Handshaking, Trigger::CloseReceived, Phase::Draining),
    (Phase::Handshaking, Trigger::Expired, Phase::Closed),
    (Phase::Established, Trigger::CloseCommand, Phase::Flushing),
    (Phase::Established, Trigger::EndAtOnce, Phase::Closing),
    (Phase::Established, Trigger::CloseReceived, Phase::Draining),
    (Phase::Established, Trigger::Expired, Phase::Closed),
    (Phase::Flushing, Trigger::Flushed, Phase::Closing),
    (Phase::Flushing, Trigger::EndAtOnce, Phase::Closing),
    (Phase::Flushing, Trigger::CloseReceived, Phase::Draining),
    (Phase::Flushing, Trigger::Expired, Phase::Closed),
    (Phase::Closing, Trigger::CloseReceived, Phase::Closed),
    (Phase::Closing, Trigger::Expired, Phase::Closed),
    (Phase::Draining, Trigger::Expired, Phase::Closed),
];

#[cfg(test)]
mod tests;
