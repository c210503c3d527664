//! Why a packet was dropped, a session ended or a command was refused: one small enum per question.

use core::fmt;
use core::time::Duration;

use crate::limits::MAX_TEXT;

/// Why a datagram was discarded. Discarding is not an error: only counters change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DiscardReason {
    /// Empty, cut short, or not of this protocol.
    Malformed,
    /// A handshake packet of another protocol version.
    Version,
    /// A packet type or pattern that this version does not serve.
    Unserved,
    /// First contact while pairing is off.
    Pairing,
    /// A wrong mac1: the sender does not know our static key.
    Mark,
    /// A Hello shorter than the carrier's minimum.
    Undersized,
    /// A data packet, Reply or Finish for a session we do not have.
    UnknownSession,
    /// A handshake message that did not verify, or a forbidden key in it.
    Handshake,
    /// A handshake payload with refused parameters.
    Parameters,
    /// A Hello or Finish while its peer has as many attempts pending as it may, or a pending Hello over another link.
    PeerPending,
    /// A Hello while all responder slots are taken.
    PendingFull,
    /// A Hello while all session slots are taken.
    SessionsFull,
    /// No pool block left for it.
    NoMemory,
    /// A data packet whose tag is wrong.
    Authentication,
    /// A data packet seen before, or too old to tell.
    Replayed,
    /// A key phase that is not ours.
    KeyPhase,
    /// A packet for a session that is in no state to take it.
    State,
    /// A datagram on a carrier that is not configured.
    Carrier,
}

impl DiscardReason {
    /// Every reason, in order; `reason as usize` is its position.
    pub const ALL: &'static [Self] = &[
        Self::Malformed,
        Self::Version,
        Self::Unserved,
        Self::Pairing,
        Self::Mark,
        Self::Undersized,
        Self::UnknownSession,
        Self::Handshake,
        Self::Parameters,
        Self::PeerPending,
        Self::PendingFull,
        Self::SessionsFull,
        Self::NoMemory,
        Self::Authentication,
        Self::Replayed,
        Self::KeyPhase,
        Self::State,
        Self::Carrier,
    ];
}

/// One counter for each [`DiscardReason`]; a counter stays at 2³² − 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Discards([u32; DiscardReason::ALL.len()]);

impl Discards {
    /// Datagrams discarded for `reason`.
    #[must_use]
    pub fn of(&self, reason: DiscardReason) -> u64 {
        u64::from(self.0[reason as usize])
    }

    /// Datagrams discarded for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    pub(crate) fn count(&mut self, reason: DiscardReason) {
        self.add(reason, 1);
    }

    pub(crate) fn add(&mut self, reason: DiscardReason, count: u32) {
        let counter = &mut self.0[reason as usize];
        *counter = counter.saturating_add(count);
    }
}

/// The protocol's close codes (protocol §12). Append-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(pub u64);

impl CloseCode {
    /// An orderly end.
    pub const NO_ERROR: Self = Self(0x00);
    /// The closing side is at fault.
    pub const INTERNAL: Self = Self(0x01);
    /// A rule was broken that has no code of its own.
    pub const PROTOCOL: Self = Self(0x02);
    /// A frame that cannot be read.
    pub const FRAME_ENCODING: Self = Self(0x03);
    /// A frame that must not come here, now, or from this side.
    pub const FRAME_NOT_ALLOWED: Self = Self(0x04);
    /// A critical extension frame this side does not know.
    pub const UNKNOWN_CRITICAL: Self = Self(0x05);
    /// More data than credit.
    pub const FLOW_CONTROL: Self = Self(0x06);
    /// Data for a channel that is not open.
    pub const CHANNEL_UNKNOWN: Self = Self(0x07);
    /// Refused transport parameters.
    pub const TRANSPORT_PARAMETERS: Self = Self(0x08);
    /// The two ends speak different application protocols.
    pub const APPLICATION_PROTOCOL: Self = Self(0x09);
    /// The application refused.
    pub const REFUSED: Self = Self(0x0A);
    /// The peer is not one the application serves.
    pub const UNAUTHORIZED: Self = Self(0x0B);
    /// No room for another session now.
    pub const BUSY: Self = Self(0x0C);
    /// A key has sealed as many packets as it may.
    pub const KEY_LIMIT: Self = Self(0x0D);
    /// No user data for too long.
    pub const IDLE: Self = Self(0x0E);
    /// Nothing authentic came from the peer for too long.
    pub const PEER_LOST: Self = Self(0x0F);
    /// Ended at once by `abort`.
    pub const ABORTED: Self = Self(0x10);
    /// An acknowledgement of a packet that was never sent.
    pub const ACK_OF_UNSENT: Self = Self(0x11);
    /// An attempt to connect was not answered in time.
    pub const NO_ANSWER: Self = Self(0x12);
    /// The session's lifetime is over.
    pub const EXPIRED: Self = Self(0x13);
    /// A newer session of the same peer took the place of this one.
    pub const SUPERSEDED: Self = Self(0x14);
    /// More dynamic channels were opened than were allowed.
    pub const CHANNEL_LIMIT: Self = Self(0x15);
    /// A channel's end does not agree with what was sent on it, or said of it before.
    pub const FINAL_SIZE: Self = Self(0x16);
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClosedBy {
    /// `close`, `abort` or `refuse` of this side.
    Local,
    /// CLOSE or REFUSE of the peer.
    Peer,
    /// This side's protocol: the peer broke a rule, a key reached its limit, or a newer session took the place of this one.
    Protocol,
    /// A deadline: [`CloseCode::NO_ANSWER`], [`CloseCode::PEER_LOST`], [`CloseCode::IDLE`] or [`CloseCode::EXPIRED`].
    Deadline,
}

/// Who defines a close code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseSpace {
    /// The protocol: see [`CloseCode`]'s constants.
    Protocol,
    /// The application.
    Application,
}

