//! Queues follow what was done to a session as soon as another is touched, or somebody asks; until then nobody can tell the difference.

use std::collections::VecDeque;
use std::string::{String, ToString};

use super::pair::Pair;
use super::*;
use crate::channel_config::ChannelMode;
use crate::config::SecondSession;
use crate::send_options::SendOptions;
use crate::session::straight;

/// An end with three sessions, each with the same peer.
fn with_sessions(now: Instant) -> (Endpoint, [SessionId; 3]) {
    with_sessions_of(now, |_, _| {})
}

fn with_sessions_of(now: Instant, configure: impl Fn(u8, &mut Config)) -> (Endpoint, [SessionId; 3]) {
    let end = |number| {
        let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "test");
        config.second_session = SecondSession::KeepBoth;
        configure(number, &mut config);
        let limits = Limits { hot_keys: 4, pending: 3, pool_blocks: 512, ..small_limits() };
        Endpoint::new(config, limits, RustCrypto, Seed::new([number; 32])).unwrap()
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

/// Both ends of a session, and what is on its way to each.
struct World {
    ends: [Endpoint; 2],
    ids: [SessionId; 2],
    arriving: [VecDeque<Vec<u8>>; 2],
}

impl World {
    fn new(now: Instant) -> Self {
        let (mut alice, mut bob) = (endpoint(1, small_limits()), endpoint(2, small_limits()));
        let peer = Peer::Known { key: bob.public_key(), psk: None };
        let at_alice = alice.connect(peer, link(1, 2), ConnectOptions::default(), now).unwrap();
        let [_, events] = settle(&mut alice, &mut bob, now);
        let [Event::Incoming(at_bob)] = events[..] else { panic!("{events:?}") };
        bob.session_mut(at_bob, now).unwrap().accept(b"").unwrap();
        let _ = settle(&mut alice, &mut bob, now);
        Self { ends: [alice, bob], ids: [at_alice, at_bob], arriving: Default::default() }
    }

    /// One thing of those that happen to an end; what can be seen of it.
    fn step(&mut self, side: usize, choice: u32, now: Instant) -> (String, [u8; 32]) {
        let end = &mut self.ends[side];
        let mut buffer = vec![0; end.max_datagram()];
        let id = self.ids[side];
        let seen = match choice % 8 {
            0 | 1 => {
                let message = vec![7; choice as usize / 8 % 700];
                end.session_mut(id, now).map(|mut session| session.send(&message, CHANNEL)).to_text()
            }
            2 => end.session_mut(id, now).map(|mut session| session.recv(&mut buffer, CHANNEL)).to_text(),
            3 => {
                if let Some(mut datagram) = self.arriving[side].pop_front()
                    && !choice.is_multiple_of(5)
                {
                    let _ = end.handle_datagram(&mut datagram, arrival(side), now);
                }
                String::new()
            }
            4 => {
                end.handle_timeout(now);
                String::new()
            }
            _ => {
                let action = end.poll_action(&mut buffer, now);
                if let Action::Transmit(transmit) = action {
                    self.arriving[1 - side].push_back(buffer[..transmit.len].to_vec());
                }
                action.to_text()
            }
        };
        end.assert_invariants();
        (seen, end.digest())
    }
}

trait ToText {
    fn to_text(&self) -> String;
}

impl<T: core::fmt::Debug> ToText for T {
    fn to_text(&self) -> String {
        std::format!("{self:?}")
    }
}

/// Brought in line before each poll, the other is never served straight.
#[test]
fn what_goes_straight_is_what_goes_through_the_queues() {
    let (mut served, before) = (0, straight::times(straight::Way::Plain));
    for seed in 0..40_u32 {
        let mut now = Instant::from_micros(1);
        let (mut world, mut other) = (World::new(now), World::new(now));
        let mut draw = seed;
        for number in 0..400 {
            draw = draw.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (side, choice) = ((draw >> 31) as usize, (draw >> 8) & 0xFFFF);
            now = now.saturating_add(Duration::from_micros(u64::from(draw >> 20) * u64::from(draw & 3)));
            let polls = choice % 8 > 4;
            let end = &world.ends[side];
            served += u32::from(polls && end.slots.touched().is_some() && end.slots.are_queues_empty());
            if polls {
                other.ends[side].file_touched();
            }
            let (seen, expected) = (world.step(side, choice, now), other.step(side, choice, now));
            assert_eq!(seen, expected, "seed {seed}, step {number}, side {side}");
        }
    }
    assert!(served > 1_000, "only {served} polls may have gone straight");
    let plain = straight::times(straight::Way::Plain) - before;
    assert!(plain > 600, "only {plain} plain packets left, of both");
}

/// A session that was touched may find a buffer too short for it; what it gave up meanwhile is told, and then it goes on sending.
#[test]
fn who_needs_room_stays_in_the_queue() {
    let run = || {
        let latest = ChannelConfig::new(CHANNEL, ChannelMode::LatestValue);
        let mut pair = Pair::established_with(&small_limits(), &[latest]);
        pair.session(1).send(b"to acknowledge", CHANNEL).unwrap();
        let packets = pair.take(1);
        pair.deliver(0, &packets);
        let _ = pair.take(0);
        let by = SendOptions::by(pair.now.saturating_add(Duration::from_millis(5)));
        pair.session(0).send_with(b"late", CHANNEL, by).unwrap();
        pair.pass(Duration::from_millis(100));
        let first = pair.ends[0].poll_action(&mut [0; 100], pair.now);
        let ready = pair.ends[0].first_of(Queue::Ready);
        let mut out = [0; 2000];
        let rest = [(); 3].map(|()| pair.ends[0].poll_action(&mut out, pair.now).to_text());
        (first.to_text(), ready, rest)
    };
    let straight = run();
    assert!(straight.0.starts_with("NeedsRoom"), "{straight:?}");
    assert_eq!(straight, straight::closed(run));
}

/// Also before what a session that was touched has to send.
#[test]
fn what_is_announced_goes_before_the_session_that_was_touched() {
    let now = Instant::from_micros(1);
    let (mut end, ids) = with_sessions_of(now, |number, config| config.directory_events = number == 1);
    let later = now.saturating_add(Duration::from_secs(2));
    let mut out = vec![0; end.max_datagram()];
    let mut drain = |end: &mut Endpoint| while !matches!(end.poll_action(&mut out, later), Action::Wait(_)) {};
    drain(&mut end);
    end.session_mut(ids[0], later).unwrap().abort(0, "gone");
    drain(&mut end);
    end.forget(ids[0]);
    end.remove(ids[0].slot);
    end.session_mut(ids[1], later).unwrap().send(b"touched", CHANNEL).unwrap();
    assert!(end.slots.touched().is_some() && end.slots.are_queues_empty());
    let actions = [(); 2].map(|()| end.poll_action(&mut out, later));
    assert!(matches!(actions, [Action::Event(Event::Removed(id)), Action::Transmit(_)] if id == ids[0]), "{actions:?}");
}
