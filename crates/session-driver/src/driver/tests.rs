use std::future::Future as _;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use session_core::{ChannelConfig, ChannelId, ChannelMode, DiscardReason, State};

use crate::fake::{Calls, Fault, Node, Packet, World, join, lose, pattern, small_limits};
use crate::session::Session;

const CHANNEL: ChannelId = ChannelId(16);

/// A session from `a` to `b`, both ends.
fn open(world: &mut World, a: &Node, b: &Node) -> (Session, Session) {
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    (near.expect("connects"), far.expect("accepts"))
}

/// Messages of many sizes from one end to the other: all arrive, once, in order.
async fn transfer(from: &Session, to: &Session, salt: u8) {
    const SIZES: [usize; 7] = [0, 1, 100, 1200, 5000, 12_000, 3];
    let (sender, receiver) = (from.channel(CHANNEL), to.channel(CHANNEL));
    let sending = async {
        for (index, len) in SIZES.into_iter().enumerate() {
            sender.send(&pattern(len, salt ^ index as u8)).await.expect("sends");
        }
        sender.flushed().await.expect("everything is acknowledged");
    };
    let receiving = async {
        for (index, len) in SIZES.into_iter().enumerate() {
            let mut message = Vec::new();
            assert_eq!(receiver.recv(&mut message, 64 << 10).await, Ok(Some(len)));
            assert_eq!(message, pattern(len, salt ^ index as u8), "message {index}");
        }
    };
    join(sending, receiving).await;
}

/// Both ways at once over a fresh session, then an orderly close; what each socket was asked, by calls.
fn run(prepare: impl FnOnce(&Calls)) -> (usize, usize, u64) {
    run_in_batches(64, prepare)
}

fn run_in_batches(segments: usize, prepare: impl FnOnce(&Calls)) -> (usize, usize, u64) {
    let mut world = World::new();
    let (a, b) = (world.node_with(segments, segments, |builder| builder.limits(small_limits())), world.node());
    prepare(&a.calls);
    let (near, far) = open(&mut world, &a, &b);
    world.run(join(transfer(&near, &far, 1), transfer(&far, &near, 2)));
    let (told, heard) = world.run(join(near.close(7, "done"), far.closed()));
    assert_eq!((told.code.0, told.text.as_str()), (7, "done"));
    assert_eq!((heard.code.0, heard.text.as_str()), (7, "done"));
    (
        a.calls.sends.load(Ordering::Relaxed),
        a.calls.receives.load(Ordering::Relaxed),
        a.endpoint.stats().datagrams_refused,
    )
}

#[test]
fn a_transfer_without_faults() {
    let (sends, receives, refused) = run(|_| {});
    assert!(sends >= 10 && receives >= 10, "{sends} sends and {receives} receives are no test");
    assert_eq!(refused, 0);
}

const FAULTS: [Fault; 8] = [
    Fault::Block,
    Fault::Errno(Errno::IO.raw_os_error()),
    Fault::Errno(Errno::INVAL.raw_os_error()),
    Fault::Errno(Errno::MSGSIZE.raw_os_error()),
    Fault::Errno(Errno::NOBUFS.raw_os_error()),
    Fault::Errno(Errno::AGAIN.raw_os_error()),
    Fault::Errno(Errno::CONNREFUSED.raw_os_error()),
    Fault::Errno(Errno::CONNRESET.raw_os_error()),
];

#[test]
fn every_error_of_a_send_at_every_call_is_survived() {
    for segments in [64, 1] {
        let (sends, _, _) = run_in_batches(segments, |_| {});
        for fault in FAULTS {
            for call in 0..sends {
                run_in_batches(segments, |calls| {
                    calls.send_faults.lock().unwrap().insert(call, fault);
                });
            }
        }
    }
}

/// Sends until all is acknowledged, with room for many probes.
async fn send_much(from: &Session, to: &Session) {
    let (sender, receiver) = (from.channel(CHANNEL), to.channel(CHANNEL));
    let receiving = async {
        for _ in 0..60 {
            assert_eq!(receiver.recv(&mut Vec::new(), 64 << 10).await, Ok(Some(5000)));
        }
    };
    let sending = async {
        for number in 0..60 {
            sender.send(&pattern(5000, number)).await.expect("sends");
        }
        sender.flushed().await.expect("everything is acknowledged");
    };
    join(sending, receiving).await;
}