/// A short text, at most [`MAX_TEXT`] bytes of UTF-8.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; MAX_TEXT],
    len: u8,
}

impl Text {
    /// No text.
    pub const EMPTY: Self = Self { bytes: [0; MAX_TEXT], len: 0 };

    /// `text`, cut at the last character that fits.
    #[must_use]
    pub fn cut(text: &str) -> Self {
        let mut len = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        let mut bytes = [0; MAX_TEXT];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Self { bytes, len: len as u8 }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReason {
    /// Who ended it.
    pub by: ClosedBy,
    /// Who defines `code`.
    pub space: CloseSpace,
    /// The code, as `space` defines it: compare it with the constants of [`CloseCode`] by [`protocol_code`](Self::protocol_code).
    pub code: CloseCode,
    /// The type of the frame that broke a rule, or 0.
    pub frame_type: u64,
    /// The peer refused the attempt and asks to wait this long before the next.
    pub retry_after: Option<Duration>,
    /// Words for people.
    pub text: Text,
}

impl CloseReason {
    /// A reason without frame type and waiting time, for who has to give one of its own; `text` is cut at [`MAX_TEXT`] bytes.
    #[must_use]
    pub fn new(by: ClosedBy, space: CloseSpace, code: CloseCode, text: &str) -> Self {
        Self { by, space, code, frame_type: 0, retry_after: None, text: Text::cut(text) }
    }

    /// The code, if the protocol defines it; an application's code of the same number is another.
    #[must_use]
    pub fn protocol_code(&self) -> Option<CloseCode> {
        (self.space == CloseSpace::Protocol).then_some(self.code)
    }

    pub(crate) fn protocol(by: ClosedBy, code: CloseCode, text: &str) -> Self {
        Self::new(by, CloseSpace::Protocol, code, text)
    }
}

macro_rules! error {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self { $(Self::$variant => $text,)* })
            }
        }

        impl core::error::Error for $name {}
    };
}

error! {
    /// Why an endpoint cannot be made.
    ConfigError {
        /// `block_size` is neither 256 nor 1024.
        BlockSize => "block size is neither 256 nor 1024 bytes",
        /// A limit is zero, or the pool is smaller than two windows.
        Limits => "a limit is zero or the pool holds fewer than two windows",
        /// No carrier, more than 8, or one whose `min_datagram` is less than 256, less than 1200 with padding, or more than its `max_datagram`.
        Carriers => "an endpoint has 1 to 8 carriers of at least 256 bytes each, 1200 with padding",
        /// A keepalive interval is not 1 to 3,600,000 whole milliseconds, the longest is shorter than ours, or the least longer.
        Keepalive => "keepalive intervals are 1 ms to 1 h in whole milliseconds, and ours is not below the least nor above the longest",
        /// A capability above bit 61.
        Capabilities => "capabilities are bits 0 to 61",
        /// More than 15 channels, one twice, an id outside 16–255, a priority above 7, a weight of 0, a budget below 2, or receipts on a mode without offsets; or
        /// such options of the channels that the peer opens.
        Channels => "an endpoint has up to 15 different channels with ids from 16 to 255, priorities to 7, weights from 1 and budgets from 2",
        /// More than 1024 dynamic channels, both sides' together.
        DynamicChannels => "a session has up to 1024 dynamic channels, those of the peer included",
        /// The application protocol is longer than 64 bytes.
        Application => "the application protocol is longer than 64 bytes",
        /// A pre-shared key's name is empty, longer than 16 bytes, or stands twice.
        PskName => "a pre-shared key's name has 1 to 16 bytes and stands once",
    }
}

error! {
    /// Why an attempt was not begun.
    ConnectError {
        /// All session slots are taken.
        TooManySessions => "all session slots are taken",
        /// No pool blocks for the handshake.
        NoMemory => "no memory for the handshake",
        /// The link names a carrier that is not configured.
        Carrier => "the link names a carrier that is not configured",
        /// The peer's key, or ours, is not usable, or they are the same: nobody is his own peer.
        Key => "the peer's key is not usable, or our own",
        /// No pre-shared key of that name is configured.
        UnknownPsk => "no pre-shared key of that name is configured",
        /// More than 512 bytes of user data.
        UserData => "more than 512 bytes of user data",
        /// There is a session with this peer, and [`SecondSession::Refuse`](crate::SecondSession::Refuse) is chosen.
        SecondSession => "there is a session with this peer already",
    }
}

