//! Credit, memory and slow readers: whoever was given credit finishes, and whoever is out of it waits without loss.

use std::time::Duration;

use session_core::{ChannelId, Config, Endpoint, Event, Limits, RustCrypto, Secret, Seed, SessionId, StaticKey};
use session_sim::{LinkConfig, Probability, Reordering};
use session_tests::{Flow, Flows, Message, Setup, World};

const CHANNEL: ChannelId = ChannelId(16);

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// The smallest pool with which an endpoint can be made.
fn with_smallest_pool(mut limits: Limits, channels: &[ChannelId]) -> Limits {
    let mut works = |pool_blocks: u32| {
        let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([1; 32])), "");
        config.channels = channels.iter().copied().map(Into::into).collect();
        limits.pool_blocks = pool_blocks;
        Endpoint::new(config, limits.clone(), RustCrypto, Seed::new([1; 32])).is_ok()
    };
    (1..).find(|&blocks| works(blocks)).expect("some pool is large enough");
    limits
}

/// One receiver with memory for two windows and a hundred senders, each with several windows of data and gaps in it.
//= docs/protocol.md P-9-7 P-9-9
#[test]
fn e6_a_hundred_senders_share_a_pool_of_two_windows() {
    const SENDERS: usize = 100;
    let window = 16 * 1024;
    let mut wide = Limits::default();
    (wide.sessions, wide.pending, wide.hot_keys) = (128, 128, 128);
    (wide.session_window, wide.channel_window) = (window, window);
    (wide.send_blocks, wide.record_blocks) = (32, 16);
    let mut world = World::new(6);
    let setup =
        Setup { limits: with_smallest_pool(wide, &[CHANNEL]), channels: vec![CHANNEL.into()], ..Setup::default() };
    let receiver = world.add(&setup, RustCrypto);
    let mut sender = Setup { channels: vec![CHANNEL.into()], ..Setup::default() };
    (sender.limits.session_window, sender.limits.channel_window) = (window, window);
    world.default_link = LinkConfig {
        loss: Probability::from_percent(5),
        reordering: Reordering::new(Probability::from_percent(10), 8, Duration::from_millis(20)),
        delay: Duration::from_millis(10),
        ..LinkConfig::default()
    };
    let mut flows = Flows::default();
    for number in 0..SENDERS {
        let node = world.add(&sender, RustCrypto);
        let (from, to) = world.establish(node, receiver);
        let messages = vec![Message::streamed(40_000, 3000), Message::whole(15_000)];
        let flow = Flow::new((node, from), (receiver, to), CHANNEL, number as u64, messages);
        flows.flows.push(flow.in_chunks_of(4000));
    }
    let done = flows.run(&mut world, seconds(600));
    let finished = flows.flows.iter().filter(|flow| flow.is_done()).count();
    assert!(done, "{finished} have finished");
    let waited =
        world.endpoint(receiver).sessions().filter(|&id| world.session(receiver, id).stats().no_memory > 0).count();
    assert!(waited > 0, "memory was never short, so nothing was shown");
    println!("{waited} of {SENDERS} sessions had to wait for memory; {:?}", world.now());
}

fn two(setup: &Setup) -> (World<RustCrypto>, [(usize, SessionId); 2]) {
    let mut world = World::new(2);
    let (alice, bob) = (world.add(setup, RustCrypto), world.add(setup, RustCrypto));
    let (at_alice, at_bob) = world.establish(alice, bob);
    (world, [(alice, at_alice), (bob, at_bob)])
}

/// A reader that waits for whole messages never sees a part of one: credit for the next must not depend on its reading on.
//= docs/protocol.md P-9-9
#[test]
fn a_message_as_long_as_the_window_arrives_whole_after_any_other() {
    let window = Setup::default().limits.channel_window as usize;
    for first in [0, 1, window / 4, window / 2 - 2, window / 2, window - 1] {
        let (mut world, [from, to]) = two(&Setup::default());
        let messages = vec![Message::whole(first), Message::whole(window - 1), Message::whole(window - 1)];
        let mut flows = Flows { flows: vec![Flow::new(from, to, CHANNEL, 1, messages)] };
        assert!(flows.run(&mut world, seconds(20)), "stuck after a message of {first} bytes");
    }
}

/// The session's credit is one window for all channels; one channel's reading frees what another's whole message needs.
//= docs/protocol.md P-9-9
#[test]
fn a_whole_message_and_a_stream_share_the_credit_of_a_session() {
    let mut setup = Setup::default();
    setup.limits.session_window = setup.limits.channel_window;
    for streamed in [1000, 20_000, 30_000, 40_000, 200_000] {
        let (mut world, [from, to]) = two(&setup);
        // A whole message takes at most its channel's share of the session's credit, else two could wait for each other.
        let whole = Flow::new(from, to, CHANNEL, 1, (0..5).map(|_| Message::whole(21_000)).collect());
        let stream = Flow::new(from, to, ChannelId(17), 2, vec![Message::streamed(streamed, 5000)]).in_chunks_of(3000);
        let mut flows = Flows { flows: vec![whole, stream] };
        assert!(flows.run(&mut world, seconds(30)), "stuck beside a stream of {streamed} bytes");
    }
}

