//! I7: nobody is sent more than three times what came from there, nor anything but probes, before he has shown that he hears.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use session_core::{Address, Received};

use super::is_data;
use crate::{Observer, Origin, Passage, Recording};

/// Bytes out for each byte in, at most (RFC 9000 §8.1).
const FACTOR: usize = 3;

/// Counts bytes by node and remote address, and tells probes of a path from other packets of data (P-15-1).
///
/// An address counts as proven once a node accepts a datagram that its owner sent, from wherever, after it had got one there from the node.
#[derive(Clone, Debug, Default)]
pub struct Amplification {
    provider: Recording,
    /// Addresses to which a node begins sessions: nobody else made it send there.
    wanted: Rc<RefCell<BTreeSet<(usize, Address)>>>,
    accounts: BTreeMap<(usize, Address), Account>,
    /// Who sends from an address.
    owners: BTreeMap<Address, usize>,
    /// At which addresses a node, the second, got something from another, the first.
    heard: BTreeMap<(usize, usize), BTreeSet<Address>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    received: usize,
    sent: usize,
    is_proven: bool,
}

impl Amplification {
    /// Watches nodes that share `provider`.
    #[must_use]
    pub fn new(provider: Recording) -> Self {
        Self { provider, ..Self::default() }
    }

    /// The node sends there of its own accord.
    pub fn want(&self, node: usize, address: Address) {
        self.wanted.borrow_mut().insert((node, address));
    }
}

impl<N> Observer<N> for Amplification {
    fn departed(&mut self, passage: &Passage, datagram: &[u8]) {
        self.owners.insert(passage.source, passage.node);
        let key = (passage.node, passage.destination);
        let account = self.accounts.entry(key).or_default();
        account.sent += passage.length;
        let Account { received, sent, is_proven } = *account;
        let is_allowed = is_proven || sent <= FACTOR * received || self.wanted.borrow().contains(&key);
        assert!(is_allowed, "I7: {sent} bytes to {:?} for {received} from there, unproven", passage.destination);
        let is_probe = !is_data(datagram) || self.provider.has_sealed_probe();
        assert!(is_proven || is_probe, "I7: {:?} gets data and has answered nothing", passage.destination);
    }

    fn arriving(&mut self, _: &N, passage: &Passage, _: &[u8]) {
        self.accounts.entry((passage.node, passage.source)).or_default().received += passage.length;
        // Also what an attacker forwards has been heard there.
        if let Some(sender) = self.owners.get(&passage.source) {
            self.heard.entry((*sender, passage.node)).or_default().insert(passage.destination);
        }
    }

    fn arrived(&mut self, _: &N, passage: &Passage, received: Received) {
        if received != Received::Consumed {
            return;
        }
        // What an attacker forwards comes from anywhere, and may be an answer of whoever has heard the node.
        let sender = self.owners.get(&passage.source).filter(|_| passage.origin == Origin::Network);
        for ((_, hearer), addresses) in self.heard.iter().filter(|((node, _), _)| *node == passage.node) {
            for address in addresses.iter().filter(|_| sender.is_none_or(|sender| sender == hearer)) {
                self.accounts.entry((passage.node, *address)).or_default().is_proven = true;
            }
        }
    }

    fn started(&mut self, number: usize) {
        self.accounts.retain(|(node, _), _| *node != number);
        self.heard.retain(|(node, _), _| *node != number);
    }
}
