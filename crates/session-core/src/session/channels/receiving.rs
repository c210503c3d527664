//! What comes in on channels: kept until it is read, and credit for what was.

use super::dynamic::key_at;
use super::{CONTROL, Channels, StoreError, Stored, URGENT_CREDIT};
use crate::channel::{Channel, Chunk, Fragment, InsertError, Mailbox, MessagePart, Posted, Skips};
use crate::channel_config::ChannelMode;
use crate::limits::{CONTROL_WINDOW, Limits};
use crate::memory::Memory;
use crate::pool::Pool;
use crate::slab::SlabKey;

impl Channels {
    /// Stores a fragment, and gives the peer the credit that becomes due by it. All or nothing.
    pub(crate) fn store(
        &mut self,
        memory: &mut Memory,
        limits: &Limits,
        index: usize,
        fragment: &Fragment,
        data: &[u8],
    ) -> Result<Stored, StoreError> {
        let of_all = self.taken_beside(memory, index);
        let Memory { pool, channels, dynamics, skips, .. } = &mut *memory;
        let channel = self.get_in(dynamics, channels, index).ok_or(StoreError::UnknownChannel)?;
        let mut taken = of_all.unwrap_or_else(|| Taken::of(channel));
        if channel.mode.stands_alone() {
            return Err(StoreError::Mode);
        }
        let end = fragment.end_offset().ok_or(StoreError::OffsetOverflow)?;
        let dynamic = key_at(index).and_then(|key| dynamics.get(key));
        let end_of_channel = dynamic.and_then(|dynamic| dynamic.end.get());
        if end_of_channel.is_some_and(|last| end > last) {
            return Err(StoreError::FinalSize);
        }
        let advance = end.saturating_sub(channel.inbox().highest());
        let over_session = index != CONTROL && taken.received.saturating_add(advance) > self.receive_maximum;
        if end > channel.receive_maximum || over_session {
            return Err(StoreError::FlowControl);
        }
        if let Some(dynamic) = dynamic.filter(|dynamic| !dynamic.directions.receiving.takes_data()) {
            if dynamic.directions.receiving.discards() {
                self.discard(memory, limits, index, end);
            }
            self.renew_credit(memory, limits, index);
            return Ok(Stored { index, advanced: false });
        }
        if skips.get(channel.skips).is_some_and(|skips| end <= skips.floor) {
            // It was given up on the way, or is here already.
            self.renew_credit(memory, limits, index);
            return Ok(Stored { index, advanced: false });
        }
        let backing = if index == CONTROL { &mut self.control } else { &mut self.data };
        if !backing.secure(pool) {
            return Err(StoreError::NoMemory);
        }
        let mode = channel.mode;
        let Some(inbox) = channel.inbox_mut() else { return Err(StoreError::UnknownChannel) };
        let (before, highest) = (inbox.contiguous_to(), inbox.highest());
        match inbox.insert(pool, &mut backing.reservation, fragment, data) {
            Ok(_) => {}
            Err(InsertError::NoMemory) => return Err(StoreError::NoMemory),
            Err(InsertError::Violation(_)) => return Err(StoreError::Contradiction),
        }
        let contiguous = inbox.contiguous_to();
        if end_of_channel == Some(contiguous) && !inbox.ends_with_a_message(pool) {
            return Err(StoreError::FinalSize);
        }
        let advanced = if mode == ChannelMode::ReliableUnordered {
            inbox.note_complete(pool, fragment);
            inbox.complete_length(pool).is_some()
        } else {
            contiguous > before
        };
        if index != CONTROL {
            taken.received = taken.received.saturating_add(inbox.highest().saturating_sub(highest));
        }
        // Where the peer has come to its end, it needs no more of the channel's own.
        self.renew(limits, index, end_of_channel.is_none().then_some(channel), taken);
        debug_assert_eq!(taken, self.taken(memory), "what was carried along is what a look at all channels gives");
        Ok(Stored { index, advanced })
    }

