//! The exit code for each close code of the protocol.

use session_tokio::{CloseCode, CloseReason, CloseSpace, ClosedBy};

use super::Exit;

/// The protocol's close codes (protocol §12) with their names there, and how a run ends whose session ended with one.
pub const CLOSE_CODES: [(CloseCode, &str, Exit); 23] = [
    (CloseCode::NO_ERROR, "NoError", Exit::PeerClosed),
    (CloseCode::INTERNAL, "Internal", Exit::PeerClosed),
    (CloseCode::PROTOCOL, "Protocol", Exit::Protocol),
    (CloseCode::FRAME_ENCODING, "FrameEncoding", Exit::Protocol),
    (CloseCode::FRAME_NOT_ALLOWED, "FrameNotAllowed", Exit::Protocol),
    (CloseCode::UNKNOWN_CRITICAL, "UnknownCritical", Exit::Protocol),
    (CloseCode::FLOW_CONTROL, "FlowControl", Exit::Protocol),
    (CloseCode::CHANNEL_UNKNOWN, "ChannelUnknown", Exit::Protocol),
    (CloseCode::TRANSPORT_PARAMETERS, "TransportParameters", Exit::Protocol),
    (CloseCode::APPLICATION_PROTOCOL, "ApplicationProtocol", Exit::Refused),
    (CloseCode::REFUSED, "Refused", Exit::Refused),
    (CloseCode::UNAUTHORIZED, "Unauthorized", Exit::Unauthorized),
    (CloseCode::BUSY, "Busy", Exit::Refused),
    (CloseCode::KEY_LIMIT, "KeyLimit", Exit::PeerClosed),
    (CloseCode::IDLE, "Idle", Exit::NoAnswer),
    (CloseCode::PEER_LOST, "PeerLost", Exit::NoAnswer),
    (CloseCode::ABORTED, "Aborted", Exit::PeerClosed),
    (CloseCode::ACK_OF_UNSENT, "AckOfUnsent", Exit::Protocol),
    (CloseCode::NO_ANSWER, "NoAnswer", Exit::NoAnswer),
    (CloseCode::EXPIRED, "Expired", Exit::PeerClosed),
    (CloseCode::SUPERSEDED, "Superseded", Exit::PeerClosed),
    (CloseCode::CHANNEL_LIMIT, "ChannelLimit", Exit::Protocol),
    (CloseCode::FINAL_SIZE, "FinalSize", Exit::Protocol),
];

impl Exit {
    /// How a run ends whose session ended for `reason`, before it had done its work.
    #[must_use]
    pub fn of(reason: &CloseReason) -> Self {
        match (reason.by, reason.space) {
            (ClosedBy::Local, _) => Self::Interrupted,
            (_, CloseSpace::Application) => Self::PeerClosed,
            (_, CloseSpace::Protocol) => Self::of_code(reason.code),
        }
    }

    /// As the table says; a code of a later version of the protocol is only known to have ended the session.
    fn of_code(code: CloseCode) -> Self {
        CLOSE_CODES.iter().find(|(known, ..)| *known == code).map_or(Self::PeerClosed, |(.., exit)| *exit)
    }
}
