//! Dynamic channels: what one of them has beside a [`Channel`], and what a session keeps about all of its own.

use super::{Channel, Directions, Expiry, ReceiveState, ReceivingTrigger, SendState, SendingTrigger};
use crate::channel_config::ChannelMode;
use crate::optional::OptionalNumber;
use crate::slab::SlabKey;
use crate::state_hash::StateHash;

/// One dynamic channel.
pub(crate) struct Dynamic {
    /// Where its halves are kept.
    pub(crate) channel: SlabKey,
    /// The next of the session's, in the order they were opened.
    pub(crate) next: SlabKey,
    pub(crate) directions: Directions,
    /// Events that wait to be fetched.
    pub(crate) events: u16,
    /// `Closed` was raised: it leaves when that is fetched.
    pub(crate) closed: bool,
    /// The peer gave the reason for which sending was given up.
    pub(crate) stopped: bool,
    /// Records of sent packets that name it. While there are any, its place must not be another's.
    pub(crate) outstanding: u32,
    /// Messages that stand alone: the number after the largest received.
    pub(crate) numbers: u64,
    /// Where what the peer sends ends, once it has said so.
    pub(crate) end: OptionalNumber,
    /// Why sending was given up.
    pub(crate) sending_code: u64,
    /// Why receiving was.
    pub(crate) receiving_code: u64,
}

/// What CHANNEL_END, CHANNEL_RESET and CHANNEL_STOP are to the log of sent packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    End,
    Reset,
    Stop,
}

/// What happened to a packet with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignalFate {
    Sent,
    Acked,
    /// Lost, or to be repeated by a probe.
    Lost,
}

/// The dynamic channels of one session, counted by mode.
pub(crate) struct Ledger {
    /// Those that are open, as they were opened.
    pub(crate) first: SlabKey,
    pub(crate) last: SlabKey,
    /// Positions sent and received on channels that are gone: session credit counts them for ever.
    pub(crate) gone_sent: u64,
    pub(crate) gone_received: u64,
    /// Positions the peer takes of each channel at first.
    pub(crate) first_credit: u64,
    /// Bytes it takes of a message that stands alone.
    pub(crate) largest_alone: u64,
    /// The peer lets us open so many in all; we have opened so many.
    pub(crate) may_open: [u64; 4],
    pub(crate) opened: [u64; 4],
    /// We let the peer open so many in all; it has opened so many; so many of these are gone.
    pub(crate) granted: [u64; 4],
    pub(crate) accepted: [u64; 4],
    pub(crate) gone: [u64; 4],
    /// Channels of ours that are not gone.
    pub(crate) ours: u32,
    /// Modes whose CHANNEL_LIMIT is due, as bits.
    pub(crate) announce: u8,
    /// Modes of which the application was refused a channel, as bits.
    pub(crate) waiting: u8,
    /// Something may have come to its end.
    pub(crate) unsettled: bool,
}

impl Signal {
    /// As the log keeps it, in place of an offset.
    pub(crate) const fn number(self) -> u64 {
        match self {
            Self::End => 0,
            Self::Reset => 1,
            Self::Stop => 2,
        }
    }

    pub(crate) const fn of_number(number: u64) -> Self {
        match number {
            0 => Self::End,
            1 => Self::Reset,
            _ => Self::Stop,
        }
    }
}

impl Dynamic {
    pub(crate) const fn new(channel: SlabKey) -> Self {
        Self {
            channel,
            next: SlabKey::NOWHERE,
            directions: Directions::OPEN,
            events: 0,
            closed: false,
            stopped: false,
            outstanding: 0,
            numbers: 0,
            end: OptionalNumber::NONE,
            sending_code: 0,
            receiving_code: 0,
        }
    }

    /// What is to be sent of it now beside data.
    pub(crate) fn due(&self, channel: &Channel) -> Option<Signal> {
        match self.directions.sending {
            SendState::Resetting => return Some(Signal::Reset),
            SendState::Ending if channel.is_ready_to_end() => return Some(Signal::End),
            _ => {}
        }
        (self.directions.receiving == ReceiveState::Stopping).then_some(Signal::Stop)
    }

    pub(crate) fn on_signal(&mut self, signal: Signal, fate: SignalFate) {
        let _ = match (signal, fate) {
            (Signal::End, SignalFate::Sent) => self.directions.send(SendingTrigger::EndSent),
            (Signal::End, SignalFate::Acked) => self.directions.send(SendingTrigger::EndAcked),
            (Signal::End, SignalFate::Lost) => self.directions.send(SendingTrigger::EndLost),
            (Signal::Reset, SignalFate::Sent) => self.directions.send(SendingTrigger::ResetSent),
            (Signal::Reset, SignalFate::Acked) => self.directions.send(SendingTrigger::ResetAcked),
            (Signal::Reset, SignalFate::Lost) => self.directions.send(SendingTrigger::ResetLost),
            (Signal::Stop, SignalFate::Sent) => self.directions.receive(ReceivingTrigger::StopSent),
            (Signal::Stop, SignalFate::Acked) => self.directions.receive(ReceivingTrigger::StopAcked),
            (Signal::Stop, SignalFate::Lost) => self.directions.receive(ReceivingTrigger::StopLost),
        };
    }