    /// Takes a part of a message that stands alone; `Ok(None)` if there is no room for it. All or nothing.
    pub(crate) fn post(
        &mut self,
        memory: &mut Memory,
        limits: &Limits,
        index: usize,
        part: &MessagePart<'_>,
    ) -> Result<Option<Stored>, StoreError> {
        let Memory { pool, channels, mailboxes, dynamics, .. } = &mut *memory;
        let channel = self.get_in(dynamics, channels, index).ok_or(StoreError::UnknownChannel)?;
        let (mode, key) = (channel.mode, channel.mailbox);
        let wants_room = mailboxes.get(key).ok_or(StoreError::Mode)?.wants_room(pool, part);
        let kept = Ok(Some(Stored { index, advanced: false }));
        if let Some(dynamic) = key_at(index).and_then(|key| dynamics.get_mut(key)) {
            if dynamic.end.get().is_some_and(|end| part.number >= end) {
                return Err(StoreError::FinalSize);
            }
            dynamic.numbers = dynamic.numbers.max(part.number.saturating_add(1));
            if !dynamic.directions.receiving.takes_data() {
                return kept;
            }
        }
        // Only what takes room asks who holds how much of it.
        let share = if wants_room { limits.session_mailbox_blocks } else { 0 };
        let mut held = if wants_room { self.mailbox_blocks(memory, |_| true) } else { 0 };
        loop {
            let room = share.saturating_sub(held);
            let Memory { pool, mailboxes, .. } = &mut *memory;
            match mailboxes.get_mut(key).ok_or(StoreError::Mode)?.post(pool, room, part) {
                Posted::Complete => return Ok(Some(Stored { index, advanced: true })),
                Posted::Kept => return kept,
                Posted::Contradiction => return Err(StoreError::Contradiction),
                // Lost here is lost as on the way; the newest value would have to come again.
                Posted::NoRoom(_) if mode == ChannelMode::Unreliable => return kept,
                Posted::NoRoom(lacking) => match self.make_way(memory, lacking) {
                    0 => return Ok(None),
                    freed => held = held.saturating_sub(freed),
                },
            }
        }
    }

    /// Drops unread unreliable messages where a latest value lacks so many blocks: a channel that nobody reads must not hold up the packets of all
    /// others. Empties the fullest mailbox until there are enough, so that channels are looked at once for each mailbox emptied and not for each
    /// message. Returns the blocks freed; none, and nothing is dropped, if all of them together hold fewer.
    fn make_way(&self, memory: &mut Memory, lacking: u32) -> u32 {
        let is_unreliable = |channel: &Channel| channel.mode == ChannelMode::Unreliable;
        if self.mailbox_blocks(memory, is_unreliable) < lacking {
            return 0;
        }
        let held = |key: &SlabKey| memory.mailboxes.get(*key).map_or(0, Mailbox::blocks_held);
        let unreliable = self.iter(memory).filter(|channel| is_unreliable(channel)).map(|channel| channel.mailbox);
        let Some(fullest) = unreliable.max_by_key(held) else { return 0 };
        let Memory { pool, mailboxes, .. } = memory;
        let Some(mailbox) = mailboxes.get_mut(fullest) else { return 0 };
        let before = mailbox.blocks_held();
        let freed = |mailbox: &Mailbox| before.saturating_sub(mailbox.blocks_held());
        while freed(mailbox) < lacking && mailbox.drop_oldest(pool) {}
        freed(mailbox)
    }

    /// Blocks that the mailboxes of some channels hold.
    fn mailbox_blocks(&self, memory: &Memory, of: impl Fn(&Channel) -> bool) -> u32 {
        let channels = self.iter(memory).filter(|channel| of(channel));
        let mailboxes = channels.filter_map(|channel| memory.mailboxes.get(channel.mailbox));
        mailboxes.map(Mailbox::blocks_held).fold(0, u32::saturating_add)
    }

