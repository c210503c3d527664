//! Sessions, keys, calls and configuration at each of their bounds: what `docs/bounds.md` says happens there, nothing is allocated, and
//! once it is drained everything goes on.

use session_core::request::{
    Answer, Arrived, MAX_IN_FLIGHT, Prefix, RequestError, RequestId, Requester, Responder, Status,
};
use session_core::{
    Action, Address, AnswerError, Carrier, CarrierConfig, ChannelConfig, ChannelId, Config, ConfigError, ConnectError,
    ConnectOptions, DiscardReason, Endpoint, Event, Instant, Limits, Link, MAX_CARRIERS, MAX_CHANNELS, MAX_SPARE_IDS,
    MAX_TEXT, MAX_USER_DATA, Peer, RustCrypto, Secret, Seed, SessionId, StaticKey, TIMEOUTS_PER_CALL,
};
use session_tests::counting::{Counting, inside, without_allocator};
use session_tests::two::{ALICE, BOB, CHANNEL, established, hold_back, millis, run_until_closed, seconds, two_nodes};
use session_tests::{Recording, Setup, World};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Alice has room for all; Bob for as many sessions, and so many unconfirmed ones.
fn with_bob_for(sessions: u32, pending: u32) -> World<RustCrypto> {
    let mut alice = Setup::default();
    (alice.limits.sessions, alice.limits.pending, alice.limits.pool_blocks) = (16, 16, 4096);
    let mut bob = Setup::default();
    (bob.limits.sessions, bob.limits.pending) = (sessions, pending);
    let mut world = World::new(1);
    world.add(&alice, RustCrypto);
    world.add(&bob, RustCrypto);
    world
}

fn established_at(world: &mut World<RustCrypto>, node: usize) -> Vec<SessionId> {
    let events = world.take_events(node);
    events.into_iter().filter_map(|event| if let Event::Established(id) = event { Some(id) } else { None }).collect()
}

#[test]
fn sessions() {
    without_allocator(|| {
        let mut world = with_bob_for(2, 2);
        let discarded = |world: &World<RustCrypto>| world.endpoint(BOB).discards().of(DiscardReason::SessionsFull);
        for round in 0..3 {
            let [first, second] = [world.establish(ALICE, BOB), world.establish(ALICE, BOB)];
            assert_eq!(world.connect(BOB, ALICE), Err(ConnectError::TooManySessions));
            let before = discarded(&world);
            let third = world.connect(ALICE, BOB).expect("Alice has room");
            world.run_for(seconds(1));
            assert!(discarded(&world) > before, "{round}");
            assert_eq!(world.endpoint(BOB).session_count(), 2);
            // One goes, and who was turned away gets its turn by repeating itself.
            world.command(BOB, first.1, |session| session.abort(1, ""));
            run_until_closed(&mut world, ALICE, first.0, seconds(5));
            world.forget(BOB, first.1);
            world.run_for(seconds(8));
            assert_eq!(established_at(&mut world, ALICE), [third]);
            for id in [second.0, third] {
                world.command(ALICE, id, |session| session.abort(1, ""));
            }
            // What has ended is gone ten seconds later.
            world.run_for(seconds(15));
            world.take_events(BOB);
            assert_eq!((world.endpoint(ALICE).session_count(), world.endpoint(BOB).session_count()), (0, 0));
        }
    });
}

#[test]
fn pending() {
    without_allocator(|| {
        let mut world = with_bob_for(4, 2);
        let held = hold_back(&mut world, BOB);
        for _ in 0..3 {
            world.connect(ALICE, BOB).expect("Alice has room");
        }
        world.run_for(millis(100));
        assert_eq!(world.endpoint(BOB).discards().of(DiscardReason::PendingFull), 1);
        assert_eq!((held.borrow().len(), world.endpoint(BOB).session_count()), (2, 2));
        world.gate = None;
        world.run_for(seconds(9));
        assert_eq!(established_at(&mut world, ALICE).len(), 3);
    });
}

/// Every session says something in its turn; returns how many keys that took after the first round.
fn keys_expanded(hot_keys: u32) -> u64 {
    let mut setup = Setup::default();
    setup.limits.hot_keys = hot_keys;
    let ledger = Recording::new();
    let mut world = World::new(1);
    world.add(&setup, ledger.clone());
    world.add(&setup, ledger.clone());
    let ids: Vec<_> = (0..4).map(|_| world.establish(ALICE, BOB)).collect();
    world.run_for(seconds(1));
    let mut after_first = 0;
    for round in 0..5_u8 {
        for (at_alice, at_bob) in &ids {
            world.command(ALICE, *at_alice, |session| session.send(&[round], CHANNEL)).expect("there is room");
            world.run_for(millis(100));
            let mut buffer = [0; 1];
            let read = world.command(BOB, *at_bob, |session| session.recv(&mut buffer, CHANNEL));
            assert_eq!((read, buffer), (Ok(Some(1)), [round]));
        }
        if round == 0 {
            after_first = ledger.expanded();
        }
    }
    ledger.expanded() - after_first
}

