//! Who waits for what.

use std::task::Waker;

use session_core::{ChannelId, SessionId};

use crate::record::Record;
use crate::request::{Key, Matter};
use crate::session_map::SessionMap;
use crate::shared::State;

/// What a future waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// A session to accept.
    Incoming,
    /// Memory for an answer.
    Room,
    /// The driver's end.
    Ended,
    /// News of sessions.
    Directory,
    /// Established or closed.
    Session(SessionId),
    Readable(SessionId, ChannelId),
    Writable(SessionId, ChannelId),
    Progress(SessionId, ChannelId),
    Lost(SessionId, ChannelId),
    /// A channel of the peer's to accept.
    ChannelOpened(SessionId),
    /// Room for a channel of ours.
    ChannelsAvailable(SessionId),
    Exchange(Key, Matter),
}

/// Futures that wait in one place, the endpoint or a session; a slot for each.
#[derive(Default)]
pub(crate) struct Waiters {
    waiting: Vec<Waiter>,
    last_ticket: u64,
}

struct Waiter {
    ticket: u64,
    topic: Topic,
    waker: Waker,
    /// Not woken since it last registered.
    armed: bool,
}

/// A future's place among the waiters.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    number: u64,
    topic: Topic,
}

impl State {
    /// Wakes those who wait for `topic`.
    pub(crate) fn notify(&mut self, topic: Topic) {
        let Self { sessions, waiters, woken, .. } = self;
        if let Some(waiters) = place(sessions, waiters, topic) {
            waiters.wake(woken, |waiter| waiter.topic == topic);
        }
    }

    /// Files a waiting future, at the place it had if it had one.
    pub(crate) fn wait(&mut self, ticket: &mut Option<Ticket>, topic: Topic, waker: &Waker) {
        if ticket.is_some_and(|former| former.topic.session() != topic.session()) {
            self.leave(ticket);
        }
        let Self { sessions, waiters, woken, .. } = self;
        match place(sessions, waiters, topic) {
            Some(waiters) => waiters.file(ticket, topic, waker),
            // Nothing left to wait for: the next attempt will say so.
            None => woken.push(waker.clone()),
        }
    }

    /// Strikes a future off.
    pub(crate) fn leave(&mut self, ticket: &mut Option<Ticket>) {
        let Some(ticket) = ticket.take() else { return };
        if let Some(waiters) = place(&mut self.sessions, &mut self.waiters, ticket.topic) {
            waiters.waiting.retain(|waiter| waiter.ticket != ticket.number);
        }
    }

    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        let sessions = self.sessions.values().map(|record| record.waiters.waiting.len());
        self.waiters.waiting.len() + sessions.sum::<usize>()
    }
}

impl Waiters {
    /// Wakes everybody.
    pub(crate) fn wake_all(&mut self, woken: &mut Vec<Waker>) {
        self.wake(woken, |_| true);
    }

    fn wake(&mut self, woken: &mut Vec<Waker>, whom: impl Fn(&Waiter) -> bool) {
        for waiter in self.waiting.iter_mut().filter(|waiter| waiter.armed && whom(waiter)) {
            waiter.armed = false;
            woken.push(waiter.waker.clone());
        }
    }

    fn file(&mut self, ticket: &mut Option<Ticket>, topic: Topic, waker: &Waker) {
        let former = ticket.and_then(|former| self.waiting.iter_mut().find(|waiter| waiter.ticket == former.number));
        if let Some(waiter) = former {
            waiter.topic = topic;
            waiter.armed = true;
            waiter.waker.clone_from(waker);
            return;
        }
        self.last_ticket += 1;
        *ticket = Some(Ticket { number: self.last_ticket, topic });
        self.waiting.push(Waiter { ticket: self.last_ticket, topic, waker: waker.clone(), armed: true });
    }
}

impl Topic {
    fn session(self) -> Option<SessionId> {
        match self {
            Self::Incoming | Self::Room | Self::Ended | Self::Directory => None,
            Self::Session(id)
            | Self::ChannelOpened(id)
            | Self::ChannelsAvailable(id)
            | Self::Readable(id, _)
            | Self::Writable(id, _)
            | Self::Progress(id, _)
            | Self::Lost(id, _) => Some(id),
            Self::Exchange(key, _) => Some(key.session),
        }
    }
}

/// Where futures wait for `topic`; nowhere, if that is of a session that is gone.
fn place<'a>(sessions: &'a mut SessionMap<Record>, endpoint: &'a mut Waiters, topic: Topic) -> Option<&'a mut Waiters> {
    match topic.session() {
        Some(id) => sessions.get_mut(&id).map(|record| &mut record.waiters),
        None => Some(endpoint),
    }
}
