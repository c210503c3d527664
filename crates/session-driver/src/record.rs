//! What the driver knows of a session.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Weak;

use session_core::{ChannelId, CloseReason};

use crate::dynamic::Dynamic;
use crate::expired::Expired;
use crate::figures::Figures;
use crate::session::SessionHandle;
use crate::waiters::Waiters;

/// What the core does not know of a session, or only for a while.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) established: bool,
    /// A warning of its end came that nobody has heard yet.
    pub(crate) warned: bool,
    /// `close`, `abort` or `refuse` was called.
    pub(crate) closing: bool,
    /// No handle is left: the slot is given up when the session has ended.
    pub(crate) orphaned: bool,
    pub(crate) ended: Option<Ended>,
    /// What it came to, once it has ended: the core forgets.
    pub(crate) figures: Option<Box<Figures>>,
    /// How far each channel has come that was used.
    offsets: Vec<Offsets>,
    /// Which messages missed their deadline, and nobody has asked.
    pub(crate) expired: Expired,
    /// Channels that were opened while it lives, until they are gone and nobody has a handle.
    pub(crate) dynamic: HashMap<ChannelId, Dynamic>,
    /// Those of the peer's that wait for `accept_channel`; those that are gone are not among them, so the core bounds their number.
    pub(crate) opened: VecDeque<ChannelId>,
    /// Where our attempt went, if it was ours.
    pub(crate) dialled: Option<SocketAddr>,
    /// Where its handles meet, once an application has one.
    pub(crate) handle: Weak<SessionHandle>,
    /// Futures that wait for it.
    pub(crate) waiters: Waiters,
}

/// How far a channel has come, as offsets.
#[derive(Clone, Copy)]
pub(crate) struct Offsets {
    channel: ChannelId,
    /// The end of the last message sent.
    pub(crate) sent: u64,
    /// Up to where the peer is known to have them.
    pub(crate) acknowledged: u64,
    /// Up to where its application is known to have taken them.
    pub(crate) delivered: u64,
}

#[derive(Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) reason: CloseReason,
}

impl Record {
    /// Of an attempt of ours.
    pub(crate) fn dialled(remote: SocketAddr) -> Self {
        Self { dialled: Some(remote), ..Self::default() }
    }

    /// Notes that a message ends at `end`.
    pub(crate) fn note_sent(&mut self, channel: ChannelId, end: u64) {
        let offsets = self.offsets_mut(channel);
        offsets.sent = offsets.sent.max(end);
    }

    /// Notes what the peer has, and what its application has taken.
    pub(crate) fn note_progress(&mut self, channel: ChannelId, acknowledged: u64, delivered: u64) {
        let offsets = self.offsets_mut(channel);
        offsets.acknowledged = offsets.acknowledged.max(acknowledged);
        offsets.delivered = offsets.delivered.max(delivered);
    }

    /// How far `channel` has come.
    pub(crate) fn offsets(&self, channel: ChannelId) -> Offsets {
        let known = self.offsets.iter().find(|offsets| offsets.channel == channel);
        known.copied().unwrap_or(Offsets::none(channel))
    }

    /// The channel is gone for everybody.
    pub(crate) fn forget_channel(&mut self, channel: ChannelId) {
        self.expired.forget(channel);
        self.offsets.retain(|offsets| offsets.channel != channel);
    }

    fn offsets_mut(&mut self, channel: ChannelId) -> &mut Offsets {
        let index = self.offsets.iter().position(|offsets| offsets.channel == channel).unwrap_or_else(|| {
            self.offsets.push(Offsets::none(channel));
            self.offsets.len() - 1
        });
        &mut self.offsets[index]
    }
}

impl Offsets {
    const fn none(channel: ChannelId) -> Self {
        Self { channel, sent: 0, acknowledged: 0, delivered: 0 }
    }
}
