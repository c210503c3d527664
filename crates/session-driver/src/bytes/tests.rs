use std::future::poll_fn;
use std::time::Duration;

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

/// Asks `polls` times, then begins anew as if the future had been dropped, until it is ready.
async fn impatient<T>(polls: usize, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let mut polls = polls.max(1);
    loop {
        let mut left = polls;
        let done = poll_fn(|context| {
            left -= 1;
            match poll(context) {
                Poll::Ready(value) => Poll::Ready(Some(value)),
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

async fn write_all(writer: &mut ByteWriter, bytes: &[u8], piece: usize, polls: usize) {
    for piece in bytes.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() {
            let written = impatient(polls, |context| writer.poll_write(context, rest)).await.expect("writes");
            assert!(written > 0);
            rest = &rest[written..];
        }
    }
    impatient(polls, |context| writer.poll_finish(context)).await.expect("finishes");
}

async fn read_all(reader: &mut ByteReader, piece: usize, polls: usize) -> io::Result<Vec<u8>> {
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        let length = impatient(polls, |context| reader.poll_read(context, &mut buffer)).await?;
        bytes.extend_from_slice(&buffer[..length]);
        if length == 0 {
            return Ok(bytes);
        }
    }
}

/// Longer than the window, both ways, in pieces of all sizes, asked again after any number of polls; then an empty one, then another.
#[test]
fn streams_arrive_whole_and_follow_one_another() {
    for (polls, write, read) in [(0, 1000, 7000), (1, 40_000, 100), (2, 7, 1), (5, 30_000, 30_000)] {
        let mut world = World::new();
        let (a, b, near, far) = open(&mut world);
        let lengths = if write < 100 { [3000, 0, 1] } else { [100_000, 0, 20_000] };
        for (number, length) in lengths.into_iter().enumerate() {
            let (there, back) = (pattern(length, number as u8), pattern(length / 2, 50 + number as u8));
            let (mut reader, mut writer) = near.channel(CHANNEL).byte_stream().into_split();
            let mut stream = far.channel(CHANNEL).byte_stream();
            let ((), received) = world.run(join(write_all(&mut writer, &there, write, polls), async {
                read_all(stream.reader(), read, polls).await.expect("reads")
            }));
            assert!(received == there, "stream {number}");
            let ((), received) = world.run(join(write_all(stream.writer(), &back, write, polls), async {
                read_all(&mut reader, read, polls).await.expect("reads")
            }));
            assert!(received == back, "stream {number} back");
            // The end is told again, and so is a writer that was shut down.
            assert_eq!(world.run(poll_fn(|context| reader.poll_read(context, &mut [0; 9]))).ok(), Some(0));
            assert!(world.run(poll_fn(|context| writer.poll_finish(context))).is_ok());
            let late = world.run(poll_fn(|context| writer.poll_write(context, b"x")));
            assert_eq!(late.map_err(|error| error.kind()), Err(ErrorKind::BrokenPipe));
        }
        for node in [&a, &b] {
            node.endpoint.shared().with(|state, _| assert_eq!(state.waiting(), 0));
        }
    }
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world);
    let (mut question, mut answer) = (near.channel(CHANNEL).byte_stream(), far.channel(CHANNEL).byte_stream());
    let (received, ()) = world.run(join(
        async {
            write_all(question.writer(), b"what", 1, 1).await;
            read_all(question.reader(), 5, 1).await.expect("reads")
        },
        async {
            assert_eq!(read_all(answer.reader(), 3, 1).await.expect("reads"), b"what");
            write_all(answer.writer(), &pattern(60_000, 1), 9999, 1).await;
        },
    ));
    assert!(received == pattern(60_000, 1));
}

/// A stream is whole or an error: never does the end of the session pass for the end of the stream.
#[test]
fn a_stream_that_was_cut_short_is_an_error() {
    for breaks in [false, true] {
        let mut world = World::new();
        let (_a, _b, near, far) = open(&mut world);
        let (mut writer, mut reader) = (near.channel(CHANNEL).byte_writer(), far.channel(CHANNEL).byte_reader());
        let written = world.run(poll_fn(|context| writer.poll_write(context, b"half")));
        assert_eq!(written.ok(), Some(4));
        let mut buffer = [0; 100];
        assert_eq!(world.run(poll_fn(|context| reader.poll_read(context, &mut buffer))).ok(), Some(4));
        if breaks {
            world.stop();
        } else {
            world.run(near.close(0, "done"));
        }
        let cut = world.run(poll_fn(|context| reader.poll_read(context, &mut buffer)));
        let kind = if breaks { ErrorKind::ConnectionReset } else { ErrorKind::UnexpectedEof };
        let error = cut.expect_err("the stream has no end");
        assert_eq!((error.kind(), error.get_ref().is_some()), (kind, true));
    }
}

#[test]
fn nobody_s_stream_is_empty_and_a_second_writer_is_told_so() {
    let mut world = World::new();
    let (_a, _b, near, far) = open(&mut world);
    let (mut first, mut second) = (near.channel(CHANNEL).byte_writer(), near.channel(CHANNEL).byte_writer());
    assert!(world.run(poll_fn(|context| first.poll_write(context, b"x"))).is_ok());
    let busy = world.run(poll_fn(|context| second.poll_write(context, b"y")));
    assert_eq!(busy.map_err(|error| error.kind()), Err(ErrorKind::ResourceBusy));
    let busy = world.run(poll_fn(|context| second.poll_finish(context)));
    assert_eq!(busy.map_err(|error| error.kind()), Err(ErrorKind::ResourceBusy));
    assert!(world.run(poll_fn(|context| first.poll_finish(context))).is_ok());
    world.run(write_all(&mut second, b"y", 1, 0));
    let mut unwritten = near.channel(CHANNEL).byte_reader();
    world.run(far.close(0, "nothing to say"));
    assert_eq!(world.run(poll_fn(|context| unwritten.poll_read(context, &mut [0; 9]))).ok(), Some(0));
    let mut unknown = near.channel(ChannelId(99)).byte_writer();
    let closed = world.run(poll_fn(|context| unknown.poll_write(context, b"x")));
    assert_eq!(closed.map_err(|error| error.kind()), Err(ErrorKind::BrokenPipe));
}

#[test]
fn a_handle_that_is_dropped_while_it_waits_leaves_no_waker_behind() {
    let mut world = World::new();
    let (a, _b, near, far) = open(&mut world);
    let mut reader = near.channel(CHANNEL).byte_reader();
    let pending = world.run(poll_fn(|context| Poll::Ready(reader.poll_read(context, &mut [0; 9]).is_pending())));
    assert!(pending);
    a.endpoint.shared().with(|state, _| assert_eq!(state.waiting(), 1));
    drop(reader);
    a.endpoint.shared().with(|state, _| assert_eq!(state.waiting(), 0));
    // The next reader gets what the first would have got.
    world.run(write_all(&mut far.channel(CHANNEL).byte_writer(), b"hello", 2, 0));
    let mut reader = near.channel(CHANNEL).byte_reader();
    let pause = world.sleep(Duration::from_secs(1));
    world.run(pause);
    assert_eq!(world.run(read_all(&mut reader, 2, 0)).expect("reads"), b"hello");
}
