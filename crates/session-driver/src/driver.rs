//! The task between the core and a socket.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use session_core::{Action, Arrival, Carrier, Instant, Link};

use crate::inbox::{Inbox, split};
use crate::outbox::Outbox;
use crate::shared::{Shared, State, Topic};
use crate::socket::{AsyncUdpSocket, RecvMeta, Timer};
use crate::trace::{self, Note, Spans};
use crate::udp::Source as _;

/// Rounds of sending and receiving before other tasks get their turn.
const ROUNDS: usize = 16;
/// While datagrams come and go, deadlines are served once in so many rounds: a round takes microseconds, and deadlines are milliseconds.
const ROUNDS_PER_SERVICE: usize = 4;
/// Batches sent in a round: acknowledgements must be read in between.
const BATCHES_PER_ROUND: usize = 8;
/// Actions taken from the core under one lock.
const ACTIONS_PER_LOCK: usize = 256;
/// Receive errors in a row after which the socket is left alone for a while, so that a broken one costs no processor.
const ERRORS_IN_A_ROW: u32 = 16;
/// That while.
const RECEIVE_PAUSE: Duration = Duration::from_millis(10);

/// Moves datagrams between a socket and the core. Completes when the endpoint is closed; dropping it ends all sessions.
#[must_use = "nothing moves until the driver is spawned"]
pub struct Driver<S, T> {
    shared: Arc<Shared>,
    socket: S,
    timer: T,
    inbox: Inbox,
    outbox: Outbox,
    /// The deadline the timer was set to, on both clocks.
    armed: Option<(Instant, std::time::Instant)>,
    receive: Receive,
    /// Empty between polls; keeps its allocation.
    woken: Vec<Waker>,
    /// The same.
    notes: Vec<Note>,
    spans: Spans,
}

#[derive(Default)]
struct Receive {
    datagrams: u64,
    batches: u64,
    errors: u64,
    errors_in_a_row: u32,
    paused_until: Option<Instant>,
}

impl<S: AsyncUdpSocket, T: Timer> Driver<S, T> {
    pub(crate) fn new(shared: Arc<Shared>, socket: S, timer: T) -> Self {
        let mut woken = Vec::new();
        let max_datagram = shared.with_driver(&mut woken, |state, _| state.core.max_datagram());
        let inbox = Inbox::new(max_datagram, socket.gro_segments());
        let outbox = Outbox::new(max_datagram);
        Self {
            shared,
            socket,
            timer,
            inbox,
            outbox,
            armed: None,
            receive: Receive::default(),
            woken,
            notes: Vec::new(),
            spans: Spans::default(),
        }
    }

    /// Sends what the core has, up to a bound. True if anything was sent.
    fn send(&mut self, context: &mut Context<'_>) -> bool {
        for batch in 0..BATCHES_PER_ROUND {
            let more = self.fill(false);
            if self.outbox.is_empty() {
                return batch > 0 || more;
            }
            let now = self.shared.clock.now();
            if self.outbox.poll_flush(context, &mut self.socket, now).is_pending() {
                // Events must not wait for the socket.
                return self.fill(true) || batch > 0;
            }
        }
        true
    }

    /// Takes actions from the core until the batch is full; events only when it cannot leave now, so that what is sent meanwhile, and is more
    /// urgent, waits behind no more than this batch. True if there is more than was taken under this lock.
    fn fill(&mut self, blocked: bool) -> bool {
        let Self { shared, outbox, socket, receive, woken, notes, spans, .. } = self;
        let more = shared.with_driver(woken, |state, now| {
            note(state, outbox, receive);
            if let Some((link, bytes)) = outbox.take_refused() {
                state.core.datagram_refused(&link, bytes, now);
            }
            let more = take(state, outbox, socket, blocked, now);
            std::mem::swap(notes, &mut state.notes);
            more
        });
        spans.tell(notes);
        more
    }

