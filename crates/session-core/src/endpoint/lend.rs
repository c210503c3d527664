//! Sessions lent out: for commands, and for questions.

use core::num::NonZeroU64;
use core::time::Duration;

use super::Endpoint;
use crate::action::{Link, Migration};
use crate::channel::Chunk;
use crate::channel_config::{ChannelMode, ChannelOptions};
use crate::crypto::{Provider, PublicKey, RustCrypto};
use crate::ids::{ChannelId, MessageId, PeerId, Role, SessionId, Uid};
use crate::memory::Memory;
use crate::reason::{
    AnswerError, CloseCode, CloseReason, CloseSpace, ClosedBy, Discards, EndChannelError, ExtendError, MigrateError,
    OpenChannelError, RecvError, SendError,
};
use crate::send_options::SendOptions;
use crate::session::{ChannelStats, CloseReport, Expiry, Heard, SessionCore, State, Stats};
use crate::shared::Settings;

/// A session lent out for commands.
///
/// Every command is all or nothing and may be given in any state, in any order; none panics. Deadline and readiness are filed anew after each.
pub struct SessionMut<'a, P: Provider = RustCrypto> {
    endpoint: &'a mut Endpoint<P>,
    id: SessionId,
}

/// A session lent out for questions.
#[derive(Clone, Copy)]
pub struct SessionRef<'a> {
    settings: &'a Settings,
    core: &'a SessionCore,
    memory: &'a Memory,
}

impl<'a, P: Provider> SessionMut<'a, P> {
    pub(super) fn new(endpoint: &'a mut Endpoint<P>, id: SessionId) -> Self {
        Self { endpoint, id }
    }

