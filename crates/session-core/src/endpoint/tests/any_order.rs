//! Any call, in any state, with any argument and any `now`.
//!
//! A campaign picks the state and the method that were called least, brings a session there, and calls it with wild arguments, while packets
//! are carried with loss. `ANY_ORDER_SEED=n cargo test -p session-core --lib any_order` replays a campaign.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::string::String;
use std::{eprintln, format};

use super::*;
use crate::action::Ecn;
use crate::channel_config::{ChannelConfig, ChannelLimits, ChannelMode, ChannelOptions};
use crate::config::SecondSession;
use crate::fuzz::null::Null;
use crate::reason::{ConnectError, OpenChannelError, RecvError, SendError};
use crate::send_options::SendOptions;
use crate::session::State;

/// Calls of each method in each state.
const WANTED: u32 = 1_000;
pub(super) const STATES: [State; 6] =
    [State::Closed, State::Connecting, State::SynSent, State::Handshaking, State::Established, State::Closing];

/// Every public method of an endpoint and of what it lends out.
const METHODS: &[&str] = &[
    "handle_datagram",
    "handle_timeout",
    "poll_action",
    "next_deadline",
    "connect",
    "set_pairing",
    "session_mut",
    "session",
    "forget",
    "sessions",
    "established",
    "sessions_of",
    "sessions_at",
    "session_by_uid",
    "session_count",
    "discards",
    "public_key",
    "max_datagram",
    "add_entropy",
    "entropy_changed",
    "digest",
    "accept",
    "pending",
    "refuse",
    "send",
    "send_with",
    "take_expired",
    "begin",
    "write",
    "finish",
    "read",
    "recv",
    "close",
    "abort",
    "extend",
    "set_keepalive",
    "set_rate_cap",
    "open_channel",
    "finish_channel",
    "reset_channel",
    "stop_channel",
    "as_ref",
    "id",
    "channels_available",
    "state",
    "role",
    "peer_key",
    "peer_id",
    "is_first_contact",
    "peer_node_type",
    "peer_capabilities",
    "uid",
    "link",
    "stats",
    "session_discards",
    "close_reason",
    "expiry",
    "channels",
    "channel_stats",
    "close_report",
    "heard",
    "user_data",
    "message_length",
];

struct World {
    ends: [Endpoint<Null>; 2],
    now: Instant,
    /// Packets on their way: to whom, and the bytes.
    on_the_way: Vec<(usize, Vec<u8>)>,
    random: Random,
    /// An id that names nothing any more.
    stale: Option<(usize, SessionId)>,
}

/// SplitMix64: repeatable from its seed.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

fn null_endpoint(number: u8) -> Endpoint<Null> {
    let limits = Limits { sessions: 6, pending: 3, opened_channels: 3, ..small_limits() };
    Endpoint::new(null_config(number), limits, Null, Seed::new([number; 32])).unwrap()
}

