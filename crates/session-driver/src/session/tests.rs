use session_core::{ChannelId, CloseCode, CloseSpace, ClosedBy, SecondSession};

use super::*;
use crate::ConnectRequest;
use crate::error::{ConnectError, RecvError, SendError};
use crate::fake::{Node, World, join, pattern};

const CHANNEL: ChannelId = ChannelId(16);

fn open(world: &mut World, a: &Node, b: &Node) -> (Session, Session) {
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    (near.expect("connects"), far.expect("accepts"))
}

#[test]
fn both_ends_know_each_other() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let request = ConnectRequest::default().with_user_data(b"let me in");
    let (near, far) = world.run(join(a.endpoint.connect_with(b.key, b.address, request), async {
        let incoming = b.endpoint.accept().await.expect("the endpoint lives");
        assert_eq!((incoming.peer_key(), incoming.peer_id()), (a.key, a.key.peer_id()));
        assert_eq!((incoming.user_data(), incoming.remote_address()), (&b"let me in"[..], Some(a.address)));
        incoming.accept_with(b"welcome").await.expect("accepts")
    }));
    let near = near.expect("connects");
    assert_eq!((near.peer_key(), far.peer_key()), (b.key, a.key));
    assert_eq!((near.remote_address(), far.remote_address()), (Some(b.address), Some(a.address)));
    assert_eq!((near.user_data(), far.user_data()), (b"welcome".to_vec(), b"let me in".to_vec()));
    assert!(near.uid().is_some() && near.uid() == far.uid());
}

#[test]
fn strangers_meet_while_pairing_is_on_and_only_then() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let request = ConnectRequest::default().with_user_data(b"pair");
    let Err(ConnectError::Ended { reason, .. }) = world.run(a.endpoint.connect_unknown(b.address, request)) else {
        panic!("connected to a node that does not pair")
    };
    assert_eq!((reason.by, reason.code), (ClosedBy::Deadline, CloseCode::NO_ANSWER));
    b.endpoint.set_pairing(Some(Duration::from_secs(60)));
    let (near, far) = world.run(join(a.endpoint.connect_unknown(b.address, request), async {
        let incoming = b.endpoint.accept().await.expect("the endpoint lives");
        assert!(incoming.is_first_contact());
        assert_eq!((incoming.peer_key(), incoming.user_data()), (a.key, &b"pair"[..]));
        incoming.pending();
        incoming.accept().await.expect("accepts")
    }));
    let near = near.expect("connects");
    assert_eq!((near.peer_key(), near.peer_id(), far.peer_key()), (b.key, b.key.peer_id(), a.key));
    assert!(near.is_first_contact() && far.is_first_contact());
    assert_eq!((near.peer_node_type(), near.peer_capabilities()), (0, 0));
    assert_eq!(near.remote_address(), Some(b.address));
    b.endpoint.set_pairing(None);
    assert!(world.run(a.endpoint.connect_unknown(b.address, request)).is_err());
    let (near, far) = open(&mut world, &a, &b);
    assert!(!near.is_first_contact() && !far.is_first_contact());
}

