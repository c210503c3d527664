//! The side that asks.

use alloc::vec::Vec;
use core::fmt;

use super::message::{Message, Prefix, RequestId, Status};
use super::{DropReason, MAX_IN_FLIGHT};
use crate::time::{Instant, micros};
use crate::wire::varint;

/// Requests that wait for their responses. Never more than the constructor was told.
#[derive(Clone, Debug)]
pub struct Requester {
    /// Ascending by id.
    entries: Vec<Entry>,
    limit: usize,
    next_id: u64,
    stats: RequesterStats,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: RequestId,
    deadline: Option<Instant>,
    /// Nobody waits any more; its place is free once CANCEL was sent.
    given_up: bool,
}

/// What a message meant to a requester.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer<'a> {
    /// The answer to a request in flight, which is thereby over.
    Response {
        /// Which request.
        id: RequestId,
        /// How it went.
        status: Status,
        /// What the responder's application says.
        body: &'a [u8],
    },
    /// The response to a request that was given up or answered before. Its body is dropped.
    Late(RequestId),
    /// Nothing.
    Dropped(DropReason),
}

/// What a requester counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequesterStats {
    /// Requests that were sent.
    pub requests: u64,
    /// Responses to requests in flight.
    pub responses: u64,
    /// Requests whose deadline passed.
    pub expired: u64,
    /// Requests that were cancelled.
    pub cancelled: u64,
    /// Responses to requests that were over.
    pub late: u64,
    /// Responses to requests that were never made.
    pub unknown: u64,
    /// Messages that are none of ours.
    pub malformed: u64,
}

/// Why a request was not made. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError<E> {
    /// As many are in flight as there may be, or the oldest has waited while 1023 newer ones were made.
    Full,
    /// The deadline has passed.
    Expired,
    /// It was not sent.
    Send(E),
}

impl Requester {
    /// At most `in_flight` requests at a time, and at most [`MAX_IN_FLIGHT`]. Allocates all it ever needs.
    #[must_use]
    pub fn new(in_flight: usize) -> Self {
        let limit = in_flight.min(MAX_IN_FLIGHT);
        Self { entries: Vec::with_capacity(limit), limit, next_id: 0, stats: RequesterStats::default() }
    }

    /// Makes a request: `send` gets what stands before its body and sends both as one message. Where it fails there is no request.
    ///
    /// # Errors
    /// If there are too many, the deadline has passed, or `send` failed.
    pub fn request<E>(
        &mut self,
        deadline: Option<Instant>,
        now: Instant,
        send: impl FnOnce(&Prefix) -> Result<(), E>,
    ) -> Result<RequestId, RequestError<E>> {
        if self.is_full() {
            return Err(RequestError::Full);
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(RequestError::Expired);
        }
        let patience = deadline.map_or(0, |deadline| micros(deadline.saturating_since(now)).min(varint::MAX));
        let id = RequestId(self.next_id);
        let prefix = Message::Request { id, patience, body: &[] }.prefix().ok_or(RequestError::Full)?;
        send(&prefix).map_err(RequestError::Send)?;
        self.next_id = self.next_id.saturating_add(1);
        self.entries.push(Entry { id, deadline, given_up: false });
        self.stats.requests = self.stats.requests.saturating_add(1);
        Ok(id)
    }

    /// Takes a message of the responder.
    pub fn handle_message<'a>(&mut self, message: &'a [u8]) -> Answer<'a> {
        let Some(Message::Response { id, status, body }) = Message::parse(message) else {
            self.stats.malformed = self.stats.malformed.saturating_add(1);
            return Answer::Dropped(DropReason::Malformed);
        };
        if id.0 >= self.next_id {
            self.stats.unknown = self.stats.unknown.saturating_add(1);
            return Answer::Dropped(DropReason::Unknown);
        }
        // Where it had been given up, the response makes CANCEL pointless.
        let entry = self.find(id).map(|index| self.entries.remove(index));
        if entry.is_none_or(|entry| entry.given_up) {
            self.stats.late = self.stats.late.saturating_add(1);
            return Answer::Late(id);
        }
        self.stats.responses = self.stats.responses.saturating_add(1);
        Answer::Response { id, status, body }
    }

    /// Gives a request up; `false` if it is over already. Its CANCEL leaves with [`flush`](Self::flush), and until then it counts as
    /// in flight.
    pub fn cancel(&mut self, id: RequestId) -> bool {
        let Some(entry) = self.find(id).and_then(|index| self.entries.get_mut(index)).filter(|entry| !entry.given_up)
        else {
            return false;
        };
        entry.given_up = true;
        self.stats.cancelled = self.stats.cancelled.saturating_add(1);
        true
    }

    /// Gives up one request whose deadline has passed and says which; call it until there is none.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<RequestId> {
        let due = |entry: &&mut Entry| !entry.given_up && entry.deadline.is_some_and(|deadline| deadline <= now);
        let entry = self.entries.iter_mut().find(due)?;
        entry.given_up = true;
        self.stats.expired = self.stats.expired.saturating_add(1);
        Some(entry.id)
    }

    /// Sends the CANCEL messages that are due, each by one call of `send`, until there is none or it fails.
    ///
    /// # Errors
    /// That of `send`: what it refused is still due.
    pub fn flush<E>(&mut self, mut send: impl FnMut(&Prefix) -> Result<(), E>) -> Result<(), E> {
        while let Some(index) = self.entries.iter().position(|entry| entry.given_up) {
            let id = self.entries.get(index).map_or(RequestId(0), |entry| entry.id);
            if let Some(prefix) = (Message::Cancel { id }).prefix() {
                send(&prefix)?;
            }
            self.entries.remove(index);
        }
        Ok(())
    }

    /// When the next request expires.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.entries.iter().filter(|entry| !entry.given_up).filter_map(|entry| entry.deadline).min()
    }

    /// Whether the request waits for its response.
    #[must_use]
    pub fn is_waiting(&self, id: RequestId) -> bool {
        self.find(id).and_then(|index| self.entries.get(index)).is_some_and(|entry| !entry.given_up)
    }

    /// Requests that wait, and given up ones whose CANCEL was not sent yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.entries.len()
    }

    /// Whether no further request can be made before another is over.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let oldest = self.entries.first().map_or(self.next_id, |entry| entry.id.0);
        self.entries.len() >= self.limit || self.next_id.saturating_sub(oldest) >= MAX_IN_FLIGHT as u64
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> RequesterStats {
        self.stats
    }

    fn find(&self, id: RequestId) -> Option<usize> {
        self.entries.binary_search_by_key(&id, |entry| entry.id).ok()
    }
}

impl<E: fmt::Display> fmt::Display for RequestError<E> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => formatter.write_str("as many requests are in flight as there may be"),
            Self::Expired => formatter.write_str("the deadline has passed"),
            Self::Send(error) => error.fmt(formatter),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for RequestError<E> {}

#[cfg(test)]
mod tests;
