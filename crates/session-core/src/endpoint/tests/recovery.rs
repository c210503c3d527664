//! The rules of protocol §10, as two endpoints keep them.

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::{Ecn, TimerKind};
use crate::channel_config::ChannelMode;
use crate::wire::{CloseFrame, EcnCounts, Frame, Frames, WireText, Writer, encode_ack};

const ACK_DELAY: Duration = Duration::from_millis(25);

fn established() -> Pair {
    Pair::established(&Limits { spare_ids: 0, ..Limits::default() })
}

/// `count` packets of one message each, not delivered.
fn send(pair: &mut Pair, from: usize, count: usize) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    for _ in 0..count {
        pair.session(from).send(b"message", CHANNEL).unwrap();
        let sent = pair.take(from);
        assert_eq!(sent.len(), 1);
        packets.extend(sent);
    }
    packets
}

fn is_ack(pair: &mut Pair, to: usize, packet: &[u8]) -> bool {
    let (_, plaintext) = pair.open(to, packet);
    Frames::new(&plaintext).any(|frame| matches!(frame, Ok(Frame::Ack(_))))
}

/// An acknowledgement of the numbers from `low` to `high`.
fn ack(pair: &mut Pair, from: usize, low: u64, high: u64) -> Vec<u8> {
    let mut plaintext = [0; 64];
    let mut writer = Writer::new(&mut plaintext);
    encode_ack(&mut writer, Duration::ZERO, None, [(low, high)]).unwrap();
    let length = writer.position();
    pair.seal(from, &plaintext[..length])
}

//= docs/protocol.md P-10-1
#[test]
fn one_packet_is_acknowledged_in_25_ms_and_the_second_at_once() {
    let mut pair = established();
    let packets = send(&mut pair, 0, 1);
    pair.pass(TRIP);
    pair.deliver(1, &packets);
    assert_eq!(pair.take(1), Vec::<Vec<u8>>::new(), "held back");
    let due = pair.now.saturating_add(ACK_DELAY);
    assert_eq!(pair.deadline(1), (TimerKind::Acknowledge, due));
    pair.serve(1, due);
    let acks = pair.take(1);
    assert_eq!(acks.len(), 1);
    assert!(is_ack(&mut pair, 0, &acks[0]));
    pair.deliver(0, &acks);
    assert!(pair.look(0).channel_stats(CHANNEL).unwrap().is_all_acked());

    let packets = send(&mut pair, 0, 2);
    pair.deliver(1, &packets[..1]);
    assert_eq!(pair.take(1), Vec::<Vec<u8>>::new());
    pair.deliver(1, &packets[1..]);
    let acks = pair.take(1);
    assert_eq!(acks.len(), 1, "the second at once");
    assert!(is_ack(&mut pair, 0, &acks[0]));
    pair.deliver(0, &acks);
    assert!(pair.look(0).channel_stats(CHANNEL).unwrap().is_all_acked());

    let packets = send(&mut pair, 0, 2);
    pair.deliver(1, &packets[1..]);
    assert_eq!(pair.take(1).len(), 1, "out of order");
    pair.deliver(1, &packets[..1]);
    assert_eq!(pair.take(1).len(), 1, "late");
}

//= docs/protocol.md P-10-2
#[test]
fn a_packet_is_lost_when_one_three_later_is_acknowledged() {
    for later in [2, 3] {
        let mut pair = established();
        let packets = send(&mut pair, 0, 1 + later);
        let lost = pair.number(1, &packets[0]);
        assert_eq!(pair.number(1, &packets[later]), lost + later as u64);
        pair.pass(TRIP);
        pair.deliver(1, &packets[later..]);
        let acks = pair.take(1);
        pair.pass(TRIP);
        pair.deliver(0, &acks);
        assert_eq!(pair.look(0).stats().packets_lost, u64::from(later == 3));
        let again = pair.take(0);
        assert_eq!(again.len(), usize::from(later == 3), "its data travels again");
        if let Some(again) = again.first() {
            assert!(pair.number(1, again) > lost + later as u64, "under a new number");
            assert_eq!(pair.look(0).stats().packets_lost, 1);
        }
    }
}

