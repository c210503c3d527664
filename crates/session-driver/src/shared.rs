//! What handles and the driver's task share: the core behind its lock, and how its events are filed.

use std::collections::{HashMap, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use session_core::{
    ChannelId, CloseCode, CloseReason, CloseSpace, ClosedBy, Event, Instant, PublicKey, SessionId, SessionRef,
};

use crate::clock::Clock;
use crate::directory::{Directory, DirectoryChange};
use crate::endpoint::EndpointStats;
use crate::figures::Figures;
use crate::provider::AnyProvider;
use crate::record::{Ended, Record};
use crate::request::{Exchanges, Key};
use crate::session_map::SessionMap;
use crate::trace::{Note, What};
use crate::waiters::{Topic, Waiters};

pub(crate) type Core = session_core::Endpoint<AnyProvider>;

/// One lock for the endpoint. It is held for a command or a bounded batch, never over a system call and never while waking.
pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) clock: Clock,
    pub(crate) public_key: PublicKey,
}

pub(crate) struct State {
    pub(crate) core: Core,
    pub(crate) sessions: SessionMap<Record>,
    /// Sessions that wait for `accept`; the core bounds their number.
    pub(crate) incoming: VecDeque<SessionId>,
    /// Where our own attempts went, and how many sessions are left of them.
    dialled: HashMap<SocketAddr, u32>,
    /// Requests and responses, by session and channel.
    pub(crate) exchanges: Exchanges,
    /// What is announced of sessions.
    pub(crate) directory: Directory,
    /// Futures that wait for the endpoint; those of a session stand in its record.
    pub(crate) waiters: Waiters,
    /// To be woken once the lock is free.
    pub(crate) woken: Vec<Waker>,
    pub(crate) stats: EndpointStats,
    /// What the driver has yet to tell, outside of the lock.
    pub(crate) notes: Vec<Note>,
    /// No new sessions; the driver ends with the last one.
    pub(crate) stopping: bool,
    /// The driver is gone: nothing moves any more.
    pub(crate) ended: bool,
    /// A command gave the core something to do.
    pub(crate) touched: bool,
    /// Set while the driver sleeps.
    pub(crate) driver: Option<Waker>,
    /// Where the socket is bound.
    pub(crate) local: SocketAddr,
    /// The driver is to go on from it.
    pub(crate) next_socket: Option<UdpSocket>,
}

impl Shared {
    pub(crate) fn new(core: Core, clock: Clock, local: SocketAddr) -> Self {
        let public_key = core.public_key();
        let state = State {
            core,
            sessions: SessionMap::default(),
            incoming: VecDeque::new(),
            dialled: HashMap::new(),
            exchanges: Exchanges::default(),
            directory: Directory::default(),
            waiters: Waiters::default(),
            woken: Vec::new(),
            stats: EndpointStats::default(),
            notes: Vec::new(),
            stopping: false,
            ended: false,
            touched: false,
            driver: None,
            local,
            next_socket: None,
        };
        Self { state: Mutex::new(state), clock, public_key }
    }

    /// Runs a command and then, the lock free again, wakes who must know.
    pub(crate) fn with<R>(&self, command: impl FnOnce(&mut State, Instant) -> R) -> R {
        let mut state = self.lock();
        let now = self.clock.now();
        let result = command(&mut state, now);
        let driver = if std::mem::take(&mut state.touched) { state.driver.take() } else { None };
        let woken = std::mem::take(&mut state.woken);
        drop(state);
        woken.into_iter().chain(driver).for_each(Waker::wake);
        result
    }

    /// The same for the driver, which needs no waking and brings its own list to keep its allocation.
    pub(crate) fn with_driver<R>(&self, woken: &mut Vec<Waker>, work: impl FnOnce(&mut State, Instant) -> R) -> R {
        let mut state = self.lock();
        let now = self.clock.now();
        let result = work(&mut state, now);
        state.touched = false;
        std::mem::swap(woken, &mut state.woken);
        drop(state);
        woken.drain(..).for_each(Waker::wake);
        result
    }

    /// The driver begins to look around: whoever makes work from now on wakes it. The socket it is to go on from, where there is one.
    pub(crate) fn enter(&self, driver: &Waker) -> Option<UdpSocket> {
        let mut state = self.lock();
        match &mut state.driver {
            Some(waker) => waker.clone_from(driver),
            none => *none = Some(driver.clone()),
        }
        state.next_socket.take()
    }

