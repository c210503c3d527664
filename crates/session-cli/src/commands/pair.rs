//! `session pair`, and first contact of `session send`.

use std::net::SocketAddr;

use session_tokio::{CloseCode, ClosedBy, ConnectError, ConnectRequest, Endpoint, Session};

use super::node::{FAREWELL, close_after, dial_out, load_key, or_interrupted};
use crate::args::{NodeOptions, Pair};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::keys::known_peers::{KnownPeer, Origin};
use crate::keys::{KnownPeers, PublicKey, configuration};
use crate::output::{Event, Output};
use crate::purpose::Purpose;
use crate::text::printable_path;
use crate::transfer::{self, Attempt, close_code};

pub(super) fn run(arguments: &Pair, output: Output) -> Result<(), Failure> {
    let key = load_key(&arguments.node.key)?;
    let mut known = known_peers()?;
    let runtime = arguments.node.runtime;
    runtime.run(async {
        let interrupt = Interrupt::catch()?;
        let interruption = Failure::new(Exit::Interrupted, "interrupted, and nothing is stored", "pair again");
        let dialled = dial_out(&key, &arguments.node, &arguments.address);
        let (endpoint, address) = or_interrupted(&interrupt, &interruption, dialled).await?;
        let user = User { own: key.public_key(), output };
        let result = user.pair(&endpoint, address, arguments, &mut known, (&interrupt, &interruption)).await;
        match &result {
            Ok(()) => drop(runtime.within(FAREWELL, endpoint.close(close_code::DONE, "")).await),
            Err(failure) => close_after(&endpoint, failure, &arguments.node).await,
        }
        result
    })
}

/// The list of peers of this user.
pub(super) fn known_peers() -> Result<KnownPeers, Failure> {
    KnownPeers::load(&configuration::known_peers(|name| std::env::var_os(name))?)
}

/// The person at this side.
struct User {
    own: PublicKey,
    output: Output,
}

impl User {
    async fn pair(
        &self,
        endpoint: &Endpoint,
        address: SocketAddr,
        arguments: &Pair,
        known: &mut KnownPeers,
        (interrupt, interruption): (&Interrupt, &Failure),
    ) -> Result<(), Failure> {
        let place = arguments.address.to_string();
        self.tell(&place, &format!("this node's fingerprint is {}", self.own.fingerprint()));
        self.tell(&place, &format!("asking {place}, where its user must answer"));
        let meeting = meet(endpoint, address, Purpose::Pair, &place, &arguments.node);
        let session = or_interrupted(interrupt, interruption, meeting).await?;
        let agreeing = self.agree(&session, &place, &arguments.name, known);
        let result = or_interrupted(interrupt, interruption, agreeing).await;
        // The end of the session is this user's answer. Yes has a code of its own: a session that is merely dropped must not mean it.
        match &result {
            Ok(()) => {
                let farewell = session.close(close_code::PAIRED, "");
                let _ = arguments.node.runtime.within(FAREWELL, farewell).await;
            }
            Err(failure) if failure.exit() == Exit::Interrupted => {
                session.abort(close_code::INTERRUPTED, "it was stopped by its user");
            }
            // The reason has been given.
            Err(_) => {}
        }
        result
    }

    /// Whether the key at the other end of `session` is to be known as `name`. If not, the session is aborted.
    async fn agree(&self, session: &Session, place: &str, name: &str, known: &mut KnownPeers) -> Result<(), Failure> {
        let (key, output) = (key_of(session), self.output);
        if let Some(peer) = known.find(name) {
            if peer.key != key {
                session.abort(close_code::FAILED, "its key is not the one that is known");
                return Err(peer.has_changed(&key, place));
            }
            output.say(format_args!("{name} is known already, {}", place_of(&peer.origin)), known_peer(peer));
            return Ok(());
        }
        self.tell(place, &format!("the fingerprint of {place} is {}", key.fingerprint()));
        let text = format!("compare both with what its user sees; type 'yes' to trust it as {name}");
        if !Console::new().confirm(|| self.tell(place, &text)).await {
            session.abort(close_code::FAILED, "its user said no");
            let problem = format!("the key of {place} was not confirmed, and nothing is stored");
            let remedy = "pair again, and type 'yes' if the fingerprints are equal";
            return Err(Failure::new(Exit::KeyFile, problem, remedy));
        }
        let added = known.add(name, key);
        let peer = added.inspect_err(|_| session.abort(close_code::FAILED, "its list cannot be written"))?;
        output.say(format_args!("{name} is known from now on, {}", place_of(&peer.origin)), known_peer(peer));
        Ok(())
    }

    fn tell(&self, peer: &str, text: &str) {
        self.output.remark(text, Event::new("pairing").text("peer", peer).text("text", text));
    }
}

/// A line of the list of known peers, for programs.
pub(super) fn known_peer(peer: &KnownPeer) -> Event {
    let event = Event::new("known_peer").text("name", &peer.name).text("public_key", &peer.key.to_base64());
    event.text("path", &peer.origin.file.to_string_lossy()).number("line", peer.origin.line as u64)
}

/// First contact with whoever answers at `address`.
pub(super) async fn meet(
    endpoint: &Endpoint,
    address: SocketAddr,
    purpose: Purpose,
    place: &str,
    options: &NodeOptions,
) -> Result<Session, Failure> {
    let request = ConnectRequest::default().with_user_data(purpose.name().as_bytes());
    let met = endpoint.connect_unknown(address, request).await;
    met.map_err(|error| not_met(&error, options.attempt(endpoint, place)))
}

fn not_met(error: &ConnectError, attempt: Attempt<'_>) -> Failure {
    let place = attempt.address;
    match error {
        ConnectError::Ended { reason, .. }
            if (reason.by, reason.code) == (ClosedBy::Deadline, CloseCode::NO_ANSWER) =>
        {
            let problem = format!("no answer from {place} to a node it does not know");
            let remedy = "check the address, and that 'session listen --pairing' runs there and its user answers";
            Failure::new(Exit::NoAnswer, problem, remedy)
        }
        ConnectError::Ended { reason, .. } if (reason.by, reason.code) == (ClosedBy::Peer, CloseCode::UNAUTHORIZED) => {
            let problem = format!("{place} did not let this node in");
            Failure::new(
                Exit::Unauthorized,
                problem,
                "pair again, and have its user type 'yes' if the fingerprints are equal",
            )
        }
        error => transfer::not_connected(error, attempt),
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
