//! Two peers that connect to each other at once, and every loss of their first packets.

use std::format;

use super::*;
use crate::channel_config::ChannelMode;
use crate::config::PskName;
use crate::ids::Role;
use crate::send_options::SendOptions;
use crate::session::State;

/// One way between the two.
const TRIP: Duration = Duration::from_millis(10);

/// Two ends that both connect; end 0 has the smaller name.
struct Crossing {
    ends: [Endpoint; 2],
    addresses: [u8; 2],
    ids: [Option<SessionId>; 2],
    now: Instant,
    /// To whom, when, what.
    on_the_way: Vec<(Instant, usize, Vec<u8>)>,
    /// Bit n: the n-th datagram an end sends is lost.
    lost: [u32; 2],
    sent: [u32; 2],
    events: [Vec<Event>; 2],
}

impl Crossing {
    fn new(lost: [u32; 2]) -> Self {
        let mut numbers = [1, 2];
        numbers.sort_by_key(|number| endpoint(*number, small_limits()).public_key().peer_id());
        Self {
            ends: numbers.map(|number| endpoint(number, small_limits())),
            addresses: numbers,
            ids: [None; 2],
            now: Instant::from_micros(1),
            on_the_way: Vec::new(),
            lost,
            sent: [0; 2],
            events: [Vec::new(), Vec::new()],
        }
    }

    /// The same with the channel of messages in another mode.
    fn with_mode(lost: [u32; 2], mode: ChannelMode) -> Self {
        let mut crossing = Self::new(lost);
        let channels = [ChannelConfig::new(CHANNEL, mode)];
        crossing.ends = crossing.addresses.map(|number| endpoint_with(number, small_limits(), &channels));
        crossing
    }

    fn connect(&mut self, side: usize) {
        let peer = Peer::Known { key: self.ends[1 - side].public_key(), psk: None };
        let way = link(self.addresses[side], self.addresses[1 - side]);
        let options = ConnectOptions { user_data: [b"from the smaller", b"from the greater"][side] };
        let id = self.ends[side].connect(peer, way, options, self.now).unwrap();
        self.ids[side] = Some(id);
        // More than a datagram holds.
        for byte in 0..3 {
            self.ends[side].session_mut(id, self.now).unwrap().send(&[byte + 10 * side as u8; 500], CHANNEL).unwrap();
        }
    }

