//! Channels that come and go while the session lives, as handles.

use std::sync::{Arc, Weak};

use session_core::{ChannelId, ChannelMode, ChannelOptions, EndChannelError, Instant, OpenChannelError, SessionId};

use crate::channel::{Channel, CoreSession};
use crate::session::{Session, SessionHandle};
use crate::shared::{Shared, State};
use crate::wait::{Step, WaitFor};
use crate::waiters::Topic;

/// What all handles of one dynamic channel share; its drop brings to an end what is left of the channel.
pub(crate) struct ChannelGuard {
    shared: Arc<Shared>,
    session: SessionId,
    id: ChannelId,
}

/// What the driver keeps of a dynamic channel, for handles that outlive it.
#[derive(Default)]
pub(crate) struct Dynamic {
    /// The peer has finished it, and all was read.
    pub(crate) finished: bool,
    /// The peer has reset it.
    pub(crate) reset: Option<u64>,
    /// The peer reads it no more.
    pub(crate) stopped: Option<u64>,
    /// The core has forgotten it.
    closed: bool,
    /// Nobody has a handle, and nobody is going to.
    orphaned: bool,
    /// Where its handles meet.
    guard: Weak<ChannelGuard>,
}

impl Session {
    /// Opens a channel, and waits until the peer, and this side, may have another of this mode. The peer hears of it with the first that is
    /// sent on it, or its end.
    ///
    /// How many there may be at once is configured: [`EndpointBuilder::channel_limits`](crate::EndpointBuilder::channel_limits) at the peer,
    /// `Limits::opened_channels` here.
    ///
    /// # Errors
    /// [`OpenChannelError`]: if this side opens none, `options` make no sense, or the session is not Established any more.
    ///
    /// # Cancel safety
    /// A channel is opened in the poll that completes the future, or not at all.
    pub async fn open_channel(&self, mode: ChannelMode, options: ChannelOptions) -> Result<Channel, OpenChannelError> {
        let handle = self.handle();
        let id = handle.id;
        let opened = WaitFor::new(&handle.shared, move |state, now| {
            let Some(mut session) = state.core.session_mut(id, now) else {
                return Step::Done(Err(OpenChannelError::NotEstablished));
            };
            match session.open_channel(mode, options) {
                Err(OpenChannelError::Limit | OpenChannelError::Full) => Step::Wait(Topic::ChannelsAvailable(id)),
                opened => Step::Done(opened.inspect(|channel| state.keep_channel(id, *channel))),
            }
        });
        Ok(Channel::guarded(Arc::clone(handle), opened.await?))
    }

    /// The next channel that the peer opens; `None` once the session has ended. One whose both directions the peer has ended before
    /// anybody accepted it is gone without a word.
    ///
    /// # Cancel safety
    /// Dropping the future leaves what has come for the next call.
    pub async fn accept_channel(&self) -> Option<Channel> {
        let handle = self.handle();
        let id = handle.id;
        let channel = WaitFor::new(&handle.shared, move |state, _| match state.next_channel(id) {
            Some(channel) => Step::Done(Some(channel)),
            None if state.ended(id).is_some() => Step::Done(None),
            None => Step::Wait(Topic::ChannelOpened(id)),
        });
        Some(Channel::guarded(Arc::clone(handle), channel.await?))
    }
}

impl Channel {
    /// A handle of a dynamic channel that has none yet.
    fn guarded(session: Arc<SessionHandle>, id: ChannelId) -> Self {
        let guard = ChannelGuard { shared: Arc::clone(&session.shared), session: session.id, id };
        let guard = Arc::new(guard);
        session.shared.with(|state, _| {
            if let Some(dynamic) = state.dynamic_mut(session.id, id) {
                dynamic.guard = Arc::downgrade(&guard);
            }
        });
        Self::with_guard(session, id, Some(guard))
    }

    /// Sends nothing more on a dynamic channel. All that was sent still arrives; then the peer reads its end.
    ///
    /// # Errors
    /// [`EndChannelError`]; nothing has changed then.
    pub fn end(&self) -> Result<(), EndChannelError> {
        self.ending(|session, channel| session.finish_channel(channel))
    }

    /// Gives up what was sent on a dynamic channel and has not arrived; the peer is told `code`.
    ///
    /// # Errors
    /// [`EndChannelError`]; nothing has changed then.
    pub fn reset(&self, code: u64) -> Result<(), EndChannelError> {
        self.ending(|session, channel| session.reset_channel(code, channel))
    }

    /// Reads nothing more from a dynamic channel; the peer is told `code`, and sends no more.
    ///
    /// # Errors
    /// [`EndChannelError`]; nothing has changed then.
    pub fn stop(&self, code: u64) -> Result<(), EndChannelError> {
        self.ending(|session, channel| session.stop_channel(code, channel))
    }

