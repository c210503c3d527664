//! A datagram goes out: choose the frames, fill exactly one, seal it.

mod frames;

use super::channels::schedule::{Schedule, Wants};
use super::close::Fault;
use super::{Phase, SessionCore, Trigger};
use crate::action::{Ecn, Link};
use crate::channel::{Fragment, Ledger, Signal, SignalFate};
use crate::channel_config::ChannelMode;
use crate::crypto::keys::PacketKeys;
use crate::crypto::{IdKey, Provider};
use crate::handshake::{Attempt, AttemptOutcome};
use crate::limits::MAX_COSTLY_FRAMES;
use crate::memory::Memory;
use crate::path::{Cursor, DataRecord, PacketFlags, PacketRecord, SentLog};
use crate::reason::{CloseCode, CloseSpace};
use crate::shared::{Context, Shared};
use crate::time::Instant;
use crate::wire::{
    self, CloseFrame, DataHeader, Frame, NumberLength, ReceiverId, WireText, Writer, data_header, packet_number,
};

/// The packet carried MAX_DATA.
pub(super) const FLAG_MAX_DATA: u16 = 1;
/// The packet carried PING.
pub(super) const FLAG_PING: u16 = 2;
/// The packet carried MAX_CHANNEL_DATA or RECEIPT of some channel.
pub(super) const FLAG_CHANNELS: u16 = 4;

/// The packet carried SKIP of some channel.
pub(super) const FLAG_SKIP: u16 = 8;

/// The packet carried ACK_FREQUENCY.
pub(super) const FLAG_WISH: u16 = 16;
/// The packet carried NEW_ID.
pub(super) const FLAG_NEW_ID: u16 = 1 << 8;
/// The packet carried RETIRE_ID.
pub(super) const FLAG_RETIRE_ID: u16 = 1 << 9;

/// The packet is a probe for a larger datagram, and holds nothing that has to arrive.
pub(super) const FLAG_SEARCH: u16 = 1 << 14;
/// The packet left with ECT(0).
pub(super) const FLAG_ECT: u16 = 1 << 15;

/// Frames of data, and of ends, in one packet: short messages are to fill it, and those of 40 bytes and more do where it has 1452.
const MAX_DATA_FRAMES: usize = 32;
/// Runs of positions on one channel that are remembered of a packet, and ends. What follows on what the packet holds already makes none of its own.
const MAX_RUNS: usize = 8;
/// Frames of credit, of receipts and of what was given up that go along with them and an acknowledgement at most.
const MAX_OTHER_FRAMES: usize = MAX_COSTLY_FRAMES - MAX_DATA_FRAMES - 1;
/// A packet that has less room left is full: no frame of data that goes on would leave more.
const ALMOST_FULL: usize = 16;
/// Bytes of a tag.
pub(super) const TAG: usize = 16;
/// A key seals fewer packets than this (protocol §8).
const KEY_LIMIT: u32 = (1 << 23) - (1 << 16);
/// No packet but CLOSE has this number or a larger one.
const NUMBER_LIMIT: u64 = (1 << 62) - (1 << 16);
/// Random part of the distance between packet numbers that are left out.
const SKIP_SPREAD: u64 = 1024;

/// What came of asking a session for a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has nothing to send now.
    Nothing,
    /// It has, but not in a buffer this short. Nothing has changed.
    NeedsRoom(usize),
    /// The first bytes of the buffer are a datagram.
    Sent(usize, Option<Ecn>),
    /// The same, and there is nothing more to send.
    Last(usize, Option<Ecn>),
    /// They are one that asks whether the path takes so many.
    Search(usize),
    /// The same, over this link: it asks or answers whether it leads to the peer.
    Probed(usize, Link),
}

/// What came of composing a packet.
enum Composed {
    Nothing,
    NeedsRoom(usize),
    /// The key may seal no more.
    KeyLimit,
    Packet(Draft),
}

