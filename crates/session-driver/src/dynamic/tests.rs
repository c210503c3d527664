//! Channels that come and go, through the handles.

use std::future::poll_fn;
use std::io::ErrorKind;

use session_core::{ChannelId, ChannelLimits, ChannelMode, ChannelOptions, EndChannelError, OpenChannelError};

use crate::fake::{Node, World, join, lose, pattern, small_limits};
use crate::shared::State;
use crate::{RecvError, SendError, Session};

const ORDERED: ChannelMode = ChannelMode::ReliableOrdered;

fn open(world: &mut World, channels: u16) -> (Node, Node, Session, Session) {
    let mut node = || {
        world.node_with(64, 64, |builder| {
            let limits = ChannelMode::ALL.iter().fold(ChannelLimits::NONE, |all, mode| all.with(*mode, channels));
            let mut bounds = small_limits();
            bounds.opened_channels = 4 * u32::from(channels);
            bounds.session_window = 1 << 20;
            bounds.pool_blocks = 16_384;
            builder.channel_limits(limits).limits(bounds)
        })
    };
    let (a, b) = (node(), node());
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    (a, b, near.expect("connects"), far.expect("accepts"))
}

/// Waits until nothing is on its way.
fn settle(world: &mut World) {
    let pause = world.sleep(std::time::Duration::from_secs(1));
    world.run(pause);
}

/// What the driver keeps of channels of a session.
fn kept(session: &Session) -> usize {
    let handle = session.handle();
    handle.shared.with(|state, _| state.sessions.get(&handle.id).map_or(0, |record| record.dynamic.len()))
}

#[test]
fn a_channel_of_every_mode_is_opened_accepted_and_read_to_its_end() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world, 2);
    for mode in ChannelMode::ALL {
        let channel = world.run(near.open_channel(mode, ChannelOptions::default())).expect("there is room");
        world.run(channel.send(b"question")).expect("sends");
        channel.end().expect("ends");
        assert_eq!(world.run(channel.send(b"more")), Err(SendError::Finished), "{mode:?}");
        let other = world.run(far.accept_channel()).expect("the session lives");
        assert_eq!(other.id(), channel.id());
        let mut message = Vec::new();
        assert_eq!(world.run(other.recv(&mut message, 100)), Ok(Some(8)), "{mode:?}");
        assert_eq!(world.run(other.recv(&mut Vec::new(), 100)), Ok(None), "{mode:?}: its end");
        world.run(other.send(b"answer")).expect("sends");
        other.end().expect("ends");
        let mut answer = Vec::new();
        assert_eq!(world.run(channel.recv(&mut answer, 100)), Ok(Some(6)), "{mode:?}");
        assert_eq!(world.run(channel.recv(&mut Vec::new(), 100)), Ok(None), "{mode:?}");
        settle(&mut world);
        // The core has forgotten it, the handles have not.
        assert_eq!(world.run(channel.recv(&mut Vec::new(), 100)), Ok(None), "{mode:?}");
        assert_eq!(world.run(other.send(b"")), Err(SendError::Finished), "{mode:?}");
        assert_eq!(world.run(channel.flushed()), Ok(()), "{mode:?}");
        assert_eq!((kept(&near), kept(&far)), (1, 1));
        drop((channel, other));
        assert_eq!((kept(&near), kept(&far)), (0, 0));
    }
    world.run(near.close(0, "done"));
    assert!(world.run(far.accept_channel()).is_none());
    let error = world.run(near.open_channel(ORDERED, ChannelOptions::default())).expect_err("it is closed");
    assert_eq!(error, OpenChannelError::NotEstablished);
}

#[test]
fn opening_waits_for_room_at_the_peer() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world, 1);
    for round in 0..20 {
        let (opened, ()) = world.run(join(near.open_channel(ORDERED, ChannelOptions::default()), async {
            if round > 0 {
                // The one before is read to its end and dropped, which makes room.
                let other = far.accept_channel().await.expect("the session lives");
                while let Ok(Some(_)) = other.recv(&mut Vec::new(), 100).await {}
            }
        }));
        let channel = opened.expect("there is room in the end");
        world.run(channel.send(b"x")).expect("sends");
        channel.end().expect("ends");
    }
}

#[test]
fn reset_and_stop_are_told_with_their_codes() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world, 1);
    let channel = world.run(near.open_channel(ORDERED, ChannelOptions::default())).expect("there is room");
    world.run(channel.send(b"x")).expect("sends");
    let other = world.run(far.accept_channel()).expect("the session lives");
    channel.reset(7).expect("resets");
    other.stop(8).expect("stops");
    assert_eq!(other.stop(8), Err(EndChannelError::Ended));
    world.run(other.send(b"y")).expect("the other direction is open");
    assert_eq!(world.run(other.recv(&mut Vec::new(), 9)), Err(RecvError::Stopped));
    channel.stop(9).expect("stops");
    settle(&mut world);
    assert_eq!(world.run(other.send(b"y")), Err(SendError::Stopped(9)));
    assert_eq!(world.run(channel.send(b"x")), Err(SendError::Finished));
    let channel = world.run(near.open_channel(ORDERED, ChannelOptions::default())).expect("there is room again");
    world.run(channel.send(b"x")).expect("sends");
    let other = world.run(far.accept_channel()).expect("the session lives");
    channel.reset(7).expect("resets");
    settle(&mut world);
    assert_eq!(world.run(other.recv(&mut Vec::new(), 9)), Err(RecvError::Reset(7)));
    // An agreed channel has no end of its own.
    assert_eq!(near.channel(ChannelId(16)).end(), Err(EndChannelError::Agreed));
}

