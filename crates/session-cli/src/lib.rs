//! The `session` command as a library, so that tests reach its parts.
//!
//! From the bottom up: [`exit`] says how a run ends; [`place`] puts files where they belong or nowhere; [`keys`] reads
//! and writes key files; [`inbox`] takes in files from peers; [`progress`] tells the user how far a transfer is; [`clock`], [`console`], [`interrupt`]
//! and [`runtime`] stand between a command and the system; [`transfer`] moves a file over a session; [`commands`] does what [`args`] has parsed.
#![forbid(unsafe_code)]

pub mod args;
pub mod clock;
pub mod commands;
pub mod console;
pub mod exit;
pub mod inbox;
pub mod interrupt;
pub mod keys;
pub mod place;
pub mod progress;
pub mod runtime;
mod text;
pub mod transfer;
