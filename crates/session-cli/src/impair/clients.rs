//! Who writes to the relay: each has a socket of its own towards the server, so that the server tells them apart.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use session_core::Instant;

/// How many clients a relay has at once. Each takes a file descriptor, and a process has often no more than 1024.
pub const MAX_CLIENTS: usize = 256;
/// A client is forgotten after so long without a datagram either way. It may come again, from another port.
pub const IDLE: Duration = Duration::from_secs(300);

/// Numbers clients in the order in which they came; none is used twice.
pub(super) type ClientId = u64;

/// The clients of a relay.
pub(super) struct Clients {
    server: SocketAddr,
    /// How many have come so far.
    seen: ClientId,
    by_address: HashMap<SocketAddr, ClientId>,
    known: BTreeMap<ClientId, Client>,
}

/// One of them.
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) upstream: UdpSocket,
    active: Instant,
}

impl Clients {
    /// None yet, of a relay to `server`.
    ///
    /// # Errors
    /// If there is no way from here to an address such as that of `server`.
    pub(super) fn new(server: SocketAddr) -> io::Result<Self> {
        connect(server)?;
        Ok(Self { server, seen: 0, by_address: HashMap::new(), known: BTreeMap::new() })
    }

    /// How many have come so far.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Who writes from `address`, where there is room for it.
    pub(super) fn admit(&mut self, address: SocketAddr, now: Instant) -> Option<ClientId> {
        if let Some(id) = self.by_address.get(&address) {
            return Some(*id);
        }
        if self.known.len() >= MAX_CLIENTS {
            self.forget_idle(now);
        }
        if self.known.len() >= MAX_CLIENTS {
            return None;
        }
        let upstream = connect(self.server).ok()?;
        let id = self.seen;
        self.seen += 1;
        self.by_address.insert(address, id);
        self.known.insert(id, Client { address, upstream, active: now });
        Some(id)
    }

    /// The client `id`, of which something passes `now`; `None` if it has been forgotten.
    pub(super) fn active(&mut self, id: ClientId, now: Instant) -> Option<&Client> {
        let client = self.known.get_mut(&id)?;
        client.active = now;
        Some(client)
    }

    /// Gives every client another port towards the server; says how many. Who cannot have one keeps the old.
    pub(super) fn rebind(&mut self) -> u64 {
        let mut rebound = 0;
        for client in self.known.values_mut() {
            // Bound while the old socket is: the system gives it another port.
            if let Ok(upstream) = connect(self.server) {
                client.upstream = upstream;
                rebound += 1;
            }
        }
        rebound
    }

    /// Forgets those that have been idle for too long.
    pub(super) fn forget_idle(&mut self, now: Instant) {
        self.known.retain(|_, client| now.saturating_since(client.active) < IDLE);
        self.by_address.retain(|_, id| self.known.contains_key(id));
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ClientId, &Client)> {
        self.known.iter().map(|(id, client)| (*id, client))
    }
}

/// A socket that exchanges datagrams with `server` and nobody else.
fn connect(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