//= docs/protocol.md P-10-2
#[test]
fn a_packet_is_lost_nine_eighths_of_a_round_trip_after_it_was_sent() {
    let mut pair = established();
    let packets = send(&mut pair, 0, 2);
    let sent_at = pair.now;
    pair.pass(TRIP);
    pair.deliver(1, &packets[1..]);
    let acks = pair.take(1);
    pair.pass(TRIP);
    pair.deliver(0, &acks);
    let stats = pair.look(0).stats();
    let round_trip = stats.latest_rtt.max(stats.smoothed_rtt);
    let due = sent_at.saturating_add(round_trip * 9 / 8);
    assert!(round_trip >= TRIP * 2 && due > pair.now);
    assert_eq!(pair.deadline(0), (TimerKind::LossDetection, due));
    pair.serve(0, Instant::from_micros(due.as_micros() - 1));
    assert_eq!((pair.look(0).stats().packets_lost, pair.take(0).len()), (0, 0));
    pair.serve(0, due);
    assert_eq!((pair.look(0).stats().packets_lost, pair.take(0).len()), (1, 1));
}

//= docs/protocol.md P-10-3
#[test]
fn probes_go_out_at_the_probe_timeout_which_doubles() {
    let mut pair = established();
    let _ = send(&mut pair, 0, 1);
    let (timer, first) = pair.deadline(0);
    let stats = pair.look(0).stats();
    // RFC 9002 §6.2.1.
    let granularity = Duration::from_millis(1);
    let timeout = stats.smoothed_rtt + (stats.rtt_variance * 4).max(granularity) + ACK_DELAY;
    assert_eq!((timer, first), (TimerKind::LossDetection, pair.now.saturating_add(timeout)));
    let mut probes = Vec::new();
    for doublings in 0..4 {
        let (timer, at) = pair.deadline(0);
        assert_eq!((timer, at), (TimerKind::LossDetection, pair.now.saturating_add(timeout * (1 << doublings))));
        pair.serve(0, Instant::from_micros(at.as_micros() - 1));
        assert_eq!(pair.take(0), Vec::<Vec<u8>>::new(), "not before");
        pair.serve(0, at);
        probes = pair.take(0);
        assert!((1..=2).contains(&probes.len()), "{} probes", probes.len());
    }
    pair.pass(TRIP);
    pair.deliver(1, &probes);
    pair.settle();
    assert!(pair.look(0).channel_stats(CHANNEL).unwrap().is_all_acked(), "a probe carries the data");
    let _ = send(&mut pair, 0, 1);
    let stats = pair.look(0).stats();
    let timeout = stats.smoothed_rtt + (stats.rtt_variance * 4).max(granularity) + ACK_DELAY;
    let due = pair.now.saturating_add(timeout);
    assert_eq!(pair.deadline(0), (TimerKind::LossDetection, due), "an acknowledgement ends the doubling");
}

//= docs/protocol.md P-10-3
#[test]
fn probes_bring_what_was_never_sent() {
    let mut pair = established();
    for _ in 0..100 {
        pair.session(0).send(&[7; 1000], CHANNEL).unwrap();
    }
    let offset = |pair: &mut Pair, packet: &[u8]| {
        let (_, plaintext) = pair.open(1, packet);
        Frames::new(&plaintext).find_map(|frame| match frame {
            Ok(Frame::Data(data)) => Some(data.offset),
            _ => None,
        })
    };
    let lost = pair.take(0);
    let offsets: Vec<_> = lost.iter().filter_map(|packet| offset(&mut pair, packet)).collect();
    assert_eq!(offsets.len(), lost.len());
    let (timer, at) = pair.deadline(0);
    assert_eq!(timer, TimerKind::LossDetection);
    pair.serve(0, at);
    let probes = pair.take(0);
    assert_eq!(probes.len(), 2);
    for probe in &probes {
        assert!(offset(&mut pair, probe) > offsets.last().copied());
    }
    // They show what is lost, and all of it arrives.
    pair.deliver(1, &probes);
    pair.settle();
    assert!(pair.look(0).channel_stats(CHANNEL).unwrap().is_all_acked());
}

