//! What `listen` and `send` have in common: the key, the waiting times, the endpoint.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use session_tokio::{BindError, Endpoint, EndpointBuilder, RustCrypto, SecondSession, Secret, StaticKey, Timeouts};

use crate::args::NodeOptions;
use crate::exit::{Exit, Failure, reason};
use crate::keys::SecretKey;
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