//= docs/protocol.md P-10.1-7
#[cfg(target_os = "linux")]
#[test]
fn what_the_interface_refuses_is_given_up_at_once() {
    for segments in [64, 1] {
        let mut world = World::new();
        let (a, b) = (world.node_with(segments, segments, |builder| builder.limits(small_limits())), world.node());
        a.calls.largest.store(1300, Ordering::Relaxed);
        let (near, far) = open(&mut world, &a, &b);
        world.run(send_much(&near, &far));
        let found = near.stats().max_datagram;
        assert!((1284..=1300).contains(&found), "{found}");
        // 1452, 1372, 1320 and 1307: by loss each would take three.
        assert_eq!(a.endpoint.stats().datagrams_refused, 4);
        // The route goes over another interface.
        a.calls.largest.store(1250, Ordering::Relaxed);
        world.run(send_much(&near, &far));
        let found = near.stats().max_datagram;
        assert!((1232..=1250).contains(&found), "{found}");
    }
}

/// An error that waited in the socket may be ICMP's, which anybody can forge.
//= docs/protocol.md P-10.1-6
#[test]
fn d29_an_error_that_does_not_come_again_changes_no_size() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    for _ in 0..20 {
        let next = a.calls.sends.load(Ordering::Relaxed);
        let faults = [next, next + 3, next + 5].map(|call| (call, Fault::Errno(Errno::MSGSIZE.raw_os_error())));
        a.calls.send_faults.lock().unwrap().extend(faults);
        world.run(send_much(&near, &far));
    }
    assert_eq!((near.stats().max_datagram, a.endpoint.stats().datagrams_refused), (1452, 0));
}

#[test]
fn every_error_of_a_receive_at_every_call_is_survived() {
    let (_, receives, _) = run(|_| {});
    for fault in FAULTS {
        for call in 0..receives {
            run(|calls| {
                calls.receive_faults.lock().unwrap().insert(call, fault);
            });
        }
    }
}

#[test]
fn errors_in_long_rows_are_survived() {
    for fault in FAULTS {
        run(|calls| {
            // The last datagram is CLOSE, which nobody asks for again.
            let rows = (5..9).chain(10..14);
            calls.send_faults.lock().unwrap().extend(rows.map(|call| (call, fault)));
            calls.receive_faults.lock().unwrap().extend((3..60).map(|call| (call, fault)));
        });
    }
}

#[test]
fn an_idle_connection_costs_keepalives_and_nothing_else() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (_near, _far) = open(&mut world, &a, &b);
    let settle = world.sleep(Duration::from_secs(2));
    world.run(settle);
    let before = (a.polls.load(Ordering::Relaxed), b.polls.load(Ordering::Relaxed));
    let minute = world.sleep(Duration::from_secs(50));
    world.run(minute);
    let polls = (a.polls.load(Ordering::Relaxed) - before.0, b.polls.load(Ordering::Relaxed) - before.1);
    // Ten keepalives, each with an answer and a few timers around it.
    assert!(polls.0 <= 80 && polls.1 <= 80, "{polls:?} polls while idle");
    assert!(polls.0 >= 5, "{polls:?}: not even keepalives");
}

/// A runtime may poll a task from another waker than before. A timer that was set before must wake that one.
#[test]
fn a_driver_that_moves_is_woken_where_it_is_then() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, _far) = open(&mut world, &a, &b);
    let settle = world.sleep(Duration::from_secs(2));
    world.run(settle);
    for turn in 0..5 {
        let is_former_woken = world.move_driver(&a);
        let before = a.polls.load(Ordering::Relaxed);
        let pause = world.sleep(Duration::from_secs(6));
        world.run(pause);
        // One poll by which it moves; then its keepalive is due, of which nothing but its timer tells.
        assert!(a.polls.load(Ordering::Relaxed) > before + 1, "move {turn}: nobody woke the driver");
        assert!(!is_former_woken(), "move {turn}: where it was before was woken");
    }
    assert_eq!(near.state(), State::Established);
}

