use std::future::poll_fn;

use session_core::ChannelId;

use super::*;
use crate::fake::{Node, World, join, pattern};
use crate::session::Session;

const CHANNEL: ChannelId = ChannelId(16);

fn open(world: &mut World) -> (Node, Node, Session, Session) {
    let (a, b) = (world.node(), world.node());
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    (a, b, near.expect("connects"), far.expect("accepts"))
}

async fn next(messages: &mut Messages) -> Option<Result<Vec<u8>, RecvError>> {
    poll_fn(|context| Pin::new(&mut *messages).poll_next(context)).await
}

/// As a combinator does that gives up now and then: ready, hand over, flush, each asked a few times.
async fn send(sink: &mut MessageSink, message: Vec<u8>) -> Result<(), SendError> {
    poll_fn(|context| Pin::new(&mut *sink).poll_ready(context)).await?;
    Pin::new(&mut *sink).start_send(message)
}

#[test]
fn messages_go_through_a_sink_and_come_out_of_a_stream() {
    let mut world = World::new();
    let (a, b, near, far) = open(&mut world);
    let lengths = [0, 1, 14_000, 9000, 14_000, 14_000, 3, 14_000];
    let mut sink = near.channel(CHANNEL).message_sink();
    let mut messages = far.channel(CHANNEL).messages(14_000);
    world.run(join(
        async {
            for (number, length) in lengths.into_iter().enumerate() {
                send(&mut sink, pattern(length, number as u8)).await.expect("sends");
            }
            poll_fn(|context| Pin::new(&mut sink).poll_close(context)).await.expect("sends the last one too");
            near.close(0, "done").await;
        },
        async {
            for (number, length) in lengths.into_iter().enumerate() {
                assert!(next(&mut messages).await == Some(Ok(pattern(length, number as u8))), "message {number}");
            }
            assert_eq!(next(&mut messages).await, None);
            assert_eq!(next(&mut messages).await, None);
        },
    ));
    assert!(matches!(world.run(send(&mut sink, vec![1])), Ok(())), "it takes one while it is empty");
    let flushed = world.run(poll_fn(|context| Pin::new(&mut sink).poll_flush(context)));
    assert!(matches!(flushed, Err(SendError::Closed(Some(_)))));
    for node in [&a, &b] {
        node.endpoint.shared().with(|state, _| assert_eq!(state.waiting(), 0));
    }
}

#[test]
fn a_message_that_cannot_be_sent_or_taken_is_an_error_once() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world);
    let mut sink = near.channel(CHANNEL).message_sink();
    let mut messages = far.channel(CHANNEL).messages(10);
    world.run(async {
        send(&mut sink, vec![0; 1 << 20]).await.expect("it is only handed over");
        assert_eq!(send(&mut sink, vec![1]).await, Err(SendError::TooLarge));
        send(&mut sink, vec![2; 10]).await.expect("the large one is out of the way");
        send(&mut sink, vec![3; 11]).await.expect("sends");
        poll_fn(|context| Pin::new(&mut sink).poll_flush(context)).await.expect("sends");
    });
    assert_eq!(world.run(next(&mut messages)), Some(Ok(vec![2; 10])));
    assert_eq!(world.run(next(&mut messages)), Some(Err(RecvError::TooLong)));
    assert_eq!(world.run(next(&mut messages)), None);
    // What was too long is still there for whoever takes more.
    let mut more = far.channel(CHANNEL).messages(11);
    assert!(matches!(world.run(next(&mut more)), Some(Ok(rest)) if rest.len() <= 11));
}

/// A stream that is asked now and then, by different tasks, loses nothing of the message it is in the middle of.
#[test]
fn a_stream_keeps_what_it_has_read() {
    let mut world = World::new();
    let (a, _b, near, far) = open(&mut world);
    let channel = near.channel(CHANNEL);
    let large = pattern(50_000, 7);
    let mut messages = far.channel(CHANNEL).messages(1 << 20);
    let received = world.run(join(
        async {
            channel.begin().await.expect("begins");
            channel.write_all(&mut &large[..]).await.expect("writes");
            channel.finish().await.expect("finishes");
        },
        async {
            loop {
                let mut polls = 2;
                let ready = poll_fn(|context| {
                    polls -= 1;
                    match Pin::new(&mut messages).poll_next(context) {
                        Poll::Ready(item) => Poll::Ready(Some(item)),
                        Poll::Pending if polls == 0 => Poll::Ready(None),
                        Poll::Pending => Poll::Pending,
                    }
                });
                if let Some(item) = ready.await {
                    break item;
                }
            }
        },
    ));
    assert!(received.1 == Some(Ok(large)));
    drop(messages);
    a.endpoint.shared().with(|state, _| assert_eq!(state.waiting(), 0));
}
