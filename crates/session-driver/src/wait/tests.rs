//! Cancel safety: every future dropped after any number of polls and made anew, nothing lost and nothing doubled.

use std::future::poll_fn;

use session_core::ChannelId;

use super::*;
use crate::Session;
use crate::fake::{Node, World, join, pattern};

const CHANNEL: ChannelId = ChannelId(16);

/// Runs futures made by `make`, the first dropped after `polls` polls, each later one after one poll more, until one completes.
async fn impatient<T, M>(mut polls: usize, context: M) -> T
where
    M: AsyncFnMut() -> T,
{
    let mut make = context;
    loop {
        let mut future = Box::pin(make());
        let mut left = polls;
        let done = poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(None);
            }
            left -= 1;
            match future.as_mut().poll(context) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
                // A future that is dropped after this poll is made anew at once; nobody would wake for it.
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        if let Some(value) = done {
            return value;
        }
        polls += 1;
    }
}

fn open(world: &mut World, a: &Node, b: &Node, polls: usize) -> (Session, Session) {
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        let incoming = impatient(polls, async || b.endpoint.accept().await).await.expect("the endpoint lives");
        incoming.accept().await
    }));
    (near.expect("connects"), far.expect("accepts"))
}

const SIZES: [usize; 8] = [1, 0, 9000, 14_000, 77, 14_000, 14_000, 5];

async fn send_all(session: &Session, polls: usize) {
    let channel = session.channel(CHANNEL);
    for (number, len) in SIZES.into_iter().enumerate() {
        let message = pattern(len, number as u8);
        impatient(polls, async || channel.send(&message).await).await.expect("sends");
    }
    // One more, in pieces, larger than the window.
    let large = pattern(60_000, 99);
    impatient(polls, async || channel.begin().await).await.expect("begins");
    let mut first = &large[..20_000];
    while !first.is_empty() {
        let written = impatient(polls, async || channel.write(first).await).await.expect("writes");
        first = &first[written..];
    }
    let mut rest = &large[20_000..];
    impatient(polls, async || channel.write_all(&mut rest).await).await.expect("writes");
    assert!(rest.is_empty());
    impatient(polls, async || channel.finish().await).await.expect("finishes");
    impatient(polls, async || channel.flushed().await).await.expect("is acknowledged");
}

async fn receive_all(session: &Session, polls: usize) {
    let channel = session.channel(CHANNEL);
    for (number, len) in SIZES.into_iter().enumerate() {
        let mut message = Vec::new();
        if number % 2 == 0 {
            let got = impatient(polls, async || channel.recv(&mut message, 1 << 20).await).await;
            assert_eq!(got, Ok(Some(len)), "message {number}");
        } else {
            loop {
                let mut piece = [0; 999];
                let chunk =
                    impatient(polls, async || channel.read(&mut piece).await).await.expect("reads").expect("is open");
                assert_eq!(chunk.begin, message.is_empty());
                message.extend_from_slice(&piece[..chunk.length]);
                if chunk.end {
                    break;
                }
            }
        }
        assert_eq!(message, pattern(len, number as u8), "message {number}");
    }
    let mut message = Vec::new();
    assert_eq!(impatient(polls, async || channel.recv(&mut message, 1 << 20).await).await, Ok(Some(60_000)));
    assert_eq!(message, pattern(60_000, 99));
}

#[test]
fn dropped_futures_lose_and_double_nothing() {
    for polls in 0..6 {
        let mut world = World::new();
        let (a, b) = (world.node(), world.node());
        let (near, far) = open(&mut world, &a, &b, polls);
        world.run(join(
            join(send_all(&near, polls), receive_all(&far, polls)),
            join(send_all(&far, polls), receive_all(&near, polls)),
        ));
        let (told, heard) = world.run(join(
            impatient(polls, async || near.close(3, "bye").await),
            impatient(polls, async || far.closed().await),
        ));
        assert_eq!((told.code.0, heard.code.0), (3, 3));
        for node in [&a, &b] {
            node.endpoint
                .shared()
                .with(|state, _| assert_eq!(state.waiting(), 0, "a dropped future left its waker behind"));
        }
        world.run(impatient(polls, async || a.endpoint.close(0, "").await));
    }
}

#[test]
fn an_accept_dropped_at_any_poll_leaves_the_session_to_the_next() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    // Two wait; the one that is dropped must not take the other's wake-up with it.
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        let mut dropped = Box::pin(b.endpoint.accept());
        poll_fn(|context| {
            assert!(dropped.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
        let incoming = async {
            let incoming = b.endpoint.accept().await;
            incoming.expect("the endpoint lives").accept().await
        };
        let (far, ()) = join(incoming, async { drop(dropped) }).await;
        far
    }));
    assert!(near.is_ok() && far.is_ok());
}