    /// A panic elsewhere leaves the core as it was before or after a command: it has no half-done ones.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Why the session ended, as far as anybody knows yet.
    pub(crate) fn reason(&self, id: SessionId) -> Option<CloseReason> {
        match self.ended(id) {
            Some(ended) => Some(ended.reason),
            None => self.core.session(id).and_then(|session| session.close_reason()),
        }
    }

    /// Set once the session has ended for good.
    pub(crate) fn ended(&self, id: SessionId) -> Option<Ended> {
        match self.sessions.get(&id) {
            Some(record) => record.ended,
            None => Some(Ended { reason: stopped() }),
        }
    }

    /// A figure of the session: from the core, or from what was kept of it.
    pub(crate) fn figure<T>(
        &self,
        id: SessionId,
        living: impl FnOnce(&SessionRef<'_>) -> T,
        kept: impl FnOnce(&Figures) -> T,
    ) -> Option<T> {
        match self.core.session(id) {
            Some(session) => Some(living(&session)),
            None => self.sessions.get(&id)?.figures.as_deref().map(kept),
        }
    }

    /// Files what the core reports. An event that is new to the core must not be forgotten here, so each is named.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn apply(&mut self, event: Event, now: Instant) {
        match event {
            Event::Incoming(id) => self.on_incoming(id, now),
            Event::Established(id) => {
                if let Some(record) = self.sessions.get_mut(&id) {
                    record.established = true;
                }
                self.note(id, What::Established);
                self.notify(Topic::Session(id));
            }
            Event::Readable(id, channel) => {
                self.pump_exchange(Key { session: id, receive: channel }, now);
                self.notify(Topic::Readable(id, channel));
            }
            Event::Writable(id, channel) => {
                self.flush_exchanges(id, channel, now);
                self.notify(Topic::Writable(id, channel));
            }
            Event::Acknowledged(id, channel) | Event::Delivered(id, channel) => {
                self.learn_progress(id, channel);
                self.notify(Topic::Progress(id, channel));
            }
            Event::Expired(id, channel) => {
                self.learn_progress(id, channel);
                self.learn_expired(id, channel, now);
                self.notify(Topic::Progress(id, channel));
            }
            Event::Lost(id, channel) | Event::Skipped(id, channel) => self.notify(Topic::Lost(id, channel)),
            // Handles ask where their peer is, and whether it answers.
            Event::PathChanged(_) | Event::Silence(_) => {}
            Event::Expiring(id) => {
                if let Some(record) = self.sessions.get_mut(&id) {
                    record.warned = true;
                }
                self.notify(Topic::Session(id));
            }
            Event::Closed(id) => {
                let reason = self.core.session(id).and_then(|session| session.close_reason()).unwrap_or_else(stopped);
                self.note(id, What::Ended(reason));
                self.on_ended(id, Ended { reason });
            }
            Event::Added(id) => self.announce(id, DirectoryChange::Added),
            Event::StateChanged(id) => self.announce(id, DirectoryChange::StateChanged),
            Event::Removed(id) => self.announce_removed(id),
            Event::ChannelOpened(id, channel) => self.on_channel_opened(id, channel),
            Event::ChannelFinished(id, channel) => self.on_channel(id, channel, |dynamic| dynamic.finished = true),
            Event::ChannelReset(id, channel, code) => {
                self.on_channel(id, channel, |dynamic| dynamic.reset = Some(code));
            }
            Event::ChannelStopped(id, channel, code) => {
                self.on_channel(id, channel, |dynamic| dynamic.stopped = Some(code));
            }
            Event::ChannelClosed(id, channel) => self.on_channel_closed(id, channel),
            Event::ChannelsAvailable(id) => self.notify(Topic::ChannelsAvailable(id)),
            _ => debug_assert!(false, "an event nobody knows: {event:?}"),
        }
    }

    /// Whether a warning of the session's end came that nobody has heard yet.
    pub(crate) fn take_warning(&mut self, id: SessionId) -> bool {
        self.sessions.get_mut(&id).is_some_and(|record| std::mem::take(&mut record.warned))
    }

    /// Keeps what the peer is known to have, beyond the end of the session.
    pub(crate) fn learn_progress(&mut self, id: SessionId, channel: ChannelId) {
        let Some(stats) = self.core.session(id).and_then(|session| session.channel_stats(channel)) else { return };
        if let Some(record) = self.sessions.get_mut(&id) {
            record.note_progress(channel, stats.acked, stats.delivered);
        }
    }

