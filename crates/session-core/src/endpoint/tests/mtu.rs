//! Probes for larger datagrams, as one end sends them (protocol §10.1).

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::{CarrierConfig, Ecn, TimerKind, Transmit};
use crate::channel_config::{ChannelConfig, ChannelMode};
use crate::wire::{Frame, Frames};

const URGENT: ChannelId = ChannelId(20);

fn end(number: u8) -> Endpoint {
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "test");
    config.carriers = vec![CarrierConfig::udp(1452)];
    config.channels.push(ChannelConfig::new(URGENT, ChannelMode::ReliableOrdered).with_priority(0));
    Endpoint::new(config, Limits::default(), RustCrypto, Seed::new([number; 32])).unwrap()
}

/// Alice has more to send than a window holds, over a path that carries marks.
fn sending() -> Pair {
    let mut pair = Pair::new([end(1), end(2)]);
    pair.carries_marks = true;
    let mut pair = pair.establish();
    pair.session(0).send(&[7; 100_000], CHANNEL).unwrap();
    pair
}

/// One datagram of Alice's, if she has one to send.
fn next(pair: &mut Pair) -> Option<(Transmit, Vec<u8>)> {
    let mut out = [0; 1452];
    loop {
        match pair.ends[0].poll_action(&mut out, pair.now) {
            Action::Transmit(transmit) => return Some((transmit, out[..transmit.len].to_vec())),
            Action::Event(_) => {}
            _ => return None,
        }
    }
}

//= docs/protocol.md P-10.1-2
#[test]
fn a_probe_is_a_ping_in_padding_behind_the_first_full_datagram() {
    let mut pair = sending();
    let (full, _) = next(&mut pair).unwrap();
    assert_eq!((full.len, full.ecn, full.alone), (1200, Some(Ecn::Ect0), false));
    // A buffer that is too short for the probe changes nothing.
    let before = pair.ends[0].digest();
    let now = pair.now;
    assert_eq!(pair.ends[0].poll_action(&mut [0; 1451], now), Action::NeedsRoom(1452));
    assert_eq!(pair.ends[0].digest(), before);

    let (probe, packet) = next(&mut pair).unwrap();
    assert_eq!((probe.len, probe.ecn, probe.alone), (1452, None, true));
    let (_, plaintext) = pair.open(1, &packet);
    let frames: Vec<_> = Frames::new(&plaintext).collect::<Result<_, _>>().unwrap();
    assert!(matches!(frames[..], [Frame::Ping, Frame::Padding(_)]), "{frames:?}");
    assert_eq!(pair.look(0).stats().bytes_in_flight, 1200 + 1452, "it counts");

    let mut sizes = Vec::new();
    while let Some((transmit, _)) = next(&mut pair) {
        assert!(!transmit.alone, "one probe at a time");
        sizes.push(transmit.len);
    }
    assert!(sizes.len() >= 7 && sizes.iter().all(|bytes| *bytes == 1200), "{sizes:?}");
}

//= docs/protocol.md P-10.1-3
#[test]
fn a_probe_waits_for_room_in_the_window_and_data_waits_for_it() {
    let mut pair = sending();
    let window = pair.look(0).stats().congestion_window;
    let mut held = pair.take(0);
    assert!(pair.look(0).stats().bytes_in_flight <= window);
    // What is acknowledged, but for the probe, frees a window that a probe again is to share.
    held.retain(|packet| packet.len() <= 1200);
    let mut widest = window;
    for _ in 0..40 {
        // No probe arrives, and none is taken for a sign of congestion.
        let now = pair.look(0).stats().congestion_window;
        assert!(now >= widest, "{now} after {widest}");
        widest = now;
        pair.pass(TRIP);
        for packet in held.drain(..) {
            let _ = pair.receive(1, &packet);
        }
        let acks = pair.take(1);
        pair.pass(TRIP);
        pair.deliver(0, &acks);
        while let Some((transmit, packet)) = next(&mut pair) {
            let stats = pair.look(0).stats();
            assert!(stats.bytes_in_flight <= stats.congestion_window, "{stats:?}");
            if !transmit.alone {
                held.push(packet);
            }
        }
        let now = pair.now;
        pair.serve(0, now);
        pair.serve(1, now);
    }
    let stats = pair.look(0).stats();
    assert_eq!((stats.packets_lost, stats.max_datagram), (0, 1200));
    assert!(pair.look(0).channel_stats(CHANNEL).unwrap().is_all_acked());
}