#[test]
fn hot_keys() {
    assert_eq!(keys_expanded(4), 0, "there is room for all");
    let expanded = keys_expanded(1);
    assert!(expanded >= 4 * 4 * 2, "each in its turn at each end: {expanded}");
    without_allocator(|| {
        let mut setup = Setup::default();
        setup.limits.hot_keys = 1;
        let mut world = two_nodes(&setup);
        let ids: Vec<_> = (0..4).map(|_| world.establish(ALICE, BOB)).collect();
        for round in 0..5 {
            for (at_alice, at_bob) in &ids {
                world.command(ALICE, *at_alice, |session| session.send(b"hot", CHANNEL)).expect("there is room");
                world.run_for(millis(100));
                let read = world.command(BOB, *at_bob, |session| session.recv(&mut [0; 3], CHANNEL));
                assert_eq!(read, Ok(Some(3)), "{round}");
            }
        }
    });
}

fn config() -> Config {
    Config::new(StaticKey::new(&RustCrypto, Secret::new([1; 32])), "session-tests")
}

fn endpoint(config: Config, limits: Limits) -> Result<Endpoint<RustCrypto>, ConfigError> {
    Endpoint::new(config, limits, RustCrypto, Seed::new([1; 32]))
}

/// The peer at the other end of [`link`].
fn peer() -> Peer<'static> {
    Peer::Known { key: *StaticKey::new(&RustCrypto, Secret::new([2; 32])).public(), psk: None }
}

fn link() -> Link {
    Link { carrier: Carrier(0), local: Address::Opaque([1; 16]), remote: Address::Opaque([2; 16]) }
}

#[test]
fn timeouts_per_call() {
    const SESSIONS: usize = 3 * TIMEOUTS_PER_CALL / 2;
    let mut limits = Limits::default();
    (limits.sessions, limits.pending) = (SESSIONS as u32, 1);
    let mut endpoint = endpoint(config(), limits).expect("a configuration that works");
    let mut buffer = vec![0; endpoint.max_datagram()];
    let mut now = Instant::from_micros(1);
    for _ in 0..SESSIONS {
        endpoint.connect(peer(), link(), ConnectOptions::default(), now).expect("there is a slot");
    }
    without_allocator(|| {
        for round in 0..2 {
            while inside(|| !matches!(endpoint.poll_action(&mut buffer, now), Action::Wait(_))) {}
            // All want to repeat themselves by then.
            now = now.saturating_add(seconds(2));
            inside(|| endpoint.handle_timeout(now));
            let left = endpoint.next_deadline().expect("an attempt has a deadline");
            assert!(left.at <= now, "{round}: one call serves no more");
            inside(|| endpoint.handle_timeout(now));
            let left = endpoint.next_deadline().expect("an attempt has a deadline");
            assert!(left.at > now, "{round}: two serve all");
        }
    });
}

fn keep(messages: &mut Vec<Prefix>, prefix: &Prefix) -> Result<(), ()> {
    messages.push(*prefix);
    Ok(())
}

/// The responder serves half as many as the requester asks at once: it says Busy to the others.
#[test]
fn requests_in_flight() {
    const SERVED: usize = MAX_IN_FLIGHT / 2;
    let now = Instant::from_micros(1);
    let (mut requester, mut responder) = (Requester::new(usize::MAX), Responder::new(SERVED));
    let mut asked: Vec<Prefix> = Vec::with_capacity(MAX_IN_FLIGHT);
    let mut answers: Vec<Prefix> = Vec::with_capacity(MAX_IN_FLIGHT);
    let mut served: Vec<RequestId> = Vec::with_capacity(SERVED);
    let mut round = || {
        while requester.in_flight() < MAX_IN_FLIGHT {
            requester.request(None, now, |prefix| keep(&mut asked, prefix)).expect("there is a place");
        }
        assert_eq!(requester.request(None, now, |_| Ok::<(), ()>(())), Err(RequestError::Full));
        for prefix in asked.drain(..) {
            if let Arrived::Request { id, .. } = responder.handle_message(prefix.as_bytes(), now) {
                served.push(id);
            }
        }
        assert_eq!((served.len(), responder.in_flight()), (SERVED, SERVED));
        responder.flush(|prefix| keep(&mut answers, prefix)).expect("it is kept");
        for id in served.drain(..) {
            responder.respond(id, Status::DONE, now, |prefix| keep(&mut answers, prefix)).expect("it is served");
        }
        let mut busy = 0;
        for prefix in answers.drain(..) {
            let Answer::Response { status, .. } = requester.handle_message(prefix.as_bytes()) else {
                panic!("an answer")
            };
            busy += usize::from(status == Status::BUSY);
        }
        assert_eq!((busy, requester.in_flight(), responder.in_flight()), (MAX_IN_FLIGHT - SERVED, 0, 0));
    };
    without_allocator(|| (0..3).for_each(|_| inside(&mut round)));
}

