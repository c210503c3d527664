//! A translator of addresses in front of a node: its mappings expire, and it may forget them all.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use session_core::{Address, Instant};

/// Mappings a translator has at most; the oldest goes for a new one.
const MAPPINGS: usize = 64;
/// Remote addresses it remembers for one mapping.
const REMOTES: usize = 64;

/// How a translator behaves (RFC 4787).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatConfig {
    /// A mapping without outgoing datagrams for so long is forgotten.
    pub lifetime: Duration,
    /// Each remote address has a mapping of its own, rather than one for all.
    pub is_symmetric: bool,
    /// Lets in only what comes from where something was sent to.
    pub filters: bool,
}

impl Default for NatConfig {
    /// What many homes have: half a minute, one mapping for all remotes, filtered.
    fn default() -> Self {
        Self { lifetime: Duration::from_secs(30), is_symmetric: false, filters: true }
    }
}

/// A translator.
#[derive(Clone, Debug)]
pub struct Nat {
    config: NatConfig,
    /// Sets its outer addresses apart from those of others.
    number: u16,
    next_port: u16,
    mappings: Vec<Mapping>,
    /// How often a mapping was made although there had been one before. One for each remote is no such change and not counted.
    rebound: u64,
    /// Datagrams that were not let in.
    filtered: u64,
    had_mapping: bool,
}

#[derive(Clone, Debug)]
struct Mapping {
    inner: Address,
    outer: Address,
    remotes: Vec<Address>,
    used_at: Instant,
}

impl Nat {
    /// A translator without mappings.
    #[must_use]
    pub fn new(config: NatConfig, number: u16) -> Self {
        Self { config, number, next_port: 20_000, mappings: Vec::new(), rebound: 0, filtered: 0, had_mapping: false }
    }

    /// The outer address of a datagram from `inner` to `remote`.
    pub fn outgoing(&mut self, inner: Address, remote: Address, now: Instant) -> Address {
        self.expire(now);
        let is_symmetric = self.config.is_symmetric;
        let found = self
            .mappings
            .iter()
            .position(|mapping| mapping.inner == inner && (!is_symmetric || mapping.remotes.contains(&remote)));
        let index = found.unwrap_or_else(|| self.map(inner, now));
        let mapping = &mut self.mappings[index];
        mapping.used_at = now;
        if !mapping.remotes.contains(&remote) {
            if mapping.remotes.len() == REMOTES {
                mapping.remotes.remove(0);
            }
            mapping.remotes.push(remote);
        }
        mapping.outer
    }

    /// The inner address of a datagram from `remote` to `outer`, if it is let in.
    pub fn incoming(&mut self, outer: Address, remote: Address, now: Instant) -> Option<Address> {
        self.expire(now);
        let mapping = self.mappings.iter().find(|mapping| mapping.outer == outer);
        let inner = mapping
            .filter(|mapping| !self.config.filters || mapping.remotes.contains(&remote))
            .map(|mapping| mapping.inner);
        self.filtered += u64::from(inner.is_none());
        inner
    }

    /// Forgets everything, as one that was switched off and on.
    pub fn forget(&mut self) {
        self.mappings.clear();
    }

    /// How often the node got another outer address than before; not counted where every remote sees one of its own.
    #[must_use]
    pub fn rebound(&self) -> u64 {
        self.rebound
    }

    /// Datagrams that were not let in.
    #[must_use]
    pub fn filtered(&self) -> u64 {
        self.filtered
    }

    fn expire(&mut self, now: Instant) {
        let lifetime = self.config.lifetime;
        self.mappings.retain(|mapping| now.saturating_since(mapping.used_at) < lifetime);
    }

    fn map(&mut self, inner: Address, now: Instant) -> usize {
        if self.mappings.len() == MAPPINGS {
            self.mappings.remove(0);
        }
        self.rebound += u64::from(self.had_mapping && !self.config.is_symmetric);
        self.had_mapping = true;
        let outer = self.outer(inner);
        self.next_port = self.next_port.checked_add(1).unwrap_or(20_000);
        self.mappings.push(Mapping { inner, outer, remotes: Vec::new(), used_at: now });
        self.mappings.len() - 1
    }

    /// An outer address of the kind of the inner one.
    fn outer(&self, inner: Address) -> Address {
        let [high, low] = self.number.to_be_bytes();
        match inner {
            // The block of RFC 2544, which nobody routes.
            Address::Ip(_) => SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 18, high, low)), self.next_port).into(),
            Address::Opaque(bytes) => {
                Address::Opaque((u128::from_be_bytes(bytes) | u128::from(self.next_port) << 64).to_be_bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests;
