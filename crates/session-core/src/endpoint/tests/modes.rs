//! What each channel mode does with loss, order and room, with everything that passes in the test's hands.

use super::data::plaintext;
use super::pair::Pair;
use super::*;
use crate::channel_config::{ChannelConfig, ChannelMode};
use crate::reason::{RecvError, SendError};
use crate::wire::{DataFrame, Frame, Frames, MessageFrame};

const UNORDERED: ChannelId = ChannelId(20);
const UNRELIABLE: ChannelId = ChannelId(21);
const LATEST: ChannelId = ChannelId(22);

fn pair_within(limits: &Limits) -> Pair {
    let channels = [
        ChannelConfig::from(CHANNEL),
        ChannelConfig::new(UNORDERED, ChannelMode::ReliableUnordered),
        ChannelConfig::new(UNRELIABLE, ChannelMode::Unreliable),
        ChannelConfig::new(LATEST, ChannelMode::LatestValue),
    ];
    Pair::established_with(limits, &channels)
}

fn pair() -> Pair {
    pair_within(&Limits::default())
}

fn send(pair: &mut Pair, message: &[u8], channel: ChannelId) -> Vec<Vec<u8>> {
    pair.session(0).send(message, channel).unwrap();
    pair.take(0)
}

fn recv(pair: &mut Pair, channel: ChannelId) -> Option<Vec<u8>> {
    let mut out = vec![0; 100_000];
    let length = pair.session(1).recv(&mut out, channel).unwrap()?;
    out.truncate(length);
    Some(out)
}

//= docs/protocol.md P-9.1-1
#[test]
fn unordered_messages_do_not_wait_for_lost_ones() {
    let mut pair = pair();
    let _lost = send(&mut pair, b"first", UNORDERED);
    let second = send(&mut pair, b"second", UNORDERED);
    pair.deliver(1, &second);
    assert_eq!(recv(&mut pair, UNORDERED).as_deref(), Some(&b"second"[..]));
    assert_eq!(recv(&mut pair, UNORDERED), None);
    pair.settle();
    let (_, at) = pair.deadline(0);
    pair.serve(0, at);
    pair.settle();
    assert_eq!(recv(&mut pair, UNORDERED).as_deref(), Some(&b"first"[..]));
    assert_eq!(recv(&mut pair, UNORDERED), None);
}

//= docs/protocol.md P-9.1-3
#[test]
fn a_lost_unreliable_message_is_told_and_never_comes() {
    let mut pair = pair();
    let _lost = send(&mut pair, &[1; 3000], UNRELIABLE);
    for _ in 0..4 {
        let packets = send(&mut pair, b"later", UNRELIABLE);
        pair.deliver(1, &packets);
    }
    pair.settle();
    let id = pair.ids[0].unwrap();
    assert!(pair.events[0].contains(&Event::Lost(id, UNRELIABLE)));
    assert_eq!(pair.look(0).channel_stats(UNRELIABLE).unwrap().lost_messages, 1, "one message, though three packets");
    for _ in 0..4 {
        assert_eq!(recv(&mut pair, UNRELIABLE).as_deref(), Some(&b"later"[..]));
    }
    for _ in 0..5 {
        let (_, at) = pair.deadline(0);
        pair.serve(0, at);
        pair.settle();
    }
    assert_eq!(recv(&mut pair, UNRELIABLE), None);
    assert!(pair.look(0).channel_stats(UNRELIABLE).unwrap().is_all_acked());
}

/// Frames of data in a packet.
fn data_frames(pair: &mut Pair, packet: &[u8]) -> usize {
    let (_, plaintext) = pair.open(1, packet);
    let frames = Frames::new(&plaintext).map(Result::unwrap);
    frames.filter(|frame| matches!(frame, Frame::Data(_) | Frame::Message(_))).count()
}

