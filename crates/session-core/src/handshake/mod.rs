//! The handshake: what is kept while an attempt lasts, and the making and checking of its packets (protocol §4).

mod attempt;
mod finish;
mod hello;
mod reply;

pub(crate) use attempt::{Attempt, AttemptOutcome, Awaiting, InitiatorNoise};
pub(crate) use finish::{VerifiedFinish, verify_finish};
pub(crate) use hello::{AnsweredHello, HELLO_LENGTH, psk_name, verify_hello, write_hello, write_reply};
pub(crate) use reply::{AgreedReply, VerifiedReply, verify_reply};

use crate::channel::positions_per_block;
use crate::crypto::keys::SessionSecrets;
use crate::crypto::noise::Local;
use crate::crypto::{Provider, Secret, marks};
use crate::limits::Limits;
use crate::shared::{Settings, Shared};
use crate::wire::{ApplicationProtocol, ReceiverId, TransportParameters, finish_marks};

/// A handshake packet has at most this many bytes (protocol §4.1).
pub(crate) const MAX_HANDSHAKE_PACKET: usize = 1500;

/// What a responder has from a genuine initiator: out of its Hello, or out of its Finish on first contact.
pub(crate) struct Agreed {
    pub(crate) secrets: SessionSecrets,
    pub(crate) parameters: TransportParameters,
    /// Both ends speak the same application protocol. The Reply tells the initiator; a session comes of it only then (P-4.3-4).
    pub(crate) fits: bool,
}

/// What this endpoint tells its peers about itself.
fn parameters(settings: &Settings, receiver_id: Option<ReceiverId>, largest_datagram: u16) -> TransportParameters {
    let config = &settings.config;
    let limits = &settings.limits;
    TransportParameters {
        receiver_id,
        node_type: config.node_type,
        application: ApplicationProtocol::new(config.application.as_bytes()),
        capabilities: config.capabilities,
        session_credit: limits.session_window,
        channel_credit: limits.channel_window,
        control_credit: crate::limits::CONTROL_WINDOW,
        largest_message: largest_alone(limits),
        keepalive: config.timeouts.keepalive,
        largest_datagram: u64::from(largest_datagram),
        channel_limits: config.channel_limits.counts(),
        ids: limits.kept_ids(),
        ..TransportParameters::default()
    }
}

/// Bytes that a mailbox holds of one message.
fn largest_alone(limits: &Limits) -> u64 {
    positions_per_block(limits.block_size as usize).saturating_mul(u64::from(limits.mailbox_blocks))
}

fn local<'a, P: Provider>(shared: &'a Shared<P>, settings: &'a Settings, psk: Option<&'a Secret>) -> Local<'a, P> {
    Local { provider: &shared.provider, static_key: &settings.config.static_key, psk }
}

/// Writes both marks behind the Noise message.
fn mark(packet: &mut [u8], marked: usize, key: &[u8; 32]) -> Option<()> {
    let mac1 = marks::mac1(key, packet.get(..marked)?);
    finish_marks(packet, mac1).ok()
}

fn speaks_the_same(settings: &Settings, theirs: &TransportParameters) -> bool {
    theirs.application.as_ref().map_or(&[][..], ApplicationProtocol::as_bytes) == settings.config.application.as_bytes()
}