/// A packet that is written and not sealed.
struct Draft {
    number: u64,
    header_length: usize,
    /// Where the plaintext ends.
    end: usize,
    /// Bytes that the datagram may have.
    room: u16,
    ecn: Option<Ecn>,
    search: bool,
    /// There is nothing more to send, if numbers are left.
    rests: bool,
}

/// Bytes of the sealed packet with a header of so many bytes, whose plaintext is written up to `end` and padded to the least that a packet has.
fn sealed_length(header_length: usize, end: usize) -> usize {
    end.max(data_header::MIN_LENGTH - TAG).max(header_length + 4) + TAG
}

/// What a packet may hold, decided before anything changes.
#[derive(Default)]
struct Plan {
    /// Bytes that the datagram may have.
    size: u16,
    /// Whether anything that wants an acknowledgement goes along.
    ack_eliciting: bool,
    /// Runs of data it may hold.
    runs: usize,
    probe: bool,
    /// It may hold no data but that of urgent channels: neither window nor pacer let it go.
    urgent_only: bool,
    /// It is nothing but as many bytes.
    search: bool,
    /// There are frames to write beside data and ACK, now or later.
    controls: bool,
    /// What was written already, as flags.
    written: u16,
}

/// What a packet brings of channels, as the log is to keep it.
#[derive(Default)]
struct Load {
    runs: [DataRecord; MAX_RUNS],
    count: usize,
    /// Runs it may have.
    most: usize,
    frames: usize,
    /// User data that was never sent before is among it.
    is_new: bool,
    /// There is more to send that is not to be cut, so that the packet is full.
    holds_back: bool,
}

impl Load {
    fn of(most: usize) -> Self {
        Self { most: most.min(MAX_RUNS), ..Self::default() }
    }

    fn runs(&self) -> &[DataRecord] {
        &self.runs[..self.count]
    }

    /// Whether `fragment` of the channel at `index` may go along.
    fn takes(&self, index: usize, fragment: &Fragment) -> bool {
        self.frames < MAX_DATA_FRAMES && (self.count < self.most || self.goes_on(index, fragment))
    }

    /// What was sent first is what comes first: a run is sent again as one, and freed as one.
    fn goes_on(&self, index: usize, fragment: &Fragment) -> bool {
        self.runs().last().is_some_and(|last| {
            let end = last.offset.saturating_add(u64::from(last.positions));
            last.positions > 0 && last.index() == index && end == fragment.offset
        })
    }

    fn add(&mut self, index: usize, fragment: &Fragment) {
        // No packet holds as many.
        let positions = fragment.positions() as u32;
        if self.goes_on(index, fragment)
            && let Some(last) = self.count.checked_sub(1).and_then(|last| self.runs.get_mut(last))
        {
            last.positions = last.positions.saturating_add(positions);
            self.frames += 1;
        } else {
            self.push(DataRecord { channel_index: index as u32, offset: fragment.offset, positions });
        }
    }

    /// A frame without data, which the log keeps as no positions at the number of the signal.
    fn add_signal(&mut self, index: usize, signal: Signal) {
        self.push(DataRecord { channel_index: index as u32, offset: signal.number(), positions: 0 });
    }

    fn push(&mut self, run: DataRecord) {
        if let Some(place) = self.runs.get_mut(self.count) {
            *place = run;
            self.count += 1;
            self.frames += 1;
        }
    }
}

impl DataRecord {
    /// The place of its channel.
    pub(super) fn index(&self) -> usize {
        self.channel_index as usize
    }

    /// What it is about, if not about data.
    pub(super) fn signal(&self) -> Option<Signal> {
        (self.positions == 0).then(|| Signal::of_number(self.offset))
    }
}