    /// Receives one batch. True if there was anything.
    fn receive(&mut self, context: &mut Context<'_>) -> bool {
        if self.receive.paused_until.is_some_and(|until| self.shared.clock.now() < until) {
            return false;
        }
        self.receive.paused_until = None;
        match self.inbox.poll_receive(context, &mut self.socket) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => self.deliver(),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whatever it is, ICMP or worse, it must not end a session: anybody can send ICMP.
            Poll::Ready(Err(_)) => self.on_receive_error(),
        }
        true
    }

    fn deliver(&mut self) {
        let Self { shared, inbox, receive, woken, .. } = self;
        let mut batch = 0_u64;
        for (buffer, meta) in inbox.buffers() {
            shared.with_driver(woken, |state, now| {
                let arrival = arrival(&meta, state);
                split(buffer, &meta, |datagram| {
                    batch += 1;
                    let _ = state.core.handle_datagram(datagram, arrival, now);
                });
                state.notify(Topic::Room);
            });
        }
        if batch == 0 {
            self.on_receive_error();
            return;
        }
        receive.datagrams += batch;
        receive.batches += 1;
        receive.errors_in_a_row = 0;
    }

    fn on_receive_error(&mut self) {
        self.receive.errors += 1;
        self.receive.errors_in_a_row += 1;
        if self.receive.errors_in_a_row >= ERRORS_IN_A_ROW {
            self.receive.errors_in_a_row = 0;
            self.receive.paused_until = Some(self.shared.clock.now().saturating_add(RECEIVE_PAUSE));
        }
    }

    /// Serves what is due and sets the timer. True if anything was due.
    fn keep_time(&mut self, context: &mut Context<'_>) -> bool {
        let (served, deadline, now) = self.shared.with_driver(&mut self.woken, |state, now| {
            let due = state.next_deadline().is_some_and(|deadline| deadline <= now);
            if due {
                state.serve_deadlines(now);
            }
            (due, state.next_deadline(), now)
        });
        if served {
            return true;
        }
        let earliest = [deadline, self.outbox.retry_at(), self.receive.paused_until].into_iter().flatten().min();
        let Some(earliest) = earliest else { return false };
        if earliest <= now {
            return true;
        }
        let at = match self.armed {
            Some((deadline, at)) if deadline == earliest => at,
            _ => self.shared.clock.timer(earliest),
        };
        self.armed = Some((earliest, at));
        if self.timer.poll_deadline(context, at).is_pending() {
            return false;
        }
        self.armed = None;
        true
    }

    /// Leaves word whom to wake, and goes on from another socket where there is one.
    fn begin(&mut self, context: &Context<'_>) {
        let next = self.shared.with_driver(&mut self.woken, |state, _| {
            match &mut state.driver {
                Some(waker) => waker.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            state.next_socket.take()
        });
        if let Some(next) = next {
            self.take_socket(next);
        }
    }

    /// Goes on from another socket, and tells the peers. One that cannot be used is left alone: the old one lives.
    fn take_socket(&mut self, next: UdpSocket) {
        let (socket, local) = match self.rebound(next) {
            Ok(rebound) => rebound,
            Err(error) => {
                self.shared.with_driver(&mut self.woken, |state, _| state.stats.sockets_refused += 1);
                trace::socket_refused(&error);
                return;
            }
        };
        self.inbox = Inbox::new(self.outbox.max_datagram(), socket.gro_segments());
        self.socket = socket;
        self.receive.paused_until = None;
        self.shared.with_driver(&mut self.woken, |state, now| {
            state.local = local;
            state.core.rebind(Carrier::default(), local.into(), now);
        });
    }

    fn rebound(&self, socket: UdpSocket) -> io::Result<(S, SocketAddr)> {
        let socket = self.socket.rebound(socket)?;
        let local = socket.local_addr()?;
        Ok((socket, local))
    }

    fn is_done(&mut self) -> bool {
        let idle = self.outbox.is_empty();
        self.shared.with_driver(&mut self.woken, |state, _| {
            let done = idle && state.stopping && !state.has_sessions();
            if done {
                state.end();
            }
            done
        })
    }
}

impl<S: AsyncUdpSocket, T: Timer> Future for Driver<S, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let driver = self.get_mut();
        driver.begin(context);
        for round in 1..=ROUNDS {
            let sent = driver.send(context);
            let received = driver.receive(context);
            if (sent || received) && round % ROUNDS_PER_SERVICE != 0 {
                continue;
            }
            if driver.keep_time(context) || sent || received {
                continue;
            }
            return if driver.is_done() { Poll::Ready(()) } else { Poll::Pending };
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S, T> Drop for Driver<S, T> {
    fn drop(&mut self) {
        self.shared.with(|state, _| state.end());
    }
}

/// Takes actions from the core; true if there may be more.
#[deny(clippy::wildcard_enum_match_arm)]
fn take<S: AsyncUdpSocket>(state: &mut State, outbox: &mut Outbox, socket: &S, blocked: bool, now: Instant) -> bool {
    for _ in 0..ACTIONS_PER_LOCK {
        if !blocked && outbox.is_full() {
            return false;
        }
        let room = if blocked { Some(Default::default()) } else { outbox.room() };
        let Some(room) = room else { return false };
        match state.core.poll_action(room, now) {
            Action::Transmit(datagram) => outbox.push(datagram, socket.max_gso_segments()),
            Action::Event(event) => state.apply(event, now),
            // Without room there are events only.
            Action::Wait(_) | Action::NeedsRoom(_) => return false,
            _ => return false,
        }
    }
    true
}

fn note(state: &mut State, outbox: &Outbox, receive: &Receive) {
    let sent = outbox.sent();
    state.stats.datagrams_sent = sent.datagrams;
    state.stats.send_batches = sent.batches;
    state.stats.datagrams_refused = sent.dropped;
    state.stats.datagrams_received = receive.datagrams;
    state.stats.receive_batches = receive.batches;
    state.stats.receive_errors = receive.errors;
    state.stats.offload_failed = !outbox.offload();
}

/// How a datagram came. A socket bound to one address receives on no other; one bound to all is told by the system.
fn arrival(meta: &RecvMeta, state: &State) -> Arrival {
    let bound = state.local;
    let told = meta.local.filter(|ip| bound.ip().is_unspecified() && ip.is_usable_source());
    let ip = told.filter(|_| !state.has_dialled(meta.remote)).unwrap_or(bound.ip());
    let link = Link {
        carrier: Carrier::default(),
        local: SocketAddr::new(ip, bound.port()).into(),
        remote: meta.remote.into(),
    };
    Arrival::new(link).with_ecn(meta.ecn)
}

#[cfg(test)]
mod tests;
