//! What goes in and what comes out.

use core::net::SocketAddr;
use core::time::Duration;

use crate::ids::{ChannelId, SessionId};
use crate::limits::MIN_UDP_DATAGRAM;
use crate::time::Instant;

/// One of an endpoint's carriers, by its position in [`Config::carriers`](crate::Config::carriers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Carrier(pub u8);

/// Where a carrier delivers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An IP address and port.
    Ip(SocketAddr),
    /// Sixteen bytes that mean something to the carrier only.
    Opaque([u8; 16]),
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// A way to the peer: the carrier and the addresses at its two ends (S0-7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// Which carrier.
    pub carrier: Carrier,
    /// Our end.
    pub local: Address,
    /// The peer's end.
    pub remote: Address,
}

/// The two ECN bits of an IP header (RFC 3168).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// ECT(0).
    Ect0,
    /// ECT(1).
    Ect1,
    /// Congestion experienced.
    Ce,
}

/// How a datagram came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival {
    /// The link it came over; `link.local` is where it arrived.
    pub link: Link,
    /// Its ECN bits, if the carrier tells.
    pub ecn: Option<Ecn>,
}

impl Arrival {
    /// Over `link`, and nothing else is told.
    #[must_use]
    pub const fn new(link: Link) -> Self {
        Self { link, ecn: None }
    }

    /// The same with ECN bits.
    #[must_use]
    pub const fn with_ecn(self, ecn: Option<Ecn>) -> Self {
        Self { ecn, ..self }
    }
}

/// The one output of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Action {
    /// Send the first `len` bytes of the buffer.
    Transmit(Transmit),
    /// Something the application wants to know.
    Event(Event),
    /// Nothing to do before the deadline, the next datagram or the next command.
    Wait(Option<Deadline>),
    /// The buffer is too small for the next datagram; call again with this many bytes. Nothing has changed.
    NeedsRoom(usize),
}

/// A datagram to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transmit {
    /// Bytes of the buffer that make the datagram.
    pub len: usize,
    /// Where it goes.
    pub link: Link,
    /// ECN bits to send it with.
    pub ecn: Option<Ecn>,
    /// It asks whether the path takes a datagram this long, and the system may refuse it: nothing else should be handed over with it in one call.
    pub alone: bool,
}

impl Transmit {
    /// `len` bytes over `link` without ECN bits, for who tests a sender of datagrams.
    #[must_use]
    pub const fn new(len: usize, link: Link) -> Self {
        Self { len, link, ecn: None, alone: false }
    }
}

/// An instant at which [`Endpoint::handle_timeout`](crate::Endpoint::handle_timeout) has work, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deadline {
    /// When.
    pub at: Instant,
    /// Why.
    pub timer: TimerKind,
}

/// Why a deadline exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TimerKind {
    /// The attempt to connect gives up.
    Connect,
    /// The Hello is repeated.
    HelloRetry,
    /// A responder slot whose initiator never proved itself ends.
    Tentative,
    /// A flushing close stops waiting for acknowledgements.
    Release,
    /// The quiet time after CLOSE ends.
    Drain,
    /// A closed session's slot is given up although its data was not read.
    Forget,
    /// An acknowledgement is due.
    Acknowledge,
    /// Packets are declared lost, or a probe is sent.
    LossDetection,
    /// The pacer lets the next packet go.
    Pacing,
    /// A keepalive is sent.
    Keepalive,
    /// A path is asked again whether it leads to the peer, or given up.
    Path,
    /// A peer that was silent for so long counts as lost.
    Silence,
    /// The peer counts as lost.
    PeerLost,
    /// The application is warned that the session will expire.
    Expiring,
    /// No user data for too long.
    Idle,
    /// The application has neither sent nor fetched anything for too long.
    Sliding,
    /// The session has lived as long as it may.
    Lifetime,
    /// A message is given up that was not sent, or acknowledged, in time.
    Message,
    /// New keys are due, or old ones are wiped.
    Rekey,
}

impl TimerKind {
    /// Every kind, in order.
    pub const ALL: &'static [Self] = &[
        Self::Connect,
        Self::HelloRetry,
        Self::Tentative,
        Self::Release,
        Self::Drain,
        Self::Forget,
        Self::Acknowledge,
        Self::LossDetection,
        Self::Pacing,
        Self::Keepalive,
        Self::Path,
        Self::Silence,
        Self::PeerLost,
        Self::Expiring,
        Self::Idle,
        Self::Sliding,
        Self::Lifetime,
        Self::Message,
        Self::Rekey,
    ];
}

