//! Attempts at a session: Hellos that are repeated, answered, replayed and refused.

use session_core::{CloseCode, CloseSpace, ClosedBy, DiscardReason, Event, Received, RustCrypto, State};
use session_tests::Setup;
use session_tests::two::{
    ALICE, BOB, CHANNEL, cut, departures_of, hold_back, millis, run_until_closed, seconds, since, two_nodes,
};
use session_tests::world::Departure;

fn roomy(sessions: u32, pool_blocks: u32) -> Setup {
    let mut setup = Setup::default();
    (setup.limits.sessions, setup.limits.pending, setup.limits.pool_blocks) = (sessions, 8, pool_blocks);
    setup
}

//= docs/protocol.md P-4.2-4 P-11-1
#[test]
fn a_hello_is_repeated_byte_by_byte_until_the_attempt_ends() {
    let mut world = two_nodes(&Setup::default());
    cut(&mut world);
    let start = world.now();
    let id = world.connect(ALICE, BOB).unwrap();
    assert_eq!(run_until_closed(&mut world, ALICE, id, seconds(60)), seconds(10));
    let hellos = departures_of(&world, ALICE);
    let sent = since(start, &hellos);
    assert!((6..=9).contains(&sent.len()), "{sent:?}");
    for (pair, waiting) in sent.windows(2).zip([500, 1000].into_iter().chain(std::iter::repeat(2000))) {
        let apart = pair[1] - pair[0];
        assert!((waiting * 4 / 5..=waiting * 6 / 5).contains(&apart), "{apart} ms for {waiting}: {sent:?}");
    }
    assert!(hellos.iter().all(|hello| hello.datagram == hellos[0].datagram));
    assert_eq!(hellos[0].datagram.len(), 1200);
    let reason = world.reason(ALICE, id).unwrap();
    assert_eq!((reason.by, reason.code), (ClosedBy::Deadline, CloseCode::NO_ANSWER));
    world.forget(ALICE, id);
    assert_eq!(world.endpoint(ALICE).session_count(), 0);

    // Two more that begin at once do not stay together.
    world.departures = Some(Vec::new());
    let start = world.now();
    for _ in 0..2 {
        world.connect(ALICE, BOB).unwrap();
    }
    world.run_for(seconds(4));
    let of_both = departures_of(&world, ALICE);
    let [one, other] = [0, 1].map(|first| -> Vec<_> {
        let is_same = |hello: &&Departure| hello.datagram == of_both[first].datagram;
        since(start, &of_both.iter().filter(is_same).cloned().collect::<Vec<_>>())
    });
    assert!(one.len() >= 3 && other.len() >= 3, "{one:?} {other:?}");
    assert!(one.iter().skip(1).zip(other.iter().skip(1)).all(|(one, other)| one != other), "{one:?} {other:?}");
}

//= docs/protocol.md P-4.2-5 P-4.1-9
#[test]
fn a_repeated_hello_gets_the_same_reply_and_no_second_slot() {
    let mut world = two_nodes(&Setup::default());
    let held = hold_back(&mut world, BOB);
    world.connect(ALICE, BOB).unwrap();
    world.run_for(millis(4300));
    let replies = held.borrow().clone();
    assert_eq!(departures_of(&world, ALICE).len(), 4, "Hellos");
    assert_eq!(replies.len(), 4, "one Reply for each");
    assert!(replies.iter().all(|reply| *reply == replies[0]));
    assert!(replies[0].len() <= 1200);
    assert_eq!(world.endpoint(BOB).session_count(), 1);
    // The Reply still serves, or the next one.
    world.gate = None;
    world.run_for(seconds(3));
    assert!(world.take_events(ALICE).iter().any(|event| matches!(event, Event::Established(_))));
}

//= docs/protocol.md P-4.2-7
#[test]
fn a_tentative_slot_ends_after_five_seconds() {
    let mut world = two_nodes(&Setup::default());
    world.connect(ALICE, BOB).unwrap();
    world.run_for(millis(5));
    let hello = departures_of(&world, ALICE)[0].datagram.clone();
    cut(&mut world);
    world.gate = Some(Box::new(|_| false));
    assert_eq!(world.inject(ALICE, BOB, &hello), Received::Consumed);
    assert_eq!(world.endpoint(BOB).session_count(), 1);
    world.run_for(millis(4990));
    assert_eq!(world.endpoint(BOB).session_count(), 1);
    let began = world.now();
    let gone = world.run_until(began.saturating_add(seconds(30)), |world| {
        world.endpoint(BOB).sessions().all(|id| world.session(BOB, id).state() == State::Closed)
    });
    assert!(gone && world.now().saturating_since(began) <= millis(100), "{:?}", world.now().saturating_since(began));
    // Nobody has to forget it, for nobody was told of it.
    world.run_for(seconds(11));
    assert!(!world.take_events(BOB).iter().any(|event| matches!(event, Event::Incoming(_))));
    assert_eq!(world.endpoint(BOB).session_count(), 0);
}