    /// Accepts a session that asked ([`Event::Incoming`](crate::Event::Incoming)), with up to 512 bytes for its application.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing has changed then.
    pub fn accept(&mut self, user_data: &[u8]) -> Result<(), AnswerError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.answer_accept(context, user_data))
            .unwrap_or(Err(AnswerError::NotAsked))?;
        self.endpoint.supersede(self.id.slot);
        Ok(())
    }

    /// Tells a peer that asked that the answer takes longer: both sides then wait 60 s instead of 10. Only the first time counts.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing has changed then.
    pub fn pending(&mut self) -> Result<(), AnswerError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.answer_pending(context))
            .unwrap_or(Err(AnswerError::NotAsked))
    }

    /// Refuses a session that asked; the peer's application gets `code`, `text` (cut at 128 bytes) and `retry_after`.
    ///
    /// # Errors
    /// [`AnswerError`]; nothing has changed then.
    pub fn refuse(&mut self, code: CloseCode, text: &str, retry_after: Option<Duration>) -> Result<(), AnswerError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.answer_refuse(context, code, text, retry_after))
            .unwrap_or(Err(AnswerError::NotAsked))
    }

    /// Queues a whole message. It leaves as credit, window and pacer allow.
    ///
    /// # Errors
    /// [`SendError`]; nothing has changed then. After `Blocked`, [`Event::Writable`](crate::Event::Writable) tells when to try again.
    pub fn send(&mut self, message: &[u8], channel: ChannelId) -> Result<MessageId, SendError> {
        self.endpoint
            .sending(self.id.slot, |core, context| core.send(context, message, channel, SendOptions::default()))
            .unwrap_or(Err(SendError::Closed))
    }

    /// The same with options: a deadline, for instance. At most 128 messages of a channel have one at a time; an expired one that the application has not
    /// [taken](Self::take_expired) counts as long as its place is not needed.
    ///
    /// # Errors
    /// [`SendError`]; nothing has changed then.
    pub fn send_with(
        &mut self,
        message: &[u8],
        channel: ChannelId,
        options: SendOptions,
    ) -> Result<MessageId, SendError> {
        self.endpoint
            .sending(self.id.slot, |core, context| core.send(context, message, channel, options))
            .unwrap_or(Err(SendError::Closed))
    }

    /// The first message of `channel`, in the order sent, that has expired and was not taken by this; `None` if there is none. It is not sent any more, but may
    /// have arrived whole all the same where its acknowledgement was lost.
    pub fn take_expired(&mut self, channel: ChannelId) -> Option<MessageId> {
        self.endpoint
            .with_if(
                self.id.slot,
                |core, context| core.take_expired(&mut context.shared.memory, channel),
                Option::is_some,
            )
            .flatten()
    }

    /// Opens a message of any size, to be given piece by piece with [`write`](Self::write) and ended with [`finish`](Self::finish).
    ///
    /// # Errors
    /// [`SendError`]; nothing has changed then.
    pub fn begin(&mut self, channel: ChannelId) -> Result<(), SendError> {
        self.endpoint
            .sending(self.id.slot, |core, context| core.begin(context, channel))
            .unwrap_or(Err(SendError::Closed))
    }

    /// Appends to the open message; returns how many bytes were taken, which may be fewer than given.
    ///
    /// # Errors
    /// [`SendError`]; nothing has changed then.
    pub fn write(&mut self, bytes: &[u8], channel: ChannelId) -> Result<usize, SendError> {
        self.endpoint
            .sending(self.id.slot, |core, context| core.write(context, bytes, channel))
            .unwrap_or(Err(SendError::Closed))
    }

    /// Ends the open message.
    ///
    /// # Errors
    /// [`SendError`]; nothing has changed then.
    pub fn finish(&mut self, channel: ChannelId) -> Result<MessageId, SendError> {
        self.endpoint
            .sending(self.id.slot, |core, context| core.finish(context, channel))
            .unwrap_or(Err(SendError::Closed))
    }

    /// Copies the next bytes of the channel's current message into `out`; `None` if there are none yet. Never crosses the end of a message.
    ///
    /// # Errors
    /// [`RecvError::Closed`] once the session has ended and all it delivered has been read.
    pub fn read(&mut self, out: &mut [u8], channel: ChannelId) -> Result<Option<Chunk>, RecvError> {
        self.endpoint
            .reading(self.id.slot, |core, context| core.read(context, out, channel))
            .unwrap_or(Err(RecvError::Closed))
    }

    /// Copies a whole message into `out` and returns its length; `None` if none is complete. What is left of a message
    /// begun with [`read`](Self::read) counts as one.
    ///
    /// # Errors
    /// [`RecvError::TooSmall`] keeps the message: its length is [`SessionRef::message_length`].
    pub fn recv(&mut self, out: &mut [u8], channel: ChannelId) -> Result<Option<usize>, RecvError> {
        self.endpoint
            .reading(self.id.slot, |core, context| core.recv(context, out, channel))
            .unwrap_or(Err(RecvError::Closed))
    }

    /// Opens a dynamic channel, if the peer takes another of this mode. Both ends may send on it; what the peer opens is told by
    /// [`Event::ChannelOpened`](crate::Event::ChannelOpened). The peer hears of the channel by the first that is sent on it, or of its end.
    ///
    /// Each end brings its own direction to an end, by [`finish_channel`](Self::finish_channel) or [`reset_channel`](Self::reset_channel), and may
    /// refuse the other by [`stop_channel`](Self::stop_channel); when both have ended the channel is gone.
    ///
    /// # Errors
    /// [`OpenChannelError`]; after `Limit` and `Full`, [`Event::ChannelsAvailable`](crate::Event::ChannelsAvailable) tells when to try again.
    pub fn open_channel(&mut self, mode: ChannelMode, options: ChannelOptions) -> Result<ChannelId, OpenChannelError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.open_channel(context, mode, options))
            .unwrap_or(Err(OpenChannelError::NotEstablished))
    }

    /// Sends nothing more on a dynamic channel. All that was sent still arrives, and then the peer's application is told
    /// ([`Event::ChannelFinished`](crate::Event::ChannelFinished)). Reading goes on.
    ///
    /// # Errors
    /// [`EndChannelError`]; nothing has changed then.
    pub fn finish_channel(&mut self, channel: ChannelId) -> Result<(), EndChannelError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.finish_channel(context, channel))
            .unwrap_or(Err(EndChannelError::Closed))
    }

    /// Gives up what was sent on a dynamic channel and has not arrived. The peer drops what its application has not read, and tells it `code`
    /// ([`Event::ChannelReset`](crate::Event::ChannelReset)). Reading goes on.
    ///
    /// # Errors
    /// [`EndChannelError`]; nothing has changed then.
    pub fn reset_channel(&mut self, code: u64, channel: ChannelId) -> Result<(), EndChannelError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.reset_channel(context, code, channel))
            .unwrap_or(Err(EndChannelError::Closed))
    }

    /// Reads nothing more from a dynamic channel. What has not been read is dropped, and the peer gives up sending; its application is told `code`
    /// ([`Event::ChannelStopped`](crate::Event::ChannelStopped)). Sending goes on.
    ///
    /// # Errors
    /// [`EndChannelError`]; nothing has changed then.
    pub fn stop_channel(&mut self, code: u64, channel: ChannelId) -> Result<(), EndChannelError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.stop_channel(context, code, channel))
            .unwrap_or(Err(EndChannelError::Closed))
    }

    /// Gives the session its lifetimes anew: idle, sliding and absolute. The peer has lifetimes of its own.
    ///
    /// # Errors
    /// [`ExtendError::NotEstablished`]; nothing has changed then.
    pub fn extend(&mut self) -> Result<(), ExtendError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.extend(context))
            .unwrap_or(Err(ExtendError::NotEstablished))
    }

    /// Asks the peer at this interval whether it lives, at most as rarely as agreed; three of them without a packet mean that it is lost.
    /// For paths that forget: a NAT may want a packet more often than the peer asks for.
    ///
    /// # Errors
    /// [`ExtendError`]; nothing has changed then.
    pub fn set_keepalive(&mut self, interval: Duration) -> Result<(), ExtendError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.set_keepalive(interval, context.now))
            .unwrap_or(Err(ExtendError::NotEstablished))
    }

    /// Goes on over `link`: to another carrier, from another address of ours, or to another of the peer's. [`Event::PathChanged`](crate::Event::PathChanged)
    /// tells when it does, or that there was no answer. A migration that is under way is given up.
    ///
    /// # Errors
    /// [`MigrateError`]; nothing has changed then.
    pub fn migrate(&mut self, link: Link, how: Migration) -> Result<(), MigrateError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.migrate(context, link, how))
            .unwrap_or(Err(MigrateError::NotEstablished))
    }

    /// Sends no faster than this, however wide the window: for links that others use too, or that charge by the byte (S0-32). Ten datagrams
    /// may leave at once all the same, and probes, acknowledgements and two datagrams of urgent data in a round trip go beside it. `None` lifts it.
    pub fn set_rate_cap(&mut self, bytes_per_second: Option<NonZeroU64>) {
        self.endpoint.with(self.id.slot, |core, _| core.set_rate_cap(bytes_per_second));
    }

    /// Ends the session after what was sent has been acknowledged, or 10 s. The peer's application gets `code` and `text` (cut at 128 bytes).
    ///
    /// Closing a session that is closing or closed does nothing.
    pub fn close(&mut self, code: u64, text: &str) {
        self.endpoint.with(self.id.slot, |core, context| core.close_after_flush(context, local_reason(code, text)));
    }

    /// Agrees with the peer on new keys by a fresh exchange, in one round trip; nothing that is sent meanwhile is lost or waits. What is sent after
    /// [`Stats::key_rotations`](crate::Stats::key_rotations) has grown cannot be read with keys that somebody copied before (S0-27).
    ///
    /// It happens by itself as [`Limits::key_packets`](crate::Limits::key_packets) and [`Timeouts::new_keys`](crate::Timeouts::new_keys) say. An exchange that is
    /// under way will do; after one, the next begins 10 seconds later at the earliest.
    ///
    /// # Errors
    /// [`ExtendError::NotEstablished`]; nothing has changed then.
    pub fn rotate_key(&mut self) -> Result<(), ExtendError> {
        self.endpoint
            .command(self.id.slot, |core, context| core.rotate_key(context))
            .unwrap_or(Err(ExtendError::NotEstablished))
    }

    /// Ends the session at once. What was sent may be lost; the peer's application gets `code` and `text` (cut at 128 bytes).
    pub fn abort(&mut self, code: u64, text: &str) {
        self.endpoint.with(self.id.slot, |core, context| core.end_at_once(context, local_reason(code, text)));
    }

    /// The same session for questions; `None` if a command has just ended it for good.
    #[must_use]
    pub fn as_ref(&self) -> Option<SessionRef<'_>> {
        self.endpoint.session(self.id)
    }
}