/// What is too much is refused by the constructor, and as much as there may be is not.
#[test]
fn configurations() {
    let refused = |config: Config, limits: Limits| endpoint(config, limits).err();
    for (block_size, error) in [(255, true), (256, false), (512, true), (1024, false), (2048, true)] {
        let mut limits = Limits::default();
        limits.block_size = block_size;
        limits.pool_blocks *= 4;
        assert_eq!(refused(config(), limits), error.then_some(ConfigError::BlockSize), "{block_size}");
    }
    for (count, error) in [(MAX_CHANNELS, None), (MAX_CHANNELS + 1, Some(ConfigError::Channels))] {
        let mut config = config();
        config.channels = (16..).take(count).map(|id| ChannelConfig::from(ChannelId(id))).collect();
        assert_eq!(refused(config, Limits::default()), error);
    }
    for (count, error) in [(MAX_CARRIERS, None), (MAX_CARRIERS + 1, Some(ConfigError::Carriers))] {
        let mut config = config();
        config.carriers = vec![CarrierConfig::udp(1200); count];
        assert_eq!(refused(config, Limits::default()), error);
    }
    for (min_datagram, max_datagram, padding, works) in [
        (1200, 65_507, true, true),
        (1199, 65_507, true, false),
        (256, 65_507, false, true),
        (255, 65_507, false, false),
        (1200, 1200, true, true),
        (1201, 1200, true, false),
    ] {
        let mut config = config();
        let carrier = &mut config.carriers[0];
        (carrier.min_datagram, carrier.max_datagram, carrier.padding) = (min_datagram, max_datagram, padding);
        let error = (!works).then_some(ConfigError::Carriers);
        assert_eq!(refused(config, Limits::default()), error, "{min_datagram} to {max_datagram}");
    }
    for (spare_ids, error) in [(MAX_SPARE_IDS, None), (MAX_SPARE_IDS + 1, Some(ConfigError::Limits))] {
        let mut limits = Limits::default();
        limits.spare_ids = spare_ids;
        assert_eq!(refused(config(), limits), error);
    }
}

#[test]
fn user_data() {
    let (most, more) = ([7; MAX_USER_DATA], [7; MAX_USER_DATA + 1]);
    let mut alone = endpoint(config(), Limits::default()).expect("a configuration that works");
    without_allocator(|| {
        let mut connect = |data| {
            let options = ConnectOptions::default().with_user_data(data);
            inside(|| alone.connect(peer(), link(), options, Instant::from_micros(1)))
        };
        assert_eq!(connect(&more), Err(ConnectError::UserData));
        assert!(connect(&most).is_ok());
        let mut world = two_nodes(&Setup { accepts: false, ..Setup::default() });
        let at_alice = world.connect(ALICE, BOB).expect("there is a slot");
        world.run_for(millis(100));
        let at_bob = world.endpoint(BOB).sessions().next().expect("it has come");
        let mut accept = |data| world.command(BOB, at_bob, |session| session.accept(data));
        assert_eq!(accept(&more), Err(AnswerError::UserData));
        assert_eq!(accept(&most), Ok(()));
        world.run_for(millis(100));
        let mut read = [0; MAX_USER_DATA + 1];
        let length = world.session(ALICE, at_alice).user_data(&mut read);
        assert_eq!(read[..length], most);
    });
}

#[test]
fn texts() {
    without_allocator(|| {
        let long = "x".repeat(MAX_TEXT + 1);
        let (mut world, at_alice, at_bob) = established(&Setup::default());
        world.command(ALICE, at_alice, |session| session.close(7, &long));
        run_until_closed(&mut world, BOB, at_bob, seconds(5));
        let reason = world.reason(BOB, at_bob).expect("it has ended");
        assert_eq!(reason.text.as_str(), &long[..MAX_TEXT]);
    });
}
