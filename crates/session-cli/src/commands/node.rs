//! What the commands that open sessions have in common: the key, the waiting times, the endpoint, the way to a peer.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use session_tokio::{
    BindError, ConnectRequest, Endpoint, EndpointBuilder, RustCrypto, SecondSession, Secret, Session, StaticKey,
    Timeouts,
};

use super::pair::{key_of, known_peer, known_peers, meet, place_of};
use crate::args::NodeOptions;
use crate::clock::now;
use crate::exit::{Exit, Failure, reason};
use crate::interrupt::Interrupt;
use crate::keys::known_peers::KnownPeer;
use crate::keys::{Address, KnownPeers, Peer, PeerAddress, PublicKey, SecretKey};
use crate::output::{Event, Output};
use crate::purpose::{APPLICATION, Purpose};
use crate::transfer::{self, Attempt, CHANNEL, close_code};

/// How long the program waits at its end for the peers to hear of it.
pub(super) const FAREWELL: Duration = Duration::from_secs(3);

/// A peer and how to get there.
pub(super) struct Dialer {
    key: SecretKey,
    receiver: Receiver,
    address: Address,
    options: NodeOptions,
    output: Output,
}

/// Who is dialled.
enum Receiver {
    /// Its key is known; where that is by a line of known_peers and a change may be found out, the line too.
    Known(PublicKey, Option<KnownPeer>),
    /// Only what it will be called, in that list.
    New(String, KnownPeers),
}

/// A session that is up, and the endpoint it is on.
pub(super) struct Connection {
    endpoint: Endpoint,
    /// The session.
    pub(super) session: Session,
    /// The peer's address as the user gave it.
    pub(super) place: String,
    /// From the first datagram to the accept.
    pub(super) handshake: Duration,
}

/// Reads the secret key in `file`.
pub(super) fn load_key(file: &Path) -> Result<SecretKey, Failure> {
    SecretKey::load(file).map_err(|error| error.in_file(Some(file)))
}

/// An endpoint yet to be bound.
pub(super) fn builder(key: &SecretKey, options: &NodeOptions) -> EndpointBuilder {
    let key = StaticKey::new(&RustCrypto, Secret::new(*key.as_bytes()));
    // Several files may be under way from one key at a time.
    let builder = Endpoint::builder(key).application(APPLICATION).channel(CHANNEL).timeouts(options.timeouts());
    builder.second_session(SecondSession::KeepBoth)
}

/// The sentence for an endpoint that cannot be bound to `address`.
pub(super) fn not_bound(error: &BindError, address: SocketAddr) -> Failure {
    match error {
        BindError::Socket(error) => no_socket(error, address, "--bind"),
        error => Failure::new(Exit::Internal, format_args!("no endpoint ({error})"), "report this"),
    }
}

/// The sentence for a socket that cannot be bound to `address`, which the user gave by `option`.
pub(super) fn no_socket(error: &io::Error, address: SocketAddr, option: &str) -> Failure {
    match error.kind() {
        io::ErrorKind::AddrInUse => Failure::new(
            Exit::PortInUse,
            format_args!("{address} is in use by another program"),
            format_args!("stop that one, or choose another port with {option}"),
        ),
        _ => Failure::new(
            Exit::Io,
            format_args!("{address} cannot be bound ({})", reason(error)),
            "give an address of this machine and a port you may use",
        ),
    }
}

/// Runs `work` until it is done or the user stops the program, which is `interruption`.
pub(super) async fn or_interrupted<T>(
    interrupt: &Interrupt,
    interruption: &Failure,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let interrupted = async {
        interrupt.raised().await;
        Err(interruption.clone())
    };
    smol::future::or(work, interrupted).await
}

/// Looks `address` up and binds an endpoint of its family.
pub(super) async fn dial_out(
    key: &SecretKey,
    options: &NodeOptions,
    address: &Address,
) -> Result<(Endpoint, SocketAddr), Failure> {
    let address = look_up(address).await?;
    let any: SocketAddr =
        if address.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let bound = options.runtime.bind(builder(key, options), any).await;
    Ok((bound.map_err(|error| not_bound(&error, any))?, address))
}

impl Dialer {
    /// Reads the key and finds out who `to` is. A name that is not known is a failure, unless `accept_new`.
    pub(super) fn new(
        options: &NodeOptions,
        to: &PeerAddress,
        accept_new: bool,
        output: Output,
    ) -> Result<Self, Failure> {
        let key = load_key(&options.key)?;
        let receiver = match &to.peer {
            Peer::Key(key) => Receiver::Known(*key, None),
            Peer::Name(name) => {
                let known = known_peers()?;
                match known.find(name) {
                    None if accept_new => Receiver::New(name.clone(), known),
                    _ => {
                        let peer = known.named(name)?;
                        Receiver::Known(peer.key, Some(peer.clone()).filter(|_| accept_new))
                    }
                }
            }
        };
        Ok(Self { key, receiver, address: to.address.clone(), options: options.clone(), output })
    }

    /// Opens a session for `purpose`, from an endpoint of its own, unless the user stops that, which is `interruption`.
    pub(super) async fn connect(
        self,
        purpose: Purpose,
        interrupt: &Interrupt,
        interruption: &Failure,
    ) -> Result<Connection, Failure> {
        let options = self.options.clone();
        let dialled = dial_out(&self.key, &options, &self.address);
        let (endpoint, address) = or_interrupted(interrupt, interruption, dialled).await?;
        let opened = or_interrupted(interrupt, interruption, self.open(&endpoint, address, purpose)).await;
        if let Err(failure) = &opened {
            close_after(&endpoint, failure, &options).await;
        }
        let (session, place, handshake) = opened?;
        Ok(Connection { endpoint, session, place, handshake })
    }

