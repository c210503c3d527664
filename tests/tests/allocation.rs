//! After its constructors the core neither allocates nor frees: counted inside its methods, over everything it does.

use std::time::Duration;

use session_core::{ChannelConfig, ChannelId, ChannelLimits, ChannelMode, Event, Limits, RustCrypto, SendOptions};
use session_sim::{LinkConfig, Probability, Reordering};
use session_tests::counting::{self, Counting};
use session_tests::{Duo, Flow, Flows, Message, Setup, Turnover, World};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CHANNEL: ChannelId = ChannelId(16);
const SESSIONS: usize = 100;

#[test]
#[should_panic(expected = "the core used the allocator")]
fn a_planted_allocation_is_noticed() {
    counting::take();
    counting::inside(|| drop(vec![1_u8]));
    counting::assert_none();
}

#[test]
#[should_panic(expected = "the core used the allocator")]
fn a_planted_growth_is_noticed() {
    let mut bytes = Vec::with_capacity(1);
    bytes.push(1_u8);
    counting::take();
    counting::inside(|| bytes.extend([2; 100]));
    counting::assert_none();
}

#[test]
fn what_is_outside_the_core_is_not_counted() {
    counting::take();
    drop(vec![1_u8]);
    counting::inside(|| ());
    counting::assert_none();
}

/// Room for a hundred sessions, of which a part keeps its keys expanded.
fn hundred_sessions(pool_blocks: u32) -> Limits {
    let mut limits = Limits::default();
    limits.sessions = 128;
    limits.pending = 128;
    limits.pool_blocks = pool_blocks;
    limits.hot_keys = 32;
    limits
}

/// Loss, reordering, 64 KiB messages and back-pressure over a hundred sessions of one endpoint, then the end of all of them.
#[test]
fn a_hundred_sessions_live_and_end_without_the_allocator() {
    let packets: u64 = if std::env::var_os("CASES").is_some() { 1_000_000 } else { 100_000 };
    let mut limits = hundred_sessions(32_768);
    limits.session_window = 66 * 1024;
    limits.channel_window = 66 * 1024;
    limits.send_blocks = 100;
    limits.record_blocks = 32;
    let setup = Setup { limits, channels: vec![CHANNEL.into()], ..Setup::default() };
    let mut world = World::new(7);
    let (alice, bob) = (world.add(&setup, RustCrypto), world.add(&setup, RustCrypto));
    let sessions: Vec<_> = (0..SESSIONS).map(|_| world.establish(alice, bob)).collect();
    let link = LinkConfig {
        loss: Probability::from_percent(3),
        duplication: Probability::from_percent(1),
        reordering: Reordering::new(Probability::from_percent(3), 32, Duration::from_millis(20)),
        delay: Duration::from_millis(10),
        ..LinkConfig::default()
    };
    world.set_link(alice, bob, link);

    counting::take();
    let before = world.packets();
    let mut blocked = 0;
    let mut round = 0;
    while world.packets() - before < packets {
        let mut flows = Flows::default();
        for (number, (at_alice, at_bob)) in sessions.iter().enumerate() {
            let ends = [(alice, *at_alice), (bob, *at_bob)];
            let [from, to] = if number % 2 == 0 { ends } else { [ends[1], ends[0]] };
            let sizes = [65_536, 10_000, 0, 65_536];
            flows.flows.push(Flow::new(
                from,
                to,
                CHANNEL,
                round * 1000 + number as u64,
                sizes.map(Message::whole).to_vec(),
            ));
        }
        assert!(flows.run(&mut world, Duration::from_secs(120)), "round {round}");
        blocked += flows.flows.iter().map(Flow::blocked).sum::<u64>();
        round += 1;
        // Until all is acknowledged, so that the next round does not begin blocked.
        world.run_for(Duration::from_secs(3));
        world.take_events(alice);
        world.take_events(bob);
    }
    assert!(blocked > 0, "nobody met back-pressure");
    assert!(world.faults().lost > 0 && world.faults().reordered > 0 && world.faults().duplicated > 0);
    counting::assert_none();

    for (number, (at_alice, at_bob)) in sessions.iter().enumerate() {
        match number % 3 {
            0 => world.command(alice, *at_alice, |session| session.close(1, "enough")),
            1 => world.command(bob, *at_bob, |session| session.abort(2, "at once")),
            _ => world.command(alice, *at_alice, |session| session.abort(3, "at once")),
        }
    }
    // A CLOSE that is lost comes again when the other side asks, at the latest one keepalive interval later.
    world.run_for(Duration::from_secs(20));
    for node in [alice, bob] {
        let events = world.take_events(node);
        let closed: Vec<_> =
            events.iter().filter_map(|event| if let Event::Closed(id) = event { Some(*id) } else { None }).collect();
        assert_eq!(closed.len(), SESSIONS);
        closed.into_iter().for_each(|id| world.forget(node, id));
    }
    world.run_for(Duration::from_secs(30));
    assert_eq!((world.endpoint(alice).session_count(), world.endpoint(bob).session_count()), (0, 0));
    counting::assert_none();
}

