//! The relay: one socket that clients write to, one towards the server for each of them, a link in each direction.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use session_core::Instant;
use session_sim::{Faults, Link, LinkConfig};

use super::clients::{ClientId, Clients};
use crate::clock::now;

/// The longest a stop goes unnoticed.
const ATTENTION: Duration = Duration::from_millis(50);
/// Time between two looks for clients that are idle.
const SWEEP: Duration = Duration::from_secs(10);
/// Room for the largest datagram of all.
const DATAGRAM: usize = 65_536;
/// Datagrams taken from one socket in a turn, so that a flood at one does not hold up what comes out at the others.
const BURST: usize = 128;

/// What a relay is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients write to; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where what they write goes.
    pub server: SocketAddr,
    /// What happens on the way, from when on, in the order of time. Before the first, and if there is none, the links are perfect.
    pub phases: Vec<Phase>,
    /// How often every client is given another port towards the server, if at all.
    pub rebind: Option<Duration>,
    /// Determines, with the datagrams and their times, what happens to each.
    pub seed: u64,
}

/// What a link does to datagrams from some time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// So long after the start. What is under way then keeps its fate.
    pub from: Duration,
    /// What happens on the way to the server.
    pub up: LinkConfig,
    /// What happens on the way back.
    pub down: LinkConfig,
}

/// What a relay has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What happened on the way to the server.
    pub up: Faults,
    /// What happened on the way back.
    pub down: Faults,
    /// Datagrams that are on the way, in either direction.
    pub in_flight: u64,
    /// Clients that have come.
    pub clients: u64,
    /// Times that a client was given another port towards the server.
    pub rebound: u64,
    /// Datagrams of newcomers for which there was no room.
    pub turned_away: u64,
    /// Datagrams that came out of a link and that the system did not take, or whose client had been forgotten.
    pub undeliverable: u64,
}

/// Why a relay does not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The address to listen on cannot be had.
    Listen(io::Error),
    /// The server's address cannot be written to.
    Server(io::Error),
}

/// A relay that runs on a thread of its own until it is stopped or dropped.
pub struct Relay {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    report: Arc<Mutex<Report>>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Starts one. Clients share the link, its bottleneck and its queue, as hosts behind one line do.
    ///
    /// # Errors
    /// If a socket cannot be had.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let front = UdpSocket::bind(settings.listen).map_err(StartError::Listen)?;
        front.set_nonblocking(true).map_err(StartError::Listen)?;
        let address = front.local_addr().map_err(StartError::Listen)?;
        let start = now();
        let mut ends = Ends {
            front,
            clients: Clients::new(settings.server).map_err(StartError::Server)?,
            up: Link::new(LinkConfig::default(), settings.seed),
            down: Link::new(LinkConfig::default(), settings.seed ^ 1),
            turned_away: 0,
            undeliverable: 0,
            rebound: 0,
            phases: settings.phases.iter().map(|phase| (start.saturating_add(phase.from), *phase)).collect(),
            rebind: settings.rebind.map(|interval| (start.saturating_add(interval), interval)),
            sweep_at: start.saturating_add(SWEEP),
            buffer: vec![0; DATAGRAM],
        };
        ends.change();
        let (stop, report) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Report::default())));
        let (stopped, shared) = (Arc::clone(&stop), Arc::clone(&report));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                ends.turn();
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = ends.report();
            }
        });
        Ok(Self { address, stop, report, thread: Some(thread) })
    }

    /// Where clients write to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done so far.
    #[must_use]
    pub fn report(&self) -> Report {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it and says what it has done.
    #[must_use]
    pub fn stop(mut self) -> Report {
        self.end();
        self.report()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end();
    }
}

/// The sockets and what is between them.
struct Ends {
    front: UdpSocket,
    clients: Clients,
    up: Link<ClientId>,
    down: Link<ClientId>,
    turned_away: u64,
    undeliverable: u64,
    rebound: u64,
    /// What is still to come, and when.
    phases: VecDeque<(Instant, Phase)>,
    /// When clients are given other ports next, and how long it is from then to the time after.
    rebind: Option<(Instant, Duration)>,
    sweep_at: Instant,
    buffer: Vec<u8>,
}

