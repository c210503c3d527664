//! A run of the real core under everything at once: a seed expands to options, the options to a run, the run to a report.

mod actions;
mod actor;
mod campaign;
mod chaos;
mod checkers;
mod coverage;
mod options;
mod run;
mod talk;

pub use actions::Actions;
pub use campaign::{Campaign, Outcome, Summary};
pub use coverage::Coverage;
pub use options::Options;
pub use run::{Report, Violation, run, run_traced};

#[cfg(test)]
mod tests;