/// A peer without room for new values acknowledges none of them, and what was lost before them is sent again all the same.
//= docs/protocol.md P-10-3
#[test]
fn new_data_without_room_does_not_keep_lost_data_back() {
    let [full, one, two] = [22, 23, 24].map(ChannelId);
    let limits = Limits {
        block_size: 256,
        pool_blocks: 1024,
        session_window: 65_536,
        mailbox_blocks: 20,
        session_mailbox_blocks: 20,
        spare_ids: 0,
        ..Limits::default()
    };
    let latest = [full, one, two].map(|id| ChannelConfig::new(id, ChannelMode::LatestValue));
    let channels: Vec<_> = core::iter::once(ChannelConfig::from(CHANNEL)).chain(latest).collect();
    let mut pair = Pair::established_with(&limits, &channels);
    pair.session(0).send(&[1; 2600], full).unwrap();
    pair.settle();
    let lost = send(&mut pair, 0, 1);
    assert_eq!(lost.len(), 1);
    let start = pair.now;
    let mut out = [0; 100];
    while pair.session(1).recv(&mut out, CHANNEL).unwrap().is_none() {
        assert!(pair.now.saturating_since(start) < Duration::from_secs(2), "it does not come");
        for channel in [one, two] {
            let _ = pair.session(0).send(&[2; 3300], channel);
        }
        for side in [0, 1] {
            let packets = pair.take(side);
            pair.deliver(1 - side, &packets);
        }
        pair.pass(TRIP);
        for side in [0, 1] {
            let now = pair.now;
            pair.serve(side, now);
        }
    }
    assert!(pair.look(1).stats().no_memory > 0, "there was no room");
}

//= docs/protocol.md P-10-3
//= docs/protocol.md P-10-12
#[test]
fn who_asked_for_early_acknowledgements_probes_earlier_once_that_has_arrived() {
    let timeout = |pair: &Pair, delay: Duration| {
        let stats = pair.look(0).stats();
        pair.now.saturating_add(stats.smoothed_rtt + (stats.rtt_variance * 4).max(Duration::from_millis(1)) + delay)
    };
    let mut pair = established();
    // A little more than the first window.
    for _ in 0..13 {
        pair.session(0).send(&[7; 1000], CHANNEL).unwrap();
    }
    let flight = pair.take(0);
    pair.pass(TRIP);
    for packets in [&flight[3..4], &flight[4..], &flight[1..3]] {
        pair.deliver(1, packets);
        let acks = pair.take(1);
        pair.deliver(0, &acks);
        let stats = pair.look(0).stats();
        assert!(stats.congestion_window < 8 * u64::from(stats.max_datagram), "a loss made the window small");
    }
    let mut packets = pair.take(0);
    while let (TimerKind::Pacing, at) = pair.deadline(0) {
        pair.serve(0, at);
        packets.extend(pair.take(0));
    }
    let asked = packets.iter().any(|packet| {
        let (_, plaintext) = pair.open(1, packet);
        Frames::new(&plaintext).any(|frame| matches!(frame, Ok(Frame::AckFrequency(wish)) if wish.packets.get() == 1))
    });
    assert!(asked);
    assert_eq!(
        pair.deadline(0),
        (TimerKind::LossDetection, timeout(&pair, ACK_DELAY)),
        "nobody knows whether it arrives"
    );
    pair.pass(TRIP);
    for packet in &packets {
        pair.deliver(1, std::slice::from_ref(packet));
        let acks = pair.take(1);
        assert_eq!(acks.len(), 1, "each is acknowledged at once");
        pair.deliver(0, &acks);
    }
    let _ = send(&mut pair, 0, 1);
    let (timer, at) = pair.deadline(0);
    assert_eq!(timer, TimerKind::LossDetection);
    // A quarter of what the round trip was estimated at when that arrived, and 10 ms at least.
    assert!(timeout(&pair, Duration::from_millis(10)) <= at && at < timeout(&pair, ACK_DELAY), "{at:?}");
}