    fn ending(
        &self,
        command: impl FnOnce(&mut CoreSession<'_>, ChannelId) -> Result<(), EndChannelError>,
    ) -> Result<(), EndChannelError> {
        let (session, channel) = (self.session_id(), self.id());
        self.shared().with(|state, now| {
            let ended = match state.core.session_mut(session, now) {
                Some(mut session) => command(&mut session, channel),
                None => Err(EndChannelError::Closed),
            };
            state.touched = true;
            // Who waits to send or to read there waits for nothing now.
            for topic in [Topic::Readable, Topic::Writable, Topic::Progress, Topic::Lost] {
                state.notify(topic(session, channel));
            }
            ended
        })
    }
}

impl State {
    /// A channel that is open from now on, by whoever.
    pub(crate) fn keep_channel(&mut self, session: SessionId, channel: ChannelId) {
        self.touched = true;
        if let Some(record) = self.sessions.get_mut(&session) {
            record.dynamic.insert(channel, Dynamic::default());
        }
    }

    /// The peer has opened a channel.
    pub(crate) fn on_channel_opened(&mut self, session: SessionId, channel: ChannelId) {
        self.keep_channel(session, channel);
        if let Some(record) = self.sessions.get_mut(&session) {
            record.opened.push_back(channel);
        }
        self.notify(Topic::ChannelOpened(session));
    }

    /// Notes what became of a channel, and tells who waits there.
    pub(crate) fn on_channel(&mut self, session: SessionId, channel: ChannelId, note: impl FnOnce(&mut Dynamic)) {
        if let Some(dynamic) = self.dynamic_mut(session, channel) {
            note(dynamic);
        }
        for topic in [Topic::Readable, Topic::Writable, Topic::Progress, Topic::Lost] {
            self.notify(topic(session, channel));
        }
    }

    /// The core has forgotten a channel; so does the driver where nobody has a handle of it.
    pub(crate) fn on_channel_closed(&mut self, session: SessionId, channel: ChannelId) {
        self.on_channel(session, channel, |dynamic| dynamic.closed = true);
        // Nobody has accepted it, and there is nothing left to accept: a peer could pile them up, for the core has room for the next.
        if let Some(record) = self.sessions.get_mut(&session)
            && let Some(place) = record.opened.iter().position(|opened| *opened == channel)
        {
            record.opened.remove(place);
            record.dynamic.remove(&channel);
            record.forget_channel(channel);
        }
        self.drop_channel(session, channel);
    }

    pub(crate) fn dynamic(&self, session: SessionId, channel: ChannelId) -> Option<&Dynamic> {
        self.sessions.get(&session)?.dynamic.get(&channel)
    }

    /// The core has forgotten a channel that it knew, while its session lives: nothing changes there any more.
    pub(crate) fn is_gone(&self, session: SessionId, channel: ChannelId) -> bool {
        channel.is_dynamic()
            && self.core.session(session).is_some_and(|session| session.channel_stats(channel).is_none())
    }

    fn dynamic_mut(&mut self, session: SessionId, channel: ChannelId) -> Option<&mut Dynamic> {
        self.sessions.get_mut(&session)?.dynamic.get_mut(&channel)
    }

    /// Another handle of a channel that has one. Must not be dropped under the lock.
    pub(crate) fn guard_of(&self, session: SessionId, channel: ChannelId) -> Option<Arc<ChannelGuard>> {
        self.dynamic(session, channel)?.guard.upgrade()
    }

    fn next_channel(&mut self, session: SessionId) -> Option<ChannelId> {
        self.sessions.get_mut(&session)?.opened.pop_front()
    }

    /// The last handle of a channel is gone. What was sent whole still arrives; a stream without an end is given up, and nothing more is read.
    fn orphan_channel(&mut self, session: SessionId, channel: ChannelId, now: Instant) {
        let Some(dynamic) = self.dynamic_mut(session, channel) else { return };
        dynamic.orphaned = true;
        if let Some(mut core) = self.core.session_mut(session, now) {
            if core.finish_channel(channel) == Err(EndChannelError::Streaming) {
                let _ = core.reset_channel(0, channel);
            }
            let _ = core.stop_channel(0, channel);
        }
        self.touched = true;
        self.drop_channel(session, channel);
    }

    fn drop_channel(&mut self, session: SessionId, channel: ChannelId) {
        let Some(record) = self.sessions.get_mut(&session) else { return };
        if record.dynamic.get(&channel).is_some_and(|dynamic| dynamic.closed && dynamic.orphaned) {
            record.dynamic.remove(&channel);
            record.forget_channel(channel);
        }
    }
}

impl Drop for ChannelGuard {
    fn drop(&mut self) {
        self.shared.with(|state, now| state.orphan_channel(self.session, self.id, now));
    }
}

#[cfg(test)]
mod tests;
