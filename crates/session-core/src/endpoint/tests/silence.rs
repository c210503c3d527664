//! Peers that do not answer what was sent (protocol §13).

use super::pair::{Pair, TRIP};
use super::*;
use crate::action::TimerKind;

fn told(pair: &Pair) -> usize {
    pair.events[0].iter().filter(|event| matches!(event, Event::Silence(_))).count()
}

/// Serves the initiator's deadlines until one of another kind than `timers` is next; what it sends is lost.
fn serve_while(pair: &mut Pair, timers: &[TimerKind]) {
    let _ = pair.take(0);
    for _ in 0..100 {
        let (timer, at) = pair.deadline(0);
        if !timers.contains(&timer) {
            return;
        }
        pair.serve(0, at);
        let _ = pair.take(0);
    }
}

//= docs/protocol.md P-13-6
#[test]
fn d31_a_peer_that_answers_nothing_is_called_silent_after_three_probe_timeouts_and_heard_again() {
    let mut pair = Pair::established(&small_limits());
    pair.session(0).send(b"lost", CHANNEL).unwrap();
    let _ = pair.take(0);
    for probe in 1..=3 {
        assert!(!pair.look(0).is_silent(), "{probe}");
        let (timer, at) = pair.deadline(0);
        assert_eq!(timer, TimerKind::LossDetection);
        pair.serve(0, at);
        let _ = pair.take(0);
    }
    assert_eq!((pair.look(0).is_silent(), told(&pair)), (true, 1));
    let (_, at) = pair.deadline(0);
    pair.serve(0, at);
    assert_eq!(told(&pair), 1, "once");
    pair.settle();
    assert_eq!((pair.look(0).is_silent(), told(&pair)), (false, 2));
    // Whatever comes is a sign of life: a peer without memory acknowledges nothing.
    pair.session(0).send(b"lost", CHANNEL).unwrap();
    let _ = pair.take(0);
    for _ in 1..=4 {
        let (timer, at) = pair.deadline(0);
        assert_eq!(timer, TimerKind::LossDetection);
        pair.serve(0, at);
        let _ = pair.take(0);
        let sign = pair.seal(1, &[0x00]);
        pair.deliver(0, &[sign]);
        pair.pass(TRIP);
    }
    assert_eq!(told(&pair), 2);
}

//= docs/protocol.md P-13-6
#[test]
fn a_session_that_waits_for_no_keepalive_ends_when_its_peer_was_silent_for_so_long() {
    let probes = [TimerKind::LossDetection, TimerKind::Silence, TimerKind::Pacing];
    for limit in [None, Some(Duration::from_secs(2))] {
        let mut pair = Pair::established(&small_limits());
        pair.ends[0].settings.config.timeouts.silence = limit;
        pair.session(0).send(b"lost", CHANNEL).unwrap();
        let last = pair.now;
        serve_while(&mut pair, &probes);
        assert_eq!(pair.close_code(0), limit.map(|_| CloseCode::PEER_LOST), "{limit:?}");
        assert!(limit.is_none() || pair.now.saturating_since(last) <= Duration::from_secs(2));
    }
    // With nothing under way nobody is missed.
    let mut pair = Pair::established(&small_limits());
    pair.ends[0].settings.config.timeouts.silence = Some(Duration::from_secs(2));
    serve_while(&mut pair, &probes);
    assert_eq!((pair.close_code(0), told(&pair)), (None, 0));
}

/// Both ends agreed to hear of each other once a minute; the initiator gives a silent peer `limit`.
fn patient(limit: Duration) -> Pair {
    let mut ends = [endpoint(1, small_limits()), endpoint(2, small_limits())];
    ends[0].settings.config.timeouts.keepalive = Duration::from_secs(60);
    ends[0].settings.config.timeouts.silence = Some(limit);
    ends[0].settings.config.timeouts.idle = None;
    Pair::new(ends).establish()
}

/// Serves so many probe timeouts that nobody answers.
fn miss(pair: &mut Pair, probes: u32) {
    pair.session(0).send(b"lost", CHANNEL).unwrap();
    let _ = pair.take(0);
    for _ in 0..probes {
        let (timer, at) = pair.deadline(0);
        assert_eq!(timer, TimerKind::LossDetection);
        pair.serve(0, at);
        let _ = pair.take(0);
    }
}

//= docs/protocol.md P-13-6 P-13-2
#[test]
fn after_sleep_a_silent_peer_is_asked_before_it_is_given_up() {
    for (probes, answers) in [(2, true), (2, false), (3, true), (3, false), (0, false)] {
        let mut pair = patient(Duration::from_secs(30));
        miss(&mut pair, probes);
        assert_eq!(pair.look(0).is_silent(), probes == 3);
        let wakes_at = pair.now.saturating_add(Duration::from_secs(40));
        pair.serve(0, wakes_at);
        assert_eq!((pair.close_code(0), pair.look(0).is_silent()), (None, probes == 3), "{probes} probes missed");
        let question = pair.take(0);
        assert!(!question.is_empty(), "it asks");
        if answers {
            pair.deliver(1, &question);
            pair.settle();
            assert_eq!((pair.close_code(0), pair.look(0).is_silent()), (None, false));
            continue;
        }
        serve_while(&mut pair, &[TimerKind::LossDetection, TimerKind::Silence, TimerKind::Pacing, TimerKind::PeerLost]);
        assert_eq!(pair.close_code(0), Some(CloseCode::PEER_LOST), "{probes} probes missed");
        assert!(pair.now > wakes_at && pair.now.saturating_since(wakes_at) < Duration::from_secs(20));
    }
}

/// Who was awake all the time waits no longer than it was told to.
#[test]
fn a_peer_found_silent_after_its_time_is_given_up_at_once() {
    let mut pair = patient(Duration::from_millis(1));
    pair.core(0).set_round_trip(Duration::from_secs(1));
    miss(&mut pair, 3);
    assert_eq!((pair.close_code(0), told(&pair)), (Some(CloseCode::PEER_LOST), 1));
}
