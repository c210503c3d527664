//! Events of one session, coalesced into flags.

use crate::action::Event;
use crate::ids::{ChannelId, SessionId};
use crate::limits::CHANNELS;
use crate::state_hash::StateHash;

/// Of the session as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    Incoming = 1,
    Established = 2,
    Closed = 4,
    Expiring = 8,
}

/// Of one channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelEvent {
    Readable = 1,
    Writable = 2,
    Acknowledged = 4,
    Lost = 8,
    Delivered = 16,
    Expired = 32,
    Skipped = 64,
}

/// Which events wait to be fetched.
#[derive(Debug, Default)]
pub(crate) struct Events {
    session: u8,
    channels: [u8; CHANNELS],
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

    pub(crate) fn raise_on(&mut self, index: usize, event: ChannelEvent) {
        if let Some(flags) = self.channels.get_mut(index) {
            *flags |= event as u8;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.session == 0 && self.channels == [0; CHANNELS]
    }

    /// Whether nothing waits but `Closed`, or nothing at all.
    pub(crate) fn is_over(&self) -> bool {
        self.session & !(SessionEvent::Closed as u8) == 0 && self.channels == [0; CHANNELS]
    }

    /// The next event: beginnings first, then channels, `Closed` last.
    pub(crate) fn take(&mut self, id: SessionId, channel_at: impl Fn(usize) -> ChannelId) -> Option<Event> {
        if self.take_flag(SessionEvent::Incoming) {
            return Some(Event::Incoming(id));
        }
        if self.take_flag(SessionEvent::Established) {
            return Some(Event::Established(id));
        }
        for (index, flags) in self.channels.iter_mut().enumerate() {
            for event in [
                ChannelEvent::Readable,
                ChannelEvent::Writable,
                ChannelEvent::Acknowledged,
                ChannelEvent::Lost,
                ChannelEvent::Delivered,
                ChannelEvent::Expired,
                ChannelEvent::Skipped,
            ] {
                if *flags & event as u8 != 0 {
                    *flags &= !(event as u8);
                    let channel = channel_at(index);
                    return Some(match event {
                        ChannelEvent::Readable => Event::Readable(id, channel),
                        ChannelEvent::Writable => Event::Writable(id, channel),
                        ChannelEvent::Acknowledged => Event::Acknowledged(id, channel),
                        ChannelEvent::Lost => Event::Lost(id, channel),
                        ChannelEvent::Delivered => Event::Delivered(id, channel),
                        ChannelEvent::Expired => Event::Expired(id, channel),
                        ChannelEvent::Skipped => Event::Skipped(id, channel),
                    });
                }
            }
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