/// Messages of every mode, some lost, some dropped, some replaced.
#[test]
fn every_mode_works_without_the_allocator() {
    let modes = [ChannelMode::ReliableUnordered, ChannelMode::Unreliable, ChannelMode::LatestValue];
    let channels: Vec<_> = modes.iter().zip(20..).map(|(mode, id)| ChannelConfig::new(ChannelId(id), *mode)).collect();
    let ids: Vec<_> = channels.iter().map(|channel| channel.id).collect();
    let setup = Setup { channels, ..Setup::default() };
    let mut world = World::new(11);
    let (alice, bob) = (world.add(&setup, RustCrypto), world.add(&setup, RustCrypto));
    let (at_alice, at_bob) = world.establish(alice, bob);
    let loss = Probability::from_percent(10);
    world.set_link(alice, bob, LinkConfig { loss, delay: Duration::from_millis(10), ..LinkConfig::default() });
    let message = [7; 5000];
    let mut buffer = [0; 5000];
    let mut received = [0_u32; 3];

    counting::take();
    for round in 0..500_usize {
        for (channel, received) in ids.iter().zip(&mut received) {
            let length = round * 37 % message.len();
            let _ = world.command(alice, at_alice, |session| session.send(&message[..length], *channel));
            while let Ok(Some(_)) = world.command(bob, at_bob, |session| session.recv(&mut buffer, *channel)) {
                *received += 1;
            }
        }
        world.run_for(Duration::from_millis(7));
        while world.next_event(alice).is_some() || world.next_event(bob).is_some() {}
    }
    counting::assert_none();
    assert!(received.iter().all(|received| *received > 20), "{received:?}");
    assert!(world.session(alice, at_alice).channel_stats(ids[1]).unwrap().lost_messages > 0);
}

/// Channels come and go in every mode and every way, messages on them and on agreed ones are late: from the first on. The slabs have 64 places at
/// first, more than are in use here at once.
#[test]
fn deadlines_and_dynamic_channels_work_without_the_allocator() {
    let mut limits = Setup::default().limits;
    limits.opened_channels = 8;
    let channel_limits = ChannelMode::ALL.iter().fold(ChannelLimits::NONE, |limits, mode| limits.with(*mode, 2));
    // The dynamic channels take what the network gives.
    let channels = vec![ChannelConfig::from(CHANNEL).with_priority(0)];
    let setup = Setup { limits, channel_limits, channels, ..Setup::default() };
    let mut world = World::new(13);
    let (alice, bob) = (world.add(&setup, RustCrypto), world.add(&setup, RustCrypto));
    let (at_alice, at_bob) = world.establish(alice, bob);
    let loss = Probability::from_percent(15);
    world.set_link(alice, bob, LinkConfig { loss, delay: Duration::from_millis(10), ..LinkConfig::default() });
    let mut turnover = Turnover::new([(alice, at_alice), (bob, at_bob)]);
    let mut buffer = [0; 900];
    let (mut received, mut expired) = (0, 0);

    counting::take();
    for _ in 0..1000 {
        let late = SendOptions::by(world.now().saturating_add(Duration::from_millis(40)));
        let _ = world.command(alice, at_alice, |session| session.send_with(&[7; 900], CHANNEL, late));
        turnover.act(&mut world, Duration::from_millis(10));
        while let Ok(Some(_)) = world.command(bob, at_bob, |session| session.recv(&mut buffer, CHANNEL)) {
            received += 1;
        }
        while world.command(alice, at_alice, |session| session.take_expired(CHANNEL)).is_some() {
            expired += 1;
        }
    }
    counting::assert_none();
    assert!(received > 100 && expired > 100, "{received} received, {expired} expired");
    let Turnover { opened, received, expired, finished, reset, closed, .. } = turnover;
    let counts = [opened, received, expired, finished, reset, closed];
    assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
}

/// Slots, tables and blocks of sessions that are gone serve the next ones.
#[test]
fn sessions_open_again_without_the_allocator() {
    let setup = Setup { limits: hundred_sessions(8192), channels: vec![CHANNEL.into()], ..Setup::default() };
    let mut world = World::new(11);
    let (alice, bob) = (world.add(&setup, RustCrypto), world.add(&setup, RustCrypto));
    for round in 0..3 {
        counting::take();
        let sessions: Vec<_> = (0..SESSIONS).map(|_| world.establish(alice, bob)).collect();
        for (at_alice, _) in &sessions {
            world.command(alice, *at_alice, |session| session.close(0, "again"));
        }
        world.run_for(Duration::from_secs(5));
        for (at_alice, at_bob) in sessions {
            world.forget(alice, at_alice);
            world.forget(bob, at_bob);
        }
        assert_eq!((world.endpoint(alice).session_count(), world.endpoint(bob).session_count()), (0, 0));
        if round > 0 {
            counting::assert_none();
        }
    }
}

/// The constructor was the last to ask for memory: from the first connect on, whoever begins, whoever ends it, and however.
#[test]
fn a_stand_alone_session_connects_again_without_the_allocator() {
    let setup = Setup { channels: vec![CHANNEL.into()], ..Setup::default() };
    let mut duo = Duo::new(&setup);
    counting::take();
    for round in 0..100 {
        duo.live(round % 2, round / 2 % 2, round / 4 % 2 == 0, &[1, 20_000]);
    }
    counting::assert_none();
}
