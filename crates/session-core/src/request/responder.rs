//! The side that answers.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::message::{Message, Prefix, RequestId, Status};
use super::{DropReason, MAX_IN_FLIGHT};
use crate::crypto::replay::PacketWindow;
use crate::time::Instant;

/// Requests that are being served. Never more than the constructor was told.
#[derive(Clone, Debug)]
pub struct Responder {
    /// Ascending by id.
    entries: Vec<Entry>,
    limit: usize,
    seen: PacketWindow,
    /// Requests above the bound, which must be told so. As many as a requester can have in flight.
    refused: VecDeque<RequestId>,
    stats: ResponderStats,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: RequestId,
    deadline: Option<Instant>,
}

/// What a message meant to a responder.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrived<'a> {
    /// A request to serve: answer it with [`Responder::respond`], once.
    Request {
        /// Its name.
        id: RequestId,
        /// When nobody waits for the answer any more.
        deadline: Option<Instant>,
        /// What is asked.
        body: &'a [u8],
    },
    /// A request that is being served is not wanted any more. It takes no answer.
    Cancelled(RequestId),
    /// A request above the bound. The refusal leaves with [`Responder::flush`].
    Refused(RequestId),
    /// Nothing.
    Dropped(DropReason),
}

/// What a responder counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResponderStats {
    /// Requests that were taken.
    pub requests: u64,
    /// Responses that were sent, refusals not among them.
    pub responses: u64,
    /// Requests whose deadline passed.
    pub expired: u64,
    /// Requests that the requester cancelled.
    pub cancelled: u64,
    /// Requests above the bound.
    pub refused: u64,
    /// Requests whose id was seen before.
    pub repeated: u64,
    /// CANCEL messages for requests that were not being served.
    pub not_served: u64,
    /// Messages that are none of ours.
    pub malformed: u64,
}

/// Why no response was sent. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RespondError<E> {
    /// The request takes no answer: it was answered, cancelled, its deadline passed, or there was none of that name.
    NotServed,
    /// A status above 2⁶² − 1 has no form on the wire.
    Status,
    /// It was not sent.
    Send(E),
}

impl Responder {
    /// Serves at most `in_flight` requests at a time, and at most [`MAX_IN_FLIGHT`]. Allocates all it ever needs.
    #[must_use]
    pub fn new(in_flight: usize) -> Self {
        let limit = in_flight.min(MAX_IN_FLIGHT);
        Self {
            entries: Vec::with_capacity(limit),
            limit,
            seen: PacketWindow::default(),
            refused: VecDeque::with_capacity(MAX_IN_FLIGHT),
            stats: ResponderStats::default(),
        }
    }

    /// Takes a message of the requester.
    pub fn handle_message<'a>(&mut self, message: &'a [u8], now: Instant) -> Arrived<'a> {
        match Message::parse(message) {
            Some(Message::Request { id, patience, body }) => self.on_request(id, patience, body, now),
            Some(Message::Cancel { id }) => self.on_cancel(id),
            Some(Message::Response { .. }) | None => {
                self.stats.malformed = self.stats.malformed.saturating_add(1);
                Arrived::Dropped(DropReason::Malformed)
            }
        }
    }

    /// Answers a request: `send` gets what stands before the body and sends both as one message. Where it fails the request still
    /// waits for its answer; otherwise it is over.
    ///
    /// # Errors
    /// If the request takes no answer any more, or `send` failed.
    pub fn respond<E>(
        &mut self,
        id: RequestId,
        status: Status,
        now: Instant,
        send: impl FnOnce(&Prefix) -> Result<(), E>,
    ) -> Result<(), RespondError<E>> {
        let served = self.find(id).ok().filter(|index| !self.entries.get(*index).is_none_or(|entry| entry.is_due(now)));
        let index = served.ok_or(RespondError::NotServed)?;
        let prefix = Message::Response { id, status, body: &[] }.prefix().ok_or(RespondError::Status)?;
        send(&prefix).map_err(RespondError::Send)?;
        self.entries.remove(index);
        self.stats.responses = self.stats.responses.saturating_add(1);
        Ok(())
    }

    /// Sends the refusals that are due, each by one call of `send`, until there is none or it fails.
    ///
    /// # Errors
    /// That of `send`: what it refused is still due.
    pub fn flush<E>(&mut self, mut send: impl FnMut(&Prefix) -> Result<(), E>) -> Result<(), E> {
        while let Some(id) = self.refused.front().copied() {
            if let Some(prefix) = (Message::Response { id, status: Status::BUSY, body: &[] }).prefix() {
                send(&prefix)?;
            }
            self.refused.pop_front();
        }
        Ok(())
    }

    /// Ends one request whose deadline has passed and says which; call it until there is none.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<RequestId> {
        let index = self.entries.iter().position(|entry| entry.is_due(now))?;
        self.stats.expired = self.stats.expired.saturating_add(1);
        Some(self.entries.remove(index).id)
    }

    /// When the next request expires.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.entries.iter().filter_map(|entry| entry.deadline).min()
    }

    /// Whether the request still takes an answer.
    #[must_use]
    pub fn is_serving(&self, id: RequestId) -> bool {
        self.find(id).is_ok()
    }

    /// Requests that are being served.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.entries.len()
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> ResponderStats {
        self.stats
    }

    fn on_request<'a>(&mut self, id: RequestId, patience: u64, body: &'a [u8], now: Instant) -> Arrived<'a> {
        if !self.seen.insert(id.0) {
            self.stats.repeated = self.stats.repeated.saturating_add(1);
            return Arrived::Dropped(DropReason::Repeated);
        }
        if self.entries.len() >= self.limit {
            self.stats.refused = self.stats.refused.saturating_add(1);
            if self.refused.len() >= MAX_IN_FLIGHT {
                return Arrived::Dropped(DropReason::Overrun);
            }
            self.refused.push_back(id);
            return Arrived::Refused(id);
        }
        // Every id in the table was seen, so this one is not among them.
        let index = self.find(id).unwrap_or_else(|index| index);
        let deadline = (patience > 0).then(|| now.saturating_add(Duration::from_micros(patience)));
        self.entries.insert(index, Entry { id, deadline });
        self.stats.requests = self.stats.requests.saturating_add(1);
        Arrived::Request { id, deadline, body }
    }

    fn on_cancel<'a>(&mut self, id: RequestId) -> Arrived<'a> {
        let Ok(index) = self.find(id) else {
            // Where channels do not keep the order its REQUEST may come yet: nobody waits for that one.
            self.seen.insert(id.0);
            self.refused.retain(|refused| *refused != id);
            self.stats.not_served = self.stats.not_served.saturating_add(1);
            return Arrived::Dropped(DropReason::NotServed);
        };
        self.entries.remove(index);
        self.stats.cancelled = self.stats.cancelled.saturating_add(1);
        Arrived::Cancelled(id)
    }

    fn find(&self, id: RequestId) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.id)
    }
}

impl Entry {
    fn is_due(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

impl<E: fmt::Display> fmt::Display for RespondError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotServed => formatter.write_str("the request takes no answer any more"),
            Self::Status => formatter.write_str("a status is at most 2^62 - 1"),
            Self::Send(error) => error.fmt(formatter),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for RespondError<E> {}

#[cfg(test)]
mod tests;
