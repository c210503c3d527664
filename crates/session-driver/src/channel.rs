//! The handle of a channel.

use std::fmt;
use std::sync::Arc;

use session_core::{ChannelId, Chunk, CloseCode, CloseReason, CloseSpace, ClosedBy, Instant, MessageId, SendOptions};

use crate::dynamic::{ChannelGuard, Dynamic};
use crate::error::{RecvError, SendError};
use crate::provider::AnyProvider;
use crate::record::Offsets;
use crate::session::SessionHandle;
use crate::shared::{Shared, State};
use crate::wait::{Step, WaitFor};
use crate::waiters::Topic;

/// Bytes `recv` asks the core for at a time.
const RECV_STEP: usize = 16 * 1024;

/// A channel of a session. Its mode says what it promises about messages (`ChannelMode`); in order, each delivered once, if it was given none.
/// Cheap to clone.
///
/// It keeps its session alive as a `Session` does. Clones may send and read at the same time; whole messages of `send` never mix,
/// the pieces of a streamed message (`begin`, `write`, `finish`) belong to one task.
///
/// A channel that was opened while the session lives ([`Session::open_channel`](crate::Session::open_channel),
/// [`Session::accept_channel`](crate::Session::accept_channel)) is ended in each direction: by [`end`](Self::end) or [`reset`](Self::reset) of who
/// sends, or [`stop`](Self::stop) of who reads. **Dropping its last handle** does both: what was sent whole still arrives, a streamed message
/// that was not finished is given up, and nothing more is read.
#[derive(Clone)]
pub struct Channel {
    /// Before the session: a channel is ended in a session that lives.
    guard: Option<Arc<ChannelGuard>>,
    session: Arc<SessionHandle>,
    id: ChannelId,
}

impl Channel {
    pub(crate) fn new(session: Arc<SessionHandle>, id: ChannelId) -> Self {
        let guard = if id.is_dynamic() { session.shared.with(|state, _| state.guard_of(session.id, id)) } else { None };
        Self { guard, session, id }
    }

    pub(crate) fn with_guard(session: Arc<SessionHandle>, id: ChannelId, guard: Option<Arc<ChannelGuard>>) -> Self {
        Self { guard, session, id }
    }

    /// It was opened while the session lived, by a handle that ends it.
    pub(crate) fn is_guarded(&self) -> bool {
        self.guard.is_some()
    }

    /// Which channel it is.
    #[must_use]
    pub fn id(&self) -> ChannelId {
        self.id
    }

    /// Sends a whole message; waits while the channel is full.
    ///
    /// # Errors
    /// `TooLarge` if the message is larger than the channel takes whole, or than the peer keeps where messages stand alone; `Streaming` while a streamed
    /// message is open on the channel; `Finished` if this side has ended or reset the channel, `Stopped` if the peer reads it no more, `UnknownChannel` if there is none of that id, and `Closed` if the
    /// session is closing or closed.
    ///
    /// # Cancel safety
    /// A message is taken whole in the poll that completes the future, or not at all.
    pub async fn send(&self, message: &[u8]) -> Result<MessageId, SendError> {
        self.sending(|session, channel| session.send(message, channel), |end| Some(*end)).await
    }

    /// The same for a message that is worth nothing from `deadline` on: what has not arrived of it by then (or, on an unreliable channel, not left) is
    /// given up, and [`expired`](Self::expired) says so. What is sent after it arrives all the same.
    ///
    /// # Errors
    /// As for `send`; and `Late` if there was no room for it before its deadline.
    ///
    /// # Cancel safety
    /// A message is taken whole in the poll that completes the future, or not at all.
    pub async fn send_by(&self, message: &[u8], deadline: std::time::Instant) -> Result<MessageId, SendError> {
        let deadline = self.session.shared.clock.instant(deadline);
        let options = SendOptions::by(deadline);
        WaitFor::new(&self.session.shared, move |state, now| {
            if now >= deadline {
                return Step::Done(Err(SendError::Late));
            }
            let send = |session: &mut CoreSession<'_>, channel| session.send_with(message, channel, options);
            self.trying(state, send, |end| Some(*end), now)
        })
        .await
    }

