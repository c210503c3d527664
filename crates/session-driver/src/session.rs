//! The handle of a session.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use session_core::{
    Address, ChannelId, CloseReason, ExtendError, PeerId, PublicKey, SessionId, SessionRef, State, Uid,
};

use crate::channel::{Channel, CoreSession};
use crate::shared::Shared;
use crate::wait::{Step, WaitFor};
use crate::waiters::Topic;

/// A secure session with one peer. Cheap to clone.
///
/// **Dropping the last handle** of a session (its channels' handles count) without [`Session::close`] **aborts it**: what is not
/// acknowledged yet may be lost, and the peer is told that the session was aborted.
#[derive(Clone)]
pub struct Session {
    inner: Arc<SessionHandle>,
}

/// What all handles of a session share; its drop gives the session up.
pub(crate) struct SessionHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: SessionId,
    pub(crate) facts: Facts,
}

/// What stays true however the session goes on.
#[derive(Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) peer_key: PublicKey,
    pub(crate) peer_id: PeerId,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) first_contact: bool,
    pub(crate) node_type: u8,
    pub(crate) capabilities: u64,
}

impl Session {
    pub(crate) fn new(handle: SessionHandle) -> Self {
        let inner = Arc::new(handle);
        inner.shared.with(|state, _| {
            if let Some(record) = state.sessions.get_mut(&inner.id) {
                record.handle = Arc::downgrade(&inner);
            }
        });
        Self { inner }
    }

    /// Another handle of a session that has one. Must not be dropped under the lock.
    pub(crate) fn again(inner: Arc<SessionHandle>) -> Self {
        Self { inner }
    }

    /// Its state; of a session that is forgotten, Closed.
    #[must_use]
    pub fn state(&self) -> State {
        let id = self.inner.id;
        self.inner.shared.with(|state, _| state.core.session(id).map_or(State::Closed, |session| session.state()))
    }

