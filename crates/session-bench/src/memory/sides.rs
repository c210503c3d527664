//! A server and its many clients in memory: both sides of each library, and the loop that hands over their datagrams.
//!
//! A loop of its own: `core` and the simulated rows have an end that knows one connection, and let the clock go on with each turn. Here one end knows
//! thousands, is asked for nothing but what touched ones have to send, and the clock stands while a handshake is measured.

#[cfg(feature = "peers")]
pub(super) mod quinn;
pub(super) mod session;

use std::time::Duration;

use session_core::Instant;

use crate::Failure;
use crate::report::About;
use crate::simulated::START;

/// Bytes that a client asks with, and that the server answers.
pub(super) const ASK: usize = 100;
/// How far the clock goes at a time while nobody acts.
const STEP: Duration = Duration::from_millis(20);

/// One side: a server of many connections, or a client with one.
pub(super) trait Side {
    /// Takes a datagram; at a server, one of this client.
    fn handle_datagram(&mut self, client: u32, datagram: Vec<u8>, now: Instant);
    /// Serves what is due.
    fn handle_timeout(&mut self, now: Instant);
    /// The next datagram to send, and the client that it is for or comes from.
    fn poll_transmit(&mut self, now: Instant) -> Option<(u32, Vec<u8>)>;
    /// Sends `ASK` bytes from a client; a server answers with as many, by itself.
    fn ask(&mut self, now: Instant);
    /// Connections that are up.
    fn established(&self) -> usize;
    /// Connections whose `ASK` bytes have come.
    fn served(&self) -> usize;
}

/// Makes the sides of a library. What it holds itself, such as a certificate, belongs to no side.
pub(super) trait Library {
    fn about(&self) -> About;
    /// A server with room for so many clients.
    fn server(&self, clients: u32) -> Result<Box<dyn Side>, Failure>;
    /// A client that begins at once, a stranger to the server.
    fn client(&self, number: u32, now: Instant) -> Result<Box<dyn Side>, Failure>;
}

/// All libraries that know both sides; session is first.
pub(super) fn libraries() -> Result<Vec<Box<dyn Library>>, Failure> {
    #[cfg_attr(not(feature = "peers"), expect(unused_mut, reason = "there is nobody else"))]
    let mut libraries: Vec<Box<dyn Library>> = vec![Box::new(session::Session::new())];
    #[cfg(feature = "peers")]
    libraries.push(Box::new(quinn::QuinnProto::new()?));
    Ok(libraries)
}

/// A server and those of its clients that are there.
pub(super) struct Sides<'a> {
    library: &'a dyn Library,
    server: Box<dyn Side>,
    clients: Vec<Box<dyn Side>>,
    /// The number of the first of them: clients that were dropped have lower ones.
    first: u32,
    now: Instant,
}

impl<'a> Sides<'a> {
    pub(super) fn new(library: &'a dyn Library, clients: u32) -> Result<Self, Failure> {
        Ok(Self { library, server: library.server(clients)?, clients: Vec::new(), first: 0, now: START })
    }

    /// Lets a client more begin, and hands over datagrams until nobody has any.
    pub(super) fn connect(&mut self) -> Result<(), Failure> {
        let number = self.first + self.clients.len() as u32;
        self.clients.push(self.library.client(number, self.now)?);
        self.settle();
        match self.clients.last().map(|client| client.established()) {
            Some(1) => Ok(()),
            _ => Err(format!("client {number} did not get through").into()),
        }
    }

    /// Lets every client ask. Then time goes on while nobody acts, so that all is answered and acknowledged, and what is kept for a while is let go.
    pub(super) fn ask_and_rest(&mut self, time: Duration) -> Result<(), Failure> {
        self.clients.iter_mut().for_each(|client| client.ask(self.now));
        self.settle();
        let end = self.now.saturating_add(time);
        while self.now < end {
            self.now = self.now.saturating_add(STEP);
            self.server.handle_timeout(self.now);
            self.clients.iter_mut().for_each(|client| client.handle_timeout(self.now));
            self.settle();
        }
        let answered = self.clients.iter().filter(|client| client.served() == 1).count();
        match self.clients.len() {
            clients if clients == answered => Ok(()),
            clients => Err(format!("of {clients} clients, {answered} have an answer").into()),
        }
    }

    /// Drops the clients without a word: the server goes on with their sessions.
    pub(super) fn drop_clients(&mut self) {
        self.first += self.clients.len() as u32;
        self.clients.clear();
    }

    /// The server alone.
    pub(super) fn into_server(self) -> Box<dyn Side> {
        self.server
    }

    fn settle(&mut self) {
        loop {
            let mut is_quiet = true;
            for client in &mut self.clients {
                while let Some((number, datagram)) = client.poll_transmit(self.now) {
                    self.server.handle_datagram(number, datagram, self.now);
                    is_quiet = false;
                }
            }
            while let Some((number, datagram)) = self.server.poll_transmit(self.now) {
                let index = number.checked_sub(self.first).map(|index| index as usize);
                if let Some(client) = index.and_then(|index| self.clients.get_mut(index)) {
                    client.handle_datagram(number, datagram, self.now);
                }
                is_quiet = false;
            }
            if is_quiet {
                break;
            }
        }
    }
}
