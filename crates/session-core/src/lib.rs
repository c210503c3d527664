//! One long-lived, secure session between two nodes, as a sans-IO protocol core.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod action;
mod channel;
mod config;
mod crypto;
mod endpoint;
mod handshake;
mod ids;
mod limits;
mod path;
mod pool;
mod reason;
mod recovery;
mod seed;
mod session;
mod shared;
mod state_hash;
mod time;
mod wire;

pub use action::{
    Action, Address, Arrival, Carrier, CarrierConfig, Deadline, Ecn, Event, Link, Received, Timeouts, TimerKind, Transmit,
};
pub use channel::Chunk;
pub use config::{Config, ConnectOptions, Peer, PskName};
pub use crypto::{
    DhError, InvalidPublicKey, OpenError, Provider, PublicKey, RustCrypto, RustCryptoKey, Secret, StaticKey,
};
pub use endpoint::{Endpoint, SessionMut, SessionRef};
pub use ids::{ChannelId, MessageId, PeerId, Role, SessionId, Uid};
pub use limits::{Limits, MAX_TEXT, MAX_USER_DATA, MIN_UDP_DATAGRAM};
pub use reason::{
    AnswerError, CloseCode, CloseReason, CloseSpace, ClosedBy, ConfigError, ConnectError, DiscardReason, Discards, RecvError,
    SendError, Text,
};
pub use seed::Seed;
pub use session::{State, Stats};
pub use time::Instant;
