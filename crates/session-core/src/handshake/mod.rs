//! The handshake: what is kept while an attempt lasts, and the making and checking of its two packets (protocol §4).

mod attempt;
mod hello;
mod reply;

pub(crate) use attempt::{Attempt, AttemptOutcome};
pub(crate) use hello::{AnsweredHello, HELLO_LENGTH, verify_hello, write_hello, write_reply};
pub(crate) use reply::{VerifiedReply, verify_reply};

use crate::crypto::noise::Local;
use crate::crypto::{Provider, Secret};
use crate::shared::{Settings, Shared};
use crate::wire::{ApplicationProtocol, ReceiverId, TransportParameters};

/// A handshake packet has at most this many bytes (protocol §4.1).
pub(crate) const MAX_HANDSHAKE_PACKET: usize = 1500;

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
        keepalive: config.timeouts.keepalive,
        largest_datagram: u64::from(largest_datagram),
        ..TransportParameters::default()
    }
}

fn local<'a, P: Provider>(shared: &'a Shared<P>, settings: &'a Settings, psk: Option<&'a Secret>) -> Local<'a, P> {
    Local { provider: &shared.provider, static_key: &settings.config.static_key, psk }
}

fn speaks_the_same(settings: &Settings, theirs: &TransportParameters) -> bool {
    theirs.application.as_ref().map_or(&[][..], ApplicationProtocol::as_bytes) == settings.config.application.as_bytes()
}
