//! Every bound of the core, in one table.

/// Bounds of an endpoint. All memory is allocated by [`Endpoint::new`](crate::Endpoint::new) from these numbers; slots of sessions, and the
/// records beside them, grow in pages of 64 up to their cap and are used again.
///
/// | queue | bound | at the bound |
/// |---|---|---|
/// | sessions, whatever their state | `sessions` | `connect` says `TooManySessions`, a Hello is discarded `SessionsFull` |
/// | unconfirmed responder slots | `pending` | a Hello is discarded `PendingFull` |
/// | unconfirmed responder slots of one peer | [`MAX_TENTATIVE_PER_PEER`] | a Hello is discarded `PeerPending` |
/// | payload, sent records, handshake messages | `pool_blocks` × `block_size` | send says `Blocked`; received data is not acknowledged (`NoMemory`) |
/// | expanded keys | `hot_keys` | the coldest is expanded again when needed |
/// | received, unread positions of a session | `session_window` | the peer's credit ends |
/// | received, unread positions of a channel | `channel_window` | the peer's credit ends |
/// | sent, unacknowledged blocks of a channel | `send_blocks`, or all that is not one window | send says `Blocked` |
/// | the same of one channel, where its budget is less | [`ChannelOptions::budget`](crate::ChannelOptions::budget) | send says `Blocked` |
/// | messages of a channel that have a deadline | [`MAX_EXPIRING`] | `send_with` says `Blocked` |
/// | received, unread blocks of an unreliable or latest-value channel | `mailbox_blocks` | unreliable: the message is dropped and counted; latest-value: a newer value replaces the unread one, else it is not acknowledged (`NoMemory`) |
/// | the same of all these channels of a session | `session_mailbox_blocks` | the same; unread unreliable messages give way to a latest value |
/// | dynamic channels of a session that the peer opened and that are not gone | [`Config::channel_limits`](crate::Config::channel_limits) | the peer's limit ends |
/// | the same of those we opened | `opened_channels` | `open_channel` says `Full` |
/// | both together, as configured | [`MAX_DYNAMIC_CHANNELS`] | `ConfigError::DynamicChannels` |
/// | frames about channels, and acknowledgements, in a packet | [`MAX_COSTLY_FRAMES`] | more closes the session with `PROTOCOL` |
/// | packets sealed under one key | `key_packets`, and 8,323,072 whatever it says | new keys are agreed on; without an answer the session closes with `KEY_LIMIT` |
/// | forged packets that name a session | `forged_packets` | new keys are agreed on; at 32,767 times as many under one key the session closes with `KEY_LIMIT` |
/// | blocks of sent-packet records of a session | `record_blocks` | no further data until an acknowledgement |
/// | ids of the peer, and of ours, ready beside the one in use | `spare_ids` | more closes the session with `PROTOCOL`; ours are given as the peer retires others |
///
/// Begin with a profile, [`tiny`](Self::tiny), [`default`](Self::default) or [`server`](Self::server), and change what differs;
/// [`Endpoint::memory_need`](crate::Endpoint::memory_need) says what it takes:
///
/// ```
/// let mut limits = session_core::Limits::default();
/// limits.sessions = 10_000;
/// limits.pending = 100;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Sessions in any state (S0-28).
    pub sessions: u32,
    /// Responder slots whose initiator has not proved itself yet (S0-28).
    pub pending: u32,
    /// Blocks in the pool.
    pub pool_blocks: u32,
    /// Bytes in a block: 256 or 1024.
    pub block_size: u32,
    /// Sessions whose expanded keys are kept.
    pub hot_keys: u32,
    /// Credit of a session over its channels, positions.
    pub session_window: u64,
    /// Credit of one channel, positions.
    pub channel_window: u64,
    /// Blocks one channel may hold of data not yet acknowledged.
    pub send_blocks: u32,
    /// Blocks one unreliable or latest-value channel may hold of messages received and not read.
    pub mailbox_blocks: u32,
    /// The same of all such channels of one session together; more for one channel alone is no use.
    pub session_mailbox_blocks: u32,
    /// Blocks one session may hold of records of sent packets.
    pub record_blocks: u32,
    /// Dynamic channels that we may have open at once in one session.
    pub opened_channels: u32,
    /// Packets that are sealed under one key before new ones are asked for.
    pub key_packets: u32,
    /// Forged packets that name a session after which new keys are asked for; 32,767 times as many under one key end it.
    pub forged_packets: u32,
    /// Ids that each end of a session gives the other beside the one in use, 0 to 3: who goes on from another address by a fresh one is not recognised
    /// by it. The first takes 311 bytes of a session's memory, each further one 31.
    pub spare_ids: u32,
}

