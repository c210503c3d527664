//! A datagram goes out: choose the frames, fill exactly one, seal it.

mod compose;
mod frames;
mod load;
mod plain;

use super::channels::schedule::{Schedule, Wants};
use super::close::Fault;
use super::{Phase, SessionCore, Trigger, straight};
use crate::action::{Ecn, Link};
use crate::channel::{Ledger, SignalFate};
use crate::channel_config::ChannelMode;
use crate::crypto::Provider;
use crate::crypto::keys::PacketKeys;
use crate::handshake::{Attempt, AttemptOutcome};
use crate::limits::MAX_COSTLY_FRAMES;
use crate::memory::Memory;
use crate::path::Cursor;
use crate::reason::{CloseCode, CloseSpace};
use crate::shared::{Context, Shared};
use crate::wire::{
    self, CloseFrame, DataHeader, Frame, NumberLength, ReceiverId, WireText, Writer, data_header, packet_number,
};
use compose::{Composed, Draft, Plan};

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

/// Bytes of the sealed packet with a header of so many bytes, whose plaintext is written up to `end` and padded to the least that a packet has.
fn sealed_length(header_length: usize, end: usize) -> usize {
    end.max(data_header::MIN_LENGTH - TAG).max(header_length + 4) + TAG
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
            self.count_sent(length);
        }
        outcome
    }

    /// The same where the next datagram is a plain packet and nothing keeps it back, which is found out by making it. `None` where it is any other, or there is none:
    /// then nothing has changed but what [`transmit`](Self::transmit) finds out anew.
    #[inline]
    pub(crate) fn transmit_plain<P: Provider>(
        &mut self,
        context: &mut Context<'_, P>,
        out: &mut [u8],
    ) -> Option<Outcome> {
        if !straight::is_open() || !self.packets.plain || self.path.paced_until.is_some() {
            return None;
        }
        let Some(draft) = self.compose_plain(&mut context.shared.memory, context.now, out) else {
            // Set where the pacer kept it back, and found out anew as well.
            self.path.paced_until = None;
            return None;
        };
        let outcome = self.seal_draft(context, out, draft);
        if let Outcome::Sent(length, _) | Outcome::Last(length, _) = outcome {
            self.count_sent(length);
        }
        Some(outcome)
    }

    fn count_sent(&mut self, length: usize) {
        self.counters.packets_sent = self.counters.packets_sent.saturating_add(1);
        self.counters.bytes_sent = self.counters.bytes_sent.saturating_add(length as u64);
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
        let plain = self.compose_plain(&mut shared.memory, *now, out);
        let composed = || self.compose(&mut shared.memory, &shared.ids, *now, out);
        let draft = match plain.map_or_else(composed, Composed::Packet) {
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
        self.seal_draft(context, out, draft)
    }

    /// Seals the packet that was composed.
    #[inline]
    fn seal_draft<P: Provider>(&mut self, context: &mut Context<'_, P>, out: &mut [u8], draft: Draft) -> Outcome {
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
        if end < end_of_plaintext {
            out[end..end_of_plaintext].fill(0);
        }
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
