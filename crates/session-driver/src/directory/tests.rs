use session_core::ClosedBy;

use super::*;
use crate::fake::{Node, World, join};

/// What has been announced by now.
fn heard(watch: &mut Watch) -> Vec<Result<DirectoryEvent, Missed>> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    let mut heard = Vec::new();
    while let Poll::Ready(Some(news)) = Pin::new(&mut *watch).poll_next(&mut context) {
        heard.push(news);
    }
    heard
}

fn pass(world: &mut World, seconds: u64) {
    let pause = world.sleep(std::time::Duration::from_secs(seconds));
    world.run(pause);
}

/// An attempt that is given up before it has begun in earnest: two announcements at least.
fn knock(world: &mut World, node: &Node, peer: &Node) {
    let mut attempt = Box::pin(node.endpoint.connect(peer.key, SocketAddr::from(([10, 0, 0, 99], 1))));
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(attempt.as_mut().poll(&mut context).is_pending());
    pass(world, 1);
    drop(attempt);
    pass(world, 30);
}

#[test]
fn a_watch_is_told_of_a_session_from_its_beginning_to_its_end() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let mut watches = [a.endpoint.watch(), b.endpoint.watch()];
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    let sessions = [near.expect("connects"), far.expect("accepts")];
    let ids = sessions.each_ref().map(crate::Session::id);
    world.run(sessions[0].close(0, "done"));
    drop(sessions);
    pass(&mut world, 30);
    for ((watch, id), peer) in watches.iter_mut().zip(ids).zip([&b, &a]) {
        let told: Vec<_> = heard(watch).into_iter().map(|news| news.expect("it asks in time")).collect();
        for event in &told {
            assert_eq!((event.session, event.remote), (id, Some(peer.address)));
            assert_eq!(event.peer_id, Some(peer.key.peer_id()), "{event:?}");
        }
        let changes: Vec<_> = told.iter().map(|event| event.change).collect();
        assert!(matches!(changes[0], DirectoryChange::Added(_)), "{changes:?}");
        let established = DirectoryChange::StateChanged(State::Established);
        let closed = DirectoryChange::StateChanged(State::Closed);
        let place = |change| changes.iter().position(|other| *other == change);
        assert!(place(established).is_some() && place(established) < place(closed), "{changes:?}");
        assert_eq!(changes.last(), Some(&DirectoryChange::Removed));
        assert_eq!(changes.iter().filter(|change| **change == DirectoryChange::Removed).count(), 1);
    }
    let known = |state: &mut shared::State| state.directory.known.len();
    assert_eq!([&a, &b].map(|node| node.endpoint.shared().with(|state, _| known(state))), [0, 0]);
}

#[test]
fn who_waits_is_woken_and_the_end_of_the_endpoint_is_the_end() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (mut first, mut second) = (b.endpoint.watch(), b.endpoint.watch());
    let (news, near) = world.run(join(join(first.next(), second.next()), async {
        let accepting = async { b.endpoint.accept().await.expect("the endpoint lives").accept().await };
        join(a.endpoint.connect(b.key, b.address), accepting).await
    }));
    assert!(matches!(news, (Some(Ok(one)), Some(Ok(other))) if one == other), "{news:?}");
    let closing = world.run(join(b.endpoint.close(0, ""), async {
        while first.next().await.is_some() {}
        near.0.expect("connects").closed().await
    }));
    assert_eq!(closing.1.by, ClosedBy::Peer);
    assert!(world.run(second.next()).is_some_and(|news| news.is_ok()), "what was told before is kept");
}

#[test]
fn who_does_not_ask_is_told_how_much_it_missed_and_nothing_grows() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let kept = |state: &mut shared::State| (state.directory.kept.len(), state.directory.kept.capacity());
    let kept = || a.endpoint.shared().with(|state, _| kept(state));
    knock(&mut world, &a, &b);
    assert_eq!(kept(), (0, 0), "nobody watches");
    a.endpoint.shared().with(|state, _| assert!(state.directory.known.capacity() == 0, "nor is anybody remembered"));
    let (mut lazy, mut busy) = (a.endpoint.watch(), a.endpoint.watch());
    let mut all = Vec::new();
    while all.len() < KEPT + 50 {
        knock(&mut world, &a, &b);
        all.extend(heard(&mut busy));
    }
    assert!(all.iter().all(Result::is_ok) && kept().0 == KEPT);
    let missed = all.len() - KEPT;
    let mut expected = vec![Err(Missed(missed as u64))];
    expected.extend_from_slice(&all[missed..]);
    assert!(heard(&mut lazy) == expected, "{missed} of {}", all.len());
    drop(lazy);
    assert_eq!(kept().0, KEPT);
    drop(busy);
    assert_eq!(kept(), (0, 0));
    let mut late = a.endpoint.watch();
    assert_eq!(heard(&mut late), [], "only what happens from now on");
    a.endpoint.shared().with(|state, _| assert_eq!(state.waiting(), 1, "one that asked and lives"));
    drop(late);
    a.endpoint.shared().with(|state, _| assert_eq!(state.waiting(), 0));
}

#[test]
fn who_watches_late_is_told_whose_session_ends_all_the_same() {
    let mut world = World::new();
    let (a, b) = (world.node(), world.node());
    let (near, far) = world.run(join(a.endpoint.connect(b.key, b.address), async {
        b.endpoint.accept().await.expect("the endpoint lives").accept().await
    }));
    let mut watch = a.endpoint.watch();
    world.run(near.expect("connects").close(0, ""));
    drop(far);
    pass(&mut world, 30);
    let last = heard(&mut watch).pop().expect("something is told").expect("in time");
    assert_eq!((last.change, last.peer_id), (DirectoryChange::Removed, Some(b.key.peer_id())));
    assert_eq!(last.remote, Some(b.address));
}
