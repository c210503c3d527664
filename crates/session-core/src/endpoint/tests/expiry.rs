//! Messages with a deadline: given up at one end, passed over at the other, whatever is lost between them.

use super::pair::Pair;
use super::*;
use crate::channel_config::{ChannelConfig, ChannelMode};
use crate::ids::MessageId;
use crate::reason::{RecvError, SendError};
use crate::send_options::SendOptions;
use crate::wire::{DataFrame, Frame};

const UNORDERED: ChannelId = ChannelId(20);
const UNRELIABLE: ChannelId = ChannelId(21);
const LATEST: ChannelId = ChannelId(22);
const PATIENCE: Duration = Duration::from_millis(500);

fn pair_within(limits: &Limits) -> Pair {
    let channels = [
        ChannelConfig::from(CHANNEL).with_receipts(),
        ChannelConfig::new(UNORDERED, ChannelMode::ReliableUnordered),
        ChannelConfig::new(UNRELIABLE, ChannelMode::Unreliable),
        ChannelConfig::new(LATEST, ChannelMode::LatestValue),
    ];
    Pair::established_with(limits, &channels)
}

fn pair() -> Pair {
    pair_within(&Limits::default())
}

/// Sends a message that is worth something for `PATIENCE`; what leaves is the test's.
fn send_for_a_while(pair: &mut Pair, message: &[u8], channel: ChannelId) -> (MessageId, Vec<Vec<u8>>) {
    let deadline = pair.now.saturating_add(PATIENCE);
    let id = pair.session(0).send_with(message, channel, SendOptions::by(deadline)).unwrap();
    (id, pair.take(0))
}

fn recv(pair: &mut Pair, channel: ChannelId) -> Option<Vec<u8>> {
    let mut out = vec![0; 100_000];
    let length = pair.session(1).recv(&mut out, channel).unwrap()?;
    out.truncate(length);
    Some(out)
}

/// Lets `PATIENCE` pass with every packet lost.
fn outlast(pair: &mut Pair) {
    let end = pair.now.saturating_add(PATIENCE);
    while pair.now < end {
        let (_, at) = pair.deadline(0);
        pair.serve(0, at.min(end));
        let _lost = pair.take(0);
    }
}

/// Lets both ends say everything, whatever timers that takes.
fn settle_for_long(pair: &mut Pair) {
    for _ in 0..8 {
        pair.settle();
        serve_next(pair);
    }
    pair.settle();
}

fn serve_next(pair: &mut Pair) {
    if let Some(deadline) = pair.ends[0].next_deadline() {
        pair.serve(0, deadline.at);
    }
}

//= docs/protocol.md P-9.3-1 P-9.3-2 P-9.3-3
#[test]
fn a_late_message_is_given_up_and_the_next_ones_arrive() {
    for channel in [CHANNEL, UNORDERED] {
        let mut pair = pair();
        let (late, _lost) = send_for_a_while(&mut pair, &[1; 3000], channel);
        pair.session(0).send(b"next", channel).unwrap();
        outlast(&mut pair);
        assert_eq!(
            (pair.look(0).channel_stats(channel).unwrap().expired_messages, pair.session(0).take_expired(channel)),
            (1, Some(late))
        );
        assert_eq!(pair.session(0).take_expired(channel), None);
        settle_for_long(&mut pair);
        assert_eq!(recv(&mut pair, channel).as_deref(), Some(&b"next"[..]));
        assert_eq!(recv(&mut pair, channel), None);
        assert_eq!(pair.look(1).channel_stats(channel).unwrap().skipped_positions, 3001);
        let [sender, receiver] = pair.ids.map(Option::unwrap);
        assert!(pair.events[0].contains(&Event::Expired(sender, channel)));
        assert!(pair.events[1].contains(&Event::Skipped(receiver, channel)));
        assert!(pair.look(0).channel_stats(channel).unwrap().is_all_acked());
        assert_eq!(pair.look(1).channel_stats(channel).unwrap().read, late.end_offset + 5);
        pair.ends.iter().for_each(Endpoint::assert_invariants);
    }
}