/// What an application wants to know. Events are coalesced: one `Readable` may stand for many messages; details are asked by getters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Event {
    /// The session is in the directory: begun here, or asked for by a peer. Told if
    /// [`Config::directory_events`](crate::Config::directory_events) says so, as are `StateChanged` and `Removed`.
    Added(SessionId),
    /// The session is in another state than was told last; `state` says in which.
    StateChanged(SessionId),
    /// The session that was `Added` is gone, and its id names nothing any more.
    Removed(SessionId),
    /// A peer asks for a session: answer with `accept` or `refuse`.
    Incoming(SessionId),
    /// The session is accepted: at the responder when it accepts, at the initiator when it hears of it.
    Established(SessionId),
    /// The channel has something to [`recv`](crate::SessionMut::recv) or [`read`](crate::SessionMut::read). Told once, however much there is: take all of it.
    Readable(SessionId, ChannelId),
    /// The channel takes bytes again after it said `Blocked`.
    Writable(SessionId, ChannelId),
    /// Unreliable messages were lost on the way: [`ChannelStats::lost_messages`](crate::ChannelStats::lost_messages) tells how many so far.
    Lost(SessionId, ChannelId),
    /// Messages sent with a deadline ([`SendOptions`](crate::SendOptions)) were given up: [`take_expired`](crate::SessionMut::take_expired) names them,
    /// [`ChannelStats::expired_messages`](crate::ChannelStats::expired_messages) counts them.
    Expired(SessionId, ChannelId),
    /// The peer has given up messages with a deadline that had not all arrived:
    /// [`ChannelStats::skipped_positions`](crate::ChannelStats::skipped_positions) tells how much is missing so far.
    Skipped(SessionId, ChannelId),
    /// The peer's application has taken what was sent on the channel up to [`ChannelStats::delivered`](crate::ChannelStats::delivered); told where the
    /// peer gives receipts ([`ChannelOptions::receipts`](crate::ChannelOptions::receipts)).
    Delivered(SessionId, ChannelId),
    /// The peer's stack holds all that was sent on the channel up to [`ChannelStats::acked`](crate::ChannelStats::acked).
    Acknowledged(SessionId, ChannelId),
    /// The peer has opened a dynamic channel.
    ChannelOpened(SessionId, ChannelId),
    /// The peer has finished the dynamic channel, and everything it sent there was read, or was lost on an unreliable one.
    ChannelFinished(SessionId, ChannelId),
    /// The peer gave up what it sends on the dynamic channel, with a code of its application. What was not read is gone.
    ChannelReset(SessionId, ChannelId, u64),
    /// The peer reads the dynamic channel no more, with a code of its application. What was not sent is gone.
    ChannelStopped(SessionId, ChannelId, u64),
    /// Both directions of the dynamic channel have come to their end: its id names nothing any more. The last event of a channel.
    ChannelClosed(SessionId, ChannelId),
    /// A channel that [`open_channel`](crate::SessionMut::open_channel) refused may be had now.
    ChannelsAvailable(SessionId),
    /// The session will end soon unless something happens: [`expiry`](crate::SessionRef::expiry) says when and what,
    /// [`extend`](crate::SessionMut::extend) puts it off.
    Expiring(SessionId),
    /// The session goes over another path, because the peer was found there or [`migrate`](crate::SessionMut::migrate) chose it; or the one chosen did
    /// not answer: [`link`](crate::SessionRef::link) says over which it goes.
    PathChanged(SessionId),
    /// The peer answers nothing that was sent, for three probe timeouts now, or is heard again: [`is_silent`](crate::SessionRef::is_silent) says which. It
    /// counts as lost later: after three keepalive intervals, or [`Timeouts::silence`].
    Silence(SessionId),
    /// The session has ended; `close_reason` says why. Never lost, always last but for `Removed`.
    Closed(SessionId),
}

impl Event {
    /// Whether it tells how data goes on a channel that lasts as long as its session: to have told of it changes nothing else.
    pub(crate) fn is_of_lasting_channel(&self) -> bool {
        match self {
            Self::Readable(_, channel)
            | Self::Writable(_, channel)
            | Self::Lost(_, channel)
            | Self::Expired(_, channel)
            | Self::Skipped(_, channel)
            | Self::Delivered(_, channel)
            | Self::Acknowledged(_, channel) => !channel.is_dynamic(),
            _ => false,
        }
    }
}