//= docs/protocol.md P-10-3
#[test]
fn a_keepalive_begins_probing_anew_where_the_peer_was_heard_of() {
    for heard in [false, true] {
        let mut pair = established();
        let _ = send(&mut pair, 0, 1);
        let mut keepalives = 0;
        while keepalives < 2 {
            let (timer, at) = pair.deadline(0);
            pair.serve(0, at);
            let _ = pair.take(0);
            if timer == TimerKind::Keepalive {
                keepalives += 1;
                if heard {
                    let packet = pair.seal(1, &[0; 20]);
                    pair.deliver(0, &[packet]);
                }
            }
        }
        let stats = pair.look(0).stats();
        let timeout = stats.smoothed_rtt + stats.rtt_variance * 4 + ACK_DELAY;
        let (timer, at) = pair.deadline(0);
        let anew = (timer, at) == (TimerKind::LossDetection, pair.now.saturating_add(timeout));
        assert_eq!(anew, heard, "{timer:?} at {at:?}");
    }
}

//= docs/protocol.md P-10-4
#[test]
fn no_more_is_in_flight_than_the_window_but_probes() {
    let mut pair = established();
    let window = pair.look(0).stats().congestion_window;
    for _ in 0..100 {
        pair.session(0).send(&[7; 1000], CHANNEL).unwrap();
    }
    let mut sent = 0;
    loop {
        let packets = pair.take(0);
        sent += packets.iter().map(|packet| packet.len() as u64).sum::<u64>();
        assert!(sent <= window, "{sent} bytes of {window}");
        let stats = pair.look(0).stats();
        assert_eq!((stats.bytes_in_flight, stats.congestion_window), (sent, window));
        let (timer, at) = pair.deadline(0);
        if timer != TimerKind::Pacing {
            assert_eq!(timer, TimerKind::LossDetection);
            break;
        }
        pair.serve(0, at);
    }
    assert!(sent + 1200 > window, "the window is used: {sent} of {window}");
    let (_, at) = pair.deadline(0);
    pair.serve(0, at);
    assert_eq!(pair.take(0).len(), 2, "probes are let through");
    assert_eq!(pair.take(0), Vec::<Vec<u8>>::new());
}

//= docs/protocol.md P-10-5
#[test]
fn packets_that_ask_for_nothing_are_not_acknowledged() {
    let mut pair = established();
    let acknowledged = pair.core(1).next_number();
    let before = pair.deadline(1).0;
    for _ in 0..4 {
        let padding = pair.seal(0, &[0; 20]);
        let ack = ack(&mut pair, 0, 0, acknowledged - 1);
        for packet in [padding, ack] {
            assert_eq!(pair.receive(1, &packet), Received::Consumed);
            assert_eq!(pair.take(1), Vec::<Vec<u8>>::new());
            assert_eq!(pair.deadline(1).0, before);
        }
    }
    // They are reported as soon as something else is.
    let packet = pair.seal_frame(0, &Frame::Ping);
    let number = pair.core(0).next_number() - 1;
    assert_eq!(pair.receive(1, &packet), Received::Consumed);
    let (timer, at) = pair.deadline(1);
    assert_eq!(timer, TimerKind::Acknowledge);
    pair.serve(1, at);
    let sent = pair.take(1);
    let (_, plaintext) = pair.open(0, &sent[0]);
    let Some(Ok(Frame::Ack(ack))) = Frames::new(&plaintext).next() else { panic!("{plaintext:02x?}") };
    assert!(ack.ranges().any(|(low, high)| low <= number - 8 && high == number));

    let close =
        CloseFrame { space: crate::wire::CloseSpace::Protocol, code: 0, frame_type: 0, text: WireText::default() };
    let packet = pair.seal_frame(0, &Frame::Close(close));
    assert_eq!(pair.receive(1, &packet), Received::Consumed);
    for packet in pair.take(1) {
        assert!(!is_ack(&mut pair, 0, &packet));
    }
}

