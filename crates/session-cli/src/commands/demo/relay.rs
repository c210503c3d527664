//! A bad link in real time: the model of `session-sim` between two UDP sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use session_core::Instant;
use session_sim::{Faults, Link, LinkConfig};

use crate::clock::now;

/// The longest a stop goes unnoticed, microseconds.
const ATTENTION: u64 = 50_000;
/// Room for the largest datagram of all.
const DATAGRAM: usize = 65_536;

/// Carries datagrams between one client, whoever writes first, and a server.
pub(super) struct Relay {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Faults>,
}

/// Two sockets and the link in each direction.
struct Ends {
    front: UdpSocket,
    back: UdpSocket,
    client: Option<SocketAddr>,
    to_server: Link,
    to_client: Link,
}

impl Relay {
    /// Starts one to `server`, with `config` in each direction.
    pub(super) fn start(config: LinkConfig, server: SocketAddr) -> io::Result<Self> {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let back = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        back.connect(server)?;
        front.set_nonblocking(true)?;
        back.set_nonblocking(true)?;
        let address = front.local_addr()?;
        let seed = getrandom::u64()?;
        let mut ends = Ends {
            front,
            back,
            client: None,
            to_server: Link::new(config, seed),
            to_client: Link::new(config, seed ^ 1),
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                ends.carry();
            }
            let mut faults = *ends.to_server.faults();
            faults += *ends.to_client.faults();
            faults
        });
        Ok(Self { address, stop, thread })
    }

    /// Where clients write to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it and says what it has done.
    pub(super) fn stop(self) -> Faults {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or(Faults::NONE)
    }
}

impl Ends {
    /// Waits for a datagram or the time of one, then moves all there are.
    fn carry(&mut self) {
        self.wait();
        let mut buffer = vec![0; DATAGRAM];
        while let Ok((length, from)) = self.front.recv_from(&mut buffer) {
            self.client = Some(from);
            self.to_server.send(now(), &buffer[..length]);
        }
        while let Ok(length) = self.back.recv(&mut buffer) {
            self.to_client.send(now(), &buffer[..length]);
        }
        // What a socket does not take is lost: that is what links do.
        while let Some(datagram) = self.to_server.receive(now()) {
            let _ = self.back.send(&datagram);
        }
        while let Some(datagram) = self.to_client.receive(now()) {
            if let Some(client) = self.client {
                let _ = self.front.send_to(&datagram, client);
            }
        }
    }

    fn wait(&self) {
        let next = [self.to_server.next_delivery(), self.to_client.next_delivery()].into_iter().flatten().min();
        let micros =
            next.map_or(ATTENTION, |at: Instant| at.as_micros().saturating_sub(now().as_micros()).min(ATTENTION));
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::try_from(micros * 1_000).unwrap_or_default() };
        let mut sockets = [PollFd::new(&self.front, PollFlags::IN), PollFd::new(&self.back, PollFlags::IN)];
        // An interrupted wait is a short one.
        let _ = poll(&mut sockets, Some(&timeout));
    }
}
