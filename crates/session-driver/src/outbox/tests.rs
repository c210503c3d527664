use std::sync::Arc;
use std::task::Waker;

use rustix::io::Errno;
use session_core::{Carrier, Link};

use super::*;
use crate::fake::{Calls, FakeSocket, Fault};

const DATAGRAM: usize = 1200;

fn socket(gso: usize) -> FakeSocket {
    FakeSocket {
        address: SocketAddr::from(([10, 0, 0, 1], 1)),
        network: Arc::default(),
        gso,
        gro: 1,
        calls: Arc::new(Calls::default()),
    }
}

fn link(peer: u8) -> Link {
    Link {
        carrier: Carrier(0),
        local: SocketAddr::from(([10, 0, 0, 1], 1)).into(),
        remote: SocketAddr::from(([10, 0, 1, peer], 1)).into(),
    }
}

/// Puts a datagram of `len` bytes, all equal to `mark`, into the outbox.
fn put(outbox: &mut Outbox, len: usize, peer: u8, mark: u8) {
    outbox.room().expect("there is room")[..len].fill(mark);
    outbox.push(Transmit::new(len, link(peer)), 64);
}

fn flush(outbox: &mut Outbox, socket: &mut FakeSocket, now: u64) -> Poll<()> {
    outbox.poll_flush(&mut Context::from_waker(Waker::noop()), socket, Instant::from_micros(now))
}

/// What has arrived at `peer`: length and mark of each datagram.
fn arrived(socket: &FakeSocket, peer: u8) -> Vec<(usize, u8)> {
    let mut receiver = FakeSocket {
        address: SocketAddr::from(([10, 0, 1, peer], 1)),
        network: Arc::clone(&socket.network),
        gso: 1,
        gro: 1,
        calls: Arc::new(Calls::default()),
    };
    let mut buffer = [0; 2048];
    let mut meta = [crate::socket::RecvMeta::default()];
    let mut found = Vec::new();
    while let Poll::Ready(Ok(_)) =
        receiver.poll_recv(&mut Context::from_waker(Waker::noop()), &mut [io::IoSliceMut::new(&mut buffer)], &mut meta)
    {
        assert!(buffer[..meta[0].len].iter().all(|byte| *byte == buffer[0]), "a datagram of mixed bytes");
        found.push((meta[0].len, buffer[0]));
    }
    found
}

fn fault(socket: &FakeSocket, call: usize, fault: Fault) {
    socket.calls.send_faults.lock().unwrap().insert(call, fault);
}

fn sends(socket: &FakeSocket) -> usize {
    socket.calls.sends.load(std::sync::atomic::Ordering::Relaxed)
}

#[test]
fn equal_sizes_leave_in_one_call_and_a_shorter_one_ends_the_batch() {
    let (mut outbox, mut socket) = (Outbox::new(DATAGRAM), socket(64));
    for mark in 0..5 {
        put(&mut outbox, 1000, 1, mark);
    }
    assert!(!outbox.is_full());
    put(&mut outbox, 300, 1, 5);
    assert!(outbox.is_full(), "nothing may follow a short segment");
    assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
    assert_eq!(sends(&socket), 1);
    assert_eq!(arrived(&socket, 1), [(1000, 0), (1000, 1), (1000, 2), (1000, 3), (1000, 4), (300, 5)]);
    assert!(outbox.is_empty());
}

#[test]
fn what_does_not_fit_is_carried_over_and_begins_the_next_batch() {
    for (len, peer) in [(1001, 1), (1000, 2)] {
        let (mut outbox, mut socket) = (Outbox::new(DATAGRAM), socket(64));
        put(&mut outbox, 1000, 1, 1);
        put(&mut outbox, len, peer, 2);
        assert!(outbox.is_full() && outbox.room().is_none());
        assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
        assert!(!outbox.is_empty() && !outbox.is_full());
        put(&mut outbox, 500, peer, 3);
        assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
        assert!(outbox.is_empty());
        let mut found = arrived(&socket, 1);
        found.extend(arrived(&socket, 2));
        assert_eq!(found, [(1000, 1), (len, 2), (500, 3)]);
        assert_eq!(sends(&socket), 2);
    }
}

/// A probe that the system refuses must take nothing else with it, nor the belief that the system segments.
#[test]
fn a_datagram_that_must_be_alone_is_sent_alone() {
    let (mut outbox, mut socket) = (Outbox::new(DATAGRAM), socket(64));
    put(&mut outbox, 1000, 1, 1);
    for (len, mark) in [(1200, 2), (1000, 3)] {
        outbox.room().expect("there is room")[..len].fill(mark);
        let mut probe = Transmit::new(len, link(1));
        probe.alone = true;
        outbox.push(probe, 64);
        assert!(outbox.is_full(), "nothing joins it");
        if mark == 2 {
            [1, 2].into_iter().for_each(|call| fault(&socket, call, Fault::Errno(Errno::MSGSIZE.raw_os_error())));
        }
        assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
        while !outbox.is_empty() {
            assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
        }
        put(&mut outbox, 1000, 1, mark + 10);
        put(&mut outbox, 1000, 1, mark + 20);
    }
    while !outbox.is_empty() {
        assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
    }
    assert_eq!(arrived(&socket, 1), [(1000, 1), (1000, 12), (1000, 22), (1000, 3), (1000, 13), (1000, 23)]);
    assert!(outbox.offload());
}

