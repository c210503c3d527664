//! Ends: crossing, lost, repeated, and what is said about them afterwards.

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::TimerKind;
use crate::reason::ClosedBy;
use crate::session::{CloseReport, Heard};
use crate::wire::{CloseFrame, CloseSpace, Frame, WireText};

fn code(pair: &Pair, side: usize) -> u64 {
    pair.look(side).close_reason().unwrap().code.0
}

/// Serves one end until its session is over; how long that took.
fn outlive(pair: &mut Pair, side: usize) -> Duration {
    let begun = pair.now;
    while pair.deadline(side).0 != TimerKind::Forget {
        let (_, at) = pair.deadline(side);
        pair.serve(side, at);
        let _ = pair.take(side);
    }
    pair.now.saturating_since(begun)
}

/// Both close at once, with data before or without; their packets are lost and delivered in every way.
//= docs/protocol.md P-12-1 P-12-3
#[test]
fn closes_that_cross_end_both_sides_whatever_is_lost() {
    for (data, aborts, case) in (0..8_u32).flat_map(|fate| {
        [(false, false), (true, false), (false, true), (true, true)].map(|(data, aborts)| (data, aborts, fate))
    }) {
        let mut pair = Pair::established(&Limits::default());
        for side in [0, 1] {
            if data {
                pair.session(side).send(b"before", CHANNEL).unwrap();
            }
            match aborts {
                true => pair.session(side).abort(10 + side as u64, "crossing"),
                false => pair.session(side).close(10 + side as u64, "crossing"),
            }
        }
        // Bits of the case: what each side sent first is lost, and who gets its packets first.
        let mut packets = [0, 1].map(|side| pair.take(side));
        for side in [0, 1] {
            assert!(!packets[side].is_empty());
            if case & (1 << side) != 0 {
                packets[side].clear();
            }
        }
        pair.pass(TRIP);
        let first = usize::from(case & 4 != 0);
        for from in [first, 1 - first] {
            pair.deliver(1 - from, &packets[from]);
        }
        for _ in 0..12 {
            for side in [first, 1 - first] {
                let sent = pair.take(side);
                pair.pass(TRIP);
                for packet in sent {
                    let _ = pair.receive(1 - side, &packet);
                }
                let (_, at) = pair.deadline(side);
                if pair.deadline(side).0 != TimerKind::Forget {
                    pair.serve(side, at);
                }
            }
        }
        for side in [0, 1] {
            let _ = outlive(&mut pair, side);
            let case = (data, aborts, case, side);
            assert_eq!(code(&pair, side), 10 + side as u64, "{case:?}: the first reason holds");
            assert_eq!(pair.look(side).close_reason().unwrap().by, ClosedBy::Local);
            let closed = pair.events[side].iter().filter(|event| matches!(event, Event::Closed(_))).count();
            assert_eq!(closed, 1, "{case:?}");
            let report = pair.look(side).close_report(CHANNEL).unwrap();
            assert_eq!(report.acked + report.unknown + report.unsent, if data { 7 } else { 0 }, "{case:?}");
        }
    }
}

//= docs/protocol.md P-12-2 P-12-3
#[test]
fn a_close_repeated_ten_thousand_times_moves_nothing() {
    let close = |code| {
        let text = WireText::truncated("again");
        Frame::Close(CloseFrame { space: CloseSpace::Application, code, frame_type: 0, text })
    };
    // The side that has heard it, and the side that has sent its own.
    for own in [false, true] {
        let mut pair = Pair::established(&Limits::default());
        if own {
            pair.session(1).abort(1, "mine");
            assert_eq!(pair.take(1).len(), 1);
        } else {
            let packet = pair.seal_frame(0, &close(1));
            pair.deliver(1, &[packet]);
        }
        let deadline = pair.deadline(1);
        let mut answers = 0;
        for number in 0..10_000 {
            if own {
                // Anything but a CLOSE: that would be the answer.
                let packet = pair.seal(0, &[1; 20]);
                pair.deliver(1, &[packet]);
            } else {
                let packet = pair.seal_frame(0, &close(2 + number));
                pair.deliver(1, &[packet]);
            }
            answers += pair.take(1).len();
            assert_eq!(pair.deadline(1), deadline);
        }
        // The 1st, 2nd, 4th … 8192nd, and the answer to the first CLOSE.
        assert!((14..=15).contains(&answers), "{answers}");
        assert_eq!(code(&pair, 1), 1, "the first reason holds");
        assert!(outlive(&mut pair, 1) <= Duration::from_secs(10));
        // And once more, when it is over.
        pair.session(1).close(9, "late");
        pair.session(1).abort(9, "late");
        assert_eq!(code(&pair, 1), 1);
    }
}

#[test]
fn a_close_says_what_is_delivered_unknown_and_unsent() {
    let mut pair = Pair::established(&Limits::default());
    pair.session(0).send(b"acked", CHANNEL).unwrap();
    pair.settle();
    assert_eq!(pair.look(0).close_report(CHANNEL), None, "it lives");
    pair.session(0).send(b"on its way", CHANNEL).unwrap();
    assert_eq!(pair.take(0).len(), 1);
    pair.session(0).send(b"never sent", CHANNEL).unwrap();
    pair.session(0).abort(1, "now");
    let expected = CloseReport { acked: 6, unknown: 11, unsent: 11, expired_messages: 0 };
    for _ in 0..2 {
        let report = pair.look(0).close_report(CHANNEL).unwrap();
        assert_eq!((report, report.is_complete()), (expected, false));
        let _ = outlive(&mut pair, 0);
    }
    assert_eq!(pair.look(0).close_report(ChannelId(99)), None);

    let mut pair = Pair::established(&Limits::default());
    pair.session(0).send(b"all of it", CHANNEL).unwrap();
    pair.session(0).close(0, "");
    pair.settle();
    let report = pair.look(0).close_report(CHANNEL).unwrap();
    assert_eq!((report.acked, report.is_complete()), (10, true));
    let stats = pair.look(1).channel_stats(CHANNEL).unwrap();
    assert_eq!((stats.received, stats.read), (10, 0));
}

