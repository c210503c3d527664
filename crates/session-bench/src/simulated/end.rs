//! One end of a connection, whoever made it: datagrams and times in, datagrams out, and what an application does with it.

use session_core::Instant;

/// Bytes of a message of the messages row: when it was sent, and filling.
pub(crate) const MESSAGE: usize = 200;

/// An end. All times are those of the simulator.
pub(crate) trait End {
    /// Takes a datagram.
    fn handle_datagram(&mut self, datagram: Vec<u8>, now: Instant);
    /// Serves what is due.
    fn handle_timeout(&mut self, now: Instant);
    /// The next datagram to send.
    fn poll_transmit(&mut self, now: Instant) -> Option<Vec<u8>>;
    /// When `handle_timeout` has something to serve; asked after `poll_transmit` had nothing.
    fn next_deadline(&mut self) -> Option<Instant>;

    /// Whether the peer is there, and both are who they are to be.
    fn is_established(&self) -> bool;
    /// Whether the library takes what the application has to send: where it keeps that for the peer, from the start.
    fn may_write(&self) -> bool {
        self.is_established()
    }
    /// Gives bytes of the bulk flow; says how many were taken.
    fn write(&mut self, bytes: &[u8], now: Instant) -> usize;
    /// Says that all bytes of the bulk flow were given.
    fn finish(&mut self, now: Instant);
    /// Takes bytes of the bulk flow; says how many there were.
    fn read(&mut self, buffer: &mut [u8], now: Instant) -> usize;
    /// Gives a message, which goes before the bulk flow; `false` if there is no room.
    fn send_message(&mut self, message: &[u8; MESSAGE], now: Instant) -> bool;
    /// Takes a message.
    fn receive_message(&mut self, now: Instant) -> Option<[u8; MESSAGE]>;
}
