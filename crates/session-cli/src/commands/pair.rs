//! `session pair`, and first contact of `session send`.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use session_tokio::{CloseCode, ClosedBy, ConnectError, ConnectRequest, Endpoint, Session};

use super::node::{FAREWELL, dial_out, load_key, or_interrupted};
use super::pairing::PAIR;
use crate::args::{NodeOptions, Pair};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::keys::known_peers::Origin;
use crate::keys::{KnownPeers, PublicKey, configuration};
use crate::text::printable_path;
use crate::transfer::{self, close_code};

pub(super) fn run(arguments: &Pair) -> Result<(), Failure> {
    let key = load_key(&arguments.node.key)?;
    let mut known = known_peers()?;
    let runtime = arguments.node.runtime;
    runtime.run(async {
        let interrupt = Interrupt::catch()?;
        let work = async {
            let (endpoint, address) = dial_out(&key, &arguments.node, &arguments.address).await?;
            let result = pair(&endpoint, address, key.public_key(), arguments, &mut known).await;
            let _ = runtime.within(FAREWELL, endpoint.close(close_code::DONE, "")).await;
            result
        };
        let interruption = Failure::new(Exit::Interrupted, "interrupted, and nothing is stored", "pair again");
        or_interrupted(&interrupt, &interruption, work).await
    })
}

/// The list of peers of this user.
pub(super) fn known_peers() -> Result<KnownPeers, Failure> {
    KnownPeers::load(&configuration::known_peers(|name| std::env::var_os(name))?)
}

async fn pair(
    endpoint: &Endpoint,
    address: SocketAddr,
    own: PublicKey,
    arguments: &Pair,
    known: &mut KnownPeers,
) -> Result<(), Failure> {
    let (place, name) = (arguments.address.to_string(), &arguments.name);
    tell(&format!("this node's fingerprint is {}", own.fingerprint()));
    tell(&format!("asking {place}, where its user must answer"));
    let session = meet(endpoint, address, PAIR, &place, &arguments.node).await?;
    let key = key_of(&session);
    if let Some(peer) = known.find(name) {
        if peer.key != key {
            session.abort(close_code::FAILED, "its key is not the one that is known");
            return Err(peer.has_changed(&key, &place));
        }
        say(&format!("{name} is known already, {}", place_of(&peer.origin)));
        return Ok(());
    }
    tell(&format!("the fingerprint of {place} is {}", key.fingerprint()));
    let question = || tell(&format!("compare both with what its user sees; type 'yes' to trust it as {name}"));
    if !Console::new().confirm(question).await {
        session.abort(close_code::FAILED, "its user said no");
        let problem = format!("the key of {place} was not confirmed, and nothing is stored");
        return Err(Failure::new(Exit::KeyFile, problem, "pair again, and type 'yes' if the fingerprints are equal"));
    }
    let peer = known.add(name, key)?;
    say(&format!("{name} is known from now on, {}", place_of(&peer.origin)));
    Ok(())
}

/// First contact with whoever answers at `address`.
pub(super) async fn meet(
    endpoint: &Endpoint,
    address: SocketAddr,
    user_data: &[u8],
    place: &str,
    options: &NodeOptions,
) -> Result<Session, Failure> {
    let request = ConnectRequest { user_data, ..ConnectRequest::default() };
    endpoint.connect_unknown(address, request).await.map_err(|error| not_met(&error, place, options))
}

fn not_met(error: &ConnectError, place: &str, options: &NodeOptions) -> Failure {
    match error {
        ConnectError::Ended(reason) if (reason.by, reason.code) == (ClosedBy::Deadline, CloseCode::NO_ANSWER) => {
            let problem = format!("no answer from {place} to a node it does not know");
            let remedy = "check the address, and that 'session listen --pairing' runs there and its user answers";
            Failure::new(Exit::NoAnswer, problem, remedy)
        }
        ConnectError::Ended(reason) if (reason.by, reason.code) == (ClosedBy::Peer, CloseCode::UNAUTHORIZED) => {
            let problem = format!("{place} did not let this node in");
            Failure::new(Exit::Unauthorized, problem, "have its user type 'yes' if the fingerprints are equal")
        }
        error => transfer::not_connected(error, place, options.patience()),
    }
}

/// Where a key stands.
pub(super) fn place_of(origin: &Origin) -> String {
    format!("{} line {}", printable_path(&origin.file), origin.line)
}

/// The key the peer has proved to own.
pub(super) fn key_of(session: &Session) -> PublicKey {
    PublicKey::from_bytes(*session.peer_key().as_bytes())
}

fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