error! {
    /// Why `accept` or `refuse` did nothing.
    AnswerError {
        /// The session does not wait for an answer.
        NotAsked => "the session does not wait for an answer",
        /// More than 512 bytes of user data.
        UserData => "more than 512 bytes of user data",
        /// No pool blocks for the answer; try again after the next event.
        Blocked => "no memory for the answer now",
    }
}

error! {
    /// Why a session's waiting time was not changed.
    ExtendError {
        /// The session is not Established.
        NotEstablished => "the session is not established",
        /// The interval is not 1 ms to 1 h in whole milliseconds, or longer than the peer counts on.
        Keepalive => "the interval is not 1 ms to 1 h in whole milliseconds, or longer than both ends agreed",
    }
}

error! {
    /// Why a session does not go to another path.
    MigrateError {
        /// No data is exchanged: the session is beginning or ending.
        NotEstablished => "no data is exchanged yet, or any more",
        /// There is no such carrier.
        Carrier => "there is no such carrier",
        /// Nothing has proved that the peer is at that address, so the session cannot go there at once.
        Unproven => "only an address that was probed can be another of the peer's",
        /// No memory to look at another path; try again later.
        NoMemory => "no memory to look at another path now",
    }
}

error! {
    /// Why no channel was opened.
    OpenChannelError {
        /// The peer takes no more of this mode now: [`Event::ChannelsAvailable`](crate::Event::ChannelsAvailable) tells when to try again.
        Limit => "the peer takes no more channels of this mode now",
        /// [`Limits::opened_channels`](crate::Limits::opened_channels) is 0: this side opens none.
        NoneAllowed => "this side opens no channels",
        /// As many as [`Limits::opened_channels`](crate::Limits::opened_channels) are open: the same event tells when to try again.
        Full => "as many channels are open as this side may open",
        /// The session is not Established yet, or not any more.
        NotEstablished => "the session is not established",
        /// A priority above 7, a weight of 0, or receipts on a mode without offsets.
        Options => "priorities are 0 to 7, weights from 1, and receipts for reliable modes",
    }
}

error! {
    /// Why a channel was not brought to an end.
    EndChannelError {
        /// There is no such channel, or not any more.
        UnknownChannel => "no such channel",
        /// The channel was agreed beforehand: it lasts as long as the session.
        Agreed => "the channel was agreed beforehand and lasts as long as the session",
        /// A streamed message is open on it: end it first, or reset the channel.
        Streaming => "the channel is in the middle of a streamed message",
        /// That direction has been brought to an end already.
        Ended => "that direction of the channel has ended already",
        /// The session is closing or closed.
        Closed => "the session is closed",
    }
}

error! {
    /// Why nothing was sent.
    SendError {
        /// No credit, or no memory, or no place for one more deadline, now: [`Event::Writable`](crate::Event::Writable) tells when to try again.
        Blocked => "the channel takes nothing now",
        /// The message can never be sent whole: stream it with `begin`, `write`, `finish`.
        TooLarge => "the message is larger than the channel takes whole",
        /// The session is closing or closed.
        Closed => "the session is closed",
        /// The channel is not configured, or was dynamic and is gone.
        UnknownChannel => "no such channel",
        /// This side has finished or reset the channel.
        Finished => "nothing more is sent on the channel",
        /// The peer reads the channel no more ([`Event::ChannelStopped`](crate::Event::ChannelStopped)).
        Stopped => "the peer reads the channel no more",
        /// A streamed message is open on the channel; or none is, for `write` and `finish`.
        Streaming => "the channel is in the middle of a streamed message, or was expected to be",
        /// The channel's mode takes whole messages only: `send`.
        WholeOnly => "the channel takes whole messages only",
    }
}

error! {
    /// Why nothing was read.
    RecvError {
        /// The session is closed and all it delivered has been read.
        Closed => "the session is closed",
        /// The channel is not configured, or was dynamic and is gone.
        UnknownChannel => "no such channel",
        /// The peer has finished the channel, and everything was read.
        Finished => "the peer has finished the channel and all it sent was read",
        /// The peer gave up what it sent on the channel ([`Event::ChannelReset`](crate::Event::ChannelReset)).
        Reset => "the peer has reset the channel",
        /// This side has stopped the channel.
        Stopped => "this side reads the channel no more",
        /// The message is longer than the buffer; it is kept.
        TooSmall => "the message is longer than the buffer",
        /// The channel's mode gives whole messages only: `recv`.
        WholeOnly => "the channel gives whole messages only",
        /// The peer has given up the message that was being read: its rest does not come. Told once; what is read next begins another message.
        Cut => "the peer has given up the message that was being read",
    }
}

#[cfg(test)]
mod tests;