#[test]
fn what_is_sent_again_is_counted() {
    let mut pair = Pair::established(&Limits::default());
    pair.session(0).send(&[7; 100], CHANNEL).unwrap();
    assert_eq!(pair.take(0).len(), 1);
    let stats = pair.look(0).stats();
    assert_eq!((stats.packets_retransmitted, stats.bytes_retransmitted), (0, 0));
    let (timer, at) = pair.deadline(0);
    assert_eq!(timer, TimerKind::LossDetection);
    pair.serve(0, at);
    let probes = pair.take(0);
    let stats = pair.look(0).stats();
    assert!(stats.packets_retransmitted >= 1 && stats.packets_retransmitted <= probes.len() as u64);
    assert_eq!(stats.bytes_retransmitted, 101 * stats.packets_retransmitted);
}

#[test]
fn s0_30_an_attempt_says_whether_anything_came_back() {
    for (change, heard) in [(None, Heard::Nothing), (Some(60), Heard::Unverified), (Some(0), Heard::Unverified)] {
        let mut pair = Pair::new([endpoint(1, small_limits()), endpoint(2, small_limits())]);
        pair.connect(b"");
        let hello = pair.take(0);
        pair.deliver(1, &hello);
        let mut reply = pair.take(1).remove(0);
        if let Some(change) = change {
            let at = if change == 0 { reply.len() - 40 } else { change };
            reply[at] ^= 1;
            assert!(matches!(pair.receive(0, &reply), Received::Discarded(_)));
        }
        while pair.close_code(0).is_none() {
            let (_, at) = pair.deadline(0);
            pair.serve(0, at);
            let _ = pair.take(0);
        }
        let session = pair.look(0);
        assert_eq!((session.heard(), pair.close_code(0)), (heard, Some(CloseCode::NO_ANSWER)));
        let text = session.close_reason().unwrap().text;
        assert_eq!(text.as_str().starts_with("no packet came back"), heard == Heard::Nothing, "{text:?}");
    }
    // The peer is there, and nobody answers for it.
    let mut pair = Pair::asked(b"");
    while pair.close_code(0).is_none() {
        let now = pair.now;
        let (timer, at) = pair.deadline(0);
        assert_ne!(timer, TimerKind::PeerLost, "{now:?}");
        pair.serve(0, at);
        let packets = pair.take(0);
        pair.deliver(1, &packets);
        pair.serve(1, at);
        let packets = pair.take(1);
        pair.deliver(0, &packets);
    }
    assert_eq!((pair.look(0).heard(), pair.close_code(0)), (Heard::Peer, Some(CloseCode::NO_ANSWER)));
    assert!(pair.look(0).close_reason().unwrap().text.as_str().starts_with("the peer is there"));
}

/// The machine slept between the command and the next poll: CLOSE leaves all the same, and only then the quiet time runs.
#[test]
fn a_close_that_nobody_fetched_in_time_is_told_when_somebody_does() {
    for by_peer in [false, true] {
        let mut pair = Pair::established(&Limits::default());
        pair.session(0).abort(7, "asleep");
        let mut side = 0;
        if by_peer {
            let told = pair.take(0);
            pair.deliver(1, &told);
            side = 1;
        }
        for _ in 0..3 {
            let (timer, at) = pair.deadline(side);
            assert_eq!(timer, TimerKind::Drain);
            pair.serve(side, at);
        }
        let told = pair.take(side);
        assert_eq!(told.len(), 1, "CLOSE is still to be said");
        pair.deliver(1 - side, &told);
        assert_eq!(code(&pair, 1), 7);
        let (timer, at) = pair.deadline(side);
        assert_eq!(timer, TimerKind::Drain, "quiet from now on");
        pair.serve(side, at);
        assert_eq!(pair.deadline(side).0, TimerKind::Forget);
    }
}

/// Where no datagram can leave, on a line that the peer holds up, the end comes all the same: the peer has found out by itself by then.
#[test]
fn a_close_that_nobody_ever_fetches_is_given_up() {
    let mut pair = Pair::established(&Limits::default());
    pair.session(0).abort(7, "unheard");
    let begun = pair.now;
    for round in 0.. {
        let (timer, at) = pair.deadline(0);
        if timer == TimerKind::Forget {
            break;
        }
        assert!(round < 1000, "{timer:?} comes again and again");
        pair.serve(0, at);
    }
    let took = pair.now.saturating_since(begun);
    assert!(took < Duration::from_secs(3 * 5 + 10), "{took:?}");
}

/// Packets of a peer that has not heard of the end come in the very round in which the quiet time is over: it is over.
#[test]
fn a_straggler_does_not_put_off_the_end() {
    let mut pair = Pair::established(&Limits::default());
    pair.session(0).abort(7, "lost");
    assert_eq!(pair.take(0).len(), 1, "the peer does not get it");
    pair.session(1).send(b"straggler", CHANNEL).unwrap();
    let stragglers = pair.take(1);
    let (timer, at) = pair.deadline(0);
    assert_eq!(timer, TimerKind::Drain);
    pair.now = at;
    for straggler in &stragglers {
        let _ = pair.receive(0, straggler);
    }
    pair.serve(0, at);
    assert_eq!(pair.deadline(0).0, TimerKind::Forget);
}
