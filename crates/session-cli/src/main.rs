//! The `session` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser as _;
use session_cli::args::Arguments;
use session_cli::commands;
use session_cli::exit::{Exit, Failure};
use session_cli::output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return not_understood(&error),
    };
    match commands::run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            arguments.output().fail(&failure);
            ExitCode::from(failure.exit().code())
        }
    }
}

/// A wrong command line, or one that asks for help.
fn not_understood(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() {
        error.exit();
    }
    let text = error.render().to_string();
    let problem = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let failure = Failure::new(Exit::Usage, problem, "see 'session --help'");
    Output::new(true).fail(&failure);
    ExitCode::from(failure.exit().code())
}
