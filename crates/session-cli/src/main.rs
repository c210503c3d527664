//! The `session` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use session_cli::args::Arguments;
use session_cli::commands;

fn main() -> ExitCode {
    match commands::run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(failure.exit().code())
        }
    }
}
