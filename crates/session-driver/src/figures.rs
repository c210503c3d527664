//! What a session counts and knows of its channels, while it lives and afterwards.

use session_core::{ChannelId, ChannelStats, CloseReport, Discards, Heard, SessionRef, Stats};

use crate::channel::Channel;
use crate::session::Session;
use crate::wait::{Step, WaitFor};
use crate::waiters::Topic;

/// The last figures of a session.
pub(crate) struct Figures {
    stats: Stats,
    discards: Discards,
    pub(crate) heard: Heard,
    channels: Vec<(ChannelId, ChannelStats)>,
}

impl Figures {
    pub(crate) fn of(session: &SessionRef<'_>) -> Self {
        let channels = session.channels();
        Self {
            stats: session.stats(),
            discards: session.discards(),
            heard: session.heard(),
            channels: channels.filter_map(|id| Some((id, session.channel_stats(id)?))).collect(),
        }
    }

    fn channel(&self, id: ChannelId) -> Option<ChannelStats> {
        self.channels.iter().find(|(channel, _)| *channel == id).map(|(_, stats)| *stats)
    }
}

/// Figures stay to be had after the session has ended, as long as a handle is left.
impl Session {
    /// Counters and estimates.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.figure(|session| session.stats(), |figures| figures.stats).unwrap_or_default()
    }

    /// The peer has not answered what was sent for three probe timeouts, nor said anything else: a network may be gone. It is known to be lost later.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.figure(|session| session.is_silent(), |_| false).unwrap_or(false)
    }

    /// Datagrams that named this session and were discarded, by reason.
    #[must_use]
    pub fn discards(&self) -> Discards {
        self.figure(|session| session.discards(), |figures| figures.discards).unwrap_or_default()
    }

    /// How far a channel has come, and what it lost; `None` if there is none of that id.
    #[must_use]
    pub fn channel_stats(&self, channel: ChannelId) -> Option<ChannelStats> {
        self.figure(|session| session.channel_stats(channel), |figures| figures.channel(channel)).flatten()
    }

    /// What became of what was sent on a channel: delivered, unknown or unsent. `None` while the session lives, and where there is no
    /// channel of that id.
    #[must_use]
    pub fn close_report(&self, channel: ChannelId) -> Option<CloseReport> {
        let kept = |figures: &Figures| figures.channel(channel).map(CloseReport::from);
        self.figure(|session| session.close_report(channel), kept).flatten()
    }

    fn figure<T>(&self, living: impl FnOnce(&SessionRef<'_>) -> T, kept: impl FnOnce(&Figures) -> T) -> Option<T> {
        let handle = self.handle();
        handle.shared.with(|state, _| state.figure(handle.id, living, kept))
    }
}

impl Channel {
    /// Waits until more than `known` of the messages sent on the channel were lost on the way, and says how many; `None` if the session ended
    /// before, or a dynamic channel is gone. Messages are lost for good on unreliable channels only. Begin with 0, and go on with what was said last.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn lost(&self, known: u64) -> Option<u64> {
        self.more(known, |stats| stats.lost_messages).await
    }

    /// Waits until more than `known` positions of messages were missing because the peer has given them up, each message its bytes and one, and
    /// says how many; `None` if the session ended before, or a dynamic channel is gone. Begin with 0, and go on with what was said last.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn skipped(&self, known: u64) -> Option<u64> {
        self.more(known, |stats| stats.skipped_positions).await
    }

    /// Waits until `count` is more than `known`.
    async fn more(&self, known: u64, count: impl Fn(ChannelStats) -> u64 + Unpin) -> Option<u64> {
        let (shared, id, channel) = (self.shared(), self.session_id(), self.id());
        WaitFor::new(shared, |state, _| {
            let stats = state.figure(id, |session| session.channel_stats(channel), |figures| figures.channel(channel));
            match stats.flatten().map(&count).filter(|count| *count > known) {
                Some(count) => Step::Done(Some(count)),
                None if state.ended(id).is_some() || state.is_gone(id, channel) => Step::Done(None),
                None => Step::Wait(Topic::Lost(id, channel)),
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests;
