//! Async handles for `session-core`, without a runtime.
//!
//! `session-tokio` and `session-smol` put a socket, a timer and a task under this crate and re-export its handles: use one of them.
//! To run on another runtime, implement [`seam::AsyncUdpSocket`] and [`seam::Timer`] and spawn the [`seam::Driver`].
//!
//! Handles and the driver's task share one core behind a mutex (`docs/adr/0006-driver-shares-a-locked-endpoint.md`): a command is answered at once, with the core's own back-pressure, and no queue holds a second copy of the data.
//!
//! With a subscriber of `tracing`, each session has a span `session` with its local number, and in it, at level `INFO`: `connecting` or `incoming`,
//! `established`, `ended` with who ended it and the code. At level `WARN`, outside of all spans: a new socket that the runtime refuses after
//! [`Endpoint::rebind`]. Keys, addresses and what peers say are never told.
#![forbid(unsafe_code)]

mod builder;
mod bytes;
mod channel;
mod clock;
mod directory;
mod driver;
mod dynamic;
mod endpoint;
mod error;
mod expired;
#[cfg(test)]
mod fake;
mod figures;
mod inbox;
mod incoming;
mod messages;
mod outbox;
mod provider;
mod record;
mod request;
mod session;
mod session_map;
mod shared;
mod socket;
mod trace;
mod udp;
mod wait;
mod waiters;

pub use builder::EndpointBuilder;
pub use bytes::{ByteReader, ByteStream, ByteWriter};
pub use channel::Channel;
pub use directory::{DirectoryChange, DirectoryEvent, Missed, Watch};
pub use endpoint::{ConnectRequest, Endpoint, EndpointStats};
pub use error::{AcceptError, BindError, ConnectError, RecvError, SendError};
pub use incoming::Incoming;
pub use messages::{MessageSink, Messages};
pub use request::{
    ChannelTaken, Request, RequestError, RequestOptions, Requester, RequesterStats, RespondError, Responder,
    ResponderStats, Status,
};
pub use session::Session;

pub use session_core::{
    ChannelConfig, ChannelId, ChannelLimits, ChannelMode, ChannelOptions, ChannelStats, Chunk, CloseCode, CloseReason,
    CloseReport, CloseSpace, ClosedBy, DhError, DiscardReason, Discards, EndChannelError, ExtendError, Heard, Limits,
    MessageId, OpenChannelError, OpenError, PeerId, Provider, PskName, PublicKey, RustCrypto, SecondSession, Secret,
    SessionId, State, StaticKey, Stats, Text, Timeouts, Uid,
};

/// What a runtime's adapter implements and starts. Not for applications: it may change with any release.
#[doc(hidden)]
pub mod seam {
    pub use crate::clock::Clock;
    pub use crate::driver::Driver;
    pub use crate::socket::{AsyncUdpSocket, Datagrams, RecvMeta, Timer};
    pub use crate::udp::{Udp, bind};
}
