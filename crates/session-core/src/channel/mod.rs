//! Channels: [`outbox`] is the sending half of every mode, [`assembler`] the receiving half of the reliable modes, [`mailbox`] that of
//! the modes whose messages stand alone.
//!
//! A channel is a space of *positions*. A message of L bytes takes L + 1 of them: its bytes, then one terminator.
//! Both halves keep positions, and bitmaps about them, in pool blocks at fixed places (see [`block_map`]); neither allocates.

pub(crate) mod assembler;
pub(crate) mod block_map;
pub(crate) mod direction;
pub(crate) mod dynamic;
pub(crate) mod expiry;
pub(crate) mod mailbox;
pub(crate) mod outbox;

pub use assembler::Chunk;
pub(crate) use assembler::{Assembler, InsertError, Skips};
pub(crate) use block_map::positions_per_block;
pub(crate) use direction::{Directions, ReceiveState, ReceivingTrigger, SendState, SendingTrigger};
pub(crate) use dynamic::{Dynamic, Ledger, Signal, SignalFate};
pub(crate) use expiry::Expiry;
pub(crate) use mailbox::{Mailbox, MessagePart, Posted};
pub(crate) use outbox::{Outbox, OutboxError};

use crate::channel_config::{ChannelConfig, ChannelMode, ChannelOptions};
use crate::ids::ChannelId;
use crate::optional::OptionalNumber;
use crate::pool::Pool;
use crate::slab::SlabKey;
use crate::state_hash::StateHash;

/// A byte moves a channel of weight 1 this far.
const SHARE: u64 = 256;
/// No position is at or above this one.
pub(crate) const MAX_OFFSET: u64 = 1 << 62;

/// Both halves of one channel.
pub(crate) struct Channel {
    pub(crate) id: ChannelId,
    pub(crate) mode: ChannelMode,
    pub(crate) priority: u8,
    weight: u8,
    pub(crate) outbox: Outbox,
    by_mode: ByMode,
    /// The receiving half where messages stand alone; nowhere else.
    pub(crate) mailbox: SlabKey,
    /// Messages with a deadline, once there was one.
    pub(crate) expiry: SlabKey,
    /// What the peer has given up, once it has.
    pub(crate) skips: SlabKey,
    /// This end tells what its application took; RECEIPT is due.
    receipts: bool,
    pub(crate) receipt_due: bool,
    /// The peer's application took every position below.
    pub(crate) delivered_to: u64,
    /// The peer takes positions below this; where messages stand alone, as many bytes of one.
    pub(crate) send_maximum: u64,
    /// We take positions below this.
    pub(crate) receive_maximum: u64,
    /// The peer was given more credit than at the beginning.
    renewed: bool,
    /// What the peer's stack held when sending ended, and up to where it had been sent.
    ended_at: [OptionalNumber; 2],
    /// The application was told `Blocked` and waits for `Writable`.
    pub(crate) blocked: bool,
    /// Blocks it asked for then.
    pub(crate) wanted: u32,
    /// MAX_CHANNEL_DATA is due.
    pub(crate) announce: bool,
    /// Its turn among channels of its priority: the least goes first (start-time fair queueing).
    turn: u64,
    /// The turn it was served at last.
    served_at: u64,
}

/// What a channel has only by its mode: a session has many of these, and one does not pay for the other.
enum ByMode {
    /// The receiving half of a reliable mode.
    Assembled(Assembler),
    /// What the sending half knows of messages that stand alone.
    Numbered(MessageNumbers),
}

impl ByMode {
    const fn of(mode: ChannelMode) -> Self {
        match mode {
            ChannelMode::ReliableOrdered | ChannelMode::ReliableUnordered => Self::Assembled(Assembler::new()),
            ChannelMode::Unreliable | ChannelMode::LatestValue => Self::Numbered(MessageNumbers::NONE),
        }
    }

    fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        match self {
            Self::Assembled(inbox) => inbox.digest_into(pool, hash),
            Self::Numbered(MessageNumbers { message, start, lost, lost_to, alone }) => {
                hash.flag(*alone);
                [message, start, lost, lost_to].into_iter().for_each(|number| hash.u64(*number));
            }
        }
    }
}

/// Messages that stand alone, on their way out.
#[derive(Clone, Copy)]
struct MessageNumbers {
    /// Number of the message being sent, and the offset at which it begins.
    message: u64,
    start: u64,
    /// Unreliable messages of which a part was lost, and the end of the last of them.
    lost: u64,
    lost_to: u64,
    /// Latest-value: a packet with a part was lost, perhaps because the peer has no room for it, and none has arrived since.
    alone: bool,
}

