//! Keepalive, loss of the peer, and idleness.

use session_core::{CloseCode, ClosedBy, DiscardReason, Event, Received, State};
use session_tests::Setup;
use session_tests::two::{
    ALICE, BOB, CHANNEL, departures_of, established, millis, run_until_closed, seconds, without_idle,
};

//= docs/protocol.md P-13-1 P-13-3 P-10-5
#[test]
fn the_initiator_alone_sends_keepalives() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    world.run_for(seconds(60));
    let pings = departures_of(&world, ALICE);
    let answers = departures_of(&world, BOB);
    // One interval, give or take a tenth, after the answer to the last, which takes a round trip and up to 25 ms.
    assert!((10..=13).contains(&pings.len()), "{}", pings.len());
    assert_eq!(answers.len(), pings.len(), "each is acknowledged, and nothing else");
    for (ping, answer) in pings.iter().zip(&answers) {
        assert!(ping.at < answer.at && answer.at.saturating_since(ping.at) < millis(40));
    }
    for pair in pings.windows(2) {
        let apart = pair[1].at.saturating_since(pair[0].at);
        assert!(apart >= millis(4500) && apart < millis(5560), "{apart:?}");
    }
    assert_eq!(world.session(ALICE, at_alice).state(), State::Established);
    assert_eq!(world.session(BOB, at_bob).state(), State::Established);
}

//= docs/protocol.md P-13-2
#[test]
fn a_silent_peer_is_lost_after_three_intervals() {
    for survivor in [ALICE, BOB] {
        let (mut world, at_alice, at_bob) = established(&without_idle());
        let id = if survivor == ALICE { at_alice } else { at_bob };
        let quiet_since = world.now();
        world.put_to_sleep(1 - survivor);
        run_until_closed(&mut world, survivor, id, seconds(60));
        let took = world.now().saturating_since(quiet_since);
        // The last packet came shortly before.
        assert!(took > seconds(14) && took <= seconds(15), "{took:?}");
        let reason = world.reason(survivor, id).unwrap();
        assert_eq!((reason.by, reason.code), (ClosedBy::Deadline, CloseCode::PEER_LOST));
    }
}

//= docs/protocol.md P-13-4 P-11-2 P-5-7
#[test]
fn replayed_and_forged_packets_keep_nobody_alive() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    world.command(BOB, at_bob, |session| session.send(b"x", CHANNEL)).unwrap();
    world.run_for(millis(100));
    let genuine = departures_of(&world, BOB)[0].datagram.clone();
    let mut forged = genuine.clone();
    *forged.last_mut().unwrap() ^= 1;
    world.take_events(ALICE);
    world.put_to_sleep(BOB);
    let start = world.now();
    let limit = start.saturating_add(seconds(60));
    let mut next = start;
    let closed = world.run_until(limit, |world| {
        if world.now() >= next && world.session(ALICE, at_alice).state() == State::Established {
            next = world.now().saturating_add(millis(500));
            assert_eq!(world.inject(BOB, ALICE, &genuine), Received::Discarded(DiscardReason::Replayed));
            assert_eq!(world.inject(BOB, ALICE, &forged), Received::Discarded(DiscardReason::Authentication));
        }
        world.take_events(ALICE).contains(&Event::Closed(at_alice))
    });
    assert!(closed);
    assert!(world.now().saturating_since(start) <= seconds(15), "{:?}", world.now().saturating_since(start));
    assert_eq!(world.reason(ALICE, at_alice).unwrap().code, CloseCode::PEER_LOST);
}

//= docs/protocol.md P-13-3
#[test]
fn only_user_data_counts_against_idleness() {
    let (mut world, at_alice, at_bob) = established(&Setup::default());
    world.run_for(seconds(30));
    world.command(ALICE, at_alice, |session| session.send(b"busy", CHANNEL)).unwrap();
    let last = world.now();
    world.take_events(BOB);
    run_until_closed(&mut world, ALICE, at_alice, seconds(120));
    let took = world.now().saturating_since(last);
    // Keepalives went to and fro all the time.
    assert!(took >= seconds(60) && took < millis(60_100), "{took:?}");
    world.run_for(seconds(1));
    assert!(world.take_events(BOB).contains(&Event::Closed(at_bob)));
    let (ours, theirs) = (world.reason(ALICE, at_alice).unwrap(), world.reason(BOB, at_bob).unwrap());
    assert_eq!((ours.by, ours.code), (ClosedBy::Deadline, CloseCode::IDLE));
    assert_eq!(theirs.code, CloseCode::IDLE);
}