/// How [`migrate`](crate::SessionMut::migrate) goes to another path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Migration {
    /// The session goes on over the path in use until the peer has answered over the other.
    Probing,
    /// The path in use is gone: nothing is sent over it from now on. The peer's address must stay the same, because nothing proves another one.
    AtOnce,
}

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub enum Received {
    /// It was authentic and has been applied.
    Consumed,
    /// It was refused and has changed nothing but a counter.
    Discarded(crate::reason::DiscardReason),
}

/// Properties of a carrier. Made by a constructor, because more will come: reliable, half-duplex, proven addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CarrierConfig {
    /// The largest datagram that is taken and ever sent over it, bytes of its payload. The peer is told, and sends none longer either.
    pub max_datagram: u16,
    /// The largest datagram that every path over it is taken to carry, 256 or more. A session begins with it, searches for more up to `max_datagram` where
    /// it has full datagrams to send, and comes back to it where they no longer arrive. The same as `max_datagram`: nothing is searched.
    pub min_datagram: u16,
    /// Whether the initiator pads its first datagram and the responder insists: where source addresses can be forged.
    pub padding: bool,
}

impl CarrierConfig {
    /// UDP over the Internet: 1200 bytes, searching for more up to `max_datagram`; padding on.
    #[must_use]
    pub const fn udp(max_datagram: u16) -> Self {
        let min_datagram = if max_datagram < MIN_UDP_DATAGRAM { max_datagram } else { MIN_UDP_DATAGRAM };
        Self { max_datagram, min_datagram, padding: true }
    }
}

/// Waiting times of a session. All are deadlines in the core. Begin with the default and change what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// From `connect` to Established (S0-21).
    pub connect: Duration,
    /// The same after the peer first said PENDING.
    pub pending: Duration,
    /// How long a responder slot lives whose initiator has not proved itself.
    pub tentative: Duration,
    /// How long `close` flushes.
    pub release: Duration,
    /// Keepalive interval we ask for (S0-23); three of them without a packet mean the peer is lost (S0-24).
    pub keepalive: Duration,
    /// The interval that a search for a longer one begins with: whoever asks lengthens it up to `keepalive`, and at most to 128 times this, as long as a NAT on the way remembers the session that
    /// long, and goes back where it did not. `None`, the default, searches nothing. 15 seconds is what hardly any NAT undercuts (RFC 6263 §4).
    pub least_keepalive: Option<Duration>,
    /// The longest interval we go along with, whatever the peer asks for: where it asks for more, we ping too.
    pub longest_keepalive: Duration,
    /// How long after its last packet a peer counts as lost that does not answer what was sent ([`Event::Silence`]); `None`, the default, leaves that to
    /// keepalives. It is never sooner than three probe timeouts.
    pub silence: Option<Duration>,
    /// No user data either way (S0-22); `None` turns it off.
    pub idle: Option<Duration>,
    /// Our application neither sends nor fetches user data (S2-21); `None` turns it off.
    pub sliding: Option<Duration>,
    /// From Established, whatever happens (S2-20); `None` turns it off.
    pub lifetime: Option<Duration>,
    /// How long before one of these three ends the session the application is warned (S2-22), half of its time at most; `None` turns it off.
    pub warning: Option<Duration>,
    /// How long a closed session's unread data is kept.
    pub forget: Duration,
    /// User data that moves under keys in use for so long lets new keys be agreed on; `None` turns it off. See also
    /// [`Limits::key_packets`](crate::Limits::key_packets) and [`rotate_key`](crate::SessionMut::rotate_key).
    pub new_keys: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            pending: Duration::from_secs(60),
            tentative: Duration::from_secs(5),
            release: Duration::from_secs(10),
            keepalive: Duration::from_secs(5),
            least_keepalive: None,
            longest_keepalive: Duration::from_secs(3600),
            silence: None,
            idle: Some(Duration::from_secs(60)),
            sliding: None,
            lifetime: None,
            warning: Some(Duration::from_secs(10)),
            forget: Duration::from_secs(10),
            new_keys: Some(Duration::from_secs(120)),
        }
    }
}

const _: () = assert!(size_of::<Event>() <= 32, "events are copied around");