#[test]
fn sessions_are_found_by_peer_address_and_name_while_handles_are_left() {
    let mut world = World::new();
    let a = world.node();
    let b = world.node_with(64, 64, |builder| builder.second_session(SecondSession::KeepBoth));
    let (near, far) = open(&mut world, &a, &b);
    let (other, _far) = open(&mut world, &a, &b);
    let uid = near.uid().expect("it has keys");
    for (endpoint, peer, address) in [(&a.endpoint, b.key, b.address), (&b.endpoint, a.key, a.address)] {
        assert_eq!(endpoint.sessions_of(peer.peer_id()).len(), 2);
        assert_eq!(endpoint.sessions_at(address).len(), 2);
        assert_eq!((endpoint.sessions().len(), endpoint.established().len()), (2, 2));
        assert_eq!(endpoint.session_by_uid(&uid).and_then(|session| session.uid()), Some(uid));
    }
    assert!(a.endpoint.sessions_of(a.key.peer_id()).is_empty());
    // What was found is as good a handle as any: the session lives as long as one is left.
    let found = a.endpoint.session_by_uid(&uid).expect("it is there");
    drop(near);
    world.run(found.channel(CHANNEL).send(b"still here")).expect("sends");
    let mut message = Vec::new();
    world.run(far.channel(CHANNEL).recv(&mut message, 100)).expect("arrives");
    assert_eq!(message, b"still here");
    drop(found);
    assert!(a.endpoint.session_by_uid(&uid).is_none());
    let reason = world.run(far.closed());
    assert_eq!(reason.by, ClosedBy::Peer);
    assert_eq!((far.state(), b.endpoint.established().len()), (State::Closed, 1));
    assert_eq!(b.endpoint.sessions_at(a.address).len(), 2, "of one that ended a handle is left");
    drop(other);
}

#[test]
fn the_newest_session_of_a_peer_wins_unless_told_otherwise() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (old, old_far) = open(&mut world, &a, &b);
    let (new, _new_far) = open(&mut world, &a, &b);
    for (session, by) in [(old, ClosedBy::Peer), (old_far, ClosedBy::Protocol)] {
        let reason = world.run(session.closed());
        assert_eq!((reason.by, reason.protocol_code()), (by, Some(CloseCode::SUPERSEDED)));
    }
    assert_eq!(new.state(), State::Established);
}

#[test]
fn a_refusal_is_told_and_a_dropped_question_is_one() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, ()) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        let incoming = b.endpoint.accept().await.expect("the endpoint lives");
        incoming.refuse(CloseCode::UNAUTHORIZED, "not you");
    }));
    let Err(ConnectError::Ended { reason, .. }) = near else { panic!("connected") };
    assert_eq!((reason.by, reason.code, reason.text.as_str()), (ClosedBy::Peer, CloseCode::UNAUTHORIZED, "not you"));
    let (near, ()) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        drop(b.endpoint.accept().await.expect("the endpoint lives"));
    }));
    let Err(ConnectError::Ended { reason, .. }) = near else { panic!("connected") };
    assert_eq!((reason.by, reason.code), (ClosedBy::Peer, CloseCode::REFUSED));
}

#[test]
fn nobody_there_is_a_reason_too() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let nowhere = SocketAddr::from(([10, 0, 0, 99], 1));
    let Err(ConnectError::Ended { reason, .. }) = world.run(a.endpoint.connect(b.key, nowhere)) else {
        panic!("connected")
    };
    assert_eq!(reason.by, ClosedBy::Deadline);
    let six = "[2001:db8::1]:1".parse().unwrap();
    assert_eq!(world.run(a.endpoint.connect(b.key, six)).err(), Some(ConnectError::AddressFamily));
}

#[test]
fn a_dropped_attempt_leaves_nothing_behind() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    for _ in 0..40 {
        // More often than there are slots.
        let mut attempt = Box::pin(a.endpoint.connect(b.key, SocketAddr::from(([10, 0, 0, 99], 1))));
        let mut polled = false;
        world.run(std::future::poll_fn(|context| {
            if polled {
                return std::task::Poll::Ready(());
            }
            polled = true;
            assert!(attempt.as_mut().poll(context).is_pending());
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        }));
        drop(attempt);
        let pause = world.sleep(Duration::from_secs(5));
        world.run(pause);
    }
    a.endpoint.shared().with(|state, _| assert_eq!((state.sessions.len(), state.waiting()), (0, 0)));
    open(&mut world, &a, &b);
}

