//! The sending side.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use session_tokio::{Channel, CloseReason, SendError, Session};
use sha2::{Digest as _, Sha256};

use super::message::{Entry, MAX_OFFER};
use super::{Answer, CHANNEL, Crossing, Message, NoMessage, STEP, Source, Tree, close_code, next_message};
use crate::inbox::FilePath;

/// Why not everything was delivered.
#[derive(Debug)]
pub enum NotSent {
    /// The file cannot be read, or not any further.
    Unreadable {
        /// The file.
        place: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file got shorter while it was sent.
    Shrank {
        /// The file.
        place: PathBuf,
        /// Bytes it had when it was offered.
        offered: u64,
        /// Bytes it has now.
        left: u64,
    },
    /// The receiver does not want it.
    Refused {
        /// The file.
        place: PathBuf,
        /// What it was offered as.
        path: FilePath,
        /// Why.
        answer: Answer,
    },
    /// The receiver could not keep it.
    Failed {
        /// The file.
        place: PathBuf,
        /// What it was offered as.
        path: FilePath,
        /// Why.
        answer: Answer,
    },
    /// The session ended.
    Closed(CloseReason),
    /// The peer does not keep to the protocol.
    Unexpected,
}

/// Sends `tree` over a fresh session and waits for the verdict on each file. `crossing` learns where their content goes, to tell how much of it
/// has arrived; `on_delivered` hears of each file that stands, with the SHA-256 that both ends agree upon.
///
/// # Errors
/// [`NotSent`]; the session is then aborted, and the peer told why. What was delivered before stays delivered.
pub async fn send(
    session: &Session,
    tree: &Tree,
    crossing: &Crossing,
    mut on_delivered: impl FnMut(&Source, &[u8; 32]),
) -> Result<(), NotSent> {
    let sender = Sender { session, channel: session.channel(CHANNEL), crossing };
    let mut result = Ok(());
    for batch in batches(tree.entries()) {
        result = sender.exchange(&tree.entries()[batch], &mut on_delivered).await;
        if result.is_err() {
            break;
        }
    }
    match &result {
        Ok(()) | Err(NotSent::Closed(_)) => {}
        Err(NotSent::Unreadable { .. } | NotSent::Shrank { .. }) => {
            session.abort(close_code::FAILED, "the file cannot be read any further");
        }
        Err(NotSent::Refused { .. } | NotSent::Failed { .. }) => session.abort(close_code::FAILED, ""),
        Err(NotSent::Unexpected) => {
            session.abort(close_code::UNEXPECTED, "not a message of a session that brings files")
        }
    }
    result
}

/// Cuts `entries` into pieces that fit into one offer each.
fn batches(entries: &[Source]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let mut room = MAX_OFFER;
        let fits = |source: &&Source| match room.checked_sub(entry(source).size()) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        };
        let batch = start..start + entries[start..].iter().take_while(fits).count();
        start = batch.end;
        (!batch.is_empty()).then_some(batch)
    })
}

fn entry(source: &Source) -> Entry {
    Entry { path: source.path.as_str().as_bytes().to_vec(), length: source.length }
}

struct Sender<'a> {
    session: &'a Session,
    channel: Channel,
    crossing: &'a Crossing,
}

/// SHA-256 of the files that are sent and not answered yet.
type Digests = Mutex<VecDeque<[u8; 32]>>;

