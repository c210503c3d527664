//! What comes and is read in order on a channel agreed beforehand: most of all data. Each way here does what the general one beside it in
//! [`receiving`](super::receiving) does, and nothing where it is not that plain.

use super::receiving::{Taken, has_plenty};
use super::{CONTROL, Channels};
use crate::channel::{Channel, Fragment};
use crate::channel_config::ChannelMode;
use crate::ids::ChannelId;
use crate::limits::Limits;
use crate::memory::Memory;
use crate::slab::SlabKey;
use crate::wire::DataFrame;

impl Channels {
    /// Stores what follows all that was received, and returns the place of its channel. `None`, and nothing has changed that
    /// [`store`](Self::store) would not change: that is for who has something else.
    #[inline]
    pub(crate) fn store_next(&mut self, memory: &mut Memory, limits: &Limits, frame: &DataFrame<'_>) -> Option<usize> {
        let DataFrame { channel: id, offset, begin, end, data } = *frame;
        let (index, key) = self.likely_place(id)?;
        let of_all = self.taken_beside(memory, index);
        let Memory { pool, channels, .. } = memory;
        let channel = channels.get_mut(key).filter(|channel| is_plain(channel, id))?;
        let mut taken = of_all.unwrap_or_else(|| Taken::of(channel));
        let fragment = Fragment { offset, length: data.len(), begin, end };
        let to = fragment.end_offset()?;
        taken.received = taken.received.saturating_add(fragment.positions());
        if to > channel.receive_maximum || taken.received > self.receive_maximum || !self.data.secure(pool) {
            return None;
        }
        channel.inbox_mut()?.insert_next(pool, &mut self.data.reservation, (&fragment, to), data)?;
        let of_channel = Taken::of(channel);
        let is_left = has_plenty(channel.receive_maximum, limits.channel_window, of_channel);
        if !(is_left && has_plenty(self.receive_maximum, limits.session_window, taken)) {
            self.renew(limits, index, Some(channel), taken);
        }
        debug_assert_eq!(taken, self.taken(memory), "what was carried along is what a look at all channels gives");
        Some(index)
    }

    /// Copies the next message of a channel into `out`, if it is all there is to read, and returns its length. `None`, and nothing has changed, where it is not, or
    /// longer than `out`.
    #[inline]
    pub(crate) fn take_next(
        &mut self,
        memory: &mut Memory,
        limits: &Limits,
        ChannelId(id): ChannelId,
        out: &mut [u8],
    ) -> Option<usize> {
        let (index, key) = self.likely_place(id)?;
        let of_all = self.taken_beside(memory, index);
        let Memory { pool, channels, .. } = &mut *memory;
        let channel = channels.get_mut(key).filter(|channel| is_plain(channel, id))?;
        let mut taken = of_all.unwrap_or_else(|| Taken::of(channel));
        let inbox = channel.inbox_mut()?;
        let before = inbox.read_offset();
        let chunk = inbox.read_last(pool, &mut self.data.reservation, out)?;
        taken.read = taken.read.saturating_add(inbox.read_offset().saturating_sub(before));
        let of_channel = Taken::of(channel);
        channel.on_taken();
        let is_left = has_plenty(channel.receive_maximum, limits.channel_window, of_channel);
        if !(is_left && has_plenty(self.receive_maximum, limits.session_window, taken)) {
            self.renew(limits, index, Some(channel), taken);
        }
        debug_assert_eq!(taken, self.taken(memory), "what was carried along is what a look at all channels gives");
        self.unsecure_if_empty(memory);
        Some(chunk.length)
    }

    /// Where a channel agreed beforehand is kept, if it is one and they are numbered in the order in which they were agreed. Never the control channel's.
    #[inline]
    fn likely_place(&self, id: u64) -> Option<(usize, SlabKey)> {
        let place = usize::try_from(id.checked_sub(ChannelId::FIRST_AGREED - 1)?).ok()?;
        let is_open = CONTROL < place && place < usize::from(self.count);
        self.keys.get(place).filter(|_| is_open).map(|key| (place, *key))
    }
}

/// It is the channel of this id, its positions are read in order, and none was given up.
#[inline]
fn is_plain(channel: &Channel, id: u64) -> bool {
    channel.id.0 == id && channel.mode == ChannelMode::ReliableOrdered && channel.skips == SlabKey::NOWHERE
}
