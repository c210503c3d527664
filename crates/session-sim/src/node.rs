//! What lives in a network: the core, or a state machine of your own.

use session_core::{Action, Arrival, Endpoint, Event, Instant, Link, Provider, Received, Transmit};

/// A state machine that talks by datagrams. It does no input or output and reads no clock: everything is an argument, as with the core.
///
/// An [`Endpoint`] is one. A protocol of your own either implements this from scratch, or wraps an endpoint and handles its events where it polls it.
pub trait Node {
    /// What it tells whoever looks after it.
    type Event;

    /// Takes a datagram, which it may change in place. What it returns is for those who check; a machine that discards nothing says `Consumed`.
    fn handle_datagram(&mut self, datagram: &mut [u8], arrival: Arrival, now: Instant) -> Received;

    /// Serves what is due.
    fn handle_timeout(&mut self, now: Instant);

    /// Writes its next datagram to `out`, which has [`max_datagram`](Self::max_datagram) bytes, or tells its next event.
    fn poll(&mut self, out: &mut [u8], now: Instant) -> Output<Self::Event>;

    /// When [`handle_timeout`](Self::handle_timeout) has work. One that was served must not come back at the same instant for ever.
    fn next_deadline(&self) -> Option<Instant>;

    /// Bytes of its largest datagram.
    fn max_datagram(&self) -> usize;

    /// The path tells that a datagram was too big for it. Anybody may forge that; the default is not to care.
    fn handle_notice(&mut self, _notice: Notice, _now: Instant) {}
}

/// The output of a [`Node`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output<Event> {
    /// The first bytes of the buffer are to be sent.
    Transmit(Transmit),
    /// Something has happened.
    Event(Event),
    /// Nothing until the next datagram, command or deadline.
    Wait,
}

/// What a router on the way says of a datagram that it did not carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// Where the datagram was sent.
    pub link: Link,
    /// Its bytes.
    pub length: usize,
    /// The bytes that would have passed.
    pub mtu: usize,
}

impl Notice {
    /// A datagram of `length` bytes over `link` met a hop that takes `mtu`.
    #[must_use]
    pub const fn new(link: Link, length: usize, mtu: usize) -> Self {
        Self { link, length, mtu }
    }
}

impl<P: Provider> Node for Endpoint<P> {
    type Event = Event;

    fn handle_datagram(&mut self, datagram: &mut [u8], arrival: Arrival, now: Instant) -> Received {
        Endpoint::handle_datagram(self, datagram, arrival, now)
    }

    fn handle_timeout(&mut self, now: Instant) {
        Endpoint::handle_timeout(self, now);
    }

    /// # Panics
    /// If the core wants a longer buffer than it said, or waits for another deadline than it names.
    fn poll(&mut self, out: &mut [u8], now: Instant) -> Output<Event> {
        match self.poll_action(out, now) {
            Action::Transmit(transmit) => Output::Transmit(transmit),
            Action::Event(event) => Output::Event(event),
            Action::Wait(deadline) => {
                assert_eq!(deadline, Endpoint::next_deadline(self), "Wait names the deadline");
                Output::Wait
            }
            Action::NeedsRoom(bytes) => panic!("max_datagram() is not enough, {bytes} are wanted"),
            action => panic!("{action:?} is new"),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        Endpoint::next_deadline(self).map(|deadline| deadline.at)
    }

    fn max_datagram(&self) -> usize {
        Endpoint::max_datagram(self)
    }
}
