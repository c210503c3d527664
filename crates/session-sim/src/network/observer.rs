//! Who looks at everything that passes.

use session_core::{Address, Instant, Received};

/// Looks at every datagram where it leaves a node and where it arrives at one. A checker panics when it sees what must not be.
pub trait Observer<N> {
    /// A node has sent `datagram`.
    fn departed(&mut self, _passage: &Passage, _datagram: &[u8]) {}

    /// `datagram` is about to be handed to `node`.
    fn arriving(&mut self, _node: &N, _passage: &Passage, _datagram: &[u8]) {}

    /// `node` has taken it, or not, and has not been asked for actions since.
    fn arrived(&mut self, _node: &N, _passage: &Passage, _received: Received) {}

    /// `node` has nothing more to do now.
    fn rested(&mut self, _number: usize, _node: &N, _now: Instant) {}

    /// Another node has been put where one had been killed.
    fn started(&mut self, _number: usize) {}
}

/// A datagram that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passage {
    /// When, by the world's clock.
    pub at: Instant,
    /// The node that it leaves, or at which it arrives.
    pub node: usize,
    /// Where it comes from, as the network sees it.
    pub source: Address,
    /// Where it goes, as the network sees it.
    pub destination: Address,
    /// Its bytes.
    pub length: usize,
    /// Who brought it about.
    pub origin: Origin,
    /// Nothing else has happened to the node since it last rested.
    pub is_first: bool,
}

/// Who brought a datagram about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A node sends it.
    Node,
    /// It comes off a link, once or twice, whole or damaged.
    Network,
    /// An attacker sends it, or whoever called [`Network::inject`](crate::Network::inject).
    Injected,
}