impl<'a> SessionRef<'a> {
    pub(super) fn new(settings: &'a Settings, core: &'a SessionCore, memory: &'a Memory) -> Self {
        Self { settings, core, memory }
    }

    /// Its local name.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.core.id()
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> State {
        self.core.state()
    }

    /// Which side of the handshake we were.
    #[must_use]
    pub fn role(&self) -> Role {
        self.core.role()
    }

    /// The peer's static key; `None` on first contact until the peer has shown it, which it has when
    /// [`Event::Incoming`](crate::Event::Incoming) or [`Event::Established`](crate::Event::Established) tells of the session.
    #[must_use]
    pub fn peer_key(&self) -> Option<PublicKey> {
        self.core.peer().copied()
    }

    /// The peer's lasting name; known when its key is.
    #[must_use]
    pub fn peer_id(&self) -> Option<PeerId> {
        self.core.peer().map(PublicKey::peer_id)
    }

    /// The two ends did not know each other's key beforehand: the peer owns [`peer_key`](Self::peer_key), but nobody has verified whose
    /// that is. Let people compare it by another way before it is trusted.
    #[must_use]
    pub fn is_first_contact(&self) -> bool {
        self.core.is_first_contact()
    }

    /// The peer's [`Config::node_type`](crate::Config::node_type); `None` before keys are agreed (S0-14).
    #[must_use]
    pub fn peer_node_type(&self) -> Option<u8> {
        self.core.peer_node_type()
    }

