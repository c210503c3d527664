//! Attempts, keepalive, loss of the peer, idleness, and every way to close: over two nodes in virtual time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use session_core::{
    ChannelId, CloseCode, CloseSpace, ClosedBy, DiscardReason, Event, Instant, Limits, Received, RecvError, RustCrypto,
    SendError, SessionId, State,
};
use session_sim::{LinkConfig, Probability};
use session_tests::world::Departure;
use session_tests::{Setup, World};

const CHANNEL: ChannelId = ChannelId(16);
const ALICE: usize = 0;
const BOB: usize = 1;

fn world() -> World<RustCrypto> {
    world_of(&Setup::default())
}

fn world_of(setup: &Setup) -> World<RustCrypto> {
    let mut world = World::new(1);
    world.add(setup, RustCrypto);
    world.add(setup, RustCrypto);
    world.departures = Some(Vec::new());
    world
}

fn without_idle() -> Setup {
    let mut setup = Setup::default();
    setup.timeouts.idle = None;
    setup
}

/// An established session with all beginnings settled.
fn established(setup: &Setup) -> (World<RustCrypto>, SessionId, SessionId) {
    let mut world = world_of(setup);
    let (at_alice, at_bob) = world.establish(ALICE, BOB);
    world.settle(millis(500));
    world.take_events(ALICE);
    world.take_events(BOB);
    world.departures = Some(Vec::new());
    (world, at_alice, at_bob)
}

fn millis(number: u64) -> Duration {
    Duration::from_millis(number)
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn departures_of(world: &World<RustCrypto>, from: usize) -> Vec<Departure> {
    world.departures.iter().flatten().filter(|departure| departure.from == from).cloned().collect()
}

fn since(start: Instant, departures: &[Departure]) -> Vec<u128> {
    departures.iter().map(|departure| departure.at.saturating_since(start).as_millis()).collect()
}

fn cut(world: &mut World<RustCrypto>) {
    world.set_link(ALICE, BOB, LinkConfig { loss: Probability::ALWAYS, ..LinkConfig::default() });
}

fn mend(world: &mut World<RustCrypto>) {
    world.set_link(ALICE, BOB, LinkConfig { delay: millis(10), ..LinkConfig::default() });
}

/// Holds back what one node sends from now on, and keeps it.
fn hold_back(world: &mut World<RustCrypto>, from: usize) -> Rc<RefCell<Vec<Vec<u8>>>> {
    let held = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&held);
    world.gate = Some(Box::new(move |departure| {
        if departure.from == from {
            into.borrow_mut().push(departure.datagram.clone());
        }
        departure.from != from
    }));
    held
}

fn run_until_closed(world: &mut World<RustCrypto>, node: usize, id: SessionId, limit: Duration) -> Duration {
    let start = world.now();
    let until = start.saturating_add(limit);
    let closed = world.run_until(until, |world| world.take_events(node).contains(&Event::Closed(id)));
    assert!(closed, "not closed within {limit:?}");
    world.now().saturating_since(start)
}

// --- attempts ---