/// Who has written.
struct Ready {
    front: bool,
    upstream: Vec<ClientId>,
}

impl Ends {
    /// Waits for a datagram or the time of one, then moves what there is.
    fn turn(&mut self) {
        let ready = self.wait();
        self.change();
        if ready.front {
            self.hear_clients();
        }
        for id in ready.upstream {
            self.hear_server(id);
        }
        self.let_out();
        let now = now();
        if now >= self.sweep_at {
            self.clients.forget_idle(now);
            self.sweep_at = now.saturating_add(SWEEP);
        }
    }

    /// Does what is due to the links and to the clients' ports.
    fn change(&mut self) {
        let now = now();
        while let Some((_, phase)) = self.phases.pop_front_if(|(at, _)| *at <= now) {
            self.up.set_config(phase.up);
            self.down.set_config(phase.down);
        }
        if let Some((at, interval)) = self.rebind.filter(|(at, _)| *at <= now) {
            self.rebound += self.clients.rebind();
            // The grid of times holds, but what was slept through is not made up for.
            let next = at.saturating_add(interval);
            self.rebind = Some((if next > now { next } else { now.saturating_add(interval) }, interval));
        }
    }

    fn wait(&self) -> Ready {
        let next = [self.up.next_delivery(), self.down.next_delivery(), self.phases.front().map(|(at, _)| *at)];
        let next = next.into_iter().chain([self.rebind.map(|(at, _)| at)]).flatten().min();
        let time = next.map_or(ATTENTION, |at| at.saturating_since(now()).min(ATTENTION));
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
        let (ids, sockets): (Vec<_>, Vec<_>) = self.clients.iter().map(|(id, client)| (id, &client.upstream)).unzip();
        let all = std::iter::once(&self.front).chain(sockets);
        let mut polled: Vec<_> = all.map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        // An interrupted wait is a short one.
        let _ = poll(&mut polled, Some(&timeout));
        let mut ready = polled.iter().map(|socket| !socket.revents().is_empty());
        let front = ready.next().unwrap_or(false);
        Ready { front, upstream: ids.into_iter().zip(ready).filter_map(|(id, ready)| ready.then_some(id)).collect() }
    }

    fn hear_clients(&mut self) {
        for _ in 0..BURST {
            let Ok((length, from)) = self.front.recv_from(&mut self.buffer) else { return };
            let now = now();
            match self.clients.admit(from, now) {
                Some(id) => self.up.send_from(id, now, &self.buffer[..length]),
                None => self.turned_away += 1,
            }
        }
    }

    fn hear_server(&mut self, id: ClientId) {
        let now = now();
        let Some(client) = self.clients.active(id, now) else { return };
        for _ in 0..BURST {
            // That the server is not there, which the system tells here, is for the clients to find out.
            let Ok(length) = client.upstream.recv(&mut self.buffer) else { return };
            self.down.send_from(id, now, &self.buffer[..length]);
        }
    }

    /// What a socket does not take is lost: that is what links do.
    fn let_out(&mut self) {
        while let Some((id, datagram)) = self.up.receive_with_flow(now()) {
            let client = self.clients.active(id, now());
            let sent = client.is_some_and(|client| client.upstream.send(&datagram).is_ok());
            self.undeliverable += u64::from(!sent);
        }
        while let Some((id, datagram)) = self.down.receive_with_flow(now()) {
            let client = self.clients.active(id, now());
            let sent = client.is_some_and(|client| self.front.send_to(&datagram, client.address).is_ok());
            self.undeliverable += u64::from(!sent);
        }
    }

    fn report(&self) -> Report {
        Report {
            up: *self.up.faults(),
            down: *self.down.faults(),
            in_flight: (self.up.in_flight() + self.down.in_flight()) as u64,
            clients: self.clients.seen(),
            rebound: self.rebound,
            turned_away: self.turned_away,
            undeliverable: self.undeliverable,
        }
    }
}

#[cfg(test)]
mod tests;
