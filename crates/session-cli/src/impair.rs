//! A UDP relay that treats datagrams as a bad link does: the model of `session-sim` between sockets, in real time.

mod clients;
mod description;
mod relay;

pub use clients::{IDLE, MAX_CLIENTS};
pub use description::{Description, Rate};
pub use relay::{Phase, Relay, Report, Settings, StartError};