    /// Everything this end sent there has arrived, or the peer knows that it will not.
    pub(crate) fn is_sent(&self, channel: &Channel, expiry: Option<&Expiry>) -> bool {
        match self.directions.sending {
            // What was given up for being late counts as acknowledged; the peer has to know of it, too.
            SendState::Ended => channel.outbox.is_all_acked() && expiry.is_none_or(Expiry::is_known),
            sending => sending == SendState::Reset,
        }
    }

    /// Both directions have come to their end, and nothing names it any more.
    pub(crate) fn is_over(&self, channel: &Channel, expiry: Option<&Expiry>) -> bool {
        self.outstanding == 0
            && self.directions.receiving.is_over()
            && self.is_sent(channel, expiry)
            // Where the application has taken everything, the peer is told once at least.
            && !channel.receipt_due
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            channel: _,
            next: _,
            directions,
            events,
            closed,
            stopped,
            outstanding,
            numbers,
            end,
            sending_code,
            receiving_code,
        } = self;
        directions.digest_into(hash);
        hash.u64(u64::from(*events));
        hash.flag(*closed);
        hash.flag(*stopped);
        hash.u64(u64::from(*outstanding));
        hash.u64(*numbers);
        hash.option(end.get());
        hash.u64(*sending_code);
        hash.u64(*receiving_code);
    }
}

impl Ledger {
    /// No channels; the peer may open as many as `granted`.
    pub(crate) const fn new(granted: [u64; 4]) -> Self {
        Self {
            first: SlabKey::NOWHERE,
            last: SlabKey::NOWHERE,
            gone_sent: 0,
            gone_received: 0,
            first_credit: 0,
            largest_alone: 0,
            may_open: [0; 4],
            opened: [0; 4],
            granted,
            accepted: [0; 4],
            gone: [0; 4],
            ours: 0,
            announce: 0,
            waiting: 0,
            unsettled: false,
        }
    }

    /// The peer lets us open `count` channels of `mode` in all. Returns whether the application waits for that.
    pub(crate) fn on_limit(&mut self, mode: ChannelMode, count: u64, room: bool) -> bool {
        let limit = &mut self.may_open[mode.place()];
        if count <= *limit {
            return false;
        }
        *limit = count;
        room && self.stop_waiting(mode)
    }

    /// The application is told, once, that there are channels of `mode` to be had.
    fn stop_waiting(&mut self, mode: ChannelMode) -> bool {
        let waited = self.waiting & bit(mode) != 0;
        self.waiting &= !bit(mode);
        waited
    }

    /// One of ours is gone. Returns whether the application waits for that.
    pub(crate) fn on_own_gone(&mut self) -> bool {
        self.ours = self.ours.saturating_sub(1);
        let mut waited = false;
        for mode in ChannelMode::ALL {
            if self.opened[mode.place()] < self.may_open[mode.place()] {
                waited |= self.stop_waiting(mode);
            }
        }
        waited
    }

    /// The application was refused a channel of `mode`, and waits for one.
    pub(crate) fn wait_for(&mut self, mode: ChannelMode) {
        self.waiting |= bit(mode);
    }

    /// One of the peer's is gone: it may open another, and is told once that is worth it.
    pub(crate) fn on_peer_gone(&mut self, mode: ChannelMode, at_once: u64) {
        let place = mode.place();
        self.gone[place] = self.gone[place].saturating_add(1);
        let limit = self.gone[place].saturating_add(at_once);
        let gain = limit.saturating_sub(self.granted[place]);
        // As with credit: where it is half of what there is, and where the peer has used up what it has.
        if gain >= at_once.div_ceil(2) || self.accepted[place] == self.granted[place] {
            self.granted[place] = limit;
            self.announce |= bit(mode);
        }
    }

    /// What was said of limits may be lost: says it again wherever they have ever grown.
    pub(crate) fn announce_again(&mut self) {
        for mode in ChannelMode::ALL {
            if self.gone[mode.place()] > 0 {
                self.announce |= bit(mode);
            }
        }
    }

    /// The modes whose limits are to be told.
    pub(crate) fn due(&self) -> impl Iterator<Item = ChannelMode> + use<> {
        let announce = self.announce;
        ChannelMode::ALL.into_iter().filter(move |mode| announce & bit(*mode) != 0)
    }

    #[inline]
    pub(crate) fn has_due(&self) -> bool {
        self.announce != 0
    }

    pub(crate) fn on_told(&mut self, mode: ChannelMode) {
        self.announce &= !bit(mode);
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self {
            first: _,
            last: _,
            gone_sent,
            gone_received,
            first_credit,
            largest_alone,
            may_open,
            opened,
            granted,
            accepted,
            gone,
            ours,
            announce,
            waiting,
            unsettled,
        } = self;
        for number in [gone_sent, gone_received, first_credit, largest_alone] {
            hash.u64(*number);
        }
        for number in [may_open, opened, granted, accepted, gone].into_iter().flatten() {
            hash.u64(*number);
        }
        hash.u64(u64::from(*ours));
        hash.u64(u64::from(*announce));
        hash.u64(u64::from(*waiting));
        hash.flag(*unsettled);
    }
}

const fn bit(mode: ChannelMode) -> u8 {
    1 << mode.number()
}