#[test]
fn a_batch_ends_at_the_socket_s_segments_and_at_the_largest_payload() {
    let (mut outbox, mut few) = (Outbox::new(DATAGRAM), socket(64));
    while !outbox.is_full() {
        put(&mut outbox, 100, 1, 1);
    }
    assert_eq!(flush(&mut outbox, &mut few, 0), Poll::Ready(()));
    assert_eq!(arrived(&few, 1).len(), 64);
    let (mut outbox, mut large) = (Outbox::new(1452), socket(64));
    while !outbox.is_full() {
        put(&mut outbox, 1452, 1, 1);
    }
    assert_eq!(flush(&mut outbox, &mut large, 0), Poll::Ready(()));
    assert_eq!(arrived(&large, 1).len(), 65_507 / 1452);
    assert!(!outbox.is_empty(), "the one too many is carried over");
}

#[test]
fn a_failed_segmentation_is_given_up_for_good_and_every_segment_sent_alone() {
    for errno in [Errno::IO, Errno::INVAL] {
        let (mut outbox, mut socket) = (Outbox::new(DATAGRAM), socket(64));
        fault(&socket, 0, Fault::Errno(errno.raw_os_error()));
        for mark in 0..4 {
            put(&mut outbox, 1000, 1, mark);
        }
        put(&mut outbox, 10, 1, 4);
        assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
        assert_eq!(arrived(&socket, 1), [(1000, 0), (1000, 1), (1000, 2), (1000, 3), (10, 4)]);
        assert_eq!((sends(&socket), outbox.sent().dropped, outbox.offload()), (6, 0, false));
        put(&mut outbox, 1000, 1, 5);
        assert!(outbox.is_full(), "batches of one from now on");
    }
}

#[test]
fn a_blocked_batch_stays_as_it_is_and_one_datagram_gathers_behind_it() {
    let (mut outbox, mut socket) = (Outbox::new(DATAGRAM), socket(64));
    fault(&socket, 0, Fault::Block);
    put(&mut outbox, 1000, 1, 1);
    assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Pending);
    assert_eq!(outbox.retry_at(), None, "the socket wakes");
    put(&mut outbox, 1000, 1, 2);
    assert!(outbox.room().is_none());
    assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
    assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
    assert_eq!(arrived(&socket, 1), [(1000, 1), (1000, 2)]);
}

#[test]
fn without_buffers_it_waits_longer_each_time_and_gives_up_at_last() {
    let (mut outbox, mut socket) = (Outbox::new(DATAGRAM), socket(64));
    for call in 0..=MAX_RETRIES as usize {
        fault(&socket, call, Fault::Errno(Errno::NOBUFS.raw_os_error()));
    }
    put(&mut outbox, 1000, 1, 1);
    let mut now = 0;
    let mut waits = Vec::new();
    while flush(&mut outbox, &mut socket, now).is_pending() {
        let at = outbox.retry_at().expect("nobody else wakes").as_micros();
        assert_eq!(flush(&mut outbox, &mut socket, at - 1), Poll::Pending, "not before its time");
        waits.push((at - now) / 1000);
        now = at;
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64, 64]);
    assert_eq!(outbox.sent(), Sent { dropped: 1, ..Sent::default() });
    put(&mut outbox, 1000, 1, 2);
    assert_eq!(flush(&mut outbox, &mut socket, now), Poll::Ready(()));
    assert_eq!(arrived(&socket, 1), [(1000, 2)]);
}

#[test]
fn would_block_as_an_error_is_never_a_loss() {
    let (mut outbox, mut socket) = (Outbox::new(DATAGRAM), socket(64));
    for call in 0..50 {
        fault(&socket, call, Fault::Errno(Errno::AGAIN.raw_os_error()));
    }
    put(&mut outbox, 1000, 1, 1);
    let mut now = 0;
    while flush(&mut outbox, &mut socket, now).is_pending() {
        now = outbox.retry_at().expect("nobody else wakes").as_micros();
    }
    assert_eq!(arrived(&socket, 1), [(1000, 1)]);
}

#[test]
fn too_large_drops_the_batch_and_forged_news_drop_nothing() {
    let (mut outbox, mut socket) = (Outbox::new(DATAGRAM), socket(64));
    [0, 1].into_iter().for_each(|call| fault(&socket, call, Fault::Errno(Errno::MSGSIZE.raw_os_error())));
    for mark in 0..3 {
        put(&mut outbox, 1000, 1, mark);
    }
    assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
    assert_eq!((arrived(&socket, 1), outbox.sent().dropped, outbox.offload()), (Vec::new(), 3, true));
    assert_eq!(outbox.take_refused(), Some((link(1), 1000)).filter(|_| cfg!(target_os = "linux")));
    for errno in [Errno::MSGSIZE, Errno::CONNREFUSED, Errno::CONNRESET, Errno::HOSTUNREACH] {
        fault(&socket, sends(&socket), Fault::Errno(errno.raw_os_error()));
        put(&mut outbox, 1000, 1, 7);
        assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
        assert_eq!((arrived(&socket, 1), outbox.take_refused()), (vec![(1000, 7)], None));
    }
}

#[test]
fn a_link_of_another_carrier_is_dropped() {
    let (mut outbox, mut socket) = (Outbox::new(DATAGRAM), socket(64));
    let mut elsewhere = link(1);
    elsewhere.remote = Address::Opaque([1; 16]);
    outbox.push(Transmit::new(10, elsewhere), 64);
    assert_eq!(flush(&mut outbox, &mut socket, 0), Poll::Ready(()));
    assert_eq!((sends(&socket), outbox.sent().dropped), (0, 1));
}