    /// Waits until a message of [`send_by`](Self::send_by) has missed its deadline, and names it: each once, those of one deadline in the order sent. The
    /// last 128 wait to be named, also when the session has ended or a dynamic channel is gone; as long as the channel is there `ChannelStats::expired_messages` counts all, and
    /// at the end of the session [`CloseReport`](crate::CloseReport). One may have arrived whole all the same, where only its acknowledgement was late.
    ///
    /// # Errors
    /// If all are named and the session has ended, or a dynamic channel is gone.
    ///
    /// # Cancel safety
    /// A message is named in the poll that completes the future, or stays to be named.
    pub async fn expired(&self) -> Result<MessageId, SendError> {
        let (id, channel) = (self.session.id, self.id);
        WaitFor::new(&self.session.shared, move |state, now| {
            if let Some(message) = state.take_expired(id, channel, now) {
                return Step::Done(Ok(message));
            }
            match state.ended(id) {
                Some(ended) => Step::Done(Err(SendError::Closed(Some(ended.reason)))),
                None if state.is_gone(id, channel) => Step::Done(Err(no_more(state, id, channel))),
                None => Step::Wait(Topic::Progress(id, channel)),
            }
        })
        .await
    }

    /// Begins a message of any length, to be written piece by piece.
    ///
    /// # Errors
    /// `Streaming` if a streamed message is already open on the channel, `WholeOnly` if its mode takes whole messages only; `Finished`, `Stopped`,
    /// `UnknownChannel` and `Closed` as for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// It is begun in the poll that completes the future, or not at all.
    pub async fn begin(&self) -> Result<(), SendError> {
        self.sending(|session, channel| session.begin(channel), |()| None).await
    }

