//! `XX` and `XXpsk3`: neither end knows the other's static key beforehand.

mod initiator;
mod responder;

pub(crate) use initiator::{XxInitiator, XxVerified};
pub(crate) use responder::{XxAwaiting, XxResponder};

/// Ephemeral key, sealed static key, tag of the payload.
pub(crate) const XX_MESSAGE_2_OVERHEAD: usize = 32 + 48 + 16;
/// Sealed static key, tag of the payload.
pub(crate) const XX_MESSAGE_3_OVERHEAD: usize = 48 + 16;

/// Ephemeral key, and a tag only where a pre-shared key's presence gives the first message a key.
///
/// That key is no secret: whoever sees the message can compute it.
pub(crate) fn xx_message_1_overhead(with_psk: bool) -> usize {
    if with_psk { 32 + 16 } else { 32 }
}

#[cfg(test)]
mod tests;
