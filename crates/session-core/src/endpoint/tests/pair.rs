//! Two endpoints, with everything that passes between them in the test's hands.

use std::collections::BTreeMap;

use super::*;
use crate::action::{Deadline, Ecn, TimerKind};
use crate::channel_config::ChannelConfig;
use crate::wire::{Frame, NumberLength, Writer, packet_number};

/// One way between the two.
pub(super) const TRIP: Duration = Duration::from_millis(10);

/// An initiator, end 0, and a responder, end 1.
pub(super) struct Pair {
    pub(super) ends: [Endpoint; 2],
    pub(super) ids: [Option<SessionId>; 2],
    pub(super) now: Instant,
    /// What each application has been told.
    pub(super) events: [Vec<Event>; 2],
    /// The path between them carries marks of explicit congestion notification; else it wipes them out.
    pub(super) carries_marks: bool,
    /// How packets that left were marked; a test may mark them as congested.
    pub(super) marks: BTreeMap<Vec<u8>, Ecn>,
}

impl Pair {
    pub(super) fn new(ends: [Endpoint; 2]) -> Self {
        Self {
            ends,
            ids: [None; 2],
            now: Instant::from_micros(1),
            events: [Vec::new(), Vec::new()],
            carries_marks: false,
            marks: BTreeMap::new(),
        }
    }

    /// The initiator knows the keys and the responder knows nobody has forged them; CONNECT has not left.
    pub(super) fn with_keys(user_data: &[u8]) -> Self {
        let mut pair = Self::new([endpoint(1, small_limits()), endpoint(2, small_limits())]);
        pair.agree(user_data);
        pair
    }

    /// CONNECT has come, and waits for an answer.
    pub(super) fn asked(user_data: &[u8]) -> Self {
        let mut pair = Self::with_keys(user_data);
        pair.settle();
        assert_eq!(pair.events[1], [Event::Incoming(pair.ids[1].unwrap())]);
        pair
    }

    pub(super) fn established(limits: &Limits) -> Self {
        Self::new([endpoint(1, limits.clone()), endpoint(2, limits.clone())]).establish()
    }

    /// The same with channels of the test's choice.
    pub(super) fn established_with(limits: &Limits, channels: &[ChannelConfig]) -> Self {
        Self::new([1, 2].map(|seed| endpoint_with(seed, limits.clone(), channels))).establish()
    }

    /// The same over a path that carries marks.
    pub(super) fn established_with_marks() -> Self {
        let mut pair = Self::new([endpoint(1, Limits::default()), endpoint(2, Limits::default())]);
        pair.carries_marks = true;
        pair.establish()
    }

    pub(super) fn establish(mut self) -> Self {
        let pair = &mut self;
        pair.agree(b"");
        pair.settle();
        pair.session(1).accept(b"").unwrap();
        pair.settle();
        assert_eq!(pair.events[0], [Event::Established(pair.ids[0].unwrap())]);
        // A number left out by chance would be taken for a lost packet.
        for side in [0, 1] {
            pair.core(side).leave_out(u64::MAX);
        }
        self
    }

    pub(super) fn connect(&mut self, user_data: &[u8]) {
        let peer = Peer::Known { key: self.ends[1].public_key(), psk: None };
        let options = ConnectOptions { user_data };
        self.ids[0] = Some(self.ends[0].connect(peer, link(1, 2), options, self.now).unwrap());
    }

    pub(super) fn agree(&mut self, user_data: &[u8]) {
        self.connect(user_data);
        for side in [0, 1] {
            let packets = self.take(side);
            self.pass(TRIP);
            self.deliver(1 - side, &packets);
        }
        self.ids[1] = self.ends[1].sessions().next();
    }

