//! An endpoint whose application accepts whoever asks.

use session_core::{Arrival, Endpoint, Event, Instant, Provider, Received};

use crate::{Node, Output};

/// A node of a [`World`](crate::World).
pub struct WorldNode<P: Provider> {
    pub(super) endpoint: Endpoint<P>,
    accepts: bool,
}

impl<P: Provider> WorldNode<P> {
    pub(super) fn new(endpoint: Endpoint<P>, accepts: bool) -> Self {
        Self { endpoint, accepts }
    }
}

impl<P: Provider> Node for WorldNode<P> {
    type Event = Event;

    fn handle_datagram(&mut self, datagram: &mut [u8], arrival: Arrival, now: Instant) -> Received {
        self.endpoint.handle_datagram(datagram, arrival, now)
    }

    /// # Panics
    /// If the deadline of the only session is there again at the instant at which it was served (P-11-1).
    fn handle_timeout(&mut self, now: Instant) {
        let before = self.endpoint.next_deadline();
        self.endpoint.handle_timeout(now);
        let again = self.endpoint.next_deadline() == before && self.endpoint.session_count() == 1;
        assert!(!again, "{before:?} recurs at the instant {now:?} at which it was served");
    }

    fn poll(&mut self, out: &mut [u8], now: Instant) -> Output<Event> {
        let output = Node::poll(&mut self.endpoint, out, now);
        if let Output::Event(Event::Incoming(id)) = output
            && self.accepts
        {
            let mut session = self.endpoint.session_mut(id, now).expect("the session is there");
            session.accept(b"").expect("the session can be accepted");
        }
        output
    }

    fn next_deadline(&self) -> Option<Instant> {
        Node::next_deadline(&self.endpoint)
    }

    fn max_datagram(&self) -> usize {
        self.endpoint.max_datagram()
    }
}
