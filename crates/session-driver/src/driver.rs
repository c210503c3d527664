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
use crate::shared::{Shared, State};
use crate::socket::{AsyncUdpSocket, RecvMeta, Timer};
use crate::trace::{self, Note, Spans};
use crate::udp::Source as _;
use crate::waiters::Topic;

/// Rounds of sending and receiving before other tasks get their turn.
const ROUNDS: usize = 16;
/// While datagrams come and go, deadlines are served once in so many rounds: a round takes microseconds, and deadlines are milliseconds.
const ROUNDS_PER_SERVICE: usize = 4;
/// Datagrams received before other tasks get their turn, about: whoever reads what they brought must have done so before a mailbox is full of more. A
/// runtime may keep the reader that was woken for the processor on which the driver runs.
const DATAGRAMS_PER_TURN: u64 = 64;
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
    /// The next deadline of the core and of requests, as of the last look: one that is early is served in vain, and found out then.
    deadline: Option<Instant>,
    /// Rounds so far.
    round: usize,
    /// What the timer was set to.
    armed: Option<Armed>,
    receive: Receive,
    /// Empty between polls; keeps its allocation.
    woken: Vec<Waker>,
    /// The same.
    notes: Vec<Note>,
    spans: Spans,
}

/// The timer, as it was set last.
struct Armed {
    until: Instant,
    /// The same on the runtime's clock.
    at: std::time::Instant,
    /// Whom it wakes.
    waker: Waker,
}

/// What is done under one lock.
#[derive(Clone, Copy, Default)]
struct Pass {
    /// Serve the deadlines that have passed.
    serves: bool,
    /// Find out the next deadline, even if that costs a search.
    looks_ahead: bool,
    /// Take events only: nothing can leave now.
    blocked: bool,
}

/// What it came to.
#[derive(Clone, Copy)]
struct Passed {
    now: Instant,
    /// There is nothing more to be had, until something happens.
    drained: bool,
    stopping: bool,
}

/// Why no more actions were taken from the core.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// There are no more or, where what leaves has no room, no more events.
    All,
    /// The batch must go first.
    Batch,
    /// The lock must be let go.
    Turn,
}