impl Sender<'_> {
    /// One offer and all that belongs to it.
    async fn exchange(
        &self,
        batch: &[Source],
        on_delivered: &mut impl FnMut(&Source, &[u8; 32]),
    ) -> Result<(), NotSent> {
        self.say(&Message::Offer(batch.iter().map(entry).collect())).await?;
        match next_message(self.session, &self.channel).await? {
            Message::Accept => {}
            Message::Refuse(answer) => {
                let Source { place, path, .. } = subject(batch, &answer).ok_or(NotSent::Unexpected)?.clone();
                return Err(NotSent::Refused { place, path, answer });
            }
            _ => return Err(NotSent::Unexpected),
        }
        // The receiver may give up at any time, so its answers are waited for from the start.
        let digests = Digests::default();
        let content = async {
            for source in batch {
                if let Some(length) = source.length {
                    let digest = self.stream(source, length, &digests).await?;
                    self.say(&Message::Digest(digest)).await?;
                }
            }
            smol::future::pending().await
        };
        smol::future::or(self.answers(batch, &digests, on_delivered), content).await
    }

    /// Waits for the answer to each file.
    async fn answers(
        &self,
        batch: &[Source],
        digests: &Digests,
        on_delivered: &mut impl FnMut(&Source, &[u8; 32]),
    ) -> Result<(), NotSent> {
        for source in batch.iter().filter(|source| source.length.is_some()) {
            match next_message(self.session, &self.channel).await? {
                Message::Delivered => {
                    let digest = digests.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    on_delivered(source, &digest.ok_or(NotSent::Unexpected)?);
                }
                Message::Failed(answer) => {
                    let Source { place, path, .. } = subject(batch, &answer).ok_or(NotSent::Unexpected)?.clone();
                    return Err(NotSent::Failed { place, path, answer });
                }
                _ => return Err(NotSent::Unexpected),
            }
        }
        Ok(())
    }

    /// Sends the content of a file, and puts its SHA-256 to the others before the receiver can know it.
    async fn stream(&self, source: &Source, length: u64, digests: &Digests) -> Result<[u8; 32], NotSent> {
        let unreadable = |error| NotSent::Unreadable { place: source.place.clone(), error };
        // Held open: it may lose its name while it is sent.
        let mut file = source.open().map_err(unreadable)?;
        let mut buffer = vec![0; STEP];
        let mut hash = Sha256::new();
        let mut done = 0;
        if let Err(error) = self.channel.begin().await {
            return Err(self.closed(error).await);
        }
        while done < length {
            let want = usize::try_from(length - done).unwrap_or(STEP).min(STEP);
            let count = match file.read(&mut buffer[..want]) {
                Ok(0) => return Err(NotSent::Shrank { place: source.place.clone(), offered: length, left: done }),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            hash.update(&buffer[..count]);
            let mut rest = &buffer[..count];
            while !rest.is_empty() {
                match self.channel.write(rest).await {
                    Ok(written) => {
                        rest = &rest[written..];
                        self.crossing.content(written);
                    }
                    Err(error) => return Err(self.closed(error).await),
                }
            }
            done += count as u64;
        }
        let digest = hash.finalize().into();
        digests.lock().unwrap_or_else(PoisonError::into_inner).push_back(digest);
        match self.channel.finish().await {
            Ok(message) => {
                self.crossing.end(message);
                Ok(digest)
            }
            Err(error) => Err(self.closed(error).await),
        }
    }

    async fn say(&self, message: &Message) -> Result<(), NotSent> {
        match self.channel.send(&message.to_bytes()).await {
            Ok(message) => {
                self.crossing.end(message);
                Ok(())
            }
            Err(error) => Err(self.closed(error).await),
        }
    }

    async fn closed(&self, error: SendError) -> NotSent {
        match error {
            SendError::Closed(_) => NotSent::Closed(self.session.closed().await),
            _ => NotSent::Unexpected,
        }
    }
}

/// The file an answer is about.
fn subject<'a>(batch: &'a [Source], answer: &Answer) -> Option<&'a Source> {
    batch.get(usize::try_from(answer.index).ok()?)
}

impl From<NoMessage> for NotSent {
    fn from(error: NoMessage) -> Self {
        match error {
            NoMessage::Closed(reason) => Self::Closed(reason),
            NoMessage::Unexpected => Self::Unexpected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_everything_once_and_fit() {
        let source = |number: usize| {
            let path = FilePath::parse(format!("{number}/{}", "n".repeat(number % 250)).as_bytes());
            Source {
                place: PathBuf::new(),
                path: path.expect("it is plain"),
                length: (!number.is_multiple_of(3)).then_some(7),
            }
        };
        let entries: Vec<_> = (1..3_000).filter(|number| number % 250 > 0).map(source).collect();
        let mut next = 0;
        for batch in batches(&entries) {
            assert_eq!(batch.start, next);
            next = batch.end;
            let offer = Message::Offer(entries[batch].iter().map(entry).collect()).to_bytes();
            assert!(offer.len() <= 1 + MAX_OFFER);
            assert!(offer.len() > MAX_OFFER - 300 || next == entries.len(), "it could be fuller: {}", offer.len());
        }
        assert_eq!(next, entries.len());
        assert_eq!(batches(&[]).count(), 0);
    }
}
