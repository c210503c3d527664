//! A session that waits for an answer.

use std::fmt;
use std::net::SocketAddr;

use session_core::{AnswerError, CloseCode, PeerId, PublicKey};

use crate::error::AcceptError;
use crate::session::{Session, SessionHandle};
use crate::wait::{Step, WaitFor};
use crate::waiters::Topic;

/// A peer that asks for a session and has proved that it holds its key. Dropping this refuses.
#[must_use = "dropping an incoming session refuses it"]
pub struct Incoming {
    session: Option<SessionHandle>,
    user_data: Vec<u8>,
}

impl Incoming {
    pub(crate) fn new(session: SessionHandle, user_data: Vec<u8>) -> Self {
        Self { session: Some(session), user_data }
    }

    /// The peer's proved key.
    #[must_use]
    pub fn peer_key(&self) -> PublicKey {
        self.handle().facts.peer_key
    }

    /// The name made of the peer's key.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.handle().facts.peer_id
    }

    /// The peer did not know our key beforehand, and asks while our pairing is on: nobody has verified whose key it shows.
    #[must_use]
    pub fn is_first_contact(&self) -> bool {
        self.handle().facts.first_contact
    }

    /// The byte the peer says about itself.
    #[must_use]
    pub fn peer_node_type(&self) -> u8 {
        self.handle().facts.node_type
    }

    /// The flags the peer says about itself.
    #[must_use]
    pub fn peer_capabilities(&self) -> u64 {
        self.handle().facts.capabilities
    }

    /// Tells the peer that the answer takes longer, as when a person is asked: both sides then wait a minute instead of ten seconds.
    pub fn pending(&self) {
        let handle = self.handle();
        handle.shared.with(|state, now| {
            if let Some(mut session) = state.core.session_mut(handle.id, now) {
                // Without memory the peer merely hears nothing, and gives up earlier.
                let _ = session.pending();
            }
            state.touched = true;
        });
    }

    /// Where it asks from.
    #[must_use]
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.handle().facts.remote
    }

    /// What its application says to be accepted.
    #[must_use]
    pub fn user_data(&self) -> &[u8] {
        &self.user_data
    }

    /// Says yes.
    ///
    /// # Errors
    /// If the session ended in the meantime.
    ///
    /// # Cancel safety
    /// Dropping the future before it is done refuses the session.
    pub async fn accept(self) -> Result<Session, AcceptError> {
        self.accept_with(&[]).await
    }

    /// Says yes, with up to 512 bytes for the peer's application.
    ///
    /// # Errors
    /// If the session ended in the meantime or the user data is too long; the session is then refused.
    ///
    /// # Cancel safety
    /// Dropping the future before it is done refuses the session.
    pub async fn accept_with(mut self, user_data: &[u8]) -> Result<Session, AcceptError> {
        let handle = self.handle();
        let id = handle.id;
        WaitFor::new(&handle.shared, |state, now| {
            if let Some(ended) = state.ended(id) {
                return Step::Done(Err(AcceptError::Ended(Some(ended.reason))));
            }
            let Some(mut session) = state.core.session_mut(id, now) else {
                return Step::Done(Err(AcceptError::Ended(None)));
            };
            let answer = session.accept(user_data);
            match answer {
                Ok(()) => {
                    state.touched = true;
                    Step::Done(Ok(()))
                }
                Err(AnswerError::Blocked) => Step::Wait(Topic::Room),
                Err(AnswerError::UserData) => Step::Done(Err(AcceptError::UserData)),
                Err(_) => Step::Done(Err(AcceptError::Ended(state.reason(id)))),
            }
        })
        .await?;
        match self.session.take() {
            Some(session) => Ok(Session::new(session)),
            None => Err(AcceptError::Ended(None)),
        }
    }

    /// Says no: the peer's `connect` fails with this code and text.
    pub fn refuse(mut self, code: CloseCode, text: &str) {
        self.answer_no(code, text);
    }

    fn answer_no(&mut self, code: CloseCode, text: &str) {
        if let Some(session) = self.session.take() {
            session.shared.with(|state, now| state.refuse(session.id, code, text, now));
        }
    }

    /// The session is taken out only by what consumes `self`.
    fn handle(&self) -> &SessionHandle {
        match &self.session {
            Some(session) => session,
            None => unreachable!("an incoming session is answered once"),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.answer_no(CloseCode::REFUSED, "");
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Incoming").field("remote", &self.remote_address()).finish_non_exhaustive()
    }
}