    /// Files an attempt of ours.
    pub(crate) fn dial(&mut self, id: SessionId, remote: SocketAddr) {
        *self.dialled.entry(remote).or_default() += 1;
        self.sessions.insert(id, Record::dialled(remote));
        self.note(id, What::Connecting);
        self.touched = true;
    }

    /// Whether sessions with `remote` began here. Their link says "whatever address the system picks", and what the peer answers is
    /// filed under the same link.
    pub(crate) fn has_dialled(&self, remote: SocketAddr) -> bool {
        self.dialled.contains_key(&remote)
    }

    fn note(&mut self, session: SessionId, what: What) {
        self.notes.push(Note { session, what });
    }

    fn on_incoming(&mut self, id: SessionId, now: Instant) {
        self.sessions.insert(id, Record::default());
        self.note(id, What::Incoming);
        if self.stopping {
            self.refuse(id, CloseCode::BUSY, "the endpoint is closing", now);
            self.orphan(id, now);
        } else {
            self.incoming.push_back(id);
            self.notify(Topic::Incoming);
        }
    }

    fn on_ended(&mut self, id: SessionId, ended: Ended) {
        let Some(record) = self.sessions.get_mut(&id) else {
            self.core.forget(id);
            return;
        };
        record.ended = Some(ended);
        record.figures = self.core.session(id).map(|session| Box::new(Figures::of(&session)));
        self.exchanges.silence(id);
        // Nobody was told of it, and perhaps nobody ever asks: strangers must not fill the queue of an endpoint that does not accept.
        let waiting = self.incoming.iter().position(|incoming| *incoming == id);
        let orphaned = record.orphaned || waiting.and_then(|position| self.incoming.remove(position)).is_some();
        record.waiters.wake_all(&mut self.woken);
        if orphaned {
            self.forget(id);
        }
    }

    /// Answers no; nothing happens if the session waits for no answer.
    pub(crate) fn refuse(&mut self, id: SessionId, code: CloseCode, text: &str, now: Instant) {
        let Some(record) = self.sessions.get_mut(&id) else { return };
        let Some(mut session) = self.core.session_mut(id, now) else { return };
        if session.refuse(code, text, None).is_ok() {
            record.closing = true;
        }
        self.touched = true;
    }

    /// The last handle is gone: aborts the session unless it is closing, and gives up its slot when it has ended.
    pub(crate) fn orphan(&mut self, id: SessionId, now: Instant) {
        let Some(record) = self.sessions.get_mut(&id) else { return };
        record.orphaned = true;
        if record.ended.is_some() {
            self.forget(id);
            return;
        }
        if !record.closing {
            record.closing = true;
            if let Some(mut session) = self.core.session_mut(id, now) {
                session.abort(0, "the last handle was dropped");
            }
        }
        self.touched = true;
    }

    fn forget(&mut self, id: SessionId) {
        self.core.forget(id);
        self.exchanges.forget(id);
        self.touched = true;
        let dialled = self.sessions.remove(&id).and_then(|record| record.dialled);
        let Some(remote) = dialled else { return };
        if let Some(count) = self.dialled.get_mut(&remote) {
            *count -= 1;
            if *count == 0 {
                self.dialled.remove(&remote);
            }
        }
    }

    /// When the driver has something to serve.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let core = self.core.next_deadline().map(|deadline| deadline.at);
        [core, self.exchanges.next_deadline()].into_iter().flatten().min()
    }

    /// Serves what is due.
    pub(crate) fn serve_deadlines(&mut self, now: Instant) {
        self.core.handle_timeout(now);
        self.serve_exchanges(now);
        self.notify(Topic::Room);
    }

    /// Whether sessions remain that have not ended.
    pub(crate) fn has_sessions(&self) -> bool {
        self.sessions.values().any(|record| record.ended.is_none())
    }

    /// No driver any more: whatever waits is told.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.stopping = true;
        self.driver = None;
        for record in self.sessions.values_mut() {
            record.ended.get_or_insert(Ended { reason: stopped() });
            record.waiters.wake_all(&mut self.woken);
        }
        self.waiters.wake_all(&mut self.woken);
    }
}

/// The reason where the endpoint went away under a session.
fn stopped() -> CloseReason {
    CloseReason::new(ClosedBy::Local, CloseSpace::Protocol, CloseCode::INTERNAL, "the endpoint has stopped")
}
