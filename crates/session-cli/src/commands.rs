//! What the commands do.

mod admit;
mod bench;
mod chat;
mod demo;
mod generate;
mod impair;
mod keygen;
mod listen;
mod node;
mod pair;
mod pairing;
mod ping;
mod pubkey;
mod send;

use crate::args::{Arguments, Command};
use crate::exit::Failure;

/// Runs the command that `arguments` name.
///
/// # Errors
/// What the user is told and the process exits with.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = arguments.output();
    match &arguments.command {
        Command::Keygen(arguments) => keygen::run(arguments, output),
        Command::Pubkey(arguments) => pubkey::run(arguments, output),
        Command::Listen(arguments) => listen::run(arguments, output),
        Command::Send(arguments) => send::run(arguments, output),
        Command::Ping(arguments) => ping::run(arguments, output),
        Command::Chat(arguments) => chat::run(arguments, output),
        Command::Pair(arguments) => pair::run(arguments, output),
        Command::Impair(arguments) => impair::run(arguments, output),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Demo => demo::run(),
        Command::Generate(arguments) => generate::run(arguments),
    }
}
