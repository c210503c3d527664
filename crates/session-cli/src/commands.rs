//! What the commands do.

mod bench;
mod demo;
mod keygen;
mod listen;
mod node;
mod pair;
mod pairing;
mod pubkey;
mod send;

use crate::args::{Arguments, Command};
use crate::exit::Failure;

/// Runs the command that `arguments` name.
///
/// # Errors
/// What the user is told and the process exits with.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Keygen(arguments) => keygen::run(&arguments),
        Command::Pubkey(arguments) => pubkey::run(&arguments),
        Command::Listen(arguments) => listen::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Demo => demo::run(),
        Command::Send(arguments) => send::run(&arguments),
        Command::Pair(arguments) => pair::run(&arguments),
    }
}