//= docs/protocol.md P-4.2-4 P-11-1
#[test]
fn a_hello_is_repeated_byte_by_byte_until_the_attempt_ends() {
    let mut world = world();
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
    let mut world = world();
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
    let mut world = world();
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
    let mut world = world();
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

fn roomy(sessions: u32, pool_blocks: u32) -> Setup {
    let mut setup = Setup::default();
    (setup.limits.sessions, setup.limits.pending, setup.limits.pool_blocks) = (sessions, 8, pool_blocks);
    setup
}

//= docs/protocol.md P-4.2-8
#[test]
fn a_fifth_attempt_waits_for_one_of_four_tentative_slots() {
    let mut world = world_of(&roomy(8, 2048));
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
    let mut world = world_of(&roomy(20, 4096));
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
    let mut world = world_of(&Setup { accepts: false, ..Setup::default() });
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
    let mut world = world_of(&Setup { accepts: false, ..Setup::default() });
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

// --- keepalive, loss, idleness ---

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

// --- close ---

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

/// The deadline that ends the session sends CLOSE where there is somebody to tell.
#[test]
fn mended_links_carry_on() {
    let (mut world, at_alice, at_bob) = established(&without_idle());
    cut(&mut world);
    world.command(ALICE, at_alice, |session| session.send(b"patience", CHANNEL)).unwrap();
    world.run_for(seconds(12));
    mend(&mut world);
    world.run_for(seconds(10));
    assert_eq!(world.session(ALICE, at_alice).state(), State::Established);
    let mut buffer = [0; 10];
    assert_eq!(world.command(BOB, at_bob, |session| session.recv(&mut buffer, CHANNEL)), Ok(Some(8)));
}

// --- beginnings ---

//= docs/protocol.md P-7-4
#[test]
fn data_sent_before_the_answer_waits_for_it() {
    let mut world = world_of(&Setup { accepts: false, ..Setup::default() });
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
    let mut world = world();
    let uids = [(), ()].map(|()| {
        let (at_alice, at_bob) = world.establish(ALICE, BOB);
        let uid = world.session(ALICE, at_alice).uid();
        assert!(uid.is_some());
        assert_eq!(uid, world.session(BOB, at_bob).uid());
        uid
    });
    assert_ne!(uids[0], uids[1]);
}

//= docs/protocol.md P-11-3
#[test]
fn a_clock_that_goes_back_stands_still() {
    use session_core::{
        Action, Address, Carrier, Config, ConnectOptions, Endpoint, Link, Peer, Secret, Seed, StaticKey,
    };
    let config = |number: u8| Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "");
    let peer = Peer::Known { key: *config(2).static_key.public(), psk: None };
    let mut limits = Limits::default();
    limits.pool_blocks = 4096;
    let mut endpoint = Endpoint::new(config(1), limits, RustCrypto, Seed::new([1; 32])).unwrap();
    let link = Link { carrier: Carrier(0), local: Address::Opaque([1; 16]), remote: Address::Opaque([2; 16]) };
    let now = Instant::from_micros(100_000_000);
    endpoint.connect(peer, link, ConnectOptions::default(), now).unwrap();
    let mut buffer = vec![0; endpoint.max_datagram()];
    // The Hello leaves at the latest time seen, so it is repeated half a second after that.
    assert!(matches!(endpoint.poll_action(&mut buffer, Instant::EPOCH), Action::Transmit(_)));
    let Action::Wait(Some(deadline)) = endpoint.poll_action(&mut buffer, Instant::EPOCH) else {
        panic!("nothing to wait for")
    };
    let waiting = deadline.at.saturating_since(now);
    assert!((millis(400)..=millis(600)).contains(&waiting), "{waiting:?}");
    let before = endpoint.digest();
    endpoint.handle_timeout(Instant::EPOCH);
    assert_eq!(endpoint.poll_action(&mut buffer, Instant::from_micros(1)), Action::Wait(Some(deadline)));
    assert_eq!(endpoint.digest(), before);
    endpoint.handle_timeout(deadline.at);
    assert!(matches!(endpoint.poll_action(&mut buffer, now), Action::Transmit(_)));
}

//= docs/protocol.md P-10-3
#[test]
fn unanswered_probes_come_at_doubling_distances() {
    let (mut world, at_alice, _) = established(&without_idle());
    cut(&mut world);
    world.command(ALICE, at_alice, |session| session.send(b"anybody?", CHANNEL)).unwrap();
    world.run_for(millis(3000));
    let mut times: Vec<_> = departures_of(&world, ALICE).iter().map(|departure| departure.at).collect();
    times.dedup();
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect();
    assert!(gaps.len() >= 4, "{gaps:?}");
    assert!(gaps.windows(2).all(|pair| pair[1] == pair[0] * 2), "{gaps:?}");
}
