//! The `session` command as a library, so that tests reach its parts.
//!
//! From the bottom up: [`exit`] says how a run ends; [`place`] puts files where they belong or nowhere; [`keys`] reads
//! and writes key files; [`inbox`] takes in files from peers; [`progress`] tells the user how far a transfer is;
//! [`commands`] does what [`args`] has parsed.
#![forbid(unsafe_code)]

pub mod args;
pub mod commands;
pub mod exit;
pub mod inbox;
pub mod keys;
pub mod place;
pub mod progress;
mod text;