impl SessionCore {
    /// Writes the next datagram into `out`.
    pub(crate) fn transmit<P: Provider>(&mut self, context: &mut Context<'_, P>, out: &mut [u8]) -> Outcome {
        // Nothing leaves after its deadline, though nobody may have served that yet.
        self.expire_messages(context);
        let outcome = match self.phase {
            Phase::Connecting | Phase::SynSent | Phase::Tentative => self.transmit_attempt(context, out),
            Phase::Closed => Outcome::Nothing,
            Phase::Closing | Phase::Draining => self.transmit_close(context.shared, out),
            // Finish goes ahead of the packets that cannot be read without it.
            Phase::Handshaking | Phase::Flushing if self.attempt_due(&context.shared.memory) => {
                self.transmit_attempt(context, out)
            }
            Phase::Handshaking | Phase::Established | Phase::Flushing => match self.transmit_probe(context, out) {
                Outcome::Nothing => self.transmit_packet(context, out),
                probed => probed,
            },
        };
        if let Outcome::Sent(length, _)
        | Outcome::Last(length, _)
        | Outcome::Search(length)
        | Outcome::Probed(length, _) = outcome
        {
            self.counters.packets_sent = self.counters.packets_sent.saturating_add(1);
            self.counters.bytes_sent = self.counters.bytes_sent.saturating_add(length as u64);
        }
        outcome
    }

    /// Whether asking for a datagram is worth it: anything may be due, but window or pacer may still say no.
    pub(crate) fn may_transmit(&self, memory: &Memory, wants: &Wants) -> bool {
        match self.phase {
            Phase::Connecting | Phase::SynSent | Phase::Tentative => self.attempt_due(memory),
            Phase::Closing | Phase::Draining => self.closing.due,
            Phase::Closed => false,
            Phase::Handshaking | Phase::Established | Phase::Flushing => {
                let packets = &self.packets;
                let paced = self.path.paced_until.is_some();
                packets.ack_forced
                    || packets.acks.is_immediate()
                    || self.channels.has_data(memory, wants, paced)
                    || self.attempt_due(memory)
                    || self.probe_due(memory)
                    || (!paced
                        && (self.path.probes_due > 0
                            || self.has_control_frames(memory, wants)
                            || self.channels.due_signal(memory).is_some()))
            }
        }
    }

    /// After a packet with all that `plan` and `schedule` knew of: whether it is certain that there is nothing more to send. Asked for a datagram it would have
    /// none, and its sending would be as it is after this.
    fn comes_to_rest(&self, memory: &Memory, plan: &Plan, schedule: &Schedule) -> bool {
        self.phase == Phase::Established
            && !schedule.has_senders()
            && !plan.controls
            && self.path.probes_due == 0
            && !self.packets.ack_forced
            && !self.packets.acks.is_immediate()
            && self.channels.due_signal(memory).is_none()
            && !self.attempt_due(memory)
            && !self.probe_due(memory)
    }

    fn attempt_due(&self, memory: &Memory) -> bool {
        self.attempt(memory).is_some_and(Attempt::is_due)
    }

    fn transmit_attempt<P: Provider>(&mut self, context: &mut Context<'_, P>, out: &mut [u8]) -> Outcome {
        let Memory { pool, attempts, .. } = &mut context.shared.memory;
        let Some(attempt) = attempts.get_mut(self.attempt) else { return Outcome::Nothing };
        let outcome = match attempt.transmit(pool, out, context.now) {
            AttemptOutcome::Nothing => Outcome::Nothing,
            AttemptOutcome::NeedsRoom(bytes) => Outcome::NeedsRoom(bytes),
            AttemptOutcome::Sent(length) => Outcome::Sent(length, None),
        };
        if matches!(outcome, Outcome::Sent(..)) && self.phase == Phase::Connecting {
            self.follow(Trigger::HelloSent);
        }
        outcome
    }