    /// The session, the peer's address as the user gave it, and the time of the handshake.
    async fn open(
        self,
        endpoint: &Endpoint,
        address: SocketAddr,
        purpose: Purpose,
    ) -> Result<(Session, String, Duration), Failure> {
        let place = self.address.to_string();
        self.output.remark(format_args!("connecting to {place}"), Event::new("connecting").text("address", &place));
        let start = now();
        let session = match self.receiver {
            Receiver::New(name, mut known) => {
                let session = meet(endpoint, address, purpose, &place, &self.options).await?;
                let added = known.add(&name, key_of(&session));
                let peer = added.inspect_err(|_| session.abort(close_code::FAILED, "its list cannot be written"))?;
                let line = format_args!(
                    "{name} is known from now on by {}, {}",
                    peer.key.fingerprint(),
                    place_of(&peer.origin)
                );
                self.output.remark(line, known_peer(peer));
                session
            }
            Receiver::Known(key, listed) => match dial(endpoint, key, address, purpose, &place, &self.options).await {
                Err(failure) => {
                    return Err(changed_key(endpoint, address, listed, &place, &self.options, failure).await);
                }
                Ok(session) => session,
            },
        };
        let handshake = now().saturating_since(start);
        let (shown, rtt) = (millis(handshake), millis(session.stats().smoothed_rtt));
        let line = format_args!("session with {place} is up, handshake {shown:.1} ms, RTT {rtt:.1} ms");
        let event = Event::new("connected").text("address", &place);
        self.output.remark(line, event.decimal("handshake_ms", Some(shown)).decimal("rtt_ms", Some(rtt)));
        Ok((session, place, handshake))
    }
}

async fn dial(
    endpoint: &Endpoint,
    key: PublicKey,
    address: SocketAddr,
    purpose: Purpose,
    place: &str,
    options: &NodeOptions,
) -> Result<Session, Failure> {
    let public = session_tokio::PublicKey::from_bytes(*key.as_bytes()).map_err(|_| {
        let problem = format!("{} is not a public key that can be used", key.to_base64());
        Failure::new(Exit::KeyFile, problem, "give the key that the peer's 'session pubkey' prints")
    })?;
    let request = ConnectRequest::default().with_user_data(purpose.name().as_bytes());
    let connected = endpoint.connect_with(public, address, request).await;
    connected.map_err(|error| transfer::not_connected(&error, options.attempt(endpoint, place)))
}

/// Silence may mean that another key than the one that is `listed` answers there. Finding out trusts nobody.
async fn changed_key(
    endpoint: &Endpoint,
    address: SocketAddr,
    listed: Option<KnownPeer>,
    place: &str,
    options: &NodeOptions,
    failure: Failure,
) -> Failure {
    if let Some(peer) = listed.filter(|_| failure.exit() == Exit::NoAnswer)
        && let Ok(session) = meet(endpoint, address, Purpose::Pair, place, options).await
    {
        let other = key_of(&session);
        session.abort(close_code::FAILED, "its key is not the one that is known");
        if other != peer.key {
            return peer.has_changed(&other, place);
        }
    }
    failure
}

/// Ends `endpoint` after `failure`, for a limited time. Dropping it is not enough: the task that answers SIGUSR1 has it too.
pub(super) async fn close_after(endpoint: &Endpoint, failure: &Failure, options: &NodeOptions) {
    let farewell = match failure.exit() {
        Exit::Interrupted => endpoint.close(close_code::INTERRUPTED, "it was stopped by its user"),
        _ => endpoint.close(close_code::FAILED, "it has failed"),
    };
    let _ = options.runtime.within(FAREWELL, farewell).await;
}

impl Connection {
    /// Ends the session in order, and then the endpoint; for a limited time.
    pub(super) async fn close(self, options: &NodeOptions) {
        let _ = options.runtime.within(FAREWELL, self.session.close(close_code::DONE, "")).await;
        let _ = options.runtime.within(FAREWELL, self.endpoint.close(close_code::DONE, "")).await;
    }

    /// Tells the peer that the user stopped the program.
    pub(super) fn interrupt(&self) {
        self.session.abort(close_code::INTERRUPTED, "it was stopped by its user");
    }
}

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// The address that a host name stands for.
pub(super) async fn look_up(address: &Address) -> Result<SocketAddr, Failure> {
    let (name, port) = match address {
        Address::Socket(address) => return Ok(*address),
        Address::Host { name, port } => (name.clone(), *port),
    };
    let host = name.clone();
    let found = smol::unblock(move || (host.as_str(), port).to_socket_addrs().map(|mut addresses| addresses.next()));
    let (why, found) = match found.await {
        Ok(found) => ("it has no address".to_owned(), found),
        Err(error) => (reason(&error), None),
    };
    found.ok_or_else(|| {
        let problem = format!("host {name} is not found ({why})");
        Failure::new(Exit::NoAnswer, problem, "check the name, or give an IP address")
    })
}

impl NodeOptions {
    fn timeouts(&self) -> Timeouts {
        let connect = Duration::from_millis(self.connect_timeout_ms);
        let keepalive = Duration::from_millis(self.keepalive_ms);
        // A transfer may wait for a slow disk as long as it likes: the keepalives tell that the peer lives.
        let mut timeouts = Timeouts::default();
        (timeouts.connect, timeouts.keepalive, timeouts.idle) = (connect, keepalive, None);
        timeouts
    }

    /// An attempt from `endpoint`, for what is said when it fails.
    pub(super) fn attempt<'a>(&self, endpoint: &Endpoint, place: &'a str) -> Attempt<'a> {
        let patience = Duration::from_millis(self.connect_timeout_ms);
        Attempt { address: place, patience, came_back: endpoint.stats().datagrams_received }
    }
}
