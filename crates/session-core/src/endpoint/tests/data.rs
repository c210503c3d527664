//! Rules of frames and credit, with a peer that breaks them.

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::CarrierConfig;
use crate::channel_config::ChannelConfig;
use crate::reason::SendError;
use crate::wire::{DataFrame, Frame, Writer};

pub(super) fn plaintext(frames: &[Frame<'_>]) -> Vec<u8> {
    let mut bytes = vec![0; 1000];
    let mut writer = Writer::new(&mut bytes);
    for frame in frames {
        frame.encode(&mut writer).unwrap();
    }
    writer.written().to_vec()
}

fn message(offset: u64, data: &[u8]) -> Frame<'_> {
    Frame::Data(DataFrame { channel: CHANNEL.0, offset, begin: true, end: true, data })
}

//= docs/protocol.md P-6-4
#[test]
fn nothing_behind_an_offending_frame_is_delivered() {
    let mut pair = Pair::established(&Limits::default());
    let mut bytes = plaintext(&[message(0, b"before")]);
    // Nothing of this type is assigned.
    bytes.extend([0x1C, 16, 0]);
    bytes.extend(plaintext(&[message(7, b"behind")]));
    let packet = pair.seal(0, &bytes);
    pair.deliver(1, &[packet]);
    let mut out = [0; 100];
    let mut session = pair.session(1);
    assert_eq!(session.recv(&mut out, CHANNEL), Ok(Some(6)));
    assert_eq!(&out[..6], b"before");
    assert_eq!(session.recv(&mut out, CHANNEL), Err(crate::reason::RecvError::Closed));
    assert_eq!(pair.close_code(1), Some(CloseCode::FRAME_NOT_ALLOWED));
}

//= docs/protocol.md P-9-5
#[test]
fn credit_never_shrinks() {
    let mut pair = Pair::established(&Limits::default());
    let less = plaintext(&[
        Frame::MaxData(1),
        Frame::MaxChannelData { channel: CHANNEL.0, maximum: 1 },
        Frame::MaxData(0),
        Frame::MaxChannelData { channel: CHANNEL.0, maximum: 0 },
    ]);
    let packet = pair.seal(1, &less);
    pair.deliver(0, &[packet]);
    pair.session(0).send(b"still within the first credit", CHANNEL).unwrap();
    pair.settle();
    let mut out = [0; 100];
    assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(29)));
}

#[test]
fn s0_9_what_one_side_sent_the_other_received() {
    let mut pair = Pair::established(&Limits::default());
    let before = [0, 1].map(|side| pair.look(side).stats());
    for _ in 0..50 {
        pair.session(0).send(&[7; 1000], CHANNEL).unwrap();
        pair.settle();
    }
    let after = [0, 1].map(|side| pair.look(side).stats());
    let sent = after[0].packets_sent - before[0].packets_sent;
    assert!(sent >= 50);
    assert_eq!(after[1].packets_received - before[1].packets_received, sent);
    assert_eq!(after[1].bytes_received - before[1].bytes_received, after[0].bytes_sent - before[0].bytes_sent);
    assert!(after[0].bytes_sent - before[0].bytes_sent > 50_000);
    assert!(after[0].smoothed_rtt > Duration::ZERO && after[0].minimum_rtt <= after[0].smoothed_rtt);
    assert_eq!((after[0].packets_lost, after[0].bytes_in_flight), (0, 0));
    assert!((after[0].loss_percent() - 0.0).abs() < f32::EPSILON);
}

#[test]
fn loss_is_told_in_percent_of_what_wants_an_acknowledgement() {
    let mut pair = Pair::established(&Limits::default());
    for round in 0..20 {
        pair.session(0).send(&[7; 1000], CHANNEL).unwrap();
        let packets = pair.take(0);
        if round != 5 {
            pair.deliver(1, &packets);
        }
    }
    pair.settle();
    pair.settle();
    let stats = pair.look(0).stats();
    assert!(stats.packets_lost >= 1);
    let percent = stats.packets_lost as f32 * 100.0 / stats.ack_eliciting_sent as f32;
    assert!((stats.loss_percent() - percent).abs() < 0.01);
}

