//! Noise rev 34, `IK`, `IKpsk2`, `XX` and `XXpsk3` with `25519_AESGCM_SHA256`, byte for byte up to Split().
//!
//! Two deviations, both refusals: public keys have one encoding, and a Diffie-Hellman result is never zero.
//! Nothing here changes by reading: a message that fails leaves no trace, and the genuine one is accepted afterwards.

mod initiator;
mod responder;
mod symmetric;
mod xx;

use core::fmt;

pub(crate) use initiator::Initiator;
pub(crate) use responder::Responder;
pub(crate) use xx::{
    XX_MESSAGE_2_OVERHEAD, XX_MESSAGE_3_OVERHEAD, XxAwaiting, XxInitiator, XxResponder, XxVerified,
    xx_message_1_overhead,
};

use super::public_key::InvalidPublicKey;
use super::secret::Secret;
use super::static_key::StaticKey;
use super::suite::{DhError, OpenError};

/// The length of a Noise message, tags included, is at most this.
pub(crate) const MESSAGE_LIMIT: usize = 65_535;
/// Ephemeral key, sealed static key, tag of the payload.
pub(crate) const MESSAGE_1_OVERHEAD: usize = 32 + 48 + 16;
/// Ephemeral key, tag of the payload.
pub(crate) const MESSAGE_2_OVERHEAD: usize = 32 + 16;

/// What this node brings to a handshake. A pre-shared key makes the pattern `IKpsk2` or `XXpsk3`.
pub(crate) struct Local<'a, P> {
    pub(crate) provider: &'a P,
    pub(crate) static_key: &'a StaticKey,
    pub(crate) psk: Option<&'a Secret>,
}

/// What both ends know, and nobody else, after the handshake.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HandshakeOutput {
    /// Noise's `h`: names this handshake.
    pub(crate) hash: [u8; 32],
    /// The first key of Split().
    pub(crate) initiator_to_responder: Secret,
    /// The second key of Split().
    pub(crate) responder_to_initiator: Secret,
}

/// Why a handshake message was not read or not written. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoiseError {
    /// The message is too short to be one.
    TooShort,
    /// The message is longer than Noise allows.
    TooLong,
    /// A public key is not canonical or of low order.
    BadKey,
    /// A part does not authenticate.
    BadTag,
    /// The output buffer is too small.
    NoRoom,
    /// A pre-shared key was given for one message of a handshake and not for the other.
    PskMismatch,
}

impl fmt::Display for NoiseError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::TooShort => "the handshake message is too short",
            Self::TooLong => "the handshake message is too long",
            Self::BadKey => "a public key in the handshake is not usable",
            Self::BadTag => "the handshake message does not authenticate",
            Self::NoRoom => "the output buffer is too small",
            Self::PskMismatch => "the pre-shared key is missing or one too many",
        })
    }
}

impl core::error::Error for NoiseError {}

impl From<DhError> for NoiseError {
    fn from(DhError: DhError) -> Self {
        Self::BadKey
    }
}

impl From<InvalidPublicKey> for NoiseError {
    fn from(InvalidPublicKey: InvalidPublicKey) -> Self {
        Self::BadKey
    }
}

impl From<OpenError> for NoiseError {
    fn from(OpenError: OpenError) -> Self {
        Self::BadTag
    }
}

/// The length of the message that carries `payload_length`, if it is legal and fits into `room`.
fn message_length(payload_length: usize, overhead: usize, room: usize) -> Result<usize, NoiseError> {
    let length = payload_length.saturating_add(overhead);
    if length > MESSAGE_LIMIT {
        return Err(NoiseError::TooLong);
    }
    if length > room { Err(NoiseError::NoRoom) } else { Ok(length) }
}

/// The length of the payload of a message of `message_length`, if it is legal and fits into `room`.
fn payload_length(message_length: usize, overhead: usize, room: usize) -> Result<usize, NoiseError> {
    if message_length > MESSAGE_LIMIT {
        return Err(NoiseError::TooLong);
    }
    let length = message_length.checked_sub(overhead).ok_or(NoiseError::TooShort)?;
    if length > room { Err(NoiseError::NoRoom) } else { Ok(length) }
}

#[cfg(test)]
mod tests;
