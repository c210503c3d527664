//! The sending side.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::OFlags;
use session_tokio::{Channel, CloseReason, SendError, Session};
use sha2::{Digest as _, Sha256};

use super::{Answer, CHANNEL, Message, NoMessage, STEP, close_code, next_message};
use crate::exit::{Exit, Failure, reason};
use crate::text::printable_path;

/// A file to send, held open: it may lose its name while it is sent.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    length: u64,
}

/// Why a file was not delivered.
#[derive(Debug)]
pub enum NotSent {
    /// The file cannot be read any further.
    Unreadable(io::Error),
    /// The file got shorter while it was sent.
    Shrank {
        /// Bytes it had when it was offered.
        offered: u64,
        /// Bytes it has now.
        left: u64,
    },
    /// The receiver does not want it.
    Refused(Answer),
    /// The receiver could not keep it.
    Failed(Answer),
    /// The session ended.
    Closed(CloseReason),
    /// The peer does not keep to `session-file/1`.
    Unexpected,
}

impl Source {
    /// Opens `path`, which must be a regular file.
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error: io::Error| {
            let problem = format!("file {} cannot be read ({})", printable_path(path), reason(&error));
            Failure::new(Exit::Io, problem, "check the path and its permissions")
        };
        // Without NONBLOCK, opening a pipe would wait for a writer.
        let nonblock = OFlags::NONBLOCK.bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            let problem = format!("{} is not a regular file", printable_path(path));
            return Err(Failure::new(Exit::Io, problem, "name a file; pack a folder first"));
        }
        Ok(Self { path: path.to_owned(), file, length: metadata.len() })
    }

    /// The name it is offered under.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.path.file_name().unwrap_or_default().as_bytes()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes when it was opened.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }
}

/// Sends `source` over a fresh session and waits for the verdict; returns the SHA-256 that both ends agree upon. `sent` counts the bytes
/// of content given to the session.
///
/// # Errors
/// [`NotSent`]; the session is then aborted, and the peer told why.
pub async fn send(session: &Session, source: &mut Source, sent: &AtomicU64) -> Result<[u8; 32], NotSent> {
    let result = exchange(session, source, sent).await;
    match &result {
        Ok(_) | Err(NotSent::Closed(_)) => {}
        Err(NotSent::Unreadable(_) | NotSent::Shrank { .. }) => {
            session.abort(close_code::FAILED, "the file cannot be read any further");
        }
        Err(NotSent::Refused(_) | NotSent::Failed(_)) => session.abort(close_code::FAILED, ""),
        Err(NotSent::Unexpected) => session.abort(close_code::UNEXPECTED, "not a message of session-file/1"),
    }
    result
}

async fn exchange(session: &Session, source: &mut Source, sent: &AtomicU64) -> Result<[u8; 32], NotSent> {
    let channel = session.channel(CHANNEL);
    let offer = Message::Offer { name: source.name().to_vec(), length: source.length };
    if let Err(error) = channel.send(&offer.to_bytes()).await {
        return Err(closed(session, error).await);
    }
    match next_message(session, &channel).await {
        Ok(Message::Accept) => {}
        Ok(Message::Refuse(answer)) => return Err(NotSent::Refused(answer)),
        Ok(_) => return Err(NotSent::Unexpected),
        Err(error) => return Err(error.into()),
    }
    // The receiver may give up at any time, so its answer is waited for from the start.
    let mut digest = None;
    let answer = async { next_message(session, &channel).await.map_err(NotSent::from) };
    let content = async {
        digest = Some(stream(session, &channel, source, sent).await?);
        smol::future::pending().await
    };
    let answer = smol::future::or(answer, content).await?;
    match (answer, digest) {
        (Message::Delivered, Some(digest)) => Ok(digest),
        (Message::Failed(answer), _) => Err(NotSent::Failed(answer)),
        _ => Err(NotSent::Unexpected),
    }
}

/// Sends the content and its SHA-256.
async fn stream(
    session: &Session,
    channel: &Channel,
    source: &mut Source,
    sent: &AtomicU64,
) -> Result<[u8; 32], NotSent> {
    let mut buffer = vec![0; STEP];
    let mut hash = Sha256::new();
    let mut done = 0;
    if let Err(error) = channel.begin().await {
        return Err(closed(session, error).await);
    }
    while done < source.length {
        let want = usize::try_from(source.length - done).unwrap_or(STEP).min(STEP);
        let count = match source.file.read(&mut buffer[..want]) {
            Ok(0) => return Err(NotSent::Shrank { offered: source.length, left: done }),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(NotSent::Unreadable(error)),
        };
        hash.update(&buffer[..count]);
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            match channel.write(rest).await {
                Ok(written) => rest = &rest[written..],
                Err(error) => return Err(closed(session, error).await),
            }
            sent.store(done + (count - rest.len()) as u64, Ordering::Relaxed);
        }
        done += count as u64;
    }
    let digest = hash.finalize().into();
    let finished = match channel.finish().await {
        Ok(_) => channel.send(&Message::Digest(digest).to_bytes()).await,
        Err(error) => Err(error),
    };
    match finished {
        Ok(_) => Ok(digest),
        Err(error) => Err(closed(session, error).await),
    }
}

async fn closed(session: &Session, error: SendError) -> NotSent {
    match error {
        SendError::Closed(_) => NotSent::Closed(session.closed().await),
        _ => NotSent::Unexpected,
    }
}

impl From<NoMessage> for NotSent {
    fn from(error: NoMessage) -> Self {
        match error {
            NoMessage::Closed(reason) => Self::Closed(reason),
            NoMessage::Unexpected => Self::Unexpected,
        }
    }
}
