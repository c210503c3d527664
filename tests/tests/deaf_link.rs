//! Everything is dropped but what is as short as a keepalive: the session lives, and whoever ends it is told that nobody has heard.

use session_core::{CloseCode, Event, RustCrypto, SessionId, State};
use session_tests::two::{ALICE, BOB, CHANNEL, established, run_until_closed, seconds, without_idle};
use session_tests::{Setup, World};

/// Longest datagram that passes: a PING or an acknowledgement.
const SHORT: usize = 60;

fn deaf() -> (World<RustCrypto>, [SessionId; 2]) {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    world.gate = Some(Box::new(|departure| departure.datagram.len() <= SHORT));
    // Nothing is under way: the two hear each other.
    world.run_for(seconds(60));
    for (node, id) in [(ALICE, at_alice), (BOB, at_bob)] {
        assert_eq!(world.session(node, id).state(), State::Established);
    }
    (world, [at_alice, at_bob])
}

/// Keepalives that come alone are answered, and nobody takes the other for lost. Whoever ends such a session is told what did not arrive.
#[test]
fn d31_where_only_short_datagrams_pass_whoever_closes_is_told_what_did_not_arrive() {
    for end in [ALICE, BOB] {
        let (mut world, ids) = deaf();
        while world.command(end, ids[end], |session| session.send(&[7; 900], CHANNEL)).is_ok() {}
        world.take_events(end);
        world.run_for(seconds(10));
        let progress = |event: &Event| matches!(event, Event::Writable(..) | Event::Acknowledged(..));
        assert!(!world.take_events(end).iter().any(progress), "nothing arrives, so there is no room for more");
        world.command(end, ids[end], |session| session.close(7, "enough"));
        let took = run_until_closed(&mut world, end, ids[end], seconds(30));
        assert!(took < seconds(11), "{took:?}");
        let report = world.session(end, ids[end]).close_report(CHANNEL).expect("it has ended");
        assert!(report.acked == 0 && report.unknown > 0 && report.unsent > 0, "{report:?}");
    }
}

/// What is sent again and again without an answer is no use of the session: it idles, unless keepalives are missed before.
//= docs/protocol.md P-13-3
#[test]
fn d31_where_only_short_datagrams_pass_both_ends_are_told_when_the_idle_time_ends() {
    const MESSAGES: [usize; 4] = [0, 1, 3, 64];
    for counts in MESSAGES.into_iter().flat_map(|alice| MESSAGES.map(|bob| [alice, bob])) {
        // Who is told first is not forgotten before the other is told.
        let mut setup = Setup::default();
        setup.timeouts.forget = seconds(600);
        let (mut world, at_alice, at_bob) = established(&setup);
        let ids = [at_alice, at_bob];
        world.gate = Some(Box::new(|departure| departure.datagram.len() <= SHORT));
        for node in [ALICE, BOB] {
            for _ in 0..counts[node] {
                let _ = world.command(node, ids[node], |session| session.send(&[7; 900], CHANNEL));
            }
        }
        for node in [ALICE, BOB] {
            let took = run_until_closed(&mut world, node, ids[node], seconds(600));
            let reason = world.session(node, ids[node]).close_reason().expect("it has ended");
            assert!(took < seconds(75), "{counts:?} messages: {node} is told after {took:?}");
            assert!([CloseCode::IDLE, CloseCode::PEER_LOST].contains(&reason.code), "{reason:?}");
        }
    }
}