    fn pump(&mut self) {
        let mut out = vec![0; 2000];
        for side in [0, 1] {
            loop {
                match self.ends[side].poll_action(&mut out, self.now) {
                    Action::Transmit(transmit) => {
                        let lost = self.sent[side] < 32 && self.lost[side] & (1 << self.sent[side]) != 0;
                        self.sent[side] += 1;
                        if !lost {
                            let arrives = self.now.saturating_add(TRIP);
                            self.on_the_way.push((arrives, 1 - side, out[..transmit.len].to_vec()));
                        }
                    }
                    Action::Event(event) => self.events[side].push(event),
                    Action::Wait(_) => break,
                    Action::NeedsRoom(bytes) => panic!("{bytes} bytes"),
                }
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now.saturating_add(time);
        loop {
            self.pump();
            let deadlines = self.ends.iter().filter_map(|end| end.next_deadline()).map(|deadline| deadline.at);
            let next = deadlines.chain(self.on_the_way.iter().map(|packet| packet.0)).min().unwrap_or(Instant::MAX);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            let (due, later) =
                core::mem::take(&mut self.on_the_way).into_iter().partition(|packet| packet.0 <= self.now);
            self.on_the_way = later;
            let due: Vec<_> = due;
            for (_, to, mut packet) in due {
                let way = link(self.addresses[to], self.addresses[1 - to]);
                let _ = self.ends[to].handle_datagram(&mut packet, Arrival::new(way), self.now);
            }
            for end in &mut self.ends {
                end.handle_timeout(self.now);
            }
        }
    }

    /// One session, under the handles both applications hold, with everything they gave it.
    fn check(&mut self, case: &str) {
        self.check_sessions(case);
        for side in [0, 1] {
            let mut data = [0; 2000];
            let mut session = self.ends[side].session_mut(self.ids[side].unwrap(), self.now).unwrap();
            for byte in 0..3 {
                assert_eq!(session.recv(&mut data, CHANNEL), Ok(Some(500)), "{case}: end {side}");
                assert_eq!(data[..500], [byte + 10 * (1 - side) as u8; 500], "{case}: end {side}");
            }
            assert_eq!(session.recv(&mut data, CHANNEL), Ok(None), "{case}");
        }
    }

    fn check_sessions(&self, case: &str) {
        let sessions = [0, 1].map(|side| self.ends[side].session(self.ids[side].unwrap()));
        for (side, session) in sessions.iter().enumerate() {
            let session = session.as_ref().unwrap_or_else(|| panic!("{case}: end {side} has lost its handle"));
            assert_eq!(session.state(), State::Established, "{case}: end {side} {:?}", session.close_reason());
            assert_eq!(self.ends[side].session_count(), 1, "{case}: end {side}");
            let mut data = [0; 100];
            let length = session.user_data(&mut data);
            assert_eq!(&data[..length], [b"from the greater", b"from the smaller"][side], "{case}: end {side}");
            let established = Event::Established(session.id());
            assert_eq!(self.events[side].iter().filter(|event| **event == established).count(), 1, "{case}");
            assert!(
                !self.events[side].iter().any(|event| matches!(event, Event::Incoming(_) | Event::Closed(_))),
                "{case}"
            );
        }
        let [smaller, greater] = sessions.map(Option::unwrap);
        assert_eq!(smaller.uid(), greater.uid(), "{case}");
        assert_ne!(smaller.role(), greater.role(), "{case}");
    }

    fn role(&self, side: usize) -> Role {
        self.ends[side].session(self.ids[side].unwrap()).unwrap().role()
    }
}

//= docs/protocol.md P-4.4-1 P-4.4-2 P-4.4-3
#[test]
fn attempts_that_cross_become_one_session_whatever_is_lost() {
    for lost in 0..256_u32 {
        let lost = [lost & 15, lost >> 4];
        let mut crossing = Crossing::new(lost);
        crossing.connect(0);
        crossing.connect(1);
        crossing.run(Duration::from_secs(9));
        crossing.check(&format!("lost {lost:?}"));
        if lost[1] & 7 == 0 && lost[0] & 7 == 0 {
            assert_eq!(crossing.role(1), Role::Initiator, "the greater stays initiator: {lost:?}");
        }
    }
}

//= docs/protocol.md P-4.4-2
#[test]
fn attempts_that_cross_become_one_session_in_a_mode_without_order() {
    for lost in 0..256_u32 {
        let lost = [lost & 15, lost >> 4];
        let mut crossing = Crossing::with_mode(lost, ChannelMode::ReliableUnordered);
        crossing.connect(0);
        crossing.connect(1);
        crossing.run(Duration::from_secs(9));
        crossing.check_sessions(&format!("lost {lost:?}"));
        for side in [0, 1] {
            let mut data = [0; 2000];
            let mut session = crossing.ends[side].session_mut(crossing.ids[side].unwrap(), crossing.now).unwrap();
            let mut first_bytes = Vec::new();
            while let Some(length) = session.recv(&mut data, CHANNEL).unwrap() {
                assert_eq!(length, 500);
                first_bytes.push(data[0]);
            }
            first_bytes.sort_unstable();
            let from = 10 * (1 - side) as u8;
            assert_eq!(first_bytes, [from, from + 1, from + 2], "lost {lost:?}");
        }
    }
}

/// What was given up before the one session came about is told in it.
//= docs/protocol.md P-4.4-2 P-9.3-2
#[test]
fn messages_that_expire_while_attempts_cross_are_passed_over() {
    for lost in 0..64_u32 {
        let lost = [lost & 7, lost >> 3];
        let mut crossing = Crossing::with_mode(lost, ChannelMode::ReliableOrdered);
        for side in [0, 1] {
            crossing.connect(side);
            let id = crossing.ids[side].unwrap();
            let now = crossing.now;
            let soon = SendOptions::by(now.saturating_add(Duration::from_millis(5)));
            let mut session = crossing.ends[side].session_mut(id, now).unwrap();
            session.send_with(&[99; 700], CHANNEL, soon).unwrap();
            session.send(&[3 + 10 * side as u8; 500], CHANNEL).unwrap();
        }
        crossing.run(Duration::from_secs(9));
        crossing.check_sessions(&format!("lost {lost:?}"));
        for side in [0, 1] {
            let id = crossing.ids[side].unwrap();
            assert_eq!(
                crossing.ends[side].session(id).unwrap().channel_stats(CHANNEL).unwrap().expired_messages,
                1,
                "lost {lost:?}"
            );
            let mut data = [0; 2000];
            let mut session = crossing.ends[side].session_mut(id, crossing.now).unwrap();
            for number in 0..4 {
                assert_eq!(session.recv(&mut data, CHANNEL), Ok(Some(500)), "lost {lost:?}, {number}");
                assert_eq!(data[0], number + 10 * (1 - side) as u8, "lost {lost:?}");
            }
            assert!(
                crossing.ends[side].session(id).unwrap().channel_stats(CHANNEL).unwrap().is_all_acked(),
                "lost {lost:?}"
            );
        }
    }
}

//= docs/protocol.md P-4.4-2 P-4.4-3
#[test]
fn attempts_that_begin_a_little_apart_become_one_session() {
    for (first, apart) in (0..12).flat_map(|step| [(0, step * 3), (1, step * 3)]) {
        for lost in 0..16 {
            let mut crossing = Crossing::new([lost & 3, lost >> 2]);
            crossing.connect(first);
            crossing.run(Duration::from_millis(apart));
            // Later it is no crossing any more: the first to connect has proved itself, and what it sends may be acknowledged.
            let end = &crossing.ends[1 - first];
            if end.sessions().any(|id| end.session(id).unwrap().stats().packets_received > 0) {
                continue;
            }
            crossing.connect(1 - first);
            crossing.run(Duration::from_secs(9));
            crossing.check(&format!("end {first} first, {apart} ms apart, lost {lost:04b}"));
        }
    }
}

/// The greater's attempt is answered, but its CONNECT does not come through for seconds; then the smaller connects too.
///
/// Found by seed 29596 of the simulator: the greater answered the smaller's Hello once its own attempt was 3 s old, and delivered
/// messages in a session that the smaller gave up when CONNECT came at last.
//= docs/protocol.md P-4.4-1
#[test]
fn the_greater_insists_on_an_answered_attempt_however_old_it_is() {
    let mut joined = 0;
    for (lost, at) in (1..12).flat_map(|lost| (1..16).map(move |step| (lost, Duration::from_millis(step * 400)))) {
        let mut crossing = Crossing::new([0, (1 << (lost + 1)) - 2]);
        crossing.connect(1);
        crossing.run(at);
        let end = &crossing.ends[0];
        if end.sessions().any(|id| end.session(id).unwrap().stats().packets_received > 0) {
            continue;
        }
        crossing.connect(0);
        crossing.run(Duration::from_secs(25));
        let closed =
            [0, 1].map(|side| crossing.ids[side].is_some_and(|id| crossing.events[side].contains(&Event::Closed(id))));
        if closed == [true; 2] {
            // The smaller's slot ended before anything came through. Only when its own attempt is over may the greater be asked for another.
            assert!(lost >= 7, "{lost} datagrams lost, the smaller connects after {at:?}");
            let told = |event: &&Event| matches!(event, Event::Readable(..) | Event::Incoming(_) | Event::Closed(_));
            let first = crossing.events.each_ref().map(|events| events.iter().find(told));
            assert!(first.iter().all(|event| matches!(event, Some(Event::Closed(_)))), "{first:?}");
            continue;
        }
        joined += 1;
        crossing.check(&format!("{lost} datagrams lost, the smaller connects after {at:?}"));
    }
    assert!(joined > 20, "{joined} cases of one session");
}

/// Which of the attempts becomes the session is not for the application to know: what it set in its own holds.
#[test]
fn a_rate_cap_set_in_an_attempt_holds_in_the_session_that_takes_its_place() {
    for side in [0, 1] {
        for lost in 0..16 {
            let mut crossing = Crossing::new([lost & 3, lost >> 2]);
            crossing.connect(0);
            crossing.connect(1);
            let cap = core::num::NonZeroU64::new(1_000);
            let id = crossing.ids[side].unwrap();
            crossing.ends[side].session_mut(id, crossing.now).unwrap().set_rate_cap(cap);
            crossing.run(Duration::from_secs(9));
            crossing.check(&format!("end {side}, lost {lost:04b}"));
            let before = crossing.ends[side].session(id).unwrap().stats().bytes_sent;
            for _ in 0..200 {
                let mut session = crossing.ends[side].session_mut(id, crossing.now).unwrap();
                while session.send(&[0; 1000], CHANNEL).is_ok() {}
                crossing.run(Duration::from_millis(10));
                let mut session =
                    crossing.ends[1 - side].session_mut(crossing.ids[1 - side].unwrap(), crossing.now).unwrap();
                while session.recv(&mut [0; 1000], CHANNEL).unwrap().is_some() {}
            }
            let sent = crossing.ends[side].session(id).unwrap().stats().bytes_sent - before;
            // A burst of ten datagrams, two seconds' worth, and acknowledgements.
            assert!((10_000..16_000).contains(&sent), "end {side}, lost {lost:04b}: {sent} bytes in 2 s");
        }
    }
}

/// A replayed Hello proves nothing: only CONNECT under its keys would.
//= docs/protocol.md P-4.4-2 P-4.2-7
#[test]
fn a_replayed_hello_neither_ends_nor_delays_an_attempt() {
    for side in [0, 1] {
        // A Hello of long ago.
        let mut before = Crossing::new([0; 2]);
        before.connect(1 - side);
        before.pump();
        let hello = before.on_the_way[0].2.clone();
        let mut crossing = Crossing::new([0; 2]);
        crossing.connect(side);
        let way = link(crossing.addresses[side], crossing.addresses[1 - side]);
        let arrival = Arrival::new(way);
        let _ = crossing.ends[side].handle_datagram(&mut hello.clone(), arrival, crossing.now);
        crossing.run(Duration::from_millis(100));
        let id = crossing.ids[side].unwrap();
        assert_eq!(crossing.ends[side].session(id).unwrap().state(), State::Handshaking);
        let asked = crossing.events[1 - side].iter().find_map(|event| match event {
            Event::Incoming(id) => Some(*id),
            _ => None,
        });
        crossing.ends[1 - side].session_mut(asked.unwrap(), crossing.now).unwrap().accept(b"").unwrap();
        crossing.run(Duration::from_secs(8));
        assert_eq!(crossing.ends[side].session(id).unwrap().state(), State::Established);
        assert_eq!(crossing.ends[side].session_count(), 1, "the slot it made is gone");
    }
}

impl Crossing {
    /// End 0 connects alone, and its first packets after the handshake wait; returns them.
    fn smaller_asks(&mut self, psk: Option<&PskName>) -> Vec<(Instant, usize, Vec<u8>)> {
        self.begin(0, psk);
        for _ in 0..2 {
            self.pump();
            self.hand_over();
        }
        self.pump();
        core::mem::take(&mut self.on_the_way)
    }

    fn begin(&mut self, side: usize, psk: Option<&PskName>) {
        let peer = Peer::Known { key: self.ends[1 - side].public_key(), psk };
        let way = link(self.addresses[side], self.addresses[1 - side]);
        self.ids[side] = Some(self.ends[side].connect(peer, way, ConnectOptions::default(), self.now).unwrap());
    }

    fn hand_over(&mut self) {
        for (_, to, mut packet) in core::mem::take(&mut self.on_the_way) {
            let way = link(self.addresses[to], self.addresses[1 - to]);
            let _ = self.ends[to].handle_datagram(&mut packet, Arrival::new(way), self.now);
        }
    }
}

/// Who asked for a pre-shared key must not be given a session without: the peer's key alone may be in other hands.
//= docs/protocol.md P-4.4-4
#[test]
fn attempts_under_different_pre_shared_keys_do_not_cross() {
    let name = PskName::new(b"both").unwrap();
    for [theirs, ours] in [[None, Some(&name)], [Some(&name), None], [Some(&name), Some(&name)], [None, None]] {
        let mut crossing = Crossing::new([0; 2]);
        crossing.ends = crossing.addresses.map(|number| {
            let mut config = Config::new(StaticKey::new(&RustCrypto, Secret::new([number; 32])), "test");
            config.psks.push((name, Secret::new([9; 32])));
            Endpoint::new(config, small_limits(), RustCrypto, Seed::new([number; 32])).unwrap()
        });
        let connect = crossing.smaller_asks(theirs);
        crossing.begin(1, ours);
        crossing.pump();
        crossing.on_the_way = connect;
        crossing.hand_over();
        let own = crossing.ends[1].session(crossing.ids[1].unwrap()).unwrap();
        let joined = own.state() == State::Established;
        assert_eq!(joined, theirs == ours, "{theirs:?} {ours:?}");
        assert_eq!(crossing.ends[1].session_count(), if joined { 1 } else { 2 });
        crossing.pump();
        let asked = crossing.events[1].iter().any(|event| matches!(event, Event::Incoming(_)));
        assert_eq!(asked, !joined, "the application decides");
    }
}

/// What the application gave the peer's session before it accepted it is neither replaced nor left in memory.
#[test]
fn a_session_that_was_given_data_is_not_taken_over() {
    let mut crossing = Crossing::new([0; 2]);
    crossing.on_the_way = crossing.smaller_asks(None);
    crossing.hand_over();
    let asking = crossing.ends[1].sessions().next().unwrap();
    crossing.ends[1].session_mut(asking, crossing.now).unwrap().send(&[1; 400], CHANNEL).unwrap();
    crossing.begin(1, None);
    let id = crossing.ids[0].unwrap();
    crossing.ends[0].session_mut(id, crossing.now).unwrap().send(b"more", CHANNEL).unwrap();
    let mut out = vec![0; 2000];
    let Action::Transmit(transmit) = crossing.ends[0].poll_action(&mut out, crossing.now) else { panic!() };
    crossing.on_the_way.push((crossing.now, 1, out[..transmit.len].to_vec()));
    crossing.hand_over();
    assert_eq!(crossing.ends[1].session_count(), 2);
    for end in &mut crossing.ends {
        for id in end.sessions().collect::<Vec<_>>() {
            end.session_mut(id, crossing.now).unwrap().abort(0, "");
        }
    }
    crossing.run(Duration::from_secs(60));
    for end in &crossing.ends {
        let pool = &end.shared.memory.pool;
        assert_eq!((end.session_count(), pool.free(), pool.promised()), (0, pool.capacity(), 0));
    }
}

/// The greater does not know which of its attempts the smaller gives up: it must not have acknowledged anything in that one.
//= docs/protocol.md P-4.4-3
#[test]
fn an_answer_to_the_greater_ends_every_tentative_slot_of_the_smaller() {
    let mut crossing = Crossing::new([0; 2]);
    let attempts = [0, 1].map(|_| {
        crossing.begin(0, None);
        crossing.ids[0].unwrap()
    });
    crossing.pump();
    crossing.hand_over();
    assert_eq!(crossing.ends[1].session_count(), 2, "two tentative slots");
    crossing.begin(1, None);
    crossing.pump();
    crossing.hand_over();
    crossing.pump();
    // The Reply overtakes CONNECT of both attempts.
    crossing.on_the_way.sort_by_key(|(_, _, packet)| packet[0] & 0x80 == 0);
    assert_eq!(crossing.on_the_way.len(), 3);
    crossing.hand_over();
    crossing.ends[1].assert_invariants();
    assert_eq!(crossing.ends[1].session_count(), 1);
    let unknown = crossing.ends[1].discards().of(DiscardReason::UnknownSession);
    assert_eq!(unknown, 2, "nothing of them is acknowledged");

    crossing.run(Duration::from_secs(9));
    let at_greater = crossing.ends[1].session(crossing.ids[1].unwrap()).unwrap();
    assert_eq!((at_greater.state(), crossing.ends[1].session_count()), (State::Established, 1));
    let uids = attempts.map(|id| crossing.ends[0].session(id).unwrap().uid());
    let [joined, other] = if uids[0] == at_greater.uid() { attempts } else { [attempts[1], attempts[0]] };
    assert_eq!(crossing.ends[0].session(joined).unwrap().state(), State::Established);
    assert_eq!(crossing.ends[0].session(other).unwrap().state(), State::Handshaking);
}
