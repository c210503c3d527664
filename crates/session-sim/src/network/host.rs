//! A node's place in the network.

use std::collections::VecDeque;

use session_core::{Address, Instant};

use crate::{Clock, Nat, Node};

/// A node, or where one has been, and what belongs to the machine it runs on.
pub(super) struct Host<N: Node> {
    /// `None` while it is dead.
    pub(super) node: Option<N>,
    /// Where it can be reached, unless something stands before it. Never empty.
    pub(super) addresses: Vec<Address>,
    pub(super) nat: Option<Nat>,
    pub(super) clock: Clock,
    /// It does not run: no deadline is served and no datagram taken.
    pub(super) sleeps: bool,
    pub(super) events: VecDeque<N::Event>,
    pub(super) buffer: Vec<u8>,
    /// Something has happened to it since it was last asked what it wants.
    pub(super) is_dirty: bool,
    pub(super) filed: Option<Instant>,
}

impl<N: Node> Host<N> {
    pub(super) fn new(node: N, address: Address) -> Self {
        Self {
            buffer: vec![0; node.max_datagram()],
            node: Some(node),
            addresses: vec![address],
            nat: None,
            clock: Clock::default(),
            sleeps: false,
            events: VecDeque::new(),
            is_dirty: false,
            filed: None,
        }
    }

    pub(super) fn runs(&self) -> bool {
        self.node.is_some() && !self.sleeps
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.node.as_ref().and_then(Node::next_deadline)
    }
}
