//! Which ways between states were gone.

use std::collections::BTreeMap;
use std::fmt;

use session_core::State;

/// How often each edge was gone: from a state, by a trigger, to a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    edges: BTreeMap<(&'static str, String, &'static str), u64>,
}

impl Coverage {
    /// An edge was gone.
    pub fn note(&mut self, from: State, trigger: &str, to: State) {
        *self.edges.entry((name(from), trigger.to_owned(), name(to))).or_default() += 1;
    }

    /// Adds what another run has covered.
    pub fn merge(&mut self, other: &Self) {
        for (edge, count) in &other.edges {
            *self.edges.entry(edge.clone()).or_default() += count;
        }
    }

    /// Edges gone at least once.
    #[must_use]
    pub fn len(&self) -> usize {
        self.edges.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// Whether some edge leads from one state to the other.
    #[must_use]
    pub fn leads(&self, from: State, to: State) -> bool {
        self.edges.keys().any(|(before, _, after)| (*before, *after) == (name(from), name(to)))
    }
}

impl fmt::Display for Coverage {
    /// One line for each edge.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((from, trigger, to), count) in &self.edges {
            writeln!(formatter, "{count:>9}  {from} --{trigger}--> {to}")?;
        }
        Ok(())
    }
}

fn name(state: State) -> &'static str {
    match state {
        State::Closed => "Closed",
        State::Connecting => "Connecting",
        State::SynSent => "SynSent",
        State::Handshaking => "Handshaking",
        State::Established => "Established",
        State::Closing => "Closing",
        _ => "new",
    }
}