pub(super) fn null_config(number: u8) -> Config {
    let key = StaticKey::new(&Null, Secret::new([number; 32]));
    let mut config = Config::new(key, "test");
    config.channels = vec![
        ChannelConfig::from(ChannelId(16)).with_receipts(),
        ChannelConfig::new(ChannelId(20), ChannelMode::ReliableUnordered).with_priority(0),
        ChannelConfig::new(ChannelId(21), ChannelMode::Unreliable).with_weight(1),
        ChannelConfig::new(ChannelId(22), ChannelMode::LatestValue),
    ];
    config.channel_limits =
        ChannelLimits { reliable_ordered: 2, reliable_unordered: 1, unreliable: 1, latest_value: 1 };
    config.carriers[0].padding = false;
    // The world brings several sessions about between one pair of peers.
    config.second_session = if number == 1 { SecondSession::NewestWins } else { SecondSession::KeepBoth };
    config.directory_events = number == 2;
    config.carriers.push(crate::action::CarrierConfig { max_datagram: 400, min_datagram: 256, padding: false });
    config
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            ends: [null_endpoint(1), null_endpoint(2)],
            now: Instant::from_micros(1),
            on_the_way: Vec::new(),
            random: Random(seed),
            stale: None,
        }
    }

    // --- bringing a session to a state ---

    fn in_state(&mut self, state: State) -> Option<(usize, SessionId)> {
        let start = self.random.below(2);
        for side in [start, 1 - start] {
            let here: Vec<_> = self.ends[side].sessions().filter(|id| self.state(side, *id) == state).collect();
            if !here.is_empty() {
                return Some((side, self.random.one_of(&here)));
            }
        }
        None
    }

    fn state(&self, side: usize, id: SessionId) -> State {
        self.ends[side].session(id).map_or(State::Closed, |session| session.state())
    }

    fn bring(&mut self, state: State) -> Option<(usize, SessionId)> {
        for round in 0..12 {
            if let Some(found) = self.in_state(state) {
                return Some(found);
            }
            match state {
                State::Closed => match self.stale {
                    Some((side, id)) if round > 0 && self.state(side, id) == State::Closed => return Some((side, id)),
                    _ => self.make_room(),
                },
                State::Connecting => self.begin_attempt(),
                State::SynSent => {
                    self.begin_attempt();
                    self.carry(0, 0);
                }
                State::Handshaking => {
                    if round > 0 {
                        self.make_room();
                    }
                    self.begin_attempt();
                    self.carry(3, 0);
                }
                State::Established => {
                    if round > 0 {
                        // A tentative slot of an initiator that is gone stands in the way of its next attempt.
                        self.make_room();
                    }
                    self.begin_attempt();
                    self.carry(4, 0);
                    let now = self.now;
                    for side in [0, 1] {
                        let all: Vec<_> = self.ends[side].sessions().collect();
                        for id in all {
                            let _ = self.ends[side].session_mut(id, now).map(|mut session| session.accept(b""));
                        }
                    }
                    self.carry(2, 0);
                }
                State::Closing => {
                    let wanted =
                        if round > 0 || self.random.below(2) == 0 { State::Established } else { State::Handshaking };
                    let Some((side, id)) = self.bring(wanted) else { continue };
                    let Some(mut session) = self.ends[side].session_mut(id, self.now) else { continue };
                    if self.random.below(2) == 0 { session.abort(1, "") } else { session.close(1, "") }
                }
            }
        }
        if state == State::Closed {
            // Nothing has ended yet.
            return None;
        }
        let sessions: Vec<_> =
            self.ends.iter().map(|end| end.sessions().map(|id| end.phase_of(id)).collect::<Vec<_>>()).collect();
        let discards: Vec<_> = self.ends.iter().map(|end| *end.discards()).collect();
        panic!(
            "no session gets to {state:?}: {sessions:?}, {discards:?}, {:?} {:?} {:?}",
            self.now, self.ends[0].now, self.ends[1].now
        );
    }

    fn begin_attempt(&mut self) {
        if self.ends.iter().any(|end| end.session_count() >= 5) {
            self.make_room();
        }
        let side = self.random.below(2);
        let peer = if self.random.below(2) == 0 {
            // Any other call may have turned it off.
            self.ends[1 - side].set_pairing(Some(Instant::MAX), self.now);
            Peer::Unknown { psk: None }
        } else {
            Peer::Known { key: self.ends[1 - side].public_key(), psk: None }
        };
        let link = self.link(side);
        let _ = self.ends[side].connect(peer, link, ConnectOptions { user_data: b"hi" }, self.now);
    }

    /// Ends all sessions and forgets them.
    fn make_room(&mut self) {
        for side in [0, 1] {
            let all: Vec<_> = self.ends[side].sessions().collect();
            for id in all {
                let now = self.now;
                let _ = self.ends[side].session_mut(id, now).map(|mut session| session.abort(0, ""));
                self.stale = Some((side, id));
            }
        }
        // Their quiet time passes.
        self.carry(2, 0);
        self.now = self.now.saturating_add(Duration::from_secs(5));
        for side in [0, 1] {
            self.serve(side, self.now);
            self.speak(side);
            let all: Vec<_> = self.ends[side].sessions().collect();
            all.into_iter().for_each(|id| self.ends[side].forget(id));
        }
    }

    fn link(&mut self, side: usize) -> Link {
        if side == 0 { link(1, 2) } else { link(2, 1) }
    }

    /// Lets both ends speak and carries what they say, `loss` percent of it not.
    fn carry(&mut self, rounds: usize, loss: usize) {
        for round in 0..=rounds {
            for side in [0, 1] {
                self.speak(side);
            }
            if round == rounds {
                return;
            }
            for (to, mut packet) in core::mem::take(&mut self.on_the_way) {
                if self.random.below(100) >= loss {
                    let link = self.link(to);
                    let _ = self.ends[to].handle_datagram(&mut packet, Arrival::new(link), self.now);
                }
            }
        }
    }

    fn speak(&mut self, side: usize) {
        let mut out = [0; 2000];
        for turn in 0.. {
            assert!(turn < 10_000, "poll_action does not come to an end");
            match self.ends[side].poll_action(&mut out, self.now) {
                Action::Transmit(transmit) => self.on_the_way.push((1 - side, out[..transmit.len].to_vec())),
                Action::Event(_) => {}
                _ => break,
            }
        }
        let surplus = self.on_the_way.len().saturating_sub(64);
        self.on_the_way.drain(..surplus);
    }

    // --- calling ---

    /// Mostly the time it is; else the past, a bit later, hours later.
    fn any_now(&mut self) -> Instant {
        let now = self.now.as_micros();
        match self.random.below(40) {
            0..4 => Instant::from_micros(self.random.next() % now.max(1)),
            4..8 => Instant::EPOCH,
            8..14 => {
                self.now = Instant::from_micros(now.saturating_add(self.random.next() % 50_000));
                self.now
            }
            14 => {
                self.now = self
                    .ends
                    .iter()
                    .filter_map(|end| end.next_deadline())
                    .map(|next| next.at)
                    .min()
                    .unwrap_or(self.now)
                    .max(self.now);
                self.now
            }
            15 if self.random.below(8) == 0 => {
                self.now = Instant::from_micros(now.saturating_add(self.random.next() % 20_000_000_000));
                self.now
            }
            _ => self.now,
        }
    }

    fn any_channel(&mut self) -> ChannelId {
        let wild = self.random.next() % 300;
        let dynamic = 256 + self.random.next() % 24;
        ChannelId(self.random.one_of(&[16, 16, 16, 20, 21, 22, dynamic, dynamic, dynamic, wild, u64::MAX]))
    }

    fn call(&mut self, method: &str, side: usize, id: SessionId) {
        let now = self.any_now();
        // A digest of the whole endpoint takes most of the time: one call in four is watched.
        let before = (self.random.below(4) == 0).then(|| self.ends[side].digest());
        let unchanged = match method {
            "handle_datagram" => self.any_datagram(side, now),
            "handle_timeout" => {
                self.serve(side, now);
                false
            }
            "poll_action" => self.poll_into_any_buffer(side, now),
            "connect" => self.connect_any(side, now),
            "set_pairing" => {
                let until = self.random.one_of(&[None, Some(now), Some(self.now), Some(Instant::MAX)]);
                self.ends[side].set_pairing(until, now);
                false
            }
            "forget" => {
                self.ends[side].forget(id);
                if self.ends[side].session(id).is_none() {
                    self.stale = Some((side, id));
                }
                false
            }
            "add_entropy" => {
                self.ends[side].add_entropy(Seed::new([self.random.next() as u8; 32]));
                false
            }
            "entropy_changed" => {
                self.ends[side].entropy_changed(Seed::new([self.random.next() as u8; 32]), now);
                false
            }
            "accept" | "pending" | "refuse" | "send" | "send_with" | "take_expired" | "begin" | "write" | "finish"
            | "read" | "recv" | "close" | "abort" | "extend" | "set_keepalive" | "set_rate_cap" | "open_channel"
            | "finish_channel" | "reset_channel" | "stop_channel" | "as_ref" => self.command(method, side, id, now),
            question => {
                self.ask(question, side, id, now);
                true
            }
        };
        if let Some(before) = before.filter(|_| unchanged) {
            assert_eq!(self.ends[side].digest(), before, "{method} changed something");
        }
        self.ends[side].assert_invariants();
    }

    /// Serving comes to an end: no deadline recurs at the instant it was served.
    fn serve(&mut self, side: usize, now: Instant) {
        let end = &mut self.ends[side];
        end.handle_timeout(now);
        let reached = now.max(end.now);
        for round in 0.. {
            match end.next_deadline() {
                Some(deadline) if deadline.at <= reached => {
                    assert!(round < 100, "{deadline:?} recurs at {reached:?}");
                    end.handle_timeout(now);
                }
                _ => break,
            }
        }
    }

    fn any_datagram(&mut self, side: usize, now: Instant) -> bool {
        let mut link = self.link(side);
        let found = self.on_the_way.iter().position(|(to, _)| *to == side);
        let mut packet = match found {
            Some(at) if self.random.below(4) > 0 => self.on_the_way.remove(at).1,
            _ => (0..self.random.below(80)).map(|_| self.random.next() as u8).collect(),
        };
        match self.random.below(10) {
            0 => link.carrier = Carrier(self.random.below(4) as u8),
            1 => packet.truncate(self.random.below(packet.len() + 1)),
            2 if !packet.is_empty() => {
                let at = self.random.below(packet.len());
                packet[at] ^= 1 << self.random.below(8);
            }
            3 => self.on_the_way.push((side, packet.clone())),
            _ => {}
        }
        let ecn = self.random.one_of(&[None, Some(Ecn::Ce)]);
        matches!(self.ends[side].handle_datagram(&mut packet, Arrival { link, ecn }, now), Received::Discarded(_))
    }

    fn poll_into_any_buffer(&mut self, side: usize, now: Instant) -> bool {
        let mut out = vec![0; self.random.one_of(&[0, 1, 100, 1199, 2000, 2000, 2000])];
        match self.ends[side].poll_action(&mut out, now) {
            Action::Transmit(transmit) => {
                assert!(transmit.len <= out.len());
                self.on_the_way.push((1 - side, out[..transmit.len].to_vec()));
                false
            }
            Action::NeedsRoom(bytes) => {
                assert!(bytes > out.len() && bytes <= self.ends[side].max_datagram());
                false
            }
            _ => false,
        }
    }

    fn connect_any(&mut self, side: usize, now: Instant) -> bool {
        let mut link = self.link(side);
        link.carrier = Carrier(self.random.one_of(&[0, 0, 1, 2, 255]));
        let key = self.random.one_of(&[self.ends[0].public_key(), self.ends[1].public_key()]);
        let name = crate::config::PskName::new(b"nobody").unwrap();
        let psk = (self.random.below(8) == 0).then_some(&name);
        let user_data = vec![1; self.random.one_of(&[0, 3, 512, 513])];
        let peer = if self.random.below(2) == 0 { Peer::Unknown { psk } } else { Peer::Known { key, psk } };
        let begun = self.ends[side].connect(peer, link, ConnectOptions { user_data: &user_data }, now);
        if psk.is_some() {
            assert!(begun.is_err());
        }
        assert!(begun != Err(ConnectError::Carrier) || link.carrier.0 > 0, "{begun:?}");
        begun.is_err()
    }

    /// Gives a command; returns whether it was refused, so that nothing may have changed.
    fn command(&mut self, method: &str, side: usize, id: SessionId, now: Instant) -> bool {
        let channel = self.any_channel();
        let bytes = vec![7; self.random.one_of(&[0, 1, 10, 300, 3000, 70_000])];
        let mut out = vec![0; self.random.one_of(&[0, 1, 100, 5000])];
        let code = self.random.one_of(&[0, 1, 0x3F, u64::MAX]);
        let text = self.random.one_of(&["", "enough", "ä", LONG]);
        let retry = self.random.one_of(&[None, Some(Duration::ZERO), Some(Duration::MAX)]);
        let keepalive =
            self.random.one_of(&[Duration::ZERO, Duration::from_millis(1), Duration::from_secs(4), Duration::MAX]);
        let soon = now.saturating_add(Duration::from_millis(self.random.next() % 100));
        let options = self.random.one_of(&[SendOptions::by(now), SendOptions::by(soon), SendOptions::by(Instant::MAX)]);
        let mode = self.random.one_of(&ChannelMode::ALL);
        let channel_options = ChannelOptions {
            priority: self.random.one_of(&[0, 3, 7, 8]),
            weight: self.random.one_of(&[0, 1, 255]),
            receipts: self.random.below(4) == 0,
            budget: self.random.one_of(&[1, 2, u32::MAX]),
        };
        let Some(mut session) = self.ends[side].session_mut(id, now) else { return true };
        match method {
            "accept" => session.accept(&bytes).is_err(),
            "pending" => session.pending().is_err(),
            "refuse" => session.refuse(CloseCode(code), text, retry).is_err(),
            // That a message was cut is said once.
            "read" => session.read(&mut out, channel).is_err_and(|error| error != RecvError::Cut),
            "recv" => session.recv(&mut out, channel).is_err_and(|error| error != RecvError::Cut),
            "take_expired" => session.take_expired(channel).is_none(),
            "close" | "abort" if method == "close" => {
                session.close(code, text);
                false
            }
            "abort" => {
                session.abort(code, text);
                false
            }
            "extend" => session.extend().is_err(),
            "set_keepalive" => session.set_keepalive(keepalive).is_err(),
            "set_rate_cap" => {
                session.set_rate_cap(core::num::NonZeroU64::new(code));
                false
            }
            // Who was refused a channel is noted, to be told when there is one.
            "open_channel" => session
                .open_channel(mode, channel_options)
                .is_err_and(|error| matches!(error, OpenChannelError::NotEstablished | OpenChannelError::Options)),
            "finish_channel" => session.finish_channel(channel).is_err(),
            "reset_channel" => session.reset_channel(code, channel).is_err(),
            "stop_channel" => session.stop_channel(code, channel).is_err(),
            "as_ref" => session.as_ref().is_none(),
            sending => {
                let mut give = || match sending {
                    "send_with" => session.send_with(&bytes, channel, options).map(|_| ()),
                    "send" => session.send(&bytes, channel).map(|_| ()),
                    "begin" => session.begin(channel),
                    "write" => session.write(&bytes, channel).map(|_| ()),
                    _ => session.finish(channel).map(|_| ()),
                };
                match give() {
                    Ok(()) => false,
                    // Whoever is blocked is noted, once: from then on a refusal changes nothing.
                    Err(SendError::Blocked) => {
                        let noted = self.ends[side].digest();
                        let mut session = self.ends[side].session_mut(id, now).unwrap();
                        let again = match sending {
                            "send_with" => session.send_with(&bytes, channel, options).map(|_| ()),
                            "send" => session.send(&bytes, channel).map(|_| ()),
                            "write" => session.write(&bytes, channel).map(|_| ()),
                            _ => session.finish(channel).map(|_| ()),
                        };
                        assert_eq!(again, Err(SendError::Blocked));
                        assert_eq!(self.ends[side].digest(), noted, "{sending} changed something");
                        false
                    }
                    Err(_) => true,
                }
            }
        }
    }

    fn ask(&mut self, question: &str, side: usize, id: SessionId, now: Instant) {
        let channel = self.any_channel();
        let mut out = vec![0; self.random.one_of(&[0, 2, 600])];
        let end = &mut self.ends[side];
        match question {
            "next_deadline" => drop(end.next_deadline()),
            "session_mut" => drop(end.session_mut(id, now)),
            "sessions" => assert_eq!(end.sessions().count(), end.session_count() as usize),
            "established" => assert!(end.established().all(|id| end.sessions().any(|other| other == id))),
            "sessions_of" | "sessions_at" | "session_by_uid" => {
                let Some(session) = end.session(id) else { return };
                // Whom the application has not heard of is not found.
                let is_shown = !end.slots.get(id).unwrap().is_unheard();
                let is_found = match question {
                    "sessions_of" => {
                        session.peer_id().map_or(is_shown, |peer| end.sessions_of(peer).any(|found| found == id))
                    }
                    "sessions_at" => end.sessions_at(session.link().remote).any(|found| found == id),
                    _ => session.uid().map_or(is_shown, |uid| end.session_by_uid(&uid) == Some(id)),
                };
                assert_eq!(is_found, is_shown, "{question}");
            }
            "session_count" => assert!(end.session_count() <= 6),
            "discards" => assert!(end.discards().total() >= end.discards().of(DiscardReason::Malformed)),
            "public_key" => drop(end.public_key()),
            "max_datagram" => assert!(end.max_datagram() >= 1200),
            "digest" => assert_eq!(end.digest(), end.digest()),
            _ => {
                let Some(session) = end.session(id) else { return };
                match question {
                    "id" => assert_eq!(session.id(), id),
                    "uid" => {
                        let waits = session.role() == crate::ids::Role::Initiator || session.is_first_contact();
                        assert!(session.uid().is_some() || waits);
                    }
                    "stats" => drop(session.stats().loss_percent()),
                    "close_reason" => {
                        let over = session.close_reason().is_some();
                        assert!(
                            over == matches!(session.state(), State::Closed | State::Closing),
                            "{:?}",
                            session.state()
                        );
                    }
                    "user_data" => assert!(session.user_data(&mut out) <= out.len()),
                    "message_length" => drop(session.message_length(channel)),
                    "session_discards" => drop(session.discards().total()),
                    "expiry" => assert!(session.expiry().is_none() || session.state() == State::Established),
                    "channels" => assert!(session.channels().all(|id| session.channel_stats(id).is_some())),
                    "channel_stats" => {
                        if let Some(stats) = session.channel_stats(channel) {
                            assert!(stats.acked <= stats.sent && stats.sent <= stats.queued, "{stats:?}");
                            assert!(stats.delivered <= stats.sent, "{stats:?}");
                            assert!(stats.read <= stats.received, "{stats:?}");
                        }
                    }
                    "channels_available" => {
                        let few = ChannelMode::ALL.iter().all(|mode| session.channels_available(*mode) <= 3);
                        assert!(few, "no more than we may have open at once");
                    }
                    "close_report" => {
                        assert!(session.close_report(channel).is_none() || session.close_reason().is_some());
                    }
                    "heard" => assert!(session.uid().is_none() || session.heard() == crate::session::Heard::Peer),
                    "state" => drop(session.state()),
                    "role" => drop(session.role()),
                    "peer_key" => drop(session.peer_key()),
                    "peer_id" => assert_eq!(session.peer_id(), session.peer_key().map(|key| key.peer_id())),
                    "is_first_contact" => assert!(session.is_first_contact() || session.peer_key().is_some()),
                    "peer_node_type" => assert_eq!(session.peer_node_type().is_some(), session.uid().is_some()),
                    "peer_capabilities" => assert_eq!(session.peer_capabilities().is_some(), session.uid().is_some()),
                    "link" => drop(session.link()),
                    "session" => {}
                    other => panic!("{other} is not asked"),
                }
            }
        }
    }
}

