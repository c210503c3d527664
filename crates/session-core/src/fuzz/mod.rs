//! The bodies of the fuzz targets, and what they saw on the way. Shims under `/fuzz` call them; tests replay the corpora through them.
//!
//! Every body asserts: no panic; a discarded datagram leaves `digest()` as it was; `poll_action` comes to an end; promises stay within
//! the pool.

mod frames;
mod header;
mod hello;
pub(crate) mod null;
#[cfg(test)]
mod seeds;

pub use frames::frames_after_open;
pub use header::header;
pub use hello::hello;

use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use crate::action::{Action, Arrival, Carrier, Event, Link, Received};
use crate::channel_config::{ChannelConfig, ChannelLimits, ChannelMode};
use crate::config::Config;
use crate::crypto::{Provider, Secret, StaticKey};
use crate::endpoint::Endpoint;
use crate::ids::ChannelId;
use crate::limits::Limits;
use crate::reason::{CloseCode, DiscardReason};
use crate::seed::Seed;
use crate::time::Instant;

/// More outputs in a row than any input can cause.
const MOST_ACTIONS: usize = 10_000;
/// Node numbers of the two ends, from which their keys and seeds follow.
const ALICE: u8 = 1;
const BOB: u8 = 2;
/// The channel both applications agree on.
const CHANNEL: ChannelId = ChannelId(16);

/// What an input reached.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub(crate) discards: Vec<DiscardReason>,
    pub(crate) events: Vec<Event>,
    /// Types of frames in packets that were applied.
    pub(crate) frame_types: Vec<u8>,
    /// Types of whole control messages in them.
    pub(crate) control_types: Vec<u8>,
    /// Codes sessions were closed with by what was received.
    pub(crate) closes: Vec<CloseCode>,
}

/// Few of everything, so that bounds are reached.
fn limits() -> Limits {
    Limits {
        sessions: 4,
        pending: 2,
        pool_blocks: 46,
        block_size: 256,
        hot_keys: 2,
        session_window: 2048,
        channel_window: 2048,
        send_blocks: 8,
        mailbox_blocks: 16,
        session_mailbox_blocks: 24,
        record_blocks: 8,
        key_packets: 1 << 20,
        forged_packets: 1 << 21,
        opened_channels: 1,
        spare_ids: 1,
    }
}

/// The endpoint of node `number`; equal arguments give equal endpoints.
fn endpoint<P: Provider>(number: u8, provider: P, limits: Limits) -> Endpoint<P> {
    let key = StaticKey::new(&provider, Secret::new([number; 32]));
    let mut config = Config::new(key, "fuzz");
    config.channel_limits =
        ChannelLimits { reliable_ordered: 1, unreliable: 1, latest_value: 1, ..ChannelLimits::NONE };
    config.channels.extend([
        ChannelConfig::new(ChannelId(20), ChannelMode::ReliableUnordered),
        ChannelConfig::new(ChannelId(21), ChannelMode::Unreliable),
        ChannelConfig::new(ChannelId(22), ChannelMode::LatestValue),
    ]);
    Endpoint::new(config, limits, provider, Seed::new([number; 32])).unwrap_or_else(|error| panic!("{error}"))
}

fn link(from: u8, to: u8) -> Link {
    let address = |number: u8| SocketAddr::from((Ipv4Addr::new(192, 0, 2, number), 4000)).into();
    Link { carrier: Carrier(0), local: address(from), remote: address(to) }
}

/// Hands `endpoint` a datagram and checks what must hold whatever it was.
fn feed<P: Provider>(
    endpoint: &mut Endpoint<P>,
    datagram: &[u8],
    link: Link,
    now: Instant,
    report: &mut Report,
) -> Received {
    let before = endpoint.digest();
    let received = endpoint.handle_datagram(&mut datagram.to_vec(), Arrival::new(link), now);
    endpoint.assert_invariants();
    if let Received::Discarded(reason) = received {
        assert_eq!(before, endpoint.digest(), "discarded as {reason:?}, yet something changed");
        report.discards.push(reason);
    }
    received
}

/// Takes everything out of `endpoint`; returns its datagrams.
fn drain<P: Provider>(endpoint: &mut Endpoint<P>, now: Instant, report: &mut Report) -> Vec<Vec<u8>> {
    let mut out = vec![0; endpoint.max_datagram()];
    let mut datagrams = Vec::new();
    for _ in 0..MOST_ACTIONS {
        match endpoint.poll_action(&mut out, now) {
            Action::Transmit(transmit) => {
                assert!(transmit.len > 0 && transmit.len <= out.len(), "a datagram of {} bytes", transmit.len);
                datagrams.push(out[..transmit.len].to_vec());
            }
            Action::Event(event) => {
                if let Event::Closed(id) = event {
                    report.closes.extend(
                        endpoint.session(id).and_then(|session| session.close_reason()).map(|reason| reason.code),
                    );
                }
                report.events.push(event);
            }
            Action::Wait(_) => {
                endpoint.assert_invariants();
                return datagrams;
            }
            Action::NeedsRoom(bytes) => panic!("a buffer of max_datagram() bytes is too short for {bytes}"),
        }
    }
    panic!("poll_action does not come to an end");
}

#[cfg(test)]
mod tests;