#[test]
fn a_byte_stream_that_is_dropped_is_given_up_and_one_that_is_shut_down_is_whole() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world, 1);
    for whole in [false, true] {
        let channel = world.run(near.open_channel(ORDERED, ChannelOptions::default())).expect("there is room");
        let mut writer = channel.byte_writer();
        let bytes = pattern(300, 1);
        let written = world.run(poll_fn(|context| writer.poll_write(context, &bytes))).expect("writes");
        assert_eq!(written, 300);
        let other = world.run(far.accept_channel()).expect("the session lives");
        let mut reader = other.byte_reader();
        let mut out = [0; 400];
        let read = world.run(poll_fn(|context| reader.poll_read(context, &mut out))).expect("reads");
        assert_eq!((read, &out[..300]), (300, &bytes[..]));
        if whole {
            world.run(poll_fn(|context| writer.poll_finish(context))).expect("shuts down");
        }
        drop(writer);
        let last = world.run(poll_fn(|context| reader.poll_read(context, &mut out)));
        match last {
            Ok(0) if whole => {}
            Err(error) if !whole => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            other => panic!("{whole}: {other:?}"),
        }
        drop((channel, other, reader));
        settle(&mut world);
        assert_eq!((kept(&near), kept(&far)), (0, 0));
    }
}

/// A peer opens channels and ends them at once, over and over, and nobody accepts any.
#[test]
fn channels_that_are_gone_before_they_are_accepted_are_not_kept() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world, 1);
    for _ in 0..20 {
        let channel = world.run(near.open_channel(ORDERED, ChannelOptions::default())).expect("there is room");
        channel.reset(1).expect("resets");
        channel.stop(2).expect("stops");
        drop(channel);
        settle(&mut world);
    }
    let handle = far.handle();
    let waiting = handle.shared.with(|state, _| state.sessions.get(&handle.id).map(|record| record.opened.len()));
    assert_eq!((kept(&near), kept(&far), waiting), (0, 0, Some(0)));
    let channel = world.run(near.open_channel(ORDERED, ChannelOptions::default())).expect("there is room");
    world.run(channel.send(b"x")).expect("sends");
    let other = world.run(far.accept_channel()).expect("the session lives");
    assert_eq!(other.id(), channel.id());
}

#[test]
fn who_waits_for_news_of_a_channel_is_told_when_it_is_gone() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world, 1);
    let channel = world.run(near.open_channel(ORDERED, ChannelOptions::default())).expect("there is room");
    world.run(channel.send(b"x")).expect("sends");
    let other = world.run(far.accept_channel()).expect("the session lives");
    let waiting = join(join(channel.lost(0), channel.skipped(0)), channel.expired());
    let ((lost, skipped), expired) = world
        .run(join(waiting, async {
            for handle in [&channel, &other] {
                handle.reset(7).expect("it is open");
                let _ = handle.stop(7);
            }
        }))
        .0;
    assert_eq!((lost, skipped), (None, None));
    assert!(expired.is_err(), "{expired:?}");
    // And who asks afterwards waits for nothing either.
    assert_eq!(world.run(join(channel.lost(0), other.skipped(0))), (None, None));
    assert!(world.run(other.expired()).is_err());
}

/// Whoever asks late, or not at all: the core forgets the names with the channel.
#[test]
fn messages_that_were_late_are_named_after_the_channel_is_gone() {
    let mut world = World::new();
    let (a, _b, near, _far) = open(&mut world, 1);
    let handle = near.handle();
    for asks in [true, false] {
        let channel = world.run(near.open_channel(ORDERED, ChannelOptions::default())).expect("there is room");
        lose(&a, 1000);
        let clock = &handle.shared.clock;
        let deadline = clock.timer(clock.now()) + std::time::Duration::from_millis(100);
        let late = world.run(channel.send_by(b"late", deadline)).expect("there is room");
        let later = world.run(channel.send_by(b"later", deadline)).expect("there is room");
        settle(&mut world);
        a.calls.send_faults.lock().unwrap().clear();
        channel.reset(1).expect("resets");
        channel.stop(2).expect("stops");
        settle(&mut world);
        assert_eq!(near.channel_stats(channel.id()), None, "it is gone");
        if asks {
            assert_eq!(world.run(channel.expired()), Ok(late));
            assert_eq!(world.run(channel.expired()), Ok(later));
            assert_eq!(world.run(channel.expired()), Err(SendError::Finished));
        }
        drop(channel);
        let forgotten = |state: &State| state.sessions.get(&handle.id).is_some_and(|record| record.expired.is_empty());
        assert!(handle.shared.with(|state, _| forgotten(state)), "asks: {asks}");
    }
}
