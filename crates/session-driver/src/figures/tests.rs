use std::net::SocketAddr;
use std::time::Duration;

use session_core::{ChannelConfig, ChannelMode, CloseCode, ClosedBy};

use super::*;
use crate::error::{ConnectError, SendError};
use crate::fake::{Node, World, join, lose, small_limits};

const RELIABLE: ChannelId = ChannelId(16);
const UNRELIABLE: ChannelId = ChannelId(17);

fn node(world: &mut World) -> Node {
    world.node_with(64, 64, |builder| {
        let mut limits = small_limits();
        limits.mailbox_blocks = 2;
        let unreliable = ChannelConfig::new(UNRELIABLE, ChannelMode::Unreliable);
        builder.limits(limits).channel(RELIABLE).channel(unreliable)
    })
}

fn open(world: &mut World, a: &Node, b: &Node) -> (Session, Session) {
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    (near.expect("connects"), far.expect("accepts"))
}

#[test]
fn a_message_that_is_lost_on_the_way_is_told() {
    let mut world = World::new();
    let (a, b) = (node(&mut world), node(&mut world));
    let (near, far) = open(&mut world, &a, &b);
    let channel = near.channel(UNRELIABLE);
    world.run(channel.send(b"arrives")).expect("sends");
    let pause = world.sleep(Duration::from_secs(1));
    world.run(pause);
    for lost in 1..=3 {
        lose(&a, 1);
        world.run(channel.send(b"is lost")).expect("sends");
        assert_eq!(world.run(channel.lost(lost - 1)), Some(lost));
    }
    assert_eq!(near.channel_stats(UNRELIABLE).expect("there is one").lost_messages, 3);
    // Nothing is lost any more: the question is answered by the end.
    let (answer, _) = world.run(join(channel.lost(3), near.close(0, "")));
    assert_eq!(answer, None);
    assert_eq!(far.channel_stats(UNRELIABLE).expect("there is one").received, 0, "its messages have no offsets");
}

#[test]
fn messages_nobody_fetches_are_counted_by_who_drops_them() {
    let mut world = World::new();
    let (a, b) = (node(&mut world), node(&mut world));
    let (near, far) = open(&mut world, &a, &b);
    for _ in 0..5 {
        // Two of them find no room in one block.
        world.run(near.channel(UNRELIABLE).send(&[7; 600])).expect("sends");
        // Each in a datagram of its own.
        let pause = world.sleep(Duration::from_millis(100));
        world.run(pause);
    }
    world.run(near.close(0, ""));
    let stats = far.channel_stats(UNRELIABLE).expect("there is one");
    assert_eq!((stats.dropped_messages, near.stats().packets_lost), (3, 0));
}

#[test]
fn an_end_says_what_arrived_what_nobody_knows_and_what_never_left() {
    let mut world = World::new();
    let (a, b) = (node(&mut world), node(&mut world));
    let (near, far) = open(&mut world, &a, &b);
    let channel = near.channel(RELIABLE);
    world.run(channel.send(b"arrives")).expect("sends");
    world.run(channel.flushed()).expect("arrives");
    assert_eq!(near.close_report(RELIABLE), None, "it lives");
    // The peer is gone, and nobody tells.
    lose(&a, 1000);
    let large = vec![7; 16_000];
    world.run(channel.send(&large)).expect("sends");
    let pause = world.sleep(Duration::from_millis(100));
    world.run(pause);
    near.abort(1, "enough");
    world.run(near.closed());
    let report = near.close_report(RELIABLE).expect("it has ended");
    assert_eq!(report.acked, 8);
    assert!(report.unknown > 0 && report.unsent > 0, "{report:?}");
    assert_eq!(report.acked + report.unknown + report.unsent, 8 + 16_001);
    let stats = (near.stats(), near.discards(), near.channel_stats(RELIABLE));
    // The core keeps nothing of it after a while; the handle does.
    let pause = world.sleep(Duration::from_secs(60));
    world.run(pause);
    assert_eq!(near.uid(), None, "the core has forgotten it");
    assert_eq!(near.close_report(RELIABLE), Some(report));
    assert_eq!((near.stats(), near.discards(), near.channel_stats(RELIABLE)), stats);
    assert_eq!((near.channel_stats(ChannelId(99)), near.close_report(ChannelId(99))), (None, None));
    drop(far);
}

#[test]
fn an_attempt_without_an_answer_says_whether_anything_came_back() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let nowhere = SocketAddr::from(([10, 0, 0, 99], 1));
    let attempt = world.run(a.endpoint.connect(b.key, nowhere));
    let Err(ConnectError::Ended { reason, heard }) = attempt else { panic!("connected") };
    assert_eq!((reason.by, reason.code, heard), (ClosedBy::Deadline, CloseCode::NO_ANSWER, Heard::Nothing));
    // A refusal is an answer.
    let (attempt, ()) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        drop(b.endpoint.accept().await.expect("the endpoint lives"));
    }));
    let Err(ConnectError::Ended { heard, .. }) = attempt else { panic!("connected") };
    assert_eq!(heard, Heard::Peer);
}

/// The session ends, and the core forgets it, before anybody asks.
#[test]
fn messages_that_were_late_are_named_and_counted_after_the_end() {
    let mut world = World::new();
    let (a, b) = (node(&mut world), node(&mut world));
    let (near, _far) = open(&mut world, &a, &b);
    let channel = near.channel(RELIABLE);
    lose(&a, 1000);
    let clock = &near.handle().shared.clock;
    let deadline = clock.timer(clock.now()) + Duration::from_millis(100);
    let late = world.run(channel.send_by(b"late", deadline)).expect("there is room");
    let pause = world.sleep(Duration::from_millis(200));
    world.run(pause);
    near.abort(1, "enough");
    let pause = world.sleep(Duration::from_secs(60));
    world.run(pause);
    assert_eq!(near.uid(), None, "the core has forgotten it");
    assert_eq!(world.run(channel.expired()), Ok(late));
    assert!(matches!(world.run(channel.expired()), Err(SendError::Closed(Some(_)))));
    assert_eq!(
        near.close_report(RELIABLE).map(|report| (report.expired_messages, report.is_complete())),
        Some((1, true))
    );
}
