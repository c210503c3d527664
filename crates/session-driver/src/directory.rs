//! Which sessions come, change and go, for whoever watches.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use session_core::{PeerId, SessionId, SessionRef, State};

use crate::endpoint::Endpoint;
use crate::session::ip;
use crate::shared::{self, Shared};
use crate::wait::{Seat, Step};
use crate::waiters::Topic;

/// Announcements kept for watches that are behind.
const KEPT: usize = 256;

/// Something happened to a session of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryEvent {
    /// Which; [`Session::id`](crate::Session::id) says the same.
    pub session: SessionId,
    /// Whose it is; `None` at first contact, until the peer has shown its key.
    pub peer_id: Option<PeerId>,
    /// Where the peer is, or was last.
    pub remote: Option<SocketAddr>,
    /// What happened.
    pub change: DirectoryChange,
}

/// What happened to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryChange {
    /// It was begun here, or a peer asks for it.
    Added(State),
    /// It is in another state than was told last. States that lasted for a moment only may be left out.
    StateChanged(State),
    /// It is gone, and its id names nothing any more.
    Removed,
}

/// So many announcements came and went while nobody asked. What they said is not told again; sessions tell of themselves when they change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed(pub u64);

/// The announcements of an endpoint, as a [`Stream`]; made by [`Endpoint::watch`]. It keeps no endpoint alive.
pub struct Watch {
    shared: Arc<Shared>,
    seat: Seat,
    /// The number of the next announcement.
    next: u64,
}

/// What is announced, and of whom.
#[derive(Default)]
pub(crate) struct Directory {
    /// Sessions that were added and not removed, as long as anybody watches. The core bounds their number.
    known: HashMap<SessionId, Known>,
    /// The last announcements, as long as anybody watches.
    kept: VecDeque<DirectoryEvent>,
    /// How many there were.
    told: u64,
    watches: usize,
}

/// Who it is, for when it is gone.
#[derive(Clone, Copy, Default)]
struct Known {
    peer_id: Option<PeerId>,
    remote: Option<SocketAddr>,
}

impl Endpoint {
    /// Tells from now on which sessions come, change and go. Sessions that are there already are told of when they change: to see all, watch from
    /// the start. [`sessions`](Self::sessions) names only those whose handle somebody still holds.
    ///
    /// Only the last 256 announcements are kept: who does not ask in time is told how many it missed.
    #[must_use]
    pub fn watch(&self) -> Watch {
        let shared = Arc::clone(self.shared());
        let next = shared.with(|state, _| state.begin_watch());
        Watch { shared, seat: Seat::default(), next }
    }
}

impl Watch {
    /// The next announcement; `None` once the endpoint has stopped, and all its sessions with it.
    ///
    /// # Cancel safety
    /// An announcement is taken in the poll that completes the future, or left for the next call.
    pub async fn next(&mut self) -> Option<Result<DirectoryEvent, Missed>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Result<DirectoryEvent, Missed>>> {
        let Self { shared, seat, next } = self;
        seat.poll(shared, context, |state, _| match state.directory.after(next) {
            Some(news) => Step::Done(Some(news)),
            None if state.ended => Step::Done(None),
            None => Step::Wait(Topic::Directory),
        })
    }
}

impl Stream for Watch {
    type Item = Result<DirectoryEvent, Missed>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.seat.leave(&self.shared);
        self.shared.with(|state, _| state.directory.end());
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watch").field("next", &self.next).finish_non_exhaustive()
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} announcements were not asked for in time", self.0)
    }
}

impl std::error::Error for Missed {}

impl Directory {
    fn end(&mut self) {
        self.watches -= 1;
        if self.watches == 0 {
            self.kept = VecDeque::new();
            self.known = HashMap::new();
        }
    }

    /// The announcement number `next`, or how many are gone from there on.
    fn after(&self, next: &mut u64) -> Option<Result<DirectoryEvent, Missed>> {
        let behind = self.told - *next;
        let kept = self.kept.len() as u64;
        if behind > kept {
            let missed = behind - kept;
            *next += missed;
            return Some(Err(Missed(missed)));
        }
        let event = self.kept.get((kept - behind) as usize)?;
        *next += 1;
        Some(Ok(*event))
    }

    fn tell(&mut self, event: DirectoryEvent) {
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(event);
        self.told += 1;
    }

    fn known(&mut self, session: &SessionRef<'_>) -> Known {
        let known = Known { peer_id: session.peer_id(), remote: ip(session.link().remote) };
        self.known.insert(session.id(), known);
        known
    }
}

impl shared::State {
    /// Somebody watches from now on; says the number of the next announcement.
    fn begin_watch(&mut self) -> u64 {
        let Self { core, directory, .. } = self;
        // Who they are is asked for now: when they are gone it cannot be.
        if directory.watches == 0 {
            for session in core.sessions().filter_map(|id| core.session(id)) {
                directory.known(&session);
            }
        }
        directory.watches += 1;
        directory.told
    }

    /// The core announces a session that is there.
    pub(crate) fn announce(&mut self, id: SessionId, change: impl FnOnce(State) -> DirectoryChange) {
        if self.directory.watches == 0 {
            return;
        }
        let Some(session) = self.core.session(id) else { return };
        let Known { peer_id, remote } = self.directory.known(&session);
        let change = change(session.state());
        self.directory.tell(DirectoryEvent { session: id, peer_id, remote, change });
        self.notify(Topic::Directory);
    }

    /// The core announces that a session is gone.
    pub(crate) fn announce_removed(&mut self, id: SessionId) {
        if self.directory.watches == 0 {
            return;
        }
        let Known { peer_id, remote } = self.directory.known.remove(&id).unwrap_or_default();
        self.directory.tell(DirectoryEvent { session: id, peer_id, remote, change: DirectoryChange::Removed });
        self.notify(Topic::Directory);
    }
}

#[cfg(test)]
mod tests;