#[test]
fn a_short_buffer_changes_nothing() {
    let mut pair = Pair::established(&Limits::default());
    pair.session(0).send(&[7; 5000], CHANNEL).unwrap();
    let now = pair.now;
    // Being asked files the deadline; being asked again must leave everything as it is.
    let mut short = [0; 100];
    while let Action::Event(_) = pair.ends[0].poll_action(&mut short, now) {}
    let before = pair.ends[0].digest();
    assert_eq!(pair.ends[0].poll_action(&mut short, now), Action::NeedsRoom(1200));
    assert_eq!(pair.ends[0].digest(), before);
    pair.settle();
    let mut out = [0; 5000];
    assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(5000)));
}

/// Each channel keeps to its own credit; together they have more than the session gives.
//= docs/protocol.md P-9-4
#[test]
fn the_credit_of_a_session_binds_all_its_channels_together() {
    const OTHER: ChannelId = ChannelId(17);
    for (end, expected) in [(4096, None), (4097, Some(CloseCode::FLOW_CONTROL))] {
        let channels = [CHANNEL, OTHER].map(ChannelConfig::from);
        let mut pair = Pair::established_with(&small_limits(), &channels);
        let far = |channel: ChannelId, offset| {
            Frame::Data(DataFrame { channel: channel.0, offset, begin: false, end: false, data: b"x" })
        };
        let packet = pair.seal(0, &plaintext(&[far(CHANNEL, 2999), far(OTHER, end - 3000 - 1)]));
        pair.deliver(1, &[packet]);
        assert_eq!(pair.close_code(1), expected, "{end}");
    }
}

//= docs/protocol.md P-6-7
#[test]
fn d17_a_packet_holds_at_most_64_frames_that_name_a_channel_whatever_they_are() {
    let kinds = [
        Frame::MaxChannelData { channel: CHANNEL.0, maximum: 1 },
        Frame::Receipt { channel: CHANNEL.0, offset: 0 },
        Frame::Skip { channel: CHANNEL.0, to: 0 },
    ];
    for kind in kinds {
        for (count, expected) in [(64, None), (65, Some(CloseCode::PROTOCOL))] {
            let mut pair = Pair::established(&Limits::default());
            let packet = pair.seal(0, &plaintext(&vec![kind; count]));
            pair.deliver(1, &[packet]);
            assert_eq!(pair.close_code(1), expected, "{kind:?}");
        }
    }
}

//= docs/protocol.md P-6-7
#[test]
fn d17_a_packet_holds_at_most_64_data_frames() {
    for (frames, expected) in [(64, None), (65, Some(CloseCode::PROTOCOL))] {
        let mut pair = Pair::established(&Limits::default());
        let packet = plaintext(&(0..frames).map(|index| message(2 * index, b"x")).collect::<Vec<_>>());
        let packet = pair.seal(0, &packet);
        pair.deliver(1, &[packet]);
        assert_eq!(pair.close_code(1), expected);
        let mut out = [0; 10];
        for _ in 0..64 {
            assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(1)));
        }
    }
}

