//! A CLOSE that is lost, and one that is asked for again and again.

use std::time::Duration;

use session_core::{CloseCode, ClosedBy, Event, Received};
use session_tests::two::{
    ALICE, BOB, CHANNEL, departures_of, established, hold_back, millis, run_until_closed, seconds, without_idle,
};

//= docs/protocol.md P-12-1
#[test]
fn a_lost_close_is_repeated_on_demand() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    let held = hold_back(&mut world, ALICE);
    world.command(ALICE, at_alice, |session| session.abort(9, "gone"));
    world.step();
    assert_eq!(held.borrow().len(), 1, "CLOSE was sent and lost");
    world.gate = None;
    // The peer does not know; what it sends next is answered.
    world.command(BOB, at_bob, |session| session.send(b"hello?", CHANNEL)).unwrap();
    run_until_closed(&mut world, BOB, at_bob, seconds(1));
    let reason = world.reason(BOB, at_bob).unwrap();
    assert_eq!((reason.by, reason.code, reason.text.as_str()), (ClosedBy::Peer, CloseCode(9), "gone"));
}

//= docs/protocol.md P-12-2 P-12-3
#[test]
fn after_close_packets_are_answered_ever_more_rarely() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    // Bob's packets, which Alice has never seen.
    let held = hold_back(&mut world, BOB);
    for _ in 0..40 {
        world.command(BOB, at_bob, |session| session.send(&[7; 1100], CHANNEL)).unwrap();
    }
    world.run_for(seconds(4));
    let packets = held.borrow().clone();
    assert!(packets.len() >= 17, "{}", packets.len());
    world.put_to_sleep(BOB);
    world.command(ALICE, at_alice, |session| session.abort(1, "over"));
    world.step();
    world.departures = Some(Vec::new());
    let mut answered = Vec::new();
    for (number, packet) in packets.iter().enumerate().take(17) {
        let before = departures_of(&world, ALICE).len();
        assert_eq!(world.inject(BOB, ALICE, packet), Received::Consumed);
        // A second command changes nothing.
        world.command(ALICE, at_alice, |session| session.abort(2, "again"));
        world.run_for(Duration::ZERO);
        if departures_of(&world, ALICE).len() > before {
            answered.push(number + 1);
        }
    }
    assert_eq!(answered, [1, 2, 4, 8, 16]);
    assert_eq!(world.reason(ALICE, at_alice).unwrap().code, CloseCode(1));
}

//= docs/protocol.md P-12-3
#[test]
fn neither_a_command_nor_a_close_of_the_peer_moves_the_end() {
    let end_of = |repeats: bool| {
        let (mut world, at_alice, at_bob) = established(&without_idle());
        world.command(BOB, at_bob, |session| session.abort(1, "over"));
        world.run_for(millis(11));
        let close = departures_of(&world, BOB).last().unwrap().datagram.clone();
        world.put_to_sleep(BOB);
        let start = world.now();
        assert!(world.take_events(ALICE).contains(&Event::Closed(at_alice)));
        world.forget(ALICE, at_alice);
        let limit = start.saturating_add(seconds(20));
        while world.endpoint(ALICE).session_count() > 0 {
            assert!(world.now() < limit, "it never ends");
            if repeats {
                let _ = world.inject(BOB, ALICE, &close);
                world.command(ALICE, at_alice, |session| {
                    session.close(3, "again");
                    session.abort(4, "again");
                });
            }
            world.run_for(millis(1));
        }
        world.now().saturating_since(start)
    };
    assert_eq!(end_of(false), end_of(true));
}
