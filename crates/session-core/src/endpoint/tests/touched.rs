//! Queues follow what was done to a session as soon as another is touched, or somebody asks; until then nobody can tell the difference.

use std::string::ToString;

use super::*;
use crate::config::SecondSession;

/// An end with three sessions, each with the same peer.
fn with_sessions(now: Instant) -> (Endpoint, [SessionId; 3]) {
    let end = |number| {
        let mut end = endpoint(number, Limits { hot_keys: 4, pending: 3, pool_blocks: 512, ..small_limits() });
        end.settings.config.second_session = SecondSession::KeepBoth;
        end
    };
    let (mut alice, mut bob) = (end(1), end(2));
    let ids = [(); 3].map(|()| {
        let peer = Peer::Known { key: bob.public_key(), psk: None };
        let id = alice.connect(peer, link(1, 2), ConnectOptions::default(), now).unwrap();
        let [_, events] = settle(&mut alice, &mut bob, now);
        let [Event::Incoming(at_bob)] = events[..] else { panic!("{events:?}") };
        bob.session_mut(at_bob, now).unwrap().accept(b"").unwrap();
        let _ = settle(&mut alice, &mut bob, now);
        id
    });
    (alice, ids)
}

fn ready(end: &mut Endpoint) -> Vec<u32> {
    let first = || {
        let first = end.slots.first(Queue::Ready)?;
        end.slots.unlink(Queue::Ready, first);
        Some(first)
    };
    core::iter::from_fn(first).collect()
}

#[test]
fn sessions_stand_in_a_queue_in_the_order_in_which_they_were_touched() {
    let now = Instant::from_micros(1);
    let (mut end, ids) = with_sessions(now);
    let later = now.saturating_add(Duration::from_secs(2));
    for number in [2, 2, 0, 2, 1, 1] {
        end.session_mut(ids[number], later).unwrap().send(b"in turn", CHANNEL).unwrap();
    }
    assert_eq!(end.slots.touched(), Some(ids[1].slot));
    end.file_touched();
    assert_eq!(ready(&mut end), [ids[2].slot, ids[0].slot, ids[1].slot]);
}

#[test]
fn whether_the_queues_follow_yet_cannot_be_told() {
    let now = Instant::from_micros(1);
    let (mut end, ids) = with_sessions(now);
    let later = now.saturating_add(Duration::from_secs(2));
    let look = |end: &Endpoint| (end.digest(), end.next_deadline(), end.dump().to_string());
    for number in [1, 0, 0] {
        end.session_mut(ids[number], later).unwrap().send(b"any", CHANNEL).unwrap();
        let before = look(&end);
        end.assert_invariants();
        end.file_touched();
        assert_eq!(look(&end), before);
    }
}

#[test]
fn a_session_that_is_gone_is_touched_no_more() {
    let now = Instant::from_micros(1);
    let (mut end, ids) = with_sessions(now);
    end.session_mut(ids[1], now).unwrap().send(b"the last", CHANNEL).unwrap();
    end.remove(ids[1].slot);
    assert_eq!((end.slots.touched(), ready(&mut end)), (None, Vec::new()));
    end.assert_invariants();
}