    fn transmit_close<P: Provider>(&mut self, shared: &mut Shared<P>, out: &mut [u8]) -> Outcome {
        if !self.closing.due {
            return Outcome::Nothing;
        }
        // CLOSE is to arrive whatever has become of the path.
        let room = usize::from(self.path.mtu.base());
        let Some(room) = out.get_mut(..room) else { return Outcome::NeedsRoom(room) };
        let Some((number, header_length)) = self.remote_id.and_then(|id| self.write_header(room, id)) else {
            return Outcome::Nothing;
        };
        let mut writer = Writer::new(&mut room[header_length..]);
        let reason = self.closing.reason(&shared.memory);
        let frame = CloseFrame {
            space: match reason.map(|reason| reason.space) {
                Some(CloseSpace::Application) => wire::CloseSpace::Application,
                _ => wire::CloseSpace::Protocol,
            },
            code: reason.map_or(0, |reason| reason.code.0).min(wire::varint::MAX),
            frame_type: reason.map_or(0, |reason| reason.frame_type),
            text: reason.map_or(WireText::default(), |reason| WireText::truncated(reason.text.as_str())),
        };
        if Frame::Close(frame).encode(&mut writer).is_err() {
            return Outcome::Nothing;
        }
        let end = header_length + writer.position();
        self.closing.due = false;
        Outcome::Sent(self.seal(shared, number, room, header_length, end), None)
    }

    fn transmit_packet<P: Provider>(&mut self, context: &mut Context<'_, P>, out: &mut [u8]) -> Outcome {
        let Context { shared, now, .. } = context;
        let draft = match self.compose(&mut shared.memory, &shared.ids, *now, out) {
            Composed::Nothing => return Outcome::Nothing,
            Composed::NeedsRoom(bytes) => return Outcome::NeedsRoom(bytes),
            Composed::KeyLimit => {
                self.end_at_once(
                    context,
                    Fault::new(CloseCode::KEY_LIMIT, 0, "the key has sealed as much as it may").reason(),
                );
                return self.transmit_close(context.shared, out);
            }
            Composed::Packet(draft) => draft,
        };
        let Draft { number, header_length, end, room, ecn, search, rests } = draft;
        let length = self.seal(context.shared, number, &mut out[..usize::from(room)], header_length, end);
        debug_assert!(length == sealed_length(header_length, end), "the log knows what leaves");
        if search {
            return Outcome::Search(length);
        }
        // What has no numbers left says so in its last.
        if rests && self.has_numbers() {
            debug_assert!(
                !self.may_transmit(&context.shared.memory, &self.channels.wants(&context.shared.memory)),
                "a session rests that has something to send"
            );
            self.path.app_limited = true;
            return Outcome::Last(length, ecn);
        }
        Outcome::Sent(length, ecn)
    }