//= docs/protocol.md P-10-6 P-6-6
#[test]
fn d13_d16_acknowledging_a_number_that_was_left_out_is_noticed() {
    // Left as it is: numbers are chosen by the session itself.
    let mut pair = Pair::asked(b"");
    pair.session(1).accept(b"").unwrap();
    pair.settle();
    let mut expected = pair.core(0).next_number();
    let mut left_out = Vec::new();
    for _ in 0..1500 {
        let packets = send(&mut pair, 0, 1);
        let number = pair.number(1, &packets[0]);
        left_out.extend(expected..number);
        expected = number + 1;
        pair.deliver(1, &packets);
        let mut out = [0; 64];
        let _ = pair.session(1).recv(&mut out, CHANNEL).unwrap();
        let acks = pair.take(1);
        pair.pass(TRIP);
        pair.deliver(0, &acks);
    }
    assert!((2..=8).contains(&left_out.len()), "now and then: {left_out:?}");
    let skipped = *left_out.last().unwrap();
    let honest = ack(&mut pair, 1, skipped + 1, expected - 1);
    assert_eq!(pair.receive(0, &honest), Received::Consumed);
    assert_eq!(pair.close_code(0), None);
    let lie = ack(&mut pair, 1, skipped - 1, skipped + 1);
    assert_eq!(pair.receive(0, &lie), Received::Consumed);
    assert_eq!(pair.close_code(0), Some(CloseCode::ACK_OF_UNSENT));
}

//= docs/protocol.md P-6-6
#[test]
fn d13_acknowledging_a_number_not_used_yet_is_noticed() {
    let mut pair = established();
    let next = pair.core(0).next_number();
    let honest = ack(&mut pair, 1, next - 1, next - 1);
    assert_eq!(pair.receive(0, &honest), Received::Consumed);
    assert_eq!(pair.close_code(0), None);
    let lie = ack(&mut pair, 1, next, next);
    assert_eq!(pair.receive(0, &lie), Received::Consumed);
    assert_eq!(pair.close_code(0), Some(CloseCode::ACK_OF_UNSENT));
}

/// The counts of the first ACK in a packet, if it has some.
fn reported(pair: &mut Pair, to: usize, packet: &[u8]) -> Option<EcnCounts> {
    let (_, plaintext) = pair.open(to, packet);
    let Some(Ok(Frame::Ack(ack))) = Frames::new(&plaintext).next() else { panic!("{plaintext:02x?}") };
    ack.ecn()
}

/// Sends two packets, and returns them and their acknowledgement.
fn two(pair: &mut Pair, mark: Option<Ecn>) -> (Vec<Vec<u8>>, Vec<u8>) {
    let packets = send(pair, 0, 2);
    if let Some(mark) = mark {
        pair.marks.insert(packets[0].clone(), mark);
    }
    pair.pass(TRIP);
    pair.deliver(1, &packets);
    let mut out = [0; 64];
    while pair.session(1).recv(&mut out, CHANNEL).unwrap().is_some() {}
    let mut acks = pair.take(1);
    assert_eq!(acks.len(), 1);
    (packets, acks.remove(0))
}