/// As many as fit, though no more than 32 however short; and of a packet that is lost, each is lost, or sent again.
#[test]
fn short_messages_fill_packets_and_each_is_accounted_for() {
    for channel in [CHANNEL, UNORDERED, UNRELIABLE] {
        let mut pair = pair();
        for value in 0..60_u8 {
            pair.session(0).send(&[value; 40], channel).unwrap();
        }
        let packets = pair.take(0);
        let frames: Vec<_> = packets.iter().map(|packet| data_frames(&mut pair, packet)).collect();
        assert_eq!(packets.len(), 3, "{channel:?}: {frames:?} frames");
        assert!((23..=32).contains(&frames[0]), "{channel:?}: {frames:?}");
        // The first is lost.
        pair.deliver(1, &packets[1..]);
        for _ in 0..4 {
            let packets = send(&mut pair, b"later", channel);
            pair.deliver(1, &packets);
        }
        for _ in 0..5 {
            pair.settle();
            let (_, at) = pair.deadline(0);
            pair.serve(0, at);
        }
        pair.settle();
        let arrived = core::iter::from_fn(|| recv(&mut pair, channel)).count() as u64;
        let lost = pair.look(0).channel_stats(channel).unwrap().lost_messages;
        assert_eq!(arrived + lost, 64, "{channel:?}");
        assert_eq!(lost > 0, channel == UNRELIABLE, "{channel:?}: {lost} lost");
        assert!(pair.look(0).channel_stats(channel).unwrap().is_all_acked(), "{channel:?}");
        for _ in 0..100 {
            pair.session(0).send(b"", channel).unwrap();
        }
        let packets = pair.take(0);
        let frames: Vec<_> = packets.iter().map(|packet| data_frames(&mut pair, packet)).collect();
        assert_eq!(frames, [32, 32, 32, 4], "{channel:?}");
    }
}

/// What a packet holds of messages that stand alone: how many whole ones, and how many parts of others.
fn whole_and_cut(pair: &mut Pair, packet: &[u8]) -> (usize, usize) {
    let (_, plaintext) = pair.open(1, packet);
    let mut counts = (0, 0);
    for frame in Frames::new(&plaintext) {
        match frame.unwrap() {
            Frame::Message(MessageFrame { offset: 0, last: true, .. }) => counts.0 += 1,
            Frame::Message(_) => counts.1 += 1,
            _ => {}
        }
    }
    counts
}

//= docs/protocol.md P-9.1-8
#[test]
fn messages_that_fit_into_a_packet_leave_in_one() {
    let mut pair = pair();
    for value in 0..9_u8 {
        pair.session(0).send(&[value; 300], UNRELIABLE).unwrap();
    }
    pair.session(0).send(&[9; 1000], LATEST).unwrap();
    let packets = pair.take(0);
    let counts: Vec<_> = packets.iter().map(|packet| whole_and_cut(&mut pair, packet)).collect();
    let (whole, cut) = counts.iter().fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    assert_eq!((whole, cut), (10, 0), "{counts:?}");
    pair.deliver(1, &packets);
    pair.settle();
    // One that fits into none is cut where the packet ends.
    pair.session(0).send(&[1; 700], UNRELIABLE).unwrap();
    pair.session(0).send(&[2; 1500], UNRELIABLE).unwrap();
    let packets = pair.take(0);
    let counts: Vec<_> = packets.iter().map(|packet| whole_and_cut(&mut pair, packet)).collect();
    assert_eq!(counts, [(1, 1), (0, 1)]);
    pair.deliver(1, &packets);
    let lengths: Vec<_> = core::iter::from_fn(|| recv(&mut pair, UNRELIABLE)).map(|message| message.len()).collect();
    assert_eq!(lengths, [[300; 9].as_slice(), &[700, 1500]].concat());
    assert_eq!(recv(&mut pair, LATEST), Some(vec![9; 1000]));
}

//= docs/protocol.md P-9.1-4
#[test]
fn the_newest_value_arrives_although_it_was_lost_and_older_ones_do_not() {
    let mut pair = pair();
    for value in 0..5_u8 {
        let _lost = send(&mut pair, &[value; 2000], LATEST);
    }
    for _ in 0..10 {
        let (_, at) = pair.deadline(0);
        pair.serve(0, at);
        pair.settle();
    }
    assert_eq!(recv(&mut pair, LATEST), Some(vec![4; 2000]));
    assert_eq!(recv(&mut pair, LATEST), None);
    let old = send(&mut pair, b"old", LATEST);
    let new = send(&mut pair, b"new", LATEST);
    pair.deliver(1, &new);
    pair.deliver(1, &old);
    assert_eq!(recv(&mut pair, LATEST).as_deref(), Some(&b"new"[..]));
    assert_eq!(recv(&mut pair, LATEST), None);
}