#[test]
fn dropping_the_last_handle_aborts() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    let channel = near.channel(CHANNEL);
    drop(near.clone());
    drop(near);
    world.run(async {
        channel.send(b"still alive").await.expect("sends");
        channel.flushed().await.expect("is acknowledged");
    });
    drop(channel);
    let reason = world.run(far.closed());
    assert_eq!(reason.by, ClosedBy::Peer);
    let mut message = Vec::new();
    assert_eq!(
        world.run(far.channel(CHANNEL).recv(&mut message, 100)),
        Ok(Some(11)),
        "what came before stays readable"
    );
    drop(far);
    let pause = world.sleep(Duration::from_secs(30));
    world.run(pause);
    for node in [&a, &b] {
        node.endpoint.shared().with(|state, _| assert_eq!((state.sessions.len(), state.waiting()), (0, 0)));
    }
}

#[test]
fn close_delivers_first_and_tells_both_ends() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    let channel = near.channel(CHANNEL);
    world.run(channel.send(&pattern(10_000, 3))).expect("sends");
    let closing = near.close(42, "enough");
    assert!(matches!(world.run(channel.send(b"late")), Err(SendError::Closed(_))));
    drop((near.clone(), channel));
    let (reason, heard) = world.run(join(closing, far.closed()));
    assert_eq!((reason.by, reason.space, reason.code.0), (ClosedBy::Local, CloseSpace::Application, 42));
    assert_eq!(
        (heard.by, heard.space, heard.code.0, heard.text.as_str()),
        (ClosedBy::Peer, CloseSpace::Application, 42, "enough")
    );
    let receiver = far.channel(CHANNEL);
    let mut message = Vec::new();
    assert_eq!(world.run(receiver.recv(&mut message, 1 << 20)), Ok(Some(10_000)));
    assert_eq!(message, pattern(10_000, 3));
    message.clear();
    assert_eq!(world.run(receiver.recv(&mut message, 1 << 20)), Ok(None));
    assert_eq!(world.run(receiver.read(&mut [0; 10])), Ok(None));
    assert_eq!(world.run(near.close(1, "again")), reason, "the first close holds");
}

#[test]
fn a_message_beyond_the_limit_is_not_lost() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    let (sender, receiver) = (near.channel(CHANNEL), far.channel(CHANNEL));
    for limit in [0, 1, 1000, 4999, 5000] {
        world.run(sender.send(&pattern(5000, 1))).expect("sends");
        let mut message = Vec::new();
        if limit < 5000 {
            assert_eq!(world.run(receiver.recv(&mut message, limit)), Err(RecvError::TooLong));
            assert_eq!(world.run(receiver.recv(&mut message, limit)), Err(RecvError::TooLong));
        }
        assert_eq!(world.run(receiver.recv(&mut message, 5000)), Ok(Some(5000)), "after a limit of {limit}");
        assert_eq!(message, pattern(5000, 1));
    }
    // Longer than the window, so that its end cannot be there when the limit is met.
    let large = pattern(40_000, 2);
    let sending = async {
        sender.begin().await.expect("begins");
        sender.write_all(&mut &large[..]).await.expect("writes");
        sender.finish().await.expect("finishes");
    };
    let mut message = Vec::new();
    let receiving = async {
        assert_eq!(receiver.recv(&mut message, 100).await, Err(RecvError::TooLong));
        assert_eq!(receiver.recv(&mut message, 40_000).await, Ok(Some(40_000)));
    };
    world.run(join(sending, receiving));
    assert!(message == large);
}

#[test]
fn a_channel_nobody_configured_says_so() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, _far) = open(&mut world, &a, &b);
    let channel = near.channel(ChannelId(99));
    assert_eq!(world.run(channel.send(b"x")), Err(SendError::UnknownChannel));
    assert_eq!(world.run(channel.read(&mut [0; 10])), Err(RecvError::UnknownChannel));
}

