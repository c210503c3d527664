//! Every mode through the handles: what each promises is the core's, here it must come through.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use session_core::{ChannelConfig, ChannelMode};

use super::*;
use crate::fake::{Node, World, join, pattern, small_limits};
use crate::{RequestOptions, Session};

const MODES: [(ChannelId, ChannelMode); 4] = [
    (ChannelId(16), ChannelMode::ReliableOrdered),
    (ChannelId(17), ChannelMode::ReliableUnordered),
    (ChannelId(18), ChannelMode::Unreliable),
    (ChannelId(19), ChannelMode::LatestValue),
];

fn open(world: &mut World) -> (Node, Node, Session, Session) {
    let mut node = || {
        world.node_with(64, 64, |builder| {
            let builder = builder.limits(small_limits());
            MODES.iter().fold(builder, |builder, (id, mode)| builder.channel(ChannelConfig::new(*id, *mode)))
        })
    };
    let (a, b) = (node(), node());
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    (a, b, near.expect("connects"), far.expect("accepts"))
}

#[test]
fn messages_of_every_mode_come_through() {
    for (id, mode) in MODES {
        let mut world = World::new();
        let (_a, _b, near, far) = open(&mut world);
        let (sender, receiver) = (near.channel(id), far.channel(id));
        // One at a time, so that none replaces another; longer than a datagram and than what is read at a time of a stream.
        for length in [0, 1, 1500, 5000] {
            let sent = pattern(length, 3);
            let mut message = Vec::new();
            let (done, received) = world.run(join(sender.send(&sent), receiver.recv(&mut message, 5000)));
            assert!(done.is_ok() && received == Ok(Some(length)) && message == sent, "{mode:?}, {length} bytes");
        }
        world.run(sender.send(&pattern(100, 4))).expect("sends");
        let mut message = Vec::new();
        assert_eq!(world.run(receiver.recv(&mut message, 99)), Err(RecvError::TooLong), "{mode:?}");
        assert_eq!(world.run(receiver.recv(&mut message, 100)), Ok(Some(100)), "{mode:?}: it is still there");
        let mut messages = receiver.messages(100);
        world.run(sender.send(b"in a stream")).expect("sends");
        let next = world.run(poll_fn(|context| Pin::new(&mut messages).poll_next(context)));
        assert_eq!(next, Some(Ok(b"in a stream".to_vec())), "{mode:?}");
        world.run(near.close(0, "done"));
        assert_eq!(world.run(receiver.recv(&mut Vec::new(), 100)), Ok(None), "{mode:?}");
    }
}

#[test]
fn pieces_are_for_ordered_channels() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world);
    for (id, mode) in &MODES[1..] {
        let (sender, receiver) = (near.channel(*id), far.channel(*id));
        assert_eq!(world.run(sender.begin()), Err(SendError::WholeOnly), "{mode:?}");
        let mut writer = sender.byte_writer();
        let error = world.run(poll_fn(|context| writer.poll_write(context, b"x"))).expect_err("no pieces");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{mode:?}");
        world.run(sender.send(b"whole")).expect("sends");
        let mut whole = [0; 5];
        let pause = world.sleep(Duration::from_secs(1));
        world.run(pause);
        assert_eq!(world.run(receiver.read(&mut whole[..4])), Err(RecvError::WholeOnly), "{mode:?}");
        let chunk = world.run(receiver.read(&mut whole)).expect("reads").expect("is open");
        assert_eq!((chunk.begin, chunk.end, &whole[..chunk.length]), (true, true, &b"whole"[..]), "{mode:?}");
    }
}

