//! Who goes first, and what an urgent message waits for.

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::TimerKind;
use crate::channel_config::{ChannelConfig, ChannelMode};
use crate::wire::{Frame, Frames};

const URGENT: ChannelId = ChannelId(20);
const HEAVY: ChannelId = ChannelId(21);
const LIGHT: ChannelId = ChannelId(22);

fn pair() -> Pair {
    let reliable = |id| ChannelConfig::new(id, ChannelMode::ReliableOrdered);
    let channels = [
        reliable(CHANNEL),
        reliable(URGENT).with_priority(0),
        reliable(HEAVY).with_weight(48),
        reliable(LIGHT).with_weight(16),
    ];
    Pair::established_with(&Limits::default(), &channels)
}

/// Data bytes by channel in packets that end 0 sent.
fn bytes_by_channel(pair: &mut Pair, packets: &[Vec<u8>]) -> std::collections::BTreeMap<u64, usize> {
    let mut bytes = std::collections::BTreeMap::new();
    for packet in packets {
        let (_, plaintext) = pair.open(1, packet);
        for frame in Frames::new(&plaintext) {
            if let Frame::Data(data) = frame.unwrap() {
                *bytes.entry(data.channel).or_default() += data.data.len();
            }
        }
    }
    bytes
}

/// One datagram, if there is one to send.
fn take_one(pair: &mut Pair) -> Option<Vec<u8>> {
    let mut out = vec![0; pair.ends[0].max_datagram()];
    loop {
        match pair.ends[0].poll_action(&mut out, pair.now) {
            Action::Transmit(transmit) => return Some(out[..transmit.len].to_vec()),
            Action::Event(_) => {}
            _ => return None,
        }
    }
}

//= docs/protocol.md P-9-10
#[test]
fn the_next_datagram_carries_the_urgent_message() {
    let mut pair = pair();
    pair.session(0).send(&vec![1; 250_000], CHANNEL).unwrap();
    let bulk = take_one(&mut pair).unwrap();
    assert!(bytes_by_channel(&mut pair, &[bulk]).contains_key(&CHANNEL.0));
    pair.session(0).send(b"stop", URGENT).unwrap();
    let next = take_one(&mut pair).unwrap();
    assert_eq!(bytes_by_channel(&mut pair, &[next])[&URGENT.0], 4);
}

//= docs/protocol.md P-10-4
#[test]
fn two_urgent_datagrams_a_round_trip_pass_a_full_window() {
    let mut pair = pair();
    pair.session(0).send(&vec![1; 250_000], CHANNEL).unwrap();
    // Paced out until the window is full and nothing is acknowledged.
    loop {
        let packets = pair.take(0);
        let (timer, at) = pair.deadline(0);
        match timer {
            TimerKind::Pacing => pair.serve(0, at),
            _ if packets.is_empty() => break,
            _ => {}
        }
    }
    for expected in [1, 1, 0] {
        pair.session(0).send(b"stop", URGENT).unwrap();
        let packets = pair.take(0);
        assert_eq!(packets.len(), expected);
        let bytes = bytes_by_channel(&mut pair, &packets);
        assert_eq!(bytes.get(&URGENT.0).copied().unwrap_or(0), 4 * expected);
        assert!(!bytes.contains_key(&CHANNEL.0), "bulk data does not ride on it");
    }
    let in_flight = pair.look(0).stats().bytes_in_flight;
    assert!(in_flight > pair.look(0).stats().congestion_window - 1200);
}

/// Urgent data for which there is no record waits; a receipt or a PING in its stead would exceed the window with nothing that may.
//= docs/protocol.md P-10-4
#[test]
fn nothing_but_urgent_data_passes_a_full_window_where_no_record_is_left() {
    const RECEIPTS: ChannelId = ChannelId(23);
    let reliable = |id| ChannelConfig::new(id, ChannelMode::ReliableOrdered);
    let channels = [reliable(CHANNEL), reliable(URGENT).with_priority(0), reliable(RECEIPTS).with_receipts()];
    let mut waited = 0;
    for record_blocks in 1..10 {
        let windows = Limits { session_window: 60_000, channel_window: 60_000, ..small_limits() };
        let limits = Limits { record_blocks, pool_blocks: 4096, send_blocks: 1000, ..windows };
        let mut pair = Pair::established_with(&limits, &channels);
        pair.session(1).send(b"x", RECEIPTS).unwrap();
        let early = pair.take(1);
        pair.session(0).send(&vec![1; 19_000], CHANNEL).unwrap();
        let mut on_the_way = Vec::new();
        loop {
            let packets = pair.take(0);
            let (timer, at) = pair.deadline(0);
            match timer {
                TimerKind::Pacing => pair.serve(0, at),
                _ if packets.is_empty() => break,
                _ => {}
            }
            on_the_way.extend(packets);
        }
        pair.deliver(0, &early);
        assert_eq!(pair.session(0).recv(&mut [0; 9], RECEIPTS), Ok(Some(1)));
        for _ in 0..3 {
            pair.session(0).send(b"stop", URGENT).unwrap();
            let before = pair.look(0).stats();
            let Some(packet) = take_one(&mut pair) else {
                waited += u32::from(before.bytes_in_flight + 1200 > before.congestion_window);
                continue;
            };
            let after = pair.look(0).stats();
            let eliciting = after.bytes_in_flight > before.bytes_in_flight;
            let urgent = bytes_by_channel(&mut pair, std::slice::from_ref(&packet)).contains_key(&URGENT.0);
            assert!(!eliciting || urgent || after.bytes_in_flight <= after.congestion_window, "{record_blocks} blocks");
            on_the_way.push(packet);
        }
        // Acknowledgements make room for what waited.
        pair.deliver(1, &on_the_way);
        let acknowledgements = pair.take(1);
        pair.deliver(0, &acknowledgements);
        pair.settle();
        for _ in 0..3 {
            assert_eq!(pair.session(1).recv(&mut [0; 9], URGENT), Ok(Some(4)), "{record_blocks} blocks");
        }
    }
    // Of three urgent messages two go at most, so one wait each says nothing about records.
    assert!(waited > 9, "records never ran out where the window was full: {waited}");
}

