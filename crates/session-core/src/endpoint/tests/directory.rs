//! Look-ups, announcements, and a second session of the same peer.

use super::any_order::Random;
use super::pair::Pair;
use super::*;
use crate::config::SecondSession;
use crate::ids::{PeerId, Uid};
use crate::reason::ClosedBy;
use crate::session::State;

const ENDS: [usize; 2] = [0, 1];

/// Two ends under one policy that may announce what happens. The second has room for several attempts at once.
fn pair(policy: SecondSession, announces: bool) -> Pair {
    Pair::new([1, 2].map(|number| {
        let key = StaticKey::new(&RustCrypto, Secret::new([number; 32]));
        let mut config = Config::new(key, "test");
        config.second_session = policy;
        config.directory_events = announces;
        Endpoint::new(config, small_limits(), RustCrypto, Seed::new([number; 32])).unwrap()
    }))
}

fn peer_id(pair: &Pair, end: usize) -> PeerId {
    pair.ends[end].public_key().peer_id()
}

/// End 0 asks for a session with end 1, which has heard of it but not answered.
fn ask(pair: &mut Pair) -> [SessionId; 2] {
    pair.connect(b"");
    pair.settle();
    let Some(Event::Incoming(there)) = pair.events[1].last() else { panic!("{:?}", pair.events) };
    pair.ids[1] = Some(*there);
    [pair.ids[0].unwrap(), *there]
}

fn establish(pair: &mut Pair) -> [SessionId; 2] {
    let ids = ask(pair);
    pair.session(1).accept(b"").unwrap();
    pair.settle();
    ids
}

fn state(pair: &Pair, end: usize, id: SessionId) -> State {
    pair.ends[end].session(id).map_or(State::Closed, |session| session.state())
}

fn forget_all(pair: &mut Pair) {
    pair.pass(Duration::from_secs(10));
    for end in ENDS {
        pair.serve(end, pair.now);
        let _ = pair.take(end);
        let all: Vec<_> = pair.ends[end].sessions().collect();
        all.into_iter().for_each(|id| pair.ends[end].forget(id));
    }
}

#[test]
fn s0_10_s0_11_a_session_is_found_by_peer_address_and_name_until_it_is_forgotten() {
    let mut pair = pair(SecondSession::KeepBoth, false);
    let ids = [establish(&mut pair), establish(&mut pair)];
    for end in ENDS {
        let expected = [ids[0][end], ids[1][end]];
        let endpoint = &pair.ends[end];
        let sorted = |found: &mut dyn Iterator<Item = SessionId>| {
            let mut found: Vec<_> = found.collect();
            found.sort();
            found
        };
        assert_eq!(sorted(&mut endpoint.sessions_of(peer_id(&pair, 1 - end))), expected);
        assert_eq!(sorted(&mut endpoint.sessions_at(address(2 - end as u8))), expected);
        assert_eq!(sorted(&mut endpoint.sessions()), expected);
        assert_eq!(sorted(&mut endpoint.established()), expected);
        for id in expected {
            let uid = endpoint.session(id).unwrap().uid().unwrap();
            assert_eq!(endpoint.session_by_uid(&uid), Some(id));
        }
        assert_eq!(endpoint.sessions_of(peer_id(&pair, end)).count(), 0, "nobody has a session with itself");
        assert_eq!(endpoint.sessions_at(address(9)).count(), 0);
        assert_eq!(endpoint.session_by_uid(&Uid([0; 16])), None);
    }
    let uid = pair.ends[1].session(ids[0][1]).unwrap().uid().unwrap();
    pair.ids = ids[0].map(Some);
    pair.session(0).abort(1, "");
    pair.settle();
    assert_eq!(pair.ends[1].established().collect::<Vec<_>>(), [ids[1][1]]);
    assert_eq!(pair.ends[1].session_by_uid(&uid), Some(ids[0][1]), "it can still be asked why it ended");
    forget_all(&mut pair);
    assert_eq!(pair.ends[1].session_by_uid(&uid), None);
    assert_eq!(pair.ends[1].sessions_of(peer_id(&pair, 0)).collect::<Vec<_>>(), [ids[1][1]]);
    assert_eq!(pair.ends[1].sessions_at(address(1)).collect::<Vec<_>>(), [ids[1][1]]);
}