    /// The peer has given up what has not arrived below `to`. Returns whether that is news. All or nothing.
    pub(crate) fn skip(
        &mut self,
        memory: &mut Memory,
        limits: &Limits,
        index: usize,
        to: u64,
    ) -> Result<bool, StoreError> {
        let received = self.taken(memory).received;
        let Memory { pool, channels, skips, dynamics, .. } = &mut *memory;
        let channel = self.get_in(dynamics, channels, index).ok_or(StoreError::UnknownChannel)?;
        if index == CONTROL || channel.mode.stands_alone() {
            return Err(StoreError::Mode);
        }
        let dynamic = key_at(index).and_then(|key| dynamics.get(key));
        if dynamic.and_then(|dynamic| dynamic.end.get()).is_some_and(|end| to > end) {
            return Err(StoreError::FinalSize);
        }
        let advance = to.saturating_sub(channel.inbox().highest());
        if to > channel.receive_maximum || received.saturating_add(advance) > self.receive_maximum {
            return Err(StoreError::FlowControl);
        }
        if let Some(dynamic) = dynamic.filter(|dynamic| !dynamic.directions.receiving.takes_data()) {
            if dynamic.directions.receiving.discards() {
                self.discard(memory, limits, index, to);
            }
            return Ok(false);
        }
        if !self.data.secure(pool) {
            return Err(StoreError::NoMemory);
        }
        if skips.get(channel.skips).is_none() {
            channel.skips = skips.insert(Skips::default()).map_err(|_| StoreError::NoMemory)?;
        }
        let skips = skips.get_mut(channel.skips).ok_or(StoreError::NoMemory)?;
        let before = skips.positions;
        let inbox = channel.inbox_mut().ok_or(StoreError::UnknownChannel)?;
        inbox.skip(pool, &mut self.data.reservation, skips, to).map_err(|error| match error {
            InsertError::NoMemory => StoreError::NoMemory,
            InsertError::Violation(_) => StoreError::Contradiction,
        })?;
        channel.on_taken();
        Ok(skips.positions > before)
    }

    /// The peer has given up something on the channel at `index`.
    pub(crate) fn has_skipped(&self, memory: &Memory, index: usize) -> bool {
        let channel = self.get(memory, index);
        channel.and_then(|channel| memory.skips.get(channel.skips)).is_some_and(|skips| skips.positions > 0)
    }

    /// The message that was being read on the channel at `index` was given up; said once.
    pub(crate) fn take_cut(&self, memory: &mut Memory, index: usize) -> bool {
        let Some(key) = self.get(memory, index).map(|channel| channel.skips) else { return false };
        memory.skips.get_mut(key).is_some_and(|skips| core::mem::take(&mut skips.cut))
    }

    /// Copies a whole message into `out`; `None` if none is complete, or if it is longer than `out`.
    pub(crate) fn take(&mut self, memory: &mut Memory, limits: &Limits, index: usize, out: &mut [u8]) -> Option<usize> {
        let Memory { pool, channels, mailboxes, dynamics, .. } = &mut *memory;
        let channel = self.get_in(dynamics, channels, index)?;
        if let Some(mailbox) = mailboxes.get_mut(channel.mailbox) {
            return mailbox.take(pool, out);
        }
        let length = channel.inbox_mut()?.take_complete(pool, &mut self.data.reservation, out)?;
        channel.on_taken();
        self.renew_credit(memory, limits, index);
        self.unsecure_if_empty(memory);
        Some(length)
    }

    /// The length of the message that can be read whole next, whatever the mode.
    pub(crate) fn message_length(&self, memory: &Memory, index: usize) -> Option<u64> {
        let channel = self.get(memory, index)?;
        match channel.mode {
            ChannelMode::ReliableOrdered => channel.inbox().message_length(),
            ChannelMode::ReliableUnordered => channel.inbox().complete_length(&memory.pool),
            ChannelMode::Unreliable | ChannelMode::LatestValue => {
                memory.mailboxes.get(channel.mailbox)?.message_length(&memory.pool)
            }
        }
    }