    /// Decides what the next packet holds, writes it into `out` and notes it as sent: all but to seal it, which is left to who knows the provider.
    fn compose(&mut self, memory: &mut Memory, ids: &IdKey, now: Instant, out: &mut [u8]) -> Composed {
        let (wants, mut schedule) = self.channels.survey(memory);
        let search = self.search_size(memory, &wants, &schedule);
        // Before anything is done: a short buffer changes nothing.
        let room = usize::from(self.path.mtu.size().max(search.unwrap_or(0)));
        if out.len() < room {
            return Composed::NeedsRoom(room);
        }
        if !self.has_numbers() {
            return Composed::KeyLimit;
        }
        let Some(mut plan) = self.plan(memory, &wants, &schedule, search, now) else { return Composed::Nothing };
        let Some(out) = out.get_mut(..usize::from(plan.size)) else { return Composed::NeedsRoom(room) };
        let Some((number, header_length)) = self.remote_id.and_then(|id| self.write_header(out, id)) else {
            return Composed::Nothing;
        };
        let Some(payload) = out.len().checked_sub(TAG).and_then(|end| out.get_mut(header_length..end)) else {
            return Composed::Nothing;
        };
        let draft = Draft { number, header_length, end: 0, room: plan.size, ecn: None, search: false, rests: false };
        if plan.search {
            return self.compose_search(memory, payload, draft, now);
        }
        let mut writer = Writer::new(payload);
        let largest_acked = self.write_ack(&mut writer, now);
        let mut load = Load::of(plan.runs);
        if plan.ack_eliciting && plan.controls && !plan.urgent_only {
            plan.written = self.write_ids(memory, ids, &mut writer, number);
        }
        let flags = self.write_frames(memory, &mut writer, number, &plan, &mut schedule, &mut load);
        if plan.urgent_only && writer.position() == 0 {
            return Composed::Nothing;
        }
        let end = header_length + writer.position();
        // Only what the log knows is marked, so that counts can be held against it.
        let ecn = self.path.ecn.mark(self.path.probe_count).filter(|_| flags.is_some());
        if let Some(mut flags) = flags {
            if ecn.is_some() {
                self.path.ecn.on_marked_sent();
                flags |= FLAG_ECT;
            }
            let length = sealed_length(header_length, end);
            let record = PacketRecord {
                number,
                sent_at: now,
                size: length as u16,
                flags: PacketFlags::from_bits(flags),
                largest_acked,
                probe: plan.probe,
            };
            self.on_ack_eliciting_sent(memory, &record, &load);
            let is_full = load.holds_back || usize::from(plan.size).saturating_sub(length) < ALMOST_FULL;
            if is_full && !plan.probe {
                self.path.mtu.on_full_sent(now);
            }
            if plan.urgent_only {
                self.path.on_urgent_sent(now);
            }
        }
        let rests = self.comes_to_rest(memory, &plan, &schedule);
        Composed::Packet(Draft { end, ecn, rests, ..draft })
    }

    /// Asks whether the path takes a datagram as long as this `payload` makes it. Nothing in it would be missed.
    #[cold]
    fn compose_search(&mut self, memory: &mut Memory, payload: &mut [u8], draft: Draft, now: Instant) -> Composed {
        let mut writer = Writer::new(payload);
        if Frame::Ping.encode(&mut writer).is_err() {
            return Composed::Nothing;
        }
        let padding = writer.position();
        payload[padding..].fill(0);
        let end = draft.header_length + payload.len();
        let record = PacketRecord {
            number: draft.number,
            sent_at: now,
            size: sealed_length(draft.header_length, end) as u16,
            flags: PacketFlags::from_bits(FLAG_SEARCH),
            largest_acked: None,
            probe: false,
        };
        self.on_ack_eliciting_sent(memory, &record, &Load::default());
        self.path.mtu.on_probe_sent();
        Composed::Packet(Draft { end, search: true, ..draft })
    }

    /// The size of the probe for larger datagrams that is to go ahead of the data which is due.
    fn search_size(&self, memory: &Memory, wants: &Wants, schedule: &Schedule) -> Option<u16> {
        let size = self.path.search_size()?;
        let is_calm = self.phase == Phase::Established && self.path.probe_count == 0 && self.path.probes_due == 0;
        let goes = is_calm
            && wants.sends
            && self.packets.log.room_for(&memory.pool, 1)
            && self.channels.next_with_data(memory, schedule, false).is_some()
            // Nothing goes ahead of these.
            && self.channels.next_with_data(memory, schedule, true).is_none();
        goes.then_some(size)
    }

