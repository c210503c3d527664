//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::exit::Exit;
use crate::text::is_deceptive;

/// One long-lived, secure session between two machines.
#[derive(Clone, Debug, Parser)]
#[command(name = "session", version, after_long_help = Exit::table(), arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Make a secret key
    Keygen(Keygen),
    /// Print the public key that belongs to a secret key
    Pubkey(Pubkey),
}

/// Arguments of `session keygen`.
#[derive(Clone, Debug, Args)]
#[command(long_about = "Make a secret key and write it to standard output.\n\n\
    A regular file there is first closed to other users (mode 0600), so that 'session keygen > node.key' is safe \
    under any umask.")]
pub struct Keygen {
    /// Write to FILE (mode 0600), whole or not at all, instead of to standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace FILE if it exists; the key in it is lost
    #[arg(long, requires = "out")]
    pub force: bool,
}

/// Arguments of `session pubkey`.
#[derive(Clone, Debug, Args)]
pub struct Pubkey {
    /// The secret key file; '-' or nothing reads standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Text to put behind the key, such as whose it is
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, value_parser = comment)]
    pub comment: String,
}

fn comment(text: &str) -> Result<String, String> {
    if text.contains(is_deceptive) {
        return Err("it has control characters or line breaks; write one line of plain text".to_owned());
    }
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_tree_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn long_help_lists_the_exit_codes() {
        let help = Arguments::command().render_long_help().to_string();
        assert!(help.contains("130  interrupted"), "{help}");
    }

    #[test]
    fn force_without_a_file_is_a_usage_error() {
        let error = Arguments::try_parse_from(["session", "keygen", "--force"]).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(Exit::Usage.code()));
    }

    #[test]
    fn comment_is_one_line() {
        assert_eq!(comment(" node 7 ").as_deref(), Ok("node 7"));
        assert!(comment("two\nlines").is_err());
    }
}