//= docs/protocol.md P-9.3-1
#[test]
fn nothing_of_a_late_message_leaves_that_never_left() {
    for channel in [CHANNEL, UNORDERED, UNRELIABLE, LATEST] {
        let mut pair = pair();
        let deadline = pair.now.saturating_add(PATIENCE);
        let late = pair.session(0).send_with(b"late", channel, SendOptions::by(deadline)).unwrap();
        pair.pass(PATIENCE);
        // Nobody has served the deadline.
        pair.settle();
        assert_eq!(recv(&mut pair, channel), None, "{channel:?}");
        assert_eq!(pair.session(0).take_expired(channel), Some(late), "{channel:?}");
        pair.session(0).send(b"next", channel).unwrap();
        pair.settle();
        assert_eq!(recv(&mut pair, channel).as_deref(), Some(&b"next"[..]), "{channel:?}");
        assert!(pair.look(0).channel_stats(channel).unwrap().is_all_acked());
    }
}

#[test]
fn a_message_in_time_is_not_given_up_and_leaves_no_timer() {
    for channel in [CHANNEL, UNORDERED, UNRELIABLE, LATEST] {
        let mut pair = pair();
        let (_, packets) = send_for_a_while(&mut pair, b"in time", channel);
        pair.deliver(1, &packets);
        pair.settle();
        pair.pass(PATIENCE);
        pair.serve(0, pair.now);
        pair.settle();
        assert_eq!(recv(&mut pair, channel).as_deref(), Some(&b"in time"[..]));
        assert_eq!(pair.look(0).channel_stats(channel).unwrap().expired_messages, 0, "{channel:?}");
        assert_ne!(pair.deadline(0).0, crate::action::TimerKind::Message);
    }
}

//= docs/protocol.md P-9.3-2
#[test]
fn a_skip_that_is_lost_is_said_again_and_an_end_in_order_waits_for_it() {
    for losses in 0..4 {
        let mut pair = pair();
        let (_, _lost) = send_for_a_while(&mut pair, b"late", CHANNEL);
        pair.session(0).send(b"next", CHANNEL).unwrap();
        outlast(&mut pair);
        pair.session(0).close(7, "done");
        for _ in 0..losses {
            let _lost = pair.take(0);
            serve_next(&mut pair);
        }
        settle_for_long(&mut pair);
        assert_eq!(recv(&mut pair, CHANNEL).as_deref(), Some(&b"next"[..]), "{losses}");
        assert_eq!(pair.close_code(1), Some(CloseCode(7)));
    }
}

//= docs/protocol.md P-9.3-1
#[test]
fn what_arrived_although_nobody_heard_of_it_is_delivered_once_and_reported_late() {
    for channel in [CHANNEL, UNORDERED, LATEST] {
        let mut pair = pair();
        let (_, packets) = send_for_a_while(&mut pair, b"heard", channel);
        pair.deliver(1, &packets);
        let _lost = pair.take(1);
        outlast(&mut pair);
        settle_for_long(&mut pair);
        assert_eq!(recv(&mut pair, channel).as_deref(), Some(&b"heard"[..]));
        assert_eq!(recv(&mut pair, channel), None);
        assert_eq!(pair.look(0).channel_stats(channel).unwrap().expired_messages, 1);
        assert_eq!(pair.look(1).channel_stats(channel).unwrap().skipped_positions, 0);
    }
}

