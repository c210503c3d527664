//! Closing: in good order, cut short, and what stays readable.

use session_core::{CloseCode, RecvError, RustCrypto, SendError, State};
use session_tests::World;
use session_tests::two::{ALICE, BOB, CHANNEL, established, millis, run_until_closed, seconds, without_idle};

//= docs/protocol.md P-12-4
#[test]
fn data_received_before_a_close_stays_readable() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    for number in 0..5 {
        world.command(ALICE, at_alice, |session| session.send(&[number; 500], CHANNEL)).unwrap();
    }
    world.command(ALICE, at_alice, |session| session.close(1, "read it"));
    run_until_closed(&mut world, BOB, at_bob, seconds(5));
    let mut buffer = [0; 500];
    let mut read =
        |world: &mut World<RustCrypto>| world.command(BOB, at_bob, |session| session.recv(&mut buffer, CHANNEL));
    assert_eq!(read(&mut world), Ok(Some(500)));
    // Each read gives another ten seconds, long after the protocol is over.
    for _ in 1..5 {
        world.run_for(seconds(9));
        assert_eq!(read(&mut world), Ok(Some(500)));
    }
    assert_eq!(read(&mut world), Err(RecvError::Closed));
    world.run_for(seconds(11));
    assert_eq!(world.endpoint(BOB).session_count(), 0);
}

#[test]
fn unread_data_is_given_up_ten_seconds_after_the_close() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    world.command(ALICE, at_alice, |session| session.send(b"never read", CHANNEL)).unwrap();
    world.command(ALICE, at_alice, |session| session.close(1, ""));
    run_until_closed(&mut world, BOB, at_bob, seconds(5));
    world.run_for(seconds(9));
    assert_eq!(world.endpoint(BOB).session_count(), 1);
    world.run_for(seconds(3));
    assert_eq!(world.endpoint(BOB).session_count(), 0);
}

#[test]
fn a_flush_that_cannot_end_is_cut_short_after_ten_seconds() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    // The peer lives and acknowledges, but does not read: more than its window never gets through.
    let message = [1; 60_000];
    while world.command(ALICE, at_alice, |session| session.send(&message, CHANNEL)).is_ok() {
        world.run_for(seconds(1));
    }
    world.take_events(ALICE);
    world.take_events(BOB);
    world.command(ALICE, at_alice, |session| session.close(5, "too long"));
    assert_eq!(world.session(ALICE, at_alice).state(), State::Closing);
    let refused = world.command(ALICE, at_alice, |session| session.send(b"x", CHANNEL));
    assert_eq!(refused, Err(SendError::Closed));
    let start = world.now();
    run_until_closed(&mut world, BOB, at_bob, seconds(60));
    let took = world.now().saturating_since(start);
    assert!(took >= seconds(10) && took < millis(10_100), "{took:?}");
    assert_eq!(world.reason(BOB, at_bob).unwrap().code, CloseCode(5));
}
