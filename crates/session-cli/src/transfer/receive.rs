//! The receiving side.

use session_tokio::{Channel, CloseCode, CloseReason, CloseSpace, ClosedBy, RecvError, Session};

use super::message::Entry;
use super::{Answer, CHANNEL, Message, NoMessage, STEP, Why, close_code, next_message};
use crate::exit::Exit;
use crate::inbox::{FilePath, Inbox, InboxError, IncomingFile};

/// What a receiver may tell its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// Files were offered and accepted.
    Begun {
        /// The first.
        first: &'a FilePath,
        /// How many.
        files: usize,
        /// Bytes of all of them.
        bytes: u64,
    },
    /// A file stands in the inbox.
    Delivered {
        /// Its path.
        path: &'a FilePath,
        /// Its bytes.
        length: u64,
        /// Its SHA-256.
        digest: &'a [u8; 32],
    },
}

/// Why not everything stands in the inbox; what stands there is whole.
#[derive(Debug)]
pub enum NotReceived {
    /// It was refused when it was offered. The sender has been told.
    Refused(NotTaken),
    /// It could not be kept. The sender has been told.
    Failed(NotTaken),
    /// The session ended first.
    Closed(CloseReason),
    /// The peer does not keep to the protocol. The session is aborted.
    Unexpected,
}

/// The file or folder that was not taken.
#[derive(Debug)]
pub struct NotTaken {
    /// Its path as the sender offered it: print it with care.
    pub path: String,
    /// Why.
    pub error: InboxError,
}

/// Takes files from a fresh session into `inbox` until the sender closes it.
///
/// # Errors
/// [`NotReceived`]. The sender closes the session then: wait for that.
pub async fn receive(
    session: &Session,
    inbox: &Inbox,
    mut news: impl FnMut(News<'_>) + Send,
) -> Result<(), NotReceived> {
    let channel = session.channel(CHANNEL);
    loop {
        let offer = match next_message(session, &channel).await {
            Ok(Message::Offer(offer)) => offer,
            Err(NoMessage::Closed(reason)) if is_orderly(&reason) => return Ok(()),
            Ok(_) | Err(NoMessage::Unexpected) => return Err(unexpected(session)),
            Err(NoMessage::Closed(reason)) => return Err(NotReceived::Closed(reason)),
        };
        let receiver = Receiver { session, channel: &channel, inbox };
        match receiver.take(&offer, &mut news).await {
            Ok(()) => {}
            Err((index, error)) => {
                let answer = match &error {
                    NotReceived::Refused(not_taken) => Message::Refuse(answer(index, &not_taken.error)),
                    NotReceived::Failed(not_taken) => Message::Failed(answer(index, &not_taken.error)),
                    NotReceived::Closed(_) => return Err(error),
                    NotReceived::Unexpected => return Err(unexpected(session)),
                };
                // A session that ends now has no use for the answer.
                let _ = channel.send(&answer.to_bytes()).await;
                return Err(error);
            }
        }
    }
}

fn is_orderly(reason: &CloseReason) -> bool {
    (reason.by, reason.space, reason.code) == (ClosedBy::Peer, CloseSpace::Application, CloseCode(close_code::DONE))
}

fn unexpected(session: &Session) -> NotReceived {
    session.abort(close_code::UNEXPECTED, "not a message of a session that brings files");
    NotReceived::Unexpected
}

struct Receiver<'a> {
    session: &'a Session,
    channel: &'a Channel,
    inbox: &'a Inbox,
}

impl Receiver<'_> {
    /// One offer and all that belongs to it. An error comes with the place in the offer of what it is about.
    async fn take(
        &self,
        offer: &[Entry],
        news: &mut (impl FnMut(News<'_>) + Send),
    ) -> Result<(), (usize, NotReceived)> {
        let mut accepted = Vec::with_capacity(offer.len());
        for (index, Entry { path, length }) in offer.iter().enumerate() {
            let checked = self.inbox.check(path, *length).map_err(|error| {
                let path = String::from_utf8_lossy(path).into_owned();
                (index, NotReceived::Refused(NotTaken { path, error }))
            })?;
            accepted.push((checked, *length));
        }
        let files = || accepted.iter().filter_map(|(path, length)| length.map(|length| (path, length)));
        if let Some((first, _)) = files().next() {
            let bytes = files().map(|(_, length)| length).fold(0, u64::saturating_add);
            news(News::Begun { first, files: files().count(), bytes });
        }
        self.say(&Message::Accept).await.map_err(|error| (0, error))?;
        for (index, (path, length)) in accepted.iter().enumerate() {
            let taken = match *length {
                None => self.inbox.make_folder(path).map_err(failed(path)),
                Some(length) => self.take_file(path, length, news).await,
            };
            taken.map_err(|error| (index, error))?;
        }
        Ok(())
    }

    async fn take_file(
        &self,
        path: &FilePath,
        length: u64,
        news: &mut (impl FnMut(News<'_>) + Send),
    ) -> Result<(), NotReceived> {
        let mut file = self.inbox.receive(path, length).map_err(failed(path))?;
        self.take_content(&mut file).await?;
        let Message::Digest(digest) = next_message(self.session, self.channel).await? else {
            return Err(NotReceived::Unexpected);
        };
        // The disk may take its time, which other sessions must not wait for.
        smol::unblock(move || file.commit(&digest)).await.map_err(failed(path))?;
        news(News::Delivered { path, length, digest: &digest });
        self.say(&Message::Delivered).await
    }

    async fn take_content(&self, file: &mut IncomingFile) -> Result<(), NotReceived> {
        let mut buffer = vec![0; STEP];
        loop {
            match self.channel.read(&mut buffer).await {
                Ok(Some(chunk)) => {
                    if let Err(error) = file.write(&buffer[..chunk.length]) {
                        return Err(failed(file.path())(error));
                    }
                    if chunk.end {
                        return Ok(());
                    }
                }
                Ok(None) => return Err(NotReceived::Closed(self.session.closed().await)),
                Err(RecvError::Closed(reason)) => return Err(NotReceived::Closed(reason)),
                Err(_) => return Err(NotReceived::Unexpected),
            }
        }
    }

    async fn say(&self, message: &Message) -> Result<(), NotReceived> {
        match self.channel.send(&message.to_bytes()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(NotReceived::Closed(self.session.closed().await)),
        }
    }
}

fn failed(path: &FilePath) -> impl FnOnce(InboxError) -> NotReceived {
    move |error| NotReceived::Failed(NotTaken { path: path.to_string(), error })
}

fn answer(index: usize, error: &InboxError) -> Answer {
    let why = match error.exit() {
        Exit::Collision => Why::Collision,
        Exit::Integrity => Why::Integrity,
        Exit::Io => Why::Io,
        _ => Why::Refused,
    };
    Answer { index: u32::try_from(index).unwrap_or(u32::MAX), why, text: error.to_string() }
}

impl From<NoMessage> for NotReceived {
    fn from(error: NoMessage) -> Self {
        match error {
            NoMessage::Closed(reason) => Self::Closed(reason),
            NoMessage::Unexpected => Self::Unexpected,
        }
    }
}