//= docs/protocol.md P-9.3-4
#[test]
fn a_reader_in_the_midst_of_a_late_message_is_told_before_it_reads_another() {
    let mut pair = pair();
    let (_, packets) = send_for_a_while(&mut pair, &[1; 3000], CHANNEL);
    pair.deliver(1, &packets[..1]);
    let mut out = [0; 5000];
    let first = pair.session(1).read(&mut out[..10], CHANNEL).unwrap().unwrap();
    assert_eq!((first.length, first.begin, first.end), (10, true, false));
    let _lost = pair.take(1);
    outlast(&mut pair);
    pair.session(0).send(b"next", CHANNEL).unwrap();
    settle_for_long(&mut pair);
    assert_eq!(pair.session(1).read(&mut out, CHANNEL), Err(RecvError::Cut));
    let next = pair.session(1).read(&mut out, CHANNEL).unwrap().unwrap();
    assert_eq!((next.length, next.begin, next.end), (4, true, true));
    assert_eq!(pair.look(1).channel_stats(CHANNEL).unwrap().skipped_positions, 3001 - 10);
}

//= docs/protocol.md P-9.3-3
#[test]
fn credit_and_receipts_go_on_past_what_was_given_up() {
    let mut pair = pair_within(&Limits { session_window: 8192, channel_window: 8192, ..Limits::default() });
    let mut last = None;
    for round in 0..40_u8 {
        let (_, _lost) = send_for_a_while(&mut pair, &[round; 1500], CHANNEL);
        outlast(&mut pair);
        last = Some(pair.session(0).send(&[round; 10], CHANNEL).unwrap());
        settle_for_long(&mut pair);
        assert_eq!(recv(&mut pair, CHANNEL), Some(vec![round; 10]), "{round}");
        pair.settle();
    }
    assert_eq!(pair.look(0).channel_stats(CHANNEL).unwrap().expired_messages, 40);
    assert_eq!(pair.look(0).channel_stats(CHANNEL).unwrap().delivered, last.unwrap().end_offset);
}

/// More is given up than credit lets go, so that SKIP goes in steps.
//= docs/protocol.md P-9.3-2
#[test]
fn what_is_given_up_beyond_credit_is_told_as_credit_comes() {
    let mut pair = pair_within(&Limits { session_window: 4096, channel_window: 4096, ..Limits::default() });
    for _ in 0..8 {
        let (_, _lost) = send_for_a_while(&mut pair, &[1; 900], CHANNEL);
    }
    outlast(&mut pair);
    pair.session(0).send(b"next", CHANNEL).unwrap();
    settle_for_long(&mut pair);
    assert_eq!(recv(&mut pair, CHANNEL).as_deref(), Some(&b"next"[..]));
    assert_eq!(pair.look(0).channel_stats(CHANNEL).unwrap().expired_messages, 8);
    assert_eq!(pair.close_code(0), None);
}

//= docs/protocol.md P-9.3-5
#[test]
fn a_skip_that_means_nothing_changes_nothing_and_one_that_breaks_a_rule_closes() {
    let mut pair = pair();
    for to in [0, 5, 5, 3] {
        let packet = pair.seal_frame(0, &Frame::Skip { channel: CHANNEL.0, to });
        assert_eq!(pair.receive(1, &packet), Received::Consumed);
    }
    assert_eq!(pair.look(1).channel_stats(CHANNEL).unwrap().skipped_positions, 5);
    let part = DataFrame { channel: CHANNEL.0, offset: 5, begin: true, end: false, data: b"a part" };
    let packet = pair.seal_frame(0, &Frame::Data(part));
    assert_eq!(pair.receive(1, &packet), Received::Consumed);
    let packet = pair.seal_frame(0, &Frame::Skip { channel: CHANNEL.0, to: 7 });
    assert_eq!(pair.receive(1, &packet), Received::Consumed);
    assert_eq!(pair.close_code(1), Some(CloseCode::PROTOCOL));
    let cases = [
        (0, 1, CloseCode::PROTOCOL),
        (UNRELIABLE.0, 1, CloseCode::PROTOCOL),
        (LATEST.0, 1, CloseCode::PROTOCOL),
        (99, 1, CloseCode::CHANNEL_UNKNOWN),
        (CHANNEL.0, (1 << 20) + 1, CloseCode::FLOW_CONTROL),
        (UNORDERED.0, (1 << 62) - 1, CloseCode::FLOW_CONTROL),
    ];
    for (channel, to, code) in cases {
        let mut pair = self::pair();
        let packet = pair.seal_frame(0, &Frame::Skip { channel, to });
        assert_eq!(pair.receive(1, &packet), Received::Consumed);
        assert_eq!(pair.close_code(1), Some(code), "{channel} {to}");
    }
}