/// Threat H1: a recorded Hello, played again, costs a slot for five seconds and nothing else.
//= docs/protocol.md P-4.2-7 P-4.2-8 P-4.2-6
#[test]
fn h1_replayed_hellos_leave_the_session_alone() {
    let mut world = two_nodes(&Setup::default());
    let (at_alice, at_bob) = world.establish(ALICE, BOB);
    let hello = departures_of(&world, ALICE)[0].datagram.clone();
    let reply = departures_of(&world, BOB)[0].datagram.clone();
    world.settle(millis(500));
    world.departures = Some(Vec::new());

    for _ in 0..10 {
        assert_eq!(world.inject(ALICE, BOB, &hello), Received::Consumed);
    }
    assert_eq!(world.endpoint(BOB).session_count(), 2, "one tentative slot");
    world.step();
    assert!(departures_of(&world, BOB).len() <= 10, "at most one Reply for each");
    // An answered attempt takes no Reply.
    assert!(matches!(world.inject(BOB, ALICE, &reply), Received::Discarded(_)));
    world.run_for(seconds(20));
    assert_eq!(world.endpoint(BOB).session_count(), 1);
    assert!(!world.take_events(BOB).iter().any(|event| matches!(event, Event::Incoming(id) if *id != at_bob)));

    world.command(ALICE, at_alice, |session| session.send(b"still here", CHANNEL)).unwrap();
    world.settle(millis(500));
    let mut buffer = [0; 20];
    let length = world.command(BOB, at_bob, |session| session.recv(&mut buffer, CHANNEL)).unwrap();
    assert_eq!(&buffer[..length.unwrap()], b"still here");
}

//= docs/protocol.md P-4.2-8
#[test]
fn a_fifth_attempt_waits_for_one_of_four_tentative_slots() {
    let mut world = two_nodes(&roomy(8, 2048));
    let held = hold_back(&mut world, BOB);
    for _ in 0..4 {
        world.connect(ALICE, BOB).unwrap();
    }
    world.run_for(millis(50));
    world.connect(ALICE, BOB).unwrap();
    world.run_for(millis(50));
    assert_eq!(held.borrow().len(), 4);
    assert_eq!(world.endpoint(BOB).session_count(), 4);
    assert_eq!(world.endpoint(BOB).discards().of(DiscardReason::PeerPending), 1);
    // Once one of the four is done, the fifth gets its turn by repeating itself.
    world.gate = None;
    world.run_for(seconds(9));
    let established = world.take_events(ALICE).iter().filter(|event| matches!(event, Event::Established(_))).count();
    assert_eq!(established, 5);
}

/// Three recorded Hellos that are replayed over and over, from several addresses, do not keep their true sender away.
//= docs/protocol.md P-4.2-8
#[test]
fn e4_a_peer_connects_while_its_old_hellos_are_replayed() {
    const EVE: usize = 2;
    let mut world = two_nodes(&roomy(20, 4096));
    world.add(&Setup::default(), RustCrypto);
    for _ in 0..3 {
        world.connect(ALICE, BOB).unwrap();
    }
    world.run_for(millis(1));
    let old: Vec<_> = departures_of(&world, ALICE).into_iter().map(|departure| departure.datagram).collect();
    world.run_for(seconds(2));
    assert_eq!((old.len(), world.take_events(ALICE).len()), (3, 3));
    for round in 0..10 {
        for (hello, from) in old.iter().zip([EVE, ALICE, EVE]) {
            let _ = world.inject(from, BOB, hello);
            assert_eq!(
                world.inject(1 - from.min(1), BOB, hello),
                Received::Discarded(DiscardReason::PeerPending),
                "the same over another link"
            );
        }
        let id = world.connect(ALICE, BOB).unwrap();
        world.run_for(millis(100));
        assert_eq!(world.take_events(ALICE), [Event::Established(id)], "round {round}");
        world.run_for(millis(1900));
    }
}

#[test]
fn an_attempt_that_is_not_accepted_ends_at_both_sides() {
    let mut world = two_nodes(&Setup { accepts: false, ..Setup::default() });
    let id = world.connect(ALICE, BOB).unwrap();
    let took = run_until_closed(&mut world, ALICE, id, seconds(60));
    assert!(took >= seconds(10) && took < millis(10_100), "{took:?}");
    assert_eq!(world.reason(ALICE, id).unwrap().code, CloseCode::NO_ANSWER);
    world.run_for(seconds(1));
    let events = world.take_events(BOB);
    let [Event::Incoming(at_bob), Event::Closed(closed)] = events[..] else { panic!("{events:?}") };
    assert_eq!(at_bob, closed);
    assert_eq!(world.reason(BOB, at_bob).unwrap().code, CloseCode::NO_ANSWER);
}

//= docs/protocol.md P-7-5
#[test]
fn a_refusal_arrives_with_reason_text_and_waiting_time() {
    let mut world = two_nodes(&Setup { accepts: false, ..Setup::default() });
    let id = world.connect(ALICE, BOB).unwrap();
    world.run_for(millis(100));
    let events = world.take_events(BOB);
    let [Event::Incoming(at_bob)] = events[..] else { panic!("{events:?}") };
    world
        .command(BOB, at_bob, |session| session.refuse(CloseCode::BUSY, "come back later", Some(seconds(30))))
        .unwrap();
    run_until_closed(&mut world, ALICE, id, seconds(1));
    let reason = world.reason(ALICE, id).unwrap();
    assert_eq!((reason.by, reason.space, reason.code), (ClosedBy::Peer, CloseSpace::Protocol, CloseCode::BUSY));
    assert_eq!((reason.text.as_str(), reason.retry_after), ("come back later", Some(seconds(30))));
    run_until_closed(&mut world, BOB, at_bob, seconds(1));
}