/// A Hello may be a replay: until CONNECT comes, the directory does not show it.
#[test]
fn who_has_only_knocked_is_not_in_the_directory() {
    let mut pair = pair(SecondSession::NewestWins, true);
    pair.connect(b"");
    let hello = pair.take(0);
    pair.deliver(1, &hello);
    assert_eq!(pair.ends[1].session_count(), 1);
    assert_eq!(pair.ends[1].sessions_of(peer_id(&pair, 0)).count(), 0);
    assert_eq!(pair.ends[1].sessions_at(address(1)).count(), 0);
    let _ = pair.take(1);
    assert_eq!(pair.events[1], []);
    pair.pass(Duration::from_secs(5));
    pair.serve(1, pair.now);
    let _ = pair.take(1);
    assert_eq!((pair.ends[1].session_count(), &pair.events[1][..]), (0, &[][..]));
}

#[test]
fn s0_12_the_directory_announces_sessions_added_changed_and_removed() {
    let mut pair = pair(SecondSession::NewestWins, true);
    let ids = {
        pair.connect(b"");
        pair.settle();
        let there = pair.ends[1].sessions().next().unwrap();
        pair.ids[1] = Some(there);
        [pair.ids[0].unwrap(), there]
    };
    let changed = |id| Event::StateChanged(id);
    assert_eq!(pair.events[0], [Event::Added(ids[0]), changed(ids[0]), changed(ids[0])], "connecting, Hello, Reply");
    assert_eq!(pair.events[1], [Event::Added(ids[1]), Event::Incoming(ids[1])]);
    pair.session(1).accept(b"").unwrap();
    pair.settle();
    assert_eq!(pair.events[1][2..], [changed(ids[1]), Event::Established(ids[1])]);
    pair.events = [Vec::new(), Vec::new()];
    pair.session(0).abort(1, "");
    pair.settle();
    assert_eq!(pair.events[0][..2], [changed(ids[0]), Event::Closed(ids[0])]);
    forget_all(&mut pair);
    for end in ENDS {
        let _ = pair.take(end);
        assert_eq!(pair.events[end].last(), Some(&Event::Removed(ids[end])));
        assert_eq!(pair.events[end].iter().filter(|event| matches!(event, Event::Removed(_))).count(), 1);
    }
}

/// What nobody fetched is told in the end: every session that was announced is announced to be gone, and none that was not.
#[test]
fn announcements_are_coalesced_and_never_lost() {
    let mut pair = pair(SecondSession::KeepBoth, true);
    let now = pair.now;
    let peer = Peer::Known { key: pair.ends[1].public_key(), psk: None };
    let mut random = Random(5);
    let mut known = Vec::new();
    let mut states = std::collections::BTreeMap::new();
    let mut out = [0; 2000];
    let (mut removed, mut changes) = (0, 0);
    for round in 0..2_000 {
        let end = &mut pair.ends[0];
        match random.below(4) {
            0 => drop(end.connect(peer, link(1, 2), ConnectOptions::default(), now)),
            1 => {
                let all: Vec<_> = end.sessions().collect();
                for id in all {
                    if random.below(2) == 0 {
                        end.session_mut(id, now).unwrap().abort(0, "");
                    } else {
                        end.forget(id);
                    }
                }
            }
            _ => {
                // Sometimes a few, sometimes all.
                for _ in 0..random.one_of(&[1, 3, 1000]) {
                    match end.poll_action(&mut out, now) {
                        Action::Event(Event::Added(id)) => {
                            assert!(!known.contains(&id), "round {round}: {id:?} twice");
                            known.push(id);
                        }
                        Action::Event(Event::Removed(id)) => {
                            let at = known.iter().position(|known| *known == id);
                            known.swap_remove(at.unwrap_or_else(|| panic!("round {round}: {id:?} was never added")));
                            assert!(end.session(id).is_none());
                            removed += 1;
                        }
                        Action::Event(Event::StateChanged(id)) => {
                            assert!(known.contains(&id));
                            changes += 1;
                        }
                        Action::Event(_) | Action::Transmit(_) => {}
                        _ => {
                            // All is told: what is known is what is there.
                            let mut there: Vec<_> = end.sessions().collect();
                            there.sort();
                            known.sort();
                            assert_eq!(known, there, "round {round}");
                            states = there.iter().map(|id| (*id, end.session(*id).unwrap().state())).collect();
                            break;
                        }
                    }
                }
            }
        }
    }
    assert!(removed > 100 && changes > 100 && states.len() <= 4, "{removed} {changes} {states:?}");
}

