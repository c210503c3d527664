//! Lifetimes, their warnings, and how often a peer is asked.

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::TimerKind;
use crate::reason::{ClosedBy, ExtendError};

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// An established session of two ends of which end 0 has these waiting times, and when it was established there, or a little after.
fn established(change: impl FnOnce(&mut crate::action::Timeouts)) -> (Pair, Instant) {
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([1; 32])), "test");
    config.timeouts.idle = None;
    change(&mut config.timeouts);
    let alice = Endpoint::new(config, small_limits(), RustCrypto, Seed::new([1; 32])).unwrap();
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([2; 32])), "test");
    config.timeouts.idle = None;
    let bob = Endpoint::new(config, small_limits(), RustCrypto, Seed::new([2; 32])).unwrap();
    let mut pair = Pair::new([alice, bob]);
    pair.agree(b"");
    pair.settle();
    pair.session(1).accept(b"").unwrap();
    pair.settle();
    pair.events[0].clear();
    let now = pair.now;
    (pair, now)
}

fn warnings(pair: &mut Pair) -> usize {
    let warning = Event::Expiring(pair.ids[0].unwrap());
    let found = pair.events[0].iter().filter(|event| **event == warning).count();
    pair.events[0].clear();
    found
}

/// A shorter interval says nothing of the quiet that has passed: the peer was asked by the longer one.
//= docs/protocol.md P-13-2
#[test]
fn an_interval_that_becomes_shorter_counts_from_then_on() {
    for commanded in [false, true] {
        for quiet in [44_000, 45_010, 46_500, 300_000] {
            let (mut pair, begun) = established(|timeouts| {
                timeouts.keepalive = seconds(900);
                timeouts.least_keepalive = Some(seconds(15)).filter(|_| !commanded);
            });
            // It has learned that nothing forgets.
            pair.live_until(begun.saturating_add(seconds(8000)));
            let sign = pair.seal(1, &[0x00]);
            pair.deliver(0, &[sign]);
            let _ = pair.take(0);
            pair.pass(Duration::from_millis(quiet));
            let now = pair.now;
            if commanded {
                pair.session(0).set_keepalive(seconds(15)).unwrap();
            } else {
                pair.ends[0].rebind(Carrier(0), address(9), now);
            }
            // Nothing arrives from now on.
            while pair.close_code(0).is_none() {
                let _ = pair.take(0);
                let (_, at) = pair.deadline(0);
                pair.serve(0, at);
            }
            assert_eq!(pair.close_code(0), Some(CloseCode::PEER_LOST));
            let after = pair.now.saturating_since(now);
            assert!((seconds(40)..=seconds(50)).contains(&after), "{after:?} after {quiet} ms of quiet");
        }
    }
}

//= docs/protocol.md P-13-5
#[test]
fn a_lifetime_ends_whatever_the_activity_and_a_warning_comes_first() {
    let (mut pair, begun) = established(|timeouts| timeouts.lifetime = Some(seconds(100)));
    let expiry = pair.look(0).expiry().unwrap();
    assert!(expiry.at <= begun.saturating_add(seconds(100)) && expiry.timer == TimerKind::Lifetime);
    for second in 1..90 {
        pair.session(0).send(b"busy", CHANNEL).unwrap();
        pair.live_until(begun.saturating_add(seconds(second)));
        let mut out = [0; 10];
        assert_eq!(pair.session(1).recv(&mut out, CHANNEL), Ok(Some(4)));
        assert_eq!(warnings(&mut pair), 0, "second {second}");
    }
    pair.live_until(begun.saturating_add(seconds(91)));
    assert_eq!(warnings(&mut pair), 1, "ten seconds before");
    pair.session(0).send(b"last", CHANNEL).unwrap();
    pair.live_until(begun.saturating_add(seconds(102)));
    assert_eq!(warnings(&mut pair), 0, "once");
    for (side, by) in [(0, ClosedBy::Deadline), (1, ClosedBy::Peer)] {
        let reason = pair.look(side).close_reason().unwrap();
        assert_eq!((reason.by, reason.protocol_code()), (by, Some(CloseCode::EXPIRED)));
    }
    assert!(pair.look(0).channel_stats(CHANNEL).unwrap().is_all_acked(), "what was sent before goes first");
    assert_eq!(pair.look(0).expiry(), None);
    assert_eq!(pair.session(0).extend(), Err(ExtendError::NotEstablished));
}

