//! Datagrams as large as the path takes: found, lost again, and found anew, without a byte of data gone (protocol §10.1).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use session_core::{ChannelConfig, ChannelId, ChannelMode, Instant, Received, RustCrypto, SessionId};
use session_sim::{LinkConfig, Probability, Reordering};
use session_tests::two::{ALICE, BOB, CHANNEL, departures_of, established, millis, seconds, two_nodes};
use session_tests::world::Departure;
use session_tests::{Flow, Flows, Message, Setup, World};

/// Bytes between the path's size and what is found, at most.
const GRANULARITY: u16 = 16;
/// A transfer of so many bytes fills enough datagrams for any search.
const BYTES: usize = 4_000_000;

type Ends = [(usize, SessionId); 2];

/// Windows of a megabyte, and datagrams up to `max_datagram`.
fn setup(max_datagram: u16) -> Setup {
    let mut setup = Setup { max_datagram, ..Setup::default() };
    setup.timeouts.idle = None;
    setup.limits.pool_blocks = 16_384;
    setup.limits.session_window = 1 << 20;
    setup.limits.channel_window = 1 << 20;
    setup.limits.send_blocks = 2048;
    setup.limits.record_blocks = 256;
    setup
}

fn path(carries: u16) -> LinkConfig {
    LinkConfig { delay: millis(10), mtu: Some(usize::from(carries)), ..LinkConfig::default() }
}

/// An established session over a path that carries so many bytes.
fn session_over(setup: &Setup, carries: u16) -> (World<RustCrypto>, Ends) {
    let (mut world, at_alice, at_bob) = established(setup);
    world.departures = None;
    world.set_link(ALICE, BOB, path(carries));
    (world, [(ALICE, at_alice), (BOB, at_bob)])
}

fn flow([from, to]: Ends, tag: u64, bytes: usize) -> Flow {
    Flow::new(from, to, CHANNEL, tag, vec![Message::streamed(bytes, 20_000)]).in_chunks_of(20_000)
}

/// Seconds that a transfer takes.
fn transfer(world: &mut World<RustCrypto>, ends: Ends, tag: u64, bytes: usize) -> f64 {
    let begun = world.now();
    let mut flows = Flows { flows: vec![flow(ends, tag, bytes)] };
    assert!(flows.run(world, seconds(600)), "it arrives");
    world.now().saturating_since(begun).as_secs_f64()
}

/// Transfers until any search has come to its end: every probe takes a round trip, and a size that does not pass takes three.
fn transfer_for_a_while(world: &mut World<RustCrypto>, ends: Ends) {
    for turn in 0..60 {
        transfer(world, ends, 100 + turn, 200_000);
    }
}

fn size(world: &World<RustCrypto>, (node, id): (usize, SessionId)) -> u16 {
    world.session(node, id).stats().max_datagram
}

fn lost(world: &World<RustCrypto>, (node, id): (usize, SessionId)) -> u64 {
    world.session(node, id).stats().packets_lost
}

/// As large as the path carries, or as near as the search goes.
fn is_found(found: u16, carries: u16) -> bool {
    found <= carries && carries - found < GRANULARITY
}

//= docs/protocol.md P-10.1-1
#[test]
fn the_size_of_any_path_is_found_and_nothing_counts_as_lost() {
    for carries in [1200, 1232, 1300, 1372, 1452, 1472, 4000, 8952, 20_000, 65_507] {
        let (mut world, ends) = session_over(&setup(65_507), carries);
        assert_eq!(size(&world, ends[0]), 1200, "it begins with what every path carries");
        let window = world.session(ALICE, ends[0].1).stats().congestion_window;
        transfer(&mut world, ends, 1, BYTES);
        transfer_for_a_while(&mut world, ends);
        let found = size(&world, ends[0]);
        assert!(is_found(found, carries), "{found} of {carries}");
        // A probe that is lost tells nothing of congestion.
        assert_eq!(lost(&world, ends[0]), 0, "{carries}");
        assert!(world.session(ALICE, ends[0].1).stats().congestion_window > window, "{carries}");
        assert_eq!(size(&world, ends[1]), 1200, "who sends no full datagrams searches for nothing");
    }
}

#[test]
fn neither_carrier_nor_peer_gets_more_than_it_takes() {
    for (ours, theirs) in [(1452, 65_507), (65_507, 1452), (1452, 1200), (1200, 1452)] {
        let mut world = World::new(7);
        let (alice, bob) = (world.add(&setup(ours), RustCrypto), world.add(&setup(theirs), RustCrypto));
        world.set_link(alice, bob, path(65_507));
        let (at_alice, at_bob) = world.establish(alice, bob);
        let ends = [(alice, at_alice), (bob, at_bob)];
        transfer(&mut world, ends, 1, BYTES);
        transfer(&mut world, [ends[1], ends[0]], 2, BYTES);
        assert_eq!([size(&world, ends[0]), size(&world, ends[1])], [ours.min(theirs); 2]);
    }
}

