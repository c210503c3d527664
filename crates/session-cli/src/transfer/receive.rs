//! The receiving side.

use session_tokio::{Channel, CloseReason, RecvError, Session};

use super::{Answer, CHANNEL, Message, NoMessage, STEP, Why, close_code, next_message};
use crate::exit::Exit;
use crate::inbox::{FileName, Inbox, InboxError, IncomingFile};

/// A file that stands in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its name.
    pub name: FileName,
    /// Its bytes.
    pub length: u64,
    /// Its SHA-256.
    pub digest: [u8; 32],
}

/// Why no file stands in the inbox; nothing is left there.
#[derive(Debug)]
pub enum NotReceived {
    /// It was refused when it was offered. The sender has been told.
    Refused(InboxError),
    /// It could not be kept. The sender has been told.
    Failed(InboxError),
    /// The session ended first.
    Closed(CloseReason),
    /// The peer does not keep to `session-file/1`. The session is aborted.
    Unexpected,
}

/// Takes one file from a fresh session into `inbox`; `on_start` hears of it once it is accepted.
///
/// After the answer the sender closes the session: wait for that.
///
/// # Errors
/// [`NotReceived`].
pub async fn receive(
    session: &Session,
    inbox: &Inbox,
    on_start: impl FnOnce(&IncomingFile) + Send,
) -> Result<Delivery, NotReceived> {
    let channel = session.channel(CHANNEL);
    let result = exchange(session, &channel, inbox, on_start).await;
    let answer = match &result {
        Ok(_) => Message::Delivered,
        Err(NotReceived::Refused(error)) => Message::Refuse(answer(error)),
        Err(NotReceived::Failed(error)) => Message::Failed(answer(error)),
        Err(NotReceived::Closed(_)) => return result,
        Err(NotReceived::Unexpected) => {
            session.abort(close_code::UNEXPECTED, "not a message of session-file/1");
            return result;
        }
    };
    // A session that ends now takes nothing away from what stands in the inbox.
    let _ = channel.send(&answer.to_bytes()).await;
    result
}

async fn exchange(
    session: &Session,
    channel: &Channel,
    inbox: &Inbox,
    on_start: impl FnOnce(&IncomingFile) + Send,
) -> Result<Delivery, NotReceived> {
    let Message::Offer { name, length } = next_message(session, channel).await? else {
        return Err(NotReceived::Unexpected);
    };
    let mut file = inbox.offer(&name, length).map_err(NotReceived::Refused)?;
    on_start(&file);
    if channel.send(&Message::Accept.to_bytes()).await.is_err() {
        return Err(NotReceived::Closed(session.closed().await));
    }
    take_content(session, channel, &mut file).await?;
    let Message::Digest(digest) = next_message(session, channel).await? else {
        return Err(NotReceived::Unexpected);
    };
    // The disk may take its time, which other sessions must not wait for.
    let name = smol::unblock(move || file.commit(&digest)).await.map_err(NotReceived::Failed)?;
    Ok(Delivery { name, length, digest })
}

async fn take_content(session: &Session, channel: &Channel, file: &mut IncomingFile) -> Result<(), NotReceived> {
    let mut buffer = vec![0; STEP];
    loop {
        match channel.read(&mut buffer).await {
            Ok(Some(chunk)) => {
                file.write(&buffer[..chunk.length]).map_err(NotReceived::Failed)?;
                if chunk.end {
                    return Ok(());
                }
            }
            Ok(None) => return Err(NotReceived::Closed(session.closed().await)),
            Err(RecvError::Closed(reason)) => return Err(NotReceived::Closed(reason)),
            Err(_) => return Err(NotReceived::Unexpected),
        }
    }
}

fn answer(error: &InboxError) -> Answer {
    let why = match error.exit() {
        Exit::Collision => Why::Collision,
        Exit::Integrity => Why::Integrity,
        Exit::Io => Why::Io,
        _ => Why::Refused,
    };
    Answer { why, text: error.to_string() }
}

impl From<NoMessage> for NotReceived {
    fn from(error: NoMessage) -> Self {
        match error {
            NoMessage::Closed(reason) => Self::Closed(reason),
            NoMessage::Unexpected => Self::Unexpected,
        }
    }
}