//= docs/protocol.md P-9-10
#[test]
fn weights_share_one_priority() {
    let mut pair = pair();
    for channel in [HEAVY, LIGHT] {
        pair.session(0).send(&vec![1; 250_000], channel).unwrap();
    }
    let mut bytes = std::collections::BTreeMap::<u64, usize>::new();
    for _ in 0..20 {
        let packets = pair.take(0);
        for (channel, count) in bytes_by_channel(&mut pair, &packets) {
            *bytes.entry(channel).or_default() += count;
        }
        pair.pass(TRIP);
        pair.deliver(1, &packets);
        let acknowledgements = pair.take(1);
        pair.pass(TRIP);
        pair.deliver(0, &acknowledgements);
        let now = pair.now;
        pair.serve(0, now);
    }
    let (heavy, light) = (bytes[&HEAVY.0] as f64, bytes[&LIGHT.0] as f64);
    assert!(light > 20_000.0, "{light} bytes");
    assert!((2.7..3.3).contains(&(heavy / light)), "{heavy} : {light}");
}

/// A channel that was idle does not claim the time it missed, nor is it made to wait for what it had before.
#[test]
fn idle_time_earns_nothing_and_costs_nothing() {
    let mut pair = pair();
    pair.session(0).send(&vec![1; 250_000], HEAVY).unwrap();
    for _ in 0..60 {
        pair.settle();
    }
    let mut sink = vec![0; 250_000];
    assert_eq!(pair.session(1).recv(&mut sink, HEAVY), Ok(Some(250_000)));
    pair.settle();
    for channel in [LIGHT, HEAVY] {
        pair.session(0).send(&vec![2; 100_000], channel).unwrap();
    }
    let packets = pair.take(0);
    let bytes = bytes_by_channel(&mut pair, &packets);
    let (heavy, light) = (bytes[&HEAVY.0] as f64, bytes[&LIGHT.0] as f64);
    assert!((2.0..4.5).contains(&(heavy / light)), "{heavy} : {light}");
}

/// An application that does not read its bulk data still gets what is urgent.
#[test]
fn bulk_data_leaves_credit_for_urgent_messages() {
    let mut pair = pair();
    for channel in [CHANNEL, HEAVY, LIGHT] {
        pair.session(0).begin(channel).unwrap();
    }
    // Until nothing moves any more: the credit is used up, and nobody reads.
    for _ in 0..100 {
        for channel in [CHANNEL, HEAVY, LIGHT] {
            let _ = pair.session(0).write(&[1; 100_000], channel);
        }
        pair.settle();
    }
    assert!(pair.take(0).is_empty());
    pair.session(0).send(b"stop", URGENT).unwrap();
    pair.settle();
    let mut out = [0; 10];
    assert_eq!(pair.session(1).recv(&mut out, URGENT), Ok(Some(4)));
}

fn reliable(id: ChannelId) -> ChannelConfig {
    ChannelConfig::new(id, ChannelMode::ReliableOrdered)
}

/// What is kept back for urgent messages must not be what a reader of whole messages waits for.
//= docs/protocol.md P-9-11
#[test]
fn whole_messages_on_all_channels_become_complete_beside_an_urgent_one() {
    let limits = Limits { session_window: 1 << 16, channel_window: 1 << 16, ..Limits::default() };
    let channels = [reliable(URGENT).with_priority(0), reliable(HEAVY), reliable(LIGHT)];
    for read_before in [0, 10_000, 32_000, 32_766, 32_767] {
        let mut pair = Pair::established_with(&limits, &channels);
        let mut out = vec![0; 40_000];
        // As far as reading goes without renewing the peer's credit.
        for part in [read_before / 2, read_before - read_before / 2] {
            if part > 0 {
                pair.session(0).send(&vec![1; part - 1], HEAVY).unwrap();
                pair.settle();
                assert_eq!(pair.session(1).recv(&mut out, HEAVY), Ok(Some(part - 1)));
            }
        }
        for channel in [HEAVY, LIGHT] {
            pair.session(0).send(&[2; 21_000], channel).unwrap();
        }
        pair.settle();
        for channel in [HEAVY, LIGHT] {
            assert_eq!(pair.look(1).message_length(channel), Some(21_000), "{channel:?} after {read_before}");
        }
    }
}

/// A channel that draws on no credit needs none kept back.
//= docs/protocol.md P-9-11
#[test]
fn an_urgent_channel_without_credit_keeps_none_back() {
    let limits = Limits { session_window: 4096, channel_window: 4096, ..Limits::default() };
    let channels = [reliable(HEAVY), ChannelConfig::new(URGENT, ChannelMode::Unreliable).with_priority(0)];
    let mut pair = Pair::established_with(&limits, &channels);
    pair.session(0).send(&[1; 4095], HEAVY).unwrap();
    pair.settle();
    assert_eq!(pair.look(1).message_length(HEAVY), Some(4095));
}