#[test]
fn a_deadline_that_has_passed_and_one_that_never_comes() {
    let mut pair = pair();
    let now = pair.now;
    let gone = pair.session(0).send_with(b"gone", CHANNEL, SendOptions::by(now)).unwrap();
    pair.session(0).send_with(b"for ever", CHANNEL, SendOptions::by(Instant::MAX)).unwrap();
    pair.settle();
    assert_eq!(pair.session(0).take_expired(CHANNEL), Some(gone));
    assert_eq!(recv(&mut pair, CHANNEL).as_deref(), Some(&b"for ever"[..]));
    pair.session(0).abort(0, "");
    let refused = pair.session(0).send_with(b"", CHANNEL, SendOptions::default());
    assert_eq!(refused, Err(SendError::Closed));
}

/// What one channel has given up frees its credit for all, though nobody reads the others.
//= docs/protocol.md P-9.3-2 P-9.3-3
#[test]
fn credit_that_ends_in_a_message_given_up_goes_on_at_once() {
    let mut pair = pair_within(&Limits { session_window: 4096, channel_window: 4096, ..Limits::default() });
    pair.session(0).send(&[7; 1900], UNORDERED).unwrap();
    pair.session(0).send(&[8; 1000], UNORDERED).unwrap();
    pair.settle();
    // So much of it leaves as the session's credit lets go, and arrives; the acknowledgement does not.
    let (late, packets) = send_for_a_while(&mut pair, &[1; 1900], CHANNEL);
    pair.deliver(1, &packets);
    let _lost = pair.take(1);
    assert_eq!(pair.look(1).channel_stats(CHANNEL).unwrap().received, 4096 - 1901 - 1001);
    outlast(&mut pair);
    pair.session(0).send(b"next", CHANNEL).unwrap();
    settle_for_long(&mut pair);
    assert_eq!(recv(&mut pair, CHANNEL).as_deref(), Some(&b"next"[..]));
    assert_eq!(pair.session(0).take_expired(CHANNEL), Some(late));
    assert_eq!(recv(&mut pair, UNORDERED), Some(vec![7; 1900]));
}

/// A skip costs a few bytes: however far it goes, it must not cost a walk over the window's bytes each time.
#[test]
fn many_skips_in_one_packet_do_no_more_work_than_data() {
    let mut pair = pair();
    let mut frames = Vec::new();
    for step in 1..=64_u64 {
        let mut frame = [0; 32];
        let mut writer = crate::wire::Writer::new(&mut frame);
        let to = step << 20;
        Frame::Skip { channel: CHANNEL.0, to }.encode(&mut writer).unwrap();
        let length = writer.position();
        frames.extend_from_slice(&frame[..length]);
    }
    let packet = pair.seal(0, &frames);
    let before = crate::channel::block_map::work::words();
    assert_eq!(pair.receive(1, &packet), Received::Consumed);
    let words = crate::channel::block_map::work::words() - before;
    assert_eq!(pair.look(1).channel_stats(CHANNEL).unwrap().skipped_positions, 64 << 20);
    assert!(words < 64 * 2000, "{words} words");
}

