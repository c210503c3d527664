//! A packet is made: what it holds is decided, written, and noted as sent.

use super::load::Load;
use super::{ALMOST_FULL, FLAG_ECT, FLAG_SEARCH, MAX_RUNS, SessionCore, TAG, sealed_length};
use crate::action::Ecn;
use crate::crypto::IdKey;
use crate::memory::Memory;
use crate::path::{PacketFlags, PacketRecord, SentLog};
use crate::session::Phase;
use crate::session::channels::schedule::{Schedule, Wants};
use crate::time::Instant;
use crate::wire::{Frame, Writer};

/// What came of composing a packet.
pub(super) enum Composed {
    Nothing,
    NeedsRoom(usize),
    /// The key may seal no more.
    KeyLimit,
    Packet(Draft),
}

/// A packet that is written and not sealed.
pub(super) struct Draft {
    pub(super) number: u64,
    pub(super) header_length: usize,
    /// Where the plaintext ends.
    pub(super) end: usize,
    /// Bytes that the datagram may have.
    pub(super) room: u16,
    pub(super) ecn: Option<Ecn>,
    pub(super) search: bool,
    /// There is nothing more to send, if numbers are left.
    pub(super) rests: bool,
}

/// What a packet may hold, decided before anything changes.
#[derive(Default)]
pub(super) struct Plan {
    /// Bytes that the datagram may have.
    size: u16,
    /// Whether anything that wants an acknowledgement goes along.
    pub(super) ack_eliciting: bool,
    /// Runs of data it may hold.
    runs: usize,
    probe: bool,
    /// It may hold no data but that of urgent channels: neither window nor pacer let it go.
    pub(super) urgent_only: bool,
    /// It is nothing but as many bytes.
    pub(super) search: bool,
    /// There are frames to write beside data and ACK, now or later.
    pub(super) controls: bool,
    /// What was written already, as flags.
    pub(super) written: u16,
}

impl SessionCore {
    /// Decides what the next packet holds, writes it into `out` and notes it as sent: all but to seal it, which is left to who knows the provider.
    pub(super) fn compose(&mut self, memory: &mut Memory, ids: &IdKey, now: Instant, out: &mut [u8]) -> Composed {
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

    pub(super) fn on_ack_eliciting_sent(&mut self, memory: &mut Memory, record: &PacketRecord, load: &Load) {
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
}