    /// Decides what the next packet may hold; `None` if there is no packet to send now. A `search` of so many bytes goes ahead of data.
    fn plan(
        &mut self,
        memory: &mut Memory,
        wants: &Wants,
        schedule: &Schedule,
        search: Option<u16>,
        now: Instant,
    ) -> Option<Plan> {
        let ack_due = self.packets.ack_forced || self.packets.acks.ack_due(now);
        let probe = self.path.probes_due > 0;
        let has_data = wants.sends && self.channels.next_with_data(memory, schedule, false).is_some();
        let has_control_frames = self.has_control_frames(memory, wants);
        let has_signals = self.channels.due_signal(memory).is_some();
        let wanted = probe || has_data || has_control_frames || has_signals;
        let in_flight = self.packets.log.bytes_in_flight();
        self.path.paced_until = None;
        let size = self.path.mtu.size();
        let has_window = probe || self.path.has_window(in_flight, search.unwrap_or(size));
        self.path.app_limited = !wanted || (self.path.app_limited && has_window);
        let allowed = wanted && has_window && (probe || !self.path.is_paced(now));
        let urgent_only = !allowed
            && wants.sends
            && self.channels.next_with_data(memory, schedule, true).is_some()
            && self.path.spares_urgent(now);
        if allowed || urgent_only {
            if allowed {
                self.path.app_limited = !has_data;
                if let Some(size) = search {
                    return Some(Plan { size, search: true, ack_eliciting: true, ..Plan::default() });
                }
            }
            // A probe is to arrive even where the path has come to take less.
            let size = if probe { self.path.mtu.base() } else { size };
            let pool = &memory.pool;
            let log = &self.packets.log;
            let most = MAX_RUNS.min(SentLog::max_data_records(pool));
            let runs = [most, 1].into_iter().find(|&runs| log.room_for(pool, runs)).unwrap_or(0);
            if runs > 0 || log.room_for(pool, 0) {
                // Neither credit nor PING may exceed the window, so urgent data waits for the record that it needs (P-10-4).
                let controls = has_control_frames;
                let sends = probe || runs > 0 || (controls && !urgent_only);
                if sends {
                    return Some(Plan {
                        size,
                        ack_eliciting: true,
                        runs,
                        probe,
                        urgent_only,
                        controls,
                        ..Plan::default()
                    });
                }
            } else if probe && let Some(record) = self.packets.log.evict_reserved() {
                self.on_packet_lost(memory, &record);
                // What it brought is due again.
                return Some(Plan { size, ack_eliciting: true, probe, controls: true, ..Plan::default() });
            }
        }
        ack_due.then_some(Plan { size, controls: has_control_frames, ..Plan::default() })
    }

    fn has_control_frames(&self, memory: &Memory, wants: &Wants) -> bool {
        self.packets.ping_due
            || self.packets.wish.due
            || self.channels.announce
            || wants.tells
            || self.has_ids_due(memory)
            || (self.channels.expiring && self.channels.has_skips(memory))
            || (self.channels.has_ledger() && self.channels.ledger(memory).is_some_and(Ledger::has_due))
    }

    /// The key may seal another packet.
    #[inline]
    pub(super) fn has_numbers(&self) -> bool {
        self.packets.sealed < KEY_LIMIT && self.packets.next_number < NUMBER_LIMIT
    }

    /// Takes the next packet number and writes the header of a packet to `receiver_id`; returns the number and the header's length.
    pub(super) fn write_header(&mut self, out: &mut [u8], receiver_id: ReceiverId) -> Option<(u64, usize)> {
        let number = self.packets.next_number + u64::from(self.packets.next_number == self.packets.skip);
        let number_length =
            packet_number::encode_length(number, self.packets.largest_acked.get()).unwrap_or(NumberLength::Four);
        let mut writer = Writer::new(out);
        let header = DataHeader { key_phase: self.keys.key_phase(), receiver_id, packet_number: number, number_length };
        header.write(&mut writer).ok()?;
        Some((number, writer.position()))
    }