    /// Something can be read on the channel at `index`.
    pub(crate) fn is_readable(&self, memory: &Memory, index: usize) -> bool {
        self.get(memory, index).is_some_and(|channel| match channel.mode {
            ChannelMode::ReliableOrdered => {
                channel.inbox().readable() || memory.skips.get(channel.skips).is_some_and(|skips| skips.cut)
            }
            _ => self.message_length(memory, index).is_some(),
        })
    }

    /// Messages of `channel` that this side gave up for want of room, or because newer ones came.
    pub(crate) fn dropped_messages(&self, memory: &Memory, channel: &Channel) -> u64 {
        memory.mailboxes.get(channel.mailbox).map_or(0, Mailbox::dropped)
    }

    /// Reads the next bytes of the current message and gives the peer new credit for them.
    pub(crate) fn read(&mut self, memory: &mut Memory, limits: &Limits, index: usize, out: &mut [u8]) -> Option<Chunk> {
        let of_all = self.taken_beside(memory, index);
        let is_ending = self.is_ending(memory, index);
        let Memory { pool, channels, dynamics, .. } = &mut *memory;
        let channel = self.get_in(dynamics, channels, index)?;
        let mut taken = of_all.unwrap_or_else(|| Taken::of(channel));
        let backing = if index == CONTROL { &mut self.control } else { &mut self.data };
        let was_skipped = channel.skips != SlabKey::NOWHERE;
        let inbox = channel.inbox_mut()?;
        let before = inbox.read_offset();
        let chunk = inbox.read(pool, &mut backing.reservation, out)?;
        if chunk.end && was_skipped {
            inbox.pass_read(pool, &mut backing.reservation);
        }
        if index != CONTROL {
            taken.read = taken.read.saturating_add(inbox.read_offset().saturating_sub(before));
        }
        channel.on_taken();
        self.renew(limits, index, (!is_ending).then_some(channel), taken);
        debug_assert_eq!(taken, self.taken(memory), "what was carried along is what a look at all channels gives");
        self.unsecure_if_empty(memory);
        Some(chunk)
    }

    /// Gives the peer the credit that reading has freed: where it is half a window, and where the peer has used up what it has.
    /// A message as long as the window could not be completed otherwise, and its reader may wait for it whole.
    pub(crate) fn renew_credit(&mut self, memory: &mut Memory, limits: &Limits, index: usize) {
        let (taken, is_ending) = (self.taken(memory), self.is_ending(memory, index));
        let channel = self.get_mut(memory, index).filter(|_| !is_ending);
        self.renew(limits, index, channel, taken);
    }

    /// The same, given the channel unless it needs no more credit, and what was taken of all.
    #[inline]
    pub(super) fn renew(&mut self, limits: &Limits, index: usize, channel: Option<&mut Channel>, taken: Taken) {
        if let Some(channel) = channel {
            let window = if index == CONTROL { CONTROL_WINDOW } else { limits.channel_window };
            let of_channel = Taken::of(channel);
            let due = renew(&mut channel.receive_maximum, window, of_channel, 0);
            channel.announce_credit(due);
        }
        let window = limits.session_window;
        // The peer may keep as much back for what is urgent, and a message could wait for that as for the last of it.
        let reserve = URGENT_CREDIT.min(window / 2);
        self.announce |= renew(&mut self.receive_maximum, window, taken, reserve);
    }

    /// Where the peer has come to its end, it needs no more of the channel's own.
    fn is_ending(&self, memory: &Memory, index: usize) -> bool {
        self.dynamic_at(memory, index)
            .is_some_and(|dynamic| dynamic.end.get().is_some() || !dynamic.directions.receiving.takes_data())
    }

    /// Gives memory back that backs credit nobody draws on: credit of an idle session is not secured.
    #[inline]
    pub(crate) fn unsecure_if_empty(&mut self, memory: &mut Memory) {
        let is_empty = |channel: &Channel| channel.inbox().blocks_held() == 0;
        debug_assert!(!self.data.secured || self.data.is_unused() == self.iter(memory).skip(1).all(is_empty));
        debug_assert!(
            !self.control.secured || self.control.is_unused() == self.get(memory, CONTROL).is_none_or(is_empty)
        );
        if self.data.is_unused() || self.control.is_unused() {
            self.unsecure_unused(&mut memory.pool);
        }
    }

