//! S0-28: whatever ended a session, its place is free ten seconds later, though nobody says that he is done with it.

use std::time::Duration;

use session_core::{CloseCode, ConnectError, Event, Instant, RustCrypto, SessionId, State};
use session_sim::LinkConfig;
use session_tests::two::{ALICE, BOB, CHANNEL, cut, established, millis, run_until_closed, seconds, two_nodes};
use session_tests::{Setup, World};

/// Longest time a session stays that has ended.
const STALE: Duration = Duration::from_secs(10);
/// Three probe timeouts of quiet behind CLOSE, a second each before the first round trip was measured, are shown as Closed already.
const QUIET: Duration = Duration::from_millis(3100);

/// A way for a session to end.
type Ending = fn(&mut World<RustCrypto>, SessionId, SessionId);

/// A node of one slot.
fn setup() -> Setup {
    let mut setup = Setup::default();
    setup.limits.sessions = 1;
    setup.timeouts.lifetime = Some(seconds(90));
    setup
}

/// At both nodes nothing is left [`STALE`] after the session has ended, and [`QUIET`].
fn assert_gone(world: &mut World<RustCrypto>, name: &str) {
    let mut ended = [None::<Instant>; 2];
    // The quiet time is at most ten seconds, too.
    let limit = world.now().saturating_add(STALE + STALE + millis(100));
    let gone = world.run_until(limit, |world| {
        let mut any = false;
        for node in [ALICE, BOB] {
            let states: Vec<_> = world.endpoint(node).sessions().map(|id| world.session(node, id).state()).collect();
            any |= !states.is_empty();
            if states.contains(&State::Closed) {
                let since = *ended[node].get_or_insert(world.now());
                let stays = world.now().saturating_since(since);
                assert!(stays <= STALE + QUIET, "{name}: node {node} keeps what has ended {stays:?} ago");
            }
        }
        !any
    });
    assert!(gone, "{name}");
}

#[test]
fn a_session_that_has_ended_is_gone_ten_seconds_later_however_it_ended() {
    let endings: [(&str, Ending); 7] = [
        ("close", |world, at_alice, _| world.command(ALICE, at_alice, |session| session.close(1, ""))),
        ("close of the peer", |world, _, at_bob| world.command(BOB, at_bob, |session| session.close(1, ""))),
        ("abort", |world, at_alice, _| world.command(ALICE, at_alice, |session| session.abort(1, ""))),
        ("abort that is lost", |world, at_alice, at_bob| {
            cut(world);
            world.command(ALICE, at_alice, |session| session.abort(1, ""));
            run_until_closed(world, BOB, at_bob, seconds(20));
        }),
        ("peer lost", |world, at_alice, _| {
            cut(world);
            run_until_closed(world, ALICE, at_alice, seconds(20));
        }),
        ("idle", |world, at_alice, _| {
            run_until_closed(world, ALICE, at_alice, seconds(70));
        }),
        ("data that nobody reads", |world, at_alice, at_bob| {
            world.command(ALICE, at_alice, |session| session.send(&[1; 5000], CHANNEL)).expect("there is room");
            world.command(ALICE, at_alice, |session| session.close(1, ""));
            run_until_closed(world, BOB, at_bob, seconds(5));
        }),
    ];
    for (name, end) in endings {
        let (mut world, at_alice, at_bob) = established(&setup());
        let refused = world.connect(ALICE, BOB);
        assert_eq!(refused, Err(ConnectError::TooManySessions), "{name}");
        end(&mut world, at_alice, at_bob);
        assert_gone(&mut world, name);
        // Each event came once, and the slot serves again.
        world.set_link(ALICE, BOB, LinkConfig { delay: millis(10), ..LinkConfig::default() });
        for node in [ALICE, BOB] {
            world.take_events(node);
        }
        let (again, _) = world.establish(ALICE, BOB);
        assert_ne!(again, at_alice, "{name}: a handle is never used twice");
    }
}

#[test]
fn an_attempt_that_failed_is_gone_ten_seconds_later() {
    let attempts: [(&str, bool, CloseCode); 2] =
        [("no answer", false, CloseCode::NO_ANSWER), ("refused", true, CloseCode::UNAUTHORIZED)];
    for (name, refuses, code) in attempts {
        let mut world = two_nodes(&Setup { accepts: false, ..setup() });
        let id = world.connect(ALICE, BOB).expect("there is a slot");
        if refuses {
            world.run_for(millis(100));
            let events = world.take_events(BOB);
            let [Event::Incoming(at_bob)] = events[..] else { panic!("{events:?}") };
            world.command(BOB, at_bob, |session| session.refuse(code, "", None)).expect("it waits for an answer");
        } else {
            cut(&mut world);
        }
        run_until_closed(&mut world, ALICE, id, seconds(20));
        assert_eq!(world.reason(ALICE, id).map(|reason| reason.code), Some(code), "{name}");
        assert_gone(&mut world, name);
    }
}

/// The deadline alone does it: no datagram comes, no command is given, and the handle names nothing afterwards.
#[test]
fn what_is_gone_cannot_be_asked_for() {
    let (mut world, at_alice, at_bob) = established(&setup());
    world.command(ALICE, at_alice, |session| session.abort(1, ""));
    run_until_closed(&mut world, BOB, at_bob, seconds(5));
    world.put_to_sleep(BOB);
    assert!(world.endpoint(ALICE).session(at_alice).is_some(), "the reason can be asked for still");
    world.run_for(STALE + STALE);
    assert!(world.endpoint(ALICE).session(at_alice).is_none());
    assert_eq!(world.endpoint(ALICE).next_deadline(), None);
}