    pub(super) fn session(&mut self, side: usize) -> SessionMut<'_, RustCrypto> {
        self.ends[side].session_mut(self.ids[side].unwrap(), self.now).unwrap()
    }

    pub(super) fn look(&self, side: usize) -> SessionRef<'_> {
        self.ends[side].session(self.ids[side].unwrap()).unwrap()
    }

    pub(super) fn core(&mut self, side: usize) -> &mut SessionCore {
        self.ends[side].slots.at_mut(self.ids[side].unwrap().slot).unwrap()
    }

    /// Everything one end has to send now.
    pub(super) fn take(&mut self, side: usize) -> Vec<Vec<u8>> {
        let mut out = vec![0; self.ends[side].max_datagram()];
        let mut packets = Vec::new();
        loop {
            assert!(packets.len() < 100, "no end of packets");
            match self.ends[side].poll_action(&mut out, self.now) {
                Action::Transmit(transmit) => {
                    let packet = out[..transmit.len].to_vec();
                    if let Some(ecn) = transmit.ecn {
                        self.marks.insert(packet.clone(), ecn);
                    }
                    packets.push(packet);
                }
                Action::Event(event) => self.events[side].push(event),
                Action::Wait(_) => return packets,
                Action::NeedsRoom(bytes) => panic!("{bytes} bytes"),
            }
        }
    }

    pub(super) fn receive(&mut self, to: usize, packet: &[u8]) -> Received {
        let ecn = self.marks.get(packet).copied().filter(|_| self.carries_marks);
        self.ends[to].handle_datagram(&mut packet.to_vec(), Arrival { ecn, ..arrival(to) }, self.now)
    }

    pub(super) fn deliver(&mut self, to: usize, packets: &[Vec<u8>]) {
        for packet in packets {
            assert_eq!(self.receive(to, packet), Received::Consumed);
        }
    }

    /// Lets time pass without serving anything.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
    }

    /// Lets time pass up to `at` and serves what is due at one end.
    pub(super) fn serve(&mut self, side: usize, at: Instant) {
        self.now = self.now.max(at);
        self.ends[side].handle_timeout(self.now);
    }

    /// Carries packets to and fro, acknowledgements held back included, until nobody has anything to say.
    pub(super) fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            quiet += 1;
            for side in [0, 1] {
                let packets = self.take(side);
                if !packets.is_empty() {
                    quiet = 0;
                }
                self.pass(TRIP);
                self.deliver(1 - side, &packets);
            }
            for side in [0, 1] {
                self.serve(side, self.now);
            }
        }
    }

    /// Serves all deadlines up to an instant and carries what leaves.
    pub(super) fn live_until(&mut self, end: Instant) {
        loop {
            for side in [0, 1, 0, 1] {
                let packets = self.take(side);
                self.deliver(1 - side, &packets);
            }
            let next = [0, 1].into_iter().filter_map(|side| self.next_deadline(side)).map(|deadline| deadline.at).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = self.now.max(end);
                return;
            };
            for side in [0, 1] {
                self.serve(side, next);
            }
        }
    }

    fn next_deadline(&self, side: usize) -> Option<Deadline> {
        let end = &self.ends[side];
        end.slots.get(self.ids[side]?)?.next_deadline(&end.settings, &end.shared.memory)
    }

    /// The true deadline of one end's session.
    pub(super) fn deadline(&self, side: usize) -> (TimerKind, Instant) {
        let deadline = self.next_deadline(side).unwrap();
        (deadline.timer, deadline.at)
    }

    /// Number and plaintext of a packet to `to`.
    pub(super) fn open(&mut self, to: usize, packet: &[u8]) -> (u64, Vec<u8>) {
        let core = self.core(to);
        let keys = core.packet_keys(&RustCrypto).unwrap();
        let mut packet = packet.to_vec();
        let (_, number_offset) = data_header::parse_protected(&packet, ID_LENGTH).unwrap();
        let mask = keys.open_mask(&RustCrypto, &data_header::sample(&packet, number_offset).unwrap()).unwrap();
        let header = data_header::unmask(&mut packet, number_offset, mask).unwrap();
        let number = packet_number::decode(header.truncated_number, header.number_length, core.largest_received());
        let (clear, sealed) = packet.split_at_mut(header.header_length);
        let (plaintext, tag) = sealed.split_last_chunk_mut().unwrap();
        keys.open(&RustCrypto, number, clear, plaintext, tag).unwrap();
        (number, plaintext.to_vec())
    }

    pub(super) fn number(&mut self, to: usize, packet: &[u8]) -> u64 {
        self.open(to, packet).0
    }

    /// A packet of `from` with any plaintext, under its next number and its true keys.
    pub(super) fn seal(&mut self, from: usize, plaintext: &[u8]) -> Vec<u8> {
        let key_phase = self.core(from).key_phase();
        self.seal_in_phase(from, key_phase, plaintext)
    }

    /// The same in a key phase of the test's choice.
    pub(super) fn seal_in_phase(&mut self, from: usize, key_phase: bool, plaintext: &[u8]) -> Vec<u8> {
        let core = self.core(from);
        let keys = core.packet_keys(&RustCrypto).unwrap();
        let number = core.next_number();
        core.continue_at(number + 1);
        let receiver_id = core.remote_id().unwrap();
        let header = data_header::DataHeader {
            key_phase,
            receiver_id,
            packet_number: number,
            number_length: NumberLength::Four,
        };
        let mut packet = vec![0; 2000];
        let mut writer = Writer::new(&mut packet);
        let number_offset = header.write(&mut writer).unwrap();
        let start = writer.position();
        packet[start..start + plaintext.len()].copy_from_slice(plaintext);
        let end = start + plaintext.len().max(4);
        let (clear, sealed) = packet.split_at_mut(start);
        let tag = keys.seal(&RustCrypto, number, clear, &mut sealed[..end - start]).unwrap();
        packet[end..end + 16].copy_from_slice(&tag);
        packet.truncate(end + 16);
        let mask = keys.seal_mask(&RustCrypto, &data_header::sample(&packet, number_offset).unwrap()).unwrap();
        data_header::mask(&mut packet, number_offset, mask).unwrap();
        packet
    }

    /// The same with one frame.
    pub(super) fn seal_frame(&mut self, from: usize, frame: &Frame<'_>) -> Vec<u8> {
        let mut plaintext = [0; 1000];
        let mut writer = Writer::new(&mut plaintext);
        frame.encode(&mut writer).unwrap();
        let length = writer.position();
        self.seal(from, &plaintext[..length])
    }

    pub(super) fn close_code(&self, side: usize) -> Option<CloseCode> {
        self.look(side).close_reason().map(|reason| reason.code)
    }
}
