//! Both ends close at once.

use session_core::{CloseCode, Event};
use session_tests::two::{ALICE, BOB, established, millis, seconds, without_idle};

//= docs/protocol.md P-12-1 P-12-3
#[test]
fn crossing_closes_end_both_sides_soon() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    world.command(ALICE, at_alice, |session| session.close(1, "from alice"));
    world.command(BOB, at_bob, |session| session.close(2, "from bob"));
    world.run_for(millis(200));
    for (node, id, code) in [(ALICE, at_alice, 1), (BOB, at_bob, 2)] {
        let events = world.take_events(node);
        assert_eq!(events.iter().filter(|event| **event == Event::Closed(id)).count(), 1, "{events:?}");
        assert_eq!(events.last(), Some(&Event::Closed(id)));
        // The first reason holds: one's own.
        assert_eq!(world.reason(node, id).unwrap().code, CloseCode(code));
        world.forget(node, id);
    }
    world.run_for(seconds(2));
    assert_eq!((world.endpoint(ALICE).session_count(), world.endpoint(BOB).session_count()), (0, 0));
}
