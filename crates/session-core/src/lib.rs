//! One long-lived, secure session between two nodes, as a sans-IO protocol core.
//!
//! The core reads no clock, opens no socket, draws no randomness and starts no thread. Datagrams, commands and timestamps go in; one
//! method, [`Endpoint::poll_action`], hands everything out: a datagram to send, an event to tell, or how long there is nothing to do. The
//! same code runs in a server's event loop, in an async runtime and on a microcontroller. What the bytes mean stands in `docs/protocol.md`.
//!
//! # The whole loop
//!
//! This is all an embedder writes. The example `custom_loop` is this function with a file-sized message around it.
//!
//! ```
//! use std::net::UdpSocket;
//! use session_core::{Action, Arrival, Carrier, ChannelId, Endpoint, Event, Instant, Link};
//!
//! fn run(
//!     endpoint: &mut Endpoint,
//!     socket: &UdpSocket,
//!     now: impl Fn() -> Instant,
//!     mut on_event: impl FnMut(&mut Endpoint, Event, Instant) -> bool,
//! ) -> std::io::Result<()> {
//!     let (mut out, mut buffer) = (vec![0; endpoint.max_datagram()], vec![0; 65_536]);
//!     let local = socket.local_addr()?.into();
//!     loop {
//!         let deadline = loop {
//!             match endpoint.poll_action(&mut out, now()) {
//!                 Action::Transmit(transmit) => {
//!                     if let session_core::Address::Ip(remote) = transmit.link.remote {
//!                         let _ = socket.send_to(&out[..transmit.len], remote); // a lost datagram is the protocol's business
//!                     }
//!                 }
//!                 Action::Event(event) if !on_event(endpoint, event, now()) => return Ok(()),
//!                 Action::NeedsRoom(bytes) => out.resize(bytes, 0),
//!                 Action::Wait(deadline) => break deadline,
//!                 _ => {}
//!             }
//!         };
//!         socket.set_read_timeout(deadline.map(|d| d.at.saturating_since(now()).max(std::time::Duration::from_millis(1))))?;
//!         if let Ok((length, remote)) = socket.recv_from(&mut buffer) {
//!             let link = Link { carrier: Carrier(0), local, remote: remote.into() };
//!             let _ = endpoint.handle_datagram(&mut buffer[..length], Arrival::new(link), now());
//!         }
//!         endpoint.handle_timeout(now());
//!     }
//! }
//!
//! /// The application may answer at once: what it sends leaves with the next actions. This one lets everybody in and says hello.
//! fn on_event(endpoint: &mut Endpoint, event: Event, now: Instant) -> bool {
//!     match event {
//!         Event::Incoming(id) => {
//!             let _ = endpoint.session_mut(id, now).map(|mut session| session.accept(b""));
//!         }
//!         Event::Established(id) => {
//!             let _ = endpoint.session_mut(id, now).map(|mut session| session.send(b"hello", ChannelId(16)));
//!         }
//!         Event::Closed(id) => endpoint.forget(id),
//!         _ => {}
//!     }
//!     true
//! }
//! # let _ = |endpoint: &mut Endpoint, socket: &UdpSocket, now: fn() -> Instant| run(endpoint, socket, now, on_event);
//! ```
//!
//! # Using it
//!
//! 1. Make a [`Config`] from your [`StaticKey`] and choose [`Limits`]; [`Endpoint::new`] allocates everything it will ever need, but for pages of
//!    session slots and of the records of sessions and channels beside them. The [`Seed`] comes from the operating system and is never used twice.
//! 2. [`Endpoint::connect`] begins a session with a peer whose [`PublicKey`] you know, or with a stranger ([`Peer::Unknown`]) that pairs
//!    ([`Endpoint::set_pairing`]). The other side sees [`Event::Incoming`] and answers with [`SessionMut::accept`] or [`SessionMut::refuse`]. Both then
//!    see [`Event::Established`].
//! 3. [`SessionMut::send`] queues a message on a channel, which keeps the promise of its [`ChannelMode`]; on reliable-ordered ones larger messages are
//!    streamed with `begin`, `write`, `finish`. On [`Event::Readable`], take whole messages with [`SessionMut::recv`] until there is none or, there again, pieces with
//!    [`SessionMut::read`]. A full channel says [`SendError::Blocked`]; [`Event::Writable`] says when to go on. [`request`] makes requests and responses of messages.
//!    [`SessionMut::send_with`] gives a message a deadline ([`SendOptions`]): what is late is given up, [`Event::Expired`] says so, and
//!    [`SessionMut::take_expired`] names it. Where [`Config::channel_limits`] and [`Limits::opened_channels`] allow it, either side opens further
//!    channels while the session lives ([`SessionMut::open_channel`]) and ends them ([`SessionMut::finish_channel`], [`SessionMut::reset_channel`],
//!    [`SessionMut::stop_channel`]).
//! 4. [`SessionMut::close`] ends it after flushing, [`SessionMut::abort`] at once. [`Event::Closed`] is always the last event but for
//!    [`Event::Removed`]; then ask [`SessionRef::close_reason`] and [`SessionRef::close_report`], and [`Endpoint::forget`] it.
//! 5. [`Endpoint::sessions_of`], [`Endpoint::sessions_at`] and [`Endpoint::session_by_uid`] find sessions; [`SecondSession`] says what a second one of the
//!    same peer means.
//!
//! A device that talks to one peer uses [`Session`] instead: the same loop and commands, no ids, and nothing to forget.
//!
//! # What holds
//!
//! * Every method is legal in any state, in any order, with any `now`; commands are all or nothing; nothing panics.
//! * A datagram that is not authentic changes nothing but a counter: [`Received::Discarded`] and an equal [`Endpoint::digest`].
//! * Opening, closing, sending and receiving allocate nothing once there were as many sessions, channels and channels with messages that had or
//!   missed a deadline as are there at a time.
//! * The same seed and the same calls give the same bytes.
//! * A deadline that was served does not come back at the instant it was served.
//!
//! # Inside, from the bottom up
//!
//! | level | modules | what they are |
//! |---|---|---|
//! | 0 | `time` `optional` `ids` `limits` `memory_need` `seed` `action` `reason` `channel_config` `send_options` `state_hash` | vocabulary |
//! | 1 | `wire`, `crypto::suite` | bytes and primitives, no state |
//! | 2 | `crypto`, `recovery`, `pool`, `slab`, `memory`, `config`, `shared` | keys, calculators, memory |
//! | 3 | `handshake`, `channel`, `path`, `request` | machines of one concern |
//! | 4 | `session` | one session: states as a table, receive, transmit, deadlines |
//! | 5 | `endpoint` | many sessions: routing, admission, scheduling |
//!
//! A file imports from lower levels only; `just layers` proves it. What nearly all packets are goes a straight way beside the general one (ADR 0022). Decisions stand
//! in `docs/adr/`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