//= docs/protocol.md P-10-7 P-10-8
#[test]
fn marks_are_reported_and_packets_marked_as_long_as_reports_fit() {
    let mut pair = Pair::established_with_marks();
    let mut last = None;
    for round in 0..20 {
        let (packets, ack) = two(&mut pair, None);
        assert!(packets.iter().all(|packet| pair.marks.get(packet) == Some(&Ecn::Ect0)), "round {round}");
        assert_eq!(pair.marks.get(&ack), None, "what is not acknowledged is not marked");
        let counts = reported(&mut pair, 0, &ack).unwrap();
        assert_eq!((counts.ect1, counts.ce), (0, 0));
        assert!(last.is_none_or(|last| counts.ect0 == last + 2));
        last = Some(counts.ect0);
        pair.pass(TRIP);
        pair.deliver(0, &[ack]);
    }
    // From here on the path wipes marks out: the counts stand still.
    pair.carries_marks = false;
    let (_, ack) = two(&mut pair, None);
    assert_eq!(reported(&mut pair, 0, &ack).map(|counts| counts.ect0), last);
    pair.deliver(0, &[ack]);
    let packets = send(&mut pair, 0, 1);
    assert_eq!(pair.marks.get(&packets[0]), None);
}

//= docs/protocol.md P-10-8
#[test]
fn a_path_without_marks_gets_none() {
    let mut pair = established();
    let (packets, ack) = two(&mut pair, None);
    assert_eq!(pair.marks.get(&packets[0]), None);
    assert_eq!(reported(&mut pair, 0, &ack), None, "nothing came marked");
}

//= docs/protocol.md P-10-9
#[test]
fn a_packet_marked_as_congested_shrinks_the_window_and_a_lie_does_not() {
    let mut pair = Pair::established_with_marks();
    let window = pair.look(0).stats().congestion_window;
    let (_, ack) = two(&mut pair, Some(Ecn::Ce));
    assert_eq!(reported(&mut pair, 0, &ack).unwrap().ce, 1);
    pair.pass(TRIP);
    pair.deliver(0, &[ack]);
    let shrunk = pair.look(0).stats().congestion_window;
    assert_eq!((shrunk, pair.look(0).stats().packets_lost), (window * 7 / 10, 0));

    let (_, honest) = two(&mut pair, None);
    pair.pass(TRIP);
    let counts = reported(&mut pair, 0, &honest).unwrap();
    let number = pair.core(0).next_number() - 1;
    let mut plaintext = [0; 64];
    let mut writer = Writer::new(&mut plaintext);
    let lie = EcnCounts { ce: counts.ce + 1, ..counts };
    encode_ack(&mut writer, Duration::ZERO, Some(lie), [(number - 1, number)]).unwrap();
    let length = writer.position();
    let packet = pair.seal(1, &plaintext[..length]);
    assert_eq!(pair.receive(0, &packet), Received::Consumed);
    assert!(pair.look(0).stats().congestion_window >= shrunk, "more than was marked is not believed");
    let packets = send(&mut pair, 0, 1);
    assert_eq!(pair.marks.get(&packets[0]), None);
}

//= docs/protocol.md P-10-10
#[test]
fn losing_everything_for_three_probe_timeouts_shrinks_the_window_to_the_least() {
    for outage in [2, 3] {
        let mut pair = established();
        let (_, ack) = two(&mut pair, None);
        pair.deliver(0, &[ack]);
        let _ = send(&mut pair, 0, 2);
        // Probes leave after 1, 3 and 7 probe timeouts; all but the last are lost: within 1, or within 3 of what has become a little less.
        let mut last = Vec::new();
        for _ in 0..outage {
            let (timer, at) = pair.deadline(0);
            assert_eq!(timer, TimerKind::LossDetection);
            pair.serve(0, at);
            last = pair.take(0);
        }
        pair.pass(TRIP);
        pair.deliver(1, &last[last.len() - 1..]);
        let acks = pair.take(1);
        pair.pass(TRIP);
        pair.deliver(0, &acks);
        let stats = pair.look(0).stats();
        assert!(stats.packets_lost >= 4);
        let least = 2 * u64::from(stats.max_datagram);
        assert_eq!(stats.congestion_window == least, outage == 3, "{outage}: {stats:?}");
    }
}