/// What `departure` meets on the way, by the time it left.
fn narrowing(steps: Vec<(Instant, usize)>) -> impl FnMut(&Departure) -> bool {
    move |departure| {
        let carries =
            steps.iter().rev().find(|(from, _)| departure.at >= *from).map_or(usize::MAX, |(_, bytes)| *bytes);
        departure.datagram.len() <= carries
    }
}

//= docs/protocol.md P-10.1-4
#[test]
fn a_path_that_comes_to_take_less_holds_up_a_transfer_for_moments() {
    let (mut world, ends) = session_over(&setup(1452), 1452);
    transfer(&mut world, ends, 1, BYTES);
    transfer(&mut world, [ends[1], ends[0]], 2, BYTES);
    assert_eq!([size(&world, ends[0]), size(&world, ends[1])], [1452; 2]);

    // 1280 bytes in a tenth of a second, 1200 a second later; both directions are busy.
    let start = world.now();
    let mut carries =
        narrowing(vec![(start.saturating_add(millis(100)), 1280), (start.saturating_add(millis(1100)), 1200)]);
    let passed = Rc::new(RefCell::new([start; 2]));
    let gap = Rc::new(RefCell::new(Duration::ZERO));
    let (seen, longest) = (Rc::clone(&passed), Rc::clone(&gap));
    world.gate = Some(Box::new(move |departure| {
        let passes = carries(departure);
        if passes && departure.datagram.len() > 1000 {
            let last = &mut seen.borrow_mut()[departure.from];
            let mut longest = longest.borrow_mut();
            *longest = (*longest).max(departure.at.saturating_since(*last));
            *last = departure.at;
        }
        passes
    }));
    let mut flows = Flows { flows: vec![flow(ends, 3, 10 * BYTES), flow([ends[1], ends[0]], 4, 10 * BYTES)] };
    assert!(flows.run(&mut world, seconds(600)), "it arrives");
    // A round trip is 20 ms, a probe timeout some 60: three of them, each with an answer.
    assert!(*gap.borrow() < millis(400), "{:?} without a datagram of data", gap.borrow());
    assert!(world.now().saturating_since(start) > millis(1500), "both changes came in the middle");
    assert_eq!([size(&world, ends[0]), size(&world, ends[1])], [1200; 2]);
}

//= docs/protocol.md P-10.1-4
#[test]
fn large_datagrams_that_stop_passing_beside_small_ones_are_noticed() {
    let (mut world, ends) = session_over(&setup(9000), 9000);
    transfer(&mut world, ends, 1, BYTES);
    assert_eq!(size(&world, ends[0]), 9000);
    world.set_link(ALICE, BOB, path(1500));
    // One message in a datagram of its own at a time, and small ones all the while.
    for turn in 0..200 {
        let large = if turn % 10 == 0 { 5000 } else { 100 };
        let mut flows =
            Flows { flows: vec![Flow::new(ends[0], ends[1], CHANNEL, 10 + turn, vec![Message::whole(large)])] };
        assert!(flows.run(&mut world, seconds(5)), "turn {turn}");
    }
    assert!(size(&world, ends[0]) <= 1500, "{}", size(&world, ends[0]));
}

#[test]
fn ten_minutes_later_a_path_that_takes_more_is_found() {
    let (mut world, ends) = session_over(&setup(1452), 1300);
    transfer_for_a_while(&mut world, ends);
    let found = size(&world, ends[0]);
    assert!(is_found(found, 1300), "{found}");
    world.set_link(ALICE, BOB, path(1452));
    transfer(&mut world, ends, 2, BYTES);
    assert_eq!(size(&world, ends[0]), found, "too soon");
    let until = world.now().saturating_add(seconds(601));
    world.run_until(until, |_| false);
    assert_eq!(size(&world, ends[0]), found, "nobody wakes for it");
    transfer(&mut world, ends, 3, BYTES);
    assert_eq!(size(&world, ends[0]), 1452);
}

#[test]
fn a_path_of_1200_bytes_is_enough_for_all_kinds_of_handshake() {
    for contact in session_tests::Contact::ALL {
        let psk = contact.with_psk().then_some([5; 32]);
        let mut world = two_nodes(&Setup { psk, ..setup(65_507) });
        world.set_link(ALICE, BOB, path(1200));
        if contact.is_first() {
            world.set_pairing(BOB, Some(world.now().saturating_add(seconds(60))));
        }
        let (at_alice, at_bob) = world.establish_by(contact, ALICE, BOB);
        let too_long = departures_of(&world, ALICE).into_iter().chain(departures_of(&world, BOB));
        assert_eq!(too_long.filter(|departure| departure.datagram.len() > 1200).count(), 0, "{contact:?}");
        world.departures = None;
        transfer(&mut world, [(ALICE, at_alice), (BOB, at_bob)], 1, 100_000);
    }
}