#[test]
fn closing_the_endpoint_ends_sessions_and_the_driver() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    let accepting = b.endpoint.clone();
    let ((), none, heard) = {
        let (((), none), heard) =
            world.run(join(join(b.endpoint.close(5, "going down"), accepting.accept()), near.closed()));
        ((), none, heard)
    };
    assert!(none.is_none());
    assert_eq!((heard.by, heard.code.0, heard.text.as_str()), (ClosedBy::Peer, 5, "going down"));
    assert_eq!(world.run(far.closed()).by, ClosedBy::Local);
    assert_eq!(world.run(b.endpoint.connect(a.key, a.address)).err(), Some(ConnectError::EndpointClosed));
    b.endpoint.shared().with(|state, _| assert!(state.ended && state.waiting() == 0));
    world.run(b.endpoint.close(5, "again"));
}

#[test]
fn a_driver_that_is_dropped_leaves_nobody_waiting() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, _far) = open(&mut world, &a, &b);
    let channel = near.channel(CHANNEL);
    world.stop();
    assert_eq!(world.run(near.closed()).code, CloseCode::INTERNAL);
    assert!(matches!(world.run(channel.read(&mut [0; 10])), Err(RecvError::Closed(_))));
    assert!(matches!(world.run(channel.send(b"x")), Err(SendError::Closed(Some(_)))));
    assert!(world.run(b.endpoint.accept()).is_none());
    world.run(a.endpoint.close(0, ""));
}

#[test]
fn l1_sessions_that_nobody_accepts_leave_nothing_behind() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    for _ in 0..20 {
        let Err(ConnectError::Ended { .. }) = world.run(a.endpoint.connect(b.key, b.address)) else {
            panic!("connected")
        };
    }
    let pause = world.sleep(Duration::from_secs(30));
    world.run(pause);
    let left = b.endpoint.shared().with(|state, _| (state.incoming.len(), state.sessions.len()));
    assert_eq!(left, (0, 0), "what waits to be accepted and records of sessions");
}

#[test]
fn a_warning_comes_before_the_end_and_extend_puts_it_off() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    for _ in 0..3 {
        let left = world.run(near.expiring()).expect("it lives");
        assert!(left <= Duration::from_secs(10) && left > Duration::from_secs(9), "{left:?}");
        near.extend().expect("it is established");
        far.extend().expect("it is established");
    }
    near.set_keepalive(Duration::from_secs(1)).expect("more often");
    assert_eq!(near.set_keepalive(Duration::from_secs(6)), Err(ExtendError::Keepalive));
    assert!(world.run(near.expiring()).is_some());
    assert_eq!(world.run(near.expiring()), None, "nobody did anything about it");
    assert_eq!(world.run(near.closed()).code, CloseCode::IDLE);
    assert_eq!(near.extend(), Err(ExtendError::NotEstablished));
}

#[test]
fn new_keys_are_agreed_on_while_the_session_goes_on() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = open(&mut world, &a, &b);
    near.rotate_key().expect("it is established");
    for (from, to) in [(&near, &far), (&far, &near)] {
        world.run(from.channel(CHANNEL).send(b"meanwhile")).expect("sends");
        let mut received = Vec::new();
        world.run(to.channel(CHANNEL).recv(&mut received, 20)).expect("arrives");
        assert_eq!(received, b"meanwhile");
    }
    assert_eq!([near.stats().key_rotations, far.stats().key_rotations], [1, 1]);
    near.abort(0, "");
    assert_eq!(near.rotate_key(), Err(ExtendError::NotEstablished));
}

#[test]
fn an_endpoint_writes_out_what_it_is_doing() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, _far) = open(&mut world, &a, &b);
    world.run(near.channel(CHANNEL).send(b"attack at dawn")).expect("sends");
    let dump = a.endpoint.dump();
    for shown in ["socket 10.0.0.1:7400: ", "endpoint: 1 of 16 sessions", "Established", &b.key.peer_id().to_string()] {
        assert!(dump.contains(shown), "{shown:?} is not in\n{dump}");
    }
    assert!(!dump.contains("attack"), "{dump}");
}