    /// Writes the next bytes of the message, as many as fit but at least one; says how many.
    ///
    /// # Errors
    /// `Streaming` if no streamed message is open on the channel; `Finished`, `Stopped`, `UnknownChannel` and `Closed` as for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Bytes are taken in the poll that completes the future, or not at all.
    pub async fn write(&self, bytes: &[u8]) -> Result<usize, SendError> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.sending(|session, channel| session.write(bytes, channel), |_| None).await
    }

    /// Writes all of `bytes`, waiting as often as needed.
    ///
    /// # Errors
    /// As for `write`.
    ///
    /// # Cancel safety
    /// `bytes` moves on with what was written: call again with the same slice to write the rest.
    pub async fn write_all(&self, bytes: &mut &[u8]) -> Result<(), SendError> {
        while !bytes.is_empty() {
            let written = self.write(bytes).await?;
            *bytes = bytes.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the message that `begin` began.
    ///
    /// # Errors
    /// `Streaming` if no streamed message is open on the channel; `Finished`, `Stopped`, `UnknownChannel` and `Closed` as for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// It is ended in the poll that completes the future, or not at all.
    pub async fn finish(&self) -> Result<MessageId, SendError> {
        self.sending(|session, channel| session.finish(channel), |end| Some(*end)).await
    }

    /// Waits until the peer's stack holds every message sent on the channel before this call, by whichever handle. One that was given up at its deadline
    /// counts as held, whether it arrived or not.
    ///
    /// # Errors
    /// `Closed` if the session ended first: then it is not known what arrived. `Finished` or `Stopped` if a dynamic channel is gone first, because this
    /// side reset it or the peer stopped it.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn flushed(&self) -> Result<(), SendError> {
        self.progress(|offsets| offsets.acknowledged).await
    }

    /// Waits until the peer's application has taken every message sent on the channel before this call, by whichever handle. The peer must give
    /// receipts on the channel ([`ChannelConfig::with_receipts`](crate::ChannelConfig::with_receipts)); else this waits until the session ends, or
    /// a dynamic channel is gone. A message that was given up at its deadline counts as taken once the peer has gone on past it.
    ///
    /// # Errors
    /// `Closed` if the session ended first: then it is not known what was taken. `Finished` or `Stopped` if a dynamic channel is gone before the peer
    /// has told it.
    ///
    /// # Cancel safety
    /// It changes nothing.
    pub async fn delivered(&self) -> Result<(), SendError> {
        self.progress(|offsets| offsets.delivered).await
    }

    /// Waits until the peer has come as far as was sent when this was called.
    async fn progress(&self, reached: impl Fn(&Offsets) -> u64) -> Result<(), SendError> {
        let (id, channel) = (self.session.id, self.id);
        let mut target = None;
        WaitFor::new(&self.session.shared, |state, _| {
            state.learn_progress(id, channel);
            let Some(record) = state.sessions.get(&id) else { return Step::Done(Err(SendError::Closed(None))) };
            let offsets = record.offsets(channel);
            // What was given up, or is forgotten, comes no further.
            let over = state.is_gone(id, channel);
            match record.ended {
                _ if reached(&offsets) >= *target.get_or_insert(offsets.sent) => Step::Done(Ok(())),
                Some(ended) => Step::Done(Err(SendError::Closed(Some(ended.reason)))),
                None if over => Step::Done(Err(no_more(state, id, channel))),
                None => Step::Wait(Topic::Progress(id, channel)),
            }
        })
        .await
    }

    /// Reads the next bytes of the current message into `out`, which must not be empty. `None`: the peer has ended the channel, or the session
    /// was closed in order, and all that came has been read. Of a mode that gives whole messages only, `out` must hold the whole one.
    ///
    /// # Errors
    /// `Cut`, once, if the peer has given up the message that was being read: what is read next begins another one. `WholeOnly` if `out` is too small for
    /// the whole message of such a mode. `Reset` if the peer gave up what it sent on the channel, `Stopped` if this side reads it no more, `UnknownChannel` if there is none of that
    /// id; `Closed` if the session broke: there may be data that never came.
    ///
    /// # Cancel safety
    /// Bytes are taken in the poll that completes the future, or none.
    pub async fn read(&self, out: &mut [u8]) -> Result<Option<Chunk>, RecvError> {
        WaitFor::new(&self.session.shared, |state, now| match self.reading(state, out, now) {
            Read::Chunk(chunk) => Step::Done(Ok(Some(chunk))),
            Read::End => Step::Done(Ok(None)),
            Read::Error(error) => Step::Done(Err(error)),
            Read::Wait(topic) => Step::Wait(topic),
        })
        .await
    }

    /// Appends a message to `message`, which may grow to `limit` bytes; says how long it is then. `None`: the peer has ended the
    /// channel, or the session was closed in order, and all that came has been read.
    ///
    /// # Errors
    /// `TooLong` if the message is longer than `limit`; `Cut` if the peer has given it up, when what was read of it is dropped.
    /// `Reset` if the peer gave up what it sent on the channel, `Stopped` if this side reads it no more, `UnknownChannel` if there is none of that
    /// id; `Closed` if the session broke: there may be data that never came.
    ///
    /// # Cancel safety
    /// What was read of a message stands in `message`: call again with the same vector to go on. Clear it after a whole message.
    pub async fn recv(&self, message: &mut Vec<u8>, limit: usize) -> Result<Option<usize>, RecvError> {
        WaitFor::new(&self.session.shared, |state, now| self.receiving(state, message, limit, now)).await
    }

    /// One try to complete the message that `message` begins.
    pub(crate) fn receiving(
        &self,
        state: &mut State,
        message: &mut Vec<u8>,
        limit: usize,
        now: Instant,
    ) -> Step<Result<Option<usize>, RecvError>> {
        let (id, channel) = (self.session.id, self.id);
        let mut filled = message.len();
        let step = loop {
            if filled > limit {
                break Step::Done(Err(RecvError::TooLong));
            }
            let left = state.core.session(id).and_then(|session| session.message_length(channel));
            let room = match (limit - filled, left.map(|left| usize::try_from(left).unwrap_or(usize::MAX))) {
                // The end has come, and beyond the limit.
                (room, Some(left)) if left > room => break Step::Done(Err(RecvError::TooLong)),
                // The whole rest at once: not every mode gives pieces.
                (_, Some(left)) => left,
                // The end has not come: a byte that has shows that the message is longer.
                (0, None) => 1,
                (room, None) => room.min(RECV_STEP),
            };
            if message.len() < filled + room {
                message.resize(filled + room, 0);
            }
            match self.reading(state, &mut message[filled..], now) {
                Read::Chunk(chunk) => {
                    filled += chunk.length;
                    if chunk.end {
                        break Step::Done(Ok(Some(filled)));
                    }
                }
                // Half a message and then the end is no orderly end.
                Read::End if filled > 0 => {
                    break match state.reason(id) {
                        Some(reason) => Step::Done(Err(RecvError::Closed(reason))),
                        None => Step::Done(Ok(None)),
                    };
                }
                Read::End => break Step::Done(Ok(None)),
                Read::Error(error) => {
                    if error == RecvError::Cut {
                        filled = 0;
                    }
                    break Step::Done(Err(error));
                }
                Read::Wait(topic) => break Step::Wait(topic),
            }
        };
        message.truncate(filled);
        step
    }

    /// Tries a command of the sending side until it is not blocked; `end` says which offset it brought the channel's messages to.
    async fn sending<T>(
        &self,
        mut command: impl FnMut(&mut CoreSession<'_>, ChannelId) -> Result<T, session_core::SendError> + Unpin,
        end: impl Fn(&T) -> Option<MessageId> + Unpin,
    ) -> Result<T, SendError> {
        WaitFor::new(&self.session.shared, move |state, now| self.trying(state, &mut command, &end, now)).await
    }

    /// One try of it.
    pub(crate) fn trying<T>(
        &self,
        state: &mut State,
        command: impl FnOnce(&mut CoreSession<'_>, ChannelId) -> Result<T, session_core::SendError>,
        end: impl Fn(&T) -> Option<MessageId>,
        now: Instant,
    ) -> Step<Result<T, SendError>> {
        use session_core::SendError as Core;
        let (id, channel) = (self.session.id, self.id);
        if let Some(ended) = state.ended(id) {
            return Step::Done(Err(SendError::Closed(Some(ended.reason))));
        }
        let Some(mut session) = state.core.session_mut(id, now) else {
            return Step::Done(Err(SendError::Closed(None)));
        };
        Step::Done(match command(&mut session, channel) {
            Ok(done) => {
                state.touched = true;
                if let (Some(message), Some(record)) = (end(&done), state.sessions.get_mut(&id)) {
                    record.note_sent(channel, message.end_offset);
                }
                Ok(done)
            }
            Err(Core::Blocked) => return Step::Wait(Topic::Writable(id, channel)),
            Err(Core::TooLarge) => Err(SendError::TooLarge),
            Err(Core::UnknownChannel) if state.dynamic(id, channel).is_none() => Err(SendError::UnknownChannel),
            Err(Core::UnknownChannel | Core::Finished | Core::Stopped) => Err(no_more(state, id, channel)),
            Err(Core::Streaming) => Err(SendError::Streaming),
            Err(Core::WholeOnly) => Err(SendError::WholeOnly),
            Err(_) => Err(SendError::Closed(state.reason(id))),
        })
    }

    /// One try to read the next bytes.
    pub(crate) fn reading(&self, state: &mut State, out: &mut [u8], now: Instant) -> Read {
        read(state, self.session.id, self.id, out, now)
    }

    pub(crate) fn session_id(&self) -> session_core::SessionId {
        self.session.id
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.session.shared
    }

    /// Why the session ended, as far as anybody knows yet.
    pub(crate) fn reason(&self, state: &State) -> Option<CloseReason> {
        state.reason(self.session.id)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Channel").field("session", &self.session.id).field("id", &self.id).finish()
    }
}

pub(crate) type CoreSession<'a> = session_core::SessionMut<'a, AnyProvider>;

pub(crate) enum Read {
    Chunk(Chunk),
    End,
    Error(RecvError),
    Wait(Topic),
}

/// Why nothing more is sent on a channel.
fn no_more(state: &State, id: session_core::SessionId, channel: ChannelId) -> SendError {
    let stopped = state.dynamic(id, channel).and_then(|dynamic| dynamic.stopped);
    stopped.map_or(SendError::Finished, SendError::Stopped)
}

fn read(state: &mut State, id: session_core::SessionId, channel: ChannelId, out: &mut [u8], now: Instant) -> Read {
    use session_core::RecvError as Core;
    let result = match state.core.session_mut(id, now) {
        Some(mut session) => match session.read(out, channel) {
            Err(session_core::RecvError::WholeOnly) => whole(&mut session, out, channel),
            result => result,
        },
        None => Err(session_core::RecvError::Closed),
    };
    match (result, state.ended(id)) {
        (Ok(Some(chunk)), _) => {
            // Reading gives the peer credit, and that must be told.
            state.touched = true;
            Read::Chunk(chunk)
        }
        (Ok(None), None) => Read::Wait(Topic::Readable(id, channel)),
        (Err(session_core::RecvError::Cut), _) => Read::Error(RecvError::Cut),
        (Err(session_core::RecvError::Finished), _) => Read::End,
        (Err(Core::UnknownChannel | Core::Reset | Core::Stopped), _) => match state.dynamic(id, channel) {
            None => Read::Error(RecvError::UnknownChannel),
            Some(Dynamic { finished: true, .. }) => Read::End,
            Some(Dynamic { reset: Some(code), .. }) => Read::Error(RecvError::Reset(*code)),
            Some(_) => Read::Error(RecvError::Stopped),
        },
        (Err(session_core::RecvError::TooSmall), _) => Read::Error(RecvError::WholeOnly),
        (_, Some(ended)) if is_orderly(&ended.reason) => Read::End,
        (_, Some(ended)) => Read::Error(RecvError::Closed(ended.reason)),
        // Closing: why, and whether in order, is known when it has ended.
        (Err(_), None) => Read::Wait(Topic::Session(id)),
    }
}

/// A whole message as its only piece.
fn whole(
    session: &mut CoreSession<'_>,
    out: &mut [u8],
    channel: ChannelId,
) -> Result<Option<Chunk>, session_core::RecvError> {
    Ok(session.recv(out, channel)?.map(Chunk::whole))
}

/// Whether an application meant the session to end, rather than a fault.
fn is_orderly(reason: &CloseReason) -> bool {
    let meant = matches!(reason.by, ClosedBy::Local | ClosedBy::Peer);
    meant && (reason.space == CloseSpace::Application || reason.code == CloseCode::NO_ERROR)
}

#[cfg(test)]
mod tests;