//= docs/protocol.md P-13-5
#[test]
fn extending_begins_all_lifetimes_anew() {
    let (mut pair, begun) = established(|timeouts| {
        timeouts.lifetime = Some(seconds(40));
        timeouts.sliding = Some(seconds(30));
        timeouts.idle = Some(seconds(20));
        timeouts.warning = Some(seconds(60));
    });
    let mut now = begun;
    for round in 0..5 {
        now = now.saturating_add(seconds(15));
        pair.live_until(now);
        assert_eq!(warnings(&mut pair), 1, "round {round}: half of the time at most");
        assert_eq!(pair.look(0).expiry().unwrap().timer, TimerKind::Idle);
        pair.session(0).extend().unwrap();
        assert_eq!(pair.look(0).expiry().unwrap().at, now.saturating_add(seconds(20)));
    }
    pair.live_until(now.saturating_add(seconds(21)));
    assert_eq!(pair.close_code(0), Some(CloseCode::IDLE));
}

//= docs/protocol.md P-13-5
#[test]
fn a_sliding_lifetime_is_moved_by_the_application_and_not_by_its_peer() {
    let (mut pair, begun) = established(|timeouts| timeouts.sliding = Some(seconds(30)));
    let mut now = begun;
    for act in ["send", "recv", "write"] {
        now = now.saturating_add(seconds(25));
        pair.session(1).send(b"from the peer", CHANNEL).unwrap();
        pair.live_until(now);
        let mut out = [0; 20];
        let mut session = pair.session(0);
        match act {
            "send" => drop(session.send(b"x", CHANNEL).unwrap()),
            "recv" => assert_eq!(session.recv(&mut out, CHANNEL), Ok(Some(13))),
            _ => {
                session.begin(CHANNEL).unwrap();
                assert_eq!(session.write(b"x", CHANNEL), Ok(1));
            }
        }
        assert_eq!(pair.look(0).expiry().unwrap().at, now.saturating_add(seconds(30)), "{act}");
    }
    pair.session(1).send(b"nobody fetches it", CHANNEL).unwrap();
    pair.live_until(now.saturating_add(seconds(29)));
    assert_eq!(pair.close_code(0), None);
    pair.live_until(now.saturating_add(seconds(31)));
    assert_eq!(pair.close_code(0), Some(CloseCode::EXPIRED));
}

#[test]
fn without_lifetimes_there_is_no_end_and_without_a_lead_no_warning() {
    let (pair, _) = established(|_| {});
    assert_eq!(pair.look(0).expiry(), None);
    let (mut pair, begun) = established(|timeouts| {
        timeouts.lifetime = Some(seconds(20));
        timeouts.warning = None;
    });
    pair.live_until(begun.saturating_add(seconds(21)));
    assert_eq!((warnings(&mut pair), pair.close_code(0)), (0, Some(CloseCode::EXPIRED)));
}

//= docs/protocol.md P-13-1
#[test]
fn who_goes_along_with_shorter_intervals_only_pings_too() {
    let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([2; 32])), "test");
    config.timeouts.keepalive = seconds(2);
    config.timeouts.longest_keepalive = seconds(4);
    let mut pair = Pair::new([endpoint(1, small_limits()), {
        Endpoint::new(config, small_limits(), RustCrypto, Seed::new([2; 32])).unwrap()
    }]);
    pair.agree(b"");
    pair.settle();
    pair.session(1).accept(b"").unwrap();
    pair.settle();
    let (timer, at) = pair.deadline(1);
    let wait = at.saturating_since(pair.now.saturating_add(TRIP));
    assert!(timer == TimerKind::Keepalive && wait <= Duration::from_millis(4400), "{timer:?} in {wait:?}");
    pair.serve(1, at);
    assert_eq!(pair.take(1).len(), 1, "the responder asks");
    // Nobody answers: three of its own intervals, not of the agreed five seconds.
    let silent_since = pair.now;
    while pair.close_code(1).is_none() {
        let (_, at) = pair.deadline(1);
        pair.serve(1, at);
        let _ = pair.take(1);
    }
    assert_eq!(pair.close_code(1), Some(CloseCode::PEER_LOST));
    assert!(pair.now.saturating_since(silent_since) < seconds(12));
}

//= docs/protocol.md P-13-1
#[test]
fn a_keepalive_interval_is_set_up_to_what_was_agreed() {
    let (mut pair, _) = established(|_| {});
    for (interval, taken) in [(1, true), (5000, true), (5001, false), (0, false), (200, true)] {
        let interval = Duration::from_millis(interval);
        assert_eq!(pair.session(0).set_keepalive(interval).is_ok(), taken, "{interval:?}");
    }
    assert_eq!(pair.session(0).set_keepalive(Duration::from_micros(1500)), Err(ExtendError::Keepalive));
    let (timer, at) = pair.deadline(0);
    assert!(timer == TimerKind::Keepalive && at <= pair.now.saturating_add(Duration::from_millis(220)));
    // The responder may, though it is not its task.
    pair.session(1).set_keepalive(Duration::from_millis(100)).unwrap();
    assert_eq!(pair.deadline(1).0, TimerKind::Keepalive);
}
