//! The handle that answers.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use session_core::request::{self as core, RequestId, ResponderStats, Status};

use super::exchange::{self, Exchange, Key, Matter};
use super::{ChannelTaken, Framed, RequestOptions, send_error};
use crate::error::SendError;
use crate::session::{Session, SessionHandle};
use crate::shared::State;
use crate::wait::{Seat, Step, WaitFor};
use crate::waiters::Topic;

/// Takes the peer's requests over a pair of channels. When the last one of a pair is dropped, requests that were not taken are declined,
/// and so are those that come later.
///
/// It keeps its session alive as a `Session` does.
pub struct Responder {
    session: Arc<SessionHandle>,
    key: Key,
    options: RequestOptions,
    seat: Seat,
}

/// A request of the peer's. Dropping it without an answer declines it.
#[must_use = "dropping a request declines it"]
pub struct Request {
    session: Arc<SessionHandle>,
    key: Key,
    options: RequestOptions,
    id: RequestId,
    body: Vec<u8>,
    answered: bool,
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespondError {
    /// Nobody waits for it: the requester gave the request up, or its time was over.
    Cancelled,
    /// A status above 2⁶² − 1 has no form on the wire.
    Status,
    /// It was not sent. Where the answer was too large, the requester is told that there is none.
    Send(SendError),
}

impl Session {
    /// Takes the peer's requests over a pair of channels. Calling again with the same pair gives another handle, which takes from the
    /// same requests; the options of the first call hold.
    ///
    /// Where both ends ask, make the responder before the requester: requests that nobody takes are declined.
    ///
    /// # Errors
    /// If what is received on the channel belongs to another pair.
    pub fn responder(&self, options: RequestOptions) -> Result<Responder, ChannelTaken> {
        let session = self.handle();
        let key = session.shared.with(|state, now| state.open_exchange(session.id, options, 1, now))?;
        Ok(Responder { session: Arc::clone(session), key, options, seat: Seat::default() })
    }
}

impl Responder {
    /// The next request; `None` when the session has ended.
    ///
    /// # Cancel safety
    /// Dropping the future leaves what has come for the next call.
    pub async fn next(&self) -> Option<Request> {
        let key = self.key;
        let arrived = WaitFor::new(&self.session.shared, |state, _| take(state, key)).await?;
        Some(self.request(arrived))
    }

    /// What was counted so far; zeros once the session is forgotten.
    #[must_use]
    pub fn stats(&self) -> ResponderStats {
        let key = self.key;
        self.session
            .shared
            .with(|state, _| state.exchange(key).map(|exchange| exchange.responder.stats()))
            .unwrap_or_default()
    }
}

impl Responder {
    fn request(&self, arrived: exchange::Request) -> Request {
        Request {
            session: Arc::clone(&self.session),
            key: self.key,
            options: self.options,
            id: arrived.id,
            body: arrived.body,
            answered: false,
        }
    }
}

fn take(state: &mut State, key: Key) -> Step<Option<exchange::Request>> {
    if let Some(request) = state.exchange_mut(key).and_then(|exchange| exchange.take_request()) {
        return Step::Done(Some(request));
    }
    match state.ended(key.session) {
        Some(_) => Step::Done(None),
        None => Step::Wait(Topic::Exchange(key, Matter::Arrival)),
    }
}

/// The requests, until the session ends.
impl Stream for Responder {
    type Item = Request;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Request>> {
        let responder = self.get_mut();
        let key = responder.key;
        let arrived = ready!(responder.seat.poll(&responder.session.shared, context, |state, _| take(state, key)));
        Poll::Ready(arrived.map(|arrived| responder.request(arrived)))
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.seat.leave(&self.session.shared);
        self.session.shared.with(|state, now| state.with_exchange(self.key, now, Exchange::leave));
    }
}

impl Request {
    /// What is asked.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// What is asked, moved out.
    #[must_use]
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Answers; waits while the channel is full.
    ///
    /// # Errors
    /// If nobody waits for the answer any more, it is too large, or the session ended.
    ///
    /// # Cancel safety
    /// Dropping the future before it is done declines the request.
    pub async fn respond(self, body: &[u8]) -> Result<(), RespondError> {
        self.respond_with(Status::DONE, body).await
    }

    /// Answers with a status of the application: [`Status::APPLICATION`] and above.
    ///
    /// # Errors
    /// As for `respond`.
    ///
    /// # Cancel safety
    /// As for `respond`.
    pub async fn respond_with(mut self, status: Status, body: &[u8]) -> Result<(), RespondError> {
        let (key, id, send) = (self.key, self.id, self.options.send_channel());
        let mut framed = Framed::new(body);
        let responded = WaitFor::new(&self.session.shared, |state, now| {
            if let Some(ended) = state.ended(key.session) {
                return Step::Done(Err(RespondError::Send(SendError::Closed(Some(ended.reason)))));
            }
            let responded = state.with_exchange(key, now, |exchange, wire| {
                exchange.responder.respond(id, status, now, |prefix| wire.send(framed.behind(prefix.as_bytes()), send))
            });
            match responded {
                Some(Ok(())) => Step::Done(Ok(())),
                Some(Err(core::RespondError::NotServed)) => Step::Done(Err(RespondError::Cancelled)),
                Some(Err(core::RespondError::Send(error))) => match send_error(state, key, error) {
                    Some(error) => Step::Done(Err(RespondError::Send(error))),
                    None => Step::Wait(Topic::Writable(key.session, send)),
                },
                Some(Err(_)) => Step::Done(Err(RespondError::Status)),
                None => Step::Done(Err(RespondError::Send(SendError::Closed(state.reason(key.session))))),
            }
        })
        .await;
        self.answered = responded.is_ok();
        responded
    }

    /// Waits until nobody waits for the answer: the requester gave the request up, its time is over, or the session ended.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn cancelled(&self) {
        let (key, id) = (self.key, self.id);
        WaitFor::new(&self.session.shared, |state, _| {
            let serves = state.exchange(key).is_some_and(|exchange| exchange.responder.is_serving(id));
            if serves && state.ended(key.session).is_none() {
                Step::Wait(Topic::Exchange(key, Matter::Over(id)))
            } else {
                Step::Done(())
            }
        })
        .await;
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if !self.answered {
            let (key, id) = (self.key, self.id);
            self.session.shared.with(|state, now| {
                state.with_exchange(key, now, |exchange, wire| exchange.decline(id, Status::DECLINED, wire))
            });
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Responder").field("session", &self.session.id).field("options", &self.options).finish()
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Request").field("id", &self.id.as_u64()).field("length", &self.body.len()).finish()
    }
}

impl fmt::Display for RespondError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => formatter.write_str("nobody waits for the answer any more"),
            Self::Status => write!(formatter, "{}", core::RespondError::<SendError>::Status),
            Self::Send(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for RespondError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Send(error) => Some(error),
            Self::Cancelled | Self::Status => None,
        }
    }
}
