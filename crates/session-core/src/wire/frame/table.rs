//! The one table of frame types: what is not in it is not allowed.

/// What a receiver does with a frame type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// Parsed and applied.
    Served,
    /// A control message's type, which no frame has: refused.
    ControlMessage,
    /// An extension: skipped.
    Skipped,
    /// A critical extension: refused.
    Refused,
}

/// The side that sends a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Initiator,
    Responder,
}

/// Which sides may send a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Senders {
    pub(crate) initiator: bool,
    pub(crate) responder: bool,
}

impl Senders {
    const NONE: Self = Self { initiator: false, responder: false };
    const BOTH: Self = Self { initiator: true, responder: true };
}

/// One line of the table in docs/protocol.md §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameRule {
    pub(crate) first: u8,
    pub(crate) last: u8,
    pub(crate) name: &'static str,
    pub(crate) ack_eliciting: bool,
    pub(crate) treatment: Treatment,
    pub(crate) allowed: Senders,
    /// Allowed while CONNECT has not been accepted.
    pub(crate) before_accept: bool,
}

impl FrameRule {
    /// Whether a frame of this rule may come from `sender`, before ACCEPT or after it.
    pub(crate) fn allows(&self, sender: Sender, accepted: bool) -> bool {
        let sender_may = match sender {
            Sender::Initiator => self.allowed.initiator,
            Sender::Responder => self.allowed.responder,
        };
        sender_may && (accepted || self.before_accept)
    }
}

/// The rule of a type; `None` where the type is unassigned, which is not allowed either.
pub(crate) fn rule(frame_type: u8) -> Option<&'static FrameRule> {
    RULES.get(usize::from(frame_type)).and_then(|place| FRAMES.get(usize::from(*place)))
}

/// For each type the place of its rule; a place behind all where it has none.
#[expect(clippy::indexing_slicing, reason = "the compiler runs it, and would not go past the end")]
static RULES: [u8; 256] = {
    let mut places = [u8::MAX; 256];
    let (mut place, mut rules) = (0, FRAMES);
    while let [rule, rest @ ..] = rules {
        let (mut frame_type, last) = (rule.first as usize, rule.last as usize);
        while frame_type <= last {
            places[frame_type] = place;
            frame_type += 1;
        }
        place += 1;
        rules = rest;
    }
    places
};

const fn served(first: u8, last: u8, name: &'static str, ack_eliciting: bool) -> FrameRule {
    let treatment = Treatment::Served;
    FrameRule { first, last, name, ack_eliciting, treatment, allowed: Senders::BOTH, before_accept: true }
}

const fn refused(first: u8, last: u8, name: &'static str, ack_eliciting: bool, treatment: Treatment) -> FrameRule {
    FrameRule { first, last, name, ack_eliciting, treatment, allowed: Senders::NONE, before_accept: false }
}

// docs/protocol.md §6
/// Ascending by type.
pub(crate) const FRAMES: &[FrameRule] = &[
    served(0x00, 0x00, "PADDING", false),
    served(0x01, 0x01, "PING", true),
    served(0x02, 0x02, "ACK", false),
    served(0x03, 0x03, "ACK_ECN", false),
    served(0x04, 0x04, "CLOSE", false),
    served(0x05, 0x05, "ACK_FREQUENCY", true),
    served(0x08, 0x0B, "DATA", true),
    served(0x0C, 0x0C, "CHANNEL_END", true),
    served(0x10, 0x10, "MAX_DATA", true),
    served(0x11, 0x11, "MAX_CHANNEL_DATA", true),
    served(0x12, 0x12, "SKIP", true),
    served(0x13, 0x13, "MESSAGE", true),
    served(0x14, 0x14, "CHANNEL_LIMIT", true),
    served(0x15, 0x15, "CHANNEL_RESET", true),
    served(0x16, 0x16, "CHANNEL_STOP", true),
    served(0x17, 0x17, "RECEIPT", true),
    served(0x18, 0x18, "NEW_ID", true),
    served(0x19, 0x19, "RETIRE_ID", true),
    served(0x1A, 0x1A, "PATH_CHALLENGE", true),
    served(0x1B, 0x1B, "PATH_RESPONSE", true),
    refused(0x20, 0x6F, "–", false, Treatment::ControlMessage),
    FrameRule { treatment: Treatment::Skipped, ..served(0x80, 0xBF, "extension", true) },
    refused(0xC0, 0xFF, "critical extension", true, Treatment::Refused),
];

#[cfg(test)]
mod tests;
