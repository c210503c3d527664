//! What the command is told.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// session beside its peers, in one run.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Rows over loopback sockets
    Loopback(Measure),
    /// Rows in memory: the cores alone
    Memory(Measure),
    /// Rows in virtual time, beside quinn-proto: the same links, the same seeds
    Simulated(Measure),
    /// Reads a file that --json wrote, and computes its medians and ratios again
    Check {
        /// The file
        file: PathBuf,
    },
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Measure {
    /// Only rows whose name contains one of these
    pub(crate) rows: Vec<String>,
    /// Few turns of little work: to see that it runs
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these peers, by name
    #[arg(long, value_delimiter = ',')]
    pub(crate) peers: Vec<String>,
    /// Turns of each peer; seeds of a simulated row
    #[arg(long)]
    pub(crate) turns: Option<usize>,
    /// Writes all samples here
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

impl Measure {
    /// Whether a row of this name is wanted.
    pub(crate) fn wants_row(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|row| name.contains(row.as_str()))
    }

    /// Whether this peer is wanted; session always is.
    pub(crate) fn wants_peer(&self, name: &str) -> bool {
        self.peers.is_empty() || name == crate::report::OURS || self.peers.iter().any(|peer| peer == name)
    }

    /// Turns of each peer: an odd number has a median that was measured.
    pub(crate) fn turns(&self) -> usize {
        self.turns.unwrap_or(if self.quick { 3 } else { 7 }).max(1)
    }
}