    #[inline(never)]
    fn unsecure_unused(&mut self, pool: &mut Pool) {
        for backing in [&mut self.data, &mut self.control] {
            if backing.is_unused() {
                backing.unsecure(pool);
            }
        }
    }

    /// There may be something of the control channel that was not read.
    pub(crate) fn holds_control(&self) -> bool {
        self.control.secured
    }

    /// What was taken over all channels, unless it is what was taken of the one at `index`, because there is no other.
    #[inline]
    pub(super) fn taken_beside(&self, memory: &Memory, index: usize) -> Option<Taken> {
        let is_only = index == CONTROL + 1 && self.count == 2 && self.ledger == SlabKey::NOWHERE;
        debug_assert!(
            !is_only || self.get(memory, index).is_none_or(|channel| Taken::of(channel) == self.taken(memory)),
            "there is another channel"
        );
        if is_only { None } else { Some(self.taken(memory)) }
    }

    /// What was taken of the session's credit over all channels.
    pub(super) fn taken(&self, memory: &Memory) -> Taken {
        let mut taken = Taken { read: 0, received: 0 };
        for key in self.keys.get(1..usize::from(self.count)).unwrap_or_default() {
            if let Some(channel) = memory.channels.get(*key) {
                taken.add(channel);
            }
        }
        if let Some(ledger) = self.ledger(memory) {
            let gone = ledger.gone_received;
            (taken.read, taken.received) = (taken.read.saturating_add(gone), taken.received.saturating_add(gone));
            self.dynamics(memory).for_each(|(_, _, channel)| taken.add(channel));
        }
        taken
    }

    #[cfg(test)]
    pub(crate) fn in_use(&self, memory: &Memory) -> (u64, u64) {
        (self.schedule(memory).sent(), self.taken(memory).received)
    }

    /// What MAX_DATA says.
    pub(crate) fn receive_maximum(&self) -> u64 {
        self.receive_maximum
    }

    /// What was said of channels may be lost: says it again of every channel that was ever given more, and of what was taken.
    pub(crate) fn announce_all(&self, memory: &mut Memory) {
        self.for_each(memory, |_, channel| channel.repeat());
        if let Some(ledger) = self.ledger_mut(memory) {
            ledger.announce_again();
        }
    }
}

/// Positions below these were read, and received, of a channel or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) read: u64,
    pub(super) received: u64,
}

impl Taken {
    #[inline]
    pub(super) fn of(channel: &Channel) -> Self {
        let inbox = channel.inbox();
        Self { read: inbox.read_offset(), received: inbox.highest() }
    }

    fn add(&mut self, channel: &Channel) {
        let Self { read, received } = Self::of(channel);
        self.read = self.read.saturating_add(read);
        self.received = self.received.saturating_add(received);
    }
}

/// More than half a window is left above what was received, and so above what was read. No reserve is more than that, so nothing is renewed.
#[inline]
pub(super) fn has_plenty(maximum: u64, window: u64, taken: Taken) -> bool {
    maximum > taken.received.saturating_add(window / 2)
}

/// Raises `maximum` to a window above what was read if it is worth an announcement: always where no more than `reserve` of it is left.
#[inline(never)]
fn renew(maximum: &mut u64, window: u64, taken: Taken, reserve: u64) -> bool {
    let target = taken.read.saturating_add(window);
    let gain = target.saturating_sub(*maximum);
    let is_worth_it = || gain >= window.div_ceil(2) || (gain > 0 && taken.received.saturating_add(reserve) >= *maximum);
    if has_plenty(*maximum, window, taken) {
        debug_assert!(!is_worth_it(), "where much is left, no more is needed");
        return false;
    }
    let worth_it = is_worth_it();
    if worth_it {
        *maximum = target;
    }
    worth_it
}

#[cfg(test)]
mod tests;
