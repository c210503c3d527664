//! The `session` command as a library, so that tests reach its parts.
//!
//! From the bottom up: [`exit`] says how a run ends; [`output`] tells people and programs; [`place`] puts files where they belong or nowhere; [`keys`] reads
//! and writes key files; [`inbox`] takes in files from peers; [`progress`] tells the user how far a transfer is; [`clock`], [`console`], [`interrupt`]
//! and [`runtime`] stand between a command and the system; [`purpose`] says what a session is for: [`transfer`] moves files over it, [`ping`] measures it; [`impair`] is a bad network; [`commands`] does what [`args`] has parsed.
#![forbid(unsafe_code)]

pub mod args;
pub mod clock;
pub mod commands;
pub mod console;
pub mod exit;
pub mod impair;
pub mod inbox;
pub mod interrupt;
pub mod keys;
pub mod output;
pub mod ping;
pub mod place;
pub mod progress;
pub mod purpose;
pub mod runtime;
mod text;
pub mod transfer;