/// Six packets, of which those of `late` arrive when all others have been acknowledged; returns the acknowledgement of the last of them.
fn six_with_late(pair: &mut Pair, late: &[usize]) -> Vec<Vec<u8>> {
    let packets = send(pair, 0, 6);
    pair.pass(TRIP);
    let in_time = (0..6).filter(|index| !late.contains(index));
    let in_time: Vec<_> = in_time.map(|index| packets[index].clone()).collect();
    pair.deliver(1, &in_time);
    let acks = pair.take(1);
    pair.pass(TRIP);
    pair.deliver(0, &acks);
    let late: Vec<_> = late.iter().map(|index| packets[*index].clone()).collect();
    pair.deliver(1, &late);
    pair.take(1)
}

fn episodes(pair: &Pair) -> u32 {
    pair.ends[0].shared.memory.episodes.used()
}

//= docs/protocol.md P-10-11
#[test]
fn packets_that_were_late_and_not_lost_give_the_window_back() {
    let mut pair = established();
    let window = pair.look(0).stats().congestion_window;
    let acks = six_with_late(&mut pair, &[0, 2]);
    let stats = pair.look(0).stats();
    assert_eq!((stats.packets_lost, stats.congestion_window), (2, window * 7 / 10));
    assert_eq!(episodes(&pair), 1);
    pair.deliver(0, &acks);
    let stats = pair.look(0).stats();
    assert_eq!((stats.spurious_losses, stats.congestion_window), (2, window));
    assert_eq!(episodes(&pair), 0);
    // The first came five places late: this path is known now.
    let again = pair.take(0);
    pair.deliver(1, &again);
    let acks = pair.take(1);
    pair.deliver(0, &acks);
    six_with_late(&mut pair, &[0, 2]);
    let stats = pair.look(0).stats();
    assert_eq!((stats.packets_lost, stats.spurious_losses, stats.congestion_window), (2, 2, window));
}

//= docs/protocol.md P-10-11
#[test]
fn one_packet_that_is_lost_for_good_keeps_the_window_down() {
    let mut pair = established();
    let window = pair.look(0).stats().congestion_window;
    let packets = send(&mut pair, 0, 6);
    pair.pass(TRIP);
    pair.deliver(1, &packets[2..]);
    let acks = pair.take(1);
    pair.pass(TRIP);
    pair.deliver(0, &acks);
    pair.deliver(1, &packets[..1]);
    let acks = pair.take(1);
    pair.deliver(0, &acks);
    let stats = pair.look(0).stats();
    assert_eq!((stats.packets_lost, stats.spurious_losses, stats.congestion_window), (2, 1, window * 7 / 10));
    // What was lost is sent again and arrives: there is nothing to wait for any more.
    for _ in 0..4 {
        pair.pass(TRIP);
        let again = pair.take(0);
        pair.deliver(1, &again);
        pair.pass(ACK_DELAY);
        let acks = pair.take(1);
        pair.deliver(0, &acks);
    }
    assert_eq!(episodes(&pair), 0, "the record is given back");
    assert_eq!(pair.look(0).stats().spurious_losses, 1);
}

//= docs/protocol.md P-10-11
#[test]
fn a_mark_of_congestion_is_not_undone_by_packets_that_were_late() {
    let mut pair = Pair::established_with_marks();
    let window = pair.look(0).stats().congestion_window;
    let late = six_with_late(&mut pair, &[0]);
    assert_eq!(episodes(&pair), 1);
    let (_, ack) = two(&mut pair, Some(Ecn::Ce));
    pair.deliver(0, &[ack]);
    assert_eq!(episodes(&pair), 0);
    pair.deliver(0, &late);
    assert!(pair.look(0).stats().congestion_window < window);
}