#[test]
fn an_endpoint_without_sessions_is_never_polled() {
    let mut world = World::new();
    let a = world.node();
    // A fresh driver is polled once; somebody else's time passes.
    for _ in 0..100 {
        let pause = world.sleep(Duration::from_secs(1));
        world.run(pause);
    }
    assert_eq!(a.polls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_bad_datagram_in_a_batch_spoils_none_of_the_others() {
    for position in [0, 1, 31, 63] {
        let mut world = World::new();
        let (a, b) = (world.node(), world.node());
        let (near, far) = open(&mut world, &a, &b);
        let before = b.endpoint.stats().datagrams_received;
        let discarded = b.endpoint.discards().total();
        // Sixty-four datagrams wait at once: each message makes one.
        let channel = near.channel(CHANNEL);
        for number in 0..64_u8 {
            if number == position {
                let bytes = pattern(usize::from(number) * 7, 9);
                world.network.lock().unwrap().put(b.address, Packet { remote: a.address, bytes, ecn: None });
            }
            world.run(channel.send(&pattern(100, number))).expect("sends");
        }
        let receiver = far.channel(CHANNEL);
        world.run(async {
            for number in 0..64_u8 {
                let mut message = Vec::new();
                assert_eq!(receiver.recv(&mut message, 1000).await, Ok(Some(100)));
                assert_eq!(message, pattern(100, number));
            }
        });
        assert!(b.endpoint.stats().datagrams_received > before);
        assert_eq!(b.endpoint.discards().total() - discarded, 1);
    }
}

#[test]
fn empty_datagrams_and_forged_segment_sizes_are_survived() {
    for stride in [None, Some(0), Some(1 << 20)] {
        let mut world = World::new();
        // Without gluing a stride beyond the length means one datagram, whatever it says.
        let b = world.node_with(64, 1, |builder| builder.limits(small_limits()));
        let a = world.node();
        *b.calls.stride.lock().unwrap() = stride;
        world.network.lock().unwrap().put(b.address, Packet { remote: a.address, bytes: Vec::new(), ecn: None });
        let (near, far) = open(&mut world, &a, &b);
        world.run(join(transfer(&near, &far, 1), transfer(&far, &near, 2)));
        assert_eq!(b.endpoint.discards().of(DiscardReason::Malformed), 1, "the empty one is counted");
    }
}

#[test]
fn batches_are_used_where_the_socket_has_them() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    world.run(join(transfer(&near, &far, 1), transfer(&far, &near, 2)));
    assert!(world.network.lock().unwrap().largest_batch >= 4, "no batch was ever sent");
}

#[test]
fn a_message_larger_than_every_window_crosses_both_ways() {
    let mut world = World::new();
    let (a, b) = (world.node_with(64, 64, |builder| builder), world.node_with(64, 64, |builder| builder));
    let (near, far) = open(&mut world, &a, &b);
    let large = pattern(5 << 18, 5);
    let send = async |session: &Session| {
        let channel = session.channel(CHANNEL);
        channel.begin().await.expect("begins");
        channel.write_all(&mut &large[..]).await.expect("writes");
        channel.finish().await.expect("finishes");
        channel.flushed().await.expect("is acknowledged");
    };
    let receive = async |session: &Session| {
        let mut message = Vec::new();
        assert_eq!(session.channel(CHANNEL).recv(&mut message, large.len()).await, Ok(Some(large.len())));
        assert!(message == large, "the message was changed on the way");
    };
    world.run(join(join(send(&near), receive(&far)), join(send(&far), receive(&near))));
}

/// What a small message and its answer cost: an answer carries the acknowledgement, and a driver is polled once to send and once to receive.
#[test]
fn a_round_trip_is_two_datagrams_and_two_polls_of_each_driver() {
    const ROUND_TRIPS: usize = 100;
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    let pause = world.sleep(Duration::from_secs(1));
    world.run(pause);
    let count = |node: &Node| {
        [&node.calls.sends, &node.calls.receives, &node.polls].map(|counter| counter.load(Ordering::Relaxed))
    };
    let before = [&a, &b].map(count);
    let answering = far.channel(CHANNEL);
    world.spawn(async move {
        let mut message = Vec::new();
        while let Ok(Some(_)) = answering.recv(&mut message, 64).await {
            answering.send(&message).await.expect("sends");
            message.clear();
        }
    });
    let asking = near.channel(CHANNEL);
    world.run(async {
        for _ in 0..ROUND_TRIPS {
            asking.send(&[7; 64]).await.expect("sends");
            assert_eq!(asking.recv(&mut Vec::new(), 64).await, Ok(Some(64)));
        }
    });
    for (node, before) in [&a, &b].into_iter().zip(before) {
        let [sends, receives, polls] = count(node);
        // One more says what has become due meanwhile.
        assert!(sends - before[0] <= ROUND_TRIPS + 1, "{} datagrams", sends - before[0]);
        // Each poll looks into the socket, and once more after it found something.
        assert!(polls - before[2] <= 2 * ROUND_TRIPS + 2, "{} polls", polls - before[2]);
        assert!(receives - before[1] <= 3 * ROUND_TRIPS + 3, "{} looks into the socket", receives - before[1]);
    }
}

#[test]
fn deadlines_are_served_while_datagrams_come_without_end() {
    // One alone, as many as one call takes, and as many as a buffer holds: a turn of the driver ends after the last round, or after the first.
    for (glued, buffers, datagrams) in [(1, 1, 1), (1, 32, 1), (64, 1, 1), (64, 1, 64), (64, 7, 64)] {
        let mut world = World::new();
        let (a, b) = (world.node_with(64, glued, |it| it), world.node());
        let (near, far) = open(&mut world, &a, &b);
        let pause = world.sleep(Duration::from_secs(1));
        world.run(pause);
        lose(&a, 1);
        world.flood(&a, buffers, datagrams);
        let began = world.now();
        let mut message = Vec::new();
        world.run(async {
            near.channel(CHANNEL).send(b"again").await.expect("sends");
            assert_eq!(far.channel(CHANNEL).recv(&mut message, 100).await, Ok(Some(5)));
        });
        // Nothing but the probe timeout brings it.
        let took = world.now() - began;
        assert!(took < 100_000, "{buffers} buffers of {datagrams} datagrams: {took} us");
    }
}

/// The driver lets a reader run before it takes in more than a mailbox holds.
#[test]
fn a_reader_that_keeps_up_loses_no_unreliable_message() {
    const COUNT: usize = 100_000;
    const UNRELIABLE: ChannelId = ChannelId(20);
    let mut world = World::new();
    let configure =
        |builder: crate::EndpointBuilder| builder.channel(ChannelConfig::new(UNRELIABLE, ChannelMode::Unreliable));
    let (a, b) = (world.node_with(64, 64, configure), world.node_with(64, 64, configure));
    let (near, far) = open(&mut world, &a, &b);
    let send = async {
        let channel = near.channel(UNRELIABLE);
        for _ in 0..COUNT {
            channel.send(&[7; 64]).await.expect("sends");
        }
        channel.flushed().await.expect("everything is acknowledged, or lost");
    };
    let receive = async {
        let channel = far.channel(UNRELIABLE);
        let mut message = Vec::new();
        for _ in 0..COUNT {
            message.clear();
            assert_eq!(channel.recv(&mut message, 64).await, Ok(Some(64)));
        }
    };
    // What was dropped would be waited for in vain.
    let both = async {
        let (mut receive, mut send) = (Box::pin(receive), Box::pin(send));
        let mut sent = false;
        std::future::poll_fn(|context| {
            let received = receive.as_mut().poll(context).is_ready();
            sent = sent || send.as_mut().poll(context).is_ready();
            if received || sent && far.channel_stats(UNRELIABLE).is_some_and(|stats| stats.dropped_messages > 0) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    };
    world.run(both);
    let stats = [&near, &far].map(|session| session.channel_stats(UNRELIABLE).expect("it is there"));
    assert_eq!(stats.map(|stats| (stats.lost_messages, stats.dropped_messages)), [(0, 0); 2]);
}

/// An urgent message goes with the first datagram that is made after it was sent, and waits for those only that stood in the driver's buffer
/// before: one batch, which is one datagram where the system does not segment.
#[test]
fn an_urgent_message_waits_for_one_batch_and_no_datagram_is_made_before_its_own() {
    const URGENT: ChannelId = ChannelId(20);
    for (segments, in_batch) in [(1, 1..=1), (4, 4..=4), (64, 5..=12)] {
        let mut world = World::new();
        let configure = |builder: crate::EndpointBuilder| {
            let urgent = ChannelConfig::new(URGENT, ChannelMode::ReliableOrdered).with_priority(0);
            // A search for larger datagrams would end the batch by a probe.
            builder.limits(small_limits()).max_datagram(1200).channel(CHANNEL).channel(urgent)
        };
        let (a, b) = (world.node_with(segments, 1, configure), world.node_with(1, 1, configure));
        let (near, far) = open(&mut world, &a, &b);
        let pause = world.sleep(Duration::from_secs(1));
        world.run(pause);
        let before = near.stats().packets_sent;
        a.calls.block();
        world.network.lock().unwrap().hold(b.address);
        world.run(near.channel(CHANNEL).send(&pattern(15_000, 1))).expect("sends");
        // However long the socket takes nothing, no more is made.
        let pause = world.sleep(Duration::from_millis(300));
        world.run(pause);
        let made = near.stats().packets_sent - before;
        assert!(in_batch.contains(&made), "{segments} segments: {made} datagrams");
        world.run(near.channel(URGENT).send(b"stop")).expect("sends");
        let pause = world.sleep(Duration::from_millis(300));
        world.run(pause);
        assert_eq!(near.stats().packets_sent - before, made, "{segments} segments");
        a.calls.unblock();
        let mut passed = 0;
        while far.channel_stats(URGENT).expect("it is there").received == 0 {
            let pause = world.sleep(Duration::from_millis(1));
            world.run(pause);
            if world.network.lock().unwrap().let_go(b.address) {
                passed += 1;
            }
            let pause = world.sleep(Duration::from_micros(10));
            world.run(pause);
        }
        assert_eq!(passed, made + 1, "{segments} segments");
    }
}

/// The command has said that the socket was bound, so what becomes of it is told otherwise.
#[test]
fn a_new_socket_that_the_runtime_refuses_is_counted_and_the_old_one_serves_on() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    let anywhere = "127.0.0.1:0".parse().expect("an address");
    *a.calls.rebound_fault.lock().unwrap() = Some(Errno::MFILE);
    a.endpoint.rebind(anywhere).expect("binds");
    world.run(join(transfer(&near, &far, 1), transfer(&far, &near, 2)));
    assert_eq!((a.endpoint.local_addr(), far.remote_address()), (a.address, Some(a.address)));
    assert_eq!((a.endpoint.stats().sockets_refused, far.stats().path_changes), (1, 0));
    let dump = a.endpoint.dump();
    assert!(dump.lines().next().is_some_and(|line| line.ends_with("; 1 new sockets refused")), "{dump}");

    // It can be asked for again, and the peer follows although nobody sends.
    let pause = world.sleep(Duration::from_secs(1));
    world.run(pause);
    *a.calls.rebound_fault.lock().unwrap() = None;
    let bound = a.endpoint.rebind(anywhere).expect("binds");
    let pause = world.sleep(Duration::from_millis(100));
    world.run(pause);
    assert_eq!((a.endpoint.local_addr(), far.remote_address()), (bound, Some(bound)));
    world.run(join(transfer(&near, &far, 3), transfer(&far, &near, 4)));
    assert_eq!((a.endpoint.stats().sockets_refused, far.stats().path_changes), (1, 1));
}

/// A turn may end with buffers that nobody has looked at.
#[test]
fn what_has_come_over_a_socket_is_delivered_before_another_takes_its_place() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, _far) = open(&mut world, &a, &b);
    let pause = world.sleep(Duration::from_secs(1));
    world.run(pause);
    let count = || (a.calls.receives.load(Ordering::Relaxed) as u64, a.endpoint.stats().datagrams_received);
    let before = count();
    world.flood(&a, 7, 16);
    world.run(async {
        near.channel(CHANNEL).send(b"wakes the driver").await.expect("sends");
        let mut turns = 3;
        std::future::poll_fn(|context| {
            turns -= 1;
            context.waker().wake_by_ref();
            if turns == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
    world.calm(&a);
    let came = 7 * 16 * (count().0 - before.0);
    assert!(came > count().1 - before.1, "no turn ended with buffers that nobody had looked at");
    a.endpoint.rebind("127.0.0.1:0".parse().expect("an address")).expect("binds");
    let calls = a.calls.receives.load(Ordering::Relaxed);
    while a.calls.receives.load(Ordering::Relaxed) == calls {
        let pause = world.sleep(Duration::from_micros(1));
        world.run(pause);
    }
    // The peer may have answered since.
    let delivered = count().1 - before.1;
    assert!((came..came + 10).contains(&delivered), "{delivered} of {came}");
}
