//! Files over one session: offer, answer, contents, SHA-256, verdicts. Written once, for every runtime.

mod crossing;
mod failure;
mod message;
mod receive;
mod send;
mod tree;

pub use crossing::Crossing;
pub use failure::{Attempt, ended, not_connected, unexpected, why_ended};
pub use message::{Answer, Entry, MAX_MESSAGE, Malformed, Message, Why};
pub use receive::{News, NotReceived, NotTaken, receive};
pub use send::{NotSent, send};
pub use tree::{LeftOut, Source, Tree};

use session_tokio::{Channel, ChannelId, CloseReason, RecvError, Session};

/// The channel everything is on.
pub const CHANNEL: ChannelId = ChannelId(16);
/// Bytes of content moved at a time.
const STEP: usize = 256 * 1024;

/// The application's close codes.
pub mod close_code {
    /// The transfer is complete.
    pub const DONE: u64 = 0;
    /// The user stopped the program.
    pub const INTERRUPTED: u64 = 1;
    /// The transfer has failed, and both ends know why.
    pub const FAILED: u64 = 2;
    /// The peer sent what the protocol does not have at this place.
    pub const UNEXPECTED: u64 = 3;
    /// The user who asked to pair has said yes.
    pub const PAIRED: u64 = 4;
}

/// Why no message came.
enum NoMessage {
    Closed(CloseReason),
    Unexpected,
}

async fn next_message(session: &Session, channel: &Channel) -> Result<Message, NoMessage> {
    let mut bytes = Vec::new();
    match channel.recv(&mut bytes, MAX_MESSAGE).await {
        Ok(Some(_)) => Message::parse(&bytes).map_err(|Malformed| NoMessage::Unexpected),
        Ok(None) => Err(NoMessage::Closed(session.closed().await)),
        Err(RecvError::Closed(reason)) => Err(NoMessage::Closed(reason)),
        Err(_) => Err(NoMessage::Unexpected),
    }
}

/// A digest as people compare it.
#[must_use]
pub fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
