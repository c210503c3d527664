//! What the tests of the whole share: nodes and links in virtual time, applications that check what they get, and recorders.

pub mod campaign;
pub mod counting;
pub mod duo;
pub mod flow;
pub mod noise;
pub mod null;
pub mod pair;
pub mod recording;
pub mod traffic;
pub mod turnover;
pub mod two;
pub mod world;

pub use campaign::Campaign;
pub use duo::Duo;
pub use flow::{Flow, Flows, Message};
pub use noise::Noise;
pub use null::Null;
pub use pair::Pair;
pub use recording::Recording;
pub use turnover::Turnover;
pub use world::{Contact, PSK, Setup, World};