/// How often the session that sends changes where two have five datagrams each, at this round-trip time.
fn changes_of_turn(round_trip: Duration) -> usize {
    let (mut alice, mut bob) = (endpoint(1, Limits::default()), endpoint(2, Limits::default()));
    bob.settings.config.second_session = crate::config::SecondSession::KeepBoth;
    let now = Instant::from_micros(1);
    let peer = Peer::Known { key: bob.public_key(), psk: None };
    let ids = [3, 4].map(|end| {
        let id = alice.connect(peer, link(end, 2), ConnectOptions::default(), now).unwrap();
        let [_, events] = settle(&mut alice, &mut bob, now);
        let [Event::Incoming(at_bob)] = events[..] else { panic!("{events:?}") };
        bob.session_mut(at_bob, now).unwrap().accept(b"").unwrap();
        let _ = settle(&mut alice, &mut bob, now);
        id
    });
    let now = now.saturating_add(Duration::from_secs(10));
    for id in ids {
        alice.slots.at_mut(id.slot).unwrap().set_round_trip(round_trip);
        for _ in 0..5 {
            alice.session_mut(id, now).unwrap().send(&[0; 1100], CHANNEL).unwrap();
        }
    }
    let (mut out, mut senders) = (vec![0; 2000], Vec::new());
    while senders.len() < 10 {
        match alice.poll_action(&mut out, now) {
            Action::Transmit(transmit) => senders.push(transmit.link),
            Action::Event(_) => {}
            other => panic!("{other:?} after {}", senders.len()),
        }
    }
    senders.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

#[test]
fn a_turn_is_a_millisecond_at_the_pacing_rate_but_a_datagram_at_least() {
    assert_eq!(changes_of_turn(Duration::from_millis(100)), 9, "slow sessions take turns datagram by datagram");
    // 1.25 windows of 12,000 bytes in 5 ms: 3,000 bytes, and the datagram that crosses them.
    assert_eq!(changes_of_turn(Duration::from_millis(5)), 3);
    assert_eq!(changes_of_turn(Duration::from_micros(10)), 1, "fast ones keep theirs");
}

/// The length of a frame's data takes four bytes from 16,384 on.
#[test]
fn datagrams_of_any_size_carry_data() {
    for size in [256, 1200, 16_383, 16_384, 16_500, 65_535] {
        let ends = [1, 2].map(|number| {
            let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "test");
            config.carriers = vec![CarrierConfig { max_datagram: size, min_datagram: size, padding: false }];
            Endpoint::new(config, Limits::default(), RustCrypto, Seed::new([number; 32])).unwrap()
        });
        let mut pair = Pair::new(ends);
        pair.agree(b"");
        pair.settle();
        pair.session(1).accept(b"").unwrap();
        pair.settle();
        pair.session(0).send(&vec![7; 200_000], CHANNEL).unwrap();
        pair.settle();
        assert_eq!(pair.look(1).message_length(CHANNEL), Some(200_000), "{size}");
    }
}

/// What is too large for ever is `TooLarge`, and what is `Blocked` finds room in the end: also with a channel that may hold all memory,
/// of which payload leaves a share to records.
#[test]
fn the_largest_message_that_is_taken_finds_room_in_an_idle_pool() {
    let limits = Limits { send_blocks: 1000, ..small_limits() };
    let mut pair = Pair::new([endpoint(1, limits), endpoint(2, Limits::default())]).establish();
    for first in [0, 1, 100, 175] {
        // The next message begins inside a block.
        pair.session(0).send(&vec![1; first], CHANNEL).unwrap();
        read_all(&mut pair);
        let largest = (0..30_000).rev().find(|length| {
            let sent = pair.session(0).send(&vec![2; *length], CHANNEL);
            assert!(matches!(sent, Ok(_) | Err(SendError::TooLarge)), "{length} bytes after {first}: {sent:?}");
            sent.is_ok()
        });
        assert!(largest.is_some_and(|length| length > 10_000), "{largest:?}");
        read_all(&mut pair);
    }
}

/// Carries what is under way, with time for acknowledgements, and reads it at the other end.
fn read_all(pair: &mut Pair) {
    let mut out = vec![0; 30_000];
    for _ in 0..100 {
        pair.settle();
        pair.pass(TRIP);
        while let Ok(Some(_)) = pair.session(1).recv(&mut out, CHANNEL) {}
    }
}

/// S0-31: who looks for the cause of a bad connection finds that packets came from where the session is not.
#[test]
fn packets_from_another_address_are_counted_and_move_nothing() {
    let mut pair = Pair::established(&Limits::default());
    pair.session(0).send(b"from elsewhere", CHANNEL).unwrap();
    let home = pair.look(1).link();
    let now = pair.now;
    for mut packet in pair.take(0) {
        let moved = Arrival::new(Link { remote: Address::Opaque([9; 16]), ..home });
        assert_eq!(pair.ends[1].handle_datagram(&mut packet, moved, now), Received::Consumed);
        let again = pair.ends[1].handle_datagram(&mut packet.clone(), moved, now);
        assert!(matches!(again, Received::Discarded(_)), "what is not authentic counts nowhere");
    }
    assert_eq!(pair.look(1).stats().packets_elsewhere, 1);
    assert_eq!(pair.look(1).link(), home);
    let mut out = [0; 100];
    assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(14)));
    pair.settle();
    assert_eq!((pair.look(0).stats().packets_elsewhere, pair.look(1).stats().packets_elsewhere), (0, 1));
}