#[test]
fn bad_luck_and_jitter_are_taken_for_no_smaller_path() {
    let mut whole = 0;
    for seed in 0..24 {
        let mut world = World::new(seed);
        let (alice, bob) = (world.add(&setup(1452), RustCrypto), world.add(&setup(1452), RustCrypto));
        let (at_alice, at_bob) = world.establish(alice, bob);
        let ends = [(alice, at_alice), (bob, at_bob)];
        let link = LinkConfig {
            loss: Probability::from_percent(20),
            jitter: millis(30),
            reordering: Reordering::mild(),
            ..path(1452)
        };
        world.set_link(alice, bob, link);
        transfer(&mut world, ends, 1, BYTES / 4);
        let found = size(&world, ends[0]);
        assert!(found >= 1372, "seed {seed}: {found}");
        whole += u32::from(found == 1452);
    }
    assert!(whole >= 20, "{whole} of 24 have the whole size");
}

//= docs/protocol.md P-10.1-6
#[test]
fn d29_the_least_that_is_configured_is_never_gone_below() {
    for (least, carries) in [(548, 548), (256, 256), (256, 1000), (548, 1452)] {
        let mut world = two_nodes(&Setup { min_datagram: least, ..setup(1452) });
        world.departures = None;
        world.set_link(ALICE, BOB, path(carries));
        let (at_alice, at_bob) = world.establish(ALICE, BOB);
        let ends = [(ALICE, at_alice), (BOB, at_bob)];
        transfer_for_a_while(&mut world, ends);
        let found = size(&world, ends[0]);
        assert!(is_found(found, carries), "{found} of {carries}");
        // However bad it gets.
        world.set_link(ALICE, BOB, path(least - 1));
        let mut flows = Flows { flows: vec![flow(ends, 2, 50_000)] };
        let at_least = |world: &World<RustCrypto>| size(world, ends[0]) >= least;
        let until = world.now().saturating_add(seconds(12));
        flows.flows[0].push(&mut world);
        assert!(!world.run_until(until, |world| !at_least(world)), "below {least}");
        world.set_link(ALICE, BOB, path(carries));
        assert!(flows.resume(&mut world, seconds(60)), "it goes on");
    }
}

#[test]
fn sessions_that_say_little_send_no_probe() {
    let (mut world, at_alice, at_bob) = established(&setup(65_507));
    for turn in 0..100 {
        let message = vec![Message::whole(1000)];
        let mut flows = Flows { flows: vec![Flow::new((ALICE, at_alice), (BOB, at_bob), CHANNEL, turn, message)] };
        assert!(flows.run(&mut world, seconds(5)));
        world.settle(millis(100));
    }
    let longest = departures_of(&world, ALICE).into_iter().map(|departure| departure.datagram.len()).max();
    assert!(longest.is_some_and(|longest| longest <= 1100), "{longest:?}");
}

/// What is not sent twice must not be cut for a size that is gone: the next messages are.
#[test]
fn messages_that_stand_alone_arrive_again_after_the_path_took_less() {
    let channels = vec![CHANNEL.into(), ChannelConfig::new(ChannelId(17), ChannelMode::Unreliable)];
    let (mut world, ends) = session_over(&Setup { channels, ..setup(9000) }, 9000);
    transfer(&mut world, ends, 1, BYTES);
    world.set_link(ALICE, BOB, path(1200));
    let mut buffer = [0; 8000];
    let mut arrived = 0;
    for turn in 0..100_u8 {
        world.command(ALICE, ends[0].1, |session| session.send(&[turn; 5000], ChannelId(17))).unwrap();
        world.settle(millis(100));
        while let Ok(Some(length)) = world.command(BOB, ends[1].1, |session| session.recv(&mut buffer, ChannelId(17))) {
            assert_eq!(buffer[..length], [buffer[0]; 5000], "whole or not at all");
            arrived += 1;
        }
    }
    assert!(arrived > 80, "{arrived} of 100");
}

/// Threat D32.
#[test]
fn d32_datagrams_of_any_size_leave_no_trace() {
    let (mut world, ends) = session_over(&setup(1452), 1452);
    let before = world.session(BOB, ends[1].1).stats();
    for length in [0, 1, 2, 28, 29, 1199, 1200, 1452, 1453, 9000, 65_507, 65_535, 70_000] {
        // Nothing, each kind of handshake packet, a data packet, and all bits.
        for first in [0x00, 0x80, 0x90, 0xa0, 0xb0, 0xc0, 0xd0, 0xe0, 0xf0, 0x40, 0x47, 0xff] {
            let mut datagram = vec![first; length];
            for fill in [first, 0] {
                datagram.iter_mut().skip(1).for_each(|byte| *byte = fill);
                assert!(matches!(world.inject(ALICE, BOB, &datagram), Received::Discarded(_)), "{length} of {first:x}");
            }
        }
    }
    assert_eq!(world.session(BOB, ends[1].1).stats(), before);
    transfer(&mut world, ends, 1, 100_000);
}