/// Longer than a text may be, with characters of more than one byte at every place it may be cut.
const LONG: &str = "ääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää";

/// The end of the world: all clocks at their last instant.
fn at_the_end_of_time(world: &mut World) {
    world.now = Instant::MAX;
    for side in [0, 1] {
        for _ in 0..4 {
            world.serve(side, Instant::MAX);
            world.speak(side);
        }
    }
    for method in METHODS {
        for side in [0, 1] {
            let id = world.ends[side].sessions().next().or(world.stale.map(|(_, id)| id));
            if let Some(id) = id {
                world.call(method, side, id);
            }
        }
    }
}

/// How often each method was called in each state.
type Calls = [[u32; METHODS.len()]; STATES.len()];

fn campaign(seed: u64, calls: &mut Calls) {
    let mut world = World::new(seed);
    for _ in 0..3_000 {
        let least = |state: &usize| calls[*state].iter().min().copied();
        let state =
            if world.random.below(8) == 0 { world.random.below(6) } else { (0..6).min_by_key(least).unwrap_or(0) };
        let method = (0..METHODS.len()).min_by_key(|method| calls[state][*method]).unwrap_or(0);
        let method = if world.random.below(8) == 0 { world.random.below(METHODS.len()) } else { method };
        let Some((side, id)) = world.bring(STATES[state]) else { continue };
        assert_eq!(world.state(side, id), STATES[state]);
        world.call(METHODS[method], side, id);
        calls[state][method] += 1;
        if world.random.below(16) == 0 {
            world.carry(1, 30);
        }
    }
    at_the_end_of_time(&mut world);
}