/// Nobody forgets it: ten seconds after the protocol is over it is gone all the same, by a deadline.
#[test]
fn s0_28_what_has_ended_leaves_the_directory_by_a_deadline() {
    let mut pair = pair(SecondSession::NewestWins, true);
    let ids = establish(&mut pair);
    pair.session(0).abort(1, "");
    pair.settle();
    for end in ENDS {
        let peer = peer_id(&pair, 1 - end);
        let closed_at = pair.now;
        let forget = loop {
            let (timer, at) = pair.deadline(end);
            if timer == crate::action::TimerKind::Forget {
                break at;
            }
            pair.serve(end, at);
        };
        assert_eq!(pair.ends[end].sessions_of(peer).collect::<Vec<_>>(), [ids[end]]);
        // The quiet time after CLOSE, three probe timeouts, comes before.
        assert!(forget.saturating_since(closed_at) < Duration::from_secs(11));
        pair.serve(end, forget);
        assert_eq!((pair.ends[end].sessions_of(peer).count(), pair.ends[end].session_count()), (0, 0));
        let _ = pair.take(end);
        assert_eq!(pair.events[end].last(), Some(&Event::Removed(ids[end])));
    }
}

#[test]
fn nothing_is_announced_unless_asked_for() {
    let mut pair = pair(SecondSession::NewestWins, false);
    establish(&mut pair);
    pair.session(0).abort(1, "");
    pair.settle();
    forget_all(&mut pair);
    let announced = |event: &Event| matches!(event, Event::Added(_) | Event::Removed(_) | Event::StateChanged(_));
    assert!(!pair.events.iter().flatten().any(announced), "{:?}", pair.events);
}

//= docs/protocol.md P-4.2-7 P-12-5
#[test]
fn the_newest_session_of_a_peer_wins_when_it_is_accepted_and_not_before() {
    let mut pair = pair(SecondSession::NewestWins, false);
    let old = establish(&mut pair);
    let new = ask(&mut pair);
    for end in ENDS {
        assert_eq!(state(&pair, end, old[end]), State::Established, "neither Hello nor CONNECT ends anything");
    }
    pair.session(1).accept(b"").unwrap();
    pair.settle();
    for (end, by) in ENDS.into_iter().zip([ClosedBy::Peer, ClosedBy::Protocol]) {
        assert_eq!(state(&pair, end, new[end]), State::Established);
        let reason = pair.ends[end].session(old[end]).unwrap().close_reason().unwrap();
        assert_eq!((reason.by, reason.protocol_code()), (by, Some(CloseCode::SUPERSEDED)));
        assert!(pair.events[end].contains(&Event::Closed(old[end])));
    }
}

#[test]
fn the_newest_session_of_another_peer_ends_nothing() {
    let mut pair = pair(SecondSession::NewestWins, false);
    let ids = establish(&mut pair);
    let mut carol = endpoint(3, small_limits());
    let peer = Peer::Known { key: pair.ends[1].public_key(), psk: None };
    carol.connect(peer, link(1, 2), ConnectOptions::default(), pair.now).unwrap();
    for _ in 0..2 {
        let [_, events] = settle(&mut carol, &mut pair.ends[1], pair.now);
        for event in events {
            if let Event::Incoming(id) = event {
                pair.ends[1].session_mut(id, pair.now).unwrap().accept(b"").unwrap();
            }
        }
    }
    assert_eq!(pair.ends[1].established().count(), 2);
    assert_eq!(state(&pair, 1, ids[1]), State::Established);
}

#[test]
fn both_sessions_of_a_peer_are_kept_where_that_is_wanted() {
    let mut pair = pair(SecondSession::KeepBoth, false);
    establish(&mut pair);
    establish(&mut pair);
    assert_eq!(ENDS.map(|end| pair.ends[end].established().count()), [2, 2]);
}

