//! The command line.

pub mod impair;

pub use impair::Impair;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::exit::Exit;
use crate::keys::known_peers::is_name;
use crate::keys::{Address, PeerAddress, PeerAddressError};
use crate::output::Output;
use crate::runtime::Runtime;
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
    /// Show a file crossing a bad link between two processes, in seconds
    Demo,
    /// Measure goodput, latency, handshakes and idle sessions on this machine
    Bench(Bench),
    /// Make a secret key
    #[command(long_about = "Make a secret key and write it to standard output.\n\n\
    A regular file there is first closed to other users (mode 0600), so that 'session keygen > node.key' is safe \
    under any umask.")]
    Keygen(Keygen),
    /// Print the public key that belongs to a secret key
    Pubkey(Pubkey),
    /// Receive files from authorized peers into a folder, and answer their pings
    #[command(
        long_about = "Receive files from authorized peers into a folder, many at a time, and answer their pings, until Ctrl-C.\n\n\
    A file appears under its name when all of it is there and its SHA-256 is proved, else not at all."
    )]
    Listen(Listen),
    /// Send files and folders to a peer
    #[command(
        long_about = "Send files and folders to a peer and wait until they stand there under their names, their SHA-256 proved.\n\n\
    A folder comes with all that is in it, except symbolic links, pipes, sockets and devices, which are named."
    )]
    Send(Send),
    /// Meet a peer whose key is not known here
    #[command(long_about = "Meet a peer whose key is not known here, and that does not know this node's.\n\n\
    The peer runs 'session listen --pairing'. Both sides show both fingerprints; two people compare them, by voice or by looking, and say \
    yes on both sides. Then the peer's key is kept in known_peers here, and this node's key in the list of authorized peers there.")]
    Pair(Pair),
    /// Measure the time to a peer that listens, and back
    #[command(long_about = "Open a session with a peer that listens, and send it messages that it sends back.\n\n\
    Says how long the handshake took, then the time of each echo, and at the end, or at Ctrl-C, least, mean, most and mean \
    deviation. A packet that is lost is sent again, so it shows as a long time and in the count of lost packets.")]
    Ping(Ping),
    /// Exchange lines with a peer
    #[command(long_about = "Exchange lines with a peer: what is typed here appears there.\n\n\
    One side waits with --bind and --authorized, the other comes with --to. It ends with the end of the input or Ctrl-C on either side.")]
    Chat(Chat),
    /// Pass UDP datagrams on as a bad network does
    #[command(long_about = impair::LONG_ABOUT)]
    Impair(Box<Impair>),
    /// Write the manual pages and the shell completions into a folder
    #[command(hide = true)]
    Generate(Generate),
}

impl Arguments {
    /// Where the command's words go.
    #[must_use]
    pub const fn output(&self) -> Output {
        Output::new(match &self.command {
            Command::Keygen(arguments) => arguments.json,
            Command::Pubkey(arguments) => arguments.json,
            Command::Listen(arguments) => arguments.node.json,
            Command::Send(arguments) => arguments.node.json,
            Command::Ping(arguments) => arguments.node.json,
            Command::Chat(arguments) => arguments.node.json,
            Command::Pair(arguments) => arguments.node.json,
            Command::Impair(arguments) => arguments.json,
            Command::Demo | Command::Bench(_) | Command::Generate(_) => false,
        })
    }
}