//= docs/protocol.md P-11-2 P-11-3
#[test]
fn any_call_in_any_order_at_any_time_is_total_and_all_or_nothing() {
    run_campaigns("any_order", METHODS, 200, campaign);
}

/// Runs campaigns until every method was called often enough in every state, which must be within `most` of them; or the one chosen by
/// `ANY_ORDER_SEED`. A campaign that fails says how to run it alone.
pub(super) fn run_campaigns<const M: usize>(
    filter: &str,
    methods: &[&str],
    most: u64,
    campaign: impl Fn(u64, &mut [[u32; M]; STATES.len()]),
) {
    let chosen = std::env::var("ANY_ORDER_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut calls = [[0; M]; STATES.len()];
    let rare = |calls: &[[u32; M]; STATES.len()]| {
        let all = (0..STATES.len()).flat_map(|state| (0..M).map(move |method| (state, method)));
        let rare: Vec<String> = all
            .filter(|(state, method)| calls[*state][*method] < WANTED)
            .map(|(state, method)| format!("{:?}/{}", STATES[state], methods[method]))
            .collect();
        rare
    };
    for seed in chosen.map_or(0..most, |seed: u64| seed..seed + 1) {
        let outcome = catch_unwind(AssertUnwindSafe(|| campaign(seed, &mut calls)));
        if let Err(panic) = outcome {
            eprintln!("seed {seed}: ANY_ORDER_SEED={seed} cargo test -p session-core --lib {filter}");
            resume_unwind(panic);
        }
        if rare(&calls).is_empty() {
            break;
        }
    }
    assert!(chosen.is_some() || rare(&calls).is_empty(), "fewer than {WANTED} calls of {:?}", rare(&calls));
}