    /// Pads, seals and masks the packet of `header_length` and a plaintext up to `end`; the number is used from now on.
    pub(super) fn seal<P: Provider>(
        &mut self,
        shared: &mut Shared<P>,
        number: u64,
        out: &mut [u8],
        header_length: usize,
        end: usize,
    ) -> usize {
        let length = sealed_length(header_length, end);
        let end_of_plaintext = length - TAG;
        out[end..end_of_plaintext].fill(0);
        let Shared { provider, keys, generator, .. } = shared;
        let role = self.role;
        let Some(secrets) = self.keys.secrets.as_ref() else { return 0 };
        let make = || PacketKeys::new(provider, secrets, role);
        let Some(keys) = keys.get_or_expand(self.keys.owner, &mut self.keys.hint, make) else { return 0 };
        let (header, rest) = out.split_at_mut(header_length);
        let (plaintext, tail) = rest.split_at_mut(end_of_plaintext - header_length);
        let Some(tag) = keys.seal(provider, number, header, plaintext) else { return 0 };
        tail[..TAG].copy_from_slice(&tag);
        let number_offset = 1 + self.remote_id.map_or(0, |id| id.length());
        let packet = &mut out[..length];
        if let Some(sample) = data_header::sample(packet, number_offset) {
            let mask = keys.seal_mask(provider, &sample).unwrap_or_default();
            let masked = data_header::mask(packet, number_offset, mask);
            debug_assert!(masked.is_ok(), "the header was written just now");
        }
        self.packets.use_number(number, || generator.below(SKIP_SPREAD));
        length
    }

    fn on_ack_eliciting_sent(&mut self, memory: &mut Memory, record: &PacketRecord, load: &Load) {
        for run in load.runs() {
            self.channels.on_named(&mut memory.dynamics, run.index());
        }
        // What is only sent again would keep a session from idling whose data never arrives (D31).
        if load.is_new {
            self.clocks.user_data_at = record.sent_at;
        }
        let logged = self.packets.log.begin(&mut memory.pool, record, load.runs());
        debug_assert!(logged.is_ok(), "room was found before the packet was made");
        self.path.on_sent(record.sent_at, u64::from(record.size));
        self.path.probes_due = self.path.probes_due.saturating_sub(1);
        self.counters.ack_eliciting_sent = self.counters.ack_eliciting_sent.saturating_add(1);
    }

    /// A probe timeout: lets two packets go whatever the window says. The first time they bring what was never sent (RFC 9002 §6.2.4): what was
    /// sent may well have arrived. Without such, and from the second time on, they bring the oldest data again.
    pub(super) fn probe<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        self.path.probe_count = self.path.probe_count.saturating_add(1);
        self.path.probed_at = Some(context.now);
        self.path.ecn.on_probe_timeout(self.path.probe_count);
        self.path.probes_due = 2;
        if let Some(attempt) = context.shared.memory.attempts.get_mut(self.attempt) {
            attempt.queue();
        }
        let schedule = self.channels.schedule(&context.shared.memory);
        // What is new may be what the peer has no room for, so it does not go first twice.
        let again = self.path.probe_count > 1;
        if again || self.channels.next_with_data(&context.shared.memory, &schedule, false).is_none() {
            self.repeat_oldest(context);
        }
    }

    /// Queues what the two oldest packets in flight brought again.
    fn repeat_oldest<P: Provider>(&mut self, context: &mut Context<'_, P>) {
        let mut cursor = Cursor::default();
        for _ in 0..2 {
            if self.packets.log.next_oldest(&context.shared.memory.pool, &mut cursor).is_none() {
                return;
            }
            while let Some(data) = self.packets.log.next_data(&context.shared.memory.pool, &mut cursor) {
                let memory = &mut context.shared.memory;
                if let Some(signal) = data.signal() {
                    self.channels.on_signal(memory, data.index(), signal, SignalFate::Lost);
                    continue;
                }
                let Memory { pool, channels, dynamics, .. } = memory;
                let channel = self.channels.get_in(dynamics, channels, data.index());
                // Unreliable data is not sent twice: PING asks in its stead.
                if let Some(channel) = channel.filter(|channel| channel.mode != ChannelMode::Unreliable) {
                    channel.on_lost(pool, data.offset, u64::from(data.positions));
                }
            }
        }
    }
}