//= docs/protocol.md P-9-8
#[test]
fn a_slow_reader_stops_the_sender_and_loses_nothing() {
    let (mut world, [from, to]) = two(&Setup::default());
    let mut flow = Flow::new(from, to, CHANNEL, 1, (0..300).map(|_| Message::whole(1000)).collect());
    flow.push(&mut world);
    for _ in 0..2000 {
        // Only the sender acts.
        while let Some(event) = world.next_event(from.0) {
            if matches!(event, Event::Writable(..)) {
                flow.push(&mut world);
            }
        }
        if !world.step() || world.now().as_micros() > 30_000_000 {
            break;
        }
    }
    assert!(flow.blocked() > 0 && !flow.is_sent(), "the sender was stopped");
    let stuck = world.session(from.0, from.1).stats();
    world.run_for(seconds(5));
    let later = world.session(from.0, from.1).stats();
    assert_eq!(stuck.packets_lost, 0);
    assert!(later.bytes_sent - stuck.bytes_sent < 1000, "keepalives at most");
    // The reader wakes up; its first event is still there.
    let mut flows = Flows { flows: vec![flow] };
    assert!(flows.resume(&mut world, seconds(10)));
}

/// Threat D22: the announcement of new credit is lost.
//= docs/protocol.md P-9-8
#[test]
fn d22_a_lost_window_update_is_sent_again() {
    let (mut world, [from, to]) = two(&Setup::default());
    let mut flow = Flow::new(from, to, CHANNEL, 1, (0..300).map(|_| Message::whole(1000)).collect());
    flow.push(&mut world);
    world.settle(seconds(1));
    world.take_events(from.0);
    flow.push(&mut world);
    world.settle(seconds(1));
    assert!(!flow.is_sent());
    // The reader reads everything, and the packet that says so is lost.
    world.gate = Some(Box::new(move |departure| departure.from != to.0));
    flow.pull(&mut world);
    world.step();
    assert!(world.session(to.0, to.1).stats().bytes_in_flight > 0, "the window was announced");
    world.gate = None;
    world.take_events(to.0);
    let mut flows = Flows { flows: vec![flow] };
    assert!(flows.resume(&mut world, seconds(20)), "{} of 300", flows.flows[0].received());
}

/// Memory goes back when a session ends: a pool of two windows serves one full window after another.
#[test]
fn a_pool_serves_one_session_after_another() {
    let mut setup = Setup { channels: vec![CHANNEL.into()], ..Setup::default() };
    setup.limits.session_window = setup.limits.channel_window;
    setup.limits = with_smallest_pool(setup.limits, &[CHANNEL]);
    let mut world = World::new(3);
    let (alice, bob) = (world.add(&setup, RustCrypto), world.add(&setup, RustCrypto));
    // All that a sender in so small a pool may hold: a window, less the share of records.
    let length = setup.limits.channel_window as usize / 16 * 15;
    for round in 0..20 {
        let (at_alice, at_bob) = world.establish(alice, bob);
        let flow = Flow::new((alice, at_alice), (bob, at_bob), CHANNEL, round, vec![Message::whole(length)]);
        let mut flows = Flows { flows: vec![flow] };
        assert!(flows.run(&mut world, seconds(20)), "round {round}");
        world.run_for(Duration::from_millis(100));
        // Half of the rounds end with data unread and unacknowledged.
        if round % 2 == 0 {
            world.command(alice, at_alice, |session| session.send(&vec![0; length / 2], CHANNEL)).unwrap();
            world.run_for(Duration::from_millis(15));
        }
        world.command(bob, at_bob, |session| session.abort(round, ""));
        world.run_for(seconds(2));
        for (node, id) in [(alice, at_alice), (bob, at_bob)] {
            assert!(world.take_events(node).contains(&Event::Closed(id)));
            world.forget(node, id);
        }
        world.run_for(seconds(2));
        assert_eq!((world.endpoint(alice).session_count(), world.endpoint(bob).session_count()), (0, 0));
    }
}

/// Sessions of one endpoint share its memory for sending; one that finds it taken is told when to try again.
#[test]
fn senders_that_share_a_pool_all_finish() {
    let mut setup = Setup { channels: vec![CHANNEL.into()], ..Setup::default() };
    (setup.limits.sessions, setup.limits.pending) = (16, 16);
    setup.limits.session_window = setup.limits.channel_window;
    let mut receiver = setup.clone();
    receiver.limits.pool_blocks = 8192;
    setup.limits = with_smallest_pool(setup.limits, &[CHANNEL]);
    let mut world = World::new(4);
    let (alice, bob) = (world.add(&setup, RustCrypto), world.add(&receiver, RustCrypto));
    let mut flows = Flows::default();
    let ids: Vec<_> = (0..10).map(|_| world.establish(alice, bob)).collect();
    for (number, (at_alice, at_bob)) in ids.into_iter().enumerate() {
        let messages = (0..8).map(|_| Message::whole(20_000)).collect();
        flows.flows.push(Flow::new((alice, at_alice), (bob, at_bob), CHANNEL, number as u64, messages));
    }
    let done = flows.run(&mut world, seconds(50));
    let received: Vec<_> = flows.flows.iter().map(Flow::received).collect();
    assert!(done, "{received:?} of 8 each");
    assert!(flows.flows.iter().any(|flow| flow.blocked() > 0));
}
