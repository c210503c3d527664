//! Two endpoints wired together by hand: the smallest world there is.

use core::time::Duration;
use std::vec;
use std::vec::Vec;

use super::*;
use crate::action::{Address, Carrier, Event, Transmit};
use crate::channel_config::ChannelConfig;
use crate::crypto::{Secret, StaticKey};
use crate::ids::ChannelId;
use crate::reason::CloseCode;

mod any_order;
mod attack;
mod channels;
mod close;
mod contradictions;
mod control;
mod crossing;
mod data;
mod directory;
mod dump;
mod entropy;
mod expiry;
mod first_contact;
mod floods;
mod forged;
mod handshake;
mod holes;
mod identity;
mod ids;
mod lifetime;
mod line;
mod misplaced;
mod modes;
mod mtu;
mod pair;
mod paths;
mod plain;
mod priority;
mod recovery;
mod rekey;
mod rest;
mod silence;
mod single;
mod straight;
mod stranger;
mod touched;

const CHANNEL: ChannelId = ChannelId(16);

/// Few of everything: a digest over it is quick, and bounds are reached.
fn small_limits() -> Limits {
    Limits {
        sessions: 4,
        pending: 2,
        pool_blocks: 128,
        block_size: 256,
        hot_keys: 2,
        session_window: 4096,
        channel_window: 4096,
        send_blocks: 16,
        mailbox_blocks: 16,
        session_mailbox_blocks: 64,
        record_blocks: 8,
        key_packets: 1 << 20,
        forged_packets: 1 << 21,
        opened_channels: 0,
        spare_ids: 0,
    }
}

fn endpoint(number: u8, limits: Limits) -> Endpoint {
    let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
    Endpoint::new(Config::new(key, "test"), limits, RustCrypto, Seed::new([number; 32])).unwrap()
}

fn endpoint_with(number: u8, limits: Limits, channels: &[ChannelConfig]) -> Endpoint {
    let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
    let mut config = Config::new(key, "test");
    config.channels = channels.to_vec();
    Endpoint::new(config, limits, RustCrypto, Seed::new([number; 32])).unwrap()
}

fn address(number: u8) -> Address {
    Address::Opaque([number; 16])
}

fn link(from: u8, to: u8) -> Link {
    Link { carrier: Carrier(0), local: address(from), remote: address(to) }
}

/// How a datagram from the other end comes to end `to`, 0 or 1.
fn arrival(to: usize) -> Arrival {
    Arrival::new(if to == 0 { link(1, 2) } else { link(2, 1) })
}

/// Carries datagrams and serves deadlines for a second; returns the events of each side.
fn settle(one: &mut Endpoint, other: &mut Endpoint, mut now: Instant) -> [Vec<Event>; 2] {
    let end = now.saturating_add(Duration::from_secs(1));
    let mut events = [Vec::new(), Vec::new()];
    let mut out = vec![0; 2000];
    loop {
        let mut quiet = true;
        for (side, events) in events.iter_mut().enumerate() {
            let (from, to) = if side == 0 { (&mut *one, &mut *other) } else { (&mut *other, &mut *one) };
            loop {
                match from.poll_action(&mut out, now) {
                    Action::Transmit(transmit) => {
                        let link =
                            Link { carrier: Carrier(0), local: transmit.link.remote, remote: transmit.link.local };
                        let received = to.handle_datagram(&mut out[..transmit.len], Arrival::new(link), now);
                        assert_eq!(received, Received::Consumed);
                    }
                    Action::Event(event) => events.push(event),
                    Action::Wait(_) => break,
                    Action::NeedsRoom(bytes) => panic!("{bytes} bytes"),
                }
                quiet = false;
            }
        }
        if quiet {
            let deadlines = [one.next_deadline(), other.next_deadline()].into_iter().flatten();
            now = deadlines.map(|deadline| deadline.at).min().unwrap_or(Instant::MAX).max(now);
            if now > end {
                return events;
            }
            one.handle_timeout(now);
            other.handle_timeout(now);
        }
    }
}

