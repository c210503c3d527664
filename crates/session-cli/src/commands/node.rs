//! What `listen` and `send` have in common: the key, the waiting times, the endpoint.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::time::Duration;

use session_tokio::{BindError, Endpoint, EndpointBuilder, RustCrypto, SecondSession, Secret, StaticKey, Timeouts};

use crate::args::NodeOptions;
use crate::exit::{Exit, Failure, reason};
use crate::interrupt::Interrupt;
use crate::keys::{Address, SecretKey};
use crate::transfer::{APPLICATION, CHANNEL};

/// How long the program waits at its end for the peers to hear of it.
pub(super) const FAREWELL: Duration = Duration::from_secs(3);

/// Reads the secret key in `file`.
pub(super) fn load_key(file: &Path) -> Result<SecretKey, Failure> {
    SecretKey::load(file).map_err(|error| error.in_file(Some(file)))
}

/// An endpoint for files, yet to be bound.
pub(super) fn builder(key: &SecretKey, options: &NodeOptions) -> EndpointBuilder {
    let key = StaticKey::new(&RustCrypto, Secret::new(*key.as_bytes()));
    // Several files may be under way from one key at a time.
    let builder = Endpoint::builder(key).application(APPLICATION).channel(CHANNEL).timeouts(options.timeouts());
    builder.second_session(SecondSession::KeepBoth)
}

/// The sentence for an endpoint that cannot be bound to `address`.
pub(super) fn not_bound(error: &BindError, address: SocketAddr) -> Failure {
    match error {
        BindError::Socket(error) if error.kind() == io::ErrorKind::AddrInUse => Failure::new(
            Exit::PortInUse,
            format_args!("{address} is in use by another program"),
            "stop that one, or choose another port with --bind",
        ),
        BindError::Socket(error) => Failure::new(
            Exit::Io,
            format_args!("{address} cannot be bound ({})", reason(error)),
            "give an address of this machine and a port you may use",
        ),
        error => Failure::new(Exit::Internal, format_args!("no endpoint ({error})"), "report this"),
    }
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

async fn look_up(address: &Address) -> Result<SocketAddr, Failure> {
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

    /// How long a peer may take to answer.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }
}