impl MessageNumbers {
    const NONE: Self = Self { message: 0, start: 0, lost: 0, lost_to: 0, alone: false };
}

/// The sending half of a channel, on its way to another.
pub(crate) struct Sending {
    outbox: Outbox,
    pub(crate) expiry: SlabKey,
    numbers: Option<MessageNumbers>,
    blocked: bool,
    wanted: u32,
}

/// What one DATA frame covers: `length` data positions from `offset`, then the terminator if `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) offset: u64,
    /// Data bytes, terminator not counted.
    pub(crate) length: usize,
    /// `offset` is the first position of a message.
    pub(crate) begin: bool,
    /// The position after the data is the message's terminator.
    pub(crate) end: bool,
}

impl Fragment {
    /// The position after the last one covered; `None` if that is above [`MAX_OFFSET`].
    #[inline]
    pub(crate) fn end_offset(&self) -> Option<u64> {
        let end = self.offset.checked_add(self.length as u64)?.checked_add(u64::from(self.end))?;
        (end <= MAX_OFFSET).then_some(end)
    }

    /// How many positions are covered.
    #[inline]
    pub(crate) fn positions(&self) -> u64 {
        (self.length as u64).saturating_add(u64::from(self.end))
    }

    /// The same with `room` bytes of data at most: what asking for so many would have given.
    pub(crate) fn cut(self, room: usize) -> Self {
        Self { length: self.length.min(room), end: self.end && self.length <= room, ..self }
    }
}

impl Channel {
    /// An empty channel that gives the peer `window` positions of credit, and holds up to `send_blocks` of what is sent if its own budget is not less.
    pub(crate) const fn new(config: &ChannelConfig, window: u64, send_blocks: u32) -> Self {
        let ChannelOptions { priority, weight, receipts, budget } = config.options;
        Self {
            id: config.id,
            mode: config.mode,
            priority,
            weight,
            outbox: Outbox::new(if budget < send_blocks { budget } else { send_blocks }),
            by_mode: ByMode::of(config.mode),
            mailbox: SlabKey::NOWHERE,
            expiry: SlabKey::NOWHERE,
            skips: SlabKey::NOWHERE,
            receipts,
            receipt_due: false,
            delivered_to: 0,
            send_maximum: 0,
            receive_maximum: window,
            renewed: false,
            ended_at: [OptionalNumber::NONE; 2],
            blocked: false,
            wanted: 0,
            announce: false,
            turn: 0,
            served_at: 0,
        }
    }

    /// The receiving half of a reliable mode; of the others, one to which nothing has come.
    #[inline]
    pub(crate) fn inbox(&self) -> &Assembler {
        const NOTHING: &Assembler = &Assembler::new();
        if let ByMode::Assembled(inbox) = &self.by_mode { inbox } else { NOTHING }
    }

    #[inline]
    pub(crate) fn inbox_mut(&mut self) -> Option<&mut Assembler> {
        if let ByMode::Assembled(inbox) = &mut self.by_mode { Some(inbox) } else { None }
    }

    fn numbers(&self) -> MessageNumbers {
        if let ByMode::Numbered(numbers) = self.by_mode { numbers } else { MessageNumbers::NONE }
    }

    fn numbers_mut(&mut self) -> Option<&mut MessageNumbers> {
        if let ByMode::Numbered(numbers) = &mut self.by_mode { Some(numbers) } else { None }
    }

    /// The message being sent does not leave: the next has the next number.
    fn pass_number(&mut self) {
        if let Some(numbers) = self.numbers_mut() {
            numbers.message = numbers.message.saturating_add(1);
        }
    }

    /// Queues a whole message as the mode has it. Returns its end offset.
    pub(crate) fn send(&mut self, pool: &mut Pool, message: &[u8]) -> Result<u64, OutboxError> {
        if self.mode != ChannelMode::LatestValue {
            return self.outbox.send(pool, message);
        }
        let is_first = self.outbox.write_offset() == 0;
        let end = self.outbox.replace(pool, message)?;
        if let Some(numbers) = self.numbers_mut() {
            numbers.start = end.saturating_sub(message.len() as u64).saturating_sub(1);
            numbers.message = numbers.message.saturating_add(u64::from(!is_first));
        }
        Ok(end)
    }

    /// Number of the message that `fragment` is part of, and the fragment's place in it.
    pub(crate) fn place_in_message(&self, fragment: &Fragment) -> (u64, u64) {
        let first = self.mode == ChannelMode::Unreliable && fragment.begin;
        let MessageNumbers { message, start, .. } = self.numbers();
        let start = if first { fragment.offset } else { start };
        (message, fragment.offset.saturating_sub(start))
    }