#[test]
fn a_second_session_is_refused_where_that_is_wanted_and_the_application_never_hears_of_it() {
    // The caller keeps both, so that it does call.
    let [caller, _] = pair(SecondSession::KeepBoth, false).ends;
    let [_, listener] = pair(SecondSession::Refuse, true).ends;
    let mut pair = Pair::new([caller, listener]);
    let first = establish(&mut pair);
    pair.events = [Vec::new(), Vec::new()];
    pair.connect(b"");
    let second = pair.ids[0].unwrap();
    pair.settle();
    let reason = pair.ends[0].session(second).unwrap().close_reason().unwrap();
    assert_eq!((reason.by, reason.protocol_code()), (ClosedBy::Peer, Some(CloseCode::BUSY)));
    assert_eq!(pair.events[1], []);
    assert_eq!(ENDS.map(|end| state(&pair, end, first[end])), [State::Established; 2]);
    forget_all(&mut pair);
    assert_eq!(pair.ends[1].session_count(), 1, "the slot of who was refused is free");

    let peer = Peer::Known { key: pair.ends[0].public_key(), psk: None };
    let before = pair.ends[1].digest();
    let begun = pair.ends[1].connect(peer, link(2, 1), ConnectOptions::default(), pair.now);
    assert_eq!((begun, pair.ends[1].digest()), (Err(ConnectError::SecondSession), before));
}

/// Two peers that call each other at once: whatever is late, neither policy ends the one session that comes of it.
#[test]
fn calls_that_cross_do_not_end_each_other() {
    for policy in [SecondSession::NewestWins, SecondSession::Refuse] {
        for seed in 0..50 {
            let mut pair = pair(policy, false);
            let mut random = Random(seed);
            for end in ENDS {
                let peer = Peer::Known { key: pair.ends[1 - end].public_key(), psk: None };
                let (from, to) = if end == 0 { (1, 2) } else { (2, 1) };
                pair.ends[end].connect(peer, link(from, to), ConnectOptions::default(), pair.now).unwrap();
            }
            let mut on_the_way: Vec<(usize, Vec<u8>)> = Vec::new();
            for _ in 0..300 {
                let end = random.below(2);
                on_the_way.extend(pair.take(end).into_iter().map(|packet| (1 - end, packet)));
                for event in core::mem::take(&mut pair.events[end]) {
                    if let Event::Incoming(id) = event
                        && let Some(mut session) = pair.ends[end].session_mut(id, pair.now)
                    {
                        let _ = session.accept(b"");
                    }
                }
                if !on_the_way.is_empty() {
                    let (to, packet) = on_the_way.swap_remove(random.below(on_the_way.len()));
                    let _ = pair.receive(to, &packet);
                }
                pair.pass(Duration::from_millis(random.next() % 5));
            }
            let left: Vec<_> = ENDS.map(|end| pair.ends[end].established().count()).into();
            assert_eq!(left, [1, 1], "seed {seed}, {policy:?}");
        }
    }
}

/// A Hello makes the endpoint look for an attempt of its own: however many sessions the peer has, it looks at none of them.
#[test]
fn only_attempts_that_last_are_filed_as_attempts() {
    let mut pair = pair(SecondSession::KeepBoth, false);
    let attempts = |pair: &Pair, end: usize| {
        let peer = pair.ends[1 - end].public_key();
        pair.ends[end].attempts_at(&peer).map(|(_, core)| core.id()).collect::<Vec<_>>()
    };
    establish(&mut pair);
    establish(&mut pair);
    assert_eq!(ENDS.map(|end| attempts(&pair, end)), [vec![], vec![]], "what is established is no attempt");
    pair.connect(b"");
    pair.serve(0, pair.now);
    let id = pair.ids[0].unwrap();
    assert_eq!(attempts(&pair, 0), [id]);
    assert!(attempts(&pair, 1).is_empty(), "the peer's attempt is not ours");
    pair.session(0).abort(0, "");
    pair.serve(0, pair.now);
    assert!(attempts(&pair, 0).is_empty(), "what was given up is no attempt");
}
