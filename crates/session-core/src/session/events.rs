//! Events of one session, coalesced into flags.

use super::channels::dynamic::key_at;
use crate::action::Event;
use crate::channel::Dynamic;
use crate::ids::{ChannelId, SessionId};
use crate::limits::CHANNELS;
use crate::slab::Slab;
use crate::state_hash::StateHash;

/// Of the session as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    Incoming = 1,
    Established = 2,
    Closed = 4,
    Expiring = 8,
    PathChanged = 16,
    Silence = 32,
    ChannelsAvailable = 64,
}

/// Some dynamic channel has events: they wait there.
const DYNAMIC: u8 = 128;

/// Of one channel. The upper ones are of dynamic channels only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelEvent {
    Readable = 1,
    Writable = 2,
    Acknowledged = 4,
    Lost = 8,
    Delivered = 16,
    Expired = 32,
    Skipped = 64,
    Opened = 256,
    Finished = 512,
    Reset = 1024,
    Stopped = 2048,
    Closed = 4096,
}

/// Which events wait to be fetched.
#[derive(Debug, Default)]
pub(crate) struct Events {
    session: u8,
    channels: [u8; CHANNELS],
}

impl ChannelEvent {
    /// In the order in which they are told.
    const ALL: [Self; 12] = [
        Self::Opened,
        Self::Readable,
        Self::Writable,
        Self::Acknowledged,
        Self::Lost,
        Self::Delivered,
        Self::Expired,
        Self::Skipped,
        Self::Finished,
        Self::Reset,
        Self::Stopped,
        Self::Closed,
    ];

    /// Takes the first of those that wait.
    pub(crate) fn take_first(flags: &mut u16) -> Option<Self> {
        let event = Self::ALL.into_iter().find(|event| *flags & *event as u16 != 0)?;
        *flags &= !(event as u16);
        Some(event)
    }

    /// Those of channels that last as long as the session, in the order of their bits.
    const LASTING: [Self; 7] =
        [Self::Readable, Self::Writable, Self::Acknowledged, Self::Lost, Self::Delivered, Self::Expired, Self::Skipped];

    /// The first of those of a channel that lasts as long as the session.
    fn first_of_lasting(flags: u8) -> Option<Self> {
        Self::LASTING.get(flags.trailing_zeros() as usize).copied()
    }

    /// As the application sees it. The codes are why sending, and receiving, was given up.
    pub(crate) fn about(self, id: SessionId, channel: ChannelId, (sending, receiving): (u64, u64)) -> Event {
        match self {
            Self::Readable => Event::Readable(id, channel),
            Self::Writable => Event::Writable(id, channel),
            Self::Acknowledged => Event::Acknowledged(id, channel),
            Self::Lost => Event::Lost(id, channel),
            Self::Delivered => Event::Delivered(id, channel),
            Self::Expired => Event::Expired(id, channel),
            Self::Skipped => Event::Skipped(id, channel),
            Self::Opened => Event::ChannelOpened(id, channel),
            Self::Finished => Event::ChannelFinished(id, channel),
            Self::Reset => Event::ChannelReset(id, channel, receiving),
            Self::Stopped => Event::ChannelStopped(id, channel, sending),
            Self::Closed => Event::ChannelClosed(id, channel),
        }
    }
}

impl Events {
    pub(crate) fn raise(&mut self, event: SessionEvent) {
        self.session |= event as u8;
    }

    /// Nobody has heard of it yet, and nobody is going to.
    pub(crate) fn withdraw(&mut self, event: SessionEvent) {
        self.session &= !(event as u8);
    }

    pub(crate) fn is_raised(&self, event: SessionEvent) -> bool {
        self.session & event as u8 != 0
    }

    /// Raises an event of the channel at `index`; those of dynamic channels are kept with them.
    pub(crate) fn raise_on(&mut self, dynamics: &mut Slab<Dynamic>, index: usize, event: ChannelEvent) {
        if let Some(flags) = self.channels.get_mut(index) {
            *flags |= event as u8;
        } else if let Some(dynamic) = key_at(index).and_then(|key| dynamics.get_mut(key)) {
            dynamic.events |= event as u16;
            self.look_at_dynamic();
        }
    }

    /// Some dynamic channel may have events.
    pub(crate) fn look_at_dynamic(&mut self) {
        self.session |= DYNAMIC;
    }

    pub(crate) fn found_no_dynamic(&mut self) {
        self.session &= !DYNAMIC;
    }

    pub(crate) fn may_have_dynamic(&self) -> bool {
        self.session & DYNAMIC != 0
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.session == 0 && !self.has_lasting()
    }

    /// Whether nothing waits but `Closed`, or nothing at all.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.session & !(SessionEvent::Closed as u8) == 0 && !self.has_lasting()
    }

    /// A channel that lasts as long as the session has events.
    fn has_lasting(&self) -> bool {
        self.all() != 0
    }

    /// The flags of the channels, those of the first lowest.
    fn all(&self) -> u128 {
        u128::from_le_bytes(self.channels)
    }

    /// Nothing waits but events of channels that last as long as the session.
    pub(crate) fn is_lasting_only(&self) -> bool {
        self.session == 0
    }

    /// The next event of what lasts as long as the session: beginnings first, then channels.
    pub(crate) fn take(&mut self, id: SessionId, channel_at: impl Fn(usize) -> ChannelId) -> Option<Event> {
        if self.take_flag(SessionEvent::Incoming) {
            return Some(Event::Incoming(id));
        }
        if self.take_flag(SessionEvent::Established) {
            return Some(Event::Established(id));
        }
        self.take_lasting(id, channel_at)
    }

    /// The next event of the first channel that has one and lasts as long as the session.
    pub(crate) fn take_lasting(&mut self, id: SessionId, channel_at: impl Fn(usize) -> ChannelId) -> Option<Event> {
        let index = self.all().trailing_zeros() as usize / 8;
        let flags = self.channels.get_mut(index)?;
        let event = ChannelEvent::first_of_lasting(*flags)?;
        *flags &= !(event as u8);
        Some(event.about(id, channel_at(index), (0, 0)))
    }

    /// The next event when no channel has any: `Closed` last.
    pub(crate) fn take_last(&mut self, id: SessionId) -> Option<Event> {
        if self.take_flag(SessionEvent::ChannelsAvailable) {
            return Some(Event::ChannelsAvailable(id));
        }
        if self.take_flag(SessionEvent::PathChanged) {
            return Some(Event::PathChanged(id));
        }
        if self.take_flag(SessionEvent::Silence) {
            return Some(Event::Silence(id));
        }
        if self.take_flag(SessionEvent::Expiring) {
            return Some(Event::Expiring(id));
        }
        self.take_flag(SessionEvent::Closed).then_some(Event::Closed(id))
    }

    fn take_flag(&mut self, event: SessionEvent) -> bool {
        let set = self.session & event as u8 != 0;
        self.session &= !(event as u8);
        set
    }

    pub(crate) fn digest_into(&self, hash: &mut StateHash) {
        let Self { session, channels } = self;
        hash.u64(u64::from(*session));
        hash.bytes(channels);
    }
}

const _: () = {
    let mut bit = 0;
    while bit < ChannelEvent::LASTING.len() {
        let event = ChannelEvent::LASTING[bit] as u16;
        assert!(event == 1 << bit && event == ChannelEvent::ALL[1 + bit] as u16, "told in the order of their bits");
        bit += 1;
    }
};