    /// `fragment` left in a packet.
    pub(crate) fn on_sent(&mut self, pool: &mut Pool, fragment: &Fragment) {
        self.outbox.on_sent(pool, fragment);
        let unreliable = self.mode == ChannelMode::Unreliable;
        if let Some(numbers) = self.numbers_mut().filter(|_| unreliable) {
            // Nothing is sent twice, so messages leave one after the other.
            if fragment.begin {
                numbers.start = fragment.offset;
            }
            if fragment.end {
                numbers.start = fragment.offset.saturating_add(fragment.positions());
                numbers.message = numbers.message.saturating_add(1);
            }
        }
    }

    /// The `message` left in a packet, which is all that was pending on a reliable channel, when the latest turn of its priority was `latest`.
    #[inline]
    pub(crate) fn on_whole_sent(&mut self, message: &Fragment, latest: u64) {
        self.outbox.on_whole_sent();
        self.on_served(latest, message.positions());
    }

    /// CHANNEL_END may leave: everything was sent once; where messages stand alone, none is on its way any more, so that it overtakes none.
    pub(crate) fn is_ready_to_end(&self) -> bool {
        if self.mode.stands_alone() {
            self.outbox.is_all_acked()
        } else {
            self.outbox.highest_sent() == self.outbox.write_offset()
        }
    }

    /// Where what is sent ends, given that nothing more is: an offset, or the number after that of the last message.
    pub(crate) fn end_of_sending(&self) -> u64 {
        let MessageNumbers { message, start, .. } = self.numbers();
        match self.mode {
            ChannelMode::ReliableOrdered | ChannelMode::ReliableUnordered => self.outbox.write_offset(),
            ChannelMode::Unreliable => message.saturating_add(u64::from(self.outbox.highest_sent() > start)),
            ChannelMode::LatestValue if self.outbox.write_offset() == 0 => 0,
            ChannelMode::LatestValue => message.saturating_add(1),
        }
    }

    /// Nothing more is sent, not even what was lost.
    pub(crate) fn reset_sending(&mut self, pool: &mut Pool) {
        self.ended_at = [self.acked_to().into(), self.sent_to().into()];
        self.outbox.cut(pool);
        self.blocked = false;
    }

    /// A packet with a part of it was lost. Returns whether that loses a message for good.
    pub(crate) fn on_lost(&mut self, pool: &mut Pool, offset: u64, positions: u64) -> bool {
        if self.mode != ChannelMode::Unreliable {
            self.outbox.on_lost(pool, offset, positions);
            let latest = self.mode == ChannelMode::LatestValue;
            if let Some(numbers) = self.numbers_mut().filter(|_| latest) {
                numbers.alone = true;
            }
            return false;
        }
        let end = offset.saturating_add(positions);
        let mut at = offset.max(self.outbox.acked_to()).max(self.numbers().lost_to);
        while at < end {
            at = self.outbox.end_of_message(pool, at).unwrap_or(end);
            if let Some(numbers) = self.numbers_mut() {
                numbers.lost = numbers.lost.saturating_add(1);
                numbers.lost_to = at;
            }
        }
        self.outbox.on_acked(pool, offset, positions);
        true
    }

    /// A packet with a part of it was acknowledged.
    #[inline]
    pub(crate) fn on_acked(&mut self, pool: &mut Pool, offset: u64, positions: u64) {
        self.outbox.on_acked(pool, offset, positions);
        if let Some(numbers) = self.numbers_mut() {
            numbers.alone = false;
        }
    }

    /// What it sends shares no packet: the peer may leave it unacknowledged for want of room, and all else in the packet with it (P-9.1-7).
    pub(crate) fn goes_alone(&self) -> bool {
        self.numbers().alone
    }

    /// Unreliable messages of which a part was lost.
    pub(crate) fn lost_messages(&self) -> u64 {
        self.numbers().lost
    }

    /// The application has taken more.
    #[inline]
    pub(crate) fn on_taken(&mut self) {
        self.receipt_due |= self.receipts;
    }

    /// What was said of the application's progress may be lost.
    fn repeat_receipt(&mut self) {
        self.receipt_due |= self.receipts && self.inbox().read_offset() > 0;
    }

    /// The peer's application has taken every position below `offset`. `None` if so many were never sent, or positions mean nothing here;
    /// else whether that is news.
    pub(crate) fn on_receipt(&mut self, offset: u64) -> Option<bool> {
        if self.mode.stands_alone() || offset > self.outbox.highest_sent() {
            return None;
        }
        let news = offset > self.delivered_to;
        self.delivered_to = self.delivered_to.max(offset);
        Some(news)
    }