/// Requests are for any pair of channels; where one may lose them, the deadline is what ends them.
#[test]
fn requests_go_over_every_mode_that_keeps_every_message() {
    for (id, mode) in &MODES[..3] {
        let mut world = World::new();
        let (_a, _b, near, far) = open(&mut world);
        let options = RequestOptions::on(*id);
        let requester = near.requester(options).expect("the pair is free");
        let responder = far.responder(options).expect("the pair is free");
        let mut asked = BTreeSet::new();
        world.run(join(
            async {
                for number in 0..50_u8 {
                    let question = pattern(usize::from(number) * 90, number);
                    let answer = requester.request(&question, Duration::from_secs(5)).await;
                    assert!(answer == Ok(question), "{mode:?}, question {number}");
                }
            },
            async {
                for _ in 0..50 {
                    let request = responder.next().await.expect("the session lives");
                    assert!(asked.insert(request.bytes().to_vec()), "{mode:?}: asked twice");
                    let answer = request.bytes().to_vec();
                    request.respond(&answer).await.expect("is waited for");
                }
            },
        ));
    }
}

#[test]
fn the_newest_value_arrives() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world);
    let (sender, receiver) = (near.channel(ChannelId(19)), far.channel(ChannelId(19)));
    let fetched = world.run(join(
        async {
            for value in 1..=1000_u32 {
                sender.send(&value.to_be_bytes()).await.expect("sends");
            }
        },
        async {
            let (mut fetched, mut newest, mut message) = (0, 0, Vec::new());
            while newest < 1000 {
                message.clear();
                receiver.recv(&mut message, 4).await.expect("receives");
                let value = u32::from_be_bytes(message[..].try_into().expect("four bytes"));
                assert!(value > newest, "an old value");
                (fetched, newest) = (fetched + 1, value);
            }
            fetched
        },
    ));
    assert!(fetched.1 < 1000, "the old ones were left out");
}

#[test]
fn delivered_waits_for_the_application_and_flushed_does_not() {
    let mut world = World::new();
    let mut node = || {
        world.node_with(64, 64, |builder| {
            builder.limits(small_limits()).channel(ChannelConfig::from(ChannelId(16)).with_receipts())
        })
    };
    let (a, b) = (node(), node());
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    let (near, far) = (near.expect("connects"), far.expect("accepts"));
    let (sender, receiver) = (near.channel(ChannelId(16)), far.channel(ChannelId(16)));
    world.run(async {
        sender.send(b"message").await.expect("sends");
        sender.flushed().await.expect("the stack has it");
        let mut delivered = std::pin::pin!(sender.delivered());
        let pending = poll_fn(|context| std::task::Poll::Ready(delivered.as_mut().poll(context).is_pending())).await;
        assert!(pending, "nobody has read it");
        let mut message = Vec::new();
        assert_eq!(receiver.recv(&mut message, 100).await, Ok(Some(7)));
        delivered.await.expect("is taken");
        sender.send(b"unread").await.expect("sends");
        near.abort(1, "gone");
        assert!(matches!(sender.delivered().await, Err(SendError::Closed(Some(_)))));
    });
}

#[test]
fn a_message_that_is_late_is_named_and_the_next_arrives() {
    for (id, mode) in &MODES[..2] {
        let mut world = World::new();
        let (_a, _b, near, far) = open(&mut world);
        let (sender, receiver) = (near.channel(*id), far.channel(*id));
        let clock = &sender.session.shared.clock;
        let now = clock.timer(clock.now());
        assert_eq!(world.run(sender.send_by(b"too late", now)), Err(SendError::Late), "{mode:?}");
        // Nobody reads: when credit and room are at their end, messages are late.
        let deadline = now + Duration::from_secs(1);
        let mut sent = Vec::new();
        let refused = loop {
            match world.run(sender.send_by(&pattern(3000, 1), deadline)) {
                Ok(message) => sent.push(message),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, SendError::Late, "{mode:?}");
        let late = world.run(sender.expired()).expect("the session lives");
        assert!(
            sent.contains(&late) && near.channel_stats(*id).is_some_and(|stats| stats.expired_messages >= 1),
            "{mode:?}"
        );
        let mut message = Vec::new();
        let (done, ()) = world.run(join(sender.send(b"in time"), async {
            while message != b"in time" {
                message.clear();
                receiver.recv(&mut message, 3000).await.expect("receives");
            }
        }));
        assert!(done.is_ok(), "{mode:?}");
        assert!(world.run(receiver.skipped(0)).is_some_and(|positions| positions >= 3001), "{mode:?}");
    }
}