/// Compiles and runs the examples of the page.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;

mod action;
mod channel;
mod channel_config;
mod config;
mod congestion_control;
mod crypto;
mod endpoint;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod handshake;
mod ids;
mod limits;
mod memory;
mod memory_need;
mod optional;
mod path;
mod pool;
mod reason;
mod recovery;
pub mod request;
mod seed;
mod send_options;
mod session;
mod shared;
mod slab;
mod state_hash;
mod time;
mod wire;

pub use action::{
    Action, Address, Arrival, Carrier, CarrierConfig, Deadline, Ecn, Event, Link, Migration, Received, Timeouts,
    TimerKind, Transmit,
};
pub use channel::Chunk;
pub use channel_config::{ChannelConfig, ChannelLimits, ChannelMode, ChannelOptions};
pub use config::{Config, ConnectOptions, Peer, PskName, SecondSession};
pub use congestion_control::CongestionControl;
pub use crypto::{
    DhError, InvalidPublicKey, OpenError, Provider, PublicKey, RustCrypto, RustCryptoKey, Secret, StaticKey,
};
pub use endpoint::{Dump, Endpoint, Session, SessionMut, SessionRef};
pub use ids::{ChannelId, MessageId, PeerId, Role, SessionId, Uid};
pub use limits::{
    Limits, MAX_CARRIERS, MAX_CHANNELS, MAX_COSTLY_FRAMES, MAX_DYNAMIC_CHANNELS, MAX_EXPIRING, MAX_SPARE_IDS,
    MAX_TENTATIVE_PER_PEER, MAX_TEXT, MAX_USER_DATA, MIN_UDP_DATAGRAM, TIMEOUTS_PER_CALL,
};
pub use memory_need::MemoryNeed;
pub use reason::{
    AnswerError, CloseCode, CloseReason, CloseSpace, ClosedBy, ConfigError, ConnectError, DiscardReason, Discards,
    EndChannelError, ExtendError, MigrateError, OpenChannelError, RecvError, SendError, Text,
};
pub use seed::Seed;
pub use send_options::SendOptions;
pub use session::{ChannelStats, CloseReport, Expiry, Heard, State, Stats};
pub use time::Instant;
