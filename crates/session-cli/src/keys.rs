//! Keys and lists of keys on disk.

pub mod authorized;
pub mod configuration;
pub mod known_peers;
mod list;
pub mod peer;
pub mod public;
pub mod secret_file;

pub use authorized::AuthorizedPeers;
pub use known_peers::KnownPeers;
pub use peer::{Address, Peer, PeerAddress, PeerAddressError};
pub use public::PublicKey;
pub use secret_file::SecretKey;