//= docs/protocol.md P-9.2-1
#[test]
fn the_sender_learns_what_the_application_took_and_not_before() {
    let receipts = [
        ChannelConfig::from(CHANNEL).with_receipts(),
        ChannelConfig::new(UNORDERED, ChannelMode::ReliableUnordered).with_receipts(),
    ];
    for channel in [CHANNEL, UNORDERED] {
        let mut pair = Pair::established_with(&Limits::default(), &receipts);
        let first = pair.session(0).send(b"first", channel).unwrap();
        let second = pair.session(0).send(b"second", channel).unwrap();
        pair.settle();
        assert!(pair.look(0).channel_stats(channel).unwrap().is_all_acked());
        assert_eq!(pair.look(0).channel_stats(channel).unwrap().delivered, 0);
        assert_eq!(recv(&mut pair, channel).as_deref(), Some(&b"first"[..]));
        // The receipt is lost once.
        assert_eq!(pair.take(1).len(), 1);
        let (_, at) = pair.deadline(1);
        pair.serve(1, at);
        pair.settle();
        assert_eq!(pair.look(0).channel_stats(channel).unwrap().delivered, first.end_offset);
        let id = pair.ids[0].unwrap();
        assert!(pair.events[0].contains(&Event::Delivered(id, channel)));
        assert_eq!(recv(&mut pair, channel).as_deref(), Some(&b"second"[..]));
        pair.settle();
        assert_eq!(pair.look(0).channel_stats(channel).unwrap().delivered, second.end_offset);
    }
    // Without being asked nobody tells.
    let mut pair = pair();
    pair.session(0).send(b"first", CHANNEL).unwrap();
    pair.settle();
    recv(&mut pair, CHANNEL);
    pair.settle();
    assert_eq!(pair.look(0).channel_stats(CHANNEL).unwrap().delivered, 0);
}

/// What was read past a gap is not told before the gap is filled and read.
#[test]
fn receipts_do_not_run_ahead_of_a_gap() {
    let channel = ChannelConfig::new(UNORDERED, ChannelMode::ReliableUnordered).with_receipts();
    let mut pair = Pair::established_with(&Limits::default(), &[channel]);
    let _lost = send(&mut pair, b"first", UNORDERED);
    let second = send(&mut pair, b"second", UNORDERED);
    pair.deliver(1, &second);
    assert_eq!(recv(&mut pair, UNORDERED).as_deref(), Some(&b"second"[..]));
    let packets = pair.take(1);
    pair.deliver(0, &packets);
    assert_eq!(pair.look(0).channel_stats(UNORDERED).unwrap().delivered, 0);
}

//= docs/protocol.md P-9.2-2
#[test]
fn wrong_receipts_close_the_session_and_old_ones_are_ignored() {
    let receipt = |channel: ChannelId, offset| Frame::Receipt { channel: channel.0, offset };
    let faults = [
        (receipt(ChannelId(99), 0), CloseCode::CHANNEL_UNKNOWN),
        (receipt(CHANNEL, 7), CloseCode::PROTOCOL),
        (receipt(LATEST, 0), CloseCode::PROTOCOL),
    ];
    for (frame, code) in faults {
        let mut pair = pair();
        pair.session(0).send(b"sent!", CHANNEL).unwrap();
        pair.settle();
        let packet = pair.seal_frame(1, &frame);
        assert_eq!(pair.receive(0, &packet), Received::Consumed);
        assert_eq!(pair.close_code(0), Some(code), "{frame:?}");
    }
    let mut pair = pair();
    pair.session(0).send(b"sent!", CHANNEL).unwrap();
    pair.settle();
    for (offset, expected) in [(6, 6), (2, 6), (0, 6)] {
        let packet = pair.seal_frame(1, &receipt(CHANNEL, offset));
        pair.deliver(0, &[packet]);
        assert_eq!(pair.look(0).channel_stats(CHANNEL).unwrap().delivered, expected);
    }
    let packet = pair.seal(1, &[0x17, 16, 2, 0]);
    assert_eq!(pair.receive(0, &packet), Received::Consumed);
    assert_eq!(pair.close_code(0), Some(CloseCode::FRAME_ENCODING));
}