    /// Its name at this end, as [`Endpoint::watch`](crate::Endpoint::watch) tells it. It never travels.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.inner.id
    }

    pub(crate) fn handle(&self) -> &Arc<SessionHandle> {
        &self.inner
    }

    /// A channel of the session. An id that is not configured shows with the first operation.
    #[must_use]
    pub fn channel(&self, id: ChannelId) -> Channel {
        Channel::new(Arc::clone(&self.inner), id)
    }

    /// Delivers what was sent, for at most the release timeout, then ends the session. Both applications learn code and text.
    /// Says how it ended.
    ///
    /// The closing begins with the call, not with the first poll: nothing can be sent from here on.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the closing; calling again waits for it, with the first code and text.
    pub fn close(&self, code: u64, text: &str) -> impl Future<Output = CloseReason> + Send {
        let id = self.inner.id;
        self.inner.shared.with(|state, now| {
            if let Some(mut session) = state.core.session_mut(id, now) {
                session.close(code, text);
            }
            if let Some(record) = state.sessions.get_mut(&id) {
                record.closing = true;
            }
            state.touched = true;
        });
        self.closed()
    }

    /// Ends the session at once: what is not delivered yet is lost. Both applications learn code and text.
    pub fn abort(&self, code: u64, text: &str) {
        let id = self.inner.id;
        self.inner.shared.with(|state, now| {
            if let Some(mut session) = state.core.session_mut(id, now) {
                session.abort(code, text);
            }
            if let Some(record) = state.sessions.get_mut(&id) {
                record.closing = true;
            }
            state.touched = true;
        });
    }

    /// Gives the session its lifetimes anew: idle, sliding and absolute (`Config::timeouts`). The peer has lifetimes of its own.
    ///
    /// # Errors
    /// [`ExtendError::NotEstablished`]; nothing has changed then.
    pub fn extend(&self) -> Result<(), ExtendError> {
        self.command(|session| session.extend())
    }

    /// Asks the peer at this interval whether it lives, at most as rarely as agreed.
    ///
    /// # Errors
    /// [`ExtendError`]; nothing has changed then.
    pub fn set_keepalive(&self, interval: Duration) -> Result<(), ExtendError> {
        self.command(|session| session.set_keepalive(interval))
    }

    /// Sends no faster than this, however wide the window; `None` lifts the cap. See [`session_core::SessionMut::set_rate_cap`].
    ///
    /// # Errors
    /// [`ExtendError::NotEstablished`] once the session is gone.
    pub fn set_rate_cap(&self, bytes_per_second: Option<NonZeroU64>) -> Result<(), ExtendError> {
        self.command(|session| {
            session.set_rate_cap(bytes_per_second);
            Ok(())
        })
    }

    /// Agrees with the peer on new keys, in one round trip; it need not be waited for, and happens by itself too.
    /// See [`session_core::SessionMut::rotate_key`]; [`stats`](Self::stats) counts how often it came to that (`key_rotations`).
    ///
    /// # Errors
    /// [`ExtendError::NotEstablished`]; nothing has changed then.
    pub fn rotate_key(&self) -> Result<(), ExtendError> {
        self.command(|session| session.rotate_key())
    }

    fn command(
        &self,
        command: impl FnOnce(&mut CoreSession<'_>) -> Result<(), ExtendError>,
    ) -> Result<(), ExtendError> {
        let id = self.inner.id;
        self.inner.shared.with(|state, now| {
            state.touched = true;
            state
                .core
                .session_mut(id, now)
                .map_or(Err(ExtendError::NotEstablished), |mut session| command(&mut session))
        })
    }

    /// Waits until the session is about to expire (`Timeouts::warning` before it is idle for too long or has lived its time), and says
    /// how long it has; `None` once it has ended. A warning is told once, and [`extend`](Self::extend) is an answer to it.
    ///
    /// # Cancel safety
    /// It changes nothing: a warning that nobody heard is told to the next who asks.
    pub fn expiring(&self) -> impl Future<Output = Option<Duration>> + Send {
        let id = self.inner.id;
        WaitFor::new(&self.inner.shared, move |state, now| {
            if state.ended(id).is_some() {
                return Step::Done(None);
            }
            let expiry = state.core.session(id).and_then(|session| session.expiry());
            match expiry.filter(|_| state.take_warning(id)) {
                Some(expiry) => Step::Done(Some(expiry.at.saturating_since(now))),
                None => Step::Wait(Topic::Session(id)),
            }
        })
    }

    /// Waits until the session has ended, and says why. What it had received stays readable for a while (`Timeouts::forget`).
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub fn closed(&self) -> impl Future<Output = CloseReason> + Send {
        let id = self.inner.id;
        WaitFor::new(&self.inner.shared, move |state, _| match state.ended(id) {
            Some(ended) => Step::Done(ended.reason),
            None => Step::Wait(Topic::Session(id)),
        })
    }

    /// The name both ends give the session; `None` once it is forgotten.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        let id = self.inner.id;
        self.inner.shared.with(|state, _| state.core.session(id).and_then(|session| session.uid()))
    }

    /// The peer's proved key.
    #[must_use]
    pub fn peer_key(&self) -> PublicKey {
        self.inner.facts.peer_key
    }

    /// The name made of the peer's key.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.inner.facts.peer_id
    }

    /// The two ends did not know each other's key beforehand: nobody has verified whose key the peer shows.
    #[must_use]
    pub fn is_first_contact(&self) -> bool {
        self.inner.facts.first_contact
    }

    /// The byte the peer says about itself.
    #[must_use]
    pub fn peer_node_type(&self) -> u8 {
        self.inner.facts.node_type
    }

    /// The flags the peer says about itself.
    #[must_use]
    pub fn peer_capabilities(&self) -> u64 {
        self.inner.facts.capabilities
    }

    /// Where the peer is.
    #[must_use]
    pub fn remote_address(&self) -> Option<SocketAddr> {
        let id = self.inner.id;
        let now = self.inner.shared.with(|state, _| state.core.session(id).map(|session| session.link()));
        now.and_then(|link| ip(link.remote)).or(self.inner.facts.remote)
    }

    /// What the peer's application said with its CONNECT or ACCEPT.
    #[must_use]
    pub fn user_data(&self) -> Vec<u8> {
        let id = self.inner.id;
        let mut user_data = vec![0; session_core::MAX_USER_DATA];
        let len = self
            .inner
            .shared
            .with(|state, _| state.core.session(id).map_or(0, |session| session.user_data(&mut user_data)));
        user_data.truncate(len);
        user_data
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("id", &self.inner.id).finish_non_exhaustive()
    }
}

impl SessionHandle {
    /// Must not be dropped under the lock. `facts` were taken under the lock that found the session.
    pub(crate) fn new(shared: Arc<Shared>, id: SessionId, facts: Facts) -> Self {
        Self { shared, id, facts }
    }
}

impl Facts {
    /// `None` before keys are agreed.
    pub(crate) fn of(session: &SessionRef<'_>) -> Option<Self> {
        Some(Self {
            peer_key: session.peer_key()?,
            peer_id: session.peer_id()?,
            remote: ip(session.link().remote),
            first_contact: session.is_first_contact(),
            node_type: session.peer_node_type()?,
            capabilities: session.peer_capabilities()?,
        })
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        self.shared.with(|state, now| state.orphan(self.id, now));
    }
}

pub(crate) fn ip(address: Address) -> Option<SocketAddr> {
    match address {
        Address::Ip(address) => Some(address),
        Address::Opaque(_) => None,
    }
}

#[cfg(test)]
mod tests;
