//! What is sent before the session is accepted, and what a session is called.

use session_core::{Event, State};
use session_tests::Setup;
use session_tests::two::{ALICE, BOB, CHANNEL, seconds, two_nodes};

//= docs/protocol.md P-7-4
#[test]
fn data_sent_before_the_answer_waits_for_it() {
    let mut world = two_nodes(&Setup { accepts: false, ..Setup::default() });
    let at_alice = world.connect(ALICE, BOB).unwrap();
    world.command(ALICE, at_alice, |session| session.send(b"early", CHANNEL)).unwrap();
    world.run_for(seconds(1));
    let events = world.take_events(BOB);
    let [Event::Incoming(at_bob)] = events[..] else { panic!("{events:?}") };
    let mut buffer = [0; 10];
    assert_eq!(world.command(BOB, at_bob, |session| session.recv(&mut buffer, CHANNEL)), Ok(None));
    assert_eq!(world.session(ALICE, at_alice).state(), State::Handshaking);
    // The peer's stack holds it, and may say so.
    let events = world.take_events(ALICE);
    assert!(events.iter().all(|event| matches!(event, Event::Acknowledged(..))), "{events:?}");
    world.command(BOB, at_bob, |session| session.accept(b"")).unwrap();
    world.run_for(seconds(1));
    assert_eq!(world.take_events(BOB)[..2], [Event::Established(at_bob), Event::Readable(at_bob, CHANNEL)]);
    assert_eq!(world.take_events(ALICE)[0], Event::Established(at_alice));
    assert_eq!(world.command(BOB, at_bob, |session| session.recv(&mut buffer, CHANNEL)), Ok(Some(5)));
}

//= docs/protocol.md P-8-1
#[test]
fn both_ends_name_the_session_alike_and_no_other_so() {
    let mut world = two_nodes(&Setup::default());
    let uids = [(), ()].map(|()| {
        let (at_alice, at_bob) = world.establish(ALICE, BOB);
        let uid = world.session(ALICE, at_alice).uid();
        assert!(uid.is_some());
        assert_eq!(uid, world.session(BOB, at_bob).uid());
        uid
    });
    assert_ne!(uids[0], uids[1]);
}