    /// The peer's [`Config::capabilities`](crate::Config::capabilities); `None` before keys are agreed (S0-14).
    #[must_use]
    pub fn peer_capabilities(&self) -> Option<u64> {
        self.core.peer_capabilities()
    }

    /// The name both ends give the session; `None` before keys are agreed.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.core.uid()
    }

    /// The link in use.
    #[must_use]
    pub fn link(&self) -> Link {
        self.core.link()
    }

    /// Figures.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core.stats()
    }

    /// Its channels, the control channel not among them: those agreed beforehand, then the dynamic ones as they were opened.
    pub fn channels(&self) -> impl Iterator<Item = ChannelId> + use<'a> {
        self.core.application_channels(self.memory)
    }

    /// How many channels of `mode` [`open_channel`](crate::SessionMut::open_channel) would open now.
    #[must_use]
    pub fn channels_available(&self, mode: ChannelMode) -> u64 {
        self.core.channels_available(self.memory, self.settings, mode)
    }

    /// How far a channel has come, and what it lost; `None` if there is none of that id.
    #[must_use]
    pub fn channel_stats(&self, channel: ChannelId) -> Option<ChannelStats> {
        self.core.channel_stats(self.memory, channel)
    }

    /// What became of what was sent on a channel; `None` while the session lives, and where there is no channel of that id.
    #[must_use]
    pub fn close_report(&self, channel: ChannelId) -> Option<CloseReport> {
        self.core.close_report(self.memory, channel)
    }

    /// The peer has not answered what was sent for three probe timeouts, nor said anything else ([`Event::Silence`](crate::Event::Silence)).
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.core.is_silent()
    }

    /// What has been heard of the peer: of an attempt that had no answer, whether anything came back.
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.core.heard()
    }

    /// Datagrams that named this session and were discarded, by reason.
    #[must_use]
    pub fn discards(&self) -> Discards {
        self.core.discards()
    }

    /// When it ends if nothing happens, and why; `None` if it is not Established or has no such deadline.
    #[must_use]
    pub fn expiry(&self) -> Option<Expiry> {
        self.core.expiry(&self.settings.config.timeouts)
    }

    /// Why it ended; `None` while it lives.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.core.close_reason(self.memory)
    }

    /// Copies the user data of the peer's CONNECT or ACCEPT into `out`, as much as fits, at most 512 bytes; returns how much.
    pub fn user_data(&self, out: &mut [u8]) -> usize {
        self.core.user_data(&self.memory.pool, out)
    }

    /// Bytes left of the channel's current message, if it has arrived to its end.
    #[must_use]
    pub fn message_length(&self, channel: ChannelId) -> Option<u64> {
        self.core.message_length(self.memory, channel)
    }
}

fn local_reason(code: u64, text: &str) -> CloseReason {
    CloseReason::new(ClosedBy::Local, CloseSpace::Application, CloseCode(code), text)
}