impl Limits {
    /// A device that talks to one peer, usually by [`Session`](crate::Session): a pool of 5 KiB, windows of 1 KiB, and room for
    /// one reliable channel and some that are not.
    ///
    /// With the portable ciphers and buffers for datagrams of 256 bytes that makes less than 16 KiB on a 32-bit machine (`docs/performance.md`).
    #[must_use]
    pub fn tiny() -> Self {
        Self {
            sessions: 1,
            pending: 1,
            pool_blocks: 20,
            block_size: 256,
            hot_keys: 1,
            session_window: 1024,
            channel_window: 1024,
            send_blocks: 4,
            mailbox_blocks: 2,
            session_mailbox_blocks: 4,
            record_blocks: 2,
            opened_channels: 0,
            key_packets: 1 << 20,
            forged_packets: 1 << 21,
            spare_ids: 0,
        }
    }

    /// 100,000 sessions, most of them idle at any time: a pool of 512 MiB, windows of 256 KiB, keys of 10,000 kept expanded.
    ///
    /// A window takes its blocks when the first byte comes: some 1,400 sessions can use theirs whole at once, and the others wait for
    /// room when all do.
    #[must_use]
    pub fn server() -> Self {
        Self {
            sessions: 100_000,
            pending: 1_000,
            pool_blocks: 524_288,
            block_size: 1024,
            hot_keys: 10_000,
            session_window: 1 << 18,
            channel_window: 1 << 18,
            send_blocks: 512,
            mailbox_blocks: 64,
            session_mailbox_blocks: 256,
            record_blocks: 128,
            opened_channels: 0,
            key_packets: 1 << 20,
            forged_packets: 1 << 21,
            spare_ids: 0,
        }
    }
}

impl Limits {
    /// Ids of each end that are in use or ready at once.
    pub(crate) fn kept_ids(&self) -> u8 {
        1 + self.spare_ids.min(MAX_SPARE_IDS) as u8
    }
}

impl Default for Limits {
    /// 100 sessions, 10 pending, a pool of 64 MiB, windows of 1 MiB: a program with some peers.
    fn default() -> Self {
        Self {
            sessions: 100,
            pending: 10,
            pool_blocks: 65_536,
            block_size: 1024,
            hot_keys: 100,
            session_window: 1 << 20,
            channel_window: 1 << 20,
            send_blocks: 2048,
            mailbox_blocks: 256,
            session_mailbox_blocks: 1024,
            record_blocks: 256,
            opened_channels: 0,
            key_packets: 1 << 20,
            forged_packets: 1 << 21,
            spare_ids: 1,
        }
    }
}

/// Channels agreed beforehand that one session has at most.
pub const MAX_CHANNELS: usize = 15;
/// With the control channel: those that are always there.
pub(crate) const CHANNELS: usize = MAX_CHANNELS + 1;
/// Carriers of one endpoint, at most.
pub const MAX_CARRIERS: usize = 8;
/// Unconfirmed responder slots of one peer: so many senders of one key begin at once, and so many Hellos of it, recorded and
/// replayed, hold up none.
pub const MAX_TENTATIVE_PER_PEER: usize = 4;
/// Ids each end gives the other beside the one in use, at most (protocol §6.1).
pub const MAX_SPARE_IDS: u32 = 3;
/// Dynamic channels one session has open at most, whoever opened them: work on a packet may grow with them.
pub const MAX_DYNAMIC_CHANNELS: u32 = 1024;
/// Messages with a deadline a channel knows of at a time.
pub const MAX_EXPIRING: u32 = 128;
/// Frames that name a channel, and acknowledgements, that a packet may hold: each may cost a search, or a walk over
/// the blocks of a window or the packets on their way (P-6-7).
pub const MAX_COSTLY_FRAMES: usize = 64;
/// Positions of credit on the control channel (protocol §4.3).
pub(crate) const CONTROL_WINDOW: u64 = 1024;
/// Datagram bytes every UDP path carries (RFC 9000 §14).
pub const MIN_UDP_DATAGRAM: u16 = 1200;
/// Bytes of user data in CONNECT and ACCEPT (protocol §7).
pub const MAX_USER_DATA: usize = 512;
/// Bytes of text in CLOSE and REFUSE (protocol §6).
pub const MAX_TEXT: usize = 128;
/// Sessions whose deadlines one [`handle_timeout`](crate::Endpoint::handle_timeout) serves, at most.
pub const TIMEOUTS_PER_CALL: usize = 64;