    /// The peer is to be given more credit.
    #[inline]
    pub(crate) fn announce_credit(&mut self, due: bool) {
        self.announce |= due;
        self.renewed |= due;
    }

    /// What was said of its credit and of the application's progress may be lost.
    pub(crate) fn repeat(&mut self) {
        self.announce |= self.renewed;
        self.repeat_receipt();
    }

    /// Its turn, given the latest turn anyone of its priority was served at: idle time earns nothing.
    pub(crate) fn turn(&self, latest: u64) -> u64 {
        self.turn.max(latest)
    }

    pub(crate) fn served_at(&self) -> u64 {
        self.served_at
    }

    /// `bytes` of it were sent.
    pub(crate) fn on_served(&mut self, latest: u64, bytes: u64) {
        self.served_at = self.turn(latest);
        self.turn = self.served_at.saturating_add(bytes.saturating_mul(SHARE) / u64::from(self.weight.max(1)));
    }

    /// Nothing more is sent: what waits for it is freed.
    pub(crate) fn end_sending(&mut self, pool: &mut Pool) {
        self.ended_at = [self.acked_to().into(), self.sent_to().into()];
        self.outbox.release(pool);
    }

    /// Messages that are sent only once have begun to leave: they cannot leave again as if they had not.
    pub(crate) fn has_begun_for_good(&self) -> bool {
        self.mode == ChannelMode::Unreliable && self.outbox.highest_sent() > 0
    }

    /// The application has begun to send.
    pub(crate) fn has_sending(&self) -> bool {
        self.outbox.write_offset() > 0 || self.outbox.is_streaming()
    }

    /// Everything that was to be sent; nothing is left.
    pub(crate) fn give_up_sending(&mut self) -> Sending {
        let empty = Outbox::new(self.outbox.budget());
        Sending {
            outbox: core::mem::replace(&mut self.outbox, empty),
            expiry: core::mem::take(&mut self.expiry),
            numbers: self.numbers_mut().map(|numbers| core::mem::replace(numbers, MessageNumbers::NONE)),
            blocked: core::mem::take(&mut self.blocked),
            wanted: core::mem::take(&mut self.wanted),
        }
    }

    /// Sends in place of another channel on which nothing was acknowledged; what has left there leaves again.
    pub(crate) fn take_over_sending(&mut self, pool: &mut Pool, sending: Sending) {
        let Sending { mut outbox, expiry, numbers, blocked, wanted } = sending;
        self.expiry = expiry;
        outbox.on_lost(pool, 0, outbox.highest_sent());
        self.outbox = outbox;
        if let (Some(own), Some(numbers)) = (self.numbers_mut(), numbers) {
            *own = numbers;
        }
        (self.blocked, self.wanted) = (blocked, wanted);
    }

    /// The memory it was refused is held by others: nothing of its own is left to be acknowledged.
    pub(crate) fn is_starved(&self) -> bool {
        self.blocked && self.outbox.is_all_acked()
    }

    /// The peer's stack holds every position below; stays true after sending has ended.
    pub(crate) fn acked_to(&self) -> u64 {
        self.ended_at[0].get().unwrap_or(self.outbox.acked_to())
    }

    /// Every position below was sent at least once; stays true after sending has ended.
    pub(crate) fn sent_to(&self) -> u64 {
        // What is given up counts as sent, though nothing of it may have left.
        self.ended_at[1].get().unwrap_or(self.outbox.highest_sent().max(self.outbox.acked_to()))
    }

    pub(crate) fn digest_into(&self, pool: &Pool, hash: &mut StateHash) {
        let Self {
            id,
            mode,
            priority,
            weight,
            outbox,
            by_mode,
            mailbox: _,
            expiry: _,
            skips: _,
            receipts,
            receipt_due,
            delivered_to,
            send_maximum,
            receive_maximum,
            renewed,
            ended_at,
            blocked,
            wanted,
            announce,
            turn,
            served_at,
        } = self;
        hash.u64(*mode as u64);
        hash.u64(u64::from(*priority));
        hash.u64(u64::from(*weight));
        hash.u64(*turn);
        hash.u64(*served_at);
        hash.u64(id.0);
        outbox.digest_into(pool, hash);
        by_mode.digest_into(pool, hash);
        hash.u64(*send_maximum);
        hash.u64(*receive_maximum);
        for number in ended_at {
            hash.option(number.get());
        }
        hash.flag(*blocked);
        hash.u64(u64::from(*wanted));
        hash.flag(*receipts);
        hash.flag(*receipt_due);
        hash.u64(*delivered_to);
        hash.flag(*announce);
        hash.flag(*renewed);
    }
}

#[cfg(test)]
mod tests;