/// Arguments of `session keygen`.
#[derive(Clone, Debug, Args)]
pub struct Keygen {
    /// Write to FILE (mode 0600), whole or not at all, instead of to standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace FILE if it exists; the key in it is lost
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Say what was made as JSON, one object a line (docs/cli.md)
    #[arg(long, requires = "out")]
    pub json: bool,
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
    /// Print JSON, one object a line (docs/cli.md)
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `session listen`.
#[derive(Clone, Debug, Args)]
pub struct Listen {
    /// Who this node is, and how it runs.
    #[command(flatten)]
    pub node: NodeOptions,
    /// The address to listen on; port 0 lets the system choose
    #[arg(long, value_name = "ADDR")]
    pub bind: SocketAddr,
    /// The folder that takes the files
    #[arg(long, value_name = "INBOX")]
    pub dir: PathBuf,
    /// The public keys that may send, one a line; read once, at the start
    #[arg(long, value_name = "FILE")]
    pub authorized: PathBuf,
    /// For so long from the start (90s, 5m, 1h), peers may come that do not know this node's key; each is asked about here
    #[arg(long, value_name = "DURATION", value_parser = long_time)]
    pub pairing: Option<Duration>,
    /// Replace files that exist; without it they are kept and the sender is refused
    #[arg(long)]
    pub force: bool,
}

/// Arguments of `session send`.
#[derive(Clone, Debug, Args)]
pub struct Send {
    /// The files and folders
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Whom to send them to, and where: a public key or a name in known_peers, '@', address and port
    #[arg(long, value_name = "PEER@ADDR")]
    pub to: PeerAddress,
    /// Trust the key of a peer whose name is not in known_peers, and keep it there; it must listen with --pairing
    #[arg(long)]
    pub accept_new: bool,
    /// Who this node is, and how it runs.
    #[command(flatten)]
    pub node: NodeOptions,
}

/// Arguments of `session pair`.
#[derive(Clone, Debug, Args)]
pub struct Pair {
    /// Where the peer listens: address and port
    #[arg(value_name = "ADDR", value_parser = address)]
    pub address: Address,
    /// What to call the peer from now on
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub name: String,
    /// Who this node is, and how it runs.
    #[command(flatten)]
    pub node: NodeOptions,
}

/// Arguments of `session ping`.
#[derive(Clone, Debug, Args)]
pub struct Ping {
    /// Whom to ping, and where: a public key or a name in known_peers, '@', address and port
    #[arg(value_name = "PEER@ADDR")]
    pub to: PeerAddress,
    /// End after N pings; without it at Ctrl-C
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Seconds from one ping to the next
    #[arg(short, long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub interval: f64,
    /// Seconds until a ping whose echo has not come counts as lost; it is not sent again then
    #[arg(short = 'W', long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    pub timeout: f64,
    /// Who this node is, and how it runs.
    #[command(flatten)]
    pub node: NodeOptions,
}

/// Arguments of `session chat`.
#[derive(Clone, Debug, Args)]
#[command(group = clap::ArgGroup::new("side").required(true).args(["to", "bind"]))]
pub struct Chat {
    /// Whom to talk to, and where: a public key or a name in known_peers, '@', address and port
    #[arg(long, value_name = "PEER@ADDR")]
    pub to: Option<PeerAddress>,
    /// The address to wait on; port 0 lets the system choose
    #[arg(long, value_name = "ADDR", requires = "authorized")]
    pub bind: Option<SocketAddr>,
    /// The public keys that may come, one a line; read once, at the start
    #[arg(long, value_name = "FILE", requires = "bind")]
    pub authorized: Option<PathBuf>,
    /// Who this node is, and how it runs.
    #[command(flatten)]
    pub node: NodeOptions,
}

/// Arguments of `session generate`.
#[derive(Clone, Debug, Args)]
pub struct Generate {
    /// The folder; it must exist
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// What every command that opens sessions takes.
#[derive(Clone, Debug, Args)]
pub struct NodeOptions {
    /// The file with this node's secret key, made by 'session keygen'
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// What runs the tasks
    #[arg(long, value_enum, default_value_t)]
    pub runtime: Runtime,
    /// Print JSON, one object a line (docs/cli.md)
    #[arg(long)]
    pub json: bool,
    /// How long a peer may take to answer, milliseconds. For tests.
    #[arg(long, hide = true, value_name = "MS", default_value_t = 10_000)]
    pub connect_timeout_ms: u64,
    /// Time between two signs of life; three without one mean that the peer is lost, milliseconds. For tests.
    #[arg(long, hide = true, value_name = "MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(50..))]
    pub keepalive_ms: u64,
}

/// Arguments of `session bench`.
#[derive(Clone, Debug, Args)]
pub struct Bench {
    /// Measure less, in seconds rather than minutes
    #[arg(long)]
    pub quick: bool,
}

fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error| match error {
        PeerAddressError::Address => "no address; write 192.0.2.1:7000, [2001:db8::1]:7000 or host:7000".to_owned(),
        error => error.to_string(),
    })
}

fn name(text: &str) -> Result<String, String> {
    if is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("use letters, digits, '.', '-' and '_', 63 at most".to_owned())
    }
}

fn long_time(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let seconds = match unit {
        "m" => 60,
        "h" => 3_600,
        _ => 1,
    };
    let digits = number.chars().all(|character| character.is_ascii_digit());
    let whole = number.parse::<u64>().ok().filter(|_| digits).and_then(|number| number.checked_mul(seconds));
    whole
        .filter(|seconds| (1..=86_400).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| "write a time such as 90s, 5m or 1h, a day at most".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    // An hour and a millisecond are as good as anything beyond them.
    let seconds = text.parse().ok().filter(|seconds| (0.001..=3_600.0).contains(seconds));
    seconds.ok_or_else(|| "no time; write seconds, from 0.001 to 3600".to_owned())
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
    fn long_help_says_more_than_short_help() {
        let commands = Arguments::command();
        for name in ["keygen", "listen", "send", "pair", "ping", "chat", "impair"] {
            let command = commands.find_subcommand(name).unwrap();
            let [short, long] = [command.get_about(), command.get_long_about()];
            // A line of help on the variant of `Command` hides a text on the struct.
            assert!(long.is_some_and(|long| long.to_string().len() > short.unwrap().to_string().len()), "{name}");
        }
    }

    #[test]
    fn force_without_a_file_is_a_usage_error() {
        let error = Arguments::try_parse_from(["session", "keygen", "--force"]).unwrap_err();
        assert_eq!(error.exit_code(), i32::from(Exit::Usage.code()));
    }

    #[test]
    fn long_times_are_from_a_second_to_a_day() {
        for (text, seconds) in [("90s", 90), ("5m", 300), ("24h", 86_400), ("7", 7), ("1s", 1)] {
            assert_eq!(long_time(text), Ok(Duration::from_secs(seconds)));
        }
        for text in [
            "",
            "s",
            "0",
            "0m",
            "25h",
            "-5m",
            "+5m",
            "5d",
            "5 m",
            "1.5h",
            "99999999999999999999",
            "4611686018427387904h",
        ] {
            assert!(long_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn comment_is_one_line() {
        assert_eq!(comment(" node 7 ").as_deref(), Ok("node 7"));
        assert!(comment("two\nlines").is_err());
    }
}
