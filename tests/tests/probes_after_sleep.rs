//! A machine that slept asks before it gives its peer up.

use session_core::{CloseCode, State};
use session_tests::two::{ALICE, BOB, departures_of, established, run_until_closed, seconds, without_idle};

/// The machine slept for an hour: whoever wakes up asks before it gives up.
//= docs/protocol.md P-13-2
#[test]
fn after_an_hour_asleep_the_peer_is_asked_first() {
    for sleeper in [ALICE, BOB] {
        // Both machines slept, or else the other one would have given up.
        let (mut world, at_alice, at_bob) = established(&without_idle());
        world.put_to_sleep(ALICE);
        world.put_to_sleep(BOB);
        world.run_for(seconds(3600));
        world.wake(sleeper);
        world.wake(1 - sleeper);
        world.run_for(seconds(30));
        assert_eq!(world.session(ALICE, at_alice).state(), State::Established);
        assert_eq!(world.session(BOB, at_bob).state(), State::Established);
    }
    // Nobody answers: the end comes soon.
    for sleeper in [ALICE, BOB] {
        let (mut world, at_alice, at_bob) = established(&without_idle());
        let id = if sleeper == ALICE { at_alice } else { at_bob };
        world.put_to_sleep(ALICE);
        world.put_to_sleep(BOB);
        world.run_for(seconds(3600));
        world.departures = Some(Vec::new());
        world.wake(sleeper);
        let took = run_until_closed(&mut world, sleeper, id, seconds(60));
        assert!(took < seconds(5), "{took:?}");
        assert!(!departures_of(&world, sleeper).is_empty(), "it asked");
        assert_eq!(world.reason(sleeper, id).unwrap().code, CloseCode::PEER_LOST);
    }
}