//= docs/protocol.md P-9.1-2
#[test]
fn frames_of_another_mode_and_contradictory_parts_close_the_session() {
    let part = |channel: ChannelId, offset, last| {
        Frame::Message(MessageFrame { channel: channel.0, number: 0, offset, last, data: b"part" })
    };
    let data = Frame::Data(DataFrame { channel: LATEST.0, offset: 0, begin: true, end: true, data: b"data" });
    let faults: [(&[Frame<'_>], CloseCode); 4] = [
        (&[part(CHANNEL, 0, true)], CloseCode::PROTOCOL),
        (&[data], CloseCode::PROTOCOL),
        (&[part(ChannelId(99), 0, true)], CloseCode::CHANNEL_UNKNOWN),
        (&[part(UNRELIABLE, 8, true), part(UNRELIABLE, 4, true)], CloseCode::PROTOCOL),
    ];
    for (frames, code) in faults {
        let mut pair = pair();
        for frame in frames {
            let packet = pair.seal_frame(0, frame);
            assert_eq!(pair.receive(1, &packet), Received::Consumed);
        }
        assert_eq!(pair.close_code(1), Some(code), "{frames:?}");
    }
    // No bytes, and not the end either; then an offset beyond every message.
    for body in [&[0x13, 21, 0, 0, 0, 0][..], &[0x13, 21, 0, 0, 2, 1, 7]] {
        let mut pair = pair();
        let packet = pair.seal(0, body);
        assert_eq!(pair.receive(1, &packet), Received::Consumed);
        assert_eq!(pair.close_code(1), Some(CloseCode::FRAME_ENCODING), "{body:?}");
    }
}

//= docs/protocol.md P-9.1-5
#[test]
fn a_full_mailbox_drops_unreliable_messages_and_the_value_nobody_has_read() {
    let mut pair = pair_within(&Limits { mailbox_blocks: 4, ..Limits::default() });
    for value in 0..10 {
        // Two of them find no room in one block.
        let packets = send(&mut pair, &[value; 600], UNRELIABLE);
        pair.deliver(1, &packets);
    }
    pair.settle();
    assert_eq!(pair.look(1).channel_stats(UNRELIABLE).unwrap().dropped_messages, 6);
    for value in 0..4 {
        assert_eq!(recv(&mut pair, UNRELIABLE), Some(vec![value; 600]));
    }
    // Two values of three blocks do not fit together: the one that nobody has read goes, and no packet is taken for lost.
    let lost = pair.look(0).stats().packets_lost;
    for value in 1..=5 {
        pair.session(0).send(&[value; 2000], LATEST).unwrap();
        pair.settle();
        assert!(pair.look(0).channel_stats(LATEST).unwrap().is_all_acked(), "{value}");
    }
    assert_eq!(pair.look(0).stats().packets_lost, lost);
    assert_eq!(recv(&mut pair, LATEST), Some(vec![5; 2000]));
    assert_eq!((recv(&mut pair, LATEST), pair.look(1).channel_stats(LATEST).unwrap().dropped_messages), (None, 4));
}

const OTHER_LATEST: ChannelId = ChannelId(23);

/// Together all mailboxes hold four blocks of 170 bytes.
fn pair_that_shares_four_blocks() -> Pair {
    let limits = Limits {
        block_size: 256,
        pool_blocks: 1024,
        session_window: 65_536,
        mailbox_blocks: 4,
        session_mailbox_blocks: 4,
        spare_ids: 0,
        ..Limits::default()
    };
    let channels = [
        ChannelConfig::from(CHANNEL),
        ChannelConfig::new(UNRELIABLE, ChannelMode::Unreliable),
        ChannelConfig::new(LATEST, ChannelMode::LatestValue),
        ChannelConfig::new(OTHER_LATEST, ChannelMode::LatestValue),
    ];
    Pair::established_with(&limits, &channels)
}

/// Serves the next deadlines of both ends, and carries what comes of them.
fn go_on(pair: &mut Pair, count: usize) {
    pair.settle();
    for _ in 0..count {
        let next = [0, 1].map(|side| pair.ends[side].next_deadline().map(|deadline| (deadline.at, side)));
        let Some((at, side)) = next.into_iter().flatten().min() else { return };
        pair.serve(side, at.max(pair.now));
        pair.settle();
    }
}

//= docs/protocol.md P-9.1-5
#[test]
fn unread_unreliable_messages_give_way_to_a_latest_value_and_hold_up_nothing_in_its_packet() {
    for whole in [true, false] {
        let mut pair = pair_that_shares_four_blocks();
        for number in 0..4 {
            // The last may be one that never becomes whole.
            let part =
                MessageFrame { channel: UNRELIABLE.0, number, offset: 0, last: whole || number < 3, data: &[1; 130] };
            let packet = pair.seal_frame(0, &Frame::Message(part));
            pair.deliver(1, &[packet]);
        }
        for (value, round) in [(1_u8, 1_u64), (2, 2), (3, 3)] {
            let data = DataFrame { channel: CHANNEL.0, offset: 10 * round, begin: true, end: true, data: &[value; 9] };
            let part = MessageFrame { channel: LATEST.0, number: round, offset: 0, last: true, data: &[value; 300] };
            let packet = pair.seal(0, &plaintext(&[Frame::Message(part), Frame::Data(data)]));
            pair.deliver(1, &[packet]);
            let stats = pair.look(1).channel_stats(UNRELIABLE).unwrap();
            assert_eq!(
                (stats.dropped_messages, pair.look(1).stats().no_memory),
                (2, 0),
                "only as many as were in the way"
            );
        }
        let hole = Frame::Data(DataFrame { channel: CHANNEL.0, offset: 0, begin: true, end: true, data: &[0; 9] });
        let packet = pair.seal_frame(0, &hole);
        pair.deliver(1, &[packet]);
        for value in 0..4 {
            assert_eq!(recv(&mut pair, CHANNEL), Some(vec![value; 9]));
        }
        assert_eq!(recv(&mut pair, LATEST), Some(vec![3; 300]));
        let left = core::iter::from_fn(|| recv(&mut pair, UNRELIABLE)).count();
        assert_eq!(left, 2);
        assert_eq!(pair.close_code(1), None);
    }
}

//= docs/protocol.md P-9.1-5
#[test]
fn behind_a_latest_value_without_room_everything_is_stored() {
    let mut pair = pair_that_shares_four_blocks();
    let part = |channel: ChannelId, data| MessageFrame { channel: channel.0, number: 0, offset: 0, last: true, data };
    let packet = pair.seal_frame(0, &Frame::Message(part(LATEST, &[1; 500])));
    pair.deliver(1, &[packet]);
    let data = DataFrame { channel: CHANNEL.0, offset: 0, begin: true, end: true, data: b"behind" };
    let packet = pair.seal(0, &plaintext(&[Frame::Message(part(OTHER_LATEST, &[2; 500])), Frame::Data(data)]));
    pair.deliver(1, &[packet]);
    assert_eq!(pair.look(1).stats().no_memory, 1, "the packet is not acknowledged");
    assert_eq!(recv(&mut pair, CHANNEL).as_deref(), Some(&b"behind"[..]));
    assert_eq!(recv(&mut pair, OTHER_LATEST), None);
    assert_eq!(recv(&mut pair, LATEST), Some(vec![1; 500]), "what was acknowledged is not dropped");
}

//= docs/protocol.md P-9.1-7
#[test]
fn a_latest_value_without_room_does_not_keep_its_neighbours_from_being_acknowledged() {
    let mut pair = pair_that_shares_four_blocks();
    pair.session(0).send(&[1; 500], LATEST).unwrap();
    pair.settle();
    // All of it fits one packet; nobody reads the first value, and the second has no room beside it.
    for round in 0..5 {
        pair.session(0).send(&[2 + round; 500], OTHER_LATEST).unwrap();
        pair.session(0).send(&[round; 100], CHANNEL).unwrap();
        go_on(&mut pair, 4);
        assert!(pair.look(0).channel_stats(CHANNEL).unwrap().is_all_acked(), "{round}");
        assert_eq!(recv(&mut pair, CHANNEL), Some(vec![round; 100]));
    }
    assert!(pair.look(1).stats().no_memory > 0, "there was no room");
    assert_eq!(recv(&mut pair, LATEST), Some(vec![1; 500]));
    go_on(&mut pair, 6);
    assert_eq!(recv(&mut pair, OTHER_LATEST), Some(vec![6; 500]), "the newest arrives once there is room");
    assert!(pair.look(0).channel_stats(OTHER_LATEST).unwrap().is_all_acked());
}

#[test]
fn modes_of_whole_messages_refuse_pieces() {
    let mut pair = pair();
    for channel in [UNORDERED, UNRELIABLE, LATEST] {
        assert_eq!(pair.session(0).begin(channel), Err(SendError::WholeOnly));
        assert_eq!(pair.session(0).write(b"piece", channel), Err(SendError::Streaming));
        assert_eq!(pair.session(1).read(&mut [0; 10], channel), Err(RecvError::WholeOnly));
        pair.session(0).send(b"whole", channel).unwrap();
        pair.settle();
        assert_eq!(pair.look(1).message_length(channel), Some(5));
        assert_eq!(pair.session(1).recv(&mut [0; 4], channel), Err(RecvError::TooSmall));
        assert_eq!(recv(&mut pair, channel).as_deref(), Some(&b"whole"[..]));
    }
}

#[test]
fn a_closed_session_keeps_whole_messages_until_they_are_read() {
    let mut pair = pair();
    for channel in [UNORDERED, UNRELIABLE, LATEST] {
        pair.session(0).send(b"last words", channel).unwrap();
    }
    pair.session(0).close(0, "");
    for _ in 0..10 {
        pair.settle();
    }
    for channel in [UNORDERED, UNRELIABLE, LATEST] {
        assert_eq!(recv(&mut pair, channel).as_deref(), Some(&b"last words"[..]));
        assert_eq!(pair.session(1).recv(&mut [0; 9], channel), Err(RecvError::Closed));
    }
}

#[test]
fn a_channel_at_its_budget_is_blocked_and_leaves_memory_to_the_others() {
    let modest = ChannelConfig::new(UNORDERED, ChannelMode::ReliableUnordered).with_budget(4);
    let limits = Limits { block_size: 256, ..Limits::default() };
    let mut pair = Pair::established_with(&limits, &[ChannelConfig::from(CHANNEL), modest]);
    assert_eq!(pair.session(0).send(&[0; 4 * 256], UNORDERED), Err(SendError::TooLarge));
    let mut sent = 0;
    while pair.session(0).send(&[1; 200], UNORDERED).is_ok() {
        sent += 1;
    }
    assert_eq!((sent, pair.session(0).send(&[1; 200], UNORDERED)), (3, Err(SendError::Blocked)));
    pair.session(0).send(&[2; 20_000], CHANNEL).unwrap();
    pair.settle();
    assert!(pair.events[0].contains(&Event::Writable(pair.ids[0].unwrap(), UNORDERED)));
    assert_eq!(recv(&mut pair, CHANNEL), Some(vec![2; 20_000]));
    for _ in 0..3 {
        assert_eq!(recv(&mut pair, UNORDERED), Some(vec![1; 200]));
    }
    pair.session(0).send(&[1; 200], UNORDERED).unwrap();
    let config = |budget| vec![ChannelConfig::from(CHANNEL).with_budget(budget)];
    for (budget, fits) in [(0, false), (1, false), (2, true)] {
        let key = StaticKey::new(&RustCrypto, Secret::new([1; 32]));
        let mut checked = Config::new(key, "test");
        checked.channels = config(budget);
        let made = Endpoint::new(checked, Limits::default(), RustCrypto, Seed::new([1; 32]));
        assert_eq!(made.is_ok(), fits, "{budget}");
    }
}