//= docs/protocol.md P-8-1 P-12-1
#[test]
fn a_message_crosses_and_both_sides_learn_of_the_close() {
    let (mut alice, mut bob) = (endpoint(1, Limits::default()), endpoint(2, Limits::default()));
    let mut now = Instant::from_micros(1);
    let second = Duration::from_secs(1);
    let peer = Peer::Known { key: bob.public_key(), psk: None };
    let at_alice = alice.connect(peer, link(1, 2), ConnectOptions { user_data: b"hello" }, now).unwrap();
    alice.session_mut(at_alice, now).unwrap().send(b"early", CHANNEL).unwrap();
    let [_, events] = settle(&mut alice, &mut bob, now);
    let [Event::Incoming(at_bob)] = events[..] else { panic!("{events:?}") };
    let mut data = [0; 512];
    let length = bob.session(at_bob).unwrap().user_data(&mut data);
    assert_eq!(&data[..length], b"hello");
    bob.session_mut(at_bob, now).unwrap().accept(b"welcome").unwrap();
    now = now.saturating_add(second);
    let [at_a, at_b] = settle(&mut alice, &mut bob, now);
    assert_eq!(at_a[0], Event::Established(at_alice));
    assert_eq!(at_b[..2], [Event::Established(at_bob), Event::Readable(at_bob, CHANNEL)]);
    assert_eq!(alice.session(at_alice).unwrap().uid(), bob.session(at_bob).unwrap().uid());

    let length = bob.session_mut(at_bob, now).unwrap().recv(&mut data, CHANNEL).unwrap();
    assert_eq!(&data[..length.unwrap()], b"early");
    bob.session_mut(at_bob, now).unwrap().close(7, "enough");
    now = now.saturating_add(second);
    let [at_a, at_b] = settle(&mut alice, &mut bob, now);
    assert_eq!(at_a.last(), Some(&Event::Closed(at_alice)));
    assert_eq!(at_b.last(), Some(&Event::Closed(at_bob)));
    let reason = alice.session(at_alice).unwrap().close_reason().unwrap();
    assert_eq!((reason.code, reason.text.as_str()), (CloseCode(7), "enough"));
    alice.forget(at_alice);
    bob.forget(at_bob);
    assert_eq!(bob.session_count(), 0);
}

#[test]
fn after_an_abort_nobody_claims_that_everything_arrived() {
    let (mut alice, mut bob) = (endpoint(1, Limits::default()), endpoint(2, Limits::default()));
    let now = Instant::from_micros(1);
    let peer = Peer::Known { key: bob.public_key(), psk: None };
    let id = alice.connect(peer, link(1, 2), ConnectOptions::default(), now).unwrap();
    let [_, events] = settle(&mut alice, &mut bob, now);
    let [Event::Incoming(at_bob)] = events[..] else { panic!("{events:?}") };
    bob.session_mut(at_bob, now).unwrap().accept(b"").unwrap();
    let _ = settle(&mut alice, &mut bob, now);
    let sent = alice.session_mut(id, now).unwrap().send(b"lost", CHANNEL).unwrap();
    alice.session_mut(id, now).unwrap().abort(1, "now");
    let session = alice.session(id).unwrap();
    assert!(!session.channel_stats(CHANNEL).unwrap().is_all_acked());
    assert!(session.channel_stats(CHANNEL).unwrap().acked < sent.end_offset);
}

/// Deadlines are derived when somebody asks: of few sessions, and of more than can be noted.
#[test]
fn no_deadline_is_told_late_however_many_sessions_have_changed() {
    let mut endpoint = endpoint(1, Limits { sessions: 50, pool_blocks: 2048, ..small_limits() });
    let mut now = Instant::from_micros(1_000_000);
    let key = |number| *StaticKey::new(&RustCrypto, Secret::new([number; 32])).public();
    for number in 0..50 {
        let peer = Peer::Known { key: key(number + 10), psk: None };
        endpoint.connect(peer, link(1, number), ConnectOptions::default(), now).unwrap();
        endpoint.assert_invariants();
        now = now.saturating_add(Duration::from_millis(1));
    }
    let mut buffer = [0; 2048];
    while let Action::Transmit(_) | Action::Event(_) = endpoint.poll_action(&mut buffer, now) {
        endpoint.assert_invariants();
    }
    for _ in 0..200 {
        let Some(next) = endpoint.next_deadline() else { break };
        now = next.at.max(now);
        endpoint.handle_timeout(now);
        endpoint.assert_invariants();
    }
}
