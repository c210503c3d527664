//! The second packet, as the initiator checks it.
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

use super::{Attempt, MAX_HANDSHAKE_PACKET, local, speaks_the_same};
use crate::crypto::Provider;
use crate::crypto::keys::SessionSecrets;
use crate::reason::{CloseCode, DiscardReason};
use crate::shared::Context;
use crate::wire::parameters::PayloadOf;
use crate::wire::{Pattern, ReceiverId, Reply, TransportParameters};

/// What a genuine Reply brings.
#[expect(clippy::large_enum_variant, reason = "lives on the stack for one call; boxing would allocate")]
pub(crate) enum VerifiedReply {
    /// Keys and the peer's parameters.
    Agreed { secrets: SessionSecrets, parameters: TransportParameters, remote_id: ReceiverId },
    /// The peer is genuine, but what it says ends the attempt.
    Unacceptable(CloseCode),
}

/// Verifies the Reply to `attempt`, which stays as it is: a forged Reply leaves the true one welcome.
pub(crate) fn verify_reply<P: Provider>(
    context: &Context<'_, P>,
    attempt: &Attempt,
    reply: &Reply<'_>,
) -> Result<VerifiedReply, DiscardReason> {
    let settings = context.settings;
    let (noise, psk) = attempt.noise().ok_or(DiscardReason::State)?;
    let pattern = if psk.is_some() { Pattern::IkPsk2 } else { Pattern::Ik };
    if reply.pattern != pattern {
        return Err(DiscardReason::Handshake);
    }
    let secret = psk.and_then(|name| settings.config.psk(name.as_bytes()));
    let mut plaintext = [0; MAX_HANDSHAKE_PACKET];
    let (length, output) = noise
        .read_message_2(&local(context.shared, settings, secret), reply.noise, &mut plaintext)
        .map_err(|_| DiscardReason::Handshake)?;
    let theirs = TransportParameters::parse_payload(plaintext.get(..length).unwrap_or_default(), PayloadOf::Reply);
    let Ok(parameters) = theirs else {
        return Ok(VerifiedReply::Unacceptable(CloseCode::TRANSPORT_PARAMETERS));
    };
    if !speaks_the_same(settings, &parameters) {
        return Ok(VerifiedReply::Unacceptable(CloseCode::APPLICATION_PROTOCOL));
    }
    match parameters.receiver_id {
        Some(remote_id) => Ok(VerifiedReply::Agreed { secrets: SessionSecrets::new(output), parameters, remote_id }),
        None => Ok(VerifiedReply::Unacceptable(CloseCode::TRANSPORT_PARAMETERS)),
    }
}
