//! Memory and channels at each of their bounds, over real packets: what `docs/bounds.md` says happens there, nothing is allocated, and
//! once it is drained everything goes on.

use std::time::Duration;

use session_core::{
    ChannelConfig, ChannelId, ChannelLimits, ChannelMode, ChannelOptions, Event, MAX_EXPIRING, OpenChannelError,
    RecvError, RustCrypto, SendError, SendOptions, SessionId,
};
use session_tests::counting::{Counting, without_allocator};
use session_tests::two::{ALICE, BOB, CHANNEL, cut, established, mend, millis, seconds, two_nodes};
use session_tests::{Setup, World};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Another channel of the same mode.
const OTHER: ChannelId = ChannelId(17);

/// Sends until the core does not take more; tells how many messages it took.
fn fill(world: &mut World<RustCrypto>, id: SessionId, channel: ChannelId, message: &[u8]) -> usize {
    for sent in 0..1_000_000 {
        match world.command(ALICE, id, |session| session.send(message, channel)) {
            Ok(_) => {}
            Err(SendError::Blocked) => return sent,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("there is no bound");
}

/// Reads all there is at Bob; tells how many messages there were.
fn drain(world: &mut World<RustCrypto>, id: SessionId, channel: ChannelId) -> usize {
    let mut buffer = [0; 5000];
    let recv = || match world.command(BOB, id, |session| session.recv(&mut buffer, channel)) {
        Ok(length) => length,
        Err(RecvError::Finished) => None,
        Err(error) => panic!("{error}"),
    };
    std::iter::from_fn(recv).count()
}

/// Reads at Bob whatever comes within `time`.
fn drain_for(world: &mut World<RustCrypto>, id: SessionId, channel: ChannelId, time: Duration) -> usize {
    let end = world.now().saturating_add(time);
    let mut read = 0;
    while world.now() < end {
        world.run_for(millis(20));
        read += drain(world, id, channel);
    }
    read
}

fn received(world: &World<RustCrypto>, id: SessionId, channel: ChannelId) -> u64 {
    world.session(BOB, id).channel_stats(channel).expect("a channel").received
}

fn queued(world: &World<RustCrypto>, id: SessionId, channel: ChannelId) -> u64 {
    world.session(ALICE, id).channel_stats(channel).expect("a channel").queued
}

fn was_told(world: &mut World<RustCrypto>, node: usize, event: Event) -> bool {
    world.take_events(node).contains(&event)
}

#[test]
fn send_blocks() {
    without_allocator(|| {
        for blocks in [8, 16] {
            let mut setup = Setup::default();
            setup.limits.send_blocks = blocks;
            let (mut world, at_alice, at_bob) = established(&setup);
            for _ in 0..3 {
                cut(&mut world);
                let before = queued(&world, at_alice, CHANNEL);
                let sent = fill(&mut world, at_alice, CHANNEL, &[1; 99]);
                let held = queued(&world, at_alice, CHANNEL) - before;
                assert!((u64::from(blocks) * 500..u64::from(blocks) * 1024).contains(&held), "{held} of {blocks}");
                world.take_events(ALICE);
                mend(&mut world);
                assert_eq!(drain_for(&mut world, at_bob, CHANNEL, seconds(5)), sent);
                assert!(was_told(&mut world, ALICE, Event::Writable(at_alice, CHANNEL)));
            }
        }
    });
}

#[test]
fn channel_budget() {
    without_allocator(|| {
        let channels = vec![ChannelConfig::from(CHANNEL).with_budget(4), OTHER.into()];
        let (mut world, at_alice, at_bob) = established(&Setup { channels, ..Setup::default() });
        for _ in 0..3 {
            cut(&mut world);
            let before = queued(&world, at_alice, CHANNEL);
            let sent = fill(&mut world, at_alice, CHANNEL, &[1; 99]);
            let held = queued(&world, at_alice, CHANNEL) - before;
            assert!((4 * 500..4 * 1024).contains(&held), "{held}");
            world.command(ALICE, at_alice, |session| session.send(&[2; 5000], OTHER)).expect("it is left to others");
            mend(&mut world);
            assert_eq!(drain_for(&mut world, at_bob, CHANNEL, seconds(5)), sent);
            assert_eq!(drain(&mut world, at_bob, OTHER), 1);
        }
    });
}

/// The pool ends before any channel's own bound, and before anything has left: what fills it can leave all the same.
#[test]
fn pool_blocks_of_senders() {
    without_allocator(|| {
        let mut setup = Setup::default();
        (setup.limits.pool_blocks, setup.limits.send_blocks) = (700, 5000);
        let mut world = two_nodes(&setup);
        let ids: Vec<_> = (0..4).map(|_| world.establish(ALICE, BOB)).collect();
        for first in [0, 1, 2] {
            world.run_for(seconds(1));
            let sent = fill(&mut world, ids[first].0, CHANNEL, &[1; 999]);
            assert!((200..700).contains(&sent), "{sent}");
            for (at_alice, _) in &ids {
                let more = world.command(ALICE, *at_alice, |session| session.send(&[2; 999], OTHER));
                assert_eq!(more, Err(SendError::Blocked), "it is the same memory");
            }
            world.take_events(ALICE);
            assert_eq!(drain_for(&mut world, ids[first].1, CHANNEL, seconds(10)), sent);
            let told = world.take_events(ALICE);
            for (at_alice, at_bob) in &ids {
                assert!(told.contains(&Event::Writable(*at_alice, OTHER)));
                world.command(ALICE, *at_alice, |session| session.send(&[2; 999], OTHER)).expect("there is room");
                assert_eq!(drain_for(&mut world, *at_bob, OTHER, seconds(1)), 1);
            }
        }
    });
}

/// Memory for two windows, and more senders than that: what finds no room is not acknowledged, and comes again.
#[test]
fn pool_blocks_of_receivers() {
    const SENDERS: usize = 4;
    without_allocator(|| {
        let channels: Vec<ChannelConfig> = vec![CHANNEL.into()];
        let mut setup = Setup { channels, ..Setup::default() };
        (setup.limits.session_window, setup.limits.channel_window) = (16_384, 16_384);
        let mut world = two_nodes(&setup);
        setup.limits.pool_blocks = 64;
        let small = world.add(&setup, RustCrypto);
        let ids: Vec<_> = (0..SENDERS).map(|_| world.establish(ALICE, small)).collect();
        for (at_alice, _) in &ids {
            world.command(ALICE, *at_alice, |session| session.send(&[1; 15_000], CHANNEL)).expect("there is room");
        }
        world.run_for(seconds(2));
        let waits = |world: &World<RustCrypto>| {
            ids.iter().filter(|(_, id)| world.session(small, *id).stats().no_memory > 0).count()
        };
        assert!(waits(&world) > 0, "memory was never short");
        let mut buffer = vec![0; 15_000];
        let mut arrived = 0;
        for _ in 0..500 {
            world.run_for(millis(20));
            for (_, id) in &ids {
                let read = world.command(small, *id, |session| session.recv(&mut buffer, CHANNEL));
                arrived += usize::from(read == Ok(Some(15_000)));
            }
        }
        assert_eq!(arrived, SENDERS);
    });
}

#[test]
fn channel_window() {
    without_allocator(|| {
        let setup = Setup::default();
        let window = setup.limits.channel_window;
        let (mut world, at_alice, at_bob) = established(&setup);
        for _ in 0..3 {
            let before = received(&world, at_bob, CHANNEL);
            let sent = fill(&mut world, at_alice, CHANNEL, &[1; 999]);
            world.run_for(seconds(5));
            let unread = received(&world, at_bob, CHANNEL) - before;
            assert_eq!(unread, window, "so much and no more comes");
            assert!(queued(&world, at_alice, CHANNEL) - before > window, "there is more to send");
            world.command(ALICE, at_alice, |session| session.send(&[2; 500], OTHER)).expect("there is room");
            world.run_for(seconds(1));
            assert_eq!(drain(&mut world, at_bob, OTHER), 1, "the credit of one channel");
            assert_eq!(drain_for(&mut world, at_bob, CHANNEL, seconds(10)), sent);
        }
    });
}

#[test]
fn session_window() {
    without_allocator(|| {
        let mut setup = Setup::default();
        setup.limits.session_window = setup.limits.channel_window;
        let window = setup.limits.session_window;
        let (mut world, at_alice, at_bob) = established(&setup);
        let all = |world: &World<RustCrypto>| received(world, at_bob, CHANNEL) + received(world, at_bob, OTHER);
        for _ in 0..3 {
            let before = all(&world);
            let sent = [CHANNEL, OTHER].map(|channel| fill(&mut world, at_alice, channel, &[1; 999]));
            world.run_for(seconds(5));
            assert_eq!(all(&world) - before, window, "so much and no more comes");
            let mut read = [0, 0];
            for _ in 0..200 {
                read[0] += drain(&mut world, at_bob, CHANNEL);
                read[1] += drain_for(&mut world, at_bob, OTHER, millis(50));
            }
            assert_eq!(read, sent);
        }
    });
}

#[test]
fn mailbox_blocks() {
    const UNRELIABLE: ChannelId = ChannelId(21);
    const LATEST: ChannelId = ChannelId(22);
    without_allocator(|| {
        let channels = vec![
            ChannelConfig::new(UNRELIABLE, ChannelMode::Unreliable),
            ChannelConfig::new(LATEST, ChannelMode::LatestValue),
        ];
        let mut setup = Setup { channels, ..Setup::default() };
        setup.limits.mailbox_blocks = 4;
        let (mut world, at_alice, at_bob) = established(&setup);
        let dropped = |world: &World<RustCrypto>, channel| {
            world.session(BOB, at_bob).channel_stats(channel).expect("a channel").dropped_messages
        };
        let mut newest = [0; 2000];
        for round in 1..=3 {
            for value in 1..=10_u8 {
                for (channel, length) in [(UNRELIABLE, 600), (LATEST, 2000)] {
                    let message = vec![value; length];
                    world.command(ALICE, at_alice, |session| session.send(&message, channel)).expect("there is room");
                }
                world.run_for(millis(100));
            }
            assert_eq!(
                dropped(&world, UNRELIABLE),
                6 * round,
                "each takes a block, and the rest is dropped and counted"
            );
            assert_eq!(drain(&mut world, at_bob, UNRELIABLE), 4);
            // Two values of three blocks do not fit: the unread one goes.
            let read = world.command(BOB, at_bob, |session| session.recv(&mut newest, LATEST));
            assert_eq!((read, newest[0]), (Ok(Some(2000)), 10));
            assert_eq!(drain(&mut world, at_bob, LATEST), 0);
        }
        assert_eq!(world.session(ALICE, at_alice).stats().packets_lost, 0, "none of it was taken for lost");
    });
}

/// The second channel finds what the first has left, and all of its own once that was read.
#[test]
fn session_mailbox_blocks() {
    const FIRST: ChannelId = ChannelId(21);
    const SECOND: ChannelId = ChannelId(22);
    without_allocator(|| {
        let channels = [FIRST, SECOND].map(|id| ChannelConfig::new(id, ChannelMode::Unreliable)).to_vec();
        let mut setup = Setup { channels, ..Setup::default() };
        (setup.limits.mailbox_blocks, setup.limits.session_mailbox_blocks) = (4, 6);
        let (mut world, at_alice, at_bob) = established(&setup);
        for round in 1..=3 {
            for (channel, kept) in [(FIRST, 4), (SECOND, 2)] {
                for value in 0..10 {
                    world
                        .command(ALICE, at_alice, |session| session.send(&[value; 600], channel))
                        .expect("there is room");
                    world.run_for(millis(100));
                }
                let dropped = world.session(BOB, at_bob).channel_stats(channel).expect("a channel").dropped_messages;
                assert_eq!(dropped, round * (10 - kept), "{channel:?}");
            }
            assert_eq!([FIRST, SECOND].map(|channel| drain(&mut world, at_bob, channel)), [4, 2]);
        }
    });
}

/// Many small packets and no acknowledgement: neither window nor credit is used up.
#[test]
fn record_blocks() {
    without_allocator(|| {
        let mut left = [0, 0];
        for (left, blocks) in left.iter_mut().zip([2, 64]) {
            let mut setup = Setup::default();
            (setup.limits.record_blocks, setup.limits.block_size) = (blocks, 256);
            (setup.limits.pool_blocks, setup.limits.send_blocks) = (4096, 1024);
            let (mut world, at_alice, at_bob) = established(&setup);
            for _ in 0..2 {
                world.gate = Some(Box::new(|departure| departure.from == ALICE));
                let before = world.session(ALICE, at_alice).stats().packets_sent;
                for _ in 0..60 {
                    world.command(ALICE, at_alice, |session| session.send(&[1; 10], CHANNEL)).expect("there is room");
                    world.run_for(Duration::from_micros(500));
                }
                let stats = world.session(ALICE, at_alice).stats();
                *left = stats.packets_sent - before;
                assert!(stats.bytes_in_flight + 1200 <= stats.congestion_window, "{stats:?}");
                world.gate = None;
                assert_eq!(drain_for(&mut world, at_bob, CHANNEL, seconds(5)), 60);
            }
        }
        assert!(left[0] < 30 && left[1] >= 60, "packets that left: {left:?}");
    });
}

#[test]
fn expiring() {
    without_allocator(|| {
        let (mut world, at_alice, at_bob) = established(&Setup::default());
        let send = |world: &mut World<RustCrypto>, patience| {
            let options = SendOptions::by(world.now().saturating_add(patience));
            world.command(ALICE, at_alice, |session| session.send_with(b"soon", CHANNEL, options))
        };
        for round in 1..=3 {
            cut(&mut world);
            for _ in 0..MAX_EXPIRING {
                send(&mut world, millis(500)).expect("there is a place");
            }
            assert_eq!(send(&mut world, millis(500)), Err(SendError::Blocked));
            world.command(ALICE, at_alice, |session| session.send(b"whenever", CHANNEL)).expect("it needs none");
            world.run_for(seconds(1));
            // Nobody has asked for them, and they give way once the peer knows that they are gone.
            mend(&mut world);
            world.run_for(seconds(5));
            for _ in 0..5 {
                send(&mut world, seconds(5)).expect("there is a place again");
            }
            let stats = world.session(ALICE, at_alice).channel_stats(CHANNEL).expect("a channel");
            assert_eq!(stats.expired_messages, round * u64::from(MAX_EXPIRING));
            let asked = || world.command(ALICE, at_alice, |session| session.take_expired(CHANNEL));
            assert_eq!(std::iter::from_fn(asked).count() as u32, MAX_EXPIRING - 5);
            assert_eq!(drain_for(&mut world, at_bob, CHANNEL, seconds(2)), 6);
        }
    });
}

fn with_dynamic(ours: u32, theirs: u16) -> Setup {
    let mut setup =
        Setup { channel_limits: ChannelLimits::NONE.with(ChannelMode::Unreliable, theirs), ..Setup::default() };
    setup.limits.opened_channels = ours;
    setup
}

/// Opens three channels, is told `expected` for a fourth, and goes through that again when they are gone.
fn open_to_the_bound(setup: &Setup, expected: OpenChannelError) {
    without_allocator(|| {
        let (mut world, at_alice, at_bob) = established(setup);
        let open = |world: &mut World<RustCrypto>| {
            let options = ChannelOptions::default();
            world.command(ALICE, at_alice, |session| session.open_channel(ChannelMode::Unreliable, options))
        };
        for round in 0..3 {
            let ids: Vec<_> = (0..3).map(|_| open(&mut world).expect("it may be opened")).collect();
            assert_eq!(open(&mut world), Err(expected), "{round}");
            for id in &ids {
                world.command(ALICE, at_alice, |session| session.send(b"used", *id)).expect("there is room");
                world.command(ALICE, at_alice, |session| session.finish_channel(*id)).expect("it is open");
            }
            world.run_for(seconds(1));
            for id in ids {
                assert_eq!(drain(&mut world, at_bob, id), 1);
                world.command(BOB, at_bob, |session| session.finish_channel(id)).expect("it is open");
            }
            world.run_for(seconds(1));
        }
    });
}

#[test]
fn opened_channels() {
    open_to_the_bound(&with_dynamic(3, 8), OpenChannelError::Full);
}

#[test]
fn channel_limits() {
    open_to_the_bound(&with_dynamic(8, 3), OpenChannelError::Limit);
}

/// As many sessions as find no place for the record of a packet wait for those that do, and no longer.
#[test]
fn pool_blocks_of_many_senders() {
    const SESSIONS: usize = 12;
    without_allocator(|| {
        let mut setup = Setup::default();
        (setup.limits.sessions, setup.limits.pending) = (SESSIONS as u32, SESSIONS as u32);
        (setup.limits.session_window, setup.limits.channel_window) = (16_384, 16_384);
        (setup.limits.pool_blocks, setup.limits.send_blocks) = (80, 5000);
        let mut world = World::new(1);
        world.add(&setup, RustCrypto);
        setup.limits.pool_blocks = 4096;
        world.add(&setup, RustCrypto);
        let ids: Vec<_> = (0..SESSIONS).map(|_| world.establish(ALICE, BOB)).collect();
        world.run_for(seconds(1));
        for round in 0..3 {
            let mut sent = [0; SESSIONS];
            let mut blocked = 0;
            while blocked < SESSIONS {
                blocked = 0;
                for (number, (at_alice, _)) in ids.iter().enumerate() {
                    match world.command(ALICE, *at_alice, |session| session.send(&[1; 300], CHANNEL)) {
                        Ok(_) => sent[number] += 1,
                        Err(error) => {
                            assert_eq!(error, SendError::Blocked);
                            blocked += 1;
                        }
                    }
                }
            }
            assert!(sent.iter().filter(|sent| **sent > 0).count() > 4, "{sent:?}");
            world.run_for(seconds(2));
            let read: Vec<_> = ids.iter().map(|(_, at_bob)| drain(&mut world, *at_bob, CHANNEL)).collect();
            assert_eq!(read, sent, "{round}");
        }
    });
}