/// A message with a deadline needs memory for the deadline too: told that there is room, it finds it.
#[test]
fn room_is_told_where_there_is_room_for_the_deadline_too() {
    for with_deadline in [false, true] {
        let mut pair = pair_within(&small_limits());
        let mut taken = Vec::new();
        let pool = &mut pair.ends[0].shared.memory.pool;
        taken.extend(core::iter::from_fn(|| pool.take_open()));
        let deadline = pair.now.saturating_add(Duration::from_secs(60));
        let options = if with_deadline { SendOptions::by(deadline) } else { SendOptions::default() };
        let attempt = |pair: &mut Pair| pair.session(0).send_with(&[1; 100], CHANNEL, options);
        assert_eq!(attempt(&mut pair), Err(SendError::Blocked));
        let told = |pair: &mut Pair| {
            pair.events[0].clear();
            assert!(pair.take(0).is_empty());
            pair.events[0].iter().any(|event| matches!(event, Event::Writable(..)))
        };
        assert!(!told(&mut pair));
        let mut sent = false;
        for freed in 1..=3 {
            pair.ends[0].shared.memory.pool.free_open(taken.pop().unwrap());
            if told(&mut pair) {
                sent = attempt(&mut pair).is_ok();
                assert!(sent, "{with_deadline}: {freed} blocks are no room");
                break;
            }
        }
        assert!(sent, "{with_deadline}: never told");
    }
}

/// What was given up before the peer's application has answered is told once it has.
//= docs/protocol.md P-9.3-4
#[test]
fn what_is_given_up_before_accept_is_told_after_it() {
    let mut pair = Pair::new([1, 2].map(|number| endpoint(number, Limits::default())));
    pair.agree(b"");
    let connect = pair.take(0);
    pair.deliver(1, &connect);
    let (_, _lost) = send_for_a_while(&mut pair, &[1; 3000], CHANNEL);
    outlast(&mut pair);
    for _ in 0..8 {
        let packets = pair.take(0);
        pair.deliver(1, &packets);
        let packets = pair.take(1);
        pair.deliver(0, &packets);
        serve_next(&mut pair);
    }
    assert_eq!(pair.look(1).channel_stats(CHANNEL).unwrap().skipped_positions, 3001);
    let session = pair.ids[1].unwrap();
    assert_eq!(pair.events[1], [Event::Incoming(session)]);
    pair.session(1).accept(b"").unwrap();
    pair.settle();
    assert!(pair.events[1].contains(&Event::Skipped(session, CHANNEL)), "{:?}", pair.events[1]);
}

/// Deadlines cost something while there are any, and nothing afterwards.
#[test]
fn nothing_looks_for_deadlines_once_there_are_none() {
    for channel in [CHANNEL, UNORDERED, UNRELIABLE, LATEST] {
        let mut pair = pair();
        assert!(!pair.core(0).looks_for_deadlines());
        let (_, packets) = send_for_a_while(&mut pair, &[1; 3000], channel);
        assert!(pair.core(0).looks_for_deadlines());
        pair.deliver(1, &packets);
        pair.settle();
        assert!(!pair.core(0).looks_for_deadlines(), "{channel:?}: it has arrived in time");
    }
    for channel in [CHANNEL, UNORDERED] {
        let mut pair = pair();
        pair.session(0).send(&[1; 100], channel).unwrap();
        let _lost = pair.take(0);
        let (late, _lost) = send_for_a_while(&mut pair, &[2; 100], channel);
        outlast(&mut pair);
        assert_eq!(pair.look(0).channel_stats(channel).unwrap().expired_messages, 1);
        assert!(pair.core(0).looks_for_deadlines(), "{channel:?}: SKIP waits for what is before it");
        settle_for_long(&mut pair);
        assert_eq!(pair.look(1).channel_stats(channel).unwrap().skipped_positions, 101);
        assert!(!pair.core(0).looks_for_deadlines(), "{channel:?}: the peer knows");
        assert_eq!(pair.session(0).take_expired(channel), Some(late), "it is kept for who asks");
    }
}
