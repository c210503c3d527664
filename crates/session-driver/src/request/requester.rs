//! The handle that asks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use session_core::request::{self as core, RequestId, RequesterStats, Status};
use session_core::{CloseReason, Instant};

use super::exchange::{Key, Matter, Outcome};
use super::{ChannelTaken, Framed, RequestOptions, send_error};
use crate::error::SendError;
use crate::session::{Session, SessionHandle};
use crate::shared::State;
use crate::wait::{Step, WaitFor};
use crate::waiters::Topic;

/// Asks the peer over a pair of channels. Cheap to clone; clones share the bound on requests in flight.
///
/// It keeps its session alive as a `Session` does.
#[derive(Clone)]
pub struct Requester {
    session: Arc<SessionHandle>,
    key: Key,
    options: RequestOptions,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The time was over. The peer was told not to go on.
    TimedOut,
    /// The responder answered with another status than [`Status::DONE`].
    Refused {
        /// Which one.
        status: Status,
        /// What it says to it.
        body: Vec<u8>,
    },
    /// The answer is longer than [`RequestOptions::largest`].
    TooLong,
    /// The request was not sent.
    Send(SendError),
    /// The session ended before the answer came: whether the request was served is not known.
    Closed(Option<CloseReason>),
}

impl Session {
    /// Asks the peer over a pair of channels. Calling again with the same pair gives another handle of the same requester; the
    /// options of the first call hold.
    ///
    /// # Errors
    /// If what is received on the channel belongs to another pair.
    pub fn requester(&self, options: RequestOptions) -> Result<Requester, ChannelTaken> {
        let session = self.handle();
        let key = session.shared.with(|state, now| state.open_exchange(session.id, options, 0, now))?;
        Ok(Requester { session: Arc::clone(session), key, options })
    }
}

impl Requester {
    /// Asks, and waits for the answer, for `timeout` at most; while as many requests are in flight as there may be or the channel is
    /// full, it waits for its turn within the same time.
    ///
    /// # Errors
    /// If the time is over, the responder refuses, the answer or the request is too long, or the session ends.
    ///
    /// # Cancel safety
    /// Dropping the future gives the request up: the peer is told by a CANCEL message, and an answer that comes all the same is
    /// dropped. Whether it was served is then not known; calling again asks again.
    pub async fn request(&self, body: &[u8], timeout: Duration) -> Result<Vec<u8>, RequestError> {
        let (shared, key) = (&self.session.shared, self.key);
        let deadline = shared.with(|_, now| now.saturating_add(timeout));
        let mut framed = Framed::new(body);
        let mut turn = Turn { requester: self, deadline, waits: false };
        let id = WaitFor::new(shared, |state, now| turn.start(state, &mut framed, now)).await?;
        drop((turn, framed));
        let mut waiting = Waiting { requester: self, id, over: false };
        WaitFor::new(shared, |state, _| {
            let outcome = state.exchange_mut(key).and_then(|exchange| exchange.take_answer(id));
            waiting.over = outcome.is_some() || state.ended(key.session).is_some();
            match outcome {
                Some(Outcome::Response(Status::DONE, body)) => return Step::Done(Ok(body)),
                Some(Outcome::Response(status, body)) => {
                    return Step::Done(Err(RequestError::Refused { status, body }));
                }
                Some(Outcome::TooLong) => return Step::Done(Err(RequestError::TooLong)),
                Some(Outcome::TimedOut) => return Step::Done(Err(RequestError::TimedOut)),
                None => {}
            }
            match state.ended(key.session) {
                Some(ended) => Step::Done(Err(RequestError::Closed(Some(ended.reason)))),
                None => Step::Wait(Topic::Exchange(key, Matter::Answer(id))),
            }
        })
        .await
    }

    /// What was counted so far; zeros once the session is forgotten.
    #[must_use]
    pub fn stats(&self) -> RequesterStats {
        let key = self.key;
        self.session
            .shared
            .with(|state, _| state.exchange(key).map(|exchange| exchange.requester.stats()))
            .unwrap_or_default()
    }
}

impl fmt::Debug for Requester {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Requester").field("session", &self.session.id).field("options", &self.options).finish()
    }
}

/// A request that is to be made.
struct Turn<'a> {
    requester: &'a Requester,
    deadline: Instant,
    /// Its deadline is filed.
    waits: bool,
}

impl Turn<'_> {
    fn start(&mut self, state: &mut State, framed: &mut Framed, now: Instant) -> Step<Result<RequestId, RequestError>> {
        let (key, send) = (self.requester.key, self.requester.options.send_channel());
        if let Some(ended) = state.ended(key.session) {
            return Step::Done(Err(RequestError::Closed(Some(ended.reason))));
        }
        let deadline = Some(self.deadline);
        let made = state.with_exchange(key, now, |exchange, wire| {
            exchange.flush(wire);
            let made =
                exchange.requester.request(deadline, now, |prefix| wire.send(framed.behind(prefix.as_bytes()), send));
            let again = matches!(
                made,
                Err(core::RequestError::Full | core::RequestError::Send(session_core::SendError::Blocked))
            );
            match (again, std::mem::replace(&mut self.waits, again)) {
                (true, false) => exchange.await_room(self.deadline),
                (false, true) => exchange.leave_room(self.deadline),
                _ => {}
            }
            made
        });
        match made {
            Some(Ok(id)) => Step::Done(Ok(id)),
            Some(Err(core::RequestError::Full)) => Step::Wait(Topic::Exchange(key, Matter::Room)),
            Some(Err(core::RequestError::Expired)) => Step::Done(Err(RequestError::TimedOut)),
            Some(Err(core::RequestError::Send(error))) => match send_error(state, key, error) {
                Some(error) => Step::Done(Err(RequestError::Send(error))),
                None => Step::Wait(Topic::Writable(key.session, send)),
            },
            _ => Step::Done(Err(RequestError::Closed(state.reason(key.session)))),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.waits {
            let (key, deadline) = (self.requester.key, self.deadline);
            let session = &self.requester.session;
            session.shared.with(|state, now| {
                state.with_exchange(key, now, |exchange, _| exchange.leave_room(deadline));
            });
        }
    }
}

/// A request that was made. Dropped when it is over or nobody wants its answer.
struct Waiting<'a> {
    requester: &'a Requester,
    id: RequestId,
    over: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let (key, id) = (self.requester.key, self.id);
        self.requester.session.shared.with(|state, now| {
            state.with_exchange(key, now, |exchange, wire| exchange.give_up(id, wire));
        });
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => formatter.write_str("no answer in time"),
            Self::Refused { status, .. } => write!(formatter, "{status}"),
            Self::TooLong => formatter.write_str("the answer is longer than the limit"),
            Self::Send(error) => error.fmt(formatter),
            Self::Closed(reason) => SendError::Closed(*reason).fmt(formatter),
        }
    }
}

impl std::error::Error for RequestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Send(error) => Some(error),
            _ => None,
        }
    }
}