#[derive(Default)]
struct Receive {
    datagrams: u64,
    /// The turn ends when `datagrams` has come to this.
    turn_ends: u64,
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
            deadline: None,
            round: 0,
            armed: None,
            receive: Receive::default(),
            woken,
            notes: Vec::new(),
            spans: Spans::default(),
        }
    }

    /// Gives the core what has arrived and sends what it has, up to a bound.
    fn exchange(&mut self, context: &mut Context<'_>, pass: Pass) -> Passed {
        // Each buffer but the last has a lock of its own.
        while self.inbox.left() > 1 && self.receive.datagrams < self.receive.turn_ends {
            self.deliver_one();
        }
        let mut passed = self.pass(pass);
        let mut batches = 0;
        while !self.outbox.is_empty() {
            let is_pending = self.outbox.poll_flush(context, &mut self.socket, passed.now).is_pending();
            batches += 1;
            if passed.drained && (is_pending || self.outbox.is_empty()) {
                break;
            }
            if is_pending {
                // Events must not wait for the socket.
                return self.pass(Pass { blocked: true, ..Pass::default() });
            }
            if batches == BATCHES_PER_ROUND {
                return Passed { drained: false, ..passed };
            }
            passed = self.pass(Pass::default());
        }
        passed
    }

    fn deliver_one(&mut self) {
        let Self { shared, inbox, receive, woken, .. } = self;
        shared.with_driver(woken, |state, now| deliver(state, inbox, receive, now));
    }

    /// Does under one lock what there is to do: takes what has arrived, serves deadlines, and fills the batch. It takes actions from the core until the
    /// batch is full; events only when it cannot leave now, so that what is sent meanwhile, and is more urgent, waits behind no more than this batch.
    fn pass(&mut self, pass: Pass) -> Passed {
        let Self { shared, outbox, inbox, socket, receive, woken, notes, spans, deadline, .. } = self;
        let passed = shared.with_driver(woken, |state, now| {
            deliver(state, inbox, receive, now);
            if pass.serves && deadline.is_some_and(|deadline| deadline <= now) {
                state.serve_deadlines(now);
            }
            note(state, outbox, receive);
            if let Some((link, bytes)) = outbox.take_refused() {
                state.core.datagram_refused(&link, bytes, now);
            }
            let taken = take(state, outbox, socket, pass.blocked, now);
            let drained = taken == Taken::All;
            if drained || pass.looks_ahead {
                *deadline = state.next_deadline();
            }
            std::mem::swap(notes, &mut state.notes);
            Passed { now, drained, stopping: state.stopping }
        });
        spans.tell(notes);
        passed
    }

    /// Receives one batch, unless there is some left of the last. True if there was anything.
    fn receive(&mut self, context: &mut Context<'_>) -> bool {
        if self.inbox.left() > 0 {
            return true;
        }
        if self.receive.paused_until.is_some_and(|until| self.shared.clock.now() < until) {
            return false;
        }
        self.receive.paused_until = None;
        match self.inbox.poll_receive(context, &mut self.socket) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) if self.inbox.left() > 0 => {
                self.receive.batches += 1;
                self.receive.errors_in_a_row = 0;
            }
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whatever it is, ICMP or worse, it must not end a session: anybody can send ICMP.
            Poll::Ready(_) => self.on_receive_error(),
        }
        true
    }

    fn on_receive_error(&mut self) {
        self.receive.errors += 1;
        self.receive.errors_in_a_row += 1;
        if self.receive.errors_in_a_row >= ERRORS_IN_A_ROW {
            self.receive.errors_in_a_row = 0;
            self.receive.paused_until = Some(self.shared.clock.now().saturating_add(RECEIVE_PAUSE));
        }
    }

    /// Sees to it that the driver is woken when there is something to do. False if there is now.
    fn sleep(&mut self, context: &mut Context<'_>, now: Instant) -> bool {
        let earliest = [self.deadline, self.outbox.retry_at(), self.receive.paused_until].into_iter().flatten().min();
        let Some(earliest) = earliest else { return true };
        if earliest <= now {
            return false;
        }
        // Deadlines move later all the time, and setting a timer is dear: one that fires early is set anew then.
        let armed = self.armed.take().filter(|armed| armed.until > now && armed.until <= earliest);
        let (until, at) = match armed {
            Some(armed) if armed.waker.will_wake(context.waker()) => {
                self.armed = Some(armed);
                return true;
            }
            Some(Armed { until, at, .. }) => (until, at),
            None => (earliest, self.shared.clock.timer(earliest)),
        };
        if self.timer.poll_deadline(context, at).is_ready() {
            return false;
        }
        self.armed = Some(Armed { until, at, waker: context.waker().clone() });
        true
    }

    /// Leaves word whom to wake, and goes on from another socket where there is one.
    fn begin(&mut self, context: &Context<'_>) {
        if let Some(next) = self.shared.enter(context.waker()) {
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
        // What has come over the old socket has come.
        while self.inbox.left() > 0 {
            self.deliver_one();
        }
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
        driver.receive.turn_ends = driver.receive.datagrams + DATAGRAMS_PER_TURN;
        let mut passed = Passed { now: Instant::EPOCH, drained: false, stopping: false };
        for _ in 0..ROUNDS {
            // Not of this turn alone: where much comes, a turn may end after its first.
            driver.round = driver.round.wrapping_add(1);
            let received = driver.receive(context);
            if received || !passed.drained {
                passed = driver.exchange(
                    context,
                    Pass {
                        serves: !received || driver.round.is_multiple_of(ROUNDS_PER_SERVICE),
                        looks_ahead: driver.round.wrapping_add(1).is_multiple_of(ROUNDS_PER_SERVICE),
                        blocked: false,
                    },
                );
            }
            if driver.receive.datagrams >= driver.receive.turn_ends {
                break;
            }
            if received || !passed.drained {
                continue;
            }
            if driver.sleep(context, passed.now) {
                return if passed.stopping && driver.is_done() { Poll::Ready(()) } else { Poll::Pending };
            }
            passed.drained = false;
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

/// Gives the core the oldest buffer that was received.
fn deliver(state: &mut State, inbox: &mut Inbox, receive: &mut Receive, now: Instant) {
    let Some((buffer, meta)) = inbox.take() else { return };
    let arrival = arrival(&meta, state);
    split(buffer, &meta, |datagram| {
        receive.datagrams += 1;
        let _ = state.core.handle_datagram(datagram, arrival, now);
    });
    state.notify(Topic::Room);
}

/// Takes actions from the core; says why no more.
#[deny(clippy::wildcard_enum_match_arm)]
fn take<S: AsyncUdpSocket>(state: &mut State, outbox: &mut Outbox, socket: &S, blocked: bool, now: Instant) -> Taken {
    for _ in 0..ACTIONS_PER_LOCK {
        if !blocked && outbox.is_full() {
            return Taken::Batch;
        }
        let room = if blocked { Some(Default::default()) } else { outbox.room() };
        let Some(room) = room else { return Taken::Batch };
        match state.core.poll_action(room, now) {
            Action::Transmit(datagram) => outbox.push(datagram, socket.max_gso_segments()),
            Action::Event(event) => state.apply(event, now),
            // Without room there are events only.
            Action::Wait(_) | Action::NeedsRoom(_) => return Taken::All,
            _ => return Taken::All,
        }
    }
    Taken::Turn
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
