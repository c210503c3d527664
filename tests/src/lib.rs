//! What the tests of the whole share: nodes and links in virtual time, applications that check what they get, and recorders.
//!
//! Of the harnesses of two ends and more:
//! - [`World`]: any number of nodes over links with faults, delay and addresses that move; the one to begin with.
//! - [`two`]: a [`World`] of Alice and Bob, and the commands most scenarios give them.
//! - [`Duo`]: two stand-alone [`Session`](session_core::Session)s, where there is no endpoint.
//! - [`Pair`]: two endpoints with thousands of sessions, whose provider computes nothing and whose wire takes no time.

pub mod campaign;
pub mod counting;
pub mod duo;
pub mod flow;
pub mod noise;
pub mod null;
pub mod pair;
pub mod traffic;
pub mod turnover;
pub mod two;

pub use campaign::Campaign;
pub use duo::Duo;
pub use flow::{Flow, Flows, Message};
pub use noise::Noise;
pub use null::Null;
pub use pair::Pair;
pub use session_sim::{Contact, PSK, Recording, Setup, World, world};
pub use turnover::Turnover;