#[test]
fn urgent_data_goes_ahead_of_a_probe() {
    let mut pair = sending();
    assert!(!next(&mut pair).unwrap().0.alone);
    pair.session(0).send(b"stop", URGENT).unwrap();
    let (transmit, packet) = next(&mut pair).unwrap();
    assert!(!transmit.alone);
    let (_, plaintext) = pair.open(1, &packet);
    assert!(Frames::new(&plaintext).any(|frame| matches!(frame, Ok(Frame::Data(data)) if data.channel == URGENT.0)));
    assert!(next(&mut pair).unwrap().0.alone, "now the probe");
}

//= docs/protocol.md P-10.1-4
#[test]
fn after_a_probe_timeout_data_leaves_in_datagrams_that_every_path_carries() {
    let mut pair = sending();
    // The probe arrives, so that datagrams are larger.
    for _ in 0..2 {
        let packets = pair.take(0);
        pair.pass(TRIP);
        pair.deliver(1, &packets);
        let acks = pair.take(1);
        pair.pass(TRIP);
        pair.deliver(0, &acks);
    }
    assert_eq!(pair.look(0).stats().max_datagram, 1452);
    pair.pass(TRIP);
    pair.serve(0, pair.now);
    let large = pair.take(0);
    assert!(large.iter().any(|packet| packet.len() == 1452));
    let probes = loop {
        let (timer, at) = pair.deadline(0);
        pair.serve(0, at);
        let packets = pair.take(0);
        if timer == TimerKind::LossDetection {
            break packets;
        }
    };
    assert!(probes.len() >= 2 && probes[..2].iter().all(|packet| (1100..=1200).contains(&packet.len())));
}

/// Where the initiator has its peer.
fn link_of(pair: &Pair) -> Link {
    pair.look(0).link()
}

/// The next probe for a larger datagram.
fn next_probe(pair: &mut Pair) -> Option<usize> {
    while let Some((transmit, _)) = next(pair) {
        if transmit.alone {
            return Some(transmit.len);
        }
    }
    None
}

//= docs/protocol.md P-10.1-7
#[test]
fn a_size_that_our_own_system_refuses_is_not_tried_again() {
    let mut pair = sending();
    let mut tried = Vec::new();
    while let Some(bytes) = next_probe(&mut pair) {
        tried.push(bytes);
        let (link, now) = (link_of(&pair), pair.now);
        pair.ends[0].datagram_refused(&link, bytes, now);
    }
    assert_eq!(tried[..2], [1452, 1372]);
    assert!(tried.windows(2).all(|pair| pair[1] < pair[0]), "{tried:?}");
    assert_eq!((pair.look(0).stats().max_datagram, pair.look(0).stats().packets_lost), (1200, 0));
}

//= docs/protocol.md P-10.1-7
#[test]
fn a_size_in_use_that_our_own_system_refuses_is_given_up_at_once() {
    let mut pair = sending();
    for _ in 0..2 {
        let packets = pair.take(0);
        pair.pass(TRIP);
        pair.deliver(1, &packets);
        let acks = pair.take(1);
        pair.pass(TRIP);
        pair.deliver(0, &acks);
    }
    assert_eq!(pair.look(0).stats().max_datagram, 1452);
    let (link, now) = (link_of(&pair), pair.now);
    pair.ends[0].datagram_refused(&link, 1452, now);
    assert_eq!(pair.look(0).stats().max_datagram, 1200);
    pair.pass(TRIP);
    pair.serve(0, pair.now);
    let sizes: Vec<_> = pair.take(0).iter().map(Vec::len).collect();
    assert_eq!(sizes.iter().max(), Some(&1372), "{sizes:?}");
    assert_eq!(sizes.iter().filter(|bytes| **bytes > 1200).count(), 1, "the next probe: {sizes:?}");
}

//= docs/protocol.md P-10.1-6
#[test]
fn d29_what_is_said_of_other_paths_or_of_sizes_that_every_path_takes_changes_nothing() {
    let mut pair = sending();
    let (link, now) = (link_of(&pair), pair.now);
    let elsewhere = Link { remote: address(9), ..link };
    let on_another = Link { carrier: Carrier(1), ..link };
    let before = pair.ends[0].digest();
    for (link, bytes) in
        [(link, 0), (link, 600), (link, 1200), (link, 1453), (link, 70_000), (elsewhere, 1452), (on_another, 1452)]
    {
        pair.ends[0].datagram_refused(&link, bytes, now);
        assert_eq!(pair.ends[0].digest(), before, "{bytes} over {link:?}");
    }
}
