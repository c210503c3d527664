//! The names of messages that missed their deadline, until somebody asks: the core forgets them with their channel.

use std::collections::{HashMap, VecDeque};

use session_core::{ChannelId, Instant, MAX_EXPIRING, MessageId, SessionId};

use crate::shared::State;

/// Of one session, by channel; the oldest give way where nobody asks.
#[derive(Default)]
pub(crate) struct Expired {
    channels: HashMap<ChannelId, VecDeque<MessageId>>,
}

impl Expired {
    fn put(&mut self, message: MessageId) {
        let names = self.channels.entry(message.channel).or_default();
        if names.len() >= MAX_EXPIRING as usize {
            names.pop_front();
        }
        names.push_back(message);
    }

    fn take(&mut self, channel: ChannelId) -> Option<MessageId> {
        let names = self.channels.get_mut(&channel)?;
        let first = names.pop_front();
        if names.is_empty() {
            self.channels.remove(&channel);
        }
        first
    }

    /// Nobody is going to ask any more.
    pub(crate) fn forget(&mut self, channel: ChannelId) {
        self.channels.remove(&channel);
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }
}

impl State {
    /// Takes over the names that the core has.
    pub(crate) fn learn_expired(&mut self, id: SessionId, channel: ChannelId, now: Instant) {
        let Some(mut session) = self.core.session_mut(id, now) else { return };
        let Some(record) = self.sessions.get_mut(&id) else { return };
        while let Some(message) = session.take_expired(channel) {
            record.expired.put(message);
        }
    }

    /// The next one that was not asked for.
    pub(crate) fn take_expired(&mut self, id: SessionId, channel: ChannelId, now: Instant) -> Option<MessageId> {
        self.learn_expired(id, channel, now);
        self.sessions.get_mut(&id)?.expired.take(channel)
    }
}

#[cfg(test)]
mod tests;
